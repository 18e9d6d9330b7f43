//! The records of all sources: features in a temporary file, labels and sums in memory.

use crate::error::ImportError;
use crate::labels::{Classes, Label};
use crate::scale::fitting;
use crate::source::Options;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zkaggle_graph::dataset::manifest::MAX_MANIFEST_BYTES;
use zkaggle_graph::graph::{FeatureType, MAX_SHARD_BYTES, Schema};

/// Largest dataset: what a manifest can list, in bytes. A shard's line has about 90 bytes.
pub const MAX_DATASET: u64 = (MAX_MANIFEST_BYTES / 90) as u64 * MAX_SHARD_BYTES as u64;

/// Bytes of features that are hashed and written at a time.
const BATCH: usize = 4 << 20;

/// What sources write their samples to. Values are checked one by one; the first that does not fit ends the import.
pub struct Collector<'a> {
    options: &'a Options,
    /// None, one for all features, or one a feature.
    factors: Vec<f64>,
    /// Where only the features' ranges are asked for: the largest magnitude of each.
    measured: Option<Vec<f64>>,
    spool: File,
    /// Features that wait to be hashed and written: whole samples.
    batch: Vec<u8>,
    /// See [`Table::fingerprints`].
    prints: Vec<u64>,
    /// Shape of all samples, and where it was first seen.
    shape: Option<(Vec<u32>, String)>,
    labels: Vec<u16>,
    /// Distinct labels with the place each was first seen at, and their position in that list.
    distinct: Vec<(Label, String)>,
    known: BTreeMap<Label, u16>,
    largest: i16,
    smallest: i16,
    /// One record, converted.
    record: Vec<u8>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(options: &'a Options, factors: Vec<f64>, folder: &Path) -> Result<Self, ImportError> {
        // Without a name, so nothing stays behind whatever happens.
        let file = tempfile::tempfile_in(folder).map_err(ImportError::Spool)?;
        Ok(Self {
            options,
            factors,
            measured: None,
            spool: file,
            batch: vec![],
            prints: vec![],
            shape: None,
            labels: vec![],
            distinct: vec![],
            known: BTreeMap::new(),
            largest: i16::MIN,
            smallest: i16::MAX,
            record: vec![],
        })
    }

    /// Keeps no sample, only how large each feature becomes.
    pub(crate) fn measuring(options: &'a Options, folder: &Path) -> Result<Self, ImportError> {
        Ok(Self {
            measured: Some(vec![]),
            ..Self::new(options, vec![], folder)?
        })
    }

    /// The factor of each measured feature.
    ///
    /// # Errors
    /// When there was no sample.
    pub(crate) fn factors(self) -> Result<Vec<f64>, ImportError> {
        match self.measured {
            Some(m) if !m.is_empty() => Ok(m.into_iter().map(|m| fitting(m, self.options.max)).collect()),
            _ => Err(ImportError::Empty),
        }
    }

    fn schema(&self, shape: Vec<u32>, classes: u16) -> Schema {
        Schema {
            shape,
            feature_type: self.options.feature_type,
            feature_max: self.options.max,
            classes,
            layout: None,
        }
    }

    /// Says what samples follow, and how many if the source knows.
    ///
    /// # Errors
    /// For another shape than before, or more data than a dataset can hold.
    pub fn expect(&mut self, place: &str, shape: &[u32], count: Option<u64>) -> Result<(), ImportError> {
        let features = features_of(place, shape, self.options.feature_type)?;
        if self.factors.len() > 1 && self.factors.len() as u64 != features {
            return Err(ImportError::Options(format!(
                "--scale: {} factors for samples of {features} features ({place})",
                self.factors.len()
            )));
        }
        let shape = match &self.options.shape {
            Some(wanted) if wanted.iter().map(|&d| u64::from(d)).product::<u64>() == features => wanted.clone(),
            Some(wanted) => {
                return Err(ImportError::Shape {
                    place: place.to_owned(),
                    got: shape.to_vec(),
                    first: "--shape".into(),
                    expected: wanted.clone(),
                });
            }
            None => shape.to_vec(),
        };
        match &self.shape {
            None => self.shape = Some((shape, place.to_owned())),
            Some((known, _)) if *known == shape => {}
            Some((known, first)) => {
                return Err(ImportError::Shape {
                    place: place.to_owned(),
                    got: shape,
                    first: first.clone(),
                    expected: known.clone(),
                });
            }
        }
        self.check_total(place, features, self.labels.len() as u64 + count.unwrap_or(0))
    }

    fn check_total(&self, place: &str, features: u64, records: u64) -> Result<(), ImportError> {
        let width = self.options.feature_type.bytes() as u64;
        let got = records.saturating_mul(features * width + 1);
        if got > MAX_DATASET {
            return Err(ImportError::Limit {
                place: place.to_owned(),
                what: "the dataset's size in bytes",
                got,
                limit: MAX_DATASET,
            });
        }
        Ok(())
    }

    fn features(&self) -> usize {
        self.shape
            .as_ref()
            .map_or(0, |(s, _)| s.iter().map(|&d| d as usize).product())
    }

    /// Adds a sample of bytes.
    ///
    /// # Errors
    /// For a value above the largest, a wrong number of values, or the 257th class.
    pub fn bytes(&mut self, place: impl Fn() -> String, features: &[u8], label: &Label) -> Result<(), ImportError> {
        let plain = self.factors.is_empty() && self.measured.is_none();
        if !plain || self.options.feature_type != FeatureType::U8 {
            return self.numbers(place, features.iter().map(|&v| f64::from(v)), label);
        }
        // Bytes are at most 255, and so is their bound.
        let max = self.options.max as u8;
        // The largest first: a search that may stop early is several times slower.
        if let Some(largest) = features.iter().copied().max()
            && largest > max
        {
            let value = features.iter().copied().find(|&v| v > max).unwrap_or(largest);
            return Err(ImportError::Value {
                place: place(),
                value: value.into(),
                low: 0,
                high: max.into(),
            });
        }
        self.put(place, features, label)
    }

    /// Adds a sample of numbers, scaled if the options say so.
    ///
    /// # Errors
    /// As [`Collector::bytes`], and for a number that is not whole.
    pub fn numbers(
        &mut self,
        place: impl Fn() -> String,
        features: impl IntoIterator<Item = f64>,
        label: &Label,
    ) -> Result<(), ImportError> {
        if let Some(measured) = &mut self.measured {
            return measure(measured, place, features);
        }
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        let schema = self.schema(vec![], 0);
        let (low, high) = schema.feature_range();
        for (i, value) in features.into_iter().enumerate() {
            let scaled = match self.factors[..] {
                [] => value,
                [one] => (value * one).round_ties_even(),
                // A feature too many is found below.
                ref each => (value * each.get(i).unwrap_or(&1.0)).round_ties_even(),
            };
            if !(f64::from(low)..=f64::from(high)).contains(&scaled) || scaled.fract() != 0.0 {
                return Err(ImportError::Value {
                    place: format!("{}, value {}", place(), i + 1),
                    value,
                    low,
                    high,
                });
            }
            // Whole and in the type's range.
            schema.encode(scaled as i16, &mut record);
        }
        let put = self.put(place, &record, label);
        self.record = record;
        put
    }

    fn put(&mut self, place: impl Fn() -> String, features: &[u8], label: &Label) -> Result<(), ImportError> {
        let (expected, width) = (self.features(), self.options.feature_type.bytes());
        if features.len() != expected * width || expected == 0 {
            return Err(ImportError::format(
                place(),
                format!("{} values, {expected} are expected", features.len() / width),
            ));
        }
        self.check_total(
            &self.shape.as_ref().map_or(String::new(), |s| s.1.clone()),
            expected as u64,
            self.labels.len() as u64 + 1,
        )?;
        let id = match self.known.get(label) {
            Some(&id) => id,
            None if self.distinct.len() == 256 => {
                return Err(ImportError::Classes {
                    place: place(),
                    label: label.to_string().chars().take(80).collect(),
                });
            }
            None => {
                let id = self.distinct.len() as u16;
                self.distinct.push((label.clone(), place()));
                self.known.insert(label.clone(), id);
                id
            }
        };
        self.labels.push(id);
        self.batch.extend_from_slice(features);
        match self.batch.len() < BATCH {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Hashes and writes the samples that wait, so that nothing is read back before it is cut into shards.
    fn flush(&mut self) -> Result<(), ImportError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (smallest, largest) = match self.options.feature_type {
            FeatureType::U8 => (
                self.batch.iter().copied().min().map(i16::from),
                self.batch.iter().copied().max().map(i16::from),
            ),
            FeatureType::I16 => {
                let values = || self.batch.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b));
                (values().min(), values().max())
            }
        };
        self.smallest = smallest.map_or(self.smallest, |v| v.min(self.smallest));
        self.largest = largest.map_or(self.largest, |v| v.max(self.largest));
        let features = self.features() * self.options.feature_type.bytes();
        self.prints.par_extend(self.batch.par_chunks_exact(features).map(|r| {
            let digest = Sha256::digest(r);
            digest[..8].iter().fold(0u64, |n, &b| n << 8 | u64::from(b))
        }));
        self.spool.write_all(&self.batch).map_err(ImportError::Spool)?;
        self.batch.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Table, ImportError> {
        self.flush()?;
        let (Some((shape, _)), false) = (self.shape.take(), self.labels.is_empty()) else {
            return Err(ImportError::Empty);
        };
        let classes = Classes::of(&self.distinct, self.options.classes)?;
        let schema = self.schema(shape, classes.count);
        schema.check()?;
        let labels = self.labels.iter().map(|&id| classes.numbers[usize::from(id)]).collect();
        Ok(Table {
            factors: self.factors,
            schema,
            spool: self.spool,
            labels,
            prints: self.prints,
            class_names: classes.names,
            values: (self.smallest, self.largest),
        })
    }
}

