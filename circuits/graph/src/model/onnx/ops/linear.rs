//! Products with constant weights, and the normalisation that folds into them.

use super::super::attributes::{float, int, ints, sizes, text};
use super::super::constant::{Constant, Integers};
use super::super::{Computed, Reader, Refusal};
use super::{Image, Inputs};
use crate::float::{Op, QuantizedWeights, Tensor, Window};
use crate::model::proto::Node;

impl Reader<'_> {
    /// `alpha·x·B + beta·C`.
    pub(super) fn gemm(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let x = match int(node, "transA", 0) {
            0 => x,
            _ if self.batched() => return Err("transA would mix the samples of a batch; export with transA = 0".into()),
            _ => self.push(Op::Transpose { perm: vec![1, 0] }, &[x.id])?.into(),
        };
        let (alpha, beta) = (float(node, "alpha", 1.0)?, float(node, "beta", 1.0)?);
        let b = inputs.constant(1)?;
        self.spend(2 * b.len())?;
        let b = if int(node, "transB", 0) != 0 {
            (*b).clone()
        } else {
            transpose(&b)?
        };
        let (mut w, mut quantized) = weights(&b, 0)?;
        if alpha != 1.0 {
            w.data.iter_mut().for_each(|v| *v *= alpha);
            quantized = None;
        }
        let outputs = w.shape[0];
        let mut bias = vec![0.0; outputs];
        let mut rest = None;
        if let Some(c) = inputs.constant_or_none(2)? {
            if self.batched() || c.broadcast(&[outputs]).is_ok() {
                bias = c.broadcast(&[outputs])?.iter().map(|v| beta * v).collect();
                integer_bias(&mut quantized, &c, beta == 1.0);
            } else {
                rest = Some(c);
            }
        }
        let y = self.rows(&x, w, bias, quantized)?;
        match rest {
            None => Ok(y),
            Some(c) => {
                let dims = self.dims(&y);
                let offset: Vec<f32> = c.broadcast(&dims)?.iter().map(|v| beta * v).collect();
                self.affine(&y, Tensor::new(vec![1], vec![1.0]), Tensor::new(dims, offset))
            }
        }
    }

    /// `x·B`.
    pub(super) fn matmul(&mut self, inputs: &Inputs) -> Result<Computed, Refusal> {
        let (Ok(x), b) = (inputs.computed(0), inputs.constant(1)) else {
            return Err("its first input is a constant; only products of the samples with a constant on the right are supported: transpose both".into());
        };
        let b = b.map_err(|_| {
            Refusal::from(
                "both inputs depend on the samples; only products with a constant are supported (no attention)",
            )
        })?;
        self.spend(2 * b.len())?;
        let vector = b.dims.len() == 1;
        let matrix = match b.dims.as_slice() {
            &[k] => b.reshaped(vec![k, 1]),
            &[.., k, n] if b.dims.len() == 2 || b.dims[..b.dims.len() - 2].iter().all(|&d| d == 1) => {
                b.reshaped(vec![k, n])
            }
            other => return Err(format!("its matrix has shape {other:?}; two dimensions are supported").into()),
        };
        let (w, quantized) = weights(&transpose(if b.dims.len() == 2 { &b } else { &matrix })?, 0)?;
        let bias = vec![0.0; w.shape[0]];
        let y = self.rows(&x, w, bias, quantized)?;
        if !vector {
            return Ok(y);
        }
        let mut shape = self.dims(&y);
        shape.pop();
        Ok(self.push(Op::Reshape { shape }, &[y.id])?.into())
    }

    /// A dense layer on the last dimension; on several rows it is a pointwise convolution.
    pub(in super::super) fn rows(
        &mut self,
        x: &Computed,
        w: Tensor,
        b: Vec<f32>,
        quantized: Option<QuantizedWeights>,
    ) -> Result<Computed, Refusal> {
        let dims = self.dims(x);
        let outputs = w.shape[0];
        let b = Tensor::new(vec![outputs], b);
        let Some((&inputs, lead)) = dims.split_last() else {
            return Err("a single number is no row of features".into());
        };
        if w.shape[1] != inputs {
            return Err(format!("{} inputs after values of shape {dims:?}", w.shape[1]).into());
        }
        if lead.is_empty() {
            return Ok(self.push(Op::Dense { w, b, quantized }, &[x.id])?.into());
        }
        let rows: usize = lead.iter().product();
        let mut id = self.push(
            Op::Reshape {
                shape: vec![rows, inputs],
            },
            &[x.id],
        )?;
        id = self.push(Op::Transpose { perm: vec![1, 0] }, &[id])?;
        id = self.push(
            Op::Reshape {
                shape: vec![inputs, 1, rows],
            },
            &[id],
        )?;
        let w = Tensor::new(vec![outputs, inputs, 1, 1], w.data.clone());
        let conv = Op::Conv {
            w,
            b,
            window: Window::of([1, 1]),
            groups: 1,
            quantized,
        };
        id = self.push(conv, &[id])?;
        id = self.push(
            Op::Reshape {
                shape: vec![outputs, rows],
            },
            &[id],
        )?;
        id = self.push(Op::Transpose { perm: vec![1, 0] }, &[id])?;
        let mut shape = lead.to_vec();
        shape.push(outputs);
        Ok(self.push(Op::Reshape { shape }, &[id])?.into())
    }

    pub(super) fn conv(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let image = self.image(&x)?;
        let w = inputs.constant(1)?;
        self.spend(w.len())?;
        let w = kernel(&w, &image)?;
        let (tensor, mut quantized) = weights(&w, 0)?;
        let b = bias(inputs, tensor.shape[0])?;
        if let Some(c) = inputs.constant_or_none(2)? {
            integer_bias(&mut quantized, &c, true);
        }
        let window = image.padding(node, window(node, &image, &w)?)?;
        let groups = usize::try_from(int(node, "group", 1)).map_err(|_| "a negative group count".to_owned())?;
        let op = Op::Conv {
            w: tensor,
            b,
            window,
            groups,
            quantized,
        };
        let y = self.push(op, &[image.id])?;
        self.unimage(&image, y)
    }

    /// The transpose of a convolution: zeros between the elements, padding, then a convolution with
    /// the kernel turned round.
    pub(super) fn conv_transpose(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let image = self.image(&x)?;
        let w = inputs.constant(1)?;
        self.spend(2 * w.len())?;
        let w = kernel(&w, &image)?;
        let groups = usize::try_from(int(node, "group", 1)).unwrap_or(0);
        let &[c, per, kh, kw] = w.dims.as_slice() else {
            return Err("its kernel is no image".into());
        };
        if groups == 0 || !c.is_multiple_of(groups) || c != image.channels {
            return Err(format!(
                "{groups} groups and a kernel of {c} channels for {} channels",
                image.channels
            )
            .into());
        }
        let turned = turn(&w.reals(), [c, per, kh, kw], groups);
        let b = bias(inputs, per * groups)?;
        let geometry = window(node, &image, &w)?;
        let extra = image.pair(ints(node, "output_padding"), "output_padding", 0)?;
        let (mut before, mut after) = transposed_padding(node, &image, &geometry, extra)?;
        let id = self.push(
            Op::Spread {
                stride: geometry.stride,
            },
            &[image.id],
        )?;
        let id = self.crop(id, &mut before, &mut after)?;
        let conv = Op::Conv {
            w: Tensor::new(vec![per * groups, c / groups, kh, kw], turned),
            b,
            window: Window {
                kernel: [kh, kw],
                stride: [1, 1],
                dilation: geometry.dilation,
                before: before.map(|v| v as usize),
                after: after.map(|v| v as usize),
            },
            groups,
            quantized: None,
        };
        let y = self.push(conv, &[id])?;
        self.unimage(&image, y)
    }

    /// Cuts rows and columns off where the padding is negative, and makes it zero.
    fn crop(
        &mut self,
        id: crate::float::ValueId,
        before: &mut [i64; 2],
        after: &mut [i64; 2],
    ) -> Result<crate::float::ValueId, Refusal> {
        if before.iter().chain(after.iter()).all(|&v| v >= 0) {
            return Ok(id);
        }
        let shape = self.net()?.shape(id).to_vec();
        let (mut start, mut length) = (vec![0; 3], shape.clone());
        for a in 0..2 {
            let (cut, end) = ((-before[a]).max(0) as usize, (-after[a]).max(0) as usize);
            start[a + 1] = cut;
            length[a + 1] = shape[a + 1].saturating_sub(cut + end);
            (before[a], after[a]) = (before[a].max(0), after[a].max(0));
        }
        self.push(
            Op::Slice {
                start,
                step: vec![1; 3],
                length,
            },
            &[id],
        )
    }

    pub(super) fn batch_normalization(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        if int(node, "training_mode", 0) != 0 {
            return Err("it is in training mode; export the model in inference mode".into());
        }
        let dims = self.dims(&x);
        let channel = usize::from(!self.batched());
        let n = *dims.get(channel).ok_or("its input has no channels")?;
        let part = |i: usize| -> Result<Vec<f32>, Refusal> {
            let v = inputs.constant(i)?.reals();
            if v.len() == n {
                Ok(v)
            } else {
                Err(format!("input {i} has {} values for {n} channels", v.len()).into())
            }
        };
        let (gamma, beta, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
        let epsilon = f64::from(float(node, "epsilon", 1e-5)?);
        let mut scale = vec![];
        let mut offset = vec![];
        for i in 0..n {
            let s = f64::from(gamma[i]) / (f64::from(variance[i]) + epsilon).sqrt();
            scale.push(s as f32);
            offset.push((f64::from(beta[i]) - f64::from(mean[i]) * s) as f32);
        }
        let (scale, offset) = if channel == 0 {
            (Tensor::new(vec![n], scale), Tensor::new(vec![n], offset))
        } else {
            let mut own = vec![1; dims.len()];
            own[channel] = n;
            let wide = |v: Vec<f32>| -> Result<Tensor, String> {
                Ok(Tensor::new(
                    dims.clone(),
                    Constant::real(own.clone(), v).broadcast(&dims)?,
                ))
            };
            (wide(scale)?, wide(offset)?)
        };
        self.affine(&x, scale, offset)
    }

    /// `scale·x + offset`.
    pub(super) fn affine(&mut self, x: &Computed, scale: Tensor, offset: Tensor) -> Result<Computed, Refusal> {
        self.spend(scale.data.len() + offset.data.len())?;
        Ok(self.push(Op::Affine { scale, offset }, &[x.id])?.into())
    }
}

