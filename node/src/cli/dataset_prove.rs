//! `zkaggle dataset prove` and `verify`: CID proofs of a whole dataset, as files.

use super::output::Output;
use super::verify::verify as verify_file;
use crate::dataset;
use crate::failure::Failure;
use crate::files::write_atomic;
use crate::measure::Measure;
use crate::proof_file::{ProofFile, ShardFile, Statement};
use crate::prover::{Prover, cid};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_config::units::ByteSize;
use zkaggle_net::Blockstore;
use zkaggle_sumcheck::prover::Phase;

/// Flags of `zkaggle dataset prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// CID of the manifest, or of the folder above it.
    pub cid: String,
    /// The node's folder, which holds the dataset.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder for the proof files. What lies there and holds is not proved again.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Keys folder.
    #[arg(long, default_value = "keys", value_name = "DIR")]
    pub keys: PathBuf,
    /// Most memory that the process may take, such as 3GiB: less memory makes more and smaller proofs.
    #[arg(long, value_name = "SIZE")]
    pub max_memory: Option<ByteSize>,
}

/// Flags of `zkaggle dataset verify`.
#[derive(Debug, Args)]
pub struct VerifyDatasetArgs {
    /// CID of the manifest, or of the folder above it.
    pub cid: String,
    /// The node's folder, which holds the manifest.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Folder of the proof files.
    #[arg(long, value_name = "DIR")]
    pub proofs: PathBuf,
    /// Keys folder.
    #[arg(long, default_value = "keys", value_name = "DIR")]
    pub keys: PathBuf,
}

/// Name of the proof file of the run that starts with a shard.
fn path(dir: &Path, first: usize) -> PathBuf {
    dir.join(format!("cid-{first}.proof"))
}

pub async fn prove(args: ProveArgs, out: Output) -> Result<()> {
    let store = dataset::open(&args.dir)?;
    let manifest = dataset::manifest(&store, dataset::parse(&args.cid)?)?;
    let lengths: Vec<usize> = manifest.shards().iter().map(|s| s.bytes as usize).collect();
    let runs = cid::runs(&lengths, args.max_memory)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("create {}", args.out.display()))?;
    let prover = Prover::open(&args.keys)?;
    let key = cid::key(&SrsPoints::development())?;
    let mut files = vec![];
    for (number, run) in runs.iter().enumerate() {
        let to = path(&args.out, run.start);
        let label = format!("proof {} of {}", number + 1, runs.len());
        let shards = &manifest.shards()[run.clone()];
        let wanted = || shards.iter().map(|s| s.cid.to_string());
        if let Ok(file) = ProofFile::read(&to)
            && let Statement::Cid { shards } = &file.statement
            && wanted().eq(shards.iter().map(|s| s.cid.clone()))
            && verify_file(&file, &args.keys).is_ok()
        {
            eprintln!("{label}: {} holds", to.display());
            files.push(to);
            continue;
        }
        let mut blocks = vec![];
        for s in shards {
            let block = store.get(&s.cid)?;
            blocks.push(block.ok_or_else(|| {
                Failure::not_found(format!(
                    "shard {} is not in {}: fetch the dataset first",
                    s.cid,
                    args.dir.display()
                ))
            })?);
        }
        let measure = Arc::new(Measure::start());
        let (since, named) = (measure.clone(), label.clone());
        let (instances, proof) = prover
            .prove_cid(prover.turn().await?, blocks, move |phase| {
                let doing = match phase {
                    Phase::Trace => "running SHA-256",
                    Phase::Commit => "committing",
                    Phase::Blocks => "blocks",
                    Phase::Rows => "rows",
                    Phase::Open => "opening",
                };
                eprintln!("{named}: {:>6.1} s  {doing}", since.seconds());
            })
            .await?;
        let shards = wanted()
            .zip(instances)
            .map(|(cid, instance)| ShardFile { cid, instance })
            .collect();
        let file = ProofFile::new(key.development, key.vk_id, Statement::Cid { shards }, proof);
        write_atomic(&to, file.to_json().as_bytes())?;
        eprintln!(
            "{label}: {:>6.1} s  {} MiB at the peak: {}",
            measure.seconds(),
            measure.peak_mib(),
            to.display()
        );
        files.push(to);
    }
    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    out.print(
        &json!({ "manifest": args.cid, "shards": lengths.len(), "proofs": names }),
        &names.join("\n"),
    )
}

pub fn verify(args: VerifyDatasetArgs, out: Output) -> Result<()> {
    let store = dataset::open(&args.dir)?;
    let manifest = dataset::manifest(&store, dataset::parse(&args.cid)?)?;
    let mut open: BTreeSet<String> = manifest.shards().iter().map(|s| s.cid.to_string()).collect();
    let folder = std::fs::read_dir(&args.proofs)
        .map_err(|e| Failure::not_found(format!("proof folder {}: {e}", args.proofs.display())))?;
    let mut count = 0;
    for entry in folder {
        let from = entry?.path();
        if from.extension().is_none_or(|e| e != "proof") {
            continue;
        }
        let file = ProofFile::read(&from)?;
        let Statement::Cid { shards } = &file.statement else {
            continue;
        };
        verify_file(&file, &args.keys).with_context(|| format!("{} is refused", from.display()))?;
        count += 1;
        for s in shards {
            open.remove(&s.cid);
        }
    }
    if let Some(cid) = open.first() {
        return Err(Failure::refused(format!(
            "{} of {} shards are in no proof, the first is {cid}",
            open.len(),
            manifest.shards().len()
        )));
    }
    out.print(
        &json!({ "valid": true, "manifest": args.cid, "shards": manifest.shards().len(), "proofs": count }),
        &format!("valid: {count} proof(s) cover all {} shards", manifest.shards().len()),
    )
}
