//! Blocks on disk: one file per block, one small file per block's state.
//!
//! ```text
//! format               "zkaggle-blockstore 1"
//! lock                 locked while a process has the store open
//! blocks/<cid>         the block's bytes and nothing else
//! state/<cid>          visibility, pin and length, ending in a checksum
//! packs/<number>       public, unpinned blocks that were fetched, many to a file: see [`pack`](super::pack)
//! copies/<cid>         the bytes of such a block, as earlier versions kept them
//! tmp/                 files being written; emptied on open
//! ```
//!
//! Every file outside `packs/` is written aside, synced, renamed, and its folder synced, so that a crash leaves the old file
//! or the new one. State is written before bytes and deleted after them: bytes without state can only mean
//! damage, and damage counts as private. A copy needs no state, since its place says what it is, and no sync:
//! bytes are checked on reading, and what a power cut tore is fetched again. What goes to a peer is not hashed once more
//! when this process has hashed it and the file system says that the file is still the same.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

use super::{
    BlockInfo, Blockstore, StoreError, Visibility, admit, admit_again, admit_size,
    pack::{Packs, Spot},
    stamp::{Hashed, Stamp},
};
use crate::block::{self, CheckedBlock, MAX_BLOCK};

const FORMAT: &str = "zkaggle-blockstore 1\n";
const STATE_HEADER: &str = "zkaggle-block 1";
/// A state file is under 300 bytes; a longer one is not ours.
const MAX_STATE: u64 = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    visibility: Visibility,
    pinned: bool,
}

#[derive(Clone, Debug)]
enum Entry {
    Known(State),
    /// Public, unpinned, of this many bytes; in a file of its own when it has no spot in a pack.
    Copy {
        size: u64,
        spot: Option<Spot>,
    },
    /// Bytes are here but their state cannot be read: private, kept, and refused by name until repaired.
    Damaged {
        reason: String,
    },
}

/// Where a block's bytes are.
struct Place {
    path: PathBuf,
    /// A part of the file; all of it when there is none.
    spot: Option<Spot>,
}

/// Keeps blocks in a folder that one process at a time may open.
pub struct DiskBlockstore {
    root: PathBuf,
    index: Mutex<BTreeMap<Cid, Entry>>,
    /// Files whose bytes need not be hashed again before they are sent.
    hashed: Hashed,
    /// The copies that are not files of their own. Their lock is taken after that of the index.
    packs: Packs,
    /// Held open: the operating system drops the lock when the process ends, however it ends. A reader has none.
    lock: Option<File>,
}

