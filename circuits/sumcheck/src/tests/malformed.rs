//! Proofs and statements whose bytes are changed: one verdict, natively and on chain.

use super::contract::{Step, small_contract};
use super::{bytes, honest, small_keys};
use crate::commit::testing::rng;
use crate::encoding::{Word, scalar_to_word};
use crate::layout::polynomials;
use crate::prover::Proved;
use crate::statement::{Shard, StatementError};
use crate::transcript::ReadError;
use crate::verifier::{VerifyError, verify};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;

fn proved() -> Proved {
    honest(small_keys(), &[bytes(5), bytes(64)])
}

fn check(p: &Proved, proof: &[u8]) -> Result<(), VerifyError> {
    let native = verify(&small_keys().1, &p.statement, proof);
    let on_chain = small_contract().step(&p.statement, proof);
    assert_eq!(native.is_ok(), on_chain == Step::Accepted, "{native:?}, {on_chain:?}");
    native
}

/// x + n as 256-bit integers, if it fits.
fn add(x: &[u8], n: &Word) -> Option<Word> {
    let mut out = [0; 32];
    let mut carry = 0;
    for i in (0..32).rev() {
        let sum = u16::from(x[i]) + u16::from(n[i]) + carry;
        (out[i], carry) = (sum as u8, sum >> 8);
    }
    (carry == 0).then_some(out)
}

/// Words that hold points: the commitments, then those of the opening.
fn point_words(p: &Proved) -> impl Fn(usize) -> bool + Sync {
    let n = p.proof.len() / 32;
    // 10 variables: 9 folds, 21 evaluations, two quotients.
    let opening = n - (18 + 21 + 4);
    move |word| word < 2 * polynomials(1) || (opening..opening + 18).contains(&word) || word >= n - 4
}

#[test]
fn every_word_matters_and_has_one_form() {
    let p = proved();
    assert_eq!(check(&p, &p.proof), Ok(()));
    let mut order = scalar_to_word(&-Fr::ONE);
    order[31] += 1;
    let is_point = point_words(&p);
    (0..p.proof.len() / 32).into_par_iter().for_each(|word| {
        let at = 32 * word;
        let mut bad = p.proof.clone();
        bad[at + 31] ^= 1;
        let got = check(&p, &bad);
        if is_point(word) {
            // Off the curve; in a quotient's place an opening may refuse first.
            let refused = matches!(
                got,
                Err(VerifyError::Read(ReadError::Point { .. }) | VerifyError::Opening(_))
            );
            assert!(refused, "word {word}: {got:?}");
        } else {
            assert!(got.is_err(), "word {word}");
            // The same residue in other bytes.
            if let Some(alias) = add(&p.proof[at..at + 32], &order) {
                let mut bad = p.proof.clone();
                bad[at..at + 32].copy_from_slice(&alias);
                let got = format!("{:?}", check(&p, &bad));
                assert!(got.contains(&format!("Scalar {{ at: {at}")), "word {word}: {got}");
            }
        }
        let mut bad = p.proof.clone();
        bad[at..at + 32].fill(0xff);
        let got = format!("{:?}", check(&p, &bad));
        assert!(got.contains("Scalar") || got.contains("Point"), "word {word}: {got}");
    });
}

#[test]
fn points_may_not_be_replaced() {
    let p = proved();
    let is_point = point_words(&p);
    let starts: Vec<usize> = {
        let mut out = vec![];
        let mut w = 0;
        while w < p.proof.len() / 32 {
            if is_point(w) {
                out.push(w);
                w += 2;
            } else {
                w += 1;
            }
        }
        out
    };
    assert_eq!(starts.len(), polynomials(1) + 9 + 2);
    starts.into_par_iter().for_each(|w| {
        let mut replaced = vec![[0; 64], [0; 64]];
        replaced[1][31] = 1;
        replaced[1][63] = 2;
        for point in replaced {
            let mut bad = p.proof.clone();
            let same = bad[32 * w..32 * w + 64] == point;
            bad[32 * w..32 * w + 64].copy_from_slice(&point);
            assert_eq!(check(&p, &bad).is_ok(), same, "word {w}");
        }
    });
}

#[test]
fn missing_trailing_and_reordered_parts() {
    let p = proved();
    let n = p.proof.len();
    for length in [
        0,
        1,
        31,
        32,
        64 * polynomials(1) - 1,
        64 * polynomials(1),
        n / 2,
        n - 64,
        n - 32,
        n - 1,
    ] {
        let got = check(&p, &p.proof[..length]);
        assert!(got.is_err(), "{length}: {got:?}");
    }
    for extra in [1, 32, 64] {
        let long = [&p.proof[..], &vec![0; extra]].concat();
        assert_eq!(check(&p, &long), Err(VerifyError::Read(ReadError::Trailing(extra))));
    }
    let mut rng = rng(3);
    for _ in 0..200 {
        let mut bad = p.proof.clone();
        let (x, y) = (rng.next_u32() as usize % (n / 32), rng.next_u32() as usize % (n / 32));
        let (head, tail) = bad.split_at_mut(32 * x.max(y));
        if x != y {
            head[32 * x.min(y)..][..32].swap_with_slice(&mut tail[..32]);
        }
        assert_eq!(check(&p, &bad).is_ok(), bad == p.proof);
    }
    // A part of the transcript left out, and one repeated.
    let without = [&p.proof[..64], &p.proof[128..]].concat();
    assert!(check(&p, &without).is_err());
    let twice = [&p.proof[..64], &p.proof].concat();
    assert!(check(&p, &twice).is_err());
}

#[test]
fn random_mutations_never_pass_or_panic() {
    let p = proved();
    let n = if super::long() { 10_000 } else { 500 };
    (0..n as u64).into_par_iter().for_each(|seed| {
        let mut rng = rng(1000 + seed);
        let mut bad = p.proof.clone();
        for _ in 0..1 + rng.next_u32() % 4 {
            let at = rng.next_u32() as usize % bad.len();
            bad[at] ^= 1 << (rng.next_u32() % 8);
        }
        if rng.next_u32() % 8 == 0 {
            bad.truncate(rng.next_u32() as usize % bad.len());
        }
        assert_eq!(check(&p, &bad).is_ok(), bad == p.proof, "seed {seed}");
    });
}

#[test]
fn a_proof_is_for_one_statement_and_one_srs() {
    let p = proved();
    let mut others: Vec<Vec<Shard>> = vec![];
    for s in 0..2 {
        for change in 0..4 {
            let mut other = p.statement.clone();
            match change {
                0 => other[s].digest[31] ^= 1,
                1 => other[s].digest[0] ^= 0x80,
                2 => other[s].length ^= 1,
                _ => other[s].commitment += Fr::ONE,
            }
            others.push(other);
        }
    }
    others.push(p.statement.iter().rev().copied().collect());
    others.push(p.statement[..1].to_vec());
    others.push([&p.statement[..], &p.statement[..1]].concat());
    for other in others {
        assert!(verify(&small_keys().1, &other, &p.proof).is_err(), "{other:?}");
    }
    assert_eq!(
        verify(&small_keys().1, &[], &p.proof),
        Err(VerifyError::Statement(StatementError::Empty))
    );
    let mut long = p.statement.clone();
    long[1].length = 122_881;
    let got = verify(&small_keys().1, &long, &p.proof);
    assert_eq!(
        got,
        Err(VerifyError::Statement(StatementError::Length {
            shard: 1,
            length: 122_881
        }))
    );

    let other = crate::commit::VerifyKey::new(halo2curves::bn256::G2Affine::default());
    assert!(verify(&other, &p.statement, &p.proof).is_err());
}
