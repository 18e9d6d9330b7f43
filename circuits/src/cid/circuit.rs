//! Tables and trace as a halo2 circuit.

use super::gates::Config;
use super::layout::Shape;
use super::tables::Tables;
use super::trace::Trace;
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// A class of the CID circuit, with a witness or (for keys) without.
#[derive(Clone)]
pub struct CidCircuit {
    shape: Shape,
    trace: Option<Trace>,
}

impl CidCircuit {
    pub fn without_witness(shape: Shape) -> Self {
        Self { shape, trace: None }
    }

    pub fn new(shape: Shape, trace: Trace) -> Self {
        Self {
            shape,
            trace: Some(trace),
        }
    }
}

impl Circuit<Fr> for CidCircuit {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn params(&self) {}

    fn without_witnesses(&self) -> Self {
        Self::without_witness(self.shape)
    }

    fn configure(cs: &mut ConstraintSystem<Fr>) -> Config {
        Config::configure(cs)
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, _: ()) -> Config {
        Config::configure(cs)
    }

    fn synthesize(&self, config: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let tables = Tables::new(&self.shape);
        // One region: this planner starts every region at row 0.
        layouter.assign_region(
            || "cid",
            |mut region| {
                for (column, values) in config.fixed.iter().zip(&tables.columns) {
                    for (row, v) in values.iter().enumerate() {
                        if !bool::from(v.is_zero()) {
                            region.assign_fixed(*column, row, *v);
                        }
                    }
                }
                if let Some(trace) = &self.trace {
                    for (i, column) in config.advice.iter().enumerate() {
                        for row in 0..self.shape.tail() + 5 {
                            if !trace.is_zero(i, row) {
                                region.assign_advice(*column, row, Value::known(trace.get(i, row)));
                            }
                        }
                    }
                }
                Ok(())
            },
        )
    }
}
