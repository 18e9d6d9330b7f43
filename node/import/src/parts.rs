//! From a table to blocks: shards, a manifest, and the folder that names them all by one root.

use crate::error::ImportError;
use crate::split::Indices;
use crate::table::{MAX_DATASET, Table};
use rayon::prelude::*;
use zkaggle_graph::dataset::manifest::{MAX_MANIFEST_BYTES, Split};
use zkaggle_graph::dataset::shard::{Shard, cut};
use zkaggle_graph::dataset::{Manifest, ShardEntry};
use zkaggle_ipld::Cid;
use zkaggle_ipld::build::{Built, FolderBuilder, Sink};

/// Shards made at a time: enough for every core, and all the memory a dataset of any size takes.
const BATCH: usize = 16;

/// A written dataset.
#[derive(Clone, Debug)]
pub struct Part {
    pub manifest: Manifest,
    /// Root of the UnixFS folder that holds `manifest.json` and the shards, each file one raw block.
    pub folder: Cid,
}

/// How a part is named.
#[derive(Clone, Debug)]
pub struct Naming<'a> {
    pub name: &'a str,
    pub licence: &'a str,
    /// Records per shard; as many as a block holds when absent.
    pub per_shard: Option<usize>,
    /// Which part of a split this is.
    pub split: Option<Split>,
}

/// The parts of a table: the whole, or train and test.
pub fn parts(table: &Table, split: Option<&Indices>) -> Vec<(Option<&'static str>, Vec<u64>)> {
    match split {
        None => vec![(None, (0..table.labels().len() as u64).collect())],
        Some(s) => vec![(Some("train"), s.train.clone()), (Some("test"), s.test.clone())],
    }
}

/// Cuts records into shards and gives every block to the sink: shards, then the manifest, then the folder.
///
/// # Errors
/// When no cut exists, the manifest would be too long, or the sink fails.
pub fn write(table: &Table, indices: &[u64], naming: &Naming<'_>, sink: &mut Sink<'_>) -> Result<Part, ImportError> {
    let schema = table.schema();
    let sizes = cut(schema, indices.len(), naming.per_shard)?;
    let mut rest = indices;
    let mut slices = Vec::with_capacity(sizes.len());
    for size in sizes {
        let (head, tail) = rest.split_at(size);
        slices.push(head);
        rest = tail;
    }
    let mut entries = Vec::with_capacity(slices.len());
    for batch in slices.chunks(BATCH) {
        let shards: Vec<Shard> = batch
            .par_iter()
            .map(|s| table.records(s).map(Shard::new))
            .collect::<Result<_, _>>()?;
        for shard in shards {
            sink(shard.cid, &shard.bytes).map_err(ImportError::Sink)?;
            entries.push(ShardEntry {
                cid: shard.cid,
                bytes: shard.bytes.len() as u64,
            });
        }
    }
    let manifest = Manifest::new(naming.name, naming.licence, schema.clone(), entries)
        .and_then(|m| m.with_split(naming.split.clone()))
        .map_err(zkaggle_graph::dataset::DatasetError::from)?;
    let bytes = manifest.to_bytes();
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(ImportError::Limit {
            place: "the manifest".into(),
            what: "its size; fewer, larger shards help: the dataset's size in bytes",
            got: indices.len() as u64 * schema.record_bytes() as u64,
            limit: MAX_DATASET,
        });
    }
    let cid = manifest.cid();
    sink(cid, &bytes).map_err(ImportError::Sink)?;
    let (folder, nodes) = folder(&manifest)?;
    for (cid, node) in nodes {
        sink(cid, &node).map_err(ImportError::Sink)?;
    }
    Ok(Part { manifest, folder })
}

/// A root and the nodes below it, children first.
pub type Folder = (Cid, Vec<(Cid, Vec<u8>)>);

/// The UnixFS folder of a dataset's blocks, `manifest.json` and `shard-00000.bin` and so on.
///
/// Every file is one raw block, so the folder's links are the CIDs that manifest and chain name. It is one node up to some
/// five thousand shards, and sharded above, as Kubo has it.
///
/// # Errors
/// Never for a manifest that was read or written here.
pub fn folder(manifest: &Manifest) -> Result<Folder, ImportError> {
    let mut out = FolderBuilder::default();
    let mut add = |name: String, cid, len: u64| {
        let block = Built {
            cid,
            size: len,
            tsize: len,
            blocks: 1,
        };
        out.insert(name, block).map_err(build)
    };
    add(
        crate::root::MANIFEST.into(),
        manifest.cid(),
        manifest.to_bytes().len() as u64,
    )?;
    for (i, s) in manifest.shards().iter().enumerate() {
        add(format!("shard-{i:05}.bin"), s.cid, s.bytes)?;
    }
    let mut nodes = vec![];
    let built = out.finish(&mut |cid, bytes| {
        nodes.push((cid, bytes.to_vec()));
        Ok(())
    });
    Ok((built.map_err(build)?.cid, nodes))
}

fn build(e: zkaggle_ipld::build::BuildError) -> ImportError {
    ImportError::Sink(std::io::Error::other(e))
}
