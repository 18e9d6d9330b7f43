//! The protocols of one swarm, and the transport below them.

use std::{io, time::Duration};

use futures::io::BufReader;
use libp2p::{
    PeerId, StreamProtocol, Swarm, Transport as _,
    allow_block_list::{self, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    dns, gossipsub, identify, identity, kad, memory_connection_limits, noise, ping,
    swarm::{self, NetworkBehaviour},
    tcp, yamux,
};

use crate::{
    announce::{MAX_ANNOUNCEMENT, TOPIC},
    batch::Batched,
    bitswap::inbound,
    network::{Dht, NetConfig, NetError},
    provide::{MAX_FOREIGN, MAX_OWN, RECORD_TTL},
};

/// A bound on kept records' addresses and values; values are never kept.
const NO_VALUES: usize = 0;
/// Bytes of a connection that one system call may bring.
const READ_AHEAD: usize = 64 * 1024;
const IDENTIFY: &str = "/zkaggle/1.0.0";

/// A topic's messages carry signature, source and sequence number besides the announcement.
const MAX_GOSSIP: usize = MAX_ANNOUNCEMENT + 4096;

type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub limits: connection_limits::Behaviour,
    pub memory: memory_connection_limits::Behaviour,
    pub banned: allow_block_list::Behaviour<BlockedPeers>,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub kademlia: kad::Behaviour<kad::store::MemoryStore>,
    pub gossip: Gossip,
    /// Opens the exchange's streams.
    pub streams: libp2p_stream::Behaviour,
    /// Accepts them.
    pub inbound: inbound::Behaviour,
}

/// The only topic there is.
pub(crate) fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(TOPIC)
}

/// Says whether a peer's identify record names the DHT this node is part of.
pub(crate) fn speaks_kademlia(info: &identify::Info, dht: Dht) -> bool {
    info.protocols.contains(&protocol(dht))
}

fn protocol(dht: Dht) -> StreamProtocol {
    match dht {
        Dht::Zkaggle => StreamProtocol::new("/zkaggle/kad/1.0.0"),
        Dht::Ipfs => StreamProtocol::new("/ipfs/kad/1.0.0"),
        Dht::IpfsLan => StreamProtocol::new("/ipfs/lan/kad/1.0.0"),
    }
}

/// Builds a swarm that listens nowhere yet.
pub(crate) fn swarm(key: &identity::Keypair, config: &NetConfig) -> Result<Swarm<Behaviour>, NetError> {
    let behaviour = behaviour(key, config)?;
    let swarm_config = swarm::Config::with_tokio_executor()
        // Announcements are rare: a quiet connection is not a useless one. The limits below bound how many stay.
        .with_idle_connection_timeout(config.idle_timeout)
        .with_max_negotiating_inbound_streams(32);
    Ok(Swarm::new(
        transport(key)?,
        behaviour,
        key.public().to_peer_id(),
        swarm_config,
    ))
}

/// TCP, with names resolved when the system has a resolver: loopback needs none.
fn transport(key: &identity::Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, NetError> {
    let tcp = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let base = match dns::tokio::Transport::system(tcp()) {
        Ok(named) => named.boxed(),
        Err(error) => {
            tracing::warn!(%error, "no name resolver: only numeric addresses can be dialled");
            tcp().boxed()
        }
    };
    let noise = noise::Config::new(key).map_err(|error| NetError::Setup {
        what: "noise",
        reason: error.to_string(),
    })?;
    Ok(base
        // Noise reads 8 KiB at a time.
        .map(|socket, _| BufReader::with_capacity(READ_AHEAD, socket))
        .upgrade(Version::V1Lazy)
        .authenticate(Batched(noise))
        .multiplex(multiplexer())
        .timeout(Duration::from_secs(20))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(io::Error::other)
        .boxed())
}

/// Yamux whose receive windows stop growing at 1 MiB.
///
/// A stream's window starts at 256 KiB and is doubled while its sender keeps it full. js-libp2p sends a window's worth
/// as one frame, and the yamux used here closes the connection at a frame above 1 MiB. The only setting there is for
/// growth is the number of streams: each takes 256 KiB of the 1 GiB that a connection's windows may have together,
/// and what 4,093 of them leave over, 768 KiB, lets one stream reach 1 MiB.
fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(4093);
    config
}

fn behaviour(key: &identity::Keypair, config: &NetConfig) -> Result<Behaviour, NetError> {
    let me = key.public().to_peer_id();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(16))
        .with_max_pending_outgoing(Some(16))
        .with_max_established_incoming(Some(config.max_peers.saturating_mul(3) / 4))
        .with_max_established(Some(config.max_peers))
        // Two, not one: when both sides dial at once, a limit of one lets each refuse the other's connection.
        .with_max_established_per_peer(Some(2));
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_connection_limits::Behaviour::with_max_percentage(config.max_memory_share),
        banned: allow_block_list::Behaviour::default(),
        identify: identify::Behaviour::new(
            identify::Config::new(IDENTIFY.into(), key.public())
                .with_agent_version(concat!("zkaggle/", env!("CARGO_PKG_VERSION")).into()),
        ),
        ping: ping::Behaviour::default(),
        kademlia: kademlia(me, config.dht),
        gossip: gossip(key)?,
        streams: libp2p_stream::Behaviour::new(),
        inbound: inbound::Behaviour::default(),
    })
}

/// Kademlia to find peers and providers. Records of others pass the event loop first; values are not kept.
fn kademlia(me: PeerId, dht: Dht) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(protocol(dht));
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_provider_record_ttl(Some(RECORD_TTL))
        // The event loop has a schedule of its own, which knows what failed and who is new.
        .set_provider_publication_interval(None)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_query_timeout(Duration::from_secs(30))
        .set_periodic_bootstrap_interval(Some(Duration::from_secs(120)));
    let store = kad::store::MemoryStoreConfig {
        max_records: NO_VALUES,
        max_provided_keys: MAX_OWN + MAX_FOREIGN,
        ..Default::default()
    };
    let store = kad::store::MemoryStore::with_config(me, store);
    let mut kademlia = kad::Behaviour::with_config(me, store, config);
    if dht != Dht::Ipfs {
        // Without an external address the default mode would be client, and nobody would answer a private or
        // loopback network. On the public table it stays so: who cannot be reached must not be asked.
        kademlia.set_mode(Some(kad::Mode::Server));
    }
    kademlia
}

fn gossip(key: &identity::Keypair) -> Result<Gossip, NetError> {
    let setup = |reason: String| NetError::Setup {
        what: "gossipsub",
        reason,
    };
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Strict)
        // Nothing is forwarded before it has been decoded here.
        .validate_messages()
        .max_transmit_size(MAX_GOSSIP)
        .max_publish_messages(64)
        .max_control_messages_sent(64)
        .heartbeat_initial_delay(Duration::from_millis(500))
        .build()
        .map_err(|error| setup(error.to_string()))?;
    let topics = gossipsub::WhitelistSubscriptionFilter([topic().hash()].into_iter().collect());
    let mut gossip =
        Gossip::new_with_subscription_filter(gossipsub::MessageAuthenticity::Signed(key.clone()), config, topics)
            .map_err(|error| setup(error.to_owned()))?;
    gossip.subscribe(&topic()).map_err(|error| setup(error.to_string()))?;
    Ok(gossip)
}
