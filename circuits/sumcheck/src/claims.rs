//! Claims about cells: which cells each one adds up, and the combination that the opening opens.

use crate::constraints::{Bits, Word, word_weights};
use crate::layout::{
    A, BOUNDARY, BOUNDARY_T, CARRIES, CARRY, CARRY_W, CHAIN_ROW, COLUMNS, E, ROWS, SPONGE, SPONGE_ROOM, W, alpha,
    gamma, idle_carries, read,
};
use crate::mle::{eq_table, powers};
use crate::statement::packing;
use crate::weights::{WeightsAt, byte_shift};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// A column's 64 cells in a slot, or in a combination of slots; one vector a column.
pub type Cells = Vec<[Fr; ROWS]>;

/// A cell by column and row.
pub type Cell = (usize, usize);

/// Bit i of a (or e, by its first column) before round t.
pub fn state_cell(column: usize, bit: usize, t: i32) -> Option<Cell> {
    match usize::try_from(t) {
        Ok(t) if t < ROWS => Some((column + bit, t)),
        _ => {
            let place = BOUNDARY_T.iter().position(|b| *b == t)?;
            let half = if column == A { 0 } else { 32 };
            Some((BOUNDARY + place, half + bit))
        }
    }
}

fn message_cell(bit: usize, t: i32) -> Option<Cell> {
    let t = usize::try_from(t).ok().filter(|t| *t < ROWS)?;
    Some((W + bit, t))
}

/// The cell that bit i of a vector reads in row t; `None` reads 0.
pub fn bit_cell(v: Bits, bit: usize, row: usize) -> Option<Cell> {
    let t = row as i32;
    match v {
        Bits::A => state_cell(A, bit, t),
        Bits::B => state_cell(A, bit, t - 1),
        Bits::C => state_cell(A, bit, t - 2),
        Bits::E => state_cell(E, bit, t),
        Bits::F => state_cell(E, bit, t - 1),
        Bits::G => state_cell(E, bit, t - 2),
        Bits::W => message_cell(bit, t),
        Bits::W13 => message_cell(bit, t + 13),
    }
}

/// The cell of bit i of a word read in row t.
pub fn word_cell(w: Word, bit: usize, row: usize) -> Option<Cell> {
    let t = row as i32;
    match w {
        Word::D => state_cell(A, bit, t - 3),
        Word::NextA => state_cell(A, bit, t + 1),
        Word::H => state_cell(E, bit, t - 3),
        Word::NextE => state_cell(E, bit, t + 1),
        Word::W15 => message_cell(bit, t + 15),
        Word::WBefore => message_cell(bit, t - 1),
        Word::W8 => message_cell(bit, t + 8),
    }
}

const VECTORS: [Bits; 8] = [Bits::A, Bits::B, Bits::C, Bits::E, Bits::F, Bits::G, Bits::W, Bits::W13];
const WORDS: [Word; 7] = [
    Word::D,
    Word::NextA,
    Word::H,
    Word::NextE,
    Word::W15,
    Word::WBefore,
    Word::W8,
];

/// The cells that read `k` adds up in row t, as (cell, power of two).
pub fn read_cells(k: usize, row: usize) -> Vec<(Cell, usize)> {
    match k {
        k if k < read::WORDS => bit_cell(VECTORS[k / 32], k % 32, row)
            .map(|c| (c, 0))
            .into_iter()
            .collect(),
        k if k < read::CARRIES => (0..32)
            .filter_map(|i| Some((word_cell(WORDS[k - read::WORDS], i, row)?, i)))
            .collect(),
        k if k < read::BOUNDARY => vec![((CARRY + k - read::CARRIES, row), 0)],
        k => vec![((BOUNDARY + k - read::BOUNDARY, row), 0)],
    }
}

/// All reads of row t.
pub fn row_reads(cells: &Cells, row: usize) -> Vec<Fr> {
    let two = word_weights();
    (0..read::COUNT)
        .map(|k| {
            let sum = read_cells(k, row);
            sum.iter().map(|((c, t), i)| cells[*c][*t] * two[*i]).sum()
        })
        .collect()
}

/// Cells of word j of the chaining value that enters, A to H, from bit 0 on.
pub fn chaining_word(j: usize) -> impl Iterator<Item = Cell> {
    let column = if j < 4 { A } else { E };
    (0..32).filter_map(move |i| state_cell(column, i, -((j % 4) as i32)))
}

