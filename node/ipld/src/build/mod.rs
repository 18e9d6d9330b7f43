//! Files and folders to blocks, named as `ipfs add --cid-version=1` names them.
//!
//! Blocks go to a sink as they are made, children before parents, so memory does not grow with the file.

mod file;
mod folder;

pub use file::{CHUNK, FANOUT, FileOptions, Leaves, add_file};
pub(crate) use folder::is_entry_name;
pub use folder::{FOLDER_LIMIT, FolderBuilder, add_path};

use cid::Cid;
use std::io;

/// Where finished blocks go.
pub type Sink<'a> = dyn FnMut(Cid, &[u8]) -> io::Result<()> + 'a;

/// A finished file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Built {
    pub cid: Cid,
    /// Bytes of the file, or of all files below.
    pub size: u64,
    /// Bytes of all blocks below, repeated ones counted each time, as links state it.
    pub tsize: u64,
    /// Blocks given to the sink.
    pub blocks: u64,
}

/// Why a file or folder could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("read: {0}")]
    Read(#[source] io::Error),
    #[error("store a block: {0}")]
    Sink(#[source] io::Error),
    #[error("chunks of {0} bytes; 1 to 1048576 are possible (the default is 262144)")]
    Chunk(usize),
    #[error("{0} links to a node; 2 to 1024 are possible (the default is 174)")]
    Fanout(usize),
    #[error("{name:?} is no name in a folder: rename it")]
    Name { name: String },
    #[error("two entries of a folder are called {name:?}")]
    Twice { name: String },
    #[error("{path}: neither a file, a folder nor a symlink")]
    Special { path: String },
    #[error("{path}: folders nested more than {limit} deep")]
    Deep { path: String, limit: usize },
    #[error("{path}: {source}")]
    At {
        path: String,
        #[source]
        source: Box<BuildError>,
    },
}
