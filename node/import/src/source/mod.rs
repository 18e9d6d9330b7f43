//! Sources: one reader a format, told apart by name.

pub mod columns;
pub mod csv;
pub mod idx;
pub mod images;
pub mod npy;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod raw;

#[cfg(feature = "parquet")]
mod pages;

use crate::error::ImportError;
use crate::labels::{self, Label, Labels};
use crate::scale::Scale;
use crate::table::{Collector, Table};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zkaggle_graph::graph::FeatureType;

pub use raw::Layout;

/// Largest file that is read, in bytes.
pub const MAX_FILE: u64 = 64 << 30;

/// How sources are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Labels files: one for every source, in their order, or none.
    pub labels: Vec<PathBuf>,
    /// Column of the label in tables: a name, or a number from 1; the last, or one called `label`, by default.
    pub label_column: Option<String>,
    /// Arrays of an `.npz` file that hold features and labels.
    pub arrays: Option<(String, String)>,
    /// Where features and label stand in record files.
    pub layout: Layout,
    /// Shape to give every sample; the source's by default.
    pub shape: Option<Vec<u32>>,
    /// Number of classes; what the labels need by default.
    pub classes: Option<u16>,
    /// How features are written.
    pub feature_type: FeatureType,
    /// Largest feature value, in magnitude.
    pub max: u16,
    /// What values are multiplied by before they are rounded.
    pub scale: Option<Scale>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            labels: vec![],
            label_column: None,
            arrays: None,
            layout: Layout::default(),
            shape: None,
            classes: None,
            feature_type: FeatureType::U8,
            max: 255,
            scale: None,
        }
    }
}

/// What was read, for the report.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub kinds: BTreeSet<String>,
    pub dtypes: BTreeSet<String>,
    pub files: u64,
    /// Files that are no samples.
    pub ignored: Vec<String>,
    /// Each image's name and its own CID, in the samples' order.
    pub images: Vec<(String, zkaggle_ipld::Cid)>,
}

impl Sources {
    fn saw(&mut self, kind: &str, dtype: impl Into<String>) {
        self.kinds.insert(kind.to_owned());
        self.dtypes.insert(dtype.into());
        self.files += 1;
    }
}

/// Reads all paths into one table; `folder` holds its temporary file.
///
/// # Errors
/// Names the first place that does not fit, and what to do.
pub fn read(paths: &[PathBuf], options: &Options, folder: &Path) -> Result<(Table, Sources), ImportError> {
    let wrong = |text: &str| Err(ImportError::Options(text.into()));
    if paths.is_empty() {
        return wrong("give a file or folder to import");
    }
    if !options.labels.is_empty() && options.labels.len() != paths.len() {
        return wrong("give one --labels for every file or folder, in the same order");
    }
    if options.max == 0 {
        return wrong("--max 0: every sample would look the same");
    }
    let largest = options.feature_type.largest();
    if options.max > largest {
        return Err(ImportError::Options(format!(
            "--max {}: {} features hold at most {largest}",
            options.max, options.feature_type
        )));
    }
    let factors = match &options.scale {
        Some(Scale::Auto) => {
            let mut ranges = Collector::measuring(options, folder)?;
            all(paths, options, &mut ranges, &mut Sources::default())?;
            ranges.factors()?
        }
        Some(Scale::Each(factors)) => factors.clone(),
        None => vec![],
    };
    let mut out = Collector::new(options, factors, folder)?;
    let mut seen = Sources::default();
    all(paths, options, &mut out, &mut seen)?;
    Ok((out.finish()?, seen))
}

fn all(paths: &[PathBuf], options: &Options, out: &mut Collector<'_>, seen: &mut Sources) -> Result<(), ImportError> {
    for (i, path) in paths.iter().enumerate() {
        one(path, options.labels.get(i).map(PathBuf::as_path), options, out, seen)?;
    }
    Ok(())
}

fn one(
    path: &Path,
    labels: Option<&Path>,
    options: &Options,
    out: &mut Collector<'_>,
    seen: &mut Sources,
) -> Result<(), ImportError> {
    let meta = std::fs::metadata(path).map_err(ImportError::io(path))?;
    if meta.is_dir() {
        return images::read(path, labels, out, seen);
    }
    if meta.len() > MAX_FILE {
        return Err(ImportError::Limit {
            place: path.display().to_string(),
            what: "the size of the file",
            got: meta.len(),
            limit: MAX_FILE,
        });
    }
    let no_labels = |kind| match labels {
        None => Ok(()),
        Some(_) => Err(ImportError::Options(format!(
            "{}: {kind} hold their labels themselves; leave --labels out",
            path.display()
        ))),
    };
    match extension(path).as_deref() {
        Some("npy") => npy::read(path, needed(path, labels)?, out, seen),
        Some("npz") => npy::read_archive(path, labels, options, out, seen),
        Some("csv" | "tsv") => no_labels("tables").and_then(|()| csv::read(path, options, out, seen)),
        #[cfg(feature = "parquet")]
        Some("parquet") => no_labels("tables").and_then(|()| parquet::read(path, options, out, seen)),
        #[cfg(not(feature = "parquet"))]
        Some("parquet") => Err(ImportError::refused(
            path.display(),
            "this program was built without Parquet",
            "build it with `--features parquet`, or write the table as CSV",
        )),
        _ if idx::is(path) => idx::read(path, needed(path, labels)?, out, seen),
        Some("bin") => no_labels("record files").and_then(|()| raw::read(path, options, out, seen)),
        _ => Err(ImportError::refused(
            path.display(),
            "the name tells no format",
            "a folder of images, .npy, .npz, .csv, .tsv, .parquet, IDX (…-ubyte, .idx, also .gz) or records (.bin) can be read",
        )),
    }
}

fn needed<'a>(path: &Path, labels: Option<&'a Path>) -> Result<&'a Path, ImportError> {
    labels.ok_or_else(|| {
        ImportError::refused(
            path.display(),
            "an array of samples has no labels",
            "name their file with --labels",
        )
    })
}

/// The extension in lower case.
fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Labels in order for a source of `count` samples.
fn in_order(path: &Path, count: u64) -> Result<Vec<Label>, ImportError> {
    match labels::read(path)? {
        Labels::InOrder(list) if list.len() as u64 == count => Ok(list),
        Labels::InOrder(list) => Err(ImportError::refused(
            path.display(),
            format!("{} labels for {count} samples", list.len()),
            "give the labels file that belongs to these samples",
        )),
        Labels::ByName(_) => Err(ImportError::refused(
            path.display(),
            "it labels files by name",
            "arrays need one label a sample, in order",
        )),
    }
}
