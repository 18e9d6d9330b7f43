//! Envelopes: messages that one peer alone can open.
//!
//! X25519 (RFC 7748) between a fresh key and the recipient's, HKDF-SHA256, XChaCha20-Poly1305. The layout is
//! `version (1) ‖ ephemeral key (32) ‖ ciphertext and tag`. Key and nonce both come from HKDF, which is safe because
//! the ephemeral key, and with it the pair, is used once.
//!
//! The [`Route`] is authenticated, not sent: both sides build it from what they know, so an envelope opens only in the
//! bounty, direction and place in the sequence that it was sealed for.
//!
//! **Not promised.** Anybody can seal to a public key: that `sender` is who sealed it is for the channel that carried
//! the envelope to show. Whoever steals the recipient's seed can open old envelopes.

use crate::secret::{NoRandomness, Secret};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const LABEL: &[u8] = b"zkaggle/v1/envelope";
const LABEL_KEY: &[u8] = b"zkaggle/v1/envelope/key";
const LABEL_NONCE: &[u8] = b"zkaggle/v1/envelope/nonce";
const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;
/// Bytes that an envelope adds to its message.
pub const OVERHEAD: usize = 1 + 32 + TAG;

/// Where an envelope belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub chain_id: u64,
    /// The market's address.
    pub market: [u8; 20],
    pub bounty: u64,
    /// The sender's public envelope key.
    pub sender: [u8; 32],
    /// The recipient's public envelope key.
    pub recipient: [u8; 32],
    /// What kind of message it is; numbered by the protocol that sends it.
    pub kind: u16,
    /// The message's place among those of this kind from this sender: a replay is noticed by it.
    pub seq: u64,
}

/// Why an envelope was not sealed or opened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    #[error("the envelope has {got} bytes, the shortest has {OVERHEAD}")]
    Truncated { got: usize },
    #[error("envelope of version {found}; this version opens version {VERSION}")]
    UnknownVersion { found: u8 },
    #[error("the public key is of small order: the shared secret would be known to everybody")]
    WeakKey,
    #[error("the envelope is for another key than ours")]
    NotForUs,
    #[error("the envelope does not open: it was changed, or belongs to another bounty, sender, kind or place")]
    Tampered,
    #[error("the message is too large to seal")]
    TooLarge,
    #[error("{0}")]
    NoRandomness(String),
}

impl From<NoRandomness> for EnvelopeError {
    fn from(error: NoRandomness) -> Self {
        Self::NoRandomness(error.to_string())
    }
}

/// The secret key that opens envelopes.
#[derive(Clone)]
pub struct EnvelopeKey(StaticSecret);

impl EnvelopeKey {
    pub(crate) fn from_secret(secret: &Secret<32>) -> Self {
        Self(StaticSecret::from(*secret.expose()))
    }

    /// The key that others seal to.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    /// Opens an envelope sealed to this key on this route.
    ///
    /// # Errors
    /// [`EnvelopeError::Tampered`] for any change of a byte or of the route.
    pub fn open(&self, route: &Route, envelope: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let truncated = EnvelopeError::Truncated { got: envelope.len() };
        let Some((version, rest)) = envelope.split_first() else {
            return Err(truncated);
        };
        if *version != VERSION {
            return Err(EnvelopeError::UnknownVersion { found: *version });
        }
        let Some((ephemeral, sealed)) = rest.split_first_chunk::<32>() else {
            return Err(truncated);
        };
        if sealed.len() < TAG {
            return Err(truncated);
        }
        if route.recipient != self.public() {
            return Err(EnvelopeError::NotForUs);
        }
        let shared = self.0.diffie_hellman(&PublicKey::from(*ephemeral));
        let keys = Keys::derive(&shared, ephemeral, route)?;
        keys.cipher()
            .decrypt(
                keys.nonce().into(),
                Payload {
                    msg: sealed,
                    aad: &route.authenticated(ephemeral),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| EnvelopeError::Tampered)
    }
}

impl fmt::Debug for EnvelopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvelopeKey(redacted)")
    }
}

/// Seals a message to the route's recipient.
///
/// # Errors
/// [`EnvelopeError::WeakKey`] when the recipient's key is of small order.
pub fn seal(route: &Route, message: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let secret = StaticSecret::from(*Secret::<32>::random()?.expose());
    let ephemeral = PublicKey::from(&secret).to_bytes();
    let shared = secret.diffie_hellman(&PublicKey::from(route.recipient));
    let keys = Keys::derive(&shared, &ephemeral, route)?;
    let sealed = keys
        .cipher()
        .encrypt(
            keys.nonce().into(),
            Payload {
                msg: message,
                aad: &route.authenticated(&ephemeral),
            },
        )
        .map_err(|_| EnvelopeError::TooLarge)?;
    let mut envelope = Vec::with_capacity(OVERHEAD + message.len());
    envelope.push(VERSION);
    envelope.extend_from_slice(&ephemeral);
    envelope.extend_from_slice(&sealed);
    Ok(envelope)
}

