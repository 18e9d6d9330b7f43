//! The integer graph: what is architecture, and therefore public and part of every key.
//!
//! A graph is a list of operators ([`crate::ops`]) on the tensors before them, from the record's features to an
//! answer. It holds shapes, shift widths, tables and ranges, never a scale or a weight: two hunters
//! who train the same network share one graph, one `archId` and one `vkId`, and nothing that
//! calibration measured can leak through a key. Its text form is [`crate::text`].

use crate::field::{Fr, from_digest_shr8};
use crate::ops::{Argmax, Cost, Dense, Op, Requant, Type};
use crate::packing::CHUNK;
use sha3::{Digest, Keccak256};

pub use crate::layout::Layout;
pub use crate::schema::{FeatureType, MAX_CLASSES, MAX_SHARD_BYTES, Schema};

/// Capacity class of a model's packed weights: one release circuit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum CapacityClass {
    #[serde(rename = "4Ki")]
    K4,
    #[serde(rename = "64Ki")]
    K64,
    #[serde(rename = "1Mi")]
    M1,
}

impl CapacityClass {
    pub const ALL: [Self; 3] = [Self::K4, Self::K64, Self::M1];

    /// Weight bytes the class holds.
    pub const fn bytes(self) -> usize {
        match self {
            Self::K4 => 4 << 10,
            Self::K64 => 64 << 10,
            Self::M1 => 1 << 20,
        }
    }

    /// Packed elements the class holds.
    pub const fn words(self) -> usize {
        self.bytes().div_ceil(CHUNK)
    }

    /// Elements of the released message: the packed weights and the blind.
    pub const fn message_words(self) -> usize {
        self.words() + 1
    }

    /// Smallest class that holds `bytes` of weights.
    pub fn for_bytes(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|c| bytes <= c.bytes())
    }
}

/// Bits of the argmax differences of a classifier: `0 ≤ top − score < 2^24`.
pub const ARGMAX_BITS: u32 = 24;
/// Most nodes a graph may have.
pub const MAX_NODES: usize = 4096;
/// Most bytes of weights a graph may have: what this machine evaluates, not what can be released.
pub const MAX_WEIGHT_BYTES: usize = 256 << 20;

/// One operator on earlier tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub op: Op,
    /// Indices of earlier nodes.
    pub inputs: Vec<usize>,
    /// Shape and range of what it computes.
    pub kind: Type,
}

/// The integer network.
///
/// # Invariants (checked by [`Builder`])
/// Node 0 is the input and the last an `argmax` over one score a class or a `value`; every tensor in
/// between is read; shapes fit; every range is below 2^46; one shard of `samples` records fits
/// [`MAX_SHARD_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Graph {
    schema: Schema,
    samples: u32,
    nodes: Vec<Node>,
    weight_bytes: usize,
}

impl From<Graph> for String {
    fn from(g: Graph) -> Self {
        g.text()
    }
}

impl TryFrom<String> for Graph {
    type Error = GraphError;

    fn try_from(text: String) -> Result<Self, GraphError> {
        Self::parse(&text)
    }
}

/// Why a graph is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("node %{node} ({op}): {reason}")]
    Node {
        node: usize,
        op: &'static str,
        reason: String,
    },
    #[error("schema: {0}")]
    Schema(String),
    #[error("{samples} records of {record} bytes do not fit one shard of {MAX_SHARD_BYTES} bytes; use at most {max}")]
    Samples { samples: u32, record: usize, max: usize },
    #[error(
        "{bytes} bytes of weights exceed the largest capacity class, {} bytes: the model can be evaluated, but no bounty can take it, because its weights could not be released",
        CapacityClass::M1.bytes()
    )]
    TooLarge { bytes: usize },
    #[error("graph text, line {line}: {reason}")]
    Text { line: usize, reason: String },
}

/// A graph under construction: every operator is checked as it comes.
#[derive(Clone, Debug)]
pub struct Builder {
    schema: Schema,
    nodes: Vec<Node>,
    weight_bytes: usize,
}

impl Builder {
    /// Starts from the features of `schema`: node 0.
    ///
    /// # Errors
    /// For a schema that [`Schema::check`] refuses.
    pub fn new(schema: Schema) -> Result<Self, GraphError> {
        schema.check()?;
        let shape = schema.shape.iter().map(|&d| d as usize).collect();
        let (low, high) = schema.feature_range();
        let kind = Type::new(shape, low.into(), high.into()).map_err(GraphError::Schema)?;
        Ok(Self {
            schema,
            nodes: vec![Node {
                op: Op::Input,
                inputs: vec![],
                kind,
            }],
            weight_bytes: 0,
        })
    }

