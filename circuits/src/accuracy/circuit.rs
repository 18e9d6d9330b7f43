//! The circuit as halo2 sees it: columns copied out of a plan and a witness.
//!
//! All constraints live in the constraint system, all layout in the plan, all values in the grids;
//! this file only hands them over. halo2-axiom's floor planner starts every region at row 0, so
//! there is exactly one.

use super::columns::{Columns, adv};
use super::fold::{Challenges, second_phase};
use super::plan::{Cell, Plan};
use super::witness::Grid;
use halo2_proofs::circuit::{self, Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error};
use std::sync::Arc;

/// One proof of the accuracy statement, or its shape alone.
#[derive(Clone, Debug)]
pub struct AccuracyCircuit {
    plan: Arc<Plan>,
    first: Option<Arc<Grid>>,
    /// Second-phase cells to falsify once they are computed, by adding or by replacing: the malicious
    /// prover of the tests.
    #[cfg(test)]
    pub(super) lies: Vec<(Cell, Fr, bool)>,
}

impl AccuracyCircuit {
    /// The shape, for keys.
    pub fn shape(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            first: None,
            #[cfg(test)]
            lies: vec![],
        }
    }

    /// The shape with first-phase values, for a proof.
    pub fn proof(plan: Arc<Plan>, first: Arc<Grid>) -> Self {
        Self::shape(plan).with(first)
    }

    /// The same circuit with first-phase values.
    pub(super) fn with(self, first: Arc<Grid>) -> Self {
        Self {
            first: Some(first),
            ..self
        }
    }

    fn assign(region: &mut Region<'_, Fr>, columns: &Columns, offset: usize, grid: &Grid) {
        for (i, values) in grid.columns.iter().enumerate() {
            for (row, x) in values.iter().enumerate() {
                region.assign_advice(columns.advice[offset + i], row, Value::known(*x));
            }
        }
    }

    fn second(&self, first: &Grid, challenges: &Challenges) -> Grid {
        #[cfg_attr(
            not(test),
            expect(unused_mut, reason = "only the tests' malicious prover writes to it")
        )]
        let mut second = second_phase(&self.plan, first, challenges);
        #[cfg(test)]
        for (cell, x, add) in &self.lies {
            let column = cell.column - adv::FIRST_PHASE;
            let before = if *add { second.get(column, cell.row) } else { Fr::zero() };
            second.set(column, cell.row, before + x);
        }
        second
    }
}

impl Circuit<Fr> for AccuracyCircuit {
    type Config = Columns;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self::shape(self.plan.clone())
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Columns {
        Columns::configure(meta)
    }

    fn synthesize(&self, columns: Columns, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let at = |c: &Cell| circuit::Cell {
            row_offset: c.row,
            column: columns.advice[c.column].into(),
        };
        layouter.assign_region(
            || "accuracy",
            |mut region| {
                for (column, values) in columns.fixed.iter().zip(self.plan.fixed()) {
                    for (row, x) in values.into_iter().enumerate() {
                        region.assign_fixed(*column, row, x);
                    }
                }
                for (a, b) in &self.plan.copies() {
                    region.constrain_equal(at(a), at(b));
                }
                if let Some(first) = &self.first {
                    Self::assign(&mut region, &columns, 0, first);
                }
                // Commits the first phase when a proof is made, and draws the challenges.
                region.next_phase();
                if let Some(first) = &self.first {
                    let draw = |c| region.get_challenge(c);
                    let drawn = draw(columns.rho)
                        .zip(draw(columns.sigma))
                        .zip(draw(columns.beta))
                        .zip(draw(columns.gamma));
                    let mut second = None;
                    drawn.map(|(((rho, sigma), beta), gamma)| {
                        second = Some(self.second(
                            first,
                            &Challenges {
                                rho,
                                sigma,
                                beta,
                                gamma,
                            },
                        ));
                    });
                    // Unknown in a pass that stops at the first phase.
                    if let Some(second) = second {
                        Self::assign(&mut region, &columns, adv::FIRST_PHASE, &second);
                    }
                }
                Ok(())
            },
        )?;
        for (row, cell) in self.plan.inputs().iter().enumerate() {
            layouter.constrain_instance(at(cell), columns.instance, row);
        }
        Ok(())
    }
}
