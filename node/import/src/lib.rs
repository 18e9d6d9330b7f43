//! What people have, as datasets: images, arrays and tables become records, shards and a manifest.
//!
//! ```text
//! source ──▶ table (records in a temporary file, labels, sums) ──▶ split ──▶ shards, manifest, folder ──▶ sink
//!                                 \──▶ report
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`source`] | one reader a format: image folders, `.npy`/`.npz`, IDX, CSV, Parquet, record files |
//! | [`pixels`] | one image: PNG, JPEG, PGM/PPM |
//! | [`labels`] | what names the class of a sample, and how names become numbers |
//! | [`scale`] | what values are multiplied by |
//! | [`table`] | the records of all sources, each value checked |
//! | [`split`] | train and test, stratified, from a seed |
//! | [`parts`] | shards and manifests from a table |
//! | [`in_place`] | a record file on IPFS whose leaves are the shards |
//! | [`root`] | a dataset under a dag-pb root, checked down to its shards |
//! | [`report`] | what came in, for people and for machines |
//!
//! The decoders live here and nowhere else, so that no proving crate compiles them. Every source is hostile until shown
//! otherwise: sizes are checked in headers before anything is decoded, what a compressed stream may grow to is bounded by
//! what its header promised, and a record in a wrong place is an error that names file and place.

pub mod in_place;
pub mod labels;
pub mod parts;
pub mod pixels;
pub mod report;
pub mod root;
pub mod scale;
pub mod source;
pub mod split;
pub mod table;

mod error;

pub use error::ImportError;
pub use in_place::in_place;
pub use parts::{Part, write};
pub use report::Report;
pub use scale::Scale;
pub use source::{Layout, Options, read};
pub use split::Ratio;
pub use table::Table;
