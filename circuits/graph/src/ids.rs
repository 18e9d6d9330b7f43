//! Keccak identifiers shared with the chain: always over `abi.encode`, which for static words is
//! their concatenation.

use crate::field::{Fr, from_digest_shr8, to_be_bytes};
use crate::tag::Tag;
use ark_ff::PrimeField;
use sha3::{Digest, Keccak256};

/// `abi.encode` of static 32-byte words.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<u8>);

impl Words {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn bytes32(mut self, w: [u8; 32]) -> Self {
        self.0.extend_from_slice(&w);
        self
    }

    pub fn u64(self, v: u64) -> Self {
        let mut w = [0u8; 32];
        w[24..].copy_from_slice(&v.to_be_bytes());
        self.bytes32(w)
    }

    pub fn address(self, a: [u8; 20]) -> Self {
        let mut w = [0u8; 32];
        w[12..].copy_from_slice(&a);
        self.bytes32(w)
    }

    pub fn field(self, x: &Fr) -> Self {
        self.bytes32(to_be_bytes(x))
    }

    pub fn keccak(&self) -> [u8; 32] {
        Keccak256::digest(&self.0).into()
    }
}

/// What a verifying key is for; part of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Role {
    Dataset = 1,
    Score = 2,
    Release = 3,
    Mint = 4,
}

/// Identity of a verifying key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VkId(pub [u8; 32]);

impl VkId {
    /// `keccak256(abi.encode(TAG_VK, role, csId, srsId, keccak256(key), link))`.
    ///
    /// * `cs`: code hash of the verifier contract that answers for the key.
    /// * `srs`: identity of the structured reference string.
    /// * `link`: for a score key the `vkId` of the release key that pays its claims; for a release
    ///   key the number of ciphertext words; otherwise zero. It is hashed so that nobody can
    ///   register a good key beside a bad companion.
    pub fn new(role: Role, cs: [u8; 32], srs: [u8; 32], key: &[u8], link: [u8; 32]) -> Self {
        Self(
            Words::new()
                .bytes32(Tag::Vk.bytes())
                .u64(role as u64)
                .bytes32(cs)
                .bytes32(srs)
                .bytes32(Keccak256::digest(key).into())
                .bytes32(link)
                .keccak(),
        )
    }
}

impl std::fmt::Display for VkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

/// Where an entry lives: what every proof of it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub chain_id: u64,
    pub market: [u8; 20],
    pub bounty: u64,
    pub hunter: [u8; 20],
    pub slot: u8,
    /// The accuracy vkId, also in the release proof.
    pub vk: VkId,
}

impl Entry {
    /// `ctx = keccak256(abi.encode(TAG_ACC, chainId, market, bountyId, hunter, slot, vkId)) >> 8`.
    pub fn ctx(&self) -> Fr {
        from_digest_shr8(
            &Words::new()
                .bytes32(Tag::Acc.bytes())
                .u64(self.chain_id)
                .address(self.market)
                .u64(self.bounty)
                .address(self.hunter)
                .u64(u64::from(self.slot))
                .bytes32(self.vk.0)
                .keccak(),
        )
    }
}

/// `h = keccak256(abi.encode(TAG_COMMIT, ctx, C))`: what a hunter posts before the reveal.
pub fn entry_commitment(ctx: &Fr, model: &Fr) -> [u8; 32] {
    Words::new()
        .bytes32(Tag::Commit.bytes())
        .field(ctx)
        .field(model)
        .keccak()
}

/// `keccak256(abi.encode(TAG_HOLDOUT, salt, keccak256(abi.encodePacked(digests))))`.
pub fn holdout(salt: [u8; 32], digests: &[[u8; 32]]) -> [u8; 32] {
    let all = Keccak256::digest(digests.concat());
    Words::new()
        .bytes32(Tag::Holdout.bytes())
        .bytes32(salt)
        .bytes32(all.into())
        .keccak()
}

/// A BabyJubJub point in affine coordinates, canonical field elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JubPoint {
    pub x: Fr,
    pub y: Fr,
}

/// Evaluation point of the ciphertext check:
/// `z = keccak256(abi.encode(TAG_Z, releaseVkId, sha256(ciphertext), epk, C, pk, ctx)) mod r`.
pub fn release_point(
    release: VkId,
    ciphertext_sha256: [u8; 32],
    epk: JubPoint,
    model: &Fr,
    pk: JubPoint,
    ctx: &Fr,
) -> Fr {
    let d = Words::new()
        .bytes32(Tag::Z.bytes())
        .bytes32(release.0)
        .bytes32(ciphertext_sha256)
        .field(&epk.x)
        .field(&epk.y)
        .field(model)
        .field(&pk.x)
        .field(&pk.y)
        .field(ctx)
        .keccak();
    Fr::from_be_bytes_mod_order(&d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_an_entry_changes_its_context() {
        let e = Entry {
            chain_id: 31337,
            market: [1; 20],
            bounty: 7,
            hunter: [2; 20],
            slot: 0,
            vk: VkId([3; 32]),
        };
        let other = [
            Entry { chain_id: 1, ..e },
            Entry { market: [9; 20], ..e },
            Entry { bounty: 8, ..e },
            Entry { hunter: [9; 20], ..e },
            Entry { slot: 1, ..e },
            Entry { vk: VkId([9; 32]), ..e },
        ];
        for o in other {
            assert_ne!(e.ctx(), o.ctx(), "{o:?}");
        }
    }

    #[test]
    fn a_vk_id_binds_role_code_srs_key_and_link() {
        let id = |r, c, s, k: &[u8], l| VkId::new(r, [c; 32], [s; 32], k, [l; 32]);
        let a = id(Role::Score, 1, 2, b"key", 3);
        for b in [
            id(Role::Release, 1, 2, b"key", 3),
            id(Role::Score, 9, 2, b"key", 3),
            id(Role::Score, 1, 9, b"key", 3),
            id(Role::Score, 1, 2, b"kez", 3),
            id(Role::Score, 1, 2, b"key", 9),
        ] {
            assert_ne!(a, b);
        }
    }
}
