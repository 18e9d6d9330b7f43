//! Poseidon with circomlib's parameters, and the sponge every commitment uses.
//!
//! Permutation: x⁵ S-box, 8 full rounds, circomlib's partial-round counts, constants by the
//! paper's Grain generator (Grassi et al. 2021, "Poseidon", section 5 and appendix F) as carried by
//! the `light-poseidon` crate for widths up to 13.
//!
//! Sponge: the capacity element `state[0]` starts at the tag, each block of `t − 1` elements is
//! **added** to `state[1..]` and the permutation follows; the last block is padded with zeros. The
//! output is `state[0]`. Callers put lengths first, so two messages never pad to the same blocks.

use crate::field::Fr;
use crate::tag::Tag;
use ark_ff::{Field, Zero};
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;
use std::sync::OnceLock;

/// Width of the sponge over dataset bytes: three elements, one SHA-256 block, per permutation.
pub const T_DATA: usize = 4;
/// Width of the sponge over weights, predictions and key stream: eight elements per permutation.
///
/// 405 R1CS constraints per 8 elements (ENGINE); wider sponges save another quarter there but need
/// constants that no crate carries and wider rows in the halo2 circuit.
pub const T_WIDE: usize = 9;

/// Round constants and mixing matrix for one width.
#[derive(Clone, Debug)]
pub struct Parameters {
    pub width: usize,
    pub full_rounds: usize,
    pub partial_rounds: usize,
    /// `round_constants[round][lane]`, added before the S-box.
    pub round_constants: Vec<Vec<Fr>>,
    /// `mds[row][column]`: `new[row] = Σ mds[row][column]·old[column]`.
    pub mds: Vec<Vec<Fr>>,
}

impl Parameters {
    /// Parameters of width `t`.
    ///
    /// # Panics
    /// For widths other than 2 to 13: the widths in use are constants of this crate.
    pub fn get(t: usize) -> &'static Self {
        static CACHE: [OnceLock<Parameters>; 14] = [const { OnceLock::new() }; 14];
        assert!((2..=13).contains(&t), "Poseidon width {t} has no constants");
        CACHE[t].get_or_init(|| {
            let p = get_poseidon_parameters::<Fr>(t as u8).expect("widths 2 to 13 are carried");
            Self {
                width: t,
                full_rounds: p.full_rounds,
                partial_rounds: p.partial_rounds,
                round_constants: p.ark.chunks(t).map(<[Fr]>::to_vec).collect(),
                mds: p.mds,
            }
        })
    }

    /// All rounds, full and partial.
    pub fn rounds(&self) -> usize {
        self.full_rounds + self.partial_rounds
    }

    /// Whether round `r` puts every lane through the S-box (or only lane 0).
    pub fn is_full(&self, r: usize) -> bool {
        r < self.full_rounds / 2 || r >= self.full_rounds / 2 + self.partial_rounds
    }

    /// One round in place: constants, S-box, mix.
    pub fn round(&self, r: usize, state: &mut [Fr]) {
        for (s, c) in state.iter_mut().zip(&self.round_constants[r]) {
            *s += c;
        }
        let boxed = if self.is_full(r) { self.width } else { 1 };
        for s in &mut state[..boxed] {
            let sq = s.square();
            *s *= sq.square();
        }
        let mixed: Vec<Fr> = self
            .mds
            .iter()
            .map(|row| row.iter().zip(state.iter()).map(|(m, s)| *m * s).sum())
            .collect();
        state.copy_from_slice(&mixed);
    }

    /// The whole permutation in place.
    pub fn permute(&self, state: &mut [Fr]) {
        for r in 0..self.rounds() {
            self.round(r, state);
        }
    }
}

/// Absorbs `elements` under `tag` with width `t`; returns `state[0]`.
pub fn hash(t: usize, tag: Tag, elements: &[Fr]) -> Fr {
    let p = Parameters::get(t);
    let mut state = vec![Fr::zero(); t];
    state[0] = tag.field();
    for block in elements.chunks(t - 1) {
        for (s, e) in state[1..].iter_mut().zip(block) {
            *s += e;
        }
        p.permute(&mut state);
    }
    state[0]
}

/// Block `index` of the key stream: `t − 1` words from one permutation of
/// `(TAG_STREAM, key, index, 0, …)`, read from `state[1..]`.
///
/// The capacity lane stays hidden, so the permutation cannot be run backwards from the stream.
pub fn stream_block(key: Fr, index: u64) -> [Fr; T_WIDE - 1] {
    let mut state = [Fr::zero(); T_WIDE];
    state[0] = Tag::Stream.field();
    state[1] = key;
    state[2] = Fr::from(index);
    Parameters::get(T_WIDE).permute(&mut state);
    let mut out = [Fr::zero(); T_WIDE - 1];
    out.copy_from_slice(&state[1..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::to_be_bytes;

    /// circomlibjs `poseidon([1, 2])`, its own published test vector (t = 3, capacity 0).
    #[test]
    fn permutation_matches_circomlib() {
        let mut s = [Fr::zero(), Fr::from(1u64), Fr::from(2u64)];
        Parameters::get(3).permute(&mut s);
        assert_eq!(
            hex::encode(to_be_bytes(&s[0])),
            "115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189a"
        );
    }

    /// circomlibjs `poseidon([1, 2, 3, 4])` (t = 5).
    #[test]
    fn wider_permutation_matches_circomlib() {
        let mut s: Vec<Fr> = (0..5u64).map(Fr::from).collect();
        Parameters::get(5).permute(&mut s);
        assert_eq!(
            hex::encode(to_be_bytes(&s[0])),
            "299c867db6c1fdd79dcefa40e4510b9837e60ebb1ce0663dbaa525df65250465"
        );
    }

    #[test]
    fn tag_and_every_element_matter() {
        let e: Vec<Fr> = (0..17u64).map(Fr::from).collect();
        let h = hash(T_WIDE, Tag::Model, &e);
        assert_ne!(h, hash(T_WIDE, Tag::Results, &e));
        for i in 0..e.len() {
            let mut f = e.clone();
            f[i] += Fr::from(1u64);
            assert_ne!(h, hash(T_WIDE, Tag::Model, &f), "element {i}");
        }
    }
}
