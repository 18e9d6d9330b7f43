//! A float network becomes an integer one: scales live in how the weights are rounded.
//!
//! With `x = s_in·x_int` and `y = s_out·y_int`, a layer's accumulator stands for `y·2^shift/s_out`:
//!
//! ```text
//! w_int = round(w · 2^shift · s_in/s_out)     b_int = round(b · 2^shift / s_out)
//! y_int = clamp((Σ w_int·x_int + b_int + 2^(shift−1)) >> shift, 0, 255)
//! ```
//!
//! `shift` and `bits` are functions of the layer's shape and the schema's feature bound alone
//! ([`architecture`]), so every network of one shape has one graph and one `archId`, and nothing
//! that training or calibration measured shows in a key. Only `s_out` is calibrated, per layer, and
//! it never leaves this module.

use crate::eval::{Accuracy, RangeError, forward};
use crate::graph::{ARGMAX_BITS, Graph, GraphError, Layer, Schema};
use crate::model::{FloatDense, FloatModel, argmax};
use crate::weights::{DenseWeights, Weights, WeightsError};
use rayon::prelude::*;

/// Largest integer weight; −128 is left out so that rounding is symmetric.
const WEIGHT_MAX: f64 = 127.0;
/// Largest activation.
const ACTIVATION_MAX: u8 = 255;
/// Shares of the calibrated activations that must not saturate; the share with the smallest error
/// is used.
const SHARES: [f64; 4] = [1.0, 0.9999, 0.999, 0.995];

/// Why a network does not become an integer one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantizeError {
    #[error("{0}")]
    Graph(#[from] GraphError),
    #[error("the network takes {model} features, the dataset's records have {schema}")]
    Inputs { model: usize, schema: usize },
    #[error("the network gives {model} scores, the dataset has {schema} classes")]
    Classes { model: usize, schema: usize },
    #[error("{bytes} calibration bytes are not one or more whole records of {record} bytes")]
    Records { bytes: usize, record: usize },
    #[error(
        "calibration record {record}, layer {layer}: the float network overflows; train with weight decay or smaller inputs"
    )]
    Overflow { record: usize, layer: usize },
    #[error("dense layer {layer}: all weights are zero, or too small or large for a float; train it again")]
    Degenerate { layer: usize },
    #[error(
        "dense layer {layer}: its accumulator needs {low}..={high} after the shift, the table holds {bits} bits, and scaling down to fit would round every weight to zero; a bias dwarfs the weights"
    )]
    Range {
        layer: usize,
        low: i64,
        high: i64,
        bits: u8,
    },
    #[error(
        "dense layer {layer}: class scores may differ by {spread}, more than 2^{ARGMAX_BITS}; a bias dwarfs the weights"
    )]
    Spread { layer: usize, spread: i64 },
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
}

/// The float and the integer network on the same records.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    pub float: Accuracy,
    pub integer: Accuracy,
    /// Records on which both predict the same class.
    pub agreement: u32,
    pub layers: Vec<LayerReport>,
}

/// One dense layer's rounding.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LayerReport {
    /// Outputs cut off at 255; none in the last layer.
    pub saturated: u64,
    /// Outputs seen, over all records.
    pub outputs: u64,
    /// Largest difference between the float output and the integer one scaled back, as a share of
    /// the layer's largest float output.
    pub max_error: f64,
    /// Smallest and largest accumulator that any input could give, after the shift.
    pub worst_case: (i64, i64),
}

/// Shift of a ReLU after `inputs` values in `0..=max`: where a typical largest accumulator becomes
/// about 255.
///
/// With weights up to 127 of which most are small, `Σ w·x` reaches about `64·max·√inputs`; dividing
/// by 256 gives `2^shift = max·√inputs/4`, halved once more so that the weights, not the
/// activations, lose precision where the estimate is off.
pub fn canonical_shift(inputs: usize, max: u8) -> u8 {
    let twice = 2 * ceil_log2(u64::from(max)) + ceil_log2(inputs as u64);
    // At most (16 + 64)/2, so it fits.
    (twice / 2).saturating_sub(1).clamp(1, 14) as u8
}

