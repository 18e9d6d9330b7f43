//! Polynomial commitments: KZG on powers of tau, multilinear polynomials opened by folding.
//!
//! * [`CommitKey::commit`]: a column of cells as a point. Cells of one bit and of eight go through
//!   `buckets` and `affine`, others through the curve library's multi-scalar multiplication.
//! * [`CommitKey::commit_stacked`]: several columns behind each other as one point.
//! * [`combine`], [`combine_stacked`]: a linear combination of columns, or of stacked ones.
//! * [`CommitKey::open`], [`VerifyKey::verify`]: HyperKZG for one polynomial at one point; see
//!   [`opening`].
//!
//! A column of 2^n cells is the multilinear polynomial with these values on the cube: bit j of a
//! cell's index is variable j. The same cells are the coefficients of the univariate polynomial that
//! is committed to, so a shorter column is one with zeros at its end.

mod affine;
mod buckets;
pub mod opening;

use crate::encoding::{Word, g2_to_words, point_to_words};
use halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use halo2curves::ff::Field;
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use halo2curves::msm::msm_best;
use rayon::prelude::*;
use sha3::{Digest, Keccak256};
use std::sync::Arc;

pub use opening::OpeningError;

/// Cells of a column, by how large they are.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// One bit each: bit i % 64 of word i / 64 is cell i.
    Bits(&'a [u64]),
    /// 0 to 255.
    Bytes(&'a [u8]),
    /// Any element.
    Scalars(&'a [Fr]),
}

/// What a prover needs of an SRS: powers of tau in G1.
#[derive(Clone)]
pub struct CommitKey {
    powers: Arc<[G1Affine]>,
}

/// What a verifier needs of it: tau in G2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyKey {
    tau_g2: G2Affine,
}

/// The key serves columns up to a length, and a column is longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the SRS has {have} powers of tau, a column of {needed} cells needs as many: use a larger SRS")]
pub struct KeyTooSmall {
    pub needed: usize,
    pub have: usize,
}

impl std::fmt::Debug for CommitKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitKey").field("powers", &self.powers.len()).finish()
    }
}

