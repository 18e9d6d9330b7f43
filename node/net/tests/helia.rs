//! Against a real Helia node: `ZKAGGLE_HELIA` names a copy of tests/helia with its packages installed.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use common::{node, soon};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use zkaggle_ipld::build::{self, FileOptions};
use zkaggle_net::{Cid, Content, DagOptions, Multiaddr, Visibility};

/// A process that obeys lines of JSON; see tests/helia/peer.js. Killed on drop.
struct Helia {
    _process: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    address: Multiaddr,
}

impl Helia {
    /// `None`, with a printed line, where it is not installed.
    async fn start() -> Option<Self> {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/helia");
        let folder = std::env::var_os("ZKAGGLE_HELIA").map_or(checkout, PathBuf::from);
        let node = folder.join("node_modules/.bin/node");
        if !node.exists() {
            println!(
                "SKIPPED: no Helia: run `npm install` in a copy of tests/helia and name it in ZKAGGLE_HELIA (looked in {})",
                folder.display()
            );
            return None;
        }
        let mut process = Command::new(node)
            .arg(folder.join("peer.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = patiently(answers.next_line()).await.unwrap().expect("Helia starts");
        let first: Value = serde_json::from_str(&first).unwrap();
        Some(Self {
            _process: process,
            commands,
            answers,
            address: first["addresses"][0].as_str().unwrap().parse().unwrap(),
        })
    }

    async fn ask(&mut self, command: Value) -> Value {
        self.commands
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        let line = patiently(self.answers.next_line()).await.unwrap().expect("Helia lives");
        serde_json::from_str(&line).unwrap()
    }
}

/// A busy machine starts a JavaScript process slowly.
async fn patiently<F: Future>(future: F) -> F::Output {
    let patience = std::time::Duration::from_secs(120);
    tokio::time::timeout(patience, future)
        .await
        .expect("Helia answers in time")
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(zkaggle_net::cid_of(bytes).hash().digest())
}

/// Enough for yamux to widen its windows, which is when frames become large.
const BYTES: u64 = 16_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn helia_and_a_node_exchange_files_both_ways() {
    let Some(mut helia) = Helia::start().await else { return };
    let node = node(1).await;
    let id = soon(node.network.dial(helia.address.clone())).await.unwrap();

    let added = helia.ask(json!({ "add": BYTES })).await;
    let root: Cid = added["cid"].as_str().unwrap().parse().unwrap();
    let content = Content::over_peers(node.store.clone(), node.network.clone());
    let options = DagOptions {
        from: [id].into(),
        ..Default::default()
    };
    let done = patiently(content.fetch_dag(&[root], &options, |_, _| ()))
        .await
        .unwrap();
    assert_eq!((done.files, done.file_bytes), (1, BYTES));
    let get = |cid: &Cid| Ok(node.store.get(cid).unwrap());
    let mut bytes = vec![];
    for leaf in zkaggle_ipld::walk::leaves(root, Default::default(), get).unwrap() {
        bytes.extend(node.store.get(&leaf.cid).unwrap().unwrap());
    }
    assert_eq!(sha256(&bytes), added["sha256"], "from Helia by bitswap");

    bytes.reverse();
    let mut keep = |cid, block: &[u8]| {
        let stored = node.store.put_block(&cid, block, Visibility::Public);
        stored.map_err(std::io::Error::other)
    };
    let built = build::add_file(&bytes[..], &FileOptions::default(), &mut keep).unwrap();
    let read = helia.ask(json!({ "cat": built.cid.to_string() })).await;
    assert_eq!(
        read,
        json!({ "bytes": BYTES, "sha256": sha256(&bytes) }),
        "to Helia by bitswap"
    );

    let sealed = node.store.put(b"hold-out", Visibility::Private).unwrap();
    let refused = helia.ask(json!({ "cat": sealed.to_string(), "seconds": 2 })).await;
    assert!(refused["error"].is_string(), "{refused}");
    // Helia takes its first question back in its own time, and that must not meet the second one.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    node.store.release(&sealed).unwrap();
    node.network.offer(&sealed);
    let read = helia.ask(json!({ "cat": sealed.to_string() })).await;
    assert_eq!(read["sha256"], sha256(b"hold-out"), "{read}");
}
