//! `ReleaseVerifier` in an EVM and the Rust verifier accept the same proofs of the same statements.

mod claims;

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ff::{BigInteger, BigInteger256, PrimeField};
use claims::{key, proved};
use revm::bytecode::Bytecode;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::hardfork::SpecId;
use revm::primitives::{Address, Bytes, TxKind};
use revm::state::AccountInfo;
use revm::{ExecuteEvm, MainBuilder, MainContext};
use sha3::{Digest, Keccak256};
use zkaggle_circuits::backend::groth16::EVM_KEY_BYTES;
use zkaggle_circuits::backend::groth16::points::put_g2;
use zkaggle_circuits::statements::release::{ReleaseInstance, ciphertext_bytes};
use zkaggle_graph::field::Fr;

const VERIFIER: Address = Address::repeat_byte(0x11);
const KEY: Address = Address::repeat_byte(0x22);
/// Of a transaction, EIP-7825.
const GAS: u64 = 16_777_216;

/// The deployed code as committed.
fn code() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../contracts/artifacts/ReleaseVerifier.json"
    );
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    hex::decode(json["deployedBytecode"].as_str().unwrap().trim_start_matches("0x")).unwrap()
}

/// What the contract answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    True,
    False,
    /// With the first four bytes of the revert data.
    Revert([u8; 4]),
    Halt,
}

/// A chain that holds the verifier and one key.
struct Evm {
    db: CacheDB<EmptyDB>,
}

impl Evm {
    fn new(key: &[u8]) -> Self {
        let mut db = CacheDB::new(EmptyDB::default());
        let chunk = [&[0], key].concat();
        for (address, code) in [(VERIFIER, code()), (KEY, chunk)] {
            let code = Bytecode::new_raw(Bytes::from(code));
            db.insert_account_info(
                address,
                AccountInfo {
                    code_hash: code.hash_slow(),
                    code: Some(code),
                    ..Default::default()
                },
            );
        }
        Self { db }
    }

