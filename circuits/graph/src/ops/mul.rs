//! `mul`: the product of two narrow tensors of one shape, or of `[c, h, w]` and a gate `[c, 1, 1]`.
//!
//! # Range
//! The extreme products.

use super::{Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mul;

fn product(a: Interval, b: Interval) -> Interval {
    let all = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
    all.iter().fold((i64::MAX, i64::MIN), |(l, h), &v| (l.min(v), h.max(v)))
}

impl Rule for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let (a, b) = (x[0].narrow()?, x[1].narrow()?);
        let gate = a.shape.len() == 3 && b.shape == [a.shape[0], 1, 1];
        if a.shape != b.shape && !gate {
            return Err(format!("shapes {:?} and {:?}", a.shape, b.shape));
        }
        let (low, high) = product((a.low, a.high), (b.low, b.high));
        Type::new(a.shape.clone(), low, high)
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (a, b) = (x[0].narrow(), x[1].narrow());
        let each = a.len() / b.len().max(1);
        let y = a
            .iter()
            .enumerate()
            .map(|(i, &a)| i64::from(a) * i64::from(b[i / each.max(1)]));
        Ok(Values::of(out, y))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].iter().zip(x[1]).map(|(&a, &b)| product(a, b)).collect())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        Cost {
            cells: out.elements() as u64,
            multiplications: out.elements() as u64,
            ..Cost::default()
        }
    }
}
