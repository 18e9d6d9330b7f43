//! The native verifier. Every step is that of `docs/cid-argument.md`.

use crate::claims::{claim_powers, combination};
use crate::commit::{OpeningError, VerifyKey};
use crate::constraints::evaluate_row;
use crate::encoding::Word;
use crate::layout::{ROW_VARIABLES, SBOXES, SCHEDULE, SPONGE_CELLS, alpha, gamma, polynomials, read};
use crate::mle::{bind, eq, eq_table, evaluate_message, powers};
use crate::sponge::{LANES, Sponge, fifth};
use crate::statement::{Plan, Shard, StatementError};
use crate::trace::K;
use crate::transcript::{ProofReader, ReadError, Transcript};
use crate::weights::{WeightsAt, public_sum};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// Degree of a round of the block sumcheck: eq times an S-box.
pub const BLOCK_DEGREE: usize = 6;
/// Degree of a round of the row sumcheck: eq times three bits.
pub const ROW_DEGREE: usize = 4;
/// Degree of a round of the read sumcheck, the stack's included.
pub const READ_DEGREE: usize = 2;

/// Why a proof is refused, by step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the statement is none: {0}")]
    Statement(#[from] StatementError),
    #[error("the proof is malformed: {0}")]
    Read(#[from] ReadError),
    #[error("step block: the slots' constraints (chain, padding, sponge, commitment) do not add up")]
    Block,
    #[error("step row: the constraints of SHA-256's rounds do not add up")]
    Row,
    #[error("step opening: {0}")]
    Opening(OpeningError),
}

/// Challenges that follow the commitments.
#[derive(Clone, Debug)]
pub struct Challenges {
    /// For slots.
    pub tau: Vec<Fr>,
    /// For rows.
    pub theta: Vec<Fr>,
    /// Powers of α.
    pub alphas: Vec<Fr>,
}

impl Challenges {
    /// Draws them.
    pub fn draw(plan: &Plan, mut challenge: impl FnMut() -> Fr) -> Self {
        let tau = (0..plan.variables).map(|_| challenge()).collect();
        let theta = (0..ROW_VARIABLES).map(|_| challenge()).collect();
        let alphas = powers(&challenge(), alpha::COUNT);
        Self { tau, theta, alphas }
    }
}

/// A transcript that holds the statement.
pub fn transcript(srs_id: &Word, statement: &[Shard]) -> Transcript {
    let mut t = Transcript::new(srs_id);
    t.number(statement.len() as u64);
    for s in statement {
        t.word(&s.digest);
        t.number(u64::from(s.length));
        t.scalar(&s.commitment);
    }
    t
}

/// eq(θ, t), and the same on the schedule's rows only, as tables over the rows.
pub fn row_weights(theta: &[Fr]) -> [Vec<Fr>; 2] {
    let all = eq_table(theta);
    let schedule = all
        .iter()
        .enumerate()
        .map(|(t, e)| if SCHEDULE.contains(&t) { *e } else { Fr::ZERO })
        .collect();
    [all, schedule]
}

/// The sponge's part of step `block`: S-boxes, inputs and outputs over the cells at the point.
///
/// Returns the S-boxes' sum, to be multiplied by eq(τ, x), and the linear part.
pub fn sponge_part(cells: &[Fr; SPONGE_CELLS], w: &WeightsAt, alphas: &[Fr]) -> [Fr; 2] {
    let p = Sponge::get().of_cells(cells, &w.act);
    let boxes = (0..SBOXES)
        .map(|i| alphas[alpha::SBOX + i] * (cells[i] - fifth(&p.inputs[i])))
        .sum();
    let mut linear = alphas[alpha::COMMITMENT] * w.v * p.output[0];
    for j in 0..LANES {
        let a = alphas[alpha::SPONGE_INPUT + j];
        linear += a * (w.c * cells[SBOXES + j] - w.x * p.output[j]);
    }
    [boxes, linear]
}

/// Runs the rounds of a sumcheck; returns the point and what is left of the claim.
fn rounds(
    proof: &mut ProofReader<'_>,
    variables: usize,
    degree: usize,
    mut claim: Fr,
    what: &'static str,
) -> Result<(Vec<Fr>, Fr), ReadError> {
    let mut point = Vec::with_capacity(variables);
    for _ in 0..variables {
        let message = proof.scalars(degree, what)?;
        let x = proof.challenge();
        claim = evaluate_message(&message, &claim, &x);
        point.push(x);
    }
    Ok((point, claim))
}

/// Checks a proof of a statement.
///
/// # Errors
/// [`VerifyError`], which names the step that refuses.
pub fn verify(key: &VerifyKey, statement: &[Shard], proof: &[u8]) -> Result<(), VerifyError> {
    let plan = Plan::of(statement)?;
    let mut proof = ProofReader::new(transcript(&key.srs_id(), statement), proof);
    let commitments = proof.points(polynomials(plan.stack()), "a commitment")?;
    let Challenges { tau, theta, alphas } = Challenges::draw(&plan, || proof.challenge());

    let claim = public_sum(&plan, statement, &tau, &alphas);
    let (x, claim) = rounds(&mut proof, plan.variables, BLOCK_DEGREE, claim, "a block round")?;
    let row_sum = proof.scalar("the row sum")?;
    let linear = proof.scalar("the linear value")?;
    let mut cells = [Fr::ZERO; SPONGE_CELLS];
    for c in &mut cells {
        *c = proof.scalar("a sponge cell")?;
    }
    let weights = WeightsAt::new(&plan, &tau, &x);
    let [boxes, sponge_linear] = sponge_part(&cells, &weights, &alphas);
    if claim != weights.eq * (row_sum + boxes) + linear + sponge_linear {
        return Err(VerifyError::Block);
    }

    let (rho, claim) = rounds(&mut proof, ROW_VARIABLES, ROW_DEGREE, row_sum, "a row round")?;
    let reads = proof.scalars(read::COUNT, "a read")?;
    let eq_rho = eq_table(&rho);
    let [_, schedule] = row_weights(&theta);
    let schedule: Fr = schedule.iter().zip(&eq_rho).map(|(s, e)| s * e).sum();
    let k: Fr = K.iter().zip(&eq_rho).map(|(k, e)| Fr::from(u64::from(*k)) * e).sum();
    if claim != evaluate_row(&reads, &weights.act, &k, &eq(&theta, &rho), &schedule, &alphas) {
        return Err(VerifyError::Row);
    }

    let gammas = claim_powers(&proof.challenge());
    let values = reads.iter().chain(&cells);
    let claim = gammas.iter().zip(values).map(|(g, v)| g * v).sum::<Fr>() + gammas[gamma::LINEAR] * linear;
    let (pi, claim) = rounds(&mut proof, ROW_VARIABLES, READ_DEGREE, claim, "a read round")?;
    let (sigma, value) = rounds(&mut proof, plan.stack(), READ_DEGREE, claim, "a stack round")?;
    let mut coefficients = combination(&rho, &pi, &weights, &alphas, &gammas);
    sigma.iter().for_each(|s| bind(&mut coefficients, s));
    let terms: Vec<_> = coefficients.into_iter().zip(commitments).collect();
    let point = [pi, x, sigma].concat();
    key.verify(&mut proof, &terms, &point, &value)
        .map_err(VerifyError::Opening)?;
    proof.finish()?;
    Ok(())
}
