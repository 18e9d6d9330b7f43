//! Blocks in memory, for tests and for nodes that keep nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use cid::Cid;

use super::{BlockInfo, Blockstore, StoreError, Visibility, admit, admit_again, admit_size};
use crate::block::CheckedBlock;

struct Entry {
    bytes: Bytes,
    visibility: Visibility,
    pinned: bool,
}

/// Keeps blocks until it is dropped.
#[derive(Default)]
pub struct MemoryBlockstore(Mutex<BTreeMap<Cid, Entry>>);

impl MemoryBlockstore {
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Cid, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, cid: &Cid, visibility: Visibility, bytes: impl FnOnce() -> Bytes) -> Result<(), StoreError> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get(cid) {
            return admit_again(cid, entry.visibility, visibility);
        }
        let bytes = bytes();
        let entry = Entry {
            bytes,
            visibility,
            pinned: false,
        };
        entries.insert(*cid, entry);
        Ok(())
    }
}

fn info(cid: &Cid, entry: &Entry) -> BlockInfo {
    BlockInfo {
        cid: *cid,
        size: entry.bytes.len() as u64,
        visibility: entry.visibility,
        pinned: entry.pinned,
    }
}

impl Blockstore for MemoryBlockstore {
    fn put_block(&self, cid: &Cid, bytes: &[u8], visibility: Visibility) -> Result<(), StoreError> {
        admit(cid, bytes)?;
        self.keep(cid, visibility, || Bytes::copy_from_slice(bytes))
    }

    fn put_copy(&self, block: &CheckedBlock) -> Result<(), StoreError> {
        admit_size(block.bytes())?;
        self.keep(block.cid(), Visibility::Public, || block.bytes().clone())
    }

    fn get_checked(&self, cid: &Cid) -> Result<Option<CheckedBlock>, StoreError> {
        let found = self.entries().get(cid).map(|entry| entry.bytes.clone());
        Ok(found.map(|bytes| CheckedBlock::stored(*cid, bytes)))
    }

    fn info(&self, cid: &Cid) -> Option<BlockInfo> {
        self.entries().get(cid).map(|entry| info(cid, entry))
    }

    fn list(&self) -> Vec<BlockInfo> {
        self.entries().iter().map(|(cid, entry)| info(cid, entry)).collect()
    }

    fn set_pinned(&self, cid: &Cid, pinned: bool) -> Result<(), StoreError> {
        let mut entries = self.entries();
        entries.get_mut(cid).ok_or(StoreError::Missing { cid: *cid })?.pinned = pinned;
        Ok(())
    }

    fn release(&self, cid: &Cid) -> Result<(), StoreError> {
        let mut entries = self.entries();
        entries
            .get_mut(cid)
            .ok_or(StoreError::Missing { cid: *cid })?
            .visibility = Visibility::Public;
        Ok(())
    }

    fn delete_unpinned(&self) -> Result<usize, StoreError> {
        let mut entries = self.entries();
        let before = entries.len();
        entries.retain(|_, entry| entry.pinned);
        Ok(before - entries.len())
    }
}
