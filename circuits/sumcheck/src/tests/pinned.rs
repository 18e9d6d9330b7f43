//! A proof and its transcript, pinned, and replayed from the document's table.

use super::{bytes, honest, small_keys};
use crate::encoding::{Word, scalar_to_word};
use crate::layout::{ROW_VARIABLES, SPONGE_CELLS, polynomials, read};
use crate::statement::Plan;
use crate::verifier::verify;
use halo2curves::bn256::Fr;
use halo2curves::ff::FromUniformBytes;
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/argument.json");

/// The transcript by the rules of the document, with nothing of the crate's own.
struct Replay<'a> {
    state: Word,
    pending: Vec<u8>,
    proof: &'a [u8],
}

impl Replay<'_> {
    fn take(&mut self, words: usize) {
        let (head, rest) = self.proof.split_at(32 * words);
        self.pending.extend_from_slice(head);
        self.proof = rest;
    }

    fn challenge(&mut self) -> String {
        let mut preimage = self.state.to_vec();
        if self.pending.is_empty() {
            preimage.push(1);
        }
        preimage.append(&mut self.pending);
        self.state = Keccak256::digest(&preimage).into();
        let mut wide = [0; 64];
        wide[..32].copy_from_slice(&self.state);
        wide[..32].reverse();
        hex::encode(scalar_to_word(&Fr::from_uniform_bytes(&wide)))
    }

    fn challenges(&mut self, n: usize, words: usize) -> Vec<String> {
        (0..n)
            .map(|_| {
                self.take(words);
                self.challenge()
            })
            .collect()
    }
}

#[test]
fn proof_and_transcript_are_pinned() {
    let shards = [bytes(5), bytes(64)];
    let p = honest(small_keys(), &shards);
    let vk = &small_keys().1;
    let plan = Plan::of(&p.statement).unwrap();

    let mut replay = Replay {
        state: Keccak256::digest(b"zkaggle/v1/CID-ARGUMENT").into(),
        pending: vk.srs_id().to_vec(),
        proof: &p.proof,
    };
    let number = |n: usize| [&[0; 24][..], &(n as u64).to_be_bytes()].concat();
    replay.pending.extend(number(p.statement.len()));
    for s in &p.statement {
        replay.pending.extend(s.digest);
        replay.pending.extend(number(s.length as usize));
        replay.pending.extend(scalar_to_word(&s.commitment));
    }
    assert_eq!((plan.variables, plan.stack()), (3, 1));
    replay.take(2 * polynomials(1));
    let tau = replay.challenges(plan.variables, 0);
    let theta = replay.challenges(ROW_VARIABLES, 0);
    let alpha = replay.challenge();
    let x = replay.challenges(plan.variables, 6);
    replay.take(2 + SPONGE_CELLS);
    let rho = replay.challenges(ROW_VARIABLES, 4);
    replay.take(read::COUNT);
    let gamma = replay.challenge();
    let pi = replay.challenges(ROW_VARIABLES, 2);
    let sigma = replay.challenges(1, 2);
    // The opening: 9 folds, u, 21 evaluations, γ, a quotient, ζ, the last quotient.
    replay.take(18);
    let u = replay.challenge();
    replay.take(21);
    let batch = replay.challenge();
    replay.take(2);
    let zeta = replay.challenge();
    replay.take(2);
    assert!(replay.proof.is_empty());

    let statement: Vec<Value> = p
        .statement
        .iter()
        .zip(&shards)
        .map(|(s, bytes)| {
            json!({
                "bytes": hex::encode(bytes),
                "digest": hex::encode(s.digest),
                "length": s.length,
                "commitment": hex::encode(scalar_to_word(&s.commitment)),
            })
        })
        .collect();
    let got = json!({
        "srsId": hex::encode(vk.srs_id()),
        "statement": statement,
        "challenges": {
            "tau": tau, "theta": theta, "alpha": alpha, "x": x, "rho": rho, "gamma": gamma, "pi": pi, "sigma": sigma,
            "opening": { "u": u, "gamma": batch, "zeta": zeta },
        },
        "proof": hex::encode(&p.proof),
    });
    if std::env::var_os("ZKAGGLE_PIN").is_some() {
        std::fs::write(PATH, serde_json::to_string_pretty(&got).unwrap() + "\n").unwrap();
    }
    let want: Value = serde_json::from_str(&std::fs::read_to_string(PATH).unwrap()).unwrap();
    assert!(
        got == want,
        "the proof or its transcript changed: this is another protocol"
    );

    let proof = hex::decode(want["proof"].as_str().unwrap()).unwrap();
    assert_eq!(verify(vk, &p.statement, &proof), Ok(()));
}
