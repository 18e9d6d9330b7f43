//! The contract and the native verifier give one verdict.

use super::chain::Reply;
use super::contract::{Contract, words};
use super::long;
use crate::commit::testing::{rng, srs};
use crate::commit::{CommitKey, VerifyKey};
use crate::encoding::{Word, scalar_from_word, scalar_to_word};
use crate::prover::{Proved, prove};
use crate::solidity;
use crate::statement::Shard;
use crate::verifier::verify;
use halo2curves::bn256::Fr;
use rand::{Rng, RngCore};
use rayon::prelude::*;
use sha3::{Digest, Keccak256};
use std::ops::ControlFlow;

fn bench(n: usize) -> (CommitKey, Contract) {
    let (key, vk) = srs(n);
    (key, Contract::new(vk))
}

fn honest(key: &CommitKey, srs_id: &Word, lengths: &[usize], seed: u64) -> Proved {
    let mut rng = rng(seed);
    let shards: Vec<Vec<u8>> = lengths
        .iter()
        .map(|n| {
            let mut b = vec![0; *n];
            rng.fill_bytes(&mut b);
            b
        })
        .collect();
    let shards: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
    prove(key, srs_id, &shards, |_| ControlFlow::Continue(())).unwrap()
}

/// Numbers of honest and changed proofs: a short campaign in every run, the long one on demand.
fn campaign() -> (u64, usize) {
    if long() { (1000, 10_000) } else { (24, 2000) }
}

#[test]
fn honest_proofs_are_accepted_by_both() {
    let (key, bench) = bench(11);
    let id = bench.key.srs_id();
    for lengths in [
        &[3][..],
        &[0],
        &[64],
        &[55, 56],
        &[200, 3, 128, 0, 63],
        &[1, 1, 1],
        &[250, 300],
    ] {
        let p = honest(&key, &id, lengths, 1);
        assert!(bench.verdict(&p.statement, &p.proof, &format!("{lengths:?}")));
        println!(
            "{lengths:?}: {} bytes, {} gas",
            p.proof.len(),
            bench.ask(&words(&p.statement), &p.proof).gas()
        );
    }
    let count = campaign().0;
    (0..count).into_par_iter().for_each(|seed| {
        let mut rng = rng(1 << 32 | seed);
        let lengths: Vec<usize> = (0..rng.gen_range(1..4)).map(|_| rng.gen_range(0..130)).collect();
        let p = honest(&key, &id, &lengths, seed);
        assert!(bench.verdict(&p.statement, &p.proof, &format!("seed {seed}, {lengths:?}")));
    });
    println!("{count} honest proofs accepted by both");
}

/// As 1,000 MNIST images with their labels, 156 records of 785 bytes a shard.
#[test]
fn a_dataset_of_seven_shards() {
    if !long() {
        println!("SKIPPED: set ZKAGGLE_LONG=1 to prove 785,000 bytes and verify them on chain");
        return;
    }
    let lengths = [[122_460; 6].as_slice(), &[50_240]].concat();
    let (key, bench) = bench(20);
    let p = honest(&key, &bench.key.srs_id(), &lengths, 7);
    assert!(bench.verdict(&p.statement, &p.proof, "seven shards"));
    let reply = bench.ask(&words(&p.statement), &p.proof);
    println!("{lengths:?}: {} bytes, {} gas", p.proof.len(), reply.gas());
    let (since, rounds) = (cpu_seconds(), 200);
    for _ in 0..rounds {
        verify(&bench.key, &p.statement, &p.proof).unwrap();
    }
    println!(
        "native verification: {:.2} ms of CPU time",
        (cpu_seconds() - since) * 1e3 / f64::from(rounds)
    );
    let mut other = p.statement.clone();
    other.swap(0, 6);
    assert!(!bench.verdict(&other, &p.proof, "shards exchanged"));
}

/// User and system time of this process, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2);
    fields.filter_map(|f| f.parse::<u64>().ok()).sum::<u64>() as f64 / 100.0
}

/// 2^256 − 1 is no scalar and no coordinate; the modulus is an alias of zero.
fn bad_words() -> [Word; 3] {
    let mut r = scalar_to_word(&-Fr::from(1));
    r[31] += 1;
    assert_eq!(scalar_from_word(&r), None);
    [[0; 32], [0xff; 32], r]
}

