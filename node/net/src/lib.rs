//! Peers and content: how ZKaggle nodes find each other and move blocks.
//!
//! * [`block`]: a block is at most 2 MiB and is named by its CID (version 1, SHA-256).
//! * [`blockstore`]: blocks on disk or in memory, each pinned or not, each public or private. A private
//!   block (a sealed hold-out) is never served to a peer, and no peer learns that it is here.
//! * [`bitswap`]: IPFS's block exchange 1.2.0, so that any IPFS peer can fetch from a node.
//! * [`announce`]: the hints that nodes gossip. A node acts on the chain, never on a hint.
//! * [`conduct`]: what misbehaviour costs a peer.
//! * [`network`]: one libp2p swarm behind a clonable [`Network`] handle.
//! * [`kubo`]: a Kubo daemon through its RPC endpoint, in place of our own peers.
//! * [`content`]: publish and fetch by either way.
//! * [`dag`]: fetch a root with everything below it.
//!
//! This is the only crate of the workspace that uses libp2p and the IPFS API client.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{sync::Arc, time::Duration};
//! use zkaggle_net::{Blockstore, DiskBlockstore, IdentitySeed, NetConfig, Network, Visibility};
//!
//! let store = Arc::new(DiskBlockstore::open("blocks")?);
//! let cid = store.put(b"a shard", Visibility::Public)?;
//! let (network, mut events) = Network::start(NetConfig::loopback(), IdentitySeed::new([7; 32]), store).await?;
//! println!("fetch {cid} from {:?}", network.listen_addrs().await?);
//! # Ok(()) }
//! ```

pub mod announce;
pub mod bitswap;
pub mod block;
pub mod blockstore;
pub mod conduct;
pub mod content;
pub mod dag;
pub mod kubo;
pub mod network;

mod batch;
mod behaviour;
mod event_loop;
mod provide;

pub use announce::{AnnounceError, Announcement};
pub use block::{CheckedBlock, Cid, MAX_BLOCK, cid_of};
pub use blockstore::{BlockInfo, Blockstore, DiskBlockstore, MemoryBlockstore, StoreError, Visibility};
pub use content::{Content, ContentError};
pub use dag::{DagError, DagOptions, DagProgress};
pub use kubo::{KuboClient, KuboError};
pub use libp2p::{Multiaddr, PeerId};
pub use network::{Dht, IdentitySeed, NetConfig, NetError, NetEvent, Network, Traffic};
