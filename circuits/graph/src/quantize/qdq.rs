//! Graphs that were quantised before (QuantizeLinear, DequantizeLinear): their integers are kept.
//!
//! A tensor between Quantize and Dequantize holds `q − zero`, so padding is 0 and the zero point of
//! the input never enters a product. An accumulator times `s_x·s_w/s_y` goes through `rescale`, which
//! rounds as onnxruntime's fused kernels do, to the last bit. What those kernels compute in floats
//! (a sum or an average of two scales) has no exact form and is refused.

use super::QuantizeError;
use super::lower::{Lowering, Rep};
use crate::float::{Activation, Node, Op as Float, Quantization, QuantizedWeights, ValueId};
use crate::ops::rescale::Factor;
use crate::ops::{Conv, Dense, Rescale};
use crate::weights::Block;

/// How a float value stands in a quantised graph.
#[derive(Clone, Debug)]
pub(super) enum Exact {
    /// Integers less their zero point.
    Integers { scale: f32, zero: i32 },
    /// Accumulators of a layer: scale of each output channel.
    Sums { scales: Vec<f32>, relu: bool },
    /// The sample times a number, to be quantised.
    Scaled { factor: f32 },
}

/// The one scale and zero point of an activation.
fn single(q: &Quantization) -> Result<(f32, i32), String> {
    match (&q.scale[..], &q.zero[..]) {
        (&[s], &[z]) => Ok((s, z)),
        _ => Err("activations need one scale for the tensor".into()),
    }
}

