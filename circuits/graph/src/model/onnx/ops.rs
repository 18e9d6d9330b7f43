//! One arm per operator.

use super::constant::{Constant, Data};
use super::flow::{Flow, matrix};
use super::{Refusal, Run, Value, standard};
use crate::model::proto::{Attribute, Node};
use std::rc::Rc;

/// ONNX element types a Cast may go to without changing a score.
const FLOAT: i64 = 1;
const DOUBLE: i64 = 11;

fn attribute<'n>(node: &'n Node, name: &str) -> Option<&'n Attribute> {
    node.attribute.iter().find(|a| a.name == name)
}

fn int(node: &Node, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i)
}

fn float(node: &Node, name: &str, default: f32) -> f64 {
    f64::from(attribute(node, name).map_or(default, |a| a.f))
}

/// What to use in place of an operator that is not read.
fn nearest(op: &str) -> &'static str {
    match op {
        "Conv" | "ConvTranspose" | "MaxPool" | "AveragePool" | "GlobalAveragePool" => {
            "convolution and pooling are not supported; a network of dense layers (Gemm, MatMul and Add) is"
        }
        "Sigmoid" | "Tanh" | "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "Gelu" | "Erf" | "HardSigmoid"
        | "HardSwish" | "Softplus" | "Clip" | "ThresholdedRelu" => "train with ReLU, the supported activation",
        "BatchNormalization" | "LayerNormalization" | "InstanceNormalization" => {
            "export in inference mode with the normalisation fused into the layer before it (Gemm)"
        }
        "QuantizeLinear" | "DequantizeLinear" | "QLinearMatMul" | "MatMulInteger" => {
            "give the float model: quantisation is done here"
        }
        _ => {
            "supported are Gemm, MatMul, Add, Sub, Mul, Div, Relu, Flatten, Reshape, Identity, Cast, Dropout and, at the end, Softmax, LogSoftmax and ArgMax"
        }
    }
}

