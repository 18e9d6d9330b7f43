//! The claim from sealing to opening, with real proofs: what the provider must get, and every way
//! in which a proof, a key or a ciphertext may not be used.

use ark_ff::{Field, One};
use rand::SeedableRng;
use rand::rngs::OsRng;
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use zkaggle_circuits::backend::groth16::points::Reason;
use zkaggle_circuits::backend::groth16::{
    EVM_KEY_BYTES, PROOF_BYTES, ProveError, ReleaseVerifyingKey, VerifyError, VerifyingKeyError,
};
use zkaggle_circuits::statements::release::{
    ReleaseError, ReleaseInstance, check_ciphertext, ciphertext_bytes, ciphertext_words, fingerprint, open, point, seal,
};
use zkaggle_graph::commit;
use zkaggle_graph::field::Fr;
use zkaggle_graph::ids::{Entry, VkId};
use zkaggle_graph::jub::{self, ProviderKey};

mod claims;
use claims::{CLASS, CS, claim, entry, graph, key, proved, provider};

#[test]
fn a_claim_is_sealed_proved_verified_and_opened() {
    let (c, proof) = proved();
    assert_eq!(proof.len(), PROOF_BYTES);
    assert_eq!(key().verify(&c.instance, proof), Ok(()));
    let carried = ciphertext_words(&ciphertext_bytes(&c.ciphertext)).unwrap();
    assert_eq!(check_ciphertext(CLASS, &c.instance, key().vk_id(CS), &carried), Ok(()));
    let x = &c.instance;
    let (weights, blind) = open(&graph(), &provider(), &x.epk, &x.ctx, &x.model, &carried).unwrap();
    assert!(weights == c.weights && blind == c.blind);
    assert_eq!(commit::model(&graph(), &weights, &blind), x.model);
}

#[test]
fn proofs_are_randomised_and_every_claim_has_its_own_scalar() {
    let (c, proof) = proved();
    let second = key().prove(&c.instance, &c.witness, &mut OsRng).unwrap();
    assert_ne!(*proof, second);
    assert_eq!(key().verify(&c.instance, &second), Ok(()));
    let other = claim();
    assert_ne!(other.instance.epk, c.instance.epk);
    assert!(other.ciphertext.iter().zip(&c.ciphertext).all(|(a, b)| a != b));
}

#[test]
fn a_proof_for_another_chain_market_bounty_hunter_slot_or_key_is_refused() {
    let (c, proof) = proved();
    let e = entry();
    for other in [
        Entry { chain_id: 1, ..e },
        Entry { market: [9; 20], ..e },
        Entry { bounty: 8, ..e },
        Entry { hunter: [9; 20], ..e },
        Entry { slot: 1, ..e },
        Entry { vk: VkId([9; 32]), ..e },
    ] {
        // The thief's contract would compute z and y from the same ciphertext under its own ctx.
        let ctx = other.ctx();
        let x = &c.instance;
        let z = point(key().vk_id(CS), &c.ciphertext, x.epk, &x.model, x.pk, &ctx);
        let stolen = ReleaseInstance {
            ctx,
            z,
            y: fingerprint(&c.ciphertext, z),
            ..x.clone()
        };
        assert_eq!(key().verify(&stolen, proof), Err(VerifyError::Rejected));
        let kept = ReleaseInstance { ctx, ..x.clone() };
        assert_eq!(key().verify(&kept, proof), Err(VerifyError::Rejected));
    }
}

#[test]
fn every_public_input_is_bound() {
    let (c, proof) = proved();
    type Change = fn(&mut ReleaseInstance);
    let changes: [Change; 8] = [
        |x| x.ctx += Fr::ONE,
        |x| x.model += Fr::ONE,
        |x| x.pk.x += Fr::ONE,
        |x| x.pk.y += Fr::ONE,
        |x| x.epk.x += Fr::ONE,
        |x| x.epk.y += Fr::ONE,
        |x| x.z += Fr::ONE,
        |x| x.y += Fr::ONE,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut x = c.instance.clone();
        change(&mut x);
        assert_eq!(key().verify(&x, proof), Err(VerifyError::Rejected), "input {i}");
        assert!(
            matches!(key().prove(&x, &c.witness, &mut OsRng), Err(ProveError::Statement(_))),
            "input {i}"
        );
    }
    let mut swapped = c.instance.clone();
    std::mem::swap(&mut swapped.pk, &mut swapped.epk);
    assert_eq!(key().verify(&swapped, proof), Err(VerifyError::Rejected));
}

