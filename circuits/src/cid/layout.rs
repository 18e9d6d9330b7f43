//! Where things are: columns, the 68 rows of a slot, and the slots of a class.
//!
//! `docs/circuits/cid.md` draws this file.

use zkaggle_graph::packing::SHA_BLOCK;

/// Rows of one slot: four of chaining state, sixty-four rounds.
pub const SLOT: usize = 68;
/// Rows from the digest's first row to the end of the domain. Halo2 keeps the last dozen for
/// blinding; the public inputs, in rows 0 to 3, reach back here around the end.
pub const TAIL: usize = 23;
/// Row of the tail with the commitment and the room left under the largest length.
pub const OUTPUT: usize = 2;
/// Public inputs, in rows 0 to 3 of the instance column.
pub const INSTANCES: usize = 4;

/// First of the sixteen message rows of a slot.
pub const MESSAGE: usize = 4;
/// Row that closes a block's message: its elements are absorbed into the next row.
pub const SUMMARY: usize = 20;
/// First state row of the sponge's permutation: four full rounds of two rows each ...
pub const SPONGE: usize = 21;
/// ... twenty-eight rows of two partial rounds ...
pub const PARTIAL: usize = 29;
/// ... four full rounds ...
pub const SECOND_FULL: usize = 57;
/// ... and the state after them.
pub const SPONGE_END: usize = 65;

/// Advice columns by index. Columns below [`SMALL`] hold integers of at most 33 bits.
pub mod col {
    /// Schedule word, bit 0 first.
    pub const W: usize = 0;
    /// Working variable `a`, bit 0 first.
    pub const A: usize = 32;
    /// Working variable `e`, bit 0 first.
    pub const E: usize = 64;
    /// The three words as integers.
    pub const WORD_W: usize = 96;
    pub const WORD_A: usize = 97;
    pub const WORD_E: usize = 98;
    /// Carries of the schedule and of the round's two sums.
    pub const CARRY_W: usize = 99;
    pub const CARRY_A: usize = 100;
    pub const CARRY_E: usize = 101;
    pub const CARRY_E_HIGH: usize = 102;
    /// `σ1` of the schedule word.
    pub const SIGMA_W: usize = 103;
    /// Whether the slot holds a block.
    pub const ACTIVE: usize = 104;
    /// Columns above are small.
    pub const SMALL: usize = 105;
    /// Sponge state; flags on message rows; digest words on chain rows.
    pub const S: usize = 105;
    /// S-box squares; accumulator on message rows; carry of `a` on chain rows.
    pub const X: usize = 109;
    /// Second S-box input; packed chunk on message rows; length on the summary row; the tail's
    /// commitment.
    pub const U: usize = 110;
    /// Second S-box square; byte count on message rows; carry of `e` on chain rows.
    pub const Y: usize = 111;
    /// All advice columns.
    pub const COUNT: usize = 112;
}

/// Fixed columns by index.
pub mod fixed {
    /// 1 where bits are checked, 2 on chain rows too, 3 where `active` may rise as well.
    pub const BITS: usize = 0;
    /// 1 where a round starts, 2 where a schedule step is anchored as well.
    pub const ROUND: usize = 1;
    /// Round constant `K_t` of SHA-256; 1 on the rows of the public inputs, where no round starts.
    pub const K: usize = 2;
    /// 1 on message rows, 2 on summary rows.
    pub const MESSAGE: usize = 3;
    /// 1 where a full round starts, 2 where two partial rounds do.
    pub const SPONGE: usize = 4;
    /// Four parameters whose meaning depends on the row.
    pub const C: usize = 5;
    /// All fixed columns.
    pub const COUNT: usize = 9;
}

/// Blocks that SHA-256 pads `len` bytes to (FIPS 180-4, section 5.1.1).
pub fn blocks(len: usize) -> usize {
    (len + 9).div_ceil(SHA_BLOCK)
}

/// The slots that fit `2^k` rows. Slot 0 has no SHA-256 rows: its permutation absorbs the length
/// when every other slot holds a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    k: u32,
    slots: usize,
}

impl Shape {
    /// The shape with `2^k` rows, when it has room for two blocks: that the first slot for one starts
    /// inactive follows from its not being the last (`docs/circuits/cid.md`).
    pub fn new(k: u32) -> Option<Self> {
        if k > 28 {
            return None;
        }
        let slots = (1usize << k).checked_sub(TAIL + INSTANCES)? / SLOT;
        (slots >= 3).then_some(Self { k, slots })
    }

    pub fn k(&self) -> u32 {
        self.k
    }

    pub fn rows(&self) -> usize {
        1 << self.k
    }

    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Blocks that fit.
    pub fn capacity(&self) -> usize {
        self.slots - 1
    }

    /// First row of slot `i`; `i = slots` is the tail, which holds the digest.
    ///
    /// Slots are aligned to the end, so that the digest has one place relative to the public
    /// inputs whatever `k`.
    pub fn base(&self, i: usize) -> usize {
        self.rows() - TAIL - SLOT * (self.slots - i)
    }

    pub fn tail(&self) -> usize {
        self.base(self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_spills_after_55_bytes() {
        for (len, n) in [
            (1, 1),
            (55, 1),
            (56, 2),
            (64, 2),
            (119, 2),
            (120, 3),
            (23_400, 366),
            (122_880, 1921),
        ] {
            assert_eq!(blocks(len), n, "{len}");
        }
    }

    #[test]
    fn classes_hold_what_they_must() {
        assert_eq!(Shape::new(15).unwrap().capacity(), 480);
        assert_eq!(Shape::new(17).unwrap().capacity(), 1926);
        assert_eq!(Shape::new(7), None);
        assert_eq!(Shape::new(29), None);
        for k in 8..=17 {
            let s = Shape::new(k).unwrap();
            assert!(s.base(0) >= INSTANCES);
            assert_eq!(s.tail() + TAIL, 1 << k);
        }
    }
}
