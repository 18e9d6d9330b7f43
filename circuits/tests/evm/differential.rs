//! halo2's verifier, the Rust machine and the Solidity contract accept the same proofs.

use crate::adapters::{SCORE, deploy, verify_call, words};
use crate::chain::{Chain, Reply};
use crate::samples::{Sample, Shape};
use crate::short::Short;
use ark_ff::{BigInteger, PrimeField};
use halo2_proofs::plonk::Circuit;
use halo2curves::bn256::{Fr as HaloFr, G2Affine};
use halo2curves::group::Curve;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use revm::primitives::Address;
use sha3::{Digest, Keccak256};
use zkaggle_circuits::backend::halo2::{Halo2Vk, keygen, prove, verify};
use zkaggle_circuits::backend::srs::{Srs, SrsPoints};
use zkaggle_circuits::evm::code::Verifier;
use zkaggle_circuits::evm::key::{CHUNK, HEADER};
use zkaggle_circuits::evm::{CompileError, EvmKey, compile, machine};
use zkaggle_graph::field::Fr;

const K: u32 = 6;

/// A chain with the adapter, and one key on it.
struct Bench {
    srs: SrsPoints,
    chain: Chain,
    score: Address,
}

/// A circuit's key in both forms, public inputs and an honest proof.
struct Case {
    vk: Halo2Vk,
    evm: EvmKey,
    public: Vec<Fr>,
    proof: Vec<u8>,
}

impl Case {
    fn new<C: Circuit<HaloFr>>(srs: &Srs, circuit: &C, public: Vec<Fr>) -> Self {
        let key = keygen(srs, K, circuit, public.len()).unwrap();
        let proof = prove(srs, &key, circuit, &public, ChaCha20Rng::seed_from_u64(2)).unwrap();
        Self {
            vk: key.vk().clone(),
            evm: compile(key.vk()).unwrap(),
            public,
            proof,
        }
    }

    fn sample(srs: &Srs, shape: Shape) -> Self {
        let circuit = Sample::new(shape, 5);
        Self::new(srs, &circuit, circuit.public())
    }
}

impl Bench {
    fn new(srs: &SrsPoints) -> Self {
        let mut chain = Chain::new();
        Self {
            srs: *srs,
            score: deploy(&mut chain, Verifier::Score, srs),
            chain,
        }
    }

    /// Asks the adapter, which takes six public inputs.
    fn ask(&mut self, key: &[Address], public: &[[u8; 32]], proof: &[u8]) -> Reply {
        assert_eq!(public.len(), 6, "public inputs of the score adapter");
        self.chain.call(self.score, verify_call(SCORE, key, public, proof))
    }

    fn evm(&mut self, case: &Case) -> Reply {
        let at = self.chain.store(case.evm.chunks());
        self.ask(&at, &words(&case.public), &case.proof)
    }

    /// All three verdicts, which must be one.
    fn verdict(&mut self, case: &Case, public: &[Fr], proof: &[u8], what: &str) -> bool {
        let halo2 = verify(&self.srs, &case.vk, public, proof).is_ok();
        let machine = machine::verify(&self.srs, case.evm.bytes(), public, proof).is_ok();
        let at = self.chain.store(case.evm.chunks());
        let evm = self.ask(&at, &words(public), proof);
        assert_eq!(halo2, machine, "{what}: halo2 and the machine");
        assert_eq!(halo2, evm.is_true(), "{what}: halo2 and the contract, {evm:?}");
        halo2
    }
}

fn shapes() -> Vec<Shape> {
    let d = Shape::default;
    vec![
        Shape {
            phases: 1,
            degree: 3,
            inputs: 6,
            ..d()
        },
        Shape {
            phases: 2,
            degree: 4,
            columns: 2,
            inputs: 6,
            ..d()
        },
        Shape {
            phases: 2,
            degree: 5,
            inputs: 6,
            ..d()
        },
        Shape {
            phases: 2,
            degree: 5,
            columns: 7,
            back: vec![0, -1, -2, -4, -5],
            inputs: 6,
            ..d()
        },
    ]
}

#[test]
fn three_verifiers_accept_honest_proofs() {
    let srs = Srs::development(K).unwrap();
    let mut bench = Bench::new(srs.points());
    for shape in shapes() {
        let case = Case::sample(&srs, shape);
        assert!(bench.verdict(&case, &case.public, &case.proof, "honest"));
        let h = case.evm.header();
        println!(
            "{} terms, {} operations, key {} bytes, proof {} bytes: {} gas",
            h.terms,
            4 * (h.words_before + h.words_after),
            h.key_bytes,
            h.proof_bytes,
            bench.evm(&case).gas()
        );
    }
}

