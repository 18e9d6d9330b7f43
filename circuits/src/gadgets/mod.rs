//! What the halo2 circuits share.
//!
//! | module | holds |
//! |---|---|
//! | [`field`] | signed integers as field elements |
//! | [`poseidon`] | circomlib's Poseidon constants in halo2's field, and their row schedules |

pub mod field;
pub mod poseidon;
