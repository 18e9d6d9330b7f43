//! The manifest block: what a dataset consists of, in one canonical text with a CID of its own.

use super::cid::{Cid, CidError, digest_of, parse_cid, raw_cid};
use super::shard::MIN_SHARD_RECORDS;
use crate::graph::{FeatureType, GraphError, Layout, MAX_SHARD_BYTES, Schema};

/// Format and version of the manifest of a dataset of bytes.
pub const FORMAT: &str = "zkaggle-manifest/1";
/// The same for features of 16 bits: a version that knows bytes alone refuses them by name, and what was named before
/// keeps its CID.
pub const FORMAT_I16: &str = "zkaggle-manifest/2";
/// The same for records that are not back to back from a shard's first byte with the label last.
pub const FORMAT_LAYOUT: &str = "zkaggle-manifest/3";
/// Largest manifest block that is read: about 10,000 shards.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// Longest name or licence, in bytes.
pub const MAX_TEXT: usize = 200;

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest has {0} bytes; at most {MAX_MANIFEST_BYTES} are read")]
    TooLong(usize),
    #[error("the manifest is no {FORMAT:?} JSON: {0}")]
    Json(String),
    #[error(
        "manifest format {0:?} is not known here; this version reads {FORMAT:?}, {FORMAT_I16:?} and {FORMAT_LAYOUT:?}"
    )]
    Format(String),
    #[error("the manifest is not in canonical form (key order, spacing or number spelling); write it with this tool")]
    NotCanonical,
    #[error("manifest {field}: 1 to {MAX_TEXT} bytes without control characters are allowed")]
    Text { field: &'static str },
    #[error("manifest: {0}")]
    Schema(#[from] GraphError),
    #[error(
        "manifest split: a part `train` or `test`, a ratio without zeros and the size of the whole set are expected"
    )]
    Split,
    #[error("the manifest lists no shards")]
    NoShards,
    #[error("manifest shard {shard}: {source}")]
    Cid { shard: usize, source: CidError },
    #[error("manifest shard {shard}: {bytes} bytes are not {layout}")]
    Record { shard: usize, bytes: u64, layout: Layout },
    #[error("manifest shard {shard}: {bytes} bytes; a block holds 1 to {MAX_SHARD_BYTES}")]
    Length { shard: usize, bytes: u64 },
    #[error(
        "manifest shard {shard}: {records} records; at least {MIN_SHARD_RECORDS} are needed in a dataset of that size"
    )]
    TooFew { shard: usize, records: u64 },
    #[error("the manifest says {stated} records, its shards hold {counted}")]
    Count { stated: u64, counted: u64 },
}

/// Which part of a larger set a dataset is, and how to cut that set again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `train` or `test`.
    pub part: String,
    /// Parts of the whole in each, as in `80:20`.
    pub train: u32,
    pub test: u32,
    pub seed: u64,
    /// Records of the whole set.
    pub of: u64,
}

/// One shard as a manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardEntry {
    pub cid: Cid,
    pub bytes: u64,
}

/// What a dataset consists of. Every value of this type has passed [`Manifest::new`]'s checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: String,
    licence: String,
    split: Option<Split>,
    schema: Schema,
    n: u64,
    shards: Vec<ShardEntry>,
}

/// The written form; fields in the order of the text.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    name: String,
    licence: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<Split>,
    schema: Schema,
    n: u64,
    shards: Vec<WireShard>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct WireShard {
    cid: String,
    bytes: u64,
}

/// Reads nothing but the version, so that a newer manifest is called that and not malformed.
#[derive(serde::Deserialize)]
struct Version {
    format: String,
}

/// The format that a schema is written in.
fn format(schema: &Schema) -> &'static str {
    match (schema.layout, schema.feature_type) {
        (Some(_), _) => FORMAT_LAYOUT,
        (None, FeatureType::U8) => FORMAT,
        (None, FeatureType::I16) => FORMAT_I16,
    }
}

