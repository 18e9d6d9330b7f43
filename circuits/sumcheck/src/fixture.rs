//! A prover that does as it is told: the tests' reference, and their liar.
//!
//! It sums what the constraint list and the claims' definitions say, over cells of any value, with no
//! regard for speed or truth. On satisfied cells its proofs are those of [`crate::prover::prove`], byte
//! for byte. A lie goes in at one place; [`Push`] carries its error on, step by step, to where nothing
//! is left to adjust.

use crate::claims::{
    Cell, Cells, byte_cells, chain_carry, chaining_word, claim_powers, combination, dense_weights, last_word, row_reads,
};
use crate::commit::{Column, CommitKey, OpeningError, combine_stacked};
use crate::constraints::{ROWS as CONSTRAINTS, Rows, Word as Packed, evaluate_row, word_weights};
use crate::encoding::Word;
use crate::layout::{
    BIT_COLUMNS, COLUMNS, ROW_VARIABLES, ROWS, SBOXES, SCHEDULE, SPONGE, SPONGE_CELLS, SPONGE_ROOM, alpha,
    constraint_name, idle_carries, read,
};
use crate::mle::{bind, eq, eq_table, evaluate_message, line, message};
use crate::prover::rows::{BlockClaims, ReadRounds, RowRounds, interpolate};
use crate::sponge::{LANES, Sponge, fifth};
use crate::statement::{Plan, Shard, StatementError, packing};
use crate::trace::{K, Trace};
use crate::transcript::ProofWriter;
use crate::verifier::{BLOCK_DEGREE, Challenges, row_weights, sponge_part, transcript};
use crate::weights::{IV, Weights, WeightsAt, byte_shift, digest_words, public_sum};
use halo2curves::bn256::{Fr, G1Affine};
use halo2curves::ff::Field;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A statement and cells, which need not make it true.
#[derive(Clone, Debug)]
pub struct Witness {
    pub statement: Vec<Shard>,
    /// One a slot in use.
    pub slots: Vec<Cells>,
}

/// How far an error is carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Nothing else is touched.
    No,
    /// The row sum makes step `block` hold.
    PastBlock,
    /// So it does, and a read makes step `row` hold.
    PastRow,
}

/// What is lied about after the block rounds; the number is added to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    None,
    RowSum(Fr),
    Linear(Fr),
    SpongeCell(usize, Fr),
    /// Round, place in its message.
    RowRound(usize, usize, Fr),
    Read(usize, Fr),
    /// Round, place in its message; the stack rounds come after those of the rows.
    ReadRound(usize, usize, Fr),
    /// Coefficient of a polynomial in what is opened.
    Opened(usize, Fr),
}

impl Witness {
    /// The cells of a trace.
    pub fn of(statement: Vec<Shard>, trace: &Trace) -> Self {
        let slots = trace
            .slots
            .iter()
            .zip(&trace.sponge)
            .map(|(slot, sponge)| {
                let mut cells = vec![[Fr::ZERO; ROWS]; COLUMNS];
                for (column, bits) in cells.iter_mut().zip(slot.columns()) {
                    for (t, cell) in column.iter_mut().enumerate() {
                        *cell = Fr::from(bits >> t & 1);
                    }
                }
                for (k, x) in sponge.cells.iter().enumerate() {
                    cells[SPONGE + k / ROWS][k % ROWS] = *x;
                }
                cells
            })
            .collect();
        Self { statement, slots }
    }

    /// An honest one.
    ///
    /// # Errors
    /// When the shards are no statement.
    pub fn new(shards: &[&[u8]]) -> Result<Self, StatementError> {
        let (statement, _, trace) = Trace::new(shards)?;
        Ok(Self::of(statement, &trace))
    }

