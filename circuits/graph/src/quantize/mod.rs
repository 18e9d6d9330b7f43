//! A float network becomes an integer one: scales live in how the weights are rounded.
//!
//! With `x = s_in·x_int` and `y = s_out·y_int`, a layer's accumulator stands for `y·2^shift/s_out`:
//!
//! ```text
//! w_int = round(w · 2^shift · s_in/s_out)     b_int = round(b · 2^shift / s_out)
//! y_int = clamp((Σ w_int·x_int + b_int + 2^(shift−1)) >> shift, 0, 255)
//! ```
//!
//! `shift`, `bits` and tables are functions of the network's operators and shapes alone
//! ([`canonical`]), so every network of one shape has one graph and one `archId`, and nothing that
//! training or calibration measured shows in a key. Only the scales are calibrated, one per output
//! channel, and they never leave this module.
//!
//! | module | holds |
//! |---|---|
//! | [`canonical`] | shift widths, table widths, units |
//! | [`lower`] | the walk from float operators to integer ones |
//! | [`layer`] | layers and sums |
//! | [`function`] | activations |
//! | [`branch`] | products, averages, padding, concatenation |
//! | [`linear`] | the scale search of one layer |
//! | [`bound`] | how far integers can be from the floats |
//! | [`trees`] | ensembles |
//! | [`qdq`] | graphs that were quantised before |
//! | [`report`] | how well the integers follow the floats |
//! | [`plot`] | the same as SVG |

mod bound;
mod branch;
pub mod canonical;
mod function;
mod layer;
mod linear;
mod lower;
pub mod plot;
mod qdq;
pub mod report;
mod trees;

pub use report::{LayerReport, Report, WorstSample};

use crate::eval::RangeError;
use crate::float::{Network, eval};
use crate::graph::{Graph, GraphError, Schema};
use crate::reach::{self, ReachError};
use crate::weights::{Weights, WeightsError};
use rayon::prelude::*;

/// Most calibration records that are carried through the walk, evenly spaced over what is given.
const SEARCH: usize = 1024;
/// Floats that the carried records may take.
const MEMORY: usize = 1 << 25;

/// How a layer's scale follows from the calibration records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Nothing seen is cut off.
    MinMax,
    /// This share of what is seen is not cut off.
    Percentile(f64),
    /// Whatever gives the smallest squared error.
    Mse,
}

impl std::str::FromStr for Method {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "min-max" => Ok(Self::MinMax),
            "mse" => Ok(Self::Mse),
            _ => {
                let share = s.strip_prefix("percentile:").and_then(|p| p.parse::<f64>().ok());
                share
                    .filter(|p| (50.0..=100.0).contains(p))
                    .map(|p| Self::Percentile(p / 100.0))
                    .ok_or_else(|| format!("{s:?} is no method; use mse, min-max or percentile:99.9"))
            }
        }
    }
}

/// Why a network does not become an integer one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("the network has no operator")]
    Empty,
    #[error("the network takes {model} features, the dataset's records have {schema}")]
    Inputs { model: usize, schema: usize },
    #[error("the network gives {model} scores, the dataset has {schema} classes")]
    Classes { model: usize, schema: usize },
    #[error("{bytes} calibration bytes are not one or more whole records of {record} bytes")]
    Records { bytes: usize, record: usize },
    #[error(
        "calibration record {record}, node {node:?}: the float network overflows; train with weight decay or smaller inputs"
    )]
    Overflow { record: usize, node: String },
    #[error("{op} (node {node:?}): {reason}")]
    Operator { node: String, op: String, reason: String },
    #[error("layer {layer:?}: all weights are zero, or too small or large for a float; train it again")]
    Degenerate { layer: String },
    #[error(
        "layer {layer:?}: its accumulator needs {low}..={high}, the graph holds {bits} bits, and scaling down to fit would round every weight to zero; a bias dwarfs the weights"
    )]
    Range {
        layer: String,
        low: i64,
        high: i64,
        bits: u8,
    },
    #[error("{0}")]
    Reach(#[from] ReachError),
    #[error("{0}")]
    Evaluation(#[from] RangeError),
    #[error("{0}")]
    Weights(#[from] WeightsError),
}

/// An integer network and how well it follows the float one on the calibration records.
#[derive(Clone, Debug)]
pub struct Quantized {
    pub graph: Graph,
    pub weights: Weights,
    pub report: Report,
    /// Which tensor stands for which float value. Its scales are as secret as the weights.
    links: Links,
}

/// Per float value: node, scale per index of the first axis, and the largest error it can have, in
/// the value's own unit.
#[derive(Clone)]
pub(crate) struct Links(Vec<Option<(lower::Rep, f64)>>);

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Links({})", self.0.len())
    }
}

