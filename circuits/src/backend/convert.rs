//! The one place where field elements and points change libraries or byte order.
//!
//! The workspace speaks arkworks (`zkaggle_graph::field::Fr`), the proof system speaks
//! `halo2curves`, the chain speaks 32-byte big-endian words.

use ark_ff::{BigInt, PrimeField as _};
use halo2curves::CurveAffine;
use halo2curves::bn256::{Fq, Fq2, Fr as HaloFr, G1Affine, G2Affine};
use halo2curves::ff::{FromUniformBytes, PrimeField};
use halo2curves::group::prime::PrimeCurveAffine;
use zkaggle_graph::field::Fr;

/// Bytes of an uncompressed G1 point: `x ‖ y`, big-endian.
pub const G1_BYTES: usize = 64;
/// Bytes of an uncompressed G2 point, in the order of EIP-197.
pub const G2_BYTES: usize = 128;

/// arkworks to halo2curves.
pub fn to_halo(x: &Fr) -> HaloFr {
    HaloFr::from_raw(x.into_bigint().0)
}

/// halo2curves to arkworks.
pub fn from_halo(x: &HaloFr) -> Fr {
    let repr = x.to_repr();
    let mut limbs = [0u64; 4];
    for (limb, bytes) in limbs.iter_mut().zip(repr.chunks_exact(8)) {
        let mut b = [0u8; 8];
        b.copy_from_slice(bytes);
        *limb = u64::from_le_bytes(b);
    }
    // The representation is canonical, so this cannot reduce.
    Fr::from_bigint(BigInt::new(limbs)).unwrap_or_default()
}

/// The 32 big-endian bytes of a scalar.
pub fn scalar_to_be(x: &HaloFr) -> [u8; 32] {
    let mut b = x.to_repr();
    b.reverse();
    b
}

/// Reads 32 big-endian bytes; `None` when the integer is not below the modulus.
pub fn scalar_from_be(b: &[u8; 32]) -> Option<HaloFr> {
    let mut le = *b;
    le.reverse();
    HaloFr::from_repr(le).into()
}

/// Reduces a 256-bit digest modulo the scalar field.
///
/// The result is not uniform: some residues have six preimages and others five, which costs a
/// soundness argument less than one bit. Solidity does the same with `mod`.
pub fn scalar_from_digest(d: &[u8; 32]) -> HaloFr {
    let mut wide = [0u8; 64];
    for (w, b) in wide.iter_mut().zip(d.iter().rev()) {
        *w = *b;
    }
    HaloFr::from_uniform_bytes(&wide)
}

fn base_to_be(x: &Fq) -> [u8; 32] {
    let mut b = x.to_repr();
    b.reverse();
    b
}

fn base_from_be(b: &[u8]) -> Option<Fq> {
    let mut le: [u8; 32] = b.try_into().ok()?;
    le.reverse();
    Fq::from_repr(le).into()
}

/// Uncompressed big-endian form, as the precompiles take it; the identity is 64 zero bytes.
pub fn g1_to_be(p: &G1Affine) -> [u8; G1_BYTES] {
    let mut out = [0u8; G1_BYTES];
    out[..32].copy_from_slice(&base_to_be(&p.x));
    out[32..].copy_from_slice(&base_to_be(&p.y));
    out
}

/// Reads what [`g1_to_be`] writes; `None` for a coordinate that is not canonical or a point off
/// the curve. G1 has cofactor 1, so being on the curve is enough.
pub fn g1_from_be(b: &[u8; G1_BYTES]) -> Option<G1Affine> {
    let x = base_from_be(&b[..32])?;
    let y = base_from_be(&b[32..])?;
    if *b == [0u8; G1_BYTES] {
        return Some(G1Affine::identity());
    }
    G1Affine::from_xy(x, y).into()
}

/// EIP-197 order: `x_im ‖ x_re ‖ y_im ‖ y_re`, big-endian.
pub fn g2_to_be(p: &G2Affine) -> [u8; G2_BYTES] {
    let mut out = [0u8; G2_BYTES];
    let words = [&p.x.c1, &p.x.c0, &p.y.c1, &p.y.c0];
    for (chunk, w) in out.chunks_exact_mut(32).zip(words) {
        chunk.copy_from_slice(&base_to_be(w));
    }
    out
}

/// Reads what [`g2_to_be`] writes; `None` off the curve or outside the prime-order subgroup.
pub fn g2_from_be(b: &[u8; G2_BYTES]) -> Option<G2Affine> {
    let w = |i: usize| base_from_be(&b[32 * i..32 * (i + 1)]);
    let x = Fq2 { c0: w(1)?, c1: w(0)? };
    let y = Fq2 { c0: w(3)?, c1: w(2)? };
    let p: G2Affine = Option::from(G2Affine::from_xy(x, y))?;
    // r·P = O, written as (r − 1)·P = −P because r itself is zero as a scalar.
    let minus_one = -HaloFr::from(1);
    let torsion_free = p.to_curve() * minus_one == -p.to_curve();
    torsion_free.then_some(p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2curves::ff::Field;
    use zkaggle_graph::field::{from_i64, to_be_bytes};

    #[test]
    fn fields_agree_on_the_integer() {
        for v in [0i64, 1, -1, 255, i64::MAX, i64::MIN + 1] {
            let a = from_i64(v);
            let h = to_halo(&a);
            assert_eq!(from_halo(&h), a);
            assert_eq!(scalar_to_be(&h), to_be_bytes(&a));
            assert_eq!(scalar_from_be(&scalar_to_be(&h)), Some(h));
        }
    }

    #[test]
    fn the_modulus_is_refused_and_digests_are_reduced() {
        let mut r = scalar_to_be(&-HaloFr::ONE);
        r[31] += 1;
        assert_eq!(scalar_from_be(&r), None);
        assert_eq!(scalar_from_digest(&r), HaloFr::ZERO);
        assert_eq!(scalar_from_be(&[0xff; 32]), None);
    }

    #[test]
    fn points_survive_and_bad_ones_do_not() {
        let g = G1Affine::generator();
        assert_eq!(g1_from_be(&g1_to_be(&g)), Some(g));
        assert_eq!(g1_from_be(&[0; 64]), Some(G1Affine::identity()));
        let mut off = g1_to_be(&g);
        off[63] ^= 1;
        assert_eq!(g1_from_be(&off), None);
        let mut zero_x = [0; 64];
        zero_x[63] = 1;
        assert_eq!(g1_from_be(&zero_x), None);
        assert_eq!(g1_from_be(&[0xff; 64]), None);

        let h = G2Affine::generator();
        assert_eq!(g2_from_be(&g2_to_be(&h)), Some(h));
        let mut off = g2_to_be(&h);
        off[127] ^= 1;
        assert_eq!(g2_from_be(&off), None);
    }
}
