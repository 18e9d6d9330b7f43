//! The float network: what every reader gives and the quantiser takes.
//!
//! ```text
//! ONNX, .keras, .h5, trees -> model::* -> float::Network -> quantize -> Graph + Weights
//! ```
//!
//! A network is a list of nodes in the order they are computed, on ONE sample: there is no batch
//! dimension, every shape is known, images are channels first (`[channels, height, width]`; a
//! one-dimensional signal is `[channels, 1, width]`). Readers fold constants, normalisation and
//! layout away, so few operators remain. All weights are finite.
//!
//! | module | holds |
//! |---|---|
//! | [`op`] | the operators, their attributes and their shape rule |
//! | [`activation`] | functions of one number |
//! | [`window`] | the geometry of convolution and pooling |
//! | [`scale`] | the quantisation a QDQ model brings along |
//! | [`trees`] | tree ensembles |
//! | [`moves`] | where the elements go that operators only move |
//! | [`simplify`] | fewer nodes, the same function |
//! | [`eval`] | the evaluator |

pub mod activation;
pub mod eval;
pub mod moves;
pub mod op;
pub mod scale;
pub mod simplify;
pub mod trees;
pub mod window;

pub use activation::Activation;
pub use op::Op;
pub use scale::{Quantization, QuantizedWeights};
pub use simplify::simplify;
pub use trees::Trees;
pub use window::Window;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Most nodes a network may have.
pub const MAX_NODES: usize = 4096;
/// Most elements one value may have.
pub const MAX_ELEMENTS: usize = 1 << 24;
/// Most dimensions a value may have.
pub const MAX_RANK: usize = 6;

/// Names a value: the sample, or what a node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueId(usize);

impl ValueId {
    /// The sample itself.
    pub const SAMPLE: Self = Self(0);

    /// What the node at `index` computes.
    pub const fn node(index: usize) -> Self {
        Self(index + 1)
    }

    /// Index of the node that computes it; none for the sample.
    pub const fn producer(self) -> Option<usize> {
        self.0.checked_sub(1)
    }

    /// Place in a list that holds the sample first and then every node's value.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// One step of the network.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Name in the model's file, or of the nearest thing that has one: for messages.
    pub name: String,
    /// Operator or layer in the model's file, such as `Gemm`.
    pub source: String,
    pub op: Op,
    pub inputs: Vec<ValueId>,
    /// Shape of its value, row-major.
    pub shape: Vec<usize>,
}

/// How the outputs become an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One score a class; the answer is the first largest. A trailing Softmax was left out.
    Classes,
    /// One score: class 1 when it is above zero, else class 0. A trailing sigmoid was left out.
    Sign,
    /// One number, or several: a regression.
    Values,
}

/// A trained network. Its weights are the hunter's secret.
#[derive(Clone, PartialEq)]
pub struct Network {
    input: Vec<usize>,
    nodes: Vec<Node>,
    output: ValueId,
    ending: Ending,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|n| (&n.name, n.op.name(), &n.shape)).collect();
        f.debug_struct("Network")
            .field("input", &self.input)
            .field("nodes", &nodes)
            .field("output", &self.output)
            .field("ending", &self.ending)
            .finish()
    }
}

/// Nodes that are no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("{op} (node {node:?}): {reason}")]
    Node { node: String, op: String, reason: String },
    #[error("{0}")]
    Structure(String),
}

impl Network {
    /// An empty network on samples of shape `input`: its output is the sample.
    ///
    /// # Errors
    /// For a shape that is empty, zero or too large.
    pub fn new(input: Vec<usize>) -> Result<Self, NetworkError> {
        elements(&input).map_err(|e| NetworkError::Structure(format!("the sample: {e}")))?;
        Ok(Self {
            input,
            nodes: vec![],
            output: ValueId::SAMPLE,
            ending: Ending::Classes,
        })
    }