    fn call(&self, data: Vec<u8>) -> (Answer, u64) {
        let mut evm = Context::mainnet()
            .with_db(self.db.clone())
            .modify_cfg_chained(|c| c.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
            .build_mainnet();
        let tx = TxEnv {
            kind: TxKind::Call(VERIFIER),
            data: data.into(),
            gas_limit: GAS,
            ..Default::default()
        };
        let result = evm.transact(tx).unwrap().result;
        let gas = result.tx_gas_used();
        let answer = match result {
            ExecutionResult::Success {
                output: Output::Call(out),
                ..
            } => {
                let mut word = [0u8; 32];
                word.copy_from_slice(&out);
                match (word[..31].iter().all(|&b| b == 0), word[31]) {
                    (true, 1) => Answer::True,
                    (true, 0) => Answer::False,
                    _ => panic!("no boolean: {word:?}"),
                }
            }
            ExecutionResult::Revert { output, .. } => Answer::Revert(output[..4].try_into().unwrap()),
            _ => Answer::Halt,
        };
        (answer, gas)
    }

    fn verify(&self, inputs: &[[u8; 32]; 8], proof: &[u8]) -> Answer {
        self.call(calldata(&[KEY], inputs, proof)).0
    }
}

fn word(n: usize) -> [u8; 32] {
    let mut w = [0u8; 32];
    w[24..].copy_from_slice(&(n as u64).to_be_bytes());
    w
}

fn selector(signature: &str) -> [u8; 4] {
    Keccak256::digest(signature)[..4].try_into().unwrap()
}

fn calldata(keys: &[Address], inputs: &[[u8; 32]; 8], proof: &[u8]) -> Vec<u8> {
    let statement = ["uint256"; 8].join(",");
    let mut out = selector(&format!("verify(address[],({statement}),bytes)")).to_vec();
    let head = 32 * 10;
    out.extend(word(head));
    inputs.iter().for_each(|i| out.extend(i));
    out.extend(word(head + 32 * (1 + keys.len())));
    out.extend(word(keys.len()));
    for k in keys {
        out.extend([0; 12]);
        out.extend(k.as_slice());
    }
    out.extend(word(proof.len()));
    out.extend(proof);
    out.resize(out.len().next_multiple_of(32) + 4, 0);
    out
}

fn words(x: &ReleaseInstance) -> [[u8; 32]; 8] {
    x.public_inputs().map(|i| ciphertext_bytes(&[i]).try_into().unwrap())
}

/// `word + modulus`: the same residue, another encoding.
fn alias(word: &[u8], modulus: &BigInteger256) -> [u8; 32] {
    let bits: Vec<bool> = word
        .iter()
        .flat_map(|b| (0..8).rev().map(move |i| b >> i & 1 == 1))
        .collect();
    let mut n = BigInteger256::from_bits_be(&bits);
    assert!(!n.add_with_carry(modulus));
    n.to_bytes_be().try_into().unwrap()
}

#[test]
fn a_good_proof_is_accepted_for_a_known_price() {
    let (c, proof) = proved();
    let evm = Evm::new(&key().evm_key());
    let (answer, gas) = evm.call(calldata(&[KEY], &words(&c.instance), proof));
    assert_eq!(answer, Answer::True);
    // Of the transaction, 21,000 and its calldata included.
    println!("{gas} gas");
    assert!(gas < 280_000, "{gas} gas");
    let second = key().prove(&c.instance, &c.witness, &mut rand::rngs::OsRng).unwrap();
    assert_eq!(evm.verify(&words(&c.instance), &second), Answer::True);
}

/// Anyone can turn a proof into another of the same statement; both verifiers know it, and so must
/// whoever keeps replay keys.
#[test]
fn a_rerandomised_proof_is_as_good() {
    let (c, proof) = proved();
    let read = |at: usize| {
        let mut limbs = [0u64; 4];
        for (l, b) in limbs.iter_mut().rev().zip(proof[at..at + 32].chunks(8)) {
            *l = u64::from_be_bytes(b.try_into().unwrap());
        }
        Fq::from_bigint(BigInteger256::new(limbs)).unwrap()
    };
    let parsed = ark_groth16::Proof::<Bn254> {
        a: G1Affine::new(read(0), read(32)),
        b: G2Affine::new(Fq2::new(read(96), read(64)), Fq2::new(read(160), read(128))),
        c: G1Affine::new(read(192), read(224)),
    };
    // A' = A/r, B' = r·B: the same pairing.
    let r = Fr::from(7u64);
    let turned = ark_groth16::Proof::<Bn254> {
        a: (parsed.a * ark_ff::Field::inverse(&r).unwrap()).into(),
        b: (parsed.b * r).into(),
        c: parsed.c,
    };
    let mut bytes = vec![];
    zkaggle_circuits::backend::groth16::points::put_g1(&mut bytes, &turned.a);
    put_g2(&mut bytes, &turned.b);
    zkaggle_circuits::backend::groth16::points::put_g1(&mut bytes, &turned.c);
    assert_ne!(bytes, *proof);
    assert_eq!(key().verify(&c.instance, &bytes), Ok(()));
    assert_eq!(
        Evm::new(&key().evm_key()).verify(&words(&c.instance), &bytes),
        Answer::True
    );
}

#[test]
fn both_refuse_every_altered_proof() {
    let (c, proof) = proved();
    let evm = Evm::new(&key().evm_key());
    let inputs = words(&c.instance);
    let refused = |bad: &[u8], what: &str| {
        assert!(key().verify(&c.instance, bad).is_err(), "Rust accepts {what}");
        assert_eq!(evm.verify(&inputs, bad), Answer::False, "{what}");
    };
    for i in 0..proof.len() {
        let mut bad = proof.clone();
        bad[i] ^= 1 << (i % 8);
        refused(&bad, &format!("byte {i}"));
    }
    for len in [0, 1, 128, 255, 257, 288, 512] {
        let mut bad = proof.clone();
        bad.resize(len, 0);
        refused(&bad, &format!("length {len}"));
    }
    for coordinate in 0..8 {
        let at = 32 * coordinate;
        let mut bad = proof.clone();
        let other = alias(&proof[at..at + 32], &Fq::MODULUS);
        bad[at..at + 32].copy_from_slice(&other);
        refused(&bad, &format!("coordinate {coordinate} plus the modulus"));
    }
    for (name, from, to) in [("A", 0, 64), ("B", 64, 192), ("C", 192, 256), ("all", 0, 256)] {
        let mut bad = proof.clone();
        bad[from..to].fill(0);
        refused(&bad, &format!("{name} at infinity"));
        let mut bad = proof.clone();
        bad[from..to].fill(1);
        refused(&bad, &format!("{name} off the curve"));
    }
    // A and C exchanged, and A's negative.
    let mut bad = proof.clone();
    bad[..64].copy_from_slice(&proof[192..]);
    bad[192..].copy_from_slice(&proof[..64]);
    refused(&bad, "A and C exchanged");
    let outside = (1u64..)
        .find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(0u64)), true))
        .unwrap();
    let mut point = vec![];
    put_g2(&mut point, &outside);
    let mut bad = proof.clone();
    bad[64..192].copy_from_slice(&point);
    refused(&bad, "B outside the subgroup");
}

