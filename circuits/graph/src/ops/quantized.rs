//! `qdq_add` and `qdq_average`: what onnxruntime computes in float32 between quantised bytes.
//!
//! `x` is a byte less its zero point, `s` a scale, everything below one float32 operation at a time
//! in the order written; `round` is to the nearest integer, half to even.
//!
//! ```text
//! qdq_add      r = left/out   t = right/out   o = zero − fma(r, left_zero, t·right_zero)
//!              y = clamp(round(fma(a + left_zero, r, fma(b + right_zero, t, o))), 0, 255) − zero
//! qdq_average  sum = Σ in·x, row by row   y = clamp(round(sum/count/out + zero), 0, 255) − zero
//! ```
//!
//! Signed bytes enter as unsigned ones, 128 larger: so does onnxruntime on the machines it is
//! compared on (x86-64 with FMA). Additions, multiplications, divisions and fused multiply-adds of
//! float32 give the same bits on every machine.
//!
//! Used for QDQ models alone: their scales are then architecture. Each function of two bytes is a
//! table of 2^16 entries to an engine; an average is proved rounding by rounding.
//!
//! # Range
//! `−zero ..= 255 − zero`.

use super::attributes::spelt;
use super::conv::{read_window, write_window};
use super::rescale::Factor;
use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::float::Window;
use crate::weights::Block;

/// A sum of two tensors of bytes, quantised again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QdqAdd {
    pub left: Factor,
    pub left_zero: u8,
    pub right: Factor,
    pub right_zero: u8,
    pub out: Factor,
    pub zero: u8,
}

/// The mean of each window of bytes, quantised again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QdqAverage {
    pub window: Window,
    /// Padding counts as zeros; otherwise not at all.
    pub include_padding: bool,
    pub scale: Factor,
    pub out: Factor,
    pub zero: u8,
}

/// To a byte less its zero point.
fn byte(y: f32, zero: u8) -> i64 {
    // Saturating, and then between 0 and 255.
    (y.round_ties_even() as i64).clamp(0, 255) - i64::from(zero)
}

fn bytes(x: &Type) -> Result<(), String> {
    if x.low < -255 || x.high > 255 {
        return Err(format!("its input reaches {}..{}, beyond a byte", x.low, x.high));
    }
    Ok(())
}

/// Scales so far apart that a quotient leaves float32's normal numbers are refused.
fn comparable(scale: Factor, out: Factor) -> Result<(), String> {
    let ratio = scale.value() / out.value();
    if (2f32.powi(-64)..2f32.powi(64)).contains(&ratio) {
        return Ok(());
    }
    Err(format!("scales {scale} and {out} are too far apart"))
}

fn result(shape: Vec<usize>, zero: u8) -> Result<Type, String> {
    let zero = i64::from(zero);
    Type::new(shape, -zero, 255 - zero)
}

spelt!(QdqAdd {
    left: number,
    left_zero: number,
    right: number,
    right_zero: number,
    out: number,
    zero: number
});

impl QdqAdd {
    /// Ratios and offset, once a tensor.
    fn ratios(&self) -> (f32, f32, f32) {
        let out = self.out.value();
        let (left, right) = (self.left.value() / out, self.right.value() / out);
        let zeros = left.mul_add(f32::from(self.left_zero), right * f32::from(self.right_zero));
        (left, right, f32::from(self.zero) - zeros)
    }
}

impl Rule for QdqAdd {
    fn name(&self) -> &'static str {
        "qdq_add"
    }

    fn write(&self, a: &mut Attributes) {
        self.spell(a);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        x.iter().try_for_each(|x| bytes(x))?;
        comparable(self.left, self.out)?;
        comparable(self.right, self.out)?;
        if x[0].shape != x[1].shape {
            return Err(format!("shapes {:?} and {:?} differ", x[0].shape, x[1].shape));
        }
        result(x[0].shape.clone(), self.zero)
    }

    fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (left, right, offset) = self.ratios();
        let (left_zero, right_zero) = (i16::from(self.left_zero), i16::from(self.right_zero));
        // Within ±510.
        let one = |(&a, &b): (&i16, &i16)| {
            let y = f32::from(b + right_zero).mul_add(right, offset);
            byte(f32::from(a + left_zero).mul_add(left, y), self.zero)
        };
        Ok(Values::of(out, x[0].narrow().iter().zip(x[1].narrow()).map(one)))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(vec![(out.low, out.high); x[0].len()])
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

impl QdqAverage {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            window: read_window(a)?,
            include_padding: a.take("padding").and_then(|v| match v {
                "counts" => Ok(true),
                "none" => Ok(false),
                _ => Err(format!("padding={v}; counts and none are known")),
            })?,
            scale: a.number("in")?,
            out: a.number("out")?,
            zero: a.number("zero")?,
        })
    }
}

