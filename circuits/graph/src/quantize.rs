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

use crate::eval::{Accuracy, RangeError};
use crate::graph::{ARGMAX_BITS, Graph, GraphError, Schema};
use crate::mlp::{Mlp, MlpError, activate as clamp, forward};
use crate::model::{FloatDense, FloatModel, argmax};
use crate::ops::requant::split;
use crate::weights::{Block, Weights, WeightsError};
use rayon::prelude::*;

/// Largest integer weight; −128 is left out so that rounding is symmetric.
const WEIGHT_MAX: f64 = 127.0;
/// Largest activation.
const ACTIVATION_MAX: u8 = 255;
/// Shares of the calibrated activations that must not saturate: one candidate scale each.
const SHARES: [f64; 4] = [1.0, 0.9999, 0.999, 0.995];
/// Candidate scales at which the largest weights are cut off at 127, four to the octave.
///
/// A network trained on standardised features has huge weights where a feature hardly ever varies
/// (the corners of a digit); keeping them whole would round all others to nothing.
const CUTS: i32 = 40;
/// Records on which candidate scales are compared, evenly spaced over the calibration set.
const SEARCH: usize = 1024;

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
    #[error("{0}")]
    Mlp(#[from] MlpError),
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
    let mut relu = vec![];
    let mut max = schema.feature_max;
    for &inputs in &widths[..widths.len().saturating_sub(2)] {
        let shift = canonical_shift(inputs, max);
        relu.push((shift, canonical_bits(inputs, max, shift)));
        max = ACTIVATION_MAX;
    }
    let widths: Vec<u32> = widths.iter().map(|&w| narrow(w)).collect();
    Graph::mlp(schema.clone(), samples, &widths, &relu)
}

/// Quantises `model` for shards of at most `samples` records, calibrated on `records`.
///
/// # Errors
/// Names the layer that does not fit integers, or the record on which the float network overflows.
pub fn quantize(model: &FloatModel, schema: &Schema, samples: u32, records: &[u8]) -> Result<Quantized, QuantizeError> {
    let graph = fitting(model, schema, samples)?;
    let record = check_records(schema, records)?;
    let floats = float_outputs(model, records, record)?;
    let step = (floats.len() / SEARCH).max(1);
    let floats: Vec<_> = floats.into_iter().step_by(step).collect();
    let mut inputs: Vec<Vec<u8>> = records
        .chunks_exact(record)
        .step_by(step)
        .map(|r| r[..record - 1].to_vec())
        .collect();
    let mut in_max: Vec<u8> = vec![schema.feature_max; schema.features()];
    let mut s_in = 1.0;
    let mut layers = vec![];
    let relu: Vec<(u8, u8)> = Mlp::try_from(&graph)?.relu().collect();
    for (layer, dense) in model.layers().iter().enumerate() {
        let wanted: Vec<&[f64]> = floats.iter().map(|f| f[layer].as_slice()).collect();
        let given: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        let Some(&(shift, bits)) = relu.get(layer) else {
            layers.push(last_layer(layer, dense, s_in, &in_max, &given, &wanted)?);
            break;
        };
        let unit = Unit {
            layer,
            dense,
            s_in,
            shift,
            bits,
            in_max: &in_max,
        };
        let (s_out, rounded) = unit.calibrate(&given, &wanted)?;
        inputs = given.par_iter().map(|x| unit.run(&rounded, x)).collect();
        in_max = unit.ranges(&rounded).map(|(_, hi)| clamp(hi)).collect();
        layers.push(rounded);
        s_in = s_out;
    }
    let weights = Weights::new(&graph, layers)?;
    let report = measure(model, &graph, &weights, records)?;
    Ok(Quantized { graph, weights, report })
}

