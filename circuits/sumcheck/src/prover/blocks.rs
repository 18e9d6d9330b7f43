//! The other block rounds of SHA-256's constraints, over field elements.
//!
//! Cells are kept as s = 1 − 2b: an exclusive or of three is then one product, and
//! `maj` is `(x + y + z − xyz)/2`. Everything is scaled by 4 to have no fractions; a quarter is taken
//! of each round's sums. This is the list of [`crate::constraints`] written by hand for speed; tests
//! hold it against the list.

use super::small::{GROUP, group, transpose};
use crate::claims::Cells;
use crate::layout::{A, BIT_COLUMNS, BOUNDARY, CARRY, COLUMNS, E, ROWS, SCHEDULE, W, alpha};
use crate::mle::{eq_table, line};
use crate::trace::{K, STATE_OFFSET, STATES, Slot};
use crate::verifier::{Challenges, row_weights};
use halo2curves::bn256::Fr;
use halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

/// Cells of a row of the table: the columns that have rows.
const WIDTH: usize = BOUNDARY;
/// Cells of a table: rows −3 to 64. Rows −3 … −1 and 64 hold a and e only.
const TABLE: usize = STATES * WIDTH;

/// Weights that do not change between rounds.
struct Constants {
    round_e: Vec<Fr>,
    round_a: Vec<Fr>,
    schedule: Vec<Fr>,
    /// Per cell of a table, the weight of its being a bit.
    bits: Vec<Fr>,
    bits_sum: Fr,
    /// 4·K_t.
    k: Vec<Fr>,
}

/// The polynomials of SHA-256's cells, bound so far.
pub struct Blocks {
    constants: Constants,
    tables: Vec<Fr>,
    act: Vec<Fr>,
}

fn mask() -> Fr {
    Fr::from(0xffff_ffff)
}

impl Constants {
    fn new(challenges: &Challenges) -> Self {
        let [all, schedule] = row_weights(&challenges.theta);
        let a = &challenges.alphas;
        let bit = |c: usize| a[alpha::BIT + c];
        let mut bits = vec![Fr::ZERO; TABLE];
        for (r, row) in bits.chunks_exact_mut(WIDTH).enumerate() {
            match r.checked_sub(STATE_OFFSET).filter(|t| *t < ROWS) {
                Some(t) => {
                    for (c, b) in row.iter_mut().enumerate() {
                        *b = all[t] * bit(c);
                    }
                }
                None => {
                    let q = r.min(3);
                    for i in 0..64 {
                        row[A + i] = all[i] * bit(BOUNDARY + q);
                    }
                }
            }
        }
        Self {
            round_e: all.iter().map(|w| a[alpha::ROUND_E] * w).collect(),
            round_a: all.iter().map(|w| a[alpha::ROUND_A] * w).collect(),
            schedule: schedule.iter().map(|w| a[alpha::SCHEDULE] * w).collect(),
            bits_sum: bits.iter().sum(),
            bits,
            k: K.iter().map(|k| Fr::from(4 * u64::from(*k))).collect(),
        }
    }

