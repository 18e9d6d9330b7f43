//! The sponge's permutation in the form the rows want it.
//!
//! A full round takes two rows: its state, then the squares of the S-boxes' inputs. A row takes two
//! partial rounds; there the constants of lanes 1 to 3, on which a partial round acts linearly, are
//! moved forward into lane 0 and into the full round that follows (Grassi et al. 2021, appendix B),
//! so that a row needs two constants and not eight. The permutation is the same; only the affine
//! shift of the cells between changes.

use crate::backend::convert::to_halo;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use std::sync::OnceLock;
use zkaggle_graph::poseidon::{Parameters, T_DATA};

/// Width.
pub const T: usize = T_DATA;
/// Rows of two partial rounds.
pub const PAIRS: usize = 28;

/// Constants and matrices of the rows.
#[derive(Debug)]
pub struct Rounds {
    /// Constants of the full rounds, those after the partial rounds shifted.
    pub full: [[Fr; T]; 8],
    /// Lane-0 constants of the partial rounds, two a row.
    pub partial: [[Fr; 2]; PAIRS],
    /// `mds[row][column]`.
    pub mds: [[Fr; T]; T],
    /// Second partial round after the first: `next[k] = mds[k][0]·z₂ + pair[k][0]·z₁ + Σ pair[k][i]·s[i]`.
    pub pair: [[Fr; T]; T],
}

/// One row of two partial rounds.
pub struct Pair {
    pub x: Fr,
    pub u: Fr,
    pub y: Fr,
    pub next: [Fr; T],
}

impl Rounds {
    pub fn get() -> &'static Self {
        static CACHE: OnceLock<Rounds> = OnceLock::new();
        CACHE.get_or_init(|| Self::derive(Parameters::get(T)))
    }

    fn derive(p: &Parameters) -> Self {
        let half = p.full_rounds / 2;
        assert_eq!(
            (p.full_rounds, p.partial_rounds),
            (8, 2 * PAIRS),
            "rows are drawn for t = 4"
        );
        let constants = |r: usize| -> [Fr; T] { std::array::from_fn(|j| to_halo(&p.round_constants[r][j])) };
        let mds: [[Fr; T]; T] = std::array::from_fn(|i| std::array::from_fn(|j| to_halo(&p.mds[i][j])));
        let mut full = [[Fr::ZERO; T]; 8];
        for (r, f) in full.iter_mut().enumerate().take(half) {
            *f = constants(r);
        }
        // What has been left out of each lane so far.
        let mut owed = [Fr::ZERO; T];
        let mut partial = [[Fr::ZERO; 2]; PAIRS];
        for i in 0..p.partial_rounds {
            let mut c = constants(half + i);
            for (c, o) in c.iter_mut().zip(&owed) {
                *c += o;
            }
            partial[i / 2][i % 2] = c[0];
            owed = std::array::from_fn(|k| (1..T).map(|j| mds[k][j] * c[j]).sum());
        }
        for r in 0..half {
            full[half + r] = constants(half + p.partial_rounds + r);
        }
        for (c, o) in full[half].iter_mut().zip(&owed) {
            *c += o;
        }
        let pair = std::array::from_fn(|k| std::array::from_fn(|i| (1..T).map(|j| mds[k][j] * mds[j][i]).sum()));
        Self {
            full,
            partial,
            mds,
            pair,
        }
    }

    /// Full round `r`: the squares and the state after it.
    pub fn full_round(&self, r: usize, s: &[Fr; T]) -> ([Fr; T], [Fr; T]) {
        let t: [Fr; T] = std::array::from_fn(|j| s[j] + self.full[r][j]);
        let squares = t.map(|t| t.square());
        let next = std::array::from_fn(|k| (0..T).map(|j| self.mds[k][j] * squares[j].square() * t[j]).sum());
        (squares, next)
    }

    /// Partial rounds `2i` and `2i + 1`.
    pub fn partial_pair(&self, i: usize, s: &[Fr; T]) -> Pair {
        let first = s[0] + self.partial[i][0];
        let x = first.square();
        let z1 = x.square() * first;
        let u = self.mds[0][0] * z1 + (1..T).map(|j| self.mds[0][j] * s[j]).sum::<Fr>();
        let second = u + self.partial[i][1];
        let y = second.square();
        let z2 = y.square() * second;
        let next = std::array::from_fn(|k| {
            self.mds[k][0] * z2 + self.pair[k][0] * z1 + (1..T).map(|j| self.pair[k][j] * s[j]).sum::<Fr>()
        });
        Pair { x, u, y, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_graph::field::Fr as ArkFr;

    #[test]
    fn moved_constants_give_the_same_permutation() {
        let r = Rounds::get();
        for seed in 0..3u64 {
            let mut ark: Vec<ArkFr> = (0..4).map(|i| -ArkFr::from(seed * 7 + i)).collect();
            let mut s: [Fr; T] = std::array::from_fn(|i| to_halo(&ark[i]));
            Parameters::get(T).permute(&mut ark);
            for i in 0..4 {
                s = r.full_round(i, &s).1;
            }
            for i in 0..PAIRS {
                s = r.partial_pair(i, &s).next;
            }
            for i in 4..8 {
                s = r.full_round(i, &s).1;
            }
            let want: Vec<Fr> = ark.iter().map(to_halo).collect();
            assert_eq!(s.to_vec(), want);
        }
    }
}
