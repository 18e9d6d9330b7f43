//! The fast prover against the reference, which evaluates the constraint list.

use super::{bytes, honest, keys};
use crate::fixture::{self, Push, Witness};

/// Same messages, so same bytes: every hand-written form is the list's, and every sum is the claim's.
#[test]
fn fast_and_reference_proofs_are_the_same_bytes() {
    let keys = keys();
    // Slots in use: 2 of 8, 15 of 16, 16 of 16; 17 of 32, where a whole group is out of use.
    for lengths in [&[3][..], &[500, 64, 119, 9], &[55, 900], &[1023]] {
        let shards: Vec<Vec<u8>> = lengths.iter().map(|l| bytes(*l)).collect();
        let fast = honest(keys, &shards);
        let slices: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
        let witness = Witness::new(&slices).unwrap();
        assert!(witness.violations().unwrap().is_empty());
        assert_eq!(fast.statement, witness.statement);
        let slow = fixture::prove(&keys.0, &keys.1.srs_id(), &witness, Push::No).unwrap();
        assert!(fast.proof == slow, "{lengths:?}");
    }
}
