//! A dataset under a dag-pb root: from the root down to the shards, every node hashed.
//!
//! Proofs and contracts name leaves. Whoever is given a root instead (the folder that an import made, or a file on IPFS
//! whose leaves are the shards) checks the way down itself: each block must hash to the name its parent gives it, hold as
//! many bytes as the parent says, and the leaves must be the manifest's shards, all of them, in the manifest's order.

use crate::error::ImportError;
use std::io;
use zkaggle_graph::dataset::manifest::MAX_MANIFEST_BYTES;
use zkaggle_graph::dataset::{DatasetError, Manifest};
use zkaggle_ipld::walk::{Given, Limits, WalkError, each};
use zkaggle_ipld::{Cid, DAG_PB, verify};

/// Room for the nodes above what a manifest can list.
pub(crate) const LIMITS: Limits = Limits {
    depth: 16,
    blocks: 1 << 16,
    bytes: crate::table::MAX_DATASET + MAX_MANIFEST_BYTES as u64,
    pending: 1 << 15,
};

/// Name of the manifest in a dataset's folder.
pub(crate) const MANIFEST: &str = "manifest.json";

const CURE: &str = "name the dataset by its manifest, or fetch it from its provider again";

/// One leaf below a root.
struct Leaf {
    path: String,
    offset: u64,
    cid: Cid,
    bytes: u64,
}

/// Reads the manifest that a CID names: its own block, or the one in the dataset's folder, whose every node and leaf is then
/// hashed and compared with it.
///
/// # Errors
/// Names the block that is missing, damaged or not the manifest's.
pub fn manifest_of(
    cid: Cid,
    mut get: impl FnMut(&Cid) -> io::Result<Option<Vec<u8>>>,
) -> Result<Manifest, ImportError> {
    if cid.codec() != DAG_PB {
        let block = get(&cid).map_err(|source| WalkError::Get { cid, source })?;
        let block = block.ok_or_else(|| WalkError::Missing {
            cid: Box::new(cid),
            path: String::new(),
        })?;
        verify(&cid, &block).map_err(WalkError::from)?;
        return Ok(Manifest::from_bytes(&block).map_err(DatasetError::from)?);
    }
    let (leaves, manifest) = leaves(cid, get)?;
    let manifest = manifest.ok_or_else(|| {
        ImportError::refused(
            cid,
            format!("the folder holds no {MANIFEST} of one block"),
            "name a dataset's folder, or a file's manifest; `zkaggle dataset import --cid` makes one for a file",
        )
    })?;
    compare(cid, &leaves, &manifest)?;
    Ok(manifest)
}

/// Checks that the leaves below a root, a folder's or a file's, are a manifest's shards.
///
/// # Errors
/// As [`manifest_of`].
pub fn check(
    root: Cid,
    manifest: &Manifest,
    get: impl FnMut(&Cid) -> io::Result<Option<Vec<u8>>>,
) -> Result<(), ImportError> {
    let (leaves, inside) = leaves(root, get)?;
    if inside.is_some_and(|inside| inside != *manifest) {
        return Err(ImportError::refused(root, "the folder holds another manifest", CURE));
    }
    compare(root, &leaves, manifest)
}

/// Leaves below a root, the manifest apart, in order of path and place.
fn leaves(
    root: Cid,
    get: impl FnMut(&Cid) -> io::Result<Option<Vec<u8>>>,
) -> Result<(Vec<Leaf>, Option<Manifest>), ImportError> {
    let (mut leaves, mut manifest) = (vec![], None);
    each(root, LIMITS, get, |item, given| {
        let (path, offset, bytes) = match given {
            Given::File { path, bytes, .. } if path == MANIFEST && !bytes.is_empty() => {
                manifest = Some(Manifest::from_bytes(&bytes).map_err(DatasetError::from)?);
                return Ok(());
            }
            // A file that only begins here has no bytes of its own.
            Given::File { size, ref bytes, .. } if bytes.is_empty() && size > 0 => return Ok(()),
            Given::File { path, bytes, .. } => (path, 0, bytes),
            Given::Part { path, offset, bytes } => (path, offset, bytes),
            Given::Inner | Given::Folder { .. } => return Ok(()),
            Given::Symlink { path, .. } => {
                return Err(ImportError::refused(
                    root,
                    format!("{path:?} is a symlink, which names no bytes"),
                    CURE,
                ));
            }
        };
        leaves.push(Leaf {
            path,
            offset,
            cid: item.cid,
            bytes: bytes.len() as u64,
        });
        Ok(())
    })?;
    // A sharded folder comes in the order of its hashes.
    leaves.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    Ok((leaves, manifest))
}

