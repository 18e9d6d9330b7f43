//! `dense`: every output reads the whole input, row-major.
//!
//! `y[o] = Σ w[o][i]·x[i] + b[o]`, weights i8 or i16, bias i32.
//!
//! # Range
//! `|y| ≤ inputs·2^(bits−1)·max|x| + 2^31`.

use super::{Attributes, Cost, Escape, Interval, Layout, Rule, Type, Values, dot, step, sums, times};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    pub outputs: usize,
    /// 8 or 16.
    pub bits: u8,
}

impl Dense {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            outputs: a.number("outputs")?,
            bits: a.weight_bits()?,
        })
    }
}

impl Rule for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn write(&self, a: &mut Attributes) {
        a.put("outputs", self.outputs);
        a.put("weights", format!("i{}", self.bits));
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let x = x[0].narrow()?;
        let (low, high) = sums(x.elements(), self.bits, x)?;
        Type::new(vec![self.outputs], low, high)
    }

    fn layout(&self, x: &[&Type]) -> Option<Layout> {
        Some(Layout {
            weights: x[0].elements().saturating_mul(self.outputs),
            bits: self.bits,
            biases: self.outputs,
        })
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], w: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (x, block) = (x[0].narrow(), Block::or_empty(w));
        let step = step(1 << (self.bits - 1), kinds[0].largest());
        let rows = block.w.chunks_exact(x.len()).zip(&block.b);
        Ok(Values::of(out, rows.map(|(row, &b)| dot(row, x, step) + i64::from(b))))
    }

    fn reach(&self, x: &[&[Interval]], kinds: &[&Type], w: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        let (block, inner) = (Block::or_empty(w), kinds[0].inner());
        let row = |(row, &b): (&[i16], &i32)| {
            let start = (i64::from(b), i64::from(b));
            row.chunks(inner).zip(x[0]).fold(start, |sum, (w, &x)| {
                w.iter().fold(sum, |(low, high), &w| {
                    let (a, b) = times(i64::from(w), x);
                    (low + a, high + b)
                })
            })
        };
        Ok(block
            .w
            .chunks_exact(kinds[0].elements())
            .zip(&block.b)
            .map(row)
            .collect())
    }

    fn cost(&self, x: &[&Type], out: &Type) -> Cost {
        Cost {
            cells: out.elements() as u64,
            lookups: 0,
            multiplications: (x[0].elements() * self.outputs) as u64,
            fixed_cells: self.layout(x).map_or(0, |l| l.bytes() as u64),
        }
    }
}
