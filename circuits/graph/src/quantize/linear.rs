//! Rounding of one layer: the scale of every output channel, and its integers.
//!
//! An accumulator of channel `o` stands for `a_o`, so `w_int = round(w·s_in/a_o)`,
//! `b_int = round(b/a_o)`; after a shift the output stands for `s_o = a_o·2^shift`. Scales are free
//! real numbers: they live in the rounding, and in the weights of whatever reads the channel.

use super::bound::largest;
use super::canonical::{Narrowing, Scales, WeightBits};
use super::{Method, QuantizeError};
use crate::ops::requant::split;
use crate::ops::{Interval, dot, step, times};
use crate::weights::Block;
use rayon::prelude::*;

/// Shares of the calibrated activations that must not saturate: one candidate scale each.
const SHARES: [f64; 4] = [1.0, 0.9999, 0.999, 0.995];
/// Candidate scales at which the largest weights are cut off, four to the octave.
///
/// A network trained on standardised features has huge weights where a feature hardly ever varies
/// (the corners of a digit); keeping them whole would round all others to nothing.
const CUTS: i32 = 40;

/// Where the accumulator goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// To a narrow tensor; scales stay within the limits.
    Narrow { to: Narrowing, limits: Scales },
    /// Class scores: all of one scale, differing by less than `2^bits`.
    Scores { bits: u8 },
}

/// One layer to be rounded.
pub(super) struct Linear<'a> {
    pub layer: &'a str,
    pub bits: WeightBits,
    /// `[outputs][taps]`.
    pub w: &'a [f32],
    pub b: &'a [f32],
    pub taps: usize,
    pub groups: usize,
    /// Scale and interval of every tap of every group: `[groups][taps]`.
    pub scale: Vec<f64>,
    pub reach: Vec<Interval>,
    /// Largest magnitude of an input.
    pub input_max: i64,
    /// Calibration inputs, `[positions][groups][taps]`.
    pub patches: Vec<i16>,
    /// Float outputs, `[outputs][positions]`.
    pub wanted: Vec<Vec<f32>>,
}

/// A channel rounded at some scale.
struct Rounded {
    w: Vec<i16>,
    b: i32,
    low: i64,
    high: i64,
}

