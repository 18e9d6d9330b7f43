//! One lie for every named constraint: it must fail, by name.

use super::super::circuit::AccuracyCircuit;
use super::super::columns::adv::*;
use super::super::plan::Cell;
use super::checker::Checker;
use super::*;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;
use std::collections::BTreeSet;
use zkaggle_graph::mlp::evaluate;

/// Four records of capacity, three in the shard: the first a miss, the second a hit, both predicted
/// as class 1; the third predicted as class 0.
pub(super) fn case() -> Case {
    let g = graph(&[3, 4, 2], 4);
    for seed in 0.. {
        let mut w = witness(&g, 3, 30, seed);
        let predictions = evaluate(&g, &w.weights, &w.shard).unwrap().predictions();
        if predictions == [1, 1, 0] {
            w.shard[3] = 0;
            w.shard[7] = 1;
            return Case::new(&g, &w);
        }
    }
    unreachable!("some seed predicts so")
}

enum Lie {
    /// Adds to the cell.
    Add(i64),
    /// Replaces the cell.
    Set(u64),
}
use Lie::{Add, Set};

fn lies(p: &Plan) -> Vec<(String, Cell, Lie)> {
    let (end, weights) = (p.end(), p.weights());
    let wide = p.sponges()[0].start;
    // Sample 0: class rows, match row; predicted 1, label 0.
    let (class, second, miss) = (p.class_row(0), p.class_row(0) + 1, p.match_row(0));
    let hit = p.match_row(1);
    // Sample 2 is predicted as class 0.
    let zero = p.class_row(2);
    let last = p.last();
    let mut out: Vec<(String, Cell, Lie)> = [
        ("data packing", PACK, 5, Add(1)),
        ("record flag is a bit", ON, 3, Set(2)),
        ("record flag holds within a record", ON, 5, Set(0)),
        ("record flag never rises", ON, 7, Set(0)),
        ("no record beyond the capacity", ON, 16, Set(1)),
        ("bytes behind the shard are zero", BYTE, 13, Set(1)),
        ("shard commitment is carried", OUT, 70, Add(1)),
        ("shard commitment is taken behind the last block", OUT, end, Add(1)),
        ("input fold", FA, 3, Add(1)),
        ("input fold", FA, end, Add(1)),
        ("data tag", W[0], 0, Add(1)),
        ("data lane 2 starts at zero", W[2], 0, Add(1)),
        ("data lane 3 starts at zero", W[3], 0, Add(1)),
        ("there is a first record", ON, 0, Set(0)),
        ("input fold starts at zero", FA, 0, Add(1)),
        // Squares of lanes that skip the S-box.
        ("data square 1", SQUARE[1], 74, Add(1)),
        ("data square 0", SQUARE[0], 74, Add(1)),
        ("unit fold", FB, 3, Add(1)),
        ("unit fold", FB, p.unit_row(1), Add(1)),
        ("weight fold", FB, weights + 2, Add(1)),
        ("weights and predictions are packed", OUT, weights + 3, Add(1)),
        ("weights and predictions are packed", OUT, hit, Add(1)),
        ("weights and predictions are packed", OUT, second, Add(1)),
        ("no class exceeds the top", REM, class, Add(1)),
        ("no class exceeds the top", TOP, class, Add(-1)),
        ("past is a bit", PAST, second, Set(2)),
        ("past never falls", PAST, zero + 2, Set(0)),
        ("past starts at zero", PAST, class, Set(1)),
        ("index starts at zero", INDEX, class, Set(1)),
        ("index counts the classes before the prediction", INDEX, miss, Add(1)),
        ("the prediction reaches the top", PAST, second, Set(1)),
        ("the prediction reaches the top", PAST, zero + 1, Set(0)),
        ("earlier classes stay below the top", INV, class, Add(1)),
        ("earlier classes stay below the top", INV, class, Set(0)),
        ("no inverse from the prediction on", INV, second, Add(1)),
        ("one top for all classes", TOP, second, Add(1)),
        ("one top for all classes", TOP, miss, Add(1)),
        ("score is carried", SCORE, second, Add(1)),
        ("count is carried", COUNT, second, Add(1)),
        ("class fold", FB, second, Add(1)),
        ("one class is predicted", PAST, miss, Set(0)),
        ("a match has no difference", MATCH, miss, Set(1)),
        ("no match has a difference", MATCH, hit, Set(0)),
        ("no match has a difference", INV, miss, Set(0)),
        ("no inverse at a match", INV, hit, Set(1)),
        ("score counts matches", SCORE, last, Add(1)),
        ("count counts records", COUNT, last, Add(1)),
        ("sample fold", FB, last, Add(1)),
        ("zero of the first phase", BYTE, end, Set(1)),
        ("zero of the second phase", VA, end, Set(1)),
        ("powers of sigma start at one", TB, end, Set(2)),
        ("the folds cancel", VB, end, Add(1)),
        ("the folds cancel", FB, end, Add(1)),
        ("shard bytes are whole records", W[1], end + 1, Add(1)),
        ("context is squared", OUT, end + 1, Add(1)),
        ("next power of sigma", TB, end + 1, Add(1)),
        ("inverses of the reads", HELPER, 7, Add(1)),
        ("reads less multiplicities", SUM, 9, Add(1)),
        ("read sum starts and ends at zero", SUM, 0, Set(1)),
        ("read sum starts and ends at zero", SUM, p.usable() - 1, Set(1)),
        ("read sum starts and ends at zero", MULT, 5, Add(1)),
    ]
    .into_iter()
    .map(|(name, column, row, lie)| (name.to_owned(), Cell::new(column, row), lie))
    .collect();
    let mut lanes = |name: &str, n: usize, cell: &dyn Fn(usize) -> Cell| {
        out.extend((0..n).map(|i| (format!("{name} {i}"), cell(i), Add(1))));
    };
    lanes("data square", 4, &|i| Cell::new(SQUARE[i], 66));
    lanes("data round", 4, &|i| Cell::new(W[i], 69));
    lanes("data round", 4, &|i| Cell::new(W[i], 84));
    lanes("data round", 4, &|i| Cell::new(W[i], 64));
    lanes("wide absorb", 9, &|i| Cell::new(W[i], wide + 1));
    lanes("wide full square", 9, &|i| Cell::new(W[i], wide + 5));
    lanes("wide full round", 9, &|i| Cell::new(W[i], wide + 6));
    lanes("wide partial round", 9, &|i| Cell::new(W[i], wide + 13));
    out.push(("wide partial square".to_owned(), Cell::new(OUT, wide + 12), Add(1)));
    out
}

