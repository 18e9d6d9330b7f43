//! The node's index: what it would otherwise have to read from the chain again at each start.
//!
//! * [`Store`]: the bounties a node is finished with, by [`Scope`].
//! * [`SledStore`]: on disk. [`MemoryStore`]: for stories that end with the process.
//! * [`open`]: the store of a node's folder, whatever state it is in.
//!
//! Nothing here is worth a backup: a store that is lost, damaged or of another version costs one walk
//! over the bounties, so it is moved aside and begun again. What cannot be rebuilt lies in checksummed
//! files instead (`zkaggle-vault`).

use crate::failure::Failure;
use alloy::primitives::{Address, B256};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Format and version of the store.
pub const FORMAT: &[u8] = b"zkaggle-index/1";
/// Where the format is written down, in the default tree.
const FORMAT_KEY: &[u8] = b"format";
/// The tree of bounties that are over.
const FINISHED: &[u8] = b"finished";
/// sled's page cache in bytes; the index is small and read once.
const CACHE: u64 = 8 << 20;

/// Whose bounties are meant: numbers repeat on every chain and in every market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub chain_id: u64,
    pub market: Address,
    pub account: Address,
    /// Hash of the deployment's block: a development chain that was started again has the same id and
    /// the same addresses.
    pub origin: B256,
}

impl Scope {
    /// Prefix of the scope's keys.
    ///
    /// # Shape
    /// chain id (8, big-endian), market (20), account (20), origin (32).
    fn prefix(&self) -> Vec<u8> {
        let chain_id = self.chain_id.to_be_bytes();
        [
            &chain_id[..],
            self.market.as_slice(),
            self.account.as_slice(),
            self.origin.as_slice(),
        ]
        .concat()
    }
}

/// Why the index is not there.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path} is in use by another node; stop it, or give this one its own folder")]
    InUse { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the index fails: {0}")]
    Sled(#[from] sled::Error),
    #[error("the index has format {found:?}, this version reads {FORMAT:?}", found = String::from_utf8_lossy(.found), FORMAT = String::from_utf8_lossy(FORMAT))]
    Version { found: Vec<u8> },
    #[error("the index is damaged: {what}")]
    Damaged { what: &'static str },
}

/// Bounties that need nothing more from this node.
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Adds a bounty. It may be lost in a crash until [`flush`](Self::flush).
    fn finish(&self, scope: &Scope, bounty: u64) -> Result<(), StoreError>;

    /// All of them.
    fn finished(&self, scope: &Scope) -> Result<BTreeSet<u64>, StoreError>;

    /// Returns when everything added so far is on disk.
    fn flush(&self) -> Result<(), StoreError>;
}

/// Forgets when the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeSet<(Scope, u64)>>);

impl Store for MemoryStore {
    fn finish(&self, scope: &Scope, bounty: u64) -> Result<(), StoreError> {
        // A set is whole even where a holder of the lock panicked.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((*scope, bounty));
        Ok(())
    }

    fn finished(&self, scope: &Scope) -> Result<BTreeSet<u64>, StoreError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.range((*scope, 0)..=(*scope, u64::MAX)).map(|(_, id)| *id).collect())
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// In a folder.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    finished: sled::Tree,
    /// Held while the store is open; dropped last.
    _lock: File,
}

impl SledStore {
    /// Opens or makes the store; one that cannot be read is kept under another name and made anew.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or that the folder cannot be written.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io {
            path: dir.into(),
            source,
        };
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent).map_err(io)?;
        }
        // Our own lock: sled's failure to get its one is an error like any other, and a store that a
        // running node uses must not be moved from under it.
        let lock = File::create(named(dir, "lock")).map_err(io)?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => StoreError::InUse { path: dir.into() },
            TryLockError::Error(source) => io(source),
        })?;
        let (db, finished) = match trees(dir) {
            Ok(trees) => trees,
            Err(reason) => {
                let kept = set_aside(dir).map_err(io)?;
                tracing::warn!("{reason}; it is kept as {} and begun again", kept.display());
                trees(dir)?
            }
        };
        Ok(Self {
            db,
            finished,
            _lock: lock,
        })
    }
}

impl Store for SledStore {
    fn finish(&self, scope: &Scope, bounty: u64) -> Result<(), StoreError> {
        let mut key = scope.prefix();
        key.extend(bounty.to_be_bytes());
        self.finished.insert(key, &[])?;
        Ok(())
    }

