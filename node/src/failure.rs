//! Exit codes, and errors that carry one.

use std::io::ErrorKind;
use zkaggle_config::ConfigError;
use zkaggle_net::bitswap::FetchError;
use zkaggle_net::{ContentError, KuboError, NetError};
use zkaggle_vault::{BackupError, FileError, KeystoreError, PasswordError, SealError};

/// Why a command ended, as a documented exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Something went wrong.
    Failed = 1,
    /// The command line or a configuration file is wrong.
    Usage = 2,
    /// A check refused: wrong chain id, development key on a real chain, invalid proof.
    Refused = 3,
    /// What was asked for does not exist.
    NotFound = 4,
    /// A peer, the chain or an IPFS endpoint cannot be reached.
    Unreachable = 5,
}

/// An error with an exit code. Anything without one exits with [`Code::Failed`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> anyhow::Error {
        Self {
            code,
            message: message.into(),
        }
        .into()
    }

    pub fn refused(message: impl Into<String>) -> anyhow::Error {
        Self::new(Code::Refused, message)
    }

    pub fn not_found(message: impl Into<String>) -> anyhow::Error {
        Self::new(Code::NotFound, message)
    }

    pub fn usage(message: impl Into<String>) -> anyhow::Error {
        Self::new(Code::Usage, message)
    }
}

/// The exit code of an error: that of the first cause in its chain that stands for one.
pub fn code_of(e: &anyhow::Error) -> Code {
    e.chain().find_map(code_of_cause).unwrap_or(Code::Failed)
}

fn code_of_cause(c: &(dyn std::error::Error + 'static)) -> Option<Code> {
    if let Some(f) = c.downcast_ref::<Failure>() {
        return Some(f.code);
    }
    if let Some(e) = c.downcast_ref::<std::io::Error>() {
        return (e.kind() == ErrorKind::NotFound).then_some(Code::NotFound);
    }
    if let Some(e) = c.downcast_ref::<ConfigError>() {
        // Whether the file is there at all is the next cause's answer.
        return (!matches!(e, ConfigError::Read { .. })).then_some(Code::Usage);
    }
    if let Some(code) = code_of_network(c) {
        return Some(code);
    }
    if let Some(SealError::WrongPassword) = c.downcast_ref() {
        return Some(Code::Refused);
    }
    // These pass their inner error on as their own, so it is no link of the chain.
    let file = match (
        c.downcast_ref::<BackupError>(),
        c.downcast_ref::<KeystoreError>(),
        c.downcast_ref::<PasswordError>(),
    ) {
        (Some(BackupError::File(f) | BackupError::Keystore(KeystoreError::File(f))), ..) => Some(f),
        (_, Some(KeystoreError::File(f)), _) => Some(f),
        (.., Some(PasswordError::File(f))) => Some(f),
        _ => c.downcast_ref::<FileError>(),
    };
    match file? {
        FileError::Missing { .. } => Some(Code::NotFound),
        FileError::Exists { .. } => Some(Code::Refused),
        _ => None,
    }
}

/// Who cannot be reached, and what nobody has.
fn code_of_network(c: &(dyn std::error::Error + 'static)) -> Option<Code> {
    let fetch = |e: &FetchError| match e {
        FetchError::NotFound { asked: 0, .. } => Some(Code::Unreachable),
        FetchError::NotFound { .. } => Some(Code::NotFound),
        _ => None,
    };
    let kubo = |e: &KuboError| match e {
        KuboError::Unreachable { .. } | KuboError::TimedOut { .. } => Some(Code::Unreachable),
        KuboError::BadUrl { .. } => Some(Code::Usage),
        _ => None,
    };
    let net = |e: &NetError| match e {
        NetError::Dial { .. } => Some(Code::Unreachable),
        NetError::NoPeerId { .. } => Some(Code::Usage),
        _ => None,
    };
    // A content error passes its inner error on as its own.
    match c.downcast_ref::<ContentError>() {
        Some(ContentError::Fetch(e)) => fetch(e),
        Some(ContentError::Kubo(e)) => kubo(e),
        Some(ContentError::Net(e)) => net(e),
        _ => (c.downcast_ref().and_then(fetch))
            .or_else(|| c.downcast_ref().and_then(kubo))
            .or_else(|| c.downcast_ref().and_then(net)),
    }
}

/// An error and its causes as one sentence; a cause that the words before it already gave is left out.
pub fn sentence(e: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in e.chain().map(ToString::to_string) {
        if !out.ends_with(&cause) {
            out += if out.is_empty() { "" } else { ": " };
            out += &cause;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_code_survives_added_context() {
        let e = Err::<(), _>(Failure::refused("no"))
            .context("verify x.proof")
            .unwrap_err();
        assert_eq!(code_of(&e), Code::Refused);
        assert_eq!(code_of(&anyhow::anyhow!("plain")), Code::Failed);
    }

    #[test]
    fn what_is_missing_is_told_from_what_is_wrong() {
        let missing = std::fs::read("/no/such/file").context("read it").unwrap_err();
        assert_eq!(code_of(&missing), Code::NotFound);
        let path = std::path::PathBuf::from("seed.sealed");
        let keystore = KeystoreError::File(FileError::Missing { path: path.clone() });
        assert_eq!(code_of(&anyhow::Error::from(keystore)), Code::NotFound);
        let source = SealError::WrongPassword;
        let sealed = anyhow::Error::from(KeystoreError::Seal { path, source });
        assert_eq!(code_of(&sealed), Code::Refused);
        assert_eq!(sentence(&sealed.context("open")), "open: seed.sealed: wrong password");
        let config = zkaggle_config::Loader::new()
            .unwrap()
            .text("[chain]\nno = 1", "c.toml".as_ref());
        assert_eq!(code_of(&config.unwrap_err().into()), Code::Usage);
    }
}
