//! Operators on the sample: one method each.
//!
//! | module | holds |
//! |---|---|
//! | [`linear`] | Gemm, MatMul, Conv, ConvTranspose, BatchNormalization |
//! | [`elementwise`] | arithmetic and activations |
//! | [`pool`] | pooling and means |
//! | [`shape`] | what only moves elements |
//! | [`resize`] | Resize and Upsample by nearest neighbour |
//! | [`quantized`] | QuantizeLinear, DequantizeLinear |
//! | [`classical`] | scikit-learn, XGBoost and LightGBM |

mod classical;
mod elementwise;
mod linear;
mod pool;
mod quantized;
mod resize;
mod shape;

use super::attributes::{attribute, int};
use super::constant::{Constant, Data, kind};
use super::fold::fold;
use super::{CLASSICAL, Computed, Reader, Refusal, Value, standard};
use crate::float::{Op, Window};
use crate::model::proto::Node;
use std::rc::Rc;

/// What to use in place of an operator that is not read.
fn nearest(op: &str) -> &'static str {
    match op {
        "Elu" | "Selu" | "Celu" | "Gelu" | "Erf" | "Softplus" | "Softsign" | "Mish" | "Swish" | "ThresholdedRelu"
        | "PRelu" => {
            "activations that are: Relu, LeakyRelu, Clip (ReLU6), HardSwish, HardSigmoid, Sigmoid, Tanh, x² + n·x"
        }
        "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "LRN"
        | "RMSNormalization" => "a BatchNormalization, which is folded into its neighbour, is",
        "QLinearConv" | "QLinearMatMul" | "MatMulInteger" | "ConvInteger" | "DynamicQuantizeLinear" | "QGemm" => {
            "export the quantised model in QDQ form (QuantizeLinear and DequantizeLinear around float operators), static"
        }
        "LSTM" | "GRU" | "RNN" | "Scan" | "Loop" | "If" => {
            "a network without recurrence or branches, such as a Conv along time, is"
        }
        "Attention" | "MultiHeadAttention" | "Einsum" => "networks of Gemm, MatMul with a constant, and Conv are",
        "LpPool" | "MaxUnpool" | "MaxRoiPool" | "RoiAlign" => "MaxPool, AveragePool and global pooling are",
        "SVMClassifier" | "SVMRegressor" => "LinearSVC (LinearClassifier), linear models and tree ensembles are",
        "TreeEnsemble" => {
            "TreeEnsembleClassifier and TreeEnsembleRegressor are; export with target_opset {\"ai.onnx.ml\": 3}"
        }
        "Abs" | "Max" | "Min" => "with a constant bound, Max and Min are Clip; Relu is",
        _ => "docs/operators.md lists what is",
    }
}