impl DiskBlockstore {
    /// Opens a store, creating the folder if needed.
    ///
    /// Half-written files of a crash are removed. A block whose state file is damaged or missing stays, is
    /// private, and is refused by name on reading: see [`DiskBlockstore::damaged`].
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it, [`StoreError::Format`] when the folder holds
    /// something else, [`StoreError::Io`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(at(&root))?;
        let lock = lock(&root.join("lock"))?;
        check_format(&root)?;
        for folder in ["blocks", "state", "copies", "packs", "tmp"].map(|name| root.join(name)) {
            fs::create_dir_all(&folder).map_err(at(&folder))?;
        }
        empty(&root.join("tmp"))?;
        let (index, packs) = scan(&root, true)?;
        Ok(Self {
            root,
            index: Mutex::new(index),
            hashed: Hashed::default(),
            packs,
            lock: Some(lock),
        })
    }

    /// Opens a store to look at, beside a process that may be using it; nothing in the folder is changed.
    ///
    /// It shows what was there when it was opened. Whatever would write answers [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// [`StoreError::Format`] when the folder holds something else, [`StoreError::Io`] when it is not there.
    pub fn open_read_only(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        if !written_format(&root)? {
            let path = root.join("format");
            return Err(at(&path)(io::ErrorKind::NotFound.into()));
        }
        let (index, packs) = scan(&root, false)?;
        Ok(Self {
            root,
            index: Mutex::new(index),
            hashed: Hashed::default(),
            packs,
            lock: None,
        })
    }

    fn writable(&self) -> Result<(), StoreError> {
        match &self.lock {
            Some(_) => Ok(()),
            None => Err(StoreError::ReadOnly {
                path: self.root.clone(),
            }),
        }
    }

    /// Names the blocks whose state is damaged, and how.
    pub fn damaged(&self) -> Vec<(Cid, StoreError)> {
        let index = self.index();
        let damaged = index.iter().filter_map(|(cid, entry)| match entry {
            Entry::Damaged { reason } => Some((*cid, self.state_error(cid, reason))),
            Entry::Known(_) | Entry::Copy { .. } => None,
        });
        damaged.collect()
    }

    fn index(&self) -> MutexGuard<'_, BTreeMap<Cid, Entry>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn block_path(&self, cid: &Cid) -> PathBuf {
        self.root.join("blocks").join(cid.to_string())
    }

    fn copy_path(&self, cid: &Cid) -> PathBuf {
        self.root.join("copies").join(cid.to_string())
    }

    fn state_path(&self, cid: &Cid) -> PathBuf {
        self.root.join("state").join(cid.to_string())
    }

    fn state_error(&self, cid: &Cid, reason: &str) -> StoreError {
        StoreError::State {
            path: self.state_path(cid),
            reason: reason.to_owned(),
        }
    }

    fn write_state(&self, cid: &Cid, state: &State) -> Result<(), StoreError> {
        let aside = self.root.join("tmp").join(format!("{cid}.state"));
        write_atomic(&aside, &self.state_path(cid), encode_state(cid, state).as_bytes()).map(drop)
    }

    fn write_block(&self, cid: &Cid, bytes: &[u8]) -> Result<(), StoreError> {
        let aside = self.root.join("tmp").join(format!("{cid}.block"));
        let stamp = write_atomic(&aside, &self.block_path(cid), bytes)?;
        self.hashed.note(cid, stamp);
        Ok(())
    }

    /// Reads and checks a block's bytes.
    fn read(&self, cid: &Cid) -> Result<CheckedBlock, StoreError> {
        self.read_checked(cid, Place::file(self.block_path(cid)))
    }

    fn read_checked(&self, cid: &Cid, place: Place) -> Result<CheckedBlock, StoreError> {
        let (bytes, stamp) = read_block(cid, &place)?;
        let checked = CheckedBlock::new(*cid, bytes).ok_or_else(|| corrupt(cid, place.path, "digest differs"))?;
        self.hashed.note(cid, stamp);
        Ok(checked)
    }

    /// Where a copy is.
    fn copy_place(&self, cid: &Cid, spot: Option<Spot>) -> Place {
        let path = spot.map_or_else(|| self.copy_path(cid), |spot| self.packs.path(&spot));
        Place { path, spot }
    }

    /// Gives a copy's bytes up.
    fn remove_copy(&self, cid: &Cid, spot: Option<Spot>) -> Result<(), StoreError> {
        match spot {
            Some(spot) => self.packs.release(&spot),
            None => remove_unsynced(&self.copy_path(cid)),
        }
    }

    /// Where a block is; `None` when it is not here.
    fn place(&self, cid: &Cid) -> Result<Option<Place>, StoreError> {
        Ok(match self.index().get(cid) {
            None => None,
            Some(Entry::Damaged { reason }) => return Err(self.state_error(cid, reason)),
            Some(Entry::Known(_)) => Some(Place::file(self.block_path(cid))),
            Some(Entry::Copy { spot, .. }) => Some(self.copy_place(cid, *spot)),
        })
    }

    /// Reads from a block's place; once more where it has moved to, when it was pinned after the look and before the read.
    fn read_from<T>(
        &self,
        cid: &Cid,
        place: Place,
        read: impl Fn(Place) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match read(place) {
            Err(StoreError::Corrupt { .. }) if matches!(self.index().get(cid), Some(Entry::Known(_))) => {
                read(Place::file(self.block_path(cid)))
            }
            found => found,
        }
    }

    /// Writes a copy into a pack; the index is not held while the disk works.
    fn write_copy(&self, block: &CheckedBlock) -> Result<(), StoreError> {
        let size = block.bytes().len() as u64;
        loop {
            let spot = self.packs.append(block)?;
            let mut index = self.index();
            match index.get(block.cid()) {
                // Stored meanwhile by someone who wants more of it than a copy.
                Some(Entry::Known(_) | Entry::Damaged { .. }) => return self.packs.release(&spot),
                // Everything was deleted after it was written.
                _ if !self.packs.holds(&spot) => {}
                None | Some(Entry::Copy { .. }) => {
                    let spot = Some(spot);
                    let before = index.insert(*block.cid(), Entry::Copy { size, spot });
                    return match before {
                        Some(Entry::Copy { spot, .. }) => self.remove_copy(block.cid(), spot),
                        _ => Ok(()),
                    };
                }
            }
        }
    }

    /// Makes a copy a block like any other: written again, synced, with a state.
    fn promote(&self, index: &mut BTreeMap<Cid, Entry>, block: &CheckedBlock, pinned: bool) -> Result<(), StoreError> {
        let state = State {
            size: block.bytes().len() as u64,
            visibility: Visibility::Public,
            pinned,
        };
        self.write_state(block.cid(), &state)?;
        self.write_block(block.cid(), block.bytes())?;
        match index.insert(*block.cid(), Entry::Known(state)) {
            Some(Entry::Copy { spot, .. }) => self.remove_copy(block.cid(), spot),
            _ => Ok(()),
        }
    }

    fn update(&self, cid: &Cid, change: impl FnOnce(&mut State)) -> Result<(), StoreError> {
        self.writable()?;
        let mut index = self.index();
        let mut state = match index.get(cid) {
            None => return Err(StoreError::Missing { cid: *cid }),
            Some(Entry::Damaged { reason }) => return Err(self.state_error(cid, reason)),
            Some(Entry::Copy { size, .. }) => State {
                size: *size,
                visibility: Visibility::Public,
                pinned: false,
            },
            Some(Entry::Known(state)) => state.clone(),
        };
        let before = state.clone();
        change(&mut state);
        if state != before {
            if let Some(Entry::Copy { spot, .. }) = index.get(cid) {
                let block = self.read_checked(cid, self.copy_place(cid, *spot))?;
                return self.promote(&mut index, &block, state.pinned);
            }
            self.write_state(cid, &state)?;
            index.insert(*cid, Entry::Known(state));
        }
        Ok(())
    }
}

