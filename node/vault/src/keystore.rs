//! The seed at rest: `seed.sealed` in the node's folder.

use crate::files::{self, FileError, IfExists};
use crate::password::Password;
use crate::sealed::{self, KdfParams, Kind, SealError};
use crate::secret::{NoRandomness, Secret};
use crate::seed::Seed;
use std::path::{Path, PathBuf};

/// The file's name in the node's folder.
pub const FILE_NAME: &str = "seed.sealed";
/// A sealed seed has 168 bytes; a file far beyond is something else.
const MAX_FILE: u64 = 4_096;

/// An opened keystore: the seed, and where it lives.
#[derive(Debug)]
pub struct Keystore {
    seed: Seed,
    path: PathBuf,
}

/// Why the keystore was not created or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    #[error("{path}: {source}")]
    Seal { path: PathBuf, source: SealError },
    #[error("{path}: the sealed content has {got} bytes, a seed has 32")]
    Length { path: PathBuf, got: usize },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Keystore {
    /// Creates a fresh seed in a folder, which is created too.
    ///
    /// # Errors
    /// [`FileError::Exists`] when the folder has a seed: it is never overwritten.
    pub fn create(folder: &Path, password: &Password, cost: KdfParams) -> Result<Self, KeystoreError> {
        Self::create_from(folder, Seed::generate()?, password, cost)
    }

    /// Creates a keystore around a seed that already exists.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_from(folder: &Path, seed: Seed, password: &Password, cost: KdfParams) -> Result<Self, KeystoreError> {
        files::create_private_folder(folder)?;
        let path = folder.join(FILE_NAME);
        // Asked before the password costs time; the write itself refuses again.
        if path.exists() {
            return Err(FileError::Exists { path }.into());
        }
        let sealed =
            sealed::seal(Kind::Seed, seed.secret().expose(), password, cost).map_err(|source| KeystoreError::Seal {
                path: path.clone(),
                source,
            })?;
        files::write_private(&path, &sealed, IfExists::Refuse)?;
        Ok(Self { seed, path })
    }

    /// Opens the seed of a folder.
    ///
    /// # Errors
    /// [`FileError::Missing`], or [`SealError`] with the file's name.
    pub fn open(folder: &Path, password: &Password) -> Result<Self, KeystoreError> {
        let path = folder.join(FILE_NAME);
        let file = files::read_bounded(&path, MAX_FILE)?;
        let plain = sealed::open(Kind::Seed, &file, password).map_err(|source| KeystoreError::Seal {
            path: path.clone(),
            source,
        })?;
        let mut secret = Secret::zero();
        if plain.len() != secret.expose().len() {
            return Err(KeystoreError::Length { path, got: plain.len() });
        }
        secret.expose_mut().copy_from_slice(&plain);
        Ok(Self {
            seed: Seed::from_secret(secret),
            path,
        })
    }

    /// Whether a folder has a seed.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE_NAME).exists()
    }

    /// The seed.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The sealed file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_created_once_and_opens_with_its_password_only() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("node");
        let (right, wrong) = (
            Password::new("right".into()).unwrap(),
            Password::new("wrong".into()).unwrap(),
        );
        let cost = KdfParams::insecure_for_tests();
        assert!(matches!(
            Keystore::open(&home, &right),
            Err(KeystoreError::File(FileError::Missing { .. }))
        ));
        let made = Keystore::create(&home, &right, cost).unwrap();
        assert!(Keystore::exists(&home));
        let again = Keystore::create(&home, &right, cost);
        assert!(matches!(again, Err(KeystoreError::File(FileError::Exists { .. }))));
        let opened = Keystore::open(&home, &right).unwrap();
        assert_eq!(opened.seed().secret().expose(), made.seed().secret().expose());
        let refused = Keystore::open(&home, &wrong).unwrap_err();
        assert!(matches!(
            &refused,
            KeystoreError::Seal {
                source: SealError::WrongPassword,
                ..
            }
        ));
        assert!(refused.to_string().contains("seed.sealed: wrong password"));
        assert!(!format!("{made:?}").contains(&hex::encode(made.seed().secret().expose())));
        assert!(format!("{made:?}").contains("redacted"));
    }

    #[test]
    fn a_sealed_file_of_another_length_is_no_seed() {
        let folder = tempfile::tempdir().unwrap();
        let password = Password::new("p".into()).unwrap();
        let short = sealed::seal(Kind::Seed, &[1; 31], &password, KdfParams::insecure_for_tests()).unwrap();
        files::write_private(&folder.path().join(FILE_NAME), &short, IfExists::Refuse).unwrap();
        let error = Keystore::open(folder.path(), &password).unwrap_err();
        assert!(matches!(error, KeystoreError::Length { got: 31, .. }));
    }
}