/// Bits of a ReLU's table: every accumulator that weights up to 127 can give without a bias, as far
/// as a table may grow.
pub fn canonical_bits(inputs: usize, max: u8, shift: u8) -> u8 {
    let worst = (inputs as u64).saturating_mul(u64::from(max)).saturating_mul(127) >> shift;
    // At most 65, so it fits.
    (ceil_log2(worst + 1) + 1).clamp(9, 16) as u8
}

fn ceil_log2(v: u64) -> u32 {
    v.max(1).next_power_of_two().trailing_zeros()
}

/// The one graph of all networks with these layer widths (inputs first) on this schema.
pub fn architecture(schema: &Schema, widths: &[usize], samples: u32) -> Result<Graph, GraphError> {
    let narrow = |w: usize| u32::try_from(w).unwrap_or(u32::MAX);
    let mut layers = vec![];
    let mut max = schema.feature_max;
    for (i, pair) in widths.windows(2).enumerate() {
        let &[inputs, outputs] = pair else { continue };
        layers.push(Layer::Dense {
            inputs: narrow(inputs),
            outputs: narrow(outputs),
        });
        if i + 2 < widths.len() {
            let shift = canonical_shift(inputs, max);
            layers.push(Layer::Relu {
                width: narrow(outputs),
                shift,
                bits: canonical_bits(inputs, max, shift),
            });
        }
        max = ACTIVATION_MAX;
    }
    Graph::new(schema.clone(), samples, layers)
}

/// Quantises `model` for shards of at most `samples` records, calibrated on `records`.
///
/// # Errors
/// Names the layer that does not fit integers, or the record on which the float network overflows.
pub fn quantize(model: &FloatModel, schema: &Schema, samples: u32, records: &[u8]) -> Result<Quantized, QuantizeError> {
    let graph = fitting(model, schema, samples)?;
    let record = check_records(schema, records)?;
    let floats = float_outputs(model, records, record)?;
    let mut inputs: Vec<Vec<u8>> = records.chunks_exact(record).map(|r| r[..record - 1].to_vec()).collect();
    let mut in_max: Vec<u8> = vec![schema.feature_max; schema.features()];
    let mut s_in = 1.0;
    let mut layers = vec![];
    let relu: Vec<(u8, u8)> = graph.relu().collect();
    for (layer, dense) in model.layers().iter().enumerate() {
        let Some(&(shift, bits)) = relu.get(layer) else {
            layers.push(last_layer(layer, dense, s_in, &in_max)?);
            break;
        };
        let wanted: Vec<&[f64]> = floats.iter().map(|f| f[layer].as_slice()).collect();
        let unit = Unit {
            layer,
            dense,
            s_in,
            shift,
            bits,
            in_max: &in_max,
        };
        let (s_out, rounded, outputs) = unit.calibrate(&inputs, &wanted)?;
        in_max = unit.ranges(&rounded).map(|(_, hi)| clamp(hi)).collect();
        layers.push(rounded);
        inputs = outputs;
        s_in = s_out;
    }
    let weights = Weights::new(&graph, layers)?;
    let report = measure(model, &graph, &weights, records)?;
    Ok(Quantized { graph, weights, report })
}

