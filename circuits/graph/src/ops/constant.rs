//! `constant`: a trained tensor that no sample changes: i16 weights, part of the commitment.

use super::{Attributes, Cost, Escape, Interval, Layout, Rule, Type, Values};
use crate::weights::Block;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    pub shape: Vec<usize>,
}

impl Constant {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            shape: a.numbers("shape")?,
        })
    }
}

impl Rule for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn write(&self, a: &mut Attributes) {
        a.list("shape", &self.shape);
    }

    fn infer(&self, _: &[&Type]) -> Result<Type, String> {
        Type::new(self.shape.clone(), i64::from(i16::MIN), i64::from(i16::MAX))
    }

    fn layout(&self, _: &[&Type]) -> Option<Layout> {
        Some(Layout {
            weights: self.shape.iter().product(),
            bits: 16,
            biases: 0,
        })
    }

    fn eval(&self, _: &[&Values], _: &[&Type], w: Option<&Block>, _: &Type) -> Result<Values, Escape> {
        Ok(Values::Narrow(Block::or_empty(w).w.clone()))
    }

    fn reach(&self, _: &[&[Interval]], _: &[&Type], w: Option<&Block>, out: &Type) -> Result<Vec<Interval>, Escape> {
        let block = Block::or_empty(w);
        let span = |c: &[i16]| {
            let of = |v: Option<&i16>| v.map_or(0, |&v| i64::from(v));
            (of(c.iter().min()), of(c.iter().max()))
        };
        Ok(block.w.chunks(out.inner()).map(span).collect())
    }

    fn cost(&self, x: &[&Type], _: &Type) -> Cost {
        Cost {
            fixed_cells: self.layout(x).map_or(0, |l| l.bytes() as u64),
            ..Cost::default()
        }
    }
}
