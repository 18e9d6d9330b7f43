//! Whole lies, told consistently: the predecessors' breaks, and statements that are not true.

use super::super::columns::adv;
use super::super::plan::Element;
use super::super::witness::{fill, multiplicities, wide_sponge};
use super::*;
use crate::backend::convert::{from_halo, to_halo};
use zkaggle_graph::commit;
use zkaggle_graph::graph::ARGMAX_BITS;
use zkaggle_graph::mlp::{Evaluation, activate, evaluate};

const CTX: u64 = 0xc0ffee;

/// Weights that are all zero but the given biases of the first layer; every class sees each unit
/// with weight 1.
fn biased(g: &Mlp, biases: &[i32]) -> AccuracyWitness {
    let mut bytes = vec![];
    for (layer, (inputs, outputs)) in g.dense().enumerate() {
        bytes.extend(vec![u8::from(layer > 0); inputs * outputs]);
        for o in 0..outputs {
            let b = if layer == 0 { biases[o] } else { 0 };
            bytes.extend(b.to_be_bytes());
        }
    }
    AccuracyWitness {
        weights: Weights::from_bytes(g, &bytes).unwrap(),
        blind: Blind::new(field::Fr::from(9u64)),
        shard: vec![0; g.schema().record_bytes() * g.samples()],
    }
}

/// Carries a lie about the first hidden layer through the rest of the network.
fn follow(g: &Mlp, w: &AccuracyWitness, e: &mut Evaluation) {
    let last = w.weights.blocks().last().unwrap();
    let mut correct = 0;
    for (t, label) in e.traces.iter_mut().zip(&e.labels) {
        let x = t.act.last().unwrap();
        let scores: Vec<i64> = last
            .w
            .chunks(x.len())
            .zip(&last.b)
            .map(|(row, b)| {
                i64::from(*b)
                    + row
                        .iter()
                        .zip(x)
                        .map(|(w, x)| i64::from(*w) * i64::from(*x))
                        .sum::<i64>()
            })
            .collect();
        let top = (0..scores.len()).rev().max_by_key(|&i| scores[i]).unwrap();
        t.prediction = top as u8;
        *t.acc.last_mut().unwrap() = scores;
        correct += u32::from(t.prediction == *label);
    }
    assert_eq!(g.relu().count(), 1);
    e.accuracy.correct = correct;
}

/// The case of an evaluation that need not be true; the instance agrees with it.
pub(super) fn forged(g: &Mlp, w: &AccuracyWitness, e: &Evaluation) -> Case {
    let plan = Arc::new(Plan::new(g).unwrap());
    let ctx = field::Fr::from(CTX);
    let shard = commit::shard(&w.shard);
    Case {
        instance: AccuracyInstance {
            ctx,
            model: commit::model(g, &w.weights, &w.blind),
            shard,
            n: e.accuracy.total,
            score: e.accuracy.correct,
            results: commit::results(g, &w.blind, &shard, &e.predictions()),
        },
        first: fill(&plan, w, &ctx, e),
        plan,
    }
}

pub(super) const UNREAD: [&str; 1] = ["read sum starts and ends at zero"];

#[test]
fn relu_of_3_5_and_1000_is_not_0() {
    // circomlib-ml's ReLU took a non-strict decomposition and let each become 0.
    let g = graph_with(&[1, 3, 2], 2, 1, 12);
    let w = biased(&g, &[6, 10, 2000]);
    let mut e = evaluate(&g, &w.weights, &w.shard).unwrap();
    assert_eq!(
        e.traces[0].split[0].iter().map(|s| s.0).collect::<Vec<_>>(),
        [3, 5, 1000]
    );
    assert_eq!(forged(&g, &w, &e).failures(), Vec::<String>::new());
    for unit in 0..3 {
        let honest = std::mem::replace(&mut e.traces[0].act[0][unit], 0);
        follow(&g, &w, &mut e);
        assert_eq!(forged(&g, &w, &e).failures(), UNREAD, "unit {unit}");
        e.traces[0].act[0][unit] = honest;
    }
}

#[test]
fn a_thousand_shifted_by_8_is_not_8() {
    // circomlib-ml's division had no bound on the remainder.
    let g = graph_with(&[1, 1, 2], 2, 8, 9);
    let w = biased(&g, &[1000]);
    let mut e = evaluate(&g, &w.weights, &w.shard).unwrap();
    assert_eq!(e.traces[0].split[0][0], (4, 104));
    e.traces[0].split[0][0].0 = 8;
    e.traces[0].act[0][0] = 8;
    follow(&g, &w, &mut e);

    // The remainder that balances it is negative, and in no table.
    let mut case = forged(&g, &w, &e);
    case.first.int(adv::REM, case.plan.unit_row(0), 1000 + 128 - 8 * 256);
    case.first.columns[adv::MULT] = multiplicities(&case.plan, &case.first);
    assert_eq!(case.failures(), UNREAD);
    // Any remainder in the table does not balance it.
    let case = forged(&g, &w, &e);
    assert_eq!(case.failures(), ["the folds cancel"]);
}

#[test]
fn a_forged_dense_output_is_refused() {
    let g = graph(&[4, 6, 3], 5);
    let w = witness(&g, 5, 20, 3);
    for sample in 0..5 {
        let mut e = evaluate(&g, &w.weights, &w.shard).unwrap();
        let t = &mut e.traces[sample];
        // One more multiple of 2^shift: remainder, range and activation stay consistent.
        t.split[0][2].0 += 1;
        t.act[0][2] = activate(t.split[0][2].0);
        follow(&g, &w, &mut e);
        assert_eq!(forged(&g, &w, &e).failures(), ["the folds cancel"], "sample {sample}");
    }
    // A class score alone, and two lies that cancel in an unfolded sum.
    let mut e = evaluate(&g, &w.weights, &w.shard).unwrap();
    e.traces[1].acc[1][0] += 1;
    e.traces[2].acc[1][0] -= 1;
    assert!(forged(&g, &w, &e).failures().contains(&"the folds cancel".to_owned()));
}

