//! What is proved, and where in the slots each shard lies.

use crate::layout::{MAX_SLOT_VARIABLES, MIN_SLOT_VARIABLES, ROW_VARIABLES, stack};
use halo2curves::bn256::Fr;
use std::ops::Range;
use zkaggle_graph::graph::MAX_SHARD_BYTES;

/// Slots of the largest proof.
pub const MAX_SLOTS: usize = 1 << MAX_SLOT_VARIABLES;

/// Public side of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// How many bytes.
    pub length: u32,
    /// Shard commitment of the bytes.
    pub commitment: Fr,
}

/// Why a list of shards is no statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error("a statement has at least one shard")]
    Empty,
    #[error("shard {shard} has {length} bytes; the largest has {MAX_SHARD_BYTES}")]
    Length { shard: usize, length: usize },
    #[error("the shards take more than {MAX_SLOTS} slots, the most that one proof holds: split the list")]
    Slots,
}

/// Where a shard lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub length: usize,
    /// Slot in which the sponge takes the length.
    pub lead: usize,
    /// Slot of the last block.
    pub end: usize,
    /// Slot after which the sponge's state 0 is the commitment.
    pub data_end: usize,
}

/// Where all lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub places: Vec<Place>,
    /// Slots in use.
    pub slots: usize,
    /// Variables of a slot's index.
    pub variables: usize,
}

/// Blocks of a message of `length` bytes, FIPS 180-4 section 5.1.1.
pub const fn blocks(length: usize) -> usize {
    (length + 8) / 64 + 1
}

/// Slots of a shard: one for its length, one a block.
pub const fn slots(length: usize) -> usize {
    1 + blocks(length)
}

impl Place {
    /// Bytes of the block in which the message ends.
    pub fn rest(&self) -> usize {
        self.length % 64
    }

    /// First block.
    pub fn first(&self) -> usize {
        self.lead + 1
    }

    /// Slots with known bytes, and the first of them.
    pub fn tails(&self) -> impl Iterator<Item = (usize, usize)> {
        let (q, end) = (self.rest(), self.end);
        let two = q >= 56;
        let first = if two { (end - 1, q) } else { (end, q) };
        std::iter::once(first).chain(two.then_some((end, 0)))
    }

    /// Known bytes of slot `slot` from `from` on, zeros left out, as (byte, value).
    pub fn known_bytes(&self, slot: usize, from: usize) -> impl Iterator<Item = (usize, u8)> {
        let terminator = (from == self.rest()).then_some((from, 0x80));
        let bits = (8 * self.length as u64).to_be_bytes();
        let length = (slot == self.end).then(|| (56..64).zip(bits)).into_iter().flatten();
        terminator.into_iter().chain(length.filter(|(_, b)| *b != 0))
    }

    /// Whether the terminator is packed with the last data.
    pub fn terminator_in_data(&self) -> bool {
        self.rest() != 0
    }

    /// Whether the length is, too.
    pub fn length_in_data(&self) -> bool {
        (1..56).contains(&self.rest())
    }
}

/// Element that byte k of a block is packed into, and the bytes after it there.
pub fn packing(byte: usize) -> (usize, usize) {
    match byte {
        0..22 => (0, 21 - byte),
        22..43 => (1, 42 - byte),
        _ => (2, 63 - byte),
    }
}

impl Plan {
    /// Variables that tell apart the columns of one commitment.
    pub fn stack(&self) -> usize {
        stack(self.variables)
    }

    /// Cells of a committed polynomial, as a power of two: so many powers of tau a proof needs.
    pub fn polynomial_variables(&self) -> usize {
        ROW_VARIABLES + self.variables + self.stack()
    }

