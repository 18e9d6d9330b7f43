//! Copies of fetched blocks, one after the other in few files.
//!
//! A file a block costs a search for an inode, its blocks, a name and a renaming: on ext4 a quarter of what a transfer takes.
//!
//! ```text
//! packs/<number>       records, each a head of 64 bytes and the block's bytes
//! head                 "zkcopy1\n", size (4 bytes, little endian), length of the CID (1), CID (47, zeros after it),
//!                      the first 4 bytes of the SHA-256 digest of what stands before them
//! ```
//!
//! A pack is only appended to, and only by the process that began it. Nothing is synced, so that a crash may leave half a
//! record at the end, which is cut off on opening, or bytes that were never written, which the block's name tells on reading.
//! A pack is deleted when none of its blocks is wanted any more.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, IoSlice, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

use super::StoreError;
use crate::block::{self, CheckedBlock, MAX_BLOCK};

const HEAD: usize = 64;
const MAGIC: &[u8; 8] = b"zkcopy1\n";
const CID_AT: usize = 13;
const CHECK_AT: usize = 60;
/// Bytes after which another pack is begun: what one wanted block keeps from being deleted.
const PACK_BYTES: u64 = 64 << 20;

/// Where a block's bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub pack: u64,
    pub offset: u64,
    pub size: usize,
}

/// The packs of one store.
pub(super) struct Packs {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The pack being written, and its length.
    current: Option<(u64, File, u64)>,
    /// Numbers are not used twice while the store is open.
    next: u64,
    /// How many blocks of each pack are wanted.
    wanted: BTreeMap<u64, usize>,
}

impl Packs {
    /// Takes over the packs of a folder, which need not be there, and lists what they hold in the order it was written.
    ///
    /// With `tidy`, half a record at the end of a pack is cut off.
    pub fn open(folder: PathBuf, tidy: bool) -> Result<(Self, Vec<(Cid, Spot)>), StoreError> {
        let mut state = State::default();
        let mut found = vec![];
        for number in numbers(&folder).map_err(at(&folder))? {
            let path = folder.join(number.to_string());
            match scan(&path, number, tidy, &mut found) {
                // Whoever uses the store has deleted it since.
                Err(source) if !tidy && source.kind() == io::ErrorKind::NotFound => {}
                scanned => scanned.map_err(at(&path))?,
            }
            state.next = number + 1;
            state.wanted.insert(number, 0);
        }
        for (_, spot) in &found {
            state.wanted.entry(spot.pack).and_modify(|wanted| *wanted += 1);
        }
        let state = Mutex::new(state);
        Ok((Self { folder, state }, found))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn path(&self, spot: &Spot) -> PathBuf {
        self.folder.join(spot.pack.to_string())
    }

    /// Writes a block at the end of the current pack. It is wanted from now on.
    pub fn append(&self, block: &CheckedBlock) -> Result<Spot, StoreError> {
        let mut state = self.state();
        if state
            .current
            .as_ref()
            .is_none_or(|(_, _, length)| *length >= PACK_BYTES)
        {
            let number = state.next;
            let path = self.folder.join(number.to_string());
            let file = File::options().write(true).create_new(true).open(&path);
            state.current = Some((number, file.map_err(at(&path))?, 0));
            state.next += 1;
            state.wanted.insert(number, 0);
        }
        let (pack, spot, written) = match &mut state.current {
            Some((pack, file, length)) => {
                let (offset, size) = (*length + HEAD as u64, block.bytes().len());
                *length = offset + size as u64;
                let spot = Spot {
                    pack: *pack,
                    offset,
                    size,
                };
                (*pack, spot, write_both(file, &head(block.cid(), size), block.bytes()))
            }
            None => return Err(at(&self.folder)(io::ErrorKind::NotFound.into())),
        };
        if let Err(source) = written {
            // What comes after half a record would be lost with it.
            state.current = None;
            return Err(at(&self.path(&spot))(source));
        }
        state.wanted.entry(pack).and_modify(|wanted| *wanted += 1);
        Ok(spot)
    }

    /// Says whether a spot's pack is still there.
    pub fn holds(&self, spot: &Spot) -> bool {
        self.state().wanted.contains_key(&spot.pack)
    }

    /// Notes that one block of a pack is not wanted any more; the last one takes the pack along.
    pub fn release(&self, spot: &Spot) -> Result<(), StoreError> {
        let mut state = self.state();
        let Some(wanted) = state.wanted.get_mut(&spot.pack) else {
            return Ok(());
        };
        *wanted = wanted.saturating_sub(1);
        if *wanted > 0 {
            return Ok(());
        }
        self.delete(&mut state, spot.pack)
    }

    /// Deletes the packs of which nothing is wanted.
    pub fn tidy(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        let idle = state.wanted.iter().filter(|(_, wanted)| **wanted == 0);
        for number in idle.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.delete(&mut state, number)?;
        }
        Ok(())
    }

