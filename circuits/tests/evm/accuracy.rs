//! The real accuracy circuit on the EVM: accepted, refused, and what it costs.

use crate::adapters::{SCORE, deploy, verify_call, words};
use crate::chain::Chain;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use zkaggle_circuits::accuracy::{ScoreKey, k_for};
use zkaggle_circuits::backend::srs::Srs;
use zkaggle_circuits::evm::code::Verifier;
use zkaggle_circuits::evm::{compile, machine};
use zkaggle_circuits::statements::accuracy::{AccuracyInstance, AccuracyWitness, instance};
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::mlp::Mlp;
use zkaggle_graph::weights::Weights;

/// Most gas a score proof may take, calldata and transaction included.
const BUDGET: u64 = 850_000;

fn graph() -> Graph {
    let schema = Schema::bytes([4], 16, 3);
    Graph::mlp(schema, 5, &[4, 6, 3], &[(4, 9)]).unwrap()
}

fn witness(graph: &Graph) -> AccuracyWitness {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut bytes = vec![];
    for (inputs, outputs) in Mlp::try_from(graph).unwrap().dense() {
        bytes.extend((0..inputs * outputs).map(|_| rng.gen_range(-20i8..=20) as u8));
        for _ in 0..outputs {
            bytes.extend(rng.gen_range(-200i32..200).to_be_bytes());
        }
    }
    let mut shard = vec![];
    for _ in 0..3 {
        shard.extend((0..4).map(|_| rng.gen_range(0..=16u8)));
        shard.push(rng.gen_range(0..3));
    }
    AccuracyWitness {
        weights: Weights::from_bytes(graph, &bytes).unwrap(),
        blind: Blind::new(Fr::from(9u64)),
        shard,
    }
}

#[test]
fn a_score_proof_is_accepted_on_chain_within_its_budget() {
    let g = graph();
    let srs = Srs::development(k_for(&g).unwrap()).unwrap();
    let key = ScoreKey::setup(&srs, &g).unwrap();
    let w = witness(&g);
    let x = instance(&g, &w, Fr::from(77u64)).unwrap();
    let proof = key.prove(&srs, &x, &w, ChaCha20Rng::seed_from_u64(2)).unwrap();
    key.verify(srs.points(), &x, &proof).unwrap();
    let evm = compile(key.vk()).unwrap();
    machine::verify(srs.points(), evm.bytes(), &x.public_inputs(), &proof).unwrap();

    let mut chain = Chain::new();
    let verifier = deploy(&mut chain, Verifier::Score, srs.points());
    let at = chain.store(evm.chunks());
    let ask = |x: &AccuracyInstance, proof: &[u8]| {
        chain.call(verifier, verify_call(SCORE, &at, &words(&x.public_inputs()), proof))
    };
    let reply = ask(&x, &proof);
    assert!(reply.is_true(), "{reply:?}");
    let h = evm.header();
    println!(
        "k = {}, {} terms, {} operations, key {} bytes, proof {} bytes: {} gas",
        h.k,
        h.terms,
        4 * (h.words_before + h.words_after),
        h.key_bytes,
        h.proof_bytes,
        reply.gas()
    );
    assert!(reply.gas() <= BUDGET, "{} gas", reply.gas());

    // Another entry's context, another score.
    for other in [
        AccuracyInstance {
            ctx: Fr::from(78u64),
            ..x.clone()
        },
        AccuracyInstance {
            score: x.score + 1,
            ..x.clone()
        },
    ] {
        assert!(!ask(&other, &proof).is_true());
    }
    let mut bad = proof.clone();
    bad[proof.len() / 2] ^= 1;
    assert!(!ask(&x, &bad).is_true());
}
