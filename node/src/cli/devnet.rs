//! `zkaggle devnet`.

use super::args::DevnetArgs;
use super::output::Output;
use crate::chain::{Chain, deploy};
use crate::failure::{Code, Failure};
use anyhow::{Context, Result};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_devnet::{DevNet, DevNetConfig};

/// Blocks are mined at least this often, so that readers of block timestamps see time pass.
const BLOCK_TIME: Duration = Duration::from_secs(1);

pub async fn run(args: DevnetArgs, out: Output) -> Result<()> {
    let net = DevNet::new(DevNetConfig::default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", args.port))
        .await
        .map_err(|e| {
            Failure::new(
                Code::Unreachable,
                format!("port {}: {e}; choose another --port", args.port),
            )
        })?;
    let address = listener.local_addr()?;
    let signer = net.accounts().first().context("the chain has no accounts")?.signer();
    let chain = Chain::connect(net.client(), signer, None).await?;
    let deployment = deploy::deploy(&chain, &SrsPoints::development(), None)
        .await?
        .deployment;
    if let Some(path) = &args.deployment {
        crate::files::write_atomic(path, deployment.to_json()?.as_bytes())?;
    }
    let stop = super::daemon::stop_signal();
    let url = format!("http://{address}");
    let mut text = format!("development chain {} at {url}\n", chain.chain_id());
    for (name, d) in &deployment.contracts {
        text += &format!("{name:<18} {}\n", d.address);
    }
    text += "funded accounts (keys are public, never use them elsewhere):\n";
    for a in net.accounts() {
        text += &format!("  {} 0x{}\n", a.address, hex::encode(a.key));
    }
    text += "ready";
    out.print(&json!({ "url": url, "deployment": deployment, "accounts": net.accounts().iter().map(|a| a.address).collect::<Vec<_>>() }), &text)?;
    serve(net, listener, stop).await
}

async fn serve(net: DevNet, listener: tokio::net::TcpListener, stop: CancellationToken) -> Result<()> {
    let clock = net.clone();
    tokio::select! {
        r = net.serve(listener, stop.clone().cancelled_owned()) => r.context("serve the chain"),
        r = clock.keep_time(BLOCK_TIME) => match r { Ok(never) => match never {}, Err(e) => Err(e.into()) },
        () = stop.cancelled() => Ok(()),
    }
}