    /// Appends a node; its value becomes the network's output.
    ///
    /// # Errors
    /// Names the node when its inputs do not fit the operator or a weight is not finite.
    pub fn push(&mut self, name: &str, source: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId, NetworkError> {
        let bad = |reason: String| NetworkError::Node {
            node: name.to_owned(),
            op: source.to_owned(),
            reason,
        };
        if self.nodes.len() >= MAX_NODES {
            return Err(bad(format!("the network has more than {MAX_NODES} nodes")));
        }
        if inputs.iter().any(|v| v.index() > self.nodes.len()) {
            return Err(bad("an input is computed after it".into()));
        }
        let shapes: Vec<&[usize]> = inputs.iter().map(|&v| self.shape(v)).collect();
        let shape = op.output_shape(&shapes).map_err(bad)?;
        elements(&shape).map_err(bad)?;
        if !op.is_finite() {
            return Err(bad("a weight is not a finite number".into()));
        }
        self.nodes.push(Node {
            name: name.to_owned(),
            source: source.to_owned(),
            op,
            inputs: inputs.to_vec(),
            shape,
        });
        self.output = ValueId::node(self.nodes.len() - 1);
        Ok(self.output)
    }

    /// Says which value is the output, and what it means. Nodes it does not depend on are dropped.
    pub fn finish(mut self, output: ValueId, ending: Ending) -> Self {
        self.output = output;
        self.ending = ending;
        self.sweep();
        self
    }

    /// Shape of one sample as the file has it: `[features]`, `[channels, height, width]`, or
    /// `[height, width, channels]` when the first node is a transpose.
    pub fn input(&self) -> &[usize] {
        &self.input
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn output(&self) -> ValueId {
        self.output
    }

    pub fn ending(&self) -> Ending {
        self.ending
    }

    /// Shape of a value.
    pub fn shape(&self, value: ValueId) -> &[usize] {
        match value.producer() {
            None => &self.input,
            Some(i) => &self.nodes[i].shape,
        }
    }

    /// Number of outputs: classes, or values of a regression.
    pub fn outputs(&self) -> usize {
        self.shape(self.output).iter().product()
    }

    /// How many nodes read each value, the output counting as one reader.
    pub fn readers(&self) -> Vec<usize> {
        let mut count = vec![0; self.nodes.len() + 1];
        count[self.output.index()] += 1;
        for v in self.nodes.iter().flat_map(|n| &n.inputs) {
            count[v.index()] += 1;
        }
        count
    }

    /// Drops nodes that nothing reads, keeping the order of the others.
    fn sweep(&mut self) {
        let mut needed = vec![false; self.nodes.len() + 1];
        needed[self.output.index()] = true;
        for i in (0..self.nodes.len()).rev() {
            if needed[i + 1] {
                self.nodes[i].inputs.iter().for_each(|v| needed[v.index()] = true);
            }
        }
        let mut place = vec![ValueId::SAMPLE; self.nodes.len() + 1];
        let mut kept = vec![];
        for (i, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            if needed[i + 1] {
                node.inputs.iter_mut().for_each(|v| *v = place[v.index()]);
                place[i + 1] = ValueId::node(kept.len());
                kept.push(node);
            }
        }
        self.output = place[self.output.index()];
        self.nodes = kept;
    }
}

/// Elements of a shape, within bounds.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > MAX_RANK {
        return Err(format!("shape {shape:?} has more than {MAX_RANK} dimensions"));
    }
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|n| (1..=MAX_ELEMENTS).contains(n))
        .ok_or_else(|| format!("shape {shape:?} has no elements, or more than {MAX_ELEMENTS}"))
}

/// Weights of a layer: a hunter's secret, so they neither print themselves nor stay in memory.
#[derive(Clone, PartialEq, Default, Zeroize, ZeroizeOnDrop)]
pub struct Tensor {
    pub shape: Vec<usize>,
    /// Row-major.
    pub data: Vec<f32>,
}

impl Tensor {
    /// # Panics
    /// When `data` has another length than `shape` says: readers check before.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            data.len(),
            "shape and data of a tensor differ"
        );
        Self { shape, data }
    }

    /// Elements below one index of the first dimension.
    pub fn row(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tensor")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}
