//! Passwords: from a file or a prompt. Never from argv or a variable's value, where every process can read them.

use crate::files::{self, FileError};
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variable that names a password *file*.
pub const PASSWORD_FILE_VARIABLE: &str = "ZKAGGLE_PASSWORD_FILE";
/// Longest password in bytes.
const MAX_LENGTH: usize = 4_096;

/// A password, wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    #[error("the password is empty")]
    Empty,
    #[error("the password is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("{path}: the password is not UTF-8 text")]
    NotText { path: PathBuf },
    #[error("the two passwords differ")]
    Mismatch,
    #[error("no terminal to ask for the password: name a file by --password-file or {PASSWORD_FILE_VARIABLE}")]
    NoTerminal,
    #[error("cannot read the password from the terminal: {0}")]
    Prompt(std::io::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Whether a prompt asks once, or twice for a password that is about to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Known,
    New,
}

impl Password {
    /// Takes over a password.
    ///
    /// # Errors
    /// [`PasswordError::Empty`], [`PasswordError::TooLong`].
    pub fn new(text: String) -> Result<Self, PasswordError> {
        let text = Zeroizing::new(text);
        match text.len() {
            0 => Err(PasswordError::Empty),
            n if n > MAX_LENGTH => Err(PasswordError::TooLong),
            _ => Ok(Self(text)),
        }
    }

    /// Reads a file; one line ending at its end is not part of the password.
    ///
    /// # Errors
    /// [`PasswordError::File`], and as [`new`](Self::new).
    pub fn from_file(path: &Path) -> Result<Self, PasswordError> {
        let bytes = Zeroizing::new(files::read_bounded(path, MAX_LENGTH as u64 + 2)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText { path: path.into() })?;
        let text = text
            .strip_suffix('\n')
            .map_or(text, |t| t.strip_suffix('\r').unwrap_or(t));
        Self::new(text.to_owned())
    }

    /// The first of: the file given, the file that the variable names, a prompt.
    ///
    /// # Errors
    /// [`PasswordError::NoTerminal`] when all that is left is a prompt and nobody sits there.
    pub fn obtain(file: Option<&Path>, prompt: &str, ask: Ask) -> Result<Self, PasswordError> {
        let named = std::env::var_os(PASSWORD_FILE_VARIABLE).map(PathBuf::from);
        match file.map(Path::to_path_buf).or(named) {
            Some(path) => Self::from_file(&path),
            None if !std::io::stdin().is_terminal() => Err(PasswordError::NoTerminal),
            None => Self::prompt(prompt, ask),
        }
    }

    fn prompt(prompt: &str, ask: Ask) -> Result<Self, PasswordError> {
        let read = |text: String| rpassword::prompt_password(text).map_err(PasswordError::Prompt);
        let first = Self::new(read(format!("{prompt}: "))?)?;
        if ask == Ask::New && *Zeroizing::new(read(format!("{prompt} again: "))?) != *first.0 {
            return Err(PasswordError::Mismatch);
        }
        Ok(first)
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The password as text, for the Ethereum keystore's own encryption.
    pub fn expose_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_gives_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        for (content, want) in [
            ("a b", "a b"),
            ("x\n", "x"),
            ("x\r\n", "x"),
            ("x\n\n", "x\n"),
            (" x ", " x "),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(Password::from_file(&path).unwrap().expose_text(), want);
            assert_eq!(Password::obtain(Some(&path), "", Ask::New).unwrap().expose_text(), want);
        }
        fs::write(&path, "\n").unwrap();
        assert!(matches!(Password::from_file(&path), Err(PasswordError::Empty)));
        fs::write(&path, [0xff]).unwrap();
        assert!(matches!(Password::from_file(&path), Err(PasswordError::NotText { .. })));
        fs::write(&path, "x".repeat(MAX_LENGTH + 1)).unwrap();
        assert!(matches!(Password::from_file(&path), Err(PasswordError::TooLong)));
        fs::write(&path, "x".repeat(MAX_LENGTH + 3)).unwrap();
        assert!(matches!(
            Password::from_file(&path),
            Err(PasswordError::File(FileError::TooLarge { .. }))
        ));
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            Password::from_file(&path),
            Err(PasswordError::File(FileError::Missing { .. }))
        ));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?}", Password::new("hush".into()).unwrap()),
            "Password(redacted)"
        );
    }
}
