//! Layouts: where records stand in a shard, and where features and label stand in a record.
//!
//! ```text
//! shard   header …… │ record 0 …………………………… │ record 1 …………………………… │ …
//!         offset      stride                   stride
//! record    label    features                 padding
//!           ^label_at ^features_at
//! ```
//!
//! Every shard of a dataset has the same layout, header included. Bytes that are neither a feature
//! nor a label are committed with the others and read by nobody.

use crate::graph::GraphError;
use crate::schema::{MAX_SHARD_BYTES, Schema};
use std::borrow::Cow;

/// Places of records that are not back to back from a shard's first byte with the label last.
///
/// A schema holds one only where it differs from [`Schema::packed_places`], so that a layout has one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Bytes of a shard before its first record.
    pub offset: u32,
    /// Bytes from one record to the next.
    pub stride: u32,
    /// Where the features begin in a record.
    pub features_at: u32,
    /// Where the label's byte stands in a record.
    pub label_at: u32,
}

/// What a shard of this layout consists of, for messages.
impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.offset > 0 {
            write!(f, "a header of {} bytes and ", self.offset)?;
        }
        write!(f, "whole records of {} bytes", self.stride)
    }
}

impl Schema {
    /// The same records at other places.
    ///
    /// # Errors
    /// [`GraphError::Schema`] as [`Schema::check`], of which the other methods of this file assume the success.
    pub fn with_layout(mut self, layout: Layout) -> Result<Self, GraphError> {
        self.layout = None;
        self.check()?;
        self.layout = (layout != self.packed_places()).then_some(layout);
        self.check()?;
        Ok(self)
    }

    /// The same records back to back, the label last: as imports write them and quantisers read them.
    pub fn packed(&self) -> Self {
        Self {
            layout: None,
            ..self.clone()
        }
    }

    /// Where everything stands.
    pub fn places(&self) -> Layout {
        self.layout.unwrap_or_else(|| self.packed_places())
    }

    fn packed_places(&self) -> Layout {
        // Below MAX_SHARD_BYTES in a checked schema.
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Layout {
            offset: 0,
            stride: size(self.record_bytes()),
            features_at: 0,
            label_at: size(self.feature_bytes()),
        }
    }

    /// Checks the places against the sizes of features and label, which are in bounds.
    pub(crate) fn check_places(&self) -> Result<(), GraphError> {
        let Some(l) = self.layout else { return Ok(()) };
        let bad = |reason: String| Err(GraphError::Schema(reason));
        let [offset, stride, from, label] = [l.offset, l.stride, l.features_at, l.label_at].map(u64::from);
        let to = from + self.feature_bytes() as u64;
        if to > stride || label >= stride {
            return bad(format!(
                "features in bytes {from} to {} and the label in byte {label} of a record do not fit a stride of {stride}",
                to - 1
            ));
        }
        if (from..to).contains(&label) {
            return bad(format!(
                "the label in byte {label} of a record is one of its features, bytes {from} to {}",
                to - 1
            ));
        }
        if offset + stride > MAX_SHARD_BYTES as u64 {
            return bad(format!(
                "an offset of {offset} and a record of {stride} bytes exceed a block of {MAX_SHARD_BYTES} bytes"
            ));
        }
        if l == self.packed_places() {
            return bad("records back to back with the label last are written without a layout".into());
        }
        Ok(())
    }

    /// Bytes of a shard before its first record.
    pub fn offset(&self) -> usize {
        self.places().offset as usize
    }

    /// Bytes from one record to the next.
    pub fn stride(&self) -> usize {
        self.places().stride as usize
    }

    /// Records of a shard of so many bytes: `(bytes − offset) / stride`, which leaves no remainder.
    pub fn count(&self, bytes: usize) -> Option<usize> {
        let (rest, stride) = (bytes.checked_sub(self.offset())?, self.stride());
        rest.is_multiple_of(stride).then(|| rest / stride)
    }

    /// Bytes of a shard of so many records.
    pub fn shard_bytes(&self, records: usize) -> usize {
        self.offset() + records * self.stride()
    }

    /// Records of the largest shard.
    pub fn most_records(&self) -> usize {
        MAX_SHARD_BYTES.saturating_sub(self.offset()) / self.stride()
    }

