//! For each constraint a witness that breaks it and no other: refused, natively and on chain.

use super::build::{Fault, build};
use super::contract::small_contract;
use super::small_keys;
use crate::claims::{Cell, Cells, row_reads};
use crate::constraints::ROWS as CONSTRAINTS;
use crate::fixture::{self, Push, Witness};
use crate::layout::{A, BIT_COLUMNS, BOUNDARY, CARRY, COLUMNS, E, ROWS, SBOXES, SPONGE, W, alpha, constraint_name};
use crate::trace::{K, Step};
use crate::verifier::VerifyError;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rayon::prelude::*;

/// Breaks exactly these, and the verifier refuses it, pushed as far as it goes.
fn refused(witness: &Witness, names: &[String], pushes: &[Push]) {
    let broken: Vec<String> = witness.violations().unwrap().into_iter().collect();
    let mut want = names.to_vec();
    want.sort();
    assert_eq!(broken, want);
    let (key, vk) = small_keys();
    for push in pushes {
        let proof = fixture::prove(key, &vk.srs_id(), witness, *push).unwrap();
        let got = small_contract().agreed(&witness.statement, &proof);
        let as_expected = match push {
            Push::No => got == Err(VerifyError::Block),
            Push::PastBlock => got == Err(VerifyError::Row),
            Push::PastRow => matches!(got, Err(VerifyError::Opening(_))),
        };
        assert!(as_expected, "{names:?} {push:?}: {got:?}");
    }
}

const ALL: [Push; 3] = [Push::No, Push::PastBlock, Push::PastRow];
const LAST: [Push; 1] = [Push::PastRow];