    /// Names of the constraints that do not hold in some slot, checked one by one, without challenges.
    ///
    /// # Errors
    /// When the statement is none.
    pub fn violations(&self) -> Result<BTreeSet<String>, StatementError> {
        let plan = Plan::of(&self.statement)?;
        let mut out = BTreeSet::new();
        for (b, slot) in self.slots.iter().enumerate() {
            for t in 0..ROWS {
                let (reads, k) = (row_reads(slot, t), Fr::from(u64::from(K[t])));
                for c in &CONSTRAINTS {
                    let applies = c.rows == Rows::All || SCHEDULE.contains(&t);
                    if applies && c.evaluate(&reads, &Fr::ONE, &k) != Fr::ZERO {
                        out.insert(c.name.to_owned());
                    }
                }
                for (c, column) in slot.iter().enumerate().take(BIT_COLUMNS) {
                    if column[t].square() != column[t] {
                        out.insert(constraint_name(alpha::BIT + c));
                    }
                }
            }
            if idle_carries().any(|(c, t)| slot[c][t] != Fr::ZERO) {
                out.insert("idle carry".into());
            }
            if (SPONGE_CELLS..SPONGE_ROOM).any(|k| slot[SPONGE + k / ROWS][k % ROWS] != Fr::ZERO) {
                out.insert("idle sponge cell".into());
            }
            let cells = sponge_cells(slot);
            let inputs = Sponge::get().of_cells(&cells, &Fr::ONE).inputs;
            for i in (0..SBOXES).filter(|i| cells[*i] != fifth(&inputs[*i])) {
                out.insert(constraint_name(alpha::SBOX + i));
            }
            debug_assert!(b < plan.slots);
        }
        for (p, shard) in plan.places.iter().zip(&self.statement) {
            for b in p.first()..=p.end {
                self.slot_links(p, b, &mut out);
            }
            let lanes = [Sponge::get().tag, Fr::from(p.length as u64), Fr::ZERO, Fr::ZERO];
            differ(&mut out, alpha::SPONGE_INPUT, &entering(&self.slots[p.lead]), &lanes);
            let digest = digest_words(&shard.digest).map(|w| Fr::from(u64::from(w)));
            differ(&mut out, alpha::CHAIN, &after(&self.slots[p.end]), &digest);
            let output = sponge_output(&self.slots[p.data_end])[0];
            differ(&mut out, alpha::COMMITMENT, &[output], &[shard.commitment]);
        }
        Ok(out)
    }

    fn slot_links(&self, p: &crate::statement::Place, b: usize, out: &mut BTreeSet<String>) {
        let (slot, before) = (&self.slots[b], &self.slots[b - 1]);
        let want = if b == p.first() {
            IV.map(|w| Fr::from(u64::from(w)))
        } else {
            after(before)
        };
        let h: [Fr; 8] = std::array::from_fn(|j| word(slot, chaining_word(j)));
        differ(out, alpha::CHAIN, &h, &want);

        let bytes: Vec<Fr> = (0..64).map(|k| word(slot, byte_cells(k))).collect();
        let mut lanes = sponge_output(before);
        for (k, byte) in bytes.iter().enumerate() {
            let (element, after) = packing(k);
            lanes[1 + element] += byte_shift(after) * byte;
        }
        if b == p.data_end && p.terminator_in_data() {
            let (element, after) = packing(p.rest());
            lanes[1 + element] -= Fr::from(0x80) * byte_shift(after);
            if p.length_in_data() {
                lanes[3] -= Fr::from(8 * p.length as u64);
            }
        }
        differ(out, alpha::SPONGE_INPUT, &entering(slot), &lanes);

        for (slot, from) in p.tails().filter(|t| t.0 == b) {
            let mut known = vec![Fr::ZERO; 64];
            for (k, v) in p.known_bytes(slot, from) {
                known[k] = Fr::from(u64::from(v));
            }
            differ(out, alpha::PADDING + from, &bytes[from..], &known[from..]);
        }
    }

    fn columns(&self) -> Vec<Vec<Fr>> {
        (0..COLUMNS)
            .map(|c| self.slots.iter().flat_map(|s| s[c]).collect())
            .collect()
    }
}

fn differ(out: &mut BTreeSet<String>, exponent: usize, got: &[Fr], want: &[Fr]) {
    for (i, _) in got.iter().zip(want).enumerate().filter(|(_, (g, w))| g != w) {
        out.insert(constraint_name(exponent + i));
    }
}

fn word(cells: &Cells, bits: impl Iterator<Item = Cell>) -> Fr {
    bits.zip(word_weights()).map(|((c, t), two)| cells[c][t] * two).sum()
}

