//! Chain, contracts, and funded nodes that know each other.

use crate::chain::market::Market;
use crate::chain::{Chain, Deployment, deploy};
use crate::node_dir::NodeDir;
use crate::progress::{Cost, Event, Reporter};
use crate::prover::Prover;
use crate::roles::Services;
use crate::roles::services::Peers;
use alloy::network::TransactionBuilder;
use alloy::primitives::U256;
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_net::NetConfig;

/// Ether each node starts with.
const FUNDS_ETHER: u64 = 10;

/// Where the chain is.
#[derive(Clone, Debug)]
pub enum ChainChoice {
    /// In this process.
    Embedded(DevNet),
    /// A development chain at an HTTP endpoint whose first test account is funded, such as anvil.
    Http(String),
}

impl ChainChoice {
    pub fn new(rpc_url: Option<String>) -> Self {
        rpc_url.map_or_else(|| Self::Embedded(DevNet::new(DevNetConfig::default())), Self::Http)
    }

    fn client(&self) -> Result<RpcClient> {
        match self {
            Self::Embedded(net) => Ok(net.client()),
            Self::Http(url) => {
                let url = url
                    .parse()
                    .map_err(|_| crate::failure::Failure::usage("--rpc-url is not a URL"))?;
                Ok(RpcClient::new_http(url).with_poll_interval(Duration::from_millis(100)))
            }
        }
    }

    /// An account on this chain.
    pub async fn connect(&self, signer: PrivateKeySigner) -> Result<Chain> {
        Chain::connect(self.client()?, signer, None).await
    }
}

/// The set-up shared by all nodes.
pub struct Stage {
    pub choice: ChainChoice,
    /// The funded account that deploys and pays the nodes their first ether.
    pub faucet: Chain,
    pub deployment: Deployment,
    pub prover: Arc<Prover>,
    dir: PathBuf,
    ipfs_api: Option<String>,
    events: mpsc::Sender<Event>,
}

impl Stage {
    /// Starts or joins the chain and deploys every contract.
    pub async fn set(
        choice: ChainChoice,
        dir: &Path,
        ipfs_api: Option<String>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self> {
        let report = Reporter::new("chain", events.clone());
        let prover = Prover::open(&dir.join("keys"))?;
        let accounts = DevNet::new(DevNetConfig::default());
        let key = accounts
            .accounts()
            .first()
            .context("the development chain has no accounts")?
            .signer();
        let faucet = choice.connect(key).await?;
        if !crate::chain::client::is_development(faucet.chain_id()) {
            return Err(crate::failure::Failure::refused(format!(
                "the endpoint serves chain {}; the demo plays on development chains (31337, 1337) only",
                faucet.chain_id()
            )));
        }
        let deployment = report
            .step("deploy the contracts", None, async {
                let srs = SrsPoints::development();
                let done = deploy::deploy(&faucet, &srs, None).await?;
                Ok((done.deployment, Cost::gas(done.gas)))
            })
            .await?;
        Ok(Self {
            choice,
            faucet,
            deployment,
            prover,
            dir: dir.to_owned(),
            ipfs_api,
            events,
        })
    }

    /// A node of its own: folder, seed, libp2p identity, blockstore, funded account.
    pub async fn node(&self, name: &str) -> Result<Services> {
        let dir = NodeDir::open(&self.dir.join("nodes").join(name))?;
        let seed = zkaggle_vault::Seed::generate().context("make a seed")?;
        let report = Reporter::new(name, self.events.clone());
        let chain = self.choice.connect(crate::identity::signer(&seed)?).await?;
        let fund = TransactionRequest::default()
            .with_to(chain.account())
            .with_value(U256::from(FUNDS_ETHER) * U256::from(10).pow(U256::from(18)));
        self.faucet.send_request("fund a node", fund).await?;
        let market = Market::open(chain, self.deployment.clone()).await?;
        let peers = Peers::start(&dir, &seed, NetConfig::loopback(), self.ipfs_api.as_deref()).await?;
        Ok(Services::new(dir, market, peers, self.prover.clone(), seed, report).with_proofs(self.dir.join("proofs")))
    }
}
