//! One walk through the float network: every operator becomes integer nodes, and its weights are
//! rounded on the calibration samples, which are carried along in integers.
//!
//! Which nodes are made depends on the network's operators and shapes alone; calibration decides
//! weights, never the graph.

use super::canonical::{Narrowing, ceil_log2};
use super::qdq::{Bytes, Exact};
use super::{Method, QuantizeError, bound};
use crate::float::{Activation, Ending, Network, Node, Op as Float, ValueId};
use crate::graph::{ARGMAX_BITS, Builder, Graph, Schema};
use crate::ops::{
    Affine, Argmax, Interval, MaxPool, Op, Pad, Requant, Reshape, Slice, Spread, Transpose, Type, Upsample, Value,
    Values,
};
use crate::weights::{Block, Weights};
use rayon::prelude::*;

/// Fraction bits of a regression's answer.
pub(super) const VALUE_FRACTION: u8 = 16;

/// A float value in integers: `real = scale·integer`, one scale or one per index of the first axis.
#[derive(Clone, Debug)]
pub(super) struct Rep {
    pub node: usize,
    /// Shape in the float network; the node may hold the same elements flat.
    pub shape: Vec<usize>,
    pub scale: Vec<f64>,
}

impl Rep {
    fn inner(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Scale of element `i`.
    pub fn at(&self, i: usize) -> f64 {
        if self.scale.len() == 1 {
            self.scale[0]
        } else {
            self.scale[i / self.inner().max(1)]
        }
    }
}

/// The walk's state.
pub(super) struct Lowering<'a> {
    pub network: &'a Network,
    pub schema: &'a Schema,
    /// How values stand in a graph that was quantised before.
    pub exact: Vec<Option<Exact>>,
    pub method: Method,
    pub graph: Builder,
    pub blocks: Vec<Block>,
    /// Per node, per calibration sample. Emptied where nothing reads them any more.
    pub values: Vec<Vec<Values>>,
    pub reach: Vec<Vec<Interval>>,
    /// Per node and channel: how far an integer can be from the real number ([`bound`]).
    pub errors: Vec<Vec<f64>>,
    /// Per calibration sample, per float value.
    pub floats: Vec<Vec<Vec<f32>>>,
    pub reps: Vec<Option<Rep>>,
    pub readers: Vec<usize>,
    /// Values whose channels must share one scale.
    pub uniform: Vec<bool>,
}

/// What the walk gives: the graph, its weights, and which node stands for which float value.
pub(super) struct Lowered {
    pub graph: Graph,
    pub weights: Weights,
    pub reps: Vec<Option<Rep>>,
    pub errors: Vec<Vec<f64>>,
}

/// Lowers `network` for records of `schema`, calibrated on `samples`.
pub(super) fn lower(
    network: &Network,
    schema: &Schema,
    samples: u32,
    calibration: &[&[u8]],
    floats: Vec<Vec<Vec<f32>>>,
    method: Method,
) -> Result<Lowered, QuantizeError> {
    let graph = Builder::new(schema.clone())?;
    let input = |r: &&[u8]| Values::Narrow(schema.decode(r).collect());
    let mut out = Lowering {
        network,
        schema,
        exact: vec![None; network.nodes().len() + 1],
        method,
        values: vec![calibration.iter().map(input).collect()],
        reach: vec![vec![(graph.kind(0).low, graph.kind(0).high); graph.kind(0).channels()]],
        errors: vec![vec![0.0; graph.kind(0).channels()]],
        graph,
        blocks: vec![],
        floats,
        reps: vec![None; network.nodes().len() + 1],
        readers: network.readers(),
        uniform: demands(network),
    };
    out.reps[0] = Some(Rep {
        node: 0,
        shape: network.input().to_vec(),
        scale: vec![1.0],
    });
    let mut done = vec![false; network.nodes().len()];
    for i in 0..network.nodes().len() {
        if !done[i] {
            out.node(i, &mut done)?;
        }
    }
    out.finish(samples)
}

