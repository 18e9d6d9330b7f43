//! The float evaluator: what calibration measures and what integers are compared with.
//!
//! Sums run in one fixed order, so a machine gives the same floats every time.

use super::moves::{concat, sources};
use super::{Network, Node, Op, Tensor, Window};

/// A sample that is no input of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network takes {expected} features, the sample has {got}")]
pub struct SampleError {
    pub expected: usize,
    pub got: usize,
}

/// Every value for one sample: the sample itself, then each node's, by [`super::ValueId::index`].
///
/// # Errors
/// When the sample has another number of features.
pub fn run(network: &Network, sample: &[f32]) -> Result<Vec<Vec<f32>>, SampleError> {
    let expected = network.input().iter().product();
    if sample.len() != expected {
        return Err(SampleError {
            expected,
            got: sample.len(),
        });
    }
    let mut values = Vec::with_capacity(network.nodes().len() + 1);
    values.push(sample.to_vec());
    for node in network.nodes() {
        let inputs: Vec<(&[f32], &[usize])> = node
            .inputs
            .iter()
            .map(|&v| (values[v.index()].as_slice(), network.shape(v)))
            .collect();
        let value = compute(node, &inputs);
        values.push(value);
    }
    Ok(values)
}

/// The network's outputs for one sample.
///
/// # Errors
/// When the sample has another number of features.
pub fn outputs(network: &Network, sample: &[f32]) -> Result<Vec<f32>, SampleError> {
    let mut values = run(network, sample)?;
    Ok(values.swap_remove(network.output().index()))
}

/// One node's value. Shapes were checked when the node was pushed.
fn compute(node: &Node, inputs: &[(&[f32], &[usize])]) -> Vec<f32> {
    let (x, shape) = inputs[0];
    match &node.op {
        Op::Dense { w, b, .. } => {
            let rows = w.data.chunks_exact(w.row());
            rows.zip(&b.data).map(|(row, b)| dot(row, x) + b).collect()
        }
        Op::Conv {
            w, b, window, groups, ..
        } => convolve(x, shape, w, &b.data, window, *groups, &node.shape),
        Op::Affine { scale, offset } => {
            let (s, o) = (spread(scale, shape), spread(offset, shape));
            (0..x.len()).map(|i| s(i) * x[i] + o(i)).collect()
        }
        Op::Add => pairs(x, inputs[1].0, |a, b| a + b),
        Op::Sub => pairs(x, inputs[1].0, |a, b| a - b),
        Op::Mul => {
            let y = inputs[1].0;
            let each = x.len() / y.len();
            x.iter().enumerate().map(|(i, v)| v * y[i / each]).collect()
        }
        Op::Concat { axis } => concat(inputs, *axis),
        Op::Activation(a) => x.iter().map(|&v| a.at(v)).collect(),
        Op::MaxPool { window } => pool(x, shape, window, &node.shape, |cells, _| {
            cells.iter().copied().fold(f32::NEG_INFINITY, f32::max)
        }),
        Op::AveragePool {
            window,
            include_padding,
        } => pool(x, shape, window, &node.shape, |cells, all| {
            let n = if *include_padding { all } else { cells.len() };
            cells.iter().sum::<f32>() / n as f32
        }),
        Op::Reshape { .. } => x.to_vec(),
        Op::Transpose { .. } | Op::Slice { .. } | Op::Upsample { .. } | Op::Spread { .. } => {
            moved(x, &sources(&node.op, shape, &node.shape), 0.0)
        }
        Op::Pad { value, .. } => moved(x, &sources(&node.op, shape, &node.shape), *value),
        Op::Quantize(q) => {
            let channel = channel_of(shape, q.axis);
            x.iter()
                .enumerate()
                .map(|(i, &v)| q.quantize(v, channel(i)) as f32)
                .collect()
        }
        Op::Dequantize(q) => {
            let channel = channel_of(shape, q.axis);
            // Integers of 8 bits, held as floats.
            x.iter()
                .enumerate()
                .map(|(i, &v)| q.dequantize(v as i32, channel(i)))
                .collect()
        }
        Op::Trees(t) => t.apply(x),
    }
}

fn pairs(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    x.iter().zip(y).map(|(&a, &b)| f(a, b)).collect()
}