/// Widens the largest magnitude of each feature by a sample.
fn measure(
    measured: &mut Vec<f64>,
    place: impl Fn() -> String,
    features: impl IntoIterator<Item = f64>,
) -> Result<(), ImportError> {
    for (i, value) in features.into_iter().enumerate() {
        if !value.is_finite() {
            return Err(ImportError::refused(
                format!("{}, value {}", place(), i + 1),
                format!("{value} is no finite number"),
                "replace missing and infinite values before the import",
            ));
        }
        match measured.get_mut(i) {
            Some(m) => *m = m.max(value.abs()),
            None => measured.push(value.abs()),
        }
    }
    Ok(())
}

/// Features of a shape, refused where no record can hold them.
fn features_of(place: &str, shape: &[u32], kind: FeatureType) -> Result<u64, ImportError> {
    let most = (MAX_SHARD_BYTES - 1) / kind.bytes();
    let features = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d.into()));
    match features {
        Some(n) if n > 0 && n <= most as u64 && (1..=4).contains(&shape.len()) => Ok(n),
        _ => Err(ImportError::refused(
            place,
            format!(
                "a sample of shape {shape:?} does not fit a record: one to four dimensions, 1 to {most} values of {kind}"
            ),
            "reduce the samples, or give another --shape",
        )),
    }
}

