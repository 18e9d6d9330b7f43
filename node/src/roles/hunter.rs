//! The hunter: enters every bounty its model fits, proves what it scores, and claims.

mod claim;
pub mod drawn;
mod large;

use super::Tick;
use super::preflight::{Preflight, preflight};
use super::services::Services;
use crate::chain::disputes::architecture_digest;
use crate::chain::keys::ensure_registered;
use crate::chain::market::word;
use crate::chain::states::{EntryState, Phase};
use crate::chain::view::View;
use crate::failure::Failure;
use crate::progress::Cost;
use crate::proof_file::{ProofFile, Statement};
use crate::store::{MemoryStore, Scope, Store};
use alloy::primitives::{Address, U256};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zkaggle_bindings::IBountyMarket::{Bounty, Entry};
use zkaggle_circuits::statements::accuracy::{self, AccuracyWitness};
use zkaggle_config::units::ByteSize;
use zkaggle_graph::commit::{self, Blind};
use zkaggle_graph::dataset::cid::cid_of_digest;
use zkaggle_graph::ids::{self, VkId};
use zkaggle_graph::model::ModelFile;

/// This node enters each bounty once.
const SLOT: u8 = 0;
/// Fetches in vain, two minutes each, before a shard is challenged: the bond is lost to whoever answers, so
/// a moment without peers must not spend it.
const TRIES: u32 = 3;

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

/// Enters bounties with one model.
#[derive(Debug)]
pub struct Hunter {
    services: Services,
    /// The model to enter with; a node restored from a backup may have none and still claim.
    model: Option<PathBuf>,
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
    /// Bounties this model cannot enter and how many keys they accepted then: the reason is told once, and
    /// they are looked at again when another key is accepted.
    unfit: BTreeMap<u64, usize>,
    /// Bounties whose large claim this process has let out.
    released: BTreeSet<u64>,
    /// Bounties whose draw is open and was checked.
    drawn: BTreeSet<u64>,
    /// How often a bounty's shard could not be fetched.
    missed: Mutex<BTreeMap<(u64, usize), u32>>,
}

