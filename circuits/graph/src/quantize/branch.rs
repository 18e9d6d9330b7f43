//! Products, averages, padding and concatenation: what mixes scales.

use super::canonical::{AFFINE_BITS, AFFINE_SHIFT, Narrowing, ceil_log2};
use super::lower::{Lowering, Rep};
use super::{QuantizeError, bound};
use crate::float::{Node, Op as Float, Window};
use crate::ops::{Affine, Concat, Mul, Pad, Requant, SumPool};
use crate::weights::Block;

impl Lowering<'_> {
    pub(super) fn product(&mut self, node: &Node) -> Result<Rep, QuantizeError> {
        let (x, y) = (
            self.narrowed(node, node.inputs[0])?,
            self.narrowed(node, node.inputs[1])?,
        );
        let at = self.emit(node, Mul, &[x.node, y.node], None)?;
        let scale: Vec<f64> = if x.scale.len() == 1 && y.scale.len() == 1 {
            vec![x.scale[0] * y.scale[0]]
        } else {
            let of = |r: &Rep, c: usize| if r.scale.len() == 1 { r.scale[0] } else { r.scale[c] };
            (0..node.shape[0]).map(|c| of(&x, c) * of(&y, c)).collect()
        };
        let bits = ceil_log2(self.graph.kind(at).largest().unsigned_abs() + 1) + 1;
        let shift = bits.saturating_sub(13) as u8;
        let (min, max) = (-32767, 32767);
        let at = self.emit(
            node,
            Requant {
                shift,
                bits: 14,
                min,
                max,
            },
            &[at],
            None,
        )?;
        Ok(self.moved(node, at, scale.iter().map(|s| s * f64::from(1u32 << shift)).collect()))
    }

    pub(super) fn average(&mut self, node: &Node, window: Window, include: bool) -> Result<Rep, QuantizeError> {
        let x = self.narrowed(node, node.inputs[0])?;
        let at = self.emit(node, SumPool { window }, &[x.node], None)?;
        let places = (window.kernel[0] * window.kernel[1]) as f64;
        let scale: Vec<f64> = x.scale.iter().map(|s| s / places).collect();
        let padded = window.before != [0, 0] || window.after != [0, 0];
        if include || !padded {
            // Four values of fourteen bits are one of sixteen: the next layer takes no more.
            let bits = ceil_log2(self.graph.kind(at).largest().unsigned_abs() + 1) + 1;
            let shift = bits.saturating_sub(15) as u8;
            if bits <= 16 {
                return Ok(self.moved(node, at, scale));
            }
            let (min, max) = (-32767, 32767);
            let op = Requant {
                shift,
                bits: 16,
                min,
                max,
            };
            let at = self.emit(node, op, &[at], None)?;
            let scale = scale.iter().map(|s| s * f64::from(1u32 << shift)).collect();
            return Ok(self.moved(node, at, scale));
        }
        // Windows at the border hold fewer places: their sums weigh more.
        let (h, w) = (x.shape[1], x.shape[2]);
        let (oh, ow) = (node.shape[1], node.shape[2]);
        let count = |axis: usize, o: usize, size: usize| {
            (0..window.kernel[axis])
                .filter(|&k| window.source(axis, o, k, size).is_some())
                .count()
        };
        let unit = f64::from(1u32 << AFFINE_SHIFT);
        let factor = |i: usize| {
            let n = count(0, i / ow % oh, h) * count(1, i % ow, w);
            // At most 1 in units of the smallest window.
            (unit / n.max(1) as f64).round() as i16
        };
        let factors = node.shape.iter().product();
        let block = Block {
            w: (0..factors).map(factor).collect(),
            b: vec![0; factors],
        };
        let sums = self.narrowed_node(node, at)?;
        let at = self.emit(node, Affine { factors }, &[sums.0], Some(block))?;
        // Each factor is half a unit off at most.
        let far: Vec<f64> = (0..node.shape[0])
            .map(|c| 0.5 * (bound::largest(self.reach[sums.0][c]) + self.errors[sums.0][c]))
            .collect();
        self.lose(at, |c| far[c]);
        let (shift, bits, min, max) = (8, 24, -32767, 32767);
        let bits = bits.min(20);
        let at = self.emit(node, Requant { shift, bits, min, max }, &[at], None)?;
        // A sum times 2^14/n, shifted by 8: the mean times 2^6.
        let scale = x
            .scale
            .iter()
            .map(|s| s * sums.1 * f64::from(1u32 << shift) / unit)
            .collect();
        Ok(self.moved(node, at, scale))
    }

    /// A node as a narrow tensor, and what its scale is multiplied by.
    pub(super) fn narrowed_node(&mut self, node: &Node, at: usize) -> Result<(usize, f64), QuantizeError> {
        let kind = self.graph.kind(at);
        let bits = ceil_log2(kind.largest().unsigned_abs() + 1) + 1;
        if bits <= 10 {
            return Ok((at, 1.0));
        }
        // Ten bits, so that the mean in 2^6 stays narrow.
        let shift = (bits - 10) as u8;
        let (min, max) = (-511, 511);
        let out = self.emit(
            node,
            Requant {
                shift,
                bits: 12,
                min,
                max,
            },
            &[at],
            None,
        )?;
        Ok((out, f64::from(1u32 << shift)))
    }

    pub(super) fn pad(
        &mut self,
        node: &Node,
        before: &[usize],
        after: &[usize],
        value: f32,
    ) -> Result<Rep, QuantizeError> {
        let x = self.shaped(node, node.inputs[0])?;
        let whole = value.fract() == 0.0 && value.abs() <= 32767.0;
        let raw = x.node == 0 || self.reps[0].as_ref().is_some_and(|r| r.node == x.node);
        if value != 0.0 && !(raw && whole) {
            return Err(self.fail(
                node,
                format!("padding with {value} behind a layer has no canonical integer; pad with 0, or pad the sample"),
            ));
        }
        let op = Pad {
            before: before.to_vec(),
            after: after.to_vec(),
            value: value as i16,
        };
        let at = self.emit(node, op, &[x.node], None)?;
        let scale = if x.scale.len() == 1 {
            x.scale
        } else {
            let ends = |n: usize| std::iter::repeat_n(x.scale[0], n);
            ends(before[0])
                .chain(x.scale.iter().copied())
                .chain(ends(after[0]))
                .collect()
        };
        Ok(self.moved(node, at, scale))
    }

    /// Brings tensors to as many bits as the coarsest has, at least eight.
    ///
    /// One row of int8 weights reads them all: beside eight bits, the weights of twelve would be
    /// sixteenths, and most of them round to nothing.
    fn level(&mut self, node: &Node, x: &mut [Rep]) -> Result<(), QuantizeError> {
        let bits = |l: &Self, r: &Rep| ceil_log2(l.graph.kind(r.node).largest().unsigned_abs() + 1);
        let level = x.iter().map(|r| bits(self, r)).min().unwrap_or(8).max(8);
        for r in x {
            let over = bits(self, r).saturating_sub(level);
            if over == 0 {
                continue;
            }
            // A narrow tensor has at most 16 bits, so all of these fit.
            let (shift, max) = (over as u8, ((1u32 << level) - 1) as i16);
            let op = Requant {
                shift,
                bits: (level + 2) as u8,
                min: -max,
                max,
            };
            r.node = self.emit(node, op, &[r.node], None)?;
            r.scale.iter_mut().for_each(|s| *s *= f64::from(1u32 << shift));
        }
        Ok(())
    }

    pub(super) fn concat(&mut self, node: &Node, i: usize, axis: usize) -> Result<Rep, QuantizeError> {
        let network = self.network;
        let mut x = vec![];
        for &v in &node.inputs {
            x.push(self.narrowed(node, v)?);
        }
        let free = axis == 0 && !self.uniform[i + 1];
        if free {
            self.level(node, &mut x)?;
            let nodes: Vec<usize> = x.iter().map(|r| r.node).collect();
            let at = self.emit(node, Concat { axis }, &nodes, None)?;
            let scale = x
                .iter()
                .flat_map(|r| (0..r.shape[0]).map(move |c| if r.scale.len() == 1 { r.scale[0] } else { r.scale[c] }));
            return Ok(self.moved(node, at, scale.collect()));
        }
        // One scale for all, by an affine on each.
        let top = self.tops(i, 1, true, false)[0];
        let shift = self.affine_shift(&x, 2047.0);
        let unit = f64::from(1u32 << shift) / 32767.0;
        let floor = x.iter().flat_map(|r| &r.scale).fold(0.0, |m: f64, &s| m.max(s * unit));
        let scale = (top / 2047.0).max(floor).max(1e-30);
        let mut nodes = vec![];
        for (r, &v) in x.iter().zip(&node.inputs) {
            let n = r.shape[0];
            let one = Node {
                op: Float::Concat { axis },
                shape: network.shape(v).to_vec(),
                ..node.clone()
            };
            let at = self.combine(
                &one,
                std::slice::from_ref(r),
                &[vec![1.0; n]],
                &vec![0.0; n],
                &[scale],
                shift,
            )?;
            let to = Narrowing {
                shift,
                bits: AFFINE_BITS,
                min: -2047,
                max: 2047,
            };
            nodes.push(self.narrow(node, at, to)?);
        }
        let at = self.emit(node, Concat { axis }, &nodes, None)?;
        Ok(self.moved(node, at, vec![scale]))
    }
}
