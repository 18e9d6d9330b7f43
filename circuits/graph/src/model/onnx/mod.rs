//! ONNX: a file of a trained multilayer perceptron becomes a [`FloatModel`].
//!
//! Read: Gemm (alpha, beta, transB), MatMul, Add, Sub, Mul, Div by constants, Relu, Flatten and
//! Reshape to the same sample, Identity, Cast between floats, Dropout (inference), Constant,
//! Transpose of a constant, and scikit-learn's Scaler. Linear steps without a ReLU between them become one layer, normalisation
//! of the pixels becomes part of the first. A trailing Softmax, LogSoftmax or ArgMax is dropped: the
//! integer network ends in an argmax of its own (ties to the smallest index). Everything else is
//! refused by operator and node.
//!
//! The file is not trusted: sizes are checked against its own bytes, work is bounded, nothing panics.

mod constant;
mod flow;
mod ops;
#[cfg(test)]
mod tests;

use self::constant::Constant;
use self::flow::{Budget, Flow};
use super::FloatModel;
use super::proto;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Largest file that is read: eight times the floats of the largest capacity class.
pub const MAX_ONNX_BYTES: usize = 32 << 20;
/// Oldest operator set whose Gemm, MatMul and Add mean what they mean today.
pub const MIN_OPSET: i64 = 7;
/// Largest sample, in features.
const MAX_FEATURES: usize = crate::graph::MAX_SHARD_BYTES;

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    #[error("the ONNX file has {0} bytes; at most {MAX_ONNX_BYTES} are read")]
    TooLong(usize),
    #[error("this is no ONNX file, or it is truncated: {0}")]
    Protobuf(String),
    #[error("ONNX: {0}")]
    Structure(String),
    #[error("ONNX constant {name:?}: {reason}")]
    Constant { name: String, reason: String },
    #[error("ONNX operator {op} (node {node:?}): {reason}")]
    Node { node: String, op: String, reason: String },
}

/// A network and what the importer left out on purpose.
#[derive(Clone, Debug)]
pub struct Imported {
    pub model: FloatModel,
    /// One sentence each, for the user.
    pub notes: Vec<String>,
}

/// Reads an ONNX file.
///
/// # Errors
/// Names the operator and node, the constant, or the input that is not supported, and the nearest
/// thing that is.
pub fn import(bytes: &[u8]) -> Result<Imported, OnnxError> {
    if bytes.len() > MAX_ONNX_BYTES {
        return Err(OnnxError::TooLong(bytes.len()));
    }
    let file = proto::Model::decode(bytes).map_err(|e| OnnxError::Protobuf(e.to_string()))?;
    let structure = |text: &str| OnnxError::Structure(text.into());
    let opset = file.opset_import.iter().find(|o| standard(&o.domain));
    match opset {
        None => return Err(structure("the file names no operator set; it is truncated or no model")),
        Some(o) if o.version < MIN_OPSET => {
            return Err(OnnxError::Structure(format!(
                "operator set {}; export with {MIN_OPSET} or newer (13 and newer are usual)",
                o.version
            )));
        }
        Some(_) => {}
    }
    let graph = file
        .graph
        .as_ref()
        .ok_or_else(|| structure("the file holds no graph"))?;
    let tables = Tables::new(graph)?;
    let mut budget = Budget::new();
    let mut first_error = None;
    for output in graph.output.iter().take(MAX_OUTPUTS) {
        match Run::new(&tables, &mut budget).output(&output.name) {
            Ok(mut imported) => {
                if graph.output.len() > 1 {
                    imported.notes.push(format!(
                        "of the file's outputs {:?} was read, the others ignored",
                        output.name
                    ));
                }
                return Ok(imported);
            }
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    Err(first_error.unwrap_or_else(|| structure("the graph has no output")))
}

/// How many outputs are tried: a classifier may list a label beside its scores.
const MAX_OUTPUTS: usize = 4;

fn standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The graph's names, each defined once.
struct Tables<'a> {
    nodes: &'a [proto::Node],
    producers: BTreeMap<&'a str, usize>,
    constants: BTreeMap<&'a str, &'a proto::Tensor>,
    inputs: BTreeMap<&'a str, &'a proto::ValueInfo>,
}

impl<'a> Tables<'a> {
    fn new(graph: &'a proto::Graph) -> Result<Self, OnnxError> {
        let twice = |name: &str| OnnxError::Structure(format!("{name:?} is defined twice"));
        let mut t = Self {
            nodes: &graph.node,
            producers: BTreeMap::new(),
            constants: BTreeMap::new(),
            inputs: BTreeMap::new(),
        };
        for c in &graph.initializer {
            if t.constants.insert(&c.name, c).is_some() {
                return Err(twice(&c.name));
            }
        }
        // Old files list constants among the inputs as well; the constant wins.
        for i in graph
            .input
            .iter()
            .filter(|i| !t.constants.contains_key(i.name.as_str()))
        {
            if t.inputs.insert(&i.name, i).is_some() {
                return Err(twice(&i.name));
            }
        }
        for (index, n) in graph.node.iter().enumerate() {
            for o in n.output.iter().filter(|o| !o.is_empty()) {
                let known = t.constants.contains_key(o.as_str()) || t.inputs.contains_key(o.as_str());
                if t.producers.insert(o, index).is_some() || known {
                    return Err(twice(o));
                }
            }
        }
        Ok(t)
    }

    /// Nodes that `output` depends on, in the file's order.
    fn needed(&self, output: &str) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<usize> = self.producers.get(output).copied().into_iter().collect();
        while let Some(i) = todo.pop() {
            if seen.insert(i) {
                let inputs = self.nodes[i].input.iter();
                todo.extend(inputs.filter_map(|name| self.producers.get(name.as_str())));
            }
        }
        seen
    }
}

