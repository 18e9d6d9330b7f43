//! What the tensors of a model can take, over every sample its schema allows.
//!
//! Interval arithmetic with the actual weights, per index of the first axis. A model that passes
//! cannot leave a table of its graph: every sample anyone can send is provable.

use crate::eval::RangeError;
use crate::graph::Graph;
use crate::ops::{Escape, Interval, Op};
use crate::weights::{Weights, WeightsError};

/// Why a model is not proved to stay in its tables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    #[error("the model is not one of this network: {0}")]
    Weights(#[from] WeightsError),
    #[error(
        "node %{node} ({op}): some sample gives {value}, which needs more than {bits} bits; calibrate again, or train with weight decay"
    )]
    Leaves {
        node: usize,
        op: &'static str,
        value: i64,
        bits: u8,
    },
}

/// Intervals of every node's channels.
///
/// # Errors
/// [`ReachError::Leaves`] names the first node that some sample could drive out of its table.
pub fn prove(graph: &Graph, weights: &Weights) -> Result<Vec<Vec<Interval>>, ReachError> {
    weights.check(graph)?;
    let mut blocks = weights.blocks().iter();
    let mut out: Vec<Vec<Interval>> = Vec::with_capacity(graph.nodes().len());
    for (node, n) in graph.nodes().iter().enumerate() {
        let Some(rule) = n.op.rule() else {
            out.push(vec![(n.kind.low, n.kind.high); n.kind.channels()]);
            continue;
        };
        let kinds = graph.kinds(n);
        let block = rule.layout(&kinds).and_then(|_| blocks.next());
        let x: Vec<&[Interval]> = n.inputs.iter().map(|&i| out[i].as_slice()).collect();
        let reach = rule.reach(&x, &kinds, block, &n.kind);
        out.push(reach.map_err(|e| ReachError::Leaves {
            node,
            op: n.op.name(),
            value: e.value,
            bits: e.bits,
        })?);
    }
    Ok(out)
}

/// An escape as an evaluation error of `sample`.
pub(crate) fn range_error(op: &Op, sample: usize, layer: usize, e: Escape) -> RangeError {
    match op {
        Op::Argmax(_) => RangeError::Argmax {
            sample,
            spread: e.value,
            bits: e.bits,
        },
        _ => RangeError::Requantize {
            sample,
            layer,
            unit: e.unit,
            value: e.value,
            bits: e.bits,
        },
    }
}
