//! Entering: the preflight of each slot's model, the records, the stake; and asking for a key of one's own.

use super::{EntryRecord, Hunter, SLOTS, record_name};
use crate::chain::disputes::architecture_digest;
use crate::chain::keys::ensure_registered;
use crate::chain::states::EntryState;
use crate::failure::Failure;
use crate::progress::Cost;
use crate::roles::Tick;
use crate::roles::preflight::{Beside, Candidate, Preflight, preflight};
use alloy::primitives::U256;
use anyhow::{Context, Result};
use std::path::Path;
use std::time::{Duration, Instant};
use zkaggle_bindings::IBountyMarket::Bounty;
use zkaggle_graph::commit;
use zkaggle_graph::ids::{self, VkId};
use zkaggle_graph::model::ModelFile;

/// How long an entry rests that only money speaks against: the account may be paid, gas may get cheaper.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Why a slot's model does not enter a bounty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfit {
    /// Keys that the bounty accepted when it was looked at; with another one it is looked at again.
    keys: usize,
    /// When it is looked at again all the same.
    again: Option<Instant>,
}

impl Unfit {
    fn rests(&self, keys: usize) -> bool {
        self.keys == keys && self.again.is_none_or(|at| Instant::now() < at)
    }
}

fn read(path: &Path) -> Result<ModelFile> {
    ModelFile::read(path).with_context(|| format!("model file {}", path.display()))
}

impl Hunter {
    // ------------------------------------------------------------ by hand

    /// What speaks for and against entering a bounty with each of this hunter's models, by slot; nothing is sent.
    /// Each is looked at as if those before it had entered.
    ///
    /// # Errors
    /// Usage without a model, or that something cannot be looked at.
    pub async fn look(&self, id: u64) -> Result<Vec<(u8, Preflight)>> {
        if self.models.is_empty() {
            return Err(Failure::usage("which model? give --model"));
        }
        let b = self.services.market.bounty(id).await?;
        let shards = self.services.market.shards(id).await?.len() as u64;
        let mut planned = Beside::default();
        let mut out = vec![];
        for (slot, path) in &self.models {
            let graph = read(path)?.graph;
            let mut candidate = Candidate {
                slot: *slot,
                graph: &graph,
                beside: self.beside(id, *slot).await?,
            };
            candidate.beside.add(planned);
            let looked = preflight(&self.services, id, &b, &candidate, self.max_memory).await?;
            if looked.verdict().is_ok() {
                planned.add(Beside::entry(&graph, shards, U256::from(b.stake))?);
            }
            out.push((*slot, looked));
        }
        Ok(out)
    }

    /// Enters one bounty now, with every model given: all of them or, where something speaks against one, none.
    ///
    /// # Errors
    /// Refused when a slot is taken or a preflight speaks against it.
    pub async fn commit_now(&mut self, id: u64) -> Result<Vec<(u8, Preflight)>> {
        let b = self.services.market.bounty(id).await?;
        let looked = self.look(id).await?;
        for (_, preflight) in &looked {
            preflight.verdict()?;
        }
        for (slot, _) in &looked {
            self.unfit.remove(&(id, *slot));
            let entered = self.enter(id, *slot, &b).await;
            if entered.with_context(|| format!("slot {slot}"))? != Tick::Worked {
                return Err(Failure::refused(format!(
                    "slot {slot} was not entered: something changed since it was looked at; look again"
                )));
            }
        }
        Ok(looked)
    }

    /// Registers the key of this hunter's first model, publishes its architecture, and asks the provider to
    /// accept it.
    ///
    /// # Errors
    /// Usage without a model, refused for a key that is accepted already.
    pub async fn propose_now(&self, id: u64) -> Result<VkId> {
        let s = &self.services;
        let first = self.models.values().next();
        let graph = read(first.ok_or_else(|| Failure::usage("which model? give --model"))?)?.graph;
        let release = s.prover.release_key(graph.class()?).await?;
        let key = s.prover.score_key(&graph).await?;
        if s.market.score_keys(id).await?.contains(&key.vk_id) {
            return Err(Failure::refused(format!(
                "bounty {id} accepts the key {} already",
                key.vk_id
            )));
        }
        s.report
            .step("register the verifying keys", None, async {
                let mut gas = 0;
                for data in [&release.data, &key.data] {
                    gas += ensure_registered(s.market.chain(), s.market.deployment(), data).await?;
                }
                Ok(((), Cost::gas(gas)))
            })
            .await?;
        let text = graph.text();
        s.peers.content.publish(text.clone().into_bytes()).await?;
        let digest = architecture_digest(&text)?;
        s.market.propose_key(id, key.vk_id, digest.0).await?;
        Ok(key.vk_id)
    }

