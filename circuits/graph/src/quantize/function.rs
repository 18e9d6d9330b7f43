//! Activations: ReLU as a clamp, the others at a unit of their own.

use super::canonical::{INDEX_BITS, INDEX_SHIFT, Narrowing, ceil_log2};
use super::lower::{Lowering, Rep};
use super::{QuantizeError, bound};
use crate::float::{Activation, Node, Op as Float};
use crate::ops::table::{Function, PARAMETER_BITS};
use crate::ops::{Affine, Op, Poly, Requant, Table};
use crate::weights::Block;

impl Lowering<'_> {
    /// An activation that no accumulator in front took up.
    pub(super) fn activate(&mut self, node: &Node, i: usize, x: Rep, a: Activation) -> Result<Rep, QuantizeError> {
        let network = self.network;
        match a {
            Activation::Relu => {
                let kind = self.graph.kind(x.node);
                let (high, shift) = (kind.high, 0);
                let bits = (ceil_log2(kind.largest().unsigned_abs() + 1) + 1).clamp(9, 20) as u8;
                let max = high.clamp(1, i64::from(i16::MAX)) as i16;
                let at = self.emit(
                    node,
                    Requant {
                        shift,
                        bits,
                        min: 0,
                        max,
                    },
                    &[x.node],
                    None,
                )?;
                Ok(self.moved(node, at, x.scale))
            }
            Activation::LeakyRelu { alpha } => {
                let x = self.narrowed(node, node.inputs[0])?;
                let alpha = parameter(alpha).ok_or_else(|| self.fail(node, "alpha is too large"))?;
                let bits = (ceil_log2(self.graph.kind(x.node).largest().unsigned_abs() + 1) + 1) as u8;
                let table = Table {
                    function: Function::LeakyRelu { alpha },
                    bits: bits.clamp(2, 16),
                    input: 8,
                    output: 8,
                };
                let at = self.emit(node, table, &[x.node], None)?;
                Ok(self.moved(node, at, x.scale))
            }
            _ => {
                let x = self.narrowed(node, node.inputs[0])?;
                let fraction = index_fraction(a);
                let fixed = 2f64.powi(-i32::from(fraction));
                let mut to = index(a, fraction).map_err(|e| self.fail(node, e))?;
                // Fewer bits are coarser, so their factors are larger.
                to.shift = INDEX_SHIFT.min(self.affine_shift(std::slice::from_ref(&x), 32767.0));
                let factors = if x.scale.len() == 1 { 1 } else { node.shape[0] };
                let unit = Node {
                    op: Float::Activation(a),
                    ..network.nodes()[i].clone()
                };
                let at = if factors == 1 {
                    let real = x.scale[0] * f64::from(1u32 << to.shift) / fixed;
                    let w = real.round();
                    // As in `combine`.
                    let w = if w == 32768.0 { 32767.0 } else { w };
                    if w > 32767.0 {
                        return Err(self.fail(node, "its input is too coarse for a table"));
                    }
                    let block = Block {
                        w: vec![w as i16],
                        b: vec![0],
                    };
                    let at = self.emit(node, Affine { factors: 1 }, &[x.node], Some(block))?;
                    self.rounded(at, &x, |_| (w, real));
                    at
                } else {
                    let n = node.shape[0];
                    self.combine(&unit, &[x], &[vec![1.0; n]], &vec![0.0; n], &[fixed], to.shift)?
                };
                let wide = at;
                let at = self.narrow(node, wide, to)?;
                if let (Activation::Clip { .. }, Op::Requant(r)) = (a, self.graph.op(at).clone()) {
                    // The clamp is the clip itself; its ends are rounded.
                    let of = |(&e, &reach): (&f64, &(i64, i64))| bound::requant(&r, (e, reach), true) + 0.5;
                    self.errors[at] = self.errors[wide].iter().zip(&self.reach[wide]).map(of).collect();
                }
                self.function(node, at, a, fraction)
            }
        }
    }

    /// The function itself, on an index of `fraction` bits.
    pub(super) fn function(
        &mut self,
        node: &Node,
        at: usize,
        a: Activation,
        fraction: u8,
    ) -> Result<Rep, QuantizeError> {
        let number = |v: f32| parameter(v).ok_or_else(|| self.fail(node, "a parameter is too large"));
        let function = match a {
            Activation::Sigmoid => Function::Sigmoid,
            Activation::Tanh => Function::Tanh,
            Activation::HardSigmoid { alpha, beta } => Function::HardSigmoid {
                alpha: number(alpha)?,
                beta: number(beta)?,
            },
            Activation::HardSwish => Function::HardSwish,
            Activation::Clip { .. } => return Ok(self.moved(node, at, vec![2f64.powi(-i32::from(fraction))])),
            Activation::Polynomial { a, b, c } => {
                let (p, q) = (f64::from(b) / f64::from(a), f64::from(c) / f64::from(a));
                let unit = 2f64.powi(i32::from(fraction));
                let (linear, constant) = ((p * unit).round(), (q * unit * unit).round());
                let fits = |v: f64| v.abs() < f64::from(1 << 26);
                if !(a > 0.0 && fits(linear) && fits(constant)) {
                    return Err(self.fail(node, "a polynomial needs a positive square, and moderate coefficients"));
                }
                let op = Poly {
                    linear: linear as i32,
                    constant: constant as i32,
                };
                let wide = self.emit(node, op, &[at], None)?;
                let kind = self.graph.kind(wide);
                let bits = ceil_log2(kind.largest().unsigned_abs() + 1) + 1;
                let shift = bits.saturating_sub(15) as u8;
                let (min, max) = (-32767, 32767);
                let out = self.emit(
                    node,
                    Requant {
                        shift,
                        bits: 17,
                        min,
                        max,
                    },
                    &[wide],
                    None,
                )?;
                let scale = f64::from(a) / unit / unit * f64::from(1u32 << shift);
                return Ok(self.moved(node, out, vec![scale]));
            }
            Activation::Relu | Activation::LeakyRelu { .. } => return Err(self.fail(node, "it has no unit")),
        };
        let table = Table {
            function,
            bits: 12,
            input: fraction,
            output: fraction,
        };
        let out = self.emit(node, table, &[at], None)?;
        Ok(self.moved(node, out, vec![2f64.powi(-i32::from(fraction))]))
    }
}

