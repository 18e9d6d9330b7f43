//! `zkaggle demo`.

use super::args::DemoArgs;
use super::output::Output;
use crate::demo::{Options, run as play};
use anyhow::Result;
use std::path::PathBuf;
use zkaggle_tui::timeline::grouped;

pub async fn run(args: DemoArgs, out: Output) -> Result<()> {
    let dir = args.dir.unwrap_or_else(free_dir);
    let summary = play(Options {
        dir: dir.clone(),
        rpc_url: args.rpc_url,
        ipfs_api: args.ipfs_api,
        samples: args.samples.map(|n| n as usize),
    })
    .await?;
    let gas: u64 = summary.steps.iter().filter_map(|s| s.gas).sum();
    let text = format!(
        "\nThe winner's model scores {}/{} ({:.2} %), proved; opened and evaluated again it scores the same.\n\
         {:.0} s, {} gas, {} MiB at the peak. Everything is in {}:\n\
         \x20 summary.json, bounty.toml, proofs/, keys/, model/opened.*\n\
         Check a proof alone:\n\
         \x20 zkaggle verify {}/proofs/accuracy-hunter-1.proof --keys {}/keys",
        summary.score,
        summary.n,
        summary.accuracy_proved * 100.0,
        summary.seconds,
        grouped(gas),
        grouped(summary.peak_rss_mib),
        dir.display(),
        dir.display(),
        dir.display(),
    );
    out.print(&summary, &text)
}

/// `zkaggle-demo`, or the first numbered name after it that is not taken: a second run never mixes
/// with the first.
fn free_dir() -> PathBuf {
    let name = |i: u32| {
        PathBuf::from(if i == 1 {
            "zkaggle-demo".into()
        } else {
            format!("zkaggle-demo-{i}")
        })
    };
    (1..).map(name).find(|d| !d.exists()).unwrap_or_else(|| name(1))
}
