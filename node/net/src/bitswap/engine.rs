//! The exchange's tasks.
//!
//! ```text
//!  inbound stream ─▶ reader (several a peer) ─┬▶ ledger ─▶ writer (one a peer) ─▶ outbound stream
//!                                             └▶ arrivals ─▶ fetch ─▶ store
//! ```
//!
//! Readers never wait for writers: a peer that does not read stalls its own writer and nothing else. What is
//! wanted is kept in capped ledgers, and blocks are loaded only when they are about to be sent.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cid::Cid;
use libp2p::{PeerId, Stream};
use libp2p_stream::Control;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::{AbortHandle, JoinHandle, JoinSet, spawn_blocking},
    time::Instant,
};

use super::{
    fetch::{Answer, Wanted},
    ledger::Ledger,
    message::{Block, DecodeError, Message, PresenceType, Wantlist},
    wire::{self, ReadBudget, ReadError},
};
use crate::{
    block::{self, CheckedBlock, MAX_BLOCK},
    blockstore::{Blockstore, PublicBlocks},
    conduct::Offence,
};

/// Messages of ours that wait for one peer's writer.
const OUTBOX: usize = 256;

/// What the exchange allows; the defaults suit a node with up to a hundred peers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound streams of one peer that are read at once; Kubo opens one a message.
    pub streams_per_peer: usize,
    /// Wants of one peer that are remembered.
    pub wants_per_peer: usize,
    /// Questions to one peer whose answers are still accepted.
    pub questions_per_peer: usize,
    /// Bytes of unfinished inbound messages, all peers together.
    pub read_bytes: usize,
    /// How long a message may take once begun, in either direction.
    pub message_patience: Duration,
    /// How long one peer may take to answer before the next is asked.
    pub answer_patience: Duration,
    /// Blocks fetched at once.
    pub parallel_fetches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_per_peer: 64,
            wants_per_peer: 1024,
            questions_per_peer: 4096,
            read_bytes: 64 << 20,
            message_patience: Duration::from_secs(20),
            answer_patience: Duration::from_secs(5),
            parallel_fetches: 64,
        }
    }
}

/// Counts what moved; read through `Network::traffic`.
#[derive(Default)]
pub(crate) struct Counters {
    pub blocks_sent: AtomicU64,
    pub bytes_sent: AtomicU64,
    pub blocks_received: AtomicU64,
    pub bytes_received: AtomicU64,
}

pub(super) struct Peer {
    pub id: PeerId,
    pub connected: AtomicBool,
    /// Its last answer to a question of ours was a block.
    pub generous: AtomicBool,
    /// When it last gave a block that was asked for.
    delivered: Mutex<Option<Instant>>,
    pub ledger: Mutex<Ledger>,
    /// The ledger's queue has work for the writer.
    pub work: Notify,
    pub outbox: mpsc::Sender<Message>,
    streams: Arc<Semaphore>,
    writer: Mutex<Option<AbortHandle>>,
}

pub(super) struct Shared {
    pub control: Control,
    pub store: Arc<dyn Blockstore>,
    pub public: PublicBlocks,
    pub limits: Limits,
    pub peers: Mutex<BTreeMap<PeerId, Arc<Peer>>>,
    pub wanted: Mutex<BTreeMap<Cid, Wanted>>,
    faults: mpsc::Sender<(PeerId, Offence)>,
    budget: ReadBudget,
    readers: Mutex<JoinSet<()>>,
    pub fetches: Semaphore,
    pub counters: Counters,
    pub closed: watch::Sender<bool>,
}

/// The exchange of one node; clones share it.
#[derive(Clone)]
pub(crate) struct Engine(pub(super) Arc<Shared>);

impl Engine {
    /// Prepares the exchange. Offences go to `faults`, whose reader disconnects.
    pub fn new(
        control: Control,
        store: Arc<dyn Blockstore>,
        limits: Limits,
        faults: mpsc::Sender<(PeerId, Offence)>,
    ) -> Self {
        Self(Arc::new(Shared {
            control,
            public: PublicBlocks::new(store.clone()),
            store,
            budget: ReadBudget::new(limits.read_bytes),
            readers: Mutex::default(),
            fetches: Semaphore::new(limits.parallel_fetches),
            limits,
            peers: Mutex::default(),
            wanted: Mutex::default(),
            faults,
            counters: Counters::default(),
            closed: watch::channel(false).0,
        }))
    }

    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Reads a stream that a peer has opened, unless the peer has too many.
    pub fn inbound(&self, id: PeerId, stream: Stream) {
        let peer = self.peer(id);
        match peer.streams.clone().try_acquire_owned() {
            Ok(permit) => {
                let mut readers = lock(&self.0.readers);
                while readers.try_join_next().is_some() {}
                readers.spawn(self.clone().read_from(peer, stream, permit));
            }
            Err(_) => self.fault(id, Offence::StreamFlood),
        }
    }

