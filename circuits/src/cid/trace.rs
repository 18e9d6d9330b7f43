//! Witness: every advice cell as a plain table, computed outside the proof system.

use super::layout::{MESSAGE, OUTPUT, PARTIAL, SECOND_FULL, SLOT, SPONGE, SPONGE_END, SUMMARY, Shape, blocks, col};
use super::sha256::{
    BIG_SIGMA_0, BIG_SIGMA_1, IV, K, SMALL_SIGMA_0, SMALL_SIGMA_1, big_sigma, ch, maj, pad, small_sigma, words,
};
use super::sponge::{PAIRS, Rounds, T};
use super::tables::power;
use crate::backend::convert::to_halo;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use zkaggle_graph::graph::MAX_SHARD_BYTES;
use zkaggle_graph::packing::SHA_BLOCK;
use zkaggle_graph::tag::Tag;

/// Values of the advice columns.
///
/// Most cells are bits and words: eight bytes each instead of thirty-two keep the table small next
/// to the prover's polynomials.
#[derive(Clone)]
pub struct Trace {
    small: Vec<Vec<i64>>,
    wide: Vec<Vec<Fr>>,
}

/// What one slot hands to the next.
struct Carry {
    chain: [u32; 8],
    sponge: [Fr; T],
    active: bool,
    full: bool,
    /// Whether the slot has message bytes.
    data: bool,
    count: usize,
}

impl Trace {
    /// The witness of `message` in `shape`, or `None` when it is empty or does not fit.
    pub fn new(shape: &Shape, message: &[u8]) -> Option<Self> {
        let n = blocks(message.len());
        if message.is_empty() || message.len() > MAX_SHARD_BYTES || n > shape.capacity() {
            return None;
        }
        Some(Self::build(shape, &pad(message), message.len()))
    }

    /// The witness for blocks that claim to be `len` bytes of message and their padding. The
    /// constraints, not this function, decide whether they are.
    pub(super) fn build(shape: &Shape, padded: &[u8], len: usize) -> Self {
        let n = padded.len() / SHA_BLOCK;
        let mut t = Self {
            small: vec![vec![0; shape.rows()]; col::SMALL],
            wide: vec![vec![Fr::ZERO; shape.rows()]; col::COUNT - col::SMALL],
        };
        let first = shape.slots() - n;
        let mut carry = Carry {
            chain: IV,
            sponge: [Fr::ZERO; T],
            active: false,
            full: false,
            data: false,
            count: 0,
        };
        let idle = [0; SHA_BLOCK];
        for slot in 0..shape.slots() {
            let base = shape.base(slot);
            let active = slot >= first;
            let block = match slot.checked_sub(first) {
                Some(i) => &padded[SHA_BLOCK * i..SHA_BLOCK * (i + 1)],
                None => &idle,
            };
            if slot > 0 {
                let last = t.rounds(base, &carry.chain, block, carry.active, active);
                let elements = t.message(base, block, len, active, &mut carry);
                let chain = carry.chain;
                carry.chain = if active {
                    std::array::from_fn(|i| chain[i].wrapping_add(last[i]))
                } else {
                    IV
                };
                t.chain_row_carries(base + SLOT, &chain, &last, active);
                t.absorb(base, active, elements, len, &mut carry);
            } else {
                t.absorb(base, active, [Fr::ZERO; 3], len, &mut carry);
            }
            carry.active = active;
        }
        // A last block without message bytes is absorbed by nobody.
        t.tail(shape, &carry.chain, len, carry.data);
        t
    }

    /// The value of a cell.
    pub fn get(&self, column: usize, row: usize) -> Fr {
        match self.small.get(column) {
            Some(c) if c[row] < 0 => -Fr::from(c[row].unsigned_abs()),
            Some(c) => Fr::from(c[row].unsigned_abs()),
            None => self.wide[column - col::SMALL][row],
        }
    }

    /// Whether a cell is zero, as cells are that were never written.
    pub fn is_zero(&self, column: usize, row: usize) -> bool {
        match self.small.get(column) {
            Some(c) => c[row] == 0,
            None => bool::from(self.wide[column - col::SMALL][row].is_zero()),
        }
    }

    fn put(&mut self, column: usize, row: usize, v: impl Into<i64>) {
        self.small[column][row] = v.into();
    }

    fn put_wide(&mut self, column: usize, row: usize, v: Fr) {
        self.wide[column - col::SMALL][row] = v;
    }