impl Lowering<'_> {
    /// A layer with integer weights on integers, if it is one.
    pub(super) fn exact_layer(&mut self, node: &Node) -> Result<Option<(Rep, Exact)>, QuantizeError> {
        let (Float::Dense { quantized, b, .. } | Float::Conv { quantized, b, .. }) = &node.op else {
            return Ok(None);
        };
        let (Some(q), Some(Exact::Integers { scale, .. })) = (quantized, self.exact[node.inputs[0].index()].clone())
        else {
            return Ok(None);
        };
        let outputs = b.data.len();
        let block = integers(q, &b.data).map_err(|e| self.fail(node, e))?;
        let bits = if block.w.iter().all(|&w| i8::try_from(w).is_ok()) {
            8
        } else {
            16
        };
        let scales: Vec<f32> = (0..outputs)
            .map(|o| scale * q.scale[if q.scale.len() == 1 { 0 } else { o }])
            .collect();
        let at = match &node.op {
            Float::Conv { window, groups, .. } => {
                let x = self.shaped(node, node.inputs[0])?;
                let op = Conv {
                    outputs,
                    window: *window,
                    groups: *groups,
                    bits,
                };
                self.emit(node, op, &[x.node], Some(block))?
            }
            _ => {
                let x = self.rep(node, node.inputs[0])?;
                self.emit(node, Dense { outputs, bits }, &[x.node], Some(block))?
            }
        };
        let one = q.scale.len() == 1;
        let scale = if one { &scales[..1] } else { &scales[..] };
        let rep = self.moved(node, at, scale.iter().map(|&s| f64::from(s)).collect());
        Ok(Some((rep, Exact::Sums { scales, relu: false })))
    }

    /// A Quantize node.
    pub(super) fn quantize(&mut self, node: &Node, q: &Quantization) -> Result<(Rep, Exact), QuantizeError> {
        let (scale, zero) = single(q).map_err(|e| self.fail(node, e))?;
        let from = node.inputs[0];
        let to = |factors: Vec<Factor>, relu: bool| {
            let low = if relu { q.low.max(zero) } else { q.low };
            // 8-bit integers.
            Rescale {
                factors,
                zero: zero as i16,
                min: low as i16,
                max: q.high as i16,
            }
        };
        let ints = Exact::Integers { scale, zero };
        let rep_scale = vec![f64::from(scale)];
        match self.exact[from.index()].clone() {
            Some(Exact::Sums { scales, relu }) => {
                let x = self.rep(node, from)?;
                let factor = |s: &f32| Factor::of(s / scale).ok_or_else(|| self.fail(node, "a scale underflows"));
                let mut factors = scales.iter().map(factor).collect::<Result<Vec<_>, _>>()?;
                if factors.iter().all(|f| *f == factors[0]) {
                    factors.truncate(1);
                }
                let at = self.emit(node, to(factors, relu), &[x.node], None)?;
                Ok((self.moved(node, at, rep_scale), ints))
            }
            Some(Exact::Integers { scale: s, zero: z }) if (s, z) == (scale, zero) => {
                // A pool or a move between two equal scales changes no integer.
                Ok((self.rep(node, from)?, ints))
            }
            None | Some(Exact::Scaled { .. }) => {
                let times = match self.exact[from.index()] {
                    Some(Exact::Scaled { factor }) => factor,
                    _ => 1.0,
                };
                let x = self.sample(node, from)?;
                let factor = self
                    .input_factor(times, q, scale, zero)
                    .map_err(|e| self.fail(node, e))?;
                let at = self.emit(node, to(vec![factor], false), &[x], None)?;
                Ok((self.moved(node, at, rep_scale), ints))
            }
            Some(Exact::Integers { .. }) => Err(self.fail(
                node,
                "integers of one scale become integers of another without a layer between; there is no exact form",
            )),
        }
    }

    /// The node of the raw sample in the shape of `from`.
    fn sample(&mut self, node: &Node, from: ValueId) -> Result<usize, QuantizeError> {
        let at = match self.exact[from.index()] {
            Some(Exact::Scaled { .. }) => from.producer().map(|i| self.network.nodes()[i].inputs[0]),
            _ => Some(from),
        };
        let x = match at {
            Some(v) => self.shaped(node, v)?,
            None => return Err(self.fail(node, "it quantises nothing")),
        };
        if x.scale == [1.0] {
            return Ok(x.node);
        }
        Err(self.fail(
            node,
            "it quantises floats that were not quantised before; quantise the whole network",
        ))
    }

    /// The factor that quantises every feature value as the file does.
    fn input_factor(&self, times: f32, q: &Quantization, scale: f32, zero: i32) -> Result<Factor, String> {
        let max = i32::from(self.schema.feature_max);
        let good = |f: f32| {
            (0..=max).all(|x| {
                let want = q.quantize(x as f32 * times, 0);
                let got = ((x as f32 * f).round_ties_even() as i32)
                    .saturating_add(zero)
                    .clamp(q.low, q.high);
                want == got
            })
        };
        let start = (times / scale).to_bits();
        // The file divides, `rescale` multiplies: a neighbour of the quotient may agree where it does not.
        let near = (0..64u32).flat_map(|d| [start.wrapping_add(d), start.wrapping_sub(d)]);
        near.map(f32::from_bits)
            .find(|&f| f.is_finite() && f > 0.0 && good(f))
            .and_then(Factor::of)
            .ok_or_else(|| format!("no factor quantises the features 0..{max} exactly as a division by {scale} does"))
    }

    /// How the result of an operator on quantised values stands; the operator is refused where its
    /// integers are not the file's.
    pub(super) fn kept(&self, node: &Node) -> Result<Option<Exact>, QuantizeError> {
        let first = self.exact[node.inputs[0].index()].clone();
        let is_zero = |v: f32| v == 0.0;
        match (&node.op, first) {
            (Float::Quantize(_) | Float::Dequantize(_), _) => Ok(None),
            (Float::Activation(Activation::Relu), Some(Exact::Sums { scales, .. })) => {
                Ok(Some(Exact::Sums { scales, relu: true }))
            }
            (Float::MaxPool { .. } | Float::Reshape { .. } | Float::Transpose { .. } | Float::Slice { .. }, kept)
            | (Float::Upsample { .. } | Float::Spread { .. }, kept @ Some(Exact::Integers { .. })) => Ok(kept),
            (Float::Pad { value, .. }, kept) if is_zero(*value) => Ok(kept),
            _ => Err(self.fail(
                node,
                "on quantised values this is computed in floats by onnxruntime; there is no exact integer form. Export the float network, and quantise it here",
            )),
        }
    }

    /// A sample times a number, read by a Quantize alone: both become one factor.
    pub(super) fn scaled_sample(&mut self, i: usize) -> bool {
        let network = self.network;
        let node = &network.nodes()[i];
        let Float::Affine { scale, offset } = &node.op else {
            return false;
        };
        let alone = |n: &Node| n.inputs != [ValueId::node(i)] || matches!(n.op, Float::Quantize(_));
        let raw = self.reps[node.inputs[0].index()]
            .as_ref()
            .is_some_and(|r| r.scale == [1.0]);
        let plain = scale.data.len() == 1 && offset.data.iter().all(|&b| b == 0.0);
        let quantised = network.nodes().iter().any(|n| n.inputs == [ValueId::node(i)]);
        if !(raw && plain && quantised && network.nodes().iter().all(alone)) || self.activation(i).is_some() {
            return false;
        }
        self.exact[i + 1] = Some(Exact::Scaled { factor: scale.data[0] });
        true
    }
}

/// The layer's integers: weights less their zero point, and the bias.
fn integers(q: &QuantizedWeights, b: &[f32]) -> Result<Block, String> {
    let row = q.weights.len() / b.len().max(1);
    let one = |(i, &w): (usize, &i32)| {
        let zero = q.zero[if q.zero.len() == 1 { 0 } else { i / row.max(1) }];
        i16::try_from(w - zero).map_err(|_| format!("weight {w} with zero point {zero} does not fit 16 bits"))
    };
    let w = q.weights.iter().enumerate().map(one).collect::<Result<Vec<i16>, _>>()?;
    match &q.bias {
        Some(bias) => Ok(Block { w, b: bias.clone() }),
        None if b.iter().all(|&v| v == 0.0) => Ok(Block { w, b: vec![0; b.len()] }),
        None => Err("its bias is no integer of scale s_x·s_w; quantise the bias to int32 too".into()),
    }
}