#[test]
fn every_byte_of_a_proof_matters_and_its_length_is_exact() {
    let (c, proof) = proved();
    for i in 0..PROOF_BYTES {
        let mut bad = proof.clone();
        bad[i] ^= 1;
        assert!(key().verify(&c.instance, &bad).is_err(), "byte {i}");
    }
    for len in [0, PROOF_BYTES - 1, PROOF_BYTES + 1] {
        let mut bad = proof.clone();
        bad.resize(len, 0);
        assert_eq!(key().verify(&c.instance, &bad), Err(VerifyError::Length { got: len }));
    }
    let reason = |at: usize, bytes: &[u8]| {
        let mut bad = proof.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        match key().verify(&c.instance, &bad) {
            Err(VerifyError::Point(p)) => (p.what, p.reason),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason(0, &[0xff; 32]), ("A", Reason::NonCanonical));
    assert_eq!(reason(0, &[0; 64]), ("A", Reason::Infinity));
    assert_eq!(reason(64, &[0; 128]), ("B", Reason::Infinity));
    assert_eq!(reason(192, &[0; 64]), ("C", Reason::Infinity));
    assert_eq!(reason(192, &[1; 32]), ("C", Reason::OffCurve));
}

/// Paid for garbage: the proof stands for one ciphertext, and no other passes at its own z.
#[test]
fn a_hunter_who_changes_one_word_is_not_paid() {
    let (c, proof) = proved();
    let x = &c.instance;
    let vk = key().vk_id(CS);
    for i in [0, 66, 100, 132, 133] {
        let mut garbage = c.ciphertext.clone();
        garbage[i] += Fr::one();
        // What the contract computes from the garbage.
        let z = point(vk, &garbage, x.epk, &x.model, x.pk, &x.ctx);
        let computed = ReleaseInstance {
            z,
            y: fingerprint(&garbage, z),
            ..x.clone()
        };
        assert_eq!(key().verify(&computed, proof), Err(VerifyError::Rejected), "word {i}");
        assert!(matches!(
            key().prove(&computed, &c.witness, &mut OsRng),
            Err(ProveError::Statement(ReleaseError::Fingerprint))
        ));
        // What the hunter would like it to compute.
        assert_eq!(check_ciphertext(CLASS, x, vk, &garbage), Err(ReleaseError::Point));
    }
    assert_eq!(
        check_ciphertext(CLASS, x, VkId([0; 32]), &c.ciphertext),
        Err(ReleaseError::Point)
    );
    assert!(matches!(
        check_ciphertext(CLASS, x, vk, &c.ciphertext[1..]),
        Err(ReleaseError::CiphertextLength { got: 133, .. })
    ));
}

#[test]
fn non_canonical_and_odd_ciphertexts_are_refused() {
    let (c, _) = proved();
    let mut bytes = ciphertext_bytes(&c.ciphertext);
    assert_eq!(
        ciphertext_words(&bytes[1..]),
        Err(ReleaseError::CiphertextBytes { got: bytes.len() - 1 })
    );
    bytes[64..96].copy_from_slice(&[0xff; 32]);
    assert!(matches!(
        ciphertext_words(&bytes),
        Err(ReleaseError::CiphertextWord { index: 2, .. })
    ));
}

/// The predecessor published the shared key. Here neither it nor the point it comes from is among
/// the inputs, and what is public opens nothing.
#[test]
fn nothing_public_opens_a_claim() {
    let (c, proof) = proved();
    let x = &c.instance;
    let shared = provider().shared(&x.epk).unwrap();
    for input in x.public_inputs() {
        assert_ne!(input, shared.x);
        assert_ne!(input, shared.y);
    }
    let words: Vec<Vec<u8>> = [shared.x, shared.y].iter().map(|s| ciphertext_bytes(&[*s])).collect();
    for w in proof.windows(32) {
        assert!(!words.iter().any(|s| s == w));
    }
    // Keys an onlooker could form: from the bytes of what is public, and small ones.
    let mut guesses: Vec<[u8; 64]> = x
        .public_inputs()
        .iter()
        .map(|i| {
            let mut b = [0u8; 64];
            b[32..].copy_from_slice(&ciphertext_bytes(&[*i]));
            b
        })
        .collect();
    for small in 1..=8 {
        let mut b = [0u8; 64];
        b[63] = small;
        guesses.push(b);
    }
    for g in guesses {
        let stranger = ProviderKey::from_uniform(&g).unwrap();
        let opened = open(&graph(), &stranger, &x.epk, &x.ctx, &x.model, &c.ciphertext);
        assert!(
            matches!(opened, Err(ReleaseError::NotPacked(_) | ReleaseError::Model)),
            "{opened:?}"
        );
    }
    // The right key under another context or commitment opens nothing either.
    for (ctx, model) in [(x.ctx + Fr::ONE, x.model), (x.ctx, x.model + Fr::ONE)] {
        assert!(open(&graph(), &provider(), &x.epk, &ctx, &model, &c.ciphertext).is_err());
    }
    let e = open(&graph(), &provider(), &jub::identity(), &x.ctx, &x.model, &c.ciphertext);
    assert!(matches!(e, Err(ReleaseError::EphemeralKey(_))));
}

#[test]
fn nothing_is_sealed_to_a_bad_key() {
    let c = claim();
    let two = jub::add(
        &jub::identity(),
        &zkaggle_graph::ids::JubPoint {
            x: Fr::from(0u64),
            y: -Fr::ONE,
        },
    );
    for (bad, words) in [
        (jub::identity(), "small order"),
        (two, "small order"),
        (jub::add(&jub::base8(), &two), "subgroup"),
        (
            zkaggle_graph::ids::JubPoint { x: Fr::ONE, y: Fr::ONE },
            "not on BabyJubJub",
        ),
    ] {
        let e = seal(
            &graph(),
            &c.weights,
            &c.blind,
            entry().ctx(),
            bad,
            key().vk_id(CS),
            &mut OsRng,
        )
        .unwrap_err();
        assert!(e.to_string().contains(words), "{e}");
    }
}

#[test]
fn an_instance_survives_json_and_refuses_what_is_not_canonical() {
    let (c, _) = proved();
    let json = serde_json::to_string(&c.instance).unwrap();
    assert_eq!(serde_json::from_str::<ReleaseInstance>(&json).unwrap(), c.instance);
    let bad = json.replace(
        &json[json.find("0x").unwrap()..][..66],
        &format!("0x{}", "ff".repeat(32)),
    );
    assert!(serde_json::from_str::<ReleaseInstance>(&bad).is_err());
}

/// The development key is one and the same everywhere. A change of the circuit, of Poseidon or of
/// the set-up changes it, and with it every vkId: then change the digest here, knowingly.
#[test]
fn the_development_key_is_pinned_and_marked() {
    let bytes = key().evm_key();
    assert_eq!(bytes.len(), EVM_KEY_BYTES);
    assert!(key().is_development());
    assert!(bytes.starts_with(b"zkaggle-dev\0"));
    assert_eq!(
        hex::encode(Sha256::digest(&bytes)),
        "faf09602e9a6554ccc09f072340b74776f89790cea8c58cf6d194136de71d8a4"
    );
    let read = ReleaseVerifyingKey::from_evm_key(CLASS, &bytes).unwrap();
    assert_eq!(read.evm_key(), bytes);
    assert_eq!(read.vk_id(CS), key().vk_id(CS));
    assert_ne!(read.vk_id([0; 32]), key().vk_id(CS));
    let (c, proof) = proved();
    assert_eq!(read.verify(&c.instance, proof), Ok(()));
}

#[test]
fn altered_verifying_keys_are_refused_by_name() {
    let good = key().evm_key();
    let with = |at: usize, part: &[u8]| {
        let mut b = good.clone();
        b[at..at + part.len()].copy_from_slice(part);
        ReleaseVerifyingKey::from_evm_key(CLASS, &b).unwrap_err()
    };
    assert_eq!(
        ReleaseVerifyingKey::from_evm_key(CLASS, &good[1..]).unwrap_err(),
        VerifyingKeyError::Length { got: EVM_KEY_BYTES - 1 }
    );
    assert!(matches!(with(0, b"zkaggle-xyz"), VerifyingKeyError::Origin(_)));
    let (gamma, delta) = (32 + 64 + 128, 32 + 64 + 256);
    // gamma = delta lets anyone forge proofs.
    assert_eq!(with(gamma, &good[delta..delta + 128]), VerifyingKeyError::Degenerate);
    let mut generator = vec![];
    zkaggle_circuits::backend::groth16::points::put_g2(
        &mut generator,
        &<ark_bn254::G2Affine as ark_ec::AffineRepr>::generator(),
    );
    assert_eq!(with(gamma, &generator), VerifyingKeyError::Degenerate);
    assert_eq!(with(delta, &generator), VerifyingKeyError::Degenerate);
    // Nor up to sign.
    let q: [u8; 32] = hex::decode("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47")
        .unwrap()
        .try_into()
        .unwrap();
    let mut minus = good[delta..delta + 128].to_vec();
    for y in [64, 96] {
        let mut borrow = 0i16;
        for i in (0..32).rev() {
            let d = i16::from(q[i]) - i16::from(minus[y + i]) - borrow;
            minus[y + i] = d.rem_euclid(256) as u8;
            borrow = i16::from(d < 0);
        }
    }
    assert_eq!(with(gamma, &minus), VerifyingKeyError::Degenerate);
    for (at, what, reason) in [
        (32, "alpha", Reason::NonCanonical),
        (gamma, "gamma", Reason::NonCanonical),
        (EVM_KEY_BYTES - 64, "IC", Reason::NonCanonical),
    ] {
        match with(at, &[0xff; 32]) {
            VerifyingKeyError::Point(p) => assert_eq!((p.what, p.reason), (what, reason)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn sealing_is_a_function_of_its_randomness() {
    let c = claim();
    let go = |seed| {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        seal(
            &graph(),
            &c.weights,
            &c.blind,
            entry().ctx(),
            provider().stored(),
            key().vk_id(CS),
            &mut rng,
        )
        .unwrap()
        .2
    };
    assert_eq!(go(1), go(1));
    assert_ne!(go(1), go(2));
}
