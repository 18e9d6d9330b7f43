//! Scores of a model as integers: what a proof could say, without a float anywhere.
//!
//! Every metric is a fraction of two integers. Averages of fractions (macro-F1) are taken in
//! fixed point of 2^−32, each rounded down.

use crate::eval::{Answer, EvalError, answers};
use crate::graph::Graph;
use crate::weights::Weights;

/// Fraction bits of a quotient inside a metric.
pub const FRACTION: u32 = 32;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of records whose prediction is the label.
    Accuracy,
    /// Share of records whose label is among the `k` largest scores; of equal scores the smaller
    /// index counts as larger.
    TopK(u16),
    /// Mean over all classes of `2·TP/(2·TP + FP + FN)`; 0 for a class that never occurs.
    MacroF1,
    /// Mean of `|answer − label|`.
    Mae,
    /// Mean of `(answer − label)²`.
    Mse,
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "accuracy" => Ok(Self::Accuracy),
            "macro-f1" => Ok(Self::MacroF1),
            "mae" => Ok(Self::Mae),
            "mse" => Ok(Self::Mse),
            _ => {
                let k = s
                    .strip_prefix("top")
                    .and_then(|k| k.trim_start_matches('-').parse().ok());
                k.filter(|&k| k > 0)
                    .map(Self::TopK)
                    .ok_or_else(|| format!("{s:?} is no metric; there are accuracy, top-K, macro-f1, mae and mse"))
            }
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accuracy => f.write_str("accuracy"),
            Self::TopK(k) => write!(f, "top-{k}"),
            Self::MacroF1 => f.write_str("macro-f1"),
            Self::Mae => f.write_str("mae"),
            Self::Mse => f.write_str("mse"),
        }
    }
}

/// A metric's value, exactly `numerator/denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    pub numerator: u128,
    pub denominator: u128,
}

impl Score {
    /// The value rounded down to `digits` decimal places, as text.
    pub fn decimal(&self, digits: u32) -> String {
        let whole = self.numerator / self.denominator;
        let mut rest = self.numerator % self.denominator;
        let mut out = whole.to_string();
        for i in 0..digits {
            if i == 0 {
                out.push('.');
            }
            // Denominators stay below 2^100.
            rest *= 10;
            out.push(char::from(b'0' + (rest / self.denominator) as u8));
            rest %= self.denominator;
        }
        out
    }
}

/// Why a metric is not computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("there are no records")]
    Empty,
    #[error("{metric} needs {needs}; this model is {is}")]
    Kind {
        metric: String,
        needs: &'static str,
        is: &'static str,
    },
    #[error("record {record}: label {label} is no class; there are {classes}")]
    Label { record: usize, label: u8, classes: u16 },
}

/// Measures a model on any number of records.
///
/// # Errors
/// Data that does not fit, a metric of the other kind of model, or a label that is no class where the
/// metric counts classes.
pub fn score(graph: &Graph, weights: &Weights, bytes: &[u8], metric: Metric) -> Result<Score, MetricError> {
    let (answers, labels) = answers(graph, weights, bytes)?;
    of(&answers, &labels, graph.schema().classes, graph.fraction(), metric)
}

