//! First-phase columns: everything that is committed before the challenges are drawn.
//!
//! Values are computed in integers by the graph crate's evaluator and only then embedded.

use super::columns::{adv, fix};
use super::plan::{Element, Plan, Sponge};
use crate::backend::convert::to_halo;
use crate::gadgets::field::{signed, small};
use crate::gadgets::poseidon::{Permutation, T_DATA, T_WIDE};
use crate::statements::accuracy::AccuracyWitness;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use rayon::prelude::*;
use zkaggle_graph::eval::EvalError;
use zkaggle_graph::field;
use zkaggle_graph::mlp::{Evaluation, evaluate};
use zkaggle_graph::packing::SHA_BLOCK;
use zkaggle_graph::tag::Tag as Domain;

/// Columns of values; secret, and overwritten when dropped.
#[derive(Clone)]
pub struct Grid {
    pub columns: Vec<Vec<Fr>>,
}

impl Grid {
    /// `columns` columns of zeros.
    pub fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns: vec![vec![Fr::ZERO; rows]; columns],
        }
    }

    pub fn get(&self, column: usize, row: usize) -> Fr {
        self.columns[column][row]
    }

    pub fn set(&mut self, column: usize, row: usize, x: Fr) {
        self.columns[column][row] = x;
    }

    pub fn int(&mut self, column: usize, row: usize, x: i64) {
        self.set(column, row, signed(x));
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        for c in &mut self.columns {
            c.fill(Fr::ZERO);
            // Keeps the stores: without a reader they could be removed as dead.
            std::hint::black_box(c.as_slice());
        }
    }
}

impl std::fmt::Debug for Grid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grid")
            .field("columns", &self.columns.len())
            .finish_non_exhaustive()
    }
}

/// Fills the first-phase columns for a shard and a model.
///
/// # Errors
/// [`EvalError`] when the bytes are no shard of the graph or a value leaves its range.
pub fn first_phase(plan: &Plan, w: &AccuracyWitness, ctx: &field::Fr) -> Result<Grid, EvalError> {
    let evaluation = evaluate(plan.graph(), &w.weights, &w.shard)?;
    Ok(fill(plan, w, ctx, &evaluation))
}

/// Fills the first-phase columns from an evaluation, true or not.
pub(super) fn fill(plan: &Plan, w: &AccuracyWitness, ctx: &field::Fr, evaluation: &Evaluation) -> Grid {
    let mut g = Grid::new(adv::FIRST_PHASE, plan.usable());
    data_lane(plan, &w.shard, &mut g);
    unit_rows(plan, evaluation, &mut g);
    weight_rows(plan, w, &mut g);
    class_rows(plan, evaluation, &mut g);
    layout_rows(plan, &w.shard, &mut g);

    let end = plan.end();
    let n = evaluation.accuracy.total;
    g.set(adv::W[0], end + 1, Fr::from(u64::from(n)));
    let offset = plan.graph().schema().offset();
    // Of a shard shorter than its header there is no evaluation.
    let records = w.shard.len().saturating_sub(offset) as u64;
    g.set(adv::W[1], end + 1, Fr::from(records));
    let ctx = to_halo(ctx);
    g.set(adv::ON, end + 1, ctx);
    g.set(adv::OUT, end + 1, ctx.square());

    let blind = to_halo(&w.blind.expose());
    for s in plan.sponges() {
        wide_sponge(s, blind, &mut g);
    }
    let mult = multiplicities(plan, &g);
    g.columns[adv::MULT] = mult;
    g
}

fn data_lane(plan: &Plan, shard: &[u8], g: &mut Grid) {
    let end = plan.end();
    for (row, &b) in shard.iter().enumerate() {
        g.int(adv::BYTE, row, i64::from(b));
        g.set(adv::ON, row, Fr::ONE);
    }
    let starts = [
        0,
        zkaggle_graph::packing::DATA_CHUNKS[0],
        zkaggle_graph::packing::DATA_CHUNKS[0] + zkaggle_graph::packing::DATA_CHUNKS[1],
    ];
    let mut pack = Fr::ZERO;
    for row in 0..end {
        let byte = g.get(adv::BYTE, row);
        pack = if starts.contains(&(row % SHA_BLOCK)) {
            byte
        } else {
            pack * Fr::from(256) + byte
        };
        g.set(adv::PACK, row, pack);
    }

    let p = Permutation::get(T_DATA);
    let mut state = [Fr::ZERO; T_DATA];
    state[0] = to_halo(&Domain::Shard.field());
    state[1] = Fr::from(shard.len() as u64);
    for row in 0..end {
        let in_block = row % SHA_BLOCK;
        let round = &p.rounds[in_block];
        for i in 0..T_DATA {
            g.set(adv::W[i], row, state[i]);
            if round.full || i == 0 {
                g.set(adv::SQUARE[i], row, (state[i] + round.constants[i]).square());
            }
        }
        p.round(round, &mut state);
        if in_block == SHA_BLOCK - 1 {
            for (lane, back) in [(1, 42), (2, 21), (3, 0)] {
                state[lane] += g.get(adv::PACK, row - back);
            }
        }
    }
    for (i, s) in state.iter().enumerate() {
        g.set(adv::W[i], end, *s);
    }
    // The state behind the last block that begins inside the shard, from there upwards.
    let taken = (shard.len().div_ceil(SHA_BLOCK) + 1) * SHA_BLOCK;
    let mut out = g.get(adv::W[0], end);
    g.set(adv::OUT, end, out);
    for row in (0..end).rev() {
        if row >= taken && row % SHA_BLOCK == 0 {
            out = g.get(adv::W[0], row);
        }
        if row == taken {
            out = g.get(adv::W[0], row);
        }
        g.set(adv::OUT, row, out);
    }
}