fn moved(x: &[f32], from: &[Option<usize>], fill: f32) -> Vec<f32> {
    from.iter().map(|s| s.map_or(fill, |i| x[i])).collect()
}

/// Reads a constant of an affine step at an element: one, one a channel, or one an element.
fn spread<'a>(t: &'a Tensor, shape: &[usize]) -> impl Fn(usize) -> f32 + 'a {
    let total: usize = shape.iter().product();
    let each = total / t.data.len();
    move |i| t.data[i / each]
}

fn channel_of(shape: &[usize], axis: usize) -> impl Fn(usize) -> usize {
    let inner: usize = shape.iter().skip(axis + 1).product();
    let channels = shape.get(axis).copied().unwrap_or(1);
    move |i| i / inner % channels
}

/// Eight sums side by side, so that the loop runs in vector registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (wide, narrow) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (x, y) in wide.0.iter().zip(narrow.0) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    let rest: f32 = wide.1.iter().zip(narrow.1).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Outputs of one axis whose kernel element `k` reads inside the input: a range.
fn inside(window: &Window, axis: usize, k: usize, size: usize, outputs: usize) -> std::ops::Range<usize> {
    let (stride, at) = (window.stride[axis], k * window.dilation[axis]);
    let low = window.before[axis].saturating_sub(at).div_ceil(stride);
    let high = (size + window.before[axis])
        .checked_sub(at + 1)
        .map_or(0, |last| last / stride + 1)
        .min(outputs);
    low.min(high)..high
}

/// Taps from which a convolution gathers the inputs of each place: inner products are then long,
/// where rows of a small image are short.
const PATCH: usize = 64;
/// Places whose inputs are held together, so that a row of weights is read once for all of them.
const PLACES: usize = 8;

fn by_patches(
    x: &[f32],
    shape: &[usize],
    w: &Tensor,
    bias: &[f32],
    window: &Window,
    groups: usize,
    out_shape: &[usize],
) -> Vec<f32> {
    let (height, width, taps) = (shape[1], shape[2], w.row());
    let (ow, places) = (out_shape[2], out_shape[1] * out_shape[2]);
    let (per, [kh, kw]) = (w.shape[1], window.kernel);
    let each = out_shape[0] / groups;
    let mut out = vec![0f32; out_shape.iter().product()];
    let mut patches = vec![0f32; PLACES * taps];
    for g in 0..groups {
        let input = &x[g * per * height * width..(g + 1) * per * height * width];
        for first in (0..places).step_by(PLACES) {
            let block = PLACES.min(places - first);
            patches.fill(0.0);
            for (at, patch) in (first..first + block).zip(patches.chunks_exact_mut(taps)) {
                for ky in 0..kh {
                    let Some(row) = window.source(0, at / ow, ky, height) else {
                        continue;
                    };
                    for kx in 0..kw {
                        if let Some(column) = window.source(1, at % ow, kx, width) {
                            for c in 0..per {
                                patch[(c * kh + ky) * kw + kx] = input[(c * height + row) * width + column];
                            }
                        }
                    }
                }
            }
            for o in g * each..(g + 1) * each {
                let row = &w.data[o * taps..(o + 1) * taps];
                let to = &mut out[o * places + first..][..block];
                for (t, patch) in to.iter_mut().zip(patches.chunks_exact(taps)) {
                    *t = dot(row, patch) + bias[o];
                }
            }
        }
    }
    out
}

