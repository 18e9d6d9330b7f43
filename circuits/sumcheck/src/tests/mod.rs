//! The argument as a whole.
//!
//! * `honest`, `vectors`: true statements are proved: lengths, bit order, NIST's messages.
//! * `reference`: the fast prover equals the one that evaluates the constraint list.
//! * `faults`, `cells`, `lies`: wrong cells and wrong claims are refused, natively and on chain, by the step that should.
//! * `evm`: native verifier and contract agree on every proof.
//! * `stacked`: the size at which columns stop to share commitments.
//! * `malformed`, `pinned`: bytes.
//!
//! `ZKAGGLE_LONG=1` runs the sweeps in full (release recommended).

mod build;
mod cells;
#[path = "../../../tests/evm/chain.rs"]
mod chain;
mod contract;
mod evm;
mod faults;
mod honest;
mod lies;
mod malformed;
mod pinned;
mod reference;
mod stacked;
mod vectors;

use crate::commit::testing::srs;
use crate::commit::{CommitKey, VerifyKey};
use crate::prover::{Proved, prove};
use std::ops::ControlFlow;
use std::sync::OnceLock;

/// Keys for 2^10 cells: two columns of eight slots.
fn small_keys() -> &'static (CommitKey, VerifyKey) {
    static KEYS: OnceLock<(CommitKey, VerifyKey)> = OnceLock::new();
    KEYS.get_or_init(|| srs(10))
}

/// Keys for 2^16 cells: two columns of 512 slots.
fn keys() -> &'static (CommitKey, VerifyKey) {
    static KEYS: OnceLock<(CommitKey, VerifyKey)> = OnceLock::new();
    KEYS.get_or_init(|| srs(16))
}

/// Whether the long sweeps run.
fn long() -> bool {
    std::env::var_os("ZKAGGLE_LONG").is_some()
}

/// Bytes without a pattern that a byte order could hide behind.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn honest(keys: &(CommitKey, VerifyKey), shards: &[Vec<u8>]) -> Proved {
    let shards: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
    prove(&keys.0, &keys.1.srs_id(), &shards, |_| ControlFlow::Continue(())).unwrap()
}
