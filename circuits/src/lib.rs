//! What ZKaggle proves, and how.
//!
//! ```text
//! statements   instance, witness, native check: no proof system's types
//!     |
//! accuracy, cid (halo2 circuits)      release (R1CS)
//!     |                                   |
//! backend      SRS, keys, prove, verify; halo2-axiom/KZG and ark-groth16
//!     |
//! evm          the same keys and proofs as the Solidity verifiers read them
//! ```
//!
//! The line between [`statements`] and the rest is load-bearing: a faster argument replaces a
//! circuit behind it without touching market, node or model code.

pub mod accuracy;
pub mod backend;
pub mod cid;
pub mod evm;
pub mod gadgets;
pub mod release;
pub mod statements;
