//! QuantizeLinear and DequantizeLinear: the integers of a quantised model are kept as they are.

use super::super::attributes::int;
use super::super::constant::{Constant, Data, Integers, kind};
use super::super::fold::axis;
use super::super::{Computed, Reader, Refusal};
use super::Inputs;
use crate::float::{Op, Quantization};
use crate::model::proto::Node;
use std::rc::Rc;

impl Reader<'_> {
    pub(super) fn quantize(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let q = self.quantization(node, &x, inputs)?;
        Ok(self.push(Op::Quantize(q), &[x.id])?.into())
    }

    pub(super) fn dequantize(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let q = self.quantization(node, &x, inputs)?;
        Ok(self.push(Op::Dequantize(q), &[x.id])?.into())
    }

    fn quantization(&mut self, node: &Node, x: &Computed, inputs: &Inputs) -> Result<Quantization, Refusal> {
        let (scale, zero) = (inputs.constant(1)?, inputs.constant_or_none(2)?);
        let p = parameters(node, &scale, zero.as_deref())?;
        let rank = self.dims(x).len();
        let axis = if p.scale.len() == 1 {
            0
        } else {
            self.axis(int(node, "axis", 1), rank)?
        };
        Ok(Quantization {
            scale: p.scale,
            zero: p.zero.iter().map(|&z| z as i32).collect(),
            axis,
            low: p.low as i32,
            high: p.high as i32,
        })
    }
}

struct Parameters {
    scale: Vec<f32>,
    zero: Vec<i64>,
    low: i64,
    high: i64,
    kind: i64,
}

fn parameters(node: &Node, scale: &Constant, zero: Option<&Constant>) -> Result<Parameters, String> {
    if int(node, "block_size", 0) != 0 {
        return Err("blocked quantisation is not supported; one scale, or one a channel, is".into());
    }
    if scale.dims.len() > 1 && scale.len() != 1 {
        return Err(format!(
            "scales of shape {:?}; one, or one a channel, is supported",
            scale.dims
        ));
    }
    let wanted = int(node, "output_dtype", 0);
    let kind = match zero {
        Some(z) => z.kind,
        None if wanted != 0 && node.op_type == "QuantizeLinear" => wanted,
        None => kind::UINT8,
    };
    let (low, high) = match kind {
        kind::UINT8 | kind::INT8 | kind::INT32 | kind::INT16 | kind::UINT16 => kind::range(kind).unwrap_or((0, 255)),
        other => return Err(format!("to element type {other}; int8 and uint8 are supported")),
    };
    let scale = scale.reals();
    if scale.iter().any(|s| !s.is_normal() || *s <= 0.0) {
        return Err("a scale is not a positive number".into());
    }
    let zero = match zero {
        Some(z) => z.ints()?.to_vec(),
        None => vec![0; scale.len()],
    };
    if zero.len() != scale.len() {
        return Err(format!("{} scales and {} zero points", scale.len(), zero.len()));
    }
    Ok(Parameters {
        scale,
        zero,
        low,
        high,
        kind,
    })
}

/// Channel of every element, for scales along an axis.
fn channels(dims: &[usize], axis: usize, scales: usize) -> Result<Vec<usize>, String> {
    let count: usize = dims.iter().product();
    if scales == 1 {
        return Ok(vec![0; count]);
    }
    if dims.get(axis) != Some(&scales) {
        return Err(format!("{scales} scales for dimension {axis} of {dims:?}"));
    }
    let inner: usize = dims[axis + 1..].iter().product();
    Ok((0..count).map(|i| i / inner % scales).collect())
}

fn operand(inputs: &[Option<Rc<Constant>>], i: usize) -> Result<&Constant, String> {
    let c = inputs.get(i).and_then(Option::as_ref);
    c.map(Rc::as_ref).ok_or_else(|| format!("input {i} is missing"))
}

fn along(node: &Node, x: &Constant, scales: usize) -> Result<usize, String> {
    if scales == 1 {
        Ok(0)
    } else {
        axis(int(node, "axis", 1), x.dims.len())
    }
}

/// Weights to integers, as training with simulated quantisation exports them.
pub(super) fn quantize_constant(node: &Node, inputs: &[Option<Rc<Constant>>]) -> Result<Constant, String> {
    let (x, scale) = (operand(inputs, 0)?, operand(inputs, 1)?);
    let p = parameters(node, scale, inputs.get(2).and_then(Option::as_deref))?;
    let at = channels(&x.dims, along(node, x, p.scale.len())?, p.scale.len())?;
    let data = x
        .reals()
        .iter()
        .zip(at)
        .map(|(&v, c)| {
            ((v / p.scale[c]).round_ties_even() as i64)
                .saturating_add(p.zero[c])
                .clamp(p.low, p.high)
        })
        .collect();
    Ok(Constant {
        dims: x.dims.clone(),
        data: Data::Int(data),
        kind: p.kind,
        integers: None,
    })
}

/// Integer weights as floats; the integers stay beside them.
pub(super) fn dequantize_constant(node: &Node, inputs: &[Option<Rc<Constant>>]) -> Result<Constant, String> {
    let (x, scale) = (operand(inputs, 0)?, operand(inputs, 1)?);
    let zero = match inputs.get(2).and_then(Option::as_deref) {
        Some(z) => z.ints()?.to_vec(),
        None => vec![0; scale.len()],
    };
    let p = Parameters {
        zero,
        ..parameters(node, scale, None)?
    };
    if p.zero.len() != p.scale.len() {
        return Err(format!("{} scales and {} zero points", p.scale.len(), p.zero.len()));
    }
    let values = x.ints()?.to_vec();
    if values.iter().chain(&p.zero).any(|&v| i32::try_from(v).is_err()) {
        return Err("integers that are no int32".into());
    }
    let axis = along(node, x, p.scale.len())?;
    let at = channels(&x.dims, axis, p.scale.len())?;
    let data: Vec<f32> = values
        .iter()
        .zip(at)
        .map(|(&v, c)| (v - p.zero[c]) as f32 * p.scale[c])
        .collect();
    if !data.iter().all(|v| v.is_finite()) {
        return Err("its numbers overflow float32".into());
    }
    let mut out = Constant::real(x.dims.clone(), data);
    out.integers = Some(Integers {
        values,
        scale: p.scale,
        zero: p.zero,
        axis,
    });
    Ok(out)
}