impl Reader<'_> {
    /// The values of a node's outputs, as many as are known.
    pub(super) fn node(&mut self, node: &Node) -> Result<Vec<Value>, Refusal> {
        let classical = node.domain == CLASSICAL;
        if !standard(&node.domain) && !classical {
            return Err(format!(
                "operators of the domain {:?} are not supported, only ONNX's own and {CLASSICAL}",
                node.domain
            )
            .into());
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(if name.is_empty() { None } else { Some(self.value(name)?) });
        }
        if !classical && let Some(out) = self.constant_node(node, &inputs)? {
            self.spend(out.len())?;
            return Ok(vec![Value::Constant(Rc::new(out))]);
        }
        let inputs = Inputs(inputs);
        for v in inputs.0.iter().flatten() {
            if let Value::Computed(Computed { ended: Some(op), .. }) = v
                && !matches!(
                    node.op_type.as_str(),
                    "Softmax"
                        | "LogSoftmax"
                        | "ArgMax"
                        | "Identity"
                        | "Cast"
                        | "Dropout"
                        | "Flatten"
                        | "Reshape"
                        | "Squeeze"
                        | "Normalizer"
                        | "ZipMap"
                        | "Sigmoid"
                )
            {
                return Err(format!("it follows {op}, which must be the network's end").into());
            }
        }
        let one = |c: Computed| Ok(vec![Value::Computed(c)]);
        match (classical, node.op_type.as_str()) {
            (true, _) => self.classical(node, &inputs),
            (false, "Gemm") => one(self.gemm(node, &inputs)?),
            (false, "MatMul") => one(self.matmul(&inputs)?),
            (false, "Conv") => one(self.conv(node, &inputs)?),
            (false, "ConvTranspose") => one(self.conv_transpose(node, &inputs)?),
            (false, "BatchNormalization") => one(self.batch_normalization(node, &inputs)?),
            (false, "Add" | "Sub" | "Mul" | "Div") => one(self.arithmetic(&node.op_type, &inputs)?),
            (false, "Sum") => one(self.sum(&inputs)?),
            (false, "Neg") => one(self.negated(&inputs)?),
            (false, "Pow") => one(self.power(&inputs)?),
            (false, "Min" | "Max") => one(self.bound(node, &inputs)?),
            (false, "Relu" | "LeakyRelu" | "Clip" | "Sigmoid" | "Tanh" | "HardSigmoid" | "HardSwish") => {
                one(self.activation(node, &inputs)?)
            }
            (false, "MaxPool" | "AveragePool") => one(self.pool(node, &inputs)?),
            (false, "GlobalMaxPool" | "GlobalAveragePool") => one(self.global_pool(node, &inputs)?),
            (false, "ReduceMean" | "ReduceSum" | "ReduceMax") => one(self.reduce(node, &inputs)?),
            (false, "Flatten") => one(self.flatten(node, &inputs)?),
            (false, "Reshape") => one(self.reshape(node, &inputs)?),
            (false, "Transpose") => one(self.transpose(node, &inputs)?),
            (false, "Squeeze" | "Unsqueeze") => one(self.squeeze(node, &inputs)?),
            (false, "Concat") => one(self.concat(node, &inputs)?),
            (false, "Slice") => one(self.slice(node, &inputs)?),
            (false, "Split") => self.split(node, &inputs),
            (false, "Pad") => one(self.pad(node, &inputs)?),
            (false, "Resize" | "Upsample") => one(self.resize(node, &inputs)?),
            (false, "QuantizeLinear") => one(self.quantize(node, &inputs)?),
            (false, "DequantizeLinear") => one(self.dequantize(node, &inputs)?),
            (false, "Identity") => one(inputs.computed(0)?),
            (false, "Dropout") => one(self.dropout(&inputs)?),
            (false, "Cast") => one(self.cast(node, &inputs)?),
            (false, "Softmax" | "LogSoftmax" | "ArgMax") => one(self.end(node, &inputs)?),
            (false, op) => Err(format!("it is not supported; {}", nearest(op)).into()),
        }
    }

    /// The value of a node that depends on constants alone, where there is one.
    fn constant_node(&mut self, node: &Node, inputs: &[Option<Value>]) -> Result<Option<Constant>, Refusal> {
        if node.op_type == "Constant" {
            return Ok(Some(constant(node)?));
        }
        if node.op_type == "Shape" {
            return Ok(match inputs.first() {
                Some(Some(Value::Computed(c))) => Some(self.shape_of(node, c)?),
                Some(Some(Value::Constant(_))) => fold(node, &constants(inputs))?,
                _ => None,
            });
        }
        let depends = inputs.iter().flatten().any(|v| matches!(v, Value::Computed(_)));
        if depends || inputs.is_empty() {
            return Ok(None);
        }
        let constants = constants(inputs);
        Ok(match node.op_type.as_str() {
            "QuantizeLinear" => Some(quantized::quantize_constant(node, &constants)?),
            "DequantizeLinear" => Some(quantized::dequantize_constant(node, &constants)?),
            _ => match fold(node, &constants)? {
                Some(c) => Some(c),
                None => {
                    return Err(format!(
                        "it is not supported on constants alone; fold constants when exporting ({})",
                        nearest(&node.op_type)
                    )
                    .into());
                }
            },
        })
    }

    /// The shape of a value as the file sees it. The batch counts as one: it is only ever copied.
    fn shape_of(&self, node: &Node, c: &Computed) -> Result<Constant, Refusal> {
        let mut dims = self.dims(c);
        if self.batched() {
            dims.insert(0, 1);
        }
        let rank = dims.len() as i64;
        let clamp = |v: i64| (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize;
        let (start, end) = (clamp(int(node, "start", 0)), clamp(int(node, "end", rank)));
        let part = dims.get(start..end).unwrap_or(&[]);
        Ok(Constant::int(
            vec![part.len()],
            part.iter().map(|&d| d as i64).collect(),
        ))
    }

    fn dropout(&mut self, inputs: &Inputs) -> Result<Computed, Refusal> {
        if let Some(mode) = inputs.constant_or_none(2)?
            && mode.single() != Some(0.0)
        {
            return Err("it has a training mode; export the model in inference mode".into());
        }
        inputs.computed(0)
    }

    fn cast(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        match int(node, "to", 0) {
            kind::FLOAT | kind::DOUBLE => Ok(x),
            _ if x.ended.is_some() => Ok(x),
            other => Err(format!("to element type {other}; only float32 and float64 keep the scores").into()),
        }
    }

    /// Softmax and the like: left out, because the answer is the largest score.
    fn end(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let mut x = inputs.computed(0)?;
        let op = node.op_type.as_str();
        let default = match op {
            "ArgMax" => 0,
            _ if self.opset < 13 => 1,
            _ => -1,
        };
        let dims = self.dims(&x);
        let axis = self.axis(int(node, "axis", default), dims.len())?;
        // Along the only dimension that is not one, or over everything (the old Softmax flattens).
        let flattens = self.opset < 13 && op != "ArgMax" && axis == 0;
        if !flattens && dims.iter().enumerate().any(|(i, &d)| i != axis && d != 1) {
            return Err(format!("along axis {axis} of {dims:?}: each sample may have one row of scores").into());
        }
        if int(node, "select_last_index", 0) != 0 {
            return Err("ties go to the smallest index here; export with select_last_index = 0".into());
        }
        self.notes.push(format!(
            "the trailing {op} is left out: the integer network ends in an argmax of its own, ties to the smallest index"
        ));
        x.ended = Some(op.to_owned());
        x.steps = None;
        Ok(x)
    }

    /// Height and width for windows: `[c, l]` becomes `[c, 1, l]`.
    fn image(&mut self, x: &Computed) -> Result<Image, Refusal> {
        let dims = self.dims(x);
        let whole = !self.batched();
        let inner = if whole {
            match dims.split_first() {
                Some((1, rest)) => rest,
                _ => return Err(format!("shape {dims:?} is not one sample").into()),
            }
        } else {
            &dims[..]
        };
        let shape = match *inner {
            [c, l] => vec![c, 1, l],
            [c, h, w] => vec![c, h, w],
            _ => {
                return Err(format!(
                    "values of shape {inner:?} a sample; one and two spatial dimensions are supported, after the channels"
                )
                .into());
            }
        };
        let id = if shape == dims {
            x.id
        } else {
            self.push(Op::Reshape { shape: shape.clone() }, &[x.id])?
        };
        Ok(Image {
            id,
            size: [shape[1], shape[2]],
            channels: shape[0],
            flat: inner.len() == 2,
            whole,
        })
    }

    /// Undoes [`Reader::image`] after a window.
    fn unimage(&mut self, image: &Image, id: crate::float::ValueId) -> Result<Computed, Refusal> {
        let shape = self.net()?.shape(id).to_vec();
        let mut to = if image.flat {
            vec![shape[0], shape[2]]
        } else {
            shape.clone()
        };
        if image.whole {
            to.insert(0, 1);
        }
        let id = if to == shape {
            id
        } else {
            self.push(Op::Reshape { shape: to }, &[id])?
        };
        Ok(id.into())
    }
}

