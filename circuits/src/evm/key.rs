//! The bytes of a key.
//!
//! ```text
//! header   64 bytes
//! points   64 bytes each: fixed and permutation commitments, the generator
//! scalars  32 bytes each: the program's constants
//! plan     4 bytes per segment of the transcript, 4 bytes per term of the final sum
//! program  8 bytes per operation: addresses of a, b, c, d in d = a·b + c
//! ```
//!
//! Every operand is the byte address of a memory word below 2^16: proof words, challenges,
//! registers, and the key's own points and scalars, since the verifier loads the key at the
//! address its header names. The program itself may lie beyond.

use super::CompileError;
use super::layout::{FIRST, Layout};
use super::program::{Op, Place, Program};
use crate::backend::convert::{g1_to_be, scalar_to_be};
use halo2curves::bn256::{Fr, G1Affine};
use sha3::{Digest, Keccak256};

/// First byte of every key.
pub const VERSION: u8 = 1;
/// Bytes of the header.
pub const HEADER: usize = 64;
/// Most bytes of a key in one data contract: EIP-170's limit less the leading STOP.
pub const CHUNK: usize = 24_575;
/// Operands are 16-bit addresses.
pub const ADDRESSABLE: u64 = 1 << 16;
/// Operations in one 32-byte word of program.
pub const OPS_PER_WORD: usize = 4;
/// Words of a part of the program are a multiple of this: the contract unrolls its loop.
const UNROLLED: usize = 2;

/// A compiled key.
#[derive(Clone, PartialEq, Eq)]
pub struct EvmKey {
    bytes: Vec<u8>,
}

impl std::fmt::Debug for EvmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvmKey")
            .field("bytes", &self.bytes.len())
            .field("keccak256", &hex::encode(self.keccak()))
            .finish()
    }
}

/// What is wrong with a key's bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("version {0}; this build reads version {VERSION}")]
    Version(u8),
    #[error("{got} bytes, the header says {expected}")]
    Length { expected: usize, got: usize },
    #[error("the key reads or writes outside the verifier's memory")]
    Address,
}

/// The header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The circuit has `2^k` rows.
    pub k: u8,
    /// Public inputs.
    pub inputs: u16,
    /// Bytes of the key.
    pub key_bytes: u32,
    /// Bytes of a proof.
    pub proof_bytes: u32,
    /// Address the key is loaded at.
    pub key_at: u16,
    /// Address of the first challenge; the last opening point ends there.
    pub challenges_at: u16,
    /// Segments of the transcript.
    pub segments: u16,
    /// Word to invert after the first part of the program.
    pub product_at: u16,
    /// Word that receives the inverse.
    pub inverse_at: u16,
    /// Words of the program's first part.
    pub words_before: u16,
    /// Words of its second part.
    pub words_after: u16,
    /// Terms of the final sum.
    pub terms: u16,
    /// Offset of the plan in the key.
    pub plan: u32,
    /// halo2's digest of the verifying key.
    pub digest: [u8; 32],
}

impl Header {
    fn encode(&self) -> [u8; HEADER] {
        let mut out = [0u8; HEADER];
        out[0] = VERSION;
        out[1] = self.k;
        out[2..4].copy_from_slice(&self.inputs.to_be_bytes());
        out[4..8].copy_from_slice(&self.key_bytes.to_be_bytes());
        out[8..12].copy_from_slice(&self.proof_bytes.to_be_bytes());
        let shorts = [
            self.key_at,
            self.challenges_at,
            self.segments,
            self.product_at,
            self.inverse_at,
            self.words_before,
            self.words_after,
            self.terms,
        ];
        for (slot, v) in out[12..28].chunks_exact_mut(2).zip(shorts) {
            slot.copy_from_slice(&v.to_be_bytes());
        }
        out[28..32].copy_from_slice(&self.plan.to_be_bytes());
        out[32..].copy_from_slice(&self.digest);
        out
    }

    /// Reads a key's header.
    ///
    /// # Errors
    /// When the version is another or the length is not what the header says.
    pub fn decode(key: &[u8]) -> Result<Self, KeyError> {
        let head = key.first_chunk::<HEADER>().ok_or(KeyError::Length {
            expected: HEADER,
            got: key.len(),
        })?;
        if head[0] != VERSION {
            return Err(KeyError::Version(head[0]));
        }
        let short = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
        let long = |i: usize| u32::from_be_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let mut digest = [0u8; 32];
        digest.copy_from_slice(&head[32..]);
        let header = Self {
            k: head[1],
            inputs: short(2),
            key_bytes: long(4),
            proof_bytes: long(8),
            key_at: short(12),
            challenges_at: short(14),
            segments: short(16),
            product_at: short(18),
            inverse_at: short(20),
            words_before: short(22),
            words_after: short(24),
            terms: short(26),
            plan: long(28),
            digest,
        };
        if header.key_bytes as usize != key.len() {
            return Err(KeyError::Length {
                expected: header.key_bytes as usize,
                got: key.len(),
            });
        }
        Ok(header)
    }
}

impl EvmKey {
    /// Wraps bytes whose header fits them.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, KeyError> {
        Header::decode(&bytes)?;
        Ok(Self { bytes })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What `vkId` hashes.
    pub fn keccak(&self) -> [u8; 32] {
        Keccak256::digest(&self.bytes).into()
    }

