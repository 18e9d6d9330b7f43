//! IPFS's file formats without a network: names, nodes, trees, archives.
//!
//! ```text
//! file, folder -> build -> blocks + root CID        blocks + root CID -> walk -> files, folders
//!                            \-> car -> archive file -> car -> blocks
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | CIDs of raw and dag-pb blocks, and the check of bytes against them |
//! | [`dag_pb`] | the node codec: links and data |
//! | [`unixfs`] | what a node says about its file or folder |
//! | [`build`] | files and folders to blocks, with the CIDs that `ipfs add --cid-version=1` gives |
//! | [`walk`] | from a root to its leaves, every block hashed, every size and depth bounded |
//! | [`car`] | CAR version 1 archives |
//! | [`chain`] | trees as the contract `DagPb` reads them, and their nodes for a transaction |
//!
//! Nothing here does I/O of its own except [`build::add_path`]: a walk asks for blocks and is given them, so any store,
//! peer or archive can drive it.
//!
//! ```
//! use zkaggle_ipld::{build, walk};
//! use std::collections::BTreeMap;
//!
//! let mut blocks = BTreeMap::new();
//! let mut keep = |cid, bytes: &[u8]| {
//!     blocks.insert(cid, bytes.to_vec());
//!     Ok(())
//! };
//! let file = build::add_file(&vec![7u8; 600_000][..], &build::FileOptions::default(), &mut keep)?;
//! assert_eq!(file.size, 600_000);
//! let leaves = walk::leaves(file.cid, walk::Limits::default(), |cid| Ok(blocks.get(cid).cloned()))?;
//! assert_eq!(leaves.iter().map(|l| l.len).collect::<Vec<_>>(), [262_144, 262_144, 75_712]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod build;
pub mod car;
pub mod chain;
pub mod dag_pb;
pub mod name;
pub mod unixfs;
pub mod walk;

mod wire;

pub use cid::Cid;
pub use name::{DAG_PB, MAX_BLOCK, NameError, RAW, dag_pb_cid, is_supported, normal, raw_cid, verify};
