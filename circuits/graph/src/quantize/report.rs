//! How well the integers follow the floats: what a person reads before entering a bounty.

use super::{Links, QuantizeError, check_records};
use crate::eval::{Accuracy, forward};
use crate::float::{Ending, Network};
use crate::graph::Graph;
use crate::ops::requant::split;
use crate::ops::{Op, Values};
use crate::reach;
use crate::weights::Weights;
use rayon::prelude::*;
use std::fmt::Write as _;

/// Samples listed as the worst.
const WORST: usize = 10;
/// Records evaluated at a time, so that memory does not grow with the file.
const CHUNK: usize = 64;

/// The float and the integer network on the same records.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    pub float: Accuracy,
    pub integer: Accuracy,
    /// Records on which both predict the same class.
    pub agreement: u32,
    pub layers: Vec<LayerReport>,
    /// Records whose outputs differ most, worst first.
    pub worst: Vec<WorstSample>,
    /// `confusion[label][prediction]` of the integer network; labels that are no class are left out.
    pub confusion: Vec<Vec<u32>>,
}

/// One float value and the tensor that stands for it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LayerReport {
    /// Name in the model's file.
    pub name: String,
    /// Node of the graph.
    pub node: usize,
    /// Operator in the graph.
    pub op: String,
    /// Outputs cut off by a clamp that is no activation.
    pub saturated: u64,
    /// Outputs seen, over all records.
    pub outputs: u64,
    /// Root mean square of the difference, as a share of the float values' own.
    pub rms_error: f64,
    /// Largest difference, as a share of the largest float value.
    pub max_error: f64,
    /// What `max_error` cannot pass on any sample of the schema: the rounding of weights, activations
    /// and tables and what clamps may cut off, at their worst together.
    pub error_bound: f64,
    /// Smallest and largest integer that any sample of the schema can give.
    pub worst_case: (i64, i64),
}

/// A record on which the networks differ.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct WorstSample {
    /// Counted from 0.
    pub record: usize,
    pub label: u8,
    pub float_prediction: u32,
    pub integer_prediction: u32,
    /// Largest difference of an output, as a share of the record's largest float output.
    pub error: f64,
}

/// Sums over records of one layer.
#[derive(Clone, Copy, Default)]
struct Sum {
    saturated: u64,
    outputs: u64,
    error2: f64,
    float2: f64,
    error: f64,
    float: f64,
}

impl Sum {
    fn add(&mut self, o: &Self) {
        self.saturated += o.saturated;
        self.outputs += o.outputs;
        self.error2 += o.error2;
        self.float2 += o.float2;
        self.error = self.error.max(o.error);
        self.float = self.float.max(o.float);
    }
}

struct One {
    layers: Vec<Sum>,
    float: usize,
    integer: usize,
    error: f64,
}

/// Index of the largest value, ties to the smallest index.
fn first_largest(v: &[f32]) -> usize {
    let mut top = 0;
    for (i, x) in v.iter().enumerate() {
        if *x > v[top] {
            top = i;
        }
    }
    top
}

/// Compares both networks on any records of the graph's schema.
pub(super) fn measure(
    network: &Network,
    graph: &Graph,
    weights: &Weights,
    links: &Links,
    records: &[u8],
) -> Result<Report, QuantizeError> {
    let record = check_records(graph.schema(), records)?;
    let reach = reach::prove(graph, weights)?;
    let known = links.0.iter().enumerate().skip(1);
    let (shown, bounds): (Vec<(usize, &super::lower::Rep)>, Vec<f64>) = known
        .filter_map(|(v, r)| {
            let (rep, bound) = r.as_ref()?;
            Some(((v, rep), *bound))
        })
        .unzip();
    let classes = usize::from(graph.schema().classes);
    let mut sums = vec![Sum::default(); shown.len()];
    let mut confusion = vec![vec![0u32; classes]; classes];
    let (mut float, mut integer, mut agreement) = (0, 0, 0);
    let mut worst: Vec<WorstSample> = vec![];
    let all: Vec<&[u8]> = records.chunks_exact(record).collect();
    for (chunk, part) in all.chunks(CHUNK).enumerate() {
        let features: Vec<&[u8]> = part.iter().map(|r| &r[..record - 1]).collect();
        let floats = super::floats(network, graph.schema(), &features, 1)?;
        let ones: Result<Vec<One>, QuantizeError> = features
            .par_iter()
            .zip(&floats)
            .enumerate()
            .map(|(i, (x, f))| {
                Ok(one(
                    network,
                    graph,
                    &forward(graph, weights, x, chunk * CHUNK + i)?.values,
                    f,
                    &shown,
                ))
            })
            .collect();
        for (i, (one, r)) in ones?.iter().zip(part).enumerate() {
            sums.iter_mut().zip(&one.layers).for_each(|(s, o)| s.add(o));
            let label = r[record - 1];
            float += u32::from(one.float == usize::from(label));
            integer += u32::from(one.integer == usize::from(label));
            agreement += u32::from(one.float == one.integer);
            if let Some(cell) = confusion
                .get_mut(usize::from(label))
                .and_then(|c| c.get_mut(one.integer))
            {
                *cell += 1;
            }
            worst.push(WorstSample {
                record: chunk * CHUNK + i,
                label,
                float_prediction: one.float as u32,
                integer_prediction: one.integer as u32,
                error: one.error,
            });
        }
        worst.sort_by(|a, b| b.error.total_cmp(&a.error).then(a.record.cmp(&b.record)));
        worst.truncate(WORST);
    }
    let total = all.len() as u32;
    let share = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    let layers = shown.iter().zip(&bounds).zip(&sums).map(|((&(v, rep), &bound), s)| {
        let ends = &reach[rep.node];
        LayerReport {
            name: network.nodes()[v - 1].name.clone(),
            node: rep.node,
            op: graph.nodes()[rep.node].op.name().to_owned(),
            saturated: s.saturated,
            outputs: s.outputs,
            rms_error: share(s.error2, s.float2).sqrt(),
            max_error: share(s.error, s.float),
            error_bound: share(bound, s.float),
            worst_case: (
                ends.iter().map(|r| r.0).min().unwrap_or(0),
                ends.iter().map(|r| r.1).max().unwrap_or(0),
            ),
        }
    });
    Ok(Report {
        float: Accuracy { correct: float, total },
        integer: Accuracy {
            correct: integer,
            total,
        },
        agreement,
        layers: layers.collect(),
        worst,
        confusion,
    })
}

