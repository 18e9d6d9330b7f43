//! The scalar field of BN254 and its byte form.

pub use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};

/// A field element that is not canonical: its integer is not below the modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("0x{} is not below the BN254 scalar modulus", hex::encode(.0))]
pub struct NonCanonical(pub [u8; 32]);

/// The 32 big-endian bytes of `x`, as on chain.
pub fn to_be_bytes(x: &Fr) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(&x.into_bigint().to_bytes_be());
    out
}

/// Reads 32 big-endian bytes.
///
/// # Errors
/// [`NonCanonical`] when the integer is not below the modulus: reducing it would give one element
/// two encodings.
pub fn from_be_bytes(b: &[u8; 32]) -> Result<Fr, NonCanonical> {
    let x = Fr::from_be_bytes_mod_order(b);
    if to_be_bytes(&x) == *b {
        Ok(x)
    } else {
        Err(NonCanonical(*b))
    }
}

/// Drops the low byte of a digest, which leaves 248 bits: always canonical.
pub fn from_digest_shr8(d: &[u8; 32]) -> Fr {
    Fr::from_be_bytes_mod_order(&d[..31])
}

/// Reads at most 31 big-endian bytes.
///
/// # Panics
/// Never for 31 bytes or fewer; longer input is a caller's bug.
pub fn from_short_be(b: &[u8]) -> Fr {
    assert!(b.len() <= 31, "31 bytes at most fit below the modulus");
    Fr::from_be_bytes_mod_order(b)
}

/// A signed integer as a field element.
pub fn from_i64(v: i64) -> Fr {
    if v < 0 {
        -Fr::from(v.unsigned_abs())
    } else {
        Fr::from(v as u64)
    }
}

/// `0x`-prefixed hexadecimal serde form of a field element, 32 bytes, canonical.
pub mod serde_hex {
    use super::{Fr, from_be_bytes, to_be_bytes};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(x: &Fr, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&format!("0x{}", hex::encode(to_be_bytes(x))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Fr, D::Error> {
        let s = String::deserialize(d)?;
        let mut b = [0u8; 32];
        hex::decode_to_slice(s.strip_prefix("0x").unwrap_or(&s), &mut b).map_err(D::Error::custom)?;
        from_be_bytes(&b).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{Field, Zero};

    #[test]
    fn modulus_and_above_are_refused() {
        let mut m = [0u8; 32];
        m.copy_from_slice(&Fr::MODULUS.to_bytes_be());
        assert_eq!(from_be_bytes(&m), Err(NonCanonical(m)));
        assert!(from_be_bytes(&[0xff; 32]).is_err());
        m[31] -= 1;
        assert_eq!(from_be_bytes(&m), Ok(-Fr::ONE));
        assert_eq!(from_be_bytes(&[0; 32]), Ok(Fr::zero()));
    }

    #[test]
    fn signed_integers_embed_symmetrically() {
        for v in [0, 1, -1, 127, -128, i64::MAX, i64::MIN + 1] {
            assert!((from_i64(v) + from_i64(-v)).is_zero());
        }
    }
}