    fn finished(&self, scope: &Scope) -> Result<BTreeSet<u64>, StoreError> {
        let prefix = scope.prefix();
        let ids = self.finished.scan_prefix(&prefix).keys().map(|key| {
            let key = key?;
            let id = key.get(prefix.len()..).and_then(|id| id.try_into().ok());
            id.map(u64::from_be_bytes).ok_or(StoreError::Damaged {
                what: "a key has another length",
            })
        });
        ids.collect()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db.flush()?;
        Ok(())
    }
}

/// The store in `dir`, or one in memory where there can be none.
///
/// # Errors
/// Only that another node uses it.
pub fn open(dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    match SledStore::open(dir) {
        Ok(store) => Ok(Arc::new(store)),
        Err(e @ StoreError::InUse { .. }) => Err(Failure::refused(e.to_string())),
        Err(e) => {
            tracing::warn!("{e}; going on without an index: every bounty is looked at again after each start");
            Ok(Arc::new(MemoryStore::default()))
        }
    }
}

/// Opens sled's trees and reads every page once, so that damage shows here and not in the middle of a bounty.
fn trees(dir: &Path) -> Result<(sled::Db, sled::Tree), StoreError> {
    let open = || {
        let existed = dir.join("db").exists();
        let db = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE)
            // No thread of its own: its owner says when to flush.
            .flush_every_ms(None)
            .open()?;
        if existed && !db.was_recovered() {
            return Err(StoreError::Damaged {
                what: "none of it can be read",
            });
        }
        if !existed {
            db.insert(FORMAT_KEY, FORMAT)?;
            db.flush()?;
        }
        let found = db.get(FORMAT_KEY)?.unwrap_or_default();
        if *found != *FORMAT {
            return Err(StoreError::Version { found: found.to_vec() });
        }
        db.checksum()?;
        let finished = db.open_tree(FINISHED)?;
        Ok((db, finished))
    };
    // sled asserts on some kinds of damage. Nothing of ours is left half-changed: its trees are dropped.
    catch_unwind(AssertUnwindSafe(open)).unwrap_or(Err(StoreError::Damaged { what: "sled gave up" }))
}

/// Renames `dir` to the first free name beside it.
fn set_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let mut n = 1;
    let mut to = named(dir, "aside-1");
    while to.try_exists()? {
        n += 1;
        to = named(dir, &format!("aside-{n}"));
    }
    std::fs::rename(dir, &to)?;
    Ok(to)
}

