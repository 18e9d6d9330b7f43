//! Follows a contract's logs from its deploy block to the head, through re-orgs.
//!
//! Far behind the head, logs come in ranges that shrink when an endpoint refuses them and grow again.
//! The last [`DEPTH`] blocks are followed one by one: each block's parent must be the block before it,
//! its logs are asked for by its hash, and when the chain turns out to have taken another way, the
//! caller is told how far to go back. What an endpoint says is checked before it is passed on.

use super::client::Chain;
use super::errors::explain;
use crate::failure::{Code, Failure};
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Header, Log};
use anyhow::{Context, Result};
use std::collections::VecDeque;

/// How deep a re-org may reach; beyond it everything is read again.
pub const DEPTH: u64 = 64;
/// Most blocks in one range of logs.
const MOST_BLOCKS: u64 = 10_000;
/// Most logs taken from one answer: more is no market's, and a range that holds them is cut in half.
const MOST_LOGS: usize = 20_000;
/// Most blocks that one call of [`Watcher::step`] goes forward, one by one.
const MOST_STEPS: u64 = 256;

/// What the caller does next.
#[derive(Clone, Debug)]
pub enum Change {
    /// Forget everything above this block.
    Rollback { to: u64 },
    /// Forget everything: the chain changed deeper than is remembered.
    Restart,
    /// These logs, all of one block, are next.
    Apply { block: u64, timestamp: u64, logs: Vec<Log> },
}

#[derive(Clone, Copy, Debug)]
struct Link {
    number: u64,
    hash: B256,
}

/// Follows one contract.
#[derive(Debug)]
pub struct Watcher {
    chain: Chain,
    address: Address,
    from: u64,
    /// The last blocks that were passed on, oldest first.
    links: VecDeque<Link>,
    /// Blocks in the next range.
    span: u64,
}

impl Watcher {
    /// Follows `address` from block `from` on.
    pub fn new(chain: Chain, address: Address, from: u64) -> Self {
        Self {
            chain,
            address,
            from,
            links: VecDeque::new(),
            span: MOST_BLOCKS,
        }
    }

    /// Begins again at the first block.
    pub fn restart(&mut self) {
        self.links.clear();
    }

    /// The newest block that was passed on.
    pub fn at(&self) -> Option<u64> {
        self.links.back().map(|l| l.number)
    }

    /// The next changes, in order; none when the head is reached. After an error, nothing is lost: the
    /// next call begins where this one did.
    ///
    /// # Errors
    /// When the endpoint fails, or says what cannot be.
    pub async fn step(&mut self) -> Result<Vec<Change>> {
        let head = self.chain.header(BlockNumberOrTag::Latest).await?;
        if let Some(change) = self.reorganised(&head).await? {
            return Ok(vec![change]);
        }
        let next = self.at().map_or(self.from, |n| n + 1);
        if next > head.number {
            return Ok(vec![]);
        }
        let before = self.links.clone();
        let shallow = head.number.saturating_sub(DEPTH - 1);
        let changes = match next < shallow {
            true => self.range(next, (shallow - 1).min(next + self.span - 1)).await,
            false => self.one_by_one(next, head.number.min(next + MOST_STEPS - 1)).await,
        };
        if let Err(e) = &changes {
            // What was read before the failure is not passed on, so it is read again.
            self.links = before;
            // Another endpoint may do better.
            self.chain.distrust(&format!("{e:#}"));
        }
        changes
    }

    /// Whether the blocks that were passed on are still the chain's; if not, how far to go back.
    async fn reorganised(&mut self, head: &Header) -> Result<Option<Change>> {
        let Some(last) = self.links.back().copied() else {
            return Ok(None);
        };
        let mut kept = self.links.len();
        for link in self.links.iter().rev() {
            let now = match link.number > head.number {
                true => None,
                false => self.chain.try_header(link.number).await?,
            };
            if now.is_some_and(|h| h.hash == link.hash) {
                break;
            }
            kept -= 1;
        }
        self.links.truncate(kept);
        Ok(match self.links.back() {
            Some(l) if l.number == last.number => None,
            Some(l) => Some(Change::Rollback { to: l.number }),
            None => Some(Change::Restart),
        })
    }

