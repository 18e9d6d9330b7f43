//! Announcements: what nodes tell each other so that nobody has to poll.
//!
//! They are hints. A node that hears of a bounty reads it from the chain, one that hears of a dataset checks
//! every block against its CID: a false announcement costs a look-up and nothing else.
//!
//! One encoding: JSON without spaces, fields in the order of the types below, hex in lower case, CIDs as
//! version 1 strings in base 32. A message that does not encode back to the same bytes is refused.

use std::str::FromStr;

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::block;

/// Gossip topic; its version changes with the meaning of messages.
pub const TOPIC: &str = "/zkaggle/announce/1";
/// Version written into every message.
pub const VERSION: u16 = 1;
/// Longest encoded announcement, in bytes.
pub const MAX_ANNOUNCEMENT: usize = 48 * 1024;
/// Most shards one announcement lists; a larger dataset announces its manifest, which lists them all.
pub const MAX_SHARDS: usize = 512;

/// A hint to other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A bounty was created on this market: look at the chain.
    BountyPosted {
        chain_id: u64,
        market: [u8; 20],
        bounty: u64,
    },
    /// The announcer serves this dataset: its manifest block and, in order, its shards.
    DatasetAvailable { manifest: Cid, shards: Vec<Cid> },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u16,
    body: Body,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Body {
    BountyPosted { chain_id: u64, market: String, bounty: u64 },
    DatasetAvailable { manifest: String, shards: Vec<String> },
}

/// Why an announcement is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    #[error("announcement of {size} bytes is longer than {MAX_ANNOUNCEMENT}")]
    TooLong { size: usize },
    #[error("announcement is malformed: {reason}")]
    Malformed { reason: String },
    #[error("announcement has version {got}, this node speaks {VERSION}")]
    Version { got: u16 },
    #[error("announcement lists {got} shards, at most {MAX_SHARDS} fit: announce the manifest alone")]
    TooManyShards { got: usize },
    #[error("announcement names {cid}, which is not a CID version 1 with a SHA-256 digest")]
    BadCid { cid: String },
    #[error("announcement is not in its canonical encoding")]
    NotCanonical,
}

impl Announcement {
    /// Encodes in the one canonical form.
    ///
    /// # Errors
    /// [`AnnounceError::TooManyShards`], [`AnnounceError::BadCid`], [`AnnounceError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, AnnounceError> {
        let body = match self {
            Self::BountyPosted {
                chain_id,
                market,
                bounty,
            } => Body::BountyPosted {
                chain_id: *chain_id,
                market: hex::encode(market),
                bounty: *bounty,
            },
            Self::DatasetAvailable { manifest, shards } => {
                check_count(shards.len())?;
                let shards = shards.iter().map(write_cid).collect::<Result<_, _>>()?;
                Body::DatasetAvailable {
                    manifest: write_cid(manifest)?,
                    shards,
                }
            }
        };
        let bytes = serde_json::to_vec(&Wire { version: VERSION, body }).map_err(malformed)?;
        check_length(bytes.len())?;
        Ok(bytes)
    }

    /// Decodes what a peer sent.
    ///
    /// # Errors
    /// Any [`AnnounceError`]; never panics, and never reads more than [`MAX_ANNOUNCEMENT`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, AnnounceError> {
        check_length(bytes.len())?;
        let wire: Wire = serde_json::from_slice(bytes).map_err(malformed)?;
        if wire.version != VERSION {
            return Err(AnnounceError::Version { got: wire.version });
        }
        let announcement = match wire.body {
            Body::BountyPosted {
                chain_id,
                market,
                bounty,
            } => {
                let mut address = [0; 20];
                hex::decode_to_slice(&market, &mut address).map_err(malformed)?;
                Self::BountyPosted {
                    chain_id,
                    market: address,
                    bounty,
                }
            }
            Body::DatasetAvailable { manifest, shards } => {
                check_count(shards.len())?;
                let shards = shards.iter().map(|cid| read_cid(cid)).collect::<Result<_, _>>()?;
                Self::DatasetAvailable {
                    manifest: read_cid(&manifest)?,
                    shards,
                }
            }
        };
        if announcement.encode()? != bytes {
            return Err(AnnounceError::NotCanonical);
        }
        Ok(announcement)
    }
}

fn malformed(error: impl std::fmt::Display) -> AnnounceError {
    AnnounceError::Malformed {
        reason: error.to_string(),
    }
}

