//! Scales and offsets.

use super::super::moves::sources;
use super::super::{Op, Tensor, ValueId};
use super::{Simplifier, at};

impl Simplifier {
    /// Two affine steps in a row are one.
    pub(super) fn join_affine(&mut self, i: usize) -> bool {
        let Some(p) = self.own(i) else { return false };
        let (Op::Affine { scale: s1, offset: o1 }, Op::Affine { scale: s2, offset: o2 }) =
            (&self.node(p).op, &self.node(i).op)
        else {
            return false;
        };
        let shape = self.node(i).shape.clone();
        let total: usize = shape.iter().product();
        let per_element = [s1, o1, s2, o2].iter().any(|t| t.shape == shape);
        let channels = shape.first().copied().unwrap_or(1);
        // As fine as the finest of the four.
        let own = if per_element { shape } else { vec![channels] };
        let n: usize = own.iter().product();
        let each = total / n;
        let value = |t: &Tensor, k: usize| f64::from(at(t, k * each, total));
        let scale: Vec<f32> = (0..n).map(|k| (value(s1, k) * value(s2, k)) as f32).collect();
        let offset: Vec<f32> = (0..n)
            .map(|k| value(o1, k).mul_add(value(s2, k), value(o2, k)) as f32)
            .collect();
        let op = Op::Affine {
            scale: compressed(Tensor::new(own.clone(), scale)),
            offset: compressed(Tensor::new(own, offset)),
        };
        let inputs = self.node(p).inputs.clone();
        self.spend(n) && self.set(i, op, inputs)
    }

    /// An affine step after a dense layer or convolution becomes part of its weights.
    pub(super) fn affine_into_weights(&mut self, i: usize) -> bool {
        let Some(p) = self.own(i) else { return false };
        let Op::Affine { scale, offset } = &self.node(i).op else {
            return false;
        };
        let shape = self.node(i).shape.clone();
        let total: usize = shape.iter().product();
        let outputs = shape[0];
        // One constant an output channel, unless each output is one element.
        if scale.data.len() > outputs || offset.data.len() > outputs {
            return false;
        }
        let each = total / outputs;
        let (scale, offset) = (scale.clone(), offset.clone());
        let s = |o: usize| f64::from(at(&scale, o * each, total));
        let t = |o: usize| f64::from(at(&offset, o * each, total));
        let fold = |w: &Tensor, b: &Tensor| {
            let row = w.row();
            let data = w
                .data
                .iter()
                .enumerate()
                .map(|(k, &v)| (f64::from(v) * s(k / row)) as f32)
                .collect();
            let bias = (0..outputs)
                .map(|o| f64::from(b.data[o]).mul_add(s(o), t(o)) as f32)
                .collect();
            (Tensor::new(w.shape.clone(), data), Tensor::new(b.shape.clone(), bias))
        };
        let (op, work) = match &self.node(p).op {
            Op::Dense { w, b, quantized: None } => {
                let (w, b) = fold(w, b);
                let work = w.data.len();
                (Op::Dense { w, b, quantized: None }, work)
            }
            Op::Conv {
                w,
                b,
                window,
                groups,
                quantized: None,
            } => {
                let (window, groups, (w, b)) = (*window, *groups, fold(w, b));
                let work = w.data.len();
                let quantized = None;
                (
                    Op::Conv {
                        w,
                        b,
                        window,
                        groups,
                        quantized,
                    },
                    work,
                )
            }
            _ => return false,
        };
        let producer = self.node(p);
        let (inputs, name, source) = (producer.inputs.clone(), producer.name.clone(), producer.source.clone());
        if !self.spend(work) || !self.set(i, op, inputs) {
            return false;
        }
        (self.network.nodes[i].name, self.network.nodes[i].source) = (name, source);
        true
    }