fn convolve(
    x: &[f32],
    shape: &[usize],
    w: &Tensor,
    bias: &[f32],
    window: &Window,
    groups: usize,
    out_shape: &[usize],
) -> Vec<f32> {
    let (height, width) = (shape[1], shape[2]);
    let (oh, ow) = (out_shape[1], out_shape[2]);
    let (per, [kh, kw]) = (w.shape[1], window.kernel);
    let each = out_shape[0] / groups;
    if per * kh * kw >= PATCH {
        return by_patches(x, shape, w, bias, window, groups, out_shape);
    }
    let mut out = Vec::with_capacity(out_shape.iter().product());
    for (o, &b) in bias.iter().enumerate() {
        let mut plane = vec![b; oh * ow];
        for c in 0..per {
            let channel = o / each * per + c;
            let input = &x[channel * height * width..(channel + 1) * height * width];
            for ky in 0..kh {
                for kx in 0..kw {
                    let weight = w.data[((o * per + c) * kh + ky) * kw + kx];
                    let columns = inside(window, 1, kx, width, ow);
                    if columns.is_empty() {
                        continue;
                    }
                    let first = columns.start * window.stride[1] + kx * window.dilation[1] - window.before[1];
                    for y in inside(window, 0, ky, height, oh) {
                        let row = y * window.stride[0] + ky * window.dilation[0] - window.before[0];
                        let from = &input[row * width + first..(row + 1) * width];
                        let to = &mut plane[y * ow + columns.start..y * ow + columns.end];
                        if window.stride[1] == 1 {
                            to.iter_mut().zip(from).for_each(|(t, f)| *t += weight * f);
                        } else {
                            to.iter_mut()
                                .zip(from.iter().step_by(window.stride[1]))
                                .for_each(|(t, f)| *t += weight * f);
                        }
                    }
                }
            }
        }
        out.append(&mut plane);
    }
    out
}

