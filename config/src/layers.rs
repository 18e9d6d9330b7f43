//! Putting the layers on top of each other, remembering where each setting came from.

use crate::error::{ConfigError, Place};
use crate::keys::{KEYS, assign, known, nearest};
use crate::rules;
use crate::sections::Config;
use crate::setting::Raw;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The defaults and their documentation: `default.toml` as it is.
pub const DEFAULTS: &str = include_str!("../default.toml");
/// What environment variables for settings begin with; the rest is `SECTION__KEY`.
const PREFIX: &str = "ZKAGGLE_";
/// Largest config file in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Builds a [`Config`] from its layers, each over the ones before.
#[derive(Clone, Debug)]
pub struct Loader {
    config: Config,
    places: BTreeMap<&'static str, Place>,
}

impl Config {
    /// The defaults, a file, and this process's environment.
    ///
    /// # Errors
    /// [`ConfigError`], naming the place.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let mut loader = Loader::new()?;
        loader.file(path)?;
        loader.environment(std::env::vars_os())?;
        loader.finish()
    }
}

impl Loader {
    /// Starts from the defaults.
    ///
    /// # Errors
    /// Only when `default.toml` itself is wrong, which a test excludes.
    pub fn new() -> Result<Self, ConfigError> {
        let mut loader = Self {
            config: Config::default(),
            places: BTreeMap::new(),
        };
        loader.toml(DEFAULTS, None, |line| Place::Defaults { line })?;
        Ok(loader)
    }

    /// Adds a file; its relative paths start at its folder.
    ///
    /// # Errors
    /// [`ConfigError`], naming file and line.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        self.text(&read(path)?, path)
    }

    /// Adds a file's text.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn text(&mut self, text: &str, path: &Path) -> Result<(), ConfigError> {
        let absolute = std::path::absolute(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        // Components instead of text: `./` and doubled slashes would show up in every path below.
        let base: Option<PathBuf> = absolute.parent().map(|p| p.components().collect());
        self.toml(text, base.as_deref(), |line| Place::File {
            path: path.into(),
            line,
        })
    }

    /// Adds the variables that name settings, `ZKAGGLE_CHAIN__RPC_URL`; others are somebody else's.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] for a variable that looks like a setting and is none.
    pub fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|n| n.starts_with(PREFIX)) else {
                continue;
            };
            let place = Place::Variable { name: name.into() };
            let rest = name.get(PREFIX.len()..).unwrap_or_default().to_ascii_lowercase();
            let Some((section, field)) = rest.split_once("__") else {
                // One underscore where two belong would otherwise be ignored in silence.
                if let Some(key) = KEYS.iter().find(|k| k.replace('.', "_") == rest) {
                    let variable = format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase());
                    return Err(ConfigError::UnknownKey {
                        place,
                        key: rest,
                        nearest: Some(variable),
                    });
                }
                continue;
            };
            let value = value.into_string().map_err(|_| ConfigError::Syntax {
                place: place.clone(),
                reason: "the value is not UTF-8".into(),
            })?;
            self.put(&format!("{section}.{field}"), &Raw::Loose(value), None, place)?;
        }
        Ok(())
    }

    /// Adds a flag's value; lists are written with commas.
    ///
    /// # Errors
    /// [`ConfigError`], naming the flag.
    pub fn set(&mut self, key: &str, value: &str, flag: &str) -> Result<(), ConfigError> {
        self.put(key, &Raw::Loose(value.into()), None, Place::Flag { name: flag.into() })
    }

    /// Adds a flag that was given several times; replaces the list.
    ///
    /// # Errors
    /// [`ConfigError`], naming the flag.
    pub fn set_list(&mut self, key: &str, values: &[String], flag: &str) -> Result<(), ConfigError> {
        let items = values.iter().map(|v| Raw::Loose(v.clone())).collect();
        self.put(key, &Raw::List(items), None, Place::Flag { name: flag.into() })
    }

    /// Checks the rules between settings.
    ///
    /// # Errors
    /// [`ConfigError::Rule`], naming the place of the setting that breaks it.
    pub fn finish(self) -> Result<Config, ConfigError> {
        rules::check(&self.config, |key| self.place(key))?;
        Ok(self.config)
    }

    /// Where a setting was given last.
    pub fn place(&self, key: &str) -> Place {
        self.places.get(key).cloned().unwrap_or(Place::Defaults { line: 0 })
    }

    fn put(&mut self, key: &str, raw: &Raw, base: Option<&Path>, place: Place) -> Result<(), ConfigError> {
        let Some(known) = known(key) else {
            // Cut: the text is the user's, and may be anything.
            let shown = key.chars().take(80).collect();
            return Err(ConfigError::UnknownKey {
                place,
                key: shown,
                nearest: nearest(key).map(str::to_owned),
            });
        };
        assign(&mut self.config, known, raw, base).map_err(|(expects, reason)| ConfigError::Value {
            place: place.clone(),
            key: known,
            expects,
            reason,
        })?;
        self.places.insert(known, place);
        Ok(())
    }

    fn toml(&mut self, text: &str, base: Option<&Path>, place: impl Fn(usize) -> Place) -> Result<(), ConfigError> {
        let line = |span: &Range<usize>| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count();
        let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            place: place(error.span().as_ref().map_or(1, line)),
            // The message alone: the full error quotes the line, which may hold an API key.
            reason: error.message().to_owned(),
        })?;
        for (section, value) in document.get_ref() {
            let DeValue::Table(fields) = value.get_ref() else {
                self.put(
                    section.get_ref(),
                    &Raw::Other("outside a section"),
                    base,
                    place(line(&section.span())),
                )?;
                continue;
            };
            if !KEYS
                .iter()
                .any(|k| k.split('.').next() == Some(section.get_ref().as_ref()))
                && fields.is_empty()
            {
                let key = section.get_ref().chars().take(80).collect();
                return Err(ConfigError::UnknownKey {
                    place: place(line(&section.span())),
                    key,
                    nearest: None,
                });
            }
            for (field, value) in fields {
                let key = format!("{}.{}", section.get_ref(), field.get_ref());
                self.put(&key, &raw(value.get_ref()), base, place(line(&field.span())))?;
            }
        }
        Ok(())
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Raw::Integer(number.as_str().to_owned()),
        DeValue::Integer(_) => Raw::Other("a number that is not decimal"),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

/// Reads a text file of bounded size.
pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let error = |source| ConfigError::Read {
        path: path.into(),
        source,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(error)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(error)?;
    match text.len() as u64 > MAX_FILE {
        true => Err(ConfigError::TooLarge {
            path: path.into(),
            limit: MAX_FILE,
        }),
        false => Ok(text),
    }
}