    fn word(&mut self, bits: usize, word: usize, row: usize, v: u32) {
        for i in 0..32 {
            self.put(bits + i, row, v >> i & 1);
        }
        self.put(word, row, v);
    }

    fn schedule_word(&mut self, row: usize, v: u32) {
        self.word(col::W, col::WORD_W, row, v);
        self.put(col::SIGMA_W, row, small_sigma(v, SMALL_SIGMA_1));
    }

    fn working(&mut self, row: usize, a: u32, e: u32) {
        self.word(col::A, col::WORD_A, row, a);
        self.word(col::E, col::WORD_E, row, e);
    }

    /// Chain rows and rounds of a block; returns the working variables after round 63.
    fn rounds(&mut self, base: usize, chain: &[u32; 8], block: &[u8], before: bool, active: bool) -> [u32; 8] {
        for i in 0..4 {
            self.working(base + i, chain[3 - i], chain[7 - i]);
            // The tail writes the folded digest over these.
            self.put_wide(col::S, base + i, Fr::from(u64::from(chain[3 - i])));
            self.put_wide(col::S + 1, base + i, Fr::from(u64::from(chain[7 - i])));
            self.put(col::ACTIVE, base + i, before);
        }
        let mut w = [0u32; 64];
        w[..16].copy_from_slice(&words(block));
        for t in 16..64 {
            let sum = [
                w[t - 16],
                small_sigma(w[t - 15], SMALL_SIGMA_0),
                w[t - 7],
                small_sigma(w[t - 2], SMALL_SIGMA_1),
            ]
            .iter()
            .map(|&x| u64::from(x))
            .sum::<u64>();
            w[t] = sum as u32;
            self.put(col::CARRY_W, base + 4 + t - 15, (sum >> 32) as u32);
        }
        let mut v = *chain;
        for t in 0..64 {
            let (row, [a, b, c, d, e, f, g, h]) = (base + 4 + t, v);
            let sum = [d, h, big_sigma(e, BIG_SIGMA_1), ch(e, f, g), K[t], w[t]]
                .iter()
                .map(|&x| u64::from(x))
                .sum::<u64>();
            let e_next = sum as u32;
            let a_sum =
                i64::from(e_next) - i64::from(d) + i64::from(big_sigma(a, BIG_SIGMA_0)) + i64::from(maj(a, b, c));
            self.put(col::CARRY_E, row - 1, (sum >> 32 & 1) as u32);
            self.put(col::CARRY_E_HIGH, row - 1, (sum >> 33) as u32);
            self.put(col::CARRY_A, row - 1, (a_sum >> 32) + 1);
            self.put(col::ACTIVE, row, active);
            self.schedule_word(row, w[t]);
            v = [a_sum as u32, a, b, c, e_next, e, f, g];
            self.working(row, v[0], v[4]);
        }
        v
    }

    /// Carries of `chain + last` beside the sums, in the next slot's chain rows.
    fn chain_row_carries(&mut self, base: usize, chain: &[u32; 8], last: &[u32; 8], active: bool) {
        for i in 0..4 {
            for (column, j) in [(col::X, 3 - i), (col::Y, 7 - i)] {
                let carry = active && chain[j].checked_add(last[j]).is_none();
                self.put_wide(column, base + i, Fr::from(u64::from(carry)));
            }
        }
    }

    /// Flags, chunks and count of a block's message bytes; returns the three chunks.
    fn message(&mut self, base: usize, block: &[u8], len: usize, active: bool, carry: &mut Carry) -> [Fr; 3] {
        // Message bytes from this block on. Idle slots come before the message, and hold none.
        let left = if active { len.saturating_sub(carry.count) } else { 0 };
        // What stands before the block's first byte: the message's beginning, or its latest byte.
        let open = active && (!carry.active || carry.full);
        let flag = |byte: usize| match byte.checked_sub(1) {
            None => open,
            Some(i) => i < left,
        };
        let mut accumulator = Fr::ZERO;
        let mut elements = [Fr::ZERO; 3];
        for t in 0..16 {
            let row = base + MESSAGE + t;
            let mut bytes = [0u64; 4];
            for (i, b) in bytes.iter_mut().enumerate() {
                let at = 4 * t + i;
                self.put_wide(col::S + i, row, Fr::from(u64::from(flag(at))));
                if at < left {
                    *b = u64::from(block[at]);
                }
            }
            let word = bytes.iter().fold(0, |acc, b| acc << 8 | b);
            let low = match t {
                5 => 16,
                10 => 8,
                _ => 0,
            };
            if t > 0 {
                self.put_wide(col::X, row, accumulator);
                accumulator *= power(32 - low);
            }
            let chunk = accumulator + Fr::from(word >> low);
            self.put_wide(col::U, row, chunk);
            accumulator = if low > 0 {
                Fr::from(word & ((1 << low) - 1))
            } else {
                chunk
            };
            match t {
                5 => elements[0] = chunk,
                10 => elements[1] = chunk,
                15 => elements[2] = chunk,
                _ => {}
            }
            self.put_wide(col::Y, row, Fr::from((carry.count + left.min(4 * t)) as u64));
        }
        carry.full = flag(SHA_BLOCK);
        carry.data = flag(1);
        carry.count += left.min(SHA_BLOCK);
        let row = base + SUMMARY;
        self.put_wide(col::S, row, Fr::from(u64::from(carry.full)));
        self.put_wide(col::X, row, accumulator);
        self.put_wide(col::Y, row, Fr::from(carry.count as u64));
        elements
    }