/// A value on its way to a node.
enum Value {
    Constant(Rc<Constant>),
    Samples(Flow),
}

/// One pass over the nodes of one output.
struct Run<'a, 'b> {
    tables: &'b Tables<'a>,
    budget: &'b mut Budget,
    values: BTreeMap<String, Value>,
    /// Sample values that a node has read: a second reader would be a branch.
    taken: BTreeSet<String>,
    notes: Vec<String>,
}

impl<'a, 'b> Run<'a, 'b> {
    fn new(tables: &'b Tables<'a>, budget: &'b mut Budget) -> Self {
        Self {
            tables,
            budget,
            values: BTreeMap::new(),
            taken: BTreeSet::new(),
            notes: vec![],
        }
    }

    fn output(mut self, name: &str) -> Result<Imported, OnnxError> {
        for index in self.tables.needed(name) {
            let node = &self.tables.nodes[index];
            let value = self.node(node).map_err(|e| match e {
                Refusal::Here(reason) => OnnxError::Node {
                    node: label(node, index),
                    op: node.op_type.clone(),
                    reason,
                },
                Refusal::Elsewhere(e) => e,
            })?;
            if let Some(out) = node.output.first() {
                self.values.insert(out.clone(), value);
            }
        }
        let outside = |reason| OnnxError::Structure(format!("output {name:?}: {reason}"));
        match self.value(name) {
            Ok(Value::Samples(flow)) => Ok(Imported {
                model: flow.finish().map_err(outside)?,
                notes: self.notes,
            }),
            Ok(Value::Constant(_)) => Err(outside("it does not depend on the input".into())),
            Err(Refusal::Here(reason)) => Err(outside(reason)),
            Err(Refusal::Elsewhere(e)) => Err(e),
        }
    }

    /// Takes the value called `name`: samples once, constants as often as wanted.
    fn value(&mut self, name: &str) -> Result<Value, Refusal> {
        match self.values.remove(name) {
            Some(Value::Constant(c)) => {
                self.values.insert(name.to_owned(), Value::Constant(c.clone()));
                return Ok(Value::Constant(c));
            }
            Some(samples) => {
                self.taken.insert(name.to_owned());
                return Ok(samples);
            }
            None => {}
        }
        if self.taken.contains(name) {
            return Err(Refusal::Here(format!(
                "{name:?} is used twice; branches and skip connections are not supported, a plain chain is"
            )));
        }
        if let Some(t) = self.tables.constants.get(name) {
            let elsewhere = |reason| {
                Refusal::Elsewhere(OnnxError::Constant {
                    name: name.to_owned(),
                    reason,
                })
            };
            let c = Rc::new(Constant::read(t).map_err(elsewhere)?);
            self.values.insert(name.to_owned(), Value::Constant(c.clone()));
            return Ok(Value::Constant(c));
        }
        if let Some(info) = self.tables.inputs.get(name) {
            let dims = sample_dims(info).map_err(Refusal::Elsewhere)?;
            self.taken.insert(name.to_owned());
            return Ok(Value::Samples(Flow::new(dims)));
        }
        Err(Refusal::Here(if self.tables.producers.contains_key(name) {
            format!("its input {name:?} is computed after it, or from it: the nodes are out of order or form a cycle")
        } else {
            format!("nothing in the file defines its input {name:?}")
        }))
    }
}

/// Why a node is refused: for what it is, or for a constant or input it reads.
enum Refusal {
    Here(String),
    Elsewhere(OnnxError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Here(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Here(reason.into())
    }
}

/// How a message names a node: by name, by output, or by place.
fn label(node: &proto::Node, index: usize) -> String {
    [Some(&node.name), node.output.first()]
        .into_iter()
        .flatten()
        .find(|s| !s.is_empty())
        .map_or_else(|| format!("#{index}"), |s| s.chars().take(80).collect())
}

/// Shape of one sample: everything after the batch dimension, all of it fixed.
fn sample_dims(info: &proto::ValueInfo) -> Result<Vec<usize>, OnnxError> {
    let refuse = |reason: &str| OnnxError::Structure(format!("input {:?}: {reason}", info.name));
    let shape = info
        .r#type
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref())
        .and_then(|t| t.shape.as_ref())
        .ok_or_else(|| refuse("its shape is not in the file; export with fixed sample dimensions"))?;
    if shape.dim.len() < 2 {
        return Err(refuse("it needs a batch dimension and the sample's, as in [batch, 64]"));
    }
    let mut width = 1usize;
    shape.dim[1..]
        .iter()
        .map(|d| {
            let size = d
                .dim_value
                .and_then(|v| usize::try_from(v).ok())
                .filter(|&v| v > 0)
                .ok_or_else(|| refuse("only the batch dimension may be dynamic; export the others as numbers"))?;
            width = width
                .checked_mul(size)
                .filter(|&w| w <= MAX_FEATURES)
                .ok_or_else(|| refuse("a sample is larger than a block of the dataset"))?;
            Ok(size)
        })
        .collect()
}