#[test]
fn the_point_at_infinity_is_a_legal_commitment() {
    let srs = Srs::development(K).unwrap();
    let circuit = Short { root: 3 };
    let case = Case::new(&srs, &circuit, circuit.public());
    assert!(
        case.proof
            .chunks(32)
            .collect::<Vec<_>>()
            .windows(2)
            .any(|w| w == [[0; 32], [0; 32]]),
        "the proof should hold the point at infinity"
    );
    let mut bench = Bench::new(srs.points());
    assert!(bench.verdict(&case, &case.public, &case.proof, "infinity"));
}

/// Adds a 256-bit big-endian number to a word; `None` on overflow.
fn plus(word: &[u8], n: &[u8]) -> Option<Vec<u8>> {
    let mut out = word.to_vec();
    let mut carry = 0u16;
    for (a, b) in out.iter_mut().rev().zip(n.iter().rev()) {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        *a = sum as u8;
        carry = sum >> 8;
    }
    (carry == 0).then_some(out)
}

#[test]
fn every_changed_proof_is_refused_by_all_three() {
    let srs = Srs::development(K).unwrap();
    let mut bench = Bench::new(srs.points());
    let modulus = Fr::MODULUS.to_bytes_be();
    let base = ark_bn254::Fq::MODULUS.to_bytes_be();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut count = 0;
    for shape in [shapes().remove(1), shapes().remove(2)] {
        let case = Case::sample(&srs, shape);
        let public = case.public.clone();
        let mut refuse = |proof: &[u8], what: &str| {
            assert!(!bench.verdict(&case, &public, proof, what), "{what} was accepted");
            count += 1;
        };
        let words = case.proof.len() / 32;
        for w in 0..words {
            let at = 32 * w;
            // A random bit, then the same residue in other bytes, for either field.
            let mut bad = case.proof.clone();
            bad[at + rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8);
            refuse(&bad, &format!("word {w}, a bit"));
            for (n, name) in [(&modulus, "r"), (&base, "q")] {
                if let Some(sum) = plus(&case.proof[at..at + 32], n) {
                    let mut bad = case.proof.clone();
                    bad[at..at + 32].copy_from_slice(&sum);
                    refuse(&bad, &format!("word {w} + {name}"));
                }
            }
            let mut bad = case.proof.clone();
            bad[at..at + 32].fill(0);
            refuse(&bad, &format!("word {w} zeroed"));
        }
        for w in 0..words - 1 {
            // Aligned to points or not: two words become infinity, or trade places.
            let at = 32 * w;
            let mut bad = case.proof.clone();
            bad[at..at + 64].fill(0);
            refuse(&bad, &format!("words {w} and {} zeroed", w + 1));
        }
        for cut in [0, 1, 31, 32, 64, case.proof.len() - 32, case.proof.len() - 1] {
            refuse(&case.proof[..cut], &format!("{cut} bytes"));
        }
        for extra in [1, 31, 32, 64] {
            let longer = [case.proof.clone(), vec![0; extra]].concat();
            refuse(&longer, &format!("{extra} bytes more"));
        }
        refuse(&[], "empty");
    }
    assert!(count > 400, "{count} cases");
}

#[test]
fn changed_public_inputs_are_refused() {
    let srs = Srs::development(K).unwrap();
    let mut bench = Bench::new(srs.points());
    let case = Case::sample(&srs, shapes().remove(2));
    for i in 0..case.public.len() {
        let mut public = case.public.clone();
        public[i] += Fr::from(1u64);
        assert!(!bench.verdict(&case, &public, &case.proof, "public input"));
        // The same element in other bytes is refused by the chain; Rust's type cannot hold it.
        let mut aliased = words(&case.public);
        if let Some(sum) = plus(&aliased[i], &Fr::MODULUS.to_bytes_be()) {
            aliased[i].copy_from_slice(&sum);
            let at = bench.chain.store(case.evm.chunks());
            let reply = bench.ask(&at, &aliased, &case.proof);
            assert!(matches!(reply, Reply::Returned { .. }) && !reply.is_true(), "{reply:?}");
        }
    }
    let mut swapped = case.public.clone();
    swapped.swap(4, 5);
    assert!(!bench.verdict(&case, &swapped, &case.proof, "swapped"));
}

