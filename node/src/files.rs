//! Writing files that are whole or not there.

use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;
use zkaggle_vault::files::IfExists;

/// Writes a public file: to a temporary neighbour, synced, renamed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let dir = path
        .parent()
        .filter(|d| !d.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut f = tempfile::NamedTempFile::new_in(dir)?;
        f.write_all(bytes)?;
        f.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        f.as_file().sync_all()?;
        f.persist(path).map_err(|e| e.error)?;
        std::fs::File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Writes a file only its owner can read, replacing an older one.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    zkaggle_vault::files::write_private(path, bytes, IfExists::Replace)
        .with_context(|| format!("write {}", path.display()))
}
