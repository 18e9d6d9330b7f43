//! The bytes behind a CID are the bytes behind a shard commitment (PROTOCOL section 2).

use sha2::{Digest, Sha256};
use zkaggle_graph::commit;
use zkaggle_graph::field::{Fr, from_short_be};
use zkaggle_graph::graph::MAX_SHARD_BYTES;

/// Public side.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CidInstance {
    /// SHA-256 digest, the multihash of the block's CID.
    #[serde(with = "hex::serde")]
    pub digest: [u8; 32],
    /// Length of the block in bytes.
    pub length: u32,
    /// Shard commitment `s`.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub shard: Fr,
}

impl CidInstance {
    /// Public inputs in their one order: digest high and low 128 bits, length, `s`.
    pub fn public_inputs(&self) -> [Fr; 4] {
        [
            from_short_be(&self.digest[..16]),
            from_short_be(&self.digest[16..]),
            Fr::from(self.length),
            self.shard,
        ]
    }
}

/// The block's bytes. They become public, but may be kept private until a reveal.
#[derive(Clone)]
pub struct CidWitness {
    pub bytes: Vec<u8>,
}

/// Why bytes do not satisfy an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    #[error("{got} bytes; a shard has 1 to {MAX_SHARD_BYTES}")]
    Size { got: usize },
    #[error("{got} bytes, the statement says {claimed}")]
    Length { claimed: u32, got: usize },
    #[error("SHA-256 of the bytes is not the digest")]
    Digest,
    #[error("the bytes are not those of the shard commitment")]
    Shard,
}

/// The instance of some bytes.
pub fn instance(bytes: &[u8]) -> Result<CidInstance, CidError> {
    if bytes.is_empty() || bytes.len() > MAX_SHARD_BYTES {
        return Err(CidError::Size { got: bytes.len() });
    }
    Ok(CidInstance {
        digest: Sha256::digest(bytes).into(),
        length: bytes.len() as u32,
        shard: commit::shard(bytes),
    })
}

/// Accepts exactly the pairs that the circuit accepts.
pub fn check(x: &CidInstance, w: &CidWitness) -> Result<(), CidError> {
    let y = instance(&w.bytes)?;
    if y.length != x.length {
        return Err(CidError::Length {
            claimed: x.length,
            got: w.bytes.len(),
        });
    }
    if y.digest != x.digest {
        return Err(CidError::Digest);
    }
    if y.shard != x.shard {
        return Err(CidError::Shard);
    }
    Ok(())
}
