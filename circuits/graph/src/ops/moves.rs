//! Operators that only move elements: `reshape`, `transpose`, `concat`, `slice`, `pad`, `upsample`,
//! `spread`. An engine copies cells; nothing is computed.
//!
//! # Range
//! The inputs', joined; with the padding value where there is any.

use super::attributes::spelt;
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values, join, join_all};
use crate::weights::Block;

/// The same elements in another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    pub shape: Vec<usize>,
}

/// Axis `i` of the result is axis `axes[i]` of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transpose {
    pub axes: Vec<usize>,
}

/// Joins tensors along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    pub axis: usize,
}

/// `length[i]` elements from `start[i]` on, every `step[i]`-th, along each axis; steps may be negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub start: Vec<usize>,
    pub step: Vec<isize>,
    pub length: Vec<usize>,
}

/// Elements of `value` before and after each axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pad {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    pub value: i16,
}

/// Repeats rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upsample {
    pub factor: [usize; 2],
}

/// Puts zeros between rows and columns: `h' = (h − 1)·stride + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    pub stride: [usize; 2],
}

/// Largest padding, factor or stride along an axis.
const MAX_GROWTH: usize = 1 << 12;

/// Row-major indices of a shape, one after another.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let count: usize = shape.iter().product();
    (0..count).map(move |mut i| {
        let mut at = vec![0; shape.len()];
        for (a, &d) in at.iter_mut().zip(shape).rev() {
            *a = i % d;
            i /= d;
        }
        at
    })
}

fn place(shape: &[usize], at: impl Iterator<Item = usize>) -> usize {
    shape.iter().zip(at).fold(0, |p, (&d, i)| p * d + i)
}

macro_rules! free {
    () => {
        fn cost(&self, _: &[&Type], _: &Type) -> Cost {
            Cost::default()
        }
    };
}

spelt!(Reshape { shape: numbers });

impl Rule for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let out = Type::new(self.shape.clone(), x[0].low, x[0].high)?;
        if out.elements() != x[0].elements() {
            return Err(format!(
                "shape {:?} has other elements than {:?}",
                x[0].shape, self.shape
            ));
        }
        Ok(out)
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Values, Escape> {
        Ok(x[0].clone())
    }

    fn reach(
        &self,
        x: &[&[Interval]],
        kinds: &[&Type],
        _: Option<&Block>,
        out: &Type,
    ) -> Result<Vec<Interval>, Escape> {
        let (from, to) = (kinds[0].inner(), out.inner());
        let channel = |c: usize| join_all(&x[0][c * to / from..((c + 1) * to - 1) / from + 1], kinds[0]);
        Ok((0..out.channels()).map(channel).collect())
    }

    free!();
}

spelt!(Transpose { axes: numbers });

impl Rule for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..x[0].shape.len()) {
            return Err(format!("axes {:?} of shape {:?}", self.axes, x[0].shape));
        }
        let shape = self.axes.iter().map(|&a| x[0].shape[a]).collect();
        Type::new(shape, x[0].low, x[0].high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let from = &kinds[0].shape;
        Ok(x[0].gather(indices(&out.shape).map(|at| {
            let mut source = vec![0; at.len()];
            for (&a, &i) in self.axes.iter().zip(&at) {
                source[a] = i;
            }
            place(from, source.into_iter())
        })))
    }

    fn reach(
        &self,
        x: &[&[Interval]],
        kinds: &[&Type],
        _: Option<&Block>,
        out: &Type,
    ) -> Result<Vec<Interval>, Escape> {
        if self.axes.first() == Some(&0) {
            return Ok(x[0].to_vec());
        }
        Ok(vec![join_all(x[0], kinds[0]); out.channels()])
    }

    free!();
}

spelt!(Concat { axis: number });

impl Rule for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let mut shape = x[0].shape.clone();
        if self.axis >= shape.len() {
            return Err(format!("axis {} of shape {shape:?}", self.axis));
        }
        for y in &x[1..] {
            let same =
                y.shape.len() == shape.len() && (0..shape.len()).all(|i| i == self.axis || shape[i] == y.shape[i]);
            if !same {
                return Err(format!(
                    "shapes {shape:?} and {:?} do not join along {}",
                    y.shape, self.axis
                ));
            }
            shape[self.axis] = shape[self.axis].saturating_add(y.shape[self.axis]);
        }
        let low = x.iter().map(|t| t.low).min().unwrap_or(0);
        let high = x.iter().map(|t| t.high).max().unwrap_or(0);
        Type::new(shape, low, high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let outer: usize = out.shape[..self.axis].iter().product();
        let each: Vec<usize> = kinds.iter().map(|k| k.elements() / outer.max(1)).collect();
        let y = (0..outer).flat_map(|o| {
            x.iter()
                .zip(&each)
                .flat_map(move |(v, &n)| (o * n..(o + 1) * n).map(move |i| v.get(i)))
        });
        Ok(Values::of(out, y))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        if self.axis == 0 {
            return Ok(x.concat());
        }
        let channel = |c: usize| x.iter().map(|r| r[c]).reduce(join).unwrap_or((0, 0));
        Ok((0..x[0].len()).map(channel).collect())
    }

    free!();
}