/// The metric of some answers.
fn of(
    answers: &[Answer],
    labels: &[u8],
    classes: u16,
    fraction: Option<u8>,
    metric: Metric,
) -> Result<Score, MetricError> {
    let n = answers.len() as u128;
    if n == 0 {
        return Err(MetricError::Empty);
    }
    let pairs = || answers.iter().zip(labels);
    let kind = |needs, is| {
        Err(MetricError::Kind {
            metric: metric.to_string(),
            needs,
            is,
        })
    };
    let share = |hits: usize| Score {
        numerator: hits as u128,
        denominator: n,
    };
    match (metric, fraction) {
        (Metric::Accuracy | Metric::TopK(_) | Metric::MacroF1, Some(_)) => kind("classes", "a regression"),
        (Metric::Mae | Metric::Mse, None) => kind("a regression", "a classifier"),
        (Metric::Accuracy, None) => Ok(share(pairs().filter(|(a, l)| a.prediction == **l).count())),
        (Metric::TopK(k), None) => Ok(share(pairs().filter(|(a, l)| among(&a.scores, **l, k)).count())),
        (Metric::MacroF1, None) => {
            let c = usize::from(classes);
            let (mut hits, mut predicted, mut labelled) = (vec![0u128; c], vec![0u128; c], vec![0u128; c]);
            for (record, (a, &label)) in pairs().enumerate() {
                let Some(count) = labelled.get_mut(usize::from(label)) else {
                    return Err(MetricError::Label { record, label, classes });
                };
                *count += 1;
                predicted[usize::from(a.prediction)] += 1;
                hits[usize::from(label)] += u128::from(a.prediction == label);
            }
            let one = |i: usize| {
                // TP + FP are the predicted, TP + FN the labelled.
                let all = predicted[i] + labelled[i];
                ((2 * hits[i]) << FRACTION).checked_div(all).unwrap_or(0)
            };
            Ok(Score {
                numerator: (0..c).map(one).sum(),
                denominator: (c as u128) << FRACTION,
            })
        }
        (Metric::Mae, Some(f)) => Ok(Score {
            numerator: pairs().map(|(a, &l)| off(a, l, f)).sum(),
            denominator: n << f,
        }),
        (Metric::Mse, Some(f)) => Ok(Score {
            // Below (2^47)² each: 2^94, and there are fewer than 2^30 records.
            numerator: pairs().map(|(a, &l)| off(a, l, f).pow(2)).sum(),
            denominator: n << (2 * f),
        }),
    }
}

/// `|answer − label|` in units of 2^−fraction.
fn off(a: &Answer, label: u8, fraction: u8) -> u128 {
    let x = a.scores.first().copied().unwrap_or(0);
    u128::from((x - (i64::from(label) << fraction)).unsigned_abs())
}

/// Whether the label's score is among the `k` largest.
fn among(scores: &[i64], label: u8, k: u16) -> bool {
    let label = usize::from(label);
    let Some(&own) = scores.get(label) else { return false };
    let ahead = scores
        .iter()
        .enumerate()
        .filter(|&(i, &s)| s > own || (s == own && i < label));
    ahead.count() < usize::from(k)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(scores: &[i64]) -> Answer {
        Answer {
            scores: scores.to_vec(),
            prediction: crate::ops::head::argmax(scores.iter().copied()) as u8,
        }
    }

    fn get(a: &[Answer], labels: &[u8], fraction: Option<u8>, metric: &str) -> Result<Score, MetricError> {
        of(a, labels, 3, fraction, metric.parse().unwrap())
    }

    #[test]
    fn classes_are_counted_exactly() {
        let a = [[5, 1, 0], [5, 5, 9], [2, 2, 2], [0, 3, 1]].map(|s| answer(&s));
        let labels = [0, 1, 1, 1];
        let value = |m: &str| get(&a, &labels, None, m).unwrap();
        assert_eq!((value("accuracy").numerator, value("accuracy").denominator), (2, 4));
        assert_eq!(value("top-2").numerator, 3, "of equal scores the smaller index leads");
        assert_eq!(value("top-3").numerator, 4);
        // Class 0: TP 1, FP 1, FN 0; class 1: TP 1, FP 0, FN 2; class 2: TP 0, FP 1.
        let f = |n: u128, d: u128| (n << FRACTION) / d;
        assert_eq!(value("macro-f1").numerator, f(2, 3) + f(2, 4));
        assert_eq!(value("macro-f1").decimal(6), "0.388888");
        assert_eq!(value("accuracy").decimal(2), "0.50");
        assert!(matches!(
            get(&a, &[0, 1, 1, 3], None, "macro-f1"),
            Err(MetricError::Label { record: 3, .. })
        ));
        assert!(
            get(&a, &labels, None, "mae")
                .unwrap_err()
                .to_string()
                .contains("a classifier")
        );
        assert_eq!(get(&[], &[], None, "accuracy"), Err(MetricError::Empty));
    }

    #[test]
    fn regressions_are_measured_in_fixed_point() {
        let a = [answer(&[3 << 8]), answer(&[-128])];
        let labels = [1, 2];
        let mae = get(&a, &labels, Some(8), "mae").unwrap();
        assert_eq!(mae.decimal(3), "2.250");
        let mse = get(&a, &labels, Some(8), "mse").unwrap();
        assert_eq!(mse.decimal(4), "5.1250");
        assert!(get(&a, &labels, Some(8), "accuracy").is_err());
        for bad in ["top-0", "top", "f1", ""] {
            assert!(bad.parse::<Metric>().is_err(), "{bad}");
        }
    }
}