/// Applies `f` to the cells of each window that lie inside, with the window's size counting those
/// in the declared padding.
fn pool(
    x: &[f32],
    shape: &[usize],
    window: &Window,
    out_shape: &[usize],
    f: impl Fn(&[f32], usize) -> f32,
) -> Vec<f32> {
    let (height, width) = (shape[1], shape[2]);
    let all = window.kernel[0] * window.kernel[1];
    let mut cells = Vec::with_capacity(all);
    let mut out = Vec::with_capacity(out_shape.iter().product());
    for plane in x.chunks_exact(height * width) {
        for y in 0..out_shape[1] {
            for z in 0..out_shape[2] {
                cells.clear();
                for ky in 0..window.kernel[0] {
                    let Some(row) = window.source(0, y, ky, height) else {
                        continue;
                    };
                    for kx in 0..window.kernel[1] {
                        if let Some(column) = window.source(1, z, kx, width) {
                            cells.push(plane[row * width + column]);
                        }
                    }
                }
                out.push(f(&cells, all));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, Ending, Quantization, ValueId};
    use super::*;

    fn one(shape: &[usize], op: Op, x: &[f32]) -> Vec<f32> {
        let mut n = Network::new(shape.to_vec()).unwrap();
        let v = n.push("n", "N", op, &[ValueId::SAMPLE]).unwrap();
        outputs(&n.finish(v, Ending::Values), x).unwrap()
    }

    /// Convolution by its definition, to check the fast one.
    fn slow(x: &[f32], [c, h, wide]: [usize; 3], w: &Tensor, b: &[f32], window: &Window, groups: usize) -> Vec<f32> {
        let [oh, ow] = window.output([h, wide]).unwrap();
        let (o, per) = (w.shape[0], c / groups);
        let mut out = vec![];
        for k in 0..o {
            for y in 0..oh {
                for z in 0..ow {
                    let mut sum = b[k];
                    for i in 0..per {
                        for ky in 0..window.kernel[0] {
                            for kx in 0..window.kernel[1] {
                                if let (Some(r), Some(s)) = (window.source(0, y, ky, h), window.source(1, z, kx, wide))
                                {
                                    let channel = k / (o / groups) * per + i;
                                    sum += w.data[((k * per + i) * window.kernel[0] + ky) * window.kernel[1] + kx]
                                        * x[(channel * h + r) * wide + s];
                                }
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    #[test]
    fn convolution_is_its_definition_at_every_geometry() {
        let x: Vec<f32> = (0..4 * 7 * 6).map(|i| ((i * 37 % 23) as f32) - 11.0).collect();
        for (groups, stride, dilation, before, after) in [
            (1, [1, 1], [1, 1], [0, 0], [0, 0]),
            (2, [2, 1], [1, 2], [1, 0], [0, 3]),
            (4, [3, 2], [2, 1], [2, 2], [2, 2]),
            (1, [1, 3], [1, 1], [5, 5], [4, 4]),
        ] {
            let window = Window {
                kernel: [3, 2],
                stride,
                dilation,
                before,
                after,
            };
            let w: Vec<f32> = (0..8 * (4 / groups) * 6).map(|i| ((i * 13 % 9) as f32) - 4.0).collect();
            let w = Tensor::new(vec![8, 4 / groups, 3, 2], w);
            let b = Tensor::new(vec![8], (0..8).map(|i| i as f32).collect());
            let expected = slow(&x, [4, 7, 6], &w, &b.data, &window, groups);
            let op = Op::Conv {
                w,
                b,
                window,
                groups,
                quantized: None,
            };
            assert_eq!(one(&[4, 7, 6], op, &x), expected, "{window:?}");
        }
    }

    #[test]
    fn pools_count_padding_as_told() {
        let x = [1.0, 2.0, 3.0, 4.0];
        let window = Window {
            before: [1, 1],
            ..Window::of([2, 2])
        };
        let mean = |include_padding| {
            one(
                &[1, 2, 2],
                Op::AveragePool {
                    window,
                    include_padding,
                },
                &x,
            )
        };
        assert_eq!(mean(true), [0.25, 0.75, 1.0, 2.5]);
        assert_eq!(mean(false), [1.0, 1.5, 2.0, 2.5]);
        let low = x.map(|v| -v);
        assert_eq!(one(&[1, 2, 2], Op::MaxPool { window }, &low), [-1.0, -1.0, -1.0, -1.0]);
    }

    #[test]
    fn moves_move() {
        let x: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let t = Op::Transpose { perm: vec![2, 0, 1] };
        assert_eq!(one(&[1, 2, 3], t, &x), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let s = Op::Slice {
            start: vec![0, 1, 2],
            step: vec![1, 1, -2],
            length: vec![1, 1, 2],
        };
        assert_eq!(one(&[1, 2, 3], s, &x), [5.0, 3.0]);
        let p = Op::Pad {
            before: vec![1],
            after: vec![2],
            value: 9.0,
        };
        assert_eq!(one(&[2], p, &[1.0, 2.0]), [9.0, 1.0, 2.0, 9.0, 9.0]);
        let up = Op::Upsample { factor: [1, 2] };
        assert_eq!(one(&[1, 1, 2], up, &[1.0, 2.0]), [1.0, 1.0, 2.0, 2.0]);
        let spread = Op::Spread { stride: [2, 2] };
        assert_eq!(one(&[1, 1, 3], spread, &[1.0, 2.0, 3.0]), [1.0, 0.0, 2.0, 0.0, 3.0]);
    }

    #[test]
    fn values_join_and_gate() {
        let mut n = Network::new(vec![2, 1, 2]).unwrap();
        let s = ValueId::SAMPLE;
        let pool = Op::AveragePool {
            window: Window::of([1, 2]),
            include_padding: false,
        };
        let gate = n.push("g", "G", pool, &[s]).unwrap();
        let m = n.push("m", "Mul", Op::Mul, &[s, gate]).unwrap();
        n.push("c", "Concat", Op::Concat { axis: 1 }, &[s, m]).unwrap();
        let out = outputs(&n, &[1.0, 3.0, 0.0, 4.0]).unwrap();
        assert_eq!(out, [1.0, 3.0, 2.0, 6.0, 0.0, 4.0, 0.0, 8.0]);
        assert!(outputs(&n, &[1.0]).is_err());
    }

    #[test]
    fn activations_and_integers_round_as_documented() {
        let hs = Activation::HardSwish;
        assert_eq!(one(&[3], Op::Activation(hs), &[-3.0, 0.0, 3.0]), [0.0, 0.0, 3.0]);
        let q = || Quantization {
            scale: vec![0.5],
            zero: vec![3],
            axis: 0,
            low: 0,
            high: 255,
        };
        // 0.25 / 0.5 = 0.5 rounds to the even 0; 0.75 / 0.5 = 1.5 to 2.
        assert_eq!(
            one(&[4], Op::Quantize(q()), &[0.25, 0.75, -9.0, 1e9]),
            [3.0, 5.0, 0.0, 255.0]
        );
        assert_eq!(one(&[2], Op::Dequantize(q()), &[3.0, 0.0]), [0.0, -1.5]);
    }
}
