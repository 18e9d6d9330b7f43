//! Blocks in memory, for tests and for nodes that keep nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cid::Cid;

use super::{BlockInfo, Blockstore, StoreError, Visibility, admit, admit_again};

struct Entry {
    bytes: Vec<u8>,
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
        let mut entries = self.entries();
        if let Some(entry) = entries.get(cid) {
            return admit_again(cid, entry.visibility, visibility);
        }
        entries.insert(
            *cid,
            Entry {
                bytes: bytes.to_vec(),
                visibility,
                pinned: false,
            },
        );
        Ok(())
    }

    fn get(&self, cid: &Cid) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries().get(cid).map(|entry| entry.bytes.clone()))
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
