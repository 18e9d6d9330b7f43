//! What a role works with: a market, peers and blocks, a prover, secrets, a folder, a reporter.

use super::hunter::EntryRecord;
use crate::chain::market::Market;
use crate::node_dir::NodeDir;
use crate::progress::{Cost, Reporter};
use crate::proof_file::ProofFile;
use crate::prover::Prover;
use alloy::primitives::Address;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zkaggle_graph::commit::Blind;
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::ids::{Entry, VkId};
use zkaggle_graph::jub::ProviderKey;
use zkaggle_net::{
    Announcement, Blockstore, Cid, Content, DiskBlockstore, IdentitySeed, KuboClient, Multiaddr, NetConfig, NetEvent,
    Network, Visibility,
};
use zkaggle_vault::Seed;
use zkaggle_vault::records::Records;
use zkaggle_vault::seed::{EntryPath, HoldoutPath};

/// A node's peers and blocks.
#[derive(Clone)]
pub struct Peers {
    pub network: Network,
    pub content: Content,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers")
            .field("peer_id", &self.network.peer_id())
            .finish_non_exhaustive()
    }
}

impl Peers {
    /// Starts a swarm over the folder's blockstore. With `kubo`, blocks travel through that endpoint.
    ///
    /// Whatever the store holds for the public is named in the DHT: what this node published, and what it
    /// fetched and serves again.
    pub async fn start(dir: &NodeDir, seed: &Seed, config: NetConfig, kubo: Option<&str>) -> Result<Self> {
        let store = Arc::new(DiskBlockstore::open(dir.blocks())?);
        let served = public_blocks(store.as_ref());
        let identity = IdentitySeed::new(*seed.libp2p_key().expose());
        let (network, mut events) = Network::start(config, identity, store.clone()).await?;
        // Hints are only hints: the chain says what to act on, so they are logged and dropped.
        tokio::spawn(async move {
            while let Some(e) = events.recv().await {
                match e {
                    NetEvent::Announced { author, announcement } => {
                        tracing::debug!(%author, ?announcement, "announced")
                    }
                    NetEvent::PeerBanned(p) => tracing::warn!(peer = %p, "peer banned for misbehaving"),
                    NetEvent::PeerConnected(p) => tracing::debug!(peer = %p, "connected"),
                    NetEvent::PeerDisconnected(p) => tracing::debug!(peer = %p, "disconnected"),
                }
            }
        });
        let content = match kubo {
            Some(url) => Content::over_kubo(store, KuboClient::new(url)?),
            None => Content::over_peers(store, network.clone()),
        };
        content.provide(served).await?;
        Ok(Self { network, content })
    }

    /// An address at which this node can be dialled.
    pub async fn address(&self) -> Result<Multiaddr> {
        self.network
            .listen_addrs()
            .await?
            .into_iter()
            .next()
            .context("the node listens nowhere")
    }
}

/// What a store holds for the public, pinned blocks first: those are served for a reason.
fn public_blocks(store: &dyn Blockstore) -> Vec<Cid> {
    let mut blocks = store.list();
    blocks.retain(|block| block.visibility == Visibility::Public);
    blocks.sort_by_key(|block| !block.pinned);
    blocks.into_iter().map(|block| block.cid).collect()
}

/// Everything a role works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Services {
    pub dir: NodeDir,
    pub market: Market,
    pub peers: Peers,
    pub prover: Arc<Prover>,
    pub report: Reporter,
    seed: Arc<Seed>,
    /// Proof files go here when set, otherwise into the node's folder, a folder a bounty.
    proofs: Option<PathBuf>,
}

impl Services {
    pub fn new(dir: NodeDir, market: Market, peers: Peers, prover: Arc<Prover>, seed: Seed, report: Reporter) -> Self {
        Self {
            dir,
            market,
            peers,
            prover,
            report,
            seed: Arc::new(seed),
            proofs: None,
        }
    }

    /// Puts all proof files into one folder.
    pub fn with_proofs(mut self, dir: PathBuf) -> Self {
        self.proofs = Some(dir);
        self
    }

    // ---------------------------------------------------------------- secrets

    /// The identity of an entry of this account.
    pub fn entry(&self, bounty: u64, slot: u8, vk: VkId) -> Entry {
        Entry {
            chain_id: self.market.chain().chain_id(),
            market: self.market.address().into_array(),
            bounty,
            hunter: self.market.chain().account().into_array(),
            slot,
            vk,
        }
    }

