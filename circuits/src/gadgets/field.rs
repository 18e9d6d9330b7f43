//! Signed integers as field elements of the proof system.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::PrimeField;

/// A signed integer, negative ones counted down from the modulus.
pub fn signed(v: i64) -> Fr {
    if v < 0 {
        -Fr::from(v.unsigned_abs())
    } else {
        Fr::from(v as u64)
    }
}

/// The integer behind a small element: inverse of [`signed`] for `|v| < 2^63`, else `None`.
pub fn small(x: &Fr) -> Option<i64> {
    fn low(x: &Fr) -> Option<i64> {
        let r = x.to_repr();
        let (head, tail) = r.split_at(8);
        if tail.iter().any(|&b| b != 0) {
            return None;
        }
        let mut b = [0u8; 8];
        b.copy_from_slice(head);
        i64::try_from(u64::from_le_bytes(b)).ok()
    }
    low(x).or_else(|| low(&-x).map(|v| -v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_inverts_signed_and_refuses_the_rest() {
        for v in [0, 1, -1, 255, -8192, i64::MAX, -i64::MAX] {
            assert_eq!(small(&signed(v)), Some(v));
        }
        assert_eq!(small(&Fr::from(u64::MAX)), None);
        assert_eq!(small(&Fr::from(2).invert().unwrap()), None);
    }
}
