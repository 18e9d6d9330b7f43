//! `zkaggle doctor`: what a node needs, found or missing.

use super::connect::net_config;
use super::doctor_backends;
use super::output::Output;
use crate::chain::{Chain, Deployment};
use crate::failure::{Code, Failure, code_of, sentence};
use crate::node_dir::CONFIG_FILE;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zkaggle_config::{Config, Loader, RpcUrl};
use zkaggle_net::{
    DiskBlockstore, IdentitySeed, KuboClient, MemoryBlockstore, Multiaddr, NetConfig, Network, StoreError,
};
use zkaggle_vault::Keystore;

/// Below this a node cannot keep what it fetches and proves.
const LEAST_DISK: u64 = 512 << 20;
/// Below this it soon will not.
const LITTLE_DISK: u64 = 5 << 30;
/// A clock further off than this misses windows; a block may be this old on a quiet chain.
const MOST_SKEW: u64 = 120;
/// How long one peer or endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a Kubo daemon listens unless told otherwise.
const KUBO: &str = "http://127.0.0.1:5001";

/// Flags of `zkaggle doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The node's folder; without it, the defaults and the environment are looked at.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Configuration file; `config.toml` in the folder by default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ok,
    /// Not set up and not needed by the settings.
    Absent,
    /// Works, and may not for long.
    Warning,
    /// The settings need it and it does not work.
    Broken,
}

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "-",
            Self::Warning => "warning",
            Self::Broken => "BROKEN",
        }
    }
}

/// One line of the report.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    pub state: State,
    found: String,
    #[serde(skip)]
    unreachable: bool,
}

#[derive(Default)]
pub(super) struct Report(pub Vec<Check>);

impl Report {
    pub(super) fn add(&mut self, name: &'static str, state: State, found: impl Into<String>) {
        self.0.push(Check {
            name,
            state,
            found: found.into(),
            unreachable: false,
        });
    }

    pub(super) fn broken(&mut self, name: &'static str, e: &anyhow::Error) {
        self.add(name, State::Broken, sentence(e));
        if let Some(check) = self.0.last_mut() {
            check.unreachable = code_of(e) == Code::Unreachable;
        }
    }
}

pub async fn run(args: DoctorArgs, out: Output) -> Result<()> {
    let mut report = Report::default();
    let dir = args.dir.as_deref();
    match settings(&args) {
        Ok((config, from)) => {
            report.add("settings", State::Ok, from);
            folder(&mut report, dir);
            machine(&mut report, dir, &config);
            keys(&mut report, dir, &config);
            chain(&mut report, &config).await;
            kubo(&mut report, &config).await;
            doctor_backends::programs(&mut report);
            network(&mut report, &config).await;
        }
        Err(e) => {
            report.broken("settings", &e);
            folder(&mut report, dir);
        }
    }
    let broken: Vec<&Check> = report.0.iter().filter(|c| c.state == State::Broken).collect();
    let code = match broken.iter().all(|c| c.unreachable) {
        true => Code::Unreachable,
        false => Code::Failed,
    };
    let failure = (!broken.is_empty()).then(|| {
        let names: Vec<_> = broken.iter().map(|c| c.name).collect();
        Failure::new(code, format!("not in order: {}", names.join(", ")))
    });
    let lines = report
        .0
        .iter()
        .map(|c| format!("{:<8} {:<12} {}", c.state.mark(), c.name, c.found));
    let text: Vec<_> = lines.collect();
    out.print(&report.0, &text.join("\n"))?;
    match failure {
        Some(e) => Err(e),
        None => Ok(()),
    }
}

fn settings(args: &DoctorArgs) -> Result<(Config, String)> {
    let mut loader = Loader::new()?;
    let file = args
        .config
        .clone()
        .or(args.dir.as_ref().map(|dir| dir.join(CONFIG_FILE)));
    let from = match file {
        Some(file) => {
            loader.file(&file)?;
            file.display().to_string()
        }
        None => "defaults; give --dir for a node's own".into(),
    };
    loader.environment(std::env::vars_os())?;
    Ok((loader.finish()?, from))
}

/// The node's folder: there, private, writable; its seed and its blocks.
fn folder(report: &mut Report, dir: Option<&Path>) {
    let Some(dir) = dir else {
        return report.add("folder", State::Absent, "none given");
    };
    match private_folder(dir) {
        Ok(found) => report.add("folder", State::Ok, found),
        Err(e) => return report.broken("folder", &e),
    }
    let seed = dir.join("seed.sealed");
    match (Keystore::exists(dir), mode(&seed)) {
        (false, _) => report.add(
            "keystore",
            State::Broken,
            format!(
                "no {}: make the node with `zkaggle init` or `zkaggle restore`",
                seed.display()
            ),
        ),
        (true, Ok(mode)) if mode & 0o077 != 0 => report.add(
            "keystore",
            State::Broken,
            format!("{} may be read by others (mode {mode:o}): chmod 600 it", seed.display()),
        ),
        (true, Ok(_)) => report.add(
            "keystore",
            State::Ok,
            format!("{}, sealed with a password", seed.display()),
        ),
        (true, Err(e)) => report.broken("keystore", &e),
    }
    let blocks = dir.join("blocks");
    if !blocks.join("format").exists() {
        return report.add("blocks", State::Absent, "none yet");
    }
    match DiskBlockstore::open(&blocks) {
        Ok(store) => {
            use zkaggle_net::Blockstore as _;
            let (held, damaged) = (store.list(), store.damaged());
            let bytes: u64 = held.iter().map(|b| b.size).sum();
            let found = format!("{} blocks, {} MiB", held.len(), bytes >> 20);
            match damaged.first() {
                None => report.add("blocks", State::Ok, found),
                Some((_, e)) => {
                    let found = format!("{found}; {} of unclear state, such as {e}", damaged.len());
                    report.add("blocks", State::Warning, found);
                }
            }
        }
        Err(StoreError::Locked { .. }) => report.add("blocks", State::Ok, "in use: a node runs in this folder"),
        Err(e) => report.broken("blocks", &e.into()),
    }
}

