//! The task that owns the swarm: commands in, events out.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub::{self, MessageAcceptance, PublishError},
    identify, kad,
    kad::store::RecordStore as _,
    multiaddr::Protocol,
    swarm::{ConnectionId, DialError, SwarmEvent, dial_opts::DialOpts},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    announce::Announcement,
    behaviour::{self, Behaviour, BehaviourEvent},
    bitswap::{Engine, inbound::Inbound},
    blockstore::Blockstore,
    conduct::{Bucket, Conduct, Offence},
    network::{Command, Dht, NetConfig, NetError, NetEvent, peer_of},
    provide::{self, Foreign, Provided},
};

/// Offences that wait to be judged.
const FAULTS: usize = 256;
/// Announcements kept until there is a listener and the rate allows; past it the oldest are dropped.
const MAX_UNSENT: usize = 256;
/// Authors and forwarders whose rate is remembered.
const MAX_BUCKETS: usize = 1024;
/// Addresses taken from one peer's identify record.
const MAX_ADDRESSES: usize = 8;
/// Announcements one author may make: at once, and a second.
const AUTHOR_RATE: (u32, u32) = (32, 2);
/// Announcements one peer may pass on: at once, and a second.
const FORWARD_RATE: (u32, u32) = (128, 16);
/// Provider records one peer may leave here: at once, and a second.
const RECORD_RATE: (u32, u32) = (2048, 64);
/// Providers found by one search that are connected to.
const MAX_PROVIDERS: usize = 8;
/// Searches for providers that run at once; a further one ends empty.
const MAX_SEARCHES: usize = 64;
/// With at most this many peers in the table, a newcomer is told of everything.
const SMALL_NETWORK: usize = 20;
/// Announcements this node makes, kept below what others allow an author.
const OWN_RATE: (u32, u32) = (16, 1);
/// How often bans, kept announcements and lost bootstrap peers are looked after.
const TICK: Duration = Duration::from_secs(5);
/// How long connections may take to close in order.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How long an address may take to be bound.
const LISTEN_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    engine: Engine,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<NetEvent>,
    faults: mpsc::Receiver<(PeerId, Offence)>,
    bootstrap: Vec<(PeerId, Multiaddr)>,
    dials: BTreeMap<ConnectionId, (Multiaddr, oneshot::Sender<Result<PeerId, NetError>>)>,
    unsent: VecDeque<Vec<u8>>,
    own_rate: Bucket,
    conduct: Conduct,
    authors: BTreeMap<PeerId, Bucket>,
    forwarders: BTreeMap<PeerId, Bucket>,
    dht: Dht,
    provided: Provided,
    foreign: Foreign,
    recorders: BTreeMap<PeerId, Bucket>,
    searches: Vec<Search>,
}

/// A search for a block's providers.
struct Search {
    query: kad::QueryId,
    found: BTreeSet<PeerId>,
    reply: oneshot::Sender<BTreeSet<PeerId>>,
}

impl EventLoop {
    /// Listens, with the exchange prepared for the first connection.
    pub async fn new(
        mut swarm: Swarm<Behaviour>,
        config: NetConfig,
        store: Arc<dyn Blockstore>,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<NetEvent>,
    ) -> Result<(Self, Engine), NetError> {
        let control = swarm.behaviour().streams.new_control();
        let (faults_in, faults) = mpsc::channel(FAULTS);
        let engine = Engine::new(control, store, config.exchange.clone(), faults_in);
        for address in &config.listen {
            listen(&mut swarm, address).await?;
        }
        let with_peer = |address: Multiaddr| peer_of(&address).map(|peer| (peer, address));
        let bootstrap = config.bootstrap.into_iter().map(with_peer).collect::<Result<_, _>>()?;
        let event_loop = Self {
            swarm,
            engine: engine.clone(),
            commands,
            events,
            faults,
            bootstrap,
            dials: BTreeMap::new(),
            unsent: VecDeque::new(),
            own_rate: Bucket::new(OWN_RATE.0, OWN_RATE.1, Instant::now()),
            conduct: Conduct::default(),
            authors: BTreeMap::new(),
            forwarders: BTreeMap::new(),
            dht: config.dht,
            provided: Provided::new(config.reprovide),
            foreign: Foreign::default(),
            recorders: BTreeMap::new(),
            searches: Vec::new(),
        };
        Ok((event_loop, engine))
    }