fn one(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

#[test]
fn a_word_that_is_not_its_sum() {
    let message: &[u8] = &[0x5a; 20];
    let steps = (0..64)
        .flat_map(|t| [Step::E(t), Step::A(t)])
        .chain((16..64).map(Step::Schedule));
    let steps: Vec<(usize, Step)> = steps.enumerate().collect();
    steps.into_par_iter().for_each(|(i, step)| {
        let witness = build(&[message], Fault::Step(1, step, 1 << (i % 32)));
        let name = match step {
            Step::E(_) => "round e",
            Step::A(_) => "round a",
            Step::Schedule(_) => "schedule",
        };
        let pushes: &[Push] = match i % 40 {
            0 | 1 => &ALL,
            n if n % 5 == 0 => &LAST,
            _ => &[],
        };
        refused(&witness, &one(name), pushes);
    });
    for step in [
        Step::Schedule(16),
        Step::Schedule(63),
        Step::E(63),
        Step::A(63),
        Step::E(0),
        Step::A(0),
    ] {
        let witness = build(&[message], Fault::Step(1, step, 1 << 31));
        let proof = fixture::prove(&small_keys().0, &small_keys().1.srs_id(), &witness, Push::PastRow).unwrap();
        assert!(small_contract().agreed(&witness.statement, &proof).is_err(), "{step:?}");
    }
}

/// The wrong initial value at a shard's first block, then at the next; then a wrong digest.
#[test]
fn a_chain_that_breaks() {
    let message: &[u8] = &[3; 70];
    let cases: Vec<(usize, usize)> = (0..8).flat_map(|j| [(1, j), (2, j)]).collect();
    cases.into_par_iter().for_each(|(slot, j)| {
        let witness = build(&[message], Fault::Entering(slot, j, 1 << (4 * j)));
        refused(
            &witness,
            &[constraint_name(alpha::CHAIN + j)],
            if j == 3 { &ALL } else { &LAST },
        );
    });
    let honest = build(&[message, b"x"], Fault::None);
    for j in 0..8 {
        for shard in 0..2 {
            let mut witness = honest.clone();
            witness.statement[shard].digest[4 * j + 1] ^= 0x10;
            refused(
                &witness,
                &[constraint_name(alpha::CHAIN + j)],
                if j < 2 { &LAST } else { &[] },
            );
        }
    }
    // The initial value at the boundary between two shards.
    for j in [0, 7] {
        refused(
            &build(&[b"a", b"b"], Fault::Entering(3, j, 1)),
            &[constraint_name(alpha::CHAIN + j)],
            &LAST,
        );
    }
}

#[test]
fn a_block_with_wrong_padding() {
    (0..64usize).into_par_iter().for_each(|k| {
        let witness = build(&[b""], Fault::Byte(1, k, 1 << (k % 8)));
        refused(
            &witness,
            &[constraint_name(alpha::PADDING + k)],
            if k == 0 { &ALL } else { &LAST },
        );
    });
    // Where the padding takes two blocks: its beginning and its end.
    for (slot, k) in [(1, 60), (1, 63), (2, 0), (2, 63)] {
        refused(
            &build(&[&[9; 60]], Fault::Byte(slot, k, 1)),
            &[constraint_name(alpha::PADDING + k)],
            &LAST,
        );
    }
}

#[test]
fn a_sponge_that_lies() {
    (0..SBOXES).into_par_iter().for_each(|i| {
        refused(
            &build(&[b"sponge"], Fault::SBox(i % 2, i)),
            &[constraint_name(alpha::SBOX + i)],
            if i == 50 { &ALL } else { &LAST },
        );
    });
    for j in 0..4 {
        for slot in 0..2 {
            refused(
                &build(&[b"sponge"], Fault::Lane(slot, j)),
                &[constraint_name(alpha::SPONGE_INPUT + j)],
                &LAST,
            );
        }
    }
    let mut witness = build(&[b"sponge", b"other"], Fault::None);
    witness.statement[1].commitment += Fr::ONE;
    refused(&witness, &one("commitment"), &ALL);
}

#[test]
fn cells_without_a_meaning() {
    let honest = build(&[b"idle"], Fault::None);
    for (column, row, name) in [
        (101, 0, "idle carry"),
        (101, 55, "idle carry"),
        (102, 0, "idle carry"),
        (102, 63, "idle carry"),
        (SPONGE + 1, 28, "idle sponge cell"),
        (SPONGE + 1, 63, "idle sponge cell"),
    ] {
        for slot in 0..2 {
            let mut witness = honest.clone();
            witness.slots[slot][column][row] = Fr::ONE;
            let broken: Vec<String> = witness.violations().unwrap().into_iter().collect();
            assert_eq!(broken, [name]);
            let (key, vk) = small_keys();
            let proof = fixture::prove(key, &vk.srs_id(), &witness, Push::No).unwrap();
            let got = small_contract().agreed(&witness.statement, &proof);
            assert!(matches!(got, Err(VerifyError::Opening(_))), "{column} {row}: {got:?}");
        }
    }
}

/// Other data under the statement: what each attack breaks is named.
#[test]
fn other_bytes_digests_and_lengths() {
    let (key, vk) = small_keys();
    let two: [&[u8]; 2] = [&[1; 20], &[2; 20]];
    let honest = build(&two, Fault::None);
    let mut attacks = vec![];

    let mut swapped = honest.clone();
    let digests = [honest.statement[1].digest, honest.statement[0].digest];
    swapped.statement[0].digest = digests[0];
    swapped.statement[1].digest = digests[1];
    attacks.push(("digest of another shard", swapped));

    let mut other = honest.clone();
    other.statement[0].commitment = honest.statement[1].commitment;
    attacks.push(("D of other bytes", other));

    for length in [19, 21] {
        let mut w = honest.clone();
        w.statement[0].length = length;
        attacks.push(("length", w));
    }

    let message: Vec<u8> = (0..128).collect();
    let mut blocks = [message[64..].to_vec(), message[..64].to_vec()].concat();
    let mut w = build(&[&blocks], Fault::None);
    w.statement = build(&[&message], Fault::None).statement;
    attacks.push(("swapped blocks", w));

    // One bit less: padding moved into the message.
    blocks = message[..55].to_vec();
    let mut w = build(&[&blocks], Fault::None);
    blocks[54] ^= 1;
    w.statement = build(&[&blocks], Fault::None).statement;
    attacks.push(("other bytes", w));

    // Slots exchanged as they are, the state chain torn.
    let mut w = build(&[&message], Fault::None);
    w.slots.swap(1, 2);
    attacks.push(("slots exchanged", w));

    for (name, w) in attacks {
        assert!(!w.violations().unwrap().is_empty(), "{name}");
        for push in ALL {
            let proof = fixture::prove(key, &vk.srs_id(), &w, push).unwrap();
            assert!(
                small_contract().agreed(&w.statement, &proof).is_err(),
                "{name} {push:?}"
            );
        }
    }
}

/// A vector that all of these linear forms send to 0, its first coordinate not 0.
fn kernel(forms: &[Vec<Fr>], n: usize) -> Option<Vec<Fr>> {
    // Solve for the others with the first set to 1.
    let mut rows: Vec<Vec<Fr>> = forms.to_vec();
    let mut pivots = vec![];
    let mut next = 0;
    for column in (1..n).rev() {
        let Some(found) = (next..rows.len()).find(|r| rows[*r][column] != Fr::ZERO) else {
            continue;
        };
        rows.swap(next, found);
        let inverse = rows[next][column].invert().unwrap();
        rows[next].iter_mut().for_each(|x| *x *= inverse);
        let pivot = rows[next].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(r, _)| *r != next) {
            let factor = row[column];
            row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
        }
        pivots.push(column);
        next += 1;
    }
    let mut out = vec![Fr::ZERO; n];
    out[0] = Fr::ONE;
    for (row, column) in rows.iter().zip(&pivots) {
        out[*column] = -row[0];
    }
    let zero = |f: &Vec<Fr>| f.iter().zip(&out).map(|(f, o)| f * o).sum::<Fr>() == Fr::ZERO;
    forms.iter().all(zero).then_some(out)
}

