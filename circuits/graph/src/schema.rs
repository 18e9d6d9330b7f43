//! Schemas: how one record is laid out, and the identity that chain and peers know it by.

use crate::graph::GraphError;
use crate::ids::Words;
use crate::layout::Layout;
use crate::tag::Tag;

/// Largest number of classes a one-byte prediction can name.
pub const MAX_CLASSES: u16 = 256;
/// Bytes of one raw block that one CID proof of the largest class covers (1,921 SHA-256 blocks).
pub const MAX_SHARD_BYTES: usize = 122_880;

/// How a feature is written in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeatureType {
    /// One unsigned byte.
    #[default]
    U8,
    /// Sixteen bits in two's complement, little-endian: measurements in tables.
    I16,
}

impl FeatureType {
    pub const ALL: [Self; 2] = [Self::U8, Self::I16];

    /// Bytes of one feature.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
        }
    }

    /// Largest magnitude a schema of this type may allow. −32,768 is left out, so that bounds are symmetric.
    pub const fn largest(self) -> u16 {
        match self {
            Self::U8 => u8::MAX as u16,
            Self::I16 => i16::MAX as u16,
        }
    }

    /// Its word in `schemaId` and on chain: the bits, and 256 when there is a sign.
    pub const fn word(self) -> u16 {
        match self {
            Self::U8 => 8,
            Self::I16 => 256 + 16,
        }
    }

    /// The type of a word on chain.
    pub fn of_word(word: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.word() == word)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I16 => "i16",
        }
    }

    fn is_u8(&self) -> bool {
        *self == Self::U8
    }
}

impl std::fmt::Display for FeatureType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for FeatureType {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|t| t.name() == s);
        known.ok_or_else(|| format!("{s:?} is no type of features; u8 and i16 are"))
    }
}

/// What a record holds, its features and the label's byte, and where.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Shape of one sample, row-major.
    pub shape: Vec<u32>,
    /// Absent in what is written for bytes, whose names predate it.
    #[serde(default, skip_serializing_if = "FeatureType::is_u8")]
    pub feature_type: FeatureType,
    /// Largest magnitude of a feature in the dataset (16 for the UCI digits): bytes lie in
    /// `0..=feature_max`, signed features in `−feature_max..=feature_max`. Checked on import; ranges
    /// are propagated from it.
    pub feature_max: u16,
    /// Number of classes; a label at or above it matches no prediction.
    pub classes: u16,
    /// Absent where records stand back to back from a shard's first byte, the label last, as all did before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

impl Schema {
    /// A schema of one-byte features.
    pub fn bytes(shape: impl Into<Vec<u32>>, feature_max: u8, classes: u16) -> Self {
        Self {
            shape: shape.into(),
            feature_type: FeatureType::U8,
            feature_max: feature_max.into(),
            classes,
            layout: None,
        }
    }

    /// Checks what a schema from a file or peer may get wrong; the other methods assume it.
    ///
    /// # Errors
    /// [`GraphError::Schema`] for a shape without one to four non-zero dimensions, a record above
    /// [`MAX_SHARD_BYTES`], a feature bound of zero or beyond the type, a class count outside
    /// `2..=`[`MAX_CLASSES`], or a layout whose parts overlap or leave the stride.
    pub fn check(&self) -> Result<(), GraphError> {
        let start = self.feature_type.bytes();
        let features = self.shape.iter().try_fold(start, |n, &d| n.checked_mul(d as usize));
        let bad = |reason: String| Err(GraphError::Schema(reason));
        let largest = self.feature_type.largest();
        match features {
            _ if self.shape.is_empty() || self.shape.len() > 4 => {
                bad("the shape needs one to four non-zero dimensions".into())
            }
            Some(0) => bad("the shape needs one to four non-zero dimensions".into()),
            Some(n) if n < MAX_SHARD_BYTES => {
                if self.feature_max == 0 {
                    bad("the largest feature value is 0, so every sample looks the same".into())
                } else if self.feature_max > largest {
                    bad(format!(
                        "a largest feature value of {}; {} features hold at most {largest}",
                        self.feature_max, self.feature_type
                    ))
                } else if !(2..=MAX_CLASSES).contains(&self.classes) {
                    bad(format!("{} classes; 2 to {MAX_CLASSES} are supported", self.classes))
                } else {
                    self.check_places()
                }
            }
            _ => bad(format!(
                "a sample of shape {:?} is larger than a block of {MAX_SHARD_BYTES} bytes",
                self.shape
            )),
        }
    }

    /// Features of one sample.
    pub fn features(&self) -> usize {
        self.shape.iter().map(|&d| d as usize).product()
    }

    /// Bytes of one sample's features.
    pub fn feature_bytes(&self) -> usize {
        self.features() * self.feature_type.bytes()
    }

    /// Bytes of one record without padding: the features and a one-byte label.
    pub fn record_bytes(&self) -> usize {
        self.feature_bytes() + 1
    }

    /// Smallest and largest feature.
    pub fn feature_range(&self) -> (i16, i16) {
        // At most 32,767 after the check; a schema nobody checked saturates.
        let max = i16::try_from(self.feature_max).unwrap_or(i16::MAX);
        match self.feature_type {
            FeatureType::U8 => (0, max),
            FeatureType::I16 => (-max, max),
        }
    }

