//! Datasets: fixed-size records in raw blocks, under CIDs, listed by a manifest.
//!
//! ```text
//! CSV, record file -> import -> records -> cut into shards -> one CID each -> manifest -> its CID
//!                                              \-> s per shard -> D
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`cid`] | CIDs of raw blocks and the digests in them |
//! | [`shard`] | records, shards, how many records each gets |
//! | [`manifest`] | the manifest block and its strict reader |
//! | [`import`] | record files and CSV, checked value by value |

pub mod cid;
pub mod import;
pub mod manifest;
pub mod shard;

pub use self::cid::{Cid, CidError, cid_of_digest, digest_of, parse_cid, raw_cid};
pub use self::import::ImportError;
pub use self::manifest::{Manifest, ManifestError, ShardEntry};
pub use self::shard::{MIN_SHARD_RECORDS, Record, Shard};

use crate::commit;
use crate::field::Fr;
use crate::graph::{GraphError, MAX_SHARD_BYTES, Schema};
use rayon::prelude::*;

/// Why records do not become a dataset, or blocks are not the one a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    #[error("{0}")]
    Schema(#[from] GraphError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("there are no records")]
    Empty,
    #[error(
        "records of {record} bytes are too large: {MIN_SHARD_RECORDS} of them exceed a block of {MAX_SHARD_BYTES} bytes"
    )]
    RecordTooLarge { record: usize },
    #[error("{per} records per shard; {MIN_SHARD_RECORDS} to {most} of this size are possible")]
    PerShard { per: usize, most: usize },
    #[error(
        "{n} records fit neither one block (at most {most}) nor several of at least {MIN_SHARD_RECORDS}; add or drop some"
    )]
    NoCut { n: usize, most: usize },
    #[error("the manifest lists {expected} shards, {got} blocks were given")]
    Blocks { expected: usize, got: usize },
    #[error("shard {shard}: {source}")]
    Block { shard: usize, source: CidError },
    #[error("shard {shard}: {got} bytes, the manifest says {expected}")]
    Length { shard: usize, expected: u64, got: usize },
    #[error(
        "shard {shard}, record {record}, feature {feature}: {value} exceeds the schema's largest value {max}{}",
        import::magnitude(*value)
    )]
    Feature {
        shard: usize,
        record: usize,
        feature: usize,
        value: i16,
        max: u16,
    },
}

/// How a new dataset is named and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub name: String,
    pub licence: String,
    /// Records per shard; as many as a block holds when absent.
    pub per_shard: Option<usize>,
}

/// A dataset whose blocks are all here and all verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    manifest: Manifest,
    shards: Vec<Shard>,
}

impl Dataset {
    /// Cuts records, which are back to back with the label last, into shards of the schema's layout and writes their
    /// manifest.
    ///
    /// # Errors
    /// Names the first record that does not fit `schema`, or why no cut exists.
    pub fn from_records(schema: Schema, bytes: &[u8], options: Options) -> Result<Self, DatasetError> {
        schema.check()?;
        import::check_records(&schema.packed(), bytes)?;
        let record = schema.record_bytes();
        let sizes = shard::cut(&schema, bytes.len() / record, options.per_shard)?;
        let mut rest = bytes;
        let mut shards = Vec::with_capacity(sizes.len());
        for size in sizes {
            let (head, tail) = rest.split_at(size * record);
            shards.push(Shard::new(schema.lay_out(head)));
            rest = tail;
        }
        let entries = shards
            .iter()
            .map(|s| ShardEntry {
                cid: s.cid,
                bytes: s.bytes.len() as u64,
            })
            .collect();
        let manifest = Manifest::new(options.name, options.licence, schema, entries)?;
        Ok(Self { manifest, shards })
    }

