//! Every cell is pinned: a change of any one breaks a constraint, and every constraint is broken by
//! a change of some one cell.

use super::checker::Checker;
use super::{bytes, inputs, prover};
use crate::cid::layout::{MESSAGE, OUTPUT, PARTIAL, SECOND_FULL, SPONGE, SPONGE_END, SUMMARY, Shape, TAIL, col};
use crate::cid::trace::Trace;
use crate::statements::cid;
use halo2_proofs::dev::VerifyFailure;
use halo2curves::bn256::Fr;
use std::collections::BTreeMap;

/// The cells the drawing in `docs/circuits/cid.md` fills.
fn in_layout(shape: &Shape, column: usize, row: usize) -> bool {
    let state = col::S..col::S + 4;
    if row >= shape.tail() {
        let r = row - shape.tail();
        return match column {
            col::ACTIVE => r <= 4,
            col::X | col::Y => r < 4,
            c if c < col::CARRY_W || c == col::SIGMA_W => r < 4,
            c if c == col::S || c == col::S + 1 => r < 4,
            col::U => r == OUTPUT,
            _ => false,
        };
    }
    let Some(slot) = (0..shape.slots()).rev().find(|s| row >= shape.base(*s)) else {
        return false;
    };
    let r = row - shape.base(slot);
    let permutation = match column {
        c if state.contains(&c) => (SPONGE..=SPONGE_END).contains(&r),
        col::X | col::U | col::Y => (PARTIAL..SECOND_FULL).contains(&r),
        _ => false,
    };
    if permutation {
        return true;
    }
    if slot == 0 {
        return match column {
            col::ACTIVE | col::U | col::Y => r == SUMMARY,
            col::S => r == SUMMARY || r == SUMMARY - 2,
            _ => false,
        };
    }
    match column {
        c if c < col::CARRY_W => true,
        col::ACTIVE | col::SIGMA_W => true,
        col::CARRY_W | col::CARRY_A | col::CARRY_E | col::CARRY_E_HIGH => (3..67).contains(&r),
        col::S => r <= SUMMARY,
        c if c == col::S + 1 => r < SUMMARY,
        c if state.contains(&c) => (MESSAGE..SUMMARY).contains(&r),
        // The accumulator before the first word is nothing: its factor is zero.
        col::X => r <= SUMMARY && r != MESSAGE,
        col::U => (MESSAGE..=SUMMARY).contains(&r),
        col::Y => r <= SUMMARY,
        _ => false,
    }
}

#[test]
fn every_cell_is_pinned_and_every_constraint_pins_something() {
    let shape = Shape::new(8).unwrap();
    let mut examples: BTreeMap<String, (usize, usize, Fr, usize, Vec<u8>)> = BTreeMap::new();
    let mut names = vec![];
    // One block behind an idle slot, two blocks, a spill, and a last block of padding alone.
    for len in [5, 100, 60, 64] {
        let message = bytes(len);
        let public = inputs(&cid::instance(&message).unwrap());
        let checker = Checker::new(shape, public);
        let trace = Trace::new(&shape, &message).unwrap();
        let usable = shape.rows() - 12;
        assert!(checker.failures(&trace, 0..usable).is_empty());
        names = checker.rules.iter().map(|r| r.name.clone()).collect();
        let mut broken = trace.clone();
        for column in 0..col::COUNT {
            for row in 0..shape.rows() - TAIL + 6 {
                let honest = trace.get(column, row);
                let mut values = vec![Fr::from(1) - honest, Fr::from(2), -Fr::from(1)];
                if column >= col::WORD_W {
                    values.push(honest + Fr::from(1));
                }
                values.retain(|v| *v != honest);
                for v in values {
                    broken.set(column, row, v);
                    let failed = checker.broken_by(&broken, column, row);
                    assert_eq!(
                        failed.is_empty(),
                        !in_layout(&shape, column, row),
                        "{len} bytes, column {column}, row {row} (slot 0 at {}), value {v:?}: {:?}",
                        shape.base(0),
                        failed.iter().map(|(i, _)| &names[*i]).collect::<Vec<_>>(),
                    );
                    for (i, at) in failed {
                        examples
                            .entry(names[i].clone())
                            .or_insert_with(|| (column, row, v, at, message.clone()));
                    }
                }
                broken.set(column, row, honest);
            }
        }
    }

    // MockProver sees what the checker saw, by name.
    let mut seen = names.clone();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), names.len(), "names are unique");
    for name in names {
        let (column, row, v, at, message) = examples
            .get(&name)
            .unwrap_or_else(|| panic!("no single cell breaks '{name}'"));
        let mut trace = Trace::new(&shape, message).unwrap();
        trace.set(*column, *row, *v);
        let mock = prover(shape, trace, inputs(&cid::instance(message).unwrap()));
        let failures = mock.verify_at_rows(*at..*at + 1, *at..*at + 1).unwrap_err();
        let quoted = format!("('{name}')");
        assert!(
            failures.iter().any(|f| matches!(
                f,
                VerifyFailure::ConstraintNotSatisfied { constraint, .. } if constraint.to_string().contains(&quoted)
            )),
            "'{name}' did not fail at row {at} with column {column}, row {row} = {v:?}"
        );
    }
}
