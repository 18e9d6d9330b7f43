//! `conv`: a window slides over `[channels, height, width]`.
//!
//! `y[o, r, c] = Σ w[o][i][p][q] · x[i, r·stride + p·dilation − pad, …] + b[o]` over the channels of
//! the output's group, weights i8 or i16, bias i32; places outside the input are 0. Depthwise has as
//! many groups as channels, a one-dimensional signal is `[channels, 1, length]`.
//!
//! # Range
//! `|y| ≤ taps·2^(bits−1)·max|x| + 2^31`, `taps = channels/groups · kernel`.

use super::{Attributes, Cost, Escape, Interval, Layout, Rule, Type, Values, dot, step, sums, times};
use crate::float::Window;
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    pub outputs: usize,
    pub window: Window,
    pub groups: usize,
    /// 8 or 16.
    pub bits: u8,
}

impl Conv {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            outputs: a.number("outputs")?,
            window: read_window(a)?,
            groups: a.number("groups")?,
            bits: a.weight_bits()?,
        })
    }

    /// Products in one output.
    fn taps(&self, x: &Type) -> usize {
        let [kh, kw] = self.window.kernel;
        x.channels() / self.groups.max(1) * kh * kw
    }
}

pub(crate) fn write_window(w: &Window, a: &mut Attributes) {
    a.pair("kernel", w.kernel);
    a.pair("stride", w.stride);
    a.pair("dilation", w.dilation);
    a.pair("before", w.before);
    a.pair("after", w.after);
}

pub(crate) fn read_window(a: &mut Attributes) -> Result<Window, String> {
    Ok(Window {
        kernel: a.numbers2("kernel")?,
        stride: a.numbers2("stride")?,
        dilation: a.numbers2("dilation")?,
        before: a.numbers2("before")?,
        after: a.numbers2("after")?,
    })
}

/// Rows of a group's inputs, one output position each, `taps` rounded up so that whole vectors are
/// multiplied; the rest is zero.
fn patches(x: &[i16], [h, wide]: [usize; 2], window: &Window, [oh, ow]: [usize; 2], width: usize) -> Vec<i16> {
    let mut out = vec![0i16; oh * ow * width];
    let [kh, kw] = window.kernel;
    let channels = x.len() / (h * wide);
    for (at, row) in out.chunks_exact_mut(width).enumerate() {
        let (r, c) = (at / ow, at % ow);
        for p in 0..kh {
            let Some(source) = window.source(0, r, p, h) else {
                continue;
            };
            for q in 0..kw {
                let Some(column) = window.source(1, c, q, wide) else {
                    continue;
                };
                for i in 0..channels {
                    row[(i * kh + p) * kw + q] = x[(i * h + source) * wide + column];
                }
            }
        }
    }
    out
}

/// Multiple of the vector width that inner products run over.
const LANES: usize = 16;
/// Places that are multiplied by every output's weights before the next: they stay in the cache.
const PLACES: usize = 16;

impl Rule for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn write(&self, a: &mut Attributes) {
        a.put("outputs", self.outputs);
        write_window(&self.window, a);
        a.put("groups", self.groups);
        a.put("weights", format!("i{}", self.bits));
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let x = x[0].narrow()?;
        let [c, h, w] = x.image()?;
        let [oh, ow] = self.window.output([h, w])?;
        if self.groups == 0 || !c.is_multiple_of(self.groups) || !self.outputs.is_multiple_of(self.groups) {
            return Err(format!(
                "{} groups for {c} channels and {} outputs",
                self.groups, self.outputs
            ));
        }
        let (low, high) = sums(self.taps(x), self.bits, x)?;
        Type::new(vec![self.outputs, oh, ow], low, high)
    }

    fn layout(&self, x: &[&Type]) -> Option<Layout> {
        Some(Layout {
            weights: self.taps(x[0]).saturating_mul(self.outputs),
            bits: self.bits,
            biases: self.outputs,
        })
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], w: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (x, block) = (x[0].narrow(), Block::or_empty(w));
        let [_, h, wide] = kinds[0].image().unwrap_or([1; 3]);
        let [_, oh, ow] = out.image().unwrap_or([1; 3]);
        let (taps, step) = (self.taps(kinds[0]), step(1 << (self.bits - 1), kinds[0].largest()));
        let width = taps.next_multiple_of(LANES);
        let (per, inputs) = (self.outputs / self.groups, x.len() / self.groups);
        let places = oh * ow;
        let mut y = vec![0i64; out.elements()];
        let mut row = vec![0i16; width];
        for (g, x) in x.chunks_exact(inputs).enumerate() {
            let patches = patches(x, [h, wide], &self.window, [oh, ow], width);
            for (block_at, part) in patches.chunks(PLACES * width).enumerate() {
                for o in g * per..(g + 1) * per {
                    row[..taps].copy_from_slice(&block.w[o * taps..(o + 1) * taps]);
                    let b = i64::from(block.b[o]);
                    let to = y[o * places + block_at * PLACES..].iter_mut();
                    to.zip(part.chunks_exact(width))
                        .for_each(|(t, p)| *t = dot(&row, p, step) + b);
                }
            }
        }
        Ok(Values::of(out, y.into_iter()))
    }

    fn reach(&self, x: &[&[Interval]], kinds: &[&Type], w: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        let block = Block::or_empty(w);
        let [kh, kw] = self.window.kernel;
        let (taps, per, inputs) = (
            self.taps(kinds[0]),
            self.outputs / self.groups,
            kinds[0].channels() / self.groups,
        );
        let padded = self.window.before != [0, 0] || self.window.after != [0, 0];
        let row = |(o, (row, &b)): (usize, (&[i16], &i32))| {
            let first = o / per * inputs;
            let start = (i64::from(b), i64::from(b));
            row.chunks(kh * kw)
                .zip(&x[0][first..])
                .fold(start, |sum, (w, &(low, high))| {
                    let x = if padded { (low.min(0), high.max(0)) } else { (low, high) };
                    w.iter().fold(sum, |(low, high), &w| {
                        let (a, b) = times(i64::from(w), x);
                        (low + a, high + b)
                    })
                })
        };
        Ok(block.w.chunks_exact(taps).zip(&block.b).enumerate().map(row).collect())
    }

    fn cost(&self, x: &[&Type], out: &Type) -> Cost {
        Cost {
            cells: out.elements() as u64,
            lookups: 0,
            multiplications: (self.taps(x[0]) as u64).saturating_mul(out.elements() as u64),
            fixed_cells: self.layout(x).map_or(0, |l| l.bytes() as u64),
        }
    }
}
