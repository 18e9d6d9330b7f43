//! CIDs of raw blocks: CIDv1, codec raw, multihash sha2-256, and nothing else.

pub use cid::Cid;
use cid::Version;
use cid::multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};

/// Multicodec of raw bytes (multicodec table, `raw`).
pub const RAW: u64 = 0x55;
/// Multihash code of SHA-256 (multicodec table, `sha2-256`).
pub const SHA2_256: u64 = 0x12;

/// Why a CID is refused, or does not belong to a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    #[error("{text:?} is no CID: {reason}")]
    Parse { text: String, reason: String },
    #[error("{cid}: only CIDv1 of a raw block hashed with sha2-256 is supported; import the data to get such blocks")]
    Kind { cid: Cid },
    #[error("{len} bytes hash to {got}, not to {expected}: the block was altered or belongs to another CID")]
    Mismatch {
        expected: Box<Cid>,
        got: Box<Cid>,
        len: usize,
    },
}

/// The CID of `bytes` stored as one raw block.
pub fn raw_cid(bytes: &[u8]) -> Cid {
    Cid::new_v1(RAW, Code::Sha2_256.digest(bytes))
}

/// The CID whose multihash is the SHA-256 digest `digest`.
pub fn cid_of_digest(digest: &[u8; 32]) -> Cid {
    // PANIC: a multihash of this type holds 64 bytes, a digest has 32.
    Cid::new_v1(
        RAW,
        Multihash::wrap(SHA2_256, digest).expect("32 bytes fit a multihash"),
    )
}

/// The SHA-256 digest inside a raw CID.
///
/// # Errors
/// [`CidError::Kind`] for another version, codec or hash.
pub fn digest_of(cid: &Cid) -> Result<[u8; 32], CidError> {
    let hash = cid.hash();
    let kind = cid.version() == Version::V1 && cid.codec() == RAW && hash.code() == SHA2_256;
    match <[u8; 32]>::try_from(hash.digest()) {
        Ok(digest) if kind => Ok(digest),
        _ => Err(CidError::Kind { cid: *cid }),
    }
}

/// Reads a CID in its one written form, lower-case base32 (`bafkrei…`).
///
/// # Errors
/// [`CidError::Parse`] for anything else, other multibases included: one block has one name in
/// files that are hashed themselves.
pub fn parse_cid(text: &str) -> Result<Cid, CidError> {
    let refuse = |reason: String| CidError::Parse {
        text: text.chars().take(80).collect(),
        reason,
    };
    let cid = Cid::try_from(text).map_err(|e| refuse(e.to_string()))?;
    digest_of(&cid)?;
    if cid.to_string() != text {
        return Err(refuse(format!("the canonical form is {cid}")));
    }
    Ok(cid)
}

/// Checks that `bytes` are the raw block named by `cid`.
pub fn verify(cid: &Cid, bytes: &[u8]) -> Result<(), CidError> {
    digest_of(cid)?;
    let got = raw_cid(bytes);
    if got == *cid {
        Ok(())
    } else {
        Err(CidError::Mismatch {
            expected: Box::new(*cid),
            got: Box::new(got),
            len: bytes.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// The CID every IPFS implementation gives to an empty raw block, and to "hello world".
    #[test]
    fn known_blocks_have_known_cids() {
        assert_eq!(
            raw_cid(b"").to_string(),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        );
        assert_eq!(
            raw_cid(b"hello world").to_string(),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
        );
    }

    #[test]
    fn a_digest_goes_in_and_comes_out() {
        let digest: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(raw_cid(b"abc"), cid_of_digest(&digest));
        assert_eq!(digest_of(&raw_cid(b"abc")), Ok(digest));
        let cid = raw_cid(b"abc");
        assert_eq!(parse_cid(&cid.to_string()), Ok(cid));
    }

    #[test]
    fn other_kinds_and_spellings_are_refused() {
        let v0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n";
        assert!(matches!(parse_cid(v0), Err(CidError::Kind { .. })));
        let dag_pb = Cid::new_v1(0x70, Code::Sha2_256.digest(b"abc")).to_string();
        assert!(matches!(parse_cid(&dag_pb), Err(CidError::Kind { .. })));
        let short = Cid::new_v1(RAW, Multihash::wrap(SHA2_256, &[1; 31]).unwrap());
        assert!(matches!(digest_of(&short), Err(CidError::Kind { .. })));
        assert!(matches!(parse_cid(""), Err(CidError::Parse { .. })));
        assert!(matches!(parse_cid("bafkrei"), Err(CidError::Parse { .. })));
        let upper = raw_cid(b"abc").to_string().to_uppercase();
        assert!(matches!(parse_cid(&upper), Err(CidError::Parse { .. })));
    }

    #[test]
    fn one_changed_bit_is_seen() {
        let mut block = vec![7u8; 1000];
        let cid = raw_cid(&block);
        verify(&cid, &block).unwrap();
        block[500] ^= 1;
        assert!(matches!(verify(&cid, &block), Err(CidError::Mismatch { .. })));
    }

    /// All 1,000 CIDs the predecessor's authors published, where the folder of test data is there.
    #[test]
    fn published_mnist_cids_are_reproduced() {
        let Some(root) = std::env::var_os("ZKAGGLE_TEST_DATA") else {
            eprintln!("skipped: ZKAGGLE_TEST_DATA names no folder with mnist_pgm/");
            return;
        };
        let folder = std::path::Path::new(&root).join("mnist_pgm");
        let list = std::fs::read_to_string(folder.join("cid.txt")).unwrap();
        let mut count = 0;
        for (i, text) in list.split_whitespace().enumerate() {
            let bytes = std::fs::read(folder.join(format!("{i}.pgm"))).unwrap();
            assert_eq!(raw_cid(&bytes), parse_cid(text).unwrap(), "{i}.pgm");
            count += 1;
        }
        assert_eq!(count, 1000);
    }
}