    /// Four times the weighted constraints of a table; `leading` takes a table of slopes and gives
    /// the coefficient of X³.
    fn evaluate(&self, x: &[Fr], act: &Fr, leading: bool) -> Fr {
        let row = |r: usize| &x[r * WIDTH..(r + 1) * WIDTH];
        let mut packed = [[Fr::ZERO; 3]; STATES];
        if !leading {
            for (r, p) in packed.iter_mut().enumerate() {
                *p = [W, A, E].map(|c| pack(&row(r)[c..c + 32]));
            }
        }
        let t33 = Fr::from(1 << 33);
        let m = mask();
        let constant_e = Fr::from(7 << 33) - m.double().double().double();
        let constant_a = Fr::from(3 << 33) - m.double() - act.double() * t33;
        let constant_w = Fr::from(3 << 33) - (m + m.double()).double();
        let mut sums = [Fr::ZERO; 3];
        for t in 0..ROWS {
            let r = t + STATE_OFFSET;
            let [r0, r1, r2] = [row(r), row(r - 1), row(r - 2)];
            let [a, b, c] = [r0, r1, r2].map(|r| &r[A..A + 32]);
            let [e, f, g] = [r0, r1, r2].map(|r| &r[E..E + 32]);
            let w = &r0[W..W + 32];
            let (mut bits_e, mut bits_a) = (Fr::ZERO, Fr::ZERO);
            for i in (0..32).rev() {
                let s1 = e[(i + 6) % 32] * e[(i + 11) % 32] * e[(i + 25) % 32];
                let s0 = a[(i + 2) % 32] * a[(i + 13) % 32] * a[(i + 22) % 32];
                let abc = a[i] * b[i] * c[i];
                bits_e = bits_e.double();
                bits_a = bits_a.double();
                if leading {
                    bits_e += s1.double();
                    bits_a += s0.double() - abc;
                } else {
                    bits_e += (s1 + w[i]).double() + f[i] + g[i] + e[i] * (g[i] - f[i]);
                    bits_a += s0.double() + a[i] + b[i] + c[i] - abc;
                }
            }
            let scheduled = SCHEDULE.contains(&t);
            let mut bits_w = Fr::ZERO;
            if scheduled {
                let v = &row(r + 13)[W..W + 32];
                for i in (0..32).rev() {
                    bits_w = bits_w.double();
                    let s0 = w[(i + 7) % 32] * w[(i + 18) % 32];
                    match w.get(i + 3) {
                        Some(third) => bits_w += s0 * third,
                        None if !leading => bits_w += s0,
                        None => {}
                    }
                    let s1 = v[(i + 17) % 32] * v[(i + 19) % 32];
                    match v.get(i + 10) {
                        Some(third) => bits_w += s1 * third,
                        None if !leading => bits_w += s1,
                        None => {}
                    }
                }
                bits_w = bits_w.double();
            }
            if !leading {
                let carry = &r0[CARRY..];
                let [_, d, h] = packed[r - 3];
                let [_, next_a, next_e] = packed[r + 1];
                bits_e += (d + h - next_e).double() + constant_e - act * self.k[t];
                bits_e -= t33 * (carry[0] + (carry[1] + carry[2].double()).double());
                bits_a += (next_e - next_a - d).double() + constant_a;
                bits_a -= t33 * (carry[3] + carry[4].double());
                if scheduled {
                    bits_w += (packed[r - 1][0] + packed[r + 8][0] - packed[r + 15][0]).double() + constant_w;
                    bits_w -= t33 * (carry[5] + carry[6].double());
                }
            }
            sums[0] += self.round_e[t] * bits_e;
            sums[1] += self.round_a[t] * bits_a;
            if scheduled {
                sums[2] += self.schedule[t] * bits_w;
            }
        }
        let mut sum: Fr = sums.iter().sum();
        if !leading {
            let last = STATES - 1;
            for r in 0..STATES {
                // Boundary rows have a and e only.
                let columns = if (STATE_OFFSET..last).contains(&r) {
                    0..WIDTH
                } else {
                    A..CARRY
                };
                let cells = r * WIDTH + columns.start..r * WIDTH + columns.end;
                for (x, b) in x[cells.clone()].iter().zip(&self.bits[cells]) {
                    sum += x.square() * b;
                }
            }
            sum -= self.bits_sum;
        }
        sum
    }
}

fn pack(bits: &[Fr]) -> Fr {
    bits.iter().rev().fold(Fr::ZERO, |s, b| s.double() + b)
}

impl Blocks {
    /// The table after the first three variables are bound to `x`.
    pub fn new(slots: &[Slot], challenges: &Challenges, x: &[Fr]) -> Self {
        let eq = eq_table(x);
        // Value of a cell by its bits in the eight slots.
        let values: Vec<Fr> = (0..1usize << GROUP)
            .map(|p| (0..GROUP).map(|j| if p >> j & 1 == 1 { -eq[j] } else { eq[j] }).sum())
            .collect();
        let groups = slots.len().div_ceil(GROUP);
        let mut tables = vec![Fr::ONE; groups * TABLE];
        tables.par_chunks_mut(TABLE).enumerate().for_each(|(g, table)| {
            let (group, _) = group(slots, g);
            let mut put = |r: usize, column: usize, words: [u32; GROUP], n: usize| {
                let row = &mut table[r * WIDTH + column..][..n];
                for (x, pattern) in row.iter_mut().zip(transpose(words)) {
                    *x = values[usize::from(pattern)];
                }
            };
            for r in 0..STATES {
                put(r, A, group.map(|s| s.a[r]), 32);
                put(r, E, group.map(|s| s.e[r]), 32);
            }
            for t in 0..ROWS {
                put(t + STATE_OFFSET, W, group.map(|s| s.w[t]), 32);
                put(t + STATE_OFFSET, CARRY, group.map(|s| u32::from(s.carries[t])), 7);
            }
        });
        let act = (0..groups).map(|g| eq[..group(slots, g).1].iter().sum()).collect();
        Self {
            constants: Constants::new(challenges),
            tables,
            act,
        }
    }

