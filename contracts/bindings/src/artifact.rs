//! Compiled contracts as data: bytecode to deploy, code to recognise on a chain.

use alloy::primitives::{B256, Bytes, keccak256};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Largest deployed code, in bytes (EIP-170).
pub const MAX_DEPLOYED_BYTES: usize = 24_576;

/// One compiled contract that can be deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Name of the contract, and of its file without `.json`.
    pub name: &'static str,
    /// The artifact file.
    json: &'static str,
}

macro_rules! artifacts {
    ($($name:ident),* $(,)?) => {
        /// Every contract that can be deployed, in alphabetical order.
        pub const ARTIFACTS: &[Artifact] = &[$(Artifact {
            name: stringify!($name),
            json: include_str!(concat!("../../artifacts/", stringify!($name), ".json")),
        }),*];
    };
}

artifacts![
    BountyMarket,
    DagPb,
    DatasetRegistry,
    DatasetVerifier,
    KeyRegistry,
    MarketClaiming,
    MarketEnding,
    MarketPosting,
    ReleaseVerifier,
    ScoreVerifier,
    TokenPot
];

/// Why an artifact does not give what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactError {
    /// No contract has this name.
    Unknown(String),
    /// The committed file cannot be read; it is written by `contracts/tools/compile.cjs`.
    Malformed { name: &'static str, reason: String },
    /// The constructor takes another number of arguments.
    Arguments {
        name: &'static str,
        expected: usize,
        got: usize,
    },
    /// The immutables given are not those of the contract.
    Immutables {
        name: &'static str,
        expected: Vec<String>,
        got: Vec<String>,
    },
}

impl std::fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "no contract is called {name}"),
            Self::Malformed { name, reason } => write!(f, "artifact {name}: {reason}"),
            Self::Arguments { name, expected, got } => {
                write!(f, "{name} is created with {expected} arguments, {got} were given")
            }
            Self::Immutables { name, expected, got } => {
                write!(
                    f,
                    "{name} has the immutables {expected:?}, values were given for {got:?}"
                )
            }
        }
    }
}

impl std::error::Error for ArtifactError {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    abi: Vec<Item>,
    immutable_references: BTreeMap<String, Vec<Place>>,
    bytecode: Bytes,
    deployed_bytecode: Bytes,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    inputs: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

impl Artifact {
    /// The contract called `name`.
    ///
    /// # Errors
    /// [`ArtifactError::Unknown`].
    pub fn named(name: &str) -> Result<Self, ArtifactError> {
        ARTIFACTS
            .iter()
            .copied()
            .find(|a| a.name == name)
            .ok_or_else(|| ArtifactError::Unknown(name.to_owned()))
    }

    fn file(&self) -> Result<File, ArtifactError> {
        serde_json::from_str(self.json).map_err(|e| ArtifactError::Malformed {
            name: self.name,
            reason: e.to_string(),
        })
    }

    /// Code that creates the contract, its constructor's arguments appended: each one static word.
    ///
    /// # Errors
    /// [`ArtifactError::Arguments`] when their number is not the constructor's.
    pub fn creation_code(&self, arguments: &[B256]) -> Result<Bytes, ArtifactError> {
        let file = self.file()?;
        let expected = file
            .abi
            .iter()
            .find(|item| item.kind == "constructor")
            .map_or(0, |item| item.inputs.len());
        if arguments.len() != expected {
            return Err(ArtifactError::Arguments {
                name: self.name,
                expected,
                got: arguments.len(),
            });
        }
        let mut code = file.bytecode.to_vec();
        for word in arguments {
            code.extend_from_slice(word.as_slice());
        }
        Ok(code.into())
    }

    /// Bytes of the deployed code.
    ///
    /// # Errors
    /// [`ArtifactError::Malformed`].
    pub fn deployed_bytes(&self) -> Result<usize, ArtifactError> {
        Ok(self.file()?.deployed_bytecode.len())
    }

