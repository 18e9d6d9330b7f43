//! Asking: one question a block, put to peers until one of them answers with it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use cid::Cid;
use libp2p::PeerId;
use tokio::{
    sync::{broadcast, watch},
    task::spawn_blocking,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    engine::{Engine, Peer, lock},
    message::{Entry, Message, WantType, Wantlist},
};
use crate::{
    block::{self, CheckedBlock},
    blockstore::StoreError,
};

/// Peers asked for one block at a time.
const MAX_ASKED_AT_ONCE: usize = 16;
/// Answers to one question that wait to be read.
const ANSWERS: usize = 32;

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

#[derive(Clone, Copy)]
pub(super) enum Answer {
    Have(PeerId),
    Nothing(PeerId),
}

/// A block some fetch is waiting for.
pub(super) struct Wanted {
    fetches: usize,
    pub asked: BTreeSet<PeerId>,
    pub answers: broadcast::Sender<Answer>,
    /// The block, and who gave it.
    pub arrived: watch::Sender<Option<(CheckedBlock, PeerId)>>,
}

impl Engine {
    /// Gets a block: from the store, else from peers, stored as a public copy before it is returned.
    ///
    /// Asks `from`, or every connected peer when `None`, over and over until `patience` ends; a peer that is
    /// not connected yet is asked once it is. Dropping the future withdraws the question.
    pub async fn fetch(
        &self,
        cid: Cid,
        from: Option<BTreeSet<PeerId>>,
        patience: Duration,
    ) -> Result<CheckedBlock, FetchError> {
        if !block::is_supported(&cid) {
            return Err(FetchError::Unsupported { cid });
        }
        if let Some(block) = self.stored(cid).await? {
            return Ok(block);
        }
        // Kubo cannot send the empty block, which everybody has anyway.
        let block = match CheckedBlock::new(cid, Bytes::new()) {
            Some(empty) => empty,
            None => self.ask_for(cid, from, patience).await?,
        };
        let (store, kept) = (self.0.store.clone(), block.clone());
        let stored = spawn_blocking(move || store.put_copy(&kept)).await;
        stored.map_err(|_| FetchError::Closed)??;
        self.offer(&cid);
        Ok(block)
    }

    /// Reads a block from the store; none when it is not there, or damaged.
    async fn stored(&self, cid: Cid) -> Result<Option<CheckedBlock>, FetchError> {
        let store = self.0.store.clone();
        let read = spawn_blocking(move || store.get_checked(&cid)).await;
        match read.map_err(|_| FetchError::Closed)? {
            Ok(found) => Ok(found),
            // What is damaged here may be whole elsewhere, and storing it again repairs it.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "fetching the block again");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn ask_for(
        &self,
        cid: Cid,
        from: Option<BTreeSet<PeerId>>,
        patience: Duration,
    ) -> Result<CheckedBlock, FetchError> {
        let question = Question::open(self, cid);
        let mut closed = self.0.closed.subscribe();
        let arrived = tokio::select! {
            arrived = timeout(patience, self.pursue(&question, from)) => arrived,
            _ = closed.wait_for(|closed| *closed) => return Err(FetchError::Closed),
        };
        let asked = question.asked();
        arrived.map_err(|_| FetchError::NotFound {
            cid,
            waited: patience,
            asked,
        })?
    }

    /// Asks peers whether they have a block and returns those that say so within `patience`, without fetching it.
    ///
    /// Returns early once every connected peer has answered.
    pub async fn holders(&self, cid: Cid, patience: Duration) -> Result<BTreeSet<PeerId>, FetchError> {
        if !block::is_supported(&cid) {
            return Err(FetchError::Unsupported { cid });
        }
        let question = Question::open(self, cid);
        let (mut answers, _) = question.listen()?;
        let mut silent = BTreeSet::new();
        let mut holders = BTreeSet::new();
        for peer in self.connected_peers() {
            if question.ask(&peer, WantType::Have) {
                silent.insert(peer.id);
            }
        }
        let deadline = Instant::now() + patience;
        while !silent.is_empty() {
            match timeout_at(deadline, answers.recv()).await {
                Ok(Ok(Answer::Have(id))) => {
                    silent.remove(&id);
                    holders.insert(id);
                }
                Ok(Ok(Answer::Nothing(id))) => {
                    silent.remove(&id);
                }
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) => return Err(FetchError::Closed),
                Err(_) => break,
            }
        }
        Ok(holders)
    }

    fn connected_peers(&self) -> Vec<Arc<Peer>> {
        let peers = lock(&self.0.peers);
        let connected = peers.values().filter(|peer| peer.connected.load(Ordering::Relaxed));
        connected.cloned().collect()
    }