impl Linear<'_> {
    fn weight_max(&self) -> f64 {
        self.bits.largest() as f64
    }

    fn outputs(&self) -> usize {
        self.b.len()
    }

    fn group(&self, o: usize) -> usize {
        o / (self.outputs() / self.groups)
    }

    fn row(&self, o: usize) -> impl Iterator<Item = f64> + '_ {
        let s = &self.scale[self.group(o) * self.taps..][..self.taps];
        let w = &self.w[o * self.taps..][..self.taps];
        w.iter().zip(s).map(|(&w, &s)| f64::from(w) * s)
    }

    fn largest(&self, o: usize) -> f64 {
        self.row(o).fold(0.0, |m, w| m.max(w.abs()))
    }

    /// Rounds channel `o` at accumulator scale `a`.
    fn round(&self, o: usize, a: f64) -> Rounded {
        let limit = f64::from(i32::MAX);
        // A bias beyond i32 is cut off there: its range then refuses the scale, as it would uncut.
        let b = (f64::from(self.b[o]) / a).round().clamp(-limit, limit) as i32;
        let w: Vec<i16> = self
            .row(o)
            .map(|w| (w / a).round().clamp(-self.weight_max(), self.weight_max()) as i16)
            .collect();
        let reach = &self.reach[self.group(o) * self.taps..][..self.taps];
        let start = (i64::from(b), i64::from(b));
        let (low, high) = w.iter().zip(reach).fold(start, |(low, high), (&w, &x)| {
            let (l, h) = times(i64::from(w), x);
            (low + l, high + h)
        });
        Rounded { w, b, low, high }
    }

    /// What rounding loses in each channel at these accumulator scales (one, or one a channel): of
    /// every weight on the largest input it can meet, and of the bias. `errors` are the inputs'.
    pub fn lost(&self, scales: &[f64], block: &Block, errors: &[f64]) -> Vec<f64> {
        let channel = |o: usize| {
            let a = scales[if scales.len() == 1 { 0 } else { o }];
            let first = self.group(o) * self.taps;
            let rounded = &block.w[o * self.taps..][..self.taps];
            let each = self.row(o).zip(rounded).enumerate().map(|(t, (w, &r))| {
                let far = largest(self.reach[first + t]) + errors[first + t];
                (w / a - f64::from(r)).abs() * far
            });
            each.sum::<f64>() + (f64::from(self.b[o]) / a - f64::from(block.b[o])).abs()
        };
        (0..self.outputs()).map(channel).collect()
    }

    /// Squared error of channel `o`.
    fn error(&self, o: usize, r: &Rounded, target: Target, a: f64) -> f64 {
        let (all, step) = (self.groups * self.taps, step(self.bits.largest(), self.input_max));
        let patches = self.patches.chunks_exact(all);
        let first = self.group(o) * self.taps;
        let each = patches.zip(&self.wanted[o]).map(|(p, &want)| {
            let acc = dot(&r.w, &p[first..first + self.taps], step) + i64::from(r.b);
            let got = match target {
                Target::Narrow { to, .. } => {
                    let y = split(acc, to.shift).0.clamp(i64::from(to.min), i64::from(to.max));
                    y as f64 * a * f64::from(1u32 << to.shift)
                }
                Target::Scores { .. } => acc as f64 * a,
            };
            (got - f64::from(want)).powi(2)
        });
        each.sum()
    }

    /// Accumulator scales to try for some channels together, best guess first.
    fn candidates(&self, channels: &[usize], target: Target, method: Method) -> Vec<f64> {
        let floor = channels.iter().fold(0.0, |m: f64, &o| m.max(self.largest(o))) / self.weight_max();
        let bias = channels
            .iter()
            .fold(0.0, |m: f64, &o| m.max(f64::from(self.b[o].abs())));
        // A channel without weights is its bias.
        let floor = if floor > 0.0 {
            floor
        } else {
            (bias / f64::from(1 << 20)).max(1e-30)
        };
        let cuts = (1..=CUTS).map(|j| floor * 2f64.powf(-f64::from(j) / 4.0));
        let Target::Narrow { to, limits } = target else {
            return match method {
                Method::Mse => std::iter::once(floor).chain(cuts).collect(),
                Method::MinMax | Method::Percentile(_) => vec![floor],
            };
        };
        let unit = f64::from(1u32 << to.shift);
        let relu = to.min == 0;
        let mut seen: Vec<f32> = channels
            .iter()
            .flat_map(|&o| &self.wanted[o])
            .map(|&v| if relu { v.max(0.0) } else { v.abs() })
            .filter(|&v| v > 0.0)
            .collect();
        seen.sort_by(f32::total_cmp);
        let top = |share: f64| {
            let at = ((seen.len() as f64 * share).ceil() as usize).clamp(1, seen.len().max(1)) - 1;
            f64::from(seen.get(at).copied().unwrap_or(0.0)) / to.levels() / unit
        };
        let limited = |a: f64| limits.hold(a * unit) / unit;
        match method {
            Method::MinMax => vec![limited(top(1.0).max(floor))],
            Method::Percentile(share) => vec![limited(top(share).max(floor))],
            Method::Mse => {
                let tops = SHARES.map(top);
                let mut all: Vec<f64> = tops.iter().map(|t| limited(t.max(floor))).collect();
                all.extend(cuts.filter(|&c| c > tops[3]).map(limited));
                all.dedup();
                all
            }
        }
    }

    /// The smallest scale from `a` on at which the channels stay in their table.
    fn fit(&self, channels: &[usize], target: Target, mut a: f64) -> Result<(f64, Vec<Rounded>), QuantizeError> {
        loop {
            if !(a.is_finite() && a > 0.0) {
                return Err(QuantizeError::Degenerate {
                    layer: self.layer.to_owned(),
                });
            }
            let rounded: Vec<Rounded> = channels.iter().map(|&o| self.round(o, a)).collect();
            let low = rounded.iter().map(|r| r.low).min().unwrap_or(0);
            let high = rounded.iter().map(|r| r.high).max().unwrap_or(0);
            let (over, bits) = match target {
                Target::Narrow { to, .. } => {
                    let half = 1i64 << (to.bits - 1);
                    let (l, h) = (split(low, to.shift).0, split(high, to.shift).0);
                    let over = (-l).max(h + 1) as f64 / half as f64;
                    (over, to.bits)
                }
                Target::Scores { bits } => ((high - low + 1) as f64 / f64::from(1u32 << bits), bits),
            };
            if over <= 1.0 {
                return Ok((a, rounded));
            }
            // A channel that its bias dwarfs becomes a constant; a whole layer may not.
            let whole = channels.len() == self.outputs() && channels.iter().any(|&o| self.largest(o) > 0.0);
            if whole && rounded.iter().all(|r| r.w.iter().all(|&w| w == 0)) {
                return Err(QuantizeError::Range {
                    layer: self.layer.to_owned(),
                    low,
                    high,
                    bits,
                });
            }
            // Never less than 1 %, so that the loop ends: a few hundred such steps round 127 to zero.
            a *= over.max(1.01);
            if let Target::Narrow { to, limits } = target {
                let unit = f64::from(1u32 << to.shift);
                a = limits.snap(a * unit) / unit;
            }
        }
    }

    /// Finds the scales with the smallest squared error, one for all channels if `uniform`, and rounds.
    ///
    /// # Errors
    /// The layer, when its accumulators do not fit.
    pub fn choose(&self, target: Target, uniform: bool, method: Method) -> Result<(Vec<f64>, Block), QuantizeError> {
        if (0..self.outputs()).all(|o| self.largest(o) == 0.0) {
            return Err(QuantizeError::Degenerate {
                layer: self.layer.to_owned(),
            });
        }
        let one = |channels: &[usize]| -> Result<(f64, Vec<Rounded>), QuantizeError> {
            let mut best: Option<(f64, f64, Vec<Rounded>)> = None;
            let candidates = self.candidates(channels, target, method);
            let single = candidates.len() == 1;
            for a in candidates {
                let (a, rounded) = self.fit(channels, target, a)?;
                if single {
                    return Ok((a, rounded));
                }
                // Summed in order, so that the choice never depends on how threads were scheduled.
                let errors: Vec<f64> = if uniform {
                    channels
                        .par_iter()
                        .zip(&rounded)
                        .map(|(&o, r)| self.error(o, r, target, a))
                        .collect()
                } else {
                    channels
                        .iter()
                        .zip(&rounded)
                        .map(|(&o, r)| self.error(o, r, target, a))
                        .collect()
                };
                let error: f64 = errors.iter().sum();
                if best.as_ref().is_none_or(|(e, ..)| error < *e) {
                    best = Some((error, a, rounded));
                }
            }
            best.map(|(_, a, r)| (a, r)).ok_or_else(|| QuantizeError::Degenerate {
                layer: self.layer.to_owned(),
            })
        };
        let unit = match target {
            Target::Narrow { to, .. } => f64::from(1u32 << to.shift),
            Target::Scores { .. } => 1.0,
        };
        let (scales, rounded): (Vec<f64>, Vec<Rounded>) = if uniform {
            let all: Vec<usize> = (0..self.outputs()).collect();
            let (a, rounded) = one(&all)?;
            (vec![a * unit], rounded)
        } else {
            let each: Result<Vec<_>, _> = (0..self.outputs()).into_par_iter().map(|o| one(&[o])).collect();
            let each = each?
                .into_iter()
                .filter_map(|(a, r)| Some((a * unit, r.into_iter().next()?)));
            each.unzip()
        };
        if rounded.iter().all(|r| r.w.iter().all(|&w| w == 0)) {
            return Err(QuantizeError::Range {
                layer: self.layer.to_owned(),
                low: rounded.iter().map(|r| r.low).min().unwrap_or(0),
                high: rounded.iter().map(|r| r.high).max().unwrap_or(0),
                bits: match target {
                    Target::Narrow { to, .. } => to.bits,
                    Target::Scores { bits } => bits,
                },
            });
        }
        Ok((
            scales,
            Block {
                w: rounded.iter().flat_map(|r| r.w.iter().copied()).collect(),
                b: rounded.iter().map(|r| r.b).collect(),
            },
        ))
    }
}
