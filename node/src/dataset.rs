//! Datasets in a node's store, by the CID of their manifest or of the folder above it.

use crate::failure::Failure;
use crate::node_dir::BLOCKS;
use anyhow::Result;
use std::path::Path;
use zkaggle_graph::dataset::{Manifest, parse_cid};
use zkaggle_import::{ImportError, root};
use zkaggle_ipld::{Cid, DAG_PB, is_supported, normal};
use zkaggle_net::{Blockstore, DiskBlockstore, StoreError};

/// Reads the CID that a dataset is named by: a manifest's in its one written form, or a UnixFS root's.
///
/// # Errors
/// For anything else, truncated and weak hashes included.
pub fn parse(text: &str) -> Result<Cid> {
    match Cid::try_from(text).map(|cid| normal(&cid)) {
        Ok(root) if root.codec() == DAG_PB && is_supported(&root) => Ok(root),
        _ => Ok(parse_cid(text)?),
    }
}

/// A node folder's blocks, to read; a node may be running in it.
///
/// # Errors
/// Not found when the folder holds no blocks.
pub fn open(dir: &Path) -> Result<DiskBlockstore> {
    let blocks = dir.join(BLOCKS);
    match DiskBlockstore::open_read_only(&blocks) {
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::not_found(format!(
                "{} holds no blocks yet: import a dataset or fetch one",
                blocks.display()
            )))
        }
        opened => Ok(opened?),
    }
}

/// The manifest that a CID names. Below a dag-pb root every node and leaf is hashed, and the leaves must be the shards.
///
/// # Errors
/// Not found when the manifest or the root is not in the store; otherwise the block that is missing or is not the one its
/// parent names.
pub fn manifest(store: &dyn Blockstore, cid: Cid) -> Result<Manifest> {
    if !store.has(&cid) {
        return Err(Failure::not_found(format!(
            "dataset {cid} is not on this node: import it, or get it with `zkaggle dataset fetch`"
        )));
    }
    root::manifest_of(cid, |cid| store.get(cid).map_err(std::io::Error::other)).map_err(coded)
}

/// Checks that the leaves below a dag-pb root are a manifest's shards.
///
/// # Errors
/// As [`manifest`].
pub fn check_root(store: &dyn Blockstore, cid: Cid, manifest: &Manifest) -> Result<()> {
    root::check(cid, manifest, |cid| store.get(cid).map_err(std::io::Error::other)).map_err(coded)
}

/// A tree that is read and is another dataset's is a check that refuses.
fn coded(e: ImportError) -> anyhow::Error {
    match e {
        ImportError::Refused { .. } => Failure::refused(e.to_string()),
        e => e.into(),
    }
}