impl Blockstore for DiskBlockstore {
    fn put_block(&self, cid: &Cid, bytes: &[u8], visibility: Visibility) -> Result<(), StoreError> {
        self.writable()?;
        admit(cid, bytes)?;
        let mut index = self.index();
        let pinned = match index.get(cid) {
            None => false,
            Some(Entry::Damaged { .. }) => {
                admit_again(cid, Visibility::Private, visibility)?;
                true
            }
            Some(Entry::Copy { .. }) => {
                admit_again(cid, Visibility::Public, visibility)?;
                false
            }
            Some(Entry::Known(state)) => {
                admit_again(cid, state.visibility, visibility)?;
                if self.read(cid).is_ok() {
                    return Ok(());
                }
                state.pinned
            }
        };
        let state = State {
            size: bytes.len() as u64,
            visibility,
            pinned,
        };
        self.write_state(cid, &state)?;
        self.write_block(cid, bytes)?;
        match index.insert(*cid, Entry::Known(state)) {
            Some(Entry::Copy { spot, .. }) => self.remove_copy(cid, spot),
            _ => Ok(()),
        }
    }

    fn put_copy(&self, block: &CheckedBlock) -> Result<(), StoreError> {
        self.writable()?;
        admit_size(block.bytes())?;
        let cid = block.cid();
        let here = self.index().get(cid).cloned();
        match here {
            None => self.write_copy(block),
            Some(Entry::Copy { spot, .. }) if self.read_checked(cid, self.copy_place(cid, spot)).is_ok() => Ok(()),
            Some(Entry::Copy { .. }) => self.write_copy(block),
            Some(Entry::Known(_) | Entry::Damaged { .. }) => self.put_block(cid, block.bytes(), Visibility::Public),
        }
    }

