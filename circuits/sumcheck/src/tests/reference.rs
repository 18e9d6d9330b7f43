//! The fast prover against the reference, which evaluates the constraint list.

use super::honest::bytes;
use crate::commit::testing::srs;
use crate::fixture::{self, Push, Witness};
use crate::prover::prove;
use std::ops::ControlFlow;

/// Same messages, so same bytes: every hand-written form is the list's, and every sum is the claim's.
#[test]
fn fast_and_reference_proofs_are_the_same_bytes() {
    let (key, vk) = srs(11);
    for lengths in [&[3][..], &[500, 64, 119, 9]] {
        let shards: Vec<Vec<u8>> = lengths.iter().map(|l| bytes(*l)).collect();
        let shards: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
        let fast = prove(&key, &vk.srs_id(), &shards, |_| ControlFlow::Continue(())).unwrap();
        let witness = Witness::new(&shards).unwrap();
        assert_eq!(
            witness.violations().unwrap().into_iter().collect::<Vec<_>>(),
            Vec::<String>::new()
        );
        let slow = fixture::prove(&key, &vk.srs_id(), &witness, Push::No).unwrap();
        assert_eq!(fast.statement, witness.statement);
        assert!(fast.proof == slow, "{lengths:?}");
    }
}