/// Whether a reshape keeps "one scale per channel" expressible.
fn keeps_channels(from: &[usize], to: &[usize]) -> bool {
    to.len() == 1 || from.first() == to.first()
}

/// Values whose channels must share one scale, from the output back.
fn demands(network: &Network) -> Vec<bool> {
    let mut out = vec![false; network.nodes().len() + 1];
    if network.ending() == Ending::Classes {
        out[network.output().index()] = true;
    }
    for (i, node) in network.nodes().iter().enumerate().rev() {
        let wanted = out[i + 1];
        let passes = match &node.op {
            Float::Reshape { shape } => wanted || !keeps_channels(network.shape(node.inputs[0]), shape),
            Float::Transpose { perm } => wanted || perm.first() != Some(&0),
            Float::Concat { axis } => wanted && *axis == 0 && node.inputs.len() == 1,
            Float::Slice { .. }
            | Float::Pad { .. }
            | Float::Upsample { .. }
            | Float::Spread { .. }
            | Float::MaxPool { .. }
            | Float::AveragePool { .. }
            | Float::Mul => wanted,
            Float::Activation(a) => wanted && matches!(a, Activation::Relu | Activation::LeakyRelu { .. }),
            _ => false,
        };
        if passes {
            node.inputs.iter().for_each(|v| out[v.index()] = true);
        }
    }
    out
}

