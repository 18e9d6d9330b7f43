//! A claim by chunks, from the proof to the payment.
//!
//! ```text
//! prove ──> seal the chunks here ──> write the claim down ──> list it on chain
//!                                                                  │ lies deep
//!                     settle <── show what is challenged <── let the chunks out
//! ```
//!
//! Until its listing lies deep the chunks are private blocks: who decrypts them before could have the
//! weights without a claim. A node that crashed finds the proof on disk, the chunks in its blocks and the rest
//! on chain.

use super::claim::Release;
use super::{Hunter, SLOTS};
use crate::chain::chunks::Listed;
use crate::chain::market::word;
use crate::failure::{Code, Failure, code_of};
use crate::progress::Cost;
use crate::roles::{Services, Tick};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use zkaggle_bindings::IBountyMarket::Entry;
use zkaggle_circuits::statements::chunks;
use zkaggle_circuits::statements::release::ReleaseInstance;
use zkaggle_graph::dataset::cid::{cid_of_digest, digest_of, raw_cid};
use zkaggle_graph::field::{Fr, from_be_bytes};
use zkaggle_net::StoreError;
use zkaggle_net::content::ContentError;
use zkaggle_vault::records::Records;

/// A claim as it was proved: written down once its chunks are in the node's blocks, and before it is sent.
/// Nothing in it is secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRecord {
    instance: ReleaseInstance,
    vk_id: [u8; 32],
    digests: Vec<[u8; 32]>,
    sums: Vec<[u8; 32]>,
    proof: Vec<u8>,
}

impl zkaggle_vault::Record for ClaimRecord {
    const KIND: &'static str = "claim";
    const VERSION: u32 = 1;
}

impl ClaimRecord {
    /// Whether it is a claim of exactly this release, its proof holds, and its chunks are here.
    async fn usable(&self, s: &Services, release: &Release, model: &Fr) -> bool {
        let x = &self.instance;
        let same = (x.ctx, x.pk, x.model) == (release.ctx, release.pk, *model) && self.vk_id == release.key.vk_id.0;
        if !same || release.key.key.verify(x, &self.proof).is_err() {
            return false;
        }
        for digest in &self.digests {
            if s.local(&cid_of_digest(digest)).await.is_err() {
                return false;
            }
        }
        true
    }
}

fn records(s: &Services) -> Result<Records<ClaimRecord>> {
    Ok(Records::open(&s.dir.claims())?)
}

fn name(id: u64, slot: u8) -> String {
    format!("claim-{id}-{slot}")
}

impl Hunter {
    /// Lists a claim by its chunks: the one on disk if a crash left one, otherwise a new one.
    pub(super) async fn claim_large(&self, id: u64, slot: u8, entry: &Entry, release: &Release) -> Result<Tick> {
        let s = &self.services;
        let model = from_be_bytes(&entry.model.to_be_bytes()).context("C as it stands on chain")?;
        let kept = match records(s)?.get(&name(id, slot)) {
            Ok(kept) => kept,
            Err(e) => {
                tracing::warn!("{e}; the claim is proved again");
                None
            }
        };
        let claim = match kept {
            Some(kept) if kept.usable(s, release, &model).await => kept,
            _ => self.prepare(id, slot, release, &model).await?,
        };
        let sums = claim.sums.iter().map(|y| alloy::primitives::U256::from_be_bytes(*y));
        s.report
            .step(format!("claim by {} chunks", claim.digests.len()), None, async {
                let sent = s
                    .market
                    .claim_chunks(id, slot, &claim.instance, &claim.digests, sums.collect(), &claim.proof)
                    .await?;
                Ok(((), Cost::gas(sent.gas).and_bytes(claim.proof.len())))
            })
            .await?;
        Ok(Tick::Worked)
    }

    /// Proves a claim, keeps its chunks sealed and pinned, and writes it down: in this order, so that what is
    /// written down is all there.
    async fn prepare(&self, id: u64, slot: u8, release: &Release, model: &Fr) -> Result<ClaimRecord> {
        let s = &self.services;
        let (x, w, ciphertext) = release.seal()?;
        if x.model != *model {
            bail!("model and seed do not open C as it stands on chain");
        }
        let proof = self.prove_release(&release.key, &x, w, 32 * ciphertext.len()).await?;
        let mut digests = vec![];
        for chunk in chunks::cut(&ciphertext) {
            digests.push(digest_of(&raw_cid(&chunk))?);
            match s.peers.content.seal(chunk).await {
                // Nothing but zeros, from an earlier claim under a padded key.
                Ok(_) | Err(ContentError::Store(StoreError::AlreadyPublic { .. })) => {}
                Err(e) => return Err(e).context("keep the ciphertext's chunks"),
            }
        }
        let sums = chunks::sums(&ciphertext, x.z);
        let record = ClaimRecord {
            vk_id: release.key.vk_id.0,
            digests,
            sums: sums.iter().map(|y| word(y).to_be_bytes()).collect(),
            proof,
            instance: x,
        };
        records(s)?.put(&name(id, slot), &record)?;
        Ok(record)
    }

