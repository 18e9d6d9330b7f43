//! The provider: proves its data, posts, reveals, attests, and opens what it paid for.

mod attest;
mod draw;
mod inspect;
mod review;

use self::attest::lengths;
use self::inspect::Inspection;
use super::Tick;
use super::services::Services;
use crate::bounty_file::{BountyFile, Mode};
use crate::chain::keys::ensure_registered;
use crate::chain::market::{Claim, word};
use crate::chain::states::{self, EntryState, Phase};
use crate::chain::view::View;
use crate::dataset;
use crate::failure::Failure;
use crate::progress::Cost;
use crate::prover::{Prover, cid};
use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use zkaggle_bindings::IBountyMarket::{self, Bounty, Params};
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::statements::release;
use zkaggle_config::units::ByteSize;
use zkaggle_graph::commit;
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::eval::evaluate;
use zkaggle_graph::field::{from_be_bytes, to_be_bytes};
use zkaggle_graph::graph::Graph;
use zkaggle_graph::ids::{self, JubPoint};
use zkaggle_graph::model::ModelFile;

/// Longest time to answer a challenge that the market allows, in seconds.
const MOST_ANSWER: u32 = 7 * 24 * 3600;

/// What a claim turned out to hold: written beside the opened model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    pub format: String,
    pub bounty: u64,
    pub hunter: String,
    pub slot: u8,
    /// Correct predictions as proved on chain.
    pub score_proved: u32,
    /// Correct predictions of the opened model, evaluated again.
    pub score_reopened: u32,
    pub n: u32,
    /// Whether every shard's results hash opens with the opened model and blind.
    pub results_match: bool,
    /// File name of the model beside this report.
    pub model: String,
}

/// Posts one bounty and sees it through.
#[derive(Debug)]
pub struct Provider {
    services: Services,
    file: BountyFile,
    graphs: Vec<Graph>,
    id: Option<u64>,
    /// The market's history, once it was needed.
    view: Option<View>,
    opened: BTreeSet<(Address, u8)>,
    /// Proposed keys that were looked at.
    considered: BTreeSet<(B256, B256)>,
    /// The drawn shards' blocks are released.
    drawn_out: bool,
    max_memory: Option<ByteSize>,
    inspection: Inspection,
}

impl Provider {
    pub fn new(services: Services, file: BountyFile, graphs: Vec<Graph>) -> Self {
        Self {
            services,
            file,
            graphs,
            id: None,
            view: None,
            opened: BTreeSet::new(),
            considered: BTreeSet::new(),
            drawn_out: false,
            max_memory: None,
            inspection: Inspection::default(),
        }
    }

    /// Derives no proposed key whose making would take more, and cuts CID proofs so that none does.
    pub fn with_max_memory(self, limit: ByteSize) -> Self {
        Self {
            max_memory: Some(limit),
            ..self
        }
    }

    /// The bounty's number, once it is posted.
    pub fn bounty(&self) -> Option<u64> {
        self.id
    }

    /// Does the next thing that is due.
    pub async fn tick(&mut self) -> Result<Tick> {
        let pool = self.dataset().await?;
        let Some(id) = self.id else {
            Box::pin(self.post(&pool)).await?;
            return Ok(Tick::Worked);
        };
        let s = self.services.clone();
        if Box::pin(s.market.chain().recover()).await? > 0 || !self.still_ours(id).await? {
            // What a re-org took away was sent again, perhaps under another number: look for it anew.
            self.id = None;
            return Ok(Tick::Worked);
        }
        let b = s.market.bounty(id).await?;
        let phase = s.market.phase(id).await?;
        let settled = Phase::read(b.settled)? != Phase::None;
        if !settled && phase != Phase::Defaulted && Box::pin(self.see_to_draw(id, phase, &pool)).await? {
            return Ok(Tick::Worked);
        }
        let dataset = self.held(id, &pool).await?;
        if matches!(phase, Phase::Attest | Phase::Prove) && self.answer(id, &dataset).await? {
            return Ok(Tick::Worked);
        }
        match phase {
            Phase::Commit if self.consider(id, &dataset).await? => Ok(Tick::Worked),
            Phase::Reveal if self.reveal_open(&b).await? => self.reveal(id, &dataset).await,
            Phase::Attest => self.attest(id, &pool, &dataset).await,
            Phase::Claim | Phase::Closed if Box::pin(self.inspect(id, &dataset)).await? => Ok(Tick::Worked),
            Phase::Prove | Phase::Claim | Phase::Closed if self.open_claims(id, &dataset).await? => Ok(Tick::Worked),
            Phase::Claim => self.close(id).await,
            _ if settled && s.withdraw_owed(&self.pots(id).await?).await? => Ok(Tick::Worked),
            Phase::Closed if self.unopened(id).await? => Ok(Tick::Idle),
            _ if settled => Ok(Tick::Done),
            Phase::Defaulted => {
                s.report
                    .step("settle a missed deadline", None, async {
                        s.market.timeout(id).await.map(|t| ((), Cost::gas(t.gas)))
                    })
                    .await?;
                Ok(Tick::Worked)
            }
            _ => Ok(Tick::Idle),
        }
    }

