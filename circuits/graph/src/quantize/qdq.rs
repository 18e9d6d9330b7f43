//! Graphs that were quantised before (QuantizeLinear, DequantizeLinear): their integers are kept.
//!
//! A tensor between Quantize and Dequantize holds `q − zero`, so padding is 0 and the zero point of
//! the input never enters a product. An accumulator times `s_x·s_w/s_y` goes through `rescale`, which
//! rounds as onnxruntime's fused kernels do, to the last bit. A sum and an average are computed in
//! float32 there: `qdq_add` and `qdq_average` are those very operations. What onnxruntime leaves in
//! floats, in an order of its own, has no exact form and is refused.

use super::QuantizeError;
use super::lower::{Lowering, Rep};
use crate::float::{Activation, Node, Op as Float, Quantization, QuantizedWeights, ValueId, Window};
use crate::ops::rescale::Factor;
use crate::ops::{Conv, Dense, QdqAdd, QdqAverage, Rescale, SumPool};
use crate::weights::Block;

/// How a float value stands in a quantised graph.
#[derive(Clone, Debug)]
pub(super) enum Exact {
    /// Integers less their zero point.
    Integers(Bytes),
    /// Accumulators of a layer: scale of each output channel.
    Sums { scales: Vec<f32>, relu: bool },
    /// Sum of two values, to be quantised.
    Added { x: [(ValueId, Bytes); 2], relu: bool },
    /// Means of windows, to be quantised.
    Averaged {
        x: (ValueId, Bytes),
        window: Window,
        include_padding: bool,
        /// A global pool, which adds integers.
        global: bool,
        relu: bool,
    },
    /// The sample times a number, to be quantised.
    Scaled { factor: f32 },
}

impl Exact {
    /// Whether floats wait for the Quantize behind them: no integer stands for them yet.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Scaled { .. } | Self::Added { .. } | Self::Averaged { .. })
    }

    /// Whether a ReLU is still to be applied.
    pub fn relu(&self) -> bool {
        match self {
            Self::Sums { relu, .. } | Self::Added { relu, .. } | Self::Averaged { relu, .. } => *relu,
            Self::Integers(_) | Self::Scaled { .. } => false,
        }
    }
}

/// Scale, zero point and smallest integer of a quantised activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bytes {
    scale: f32,
    zero: i32,
    low: i32,
}

impl Bytes {
    /// The one scale and zero point of an activation.
    pub fn of(q: &Quantization) -> Result<Self, String> {
        if q.high - q.low != 255 {
            return Err("onnxruntime computes on 16-bit activations in floats; quantise them to 8 bits".into());
        }
        match (&q.scale[..], &q.zero[..]) {
            (&[scale], &[zero]) => Ok(Self {
                scale,
                zero,
                low: q.low,
            }),
            _ => Err("activations need one scale for the tensor".into()),
        }
    }

    fn factor(&self) -> Result<Factor, String> {
        Factor::of(self.scale).ok_or_else(|| "a scale underflows".into())
    }

    /// Zero point of the same integers as unsigned bytes.
    fn unsigned(&self) -> u8 {
        // The reader has zero points between the ends of their type.
        (self.zero - self.low).clamp(0, 255) as u8
    }
}