/// A function's parameter in 2^−16.
fn parameter(v: f32) -> Option<i32> {
    let scaled = (f64::from(v) * f64::from(1u32 << PARAMETER_BITS)).round();
    (scaled.abs() < f64::from(i32::MAX)).then_some(scaled as i32)
}

/// Fraction bits of the index a function is read at.
pub(super) fn index_fraction(a: Activation) -> u8 {
    match a {
        Activation::HardSwish | Activation::Polynomial { .. } => 6,
        Activation::Clip { low, high } => {
            // Finite bounds as large as 12 bits allow.
            let end = |v: f32| if v.abs() >= f32::MAX { 0.0 } else { f64::from(v.abs()) };
            let top = end(low).max(end(high)).max(2f64.powi(-6));
            let mut fraction = 0;
            while fraction < 12 && top * 2f64.powi(i32::from(fraction) + 1) <= 2047.0 {
                fraction += 1;
            }
            fraction
        }
        _ => 8,
    }
}

/// The narrowing in front of a function.
fn index(a: Activation, fraction: u8) -> Result<Narrowing, String> {
    let (mut min, mut max) = (-2047, 2047);
    if let Activation::Clip { low, high } = a {
        let end = |v: f32| {
            (f64::from(v) * 2f64.powi(i32::from(fraction)))
                .round()
                .clamp(-32767.0, 32767.0) as i16
        };
        (min, max) = (end(low), end(high));
        if min >= max {
            return Err(format!("a clip to {low}..{high} leaves one value"));
        }
    }
    Ok(Narrowing {
        shift: INDEX_SHIFT,
        bits: INDEX_BITS,
        min,
        max,
    })
}