/// `dir` with an ending, beside it.
fn named(dir: &Path, ending: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(n: u8) -> Scope {
        Scope {
            chain_id: 31_337,
            market: Address::repeat_byte(1),
            account: Address::repeat_byte(2),
            origin: B256::repeat_byte(n),
        }
    }

    fn set<const N: usize>(ids: [u64; N]) -> BTreeSet<u64> {
        BTreeSet::from(ids)
    }

    /// The list that every store passes; `again` closes it and opens it, where that keeps anything.
    fn behaves<S: Store>(store: S, again: impl Fn(S) -> S) {
        assert_eq!(store.finished(&scope(1)).unwrap(), set([]));
        store.flush().unwrap();
        for id in [7, 1, u64::MAX, 256, 7] {
            store.finish(&scope(1), id).unwrap();
        }
        let others = [
            Scope {
                chain_id: 1,
                ..scope(1)
            },
            Scope {
                market: Address::ZERO,
                ..scope(1)
            },
            Scope {
                account: Address::ZERO,
                ..scope(1)
            },
            scope(2),
        ];
        for (id, other) in others.iter().enumerate() {
            assert_eq!(store.finished(other).unwrap(), set([]), "{other:?}");
            store.finish(other, id as u64).unwrap();
        }
        store.flush().unwrap();
        let store = again(store);
        assert_eq!(store.finished(&scope(1)).unwrap(), set([1, 7, 256, u64::MAX]));
        for (id, other) in others.iter().enumerate() {
            assert_eq!(store.finished(other).unwrap(), set([id as u64]), "{other:?}");
        }
    }

    #[test]
    fn the_memory_store_behaves() {
        behaves(MemoryStore::default(), |s| s);
    }

    #[test]
    fn the_disk_store_behaves() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        behaves(SledStore::open(&dir).unwrap(), |s| {
            drop(s);
            SledStore::open(&dir).unwrap()
        });
        assert!(!named(&dir, "aside-1").exists(), "a good store was set aside");
    }

    #[test]
    fn one_node_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        let first = SledStore::open(&dir).unwrap();
        first.finish(&scope(1), 1).unwrap();
        assert!(matches!(SledStore::open(&dir), Err(StoreError::InUse { .. })));
        let refused = open(&dir).unwrap_err();
        assert_eq!(crate::failure::code_of(&refused), crate::failure::Code::Refused);
        drop(first);
        assert_eq!(open(&dir).unwrap().finished(&scope(1)).unwrap(), set([1]));
    }

    /// Whatever lies in the folder, a node starts; what was there is kept, and what it reads afterwards
    /// is never something that nobody wrote.
    #[test]
    fn what_cannot_be_read_is_kept_aside() {
        let good = tempfile::tempdir().unwrap();
        let good = good.path().join("store");
        let s = SledStore::open(&good).unwrap();
        for id in 0..2_000 {
            s.finish(&scope(1), id).unwrap();
        }
        s.flush().unwrap();
        drop(s);
        let written = std::fs::read(good.join("db")).unwrap();
        let end = written.iter().rposition(|b| *b != 0).unwrap();
        let everything: BTreeSet<u64> = (0..2_000).collect();

        type Damage = Box<dyn Fn(&Path)>;
        let db = |change: fn(&mut Vec<u8>, usize)| -> Damage {
            let mut bytes = written.clone();
            change(&mut bytes, end);
            Box::new(move |dir| std::fs::write(dir.join("db"), &bytes).unwrap())
        };
        let version: Damage = Box::new(|dir| {
            let db = sled::open(dir).unwrap();
            db.insert(FORMAT_KEY, b"zkaggle-index/2").unwrap();
            db.flush().unwrap();
        });
        let conf: Damage = Box::new(|dir| std::fs::write(dir.join("conf"), [0xff; 64]).unwrap());
        let file: Damage = Box::new(|dir| {
            std::fs::remove_dir_all(dir).unwrap();
            std::fs::write(dir, b"not a folder").unwrap();
        });
        // Name, damage, whether nothing can be read of it: sled keeps what came before a torn end. Where a
        // bit lies in the file differs from run to run, and sled may drop what it broke or refuse the whole.
        let cases = [
            ("another version", version, Some(true)),
            ("settings of something else", conf, Some(true)),
            ("a file", file, Some(true)),
            ("noise", db(|b, _| b.fill(0xa5)), Some(true)),
            ("empty", db(|b, _| b.clear()), Some(true)),
            ("cut", db(|b, end| b.truncate(end / 2)), Some(false)),
            ("torn", db(|b, end| b[end - 64..].fill(0x5a)), Some(false)),
            ("flipped", db(|b, end| b[end / 2] ^= 1), None),
        ];
        for (name, damage, lost) in cases {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("store");
            copy(&good, &dir);
            damage(&dir);
            let s = SledStore::open(&dir).unwrap_or_else(|e| panic!("{name}: {e}"));
            let kept = named(&dir, "aside-1").exists();
            let found = s.finished(&scope(1)).unwrap();
            assert!(found.is_subset(&everything), "{name}");
            assert!(
                !kept || found.is_empty(),
                "{name}: {} of what was set aside",
                found.len()
            );
            if let Some(lost) = lost {
                assert_eq!(lost, kept, "{name}: {}", found.len());
            }
            s.finish(&scope(2), 1).unwrap();
            s.flush().unwrap();
            drop(s);
            assert_eq!(
                SledStore::open(&dir).unwrap().finished(&scope(2)).unwrap(),
                set([1]),
                "{name}"
            );
        }
    }

    #[test]
    fn a_second_one_is_set_aside_beside_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("store");
        for n in 1..=2 {
            std::fs::write(&dir, [n]).unwrap();
            drop(SledStore::open(&dir).unwrap());
            assert_eq!(std::fs::read(named(&dir, &format!("aside-{n}"))).unwrap(), [n]);
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }

    #[test]
    fn where_there_can_be_none_it_is_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let store = open(&file.join("store")).unwrap();
        store.finish(&scope(1), 3).unwrap();
        assert_eq!(store.finished(&scope(1)).unwrap(), set([3]));
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for f in std::fs::read_dir(from).unwrap() {
            let f = f.unwrap();
            match f.file_type().unwrap().is_dir() {
                true => copy(&f.path(), &to.join(f.file_name())),
                false => drop(std::fs::copy(f.path(), to.join(f.file_name())).unwrap()),
            }
        }
    }
}
