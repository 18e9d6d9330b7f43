//! Proving: the data by its CIDs, each shard's score, and what is done about a shard that nobody delivers.

use super::{Hunter, ending, record_name};
use crate::chain::market::word;
use crate::chain::states::{EntryState, Phase};
use crate::failure::Failure;
use crate::progress::Cost;
use crate::proof_file::{ProofFile, Statement};
use crate::roles::Tick;
use anyhow::{Context, Result, ensure};
use std::sync::PoisonError;
use std::time::Duration;
use zkaggle_bindings::IBountyMarket::{Bounty, Entry};
use zkaggle_circuits::statements::accuracy::{self, AccuracyWitness};
use zkaggle_graph::commit::{self, Blind};
use zkaggle_graph::dataset::cid::cid_of_digest;
use zkaggle_graph::ids;
use zkaggle_graph::model::ModelFile;

/// Fetches in vain, two minutes each, before a shard is challenged: the bond is lost to whoever answers, so
/// a moment without peers must not spend it.
const TRIES: u32 = 3;

impl Hunter {
    /// Proves what is left to prove of this account's entries, or of the one in `slot`; which slots that was.
    ///
    /// # Errors
    /// Refused outside Prove and where every entry is scored.
    pub async fn prove_now(&self, id: u64, slot: Option<u8>) -> Result<Vec<u8>> {
        let (b, entries) = self.own(id, slot, Phase::Prove).await?;
        let mut proved = vec![];
        let mut others = vec![];
        for (slot, entry) in &entries {
            match EntryState::read(entry.state)? {
                EntryState::Committed => {
                    let done = self.prove(id, *slot, &b, entry).await;
                    // A shard that is challenged is waited for.
                    if done.with_context(|| format!("slot {slot}"))? == Tick::Worked {
                        proved.push(*slot);
                    } else {
                        others.push(format!("the entry in slot {slot} waits for a shard that is challenged"));
                    }
                }
                other => others.push(format!(
                    "the entry in slot {slot} is {other:?}: nothing is left to prove"
                )),
            }
        }
        match proved.is_empty() {
            true => Err(Failure::refused(others.join("; "))),
            false => Ok(proved),
        }
    }

    /// The model this node committed, checked against the seed and the chain.
    pub(super) fn committed(&self, id: u64, slot: u8) -> Result<(ModelFile, Blind)> {
        let s = &self.services;
        let record = s.entries()?.get(&record_name(id, slot))?.with_context(|| {
            format!("the record of our entry in slot {slot} of bounty {id}; restore it from a backup")
        })?;
        ensure!(
            record.chain_id == s.market.chain().chain_id() && record.market == s.market.address(),
            "the record of our entry in slot {slot} of bounty {id} belongs to another market"
        );
        let path = s.dir.models().join(&record.model);
        let model = ModelFile::read(&path).with_context(|| format!("the committed model {}", path.display()))?;
        Ok((model, s.blind(id, slot)))
    }

    /// A shard's bytes: from peers, or from an answer on chain. What nobody delivers is challenged, after
    /// [`TRIES`] in vain; none while that challenge waits for its answer.
    async fn shard(&self, id: u64, slot: u8, j: usize, length: usize, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
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
            let n = missed.entry((id, j, slot)).or_insert(0);
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

    pub(super) async fn prove(&self, id: u64, slot: u8, b: &Bounty, entry: &Entry) -> Result<Tick> {
        let s = &self.services;
        let (model, blind) = self.committed(id, slot)?;
        let graph = &model.graph;
        let key = s.prover.score_key(graph).await?;
        ensure!(
            entry.vkId.0 == key.vk_id.0,
            "the entry was committed under key {}, ours is {}",
            entry.vkId,
            key.vk_id
        );
        let ctx = s.entry(id, slot, key.vk_id).ctx();
        let c = commit::model(graph, &model.weights, &blind);
        ensure!(
            entry.h.0 == ids::entry_commitment(&ctx, &c),
            "model and seed do not open our commitment in slot {slot} of bounty {id}; is this the seed that made it?"
        );
        let shards = s.market.shards(id).await?;
        for (j, (length, digest)) in shards.iter().enumerate() {
            if entry.proved.bit(j) {
                continue;
            }
            let Some(bytes) = self.shard(id, slot, j, *length as usize, digest).await? else {
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
            let (who, place) = (s.report.who(), ending(slot));
            let name = if shards.len() == 1 {
                format!("accuracy-{who}{place}.proof")
            } else {
                format!("accuracy-{who}{place}-{j}.proof")
            };
            let path = s.proof_path(&format!("bounty-{id}"), &name);
            let statement = Statement::Accuracy {
                entry: s.entry(id, slot, key.vk_id).into(),
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
                    let sent = s.market.prove(id, slot, j as u64, &x, &proof).await?;
                    Ok(((), Cost::gas(sent.gas).and_bytes(proof.len())))
                })
                .await?;
        }
        Ok(Tick::Worked)
    }
}

/// A proof made before a crash, if it is for exactly this statement.
fn reusable(path: &std::path::Path, statement: &Statement) -> Option<Vec<u8>> {
    let file = ProofFile::read(path).ok()?;
    (file.statement == *statement).then_some(file.proof)
}
