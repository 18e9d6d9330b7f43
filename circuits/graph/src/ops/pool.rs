//! `max_pool` and `sum_pool`: one value per window and channel.
//!
//! A sum pool adds the window; an average is the same integers at another scale. Places outside the
//! input never win a maximum, and add 0 to a sum.
//!
//! # Range
//! A maximum keeps the input's; a sum has it times the kernel, with 0 where windows are padded.

use super::conv::{read_window, write_window};
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::float::Window;
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    pub window: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumPool {
    pub window: Window,
}

/// Shape of the pooled tensor, when every window holds a place of the input.
pub(crate) fn pooled(w: &Window, x: &Type) -> Result<Vec<usize>, String> {
    let [c, h, wide] = x.image()?;
    let [oh, ow] = w.output([h, wide])?;
    if (0..2).any(|a| w.before[a] >= w.span(a) || w.after[a] >= w.span(a)) {
        return Err("a window may lie wholly in the padding".into());
    }
    Ok(vec![c, oh, ow])
}

/// Folds each window's values.
fn slide(w: &Window, x: &Values, kind: &Type, out: &Type, fold: impl Fn(i64, i64) -> i64) -> Values {
    let [_, h, wide] = kind.image().unwrap_or([1; 3]);
    let [c, oh, ow] = out.image().unwrap_or([1; 3]);
    let mut y = Vec::with_capacity(out.elements());
    for i in 0..c {
        for r in 0..oh {
            for q in 0..ow {
                let mut sum: Option<i64> = None;
                for a in (0..w.kernel[0]).filter_map(|k| w.source(0, r, k, h)) {
                    for b in (0..w.kernel[1]).filter_map(|k| w.source(1, q, k, wide)) {
                        let v = x.get((i * h + a) * wide + b);
                        sum = Some(sum.map_or(v, |s| fold(s, v)));
                    }
                }
                y.push(sum.unwrap_or(0));
            }
        }
    }
    Values::of(out, y.into_iter())
}

impl MaxPool {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            window: read_window(a)?,
        })
    }
}

impl Rule for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn write(&self, a: &mut Attributes) {
        write_window(&self.window, a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        Type::new(pooled(&self.window, x[0])?, x[0].low, x[0].high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        Ok(slide(&self.window, x[0], kinds[0], out, i64::max))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].to_vec())
    }

    fn cost(&self, x: &[&Type], out: &Type) -> Cost {
        // Each value of a window is at most the maximum, by a range check on the difference, and
        // one of them reaches it.
        let window: usize = self.window.kernel.iter().product();
        let _ = x;
        Cost {
            cells: out.elements() as u64,
            lookups: (out.elements() * window) as u64,
            multiplications: (out.elements() * window) as u64,
            ..Cost::default()
        }
    }
}

impl SumPool {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            window: read_window(a)?,
        })
    }

    fn span(&self, (low, high): Interval) -> Interval {
        let n = (self.window.kernel[0] * self.window.kernel[1]) as i64;
        if self.window.before == [0, 0] && self.window.after == [0, 0] {
            (low * n, high * n)
        } else {
            // A window holds 1 to n places, so 0 is no bound by itself: `low` and `n·low` are.
            ((low * n).min(low), (high * n).max(high))
        }
    }
}

impl Rule for SumPool {
    fn name(&self) -> &'static str {
        "sum_pool"
    }

    fn write(&self, a: &mut Attributes) {
        write_window(&self.window, a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let shape = pooled(&self.window, x[0])?;
        // Kernels are at most 2^24 places, ranges 46 bits.
        let wide = |v: i64| i128::from(v) * (self.window.kernel[0] * self.window.kernel[1]) as i128;
        if wide(x[0].low).abs().max(wide(x[0].high).abs()) >> super::WIDE_BITS != 0 {
            return Err("the sums overflow: put a requant in front".into());
        }
        let (low, high) = self.span((x[0].low, x[0].high));
        Type::new(shape, low, high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        Ok(slide(&self.window, x[0], kinds[0], out, |a, b| a + b))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].iter().map(|&i| self.span(i)).collect())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        Cost {
            cells: out.elements() as u64,
            ..Cost::default()
        }
    }
}
