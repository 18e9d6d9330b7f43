//! The contract and the native verifier give one verdict.

use super::chain::{Chain, Reply};
use crate::commit::VerifyKey;
use crate::commit::testing::{rng, srs};
use crate::encoding::{Word, g2_to_words, scalar_from_word, scalar_to_word};
use crate::prover::{Proved, prove};
use crate::solidity;
use crate::statement::Shard;
use crate::verifier::verify;
use halo2curves::bn256::Fr;
use rand::{Rng, RngCore};
use revm::primitives::Address;
use sha3::{Digest, Keccak256};
use std::ops::ControlFlow;

const VERIFY: &str = "verify(address[],(bytes32,uint256,uint256)[],bytes)";
const ARTIFACT: &str = include_str!("../../../../contracts/artifacts/DatasetVerifier.json");

/// Both verifiers under one SRS.
struct Bench {
    key: VerifyKey,
    chain: Chain,
    contract: Address,
    data: Vec<Address>,
}

/// A statement as the chain takes it: nothing of it need be canonical.
type Words = Vec<[Word; 3]>;

fn number(n: u64) -> Word {
    scalar_to_word(&Fr::from(n))
}

fn words(statement: &[Shard]) -> Words {
    statement
        .iter()
        .map(|s| [s.digest, number(s.length.into()), scalar_to_word(&s.commitment)])
        .collect()
}

fn calldata(data: &[Address], statement: &Words, proof: &[u8]) -> Vec<u8> {
    let mut out = Keccak256::digest(VERIFY)[..4].to_vec();
    let list = 32 * (1 + data.len());
    let statements = 32 + 96 * statement.len();
    for offset in [96, 96 + list, 96 + list + statements] {
        out.extend(number(offset as u64));
    }
    out.extend(number(data.len() as u64));
    for a in data {
        out.extend([0u8; 12]);
        out.extend(a.as_slice());
    }
    out.extend(number(statement.len() as u64));
    out.extend(statement.iter().flatten().flatten());
    out.extend(number(proof.len() as u64));
    out.extend(proof);
    out.resize(out.len().next_multiple_of(32) + 4, 0);
    out
}

impl Bench {
    fn new(key: VerifyKey, tau_g2: [Word; 4]) -> Self {
        let artifact: serde_json::Value = serde_json::from_str(ARTIFACT).unwrap();
        let mut creation = hex::decode(artifact["bytecode"].as_str().unwrap().trim_start_matches("0x")).unwrap();
        creation.extend(tau_g2.iter().flatten());
        let mut chain = Chain::new();
        let (contract, _) = chain.deploy(creation).unwrap();
        let data = chain.store([&solidity::key()[..]].into_iter());
        Self {
            key,
            chain,
            contract,
            data,
        }
    }

    fn ask(&mut self, statement: &Words, proof: &[u8]) -> Reply {
        let call = calldata(&self.data, statement, proof);
        self.chain.call(self.contract, call)
    }

    /// The verdict of both, which must be one.
    fn verdict(&mut self, statement: &[Shard], proof: &[u8], what: &str) -> bool {
        let native = verify(&self.key, statement, proof);
        let reply = self.ask(&words(statement), proof);
        assert!(
            matches!(reply, Reply::Returned { .. }),
            "{what}: the contract answers, {reply:?}"
        );
        assert_eq!(native.is_ok(), reply.is_true(), "{what}: natively {native:?}");
        native.is_ok()
    }
}

fn bench(n: usize) -> (crate::commit::CommitKey, Bench) {
    let (key, vk) = srs(n);
    let tau = g2_to_words(vk.tau_g2());
    (key, Bench::new(vk, tau))
}

fn honest(key: &crate::commit::CommitKey, srs_id: &Word, lengths: &[usize], seed: u64) -> Proved {
    let mut rng = rng(seed);
    let shards: Vec<Vec<u8>> = lengths
        .iter()
        .map(|n| {
            let mut b = vec![0; *n];
            rng.fill_bytes(&mut b);
            b
        })
        .collect();
    let shards: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();
    prove(key, srs_id, &shards, |_| ControlFlow::Continue(())).unwrap()
}