/// Compares both networks on any records of the graph's schema, as many as there are.
pub fn measure(model: &FloatModel, graph: &Graph, weights: &Weights, records: &[u8]) -> Result<Report, QuantizeError> {
    if fitting(model, graph.schema(), graph.samples() as u32)? != *graph {
        return Err(GraphError::Layer {
            layer: 0,
            reason: "the integer network has another shape than the float one".into(),
        }
        .into());
    }
    let record = check_records(graph.schema(), records)?;
    let floats = float_outputs(model, records, record)?;
    let traces = records
        .par_chunks_exact(record)
        .enumerate()
        .map(|(i, r)| forward(graph, weights, &r[..record - 1], i))
        .collect::<Result<Vec<_>, _>>()?;
    let labels: Vec<u8> = records.chunks_exact(record).map(|r| r[record - 1]).collect();
    let float: Vec<usize> = floats.iter().map(|f| f.last().map_or(0, |s| argmax(s))).collect();
    let count = |hits: usize| Accuracy {
        correct: hits as u32,
        total: labels.len() as u32,
    };
    let ranges = worst_cases(graph, weights);
    let layers = (0..model.layers().len())
        .map(|layer| {
            let outputs: Vec<Vec<f64>> = traces
                .iter()
                .map(|t| match t.act.get(layer) {
                    Some(act) => act.iter().map(|&a| f64::from(a)).collect(),
                    None => t.acc[layer].iter().map(|&a| a as f64).collect(),
                })
                .collect();
            let saturated = traces
                .iter()
                .filter_map(|t| t.split.get(layer))
                .flatten()
                .filter(|(hi, _)| *hi > i64::from(ACTIVATION_MAX))
                .count() as u64;
            LayerReport {
                saturated,
                outputs: outputs.iter().map(|o| o.len() as u64).sum(),
                max_error: relative_error(&outputs, &floats, layer),
                worst_case: ranges[layer],
            }
        })
        .collect();
    Ok(Report {
        float: count(
            float
                .iter()
                .zip(&labels)
                .filter(|(p, l)| **p == usize::from(**l))
                .count(),
        ),
        integer: count(traces.iter().zip(&labels).filter(|(t, l)| t.prediction == **l).count()),
        agreement: float
            .iter()
            .zip(&traces)
            .filter(|(p, t)| **p == usize::from(t.prediction))
            .count() as u32,
        layers,
    })
}

/// The canonical graph, when the model fits the schema.
fn fitting(model: &FloatModel, schema: &Schema, samples: u32) -> Result<Graph, QuantizeError> {
    schema.check()?;
    let widths = model.widths();
    let (first, last) = (widths[0], widths[widths.len() - 1]);
    if first != schema.features() {
        return Err(QuantizeError::Inputs {
            model: first,
            schema: schema.features(),
        });
    }
    if last != usize::from(schema.classes) {
        return Err(QuantizeError::Classes {
            model: last,
            schema: usize::from(schema.classes),
        });
    }
    Ok(architecture(schema, &widths, samples)?)
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

/// Every layer's float output for every record.
fn float_outputs(model: &FloatModel, records: &[u8], record: usize) -> Result<Vec<Vec<Vec<f64>>>, QuantizeError> {
    records
        .par_chunks_exact(record)
        .enumerate()
        .map(|(i, r)| {
            let out = model.forward(&r[..record - 1]);
            match out.iter().position(|l| !l.iter().all(|v| v.is_finite())) {
                None => Ok(out),
                Some(layer) => Err(QuantizeError::Overflow { record: i + 1, layer }),
            }
        })
        .collect()
}

fn clamp(hi: i64) -> u8 {
    crate::eval::activate(hi)
}

/// A hidden layer on its way to integers.
struct Unit<'a> {
    layer: usize,
    dense: &'a FloatDense,
    s_in: f64,
    shift: u8,
    bits: u8,
    /// Largest value each input can take.
    in_max: &'a [u8],
}

