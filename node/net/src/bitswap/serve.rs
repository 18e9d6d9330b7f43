//! Answering: one writer a peer, which sends our questions and what the peer wants from us.

use std::sync::{Arc, atomic::Ordering};

use cid::Cid;
use libp2p::Stream;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::{
    PROTOCOL,
    engine::{Engine, Peer, lock},
    fetch::Answer,
    message::{Block, Message, Presence, PresenceType, WantType},
    wire,
};
use crate::block;

/// Bytes of blocks after which an answer is sent and another begun.
const ANSWER_BYTES: usize = 1 << 20;
/// Entries after which an answer, or a list of questions, is sent and another begun.
const ANSWER_ENTRIES: usize = 1024;

impl Engine {
    /// Sends one peer our questions and our answers to its wants, until aborted.
    pub(super) async fn write_to(self, peer: Arc<Peer>, mut messages: mpsc::Receiver<Message>) {
        let mut stream = None;
        let mut ahead: Option<JoinHandle<Option<Message>>> = None;
        loop {
            let message = tokio::select! {
                biased;
                Some(message) = messages.recv() => gather(message, &mut messages),
                answer = finished(&mut ahead), if ahead.is_some() => {
                    ahead = None;
                    match answer {
                        Some(message) => message,
                        None => continue,
                    }
                }
                () = peer.work.notified(), if ahead.is_none() => {
                    ahead = Some(self.answer(&peer));
                    continue;
                }
            };
            // While this is sent, the next answer is read from the store: one ahead, so that memory stays small.
            if ahead.is_none() && lock(&peer.ledger).has_work() {
                ahead = Some(self.answer(&peer));
            }
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

    /// Begins the next answer to a peer's wants on a thread that may wait for the disk.
    fn answer(&self, peer: &Arc<Peer>) -> JoinHandle<Option<Message>> {
        let (engine, peer) = (self.clone(), peer.clone());
        spawn_blocking(move || engine.build_answer(&peer))
    }

    /// Builds the next answer to a peer's wants; asks to be called again when there are more.
    fn build_answer(&self, peer: &Peer) -> Option<Message> {
        let mut message = Message::default();
        let mut bytes = 0;
        for _ in 0..ANSWER_ENTRIES {
            let Some((cid, want)) = lock(&peer.ledger).next() else {
                break;
            };
            // Stored under its version 1 name, answered under the name that was asked for.
            let name = block::normal(&cid);
            // Both questions go to the public view: a private block gives the answer of an absent one.
            let block = match want.kind {
                WantType::Have if self.0.public.has(&name) => {
                    lock(&peer.ledger).served(&cid);
                    message.presences.push(Presence {
                        cid: cid.to_bytes(),
                        kind: PresenceType::Have as i32,
                    });
                    continue;
                }
                WantType::Have => None,
                WantType::Block => self.0.public.get(&name),
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

/// Puts the questions that wait into one message: many fetches at once ask in few messages.
fn gather(mut message: Message, messages: &mut mpsc::Receiver<Message>) -> Message {
    if let Some(wantlist) = &mut message.wantlist {
        while wantlist.entries.len() < ANSWER_ENTRIES
            && let Ok(next) = messages.try_recv()
        {
            wantlist
                .entries
                .extend(next.wantlist.into_iter().flat_map(|more| more.entries));
        }
    }
    message
}

/// Waits for an answer being built; a build that panicked is none.
async fn finished(ahead: &mut Option<JoinHandle<Option<Message>>>) -> Option<Message> {
    match ahead {
        Some(answer) => answer.await.ok().flatten(),
        None => None,
    }
}
