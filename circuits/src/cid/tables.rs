//! Fixed columns of a class: row kinds and constants, the same for every message.

use super::layout::{INSTANCES, MESSAGE, OUTPUT, PARTIAL, SECOND_FULL, SLOT, SPONGE, SUMMARY, Shape, fixed};
use super::sha256::{IV, K};
use super::sponge::{PAIRS, Rounds};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// Values of the fixed columns, `columns[column][row]`.
pub struct Tables {
    pub columns: Vec<Vec<Fr>>,
}

/// `2^bits`.
pub fn power(bits: u64) -> Fr {
    Fr::from(2).pow_vartime([bits])
}

impl Tables {
    pub fn new(shape: &Shape) -> Self {
        let mut t = Self {
            columns: vec![vec![Fr::ZERO; shape.rows()]; fixed::COUNT],
        };
        for i in 0..INSTANCES {
            t.set(fixed::K, i, 1);
            t.set(fixed::C + i, i, 1);
        }
        for slot in 0..shape.slots() {
            let base = shape.base(slot);
            let last = slot + 1 == shape.slots();
            if slot > 0 {
                t.chain(base, false);
                t.rounds(base);
                t.message(base, last);
            }
            t.set(fixed::MESSAGE, base + SUMMARY, 2);
            t.set(fixed::C, base + SUMMARY, u64::from(slot == 0));
            t.set(fixed::C + 1, base + SUMMARY, u64::from(last));
            t.sponge(base);
        }
        t.chain(shape.tail(), true);
        t
    }

    fn set(&mut self, column: usize, row: usize, v: u64) {
        self.columns[column][row] = Fr::from(v);
    }

    /// Rows 0 to 3: the chaining value, `d c b a` and `h g f e` downwards.
    fn chain(&mut self, base: usize, tail: bool) {
        for i in 0..4 {
            let row = base + i;
            self.set(fixed::BITS, row, if i == 3 && !tail { 3 } else { 2 });
            self.set(fixed::C, row, u64::from(IV[3 - i]));
            self.set(fixed::C + 1, row, u64::from(IV[7 - i]));
            if tail && i < 3 {
                self.columns[fixed::C + 3][row] = power(32);
            }
        }
        if tail {
            // The row whose idle word shows that the length is within bounds, and that holds `s`.
            self.set(fixed::C + 2, base + OUTPUT, 1);
        }
    }

    fn rounds(&mut self, base: usize) {
        for (t, k) in K.iter().enumerate() {
            self.set(fixed::BITS, base + 4 + t, 1);
            // A round's gate sits on the row before the one it fills; the schedule's gate for W_t
            // on the row of W_{t-15}, which is t - 15 = 1 ... 48.
            let row = base + 3 + t;
            self.set(fixed::K, row, u64::from(*k));
            self.set(fixed::ROUND, row, if (2..50).contains(&t) { 2 } else { 1 });
        }
    }

    /// Chunks of 22, 21 and 21 bytes: words 5 and 10 are split between two.
    fn message(&mut self, base: usize, last: bool) {
        for t in 0..16 {
            let row = base + MESSAGE + t;
            self.set(fixed::MESSAGE, row, 1);
            // Bits that move on to the next chunk.
            let low = match t {
                5 => 16,
                10 => 8,
                _ => 0,
            };
            if t > 0 {
                self.columns[fixed::C][row] = power(32 - low);
            }
            self.set(fixed::C + 1, row, u64::from(low == 16));
            self.set(fixed::C + 2, row, u64::from(low > 0));
            // The last word of the last block is the length: no message bytes, not absorbed.
            if !(last && t == 15) {
                self.columns[fixed::C + 3][row] = power(low).invert().unwrap_or(Fr::ZERO);
            }
        }
    }

    fn sponge(&mut self, base: usize) {
        let rounds = Rounds::get();
        for (r, constants) in rounds.full.iter().enumerate() {
            let row = base
                + if r < 4 {
                    SPONGE + 2 * r
                } else {
                    SECOND_FULL + 2 * (r - 4)
                };
            self.set(fixed::SPONGE, row, 1);
            for (j, c) in constants.iter().enumerate() {
                self.columns[fixed::C + j][row] = *c;
            }
        }
        for (i, constants) in rounds.partial.iter().enumerate() {
            let row = base + PARTIAL + i;
            self.set(fixed::SPONGE, row, 2);
            for (j, c) in constants.iter().enumerate() {
                self.columns[fixed::C + j][row] = *c;
            }
        }
        debug_assert!(PARTIAL + PAIRS == SECOND_FULL && SECOND_FULL + 8 < SLOT);
    }
}
