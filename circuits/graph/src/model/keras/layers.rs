//! Keras layers, one method each.

use super::Layer;
use super::kernel::{depthwise_kernel, image_kernel, kernel_and_bias, moved, zeros};
use crate::float::{Activation, Ending, Network, NetworkError, Op, Tensor, ValueId, Window};
use crate::model::Imported;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What a layer gives: images are channels first, whatever Keras calls their shape.
#[derive(Clone, Copy)]
struct Output {
    id: ValueId,
    /// A softmax or the like came before it.
    ended: bool,
}

/// Reads a layer's arrays.
type Arrays<'a> = &'a dyn Fn() -> Result<Vec<Tensor>, String>;

/// Builds the network layer by layer.
#[derive(Default)]
pub(super) struct Builder {
    network: Option<Network>,
    outputs: BTreeMap<String, Output>,
    last: Option<String>,
    notes: Vec<String>,
}

/// What to use in place of a layer that is not read.
fn nearest(class: &str) -> &'static str {
    match class {
        "Lambda" => "it is Python code; write x² + x as Multiply()([x, x]) and Add(), or export the model as ONNX",
        "LSTM" | "GRU" | "SimpleRNN" | "Bidirectional" | "TimeDistributed" => "Conv1D along time is",
        "LayerNormalization" | "GroupNormalization" | "Normalization" | "UnitNormalization" => {
            "BatchNormalization and Rescaling are"
        }
        "Embedding" | "MultiHeadAttention" | "Attention" => "networks of Dense and Conv layers are",
        "ELU" | "PReLU" | "ThresholdedReLU" => {
            "ReLU (max_value, negative_slope), LeakyReLU and the activations in docs/operators.md are"
        }
        "Conv3D" | "MaxPooling3D" | "AveragePooling3D" | "LocallyConnected2D" => "one and two spatial dimensions are",
        _ => "docs/operators.md lists the layers that are; others can often be exported as ONNX",
    }
}

