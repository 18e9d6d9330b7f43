//! Which files were hashed and have not changed since.
//!
//! A block that is served to a hundred peers need not be hashed a hundred times. The store remembers what a file looked
//! like when its bytes were hashed; whatever writes to a file, or puts another in its place, changes one of these. It
//! is remembered while the store is open and not longer: what a power cut or a tired disk did is found by the first read.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cid::Cid;

/// What the file system says of a file; none where it does not say when a file was last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change to bytes or name.
    changed: (i64, i64),
}

impl Stamp {
    #[cfg(unix)]
    pub fn of(file: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        Some(Self {
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

/// The stamps of the files that were hashed.
#[derive(Default)]
pub(super) struct Hashed(Mutex<BTreeMap<Cid, Stamp>>);

impl Hashed {
    fn stamps(&self) -> MutexGuard<'_, BTreeMap<Cid, Stamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a block's file was hashed, and how it looks; `None` when that could not be seen.
    pub fn note(&self, cid: &Cid, stamp: Option<Stamp>) {
        match stamp {
            Some(stamp) => self.stamps().insert(*cid, stamp),
            None => self.stamps().remove(cid),
        };
    }

    /// Says whether a file that looks like this is the one that was hashed.
    pub fn knows(&self, cid: &Cid, stamp: Option<Stamp>) -> bool {
        stamp.is_some() && self.stamps().get(cid).copied() == stamp
    }

    pub fn forget(&self, cid: &Cid) {
        self.stamps().remove(cid);
    }
}
