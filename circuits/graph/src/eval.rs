//! The integer evaluator: what a model answers. The roundings are those of [`crate::ops`], and there
//! is no second definition of any.

use crate::graph::{Graph, Layout};
use crate::ops::{Type, Values};
use crate::reach::range_error;
use crate::weights::{Weights, WeightsError};
use rayon::prelude::*;

/// An accumulator left the range its table covers; such a model cannot be proved on that sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error(
        "sample {sample}, node %{layer}, unit {unit}: {value} needs more than {bits} bits after the shift; import the model again with more calibration data"
    )]
    Requantize {
        sample: usize,
        layer: usize,
        unit: usize,
        value: i64,
        bits: u8,
    },
    #[error("sample {sample}: class scores differ by {spread}, more than 2^{bits}")]
    Argmax { sample: usize, spread: i64, bits: u8 },
}

/// Data that does not fit the graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("{got} bytes are not {layout}")]
    Record { layout: Layout, got: usize },
    #[error("{got} records, the graph takes 1 to {max} a shard")]
    Samples { max: usize, got: usize },
    #[error("the model is a regression: it has no accuracy; ask for mae or mse")]
    Regression,
    #[error("the model is not one of this network: {0}")]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// Every tensor of one sample: what a circuit's witness is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// One per node.
    pub values: Vec<Values>,
}

/// Runs one sample, given as its features' bytes, and keeps every tensor; `sample` only names it in errors.
///
/// # Errors
/// A value out of the range of its table.
pub fn forward(graph: &Graph, weights: &Weights, features: &[u8], sample: usize) -> Result<Trace, RangeError> {
    run(graph, weights, features, sample, true).map(|values| Trace { values })
}

/// Tensors of one sample; those that nothing reads any more are dropped unless `keep`.
fn run(
    graph: &Graph,
    weights: &Weights,
    features: &[u8],
    sample: usize,
    keep: bool,
) -> Result<Vec<Values>, RangeError> {
    let nodes = graph.nodes();
    let mut last = vec![0; nodes.len()];
    for (i, n) in nodes.iter().enumerate() {
        n.inputs.iter().for_each(|&x| last[x] = i);
    }
    last[graph.scores()] = nodes.len();
    let mut blocks = weights.blocks().iter();
    let mut values: Vec<Values> = Vec::with_capacity(nodes.len());
    for (i, n) in nodes.iter().enumerate() {
        let Some(rule) = n.op.rule() else {
            values.push(Values::Narrow(graph.schema().decode(features).collect()));
            continue;
        };
        let kinds: Vec<&Type> = graph.kinds(n);
        let block = rule.layout(&kinds).and_then(|_| blocks.next());
        let x: Vec<&Values> = n.inputs.iter().map(|&j| &values[j]).collect();
        let y = rule
            .eval(&x, &kinds, block, &n.kind)
            .map_err(|e| range_error(&n.op, sample, i, e))?;
        values.push(y);
        if !keep {
            for &j in n.inputs.iter().filter(|&&j| last[j] <= i) {
                values[j] = Values::Narrow(vec![]);
            }
        }
    }
    Ok(values)
}

/// What a model says of one sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Class scores, or the values of a regression.
    pub scores: Vec<i64>,
    /// Index of the largest score, ties to the smallest index; 0 in a regression.
    pub prediction: u8,
}

/// How many predictions equal the label, out of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accuracy {
    pub correct: u32,
    pub total: u32,
}

/// A shard's evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub answers: Vec<Answer>,
    pub labels: Vec<u8>,
    pub accuracy: Accuracy,
}

impl Evaluation {
    pub fn predictions(&self) -> Vec<u8> {
        self.answers.iter().map(|a| a.prediction).collect()
    }
}

/// Answers on any number of records, back to back with the label last whatever the schema's layout, and their labels.
///
/// # Errors
/// [`EvalError`]: weights of another graph, bytes that are no records of it, or a value out of range.
pub fn answers(graph: &Graph, weights: &Weights, bytes: &[u8]) -> Result<(Vec<Answer>, Vec<u8>), EvalError> {
    weights.check(graph)?;
    let record = graph.schema().record_bytes();
    if !bytes.len().is_multiple_of(record) {
        return Err(EvalError::Record {
            layout: graph.schema().packed().places(),
            got: bytes.len(),
        });
    }
    let answer = |(i, r): (usize, &[u8])| {
        let values = run(graph, weights, &r[..record - 1], i, false)?;
        let prediction = match graph.fraction() {
            // An argmax over at most 256 classes.
            None => values.last().map_or(0, |v| v.get(0) as u8),
            Some(_) => 0,
        };
        Ok(Answer {
            scores: values[graph.scores()].iter().collect(),
            prediction,
        })
    };
    let answers = bytes
        .par_chunks_exact(record)
        .enumerate()
        .map(answer)
        .collect::<Result<Vec<_>, RangeError>>()?;
    let labels = bytes.chunks_exact(record).map(|r| r[record - 1]).collect();
    Ok((answers, labels))
}

/// Evaluates every record of a shard's bytes.
///
/// # Errors
/// As [`answers`]; also no records, more than the graph's samples, or a graph without classes.
pub fn evaluate(graph: &Graph, weights: &Weights, bytes: &[u8]) -> Result<Evaluation, EvalError> {
    let schema = graph.schema();
    if graph.fraction().is_some() {
        return Err(EvalError::Regression);
    }
    let n = schema.count(bytes.len()).ok_or_else(|| EvalError::Record {
        layout: schema.places(),
        got: bytes.len(),
    })?;
    if n == 0 || n > graph.samples() {
        return Err(EvalError::Samples {
            max: graph.samples(),
            got: n,
        });
    }
    let (answers, labels) = answers(graph, weights, &schema.pack(bytes))?;
    let correct = answers.iter().zip(&labels).filter(|(a, l)| a.prediction == **l).count();
    let accuracy = Accuracy {
        correct: correct as u32,
        total: n as u32,
    };
    Ok(Evaluation {
        answers,
        labels,
        accuracy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::digits;

    #[test]
    fn ties_go_to_the_smallest_index_and_strange_labels_match_nothing() {
        let g = digits(4);
        let w = Weights::from_bytes(&g, &vec![0; g.weight_bytes()]).unwrap();
        let mut shard = vec![1u8; 65 * 4];
        for (i, l) in [0u8, 9, 10, 255].into_iter().enumerate() {
            shard[65 * i + 64] = l;
        }
        let e = evaluate(&g, &w, &shard).unwrap();
        assert_eq!(e.predictions(), vec![0; 4]);
        assert_eq!(e.accuracy, Accuracy { correct: 1, total: 4 });
        assert!(matches!(evaluate(&g, &w, &shard[1..]), Err(EvalError::Record { .. })));
        assert!(matches!(evaluate(&g, &w, &[]), Err(EvalError::Samples { .. })));
    }
}
