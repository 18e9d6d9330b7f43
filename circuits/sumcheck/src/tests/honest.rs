//! True statements are proved, whatever the lengths.

use super::{bytes, honest, keys, long};
use crate::commit::KeyTooSmall;
use crate::commit::testing::{rng, srs};
use crate::prover::{Phase, ProveError, prove};
use crate::sponge::from_graph;
use crate::trace::Trace;
use crate::verifier::verify;
use rand_chacha::rand_core::RngCore;
use sha2::{Digest, Sha256};
use std::ops::ControlFlow;

fn check(keys: &(crate::commit::CommitKey, crate::commit::VerifyKey), shards: &[Vec<u8>]) {
    let p = honest(keys, shards);
    for (s, bytes) in p.statement.iter().zip(shards) {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        assert_eq!((s.digest, s.length as usize), (digest, bytes.len()));
        assert_eq!(s.commitment, from_graph(&zkaggle_graph::commit::shard(bytes)));
    }
    assert_eq!(verify(&keys.1, &p.statement, &p.proof), Ok(()));
}

#[test]
fn every_length_around_the_padding() {
    let lengths = (0..=130).chain([785, 797, 4096]);
    check(keys(), &lengths.map(bytes).collect::<Vec<_>>());
}

#[test]
fn large_shards() {
    if !long() {
        println!("SKIPPED: set ZKAGGLE_LONG=1 to prove shards of 65,535 and 122,880 bytes");
        return;
    }
    check(&srs(18), &[bytes(65_535), bytes(122_880)]);
}

/// A byte's bits read in the other order would give another byte.
#[test]
fn every_single_byte_message() {
    check(keys(), &(0..=255u8).map(|b| vec![b]).collect::<Vec<_>>());
}

fn random(n: usize) -> Vec<Vec<u8>> {
    let mut rng = rng(20_261_121);
    (0..n)
        .map(|_| {
            let mut b = vec![0; rng.next_u32() as usize % 300];
            rng.fill_bytes(&mut b);
            b
        })
        .collect()
}

#[test]
fn random_lengths() {
    let shards = random(1000);
    let slices: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
    let (statement, _, _) = Trace::new(&slices).unwrap();
    for (s, bytes) in statement.iter().zip(&shards) {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        assert_eq!(s.digest, digest);
        assert_eq!(s.commitment, from_graph(&zkaggle_graph::commit::shard(bytes)));
    }
    if long() {
        check(&srs(18), &shards);
    } else {
        check(keys(), &shards[..100]);
    }
}

#[test]
fn small_datasets_of_every_size() {
    for lengths in [&[3][..], &[0], &[64], &[55, 56], &[200, 3, 128, 0], &[500, 700]] {
        check(keys(), &lengths.iter().map(|l| bytes(*l)).collect::<Vec<_>>());
    }
}

#[test]
fn a_prover_can_be_watched_and_stopped() {
    let (key, vk) = keys();
    for stop in Phase::ALL {
        let mut seen = vec![];
        let got = prove(key, &vk.srs_id(), &[b"abc"], |phase| {
            seen.push(phase);
            if phase == stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(got, Err(ProveError::Stopped(stop)));
        assert_eq!(seen, Phase::ALL[..seen.len()]);
    }
}

#[test]
fn a_key_too_small_is_refused_by_name() {
    let (key, vk) = super::small_keys();
    let got = prove(key, &vk.srs_id(), &[&bytes(600)], |_| ControlFlow::Continue(()));
    assert_eq!(
        got,
        Err(ProveError::Key(KeyTooSmall {
            needed: 2048,
            have: 1024
        }))
    );
}