    /// The decoded header.
    pub fn header(&self) -> Header {
        // PANIC: both constructors checked it.
        Header::decode(&self.bytes).expect("the header was checked on construction")
    }

    /// The key in pieces that fit a data contract each, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(CHUNK)
    }
}

/// A point of the final sum.
#[derive(Clone, Copy, Debug)]
pub enum Point {
    /// At this address, in the proof.
    Proof(u32),
    /// In the key.
    Key(G1Affine),
}

/// Fixes every address and writes the key.
pub(super) fn assemble(
    k: u32,
    digest: Fr,
    layout: &Layout,
    program: &Program,
    terms: &[Point],
) -> Result<EvmKey, CompileError> {
    let inverse_at = layout.end;
    let registers_at = inverse_at + 32;
    // One more register takes what the padding of the last word writes.
    let padding_at = registers_at + 32 * program.registers;
    let key_at = padding_at + 32;
    let mut points: Vec<u8> = vec![];
    let mut term_points = vec![];
    for p in terms {
        term_points.push(match p {
            Point::Proof(at) => *at,
            Point::Key(p) => {
                points.extend_from_slice(&g1_to_be(p));
                key_at + (HEADER + points.len()) as u32 - 64
            }
        });
    }
    let scalars_at = key_at + (HEADER + points.len()) as u32;
    let plan = HEADER + points.len() + 32 * program.constants.len();
    let last = u64::from(key_at) + plan as u64;
    if last > ADDRESSABLE {
        return Err(CompileError::Memory {
            needed: last,
            limit: ADDRESSABLE,
        });
    }
    // Below 2^16, all of them: the check above is on the largest.
    let address = |p: &Place| match p {
        Place::Constant(i) => (scalars_at + 32 * i) as u16,
        Place::Input(at) => *at as u16,
        Place::Register(r) => (registers_at + 32 * r) as u16,
    };
    let encode = |ops: &[Op]| {
        let mut out = vec![];
        for op in ops {
            for place in [&op.a, &op.b, &op.c, &op.d] {
                out.extend_from_slice(&address(place).to_be_bytes());
            }
        }
        while out.len() % (8 * OPS_PER_WORD * UNROLLED) != 0 {
            out.extend_from_slice(&(padding_at as u16).to_be_bytes());
        }
        out
    };
    let (before, after) = (encode(&program.before), encode(&program.after));
    let words = |code: &[u8]| u16::try_from(code.len() / 32);
    let (Ok(words_before), Ok(words_after)) = (words(&before), words(&after)) else {
        return Err(CompileError::Memory {
            needed: (before.len() + after.len()) as u64,
            limit: 32 * ADDRESSABLE,
        });
    };

    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(&points);
    for c in &program.constants {
        bytes.extend_from_slice(&scalar_to_be(c));
    }
    for s in &layout.segments {
        bytes.extend_from_slice(&s.words.to_be_bytes());
        bytes.extend_from_slice(&[s.squeezes, u8::from(s.scalars)]);
    }
    for (point, scalar) in term_points.iter().zip(&program.outputs) {
        bytes.extend_from_slice(&(*point as u16).to_be_bytes());
        bytes.extend_from_slice(&address(scalar).to_be_bytes());
    }
    bytes.extend_from_slice(&before);
    bytes.extend_from_slice(&after);
    let header = Header {
        k: k as u8,
        inputs: layout.inputs.len() as u16,
        key_bytes: bytes.len() as u32,
        proof_bytes: layout.proof_bytes,
        key_at: key_at as u16,
        challenges_at: layout.challenges_at as u16,
        segments: layout.segments.len() as u16,
        product_at: address(&program.first),
        inverse_at: inverse_at as u16,
        words_before,
        words_after,
        terms: terms.len() as u16,
        plan: plan as u32,
        digest: scalar_to_be(&digest),
    };
    bytes[..HEADER].copy_from_slice(&header.encode());
    debug_assert!(layout.inputs.first().is_none_or(|at| *at == FIRST + 64));
    Ok(EvmKey { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_and_its_words_stand_where_the_contract_reads_them() {
        let header = Header {
            k: 17,
            inputs: 0x0102,
            key_bytes: 64,
            proof_bytes: 0x0708_090a,
            key_at: 0x0b0c,
            challenges_at: 0x0d0e,
            segments: 0x0f10,
            product_at: 0x1112,
            inverse_at: 0x1314,
            words_before: 0x1516,
            words_after: 0x1718,
            terms: 0x191a,
            plan: 0x1b1c_1d1e,
            digest: [0xaa; 32],
        };
        let bytes = header.encode();
        assert_eq!(
            hex::encode(&bytes[..32]),
            "0111010200000040_0708090a_0b0c_0d0e_0f10_1112_1314_1516_1718_191a_1b1c1d1e".replace('_', "")
        );
        assert_eq!(Header::decode(&bytes), Ok(header));
    }

    #[test]
    fn another_version_or_length_is_refused() {
        let mut bytes = vec![0; 64];
        assert_eq!(EvmKey::from_bytes(bytes.clone()), Err(KeyError::Version(0)));
        bytes[0] = VERSION;
        let wrong = KeyError::Length { expected: 0, got: 64 };
        assert_eq!(EvmKey::from_bytes(bytes.clone()), Err(wrong));
        let short = KeyError::Length { expected: 64, got: 63 };
        assert_eq!(EvmKey::from_bytes(bytes[..63].to_vec()), Err(short));
    }
}