fn check_length(size: usize) -> Result<(), AnnounceError> {
    if size > MAX_ANNOUNCEMENT {
        Err(AnnounceError::TooLong { size })
    } else {
        Ok(())
    }
}

fn check_count(got: usize) -> Result<(), AnnounceError> {
    if got > MAX_SHARDS {
        Err(AnnounceError::TooManyShards { got })
    } else {
        Ok(())
    }
}

fn write_cid(cid: &Cid) -> Result<String, AnnounceError> {
    let text = cid.to_string();
    if block::is_supported(cid) {
        Ok(text)
    } else {
        Err(AnnounceError::BadCid { cid: text })
    }
}

fn read_cid(text: &str) -> Result<Cid, AnnounceError> {
    let bad = || AnnounceError::BadCid {
        cid: text.chars().take(80).collect(),
    };
    let cid = Cid::from_str(text).map_err(|_| bad())?;
    if block::is_supported(&cid) { Ok(cid) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::cid_of;

    fn bounty() -> Announcement {
        Announcement::BountyPosted {
            chain_id: 31337,
            market: [0xab; 20],
            bounty: 7,
        }
    }

    fn dataset(shards: usize) -> Announcement {
        let shards = (0..shards).map(|i| cid_of(&i.to_be_bytes())).collect();
        Announcement::DatasetAvailable {
            manifest: cid_of(b"manifest"),
            shards,
        }
    }

    #[test]
    fn one_encoding_is_pinned() {
        let expected = r#"{"version":1,"body":{"bounty_posted":{"chain_id":31337,"market":"abababababababababababababababababababab","bounty":7}}}"#;
        assert_eq!(String::from_utf8(bounty().encode().unwrap()).unwrap(), expected);
        let expected = r#"{"version":1,"body":{"dataset_available":{"manifest":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","shards":[]}}}"#;
        let empty = Announcement::DatasetAvailable {
            manifest: cid_of(b""),
            shards: vec![],
        };
        assert_eq!(String::from_utf8(empty.encode().unwrap()).unwrap(), expected);
    }

    #[test]
    fn what_is_encoded_decodes() {
        for announcement in [bounty(), dataset(0), dataset(3), dataset(MAX_SHARDS)] {
            assert_eq!(
                Announcement::decode(&announcement.encode().unwrap()).unwrap(),
                announcement
            );
        }
    }

    #[test]
    fn bounds_hold_both_ways() {
        assert_eq!(
            dataset(MAX_SHARDS + 1).encode(),
            Err(AnnounceError::TooManyShards { got: MAX_SHARDS + 1 })
        );
        let long = vec![b' '; MAX_ANNOUNCEMENT + 1];
        assert_eq!(
            Announcement::decode(&long),
            Err(AnnounceError::TooLong {
                size: MAX_ANNOUNCEMENT + 1
            })
        );
    }

    #[test]
    fn every_other_spelling_is_refused() {
        let good = String::from_utf8(bounty().encode().unwrap()).unwrap();
        let spellings = [
            good.replace(':', ": "),
            good.replace("abab", "ABAB"),
            good.replace("\"version\":1", "\"version\":1.0"),
            good.replace("\"version\":1", "\"version\":2"),
            good.replace("\"bounty\":7", "\"bounty\":7,\"bounty\":7"),
            good.replace("\"bounty\":7", "\"bounty\":7,\"extra\":0"),
            good.replace("\"bounty\":7", "\"bounty\":-7"),
            good.replace("bounty_posted", "bounty_closed"),
            format!("{good} "),
            good[..good.len() - 1].to_owned(),
            "null".into(),
            String::new(),
        ];
        for spelling in spellings {
            assert!(Announcement::decode(spelling.as_bytes()).is_err(), "{spelling}");
        }
        assert!(Announcement::decode(&[0xff, 0xfe]).is_err());
        let nested = "[".repeat(MAX_ANNOUNCEMENT);
        assert!(Announcement::decode(nested.as_bytes()).is_err(), "deep nesting");
    }

    #[test]
    fn unsupported_cids_are_refused() {
        let v0 = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n";
        let text = format!(r#"{{"version":1,"body":{{"dataset_available":{{"manifest":"{v0}","shards":[]}}}}}}"#);
        assert_eq!(
            Announcement::decode(text.as_bytes()),
            Err(AnnounceError::BadCid { cid: v0.into() })
        );
    }
}
