//! Publishing and fetching, whichever way blocks travel.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cid::Cid;
use libp2p::PeerId;
use tokio::task::spawn_blocking;

use crate::{
    bitswap::FetchError,
    block::CheckedBlock,
    blockstore::{Blockstore, StoreError, Visibility},
    kubo::{KuboClient, KuboError},
    network::{NetError, Network},
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
    #[error(transparent)]
    Net(#[from] NetError),
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
        self.offer(cid).await;
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
        self.offer(cid).await;
        Ok(())
    }

    /// Gets a block, from the own store if it is there; `from` names peers to ask, none meaning all.
    ///
    /// A block that had to be fetched is stored as a public copy.
    ///
    /// # Errors
    /// As the carrier's.
    pub async fn fetch(&self, cid: Cid, from: &BTreeSet<PeerId>) -> Result<Vec<u8>, ContentError> {
        let patience = match &self.carrier {
            Carrier::Peers(network) => network.fetch_timeout(),
            Carrier::Kubo(client) => client.fetch_patience(),
        };
        Ok(self.fetch_block(cid, from, patience).await?.into_bytes().into())
    }

    /// As [`Content::fetch`], without copying the bytes, with a time of the caller's.
    ///
    /// # Errors
    /// As the carrier's.
    pub async fn fetch_block(
        &self,
        cid: Cid,
        from: &BTreeSet<PeerId>,
        patience: Duration,
    ) -> Result<CheckedBlock, ContentError> {
        match &self.carrier {
            Carrier::Peers(network) => {
                let from: Vec<PeerId> = from.iter().copied().collect();
                Ok(network.fetch_block(cid, &from, patience).await?)
            }
            Carrier::Kubo(client) => {
                match self.on_store(move |store| store.get_checked(&cid)).await {
                    Ok(Some(block)) => return Ok(block),
                    Ok(None) => {}
                    Err(ContentError::Store(error @ StoreError::Corrupt { .. })) => {
                        tracing::error!(%error, "fetching the block again");
                    }
                    Err(error) => return Err(error),
                }
                let client = client.clone().with_fetch_patience(patience);
                let block = client.get_checked(&cid).await?;
                let kept = block.clone();
                self.on_store(move |store| store.put_copy(&kept)).await?;
                Ok(block)
            }
        }
    }

    /// Tells the DHT that these blocks are served here. A Kubo daemon tells of what it has by itself.
    ///
    /// # Errors
    /// [`ContentError::Net`].
    pub async fn provide(&self, cids: Vec<Cid>) -> Result<(), ContentError> {
        match &self.carrier {
            Carrier::Peers(network) => Ok(network.provide(cids).await?),
            Carrier::Kubo(_) => Ok(()),
        }
    }

    /// Sends a public block to who asked for it, and names it in the DHT.
    async fn offer(&self, cid: Cid) {
        if let Carrier::Peers(network) = &self.carrier {
            network.offer(&cid);
            if let Err(error) = network.provide(vec![cid]).await {
                tracing::warn!(%cid, %error, "served, but not named in the DHT");
            }
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
