//! A block and its name.

use bytes::Bytes;
pub use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};
pub use zkaggle_ipld::{DAG_PB, MAX_BLOCK, RAW, normal};

const SHA2_256: u64 = 0x12;
const SHA2_256_BYTES: u8 = 32;

/// Names a raw block: CID version 1 over the SHA-256 digest.
///
/// # Source
/// The CID and multihash specifications.
pub fn cid_of(bytes: &[u8]) -> Cid {
    Cid::new_v1(RAW, Code::Sha2_256.digest(bytes))
}

/// Says whether blocks of this name can be checked here: version 1, SHA-256 in full.
///
/// Identity multihashes, truncated digests and weak hash functions are refused, since a peer could answer
/// such a name with bytes of its choice or make the store hold a name without a digest.
pub fn is_supported(cid: &Cid) -> bool {
    cid.version() == cid::Version::V1 && cid.hash().code() == SHA2_256 && cid.hash().size() == SHA2_256_BYTES
}

/// Checks bytes against a name.
pub fn matches(cid: &Cid, bytes: &[u8]) -> bool {
    is_supported(cid) && Code::Sha2_256.digest(bytes) == *cid.hash()
}

/// Bytes that were hashed and have their name, so that nobody need hash them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    cid: Cid,
    bytes: Bytes,
}

impl CheckedBlock {
    /// Checks bytes against a name; `None` when they do not have it, or when [`is_supported`] refuses it.
    pub fn new(cid: Cid, bytes: Bytes) -> Option<Self> {
        matches(&cid, &bytes).then_some(Self { cid, bytes })
    }

    /// Takes bytes that a store checked when it took them in.
    pub(crate) fn stored(cid: Cid, bytes: Bytes) -> Self {
        Self { cid, bytes }
    }

    /// Derives the name a bitswap payload claims: its prefix gives version, codec and hash, its data the digest.
    ///
    /// `None` for a malformed prefix, trailing bytes, or a name that [`is_supported`] refuses.
    pub(crate) fn from_payload(prefix: &[u8], bytes: Bytes) -> Option<Self> {
        use unsigned_varint::decode::u64 as varint;
        let (version, rest) = varint(prefix).ok()?;
        let (codec, rest) = varint(rest).ok()?;
        let (hash, rest) = varint(rest).ok()?;
        let (length, rest) = varint(rest).ok()?;
        let supported = version == 1 && hash == SHA2_256 && length == u64::from(SHA2_256_BYTES) && rest.is_empty();
        supported.then(|| Self {
            cid: Cid::new_v1(codec, Code::Sha2_256.digest(&bytes)),
            bytes,
        })
    }

    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Writes the prefix of a block's name: everything but the digest.
pub(crate) fn prefix_of(cid: &Cid) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    let mut buffer = unsigned_varint::encode::u64_buffer();
    for value in [
        u64::from(cid.version()),
        cid.codec(),
        cid.hash().code(),
        u64::from(cid.hash().size()),
    ] {
        out.extend_from_slice(unsigned_varint::encode::u64(value, &mut buffer));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name any IPFS implementation gives these bytes (`ipfs block put --cid-codec raw`).
    #[test]
    fn names_equal_those_of_ipfs() {
        assert_eq!(
            cid_of(b"hello world").to_string(),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
        );
        assert_eq!(
            cid_of(b"").to_string(),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        );
    }

    #[test]
    fn prefix_and_data_give_back_the_name() {
        let cid = cid_of(b"shard");
        let named = |bytes: &'static [u8]| CheckedBlock::from_payload(&prefix_of(&cid), Bytes::from_static(bytes));
        assert_eq!(named(b"shard"), CheckedBlock::new(cid, Bytes::from_static(b"shard")));
        assert_ne!(*named(b"shart").unwrap().cid(), cid);
        assert_eq!(CheckedBlock::new(cid, Bytes::from_static(b"shart")), None);
    }

    #[test]
    fn odd_prefixes_are_refused() {
        let good = prefix_of(&cid_of(b"x"));
        let mut trailing = good.clone();
        trailing.push(0);
        let short_digest = vec![1, 0x55, 0x12, 16];
        let identity = vec![1, 0x55, 0, 32];
        for bad in [&[][..], &good[..3], &trailing, &short_digest, &identity, &[0xff; 20]] {
            assert_eq!(
                CheckedBlock::from_payload(bad, Bytes::from_static(b"x")),
                None,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn identity_and_truncated_names_are_unsupported() {
        let digest = Code::Sha2_256.digest(b"x");
        let truncated = cid::multihash::Multihash::<64>::wrap(SHA2_256, &digest.digest()[..16]).unwrap();
        assert!(!is_supported(&Cid::new_v1(RAW, truncated)));
        let identity = cid::multihash::Multihash::<64>::wrap(0, b"x").unwrap();
        assert!(!matches(&Cid::new_v1(RAW, identity), b"x"));
        let old = Cid::new_v0(digest).unwrap();
        assert!(!is_supported(&old));
        assert_eq!(normal(&old), Cid::new_v1(DAG_PB, digest));
    }
}
