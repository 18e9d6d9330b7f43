//! The Fiat-Shamir transcript, and proofs as runs of words.
//!
//! ```text
//! state₀  = keccak256("zkaggle/v1/CID-ARGUMENT")
//! absorb  : pending ‖= words of 32 bytes
//! squeeze : state ← keccak256(state ‖ pending)   if something is pending
//!           state ← keccak256(state ‖ 0x01)      otherwise
//!           pending ← ∅, challenge = state mod r
//! ```
//!
//! A proof is what its prover absorbs after the statement, in that order and in those bytes: whatever
//! is read is absorbed, and nothing else is in it. Numbers of elements follow from the statement.

use crate::encoding::{Word, point_from_words, point_to_words, scalar_from_digest, scalar_from_word, scalar_to_word};
use halo2curves::bn256::{Fr, G1Affine};
use sha3::{Digest, Keccak256};

/// What the first state hashes; the version is in its name.
pub const DOMAIN: &[u8] = b"zkaggle/v1/CID-ARGUMENT";

/// The state both sides keep.
#[derive(Clone, Debug)]
pub struct Transcript {
    state: Word,
    pending: Vec<u8>,
}

/// Why a proof's bytes are none, before any equation is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("the proof ends at byte {at}, in the middle of {what}")]
    Short { at: usize, what: &'static str },
    #[error("the proof goes on for {0} bytes after its last element")]
    Trailing(usize),
    #[error("{what} at byte {at} is not below the field's order")]
    Scalar { at: usize, what: &'static str },
    #[error("{what} at byte {at} is no point of the curve")]
    Point { at: usize, what: &'static str },
}

impl Transcript {
    /// Starts a transcript under an SRS.
    pub fn new(srs_id: &Word) -> Self {
        let mut t = Self {
            state: Keccak256::digest(DOMAIN).into(),
            pending: vec![],
        };
        t.word(srs_id);
        t
    }

    /// Absorbs a raw word.
    pub fn word(&mut self, w: &Word) {
        self.pending.extend_from_slice(w);
    }

    /// Absorbs an integer as a word.
    pub fn number(&mut self, n: u64) {
        self.pending.extend_from_slice(&[0; 24]);
        self.pending.extend_from_slice(&n.to_be_bytes());
    }

    /// Absorbs a scalar.
    pub fn scalar(&mut self, x: &Fr) {
        self.word(&scalar_to_word(x));
    }

    /// Absorbs a point.
    pub fn point(&mut self, p: &G1Affine) {
        for w in point_to_words(p) {
            self.word(&w);
        }
    }

    /// Squeezes a challenge.
    ///
    /// The reduction is not uniform (some residues have six preimages, others five), which costs
    /// less than a bit of soundness.
    pub fn challenge(&mut self) -> Fr {
        let h = Keccak256::new().chain_update(self.state);
        self.state = if self.pending.is_empty() {
            h.chain_update([1]).finalize()
        } else {
            h.chain_update(&self.pending).finalize()
        }
        .into();
        self.pending.clear();
        scalar_from_digest(&self.state)
    }

    /// Squeezes `n` challenges.
    pub fn challenges(&mut self, n: usize) -> Vec<Fr> {
        (0..n).map(|_| self.challenge()).collect()
    }
}

/// A transcript that writes the proof.
#[derive(Clone, Debug)]
pub struct ProofWriter {
    transcript: Transcript,
    bytes: Vec<u8>,
}

impl ProofWriter {
    /// Goes on from a transcript that holds the statement.
    pub fn new(transcript: Transcript) -> Self {
        Self {
            transcript,
            bytes: vec![],
        }
    }

    pub fn scalar(&mut self, x: &Fr) {
        self.transcript.scalar(x);
        self.bytes.extend_from_slice(&scalar_to_word(x));
    }

    pub fn scalars<'a>(&mut self, xs: impl IntoIterator<Item = &'a Fr>) {
        for x in xs {
            self.scalar(x);
        }
    }

    pub fn point(&mut self, p: &G1Affine) {
        self.transcript.point(p);
        for w in point_to_words(p) {
            self.bytes.extend_from_slice(&w);
        }
    }

    pub fn challenge(&mut self) -> Fr {
        self.transcript.challenge()
    }

    pub fn challenges(&mut self, n: usize) -> Vec<Fr> {
        self.transcript.challenges(n)
    }

    /// The proof.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A transcript that reads a proof.
#[derive(Clone, Debug)]
pub struct ProofReader<'a> {
    transcript: Transcript,
    proof: &'a [u8],
    at: usize,
}

impl<'a> ProofReader<'a> {
    /// Goes on from a transcript that holds the statement.
    pub fn new(transcript: Transcript, proof: &'a [u8]) -> Self {
        Self {
            transcript,
            proof,
            at: 0,
        }
    }

    fn take(&mut self, what: &'static str) -> Result<Word, ReadError> {
        let short = ReadError::Short { at: self.at, what };
        let rest = self.proof.get(self.at..).unwrap_or_default();
        let word = rest.first_chunk::<32>().ok_or(short)?;
        self.at += 32;
        self.transcript.word(word);
        Ok(*word)
    }

    /// Reads a scalar; `what` names it in the error.
    ///
    /// # Errors
    /// When the proof ends, or the integer is not below the field's order.
    pub fn scalar(&mut self, what: &'static str) -> Result<Fr, ReadError> {
        let at = self.at;
        scalar_from_word(&self.take(what)?).ok_or(ReadError::Scalar { at, what })
    }

    /// Reads `n` scalars.
    ///
    /// # Errors
    /// Those of [`ProofReader::scalar`].
    pub fn scalars(&mut self, n: usize, what: &'static str) -> Result<Vec<Fr>, ReadError> {
        (0..n).map(|_| self.scalar(what)).collect()
    }

    /// Reads a point; two zero words are the point at infinity, a legal commitment.
    ///
    /// # Errors
    /// When the proof ends, a coordinate is not canonical, or the point is off the curve.
    pub fn point(&mut self, what: &'static str) -> Result<G1Affine, ReadError> {
        let at = self.at;
        let words = [self.take(what)?, self.take(what)?];
        point_from_words(&words).ok_or(ReadError::Point { at, what })
    }

    /// Reads `n` points.
    ///
    /// # Errors
    /// Those of [`ProofReader::point`].
    pub fn points(&mut self, n: usize, what: &'static str) -> Result<Vec<G1Affine>, ReadError> {
        (0..n).map(|_| self.point(what)).collect()
    }

    pub fn challenge(&mut self) -> Fr {
        self.transcript.challenge()
    }

    pub fn challenges(&mut self, n: usize) -> Vec<Fr> {
        self.transcript.challenges(n)
    }

    /// Ends the proof.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn finish(self) -> Result<(), ReadError> {
        match self.proof.len().saturating_sub(self.at) {
            0 => Ok(()),
            left => Err(ReadError::Trailing(left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2curves::ff::Field;

    fn writer() -> ProofWriter {
        ProofWriter::new(Transcript::new(&[7; 32]))
    }

    #[test]
    fn a_reader_draws_the_writers_challenges() {
        let mut w = writer();
        w.scalar(&Fr::from(5));
        w.point(&G1Affine::generator());
        let a = w.challenge();
        w.scalars(&[a, Fr::ONE]);
        let b = w.challenges(2);
        let proof = w.finish();
        assert_eq!(proof.len(), 5 * 32);

        let mut r = ProofReader::new(Transcript::new(&[7; 32]), &proof);
        assert_eq!(r.scalar("x").unwrap(), Fr::from(5));
        assert_eq!(r.point("p").unwrap(), G1Affine::generator());
        assert_eq!(r.challenge(), a);
        r.scalars(2, "y").unwrap();
        assert_eq!(r.challenges(2), b);
        r.finish().unwrap();
    }

    #[test]
    fn malformed_proofs_are_refused_with_their_place() {
        let reader = |bytes: &[u8]| {
            ProofReader::new(Transcript::new(&[7; 32]), bytes)
                .scalar("x")
                .unwrap_err()
        };
        assert_eq!(reader(&[]), ReadError::Short { at: 0, what: "x" });
        assert_eq!(reader(&[0; 31]), ReadError::Short { at: 0, what: "x" });
        assert_eq!(reader(&[0xff; 32]), ReadError::Scalar { at: 0, what: "x" });
        let mut one = [0; 65];
        one[31] = 1;
        let mut r = ProofReader::new(Transcript::new(&[7; 32]), &one);
        assert_eq!(r.clone().point("p"), Err(ReadError::Point { at: 0, what: "p" }));
        r.scalar("x").unwrap();
        assert_eq!(r.clone().point("p"), Err(ReadError::Short { at: 64, what: "p" }));
        assert_eq!(r.finish(), Err(ReadError::Trailing(33)));
    }

    #[test]
    fn the_transcript_is_pinned() {
        let mut t = Transcript::new(&[7; 32]);
        t.number(3);
        t.scalar(&Fr::from(5));
        t.point(&G1Affine::generator());
        let first = t.challenge();
        let second = t.challenge();
        // Computed with pycryptodome's keccak from the rules above.
        assert_eq!(
            hex::encode(scalar_to_word(&first)),
            "21b38fc4734d41c0401045c88cff522d7f627f44c532b5dada09906303d0e728"
        );
        assert_eq!(
            hex::encode(scalar_to_word(&second)),
            "2078a7bde0db34d0e62ee22d53546591e0fe951d610580648fc44ae5cc7a481a"
        );
    }
}
