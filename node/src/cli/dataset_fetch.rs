//! `zkaggle dataset fetch`: a dataset, or any IPFS file or folder, from whoever has it.

use super::connect::{multiaddr, net_config};
use super::output::Output;
use crate::dataset;
use crate::failure::{Code, Failure};
use crate::node_dir::{CONFIG_FILE, NodeDir};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zkaggle_config::{Config, Loader};
use zkaggle_graph::dataset::Manifest;
use zkaggle_ipld::chain::MANIFEST;
use zkaggle_net::{
    Blockstore, Cid, Content, DagOptions, DagProgress, DiskBlockstore, IdentitySeed, KuboClient, NetConfig, Network,
};

/// Flags of `zkaggle dataset fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// A dataset's manifest or folder, or the root of any IPFS file or folder; CID version 0 or 1.
    pub cid: String,
    /// The node's folder; it may be new.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Peer to ask, as `/ip4/…/tcp/…/p2p/…`; repeatable. The settings' bootstrap peers are asked as well.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<String>,
    /// Fetch through this Kubo RPC endpoint instead of peers.
    #[arg(long, value_name = "URL", conflicts_with = "peer")]
    pub ipfs_api: Option<String>,
    /// How long one block may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Most bytes of files to accept, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 65_536, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub max_size: u64,
    /// Keep the blocks for good; without it they are copies, which clearing up may delete.
    #[arg(long)]
    pub pin: bool,
}

pub async fn run(args: FetchArgs, out: Output) -> Result<()> {
    let root: Cid = args
        .cid
        .parse()
        .map_err(|e| Failure::usage(format!("{:?} is not a CID: {e}", args.cid)))?;
    let root = zkaggle_net::block::normal(&root);
    let config = settings(&args)?;
    let dir = NodeDir::open(&args.dir)?;
    let store = Arc::new(DiskBlockstore::open(dir.blocks())?);
    let kubo = args.ipfs_api.as_deref().or(config.ipfs.kubo_url());
    let here = {
        let store = store.clone();
        tokio::task::spawn_blocking(move || store.has(&root)).await?
    };
    let (content, network) = match kubo {
        Some(url) => {
            let client = KuboClient::new(url)?;
            if !here {
                client.version().await?;
            }
            (Content::over_kubo(store.clone(), client), None)
        }
        None => {
            let network = join(&args, &config, store.clone(), here).await?;
            (Content::over_peers(store.clone(), network.clone()), Some(network))
        }
    };
    let fetched = fetch(&args, &content, root).await;
    if let Some(network) = network {
        network.shutdown().await;
    }
    let fetched = fetched?;
    let done = &fetched.progress;
    let text = format!(
        "{root}: {} blocks, {:.1} MiB, {} of them here before, in {:.1} s{}",
        done.blocks,
        mib(done.bytes),
        done.resumed,
        fetched.seconds,
        match &fetched.dataset {
            Some((name, n, shards)) => format!("\ndataset {name:?}, {n} records in {shards} shards"),
            None => format!("\n{} files of {:.1} MiB", done.files, mib(done.file_bytes)),
        }
    );
    let dataset = fetched
        .dataset
        .as_ref()
        .map(|(name, n, shards)| json!({ "name": name, "n": n, "shards": shards }));
    let document = json!({
        "cid": root.to_string(), "blocks": done.blocks, "bytes": done.bytes, "resumed": done.resumed,
        "files": done.files, "seconds": fetched.seconds, "pinned": args.pin, "dataset": dataset,
    });
    out.print(&document, &text)
}

/// The folder's settings where it has any, the defaults otherwise.
fn settings(args: &FetchArgs) -> Result<Config> {
    let mut loader = Loader::new()?;
    let file = args.dir.join(CONFIG_FILE);
    if file.exists() {
        loader.file(&file)?;
    }
    loader.environment(std::env::vars_os())?;
    Ok(loader.finish()?)
}

/// Joins the network under a name for this once: fetching needs no secret of the node's.
async fn join(args: &FetchArgs, config: &Config, store: Arc<DiskBlockstore>, here: bool) -> Result<Network> {
    let net = NetConfig {
        listen: vec![],
        ..net_config(config, &[])?
    };
    if net.bootstrap.is_empty() && args.peer.is_empty() && !here {
        return Err(Failure::usage(
            "nobody to ask: give --peer or --ipfs-api, or set p2p.bootstrap in the node's config.toml",
        ));
    }
    let peers = args.peer.iter().map(|a| multiaddr(a)).collect::<Result<Vec<_>>>()?;
    let bootstrap = net.bootstrap.len();
    let identity = IdentitySeed::new(rand::random());
    let (network, mut events) = Network::start(net, identity, store).await?;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let mut failure = None;
    let mut reached = 0;
    for peer in peers {
        match network.dial(peer).await {
            Ok(_) => reached += 1,
            Err(e) => {
                tracing::warn!("{e}");
                failure = Some(e);
            }
        }
    }
    // With others to ask, a peer that is away is no reason to end.
    match failure {
        Some(e) if reached == 0 && bootstrap == 0 && !here => {
            network.shutdown().await;
            Err(Failure::new(Code::Unreachable, e.to_string()))
        }
        _ => Ok(network),
    }
}

struct Fetched {
    progress: DagProgress,
    seconds: f64,
    /// Name, records and shards, when the root is a manifest or a folder with one.
    dataset: Option<(String, u64, usize)>,
}

