//! `rescale`: an accumulator times a float32 factor, to the last bit as onnxruntime rounds it.
//!
//! A factor is `mantissa·2^exponent` with a 24-bit mantissa, so every float32 is one exactly.
//! `p = x·mantissa`, rounded to 24 significant bits (half to even, as float32 multiplication does),
//! `hi = p·2^exponent`, rounded to an integer (half to even), `y = clamp(hi + zero, min, max) − zero`.
//! x itself is rounded to 24 significant bits first: onnxruntime converts the int32 accumulator to
//! float32.
//!
//! Used for QDQ models alone: their scales are then architecture.
//!
//! # Range
//! `min − zero ..= max − zero`.

use super::attributes::join;
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

/// A positive float32, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// 1 to 2^24 − 1.
    pub mantissa: u32,
    /// −149 to 127.
    pub exponent: i16,
}

impl Factor {
    /// None unless positive, finite and normal or subnormal.
    pub fn of(x: f32) -> Option<Self> {
        if !(x.is_finite() && x > 0.0) {
            return None;
        }
        let bits = x.to_bits();
        let (exponent, fraction) = ((bits >> 23) as i16, bits & 0x7f_ffff);
        let (mut mantissa, mut exponent) = if exponent == 0 {
            (fraction, -149)
        } else {
            (fraction | 0x80_0000, exponent - 150)
        };
        // Odd, so that a factor has one form.
        let even = mantissa.trailing_zeros();
        mantissa >>= even;
        exponent += even as i16;
        Some(Self { mantissa, exponent })
    }

    /// The float32 itself.
    pub fn value(&self) -> f32 {
        // A float64 holds every factor, and a power of two of such an exponent.
        let power = f64::from_bits(((1023 + i64::from(self.exponent)) as u64) << 52);
        (f64::from(self.mantissa) * power) as f32
    }
}

impl std::fmt::Display for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}p{}", self.mantissa, self.exponent)
    }
}

impl std::str::FromStr for Factor {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        let (m, e) = s.split_once('p').ok_or(())?;
        let out = Self {
            mantissa: m.parse().map_err(|_| ())?,
            exponent: e.parse().map_err(|_| ())?,
        };
        let good = out.mantissa % 2 == 1 && out.mantissa < 1 << 24 && (-149..=127).contains(&out.exponent);
        if good { Ok(out) } else { Err(()) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescale {
    /// One, or one per index of the first axis.
    pub factors: Vec<Factor>,
    pub zero: i16,
    pub min: i16,
    pub max: i16,
}

/// `v·2^−shift`, half to even.
fn round_even(v: i128, shift: u32) -> i128 {
    if shift == 0 {
        return v;
    }
    if shift > 120 {
        return 0;
    }
    let (floor, rem, half) = (v >> shift, v & ((1 << shift) - 1), 1i128 << (shift - 1));
    floor + i128::from(rem > half || (rem == half && floor & 1 == 1))
}

/// `v` rounded to 24 significant bits, half to even.
fn float32(v: i128) -> i128 {
    let excess = (128 - v.unsigned_abs().leading_zeros()).saturating_sub(24);
    round_even(v, excess) << excess
}

impl Rescale {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            factors: a.numbers("factors")?,
            zero: a.number("zero")?,
            min: a.number("min")?,
            max: a.number("max")?,
        })
    }

    fn of(&self, x: i64, f: Factor) -> i64 {
        let p = float32(float32(i128::from(x)) * i128::from(f.mantissa));
        let hi = if f.exponent >= 0 {
            // Beyond the clamp either way; 2^20 keeps the product far from overflow.
            p << f.exponent.min(20)
        } else {
            round_even(p, u32::from(f.exponent.unsigned_abs()))
        };
        let (zero, min, max) = (i128::from(self.zero), i128::from(self.min), i128::from(self.max));
        // Between −65,535 and 65,535.
        ((hi + zero).clamp(min, max) - zero) as i64
    }

    fn factor(&self, channel: usize) -> Factor {
        self.factors[if self.factors.len() == 1 { 0 } else { channel }]
    }
}

impl Rule for Rescale {
    fn name(&self) -> &'static str {
        "rescale"
    }

    fn write(&self, a: &mut Attributes) {
        a.put("factors", join(&self.factors, ","));
        a.put("zero", self.zero);
        a.put("min", self.min);
        a.put("max", self.max);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let x = x[0];
        if self.factors.is_empty() || (self.factors.len() > 1 && self.factors.len() != x.channels()) {
            return Err(format!("{} factors for shape {:?}", self.factors.len(), x.shape));
        }
        if self.min >= self.max {
            return Err(format!("min {} not below max {}", self.min, self.max));
        }
        let (zero, min, max) = (i64::from(self.zero), i64::from(self.min), i64::from(self.max));
        Type::new(x.shape.clone(), min - zero, max - zero)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let inner = kinds[0].inner();
        let y = x[0].iter().enumerate().map(|(i, v)| self.of(v, self.factor(i / inner)));
        Ok(Values::of(out, y))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        let one = |(c, &(low, high)): (usize, &Interval)| (self.of(low, self.factor(c)), self.of(high, self.factor(c)));
        Ok(x[0].iter().enumerate().map(one).collect())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        // Product, its rounding to 24 bits, the rounding to an integer: high part and remainder each.
        let n = out.elements() as u64;
        Cost {
            cells: 6 * n,
            lookups: 8 * n,
            ..Cost::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Hardware float32 is the definition.
        #[test]
        fn a_factor_rounds_as_float32_does(x in -(1i64 << 31)..(1 << 31), scale in 1e-9f32..8.0) {
            let r = Rescale { factors: vec![], zero: 3, min: -128, max: 127 };
            let want = ((x as i32 as f32 * scale).round_ties_even() as i64 + 3).clamp(-128, 127) - 3;
            prop_assert_eq!(r.of(x, Factor::of(scale).unwrap()), want);
            // Near the ties, where double rounding shows.
            let near = ((x % 1000) as f32 / 2.0 / scale) as i64;
            let want = ((near as i32 as f32 * scale).round_ties_even() as i64 + 3).clamp(-128, 127) - 3;
            prop_assert_eq!(r.of(i64::from(near as i32), Factor::of(scale).unwrap()), want);
        }

        #[test]
        fn every_float_is_a_factor_and_reads_back(bits in 1u32..0x7f80_0000) {
            let x = f32::from_bits(bits);
            let f = Factor::of(x).unwrap();
            prop_assert_eq!(f.value(), x);
            prop_assert_eq!(f64::from(f.mantissa) * 2f64.powi(i32::from(f.exponent)), f64::from(x));
            prop_assert_eq!(f.to_string().parse::<Factor>(), Ok(f));
        }
    }
}
