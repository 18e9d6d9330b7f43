//! Against a real Kubo daemon, named by `ZKAGGLE_KUBO` or found as `ipfs`; see docs/network.md for how to build one.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;
#[path = "common/kubo.rs"]
mod fixture;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use common::{Node, config, node, node_with, soon};
use fixture::Kubo;
use zkaggle_ipld::{
    build::{self, FileOptions},
    walk::{self, Given, Limits, WalkError},
};
use zkaggle_net::{
    Cid, Content, DagOptions, Dht, KuboClient, KuboError, MemoryBlockstore, NetConfig, PeerId, Visibility, cid_of,
    kubo::PinKind,
};

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

/// Bytes that do not repeat within a block.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let word = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(word).collect()
}

/// A folder with files of none, one and several blocks, one of them deeper.
fn folder(at: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = BTreeMap::from([
        ("empty".to_owned(), vec![]),
        ("small".to_owned(), noise(1000, 1)),
        ("below/large".to_owned(), noise(3_000_000, 2)),
    ]);
    fs::create_dir_all(at.join("below")).unwrap();
    for (name, bytes) in &files {
        fs::write(at.join(name), bytes).unwrap();
    }
    files
}

/// The files below a root, read from a node's store alone.
fn files(node: &Node, root: Cid) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let get = |cid: &Cid| Ok(node.store.get(cid).unwrap());
    walk::each(root, Limits::default(), get, |_, given| {
        match given {
            Given::File { path, bytes, .. } => {
                files.insert(path, bytes.into_owned());
            }
            Given::Part { path, bytes, .. } => files.get_mut(&path).unwrap().extend_from_slice(&bytes),
            _ => {}
        }
        Ok::<_, WalkError>(())
    })
    .unwrap();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn files_pins_and_archives_go_through_the_rpc_endpoint() {
    let Some(mut kubo) = Kubo::start() else { return };
    let client = KuboClient::new(&kubo.api()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, archive) = (folder.path().join("file"), folder.path().join("file.car"));
    let bytes = noise(700_000, 3);
    fs::write(&path, &bytes).unwrap();

    let root = soon(client.add(&path)).await.unwrap();
    let mut blocks = BTreeMap::new();
    let built = build::add_file(&bytes[..], &FileOptions::default(), &mut |cid, block: &[u8]| {
        blocks.insert(cid, block.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(root, built.cid, "Kubo's CID is ours");
    assert_eq!(soon(client.cat(&root.to_string(), 1 << 20)).await.unwrap(), bytes);
    let short = soon(client.cat(&root.to_string(), 1000)).await.unwrap_err();
    assert!(matches!(short, KuboError::Wrong { call: "cat", .. }), "{short}");
    assert_eq!(
        soon(client.block_stat(&root)).await.unwrap(),
        blocks[&root].len() as u64
    );

    assert_eq!(client.pinned(&root).await.unwrap(), Some(PinKind::Recursive));
    let leaf = blocks.keys().copied().find(|cid| *cid != root).unwrap();
    assert_eq!(client.pinned(&leaf).await.unwrap(), Some(PinKind::Indirect));
    soon(client.unpin(&root)).await.unwrap();
    assert_eq!(client.pinned(&root).await.unwrap(), None);
    assert!(matches!(client.unpin(&root).await, Err(KuboError::Refused { .. })));
    soon(client.pin(&root)).await.unwrap();
    assert_eq!(client.pinned(&root).await.unwrap(), Some(PinKind::Recursive));

    assert_eq!(
        soon(client.export_car(&root, &archive)).await.unwrap(),
        blocks.len() as u64
    );
    let other = Kubo::start().unwrap();
    let elsewhere = KuboClient::new(&other.api()).unwrap();
    assert_eq!(soon(elsewhere.import_car(&archive)).await.unwrap(), [root]);
    assert_eq!(soon(elsewhere.cat(&root.to_string(), 1 << 20)).await.unwrap(), bytes);
    fs::write(&archive, b"no archive").unwrap();
    let refused = soon(elsewhere.import_car(&archive)).await.unwrap_err();
    assert!(matches!(refused, KuboError::Refused { .. }), "{refused}");
    let absent = soon(elsewhere.import_car(Path::new("/no/such/file")))
        .await
        .unwrap_err();
    assert!(matches!(absent, KuboError::File { .. }), "{absent}");

    kubo.kill();
    let gone = soon(client.export_car(&root, &folder.path().join("late.car")))
        .await
        .unwrap_err();
    assert!(matches!(gone, KuboError::Unreachable { .. }), "{gone}");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "nothing half-written: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_come_from_kubo_by_bitswap_whatever_their_cid_version() {
    let Some(kubo) = Kubo::start() else { return };
    let source = tempfile::tempdir().unwrap();
    let expected = folder(source.path());
    let path = source.path().to_str().unwrap();
    let node = node(1).await;
    soon(node.network.dial(kubo.address())).await.unwrap();
    let content = Content::over_peers(node.store.clone(), node.network.clone());
    for version in ["--cid-version=1", "--cid-version=0"] {
        let root: Cid = kubo.line(&["add", "-r", "-Q", version, path]).parse().unwrap();
        let mut last = 0;
        let options = DagOptions {
            patience: Duration::from_secs(30),
            ..Default::default()
        };
        let done = soon(content.fetch_dag(&[root], &options, |_, now| last = now.blocks))
            .await
            .unwrap();
        assert_eq!((done.files, done.file_bytes, done.resumed), (3, 3_001_000, 0));
        assert_eq!(done.blocks, last);
        assert_eq!(files(&node, root), expected, "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_reads_our_folders_and_finds_them_by_either_cid_version() {
    let Some(kubo) = Kubo::start() else { return };
    let source = tempfile::tempdir().unwrap();
    let expected = folder(source.path());
    let node = node(1).await;
    soon(node.network.dial(kubo.address())).await.unwrap();
    let mut keep = |cid, block: &[u8]| {
        node.store
            .put_block(&cid, block, Visibility::Public)
            .map_err(std::io::Error::other)
    };
    let root = build::add_path(source.path(), &FileOptions::default(), &mut keep)
        .unwrap()
        .cid;
    let old = Cid::new_v0(*root.hash()).unwrap();
    for name in [root, old] {
        for (file, bytes) in &expected {
            assert_eq!(&kubo.run(&["cat", &format!("{name}/{file}")]), bytes, "{name}/{file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubo_and_our_nodes_share_a_dht() {
    let Some(kubo) = Kubo::start() else { return };
    let lan = || NetConfig {
        dht: Dht::IpfsLan,
        ..config()
    };
    let (provider, seeker) = (node_with(1, lan()).await, node_with(2, lan()).await);
    soon(provider.network.dial(kubo.address())).await.unwrap();
    let kubo_id = soon(seeker.network.dial(kubo.address())).await.unwrap();

    let ours = provider.store.put(b"of our node", Visibility::Public).unwrap();
    soon(provider.network.provide(vec![ours])).await.unwrap();
    let id = provider.network.peer_id();
    assert_eq!(found(&seeker, ours).await, [id].into(), "our record, kept by Kubo");
    let named = kubo.line(&["routing", "findprovs", "--num-providers=1", &ours.to_string()]);
    assert_eq!(named, id.to_string());
    assert_eq!(soon(seeker.network.fetch(ours, &[id])).await.unwrap(), b"of our node");

    let theirs = KuboClient::new(&kubo.api())
        .unwrap()
        .put_block(b"of Kubo")
        .await
        .unwrap();
    kubo.run(&["routing", "provide", &theirs.to_string()]);
    assert!(found(&seeker, theirs).await.contains(&kubo_id), "Kubo's record");
}

/// Asks the DHT until it names somebody.
async fn found(node: &Node, cid: Cid) -> BTreeSet<PeerId> {
    soon(async {
        loop {
            let found = node.network.providers(cid, Duration::from_secs(3)).await.unwrap();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}