    /// The records of a shard back to back, the label last; what is no whole record at the end is left out.
    pub fn pack<'a>(&self, shard: &'a [u8]) -> Cow<'a, [u8]> {
        if self.layout.is_none() {
            return Cow::Borrowed(shard);
        }
        let each = crate::dataset::shard::records(self, shard);
        Cow::Owned(each.flat_map(|r| r.features.iter().copied().chain([r.label])).collect())
    }

    /// A shard of records that are back to back with the label last; header and padding are zeros.
    pub fn lay_out(&self, packed: &[u8]) -> Vec<u8> {
        if self.layout.is_none() {
            return packed.to_vec();
        }
        let (l, features) = (self.places(), self.feature_bytes());
        let records = packed.chunks_exact(self.record_bytes());
        let mut out = vec![0; self.shard_bytes(records.len())];
        for (to, r) in out[self.offset()..].chunks_exact_mut(self.stride()).zip(records) {
            to[l.features_at as usize..][..features].copy_from_slice(&r[..features]);
            to[l.label_at as usize] = r[features];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::FeatureType;

    fn layout(offset: u32, stride: u32, features_at: u32, label_at: u32) -> Layout {
        Layout {
            offset,
            stride,
            features_at,
            label_at,
        }
    }

    fn schema() -> Schema {
        Schema::bytes([3], 16, 4)
    }

    #[test]
    fn records_are_packed_and_laid_out_again() {
        let packed = [1, 2, 3, 0, 4, 5, 6, 1, 7, 8, 9, 2];
        for (l, shard) in [
            (layout(2, 4, 1, 0), vec![0, 0, 0, 1, 2, 3, 1, 4, 5, 6, 2, 7, 8, 9]),
            (
                layout(1, 6, 0, 4),
                vec![0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 1, 0, 7, 8, 9, 0, 2, 0],
            ),
            (layout(0, 5, 2, 0), vec![0, 0, 1, 2, 3, 1, 0, 4, 5, 6, 2, 0, 7, 8, 9]),
        ] {
            let s = schema().with_layout(l).unwrap();
            assert_eq!(s.lay_out(&packed), shard, "{l:?}");
            assert_eq!(*s.pack(&shard), packed, "{l:?}");
            assert_eq!((s.count(shard.len()), s.shard_bytes(3)), (Some(3), shard.len()));
            assert_eq!(s.count(shard.len() + 1), None);
            assert_eq!(s.packed(), schema());
        }
        assert_eq!(schema().lay_out(&packed), packed);
        // Pairs of bytes move as a whole.
        let wide = Schema {
            feature_type: FeatureType::I16,
            shape: vec![1],
            ..schema()
        };
        let wide = wide.with_layout(layout(0, 4, 2, 0)).unwrap();
        assert_eq!(*wide.pack(&[9, 0, 1, 2, 8, 0, 3, 4]), [1, 2, 9, 3, 4, 8]);
    }

    #[test]
    fn todays_layout_has_one_spelling() {
        assert_eq!(schema().with_layout(layout(0, 4, 0, 3)).unwrap(), schema());
        let twice = Schema {
            layout: Some(layout(0, 4, 0, 3)),
            ..schema()
        };
        let e = twice.check().unwrap_err().to_string();
        assert!(e.contains("without a layout"), "{e}");
        assert_eq!(schema().count(0), Some(0));
        assert_eq!(schema().count(5), None);
    }

    #[test]
    fn places_outside_a_record_are_refused() {
        let most = MAX_SHARD_BYTES as u32;
        for (l, says) in [
            (layout(0, 3, 0, 3), "do not fit a stride of 3"),
            (layout(0, 4, 2, 0), "do not fit a stride of 4"),
            (layout(0, 0, 0, 0), "do not fit a stride of 0"),
            (layout(0, 5, 0, 5), "do not fit a stride of 5"),
            (layout(0, u32::MAX, u32::MAX - 1, 0), "do not fit a stride"),
            (layout(0, 5, 1, 1), "is one of its features, bytes 1 to 3"),
            (layout(0, 5, 1, 3), "is one of its features"),
            (layout(most - 3, 4, 0, 3), "exceed a block"),
            (layout(u32::MAX, 4, 0, 3), "exceed a block"),
        ] {
            let e = schema().with_layout(l).unwrap_err().to_string();
            assert!(e.contains(says), "{l:?}: {e}");
        }
        let s = schema().with_layout(layout(most - 4, 4, 0, 3)).unwrap();
        assert_eq!((s.most_records(), s.count(MAX_SHARD_BYTES)), (1, Some(1)));
    }
}
