//! Bytes that are wiped when dropped and never printed.

use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// N secret bytes. No `Copy`, no `Serialize`, no `PartialEq`: each use is spelled out with [`expose`](Self::expose).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes over bytes; the caller wipes its own copy.
    pub fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Fresh bytes from the operating system.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut secret = Self([0; N]);
        getrandom::fill(&mut secret.0).map_err(|e| NoRandomness(e.to_string()))?;
        Ok(secret)
    }

    /// Zeroes, to be filled in place.
    pub(crate) fn zero() -> Self {
        Self([0; N])
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>(redacted)")
    }
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte() {
        let text = format!("{:?}", Secret::new([0xab; 4]));
        assert_eq!(text, "Secret<4>(redacted)");
    }

    #[test]
    fn random_bytes_differ() {
        let (a, b) = (Secret::<32>::random().unwrap(), Secret::<32>::random().unwrap());
        assert_ne!(a.expose(), b.expose());
        assert_ne!(a.expose(), &[0; 32]);
    }
}
