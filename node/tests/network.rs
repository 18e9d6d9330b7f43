//! Commands that meet peers: fetching, and the doctor.

mod common;

use common::{asset, dataset_entries, finish, folder, import_digits, init, password, run, zkaggle};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::runtime::Runtime;
use zkaggle_net::{Blockstore, Cid, DiskBlockstore, IdentitySeed, NetConfig, Network, Visibility};

const FAILED: i32 = 1;
const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const NOT_FOUND: i32 = 4;
const UNREACHABLE: i32 = 5;

/// A node that serves a folder's blocks, until it is dropped.
struct Server {
    address: String,
    _network: Network,
    _runtime: Runtime,
}

fn serve(dir: &Path) -> Server {
    let runtime = Runtime::new().unwrap();
    let store = Arc::new(DiskBlockstore::open(dir.join("blocks")).unwrap());
    let start = async {
        let (network, _) = Network::start(NetConfig::loopback(), IdentitySeed::new([1; 32]), store)
            .await
            .unwrap();
        let address = network.listen_addrs().await.unwrap().remove(0).to_string();
        (network, address)
    };
    let (network, address) = runtime.block_on(start);
    Server {
        address,
        _network: network,
        _runtime: runtime,
    }
}

fn fetch(cid: &str, dir: &Path, more: &[&str]) -> Command {
    let mut c = zkaggle();
    c.args(["--json", "dataset", "fetch", cid, "--dir"]).arg(dir).args(more);
    c
}

#[test]
fn a_dataset_is_fetched_from_a_peer_resumed_and_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
    let imported = finish(&mut import_digits(&asset("digits-train.bin"), &from))
        .ok()
        .json();
    let cid = imported["manifest"].as_str().unwrap();
    let shards = imported["shards"].as_array().unwrap().len() as u64;
    let open = |dir: &Path| DiskBlockstore::open(dir.join("blocks")).unwrap();

    // Sealed, it does not exist for a peer.
    let server = serve(&from);
    let peer = ["--peer", &server.address];
    let short = [&peer[..], &["--timeout", "1"]].concat();
    finish(&mut fetch(cid, &to, &short)).refused(NOT_FOUND, &[cid, "no peer gave", "goes on from there"]);
    drop(server);
    let store = open(&from);
    for block in store.list() {
        store.release(&block.cid).unwrap();
    }
    drop(store);

    let server = serve(&from);
    let peer = ["--peer", &server.address];
    let done = finish(&mut fetch(cid, &to, &peer)).ok().json();
    assert_eq!(done["blocks"].as_u64(), Some(shards + 1));
    assert_eq!(done["resumed"].as_u64(), Some(0));
    assert_eq!(done["dataset"]["n"], imported["n"]);
    assert_eq!(done["dataset"]["shards"].as_u64(), Some(shards));
    drop(server);

    // How many hold it is asked before anything is lost.
    let mut show = zkaggle();
    show.args(["--json", "dataset", "show", cid, "--peer"])
        .arg(&serve(&from).address)
        .arg("--dir")
        .arg(&to);
    // The server above is gone again by now: nobody answers.
    finish(&mut show).refused(UNREACHABLE, &["none of the peers"]);
    let server = serve(&from);
    let mut show = zkaggle();
    show.args(["--json", "dataset", "show", cid, "--peer", &server.address, "--dir"])
        .arg(&to);
    let shown = finish(&mut show).ok().json();
    for shard in shown["shards"].as_array().unwrap() {
        assert_eq!(
            (&shard["holders"]["have"], &shard["holders"]["peers"]),
            (&1.into(), &1.into()),
            "{shown}"
        );
    }
    drop(server);

    // A block is lost and another damaged: the rest is not asked for again, and nobody answers for these two.
    let copies = to.join("blocks/copies");
    let shard = imported["shards"][0].as_str().unwrap();
    std::fs::write(copies.join(shard), b"torn").unwrap();
    finish(&mut fetch(cid, &to, &["--timeout", "1"])).refused(UNREACHABLE, &[shard]);
    let server = serve(&from);
    let peer = ["--peer", &server.address, "--pin"];
    finish(&mut fetch(cid, &to, &peer)).ok();
    drop(server);
    let again = finish(&mut fetch(cid, &to, &[])).ok().json();
    assert_eq!(again["resumed"], again["blocks"], "without any peer");
    let store = open(&to);
    assert!(store.list().iter().all(|block| block.pinned));
    assert_eq!(store.list().len() as u64, shards + 1);
    drop(store);

    let elsewhere = scratch.path().join("elsewhere");
    finish(&mut fetch(cid, &elsewhere, &[])).refused(USAGE, &["--peer"]);
    finish(&mut fetch("bafynonsense", &elsewhere, &[])).refused(USAGE, &["is not a CID"]);
    let nobody = ["--peer", "/ip4/127.0.0.1/tcp/1"];
    finish(&mut fetch(cid, &elsewhere, &nobody)).refused(UNREACHABLE, &["127.0.0.1"]);
    let nobody = ["--ipfs-api", "http://127.0.0.1:1"];
    finish(&mut fetch(cid, &elsewhere, &nobody)).refused(UNREACHABLE, &["start Kubo"]);
}