    /// Whether the number still names a bounty of this account.
    async fn still_ours(&self, id: u64) -> Result<bool> {
        let market = &self.services.market;
        Ok(market.count().await? >= id && market.bounty(id).await?.owner == market.chain().account())
    }

    async fn dataset(&self) -> Result<Dataset> {
        let cid = dataset::parse(&self.file.dataset).context("the bounty file's dataset")?;
        let store = self.services.peers.content.store().clone();
        let manifest = tokio::task::spawn_blocking(move || dataset::manifest(store.as_ref(), cid))
            .await
            .context("read the manifest")?
            .context("the bounty file's dataset")?;
        let mut blocks = vec![];
        for shard in manifest.shards() {
            blocks.push(self.services.local(&shard.cid).await?);
        }
        Ok(Dataset::assemble(manifest, blocks)?)
    }

    fn salt(&self) -> [u8; 32] {
        self.services.holdout_salt(&self.file.label)
    }

    // ------------------------------------------------------------ by hand

    /// The bounty as it stands on chain, if it was posted: sealed ones are known by their hold-out's
    /// commitment, open ones by their shards.
    async fn locate(&mut self, dataset: &Dataset) -> Result<Option<u64>> {
        let digests = dataset.manifest().digests();
        let owner = self.services.market.chain().account();
        let holdout = self.commitment(&digests);
        let sealed = self.file.mode == Mode::Sealed;
        let view = self.view.get_or_insert_with(|| View::new(&self.services.market));
        view.catch_up().await.context("read the market's history")?;
        let found = view.book().bounties.iter().find(|(_, b)| {
            let same = match sealed {
                true => b.terms.holdout == holdout,
                false => b.settled.is_none() && b.terms.digests.iter().map(|d| d.0).eq(digests.iter().copied()),
            };
            same && b.terms.owner == owner
        });
        Ok(found.map(|(id, _)| *id))
    }

    /// Posts the bounty unless it is posted already; its number.
    pub async fn post_now(&mut self) -> Result<u64> {
        let dataset = self.dataset().await?;
        self.post(&dataset).await?;
        self.id.context("the bounty has no number")
    }

