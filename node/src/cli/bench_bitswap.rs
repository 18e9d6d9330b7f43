//! `zkaggle bench bitswap`: a 256 MiB file between two of our nodes, and between two Kubo daemons.
//!
//! Both pairs talk over TCP on loopback, in turns, three times each; the middle run counts. The file is the same
//! UnixFS file, cut as `ipfs add` cuts it. Ours once keeps blocks in memory, which leaves the exchange itself, and
//! once on disk, as Kubo does.

use super::bench::{Figure, cpu_seconds};
use super::doctor_backends::program;
use crate::measure::Measure;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zkaggle_ipld::build::{self, FileOptions};
use zkaggle_net::{
    Blockstore, Cid, Content, DagOptions, DiskBlockstore, IdentitySeed, MemoryBlockstore, NetConfig, Network,
    Visibility,
};

/// Bytes of the file.
const FILE: usize = 256 << 20;
/// Runs of each pair.
const RUNS: usize = 3;
/// How long a daemon may take to start.
const START: Duration = Duration::from_secs(60);

/// What one transfer cost.
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    peak_rss_mib: u64,
}

/// Measures both pairs; Kubo's is left out, with a line on stderr, where there is no Kubo.
pub async fn figures() -> Result<Vec<Figure>> {
    let file = tokio::task::spawn_blocking(noise).await?;
    let folder = tempfile::tempdir().context("a folder for stores")?;
    let kubo = match program("ZKAGGLE_KUBO", "ipfs") {
        Some(binary) => Some(KuboPair::start(&binary, folder.path())?),
        None => {
            eprintln!("SKIPPED: no Kubo to compare with: neither ZKAGGLE_KUBO nor `ipfs` on the path");
            None
        }
    };
    let (mut memory, mut disk, mut theirs) = (vec![], vec![], vec![]);
    for run in 0..RUNS {
        let in_memory = || Ok::<Arc<dyn Blockstore>, anyhow::Error>(Arc::new(MemoryBlockstore::new()));
        memory.push(
            ours(&file, in_memory()?, in_memory()?)
                .await
                .context("our nodes, in memory")?,
        );
        let on_disk = |name: &str| -> Result<Arc<dyn Blockstore>> {
            Ok(Arc::new(DiskBlockstore::open(
                folder.path().join(format!("{name}-{run}")),
            )?))
        };
        disk.push(
            ours(&file, on_disk("from")?, on_disk("to")?)
                .await
                .context("our nodes, on disk")?,
        );
        if let Some(kubo) = &kubo {
            theirs.push(kubo.run(&file, run)?);
        }
    }
    let mut figures = vec![
        figure("bitswap 256 MiB, two nodes, memory", memory)?,
        figure("bitswap 256 MiB, two nodes, disk", disk)?,
    ];
    if kubo.is_some() {
        figures.push(figure("bitswap 256 MiB, Kubo to Kubo", theirs)?);
    }
    Ok(figures)
}

/// The middle run by time.
fn figure(what: &'static str, mut runs: Vec<Run>) -> Result<Figure> {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let at = runs.len() / 2;
    let run = runs.into_iter().nth(at).context("no run")?;
    Ok(Figure {
        what,
        seconds: run.seconds,
        cpu_seconds: run.cpu_seconds,
        peak_rss_mib: run.peak_rss_mib,
        bytes: FILE,
        mb_per_second: Some(FILE as f64 / 1e6 / run.seconds),
        gas: None,
    })
}

/// Bytes without a pattern that a block, a disk or a cache could profit from.
fn noise() -> Vec<u8> {
    use rand::{RngCore, SeedableRng};
    let mut bytes = vec![0; FILE];
    rand::rngs::StdRng::seed_from_u64(1).fill_bytes(&mut bytes);
    bytes
}

