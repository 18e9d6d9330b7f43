//! A dataset as a CAR archive: `zkaggle dataset export`, and the other way.
//!
//! The archive's roots are the UnixFS folder that names all blocks and the manifest. `ipfs dag import` pins the folder with
//! everything in it, and `ipfs get` writes it out as files.

use super::output::Output;
use crate::dataset;
use crate::failure::Failure;
use crate::node_dir::NodeDir;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use zkaggle_graph::dataset::manifest::MAX_MANIFEST_BYTES;
use zkaggle_graph::dataset::{Manifest, shard};
use zkaggle_ipld::car::{CarLimits, CarReader, CarWriter};
use zkaggle_ipld::{Cid, DAG_PB, RAW};
use zkaggle_net::{Blockstore, DiskBlockstore, Visibility};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  zkaggle dataset export bafkrei… --dir ~/.zkaggle --car digits.car\n  ipfs dag import digits.car"
)]
pub struct ExportArgs {
    /// CID of the manifest, or of the folder above it.
    pub cid: String,
    /// The node's folder.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Archive to write.
    #[arg(long, value_name = "FILE")]
    pub car: PathBuf,
}

pub fn export(args: &ExportArgs, out: Output) -> Result<()> {
    let store = dataset::open(&args.dir)?;
    let get = |cid: &Cid| -> Result<Vec<u8>> {
        let missing = || Failure::not_found(format!("block {cid} is not in {}", args.dir.display()));
        if store.info(cid).is_some_and(|i| i.visibility == Visibility::Private) {
            return Err(Failure::refused(format!(
                "block {cid} is sealed: it may leave this node when a bounty has revealed it"
            )));
        }
        store.get(cid)?.ok_or_else(missing)
    };
    let manifest = dataset::manifest(&store, dataset::parse(&args.cid)?)?;
    let cid = manifest.cid();
    get(&cid)?;
    let (folder, nodes) = zkaggle_import::parts::folder(&manifest)?;
    let mut written = 0u64;
    let write = |to: &mut dyn Write| -> Result<()> {
        let mut car = CarWriter::new(to, &[folder, cid])?;
        // Parents first, so that a reader meets names before what they name.
        for (cid, node) in nodes.iter().rev() {
            car.put(cid, node)?;
        }
        car.put(&cid, &manifest.to_bytes())?;
        for s in manifest.shards() {
            car.put(&s.cid, &get(&s.cid)?)?;
            written += s.bytes;
        }
        car.finish()?;
        Ok(())
    };
    stream_atomic(&args.car, write)?;
    let text = format!(
        "{} of {}: folder {folder}, {} shard(s), {written} bytes of records",
        args.car.display(),
        manifest.name(),
        manifest.shards().len()
    );
    let value = json!({ "car": args.car, "manifest": cid.to_string(), "folder": folder.to_string(), "bytes": written });
    out.print(&value, &text)
}

/// Writes a public file as it is made: to a temporary neighbour, synced, renamed.
fn stream_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let at = || format!("write {}", path.display());
    let dir = path
        .parent()
        .filter(|d| !d.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = BufWriter::with_capacity(1 << 20, tempfile::NamedTempFile::new_in(dir).with_context(at)?);
    write(&mut file)?;
    let file = file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(at)?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
        .with_context(at)?;
    file.as_file().sync_all().with_context(at)?;
    file.persist(path).map_err(|e| e.error).with_context(at)?;
    File::open(dir).and_then(|d| d.sync_all()).with_context(at)
}

