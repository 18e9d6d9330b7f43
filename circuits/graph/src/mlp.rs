//! The subset of graphs that the accuracy circuit proves: dense layers, ReLU between them, argmax.
//!
//! A view: the graph stays the definition, and the traces below are its tensors under the names the
//! circuit uses.

use crate::eval::{Accuracy, EvalError, RangeError, forward as run};
use crate::graph::{ARGMAX_BITS, FeatureType, Graph};
use crate::ops::requant::split;
use crate::ops::{Op, Values};
use crate::weights::Weights;
use rayon::prelude::*;

/// Why a graph is not proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MlpError {
    #[error(
        "node %{node}: the accuracy circuit does not prove {op} yet; it proves dense, ReLU (requant 0..255) and argmax in one chain"
    )]
    Op { node: usize, op: &'static str },
    #[error("node %{node}: the accuracy circuit does not prove {what} yet")]
    Attribute { node: usize, what: String },
}

/// A chain of dense layers with ReLU between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mlp {
    graph: Graph,
    dense: Vec<(usize, usize)>,
    relu: Vec<(u8, u8)>,
}

impl std::ops::Deref for Mlp {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl TryFrom<&Graph> for Mlp {
    type Error = MlpError;

    fn try_from(graph: &Graph) -> Result<Self, MlpError> {
        let (mut dense, mut relu) = (vec![], vec![]);
        let nodes = graph.nodes();
        for (node, n) in nodes.iter().enumerate() {
            let refused = Err(MlpError::Op { node, op: n.op.name() });
            let odd = |what: String| Err(MlpError::Attribute { node, what });
            let chained = n.inputs.iter().all(|&i| i + 1 == node);
            match &n.op {
                Op::Input if node == 0 => {
                    // Its cells are the bytes that SHA-256 and the commitment read.
                    let kind = graph.schema().feature_type;
                    if kind != FeatureType::U8 {
                        return odd(format!("{kind} features"));
                    }
                }
                Op::Dense(d) if chained && node % 2 == 1 => {
                    if d.bits != 8 {
                        return odd("16-bit weights".into());
                    }
                    dense.push((nodes[node - 1].kind.elements(), d.outputs));
                }
                Op::Requant(r) if chained && node % 2 == 0 => {
                    if (r.min, r.max) != (0, 255) || !(1..=14).contains(&r.shift) || !(9..=16).contains(&r.bits) {
                        return odd(format!(
                            "a requant to {}..{} with shift {} and {} bits (0..255, 1..=14 and 9..=16 it does)",
                            r.min, r.max, r.shift, r.bits
                        ));
                    }
                    relu.push((r.shift, r.bits));
                }
                Op::Argmax(a) if chained && node % 2 == 0 && node > 0 => {
                    if u32::from(a.bits) != ARGMAX_BITS {
                        return odd(format!("an argmax of {} bits", a.bits));
                    }
                }
                _ => return refused,
            }
        }
        Ok(Self {
            graph: graph.clone(),
            dense,
            relu,
        })
    }
}

impl Mlp {
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// `(inputs, outputs)` of every dense layer, in order.
    pub fn dense(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.dense.iter().copied()
    }

    /// `(shift, bits)` of every ReLU, in order: one fewer than dense layers.
    pub fn relu(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.relu.iter().copied()
    }
}

/// Every intermediate value of one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Accumulators of each dense layer.
    pub acc: Vec<Vec<i64>>,
    /// `(hi, rem)` of each ReLU unit: `acc + 2^(shift−1) = hi·2^shift + rem`.
    pub split: Vec<Vec<(i64, u32)>>,
    /// Output of each ReLU.
    pub act: Vec<Vec<u8>>,
    /// Index of the largest class score, ties to the smallest index.
    pub prediction: u8,
}

/// A shard's evaluation, with traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub traces: Vec<Trace>,
    pub labels: Vec<u8>,
    pub accuracy: Accuracy,
}

impl Evaluation {
    pub fn predictions(&self) -> Vec<u8> {
        self.traces.iter().map(|t| t.prediction).collect()
    }
}

/// The ReLU table: `clamp(hi, 0, 255)`.
pub fn activate(hi: i64) -> u8 {
    hi.clamp(0, 255) as u8
}

/// Runs one sample; `sample` only names it in errors.
///
/// # Errors
/// A value out of the range of its table.
pub fn forward(mlp: &Mlp, weights: &Weights, features: &[u8], sample: usize) -> Result<Trace, RangeError> {
    let values = run(&mlp.graph, weights, features, sample)?.values;
    let at = |node: usize| values.get(node).map(|v| v.iter().collect()).unwrap_or_default();
    // Input, then dense and requant in turn, argmax last.
    let acc: Vec<Vec<i64>> = (0..mlp.dense.len()).map(|l| at(2 * l + 1)).collect();
    let pieces = acc.iter().zip(&mlp.relu);
    let split = pieces.map(|(acc, &(shift, _))| acc.iter().map(|&a| split(a, shift)).collect());
    Ok(Trace {
        split: split.collect(),
        // Requant clamps to 0..=255.
        act: (0..mlp.relu.len())
            .map(|l| at(2 * l + 2).into_iter().map(|v| v as u8).collect())
            .collect(),
        acc,
        prediction: values.last().map_or(0, |v: &Values| v.get(0) as u8),
    })
}

/// Evaluates every record of a shard's bytes, with traces.
///
/// # Errors
/// As [`crate::eval::evaluate`].
pub fn evaluate(mlp: &Mlp, weights: &Weights, bytes: &[u8]) -> Result<Evaluation, EvalError> {
    let e = crate::eval::evaluate(&mlp.graph, weights, bytes)?;
    let record = mlp.schema().record_bytes();
    let traces = mlp
        .schema()
        .pack(bytes)
        .par_chunks_exact(record)
        .enumerate()
        .map(|(i, r)| forward(mlp, weights, &r[..record - 1], i))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Evaluation {
        traces,
        labels: e.labels,
        accuracy: e.accuracy,
    })
}
