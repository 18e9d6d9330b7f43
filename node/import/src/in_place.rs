//! Record files that are on IPFS already: their leaves become the shards, and no byte is written again.
//!
//! This needs leaves that are shards: raw blocks of whole records at most [`MAX_SHARD_BYTES`] long, as `ipfs add
//! --raw-leaves --chunker=size-N` makes them with N a multiple of the record. The schema's layout says where records,
//! features and labels stand, in every leaf alike: where there is a header, each leaf begins with its own, so that such a
//! dataset is one block or a folder of one-block files. A folder is read in the order of its paths, each file cut by
//! itself.

use crate::error::ImportError;
use crate::parts::{Naming, Part, folder};
use crate::root::{LIMITS, MANIFEST};
use std::io;
use zkaggle_graph::dataset::import::check_records;
use zkaggle_graph::dataset::{DatasetError, Manifest, ShardEntry};
use zkaggle_graph::graph::{MAX_SHARD_BYTES, Schema};
use zkaggle_ipld::walk::{Given, WalkError, each};
use zkaggle_ipld::{Cid, RAW};

const CURE: &str = "fetch the file and import it, which cuts it anew";
const PLACES: &str = "correct --shape, --offset, --stride, --features-at or --label-at, which hold for every leaf, its own \
                      header included; or fetch the file and import it, which cuts it anew";