/// Cells of what is added to it at the end.
pub fn last_word(j: usize) -> impl Iterator<Item = Cell> {
    let column = if j < 4 { A } else { E };
    (0..32).filter_map(move |i| state_cell(column, i, 64 - (j % 4) as i32))
}

/// Cell of the carry of that sum.
pub fn chain_carry(j: usize) -> Cell {
    (CARRY_W, CHAIN_ROW + j)
}

/// Cells of byte k of a block, from bit 0 on.
pub fn byte_cells(k: usize) -> impl Iterator<Item = Cell> {
    (0..8).map(move |i| (W + 8 * (3 - k % 4) + i, k / 4))
}

/// Weights of the cells in the linear constraints of SHA-256's cells, at a point.
pub fn linear_weights(w: &WeightsAt, alphas: &[Fr]) -> Cells {
    let two = word_weights();
    let mut out = vec![[Fr::ZERO; ROWS]; COLUMNS];
    for j in 0..8 {
        let a = alphas[alpha::CHAIN + j];
        for ((c, t), two) in chaining_word(j).zip(&two) {
            out[c][t] += a * (w.a - w.n) * two;
        }
        for ((c, t), two) in last_word(j).zip(&two) {
            out[c][t] -= a * w.n * two;
        }
        let (c, t) = chain_carry(j);
        out[c][t] += a * w.n * Fr::from(1 << 32);
    }
    for k in 0..64 {
        let (element, after) = packing(k);
        let pack = alphas[alpha::SPONGE_INPUT + 1 + element] * byte_shift(after);
        let weight = w.m[k] * alphas[alpha::PADDING + k] - w.a * pack;
        for ((c, t), two) in byte_cells(k).zip(&two) {
            out[c][t] += weight * two;
        }
    }
    out
}

/// Weights of the cells in the sum of all claims, from the definition of each claim.
///
/// What a prover sums over; a verifier needs only [`combination`].
pub fn dense_weights(rho: &[Fr], w: &WeightsAt, alphas: &[Fr], gammas: &[Fr]) -> Cells {
    let (eq, two) = (eq_table(rho), word_weights());
    let mut out = linear_weights(w, alphas);
    for cell in out.iter_mut().flatten() {
        *cell *= gammas[gamma::LINEAR];
    }
    for (k, g) in gammas[..read::COUNT].iter().enumerate() {
        for (row, eq) in eq.iter().enumerate() {
            let weight = *g * eq;
            for ((c, t), i) in read_cells(k, row) {
                out[c][t] += weight * two[i];
            }
        }
    }
    for (k, g) in gammas[gamma::SPONGE..][..SPONGE_ROOM].iter().enumerate() {
        out[SPONGE + k / ROWS][k % ROWS] += g;
    }
    for ((c, t), g) in idle_carries().zip(&gammas[gamma::IDLE..]) {
        out[c][t] += g;
    }
    out
}

