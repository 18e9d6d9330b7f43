//! `affine`: one factor and one offset per index of the first axis.
//!
//! `y[c, …] = w[c]·x[c, …] + b[c]`, weights i16, bias i32. It brings a tensor to the scale a table or
//! another branch asks for, and carries normalisation that folds into no neighbour.
//!
//! # Range
//! `|y| ≤ 2^15·max|x| + 2^31`.

use super::attributes::spelt;
use super::{Attributes, Cost, Escape, Interval, Layout, Rule, Type, Values, sums, times};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affine {
    /// Factors and offsets: 1, or the length of the first axis, or all elements.
    pub factors: usize,
}

spelt!(Affine { factors: number });

impl Rule for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let x = x[0].narrow()?;
        if ![1, x.channels(), x.elements()].contains(&self.factors) {
            return Err(format!("{} factors for shape {:?}", self.factors, x.shape));
        }
        let (low, high) = sums(1, 16, x)?;
        Type::new(x.shape.clone(), low, high)
    }

    fn layout(&self, _: &[&Type]) -> Option<Layout> {
        Some(Layout {
            weights: self.factors,
            bits: 16,
            biases: self.factors,
        })
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], w: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (x, block) = (x[0].narrow(), Block::or_empty(w));
        let each = kinds[0].elements() / self.factors;
        let chunks = x.chunks(each).zip(block.w.iter().zip(&block.b));
        let y = chunks.flat_map(|(x, (&w, &b))| x.iter().map(move |&x| i64::from(w) * i64::from(x) + i64::from(b)));
        Ok(Values::of(out, y))
    }

    fn reach(&self, x: &[&[Interval]], kinds: &[&Type], w: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        let block = Block::or_empty(w);
        let one = |i: usize, x: Interval| {
            let (low, high) = times(i64::from(block.w[i]), x);
            (low + i64::from(block.b[i]), high + i64::from(block.b[i]))
        };
        let per = (self.factors / kinds[0].channels()).max(1);
        let channel = |(c, &x): (usize, &Interval)| {
            let first = if self.factors == 1 { 0 } else { c * per };
            (first..first + per).map(|i| one(i, x)).reduce(super::join).unwrap_or(x)
        };
        Ok(x[0].iter().enumerate().map(channel).collect())
    }

    fn cost(&self, x: &[&Type], out: &Type) -> Cost {
        Cost {
            cells: out.elements() as u64,
            lookups: 0,
            multiplications: out.elements() as u64,
            fixed_cells: self.layout(x).map_or(0, |l| l.bytes() as u64),
        }
    }
}
