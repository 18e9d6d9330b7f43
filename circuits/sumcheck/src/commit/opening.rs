//! HyperKZG: a multilinear polynomial opened at a point, with one pairing check.
//!
//! Let f₀ be the polynomial, r₀ … r_{n−1} the point and v the value.
//!
//! 1. **Folds.** `f_{i+1}[k] = (1 − r_i)·f_i[2k] + r_i·f_i[2k + 1]`, so that f_n is the value alone.
//!    The prover sends commitments to f₁ … f_{n−1}; challenge u.
//! 2. **Evaluations**, cells read as coefficients: f_i(u) and f_i(−u) for every i, and f₀(u²).
//!    Even and odd parts fold as the cells do, hence
//!    `f_{i+1}(u²) = (1 − r_i)·(f_i(u) + f_i(−u))/2 + r_i·(f_i(u) − f_i(−u))/(2u)`.
//!    For i < n − 1 that *is* the claimed f_{i+1}(u²), which is not sent; for the last it must be v.
//!    Challenge γ.
//! 3. **Batch.** `B = Σ γ^i·f_i` is claimed at u, −u and u²; R interpolates the claims, and
//!    `Z = (X² − u²)(X − u²)`. The prover sends W, a commitment to (B − R)/Z; challenge ζ.
//! 4. **One division.** `L = B − R(ζ) − Z(ζ)·(B − R)/Z` vanishes at ζ. The prover sends W′, a
//!    commitment to L/(X − ζ). The verifier checks
//!    `e(C_B − R(ζ)·G − Z(ζ)·W + ζ·W′, G₂) = e(W′, τG₂)`.
//!
//! # Source
//! Bootle et al., Gemini (eprint 2022/420), section 5; Zhao et al., HyperKZG (in Nova, 2024);
//! Boneh et al., SHPLONK (eprint 2020/081), section 4.

use super::{CommitKey, KeyTooSmall, VerifyKey, normalize};
use crate::transcript::{ProofReader, ProofWriter, ReadError};
use halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2curves::ff::{BatchInvert, Field, PrimeField};
use halo2curves::group::{Curve, Group};
use halo2curves::msm::msm_best;
use halo2curves::pairing::{MillerLoopResult, MultiMillerLoop};
use rayon::prelude::*;

/// Why an opening cannot be made, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Key(#[from] KeyTooSmall),
    #[error("a polynomial of {cells} cells has no point of {variables} coordinates")]
    Shape { cells: usize, variables: usize },
    #[error("the folds do not end in the claimed value")]
    Fold,
    #[error("the pairing does not hold: a commitment, evaluation or quotient is not what it should be")]
    Pairing,
    #[error("a challenge makes evaluation points coincide; no honest transcript comes here")]
    Degenerate,
}

/// 1/(2u) and 1/(u⁴ − u²): both exist or the points u, −u, u² are not distinct.
fn inverses(u: &Fr) -> Result<[Fr; 2], OpeningError> {
    let square = u.square();
    let mut out = [u.double(), square * (square - Fr::ONE)];
    if out.iter().any(|x| bool::from(x.is_zero())) {
        return Err(OpeningError::Degenerate);
    }
    out.iter_mut().batch_invert();
    Ok(out)
}

/// R(ζ) of the polynomial of degree 2 with values `at_u`, `at_minus` and `at_square` at u, −u, u².
fn interpolate(at_u: Fr, at_minus: Fr, at_square: Fr, u: &Fr, inv: &[Fr; 2], zeta: &Fr) -> Fr {
    // In the basis 1, X, X² − u²: the first two from the even and the odd part.
    let constant = (at_u + at_minus) * Fr::TWO_INV;
    let linear = (at_u - at_minus) * inv[0];
    let square = u.square();
    let quadratic = (at_square - constant - linear * square) * inv[1];
    constant + linear * zeta + quadratic * (zeta.square() - square)
}

fn evaluate(f: &[Fr], x: &Fr) -> Fr {
    const CHUNK: usize = 1 << 12;
    let step = x.pow_vartime([CHUNK as u64]);
    let parts: Vec<Fr> = f
        .par_chunks(CHUNK)
        .map(|c| c.iter().rev().fold(Fr::ZERO, |s, a| s * x + a))
        .collect();
    parts.iter().rev().fold(Fr::ZERO, |s, a| s * step + a)
}

/// Replaces f by the quotient of f − f(x) and X − x.
fn divide(f: &mut Vec<Fr>, x: &Fr) {
    let mut carry = Fr::ZERO;
    for c in f.iter_mut().rev() {
        (*c, carry) = (carry, carry * x + *c);
    }
    f.pop();
}

