//! Reshapes and transposes.

use super::super::moves::sources;
use super::super::{Activation, Op, Tensor, ValueId};
use super::Simplifier;
use super::affine::compressed;

impl Simplifier {
    /// A node that gives back its input.
    pub(super) fn does_nothing(&mut self, i: usize) -> bool {
        let node = self.node(i);
        let input = self.network.shape(node.inputs[0]);
        let nothing = match &node.op {
            Op::Reshape { shape } => shape == input,
            Op::Transpose { perm } => perm.iter().copied().eq(0..input.len()),
            Op::Slice { step, .. } => node.shape == input && step.iter().zip(input).all(|(&s, &d)| s == 1 || d == 1),
            Op::Pad { before, after, .. } => before.iter().chain(after).all(|&p| p == 0),
            Op::Upsample { factor } => *factor == [1, 1],
            Op::Spread { stride } => *stride == [1, 1] || node.shape == input,
            Op::MaxPool { window } | Op::AveragePool { window, .. } => window.kernel == [1, 1] && node.shape == input,
            Op::Affine { scale, offset } => {
                scale.data.iter().all(|&v| v == 1.0) && offset.data.iter().all(|&v| v == 0.0)
            }
            Op::Concat { .. } => node.inputs.len() == 1,
            Op::Activation(Activation::Relu) => self
                .producer(i, 0)
                .is_some_and(|p| matches!(self.node(p).op, Op::Activation(Activation::Relu))),
            _ => false,
        };
        let v = node.inputs[0];
        nothing && self.alias(i, v)
    }

    /// Two moves in a row, and transposes that only move dimensions of one.
    pub(super) fn join_moves(&mut self, i: usize) -> bool {
        let input = self.input_shape(i);
        if let Op::Transpose { perm } = &self.node(i).op {
            let kept: Vec<usize> = perm.iter().copied().filter(|&p| input[p] != 1).collect();
            if kept.is_sorted() {
                let shape = self.node(i).shape.clone();
                let inputs = self.node(i).inputs.clone();
                return self.set(i, Op::Reshape { shape }, inputs);
            }
        }
        let Some(p) = self.producer(i, 0) else {
            return false;
        };
        let joined = match (&self.node(p).op, &self.node(i).op) {
            (Op::Reshape { .. }, Op::Reshape { shape }) => Op::Reshape { shape: shape.clone() },
            (Op::Transpose { perm: first }, Op::Transpose { perm }) => Op::Transpose {
                perm: perm.iter().map(|&k| first[k]).collect(),
            },
            _ => return false,
        };
        let inputs = self.node(p).inputs.clone();
        self.set(i, joined, inputs)
    }

    /// Transposes before a dense layer become another order of its weights.
    pub(super) fn absorb_order(&mut self, i: usize) -> bool {
        if !matches!(self.node(i).op, Op::Dense { .. }) {
            return false;
        }
        let mut chain = vec![];
        let mut at = i;
        while let Some(p) = self.own(at)
            && matches!(self.node(p).op, Op::Reshape { .. } | Op::Transpose { .. })
        {
            chain.push(p);
            at = p;
        }
        let Some(&last) = chain.first() else {
            return false;
        };
        // Only up to the first transpose, so that a reshape before it is not undone for nothing.
        let Some(first) = chain
            .iter()
            .rposition(|&p| matches!(self.node(p).op, Op::Transpose { .. }))
        else {
            return false;
        };
        chain.truncate(first + 1);
        let origin = self.node(chain[first]).inputs[0];
        let shape = self.network.shape(origin).to_vec();
        let count: usize = shape.iter().product();
        let Op::Dense { w, b, quantized } = &self.node(i).op else {
            return false;
        };
        let (w, b, quantized) = (w.clone(), b.clone(), quantized.clone());
        if !self.spend(w.data.len() + chain.len() * count) {
            return false;
        }
        // Where each of the layer's inputs comes from in the origin.
        let mut from: Vec<usize> = (0..count).collect();
        let mut shape = shape;
        for &p in chain.iter().rev() {
            let node = self.node(p);
            from = sources(&node.op, &shape, &node.shape)
                .into_iter()
                .flatten()
                .map(|k| from[k])
                .collect();
            shape = node.shape.clone();
        }
        let reorder = |row: &[f32], out: &mut Vec<f32>| {
            let mut to = vec![0.0; count];
            row.iter().zip(&from).for_each(|(&v, &k)| to[k] = v);
            out.append(&mut to);
        };
        let mut data = Vec::with_capacity(w.data.len());
        w.data.chunks_exact(count).for_each(|row| reorder(row, &mut data));
        let quantized = quantized.map(|mut q| {
            for row in q.weights.chunks_exact_mut(count) {
                let old = row.to_vec();
                old.iter().zip(&from).for_each(|(&v, &k)| row[k] = v);
            }
            q
        });
        let w = Tensor::new(w.shape.clone(), data);
        self.set(last, Op::Reshape { shape: vec![count] }, vec![origin])
            && self.set(i, Op::Dense { w, b, quantized }, vec![ValueId::node(last)])
    }