    /// Logs of blocks that no re-org reaches any more.
    async fn range(&mut self, from: u64, to: u64) -> Result<Vec<Change>> {
        let mut to = to;
        let logs = loop {
            let filter = Filter::new().address(self.address).from_block(from).to_block(to);
            match self.chain.rpc().get_logs(&filter).await {
                Ok(logs) if logs.len() <= MOST_LOGS => break logs,
                // Too many, too wide, too slow: endpoints say it in many ways, and halving answers them all.
                _ if to > from => {
                    to = from + (to - from) / 2;
                    self.span = to - from + 1;
                }
                Ok(_) => return Err(lies("one block with more logs than a block can hold")),
                Err(e) => return Err(explain(&e).context(format!("read the logs of block {from}"))),
            }
        };
        self.span = (self.span * 2).min(MOST_BLOCKS);
        let mut changes: Vec<Change> = vec![];
        let mut before = None;
        for log in logs {
            let (block, index) = self.placed(&log)?;
            let order = Some((block, index));
            if !(from..=to).contains(&block) || order <= before {
                return Err(lies("logs outside the range, or out of order"));
            }
            before = order;
            match changes.last_mut() {
                Some(Change::Apply { block: b, logs, .. }) if *b == block => logs.push(log),
                _ => changes.push(Change::Apply {
                    block,
                    timestamp: 0,
                    logs: vec![log],
                }),
            }
        }
        for c in &mut changes {
            if let Change::Apply { block, timestamp, logs } = c {
                let header = self.header(*block).await?;
                if logs.iter().any(|l| l.block_hash != Some(header.hash)) {
                    return Err(lies("logs of a block that is not the chain's"));
                }
                *timestamp = header.timestamp;
            }
        }
        let end = self.header(to).await?;
        self.push(&end);
        Ok(changes)
    }

    /// Block by block, each linked to the one before it.
    async fn one_by_one(&mut self, from: u64, to: u64) -> Result<Vec<Change>> {
        let mut changes = vec![];
        for number in from..=to {
            // What was passed on so far stands; the rest is for the next call.
            let Some(header) = self.chain.try_header(number).await? else {
                break;
            };
            if header.number != number {
                return Err(lies("another block than the one asked for"));
            }
            if let Some(parent) = self.links.back().filter(|l| l.number + 1 == number)
                && parent.hash != header.parent_hash
            {
                // A re-org between two questions; the next call finds out how deep.
                break;
            }
            let filter = Filter::new().address(self.address).at_block_hash(header.hash);
            let logs = match self.chain.rpc().get_logs(&filter).await {
                Ok(logs) => logs,
                Err(e) if changes.is_empty() => {
                    return Err(explain(&e).context(format!("read the logs of block {number}")));
                }
                Err(_) => break,
            };
            let mut before = None;
            for log in &logs {
                let (block, index) = self.placed(log)?;
                if block != number || log.block_hash != Some(header.hash) || Some(index) <= before {
                    return Err(lies("logs of another block, or out of order"));
                }
                before = Some(index);
            }
            self.push(&header);
            if !logs.is_empty() {
                changes.push(Change::Apply {
                    block: number,
                    timestamp: header.timestamp,
                    logs,
                });
            }
        }
        Ok(changes)
    }

    /// Block and place of a log that may be used.
    fn placed(&self, log: &Log) -> Result<(u64, u64)> {
        match (log.block_number, log.log_index) {
            (Some(block), Some(index)) if !log.removed && log.inner.address == self.address => Ok((block, index)),
            _ => Err(lies("a log of another contract, or one that is in no block")),
        }
    }

    async fn header(&self, number: u64) -> Result<Header> {
        let found = self.chain.try_header(number).await?;
        found
            .filter(|h| h.number == number)
            .with_context(|| format!("the endpoint has no block {number}"))
    }

    fn push(&mut self, header: &Header) {
        self.links.push_back(Link {
            number: header.number,
            hash: header.hash,
        });
        while self.links.len() as u64 > DEPTH {
            self.links.pop_front();
        }
    }
}

fn lies(what: &str) -> anyhow::Error {
    Failure::new(
        Code::Unreachable,
        format!("the chain endpoint is not to be believed: it gives {what}"),
    )
}
