//! Layers and sums: accumulators and the narrowing behind them.

use super::QuantizeError;
use super::canonical::{AFFINE_BITS, AFFINE_SHIFT, Narrowing, Scales, WeightBits, ceil_log2};
use super::function::index_fraction;
use super::linear::{Linear, Target};
use super::lower::{Lowering, Rep, VALUE_FRACTION};
use crate::float::{Activation, Ending, Node, Op as Float, ValueId, Window};
use crate::graph::{ARGMAX_BITS, FeatureType};
use crate::ops::{Add, Affine, Conv, Dense, Op, Sub};
use crate::weights::Block;

/// Products of weights and calibration positions that one layer may spend per candidate scale.
const WORK: usize = 1 << 26;

impl Lowering<'_> {
    /// Dense, convolution, affine, sum and difference: accumulators that a narrowing follows.
    pub(super) fn summing(&mut self, i: usize, done: &mut [bool]) -> Result<(), QuantizeError> {
        let network = self.network;
        let node = &network.nodes()[i];
        let last = network.output() == ValueId::node(i) && self.readers[i + 1] == 1;
        let linear = matches!(node.op, Float::Dense { .. } | Float::Conv { .. });
        let bits = match linear {
            true => self.weight_bits(node.inputs[0]),
            false => WeightBits::Eight,
        };
        // Sums of wide products are narrowed first: scores may differ by 24 bits, which would leave
        // their weights hardly any.
        if last && linear && network.ending() != Ending::Values && bits == WeightBits::Eight {
            let rep = self.weighted(node, i, None, Scales::ANY)?;
            self.reps[i + 1] = Some(rep);
            return Ok(());
        }
        let next = self.activation(i);
        let inputs: Vec<usize> = match &node.op {
            Float::Dense { w, .. } | Float::Conv { w, .. } => vec![w.row()],
            _ => vec![1],
        };
        let max = |l: &Self, v: ValueId| {
            l.reps[v.index()]
                .as_ref()
                .map_or(255, |r| l.graph.kind(r.node).largest())
        };
        let max = node.inputs.iter().map(|&v| max(self, v)).max().unwrap_or(255);
        let taps = inputs[0];
        let (shown, to, limits) = match next {
            Some((a, Activation::Relu)) => (a, Narrowing::relu(taps, max, bits), Scales::ANY),
            Some((_, Activation::LeakyRelu { .. })) => (i, Narrowing::signed(taps, max, bits), Scales::ANY),
            Some((_, a)) => (i, Narrowing::fine(taps, max, bits), Scales::index(index_fraction(a))),
            None if last && network.ending() == Ending::Values => {
                (i, Narrowing::fine(taps, max, bits), Scales::value(VALUE_FRACTION))
            }
            None if last && bits == WeightBits::Sixteen => (i, Narrowing::fine(taps, max, bits), Scales::ANY),
            None => (i, Narrowing::signed(taps, max, bits), Scales::ANY),
        };
        let rep = if linear {
            self.weighted(node, shown, Some(to), limits)?
        } else {
            self.aligned(node, shown, to, limits)?
        };
        if shown != i {
            done[shown] = true;
            self.reps[shown + 1] = Some(rep);
        } else {
            self.reps[i + 1] = Some(rep);
        }
        Ok(())
    }

    /// How wide the weights are of a layer that reads `v`: sixteen bits where these are features of
    /// sixteen bits, at most moved.
    pub(super) fn weight_bits(&self, v: ValueId) -> WeightBits {
        let mut at = self.reps[v.index()].as_ref().map(|r| r.node);
        while let Some(node) = at {
            at = match self.graph.op(node) {
                Op::Input if self.schema.feature_type == FeatureType::I16 => return WeightBits::Sixteen,
                Op::Reshape(_) | Op::Transpose(_) | Op::Slice(_) | Op::Pad(_) | Op::Upsample(_) | Op::Spread(_) => {
                    self.graph.inputs(node).first().copied()
                }
                _ => None,
            };
        }
        WeightBits::Eight
    }

    /// A layer; `shown` is the float value its narrow output stands for.
    pub(super) fn weighted(
        &mut self,
        node: &Node,
        shown: usize,
        to: Option<Narrowing>,
        limits: Scales,
    ) -> Result<Rep, QuantizeError> {
        let (w, b, groups, window) = match &node.op {
            Float::Conv {
                w, b, window, groups, ..
            } => (w, b, *groups, Some(*window)),
            Float::Dense { w, b, .. } => (w, b, 1, None),
            _ => return Err(self.fail(node, "it has no weights")),
        };
        let bits = self.weight_bits(node.inputs[0]);
        let x = match window {
            Some(_) => self.shaped(node, node.inputs[0])?,
            None => self.rep(node, node.inputs[0])?,
        };
        let taps = w.row();
        let per_channel = window.map_or(1, |w| w.kernel[0] * w.kernel[1]);
        let all = groups * taps;
        let padded = window.is_some_and(|w| w.before != [0, 0] || w.after != [0, 0]);
        let reach_inner = self.graph.kind(x.node).inner().max(1);
        let reach = (0..all).map(|t| match window {
            Some(_) => {
                let (low, high) = self.reach[x.node][t / per_channel];
                if padded { (low.min(0), high.max(0)) } else { (low, high) }
            }
            None => self.reach[x.node][t / reach_inner],
        });
        let errors: Vec<f64> = (0..all)
            .map(|t| {
                self.errors[x.node][if window.is_some() {
                    t / per_channel
                } else {
                    t / reach_inner
                }]
            })
            .collect();
        let scale = (0..all).map(|t| match window {
            Some(_) if x.scale.len() > 1 => x.scale[t / per_channel],
            _ => x.at(if window.is_some() { 0 } else { t }),
        });
        let (patches, wanted) = self.positions(&x, window, w.data.len(), all, shown, b.data.len());
        let linear = Linear {
            layer: &node.name,
            bits,
            w: &w.data,
            b: &b.data,
            taps,
            groups,
            scale: scale.collect(),
            reach: reach.collect(),
            input_max: self.graph.kind(x.node).largest(),
            patches,
            wanted,
        };
        let target = match to {
            Some(to) => Target::Narrow { to, limits },
            None => Target::Scores {
                bits: ARGMAX_BITS as u8,
            },
        };
        let (scales, block) = linear.choose(target, to.is_none() || self.uniform[shown + 1], self.method)?;
        let unit = to.map_or(1.0, |to| f64::from(1u32 << to.shift));
        let lost = linear.lost(&scales.iter().map(|s| s / unit).collect::<Vec<_>>(), &block, &errors);
        let outputs = b.data.len();
        let at = match window {
            Some(window) => {
                let op = Conv {
                    outputs,
                    window,
                    groups,
                    bits: bits.bits(),
                };
                self.emit(node, op, &[x.node], Some(block))?
            }
            None => self.emit(
                node,
                Dense {
                    outputs,
                    bits: bits.bits(),
                },
                &[x.node],
                Some(block),
            )?,
        };
        self.lose(at, |o| lost[o]);
        let at = match to {
            Some(to) => self.narrow(node, at, to)?,
            None => at,
        };
        Ok(self.moved(node, at, scales))
    }

    /// Calibration inputs of a layer at a few places, and what the float network has there.
    pub(super) fn positions(
        &self,
        x: &Rep,
        window: Option<Window>,
        weights: usize,
        all: usize,
        shown: usize,
        outputs: usize,
    ) -> (Vec<i16>, Vec<Vec<f32>>) {
        let samples = self.values[x.node].len();
        let shape = self.network.nodes()[shown].shape.as_slice();
        let places: usize = if window.is_some() { shape[1] * shape[2] } else { 1 };
        let total = samples * places;
        let count = (WORK / weights.max(1)).clamp(32, 1024).min(total);
        let mut patches = vec![0i16; count * all];
        let mut wanted = vec![Vec::with_capacity(count); outputs];
        for (j, patch) in patches.chunks_exact_mut(all).enumerate() {
            // Spread over samples and places by a stride that shares no factor with image widths.
            let at = if count == total {
                j
            } else {
                (j * 7919 + j * total / count) % total
            };
            let (s, p) = (at / places, at % places);
            let values = &self.values[x.node][s];
            match window {
                None => patch
                    .iter_mut()
                    .enumerate()
                    .for_each(|(t, v)| *v = values.get(t) as i16),
                Some(w) => {
                    let (h, wide) = (x.shape[1], x.shape[2]);
                    let (r, q) = (p / shape[2], p % shape[2]);
                    let [kh, kw] = w.kernel;
                    for (t, v) in patch.iter_mut().enumerate() {
                        let (c, k) = (t / (kh * kw), t % (kh * kw));
                        if let (Some(a), Some(b)) = (w.source(0, r, k / kw, h), w.source(1, q, k % kw, wide)) {
                            // Narrow: the graph asks for it.
                            *v = values.get((c * h + a) * wide + b) as i16;
                        }
                    }
                }
            }
            for (o, column) in wanted.iter_mut().enumerate() {
                column.push(self.floats[s][shown + 1][o * places + p]);
            }
        }
        (patches, wanted)
    }

    /// Largest float magnitude of a value, per channel or over all.
    pub(super) fn tops(&self, shown: usize, channels: usize, uniform: bool, relu: bool) -> Vec<f64> {
        let mut tops = vec![0f64; channels];
        for sample in &self.floats {
            let values = &sample[shown + 1];
            let inner = values.len() / channels.max(1);
            for (top, v) in tops.iter_mut().zip(values.chunks(inner.max(1))) {
                *top = v
                    .iter()
                    .fold(*top, |m, &x| m.max(f64::from(if relu { x.max(0.0) } else { x.abs() })));
            }
        }
        if uniform {
            return vec![tops.iter().fold(0.0, |m: f64, &t| m.max(t))];
        }
        tops
    }

    /// Affine, sum and difference: per-channel factors bring the inputs to one scale.
    pub(super) fn aligned(
        &mut self,
        node: &Node,
        shown: usize,
        to: Narrowing,
        limits: Scales,
    ) -> Result<Rep, QuantizeError> {
        let channels = node.shape[0];
        let uniform = self.uniform[shown + 1];
        let mut x = vec![];
        for &v in &node.inputs {
            x.push(self.narrowed(node, v)?);
        }
        let to = Narrowing {
            shift: self.affine_shift(&x, to.levels()),
            bits: AFFINE_BITS,
            ..to
        };
        // Factors of each input, and the offset, per channel or per element.
        let (elements, inner) = (
            node.shape.iter().product::<usize>(),
            node.shape[1..].iter().product::<usize>(),
        );
        let (a, b, factors) = match &node.op {
            Float::Affine { scale, offset } => {
                let count = scale.data.len().max(offset.data.len());
                let factors = if count > channels { elements } else { channels };
                let get = |t: &crate::float::Tensor, f: usize| {
                    let c = if factors == channels { f } else { f / inner.max(1) };
                    let v = match t.data.len() {
                        1 => t.data[0],
                        n if n == channels => t.data[c],
                        _ => t.data[f],
                    };
                    f64::from(v)
                };
                let a: Vec<f64> = (0..factors).map(|f| get(scale, f)).collect();
                let b: Vec<f64> = (0..factors).map(|f| get(offset, f)).collect();
                (vec![a], b, factors)
            }
            _ => (vec![vec![1.0; channels]; 2], vec![0.0; channels], channels),
        };
        let per = factors / channels;
        let floor = |c: usize| {
            let mut all = 0f64;
            for (x, a) in x.iter().zip(&a) {
                let s = if x.scale.len() == 1 { x.scale[0] } else { x.scale[c] };
                all = a[c * per..(c + 1) * per].iter().fold(all, |m, a| m.max((a * s).abs()));
            }
            let offset = b[c * per..(c + 1) * per].iter().fold(0.0, |m: f64, b| m.max(b.abs()));
            let unit = f64::from(1u32 << to.shift);
            (all * unit / 32767.0).max(offset * unit / f64::from(i32::MAX))
        };
        let floors: Vec<f64> = (0..channels).map(floor).collect();
        let tops = self.tops(shown, channels, uniform, to.min == 0);
        let floors = if uniform {
            vec![floors.iter().fold(0.0, |m: f64, &f| m.max(f))]
        } else {
            floors
        };
        let scales: Vec<f64> = tops
            .iter()
            .zip(&floors)
            .map(|(t, f)| limits.snap(limits.hold((t / to.levels()).max(1e-30)).max(*f)))
            .collect();
        let at = self.combine(node, &x, &a, &b, &scales, to.shift)?;
        let at = self.narrow(node, at, to)?;
        Ok(self.moved(node, at, scales))
    }

    /// Fraction bits of factors from `x` to a tensor of so many levels: 14, fewer where the result is
    /// finer than an input.
    pub(super) fn affine_shift(&self, x: &[Rep], levels: f64) -> u8 {
        let coarsest = x.iter().map(|r| self.graph.kind(r.node).largest()).min().unwrap_or(1);
        let finer = ceil_log2(levels as u64).saturating_sub(ceil_log2(coarsest.unsigned_abs() + 1));
        // At most 15.
        AFFINE_SHIFT.saturating_sub(finer as u8)
    }

    /// `Σ a·x + b` in units of `scale/2^shift`, by an `affine` on each input.
    pub(super) fn combine(
        &mut self,
        node: &Node,
        x: &[Rep],
        a: &[Vec<f64>],
        b: &[f64],
        scales: &[f64],
        shift: u8,
    ) -> Result<usize, QuantizeError> {
        let factors = b.len();
        let per = factors / node.shape[0];
        let scale = |f: usize| if scales.len() == 1 { scales[0] } else { scales[f / per] };
        let mut nodes = vec![];
        for (which, (x, a)) in x.iter().zip(a).enumerate() {
            let of = |f: usize| {
                if x.scale.len() == 1 {
                    x.scale[0]
                } else {
                    x.scale[f / per]
                }
            };
            let unit = f64::from(1u32 << shift);
            // The largest ratio is 2^15, one more than sixteen bits hold: it loses 1/32768.
            let edge = |w: f64| if w == 32768.0 { 32767.0 } else { w };
            let w: Vec<f64> = (0..factors)
                .map(|f| edge((a[f] * of(f) * unit / scale(f)).round()))
                .collect();
            if let Some(w) = w.iter().find(|w| !(w.abs() <= 32767.0)) {
                return Err(self.fail(
                    node,
                    format!("a factor of {w} does not fit 16 bits; values are too large here"),
                ));
            }
            let limit = f64::from(i32::MAX);
            let b = |f: usize| {
                if which == 0 {
                    (b[f] * unit / scale(f)).round().clamp(-limit, limit) as i32
                } else {
                    0
                }
            };
            let block = Block {
                w: w.iter().map(|&w| w as i16).collect(),
                b: (0..factors).map(b).collect(),
            };
            let at = self.emit(node, Affine { factors }, &[x.node], Some(block))?;
            self.rounded(at, x, |f| (w[f], a[f] * of(f) * unit / scale(f)));
            nodes.push(at);
        }
        match (nodes[..].as_ref(), &node.op) {
            (&[one], _) => Ok(one),
            (&[p, q], Float::Sub) => self.emit(node, Sub { left: 0, right: 0 }, &[p, q], None),
            (&[p, q], _) => self.emit(node, Add { left: 0, right: 0 }, &[p, q], None),
            _ => Err(self.fail(node, "more than two inputs")),
        }
    }
}
