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
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cid::Cid;
use futures::StreamExt;
use libp2p::{PeerId, Stream};
use libp2p_stream::{Control, IncomingStreams};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch},
    task::{AbortHandle, JoinSet, spawn_blocking},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    PROTOCOL,
    ledger::Ledger,
    message::{Block, DecodeError, Entry, Message, Presence, PresenceType, WantType, Wantlist},
    wire::{self, ReadBudget, ReadError},
};
use crate::{
    block::{self, MAX_BLOCK},
    blockstore::{Blockstore, PublicBlocks, StoreError, Visibility},
    conduct::Offence,
};

/// Bytes of blocks after which an answer is sent and another begun.
const ANSWER_BYTES: usize = 1 << 20;
/// Entries after which an answer is sent and another begun.
const ANSWER_ENTRIES: usize = 1024;
/// Messages of ours that wait for one peer's writer.
const OUTBOX: usize = 64;
/// Peers asked for one block at a time.
const MAX_ASKED_AT_ONCE: usize = 16;

/// What the exchange allows; the defaults suit a node with up to a hundred peers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound streams of one peer that are read at once.
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
            streams_per_peer: 8,
            wants_per_peer: 1024,
            questions_per_peer: 4096,
            read_bytes: 64 << 20,
            message_patience: Duration::from_secs(20),
            answer_patience: Duration::from_secs(5),
            parallel_fetches: 32,
        }
    }
}

/// Why a block could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{cid} is not a version 1 CID with a full SHA-256 digest: only those can be checked")]
    Unsupported { cid: Cid },
    #[error(
        "no peer gave block {cid} within {waited:?} ({asked} asked): check that its provider is online and connected"
    )]
    NotFound { cid: Cid, waited: Duration, asked: usize },
    #[error("fetched block could not be kept: {0}")]
    Store(#[from] StoreError),
    #[error("the network is shut down")]
    Closed,
}

/// Counts what moved; read through `Network::traffic`.
#[derive(Default)]
pub(crate) struct Counters {
    pub blocks_sent: AtomicU64,
    pub bytes_sent: AtomicU64,
    pub blocks_received: AtomicU64,
    pub bytes_received: AtomicU64,
}

#[derive(Clone, Copy)]
enum Answer {
    Have(PeerId),
    Nothing(PeerId),
}

/// A block some fetch is waiting for.
struct Wanted {
    fetches: usize,
    asked: BTreeSet<PeerId>,
    answers: broadcast::Sender<Answer>,
    arrived: watch::Sender<Option<Arc<Vec<u8>>>>,
}

struct Peer {
    id: PeerId,
    connected: AtomicBool,
    ledger: Mutex<Ledger>,
    /// The ledger's queue has work for the writer.
    work: Notify,
    outbox: mpsc::Sender<Message>,
    streams: Arc<Semaphore>,
    writer: Mutex<Option<AbortHandle>>,
}

struct Shared {
    control: Control,
    store: Arc<dyn Blockstore>,
    public: PublicBlocks,
    limits: Limits,
    peers: Mutex<BTreeMap<PeerId, Arc<Peer>>>,
    wanted: Mutex<BTreeMap<Cid, Wanted>>,
    faults: mpsc::Sender<(PeerId, Offence)>,
    budget: ReadBudget,
    fetches: Semaphore,
    counters: Counters,
    closed: watch::Sender<bool>,
}

