//! The constraints, in the order of `docs/circuits/cid.md`.

mod bits;
mod blocks;
mod output;
mod rounds;
mod sponge;

use super::layout::{col, fixed};
use halo2_proofs::plonk::{Advice, Column, Constraint, ConstraintSystem, Expression, Fixed, Instance, VirtualCells};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;

pub(super) type E = Expression<Fr>;

/// Columns of the constraint system.
#[derive(Clone, Debug)]
pub struct Config {
    pub advice: Vec<Column<Advice>>,
    pub fixed: Vec<Column<Fixed>>,
    pub instance: Column<Instance>,
}

impl Config {
    pub fn configure(cs: &mut ConstraintSystem<Fr>) -> Self {
        let config = Self {
            advice: (0..col::COUNT).map(|_| cs.advice_column()).collect(),
            fixed: (0..fixed::COUNT).map(|_| cs.fixed_column()).collect(),
            instance: cs.instance_column(),
        };
        for (name, gate) in [
            ("bits", bits::constraints as fn(&mut Cells<'_, '_>) -> Vec<Named>),
            ("schedule", rounds::schedule),
            ("round", rounds::round),
            ("chain", rounds::chain),
            ("active", blocks::active),
            ("message", blocks::message),
            ("block", blocks::block),
            ("sponge", sponge::constraints),
            ("output", output::constraints),
        ] {
            cs.create_gate(name, |cells| {
                let mut cells = Cells { config: &config, cells };
                gate(&mut cells).into_iter().map(Constraint::from).collect::<Vec<_>>()
            });
        }
        config
    }
}

pub(super) type Named = (String, E);

/// Queries by column index.
pub(super) struct Cells<'a, 'b> {
    config: &'a Config,
    cells: &'a mut VirtualCells<'b, Fr>,
}

impl Cells<'_, '_> {
    fn at(&mut self, column: usize, rotation: i32) -> E {
        self.cells.query_advice(self.config.advice[column], Rotation(rotation))
    }

    fn word(&mut self, bits: usize, rotation: i32) -> Vec<E> {
        (0..32).map(|i| self.at(bits + i, rotation)).collect()
    }

    fn fixed(&mut self, column: usize) -> E {
        self.cells.query_fixed(self.config.fixed[column], Rotation::cur())
    }

    fn instance(&mut self) -> E {
        self.cells.query_instance(self.config.instance, Rotation::cur())
    }
}

fn int(v: u64) -> E {
    E::Constant(Fr::from(v))
}

fn one() -> E {
    int(1)
}

/// `1 − x`.
fn not(x: &E) -> E {
    one() - x.clone()
}

/// `Σ 2ⁱ·bits[i]`.
fn pack(bits: &[E]) -> E {
    let mut from_top = bits.iter().rev().cloned();
    let top = from_top.next().unwrap_or_else(|| int(0));
    from_top.fold(top, |acc, b| acc * Fr::from(2) + b)
}

/// `1 − 2x`: ±1 for a bit, and exclusive or is the product of these.
fn signs(bits: &[E]) -> Vec<E> {
    bits.iter().map(|b| one() - b.clone() * Fr::from(2)).collect()
}

/// Zero exactly for 0 and 1.
fn bit(x: &E) -> E {
    x.clone() * x.clone() - x.clone()
}

/// Zero exactly for 0 to 3.
fn two_bits(x: &E) -> E {
    (1..4).fold(x.clone(), |acc, v| acc * (x.clone() - int(v)))
}

fn all(selector: &E, constraints: Vec<Named>) -> Vec<Named> {
    constraints
        .into_iter()
        .map(|(name, e)| (name, selector.clone() * e))
        .collect()
}
