//! Honest proofs verify.

use crate::commit::testing::srs;
use crate::prover::prove;
use crate::verifier::verify;
use std::ops::ControlFlow;

pub fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[test]
fn small_datasets_prove_and_verify() {
    let (key, vk) = srs(11);
    for lengths in [&[3][..], &[0], &[64], &[55, 56], &[200, 3, 128, 0], &[500, 700]] {
        let shards: Vec<Vec<u8>> = lengths.iter().map(|l| bytes(*l)).collect();
        let shards: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
        let p = prove(&key, &vk.srs_id(), &shards, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(verify(&vk, &p.statement, &p.proof), Ok(()), "{lengths:?}");
    }
}