fn window(node: &Node, image: &Image, w: &Constant) -> Result<Window, String> {
    let kernel = [w.dims[2], w.dims[3]];
    if let Some(stated) = ints(node, "kernel_shape")
        && image.pair(Some(stated), "kernel_shape", 1)? != kernel
    {
        return Err(format!(
            "kernel_shape {stated:?} is not that of the weights, {kernel:?}"
        ));
    }
    Ok(Window {
        stride: image.pair(ints(node, "strides"), "strides", 1)?,
        dilation: image.pair(ints(node, "dilations"), "dilations", 1)?,
        ..Window::of(kernel)
    })
}

/// A kernel with two spatial dimensions.
fn kernel(w: &Constant, image: &Image) -> Result<Constant, String> {
    match (image.flat, w.dims.as_slice()) {
        (true, &[o, c, l]) => {
            let mut out = w.reshaped(vec![o, c, 1, l]);
            // Scales are per output or input channel, before the spatial dimensions.
            out.integers = w.integers.clone();
            Ok(out)
        }
        (false, &[_, _, _, _]) => Ok(w.clone()),
        (_, other) => Err(format!("a kernel of shape {other:?} for this image")),
    }
    .and_then(|w: Constant| {
        if w.dims.contains(&0) {
            Err("an empty kernel".into())
        } else {
            Ok(w)
        }
    })
}

