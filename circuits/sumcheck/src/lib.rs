//! The CID argument: SHA-256 and the shard commitment of whole datasets, by sumcheck.
//!
//! What is proved, how, and every byte of it: `docs/cid-argument.md`. It speaks `halo2curves`
//! scalars throughout and knows no halo2 circuit.
//!
//! * [`encoding`]: scalars and points as 32-byte words.
//! * [`transcript`]: Fiat–Shamir over Keccak-256, and the proof as a run of words.
//! * [`commit`]: multilinear commitments (HyperKZG) to columns of bits and of field elements.
//! * [`statement`]: shards, and the slots they take; [`statement::split`] for more than one proof.
//! * [`layout`], [`constraints`], [`sponge`]: cells, and the constraints as data.
//! * [`weights`], [`claims`]: what both sides know of the slots, and which cells a claim adds up.
//! * [`trace`], [`prover`], [`verifier`]; [`solidity`] for the verifier on chain.
//! * `fixture`, with the feature of that name: a reference prover that can lie, for tests.

pub mod claims;
pub mod commit;
pub mod constraints;
pub mod encoding;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod layout;
pub mod mle;
pub mod prover;
pub mod solidity;
pub mod sponge;
pub mod statement;
pub mod trace;
pub mod transcript;
pub mod verifier;
pub mod weights;

#[cfg(test)]
mod tests;