impl Column<'_> {
    /// Cells of the column.
    pub fn len(&self) -> usize {
        match self {
            Self::Bits(c) => 64 * c.len(),
            Self::Bytes(c) => c.len(),
            Self::Scalars(c) => c.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl CommitKey {
    /// Takes the powers 1, tau, tau², … times the generator; whoever made them answers for them.
    pub fn new(powers: Arc<[G1Affine]>) -> Self {
        Self { powers }
    }

    /// Cells of the longest column that the key serves.
    pub fn capacity(&self) -> usize {
        self.powers.len()
    }

    /// Commits to columns; the points come in the columns' order.
    ///
    /// # Errors
    /// When a column is longer than the key.
    pub fn commit(&self, columns: &[Column<'_>]) -> Result<Vec<G1Affine>, KeyTooSmall> {
        let needed = columns.iter().map(Column::len).max().unwrap_or(0);
        self.check(needed)?;
        Ok(normalize(&self.points(columns.iter(), 0)))
    }

    /// Commits to polynomials of 2^stack columns each, one behind the other, every column in a place of
    /// `size` cells; the last polynomial may lack columns, which are zero then.
    ///
    /// # Errors
    /// When a column is longer than its place, or a polynomial longer than the key.
    pub fn commit_stacked(
        &self,
        columns: &[Column<'_>],
        size: usize,
        stack: usize,
    ) -> Result<Vec<G1Affine>, KeyTooSmall> {
        let longest = columns.iter().map(Column::len).max().unwrap_or(0);
        if longest > size {
            return Err(KeyTooSmall {
                needed: longest,
                have: size,
            });
        }
        self.check(size << stack)?;
        let parts = (0..1 << stack).map(|part| self.points(columns.iter().skip(part).step_by(1 << stack), part * size));
        let whole = parts.reduce(|mut sums, more| {
            sums.iter_mut().zip(more).for_each(|(s, m)| *s += m);
            sums
        });
        Ok(normalize(&whole.unwrap_or_default()))
    }

    /// Commitments to columns whose first cell is that of power `from`.
    fn points<'a>(&self, columns: impl Iterator<Item = &'a Column<'a>> + Clone, from: usize) -> Vec<G1> {
        let powers = &self.powers[from..];
        let bits: Vec<&[u64]> = columns
            .clone()
            .filter_map(|c| match c {
                Column::Bits(b) => Some(*b),
                _ => None,
            })
            .collect();
        let mut bits = buckets::commit_bits(powers, &bits).into_iter();
        columns
            .filter_map(|c| match c {
                Column::Bits(_) => bits.next(),
                Column::Bytes(b) => Some(buckets::commit_bytes(powers, b)),
                Column::Scalars(s) => Some(sum(powers, s)),
            })
            .collect()
    }

    fn check(&self, needed: usize) -> Result<(), KeyTooSmall> {
        let have = self.capacity();
        if needed > have {
            return Err(KeyTooSmall { needed, have });
        }
        Ok(())
    }

    /// Multi-scalar multiplication of as many powers as there are scalars.
    fn sum(&self, scalars: &[Fr]) -> G1 {
        sum(&self.powers, scalars)
    }
}

fn sum(powers: &[G1Affine], scalars: &[Fr]) -> G1 {
    if scalars.is_empty() {
        return G1::identity();
    }
    msm_best(scalars, &powers[..scalars.len()])
}

impl VerifyKey {
    /// Takes tau times the generator of G2, already checked to lie in the subgroup.
    pub fn new(tau_g2: G2Affine) -> Self {
        Self { tau_g2 }
    }

    /// Tau times the generator of G2.
    pub fn tau_g2(&self) -> &G2Affine {
        &self.tau_g2
    }

    /// `keccak256(g1 ‖ g2 ‖ tau·g2)`, uncompressed, G2 in EIP-197's order.
    pub fn srs_id(&self) -> Word {
        let mut h = Keccak256::new();
        for w in point_to_words(&G1Affine::generator()) {
            h.update(w);
        }
        for w in g2_to_words(&G2Affine::generator()) {
            h.update(w);
        }
        for w in g2_to_words(&self.tau_g2) {
            h.update(w);
        }
        h.finalize().into()
    }
}

fn normalize(points: &[G1]) -> Vec<G1Affine> {
    let mut out = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(points, &mut out);
    out
}

/// `Σ coefficientᵢ · columnᵢ`, `size` cells long.
///
/// 1-bit columns are taken eight at a time: one of 256 sums for each row.
pub fn combine(columns: &[(Fr, Column<'_>)], size: usize) -> Vec<Fr> {
    let mut bits = vec![];
    let mut rest = vec![];
    for (coefficient, column) in columns {
        match column {
            Column::Bits(b) => bits.push((*coefficient, *b)),
            other => rest.push((*coefficient, *other)),
        }
    }
    let tables: Vec<(Vec<Fr>, Vec<&[u64]>)> = bits
        .chunks(8)
        .map(|group| {
            let mut table = vec![Fr::ZERO];
            for (c, _) in group {
                let upper: Vec<Fr> = table.iter().map(|x| x + c).collect();
                table.extend(upper);
            }
            (table, group.iter().map(|g| g.1).collect())
        })
        .collect();
    let mut out = vec![Fr::ZERO; size];
    out.par_chunks_mut(64).enumerate().for_each(|(word, out)| {
        for (table, group) in &tables {
            let mut keys = [0u8; 64];
            for (j, column) in group.iter().enumerate() {
                let w = column.get(word).copied().unwrap_or(0);
                for (i, key) in keys.iter_mut().enumerate() {
                    *key |= ((w >> i & 1) as u8) << j;
                }
            }
            for (x, key) in out.iter_mut().zip(keys) {
                *x += table[usize::from(key)];
            }
        }
        for (c, column) in &rest {
            for (i, x) in (64 * word..).zip(out.iter_mut()) {
                match column {
                    Column::Bytes(b) => *x += c * Fr::from(u64::from(b.get(i).copied().unwrap_or(0))),
                    Column::Scalars(s) => *x += s.get(i).map_or(Fr::ZERO, |s| c * s),
                    Column::Bits(_) => {}
                }
            }
        }
    });
    out
}

/// The same for stacked polynomials, one coefficient each: the parts, one behind the other.
pub fn combine_stacked(coefficients: &[Fr], columns: &[Column<'_>], size: usize, stack: usize) -> Vec<Fr> {
    (0..1 << stack)
        .flat_map(|part| {
            let columns = columns.iter().skip(part).step_by(1 << stack).copied();
            combine(&coefficients.iter().copied().zip(columns).collect::<Vec<_>>(), size)
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