    /// Joins a manifest and its blocks, given in the manifest's order, as a node fetched them.
    ///
    /// Labels at or above the class count are let through: they match no prediction, and a provider
    /// may publish such a record.
    ///
    /// # Errors
    /// Names the shard whose bytes differ from its CID or length, and the first feature above the
    /// schema's bound, on which the ranges of every proof rest.
    pub fn assemble(manifest: Manifest, blocks: Vec<Vec<u8>>) -> Result<Self, DatasetError> {
        let expected = manifest.shards().len();
        if blocks.len() != expected {
            return Err(DatasetError::Blocks {
                expected,
                got: blocks.len(),
            });
        }
        let mut shards = Vec::with_capacity(expected);
        for (shard, (entry, bytes)) in manifest.shards().iter().zip(blocks).enumerate() {
            if bytes.len() as u64 != entry.bytes {
                return Err(DatasetError::Length {
                    shard,
                    expected: entry.bytes,
                    got: bytes.len(),
                });
            }
            cid::verify(&entry.cid, &bytes).map_err(|source| DatasetError::Block { shard, source })?;
            for (record, r) in shard::records(manifest.schema(), &bytes).enumerate() {
                if let Some((feature, value)) = manifest.schema().stray(r.features) {
                    return Err(DatasetError::Feature {
                        shard,
                        record,
                        feature,
                        value,
                        max: manifest.schema().feature_max,
                    });
                }
            }
            shards.push(Shard { cid: entry.cid, bytes });
        }
        Ok(Self { manifest, shards })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn schema(&self) -> &Schema {
        self.manifest.schema()
    }

    /// The shards, in the manifest's order.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Records in all shards.
    pub fn n(&self) -> u64 {
        self.manifest.n()
    }

    /// All records in order, as [`Dataset::from_records`] took them.
    pub fn bytes(&self) -> Vec<u8> {
        let packed = |s: &Shard| self.schema().pack(&s.bytes).into_owned();
        self.shards.iter().flat_map(packed).collect()
    }

    /// Every record in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.shards.iter().flat_map(|s| shard::records(self.schema(), &s.bytes))
    }

    /// Shard commitments `s_0, s_1, …`.
    pub fn shard_commitments(&self) -> Vec<Fr> {
        self.shards.par_iter().map(Shard::commitment).collect()
    }

    /// Dataset commitment `D`.
    pub fn commitment(&self) -> [u8; 32] {
        commit::dataset(self.schema().id(), self.n(), &self.shard_commitments())
    }

    /// Every block to store or serve: the shards, then the manifest.
    pub fn blocks(&self) -> Vec<(Cid, Vec<u8>)> {
        let manifest = self.manifest.to_bytes();
        self.shards
            .iter()
            .map(|s| (s.cid, s.bytes.clone()))
            .chain([(raw_cid(&manifest), manifest.clone())])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::bytes([3], 16, 4)
    }

    fn options(per_shard: Option<usize>) -> Options {
        Options {
            name: "sample".into(),
            licence: "CC0-1.0".into(),
            per_shard,
        }
    }

    fn sample() -> Dataset {
        let bytes: Vec<u8> = (0..200u32)
            .flat_map(|i| [i % 17, i % 5, i % 3, i % 4].map(|v| v as u8))
            .collect();
        Dataset::from_records(schema(), &bytes, options(Some(70))).unwrap()
    }

    #[test]
    fn blocks_assemble_to_the_same_dataset() {
        let d = sample();
        assert_eq!(
            d.shards().iter().map(|s| s.bytes.len()).collect::<Vec<_>>(),
            [268, 268, 264]
        );
        let mut blocks: Vec<_> = d.blocks().into_iter().map(|(_, b)| b).collect();
        let manifest = Manifest::from_bytes(&blocks.pop().unwrap()).unwrap();
        let again = Dataset::assemble(manifest, blocks).unwrap();
        assert_eq!(again, d);
        assert_eq!(again.commitment(), d.commitment());
        assert_eq!(again.records().count(), 200);
    }