    /// Reveals the hold-out.
    ///
    /// # Errors
    /// Refused outside Reveal.
    pub async fn reveal_now(&mut self) -> Result<u64> {
        let (id, b, dataset) = self.posted(Phase::Reveal).await?;
        if !self.reveal_open(&b).await? {
            return Err(Failure::refused(format!(
                "the finality gap after Commit has not passed; Reveal opens at {} (unix seconds)",
                b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap)
            )));
        }
        let dataset = self.held(id, &dataset).await?;
        self.reveal(id, &dataset).await?;
        Ok(id)
    }

    /// Has every shard's CID proof verified on chain and fixes the dataset.
    ///
    /// # Errors
    /// Refused outside Attest.
    pub async fn attest_now(&mut self) -> Result<u64> {
        let (id, _, pool) = self.posted(Phase::Attest).await?;
        let dataset = self.held(id, &pool).await?;
        self.attest(id, &pool, &dataset).await?;
        Ok(id)
    }

    /// Opens the claims that are on chain and not opened yet; every report on this disk.
    pub async fn open_now(&mut self) -> Result<(u64, Vec<Opened>)> {
        let dataset = self.dataset().await?;
        let id = self.number(&dataset).await?;
        let dataset = self.held(id, &dataset).await?;
        self.open_claims(id, &dataset).await?;
        let mut out = vec![];
        for claim in self.services.market.claims(id).await? {
            let stem = stem(id, claim.hunter, claim.slot);
            out.extend(report_at(&self.services.dir.opened().join(stem + ".json"))?);
        }
        out.extend(Box::pin(self.opened_listings(id, &dataset)).await?);
        Ok((id, out))
    }

    async fn number(&mut self, dataset: &Dataset) -> Result<u64> {
        let found = self.locate(dataset).await?;
        let id = found.ok_or_else(|| {
            Failure::not_found(format!(
                "no bounty of this account has the label {:?} and this dataset; `bounty post` comes first",
                self.file.label
            ))
        })?;
        self.id = Some(id);
        Ok(id)
    }

    /// The posted bounty, which must be in `phase`.
    async fn posted(&mut self, phase: Phase) -> Result<(u64, Bounty, Dataset)> {
        let dataset = self.dataset().await?;
        let id = self.number(&dataset).await?;
        let b = self.services.market.bounty(id).await?;
        let now = self.services.market.phase(id).await?;
        if now != phase {
            return Err(Failure::refused(format!(
                "bounty {id} is in {now:?}, this is done in {phase:?}"
            )));
        }
        Ok((id, b, dataset))
    }

    // ------------------------------------------------------------------- post

    async fn post(&mut self, dataset: &Dataset) -> Result<()> {
        let s = self.services.clone();
        let digests = dataset.manifest().digests();
        let sealed = self.file.mode == Mode::Sealed;
        let holdout = if sealed { self.commitment(&digests) } else { B256::ZERO };
        // Before any work: a pool that cannot be drawn from would be refused after the proofs.
        self.file.held(&lengths(dataset))?;
        if let Some(id) = self.locate(dataset).await? {
            s.report
                .note(format!(
                    "bounty {id} is already posted under the label {:?}",
                    self.file.label
                ))
                .await;
            self.id = Some(id);
            return Ok(());
        }
        // Before minutes of proving: what cannot be paid, or may not be, is told now.
        let escrow = self
            .file
            .prizes
            .iter()
            .fold(U256::from(u128::from(self.file.bond)), |sum, p| {
                sum.saturating_add(U256::from(u128::from(*p)))
            });
        let foreseen = s.market.foresee(self.file.token.unwrap_or_default(), escrow).await?;
        s.report.note(foreseen).await;
        for g in &self.graphs {
            ensure!(
                g.schema() == dataset.schema(),
                "an architecture takes other records than the dataset holds:\n{}",
                g.text()
            );
        }
        let unknown = vec![B256::ZERO; self.graphs.len()];
        let data_key = cid::key(&SrsPoints::development())?;
        let terms = self
            .params(dataset, holdout, digests.clone(), data_key.vk_id, unknown)
            .await?;
        s.market.would_create(terms).await?;
        let (keys, score_ids) = s
            .report
            .step(
                "make proving and verifying keys",
                Some(Duration::from_secs(20)),
                async {
                    let mut score_ids = vec![];
                    let mut keys = vec![data_key.data.clone()];
                    for g in &self.graphs {
                        let release = s.prover.release_key(g.class()?).await?;
                        let score = s.prover.score_key(g).await?;
                        Prover::check_development(score.development, s.market.chain().chain_id())?;
                        keys.push(release.data.clone());
                        keys.push(score.data.clone());
                        score_ids.push(B256::from(score.vk_id.0));
                    }
                    let bytes = keys.iter().map(|k| k.bytes.len()).sum();
                    Ok(((keys, score_ids), Cost::bytes(bytes)))
                },
            )
            .await?;
        // Proved before a wei is escrowed: an unprovable hold-out would cost the bond.
        for run in self.proof_runs(dataset)? {
            self.cid_proof(dataset, run).await?;
        }
        s.report
            .step("register the verifying keys", None, async {
                let mut gas = 0;
                let mut bytes = 0;
                for k in &keys {
                    gas += ensure_registered(s.market.chain(), s.market.deployment(), k).await?;
                    bytes += k.bytes.len();
                }
                Ok(((), Cost::gas(gas).and_bytes(bytes)))
            })
            .await?;
        let params = self
            .params(dataset, holdout, digests, data_key.vk_id, score_ids)
            .await?;
        if !sealed {
            self.ask_witness(dataset).await?;
            self.attest_shards(dataset, &dataset.manifest().digests()).await?;
        }
        let id = s
            .report
            .step("post the bounty", None, async {
                let (id, sent) = s.market.create(params).await?;
                Ok((id, Cost::gas(sent.gas)))
            })
            .await?;
        self.id = Some(id);
        s.announce_bounty(id).await;
        if !sealed {
            s.release(dataset).await?;
        }
        Ok(())
    }

    async fn params(
        &self,
        dataset: &Dataset,
        holdout: B256,
        digests: Vec<[u8; 32]>,
        data_key: ids::VkId,
        score_ids: Vec<B256>,
    ) -> Result<Params> {
        let f = &self.file;
        let schema = dataset.schema();
        let now = self.services.market.chain().now().await?;
        let key = self.services.provider_key()?.public();
        let sealed = f.mode == Mode::Sealed;
        let lengths = lengths(dataset);
        let held = f.held(&lengths)?;
        let n: usize = lengths.iter().take(held).filter_map(|l| schema.count(*l)).sum();
        let places = schema.places();
        let wei = |w: &zkaggle_config::units::Wei| {
            u128::from(*w)
                .try_into()
                .map_err(|_| Failure::usage("an amount exceeds 2^96 wei"))
        };
        let seconds = |s: &zkaggle_config::units::Seconds| -> Result<u32> {
            u64::from(*s)
                .try_into()
                .map_err(|_| Failure::usage("a window exceeds 2^32 seconds"))
        };
        Ok(Params {
            mode: if sealed {
                states::Mode::Sealed
            } else {
                states::Mode::Open
            } as u8,
            token: f.token.unwrap_or_default(),
            prizes: f.prizes.iter().map(wei).collect::<Result<_>>()?,
            bond: wei(&f.bond)?,
            stake: wei(&f.stake)?,
            metric: 0,
            threshold: f.threshold.correct(u32::try_from(n).context("samples")?)?,
            windows: IBountyMarket::Windows {
                commitEnd: alloy::primitives::aliases::U40::from(now + u64::from(f.windows.commit)),
                gap: seconds(&f.windows.gap)?,
                reveal: if sealed { seconds(&f.windows.reveal)? } else { 0 },
                attest: if sealed { seconds(&f.windows.attest)? } else { 0 },
                prove: seconds(&f.windows.prove)?,
                claim: seconds(&f.windows.claim)?,
                // Blocks may be missed, and challenged, for as long as somebody could prove with them.
                challenge: seconds(&f.windows.prove)?,
                answer: seconds(&f.windows.claim)?.min(MOST_ANSWER),
            },
            schema: IBountyMarket::Schema {
                shape: schema.shape.clone(),
                featureType: schema.feature_type.word(),
                featureMax: schema.feature_max,
                classes: schema.classes,
                offset: places.offset,
                stride: places.stride,
                featuresAt: places.features_at,
                labelAt: places.label_at,
            },
            lengths: lengths.iter().take(held).map(|l| *l as u32).collect(),
            holdout,
            digests: if sealed {
                vec![]
            } else {
                digests.into_iter().map(B256::from).collect()
            },
            datasetVkId: data_key.0.into(),
            scoreVkIds: score_ids,
            pkX: word(&key.x),
            pkY: word(&key.y),
            allowed: f.allowed.clone(),
            draw: match &f.draw {
                Some(d) => IBountyMarket::Draw {
                    pool: u16::try_from(lengths.len()).context("shards")?,
                    window: seconds(&d.window)?,
                },
                None => IBountyMarket::Draw { pool: 0, window: 0 },
            },
        })
    }

    // ----------------------------------------------------------------- reveal

    /// Reveal is valid from commitEnd + gap.
    async fn reveal_open(&self, b: &Bounty) -> Result<bool> {
        let start = b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap);
        Ok(self.services.market.chain().now().await? >= start)
    }

    async fn reveal(&self, id: u64, dataset: &Dataset) -> Result<Tick> {
        let s = &self.services;
        let salt = self.salt();
        self.keep_part(dataset).await?;
        s.report
            .step("reveal the hold-out", None, async {
                let sent = s.market.reveal(id, salt, &dataset.manifest().digests()).await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        // Only now: before, nobody may learn that these blocks exist.
        s.release(dataset).await?;
        Ok(Tick::Worked)
    }

    // ------------------------------------------------------------------- open

    /// Whether a claim is on chain that was not opened: it does not lie deep enough yet.
    async fn unopened(&self, id: u64) -> Result<bool> {
        let claims = self.services.market.claims(id).await?;
        let whole = claims.iter().any(|c| !self.opened.contains(&(c.hunter, c.slot)));
        Ok(whole || self.unopened_listing(id).await?)
    }

    /// Opens every claim that lies deep and is not opened yet; whether there was one.
    async fn open_claims(&mut self, id: u64, dataset: &Dataset) -> Result<bool> {
        let s = self.services.clone();
        let mut any = false;
        let deep = s.market.chain().deep().await?.number;
        for claim in s.market.claims(id).await?.into_iter().filter(|c| c.block <= deep) {
            let name = (claim.hunter, claim.slot);
            let stem = stem(id, claim.hunter, claim.slot);
            if self.opened.contains(&name) || s.dir.opened().join(format!("{stem}.json")).exists() {
                self.opened.insert(name);
                continue;
            }
            self.open_and_tell(id, dataset, &claim, &stem).await?;
            self.opened.insert(name);
            any = true;
        }
        Ok(any)
    }

    /// Opens a claim, leaves the model and the report on disk, and says what came out.
    async fn open_and_tell(&self, id: u64, dataset: &Dataset, claim: &Claim, stem: &str) -> Result<()> {
        let s = &self.services;
        let report = s
            .report
            .step("decrypt the weights and evaluate them again", None, async {
                let r = self.open(id, dataset, claim, stem).await?;
                Ok((r, Cost::bytes(claim.ciphertext.len())))
            })
            .await?;
        s.report
            .note(format!(
                "the opened model scores {} of {}, proved were {}; results hashes {}",
                report.score_reopened,
                report.n,
                report.score_proved,
                if report.results_match { "match" } else { "DO NOT MATCH" }
            ))
            .await;
        Ok(())
    }

    async fn open(&self, id: u64, dataset: &Dataset, claim: &Claim, stem: &str) -> Result<Opened> {
        let s = &self.services;
        let entry = s
            .market
            .entry(id, claim.hunter, claim.slot)
            .await?
            .with_context(|| format!("the claim of {} belongs to no entry", claim.hunter))?;
        let graph = &self.graph_of(id, entry.vkId).await?;
        let ctx = ids::Entry {
            chain_id: s.market.chain().chain_id(),
            market: s.market.address().into_array(),
            bounty: id,
            hunter: claim.hunter.into_array(),
            slot: claim.slot,
            vk: ids::VkId(entry.vkId.0),
        }
        .ctx();
        let fr = |v: U256| from_be_bytes(&v.to_be_bytes());
        let epk = JubPoint {
            x: fr(claim.epk[0])?,
            y: fr(claim.epk[1])?,
        };
        let c = fr(entry.model)?;
        let words = release::ciphertext_words(&claim.ciphertext)?;
        let (weights, blind) = release::open(graph, &s.provider_key()?, &epk, &ctx, &c, &words)?;

        let results = s.market.results(id, claim.hunter, claim.slot).await?;
        let (mut score, mut n, mut results_match) = (0, 0, results.len() == dataset.shards().len());
        for (shard, on_chain) in dataset.shards().iter().zip(&results) {
            let e = evaluate(graph, &weights, &shard.bytes)?;
            let r = commit::results(graph, &blind, &shard.commitment(), &e.predictions());
            score += e.accuracy.correct;
            n += e.accuracy.total;
            results_match &=
                U256::from_be_bytes(to_be_bytes(&r)) == on_chain.results && e.accuracy.correct == on_chain.score;
        }
        let dir = s.dir.opened();
        let model = format!("{stem}.zkm");
        ModelFile {
            graph: graph.clone(),
            weights,
        }
        .write(&dir.join(&model))?;
        let report = Opened {
            format: "zkaggle-opened/1".into(),
            bounty: id,
            hunter: claim.hunter.to_string(),
            slot: claim.slot,
            score_proved: entry.score,
            score_reopened: score,
            n,
            results_match,
            model,
        };
        let mut text = serde_json::to_string_pretty(&report)?;
        text.push('\n');
        crate::files::write_atomic(&dir.join(format!("{stem}.json")), text.as_bytes())?;
        Ok(report)
    }

    /// Ends a round that was missed, or closes the bounty when nothing is left to pay.
    async fn close(&self, id: u64) -> Result<Tick> {
        let s = &self.services;
        let Some((start, end)) = s.market.round(id).await? else {
            return Ok(Tick::Idle);
        };
        let now = s.market.chain().now().await?;
        let board = s.market.board(id).await?;
        let pending = board
            .iter()
            .any(|r| r.prize != u8::MAX && r.state == EntryState::Ranked as u8);
        let undecided = board.iter().any(|r| r.state == EntryState::Claiming as u8);
        if now < start || undecided || (pending && now < end) {
            return Ok(Tick::Idle);
        }
        if pending {
            s.report
                .step("end a round that was missed", None, async {
                    s.market.lapse(id).await.map(|t| ((), Cost::gas(t.gas)))
                })
                .await?;
        } else {
            s.report
                .step("close the bounty", None, async {
                    s.market.finalize(id).await.map(|t| ((), Cost::gas(t.gas)))
                })
                .await?;
        }
        Ok(Tick::Worked)
    }
}

/// Name of what a claim was opened to, without its ending.
fn stem(id: u64, hunter: Address, slot: u8) -> String {
    format!("bounty-{id}-{hunter}-{slot}")
}

/// A report on this disk, if there is one.
fn report_at(path: &Path) -> Result<Option<Opened>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(Some(
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?,
    ))
}
