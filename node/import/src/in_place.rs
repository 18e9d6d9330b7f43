//! A record file that is on IPFS already: its leaves become the shards, and no byte is written again.
//!
//! This needs leaves that are shards: raw blocks of whole records, features first and the label last, at most
//! [`MAX_SHARD_BYTES`] long, as `ipfs add --raw-leaves --chunker=size-N` makes them with N a multiple of the record. Proofs
//! and contracts read records from offset 0 at a stride of the record's size, so a file of another layout is re-cut by an
//! ordinary import instead.

use crate::error::ImportError;
use crate::parts::{Naming, Part, folder};
use crate::root::LIMITS;
use std::io;
use zkaggle_graph::dataset::import::check_records;
use zkaggle_graph::dataset::{DatasetError, Manifest, ShardEntry};
use zkaggle_graph::graph::{MAX_SHARD_BYTES, Schema};
use zkaggle_ipld::walk::{Given, WalkError, each};
use zkaggle_ipld::{Cid, RAW};

const CURE: &str = "fetch the file and import it, which cuts it anew";

/// Makes the leaves of one file a dataset, hashing every node from the root down.
///
/// # Errors
/// Names the block that is missing, or no shard.
pub fn in_place(
    root: Cid,
    schema: Schema,
    naming: &Naming<'_>,
    get: impl FnMut(&Cid) -> io::Result<Option<Vec<u8>>>,
) -> Result<Part, ImportError> {
    schema.check()?;
    let mut entries: Vec<ShardEntry> = vec![];
    each(root, LIMITS, get, |item, given| {
        let place = format!("{root}, leaf {} ({})", entries.len() + 1, item.cid);
        let bytes = match given {
            Given::Inner => return Ok(()),
            Given::File { size, ref bytes, .. } if bytes.is_empty() && size > 0 => return Ok(()),
            Given::File { bytes, .. } | Given::Part { bytes, .. } => bytes,
            Given::Folder { .. } | Given::Symlink { .. } => {
                return Err(ImportError::refused(
                    root,
                    "it is no file",
                    "name the CID of one record file",
                ));
            }
        };
        if item.cid.codec() != RAW {
            return Err(ImportError::refused(
                place,
                "it is wrapped in a dag-pb node, which proofs do not read",
                CURE,
            ));
        }
        if bytes.len() > MAX_SHARD_BYTES {
            return Err(ImportError::refused(
                place,
                format!("{} bytes; a shard has at most {MAX_SHARD_BYTES}", bytes.len()),
                CURE,
            ));
        }
        check_records(&schema, &bytes).map_err(|e| ImportError::refused(place, e, CURE))?;
        entries.push(ShardEntry {
            cid: item.cid,
            bytes: bytes.len() as u64,
        });
        Ok(())
    })?;
    let manifest = Manifest::new(naming.name, naming.licence, schema, entries).map_err(DatasetError::from)?;
    let (folder, _) = folder(&manifest)?;
    Ok(Part { manifest, folder })
}

impl From<WalkError> for ImportError {
    fn from(e: WalkError) -> Self {
        match e {
            WalkError::Missing { cid, .. } => Self::refused(
                cid,
                "the block is not in the store",
                "get the file with `zkaggle dataset fetch`",
            ),
            e => Self::Format {
                place: "the file's nodes".into(),
                reason: e.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use zkaggle_ipld::build::{FileOptions, Leaves, add_file};

    const NAMING: Naming<'_> = Naming {
        name: "x",
        licence: "x",
        per_shard: None,
        split: None,
    };

    /// 200 records of three features and a label, cut after `chunk` bytes.
    fn file(chunk: usize, leaves: Leaves, bytes: &[u8]) -> (Cid, BTreeMap<Cid, Vec<u8>>) {
        let mut blocks = BTreeMap::new();
        let options = FileOptions {
            chunk,
            leaves,
            ..FileOptions::default()
        };
        let built = add_file(bytes, &options, &mut |cid, bytes| {
            blocks.insert(cid, bytes.to_vec());
            Ok(())
        });
        (built.unwrap().cid, blocks)
    }

    fn records(n: usize) -> Vec<u8> {
        (0..n)
            .flat_map(|i| [i as u8, (i / 2) as u8, 7, (i % 3) as u8])
            .collect()
    }

    fn used(root: Cid, blocks: &BTreeMap<Cid, Vec<u8>>) -> Result<Part, String> {
        let schema = Schema::bytes([3], 255, 3);
        in_place(root, schema, &NAMING, |c| Ok(blocks.get(c).cloned())).map_err(|e| e.to_string())
    }

    #[test]
    fn a_files_leaves_are_its_shards() {
        let (root, blocks) = file(4 * 64, Leaves::Raw, &records(256));
        let part = used(root, &blocks).unwrap();
        assert_eq!((part.manifest.n(), part.manifest.shards().len()), (256, 4));
        assert!(part.manifest.shards().iter().all(|s| blocks.contains_key(&s.cid)));
        // One raw block is a file of its own.
        let (root, blocks) = file(1 << 20, Leaves::Raw, &records(256));
        assert_eq!(used(root, &blocks).unwrap().manifest.shards()[0].cid, root);
    }

    #[test]
    fn leaves_that_are_no_shards_are_refused() {
        let mut label = records(256);
        label[4 * 100 + 3] = 3;
        for (chunk, leaves, bytes, says) in [
            (4 * 64, Leaves::DagPb, records(256), "wrapped in a dag-pb node"),
            (4 * 64 + 1, Leaves::Raw, records(256), "leaf 1 (bafkrei"),
            (4 * 64, Leaves::Raw, records(200), "64 are needed"),
            (4 * 64, Leaves::Raw, label, "record 37: label 3"),
            (
                1 << 18,
                Leaves::Raw,
                records(40_000),
                "160000 bytes; a shard has at most 122880",
            ),
        ] {
            let (root, blocks) = file(chunk, leaves, &bytes);
            let e = used(root, &blocks).unwrap_err();
            assert!(e.contains(says), "{says}: {e}");
        }
        let (root, mut blocks) = file(4 * 64, Leaves::Raw, &records(256));
        let leaf = *blocks.keys().find(|c| c.codec() == RAW).unwrap();
        blocks.insert(leaf, records(65)[4..].to_vec());
        assert!(used(root, &blocks).is_err(), "another block under a leaf's name");
        blocks.remove(&leaf);
        assert!(used(root, &blocks).unwrap_err().contains("zkaggle dataset fetch"));
    }
}
