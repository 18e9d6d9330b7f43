//! `zkaggle hunt samples`: the public part of a bounty with a draw, as a file that `dataset import` reads.

use super::connect::{self, NodeArgs};
use super::output::Output;
use crate::failure::Failure;
use crate::files::write_atomic;
use crate::roles::hunter::drawn::samples;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::path::PathBuf;
use zkaggle_graph::dataset::Dataset;

#[derive(Debug, Args)]
pub struct SamplesArgs {
    /// The bounty's number.
    pub id: u64,
    /// File to write: `.csv` (features, then the label) or `.bin` (records back to back, the label last).
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub node: NodeArgs,
}

pub async fn run(args: SamplesArgs, out: Output) -> Result<()> {
    let write: fn(&Dataset) -> Vec<u8> = match args.out.extension().and_then(|e| e.to_str()) {
        Some("csv") => |d| csv(d).into_bytes(),
        Some("bin") => Dataset::bytes,
        _ => return Err(Failure::usage("--out: the file's name ends in .csv or .bin")),
    };
    let (services, _) = connect::services(&args.node, "hunter").await?;
    let fetched = samples(&services, args.id).await;
    services.peers.network.shutdown().await;
    let dataset = fetched?;
    write_atomic(&args.out, &write(&dataset)).with_context(|| format!("write {}", args.out.display()))?;
    let schema = dataset.schema();
    let shape: Vec<String> = schema.shape.iter().map(u32::to_string).collect();
    let import = format!(
        "zkaggle dataset import {} --shape {} --type {} --max {} --classes {} --name public --licence '…' --dir …",
        args.out.display(),
        shape.join(","),
        schema.feature_type,
        schema.feature_max,
        schema.classes
    );
    let (n, shards) = (dataset.n(), dataset.shards().len());
    out.print(
        &json!({ "bounty": args.id, "file": args.out, "records": n, "shards": shards, "schema": schema, "import": import }),
        &format!(
            "bounty {}: {n} public records of {shards} shard(s) are in {}\nnext: train on them, or `{import}`",
            args.id,
            args.out.display()
        ),
    )
}

/// A header, then a line a record.
fn csv(dataset: &Dataset) -> String {
    let features = dataset.schema().features();
    let mut text: String = (0..features).map(|i| format!("x{i},")).collect();
    text.push_str("label\n");
    for r in dataset.records() {
        for f in dataset.schema().decode(r.features) {
            // PANIC: none; writing to a String cannot fail.
            let _ = write!(text, "{f},");
        }
        let _ = writeln!(text, "{}", r.label);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_graph::dataset::import;
    use zkaggle_graph::graph::{FeatureType, Schema};

    #[test]
    fn what_is_written_reads_as_the_same_records() {
        let pixels = Schema::bytes([2, 2], 9, 3);
        let table = Schema {
            shape: vec![2],
            feature_type: FeatureType::I16,
            feature_max: 3000,
            classes: 3,
            layout: None,
        };
        let small = (0..64u8).flat_map(|i| [i % 10, 1, 2, 9, i % 3]).collect();
        let signed = (0..64u8).flat_map(|i| [i, 7, i, 0xf5, i % 3]).collect();
        for (schema, bytes) in [(pixels, small), (table, signed)] {
            let bytes: Vec<u8> = bytes;
            let options = zkaggle_graph::dataset::Options {
                name: "x".into(),
                licence: "y".into(),
                per_shard: None,
            };
            let d = Dataset::from_records(schema.clone(), &bytes, options).unwrap();
            assert_eq!(import::csv(&schema, csv(&d).as_bytes()).unwrap(), bytes);
            assert_eq!(d.bytes(), bytes);
        }
    }
}
