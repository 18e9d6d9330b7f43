//! ONNX: the file of a trained network becomes a [`Network`].
//!
//! The file's nodes are run once, symbolically: what depends on constants alone is computed, what
//! depends on the sample becomes nodes of the network. Every operator that is read is listed in
//! `docs/operators.md`; all others are refused by name and node.
//!
//! The file is not trusted: sizes are checked against its own bytes, work is bounded, nothing panics.
//!
//! | module | holds |
//! |---|---|
//! | [`constant`] | constants and what may be done to them |
//! | [`fold`] | operators on constants alone |
//! | [`ops`] | operators on the sample |
//! | [`write`] | plain networks as files, for benchmarks |

mod attributes;
mod constant;
mod fold;
mod ops;
#[cfg(test)]
mod tests;
mod write;

pub use write::write;

use self::constant::Constant;
use super::Imported;
use super::proto;
use crate::float::{Activation, Ending, MAX_ELEMENTS, Network, NetworkError, Op, ValueId};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Largest file that is read: 16 million float32 weights.
pub const MAX_ONNX_BYTES: usize = 64 << 20;
/// Oldest operator set whose Gemm, MatMul and Add mean what they mean today.
pub const MIN_OPSET: i64 = 7;
/// Elements of all constants an import may hold at once, copies included.
const MAX_CONSTANTS: usize = 1 << 26;

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

/// Which part of the input is one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// The first dimension counts samples, unless the input has only one.
    Batched,
    /// The whole input is one sample.
    Whole,
}

/// Reads an ONNX file.
///
/// # Errors
/// Names the operator and node, the constant, or the input that is not supported, and the nearest
/// thing that is.
pub fn read(bytes: &[u8]) -> Result<Imported, OnnxError> {
    read_as(bytes, Samples::Batched)
}

/// Reads an ONNX file, told what one sample is.
///
/// # Errors
/// As [`read`].
pub fn read_as(bytes: &[u8], samples: Samples) -> Result<Imported, OnnxError> {
    if bytes.len() > MAX_ONNX_BYTES {
        return Err(OnnxError::TooLong(bytes.len()));
    }
    proto::check_structure(bytes).map_err(OnnxError::Protobuf)?;
    let file = proto::Model::decode(bytes).map_err(|e| OnnxError::Protobuf(e.to_string()))?;
    let structure = |text: &str| OnnxError::Structure(text.into());
    let opset = match file.opset_import.iter().find(|o| standard(&o.domain)) {
        // Trees and linear models of scikit-learn need no standard operator.
        None if file.opset_import.iter().any(|o| o.domain == CLASSICAL) => i64::MAX,
        None => return Err(structure("the file names no operator set; it is truncated or no model")),
        Some(o) if o.version < MIN_OPSET => {
            return Err(OnnxError::Structure(format!(
                "operator set {}; export with {MIN_OPSET} or newer (13 and newer are usual)",
                o.version
            )));
        }
        Some(o) => o.version,
    };
    let graph = file
        .graph
        .as_ref()
        .ok_or_else(|| structure("the file holds no graph"))?;
    let tables = Tables::new(graph)?;
    let mut left = MAX_CONSTANTS;
    let mut first_error = None;
    for output in graph.output.iter().take(MAX_OUTPUTS) {
        let mut reader = Reader {
            tables: &tables,
            opset,
            samples,
            left,
            network: None,
            values: BTreeMap::new(),
            notes: vec![],
            at: (String::new(), String::new()),
        };
        match reader.output(&output.name) {
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
        left = reader.left;
    }
    Err(first_error.unwrap_or_else(|| structure("the graph has no output")))
}

/// How many outputs are tried: a classifier may list a label beside its scores.
const MAX_OUTPUTS: usize = 4;
/// Operators of scikit-learn, XGBoost and LightGBM exports.
const CLASSICAL: &str = "ai.onnx.ml";

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

/// A step on a feature before the network's first node: trees need it exactly as the file has it.
#[derive(Clone, Copy)]
enum Step {
    Add(f32),
    Mul(f32),
    Div(f32),
    /// `v − x`.
    From(f32),
}

impl Step {
    fn at(self, x: f32) -> f32 {
        match self {
            Self::Add(v) => x + v,
            Self::Mul(v) => x * v,
            Self::Div(v) => x / v,
            Self::From(v) => v - x,
        }
    }
}

/// What depends on the sample.
#[derive(Clone)]
struct Computed {
    id: ValueId,
    /// The operator that ended the network, after which only the like may follow.
    ended: Option<String>,
    /// What the outputs mean, where an operator said it.
    ending: Option<Ending>,
    /// Per feature, the steps from the raw sample; none once anything else has happened.
    steps: Option<Rc<Vec<Vec<Step>>>>,
}

impl From<ValueId> for Computed {
    fn from(id: ValueId) -> Self {
        Self {
            id,
            ended: None,
            ending: None,
            steps: None,
        }
    }
}

#[derive(Clone)]
enum Value {
    Constant(Rc<Constant>),
    Computed(Computed),
}

/// One pass over the nodes of one output.
struct Reader<'a> {
    tables: &'a Tables<'a>,
    opset: i64,
    samples: Samples,
    /// Constant elements that may still be made.
    left: usize,
    /// With the input's name; made when the input is first read.
    network: Option<(String, Network, bool)>,
    values: BTreeMap<String, Value>,
    notes: Vec<String>,
    /// Label and operator of the current node.
    at: (String, String),
}