/// The exchange of one node; clones share it.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Shared>);

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

    /// Accepts inbound streams until the stream ends or the task is aborted, which ends its readers too.
    pub async fn accept(self, mut incoming: IncomingStreams) {
        let mut readers = JoinSet::new();
        loop {
            tokio::select! {
                next = incoming.next() => match next {
                    Some((id, stream)) => {
                        let peer = self.peer(id);
                        match peer.streams.clone().try_acquire_owned() {
                            Ok(permit) => { readers.spawn(self.clone().read_from(peer, stream, permit)); }
                            Err(_) => self.fault(id, Offence::StreamFlood),
                        }
                    }
                    None => return,
                },
                Some(_) = readers.join_next(), if !readers.is_empty() => {}
            }
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
        for peer in lock(&self.0.peers).values() {
            if lock(&peer.ledger).requeue(cid) {
                peer.work.notify_one();
            }
        }
    }

    /// Ends every fetch and writer.
    pub fn close(&self) {
        self.0.closed.send_replace(true);
        let peers = std::mem::take(&mut *lock(&self.0.peers));
        peers.values().for_each(|peer| peer.stop());
    }

    /// Gets a block: from the store, else from peers, stored as public before it is returned.
    ///
    /// Asks `from`, or every connected peer when `None`, over and over until `patience` ends; a peer that is
    /// not connected yet is asked once it is. Dropping the future withdraws the question.
    pub async fn fetch(
        &self,
        cid: Cid,
        from: Option<BTreeSet<PeerId>>,
        patience: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        if !block::is_supported(&cid) {
            return Err(FetchError::Unsupported { cid });
        }
        let store = self.0.store.clone();
        match spawn_blocking(move || store.get(&cid))
            .await
            .map_err(|_| FetchError::Closed)?
        {
            Ok(Some(bytes)) => return Ok(bytes),
            Ok(None) => {}
            // What is damaged here may be whole elsewhere, and storing it again repairs it.
            Err(error @ StoreError::Corrupt { .. }) => tracing::error!(%error, "fetching the block again"),
            Err(error) => return Err(error.into()),
        }
        let question = Question::open(self, cid);
        let mut closed = self.0.closed.subscribe();
        let arrived = tokio::select! {
            arrived = timeout(patience, self.pursue(&question, from)) => arrived,
            _ = closed.wait_for(|closed| *closed) => return Err(FetchError::Closed),
        };
        let asked = question.asked();
        let bytes = arrived.map_err(|_| FetchError::NotFound {
            cid,
            waited: patience,
            asked,
        })??;
        drop(question);
        let (store, kept) = (self.0.store.clone(), bytes.clone());
        let stored = spawn_blocking(move || store.put_block(&cid, &kept, Visibility::Public)).await;
        stored.map_err(|_| FetchError::Closed)??;
        self.offer(&cid);
        Ok(Arc::unwrap_or_clone(bytes))
    }

    /// Asks in rounds until the block arrives.
    async fn pursue(
        &self,
        question: &Question<'_>,
        from: Option<BTreeSet<PeerId>>,
    ) -> Result<Arc<Vec<u8>>, FetchError> {
        let _turn = self.0.fetches.acquire().await.map_err(|_| FetchError::Closed)?;
        let (mut answers, mut arrived) = question.listen()?;
        let mut pause = Duration::from_millis(50);
        let block = async {
            match arrived.wait_for(Option::is_some).await {
                Ok(block) => block.clone().ok_or(FetchError::Closed),
                Err(_) => Err(FetchError::Closed),
            }
        };
        let rounds = async {
            loop {
                self.ask_round(question, &mut answers, from.as_ref()).await;
                // A peer that gets the block later says so, since it remembers what we want.
                let _ = timeout(pause, answers.recv()).await;
                sleep(pause / 2).await;
                pause = (2 * pause).min(Duration::from_secs(2));
            }
        };
        tokio::select! {
            block = block => block,
            () = rounds => Err(FetchError::Closed),
        }
    }

    /// Asks who has the block, then those who do for the block itself, one after the other.
    async fn ask_round(
        &self,
        question: &Question<'_>,
        answers: &mut broadcast::Receiver<Answer>,
        from: Option<&BTreeSet<PeerId>>,
    ) {
        let mut candidates: Vec<Arc<Peer>> = lock(&self.0.peers)
            .values()
            .filter(|peer| peer.connected.load(Ordering::Relaxed) && from.is_none_or(|from| from.contains(&peer.id)))
            .cloned()
            .collect();
        candidates.truncate(MAX_ASKED_AT_ONCE);
        let mut holders: VecDeque<PeerId> = VecDeque::new();
        let mut undecided: BTreeSet<PeerId> = BTreeSet::new();
        // With one candidate, asking first whether it has the block only costs a round trip.
        if let [only] = candidates.as_slice() {
            holders.push_back(only.id);
        } else {
            for peer in &candidates {
                if question.ask(peer, WantType::Have) {
                    undecided.insert(peer.id);
                }
            }
        }
        let mut active = None;
        let mut deadline = Instant::now() + self.0.limits.answer_patience;
        loop {
            while active.is_none() {
                let Some(id) = holders.pop_front() else { break };
                let peer = lock(&self.0.peers).get(&id).cloned();
                if peer.is_some_and(|peer| question.ask(&peer, WantType::Block)) {
                    active = Some(id);
                    deadline = Instant::now() + self.0.limits.answer_patience;
                }
            }
            if active.is_none() && undecided.is_empty() {
                return;
            }
            match timeout_at(deadline, answers.recv()).await {
                Ok(Ok(Answer::Have(id))) => {
                    undecided.remove(&id);
                    if active != Some(id) && !holders.contains(&id) && from.is_none_or(|from| from.contains(&id)) {
                        holders.push_back(id);
                    }
                }
                Ok(Ok(Answer::Nothing(id))) => {
                    undecided.remove(&id);
                    holders.retain(|holder| *holder != id);
                    active = active.filter(|active| *active != id);
                }
                // Answers were lost to a burst: whoever is missed is asked again next round.
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) => return,
                Err(_) => {
                    active = None;
                    undecided.clear();
                }
            }
        }
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
        loop {
            match wire::read(&mut stream, &self.0.budget, self.0.limits.message_patience).await {
                Ok(Some(message)) => self.take(&peer, message).await,
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

    async fn take(&self, peer: &Arc<Peer>, message: Message) {
        if let Some(wantlist) = message.wantlist {
            self.take_wants(peer, wantlist);
        }
        for presence in message.presences {
            if let Ok(cid) = Cid::try_from(presence.cid.as_slice())
                && lock(&peer.ledger).was_asked(&cid)
            {
                let has = presence.kind == PresenceType::Have as i32;
                self.tell(
                    &cid,
                    if has {
                        Answer::Have(peer.id)
                    } else {
                        Answer::Nothing(peer.id)
                    },
                );
            }
        }
        if !message.payload.is_empty() {
            let (engine, peer) = (self.clone(), peer.clone());
            // Hashing megabytes would hold up the other streams of this thread.
            let taken = spawn_blocking(move || {
                message
                    .payload
                    .into_iter()
                    .for_each(|block| engine.take_block(&peer, block))
            });
            let _ = taken.await;
        }
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
        let cid = block::cid_from_prefix(&block.prefix, &block.data);
        let Some(cid) = cid.filter(|cid| lock(&peer.ledger).was_asked(cid)) else {
            self.fault(peer.id, Offence::UnwantedBlock);
            // It may have been meant as an answer: whoever waits for this peer turns to the next.
            return self.tell_all(peer, Answer::Nothing(peer.id));
        };
        self.0.counters.blocks_received.fetch_add(1, Ordering::Relaxed);
        self.0
            .counters
            .bytes_received
            .fetch_add(block.data.len() as u64, Ordering::Relaxed);
        if let Some(wanted) = lock(&self.0.wanted).get(&cid) {
            wanted.arrived.send_replace(Some(Arc::new(block.data)));
        }
    }

    fn tell(&self, cid: &Cid, answer: Answer) {
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

    /// Sends one peer our questions and our answers to its wants, until aborted.
    async fn write_to(self, peer: Arc<Peer>, mut messages: mpsc::Receiver<Message>) {
        let mut stream = None;
        loop {
            let message = tokio::select! {
                biased;
                Some(message) = messages.recv() => message,
                () = peer.work.notified() => match self.answer(&peer).await {
                    Some(message) => message,
                    None => continue,
                },
            };
            if let Err(error) = self.send(&peer, &mut stream, &message).await {
                tracing::debug!(peer = %peer.id, %error, "a message did not reach its peer");
                stream = None;
                let entries = message.wantlist.iter().flat_map(|wantlist| &wantlist.entries);
                for cid in entries.filter_map(|entry| Cid::try_from(entry.block.as_slice()).ok()) {
                    self.tell(&cid, Answer::Nothing(peer.id));
                }
            }
        }
    }

    /// Writes on the open stream; a stream the peer has dropped meanwhile is replaced once.
    async fn send(&self, peer: &Peer, stream: &mut Option<Stream>, message: &Message) -> Result<(), std::io::Error> {
        let patience = self.0.limits.message_patience;
        if let Some(open) = stream
            && wire::write(open, message, patience).await.is_ok()
        {
            return Ok(());
        }
        let mut control = self.0.control.clone();
        let opened = timeout(patience, control.open_stream(peer.id, PROTOCOL)).await;
        let opened = opened.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?;
        let open = stream.insert(opened.map_err(std::io::Error::other)?);
        wire::write(open, message, patience).await.map(|_| ())
    }

    /// Builds the next answer to a peer's wants; asks to be called again when there are more.
    async fn answer(&self, peer: &Arc<Peer>) -> Option<Message> {
        let (engine, peer) = (self.clone(), peer.clone());
        spawn_blocking(move || engine.build_answer(&peer)).await.ok().flatten()
    }

    fn build_answer(&self, peer: &Peer) -> Option<Message> {
        let mut message = Message::default();
        let mut bytes = 0;
        for _ in 0..ANSWER_ENTRIES {
            let Some((cid, want)) = lock(&peer.ledger).next() else {
                break;
            };
            // Both questions go to the public view: a private block gives the answer of an absent one.
            let block = match want.kind {
                WantType::Have if self.0.public.has(&cid) => {
                    lock(&peer.ledger).served(&cid);
                    message.presences.push(Presence {
                        cid: cid.to_bytes(),
                        kind: PresenceType::Have as i32,
                    });
                    continue;
                }
                WantType::Have => None,
                WantType::Block => self.0.public.get(&cid),
            };
            if let Some(data) = block {
                lock(&peer.ledger).served(&cid);
                bytes += data.len();
                self.0.counters.blocks_sent.fetch_add(1, Ordering::Relaxed);
                self.0
                    .counters
                    .bytes_sent
                    .fetch_add(data.len() as u64, Ordering::Relaxed);
                message.payload.push(Block {
                    prefix: block::prefix_of(&cid),
                    data,
                });
                if bytes >= ANSWER_BYTES {
                    break;
                }
            } else if want.answer_absence {
                message.presences.push(Presence {
                    cid: cid.to_bytes(),
                    kind: PresenceType::DontHave as i32,
                });
            }
        }
        if lock(&peer.ledger).has_work() {
            peer.work.notify_one();
        }
        (message != Message::default()).then_some(message)
    }
}

impl Peer {
    fn stop(&self) {
        if let Some(writer) = lock(&self.writer).take() {
            writer.abort();
        }
    }
}

/// One fetch's interest in a block; withdrawn on drop, with a cancel to every peer that was asked.
struct Question<'a> {
    engine: &'a Engine,
    cid: Cid,
}

impl<'a> Question<'a> {
    fn open(engine: &'a Engine, cid: Cid) -> Self {
        let mut wanted = lock(&engine.0.wanted);
        let wanted = wanted.entry(cid).or_insert_with(|| Wanted {
            fetches: 0,
            asked: BTreeSet::new(),
            answers: broadcast::channel(64).0,
            arrived: watch::channel(None).0,
        });
        wanted.fetches += 1;
        Self { engine, cid }
    }

    #[expect(clippy::type_complexity, reason = "two receivers, named where they are bound")]
    fn listen(&self) -> Result<(broadcast::Receiver<Answer>, watch::Receiver<Option<Arc<Vec<u8>>>>), FetchError> {
        let wanted = lock(&self.engine.0.wanted);
        let wanted = wanted.get(&self.cid).ok_or(FetchError::Closed)?;
        Ok((wanted.answers.subscribe(), wanted.arrived.subscribe()))
    }

    fn asked(&self) -> usize {
        lock(&self.engine.0.wanted)
            .get(&self.cid)
            .map_or(0, |wanted| wanted.asked.len())
    }

    /// Queues a want for a peer; `false` when its queue is full, which means that it does not read.
    fn ask(&self, peer: &Peer, kind: WantType) -> bool {
        if let Some(wanted) = lock(&self.engine.0.wanted).get_mut(&self.cid) {
            wanted.asked.insert(peer.id);
        }
        lock(&peer.ledger).ask(self.cid, self.engine.0.limits.questions_per_peer);
        peer.outbox.try_send(self.entry(kind, false)).is_ok()
    }

    fn entry(&self, kind: WantType, cancel: bool) -> Message {
        let entry = Entry {
            block: self.cid.to_bytes(),
            priority: 1,
            cancel,
            want_type: kind as i32,
            send_dont_have: !cancel,
        };
        Message {
            wantlist: Some(Wantlist {
                entries: vec![entry],
                full: false,
            }),
            ..Default::default()
        }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut wanted = lock(&self.engine.0.wanted);
        let Some(entry) = wanted.get_mut(&self.cid) else { return };
        entry.fetches -= 1;
        if entry.fetches > 0 {
            return;
        }
        let asked = wanted.remove(&self.cid).map(|entry| entry.asked).unwrap_or_default();
        drop(wanted);
        let peers = lock(&self.engine.0.peers);
        for peer in asked.iter().filter_map(|id| peers.get(id)) {
            // Lost when the peer does not read; its answer is then recognised and dropped.
            let _ = peer.outbox.try_send(self.entry(WantType::Block, true));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