    /// The inner polynomial of the next round, degree 3, where `claim` is
    /// (1 − τ)·q(0) + τ·q(1); `eq` weighs the later variables.
    ///
    /// A pair beyond the slots in use is 0 everywhere, so it is left out.
    pub fn inner(&self, eq: &[Fr], tau: &Fr, claim: &Fr) -> [Fr; 4] {
        let count = self.act.len();
        let empty = vec![Fr::ONE; TABLE];
        let sums = (0..count.div_ceil(2))
            .into_par_iter()
            .map_init(
                || vec![Fr::ZERO; TABLE],
                |buffer, p| {
                    let low = &self.tables[2 * p * TABLE..(2 * p + 1) * TABLE];
                    let high = self
                        .tables
                        .get((2 * p + 1) * TABLE..(2 * p + 2) * TABLE)
                        .unwrap_or(&empty);
                    let act = self.act[2 * p];
                    let slope = self.act.get(2 * p + 1).copied().unwrap_or(Fr::ZERO) - act;
                    let zero = self.constants.evaluate(low, &act, false);
                    for ((b, x), y) in buffer.iter_mut().zip(low).zip(high) {
                        *b = x.double() - y;
                    }
                    let minus = self.constants.evaluate(buffer, &(act - slope), false);
                    for ((b, x), y) in buffer.iter_mut().zip(low).zip(high) {
                        *b = *y - x;
                    }
                    let leading = self.constants.evaluate(buffer, &slope, true);
                    [zero, minus, leading].map(|v| v * eq[p])
                },
            )
            .reduce(|| [Fr::ZERO; 3], |x, y| std::array::from_fn(|i| x[i] + y[i]));
        let quarter = Fr::TWO_INV.square();
        let [zero, minus, c3] = sums.map(|v| v * quarter);
        // τ = 0 has probability 1/r; the proof would be refused, nothing else.
        let one = (*claim - (Fr::ONE - tau) * zero) * tau.invert().unwrap_or(Fr::ZERO);
        let c2 = (one + minus) * Fr::TWO_INV - zero;
        let c1 = (one - minus) * Fr::TWO_INV - c3;
        [zero, c1, c2, c3]
    }

    /// Binds the round's variable.
    pub fn bind(&mut self, x: &Fr) {
        let count = self.act.len();
        let mut next = vec![Fr::ZERO; count.div_ceil(2) * TABLE];
        next.par_chunks_mut(TABLE).enumerate().for_each(|(p, out)| {
            let low = &self.tables[2 * p * TABLE..(2 * p + 1) * TABLE];
            match self.tables.get((2 * p + 1) * TABLE..(2 * p + 2) * TABLE) {
                Some(high) => {
                    for ((o, l), h) in out.iter_mut().zip(low).zip(high) {
                        *o = line(l, h, x);
                    }
                }
                None => {
                    for (o, l) in out.iter_mut().zip(low) {
                        *o = line(l, &Fr::ONE, x);
                    }
                }
            }
        });
        self.tables = next;
        crate::mle::bind(&mut self.act, x);
    }

    /// Fills the bit columns of the cells at the point, once every variable is bound.
    pub fn cells(&self, out: &mut Cells) {
        let bit = |s: &Fr| (Fr::ONE - s) * Fr::TWO_INV;
        for t in 0..ROWS {
            let row = &self.tables[(t + STATE_OFFSET) * WIDTH..][..WIDTH];
            for (c, s) in row.iter().enumerate() {
                out[c][t] = bit(s);
            }
        }
        for (q, r) in [0, 1, 2, STATES - 1].into_iter().enumerate() {
            for i in 0..64 {
                out[BOUNDARY + q][i] = bit(&self.tables[r * WIDTH + A + i]);
            }
        }
        debug_assert_eq!((out.len(), BIT_COLUMNS), (COLUMNS, BOUNDARY + 4));
    }
}
