//! SHPLONK as scalars: with which coefficient every commitment enters the final pairing.
//!
//! Commitments are grouped by the set of points they are opened at. With `p_r = x·ω^r`,
//! `Z_i(u) = Π_{r∈R_i} (u − p_r)`, `L_{i,r}` the Lagrange basis of set `i`, halo2's check is
//! `e(h₂, τ) = e(Σ_i v^i·Z_0/Z_i·Σ_j y^j·(C_ij − Σ_r L_{i,r}(u)·e_ijr) − Z_0·h₁ + u·h₂, 1)`.
//! The basis never needs evaluating by itself:
//! `Z_0/Z_i·L_{i,r}(u) = Z_0/(u − p_r) · x^{1−m}/Π_{s≠r}(ω^r − ω^s)` with `m = |R_i|`.

use super::CompileError;
use super::arithmetic::{Denominators, Inverses, omega_pow};
use super::layout::Layout;
use super::program::{Builder, Value};
use halo2_proofs::plonk::ConstraintSystem;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use std::collections::{BTreeMap, BTreeSet};

/// A commitment that takes part in the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commitment {
    Advice(usize),
    Product(usize),
    Fixed(usize),
    Sigma(usize),
    /// `Σ x^{n·i}·h_i`.
    Quotient,
    Random,
}

/// Commitments opened at the same points.
#[derive(Debug)]
pub struct Set {
    pub rotations: Vec<i32>,
    /// With the evaluations in the order of `rotations`.
    pub members: Vec<(Commitment, Vec<Eval>)>,
}

/// An evaluation: a word of the proof, or the quotient's, which the verifier computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eval {
    At(u32),
    Quotient,
}

/// Groups halo2's queries, in halo2's order: both decide the powers of the folding challenges.
pub fn sets(cs: &ConstraintSystem<Fr>, l: &Layout, k: u32) -> Result<Vec<Set>, CompileError> {
    let mut queries: Vec<(Commitment, i32, Eval)> = vec![];
    for ((c, r), at) in cs.advice_queries().iter().zip(&l.advice_evals) {
        queries.push((Commitment::Advice(c.index()), r.0, Eval::At(*at)));
    }
    let last = -(cs.blinding_factors() as i32 + 1);
    for (i, (z, next, _)) in l.product_evals.iter().enumerate() {
        queries.push((Commitment::Product(i), 0, Eval::At(*z)));
        queries.push((Commitment::Product(i), 1, Eval::At(*next)));
    }
    for (i, (.., z_last)) in l.product_evals.iter().enumerate().rev() {
        if let Some(at) = z_last {
            queries.push((Commitment::Product(i), last, Eval::At(*at)));
        }
    }
    for ((c, r), at) in cs.fixed_queries().iter().zip(&l.fixed_evals) {
        queries.push((Commitment::Fixed(c.index()), r.0, Eval::At(*at)));
    }
    for (i, at) in l.sigma_evals.iter().enumerate() {
        queries.push((Commitment::Sigma(i), 0, Eval::At(*at)));
    }
    queries.push((Commitment::Quotient, 0, Eval::Quotient));
    queries.push((Commitment::Random, 0, Eval::At(l.random_eval)));

    let mut order: Vec<Commitment> = vec![];
    let mut by_commitment: BTreeMap<Commitment, BTreeMap<i32, Eval>> = BTreeMap::new();
    for (c, r, e) in queries {
        if !by_commitment.contains_key(&c) {
            order.push(c);
        }
        by_commitment.entry(c).or_default().insert(r, e);
    }
    // The precompiles check every point they are given; one that no query uses would go unchecked.
    if let Some(i) = (0..l.advice.len()).find(|i| !by_commitment.contains_key(&Commitment::Advice(*i))) {
        return Err(CompileError::UnqueriedAdvice(i));
    }
    // Two rotations that are one point would make a set's basis degenerate.
    let half = (1i64 << k) / 2;
    if let Some(r) = by_commitment
        .values()
        .flat_map(|m| m.keys())
        .find(|r| i64::from(**r).abs() >= half)
    {
        return Err(CompileError::Rotation(*r));
    }
    let mut sets: Vec<Set> = vec![];
    for c in order {
        let evals = &by_commitment[&c];
        let rotations: Vec<i32> = evals.keys().copied().collect();
        let member = (c, evals.values().copied().collect());
        match sets.iter_mut().find(|s| s.rotations == rotations) {
            Some(set) => set.members.push(member),
            None => sets.push(Set {
                rotations,
                members: vec![member],
            }),
        }
    }
    Ok(sets)
}