#[test]
fn changed_proofs_are_refused_by_both() {
    let (key, bench) = bench(11);
    let id = bench.key.srs_id();
    let proofs: Vec<Proved> = [&[70][..], &[3, 64], &[120, 0, 57]]
        .iter()
        .map(|l| honest(&key, &id, l, 3))
        .collect();
    for p in &proofs {
        assert!(bench.verdict(&p.statement, &p.proof, "honest"));
    }
    let (_, wanted) = campaign();
    let changed: usize = (0..wanted)
        .into_par_iter()
        .map(|round| {
            let mut rng = rng(4 << 32 | round as u64);
            let p = &proofs[round % proofs.len()];
            let count = p.proof.len() / 32;
            // Every word in turn.
            let word = (round / proofs.len()) % count;
            let mut bad = p.proof.clone();
            let place = &mut bad[32 * word..][..32];
            let mut what = format!("round {round}: word {word} of {count}");
            match rng.gen_range(0..8) {
                0..4 => place[rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8),
                4 => place.copy_from_slice(&bad_words()[rng.gen_range(0..3)]),
                5 => {
                    let other = rng.gen_range(0..count);
                    place.copy_from_slice(&p.proof[32 * other..][..32]);
                    what += &format!(", replaced by word {other}");
                }
                6 => rng.fill_bytes(place),
                _ => {
                    // A point becomes infinity, or two neighbours do.
                    let end = bad.len().min(32 * word + 64);
                    bad[32 * word..end].fill(0);
                    what += " and the next are zero";
                }
            }
            let same = bad == p.proof;
            assert_eq!(bench.verdict(&p.statement, &bad, &what), same, "{what}");
            usize::from(!same)
        })
        .sum();
    println!("{changed} changed proofs refused by both");
    let p = &proofs[0];
    for cut in [0, 1, 32, 64, p.proof.len() - 64, p.proof.len() - 32, p.proof.len() - 1] {
        assert!(!bench.verdict(&p.statement, &p.proof[..cut], &format!("{cut} bytes")));
    }
    for extra in [1, 32, 320] {
        let longer = [&p.proof[..], &vec![0; extra]].concat();
        assert!(!bench.verdict(&p.statement, &longer, &format!("{extra} bytes more")));
    }
}

#[test]
fn changed_statements_are_refused_by_both() {
    let (key, bench) = bench(11);
    let id = bench.key.srs_id();
    let p = honest(&key, &id, &[70, 64], 5);
    let base = p.statement.clone();
    let mut cases: Vec<(&str, Vec<Shard>)> = vec![
        ("no shard", vec![]),
        ("one less", base[..1].to_vec()),
        ("one more", [&base[..], &base[..1]].concat()),
        ("swapped", vec![base[1], base[0]]),
        ("the same twice", vec![base[0], base[0]]),
    ];
    let mut change = |what, f: &dyn Fn(&mut Shard)| {
        for i in 0..2 {
            let mut s = base.clone();
            f(&mut s[i]);
            cases.push((what, s));
        }
    };
    change("digest, first byte", &|s| s.digest[0] ^= 0x80);
    change("digest, last byte", &|s| s.digest[31] ^= 1);
    change("length", &|s| s.length += 1);
    change("length, a block more", &|s| s.length += 64);
    change("length, too long", &|s| s.length = 122_881);
    change("length, too many slots", &|s| s.length = 122_880);
    change("commitment", &|s| s.commitment += Fr::from(1));
    for (what, statement) in &cases {
        assert!(!bench.verdict(statement, &p.proof, what));
    }
    let largest = Shard {
        length: 122_880,
        ..base[0]
    };
    assert!(!bench.verdict(&[largest; 9], &p.proof, "more slots than a proof has"));

    // What Rust's types cannot hold, the contract refuses.
    let good = words(&base);
    let [_, all_ones, modulus] = bad_words();
    for (field, word) in [(1, all_ones), (2, all_ones), (2, modulus)] {
        let mut bad = good.clone();
        bad[0][field] = word;
        let reply = bench.ask(&bad, &p.proof);
        assert!(matches!(reply, Reply::Returned { .. }) && !reply.is_true(), "{reply:?}");
    }
    // A commitment of zero plus the modulus, were it taken modulo: still refused.
    let mut huge = good.clone();
    huge[1][1][0] = 1;
    assert!(!bench.ask(&huge, &p.proof).is_true());
}

#[test]
fn a_key_is_whole_or_none_and_another_srs_refuses() {
    let (key, mut bench) = bench(11);
    let p = honest(&key, &bench.key.srs_id(), &[10], 6);
    let good = solidity::key();
    let malformed = Keccak256::digest("KeyMalformed()");
    let mut header = good.clone();
    header[17] ^= 1;
    let pieces: [Vec<&[u8]>; 5] = [
        vec![],
        vec![&good[..good.len() - 1]],
        vec![&header],
        vec![&good, &good],
        vec![&good[..100], &good[100..]],
    ];
    let own = bench.data.clone();
    for (i, piece) in pieces.iter().enumerate() {
        bench.data = bench.chain.store(piece.iter().copied());
        let reply = bench.ask(&words(&p.statement), &p.proof);
        assert_eq!(reply, Reply::Reverted(malformed[..4].to_vec()), "{i}");
    }
    // Every constant counts.
    for word in (1..good.len() / 32).step_by(11) {
        let mut changed = good.clone();
        changed[32 * word + 31] ^= 1;
        bench.data = bench.chain.store([&changed[..]].into_iter());
        let reply = bench.ask(&words(&p.statement), &p.proof);
        assert!(matches!(reply, Reply::Returned { .. }) && !reply.is_true(), "{word}");
    }
    bench.data = own;
    assert!(bench.ask(&words(&p.statement), &p.proof).is_true());

    use halo2curves::bn256::G2Affine;
    use halo2curves::group::Curve;
    let other = VerifyKey::new((G2Affine::generator() * Fr::from(5)).to_affine());
    assert!(!Contract::new(other).verdict(&p.statement, &p.proof, "another SRS"));
}