impl Lowering<'_> {
    pub(super) fn fail(&self, node: &Node, reason: impl Into<String>) -> QuantizeError {
        QuantizeError::Operator {
            node: node.name.clone(),
            op: node.source.clone(),
            reason: reason.into(),
        }
    }

    /// Appends an operator, and runs it on every calibration sample.
    pub(super) fn emit(
        &mut self,
        at: &Node,
        op: impl Into<Op>,
        inputs: &[usize],
        block: Option<Block>,
    ) -> Result<usize, QuantizeError> {
        let op = op.into();
        let node = self.graph.add(op.clone(), inputs)?;
        let kinds: Vec<&Type> = inputs.iter().map(|&i| self.graph.kind(i)).collect();
        let out = self.graph.kind(node);
        let Some(rule) = op.rule() else {
            return Err(self.fail(at, "the input stands in the middle"));
        };
        let reach: Vec<&[Interval]> = inputs.iter().map(|&i| self.reach[i].as_slice()).collect();
        let reach = rule.reach(&reach, &kinds, block.as_ref(), out);
        let reach = reach.map_err(|e| {
            self.fail(
                at,
                format!(
                    "some sample gives {}, beyond {} bits; scale the network down",
                    e.value, e.bits
                ),
            )
        })?;
        let from = bound::Inputs {
            errors: inputs.iter().map(|&i| self.errors[i].as_slice()).collect(),
            reach: inputs.iter().map(|&i| self.reach[i].as_slice()).collect(),
            kinds: &kinds,
        };
        let errors = bound::propagate(&op, rule, &from, block.as_ref(), out);
        let samples = self.values[0].len();
        let values: Result<Vec<Values>, _> = (0..samples)
            .into_par_iter()
            .map(|s| {
                let x: Vec<&Values> = inputs.iter().map(|&i| &self.values[i][s]).collect();
                rule.eval(&x, &kinds, block.as_ref(), out)
            })
            .collect();
        let values = values.map_err(|e| self.fail(at, format!("{} is beyond {} bits", e.value, e.bits)))?;
        self.values.push(values);
        self.reach.push(reach);
        self.errors.push(errors);
        self.blocks.extend(block);
        Ok(node)
    }

    /// Adds to the errors of a node what its weights lose by rounding.
    pub(super) fn lose(&mut self, node: usize, loss: impl Fn(usize) -> f64) {
        let each = self.errors[node].iter_mut().enumerate();
        each.for_each(|(c, e)| {
            let sum = *e + loss(c);
            *e = if sum.is_nan() { f64::INFINITY } else { sum };
        });
    }

    /// Adds what an `affine` on `x` loses: its integer factors, and the real ones.
    pub(super) fn rounded(&mut self, node: usize, x: &Rep, factor: impl Fn(usize) -> (f64, f64)) {
        let Op::Affine(Affine { factors }) = *self.graph.op(node) else {
            return;
        };
        let channels = self.errors[node].len();
        let per = (factors / channels).max(1);
        let loss: Vec<f64> = (0..channels)
            .map(|c| {
                let far = bound::largest(self.reach[x.node][c]) + self.errors[x.node][c];
                let first = if factors == 1 { 0 } else { c * per };
                let off = |f: usize| {
                    let (w, real) = factor(f);
                    (w - real).abs()
                };
                // Half a unit of the offset.
                (first..first + per).map(off).fold(0.0, f64::max) * far + 0.5
            })
            .collect();
        self.lose(node, |c| loss[c]);
    }

    /// The value in integers.
    pub(super) fn rep(&self, at: &Node, v: ValueId) -> Result<Rep, QuantizeError> {
        self.reps[v.index()]
            .clone()
            .ok_or_else(|| self.fail(at, "its input has no integer form"))
    }

    /// The same with the node in the shape the float network has.
    pub(super) fn shaped(&mut self, at: &Node, v: ValueId) -> Result<Rep, QuantizeError> {
        let mut rep = self.rep(at, v)?;
        if self.graph.kind(rep.node).shape != rep.shape {
            let shape = rep.shape.clone();
            rep.node = self.emit(at, Reshape { shape }, &[rep.node], None)?;
            // The next reader takes the same node.
            self.reps[v.index()] = Some(rep.clone());
        }
        Ok(rep)
    }

    /// The only reader of node `i`, when it is an activation.
    pub(super) fn activation(&self, i: usize) -> Option<(usize, Activation)> {
        let value = ValueId::node(i);
        if self.readers[value.index()] != 1 {
            return None;
        }
        let reads = |n: &Node| n.inputs.contains(&value);
        let at = self.network.nodes().iter().position(reads)?;
        match self.network.nodes()[at].op {
            Float::Activation(a) => Some((at, a)),
            _ => None,
        }
    }

    fn node(&mut self, i: usize, done: &mut [bool]) -> Result<(), QuantizeError> {
        let network = self.network;
        let node = &network.nodes()[i];
        done[i] = true;
        if let Some((rep, exact)) = self.exact_layer(node)? {
            self.reps[i + 1] = Some(rep);
            self.exact[i + 1] = Some(exact);
            return Ok(());
        }
        let quantised = node.inputs.iter().any(|v| self.exact[v.index()].is_some());
        if quantised {
            self.exact[i + 1] = self.kept(node)?;
            if self.exact[i + 1].as_ref().is_some_and(Exact::waits) {
                return Ok(());
            }
            if matches!(node.op, Float::Activation(_)) {
                self.reps[i + 1] = Some(self.rep(node, node.inputs[0])?);
                return Ok(());
            }
        }
        if self.scaled_sample(i) {
            return Ok(());
        }
        let rep = match &node.op {
            Float::Dense { .. } | Float::Conv { .. } | Float::Affine { .. } | Float::Add | Float::Sub => {
                return self.summing(i, done);
            }
            Float::Activation(a) => {
                let x = self.shaped(node, node.inputs[0])?;
                self.activate(node, i, x, *a)?
            }
            Float::Mul => self.product(node)?,
            Float::MaxPool { window } => {
                let x = self.shaped(node, node.inputs[0])?;
                let at = self.emit(node, MaxPool { window: *window }, &[x.node], None)?;
                self.moved(node, at, x.scale)
            }
            Float::AveragePool {
                window,
                include_padding,
            } => self.average(node, *window, *include_padding)?,
            Float::Reshape { shape } => {
                let x = self.rep(node, node.inputs[0])?;
                let scale = if x.scale.len() == 1 || shape.first() == x.shape.first() {
                    x.scale.clone()
                } else {
                    // To one axis: every element keeps the scale of its channel.
                    (0..shape.iter().product()).map(|e| x.at(e)).collect()
                };
                Rep {
                    node: x.node,
                    shape: shape.clone(),
                    scale,
                }
            }
            Float::Transpose { perm } => {
                let x = self.shaped(node, node.inputs[0])?;
                let at = self.emit(node, Transpose { axes: perm.clone() }, &[x.node], None)?;
                self.moved(node, at, x.scale)
            }
            Float::Slice { start, step, length } => {
                let x = self.shaped(node, node.inputs[0])?;
                let scale = if x.scale.len() == 1 {
                    x.scale
                } else {
                    let from = |c: usize| x.scale[start[0].saturating_add_signed(c as isize * step[0])];
                    (0..length[0]).map(from).collect()
                };
                let op = Slice {
                    start: start.clone(),
                    step: step.clone(),
                    length: length.clone(),
                };
                let at = self.emit(node, op, &[x.node], None)?;
                self.moved(node, at, scale)
            }
            Float::Pad { before, after, value } => self.pad(node, before, after, *value)?,
            Float::Upsample { factor } => {
                let x = self.shaped(node, node.inputs[0])?;
                let at = self.emit(node, Upsample { factor: *factor }, &[x.node], None)?;
                self.moved(node, at, x.scale)
            }
            Float::Spread { stride } => {
                let x = self.shaped(node, node.inputs[0])?;
                let at = self.emit(node, Spread { stride: *stride }, &[x.node], None)?;
                self.moved(node, at, x.scale)
            }
            Float::Concat { axis } => self.concat(node, i, *axis)?,
            Float::Trees(trees) => {
                let x = self.rep(node, node.inputs[0])?;
                if x.scale != [1.0] {
                    return Err(self.fail(node, "trees read the sample's own features, unscaled"));
                }
                let fixed = (network.ending() == Ending::Values).then(|| 2f64.powi(-i32::from(super::trees::FRACTION)));
                let (op, block, scale) = super::trees::lower(trees, fixed).map_err(|e| self.fail(node, e))?;
                let at = self.emit(node, op, &[x.node], Some(block))?;
                self.moved(node, at, vec![scale])
            }
            Float::Quantize(q) => {
                let (rep, exact) = self.quantize(node, q)?;
                self.exact[i + 1] = Some(exact);
                rep
            }
            Float::Dequantize(q) => {
                let from = node.inputs[0].index();
                let bytes = Bytes::of(q).map_err(|e| self.fail(node, e))?;
                if !matches!(self.exact[from], Some(Exact::Integers(b)) if b == bytes) {
                    return Err(self.fail(node, "it does not undo the Quantize in front of it"));
                }
                if q.low < 0 && (self.readers[from] > 1 || self.readers[i + 1] > 1) {
                    return Err(self.fail(
                        node,
                        "onnxruntime on x86-64 computes on signed bytes that several nodes read in floats; quantise activations to uint8",
                    ));
                }
                self.exact[i + 1] = self.exact[from].clone();
                self.rep(node, node.inputs[0])?
            }
        };
        self.reps[i + 1] = Some(rep);
        Ok(())
    }

    pub(super) fn moved(&self, node: &Node, at: usize, scale: Vec<f64>) -> Rep {
        Rep {
            node: at,
            shape: node.shape.clone(),
            scale,
        }
    }

    /// A requantisation; the accumulators in front are not kept.
    pub(super) fn narrow(&mut self, node: &Node, at: usize, to: Narrowing) -> Result<usize, QuantizeError> {
        let Narrowing { shift, bits, min, max } = to;
        let out = self.emit(node, Requant { shift, bits, min, max }, &[at], None)?;
        self.values[at] = vec![];
        Ok(out)
    }

    /// A value as a narrow tensor: sums of a pool may be wide.
    pub(super) fn narrowed(&mut self, node: &Node, v: ValueId) -> Result<Rep, QuantizeError> {
        let mut x = self.shaped(node, v)?;
        let kind = self.graph.kind(x.node);
        if !kind.is_narrow() {
            let bits = ceil_log2(kind.largest().unsigned_abs() + 1) + 1;
            let shift = (bits - 15) as u8;
            let to = Narrowing {
                shift,
                bits: 17,
                min: -32767,
                max: 32767,
            };
            let (min, max) = (to.min, to.max);
            x.node = self.emit(
                node,
                Requant {
                    shift,
                    bits: to.bits,
                    min,
                    max,
                },
                &[x.node],
                None,
            )?;
            x.scale.iter_mut().for_each(|s| *s *= f64::from(1u32 << shift));
        }
        Ok(x)
    }

    /// The answer, and the finished graph.
    fn finish(mut self, samples: u32) -> Result<Lowered, QuantizeError> {
        let network = self.network;
        let Some(last) = network.output().producer() else {
            return Err(QuantizeError::Empty);
        };
        let node = &network.nodes()[last];
        let rep = self.rep(node, network.output())?;
        if let Some(Exact::Sums { scales, relu }) = &self.exact[network.output().index()] {
            let uneven = network.ending() == Ending::Classes && scales.iter().any(|s| *s != scales[0]);
            if *relu || uneven {
                return Err(self.fail(
                    node,
                    "the scores have a scale each; end the quantised graph with a QuantizeLinear of one scale",
                ));
            }
        }
        match network.ending() {
            Ending::Classes => {
                self.emit(
                    node,
                    Argmax {
                        bits: ARGMAX_BITS as u8,
                    },
                    &[rep.node],
                    None,
                )?;
            }
            Ending::Sign => {
                let flat = self.emit(node, Reshape { shape: vec![1] }, &[rep.node], None)?;
                let (before, after, value) = (vec![1], vec![0], 0);
                let scores = self.emit(node, Pad { before, after, value }, &[flat], None)?;
                self.emit(
                    node,
                    Argmax {
                        bits: ARGMAX_BITS as u8,
                    },
                    &[scores],
                    None,
                )?;
            }
            Ending::Values => self.answer(node, rep)?,
        }
        // What a Quantize node gives are integers in the float network too, and sums in front of a
        // quantised ReLU are not yet cut: neither is compared.
        for i in 0..network.nodes().len() {
            let sums = matches!(self.exact[i + 1], Some(Exact::Sums { relu: true, .. }));
            if sums || matches!(network.nodes()[i].op, Float::Quantize(_)) {
                self.reps[i + 1] = None;
            }
        }
        let graph = self.graph.finish(samples)?;
        let weights = Weights::new(&graph, self.blocks)?;
        Ok(Lowered {
            graph,
            weights,
            reps: self.reps,
            errors: self.errors,
        })
    }

    /// A regression's values in 2^−16, or what the trees count in.
    fn answer(&mut self, node: &Node, rep: Rep) -> Result<(), QuantizeError> {
        if matches!(node.op, Float::Trees(_)) {
            let fraction = super::trees::FRACTION;
            self.emit(node, Value { fraction }, &[rep.node], None)?;
            return Ok(());
        }
        let x = self.narrowed(node, self.network.output())?;
        let unit = f64::from(1u32 << VALUE_FRACTION);
        let w: Vec<f64> = x.scale.iter().map(|s| (s * unit).round()).collect();
        if w.iter().any(|w| w.abs() > 32767.0) {
            return Err(self.fail(node, "the values exceed 16 bits; scale the target down"));
        }
        let factors = if w.len() == 1 { 1 } else { node.shape[0] };
        let block = Block {
            w: w.iter().map(|&w| w as i16).collect(),
            b: vec![0; factors],
        };
        let at = self.emit(node, Affine { factors }, &[x.node], Some(block))?;
        self.rounded(at, &x, |f| (w[f], x.scale[f] * unit));
        let fraction = VALUE_FRACTION;
        self.emit(node, Value { fraction }, &[at], None)?;
        Ok(())
    }
}
