//! Shift widths, table widths and units: functions of shapes and ranges alone.
//!
//! Everything here ends up in the architecture, so nothing here may look at a weight or a sample.

/// Bits of a layer's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightBits {
    Eight,
    /// Of layers that read 16-bit features: columns of a table differ in how much a unit of them means, and a row of
    /// int8 weights would round the small ones to nothing.
    Sixteen,
}

impl WeightBits {
    pub const fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }

    /// Largest magnitude; the smallest integer is left out so that rounding is symmetric.
    pub const fn largest(self) -> i64 {
        (1 << (self.bits() - 1)) - 1
    }
}

/// Shift of a requantisation to 8 bits after `inputs` values of magnitude up to `max`: where a
/// typical largest accumulator becomes about 255.
///
/// With weights up to 127 of which most are small, on inputs of which few are large, `Σ w·x` reaches
/// about `64·max·√inputs`; dividing by 256 gives `2^shift = max·√inputs/4`. Wide weights are given
/// four more bits, about eleven in all, which leaves four for columns whose weights are far larger.
pub fn canonical_shift(inputs: usize, max: i64, weights: WeightBits) -> u8 {
    let twice = 2 * ceil_log2(max.unsigned_abs()) + ceil_log2(inputs as u64);
    // The accuracy circuit's remainders stop at 14 bits, and 8-bit features stay below.
    let (more, most) = match weights {
        WeightBits::Eight if max <= 255 => (0, 14),
        WeightBits::Eight => (0, 22),
        WeightBits::Sixteen => (4, 24),
    };
    // At most (2·46 + 64)/2, so it fits.
    ((twice / 2).saturating_sub(2) + more).clamp(1, most) as u8
}

/// Bits of a requantisation's table: every accumulator that the largest weights can give without a
/// bias, from 9 up to `most`.
pub fn canonical_bits(inputs: usize, max: i64, weights: WeightBits, shift: u8, most: u8) -> u8 {
    let largest = weights.largest().unsigned_abs();
    let worst = (inputs as u64)
        .saturating_mul(max.unsigned_abs())
        .saturating_mul(largest)
        >> shift;
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
    pub fn relu(inputs: usize, max: i64, weights: WeightBits) -> Self {
        let shift = canonical_shift(inputs, max, weights);
        Self {
            shift,
            bits: canonical_bits(inputs, max, weights, shift, 16),
            min: 0,
            max: 255,
        }
    }

    /// Twelve signed bits: what other layers and branches read.
    pub fn signed(inputs: usize, max: i64, weights: WeightBits) -> Self {
        let shift = canonical_shift(inputs, max, weights).saturating_sub(3);
        Self {
            shift,
            bits: canonical_bits(inputs, max, weights, shift, 18),
            min: -2047,
            max: 2047,
        }
    }

    /// Sixteen signed bits: what is scaled to a table's unit afterwards.
    pub fn fine(inputs: usize, max: i64, weights: WeightBits) -> Self {
        let shift = canonical_shift(inputs, max, weights).saturating_sub(6);
        Self {
            shift,
            bits: canonical_bits(inputs, max, weights, shift, 20),
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

/// Shift behind the `affine` that brings sixteen bits to the unit of a function's index: factors are
/// fractions of 2^11, so that one up to sixteen units wide still has its factor.
///
/// int8 weights on inputs of a large scale (squares, say) give coarse accumulators; cutting their
/// scale off at two units cut the weights off instead.
pub const INDEX_SHIFT: u8 = 11;
/// Bits of the table behind it: `32767² >> 11` needs twenty.
pub const INDEX_BITS: u8 = 20;
/// Powers of two between which the scale in front of an index lies, in its unit.
const INDEX_SCALES: (i32, i32) = (-6, 4);

/// Scales a narrowed tensor may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    pub low: f64,
    pub high: f64,
    /// A scale is a multiple of it, so that the factor behind it is an integer and loses nothing; 0
    /// where any will do.
    step: f64,
}

impl Scales {
    /// Whatever reads the tensor takes any scale.
    pub const ANY: Self = Self {
        low: 0.0,
        high: f64::INFINITY,
        step: 0.0,
    };

    /// In front of an index of so many fraction bits.
    pub fn index(fraction: u8) -> Self {
        let power = |p: i32| 2f64.powi(p - i32::from(fraction));
        Self {
            low: power(INDEX_SCALES.0),
            high: power(INDEX_SCALES.1),
            step: power(-i32::from(INDEX_SHIFT)),
        }
    }

    /// In front of an answer of so many fraction bits.
    pub fn value(fraction: u8) -> Self {
        let step = 2f64.powi(-i32::from(fraction));
        Self {
            low: step,
            high: 2f64.powi(-2),
            step,
        }
    }

    /// The nearest scale from `s` up that is a multiple of the step.
    pub fn snap(&self, s: f64) -> f64 {
        if self.step > 0.0 {
            // A multiple stays itself.
            (s / self.step - 1e-6).ceil() * self.step
        } else {
            s
        }
    }

    /// The nearest scale that is allowed.
    pub fn hold(&self, s: f64) -> f64 {
        self.snap(s.clamp(self.low, self.high))
    }
}

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
            let to = Narrowing::relu(inputs, max, WeightBits::Eight);
            assert_eq!((to.shift, to.bits), (shift, bits), "{inputs}, {max}");
        }
        for (inputs, max, shift, bits) in [(1, 1, 4, 12), (30, 32767, 19, 16), (1000, 1000, 17, 16)] {
            let to = Narrowing::relu(inputs, max, WeightBits::Sixteen);
            assert_eq!((to.shift, to.bits), (shift, bits), "{inputs}, {max}");
        }
        assert_eq!([0, 1, 2, 3, 4, 5].map(ceil_log2), [0, 0, 1, 2, 2, 3]);
    }
}
