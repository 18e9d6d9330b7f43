//! `poly`: `y = x² + linear·x + constant`, the activation of circomlib-ml, on a narrow tensor.
//!
//! # Range
//! From the ends of the input's range and the vertex.

use super::attributes::spelt;
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poly {
    pub linear: i32,
    pub constant: i32,
}

spelt!(Poly {
    linear: number,
    constant: number
});

impl Poly {
    fn at(&self, x: i64) -> i64 {
        (x + i64::from(self.linear)) * x + i64::from(self.constant)
    }

    fn interval(&self, (low, high): Interval) -> Interval {
        let vertex = (-i64::from(self.linear)).div_euclid(2);
        let places = [low, high, vertex.clamp(low, high), (vertex + 1).clamp(low, high)];
        places.iter().fold((i64::MAX, i64::MIN), |(l, h), &x| {
            (l.min(self.at(x)), h.max(self.at(x)))
        })
    }
}

impl Rule for Poly {
    fn name(&self) -> &'static str {
        "poly"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let x = x[0].narrow()?;
        let (low, high) = self.interval((x.low, x.high));
        Type::new(x.shape.clone(), low, high)
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        Ok(Values::of(out, x[0].iter().map(|x| self.at(x))))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].iter().map(|&x| self.interval(x)).collect())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        Cost {
            cells: out.elements() as u64,
            multiplications: out.elements() as u64,
            ..Cost::default()
        }
    }
}
