//! Nodes on loopback with fixed seeds.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use zkaggle_net::{Blockstore, IdentitySeed, MemoryBlockstore, Multiaddr, NetConfig, NetEvent, Network};

pub struct Node {
    pub network: Network,
    pub events: mpsc::Receiver<NetEvent>,
    pub store: Arc<dyn Blockstore>,
}

pub fn config() -> NetConfig {
    NetConfig {
        fetch_timeout: Duration::from_secs(30),
        ..NetConfig::loopback()
    }
}

pub async fn node(seed: u8) -> Node {
    node_with(seed, config()).await
}

pub async fn node_with(seed: u8, config: NetConfig) -> Node {
    let store: Arc<dyn Blockstore> = Arc::new(MemoryBlockstore::new());
    let (network, events) = Network::start(config, IdentitySeed::new([seed; 32]), store.clone())
        .await
        .unwrap();
    Node { network, events, store }
}

impl Node {
    pub async fn address(&self) -> Multiaddr {
        self.network.listen_addrs().await.unwrap().remove(0)
    }

    pub async fn dial(&self, other: &Self) {
        soon(self.network.dial(other.address().await)).await.unwrap();
    }

    /// Waits for an event that `pick` likes.
    pub async fn event<T>(&mut self, mut pick: impl FnMut(NetEvent) -> Option<T>) -> T {
        soon(async {
            loop {
                let event = self.events.recv().await.expect("the network stopped");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        })
        .await
    }
}

/// Nothing here takes long; a test that hangs says where.
#[track_caller]
pub fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        timeout(Duration::from_secs(60), future)
            .await
            .unwrap_or_else(|_| panic!("timed out: {place}"))
    }
}