impl Unit<'_> {
    /// Finds the output scale with the smallest squared error on the calibration records; returns it
    /// with the rounded weights and the integer outputs.
    fn calibrate(
        &self,
        inputs: &[Vec<u8>],
        wanted: &[&[f64]],
    ) -> Result<(f64, DenseWeights, Vec<Vec<u8>>), QuantizeError> {
        let degenerate = QuantizeError::Degenerate { layer: self.layer };
        let unit = f64::from(1u32 << self.shift);
        let largest = self.dense.w.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
        // Below this scale some weight would exceed 127.
        let floor = largest * self.s_in * unit / WEIGHT_MAX;
        if !(floor.is_finite() && floor > 0.0) {
            return Err(degenerate);
        }
        let mut seen: Vec<f64> = wanted
            .iter()
            .flat_map(|o| o.iter().copied())
            .filter(|&v| v > 0.0)
            .collect();
        seen.sort_by(f64::total_cmp);
        let mut best: Option<(f64, f64, DenseWeights, Vec<Vec<u8>>)> = None;
        for share in SHARES {
            let at = ((seen.len() as f64 * share).ceil() as usize).clamp(1, seen.len().max(1)) - 1;
            let top = seen.get(at).copied().unwrap_or(0.0);
            let (s_out, rounded) = self.fit(floor.max(top / f64::from(ACTIVATION_MAX)))?;
            let outputs: Vec<Vec<u8>> = inputs.par_iter().map(|x| self.run(&rounded, x)).collect();
            let error: f64 = outputs
                .iter()
                .flatten()
                .zip(wanted.iter().copied().flatten())
                .map(|(&a, &v)| (f64::from(a) * s_out - v).powi(2))
                .sum();
            if best.as_ref().is_none_or(|(e, ..)| error < *e) {
                best = Some((error, s_out, rounded, outputs));
            }
        }
        let (_, s_out, rounded, outputs) = best.ok_or(degenerate)?;
        Ok((s_out, rounded, outputs))
    }

    /// Rounds at `s_out`, coarser where the worst case would leave the table.
    fn fit(&self, mut s_out: f64) -> Result<(f64, DenseWeights), QuantizeError> {
        let half = 1i64 << (self.bits - 1);
        loop {
            let k = f64::from(1u32 << self.shift) / s_out;
            let rounded = round(self.dense, k * self.s_in, k).ok_or(QuantizeError::Degenerate { layer: self.layer })?;
            let low = self.ranges(&rounded).map(|(lo, _)| lo).min().unwrap_or(0);
            let high = self.ranges(&rounded).map(|(_, hi)| hi).max().unwrap_or(0);
            if rounded.w.iter().all(|&w| w == 0) {
                return Err(QuantizeError::Range {
                    layer: self.layer,
                    low,
                    high,
                    bits: self.bits,
                });
            }
            if low >= -half && high < half {
                return Ok((s_out, rounded));
            }
            // Never less than 1 %, so that the loop ends: a few hundred such steps round 127 to zero.
            s_out *= (low.min(-high).unsigned_abs() as f64 / half as f64).max(1.01);
        }
    }

    /// Smallest and largest `hi` of each output over all inputs.
    fn ranges<'b>(&'b self, d: &'b DenseWeights) -> impl Iterator<Item = (i64, i64)> + 'b {
        accumulators(d, self.in_max).map(|(lo, hi)| {
            let shifted = |acc| crate::eval::split(acc, self.shift).0;
            (shifted(lo), shifted(hi))
        })
    }

    /// The layer in integers; the evaluator's own rounding.
    fn run(&self, d: &DenseWeights, x: &[u8]) -> Vec<u8> {
        d.w.chunks_exact(self.dense.inputs)
            .zip(&d.b)
            .map(|(row, &b)| {
                let dot: i64 = row.iter().zip(x).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
                clamp(crate::eval::split(dot + i64::from(b), self.shift).0)
            })
            .collect()
    }
}