    /// Asks in rounds until the block arrives.
    async fn pursue(
        &self,
        question: &Question<'_>,
        from: Option<BTreeSet<PeerId>>,
    ) -> Result<CheckedBlock, FetchError> {
        let _turn = self.0.fetches.acquire().await.map_err(|_| FetchError::Closed)?;
        let (mut answers, mut arrived) = question.listen()?;
        let mut pause = Duration::from_millis(50);
        let block = async {
            match arrived.wait_for(Option::is_some).await {
                Ok(found) => found.clone().map(|(block, _)| block).ok_or(FetchError::Closed),
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
    ///
    /// A peer whose last answer was a block is asked for this one at once: whoever has one part of a dataset
    /// mostly has the others, and asking first costs a round trip a block.
    async fn ask_round(
        &self,
        question: &Question<'_>,
        answers: &mut broadcast::Receiver<Answer>,
        from: Option<&BTreeSet<PeerId>>,
    ) {
        let mut unasked: VecDeque<Arc<Peer>> = self.connected_peers().into();
        unasked.retain(|peer| from.is_none_or(|from| from.contains(&peer.id)));
        let mut holders: VecDeque<PeerId> = VecDeque::new();
        let mut undecided: BTreeSet<PeerId> = BTreeSet::new();
        let generous = |peer: &&Arc<Peer>| peer.generous.load(Ordering::Relaxed);
        let favourites = unasked.iter().filter(generous).count();
        // With one candidate, asking first whether it has the block only costs a round trip.
        let first = match unasked.len() {
            1 => unasked.front().map(|peer| peer.id),
            _ if favourites > 0 => unasked
                .iter()
                .filter(generous)
                .nth(question.spread() % favourites)
                .map(|peer| peer.id),
            _ => None,
        };
        if let Some(first) = first {
            holders.push_back(first);
            unasked.retain(|peer| peer.id != first);
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
                if unasked.is_empty() {
                    return;
                }
                for peer in unasked.drain(..unasked.len().min(MAX_ASKED_AT_ONCE)) {
                    if question.ask(&peer, WantType::Have) {
                        undecided.insert(peer.id);
                    }
                }
                deadline = Instant::now() + self.0.limits.answer_patience;
                continue;
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
                    // A slow line that keeps delivering our other blocks will come to this one.
                    let busy = active.and_then(|id| lock(&self.0.peers).get(&id).cloned());
                    if busy.is_some_and(|peer| peer.delivered_within(self.0.limits.answer_patience)) {
                        deadline = Instant::now() + self.0.limits.answer_patience;
                        continue;
                    }
                    active = None;
                    undecided.clear();
                }
            }
        }
    }
}

/// One fetch's interest in a block; withdrawn on drop, with a cancel to every peer that was asked in vain.
struct Question<'a> {
    engine: &'a Engine,
    cid: Cid,
}

type Listening = (
    broadcast::Receiver<Answer>,
    watch::Receiver<Option<(CheckedBlock, PeerId)>>,
);

impl<'a> Question<'a> {
    fn open(engine: &'a Engine, cid: Cid) -> Self {
        let mut wanted = lock(&engine.0.wanted);
        let wanted = wanted.entry(cid).or_insert_with(|| Wanted {
            fetches: 0,
            asked: BTreeSet::new(),
            answers: broadcast::channel(ANSWERS).0,
            arrived: watch::channel(None).0,
        });
        wanted.fetches += 1;
        Self { engine, cid }
    }

    fn listen(&self) -> Result<Listening, FetchError> {
        let wanted = lock(&self.engine.0.wanted);
        let wanted = wanted.get(&self.cid).ok_or(FetchError::Closed)?;
        Ok((wanted.answers.subscribe(), wanted.arrived.subscribe()))
    }

    fn asked(&self) -> usize {
        lock(&self.engine.0.wanted)
            .get(&self.cid)
            .map_or(0, |wanted| wanted.asked.len())
    }

    /// A number that differs from block to block, to spread questions over peers.
    fn spread(&self) -> usize {
        self.cid.hash().digest().first().copied().map_or(0, usize::from)
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
        let Some(entry) = wanted.remove(&self.cid) else { return };
        drop(wanted);
        let giver = entry.arrived.borrow().as_ref().map(|(_, giver)| *giver);
        let peers = lock(&self.engine.0.peers);
        // Whoever gave the block has crossed the want off already.
        let in_vain = entry.asked.iter().filter(|id| Some(**id) != giver);
        for peer in in_vain.filter_map(|id| peers.get(id)) {
            // Lost when the peer does not read; its answer is then recognised and dropped.
            let _ = peer.outbox.try_send(self.entry(WantType::Block, true));
        }
    }
}
