//! Records at other places: what is proved is what stands there, and nothing else in the shard is read.

use super::super::columns::adv;
use super::super::plan::Cell;
use super::attacks::forged;
use super::sweep::sweep;
use super::*;
use crate::accuracy::{ScoreKey, k_for};
use crate::backend::ProofError;
use crate::backend::srs::Srs;
use halo2_proofs::halo2curves::ff::Field;
use zkaggle_graph::eval::EvalError;
use zkaggle_graph::graph::Layout;
use zkaggle_graph::mlp::evaluate;

const NONE: [String; 0] = [];

fn layout(offset: u32, stride: u32, features_at: u32, label_at: u32) -> Layout {
    Layout {
        offset,
        stride,
        features_at,
        label_at,
    }
}

/// Networks of `inputs` features and records of `layout`.
fn placed(inputs: u32, samples: u32, layout: Layout) -> Mlp {
    let schema = Schema::bytes([inputs], 16, 3).with_layout(layout).unwrap();
    Mlp::try_from(&Graph::mlp(schema, samples, &[inputs, 5, 3], &[(4, 9)]).unwrap()).unwrap()
}

/// A model and a shard whose unread bytes are anything, and the same records packed.
fn noisy(g: &Mlp, records: usize, seed: u64) -> (AccuracyWitness, Vec<u8>) {
    let mut w = witness(g, records, 20, seed);
    let schema = g.schema();
    let packed = schema.pack(&w.shard).into_owned();
    let ones = schema.lay_out(&vec![1; packed.len()]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (byte, read) in w.shard.iter_mut().zip(ones) {
        if read == 0 {
            *byte = rng.gen_range(0..=16);
        }
    }
    assert_eq!(*schema.pack(&w.shard), packed);
    (w, packed)
}

/// Header of 5 bytes, label first, padding behind; label first and nothing else, as in CIFAR-10; the rest.
fn layouts() -> [(u32, Layout); 9] {
    [
        (4, layout(5, 9, 1, 0)),
        (4, layout(0, 5, 1, 0)),
        (4, layout(5, 5, 1, 0)),
        (4, layout(16, 5, 0, 4)),
        (4, layout(0, 8, 0, 7)),
        (4, layout(3, 8, 2, 7)),
        (4, layout(1, 9, 3, 1)),
        // Records of a block, headers of a block, and a header longer than all records.
        (63, layout(64, 64, 1, 0)),
        (1, layout(200, 2, 1, 0)),
    ]
}

#[test]
fn records_at_other_places_are_proved_as_the_same_records_packed() {
    for (inputs, l) in layouts() {
        for (capacity, records) in [(4, 4), (4, 1), (7, 5)] {
            let g = placed(inputs, capacity, l);
            let (w, packed) = noisy(&g, records, 7);
            let case = Case::new(&g, &w);
            assert_eq!(case.failures(), NONE, "{l:?} {records}/{capacity}");
            assert_eq!(accuracy::check(&g, &case.instance, &w), Ok(()));

            let plain = g.schema().packed();
            let plain = Graph::mlp(plain, capacity, &[inputs, 5, 3], &[(4, 9)]).unwrap();
            let plain = Mlp::try_from(&plain).unwrap();
            let same = evaluate(&plain, &w.weights, &packed).unwrap();
            assert_eq!(evaluate(&g, &w.weights, &w.shard).unwrap(), same, "{l:?}");
        }
    }
}

/// As many records as end a block exactly, so that the flag of the next block is off.
#[test]
fn shards_that_end_with_a_block_are_proved() {
    for l in [layout(0, 4, 1, 0), layout(64, 4, 1, 0), layout(4, 4, 1, 0)] {
        let g = placed(3, 64, l);
        for records in [64, 63, 16, 15] {
            let (w, _) = noisy(&g, records, 3);
            assert_eq!(Case::new(&g, &w).failures(), NONE, "{l:?} {records}");
        }
    }
}

/// The bytes of one layout, told as if they stood where another has them.
#[test]
fn bytes_at_another_place_are_not_read() {
    let mut lies = 0;
    for (inputs, honest, lie, says) in [
        // Every feature a byte later or earlier.
        (4, layout(5, 9, 1, 0), layout(5, 9, 2, 0), "the folds cancel"),
        (4, layout(5, 9, 2, 0), layout(5, 9, 1, 0), "the folds cancel"),
        (4, layout(0, 6, 2, 0), layout(0, 6, 1, 0), "the folds cancel"),
        // The label from the padding, or from the front.
        (4, layout(5, 9, 1, 0), layout(5, 9, 1, 6), "copy"),
        (4, layout(0, 6, 1, 5), layout(0, 6, 1, 0), "copy"),
        // Every record one byte later or earlier, in a shard of the same length.
        (
            4,
            layout(9, 9, 1, 0),
            layout(18, 9, 1, 0),
            "shard bytes are whole records",
        ),
        (4, layout(5, 9, 2, 1), layout(5, 9, 1, 0), "the folds cancel"),
    ] {
        let g = placed(inputs, 20, honest);
        let other = placed(inputs, 20, lie);
        let (w, _) = noisy(&g, 20, 5);
        let truth = evaluate(&g, &w.weights, &w.shard).unwrap();
        let e = evaluate(&other, &w.weights, &w.shard).unwrap();
        let case = forged(&g, &w, &e);
        let failures = case.failures();
        assert!(failures.contains(&says.to_owned()), "{honest:?} {lie:?}: {failures:?}");
        // Other traces may give the same answers; then the statement is true, and only the forged proof is not.
        let false_ = (e.predictions(), e.accuracy) != (truth.predictions(), truth.accuracy);
        assert_eq!(
            accuracy::check(&g, &case.instance, &w).is_err(),
            false_,
            "{honest:?} {lie:?}"
        );
        lies += usize::from(false_);

        // The truth about the same bytes is accepted.
        assert_eq!(forged(&g, &w, &truth).failures(), NONE);
    }
    assert!(lies >= 5, "{lies} statements were false");
}

/// Shards of another length: native check and circuit refuse alike.
#[test]
fn a_header_of_another_length_is_refused() {
    for l in [layout(5, 9, 1, 0), layout(5, 5, 1, 0)] {
        let g = placed(4, 4, l);
        let (w, _) = noisy(&g, 3, 5);
        let e = evaluate(&g, &w.weights, &w.shard).unwrap();
        for shift in [-5, -1, 1, 4] {
            let mut other = w.clone();
            if shift > 0 {
                other.shard.splice(0..0, vec![7; shift as usize]);
            } else {
                other.shard.drain(..-shift as usize);
            }
            if g.schema().count(other.shard.len()).is_some() {
                continue;
            }
            let x = accuracy::instance(&g, &w, field::Fr::from(1u64)).unwrap();
            assert!(matches!(
                accuracy::check(&g, &x, &other),
                Err(accuracy::AccuracyError::Eval(EvalError::Record { .. }))
            ));
            let failures = forged(&g, &other, &e).failures();
            assert!(
                failures.contains(&"shard bytes are whole records".to_owned()),
                "{shift}: {failures:?}"
            );
        }
    }
}

/// Header and padding are committed: another byte there is another shard, and no other score.
#[test]
fn an_unread_byte_is_in_the_commitment_and_nowhere_else() {
    let g = placed(4, 4, layout(80, 9, 1, 0));
    let (w, _) = noisy(&g, 4, 5);
    let honest = Case::new(&g, &w);
    for at in [0, 79, 80 + 5, 80 + 8, 80 + 9 + 7, w.shard.len() - 1] {
        let mut other = w.clone();
        other.shard[at] ^= 0x40;
        let case = Case::new(&g, &other);
        assert_eq!(case.failures(), NONE);
        assert_eq!(case.instance.score, honest.instance.score);
        assert_ne!(case.instance.shard, honest.instance.shard);
        let mut lie = case;
        lie.instance = honest.instance.clone();
        assert_eq!(lie.failures(), ["copy"], "byte {at}");
    }
    // No byte, wherever it stands, is more than a byte; the mock prover cannot report on the first block.
    for row in [70, 80, 80 + 5, w.shard.len() - 1] {
        let mut case = Case::new(&g, &w);
        case.first.set(adv::BYTE, row, Fr::from(256));
        assert!(!case.failures().is_empty(), "row {row}");
    }
}

#[test]
fn every_changed_cell_of_a_layout_is_noticed() {
    for l in [layout(5, 6, 1, 0), layout(5, 4, 1, 0)] {
        let g = placed(3, 4, l);
        sweep(&Case::new(&g, &noisy(&g, 3, 11).0));
    }
}

/// Coefficients are the prover's cells: each is tied to a weight sum or to zero.
#[test]
fn every_coefficient_of_a_layout_is_tied() {
    let cases = [
        // A header of 2; label, three features, padding of 2.
        (layout(2, 6, 1, 0), vec![0, 1, 2, 3, 6, 7], None),
        // A header of 2; label, three features, the last of which closes the record.
        (layout(2, 4, 1, 0), vec![0, 1, 2, 3, 5], Some(())),
    ];
    for (l, rows, closes) in cases {
        let g = placed(3, 3, l);
        let (w, _) = noisy(&g, 3, 5);
        let case = Case::new(&g, &w);
        let lie = |cell: Cell| {
            let mut circuit = AccuracyCircuit::proof(case.plan.clone(), Arc::new(case.first.clone()));
            circuit.lies.push((cell, Fr::ONE, true));
            mock(case.plan.k(), &circuit, &case.instance)
        };
        for row in rows {
            assert!(lie(Cell::new(adv::VA, row)).contains(&"copy".to_owned()), "{l:?} {row}");
        }
        assert_eq!(case.plan.closing_row(0).is_some(), closes.is_some());
        if let Some(row) = case.plan.closing_row(1) {
            for (column, says) in [(adv::VB, "copy"), (adv::TB, "copy"), (adv::FB, "weight fold")] {
                let failures = lie(Cell::new(column, row));
                assert!(failures.contains(&says.to_owned()), "{column}: {failures:?}");
            }
        }
        // The header's rows, and the length they add to.
        let rows = case.plan.header().unwrap();
        for (column, row) in [
            (adv::W[1], *rows.start()),
            (adv::ON, *rows.start()),
            (adv::W[1], *rows.end()),
        ] {
            let mut first = case.first.clone();
            let x = first.get(column, row) + Fr::ONE;
            first.set(column, row, x);
            let circuit = AccuracyCircuit::proof(case.plan.clone(), Arc::new(first));
            assert!(mock(case.plan.k(), &circuit, &case.instance).contains(&"copy".to_owned()));
        }
    }
}

/// The circuit of another layout is another key, and a proof under one says nothing under another.
#[test]
fn a_layout_is_proved_under_its_own_key_alone() {
    let l = layout(5, 9, 1, 0);
    let g = placed(4, 4, l);
    let srs = Srs::development(k_for(&g).unwrap()).unwrap();
    let key = ScoreKey::setup(&srs, &g).unwrap();
    let (w, _) = noisy(&g, 4, 5);
    let x = accuracy::instance(&g, &w, field::Fr::from(77u64)).unwrap();
    let proof = key.prove(&srs, &x, &w, ChaCha8Rng::seed_from_u64(5)).unwrap();
    assert_eq!(key.verify(srs.points(), &x, &proof), Ok(()));
    for other in [
        layout(5, 9, 2, 0),
        layout(5, 9, 1, 6),
        layout(5, 9, 5, 0),
        layout(14, 9, 1, 0),
        layout(0, 9, 1, 0),
    ] {
        let g = placed(4, 4, other);
        let another = ScoreKey::setup(&srs, &g).unwrap();
        assert_ne!(another.vk().to_bytes(), key.vk().to_bytes(), "{other:?}");
        assert_eq!(
            another.verify(srs.points(), &x, &proof),
            Err(ProofError::Rejected),
            "{other:?}"
        );
        assert!(
            another.prove(&srs, &x, &w, ChaCha8Rng::seed_from_u64(5)).is_err(),
            "{other:?}"
        );
    }
}

/// As `the_circuit_is_pinned`, for a header and a record that closes with a feature.
#[test]
fn the_circuit_of_a_layout_is_pinned() {
    let plan = Plan::new(&placed(4, 5, layout(5, 5, 1, 0))).unwrap();
    assert_eq!(
        super::honest::fingerprint(&plan),
        "f964b720c671c74cc1fa79d7d75b651950724f1eb68592c6a7cf00f42380dc55"
    );
}
