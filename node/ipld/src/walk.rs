//! From a root to its leaves: a walk that asks for blocks and is given them.
//!
//! The caller gets blocks from wherever it likes, several at a time and in any order. Every block is hashed before it is
//! read, every size a parent states is compared with what the child holds, and every number a hostile tree could make
//! large (depth, blocks, bytes, waiting names) has a limit. A cycle needs a block that contains its own hash, so it shows
//! as a block that does not hash to its name; a tree that only repeats the same child runs into the limits.

mod node;

use crate::dag_pb::DagPbError;
use crate::name::{NameError, is_supported, normal, verify};
use crate::unixfs::UnixFsError;
use cid::Cid;
use std::borrow::Cow;
use std::io;

/// What a walk may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes between root and leaf.
    pub depth: u32,
    /// Blocks asked for, repeated ones counted each time.
    pub blocks: u64,
    /// File bytes in all.
    pub bytes: u64,
    /// Names that wait to be asked for.
    pub pending: usize,
}

impl Default for Limits {
    /// Room for any dataset this version can import, and folders of a million files.
    fn default() -> Self {
        Self {
            depth: 64,
            blocks: 1 << 21,
            bytes: 1 << 36,
            pending: 1 << 17,
        }
    }
}

/// Why a walk stopped. Every case names the block, and the path where there is one.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("{cid}: {source}")]
    Node {
        cid: Box<Cid>,
        #[source]
        source: DagPbError,
    },
    #[error("{cid}: {source}")]
    UnixFs {
        cid: Box<Cid>,
        #[source]
        source: UnixFsError,
    },
    #[error("{cid}: {reason}")]
    Form { cid: Cid, reason: &'static str },
    #[error("{cid}: its parent states {stated} bytes, it holds {got}")]
    Size { cid: Cid, stated: u64, got: u64 },
    #[error("{cid}: {name:?} is no name of an entry in a folder")]
    EntryName { cid: Box<Cid>, name: String },
    #[error("{at}: {what} exceeds the limit of {limit}; raise it if you trust the source")]
    Limit {
        /// Path and CID.
        at: String,
        what: &'static str,
        limit: u64,
    },
    #[error("{cid}, at {path:?}: the block is missing")]
    Missing { cid: Box<Cid>, path: String },
    #[error("{cid}: {source}")]
    Get {
        cid: Cid,
        #[source]
        source: io::Error,
    },
}

/// What a parent says a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The root, or an entry of a folder: file, folder or symlink.
    Entry,
    /// Part of a file, from `offset` on, of `len` bytes.
    Part { offset: u64, len: u64 },
    /// Part of a sharded folder, `level` nodes below its top, whose entries' hashes begin with `prefix`.
    Shard { level: usize, prefix: u64 },
}

/// A block to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Version 1, raw or dag-pb.
    pub cid: Cid,
    /// Folders and name from the root on, joined by `/`; empty for the root itself.
    pub path: String,
    place: Place,
    depth: u32,
}

/// What a block turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    /// A file begins; its bytes follow, those in this very block first.
    File {
        path: String,
        size: u64,
        bytes: Cow<'a, [u8]>,
    },
    /// Bytes of a file that has begun.
    Part {
        path: String,
        offset: u64,
        bytes: Cow<'a, [u8]>,
    },
    /// A node inside a file, or part of a sharded folder: nothing but links.
    Inner,
    /// A folder begins; its entries follow.
    Folder { path: String },
    /// A symlink. Where it points is nobody's promise; following it is refused by most readers.
    Symlink { path: String, target: String },
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    limits: Limits,
    todo: Vec<Item>,
    blocks: u64,
    bytes: u64,
}

impl Walk {
    /// Starts at a root of CID version 0 or 1.
    ///
    /// # Errors
    /// [`NameError::Unsupported`] for a root that cannot be checked.
    pub fn new(root: Cid, limits: Limits) -> Result<Self, WalkError> {
        let mut walk = Self {
            limits,
            todo: vec![],
            blocks: 0,
            bytes: 0,
        };
        walk.queue(vec![Item {
            cid: root,
            path: String::new(),
            place: Place::Entry,
            depth: 0,
        }])?;
        Ok(walk)
    }