/// The state after a slot.
fn after(cells: &Cells) -> [Fr; 8] {
    std::array::from_fn(|j| {
        let (c, t) = chain_carry(j);
        word(cells, chaining_word(j)) + word(cells, last_word(j)) - cells[c][t] * Fr::from(1 << 32)
    })
}

/// The sponge cells in use.
pub fn sponge_cells(cells: &Cells) -> [Fr; SPONGE_CELLS] {
    std::array::from_fn(|k| cells[SPONGE + k / ROWS][k % ROWS])
}

fn entering(cells: &Cells) -> [Fr; LANES] {
    std::array::from_fn(|j| sponge_cells(cells)[SBOXES + j])
}

fn sponge_output(cells: &Cells) -> [Fr; LANES] {
    Sponge::get().of_cells(&sponge_cells(cells), &Fr::ONE).output
}

/// A prover that has done the block rounds.
#[derive(Clone)]
pub struct AfterBlocks {
    key: CommitKey,
    out: ProofWriter,
    /// The verifier's claim.
    claim: Fr,
    challenges: Challenges,
    weights: WeightsAt,
    point: Vec<Fr>,
    cells: Cells,
    columns: Vec<Vec<Fr>>,
    size: usize,
    stack: usize,
}

/// Cells and weights of the slots, bound so far.
struct Dense<'a> {
    slots: Vec<Cells>,
    act: Vec<Fr>,
    eq: Vec<Fr>,
    weights: [Vec<Fr>; 5],
    /// One a byte of a block.
    bytes: Vec<Vec<Fr>>,
    challenges: &'a Challenges,
}

impl<'a> Dense<'a> {
    fn new(witness: &Witness, plan: &Plan, challenges: &'a Challenges) -> Self {
        let w = Weights::new(plan, &challenges.tau);
        let bytes = (0..64)
            .map(|k| {
                let mut v = vec![Fr::ZERO; plan.slots];
                for (slot, _, eq) in w.tails.iter().filter(|t| k >= t.1) {
                    v[*slot] += eq;
                }
                v
            })
            .collect();
        Self {
            slots: witness.slots.clone(),
            act: vec![Fr::ONE; plan.slots],
            eq: eq_table(&challenges.tau),
            weights: [w.a, w.n, w.c, w.x, w.v],
            bytes,
            challenges,
        }
    }

    /// The tables at x of pair p, as one slot.
    fn at(&self, p: usize, x: &Fr) -> (Cells, WeightsAt) {
        let get = |v: &[Fr]| {
            let at = |i: usize| v.get(i).copied().unwrap_or(Fr::ZERO);
            line(&at(2 * p), &at(2 * p + 1), x)
        };
        let empty = vec![[Fr::ZERO; ROWS]; COLUMNS];
        let low = self.slots.get(2 * p).unwrap_or(&empty);
        let high = self.slots.get(2 * p + 1).unwrap_or(&empty);
        let cells = low
            .iter()
            .zip(high)
            .map(|(l, h)| std::array::from_fn(|t| line(&l[t], &h[t], x)))
            .collect();
        let [a, n, c, wx, v] = self.weights.each_ref().map(|w| get(w));
        let weights = WeightsAt {
            a,
            n,
            c,
            x: wx,
            v,
            m: self.bytes.iter().map(|b| get(b)).collect(),
            act: get(&self.act),
            eq: get(&self.eq),
        };
        (cells, weights)
    }

    fn bind(&mut self, x: &Fr) {
        self.slots = (0..self.slots.len().div_ceil(2)).map(|p| self.at(p, x).0).collect();
        let weights = self.weights.iter_mut().chain(&mut self.bytes);
        for v in weights.chain([&mut self.act, &mut self.eq]) {
            bind(v, x);
        }
    }