    /// Summary row and permutation of a slot.
    fn absorb(&mut self, base: usize, active: bool, elements: [Fr; 3], len: usize, carry: &mut Carry) {
        let length = Fr::from(len as u64);
        self.put_wide(col::U, base + SUMMARY, length);
        let mut s = [to_halo(&Tag::Shard.field()), length, Fr::ZERO, Fr::ZERO];
        if active {
            s = carry.sponge;
            for (s, e) in s[1..].iter_mut().zip(elements) {
                *s += e;
            }
        }
        let rounds = Rounds::get();
        let mut row = base + SPONGE;
        for r in 0..4 {
            s = self.full_round(rounds, r, row, s);
            row += 2;
        }
        for i in 0..PAIRS {
            let pair = rounds.partial_pair(i, &s);
            let row = base + PARTIAL + i;
            self.state(row, &s);
            self.put_wide(col::X, row, pair.x);
            self.put_wide(col::U, row, pair.u);
            self.put_wide(col::Y, row, pair.y);
            s = pair.next;
        }
        row = base + SECOND_FULL;
        for r in 4..8 {
            s = self.full_round(rounds, r, row, s);
            row += 2;
        }
        self.state(base + SPONGE_END, &s);
        carry.sponge = s;
    }

    fn full_round(&mut self, rounds: &Rounds, r: usize, row: usize, s: [Fr; T]) -> [Fr; T] {
        let (squares, next) = rounds.full_round(r, &s);
        self.state(row, &s);
        self.state(row + 1, &squares);
        next
    }

    fn state(&mut self, row: usize, s: &[Fr; T]) {
        for (j, v) in s.iter().enumerate() {
            self.put_wide(col::S + j, row, *v);
        }
    }

    /// Digest, its folding into two limbs, commitment, and the room left under the largest length.
    fn tail(&mut self, shape: &Shape, digest: &[u32; 8], len: usize, data: bool) {
        let base = shape.tail();
        let mut limbs = [Fr::ZERO; 2];
        for i in (0..4).rev() {
            self.working(base + i, digest[3 - i], digest[7 - i]);
            for (j, limb) in limbs.iter_mut().enumerate() {
                *limb = *limb * power(32) + Fr::from(u64::from(digest[4 * j + 3 - i]));
                self.put_wide(col::S + j, base + i, *limb);
            }
        }
        for i in 0..=4 {
            self.put(col::ACTIVE, base + i, true);
        }
        let end = base - SLOT + SPONGE_END - if data { 0 } else { SLOT };
        self.put_wide(col::U, base + OUTPUT, self.wide[col::S - col::SMALL][end]);
        self.schedule_word(base + OUTPUT, (MAX_SHARD_BYTES as u32).wrapping_sub(len as u32));
    }
}

#[cfg(test)]
impl Trace {
    /// Overwrites a cell; small columns take integers of 62 bits and their negatives.
    pub fn set(&mut self, column: usize, row: usize, v: Fr) {
        use halo2curves::ff::PrimeField;
        if column >= col::SMALL {
            self.put_wide(column, row, v);
            return;
        }
        let small = |x: Fr| -> Option<i64> {
            let r = x.to_repr();
            let mut low = [0; 8];
            low.copy_from_slice(&r[..8]);
            let fits = r[8..].iter().all(|&b| b == 0);
            i64::try_from(u64::from_le_bytes(low)).ok().filter(|_| fits)
        };
        let v = small(v).or_else(|| small(-v).map(|x| -x));
        self.put(column, row, v.expect("the value is a small integer"));
    }
}
