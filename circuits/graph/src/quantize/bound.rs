//! How far an integer tensor can be from the real numbers it stands for, whatever the sample.
//!
//! An error is counted in units of its tensor, per index of the first axis: `|integer − real/scale|`.
//! It grows by what each operator loses: half a unit where something is rounded, the part of a reach
//! that a clamp cuts off, `|w_int − w|·|x|` of every weight, half an entry of a table. Linear
//! operators carry it as they carry intervals, so the rule that proves ranges bounds errors as well.

use crate::ops::table::Function;
use crate::ops::{Interval, Op, Requant, Rule, Table, Type};
use crate::weights::Block;

/// Fraction bits of errors in interval arithmetic.
const FRACTION: i32 = 8;
/// Errors above it are not told apart: no bound is claimed.
const MOST: f64 = (1u64 << 26) as f64;

/// Largest magnitude in an interval.
pub(super) fn largest((low, high): Interval) -> f64 {
    high.unsigned_abs().max(low.unsigned_abs()) as f64
}

/// Inputs of an operator: errors and reach per channel.
pub(super) struct Inputs<'a> {
    pub errors: Vec<&'a [f64]>,
    pub reach: Vec<&'a [Interval]>,
    pub kinds: &'a [&'a Type],
}

/// Errors of what an operator computes, when its weights are the real ones.
pub(super) fn propagate(op: &Op, rule: &dyn Rule, x: &Inputs, block: Option<&Block>, out: &Type) -> Vec<f64> {
    // No bound times nothing is no bound.
    let known = |e: f64| if e.is_nan() { f64::INFINITY } else { e };
    let channels = |f: &dyn Fn(usize) -> f64| (0..out.channels()).map(|c| known(f(c))).collect();
    let first = |c: usize| (x.errors[0][c], x.reach[0][c]);
    match op {
        Op::Requant(r) => channels(&|c| requant(r, first(c), false)),
        Op::Table(t) => channels(&|c| table(t, first(c))),
        Op::Poly(p) => channels(&|c| {
            let (e, reach) = first(c);
            let far = largest(reach) + e;
            // The coefficients are rounded too.
            e * (far + largest(reach) + f64::from(p.linear.unsigned_abs())) + 0.5 * far + 0.5
        }),
        Op::Mul(_) => channels(&|c| {
            let (e, reach) = first(c);
            let (f, other) = (x.errors[1][c], x.reach[1][c]);
            e * largest(other) + f * largest(reach) + e * f
        }),
        // A sum of leaves, each rounded, and the base.
        Op::Trees(t) => vec![0.5 * (t.trees as f64 + 1.0); out.channels()],
        Op::Rescale(r) => channels(&|c| {
            let f = r.factors[if r.factors.len() == 1 { 0 } else { c }];
            // Two numbers so far apart round to integers one farther apart, and the clamp keeps them in.
            (f64::from(f.value()) * first(c).0 + 1.0).min((out.high - out.low) as f64)
        }),
        Op::QdqAdd(o) => channels(&|c| {
            let unit = f64::from(o.out.value());
            let of = |s: f32, e: f64| f64::from(s) / unit * e;
            (of(o.left.value(), x.errors[0][c]) + of(o.right.value(), x.errors[1][c]) + 1.0).min(255.0)
        }),
        Op::QdqAverage(o) => channels(&|c| {
            let ratio = f64::from(o.scale.value()) / f64::from(o.out.value());
            (ratio * first(c).0 + 1.0).min(255.0)
        }),
        Op::Argmax(_) | Op::Input | Op::Constant(_) => vec![0.0; out.channels()],
        _ => linear(rule, x, block, out),
    }
}

/// Linear operators, moves and maxima: intervals around zero, without the biases.
fn linear(rule: &dyn Rule, x: &Inputs, block: Option<&Block>, out: &Type) -> Vec<f64> {
    if x.errors.iter().copied().flatten().any(|e| !(0.0..MOST).contains(e)) {
        return vec![f64::INFINITY; out.channels()];
    }
    let unit = 2f64.powi(FRACTION);
    let around = |e: &f64| {
        let end = (e * unit).ceil() as i64;
        (-end, end)
    };
    let errors: Vec<Vec<Interval>> = x.errors.iter().map(|e| e.iter().map(around).collect()).collect();
    let errors: Vec<&[Interval]> = errors.iter().map(Vec::as_slice).collect();
    let plain = block.map(|b| Block {
        w: b.w.clone(),
        b: vec![0; b.b.len()],
    });
    match rule.reach(&errors, x.kinds, plain.as_ref(), out) {
        Ok(ends) => ends.into_iter().map(|e| largest(e) / unit).collect(),
        Err(_) => vec![f64::INFINITY; out.channels()],
    }
}

/// A shift and a clamp; `exact` where the clamp is the network's own. One at zero always is: a ReLU.
pub(super) fn requant(r: &Requant, (error, (low, high)): (f64, Interval), exact: bool) -> f64 {
    let unit = 2f64.powi(-i32::from(r.shift));
    let (error, round) = (error * unit, if r.shift > 0 { 0.5 } else { 0.0 });
    let above = (high as f64 * unit + error - f64::from(r.max)).max(0.0);
    let below = (f64::from(r.min) - low as f64 * unit + error).max(0.0);
    let cut = match (exact, r.min) {
        (true, _) => 0.0,
        (false, 0) => above,
        (false, _) => above.max(below),
    };
    error + round + cut
}

fn table(t: &Table, (error, reach): (f64, Interval)) -> f64 {
    let parameter = |v: i32| f64::from(v.unsigned_abs()) / f64::from(1u32 << crate::ops::table::PARAMETER_BITS);
    // Steepest slope, and whether the function stays between its entries beyond the table's ends.
    let (slope, bounded) = match t.function {
        Function::Sigmoid => (0.25, true),
        Function::Tanh => (1.0, true),
        Function::HardSigmoid { alpha, .. } => (parameter(alpha), true),
        Function::HardSwish => (1.5, false),
        Function::LeakyRelu { alpha } => (parameter(alpha).max(1.0), false),
    };
    let unit = 2f64.powi(i32::from(t.output) - i32::from(t.input));
    // Parameters are rounded to 2^−16.
    let rounded = ((largest(reach) + error) * unit + 2f64.powi(i32::from(t.output))) * 2f64.powi(-17);
    let e = slope * error * unit + rounded + 0.5;
    if bounded {
        // Both lie between −1 and 1.
        e.min(2f64.powi(i32::from(t.output) + 1))
    } else {
        e
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requantisation_loses_half_a_unit_and_what_it_cuts_off() {
        let r = |min, max| Requant {
            shift: 2,
            bits: 16,
            min,
            max,
        };
        assert_eq!(requant(&r(0, 255), (0.0, (-4000, 1020)), false), 0.5);
        assert_eq!(requant(&r(0, 255), (4.0, (-4000, 1020)), false), 1.0 + 0.5 + 1.0);
        assert_eq!(requant(&r(-10, 10), (0.0, (-80, 0)), false), 0.5 + 10.0);
        assert_eq!(requant(&r(-10, 10), (0.0, (-80, 80)), true), 0.5);
    }
}