#[test]
fn every_input_is_bound_canonical_and_in_its_place() {
    let (c, proof) = proved();
    let evm = Evm::new(&key().evm_key());
    let good = words(&c.instance);
    for i in 0..8 {
        let mut bad = good;
        bad[i][31] ^= 1;
        assert_eq!(evm.verify(&bad, proof), Answer::False, "input {i}");
        let mut bad = good;
        bad[i] = alias(&good[i], &Fr::MODULUS);
        assert_eq!(evm.verify(&bad, proof), Answer::False, "input {i} plus the order");
        let mut bad = good;
        bad[i] = [0xff; 32];
        assert_eq!(evm.verify(&bad, proof), Answer::False, "input {i}");
        for j in 0..i {
            let mut bad = good;
            bad.swap(i, j);
            assert_eq!(evm.verify(&bad, proof), Answer::False, "inputs {i} and {j} exchanged");
        }
    }
}

#[test]
fn a_key_of_another_shape_or_a_forgeable_one_reverts() {
    let (c, proof) = proved();
    let good = key().evm_key();
    assert_eq!(good.len(), EVM_KEY_BYTES);
    let inputs = words(&c.instance);
    let shape = Answer::Revert(selector("KeyShape()"));
    let degenerate = Answer::Revert(selector("KeyDegenerate()"));
    let evm = Evm::new(&good);
    assert_eq!(evm.call(calldata(&[], &inputs, proof)).0, shape);
    assert_eq!(evm.call(calldata(&[KEY, KEY], &inputs, proof)).0, shape);
    assert_eq!(
        evm.call(calldata(&[Address::repeat_byte(0x33)], &inputs, proof)).0,
        shape
    );
    assert_eq!(Evm::new(&good[1..]).verify(&inputs, proof), shape);
    assert_eq!(Evm::new(&[&good[..], &[0]].concat()).verify(&inputs, proof), shape);

    let (gamma, delta) = (32 + 64 + 128, 32 + 64 + 256);
    let mut generator = vec![];
    put_g2(&mut generator, &<G2Affine as ark_ec::AffineRepr>::generator());
    let minus = |p: &[u8]| {
        // Only y changes sign, which the check does not read.
        let mut p = p.to_vec();
        p[64..].fill(7);
        p
    };
    for (at, part) in [
        (gamma, good[delta..delta + 128].to_vec()),
        (delta, good[gamma..gamma + 128].to_vec()),
        (gamma, generator.clone()),
        (delta, generator),
        (gamma, minus(&good[delta..delta + 128])),
    ] {
        let mut bad = good.clone();
        bad[at..at + 128].copy_from_slice(&part);
        assert_eq!(Evm::new(&bad).verify(&inputs, proof), degenerate);
    }
    // Any other change of a point makes another key, or none: the proof does not hold.
    for at in (32..EVM_KEY_BYTES).step_by(32) {
        let mut bad = good.clone();
        bad[at + 31] ^= 1;
        assert_eq!(Evm::new(&bad).verify(&inputs, proof), Answer::False, "key word at {at}");
    }
    // The mark is for nodes; it is bound by the vkId, not read here.
    let mut marked = good;
    marked[0] ^= 1;
    assert_eq!(Evm::new(&marked).verify(&inputs, proof), Answer::True);
}
