//! Poseidon's constants in halo2's field, and the schedule of its rounds.
//!
//! The parameters are those of [`zkaggle_graph::poseidon`]; nothing is chosen here.

use crate::backend::convert::to_halo;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use std::sync::OnceLock;
use zkaggle_graph::poseidon::Parameters;
pub use zkaggle_graph::poseidon::{T_DATA, T_WIDE};

/// One round as a circuit row sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whether every lane passes the S-box, or lane 0 alone.
    pub full: bool,
    /// Added to each lane before the S-box.
    pub constants: Vec<Fr>,
}

/// Rounds and matrix of one width.
#[derive(Clone, Debug)]
pub struct Permutation {
    /// Every round with its constants as published.
    pub rounds: Vec<Round>,
    /// The same permutation with the constants of lanes 1… of partial rounds moved forward, through
    /// the linear layer, into lane 0 and into the first full round behind them: a partial round
    /// then has one constant.
    pub sparse: Vec<Round>,
    /// `mds[row][column]`.
    pub mds: Vec<Vec<Fr>>,
}

impl Permutation {
    /// The permutation of width `t`.
    ///
    /// # Panics
    /// For widths without constants; the widths in use are constants of the graph crate.
    pub fn get(t: usize) -> &'static Self {
        static CACHE: [OnceLock<Permutation>; 14] = [const { OnceLock::new() }; 14];
        assert!((2..=13).contains(&t), "Poseidon width {t} has no constants");
        CACHE[t].get_or_init(|| Self::new(Parameters::get(t)))
    }

    fn new(p: &Parameters) -> Self {
        let mds: Vec<Vec<Fr>> = p.mds.iter().map(|r| r.iter().map(to_halo).collect()).collect();
        let rounds: Vec<Round> = p
            .round_constants
            .iter()
            .enumerate()
            .map(|(r, c)| Round {
                full: p.is_full(r),
                constants: c.iter().map(to_halo).collect(),
            })
            .collect();
        // What the written state lacks against the true one.
        let mut offset = vec![Fr::ZERO; p.width];
        let mut sparse = vec![];
        for round in &rounds {
            let mut constants: Vec<Fr> = round.constants.iter().zip(&offset).map(|(c, o)| c + o).collect();
            offset.fill(Fr::ZERO);
            if !round.full {
                let mut moved = std::mem::replace(&mut constants, vec![Fr::ZERO; p.width]);
                constants[0] = std::mem::take(&mut moved[0]);
                offset = mul(&mds, &moved);
            }
            sparse.push(Round {
                full: round.full,
                constants,
            });
        }
        Self { rounds, sparse, mds }
    }

    /// The linear layer.
    pub fn mix(&self, state: &[Fr]) -> Vec<Fr> {
        mul(&self.mds, state)
    }

    /// One round of either schedule in place.
    pub fn round(&self, round: &Round, state: &mut [Fr]) {
        for (i, (s, c)) in state.iter_mut().zip(&round.constants).enumerate() {
            *s += c;
            if round.full || i == 0 {
                *s *= s.square().square();
            }
        }
        let mixed = self.mix(state);
        state.copy_from_slice(&mixed);
    }
}

fn mul(m: &[Vec<Fr>], v: &[Fr]) -> Vec<Fr> {
    m.iter()
        .map(|row| row.iter().zip(v).map(|(m, v)| m * v).sum())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schedules_are_the_native_permutation() {
        for t in [T_DATA, T_WIDE] {
            let p = Permutation::get(t);
            let mut native: Vec<_> = (0..t as u64).map(zkaggle_graph::field::Fr::from).collect();
            let mut a: Vec<Fr> = native.iter().map(to_halo).collect();
            let mut b = a.clone();
            Parameters::get(t).permute(&mut native);
            for (x, y) in p.rounds.iter().zip(&p.sparse) {
                p.round(x, &mut a);
                p.round(y, &mut b);
            }
            let native: Vec<Fr> = native.iter().map(to_halo).collect();
            assert_eq!(a, native, "width {t}");
            assert_eq!(b, native, "width {t}, sparse");
            let lone = |r: &Round| r.full || r.constants[1..].iter().all(|c| *c == Fr::ZERO);
            assert!(p.sparse.iter().all(lone));
        }
    }
}
