//! The Solidity verifier in Rust, step by step, from a key's bytes alone.
//!
//! It lets a node verify under a key whose circuit it cannot rebuild, and it is the third opinion
//! in the differential tests beside halo2's verifier and the contract.

use super::key::{HEADER, Header, KeyError, OPS_PER_WORD};
use super::layout::FIRST;
use crate::backend::convert::{G1_BYTES, g1_from_be, scalar_from_be, scalar_from_digest, scalar_to_be, to_halo};
use crate::backend::srs::SrsPoints;
use crate::backend::transcript::DOMAIN;
use halo2curves::bn256::{Fr, G1, G1Affine, G2Affine, multi_miller_loop};
use halo2curves::group::{Curve, Group};
use halo2curves::pairing::MillerLoopResult;
use sha3::{Digest, Keccak256};

/// Why the machine refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MachineError {
    #[error("key: {0}")]
    Key(#[from] KeyError),
    #[error("{got} public inputs, the key says {expected}")]
    Inputs { expected: usize, got: usize },
    #[error("{got} bytes of proof, the key says {expected}")]
    Length { expected: usize, got: usize },
    #[error("a proof scalar is not canonical")]
    Scalar,
    #[error("a point is not on the curve")]
    Point,
    #[error("the proof does not hold for these public inputs")]
    Rejected,
}

/// Verifies a proof under the key with these bytes.
///
/// # Errors
/// [`MachineError`]; never panics, whatever the key.
pub fn verify(
    srs: &SrsPoints,
    key: &[u8],
    public: &[zkaggle_graph::field::Fr],
    proof: &[u8],
) -> Result<(), MachineError> {
    let header = Header::decode(key)?;
    if public.len() != usize::from(header.inputs) {
        return Err(MachineError::Inputs {
            expected: usize::from(header.inputs),
            got: public.len(),
        });
    }
    if proof.len() != header.proof_bytes as usize {
        return Err(MachineError::Length {
            expected: header.proof_bytes as usize,
            got: proof.len(),
        });
    }
    let mut m = Memory::load(&header, key);
    let plan = m.transcript(&header, key, public, proof)?;

    let terms_at = plan;
    let before = terms_at + 4 * usize::from(header.terms);
    let after = before + 32 * usize::from(header.words_before);
    let end = after + 32 * usize::from(header.words_after);
    m.run(key.get(before..after).ok_or(KeyError::Address)?)?;
    let product = m.scalar(header.product_at)?;
    let inverse = Option::<Fr>::from(product.invert()).ok_or(MachineError::Rejected)?;
    m.set_scalar(header.inverse_at, &inverse)?;
    m.run(key.get(after..end).ok_or(KeyError::Address)?)?;

    let mut sum = G1::identity();
    for term in key.get(terms_at..before).ok_or(KeyError::Address)?.chunks_exact(4) {
        let point = m.point(u16::from_be_bytes([term[0], term[1]]))?;
        let scalar = m.scalar(u16::from_be_bytes([term[2], term[3]]))?;
        sum += point * scalar;
    }
    let opening = m.point(header.challenges_at.checked_sub(64).ok_or(KeyError::Address)?)?;
    let pairing = multi_miller_loop(&[
        (&opening, &(*srs.s_g2()).into()),
        (&sum.to_affine(), &(-G2Affine::generator()).into()),
    ]);
    if bool::from(pairing.final_exponentiation().is_identity()) {
        Ok(())
    } else {
        Err(MachineError::Rejected)
    }
}

/// The verifier's memory, of which address 0 to [`FIRST`] stays unused.
struct Memory(Vec<u8>);

impl Memory {
    fn load(header: &Header, key: &[u8]) -> Self {
        let at = usize::from(header.key_at);
        let mut bytes = vec![0; (at + key.len()).max(1 << 16) + 64];
        bytes[at..at + key.len()].copy_from_slice(key);
        Self(bytes)
    }

    fn word(&self, at: usize) -> Result<[u8; 32], KeyError> {
        self.0
            .get(at..)
            .and_then(|b| b.first_chunk::<32>())
            .copied()
            .ok_or(KeyError::Address)
    }

    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), KeyError> {
        self.0
            .get_mut(at..at + bytes.len())
            .ok_or(KeyError::Address)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn scalar(&self, at: u16) -> Result<Fr, KeyError> {
        // As `mulmod` does: a word is taken modulo the order.
        Ok(scalar_from_digest(&self.word(usize::from(at))?))
    }

    fn set_scalar(&mut self, at: u16, x: &Fr) -> Result<(), KeyError> {
        self.write(usize::from(at), &scalar_to_be(x))
    }

    fn point(&self, at: u16) -> Result<G1Affine, MachineError> {
        let at = usize::from(at);
        let bytes = self
            .0
            .get(at..)
            .and_then(|b| b.first_chunk::<G1_BYTES>())
            .ok_or(KeyError::Address)?;
        g1_from_be(bytes).ok_or(MachineError::Point)
    }

    /// Copies the proof in and replays the transcript; returns the offset of the terms.
    fn transcript(
        &mut self,
        header: &Header,
        key: &[u8],
        public: &[zkaggle_graph::field::Fr],
        proof: &[u8],
    ) -> Result<usize, MachineError> {
        let mut at = FIRST as usize;
        let mut state: [u8; 32] = Keccak256::digest(DOMAIN).into();
        let mut prefix = 32;
        self.write(at + 32, &header.digest)?;
        for x in public {
            self.write(at + 32 + prefix, &scalar_to_be(&to_halo(x)))?;
            prefix += 32;
        }
        let mut challenge_at = usize::from(header.challenges_at);
        let mut rest = proof;
        let plan = header.plan as usize;
        let segments = key
            .get(plan..plan + 4 * usize::from(header.segments))
            .ok_or(KeyError::Address)?;
        for s in segments.chunks_exact(4) {
            let bytes = 32 * usize::from(u16::from_be_bytes([s[0], s[1]]));
            let (head, tail) = rest.split_at_checked(bytes).ok_or(KeyError::Address)?;
            rest = tail;
            if s[3] == 1 {
                for w in head.chunks_exact(32) {
                    let word = w.first_chunk::<32>().ok_or(KeyError::Address)?;
                    scalar_from_be(word).ok_or(MachineError::Scalar)?;
                }
            }
            self.write(at, &state)?;
            self.write(at + 32 + prefix, head)?;
            let end = at + 32 + prefix + bytes;
            prefix = 0;
            for i in 0..s[2] {
                state = if i == 0 {
                    Keccak256::digest(self.0.get(at..end).ok_or(KeyError::Address)?).into()
                } else {
                    Keccak256::new().chain_update(state).chain_update([1]).finalize().into()
                };
                self.write(challenge_at, &scalar_to_be(&scalar_from_digest(&state)))?;
                challenge_at += 32;
            }
            at = end;
        }
        if rest.is_empty() {
            Ok(plan + segments.len())
        } else {
            Err(KeyError::Address.into())
        }
    }

    fn run(&mut self, code: &[u8]) -> Result<(), KeyError> {
        for op in code.chunks_exact(32 / OPS_PER_WORD) {
            let at = |i: usize| u16::from_be_bytes([op[2 * i], op[2 * i + 1]]);
            let d = self.scalar(at(0))? * self.scalar(at(1))? + self.scalar(at(2))?;
            self.set_scalar(at(3), &d)?;
        }
        Ok(())
    }
}

const _: () = assert!(HEADER == 64, "the digest is the header's second word");