    /// The blind of an entry's model commitment: follows from the seed.
    pub fn blind(&self, bounty: u64, slot: u8) -> Blind {
        let path = EntryPath {
            chain_id: self.market.chain().chain_id(),
            market: self.market.address().into_array(),
            bounty,
            slot,
        };
        Blind::from_uniform(self.seed.blind(&path).expose())
    }

    /// The salt of a sealed hold-out: follows from the seed and the bounty's label.
    pub fn holdout_salt(&self, label: &str) -> [u8; 32] {
        let path = HoldoutPath {
            chain_id: self.market.chain().chain_id(),
            market: self.market.address().into_array(),
            label: label.as_bytes(),
        };
        *self.seed.holdout_salt(&path).expose()
    }

    /// The key that claims are encrypted to.
    pub fn provider_key(&self) -> Result<ProviderKey> {
        ProviderKey::from_uniform(self.seed.decryption_key().expose())
            .context("the seed derives no decryption key; make a new seed")
    }

    // ------------------------------------------------------------------ files

    /// Checksummed records of this node's entries.
    pub fn entries(&self) -> Result<Records<EntryRecord>> {
        Ok(Records::open(&self.dir.records())?)
    }

    /// Where a proof file belongs.
    pub fn proof_path(&self, scope: &str, name: &str) -> PathBuf {
        match &self.proofs {
            Some(dir) => dir.join(name),
            None => self.dir.proofs().join(scope).join(name),
        }
    }

    /// Writes a proof file, whole or not at all, readable by its owner only.
    pub fn write_proof(&self, path: &Path, file: &ProofFile) -> Result<()> {
        if let Some(d) = path.parent() {
            std::fs::create_dir_all(d).with_context(|| format!("create {}", d.display()))?;
        }
        crate::files::write_private(path, file.to_json().as_bytes())
    }

    // ----------------------------------------------------------------- blocks

    /// Keeps a dataset's blocks: sealed until a reveal, or public at once.
    pub async fn store(&self, dataset: &Dataset, visibility: Visibility) -> Result<()> {
        for (_, bytes) in dataset.blocks() {
            match visibility {
                Visibility::Private => self.peers.content.seal(bytes).await?,
                Visibility::Public => self.peers.content.publish(bytes).await?,
            };
        }
        Ok(())
    }

    /// Publishes a sealed dataset and tells peers. Safe to repeat.
    pub async fn release(&self, dataset: &Dataset) -> Result<()> {
        for (cid, _) in dataset.blocks() {
            self.peers.content.release(cid).await?;
        }
        // The folder above them, where this node has it: by it IPFS tools fetch the whole.
        let (_, nodes) = zkaggle_import::parts::folder(dataset.manifest())?;
        for (cid, _) in nodes {
            if self.peers.content.store().has(&cid) {
                self.peers.content.release(cid).await?;
            }
        }
        let hint = Announcement::DatasetAvailable {
            manifest: dataset.manifest().cid(),
            shards: dataset
                .shards()
                .iter()
                .map(|s| s.cid)
                .take(zkaggle_net::announce::MAX_SHARDS)
                .collect(),
        };
        self.hint(&hint).await;
        Ok(())
    }

    /// Tells peers of a bounty.
    pub async fn announce_bounty(&self, id: u64) {
        let hint = Announcement::BountyPosted {
            chain_id: self.market.chain().chain_id(),
            market: self.market.address().into_array(),
            bounty: id,
        };
        self.hint(&hint).await;
    }

    async fn hint(&self, a: &Announcement) {
        // Peers find everything on chain as well: a hint that cannot be sent costs them seconds.
        if let Err(e) = self.peers.network.announce(a).await {
            tracing::warn!("peers were not told: {e}");
        }
    }

    /// A block that must be on this node.
    pub async fn local(&self, cid: &Cid) -> Result<Vec<u8>> {
        let (store, cid) = (self.peers.content.store().clone(), *cid);
        let found = tokio::task::spawn_blocking(move || store.get(&cid))
            .await
            .context("read a block")??;
        found.with_context(|| format!("block {cid} is not on this node; import the dataset it belongs to"))
    }

