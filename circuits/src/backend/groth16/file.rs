//! Key files.
//!
//! ```text
//! magic      16   "zkaggle-release\0"
//! version     4   1
//! kind        4   1 proving key, 2 verifying key
//! class       4   weight bytes of the capacity class
//! origin     32   "zkaggle-dev" and zeros: a development key, its secrets are public
//! circuit    32   SHA-256 of the constraints
//! length      8   bytes of the body
//! body            the verifying key as the EVM reads it; proving keys append their queries
//! checksum   32   SHA-256 of everything before it
//! ```
//! Integers are big-endian. The checksum finds damage, not malice: every point is checked as well.

use super::Origin;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use zkaggle_graph::graph::CapacityClass;

const MAGIC: [u8; 16] = *b"zkaggle-release\0";
const VERSION: u32 = 1;
const HEADER: usize = 16 + 4 + 4 + 4 + 32 + 32 + 8;
const CHECKSUM: usize = 32;
/// No class's proving key comes near this; a larger file is not read into memory.
const MAX_BYTES: u64 = 8 << 30;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    Proving = 1,
    Verifying = 2,
}

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("key file {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("key file {}: {reason}; delete it and it is made again", path.display())]
    Content { path: PathBuf, reason: String },
}

impl KeyFileError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_path_buf(),
            source,
        }
    }

    pub(super) fn content(path: &Path, reason: impl ToString) -> Self {
        Self::Content {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }
}

/// A file whose frame and checksum are sound.
#[derive(Debug)]
pub struct KeyFile {
    pub class: CapacityClass,
    pub circuit: [u8; 32],
    pub body: Vec<u8>,
}

impl KeyFile {
    /// Demands that the key was made for these constraints.
    pub fn expect_circuit(&self, path: &Path, digest: &[u8; 32]) -> Result<(), KeyFileError> {
        if self.circuit == *digest {
            return Ok(());
        }
        Err(KeyFileError::content(
            path,
            "made for another version of the release circuit",
        ))
    }
}

/// Writes a key file beside `path`, flushes it, and moves it there.
pub fn write(
    path: &Path,
    kind: Kind,
    class: CapacityClass,
    origin: Origin,
    circuit: &[u8; 32],
    body: &[u8],
) -> Result<(), KeyFileError> {
    let mut head = Vec::with_capacity(HEADER);
    head.extend_from_slice(&MAGIC);
    head.extend_from_slice(&VERSION.to_be_bytes());
    head.extend_from_slice(&(kind as u32).to_be_bytes());
    head.extend_from_slice(&(class.bytes() as u32).to_be_bytes());
    head.extend_from_slice(&origin.mark());
    head.extend_from_slice(circuit);
    head.extend_from_slice(&(body.len() as u64).to_be_bytes());
    let mut sum = Sha256::new();
    sum.update(&head);
    sum.update(body);
    replace(path, &[&head, body, &sum.finalize()]).map_err(|e| KeyFileError::io(path, e))
}

/// Replaces `path` by the parts, whole or not at all, also when two processes do so at once.
fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let dir = match path.parent() {
        Some(d) if !d.as_os_str().is_empty() => d,
        _ => Path::new("."),
    };
    fs::create_dir_all(dir)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(
        ".{}-{}.tmp",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    let temporary = dir.join(name);
    let written = (|| {
        let mut f = File::create(&temporary)?;
        for p in parts {
            f.write_all(p)?;
        }
        f.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Reads a key file and checks frame and checksum.
pub fn read(path: &Path, kind: Kind) -> Result<KeyFile, KeyFileError> {
    let io = |e| KeyFileError::io(path, e);
    let bad = |reason: String| KeyFileError::content(path, reason);
    let mut file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    if len < (HEADER + CHECKSUM) as u64 {
        return Err(bad(format!("truncated, {len} bytes")));
    }
    if len > MAX_BYTES {
        return Err(bad(format!("{len} bytes is no key of any class")));
    }
    let mut all = Vec::with_capacity(len as usize);
    file.read_to_end(&mut all).map_err(io)?;
    let (head, rest) = all
        .split_at_checked(HEADER)
        .ok_or_else(|| bad("truncated while it was read".into()))?;
    let mut fields = Fields(head);
    if fields.array::<16>() != MAGIC {
        return Err(bad("not a release key".into()));
    }
    let version = u32::from_be_bytes(fields.array());
    if version != VERSION {
        return Err(bad(format!("format version {version}, this build reads {VERSION}")));
    }
    let got = u32::from_be_bytes(fields.array());
    if got != kind as u32 {
        return Err(bad(format!(
            "holds key kind {got}, expected {} ({kind:?})",
            kind as u32
        )));
    }
    let bytes = u32::from_be_bytes(fields.array());
    let class = CapacityClass::ALL
        .into_iter()
        .find(|c| c.bytes() == bytes as usize)
        .ok_or_else(|| bad(format!("no capacity class of {bytes} bytes")))?;
    if Origin::from_mark(&fields.array::<32>()).is_none() {
        return Err(bad("unknown origin mark; this build reads development keys only".into()));
    }
    let circuit = fields.array();
    let body = u64::from_be_bytes(fields.array());
    let expected = body.saturating_add(CHECKSUM as u64);
    if (rest.len() as u64) < expected {
        return Err(bad(format!(
            "truncated, {} of {expected} bytes after the header",
            rest.len()
        )));
    }
    if rest.len() as u64 > expected {
        return Err(bad(format!("{} trailing bytes", rest.len() as u64 - expected)));
    }
    let (body, checksum) = rest.split_at(rest.len() - CHECKSUM);
    let mut sum = Sha256::new();
    sum.update(head);
    sum.update(body);
    if sum.finalize().as_slice() != checksum {
        return Err(bad("checksum mismatch".into()));
    }
    Ok(KeyFile {
        class,
        circuit,
        body: body.to_vec(),
    })
}

/// Fixed-width fields off the front of a header whose length was checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0u8; N];
        let (head, tail) = self.0.split_at(N);
        out.copy_from_slice(head);
        self.0 = tail;
        out
    }
}
