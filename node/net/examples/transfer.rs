//! Moves one UnixFS file of 256 MiB between two nodes of this process and prints what it took.
//!
//! The same steps as `zkaggle bench bitswap`, without the prover and the contracts to build:
//!
//! ```text
//! cargo run --release -p zkaggle-net --example transfer -- disk 5
//! ```
//!
//! The first argument is where blocks are kept, `memory` or `disk` (below `TMPDIR`), the second the number of runs.

use std::{sync::Arc, time::Instant};

use zkaggle_ipld::build::{self, FileOptions};
use zkaggle_net::{
    Blockstore, Content, DagOptions, DiskBlockstore, IdentitySeed, MemoryBlockstore, NetConfig, Network, Visibility,
};

const FILE: usize = 256 << 20;
const SECONDS_PER_TICK: f64 = 0.01;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let on_disk = match arguments.next().as_deref() {
        Some("disk") => true,
        Some("memory") | None => false,
        Some(other) => return Err(format!("{other:?}: say memory or disk").into()),
    };
    let runs: u8 = arguments.next().map_or(Ok(3), |runs| runs.parse())?;
    let file = noise();
    let folder = tempfile::tempdir()?;
    for run in 0..runs {
        let store = |name: &str| -> Fallible<Arc<dyn Blockstore>> {
            if on_disk {
                return Ok(Arc::new(DiskBlockstore::open(
                    folder.path().join(format!("{name}-{run}")),
                )?));
            }
            Ok(Arc::new(MemoryBlockstore::new()))
        };
        // Nothing is deleted between runs: ext4 spends seconds of system time to avoid the inodes of files just deleted.
        transfer(&file, store("from")?, store("to")?).await?;
    }
    Ok(())
}

async fn transfer(file: &[u8], from: Arc<dyn Blockstore>, to: Arc<dyn Blockstore>) -> Fallible<()> {
    let mut keep = |cid, block: &[u8]| {
        from.put_block(&cid, block, Visibility::Public)
            .map_err(std::io::Error::other)
    };
    let root = build::add_file(file, &FileOptions::default(), &mut keep)?.cid;
    let start = |seed, store| Network::start(NetConfig::loopback(), IdentitySeed::new([seed; 32]), store);
    let (provider, _events) = start(1, from.clone()).await?;
    let (fetcher, _more_events) = start(2, to.clone()).await?;
    let address = provider.listen_addrs().await?.into_iter().next().ok_or("no address")?;
    fetcher.dial(address).await?;
    let content = Content::over_peers(to, fetcher.clone());
    let (started, (user, system)) = (Instant::now(), cpu_seconds());
    let done = content.fetch_dag(&[root], &DagOptions::default(), |_, _| ()).await?;
    let seconds = started.elapsed().as_secs_f64();
    let (user_after, system_after) = cpu_seconds();
    assert_eq!((done.file_bytes, done.resumed), (FILE as u64, 0));
    println!(
        "{seconds:.2} s, {:.0} MB/s, {:.2} + {:.2} CPU-s (user + system)",
        FILE as f64 / 1e6 / seconds,
        user_after - user,
        system_after - system,
    );
    fetcher.shutdown().await;
    provider.shutdown().await;
    Ok(())
}

/// Bytes without a pattern that a block, a disk or a cache could profit from.
fn noise() -> Vec<u8> {
    let mut state = 1u64;
    let mut bytes = Vec::with_capacity(FILE);
    while bytes.len() < FILE {
        // The step of SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes
}

/// User and system time of this process.
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The fields after the program's name, which may hold blanks.
    let fields: Vec<f64> = stat.rsplit(')').next().map_or_else(Vec::new, |rest| {
        rest.split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect()
    });
    let at = |index: usize| fields.get(index).copied().unwrap_or(0.0) * SECONDS_PER_TICK;
    (at(11), at(12))
}