    /// The features that `bytes` hold; a rest shorter than a feature is left out.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = i16> + use<'a> {
        let one: fn(&[u8]) -> i16 = match self.feature_type {
            FeatureType::U8 => |b| i16::from(b[0]),
            FeatureType::I16 => |b| i16::from_le_bytes([b[0], b[1]]),
        };
        bytes.chunks_exact(self.feature_type.bytes()).map(one)
    }

    /// Writes one feature, which lies in the type's range.
    pub fn encode(&self, value: i16, out: &mut Vec<u8>) {
        match self.feature_type {
            // Callers hold values to the range.
            FeatureType::U8 => out.push(value as u8),
            FeatureType::I16 => out.extend(value.to_le_bytes()),
        }
    }

    /// The first feature out of range, counted from 0, and its value.
    pub fn stray(&self, features: &[u8]) -> Option<(usize, i16)> {
        let (low, high) = self.feature_range();
        match self.feature_type {
            FeatureType::U8 => {
                let i = features.iter().position(|&v| i16::from(v) > high)?;
                Some((i, i16::from(features[i])))
            }
            FeatureType::I16 => self
                .decode(features)
                .enumerate()
                .find(|(_, v)| !(low..=high).contains(v)),
        }
    }

    /// `schemaId`: keccak256 over record size, offset, stride, feature type and shape, feature
    /// bound, positions of features and label, label width, class count.
    pub fn id(&self) -> [u8; 32] {
        let mut shape = Words::new();
        for &d in &self.shape {
            shape = shape.u64(u64::from(d));
        }
        let places = self.places();
        Words::new()
            .bytes32(Tag::Schema.bytes())
            .u64(self.record_bytes() as u64)
            .u64(places.offset.into())
            .u64(places.stride.into())
            .u64(self.feature_type.word().into())
            .bytes32(shape.keccak())
            .u64(u64::from(self.feature_max))
            // Both positions in one word, so that features at 0 leave what the label's alone was.
            .u64(u64::from(places.features_at) << 32 | u64::from(places.label_at))
            .u64(1) // label width
            .u64(u64::from(self.classes))
            .keccak()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(feature_max: u16) -> Schema {
        Schema {
            shape: vec![3],
            feature_type: FeatureType::I16,
            feature_max,
            classes: 4,
            layout: None,
        }
    }

    #[test]
    fn a_schema_of_bytes_is_written_as_it_always_was() {
        let s = Schema::bytes([8, 8], 16, 10);
        let text = serde_json::to_string(&s).unwrap();
        assert_eq!(text, r#"{"shape":[8,8],"feature_max":16,"classes":10}"#);
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), s);
        let text = serde_json::to_string(&table(1000)).unwrap();
        assert_eq!(
            text,
            r#"{"shape":[3],"feature_type":"i16","feature_max":1000,"classes":4}"#
        );
        assert_eq!(serde_json::from_str::<Schema>(&text).unwrap(), table(1000));
        assert!(serde_json::from_str::<Schema>(&text.replace("i16", "i32")).is_err());
    }

    #[test]
    fn features_are_read_as_they_are_written_and_held_to_their_range() {
        let s = table(1000);
        assert_eq!((s.features(), s.feature_bytes(), s.record_bytes()), (3, 6, 7));
        assert_eq!(s.feature_range(), (-1000, 1000));
        let mut bytes = vec![];
        for v in [-1000, 258, 1000] {
            s.encode(v, &mut bytes);
        }
        // Little-endian two's complement, PROTOCOL section 8.
        assert_eq!(bytes, [0x18, 0xfc, 0x02, 0x01, 0xe8, 0x03]);
        assert_eq!(s.decode(&bytes).collect::<Vec<_>>(), [-1000, 258, 1000]);
        assert_eq!(s.stray(&bytes), None);
        assert_eq!(table(999).stray(&bytes), Some((0, -1000)));
        // The one value without a counterpart is in no schema's range.
        assert_eq!(table(32767).stray(&[0, 0, 0, 0x80]), Some((1, i16::MIN)));
        let b = Schema::bytes([3], 16, 4);
        assert_eq!(b.feature_range(), (0, 16));
        assert_eq!(b.stray(&[16, 3, 200]), Some((2, 200)));
    }

    #[test]
    fn a_bound_beyond_the_type_is_refused() {
        table(32767).check().unwrap();
        let e = table(32768).check().unwrap_err().to_string();
        assert!(e.contains("i16 features hold at most 32767"), "{e}");
        let mut b = Schema::bytes([3], 255, 4);
        b.check().unwrap();
        b.feature_max = 256;
        assert!(b.check().unwrap_err().to_string().contains("at most 255"));
        // Two bytes a feature: half as many fit.
        let mut wide = table(1);
        wide.shape = vec![61_440];
        assert!(wide.check().unwrap_err().to_string().contains("larger than a block"));
        wide.shape = vec![61_439];
        wide.check().unwrap();
    }

    #[test]
    fn every_field_is_in_the_identity() {
        let mut ids = vec![];
        let b = Schema::bytes([3, 2], 16, 4);
        for s in [
            b.clone(),
            Schema {
                feature_type: FeatureType::I16,
                ..b.clone()
            },
            Schema {
                shape: vec![2, 3],
                ..b.clone()
            },
            Schema {
                feature_max: 17,
                ..b.clone()
            },
            Schema {
                classes: 5,
                ..b.clone()
            },
        ] {
            ids.push(s.id());
        }
        let layout = Layout {
            offset: 5,
            stride: 12,
            features_at: 2,
            label_at: 1,
        };
        for l in [
            layout,
            Layout { offset: 6, ..layout },
            Layout { stride: 13, ..layout },
            Layout {
                features_at: 3,
                ..layout
            },
            Layout { label_at: 0, ..layout },
        ] {
            ids.push(b.clone().with_layout(l).unwrap().id());
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 10);
    }
}