    // ----------------------------------------------------------------- commit

    /// What this account's entries in the other slots still take, as they stand on chain.
    async fn beside(&self, id: u64, slot: u8) -> Result<Beside> {
        let market = &self.services.market;
        let me = market.chain().account();
        let mut out = Beside::default();
        for other in SLOTS.into_iter().filter(|s| *s != slot) {
            let Some(entry) = market.entry(id, me, other).await? else {
                continue;
            };
            let left = match EntryState::read(entry.state)? {
                EntryState::Committed => {
                    let all = market.shards(id).await?.len() as u64;
                    all.saturating_sub(entry.proved.count_ones() as u64)
                }
                EntryState::Ranked => 0,
                _ => continue,
            };
            match self.committed(id, other) {
                Ok((model, _)) => out.add(Beside::entry(&model.graph, left, U256::ZERO)?),
                // What is lost takes nothing any more; proving it will say so.
                Err(e) => tracing::warn!("slot {other} of bounty {id}: {e:#}"),
            }
        }
        Ok(out)
    }

    /// Checks that the slot's model fits before any stake is spent, then commits.
    pub(super) async fn enter(&mut self, id: u64, slot: u8, b: &Bounty) -> Result<Tick> {
        let keys = self.view.as_ref().and_then(|v| v.book().bounties.get(&id));
        let keys = keys.map_or(0, |b| b.keys.len());
        let before = self.unfit.get(&(id, slot)).copied();
        let Some(path) = self
            .models
            .get(&slot)
            .filter(|_| !before.is_some_and(|u| u.rests(keys)))
        else {
            return Ok(Tick::Idle);
        };
        let model = read(path)?;
        if Box::pin(self.waits_for_draw(id)).await? {
            return Ok(Tick::Idle);
        }
        let graph = &model.graph;
        let candidate = Candidate {
            slot,
            graph,
            beside: self.beside(id, slot).await?,
        };
        let looked = preflight(&self.services, id, b, &candidate, self.max_memory).await?;
        if let Err(reason) = looked.verdict() {
            let again = looked.only_money().then(|| Instant::now() + LOOK_AGAIN);
            self.unfit.insert((id, slot), Unfit { keys, again });
            // Told once; looked at again, it would say the same.
            if before.is_none_or(|u| u.keys != keys) {
                self.services
                    .report
                    .note(format!("bounty {id} is not for the model of slot {slot}: {reason:#}"))
                    .await;
            }
            return Ok(Tick::Idle);
        }
        self.unfit.remove(&(id, slot));
        let s = &self.services;
        let key = s.prover.score_key(graph).await?;
        let entry = s.entry(id, slot, key.vk_id);
        let blind = s.blind(id, slot);
        let c = commit::model(graph, &model.weights, &blind);
        let h = ids::entry_commitment(&entry.ctx(), &c);

        // The record is on disk before the stake is on chain: a crash in between costs nothing, the
        // other way round it would cost the claim.
        let name = format!("bounty-{id}-slot-{slot}.zkm");
        let copy = s.dir.models().join(&name);
        model
            .write(&copy)
            .with_context(|| format!("keep the committed model at {}", copy.display()))?;
        s.entries()?.put(
            &record_name(id, slot),
            &EntryRecord {
                chain_id: s.market.chain().chain_id(),
                market: s.market.address(),
                bounty: id,
                slot,
                model: name,
            },
        )?;
        s.report
            .step("commit to a hidden model", None, async {
                let payout = self.payout.unwrap_or(s.market.chain().account());
                let sent = s
                    .market
                    .commit(id, slot, h, key.vk_id, payout, U256::from(b.stake))
                    .await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        Ok(Tick::Worked)
    }
}
