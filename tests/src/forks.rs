//! Real nodes on a chain that takes back what they did. The story ticks them one after another: nothing here depends
//! on how fast a machine is, or on which node is quicker.

use crate::world::Clock;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use alloy::rpc::types::TransactionRequest;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use zkaggle_graph::dataset::{Dataset, Options};
use zkaggle_graph::graph::Graph;
use zkaggle_graph::model::ModelFile;
use zkaggle_graph::weights::{Block, Weights};
use zkaggle_net::Visibility;
use zkaggle_node::bounty_file::BountyFile;
use zkaggle_node::chain::Caution;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::time::advance_to;
use zkaggle_node::demo::assets;
use zkaggle_node::demo::stage::{ChainChoice, Stage};
use zkaggle_node::import::{self, ModelImport};
use zkaggle_node::node::Role;
use zkaggle_node::roles::provider::Provider;
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
    clock: Clock,
}

impl Forks {
    /// Deploys the contracts on the chosen chain, whose clock can be moved.
    pub async fn set(choice: ChainChoice) -> Result<Self> {
        Self::by(choice, Clock::Warp).await
    }

    /// Deploys the contracts on the chosen chain; its first test account must be funded.
    pub async fn by(choice: ChainChoice, clock: Clock) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (events, mut told) = mpsc::channel(256);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let stage = Stage::set(choice, folder.path(), None, events).await?;
        Ok(Self { stage, folder, clock })
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
        let faucet = &self.stage.faucet;
        for _ in 0..blocks {
            match self.clock {
                Clock::Warp => {
                    let _: serde_json::Value = faucet.rpc().raw_request("evm_mine".into(), ()).await?;
                }
                Clock::Wait => {
                    let pay = TransactionRequest::default().with_to(faucet.account());
                    faucet.send_request("a block", pay).await?;
                }
            }
        }
        Ok(())
    }

    /// Moves the clock to a time, or lets blocks pass until it is there: each is a second after the one before at
    /// least.
    pub async fn to(&self, time: u64) -> Result<()> {
        if self.clock == Clock::Warp {
            return advance_to(&self.stage.faucet, time).await;
        }
        while self.stage.faucet.now().await? < time {
            self.mine(1).await?;
        }
        Ok(())
    }

    /// Writes a bounty down as its provider does, and reads it: the provider's role.
    pub fn posted(&self, node: &Services, terms: &Terms<'_>) -> Result<Role> {
        let path = self.dir().join(format!("{}.toml", terms.label));
        std::fs::write(&path, terms.text(self.clock))?;
        let (file, graphs) = BountyFile::read(&path)?;
        Ok(Role::Provider(Box::new(Provider::new(node.clone(), file, graphs))))
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

/// What a bounty file says that differs from story to story.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub label: &'a str,
    /// CID of the manifest.
    pub dataset: &'a str,
    pub threshold: &'a str,
    /// As TOML writes a list.
    pub prizes: &'a str,
    /// At least a tenth of them.
    pub bond: &'a str,
    /// Who may enter; anybody where it is empty.
    pub allowed: &'a [Address],
    /// Lines before the windows, and behind them.
    pub top: &'a str,
    pub end: &'a str,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Self {
            label: "digits",
            dataset: "",
            threshold: "80 %",
            prizes: "[\"1 ether\"]",
            bond: "0.1 ether",
            allowed: &[],
            top: "",
            end: "",
        }
    }
}

impl Terms<'_> {
    fn text(&self, clock: Clock) -> String {
        // Where the clock cannot be moved, every second of a window is a block: enough for proofs on a busy machine.
        let windows = match clock {
            Clock::Warp => ["6h", "1m", "1h", "2h", "6h", "24h"],
            Clock::Wait => ["4m", "2s", "3m", "3m", "10m", "4m"],
        };
        let [commit, gap, reveal, attest, prove, claim] = windows;
        let Self {
            label,
            dataset,
            threshold,
            prizes,
            bond,
            top,
            end,
            ..
        } = self;
        let allowed: Vec<String> = self.allowed.iter().map(|a| format!("\"{a}\"")).collect();
        let allowed = allowed.join(", ");
        format!(
            "format = \"zkaggle-bounty/1\"\nlabel = \"{label}\"\ndataset = \"{dataset}\"\nthreshold = \"{threshold}\"\n\
             prizes = {prizes}\nbond = \"{bond}\"\nstake = \"0.02 ether\"\narchitectures = [\"digits.graph\"]\n\
             allowed = [{allowed}]\n{top}\n\
             [windows]\ncommit = \"{commit}\"\ngap = \"{gap}\"\nreveal = \"{reveal}\"\nattest = \"{attest}\"\n\
             prove = \"{prove}\"\nclaim = \"{claim}\"\n{end}\n"
        )
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

/// The same network with its outputs of two classes exchanged: of the records of either it predicts the other, so that
/// it scores less under the same key.
pub fn confused(model: &ModelFile, a: usize, b: usize) -> Result<ModelFile> {
    let mut blocks: Vec<Block> = model.weights.blocks().to_vec();
    let last = blocks.last_mut().context("a network without weights")?;
    let inputs = last.w.len() / last.b.len();
    for i in 0..inputs {
        last.w.swap(a * inputs + i, b * inputs + i);
    }
    last.b.swap(a, b);
    Ok(ModelFile {
        graph: model.graph.clone(),
        weights: Weights::new(&model.graph, blocks)?,
    })
}