    fn get_checked(&self, cid: &Cid) -> Result<Option<CheckedBlock>, StoreError> {
        let Some(place) = self.place(cid)? else { return Ok(None) };
        self.read_from(cid, place, |place| self.read_checked(cid, place))
            .map(Some)
    }

    fn get_to_send(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        let Some(place) = self.place(cid)? else { return Ok(None) };
        let read = |place: Place| {
            let (bytes, stamp) = read_block(cid, &place)?;
            if !self.hashed.knows(cid, stamp) {
                if !block::matches(cid, &bytes) {
                    return Err(corrupt(cid, place.path, "digest differs"));
                }
                self.hashed.note(cid, stamp);
            }
            Ok(bytes)
        };
        self.read_from(cid, place, read).map(Some)
    }

    fn info(&self, cid: &Cid) -> Option<BlockInfo> {
        described(cid, self.index().get(cid)?)
    }

    fn list(&self) -> Vec<BlockInfo> {
        let index = self.index();
        index.iter().filter_map(|(cid, entry)| described(cid, entry)).collect()
    }

    fn set_pinned(&self, cid: &Cid, pinned: bool) -> Result<(), StoreError> {
        self.update(cid, |state| state.pinned = pinned)
    }

    /// Also repairs a block whose state is damaged: releasing says what it should be.
    fn release(&self, cid: &Cid) -> Result<(), StoreError> {
        self.writable()?;
        let mut index = self.index();
        if let Some(Entry::Damaged { .. }) = index.get(cid) {
            let size = self.read(cid)?.bytes().len() as u64;
            let state = State {
                size,
                visibility: Visibility::Public,
                pinned: true,
            };
            self.write_state(cid, &state)?;
            index.insert(*cid, Entry::Known(state));
            return Ok(());
        }
        drop(index);
        self.update(cid, |state| state.visibility = Visibility::Public)
    }

    fn delete_unpinned(&self) -> Result<usize, StoreError> {
        self.writable()?;
        let mut index = self.index();
        let unpinned: Vec<Cid> = index
            .iter()
            .filter_map(|(cid, entry)| described(cid, entry).is_some_and(|info| !info.pinned).then_some(*cid))
            .collect();
        for cid in &unpinned {
            if let Some(Entry::Copy { spot, .. }) = index.get(cid) {
                self.remove_copy(cid, *spot)?;
            } else {
                remove(&self.block_path(cid))?;
                remove(&self.state_path(cid))?;
            }
            index.remove(cid);
            self.hashed.forget(cid);
        }
        Ok(unpinned.len())
    }
}

impl Place {
    fn file(path: PathBuf) -> Self {
        Self { path, spot: None }
    }
}

/// Describes an entry; a damaged one says nothing of itself.
fn described(cid: &Cid, entry: &Entry) -> Option<BlockInfo> {
    let (size, visibility, pinned) = match entry {
        Entry::Known(state) => (state.size, state.visibility, state.pinned),
        Entry::Copy { size, .. } => (*size, Visibility::Public, false),
        Entry::Damaged { .. } => return None,
    };
    Some(BlockInfo {
        cid: *cid,
        size,
        visibility,
        pinned,
    })
}