/// A value ready for windows.
struct Image {
    id: crate::float::ValueId,
    size: [usize; 2],
    channels: usize,
    /// One spatial dimension in the file.
    flat: bool,
    /// With a leading 1 in the file that belongs to the sample.
    whole: bool,
}

impl Image {
    /// An attribute with one number a spatial dimension, as `[rows, columns]`.
    fn pair(&self, values: Option<&[i64]>, name: &str, default: usize) -> Result<[usize; 2], String> {
        let Some(v) = values.filter(|v| !v.is_empty()) else {
            return Ok([default; 2]);
        };
        let v = super::attributes::sizes(v, name)?;
        match (self.flat, v.as_slice()) {
            (true, &[l]) => Ok([if name == "kernel_shape" { 1 } else { default }, l]),
            (false, &[a, b]) => Ok([a, b]),
            _ => Err(format!("{name} {v:?} has another number of dimensions than the image")),
        }
    }

    /// Padding before and after, from `pads` or `auto_pad`.
    fn padding(&self, node: &Node, mut window: Window) -> Result<Window, String> {
        let mode = super::attributes::text(node, "auto_pad", "NOTSET")?;
        match mode.as_str() {
            "NOTSET" => {
                let pads = super::attributes::ints(node, "pads").unwrap_or(&[]);
                let pads = super::attributes::sizes(pads, "pads")?;
                (window.before, window.after) = match (self.flat, pads.as_slice()) {
                    (_, []) => ([0, 0], [0, 0]),
                    (true, &[a, b]) => ([0, a], [0, b]),
                    (false, &[a, b, c, d]) => ([a, b], [c, d]),
                    _ => {
                        return Err(format!(
                            "pads {pads:?} have another number of dimensions than the image"
                        ));
                    }
                };
            }
            "VALID" => {}
            "SAME_UPPER" | "SAME_LOWER" => {
                window.output([usize::MAX >> 2; 2])?;
                for a in 0..2 {
                    let outputs = self.size[a].div_ceil(window.stride[a]);
                    let needed = (outputs - 1) * window.stride[a] + window.span(a);
                    let total = needed.saturating_sub(self.size[a]);
                    let (less, more) = (total / 2, total - total / 2);
                    let upper = mode == "SAME_UPPER";
                    (window.before[a], window.after[a]) = if upper { (less, more) } else { (more, less) };
                }
            }
            other => {
                return Err(format!(
                    "auto_pad {other:?}; NOTSET, VALID, SAME_UPPER and SAME_LOWER are known"
                ));
            }
        }
        Ok(window)
    }
}

