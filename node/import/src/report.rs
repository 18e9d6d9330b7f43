//! What came in: shape, type, classes, counts, duplicates, balance, licence; as text and as JSON.

use crate::parts::Part;
use crate::source::Sources;
use crate::split::{Indices, Ratio};
use crate::table::Table;
use rayon::slice::ParallelSliceMut;
use serde::Serialize;
use std::fmt;
use zkaggle_graph::graph::FeatureType;

/// Format and version of a report.
pub const FORMAT: &str = "zkaggle-import/1";

/// Files named in a report, of those that were passed over.
const NAMED: usize = 20;

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Class {
    pub class: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub records: u64,
}

/// Records whose features equal those of an earlier record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    pub records: u64,
    /// Of these, the ones whose label differs from the earlier record's.
    pub conflicting: u64,
    /// Records of the test set whose features occur in the train set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_in_train: Option<u64>,
}

/// A split, and how to make it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SplitReport {
    pub train: u64,
    pub test: u64,
    pub ratio: (u32, u32),
    pub seed: u64,
}

/// One dataset that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<&'static str>,
    pub records: u64,
    pub manifest: String,
    pub folder: String,
    pub shards: Vec<String>,
}

/// The report of one import.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub format: &'static str,
    pub name: String,
    pub licence: String,
    /// Kinds of source, such as `folder of images`.
    pub sources: Vec<String>,
    /// Files read.
    pub files: u64,
    /// Files passed over, the first few.
    pub ignored: Vec<String>,
    pub ignored_in_all: u64,
    pub shape: Vec<u32>,
    /// Type of the values as they were found.
    pub dtype: String,
    /// What values were multiplied by: one factor, or one a feature; absent when they were taken as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<f64>,
    pub feature_type: FeatureType,
    /// Smallest and largest feature value as written, and the schema's bound on their magnitude.
    pub values: (i16, i16),
    pub feature_max: u16,
    pub record_bytes: usize,
    pub records: u64,
    pub classes: Vec<Class>,
    /// Records of the largest class over those of the smallest; absent when a class is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imbalance: Option<f64>,
    pub duplicates: Duplicates,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitReport>,
    pub parts: Vec<PartReport>,
    /// What a provider should know before posting a bounty.
    pub warnings: Vec<String>,
}

/// What a report says besides the table.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub name: &'a str,
    pub licence: &'a str,
    pub split: Option<(&'a Indices, Ratio, u64)>,
}

impl Report {
    /// Counts what a table holds.
    pub fn of(table: &Table, sources: &Sources, about: &About<'_>) -> Self {
        let schema = table.schema();
        let mut counts = vec![0u64; usize::from(schema.classes)];
        for &label in table.labels() {
            counts[usize::from(label)] += 1;
        }
        let classes: Vec<Class> = counts
            .iter()
            .enumerate()
            .map(|(i, &records)| Class {
                class: i as u16,
                name: table.class_names().and_then(|n| n.get(i)).cloned(),
                records,
            })
            .collect();
        let (most, least) = (
            counts.iter().max().copied().unwrap_or(0),
            counts.iter().min().copied().unwrap_or(0),
        );
        let mut out = Self {
            format: FORMAT,
            name: about.name.into(),
            licence: about.licence.into(),
            sources: sources.kinds.iter().cloned().collect(),
            files: sources.files,
            ignored: sources.ignored.iter().take(NAMED).cloned().collect(),
            ignored_in_all: sources.ignored.len() as u64,
            shape: schema.shape.clone(),
            dtype: sources.dtypes.iter().cloned().collect::<Vec<_>>().join(", "),
            scale: table.factors().to_vec(),
            feature_type: schema.feature_type,
            values: table.values(),
            feature_max: schema.feature_max,
            record_bytes: schema.record_bytes(),
            records: table.labels().len() as u64,
            classes,
            imbalance: (least > 0).then(|| most as f64 / least as f64),
            duplicates: duplicates(table, about.split.map(|s| s.0)),
            split: about.split.map(|(i, ratio, seed)| SplitReport {
                train: i.train.len() as u64,
                test: i.test.len() as u64,
                ratio: (ratio.train, ratio.test),
                seed,
            }),
            parts: vec![],
            warnings: vec![],
        };
        out.warn();
        out
    }

    /// Adds a dataset that was written.
    pub fn add(&mut self, part: Option<&'static str>, written: &Part) {
        self.parts.push(PartReport {
            part,
            records: written.manifest.n(),
            manifest: written.manifest.cid().to_string(),
            folder: written.folder.to_string(),
            shards: written.manifest.shards().iter().map(|s| s.cid.to_string()).collect(),
        });
    }