fn bias(inputs: &Inputs, outputs: usize) -> Result<Tensor, Refusal> {
    let b = match inputs.constant_or_none(2)? {
        None => vec![0.0; outputs],
        Some(c) if c.len() == outputs => c.reals(),
        Some(c) => return Err(format!("a bias of {} values for {outputs} outputs", c.len()).into()),
    };
    Ok(Tensor::new(vec![outputs], b))
}

/// Weights as a tensor, with the integers they were made of; `axis` counts outputs.
fn weights(c: &Constant, axis: usize) -> Result<(Tensor, Option<QuantizedWeights>), String> {
    if c.len() == 0 {
        return Err(format!("weights of shape {:?}", c.dims));
    }
    let quantized = c
        .integers
        .as_ref()
        .filter(|i| i.scale.len() == 1 || i.axis == axis)
        .map(|i: &Integers| QuantizedWeights {
            weights: i.values.iter().map(|&v| v as i32).collect(),
            scale: i.scale.clone(),
            zero: i.zero.iter().map(|&v| v as i32).collect(),
            bias: None,
        });
    Ok((Tensor::new(c.dims.clone(), c.reals()), quantized))
}

/// Keeps an integer bias beside the float one.
fn integer_bias(quantized: &mut Option<QuantizedWeights>, c: &Constant, plain: bool) {
    if let (Some(q), Some(i)) = (quantized, &c.integers)
        && plain
    {
        let fits = i.values.iter().all(|&v| i32::try_from(v).is_ok()) && i.zero.iter().all(|&z| z == 0);
        q.bias = fits.then(|| i.values.iter().map(|&v| v as i32).collect());
    }
}

