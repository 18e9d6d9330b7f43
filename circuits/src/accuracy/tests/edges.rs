//! Statements at the edge of what is allowed: each is proved, or refused with an error, and nothing
//! panics. Beside them, lies that live on an edge: a neighbour's range, sign, or block.

use super::super::columns::adv;
use super::super::plan::PlanError;
use super::super::witness::{multiplicities, wide_sponge};
use super::attacks::{UNREAD, forged};
use super::*;
use crate::backend::convert::{from_halo, to_halo};
use zkaggle_graph::eval::{EvalError, RangeError};
use zkaggle_graph::graph::MAX_SHARD_BYTES;
use zkaggle_graph::mlp::{activate, evaluate};
use zkaggle_graph::packing::SHA_BLOCK;

const NONE: [String; 0] = [];

fn network(widths: &[u32], relus: &[(u8, u8)], samples: u32) -> Mlp {
    chain(widths, relus, 255, samples)
}

/// Every weight `w`; the bias of output `o` of layer `l` is `bias(l, o)`.
fn model(g: &Mlp, w: i8, bias: impl Fn(usize, usize) -> i32, shard: Vec<u8>) -> AccuracyWitness {
    let mut bytes = vec![];
    for (layer, (inputs, outputs)) in g.dense().enumerate() {
        bytes.extend(vec![w as u8; inputs * outputs]);
        bytes.extend((0..outputs).flat_map(|o| bias(layer, o).to_be_bytes()));
    }
    AccuracyWitness {
        weights: Weights::from_bytes(g, &bytes).unwrap(),
        blind: Blind::new(field::Fr::from(9u64)),
        shard,
    }
}

#[test]
fn the_last_of_256_classes_is_predicted_on_a_single_record() {
    let g = network(&[1, 256], &[], 1);
    for (predicted, label, score) in [(255, 255, 1), (255, 0, 0), (0, 0, 1), (254, 255, 0)] {
        let w = model(&g, 1, |_, o| i32::from(o == predicted), vec![3, label]);
        let case = Case::new(&g, &w);
        assert_eq!(case.instance.score, score);
        assert_eq!(case.failures(), NONE, "{predicted} {label}");
    }
}

#[test]
fn extreme_weights_features_and_biases_are_proved_or_refused() {
    for (w, feature) in [(-128, 255), (127, 255), (-128, 0)] {
        // One layer, two, and three with ranges of their own.
        for (widths, relus) in [
            (&[3u32, 2][..], &[][..]),
            (&[3, 4, 2], &[(10, 9)]),
            (&[3, 4, 5, 2], &[(10, 9), (8, 10)]),
        ] {
            let g = network(widths, relus, 2);
            let x = model(&g, w, |_, _| 0, [feature, feature, feature, 1].repeat(2));
            assert_eq!(Case::new(&g, &x).failures(), NONE, "{w} {feature} {widths:?}");
        }
    }
    // The sum of four bytes is signed and 32 bits wide at both ends.
    let g = network(&[1, 2], &[], 1);
    for bias in [i32::MIN, -1, i32::MAX] {
        let w = model(&g, 1, |_, o| bias ^ i32::from(o == 0), vec![255, 0]);
        assert_eq!(Case::new(&g, &w).failures(), NONE, "{bias}");
    }
    let apart = model(&g, 1, |_, o| [i32::MIN, i32::MAX][o], vec![255, 0]);
    assert!(matches!(
        first_phase(&Plan::new(&g).unwrap(), &apart, &field::Fr::from(1u64)),
        Err(EvalError::Range(RangeError::Argmax { .. }))
    ));
    // No shift and width takes such a bias in a hidden layer.
    let g = network(&[1, 1, 2], &[(14, 16)], 1);
    for bias in [i32::MIN, i32::MAX] {
        let w = model(&g, 1, |l, _| if l == 0 { bias } else { 0 }, vec![255, 0]);
        assert!(matches!(
            first_phase(&Plan::new(&g).unwrap(), &w, &field::Fr::from(1u64)),
            Err(EvalError::Range(RangeError::Requantize { .. }))
        ));
    }
}