impl Reader<'_> {
    fn output(&mut self, name: &str) -> Result<Imported, OnnxError> {
        for index in self.tables.needed(name) {
            let node = &self.tables.nodes[index];
            self.at = (label(node, index), node.op_type.clone());
            let values = self.node(node).map_err(|e| match e {
                Refusal::Here(reason) => OnnxError::Node {
                    node: self.at.0.clone(),
                    op: self.at.1.clone(),
                    reason,
                },
                Refusal::Elsewhere(e) => e,
            })?;
            for (out, value) in node.output.iter().zip(values) {
                self.values.insert(out.clone(), value);
            }
        }
        let outside = |reason| OnnxError::Structure(format!("output {name:?}: {reason}"));
        let value = match self.value(name) {
            Ok(Value::Computed(c)) => c,
            Ok(Value::Constant(_)) => return Err(outside("it does not depend on the input".into())),
            Err(Refusal::Here(reason)) => return Err(outside(reason)),
            Err(Refusal::Elsewhere(e)) => return Err(e),
        };
        let Some((_, network, _)) = self.network.take() else {
            return Err(outside("it does not depend on the input".into()));
        };
        let (id, ending) = self.ending(&network, &value);
        Ok(Imported {
            network: crate::float::simplify(network.finish(id, ending)),
            notes: std::mem::take(&mut self.notes),
        })
    }

    /// What the outputs mean; a last sigmoid is left out.
    fn ending(&mut self, network: &Network, value: &Computed) -> (ValueId, Ending) {
        let mut id = value.id;
        let mut sigmoid = false;
        if let Some(node) = id.producer().map(|i| &network.nodes()[i])
            && matches!(node.op, Op::Activation(Activation::Sigmoid))
        {
            self.notes
                .push("the trailing Sigmoid is left out: it changes no order of scores".into());
            id = node.inputs[0];
            sigmoid = true;
        }
        let single = network.shape(id).iter().product::<usize>() == 1;
        let ending = value.ending.unwrap_or(match (single, sigmoid) {
            (false, _) => Ending::Classes,
            (true, true) => Ending::Sign,
            (true, false) => Ending::Values,
        });
        (id, ending)
    }

    /// The value called `name`.
    fn value(&mut self, name: &str) -> Result<Value, Refusal> {
        if let Some(v) = self.values.get(name) {
            return Ok(v.clone());
        }
        let v = if let Some(t) = self.tables.constants.get(name) {
            let elsewhere = |reason| {
                Refusal::Elsewhere(OnnxError::Constant {
                    name: name.to_owned(),
                    reason,
                })
            };
            let c = Constant::read(t).map_err(elsewhere)?;
            self.spend(c.len())?;
            Value::Constant(Rc::new(c))
        } else if let Some(info) = self.tables.inputs.get(name) {
            self.sample(name, info)?
        } else if self.tables.producers.contains_key(name) {
            return Err(Refusal::Here(format!(
                "its input {name:?} is computed after it, or from it: the nodes are out of order or form a cycle"
            )));
        } else {
            return Err(Refusal::Here(format!("nothing in the file defines its input {name:?}")));
        };
        self.values.insert(name.to_owned(), v.clone());
        Ok(v)
    }

    /// The input, whose shape decides what a sample is.
    fn sample(&mut self, name: &str, info: &proto::ValueInfo) -> Result<Value, Refusal> {
        if let Some((first, ..)) = &self.network {
            return Err(Refusal::Here(format!(
                "the network takes two inputs, {first:?} and {name:?}; one is supported: join them before exporting"
            )));
        }
        let (dims, batched) = sample_dims(info, self.samples).map_err(Refusal::Elsewhere)?;
        let features = dims.iter().product();
        let network = Network::new(dims).map_err(|e| Refusal::Elsewhere(OnnxError::Structure(e.to_string())))?;
        self.network = Some((name.to_owned(), network, batched));
        Ok(Value::Computed(Computed {
            steps: Some(Rc::new(vec![vec![]; features])),
            ..ValueId::SAMPLE.into()
        }))
    }

    /// Bounds the memory of constants: a few bytes can name one matrix a million times.
    fn spend(&mut self, elements: usize) -> Result<(), String> {
        // One more for the constant itself, so that empty ones are not free.
        self.left = self
            .left
            .checked_sub(elements.saturating_add(16))
            .ok_or("the file asks for more constants than any supported network needs")?;
        Ok(())
    }

    fn net(&mut self) -> Result<&mut Network, String> {
        match &mut self.network {
            Some((_, network, _)) => Ok(network),
            None => Err("nothing depends on the sample yet".into()),
        }
    }

    /// Whether shapes in the file have a dimension for the batch before the sample's.
    fn batched(&self) -> bool {
        self.network.as_ref().is_some_and(|(.., b)| *b)
    }

    /// Shape of a value, without the batch.
    fn dims(&self, v: &Computed) -> Vec<usize> {
        self.network
            .as_ref()
            .map_or_else(Vec::new, |(_, n, _)| n.shape(v.id).to_vec())
    }

    fn push(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, Refusal> {
        let (node, source) = self.at.clone();
        let pushed = self.net()?.push(&node, &source, op, inputs);
        pushed.map_err(|e| match e {
            NetworkError::Node { reason, .. } | NetworkError::Structure(reason) => Refusal::Here(reason),
        })
    }

    /// A dimension of the sample from one of the file's; negative ones count from the end.
    fn axis(&self, axis: i64, rank: usize) -> Result<usize, String> {
        let batch = usize::from(self.batched());
        let all = (rank + batch) as i64;
        let at = if axis < 0 { axis + all } else { axis };
        match usize::try_from(at).ok().filter(|&a| a < rank + batch) {
            None => Err(format!("axis {axis} of {all} dimensions")),
            Some(0) if batch == 1 => {
                Err("along the first dimension, which keeps samples apart; use another axis".into())
            }
            Some(a) => Ok(a - batch),
        }
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

/// Shape of one sample, all of it fixed, and whether the input has a batch dimension before it.
fn sample_dims(info: &proto::ValueInfo, samples: Samples) -> Result<(Vec<usize>, bool), OnnxError> {
    let refuse = |reason: &str| OnnxError::Structure(format!("input {:?}: {reason}", info.name));
    let shape = info
        .r#type
        .as_ref()
        .and_then(|t| t.tensor_type.as_ref())
        .and_then(|t| t.shape.as_ref())
        .ok_or_else(|| refuse("its shape is not in the file; export with fixed sample dimensions"))?;
    let batched = samples == Samples::Batched && shape.dim.len() > 1;
    let mut width = 1usize;
    let dims = shape.dim[usize::from(batched)..]
        .iter()
        .map(|d| {
            let size = d
                .dim_value
                .and_then(|v| usize::try_from(v).ok())
                .filter(|&v| v > 0)
                .ok_or_else(|| refuse("only the batch dimension may be dynamic; export the others as numbers"))?;
            width = width
                .checked_mul(size)
                .filter(|&w| w <= MAX_ELEMENTS)
                .ok_or_else(|| refuse("a sample is larger than a block of the dataset"))?;
            Ok(size)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok((dims, batched))
}