    /// Sees a listed claim through: lets its chunks out, shows those that are challenged, settles it.
    pub(super) async fn attend(&mut self, id: u64, slot: u8) -> Result<Tick> {
        let s = self.services.clone();
        let claim = self.own_listing(id, slot).await?;
        if claim.block > s.market.chain().deep().await?.number {
            return Ok(Tick::Idle);
        }
        if !self.released.contains(&(id, slot)) {
            self.let_out(&claim).await?;
            self.released.insert((id, slot));
        }
        if self.answer_chunks(id, &claim).await? > 0 || self.settle(id, &claim).await? {
            return Ok(Tick::Worked);
        }
        Ok(Tick::Idle)
    }

    async fn own_listing(&self, id: u64, slot: u8) -> Result<Listed> {
        let market = &self.services.market;
        let me = market.chain().account();
        let found = market.listed(id).await?;
        found
            .into_iter()
            .rfind(|l| (l.hunter, l.slot) == (me, slot))
            .ok_or_else(|| Failure::not_found(format!("account {me} has no large claim in slot {slot} of bounty {id}")))
    }

    /// Makes the chunks public and names them in the DHT. Safe to repeat.
    async fn let_out(&self, claim: &Listed) -> Result<()> {
        let s = &self.services;
        for (j, digest) in claim.digests.iter().enumerate() {
            let cid = cid_of_digest(&digest.0);
            match s.peers.content.release(cid).await {
                Ok(()) => {}
                // A node restored elsewhere: the provider may still have it from the earlier one.
                Err(ContentError::Store(StoreError::Missing { .. })) => {
                    let note =
                        format!("chunk {j} of our claim ({cid}) is not on this node; bring its blocks folder back");
                    s.report.note(note).await;
                }
                Err(e) => return Err(e).context("let the ciphertext's chunks out"),
            }
        }
        Ok(())
    }

    /// Shows every chunk that is challenged and can still be shown; how many.
    async fn answer_chunks(&self, id: u64, claim: &Listed) -> Result<usize> {
        let s = &self.services;
        let market = &s.market;
        let listing = market.listing(id, claim.hunter, claim.slot).await?;
        let now = market.chain().now().await?;
        let mut shown = 0;
        for c in listing.open.iter().filter(|c| c.deadline.to::<u64>() > now) {
            let j = usize::from(c.target);
            let digest = claim
                .digests
                .get(j)
                .context("a challenge names a chunk that is not listed")?;
            let cid = cid_of_digest(&digest.0);
            let bytes = match s.local(&cid).await {
                Ok(bytes) => bytes,
                Err(_) => s.fetch(&cid).await?,
            };
            s.report
                .step(
                    format!("show chunk {j} on chain, the provider cannot fetch it"),
                    None,
                    async {
                        let sent = market.answer_chunk(id, claim, c.target.into(), &bytes).await?;
                        Ok(((), Cost::gas(sent.gas).and_bytes(bytes.len())))
                    },
                )
                .await?;
            shown += 1;
        }
        Ok(shown)
    }

    /// Has a claim paid whose inspection is over.
    async fn settle(&self, id: u64, claim: &Listed) -> Result<bool> {
        let market = &self.services.market;
        let listing = market.listing(id, claim.hunter, claim.slot).await?;
        if !listing.open.is_empty() || market.chain().now().await? < listing.until.to::<u64>() {
            return Ok(false);
        }
        let settle = market.settle_claim(id, claim.hunter, claim.slot);
        self.transact("have the large claim paid", settle).await?;
        records(&self.services)?.remove(&name(id, claim.slot))?;
        Ok(true)
    }

    /// Lets the chunks of this account's large claims out, or of the one in `slot`, and shows those that are
    /// challenged; how many.
    ///
    /// # Errors
    /// Not found without a large claim, refused while its listing lies too shallow.
    pub async fn answer_now(&self, id: u64, slot: Option<u8>) -> Result<usize> {
        let deep = self.services.market.chain().deep().await?.number;
        let (mut shown, mut found, mut missing) = (0, false, None);
        for slot in SLOTS.into_iter().filter(|s| slot.is_none_or(|only| only == *s)) {
            let claim = match self.own_listing(id, slot).await {
                Ok(claim) => claim,
                Err(e) if code_of(&e) == Code::NotFound => {
                    missing.get_or_insert(e);
                    continue;
                }
                Err(e) => return Err(e),
            };
            found = true;
            if claim.block > deep {
                return Err(Failure::refused(
                    "the claim's block lies too shallow: until it is final, nothing of the ciphertext leaves this node",
                ));
            }
            self.let_out(&claim).await?;
            shown += self.answer_chunks(id, &claim).await?;
        }
        match missing {
            Some(e) if !found => Err(e),
            _ => Ok(shown),
        }
    }
}