impl Rule for QdqAverage {
    fn name(&self) -> &'static str {
        "qdq_average"
    }

    fn write(&self, a: &mut Attributes) {
        write_window(&self.window, a);
        a.put("padding", if self.include_padding { "counts" } else { "none" });
        a.put("in", self.scale);
        a.put("out", self.out);
        a.put("zero", self.zero);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        bytes(x[0])?;
        comparable(self.scale, self.out)?;
        result(super::pool::pooled(&self.window, x[0])?, self.zero)
    }

    fn eval(&self, x: &[&Values], kinds: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (x, w) = (x[0].narrow(), &self.window);
        let [_, h, wide] = kinds[0].image().unwrap_or([1; 3]);
        let [c, oh, ow] = out.image().unwrap_or([1; 3]);
        let (scale, to) = (self.scale.value(), self.out.value());
        let places = w.kernel[0] * w.kernel[1];
        let mut y = Vec::with_capacity(out.elements());
        for (i, r, q) in (0..c).flat_map(|i| (0..oh).flat_map(move |r| (0..ow).map(move |q| (i, r, q)))) {
            let (mut sum, mut count) = (0f32, 0usize);
            for a in (0..w.kernel[0]).filter_map(|k| w.source(0, r, k, h)) {
                for b in (0..w.kernel[1]).filter_map(|k| w.source(1, q, k, wide)) {
                    sum += scale * f32::from(x[(i * h + a) * wide + b]);
                    count += 1;
                }
            }
            // Windows hold at most 2^24 places, which float32 has exactly.
            let count = if self.include_padding { places } else { count } as f32;
            y.push(byte(sum / count / to + f32::from(self.zero), self.zero));
        }
        Ok(Values::of(out, y.into_iter()))
    }

    fn reach(&self, x: &[&[Interval]], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Vec<Interval>, Escape> {
        Ok(vec![(out.low, out.high); x[0].len()])
    }

    fn cost(&self, _: &[&Type], out: &Type) -> Cost {
        // A product, a sum and two quotients, each rounded to 24 bits.
        let (n, window) = (
            out.elements() as u64,
            (self.window.kernel[0] * self.window.kernel[1]) as u64,
        );
        Cost {
            cells: n * (2 * window + 6),
            lookups: n * (2 * window + 6),
            multiplications: n * (window + 2),
            ..Cost::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(x: f32) -> Factor {
        Factor::of(x).unwrap()
    }

    /// Halves go to the even byte, zero point included, as `cvtps2dq` does; the ends saturate.
    #[test]
    fn sums_round_as_float32_does() {
        let op = QdqAdd {
            left: factor(0.5),
            left_zero: 10,
            right: factor(0.25),
            right_zero: 0,
            out: factor(1.0),
            zero: 3,
        };
        let kind = |low, high| Type::new(vec![4], low, high).unwrap();
        let (a, b) = (kind(-10, 245), kind(0, 255));
        let out = op.infer(&[&a, &b]).unwrap();
        let x = [Values::Narrow(vec![1, 3, -10, 245]), Values::Narrow(vec![0, 0, 0, 255])];
        let y = op.eval(&[&x[0], &x[1]], &[&a, &b], None, &out).unwrap();
        // 3.5 → 4, 4.5 → 4, −2 → 0, 189.25 → 189; less the zero point.
        assert_eq!(y.iter().collect::<Vec<_>>(), [1, 1, -3, 186]);
        assert!(op.infer(&[&kind(-256, 0), &b]).is_err());
        let far = QdqAdd {
            out: factor(1e-30),
            ..op
        };
        assert!(far.infer(&[&a, &b]).unwrap_err().contains("far apart"));
    }

    #[test]
    fn averages_round_as_float32_does() {
        let window = Window {
            before: [0, 1],
            ..Window::of([1, 2])
        };
        let op = |include_padding| QdqAverage {
            window,
            include_padding,
            scale: factor(1.0),
            out: factor(1.0),
            zero: 1,
        };
        let kind = Type::new(vec![1, 1, 3], -1, 254).unwrap();
        let x = Values::Narrow(vec![1, 2, 3]);
        let run = |op: QdqAverage| {
            let out = op.infer(&[&kind]).unwrap();
            let y = op.eval(&[&x], &[&kind], None, &out).unwrap();
            y.iter().collect::<Vec<_>>()
        };
        // With the zero point: 1.5 → 2, 2.5 → 2, 3.5 → 4.
        assert_eq!(run(op(true)), [1, 1, 3]);
        assert_eq!(run(op(false)), [1, 1, 3]);
        let mut a = Attributes::default();
        op(true).write(&mut a);
        assert_eq!(QdqAverage::read(&mut a), Ok(op(true)));
    }
}