    /// Notes that a peer is connected: from now on it can be asked.
    pub fn connected(&self, id: PeerId) {
        self.peer(id).connected.store(true, Ordering::Relaxed);
    }

    /// Forgets a peer and stops its writer.
    pub fn disconnected(&self, id: PeerId) {
        let gone = lock(&self.0.peers).remove(&id);
        if let Some(peer) = gone {
            peer.stop();
            self.tell_all(&peer, Answer::Nothing(id));
        }
    }

    /// Sends a block that has become available to the peers that asked for it. A private block is not sent.
    pub fn offer(&self, cid: &Cid) {
        // Even a second "don't have" would tell peers that something happened here.
        if !self.0.public.has(cid) {
            return;
        }
        let old_name = (cid.codec() == block::DAG_PB)
            .then(|| Cid::new_v0(*cid.hash()).ok())
            .flatten();
        for peer in lock(&self.0.peers).values() {
            let mut ledger = lock(&peer.ledger);
            let wanted = ledger.requeue(cid) | old_name.is_some_and(|old_name| ledger.requeue(&old_name));
            drop(ledger);
            if wanted {
                peer.work.notify_one();
            }
        }
    }

    /// Ends every fetch, reader and writer.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
        lock(&self.0.readers).abort_all();
        let peers = std::mem::take(&mut *lock(&self.0.peers));
        peers.values().for_each(|peer| peer.stop());
    }

    fn peer(&self, id: PeerId) -> Arc<Peer> {
        let mut peers = lock(&self.0.peers);
        if let Some(peer) = peers.get(&id) {
            return peer.clone();
        }
        let (outbox, messages) = mpsc::channel(OUTBOX);
        let peer = Arc::new(Peer {
            id,
            connected: AtomicBool::new(false),
            generous: AtomicBool::new(false),
            delivered: Mutex::default(),
            ledger: Mutex::default(),
            work: Notify::new(),
            outbox,
            streams: Arc::new(Semaphore::new(self.0.limits.streams_per_peer)),
            writer: Mutex::default(),
        });
        let writer = tokio::spawn(self.clone().write_to(peer.clone(), messages));
        *lock(&peer.writer) = Some(writer.abort_handle());
        peers.insert(id, peer.clone());
        peer
    }

    fn fault(&self, peer: PeerId, offence: Offence) {
        tracing::debug!(%peer, ?offence, "peer misbehaves");
        // A full queue means that faults arrive faster than they are judged: this one would change little.
        let _ = self.0.faults.try_send((peer, offence));
    }

    /// Reads one inbound stream to its end.
    async fn read_from(self, peer: Arc<Peer>, mut stream: Stream, permit: OwnedSemaphorePermit) {
        // The blocks of one message are hashed while the next is read: one ahead, so that memory stays small.
        let mut hashing: Option<JoinHandle<()>> = None;
        loop {
            match wire::read(&mut stream, &self.0.budget, self.0.limits.message_patience).await {
                Ok(Some(message)) => {
                    if let Some(before) = hashing.take() {
                        let _ = before.await;
                    }
                    hashing = self.take(&peer, message);
                }
                Ok(None) => break,
                Err(error) => {
                    let offence = match error {
                        ReadError::TooLong { .. } | ReadError::Decode(DecodeError::TooMany { .. }) => {
                            Offence::Oversized
                        }
                        ReadError::BadLength | ReadError::Decode(DecodeError::Malformed(_)) => Offence::Garbage,
                        ReadError::Stalled(_) => Offence::Stalled,
                        ReadError::Io(_) | ReadError::Busy => break,
                    };
                    self.fault(peer.id, offence);
                    break;
                }
            }
        }
        if let Some(last) = hashing {
            let _ = last.await;
        }
        drop(permit);
        // A stream may outlive the connection's end by a moment; its peer must not stay behind.
        if !peer.connected.load(Ordering::Relaxed) && peer.streams.available_permits() == self.0.limits.streams_per_peer
        {
            let mut peers = lock(&self.0.peers);
            if peers.get(&peer.id).is_some_and(|known| Arc::ptr_eq(known, &peer)) {
                peers.remove(&peer.id);
                peer.stop();
            }
        }
    }

    /// Acts on a message; its blocks, if any, are hashed by the task that is returned.
    fn take(&self, peer: &Arc<Peer>, message: Message) -> Option<JoinHandle<()>> {
        if let Some(wantlist) = message.wantlist {
            self.take_wants(peer, wantlist);
        }
        for presence in message.presences {
            if let Ok(cid) = Cid::try_from(presence.cid.as_slice())
                && lock(&peer.ledger).was_asked(&cid)
            {
                let answer = if presence.kind == PresenceType::Have as i32 {
                    Answer::Have(peer.id)
                } else {
                    peer.generous.store(false, Ordering::Relaxed);
                    Answer::Nothing(peer.id)
                };
                self.tell(&cid, answer);
            }
        }
        if message.payload.is_empty() {
            return None;
        }
        let (engine, peer) = (self.clone(), peer.clone());
        // Hashing megabytes would hold up the other streams of this thread.
        Some(spawn_blocking(move || {
            message
                .payload
                .into_iter()
                .for_each(|block| engine.take_block(&peer, block))
        }))
    }

    fn take_wants(&self, peer: &Peer, wantlist: Wantlist) {
        let (mut flood, mut bad) = (false, false);
        let mut ledger = lock(&peer.ledger);
        if wantlist.full {
            ledger.clear_wants();
        }
        for entry in &wantlist.entries {
            match Cid::try_from(entry.block.as_slice()) {
                Ok(cid) => flood |= !ledger.apply(cid, entry, self.0.limits.wants_per_peer),
                Err(_) => bad = true,
            }
        }
        drop(ledger);
        peer.work.notify_one();
        if flood {
            self.fault(peer.id, Offence::WantFlood);
        }
        if bad {
            self.fault(peer.id, Offence::BadCid);
        }
    }

    /// Hands a block to whoever fetches it, if this peer was asked for exactly this block.
    fn take_block(&self, peer: &Peer, block: Block) {
        if block.data.len() > MAX_BLOCK {
            return self.fault(peer.id, Offence::Oversized);
        }
        let size = block.data.len() as u64;
        let checked = CheckedBlock::from_payload(&block.prefix, block.data);
        let Some(checked) = checked.filter(|checked| lock(&peer.ledger).was_asked(checked.cid())) else {
            self.fault(peer.id, Offence::UnwantedBlock);
            peer.generous.store(false, Ordering::Relaxed);
            // It may have been meant as an answer: whoever waits for this peer turns to the next.
            return self.tell_all(peer, Answer::Nothing(peer.id));
        };
        self.0.counters.blocks_received.fetch_add(1, Ordering::Relaxed);
        self.0.counters.bytes_received.fetch_add(size, Ordering::Relaxed);
        peer.generous.store(true, Ordering::Relaxed);
        *lock(&peer.delivered) = Some(Instant::now());
        if let Some(wanted) = lock(&self.0.wanted).get(checked.cid()) {
            // A small block may come where only its presence was asked for. No listener: the fetch has ended.
            let _ = wanted.answers.send(Answer::Have(peer.id));
            wanted.arrived.send_replace(Some((checked, peer.id)));
        }
    }

    pub(super) fn tell(&self, cid: &Cid, answer: Answer) {
        if let Some(wanted) = lock(&self.0.wanted).get(cid) {
            // No listener means that the fetch has ended.
            let _ = wanted.answers.send(answer);
        }
    }

    fn tell_all(&self, peer: &Peer, answer: Answer) {
        for wanted in lock(&self.0.wanted)
            .values()
            .filter(|wanted| wanted.asked.contains(&peer.id))
        {
            let _ = wanted.answers.send(answer);
        }
    }
}

impl Peer {
    /// Says whether it gave a block that was asked for within this time.
    pub fn delivered_within(&self, time: Duration) -> bool {
        lock(&self.delivered).is_some_and(|at| at.elapsed() < time)
    }

    fn stop(&self) {
        if let Some(writer) = lock(&self.writer).take() {
            writer.abort();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
