//! Nodes that know one another only through the DHT.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{Node, config, node, node_with, soon};
use zkaggle_net::{Cid, Content, NetConfig, NetError, PeerId, Visibility, cid_of};

/// A provider and a seeker who are both connected to a third node, and not to each other.
async fn strangers() -> (Node, Node, Node) {
    let (provider, middle, seeker) = (node(1).await, node(2).await, node(3).await);
    provider.dial(&middle).await;
    seeker.dial(&middle).await;
    (provider, middle, seeker)
}

/// Asks the DHT until it names somebody: a record travels for a moment.
async fn providers(node: &Node, cid: Cid) -> BTreeSet<PeerId> {
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

#[tokio::test]
async fn a_block_is_fetched_from_a_peer_that_only_the_dht_knows() {
    let (provider, middle, seeker) = strangers().await;
    let cid = provider.store.put(b"shard", Visibility::Public).unwrap();
    soon(provider.network.provide(vec![cid])).await.unwrap();
    assert_eq!(providers(&seeker, cid).await, [provider.network.peer_id()].into());
    assert_eq!(soon(seeker.network.fetch(cid, &[])).await.unwrap(), b"shard");
    assert!(!middle.store.has(&cid));
}

#[tokio::test]
async fn a_sealed_block_is_not_named_before_its_release() {
    let (provider, _middle, seeker) = strangers().await;
    let sealed = provider.store.put(b"hold-out", Visibility::Private).unwrap();
    let public = provider.store.put(b"training set", Visibility::Public).unwrap();
    soon(provider.network.provide(vec![sealed, public, cid_of(b"absent")]))
        .await
        .unwrap();
    // The public one has arrived, so the others would have too.
    providers(&seeker, public).await;
    for cid in [sealed, cid_of(b"absent")] {
        let found = soon(seeker.network.providers(cid, Duration::from_secs(3))).await;
        assert!(found.unwrap().is_empty());
    }
    provider.store.release(&sealed).unwrap();
    soon(provider.network.provide(vec![sealed])).await.unwrap();
    assert_eq!(providers(&seeker, sealed).await, [provider.network.peer_id()].into());
}

#[tokio::test]
async fn what_was_provided_in_an_empty_network_is_told_to_whoever_joins() {
    let provider = node(1).await;
    let cid = provider.store.put(b"shard", Visibility::Public).unwrap();
    soon(provider.network.provide(vec![cid])).await.unwrap();
    let newcomer = node(2).await;
    newcomer.dial(&provider).await;
    let third = node(3).await;
    third.dial(&newcomer).await;
    assert_eq!(providers(&third, cid).await, [provider.network.peer_id()].into());
}

#[tokio::test]
async fn connected_peers_say_whether_they_hold_a_block() {
    let (asker, holder, other, sealer) = (node(1).await, node(2).await, node(3).await, node(4).await);
    for peer in [&holder, &other, &sealer] {
        asker.dial(peer).await;
    }
    let cid = holder.store.put(b"shard", Visibility::Public).unwrap();
    sealer.store.put(b"shard", Visibility::Private).unwrap();
    let found = soon(asker.network.holders(cid, Duration::from_secs(5))).await.unwrap();
    assert_eq!(found, [holder.network.peer_id()].into());
    assert!(!asker.store.has(&cid), "asking is not fetching");
}

#[tokio::test]
async fn records_that_would_fade_before_they_are_renewed_are_refused() {
    let slow = NetConfig {
        reprovide: Duration::from_secs(49 * 3600),
        ..config()
    };
    let seed = zkaggle_net::IdentitySeed::new([9; 32]);
    let store = node_with(1, config()).await.store;
    let error = zkaggle_net::Network::start(slow, seed, store)
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Setup {
                what: "provider records",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn publishing_and_revealing_name_a_block_and_sealing_does_not() {
    let (provider, _middle, seeker) = strangers().await;
    let content = Content::over_peers(provider.store.clone(), provider.network.clone());
    let sealed = content.seal(b"hold-out".to_vec()).await.unwrap();
    content.provide(vec![sealed]).await.unwrap();
    let public = content.publish(b"training set".to_vec()).await.unwrap();
    providers(&seeker, public).await;
    let found = soon(seeker.network.providers(sealed, Duration::from_secs(3))).await;
    assert!(found.unwrap().is_empty(), "not before the reveal");
    content.release(sealed).await.unwrap();
    assert_eq!(providers(&seeker, sealed).await, [provider.network.peer_id()].into());
    assert!(provider.store.list().iter().all(|block| block.pinned));
}

#[tokio::test]
async fn whoever_fetched_a_block_serves_it_when_its_provider_is_gone() {
    let (provider, middle, hunter) = strangers().await;
    let cid = provider.store.put(b"shard", Visibility::Public).unwrap();
    soon(provider.network.provide(vec![cid])).await.unwrap();
    let content = Content::over_peers(hunter.store.clone(), hunter.network.clone());
    soon(content.fetch(cid, &BTreeSet::new())).await.unwrap();
    content.provide(vec![cid]).await.unwrap();
    provider.network.shutdown().await;
    let late = node(4).await;
    late.dial(&middle).await;
    assert_eq!(soon(late.network.fetch(cid, &[])).await.unwrap(), b"shard");
}