    /// S, u and what the whole summand is, at one slot.
    fn summand(&self, cells: &Cells, w: &WeightsAt) -> (Fr, Fr, Fr) {
        let alphas = &self.challenges.alphas;
        let [all, schedule] = row_weights(&self.challenges.theta);
        let rows: Fr = (0..ROWS)
            .map(|t| {
                let k = Fr::from(u64::from(K[t]));
                evaluate_row(&row_reads(cells, t), &w.act, &k, &all[t], &schedule[t], alphas)
            })
            .sum();
        let linear = crate::claims::linear_weights(w, alphas);
        let linear = linear
            .iter()
            .flatten()
            .zip(cells.iter().flatten())
            .map(|(w, c)| w * c)
            .sum::<Fr>();
        let [boxes, sponge] = sponge_part(&sponge_cells(cells), w, alphas);
        (rows, linear, w.eq * (rows + boxes) + linear + sponge)
    }
}

/// Commits and runs the block rounds; `lie` adds to a round's message at a place.
///
/// # Errors
/// When the statement is none or the key too small.
pub fn blocks(
    key: &CommitKey,
    srs_id: &Word,
    witness: &Witness,
    lie: Option<(usize, usize, Fr)>,
) -> Result<AfterBlocks, crate::prover::ProveError> {
    blocks_committed(key, srs_id, witness, lie, |_| {})
}

/// The same with commitments changed before they are sent.
///
/// # Errors
/// Those of [`blocks`].
pub fn blocks_committed(
    key: &CommitKey,
    srs_id: &Word,
    witness: &Witness,
    lie: Option<(usize, usize, Fr)>,
    tamper: impl FnOnce(&mut Vec<G1Affine>),
) -> Result<AfterBlocks, crate::prover::ProveError> {
    let plan = Plan::of(&witness.statement)?;
    let columns = witness.columns();
    let scalars: Vec<Column<'_>> = columns.iter().map(|c| Column::Scalars(c)).collect();
    let mut commitments = key.commit_stacked(&scalars, ROWS << plan.variables, plan.stack())?;
    tamper(&mut commitments);
    let mut out = ProofWriter::new(transcript(srs_id, &witness.statement));
    for c in &commitments {
        out.point(c);
    }
    let challenges = Challenges::draw(&plan, || out.challenge());
    let mut claim = public_sum(&plan, &witness.statement, &challenges.tau, &challenges.alphas);
    let mut dense = Dense::new(witness, &plan, &challenges);
    let mut point = vec![];
    for round in 0..plan.variables {
        let pairs = dense.slots.len().div_ceil(2);
        let values: Vec<Fr> = (0..=BLOCK_DEGREE as u64)
            .into_par_iter()
            .map(|z| {
                (0..pairs)
                    .map(|p| {
                        let (cells, w) = dense.at(p, &Fr::from(z));
                        dense.summand(&cells, &w).2
                    })
                    .sum()
            })
            .collect();
        let mut m = message(&interpolate(&values));
        if let Some((at, place, by)) = lie
            && at == round
        {
            m[place] += by;
        }
        out.scalars(&m);
        let x = out.challenge();
        claim = evaluate_message(&m, &claim, &x);
        point.push(x);
        dense.bind(&x);
    }
    let cells = dense.slots.swap_remove(0);
    Ok(AfterBlocks {
        key: key.clone(),
        out,
        claim,
        weights: WeightsAt::new(&plan, &challenges.tau, &point),
        challenges,
        point,
        cells,
        columns,
        size: ROWS << plan.variables,
        stack: plan.stack(),
    })
}

impl AfterBlocks {
    /// The truth about the cells at the point.
    pub fn claims(&self) -> BlockClaims {
        let dense = Dense {
            slots: vec![],
            act: vec![],
            eq: vec![],
            weights: Default::default(),
            bytes: vec![],
            challenges: &self.challenges,
        };
        let (row_sum, linear, _) = dense.summand(&self.cells, &self.weights);
        BlockClaims {
            row_sum,
            linear,
            cells: sponge_cells(&self.cells),
        }
    }

