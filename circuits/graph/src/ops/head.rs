//! `argmax` and `value`: the last operator of a graph, its answer.
//!
//! `argmax` names the index of the largest score, ties to the smallest index; all differences to the
//! largest stay below `2^bits`, or the model is refused. `value` is a regression: the answer is
//! `x·2^−fraction`, compared with labels in fixed point.

use super::attributes::spelt;
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argmax {
    /// 8 to 40.
    pub bits: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// 0 to 24.
    pub fraction: u8,
}

/// Index of the largest score, ties to the smallest index.
pub(crate) fn argmax(scores: impl Iterator<Item = i64>) -> usize {
    let first = |best: (usize, i64), (i, v): (usize, i64)| if v > best.1 { (i, v) } else { best };
    scores.enumerate().fold((0, i64::MIN), first).0
}

impl Argmax {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        let out = Self {
            bits: a.number("bits")?,
        };
        match a.take("ties")? {
            "first" => Ok(out),
            other => Err(format!("ties={other}; ties go to the first")),
        }
    }

    /// Checks the differences between `low` and `high`.
    fn spread(&self, low: i64, high: i64) -> Result<(), Escape> {
        if high - low < 1 << self.bits {
            return Ok(());
        }
        Err(Escape {
            unit: 0,
            value: high - low,
            bits: self.bits,
        })
    }
}

impl Rule for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn write(&self, a: &mut Attributes) {
        a.put("bits", self.bits);
        a.put("ties", "first");
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        if !(8..=40).contains(&self.bits) {
            return Err(format!("bits {} out of range (8..=40)", self.bits));
        }
        Type::new(vec![1], 0, x[0].elements() as i64 - 1)
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let low = x[0].iter().min().unwrap_or(0);
        let high = x[0].iter().max().unwrap_or(0);
        self.spread(low, high)?;
        Ok(Values::of(out, std::iter::once(argmax(x[0].iter()) as i64)))
    }

    fn reach(
        &self,
        x: &[&[Interval]],
        kinds: &[&Type],
        _: Option<&Block>,
        out: &Type,
    ) -> Result<Vec<Interval>, Escape> {
        let (low, high) = super::join_all(x[0], kinds[0]);
        self.spread(low, high)?;
        Ok(vec![(out.low, out.high)])
    }

    fn cost(&self, x: &[&Type], _: &Type) -> Cost {
        let n = x[0].elements() as u64;
        Cost {
            cells: n + 2,
            lookups: n * u64::from(self.bits.div_ceil(8)),
            multiplications: n,
            ..Cost::default()
        }
    }
}

spelt!(Value { fraction: number });

impl Rule for Value {
    fn name(&self) -> &'static str {
        "value"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        if self.fraction > 24 {
            return Err(format!("fraction {} out of range (0..=24)", self.fraction));
        }
        Ok(x[0].clone())
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Values, Escape> {
        Ok(x[0].clone())
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].to_vec())
    }

    fn cost(&self, _: &[&Type], _: &Type) -> Cost {
        Cost::default()
    }
}
