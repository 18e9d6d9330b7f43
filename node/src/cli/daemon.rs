//! `zkaggle daemon`.

use super::args::{DaemonArgs, RoleArg};
use super::connect;
use super::init::password;
use super::output::Output;
use crate::bounty_file::BountyFile;
use crate::failure::Failure;
use crate::node::{Pace, Role, run as run_node};
use crate::node_dir::{CONFIG_FILE, NodeDir};
use crate::progress::Reporter;
use crate::prover::Prover;
use crate::roles::hunter::{Hunter, SLOTS};
use crate::roles::provider::Provider;
use crate::roles::services::{Peers, Services};
use crate::store;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use zkaggle_config::Config;
use zkaggle_vault::Keystore;
use zkaggle_vault::password::Ask;

/// A stop that takes longer than this is cut short: everything that matters is on disk or on chain.
const STOP_WITHIN: Duration = Duration::from_secs(10);

pub async fn run(args: DaemonArgs, out: Output) -> Result<()> {
    slots(&args.model)?;
    let config = Config::load(&args.config.unwrap_or_else(|| args.dir.join(CONFIG_FILE)))?;
    let role = args.role.unwrap_or_else(|| role_of(&config));
    let bounty = match role {
        RoleArg::Provider => {
            let path = args
                .bounty
                .ok_or_else(|| Failure::usage("a provider needs a bounty file; give --bounty"))?;
            Some(BountyFile::read(&path)?)
        }
        RoleArg::Hunter => None,
    };
    let keystore = Keystore::open(&args.dir, &password(&args.password, Ask::Known)?).context("open the node's seed")?;
    // Only now: a mistyped folder must not become a node's.
    let dir = NodeDir::open(&args.dir)?;
    let seed = keystore.seed().clone();

    let signer = crate::identity::signer(&seed)?;
    let outbox = dir.outbox();
    let market = connect::market(
        &config,
        &args.rpc_url,
        args.deployment.as_deref(),
        signer,
        Some(&outbox),
    )
    .await?;
    let account = market.chain().account();
    // Before any role decides anything: what an earlier run had under way changes what there is to decide.
    let recovered = market.chain().recover().await?;
    if recovered > 0 {
        tracing::warn!("{recovered} transactions of an earlier run are settled now");
    }
    let index = store::open(&config.store.dir_in(dir.root()))?;
    let net = connect::net_config(&config, &args.peer)?;
    let peers = Peers::start(&dir, &seed, net, config.ipfs.kubo_url()).await?;
    let address = peers.address().await?;
    let prover = Prover::open(&config.prover.keys_dir_in(dir.root()))?;
    let who = role.as_str();
    let services = Services::new(dir, market, peers.clone(), prover, seed, Reporter::log_only(who));
    let report = services.report.clone();
    let policy = match bounty {
        Some((file, graphs)) => {
            let provider = Provider::new(services, file, graphs).with_max_memory(config.prover.max_memory);
            Role::Provider(Box::new(provider))
        }
        None => {
            let hunter = Hunter::new(services, args.model)
                .with_payout(args.payout)
                .with_store(index.clone())
                .with_max_memory(config.prover.max_memory);
            Role::Hunter(Box::new(hunter))
        }
    };
    out.print(
        &json!({ "role": who, "account": account, "peer": address.to_string() }),
        &format!("{who} {account}\npeer {address}\nready"),
    )?;

    let stop = stop_signal();
    let pace = Pace {
        poll: config.chain.poll.into(),
        stop_when_done: args.until_done,
        ..Pace::daemon()
    };
    let mut task = tokio::spawn(run_node(policy, report, pace, stop.clone()));
    let result = tokio::select! {
        r = &mut task => r.context("the node panicked")?,
        () = stop.cancelled() => match tokio::time::timeout(STOP_WITHIN, &mut task).await {
            Ok(r) => r.context("the node panicked")?,
            Err(_) => { task.abort(); Ok(()) }
        },
    };
    if let Err(e) = index.flush() {
        tracing::warn!("{e}; the bounties finished last are looked at again at the next start");
    }
    peers.network.shutdown().await;
    result
}

/// Refuses more models than an account has slots.
pub fn slots(models: &[PathBuf]) -> Result<()> {
    match models.len() <= SLOTS.len() {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "--model is given {} times; a bounty has {} slots for an account",
            models.len(),
            SLOTS.len()
        ))),
    }
}

fn role_of(config: &Config) -> RoleArg {
    match config.node.role {
        zkaggle_config::Role::Provider => RoleArg::Provider,
        zkaggle_config::Role::Hunter => RoleArg::Hunter,
    }
}

/// Cancelled on SIGINT or SIGTERM.
pub fn stop_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let on = stop.clone();
    tokio::spawn(async move {
        let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
            tracing::warn!("signals cannot be handled here; only a kill stops this process");
            return;
        };
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        on.cancel();
    });
    stop
}
