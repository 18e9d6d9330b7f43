//! `requant`: back to 16 bits or less.
//!
//! `hi = (x + 2^(shift−1)) >> shift` (round half up, towards +∞; `hi = x` for shift 0),
//! `y = clamp(hi, min, max)`. `hi` must lie in `[−2^(bits−1), 2^(bits−1))`, the domain of the table
//! that a proof looks it up in: a model is refused whose weights could leave it
//! ([`crate::reach`]), and the evaluator checks it again. With `min=0` it is ReLU too.
//!
//! # Range
//! `min..=max`, or less where the input's range says so.

use super::attributes::spelt;
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requant {
    /// 0 to 24.
    pub shift: u8,
    /// 2 to 20.
    pub bits: u8,
    pub min: i16,
    pub max: i16,
}

/// Splits `acc` as requantisation does: `(hi, rem)` with `0 ≤ rem < 2^shift`.
pub fn split(acc: i64, shift: u8) -> (i64, u32) {
    if shift == 0 {
        return (acc, 0);
    }
    let v = acc + (1i64 << (shift - 1));
    (v >> shift, (v & ((1i64 << shift) - 1)) as u32)
}

spelt!(Requant {
    shift: number,
    bits: number,
    min: number,
    max: number
});

impl Requant {
    /// The rounded value, when the table holds it.
    fn hi(&self, x: i64) -> Option<i64> {
        let (hi, half) = (split(x, self.shift).0, 1i64 << (self.bits - 1));
        (-half..half).contains(&hi).then_some(hi)
    }

    fn clamp(&self, hi: i64) -> i64 {
        hi.clamp(i64::from(self.min), i64::from(self.max))
    }
}

impl Rule for Requant {
    fn name(&self) -> &'static str {
        "requant"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        if self.shift > 24 || !(2..=20).contains(&self.bits) || self.min >= self.max {
            return Err(format!(
                "shift {} or bits {} out of range (0..=24, 2..=20), or min {} not below max {}",
                self.shift, self.bits, self.min, self.max
            ));
        }
        let end = |v: i64| self.clamp(split(v, self.shift).0);
        Type::new(x[0].shape.clone(), end(x[0].low), end(x[0].high))
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Values, Escape> {
        let one = |(unit, value): (usize, i64)| match self.hi(value) {
            // The clamp is to i16.
            Some(hi) => Ok(self.clamp(hi) as i16),
            None => Err(Escape {
                unit,
                value,
                bits: self.bits,
            }),
        };
        let y: Result<Vec<i16>, Escape> = match x[0] {
            Values::Narrow(v) => v.iter().map(|&v| i64::from(v)).enumerate().map(one).collect(),
            Values::Wide(v) => v.iter().copied().enumerate().map(one).collect(),
        };
        y.map(Values::Narrow)
    }

    fn reach(&self, x: &[&[Interval]], kinds: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        let end = |channel: usize, value: i64| {
            self.hi(value).map(|hi| self.clamp(hi)).ok_or(Escape {
                unit: channel * kinds[0].inner(),
                value,
                bits: self.bits,
            })
        };
        let ends = x[0]
            .iter()
            .enumerate()
            .map(|(i, &(low, high))| Ok((end(i, low)?, end(i, high)?)));
        ends.collect()
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        let n = out.elements() as u64;
        let rem = if self.shift > 0 { n } else { 0 };
        Cost {
            cells: 2 * n + rem,
            lookups: n + rem,
            ..Cost::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_up_and_two_sided() {
        // circomlib-ml accepted 1000 >> 8 = 8.
        assert_eq!(split(1000, 8), (4, 104));
        assert_eq!(split(127, 8), (0, 255));
        assert_eq!(split(128, 8), (1, 0));
        assert_eq!(split(-128, 8), (0, 0));
        assert_eq!(split(-129, 8), (-1, 255));
        assert_eq!(split(-129, 0), (-129, 0));
        for acc in -1000..1000 {
            let (hi, rem) = split(acc, 5);
            assert_eq!(hi * 32 + i64::from(rem), acc + 16);
            assert!(rem < 32);
        }
    }

    #[test]
    fn relu_of_small_positives_is_not_zero() {
        // circomlib-ml's ReLU let 3, 5 and 1000 become 0.
        let relu = Requant {
            shift: 0,
            bits: 16,
            min: 0,
            max: 255,
        };
        assert_eq!([3, 5, 1000, -1].map(|v| relu.clamp(v)), [3, 5, 255, 0]);
    }
}
