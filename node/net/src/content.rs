//! Publishing and fetching, whichever way blocks travel.

use std::{collections::BTreeSet, sync::Arc};

use cid::Cid;
use libp2p::PeerId;
use tokio::task::spawn_blocking;

use crate::{
    bitswap::FetchError,
    blockstore::{Blockstore, StoreError, Visibility},
    kubo::{KuboClient, KuboError},
    network::Network,
};

/// How blocks leave and reach a node.
#[derive(Clone)]
enum Carrier {
    Peers(Network),
    Kubo(KuboClient),
}

/// A node's blocks and the way they travel.
///
/// The node's own store always has every block first. Sealed blocks stay in it alone: a Kubo daemon would
/// serve whatever it is given, so it is given nothing before the release.
#[derive(Clone)]
pub struct Content {
    store: Arc<dyn Blockstore>,
    carrier: Carrier,
}

/// Why content could not be published or fetched.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Kubo(#[from] KuboError),
    #[error("the store's task was stopped")]
    Stopped,
}

impl Content {
    /// Blocks travel between ZKaggle and IPFS peers, by bitswap on the node's own swarm.
    pub fn over_peers(store: Arc<dyn Blockstore>, network: Network) -> Self {
        Self {
            store,
            carrier: Carrier::Peers(network),
        }
    }

    /// Blocks travel through a Kubo daemon.
    pub fn over_kubo(store: Arc<dyn Blockstore>, client: KuboClient) -> Self {
        Self {
            store,
            carrier: Carrier::Kubo(client),
        }
    }

    /// The node's own store.
    pub fn store(&self) -> &Arc<dyn Blockstore> {
        &self.store
    }

    /// Keeps a block private and pinned until [`Content::release`].
    ///
    /// # Errors
    /// [`StoreError::AlreadyPublic`] when peers may have it already.
    pub async fn seal(&self, bytes: Vec<u8>) -> Result<Cid, ContentError> {
        self.keep(bytes, Visibility::Private).await
    }

    /// Keeps a block, pinned, and lets anyone have it.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when it is private: only a release publishes a sealed block.
    pub async fn publish(&self, bytes: Vec<u8>) -> Result<Cid, ContentError> {
        if let Carrier::Kubo(client) = &self.carrier {
            let cid = self.keep(bytes.clone(), Visibility::Public).await?;
            client.put_block(&bytes).await?;
            return Ok(cid);
        }
        let cid = self.keep(bytes, Visibility::Public).await?;
        self.offer(&cid);
        Ok(cid)
    }

    /// Makes a sealed block public for good; releasing it again is harmless and completes a release that was
    /// interrupted.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub async fn release(&self, cid: Cid) -> Result<(), ContentError> {
        self.on_store(move |store| store.release(&cid)).await?;
        if let Carrier::Kubo(client) = &self.carrier {
            let bytes = self
                .on_store(move |store| store.get(&cid)?.ok_or(StoreError::Missing { cid }))
                .await?;
            client.put_block(&bytes).await?;
        }
        self.offer(&cid);
        Ok(())
    }

    /// Gets a block, from the own store if it is there; `from` names peers to ask, none meaning all.
    ///
    /// A block that had to be fetched is stored as public, not pinned.
    ///
    /// # Errors
    /// As the carrier's.
    pub async fn fetch(&self, cid: Cid, from: &BTreeSet<PeerId>) -> Result<Vec<u8>, ContentError> {
        match &self.carrier {
            Carrier::Peers(network) => {
                let from: Vec<PeerId> = from.iter().copied().collect();
                Ok(network.fetch(cid, &from).await?)
            }
            Carrier::Kubo(client) => {
                match self.on_store(move |store| store.get(&cid)).await {
                    Ok(Some(bytes)) => return Ok(bytes),
                    Ok(None) => {}
                    Err(ContentError::Store(error @ StoreError::Corrupt { .. })) => {
                        tracing::error!(%error, "fetching the block again");
                    }
                    Err(error) => return Err(error),
                }
                let bytes = client.get_block(&cid).await?;
                let kept = bytes.clone();
                self.on_store(move |store| store.put_block(&cid, &kept, Visibility::Public))
                    .await?;
                Ok(bytes)
            }
        }
    }

    fn offer(&self, cid: &Cid) {
        if let Carrier::Peers(network) = &self.carrier {
            network.offer(cid);
        }
    }

    async fn keep(&self, bytes: Vec<u8>, visibility: Visibility) -> Result<Cid, ContentError> {
        self.on_store(move |store| {
            let cid = store.put(&bytes, visibility)?;
            store.set_pinned(&cid, true)?;
            Ok(cid)
        })
        .await
    }

    async fn on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Blockstore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ContentError> {
        let store = self.store.clone();
        let done = spawn_blocking(move || work(store.as_ref())).await;
        Ok(done.map_err(|_| ContentError::Stopped)??)
    }
}
