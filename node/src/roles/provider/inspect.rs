//! Large claims, as their buyer sees them: fetch every chunk by its CID, open the model, and have the
//! contract ask for what does not come.
//!
//! Payment waits for the provider's inspection and for nothing else, so whoever says nothing in time pays for
//! what it could not read. A chunk that is not as listed cannot be shown on chain either: it is challenged at
//! once, and the claim is void when the answer's time is over.

use super::{Opened, Provider};
use crate::chain::chunks::Listed;
use crate::chain::market::Claim;
use crate::chain::states::EntryState;
use crate::failure::Failure;
use crate::progress::Cost;
use crate::roles::Services;
use alloy::primitives::{Address, U256};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zkaggle_bindings::IBountyMarket::Listing;
use zkaggle_circuits::statements::chunks;
use zkaggle_circuits::statements::release;
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::dataset::cid::cid_of_digest;
use zkaggle_graph::field::{Fr, from_be_bytes};

/// Challenges of one claim that may wait at a time, as the market allows.
const MOST_OPEN: usize = 3;
/// Chain seconds after which the provider settles what the hunter has not: its bond waits for it.
const GRACE: u64 = 600;
/// Chain seconds kept free before the inspection ends, in which a challenge is still mined.
const SPARE: u64 = 300;

/// How hard chunks are looked for before the chain is asked, and what was found of which claim.
#[derive(Debug)]
pub(super) struct Inspection {
    /// How long peers are asked, each time.
    patience: Duration,
    /// Searches in vain before a chunk is challenged: the bond is lost to whoever answers, so a moment
    /// without peers must not spend it.
    tries: u32,
    missed: BTreeMap<(Address, u8), u32>,
    /// Claims whose reading failed for good; told once.
    unreadable: BTreeSet<(Address, u8)>,
}

impl Default for Inspection {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(120),
            tries: 3,
            missed: BTreeMap::new(),
            unreadable: BTreeSet::new(),
        }
    }
}

/// A chunk that is not there, and whether looking again could help.
struct Absent {
    chunk: usize,
    reason: String,
    wrong: bool,
}

impl Provider {
    /// Looks this long for a large claim's chunks, so many times, before it challenges them.
    pub fn with_patience(mut self, patience: Duration, tries: u32) -> Self {
        self.inspection.patience = patience;
        self.inspection.tries = tries;
        self
    }

