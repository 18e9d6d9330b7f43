//! The row, read and stack sumchecks, over the 64 × 109 cells at the slots' point.
//!
//! They are small, so they use the constraint list and the claims' definitions as they are.

use crate::claims::{Cells, claim_powers, combination, dense_weights, row_reads};
use crate::constraints::evaluate_row;
use crate::layout::{ROW_VARIABLES, ROWS, SPONGE_CELLS, polynomials};
use crate::mle::{bind, line, message};
use crate::trace::K;
use crate::transcript::ProofWriter;
use crate::verifier::{Challenges, READ_DEGREE, ROW_DEGREE, row_weights};
use crate::weights::WeightsAt;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use rayon::prelude::*;

/// What is claimed after the block rounds.
#[derive(Clone, Debug)]
pub struct BlockClaims {
    /// S.
    pub row_sum: Fr,
    /// u.
    pub linear: Fr,
    pub cells: [Fr; SPONGE_CELLS],
}

/// What is left to open.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Challenges of the read rounds.
    pub rows: Vec<Fr>,
    /// Challenges of the stack rounds.
    pub stack: Vec<Fr>,
    /// Of the committed polynomials.
    pub coefficients: Vec<Fr>,
}

/// Coefficients of the polynomial with these values at 0, 1, 2, …
pub fn interpolate(values: &[Fr]) -> Vec<Fr> {
    let mut out = vec![Fr::ZERO; values.len()];
    for (i, v) in values.iter().enumerate() {
        let mut basis = vec![Fr::ONE];
        let mut scale = Fr::ONE;
        for j in (0..values.len()).filter(|j| *j != i) {
            let node = Fr::from(j as u64);
            basis.push(Fr::ZERO);
            for k in (1..basis.len()).rev() {
                basis[k] = basis[k - 1] - node * basis[k];
            }
            basis[0] *= -node;
            scale *= Fr::from(i as u64) - node;
        }
        let factor = *v * scale.invert().unwrap_or(Fr::ZERO);
        for (o, b) in out.iter_mut().zip(&basis) {
            *o += factor * b;
        }
    }
    out
}

/// The row sumcheck.
pub struct RowRounds {
    reads: Vec<Vec<Fr>>,
    all: Vec<Fr>,
    schedule: Vec<Fr>,
    k: Vec<Fr>,
}

impl RowRounds {
    pub fn new(cells: &Cells, challenges: &Challenges) -> Self {
        let [all, schedule] = row_weights(&challenges.theta);
        Self {
            reads: (0..ROWS).map(|t| row_reads(cells, t)).collect(),
            all,
            schedule,
            k: K.iter().map(|k| Fr::from(u64::from(*k))).collect(),
        }
    }

    /// The next round's message.
    pub fn message(&self, act: &Fr, alphas: &[Fr]) -> Vec<Fr> {
        let jobs: Vec<(usize, u64)> = (0..self.reads.len() / 2)
            .flat_map(|p| (0..=ROW_DEGREE as u64).map(move |z| (p, z)))
            .collect();
        let parts: Vec<(u64, Fr)> = jobs
            .into_par_iter()
            .map(|(p, z)| {
                let x = Fr::from(z);
                let at = |v: &[Fr]| line(&v[2 * p], &v[2 * p + 1], &x);
                let pair = self.reads[2 * p].iter().zip(&self.reads[2 * p + 1]);
                let row: Vec<Fr> = pair.map(|(l, h)| line(l, h, &x)).collect();
                let value = evaluate_row(&row, act, &at(&self.k), &at(&self.all), &at(&self.schedule), alphas);
                (z, value)
            })
            .collect();
        let mut values = [Fr::ZERO; ROW_DEGREE + 1];
        for (z, v) in parts {
            values[z as usize] += v;
        }
        message(&interpolate(&values))
    }

    /// Binds the round's variable.
    pub fn bind(&mut self, x: &Fr) {
        self.reads = self
            .reads
            .chunks_exact(2)
            .map(|p| p[0].iter().zip(&p[1]).map(|(l, h)| line(l, h, x)).collect())
            .collect();
        for v in [&mut self.all, &mut self.schedule, &mut self.k] {
            bind(v, x);
        }
    }

    /// The reads at the point, once every variable is bound.
    pub fn reads(&self) -> &[Fr] {
        &self.reads[0]
    }
}

/// The read sumcheck.
pub struct ReadRounds {
    /// Weights and cells of each column.
    pairs: Vec<(Vec<Fr>, Vec<Fr>)>,
}

impl ReadRounds {
    pub fn new(cells: &Cells, weights: &Cells) -> Self {
        let pairs = weights.iter().zip(cells);
        Self {
            pairs: pairs.map(|(w, c)| (w.to_vec(), c.to_vec())).collect(),
        }
    }

    /// The next round's message.
    pub fn message(&self) -> Vec<Fr> {
        let mut c = [Fr::ZERO; READ_DEGREE + 1];
        for (w, f) in &self.pairs {
            for (w, f) in w.chunks_exact(2).zip(f.chunks_exact(2)) {
                let (dw, df) = (w[1] - w[0], f[1] - f[0]);
                c[0] += w[0] * f[0];
                c[1] += w[0] * df + dw * f[0];
                c[2] += dw * df;
            }
        }
        message(&c)
    }

    /// Binds the round's variable.
    pub fn bind(&mut self, x: &Fr) {
        for (w, f) in &mut self.pairs {
            bind(w, x);
            bind(f, x);
        }
    }

    /// The stack rounds, once every row variable is bound: the column's number is the variable.
    pub fn stacked(self, stack: usize) -> Self {
        let room = polynomials(stack) << stack;
        let (mut w, mut f): (Vec<Fr>, Vec<Fr>) = self.pairs.iter().map(|(w, f)| (w[0], f[0])).unzip();
        w.resize(room, Fr::ZERO);
        f.resize(room, Fr::ZERO);
        Self { pairs: vec![(w, f)] }
    }
}

/// Sends the claims, proves them down to one opening, and says what to open.
pub fn prove(
    out: &mut ProofWriter,
    claims: &BlockClaims,
    cells: &Cells,
    weights: &WeightsAt,
    challenges: &Challenges,
    stack: usize,
) -> Opened {
    out.scalar(&claims.row_sum);
    out.scalar(&claims.linear);
    out.scalars(&claims.cells);

    let alphas = &challenges.alphas;
    let mut rows = RowRounds::new(cells, challenges);
    let mut rho = vec![];
    for _ in 0..ROW_VARIABLES {
        out.scalars(&rows.message(&weights.act, alphas));
        let x = out.challenge();
        rho.push(x);
        rows.bind(&x);
    }
    out.scalars(rows.reads());

    let gammas = claim_powers(&out.challenge());
    let mut reads = ReadRounds::new(cells, &dense_weights(&rho, weights, alphas, &gammas));
    let mut round = |reads: &mut ReadRounds| {
        out.scalars(&reads.message());
        let x = out.challenge();
        reads.bind(&x);
        x
    };
    let pi: Vec<Fr> = (0..ROW_VARIABLES).map(|_| round(&mut reads)).collect();
    let mut columns = reads.stacked(stack);
    let sigma: Vec<Fr> = (0..stack).map(|_| round(&mut columns)).collect();
    let mut coefficients = combination(&rho, &pi, weights, alphas, &gammas);
    sigma.iter().for_each(|s| bind(&mut coefficients, s));
    Opened {
        rows: pi,
        stack: sigma,
        coefficients,
    }
}
