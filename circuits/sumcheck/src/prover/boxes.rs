//! The block rounds of the sponge's S-boxes.
//!
//! An S-box input is linear in the cells, so inputs are bound beside outputs and the permutation's
//! linear layers never run again.

use crate::layout::{SBOXES, SPONGE_CELLS, alpha};
use crate::mle::line;
use crate::sponge::fifth;
use crate::trace::SpongeSlot;
use crate::verifier::Challenges;
use halo2curves::bn256::Fr;
use halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

/// A slot's cells, then its S-box inputs.
const WIDTH: usize = SPONGE_CELLS + SBOXES;

/// The polynomials of the sponge's cells, bound so far.
pub struct Boxes {
    alphas: Vec<Fr>,
    rows: Vec<Fr>,
}

impl Boxes {
    pub fn new(slots: &[SpongeSlot], challenges: &Challenges) -> Self {
        let mut rows = Vec::with_capacity(slots.len() * WIDTH);
        for s in slots {
            rows.extend_from_slice(&s.cells);
            rows.extend_from_slice(&s.permutation.inputs);
        }
        Self {
            alphas: challenges.alphas[alpha::SBOX..][..SBOXES].to_vec(),
            rows,
        }
    }

    /// The inner polynomial of the next round, degree 5, where `claim` is
    /// (1 − τ)·q(0) + τ·q(1); `eq` weighs the later variables.
    pub fn inner(&self, eq: &[Fr], tau: &Fr, claim: &Fr) -> [Fr; 6] {
        let zero_row = [Fr::ZERO; WIDTH];
        let count = self.rows.len() / WIDTH;
        let sums = (0..count.div_ceil(2))
            .into_par_iter()
            .map(|p| {
                let low = &self.rows[2 * p * WIDTH..(2 * p + 1) * WIDTH];
                let high = self
                    .rows
                    .get((2 * p + 1) * WIDTH..(2 * p + 2) * WIDTH)
                    .unwrap_or(&zero_row);
                let mut sums = [Fr::ZERO; 5];
                for (i, alpha) in self.alphas.iter().enumerate() {
                    let (y, z) = (low[i], low[SPONGE_CELLS + i]);
                    let (dy, dz) = (high[i] - y, high[SPONGE_CELLS + i] - z);
                    let (dy2, dz2) = (dy.double(), dz.double());
                    let at = |y: Fr, z: Fr| y - fifth(&z);
                    let values = [
                        at(y, z),
                        at(y - dy, z - dz),
                        at(y + dy2, z + dz2),
                        at(y - dy2, z - dz2),
                        -fifth(&dz),
                    ];
                    for (s, v) in sums.iter_mut().zip(values) {
                        *s += v * alpha;
                    }
                }
                sums.map(|s| s * eq[p])
            })
            .reduce(|| [Fr::ZERO; 5], |x, y| std::array::from_fn(|i| x[i] + y[i]));
        let one = (*claim - (Fr::ONE - tau) * sums[0]) * tau.invert().unwrap_or(Fr::ZERO);
        interpolate(sums[0], one, sums[1], sums[2], sums[3], sums[4])
    }

    /// Binds the round's variable.
    pub fn bind(&mut self, x: &Fr) {
        let count = self.rows.len() / WIDTH;
        let mut next = vec![Fr::ZERO; count.div_ceil(2) * WIDTH];
        next.par_chunks_mut(WIDTH).enumerate().for_each(|(p, out)| {
            let low = &self.rows[2 * p * WIDTH..(2 * p + 1) * WIDTH];
            let high = self.rows.get((2 * p + 1) * WIDTH..(2 * p + 2) * WIDTH);
            for (i, o) in out.iter_mut().enumerate() {
                *o = line(&low[i], &high.map_or(Fr::ZERO, |h| h[i]), x);
            }
        });
        self.rows = next;
    }

    /// The cells at the point, once every variable is bound.
    pub fn cells(&self) -> [Fr; SPONGE_CELLS] {
        let mut out = [Fr::ZERO; SPONGE_CELLS];
        out.copy_from_slice(&self.rows[..SPONGE_CELLS]);
        out
    }
}

/// Coefficients from values at 0, 1, −1, 2, −2 and the leading one.
fn interpolate(zero: Fr, one: Fr, minus: Fr, two: Fr, minus_two: Fr, c5: Fr) -> [Fr; 6] {
    let half = Fr::TWO_INV;
    let third = Fr::from(3).invert().unwrap_or(Fr::ZERO);
    // c2 + c4 and 4c2 + 16c4; c1 + c3 + c5 and c1 + 4c3 + 16c5.
    let even = (one + minus) * half - zero;
    let even2 = (two + minus_two) * half - zero;
    let odd = (one - minus) * half;
    let odd2 = (two - minus_two) * half.square();
    let c4 = (even2 - even.double().double()) * third * half.square();
    let c3 = (odd2 - odd) * third - (c5.double().double() + c5);
    [zero, odd - c3 - c5, even - c4, c3, c4, c5]
}
