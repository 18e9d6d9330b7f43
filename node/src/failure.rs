//! Exit codes, and errors that carry one.

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

/// The exit code of an error: that of the first [`Failure`] in its chain.
pub fn code_of(e: &anyhow::Error) -> Code {
    e.chain()
        .find_map(|c| c.downcast_ref::<Failure>())
        .map_or(Code::Failed, |f| f.code)
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
}
