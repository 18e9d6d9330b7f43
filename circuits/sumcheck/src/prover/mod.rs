//! The prover.
//!
//! * [`prove`]: bytes to statement and proof.
//! * `small`, `blocks`, `boxes`, `linear`: the block sumcheck by parts. All share the round's challenge;
//!   each keeps its own inner polynomial, so that eq is a factor and not a table.
//! * `rows`: the row, read and stack sumchecks over the cells at the point, and the opening.

pub(crate) mod blocks;
mod boxes;
mod linear;
pub(crate) mod rows;
pub(crate) mod small;

use crate::commit::{Column, CommitKey, KeyTooSmall, OpeningError};
use crate::encoding::Word;
use crate::layout::{COLUMNS, MIN_SLOT_VARIABLES, ROW_VARIABLES, ROWS, SPONGE};
use crate::mle::{eq_table, eq1, message};
use crate::statement::{Shard, StatementError};
use crate::trace::Trace;
use crate::transcript::ProofWriter;
use crate::verifier::{BLOCK_DEGREE, Challenges, transcript};
use crate::weights::{Weights, WeightsAt};
use blocks::Blocks;
use boxes::Boxes;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use linear::Linear;
use small::Rounds;
use std::ops::ControlFlow;

/// What a prover is doing, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Running SHA-256 and the sponge.
    Trace,
    /// Committing to the columns.
    Commit,
    /// The block sumcheck.
    Blocks,
    /// The row, read and stack sumchecks.
    Rows,
    /// The opening.
    Open,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Commit, Self::Blocks, Self::Rows, Self::Open];
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Key(#[from] KeyTooSmall),
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error("stopped before {0:?}")]
    Stopped(Phase),
}

/// A proof and what it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    pub statement: Vec<Shard>,
    pub proof: Vec<u8>,
}

/// Columns as the commitment scheme takes them.
pub(crate) fn columns<'a>(bits: &'a [Vec<u64>], sponge: &'a [Vec<Fr>; 2]) -> Vec<Column<'a>> {
    let bits = bits.iter().map(|b| Column::Bits(b));
    bits.chain(sponge.iter().map(|s| Column::Scalars(s))).collect()
}

/// Proves the digests and commitments of shards.
///
/// `watch` hears of each phase before it starts and may stop there.
///
/// # Errors
/// When the shards are no statement, the key is too small, or `watch` stops.
pub fn prove(
    key: &CommitKey,
    srs_id: &Word,
    shards: &[&[u8]],
    mut watch: impl FnMut(Phase) -> ControlFlow<()>,
) -> Result<Proved, ProveError> {
    let mut enter = |phase| match watch(phase) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ProveError::Stopped(phase)),
    };
    enter(Phase::Trace)?;
    let (statement, plan, trace) = Trace::new(shards)?;
    let (cells, stack) = (ROWS << plan.variables, plan.stack());
    let needed = 1 << plan.polynomial_variables();
    if key.capacity() < needed {
        return Err(ProveError::Key(KeyTooSmall {
            needed,
            have: key.capacity(),
        }));
    }

    enter(Phase::Commit)?;
    let (bits, sponge) = (trace.bit_columns(), trace.sponge_columns());
    let columns = columns(&bits, &sponge);
    let commitments = key.commit_stacked(&columns, cells, stack)?;
    let mut out = ProofWriter::new(transcript(srs_id, &statement));
    for c in &commitments {
        out.point(c);
    }
    let challenges = Challenges::draw(&plan, || out.challenge());

    enter(Phase::Blocks)?;
    let tau = &challenges.tau;
    let weights = Weights::new(&plan, tau);
    let mut boxes = Boxes::new(&trace.sponge, &challenges);
    let mut linear = Linear::new(&plan, &trace, &weights, &challenges);
    let grid = small::grid(&trace.slots, &eq_table(&tau[MIN_SLOT_VARIABLES..]), &challenges);
    let mut first = Rounds::new(grid);
    let mut blocks: Option<Blocks> = None;
    let mut point = Vec::with_capacity(plan.variables);
    // Claims of the inner polynomials; satisfied constraints start at 0.
    let (mut sha_claim, mut box_claim) = (Fr::ZERO, Fr::ZERO);
    let mut eq = Fr::ONE;
    for round in 0..plan.variables {
        let t = &tau[round];
        let later = eq_table(&tau[round + 1..]);
        let sha = match &blocks {
            None => first.inner(&eq_table(&tau[round + 1..MIN_SLOT_VARIABLES])),
            Some(b) => b.inner(&later, t, &sha_claim),
        };
        let box_inner = boxes.inner(&later, t, &box_claim);
        let c = round_polynomial(&sha, &box_inner, &linear.round(), &eq, t);
        out.scalars(&message(&c));
        let x = out.challenge();
        point.push(x);
        eq *= eq1(t, &x);
        sha_claim = horner(&sha, &x);
        box_claim = horner(&box_inner, &x);
        match &mut blocks {
            None => first.bind(&x),
            Some(b) => b.bind(&x),
        }
        boxes.bind(&x);
        linear.bind(&x);
        if point.len() == MIN_SLOT_VARIABLES {
            blocks = Some(Blocks::new(&trace.slots, &challenges, &point));
        }
    }
    let mut at_point = vec![[Fr::ZERO; ROWS]; COLUMNS];
    if let Some(b) = &blocks {
        b.cells(&mut at_point);
    }
    let sponge_cells = boxes.cells();
    for (k, cell) in sponge_cells.iter().enumerate() {
        at_point[SPONGE + k / ROWS][k % ROWS] = *cell;
    }
    let value = linear.value();
    drop((blocks, boxes, linear, trace));

    enter(Phase::Rows)?;
    let weights = WeightsAt::new(&plan, tau, &point);
    let claims = rows::BlockClaims {
        row_sum: sha_claim,
        linear: value,
        cells: sponge_cells,
    };
    let read = rows::prove(&mut out, &claims, &at_point, &weights, &challenges, stack);

    enter(Phase::Open)?;
    let combined = crate::commit::combine_stacked(&read.coefficients, &columns, cells, stack);
    drop(columns);
    debug_assert_eq!((read.rows.len(), read.stack.len()), (ROW_VARIABLES, stack));
    key.open(&mut out, combined, &[read.rows, point, read.stack].concat())?;
    Ok(Proved {
        statement,
        proof: out.finish(),
    })
}

/// eq times the inner polynomials, and the linear part.
fn round_polynomial(sha: &[Fr; 4], boxes: &[Fr; 6], linear: &[Fr; 3], eq: &Fr, tau: &Fr) -> [Fr; BLOCK_DEGREE + 1] {
    let (low, slope) = (*eq * (Fr::ONE - tau), *eq * (tau.double() - Fr::ONE));
    let mut c = [Fr::ZERO; BLOCK_DEGREE + 1];
    for (i, b) in boxes.iter().enumerate() {
        let q = *b + sha.get(i).unwrap_or(&Fr::ZERO);
        c[i] += low * q;
        c[i + 1] += slope * q;
    }
    for (c, l) in c.iter_mut().zip(linear) {
        *c += l;
    }
    c
}

/// A polynomial by its coefficients, at x.
pub(crate) fn horner(coefficients: &[Fr], x: &Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |s, c| s * x + c)
}
