//! `zkaggle model`.

use super::args::{ModelArgs, ModelCommand, ModelEvalArgs, ModelImportArgs, ModelShowArgs};
use super::output::Output;
use crate::failure::Failure;
use crate::files::write_atomic;
use crate::import::{self, ModelImport};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::metrics::{self, Metric};
use zkaggle_graph::model::ModelFile;
use zkaggle_graph::ops::Cost;
use zkaggle_graph::quantize::{Method, Report, plot};
use zkaggle_graph::{field, picture, reach};
use zkaggle_import::Layout;

pub fn run(args: ModelArgs, out: Output) -> Result<()> {
    match args.command {
        ModelCommand::Import(a) => import(a, out),
        ModelCommand::Show(a) => show(&a, out),
        ModelCommand::Eval(a) => eval(&a, out),
    }
}

fn import(args: ModelImportArgs, out: Output) -> Result<()> {
    let method: Method = args.method.parse().map_err(Failure::usage)?;
    let schema = Layout::from(&args.layout).apply(Schema {
        shape: args.shape,
        feature_type: args.feature_type,
        feature_max: args.max.unwrap_or(args.feature_type.largest()),
        classes: args.classes,
        layout: None,
    })?;
    let onnx = std::fs::read(&args.file).with_context(|| format!("read {}", args.file.display()))?;
    let calibration = import::records(&args.calibrate, &schema)?;
    let m = import::model(&ModelImport {
        onnx: &onnx,
        schema,
        calibration: &calibration,
        samples: args.samples,
        method,
    })
    .with_context(|| format!("import {}", args.file.display()))?;
    let mut lines = m.notes.clone();
    lines.push(import::sentence(&m.report, "the calibration records"));
    let mut report = m.report.clone();
    if let Some(test) = &args.test {
        let records = import::records(test, m.file.graph.schema())?;
        report = m.report_on(&records)?;
        lines.push(import::sentence(&report, &test.display().to_string()));
    }
    m.file
        .write(&args.out)
        .with_context(|| format!("write {}", args.out.display()))?;
    if let Some(arch) = &args.arch {
        write_atomic(arch, m.file.graph.text().as_bytes())?;
    }
    if let Some(folder) = &args.report {
        write_report(folder, &report)?;
        lines.push(format!("{} holds the report and its plots.", folder.display()));
    }
    lines.push(format!("{} holds the weights: keep it secret.", args.out.display()));
    if let Err(e) = m.file.graph.class() {
        lines.push(format!("Note: {e}."));
    }
    lines.push(report.text());
    lines.push(m.file.graph.text());
    out.print(
        &json!({ "model": args.out, "architecture": &m.file.graph, "float": m.report.float, "integer": m.report.integer, "report": report }),
        lines.join("\n").trim_end(),
    )
}

/// `report.txt`, `report.json`, `layers.svg`, `confusion.svg`.
fn write_report(folder: &Path, report: &Report) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    for (name, content) in [
        ("report.txt", report.text()),
        ("report.json", serde_json::to_string_pretty(report)? + "\n"),
        ("layers.svg", plot::layers(report)),
        ("confusion.svg", plot::confusion(report)),
    ] {
        write_atomic(&folder.join(name), content.as_bytes())?;
    }
    Ok(())
}

/// Reads a model file, or the text of an architecture.
fn graph(path: &Path) -> Result<(Graph, Option<ModelFile>)> {
    if let Ok(text) = std::fs::read_to_string(path)
        && text.starts_with("zkaggle-graph/")
    {
        let graph = Graph::parse(&text).with_context(|| format!("architecture file {}", path.display()))?;
        return Ok((graph, None));
    }
    let m = ModelFile::read(path).with_context(|| format!("model file {}", path.display()))?;
    Ok((m.graph.clone(), Some(m)))
}

fn show(args: &ModelShowArgs, out: Output) -> Result<()> {
    let (graph, model) = graph(&args.file)?;
    if let Some(path) = &args.svg {
        write_atomic(path, picture::svg(&graph).as_bytes())?;
    }
    if args.graph {
        return out.print(&graph, graph.text().trim_end());
    }
    let n = args.records.unwrap_or(graph.samples() as u64);
    let costs: Vec<Cost> = graph.costs().iter().map(|c| c.batch(n)).collect();
    let sum = costs.iter().fold(Cost::default(), |a, c| Cost {
        cells: a.cells.saturating_add(c.cells),
        lookups: a.lookups.saturating_add(c.lookups),
        multiplications: a.multiplications.saturating_add(c.multiplications),
        fixed_cells: a.fixed_cells.saturating_add(c.fixed_cells),
    });
    let arch_id = format!("0x{}", hex::encode(field::to_be_bytes(&graph.arch_id())));
    let mut text = format!(
        "{}\narchId {arch_id}\nweights {} bytes, {}\n",
        graph.text().trim_end(),
        graph.weight_bytes(),
        match graph.class() {
            Ok(c) => format!("capacity class {}", c.bytes()),
            Err(e) => e.to_string(),
        }
    );
    if let Some(m) = &model {
        text += &match reach::prove(&graph, &m.weights) {
            Ok(_) => "every sample of the schema stays in the tables: proved\n".to_owned(),
            Err(e) => format!("not every sample is provable: {e}\n"),
        };
    }
    text += &match zkaggle_circuits::accuracy::cost(&graph) {
        Ok(c) => format!(
            "accuracy proof of {} records: 2^{} rows, about {} MiB\n",
            graph.samples(),
            c.k,
            c.memory >> 20
        ),
        Err(e) => format!("no accuracy proof: {e}\n"),
    };
    text += &format!(
        "\ncost of a batch of {n} records\n{:<5} {:<10} {:>14} {:>14} {:>16} {:>12}\n",
        "node", "op", "cells", "lookups", "multiplications", "weights"
    );
    let row = |name: String, op: &str, c: &Cost| {
        format!(
            "{name:<5} {op:<10} {:>14} {:>14} {:>16} {:>12}\n",
            c.cells, c.lookups, c.multiplications, c.fixed_cells
        )
    };
    for (i, (node, c)) in graph.nodes().iter().zip(&costs).enumerate() {
        text += &row(format!("%{i}"), node.op.name(), c);
    }
    text += &row("sum".into(), "", &sum);
    out.print(
        &json!({ "architecture": &graph, "archId": arch_id, "weightBytes": graph.weight_bytes(), "records": n, "layers": costs, "sum": sum }),
        text.trim_end(),
    )
}

fn eval(args: &ModelEvalArgs, out: Output) -> Result<()> {
    let m = ModelFile::read(&args.file).with_context(|| format!("model file {}", args.file.display()))?;
    let metric: Metric = args.metric.parse().map_err(Failure::usage)?;
    let bytes = import::records(&args.records, m.graph.schema())?;
    let score = metrics::score(&m.graph, &m.weights, &bytes, metric)?;
    let n = bytes.len() / m.graph.schema().record_bytes();
    if metric == Metric::Accuracy {
        return out.print(
            &json!({ "correct": score.numerator as u64, "total": n }),
            &format!(
                "{}/{n} ({:.2} %), exactly as it would be proved",
                score.numerator,
                100.0 * score.numerator as f64 / n as f64
            ),
        );
    }
    let (numerator, denominator) = (score.numerator.to_string(), score.denominator.to_string());
    out.print(
        &json!({ "metric": metric.to_string(), "records": n, "numerator": numerator, "denominator": denominator, "value": score.decimal(9) }),
        &format!(
            "{metric} {} on {n} records, exactly {numerator}/{denominator}, in integers alone",
            score.decimal(6)
        ),
    )
}
