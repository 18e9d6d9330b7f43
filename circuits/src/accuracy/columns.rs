//! Columns of the accuracy circuit: the same for every model.
//!
//! A column serves several kinds of row; docs/circuits/accuracy.md draws them. What a row is, and
//! therefore what a model is, stands in the fixed columns and the copy constraints alone.

use super::constraints;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance, SecondPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;

/// Advice columns, by index.
pub mod adv {
    /// Nine lanes of a wide sponge. In the data lane: four sponge lanes, their four squares and the
    /// packing accumulator. In class rows: see the constants below.
    pub const W: [usize; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    /// Squares of the four data-sponge lanes.
    pub const SQUARE: [usize; 4] = [4, 5, 6, 7];
    /// Packing accumulator of the data lane.
    pub const PACK: usize = 8;
    /// Class rows: matches so far, records so far.
    pub const SCORE: usize = 0;
    pub const COUNT: usize = 1;
    /// Class rows: a class score; match rows: whether prediction and label agree.
    pub const Z: usize = 4;
    pub const MATCH: usize = 4;
    /// Class rows: the largest class score.
    pub const TOP: usize = 5;
    /// Class rows: whether the predicted class lies before this one.
    pub const PAST: usize = 6;
    /// Class and match rows: inverse of a difference, zero where none is needed.
    pub const INV: usize = 7;
    /// Class rows: classes before this one and before the prediction.
    pub const INDEX: usize = 8;
    /// Data lane and match rows: whether the record belongs to the shard. Sponge rows: an absorbed
    /// element.
    pub const ON: usize = 9;
    /// Data lane: `s`. Weight and class rows: packing accumulator. Sponge rows: an absorbed element
    /// or a square.
    pub const OUT: usize = 10;
    /// Data lane: a byte of the shard. Class rows: low limb. Match rows: the label.
    pub const BYTE: usize = 11;
    /// Unit rows: high part. Weight rows: the byte. Class rows: high limb.
    pub const HI: usize = 12;
    /// Unit rows: activation. Weight rows: the value of the byte.
    pub const ACT: usize = 13;
    /// Unit rows: remainder. Class rows: middle limb.
    pub const REM: usize = 14;
    /// How often the table entry in this row is read.
    pub const MULT: usize = 15;
    /// Columns committed before the challenges are drawn.
    pub const FIRST_PHASE: usize = 16;

    /// Data lane: coefficient of the byte. Zero cell of the second phase in the end row.
    pub const VA: usize = 16;
    /// Data lane: running sum of the first layer's inputs.
    pub const FA: usize = 17;
    /// Unit rows: coefficient of the activation. Weight rows: sum so far.
    pub const VB: usize = 18;
    /// Unit, class and weight rows: σ to the output's index.
    pub const TB: usize = 19;
    /// Unit and class rows: running sum. Weight rows: sum including this row.
    pub const FB: usize = 20;
    /// Sum of the inverses of this row's lookups.
    pub const HELPER: usize = 21;
    /// Running sum of the lookup argument.
    pub const SUM: usize = 22;
    pub const COUNT_ALL: usize = 23;

    /// Columns under the copy argument.
    pub const EQUALITY: [usize; 9] = [W[0], W[1], ON, OUT, BYTE, VA, VB, TB, FB];
}

/// Fixed columns, by index.
pub mod fix {
    /// Table: value, second value, tag.
    pub const T0: usize = 0;
    pub const T1: usize = 1;
    pub const TT: usize = 2;
    /// Tags of the lookups of (HI, ACT) and of REM.
    pub const G1: usize = 3;
    pub const G2: usize = 4;
    /// 1 in every row whose lookups count.
    pub const LIVE: usize = 5;
    /// 1 in the first and last row of the lookup sum.
    pub const ENDS: usize = 6;
    /// Round constants; absorbed constants and tag; place value in packing rows.
    pub const RC: [usize; 4] = [7, 8, 9, 10];
    /// 2^shift of a unit; weight of a byte; 1 in a sample's first class row; stride in the end row; fifth round constant of a wide full round.
    pub const SCALE: usize = 11;
    /// Rows of the data lane.
    pub const DATA: usize = 12;
    /// Full rounds of the data sponge; first absorbing row of a wide sponge.
    pub const FULL: usize = 13;
    /// First row of each later data permutation and the row behind the last.
    pub const EDGE: usize = 14;
    /// What the packing accumulator's predecessor is multiplied by.
    pub const CARRY: usize = 15;
    /// Data lane: every byte of header and records but the last of each record, and those.
    pub const FEATURE: usize = 16;
    pub const LAST: usize = 17;
    /// Row 0.
    pub const FIRST: usize = 18;
    /// Unit rows, and the last of them in each sample.
    pub const UNIT: usize = 19;
    pub const LAST_UNIT: usize = 20;
    /// Weight rows.
    pub const WEIGHT: usize = 21;
    /// Class rows, match rows.
    pub const CLASS: usize = 22;
    pub const MATCH: usize = 23;
    /// Wide sponge: absorbing rows, full rounds (two rows each), partial rounds.
    pub const ABSORB: usize = 24;
    pub const WIDE_FULL: usize = 25;
    pub const WIDE_PARTIAL: usize = 26;
    /// The row behind the data lane.
    pub const END: usize = 27;
    /// Rows where the next power of σ is formed.
    pub const POWER: usize = 28;
    pub const COUNT_ALL: usize = 29;
}

/// The constraint system's columns and challenges.
#[derive(Clone, Debug)]
pub struct Columns {
    pub advice: Vec<Column<Advice>>,
    pub fixed: Vec<Column<Fixed>>,
    pub instance: Column<Instance>,
    /// Folds samples.
    pub rho: Challenge,
    /// Folds outputs.
    pub sigma: Challenge,
    /// Lookup argument.
    pub beta: Challenge,
    /// Joins the columns of a table entry.
    pub gamma: Challenge,
}

impl Columns {
    /// Declares every column and gate. The same call gives the same system, whatever the model.
    pub fn configure(meta: &mut ConstraintSystem<Fr>) -> Self {
        let mut advice: Vec<Column<Advice>> = (0..adv::FIRST_PHASE).map(|_| meta.advice_column()).collect();
        let [rho, sigma, beta, gamma] = [(); 4].map(|()| meta.challenge_usable_after(FirstPhase));
        advice.extend((adv::FIRST_PHASE..adv::COUNT_ALL).map(|_| meta.advice_column_in(SecondPhase)));
        let fixed = (0..fix::COUNT_ALL).map(|_| meta.fixed_column()).collect();
        let instance = meta.instance_column();
        meta.enable_equality(instance);
        for c in adv::EQUALITY {
            meta.enable_equality(advice[c]);
        }
        let columns = Self {
            advice,
            fixed,
            instance,
            rho,
            sigma,
            beta,
            gamma,
        };
        constraints::configure(meta, &columns);
        columns
    }
}

/// Queries by column index, for writing gates.
pub struct Cells<'a, 'b> {
    pub meta: &'a mut VirtualCells<'b, Fr>,
    pub columns: &'a Columns,
}

impl Cells<'_, '_> {
    /// An advice cell of this row.
    pub fn a(&mut self, column: usize) -> Expression<Fr> {
        self.at(column, 0)
    }

    /// An advice cell `rotation` rows below.
    pub fn at(&mut self, column: usize, rotation: i32) -> Expression<Fr> {
        self.meta.query_advice(self.columns.advice[column], Rotation(rotation))
    }

    /// A fixed cell of this row.
    pub fn f(&mut self, column: usize) -> Expression<Fr> {
        self.f_at(column, 0)
    }

    pub fn f_at(&mut self, column: usize, rotation: i32) -> Expression<Fr> {
        self.meta.query_fixed(self.columns.fixed[column], Rotation(rotation))
    }

    pub fn challenge(&mut self, c: Challenge) -> Expression<Fr> {
        self.meta.query_challenge(c)
    }
}

/// A constant expression.
pub fn constant(x: Fr) -> Expression<Fr> {
    Expression::Constant(x)
}

/// One.
pub fn one() -> Expression<Fr> {
    constant(Fr::one())
}
