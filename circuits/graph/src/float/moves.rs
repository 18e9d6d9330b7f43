//! Operators that only move elements: where each output element comes from.

use super::Op;

/// For every output element, row-major: the index of the input element it copies, or none where
/// padding or a spread puts a constant. For one-input moves ([`Op::is_move`] except `Concat`).
///
/// # Panics
/// For other operators, or shapes that [`Op::output_shape`] refuses.
pub fn sources(op: &Op, input: &[usize], output: &[usize]) -> Vec<Option<usize>> {
    let strides = strides(input);
    let count: usize = output.iter().product();
    if matches!(op, Op::Reshape { .. }) {
        return (0..count).map(Some).collect();
    }
    let mut index = vec![0usize; output.len()];
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        out.push(source(op, &index, input).map(|at| at.iter().zip(&strides).map(|(i, s)| i * s).sum()));
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < output[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out
}

fn source(op: &Op, index: &[usize], input: &[usize]) -> Option<Vec<usize>> {
    match op {
        Op::Transpose { perm } => {
            let mut at = vec![0; index.len()];
            perm.iter().zip(index).for_each(|(&p, &i)| at[p] = i);
            Some(at)
        }
        // PANIC: the shape rule checked the last index, and the first is inside.
        Op::Slice { start, step, .. } => Some(
            (0..index.len())
                .map(|a| {
                    start[a]
                        .checked_add_signed(index[a] as isize * step[a])
                        .expect("a checked slice stays inside")
                })
                .collect(),
        ),
        Op::Pad { before, .. } => (0..index.len())
            .map(|a| index[a].checked_sub(before[a]).filter(|&i| i < input[a]))
            .collect(),
        Op::Upsample { factor: [a, b] } => Some(vec![index[0], index[1] / a, index[2] / b]),
        Op::Spread { stride: [a, b] } => (index[1].is_multiple_of(*a) && index[2].is_multiple_of(*b))
            .then(|| vec![index[0], index[1] / a, index[2] / b]),
        other => unreachable!("{other:?} computes"),
    }
}

/// Row-major strides of a shape.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut out = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        out[i - 1] = out[i] * shape[i];
    }
    out
}

/// Joins values along `axis`.
pub fn concat(values: &[(&[f32], &[usize])], axis: usize) -> Vec<f32> {
    let (_, first) = values[0];
    let outer: usize = first[..axis].iter().product();
    let mut out = Vec::with_capacity(values.iter().map(|(v, _)| v.len()).sum());
    for block in 0..outer {
        for (v, shape) in values {
            let n: usize = shape[axis..].iter().product();
            out.extend_from_slice(&v[block * n..(block + 1) * n]);
        }
    }
    out
}
