//! Lets the nodes act, moves the clock between phases, and collects what is left behind.

use super::assets;
use super::stage::{ChainChoice, Stage};
use super::summary::{ContractSize, FORMAT, Summary};
use crate::bounty_file::BountyFile;
use crate::chain::states::{EntryState, Phase};
use crate::chain::time::advance_to;
use crate::failure::Failure;
use crate::import::{self, ModelImport};
use crate::measure::Measure;
use crate::node::{Pace, Role, run as run_node};
use crate::progress::{Cost, Event, Reporter, Step};
use crate::roles::Services;
use crate::roles::hunter::Hunter;
use crate::roles::provider::{Opened, Provider};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::model::ModelFile;
use zkaggle_tui::timeline::{Running, Screen};

/// How the demo is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything is left; made if it is not there.
    pub dir: PathBuf,
    /// A development chain to play on instead of the embedded one.
    pub rpc_url: Option<String>,
    /// A Kubo RPC endpoint for publishing and fetching.
    pub ipfs_api: Option<String>,
    /// Use only the first records of the hold-out; `None`: all 360.
    pub samples: Option<usize>,
}

/// Longest wait for the nodes to reach the next phase.
const PATIENCE: Duration = Duration::from_secs(900);
const HUNTERS: [&str; 2] = ["hunter-1", "hunter-2"];

/// Plays the story and returns what came out; artefacts are in `options.dir`.
pub async fn run(options: Options) -> Result<Summary> {
    let (tx, rx) = mpsc::channel(256);
    let screen = tokio::spawn(watch(rx));
    let measure = Measure::start();
    let told = tell(&options, tx).await;
    // Every sender is gone now, so the screen ends by itself.
    let steps = screen.await.context("the timeline ended early")?;
    let mut summary = told?;
    summary.seconds = measure.seconds();
    summary.peak_rss_mib = measure.peak_mib();
    summary.steps = steps;
    let mut text = serde_json::to_string_pretty(&summary)?;
    text.push('\n');
    crate::files::write_atomic(&options.dir.join("summary.json"), text.as_bytes())?;
    Ok(summary)
}

/// Shows events and keeps the finished steps.
async fn watch(mut events: mpsc::Receiver<Event>) -> Vec<Step> {
    let mut screen = Screen::open();
    let mut steps = vec![];
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            e = events.recv() => match e {
                None => break,
                Some(Event::Started { who, name, expected }) => {
                    screen.start(Running { name, who, since: Instant::now(), expected });
                }
                Some(Event::Finished(step)) => {
                    screen.finish(&step);
                    steps.push(step);
                }
                Some(Event::Failed { who, name, reason }) => {
                    screen.print(&format!("{:>8}  {who:<9} {name}: {reason}", "FAILED"));
                }
                Some(Event::Note { who, text }) => screen.print(&format!("{:>8}  {who:<9} {text}", "")),
            },
            _ = tick.tick() => screen.tick(),
        }
    }
    screen.close();
    steps
}

