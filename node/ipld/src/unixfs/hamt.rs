//! How a sharded folder spreads its entries: by the bytes of a hash of the name, one byte a level.
//!
//! # Source
//! UNIXFS specification, "HAMT"; MurmurHash3 by Austin Appleby (public domain), x64 variant of 128 bits, seed 0, of which
//! the first 64 are used.

/// Bits of the hash that choose a slot on one level, for Kubo's 256 slots.
pub const BITS_PER_LEVEL: usize = 8;
/// Levels until the hash is used up.
pub const LEVELS: usize = 8;

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The hash of a name, most significant byte first.
pub fn hash(name: &[u8]) -> [u8; LEVELS] {
    let (mut h1, mut h2) = (0u64, 0u64);
    let word = |b: &[u8]| b.iter().rev().fold(0u64, |w, &x| w << 8 | u64::from(x));
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let blocks = name.chunks_exact(16);
    let tail = blocks.remainder();
    for block in blocks {
        h1 ^= mix1(word(&block[..8]));
        h1 = h1
            .rotate_left(27)
            .wrapping_add(h2)
            .wrapping_mul(5)
            .wrapping_add(0x52dc_e729);
        h2 ^= mix2(word(&block[8..]));
        h2 = h2
            .rotate_left(31)
            .wrapping_add(h1)
            .wrapping_mul(5)
            .wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(word(high));
    h1 ^= mix1(word(low));
    let len = name.len() as u64;
    (h1, h2) = (h1 ^ len, h2 ^ len);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2) = (finish(h1), finish(h2));
    h1.wrapping_add(h2).to_be_bytes()
}

fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First halves of published 128-bit digests (seed 0).
    #[test]
    fn hashes_equal_published_ones() {
        assert_eq!(hash(b""), [0; 8]);
        assert_eq!(hash(b"hello"), 0xcbd8_a7b3_41bd_9b02u64.to_be_bytes());
        assert_eq!(hash(b"hello, world"), 0x342f_ac62_3a5e_bc8eu64.to_be_bytes());
        assert_eq!(
            hash(b"The quick brown fox jumps over the lazy dog."),
            0xcd99_481f_9ee9_02c9u64.to_be_bytes()
        );
    }
}