impl CommitKey {
    /// Appends to `out` the opening of `f` at `point`, variable 0 first.
    ///
    /// The caller's transcript already fixes f, the point and the value.
    ///
    /// # Errors
    /// When f is not 2^n cells for n ≥ 1 coordinates, or longer than the key.
    pub fn open(&self, out: &mut ProofWriter, f: Vec<Fr>, point: &[Fr]) -> Result<(), OpeningError> {
        let (cells, variables) = (f.len(), point.len());
        if variables == 0 || variables >= usize::BITS as usize || cells != 1 << variables {
            return Err(OpeningError::Shape { cells, variables });
        }
        self.check(cells)?;

        let mut folds = vec![f];
        for r in &point[..variables - 1] {
            let last = &folds[folds.len() - 1];
            let next = last.par_chunks_exact(2).map(|p| p[0] + r * (p[1] - p[0])).collect();
            folds.push(next);
        }
        let commitments: Vec<_> = folds[1..].iter().map(|f| self.sum(f)).collect();
        for c in normalize(&commitments) {
            out.point(&c);
        }

        let u = out.challenge();
        let square = u.square();
        let mut claims = vec![];
        for f in &folds {
            // f(±u) from the even and the odd part.
            let (even, odd): (Vec<Fr>, Vec<Fr>) = f.par_chunks_exact(2).map(|p| (p[0], p[1])).unzip();
            let (even, odd) = (evaluate(&even, &square), u * evaluate(&odd, &square));
            claims.push([even + odd, even - odd]);
        }
        let at_square = evaluate(&folds[0], &square);
        out.scalars(claims.iter().flatten());
        out.scalar(&at_square);
        let gamma = out.challenge();

        let mut batch = folds.remove(0);
        let mut power = Fr::ONE;
        for f in &folds {
            power *= gamma;
            batch.par_iter_mut().zip(f).for_each(|(b, f)| *b += power * f);
        }
        drop(folds);

        let inv = inverses(&u)?;
        let mut quotient = batch.clone();
        for x in [u, -u, square] {
            divide(&mut quotient, &x);
        }
        out.point(&self.sum(&quotient).to_affine());
        let zeta = out.challenge();

        let values = [u, -u, square].map(|x| evaluate(&batch, &x));
        let r = interpolate(values[0], values[1], values[2], &u, &inv, &zeta);
        let z = (zeta.square() - square) * (zeta - square);
        batch.par_iter_mut().zip(&quotient).for_each(|(b, q)| *b -= z * q);
        batch[0] -= r;
        divide(&mut batch, &zeta);
        out.point(&self.sum(&batch).to_affine());
        Ok(())
    }
}

impl VerifyKey {
    /// Reads an opening: `Σ coefficient · commitment` has `value` at `point`, variable 0 first.
    ///
    /// The transcript already fixes terms, point and value.
    ///
    /// # Errors
    /// A proof that is malformed or does not hold.
    pub fn verify(
        &self,
        proof: &mut ProofReader<'_>,
        terms: &[(Fr, G1Affine)],
        point: &[Fr],
        value: &Fr,
    ) -> Result<(), OpeningError> {
        let Some(folds) = point.len().checked_sub(1) else {
            return Err(OpeningError::Shape { cells: 1, variables: 0 });
        };
        let commitments = proof.points(folds, "a fold's commitment")?;
        let u = proof.challenge();
        let mut claims = Vec::with_capacity(point.len());
        for _ in point {
            claims.push([
                proof.scalar("a fold's evaluation")?,
                proof.scalar("a fold's evaluation")?,
            ]);
        }
        let at_square = proof.scalar("the evaluation at the square")?;
        let gamma = proof.challenge();
        let w = proof.point("the first quotient")?;
        let zeta = proof.challenge();
        let w2 = proof.point("the second quotient")?;

        let inv = inverses(&u)?;
        let mut next = at_square;
        let mut batched = [Fr::ZERO; 3];
        let mut power = Fr::ONE;
        for ([plus, minus], r) in claims.iter().zip(point) {
            for (b, x) in batched.iter_mut().zip([plus, minus, &next]) {
                *b += power * x;
            }
            power *= gamma;
            let even = (plus + minus) * Fr::TWO_INV;
            next = even + r * ((plus - minus) * inv[0] - even);
        }
        if next != *value {
            return Err(OpeningError::Fold);
        }

        let square = u.square();
        let r = interpolate(batched[0], batched[1], batched[2], &u, &inv, &zeta);
        let z = (zeta.square() - square) * (zeta - square);
        let (mut scalars, mut points): (Vec<Fr>, Vec<G1Affine>) = terms.iter().copied().unzip();
        let mut power = Fr::ONE;
        for c in commitments {
            power *= gamma;
            scalars.push(power);
            points.push(c);
        }
        scalars.extend([-r, -z, zeta]);
        points.extend([G1Affine::generator(), w, w2]);
        let left = msm_best(&scalars, &points).to_affine();
        let g2 = G2Affine::generator();
        let product = Bn256::multi_miller_loop(&[(&left, &g2.into()), (&-w2, &self.tau_g2.into())]);
        if bool::from(product.final_exponentiation().is_identity()) {
            Ok(())
        } else {
            Err(OpeningError::Pairing)
        }
    }
}