/// One node has the file and another fetches it.
async fn ours(file: &[u8], from: Arc<dyn Blockstore>, to: Arc<dyn Blockstore>) -> Result<Run> {
    let mut keep = |cid: Cid, block: &[u8]| {
        from.put_block(&cid, block, Visibility::Public)
            .map_err(std::io::Error::other)
    };
    let root = build::add_file(file, &FileOptions::default(), &mut keep)?.cid;
    let start = |seed, store| Network::start(NetConfig::loopback(), IdentitySeed::new([seed; 32]), store);
    let (provider, _events) = start(1, from.clone()).await?;
    let (fetcher, _more_events) = start(2, to.clone()).await?;
    let address = provider
        .listen_addrs()
        .await?
        .into_iter()
        .next()
        .context("no address")?;
    fetcher.dial(address).await?;
    let content = Content::over_peers(to, fetcher.clone());

    let (measure, cpu) = (Measure::start(), cpu_seconds());
    let done = content.fetch_dag(&[root], &DagOptions::default(), |_, _| ()).await?;
    let run = Run {
        seconds: measure.seconds(),
        cpu_seconds: cpu_seconds() - cpu,
        peak_rss_mib: measure.peak_mib(),
    };
    ensure!(
        done.file_bytes == FILE as u64 && done.resumed == 0,
        "not the whole file travelled"
    );
    fetcher.shutdown().await;
    provider.shutdown().await;
    Ok(run)
}

/// Two Kubo daemons of their own folders on loopback, alone; killed on drop.
struct KuboPair {
    from: Kubo,
    to: Kubo,
    folder: PathBuf,
}

impl KuboPair {
    fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let from = Kubo::start(binary, folder.join("kubo-from"))?;
        let to = Kubo::start(binary, folder.join("kubo-to"))?;
        let addresses = from.run(&["id", "-f", "<addrs>"])?;
        let tcp = |line: &&str| line.starts_with("/ip4/127.0.0.1/tcp/") && !line.contains("/ws");
        let address = addresses.lines().find(tcp).context("Kubo listens nowhere")?;
        to.run(&["swarm", "connect", address])?;
        Ok(Self {
            from,
            to,
            folder: folder.to_owned(),
        })
    }

    /// Adds the file on one side and pins it on the other, which fetches it; each run has a file of its own.
    fn run(&self, file: &[u8], run: usize) -> Result<Run> {
        let path = self.folder.join("file");
        let mut own = file.to_vec();
        // One byte in every block, so that no block is known from an earlier run.
        own.iter_mut().step_by(4096).for_each(|byte| *byte ^= run as u8 + 1);
        std::fs::write(&path, own)?;
        let path = path.to_str().context("a path that is not text")?;
        let root = self.from.run(&["add", "-Q", "--cid-version=1", "--raw-leaves", path])?;
        let (started, cpu) = (Instant::now(), self.cpu_seconds());
        self.to.run(&["pin", "add", "--progress=false", root.trim()])?;
        Ok(Run {
            seconds: started.elapsed().as_secs_f64(),
            cpu_seconds: self.cpu_seconds() - cpu,
            peak_rss_mib: (self.from.peak_kib() + self.to.peak_kib()) / 1024,
        })
    }

    fn cpu_seconds(&self) -> f64 {
        [&self.from, &self.to]
            .map(|kubo| super::bench::cpu_seconds_of(&kubo.daemon.id().to_string()))
            .iter()
            .sum()
    }
}

struct Kubo {
    binary: PathBuf,
    folder: PathBuf,
    daemon: Child,
}

impl Kubo {
    fn start(binary: &Path, folder: PathBuf) -> Result<Self> {
        let init = command(binary, &folder)
            .args(["init", "--profile=test"])
            .output()
            .context("run Kubo")?;
        ensure!(
            init.status.success(),
            "ipfs init: {}",
            String::from_utf8_lossy(&init.stderr)
        );
        let daemon = command(binary, &folder)
            .arg("daemon")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let kubo = Self {
            binary: binary.to_owned(),
            folder,
            daemon,
        };
        let started = Instant::now();
        while !kubo.folder.join("api").exists() {
            ensure!(started.elapsed() < START, "the Kubo daemon did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(kubo)
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = command(&self.binary, &self.folder)
            .args(arguments)
            .output()
            .context("run Kubo")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ipfs {}: {error}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Peak memory of the daemon since it started, in KiB.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Kubo {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env("IPFS_PATH", folder).env("IPFS_TELEMETRY", "off");
    command
}