/// Reads a block's bytes, unchecked, with how their file looked before and after; no stamp when that differs.
fn read_block(cid: &Cid, place: &Place) -> Result<(Bytes, Option<Stamp>), StoreError> {
    let read = || -> io::Result<Option<(Bytes, Option<Stamp>)>> {
        let mut file = File::open(&place.path)?;
        let before = stamp_of(&file);
        let bytes = match &place.spot {
            None => read_to_limit(&mut file, MAX_BLOCK as u64)?,
            Some(spot) => {
                file.seek(SeekFrom::Start(spot.offset))?;
                let mut bytes = Vec::with_capacity(spot.size);
                (&file).take(spot.size as u64).read_to_end(&mut bytes)?;
                Some(bytes)
            }
        };
        let stamp = before.filter(|before| stamp_of(&file) == Some(*before));
        Ok(bytes.map(|bytes| (bytes.into(), stamp)))
    };
    match read() {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(corrupt(cid, place.path.clone(), "longer than any block")),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(corrupt(cid, place.path.clone(), "the file is gone"))
        }
        Err(source) => Err(at(&place.path)(source)),
    }
}

fn corrupt(cid: &Cid, path: PathBuf, reason: &'static str) -> StoreError {
    StoreError::Corrupt {
        cid: Box::new(*cid),
        path,
        reason,
    }
}

