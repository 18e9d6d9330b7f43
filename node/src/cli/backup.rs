//! `zkaggle backup` and `zkaggle restore`.

use super::args::{BackupArgs, RestoreArgs};
use super::init::{password, write_config};
use super::output::Output;
use crate::node_dir::NodeDir;
use anyhow::{Context, Result};
use serde_json::json;
use zkaggle_vault::password::Ask;
use zkaggle_vault::{KdfParams, Keystore, backup};

/// What a node cannot make again: which models it committed, and the records of its entries. Blocks
/// come from peers, proofs from proving, keys from the seed.
const FOLDERS: &[&str] = &["records", "models"];

pub fn backup(args: BackupArgs, out: Output) -> Result<()> {
    let password = password(&args.password, Ask::Known)?;
    let keystore = Keystore::open(&args.dir, &password).context("open the node's seed")?;
    let files = backup::create(
        &args.dir,
        FOLDERS,
        &keystore,
        &args.out,
        &password,
        KdfParams::default(),
    )
    .with_context(|| format!("back up {}", args.dir.display()))?;
    out.print(
        &json!({ "file": args.out, "files": files }),
        &format!(
            "{} holds the seed and {files} files of records and models, sealed with your password.",
            args.out.display()
        ),
    )
}

pub fn restore(args: RestoreArgs, out: Output) -> Result<()> {
    let password = password(&args.password, Ask::Known)?;
    let restored = backup::restore(&args.file, &args.dir, &password, KdfParams::default())
        .with_context(|| format!("restore {}", args.file.display()))?;
    write_config(&NodeDir::open(&args.dir)?, args.role)?;
    out.print(
        &json!({ "dir": args.dir, "files": restored.files }),
        &format!(
            "{} files restored to {}; start the node with `zkaggle daemon`.",
            restored.files,
            args.dir.display()
        ),
    )
}