/// Numbers of honest and changed proofs: a short campaign in every run, the long one on demand.
fn campaign() -> (u64, usize) {
    match std::env::var_os("ZKAGGLE_LONG") {
        Some(_) => (1000, 10_000),
        None => (24, 2000),
    }
}

#[test]
fn honest_proofs_are_accepted_by_both() {
    let (key, mut bench) = bench(10);
    let id = bench.key.srs_id();
    for lengths in [
        &[3][..],
        &[0],
        &[64],
        &[55, 56],
        &[200, 3, 128, 0, 63],
        &[1, 1, 1],
        &[250, 300],
    ] {
        let p = honest(&key, &id, lengths, 1);
        assert!(bench.verdict(&p.statement, &p.proof, &format!("{lengths:?}")));
        println!(
            "{lengths:?}: {} bytes, {} gas",
            p.proof.len(),
            bench.ask(&words(&p.statement), &p.proof).gas()
        );
    }
    let mut rng = rng(2);
    for seed in 0..campaign().0 {
        let lengths: Vec<usize> = (0..rng.gen_range(1..4)).map(|_| rng.gen_range(0..130)).collect();
        let p = honest(&key, &id, &lengths, seed);
        assert!(bench.verdict(&p.statement, &p.proof, &format!("seed {seed}, {lengths:?}")));
    }
}

/// 2^256 − 1 is no scalar and no coordinate; the modulus is an alias of zero.
fn bad_words() -> [Word; 3] {
    let mut r = scalar_to_word(&-Fr::from(1));
    r[31] += 1;
    assert_eq!(scalar_from_word(&r), None);
    [[0; 32], [0xff; 32], r]
}

#[test]
fn changed_proofs_are_refused_by_both() {
    let (key, mut bench) = bench(10);
    let id = bench.key.srs_id();
    let proofs: Vec<Proved> = [&[70][..], &[3, 64], &[120, 0, 57]]
        .iter()
        .map(|l| honest(&key, &id, l, 3))
        .collect();
    let mut rng = rng(4);
    for p in &proofs {
        assert!(bench.verdict(&p.statement, &p.proof, "honest"));
    }
    let mut round = 0;
    let (_, wanted) = campaign();
    while round < wanted {
        let p = &proofs[round % proofs.len()];
        let count = p.proof.len() / 32;
        // Every word in turn, first with a bit flipped, then as something else.
        let word = (round / proofs.len()) % count;
        let mut bad = p.proof.clone();
        let place = &mut bad[32 * word..][..32];
        let mut what = format!("word {word} of {count}");
        match rng.gen_range(0..8) {
            0..4 => place[rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8),
            4 => place.copy_from_slice(&bad_words()[rng.gen_range(0..3)]),
            5 => {
                let other = rng.gen_range(0..count);
                let copy = p.proof[32 * other..][..32].to_vec();
                place.copy_from_slice(&copy);
                what += &format!(", replaced by word {other}");
            }
            6 => rng.fill_bytes(place),
            _ => {
                // A point becomes infinity, or two neighbours do.
                let end = bad.len().min(32 * word + 64);
                bad[32 * word..end].fill(0);
                what += " and the next are zero";
            }
        }
        if bad != p.proof {
            assert!(!bench.verdict(&p.statement, &bad, &what), "{what} is accepted");
        }
        round += 1;
    }
    let p = &proofs[0];
    for cut in [0, 1, 32, 64, p.proof.len() - 64, p.proof.len() - 32, p.proof.len() - 1] {
        assert!(!bench.verdict(&p.statement, &p.proof[..cut], &format!("{cut} bytes")));
    }
    for extra in [1, 32, 320] {
        let longer = [&p.proof[..], &vec![0; extra]].concat();
        assert!(!bench.verdict(&p.statement, &longer, &format!("{extra} bytes more")));
    }
}

