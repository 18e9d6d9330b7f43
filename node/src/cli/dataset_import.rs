//! `zkaggle dataset import`: files of any format the importers read, or an archive of a dataset.

use super::dataset_car;
use super::layout::LayoutArgs;
use super::output::Output;
use crate::failure::Failure;
use crate::files::write_atomic;
use crate::node_dir::NodeDir;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use zkaggle_graph::dataset::manifest::Split;
use zkaggle_graph::graph::{FeatureType, Schema};
use zkaggle_import::parts::{Naming, parts};
use zkaggle_import::report::{About, Report};
use zkaggle_import::{ImportError, Layout, Options, Ratio, Scale, split};
use zkaggle_ipld::Cid;
use zkaggle_net::{Blockstore, DiskBlockstore, Visibility};

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Folders of images, or .npy, .npz, IDX, .csv, .tsv, .parquet or record files (.bin), one after another.
    #[arg(required_unless_present_any = ["car", "cid"], conflicts_with_all = ["car", "cid"])]
    pub paths: Vec<PathBuf>,
    /// Use a record file on IPFS in place: its blocks, which must be here, become the shards. Needs --shape and --classes.
    #[arg(long, conflicts_with_all = ["car", "split", "sealed", "labels", "per_shard"], requires_all = ["shape", "classes"])]
    pub cid: Option<String>,
    /// Read a dataset from this archive, as `dataset export` or `ipfs dag export` writes it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "licence", "split"])]
    pub car: Option<PathBuf>,
    /// Labels of a folder or array: .npy, IDX, JSON, CSV of file and label, or one label a line; once for every path.
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<PathBuf>,
    /// A table's column of labels, by name or by number from 1; `label`, `target`, `class`, `y` or the last by default.
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// An .npz file's arrays of features and labels.
    #[arg(long, value_name = "X,Y", value_parser = two_names)]
    pub arrays: Option<(String, String)>,
    #[command(flatten)]
    pub layout: LayoutArgs,
    /// Shape of one sample, such as `8,8`; what the source says by default.
    #[arg(long, value_delimiter = ',')]
    pub shape: Option<Vec<u32>>,
    /// How features are written: u8, or i16 for signed or finer values in tables.
    #[arg(long = "type", value_name = "TYPE", default_value_t = FeatureType::U8)]
    pub feature_type: FeatureType,
    /// Largest feature value, in magnitude; what the type holds by default.
    #[arg(long)]
    pub max: Option<u16>,
    /// Number of classes; what the labels need by default.
    #[arg(long)]
    pub classes: Option<u16>,
    /// Multiply every value by this and round it, such as 255 for values from 0 to 1; a list gives each feature its own,
    /// `auto` the largest of 1, 2 or 5 times a power of ten at which the feature fits.
    #[arg(long, value_name = "FACTOR[,FACTOR…]|auto")]
    pub scale: Option<Scale>,
    /// Cut into two datasets, stratified by class, such as `80:20`.
    #[arg(long, value_name = "TRAIN:TEST")]
    pub split: Option<Ratio>,
    /// What decides the split; it is recorded.
    #[arg(long, default_value_t = 0, requires = "split")]
    pub seed: u64,
    /// Most records in a shard; as many as a block holds by default.
    #[arg(long, value_name = "RECORDS")]
    pub per_shard: Option<usize>,
    /// What the dataset is called; it stands in the manifest.
    #[arg(long, required_unless_present = "car")]
    pub name: Option<String>,
    /// Under what terms others may use the data; it stands in the manifest.
    #[arg(long, required_unless_present = "car")]
    pub licence: Option<String>,
    /// The node's folder.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Keep the blocks to this node until a bounty reveals them; of a split, those of the test part.
    #[arg(long)]
    pub sealed: bool,
    /// Write the report here, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write every image's name and own CID here, one a line.
    #[arg(long, value_name = "FILE")]
    pub list: Option<PathBuf>,
}

impl ImportArgs {
    fn max(&self) -> u16 {
        self.max.unwrap_or(self.feature_type.largest())
    }
}

fn two_names(text: &str) -> Result<(String, String), String> {
    match text.split_once(',') {
        Some((x, y)) if !x.is_empty() && !y.is_empty() && !y.contains(',') => Ok((x.into(), y.into())),
        _ => Err("give the names of two arrays, such as x_train,y_train".into()),
    }
}

pub fn run(args: ImportArgs, out: Output) -> Result<()> {
    if let Some(car) = &args.car {
        return dataset_car::import(car, &args.dir, args.sealed, out);
    }
    if let Some(cid) = &args.cid {
        return in_place(cid, &args, out).with_context(|| format!("use {cid} in place"));
    }
    let shown: Vec<String> = args.paths.iter().map(|p| p.display().to_string()).collect();
    files(&args, out).with_context(|| format!("import {}", shown.join(", ")))
}

