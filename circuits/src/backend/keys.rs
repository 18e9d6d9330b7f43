//! A verifying key as a file: one that was written can verify a proof years later, and says by
//! itself what it is for and whether its SRS was only for development.
//!
//! ```text
//! "ZKVK" 0 0 0 version     8 bytes
//! role                     1      as in vkId
//! SRS kind                 1      0 development, 1 ceremony
//! SRS identity            32
//! shape, key, vk           3 × (length u32 big-endian, bytes)
//! keccak256 of all before 32
//! ```
//!
//! *shape* is what the facade needs to rebuild the constraint system (a graph's canonical text, a
//! size class); *key* is the data contract's content; *vk* the proof system's own bytes.

use super::srs::SrsKind;
use sha3::{Digest, Keccak256};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use zkaggle_graph::ids::Role;

const MAGIC: [u8; 8] = *b"ZKVK\0\0\0\x01";

/// No verifying key comes near it; a longer file is not read.
const MAX_BYTES: u64 = 64 << 20;

/// Content of a key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VkFile {
    pub role: Role,
    pub srs_kind: SrsKind,
    pub srs_id: [u8; 32],
    /// What rebuilds the constraint system.
    pub shape: Vec<u8>,
    /// The key as the EVM verifier reads it.
    pub key: Vec<u8>,
    /// The key as the proof system reads it.
    pub vk: Vec<u8>,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {what}; fetch or make the key again")]
    Damaged { path: PathBuf, what: &'static str },
}

impl VkFile {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(self.role as u8);
        out.push(match self.srs_kind {
            SrsKind::Development => 0,
            SrsKind::Ceremony => 1,
        });
        out.extend_from_slice(&self.srs_id);
        for part in [&self.shape, &self.key, &self.vk] {
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
            out.extend_from_slice(part);
        }
        let digest = Keccak256::digest(&out);
        out.extend_from_slice(&digest);
        out
    }

    /// Reads what [`VkFile::to_bytes`] writes.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        const SHORT: &str = "the file ends early";
        let (content, digest) = bytes.split_last_chunk::<32>().ok_or(SHORT)?;
        if !content.starts_with(&MAGIC) {
            return Err("not a key file of this version");
        }
        if <[u8; 32]>::from(Keccak256::digest(content)) != *digest {
            return Err("its content does not match its digest");
        }
        let (head, mut rest) = content[MAGIC.len()..].split_first_chunk::<34>().ok_or(SHORT)?;
        let role = match head[0] {
            1 => Role::Dataset,
            2 => Role::Score,
            3 => Role::Release,
            4 => Role::Mint,
            _ => return Err("its role is unknown"),
        };
        let srs_kind = match head[1] {
            0 => SrsKind::Development,
            1 => SrsKind::Ceremony,
            _ => return Err("its kind of SRS is unknown"),
        };
        let mut srs_id = [0u8; 32];
        srs_id.copy_from_slice(&head[2..]);
        let mut part = || -> Result<Vec<u8>, &'static str> {
            let (length, tail) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
            let (bytes, tail) = tail
                .split_at_checked(u32::from_be_bytes(*length) as usize)
                .ok_or(SHORT)?;
            rest = tail;
            Ok(bytes.to_vec())
        };
        let file = Self {
            role,
            srs_kind,
            srs_id,
            shape: part()?,
            key: part()?,
            vk: part()?,
        };
        if rest.is_empty() {
            Ok(file)
        } else {
            Err("bytes follow its last part")
        }
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), KeyFileError> {
        write_atomically(path, &self.to_bytes()).map_err(|source| KeyFileError::Io {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read or is not a whole key file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io {
            path: path.to_path_buf(),
            source,
        };
        let damaged = |what| KeyFileError::Damaged {
            path: path.to_path_buf(),
            what,
        };
        if fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(damaged("it is too long for a key file"));
        }
        Self::from_bytes(&fs::read(path).map_err(io)?).map_err(damaged)
    }
}

/// Writes `bytes` beside `path`, syncs, and renames over it, so that a reader finds the old file
/// or the new one and never a part.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .filter(|d| !d.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let temporary = dir.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> VkFile {
        VkFile {
            role: Role::Score,
            srs_kind: SrsKind::Development,
            srs_id: [7; 32],
            shape: b"shape".to_vec(),
            key: vec![1, 2, 3],
            vk: vec![],
        }
    }

    #[test]
    fn a_key_file_survives_and_no_changed_byte_does() {
        let bytes = sample().to_bytes();
        assert_eq!(VkFile::from_bytes(&bytes), Ok(sample()));
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert!(VkFile::from_bytes(&bad).is_err(), "byte {i}");
            assert!(VkFile::from_bytes(&bytes[..i]).is_err(), "length {i}");
        }
    }

    #[test]
    fn an_inner_length_cannot_lie() {
        let mut body = sample().to_bytes();
        body.truncate(body.len() - 32);
        body[45] = 200;
        let digest = Keccak256::digest(&body);
        body.extend_from_slice(&digest);
        assert_eq!(VkFile::from_bytes(&body), Err("the file ends early"));
    }
}
