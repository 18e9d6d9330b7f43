//! Code of the verifier contracts: its hash is the constraint-system id inside every vkId.

use crate::chain::keys::adapter;
use alloy::primitives::{Bytes, keccak256};
use anyhow::{Context, Result};
use zkaggle_bindings::Artifact;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::evm::code::{Verifier, VerifierCode};
use zkaggle_graph::ids::Role;

/// A verifier of halo2 proofs holds the SRS in its code.
fn halo2_code(role: Role, srs: &SrsPoints) -> Result<Option<VerifierCode>> {
    Ok(match role {
        Role::Score => Some(Verifier::Score.code(srs)?),
        Role::Dataset => Some(Verifier::Dataset.code(srs)?),
        Role::Release | Role::Mint => None,
    })
}

/// Code that creates the contract answering for a role's keys.
pub fn creation_code(role: Role, srs: &SrsPoints) -> Result<Bytes> {
    Ok(match halo2_code(role, srs)? {
        Some(code) => code.creation.into(),
        None => Artifact::named(adapter(role)?)?.creation_code(&[])?,
    })
}

/// Hash of that contract's code as it stands on a chain.
pub fn code_hash(role: Role, srs: &SrsPoints) -> Result<[u8; 32]> {
    Ok(match halo2_code(role, srs)? {
        Some(code) => keccak256(&code.runtime).0,
        None => {
            let name = adapter(role)?;
            Artifact::named(name)?
                .code_hash(&[])
                .with_context(|| format!("the code hash of {name}"))?
                .0
        }
    })
}
