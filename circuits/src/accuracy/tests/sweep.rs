//! Every first-phase cell of a tiny instance, changed by one and by half the field.
//!
//! The prover of this test is as free as a real one: after its lie it recomputes the second phase
//! and the multiplicities. What it can change unnoticed must be on the list of cells that no rule
//! reads.

use super::super::columns::{adv, fix};
use super::super::plan::{Cell, Plan};
use super::checker::Checker;
use super::*;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;

/// Cells that no rule reads. They carry nothing, and their columns serve other rows.
fn unread(plan: &Plan, f: &[Vec<Fr>], c: Cell) -> bool {
    let is = |column: usize, row: usize| f[column].get(row).is_some_and(|x| *x != Fr::ZERO);
    let row = c.row;
    let above = row.checked_sub(1);
    let data = is(fix::DATA, row);
    let end = row == plan.end();
    let io = row == plan.end() + 1;
    let last = row == plan.last();
    let live = row + 1 < plan.usable();
    let class = is(fix::CLASS, row);
    let matched = is(fix::MATCH, row);
    let weight = is(fix::WEIGHT, row);
    // A wide state stands in rows that a sponge rule reads or writes; the first one is ignored.
    let wide = [fix::ABSORB, fix::WIDE_FULL, fix::WIDE_PARTIAL];
    let wide_row = wide.iter().any(|&q| is(q, row) || above.is_some_and(|a| is(q, a)))
        || above
            .and_then(|a| a.checked_sub(1))
            .is_some_and(|a| is(fix::WIDE_FULL, a));
    let ignored = row == plan.sponges()[0].start;
    match c.column {
        0 | 1 => !(data || end || io || last || class || matched || (wide_row && !ignored)),
        2 | 3 => !(data || end || (wide_row && !ignored)),
        4..=8 => !(data || class || matched || (wide_row && !ignored)),
        adv::ON => !(data || end || io || matched || is(fix::ABSORB, row)),
        adv::OUT => {
            !(data || end || io || weight || class || matched || is(fix::ABSORB, row) || is(fix::WIDE_PARTIAL, row))
        }
        adv::BYTE => !(data || end || class || matched),
        adv::HI => !(is(fix::UNIT, row) || weight || class),
        adv::REM => !(is(fix::UNIT, row) || class),
        // Outside units and weights a byte's entry has a zero beside it.
        adv::ACT => !live,
        _ => false,
    }
}

#[test]
fn every_changed_cell_is_noticed() {
    let g = graph(&[3, 4, 2], 4);
    sweep(&Case::new(&g, &witness(&g, 3, 30, 11)));
}

/// Tries two lies in every cell that a rule reads.
pub(super) fn sweep(case: &Case) {
    let checker = Checker::new(case);
    let f = case.plan.fixed();
    let half = Fr::from(2).invert().unwrap();
    // Multiplicities are recomputed by the lying prover, and their own lies meet the read sum.
    let missed: Vec<(Cell, Fr)> = (0..adv::MULT)
        .into_par_iter()
        .flat_map_iter(|column| {
            let mut grid = case.first.clone();
            let mut missed = vec![];
            for row in 0..case.plan.usable() {
                let cell = Cell::new(column, row);
                if unread(&case.plan, &f, cell) {
                    continue;
                }
                for lie in [Fr::ONE, half] {
                    let x = grid.get(column, row) + lie;
                    if checker.catches(&mut grid, cell, x).is_none() {
                        missed.push((cell, lie));
                    }
                }
            }
            missed
        })
        .collect();
    assert_eq!(missed, vec![]);
}

#[test]
fn the_list_of_unread_cells_is_not_too_long() {
    let g = graph(&[3, 4, 2], 4);
    let case = Case::new(&g, &witness(&g, 3, 30, 11));
    let checker = Checker::new(&case);
    let f = case.plan.fixed();
    let mut grid = case.first.clone();
    for column in 0..adv::MULT {
        for row in (0..case.plan.usable()).step_by(41) {
            let cell = Cell::new(column, row);
            if unread(&case.plan, &f, cell) {
                let x = grid.get(column, row) + Fr::ONE;
                assert_eq!(checker.catches(&mut grid, cell, x), None, "{cell:?}");
            }
        }
    }
}

#[test]
fn every_multiplicity_matters() {
    let g = graph(&[5, 2], 2);
    let mut case = Case::new(&g, &witness(&g, 2, 30, 11));
    for row in [0, 3, 300, 767, 900] {
        let before = case.first.get(adv::MULT, row);
        case.first.set(adv::MULT, row, before + Fr::ONE);
        assert_eq!(case.failures(), ["read sum starts and ends at zero"], "row {row}");
        case.first.set(adv::MULT, row, before);
    }
}
