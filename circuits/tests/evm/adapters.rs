//! The adapter of halo2 proofs on a chain.

use crate::chain::Chain;
use revm::primitives::Address;
use sha3::{Digest, Keccak256};
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::evm::code::Verifier;
use zkaggle_graph::field::{Fr, to_be_bytes};

/// Deploys an adapter under an SRS.
pub fn deploy(chain: &mut Chain, which: Verifier, srs: &SrsPoints) -> Address {
    let code = which.code(srs).unwrap();
    let (at, runtime) = chain.deploy(code.creation.clone()).unwrap();
    assert_eq!(runtime, code.runtime, "the predicted code is the deployed code");
    at
}

/// Calldata of `verify(address[] key, (words) statement, bytes proof)`.
pub fn verify_call(signature: &str, key: &[Address], statement: &[[u8; 32]], proof: &[u8]) -> Vec<u8> {
    let word = |v: usize| {
        let mut w = [0u8; 32];
        w[24..].copy_from_slice(&(v as u64).to_be_bytes());
        w
    };
    let head = 32 * (2 + statement.len());
    let mut out = Keccak256::digest(signature)[..4].to_vec();
    out.extend(word(head));
    for w in statement {
        out.extend(w);
    }
    out.extend(word(head + 32 * (1 + key.len())));
    out.extend(word(key.len()));
    for a in key {
        out.extend([0u8; 12]);
        out.extend(a.as_slice());
    }
    out.extend(word(proof.len()));
    out.extend(proof);
    out.resize(out.len().next_multiple_of(32) + 4, 0);
    out
}

pub const SCORE: &str = "verify(address[],(uint256,uint256,uint256,uint256,uint256,uint256),bytes)";
pub fn words(public: &[Fr]) -> Vec<[u8; 32]> {
    public.iter().map(to_be_bytes).collect()
}
