//! `zkaggle model`.

use super::args::{ModelArgs, ModelCommand, ModelImportArgs};
use super::output::Output;
use crate::import::{self, ModelImport};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use zkaggle_graph::eval::{Accuracy, evaluate};
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::model::ModelFile;
use zkaggle_graph::weights::Weights;

pub fn run(args: ModelArgs, out: Output) -> Result<()> {
    match args.command {
        ModelCommand::Import(a) => import(a, out),
        ModelCommand::Show { file } => show(&file, out),
        ModelCommand::Eval { file, records } => eval(&file, &records, out),
    }
}

fn import(args: ModelImportArgs, out: Output) -> Result<()> {
    let schema = Schema {
        shape: args.shape,
        feature_max: args.max,
        classes: args.classes,
    };
    let onnx = std::fs::read(&args.file).with_context(|| format!("read {}", args.file.display()))?;
    let calibration = import::records(&args.calibrate, &schema)?;
    let m = import::model(&ModelImport {
        onnx: &onnx,
        schema,
        calibration: &calibration,
        samples: args.samples,
    })
    .with_context(|| format!("import {}", args.file.display()))?;
    let mut lines = m.notes.clone();
    lines.push(import::sentence(&m.report, "the calibration records"));
    if let Some(test) = &args.test {
        let records = import::records(test, m.file.graph.schema())?;
        lines.push(import::sentence(&m.report_on(&records)?, &test.display().to_string()));
    }
    m.file
        .write(&args.out)
        .with_context(|| format!("write {}", args.out.display()))?;
    if let Some(arch) = &args.arch {
        crate::files::write_atomic(arch, m.file.graph.text().as_bytes())?;
    }
    lines.push(format!("{} holds the weights: keep it secret.", args.out.display()));
    lines.push(m.file.graph.text());
    out.print(
        &json!({ "model": args.out, "architecture": &m.file.graph, "float": m.report.float, "integer": m.report.integer }),
        lines.join("\n").trim_end(),
    )
}

fn show(file: &Path, out: Output) -> Result<()> {
    let m = ModelFile::read(file).with_context(|| format!("model file {}", file.display()))?;
    out.print(&m.graph, m.graph.text().trim_end())
}

fn eval(file: &Path, records: &Path, out: Output) -> Result<()> {
    let m = ModelFile::read(file).with_context(|| format!("model file {}", file.display()))?;
    let bytes = import::records(records, m.graph.schema())?;
    let a = accuracy(&m.graph, &m.weights, &bytes)?;
    let percent = 100.0 * f64::from(a.correct) / f64::from(a.total.max(1));
    out.print(
        &a,
        &format!(
            "{}/{} ({percent:.2} %), exactly as it would be proved",
            a.correct, a.total
        ),
    )
}

/// Accuracy over any number of records: shard by shard, as proofs would count them.
pub fn accuracy(graph: &Graph, weights: &Weights, bytes: &[u8]) -> Result<Accuracy> {
    let mut sum = Accuracy { correct: 0, total: 0 };
    for shard in bytes.chunks(graph.samples() * graph.schema().record_bytes()) {
        let e = evaluate(graph, weights, shard)?;
        sum.correct += e.accuracy.correct;
        sum.total += e.accuracy.total;
    }
    Ok(sum)
}
