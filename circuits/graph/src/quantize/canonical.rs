//! Shift widths, table widths and units: functions of shapes and ranges alone.
//!
//! Everything here ends up in the architecture, so nothing here may look at a weight or a sample.

/// Shift of a requantisation to 8 bits after `inputs` values of magnitude up to `max`: where a
/// typical largest accumulator becomes about 255.
///
/// With weights up to 127 of which most are small, on inputs of which few are large, `Σ w·x` reaches
/// about `64·max·√inputs`; dividing by 256 gives `2^shift = max·√inputs/4`.
pub fn canonical_shift(inputs: usize, max: i64) -> u8 {
    let twice = 2 * ceil_log2(max.unsigned_abs()) + ceil_log2(inputs as u64);
    // The accuracy circuit's remainders stop at 14 bits, and 8-bit features stay below.
    let most = if max <= 255 { 14 } else { 22 };
    // At most (2·46 + 64)/2, so it fits.
    (twice / 2).saturating_sub(2).clamp(1, most) as u8
}

/// Bits of a requantisation's table: every accumulator that weights up to 127 can give without a
/// bias, from 9 up to `most`.
pub fn canonical_bits(inputs: usize, max: i64, shift: u8, most: u8) -> u8 {
    let worst = (inputs as u64).saturating_mul(max.unsigned_abs()).saturating_mul(127) >> shift;
    // At most 65, so it fits.
    (ceil_log2(worst + 1) + 1).clamp(9, u32::from(most)) as u8
}

pub(super) fn ceil_log2(v: u64) -> u32 {
    v.max(1).next_power_of_two().trailing_zeros()
}

/// How an accumulator becomes narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrowing {
    pub shift: u8,
    pub bits: u8,
    pub min: i16,
    pub max: i16,
}

impl Narrowing {
    /// ReLU: eight bits, nothing below zero.
    pub fn relu(inputs: usize, max: i64) -> Self {
        let shift = canonical_shift(inputs, max);
        Self {
            shift,
            bits: canonical_bits(inputs, max, shift, 16),
            min: 0,
            max: 255,
        }
    }

    /// Twelve signed bits: what other layers and branches read.
    pub fn signed(inputs: usize, max: i64) -> Self {
        let shift = canonical_shift(inputs, max).saturating_sub(3);
        Self {
            shift,
            bits: canonical_bits(inputs, max, shift, 18),
            min: -2047,
            max: 2047,
        }
    }

    /// Sixteen signed bits: what is scaled to a table's unit afterwards.
    pub fn fine(inputs: usize, max: i64) -> Self {
        let shift = canonical_shift(inputs, max).saturating_sub(6);
        Self {
            shift,
            bits: canonical_bits(inputs, max, shift, 20),
            min: -32767,
            max: 32767,
        }
    }

    /// Largest magnitude that is not cut off.
    pub fn levels(&self) -> f64 {
        f64::from(self.max).max(-f64::from(self.min))
    }
}

/// Shift behind an `affine`: its factors are fractions of 2^14.
pub const AFFINE_SHIFT: u8 = 14;
/// Bits of the table behind an `affine`.
pub const AFFINE_BITS: u8 = 18;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key depends on these.
    #[test]
    fn shifts_and_bits_are_pinned() {
        for (inputs, max, shift, bits) in [
            (64, 16, 5, 13),
            (784, 255, 11, 15),
            (32, 255, 8, 13),
            (25, 255, 8, 13),
            (1, 1, 1, 9),
            (1 << 16, 255, 14, 16),
        ] {
            let to = Narrowing::relu(inputs, max);
            assert_eq!((to.shift, to.bits), (shift, bits), "{inputs}, {max}");
        }
        assert_eq!([0, 1, 2, 3, 4, 5].map(ceil_log2), [0, 0, 1, 2, 2, 3]);
    }
}