/// Quantises `network` for shards of at most `samples` records, calibrated on `records`.
///
/// # Errors
/// Names the layer that does not fit integers, or the record on which the float network overflows.
pub fn quantize(
    network: &Network,
    schema: &Schema,
    samples: u32,
    records: &[u8],
    method: Method,
) -> Result<Quantized, QuantizeError> {
    schema.check()?;
    let features: usize = network.input().iter().product();
    if features != schema.features() {
        return Err(QuantizeError::Inputs {
            model: features,
            schema: schema.features(),
        });
    }
    let (outputs, classes) = (network.outputs(), usize::from(schema.classes));
    let wanted = match network.ending() {
        crate::float::Ending::Classes => Some(outputs),
        crate::float::Ending::Sign => Some(2),
        crate::float::Ending::Values => None,
    };
    if wanted.is_some_and(|w| w != classes) {
        return Err(QuantizeError::Classes {
            model: wanted.unwrap_or(0),
            schema: classes,
        });
    }
    let record = check_records(schema, records)?;
    let size: usize = network.nodes().iter().map(|n| n.shape.iter().product::<usize>()).sum();
    let most = (MEMORY / size.max(1)).clamp(16, SEARCH);
    let step = (records.len() / record).div_ceil(most).max(1);
    let chosen: Vec<&[u8]> = records
        .chunks_exact(record)
        .step_by(step)
        .map(|r| &r[..record - 1])
        .collect();
    let floats = floats(network, schema, &chosen, step)?;
    let lowered = lower::lower(network, schema, samples, &chosen, floats, method)?;
    let error = |rep: lower::Rep| {
        let errors = &lowered.errors[rep.node];
        // A flattened value has scales per element, errors per channel of its node.
        let each = rep.scale.len().max(errors.len());
        let at = |v: &[f64], i: usize| v[i * v.len() / each];
        let largest = (0..each).fold(0.0, |m: f64, i| m.max(at(&rep.scale, i) * at(errors, i)));
        (rep, largest)
    };
    let links = Links(lowered.reps.into_iter().map(|r| r.map(error)).collect());
    reach::prove(&lowered.graph, &lowered.weights)?;
    let report = report::measure(network, &lowered.graph, &lowered.weights, &links, records)?;
    Ok(Quantized {
        graph: lowered.graph,
        weights: lowered.weights,
        report,
        links,
    })
}

impl Quantized {
    /// The same figures on other records of the graph's schema, as many as there are.
    ///
    /// # Errors
    /// As [`quantize`].
    pub fn report_on(&self, network: &Network, records: &[u8]) -> Result<Report, QuantizeError> {
        report::measure(network, &self.graph, &self.weights, &self.links, records)
    }
}

fn check_records(schema: &Schema, records: &[u8]) -> Result<usize, QuantizeError> {
    let record = schema.record_bytes();
    if records.is_empty() || !records.len().is_multiple_of(record) {
        return Err(QuantizeError::Records {
            bytes: records.len(),
            record,
        });
    }
    Ok(record)
}

/// Every float value of every sample; `step` tells how far apart they stand in the file.
fn floats(
    network: &Network,
    schema: &Schema,
    samples: &[&[u8]],
    step: usize,
) -> Result<Vec<Vec<Vec<f32>>>, QuantizeError> {
    let one = |(i, r): (usize, &&[u8])| {
        let x: Vec<f32> = schema.decode(r).map(f32::from).collect();
        let values = eval::run(network, &x).map_err(|e| QuantizeError::Inputs {
            model: e.expected,
            schema: e.got,
        })?;
        match values.iter().position(|l| !l.iter().all(|v| v.is_finite())) {
            None => Ok(values),
            Some(v) => Err(QuantizeError::Overflow {
                record: i * step + 1,
                node: v
                    .checked_sub(1)
                    .map_or(String::new(), |n| network.nodes()[n].name.clone()),
            }),
        }
    };
    samples.par_iter().enumerate().map(one).collect()
}
