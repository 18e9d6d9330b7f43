//! From files to datasets and integer models: what `zkaggle dataset import`, `zkaggle model import`
//! and the demo share.

use crate::failure::Failure;
use anyhow::{Context, Result};
use std::path::Path;
use zkaggle_graph::dataset::{self, Dataset, import as records_import};
use zkaggle_graph::eval::Accuracy;
use zkaggle_graph::float::Network;
use zkaggle_graph::graph::Schema;
use zkaggle_graph::model::{self, ModelFile};
use zkaggle_graph::quantize::{self, Method, Quantized, Report};

/// Largest record file read into memory.
const MAX_RECORDS: u64 = 1 << 30;

/// Reads records: CSV when the name ends in `.csv`, otherwise bytes laid out as the schema says. They come back to back
/// with the label last.
pub fn records(path: &Path, schema: &Schema) -> Result<Vec<u8>> {
    let at = || format!("records file {}", path.display());
    let meta = std::fs::metadata(path).map_err(|e| Failure::not_found(format!("{}: {e}", at())))?;
    if meta.len() > MAX_RECORDS {
        return Err(Failure::refused(format!(
            "{}: {} bytes; at most {MAX_RECORDS} are read",
            at(),
            meta.len()
        )));
    }
    let bytes = std::fs::read(path).with_context(at)?;
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        return records_import::csv(schema, &bytes).with_context(at);
    }
    records_import::check_records(schema, &bytes).with_context(at)?;
    Ok(schema.pack(&bytes).into_owned())
}

/// Cuts records into shards under CIDs, with a manifest.
pub fn dataset(schema: Schema, bytes: &[u8], name: &str, licence: &str) -> Result<Dataset> {
    let options = dataset::Options {
        name: name.to_owned(),
        licence: licence.to_owned(),
        per_shard: None,
    };
    Ok(Dataset::from_records(schema, bytes, options)?)
}

/// What a model import starts from.
#[derive(Clone, Debug)]
pub struct ModelImport<'a> {
    pub onnx: &'a [u8],
    pub schema: Schema,
    /// Records to calibrate on.
    pub calibration: &'a [u8],
    /// Most records in a shard the model is proved on.
    pub samples: u32,
    /// How scales follow from the calibration records.
    pub method: Method,
}

/// An imported model and what is known of it.
pub struct ImportedModel {
    pub file: ModelFile,
    /// What the importer dropped or folded, in words.
    pub notes: Vec<String>,
    /// On the calibration records.
    pub report: Report,
    float: Network,
    quantized: Quantized,
}

impl ImportedModel {
    /// The same figures on other records.
    pub fn report_on(&self, records: &[u8]) -> Result<Report> {
        Ok(self.quantized.report_on(&self.float, records)?)
    }
}

/// Reads ONNX or Keras, calibrates, quantises.
pub fn model(m: &ModelImport<'_>) -> Result<ImportedModel> {
    let imported = model::read(m.onnx)?;
    let q = quantize::quantize(&imported.network, &m.schema, m.samples, m.calibration, m.method)?;
    Ok(ImportedModel {
        file: ModelFile {
            graph: q.graph.clone(),
            weights: q.weights.clone(),
        },
        notes: imported.notes,
        report: q.report.clone(),
        float: imported.network,
        quantized: q,
    })
}

/// One line on a report: float and integer accuracy, and how often they agree.
pub fn sentence(report: &Report, on: &str) -> String {
    let p = |a: &Accuracy| 100.0 * f64::from(a.correct) / f64::from(a.total.max(1));
    format!(
        "on {on}: float {}/{} ({:.2} %), integer {}/{} ({:.2} %), same prediction on {}",
        report.float.correct,
        report.float.total,
        p(&report.float),
        report.integer.correct,
        report.integer.total,
        p(&report.integer),
        report.agreement
    )
}
