//! The handle to a running swarm.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use cid::Cid;
use libp2p::{Multiaddr, PeerId, identity, multiaddr::Protocol};
use tokio::{
    sync::{Mutex, Semaphore, mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use zeroize::Zeroizing;

use crate::{
    announce::{AnnounceError, Announcement},
    behaviour,
    bitswap::{Engine, FetchError, Limits},
    block::CheckedBlock,
    blockstore::{Blockstore, PublicBlocks},
    event_loop::EventLoop,
    provide::RECORD_TTL,
};

/// Commands that wait for the event loop.
const COMMANDS: usize = 64;
/// How long connected peers have before the DHT is asked who else may have a block.
const BEFORE_DHT: Duration = Duration::from_millis(700);
/// How often the DHT is asked again while a block is missing.
const DHT_AGAIN: Duration = Duration::from_secs(15);
/// Searches for providers under way at once.
const SEARCHES: usize = 4;
/// Events that wait for the node; what comes on top is dropped, since an announcement is only a hint.
const EVENTS: usize = 256;

/// The seed of a node's peer identity (ed25519), derived from the node's one seed.
///
/// Debug shows nothing of it, and it is wiped when dropped.
pub struct IdentitySeed(Zeroizing<[u8; 32]>);

impl IdentitySeed {
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// Names the peer this seed makes, without starting it.
    pub fn peer_id(&self) -> Result<PeerId, NetError> {
        Ok(self.keypair()?.public().to_peer_id())
    }

    fn keypair(&self) -> Result<identity::Keypair, NetError> {
        let mut seed = self.0.clone();
        identity::Keypair::ed25519_from_bytes(&mut seed[..]).map_err(|error| NetError::Setup {
            what: "identity",
            reason: error.to_string(),
        })
    }
}

impl fmt::Debug for IdentitySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySeed(..)")
    }
}

/// Which distributed hash table a node is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dht {
    /// ZKaggle's own (`/zkaggle/kad/1.0.0`): its nodes neither join nor burden IPFS's public table.
    #[default]
    Zkaggle,
    /// IPFS's public one (`/ipfs/kad/1.0.0`): any IPFS peer finds what this node serves.
    Ipfs,
    /// IPFS's for private address ranges (`/ipfs/lan/kad/1.0.0`): the Kubo nodes of one site.
    IpfsLan,
}

/// How a node takes part.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Addresses to listen on; port 0 lets the system choose.
    pub listen: Vec<Multiaddr>,
    /// Peers to stay connected to, each address ending in `/p2p/<peer id>`.
    pub bootstrap: Vec<Multiaddr>,
    /// Connections held at most; three quarters of them may be inbound.
    pub max_peers: u32,
    /// Share of the machine's memory, from 0 to 1, above which no new connection is made.
    pub max_memory_share: f64,
    /// How long a connection without streams is kept.
    pub idle_timeout: Duration,
    /// How long [`Network::fetch`] tries.
    pub fetch_timeout: Duration,
    /// Where providers are looked up and named.
    pub dht: Dht,
    /// How often the DHT is told again what this node serves; records fade after 48 hours.
    pub reprovide: Duration,
    /// Bounds of the block exchange.
    pub exchange: Limits,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            bootstrap: Vec::new(),
            max_peers: 128,
            max_memory_share: 0.9,
            idle_timeout: Duration::from_secs(3600),
            fetch_timeout: Duration::from_secs(60),
            dht: Dht::default(),
            reprovide: Duration::from_secs(22 * 3600),
            exchange: Limits::default(),
        }
    }
}

impl NetConfig {
    /// Listens on this machine only, on a port the system chooses.
    pub fn loopback() -> Self {
        let address = Multiaddr::empty()
            .with(Protocol::Ip4(std::net::Ipv4Addr::LOCALHOST))
            .with(Protocol::Tcp(0));
        Self {
            listen: vec![address],
            ..Self::default()
        }
    }

    fn check(&self) -> Result<(), NetError> {
        for address in &self.bootstrap {
            peer_of(address)?;
        }
        if !(0.0..=1.0).contains(&self.max_memory_share) {
            let reason = format!("max_memory_share is {}, it must be from 0 to 1", self.max_memory_share);
            return Err(NetError::Setup {
                what: "memory limit",
                reason,
            });
        }
        if self.reprovide.is_zero() || self.reprovide > RECORD_TTL {
            let reason = format!(
                "{:?} between two of them, it must be at most {RECORD_TTL:?}",
                self.reprovide
            );
            return Err(NetError::Setup {
                what: "provider records",
                reason,
            });
        }
        Ok(())
    }
}

