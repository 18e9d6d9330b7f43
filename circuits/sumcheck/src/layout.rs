//! Which cell of a column holds what, and the exponents of constraints and claims.
//!
//! A column has 64 rows a slot; the cell of row t in slot b is cell 64·b + t.

/// Rows of a slot: one a round of SHA-256.
pub const ROWS: usize = 64;
/// Variables of a row.
pub const ROW_VARIABLES: usize = 6;
/// Most variables of a slot: 2^14 slots a proof.
pub const MAX_SLOT_VARIABLES: usize = 14;
/// Least variables of a slot: the rounds with small values bind three.
pub const MIN_SLOT_VARIABLES: usize = 3;

/// Bits of W_t.
pub const W: usize = 0;
/// Bits of a before round t.
pub const A: usize = 32;
/// Bits of e before round t.
pub const E: usize = 64;
/// Carries: three of e, two of a, two of the schedule.
pub const CARRY: usize = 96;
/// Number of carry columns.
pub const CARRIES: usize = 7;
/// First column of the schedule's carries.
pub const CARRY_W: usize = 101;
/// a and e at the rows of [`BOUNDARY_T`].
pub const BOUNDARY: usize = 103;
/// Rounds whose state stands in the boundary columns.
pub const BOUNDARY_T: [i32; 4] = [-3, -2, -1, 64];
/// Columns of bits; the two of the sponge follow.
pub const BIT_COLUMNS: usize = 107;
/// First column of sponge cells.
pub const SPONGE: usize = 107;
/// All columns.
pub const COLUMNS: usize = 109;

/// Most variables of a slot at which columns are stacked: those of the longest shard, so that a proof of
/// one shard has the fewest points to add up on chain. An opening over twice the cells takes twice the
/// time and memory, which proofs of many shards, cheap for each of them as they are, do without.
pub const MAX_STACKED_SLOT_VARIABLES: usize = 11;

/// Variables that tell apart the columns of one commitment: 2 to this power of them share it.
pub const fn stack(slot_variables: usize) -> usize {
    (slot_variables <= MAX_STACKED_SLOT_VARIABLES) as usize
}

/// Commitments of a proof: column c is part c mod 2^stack of polynomial ⌊c/2^stack⌋.
pub const fn polynomials(stack: usize) -> usize {
    COLUMNS.div_ceil(1 << stack)
}

/// S-boxes of a permutation: eight full rounds of four lanes, 56 partial ones.
pub const SBOXES: usize = 88;
/// Sponge cells in use: S-box outputs, then the four lanes that enter.
pub const SPONGE_CELLS: usize = SBOXES + 4;
/// Sponge cells of a slot, unused ones included.
pub const SPONGE_ROOM: usize = 2 * ROWS;

/// Row of chain carry 0, in column [`CARRY_W`]; the others follow.
pub const CHAIN_ROW: usize = 56;
/// Rows of the message schedule's constraint.
pub const SCHEDULE: std::ops::RangeInclusive<usize> = 1..=48;

/// Carry cells without a meaning, as (column, row): they are 0.
pub fn idle_carries() -> impl Iterator<Item = (usize, usize)> {
    let low = (0..CHAIN_ROW).filter(|t| !SCHEDULE.contains(t)).map(|t| (CARRY_W, t));
    let high = (0..ROWS).filter(|t| !SCHEDULE.contains(t)).map(|t| (CARRY_W + 1, t));
    low.chain(high)
}
/// How many cells [`idle_carries`] names.
pub const IDLE_CARRIES: usize = 24;

/// Exponents of the constraints' challenge α: the three of a row, then these.
pub mod alpha {
    pub const ROUND_E: usize = 0;
    pub const ROUND_A: usize = 1;
    pub const SCHEDULE: usize = 2;
    /// One a bit column.
    pub const BIT: usize = 3;
    pub const SBOX: usize = BIT + super::BIT_COLUMNS;
    /// One a word of the state.
    pub const CHAIN: usize = SBOX + super::SBOXES;
    /// One a lane.
    pub const SPONGE_INPUT: usize = CHAIN + 8;
    pub const COMMITMENT: usize = SPONGE_INPUT + 4;
    /// One a byte of a block.
    pub const PADDING: usize = COMMITMENT + 1;
    pub const COUNT: usize = PADDING + 64;
}

/// Exponents of the claims' challenge γ: the reads, then these.
pub mod gamma {
    pub const SPONGE: usize = super::read::COUNT;
    pub const LINEAR: usize = SPONGE + super::SPONGE_ROOM;
    pub const IDLE: usize = LINEAR + 1;
    pub const COUNT: usize = IDLE + super::IDLE_CARRIES;
}

/// Places of the reads that a row's constraints make.
pub mod read {
    /// Eight vectors of 32 bits.
    pub const BITS: usize = 0;
    /// Seven packed words.
    pub const WORDS: usize = 256;
    pub const CARRIES: usize = 263;
    pub const BOUNDARY: usize = 270;
    pub const COUNT: usize = 274;
}

/// Name of the constraint at an exponent of α.
pub fn constraint_name(exponent: usize) -> String {
    match exponent {
        alpha::ROUND_E => "round e".into(),
        alpha::ROUND_A => "round a".into(),
        alpha::SCHEDULE => "schedule".into(),
        e if e < alpha::SBOX => format!("bit {}", e - alpha::BIT),
        e if e < alpha::CHAIN => format!("s-box {}", e - alpha::SBOX),
        e if e < alpha::SPONGE_INPUT => format!("chain {}", e - alpha::CHAIN),
        e if e < alpha::COMMITMENT => format!("sponge input {}", e - alpha::SPONGE_INPUT),
        alpha::COMMITMENT => "commitment".into(),
        e => format!("padding byte {}", e - alpha::PADDING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_the_document() {
        assert_eq!((alpha::SBOX, alpha::CHAIN, alpha::SPONGE_INPUT), (110, 198, 206));
        assert_eq!((alpha::COMMITMENT, alpha::PADDING, alpha::COUNT), (210, 211, 275));
        assert_eq!(
            (gamma::SPONGE, gamma::LINEAR, gamma::IDLE, gamma::COUNT),
            (274, 402, 403, 427)
        );
        assert_eq!(idle_carries().count(), IDLE_CARRIES);
        assert_eq!(idle_carries().next(), Some((101, 0)));
        assert_eq!(idle_carries().last(), Some((102, 63)));
    }
}
