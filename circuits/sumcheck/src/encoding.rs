//! Field elements and points as the 32-byte big-endian words that proofs, transcript and chain share.

use halo2curves::CurveAffine;
use halo2curves::bn256::{Fq, Fr, G1Affine, G2Affine};
use halo2curves::ff::{FromUniformBytes, PrimeField};

/// One word of a proof.
pub type Word = [u8; 32];

/// The 32 big-endian bytes of a scalar.
pub fn scalar_to_word(x: &Fr) -> Word {
    let mut b = x.to_repr();
    b.reverse();
    b
}

/// Reads 32 big-endian bytes; `None` when the integer is not below the modulus.
pub fn scalar_from_word(b: &Word) -> Option<Fr> {
    let mut le = *b;
    le.reverse();
    Fr::from_repr(le).into()
}

/// Reduces a digest modulo the scalar field, as Solidity's `mod` does.
pub fn scalar_from_digest(d: &Word) -> Fr {
    let mut wide = [0u8; 64];
    for (w, b) in wide.iter_mut().zip(d.iter().rev()) {
        *w = *b;
    }
    Fr::from_uniform_bytes(&wide)
}

fn coordinate_to_word(x: &Fq) -> Word {
    let mut b = x.to_repr();
    b.reverse();
    b
}

fn coordinate_from_word(b: &Word) -> Option<Fq> {
    let mut le = *b;
    le.reverse();
    Fq::from_repr(le).into()
}

/// `x` and `y` of a point, as the precompiles take them; infinity is two zero words.
pub fn point_to_words(p: &G1Affine) -> [Word; 2] {
    [coordinate_to_word(&p.x), coordinate_to_word(&p.y)]
}

/// Reads what [`point_to_words`] writes; `None` for a coordinate that is not canonical or a point
/// off the curve. G1 has cofactor 1, so being on the curve is enough.
pub fn point_from_words(w: &[Word; 2]) -> Option<G1Affine> {
    let (x, y) = (coordinate_from_word(&w[0])?, coordinate_from_word(&w[1])?);
    if *w == [[0; 32]; 2] {
        return Some(G1Affine { x, y });
    }
    G1Affine::from_xy(x, y).into()
}

/// A point of G2 in EIP-197's order: `x_im ‖ x_re ‖ y_im ‖ y_re`.
pub fn g2_to_words(p: &G2Affine) -> [Word; 4] {
    [&p.x.c1, &p.x.c0, &p.y.c1, &p.y.c0].map(coordinate_to_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2curves::ff::Field;
    use halo2curves::group::prime::PrimeCurveAffine;

    #[test]
    fn scalars_have_one_encoding() {
        let minus_one = -Fr::ONE;
        let mut w = scalar_to_word(&minus_one);
        assert_eq!(scalar_from_word(&w), Some(minus_one));
        w[31] += 1;
        assert_eq!(scalar_from_word(&w), None);
        assert_eq!(scalar_from_digest(&w), Fr::ZERO);
        assert_eq!(scalar_from_word(&[0xff; 32]), None);
    }

    #[test]
    fn points_have_one_encoding() {
        let g = G1Affine::generator();
        let w = point_to_words(&g);
        assert_eq!(point_from_words(&w), Some(g));
        assert_eq!(point_from_words(&[[0; 32]; 2]), Some(G1Affine::identity()));
        // Off the curve; x = 0 with another y; a coordinate of q or more.
        let mut bad = w;
        bad[1][31] ^= 1;
        assert_eq!(point_from_words(&bad), None);
        assert_eq!(point_from_words(&[[0; 32], w[0]]), None);
        assert_eq!(point_from_words(&[w[0], [0xff; 32]]), None);
        let minus_one = coordinate_to_word(&-Fq::ONE);
        let mut q = minus_one;
        q[31] += 1;
        assert_eq!(point_from_words(&[q, q]), None, "q is an alias of zero");
    }
}
