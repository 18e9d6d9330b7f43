//! Every cell of a two-block message, changed: some constraint breaks.

use super::build::{Fault, build};
use super::contract::small_contract;
use super::{long, small_keys};
use crate::claims::row_reads;
use crate::constraints::{ROWS as CONSTRAINTS, Rows};
use crate::fixture::{Push, Witness, prove};
use crate::layout::{BIT_COLUMNS, BOUNDARY, CARRY_W, CHAIN_ROW, COLUMNS, ROWS, SCHEDULE};
use crate::trace::K;
use crate::verifier::VerifyError;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rayon::prelude::*;

/// Whether a constraint of a row near the cell breaks; rows that do not read it are not asked.
fn row_breaks(slot: &crate::claims::Cells, column: usize, row: usize) -> bool {
    let rows: Vec<usize> = if column >= BOUNDARY {
        vec![0, 1, 2, 63]
    } else {
        let near = (row.saturating_sub(15)..=row).rev();
        near.chain(row + 1..(row + 4).min(ROWS)).collect()
    };
    rows.into_iter().any(|t| {
        let (reads, k) = (row_reads(slot, t), Fr::from(u64::from(K[t])));
        CONSTRAINTS
            .iter()
            .any(|c| (c.rows == Rows::All || SCHEDULE.contains(&t)) && c.evaluate(&reads, &Fr::ONE, &k) != Fr::ZERO)
    })
}

fn refused(witness: &Witness, slot: usize, column: usize, row: usize) -> bool {
    let cell = witness.slots[slot][column][row];
    if column < BIT_COLUMNS && (cell.square() != cell || row_breaks(&witness.slots[slot], column, row)) {
        return true;
    }
    !witness.violations().unwrap().is_empty()
}

/// Two blocks and their lead-in.
fn two_blocks() -> Witness {
    let message: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(37)).collect();
    let honest = build(&[&message], Fault::None);
    assert_eq!(honest.slots.len(), 3);
    honest
}

/// The other bit, two values that are none, and a random one.
fn others(value: Fr) -> [Fr; 4] {
    let random = Fr::from_raw([0xdead_beef, 0x1234_5678_9abc_def0, 77, 0x0123_4567_89ab_cdef]);
    [Fr::ONE - value, Fr::from(2), -Fr::ONE, random]
}

#[test]
fn every_cell_is_pinned() {
    let honest = two_blocks();
    let free: Vec<(usize, usize, usize)> = (0..3 * COLUMNS)
        .into_par_iter()
        .flat_map_iter(|i| {
            let (slot, column) = (i / COLUMNS, i % COLUMNS);
            let mut witness = honest.clone();
            let mut free = vec![];
            for row in 0..ROWS {
                let value = witness.slots[slot][column][row];
                for (n, other) in others(value).into_iter().enumerate() {
                    // Sponge cells and flips in full; otherwise one of three unless the sweep is long.
                    let asked = n == 0 || long() || (row + column) % 3 == n - 1;
                    if other == value || !asked {
                        continue;
                    }
                    witness.slots[slot][column][row] = other;
                    if !refused(&witness, slot, column, row) {
                        free.push((slot, column, row));
                    }
                }
                witness.slots[slot][column][row] = value;
            }
            free
        })
        .collect();
    // A lead-in's chain carries must be bits; nothing reads them, its state goes nowhere.
    let lead: Vec<_> = (CHAIN_ROW..ROWS).map(|t| (0, CARRY_W, t)).collect();
    assert_eq!(free, lead);
}

/// The same as proofs, their errors carried on to the opening: a cell of every column, in one slot or in all.
#[test]
fn proofs_of_changed_cells_are_refused_by_both() {
    let honest = two_blocks();
    let (key, vk) = small_keys();
    (0..3 * COLUMNS).into_par_iter().for_each(|i| {
        let (slot, column) = (i / COLUMNS, i % COLUMNS);
        if !long() && column % 3 != slot {
            return;
        }
        let row = 29 * i % CHAIN_ROW;
        let value = honest.slots[slot][column][row];
        for (n, other) in others(value).into_iter().enumerate() {
            if other == value || (!long() && n != i % 4) {
                continue;
            }
            let mut witness = honest.clone();
            witness.slots[slot][column][row] = other;
            let proof = prove(key, &vk.srs_id(), &witness, Push::PastRow).unwrap();
            let got = small_contract().agreed(&witness.statement, &proof);
            assert!(
                matches!(got, Err(VerifyError::Opening(_))),
                "slot {slot}, column {column}, row {row}: {got:?}"
            );
        }
    });
}
