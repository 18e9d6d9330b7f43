//! A small SRS with a known secret.

use super::{CommitKey, VerifyKey};
use halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use halo2curves::ff::Field;
use halo2curves::group::Curve;
use halo2curves::group::prime::PrimeCurveAffine;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// The secret of [`srs`].
pub(crate) fn tau() -> Fr {
    Fr::from_raw([0x0123_4567_89ab_cdef, 7, 5, 3])
}

/// Keys for columns of up to 2^n cells.
pub(crate) fn srs(n: usize) -> (CommitKey, VerifyKey) {
    let mut points = Vec::with_capacity(1 << n);
    let mut p = Fr::ONE;
    for _ in 0..1usize << n {
        points.push(G1::generator() * p);
        p *= tau();
    }
    let mut powers = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(&points, &mut powers);
    (
        CommitKey::new(powers.into()),
        VerifyKey::new((G2Affine::generator() * tau()).to_affine()),
    )
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