#[test]
fn another_key_or_srs_refuses() {
    let srs = Srs::development(K).unwrap();
    let mut bench = Bench::new(srs.points());
    let mut cases: Vec<Case> = [0, 2].map(|i| Case::sample(&srs, shapes().remove(i))).into();
    // Same constraint system, other fixed columns.
    let steps = Shape {
        steps: 7,
        ..shapes().remove(2)
    };
    cases.push(Case::sample(&srs, steps));
    for (i, a) in cases.iter().enumerate() {
        for (j, b) in cases.iter().enumerate() {
            assert_eq!(bench.verdict(a, &b.public, &b.proof, "crossed"), i == j, "{i} {j}");
        }
    }
    let other = SrsPoints::new((G2Affine::generator() * HaloFr::from(5)).to_affine());
    let mut elsewhere = Bench::new(&other);
    assert!(!elsewhere.evm(&cases[0]).is_true());
    assert!(verify(&other, &cases[0].vk, &cases[0].public, &cases[0].proof).is_err());
    assert!(machine::verify(&other, cases[0].evm.bytes(), &cases[0].public, &cases[0].proof).is_err());
}

#[test]
fn a_changed_key_refuses_the_proof_it_was_made_for() {
    let srs = Srs::development(K).unwrap();
    let mut bench = Bench::new(srs.points());
    let case = Case::sample(&srs, shapes().remove(1));
    let plan = case.evm.header().plan as usize;
    // Digest, points and constants, a bit in each word.
    for at in (32..plan).step_by(32) {
        let mut bytes = case.evm.bytes().to_vec();
        bytes[at + 31] ^= 1;
        let changed = EvmKey::from_bytes(bytes).unwrap();
        assert!(
            machine::verify(&bench.srs, changed.bytes(), &case.public, &case.proof).is_err(),
            "{at}"
        );
        let key = bench.chain.store(changed.chunks());
        assert!(!bench.ask(&key, &words(&case.public), &case.proof).is_true(), "{at}");
    }
}

#[test]
fn a_key_in_pieces_is_a_key_and_part_of_one_is_none() {
    let srs = Srs::development(K).unwrap();
    let mut bench = Bench::new(srs.points());
    let case = Case::sample(&srs, shapes().remove(2));
    let public = words(&case.public);
    let bytes = case.evm.bytes();
    let (a, b) = bytes.split_at(HEADER + 100);
    let pieces = bench.chain.store([a, b].into_iter());
    assert!(bench.ask(&pieces, &public, &case.proof).is_true());
    let one = bench.chain.store([bytes].into_iter());
    let longer = bench.chain.store([&[bytes, &[0]].concat()[..]].into_iter());
    let nobody = Address::repeat_byte(7);
    let malformed = Keccak256::digest("KeyMalformed()");
    for key in [
        vec![],
        vec![pieces[0]],
        vec![pieces[1], pieces[0]],
        vec![pieces[0], pieces[1], pieces[1]],
        vec![one[0], one[0]],
        longer,
        vec![nobody],
        vec![one[0], nobody],
    ] {
        let reply = bench.ask(&key, &public, &case.proof);
        assert_eq!(reply, Reply::Reverted(malformed[..4].to_vec()), "{key:?}");
    }
    assert!(bytes.len() <= CHUNK);
}

#[test]
fn a_verifier_takes_no_bad_srs() {
    let good = Verifier::Score.code(&SrsPoints::development()).unwrap().creation;
    let tau = good.len() - 128;
    let mut chain = Chain::new();
    // Off the curve; the point at infinity; a coordinate that is not canonical.
    let changes: [fn(&mut [u8]); 3] = [|t| t[127] ^= 1, |t| t.fill(0), |t| t[..32].fill(0xff)];
    for change in changes {
        let mut creation = good.clone();
        change(&mut creation[tau..]);
        assert!(matches!(chain.deploy(creation), Err(Reply::Reverted(_))));
    }
    chain.deploy(good).unwrap();
}

#[test]
fn an_unqueried_column_is_refused() {
    let srs = Srs::development(K).unwrap();
    let shape = Shape {
        unused: true,
        ..Shape::default()
    };
    let key = keygen(&srs, K, &Sample::new(shape, 5), 3).unwrap();
    assert!(matches!(compile(key.vk()), Err(CompileError::UnqueriedAdvice(_))));
}

#[test]
fn keys_do_not_change_unnoticed() {
    let srs = Srs::development(K).unwrap();
    let key = keygen(&srs, K, &Sample::new(shapes().remove(2), 5), 6).unwrap();
    let evm = compile(key.vk()).unwrap();
    assert_eq!(compile(key.vk()).unwrap(), evm);
    // Golden: a change here changes every vkId, and needs a new version byte.
    assert_eq!(
        hex::encode(&evm.bytes()[..32]),
        "01060006000012fc000007c014600d80000714000ea0000c0044001800000880"
    );
    assert_eq!(
        hex::encode(evm.keccak()),
        "9e221e960f0fd69aa1ebe09e6b27c27d7ccf120468af09d9b08b47ef8dc3ea6f"
    );
}