fn private_folder(dir: &Path) -> Result<String> {
    let mode = mode(dir)?;
    if !dir.is_dir() {
        anyhow::bail!("{} is no folder", dir.display());
    }
    if mode & 0o077 != 0 {
        anyhow::bail!("{} may be read by others (mode {mode:o}): chmod 700 it", dir.display());
    }
    tempfile::Builder::new()
        .prefix(".doctor-")
        .tempfile_in(dir)
        .with_context(|| format!("{} cannot be written", dir.display()))?;
    Ok(format!("{}, private and writable", dir.display()))
}

fn mode(path: &Path) -> Result<u32> {
    let found = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    Ok(found.permissions().mode() & 0o777)
}

/// Disk and memory.
fn machine(report: &mut Report, dir: Option<&Path>, config: &Config) {
    let place = dir.unwrap_or(Path::new("."));
    match rustix::fs::statvfs(place) {
        Ok(fs) => {
            let free = fs.f_bavail.saturating_mul(fs.f_frsize);
            let state = match free {
                0..LEAST_DISK => State::Broken,
                LEAST_DISK..LITTLE_DISK => State::Warning,
                _ => State::Ok,
            };
            let gib = free as f64 / (1u64 << 30) as f64;
            report.add("disk", state, format!("{gib:.1} GiB free at {}", place.display()));
        }
        Err(e) => report.broken("disk", &anyhow::Error::new(e).context(place.display().to_string())),
    }
    let need = config.prover.max_memory;
    match available_memory() {
        Some(free) => {
            let gib = free as f64 / (1u64 << 30) as f64;
            let found = format!("{gib:.1} GiB available, a proof may take {need} (prover.max_memory)");
            let enough = free >= need.0;
            report.add("memory", if enough { State::Ok } else { State::Warning }, found);
        }
        None => report.add("memory", State::Absent, "this system does not tell"),
    }
}

/// What the system could give to a new process, in bytes.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Proving and verifying keys, and the SRS they stand on.
fn keys(report: &mut Report, dir: Option<&Path>, config: &Config) {
    let folder = config.prover.keys_dir_in(dir.unwrap_or(Path::new(".")));
    let files = std::fs::read_dir(&folder).and_then(|entries| {
        let named = entries.map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.metadata()?.len()))));
        named.collect::<std::io::Result<Vec<_>>>()
    });
    match files {
        Ok(files) => {
            let bytes: u64 = files.iter().map(|(_, size)| size).sum();
            let empty: Vec<_> = files
                .iter()
                .filter(|(_, size)| *size == 0)
                .map(|(name, _)| name)
                .collect();
            let found = format!("{}: {} files, {} MiB", folder.display(), files.len(), bytes >> 20);
            match empty.first() {
                None => report.add("keys", State::Ok, found),
                Some(name) => {
                    let found = format!("{found}; {} is empty: delete it, it is made again", name.display());
                    report.add("keys", State::Warning, found);
                }
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let found = format!("no {} yet: the first proof makes its keys", folder.display());
            report.add("keys", State::Absent, found);
        }
        Err(e) => report.broken("keys", &anyhow::Error::new(e).context(folder.display().to_string())),
    }
    doctor_backends::srs(report, &folder);
}

/// Every endpoint by itself, the clock against the chain's, and the deployment.
async fn chain(report: &mut Report, config: &Config) {
    let id = config.chain.id;
    match config.chain.rpc_urls() {
        Ok(urls) if urls.is_empty() => report.add("chain", State::Absent, "chain.rpc_url is not set"),
        Ok(urls) => {
            for url in &urls {
                if let Err(e) = endpoint(report, url, id).await {
                    report.broken("chain", &e);
                }
            }
        }
        Err(e) => report.broken("chain", &e.into()),
    }
    match &config.chain.deployment {
        None => report.add("contracts", State::Absent, "chain.deployment is not set"),
        Some(path) => match Deployment::read(path) {
            Ok(d) if d.chain_id == id => {
                let found = format!("{}: {} contracts on chain {id}", path.display(), d.contracts.len());
                report.add("contracts", State::Ok, found);
            }
            Ok(d) => report.add(
                "contracts",
                State::Broken,
                format!("{} is for chain {}, chain.id is {id}", path.display(), d.chain_id),
            ),
            Err(e) => report.broken("contracts", &e),
        },
    }
}

