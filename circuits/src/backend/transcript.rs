//! Fiat–Shamir transcript over Keccak-256, cheap to replay in the EVM.
//!
//! ```text
//! state₀  = keccak256("zkaggle/v1/TRANSCRIPT")
//! absorb  : pending ‖= scalar (32 bytes)  or  pending ‖= point (x ‖ y, 64 bytes), big-endian
//! squeeze : state ← keccak256(state ‖ pending)         when something is pending
//!           state ← keccak256(state ‖ 0x01)            otherwise
//!           pending ← ∅;  challenge = state mod r
//! ```
//!
//! No length or type bytes are needed: the verifying key, absorbed first, fixes how many scalars
//! and points come before every challenge, so a byte string parses in one way only. The 33-byte
//! preimage of a repeated squeeze cannot be confused with an absorption, whose preimage is a
//! multiple of 32 bytes.
//!
//! The point at infinity is a legal message: it commits to the zero polynomial, which is what a
//! quotient piece of a small circuit may be. It is written as 64 zero bytes, and only so.

use super::convert::{G1_BYTES, g1_from_be, g1_to_be, scalar_from_be, scalar_from_digest, scalar_to_be};
use halo2_proofs::transcript::{EncodedChallenge, Transcript, TranscriptRead, TranscriptWrite};
use halo2curves::bn256::{Fr, G1Affine};
use sha3::{Digest, Keccak256};
use std::io;

/// What the first state hashes.
pub const DOMAIN: &[u8] = b"zkaggle/v1/TRANSCRIPT";

/// A squeezed challenge, already reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge(Fr);

impl EncodedChallenge<G1Affine> for Challenge {
    type Input = [u8; 32];

    fn new(digest: &[u8; 32]) -> Self {
        Self(scalar_from_digest(digest))
    }

    fn get_scalar(&self) -> Fr {
        self.0
    }
}

/// Hash state shared by prover and verifier.
#[derive(Clone, Debug)]
struct Sponge {
    state: [u8; 32],
    pending: Vec<u8>,
}

impl Sponge {
    fn new() -> Self {
        Self {
            state: Keccak256::digest(DOMAIN).into(),
            pending: Vec::new(),
        }
    }

    fn point(&mut self, p: &G1Affine) {
        self.pending.extend_from_slice(&g1_to_be(p));
    }

    fn scalar(&mut self, x: &Fr) {
        self.pending.extend_from_slice(&scalar_to_be(x));
    }

    fn squeeze(&mut self) -> Challenge {
        let hasher = Keccak256::new().chain_update(self.state);
        let hasher = if self.pending.is_empty() {
            hasher.chain_update([1u8])
        } else {
            hasher.chain_update(&self.pending)
        };
        self.pending.clear();
        self.state = hasher.finalize().into();
        Challenge::new(&self.state)
    }
}

/// Prover's side: collects the proof's bytes.
#[derive(Clone, Debug)]
pub struct ProofWriter {
    sponge: Sponge,
    proof: Vec<u8>,
}

impl Default for ProofWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ProofWriter {
    pub fn new() -> Self {
        Self {
            sponge: Sponge::new(),
            proof: Vec::new(),
        }
    }

    /// The proof's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.proof
    }
}

/// Verifier's side: reads a proof and refuses every byte that is not in canonical form.
#[derive(Clone, Debug)]
pub struct ProofReader<'a> {
    sponge: Sponge,
    rest: &'a [u8],
}

impl<'a> ProofReader<'a> {
    pub fn new(proof: &'a [u8]) -> Self {
        Self {
            sponge: Sponge::new(),
            rest: proof,
        }
    }

    /// Bytes not read yet; a sound verifier refuses any that remain at the end.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the proof ends early"))?;
        self.rest = tail;
        Ok(*head)
    }
}

