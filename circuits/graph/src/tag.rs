//! Domain-separation tags (PROTOCOL section 8): `keccak256("zkaggle/v1/NAME")`.
//!
//! On chain the full 32 bytes are used; as a field element the digest is shifted right by 8 bits.

use crate::field::{Fr, from_digest_shr8};
use sha3::{Digest, Keccak256};

/// The purposes a hash may serve. Two purposes never share a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Model commitment `C`.
    Model,
    /// Shard commitment `s`.
    Shard,
    /// Dataset commitment `D`.
    Data,
    /// Results hash `R`.
    Results,
    /// Salt of a results hash.
    Salt,
    /// Verifying-key identifier.
    Vk,
    /// Proof context `ctx` of a market entry.
    Acc,
    /// Hidden commitment `h` of a market entry.
    Commit,
    /// Sealed hold-out.
    Holdout,
    /// Key derivation of the release statement.
    Kdf,
    /// Key stream of the release statement.
    Stream,
    /// Evaluation point `z` of the release statement.
    Z,
    /// Record schema.
    Schema,
}

impl Tag {
    pub const ALL: [Self; 13] = [
        Self::Model,
        Self::Shard,
        Self::Data,
        Self::Results,
        Self::Salt,
        Self::Vk,
        Self::Acc,
        Self::Commit,
        Self::Holdout,
        Self::Kdf,
        Self::Stream,
        Self::Z,
        Self::Schema,
    ];

    /// The NAME in `zkaggle/v1/NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "MODEL",
            Self::Shard => "SHARD",
            Self::Data => "DATA",
            Self::Results => "RESULTS",
            Self::Salt => "SALT",
            Self::Vk => "VK",
            Self::Acc => "ACC",
            Self::Commit => "COMMIT",
            Self::Holdout => "HOLDOUT",
            Self::Kdf => "KDF",
            Self::Stream => "STREAM",
            Self::Z => "Z",
            Self::Schema => "SCHEMA",
        }
    }

    /// The 32 bytes used on chain.
    pub fn bytes(self) -> [u8; 32] {
        Keccak256::digest(format!("zkaggle/v1/{}", self.name())).into()
    }

    /// The field element used in circuits.
    pub fn field(self) -> Fr {
        from_digest_shr8(&self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ() {
        let mut all: Vec<_> = Tag::ALL.iter().map(|t| t.bytes()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Tag::ALL.len());
    }
}
