//! The real CID circuit on the EVM: accepted, refused, and what it costs.

use crate::adapters::{DATASET, dataset_words, deploy, verify_call, words};
use crate::chain::Chain;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use zkaggle_circuits::backend::srs::Srs;
use zkaggle_circuits::cid::DatasetKey;
use zkaggle_circuits::evm::code::Verifier;
use zkaggle_circuits::evm::{compile, machine};
use zkaggle_circuits::statements::cid::{CidInstance, CidWitness, instance};
use zkaggle_graph::field::Fr;

/// Most gas a CID proof may take, calldata and transaction included.
const BUDGET: u64 = 1_600_000;

/// One constraint system serves every class: this one differs from the largest in its size alone.
const K: u32 = 9;

#[test]
fn a_cid_proof_is_accepted_on_chain_within_its_budget() {
    let srs = Srs::development(K).unwrap();
    let key = DatasetKey::setup(&srs, K).unwrap();
    let bytes: Vec<u8> = (0..200u8).collect();
    let x = instance(&bytes).unwrap();
    let w = CidWitness { bytes };
    let proof = key.prove(&srs, &x, &w, ChaCha20Rng::seed_from_u64(2)).unwrap();
    key.verify(srs.points(), &x, &proof).unwrap();
    let evm = compile(key.vk()).unwrap();
    machine::verify(srs.points(), evm.bytes(), &x.public_inputs(), &proof).unwrap();

    let mut chain = Chain::new();
    let verifier = deploy(&mut chain, Verifier::Dataset, srs.points());
    let at = chain.store(evm.chunks());
    let mut ask = |x: &CidInstance, proof: &[u8]| {
        let words = dataset_words(&words(&x.public_inputs()));
        chain.call(verifier, verify_call(DATASET, &at, &words, proof))
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

    let mut digest = x.clone();
    digest.digest[0] ^= 1;
    let mut low = x.clone();
    low.digest[31] ^= 1;
    let longer = CidInstance {
        length: x.length + 1,
        ..x.clone()
    };
    let shard = CidInstance {
        shard: x.shard + Fr::from(1u64),
        ..x.clone()
    };
    for other in [digest, low, longer, shard] {
        assert!(!ask(&other, &proof).is_true());
    }
    let mut bad = proof.clone();
    bad[proof.len() / 2] ^= 1;
    assert!(!ask(&x, &bad).is_true());
}
