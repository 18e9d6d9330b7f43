//! The protocols of one swarm, and the transport below them.

use std::{io, num::NonZeroUsize, time::Duration};

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
    network::{NetConfig, NetError},
};

/// Kademlia under a name of our own: ZKaggle nodes do not join, or burden, IPFS's public table.
const KADEMLIA: StreamProtocol = StreamProtocol::new("/zkaggle/kad/1.0.0");
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
    pub streams: libp2p_stream::Behaviour,
}

/// The only topic there is.
pub(crate) fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(TOPIC)
}

/// Says whether a peer's identify record names our Kademlia.
pub(crate) fn speaks_kademlia(info: &identify::Info) -> bool {
    info.protocols.contains(&KADEMLIA)
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
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .timeout(Duration::from_secs(20))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(io::Error::other)
        .boxed())
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
        kademlia: kademlia(me),
        gossip: gossip(key)?,
        streams: libp2p_stream::Behaviour::new(),
    })
}

/// Kademlia to find peers; it stores no records for others.
fn kademlia(me: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(KADEMLIA);
    config
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_replication_factor(NonZeroUsize::new(20).unwrap_or(NonZeroUsize::MIN))
        .set_periodic_bootstrap_interval(Some(Duration::from_secs(120)));
    let mut kademlia = kad::Behaviour::with_config(me, kad::store::MemoryStore::new(me), config);
    // Without an external address the default mode would be client, and nobody would answer a loopback network.
    kademlia.set_mode(Some(kad::Mode::Server));
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