/// Inverses the opening needs.
#[derive(Debug)]
pub struct Points {
    /// `u − x·ω^r` and the index of its inverse, by rotation.
    differences: BTreeMap<i32, (Value, usize)>,
    x: usize,
}

impl Points {
    pub fn declare(
        b: &mut Builder,
        inverses: &mut Inverses,
        den: &Denominators,
        sets: &[Set],
        l: &Layout,
        k: u32,
    ) -> Self {
        let rotations: BTreeSet<i32> = sets.iter().flat_map(|s| s.rotations.iter().copied()).collect();
        let u = b.input(l.u);
        let differences = rotations
            .into_iter()
            .map(|r| {
                let w = b.constant(-omega_pow(k, r));
                let d = b.mul_add(den.x(), w, u);
                (r, (d, inverses.push(b, d)))
            })
            .collect();
        Self {
            differences,
            x: inverses.push(b, den.x()),
        }
    }
}

/// Coefficients of the final multi-scalar multiplication.
#[derive(Debug)]
pub struct Coefficients {
    pub commitments: Vec<(Commitment, Value)>,
    /// Of the G1 generator.
    pub generator: Value,
    /// Of the first opening point.
    pub first_opening: Value,
    /// Of the second opening point.
    pub second_opening: Value,
}

/// Emits the opening's arithmetic.
pub fn coefficients(
    b: &mut Builder,
    inverses: &[Value],
    points: &Points,
    sets: &[Set],
    l: &Layout,
    quotient: Value,
    k: u32,
) -> Coefficients {
    let (fold, set_fold) = (b.input(l.fold), b.input(l.set_fold));
    let difference = |r: &i32| points.differences[r].0;
    let inverse = |r: &i32| inverses[points.differences[r].1];
    let one = b.one();
    let z_0 = sets[0].rotations.iter().fold(one, |acc, r| b.mul(acc, difference(r)));
    let x_inverse = inverses[points.x];

    let mut commitments = vec![];
    let mut total = b.zero();
    let mut v_power = b.one();
    for (i, set) in sets.iter().enumerate() {
        // v^i·Z_0, the common factor of the set.
        let scaled = b.mul(v_power, z_0);
        let ratio = if i == 0 {
            v_power
        } else {
            set.rotations.iter().fold(scaled, |acc, r| b.mul(acc, inverse(r)))
        };
        let mut coefficient = ratio;
        for (j, (c, _)) in set.members.iter().enumerate() {
            if j > 0 {
                coefficient = b.mul(coefficient, fold);
            }
            commitments.push((*c, coefficient));
        }
        let x_power = b.pow(x_inverse, set.rotations.len() as u64 - 1);
        let scaled = b.mul(scaled, x_power);
        for (slot, r) in set.rotations.iter().enumerate() {
            let weight: Fr = set
                .rotations
                .iter()
                .filter(|s| *s != r)
                .map(|s| omega_pow(k, *r) - omega_pow(k, *s))
                .product();
            // Distinct rotations below n give distinct powers: the product is not zero.
            let weight = b.constant(weight.invert().unwrap_or(Fr::ZERO));
            let weight = b.mul(scaled, weight);
            let weight = b.mul(weight, inverse(r));
            let mut evals = b.zero();
            for (_, e) in set.members.iter().rev() {
                let e = match e[slot] {
                    Eval::At(at) => b.input(at),
                    Eval::Quotient => quotient,
                };
                evals = b.mul_add(evals, fold, e);
            }
            total = b.mul_add(weight, evals, total);
        }
        v_power = b.mul(v_power, set_fold);
    }
    Coefficients {
        commitments,
        generator: b.neg(total),
        first_opening: b.neg(z_0),
        second_opening: b.input(l.u),
    }
}
