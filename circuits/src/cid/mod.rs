//! The CID proof: bytes with this SHA-256 digest and length have this shard commitment.
//!
//! ```text
//! layout    columns, the 68 rows of a slot, slots of a class
//! sha256    constants and word functions (FIPS 180-4)
//! sponge    the commitment's permutation, in the form the rows want
//! tables    fixed columns: row kinds and constants
//! trace     witness: every advice cell, computed outside the proof system
//! gates     the constraints, by name
//! circuit   tables and trace as a halo2 circuit
//! key       classes, keys, proofs, verification
//! ```
//!
//! One constraint system serves every class; `docs/circuits/cid.md` draws it and says which section
//! of the standard each constraint is and what pins each cell.

mod circuit;
mod gates;
mod key;
mod layout;
mod sha256;
mod sponge;
mod tables;
mod trace;

#[cfg(test)]
mod tests;

pub use circuit::CidCircuit;
pub use key::{CLASSES, DatasetKey, DatasetKeyError, class_for, verify, vk_from_file};
pub use layout::{Shape, blocks};
pub use trace::Trace;
