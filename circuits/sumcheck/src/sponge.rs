//! The Poseidon permutation of the shard commitment, by its S-boxes.
//!
//! What is committed is every S-box output; inputs are linear in those before. The constants of lanes
//! 1 to 3 of the partial rounds, on which such a round acts linearly, are moved forward into lane 0 and
//! into the full round that follows (Grassi et al. 2021, appendix B): the same permutation with 88
//! constants, one an S-box.

use crate::layout::{SBOXES, SPONGE_CELLS};
use ark_ff::PrimeField as _;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use std::sync::OnceLock;
use zkaggle_graph::poseidon::{Parameters, T_DATA};
use zkaggle_graph::tag::Tag;

/// Lanes of the state.
pub const LANES: usize = T_DATA;
/// Full rounds before the partial ones, and as many after.
pub const HALF: usize = 4;
/// Partial rounds.
pub const PARTIAL: usize = 56;
const _: () = assert!(2 * HALF * LANES + PARTIAL == SBOXES);

/// Constants and matrix.
#[derive(Debug)]
pub struct Sponge {
    /// One a S-box, in the order of evaluation.
    pub constants: [Fr; SBOXES],
    /// `new[row] = Σ mds[row][column]·old[column]`.
    pub mds: [[Fr; LANES]; LANES],
    /// State 0 before a shard's first permutation.
    pub tag: Fr,
}

/// The S-box inputs and the output of a permutation.
#[derive(Clone, Debug)]
pub struct Permutation {
    pub inputs: [Fr; SBOXES],
    pub output: [Fr; LANES],
}

/// arkworks to halo2curves.
pub fn from_graph(x: &zkaggle_graph::field::Fr) -> Fr {
    Fr::from_raw(x.into_bigint().0)
}

impl Sponge {
    /// The constants of `graph::poseidon` for width 4.
    pub fn get() -> &'static Self {
        static CACHE: OnceLock<Sponge> = OnceLock::new();
        CACHE.get_or_init(|| Self::derive(Parameters::get(LANES)))
    }

    fn derive(p: &Parameters) -> Self {
        assert_eq!(
            (p.full_rounds, p.partial_rounds),
            (2 * HALF, PARTIAL),
            "the cells are drawn for t = 4"
        );
        let given = |r: usize| -> [Fr; LANES] { std::array::from_fn(|j| from_graph(&p.round_constants[r][j])) };
        let mds: [[Fr; LANES]; LANES] = std::array::from_fn(|i| std::array::from_fn(|j| from_graph(&p.mds[i][j])));
        let mut constants = vec![];
        for r in 0..HALF {
            constants.extend(given(r));
        }
        // What has been left out of each lane so far.
        let mut owed = [Fr::ZERO; LANES];
        for r in 0..PARTIAL {
            let mut c = given(HALF + r);
            for (c, o) in c.iter_mut().zip(&owed) {
                *c += o;
            }
            constants.push(c[0]);
            owed = std::array::from_fn(|k| (1..LANES).map(|j| mds[k][j] * c[j]).sum());
        }
        for r in 0..HALF {
            let mut c = given(HALF + PARTIAL + r);
            if r == 0 {
                for (c, o) in c.iter_mut().zip(&owed) {
                    *c += o;
                }
            }
            constants.extend(c);
        }
        let mut all = [Fr::ZERO; SBOXES];
        all.copy_from_slice(&constants);
        Self {
            constants: all,
            mds,
            tag: from_graph(&Tag::Shard.field()),
        }
    }

    fn mix(&self, s: &[Fr; LANES]) -> [Fr; LANES] {
        std::array::from_fn(|k| (0..LANES).map(|j| self.mds[k][j] * s[j]).sum())
    }

    /// Inputs and output, linear in the entering lanes, the S-box outputs and `act`.
    ///
    /// `output_of(i, input)` gives the output of S-box i: from a cell, or by computing it.
    pub(crate) fn walk(
        &self,
        lanes: [Fr; LANES],
        act: &Fr,
        mut output_of: impl FnMut(usize, &Fr) -> Fr,
    ) -> Permutation {
        let mut inputs = [Fr::ZERO; SBOXES];
        let mut s = lanes;
        let mut i = 0;
        for r in 0..2 * HALF + PARTIAL {
            let boxed = if (HALF..HALF + PARTIAL).contains(&r) { 1 } else { LANES };
            for lane in s.iter_mut().take(boxed) {
                inputs[i] = *lane + *act * self.constants[i];
                *lane = output_of(i, &inputs[i]);
                i += 1;
            }
            s = self.mix(&s);
        }
        Permutation { inputs, output: s }
    }

    /// What the cells of a slot (or a combination of slots) say.
    pub fn of_cells(&self, cells: &[Fr; SPONGE_CELLS], act: &Fr) -> Permutation {
        let mut lanes = [Fr::ZERO; LANES];
        lanes.copy_from_slice(&cells[SBOXES..]);
        self.walk(lanes, act, |i, _| cells[i])
    }

    /// Runs the permutation: its cells, inputs and output.
    pub fn run(&self, lanes: [Fr; LANES]) -> ([Fr; SPONGE_CELLS], Permutation) {
        let mut cells = [Fr::ZERO; SPONGE_CELLS];
        let p = self.walk(lanes, &Fr::ONE, |i, x| {
            cells[i] = fifth(x);
            cells[i]
        });
        cells[SBOXES..].copy_from_slice(&lanes);
        (cells, p)
    }
}

/// The S-box.
pub fn fifth(x: &Fr) -> Fr {
    x.square().square() * x
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_graph::field::Fr as GraphFr;

    #[test]
    fn moved_constants_give_the_same_permutation() {
        for seed in 0..3u64 {
            let mut want: Vec<GraphFr> = (0..4).map(|i| -GraphFr::from(seed * 7 + i)).collect();
            let lanes = std::array::from_fn(|i| from_graph(&want[i]));
            Parameters::get(LANES).permute(&mut want);
            let (cells, p) = Sponge::get().run(lanes);
            assert_eq!(p.output.to_vec(), want.iter().map(from_graph).collect::<Vec<_>>());
            let again = Sponge::get().of_cells(&cells, &Fr::ONE);
            assert_eq!((again.inputs, again.output), (p.inputs, p.output));
        }
    }

    #[test]
    fn a_slot_out_of_use_is_zero() {
        let p = Sponge::get().of_cells(&[Fr::ZERO; SPONGE_CELLS], &Fr::ZERO);
        assert_eq!((p.inputs, p.output), ([Fr::ZERO; SBOXES], [Fr::ZERO; LANES]));
    }
}