impl Route {
    /// Every field at a fixed width, so that no two routes have the same bytes.
    fn authenticated(&self, ephemeral: &[u8; 32]) -> Vec<u8> {
        let mut bytes = Vec::from(LABEL);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.chain_id.to_be_bytes());
        bytes.extend_from_slice(&self.market);
        bytes.extend_from_slice(&self.bounty.to_be_bytes());
        bytes.extend_from_slice(&self.sender);
        bytes.extend_from_slice(&self.recipient);
        bytes.extend_from_slice(&self.kind.to_be_bytes());
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(ephemeral);
        bytes
    }
}

/// Key and nonce of one envelope.
struct Keys {
    key: Secret<KEY>,
    nonce: Secret<NONCE>,
}

impl Keys {
    fn derive(shared: &SharedSecret, ephemeral: &[u8; 32], route: &Route) -> Result<Self, EnvelopeError> {
        // RFC 7748, section 6.1: an all-zero secret came from a point of small order.
        if !shared.was_contributory() {
            return Err(EnvelopeError::WeakKey);
        }
        // Both public keys go in: X25519 alone gives one secret for several encodings of a point.
        let salt = [&ephemeral[..], &route.recipient[..]].concat();
        let hkdf = Hkdf::<Sha256>::new(Some(&salt), shared.as_bytes());
        let (mut key, mut nonce) = (Secret::zero(), Secret::zero());
        // PANIC: expand fails above 8,160 bytes only; these ask for 32 and 24.
        hkdf.expand(LABEL_KEY, key.expose_mut())
            .expect("32 bytes are within HKDF's limit");
        hkdf.expand(LABEL_NONCE, nonce.expose_mut())
            .expect("24 bytes are within HKDF's limit");
        Ok(Self { key, nonce })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.expose().into())
    }

    fn nonce(&self) -> &[u8; NONCE] {
        self.nonce.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> EnvelopeKey {
        EnvelopeKey::from_secret(&Secret::new([n; 32]))
    }

    fn route() -> Route {
        Route {
            chain_id: 31_337,
            market: [1; 20],
            bounty: 5,
            sender: key(1).public(),
            recipient: key(2).public(),
            kind: 3,
            seq: 9,
        }
    }

    #[test]
    fn the_recipient_opens_and_nobody_else() {
        for message in [&b""[..], b"weights", &[7; 5_000]] {
            let sealed = seal(&route(), message).unwrap();
            assert_eq!(sealed.len(), message.len() + OVERHEAD);
            assert_eq!(*key(2).open(&route(), &sealed).unwrap(), message);
            assert_eq!(key(1).open(&route(), &sealed), Err(EnvelopeError::NotForUs));
            let ours = Route {
                recipient: key(3).public(),
                ..route()
            };
            assert_eq!(key(3).open(&ours, &sealed), Err(EnvelopeError::Tampered));
        }
        assert_ne!(seal(&route(), b"x").unwrap(), seal(&route(), b"x").unwrap());
    }

    #[test]
    fn every_field_of_the_route_is_authenticated() {
        let sealed = seal(&route(), b"weights").unwrap();
        let others = [
            Route { chain_id: 1, ..route() },
            Route {
                market: [2; 20],
                ..route()
            },
            Route { bounty: 6, ..route() },
            Route {
                sender: key(3).public(),
                ..route()
            },
            Route { kind: 4, ..route() },
            Route { seq: 10, ..route() },
        ];
        for other in others {
            assert_eq!(key(2).open(&other, &sealed), Err(EnvelopeError::Tampered), "{other:?}");
        }
        let other = Route {
            recipient: key(3).public(),
            ..route()
        };
        assert_eq!(key(2).open(&other, &sealed), Err(EnvelopeError::NotForUs));
    }

    #[test]
    fn every_bit_counts() {
        let sealed = seal(&route(), b"weights").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bad = sealed.clone();
                bad[at] ^= 1 << bit;
                assert!(key(2).open(&route(), &bad).is_err(), "byte {at}, bit {bit}");
            }
            assert!(key(2).open(&route(), &sealed[..at]).is_err(), "cut at {at}");
        }
        assert!(key(2).open(&route(), &[&sealed[..], &[0]].concat()).is_err());
        assert_eq!(
            key(2).open(&route(), &[9; 80]),
            Err(EnvelopeError::UnknownVersion { found: 9 })
        );
        assert_eq!(
            key(2).open(&route(), &[1; 48]),
            Err(EnvelopeError::Truncated { got: 48 })
        );
    }

    /// The points of small order on Curve25519 and its twist, with their non-canonical spellings.
    #[test]
    fn points_of_small_order_are_refused_both_ways() {
        let points = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        for point in points {
            let point: [u8; 32] = hex::decode(point).unwrap().try_into().unwrap();
            assert_eq!(
                seal(
                    &Route {
                        recipient: point,
                        ..route()
                    },
                    b"x"
                ),
                Err(EnvelopeError::WeakKey)
            );
            let forged = [&[VERSION][..], &point, &[0; TAG]].concat();
            assert_eq!(key(2).open(&route(), &forged), Err(EnvelopeError::WeakKey));
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", key(7)), "EnvelopeKey(redacted)");
    }
}
