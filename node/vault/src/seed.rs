//! One seed, and what follows from it.
//!
//! HKDF-SHA256 (RFC 5869): extract with the salt [`SALT`], expand with `info = label ‖ 0x00 ‖ (length ‖ field)*`,
//! lengths as four bytes, big-endian. A label carries its version; changing a derivation means a new label, never a new
//! meaning of an old one. The vectors in this file's tests come from an independent implementation.

use crate::envelope::EnvelopeKey;
use crate::secret::{NoRandomness, Secret};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;

/// HKDF's salt: separates these keys from any other use of the same 32 bytes.
const SALT: &[u8] = b"zkaggle/v1/seed";

/// Order of secp256k1's group, big-endian (SEC 2, section 2.4.1).
const SECP256K1_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// The node's only secret: 32 bytes.
#[derive(Clone)]
pub struct Seed(Secret<32>);

/// Names one entry of one bounty on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPath {
    pub chain_id: u64,
    /// The market's address.
    pub market: [u8; 20],
    /// The bounty's id.
    pub bounty: u64,
    /// The hunter's slot in the bounty.
    pub slot: u8,
}

/// Names one hold-out of a provider, before the chain has given its bounty an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldoutPath<'a> {
    pub chain_id: u64,
    /// The market's address.
    pub market: [u8; 20],
    /// The provider's own name or number for the bounty; used once.
    pub label: &'a [u8],
}