/// What happened, for whoever runs the node. Events are dropped while nobody reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetEvent {
    PeerConnected(PeerId),
    PeerDisconnected(PeerId),
    /// A peer was disconnected for misbehaving and is kept out for a while.
    PeerBanned(PeerId),
    /// A well-formed hint, signed by `author`, seen for the first time.
    Announced {
        author: PeerId,
        announcement: Announcement,
    },
}

/// Blocks and bytes moved since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub blocks_sent: u64,
    pub bytes_sent: u64,
    pub blocks_received: u64,
    pub bytes_received: u64,
}

/// Why the network refuses or fails.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("{what} could not be set up: {reason}")]
    Setup { what: &'static str, reason: String },
    #[error("cannot listen on {address}: {reason}: choose another address or free the port")]
    Listen { address: Multiaddr, reason: String },
    #[error("cannot dial {address}: {reason}")]
    Dial { address: Multiaddr, reason: String },
    #[error("{address} does not end in /p2p/<peer id>: add the peer's id")]
    NoPeerId { address: Multiaddr },
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    #[error("announcement could not be published: {reason}")]
    Publish { reason: String },
    #[error("the network is shut down")]
    Closed,
}

pub(crate) enum Command {
    ListenAddrs(oneshot::Sender<Vec<Multiaddr>>),
    Peers(oneshot::Sender<Vec<PeerId>>),
    Dial(Multiaddr, oneshot::Sender<Result<PeerId, NetError>>),
    Announce(Vec<u8>, oneshot::Sender<Result<(), NetError>>),
    Provide(Vec<Cid>, oneshot::Sender<()>),
    Unprovide(Vec<Cid>, oneshot::Sender<()>),
    Providers(Cid, oneshot::Sender<BTreeSet<PeerId>>),
    Shutdown,
}