    /// The code a deployed contract has, with its immutables filled in by name, each as the 32-byte
    /// word that Solidity stores.
    ///
    /// # Errors
    /// [`ArtifactError::Immutables`] unless exactly the contract's immutables are given.
    pub fn deployed_code(&self, immutables: &[(&str, B256)]) -> Result<Bytes, ArtifactError> {
        let file = self.file()?;
        let given: BTreeMap<&str, B256> = immutables.iter().copied().collect();
        if !file
            .immutable_references
            .keys()
            .map(String::as_str)
            .eq(given.keys().copied())
        {
            return Err(ArtifactError::Immutables {
                name: self.name,
                expected: file.immutable_references.into_keys().collect(),
                got: immutables.iter().map(|(n, _)| (*n).to_owned()).collect(),
            });
        }
        let mut code = file.deployed_bytecode.to_vec();
        for (places, value) in file.immutable_references.values().zip(given.values()) {
            for p in places {
                let slot = code.get_mut(p.start..p.start.saturating_add(p.length));
                match slot {
                    Some(slot) if slot.len() == 32 => slot.copy_from_slice(value.as_slice()),
                    _ => {
                        return Err(ArtifactError::Malformed {
                            name: self.name,
                            reason: format!("no 32-byte immutable at {}", p.start),
                        });
                    }
                }
            }
        }
        Ok(code.into())
    }

    /// Code hash (EIP-1052) of a deployed contract: what a vkId calls the constraint system.
    ///
    /// # Errors
    /// As [`Self::deployed_code`].
    pub fn code_hash(&self, immutables: &[(&str, B256)]) -> Result<B256, ArtifactError> {
        Ok(keccak256(self.deployed_code(immutables)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn contracts() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn sources(dir: &str, out: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(contracts().join(dir)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{dir}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                sources(&name, out);
            } else if name.ends_with(".sol") {
                out.insert(name);
            }
        }
    }

    #[test]
    fn artifacts_come_from_the_present_sources() {
        let mut names = BTreeSet::from(["tools/settings.cjs".to_owned()]);
        sources("src", &mut names);
        let now: BTreeSet<String> = names
            .iter()
            .map(|n| {
                let bytes = std::fs::read(contracts().join(n)).unwrap();
                format!("{}  {n}", hex::encode(Sha256::digest(bytes)))
            })
            .collect();
        let file = std::fs::read_to_string(contracts().join("artifacts/SOURCES.sha256")).unwrap();
        let then: BTreeSet<String> = file.lines().map(str::to_owned).collect();
        assert_eq!(then, now, "stale artifacts: run `npm run artifacts` in contracts/");
    }

    #[test]
    fn every_deployable_artifact_is_listed_and_fits_a_chain() {
        let mut deployable = BTreeSet::new();
        for entry in std::fs::read_dir(contracts().join("artifacts")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "json") {
                let file: File = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                if !file.deployed_bytecode.is_empty() {
                    deployable.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let listed: BTreeSet<String> = ARTIFACTS.iter().map(|a| a.name.to_owned()).collect();
        assert_eq!(listed, deployable);
        for a in ARTIFACTS {
            assert!(a.deployed_bytes().unwrap() < MAX_DEPLOYED_BYTES, "{}", a.name);
            assert!(!a.file().unwrap().bytecode.is_empty(), "{}", a.name);
        }
    }

    #[test]
    fn immutables_are_asked_for_by_name() {
        let a = Artifact::named("DatasetRegistry").unwrap();
        let x = a.code_hash(&[("keyRegistry", B256::repeat_byte(1))]).unwrap();
        let y = a.code_hash(&[("keyRegistry", B256::repeat_byte(2))]).unwrap();
        assert_ne!(x, y);
        let err = a.code_hash(&[("keyRegistri", B256::ZERO)]).unwrap_err();
        assert_eq!(
            err.to_string(),
            r#"DatasetRegistry has the immutables ["keyRegistry"], values were given for ["keyRegistri"]"#
        );
        let one = B256::with_last_byte(1);
        assert!(a.creation_code(&[one]).unwrap().ends_with(one.as_slice()));
        assert_eq!(
            a.creation_code(&[]).unwrap_err().to_string(),
            "DatasetRegistry is created with 1 arguments, 0 were given"
        );
        assert_eq!(
            Artifact::named("Nothing").unwrap_err().to_string(),
            "no contract is called Nothing"
        );
    }
}