    /// An affine step before a dense layer or convolution becomes part of its weights. An offset
    /// before a padded convolution stays: the padding is zero after it, not before.
    pub(super) fn weights_after_affine(&mut self, i: usize) -> bool {
        let Some(p) = self.own(i) else { return false };
        let Op::Affine { scale, offset } = &self.node(p).op else {
            return false;
        };
        let shape = self.node(p).shape.clone();
        let total: usize = shape.iter().product();
        let (scale, offset) = (scale.clone(), offset.clone());
        let (op, work) = match &self.node(i).op {
            Op::Dense { w, b, quantized: None } => {
                let mut data = Vec::with_capacity(w.data.len());
                let mut bias = Vec::with_capacity(b.data.len());
                for (row, &b) in w.data.chunks_exact(total).zip(&b.data) {
                    let mut sum = f64::from(b);
                    for (k, &v) in row.iter().enumerate() {
                        sum += f64::from(v) * f64::from(at(&offset, k, total));
                        data.push((f64::from(v) * f64::from(at(&scale, k, total))) as f32);
                    }
                    bias.push(sum as f32);
                }
                let (w, b) = (Tensor::new(w.shape.clone(), data), Tensor::new(b.shape.clone(), bias));
                let work = w.data.len();
                (Op::Dense { w, b, quantized: None }, work)
            }
            Op::Conv {
                w,
                b,
                window,
                groups,
                quantized: None,
            } => {
                let channels = shape[0];
                let padded = window.before != [0, 0] || window.after != [0, 0];
                let still = offset.data.iter().all(|&v| v == 0.0);
                if scale.data.len() > channels || offset.data.len() > channels || (padded && !still) {
                    return false;
                }
                let each = total / channels;
                let (per, cells) = (w.shape[1], window.kernel[0] * window.kernel[1]);
                let outputs = w.shape[0] / groups;
                let mut data = Vec::with_capacity(w.data.len());
                let mut bias = Vec::with_capacity(b.data.len());
                for (o, (row, &b)) in w.data.chunks_exact(per * cells).zip(&b.data).enumerate() {
                    let mut sum = f64::from(b);
                    for (k, &v) in row.iter().enumerate() {
                        let channel = (o / outputs * per + k / cells) * each;
                        sum += f64::from(v) * f64::from(at(&offset, channel, total));
                        data.push((f64::from(v) * f64::from(at(&scale, channel, total))) as f32);
                    }
                    bias.push(sum as f32);
                }
                let work = w.data.len();
                let op = Op::Conv {
                    w: Tensor::new(w.shape.clone(), data),
                    b: Tensor::new(b.shape.clone(), bias),
                    window: *window,
                    groups: *groups,
                    quantized: None,
                };
                (op, work)
            }
            _ => return false,
        };
        let inputs = self.node(p).inputs.clone();
        self.spend(work) && self.set(i, op, inputs)
    }

    /// Two dense layers with nothing between them are one, when that is not larger.
    pub(super) fn join_dense(&mut self, i: usize) -> bool {
        let Some(p) = self.own(i) else { return false };
        let (
            Op::Dense {
                w: w1,
                b: b1,
                quantized: None,
            },
            Op::Dense {
                w: w2,
                b: b2,
                quantized: None,
            },
        ) = (&self.node(p).op, &self.node(i).op)
        else {
            return false;
        };
        let (inputs, middle, outputs) = (w1.shape[1], w1.shape[0], w2.shape[0]);
        if inputs * outputs > w1.data.len() + w2.data.len() {
            return false;
        }
        let (w1, b1, w2, b2) = (w1.clone(), b1.clone(), w2.clone(), b2.clone());
        if !self.spend(inputs.saturating_mul(outputs).saturating_mul(middle)) {
            return false;
        }
        let mut data = Vec::with_capacity(inputs * outputs);
        let mut bias = Vec::with_capacity(outputs);
        for (row, &b) in w2.data.chunks_exact(middle).zip(&b2.data) {
            let mut sums = vec![0f64; inputs];
            let mut sum = f64::from(b);
            for ((&v, first), &c) in row.iter().zip(w1.data.chunks_exact(inputs)).zip(&b1.data) {
                sum += f64::from(v) * f64::from(c);
                sums.iter_mut()
                    .zip(first)
                    .for_each(|(s, &x)| *s += f64::from(v) * f64::from(x));
            }
            data.extend(sums.iter().map(|&s| s as f32));
            bias.push(sum as f32);
        }
        let op = Op::Dense {
            w: Tensor::new(vec![outputs, inputs], data),
            b: Tensor::new(vec![outputs], bias),
            quantized: None,
        };
        let from = self.node(p).inputs.clone();
        self.set(i, op, from)
    }