/// Records that end where a block ends: the flag that continues the sponge is then a record's first.
#[test]
fn records_and_blocks_that_end_together_are_proved() {
    for (features, capacity) in [(63, 3), (31, 5), (127, 2)] {
        let g = network(&[features, 2], &[], capacity);
        for records in 1..=capacity as usize {
            let case = Case::new(&g, &witness(&g, records, 20, 3));
            assert_eq!(case.failures(), NONE, "{features} {records}");
        }
    }
}

#[test]
fn any_graph_has_a_plan_or_an_error() {
    let most = MAX_SHARD_BYTES as u32;
    for (widths, relus, samples) in [
        (&[1u32, 2][..], &[][..], most / 2),
        (&[1, 256], &[], most / 2),
        (&[most - 1, 2], &[], 1),
        (&[1, 100_000, 2], &[(1, 9)], 1),
        (&[2, 4000, 200, 2], &[(14, 16), (1, 16)], 100),
    ] {
        let g = network(widths, relus, samples);
        match Plan::new(&g) {
            Ok(p) => assert!(p.rows() < p.usable() && p.k() <= 22, "{widths:?}"),
            Err(PlanError::Rows { rows }) => assert!(rows > 1 << 22, "{widths:?}"),
            Err(other) => panic!("{other}"),
        }
    }
    let huge = network(&[1, 100_000, 2], &[(1, 9)], most / 2);
    assert!(matches!(Plan::new(&huge), Err(PlanError::Rows { .. })));
}

#[test]
fn a_negative_weight_is_not_read_as_a_positive_one() {
    let g = graph(&[1, 2], 1);
    let w = model(&g, -128, |_, o| [0, 1][o], vec![1, 0]);
    let mut e = evaluate(&g, &w.weights, &w.shard).unwrap();
    assert_eq!(e.traces[0].acc[0], [-128, -127]);
    // The byte 0x80 of class 0 taken for 128: consistent everywhere else.
    e.traces[0].acc[0][0] = 128;
    e.traces[0].prediction = 0;
    e.accuracy.correct = 1;
    let mut case = forged(&g, &w, &e);
    assert_eq!(case.failures(), ["the folds cancel"]);
    case.first.int(adv::ACT, case.plan.weights(), 128);
    case.first.columns[adv::MULT] = multiplicities(&case.plan, &case.first);
    assert_eq!(case.failures(), UNREAD);
}

/// Each layer reads its own range: the table holds the wider one of the other layer too.
#[test]
fn a_layer_cannot_borrow_the_range_of_another() {
    let wide = network(&[1, 1, 1, 2], &[(1, 12), (5, 12)], 1);
    let narrow = network(&[1, 1, 1, 2], &[(1, 9), (5, 12)], 1);
    let w = model(&wide, 1, |l, _| if l == 0 { 600 } else { 0 }, vec![1, 0]);
    assert!(evaluate(&narrow, &w.weights, &w.shard).is_err());
    let e = evaluate(&wide, &w.weights, &w.shard).unwrap();
    assert!(e.traces[0].split[0][0].0 > 255);
    assert_eq!(forged(&wide, &w, &e).failures(), NONE);
    assert_eq!(forged(&narrow, &w, &e).failures(), UNREAD);

    // A remainder of the second layer's five bits in the first layer's one.
    let w = model(&wide, 1, |l, _| if l == 0 { -100 } else { 0 }, vec![1, 0]);
    let mut e = evaluate(&wide, &w.weights, &w.shard).unwrap();
    let (hi, rem) = &mut e.traces[0].split[0][0];
    *hi -= 1;
    *rem += 2;
    assert_eq!(activate(*hi), 0);
    assert_eq!(forged(&wide, &w, &e).failures(), UNREAD);
}

