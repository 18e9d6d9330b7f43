//! Checksummed records: jobs, entries and whatever else a node must not lose or misread.
//!
//! One file each, `NAME.zkr`:
//!
//! ```text
//! zkaggle-record 1 <kind> <kind's version> <SHA-256 of everything after this line>
//! <JSON>
//! ```
//!
//! The digest covers the first line's kind and version too: it is over `kind ‖ 0x20 ‖ version ‖ 0x0a ‖ JSON`. It finds
//! accidents, not attackers; who can write here can also compute it.

use crate::files::{self, FileError, IfExists};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Ending of every record file.
pub const EXTENSION: &str = "zkr";
const MAGIC: &str = "zkaggle-record";
const FORMAT: u32 = 1;
/// Largest record in bytes.
pub const MAX_RECORD: u64 = 64 << 20;
const MAX_NAME: usize = 120;

/// A type that is kept in record files.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is, in lower-case letters and dashes; part of the file.
    const KIND: &'static str;
    /// Version of its fields.
    const VERSION: u32;
}

/// What is wrong with a record, by the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    #[error("{name:?} cannot name a record: use 1 to {MAX_NAME} of a-z, 0-9, dot, dash, underscore, no dot first")]
    Name { name: String },
    #[error("{path} is no record file: {reason}")]
    NotARecord { path: PathBuf, reason: &'static str },
    #[error("{path}: record format {found}; this version reads format {FORMAT}")]
    UnknownFormat { path: PathBuf, found: u32 },
    #[error("{path} is damaged: its checksum does not match; restore it from a backup")]
    Damaged { path: PathBuf },
    #[error("{path} holds a {found}, not a {expected}")]
    WrongKind {
        path: PathBuf,
        expected: &'static str,
        found: String,
    },
    #[error("{path}: {kind} version {found}; this version reads {supported}")]
    UnknownVersion {
        path: PathBuf,
        kind: &'static str,
        found: u32,
        supported: u32,
    },
    #[error("{path}: its checksum is right, but the fields do not read: {reason}")]
    Fields { path: PathBuf, reason: String },
    #[error("the {kind} cannot be written as JSON: {reason}")]
    Encode { kind: &'static str, reason: String },
    #[error(transparent)]
    File(#[from] FileError),
}

/// A folder of records of one kind.
#[derive(Debug)]
pub struct Records<T> {
    folder: PathBuf,
    kind: PhantomData<fn() -> T>,
}

impl<T: Record> Records<T> {
    /// Opens a folder, creating it with mode 0700 if need be.
    ///
    /// # Errors
    /// [`RecordError::File`].
    pub fn open(folder: &Path) -> Result<Self, RecordError> {
        files::create_private_folder(folder)?;
        Ok(Self {
            folder: folder.into(),
            kind: PhantomData,
        })
    }

    /// Writes a record, replacing the one of that name whole or not at all.
    ///
    /// # Errors
    /// [`RecordError::Name`], [`RecordError::Encode`], [`RecordError::File`].
    pub fn put(&self, name: &str, value: &T) -> Result<(), RecordError> {
        let path = self.path(name)?;
        Ok(files::write_private(&path, &encode(value)?, IfExists::Replace)?)
    }

    /// Reads a record; `None` when there is none of that name.
    ///
    /// # Errors
    /// [`RecordError`], naming the file.
    pub fn get(&self, name: &str) -> Result<Option<T>, RecordError> {
        let path = self.path(name)?;
        match files::read_bounded(&path, MAX_RECORD) {
            Ok(bytes) => decode(&path, &bytes).map(Some),
            Err(FileError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of all records, sorted.
    ///
    /// # Errors
    /// [`RecordError::File`].
    pub fn names(&self) -> Result<Vec<String>, RecordError> {
        let read = |source| FileError::Io {
            action: "list",
            path: self.folder.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(read)? {
            let file = PathBuf::from(entry.map_err(read)?.file_name());
            let stem = file.file_stem().and_then(|s| s.to_str());
            if let (Some(stem), true) = (stem, file.extension().is_some_and(|e| e == EXTENSION)) {
                names.push(stem.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// All records with their names, sorted by name.
    ///
    /// # Errors
    /// The first record that does not read.
    pub fn all(&self) -> Result<Vec<(String, T)>, RecordError> {
        let names = self.names()?;
        names
            .into_iter()
            .filter_map(|name| self.get(&name).transpose().map(|r| r.map(|value| (name, value))))
            .collect()
    }

    /// Removes a record; false when there was none.
    ///
    /// # Errors
    /// [`RecordError::File`].
    pub fn remove(&self, name: &str) -> Result<bool, RecordError> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Ok(()) => files::sync_folder(&self.folder)
                .map(|()| true)
                .map_err(RecordError::from),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(FileError::Io {
                action: "remove",
                path,
                source,
            }
            .into()),
        }
    }

    fn path(&self, name: &str) -> Result<PathBuf, RecordError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > MAX_NAME || name.starts_with('.') || !name.chars().all(allowed) {
            return Err(RecordError::Name {
                name: name.chars().take(MAX_NAME).collect(),
            });
        }
        Ok(self.folder.join(format!("{name}.{EXTENSION}")))
    }
}

/// Checks a record file's format and digest, whatever its kind: what a backup can know.
pub(crate) fn verify(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    Parsed::read(path, bytes).map(|_| ())
}

struct Parsed<'a> {
    kind: &'a str,
    version: u32,
    json: &'a [u8],
}

impl<'a> Parsed<'a> {
    fn read(path: &Path, bytes: &'a [u8]) -> Result<Self, RecordError> {
        let bad = |reason| RecordError::NotARecord {
            path: path.into(),
            reason,
        };
        let end = bytes
            .iter()
            .take(512)
            .position(|b| *b == b'\n')
            .ok_or_else(|| bad("its first line does not end"))?;
        let (line, json) = (
            bytes.get(..end).unwrap_or_default(),
            bytes.get(end + 1..).unwrap_or_default(),
        );
        let line = std::str::from_utf8(line).map_err(|_| bad("its first line is not text"))?;
        let mut words = line.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(bad("it does not begin with zkaggle-record"));
        }
        let number = |word: Option<&str>| word.and_then(|w| w.parse::<u32>().ok());
        let format = number(words.next()).ok_or_else(|| bad("its format is not a number"))?;
        if format != FORMAT {
            return Err(RecordError::UnknownFormat {
                path: path.into(),
                found: format,
            });
        }
        let kind = words.next().ok_or_else(|| bad("it names no kind"))?;
        let version = number(words.next()).ok_or_else(|| bad("its version is not a number"))?;
        let sum = words.next().ok_or_else(|| bad("it has no checksum"))?;
        if words.next().is_some() {
            return Err(bad("its first line has too many words"));
        }
        // Compared as text: one spelling of a checksum, not two.
        match hex::encode(digest(kind, version, json)) == sum {
            true => Ok(Self { kind, version, json }),
            false => Err(RecordError::Damaged { path: path.into() }),
        }
    }
}

fn encode<T: Record>(value: &T) -> Result<Vec<u8>, RecordError> {
    let encode = |reason: serde_json::Error| RecordError::Encode {
        kind: T::KIND,
        reason: reason.to_string(),
    };
    let json = serde_json::to_vec_pretty(value).map_err(encode)?;
    let sum = hex::encode(digest(T::KIND, T::VERSION, &json));
    let mut file = format!("{MAGIC} {FORMAT} {} {} {sum}\n", T::KIND, T::VERSION).into_bytes();
    file.extend_from_slice(&json);
    Ok(file)
}

fn decode<T: Record>(path: &Path, bytes: &[u8]) -> Result<T, RecordError> {
    let parsed = Parsed::read(path, bytes)?;
    if parsed.kind != T::KIND {
        return Err(RecordError::WrongKind {
            path: path.into(),
            expected: T::KIND,
            found: parsed.kind.to_owned(),
        });
    }
    if parsed.version != T::VERSION {
        return Err(RecordError::UnknownVersion {
            path: path.into(),
            kind: T::KIND,
            found: parsed.version,
            supported: T::VERSION,
        });
    }
    serde_json::from_slice(parsed.json).map_err(|e| RecordError::Fields {
        path: path.into(),
        reason: e.to_string(),
    })
}

fn digest(kind: &str, version: u32, json: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(format!("{kind} {version}\n"))
        .chain_update(json)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Job {
        bounty: u64,
        phase: String,
    }
    impl Record for Job {
        const KIND: &'static str = "job";
        const VERSION: u32 = 3;
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Other {}
    impl Record for Other {
        const KIND: &'static str = "other";
        const VERSION: u32 = 3;
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct NewerJob {
        gas: u64,
    }
    impl Record for NewerJob {
        const KIND: &'static str = "job";
        const VERSION: u32 = 4;
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct WrongFields {
        gas: u64,
    }
    impl Record for WrongFields {
        const KIND: &'static str = "job";
        const VERSION: u32 = 3;
    }

    fn job() -> Job {
        Job {
            bounty: 7,
            phase: "prove".into(),
        }
    }

    #[test]
    fn records_are_written_listed_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Records::<Job>::open(&folder.path().join("jobs")).unwrap();
        assert_eq!(jobs.get("a").unwrap(), None);
        jobs.put("b-2", &job()).unwrap();
        jobs.put(
            "a_1.x",
            &Job {
                bounty: 1,
                phase: String::new(),
            },
        )
        .unwrap();
        jobs.put("b-2", &job()).unwrap();
        fs::write(folder.path().join("jobs/notes.txt"), "left alone").unwrap();
        assert_eq!(jobs.names().unwrap(), ["a_1.x", "b-2"]);
        assert_eq!(jobs.all().unwrap()[1], ("b-2".into(), job()));
        assert!(jobs.remove("b-2").unwrap());
        assert!(!jobs.remove("b-2").unwrap());
        assert_eq!(jobs.all().unwrap().len(), 1);
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Records::<Job>::open(folder.path()).unwrap();
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "../x",
            "a/b",
            "a\\b",
            "A",
            "a b",
            "ä",
            "a\0",
            &"x".repeat(121),
        ] {
            assert!(
                matches!(jobs.put(name, &job()), Err(RecordError::Name { .. })),
                "{name:?}"
            );
            assert!(matches!(jobs.get(name), Err(RecordError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn each_kind_of_mismatch_is_named() {
        let folder = tempfile::tempdir().unwrap();
        Records::<Job>::open(folder.path()).unwrap().put("x", &job()).unwrap();
        let other = Records::<Other>::open(folder.path()).unwrap().get("x").unwrap_err();
        assert!(other.to_string().contains("x.zkr holds a job, not a other"), "{other}");
        let newer = Records::<NewerJob>::open(folder.path()).unwrap().get("x").unwrap_err();
        assert!(matches!(
            newer,
            RecordError::UnknownVersion {
                found: 3,
                supported: 4,
                ..
            }
        ));
        let fields = Records::<WrongFields>::open(folder.path())
            .unwrap()
            .get("x")
            .unwrap_err();
        assert!(fields.to_string().contains("missing field `gas`"), "{fields}");
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = Records::<Job>::open(folder.path()).unwrap();
        jobs.put("x", &job()).unwrap();
        let path = folder.path().join("x.zkr");
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let error = jobs.get("x").unwrap_err().to_string();
            assert!(error.contains("x.zkr"), "byte {at}: {error}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(jobs.get("x").is_err(), "cut at {at}");
        }
        fs::write(&path, [&good[..], b" "].concat()).unwrap();
        assert!(matches!(jobs.get("x"), Err(RecordError::Damaged { .. })));
        assert!(jobs.all().is_err(), "a damaged record is never skipped");
    }
}