/// Compares both networks on any records of the graph's schema, as many as there are.
pub fn measure(model: &FloatModel, graph: &Graph, weights: &Weights, records: &[u8]) -> Result<Report, QuantizeError> {
    if fitting(model, graph.schema(), graph.samples() as u32)? != *graph {
        return Err(GraphError::Node {
            node: 0,
            op: "input",
            reason: "the integer network has another shape than the float one".into(),
        }
        .into());
    }
    let record = check_records(graph.schema(), records)?;
    let floats = float_outputs(model, records, record)?;
    let mlp = Mlp::try_from(graph)?;
    let traces = records
        .par_chunks_exact(record)
        .enumerate()
        .map(|(i, r)| forward(&mlp, weights, &r[..record - 1], i))
        .collect::<Result<Vec<_>, _>>()?;
    let labels: Vec<u8> = records.chunks_exact(record).map(|r| r[record - 1]).collect();
    let float: Vec<usize> = floats.iter().map(|f| f.last().map_or(0, |s| argmax(s))).collect();
    let count = |hits: usize| Accuracy {
        correct: hits as u32,
        total: labels.len() as u32,
    };
    let ranges = worst_cases(&mlp, weights);
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
    /// Finds the output scale with the smallest squared error on the calibration records.
    fn calibrate(&self, inputs: &[&[u8]], wanted: &[&[f64]]) -> Result<(f64, Block), QuantizeError> {
        let degenerate = QuantizeError::Degenerate { layer: self.layer };
        let unit = f64::from(1u32 << self.shift);
        // Below this scale some weight exceeds 127.
        let floor = largest(self.dense) * self.s_in * unit / WEIGHT_MAX;
        if !(floor.is_finite() && floor > 0.0) {
            return Err(degenerate);
        }
        let mut seen: Vec<f64> = wanted
            .iter()
            .flat_map(|o| o.iter().copied())
            .filter(|&v| v > 0.0)
            .collect();
        seen.sort_by(f64::total_cmp);
        let tops = SHARES.map(|share| {
            let at = ((seen.len() as f64 * share).ceil() as usize).clamp(1, seen.len().max(1)) - 1;
            seen.get(at).copied().unwrap_or(0.0) / f64::from(ACTIVATION_MAX)
        });
        let cuts = (1..=CUTS).map(|j| floor * 2f64.powf(-f64::from(j) / 4.0));
        let candidates = tops
            .iter()
            .map(|top| top.max(floor))
            .chain(cuts.filter(|&c| c > tops[3]));
        let mut best: Option<(f64, f64, Block)> = None;
        for s_out in candidates {
            let (s_out, rounded) = self.fit(s_out)?;
            let error = squared_error(inputs, wanted, |x| {
                let acc = dot(&rounded, x).map(|acc| f64::from(clamp(split(acc, self.shift).0)) * s_out);
                acc.collect()
            });
            if best.as_ref().is_none_or(|(e, ..)| error < *e) {
                best = Some((error, s_out, rounded));
            }
        }
        best.map(|(_, s_out, rounded)| (s_out, rounded)).ok_or(degenerate)
    }

    /// Rounds at `s_out`, coarser where the worst case would leave the table.
    fn fit(&self, mut s_out: f64) -> Result<(f64, Block), QuantizeError> {
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
    fn ranges<'b>(&'b self, d: &'b Block) -> impl Iterator<Item = (i64, i64)> + 'b {
        accumulators(d, self.in_max).map(|(lo, hi)| {
            let shifted = |acc| split(acc, self.shift).0;
            (shifted(lo), shifted(hi))
        })
    }

    /// The layer in integers; the evaluator's own rounding.
    fn run(&self, d: &Block, x: &[u8]) -> Vec<u8> {
        dot(d, x).map(|acc| clamp(split(acc, self.shift).0)).collect()
    }
}

/// Accumulators of a layer.
fn dot<'b>(d: &'b Block, x: &'b [u8]) -> impl Iterator<Item = i64> + 'b {
    d.w.chunks_exact(x.len()).zip(&d.b).map(move |(row, &b)| {
        let sum: i64 = row.iter().zip(x).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
        sum + i64::from(b)
    })
}

fn largest(dense: &FloatDense) -> f64 {
    dense.w.iter().fold(0.0, |m: f64, w| m.max(w.abs()))
}

/// Squared error of `run` against the float outputs, over all records.
fn squared_error(inputs: &[&[u8]], wanted: &[&[f64]], run: impl Fn(&[u8]) -> Vec<f64> + Sync) -> f64 {
    // Summed in order, so that the choice of a scale never depends on how threads were scheduled.
    let each: Vec<f64> = inputs
        .par_iter()
        .zip(wanted)
        .map(|(x, want)| run(x).iter().zip(*want).map(|(a, v)| (a - v).powi(2)).sum())
        .collect();
    each.iter().sum()
}

/// The last layer: the scale with the smallest squared error, made smaller where the argmax's bits
/// ask for it.
fn last_layer(
    layer: usize,
    dense: &FloatDense,
    s_in: f64,
    in_max: &[u8],
    inputs: &[&[u8]],
    wanted: &[&[f64]],
) -> Result<Block, QuantizeError> {
    let mut best: Option<(f64, Block)> = None;
    for j in 0..=CUTS {
        let k = WEIGHT_MAX / largest(dense) * 2f64.powf(f64::from(j) / 4.0);
        let (k, rounded) = fit_last(layer, dense, s_in, in_max, k)?;
        let error = squared_error(inputs, wanted, |x| {
            dot(&rounded, x).map(|acc| acc as f64 * s_in / k).collect()
        });
        if best.as_ref().is_none_or(|(e, _)| error < *e) {
            best = Some((error, rounded));
        }
    }
    best.map(|(_, rounded)| rounded)
        .ok_or(QuantizeError::Degenerate { layer })
}

/// Rounds the last layer at `k`, smaller where the spread of its scores would exceed the argmax.
fn fit_last(
    layer: usize,
    dense: &FloatDense,
    s_in: f64,
    in_max: &[u8],
    mut k: f64,
) -> Result<(f64, Block), QuantizeError> {
    loop {
        let rounded = round(dense, k, k / s_in).ok_or(QuantizeError::Degenerate { layer })?;
        let low = accumulators(&rounded, in_max).map(|(lo, _)| lo).min().unwrap_or(0);
        let high = accumulators(&rounded, in_max).map(|(_, hi)| hi).max().unwrap_or(0);
        let spread = high - low;
        if rounded.w.iter().all(|&w| w == 0) {
            return Err(QuantizeError::Spread { layer, spread });
        }
        if spread < 1 << ARGMAX_BITS {
            return Ok((k, rounded));
        }
        k /= (spread as f64 / f64::from(1u32 << ARGMAX_BITS)).max(1.01);
    }
}

/// Rounds weights at `w_scale` and biases at `b_scale`; absent when a scale is no positive number.
///
/// A bias beyond i32 is cut off there: its range then refuses the scale, as it would uncut.
fn round(dense: &FloatDense, w_scale: f64, b_scale: f64) -> Option<Block> {
    let good = |s: f64| s.is_finite() && s > 0.0;
    if !good(w_scale) || !good(b_scale) {
        return None;
    }
    let limit = f64::from(i32::MAX);
    Some(Block {
        w: dense
            .w
            .iter()
            .map(|w| (w * w_scale).round().clamp(-WEIGHT_MAX, WEIGHT_MAX) as i16)
            .collect(),
        b: dense
            .b
            .iter()
            .map(|b| (b * b_scale).round().clamp(-limit, limit) as i32)
            .collect(),
    })
}

/// Smallest and largest accumulator of each output over all inputs in `0..=in_max`.
fn accumulators<'b>(d: &'b Block, in_max: &'b [u8]) -> impl Iterator<Item = (i64, i64)> + 'b {
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
fn worst_cases(graph: &Mlp, weights: &Weights) -> Vec<(i64, i64)> {
    let mut in_max = vec![graph.schema().feature_max; graph.schema().features()];
    let relu: Vec<(u8, u8)> = graph.relu().collect();
    let mut out = vec![];
    for (layer, d) in weights.blocks().iter().enumerate() {
        let shift = relu.get(layer).map(|r| r.0);
        let ranges: Vec<(i64, i64)> = accumulators(d, &in_max)
            .map(|(lo, hi)| match shift {
                Some(s) => (split(lo, s).0, split(hi, s).0),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema {
            shape: vec![2],
            feature_max: 16,
            classes: 2,
        }
    }

    fn model(w0: [f64; 4], b0: [f64; 2], w1: [f64; 4], b1: [f64; 2]) -> FloatModel {
        let layer = |w: [f64; 4], b: [f64; 2]| FloatDense {
            inputs: 2,
            outputs: 2,
            w: w.to_vec(),
            b: b.to_vec(),
        };
        FloatModel::new(vec![layer(w0, b0), layer(w1, b1)]).unwrap()
    }

    const RECORDS: [u8; 9] = [16, 0, 0, 0, 16, 1, 16, 16, 0];
    const EYE: [f64; 4] = [1.0, 0.0, 0.0, 1.0];

    #[test]
    fn shifts_and_bits_follow_from_shapes_alone() {
        for (inputs, max, shift, bits) in [
            (64, 16, 6, 12),
            (784, 255, 12, 14),
            (32, 255, 9, 12),
            (1, 1, 1, 9),
            (1 << 16, 255, 14, 16),
        ] {
            let s = canonical_shift(inputs, max);
            assert_eq!((s, canonical_bits(inputs, max, s)), (shift, bits), "{inputs}, {max}");
        }
        assert_eq!([0, 1, 2, 3, 4, 5].map(ceil_log2), [0, 0, 1, 2, 2, 3]);
        let q = |m: &FloatModel| quantize(m, &schema(), 64, &RECORDS).unwrap().graph;
        let (a, b) = (
            model(EYE, [0.0; 2], EYE, [0.0; 2]),
            model([3e-9; 4], [1e-9, 0.0], [7e5; 4], [0.0; 2]),
        );
        assert_eq!(q(&a), q(&b));
        assert_eq!(q(&a).arch_id(), q(&b).arch_id());
    }

    #[test]
    fn weights_fill_int8_and_scales_cancel() {
        let q = quantize(&model(EYE, [0.5, 0.0], EYE, [0.0; 2]), &schema(), 64, &RECORDS).unwrap();
        assert_eq!(q.weights.blocks()[1].w, [127, 0, 0, 127]);
        assert_eq!(q.report.agreement, 3);
        assert!(q.report.layers.iter().all(|l| l.max_error < 0.05), "{:?}", q.report);
        // The same network in other units of its hidden layer has the same integers.
        let by = |k: f64| model(EYE.map(|v| v * k), [0.5 * k, 0.0], EYE.map(|v| v / k), [0.0; 2]);
        let p = quantize(&by(1024.0), &schema(), 64, &RECORDS).unwrap();
        assert!(p.weights == q.weights);
    }

    #[test]
    fn saturation_is_counted() {
        // One record in twenty thousand is far out: cutting it off costs less than rounding all.
        let mut records = [1, 0, 0].repeat(20_000);
        records.extend([16, 16, 0]);
        let q = quantize(
            &model([1e-3, 0.0, 0.0, 100.0], [0.0; 2], EYE, [0.0; 2]),
            &schema(),
            64,
            &records,
        )
        .unwrap();
        assert_eq!(q.report.layers[0].outputs, 40_002);
        assert_eq!(q.report.layers[1].saturated, 0);
        assert!(q.report.layers[0].saturated <= 1, "{:?}", q.report);
    }

    #[test]
    fn what_does_not_fit_is_named_by_layer() {
        let says = |m: FloatModel, records: &[u8], text: &str| {
            let e = quantize(&m, &schema(), 64, records).unwrap_err().to_string();
            assert!(e.contains(text), "{text}: {e}");
        };
        says(
            model([0.0; 4], [1.0; 2], EYE, [0.0; 2]),
            &RECORDS,
            "dense layer 0: all weights are zero",
        );
        says(
            model(EYE, [0.0; 2], [0.0; 4], [0.0; 2]),
            &RECORDS,
            "dense layer 1: all weights are zero",
        );
        says(
            model(EYE, [1e9, 0.0], EYE, [0.0; 2]),
            &RECORDS,
            "dense layer 0: its accumulator needs",
        );
        says(
            model(EYE, [0.0; 2], EYE, [1e12, 0.0]),
            &RECORDS,
            "dense layer 1: class scores may differ by",
        );
        says(
            model([1e308; 4], [0.0; 2], EYE, [0.0; 2]),
            &RECORDS,
            "calibration record 1, layer 0",
        );
        says(model([1e-310; 4], [0.0; 2], EYE, [0.0; 2]), &RECORDS, "dense layer");
        says(
            model(EYE, [0.0; 2], EYE, [0.0; 2]),
            &RECORDS[1..],
            "8 calibration bytes",
        );
        says(model(EYE, [0.0; 2], EYE, [0.0; 2]), &[], "0 calibration bytes");
        let m = model(EYE, [0.0; 2], EYE, [0.0; 2]);
        let other = |shape, classes| Schema {
            shape,
            feature_max: 16,
            classes,
        };
        let e = quantize(&m, &other(vec![3], 2), 64, &RECORDS).unwrap_err();
        assert_eq!(e, QuantizeError::Inputs { model: 2, schema: 3 });
        let e = quantize(&m, &other(vec![2], 3), 64, &RECORDS).unwrap_err();
        assert_eq!(e, QuantizeError::Classes { model: 2, schema: 3 });
    }

    #[test]
    fn a_large_bias_makes_the_scale_coarser_until_the_table_holds_it() {
        let m = model(EYE, [60.0, -60.0], EYE, [0.0; 2]);
        let q = quantize(&m, &schema(), 64, &RECORDS).unwrap();
        let half = 1i64 << (canonical_bits(2, 16, canonical_shift(2, 16)) - 1);
        let (low, high) = q.report.layers[0].worst_case;
        assert!(-half <= low && high < half, "{low}..={high}");
        assert!(q.weights.blocks()[0].w.iter().all(|&w| w < 127), "the scale gave way");
    }
}
