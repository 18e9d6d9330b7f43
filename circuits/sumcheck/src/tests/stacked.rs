//! Where columns share commitments and where they do not: the two sides of the boundary, natively and on chain.

use super::contract::Contract;
use super::{bytes, honest};
use crate::commit::testing::{rng, srs};
use crate::layout::polynomials;
use crate::statement::Plan;
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;

/// Slots for 2,048 and for one more: the longest shard, and one that fills up.
const LENGTHS: [[usize; 2]; 2] = [[122_880, 7991], [122_880, 8000]];

#[test]
fn one_slot_more_is_a_commitment_a_column() {
    let plans = LENGTHS.map(|l| Plan::new(l).unwrap());
    assert_eq!(
        plans.each_ref().map(|p| (p.slots, p.variables)),
        [(2048, 11), (2049, 12)]
    );
    assert_eq!(plans.each_ref().map(Plan::stack), [1, 0]);
    // The same powers of tau serve both.
    assert_eq!(plans.each_ref().map(Plan::polynomial_variables), [18, 18]);
    assert_eq!([1, 0].map(polynomials), [55, 109]);
    // A proof of one shard is stacked, whichever shard.
    assert_eq!(Plan::new([122_880]).unwrap().stack(), 1);
}

#[test]
fn both_sides_of_the_boundary_are_proved_and_refused_alike() {
    let keys = srs(18);
    let contract = Contract::new(keys.1);
    let proofs = LENGTHS.map(|l| honest(&keys, &l.map(bytes)));
    // 649 words and 10 a variable where every column has its own commitment; 102 less where two share one.
    assert_eq!(
        proofs.each_ref().map(|p| p.proof.len()),
        [32 * (547 + 110), 32 * (649 + 120)]
    );
    for (p, lengths) in proofs.iter().zip(LENGTHS) {
        assert_eq!(contract.agreed(&p.statement, &p.proof), Ok(()));
        let words = p.proof.len() / 32;
        (0..words)
            .step_by(7)
            .collect::<Vec<_>>()
            .into_par_iter()
            .for_each(|word| {
                let mut bad = p.proof.clone();
                bad[32 * word + 31 - (rng(word as u64).next_u32() % 16) as usize] ^= 1;
                let what = format!("{lengths:?}: word {word}");
                assert!(!contract.verdict(&p.statement, &bad, &what), "{what}");
            });
    }
    // Neither length of proof passes for the other.
    let [stacked, single] = &proofs;
    for (statement, proof) in [(&stacked.statement, &single.proof), (&single.statement, &stacked.proof)] {
        assert!(!contract.verdict(statement, proof, "the other's length"));
    }
    let short = &single.proof[..stacked.proof.len()];
    assert!(!contract.verdict(&stacked.statement, short, "cut to the other's length"));
    let long = [&stacked.proof[..], &vec![0; single.proof.len() - stacked.proof.len()]].concat();
    assert!(!contract.verdict(&single.statement, &long, "filled up to the other's length"));
}
