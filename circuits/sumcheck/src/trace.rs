//! The cells of a list of shards: SHA-256 and the sponge, run and written down.

use crate::layout::{A, BIT_COLUMNS, BOUNDARY, CARRIES, CARRY, CARRY_W, CHAIN_ROW, E, ROWS, SPONGE_CELLS, W};
use crate::sponge::{LANES, Permutation, Sponge, from_graph};
use crate::statement::{Plan, Shard, StatementError};
use crate::weights::IV;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rayon::prelude::*;
use zkaggle_graph::packing::pack_data;

/// SHA-256's round constants, FIPS 180-4 section 4.2.2.
pub const K: [u32; ROWS] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

/// Rounds whose state a slot knows: −3 to 64.
pub const STATES: usize = ROWS + 4;
/// Place of round t in an array of [`STATES`]: t + 3.
pub const STATE_OFFSET: usize = 3;

/// One slot of SHA-256. All zero in a slot out of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub w: [u32; ROWS],
    /// a and e before round t at place t + 3.
    pub a: [u32; STATES],
    pub e: [u32; STATES],
    /// The seven carry columns of a row, column 96 lowest.
    pub carries: [u8; ROWS],
}

/// A word that a compression computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// W_t, t from 16 on.
    Schedule(usize),
    /// e and a after round t.
    E(usize),
    A(usize),
}

/// The sponge's part of a slot.
#[derive(Clone, Debug)]
pub struct SpongeSlot {
    pub cells: [Fr; SPONGE_CELLS],
    pub permutation: Permutation,
}

/// All slots in use.
#[derive(Clone, Debug)]
pub struct Trace {
    pub slots: Vec<Slot>,
    pub sponge: Vec<SpongeSlot>,
}

impl Slot {
    /// Zero cells.
    pub const EMPTY: Self = Self {
        w: [0; ROWS],
        a: [0; STATES],
        e: [0; STATES],
        carries: [0; ROWS],
    };

    /// One compression, FIPS 180-4 section 6.2.2: its cells and the state after it.
    pub fn compress(h: &[u32; 8], block: &[u8; 64]) -> (Self, [u32; 8]) {
        Self::compress_with(h, block, |_, x| x)
    }

    /// The same with every computed word passed through `word`, which tests use to be wrong in one.
    pub(crate) fn compress_with(
        h: &[u32; 8],
        block: &[u8; 64],
        mut word: impl FnMut(Step, u32) -> u32,
    ) -> (Self, [u32; 8]) {
        let mut s = Self::EMPTY;
        for (w, b) in s.w.iter_mut().zip(block.chunks_exact(4)) {
            *w = b.iter().fold(0, |w, b| w << 8 | u32::from(*b));
        }
        for t in 16..ROWS {
            let (x, y) = (s.w[t - 15], s.w[t - 2]);
            let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3;
            let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ y >> 10;
            let sum = [s.w[t - 16], s0, s.w[t - 7], s1]
                .iter()
                .map(|x| u64::from(*x))
                .sum::<u64>();
            s.w[t] = word(Step::Schedule(t), sum as u32);
            s.carries[t - 15] |= ((sum >> 32) as u8) << (CARRY_W - CARRY);
        }
        for i in 0..4 {
            s.a[STATE_OFFSET - i] = h[i];
            s.e[STATE_OFFSET - i] = h[4 + i];
        }
        for t in 0..ROWS {
            let r = t + STATE_OFFSET;
            let [a, b, c, d] = std::array::from_fn(|i| s.a[r - i]);
            let [e, f, g, h] = std::array::from_fn(|i| s.e[r - i]);
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let ch = (e & f) ^ (!e & g);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let maj = (a & b) ^ (a & c) ^ (b & c);
            let sum_e = [d, h, s1, ch, K[t], s.w[t]].iter().map(|x| u64::from(*x)).sum::<u64>();
            s.e[r + 1] = word(Step::E(t), sum_e as u32);
            let sum_a = i64::from(s.e[r + 1]) - i64::from(d) + i64::from(s0) + i64::from(maj);
            s.a[r + 1] = word(Step::A(t), sum_a as u32);
            // −1 to 2, plus 1.
            let carry_a = ((sum_a >> 32) + 1) as u8;
            s.carries[t] |= (sum_e >> 32) as u8 | carry_a << 3;
        }
        let mut next = *h;
        for (j, h) in next.iter_mut().enumerate() {
            let last = s.last(j);
            let (sum, carry) = h.overflowing_add(last);
            *h = sum;
            s.carries[CHAIN_ROW + j] |= u8::from(carry) << (CARRY_W - CARRY);
        }
        (s, next)
    }

    /// Word j of the chaining value that enters.
    pub fn entering(&self, j: usize) -> u32 {
        let states = if j < 4 { &self.a } else { &self.e };
        states[STATE_OFFSET - j % 4]
    }

    /// What is added to it at the end.
    pub fn last(&self, j: usize) -> u32 {
        let states = if j < 4 { &self.a } else { &self.e };
        states[STATES - 1 - j % 4]
    }

    /// Chain carry j.
    pub fn chain_carry(&self, j: usize) -> u32 {
        u32::from(self.carries[CHAIN_ROW + j] >> (CARRY_W - CARRY) & 1)
    }

    /// Byte k of the block.
    pub fn byte(&self, k: usize) -> u8 {
        (self.w[k / 4] >> (8 * (3 - k % 4))) as u8
    }

    /// a and e of boundary column q as one word: row i is bit i.
    pub fn boundary(&self, q: usize) -> u64 {
        let r = [0, 1, 2, STATES - 1][q];
        u64::from(self.a[r]) | u64::from(self.e[r]) << 32
    }

