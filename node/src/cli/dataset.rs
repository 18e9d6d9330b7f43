//! `zkaggle dataset`.

use super::args::{DatasetArgs, DatasetCommand};
use super::dataset_holders::{self, HoldersArgs};
use super::output::Output;
use super::{dataset_car, dataset_import};
use crate::dataset;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use zkaggle_net::{Blockstore, Visibility};

pub async fn run(args: DatasetArgs, out: Output) -> Result<()> {
    match args.command {
        DatasetCommand::Import(a) => dataset_import::run(*a, out),
        DatasetCommand::Export(a) => dataset_car::export(&a, out),
        DatasetCommand::Link(a) => super::dataset_link::run(a, out).await,
        DatasetCommand::Fetch(a) => super::dataset_fetch::run(a, out).await,
        DatasetCommand::Prove(a) => super::dataset_prove::prove(a, out).await,
        DatasetCommand::Verify(a) => super::dataset_prove::verify(a, out),
        DatasetCommand::Show(a) => show(&a, out).await,
    }
}

/// Flags of `zkaggle dataset show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// CID of the manifest, or of the folder above it: then every block below is hashed and compared with the manifest.
    pub cid: String,
    /// The node's folder; a node may be running in it.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Check that the file or folder of this CID is the shards, hashing every node from it down.
    #[arg(long, value_name = "CID")]
    pub root: Option<String>,
    #[command(flatten)]
    pub ask: HoldersArgs,
}

async fn show(args: &ShowArgs, out: Output) -> Result<()> {
    let store = dataset::open(&args.dir)?;
    let m = dataset::manifest(&store, dataset::parse(&args.cid)?)?;
    let cid = m.cid();
    let (folder, _) = zkaggle_import::parts::folder(&m)?;
    let schema = m.schema();
    let shape: Vec<String> = schema.shape.iter().map(u32::to_string).collect();
    let mut lines = vec![
        format!("{} ({}), {} records", m.name(), m.licence(), m.n()),
        format!(
            "sample {} of {}, values {} to {}, {} classes",
            shape.join(" x "),
            schema.feature_type,
            schema.feature_range().0,
            schema.feature_range().1,
            schema.classes
        ),
        format!("folder {folder}"),
    ];
    if let Some(l) = schema.layout {
        lines.push(format!(
            "each shard is {l}, features from byte {} of a record, the label in byte {}",
            l.features_at, l.label_at
        ));
    }
    if let Some(root) = &args.root {
        dataset::check_root(&store, dataset::parse(root)?, &m).with_context(|| format!("the root {root}"))?;
        lines.push(format!("root {root} leads to these shards"));
    }
    if let Some(s) = m.split() {
        lines.push(format!(
            "the {} part of {} records, {}:{} with seed {}",
            s.part, s.of, s.train, s.test, s.seed
        ));
    }
    let mut rows = vec![];
    let cids: Vec<_> = m.shards().iter().map(|s| s.cid).chain([cid]).collect();
    let holders = match args.ask.asked() {
        true => Some(dataset_holders::count(&args.ask, &args.dir, &cids).await?),
        false => None,
    };
    for s in m.shards() {
        let here = match store.info(&s.cid) {
            Some(i) if i.visibility == Visibility::Private => "here, sealed",
            Some(_) => "here",
            None => "missing",
        };
        let held = holders.as_ref().and_then(|holders| holders.get(&s.cid));
        let others = held.map_or_else(String::new, |held| format!(", {} other peers", held.peers));
        lines.push(format!("{} {:>8} bytes  {here}{others}", s.cid, s.bytes));
        rows.push(json!({ "cid": s.cid.to_string(), "bytes": s.bytes, "state": here, "holders": held }));
    }
    out.print(
        &json!({
            "name": m.name(), "licence": m.licence(), "n": m.n(), "schema": schema, "split": m.split(),
            "manifest": cid.to_string(), "folder": folder.to_string(), "shards": rows,
        }),
        &lines.join("\n"),
    )
}
