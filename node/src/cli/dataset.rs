//! `zkaggle dataset`.

use super::args::{DatasetArgs, DatasetCommand};
use super::dataset_holders::{self, HoldersArgs};
use super::output::Output;
use super::{dataset_car, dataset_import};
use crate::failure::Failure;
use crate::node_dir::NodeDir;
use anyhow::Result;
use serde_json::json;
use std::path::Path;
use zkaggle_graph::dataset::{Manifest, parse_cid};
use zkaggle_net::{Blockstore, DiskBlockstore, Visibility};

pub async fn run(args: DatasetArgs, out: Output) -> Result<()> {
    match args.command {
        DatasetCommand::Import(a) => dataset_import::run(*a, out),
        DatasetCommand::Export(a) => dataset_car::export(&a, out),
        DatasetCommand::Fetch(a) => super::dataset_fetch::run(a, out).await,
        DatasetCommand::Prove(a) => super::dataset_prove::prove(a, out).await,
        DatasetCommand::Verify(a) => super::dataset_prove::verify(a, out),
        DatasetCommand::Show { cid, dir, ask } => show(&cid, &dir, &ask, out).await,
    }
}

async fn show(cid: &str, dir: &Path, ask: &HoldersArgs, out: Output) -> Result<()> {
    let cid = parse_cid(cid)?;
    let dir = NodeDir::open(dir)?;
    let store = DiskBlockstore::open(dir.blocks())?;
    let bytes = store
        .get(&cid)?
        .ok_or_else(|| Failure::not_found(format!("manifest {cid} is not in {}", dir.blocks().display())))?;
    let m = Manifest::from_bytes(&bytes)?;
    let (folder, _) = zkaggle_import::parts::folder(&m)?;
    let schema = m.schema();
    let shape: Vec<String> = schema.shape.iter().map(u32::to_string).collect();
    let mut lines = vec![
        format!("{} ({}), {} records", m.name(), m.licence(), m.n()),
        format!(
            "sample {}, values up to {}, {} classes",
            shape.join(" x "),
            schema.feature_max,
            schema.classes
        ),
        format!("folder {folder}"),
    ];
    if let Some(s) = m.split() {
        lines.push(format!(
            "the {} part of {} records, {}:{} with seed {}",
            s.part, s.of, s.train, s.test, s.seed
        ));
    }
    let mut rows = vec![];
    let cids: Vec<_> = m.shards().iter().map(|s| s.cid).chain([cid]).collect();
    let holders = match ask.asked() {
        true => Some(dataset_holders::count(ask, dir.root(), &cids).await?),
        false => None,
    };
    for s in m.shards() {
        let here = match store.info(&s.cid) {
            Some(i) if i.visibility == Visibility::Private => "here, sealed",
            Some(_) => "here",
            None => "missing",
        };
        let held = holders.as_ref().and_then(|holders| holders.get(&s.cid));
        let others = held.map_or_else(String::new, |held| format!(", {} other peers", held.peers));
        lines.push(format!("{} {:>8} bytes  {here}{others}", s.cid, s.bytes));
        rows.push(json!({ "cid": s.cid.to_string(), "bytes": s.bytes, "state": here, "holders": held }));
    }
    out.print(
        &json!({
            "name": m.name(), "licence": m.licence(), "n": m.n(), "schema": schema, "split": m.split(),
            "folder": folder.to_string(), "shards": rows,
        }),
        &lines.join("\n"),
    )
}