    /// Runs until told to shut down or until the last handle is gone.
    pub async fn run(mut self) {
        // Peers may have connected to one address while the next was being bound.
        let early: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in early {
            self.engine.connected(peer);
            self.emit(NetEvent::PeerConnected(peer));
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown) | None => break,
                    Some(command) => self.on_command(command),
                },
                Some((peer, offence)) = self.faults.recv() => self.punish(peer, offence),
                _ = tick.tick() => self.on_tick(),
            }
        }
        self.close().await;
    }

    fn on_command(&mut self, command: Command) {
        // A caller that no longer waits for its reply needs none.
        match command {
            Command::ListenAddrs(reply) => {
                let _ = reply.send(self.swarm.listeners().cloned().collect());
            }
            Command::Peers(reply) => {
                let _ = reply.send(self.swarm.connected_peers().copied().collect());
            }
            Command::Dial(address, reply) => self.dial(address, reply),
            Command::Announce(bytes, reply) => {
                let _ = reply.send(self.publish(bytes));
            }
            Command::Provide(cids, reply) => {
                let now = Instant::now();
                let kept = cids.into_iter().filter(|cid| !self.provided.add(*cid, now)).count();
                if kept > 0 {
                    tracing::warn!("{kept} blocks are served but not named in the DHT: too many records");
                }
                self.publish_records();
                let _ = reply.send(());
            }
            Command::Unprovide(cids, reply) => {
                for cid in cids {
                    self.provided.remove(&cid);
                    self.swarm
                        .behaviour_mut()
                        .kademlia
                        .stop_providing(&provide::key_of(&cid));
                }
                let _ = reply.send(());
            }
            Command::Providers(cid, reply) => {
                self.searches.retain(|search| !search.reply.is_closed());
                if self.searches.len() >= MAX_SEARCHES {
                    let _ = reply.send(BTreeSet::new());
                    return;
                }
                let query = self.swarm.behaviour_mut().kademlia.get_providers(provide::key_of(&cid));
                let found = BTreeSet::new();
                self.searches.push(Search { query, found, reply });
            }
            Command::Shutdown => {}
        }
    }

    fn dial(&mut self, address: Multiaddr, reply: oneshot::Sender<Result<PeerId, NetError>>) {
        if let Ok(peer) = peer_of(&address)
            && self.swarm.is_connected(&peer)
        {
            let _ = reply.send(Ok(peer));
            return;
        }
        let options: DialOpts = address.clone().into();
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(connection, (address, reply));
            }
            Err(error) => {
                let _ = reply.send(Err(dial_error(address, &error)));
            }
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) -> Result<(), NetError> {
        if self.own_rate.take(Instant::now()) {
            match self
                .swarm
                .behaviour_mut()
                .gossip
                .publish(behaviour::topic().hash(), bytes.clone())
            {
                Ok(_) | Err(PublishError::Duplicate) => return Ok(()),
                Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => {}
                Err(error) => {
                    return Err(NetError::Publish {
                        reason: error.to_string(),
                    });
                }
            }
        }
        self.unsent.push_back(bytes);
        if self.unsent.len() > MAX_UNSENT {
            self.unsent.pop_front();
            tracing::warn!("too many announcements wait to be sent: the oldest is dropped");
        }
        Ok(())
    }

    fn publish_unsent(&mut self) {
        for bytes in std::mem::take(&mut self.unsent) {
            if let Err(error) = self.publish(bytes) {
                tracing::warn!(%error, "a kept announcement was not sent");
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                if let Some((_, reply)) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Ok(peer_id));
                }
                self.engine.connected(peer_id);
                if num_established.get() == 1 {
                    self.emit(NetEvent::PeerConnected(peer_id));
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established: 0,
                ..
            } => {
                self.engine.disconnected(peer_id);
                self.forwarders.remove(&peer_id);
                self.emit(NetEvent::PeerDisconnected(peer_id));
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id, error, ..
            } => {
                if let Some((address, reply)) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Err(dial_error(address, &error)));
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Inbound(Inbound { peer, stream })) => {
                self.engine.inbound(peer, stream);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }))
                if behaviour::speaks_kademlia(&info, self.dht) =>
            {
                for address in info.listen_addrs.into_iter().take(MAX_ADDRESSES) {
                    self.swarm.behaviour_mut().kademlia.add_address(&peer_id, address);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Kademlia(event)) => self.on_kademlia(event),
            _ => {}
        }
    }

    fn on_kademlia(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::AddProvider { record: Some(record) },
            } => self.take_record(record),
            kad::Event::OutboundQueryProgressed { id, result, step, .. } => match result {
                kad::QueryResult::GetProviders(found) => self.on_providers(id, found, step.last),
                kad::QueryResult::StartProviding(outcome) => {
                    self.provided.finished(&id, outcome.is_ok(), Instant::now());
                    self.publish_records();
                }
                _ => {}
            },
            kad::Event::RoutingUpdated { is_new_peer: true, .. } => {
                let kademlia = &mut self.swarm.behaviour_mut().kademlia;
                let peers: usize = kademlia.kbuckets().map(|bucket| bucket.num_entries()).sum();
                if peers <= SMALL_NETWORK {
                    self.provided.renew(Instant::now());
                    self.publish_records();
                }
            }
            _ => {}
        }
    }

    /// Keeps another node's provider record, whose sender Kademlia has checked to be the provider it names.
    fn take_record(&mut self, mut record: kad::ProviderRecord) {
        let now = Instant::now();
        let provider = record.provider;
        if !take(&mut self.recorders, provider, RECORD_RATE, now) {
            return self.punish(provider, Offence::RecordFlood);
        }
        record.addresses.truncate(provide::MAX_ADDRESSES);
        if self.foreign.admit(&record.key, provider, now)
            && let Err(error) = self.swarm.behaviour_mut().kademlia.store_mut().add_provider(record)
        {
            tracing::debug!(%provider, %error, "a provider record was not kept");
        }
    }

    fn on_providers(&mut self, query: kad::QueryId, result: kad::GetProvidersResult, last: bool) {
        let Some(at) = self.searches.iter().position(|search| search.query == query) else {
            return;
        };
        if let Ok(kad::GetProvidersOk::FoundProviders { providers, .. }) = result {
            let me = *self.swarm.local_peer_id();
            for peer in providers.into_iter().filter(|peer| *peer != me) {
                let fresh = self.searches[at].found.insert(peer);
                if fresh && self.searches[at].found.len() <= MAX_PROVIDERS && !self.swarm.is_connected(&peer) {
                    // The query knows the addresses for as long as it runs, so there is no later than now.
                    if let Err(error) = self.swarm.dial(peer) {
                        tracing::debug!(%peer, %error, "a provider was not dialled");
                    }
                }
            }
        }
        if last {
            let search = self.searches.swap_remove(at);
            // A caller that no longer waits needs no answer.
            let _ = search.reply.send(search.found);
        }
    }

    /// Publishes the records that are due, when there is anyone to keep them.
    fn publish_records(&mut self) {
        let now = Instant::now();
        let kademlia = &mut self.swarm.behaviour_mut().kademlia;
        if kademlia.kbuckets().all(|bucket| bucket.is_empty()) {
            return;
        }
        for cid in self.provided.ready(now) {
            match kademlia.start_providing(provide::key_of(&cid)) {
                Ok(query) => self.provided.started(query, cid, now),
                Err(error) => tracing::warn!(%cid, %error, "not named in the DHT"),
            }
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                let acceptance = self.judge(propagation_source, &message);
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::Subscribed { .. } => self.publish_unsent(),
            _ => {}
        }
    }

    /// Decides about one announcement: emit and pass on, drop quietly, or drop and hold against its sender.
    fn judge(&mut self, forwarder: PeerId, message: &gossipsub::Message) -> MessageAcceptance {
        let now = Instant::now();
        // Strict validation lets no message without a signed source through.
        let Some(author) = message.source else {
            return MessageAcceptance::Reject;
        };
        if !take(&mut self.forwarders, forwarder, FORWARD_RATE, now) {
            self.punish(forwarder, Offence::AnnouncementFlood);
            return MessageAcceptance::Ignore;
        }
        match Announcement::decode(&message.data) {
            Ok(announcement) => {
                if !take(&mut self.authors, author, AUTHOR_RATE, now) {
                    if author == forwarder {
                        self.punish(forwarder, Offence::AnnouncementFlood);
                    }
                    return MessageAcceptance::Ignore;
                }
                self.emit(NetEvent::Announced { author, announcement });
                MessageAcceptance::Accept
            }
            Err(error) => {
                tracing::debug!(%forwarder, %error, "announcement refused");
                // Whoever passed it on should have refused it as well.
                self.punish(forwarder, Offence::BadAnnouncement);
                MessageAcceptance::Reject
            }
        }
    }

    fn punish(&mut self, peer: PeerId, offence: Offence) {
        if self.conduct.offend(peer, offence, Instant::now()) {
            tracing::warn!(%peer, ?offence, "peer is disconnected for misbehaving");
            // Blocking also closes every connection of the peer.
            self.swarm.behaviour_mut().banned.block_peer(peer);
            self.emit(NetEvent::PeerBanned(peer));
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.publish_unsent();
        self.publish_records();
        for (key, peer) in self.foreign.expire(now) {
            self.swarm
                .behaviour_mut()
                .kademlia
                .store_mut()
                .remove_provider(&key, &peer);
        }
        for peer in self.conduct.expire(now) {
            self.swarm.behaviour_mut().banned.unblock_peer(peer);
        }
        for (peer, address) in &self.bootstrap {
            if !self.swarm.is_connected(peer) && !self.conduct.is_banned(peer, now) {
                // Refused when a dial is under way; tried again at the next tick otherwise.
                if let Err(error) = self
                    .swarm
                    .dial(DialOpts::peer_id(*peer).addresses(vec![address.clone()]).build())
                {
                    tracing::debug!(%peer, %error, "bootstrap peer not dialled");
                }
            }
        }
    }

    fn emit(&self, event: NetEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            tracing::warn!(?event, "nobody reads network events: one is dropped");
        }
    }

    /// Stops listening, ends fetches and readers, closes connections and lets the goodbyes go out.
    async fn close(mut self) {
        self.engine.close();
        for (_, (_, reply)) in std::mem::take(&mut self.dials) {
            let _ = reply.send(Err(NetError::Closed));
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Fails only for a peer that is gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let drained = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(CLOSE_PATIENCE, drained).await.is_err() {
            tracing::debug!("some connections were cut off");
        }
    }
}