    /// Moves an affine step towards the next weights, past what it commutes with.
    pub(super) fn push_affine(&mut self, i: usize) -> bool {
        let Some(p) = self.own(i) else { return false };
        let Op::Affine { scale, offset } = &self.node(p).op else {
            return false;
        };
        let (scale, offset) = (scale.clone(), offset.clone());
        let shape = self.node(p).shape.clone();
        let after = self.node(i).shape.clone();
        let single = scale.data.len() == 1 && offset.data.len() == 1;
        let coarse = scale.shape.len() == 1 && offset.shape.len() == 1;
        let op = self.node(i).op.clone();
        let second = match &op {
            Op::Reshape { .. } | Op::Transpose { .. } | Op::Slice { .. } | Op::Upsample { .. } if single => {
                Op::Affine { scale, offset }
            }
            Op::Upsample { .. } if coarse => Op::Affine { scale, offset },
            Op::Reshape { .. } | Op::Transpose { .. } if self.leads_to_weights(i) => {
                let total: usize = shape.iter().product();
                if !self.spend(4 * total) {
                    return false;
                }
                let from = sources(&op, &shape, &after);
                let moved = |t: &Tensor| {
                    let data = from.iter().flatten().map(|&k| at(t, k, total)).collect();
                    compressed(Tensor::new(after.clone(), data))
                };
                Op::Affine {
                    scale: moved(&scale),
                    offset: moved(&offset),
                }
            }
            Op::AveragePool {
                window,
                include_padding,
            } if coarse => {
                let padded = window.before != [0, 0] || window.after != [0, 0];
                if padded && *include_padding && offset.data.iter().any(|&v| v != 0.0) {
                    return false;
                }
                Op::Affine { scale, offset }
            }
            Op::MaxPool { .. } if coarse && scale.data.iter().all(|&v| v > 0.0) => Op::Affine { scale, offset },
            _ => return false,
        };
        self.swap(p, i, op, second)
    }

    /// Whether a chain of moves from node `i` on, each read once, ends in a dense layer or in a
    /// transpose's inverse.
    fn leads_to_weights(&self, i: usize) -> bool {
        let mut at = i;
        loop {
            if self.readers[at + 1] != 1 {
                return false;
            }
            let own = ValueId::node(at);
            let Some(next) = (at + 1..self.network.nodes.len())
                .find(|&k| self.readers[k + 1] > 0 && self.node(k).inputs.contains(&own))
            else {
                return false;
            };
            match self.node(next).op {
                Op::Dense { .. } => return true,
                // Per-element constants over an image would not fold, so only with the channels first again.
                Op::Conv { .. } => {
                    return matches!(self.node(at).op, Op::Transpose { .. });
                }
                Op::Reshape { .. } | Op::Transpose { .. } => at = next,
                _ => return false,
            }
        }
    }
}

/// A constant in its smallest form: one number, one a channel, or one an element.
pub(super) fn compressed(t: Tensor) -> Tensor {
    let first = t.data.first().copied().unwrap_or(0.0);
    if t.data.iter().all(|&v| v == first) {
        return Tensor::new(vec![1], vec![first]);
    }
    let channels = t.shape.first().copied().unwrap_or(1);
    let row = t.row();
    if t.shape.len() > 1 && t.data.chunks_exact(row).all(|c| c.iter().all(|&v| v == c[0])) {
        let data = t.data.chunks_exact(row).map(|c| c[0]).collect();
        return Tensor::new(vec![channels], data);
    }
    t
}
