//! Two and three nodes on loopback exchange blocks and announcements.

mod common;

use std::time::{Duration, Instant};

use common::{config, node, node_with, soon};
use zkaggle_net::{
    Announcement, Content, IdentitySeed, NetConfig, NetError, NetEvent, Network, Visibility, bitswap::FetchError,
    cid_of,
};

#[tokio::test]
async fn a_block_travels_and_is_kept() {
    let (provider, hunter) = (node(1).await, node(2).await);
    hunter.dial(&provider).await;
    let cid = provider.store.put(&vec![7; 122_880], Visibility::Public).unwrap();
    let bytes = soon(hunter.network.fetch(cid, &[provider.network.peer_id()]))
        .await
        .unwrap();
    assert_eq!(bytes, vec![7; 122_880]);
    assert!(hunter.store.has(&cid));
    provider.network.shutdown().await;
    assert_eq!(
        soon(hunter.network.fetch(cid, &[])).await.unwrap(),
        bytes,
        "from the own store"
    );
    assert_eq!(hunter.network.traffic().bytes_received, 122_880);
    assert_eq!(provider.network.traffic().blocks_sent, 1);
}

#[tokio::test]
async fn many_blocks_travel_at_once_both_ways() {
    let (a, b) = (node(1).await, node(2).await);
    a.dial(&b).await;
    let block = |owner: u8, i: u8| {
        let mut bytes = vec![owner; 100_000];
        bytes[0] = i;
        bytes
    };
    let mut fetches = tokio::task::JoinSet::new();
    for i in 0..40 {
        let (of_a, of_b) = (block(1, i), block(2, i));
        let to_b = a.store.put(&of_a, Visibility::Public).unwrap();
        let to_a = b.store.put(&of_b, Visibility::Public).unwrap();
        let (net_a, net_b) = (a.network.clone(), b.network.clone());
        fetches.spawn(async move { assert_eq!(net_b.fetch(to_b, &[]).await.unwrap(), of_a) });
        fetches.spawn(async move { assert_eq!(net_a.fetch(to_a, &[]).await.unwrap(), of_b) });
    }
    soon(async {
        while let Some(done) = fetches.join_next().await {
            done.unwrap();
        }
    })
    .await;
    assert_eq!(a.network.traffic().blocks_received, 40);
}

#[tokio::test]
async fn the_largest_block_travels() {
    let (provider, hunter) = (node(1).await, node(2).await);
    hunter.dial(&provider).await;
    let largest = vec![3; zkaggle_net::MAX_BLOCK];
    let cid = provider.store.put(&largest, Visibility::Public).unwrap();
    assert_eq!(soon(hunter.network.fetch(cid, &[])).await.unwrap(), largest);
}

#[tokio::test]
async fn of_three_nodes_the_one_that_has_it_answers() {
    let (seeker, empty, holder) = (node(1).await, node(2).await, node(3).await);
    seeker.dial(&empty).await;
    seeker.dial(&holder).await;
    let cid = holder.store.put(b"shard", Visibility::Public).unwrap();
    assert_eq!(soon(seeker.network.fetch(cid, &[])).await.unwrap(), b"shard");
    assert!(!empty.store.has(&cid));
    // The one that was told nothing asks in its turn, and either may answer.
    empty.dial(&holder).await;
    assert_eq!(soon(empty.network.fetch(cid, &[])).await.unwrap(), b"shard");
}

