//! Nodes of a story that can be stopped and started again: each keeps its folder and its seed, and is driven
//! tick by tick, so that what happens depends on no clock but the chain's.

use alloy::network::TransactionBuilder;
use alloy::primitives::U256;
use alloy::rpc::types::TransactionRequest;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use zkaggle_graph::dataset::Dataset;
use zkaggle_net::{Multiaddr, NetConfig, Visibility};
use zkaggle_node::chain::Caution;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::outbox::Outbox;
use zkaggle_node::chain::time::advance_to;
use zkaggle_node::demo::assets;
use zkaggle_node::demo::stage::{ChainChoice, Stage};
use zkaggle_node::node_dir::NodeDir;
use zkaggle_node::progress::Reporter;
use zkaggle_node::prover::Prover;
use zkaggle_node::roles::hunter::Hunter;
use zkaggle_node::roles::provider::Provider;
use zkaggle_node::roles::services::Peers;
use zkaggle_node::roles::{Services, Tick};
use zkaggle_vault::Seed;

/// Most ticks before something is not going to end.
const TICKS: usize = 60;

/// An embedded chain with the contracts, and a prover that all nodes share.
pub struct Troupe {
    pub stage: Stage,
    dir: PathBuf,
}

impl Troupe {
    /// With release keys that ask for at least `padded` words of ciphertext.
    pub async fn gather(dir: &Path, padded: usize) -> Result<Self> {
        let (events, mut heard) = mpsc::channel(64);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let mut stage = Box::pin(Stage::set(ChainChoice::new(None), dir, None, events)).await?;
        stage.prover = Prover::open_padded(&dir.join("keys"), padded)?;
        Ok(Self {
            stage,
            dir: dir.to_owned(),
        })
    }

    /// Somebody new, funded, with a folder and a seed.
    pub async fn actor(&self, name: &str) -> Result<Actor> {
        let actor = Actor {
            name: name.to_owned(),
            dir: NodeDir::open(&self.dir.join(name))?,
            seed: Seed::generate()?,
        };
        let account = zkaggle_node::identity::signer(&actor.seed)?.address();
        let fund = TransactionRequest::default()
            .with_to(account)
            .with_value(U256::from(5) * U256::from(10).pow(U256::from(18)));
        self.stage.faucet.send_request("fund a node", fund).await?;
        Ok(actor)
    }

    pub async fn until(&self, time: u64) -> Result<()> {
        advance_to(&self.stage.faucet, time).await
    }

    pub async fn mine(&self, blocks: usize) -> Result<()> {
        for _ in 0..blocks {
            self.until(0).await?;
        }
        Ok(())
    }
}

/// A node that may be up or not.
pub struct Actor {
    name: String,
    dir: NodeDir,
    seed: Seed,
}

impl Actor {
    /// Starts the node, connected to `home`, as careful as `caution` says.
    pub async fn start(&self, troupe: &Troupe, caution: Caution, home: Option<&Multiaddr>) -> Result<Services> {
        let signer = zkaggle_node::identity::signer(&self.seed)?;
        let chain = Box::pin(troupe.stage.choice.connect(signer))
            .await?
            .with_caution(caution);
        let chain = chain.with_outbox(Outbox::open(&self.dir.outbox())?);
        chain.recover().await?;
        let market = Market::open(chain, troupe.stage.deployment.clone()).await?;
        let peers = self.peers().await?;
        if let Some(home) = home {
            peers.network.dial(home.clone()).await?;
        }
        let prover: Arc<Prover> = troupe.stage.prover.clone();
        let report = Reporter::log_only(&self.name);
        Ok(Services::new(
            self.dir.clone(),
            market,
            peers,
            prover,
            self.seed.clone(),
            report,
        ))
    }

    /// The network of a node that just ended may hold its blocks' lock for a moment.
    async fn peers(&self) -> Result<Peers> {
        let mut last = None;
        for _ in 0..100 {
            match Box::pin(Peers::start(&self.dir, &self.seed, NetConfig::loopback(), None)).await {
                Ok(peers) => return Ok(peers),
                Err(e) => last = Some(e),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(last.context("never tried")?)
    }
}

/// The first `samples` records of the shipped hold-out, sealed on the provider's node.
pub async fn holdout(provider: &Services, samples: usize) -> Result<Dataset> {
    let bytes = &assets::HOLDOUT[..samples * assets::schema().record_bytes()];
    let dataset = zkaggle_node::import::dataset(assets::schema(), bytes, assets::NAME, assets::LICENCE)?;
    provider.store(&dataset, Visibility::Private).await?;
    Ok(dataset)
}

/// Lets a provider act until nothing is due.
pub async fn rest(provider: &mut Provider) -> Result<Tick> {
    for _ in 0..TICKS {
        match Box::pin(provider.tick()).await? {
            Tick::Worked => {}
            other => return Ok(other),
        }
    }
    bail!("the provider does not come to rest")
}

/// One tick that must do something.
pub async fn works(hunter: &mut Hunter, what: &str) -> Result<()> {
    let tick = Box::pin(hunter.tick()).await.with_context(|| what.to_owned())?;
    ensure!(tick == Tick::Worked, "{what}: nothing was done");
    Ok(())
}
