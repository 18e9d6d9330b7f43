//! The CID argument: SHA-256 and the shard commitment of whole datasets, by sumcheck.
//!
//! What is proved, how, and every byte of it: `docs/cid-argument.md`. It speaks `halo2curves`
//! scalars throughout and knows no halo2 circuit.
//!
//! * [`encoding`]: scalars and points as 32-byte words.
//! * [`transcript`]: Fiat–Shamir over Keccak-256, and the proof as a run of words.
//! * [`commit`]: multilinear commitments (HyperKZG) to columns of bits and of field elements.

pub mod commit;
pub mod encoding;
pub mod transcript;
