//! One encrypted file with everything a node needs to claim: its seed and its folders of records.
//!
//! A sealed file ([`crate::sealed`], kind backup) around
//! `version (4) ‖ seed (32) ‖ file count (4) ‖ { path length (2) ‖ path ‖ length (8) ‖ SHA-256 (32) ‖ bytes }*`,
//! numbers big-endian, paths relative with `/`, sorted.
//!
//! Restoring checks everything first: password, tag, every path, every digest, every record. Then it builds the node's
//! folder beside its place and renames it there, so that a restore happens whole or not at all.

use crate::files::{self, FileError, IfExists, folder_of, io_error};
use crate::keystore::{self, Keystore, KeystoreError};
use crate::password::Password;
use crate::records::{self, RecordError};
use crate::sealed::{self, KdfParams, Kind, SealError};
use crate::secret::Secret;
use crate::seed::Seed;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const VERSION: u32 = 1;
/// Largest backup in bytes: it is sealed in memory.
const MAX_BACKUP: u64 = 1 << 30;
const MAX_FILES: usize = 100_000;
const MAX_PATH: usize = 1_024;

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    #[error("{path}: {source}")]
    Seal { path: PathBuf, source: SealError },
    #[error("{path}: backup format {found}; this version reads format {VERSION}")]
    UnknownVersion { path: PathBuf, found: u32 },
    #[error("{path}: the backup's content is malformed: {reason}")]
    Malformed { path: PathBuf, reason: &'static str },
    #[error("{path}: the backup holds {file:?} with a wrong checksum")]
    Damaged { path: PathBuf, file: String },
    #[error("{path} cannot be backed up: {reason}")]
    Unsuitable { path: PathBuf, reason: &'static str },
    #[error("{path} exists and is not empty; restore into a new folder")]
    Occupied { path: PathBuf },
    #[error("the backup would exceed {MAX_BACKUP} bytes or {MAX_FILES} files")]
    TooLarge,
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What a restore brought back.
#[derive(Debug)]
pub struct Restored {
    /// The restored node's keystore, sealed under the backup's password.
    pub keystore: Keystore,
    /// How many files came with it.
    pub files: usize,
}

/// Writes a backup of the seed and of the named folders under the node's folder; returns how many files it holds.
///
/// # Errors
/// [`RecordError`] for a damaged record: a backup of damage would be found too late. [`FileError::Exists`] when `out`
/// is there already.
pub fn create(
    node: &Path,
    folders: &[&str],
    keystore: &Keystore,
    out: &Path,
    password: &Password,
    cost: KdfParams,
) -> Result<usize, BackupError> {
    let mut found = Contents::new();
    for folder in folders {
        collect(&node.join(folder), folder, &mut found)?;
    }
    let plain = encode(keystore.seed(), &found)?;
    let sealed = sealed::seal(Kind::Backup, &plain, password, cost).map_err(|source| BackupError::Seal {
        path: out.into(),
        source,
    })?;
    files::write_private(out, &sealed, IfExists::Refuse)?;
    Ok(found.len())
}

/// Restores a backup into a folder that is empty or not there yet.
///
/// # Errors
/// [`BackupError::Occupied`] rather than overwriting; after any error nothing has been written.
pub fn restore(backup: &Path, target: &Path, password: &Password, cost: KdfParams) -> Result<Restored, BackupError> {
    let occupied = || BackupError::Occupied { path: target.into() };
    match fs::read_dir(target) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(occupied());
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(FileError::Io {
                action: "list",
                path: target.into(),
                source,
            }
            .into());
        }
    }
    let sealed_file = files::read_bounded(backup, MAX_BACKUP + 4_096)?;
    let plain = sealed::open(Kind::Backup, &sealed_file, password).map_err(|source| BackupError::Seal {
        path: backup.into(),
        source,
    })?;
    let (seed, contents) = decode(backup, &plain)?;

    let parent = folder_of(target);
    files::create_private_folder(parent)?;
    // Removed when dropped, until it has been renamed into place.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".restore-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let staging = builder
        .tempdir_in(parent)
        .map_err(io_error("create a folder in", parent))?;
    for (path, bytes) in &contents {
        let path = staging.path().join(path);
        files::create_private_folder(folder_of(&path))?;
        files::write_private(&path, bytes, IfExists::Refuse)?;
    }
    Keystore::create_from(staging.path(), seed, password, cost)?;
    // Renaming a folder onto an empty one replaces it; onto anything else fails.
    fs::rename(staging.path(), target).map_err(|source| match source.kind() {
        std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => occupied(),
        _ => FileError::Io {
            action: "move the restored folder to",
            path: target.into(),
            source,
        }
        .into(),
    })?;
    // The folder is elsewhere now: nothing is left to remove.
    let _ = staging.keep();
    files::sync_folder(parent)?;
    Ok(Restored {
        keystore: Keystore::open(target, password)?,
        files: contents.len(),
    })
}

