//! The integer evaluator: the only definition of every rounding, and of what a model scores.

use crate::graph::{ARGMAX_BITS, Graph, Layer};
use crate::weights::{Weights, WeightsError};
use rayon::prelude::*;

/// An accumulator left the range its table covers; such a model cannot be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error(
        "sample {sample}, layer {layer}, unit {unit}: {value} needs more than {bits} bits after the shift; import the model again with more calibration data"
    )]
    Requantize {
        sample: usize,
        layer: usize,
        unit: usize,
        value: i64,
        bits: u8,
    },
    #[error("sample {sample}: class scores differ by {spread}, more than 2^{ARGMAX_BITS}")]
    Argmax { sample: usize, spread: i64 },
}

/// Data that does not fit the graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("{got} bytes are not whole records of {record} bytes")]
    Record { record: usize, got: usize },
    #[error("{got} records, the graph takes 1 to {max} a shard")]
    Samples { max: usize, got: usize },
    #[error("the model is not one of this network: {0}")]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// Every intermediate value of one sample: what a circuit's witness is made of.
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

/// Splits `acc` as requantisation does: `(hi, rem)` with `0 ≤ rem < 2^shift`.
pub fn split(acc: i64, shift: u8) -> (i64, u32) {
    let v = acc + (1i64 << (shift - 1));
    (v >> shift, (v & ((1i64 << shift) - 1)) as u32)
}

/// The ReLU table: `clamp(hi, 0, 255)`.
pub fn activate(hi: i64) -> u8 {
    hi.clamp(0, 255) as u8
}

/// Runs one sample; `sample` only names it in errors.
pub fn forward(graph: &Graph, weights: &Weights, features: &[u8], sample: usize) -> Result<Trace, RangeError> {
    let mut x = features.to_vec();
    let mut t = Trace {
        acc: vec![],
        split: vec![],
        act: vec![],
        prediction: 0,
    };
    let mut dense = weights.layers().iter();
    for (layer, l) in graph.layers().iter().enumerate() {
        match *l {
            Layer::Dense { inputs, .. } => {
                // PANIC: Weights::new checked one entry per dense layer.
                let d = dense.next().expect("one weight block per dense layer");
                let acc =
                    d.w.chunks_exact(inputs as usize)
                        .zip(&d.b)
                        .map(|(row, &b)| {
                            let dot: i64 = row.iter().zip(&x).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
                            dot + i64::from(b)
                        })
                        .collect();
                t.acc.push(acc);
            }
            Layer::Relu { shift, bits, .. } => {
                let acc = t.acc.last().map_or(&[][..], Vec::as_slice);
                let s: Vec<(i64, u32)> = acc.iter().map(|&a| split(a, shift)).collect();
                let half = 1i64 << (bits - 1);
                if let Some(unit) = s.iter().position(|&(hi, _)| hi < -half || hi >= half) {
                    return Err(RangeError::Requantize {
                        sample,
                        layer,
                        unit,
                        value: acc[unit],
                        bits,
                    });
                }
                x = s.iter().map(|&(hi, _)| activate(hi)).collect();
                t.split.push(s);
                t.act.push(x.clone());
            }
        }
    }
    let scores = t.acc.last().map_or(&[][..], Vec::as_slice);
    let mut top = 0;
    for (i, s) in scores.iter().enumerate() {
        if *s > scores[top] {
            top = i;
        }
    }
    let spread = scores[top] - scores.iter().min().copied().unwrap_or(0);
    if spread >= 1 << ARGMAX_BITS {
        return Err(RangeError::Argmax { sample, spread });
    }
    // PANIC: Graph::new bounds classes by 256.
    t.prediction = u8::try_from(top).expect("at most 256 classes");
    Ok(t)
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
    pub traces: Vec<Trace>,
    pub labels: Vec<u8>,
    pub accuracy: Accuracy,
}

impl Evaluation {
    pub fn predictions(&self) -> Vec<u8> {
        self.traces.iter().map(|t| t.prediction).collect()
    }
}

/// Evaluates every record of a shard's bytes.
///
/// # Errors
/// [`EvalError`]: weights of another graph, bytes that are no shard of it, or a value out of range.
pub fn evaluate(graph: &Graph, weights: &Weights, bytes: &[u8]) -> Result<Evaluation, EvalError> {
    weights.check(graph)?;
    let record = graph.schema().record_bytes();
    if !bytes.len().is_multiple_of(record) {
        return Err(EvalError::Record {
            record,
            got: bytes.len(),
        });
    }
    let n = bytes.len() / record;
    if n == 0 || n > graph.samples() {
        return Err(EvalError::Samples {
            max: graph.samples(),
            got: n,
        });
    }
    let traces = bytes
        .par_chunks_exact(record)
        .enumerate()
        .map(|(i, r)| forward(graph, weights, &r[..record - 1], i))
        .collect::<Result<Vec<_>, _>>()?;
    let labels: Vec<u8> = bytes.chunks_exact(record).map(|r| r[record - 1]).collect();
    let correct = traces.iter().zip(&labels).filter(|(t, l)| t.prediction == **l).count();
    let accuracy = Accuracy {
        correct: correct as u32,
        total: n as u32,
    };
    Ok(Evaluation {
        traces,
        labels,
        accuracy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::digits;

    #[test]
    fn rounding_is_half_up_and_two_sided() {
        // circomlib-ml accepted 1000 >> 8 = 8.
        assert_eq!(split(1000, 8), (4, 104));
        assert_eq!(split(127, 8), (0, 255));
        assert_eq!(split(128, 8), (1, 0));
        assert_eq!(split(-128, 8), (0, 0));
        assert_eq!(split(-129, 8), (-1, 255));
        for acc in -1000..1000 {
            let (hi, rem) = split(acc, 5);
            assert_eq!(hi * 32 + i64::from(rem), acc + 16);
            assert!(rem < 32);
        }
    }

    #[test]
    fn relu_of_small_positives_is_not_zero() {
        // circomlib-ml's ReLU let 3, 5 and 1000 become 0.
        assert_eq!([3, 5, 1000, -1].map(activate), [3, 5, 255, 0]);
    }

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
