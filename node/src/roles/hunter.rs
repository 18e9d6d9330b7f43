//! The hunter: enters every bounty its models fit, proves what they score, and claims.
//!
//! A bounty has two slots for each account, and a slot is an entry of its own: its model, its blind, its stake, its
//! proofs and its claim. Each tick looks at both; what one of them cannot do never keeps the other from acting.

mod claim;
pub mod drawn;
mod enter;
mod large;
mod prove;

use super::Tick;
use super::services::Services;
use crate::chain::states::{EntryState, Phase};
use crate::chain::view::View;
use crate::failure::{Code, Failure, code_of};
use crate::progress::Cost;
use crate::store::{MemoryStore, Scope, Store};
use alloy::primitives::Address;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use zkaggle_bindings::IBountyMarket::{Bounty, Entry};
use zkaggle_config::units::ByteSize;

/// The slots that a bounty has for each account.
pub const SLOTS: [u8; 2] = [0, 1];

/// What must survive a crash between commit and claim, besides the seed: which model was committed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRecord {
    pub chain_id: u64,
    pub market: Address,
    pub bounty: u64,
    pub slot: u8,
    /// File name of the committed model inside the node's `models` folder.
    pub model: String,
}

impl zkaggle_vault::Record for EntryRecord {
    const KIND: &'static str = "entry";
    const VERSION: u32 = 1;
}

/// Enters bounties with up to two models.
#[derive(Debug)]
pub struct Hunter {
    services: Services,
    /// The models to enter with, by slot; a node restored from a backup may have none and still claim.
    models: BTreeMap<u8, PathBuf>,
    /// Who is owed prizes and stakes of entries made from now on; this account without it.
    payout: Option<Address>,
    /// Most memory that an accuracy proof may take.
    max_memory: Option<ByteSize>,
    store: Arc<dyn Store>,
    /// The market's history.
    view: Option<View>,
    /// This account's part of the store; read at the first tick.
    scope: Option<Scope>,
    /// Bounties that need nothing more from this node, as in the store.
    finished: BTreeSet<u64>,
    /// Bounties that look finished, by the newest block when they first did: until that block lies
    /// deep, another fork may have left something to do.
    over: BTreeMap<u64, u64>,
    /// Bounties that a slot's model cannot enter and how many keys they accepted then: the reason is told once,
    /// and they are looked at again when another key is accepted.
    unfit: BTreeMap<(u64, u8), enter::Unfit>,
    /// Bounties and slots whose large claim this process has let out.
    released: BTreeSet<(u64, u8)>,
    /// Bounties whose draw is open and was checked.
    drawn: BTreeSet<u64>,
    /// How often a bounty's shard could not be fetched for a slot.
    missed: Mutex<BTreeMap<(u64, usize, u8), u32>>,
}