fn files(args: &ImportArgs, out: Output) -> Result<()> {
    let (Some(name), Some(licence)) = (args.name.as_deref(), args.licence.as_deref()) else {
        return Err(Failure::usage("--name and --licence are needed"));
    };
    let options = Options {
        labels: args.labels.clone(),
        label_column: args.label_column.clone(),
        arrays: args.arrays.clone(),
        layout: Layout::from(&args.layout),
        shape: args.shape.clone(),
        classes: args.classes,
        feature_type: args.feature_type,
        max: args.max(),
        scale: args.scale.clone(),
    };
    let (table, sources) = zkaggle_import::read(&args.paths, &options, &std::env::temp_dir()).map_err(coded)?;
    let indices = args
        .split
        .map(|r| split::stratified(table.labels(), r, args.seed))
        .transpose()?;
    let about = About {
        name,
        licence,
        split: args.split.zip(indices.as_ref()).map(|(ratio, i)| (i, ratio, args.seed)),
    };
    let mut report = Report::of(&table, &sources, &about);

    // Cut once into nothing: a set that cannot be cut leaves no half of it behind.
    let all = parts(&table, indices.as_ref());
    let naming = |part: Option<&str>| Naming {
        name,
        licence,
        per_shard: args.per_shard,
        split: part.zip(args.split).map(|(part, ratio)| Split {
            part: part.into(),
            train: ratio.train,
            test: ratio.test,
            seed: args.seed,
            of: table.labels().len() as u64,
        }),
    };
    for (part, records) in &all {
        zkaggle_import::write(&table, records, &naming(*part), &mut |_, _| Ok(()))?;
    }
    let dir = NodeDir::open(&args.dir)?;
    let store = DiskBlockstore::open(dir.blocks())?;
    for (part, records) in &all {
        let hidden = args.sealed && *part != Some("train");
        let visibility = if hidden {
            Visibility::Private
        } else {
            Visibility::Public
        };
        let mut keep = |cid, bytes: &[u8]| {
            let put = store
                .put_block(&cid, bytes, visibility)
                .and_then(|()| store.set_pinned(&cid, true));
            put.map_err(std::io::Error::other)
        };
        let written = zkaggle_import::write(&table, records, &naming(*part), &mut keep)?;
        report.add(*part, &written);
    }
    if args.sealed {
        let which = if args.split.is_some() {
            "the test part is sealed"
        } else {
            "sealed"
        };
        report.warnings.push(format!(
            "{which}: no peer learns of the blocks before a bounty reveals them"
        ));
    }
    if let Some(path) = &args.report {
        write_atomic(path, &serde_json::to_vec_pretty(&report)?)?;
    }
    if let Some(path) = &args.list {
        let lines: String = sources.images.iter().map(|(n, cid)| format!("{cid} {n}\n")).collect();
        write_atomic(path, lines.as_bytes())?;
    }
    out.print(&document(&report)?, report.to_string().trim_end())
}

/// Makes the blocks of a file that is in the store a dataset, without writing any of them again.
fn in_place(cid: &str, args: &ImportArgs, out: Output) -> Result<()> {
    let (Some(name), Some(licence)) = (args.name.as_deref(), args.licence.as_deref()) else {
        return Err(Failure::usage("--name and --licence are needed"));
    };
    let (Some(shape), Some(classes)) = (args.shape.clone(), args.classes) else {
        return Err(Failure::usage("--shape and --classes are needed"));
    };
    let schema = Layout::from(&args.layout).apply(Schema {
        shape,
        feature_type: args.feature_type,
        feature_max: args.max(),
        classes,
        layout: None,
    })?;
    let root = Cid::try_from(cid).map_err(|e| Failure::usage(format!("{cid:?} is no CID: {e}")))?;
    let dir = NodeDir::open(&args.dir)?;
    let store = DiskBlockstore::open(dir.blocks())?;
    let naming = Naming {
        name,
        licence,
        per_shard: None,
        split: None,
    };
    let part = zkaggle_import::in_place(root, schema, &naming, |c| store.get(c).map_err(std::io::Error::other))?;
    let (folder, nodes) = zkaggle_import::parts::folder(&part.manifest)?;
    for shard in part.manifest.shards() {
        store.set_pinned(&shard.cid, true)?;
    }
    let manifest = part.manifest.cid();
    for (cid, block) in nodes.into_iter().chain([(manifest, part.manifest.to_bytes())]) {
        store.put_block(&cid, &block, Visibility::Public)?;
        store.set_pinned(&cid, true)?;
    }
    let shards: Vec<String> = part.manifest.shards().iter().map(|s| s.cid.to_string()).collect();
    let n = part.manifest.n();
    let text = format!(
        "{n} records in {} shard(s), in place\nmanifest   {manifest}\nfolder     {folder}",
        shards.len()
    );
    let value = json!({
        "manifest": manifest.to_string(), "folder": folder.to_string(), "shards": shards, "n": n, "root": root.to_string(),
    });
    out.print(&value, &text)
}

/// The report, with the one dataset's names on top where there is but one.
fn document(report: &Report) -> Result<Value> {
    let mut value = json!({ "report": report, "n": report.records });
    if let [only] = &report.parts[..] {
        value["manifest"] = json!(only.manifest);
        value["folder"] = json!(only.folder);
        value["shards"] = json!(only.shards);
    }
    Ok(value)
}

/// Wrong options are a matter of usage.
fn coded(e: ImportError) -> anyhow::Error {
    match e {
        ImportError::Options(text) => Failure::usage(text),
        e => e.into(),
    }
}
