//! Everything secret of a node, at rest and on the way to another peer.
//!
//! A node has one secret: 32 bytes from the operating system, its [`Seed`]. Keys, blinds and salts follow from it, so
//! whoever holds the seed and its password can still claim what the node has entered.
//!
//! * [`seed`]: what is derived from the seed, by which label.
//! * [`secret`]: bytes that are wiped when dropped and never printed.
//! * [`password`]: from a file or a prompt, never from the command line.
//! * [`sealed`]: the encrypted file: argon2id, then XChaCha20-Poly1305.
//! * [`keystore`]: the seed in such a file.
//! * [`records`]: jobs and entries in checksummed files that are whole or absent.
//! * [`backup`]: seed and records in one sealed file, and back.
//! * [`envelope`]: messages that one peer alone can open.
//! * [`files`]: writing so that a crash leaves the old file or the new one.
//!
//! ```
//! use zkaggle_vault::{KdfParams, Keystore, Password};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let password = Password::new("correct horse battery staple".into())?;
//! let created = Keystore::create(folder.path(), &password, KdfParams::default())?;
//! let opened = Keystore::open(folder.path(), &password)?;
//! assert_eq!(created.seed().ethereum_key().expose(), opened.seed().ethereum_key().expose());
//! # Ok(()) }
//! ```

pub mod backup;
pub mod envelope;
pub mod files;
pub mod keystore;
pub mod password;
pub mod records;
pub mod sealed;
pub mod secret;
pub mod seed;

pub use backup::{BackupError, Restored};
pub use envelope::{EnvelopeError, EnvelopeKey, Route};
pub use files::FileError;
pub use keystore::{Keystore, KeystoreError};
pub use password::{Password, PasswordError};
pub use records::{Record, RecordError, Records};
pub use sealed::{KdfParams, SealError};
pub use secret::Secret;
pub use seed::Seed;