    /// Does what is due on the large claims of a bounty; whether anything was.
    pub(super) async fn inspect(&mut self, id: u64, dataset: &Dataset) -> Result<bool> {
        let s = self.services.clone();
        let deep = s.market.chain().deep().await?.number;
        let listed = s.market.listed(id).await?;
        for claim in listed.into_iter().filter(|c| c.block <= deep) {
            let listing = s.market.listing(id, claim.hunter, claim.slot).await?;
            if listing.failed {
                continue;
            }
            let waits = self.waits(id, &claim).await?;
            if waits && self.void(id, &claim, &listing).await? {
                return Ok(true);
            }
            if self.open_listed(id, dataset, &claim, waits.then_some(&listing)).await? {
                return Ok(true);
            }
            if waits && self.settle_late(id, &claim).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a large claim is neither paid nor void.
    async fn waits(&self, id: u64, claim: &Listed) -> Result<bool> {
        let entry = self.services.market.entry(id, claim.hunter, claim.slot).await?;
        Ok(entry.is_some_and(|e| e.state == EntryState::Claiming as u8))
    }

    /// Whether a large claim was paid and is not opened: its chunks may still turn up.
    pub(super) async fn unopened_listing(&self, id: u64) -> Result<bool> {
        for claim in self.services.market.listed(id).await? {
            let name = (claim.hunter, claim.slot);
            let known = self.opened.contains(&name) || self.inspection.unreadable.contains(&name);
            if !known && !self.services.market.listing(id, claim.hunter, claim.slot).await?.failed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Voids a claim when a challenged chunk was not shown in time; the bonds come back.
    async fn void(&self, id: u64, claim: &Listed, listing: &Listing) -> Result<bool> {
        let s = &self.services;
        let now = s.market.chain().now().await?;
        if !listing.open.iter().any(|c| c.deadline.to::<u64>() <= now) {
            return Ok(false);
        }
        s.report
            .step("void a claim whose chunk was not shown", None, async {
                let sent = s.market.settle_claim(id, claim.hunter, claim.slot).await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        Ok(true)
    }

    /// Has a claim paid that its hunter does not settle.
    async fn settle_late(&self, id: u64, claim: &Listed) -> Result<bool> {
        let s = &self.services;
        let listing = s.market.listing(id, claim.hunter, claim.slot).await?;
        let now = s.market.chain().now().await?;
        if !listing.open.is_empty() || now < listing.until.to::<u64>() + GRACE {
            return Ok(false);
        }
        s.report
            .step("settle an inspected claim", None, async {
                let sent = s.market.settle_claim(id, claim.hunter, claim.slot).await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        Ok(true)
    }

    /// Fetches and opens a listed claim; while it waits for its inspection, challenges what does not come.
    async fn open_listed(
        &mut self,
        id: u64,
        dataset: &Dataset,
        claim: &Listed,
        waiting: Option<&Listing>,
    ) -> Result<bool> {
        let s = self.services.clone();
        let name = (claim.hunter, claim.slot);
        let stem = super::stem(id, claim.hunter, claim.slot);
        if self.opened.contains(&name) || self.inspection.unreadable.contains(&name) {
            return Ok(false);
        }
        if s.dir.opened().join(format!("{stem}.json")).exists() {
            self.opened.insert(name);
            return Ok(false);
        }
        let (found, absent) = self.gather(id, claim, waiting).await?;
        if !absent.is_empty() {
            let Some(listing) = waiting else {
                let first = absent.first().map_or(String::new(), |a| a.reason.clone());
                s.report
                    .note(format!(
                        "{} chunk(s) of a paid claim are not to be had: {first}",
                        absent.len()
                    ))
                    .await;
                return Ok(false);
            };
            return self.challenge(id, claim, listing, &absent).await;
        }
        let whole = Claim {
            hunter: claim.hunter,
            slot: claim.slot,
            epk: claim.epk,
            ciphertext: self.payload(id, claim, &found).await?.into(),
            tx: claim.tx,
            block: claim.block,
        };
        match self.open_and_tell(id, dataset, &whole, &stem).await {
            Ok(()) => {
                self.opened.insert(name);
                Ok(true)
            }
            Err(e) => {
                // Every chunk is as listed and the proof stands on chain: no challenge would change it.
                self.inspection.unreadable.insert(name);
                s.report
                    .note(format!("the claim of {} cannot be opened: {e:#}", claim.hunter))
                    .await;
                Ok(false)
            }
        }
    }

    /// The ciphertext of the model's class; a padded key's claims go on with zeros.
    async fn payload(&self, id: u64, claim: &Listed, words: &[Fr]) -> Result<Vec<u8>> {
        let market = &self.services.market;
        let entry = market.entry(id, claim.hunter, claim.slot).await?;
        let entry = entry.with_context(|| format!("the claim of {} belongs to no entry", claim.hunter))?;
        let class = self.graph_of(id, entry.vkId).await?.class()?;
        let (message, padding) = words
            .split_at_checked(class.message_words())
            .with_context(|| format!("{} words are fewer than the model's class has", words.len()))?;
        if padding.iter().any(|w| *w != Fr::from(0u64)) {
            return Err(Failure::refused("the ciphertext goes on behind the model"));
        }
        Ok(release::ciphertext_bytes(message))
    }

    /// The words of every chunk that is to be had and as listed, in order, and which are not.
    async fn gather(&self, id: u64, claim: &Listed, waiting: Option<&Listing>) -> Result<(Vec<Fr>, Vec<Absent>)> {
        let s = &self.services;
        let words = self.words_of(id, claim).await?;
        let z = element(claim.z)?;
        let patience = self.inspection.patience;
        let asked = waiting.map_or(U256::MAX, |l| U256::from(l.challenged));
        let fetches = claim.digests.iter().enumerate().map(|(j, digest)| async move {
            // What was challenged may lie on chain, where nobody can withhold it.
            if asked.bit(j)
                && let Some(bytes) = s.market.shown_chunk(id, claim, j).await?
            {
                return anyhow::Ok(Ok(bytes));
            }
            let fetched = s.fetch_within(&cid_of_digest(&digest.0), patience).await;
            Ok(fetched.map_err(|e| format!("{e:#}")))
        });
        let all = s
            .report
            .step(
                format!("fetch {} chunks by their CIDs", claim.digests.len()),
                None,
                async {
                    let all = futures::future::try_join_all(fetches).await?;
                    let bytes = all.iter().flatten().map(Vec::len).sum();
                    Ok((all, Cost::bytes(bytes)))
                },
            )
            .await?;
        let (mut found, mut absent) = (vec![], vec![]);
        for (j, (fetched, sum)) in all.into_iter().zip(&claim.sums).enumerate() {
            let chunk = match fetched {
                Ok(bytes) => chunks::check(words, j, &bytes, z, element(*sum)?).map_err(|e| (e.to_string(), true)),
                Err(reason) => Err((reason, false)),
            };
            match chunk {
                Ok(part) => found.extend(part),
                Err((reason, wrong)) => absent.push(Absent {
                    chunk: j,
                    reason,
                    wrong,
                }),
            }
        }
        Ok((found, absent))
    }

    /// Words of a claim's ciphertext, by the release key of the entry's model.
    async fn words_of(&self, id: u64, claim: &Listed) -> Result<usize> {
        let s = &self.services;
        let entry = s.market.entry(id, claim.hunter, claim.slot).await?;
        let entry = entry.with_context(|| format!("the claim of {} belongs to no entry", claim.hunter))?;
        let class = self.graph_of(id, entry.vkId).await?.class()?;
        Ok(s.prover.release_key(class).await?.ciphertext_words())
    }

    /// Challenges what does not come, as many chunks as may wait at a time.
    async fn challenge(&mut self, id: u64, claim: &Listed, listing: &Listing, absent: &[Absent]) -> Result<bool> {
        let s = self.services.clone();
        let now = s.market.chain().now().await?;
        let until = listing.until.to::<u64>();
        if now >= until {
            return Ok(false);
        }
        let tries = self.inspection.missed.entry((claim.hunter, claim.slot)).or_insert(0);
        *tries += 1;
        let last = *tries >= self.inspection.tries || now + self.inspection.patience.as_secs() + SPARE >= until;
        let words = self.words_of(id, claim).await?;
        let free = MOST_OPEN.saturating_sub(listing.open.len());
        let due = absent
            .iter()
            .filter(|a| (a.wrong || last) && !U256::from(listing.challenged).bit(a.chunk));
        let mut any = false;
        for a in due.take(free) {
            let length = chunks::length(words, a.chunk).context("a chunk beyond the ciphertext")?;
            let what = format!("challenge chunk {} of a claim: {}", a.chunk, a.reason);
            s.report
                .step(what, None, async {
                    let sent = s
                        .market
                        .challenge_chunk(id, claim.hunter, claim.slot, a.chunk as u64, length)
                        .await?;
                    Ok(((), Cost::gas(sent.gas)))
                })
                .await?;
            any = true;
        }
        Ok(any)
    }

    /// Reports of the large claims on this disk, those that can be opened now included.
    pub(super) async fn opened_listings(&mut self, id: u64, dataset: &Dataset) -> Result<Vec<Opened>> {
        let mut out = vec![];
        for claim in self.services.market.listed(id).await? {
            if self.services.market.listing(id, claim.hunter, claim.slot).await?.failed {
                continue;
            }
            self.open_listed(id, dataset, &claim, None).await?;
            out.extend(read_report(&self.services, id, &claim)?);
        }
        Ok(out)
    }
}

fn read_report(s: &Services, id: u64, claim: &Listed) -> Result<Option<Opened>> {
    super::report_at(&s.dir.opened().join(super::stem(id, claim.hunter, claim.slot) + ".json"))
}

fn element(v: U256) -> Result<Fr> {
    from_be_bytes(&v.to_be_bytes()).context("a listed value is no field element")
}
