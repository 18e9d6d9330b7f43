//! The block rounds of everything linear: chain, padding, packing, the sponge's ends.

use crate::layout::{SBOXES, alpha};
use crate::mle::bind;
use crate::statement::{Plan, packing};
use crate::trace::{Slot, Trace};
use crate::verifier::Challenges;
use crate::weights::{Weights, byte_shift};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A weight and a value of each slot; their products are summed.
type Family = (Vec<Fr>, Vec<Fr>);

/// All families, bound so far.
pub struct Linear {
    /// Over SHA-256's cells: what the value u speaks of.
    sha: Vec<Family>,
    /// Over the sponge's.
    sponge: Vec<Family>,
}

/// Multiples of a weight by every byte, for each byte of a block.
struct ByteTables(Vec<Fr>);

impl ByteTables {
    fn new(weight: impl Fn(usize) -> Fr) -> Self {
        let mut out = Vec::with_capacity(64 << 8);
        for k in 0..64 {
            let w = weight(k);
            let mut x = Fr::ZERO;
            for _ in 0..256 {
                out.push(x);
                x += w;
            }
        }
        Self(out)
    }

    fn get(&self, k: usize, byte: u8) -> Fr {
        self.0[k << 8 | usize::from(byte)]
    }
}

impl Linear {
    pub fn new(plan: &Plan, trace: &Trace, weights: &Weights, challenges: &Challenges) -> Self {
        let a = &challenges.alphas;
        let chain = |f: &(dyn Fn(&Slot, usize) -> u32 + Sync), s: &Slot| -> Fr {
            (0..8).map(|j| a[alpha::CHAIN + j] * Fr::from(u64::from(f(s, j)))).sum()
        };
        let two32 = Fr::from(1 << 32);
        let packs = ByteTables::new(|k| {
            let (element, after) = packing(k);
            a[alpha::SPONGE_INPUT + 1 + element] * byte_shift(after)
        });
        let padding = ByteTables::new(|k| a[alpha::PADDING + k]);
        let froms: Vec<usize> = BTreeSet::from_iter(weights.tails.iter().map(|t| t.1))
            .into_iter()
            .collect();

        // Per slot: H less the packed bytes, H after, and the known bytes from each `from` on.
        let values: Vec<(Fr, Fr, Vec<Fr>)> = trace
            .slots
            .par_iter()
            .map(|s| {
                let entering = chain(&Slot::entering, s);
                let after = entering + chain(&Slot::last, s) - two32 * chain(&Slot::chain_carry, s);
                let packed: Fr = (0..64).map(|k| packs.get(k, s.byte(k))).sum();
                let mut tail = vec![];
                let mut sum = Fr::ZERO;
                let mut k = 64;
                for from in froms.iter().rev() {
                    while k > *from {
                        k -= 1;
                        sum += padding.get(k, s.byte(k));
                    }
                    tail.push(sum);
                }
                tail.reverse();
                (entering - packed, after, tail)
            })
            .collect();
        let negated = |w: &[Fr]| w.iter().map(|w| -w).collect::<Vec<_>>();
        let mut sha = vec![
            (weights.a.clone(), values.iter().map(|v| v.0).collect()),
            (negated(&weights.n), values.iter().map(|v| v.1).collect()),
        ];
        for (i, from) in froms.iter().enumerate() {
            let mut w = vec![Fr::ZERO; plan.slots];
            for (slot, _, eq) in weights.tails.iter().filter(|t| t.1 == *from) {
                w[*slot] += eq;
            }
            sha.push((w, values.iter().map(|v| v.2[i]).collect()));
        }

        let lanes = |x: &[Fr]| -> Fr { x.iter().zip(&a[alpha::SPONGE_INPUT..]).map(|(x, a)| x * a).sum() };
        let outputs = || trace.sponge.iter().map(|s| s.permutation.output);
        let sponge = vec![
            (
                weights.c.clone(),
                trace.sponge.iter().map(|s| lanes(&s.cells[SBOXES..])).collect(),
            ),
            (negated(&weights.x), outputs().map(|o| lanes(&o)).collect()),
            (
                weights.v.clone(),
                outputs().map(|o| a[alpha::COMMITMENT] * o[0]).collect(),
            ),
        ];
        Self { sha, sponge }
    }

    /// The round polynomial, degree 2.
    pub fn round(&self) -> [Fr; 3] {
        let at = |v: &[Fr], i: usize| v.get(i).copied().unwrap_or(Fr::ZERO);
        let mut c = [Fr::ZERO; 3];
        for (w, f) in self.sha.iter().chain(&self.sponge) {
            for p in (0..w.len()).step_by(2) {
                let (w0, f0) = (w[p], f[p]);
                let (dw, df) = (at(w, p + 1) - w0, at(f, p + 1) - f0);
                c[0] += w0 * f0;
                c[1] += w0 * df + dw * f0;
                c[2] += dw * df;
            }
        }
        c
    }

    /// Binds the round's variable.
    pub fn bind(&mut self, x: &Fr) {
        for (w, f) in self.sha.iter_mut().chain(&mut self.sponge) {
            bind(w, x);
            bind(f, x);
        }
    }

    /// u, once every variable is bound.
    pub fn value(&self) -> Fr {
        self.sha.iter().map(|(w, f)| w[0] * f[0]).sum()
    }
}
