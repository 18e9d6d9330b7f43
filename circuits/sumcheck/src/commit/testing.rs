//! A small SRS with a known secret.

use super::{CommitKey, VerifyKey};
use halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use halo2curves::ff::{Field, PrimeField};
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

/// The secret of [`srs`].
pub(crate) fn tau() -> Fr {
    Fr::from_raw([0x0123_4567_89ab_cdef, 7, 5, 3])
}

/// Keys for columns of up to 2^n cells.
pub(crate) fn srs(n: usize) -> (CommitKey, VerifyKey) {
    // Every byte of a scalar picks one multiple of the generator.
    let mut multiples = Vec::with_capacity(32 * 256);
    let mut base = G1::generator();
    for _ in 0..32 {
        let mut x = G1::identity();
        for _ in 0..256 {
            multiples.push(x);
            x += base;
        }
        base = x;
    }
    let multiples = affine(&multiples);
    let exponents: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |p| Some(*p * tau()))
        .take(1 << n)
        .collect();
    let powers: Vec<G1Affine> = exponents
        .par_chunks(1024)
        .flat_map_iter(|exponents| {
            let points: Vec<G1> = exponents
                .iter()
                .map(|x| {
                    let digits = x.to_repr();
                    let picked = digits.iter().zip(multiples.chunks(256));
                    picked.fold(G1::identity(), |sum, (digit, row)| sum + row[usize::from(*digit)])
                })
                .collect();
            affine(&points)
        })
        .collect();
    (
        CommitKey::new(powers.into()),
        VerifyKey::new((G2Affine::generator() * tau()).to_affine()),
    )
}

fn affine(points: &[G1]) -> Vec<G1Affine> {
    let mut out = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(points, &mut out);
    out
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