    fn delete(&self, state: &mut State, number: u64) -> Result<(), StoreError> {
        state.wanted.remove(&number);
        if matches!(state.current, Some((current, _, _)) if current == number) {
            state.current = None;
        }
        let path = self.folder.join(number.to_string());
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(at(&path)(source)),
            _ => Ok(()),
        }
    }
}

/// The numbers of a folder's packs in ascending order; other files are reported and left alone.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(folder) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        entries => entries?,
    };
    let mut numbers = vec![];
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_str().unwrap_or_default();
        // The last number has none after it.
        match name.parse::<u64>() {
            Ok(number) if number < u64::MAX && number.to_string() == name => numbers.push(number),
            _ => tracing::warn!(folder = %folder.display(), name, "not a pack: ignored"),
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Lists a pack's records up to the first that is not whole.
fn scan(path: &Path, pack: u64, tidy: bool, found: &mut Vec<(Cid, Spot)>) -> io::Result<()> {
    let mut file = File::options().read(true).write(tidy).open(path)?;
    let length = file.metadata()?.len();
    let mut end = 0;
    while end + HEAD as u64 <= length {
        let mut bytes = [0; HEAD];
        file.seek(SeekFrom::Start(end))?;
        file.read_exact(&mut bytes)?;
        let Some((cid, size)) = parse(&bytes) else { break };
        let offset = end + HEAD as u64;
        if length - offset < size as u64 {
            break;
        }
        found.push((cid, Spot { pack, offset, size }));
        end = offset + size as u64;
    }
    if end < length {
        tracing::warn!(path = %path.display(), end, length, "a pack ends in something else than a record");
        if tidy {
            file.set_len(end)?;
        }
    }
    Ok(())
}

fn head(cid: &Cid, size: usize) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let cid = cid.to_bytes();
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&(size as u32).to_le_bytes());
    head[12] = cid.len() as u8;
    // PANIC: a supported CID has at most 1 + 10 + 2 + 32 bytes, of which there is room for 47.
    head[CID_AT..CID_AT + cid.len()].copy_from_slice(&cid);
    let check = Code::Sha2_256.digest(&head[..CHECK_AT]);
    head[CHECK_AT..].copy_from_slice(&check.digest()[..HEAD - CHECK_AT]);
    head
}

fn parse(bytes: &[u8; HEAD]) -> Option<(Cid, usize)> {
    let size = u32::from_le_bytes(bytes[8..12].try_into().ok()?) as usize;
    let cid = bytes[CID_AT..CHECK_AT].get(..usize::from(bytes[12]))?;
    let cid = Cid::try_from(cid).ok()?;
    // Writing it again compares magic, padding and checksum at once.
    (block::is_supported(&cid) && size <= MAX_BLOCK && head(&cid, size) == *bytes).then_some((cid, size))
}

/// Writes two pieces one after the other, by one system call when the system takes them.
fn write_both(file: &mut File, first: &[u8], second: &[u8]) -> io::Result<()> {
    let written = file.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
    file.write_all(first.get(written..).unwrap_or_default())?;
    file.write_all(second.get(written.saturating_sub(first.len())..).unwrap_or_default())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}