/// Checked records, ready to be cut.
#[derive(Debug)]
pub struct Table {
    /// See [`Table::factors`].
    factors: Vec<f64>,
    schema: Schema,
    spool: File,
    labels: Vec<u16>,
    prints: Vec<u64>,
    class_names: Option<Vec<String>>,
    values: (i16, i16),
}

impl Table {
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Class of every record.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// What each class was called, where labels were not numbers.
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// Smallest and largest feature value.
    pub fn values(&self) -> (i16, i16) {
        self.values
    }

    /// What values were multiplied by: nothing, one factor, or one a feature.
    pub fn factors(&self) -> &[f64] {
        &self.factors
    }

    /// Records of these numbers, features and label byte each, one after another.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn records(&self, indices: &[u64]) -> Result<Vec<u8>, ImportError> {
        let features = self.schema.feature_bytes();
        let mut out = Vec::with_capacity(indices.len() * (features + 1));
        let mut run = vec![];
        // Neighbours are read in one go.
        for group in indices.chunk_by(|a, b| a + 1 == *b) {
            run.resize(group.len() * features, 0);
            let at = group[0] * features as u64;
            self.spool.read_exact_at(&mut run, at).map_err(ImportError::Spool)?;
            for (record, &i) in run.chunks_exact(features).zip(group) {
                out.extend_from_slice(record);
                // Classes are at most 256.
                out.push(self.labels[i as usize] as u8);
            }
        }
        Ok(out)
    }

    /// The first 64 bits of each record's SHA-256, features alone: enough to find equal ones.
    pub fn fingerprints(&self) -> &[u64] {
        &self.prints
    }
}
