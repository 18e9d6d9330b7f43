//! The release circuit: whoever is paid has handed over the committed weights.
//!
//! ```text
//! circuit    the six constraints of the release statement, one rank-1 system per capacity class
//!   |-- poseidon   commitment, key derivation and key stream
//!   |-- curve      BabyJubJub: e·B8, e·pk, the range of e
//!   '-- r1cs       rows with names, values, shape
//! ```
//!
//! What is proved is defined in [`crate::statements::release`]; keys and proofs are in
//! [`crate::backend::groth16`].

pub mod circuit;
pub mod curve;
pub mod poseidon;
pub mod r1cs;

#[cfg(test)]
mod tests;
