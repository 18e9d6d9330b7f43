//! HyperKZG of `zkaggle-sumcheck` beside that of the crate `nova-snark`, which others wrote.
//!
//! * [`convert`]: elements and points of one library as those of the other.
//! * [`replay`]: nova's argument under challenges that are given, not hashed.
//! * `tests/hyperkzg.rs`: what is compared.
//!
//! What is independent of us is the commitment scheme and the argument. The curve is not quite: the
//! library beneath ours is a fork of the one beneath nova's; arkworks is asked about it elsewhere.

pub mod convert;
pub mod replay;
