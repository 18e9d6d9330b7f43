//! How many peers hold the blocks of a dataset.

use super::connect::{multiaddr, net_config};
use crate::failure::{Code, Failure};
use crate::node_dir::CONFIG_FILE;
use anyhow::{Context, Result};
use clap::Args;
use futures::StreamExt;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zkaggle_config::Loader;
use zkaggle_net::{Cid, IdentitySeed, MemoryBlockstore, NetConfig, Network};

/// How long connected peers and the DHT have to answer for one block.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the bootstrap peers have to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// Blocks asked about at once.
const AT_ONCE: usize = 16;

/// Whom to ask.
#[derive(Debug, Args)]
pub struct HoldersArgs {
    /// Ask the settings' bootstrap peers and the DHT how many peers hold each block.
    #[arg(long)]
    pub holders: bool,
    /// Ask this peer as well, as `/ip4/…/tcp/…/p2p/…`; repeatable.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<String>,
}

impl HoldersArgs {
    /// Whether anybody is to be asked.
    pub fn asked(&self) -> bool {
        self.holders || !self.peer.is_empty()
    }
}

/// Who holds one block, besides this node.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Holders {
    /// Peers that were asked and have it.
    pub have: usize,
    /// Peers that the DHT names.
    pub named: usize,
    /// Both, each peer once.
    pub peers: usize,
}

/// Asks for every block, under a name for this once and without offering anything.
///
/// # Errors
/// Usage when there is nobody to ask, unreachable when nobody answers.
pub async fn count(args: &HoldersArgs, dir: &Path, cids: &[Cid]) -> Result<BTreeMap<Cid, Holders>> {
    let mut loader = Loader::new()?;
    let file = dir.join(CONFIG_FILE);
    if file.exists() {
        loader.file(&file)?;
    }
    loader.environment(std::env::vars_os())?;
    let net = NetConfig {
        listen: vec![],
        ..net_config(&loader.finish()?, &[])?
    };
    if net.bootstrap.is_empty() && args.peer.is_empty() {
        return Err(Failure::usage(
            "nobody to ask: give --peer, or set p2p.bootstrap in the node's config.toml",
        ));
    }
    let peers = args.peer.iter().map(|a| multiaddr(a)).collect::<Result<Vec<_>>>()?;
    let identity = IdentitySeed::new(rand::random());
    let (network, mut events) = Network::start(net, identity, Arc::new(MemoryBlockstore::new())).await?;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    for peer in peers {
        if let Err(e) = network.dial(peer).await {
            tracing::warn!("{e}");
        }
    }
    let counted = ask(&network, cids).await;
    network.shutdown().await;
    counted
}

async fn ask(network: &Network, cids: &[Cid]) -> Result<BTreeMap<Cid, Holders>> {
    let connected = async {
        while network.peers().await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    let nobody = || Failure::new(Code::Unreachable, "none of the peers answers");
    tokio::time::timeout(CONNECT, connected).await.map_err(|_| nobody())??;
    let questions = cids.iter().map(|cid| async move {
        let (have, named) = tokio::join!(network.holders(*cid, PATIENCE), network.providers(*cid, PATIENCE));
        let (have, named) = (have.context("ask the peers")?, named?);
        let holders = Holders {
            have: have.len(),
            named: named.len(),
            peers: have.union(&named).count(),
        };
        Ok::<_, anyhow::Error>((*cid, holders))
    });
    let mut answers = futures::stream::iter(questions).buffer_unordered(AT_ONCE);
    let mut counted = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        let (cid, holders) = answer?;
        counted.insert(cid, holders);
    }
    Ok(counted)
}