async fn fetch(args: &FetchArgs, content: &Content, root: Cid) -> Result<Fetched> {
    let started = Instant::now();
    let mut options = DagOptions {
        patience: Duration::from_secs(args.timeout),
        ..DagOptions::default()
    };
    options.limits.bytes = args.max_size << 20;
    let mut meter = Meter::new();
    let mut cids = Fetches::default();
    let mut progress = fetch_roots(content, &[root], &options, &mut meter, &mut cids).await?;
    // One raw block may be a manifest, whose shards are named in it.
    let manifest = match progress.blocks {
        1 => manifest(content, root).await?,
        _ => None,
    };
    if let Some(manifest) = &manifest {
        let size: u64 = manifest.shards().iter().map(|s| u64::from(s.bytes)).sum();
        if size > options.limits.bytes {
            return Err(Failure::refused(format!(
                "the dataset has {:.0} MiB, --max-size allows {}",
                mib(size),
                args.max_size
            )));
        }
        let shards: Vec<Cid> = manifest.shards().iter().map(|s| s.cid).collect();
        meter.before = progress;
        let more = fetch_roots(content, &shards, &options, &mut meter, &mut cids).await?;
        progress.blocks += more.blocks;
        progress.bytes += more.bytes;
        progress.resumed += more.resumed;
    }
    meter.end();
    let manifest = match manifest {
        None => in_folder(content, root, cids.manifest).await?,
        manifest => manifest,
    };
    if args.pin {
        let store = content.store().clone();
        let pinned =
            tokio::task::spawn_blocking(move || cids.all.iter().try_for_each(|cid| store.set_pinned(cid, true)));
        pinned.await.context("pin the blocks")??;
    }
    Ok(Fetched {
        progress,
        seconds: started.elapsed().as_secs_f64(),
        dataset: manifest.map(|m| (m.name().to_owned(), m.n(), m.shards().len())),
    })
}

/// The blocks of a fetch.
#[derive(Default)]
struct Fetches {
    all: Vec<Cid>,
    /// The first block of the root folder's file of the manifest's name.
    manifest: Option<Cid>,
}

async fn fetch_roots(
    content: &Content,
    roots: &[Cid],
    options: &DagOptions,
    meter: &mut Meter,
    cids: &mut Fetches,
) -> Result<DagProgress> {
    let fetched = content.fetch_dag(roots, options, |item, now| {
        cids.all.push(item.cid);
        if item.path == MANIFEST {
            cids.manifest = Some(item.cid);
        }
        meter.show(now);
    });
    match fetched.await {
        Ok(done) => Ok(done),
        Err(e) => {
            meter.end();
            Err(anyhow::Error::new(e).context("what has arrived stays; the same command goes on from there"))
        }
    }
}

/// The block as a manifest, when it is one.
async fn manifest(content: &Content, root: Cid) -> Result<Option<Manifest>> {
    let store = content.store().clone();
    let bytes = tokio::task::spawn_blocking(move || store.get(&root)).await??;
    Ok(bytes.and_then(|bytes| Manifest::from_bytes(&bytes).ok()))
}

/// Compares a folder that was fetched with the manifest in it, if one block of it is one.
///
/// # Errors
/// Names the leaf that is not the manifest's: what has arrived stays, but is no dataset.
async fn in_folder(content: &Content, root: Cid, found: Option<Cid>) -> Result<Option<Manifest>> {
    let Some(cid) = found else { return Ok(None) };
    // Any folder may hold a file of this name.
    let Some(manifest) = manifest(content, cid).await? else {
        return Ok(None);
    };
    let store = content.store().clone();
    let checked = tokio::task::spawn_blocking(move || {
        dataset::check_root(store.as_ref(), root, &manifest)?;
        anyhow::Ok(manifest)
    });
    let checked = checked.await.context("read the folder")?;
    let manifest = checked.map_err(|e| {
        Failure::refused(format!(
            "{root} has arrived whole and is not the dataset that its {MANIFEST} describes ({e:#}); it is not pinned"
        ))
    })?;
    Ok(Some(manifest))
}

/// A line on the terminal, rewritten a few times a second; nothing where stderr is no terminal.
struct Meter {
    visible: bool,
    started: Instant,
    shown: Option<Instant>,
    /// What an earlier part of the fetch had done.
    before: DagProgress,
}

impl Meter {
    fn new() -> Self {
        Self {
            visible: std::io::stderr().is_terminal(),
            started: Instant::now(),
            shown: None,
            before: DagProgress::default(),
        }
    }

    fn show(&mut self, now: &DagProgress) {
        let recent = self.shown.is_some_and(|at| at.elapsed() < Duration::from_millis(200));
        if !self.visible || recent || self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.shown = Some(Instant::now());
        let bytes = self.before.bytes + now.bytes;
        let line = format!(
            "{} blocks, {:.1} MiB, {:.1} MiB/s, {} under way",
            self.before.blocks + now.blocks,
            mib(bytes),
            mib(bytes) / self.started.elapsed().as_secs_f64().max(0.001),
            now.pending
        );
        // A terminal that is gone shows nothing; the fetch goes on.
        let _ = write!(std::io::stderr(), "\r{line:<78}");
    }

    fn end(&self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r{:<78}\r", "");
        }
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
