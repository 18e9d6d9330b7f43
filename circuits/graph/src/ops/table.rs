//! `table`: a function of one number, read from a table.
//!
//! The index is a narrow tensor of `bits`, standing for `x·2^−in`; the entry is
//! `round_half_up(f(x·2^−in)·2^out)`, cut off at i16. Units are powers of two and belong to the
//! architecture: tables are never calibrated. Entries are computed with IEEE additions,
//! multiplications and divisions alone, so that every machine has the same table.
//!
//! # Range
//! Smallest and largest entry over the input's range, which must lie in the table.

use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

/// Fraction bits of a function's parameters.
pub const PARAMETER_BITS: u32 = 16;

/// What a table computes; parameters count in 2^−16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Sigmoid,
    Tanh,
    /// `x` above zero, `alpha·x` below.
    LeakyRelu {
        alpha: i32,
    },
    /// `clamp(alpha·x + beta, 0, 1)`.
    HardSigmoid {
        alpha: i32,
        beta: i32,
    },
    /// `x·clamp(x/6 + 1/2, 0, 1)`.
    HardSwish,
}

/// `e^x` by halving, Taylor and squaring.
fn exp(x: f64) -> f64 {
    let mut halvings = 0;
    let mut y = x;
    while y.abs() > 0.125 && halvings < 64 {
        y *= 0.5;
        halvings += 1;
    }
    let (mut sum, mut term) = (1.0, 1.0);
    for i in 1..16 {
        term = term * y / f64::from(i);
        sum += term;
    }
    (0..halvings).fold(sum, |s, _| s * s)
}

impl Function {
    fn at(self, x: f64) -> f64 {
        let p = |v: i32| f64::from(v) / f64::from(1u32 << PARAMETER_BITS);
        match self {
            Self::Sigmoid => 1.0 / (1.0 + exp(-x)),
            Self::Tanh => 1.0 - 2.0 / (exp(2.0 * x) + 1.0),
            Self::LeakyRelu { alpha } => {
                if x < 0.0 {
                    p(alpha) * x
                } else {
                    x
                }
            }
            Self::HardSigmoid { alpha, beta } => (p(alpha) * x + p(beta)).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        }
    }
}

impl std::fmt::Display for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sigmoid => f.write_str("sigmoid"),
            Self::Tanh => f.write_str("tanh"),
            Self::LeakyRelu { alpha } => write!(f, "leaky_relu,{alpha}"),
            Self::HardSigmoid { alpha, beta } => write!(f, "hard_sigmoid,{alpha},{beta}"),
            Self::HardSwish => f.write_str("hard_swish"),
        }
    }
}

impl std::str::FromStr for Function {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        let mut words = s.split(',');
        let name = words.next().ok_or(())?;
        let numbers: Vec<i32> = words.map(str::parse).collect::<Result<_, _>>().map_err(|_| ())?;
        match (name, numbers[..].as_ref()) {
            ("sigmoid", []) => Ok(Self::Sigmoid),
            ("tanh", []) => Ok(Self::Tanh),
            ("leaky_relu", &[alpha]) => Ok(Self::LeakyRelu { alpha }),
            ("hard_sigmoid", &[alpha, beta]) => Ok(Self::HardSigmoid { alpha, beta }),
            ("hard_swish", []) => Ok(Self::HardSwish),
            _ => Err(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub function: Function,
    /// Width of the index: 2 to 16.
    pub bits: u8,
    /// Fraction bits of the index: 0 to 15.
    pub input: u8,
    /// Fraction bits of the entries: 0 to 15.
    pub output: u8,
}

impl Table {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            function: a.number("function")?,
            bits: a.number("bits")?,
            input: a.number("in")?,
            output: a.number("out")?,
        })
    }

    /// The entry at index `x`.
    pub fn entry(&self, x: i64) -> i64 {
        let y = self.function.at(x as f64 / f64::from(1u32 << self.input));
        let y = (y * f64::from(1u32 << self.output) + 0.5).floor();
        // Cut off at i16, so the cast is exact.
        y.clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i64
    }

    fn span(&self, (low, high): Interval) -> Interval {
        let entries = (low..=high).map(|x| self.entry(x));
        entries.fold((i64::MAX, i64::MIN), |(l, h), v| (l.min(v), h.max(v)))
    }
}

impl Rule for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn write(&self, a: &mut Attributes) {
        a.put("function", self.function);
        a.put("bits", self.bits);
        a.put("in", self.input);
        a.put("out", self.output);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        if !(2..=16).contains(&self.bits) || self.input > 15 || self.output > 15 {
            return Err(format!(
                "bits {}, in {} or out {} out of range (2..=16, 0..=15)",
                self.bits, self.input, self.output
            ));
        }
        let half = 1i64 << (self.bits - 1);
        if x[0].low < -half || x[0].high >= half {
            return Err(format!(
                "its input reaches {}..{}, the table has {} bits",
                x[0].low, x[0].high, self.bits
            ));
        }
        let (low, high) = self.span((x[0].low, x[0].high));
        Type::new(x[0].shape.clone(), low, high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (low, high) = (kinds[0].low, kinds[0].high);
        // Few values read single entries; many read a table made once.
        if (x[0].len() as i64) < high - low {
            return Ok(Values::of(out, x[0].iter().map(|v| self.entry(v))));
        }
        let entries: Vec<i64> = (low..=high).map(|v| self.entry(v)).collect();
        Ok(Values::of(out, x[0].iter().map(|v| entries[(v - low) as usize])))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].iter().map(|&i| self.span(i)).collect())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        let n = out.elements() as u64;
        Cost {
            cells: n,
            lookups: n,
            ..Cost::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_the_function() {
        for x in -2048..2048i32 {
            let real = f64::from(x) / 256.0;
            let t = |function| Table {
                function,
                bits: 12,
                input: 8,
                output: 8,
            };
            let near = |function, want: f64| {
                let got = t(function).entry(i64::from(x)) as f64 / 256.0;
                assert!(
                    (got - want).abs() <= 0.5 / 256.0 + 1e-9,
                    "{function} {real}: {got} {want}"
                );
            };
            near(Function::Sigmoid, 1.0 / (1.0 + (-real).exp()));
            near(Function::Tanh, real.tanh());
            near(
                Function::LeakyRelu { alpha: 1 << 14 },
                if real < 0.0 { real / 4.0 } else { real },
            );
            near(Function::HardSwish, real * (real / 6.0 + 0.5).clamp(0.0, 1.0));
        }
        // Pinned: every machine must have them.
        let t = Table {
            function: Function::Sigmoid,
            bits: 12,
            input: 8,
            output: 15,
        };
        assert_eq!(
            [-2048, -300, 0, 1, 777, 2047].map(|x| t.entry(x)),
            [11, 7750, 16384, 16416, 31265, 32757]
        );
    }
}