spelt!(Slice {
    start: numbers,
    step: numbers,
    length: numbers
});

impl Rule for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let shape = &x[0].shape;
        let rank = shape.len();
        let fits = |i: usize| {
            let last = isize::try_from(self.length[i])
                .ok()
                .and_then(|n| (n - 1).checked_mul(self.step[i]))
                .and_then(|d| self.start[i].checked_add_signed(d));
            self.length[i] > 0 && self.start[i] < shape[i] && last.is_some_and(|l| l < shape[i])
        };
        if [self.start.len(), self.step.len(), self.length.len()] != [rank; 3] || !(0..rank).all(fits) {
            return Err(format!(
                "start {:?}, step {:?}, length {:?} of shape {shape:?}",
                self.start, self.step, self.length
            ));
        }
        Type::new(self.length.clone(), x[0].low, x[0].high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let source = |a: usize, i: usize| self.start[a].saturating_add_signed(i as isize * self.step[a]);
        Ok(x[0].gather(
            indices(&out.shape).map(|at| place(&kinds[0].shape, at.iter().enumerate().map(|(a, &i)| source(a, i)))),
        ))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Vec<Interval>, Escape> {
        let channel = |i: usize| x[0][self.start[0].saturating_add_signed(i as isize * self.step[0])];
        Ok((0..out.channels()).map(channel).collect())
    }

    free!();
}

spelt!(Pad {
    before: numbers,
    after: numbers,
    value: number
});

impl Rule for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let shape = &x[0].shape;
        let small = self.before.iter().chain(&self.after).all(|&p| p <= MAX_GROWTH);
        if [self.before.len(), self.after.len()] != [shape.len(); 2] || !small {
            return Err(format!(
                "padding {:?} and {:?} of shape {shape:?}",
                self.before, self.after
            ));
        }
        let grown = (0..shape.len())
            .map(|i| self.before[i] + shape[i] + self.after[i])
            .collect();
        let (low, high) = join((x[0].low, x[0].high), (i64::from(self.value), i64::from(self.value)));
        Type::new(grown, low, high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let from = &kinds[0].shape;
        let y = indices(&out.shape).map(|at| {
            let inside = |a: usize| at[a].checked_sub(self.before[a]).filter(|&i| i < from[a]);
            let source: Option<Vec<usize>> = (0..from.len()).map(inside).collect();
            source.map_or(i64::from(self.value), |s| x[0].get(place(from, s.into_iter())))
        });
        Ok(Values::of(out, y))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Vec<Interval>, Escape> {
        let value = (i64::from(self.value), i64::from(self.value));
        let inner = self.before[1..].iter().chain(&self.after[1..]).any(|&p| p > 0);
        let channel = |c: usize| match c.checked_sub(self.before[0]).and_then(|i| x[0].get(i)) {
            Some(&i) if inner => join(i, value),
            Some(&i) => i,
            None => value,
        };
        Ok((0..out.channels()).map(channel).collect())
    }

    free!();
}

fn growth([a, b]: [usize; 2]) -> Result<(), String> {
    if [a, b].iter().all(|v| (1..=MAX_GROWTH).contains(v)) {
        Ok(())
    } else {
        Err(format!("{a}x{b} out of range (1 to {MAX_GROWTH})"))
    }
}

spelt!(Upsample { factor: pair });

impl Rule for Upsample {
    fn name(&self) -> &'static str {
        "upsample"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let [c, h, w] = x[0].image()?;
        growth(self.factor)?;
        Type::new(vec![c, h * self.factor[0], w * self.factor[1]], x[0].low, x[0].high)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let [_, h, w] = kinds[0].image().unwrap_or([1; 3]);
        let [c, oh, ow] = out.image().unwrap_or([1; 3]);
        let [fh, fw] = self.factor;
        let rows = (0..c).flat_map(|i| (0..oh).map(move |r| (i * h + r / fh) * w));
        Ok(x[0].gather(rows.flat_map(|row| (0..ow).map(move |q| row + q / fw))))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].to_vec())
    }

    free!();
}

spelt!(Spread { stride: pair });

impl Rule for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let [c, h, w] = x[0].image()?;
        growth(self.stride)?;
        let shape = vec![c, (h - 1) * self.stride[0] + 1, (w - 1) * self.stride[1] + 1];
        Type::new(shape, x[0].low.min(0), x[0].high.max(0))
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let [_, h, w] = kinds[0].image().unwrap_or([1; 3]);
        let [c, oh, ow] = out.image().unwrap_or([1; 3]);
        let [sh, sw] = self.stride;
        let y = (0..c * oh * ow).map(|i| {
            let (r, q) = (i / ow % oh, i % ow);
            if r % sh == 0 && q % sw == 0 {
                x[0].get((i / (oh * ow) * h + r / sh) * w + q / sw)
            } else {
                0
            }
        });
        Ok(Values::of(out, y))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(x[0].iter().map(|&i| join(i, (0, 0))).collect())
    }

    free!();
}
