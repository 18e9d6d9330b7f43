//! BN254 points in the one byte form used by proofs, keys and the EVM (EIP-196, EIP-197).
//!
//! G1: x, y. G2: x.c1, x.c0, y.c1, y.c0. Each coordinate is 32 bytes, big-endian, below the base
//! field's modulus; the identity is all zeros. Every point has exactly one encoding.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, BigInteger256, PrimeField};
use rayon::prelude::*;

/// Whether G2 points are checked to lie in the prime-order subgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subgroup {
    Check,
    /// On the curve is enough: the file was written by this program.
    Trust,
}

/// Bytes of a G1 point.
pub const G1_BYTES: usize = 64;
/// Bytes of a G2 point.
pub const G2_BYTES: usize = 128;

/// Which point is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}[{index}]: {reason}")]
pub struct PointError {
    pub what: &'static str,
    pub index: usize,
    pub reason: Reason,
}

/// Why a point is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the bytes end before it")]
    Truncated,
    #[error("bytes follow after it")]
    Trailing,
    #[error("a coordinate is not below the base field's modulus")]
    NonCanonical,
    #[error("not on the curve")]
    OffCurve,
    #[error("outside the prime-order subgroup")]
    OutsideSubgroup,
    #[error("the point at infinity")]
    Infinity,
}

fn put(out: &mut Vec<u8>, x: &Fq) {
    out.extend_from_slice(&x.into_bigint().to_bytes_be());
}

/// Appends a G1 point.
pub fn put_g1(out: &mut Vec<u8>, p: &G1Affine) {
    match p.xy() {
        Some((x, y)) => {
            put(out, &x);
            put(out, &y);
        }
        None => out.extend_from_slice(&[0; G1_BYTES]),
    }
}

/// Appends a G2 point in EIP-197's order, imaginary parts first.
pub fn put_g2(out: &mut Vec<u8>, p: &G2Affine) {
    match p.xy() {
        Some((x, y)) => {
            for c in [&x.c1, &x.c0, &y.c1, &y.c0] {
                put(out, c);
            }
        }
        None => out.extend_from_slice(&[0; G2_BYTES]),
    }
}

fn coordinate(b: &[u8]) -> Result<Fq, Reason> {
    let mut limbs = [0u64; 4];
    for (limb, c) in limbs.iter_mut().rev().zip(b.chunks_exact(8)) {
        *limb = c.iter().fold(0, |acc, &x| acc << 8 | u64::from(x));
    }
    Fq::from_bigint(BigInteger256::new(limbs)).ok_or(Reason::NonCanonical)
}

fn g1(b: &[u8]) -> Result<G1Affine, Reason> {
    if b.iter().all(|&x| x == 0) {
        return Ok(G1Affine::identity());
    }
    let (x, y) = b.split_at(32);
    let p = G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?);
    // The cofactor of G1 is 1: on the curve is in the group.
    if p.is_on_curve() { Ok(p) } else { Err(Reason::OffCurve) }
}

fn g2(b: &[u8], subgroup: Subgroup) -> Result<G2Affine, Reason> {
    if b.iter().all(|&x| x == 0) {
        return Ok(G2Affine::identity());
    }
    let c: Vec<Fq> = b.chunks_exact(32).map(coordinate).collect::<Result<_, _>>()?;
    let p = G2Affine::new_unchecked(Fq2::new(c[1], c[0]), Fq2::new(c[3], c[2]));
    if !p.is_on_curve() {
        return Err(Reason::OffCurve);
    }
    if subgroup == Subgroup::Check && !p.is_in_correct_subgroup_assuming_on_curve() {
        return Err(Reason::OutsideSubgroup);
    }
    Ok(p)
}

