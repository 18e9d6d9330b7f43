//! Second-phase columns: what follows from the first phase once the challenges are known.
//!
//! Nothing here is a choice. Every cell is computed from first-phase cells by the recurrence that
//! its constraint states, also when those cells are false: a lie of the first phase then shows
//! where it must, in `the folds cancel` or in the end of the read sum.

use super::columns::{adv, fix};
use super::plan::Plan;
use super::witness::Grid;
use crate::gadgets::field::signed;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::ff::BatchInvert;
use rayon::prelude::*;

/// The challenges in the order they are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Challenges {
    pub rho: Fr,
    pub sigma: Fr,
    pub beta: Fr,
    pub gamma: Fr,
}

/// Fills the columns from [`adv::FIRST_PHASE`] on; index 0 of the result is [`adv::VA`].
pub fn second_phase(plan: &Plan, g: &Grid, c: &Challenges) -> Grid {
    let mut out = Second {
        plan,
        g,
        c,
        out: Grid::new(adv::COUNT_ALL - adv::FIRST_PHASE, plan.usable()),
    };
    let powers = out.powers();
    let sums = out.weights(&powers);
    out.inputs(&sums);
    out.units(&sums, &powers);
    out.classes(&powers);
    out.reads();
    out.out
}

struct Second<'a> {
    plan: &'a Plan,
    g: &'a Grid,
    c: &'a Challenges,
    out: Grid,
}

impl Second<'_> {
    fn first(&self, column: usize, row: usize) -> Fr {
        self.g.get(column, row)
    }

    fn set(&mut self, column: usize, row: usize, x: Fr) {
        self.out.set(column - adv::FIRST_PHASE, row, x);
    }

    fn powers(&mut self) -> Vec<Fr> {
        let outputs: usize = self.plan.graph().dense().map(|(_, o)| o).sum();
        let mut x = Fr::ONE;
        (0..outputs)
            .map(|i| {
                let at = self.plan.power(i);
                self.set(at.column, at.row, x);
                let this = x;
                x *= self.c.sigma;
                this
            })
            .collect()
    }

    /// Running sums of the weight rows.
    fn weights(&mut self, powers: &[Fr]) -> Vec<Fr> {
        let mut sums: Vec<Fr> = vec![];
        for (i, b) in self.plan.weight_bytes().iter().enumerate() {
            let row = self.plan.weights() + i;
            let before = b.before.map_or(Fr::ZERO, |j| sums[j]);
            let tb = powers[b.output];
            let sum = before + tb * signed(b.scale) * self.first(adv::ACT, row);
            self.set(adv::VB, row, before);
            self.set(adv::TB, row, tb);
            self.set(adv::FB, row, sum);
            sums.push(sum);
        }
        sums
    }

    fn inputs(&mut self, sums: &[Fr]) {
        let schema = self.plan.graph().schema();
        let (places, features, stride) = (schema.places(), schema.features(), schema.stride());
        let bytes = schema.shard_bytes(self.plan.graph().samples());
        let bias = sums[self.plan.bias()];
        let mut fa = Fr::ZERO;
        for row in 0..self.plan.end() {
            self.set(adv::FA, row, fa);
            let Some(at) = row.checked_sub(schema.offset()).filter(|_| row < bytes) else {
                continue;
            };
            let place = at % stride;
            let feature = place.checked_sub(places.features_at as usize).filter(|j| *j < features);
            let weight = feature.map(|j| sums[self.plan.coefficient(0, j)]);
            if place + 1 < stride {
                let v = weight.unwrap_or(Fr::ZERO);
                self.set(adv::VA, row, v);
                fa += v * self.first(adv::BYTE, row);
            } else {
                let v = match (weight, self.plan.closing_row(at / stride)) {
                    (Some(weight), Some(closing)) => self.closing(closing, bias, weight),
                    _ => bias,
                };
                self.set(adv::VA, row, v);
                fa = self.c.rho * (fa + v * self.first(adv::ON, row));
            }
        }
        self.set(adv::FA, self.plan.end(), fa);
    }

    /// What closes a record whose last byte is a feature.
    fn closing(&mut self, row: usize, bias: Fr, weight: Fr) -> Fr {
        let sum = bias + weight * self.first(adv::ACT, row);
        self.set(adv::VB, row, bias);
        self.set(adv::TB, row, weight);
        self.set(adv::FB, row, sum);
        sum
    }

    fn units(&mut self, sums: &[Fr], powers: &[Fr]) {
        let shifts: Vec<u8> = self.plan.graph().relu().map(|(s, _)| s).collect();
        let layers: Vec<(usize, usize)> = self.plan.hidden_layers().collect();
        let mut fb = Fr::ZERO;
        let mut row = 0;
        for _ in 0..self.plan.graph().samples() {
            let mut output = 0;
            for (&(layer, width), &shift) in layers.iter().zip(&shifts) {
                for unit in 0..width {
                    let v = sums[self.plan.coefficient(layer + 1, unit)];
                    let tb = powers[output];
                    self.set(adv::VB, row, v);
                    self.set(adv::TB, row, tb);
                    self.set(adv::FB, row, fb);
                    let z = Fr::from(1 << shift) * self.first(adv::HI, row) + self.first(adv::REM, row)
                        - Fr::from(1 << (shift - 1));
                    fb += v * self.first(adv::ACT, row) - tb * z;
                    output += 1;
                    row += 1;
                }
            }
            if output > 0 {
                fb *= self.c.rho;
            }
        }
        self.set(adv::FB, row, fb);
        self.set(adv::VB, self.plan.end(), fb);
    }

    fn classes(&mut self, powers: &[Fr]) {
        let classes = usize::from(self.plan.graph().schema().classes);
        let mut fb = Fr::ZERO;
        for sample in 0..self.plan.graph().samples() {
            for o in 0..classes {
                let row = self.plan.class_row(sample) + o;
                let tb = powers[self.plan.first_class() + o];
                self.set(adv::TB, row, tb);
                self.set(adv::FB, row, fb);
                fb -= tb * self.first(adv::Z, row);
            }
            self.set(adv::FB, self.plan.match_row(sample), fb);
            fb *= self.c.rho;
        }
        self.set(adv::FB, self.plan.last(), fb);
        self.set(adv::FB, self.plan.end(), fb);
    }

    fn reads(&mut self) {
        let live = self.plan.usable() - 1;
        let Challenges { beta, gamma, .. } = *self.c;
        let gamma2 = gamma.square();
        let f = self.plan.fixed_columns(&[fix::G1, fix::G2, fix::T0, fix::T1, fix::TT]);
        let mut keys: Vec<[Fr; 4]> = (0..live)
            .into_par_iter()
            .map(|row| {
                [
                    beta + self.first(adv::HI, row) + gamma * self.first(adv::ACT, row) + gamma2 * f[0][row],
                    beta + self.first(adv::REM, row) + gamma2 * f[1][row],
                    beta + self.first(adv::BYTE, row),
                    beta + f[2][row] + gamma * f[3][row] + gamma2 * f[4][row],
                ]
            })
            .collect();
        keys.par_chunks_mut(4096).for_each(|chunk| {
            chunk.iter_mut().flatten().batch_invert();
        });
        let mut sum = Fr::ZERO;
        for (row, [a, b, c, entry]) in keys.into_iter().enumerate() {
            let helper = a + b + c;
            self.set(adv::HELPER, row, helper);
            self.set(adv::SUM, row, sum);
            sum += helper - self.first(adv::MULT, row) * entry;
        }
        self.set(adv::SUM, live, sum);
    }
}