#[tokio::test]
async fn a_fetch_survives_the_first_holder_leaving() {
    let (seeker, first, second) = (node(1).await, node(2).await, node(3).await);
    seeker.dial(&first).await;
    let cid = cid_of(b"late");
    let fetch = tokio::spawn({
        let network = seeker.network.clone();
        async move { network.fetch(cid, &[]).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.network.shutdown().await;
    second.store.put(b"late", Visibility::Public).unwrap();
    seeker.dial(&second).await;
    assert_eq!(soon(fetch).await.unwrap().unwrap(), b"late");
}

#[tokio::test]
async fn a_block_nobody_has_ends_in_a_clear_error() {
    let (seeker, other) = (node(1).await, node(2).await);
    seeker.dial(&other).await;
    let cid = cid_of(b"nowhere");
    let result = soon(seeker.network.fetch_within(cid, &[], Duration::from_millis(600))).await;
    assert!(matches!(result, Err(FetchError::NotFound { cid: named, asked: 1, .. }) if named == cid));
    let result = soon(node(3).await.network.fetch_within(cid, &[], Duration::from_millis(100))).await;
    assert!(matches!(result, Err(FetchError::NotFound { asked: 0, .. })));
}

#[tokio::test]
async fn a_sealed_block_does_not_exist_for_peers_before_its_release() {
    let (provider, hunter) = (node(1).await, node(2).await);
    hunter.dial(&provider).await;
    let content = Content::over_peers(provider.store.clone(), provider.network.clone());
    let cid = content.seal(b"hold-out".to_vec()).await.unwrap();

    let refused = soon(hunter.network.fetch_within(cid, &[], Duration::from_millis(700))).await;
    assert!(matches!(refused, Err(FetchError::NotFound { asked: 1, .. })));
    provider.network.offer(&cid);
    assert_eq!(provider.network.traffic().blocks_sent, 0);

    // A fetch that waits gets the block when it is released, without asking again.
    let fetch = tokio::spawn({
        let network = hunter.network.clone();
        async move { network.fetch(cid, &[]).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!fetch.is_finished());
    content.release(cid).await.unwrap();
    assert_eq!(soon(fetch).await.unwrap().unwrap(), b"hold-out");
    assert_eq!(provider.network.traffic().blocks_sent, 1);
}

#[tokio::test]
async fn announcements_reach_everyone_through_others() {
    let (author, mut middle, mut far) = (node(1).await, node(2).await, node(3).await);
    let bounty = Announcement::BountyPosted {
        chain_id: 31337,
        market: [9; 20],
        bounty: 4,
    };
    // Made before anyone listens: kept until someone does.
    soon(author.network.announce(&bounty)).await.unwrap();
    middle.dial(&far).await;
    author.dial(&middle).await;
    for node in [&mut middle, &mut far] {
        let heard = node
            .event(|event| match event {
                NetEvent::Announced { author, announcement } => Some((author, announcement)),
                _ => None,
            })
            .await;
        assert_eq!(heard, (author.network.peer_id(), bounty.clone()));
    }
    let dataset = Announcement::DatasetAvailable {
        manifest: cid_of(b"m"),
        shards: vec![cid_of(b"s")],
    };
    soon(far.network.announce(&dataset)).await.unwrap();
    let heard = middle.event(|event| match event {
        NetEvent::Announced { announcement, .. } => Some(announcement),
        _ => None,
    });
    assert_eq!(heard.await, dataset);
}

#[tokio::test]
async fn peers_come_and_go() {
    let (mut a, b) = (node(1).await, node(2).await);
    b.dial(&a).await;
    let id = b.network.peer_id();
    a.event(|event| (event == NetEvent::PeerConnected(id)).then_some(()))
        .await;
    assert_eq!(a.network.peers().await.unwrap(), vec![id]);
    b.network.shutdown().await;
    b.network.shutdown().await;
    a.event(|event| (event == NetEvent::PeerDisconnected(id)).then_some(()))
        .await;
    assert!(a.network.peers().await.unwrap().is_empty());
    assert!(matches!(b.network.peers().await, Err(NetError::Closed)));
    assert!(matches!(
        b.network.fetch(cid_of(b"x"), &[]).await,
        Err(FetchError::Closed)
    ));
}

#[tokio::test]
async fn both_sides_dialling_at_once_stay_connected() {
    let (a, b) = (node(1).await, node(2).await);
    tokio::join!(a.dial(&b), b.dial(&a));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(a.network.peers().await.unwrap(), vec![b.network.peer_id()]);
    let cid = a.store.put(b"x", Visibility::Public).unwrap();
    assert_eq!(soon(b.network.fetch(cid, &[])).await.unwrap(), b"x");
}

#[tokio::test]
async fn a_bootstrap_peer_is_found_again_after_a_restart() {
    let mut provider = node(1).await;
    let address = provider.address().await;
    let hunter = node_with(
        2,
        NetConfig {
            bootstrap: vec![address.clone()],
            ..config()
        },
    )
    .await;
    let id = hunter.network.peer_id();
    provider
        .event(|event| (event == NetEvent::PeerConnected(id)).then_some(()))
        .await;
    provider.network.shutdown().await;
    let same_place: zkaggle_net::Multiaddr = address.iter().take(2).collect();
    let mut again = node_with(
        1,
        NetConfig {
            listen: vec![same_place],
            ..config()
        },
    )
    .await;
    again
        .event(|event| (event == NetEvent::PeerConnected(id)).then_some(()))
        .await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_their_cure() {
    let a = node(1).await;
    let address = a.address().await;
    let bare: zkaggle_net::Multiaddr = address.iter().take(2).collect();
    let start = |config| Network::start(config, IdentitySeed::new([9; 32]), a.store.clone());
    let taken = start(NetConfig {
        listen: vec![bare.clone()],
        ..config()
    })
    .await
    .map(|_| ())
    .unwrap_err();
    assert!(matches!(taken, NetError::Listen { .. }), "{taken}");
    let nameless = start(NetConfig {
        bootstrap: vec![bare],
        ..config()
    })
    .await
    .map(|_| ())
    .unwrap_err();
    assert!(matches!(nameless, NetError::NoPeerId { .. }), "{nameless}");
    let nobody = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    assert!(matches!(soon(a.network.dial(nobody)).await, Err(NetError::Dial { .. })));
    let other = IdentitySeed::new([3; 32]).peer_id().unwrap();
    let mut wrong: zkaggle_net::Multiaddr = address.iter().take(2).collect();
    wrong.push(libp2p::multiaddr::Protocol::P2p(other));
    assert!(matches!(
        soon(node(4).await.network.dial(wrong)).await,
        Err(NetError::Dial { .. })
    ));
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_node() {
    let (mut a, b) = (node(1).await, node(2).await);
    b.dial(&a).await;
    let id = b.network.peer_id();
    drop(b);
    let started = Instant::now();
    a.event(|event| (event == NetEvent::PeerDisconnected(id)).then_some(()))
        .await;
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_identity_follows_from_the_seed_and_does_not_show_it() {
    let seed = IdentitySeed::new([7; 32]);
    assert_eq!(seed.peer_id().unwrap(), IdentitySeed::new([7; 32]).peer_id().unwrap());
    assert_ne!(seed.peer_id().unwrap(), IdentitySeed::new([8; 32]).peer_id().unwrap());
    assert_eq!(format!("{seed:?}"), "IdentitySeed(..)");
}