/// How a file looks; none when the system does not say.
fn stamp_of(file: &File) -> Option<Stamp> {
    Stamp::of(&file.metadata().ok()?)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(at(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(StoreError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Checks the format file; writes it into a folder that is empty but for our lock.
///
/// A folder of somebody else's is refused before anything in it is touched.
fn check_format(root: &Path) -> Result<(), StoreError> {
    if written_format(root)? {
        return Ok(());
    }
    for entry in fs::read_dir(root).map_err(at(root))? {
        let name = entry.map_err(at(root))?.file_name();
        if name != "lock" && name != "format.new" {
            return Err(StoreError::Format {
                path: root.to_owned(),
                expected: FORMAT.trim_end(),
                got: format!("no format file, but {}", name.to_string_lossy()),
            });
        }
    }
    write_atomic(&root.join("format.new"), &root.join("format"), FORMAT.as_bytes()).map(drop)
}

/// Reads the format file; `false` when there is none.
fn written_format(root: &Path) -> Result<bool, StoreError> {
    let path = root.join("format");
    match read_bounded(&path, 64) {
        Ok(Some(found)) if found == FORMAT.as_bytes() => Ok(true),
        Ok(found) => {
            let got = found.map_or_else(
                || "a long file".into(),
                |bytes| String::from_utf8_lossy(&bytes).into_owned(),
            );
            Err(StoreError::Format {
                path,
                expected: FORMAT.trim_end(),
                got,
            })
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// Builds the index from the folders; a state without bytes is what a crash leaves, and is removed when tidying.
fn scan(root: &Path, tidy: bool) -> Result<(BTreeMap<Cid, Entry>, Packs), StoreError> {
    let mut index = BTreeMap::new();
    for (cid, path) in named_files(&root.join("blocks"))? {
        let state_path = root.join("state").join(cid.to_string());
        let entry = match read_bounded(&state_path, MAX_STATE) {
            Ok(Some(bytes)) => match decode_state(&cid, &bytes) {
                Ok(state) => Entry::Known(state),
                Err(reason) => Entry::Damaged {
                    reason: reason.to_owned(),
                },
            },
            Ok(None) => Entry::Damaged {
                reason: "the state file is too long".to_owned(),
            },
            Err(source) if source.kind() == io::ErrorKind::NotFound => Entry::Damaged {
                reason: "the state file is missing".to_owned(),
            },
            Err(source) => {
                return Err(StoreError::Io {
                    path: state_path,
                    source,
                });
            }
        };
        if let Entry::Damaged { reason } = &entry {
            tracing::error!(path = %path.display(), %reason, "block is kept private");
        }
        index.insert(cid, entry);
    }
    for (cid, path) in named_files(&root.join("state"))? {
        if tidy && !index.contains_key(&cid) {
            remove(&path)?;
        }
    }
    for (cid, path) in named_files(&root.join("copies"))? {
        if index.contains_key(&cid) {
            // Pinned just before a crash: the synced file counts.
            if tidy {
                remove_unsynced(&path)?;
            }
            continue;
        }
        match fs::metadata(&path) {
            Ok(file) => {
                let (size, spot) = (file.len(), None);
                index.insert(cid, Entry::Copy { size, spot });
            }
            // Whoever uses the store has moved it among the blocks since.
            Err(source) if !tidy && source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(at(&path)(source)),
        }
    }
    let (packs, packed) = Packs::open(root.join("packs"), tidy)?;
    // The latest first: a block that was written again had been damaged where it was before.
    for (cid, spot) in packed.into_iter().rev() {
        if index.contains_key(&cid) {
            if tidy {
                packs.release(&spot)?;
            }
            continue;
        }
        let (size, spot) = (spot.size as u64, Some(spot));
        index.insert(cid, Entry::Copy { size, spot });
    }
    if tidy {
        packs.tidy()?;
    }
    Ok((index, packs))
}

/// Lists the files of a folder whose name is a CID in its canonical form; others are reported and left alone.
fn named_files(folder: &Path) -> Result<Vec<(Cid, PathBuf)>, StoreError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match Cid::from_str(name) {
            Ok(cid) if block::is_supported(&cid) && cid.to_string() == name => files.push((cid, path)),
            _ => tracing::warn!(path = %path.display(), "not a block's file: ignored"),
        }
    }
    Ok(files)
}

fn encode_state(cid: &Cid, state: &State) -> String {
    let visibility = match state.visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
    };
    let body = format!(
        "{STATE_HEADER}\ncid {cid}\nsize {}\nvisibility {visibility}\npinned {}\n",
        state.size, state.pinned
    );
    format!(
        "{body}checksum {}\n",
        hex::encode(Code::Sha2_256.digest(body.as_bytes()).digest())
    )
}

/// Reads a state file; only the exact bytes [`encode_state`] writes are accepted.
fn decode_state(cid: &Cid, bytes: &[u8]) -> Result<State, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the state file is not text")?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.ok_or("the state file is truncated")
    };
    if text.lines().next() != Some(STATE_HEADER) {
        return Err("the state file has another format or version");
    }
    let state = State {
        size: field("size")?
            .parse()
            .map_err(|_| "the state file's size is not a number")?,
        visibility: match field("visibility")? {
            "public" => Visibility::Public,
            "private" => Visibility::Private,
            _ => return Err("the state file's visibility is unknown"),
        },
        pinned: field("pinned")?
            .parse()
            .map_err(|_| "the state file's pin is unknown")?,
    };
    // Encoding again compares name, order, checksum and length at once.
    if encode_state(cid, &state) != text {
        return Err("the state file's checksum differs");
    }
    Ok(state)
}

/// Reads a file of at most `limit` bytes; `None` when it is longer.
fn read_bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    read_to_limit(&mut File::open(path)?, limit)
}

fn read_to_limit(file: &mut File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let expected = file.metadata()?.len().min(limit) as usize;
    let mut bytes = Vec::with_capacity(expected + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Replaces a file as a whole: written aside, synced, renamed, folder synced. Says how it looks afterwards.
///
/// Callers hold the index, so that one name has one writer at a time.
fn write_atomic(aside: &Path, path: &Path, bytes: &[u8]) -> Result<Option<Stamp>, StoreError> {
    let mut file = File::create(aside).map_err(at(aside))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(at(aside))?;
    fs::rename(aside, path).map_err(at(path))?;
    sync_folder(path)?;
    // Renaming counts as a change.
    Ok(stamp_of(&file))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StoreError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Deletes a file that may be there again after a power cut.
fn remove_unsynced(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::Io {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(at(folder))
}

fn empty(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        fs::remove_file(&path).map_err(at(&path))?;
    }
    Ok(())
}