fn compare(root: Cid, leaves: &[Leaf], manifest: &Manifest) -> Result<(), ImportError> {
    let shards = manifest.shards();
    for (i, (leaf, shard)) in leaves.iter().zip(shards).enumerate() {
        if (leaf.cid, leaf.bytes) != (shard.cid, shard.bytes) {
            let reason = format!(
                "leaf {} is {} of {} bytes, the manifest's shard is {} of {}",
                i + 1,
                leaf.cid,
                leaf.bytes,
                shard.cid,
                shard.bytes
            );
            return Err(ImportError::refused(root, reason, CURE));
        }
    }
    if leaves.len() != shards.len() {
        let reason = format!("it has {} leaves, the manifest {} shards", leaves.len(), shards.len());
        return Err(ImportError::refused(root, reason, CURE));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::folder;
    use std::collections::BTreeMap;
    use zkaggle_graph::dataset::ShardEntry;
    use zkaggle_graph::graph::Schema;
    use zkaggle_ipld::build::{Built, FileOptions, FolderBuilder, add_file};
    use zkaggle_ipld::raw_cid;

    type Blocks = BTreeMap<Cid, Vec<u8>>;

    /// 256 records of three features and a label in shards of 64, under a folder and under a file.
    fn dataset() -> (Manifest, Cid, Cid, Blocks) {
        let bytes: Vec<u8> = (0..256).flat_map(|i| [i as u8, 1, 2, (i % 3) as u8]).collect();
        let mut blocks = Blocks::new();
        let options = FileOptions {
            chunk: 4 * 64,
            ..FileOptions::default()
        };
        let file = add_file(bytes.as_slice(), &options, &mut |cid, bytes| {
            blocks.insert(cid, bytes.to_vec());
            Ok(())
        });
        let entries = bytes.chunks(4 * 64).map(|shard| ShardEntry {
            cid: raw_cid(shard),
            bytes: shard.len() as u64,
        });
        let schema = Schema::bytes([3], 255, 3);
        let manifest = Manifest::new("x", "x", schema, entries.collect()).unwrap();
        blocks.insert(manifest.cid(), manifest.to_bytes());
        let (root, nodes) = folder(&manifest).unwrap();
        blocks.extend(nodes);
        (manifest, root, file.unwrap().cid, blocks)
    }

    fn says<T>(result: Result<T, ImportError>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_folder_and_a_file_lead_to_their_shards() {
        let (manifest, folder, file, blocks) = dataset();
        let get = |c: &Cid| Ok(blocks.get(c).cloned());
        assert_eq!(manifest_of(manifest.cid(), get).unwrap(), manifest);
        assert_eq!(manifest_of(folder, get).unwrap(), manifest);
        check(folder, &manifest, get).unwrap();
        check(file, &manifest, get).unwrap();
        assert!(says(manifest_of(file, get)).contains("holds no manifest.json"));
    }

    #[test]
    fn a_block_that_is_not_the_one_its_parent_names_is_refused() {
        let (manifest, folder, file, blocks) = dataset();
        for (root, name) in [
            (folder, folder),
            (folder, manifest.cid()),
            (folder, manifest.shards()[2].cid),
            (file, file),
            (file, manifest.shards()[0].cid),
        ] {
            let mut bad = blocks.clone();
            bad.get_mut(&name).unwrap()[9] ^= 1;
            let e = says(check(root, &manifest, |c| Ok(bad.get(c).cloned())));
            assert!(e.contains(&name.to_string()), "{e}");
            bad.remove(&name);
            let e = says(check(root, &manifest, |c| Ok(bad.get(c).cloned())));
            assert!(e.contains(&name.to_string()), "{e}");
        }
    }

    /// Honest hashes all the way, but other leaves than the manifest's: a shard less, two in another order, one more.
    #[test]
    fn a_root_over_other_leaves_is_refused() {
        let (manifest, _, file, mut blocks) = dataset();
        let cids: Vec<Cid> = manifest.shards().iter().map(|s| s.cid).collect();
        let mut over = |shards: &[Cid]| {
            let mut out = FolderBuilder::default();
            let entries = std::iter::once((MANIFEST.to_owned(), manifest.cid())).chain(
                shards
                    .iter()
                    .enumerate()
                    .map(|(i, cid)| (format!("shard-{i:05}.bin"), *cid)),
            );
            for (name, cid) in entries {
                let size = blocks[&cid].len() as u64;
                let built = Built {
                    cid,
                    size,
                    tsize: size,
                    blocks: 1,
                };
                out.insert(name, built).unwrap();
            }
            let mut nodes = vec![];
            let built = out.finish(&mut |cid, bytes| {
                nodes.push((cid, bytes.to_vec()));
                Ok(())
            });
            blocks.extend(nodes);
            built.unwrap().cid
        };
        let less = over(&cids[..3]);
        let swapped = over(&[cids[1], cids[0], cids[2], cids[3]]);
        let more = over(&[cids[0], cids[1], cids[2], cids[3], cids[0]]);
        let whole = over(&cids);
        let get = |c: &Cid| Ok(blocks.get(c).cloned());
        assert!(says(manifest_of(less, get)).contains("it has 3 leaves, the manifest 4 shards"));
        assert!(says(manifest_of(swapped, get)).contains("leaf 1 is "));
        assert!(says(manifest_of(more, get)).contains("it has 5 leaves"));
        assert_eq!(manifest_of(whole, get).unwrap(), manifest);
        let other = Manifest::new("y", "x", manifest.schema().clone(), manifest.shards().to_vec()).unwrap();
        assert!(says(check(whole, &other, get)).contains("another manifest"));
        check(file, &other, get).unwrap();
    }
}
