//! Blocks at rest: bytes, a pin, and who may see them.
//!
//! The rule everything else leans on: **a private block does not exist for a peer**. The exchange reads
//! through [`PublicBlocks`], a view that has no way to ask for a private block, so a sealed hold-out can
//! neither be served nor admitted to before [`Blockstore::release`]. Whatever is unclear (state missing or
//! damaged) counts as private.

mod disk;
mod memory;
mod pack;
mod stamp;

use std::{path::PathBuf, sync::Arc};

pub use cid::Cid;
pub use disk::DiskBlockstore;
pub use memory::MemoryBlockstore;

use bytes::Bytes;

use crate::block::{self, CheckedBlock, MAX_BLOCK};

/// Who may see a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Served to any peer that asks.
    Public,
    /// Kept to this node: neither served, announced nor admitted to.
    Private,
}

/// What the store knows about one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    pub cid: Cid,
    /// Length in bytes.
    pub size: u64,
    pub visibility: Visibility,
    /// Kept by [`Blockstore::delete_unpinned`].
    pub pinned: bool,
}

/// Keeps blocks by name.
///
/// Calls may touch the disk and wait for it: async code goes through `tokio::task::spawn_blocking`.
pub trait Blockstore: Send + Sync + 'static {
    /// Stores raw bytes under their own name and returns it.
    ///
    /// # Errors
    /// As [`Blockstore::put_block`].
    fn put(&self, bytes: &[u8], visibility: Visibility) -> Result<Cid, StoreError> {
        let cid = block::cid_of(bytes);
        self.put_block(&cid, bytes, visibility)?;
        Ok(cid)
    }

    /// Stores bytes under a given name; storing a block again with the same visibility changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] when the bytes have another name, [`StoreError::TooLarge`],
    /// [`StoreError::Unsupported`]; [`StoreError::Sealed`] for a public put of a private block (only
    /// [`Blockstore::release`] publishes); [`StoreError::AlreadyPublic`] for a private put of a public one
    /// (what peers may have fetched cannot be sealed again).
    fn put_block(&self, cid: &Cid, bytes: &[u8], visibility: Visibility) -> Result<(), StoreError>;

    /// Keeps a copy of a public block that others have as well: unpinned, and not safe from a power cut, which
    /// costs no more than fetching it again. A block that is here already is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it is here and private; [`StoreError::TooLarge`].
    fn put_copy(&self, block: &CheckedBlock) -> Result<(), StoreError>;

    /// Reads a block, checked against its name; `None` when it is not here.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] naming the file when what is stored is not what the name says.
    fn get_checked(&self, cid: &Cid) -> Result<Option<CheckedBlock>, StoreError>;

    /// As [`Blockstore::get_checked`], the bytes alone.
    ///
    /// # Errors
    /// As [`Blockstore::get_checked`].
    fn get(&self, cid: &Cid) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get_checked(cid)?.map(|block| block.into_bytes().into()))
    }

    /// Reads a block to send it to a peer, which checks it: as [`Blockstore::get_checked`], but bytes that this store has
    /// hashed, and that nothing has changed since, need not be hashed again.
    ///
    /// # Errors
    /// As [`Blockstore::get_checked`].
    fn get_to_send(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get_checked(cid)?.map(CheckedBlock::into_bytes))
    }

    /// Describes a block without reading it.
    fn info(&self, cid: &Cid) -> Option<BlockInfo>;

    /// Lists every block, in order of name.
    fn list(&self) -> Vec<BlockInfo>;

    /// Pins a block against [`Blockstore::delete_unpinned`], or unpins it.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    fn set_pinned(&self, cid: &Cid, pinned: bool) -> Result<(), StoreError>;

    /// Makes a private block public, for good. Releasing a public block changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    fn release(&self, cid: &Cid) -> Result<(), StoreError>;

    /// Deletes all blocks without a pin and returns how many.
    fn delete_unpinned(&self) -> Result<usize, StoreError>;

    /// Says whether a block is here, whoever may see it.
    fn has(&self, cid: &Cid) -> bool {
        self.info(cid).is_some()
    }
}

/// The part of a store that peers may see.
///
/// The exchange holds this and nothing wider for reading: leaking a private block would take a change here.
#[derive(Clone)]
pub struct PublicBlocks(Arc<dyn Blockstore>);

impl PublicBlocks {
    pub fn new(store: Arc<dyn Blockstore>) -> Self {
        Self(store)
    }

    /// Says whether peers may have this block.
    pub fn has(&self, cid: &Cid) -> bool {
        self.0
            .info(cid)
            .is_some_and(|info| info.visibility == Visibility::Public)
    }

    /// Reads a public block. A missing, private or damaged block all look the same: `None`.
    pub fn get(&self, cid: &Cid) -> Option<Bytes> {
        if !self.has(cid) {
            return None;
        }
        match self.0.get_to_send(cid) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%cid, %error, "a stored block is damaged and is not served");
                None
            }
        }
    }
}

/// Why a store refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("block {cid} is not in the store")]
    Missing { cid: Cid },
    #[error("bytes do not have the name {expected}: theirs is {got}")]
    Mismatch { expected: Box<Cid>, got: Box<Cid> },
    #[error("block of {size} bytes is larger than {MAX_BLOCK}: split it into smaller blocks")]
    TooLarge { size: usize },
    #[error("{cid} is not a version 1 CID with a full SHA-256 digest: only those can be checked")]
    Unsupported { cid: Cid },
    #[error("block {cid} is private: release it before publishing it")]
    Sealed { cid: Cid },
    #[error("block {cid} is public already and cannot be sealed: a hold-out must hold data that was never published")]
    AlreadyPublic { cid: Cid },
    #[error("{}: not the block {cid} its name says ({reason}): delete the file and fetch or import the block again", path.display())]
    Corrupt {
        cid: Box<Cid>,
        path: PathBuf,
        reason: &'static str,
    },
    #[error("{}: {reason}: import the block again with its visibility, or release it", path.display())]
    State { path: PathBuf, reason: String },
    #[error("{}: not a ZKaggle block store of format {expected:?} (found {got:?}): point at another folder", path.display())]
    Format {
        path: PathBuf,
        expected: &'static str,
        got: String,
    },
    #[error("{}: opened to look at, while another process may be using it", path.display())]
    ReadOnly { path: PathBuf },
    #[error("{}: in use by another process: stop it or choose another folder", path.display())]
    Locked { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// Checks what every store checks before it accepts a block.
fn admit(cid: &Cid, bytes: &[u8]) -> Result<(), StoreError> {
    admit_size(bytes)?;
    if !block::is_supported(cid) {
        return Err(StoreError::Unsupported { cid: *cid });
    }
    if !block::matches(cid, bytes) {
        let got = Cid::new_v1(cid.codec(), *block::cid_of(bytes).hash());
        return Err(StoreError::Mismatch {
            expected: Box::new(*cid),
            got: Box::new(got),
        });
    }
    Ok(())
}

fn admit_size(bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.len() > MAX_BLOCK {
        return Err(StoreError::TooLarge { size: bytes.len() });
    }
    Ok(())
}

/// Decides whether a block that is here already may be put again.
fn admit_again(cid: &Cid, was: Visibility, wanted: Visibility) -> Result<(), StoreError> {
    match (was, wanted) {
        (Visibility::Private, Visibility::Public) => Err(StoreError::Sealed { cid: *cid }),
        (Visibility::Public, Visibility::Private) => Err(StoreError::AlreadyPublic { cid: *cid }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