impl Hunter {
    /// Enters with these models: the first one in slot 0, the second in slot 1.
    pub fn new(services: Services, models: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            services,
            models: SLOTS.into_iter().zip(models).collect(),
            payout: None,
            max_memory: None,
            store: Arc::new(MemoryStore::default()),
            view: None,
            scope: None,
            finished: BTreeSet::new(),
            over: BTreeMap::new(),
            unfit: BTreeMap::new(),
            released: BTreeSet::new(),
            drawn: BTreeSet::new(),
            missed: Mutex::default(),
        }
    }

    /// Enters with this model in this slot.
    pub fn with_model(mut self, slot: u8, model: PathBuf) -> Self {
        self.models.insert(slot, model);
        self
    }

    /// Has prizes and stakes of entries made from now on owed to this account; it withdraws them itself.
    pub fn with_payout(self, payout: Option<Address>) -> Self {
        Self { payout, ..self }
    }

    /// Remembers finished bounties there, so that the next start need not look at them again.
    pub fn with_store(self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self }
    }

    /// Enters no model whose accuracy proof would take more.
    pub fn with_max_memory(self, limit: ByteSize) -> Self {
        Self {
            max_memory: Some(limit),
            ..self
        }
    }

    /// Does the next thing that is due on any bounty.
    pub async fn tick(&mut self) -> Result<Tick> {
        self.recall().await?;
        if Box::pin(self.services.market.chain().recover()).await? > 0 {
            // A re-org took something away; it is sent again, and what to do next is read anew.
            return Ok(Tick::Worked);
        }
        let view = self.view.get_or_insert_with(|| View::new(&self.services.market));
        view.catch_up().await.context("read the market's history")?;
        let count = view.book().bounties.len() as u64;
        let known = self.finished.len();
        let tick = self.walk(count).await;
        if self.finished.len() > known
            && let Err(e) = self.store.flush()
        {
            tracing::warn!("{e}; the bounties finished last are looked at again at the next start");
        }
        // What one bounty cannot do is no reason to leave money from another one there.
        if matches!(tick, Ok(Tick::Worked)) || self.services.withdraw_owed(&self.pots().await?).await? {
            return Ok(Tick::Worked);
        }
        tick?;
        let all = count > 0 && (1..=count).all(|id| self.finished.contains(&id));
        Ok(if all { Tick::Done } else { Tick::Idle })
    }

    /// Whether this account's entry has something to take back, as far as the history is read.
    fn refundable(&self, id: u64, slot: u8) -> bool {
        let entry = (self.services.market.chain().account(), slot);
        let b = self.view.as_ref().and_then(|v| v.book().bounties.get(&id));
        b.is_some_and(|b| b.refundable(&entry))
    }

    /// Whether this account has entered a bounty, as far as the history is read.
    fn entered(&self, b: &crate::bounty::Bounty) -> bool {
        let me = self.services.market.chain().account();
        SLOTS.iter().any(|slot| b.entries.contains_key(&(me, *slot)))
    }

    /// Where the tokens of the bounties lie that this account has entered.
    async fn pots(&self) -> Result<Vec<Address>> {
        let mut out = vec![];
        for (id, b) in self.view.iter().flat_map(|v| &v.book().bounties) {
            if !b.terms.token.is_zero() && self.entered(b) {
                out.extend(self.services.market.pot(*id).await?);
            }
        }
        Ok(out)
    }

    /// Looks at each bounty that is not finished, until one needed something. One that fails does not keep the
    /// others from being looked at: a prize may be waiting there.
    async fn walk(&mut self, count: u64) -> Result<Tick> {
        let mut failed = None;
        for id in 1..=count {
            if self.finished.contains(&id) {
                continue;
            }
            let tick = match self.foreign(id).await? {
                true => Ok(Tick::Done),
                false => self.bounty(id).await.with_context(|| format!("bounty {id}")),
            };
            match tick {
                Ok(Tick::Worked) => return Ok(Tick::Worked),
                Ok(Tick::Done) => self.finish(id).await?,
                Ok(Tick::Idle) => {
                    self.over.remove(&id);
                }
                Err(e) if code_of(&e) == Code::Unreachable => return Err(e),
                Err(e) => {
                    self.over.remove(&id);
                    failed.get_or_insert(e);
                }
            }
        }
        failed.map_or(Ok(Tick::Idle), Err)
    }

    // ------------------------------------------------------------------ index

    /// Reads what earlier runs finished, once.
    async fn recall(&mut self) -> Result<()> {
        if self.scope.is_some() {
            return Ok(());
        }
        let market = &self.services.market;
        let scope = Scope {
            chain_id: market.chain().chain_id(),
            market: market.address(),
            account: market.chain().account(),
            origin: market.chain().block_hash(market.deployment().deploy_block).await?,
        };
        match self.store.finished(&scope) {
            Ok(ids) => self.finished = ids,
            Err(e) => tracing::warn!("{e}; every bounty is looked at again"),
        }
        self.scope = Some(scope);
        Ok(())
    }

    /// Notes that a bounty looks finished; it counts once the chain is that deep.
    async fn finish(&mut self, id: u64) -> Result<()> {
        let chain = self.services.market.chain();
        let since = match self.over.get(&id) {
            Some(block) => *block,
            None => chain.head().await?,
        };
        self.over.insert(id, since);
        if chain.deep().await?.number < since {
            return Ok(());
        }
        self.over.remove(&id);
        self.finished.insert(id);
        if let Some(scope) = &self.scope
            && let Err(e) = self.store.finish(scope, id)
        {
            tracing::warn!("{e}; bounty {id} is looked at again at the next start");
        }
        Ok(())
    }

    /// Whether its history alone shows that a bounty is none of this node's business: its own, or closed to
    /// entries without one of ours in it.
    async fn foreign(&self, id: u64) -> Result<bool> {
        let chain = self.services.market.chain();
        let Some(b) = self.view.as_ref().and_then(|v| v.book().bounties.get(&id)) else {
            return Ok(false);
        };
        let closed = b.phase(chain.now().await?) != Phase::Commit;
        Ok(b.terms.owner == chain.account() || (closed && !self.entered(b)))
    }

    /// Looks at both slots, until one needed something.
    async fn bounty(&mut self, id: u64) -> Result<Tick> {
        let market = self.services.market.clone();
        let b = market.bounty(id).await?;
        let phase = market.phase(id).await?;
        let (mut all, mut failed) = (Tick::Done, None);
        for slot in SLOTS {
            // Boxed: one of these futures holds a whole proof's state.
            match Box::pin(self.slot(id, slot, &b, phase)).await {
                Ok(Tick::Worked) => return Ok(Tick::Worked),
                Ok(Tick::Idle) => all = Tick::Idle,
                Ok(Tick::Done) => {}
                Err(e) if code_of(&e) == Code::Unreachable => return Err(e),
                Err(e) => {
                    failed.get_or_insert(e.context(format!("slot {slot}")));
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn slot(&mut self, id: u64, slot: u8, b: &Bounty, phase: Phase) -> Result<Tick> {
        let market = self.services.market.clone();
        let me = market.chain().account();
        let settled = Phase::read(b.settled)? != Phase::None;
        let Some(entry) = market.entry(id, me, slot).await? else {
            return if phase == Phase::Commit {
                self.enter(id, slot, b).await
            } else {
                Ok(Tick::Done)
            };
        };
        match EntryState::read(entry.state)? {
            EntryState::Committed if phase == Phase::Prove => self.prove(id, slot, b, &entry).await,
            EntryState::Committed if phase == Phase::Defaulted && !settled => {
                self.transact("settle a missed deadline", market.timeout(id)).await
            }
            // Of a lost bond every entry gets its share, whatever became of it.
            _ if settled && self.refundable(id, slot) => {
                self.transact("take the stake back", market.refund(id, slot)).await
            }
            EntryState::Ranked if phase == Phase::Claim => self.claim(id, slot, b, &entry).await,
            EntryState::Claiming => Box::pin(self.attend(id, slot)).await,
            // A bond may still be lost, or a stake be shared, until the end.
            _ if settled => Ok(Tick::Done),
            _ => Ok(Tick::Idle),
        }
    }

    // ------------------------------------------------------------ by hand

    /// This account's entries in a bounty that must be in `phase`: the one in `slot`, or all of them.
    ///
    /// # Errors
    /// Not found without an entry, refused in another phase.
    async fn own(&self, id: u64, slot: Option<u8>, phase: Phase) -> Result<(Bounty, Vec<(u8, Entry)>)> {
        let market = &self.services.market;
        let b = market.bounty(id).await?;
        let me = market.chain().account();
        let mut entries = vec![];
        for each in SLOTS.into_iter().filter(|s| slot.is_none_or(|only| only == *s)) {
            entries.extend(market.entry(id, me, each).await?.map(|e| (each, e)));
        }
        if entries.is_empty() {
            let place = slot.map_or(String::new(), |s| format!(" with slot {s}"));
            return Err(Failure::not_found(format!(
                "account {me} has not entered bounty {id}{place}"
            )));
        }
        let now = market.phase(id).await?;
        if now != phase {
            return Err(Failure::refused(format!(
                "bounty {id} is in {now:?}, this is done in {phase:?}"
            )));
        }
        Ok((b, entries))
    }

    async fn transact(&self, name: &str, tx: impl Future<Output = Result<crate::chain::Sent>>) -> Result<Tick> {
        self.services
            .report
            .step(name, None, async { tx.await.map(|s| ((), Cost::gas(s.gas))) })
            .await?;
        Ok(Tick::Worked)
    }
}

/// Name of an entry's record.
pub fn record_name(bounty: u64, slot: u8) -> String {
    format!("entry-{bounty}-{slot}")
}

/// What tells a slot's files from those of slot 0, which have their names from before there was another.
fn ending(slot: u8) -> String {
    match slot {
        0 => String::new(),
        n => format!("-slot-{n}"),
    }
}
