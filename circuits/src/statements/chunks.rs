//! Ciphertexts too large for calldata (PROTOCOL section 5): cut into chunks that lie elsewhere.
//!
//! ```text
//! digest_j = sha256(chunk_j)          z hashes sha256(digest_0 ‖ digest_1 ‖ …)
//! Y_j = Σ c_i·z^(i − 3072·j)  over chunk j          y = Σ Y_j·z^(3072·j)
//! ```
//!
//! z is fixed after every digest, so chunks that have their digest and their Y_j are the ciphertext that
//! the proof speaks of, whoever delivers them.

use crate::statements::release::{ReleaseError, ciphertext_bytes, ciphertext_words, fingerprint};
use ark_ff::{Field, Zero};
use sha2::{Digest, Sha256};
use zkaggle_graph::field::Fr;

/// Words of a ciphertext that fits calldata, and of a chunk of a larger one: 96 KiB.
pub const CHUNK_WORDS: usize = 3072;

/// Why bytes are not the chunk that was listed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("a ciphertext of {words} words has no chunk {chunk}")]
    Absent { words: usize, chunk: usize },
    #[error("{got} bytes, the chunk has {asked}")]
    Length { got: usize, asked: usize },
    #[error(transparent)]
    Words(#[from] ReleaseError),
    #[error("its words do not give the listed sum at z")]
    Sum,
}

/// Number of chunks of a ciphertext of so many words; none when it fits calldata.
pub fn count(words: usize) -> usize {
    match words <= CHUNK_WORDS {
        true => 0,
        false => words.div_ceil(CHUNK_WORDS),
    }
}

/// Bytes of a chunk; all are full but the last.
pub fn length(words: usize, chunk: usize) -> Option<usize> {
    let rest = words.checked_sub(chunk.checked_mul(CHUNK_WORDS)?)?;
    (rest > 0 && chunk < count(words)).then_some(32 * rest.min(CHUNK_WORDS))
}

/// The chunks' bytes, in order; none when the ciphertext fits calldata.
pub fn cut(ciphertext: &[Fr]) -> Vec<Vec<u8>> {
    match count(ciphertext.len()) {
        0 => vec![],
        _ => ciphertext.chunks(CHUNK_WORDS).map(ciphertext_bytes).collect(),
    }
}

/// What z hashes of a ciphertext: its digest, or that of its chunks' digests.
pub fn digest(ciphertext: &[Fr]) -> [u8; 32] {
    if count(ciphertext.len()) == 0 {
        return Sha256::digest(ciphertext_bytes(ciphertext)).into();
    }
    let mut all = Sha256::new();
    for chunk in cut(ciphertext) {
        all.update(Sha256::digest(chunk));
    }
    all.finalize().into()
}

/// `Y_j` of each chunk.
pub fn sums(ciphertext: &[Fr], z: Fr) -> Vec<Fr> {
    ciphertext.chunks(CHUNK_WORDS).map(|c| fingerprint(c, z)).collect()
}

/// `y` from the chunks' sums, as the contract computes it.
pub fn join(sums: &[Fr], z: Fr) -> Fr {
    let step = z.pow([CHUNK_WORDS as u64]);
    sums.iter().rev().fold(Fr::zero(), |acc, s| acc * step + s)
}

/// Whether bytes that have a chunk's digest are what was listed of it: its length, words of the field, and
/// the sum at z. A chunk that is not cannot be shown on chain either.
///
/// # Errors
/// [`ChunkError`] says which.
pub fn check(words: usize, chunk: usize, bytes: &[u8], z: Fr, sum: Fr) -> Result<Vec<Fr>, ChunkError> {
    let asked = length(words, chunk).ok_or(ChunkError::Absent { words, chunk })?;
    if bytes.len() != asked {
        return Err(ChunkError::Length {
            got: bytes.len(),
            asked,
        });
    }
    let part = ciphertext_words(bytes)?;
    match fingerprint(&part, z) == sum {
        true => Ok(part),
        false => Err(ChunkError::Sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ciphertext(words: usize) -> Vec<Fr> {
        (0..words as u64).map(|i| Fr::from(i * i + 7)).collect()
    }

    #[test]
    fn the_sums_join_to_the_fingerprint_of_the_whole() {
        let z = Fr::from(1_000_003u64);
        for words in [CHUNK_WORDS + 1, 2 * CHUNK_WORDS, 2 * CHUNK_WORDS + 5] {
            let c = ciphertext(words);
            assert_eq!(join(&sums(&c, z), z), fingerprint(&c, z), "{words}");
            assert_eq!(cut(&c).len(), count(words));
            assert_eq!(cut(&c).concat(), ciphertext_bytes(&c));
        }
    }

    #[test]
    fn a_ciphertext_that_fits_has_no_chunks_and_its_own_digest() {
        let c = ciphertext(CHUNK_WORDS);
        assert_eq!((count(c.len()), cut(&c).len(), length(c.len(), 0)), (0, 0, None));
        assert_eq!(digest(&c), <[u8; 32]>::from(Sha256::digest(ciphertext_bytes(&c))));
        let c = ciphertext(CHUNK_WORDS + 1);
        let whole: [u8; 32] = Sha256::digest(ciphertext_bytes(&c)).into();
        assert_ne!(digest(&c), whole);
    }

    #[test]
    fn lengths_end_with_the_last_chunk() {
        let words = 2 * CHUNK_WORDS + 5;
        let lengths: Vec<_> = (0..4).map(|j| length(words, j)).collect();
        assert_eq!(lengths, [Some(98_304), Some(98_304), Some(160), None]);
        assert_eq!(length(2 * CHUNK_WORDS, 2), None);
        assert_eq!(length(words, usize::MAX), None);
    }

    #[test]
    fn a_chunk_that_is_not_as_listed_is_told_apart() {
        let z = Fr::from(99u64);
        let c = ciphertext(CHUNK_WORDS + 2);
        let (parts, y) = (cut(&c), sums(&c, z));
        let n = c.len();
        assert_eq!(check(n, 1, &parts[1], z, y[1]).as_deref(), Ok(&c[CHUNK_WORDS..]));
        assert_eq!(check(n, 1, &parts[1], z, y[0]), Err(ChunkError::Sum));
        let absent = ChunkError::Absent { words: n, chunk: 2 };
        assert_eq!(check(n, 2, &parts[1], z, y[1]), Err(absent));
        let short = ChunkError::Length { got: 32, asked: 64 };
        assert_eq!(check(n, 1, &parts[1][32..], z, y[1]), Err(short));
        let mut large = parts[1].clone();
        large[..32].fill(0xff);
        assert!(matches!(check(n, 1, &large, z, y[1]), Err(ChunkError::Words(_))));
        let mut other = parts[1].clone();
        other[63] ^= 1;
        assert_eq!(check(n, 1, &other, z, y[1]), Err(ChunkError::Sum));
    }
}