    /// The rest of the proof, with a lie.
    ///
    /// # Errors
    /// When the key is too small.
    pub fn finish(&self, lie: Lie, push: Push) -> Result<Vec<u8>, OpeningError> {
        let mut out = self.out.clone();
        let mut claims = self.claims();
        match lie {
            Lie::RowSum(by) => claims.row_sum += by,
            Lie::Linear(by) => claims.linear += by,
            Lie::SpongeCell(k, by) => claims.cells[k] += by,
            _ => {}
        }
        let alphas = &self.challenges.alphas;
        if push != Push::No {
            let [boxes, sponge] = sponge_part(&claims.cells, &self.weights, alphas);
            let eq = self.weights.eq.invert().unwrap_or(Fr::ZERO);
            claims.row_sum = (self.claim - claims.linear - sponge) * eq - boxes;
        }
        out.scalar(&claims.row_sum);
        out.scalar(&claims.linear);
        out.scalars(&claims.cells);

        let mut rows = RowRounds::new(&self.cells, &self.challenges);
        let mut claim = claims.row_sum;
        let mut rho = vec![];
        for round in 0..ROW_VARIABLES {
            let mut m = rows.message(&self.weights.act, alphas);
            if let Lie::RowRound(at, place, by) = lie
                && at == round
            {
                m[place] += by;
            }
            out.scalars(&m);
            let x = out.challenge();
            claim = evaluate_message(&m, &claim, &x);
            rho.push(x);
            rows.bind(&x);
        }
        let mut reads = rows.reads().to_vec();
        if let Lie::Read(k, by) = lie {
            reads[k] += by;
        }
        if push == Push::PastRow {
            // The sum is linear in a packed word: find what it must be.
            let eq_rho = eq_table(&rho);
            let [_, schedule] = row_weights(&self.challenges.theta);
            let schedule: Fr = schedule.iter().zip(&eq_rho).map(|(s, e)| s * e).sum();
            let k: Fr = K.iter().zip(&eq_rho).map(|(k, e)| Fr::from(u64::from(*k)) * e).sum();
            let all = eq(&self.challenges.theta, &rho);
            let value = |reads: &[Fr]| evaluate_row(reads, &self.weights.act, &k, &all, &schedule, alphas);
            // A word other than the one that is lied about.
            let place = read::WORDS
                + if lie_is_at(&lie, Packed::NextE) {
                    Packed::NextA
                } else {
                    Packed::NextE
                } as usize;
            let now = value(&reads);
            reads[place] += Fr::ONE;
            let slope = value(&reads) - now;
            reads[place] += (claim - now) * slope.invert().unwrap_or(Fr::ZERO) - Fr::ONE;
        }
        out.scalars(&reads);

        let gammas = claim_powers(&out.challenge());
        let weights = dense_weights(&rho, &self.weights, alphas, &gammas);
        let mut opened = ReadRounds::new(&self.cells, &weights);
        let mut pi = vec![];
        for round in 0..ROW_VARIABLES + self.stack {
            if round == ROW_VARIABLES {
                opened = opened.stacked(self.stack);
            }
            let mut m = opened.message();
            if let Lie::ReadRound(at, place, by) = lie
                && at == round
            {
                m[place] += by;
            }
            out.scalars(&m);
            let x = out.challenge();
            pi.push(x);
            opened.bind(&x);
        }
        let sigma = pi.split_off(ROW_VARIABLES);
        let mut coefficients = combination(&rho, &pi, &self.weights, alphas, &gammas);
        sigma.iter().for_each(|s| bind(&mut coefficients, s));
        if let Lie::Opened(polynomial, by) = lie {
            coefficients[polynomial] += by;
        }
        let columns: Vec<Column<'_>> = self.columns.iter().map(|c| Column::Scalars(c)).collect();
        let combined = combine_stacked(&coefficients, &columns, self.size, self.stack);
        let point = [pi, self.point.clone(), sigma].concat();
        self.key.open(&mut out, combined, &point)?;
        Ok(out.finish())
    }
}

fn lie_is_at(lie: &Lie, word: Packed) -> bool {
    matches!(lie, Lie::Read(k, _) if *k == read::WORDS + word as usize)
}

/// A whole proof of a witness, true or not.
///
/// # Errors
/// When the statement is none or the key too small.
pub fn prove(
    key: &CommitKey,
    srs_id: &Word,
    witness: &Witness,
    push: Push,
) -> Result<Vec<u8>, crate::prover::ProveError> {
    Ok(blocks(key, srs_id, witness, None)?.finish(Lie::None, push)?)
}
