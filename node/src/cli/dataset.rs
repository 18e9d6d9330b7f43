//! `zkaggle dataset`.

use super::args::{DatasetArgs, DatasetCommand, ImportArgs};
use super::dataset_holders::{self, HoldersArgs};
use super::output::Output;
use crate::failure::Failure;
use crate::import;
use crate::node_dir::NodeDir;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::Path;
use zkaggle_graph::dataset::{Manifest, parse_cid};
use zkaggle_graph::graph::Schema;
use zkaggle_net::{Blockstore, DiskBlockstore, Visibility};

pub async fn run(args: DatasetArgs, out: Output) -> Result<()> {
    match args.command {
        DatasetCommand::Import(a) => import(a, out),
        DatasetCommand::Fetch(a) => super::dataset_fetch::run(a, out).await,
        DatasetCommand::Prove(a) => super::dataset_prove::prove(a, out).await,
        DatasetCommand::Verify(a) => super::dataset_prove::verify(a, out),
        DatasetCommand::Show { cid, dir, ask } => show(&cid, &dir, &ask, out).await,
    }
}

fn import(args: ImportArgs, out: Output) -> Result<()> {
    let schema = Schema {
        shape: args.shape,
        feature_max: args.max,
        classes: args.classes,
    };
    let bytes = import::records(&args.file, &schema)?;
    let d = import::dataset(schema, &bytes, &args.name, &args.licence)
        .with_context(|| format!("import {}", args.file.display()))?;
    let dir = NodeDir::open(&args.dir)?;
    let store = DiskBlockstore::open(dir.blocks())?;
    let visibility = if args.sealed {
        Visibility::Private
    } else {
        Visibility::Public
    };
    for (cid, block) in d.blocks() {
        store.put(&block, visibility)?;
        store.set_pinned(&cid, true)?;
    }
    let shards: Vec<String> = d.shards().iter().map(|s| s.cid.to_string()).collect();
    let text = format!(
        "{} records in {} shard(s){}\nmanifest {}\n{}",
        d.n(),
        shards.len(),
        if args.sealed {
            ", sealed: no peer learns of them before a bounty reveals them"
        } else {
            ""
        },
        d.manifest().cid(),
        shards
            .iter()
            .map(|s| format!("shard    {s}"))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    out.print(
        &json!({ "manifest": d.manifest().cid().to_string(), "shards": shards, "n": d.n() }),
        &text,
    )
}

async fn show(cid: &str, dir: &Path, ask: &HoldersArgs, out: Output) -> Result<()> {
    let cid = parse_cid(cid)?;
    let dir = NodeDir::open(dir)?;
    let store = DiskBlockstore::open(dir.blocks())?;
    let bytes = store
        .get(&cid)?
        .ok_or_else(|| Failure::not_found(format!("manifest {cid} is not in {}", dir.blocks().display())))?;
    let m = Manifest::from_bytes(&bytes)?;
    let mut lines = vec![format!("{} ({}), {} records", m.name(), m.licence(), m.n())];
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
        &json!({ "name": m.name(), "licence": m.licence(), "n": m.n(), "shards": rows }),
        &lines.join("\n"),
    )
}