fn one(
    network: &Network,
    graph: &Graph,
    values: &[Values],
    floats: &[Vec<f32>],
    shown: &[(usize, &super::lower::Rep)],
) -> One {
    let layers = shown.iter().map(|&(v, rep)| {
        let mut s = Sum::default();
        for (i, (x, &f)) in values[rep.node].iter().zip(&floats[v]).enumerate() {
            let (f, error) = (f64::from(f), x as f64 * rep.at(i) - f64::from(f));
            s.outputs += 1;
            s.error2 += error * error;
            s.float2 += f * f;
            s.error = s.error.max(error.abs());
            s.float = s.float.max(f.abs());
        }
        let n = &graph.nodes()[rep.node];
        if let Op::Requant(r) = &n.op {
            let (min, max) = (i64::from(r.min), i64::from(r.max));
            let cut = |x: i64| {
                let hi = split(x, r.shift).0;
                // Below a ReLU's zero nothing is lost.
                hi > max || (hi < min && min != 0)
            };
            s.saturated = values[n.inputs[0]].iter().filter(|&x| cut(x)).count() as u64;
        }
        s
    });
    let out = &floats[network.output().index()];
    let rep = shown.iter().find(|(v, _)| *v == network.output().index());
    let largest = out.iter().fold(0f64, |m, &v| m.max(f64::from(v.abs())));
    let error = rep.map_or(0.0, |(_, rep)| {
        let pairs = values[rep.node].iter().zip(out).enumerate();
        pairs.fold(0f64, |m, (i, (x, &f))| {
            m.max((x as f64 * rep.at(i) - f64::from(f)).abs())
        })
    });
    let (float, integer) = match network.ending() {
        Ending::Classes => (first_largest(out), values.last().map_or(0, |v| v.get(0) as usize)),
        Ending::Sign => (
            usize::from(out.first().is_some_and(|&x| x > 0.0)),
            values.last().map_or(0, |v| v.get(0) as usize),
        ),
        Ending::Values => {
            let unit = f64::from(1u32 << graph.fraction().unwrap_or(0));
            let nearest = |v: f64| v.round().clamp(0.0, 255.0) as usize;
            let x = values.last().map_or(0, |v| v.get(0)) as f64 / unit;
            (nearest(f64::from(out.first().copied().unwrap_or(0.0))), nearest(x))
        }
    };
    One {
        layers: layers.collect(),
        float,
        integer,
        error: if largest > 0.0 { error / largest } else { 0.0 },
    }
}

impl Report {
    /// A table a person acts on.
    pub fn text(&self) -> String {
        let percent = |a: &Accuracy| 100.0 * f64::from(a.correct) / f64::from(a.total.max(1));
        let mut t = format!(
            "float   {:>6}/{} ({:.2} %)\ninteger {:>6}/{} ({:.2} %)\nagree   {:>6}/{}\n",
            self.float.correct,
            self.float.total,
            percent(&self.float),
            self.integer.correct,
            self.integer.total,
            percent(&self.integer),
            self.agreement,
            self.float.total
        );
        // Writing to a String cannot fail.
        let _ = writeln!(
            t,
            "\n{:<5} {:<24} {:<10} {:>9} {:>9} {:>10} {:>12}  worst case",
            "node", "layer", "op", "rms err", "max err", "bound", "saturated"
        );
        for l in &self.layers {
            let name: String = l.name.chars().take(24).collect();
            let share = 100.0 * l.saturated as f64 / (l.outputs.max(1)) as f64;
            let _ = writeln!(
                t,
                "%{:<4} {name:<24} {:<10} {:>8.2}% {:>8.2}% {:>9.1}% {:>10.3} %  {}..{}",
                l.node,
                l.op,
                100.0 * l.rms_error,
                100.0 * l.max_error,
                100.0 * l.error_bound,
                share,
                l.worst_case.0,
                l.worst_case.1
            );
        }
        let _ = writeln!(t, "\nworst records (label, float, integer, error of the outputs)");
        for w in &self.worst {
            let _ = writeln!(
                t,
                "{:>8}  {:>3} {:>3} {:>3}  {:.2} %",
                w.record,
                w.label,
                w.float_prediction,
                w.integer_prediction,
                100.0 * w.error
            );
        }
        if self.confusion.len() <= 20 {
            let _ = writeln!(t, "\nconfusion (rows: label, columns: integer prediction)");
            for row in &self.confusion {
                for n in row {
                    let _ = write!(t, "{n:>6}");
                }
                t.push('\n');
            }
        }
        t
    }
}
