//! Keys, proofs and key files through the public interface, on circuits made for it.

mod samples;

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use samples::{Sample, Shape};
use zkaggle_circuits::backend::halo2::{Halo2Error, Halo2Vk, ProofError, keygen, prove, verify};
use zkaggle_circuits::backend::srs::{Srs, SrsPoints};
use zkaggle_graph::field::Fr;

const K: u32 = 6;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

#[test]
fn honest_proofs_verify_for_every_number_of_phases() {
    let srs = Srs::development(K + 1).unwrap();
    for (phases, degree) in [(1, 3), (2, 4), (2, 5)] {
        let shape = Shape {
            phases,
            degree,
            ..Shape::default()
        };
        let circuit = Sample::new(shape, 3);
        let key = keygen(&srs, K, &circuit, 3).unwrap();
        let proof = prove(&srs, &key, &circuit, &circuit.public(), rng()).unwrap();
        assert_eq!(proof.len(), key.vk().proof_len());
        verify(srs.points(), key.vk(), &circuit.public(), &proof).unwrap();
        // A node that only verifies has no powers of tau.
        verify(&SrsPoints::development(), key.vk(), &circuit.public(), &proof).unwrap();
        // Another witness under the same key.
        let other = Sample::new(circuit.shape.clone(), 4);
        let again = prove(&srs, &key, &other, &other.public(), rng()).unwrap();
        verify(srs.points(), key.vk(), &other.public(), &again).unwrap();
        assert_eq!(
            verify(srs.points(), key.vk(), &other.public(), &proof),
            Err(ProofError::Rejected)
        );
    }
}

#[test]
fn a_false_witness_gives_no_proof_that_verifies() {
    let srs = Srs::development(K).unwrap();
    let circuit = Sample {
        broken: true,
        ..Sample::new(Shape::default(), 3)
    };
    let key = keygen(&srs, K, &circuit, 3).unwrap();
    let proof = prove(&srs, &key, &circuit, &circuit.public(), rng()).unwrap();
    assert_eq!(
        verify(srs.points(), key.vk(), &circuit.public(), &proof),
        Err(ProofError::Rejected)
    );
}

#[test]
fn proofs_have_one_length_and_public_inputs_one_count() {
    let srs = Srs::development(K).unwrap();
    let circuit = Sample::new(Shape::default(), 3);
    let key = keygen(&srs, K, &circuit, 3).unwrap();
    let public = circuit.public();
    let mut proof = prove(&srs, &key, &circuit, &public, rng()).unwrap();
    let points = srs.points();
    for cut in [0, 1, 32, 64, proof.len() / 2, proof.len() - 1] {
        assert!(verify(points, key.vk(), &public, &proof[..cut]).is_err(), "{cut} bytes");
    }
    proof.push(0);
    assert_eq!(verify(points, key.vk(), &public, &proof), Err(ProofError::Trailing(1)));
    proof.pop();
    // Zero padding would be the same polynomial: the count decides.
    let mut longer = public.clone();
    longer.push(Fr::from(0u64));
    let wrong = ProofError::Instances { expected: 3, got: 4 };
    assert_eq!(verify(points, key.vk(), &longer, &proof), Err(wrong));
    assert!(matches!(
        prove(&srs, &key, &circuit, &longer, rng()),
        Err(Halo2Error::Instances { expected: 3, got: 4 })
    ));
}

#[test]
fn a_small_srs_is_refused_by_size() {
    let srs = Srs::development(4).unwrap();
    let circuit = Sample::new(Shape::default(), 3);
    assert!(matches!(
        keygen(&srs, K, &circuit, 3),
        Err(Halo2Error::Srs { needed: K, have: 4 })
    ));
}

#[test]
fn a_third_phase_is_refused_before_the_prover_panics() {
    let srs = Srs::development(K).unwrap();
    let shape = Shape {
        phases: 3,
        ..Shape::default()
    };
    assert!(matches!(
        keygen(&srs, K, &Sample::new(shape, 3), 3),
        Err(Halo2Error::Phases { got: 3 })
    ));
}

#[test]
fn a_key_read_back_verifies_and_gives_the_same_bytes() {
    let srs = Srs::development(K).unwrap();
    let circuit = Sample::new(Shape::default(), 3);
    let key = keygen(&srs, K, &circuit, 3).unwrap();
    let proof = prove(&srs, &key, &circuit, &circuit.public(), rng()).unwrap();
    let bytes = key.vk().to_bytes();
    let vk = Halo2Vk::from_bytes::<Sample>(&bytes, circuit.shape.clone()).unwrap();
    assert_eq!(vk.to_bytes(), bytes);
    verify(srs.points(), &vk, &circuit.public(), &proof).unwrap();
    for cut in [0, 10, 36, 40, 45, bytes.len() - 1] {
        assert!(Halo2Vk::from_bytes::<Sample>(&bytes[..cut], circuit.shape.clone()).is_err());
    }
    // One fixed commitment less, in the count and in the bytes.
    let mut fewer = bytes.clone();
    fewer[42..46].copy_from_slice(&1u32.to_le_bytes());
    fewer.drain(46..78);
    let e = Halo2Vk::from_bytes::<Sample>(&fewer, circuit.shape.clone()).unwrap_err();
    assert!(e.contains("1 fixed columns, the circuit has 2"), "{e}");
    let mut huge = bytes.clone();
    huge[37..41].copy_from_slice(&60u32.to_le_bytes());
    assert!(Halo2Vk::from_bytes::<Sample>(&huge, circuit.shape.clone()).is_err());
}

/// `cargo test -p zkaggle-circuits --test backend -- --ignored --nocapture srs_cost`
#[test]
#[ignore = "measures; run alone"]
fn srs_cost() {
    for k in [10, 14, 17] {
        let start = std::time::Instant::now();
        Srs::development(k).unwrap();
        println!("k = {k}: {:?}", start.elapsed());
    }
}
