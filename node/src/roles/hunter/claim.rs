//! The claim: weights for a prize, at once where the ciphertext fits calldata, otherwise by its chunks.

use super::{Hunter, ending};
use crate::chain::market::word;
use crate::chain::states::{EntryState, Phase};
use crate::failure::Failure;
use crate::progress::Cost;
use crate::proof_file::{ProofFile, Statement};
use crate::prover::Keyed;
use crate::roles::Tick;
use alloy::primitives::U256;
use anyhow::{Context, Result, bail, ensure};
use std::sync::Arc;
use std::time::Duration;
use zkaggle_bindings::IBountyMarket::{Bounty, Entry};
use zkaggle_circuits::backend::groth16::ReleaseKey;
use zkaggle_circuits::statements::chunks;
use zkaggle_circuits::statements::release::{self, ReleaseInstance, ReleaseWitness};
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::{Fr, from_be_bytes};
use zkaggle_graph::graph::Graph;
use zkaggle_graph::ids::JubPoint;
use zkaggle_graph::model::ModelFile;

/// What a claim releases: an entry's committed model, whom it is for, and the key that proves it.
pub(super) struct Release {
    pub model: ModelFile,
    pub blind: Blind,
    pub ctx: Fr,
    pub pk: JubPoint,
    pub key: Arc<Keyed<ReleaseKey>>,
}

impl Release {
    fn graph(&self) -> &Graph {
        &self.model.graph
    }

    /// Encrypts the weights to the provider; what the key asks for beyond the class is zero.
    pub fn seal(&self) -> Result<(ReleaseInstance, ReleaseWitness, Vec<Fr>)> {
        let vk = self.key.vk_id;
        let (graph, weights) = (self.graph(), &self.model.weights);
        let (mut x, w, mut ciphertext) = release::seal(
            graph,
            weights,
            &self.blind,
            self.ctx,
            self.pk,
            vk,
            &mut rand::rngs::OsRng,
        )
        .context("seal the weights to the provider's key")?;
        if ciphertext.len() < self.key.ciphertext_words() {
            ciphertext.resize(self.key.ciphertext_words(), Fr::from(0u64));
            x.z = release::point(vk, &ciphertext, x.epk, &x.model, x.pk, &x.ctx);
            x.y = release::fingerprint(&ciphertext, x.z);
        }
        Ok((x, w, ciphertext))
    }
}

impl Hunter {
    /// Claims the prizes of this account's entries, or of the one in `slot`; which slots that was, and whether the
    /// claim is large, and paid after inspection.
    ///
    /// # Errors
    /// Refused while there is nothing to claim, with the reasons.
    pub async fn claim_now(&self, id: u64, slot: Option<u8>) -> Result<Vec<(u8, bool)>> {
        let (b, entries) = self.own(id, slot, Phase::Claim).await?;
        let market = &self.services.market;
        let me = market.chain().account();
        let mut claimed = vec![];
        let mut others = vec![];
        for (slot, entry) in &entries {
            let state = EntryState::read(entry.state)?;
            let claim = async {
                self.claim(id, *slot, &b, entry)
                    .await
                    .with_context(|| format!("slot {slot}"))
            };
            if state == EntryState::Ranked && claim.await? == Tick::Worked {
                let now = market.entry(id, me, *slot).await?.map_or(0, |e| e.state);
                let now = EntryState::read(now)?;
                if matches!(now, EntryState::Claimed | EntryState::Claiming) {
                    claimed.push((*slot, now == EntryState::Claiming));
                    continue;
                }
            }
            let why = match state {
                EntryState::Ranked => "is ranked, but holds no prize that can be claimed now: its rank is a reserve, its round has not begun, lies too shallow or was missed, or a large claim of it is void".to_owned(),
                EntryState::Claiming => "has its claim listed, which waits for its inspection: `zkaggle hunt answer` and `hunt settle` see it through".to_owned(),
                other => format!("is {other:?}: there is nothing to claim"),
            };
            others.push(format!("the entry in slot {slot} {why}"));
        }
        match claimed.is_empty() {
            true => Err(Failure::refused(others.join("; "))),
            false => Ok(claimed),
        }
    }

