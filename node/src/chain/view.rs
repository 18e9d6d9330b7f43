//! A market's book, kept up with the chain: replayed from the deploy block, wound back in a re-org.

use super::convert::event;
use super::market::Market;
use super::watcher::{Change, DEPTH, Watcher};
use crate::bounty::{Book, Bounty, Event};
use crate::failure::{Code, Failure};
use alloy::primitives::{Address, U256};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, VecDeque};

/// Most rounds of questions in one [`View::catch_up`]: a chain that grows faster than it can be read
/// must not hold its reader for ever.
const MOST_ROUNDS: usize = 100_000;

/// A book and the way it came about.
#[derive(Debug)]
pub struct View {
    watcher: Watcher,
    book: Book,
    /// What each of the last blocks changed, as it was before, oldest first.
    undo: VecDeque<Undo>,
}

/// What one block changed, as it was before it.
#[derive(Debug)]
struct Undo {
    block: u64,
    bounties: BTreeMap<u64, Option<Bounty>>,
    owed: BTreeMap<(Address, Address), Option<U256>>,
}

impl Undo {
    /// Notes what `event` is about to change, unless the same block changed it before.
    fn note(&mut self, book: &Book, event: &Event) {
        if let Some(id) = event.bounty() {
            self.bounties
                .entry(id)
                .or_insert_with(|| book.bounties.get(&id).cloned());
        }
        if let Event::Credited { account, asset, .. } | Event::Withdrawn { account, asset, .. } = event {
            let key = (*asset, *account);
            self.owed.entry(key).or_insert_with(|| book.owed.get(&key).copied());
        }
    }

    fn revert(self, book: &mut Book) {
        for (id, old) in self.bounties {
            match old {
                Some(b) => book.bounties.insert(id, b),
                None => book.bounties.remove(&id),
            };
        }
        for (key, old) in self.owed {
            match old {
                Some(amount) => book.owed.insert(key, amount),
                None => book.owed.remove(&key),
            };
        }
    }
}

impl View {
    /// An empty view of a market; [`Self::catch_up`] fills it.
    pub fn new(market: &Market) -> Self {
        let from = market.deployment().deploy_block;
        Self {
            watcher: Watcher::new(market.chain().clone(), market.address(), from),
            book: Book::default(),
            undo: VecDeque::new(),
        }
    }

    /// The book as of the last [`Self::catch_up`].
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Reads on to the head; how many events were new, re-orgs' included.
    ///
    /// # Errors
    /// When the endpoint fails or says what cannot be; the view stays at a block it believed.
    pub async fn catch_up(&mut self) -> Result<usize> {
        let mut applied = 0;
        for _ in 0..MOST_ROUNDS {
            let at = self.watcher.at();
            let changes = self.watcher.step().await?;
            if changes.is_empty() && self.watcher.at() == at {
                break;
            }
            for c in changes {
                applied += self.change(c)?;
            }
        }
        Ok(applied)
    }

    fn change(&mut self, change: Change) -> Result<usize> {
        match change {
            Change::Restart => {
                self.restart();
                Ok(0)
            }
            Change::Rollback { to } => {
                while let Some(undo) = self.undo.pop_back_if(|u| u.block > to) {
                    undo.revert(&mut self.book);
                }
                Ok(0)
            }
            Change::Apply { block, timestamp, logs } => {
                let events = logs.iter().map(event).collect::<Result<Vec<Event>>>();
                let applied = events
                    .and_then(|events| self.apply(block, timestamp, &events))
                    .with_context(|| format!("block {block}"));
                if applied.is_err() {
                    // Whatever was wrong, nothing built on it may stay: it is read again from the start.
                    self.restart();
                }
                applied
            }
        }
    }

    fn apply(&mut self, block: u64, timestamp: u64, events: &[Event]) -> Result<usize> {
        let mut undo = Undo {
            block,
            bounties: BTreeMap::new(),
            owed: BTreeMap::new(),
        };
        for e in events {
            undo.note(&self.book, e);
            self.book.apply(timestamp, e).map_err(|i| {
                Failure::new(
                    Code::Unreachable,
                    format!("the chain endpoint is not to be believed: {i}"),
                )
            })?;
        }
        self.undo.push_back(undo);
        while self.undo.front().is_some_and(|u| u.block + DEPTH < block) {
            self.undo.pop_front();
        }
        Ok(events.len())
    }

    fn restart(&mut self) {
        self.book = Book::default();
        self.undo.clear();
        self.watcher.restart();
    }
}