async fn tell(options: &Options, events: mpsc::Sender<Event>) -> Result<Summary> {
    let dir = &options.dir;
    for d in ["proofs", "keys", "model", "nodes"] {
        std::fs::create_dir_all(dir.join(d)).with_context(|| format!("create {}", dir.join(d).display()))?;
    }
    ensure!(
        std::fs::read_dir(dir.join("nodes"))?.next().is_none(),
        Failure::usage(format!(
            "{} holds an earlier run; give another --dir or remove it",
            dir.display()
        ))
    );
    let choice = ChainChoice::new(options.rpc_url.clone());
    let stage = Stage::set(choice, dir, options.ipfs_api.clone(), events.clone()).await?;
    let provider = stage.node("provider").await?;
    let hunters = [stage.node(HUNTERS[0]).await?, stage.node(HUNTERS[1]).await?];
    let home = provider.peers.address().await?;
    for h in &hunters {
        h.peers.network.dial(home.clone()).await?;
    }

    // What people do before nodes take over: import data and models, write the bounty down.
    let dataset = import_holdout(&provider, options.samples).await?;
    let mut models = vec![];
    for (h, onnx) in hunters.iter().zip([assets::MODEL, assets::MODEL_WEAK]) {
        models.push(import_model(h, onnx, &dataset).await?);
    }
    let bounty = write_bounty(dir, &dataset, &models[0]).await?;

    // From here on the nodes act by themselves.
    let stop = CancellationToken::new();
    let mut nodes = JoinSet::new();
    let (file, graphs) = BountyFile::read(&bounty)?;
    let mut spawn = |role, report: Reporter| {
        nodes.spawn(run_node(role, report, Pace::story(), stop.clone()));
    };
    spawn(
        Role::Provider(Box::new(Provider::new(provider.clone(), file, graphs))),
        provider.report.clone(),
    );
    for (h, model) in hunters.iter().zip(models) {
        spawn(
            Role::Hunter(Box::new(Hunter::new(h.clone(), Some(model)))),
            h.report.clone(),
        );
    }
    let outcome = tokio::select! {
        r = direct(&stage, &provider, &hunters) => r,
        r = first_failure(&mut nodes) => r,
    };
    if outcome.is_ok() {
        // The last acts, withdrawals, need no clock: the nodes end when they are done.
        let ended = tokio::time::timeout(PATIENCE, async {
            while let Some(r) = nodes.join_next().await {
                r.context("a node panicked")??;
            }
            anyhow::Ok(())
        });
        ended.await.context("the nodes did not finish withdrawing")??;
    }
    stop.cancel();
    nodes.shutdown().await;
    let summary = match outcome {
        Ok(()) => conclude(dir, &provider, &dataset).await,
        Err(e) => Err(e),
    };
    for s in [&provider, &hunters[0], &hunters[1]] {
        s.peers.network.shutdown().await;
    }
    summary
}

async fn first_failure(nodes: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(r) = nodes.join_next().await {
        r.context("a node panicked")??;
    }
    // All ended well before the director did: nothing failed, let it finish.
    std::future::pending().await
}

async fn import_holdout(provider: &Services, samples: Option<usize>) -> Result<Dataset> {
    let record = assets::schema().record_bytes();
    let bytes = match samples {
        Some(n) => assets::HOLDOUT
            .get(..n * record)
            .ok_or_else(|| Failure::usage(format!("the hold-out has {} samples", assets::HOLDOUT.len() / record)))?,
        None => assets::HOLDOUT,
    };
    provider
        .report
        .step("import the hold-out, sealed", None, async {
            let d = import::dataset(assets::schema(), bytes, assets::NAME, assets::LICENCE)?;
            provider.store(&d, zkaggle_net::Visibility::Private).await?;
            Ok((d, Cost::bytes(bytes.len())))
        })
        .await
}

async fn import_model(h: &Services, onnx: &[u8], dataset: &Dataset) -> Result<PathBuf> {
    let path = h.dir.root().join("model.zkm");
    let imported = h
        .report
        .step("import and quantise a private model", None, async {
            let m = import::model(&ModelImport {
                onnx,
                schema: dataset.schema().clone(),
                calibration: assets::TRAIN,
                samples: dataset.manifest().largest_shard(),
                method: zkaggle_graph::quantize::Method::Mse,
            })?;
            m.file.write(&path)?;
            let cost = Cost::bytes(m.file.weights.to_bytes().len());
            Ok((m, cost))
        })
        .await?;
    h.report
        .note(import::sentence(&imported.report, "its training data"))
        .await;
    Ok(path)
}

async fn write_bounty(dir: &Path, dataset: &Dataset, model: &Path) -> Result<PathBuf> {
    let graph = ModelFile::read(model)?.graph;
    let arch = dir.join("digits.graph");
    crate::files::write_atomic(&arch, graph.text().as_bytes())?;
    let text = format!(
        "# Posted by the demo's provider. Windows are long: the story moves the chain's clock.\n\
         format = \"{}\"\n\
         label = \"digits\"\n\
         mode = \"sealed\"\n\
         dataset = \"{}\"\n\
         threshold = \"90 %\"\n\
         prizes = [\"1 ether\"]\n\
         bond = \"0.1 ether\"\n\
         stake = \"0.02 ether\"\n\
         architectures = [\"digits.graph\"]\n\n\
         [windows]\n\
         commit = \"1h\"\n\
         gap = \"1m\"\n\
         reveal = \"1h\"\n\
         attest = \"2h\"\n\
         prove = \"6h\"\n\
         claim = \"24h\"\n",
        crate::bounty_file::FORMAT,
        dataset.manifest().cid()
    );
    let path = dir.join("bounty.toml");
    crate::files::write_atomic(&path, text.as_bytes())?;
    Ok(path)
}

