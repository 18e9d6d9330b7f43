//! One key, one model, one sealed and proved claim for the tests of the release proof.

#![allow(dead_code, reason = "each test program uses a part")]

use rand::rngs::OsRng;
use std::sync::OnceLock;
use zkaggle_circuits::backend::groth16::ReleaseKey;
use zkaggle_circuits::statements::release::{ReleaseInstance, ReleaseWitness, seal};
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::{CapacityClass, Graph, Schema};
use zkaggle_graph::ids::{Entry, VkId};
use zkaggle_graph::jub::ProviderKey;
use zkaggle_graph::weights::Weights;

/// The class of the demo's model.
pub const CLASS: CapacityClass = CapacityClass::K4;
/// Stands for the verifier's code hash.
pub const CS: [u8; 32] = [0xc5; 32];

pub fn key() -> &'static ReleaseKey {
    static KEY: OnceLock<ReleaseKey> = OnceLock::new();
    KEY.get_or_init(|| ReleaseKey::setup_development(CLASS).unwrap())
}

pub fn graph() -> Graph {
    let schema = Schema::bytes([8, 8], 16, 10);
    Graph::mlp(schema, 360, &[64, 32, 10], &[(6, 14)]).unwrap()
}

pub fn entry() -> Entry {
    Entry {
        chain_id: 31337,
        market: [1; 20],
        bounty: 7,
        hunter: [2; 20],
        slot: 0,
        vk: VkId([3; 32]),
    }
}

pub fn provider() -> ProviderKey {
    ProviderKey::from_uniform(&[7; 64]).unwrap()
}

pub struct Claim {
    pub weights: Weights,
    pub blind: Blind,
    pub instance: ReleaseInstance,
    pub witness: ReleaseWitness,
    pub ciphertext: Vec<Fr>,
}

pub fn claim() -> Claim {
    let graph = graph();
    let bytes: Vec<u8> = (0..graph.weight_bytes()).map(|i| (i * 73 + 1) as u8).collect();
    let weights = Weights::from_bytes(&graph, &bytes).unwrap();
    let blind = Blind::from_uniform(&[4; 64]);
    let (instance, witness, ciphertext) = seal(
        &graph,
        &weights,
        &blind,
        entry().ctx(),
        provider().stored(),
        key().vk_id(CS),
        &mut OsRng,
    )
    .unwrap();
    Claim {
        weights,
        blind,
        instance,
        witness,
        ciphertext,
    }
}

/// One proved claim for the tests that only alter it.
pub fn proved() -> &'static (Claim, Vec<u8>) {
    static PROVED: OnceLock<(Claim, Vec<u8>)> = OnceLock::new();
    PROVED.get_or_init(|| {
        let c = claim();
        let proof = key().prove(&c.instance, &c.witness, &mut OsRng).unwrap();
        (c, proof)
    })
}
