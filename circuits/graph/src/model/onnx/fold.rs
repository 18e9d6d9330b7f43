//! Operators on constants alone: what exporters leave of shape arithmetic and normalisation.

use super::attributes::{attribute, int, ints};
use super::constant::{Constant, Data, broadcast, kind, walk};
use crate::float::{MAX_ELEMENTS, elements};
use crate::model::proto::Node;
use std::rc::Rc;

/// Computes a node all of whose inputs are constants; none when the operator is not one of those
/// that exporters use so.
pub(super) fn fold(node: &Node, inputs: &[Option<Rc<Constant>>]) -> Result<Option<Constant>, String> {
    let input = |i: usize| {
        inputs
            .get(i)
            .and_then(Option::as_ref)
            .ok_or_else(|| format!("input {i} is missing"))
    };
    Ok(Some(match node.op_type.as_str() {
        "Identity" | "Dropout" => (**input(0)?).clone(),
        "Cast" => cast(input(0)?, int(node, "to", 0))?,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => pairwise(&node.op_type, input(0)?, input(1)?)?,
        "Sqrt" => each(input(0)?, f32::sqrt)?,
        "Exp" => each(input(0)?, f32::exp)?,
        "Neg" => each(input(0)?, |v| -v)?,
        "Reciprocal" => each(input(0)?, |v| 1.0 / v)?,
        "Shape" => {
            let dims = input(0)?.dims.iter().map(|&d| d as i64).collect::<Vec<_>>();
            Constant::int(vec![dims.len()], dims)
        }
        "Reshape" => {
            let (x, to) = (input(0)?, input(1)?);
            x.reshaped(reshape(&x.dims, to.ints()?, int(node, "allowzero", 0) != 0)?)
        }
        "Flatten" => {
            let x = input(0)?;
            let at = axis(int(node, "axis", 1), x.dims.len() + 1)?;
            let (a, b) = x.dims.split_at(at);
            x.reshaped(vec![a.iter().product(), b.iter().product()])
        }
        "Transpose" => {
            let x = input(0)?;
            x.transposed(&permutation(ints(node, "perm"), x.dims.len())?)
        }
        "Unsqueeze" | "Squeeze" => {
            let x = input(0)?;
            let axes = match inputs.get(1).and_then(Option::as_ref) {
                Some(c) => Some(c.ints()?.to_vec()),
                None => ints(node, "axes").map(<[i64]>::to_vec),
            };
            x.reshaped(if node.op_type == "Squeeze" {
                squeeze(&x.dims, axes.as_deref())?
            } else {
                unsqueeze(&x.dims, &axes.ok_or("it names no axes")?)?
            })
        }
        "Concat" => concat(inputs, int(node, "axis", 0))?,
        "Gather" => gather(input(0)?, input(1)?, int(node, "axis", 0))?,
        "Slice" => {
            let (x, parts) = (input(0)?, slice_parts(node, &inputs[1..])?);
            let (start, step, length) = parts.resolve(&x.dims, |a| axis(a, x.dims.len()))?;
            let strides = crate::float::moves::strides(&x.dims);
            let mut from = vec![0];
            for a in 0..x.dims.len() {
                let at = |i: usize| start[a].wrapping_add_signed(i as isize * step[a]) * strides[a];
                from = from
                    .iter()
                    .flat_map(|&f| (0..length[a]).map(move |i| f + at(i)))
                    .collect();
            }
            x.moved(length, &from)
        }
        "ConstantOfShape" => {
            let dims = super::attributes::sizes(input(0)?.ints()?, "shape")?;
            let n = bounded(&dims)?;
            match attribute(node, "value").and_then(|a| a.t.as_ref()) {
                None => Constant::real(dims, vec![0.0; n]),
                Some(t) => Constant::read(t)?.moved(dims, &vec![0; n]),
            }
        }
        "Expand" => {
            let (x, to) = (input(0)?, super::attributes::sizes(input(1)?.ints()?, "shape")?);
            let from = {
                bounded(&to)?;
                broadcast(&x.dims, &to)?
            };
            x.moved(to, &from)
        }
        _ => return Ok(None),
    }))
}