fn unit_rows(plan: &Plan, e: &Evaluation, g: &mut Grid) {
    let shifts: Vec<u8> = plan.graph().relu().map(|(s, _)| s).collect();
    for sample in 0..plan.graph().samples() {
        let mut row = plan.unit_row(sample);
        for (layer, width) in plan.hidden_layers() {
            for unit in 0..width {
                // Behind the shard every accumulator is zero: zero bytes, and the biases are off.
                let ((hi, rem), act) = e.traces.get(sample).map_or(((0, 1 << (shifts[layer] - 1)), 0), |t| {
                    (t.split[layer][unit], t.act[layer][unit])
                });
                g.int(adv::HI, row, hi);
                g.int(adv::REM, row, i64::from(rem));
                g.int(adv::ACT, row, i64::from(act));
                row += 1;
            }
        }
    }
}

fn weight_rows(plan: &Plan, w: &AccuracyWitness, g: &mut Grid) {
    let bytes = zeroize::Zeroizing::new(w.weights.to_bytes());
    let kinds = plan.weight_bytes();
    let mut word = Fr::ZERO;
    for (i, (&b, kind)) in bytes.iter().zip(&kinds).enumerate() {
        let row = plan.weights() + i;
        let value = match kind.tag {
            super::table::Tag::Signed => i64::from(b as i8),
            _ => i64::from(b),
        };
        g.int(adv::HI, row, i64::from(b));
        g.int(adv::ACT, row, value);
        word = packed(word, i, u64::from(b));
        g.set(adv::OUT, row, word);
    }
}

/// The word under construction once byte `i` of a string is in place.
fn packed(word: Fr, i: usize, byte: u64) -> Fr {
    use zkaggle_graph::packing::CHUNK;
    let place = i % CHUNK;
    let word = if place == 0 { Fr::ZERO } else { word };
    word + Fr::from(256).pow([(CHUNK - 1 - place) as u64]) * Fr::from(byte)
}

fn class_rows(plan: &Plan, e: &Evaluation, g: &mut Grid) {
    let classes = usize::from(plan.graph().schema().classes);
    let (mut score, mut count) = (0i64, 0i64);
    let mut word = Fr::ZERO;
    // The packing column is carried through class rows, from whatever stands above the first.
    let mut above = g.get(adv::OUT, plan.class_row(0) - 1);
    let behind = vec![0i64; classes];
    for sample in 0..plan.graph().samples() {
        let trace = e.traces.get(sample);
        let scores = trace.and_then(|t| t.acc.last()).unwrap_or(&behind);
        let predicted = trace.map_or(0, |t| usize::from(t.prediction));
        let top = scores[predicted];
        let start = plan.class_row(sample);
        for (o, &z) in scores.iter().enumerate() {
            let row = start + o;
            let gap = top - z;
            g.int(adv::Z, row, z);
            g.int(adv::TOP, row, top);
            g.int(adv::PAST, row, i64::from(o > predicted));
            g.int(adv::INDEX, row, o.min(predicted) as i64);
            if o < predicted {
                // Positive below the prediction: ties go to the smallest index.
                g.set(adv::INV, row, signed(gap).invert().unwrap_or(Fr::ZERO));
            }
            g.int(adv::HI, row, gap >> 16);
            g.int(adv::REM, row, (gap >> 8) & 0xff);
            g.int(adv::BYTE, row, gap & 0xff);
            g.int(adv::SCORE, row, score);
            g.int(adv::COUNT, row, count);
            g.set(adv::OUT, row, above);
        }
        let row = plan.match_row(sample);
        let (on, label) = e.labels.get(sample).map_or((0, 0), |&l| (1, i64::from(l)));
        let off = predicted as i64 - label;
        g.int(adv::TOP, row, top);
        g.int(adv::PAST, row, 1);
        g.int(adv::INDEX, row, predicted as i64);
        g.int(adv::BYTE, row, label);
        g.int(adv::ON, row, on);
        g.int(adv::MATCH, row, i64::from(off == 0));
        g.set(adv::INV, row, signed(off).invert().unwrap_or(Fr::ZERO));
        g.int(adv::SCORE, row, score);
        g.int(adv::COUNT, row, count);
        word = packed(word, sample, (on * predicted as i64) as u64);
        above = word;
        g.set(adv::OUT, row, word);
        score += i64::from(off == 0) * on;
        count += on;
    }
    g.int(adv::SCORE, plan.last(), score);
    g.int(adv::COUNT, plan.last(), count);
}