/// Binds one address and waits for the outcome.
async fn listen(swarm: &mut Swarm<Behaviour>, address: &Multiaddr) -> Result<(), NetError> {
    let failed = |reason: String| NetError::Listen {
        address: address.clone(),
        reason,
    };
    // libp2p binds with SO_REUSEPORT, so that two nodes on one port would share its connections at random.
    if let Some(socket) = fixed_port(address) {
        TcpListener::bind(socket).map_err(|error| failed(error.to_string()))?;
    }
    let id = swarm
        .listen_on(address.clone())
        .map_err(|error| failed(error.to_string()))?;
    timeout(LISTEN_PATIENCE, bound(swarm, id))
        .await
        .map_err(|_| failed("timed out".into()))?
        .map_err(failed)
}

/// The socket an address binds, unless the system is to choose the port.
fn fixed_port(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(host) => IpAddr::V4(host),
        Protocol::Ip6(host) => IpAddr::V6(host),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port != 0 => Some(SocketAddr::new(host, port)),
        _ => None,
    }
}

async fn bound(swarm: &mut Swarm<Behaviour>, id: ListenerId) -> Result<(), String> {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, .. } if listener_id == id => return Ok(()),
            SwarmEvent::ListenerError { listener_id, error } if listener_id == id => return Err(error.to_string()),
            SwarmEvent::ListenerClosed {
                listener_id, reason, ..
            } if listener_id == id => {
                return Err(reason.err().map_or_else(|| "closed".into(), |error| error.to_string()));
            }
            _ => {}
        }
    }
}

fn dial_error(address: Multiaddr, error: &DialError) -> NetError {
    NetError::Dial {
        address,
        reason: error.to_string(),
    }
}

/// Takes a token from a peer's bucket, forgetting the least recently used peer past the cap.
fn take(buckets: &mut BTreeMap<PeerId, Bucket>, peer: PeerId, (burst, per_second): (u32, u32), now: Instant) -> bool {
    let granted = buckets
        .entry(peer)
        .or_insert_with(|| Bucket::new(burst, per_second, now))
        .take(now);
    if buckets.len() > MAX_BUCKETS
        && let Some(oldest) = buckets
            .iter()
            .min_by_key(|(_, bucket)| bucket.last_used())
            .map(|(peer, _)| *peer)
    {
        buckets.remove(&oldest);
    }
    granted
}