#[test]
fn every_constraint_fails_by_name() {
    let case = case();
    assert_eq!(case.failures(), Vec::<String>::new());
    let lies = lies(&case.plan);

    let told: BTreeSet<&str> = lies.iter().map(|(name, ..)| name.as_str()).collect();
    let checker = Checker::new(&case);
    let all: BTreeSet<&str> = checker.names().collect();
    assert_eq!(told, all, "each constraint has a lie and each lie a constraint");
    assert!(!all.contains(""), "every constraint has a name");

    lies.par_iter().for_each(|(name, cell, lie)| {
        let change = |before: Fr| match lie {
            Add(d) => before + crate::gadgets::field::signed(*d),
            Set(x) => Fr::from(*x),
        };
        let mut first = case.first.clone();
        let mut circuit = AccuracyCircuit::shape(case.plan.clone());
        if cell.column < FIRST_PHASE {
            let x = change(first.get(cell.column, cell.row));
            assert_ne!(x, first.get(cell.column, cell.row), "{name}: no lie");
            first.set(cell.column, cell.row, x);
        } else {
            circuit.lies.push((*cell, change(Fr::ZERO), matches!(lie, Add(_))));
        }
        let failed = if cell.row == 0 && cell.column < FIRST_PHASE {
            checker.failures_at(&first, 0)
        } else {
            mock(case.plan.k(), &circuit.with(Arc::new(first)), &case.instance)
        };
        assert!(failed.contains(name), "{name} at {cell:?}: {failed:?}");
    });
}

#[test]
fn every_copy_is_enforced() {
    // One lie in each column's first-phase copies; the second phase is computed, not copied.
    let case = case();
    let p = &case.plan;
    let [model, salt, results] = p.sponges();
    let cells = [
        (Cell::new(W[1], 0), "byte length"),
        (Cell::new(BYTE, p.match_row(0)), "label"),
        (Cell::new(ON, p.match_row(0)), "record flag"),
        (Cell::new(SCORE, p.class_row(0)), "score starts at zero"),
        (Cell::new(COUNT, p.class_row(0)), "count starts at zero"),
        (Cell::new(W[0], p.end() + 1), "count"),
        (model.cell(0), "beside archId"),
        (model.cell(3), "first weight word"),
        (model.cell(3 + p.graph().weight_bytes().div_ceil(31)), "padding word"),
        (salt.cell(0), "blind"),
        (salt.cell(1), "shard in the salt"),
        (salt.cell(2), "padding of the salt"),
        (results.cell(0), "n"),
        (results.cell(1), "salt"),
        (results.cell(2), "predictions"),
    ];
    for (cell, what) in cells {
        let mut lie = Case {
            first: case.first.clone(),
            plan: p.clone(),
            instance: case.instance.clone(),
        };
        let x = lie.first.get(cell.column, cell.row) + Fr::ONE;
        lie.first.set(cell.column, cell.row, x);
        assert!(lie.failures().contains(&"copy".to_owned()), "{what}");
    }
    for (cell, what) in [
        (Cell::new(VA, 1), "coefficient of a byte"),
        (Cell::new(VA, 3), "biases"),
        (Cell::new(VB, 1), "coefficient of a unit"),
        (Cell::new(TB, 1), "power in a unit row"),
        (Cell::new(FB, 0), "unit fold starts at zero"),
        (Cell::new(TB, p.weights() + 1), "power in a weight row"),
        (Cell::new(VB, p.weights() + 4), "sum before a weight"),
        (Cell::new(VB, p.weights()), "sum before the first weight"),
        (Cell::new(TB, p.class_row(0) + 1), "power in a class row"),
        (Cell::new(FB, p.class_row(0)), "class fold starts at zero"),
        (Cell::new(VB, p.end()), "unit fold in the end row"),
        (Cell::new(FB, p.end()), "class fold in the end row"),
    ] {
        let mut circuit = AccuracyCircuit::proof(p.clone(), Arc::new(case.first.clone()));
        circuit.lies.push((cell, Fr::ONE, true));
        let failed = mock(p.k(), &circuit, &case.instance);
        assert!(failed.contains(&"copy".to_owned()), "{what}: {failed:?}");
    }
}