    /// The bit columns of the slot: row t is bit t.
    pub fn columns(&self) -> [u64; BIT_COLUMNS] {
        let mut out = [0; BIT_COLUMNS];
        for t in 0..ROWS {
            let r = t + STATE_OFFSET;
            for (column, word) in [(W, self.w[t]), (A, self.a[r]), (E, self.e[r])] {
                for (i, c) in out[column..column + 32].iter_mut().enumerate() {
                    *c |= u64::from(word >> i & 1) << t;
                }
            }
            for (i, c) in out[CARRY..CARRY + CARRIES].iter_mut().enumerate() {
                *c |= u64::from(self.carries[t] >> i & 1) << t;
            }
        }
        for q in 0..4 {
            out[BOUNDARY + q] = self.boundary(q);
        }
        out
    }
}

/// The bytes with their padding, FIPS 180-4 section 5.1.1.
pub(crate) fn blocks(bytes: &[u8]) -> Vec<[u8; 64]> {
    let mut out: Vec<[u8; 64]> = bytes
        .chunks(64)
        .map(|c| {
            let mut block = [0; 64];
            block[..c.len()].copy_from_slice(c);
            block
        })
        .collect();
    let rest = bytes.len() % 64;
    if rest == 0 {
        out.push([0; 64]);
    }
    let end = out.len() - 1;
    out[end][rest] = 0x80;
    if rest >= 56 {
        out.push([0; 64]);
    }
    let end = out.len() - 1;
    out[end][56..].copy_from_slice(&(8 * bytes.len() as u64).to_be_bytes());
    out
}

/// Runs one shard: its public side and its slots.
fn shard(bytes: &[u8]) -> (Shard, Vec<Slot>, Vec<SpongeSlot>) {
    let mut slots = vec![Slot::compress(&[0; 8], &[0; 64]).0];
    let mut h = IV;
    for block in blocks(bytes) {
        let (slot, next) = Slot::compress(&h, &block);
        slots.push(slot);
        h = next;
    }
    let mut digest = [0; 32];
    for (d, w) in digest.chunks_exact_mut(4).zip(h) {
        d.copy_from_slice(&w.to_be_bytes());
    }

    let sponge = Sponge::get();
    let mut cells = Vec::with_capacity(slots.len());
    let mut step = |lanes: [Fr; LANES]| {
        let (c, permutation) = sponge.run(lanes);
        let output = permutation.output;
        cells.push(SpongeSlot { cells: c, permutation });
        output
    };
    let mut state = step([sponge.tag, Fr::from(bytes.len() as u64), Fr::ZERO, Fr::ZERO]);
    for elements in pack_data(bytes) {
        for (s, e) in state[1..].iter_mut().zip(&elements) {
            *s += from_graph(e);
        }
        state = step(state);
    }
    let commitment = state[0];
    if cells.len() < slots.len() {
        // A slot of padding alone: its bytes are absorbed all the same, for nobody.
        let last = &slots[slots.len() - 1];
        let block: Vec<u8> = (0..64).map(|k| last.byte(k)).collect();
        for (s, e) in state[1..].iter_mut().zip(pack_data(&block).iter().flatten()) {
            *s += from_graph(e);
        }
        let (c, permutation) = sponge.run(state);
        cells.push(SpongeSlot { cells: c, permutation });
    }
    let public = Shard {
        digest,
        length: bytes.len() as u32,
        commitment,
    };
    (public, slots, cells)
}

impl Trace {
    /// Runs shards: the statement they make true, where they lie, and the cells.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn new(shards: &[&[u8]]) -> Result<(Vec<Shard>, Plan, Self), StatementError> {
        let plan = Plan::new(shards.iter().map(|b| b.len()))?;
        let runs: Vec<_> = shards.par_iter().map(|b| shard(b)).collect();
        let mut statement = vec![];
        let mut trace = Self {
            slots: Vec::with_capacity(plan.slots),
            sponge: Vec::with_capacity(plan.slots),
        };
        for (public, slots, sponge) in runs {
            statement.push(public);
            trace.slots.extend(slots);
            trace.sponge.extend(sponge);
        }
        Ok((statement, plan, trace))
    }

    /// The bit columns: word b of a column holds the rows of slot b.
    pub fn bit_columns(&self) -> Vec<Vec<u64>> {
        let rows: Vec<[u64; BIT_COLUMNS]> = self.slots.par_iter().map(Slot::columns).collect();
        (0..BIT_COLUMNS)
            .into_par_iter()
            .map(|c| rows.iter().map(|r| r[c]).collect())
            .collect()
    }

    /// The two sponge columns.
    pub fn sponge_columns(&self) -> [Vec<Fr>; 2] {
        [0, 1].map(|half| {
            let mut column = vec![Fr::ZERO; ROWS * self.sponge.len()];
            for (out, slot) in column.chunks_exact_mut(ROWS).zip(&self.sponge) {
                let cells = &slot.cells[half * ROWS..];
                let n = cells.len().min(ROWS);
                out[..n].copy_from_slice(&cells[..n]);
            }
            column
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn digests_and_commitments_are_those_of_the_libraries() {
        for length in (0..131).chain([785, 797, 4096, 65_535, 122_880]) {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 256) as u8).collect();
            let (statement, plan, trace) = Trace::new(&[&bytes]).unwrap();
            let want: [u8; 32] = Sha256::digest(&bytes).into();
            assert_eq!(statement[0].digest, want, "length {length}");
            assert_eq!(
                statement[0].commitment,
                from_graph(&zkaggle_graph::commit::shard(&bytes))
            );
            assert_eq!((trace.slots.len(), trace.sponge.len()), (plan.slots, plan.slots));
        }
    }
}