    #[test]
    fn records_of_another_layout_are_the_same_records() {
        let plain = sample();
        let layout = crate::graph::Layout {
            offset: 5,
            stride: 9,
            features_at: 1,
            label_at: 0,
        };
        let schema = schema().with_layout(layout).unwrap();
        let d = Dataset::from_records(schema.clone(), &plain.bytes(), options(Some(70))).unwrap();
        assert_eq!(
            d.shards().iter().map(|s| s.bytes.len()).collect::<Vec<_>>(),
            [5 + 67 * 9, 5 + 67 * 9, 5 + 66 * 9]
        );
        assert_eq!((d.bytes(), d.n()), (plain.bytes(), 200));
        assert!(d.records().eq(plain.records()));
        assert_ne!(d.commitment(), plain.commitment());

        let mut blocks: Vec<_> = d.blocks().into_iter().map(|(_, b)| b).collect();
        let text = blocks.pop().unwrap();
        assert!(text.starts_with(br#"{"format":"zkaggle-manifest/3","#));
        let manifest = Manifest::from_bytes(&text).unwrap();
        assert_eq!((manifest.schema(), manifest.largest_shard()), (&schema, 67));
        assert_eq!(Dataset::assemble(manifest, blocks.clone()).unwrap(), d);

        // A version that reads no layouts refuses the format by name; under an older one it is no manifest.
        let old = String::from_utf8(text).unwrap().replace("manifest/3", "manifest/1");
        assert!(matches!(
            Manifest::from_bytes(old.as_bytes()),
            Err(ManifestError::NotCanonical)
        ));
        for bytes in [4, 5, 5 + 64 * 9 + 1, 64 * 9] {
            let entry = ShardEntry {
                cid: raw_cid(b"x"),
                bytes,
            };
            let e = Manifest::new("x", "x", schema.clone(), vec![entry])
                .unwrap_err()
                .to_string();
            assert!(
                e.contains("not a header of 5 bytes and whole records of 9 bytes"),
                "{e}"
            );
        }
    }

    #[test]
    fn wrong_blocks_are_named() {
        let d = sample();
        let blocks = || d.shards().iter().map(|s| s.bytes.clone()).collect::<Vec<_>>();
        let refused = |b| Dataset::assemble(d.manifest().clone(), b).unwrap_err();
        let mut b = blocks();
        b[1][7] ^= 1;
        assert!(matches!(
            refused(b),
            DatasetError::Block {
                shard: 1,
                source: CidError::Mismatch { .. }
            }
        ));
        let mut b = blocks();
        b.swap(0, 1);
        assert!(matches!(refused(b), DatasetError::Block { shard: 0, .. }));
        let mut b = blocks();
        b[2].push(0);
        assert!(matches!(
            refused(b),
            DatasetError::Length {
                shard: 2,
                expected: 264,
                got: 265
            }
        ));
        let mut b = blocks();
        b.pop();
        assert!(matches!(refused(b), DatasetError::Blocks { expected: 3, got: 2 }));
    }

    #[test]
    fn a_published_feature_above_the_bound_is_refused_and_a_strange_label_is_not() {
        let mut bytes = vec![1u8; 4 * 64];
        bytes[3] = 200;
        let block = |bytes: &[u8]| {
            let entry = ShardEntry {
                cid: raw_cid(bytes),
                bytes: bytes.len() as u64,
            };
            Manifest::new("x", "x", schema(), vec![entry]).unwrap()
        };
        Dataset::assemble(block(&bytes), vec![bytes.clone()]).unwrap();
        bytes[5] = 17;
        let e = Dataset::assemble(block(&bytes), vec![bytes]).unwrap_err();
        assert_eq!(
            e.to_string(),
            "shard 0, record 1, feature 1: 17 exceeds the schema's largest value 16"
        );
    }

    #[test]
    fn the_commitment_depends_on_order_schema_and_cut() {
        let d = sample();
        let bytes = d.bytes();
        let mut swapped = bytes.clone();
        swapped.rotate_left(4);
        let make = |s, b: &[u8], per| Dataset::from_records(s, b, options(per)).unwrap().commitment();
        let mut other = schema();
        other.classes = 5;
        assert_eq!(make(schema(), &bytes, Some(70)), d.commitment());
        assert_ne!(make(schema(), &swapped, Some(70)), d.commitment());
        assert_ne!(make(schema(), &bytes, Some(100)), d.commitment());
        assert_ne!(make(other, &bytes, Some(70)), d.commitment());
    }
}