    /// Moves a transpose towards the output, so that it meets its inverse or a dense layer.
    pub(super) fn push_transpose(&mut self, i: usize) -> bool {
        if self.push_transposes(i) {
            return true;
        }
        let Some(p) = self.own(i) else {
            return false;
        };
        let Op::Transpose { perm } = &self.node(p).op else {
            return false;
        };
        let perm = perm.clone();
        let pick = |v: &[usize]| {
            let mut out = vec![0; v.len()];
            perm.iter().enumerate().for_each(|(k, &d)| out[d] = v[k]);
            out
        };
        let origin = self.network.shape(self.node(p).inputs[0]).to_vec();
        let first = match &self.node(i).op {
            Op::Activation(a) => Op::Activation(*a),
            Op::Quantize(q) if q.scale.len() == 1 => Op::Quantize(q.clone()),
            Op::Dequantize(q) if q.scale.len() == 1 => Op::Dequantize(q.clone()),
            Op::Pad { before, after, value } => Op::Pad {
                before: pick(before),
                after: pick(after),
                value: *value,
            },
            Op::Affine { scale, offset } => {
                let weights = self
                    .producer(p, 0)
                    .is_some_and(|k| matches!(self.node(k).op, Op::Conv { .. }));
                if !weights {
                    return false;
                }
                let total: usize = origin.iter().product();
                // The inverse permutation brings the constants back.
                let mut inverse = vec![0; perm.len()];
                perm.iter().enumerate().for_each(|(k, &d)| inverse[d] = k);
                let now = self.node(p).shape.clone();
                let from = sources(&Op::Transpose { perm: inverse }, &now, &origin);
                let back = |t: &Tensor| {
                    let data = from.iter().flatten().map(|&k| super::at(t, k, total)).collect();
                    compressed(Tensor::new(origin.clone(), data))
                };
                let (scale, offset) = (back(scale), back(offset));
                if scale.data.len() > origin[0] || offset.data.len() > origin[0] {
                    return false;
                }
                Op::Affine { scale, offset }
            }
            _ => return false,
        };
        self.swap(p, i, first, Op::Transpose { perm })
    }

    /// The same for operators that join several values, all transposed alike.
    fn push_transposes(&mut self, i: usize) -> bool {
        let node = self.node(i);
        if node.inputs.len() < 2 {
            return false;
        }
        let mut perm: Option<Vec<usize>> = None;
        let mut last = 0;
        let mut inputs = vec![];
        for v in &node.inputs {
            let Some(p) = v.producer().filter(|&p| self.readers[p + 1] == 1) else {
                return false;
            };
            let Op::Transpose { perm: own } = &self.node(p).op else {
                return false;
            };
            if perm.get_or_insert_with(|| own.clone()) != own {
                return false;
            }
            last = last.max(p);
            inputs.push(self.node(p).inputs[0]);
        }
        let Some(perm) = perm else { return false };
        let op = match &node.op {
            Op::Add => Op::Add,
            Op::Sub => Op::Sub,
            // A gate is not of one shape.
            Op::Mul
                if inputs
                    .iter()
                    .all(|&v| self.network.shape(v) == self.network.shape(inputs[0])) =>
            {
                Op::Mul
            }
            Op::Concat { axis } => Op::Concat { axis: perm[*axis] },
            _ => return false,
        };
        let (name, source) = (node.name.clone(), node.source.clone());
        let old = self.network.nodes[last].clone();
        if !self.set(last, op, inputs) {
            return false;
        }
        if !self.set(i, Op::Transpose { perm }, vec![ValueId::node(last)]) {
            self.network.nodes[last] = old;
            return false;
        }
        (self.network.nodes[last].name, self.network.nodes[last].source) = (name, source);
        true
    }
}
