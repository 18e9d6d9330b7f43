//! The command line: one file a subcommand, each a thin layer over the library.

mod args;
mod backup;
mod bench;
mod bench_bitswap;
mod bench_cid;
mod bench_import;
mod bench_model;
mod bounty;
mod claims;
mod connect;
mod daemon;
mod dataset;
mod dataset_car;
mod dataset_fetch;
mod dataset_holders;
mod dataset_import;
mod dataset_link;
mod dataset_prove;
mod demo;
mod deploy;
mod devnet;
mod doctor;
mod doctor_backends;
mod hunt;
mod hunt_samples;
mod init;
mod layout;
mod model;
mod output;
mod show;
pub mod verify;

pub use args::Cli;
use args::Command;

use anyhow::{Context, Result};
use std::io::IsTerminal;

/// Runs a parsed command line to its end.
///
/// # Errors
/// The command's failure; [`crate::failure::code_of`] gives its exit code.
pub fn run(cli: Cli) -> Result<()> {
    log(cli.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the async runtime")?;
    let out = output::Output::new(cli.json);
    let result = runtime.block_on(async {
        match cli.command {
            Command::Demo(a) => demo::run(a, out).await,
            Command::Devnet(a) => devnet::run(a, out).await,
            Command::Init(a) => init::run(a, out),
            Command::Daemon(a) => daemon::run(a, out).await,
            Command::Dataset(a) => dataset::run(a, out).await,
            Command::Model(a) => model::run(a, out),
            Command::Deploy(a) => deploy::run(a, out).await,
            Command::Bounty(a) => bounty::run(a, out).await,
            Command::Hunt(a) => hunt::run(a, out).await,
            Command::Verify(a) => verify::run(a, out).await,
            Command::Backup(a) => backup::backup(a, out),
            Command::Restore(a) => backup::restore(a, out),
            Command::Doctor(a) => doctor::run(a, out).await,
            Command::Bench(a) => bench::run(a, out).await,
        }
    });
    // A proof under way on a blocking thread must not hold up the exit; it is made again next time.
    runtime.shutdown_background();
    result
}

/// Logs go to stderr, stdout stays machine-readable. `ZKAGGLE_LOG` overrides the level.
fn log(verbose: u8) {
    let level = match verbose {
        // A node that knows nobody yet says so itself.
        0 => "warn,libp2p_kad=error",
        1 => "zkaggle=info,zkaggle_node=info,zkaggle_net=info,libp2p_kad=error,warn",
        _ => "zkaggle=debug,zkaggle_node=debug,zkaggle_net=debug,info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("ZKAGGLE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // A second initialisation, in tests, is harmless.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