impl Builder {
    /// Adds a layer.
    ///
    /// # Errors
    /// Says what is not supported, and what is.
    pub fn layer(&mut self, l: &Layer<'_>, arrays: Arrays<'_>) -> Result<(), String> {
        if l.class == "InputLayer" {
            let shape = l.config.get("batch_shape").or(l.config.get("batch_input_shape"));
            return self.input(l.name, shape);
        }
        if self.network.is_none() {
            // A Sequential may state the input in its first layer.
            let shape = l.config.get("batch_shape").or(l.config.get("batch_input_shape"));
            self.input("the input", shape)?;
        }
        let names: Vec<String> = match &l.inputs {
            Some(names) => names.iter().map(|&n| n.to_owned()).collect(),
            None => self.last.clone().into_iter().collect(),
        };
        let inputs = names
            .iter()
            .map(|n| {
                self.outputs
                    .get(n)
                    .copied()
                    .ok_or_else(|| format!("its input {n:?} is computed after it, or nowhere"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let Some(&x) = inputs.first() else {
            return Err("it reads nothing".into());
        };
        if inputs.iter().any(|i| i.ended) {
            return Err("it follows a softmax, which must be the model's end".into());
        }
        if let Some(format) = l.config.get("data_format").and_then(Json::as_str)
            && format != "channels_last"
        {
            return Err("data_format channels_first; Keras trains channels_last on every backend".into());
        }
        let mut build = Layers { b: self, l };
        let id = build.op(x.id, &inputs, arrays)?;
        let (id, ended) = build.activation(id)?;
        self.put(l.name, Output { id, ended })
    }

    fn put(&mut self, name: &str, output: Output) -> Result<(), String> {
        self.last = Some(name.to_owned());
        match self.outputs.insert(name.to_owned(), output) {
            None => Ok(()),
            Some(_) => Err(format!("two layers are called {name:?}")),
        }
    }

    /// The sample: turned to channels first where it is an image or a signal.
    fn input(&mut self, name: &str, shape: Option<&Json>) -> Result<(), String> {
        if self.network.is_some() {
            return Err("the model takes two inputs; one is supported".into());
        }
        let dims = shape
            .and_then(Json::as_array)
            .ok_or("the model does not state its input's shape; build it with an Input layer")?;
        let dims = dims
            .iter()
            .skip(1)
            .map(|d| d.as_u64().and_then(|d| usize::try_from(d).ok()))
            .collect::<Option<Vec<_>>>()
            .ok_or("the sample's shape is not fixed; only the batch dimension may be open")?;
        let mut network = Network::new(dims.clone()).map_err(|e| e.to_string())?;
        let s = ValueId::SAMPLE;
        let mut push = |op, v| network.push(name, "Input", op, &[v]).map_err(|e| e.to_string());
        let id = match dims.as_slice() {
            [_] => s,
            [_, _] => {
                let turned = push(Op::Transpose { perm: vec![1, 0] }, s)?;
                let shape = vec![dims[1], 1, dims[0]];
                push(Op::Reshape { shape }, turned)?
            }
            [_, _, _] => push(Op::Transpose { perm: vec![2, 0, 1] }, s)?,
            other => {
                return Err(format!(
                    "samples of shape {other:?}; rows, signals and images are supported"
                ));
            }
        };
        self.network = Some(network);
        self.put(name, Output { id, ended: false })
    }

    /// The finished network.
    pub fn finish(mut self, output: Option<&str>) -> Result<Imported, String> {
        let name = output
            .map(str::to_owned)
            .or(self.last)
            .ok_or("the model has no layers")?;
        let out = *self
            .outputs
            .get(&name)
            .ok_or_else(|| format!("its output {name:?} is no layer"))?;
        let network = self.network.ok_or("the model has no input")?;
        let mut id = out.id;
        let mut sigmoid = false;
        if let Some(node) = id.producer().map(|i| &network.nodes()[i])
            && matches!(node.op, Op::Activation(Activation::Sigmoid))
        {
            (id, sigmoid) = (node.inputs[0], true);
            self.notes
                .push("the trailing sigmoid is left out: it changes no order of scores".into());
        }
        let single = network.shape(id).iter().product::<usize>() == 1;
        let ending = match (single, sigmoid) {
            (false, _) => Ending::Classes,
            (true, true) => Ending::Sign,
            (true, false) => Ending::Values,
        };
        Ok(Imported {
            network: crate::float::simplify(network.finish(id, ending)),
            notes: self.notes,
        })
    }
}

/// One layer on its way into the network.
struct Layers<'b, 'j> {
    b: &'b mut Builder,
    l: &'b Layer<'j>,
}

impl Layers<'_, '_> {
    fn push(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, String> {
        let network = self.b.network.as_mut().ok_or("the model has no input")?;
        network
            .push(self.l.name, self.l.class, op, inputs)
            .map_err(|e| match e {
                NetworkError::Node { reason, .. } | NetworkError::Structure(reason) => reason,
            })
    }

    fn shape(&self, id: ValueId) -> Vec<usize> {
        self.b.network.as_ref().map_or_else(Vec::new, |n| n.shape(id).to_vec())
    }

    fn op(&mut self, x: ValueId, all: &[Output], arrays: Arrays<'_>) -> Result<ValueId, String> {
        let ids: Vec<ValueId> = all.iter().map(|o| o.id).collect();
        match self.l.class {
            "Dense" => self.dense(x, arrays()?),
            "Conv2D" | "Conv1D" | "Convolution2D" => self.conv(x, arrays()?),
            "DepthwiseConv2D" => self.depthwise(x, arrays()?),
            "SeparableConv2D" => self.separable(x, arrays()?),
            "Conv2DTranspose" => self.conv_transpose(x, arrays()?),
            "BatchNormalization" => self.batch_normalization(x, arrays()?),
            "MaxPooling2D" | "AveragePooling2D" | "MaxPooling1D" | "AveragePooling1D" => self.pool(x),
            "GlobalMaxPooling2D" | "GlobalAveragePooling2D" | "GlobalMaxPooling1D" | "GlobalAveragePooling1D" => {
                self.global_pool(x)
            }
            "Flatten" => self.flatten(x),
            "Reshape" => self.reshape(x),
            "ReLU" => self.relu(x),
            "LeakyReLU" => {
                let slope = self.number("negative_slope").or(self.number("alpha")).unwrap_or(0.3);
                self.push(Op::Activation(Activation::LeakyRelu { alpha: slope as f32 }), &[x])
            }
            "Softmax" => Ok(x),
            "Activation"
            | "Dropout"
            | "SpatialDropout1D"
            | "SpatialDropout2D"
            | "GaussianNoise"
            | "GaussianDropout"
            | "ActivityRegularization"
            | "AlphaDropout" => Ok(x),
            "ZeroPadding2D" | "Cropping2D" => self.border(x),
            "UpSampling2D" => self.upsample(x),
            "Add" | "Subtract" | "Multiply" => self.combine(&ids),
            "Concatenate" => self.concatenate(&ids),
            "Rescaling" => self.rescale(x),
            other => Err(format!("it is not supported; {}", nearest(other))),
        }
    }

    /// The activation that a layer carries, or is.
    fn activation(&mut self, x: ValueId) -> Result<(ValueId, bool), String> {
        if self.l.class == "Softmax" {
            return self.softmax(x);
        }
        let Some(name) = self.l.config["activation"].as_str() else {
            return match &self.l.config["activation"] {
                Json::Null => Ok((x, false)),
                _ => Err("its activation is no known function; use a named one, or an Activation layer".into()),
            };
        };
        let a = match name {
            "linear" => return Ok((x, false)),
            "softmax" | "log_softmax" => return self.softmax(x),
            "relu" => Activation::Relu,
            "relu6" => Activation::Clip { low: 0.0, high: 6.0 },
            "leaky_relu" => Activation::LeakyRelu { alpha: 0.2 },
            "sigmoid" => Activation::Sigmoid,
            "tanh" => Activation::Tanh,
            // Keras 3: relu6(x + 3) / 6.
            "hard_sigmoid" => Activation::HardSigmoid {
                alpha: 1.0 / 6.0,
                beta: 0.5,
            },
            "hard_swish" | "hard_silu" => Activation::HardSwish,
            "silu" | "swish" => {
                let gate = self.push(Op::Activation(Activation::Sigmoid), &[x])?;
                return Ok((self.push(Op::Mul, &[x, gate])?, false));
            }
            other => {
                return Err(format!(
                    "its activation {other:?} is not supported; relu, relu6, leaky_relu, sigmoid, tanh, hard_sigmoid, hard_silu and silu are"
                ));
            }
        };
        Ok((self.push(Op::Activation(a), &[x])?, false))
    }

    fn softmax(&mut self, x: ValueId) -> Result<(ValueId, bool), String> {
        if self.shape(x).len() != 1 {
            return Err("a softmax over an image; each sample may have one row of scores".into());
        }
        self.b.notes.push(format!(
            "the trailing softmax of {:?} is left out: the integer network ends in an argmax of its own",
            self.l.name
        ));
        Ok((x, true))
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.l.config[name].as_f64().filter(|v| v.is_finite())
    }

    fn flag(&self, name: &str, default: bool) -> bool {
        self.l.config[name].as_bool().unwrap_or(default)
    }

    /// One number or `[rows, columns]`; of a signal, the columns.
    fn pair(&self, name: &str, default: [usize; 2]) -> Result<[usize; 2], String> {
        let flat = self.l.class.ends_with("1D");
        let size = |j: &Json| j.as_u64().and_then(|v| usize::try_from(v).ok());
        let both = |v: usize| if flat { [1, v] } else { [v, v] };
        let out = match &self.l.config[name] {
            Json::Null => Some(default),
            Json::Number(_) => size(&self.l.config[name]).map(both),
            Json::Array(a) => match a.as_slice() {
                [v] => size(v).map(both),
                [a, b] => size(a).zip(size(b)).map(|(a, b)| [a, b]),
                _ => None,
            },
            _ => None,
        };
        out.ok_or_else(|| format!("{name} is not one or two whole numbers"))
    }

    /// Padding before and after for a window, from `padding`.
    fn padded(&self, x: ValueId, mut window: Window) -> Result<Window, String> {
        let shape = self.shape(x);
        let &[_, h, w] = shape.as_slice() else {
            return Err(format!(
                "values of shape {shape:?}, not an image; it needs a Reshape before it"
            ));
        };
        match self.l.config["padding"].as_str() {
            None | Some("valid") => {}
            Some("same") => {
                window.output([usize::MAX >> 2; 2])?;
                for (a, size) in [h, w].into_iter().enumerate() {
                    let outputs = size.div_ceil(window.stride[a]);
                    let total = ((outputs - 1) * window.stride[a] + window.span(a)).saturating_sub(size);
                    (window.before[a], window.after[a]) = (total / 2, total - total / 2);
                }
            }
            Some("causal") => window.before[1] = window.span(1) - 1,
            Some(other) => return Err(format!("padding {other:?}; valid and same are supported")),
        }
        Ok(window)
    }

    fn dense(&mut self, x: ValueId, arrays: Vec<Tensor>) -> Result<ValueId, String> {
        let (w, bias) = kernel_and_bias(arrays)?;
        let &[inputs, outputs] = w.shape.as_slice() else {
            return Err(format!("a kernel of shape {:?}", w.shape));
        };
        let b = bias.unwrap_or_else(|| zeros(outputs));
        let w = moved(&w, &[1, 0]);
        if self.shape(x).len() == 1 {
            return self.push(Op::Dense { w, b, quantized: None }, &[x]);
        }
        // On an image it works on the channels: a pointwise convolution.
        let op = Op::Conv {
            w: Tensor::new(vec![outputs, inputs, 1, 1], w.data.clone()),
            b,
            window: Window::of([1, 1]),
            groups: 1,
            quantized: None,
        };
        self.push(op, &[x])
    }

    fn window(&self, kernel: [usize; 2]) -> Result<Window, String> {
        Ok(Window {
            stride: self.pair("strides", [1, 1])?,
            dilation: self.pair("dilation_rate", [1, 1])?,
            ..Window::of(kernel)
        })
    }

    fn conv(&mut self, x: ValueId, arrays: Vec<Tensor>) -> Result<ValueId, String> {
        let (w, bias) = kernel_and_bias(arrays)?;
        let w = image_kernel(w)?;
        let groups = usize::try_from(self.l.config["groups"].as_u64().unwrap_or(1)).unwrap_or(0);
        // [kh, kw, in, out] to [out, in, kh, kw].
        let w = moved(&w, &[3, 2, 0, 1]);
        self.convolve(x, w, bias, groups)
    }

    fn convolve(&mut self, x: ValueId, w: Tensor, bias: Option<Tensor>, groups: usize) -> Result<ValueId, String> {
        let window = self.padded(x, self.window([w.shape[2], w.shape[3]])?)?;
        let b = bias.unwrap_or_else(|| zeros(w.shape[0]));
        let op = Op::Conv {
            w,
            b,
            window,
            groups,
            quantized: None,
        };
        self.push(op, &[x])
    }

    fn depthwise(&mut self, x: ValueId, arrays: Vec<Tensor>) -> Result<ValueId, String> {
        let (w, bias) = kernel_and_bias(arrays)?;
        let w = depthwise_kernel(image_kernel(w)?);
        let groups = self.shape(x)[0];
        self.convolve(x, w, bias, groups)
    }

    fn separable(&mut self, x: ValueId, arrays: Vec<Tensor>) -> Result<ValueId, String> {
        let mut arrays = arrays.into_iter();
        let (Some(depth), Some(point)) = (arrays.next(), arrays.next()) else {
            return Err("it needs a depthwise and a pointwise kernel".into());
        };
        let groups = self.shape(x)[0];
        let y = self.convolve(x, depthwise_kernel(image_kernel(depth)?), None, groups)?;
        let w = moved(&image_kernel(point)?, &[3, 2, 0, 1]);
        let b = arrays.next().unwrap_or_else(|| zeros(w.shape[0]));
        let op = Op::Conv {
            window: Window::of([w.shape[2], w.shape[3]]),
            w,
            b,
            groups: 1,
            quantized: None,
        };
        self.push(op, &[y])
    }

    /// Zeros between the elements, then a convolution with the kernel turned round.
    fn conv_transpose(&mut self, x: ValueId, arrays: Vec<Tensor>) -> Result<ValueId, String> {
        let (w, bias) = kernel_and_bias(arrays)?;
        let w = image_kernel(w)?;
        if !self.l.config["output_padding"].is_null() {
            return Err("output_padding is not supported; leave it out".into());
        }
        let window = self.window([w.shape[0], w.shape[1]])?;
        window.output([usize::MAX >> 2; 2])?;
        // [kh, kw, out, in] to [out, in, kh, kw], turned by half a turn.
        let mut turned = moved(&w, &[2, 3, 0, 1]);
        let cells = window.kernel[0] * window.kernel[1];
        turned.data.chunks_exact_mut(cells).for_each(<[f32]>::reverse);
        let id = self.push(Op::Spread { stride: window.stride }, &[x])?;
        let (mut before, mut after) = ([0; 2], [0; 2]);
        for a in 0..2 {
            let (span, stride) = (window.span(a), window.stride[a]);
            // Sizes: valid gives size·stride + max(span − stride, 0), same gives size·stride.
            let (total, cut) = match self.l.config["padding"].as_str() {
                None | Some("valid") => (span - 1 + stride.saturating_sub(span), 0),
                Some("same") => (stride - 1, span.saturating_sub(stride) / 2),
                Some(other) => return Err(format!("padding {other:?}; valid and same are supported")),
            };
            before[a] = span - 1 - cut.min(span - 1);
            after[a] = match self.l.config["padding"].as_str() {
                Some("same") => (span - 1 + total)
                    .checked_sub(before[a])
                    .ok_or("a kernel smaller than its stride")?,
                _ => total,
            };
        }
        let b = bias.unwrap_or_else(|| zeros(turned.shape[0]));
        let op = Op::Conv {
            w: turned,
            b,
            window: Window {
                stride: [1, 1],
                before,
                after,
                ..window
            },
            groups: 1,
            quantized: None,
        };
        self.push(op, &[id])
    }

    fn batch_normalization(&mut self, x: ValueId, arrays: Vec<Tensor>) -> Result<ValueId, String> {
        let shape = self.shape(x);
        let axis = self.l.config["axis"]
            .as_i64()
            .or(self.l.config["axis"][0].as_i64())
            .unwrap_or(-1);
        // Keras counts the batch; the channels come last.
        if axis != -1 && axis != shape.len() as i64 {
            return Err(format!("axis {axis}; the channels (-1) are supported"));
        }
        let n = shape[0];
        let mut arrays = arrays.into_iter();
        let mut next = |present: bool, default: f32| -> Result<Vec<f32>, String> {
            let v = if present {
                arrays.next().map_or_else(Vec::new, |t| t.data.clone())
            } else {
                vec![default; n]
            };
            if v.len() == n {
                Ok(v)
            } else {
                Err(format!("{} numbers for {n} channels", v.len()))
            }
        };
        let gamma = next(self.flag("scale", true), 1.0)?;
        let beta = next(self.flag("center", true), 0.0)?;
        let (mean, variance) = (next(true, 0.0)?, next(true, 1.0)?);
        let epsilon = self.number("epsilon").unwrap_or(1e-3);
        let mut scale = vec![];
        let mut offset = vec![];
        for i in 0..n {
            let s = f64::from(gamma[i]) / (f64::from(variance[i]) + epsilon).sqrt();
            scale.push(s as f32);
            offset.push((f64::from(beta[i]) - f64::from(mean[i]) * s) as f32);
        }
        let op = Op::Affine {
            scale: Tensor::new(vec![n], scale),
            offset: Tensor::new(vec![n], offset),
        };
        self.push(op, &[x])
    }

    fn pool(&mut self, x: ValueId) -> Result<ValueId, String> {
        let kernel = self.pair("pool_size", [2, 2])?;
        let window = Window {
            stride: self.pair("strides", kernel)?,
            ..Window::of(kernel)
        };
        let window = self.padded(x, window)?;
        let op = if self.l.class.starts_with("Max") {
            Op::MaxPool { window }
        } else {
            Op::AveragePool {
                window,
                include_padding: false,
            }
        };
        self.push(op, &[x])
    }

    fn global_pool(&mut self, x: ValueId) -> Result<ValueId, String> {
        let shape = self.shape(x);
        let &[c, h, w] = shape.as_slice() else {
            return Err(format!("values of shape {shape:?}, not an image"));
        };
        let window = Window::of([h, w]);
        let op = if self.l.class.starts_with("GlobalMax") {
            Op::MaxPool { window }
        } else {
            Op::AveragePool {
                window,
                include_padding: false,
            }
        };
        let y = self.push(op, &[x])?;
        if self.flag("keepdims", false) {
            return Ok(y);
        }
        self.push(Op::Reshape { shape: vec![c] }, &[y])
    }

    /// Channels last again, then one row.
    fn flatten(&mut self, x: ValueId) -> Result<ValueId, String> {
        let shape = self.shape(x);
        if shape.len() == 1 {
            return Ok(x);
        }
        let turned = self.push(Op::Transpose { perm: vec![1, 2, 0] }, &[x])?;
        let shape = vec![shape.iter().product()];
        self.push(Op::Reshape { shape }, &[turned])
    }

    fn reshape(&mut self, x: ValueId) -> Result<ValueId, String> {
        let row = self.flatten(x)?;
        let count = self.shape(row)[0];
        let target = self.l.config["target_shape"]
            .as_array()
            .ok_or("it has no target_shape")?;
        let dims = target
            .iter()
            .map(Json::as_i64)
            .collect::<Option<Vec<_>>>()
            .ok_or("target_shape is not made of numbers")?;
        let known: i64 = dims
            .iter()
            .filter(|&&d| d != -1)
            .try_fold(1i64, |n, &d| n.checked_mul(d))
            .unwrap_or(0);
        let dims = dims
            .iter()
            .map(|&d| usize::try_from(if d == -1 && known > 0 { count as i64 / known } else { d }).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or("target_shape is not made of sizes")?;
        match *dims.as_slice() {
            [n] => self.push(Op::Reshape { shape: vec![n] }, &[row]),
            [l, c] => {
                let y = self.push(Op::Reshape { shape: vec![l, c] }, &[row])?;
                let y = self.push(Op::Transpose { perm: vec![1, 0] }, &[y])?;
                self.push(Op::Reshape { shape: vec![c, 1, l] }, &[y])
            }
            [h, w, c] => {
                let y = self.push(Op::Reshape { shape: vec![h, w, c] }, &[row])?;
                self.push(Op::Transpose { perm: vec![2, 0, 1] }, &[y])
            }
            _ => Err(format!("target_shape {dims:?}; rows, signals and images are supported")),
        }
    }

    fn relu(&mut self, x: ValueId) -> Result<ValueId, String> {
        let slope = self.number("negative_slope").unwrap_or(0.0) as f32;
        let high = self.number("max_value").map(|v| v as f32);
        if self.number("threshold").unwrap_or(0.0) != 0.0 {
            return Err("a threshold other than 0 is not supported".into());
        }
        let a = match (slope, high) {
            (0.0, None) => Activation::Relu,
            (0.0, Some(high)) => Activation::Clip { low: 0.0, high },
            (alpha, None) => Activation::LeakyRelu { alpha },
            _ => return Err("max_value and negative_slope together are not supported".into()),
        };
        self.push(Op::Activation(a), &[x])
    }

    /// Rows and columns added or cut off.
    fn border(&mut self, x: ValueId) -> Result<ValueId, String> {
        let cut = self.l.class == "Cropping2D";
        let json = &self.l.config[if cut { "cropping" } else { "padding" }];
        let size = |j: &Json| j.as_u64().and_then(|v| usize::try_from(v).ok());
        let sides = |j: &Json| match j.as_array().map(Vec::as_slice) {
            Some([a, b]) => size(a).zip(size(b)),
            _ => size(j).map(|v| (v, v)),
        };
        let (rows, columns) = match json.as_array().map(Vec::as_slice) {
            Some([r, c]) => sides(r).zip(sides(c)),
            _ => sides(json).map(|s| (s, s)),
        }
        .ok_or("its sides are not whole numbers")?;
        let shape = self.shape(x);
        if shape.len() != 3 {
            return Err(format!("values of shape {shape:?}, not an image"));
        }
        let (before, after) = (vec![0, rows.0, columns.0], vec![0, rows.1, columns.1]);
        let op = if cut {
            let length = (0..3)
                .map(|a| shape[a].saturating_sub(before[a].saturating_add(after[a])))
                .collect();
            Op::Slice {
                start: before,
                step: vec![1; 3],
                length,
            }
        } else {
            Op::Pad {
                before,
                after,
                value: 0.0,
            }
        };
        self.push(op, &[x])
    }

    fn upsample(&mut self, x: ValueId) -> Result<ValueId, String> {
        match self.l.config["interpolation"].as_str() {
            None | Some("nearest") => {}
            Some(other) => return Err(format!("interpolation {other:?}; nearest is supported")),
        }
        let factor = self.pair("size", [2, 2])?;
        self.push(Op::Upsample { factor }, &[x])
    }

    fn combine(&mut self, ids: &[ValueId]) -> Result<ValueId, String> {
        let op = match self.l.class {
            "Add" => Op::Add,
            "Subtract" => Op::Sub,
            _ => Op::Mul,
        };
        let [first, rest @ ..] = ids else {
            return Err("it reads nothing".into());
        };
        let mut out = *first;
        for &y in rest {
            let (a, b) = (self.shape(out), self.shape(y));
            let gate = |big: &[usize], small: &[usize]| big.len() == 3 && small.len() == 3 && small[1..] == [1, 1];
            let pair = if a != b && gate(&b, &a) { [y, out] } else { [out, y] };
            out = self.push(op.clone(), &pair)?;
        }
        Ok(out)
    }

    fn concatenate(&mut self, ids: &[ValueId]) -> Result<ValueId, String> {
        let rank = ids.first().map_or(0, |&id| self.shape(id).len()) as i64;
        let axis = self.l.config["axis"].as_i64().unwrap_or(-1);
        // Keras counts the batch and has the channels last; here they come first.
        let at = if axis < 0 { axis + rank } else { axis - 1 };
        let axis = match (rank, at) {
            (1, 0) => 0,
            (3, 2) => 0,
            (3, 0) => 1,
            (3, 1) => 2,
            _ => return Err(format!("along axis {axis}")),
        };
        self.push(Op::Concat { axis }, ids)
    }

    fn rescale(&mut self, x: ValueId) -> Result<ValueId, String> {
        let one = |v: f64| Tensor::new(vec![1], vec![v as f32]);
        let (Some(scale), Some(offset)) = (self.number("scale"), self.number("offset")) else {
            return Err("a scale for each channel is not supported; one number is".into());
        };
        let op = Op::Affine {
            scale: one(scale),
            offset: one(offset),
        };
        self.push(op, &[x])
    }
}