/// Makes the leaves of a file, or of a folder's files, a dataset, hashing every node from the root down.
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
    let mut leaves: Vec<(String, u64, ShardEntry)> = vec![];
    each(root, LIMITS, get, |item, given| {
        let (path, offset, bytes) = match given {
            Given::Inner | Given::Folder { .. } => return Ok(()),
            Given::File { path, .. } if path == MANIFEST => {
                return Err(ImportError::refused(
                    root,
                    format!("it holds a {MANIFEST} already"),
                    "name the dataset by it, or leave it out of the folder",
                ));
            }
            Given::File { size, ref bytes, .. } if bytes.is_empty() && size > 0 => return Ok(()),
            Given::File { path, bytes, .. } => (path, 0, bytes),
            Given::Part { path, offset, bytes } => (path, offset, bytes),
            Given::Symlink { path, .. } => {
                return Err(ImportError::refused(
                    root,
                    format!("{path:?} is a symlink, which names no bytes"),
                    "name a record file, or a folder of record files",
                ));
            }
        };
        let named = if path.is_empty() {
            String::new()
        } else {
            format!(" of {path:?}")
        };
        let place = format!("{root}, leaf {}{named} ({})", leaves.len() + 1, item.cid);
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
        check_records(&schema, &bytes).map_err(|e| ImportError::refused(place, e, PLACES))?;
        let entry = ShardEntry {
            cid: item.cid,
            bytes: bytes.len() as u64,
        };
        leaves.push((path, offset, entry));
        Ok(())
    })?;
    // As a root is compared with its manifest: by path and place, whatever order a sharded folder comes in.
    leaves.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let entries = leaves.into_iter().map(|(_, _, entry)| entry).collect();
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
    use crate::source::Layout;
    use std::collections::BTreeMap;
    use zkaggle_ipld::build::{Built, FileOptions, FolderBuilder, Leaves, add_file};

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
        placed(root, blocks, Layout::default())
    }

    fn placed(root: Cid, blocks: &BTreeMap<Cid, Vec<u8>>, layout: Layout) -> Result<Part, String> {
        let schema = layout.apply(Schema::bytes([3], 255, 3)).map_err(|e| e.to_string())?;
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

    /// Several files, as CIFAR-10 has them: the shards of the first by name, then those of the second.
    #[test]
    fn a_folders_files_are_one_dataset() {
        let mut blocks = BTreeMap::new();
        let mut built = BTreeMap::new();
        let options = FileOptions {
            chunk: 4 * 64,
            ..FileOptions::default()
        };
        let all = records(384);
        for (name, bytes) in [("b.bin", &all[4 * 256..]), ("a.bin", &all[..4 * 256])] {
            let file = add_file(bytes, &options, &mut |cid, bytes: &[u8]| {
                blocks.insert(cid, bytes.to_vec());
                Ok(())
            });
            built.insert(name, file.unwrap());
        }
        let mut folder = |entries: &[(&str, Built)]| {
            let mut out = FolderBuilder::default();
            for (name, built) in entries {
                out.insert((*name).to_owned(), *built).unwrap();
            }
            let mut keep = |cid, bytes: &[u8]| {
                blocks.insert(cid, bytes.to_vec());
                Ok(())
            };
            (out.finish(&mut keep).unwrap(), blocks.clone())
        };
        let (root, stored) = folder(&[("b.bin", built["b.bin"]), ("a.bin", built["a.bin"])]);
        let part = used(root.cid, &stored).unwrap();
        let expected: Vec<Cid> = all.chunks(4 * 64).map(zkaggle_ipld::raw_cid).collect();
        let shards: Vec<Cid> = part.manifest.shards().iter().map(|s| s.cid).collect();
        assert_eq!((part.manifest.n(), &shards), (384, &expected));
        crate::root::check(root.cid, &part.manifest, |c| Ok(stored.get(c).cloned())).unwrap();

        let (inner, stored) = folder(&[("inner", root), ("z.bin", built["b.bin"])]);
        assert_eq!(
            used(inner.cid, &stored).unwrap().manifest.n(),
            384 + 128,
            "folders in folders too"
        );
        let (described, stored) = folder(&[("manifest.json", built["a.bin"]), ("z.bin", built["b.bin"])]);
        assert!(
            used(described.cid, &stored)
                .unwrap_err()
                .contains("holds a manifest.json already")
        );
    }

    /// Label first and nothing between, as CIFAR-10 has it: a file of many leaves keeps its CIDs.
    #[test]
    fn a_file_with_labels_in_front_is_used_in_place() {
        let first: Vec<u8> = records(256).chunks(4).flat_map(|r| [r[3], r[0], r[1], r[2]]).collect();
        let cifar = Layout {
            features_at: 1,
            label_at: Some(0),
            ..Layout::default()
        };
        let (root, blocks) = file(4 * 64, Leaves::Raw, &first);
        let part = placed(root, &blocks, cifar).unwrap();
        assert_eq!((part.manifest.n(), part.manifest.shards().len()), (256, 4));
        let expected: Vec<Cid> = first.chunks(4 * 64).map(zkaggle_ipld::raw_cid).collect();
        let shards: Vec<Cid> = part.manifest.shards().iter().map(|s| s.cid).collect();
        assert_eq!(shards, expected);
        // Read as if the label came last, the file holds labels that are no class.
        assert!(used(root, &blocks).unwrap_err().contains("label"));
    }

    #[test]
    fn a_file_with_a_header_is_used_in_place() {
        let header = b"sixteen bytes...";
        let rows: Vec<u8> = records(100)
            .chunks(4)
            .flat_map(|r| [r, &[0xff, 0xff]].concat())
            .collect();
        let bytes = [&header[..], &rows].concat();
        let layout = Layout {
            offset: 16,
            stride: Some(6),
            ..Layout::default()
        };
        let (root, blocks) = file(1 << 20, Leaves::Raw, &bytes);
        let part = placed(root, &blocks, layout).unwrap();
        assert_eq!((part.manifest.n(), part.manifest.shards()[0].cid), (100, root));
        assert_eq!(part.manifest.schema().stride(), 6);

        // Two such files in a folder are two shards.
        let mut stored = blocks.clone();
        let mut folder = FolderBuilder::default();
        for name in ["a.bin", "b.bin"] {
            let built = add_file(&bytes[..], &FileOptions::default(), &mut |_, _: &[u8]| Ok(())).unwrap();
            assert_eq!(built.cid, root);
            folder.insert(name.to_owned(), built).unwrap();
        }
        let mut keep = |cid, bytes: &[u8]| {
            stored.insert(cid, bytes.to_vec());
            Ok(())
        };
        let folder = folder.finish(&mut keep).unwrap();
        assert_eq!(placed(folder.cid, &stored, layout).unwrap().manifest.n(), 200);

        for (wrong, says) in [
            (Layout { offset: 15, ..layout }, "1 bytes are left over"),
            (Layout { offset: 617, ..layout }, "end inside the header of 617"),
            (
                Layout {
                    stride: Some(7),
                    ..layout
                },
                "whole records of 7 bytes: 5 bytes are left over",
            ),
            (
                Layout {
                    stride: Some(3),
                    ..layout
                },
                "do not fit a stride of 3",
            ),
            (
                Layout {
                    label_at: Some(2),
                    ..layout
                },
                "is one of its features",
            ),
        ] {
            let e = placed(root, &blocks, wrong).unwrap_err();
            assert!(e.contains(says), "{says}: {e}");
        }
        // The place, and the way out.
        let e = placed(root, &blocks, Layout { offset: 15, ..layout }).unwrap_err();
        assert!(
            e.contains("leaf 1 (bafkrei") && e.contains("correct --shape, --offset"),
            "{e}"
        );
        // A file of many leaves has one header; the second leaf has none.
        let (root, blocks) = file(16 + 64 * 6, Leaves::Raw, &bytes);
        let e = placed(root, &blocks, layout).unwrap_err();
        assert!(e.contains("leaf 2") && e.contains("which hold for every leaf"), "{e}");
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
