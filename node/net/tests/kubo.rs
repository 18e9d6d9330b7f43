//! Against a real Kubo daemon, named by `ZKAGGLE_KUBO`; see docs/network.md for how to build one.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{node, soon};
use tempfile::TempDir;
use zkaggle_net::{Content, KuboClient, KuboError, MemoryBlockstore, Multiaddr, PeerId, Visibility, cid_of};

/// A daemon of its own folder on loopback, alone: no bootstrap peers, no discovery. Killed on drop.
struct Kubo {
    binary: PathBuf,
    folder: TempDir,
    daemon: Child,
}

impl Kubo {
    /// `None`, with a printed line, when there is no binary to run.
    fn start() -> Option<Self> {
        let Some(binary) = std::env::var_os("ZKAGGLE_KUBO").map(PathBuf::from) else {
            println!("skipped: ZKAGGLE_KUBO does not name a Kubo binary (see docs/network.md)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        run(&binary, folder.path(), &["init", "--profile=test"]);
        let daemon = command(&binary, folder.path())
            .arg("daemon")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let kubo = Self { binary, folder, daemon };
        let started = Instant::now();
        while !kubo.folder.path().join("api").exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "the daemon did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(kubo)
    }

    fn api(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("api"))
            .unwrap()
            .trim()
            .to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        run(&self.binary, self.folder.path(), arguments)
    }

    fn id(&self) -> PeerId {
        String::from_utf8(self.run(&["id", "-f", "<id>"]))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    fn address(&self) -> Multiaddr {
        let text = String::from_utf8(self.run(&["id", "-f", "<addrs>"])).unwrap();
        let tcp = |line: &&str| line.starts_with("/ip4/127.0.0.1/tcp/") && !line.contains("/ws");
        text.lines()
            .find(tcp)
            .expect("a TCP address on loopback")
            .parse()
            .unwrap()
    }
}

impl Drop for Kubo {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env("IPFS_PATH", folder).env("IPFS_TELEMETRY", "off");
    command
}

fn run(binary: &Path, folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = command(binary, folder).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_go_through_the_rpc_endpoint_and_are_checked() {
    let Some(kubo) = Kubo::start() else { return };
    let client = KuboClient::new(&kubo.api())
        .unwrap()
        .with_fetch_patience(Duration::from_millis(1500));
    assert!(soon(client.version()).await.unwrap().starts_with("0."));
    let shard = vec![9; 122_880];
    let cid = soon(client.put_block(&shard)).await.unwrap();
    assert_eq!(cid, cid_of(&shard));
    assert_eq!(soon(client.get_block(&cid)).await.unwrap(), shard);
    assert!(
        String::from_utf8(kubo.run(&["pin", "ls"]))
            .unwrap()
            .contains(&cid.to_string()),
        "pinned"
    );
    let absent = soon(client.get_block(&cid_of(b"absent"))).await;
    assert!(
        matches!(absent, Err(KuboError::TimedOut { .. } | KuboError::Refused { .. })),
        "{absent:?}"
    );

    let content = Content::over_kubo(Arc::new(MemoryBlockstore::new()), client.clone());
    let sealed = content.seal(b"hold-out".to_vec()).await.unwrap();
    assert!(
        client.get_block(&sealed).await.is_err(),
        "sealed blocks never reach Kubo"
    );
    soon(content.release(sealed)).await.unwrap();
    assert_eq!(soon(client.get_block(&sealed)).await.unwrap(), b"hold-out");
    let published = soon(content.publish(b"training".to_vec())).await.unwrap();
    let elsewhere = Content::over_kubo(Arc::new(MemoryBlockstore::new()), client);
    assert_eq!(
        soon(elsewhere.fetch(published, &BTreeSet::new())).await.unwrap(),
        b"training"
    );
    assert!(elsewhere.store().has(&published));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_and_a_node_exchange_blocks_both_ways() {
    let Some(kubo) = Kubo::start() else { return };
    let node = node(1).await;
    let id = soon(node.network.dial(kubo.address())).await.unwrap();
    assert_eq!(id, kubo.id());

    let theirs = vec![5; 200_000];
    let client = KuboClient::new(&kubo.api()).unwrap();
    let cid = soon(client.put_block(&theirs)).await.unwrap();
    assert_eq!(
        soon(node.network.fetch(cid, &[id])).await.unwrap(),
        theirs,
        "from Kubo by bitswap"
    );

    let ours = vec![6; 200_000];
    let cid = node.store.put(&ours, Visibility::Public).unwrap();
    assert_eq!(soon(client.get_block(&cid)).await.unwrap(), ours, "to Kubo by bitswap");

    let sealed = node.store.put(b"hold-out", Visibility::Private).unwrap();
    let impatient = client.with_fetch_patience(Duration::from_millis(1500));
    assert!(
        impatient.get_block(&sealed).await.is_err(),
        "a sealed block is not served to Kubo either"
    );
    node.store.release(&sealed).unwrap();
    node.network.offer(&sealed);
    assert_eq!(soon(impatient.get_block(&sealed)).await.unwrap(), b"hold-out");
}