/// A folder that holds a manifest is the dataset of that manifest, or is refused; a folder of other files is just a folder.
#[test]
fn a_fetched_folder_is_compared_with_its_manifest() {
    let scratch = tempfile::tempdir().unwrap();
    let from = scratch.path().join("from");
    let imported = finish(import_digits(&asset("digits-train.bin"), &from).args(["--per-shard", "400"]))
        .ok()
        .json();
    let manifest: Cid = imported["manifest"].as_str().unwrap().parse().unwrap();
    let shards: Vec<Cid> = imported["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard.as_str().unwrap().parse().unwrap())
        .collect();
    let store = DiskBlockstore::open(from.join("blocks")).unwrap();
    for block in store.list() {
        store.release(&block.cid).unwrap();
    }
    let with = |manifest: Cid, shards: &[Cid]| folder(&store, &dataset_entries(manifest, shards));
    let whole = imported["folder"].as_str().unwrap().to_owned();
    assert!(shards.len() > 1);
    let less = with(manifest, &shards[1..]);
    let mut swapped = shards.clone();
    swapped.swap(0, 1);
    let swapped = with(manifest, &swapped);
    let foreign = store.put(br#"{"name":"an app"}"#, Visibility::Public).unwrap();
    let foreign = with(foreign, &shards[..1]);
    drop(store);

    let server = serve(&from);
    let to = scratch.path().join("to");
    let peer = ["--peer", &server.address, "--pin"];
    let wrong = "is not the dataset that its manifest.json describes";
    finish(&mut fetch(&less, &to, &peer)).refused(REFUSED, &[&less, wrong, "leaf 1 is "]);
    finish(&mut fetch(&swapped, &to, &peer)).refused(REFUSED, &[&swapped, wrong, "leaf 1 is "]);
    let store = DiskBlockstore::open(to.join("blocks")).unwrap();
    assert!(store.list().iter().all(|block| !block.pinned));
    drop(store);
    let done = finish(&mut fetch(&whole, &to, &peer)).ok().json();
    assert_eq!(done["dataset"]["n"], imported["n"]);
    let done = finish(&mut fetch(&foreign, &to, &peer)).ok().json();
    assert!(done["dataset"].is_null(), "{done}");
    drop(server);
}

fn doctor(dir: &Path) -> Command {
    let mut c = zkaggle();
    c.args(["--json", "doctor", "--dir"]).arg(dir);
    c
}

/// The state of a check, and what it found.
fn state(report: &Value, name: &str) -> (String, String) {
    let checks = report.as_array().unwrap();
    let check = checks
        .iter()
        .find(|c| c["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {report}"));
    let text = |key: &str| check[key].as_str().unwrap().to_owned();
    (text("state"), text("found"))
}

#[test]
fn the_doctor_names_what_is_there_missing_and_broken() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("node");
    init(&dir, "hunter", &password(scratch.path()));
    let healthy = finish(&mut doctor(&dir)).ok().json();
    for (name, expected) in [
        ("settings", "ok"),
        ("folder", "ok"),
        ("keystore", "ok"),
        ("chain", "absent"),
        ("contracts", "absent"),
        ("peers", "absent"),
    ] {
        let (state, found) = state(&healthy, name);
        assert_eq!(state, expected, "{name}: {found}");
    }
    assert!(state(&healthy, "kubo").1.contains("not"), "needed or used");

    let broken = |c: &mut Command, code: i32, name: &str, words: &str| {
        let done = finish(c);
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.stderr.contains(name), "{done:?}");
        let (state, found) = state(&done.json(), name);
        assert!(state == "broken" && found.contains(words), "{state}: {found}");
    };
    let dead = "http://127.0.0.1:1/secret";
    broken(
        doctor(&dir).env("ZKAGGLE_CHAIN__RPC_URL", dead),
        UNREACHABLE,
        "chain",
        "127.0.0.1:1",
    );
    let kubo = |c: &mut Command| {
        c.env("ZKAGGLE_IPFS__BACKEND", "kubo")
            .env("ZKAGGLE_IPFS__API_URL", "http://127.0.0.1:1");
    };
    let mut c = doctor(&dir);
    kubo(&mut c);
    broken(&mut c, UNREACHABLE, "kubo", "start Kubo");
    broken(
        doctor(&dir).env("ZKAGGLE_P2P__LISTEN", "/ip4/127.0.0.1/udp/1"),
        FAILED,
        "p2p",
        "p2p.listen",
    );
    let deployment = scratch.path().join("none.json");
    broken(
        doctor(&dir).env("ZKAGGLE_CHAIN__DEPLOYMENT", &deployment),
        FAILED,
        "contracts",
        "none.json",
    );
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    broken(&mut doctor(&dir), FAILED, "folder", "chmod 700");
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::remove_file(dir.join("seed.sealed")).unwrap();
    broken(&mut doctor(&dir), FAILED, "keystore", "zkaggle init");
    broken(
        &mut doctor(&scratch.path().join("nowhere")),
        FAILED,
        "settings",
        "nowhere",
    );

    let text = run(["doctor", "--dir", dir.to_str().unwrap()]);
    assert!(
        text.stdout.contains("BROKEN") && !text.stdout.contains("secret"),
        "{text:?}"
    );
    assert_eq!(text.code, FAILED);
}
