//! Why an import is refused: always what, where, and what to do.

use std::io;
use std::path::Path;
use zkaggle_graph::dataset::DatasetError;
use zkaggle_graph::graph::GraphError;

/// Why files do not become a dataset. A place is a path, with the line, row or record in it; these count from 1.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{place}: {source}")]
    Io {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("{place}: {reason}")]
    Format { place: String, reason: String },
    #[error("{place}: {reason}; {cure}")]
    Refused {
        place: String,
        reason: String,
        cure: &'static str,
    },
    #[error("{place}: {what} is {got}; at most {limit} is read")]
    Limit {
        place: String,
        what: &'static str,
        got: u64,
        limit: u64,
    },
    #[error("{place}: shape {got:?}, but {first} has {expected:?}; every sample of a dataset has one shape")]
    Shape {
        place: String,
        got: Vec<u32>,
        first: String,
        expected: Vec<u32>,
    },
    #[error(
        "{place}: {value} is no whole number from {low} to {high}; `--scale F` multiplies and rounds, `--max` sets the largest value{}",
        if *low == 0 { ", `--type i16` takes signed and larger ones" } else { "" }
    )]
    Value {
        place: String,
        value: f64,
        low: i16,
        high: i16,
    },
    #[error("{place}: label {label:?} is not one of the {classes} classes, 0 to {}", classes - 1)]
    Label { place: String, label: String, classes: u16 },
    #[error("{place}: label {label:?} is the 257th class; at most 256 are possible")]
    Classes { place: String, label: String },
    #[error("{0}")]
    Options(String),
    #[error("the dataset holds no records")]
    Empty,
    #[error("{0}")]
    Schema(#[from] GraphError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("store a block: {0}")]
    Sink(#[source] io::Error),
    #[error("temporary file: {0}")]
    Spool(#[source] io::Error),
}

impl ImportError {
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        let place = path.display().to_string();
        move |source| Self::Io {
            place: place.clone(),
            source,
        }
    }

    pub(crate) fn format(place: impl ToString, reason: impl ToString) -> Self {
        Self::Format {
            place: place.to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn refused(place: impl ToString, reason: impl ToString, cure: &'static str) -> Self {
        Self::Refused {
            place: place.to_string(),
            reason: reason.to_string(),
            cure,
        }
    }
}