/// Element count of a constant that is about to be made.
fn bounded(dims: &[usize]) -> Result<usize, String> {
    dims.iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| format!("shape {dims:?} has more than {MAX_ELEMENTS} elements"))
}

/// A dimension from the file's number, which counts from the end when negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(at)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("axis {axis} of {rank} dimensions"))
}

fn cast(x: &Constant, to: i64) -> Result<Constant, String> {
    let data = match (&x.data, kind::range(to)) {
        _ if to == kind::FLOAT || to == kind::DOUBLE => Data::Real(x.reals()),
        (Data::Int(v), Some((low, high))) if v.iter().all(|x| (low..=high).contains(x)) => Data::Int(v.clone()),
        // Truncation towards zero, which is exact for what exporters cast: whole numbers.
        (Data::Real(v), Some(_)) if v.iter().all(|x| x.fract() == 0.0 && x.abs() < 1e15) => {
            Data::Int(v.iter().map(|&x| x as i64).collect())
        }
        _ => return Err(format!("a constant cast to element type {to} would change")),
    };
    Ok(Constant {
        dims: x.dims.clone(),
        data,
        kind: if to == kind::DOUBLE { kind::FLOAT } else { to },
        integers: None,
    })
}

fn each(x: &Constant, f: impl Fn(f32) -> f32) -> Result<Constant, String> {
    match &x.data {
        Data::Real(v) => finite(Constant::real(x.dims.clone(), v.iter().map(|&v| f(v)).collect())),
        Data::Int(_) => Err("of integers; of float32 it is supported".into()),
    }
}

fn finite(c: Constant) -> Result<Constant, String> {
    if c.reals().iter().all(|v| v.is_finite()) {
        Ok(c)
    } else {
        Err("of constants, it gives NaN or infinity".into())
    }
}

fn pairwise(op: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    let rank = a.dims.len().max(b.dims.len());
    let at = |c: &Constant, i: usize| (i + c.dims.len()).checked_sub(rank).map_or(1, |k| c.dims[k]);
    let dims: Vec<usize> = (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, 1) => x,
            (1, y) => y,
            (x, _) => x,
        })
        .collect();
    bounded(&dims)?;
    let (i, j) = (broadcast(&a.dims, &dims)?, broadcast(&b.dims, &dims)?);
    let pairs = i.into_iter().zip(j);
    if let (Data::Int(x), Data::Int(y)) = (&a.data, &b.data) {
        let f = |x: i64, y: i64| match op {
            "Add" => x.checked_add(y),
            "Sub" => x.checked_sub(y),
            "Mul" => x.checked_mul(y),
            "Div" => x.checked_div(y),
            _ => None,
        };
        let data: Option<Vec<i64>> = pairs.map(|(i, j)| f(x[i], y[j])).collect();
        return Ok(Constant::int(
            dims,
            data.ok_or("integer constants overflow or divide by zero")?,
        ));
    }
    let (x, y) = (a.reals(), b.reals());
    let f = |x: f32, y: f32| match op {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" => x / y,
        _ => x.powf(y),
    };
    finite(Constant::real(dims, pairs.map(|(i, j)| f(x[i], y[j])).collect()))
}

fn concat(inputs: &[Option<Rc<Constant>>], along: i64) -> Result<Constant, String> {
    let all: Vec<&Rc<Constant>> = inputs.iter().flatten().collect();
    let first = all.first().ok_or("it has no input")?;
    let axis = axis(along, first.dims.len())?;
    let same = |c: &Constant| {
        c.dims.len() == first.dims.len() && (0..c.dims.len()).all(|i| i == axis || c.dims[i] == first.dims[i])
    };
    if !all.iter().all(|c| same(c)) {
        return Err("constants of different shapes".into());
    }
    let mut dims = first.dims.clone();
    dims[axis] = all.iter().map(|c| c.dims[axis]).sum();
    bounded(&dims)?;
    if let Ok(parts) = all.iter().map(|c| c.ints()).collect::<Result<Vec<_>, _>>() {
        let outer: usize = dims[..axis].iter().product();
        let mut data = vec![];
        for block in 0..outer {
            for (c, part) in all.iter().zip(&parts) {
                let n: usize = c.dims[axis..].iter().product();
                data.extend_from_slice(&part[block * n..(block + 1) * n]);
            }
        }
        return Ok(Constant::int(dims, data));
    }
    let reals: Vec<Vec<f32>> = all.iter().map(|c| c.reals()).collect();
    let parts: Vec<(&[f32], &[usize])> = reals
        .iter()
        .zip(&all)
        .map(|(r, c)| (r.as_slice(), c.dims.as_slice()))
        .collect();
    Ok(Constant::real(dims, crate::float::moves::concat(&parts, axis)))
}