/// The last layer: one scale that fills int8, made smaller where the argmax's bits ask for it.
fn last_layer(layer: usize, dense: &FloatDense, s_in: f64, in_max: &[u8]) -> Result<DenseWeights, QuantizeError> {
    let largest = dense.w.iter().fold(0.0, |m: f64, w| m.max(w.abs()));
    let mut k = WEIGHT_MAX / largest;
    loop {
        let rounded = round(dense, k, k / s_in).ok_or(QuantizeError::Degenerate { layer })?;
        let low = accumulators(&rounded, in_max).map(|(lo, _)| lo).min().unwrap_or(0);
        let high = accumulators(&rounded, in_max).map(|(_, hi)| hi).max().unwrap_or(0);
        let spread = high - low;
        if rounded.w.iter().all(|&w| w == 0) {
            return Err(QuantizeError::Spread { layer, spread });
        }
        if spread < 1 << ARGMAX_BITS {
            return Ok(rounded);
        }
        k /= (spread as f64 / f64::from(1u32 << ARGMAX_BITS)).max(1.01);
    }
}

/// Rounds weights at `w_scale` and biases at `b_scale`; absent when a scale is no positive number.
///
/// A bias beyond i32 is cut off there: its range then refuses the scale, as it would uncut.
fn round(dense: &FloatDense, w_scale: f64, b_scale: f64) -> Option<DenseWeights> {
    let good = |s: f64| s.is_finite() && s > 0.0;
    if !good(w_scale) || !good(b_scale) {
        return None;
    }
    let limit = f64::from(i32::MAX);
    Some(DenseWeights {
        w: dense
            .w
            .iter()
            .map(|w| (w * w_scale).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i8)
            .collect(),
        b: dense
            .b
            .iter()
            .map(|b| (b * b_scale).round().clamp(-limit, limit) as i32)
            .collect(),
    })
}

/// Smallest and largest accumulator of each output over all inputs in `0..=in_max`.
fn accumulators<'b>(d: &'b DenseWeights, in_max: &'b [u8]) -> impl Iterator<Item = (i64, i64)> + 'b {
    d.w.chunks_exact(in_max.len()).zip(&d.b).map(move |(row, &b)| {
        row.iter()
            .zip(in_max)
            .fold((i64::from(b), i64::from(b)), |(lo, hi), (&w, &m)| {
                let reach = i64::from(w) * i64::from(m);
                (lo + reach.min(0), hi + reach.max(0))
            })
    })
}

/// Smallest and largest value of each layer over all inputs: after the shift, and plain in the last.
fn worst_cases(graph: &Graph, weights: &Weights) -> Vec<(i64, i64)> {
    let mut in_max = vec![graph.schema().feature_max; graph.schema().features()];
    let relu: Vec<(u8, u8)> = graph.relu().collect();
    let mut out = vec![];
    for (layer, d) in weights.layers().iter().enumerate() {
        let shift = relu.get(layer).map(|r| r.0);
        let ranges: Vec<(i64, i64)> = accumulators(d, &in_max)
            .map(|(lo, hi)| match shift {
                Some(s) => (crate::eval::split(lo, s).0, crate::eval::split(hi, s).0),
                None => (lo, hi),
            })
            .collect();
        out.push((
            ranges.iter().map(|r| r.0).min().unwrap_or(0),
            ranges.iter().map(|r| r.1).max().unwrap_or(0),
        ));
        in_max = ranges.iter().map(|r| clamp(r.1)).collect();
    }
    out
}

/// Largest error of a layer after the scale that fits best, as a share of its largest float output.
fn relative_error(integers: &[Vec<f64>], floats: &[Vec<Vec<f64>>], layer: usize) -> f64 {
    let pairs = || {
        integers
            .iter()
            .flatten()
            .copied()
            .zip(floats.iter().flat_map(|f| f[layer].iter().copied()))
    };
    // Least squares: the scale itself is not kept.
    let (num, den) = pairs().fold((0.0, 0.0), |(n, d), (i, f)| (n + i * f, d + i * i));
    let scale = if den > 0.0 { num / den } else { 0.0 };
    let largest = pairs().fold(0.0, |m: f64, (_, f)| m.max(f.abs()));
    let error = pairs().fold(0.0, |m: f64, (i, f)| m.max((i * scale - f).abs()));
    if largest > 0.0 { error / largest } else { 0.0 }
}