/// Coefficients of the columns in what is opened: the extensions of [`dense_weights`] at `pi`, in
/// closed form.
pub fn combination(rho: &[Fr], pi: &[Fr], w: &WeightsAt, alphas: &[Fr], gammas: &[Fr]) -> Vec<Fr> {
    let (r, p) = (eq_table(rho), eq_table(pi));
    let two = word_weights();
    let shifted = |d: isize| -> Fr {
        (0..ROWS)
            .filter_map(|t| Some(r[t] * p.get(t.checked_add_signed(d)?)?))
            .sum()
    };
    let [own, back1, back2, back3, on1] = [0, -1, -2, -3, 1].map(shifted);
    let u = gammas[gamma::LINEAR];
    let (ua, un) = (u * w.a, u * w.n);
    let mut out = vec![];

    // Message words; the four bytes of a word have weights of their own.
    let vector = gammas[192] * own + gammas[224] * shifted(13);
    let word = gammas[260] * shifted(15) + gammas[261] * back1 + gammas[262] * shifted(8);
    let byte: Vec<Fr> = (0..4)
        .map(|h| {
            (0..16)
                .map(|t| {
                    let k = 4 * t + h;
                    let (element, after) = packing(k);
                    let pack = alphas[alpha::SPONGE_INPUT + 1 + element] * byte_shift(after);
                    p[t] * (u * w.m[k] * alphas[alpha::PADDING + k] - ua * pack)
                })
                .sum()
        })
        .collect();
    for i in 0..32 {
        out.push(gammas[i] * vector + two[i] * word + two[i % 8] * byte[3 - i / 8]);
    }

    // State words: a, then e.
    for (g, word, chain) in [(0, 256, alpha::CHAIN), (96, 258, alpha::CHAIN + 4)] {
        let a = &alphas[chain..];
        let vector = gammas[g] * own + gammas[g + 32] * back1 + gammas[g + 64] * back2;
        let word = gammas[word] * back3 + gammas[word + 1] * on1 + (ua - un) * a[0] * p[0]
            - un * (a[1] * p[63] + a[2] * p[62] + a[3] * p[61]);
        out.extend((0..32).map(|i| gammas[i] * vector + two[i] * word));
    }

    out.extend((0..CARRIES).map(|i| gammas[read::CARRIES + i] * own));
    for j in 0..8 {
        out[CARRY_W] += un * Fr::from(1 << 32) * alphas[alpha::CHAIN + j] * p[CHAIN_ROW + j];
    }
    for ((c, t), g) in idle_carries().zip(&gammas[gamma::IDLE..]) {
        out[c] += *g * p[t];
    }

    // Boundary rows: t = −3, −2, −1, 64.
    let mut boundary = [Fr::ZERO; 4];
    for (half, g, word, chain) in [(0, 0, 256, alpha::CHAIN), (32, 96, 258, alpha::CHAIN + 4)] {
        let vector: Fr = (0..32).map(|i| p[half + i] * gammas[i]).sum();
        let packed: Fr = (0..32).map(|i| p[half + i] * two[i]).sum();
        let a = &alphas[chain..];
        let (b, c, d, next) = (gammas[g + 32], gammas[g + 64], gammas[word], gammas[word + 1]);
        let link = ua - un;
        boundary[0] += packed * (d * r[0] + link * a[3]);
        boundary[1] += vector * c * r[0] + packed * (d * r[1] + link * a[2]);
        boundary[2] += vector * (b * r[0] + c * r[1]) + packed * (d * r[2] + link * a[1]);
        boundary[3] += packed * (next * r[63] - un * a[0]);
    }
    for (i, b) in boundary.iter().enumerate() {
        out.push(*b + gammas[read::BOUNDARY + i] * own);
    }

    for half in gammas[gamma::SPONGE..][..SPONGE_ROOM].chunks(ROWS) {
        out.push(half.iter().zip(&p).map(|(g, p)| g * p).sum());
    }
    out
}

/// Powers of γ, one a claim.
pub fn claim_powers(challenge: &Fr) -> Vec<Fr> {
    powers(challenge, gamma::COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_combination_is_the_extension_of_the_claims() {
        let some =
            |n: u64, seed: u64| -> Vec<Fr> { (0..n).map(|i| Fr::from(seed + i * i).square() + Fr::from(i)).collect() };
        let (rho, pi) = (some(6, 11), some(6, 1234));
        let w = WeightsAt {
            a: Fr::from(17),
            n: Fr::from(23),
            c: Fr::from(1),
            x: Fr::from(2),
            v: Fr::from(3),
            m: some(64, 99),
            act: Fr::ONE,
            eq: Fr::ONE,
        };
        let alphas = powers(&Fr::from(0xabc), alpha::COUNT);
        let gammas = claim_powers(&Fr::from(0xdef));
        let dense = dense_weights(&rho, &w, &alphas, &gammas);
        let eq = eq_table(&pi);
        let got = combination(&rho, &pi, &w, &alphas, &gammas);
        assert_eq!(got.len(), COLUMNS);
        for (c, (column, got)) in dense.iter().zip(&got).enumerate() {
            let want: Fr = column.iter().zip(&eq).map(|(w, e)| w * e).sum();
            assert_eq!(want, *got, "column {c}");
        }
    }

    #[test]
    fn every_cell_is_in_some_claim() {
        let some: Vec<Fr> = (0..6u64).map(|i| Fr::from(5 + i)).collect();
        let w = WeightsAt {
            a: Fr::from(17),
            n: Fr::from(23),
            c: Fr::ONE,
            x: Fr::ONE,
            v: Fr::ONE,
            m: vec![Fr::ONE; 64],
            act: Fr::ONE,
            eq: Fr::ONE,
        };
        let dense = dense_weights(
            &some,
            &w,
            &powers(&Fr::from(3), alpha::COUNT),
            &claim_powers(&Fr::from(7)),
        );
        for (c, column) in dense.iter().enumerate() {
            for (t, weight) in column.iter().enumerate() {
                assert_ne!(*weight, Fr::ZERO, "column {c} row {t}");
            }
        }
    }
}