async fn endpoint(report: &mut Report, url: &RpcUrl, id: u64) -> Result<()> {
    let started = Instant::now();
    let ask = async {
        let chain = Chain::connect_any(std::slice::from_ref(url), PrivateKeySigner::random(), Some(id)).await?;
        Ok::<_, anyhow::Error>((chain.head().await?, chain.now().await?))
    };
    let asked = tokio::time::timeout(PATIENCE, ask).await;
    let (head, time) = asked.unwrap_or_else(|_| {
        let late = format!("endpoint {url} does not answer within {} s", PATIENCE.as_secs());
        Err(Failure::new(Code::Unreachable, late))
    })?;
    let found = format!(
        "{url}: chain {id}, block {head}, answered in {} ms",
        started.elapsed().as_millis()
    );
    report.add("chain", State::Ok, found);
    // A development chain's time is moved at will.
    if !crate::chain::client::is_development(id) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let skew = now.abs_diff(time);
        let side = if time > now { "ahead of" } else { "behind" };
        let state = if skew > MOST_SKEW { State::Warning } else { State::Ok };
        report.add(
            "clock",
            state,
            format!("the newest block is {skew} s {side} this machine's clock"),
        );
    }
    Ok(())
}

/// The Kubo daemon that the settings name, or the one that is there anyway.
async fn kubo(report: &mut Report, config: &Config) {
    let needed = config.ipfs.kubo_url();
    let named = config.ipfs.api_url.as_ref().map(RpcUrl::expose);
    let asked = async {
        let client = KuboClient::new(needed.or(named).unwrap_or(KUBO))?;
        client.version().await
    };
    let shown = config.ipfs.api_url.as_ref().map_or(KUBO.into(), ToString::to_string);
    match asked.await {
        Ok(version) if needed.is_some() => report.add("kubo", State::Ok, format!("{version} at {shown}")),
        Ok(version) => {
            let found = format!(
                "{version} at {shown}, not used: ipfs.backend is \"{}\"",
                config.ipfs.backend
            );
            report.add("kubo", State::Ok, found);
        }
        Err(e) if needed.is_some() => report.broken("kubo", &e.into()),
        Err(_) => {
            let found = format!(
                "none at {shown}, not needed: ipfs.backend is \"{}\"",
                config.ipfs.backend
            );
            report.add("kubo", State::Absent, found);
        }
    }
}

/// Whether the listening addresses are free, and who of the bootstrap peers is there.
async fn network(report: &mut Report, config: &Config) {
    let net = match net_config(config, &[]) {
        Ok(net) => net,
        Err(e) => return report.broken("p2p", &e),
    };
    for address in &net.listen {
        match socket(address).map(TcpListener::bind) {
            Some(Ok(_)) => report.add("p2p", State::Ok, format!("{address} is free")),
            Some(Err(e)) if e.kind() == std::io::ErrorKind::AddrInUse => {
                let found = format!("{address} is in use: by this node if it runs, otherwise change p2p.listen");
                report.add("p2p", State::Warning, found);
            }
            Some(Err(e)) => report.add(
                "p2p",
                State::Broken,
                format!("{address}: {e}: change p2p.listen to an address of this machine"),
            ),
            None => report.add(
                "p2p",
                State::Broken,
                format!("{address} is no /ip4/…/tcp/… or /ip6/…/tcp/… address: change p2p.listen"),
            ),
        }
    }
    if net.bootstrap.is_empty() {
        return report.add(
            "peers",
            State::Absent,
            "p2p.bootstrap is empty: others must find this node",
        );
    }
    let (reached, all) = match reachable(&net).await {
        Ok(reached) => (reached, net.bootstrap.len()),
        Err(e) => return report.broken("peers", &e),
    };
    let found = format!("{reached} of {all} bootstrap peers answer");
    report.add("peers", if reached > 0 { State::Ok } else { State::Warning }, found);
}

/// Dials the bootstrap peers under a name for this once.
async fn reachable(net: &NetConfig) -> Result<usize> {
    let alone = NetConfig {
        listen: vec![],
        bootstrap: vec![],
        ..net.clone()
    };
    let identity = IdentitySeed::new(rand::random());
    let (network, mut events) = Network::start(alone, identity, Arc::new(MemoryBlockstore::new())).await?;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let dials = net
        .bootstrap
        .iter()
        .map(|peer| tokio::time::timeout(PATIENCE, network.dial(peer.clone())));
    let dialled = futures::future::join_all(dials).await;
    network.shutdown().await;
    Ok(dialled
        .into_iter()
        .filter(|dialled| matches!(dialled, Ok(Ok(_))))
        .count())
}

/// The socket behind a TCP address.
fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let text = address.to_string();
    match text.split('/').collect::<Vec<_>>().as_slice() {
        ["", "ip4", host, "tcp", port] => format!("{host}:{port}").parse().ok(),
        ["", "ip6", host, "tcp", port] => format!("[{host}]:{port}").parse().ok(),
        _ => None,
    }
}
