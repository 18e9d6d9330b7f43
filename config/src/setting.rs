//! Reading one setting's value from any layer, and printing it.

use crate::units::{ByteSize, Seconds, Wei};
use crate::values::{Backend, Dht, Role, RpcUrl, TokenLimit};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A value as a layer holds it, before its type is known.
#[derive(Clone, Debug)]
pub enum Raw {
    Text(String),
    Integer(String),
    Boolean(bool),
    List(Vec<Raw>),
    /// From the environment or a flag: text that may mean any type.
    Loose(String),
    /// Something no setting takes: its TOML type.
    Other(&'static str),
}

impl Raw {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Loose(_) => "text",
            Self::Other(kind) => kind,
        }
    }

    fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::Loose(text) => Ok(text),
            other => Err(format!("this is {}", other.kind())),
        }
    }
}

/// A type that settings have.
pub trait Setting: Sized {
    /// What to write, for messages.
    fn expects() -> String;

    /// Reads a value; `base` is the folder that relative paths start at, where there is one.
    fn read(raw: &Raw, base: Option<&Path>) -> Result<Self, String>;

    /// Prints it as it would be written; endpoints without what may be a key.
    fn show(&self) -> String;
}

macro_rules! text_settings {
    ($($type:ty: $expects:expr;)+) => {$(
        impl Setting for $type {
            fn expects() -> String {
                $expects.into()
            }
            fn read(raw: &Raw, _: Option<&Path>) -> Result<Self, String> {
                <$type>::from_str(raw.text()?).map_err(|e| e.to_string())
            }
            fn show(&self) -> String {
                format!("\"{self}\"")
            }
        }
    )+};
}

text_settings! {
    Role: format!("one of {}", Role::WORDS.trim_end());
    Backend: format!("one of {}", Backend::WORDS.trim_end());
    Dht: format!("one of {}", Dht::WORDS.trim_end());
    ByteSize: "a size such as \"4 GiB\"";
    Seconds: "a duration such as \"30 s\"";
    Wei: "an amount such as \"20 gwei\"";
    TokenLimit: "a limit such as \"0x5fbd…0aa3=1000000\", in the token's smallest unit";
    RpcUrl: "a URL such as \"http://127.0.0.1:8545\"";
}

impl Setting for bool {
    fn expects() -> String {
        "true or false".into()
    }

    fn read(raw: &Raw, _: Option<&Path>) -> Result<Self, String> {
        match raw {
            Raw::Boolean(value) => Ok(*value),
            Raw::Loose(text) => text.parse().map_err(|_| format!("{text:?} is neither")),
            other => Err(format!("this is {}", other.kind())),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    fn expects() -> String {
        "a whole number".into()
    }

    fn read(raw: &Raw, _: Option<&Path>) -> Result<Self, String> {
        match raw {
            Raw::Integer(text) | Raw::Loose(text) => text
                .parse()
                .map_err(|_| format!("{text:?} is not a whole number below 2^64")),
            other => Err(format!("this is {}", other.kind())),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A multiaddress.
impl Setting for String {
    fn expects() -> String {
        "a multiaddress such as \"/ip4/127.0.0.1/tcp/4101\"".into()
    }

    fn read(raw: &Raw, _: Option<&Path>) -> Result<Self, String> {
        let text = raw.text()?;
        match text.starts_with('/') && text.len() > 1 {
            true => Ok(text.to_owned()),
            false => Err(format!("{text:?} does not begin with /")),
        }
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for PathBuf {
    fn expects() -> String {
        "a path".into()
    }

    fn read(raw: &Raw, base: Option<&Path>) -> Result<Self, String> {
        match raw.text()? {
            "" => Err("it is empty".into()),
            text => Ok(base.map_or_else(|| text.into(), |base| base.join(text))),
        }
    }

    fn show(&self) -> String {
        format!("\"{}\"", self.display())
    }
}

/// An empty string means: not set.
impl<T: Setting> Setting for Option<T> {
    fn expects() -> String {
        format!("{}, or \"\"", T::expects())
    }

    fn read(raw: &Raw, base: Option<&Path>) -> Result<Self, String> {
        match raw {
            Raw::Text(text) | Raw::Loose(text) if text.is_empty() => Ok(None),
            raw => T::read(raw, base).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "\"\"".into(), T::show)
    }
}

/// In the environment and in flags, a list is written with commas.
impl<T: Setting> Setting for Vec<T> {
    fn expects() -> String {
        format!("a list, each {}", T::expects())
    }

    fn read(raw: &Raw, base: Option<&Path>) -> Result<Self, String> {
        match raw {
            Raw::List(items) => items.iter().map(|item| T::read(item, base)).collect(),
            Raw::Loose(text) if text.is_empty() => Ok(Vec::new()),
            Raw::Loose(text) => text
                .split(',')
                .map(|part| T::read(&Raw::Loose(part.trim().into()), base))
                .collect(),
            other => Err(format!("this is {}; write it in [ ]", other.kind())),
        }
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(T::show).collect::<Vec<_>>().join(", "))
    }
}