impl Seed {
    /// A fresh seed from the operating system.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate() -> Result<Self, NoRandomness> {
        Secret::random().map(Self)
    }

    /// A seed that already exists.
    pub fn from_secret(secret: Secret<32>) -> Self {
        Self(secret)
    }

    /// The 32 bytes themselves, for sealing and for nothing else.
    pub(crate) fn secret(&self) -> &Secret<32> {
        &self.0
    }

    /// The ed25519 secret of the libp2p identity.
    pub fn libp2p_key(&self) -> Secret<32> {
        self.derive("zkaggle/v1/libp2p-ed25519", &[])
    }

    /// The secp256k1 key of the Ethereum account, big-endian, in `1..order`.
    pub fn ethereum_key(&self) -> Secret<32> {
        let mut attempt = 0u32;
        loop {
            let key: Secret<32> = self.derive("zkaggle/v1/ethereum-secp256k1", &[&attempt.to_be_bytes()]);
            if is_secp256k1_key(key.expose()) {
                return key;
            }
            // Less than 2^-127 of all outputs come here, so the counter never wraps.
            attempt = attempt.wrapping_add(1);
        }
    }

    /// 64 uniform bytes that the provider reduces modulo BabyJubJub's subgroup order: its decryption key.
    pub fn decryption_key(&self) -> Secret<64> {
        self.derive("zkaggle/v1/babyjubjub", &[])
    }

    /// The X25519 key that opens envelopes.
    pub fn envelope_key(&self) -> EnvelopeKey {
        EnvelopeKey::from_secret(&self.derive("zkaggle/v1/x25519", &[]))
    }

    /// 64 uniform bytes that a hunter reduces into the field: the blind of one entry's model commitment.
    ///
    /// A restored seed derives the same blind, so a restored hunter can still claim.
    pub fn blind(&self, entry: &EntryPath) -> Secret<64> {
        self.derive(
            "zkaggle/v1/blind",
            &[
                &entry.chain_id.to_be_bytes(),
                &entry.market,
                &entry.bounty.to_be_bytes(),
                &[entry.slot],
            ],
        )
    }

    /// The salt of a sealed hold-out.
    pub fn holdout_salt(&self, holdout: &HoldoutPath<'_>) -> Secret<32> {
        self.derive(
            "zkaggle/v1/holdout-salt",
            &[&holdout.chain_id.to_be_bytes(), &holdout.market, holdout.label],
        )
    }

    /// The bearer token of the node's own API.
    pub fn api_token(&self) -> Secret<32> {
        self.derive("zkaggle/v1/api-token", &[])
    }

    fn derive<const N: usize>(&self, label: &str, fields: &[&[u8]]) -> Secret<N> {
        const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 8,160 bytes") }
        let mut info = Vec::from(label.as_bytes());
        info.push(0);
        for field in fields {
            // PANIC: none; every field is an identifier far below 4 GiB, and saturation could only refuse to collide.
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            info.extend_from_slice(&length.to_be_bytes());
            info.extend_from_slice(field);
        }
        let mut out = Secret::zero();
        let expanded = Hkdf::<Sha256>::new(Some(SALT), self.0.expose()).expand(&info, out.expose_mut());
        // PANIC: expand fails above 8,160 bytes only, which the assertion at the top excludes at compile time.
        expanded.expect("N is at most 8,160");
        out
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

fn is_secp256k1_key(bytes: &[u8; 32]) -> bool {
    bytes.iter().any(|b| *b != 0) && *bytes < SECP256K1_ORDER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed() -> Seed {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(0u8..).for_each(|(b, n)| *b = n);
        Seed::from_secret(Secret::new(bytes))
    }

    fn entry() -> EntryPath {
        EntryPath {
            chain_id: 31_337,
            market: [0x11; 20],
            bounty: 42,
            slot: 1,
        }
    }

    fn holdout() -> HoldoutPath<'static> {
        HoldoutPath {
            chain_id: 31_337,
            market: [0x11; 20],
            label: b"digits",
        }
    }

    /// Computed with Python's hmac and hashlib for the seed 00 01 … 1f.
    #[test]
    fn derivations_are_pinned() {
        let seed = seed();
        let got = [
            hex::encode(seed.libp2p_key().expose()),
            hex::encode(seed.ethereum_key().expose()),
            hex::encode(seed.decryption_key().expose()),
            hex::encode(seed.envelope_key().public()),
            hex::encode(seed.blind(&entry()).expose()),
            hex::encode(seed.holdout_salt(&holdout()).expose()),
            hex::encode(seed.api_token().expose()),
        ];
        assert_eq!(
            got,
            [
                "e5d6ad0f5065ea1e4b58fc9630f22eeb8b0759ee3b547d7507423f0e9f400d65",
                "8bc04b753aa713ebbcc08426b6377c1d5ebf01e16b59ae1329903fdf9800aba1",
                "80b5ef3af51f7f6c6aff48f8edea0d81db8a726ebf113451d4bd885b4885c0570514fef8671d660d6c5a4ee46a327b1e50542b17f7d93b0d2c1392f30837577a",
                "865319bfbddf26fd13f5b700015150d5450d8ab01cdec49cfbdf4bfe5c5bb769",
                "387e4fa34bfdd274f34566f80d91fd174d840d848ea7fe26f940c6b8be7e6b19883bfd98a63569f4b6308d5e9d0a786fb46b85a78cc2c3983d6cc075ff70b182",
                "8642aed7481eca909701b82fab82365f87ee96b925f23f492f6b27a38a531ad2",
                "34648158d88ec2e5c2cb1090910793a2f8ed8ab6ee7610ae71afe5dc74839c67",
            ]
        );
    }

    #[test]
    fn every_part_of_a_path_changes_the_blind() {
        let (seed, base) = (seed(), entry());
        let paths = [
            base,
            EntryPath { chain_id: 1, ..base },
            EntryPath {
                market: [0x12; 20],
                ..base
            },
            EntryPath { bounty: 43, ..base },
            EntryPath { slot: 0, ..base },
        ];
        let blinds: std::collections::BTreeSet<_> = paths.iter().map(|p| *seed.blind(p).expose()).collect();
        assert_eq!(blinds.len(), paths.len());
        let salts: std::collections::BTreeSet<_> = [
            holdout(),
            HoldoutPath {
                chain_id: 1,
                ..holdout()
            },
            HoldoutPath {
                market: [0; 20],
                ..holdout()
            },
            HoldoutPath {
                label: b"digit",
                ..holdout()
            },
        ]
        .iter()
        .map(|p| *seed.holdout_salt(p).expose())
        .collect();
        assert_eq!(salts.len(), 4);
    }

    #[test]
    fn an_ethereum_key_is_in_range() {
        assert!(!is_secp256k1_key(&[0; 32]));
        assert!(!is_secp256k1_key(&SECP256K1_ORDER));
        assert!(!is_secp256k1_key(&[0xff; 32]));
        let mut largest = SECP256K1_ORDER;
        largest[31] -= 1;
        assert!(is_secp256k1_key(&largest));
        let mut one = [0; 32];
        one[31] = 1;
        assert!(is_secp256k1_key(&one));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", seed()), "Seed(redacted)");
    }
}
