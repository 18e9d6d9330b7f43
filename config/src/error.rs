//! What is wrong, where, and what to write instead.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The built-in defaults.
    Defaults { line: usize },
    /// The node's file.
    File { path: PathBuf, line: usize },
    /// An environment variable.
    Variable { name: String },
    /// A command-line flag.
    Flag { name: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults { line } => write!(f, "default.toml:{line}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable { name } | Self::Flag { name } => f.write_str(name),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is larger than {limit} bytes: that is no config file")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{place}: {reason}")]
    Syntax { place: Place, reason: String },
    #[error("{place}: there is no setting {key}{}", did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        place: Place,
        key: String,
        nearest: Option<String>,
    },
    #[error("{place}: {key} expects {expects}: {reason}")]
    Value {
        place: Place,
        key: &'static str,
        expects: String,
        reason: String,
    },
    #[error("{place}: {reason}")]
    Rule { place: Place, reason: String },
}

fn did_you_mean(key: Option<&str>) -> String {
    key.map(|key| format!("; did you mean {key}?")).unwrap_or_default()
}
