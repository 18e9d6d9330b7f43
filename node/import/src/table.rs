//! The records of all sources: features in a temporary file, labels and sums in memory.

use crate::error::ImportError;
use crate::labels::{Classes, Label};
use crate::source::Options;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zkaggle_graph::dataset::manifest::MAX_MANIFEST_BYTES;
use zkaggle_graph::graph::{MAX_SHARD_BYTES, Schema};

/// Largest dataset: what a manifest can list, in bytes. A shard's line has about 90 bytes.
pub const MAX_DATASET: u64 = (MAX_MANIFEST_BYTES / 90) as u64 * MAX_SHARD_BYTES as u64;

/// Bytes of features that are hashed and written at a time.
const BATCH: usize = 4 << 20;

/// What sources write their samples to. Values are checked one by one; the first that does not fit ends the import.
pub struct Collector<'a> {
    options: &'a Options,
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
    largest: u8,
    smallest: u8,
    /// One record, converted.
    record: Vec<u8>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(options: &'a Options, folder: &Path) -> Result<Self, ImportError> {
        // Without a name, so nothing stays behind whatever happens.
        let file = tempfile::tempfile_in(folder).map_err(ImportError::Spool)?;
        Ok(Self {
            options,
            spool: file,
            batch: vec![],
            prints: vec![],
            shape: None,
            labels: vec![],
            distinct: vec![],
            known: BTreeMap::new(),
            largest: 0,
            smallest: 255,
            record: vec![],
        })
    }

    /// Says what samples follow, and how many if the source knows.
    ///
    /// # Errors
    /// For another shape than before, or more data than a dataset can hold.
    pub fn expect(&mut self, place: &str, shape: &[u32], count: Option<u64>) -> Result<(), ImportError> {
        let features = features_of(place, shape)?;
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
        let got = records.saturating_mul(features + 1);
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
        if self.options.scale.is_some() {
            return self.numbers(place, features.iter().map(|&v| f64::from(v)), label);
        }
        let max = self.options.max;
        // The largest first: a search that may stop early is several times slower.
        if let Some(largest) = features.iter().copied().max()
            && largest > max
        {
            let value = features.iter().copied().find(|&v| v > max).unwrap_or(largest);
            return Err(ImportError::Value {
                place: place(),
                value: value.into(),
                max,
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
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        let max = self.options.max;
        for (i, value) in features.into_iter().enumerate() {
            let scaled = self.options.scale.map_or(value, |s| (value * s).round_ties_even());
            if !(0.0..=f64::from(max)).contains(&scaled) || scaled.fract() != 0.0 {
                return Err(ImportError::Value {
                    place: format!("{}, value {}", place(), i + 1),
                    value,
                    max,
                });
            }
            // Whole and at most 255.
            record.push(scaled as u8);
        }
        let put = self.put(place, &record, label);
        self.record = record;
        put
    }

    fn put(&mut self, place: impl Fn() -> String, features: &[u8], label: &Label) -> Result<(), ImportError> {
        let expected = self.features();
        if features.len() != expected || expected == 0 {
            return Err(ImportError::format(
                place(),
                format!("{} values, {expected} are expected", features.len()),
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
        self.largest = self.largest.max(self.batch.iter().copied().max().unwrap_or(0));
        self.smallest = self.smallest.min(self.batch.iter().copied().min().unwrap_or(255));
        let features = self.features();
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
        let (Some((shape, _)), false) = (self.shape, self.labels.is_empty()) else {
            return Err(ImportError::Empty);
        };
        let classes = Classes::of(&self.distinct, self.options.classes)?;
        let schema = Schema {
            shape,
            feature_max: self.options.max,
            classes: classes.count,
        };
        schema.check()?;
        let labels = self.labels.iter().map(|&id| classes.numbers[usize::from(id)]).collect();
        Ok(Table {
            schema,
            spool: self.spool,
            labels,
            prints: self.prints,
            class_names: classes.names,
            values: (self.smallest, self.largest),
        })
    }
}

/// Features of a shape, refused where no record can hold them.
fn features_of(place: &str, shape: &[u32]) -> Result<u64, ImportError> {
    let features = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d.into()));
    match features {
        Some(n) if n > 0 && n < MAX_SHARD_BYTES as u64 && (1..=4).contains(&shape.len()) => Ok(n),
        _ => Err(ImportError::refused(
            place,
            format!(
                "a sample of shape {shape:?} does not fit a record: one to four dimensions, 1 to {} values",
                MAX_SHARD_BYTES - 1
            ),
            "reduce the samples, or give another --shape",
        )),
    }
}

/// Checked records, ready to be cut.
#[derive(Debug)]
pub struct Table {
    schema: Schema,
    spool: File,
    labels: Vec<u16>,
    prints: Vec<u64>,
    class_names: Option<Vec<String>>,
    values: (u8, u8),
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
    pub fn values(&self) -> (u8, u8) {
        self.values
    }

    /// Records of these numbers, features and label byte each, one after another.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn records(&self, indices: &[u64]) -> Result<Vec<u8>, ImportError> {
        let features = self.schema.features();
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