impl Lowering<'_> {
    /// A layer with integer weights on integers, if it is one.
    pub(super) fn exact_layer(&mut self, node: &Node) -> Result<Option<(Rep, Exact)>, QuantizeError> {
        let (Float::Dense { quantized, b, .. } | Float::Conv { quantized, b, .. }) = &node.op else {
            return Ok(None);
        };
        let (Some(q), Some(Exact::Integers(Bytes { scale, .. }))) =
            (quantized, self.exact[node.inputs[0].index()].clone())
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
        let to = Bytes::of(q).map_err(|e| self.fail(node, e))?;
        let Bytes { scale, zero, .. } = to;
        let from = node.inputs[0];
        let rescale = |factors: Vec<Factor>| Rescale {
            factors,
            // 8-bit integers.
            zero: zero as i16,
            min: q.low as i16,
            max: q.high as i16,
        };
        let ints = Exact::Integers(to);
        let rep_scale = vec![f64::from(scale)];
        let known = self.exact[from.index()].clone();
        if known.as_ref().is_some_and(Exact::relu) && zero != q.low {
            return Err(self.fail(
                node,
                "a Relu in front of a zero point that is not the smallest integer is computed in floats by onnxruntime; quantise to uint8 with zero point 0 there",
            ));
        }
        let at = match known {
            Some(Exact::Sums { scales, .. }) => {
                let x = self.rep(node, from)?;
                let factor = |s: &f32| Factor::of(s / scale).ok_or_else(|| self.fail(node, "a scale underflows"));
                let mut factors = scales.iter().map(factor).collect::<Result<Vec<_>, _>>()?;
                if factors.iter().all(|f| *f == factors[0]) {
                    factors.truncate(1);
                }
                self.emit(node, rescale(factors), &[x.node], None)?
            }
            Some(Exact::Integers(bytes)) if bytes == to => {
                // A pool or a move between two equal scales changes no integer.
                return Ok((self.rep(node, from)?, ints));
            }
            Some(Exact::Added { x, .. }) => self.added(node, from, x, to)?,
            Some(Exact::Averaged {
                x,
                window,
                include_padding,
                global,
                ..
            }) => {
                if self.readers[from.index()] != 1 {
                    return Err(self.fail(node, "an average that is quantised twice is computed in floats"));
                }
                let places = (window.kernel[0] * window.kernel[1]) as f32;
                let (rep, bytes) = (self.shaped(node, x.0)?, x.1);
                let parts = || Ok((bytes.factor()?, to.factor()?));
                let (scale_in, out) = parts().map_err(|e: String| self.fail(node, e))?;
                if global {
                    let factor = Factor::of(bytes.scale / (scale * places));
                    let factor = factor.ok_or_else(|| self.fail(node, "a scale underflows"))?;
                    let sum = self.emit(node, SumPool { window }, &[rep.node], None)?;
                    self.emit(node, rescale(vec![factor]), &[sum], None)?
                } else {
                    let op = QdqAverage {
                        window,
                        include_padding,
                        scale: scale_in,
                        out,
                        zero: to.unsigned(),
                    };
                    self.emit(node, op, &[rep.node], None)?
                }
            }
            None | Some(Exact::Scaled { .. }) => {
                let times = match known {
                    Some(Exact::Scaled { factor }) => factor,
                    _ => 1.0,
                };
                let x = self.sample(node, from)?;
                let factor = self
                    .input_factor(times, q, scale, zero)
                    .map_err(|e| self.fail(node, e))?;
                self.emit(node, rescale(vec![factor]), &[x], None)?
            }
            Some(Exact::Integers(_)) => {
                return Err(self.fail(
                    node,
                    "integers of one scale become integers of another without a layer between; there is no exact form",
                ));
            }
        };
        Ok((self.moved(node, at, rep_scale), ints))
    }

    /// A sum of two quantised tensors, quantised.
    fn added(
        &mut self,
        node: &Node,
        sum: ValueId,
        x: [(ValueId, Bytes); 2],
        to: Bytes,
    ) -> Result<usize, QuantizeError> {
        if self.readers[sum.index()] != 1 {
            return Err(self.fail(
                node,
                "a sum that is quantised twice is computed in floats by onnxruntime",
            ));
        }
        if node.shape.iter().product::<usize>() == 1 {
            return Err(self.fail(
                node,
                "onnxruntime rounds a sum of single values otherwise than one of tensors",
            ));
        }
        let [left, right] = x.map(|(_, b)| b);
        let parts = || Ok((left.factor()?, right.factor()?, to.factor()?));
        let (l, r, out) = parts().map_err(|e: String| self.fail(node, e))?;
        let op = QdqAdd {
            left: l,
            left_zero: left.unsigned(),
            right: r,
            right_zero: right.unsigned(),
            out,
            zero: to.unsigned(),
        };
        let (a, b) = (self.shaped(node, x[0].0)?, self.shaped(node, x[1].0)?);
        self.emit(node, op, &[a.node, b.node], None)
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
        let (low, high) = self.schema.feature_range();
        let good = |f: f32| {
            (low..=high).all(|x| {
                let x = f32::from(x);
                let want = q.quantize(x * times, 0);
                let got = ((x * f).round_ties_even() as i32)
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
            .ok_or_else(|| {
                format!("no factor quantises the features {low}..{high} exactly as a division by {scale} does")
            })
    }

    /// How the result of an operator on quantised values stands; the operator is refused where its
    /// integers are not the file's.
    pub(super) fn kept(&self, node: &Node) -> Result<Option<Exact>, QuantizeError> {
        let first = self.exact[node.inputs[0].index()].clone();
        let is_zero = |v: f32| v == 0.0;
        let bytes = |v: ValueId| match self.exact[v.index()] {
            Some(Exact::Integers(b)) => Some((v, b)),
            _ => None,
        };
        match (&node.op, first) {
            (Float::Quantize(_) | Float::Dequantize(_), _) => Ok(None),
            (Float::Activation(Activation::Relu), Some(mut waiting)) if !matches!(waiting, Exact::Integers(_)) => {
                match &mut waiting {
                    Exact::Sums { relu, .. } | Exact::Added { relu, .. } | Exact::Averaged { relu, .. } => *relu = true,
                    Exact::Integers(_) | Exact::Scaled { .. } => {}
                }
                Ok(Some(waiting))
            }
            (Float::Add, Some(Exact::Integers(_))) if bytes(node.inputs[1]).is_some() => {
                let x = [node.inputs[0], node.inputs[1]].map(bytes);
                match x {
                    [Some(a), Some(b)] => Ok(Some(Exact::Added {
                        x: [a, b],
                        relu: false,
                    })),
                    _ => Err(self.fail(node, "one of its inputs is not quantised")),
                }
            }
            (
                Float::AveragePool {
                    window,
                    include_padding,
                },
                Some(Exact::Integers(b)),
            ) if node.source != "ReduceMean" => Ok(Some(Exact::Averaged {
                x: (node.inputs[0], b),
                window: *window,
                include_padding: *include_padding,
                global: node.source == "GlobalAveragePool",
                relu: false,
            })),
            (Float::Concat { .. }, Some(Exact::Integers(b)))
                if node.inputs.iter().all(|&v| bytes(v).is_some_and(|(_, other)| other == b)) =>
            {
                Ok(Some(Exact::Integers(b)))
            }
            (
                Float::MaxPool { .. }
                | Float::Reshape { .. }
                | Float::Transpose { .. }
                | Float::Slice { .. }
                | Float::Upsample { .. }
                | Float::Spread { .. },
                kept @ Some(Exact::Integers(_)),
            ) => Ok(kept),
            (Float::Reshape { .. } | Float::Transpose { .. }, Some(Exact::Sums { scales, relu }))
                if scales.iter().all(|s| *s == scales[0]) =>
            {
                Ok(Some(Exact::Sums { scales, relu }))
            }
            (Float::Pad { value, .. }, kept @ Some(Exact::Integers(_))) if is_zero(*value) => Ok(kept),
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