/// Relative path to bytes, in path order.
type Contents = BTreeMap<String, Zeroizing<Vec<u8>>>;

fn collect(folder: &Path, relative: &str, found: &mut Contents) -> Result<(), BackupError> {
    let unsuitable = |path: &Path, reason| BackupError::Unsuitable {
        path: path.into(),
        reason,
    };
    // Of the name itself, not of what a link points to: a link would put foreign files into the backup.
    match fs::symlink_metadata(folder) {
        Ok(kind) if kind.is_dir() => {}
        Ok(_) => return Err(unsuitable(folder, "it is not a folder")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error("list", folder)(source).into()),
    }
    let entries = fs::read_dir(folder).map_err(io_error("list", folder))?;
    for entry in entries {
        let entry = entry.map_err(io_error("list", folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(io_error("list", &path))?;
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| unsuitable(&path, "its name is not UTF-8"))?;
        let relative = format!("{relative}/{name}");
        if kind.is_dir() {
            collect(&path, &relative, found)?;
            continue;
        }
        if !kind.is_file() {
            return Err(unsuitable(&path, "it is neither a file nor a folder"));
        }
        if !is_safe(&relative) {
            return Err(unsuitable(&path, "its name would not be safe to restore"));
        }
        let bytes = Zeroizing::new(files::read_bounded(&path, MAX_BACKUP)?);
        check_record(&path, &relative, &bytes)?;
        found.insert(relative, bytes);
        let total: u64 = found.values().map(|b| b.len() as u64).sum();
        if found.len() > MAX_FILES || total > MAX_BACKUP {
            return Err(BackupError::TooLarge);
        }
    }
    Ok(())
}

fn check_record(path: &Path, relative: &str, bytes: &[u8]) -> Result<(), RecordError> {
    match Path::new(relative).extension().is_some_and(|e| e == records::EXTENSION) {
        true => records::verify(path, bytes),
        false => Ok(()),
    }
}

/// Whether a path stays inside the folder it is restored into, and clear of the seed.
fn is_safe(path: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p != "." && p != ".." && !p.contains(['\\', ':', '\0']);
    path.len() <= MAX_PATH && path.split('/').all(part) && path != keystore::FILE_NAME
}

fn encode(seed: &Seed, contents: &Contents) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let size: usize = contents
        .iter()
        .map(|(path, bytes)| 2 + path.len() + 8 + 32 + bytes.len())
        .sum();
    // All the room at once: growing would leave copies behind that nobody wipes.
    let mut out = Zeroizing::new(Vec::with_capacity(40 + size));
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(seed.secret().expose());
    out.extend_from_slice(
        &u32::try_from(contents.len())
            .map_err(|_| BackupError::TooLarge)?
            .to_be_bytes(),
    );
    for (path, bytes) in contents {
        out.extend_from_slice(
            &u16::try_from(path.len())
                .map_err(|_| BackupError::TooLarge)?
                .to_be_bytes(),
        );
        out.extend_from_slice(path.as_bytes());
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(&Sha256::digest(&bytes[..]));
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

fn decode(backup: &Path, plain: &[u8]) -> Result<(Seed, Contents), BackupError> {
    let bad = |reason| BackupError::Malformed {
        path: backup.into(),
        reason,
    };
    let mut reader = Reader(plain);
    let version = u32::from_be_bytes(reader.array().ok_or_else(|| bad("it ends within the version"))?);
    if version != VERSION {
        return Err(BackupError::UnknownVersion {
            path: backup.into(),
            found: version,
        });
    }
    let seed = Seed::from_secret(Secret::new(
        reader.array().ok_or_else(|| bad("it ends within the seed"))?,
    ));
    let count = u32::from_be_bytes(reader.array().ok_or_else(|| bad("it ends within the file count"))?);
    let mut contents = Contents::new();
    for _ in 0..count {
        let length = u16::from_be_bytes(reader.array().ok_or_else(|| bad("it ends within a path"))?);
        let path = reader
            .slice(u64::from(length))
            .ok_or_else(|| bad("it ends within a path"))?;
        let path = std::str::from_utf8(path).map_err(|_| bad("a path is not UTF-8"))?;
        if !is_safe(path) {
            return Err(bad("a path leads out of the folder"));
        }
        if contents.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
            return Err(bad("its paths are not in order"));
        }
        let length = u64::from_be_bytes(reader.array().ok_or_else(|| bad("it ends within a length"))?);
        let digest: [u8; 32] = reader.array().ok_or_else(|| bad("it ends within a checksum"))?;
        let bytes = reader.slice(length).ok_or_else(|| bad("it ends within a file"))?;
        if Sha256::digest(bytes)[..] != digest {
            return Err(BackupError::Damaged {
                path: backup.into(),
                file: path.into(),
            });
        }
        check_record(Path::new(path), path, bytes)?;
        contents.insert(path.to_owned(), Zeroizing::new(bytes.to_vec()));
    }
    match reader.0.is_empty() {
        true => Ok((seed, contents)),
        false => Err(bad("bytes follow its last file")),
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn slice(&mut self, length: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Record, Records};
    use serde::{Deserialize, Serialize};

    const FOLDERS: [&str; 3] = ["entries", "jobs", "models"];
    const COST: KdfParams = KdfParams::insecure_for_tests();

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Entry {
        bounty: u64,
    }
    impl Record for Entry {
        const KIND: &'static str = "entry";
        const VERSION: u32 = 1;
    }

    fn password(text: &str) -> Password {
        Password::new(text.into()).unwrap()
    }

    struct Node {
        folder: tempfile::TempDir,
        keystore: Keystore,
    }

    impl Node {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let home = folder.path().join("home");
            let keystore = Keystore::create(&home, &password("daily"), COST).unwrap();
            Records::open(&home.join("entries"))
                .unwrap()
                .put("five", &Entry { bounty: 5 })
                .unwrap();
            fs::create_dir_all(home.join("models/digits")).unwrap();
            fs::write(home.join("models/digits/model.zkm"), [0, 1, 2, 255]).unwrap();
            fs::create_dir_all(home.join("cache")).unwrap();
            fs::write(home.join("cache/large"), [0; 100]).unwrap();
            Self { folder, keystore }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn back_up(&self) -> Result<usize, BackupError> {
            create(
                &self.path("home"),
                &FOLDERS,
                &self.keystore,
                &self.path("b"),
                &password("paper"),
                COST,
            )
        }

        fn restore(&self) -> Result<Restored, BackupError> {
            restore(&self.path("b"), &self.path("new"), &password("paper"), COST)
        }

        /// Names in the folder that holds everything: shows what a failed restore has left.
        fn left(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.folder.path())
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_restored_node_has_the_same_keys_and_records() {
        let node = Node::new();
        assert_eq!(node.back_up().unwrap(), 2);
        let restored = node.restore().unwrap();
        assert_eq!(restored.files, 2);
        let (old, new) = (node.keystore.seed(), restored.keystore.seed());
        assert_eq!(old.ethereum_key().expose(), new.ethereum_key().expose());
        let entries = Records::<Entry>::open(&node.path("new/entries")).unwrap();
        assert_eq!(entries.get("five").unwrap(), Some(Entry { bounty: 5 }));
        assert_eq!(
            fs::read(node.path("new/models/digits/model.zkm")).unwrap(),
            [0, 1, 2, 255]
        );
        assert!(!node.path("new/cache").exists(), "only what was asked for");
        assert!(Keystore::open(&node.path("new"), &password("paper")).is_ok());
        assert_eq!(node.left(), ["b", "home", "new"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(node.path("new")).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let node = Node::new();
        node.back_up().unwrap();
        assert!(matches!(
            node.back_up(),
            Err(BackupError::File(FileError::Exists { .. }))
        ));
        fs::create_dir(node.path("new")).unwrap();
        fs::write(node.path("new/mine"), "").unwrap();
        assert!(matches!(node.restore(), Err(BackupError::Occupied { .. })));
        fs::remove_file(node.path("new/mine")).unwrap();
        node.restore().expect("an empty folder will do");
        assert!(matches!(node.restore(), Err(BackupError::Occupied { .. })));
    }

    #[test]
    fn a_bad_backup_leaves_nothing_behind() {
        let node = Node::new();
        node.back_up().unwrap();
        let good = fs::read(node.path("b")).unwrap();
        let wrong = restore(&node.path("b"), &node.path("new"), &password("wrong"), COST).unwrap_err();
        assert!(matches!(
            wrong,
            BackupError::Seal {
                source: SealError::WrongPassword,
                ..
            }
        ));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(node.path("b"), &bad).unwrap();
            assert!(node.restore().is_err(), "byte {at}");
        }
        for cut in [0, 1, 50, good.len() - 1] {
            fs::write(node.path("b"), &good[..cut]).unwrap();
            assert!(node.restore().is_err(), "cut at {cut}");
        }
        assert_eq!(node.left(), ["b", "home"]);
        fs::copy(node.path("home/seed.sealed"), node.path("b")).unwrap();
        let other = node.restore().unwrap_err();
        assert!(other.to_string().contains("holds a seed, not a backup"), "{other}");
    }

    #[test]
    fn a_damaged_record_or_a_link_is_not_backed_up() {
        let node = Node::new();
        let path = node.path("home/entries/five.zkr");
        let good = fs::read(&path).unwrap();
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(matches!(
            node.back_up(),
            Err(BackupError::Record(RecordError::Damaged { .. }))
        ));
        fs::write(&path, &good).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/hostname", node.path("home/jobs")).unwrap();
            assert!(matches!(node.back_up(), Err(BackupError::Unsuitable { .. })));
            fs::remove_file(node.path("home/jobs")).unwrap();
            std::os::unix::fs::symlink("/etc/hostname", node.path("home/models/link")).unwrap();
            assert!(matches!(node.back_up(), Err(BackupError::Unsuitable { .. })));
        }
        assert!(!node.path("b").exists());
    }

    /// Contents that only someone with the password could seal: still checked before anything is written.
    #[test]
    fn sealed_contents_are_checked_too() {
        let node = Node::new();
        let seed = node.keystore.seed();
        let one = |path: &str, bytes: &[u8]| Contents::from([(path.to_owned(), Zeroizing::new(bytes.to_vec()))]);
        let refused = |plain: &[u8]| {
            let file = sealed::seal(Kind::Backup, plain, &password("paper"), COST).unwrap();
            fs::write(node.path("b"), file).unwrap();
            let error = node.restore().unwrap_err();
            assert_eq!(node.left(), ["b", "home"]);
            error.to_string()
        };
        for path in ["../up", "/root", "a//b", "a/../b", ".", "seed.sealed", "a\\b", ""] {
            assert!(
                refused(&encode(seed, &one(path, b"x")).unwrap()).contains("leads out"),
                "{path}"
            );
        }
        assert!(refused(&encode(seed, &one("jobs/x.zkr", b"x")).unwrap()).contains("no record file"));
        let good = encode(seed, &one("models/m", b"xyz")).unwrap();
        assert!(refused(&[&good[..], b"x"].concat()).contains("follow its last file"));
        let mut flipped = good.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(refused(&flipped).contains("wrong checksum"));
        for cut in 0..good.len() {
            refused(&good[..cut]);
        }
        let mut newer = good.to_vec();
        newer[3] = 2;
        assert!(refused(&newer).contains("backup format 2"));
        let twice = [&good[..39], &[2], &good[40..], &good[40..]].concat();
        assert!(refused(&twice).contains("not in order"));
    }
}
