//! Real nodes on a chain that takes back what they did. The story ticks them one after another: nothing here depends
//! on how fast a machine is, or on which node is quicker.

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use zkaggle_graph::dataset::{Dataset, Options};
use zkaggle_graph::graph::Graph;
use zkaggle_graph::model::ModelFile;
use zkaggle_net::Visibility;
use zkaggle_node::chain::Caution;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::time::advance_to;
use zkaggle_node::demo::assets;
use zkaggle_node::demo::stage::{ChainChoice, Stage};
use zkaggle_node::import::{self, ModelImport};
use zkaggle_node::node::Role;
use zkaggle_node::roles::{Services, Tick};

/// How deep these nodes let a block lie before they act on what cannot be taken back.
pub const CONFIRMATIONS: u64 = 3;
/// Longest wait for what must come; a story that is stuck ends here.
const PATIENCE: Duration = Duration::from_secs(900);
/// Failures of one node in a row that a story bears: a running node tries again as well.
const MOST_FAILURES: u32 = 6;

/// A stage with its folder.
pub struct Forks {
    pub stage: Stage,
    folder: TempDir,
    /// Whether phases are taken back. Anvil's `evm_revert` leaves its base fee where it was, and what nodes sent again
    /// was seen to wait there for minutes: re-orgs are played on the embedded chain.
    forks: bool,
}

impl Forks {
    /// Deploys the contracts on the chosen chain.
    pub async fn set(choice: ChainChoice) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let forks = matches!(choice, ChainChoice::Embedded(_));
        let (events, mut told) = mpsc::channel(256);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let stage = Stage::set(choice, folder.path(), None, events).await?;
        Ok(Self { stage, folder, forks })
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// A funded node that waits for depth.
    pub async fn node(&self, name: &str) -> Result<Services> {
        let mut node = self.stage.node(name).await?;
        let chain = node.market.chain().clone();
        let caution = Caution {
            confirmations: CONFIRMATIONS,
            ..*chain.caution()
        };
        node.market = Market::open(chain.with_caution(caution), node.market.deployment().clone()).await?;
        Ok(node)
    }

    /// Lets blocks pass with nothing in them.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        for _ in 0..blocks {
            let rpc = self.stage.faucet.rpc();
            let _: serde_json::Value = rpc.raw_request("evm_mine".into(), ()).await?;
        }
        Ok(())
    }

    /// Moves the clock to a time.
    pub async fn to(&self, time: u64) -> Result<()> {
        advance_to(&self.stage.faucet, time).await
    }

    /// Lets the nodes act in turn until `there`; while nobody has anything to do, blocks pass.
    pub async fn play(&self, nodes: &mut [&mut Role], what: &str, there: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let since = Instant::now();
        let mut failures = vec![0; nodes.len()];
        loop {
            let mut worked = false;
            for (node, failed) in nodes.iter_mut().zip(&mut failures) {
                // Boxed: unoptimised, the whole of a tick does not fit a test's stack beside the story's.
                match Box::pin(node.tick()).await {
                    Ok(tick) => {
                        *failed = 0;
                        worked |= tick == Tick::Worked;
                    }
                    Err(e) => {
                        *failed += 1;
                        println!("until {what}: will try again: {e:#}");
                        ensure!(*failed < MOST_FAILURES, "until {what}: {e:#}");
                    }
                }
                if there().await? {
                    return Ok(());
                }
            }
            if since.elapsed() > PATIENCE {
                bail!("gave up waiting until {what}");
            }
            if !worked {
                self.mine(1).await?;
            }
        }
    }

    /// As [`Self::play`], then takes everything back that happened, as a re-org does, and plays it again.
    pub fn twice<'a, 'b: 'a>(
        &'a self,
        nodes: &'a mut [&'b mut Role],
        what: &'a str,
        there: impl AsyncFn() -> Result<bool> + 'a,
    ) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>> {
        Box::pin(async move {
            if !self.forks {
                return Box::pin(self.play(nodes, what, &there)).await;
            }
            let rpc = self.stage.faucet.rpc();
            let before: U256 = rpc.raw_request("evm_snapshot".into(), ()).await?;
            Box::pin(self.play(nodes, what, &there)).await?;
            let wound: bool = rpc.raw_request("evm_revert".into(), (before,)).await?;
            ensure!(wound, "the chain did not go back");
            ensure!(!there().await?, "{what}: the re-org took nothing away");
            // Another fork: its blocks have other hashes and times.
            self.mine(1).await?;
            let again = Box::pin(self.play(nodes, what, &there)).await;
            again.with_context(|| format!("after the re-org, until {what}"))
        })
    }
}

/// The first records of the digits' hold-out, in shards of 64, sealed on a node.
pub async fn sealed(node: &Services, shards: usize) -> Result<Dataset> {
    let schema = assets::schema();
    let bytes = assets::HOLDOUT
        .get(..64 * shards * schema.record_bytes())
        .context("records")?;
    let options = Options {
        name: assets::NAME.into(),
        licence: assets::LICENCE.into(),
        per_shard: Some(64),
    };
    let dataset = Dataset::from_records(schema, bytes, options)?;
    node.store(&dataset, Visibility::Private).await?;
    Ok(dataset)
}

/// Imports the digits' network for shards of at most this many records; its file and its architecture.
pub fn model(node: &Services, samples: u32) -> Result<(PathBuf, Graph)> {
    let path = node.dir.root().join(format!("model-{samples}.zkm"));
    let imported = import::model(&ModelImport {
        onnx: assets::MODEL,
        schema: assets::schema(),
        calibration: assets::TRAIN,
        samples,
        method: zkaggle_graph::quantize::Method::Mse,
    })?;
    imported.file.write(&path)?;
    Ok((path.clone(), ModelFile::read(&path)?.graph))
}