#[test]
fn a_remainder_of_2_to_the_shift_is_refused() {
    let g = graph(&[4, 6, 3], 5);
    let mut case = Case::new(&g, &witness(&g, 5, 20, 3));
    let (hi, rem) = (case.first.get(adv::HI, 0), case.first.get(adv::REM, 0));
    case.first.set(adv::HI, 0, hi - Fr::one());
    case.first.set(adv::REM, 0, rem + Fr::from(16));
    case.first.columns[adv::MULT] = multiplicities(&case.plan, &case.first);
    assert!(case.failures().contains(&UNREAD[0].to_owned()));
}

#[test]
fn spreads_up_to_24_bits_are_proved_and_no_further() {
    let g = graph(&[1, 2], 1);
    let w = biased(&g, &[0, (1 << ARGMAX_BITS) - 1]);
    assert_eq!(Case::new(&g, &w).failures(), Vec::<String>::new());

    let w = biased(&g, &[0, 1 << ARGMAX_BITS]);
    assert!(evaluate(&g, &w.weights, &w.shard).is_err());
    // The same by a prover without scruples: its high limb is 256.
    let mut e = evaluate(&g, &biased(&g, &[0, 1]).weights, &w.shard).unwrap();
    e.traces[0].acc[0][1] = 1 << ARGMAX_BITS;
    assert_eq!(forged(&g, &w, &e).failures(), UNREAD);
}

#[test]
fn a_tie_goes_to_the_smallest_index() {
    let g = graph(&[1, 3], 1);
    let w = biased(&g, &[5, 7, 7]);
    let case = Case::new(&g, &w);
    assert_eq!(case.failures(), Vec::<String>::new());
    let mut e = evaluate(&g, &w.weights, &w.shard).unwrap();
    assert_eq!(e.predictions(), [1]);
    e.traces[0].prediction = 2;
    assert_eq!(forged(&g, &w, &e).failures(), ["earlier classes stay below the top"]);
}

#[test]
fn the_salt_is_not_free() {
    let case = super::lies::case();
    let [.., results] = case.plan.sponges();
    let mut salted = results.clone();
    // Takes the salt from the prover instead of the salt sponge.
    salted.elements[1] = Element::Blind;
    let mut first = case.first.clone();
    wide_sponge(&salted, Fr::from(1234), &mut first);
    let out = results.output();
    let lie = Case {
        instance: AccuracyInstance {
            results: from_halo(&first.get(out.column, out.row)),
            ..case.instance.clone()
        },
        plan: case.plan.clone(),
        first,
    };
    assert_eq!(lie.failures(), ["copy"]);
}

#[test]
fn no_public_input_can_be_exchanged() {
    let g = graph(&[4, 6, 3], 5);
    let w = witness(&g, 4, 20, 3);
    let case = Case::new(&g, &w);
    let x = &case.instance;
    let one = field::Fr::from(1u64);
    let others = [
        AccuracyInstance {
            model: x.model + one,
            ..x.clone()
        },
        AccuracyInstance {
            shard: x.shard + one,
            ..x.clone()
        },
        AccuracyInstance {
            n: x.n + 1,
            ..x.clone()
        },
        AccuracyInstance {
            n: x.n - 1,
            ..x.clone()
        },
        AccuracyInstance {
            score: x.score + 1,
            ..x.clone()
        },
        AccuracyInstance {
            results: x.results + one,
            ..x.clone()
        },
    ];
    for other in &others {
        assert!(accuracy::check(&g, other, &w).is_err());
        let lie = Case {
            instance: other.clone(),
            plan: case.plan.clone(),
            first: case.first.clone(),
        };
        assert_eq!(lie.failures(), ["copy"], "{other:?}");
    }
    // The statement holds under any ctx, a proof under its own alone.
    let other = AccuracyInstance {
        ctx: x.ctx + one,
        ..x.clone()
    };
    assert_eq!(accuracy::check(&g, &other, &w), Ok(()));
    let mut lie = Case {
        instance: other,
        plan: case.plan.clone(),
        first: case.first.clone(),
    };
    assert_eq!(lie.failures(), ["copy"]);
    let end = case.plan.end();
    lie.first.set(adv::ON, end + 1, to_halo(&(x.ctx + one)));
    assert_eq!(lie.failures(), ["context is squared"]);
}

#[test]
fn fewer_or_more_records_than_the_shard_has_are_refused() {
    let g = graph(&[4, 6, 3], 5);
    let w = witness(&g, 4, 20, 3);
    let record = g.schema().record_bytes();
    let x = accuracy::instance(&g, &w, field::Fr::from(CTX)).unwrap();
    let mut longer = w.shard.clone();
    longer.extend(vec![0; record]);
    for shard in [w.shard[..3 * record].to_vec(), longer] {
        let other = AccuracyWitness { shard, ..w.clone() };
        // True for its own shard, not for the one of the statement, whichever n it names.
        let case = Case::new(&g, &other);
        assert_eq!(case.failures(), Vec::<String>::new());
        for n in [3, 4, 5] {
            let y = AccuracyInstance { n, ..x.clone() };
            assert!(accuracy::check(&g, &y, &other).is_err());
            let lie = Case {
                instance: y,
                plan: case.plan.clone(),
                first: case.first.clone(),
            };
            assert_eq!(lie.failures(), ["copy"]);
        }
    }
}
