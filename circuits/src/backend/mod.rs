//! Proof systems behind the statements: setup, keys, prove, verify.
//!
//! ```text
//! srs          powers of tau: development (public secret) or a ceremony's, with an identity
//! ptau         a ceremony's file, checked by pairings
//! halo2        halo2-axiom over KZG: keygen, prove, verify
//! groth16      ark-groth16 for the release statement: keys, key files, proofs
//! transcript   Keccak-256 Fiat-Shamir, the same bytes as the Solidity verifier hashes
//! keys         a verifying key as a file, with everything needed to use it later
//! convert      field elements and points between arkworks, halo2curves and the chain
//! memory       peak resident memory of a measured stretch
//! ```

pub mod convert;
pub mod groth16;
pub mod halo2;
pub mod keys;
pub mod memory;
mod ptau;
pub mod srs;
pub mod transcript;

pub use halo2::{Halo2Error, Halo2Key, Halo2Vk, ProofError};
pub use keys::{KeyFileError, VkFile};
pub use srs::{Srs, SrsError, SrsKind, SrsPoints};