#[test]
fn changed_statements_are_refused_by_both() {
    let (key, mut bench) = bench(10);
    let id = bench.key.srs_id();
    let p = honest(&key, &id, &[70, 64], 5);
    let base = p.statement.clone();
    let mut cases: Vec<(&str, Vec<Shard>)> = vec![
        ("no shard", vec![]),
        ("one less", base[..1].to_vec()),
        ("one more", [&base[..], &base[..1]].concat()),
        ("swapped", vec![base[1], base[0]]),
        ("the same twice", vec![base[0], base[0]]),
    ];
    let mut change = |what, f: &dyn Fn(&mut Shard)| {
        for i in 0..2 {
            let mut s = base.clone();
            f(&mut s[i]);
            cases.push((what, s));
        }
    };
    change("digest, first byte", &|s| s.digest[0] ^= 0x80);
    change("digest, last byte", &|s| s.digest[31] ^= 1);
    change("length", &|s| s.length += 1);
    change("length, a block more", &|s| s.length += 64);
    change("length, too long", &|s| s.length = 122_881);
    change("length, too many slots", &|s| s.length = 122_880);
    change("commitment", &|s| s.commitment += Fr::from(1));
    for (what, statement) in &cases {
        assert!(!bench.verdict(statement, &p.proof, what));
    }
    let largest = Shard {
        length: 122_880,
        ..base[0]
    };
    assert!(!bench.verdict(&[largest; 9], &p.proof, "more slots than a proof has"));

    // What Rust's types cannot hold, the contract refuses.
    let good = words(&base);
    let [_, all_ones, modulus] = bad_words();
    for (field, word) in [(1, all_ones), (2, all_ones), (2, modulus)] {
        let mut bad = good.clone();
        bad[0][field] = word;
        let reply = bench.ask(&bad, &p.proof);
        assert!(matches!(reply, Reply::Returned { .. }) && !reply.is_true(), "{reply:?}");
    }
    // A commitment of zero plus the modulus, were it taken modulo: still refused.
    let mut huge = good.clone();
    huge[1][1][0] = 1;
    assert!(!bench.ask(&huge, &p.proof).is_true());
}

#[test]
fn a_key_is_whole_or_none_and_another_srs_refuses() {
    let (key, mut bench) = bench(10);
    let p = honest(&key, &bench.key.srs_id(), &[10], 6);
    let good = solidity::key();
    let malformed = Keccak256::digest("KeyMalformed()");
    let mut header = good.clone();
    header[17] ^= 1;
    let pieces: [Vec<&[u8]>; 5] = [
        vec![],
        vec![&good[..good.len() - 1]],
        vec![&header],
        vec![&good, &good],
        vec![&good[..100], &good[100..]],
    ];
    let own = bench.data.clone();
    for (i, piece) in pieces.iter().enumerate() {
        bench.data = bench.chain.store(piece.iter().copied());
        let reply = bench.ask(&words(&p.statement), &p.proof);
        assert_eq!(reply, Reply::Reverted(malformed[..4].to_vec()), "{i}");
    }
    // Every constant counts.
    for word in (1..good.len() / 32).step_by(11) {
        let mut changed = good.clone();
        changed[32 * word + 31] ^= 1;
        bench.data = bench.chain.store([&changed[..]].into_iter());
        let reply = bench.ask(&words(&p.statement), &p.proof);
        assert!(matches!(reply, Reply::Returned { .. }) && !reply.is_true(), "{word}");
    }
    bench.data = own;
    assert!(bench.ask(&words(&p.statement), &p.proof).is_true());

    use halo2curves::bn256::G2Affine;
    use halo2curves::group::Curve;
    let other = VerifyKey::new((G2Affine::generator() * Fr::from(5)).to_affine());
    let tau = g2_to_words(other.tau_g2());
    assert!(!Bench::new(other, tau).verdict(&p.statement, &p.proof, "another SRS"));
}
