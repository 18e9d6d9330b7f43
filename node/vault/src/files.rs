//! Files that are whole or absent, and readable by their owner alone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What went wrong with which file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    #[error("{path}: there is no such file")]
    Missing { path: PathBuf },
    #[error("{path} exists already; it is not overwritten")]
    Exists { path: PathBuf },
    #[error("{path}: larger than the {limit} bytes such a file may have")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{path}: not a plain file")]
    NotAFile { path: PathBuf },
    #[error("cannot {action} {path}: {source}")]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

pub(crate) fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| match source.kind() {
        io::ErrorKind::NotFound if action == "read" => FileError::Missing { path: path.into() },
        io::ErrorKind::AlreadyExists => FileError::Exists { path: path.into() },
        _ => FileError::Io {
            action,
            path: path.into(),
            source,
        },
    }
}

/// What happens to a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    Replace,
    Refuse,
}

/// Writes a file of mode 0600: to a temporary neighbour, synced, renamed, and the folder synced.
///
/// # Errors
/// [`FileError::Exists`] under [`IfExists::Refuse`]. After any error the old file, or none, is in place.
pub fn write_private(path: &Path, bytes: &[u8], if_exists: IfExists) -> Result<(), FileError> {
    let folder = folder_of(path);
    // Named temporary files are created with mode 0600 and removed when dropped.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io_error("create a file in", folder))?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    file.as_file().sync_all().map_err(io_error("sync", path))?;
    match if_exists {
        IfExists::Replace => file.persist(path),
        IfExists::Refuse => file.persist_noclobber(path),
    }
    .map_err(|e| io_error("write", path)(e.error))?;
    sync_folder(folder)
}

/// Reads a plain file of at most `limit` bytes; memory follows what is there, not what a header claims.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::NotAFile`], [`FileError::TooLarge`].
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    // Asked before it is opened: opening a pipe would wait for a writer.
    let kind = fs::metadata(path).map_err(io_error("read", path))?;
    if !kind.is_file() {
        return Err(FileError::NotAFile { path: path.into() });
    }
    let too_large = || FileError::TooLarge {
        path: path.into(),
        limit,
    };
    if kind.len() > limit {
        return Err(too_large());
    }
    let file = File::open(path).map_err(io_error("read", path))?;
    // Room for the whole file at once, so that no shorter copy of a secret is left behind by growing.
    let mut bytes = Vec::with_capacity(usize::try_from(kind.len()).map_err(|_| too_large())? + 1);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error("read", path))?;
    match bytes.len() as u64 > limit {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

/// Creates a folder, and those above it, with mode 0700; one that exists keeps its mode.
///
/// # Errors
/// [`FileError::Io`].
pub fn create_private_folder(path: &Path) -> Result<(), FileError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io_error("create", path))
}

/// Makes renames in a folder survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    #[cfg(unix)]
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(io_error("sync", folder))?;
    Ok(())
}

/// The folder a path lies in; the current one for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_or_refuses_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_private(&path, b"one", IfExists::Refuse).unwrap();
        assert!(matches!(
            write_private(&path, b"two", IfExists::Refuse),
            Err(FileError::Exists { .. })
        ));
        assert_eq!(read_bounded(&path, 3).unwrap(), b"one");
        write_private(&path, b"three", IfExists::Replace).unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn reading_is_bounded_and_errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(matches!(read_bounded(&path, 9), Err(FileError::Missing { .. })));
        write_private(&path, b"four", IfExists::Refuse).unwrap();
        let error = read_bounded(&path, 3).unwrap_err().to_string();
        assert!(error.contains("/a: larger than the 3 bytes"), "{error}");
        assert!(matches!(
            read_bounded(folder.path(), 9),
            Err(FileError::NotAFile { .. })
        ));
        let nowhere = folder.path().join("no/such/folder");
        assert!(matches!(
            write_private(&nowhere, b"", IfExists::Replace),
            Err(FileError::Io { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn modes_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("x/y");
        create_private_folder(&inner).unwrap();
        assert_eq!(mode(&inner), 0o700);
        write_private(&inner.join("f"), b"", IfExists::Replace).unwrap();
        assert_eq!(mode(&inner.join("f")), 0o600);
    }
}