fn transpose(c: &Constant) -> Result<Constant, String> {
    match c.dims.as_slice() {
        [_, _] => Ok(c.transposed(&[1, 0])),
        other => Err(format!("its matrix has shape {other:?}, not two dimensions")),
    }
}

/// Exchanges inputs and outputs of every group and turns the kernel by half a turn.
fn turn(w: &[f32], [c, per, kh, kw]: [usize; 4], groups: usize) -> Vec<f32> {
    let each = c / groups;
    let mut out = Vec::with_capacity(w.len());
    for g in 0..groups {
        for o in 0..per {
            for i in 0..each {
                let at = ((g * each + i) * per + o) * kh * kw;
                out.extend(w[at..at + kh * kw].iter().rev());
            }
        }
    }
    out
}

/// Padding of the convolution that a transposed one becomes; negative cuts.
fn transposed_padding(
    node: &Node,
    image: &Image,
    w: &Window,
    extra: [usize; 2],
) -> Result<([i64; 2], [i64; 2]), String> {
    // Checks the numbers, so that nothing below overflows.
    w.output([usize::MAX >> 2; 2])?;
    if extra.iter().any(|&e| e > crate::float::window::MAX_WINDOW) {
        return Err(format!("output_padding {extra:?}"));
    }
    let mode = text(node, "auto_pad", "NOTSET")?;
    let full = |a: usize| (w.stride[a] * (image.size[a] - 1) + extra[a] + w.span(a)) as i64;
    let same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
    let wanted = match ints(node, "output_shape") {
        Some(s) if !s.is_empty() => {
            let spatial = &s[s.len().saturating_sub(if image.flat { 1 } else { 2 })..];
            sizes(spatial, "output_shape")?;
            Some(image.pair(Some(spatial), "kernel_shape", 1)?)
        }
        _ if same => Some([image.size[0] * w.stride[0], image.size[1] * w.stride[1]]),
        _ => None,
    };
    let mut pads = ([0i64; 2], [0i64; 2]);
    match wanted {
        Some(shape) => {
            for a in 0..2 {
                if shape[a] > 1 << 24 {
                    return Err(format!("output_shape {shape:?}"));
                }
                let total = full(a) - shape[a] as i64;
                let half = total.div_euclid(2);
                (pads.0[a], pads.1[a]) = if mode == "SAME_UPPER" {
                    (half, total - half)
                } else {
                    (total - half, half)
                };
            }
        }
        None => {
            let plain = image.padding(node, *w)?;
            pads = (plain.before.map(|v| v as i64), plain.after.map(|v| v as i64));
        }
    }
    let reach = |a: usize| w.span(a) as i64 - 1;
    let before = [reach(0) - pads.0[0], reach(1) - pads.0[1]];
    let after = [
        reach(0) - pads.1[0] + extra[0] as i64,
        reach(1) - pads.1[1] + extra[1] as i64,
    ];
    Ok((before, after))
}
