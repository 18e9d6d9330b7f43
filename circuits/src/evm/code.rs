//! Code of the verifier contracts under a given SRS.
//!
//! A vkId names the constraint system's verifier by its EXTCODEHASH. The SRS lives in the contract
//! as immutables, so the hash follows from the committed artifact and τ in G2, and a node can
//! check a deployed verifier without trusting whoever deployed it.

use crate::backend::convert::{G2_BYTES, g2_to_be};
use crate::backend::srs::SrsPoints;
use ark_ff::{BigInteger, PrimeField};
use serde::Deserialize;
use sha3::{Digest, Keccak256};
use std::collections::BTreeMap;
use zkaggle_graph::field::Fr;

/// A verifier contract that reads keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verifier {
    /// `ScoreVerifier.sol`: accuracy statements.
    Score,
    /// `DatasetVerifier.sol`: CID statements of lists of shards.
    Dataset,
}

/// Bytes of a contract under one SRS.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierCode {
    /// Creation code with its constructor's argument.
    pub creation: Vec<u8>,
    /// What the chain holds once it is deployed.
    pub runtime: Vec<u8>,
}

/// Why an artifact cannot be used: a fault of the build, not of an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("contract artifact: {0}; run contracts/tools/compile.cjs")]
pub struct ArtifactError(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    immutable_references: BTreeMap<String, Vec<Reference>>,
    bytecode: String,
    deployed_bytecode: String,
}

#[derive(Deserialize)]
struct Reference {
    start: usize,
    length: usize,
}

impl Verifier {
    fn artifact(self) -> &'static str {
        match self {
            Self::Score => include_str!("../../../contracts/artifacts/ScoreVerifier.json"),
            Self::Dataset => include_str!("../../../contracts/artifacts/DatasetVerifier.json"),
        }
    }

    /// Fills the contract with an SRS, as its constructor does.
    ///
    /// # Errors
    /// When the committed artifact is damaged.
    pub fn code(self, srs: &SrsPoints) -> Result<VerifierCode, ArtifactError> {
        let bad = |what: &str| ArtifactError(format!("{self:?}Verifier: {what}"));
        let artifact: Artifact = serde_json::from_str(self.artifact()).map_err(|e| bad(&e.to_string()))?;
        let bytes = |s: &str| hex::decode(s.trim_start_matches("0x")).map_err(|e| bad(&e.to_string()));
        let tau: [u8; G2_BYTES] = g2_to_be(srs.s_g2());
        let mut creation = bytes(&artifact.bytecode)?;
        creation.extend_from_slice(&tau);

        let mut runtime = bytes(&artifact.deployed_bytecode)?;
        let id = srs.id();
        let order = Fr::MODULUS.to_bytes_be();
        for (name, places) in &artifact.immutable_references {
            let value: &[u8] = match name.as_str() {
                "_tauXIm" => &tau[..32],
                "_tauXRe" => &tau[32..64],
                "_tauYIm" => &tau[64..96],
                "_tauYRe" => &tau[96..],
                "_srsId" => &id,
                "_order" => &order,
                other => return Err(bad(&format!("unknown immutable {other}"))),
            };
            for r in places {
                if r.length != value.len() {
                    return Err(bad(&format!("{name} takes {} bytes", r.length)));
                }
                runtime
                    .get_mut(r.start..r.start + r.length)
                    .ok_or_else(|| bad(&format!("{name} lies outside the code")))?
                    .copy_from_slice(value);
            }
        }
        Ok(VerifierCode { creation, runtime })
    }
}

impl VerifierCode {
    /// EXTCODEHASH of the deployed contract: the constraint-system id in a vkId.
    pub fn hash(&self) -> [u8; 32] {
        Keccak256::digest(&self.runtime).into()
    }
}

/// Content of a data contract that holds `chunk`: a STOP byte, so that nobody can call it.
pub fn data_contract(chunk: &[u8]) -> Vec<u8> {
    [&[0u8], chunk].concat()
}