    /// Appends an operator and gives its node.
    ///
    /// # Errors
    /// [`GraphError::Node`] when shapes do not fit, or a range could pass its bound.
    pub fn add(&mut self, op: impl Into<Op>, inputs: &[usize]) -> Result<usize, GraphError> {
        let (op, node) = (op.into(), self.nodes.len());
        let name = op.name();
        let bad = |reason: String| GraphError::Node { node, op: name, reason };
        if node >= MAX_NODES {
            return Err(bad(format!("a graph has at most {MAX_NODES} nodes")));
        }
        if !op.arity().contains(&inputs.len()) {
            return Err(bad(format!("{} inputs, {:?} expected", inputs.len(), op.arity())));
        }
        let mut kinds = vec![];
        for &i in inputs {
            match self.nodes.get(i) {
                Some(n) if matches!(n.op, Op::Argmax(_) | Op::Value(_)) => {
                    return Err(bad(format!("%{i} is the answer; nothing reads it")));
                }
                Some(n) => kinds.push(&n.kind),
                None => return Err(bad(format!("%{i} does not stand before it"))),
            }
        }
        let rule = op.rule().ok_or_else(|| bad("the input is node %0 alone".into()))?;
        let kind = rule.infer(&kinds).map_err(bad)?;
        let bytes = rule.layout(&kinds).map_or(0, |l| l.bytes());
        let weight_bytes = self.weight_bytes.saturating_add(bytes);
        if weight_bytes > MAX_WEIGHT_BYTES {
            return Err(bad(format!("more than {MAX_WEIGHT_BYTES} bytes of weights")));
        }
        self.weight_bytes = weight_bytes;
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            kind,
        });
        Ok(node)
    }

    /// Shape and range of a node.
    pub fn kind(&self, node: usize) -> &Type {
        &self.nodes[node].kind
    }

    /// What a node reads.
    pub fn inputs(&self, node: usize) -> &[usize] {
        &self.nodes[node].inputs
    }

    /// What a node computes.
    pub fn op(&self, node: usize) -> &Op {
        &self.nodes[node].op
    }

    /// The finished graph, for shards of at most `samples` records.
    ///
    /// # Errors
    /// When the last node is no answer, a tensor is never read, or a shard is too large.
    pub fn finish(self, samples: u32) -> Result<Graph, GraphError> {
        let (record, max) = (self.schema.stride(), self.schema.most_records());
        if samples == 0 || samples as usize > max {
            return Err(GraphError::Samples { samples, record, max });
        }
        let last = self.nodes.len() - 1;
        let bad = |node: usize, reason: String| GraphError::Node {
            node,
            op: self.nodes[node].op.name(),
            reason,
        };
        for node in 0..last {
            if !self.nodes[node + 1..].iter().any(|n| n.inputs.contains(&node)) {
                return Err(bad(node, "nothing reads it".into()));
            }
        }
        let classes = usize::from(self.schema.classes);
        match self.nodes[last].op {
            Op::Argmax(_) => {
                let scores = self.nodes[self.nodes[last].inputs[0]].kind.elements();
                if scores != classes {
                    return Err(bad(
                        last,
                        format!("{scores} scores, the records have {classes} classes"),
                    ));
                }
            }
            Op::Value(_) => {}
            _ => return Err(bad(last, "the last node must be argmax or value".into())),
        }
        Ok(Graph {
            schema: self.schema,
            samples,
            nodes: self.nodes,
            weight_bytes: self.weight_bytes,
        })
    }
}

