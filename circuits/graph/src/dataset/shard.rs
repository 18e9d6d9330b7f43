//! Records and the raw blocks they are cut into.

use super::DatasetError;
use super::cid::{Cid, CidError, digest_of, raw_cid, verify};
use crate::commit;
use crate::field::Fr;
use crate::graph::Schema;

/// Fewest records of a shard, unless the dataset itself has fewer: a results hash over a handful of
/// predictions could be opened by trying all scores.
pub const MIN_SHARD_RECORDS: usize = 64;

/// One sample with its label, borrowed from a shard's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The features' bytes; [`Schema::decode`] reads them.
    pub features: &'a [u8],
    pub label: u8,
}

/// Splits a shard's bytes into records; a rest shorter than a record is left out.
pub fn records<'a>(schema: &Schema, bytes: &'a [u8]) -> impl ExactSizeIterator<Item = Record<'a>> + use<'a> {
    let (places, features) = (schema.places(), schema.feature_bytes());
    let (from, label) = (places.features_at as usize, places.label_at as usize);
    // A shard that ends inside its header holds none.
    let records = bytes.get(places.offset as usize..).unwrap_or_default();
    records.chunks_exact(places.stride as usize).map(move |r| Record {
        features: &r[from..from + features],
        label: r[label],
    })
}

/// One raw block of whole records, under its CID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub cid: Cid,
    pub bytes: Vec<u8>,
}

impl Shard {
    /// Names `bytes` by their CID.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            cid: raw_cid(&bytes),
            bytes,
        }
    }

    /// Checks that the bytes are those of the CID.
    pub fn verify(&self) -> Result<(), CidError> {
        verify(&self.cid, &self.bytes)
    }

    /// SHA-256 of the bytes, as the chain names the shard.
    ///
    /// # Errors
    /// [`CidError::Kind`] when the CID is not that of a raw sha2-256 block.
    pub fn digest(&self) -> Result<[u8; 32], CidError> {
        digest_of(&self.cid)
    }

    /// Shard commitment `s`.
    pub fn commitment(&self) -> Fr {
        commit::shard(&self.bytes)
    }
}

/// How many records each shard gets: as few shards as `per_shard` allows, of nearly equal size, none
/// under [`MIN_SHARD_RECORDS`] unless the whole dataset is.
///
/// A remainder that would be too small joins the others, which may then exceed `per_shard`, never a
/// block.
///
/// # Errors
/// When a block holds fewer than 64 records, `per_shard` is out of range, or no cut exists.
pub fn cut(schema: &Schema, n: usize, per_shard: Option<usize>) -> Result<Vec<usize>, DatasetError> {
    let (record, most) = (schema.stride(), schema.most_records());
    if most < MIN_SHARD_RECORDS {
        return Err(DatasetError::RecordTooLarge { record });
    }
    let per = per_shard.unwrap_or(most);
    if !(MIN_SHARD_RECORDS..=most).contains(&per) {
        return Err(DatasetError::PerShard { per, most });
    }
    if n == 0 {
        return Err(DatasetError::Empty);
    }
    let count = n.div_ceil(per).min(n / MIN_SHARD_RECORDS).max(1);
    if n.div_ceil(count) > most {
        return Err(DatasetError::NoCut { n, most });
    }
    Ok((0..count).map(|i| n / count + usize::from(i < n % count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(features: u32) -> Schema {
        Schema::bytes([features], 255, 10)
    }

    #[test]
    fn every_cut_covers_all_records_within_the_bounds() {
        for features in [1, 64, 700, 1700, 1919] {
            let s = schema(features);
            let most = s.most_records();
            for n in 1..1000 {
                for per in [None, Some(64), Some(most.min(100))] {
                    let sizes = match cut(&s, n, per) {
                        Ok(sizes) => sizes,
                        // Only between one block and two of 64 records.
                        Err(DatasetError::NoCut { .. }) => {
                            assert!(most < 127 && n > most && n % MIN_SHARD_RECORDS != 0);
                            continue;
                        }
                        Err(e) => panic!("{e}"),
                    };
                    assert_eq!(sizes.iter().sum::<usize>(), n);
                    assert!(sizes.iter().all(|&k| k <= most));
                    assert!(n < MIN_SHARD_RECORDS || sizes.iter().all(|&k| k >= MIN_SHARD_RECORDS));
                    assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
                }
            }
        }
    }

    #[test]
    fn shards_are_balanced_and_small_remainders_join() {
        let s = schema(64);
        assert_eq!(cut(&s, 360, None).unwrap(), [360]);
        assert_eq!(cut(&s, 1437, Some(360)).unwrap(), [360, 359, 359, 359]);
        assert_eq!(cut(&s, 100, Some(64)).unwrap(), [100]);
        assert_eq!(cut(&s, 5, None).unwrap(), [5]);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(matches!(
            cut(&schema(1920), 100, None),
            Err(DatasetError::RecordTooLarge { record: 1921 })
        ));
        assert!(matches!(
            cut(&schema(64), 100, Some(63)),
            Err(DatasetError::PerShard { .. })
        ));
        assert!(matches!(
            cut(&schema(64), 100, Some(1891)),
            Err(DatasetError::PerShard { .. })
        ));
        assert!(matches!(cut(&schema(64), 0, None), Err(DatasetError::Empty)));
        assert!(matches!(
            cut(&schema(1919), 65, None),
            Err(DatasetError::NoCut { n: 65, most: 64 })
        ));
    }

    #[test]
    fn a_shard_knows_when_its_bytes_changed() {
        let mut shard = Shard::new(vec![1; 130]);
        shard.verify().unwrap();
        assert_eq!(
            raw_cid(&shard.bytes),
            super::super::cid::cid_of_digest(&shard.digest().unwrap())
        );
        shard.bytes[0] = 2;
        assert!(shard.verify().is_err());
    }

    #[test]
    fn records_end_with_their_label() {
        let r: Vec<_> = records(&schema(2), &[1, 2, 3, 4, 5, 6])
            .map(|r| (r.features.to_vec(), r.label))
            .collect();
        assert_eq!(r, [(vec![1, 2], 3), (vec![4, 5], 6)]);
    }
}