    /// Lays shards of these lengths out.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn new(lengths: impl IntoIterator<Item = usize>) -> Result<Self, StatementError> {
        let mut places = vec![];
        let mut next = 0;
        for (shard, length) in lengths.into_iter().enumerate() {
            if length > MAX_SHARD_BYTES {
                return Err(StatementError::Length { shard, length });
            }
            let end = next + blocks(length);
            if end >= MAX_SLOTS {
                return Err(StatementError::Slots);
            }
            let q = length % 64;
            let data_end = if q == 0 || q >= 56 { end - 1 } else { end };
            places.push(Place {
                length,
                lead: next,
                end,
                data_end,
            });
            next = end + 1;
        }
        if places.is_empty() {
            return Err(StatementError::Empty);
        }
        let variables = next.next_power_of_two().trailing_zeros() as usize;
        Ok(Self {
            places,
            slots: next,
            variables: variables.max(MIN_SLOT_VARIABLES),
        })
    }

    /// Lays the shards of a statement out.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn of(statement: &[Shard]) -> Result<Self, StatementError> {
        Self::new(statement.iter().map(|s| s.length as usize))
    }
}

/// Splits a dataset into runs of shards, each small enough for one proof, in order.
///
/// # Errors
/// [`StatementError::Length`].
pub fn split(lengths: &[usize]) -> Result<Vec<Range<usize>>, StatementError> {
    let mut runs: Vec<Range<usize>> = vec![];
    let mut used = 0;
    for (shard, &length) in lengths.iter().enumerate() {
        if length > MAX_SHARD_BYTES {
            return Err(StatementError::Length { shard, length });
        }
        match runs.last_mut() {
            Some(run) if used + slots(length) <= MAX_SLOTS => run.end = shard + 1,
            _ => {
                used = 0;
                runs.push(shard..shard + 1);
            }
        }
        used += slots(length);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The padding, written out from FIPS 180-4 section 5.1.1.
    fn padded(length: usize) -> Vec<u8> {
        let mut m = vec![0xee; length];
        m.push(0x80);
        while m.len() % 64 != 56 {
            m.push(0);
        }
        m.extend((8 * length as u64).to_be_bytes());
        m
    }

    #[test]
    fn tails_are_the_padding() {
        for length in (0..200).chain([4096, 65_535, 122_880]) {
            let plan = Plan::new([3, length]).unwrap();
            let p = plan.places[1];
            let m = padded(length);
            assert_eq!(slots(length), m.len() / 64 + 1);
            assert_eq!((p.lead, p.end), (2, 2 + m.len() / 64));
            let mut known = vec![None; m.len()];
            for (slot, from) in p.tails() {
                let at = 64 * (slot - p.first());
                known[at + from..at + 64].fill(Some(0));
                for (byte, value) in p.known_bytes(slot, from) {
                    assert!(byte >= from);
                    known[at + byte] = Some(value);
                }
            }
            let want: Vec<_> = (0..m.len()).map(|i| (i >= length).then_some(m[i])).collect();
            assert_eq!(known, want, "length {length}");
            assert_eq!(p.data_end - p.lead, length.div_ceil(64));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_split() {
        assert_eq!(Plan::new([]), Err(StatementError::Empty));
        assert_eq!(
            Plan::new([1, 122_881]),
            Err(StatementError::Length {
                shard: 1,
                length: 122_881
            })
        );
        assert_eq!(Plan::new([122_880; 9]), Err(StatementError::Slots));
        assert_eq!(Plan::new([122_880; 8]).unwrap().variables, 14);
        assert_eq!(Plan::new([0]).unwrap().variables, 3);
        assert_eq!(split(&[122_880; 17]).unwrap(), [0..8, 8..16, 16..17]);
        assert_eq!(split(&[]).unwrap(), []);
        let small = vec![0; MAX_SLOTS];
        assert_eq!(split(&small).unwrap(), [0..MAX_SLOTS / 2, MAX_SLOTS / 2..MAX_SLOTS]);
        assert_eq!(Plan::new(vec![0; MAX_SLOTS / 2]).unwrap().slots, MAX_SLOTS);
    }

    #[test]
    fn bytes_pack_as_the_commitment_packs_them() {
        let mut block = [0u8; 64];
        for k in 0..64 {
            block.fill(0);
            block[k] = 1;
            let packed = zkaggle_graph::packing::pack_data(&block)[0];
            let (element, after) = packing(k);
            for (g, x) in packed.iter().enumerate() {
                let bytes = zkaggle_graph::field::to_be_bytes(x);
                let at = bytes.iter().position(|b| *b != 0);
                assert_eq!(at, (g == element).then_some(31 - after), "byte {k}");
            }
        }
    }
}