/// A node's inputs; missing optional ones are none.
struct Inputs(Vec<Option<Value>>);

impl Inputs {
    fn computed(&self, index: usize) -> Result<Computed, Refusal> {
        match self.0.get(index) {
            Some(Some(Value::Computed(c))) => Ok(c.clone()),
            Some(Some(Value::Constant(_))) => {
                Err(format!("input {index} is a constant where the samples are expected").into())
            }
            _ => Err(format!("input {index} is missing").into()),
        }
    }

    fn constant(&self, index: usize) -> Result<Rc<Constant>, Refusal> {
        self.constant_or_none(index)?
            .ok_or_else(|| format!("input {index} is missing").into())
    }

    fn constant_or_none(&self, index: usize) -> Result<Option<Rc<Constant>>, Refusal> {
        match self.0.get(index) {
            Some(Some(Value::Constant(c))) => Ok(Some(c.clone())),
            Some(Some(Value::Computed(_))) => {
                Err(format!("input {index} depends on the samples; only constants are supported there").into())
            }
            _ => Ok(None),
        }
    }
}

fn constants(inputs: &[Option<Value>]) -> Vec<Option<Rc<Constant>>> {
    inputs
        .iter()
        .map(|v| match v {
            Some(Value::Constant(c)) => Some(c.clone()),
            _ => None,
        })
        .collect()
}

fn constant(node: &Node) -> Result<Constant, String> {
    let [a] = node.attribute.as_slice() else {
        return Err("it needs exactly one value".into());
    };
    Ok(match (a.name.as_str(), &a.t) {
        ("value", Some(t)) => Constant::read(t)?,
        ("value_float", _) => Constant::real(vec![], vec![super::attributes::float(node, "value_float", 0.0)?]),
        ("value_floats", _) => {
            let v = super::attributes::floats(node, "value_floats")?;
            Constant::real(vec![v.len()], v.to_vec())
        }
        ("value_int", _) => Constant {
            dims: vec![],
            data: Data::Int(vec![a.i]),
            kind: kind::INT64,
            integers: None,
        },
        ("value_ints", _) => Constant::int(vec![a.ints.len()], a.ints.clone()),
        (other, _) => {
            return Err(format!(
                "a value of kind {other:?} is not supported; use a dense tensor"
            ));
        }
    })
}

/// Whether an attribute is there at all.
fn has(node: &Node, name: &str) -> bool {
    attribute(node, name).is_some()
}
