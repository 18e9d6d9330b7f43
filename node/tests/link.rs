//! `dataset link` from the folder to the chain: what it costs, recording, a second time, and what it refuses.

mod common;

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, U256};
use alloy::rpc::types::TransactionRequest;
use common::{Service, asset, dataset_entries, finish, folder, import_digits, init, password, run, zkaggle};
use std::path::Path;
use std::process::Command;
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_net::{Blockstore, Cid, DiskBlockstore};
use zkaggle_node::chain::Chain;

const REFUSED: i32 = 3;
const ETHER: u128 = 1_000_000_000_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_root_is_recorded_once_and_only_with_its_own_leaves() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let deployment = dir.join("deployment.json");
    let mut c = zkaggle();
    c.args(["devnet", "--port", "0", "--deployment"]).arg(&deployment);
    let chain = Service::start("devnet", dir, &mut c);
    let url = chain.value("development chain 31337 at");

    let (node, password) = (dir.join("node"), password(dir));
    let account: Address = init(&node, "provider", &password).parse().unwrap();
    let faucet = DevNet::new(DevNetConfig::default()).accounts()[0].signer();
    let faucet = Chain::connect_http(&url, faucet, Some(31_337)).await.unwrap();
    let fund = TransactionRequest::default()
        .with_to(account)
        .with_value(U256::from(ETHER));
    faucet.send_request("fund the node", fund).await.unwrap();

    let imported = finish(import_digits(&asset("digits-holdout.bin"), &node).args(["--per-shard", "120"]))
        .ok()
        .json();
    let root = imported["folder"].as_str().unwrap();
    let manifest: Cid = imported["manifest"].as_str().unwrap().parse().unwrap();
    let shards: Vec<Cid> = imported["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(shards.len(), 3);
    let link = |root: &str, more: &[&str]| -> Command {
        let mut c = zkaggle();
        c.args(["--json", "dataset", "link", root, "--rpc-url", &url])
            .args(more)
            .arg("--dir")
            .arg(&node)
            .arg("--deployment")
            .arg(&deployment)
            .arg("--password-file")
            .arg(&password);
        c
    };

    finish(&mut link(root, &[])).refused(REFUSED, &[root, "is sealed", "after the reveal"]);
    let store = DiskBlockstore::open(node.join("blocks")).unwrap();
    for block in store.list() {
        store.release(&block.cid).unwrap();
    }
    let less = folder(&store, &dataset_entries(manifest, &shards[1..]));
    drop(store);

    let foreseen = finish(&mut link(root, &["--dry-run"])).ok().json();
    assert_eq!(
        (&foreseen["state"], &foreseen["shards"]),
        (&"not recorded".into(), &3.into())
    );
    let done = finish(&mut link(root, &[])).ok().json();
    assert_eq!((&done["state"], &done["root"]), (&"recorded".into(), &root.into()));
    let (most, gas) = (foreseen["gas"].as_u64().unwrap(), done["gas"].as_u64().unwrap());
    assert!(gas > 0 && gas <= most, "{gas} of {most} gas");
    println!("a folder of three shards and a manifest: {gas} gas");
    let again = finish(&mut link(root, &[])).ok().json();
    assert_eq!((&again["state"], &again["gas"]), (&"recorded".into(), &0.into()));
    assert!(again["transaction"].is_null(), "{again}");

    let words = [&less[..], "leaf 1 is ", "the manifest's shard is "];
    finish(&mut link(&less, &[])).refused(REFUSED, &words);
    let show = |cid: &str| {
        run([
            Path::new("dataset"),
            Path::new("show"),
            Path::new(cid),
            Path::new("--dir"),
            &node,
        ])
    };
    show(&less).refused(REFUSED, &words);
    show(root).ok();
}