/// Cells near (column, row) whose products never meet, the given one first.
fn neighbours(column: usize, row: usize) -> Vec<Cell> {
    let word = |base: usize, forbidden: &[usize]| -> Vec<Cell> {
        let mut bits = vec![column - base];
        for j in 0..32 {
            if bits.iter().all(|i| {
                i.abs_diff(j) != 0
                    && !forbidden.contains(&((i + 32 - j) % 32))
                    && !forbidden.contains(&((j + 32 - i) % 32))
            }) {
                bits.push(j);
            }
        }
        bits.iter().map(|i| (base + i, row)).collect()
    };
    match column {
        c if c < A => word(W, &[2, 4, 7, 9, 11, 15]),
        c if c < E => word(A, &[9, 11, 20]),
        c if c < CARRY => word(E, &[5, 14, 19]),
        c if c < BOUNDARY => {
            let group = [96..99, 99..101, 101..103]
                .into_iter()
                .find(|g| g.contains(&c))
                .unwrap();
            std::iter::once(c)
                .chain(group.filter(|o| *o != c))
                .map(|c| (c, row))
                .collect()
        }
        c => std::iter::once(row)
            .chain((row + 1..).take(6))
            .map(|i| (c, i))
            .collect(),
    }
}

fn row_values(cells: &Cells) -> Vec<Fr> {
    (0..ROWS)
        .flat_map(|t| {
            let (reads, k) = (row_reads(cells, t), Fr::from(u64::from(K[t])));
            CONSTRAINTS.map(|c| c.evaluate(&reads, &Fr::ONE, &k))
        })
        .collect()
}

/// Changes of these cells, the first one's not 0, that no constraint of a row sees.
fn forgery(slot: &Cells, before: &[Fr], candidates: Vec<Cell>) -> Option<(Vec<Cell>, Vec<Fr>)> {
    let effects: Vec<Vec<Fr>> = candidates
        .iter()
        .map(|(c, t)| {
            let mut cells = slot.clone();
            cells[*c][*t] += Fr::ONE;
            row_values(&cells).iter().zip(before).map(|(x, y)| x - y).collect()
        })
        .collect();
    let forms: Vec<Vec<Fr>> = (0..before.len())
        .map(|e| effects.iter().map(|f| f[e]).collect::<Vec<Fr>>())
        .filter(|f| f.iter().any(|x| *x != Fr::ZERO))
        .collect();
    let change = kernel(&forms, candidates.len())?;
    Some((candidates, change))
}

/// Bits that are none, under the same words, the same sums, the same digest and commitment.
///
/// It is how the predecessor of this system was forged: its bits were never told to be bits.
#[test]
fn bits_that_are_none_and_keep_the_digest() {
    let honest = build(&[b"forged"], Fault::None);
    let before = row_values(&honest.slots[1]);
    (0..BIT_COLUMNS).into_par_iter().for_each(|column| {
        // Ch and Maj may depend on the bit alone among its neighbours; some row has it otherwise.
        let rows = if column < BOUNDARY { 20..46 } else { 0..26 };
        let (candidates, change) = rows
            .into_iter()
            .find_map(|row| forgery(&honest.slots[1], &before, neighbours(column, row)))
            .unwrap_or_else(|| panic!("column {column} has no forgery"));
        let mut witness = honest.clone();
        let mut names = vec![];
        for ((c, t), by) in candidates.iter().zip(&change) {
            // Three times, so that no bit becomes the other.
            witness.slots[1][*c][*t] += *by * Fr::from(3);
            if *by != Fr::ZERO {
                names.push(constraint_name(alpha::BIT + c));
            }
        }
        names.dedup();
        assert!(names.contains(&constraint_name(alpha::BIT + column)));
        refused(&witness, &names, if column % 25 == 0 { &ALL } else { &LAST });
    });
    assert_eq!(honest.slots[1].len(), COLUMNS);
}
