//! Names of blocks: CID version 1 over SHA-256, codec raw or dag-pb.

use cid::{Cid, Version, multihash::Multihash};
use sha2::{Digest, Sha256};

/// Multicodec of bytes without structure.
pub const RAW: u64 = 0x55;
/// Multicodec of nodes with links.
pub const DAG_PB: u64 = 0x70;
/// Largest block any IPFS implementation is sure to carry.
pub const MAX_BLOCK: usize = 2 << 20;

const SHA2_256: u64 = 0x12;

/// Why a name is not used here, or does not belong to a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error(
        "{cid}: only raw and dag-pb blocks hashed with sha2-256 are read; add the data again with `ipfs add --cid-version=1`"
    )]
    Unsupported { cid: Cid },
    #[error("{cid}: {len} bytes do not hash to this CID; the block was altered or belongs to another")]
    Mismatch { cid: Cid, len: usize },
    #[error("{cid}: a block of {len} bytes; at most {MAX_BLOCK} are read")]
    TooLong { cid: Cid, len: usize },
}

fn cid_of(codec: u64, bytes: &[u8]) -> Cid {
    // PANIC: a multihash of this type holds 64 bytes, a digest has 32.
    let hash = Multihash::wrap(SHA2_256, &Sha256::digest(bytes)).expect("32 bytes fit a multihash");
    Cid::new_v1(codec, hash)
}

/// The CID of `bytes` as a raw block.
pub fn raw_cid(bytes: &[u8]) -> Cid {
    cid_of(RAW, bytes)
}

/// The CID of `bytes` as a dag-pb node.
pub fn dag_pb_cid(bytes: &[u8]) -> Cid {
    cid_of(DAG_PB, bytes)
}

/// The version 1 spelling of a CID: version 0 always means dag-pb and SHA-256.
pub fn normal(cid: &Cid) -> Cid {
    match cid.version() {
        Version::V0 => Cid::new_v1(DAG_PB, *cid.hash()),
        Version::V1 => *cid,
    }
}

/// Says whether blocks of this name can be checked and read here.
///
/// Identity multihashes, truncated digests and other hashes are not: a peer could choose the bytes behind them.
pub fn is_supported(cid: &Cid) -> bool {
    cid.version() == Version::V1
        && matches!(cid.codec(), RAW | DAG_PB)
        && cid.hash().code() == SHA2_256
        && cid.hash().size() == 32
}

/// Checks that `bytes` are the block named by `cid`.
///
/// # Errors
/// Says whether the name, the length or the bytes are at fault.
pub fn verify(cid: &Cid, bytes: &[u8]) -> Result<(), NameError> {
    let cid = normal(cid);
    if !is_supported(&cid) {
        return Err(NameError::Unsupported { cid });
    }
    let len = bytes.len();
    if len > MAX_BLOCK {
        return Err(NameError::TooLong { cid, len });
    }
    if cid_of(cid.codec(), bytes) != cid {
        return Err(NameError::Mismatch { cid, len });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every IPFS implementation calls "hello world", an empty block and an empty folder.
    #[test]
    fn known_blocks_have_known_names() {
        let raw = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        assert_eq!(raw_cid(b"hello world").to_string(), raw);
        let folder = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
        assert_eq!(dag_pb_cid(b"\x0a\x02\x08\x01").to_string(), folder);
        let v0 = Cid::try_from("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").unwrap();
        assert_eq!(normal(&v0).to_string(), folder);
        verify(&v0, b"\x0a\x02\x08\x01").unwrap();
    }

    #[test]
    fn names_that_prove_nothing_are_refused() {
        let digest = Sha256::digest(b"x");
        let hash = |code, bytes: &[u8]| Multihash::<64>::wrap(code, bytes).unwrap();
        for cid in [
            Cid::new_v1(RAW, hash(SHA2_256, &digest[..16])),
            Cid::new_v1(RAW, hash(0, b"x")),
            Cid::new_v1(0x71, hash(SHA2_256, &digest)),
        ] {
            assert!(!is_supported(&cid));
            assert_eq!(verify(&cid, b"x"), Err(NameError::Unsupported { cid }));
        }
        let cid = raw_cid(b"x");
        assert_eq!(verify(&cid, b"y"), Err(NameError::Mismatch { cid, len: 1 }));
        let long = vec![0; MAX_BLOCK + 1];
        assert!(matches!(verify(&raw_cid(&long), &long), Err(NameError::TooLong { .. })));
    }
}
