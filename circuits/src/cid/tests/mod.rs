//! Completeness, soundness of each constraint, and agreement with the native check.

mod attacks;
mod checker;
mod sweep;

use super::layout::Shape;
use super::{CidCircuit, Trace};
use crate::backend::convert::to_halo;
use crate::statements::cid::{self, CidInstance, CidWitness};
use halo2_proofs::dev::{MockProver, VerifyFailure};
use halo2curves::bn256::Fr;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zkaggle_graph::field::from_short_be;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 131 + i * i * 7 + 0x93) as u8).collect()
}

fn inputs(x: &CidInstance) -> Vec<Fr> {
    x.public_inputs().iter().map(to_halo).collect()
}

fn prover(shape: Shape, trace: Trace, public: Vec<Fr>) -> MockProver<Fr> {
    MockProver::run(shape.k(), &CidCircuit::new(shape, trace), vec![public]).unwrap()
}

fn mock(k: u32, message: &[u8], x: &CidInstance) -> Result<(), Vec<VerifyFailure>> {
    let shape = Shape::new(k).unwrap();
    let trace = Trace::new(&shape, message).unwrap();
    prover(shape, trace, inputs(x)).verify_par()
}

#[test]
fn every_padding_case_is_accepted() {
    for len in [1, 2, 3, 54, 55, 56, 57, 63, 64, 65, 118, 119] {
        let m = bytes(len);
        assert_eq!(mock(8, &m, &cid::instance(&m).unwrap()), Ok(()), "{len} bytes");
    }
    for len in [1, 119, 120, 127, 128, 129, 200, 256, 300, 375] {
        let m = bytes(len);
        assert_eq!(mock(9, &m, &cid::instance(&m).unwrap()), Ok(()), "{len} bytes");
    }
}

#[test]
fn messages_that_do_not_fit_have_no_trace() {
    let shape = Shape::new(8).unwrap();
    assert!(Trace::new(&shape, &[]).is_none());
    assert!(Trace::new(&shape, &bytes(119)).is_some());
    assert!(Trace::new(&shape, &bytes(120)).is_none());
}

/// FIPS 180-4 examples (NIST "SHA256.pdf") and CAVP `SHA256ShortMsg`: the digest in the public
/// inputs is the vector's, not another implementation's.
#[test]
fn published_digests_are_accepted_and_no_others() {
    for (message, digest) in [
        (
            b"abc".to_vec(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            vec![0xd3],
            "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1",
        ),
        (
            vec![0x11, 0xaf],
            "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98",
        ),
        (
            vec![0xb4, 0x19, 0x0e],
            "dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2",
        ),
    ] {
        let digest = hex::decode(digest).unwrap();
        let shape = Shape::new(8).unwrap();
        let trace = Trace::new(&shape, &message).unwrap();
        let mut public = inputs(&cid::instance(&message).unwrap());
        public[0] = to_halo(&from_short_be(&digest[..16]));
        public[1] = to_halo(&from_short_be(&digest[16..]));
        assert_eq!(prover(shape, trace.clone(), public.clone()).verify_par(), Ok(()));
        for i in 0..4 {
            let mut other = public.clone();
            other[i] += Fr::from(1);
            assert!(prover(shape, trace.clone(), other).verify_par().is_err(), "input {i}");
        }
    }
}

#[test]
fn native_check_and_circuit_agree() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..24 {
        let m: Vec<u8> = (0..rng.gen_range(1..120)).map(|_| rng.r#gen()).collect();
        let mut x = cid::instance(&m).unwrap();
        match round % 4 {
            1 => x.digest[rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8),
            2 => x.length = x.length.wrapping_add([1, u32::MAX, 8, 64][rng.gen_range(0..4)]),
            3 => x.shard += zkaggle_graph::field::Fr::from(rng.r#gen::<u64>().max(1)),
            _ => {}
        }
        let native = cid::check(&x, &CidWitness { bytes: m.clone() });
        assert_eq!(native.is_ok(), round % 4 == 0);
        assert_eq!(mock(8, &m, &x).is_ok(), native.is_ok(), "round {round}");
    }
}
