//! Bytes to field elements (PROTOCOL section 8): big-endian, first byte most significant, the last
//! chunk padded on the right with zeros.

use crate::field::{Fr, from_short_be, to_be_bytes};

/// Bytes per element for weights, predictions and images.
pub const CHUNK: usize = 31;
/// Bytes per element for dataset bytes, chosen so that three elements make one SHA-256 block.
pub const DATA_CHUNKS: [usize; 3] = [22, 21, 21];
/// Bytes of one SHA-256 block.
pub const SHA_BLOCK: usize = 64;

fn padded(chunk: &[u8], len: usize) -> Fr {
    let mut buf = [0u8; CHUNK];
    buf[..chunk.len()].copy_from_slice(chunk);
    from_short_be(&buf[..len])
}

/// Packs `bytes` 31 to an element.
pub fn pack31(bytes: &[u8]) -> Vec<Fr> {
    bytes.chunks(CHUNK).map(|c| padded(c, CHUNK)).collect()
}

/// Packs `bytes` into exactly `words` elements, the rest zero.
///
/// # Panics
/// When the bytes do not fit; callers check the capacity class first.
pub fn pack31_into(bytes: &[u8], words: usize) -> Vec<Fr> {
    assert!(
        bytes.len() <= words * CHUNK,
        "{} bytes exceed {words} words",
        bytes.len()
    );
    let mut out = pack31(bytes);
    out.resize(words, Fr::from(0u64));
    out
}

/// An element that is no packed chunk: its top byte is not zero, or bytes past the length are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("word {index} holds no packed bytes or has bytes after the end")]
pub struct NotPacked {
    pub index: usize,
}

/// Inverse of [`pack31`]: `len` bytes out of `words`; everything after them must be zero.
///
/// # Errors
/// [`NotPacked`] for a word above 2²⁴⁸ or with anything set after byte `len`.
pub fn unpack31(words: &[Fr], len: usize) -> Result<Vec<u8>, NotPacked> {
    let mut out = Vec::with_capacity(words.len() * CHUNK);
    for (index, w) in words.iter().enumerate() {
        let b = to_be_bytes(w);
        if b[0] != 0 {
            return Err(NotPacked { index });
        }
        out.extend_from_slice(&b[1..]);
    }
    if len > out.len() {
        return Err(NotPacked { index: words.len() });
    }
    if let Some(i) = out[len..].iter().position(|&b| b != 0) {
        return Err(NotPacked {
            index: (len + i) / CHUNK,
        });
    }
    out.truncate(len);
    Ok(out)
}

/// Packs dataset bytes 22 + 21 + 21 per 64-byte block: three elements a block, the last block
/// padded with zeros.
pub fn pack_data(bytes: &[u8]) -> Vec<[Fr; 3]> {
    bytes
        .chunks(SHA_BLOCK)
        .map(|block| {
            let mut full = [0u8; SHA_BLOCK];
            full[..block.len()].copy_from_slice(block);
            let (a, b) = (DATA_CHUNKS[0], DATA_CHUNKS[0] + DATA_CHUNKS[1]);
            [
                from_short_be(&full[..a]),
                from_short_be(&full[a..b]),
                from_short_be(&full[b..]),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_byte_is_most_significant_and_the_tail_is_padded_right() {
        assert_eq!(pack31(&[1]), vec![padded(&[1], 31)]);
        assert_eq!(to_be_bytes(&pack31(&[0xab])[0])[1], 0xab);
        // 0x80 against 0x01: the predecessor read bits in two orders.
        assert_ne!(pack31(&[0x80]), pack31(&[0x01]));
    }

    #[test]
    fn unpacking_inverts_and_refuses_what_packing_cannot_produce() {
        let b: Vec<u8> = (0..100).collect();
        let w = pack31_into(&b, 5);
        assert_eq!(unpack31(&w, 100).unwrap(), b);
        assert_eq!(unpack31(&w, 99), Err(NotPacked { index: 3 }));
        let mut bad = w;
        bad[1] = -Fr::from(1u64);
        assert_eq!(unpack31(&bad, 100), Err(NotPacked { index: 1 }));
    }

    #[test]
    fn a_block_is_three_elements_that_cover_every_byte_once() {
        let b: Vec<u8> = (0..65).collect();
        let e = pack_data(&b);
        assert_eq!(e.len(), 2);
        let mut seen = vec![];
        for (x, n) in e[0].iter().zip(DATA_CHUNKS) {
            seen.extend_from_slice(&to_be_bytes(x)[32 - n..]);
        }
        assert_eq!(seen, b[..64]);
        assert_eq!(to_be_bytes(&e[1][0])[10], 64);
    }
}