/// A running node of the peer network; clones talk to the same swarm.
///
/// The swarm stops on [`Network::shutdown`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Network {
    me: PeerId,
    commands: mpsc::Sender<Command>,
    engine: Engine,
    public: PublicBlocks,
    searches: Arc<Semaphore>,
    fetch_timeout: Duration,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Network {
    /// Starts a swarm and returns once it listens on every address asked for.
    ///
    /// # Errors
    /// [`NetError::Listen`] when an address cannot be bound, [`NetError::NoPeerId`] for a bootstrap address
    /// without a peer, [`NetError::Setup`].
    pub async fn start(
        config: NetConfig,
        seed: IdentitySeed,
        store: Arc<dyn Blockstore>,
    ) -> Result<(Self, mpsc::Receiver<NetEvent>), NetError> {
        config.check()?;
        let swarm = behaviour::swarm(&seed.keypair()?, &config)?;
        drop(seed);
        let me = *swarm.local_peer_id();
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (events, outbox) = mpsc::channel(EVENTS);
        let fetch_timeout = config.fetch_timeout;
        let public = PublicBlocks::new(store.clone());
        let (event_loop, engine) = EventLoop::new(swarm, config, store, inbox, events).await?;
        let task = Arc::new(Mutex::new(Some(tokio::spawn(event_loop.run()))));
        Ok((
            Self {
                me,
                commands,
                engine,
                public,
                searches: Arc::new(Semaphore::new(SEARCHES)),
                fetch_timeout,
                task,
            },
            outbox,
        ))
    }

    pub fn peer_id(&self) -> PeerId {
        self.me
    }

    /// How long [`Network::fetch`] tries.
    pub fn fetch_timeout(&self) -> Duration {
        self.fetch_timeout
    }

    /// Lists the addresses listened on, each ending in this node's `/p2p/` part, ready to be dialled.
    pub async fn listen_addrs(&self) -> Result<Vec<Multiaddr>, NetError> {
        let addresses = self.ask(Command::ListenAddrs).await?;
        Ok(addresses
            .into_iter()
            .map(|address| address.with(Protocol::P2p(self.me)))
            .collect())
    }

    /// Lists the connected peers.
    pub async fn peers(&self) -> Result<Vec<PeerId>, NetError> {
        self.ask(Command::Peers).await
    }

    /// Connects to a peer and returns its id, once the connection stands.
    ///
    /// # Errors
    /// [`NetError::Dial`] with the transport's reason.
    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId, NetError> {
        self.ask(|reply| Command::Dial(address, reply)).await?
    }

    /// Tells all nodes. With no node listening yet, the hint is kept and sent to the first that does.
    ///
    /// # Errors
    /// [`NetError::Announce`] when it does not fit a message.
    pub async fn announce(&self, announcement: &Announcement) -> Result<(), NetError> {
        let bytes = announcement.encode()?;
        self.ask(|reply| Command::Announce(bytes, reply)).await?
    }

    /// Gets a block from the store, else from `from`, or from any peer when `from` is empty: those connected,
    /// then those that the DHT names.
    ///
    /// Asks again until the configured time is over; every byte is checked against the CID, and the block is
    /// stored as a public copy before it is returned, so that a fetch that was interrupted continues where it
    /// stopped. Dropping the future withdraws the question.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(&self, cid: Cid, from: &[PeerId]) -> Result<Vec<u8>, FetchError> {
        self.fetch_within(cid, from, self.fetch_timeout).await
    }

    /// As [`Network::fetch`], with a time of the caller's.
    pub async fn fetch_within(&self, cid: Cid, from: &[PeerId], patience: Duration) -> Result<Vec<u8>, FetchError> {
        Ok(self.fetch_block(cid, from, patience).await?.into_bytes().into())
    }

    /// As [`Network::fetch_within`], without copying the bytes.
    pub async fn fetch_block(&self, cid: Cid, from: &[PeerId], patience: Duration) -> Result<CheckedBlock, FetchError> {
        let named = (!from.is_empty()).then(|| from.iter().copied().collect::<BTreeSet<_>>());
        let anyone = named.is_none();
        let search = async {
            sleep(BEFORE_DHT).await;
            loop {
                if let Ok(_turn) = self.searches.acquire().await {
                    // Providers are connected to as they are found; the exchange asks whoever is connected.
                    let _ = self.providers(cid, patience).await;
                }
                sleep(DHT_AGAIN).await;
            }
        };
        let fetched = self.engine.fetch(cid, named, patience);
        if !anyone {
            return fetched.await;
        }
        tokio::select! {
            fetched = fetched => fetched,
            () = search => Err(FetchError::Closed),
        }
    }

    /// Tells the DHT, now and again while the node runs, that this node serves these blocks.
    ///
    /// Blocks that are absent or private are passed over: the DHT never learns of a sealed block.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub async fn provide(&self, cids: Vec<Cid>) -> Result<(), NetError> {
        let public = self.public.clone();
        let served = spawn_blocking(move || cids.into_iter().filter(|cid| public.has(cid)).collect());
        let served = served.await.map_err(|_| NetError::Closed)?;
        self.ask(|reply| Command::Provide(served, reply)).await
    }

    /// Stops telling the DHT of these blocks; what it was told fades within two days.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub async fn unprovide(&self, cids: Vec<Cid>) -> Result<(), NetError> {
        self.ask(|reply| Command::Unprovide(cids, reply)).await
    }

    /// Asks the DHT who serves a block and connects to those it names; this node is never among them.
    ///
    /// Returns what was found when `patience` ends.
    ///
    /// # Errors
    /// [`NetError::Closed`].
    pub async fn providers(&self, cid: Cid, patience: Duration) -> Result<BTreeSet<PeerId>, NetError> {
        let search = self.ask(|reply| Command::Providers(cid, reply));
        match timeout(patience, search).await {
            Ok(found) => found,
            Err(_) => Ok(BTreeSet::new()),
        }
    }

    /// Asks the connected peers who has a block, without fetching it; those that answer within `patience` count.
    ///
    /// # Errors
    /// [`FetchError::Unsupported`], [`FetchError::Closed`].
    pub async fn holders(&self, cid: Cid, patience: Duration) -> Result<BTreeSet<PeerId>, FetchError> {
        self.engine.holders(cid, patience).await
    }

    /// Sends a block that was just stored as public, or released, to peers that asked for it before.
    pub fn offer(&self, cid: &Cid) {
        self.engine.offer(cid);
    }

    pub fn traffic(&self) -> Traffic {
        let counters = self.engine.counters();
        Traffic {
            blocks_sent: counters.blocks_sent.load(Ordering::Relaxed),
            bytes_sent: counters.bytes_sent.load(Ordering::Relaxed),
            blocks_received: counters.blocks_received.load(Ordering::Relaxed),
            bytes_received: counters.bytes_received.load(Ordering::Relaxed),
        }
    }

    /// Ends fetches, closes connections and waits until the swarm has stopped. A second call does nothing.
    pub async fn shutdown(&self) {
        // Closed already when the loop has ended.
        let _ = self.commands.send(Command::Shutdown).await;
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the network task did not end in order");
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NetError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| NetError::Closed)?;
        answer.await.map_err(|_| NetError::Closed)
    }
}

/// Reads the peer an address ends in.
pub(crate) fn peer_of(address: &Multiaddr) -> Result<PeerId, NetError> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Ok(peer),
        _ => Err(NetError::NoPeerId {
            address: address.clone(),
        }),
    }
}