/// Watches the chain, and moves its clock once everyone has acted in a phase.
async fn direct(stage: &Stage, provider: &Services, hunters: &[Services; 2]) -> Result<()> {
    let market = &provider.market;
    let id = until("the bounty is posted", || async {
        let count = market.count().await?;
        Ok((count > 0).then_some(count))
    })
    .await?;
    until("both hunters have committed", || async {
        Ok((market.bounty(id).await?.entrants as usize == hunters.len()).then_some(()))
    })
    .await?;
    let b = market.bounty(id).await?;
    advance_to(
        &stage.faucet,
        b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap),
    )
    .await?;

    until("the hold-out is revealed and attested", || async {
        Ok((market.phase(id).await? == Phase::Prove).then_some(()))
    })
    .await?;
    until("both hunters have proved", || async {
        for h in hunters {
            let entry = market.entry(id, h.market.chain().account(), 0).await?;
            if entry.is_none_or(|e| e.state == EntryState::Committed as u8) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    let (start, _) = market.round(id).await?.context("Prove has no end")?;
    advance_to(&stage.faucet, start).await?;

    until("the bounty is closed", || async {
        Ok((market.bounty(id).await?.settled != Phase::None as u8).then_some(()))
    })
    .await
}

async fn until<T, F: Future<Output = Result<Option<T>>>>(what: &str, mut ask: impl FnMut() -> F) -> Result<T> {
    let since = Instant::now();
    loop {
        if let Some(x) = ask().await? {
            return Ok(x);
        }
        if since.elapsed() > PATIENCE {
            bail!("gave up waiting until {what}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Reads what the provider opened and checks the story's claim.
async fn conclude(dir: &Path, provider: &Services, dataset: &Dataset) -> Result<Summary> {
    let mut report = None;
    for f in std::fs::read_dir(provider.dir.opened())? {
        let path = f?.path();
        if path.extension().is_some_and(|e| e == "json") {
            report = Some(serde_json::from_str::<Opened>(&std::fs::read_to_string(&path)?)?);
        }
    }
    let report = report.context("the provider opened no claim")?;
    let opened = provider.dir.opened().join(&report.model);
    crate::files::write_private(&dir.join("model").join("opened.zkm"), &std::fs::read(opened)?)?;
    crate::files::write_atomic(
        &dir.join("model").join("opened.json"),
        (serde_json::to_string_pretty(&report)? + "\n").as_bytes(),
    )?;
    ensure!(
        report.results_match,
        "the opened model does not give the results hashes that were proved"
    );
    ensure!(
        report.score_reopened == report.score_proved,
        "the opened model scores {} and not {}",
        report.score_reopened,
        report.score_proved
    );
    ensure!(
        u64::from(report.n) == dataset.n(),
        "{} samples were evaluated, the hold-out has {}",
        report.n,
        dataset.n()
    );
    let mut contracts = vec![];
    for a in zkaggle_bindings::ARTIFACTS {
        contracts.push(ContractSize {
            name: a.name.to_owned(),
            bytes: a.deployed_bytes()?,
        });
    }
    let share = |c: u32| f64::from(c) / f64::from(report.n);
    Ok(Summary {
        format: FORMAT.into(),
        score: report.score_proved,
        n: report.n,
        accuracy_proved: share(report.score_proved),
        accuracy_reopened: share(report.score_reopened),
        results_match: report.results_match,
        seconds: 0.0,
        peak_rss_mib: 0,
        steps: vec![],
        contracts,
    })
}