impl Run<'_, '_> {
    /// The value of a node's first output.
    pub(super) fn node(&mut self, node: &Node) -> Result<Value, Refusal> {
        if node.domain == "ai.onnx.ml" && node.op_type == "Scaler" {
            return self.scaler(node);
        }
        if !standard(&node.domain) {
            return Err(format!(
                "operators of the domain {:?} are not supported, only its Scaler; export the network alone (skl2onnx: zipmap = False)",
                node.domain
            )
            .into());
        }
        match node.op_type.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node),
            "Relu" => {
                let mut x = self.samples(node, 0)?;
                x.relu()?;
                Ok(Value::Samples(x))
            }
            "Flatten" => {
                let mut x = self.samples(node, 0)?;
                if int(node, "axis", 1) != 1 {
                    return Err("only axis 1 keeps samples apart".into());
                }
                x.reshape(vec![x.width()]);
                Ok(Value::Samples(x))
            }
            "Reshape" => self.reshape(node),
            "Identity" => self.operand(node, 0),
            "Cast" => match int(node, "to", 0) {
                FLOAT | DOUBLE => self.operand(node, 0),
                other => Err(format!("to element type {other}; only float32 and float64 keep the scores").into()),
            },
            "Dropout" => self.dropout(node),
            "Softmax" | "LogSoftmax" | "ArgMax" => self.end(node),
            "Constant" => self.constant_node(node),
            "Transpose" => self.transpose(node),
            op => Err(format!("it is not supported; {}", nearest(op)).into()),
        }
    }

    fn operand(&mut self, node: &Node, index: usize) -> Result<Value, Refusal> {
        match node.input.get(index).filter(|name| !name.is_empty()) {
            Some(name) => self.value(name),
            None => Err(format!("input {index} is missing").into()),
        }
    }

    fn samples(&mut self, node: &Node, index: usize) -> Result<Flow, Refusal> {
        match self.operand(node, index)? {
            Value::Samples(x) => Ok(x),
            Value::Constant(_) => Err(format!("input {index} is a constant where the samples are expected").into()),
        }
    }

    fn constant(&mut self, node: &Node, index: usize) -> Result<Rc<Constant>, Refusal> {
        match self.operand(node, index)? {
            Value::Constant(c) => Ok(c),
            Value::Samples(_) => {
                Err(format!("input {index} depends on the samples; only constants are supported there").into())
            }
        }
    }

    /// `alpha·x·B + beta·C`.
    fn gemm(&mut self, node: &Node) -> Result<Value, Refusal> {
        if int(node, "transA", 0) != 0 {
            return Err("transA would mix the samples of a batch; export with transA = 0".into());
        }
        let transposed = int(node, "transB", 0) != 0;
        let (alpha, beta) = (float(node, "alpha", 1.0), float(node, "beta", 1.0));
        let mut x = self.samples(node, 0)?;
        let b = self.constant(node, 1)?;
        let mut dense = matrix(&b, transposed, alpha, None, self.budget)?;
        if node.input.get(2).is_some_and(|name| !name.is_empty()) {
            let c = self.constant(node, 2)?;
            dense.b = c.broadcast(&[dense.outputs])?.iter().map(|v| beta * v).collect();
        }
        x.dense(dense, self.budget)?;
        Ok(Value::Samples(x))
    }

    /// `x·B`.
    fn matmul(&mut self, node: &Node) -> Result<Value, Refusal> {
        let mut x = self.samples(node, 0)?;
        let b = self.constant(node, 1)?;
        x.dense(matrix(&b, false, 1.0, None, self.budget)?, self.budget)?;
        Ok(Value::Samples(x))
    }

    /// `+ − × ÷` of the samples and a constant, on either side where that is linear.
    fn arithmetic(&mut self, node: &Node) -> Result<Value, Refusal> {
        let (mut x, c, swapped) = match (self.operand(node, 0)?, self.operand(node, 1)?) {
            (Value::Samples(x), Value::Constant(c)) => (x, c, false),
            (Value::Constant(c), Value::Samples(x)) => (x, c, true),
            (Value::Samples(_), Value::Samples(_)) => {
                return Err("both inputs depend on the samples; skip connections are not supported".into());
            }
            (Value::Constant(_), Value::Constant(_)) => {
                return Err("both inputs are constants; fold constants when exporting".into());
            }
        };
        let c = c.broadcast(x.dims())?;
        let all = |v: f64| vec![v; c.len()];
        let map = |f: &dyn Fn(f64) -> f64| c.iter().map(|&v| f(v)).collect::<Vec<_>>();
        let (scale, offset) = match (node.op_type.as_str(), swapped) {
            ("Add", _) => (all(1.0), c),
            ("Sub", false) => (all(1.0), map(&|v| -v)),
            ("Sub", true) => (all(-1.0), c),
            ("Mul", _) => (c.clone(), all(0.0)),
            ("Div", false) if c.iter().all(|&v| v != 0.0) => (map(&|v| 1.0 / v), all(0.0)),
            ("Div", false) => return Err("it divides by zero".into()),
            _ => return Err("dividing by the samples is not linear; multiply by a constant instead".into()),
        };
        x.elementwise(&scale, &offset, self.budget)?;
        Ok(Value::Samples(x))
    }

    /// `(x − offset)·scale`, as scikit-learn's scalers are exported; one value or one per feature.
    fn scaler(&mut self, node: &Node) -> Result<Value, Refusal> {
        let mut x = self.samples(node, 0)?;
        let width = x.width();
        let list = |name, default: f64| match attribute(node, name).map(|a| a.floats.as_slice()) {
            None | Some([]) => Ok(vec![default; width]),
            Some(&[v]) => Ok(vec![f64::from(v); width]),
            Some(v) if v.len() == width => Ok(v.iter().map(|&v| f64::from(v)).collect()),
            Some(v) => Err(format!("{} values of {name} for {width} features", v.len())),
        };
        let scale = list("scale", 1.0)?;
        let offset = list("offset", 0.0)?;
        let shifted: Vec<f64> = offset.iter().zip(&scale).map(|(o, s)| -o * s).collect();
        x.elementwise(&scale, &shifted, self.budget)?;
        Ok(Value::Samples(x))
    }

    fn reshape(&mut self, node: &Node) -> Result<Value, Refusal> {
        let value = self.operand(node, 0)?;
        let shape = self.constant(node, 1)?;
        let to = shape.ints().ok_or("its shape is not made of integers")?;
        match value {
            Value::Constant(c) => {
                let dims = fixed_dims(to, c.len())?;
                self.budget.spend(c.len().saturating_mul(32))?;
                Ok(Value::Constant(Rc::new(Constant {
                    dims,
                    data: Data::Real(c.reals()),
                })))
            }
            Value::Samples(mut x) => {
                // The first dimension is the batch: copied (0), inferred (−1) or written out.
                let Some((&batch, rest)) = to.split_first() else {
                    return Err("an empty shape drops the batch dimension".into());
                };
                let inferred = rest.iter().filter(|&&d| d == -1).count() + usize::from(batch == -1);
                if batch < -1 || inferred > 1 || rest.contains(&0) {
                    return Err(format!("shape {to:?} does not keep samples apart; use [0, -1]").into());
                }
                x.reshape(fixed_dims(rest, x.width())?);
                Ok(Value::Samples(x))
            }
        }
    }

    fn dropout(&mut self, node: &Node) -> Result<Value, Refusal> {
        if node.input.get(2).is_some_and(|name| !name.is_empty()) {
            return Err("it has a training mode; export the model in inference mode".into());
        }
        self.operand(node, 0)
    }

    fn end(&mut self, node: &Node) -> Result<Value, Refusal> {
        let mut x = self.samples(node, 0)?;
        let op = node.op_type.as_str();
        let axis = int(node, "axis", if op == "ArgMax" { 0 } else { -1 });
        if axis != 1 && axis != -1 {
            return Err(format!("along axis {axis}; only the class axis (1) is supported").into());
        }
        if int(node, "select_last_index", 0) != 0 {
            return Err("ties go to the smallest index here; export with select_last_index = 0".into());
        }
        x.end(op)?;
        self.notes.push(format!(
            "the trailing {op} is left out: the integer network ends in an argmax of its own, ties to the smallest index"
        ));
        Ok(Value::Samples(x))
    }

    fn constant_node(&mut self, node: &Node) -> Result<Value, Refusal> {
        let [a] = node.attribute.as_slice() else {
            return Err("it needs exactly one value".into());
        };
        let list = |data: Data, len| Constant { dims: vec![len], data };
        let c = match (a.name.as_str(), &a.t) {
            ("value", Some(t)) => Constant::read(t)?,
            ("value_float", _) => Constant::scalar(f64::from(a.f)),
            ("value_floats", _) => list(
                Data::Real(a.floats.iter().map(|&v| f64::from(v)).collect()),
                a.floats.len(),
            ),
            ("value_int", _) => Constant {
                dims: vec![],
                data: Data::Int(vec![a.i]),
            },
            ("value_ints", _) => list(Data::Int(a.ints.clone()), a.ints.len()),
            (other, _) => return Err(format!("a value of kind {other:?} is not supported; use a dense tensor").into()),
        };
        Ok(Value::Constant(Rc::new(c)))
    }

    /// A constant matrix with rows and columns exchanged.
    fn transpose(&mut self, node: &Node) -> Result<Value, Refusal> {
        let c = match self.operand(node, 0)? {
            Value::Constant(c) => c,
            Value::Samples(_) => return Err("it reorders the samples' features; only constants are transposed".into()),
        };
        let &[rows, columns] = c.dims.as_slice() else {
            return Err(format!("a constant of shape {:?}; only matrices are supported", c.dims).into());
        };
        match attribute(node, "perm").map(|a| a.ints.as_slice()) {
            None | Some([] | [1, 0]) => {}
            Some([0, 1]) => return Ok(Value::Constant(c)),
            Some(other) => return Err(format!("permutation {other:?} of a matrix").into()),
        }
        self.budget.spend(c.len().saturating_mul(32))?;
        let v = c.reals();
        let data = (0..columns)
            .flat_map(|j| (0..rows).map(move |i| i * columns + j))
            .map(|k| v[k])
            .collect();
        Ok(Value::Constant(Rc::new(Constant {
            dims: vec![columns, rows],
            data: Data::Real(data),
        })))
    }
}

/// Dimensions with at most one −1 filled in so that they hold `count` elements.
fn fixed_dims(to: &[i64], count: usize) -> Result<Vec<usize>, String> {
    let bad = || format!("shape {to:?} does not hold {count} elements a sample");
    let mut known = 1usize;
    for &d in to.iter().filter(|&&d| d != -1) {
        let d = usize::try_from(d).ok().filter(|&d| d > 0).ok_or_else(bad)?;
        known = known.checked_mul(d).ok_or_else(bad)?;
    }
    let free = to.iter().filter(|&&d| d == -1).count();
    if free > 1 || !count.is_multiple_of(known) || (free == 0 && count != known) {
        return Err(bad());
    }
    Ok(to
        .iter()
        .map(|&d| usize::try_from(d).unwrap_or(count / known))
        .collect())
}
