//! The parts of SHA-256 that the circuit's tables and witness need (FIPS 180-4).

use zkaggle_graph::packing::SHA_BLOCK;

/// `K_t` (section 4.2.2).
pub const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
];

/// `H⁽⁰⁾` (section 5.3.3).
pub const IV: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// Rotations of `Σ0`, `Σ1` and rotations and shift of `σ0`, `σ1` (section 4.1.2).
pub const BIG_SIGMA_0: [usize; 3] = [2, 13, 22];
pub const BIG_SIGMA_1: [usize; 3] = [6, 11, 25];
pub const SMALL_SIGMA_0: ([usize; 2], usize) = ([7, 18], 3);
pub const SMALL_SIGMA_1: ([usize; 2], usize) = ([17, 19], 10);

pub fn big_sigma(x: u32, r: [usize; 3]) -> u32 {
    r.iter().fold(0, |acc, &n| acc ^ x.rotate_right(n as u32))
}

pub fn small_sigma(x: u32, (r, shift): ([usize; 2], usize)) -> u32 {
    x.rotate_right(r[0] as u32) ^ x.rotate_right(r[1] as u32) ^ (x >> shift)
}

pub fn ch(x: u32, y: u32, z: u32) -> u32 {
    (x & y) ^ (!x & z)
}

pub fn maj(x: u32, y: u32, z: u32) -> u32 {
    (x & y) ^ (x & z) ^ (y & z)
}

/// The message with its padding (section 5.1.1).
pub fn pad(message: &[u8]) -> Vec<u8> {
    let mut p = message.to_vec();
    p.push(0x80);
    while p.len() % SHA_BLOCK != SHA_BLOCK - 8 {
        p.push(0);
    }
    p.extend((message.len() as u64 * 8).to_be_bytes());
    p
}

/// Words of one block, big-endian (section 5.2.1).
pub fn words(block: &[u8]) -> [u32; 16] {
    let mut w = [0; 16];
    for (w, b) in w.iter_mut().zip(block.chunks_exact(4)) {
        *w = b.iter().fold(0, |acc, &b| acc << 8 | u32::from(b));
    }
    w
}