impl Hunter {
    pub fn new(services: Services, model: Option<PathBuf>) -> Self {
        Self {
            services,
            model,
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
        if tick? == Tick::Worked || self.services.withdraw_owed(&self.pots().await?).await? {
            return Ok(Tick::Worked);
        }
        let all = count > 0 && (1..=count).all(|id| self.finished.contains(&id));
        Ok(if all { Tick::Done } else { Tick::Idle })
    }

    /// Whether this account's entry has something to take back, as far as the history is read.
    fn refundable(&self, id: u64) -> bool {
        let entry = (self.services.market.chain().account(), SLOT);
        let b = self.view.as_ref().and_then(|v| v.book().bounties.get(&id));
        b.is_some_and(|b| b.refundable(&entry))
    }

    /// Where the tokens of the bounties lie that this account has entered.
    async fn pots(&self) -> Result<Vec<Address>> {
        let me = self.services.market.chain().account();
        let mut out = vec![];
        for (id, b) in self.view.iter().flat_map(|v| &v.book().bounties) {
            if !b.terms.token.is_zero() && b.entries.contains_key(&(me, SLOT)) {
                out.extend(self.services.market.pot(*id).await?);
            }
        }
        Ok(out)
    }

    /// Registers the key of this hunter's model, publishes its architecture, and asks the provider to
    /// accept it.
    ///
    /// # Errors
    /// Usage without a model, refused for a key that is accepted already.
    pub async fn propose_now(&self, id: u64) -> Result<VkId> {
        let s = &self.services;
        let path = self
            .model
            .as_deref()
            .ok_or_else(|| Failure::usage("which model? give --model"))?;
        let graph = ModelFile::read(path)
            .with_context(|| format!("model file {}", path.display()))?
            .graph;
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

    /// Looks at each bounty that is not finished, until one needed something.
    async fn walk(&mut self, count: u64) -> Result<Tick> {
        for id in 1..=count {
            if self.finished.contains(&id) {
                continue;
            }
            if self.foreign(id).await? {
                self.finish(id).await?;
                continue;
            }
            match self.bounty(id).await.with_context(|| format!("bounty {id}"))? {
                Tick::Worked => return Ok(Tick::Worked),
                Tick::Done => self.finish(id).await?,
                Tick::Idle => {
                    self.over.remove(&id);
                }
            }
        }
        Ok(Tick::Idle)
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
        let entered = b.entries.contains_key(&(chain.account(), SLOT));
        let closed = b.phase(chain.now().await?) != Phase::Commit;
        Ok(b.terms.owner == chain.account() || (closed && !entered))
    }

    async fn bounty(&mut self, id: u64) -> Result<Tick> {
        let market = self.services.market.clone();
        let me = market.chain().account();
        let b = market.bounty(id).await?;
        let phase = market.phase(id).await?;
        let settled = Phase::read(b.settled)? != Phase::None;
        let Some(entry) = market.entry(id, me, SLOT).await? else {
            return if phase == Phase::Commit {
                self.enter(id, &b).await
            } else {
                Ok(Tick::Done)
            };
        };
        match EntryState::read(entry.state)? {
            EntryState::Committed if phase == Phase::Prove => self.prove(id, &b, &entry).await,
            EntryState::Committed if phase == Phase::Defaulted && !settled => {
                self.transact("settle a missed deadline", market.timeout(id)).await
            }
            // Of a lost bond every entry gets its share, whatever became of it.
            _ if settled && self.refundable(id) => self.transact("take the stake back", market.refund(id, SLOT)).await,
            EntryState::Ranked if phase == Phase::Claim => self.claim(id, &b, &entry).await,
            EntryState::Claiming => Box::pin(self.attend(id)).await,
            // A bond may still be lost, or a stake be shared, until the end.
            _ if settled => Ok(Tick::Done),
            _ => Ok(Tick::Idle),
        }
    }

    // ------------------------------------------------------------ by hand

    /// What speaks for and against entering a bounty with this hunter's model; nothing is sent.
    ///
    /// # Errors
    /// Usage without a model, or that something cannot be looked at.
    pub async fn look(&self, id: u64) -> Result<Preflight> {
        let path = self
            .model
            .as_deref()
            .ok_or_else(|| Failure::usage("which model? give --model"))?;
        let model = ModelFile::read(path).with_context(|| format!("model file {}", path.display()))?;
        let b = self.services.market.bounty(id).await?;
        preflight(&self.services, id, &b, &model.graph, self.max_memory).await
    }

    /// Enters one bounty now.
    ///
    /// # Errors
    /// Refused when the slot is taken or the preflight speaks against it.
    pub async fn commit_now(&mut self, id: u64) -> Result<Preflight> {
        let market = self.services.market.clone();
        let b = market.bounty(id).await?;
        if market.entry(id, market.chain().account(), SLOT).await?.is_some() {
            return Err(Failure::refused(format!(
                "this account has entered bounty {id} already"
            )));
        }
        let looked = self.look(id).await?;
        looked.verdict()?;
        self.unfit.remove(&id);
        self.enter(id, &b).await?;
        Ok(looked)
    }

    /// Proves what is left to prove of this account's entry.
    ///
    /// # Errors
    /// Refused outside Prove and for an entry that is scored.
    pub async fn prove_now(&self, id: u64) -> Result<()> {
        let (b, entry) = self.own(id, Phase::Prove).await?;
        match EntryState::read(entry.state)? {
            EntryState::Committed => self.prove(id, &b, &entry).await.map(|_| ()),
            other => Err(Failure::refused(format!(
                "the entry is {other:?}: nothing is left to prove"
            ))),
        }
    }

    /// Claims the prize of this account's entry; whether the claim is large, and paid after inspection.
    ///
    /// # Errors
    /// Refused while there is nothing to claim, with the reason.
    pub async fn claim_now(&self, id: u64) -> Result<bool> {
        let (b, entry) = self.own(id, Phase::Claim).await?;
        let state = EntryState::read(entry.state)?;
        if state == EntryState::Ranked && self.claim(id, &b, &entry).await? == Tick::Worked {
            let (_, entry) = self.own(id, Phase::Claim).await?;
            return Ok(EntryState::read(entry.state)? == EntryState::Claiming);
        }
        Err(Failure::refused(match state {
            EntryState::Ranked => "the entry is ranked, but holds no prize that can be claimed now: its rank is a reserve, its round has not begun or lies too shallow, or a large claim of it is void".to_owned(),
            EntryState::Claiming => "the claim is listed and waits for its inspection: `zkaggle hunt answer` and `hunt settle` see it through".to_owned(),
            other => format!("the entry is {other:?}: there is nothing to claim"),
        }))
    }

    /// This account's entry in a bounty that must be in `phase`.
    async fn own(&self, id: u64, phase: Phase) -> Result<(Bounty, Entry)> {
        let market = &self.services.market;
        let b = market.bounty(id).await?;
        let me = market.chain().account();
        let entry = market
            .entry(id, me, SLOT)
            .await?
            .ok_or_else(|| Failure::not_found(format!("account {me} has not entered bounty {id}")))?;
        let now = market.phase(id).await?;
        if now != phase {
            return Err(Failure::refused(format!(
                "bounty {id} is in {now:?}, this is done in {phase:?}"
            )));
        }
        Ok((b, entry))
    }

    async fn transact(&self, name: &str, tx: impl Future<Output = Result<crate::chain::Sent>>) -> Result<Tick> {
        self.services
            .report
            .step(name, None, async { tx.await.map(|s| ((), Cost::gas(s.gas))) })
            .await?;
        Ok(Tick::Worked)
    }

    // ----------------------------------------------------------------- commit

    /// Checks that the model fits before any stake is spent, then commits.
    async fn enter(&mut self, id: u64, b: &Bounty) -> Result<Tick> {
        let keys = self.view.as_ref().and_then(|v| v.book().bounties.get(&id));
        let keys = keys.map_or(0, |b| b.keys.len());
        let Some(path) = self.model.clone().filter(|_| self.unfit.get(&id) != Some(&keys)) else {
            return Ok(Tick::Idle);
        };
        if Box::pin(self.waits_for_draw(id)).await? {
            return Ok(Tick::Idle);
        }
        let model = ModelFile::read(&path).with_context(|| format!("model file {}", path.display()))?;
        let graph = &model.graph;
        let looked = preflight(&self.services, id, b, graph, self.max_memory).await?;
        if let Err(reason) = looked.verdict() {
            self.unfit.insert(id, keys);
            self.services
                .report
                .note(format!("bounty {id} is not for this model: {reason:#}"))
                .await;
            return Ok(Tick::Idle);
        }
        let s = &self.services;
        let key = s.prover.score_key(graph).await?;
        let entry = s.entry(id, SLOT, key.vk_id);
        let blind = s.blind(id, SLOT);
        let c = commit::model(graph, &model.weights, &blind);
        let h = ids::entry_commitment(&entry.ctx(), &c);

        // The record is on disk before the stake is on chain: a crash in between costs nothing, the
        // other way round it would cost the claim.
        let name = format!("bounty-{id}-slot-{SLOT}.zkm");
        let copy = s.dir.models().join(&name);
        model
            .write(&copy)
            .with_context(|| format!("keep the committed model at {}", copy.display()))?;
        s.entries()?.put(
            &record_name(id, SLOT),
            &EntryRecord {
                chain_id: s.market.chain().chain_id(),
                market: s.market.address(),
                bounty: id,
                slot: SLOT,
                model: name,
            },
        )?;
        s.report
            .step("commit to a hidden model", None, async {
                let payout = s.market.chain().account();
                let sent = s
                    .market
                    .commit(id, SLOT, h, key.vk_id, payout, U256::from(b.stake))
                    .await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        Ok(Tick::Worked)
    }

    // ------------------------------------------------------------------ prove

    /// The model this node committed, checked against the seed and the chain.
    fn committed(&self, id: u64) -> Result<(ModelFile, Blind)> {
        let s = &self.services;
        let record = s
            .entries()?
            .get(&record_name(id, SLOT))?
            .with_context(|| format!("the record of our entry in bounty {id}; restore it from a backup"))?;
        ensure!(
            record.chain_id == s.market.chain().chain_id() && record.market == s.market.address(),
            "the record of our entry in bounty {id} belongs to another market"
        );
        let path = s.dir.models().join(&record.model);
        let model = ModelFile::read(&path).with_context(|| format!("the committed model {}", path.display()))?;
        Ok((model, s.blind(id, SLOT)))
    }

    /// A shard's bytes: from peers, or from an answer on chain. What nobody delivers is challenged, after
    /// [`TRIES`] in vain; none while that challenge waits for its answer.
    async fn shard(&self, id: u64, j: usize, length: usize, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let s = &self.services;
        let market = &s.market;
        let challenged = market.detail(id).await?.challenges > 0;
        if challenged && let Some(bytes) = market.shown_shard(id, j as u64, digest).await? {
            return Ok(Some(bytes));
        }
        let fetched = s
            .report
            .step(format!("fetch shard {j} by its CID"), None, async {
                let bytes = s.fetch(&cid_of_digest(digest)).await?;
                ensure!(
                    bytes.len() == length,
                    "shard {j} has {} bytes, published are {length}",
                    bytes.len()
                );
                let cost = Cost::bytes(bytes.len());
                Ok((bytes, cost))
            })
            .await;
        let e = match fetched {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(e) => e,
        };
        if market.challenges(id).await?.iter().any(|c| usize::from(c.target) == j) {
            s.report
                .note(format!("shard {j} of bounty {id} is challenged; waiting for its bytes"))
                .await;
            return Ok(None);
        }
        let tries = {
            let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            let n = missed.entry((id, j)).or_insert(0);
            *n += 1;
            *n
        };
        if tries < TRIES {
            return Err(e);
        }
        // The contract says whether it may still be challenged; what it refuses is our answer.
        s.report
            .step(format!("challenge shard {j}, which nobody delivers"), None, async {
                let sent = market.challenge_shard(id, j as u64, length).await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        Ok(None)
    }

    async fn prove(&self, id: u64, b: &Bounty, entry: &Entry) -> Result<Tick> {
        let s = &self.services;
        let (model, blind) = self.committed(id)?;
        let graph = &model.graph;
        let key = s.prover.score_key(graph).await?;
        ensure!(
            entry.vkId.0 == key.vk_id.0,
            "the entry was committed under key {}, ours is {}",
            entry.vkId,
            key.vk_id
        );
        let ctx = s.entry(id, SLOT, key.vk_id).ctx();
        let c = commit::model(graph, &model.weights, &blind);
        ensure!(
            entry.h.0 == ids::entry_commitment(&ctx, &c),
            "model and seed do not open our commitment in bounty {id}; is this the seed that made it?"
        );
        let shards = s.market.shards(id).await?;
        for (j, (length, digest)) in shards.iter().enumerate() {
            if entry.proved.bit(j) {
                continue;
            }
            let Some(bytes) = self.shard(id, j, *length as usize, digest).await? else {
                return Ok(Tick::Idle);
            };
            // The commitment on chain was proved from these bytes' CID; ours must be the same.
            let attested = s
                .market
                .attested(ids::VkId(b.datasetVkId.0), *digest)
                .await?
                .with_context(|| format!("shard {j} is not attested"))?;
            ensure!(
                attested.1 == word(&commit::shard(&bytes)),
                "the commitment attested for shard {j} is not that of its bytes; the dataset key cannot be trusted"
            );
            let w = AccuracyWitness {
                weights: model.weights.clone(),
                blind: blind.clone(),
                shard: bytes,
            };
            let x = accuracy::instance(graph, &w, ctx)?;
            let name = if shards.len() == 1 {
                format!("accuracy-{}.proof", s.report.who())
            } else {
                format!("accuracy-{}-{j}.proof", s.report.who())
            };
            let path = s.proof_path(&format!("bounty-{id}"), &name);
            let statement = Statement::Accuracy {
                entry: s.entry(id, SLOT, key.vk_id).into(),
                instance: x.clone(),
            };
            let proof = match reusable(&path, &statement) {
                Some(proof) => proof,
                None => {
                    let turn = s.prover.turn().await?;
                    let proof = s
                        .report
                        .step(
                            format!("prove accuracy on {} samples", x.n),
                            Some(Duration::from_secs(15)),
                            async {
                                let p = s.prover.prove_accuracy(turn, key.clone(), x.clone(), w).await?;
                                let cost = Cost::bytes(p.len());
                                Ok((p, cost))
                            },
                        )
                        .await?;
                    let file = ProofFile::new(key.development, key.vk_id, statement, proof.clone());
                    s.write_proof(&path, &file)?;
                    proof
                }
            };
            s.report
                .step("verify the score on chain and rank", None, async {
                    let sent = s.market.prove(id, SLOT, j as u64, &x, &proof).await?;
                    Ok(((), Cost::gas(sent.gas).and_bytes(proof.len())))
                })
                .await?;
        }
        Ok(Tick::Worked)
    }
}

/// Name of an entry's record.
pub fn record_name(bounty: u64, slot: u8) -> String {
    format!("entry-{bounty}-{slot}")
}

/// A proof made before a crash, if it is for exactly this statement.
fn reusable(path: &std::path::Path, statement: &Statement) -> Option<Vec<u8>> {
    let file = ProofFile::read(path).ok()?;
    (file.statement == *statement).then_some(file.proof)
}