macro_rules! absorb {
    ($t:ty) => {
        impl Transcript<G1Affine, Challenge> for $t {
            fn squeeze_challenge(&mut self) -> Challenge {
                self.sponge.squeeze()
            }

            fn common_point(&mut self, point: G1Affine) -> io::Result<()> {
                self.sponge.point(&point);
                Ok(())
            }

            fn common_scalar(&mut self, scalar: Fr) -> io::Result<()> {
                self.sponge.scalar(&scalar);
                Ok(())
            }
        }
    };
}

absorb!(ProofWriter);
absorb!(ProofReader<'_>);

impl TranscriptWrite<G1Affine, Challenge> for ProofWriter {
    fn write_point(&mut self, point: G1Affine) -> io::Result<()> {
        self.sponge.point(&point);
        self.proof.extend_from_slice(&g1_to_be(&point));
        Ok(())
    }

    fn write_scalar(&mut self, scalar: Fr) -> io::Result<()> {
        self.sponge.scalar(&scalar);
        self.proof.extend_from_slice(&scalar_to_be(&scalar));
        Ok(())
    }
}

impl TranscriptRead<G1Affine, Challenge> for ProofReader<'_> {
    fn read_point(&mut self) -> io::Result<G1Affine> {
        let point = g1_from_be(&self.take::<G1_BYTES>()?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a proof point is not on the curve"))?;
        self.sponge.point(&point);
        Ok(point)
    }

    fn read_scalar(&mut self) -> io::Result<Fr> {
        let scalar = scalar_from_be(&self.take::<32>()?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a proof scalar is not canonical"))?;
        self.sponge.scalar(&scalar);
        Ok(scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2curves::group::prime::PrimeCurveAffine;

    /// The preimages spelled out, so that a change of layout cannot pass unnoticed.
    #[test]
    fn challenges_hash_the_documented_bytes() {
        let mut w = ProofWriter::new();
        w.common_scalar(Fr::from(7)).unwrap();
        w.write_point(G1Affine::generator()).unwrap();
        let first = w.squeeze_challenge();
        let second = w.squeeze_challenge();
        w.write_scalar(Fr::from(9)).unwrap();
        let third = w.squeeze_challenge();

        let word = |v: u8| {
            let mut b = [0u8; 32];
            b[31] = v;
            b
        };
        let k = |parts: &[&[u8]]| -> [u8; 32] { Keccak256::digest(parts.concat()).into() };
        let s0 = k(&[b"zkaggle/v1/TRANSCRIPT"]);
        let s1 = k(&[&s0, &word(7), &word(1), &word(2)]);
        let s2 = k(&[&s1, &[1]]);
        let s3 = k(&[&s2, &word(9)]);
        assert_eq!(first, Challenge::new(&s1));
        assert_eq!(second, Challenge::new(&s2));
        assert_eq!(third, Challenge::new(&s3));
        assert_eq!(w.finish(), [word(1), word(2), word(9)].concat());
    }

    #[test]
    fn reading_replays_writing_and_checks_every_byte() {
        let mut w = ProofWriter::new();
        w.write_point(G1Affine::generator()).unwrap();
        w.write_point(G1Affine::identity()).unwrap();
        w.write_scalar(-Fr::from(1)).unwrap();
        let c = w.squeeze_challenge();
        let proof = w.finish();

        let mut r = ProofReader::new(&proof);
        assert_eq!(r.read_point().unwrap(), G1Affine::generator());
        assert_eq!(r.read_point().unwrap(), G1Affine::identity());
        assert_eq!(r.read_scalar().unwrap(), -Fr::from(1));
        assert_eq!(r.squeeze_challenge(), c);
        assert_eq!(r.remaining(), 0);
        assert!(r.read_scalar().is_err());

        // x + q is the same residue in other bytes.
        let mut alias = proof.clone();
        alias[..32].copy_from_slice(&[0xff; 32]);
        assert!(ProofReader::new(&alias).read_point().is_err());
        let mut off = proof;
        off[63] ^= 1;
        assert!(ProofReader::new(&off).read_point().is_err());
    }
}