/// Reads points from the front of a byte string.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], PointError> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(PointError {
            what,
            index: 0,
            reason: Reason::Truncated,
        })?;
        self.rest = tail;
        Ok(head)
    }

    /// One G1 point that is not the identity.
    pub fn g1_nonzero(&mut self, what: &'static str) -> Result<G1Affine, PointError> {
        let p = self.g1_many(what, 1)?[0];
        nonzero(what, p)
    }

    /// One G2 point that is not the identity.
    pub fn g2_nonzero(&mut self, what: &'static str) -> Result<G2Affine, PointError> {
        let p = self.g2_many(what, 1, Subgroup::Check)?[0];
        nonzero(what, p)
    }

    /// `n` G1 points, identities allowed.
    pub fn g1_many(&mut self, what: &'static str, n: usize) -> Result<Vec<G1Affine>, PointError> {
        many(what, self.take(what, n * G1_BYTES)?, G1_BYTES, g1)
    }

    /// `n` G2 points, identities allowed.
    pub fn g2_many(&mut self, what: &'static str, n: usize, subgroup: Subgroup) -> Result<Vec<G2Affine>, PointError> {
        many(what, self.take(what, n * G2_BYTES)?, G2_BYTES, |b| g2(b, subgroup))
    }

    /// Demands that nothing is left.
    pub fn finish(self) -> Result<(), PointError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(PointError {
            what: "end",
            index: 0,
            reason: Reason::Trailing,
        })
    }
}

fn nonzero<P: AffineRepr>(what: &'static str, p: P) -> Result<P, PointError> {
    if p.is_zero() {
        return Err(PointError {
            what,
            index: 0,
            reason: Reason::Infinity,
        });
    }
    Ok(p)
}

fn many<P: Send>(
    what: &'static str,
    bytes: &[u8],
    size: usize,
    read: impl Fn(&[u8]) -> Result<P, Reason> + Sync,
) -> Result<Vec<P>, PointError> {
    bytes
        .par_chunks_exact(size)
        .enumerate()
        .map(|(index, b)| read(b).map_err(|reason| PointError { what, index, reason }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::Fr;

    #[test]
    fn points_round_trip_and_the_generator_is_eip_197s() {
        let (p, q) = (G1Affine::generator(), G2Affine::generator());
        let mut b = vec![];
        put_g1(&mut b, &p);
        put_g2(&mut b, &q);
        put_g1(&mut b, &G1Affine::identity());
        assert_eq!((b[31], b[63]), (1, 2));
        // EIP-197: P2's first word is the imaginary part of x.
        assert_eq!(
            hex::encode(&b[64..96]),
            "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
        );
        let mut r = Reader::new(&b);
        assert_eq!(r.g1_nonzero("p"), Ok(p));
        assert_eq!(r.g2_nonzero("q"), Ok(q));
        assert_eq!(r.g1_nonzero("o").unwrap_err().reason, Reason::Infinity);
        assert_eq!(r.finish(), Ok(()));
    }

    #[test]
    fn every_other_encoding_is_refused() {
        let mut b = vec![];
        put_g1(&mut b, &G1Affine::generator());
        let reason = |b: &[u8]| Reader::new(b).g1_nonzero("p").unwrap_err().reason;
        // x = 1 + q: the same point modulo q, a second encoding.
        let mut alias = Fq::MODULUS;
        alias.add_with_carry(&BigInteger256::from(1u64));
        b[..32].copy_from_slice(&alias.to_bytes_be());
        assert_eq!(reason(&b), Reason::NonCanonical);
        b[..32].copy_from_slice(&[0xff; 32]);
        assert_eq!(reason(&b), Reason::NonCanonical);
        b[..32].copy_from_slice(&BigInteger256::from(3u64).to_bytes_be());
        assert_eq!(reason(&b), Reason::OffCurve);
        assert_eq!(reason(&b[..63]), Reason::Truncated);
        assert_eq!(Reader::new(&b).finish().unwrap_err().reason, Reason::Trailing);
    }

    /// A point of the twist outside the subgroup: the first x whose curve equation has a root.
    #[test]
    fn a_g2_point_outside_the_subgroup_is_refused() {
        let p = (1u64..)
            .find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(0u64)), true))
            .unwrap();
        assert!(p.is_on_curve());
        let mut b = vec![];
        put_g2(&mut b, &p);
        assert_eq!(
            Reader::new(&b).g2_nonzero("p").unwrap_err().reason,
            Reason::OutsideSubgroup
        );
        let inside = (G2Affine::generator() * Fr::from(5u64)).into();
        let mut b = vec![];
        put_g2(&mut b, &inside);
        assert_eq!(Reader::new(&b).g2_nonzero("p"), Ok(inside));
    }
}