/// A commitment to some blocks of the shard is a state the lane runs through; it is not `s`.
#[test]
fn the_sponge_cannot_be_read_at_another_block() {
    let g = network(&[31, 2], &[], 8);
    let w = witness(&g, 5, 20, 3);
    let honest = Case::new(&g, &w);
    let taken = (w.shard.len().div_ceil(SHA_BLOCK) + 1) * SHA_BLOCK;
    assert!(taken < honest.plan.end());
    for at in (SHA_BLOCK..=honest.plan.end()).step_by(SHA_BLOCK) {
        let mut case = Case {
            plan: honest.plan.clone(),
            instance: honest.instance.clone(),
            first: honest.first.clone(),
        };
        let s = case.first.get(adv::W[0], at);
        for row in 0..=at {
            case.first.set(adv::OUT, row, s);
        }
        // Salt and results hash follow, so that only the lie itself is left.
        for sponge in case.plan.sponges() {
            wide_sponge(sponge, to_halo(&w.blind.expose()), &mut case.first);
        }
        let out = case.plan.sponges()[2].output();
        case.instance.shard = from_halo(&s);
        case.instance.results = from_halo(&case.first.get(out.column, out.row));
        let failures = case.failures();
        if at == taken {
            assert_eq!(failures, NONE);
            continue;
        }
        assert!(!failures.is_empty(), "block {at}");
        assert!(
            failures.iter().all(|f| f.starts_with("shard commitment is")),
            "block {at}: {failures:?}"
        );
    }
}

#[test]
fn what_the_circuit_does_not_prove_is_refused_by_name() {
    use zkaggle_graph::graph::Builder;
    use zkaggle_graph::ops::{Argmax, Dense, MaxPool, Requant};
    let schema = Schema::bytes([1, 4, 4], 255, 2);
    let window = zkaggle_graph::float::Window {
        stride: [2, 2],
        ..zkaggle_graph::float::Window::of([2, 2])
    };
    let mut b = Builder::new(schema.clone()).unwrap();
    let pooled = b.add(MaxPool { window }, &[0]).unwrap();
    let scores = b.add(Dense { outputs: 2, bits: 8 }, &[pooled]).unwrap();
    b.add(Argmax { bits: 24 }, &[scores]).unwrap();
    let e = crate::accuracy::cost(&b.finish(1).unwrap()).unwrap_err().to_string();
    assert!(
        e.contains("node %1: the accuracy circuit does not prove max_pool yet"),
        "{e}"
    );

    let mut b = Builder::new(schema).unwrap();
    let hidden = b.add(Dense { outputs: 3, bits: 8 }, &[0]).unwrap();
    let (shift, bits, min, max) = (8, 12, -128, 127);
    let hidden = b.add(Requant { shift, bits, min, max }, &[hidden]).unwrap();
    let scores = b.add(Dense { outputs: 2, bits: 8 }, &[hidden]).unwrap();
    b.add(Argmax { bits: 24 }, &[scores]).unwrap();
    let e = crate::accuracy::k_for(&b.finish(1).unwrap()).unwrap_err().to_string();
    assert!(e.contains("node %2") && e.contains("-128..127"), "{e}");
}

/// A model of another network: of fewer layers, of more or larger ones, of a larger capacity class.
#[test]
fn weights_of_another_graph_are_refused() {
    let g = network(&[2, 3, 2], &[(1, 9)], 1);
    let shard = vec![1, 2, 0];
    let honest = model(&g, 1, |_, _| 0, shard.clone());
    let x = accuracy::instance(&g, &honest, field::Fr::from(1u64)).unwrap();
    for other in [
        network(&[2, 2], &[], 1),
        network(&[2, 3, 3, 2], &[(1, 9), (1, 9)], 1),
        network(&[2, 4, 2], &[(1, 9)], 1),
        network(&[2, 3, 4], &[(1, 9)], 1),
        network(&[2, 2000, 2], &[(1, 9)], 1),
    ] {
        let w = model(&other, 1, |_, _| 0, shard.clone());
        assert!(matches!(
            accuracy::check(&g, &x, &w),
            Err(accuracy::AccuracyError::Eval(EvalError::Weights(_)))
        ));
        assert!(first_phase(&Plan::new(&g).unwrap(), &w, &field::Fr::from(1u64)).is_err());
    }
}
