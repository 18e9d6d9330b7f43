//! A circuit whose proofs hold the point at infinity.

use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{Advice, Circuit, Column, ConstraintSystem, Error, Fixed, Instance};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use zkaggle_circuits::backend::convert::from_halo;

/// Few constraints under a minimum degree of 5: the quotient is shorter than its pieces, so the last
/// of them commits to zero and the proof holds the point at infinity.
#[derive(Clone, Debug)]
pub struct Short {
    pub root: u64,
}

impl Short {
    pub fn public(&self) -> Vec<zkaggle_graph::field::Fr> {
        (0..6).map(|i| from_halo(&Fr::from((self.root + i).pow(2)))).collect()
    }
}

impl Circuit<Fr> for Short {
    type Config = (Column<Fixed>, [Column<Advice>; 2], Column<Instance>);
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        let (q, a, public) = (
            meta.fixed_column(),
            [meta.advice_column(), meta.advice_column()],
            meta.instance_column(),
        );
        meta.enable_equality(public);
        meta.enable_equality(a[1]);
        meta.set_minimum_degree(5);
        meta.create_gate("square", |m| {
            let x = m.query_advice(a[0], Rotation::cur());
            vec![m.query_fixed(q, Rotation::cur()) * (x.clone() * x - m.query_advice(a[1], Rotation::cur()))]
        });
        (q, a, public)
    }

    fn synthesize(&self, (q, a, public): Self::Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let cells = layouter.assign_region(
            || "squares",
            |mut region| {
                Ok((0..6)
                    .map(|i| {
                        let x = Fr::from(self.root + i as u64);
                        region.assign_fixed(q, i, Fr::ONE);
                        region.assign_advice(a[0], i, Value::known(x));
                        region.assign_advice(a[1], i, Value::known(x.square())).cell()
                    })
                    .collect::<Vec<_>>())
            },
        )?;
        for (i, cell) in cells.iter().enumerate() {
            layouter.constrain_instance(*cell, public, i);
        }
        Ok(())
    }
}