    /// Fetches a block by its CID, verified, from this node's store, its peers or Kubo.
    pub async fn fetch(&self, cid: &Cid) -> Result<Vec<u8>> {
        let bytes = tokio::time::timeout(
            Duration::from_secs(120),
            self.peers.content.fetch(*cid, &BTreeSet::new()),
        )
        .await
        .with_context(|| format!("no peer delivered block {cid} within two minutes"))??;
        self.keep_serving(cid, &bytes).await?;
        Ok(bytes)
    }

    /// As [`Self::fetch`], with a time of the caller's.
    pub async fn fetch_within(&self, cid: &Cid, patience: Duration) -> Result<Vec<u8>> {
        let content = &self.peers.content;
        let block = content.fetch_block(*cid, &BTreeSet::new(), patience).await?;
        let bytes: Vec<u8> = block.into_bytes().into();
        self.keep_serving(cid, &bytes).await?;
        Ok(bytes)
    }

    async fn keep_serving(&self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        zkaggle_graph::dataset::cid::verify(cid, bytes)?;
        // Whoever has fetched a dataset serves it too; that nobody finds it here is no reason to fail.
        if let Err(e) = self.peers.content.provide(vec![*cid]).await {
            tracing::warn!(%cid, "served again, but not named in the DHT: {e}");
        }
        Ok(())
    }

    // ------------------------------------------------------------------ money

    /// Withdraws what the market owes this account in ether and in these pots; whether there was anything.
    pub async fn withdraw_owed(&self, pots: &[Address]) -> Result<bool> {
        let me = self.market.chain().account();
        let mut any = false;
        for asset in [Address::ZERO].iter().chain(pots) {
            if self.market.owed_in(*asset, me).await?.is_zero() {
                continue;
            }
            self.report
                .step("withdraw", None, async {
                    let sent = self.market.withdraw_asset(*asset).await?;
                    Ok(((), Cost::gas(sent.gas)))
                })
                .await?;
            any = true;
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_net::MemoryBlockstore;

    #[test]
    fn what_is_served_is_named_pinned_blocks_first_and_sealed_ones_never() {
        let store = MemoryBlockstore::new();
        let copies: Vec<Cid> = (0..20u8)
            .map(|i| store.put(&[i], Visibility::Public).unwrap())
            .collect();
        store.put(b"hold-out", Visibility::Private).unwrap();
        store.set_pinned(&copies[7], true).unwrap();
        let named = public_blocks(&store);
        assert_eq!((named.len(), named[0]), (20, copies[7]));
    }

    /// What a bounty needs stays pinned and is served and named again after a restart; what is sealed is not.
    #[tokio::test]
    async fn a_restarted_node_serves_and_names_what_it_did_before() {
        let folder = tempfile::tempdir().unwrap();
        let dir = NodeDir::open(folder.path()).unwrap();
        let seed = Seed::generate().unwrap();
        let start = || Peers::start(&dir, &seed, NetConfig::loopback(), None);
        let peers = start().await.unwrap();
        let shard = peers.content.publish(b"shard".to_vec()).await.unwrap();
        let holdout = peers.content.seal(b"hold-out".to_vec()).await.unwrap();
        peers.network.shutdown().await;
        drop(peers);

        let patience = Duration::from_secs(60);
        let again = async {
            // The store's lock goes with the last task that holds it.
            loop {
                match start().await {
                    Ok(peers) => break peers,
                    Err(e) => assert!(e.to_string().contains("in use"), "{e}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let again = tokio::time::timeout(patience, again).await.unwrap();
        assert!(again.content.store().list().iter().all(|block| block.pinned));
        let stranger = IdentitySeed::new([7; 32]);
        let store = Arc::new(MemoryBlockstore::new());
        let (stranger, _events) = Network::start(NetConfig::loopback(), stranger, store).await.unwrap();
        stranger.dial(again.address().await.unwrap()).await.unwrap();
        assert_eq!(stranger.fetch(shard, &[]).await.unwrap(), b"shard");
        let named = async {
            while !stranger
                .providers(shard, patience)
                .await
                .unwrap()
                .contains(&again.network.peer_id())
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(patience, named).await.unwrap();
        assert!(stranger.providers(holdout, patience).await.unwrap().is_empty());
        assert!(
            stranger
                .holders(holdout, Duration::from_secs(1))
                .await
                .unwrap()
                .is_empty()
        );
        stranger.shutdown().await;
        again.network.shutdown().await;
    }
}