impl Manifest {
    /// Checks every rule of a manifest and counts its records.
    pub fn new(
        name: impl Into<String>,
        licence: impl Into<String>,
        schema: Schema,
        shards: Vec<ShardEntry>,
    ) -> Result<Self, ManifestError> {
        let (name, licence) = (name.into(), licence.into());
        for (field, text) in [("name", &name), ("licence", &licence)] {
            if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                return Err(ManifestError::Text { field });
            }
        }
        schema.check()?;
        if shards.is_empty() {
            return Err(ManifestError::NoShards);
        }
        let mut n = 0;
        for (shard, &ShardEntry { ref cid, bytes }) in shards.iter().enumerate() {
            digest_of(cid).map_err(|source| ManifestError::Cid { shard, source })?;
            if bytes == 0 || bytes > MAX_SHARD_BYTES as u64 {
                return Err(ManifestError::Length { shard, bytes });
            }
            // At most MAX_SHARD_BYTES, so it fits.
            let records = match schema.count(bytes as usize) {
                Some(records) if records > 0 => records as u64,
                _ => {
                    return Err(ManifestError::Record {
                        shard,
                        bytes,
                        layout: schema.places(),
                    });
                }
            };
            if shards.len() > 1 && records < MIN_SHARD_RECORDS as u64 {
                return Err(ManifestError::TooFew { shard, records });
            }
            n += records;
        }
        Ok(Self {
            name,
            licence,
            split: None,
            schema,
            n,
            shards,
        })
    }

    /// Says which part of a larger set this is.
    ///
    /// # Errors
    /// [`ManifestError::Split`] when the part is neither `train` nor `test`, a side of the ratio is zero, or the whole is
    /// smaller than the part.
    pub fn with_split(mut self, split: Option<Split>) -> Result<Self, ManifestError> {
        if let Some(s) = &split {
            let known = matches!(s.part.as_str(), "train" | "test");
            if !known || s.train == 0 || s.test == 0 || s.of < self.n {
                return Err(ManifestError::Split);
            }
        }
        self.split = split;
        Ok(self)
    }

    /// Which part of a larger set this is, if it is one.
    pub fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn licence(&self) -> &str {
        &self.licence
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Records in all shards.
    pub fn n(&self) -> u64 {
        self.n
    }

    pub fn shards(&self) -> &[ShardEntry] {
        &self.shards
    }

    /// Records of the largest shard: the `samples` of a graph that is proved on this dataset.
    pub fn largest_shard(&self) -> u32 {
        let bytes = self.shards.iter().map(|s| s.bytes).max().unwrap_or(0);
        // At most MAX_SHARD_BYTES, so it fits.
        self.schema.count(bytes as usize).unwrap_or(0) as u32
    }

    /// SHA-256 digests of the shards, in order, as the chain names them.
    pub fn digests(&self) -> Vec<[u8; 32]> {
        self.shards
            .iter()
            // PANIC: Manifest::new refuses every other kind of CID.
            .map(|s| digest_of(&s.cid).expect("raw sha2-256 CIDs only"))
            .collect()
    }

    /// The block: JSON without spaces, keys in the order format, name, licence, split (if any), schema, n,
    /// shards.
    pub fn to_bytes(&self) -> Vec<u8> {
        let wire = Wire {
            format: format(&self.schema).into(),
            name: self.name.clone(),
            licence: self.licence.clone(),
            split: self.split.clone(),
            schema: self.schema.clone(),
            n: self.n,
            shards: self
                .shards
                .iter()
                .map(|s| WireShard {
                    cid: s.cid.to_string(),
                    bytes: s.bytes,
                })
                .collect(),
        };
        // PANIC: strings and integers always serialise.
        serde_json::to_vec(&wire).expect("strings and integers serialise")
    }

    /// CID of the manifest block.
    pub fn cid(&self) -> Cid {
        raw_cid(&self.to_bytes())
    }

    /// Reads a manifest block.
    ///
    /// # Errors
    /// Names what is wrong and where: unknown version or key, a value out of bounds, a CID of
    /// another kind, counts that disagree, or any spelling but the canonical one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong(bytes.len()));
        }
        let json = |e: serde_json::Error| ManifestError::Json(e.to_string());
        let version: Version = serde_json::from_slice(bytes).map_err(json)?;
        if ![FORMAT, FORMAT_I16, FORMAT_LAYOUT].contains(&version.format.as_str()) {
            return Err(ManifestError::Format(version.format.chars().take(80).collect()));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(json)?;
        let shards = wire
            .shards
            .iter()
            .enumerate()
            .map(|(shard, s)| {
                let cid = parse_cid(&s.cid).map_err(|source| ManifestError::Cid { shard, source })?;
                Ok(ShardEntry { cid, bytes: s.bytes })
            })
            .collect::<Result<_, ManifestError>>()?;
        let out = Self::new(wire.name, wire.licence, wire.schema, shards)?.with_split(wire.split)?;
        if out.n != wire.n {
            return Err(ManifestError::Count {
                stated: wire.n,
                counted: out.n,
            });
        }
        if out.to_bytes() != bytes {
            return Err(ManifestError::NotCanonical);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let schema = Schema::bytes([8, 8], 16, 10);
        let shards = vec![
            ShardEntry {
                cid: raw_cid(b"one"),
                bytes: 65 * 64,
            },
            ShardEntry {
                cid: raw_cid(b"two"),
                bytes: 65 * 100,
            },
        ];
        Manifest::new("UCI \"digits\"", "CC BY 4.0", schema, shards).unwrap()
    }

    #[test]
    fn the_text_is_pinned_and_read_back() {
        let m = sample();
        let text = String::from_utf8(m.to_bytes()).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"format":"zkaggle-manifest/1","name":"UCI \"digits\"","licence":"CC BY 4.0","schema":{{"shape":[8,8],"feature_max":16,"classes":10}},"n":164,"shards":[{{"cid":"{}","bytes":4160}},{{"cid":"{}","bytes":6500}}]}}"#,
                raw_cid(b"one"),
                raw_cid(b"two")
            )
        );
        assert_eq!(Manifest::from_bytes(text.as_bytes()).unwrap(), m);
        assert_eq!(m.cid(), raw_cid(text.as_bytes()));
        assert_eq!(m.largest_shard(), 100);
    }

    #[test]
    fn a_split_is_written_before_the_schema_and_checked() {
        let split = Split {
            part: "test".into(),
            train: 80,
            test: 20,
            seed: 7,
            of: 820,
        };
        let m = sample().with_split(Some(split.clone())).unwrap();
        let text = String::from_utf8(m.to_bytes()).unwrap();
        let wire = r#""licence":"CC BY 4.0","split":{"part":"test","train":80,"test":20,"seed":7,"of":820},"schema""#;
        assert!(text.contains(wire), "{text}");
        assert_eq!(Manifest::from_bytes(text.as_bytes()).unwrap(), m);
        let bad = |change: fn(&mut Split)| {
            let mut s = split.clone();
            change(&mut s);
            sample().with_split(Some(s)).unwrap_err()
        };
        assert_eq!(bad(|s| s.part = "hold-out".into()), ManifestError::Split);
        assert_eq!(bad(|s| s.train = 0), ManifestError::Split);
        assert_eq!(bad(|s| s.of = 163), ManifestError::Split);
        let null = text.replacen(&wire[22..wire.len() - 9], r#""split":null"#, 1);
        assert!(null.contains("null"));
        assert_eq!(Manifest::from_bytes(null.as_bytes()), Err(ManifestError::NotCanonical));
    }

    #[test]
    fn each_rule_has_its_own_message() {
        let text = String::from_utf8(sample().to_bytes()).unwrap();
        let one = raw_cid(b"one").to_string();
        let dag_pb = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        for (from, to, says) in [
            ("manifest/1", "manifest/4", "not known here"),
            // The number goes with the type of the features.
            ("manifest/1", "manifest/2", "canonical"),
            ("[8,8],", "[4,8],\"feature_type\":\"i16\",", "canonical"),
            ("[8,8],", "[8,8],\"feature_type\":\"u8\",", "canonical"),
            ("\"feature_max\":16", "\"feature_max\":256", "at most 255"),
            ("\"n\":164", "\"n\":165", "says 165 records, its shards hold 164"),
            ("\"n\":164", "\"n\":164,\"extra\":1", "unknown field `extra`"),
            ("\"n\":164,", "", "missing field `n`"),
            ("\"n\":164", "\"n\": 164", "canonical"),
            ("\"n\":164", "\"n\":-1", "invalid value"),
            (
                "\"bytes\":4160",
                "\"bytes\":4161",
                "shard 0: 4161 bytes are not whole records",
            ),
            ("\"bytes\":4160", "\"bytes\":4095", "shard 0: 63 records"),
            ("\"bytes\":4160", "\"bytes\":0", "shard 0: 0 bytes"),
            ("\"bytes\":6500", "\"bytes\":122915", "shard 1: 122915 bytes"),
            ("\"classes\":10", "\"classes\":1", "1 classes"),
            ("[8,8]", "[8,0]", "non-zero"),
            ("[8,8]", "[4294967295,4294967295,4294967295]", "larger than a block"),
            ("CC BY 4.0", "", "licence"),
            ("CC BY", "CC\\u0000BY", "licence"),
            (one.as_str(), dag_pb, "shard 0"),
            (one.as_str(), "bafkrei", "shard 0"),
            ("}]}", "}]}x", "trailing"),
            ("}]}", "}", "EOF"),
        ] {
            let bad = text.replacen(from, to, 1);
            assert_ne!(bad, text, "{from}");
            let e = Manifest::from_bytes(bad.as_bytes()).unwrap_err().to_string();
            assert!(e.contains(says), "{to}: {e}");
        }
        let empty = text[..text.find("[{").unwrap()].to_owned() + "[]}";
        let e = Manifest::from_bytes(empty.replace("164", "0").as_bytes()).unwrap_err();
        assert_eq!(e, ManifestError::NoShards);
        let long = vec![b' '; MAX_MANIFEST_BYTES + 1];
        assert!(matches!(Manifest::from_bytes(&long), Err(ManifestError::TooLong(_))));
    }
}