fn gather(x: &Constant, at: &Constant, along: i64) -> Result<Constant, String> {
    let axis = axis(along, x.dims.len())?;
    let size = x.dims[axis];
    let index = at
        .ints()?
        .iter()
        .map(|&i| {
            let k = if i < 0 { i + size as i64 } else { i };
            usize::try_from(k)
                .ok()
                .filter(|&k| k < size)
                .ok_or_else(|| format!("index {i} of {size}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut dims = x.dims[..axis].to_vec();
    dims.extend(&at.dims);
    dims.extend(&x.dims[axis + 1..]);
    bounded(&dims)?;
    let strides = crate::float::moves::strides(&x.dims);
    let outer = walk(&x.dims[..axis], &strides[..axis]);
    let inner = walk(&x.dims[axis + 1..], &strides[axis + 1..]);
    let (index, inner, stride) = (&index, &inner, strides[axis]);
    let from: Vec<usize> = outer
        .iter()
        .flat_map(|&o| {
            index
                .iter()
                .flat_map(move |&k| inner.iter().map(move |&i| o + k * stride + i))
        })
        .collect();
    Ok(x.moved(dims, &from))
}

/// The target of a Reshape: 0 copies a dimension, −1 is inferred.
pub(super) fn reshape(from: &[usize], to: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let bad = || format!("shape {to:?} does not hold the elements of {from:?}");
    let count = from.iter().product::<usize>();
    let mut out = Vec::with_capacity(to.len());
    for (i, &d) in to.iter().enumerate() {
        out.push(match d {
            -1 => None,
            0 if !allow_zero => Some(*from.get(i).ok_or_else(bad)?),
            d => Some(usize::try_from(d).map_err(|_| bad())?),
        });
    }
    let known = out
        .iter()
        .flatten()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .ok_or_else(bad)?;
    let free = out.iter().filter(|d| d.is_none()).count();
    let rest = if known == 0 { 0 } else { count / known };
    if free > 1 || (free == 0 && known != count) || (free == 1 && rest.checked_mul(known) != Some(count)) {
        return Err(bad());
    }
    Ok(out.into_iter().map(|d| d.unwrap_or(rest)).collect())
}

pub(super) fn permutation(perm: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, String> {
    let Some(perm) = perm.filter(|p| !p.is_empty()) else {
        return Ok((0..rank).rev().collect());
    };
    let out = super::attributes::sizes(perm, "permutation")?;
    let mut sorted = out.clone();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..rank) {
        Ok(out)
    } else {
        Err(format!("permutation {perm:?} of {rank} dimensions"))
    }
}

fn squeeze(dims: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, String> {
    let Some(axes) = axes else {
        return Ok(dims.iter().copied().filter(|&d| d != 1).collect());
    };
    let drop = axes
        .iter()
        .map(|&a| axis(a, dims.len()))
        .collect::<Result<Vec<_>, _>>()?;
    if drop.iter().any(|&a| dims[a] != 1) {
        return Err(format!("axes {axes:?} of shape {dims:?} are not all 1"));
    }
    Ok((0..dims.len()).filter(|a| !drop.contains(a)).map(|a| dims[a]).collect())
}

fn unsqueeze(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = dims.len() + axes.len();
    let new = axes.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut rest = dims.iter();
    let out: Vec<usize> = (0..rank)
        .map(|a| {
            if new.contains(&a) {
                Some(1)
            } else {
                rest.next().copied()
            }
        })
        .collect::<Option<_>>()
        .ok_or_else(|| format!("axes {axes:?} name a dimension twice"))?;
    elements(&out)?;
    Ok(out)
}

/// What a Slice says, as attributes (old) or inputs (new).
pub(super) struct SliceParts {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Option<Vec<i64>>,
    steps: Option<Vec<i64>>,
}

pub(super) fn slice_parts(node: &Node, inputs: &[Option<Rc<Constant>>]) -> Result<SliceParts, String> {
    let part = |i: usize, name: &str| -> Result<Option<Vec<i64>>, String> {
        match inputs.get(i).and_then(Option::as_ref) {
            Some(c) => Ok(Some(c.ints()?.to_vec())),
            None => Ok(ints(node, name).map(<[i64]>::to_vec)),
        }
    };
    Ok(SliceParts {
        starts: part(0, "starts")?.ok_or("it has no starts")?,
        ends: part(1, "ends")?.ok_or("it has no ends")?,
        axes: part(2, "axes")?,
        steps: part(3, "steps")?,
    })
}

impl SliceParts {
    /// Start, step and length of every dimension of `dims`; `axis` reads the file's axis numbers.
    pub fn resolve(
        &self,
        dims: &[usize],
        axis: impl Fn(i64) -> Result<usize, String>,
    ) -> Result<(Vec<usize>, Vec<isize>, Vec<usize>), String> {
        let (mut start, mut step, mut length) = (vec![0; dims.len()], vec![1isize; dims.len()], dims.to_vec());
        let n = self.starts.len();
        let fits = self.ends.len() == n
            && self.axes.as_ref().is_none_or(|a| a.len() == n)
            && self.steps.as_ref().is_none_or(|s| s.len() == n);
        if !fits {
            return Err("starts, ends, axes and steps differ in number".into());
        }
        for i in 0..n {
            let a = axis(self.axes.as_ref().map_or(i as i64, |axes| axes[i]))?;
            let by = self.steps.as_ref().map_or(1, |s| s[i]);
            // Dimensions are small, so clamped ends and starts cannot overflow.
            let size = i64::try_from(dims[a]).unwrap_or(i64::MAX);
            let wrap = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
            let (from, to) = match by {
                0 => return Err("a step of 0".into()),
                1.. => (wrap(self.starts[i]).clamp(0, size), wrap(self.ends[i]).clamp(0, size)),
                _ => (
                    wrap(self.starts[i]).clamp(-1, size - 1),
                    wrap(self.ends[i]).clamp(-1, size - 1),
                ),
            };
            let span = if by > 0 { to - from } else { from - to };
            if span <= 0 {
                return Err(format!("an empty slice of axis {a}"));
            }
            length[a] = usize::try_from((span - 1) / by.saturating_abs() + 1).unwrap_or(1);
            start[a] = usize::try_from(from).unwrap_or(0);
            step[a] = if length[a] == 1 { 1 } else { by as isize };
        }
        Ok((start, step, length))
    }
}

impl SliceParts {
    /// Drops what leaves the first of `rank` dimensions whole: the batch.
    pub fn drop_whole(&mut self, rank: usize) {
        let n = self.starts.len();
        let axes = self.axes.take().unwrap_or_else(|| (0..n as i64).collect());
        let steps = self.steps.take().unwrap_or_else(|| vec![1; n]);
        let whole = |i: usize| {
            let first = axes.get(i).is_some_and(|&a| a == 0 || a == -(rank as i64));
            first
                && self.starts[i] == 0
                && steps.get(i) == Some(&1)
                && self.ends.get(i).is_some_and(|&e| e >= i64::from(i32::MAX))
        };
        let keep: Vec<usize> = (0..n).filter(|&i| !whole(i)).collect();
        let pick = |v: &[i64]| keep.iter().filter_map(|&i| v.get(i).copied()).collect::<Vec<_>>();
        (self.axes, self.steps) = (Some(pick(&axes)), Some(pick(&steps)));
        (self.starts, self.ends) = (pick(&self.starts), pick(&self.ends));
    }
}
