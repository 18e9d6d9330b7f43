//! A proof as a file: self-describing, so that `zkaggle verify` needs nothing else but the keys
//! folder.
//!
//! JSON, format `zkaggle-proof/2`. The public inputs are written out for readers, but a verifier
//! never trusts them: it recomputes them from the statement and refuses a file where they differ.

use crate::failure::Failure;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::Path;
use zkaggle_circuits::statements::accuracy::AccuracyInstance;
use zkaggle_circuits::statements::cid::CidInstance;
use zkaggle_circuits::statements::release::ReleaseInstance;
use zkaggle_graph::field::{Fr, to_be_bytes};
use zkaggle_graph::ids::{Entry, VkId};

/// Format and version of the file.
pub const FORMAT: &str = "zkaggle-proof/2";
/// Largest proof file read: 8,192 shards of a CID proof, about 700 bytes each.
const MAX_BYTES: u64 = 8 << 20;

/// Where an entry lives, as written in a proof file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryFile {
    pub chain_id: u64,
    #[serde(with = "hex0x")]
    pub market: [u8; 20],
    pub bounty: u64,
    #[serde(with = "hex0x")]
    pub hunter: [u8; 20],
    pub slot: u8,
    /// The accuracy vkId that the entry's `ctx` names.
    #[serde(with = "hex0x")]
    pub score_vk_id: [u8; 32],
}

impl From<Entry> for EntryFile {
    fn from(e: Entry) -> Self {
        Self {
            chain_id: e.chain_id,
            market: e.market,
            bounty: e.bounty,
            hunter: e.hunter,
            slot: e.slot,
            score_vk_id: e.vk.0,
        }
    }
}

impl From<&EntryFile> for Entry {
    fn from(e: &EntryFile) -> Self {
        Self {
            chain_id: e.chain_id,
            market: e.market,
            bounty: e.bounty,
            hunter: e.hunter,
            slot: e.slot,
            vk: VkId(e.score_vk_id),
        }
    }
}

/// A shard that a CID proof speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardFile {
    pub cid: String,
    pub instance: CidInstance,
}

/// What the proof says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Statement {
    /// The bytes behind each of these CIDs are the bytes behind its shard commitment.
    Cid { shards: Vec<ShardFile> },
    /// A committed model's score on a committed shard.
    Accuracy {
        entry: EntryFile,
        instance: AccuracyInstance,
    },
    /// A ciphertext holds the committed model.
    Release {
        entry: EntryFile,
        instance: ReleaseInstance,
        #[serde(with = "hex0x")]
        ciphertext: Vec<u8>,
    },
}

impl Statement {
    /// Public inputs in the statement's one order.
    pub fn public_inputs(&self) -> Vec<Fr> {
        match self {
            Self::Cid { shards } => shards.iter().flat_map(|s| s.instance.public_inputs()).collect(),
            Self::Accuracy { instance, .. } => instance.public_inputs().to_vec(),
            Self::Release { instance, .. } => instance.public_inputs().to_vec(),
        }
    }
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    pub format: String,
    /// Made with a development SRS or setup, whose trapdoor anybody can recompute.
    pub development: bool,
    #[serde(with = "hex0x")]
    pub vk_id: [u8; 32],
    pub statement: Statement,
    /// For readers; recomputed on verification.
    pub public_inputs: Vec<String>,
    #[serde(with = "hex0x")]
    pub proof: Vec<u8>,
}

impl ProofFile {
    pub fn new(development: bool, vk_id: VkId, statement: Statement, proof: Vec<u8>) -> Self {
        let public_inputs = written(&statement.public_inputs());
        Self {
            format: FORMAT.into(),
            development,
            vk_id: vk_id.0,
            statement,
            public_inputs,
            proof,
        }
    }

    /// Reads and checks everything short of the proof itself.
    pub fn read(path: &Path) -> Result<Self> {
        let meta =
            std::fs::metadata(path).map_err(|e| Failure::not_found(format!("proof file {}: {e}", path.display())))?;
        ensure!(
            meta.len() <= MAX_BYTES,
            "proof file {}: {} bytes; at most {MAX_BYTES} are read",
            path.display(),
            meta.len()
        );
        let text = std::fs::read_to_string(path).with_context(|| format!("read proof file {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("proof file {}", path.display()))
    }

    /// Parses the JSON text.
    pub fn parse(text: &str) -> Result<Self> {
        let format = serde_json::from_str::<serde_json::Value>(text)
            .map_err(|e| Failure::refused(format!("not a proof file: {e}")))?
            .get("format")
            .and_then(|f| f.as_str().map(str::to_owned));
        if format.as_deref() != Some(FORMAT) {
            return Err(Failure::refused(format!(
                "format {:?}, this version reads {FORMAT:?}",
                format.as_deref().unwrap_or("none")
            )));
        }
        let file: Self =
            serde_json::from_str(text).map_err(|e| Failure::refused(format!("malformed proof file: {e}")))?;
        if file.public_inputs != written(&file.statement.public_inputs()) {
            return Err(Failure::refused(
                "the public inputs written in the file are not those of its statement",
            ));
        }
        Ok(file)
    }

    pub fn to_json(&self) -> String {
        // PANIC: every field is a string, number or byte array; no map key can fail.
        let mut text = serde_json::to_string_pretty(self).expect("plain data serialises");
        text.push('\n');
        text
    }
}

fn written(inputs: &[Fr]) -> Vec<String> {
    inputs
        .iter()
        .map(|x| format!("0x{}", hex::encode(to_be_bytes(x))))
        .collect()
}

/// `0x` hexadecimal serde form of bytes.
pub mod hex0x {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<T: AsRef<[u8]>, S: Serializer>(b: &T, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format!("0x{}", hex::encode(b)))
    }

    pub fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        let s = String::deserialize(d)?;
        let text = s
            .strip_prefix("0x")
            .ok_or_else(|| D::Error::custom("bytes start with 0x"))?;
        let v = hex::decode(text).map_err(D::Error::custom)?;
        let n = v.len();
        T::try_from(v).map_err(|_| D::Error::custom(format!("{n} bytes do not fit here")))
    }
}
