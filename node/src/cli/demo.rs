//! `zkaggle demo`.

use super::args::DemoArgs;
use super::output::Output;
use crate::demo::{Options, run as play};
use anyhow::Result;
use zkaggle_tui::timeline::grouped;

pub async fn run(args: DemoArgs, out: Output) -> Result<()> {
    let dir = args.dir.clone();
    let summary = play(Options {
        dir: args.dir,
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
