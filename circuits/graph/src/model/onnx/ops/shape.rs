//! What only moves elements.

use super::super::attributes::{int, ints, sizes, text};
use super::super::fold::{SliceParts, permutation, reshape, slice_parts};
use super::super::{Computed, Reader, Refusal, Value};
use super::{Inputs, constants};
use crate::float::Op;
use crate::model::proto::Node;

impl Reader<'_> {
    /// The same elements in another shape; what is known of the outputs stays.
    fn reshaped(&mut self, x: &Computed, shape: Vec<usize>) -> Result<Computed, Refusal> {
        if self.dims(x) == shape {
            return Ok(x.clone());
        }
        let id = self.push(Op::Reshape { shape }, &[x.id])?;
        Ok(Computed { id, ..x.clone() })
    }

    pub(super) fn flatten(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let batch = usize::from(self.batched());
        let rank = (dims.len() + batch) as i64;
        let axis = int(node, "axis", 1);
        let at = if axis < 0 { axis + rank } else { axis };
        let shape = match (self.batched(), usize::try_from(at)) {
            (true, Ok(1)) => vec![dims.iter().product()],
            (false, Ok(a)) if a <= dims.len() => vec![dims[..a].iter().product(), dims[a..].iter().product()],
            (true, _) => return Err("only axis 1 keeps samples apart".into()),
            _ => return Err(format!("axis {axis} of {rank} dimensions").into()),
        };
        self.reshaped(&x, shape)
    }

    pub(super) fn reshape(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let shape = inputs.constant(1)?;
        let to = shape.ints()?;
        let dims = self.dims(&x);
        let zero = int(node, "allowzero", 0) != 0;
        if !self.batched() {
            let shape = reshape(&dims, to, zero)?;
            return self.reshaped(&x, shape);
        }
        // The first dimension is the batch: copied (0), inferred (−1) or written out.
        let Some((&batch, rest)) = to.split_first() else {
            return Err("an empty shape drops the batch dimension".into());
        };
        let inferred = rest.iter().filter(|&&d| d == -1).count() + usize::from(batch == -1);
        if batch < -1 || inferred > 1 {
            return Err(format!("shape {to:?} does not keep samples apart; use [0, -1]").into());
        }
        // A 0 copies the dimension at its own place, which counts the batch as well.
        let mut own = vec![1];
        own.extend(&dims);
        let mut whole = vec![1];
        whole.extend(rest);
        let shape = reshape(&own, &whole, zero)?;
        self.reshaped(&x, shape[1..].to_vec())
    }

    pub(super) fn transpose(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let batch = usize::from(self.batched());
        let perm = permutation(ints(node, "perm"), self.dims(&x).len() + batch)?;
        if batch == 1 && perm.first() != Some(&0) {
            return Err(format!("permutation {perm:?} moves the first dimension, which keeps samples apart").into());
        }
        let perm = perm[batch..].iter().map(|p| p - batch).collect();
        Ok(self.push(Op::Transpose { perm }, &[x.id])?.into())
    }

    pub(super) fn squeeze(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let axes = match inputs.constant_or_none(1)? {
            Some(c) => Some(c.ints()?.to_vec()),
            None => ints(node, "axes").map(<[i64]>::to_vec),
        };
        let shape = if node.op_type == "Squeeze" {
            match axes {
                None => dims.into_iter().filter(|&d| d != 1).collect(),
                Some(axes) => {
                    let drop = axes
                        .iter()
                        .map(|&a| self.axis(a, dims.len()))
                        .collect::<Result<Vec<_>, _>>()?;
                    if drop.iter().any(|&a| dims[a] != 1) {
                        return Err(format!("axes {axes:?} of shape {dims:?} are not all 1").into());
                    }
                    (0..dims.len()).filter(|a| !drop.contains(a)).map(|a| dims[a]).collect()
                }
            }
        } else {
            let axes = axes.ok_or("it names no axes")?;
            let rank = dims.len() + axes.len();
            let new = axes
                .iter()
                .map(|&a| self.axis(a, rank))
                .collect::<Result<Vec<_>, _>>()?;
            let mut rest = dims.iter().copied();
            (0..rank)
                .map(|a| if new.contains(&a) { Some(1) } else { rest.next() })
                .collect::<Option<Vec<usize>>>()
                .ok_or("its axes name a dimension twice")?
        };
        self.reshaped(&x, shape)
    }

    pub(super) fn concat(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let parts = (0..inputs.0.len())
            .map(|i| inputs.computed(i))
            .collect::<Result<Vec<_>, _>>()?;
        let rank = self.dims(parts.first().ok_or("it has no input")?).len();
        let axis = self.axis(int(node, "axis", 1), rank)?;
        let ids: Vec<_> = parts.iter().map(|p| p.id).collect();
        Ok(self.push(Op::Concat { axis }, &ids)?.into())
    }

    pub(super) fn slice(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        for i in 1..inputs.0.len() {
            inputs.constant_or_none(i)?;
        }
        let mut parts: SliceParts = slice_parts(node, &constants(&inputs.0[1..]))?;
        if self.batched() {
            parts.drop_whole(dims.len() + 1);
        }
        let (start, step, length) = parts.resolve(&dims, |a| self.axis(a, dims.len()))?;
        Ok(self.push(Op::Slice { start, step, length }, &[x.id])?.into())
    }

    pub(super) fn split(&mut self, node: &Node, inputs: &Inputs) -> Result<Vec<Value>, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let axis = self.axis(int(node, "axis", 0), dims.len())?;
        let n = node.output.len();
        let lengths = match inputs.constant_or_none(1)? {
            Some(c) => sizes(c.ints()?, "split")?,
            None => match ints(node, "split") {
                Some(v) => sizes(v, "split")?,
                // Equal parts, the last one shorter.
                None => {
                    let each = dims[axis].div_ceil(n.max(1));
                    (0..n).map(|i| each.min(dims[axis].saturating_sub(i * each))).collect()
                }
            },
        };
        let total = lengths.iter().try_fold(0usize, |t, &l| t.checked_add(l));
        if lengths.len() != n || total != Some(dims[axis]) {
            return Err(format!("parts {lengths:?} for {n} outputs of a dimension of {}", dims[axis]).into());
        }
        let mut at = 0;
        let mut out = vec![];
        for l in lengths {
            let (mut start, mut length) = (vec![0; dims.len()], dims.clone());
            (start[axis], length[axis]) = (at, l);
            let step = vec![1; dims.len()];
            out.push(Value::Computed(
                self.push(Op::Slice { start, step, length }, &[x.id])?.into(),
            ));
            at += l;
        }
        Ok(out)
    }

    pub(super) fn pad(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let mode = text(node, "mode", "constant")?;
        if mode != "constant" {
            return Err(format!("mode {mode:?}; padding with a constant is supported").into());
        }
        let pads = match inputs.constant_or_none(1)? {
            Some(c) => c.ints()?.to_vec(),
            None => ints(node, "pads").or(ints(node, "paddings")).unwrap_or(&[]).to_vec(),
        };
        let value = match inputs.constant_or_none(2)? {
            Some(c) => c.single().ok_or("its value is not a single number")?,
            None => super::super::attributes::float(node, "value", 0.0)?,
        };
        let batch = usize::from(self.batched());
        let rank = dims.len() + batch;
        let axes: Vec<i64> = match inputs.constant_or_none(3)? {
            Some(c) => c.ints()?.to_vec(),
            None => (0..rank as i64).collect(),
        };
        if pads.len() != 2 * axes.len() {
            return Err(format!("{} paddings for {} dimensions", pads.len(), axes.len()).into());
        }
        let (mut before, mut after) = (vec![0usize; dims.len()], vec![0usize; dims.len()]);
        let (mut start, mut length) = (vec![0usize; dims.len()], dims.clone());
        for (i, &axis) in axes.iter().enumerate() {
            let (a, b) = (pads[i], pads[i + axes.len()]);
            if (a, b) == (0, 0) {
                continue;
            }
            let at = self.axis(axis, dims.len())?;
            let cut = |v: i64| usize::try_from(v.saturating_neg()).unwrap_or(0);
            let put = |v: i64| usize::try_from(v).unwrap_or(0);
            (before[at], after[at]) = (put(a), put(b));
            start[at] = cut(a);
            length[at] = dims[at].saturating_sub(cut(a).saturating_add(cut(b)));
        }
        let mut id = x.id;
        if length != dims {
            let step = vec![1; dims.len()];
            id = self.push(Op::Slice { start, step, length }, &[id])?;
        }
        Ok(self.push(Op::Pad { before, after, value }, &[id])?.into())
    }
}