    pub(super) async fn claim(&self, id: u64, slot: u8, b: &Bounty, entry: &Entry) -> Result<Tick> {
        let s = &self.services;
        let me = s.market.chain().account();
        let Some((start, end)) = s.market.round(id).await? else {
            return Ok(Tick::Idle);
        };
        let now = s.market.chain().now().await?;
        // Until the round's first block lies deep, another fork may rank us out of the prize, and a claim
        // that was seen would have given the weights away for nothing.
        if now < start || s.market.chain().deep().await?.timestamp < start {
            return Ok(Tick::Idle);
        }
        let board = s.market.board(id).await?;
        let pending = board
            .iter()
            .any(|r| r.prize != u8::MAX && r.state == EntryState::Ranked as u8);
        if now >= end {
            // Only a reserve gains from a lapse, and only a round that someone missed can lapse; while a
            // large claim is inspected, none does.
            let undecided = board.iter().any(|r| r.state == EntryState::Claiming as u8);
            return if pending && !undecided {
                self.transact("end a round that was missed", s.market.lapse(id)).await
            } else {
                Ok(Tick::Idle)
            };
        }
        let mine = board.iter().find(|r| r.hunter == me && r.slot == slot);
        if mine.is_none_or(|r| r.prize == u8::MAX) {
            return Ok(Tick::Idle);
        }
        if s.market.listing(id, me, slot).await?.failed {
            // A chunk was not shown in time: the contract takes no other claim from this entry.
            return Ok(Tick::Idle);
        }

        let (model, blind) = self.committed(id, slot)?;
        let score_key = s.prover.score_key(&model.graph).await?;
        ensure!(
            entry.vkId.0 == score_key.vk_id.0,
            "the entry was committed under key {}",
            entry.vkId
        );
        let release = Release {
            key: s.prover.release_key(model.graph.class()?).await?,
            ctx: s.entry(id, slot, score_key.vk_id).ctx(),
            pk: JubPoint {
                x: element(b.pkX)?,
                y: element(b.pkY)?,
            },
            model,
            blind,
        };
        if chunks::count(release.key.ciphertext_words()) > 0 {
            return Box::pin(self.claim_large(id, slot, entry, &release)).await;
        }
        let (x, w, ciphertext) = release.seal()?;
        if word(&x.model) != entry.model {
            bail!("model and seed do not open C as it stands on chain");
        }
        let bytes = release::ciphertext_bytes(&ciphertext);
        let proof = self.prove_release(&release.key, &x, w, bytes.len()).await?;
        s.report
            .step("claim the prize", None, async {
                let sent = s.market.claim(id, slot, &x, &bytes, &proof).await?;
                Ok(((), Cost::gas(sent.gas).and_bytes(bytes.len() + proof.len())))
            })
            .await?;
        // Written after the claim is on chain: before, the file would hold a ciphertext nobody paid for.
        let statement = Statement::Release {
            entry: s.entry(id, slot, score_key.vk_id).into(),
            instance: x,
            ciphertext: bytes,
        };
        let file = ProofFile::new(release.key.development, release.key.vk_id, statement, proof);
        let path = s.proof_path(
            &format!("bounty-{id}"),
            &format!("release-{}{}.proof", s.report.who(), ending(slot)),
        );
        s.write_proof(&path, &file)?;
        Ok(Tick::Worked)
    }

    pub(super) async fn prove_release(
        &self,
        key: &Arc<Keyed<ReleaseKey>>,
        x: &ReleaseInstance,
        w: ReleaseWitness,
        bytes: usize,
    ) -> Result<Vec<u8>> {
        let s = &self.services;
        let turn = s.prover.turn().await?;
        s.report
            .step(
                "seal the weights and prove the ciphertext",
                Some(Duration::from_secs(3)),
                async {
                    let p = s.prover.prove_release(turn, key.clone(), x.clone(), w).await?;
                    Ok((p, Cost::bytes(bytes)))
                },
            )
            .await
    }
}

fn element(v: U256) -> Result<Fr> {
    from_be_bytes(&v.to_be_bytes())
        .map_err(|e| Failure::refused(format!("the bounty's encryption key is malformed: {e}")))
}