    fn warn(&mut self) {
        let mut say = |text: String| self.warnings.push(text);
        if let Some(c) = self.classes.iter().find(|c| c.records == 0) {
            say(format!("class {} has no record", c.class));
        }
        if self.imbalance.is_some_and(|i| i > 3.0) {
            say("the classes are uneven: a model that always names the largest scores well".into());
        }
        if self.duplicates.conflicting > 0 {
            say(format!(
                "{} records repeat an earlier sample under another label",
                self.duplicates.conflicting
            ));
        }
        if self.duplicates.test_in_train.is_some_and(|n| n > 0) {
            say("the test set holds samples of the train set: remove duplicates before splitting".into());
        }
        let largest = self.values.0.unsigned_abs().max(self.values.1.unsigned_abs());
        if largest < self.feature_max {
            say(format!(
                "no value exceeds {largest}: with `--max {largest}` the bound is tighter and proofs are cheaper"
            ));
        }
    }
}

fn duplicates(table: &Table, split: Option<&Indices>) -> Duplicates {
    let prints = table.fingerprints();
    let mut order: Vec<u32> = (0..prints.len() as u32).collect();
    // Stable within equal prints, so the first is the earliest.
    order.par_sort_unstable_by_key(|&i| (prints[i as usize], i));
    let (mut records, mut conflicting) = (0, 0);
    for group in order.chunk_by(|&a, &b| prints[a as usize] == prints[b as usize]) {
        let first = table.labels()[group[0] as usize];
        records += group.len() as u64 - 1;
        conflicting += group.iter().filter(|&&i| table.labels()[i as usize] != first).count() as u64;
    }
    let test_in_train = split.map(|s| {
        let mut train: Vec<u64> = s.train.iter().map(|&i| prints[i as usize]).collect();
        train.sort_unstable();
        let leaks = |&&i: &&u64| train.binary_search(&prints[i as usize]).is_ok();
        s.test.iter().filter(leaks).count() as u64
    });
    Duplicates {
        records,
        conflicting,
        test_in_train,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape: Vec<String> = self.shape.iter().map(u32::to_string).collect();
        writeln!(f, "{} ({})", self.name, self.licence)?;
        writeln!(f, "source     {} ({} file(s))", self.sources.join(", "), self.files)?;
        if self.ignored_in_all > 0 {
            writeln!(
                f,
                "ignored    {} other file(s): {}",
                self.ignored_in_all,
                self.ignored.join(", ")
            )?;
        }
        writeln!(
            f,
            "sample     {} of {}, values {} to {}{}",
            shape.join(" x "),
            self.dtype,
            self.values.0,
            self.values.1,
            match self.feature_type {
                FeatureType::U8 => "",
                FeatureType::I16 => " as i16",
            }
        )?;
        match &self.scale[..] {
            [] => {}
            [one] => writeln!(f, "scale      every value times {one}, rounded half to even")?,
            each => {
                let each: Vec<String> = each.iter().map(f64::to_string).collect();
                writeln!(f, "scale      features times {}, rounded half to even", each.join(", "))?;
            }
        }
        writeln!(f, "records    {} of {} bytes", self.records, self.record_bytes)?;
        for c in &self.classes {
            let name = c.name.as_deref().map(|n| format!(" {n:?}")).unwrap_or_default();
            let share = 100.0 * c.records as f64 / self.records.max(1) as f64;
            writeln!(f, "class {:<5}{} ({share:.1} %){name}", c.class, c.records)?;
        }
        writeln!(
            f,
            "duplicates {}, {} of them under another label",
            self.duplicates.records, self.duplicates.conflicting
        )?;
        if let Some(s) = self.split {
            writeln!(
                f,
                "split      {} train, {} test ({}:{}, seed {})",
                s.train, s.test, s.ratio.0, s.ratio.1, s.seed
            )?;
        }
        for w in &self.warnings {
            writeln!(f, "warning    {w}")?;
        }
        for p in &self.parts {
            writeln!(
                f,
                "{} records in {} shard(s)",
                p.part.map_or(String::new(), |n| format!("{n}: ")) + &p.records.to_string(),
                p.shards.len()
            )?;
            writeln!(f, "manifest   {}", p.manifest)?;
            writeln!(f, "folder     {}", p.folder)?;
            for s in &p.shards {
                writeln!(f, "shard      {s}")?;
            }
        }
        Ok(())
    }
}