/// Stores a dataset's blocks from an archive, after every one of them was checked.
///
/// The file is read twice: once to hash everything and to hold each shard to the manifest, once to store it.
pub fn import(path: &Path, dir: &Path, sealed: bool, out: Output) -> Result<()> {
    let at = || format!("archive {}", path.display());
    let manifest = find_manifest(path).with_context(at)?;
    check(path, &manifest).with_context(at)?;
    let dir = NodeDir::open(dir)?;
    let store = DiskBlockstore::open(dir.blocks())?;
    let visibility = if sealed {
        Visibility::Private
    } else {
        Visibility::Public
    };
    let (folder, nodes) = zkaggle_import::parts::folder(&manifest)?;
    let keep = |cid: &Cid, bytes: &[u8]| -> Result<()> {
        store.put_block(cid, bytes, visibility)?;
        Ok(store.set_pinned(cid, true)?)
    };
    let wanted: BTreeMap<Cid, u64> = manifest.shards().iter().map(|s| (s.cid, s.bytes)).collect();
    let mut car = open(path)?;
    while let Some((cid, bytes)) = car.next_block()? {
        if wanted.contains_key(&cid) {
            keep(&cid, bytes)?;
        }
    }
    // Last, so that a manifest in the store is a dataset in the store.
    for (cid, node) in &nodes {
        keep(cid, node)?;
    }
    keep(&manifest.cid(), &manifest.to_bytes())?;
    let shards: Vec<String> = manifest.shards().iter().map(|s| s.cid.to_string()).collect();
    let text = format!(
        "{} ({}), {} records in {} shard(s)\nmanifest   {}\nfolder     {folder}",
        manifest.name(),
        manifest.licence(),
        manifest.n(),
        shards.len(),
        manifest.cid()
    );
    let value = json!({
        "manifest": manifest.cid().to_string(), "folder": folder.to_string(), "shards": shards, "n": manifest.n(),
    });
    out.print(&value, &text)
}

fn open(path: &Path) -> Result<CarReader<BufReader<File>>> {
    let file = BufReader::with_capacity(1 << 20, File::open(path)?);
    Ok(CarReader::new(file, CarLimits::default())?)
}

/// The manifest among the archive's roots, or under `manifest.json` in a root folder.
fn find_manifest(path: &Path) -> Result<Manifest> {
    let mut car = open(path)?;
    let roots = car.roots().to_vec();
    let mut named: Vec<Cid> = roots.iter().filter(|c| c.codec() == RAW).copied().collect();
    let mut found = None;
    while let Some((cid, bytes)) = car.next_block()? {
        if cid.codec() == DAG_PB && roots.contains(&cid) {
            let node = zkaggle_ipld::dag_pb::Node::decode(bytes).with_context(|| format!("block {cid}"))?;
            named.extend(node.links.iter().filter(|l| l.name == "manifest.json").map(|l| l.cid));
        }
        // The folder stands before its files in every archive that a dag export wrote.
        if found.is_none() && named.contains(&cid) && bytes.len() <= MAX_MANIFEST_BYTES {
            found = Manifest::from_bytes(bytes).ok();
        }
    }
    found.ok_or_else(|| {
        Failure::refused(
            "no root of the archive is a dataset's manifest or folder; `zkaggle dataset export` writes such archives",
        )
    })
}

/// Holds every shard in the archive to the manifest.
fn check(path: &Path, manifest: &Manifest) -> Result<()> {
    let mut missing: BTreeMap<Cid, u64> = manifest.shards().iter().map(|s| (s.cid, s.bytes)).collect();
    let schema = manifest.schema();
    let mut car = open(path)?;
    while let Some((cid, bytes)) = car.next_block()? {
        let Some(len) = missing.remove(&cid) else { continue };
        if len != bytes.len() as u64 {
            return Err(Failure::refused(format!(
                "shard {cid} has {} bytes, the manifest says {len}",
                bytes.len()
            )));
        }
        if let Some(i) = shard::records(schema, bytes).position(|r| schema.stray(r.features).is_some()) {
            return Err(Failure::refused(format!(
                "shard {cid}, record {}: a value exceeds {}",
                i + 1,
                schema.feature_max
            )));
        }
    }
    match missing.keys().next() {
        Some(cid) => Err(Failure::not_found(format!(
            "shard {cid} is not in the archive; export it again with all blocks"
        ))),
        None => Ok(()),
    }
}