/// Header rows carry the bytes of the records, then of the shard, around lane 1; closing rows repeat a byte.
fn layout_rows(plan: &Plan, shard: &[u8], g: &mut Grid) {
    if let Some(rows) = plan.header() {
        let offset = plan.graph().schema().offset();
        let bytes = Fr::from(shard.len() as u64);
        g.set(adv::W[1], *rows.start(), bytes - Fr::from(offset as u64));
        for (row, lane) in rows.skip(1).zip([7, 5, 3, 1]) {
            g.set(adv::W[lane], row, bytes);
        }
    }
    for sample in 0..plan.graph().samples() {
        let Some(row) = plan.closing_row(sample) else { break };
        let byte = i64::from(shard.get(plan.record_end(sample)).copied().unwrap_or(0));
        for column in [adv::HI, adv::ACT, adv::OUT] {
            g.int(column, row, byte);
        }
    }
}

/// Runs one sponge over cells that are already filled, and the blind.
pub(super) fn wide_sponge(s: &Sponge, blind: Fr, g: &mut Grid) {
    let p = Permutation::get(T_WIDE);
    let blocks = s.elements.len().div_ceil(T_WIDE - 1);
    let mut state = vec![Fr::ZERO; T_WIDE];
    for block in 0..blocks {
        let mut row = s.start + block * Sponge::stride();
        for place in 0..(T_WIDE - 1) / 2 {
            if block > 0 || place > 0 {
                write(g, row, &state);
            }
            let mut added = [Fr::ZERO; 2];
            for (side, x) in added.iter_mut().enumerate() {
                let i = block * (T_WIDE - 1) + 2 * place + side;
                let (cell, constant) = match s.elements.get(i) {
                    Some(Element::Copy(from)) => (g.get(from.column, from.row), Fr::ZERO),
                    Some(Element::Blind) => (blind, Fr::ZERO),
                    Some(Element::Constant(c)) => (Fr::ZERO, *c),
                    None => (Fr::ZERO, Fr::ZERO),
                };
                let at = s.cell(i);
                g.set(at.column, at.row, cell);
                *x = cell + constant;
            }
            if block == 0 && place == 0 {
                state[0] = to_halo(&s.tag.field());
            }
            state[1..].rotate_left(2);
            state[T_WIDE - 2] += added[0];
            state[T_WIDE - 1] += added[1];
            row += 1;
        }
        for round in &p.sparse {
            write(g, row, &state);
            if round.full {
                for i in 0..T_WIDE {
                    g.set(adv::W[i], row + 1, (state[i] + round.constants[i]).square());
                }
                row += 2;
            } else {
                g.set(adv::OUT, row, (state[0] + round.constants[0]).square());
                row += 1;
            }
            p.round(round, &mut state);
        }
    }
    write(g, s.end(), &state);
}

fn write(g: &mut Grid, row: usize, state: &[Fr]) {
    for (i, x) in state.iter().enumerate() {
        g.set(adv::W[i], row, *x);
    }
}

/// How often each table row is read; a read that is no entry is not counted, and no proof exists.
pub fn multiplicities(plan: &Plan, g: &Grid) -> Vec<Fr> {
    let fixed = plan.tags();
    let live = plan.usable() - 1;
    let table = plan.table();
    let reads = (0..live)
        .into_par_iter()
        .fold(
            || vec![0u64; table.len()],
            |mut counts, row| {
                let read = |tag: u64, a: usize, b: Option<usize>| {
                    let a = small(&g.get(a, row))?;
                    let b = b.map_or(Some(0), |b| small(&g.get(b, row)))?;
                    table.find(tag, a, b)
                };
                let (g1, g2) = fixed[row];
                let all = [
                    read(g1, adv::HI, Some(adv::ACT)),
                    read(g2, adv::REM, None),
                    read(0, adv::BYTE, None),
                ];
                for at in all.into_iter().flatten() {
                    counts[at] += 1;
                }
                counts
            },
        )
        .reduce(
            || vec![0u64; table.len()],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
                a
            },
        );
    let mut out: Vec<Fr> = reads.into_iter().map(Fr::from).collect();
    out.resize(plan.usable(), Fr::ZERO);
    out
}

impl Plan {
    /// Tags of the reads of `(HI, ACT)` and of `REM`, row by row.
    fn tags(&self) -> Vec<(u64, u64)> {
        let f = self.fixed_columns(&[fix::G1, fix::G2]);
        let id = |x: &Fr| small(x).map_or(0, i64::unsigned_abs);
        f[0].iter().zip(&f[1]).map(|(a, b)| (id(a), id(b))).collect()
    }
}
