//! Small instances, a malicious prover, and what each of its lies runs into.

use super::*;
use crate::statements::accuracy::{self, AccuracyInstance, AccuracyWitness};
use halo2_proofs::dev::MockProver;
use halo2_proofs::halo2curves::bn256::Fr;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field;
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::mlp::Mlp;
use zkaggle_graph::weights::Weights;

mod attacks;
mod checker;
mod edges;
mod honest;
mod layouts;
mod lies;
mod sweep;

/// Widths of the layers, shift 4 and 9 bits between them.
pub(super) fn graph(widths: &[u32], samples: u32) -> Mlp {
    graph_with(widths, samples, 4, 9)
}

pub(super) fn graph_with(widths: &[u32], samples: u32, shift: u8, bits: u8) -> Mlp {
    chain(widths, &vec![(shift, bits); widths.len() - 2], 16, samples)
}

/// Layers of the given widths; between them `(shift, bits)`.
pub(super) fn chain(widths: &[u32], relus: &[(u8, u8)], feature_max: u8, samples: u32) -> Mlp {
    let schema = Schema::bytes([widths[0]], feature_max, *widths.last().unwrap() as u16);
    Mlp::try_from(&Graph::mlp(schema, samples, widths, relus).unwrap()).unwrap()
}

/// The demo's network.
pub(super) fn digits(samples: u32) -> Mlp {
    graph_with(&[64, 32, 10], samples, 6, 14)
}

/// A model and a shard with features up to 16, weights up to ±`size`.
pub(super) fn witness(graph: &Mlp, records: usize, size: i8, seed: u64) -> AccuracyWitness {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bytes: Vec<u8> = {
        let mut out = vec![];
        for (inputs, outputs) in graph.dense() {
            out.extend((0..inputs * outputs).map(|_| rng.gen_range(-size..=size) as u8));
            for _ in 0..outputs {
                out.extend(rng.gen_range(-200i32..200).to_be_bytes());
            }
        }
        out
    };
    let classes = graph.schema().classes as u8;
    let mut shard = vec![];
    for _ in 0..records {
        shard.extend((0..graph.schema().features()).map(|_| rng.gen_range(0..=16u8)));
        shard.push(rng.gen_range(0..classes));
    }
    AccuracyWitness {
        weights: Weights::from_bytes(graph, &bytes).unwrap(),
        blind: Blind::new(field::Fr::from(rng.r#gen::<u64>())),
        shard: graph.schema().lay_out(&shard),
    }
}

/// An instance with everything a test may want to falsify.
pub(super) struct Case {
    pub plan: Arc<Plan>,
    pub instance: AccuracyInstance,
    pub first: Grid,
}

impl Case {
    pub fn new(graph: &Mlp, w: &AccuracyWitness) -> Self {
        let ctx = field::Fr::from(0xc0ffee_u64);
        let plan = Arc::new(Plan::new(graph).unwrap());
        Self {
            instance: accuracy::instance(graph, w, ctx).unwrap(),
            first: first_phase(&plan, w, &ctx).unwrap(),
            plan,
        }
    }

    /// Names of the constraints that fail, `copy` and others for what has no name.
    pub fn failures(&self) -> Vec<String> {
        let circuit = AccuracyCircuit::proof(self.plan.clone(), Arc::new(self.first.clone()));
        mock(self.plan.k(), &circuit, &self.instance)
    }
}

pub(super) fn inputs(x: &AccuracyInstance) -> Vec<Fr> {
    x.public_inputs().iter().map(crate::backend::convert::to_halo).collect()
}

pub(super) fn mock(k: u32, circuit: &AccuracyCircuit, x: &AccuracyInstance) -> Vec<String> {
    use halo2_proofs::dev::VerifyFailure;
    let prover = MockProver::run(k, circuit, vec![inputs(x)]).unwrap();
    let mut names: Vec<String> = match prover.verify() {
        Ok(()) => vec![],
        Err(failures) => failures
            .iter()
            .map(|f| match f {
                VerifyFailure::ConstraintNotSatisfied { constraint, .. } => {
                    let s = constraint.to_string();
                    // "Constraint 3 ('name') in gate 1 ('gate')"
                    s.split('\'').nth(1).unwrap_or(&s).to_owned()
                }
                VerifyFailure::Permutation { .. } => "copy".to_owned(),
                other => format!("{other:?}"),
            })
            .collect(),
    };
    names.sort();
    names.dedup();
    names
}