    /// The next block to get, in the order of the files' bytes; `None` while all that is known was handed out.
    ///
    /// The walk is over when this is `None` and every item handed out was given back to [`Walk::give`].
    #[expect(
        clippy::should_implement_trait,
        reason = "giving a block back puts more items behind a `None`"
    )]
    pub fn next(&mut self) -> Option<Item> {
        self.todo.pop()
    }

    /// Takes a block for an item: checks it, says what it is, queues what it links to.
    ///
    /// # Errors
    /// When the bytes are not the item's, the node is malformed or disagrees with its parent, or a limit is reached.
    pub fn give<'a>(&mut self, item: &Item, block: &'a [u8]) -> Result<Given<'a>, WalkError> {
        verify(&item.cid, block)?;
        self.give_checked(item, block)
    }

    /// As [`Walk::give`], for bytes that the caller has hashed and compared with the item's name.
    ///
    /// # Errors
    /// When the node is malformed or disagrees with its parent, or a limit is reached.
    pub fn give_checked<'a>(&mut self, item: &Item, block: &'a [u8]) -> Result<Given<'a>, WalkError> {
        let read = node::read(item, block)?;
        if let Given::File { size, .. } = read.given {
            // Charged where a file begins, before any of it is asked for.
            self.bytes = self.bytes.saturating_add(size);
            if self.bytes > self.limits.bytes {
                return Err(self.limit(item, "the size of all files", self.limits.bytes));
            }
        }
        self.queue(read.children)?;
        Ok(read.given)
    }

    fn limit(&self, item: &Item, what: &'static str, limit: u64) -> WalkError {
        WalkError::Limit {
            at: format!("{:?} ({})", item.path, item.cid),
            what,
            limit,
        }
    }

    /// Queues children so that the first is popped first.
    fn queue(&mut self, children: Vec<Item>) -> Result<(), WalkError> {
        self.blocks += children.len() as u64;
        let Some(first) = children.first() else { return Ok(()) };
        for (over, what, limit) in [
            (
                first.depth > self.limits.depth,
                "the depth of the tree",
                u64::from(self.limits.depth),
            ),
            (
                self.blocks > self.limits.blocks,
                "the number of blocks",
                self.limits.blocks,
            ),
            (
                self.todo.len() + children.len() > self.limits.pending,
                "the number of links waiting",
                self.limits.pending as u64,
            ),
        ] {
            if over {
                return Err(self.limit(first, what, limit));
            }
        }
        for mut child in children.into_iter().rev() {
            child.cid = normal(&child.cid);
            if !is_supported(&child.cid) {
                return Err(NameError::Unsupported { cid: child.cid }.into());
            }
            self.todo.push(child);
        }
        Ok(())
    }
}

/// One run of file bytes in one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub cid: Cid,
    /// The file, as in [`Item::path`].
    pub path: String,
    /// Where in the file the bytes stand.
    pub offset: u64,
    pub len: u64,
}

/// Walks from `root`, getting blocks one by one, and hands over everything found.
///
/// # Errors
/// The first block that is missing or refused; whatever `see` answers.
pub fn each<E: From<WalkError>>(
    root: Cid,
    limits: Limits,
    mut get: impl FnMut(&Cid) -> io::Result<Option<Vec<u8>>>,
    mut see: impl FnMut(&Item, Given<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut walk = Walk::new(root, limits)?;
    while let Some(item) = walk.next() {
        let cid = item.cid;
        let block = get(&cid).map_err(|source| WalkError::Get { cid, source })?;
        let block = block.ok_or_else(|| WalkError::Missing {
            cid: Box::new(cid),
            path: item.path.clone(),
        })?;
        see(&item, walk.give(&item, &block)?)?;
    }
    Ok(())
}

/// Lists the blocks that hold file bytes, in order.
///
/// # Errors
/// As [`each`].
pub fn leaves(
    root: Cid,
    limits: Limits,
    get: impl FnMut(&Cid) -> io::Result<Option<Vec<u8>>>,
) -> Result<Vec<Leaf>, WalkError> {
    let mut out = vec![];
    each(root, limits, get, |item, given| {
        let (path, offset, bytes) = match given {
            // A file that only begins here has no bytes of its own, an empty one still is a leaf.
            Given::File { size, bytes, .. } if bytes.is_empty() && size > 0 => return Ok(()),
            Given::File { path, bytes, .. } => (path, 0, bytes),
            Given::Part { path, offset, bytes } => (path, offset, bytes),
            _ => return Ok(()),
        };
        out.push(Leaf {
            cid: item.cid,
            path,
            offset,
            len: bytes.len() as u64,
        });
        Ok::<_, WalkError>(())
    })?;
    Ok(out)
}