impl Graph {
    /// Dense layers of the given widths (features first), ReLU of `(shift, bits)` between them.
    ///
    /// # Errors
    /// Names the node that does not fit.
    pub fn mlp(schema: Schema, samples: u32, widths: &[u32], relu: &[(u8, u8)]) -> Result<Self, GraphError> {
        let mut b = Builder::new(schema)?;
        let features = b.kind(0).elements();
        let mut at = 0;
        for (i, &outputs) in widths.iter().skip(1).enumerate() {
            at = b.add(
                Dense {
                    outputs: outputs as usize,
                    bits: 8,
                },
                &[at],
            )?;
            if let Some(&(shift, bits)) = relu.get(i) {
                let (min, max) = (0, 255);
                at = b.add(Requant { shift, bits, min, max }, &[at])?;
            }
        }
        b.add(
            Argmax {
                bits: ARGMAX_BITS as u8,
            },
            &[at],
        )?;
        if widths.first().map(|&w| w as usize) != Some(features) {
            return Err(GraphError::Node {
                node: 0,
                op: "input",
                reason: format!(
                    "the records have {features} features, the network takes {:?}",
                    widths.first()
                ),
            });
        }
        b.finish(samples)
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Largest number of records in a shard this graph is proved on.
    pub fn samples(&self) -> usize {
        self.samples as usize
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Shapes and ranges of a node's inputs.
    pub fn kinds(&self, node: &Node) -> Vec<&Type> {
        node.inputs.iter().map(|&i| &self.nodes[i].kind).collect()
    }

    /// The tensor the answer is read from: class scores, or values.
    pub fn scores(&self) -> usize {
        self.nodes.last().map_or(0, |n| n.inputs[0])
    }

    /// Fraction bits of the answer of a regression; none for a classifier.
    pub fn fraction(&self) -> Option<u8> {
        match self.nodes.last().map(|n| &n.op) {
            Some(Op::Value(v)) => Some(v.fraction),
            _ => None,
        }
    }

    /// Bytes of the weights in their canonical form.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Capacity class of the weights.
    ///
    /// # Errors
    /// [`GraphError::TooLarge`] when no class holds them: such a model has no bounty.
    pub fn class(&self) -> Result<CapacityClass, GraphError> {
        let bytes = self.weight_bytes;
        CapacityClass::for_bytes(bytes).ok_or(GraphError::TooLarge { bytes })
    }

    /// Bytes under the commitment: those of the class, or the weights' own where there is no class.
    pub fn class_bytes(&self) -> usize {
        self.class().map_or(self.weight_bytes, CapacityClass::bytes)
    }

    /// Packed elements under the commitment.
    pub fn class_words(&self) -> usize {
        self.class_bytes().div_ceil(CHUNK)
    }

    /// Packed elements of the predictions of a full shard, one byte each.
    pub fn prediction_words(&self) -> usize {
        self.samples().div_ceil(CHUNK)
    }

    /// What each node costs an engine, in order.
    pub fn costs(&self) -> Vec<Cost> {
        let one = |n: &Node| n.op.rule().map(|r| r.cost(&self.kinds(n), &n.kind));
        let input = Cost {
            cells: self.schema.stride() as u64,
            ..Cost::default()
        };
        self.nodes.iter().map(|n| one(n).unwrap_or(input)).collect()
    }

    /// `archId = keccak256(text) >> 8`.
    pub fn arch_id(&self) -> Fr {
        from_digest_shr8(&Keccak256::digest(self.text()).into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn digits(samples: u32) -> Graph {
        let schema = Schema::bytes([8, 8], 16, 10);
        Graph::mlp(schema, samples, &[64, 32, 10], &[(6, 14)]).unwrap()
    }

    #[test]
    fn the_digits_network_fits_the_smallest_class() {
        let g = digits(360);
        assert_eq!(g.weight_bytes(), 64 * 32 + 128 + 320 + 40);
        assert_eq!(g.class(), Ok(CapacityClass::K4));
        assert_eq!(g.class_words(), 133);
    }

    #[test]
    fn the_text_is_pinned() {
        assert_eq!(
            digits(360).text(),
            "zkaggle-graph/2\n\
             record features=u8[8,8] max=16 label=u8 classes=10 offset=0 stride=65\n\
             samples 360\n\
             class 4096\n\
             %0 = input : [8,8] 0..16\n\
             %1 = dense %0 outputs=32 weights=i8 : [32] -2147614720..2147614720\n\
             %2 = requant %1 shift=6 bits=14 min=0 max=255 : [32] 0..255\n\
             %3 = dense %2 outputs=10 weights=i8 : [10] -2148528128..2148528128\n\
             %4 = argmax %3 bits=24 ties=first : [1] 0..9\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_by_node() {
        let s = Schema::bytes([64], 16, 10);
        let says = |r: Result<Graph, GraphError>, text: &str| {
            let e = r.unwrap_err().to_string();
            assert!(e.contains(text), "{e}");
        };
        says(Graph::mlp(s.clone(), 10, &[63, 10], &[]), "64 features");
        says(Graph::mlp(s.clone(), 10, &[64, 9], &[]), "node %2 (argmax): 9 scores");
        says(Graph::mlp(s.clone(), 1 << 20, &[64, 10], &[]), "do not fit one shard");
        says(
            Graph::mlp(s.clone(), 10, &[64, 5, 10], &[]),
            "node %2 (dense): its input reaches",
        );
        let mut b = Builder::new(s.clone()).unwrap();
        let d = b.add(Dense { outputs: 10, bits: 8 }, &[0]).unwrap();
        b.add(Dense { outputs: 10, bits: 8 }, &[0]).unwrap();
        says(b.clone().finish(1), "node %1 (dense): nothing reads it");
        let e = b.add(crate::ops::Add { left: 24, right: 0 }, &[d, d]).unwrap_err();
        assert!(e.to_string().contains("put a requant in front"), "{e}");
    }

    #[test]
    fn a_graph_above_the_classes_is_evaluated_but_not_released() {
        let s = Schema::bytes([1000], 255, 10);
        let g = Graph::mlp(s, 10, &[1000, 2000, 10], &[(8, 16)]).unwrap();
        assert!(g.class().unwrap_err().to_string().contains("no bounty can take it"));
        assert!(g.text().contains("class none"));
        assert_eq!(Graph::parse(&g.text()), Ok(g));
    }
}
