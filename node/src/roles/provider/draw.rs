//! A provider whose bounty has a draw: it lets the beacon choose, opens what was chosen, and serves it; what
//! was not chosen is the hold-out.

use super::Provider;
use crate::bounty::pool::Pool;
use crate::chain::draws::REACH;
use crate::chain::states::Phase;
use crate::failure::Failure;
use crate::progress::Cost;
use alloy::primitives::{B256, U256};
use anyhow::{Context, Result};
use zkaggle_graph::dataset::{Dataset, Manifest, ShardEntry};
use zkaggle_graph::ids;

/// Openings in one transaction: far below its gas, and few of them for the largest pool.
const AT_ONCE: usize = 64;
/// Seconds before the end of the window, and blocks before the beacon is out of reach, when waiting for depth
/// would risk the bond.
const HURRY_SECONDS: u64 = 600;
const HURRY_BLOCKS: u64 = 64;

impl Provider {
    /// What the bounty names as its hold-out: a commitment to all shards, or the root of a pool.
    pub(super) fn commitment(&self, digests: &[[u8; 32]]) -> B256 {
        match &self.file.draw {
            Some(_) => Pool::new(self.salt(), digests).root(),
            None => ids::holdout(self.salt(), digests).into(),
        }
    }

    /// Takes the draw's next step, if one is due; says whether there was one.
    ///
    /// In Commit it looks even when everything was open: a re-org may have closed it again.
    pub(super) async fn see_to_draw(&mut self, id: u64, phase: Phase, pool: &Dataset) -> Result<bool> {
        if self.file.draw.is_none() || (self.drawn_out && phase != Phase::Commit) {
            return Ok(false);
        }
        let s = self.services.clone();
        let d = s.market.draw_of(id).await?;
        let chain = s.market.chain();
        let head = chain.head().await?;
        // What is opened is public for ever: the beacon's block must lie as deep as this node waits for, unless
        // waiting would cost the bond.
        let hurry = head + HURRY_BLOCKS >= d.beaconBlock + REACH || chain.now().await? + HURRY_SECONDS >= d.end.to();
        if head < d.beaconBlock || (!hurry && chain.deep().await?.number < d.beaconBlock) {
            return Ok(false);
        }
        if d.picked.is_zero() {
            if head >= d.beaconBlock + REACH {
                // Nothing is left to do but to take the bond's half back when the window is over.
                tracing::warn!("bounty {id}: the beacon's block {} is out of reach", d.beaconBlock);
                return Ok(false);
            }
            s.report
                .step("let the beacon choose the public part", None, async {
                    s.market.draw(id).await.map(|t| ((), Cost::gas(t.gas)))
                })
                .await?;
            return Ok(true);
        }
        let digests = pool.manifest().digests();
        let tree = Pool::new(self.salt(), &digests);
        s.market.check_choice(id, tree.root(), &d).await?;
        let due = |j: &u16| d.picked.bit(usize::from(*j)) && !d.opened.bit(usize::from(*j));
        let next: Vec<_> = (0..d.pool)
            .filter(due)
            .take(AT_ONCE)
            .filter_map(|j| tree.open(j))
            .collect();
        if !next.is_empty() {
            s.report
                .step(format!("open {} drawn shard(s)", next.len()), None, async {
                    s.market.open_drawn(id, &next).await.map(|t| ((), Cost::gas(t.gas)))
                })
                .await?;
            return Ok(true);
        }
        if self.drawn_out {
            return Ok(false);
        }
        let public = part(pool, &d.picked, true)?;
        self.keep_part(&public).await?;
        s.release(&public).await?;
        let note = format!(
            "{} of {} shards are public, manifest {}; hunters may train on them",
            public.shards().len(),
            d.pool,
            public.manifest().cid()
        );
        s.report.note(note).await;
        self.drawn_out = true;
        Ok(true)
    }

    /// The hold-out: of a pool, what was not drawn; the whole pool before the draw and without one.
    pub(super) async fn held(&self, id: u64, pool: &Dataset) -> Result<Dataset> {
        if self.file.draw.is_none() {
            return Ok(pool.clone());
        }
        let picked = self.services.market.draw_of(id).await?.picked;
        match picked.is_zero() {
            true => Ok(pool.clone()),
            false => part(pool, &picked, false),
        }
    }

    /// Keeps the manifest of a part of the pool, sealed until its release, where it is not kept yet.
    pub(super) async fn keep_part(&self, part: &Dataset) -> Result<()> {
        let content = &self.services.peers.content;
        let manifest = part.manifest();
        if content.store().info(&manifest.cid()).is_none() {
            content
                .seal(manifest.to_bytes())
                .await
                .context("keep the manifest of a part")?;
        }
        Ok(())
    }

    /// Lets the beacon choose and opens what it chose, by hand.
    ///
    /// # Errors
    /// Refused without a draw, and while the beacon's block lies ahead or too shallow.
    pub async fn draw_now(&mut self) -> Result<u64> {
        if self.file.draw.is_none() {
            return Err(Failure::refused("the bounty file has no [draw]"));
        }
        let (id, _, pool) = self.posted(Phase::Commit).await?;
        while self.see_to_draw(id, Phase::Commit, &pool).await? {}
        if !self.drawn_out {
            let d = self.services.market.draw_of(id).await?;
            return Err(Failure::refused(format!(
                "the beacon is block {}; it must be there, as deep as chain.confirmations says, and at most {REACH} blocks ago",
                d.beaconBlock
            )));
        }
        Ok(id)
    }
}

/// The drawn shards of a pool, or the others, in the pool's order.
fn part(pool: &Dataset, picked: &U256, drawn: bool) -> Result<Dataset> {
    let chosen: Vec<_> = pool
        .shards()
        .iter()
        .enumerate()
        .filter(|(j, _)| picked.bit(*j) == drawn)
        .map(|(_, s)| s)
        .collect();
    let entries = chosen
        .iter()
        .map(|s| ShardEntry {
            cid: s.cid,
            bytes: s.bytes.len() as u64,
        })
        .collect();
    let whole = pool.manifest();
    let manifest = Manifest::new(
        whole.name().to_owned(),
        whole.licence().to_owned(),
        pool.schema().clone(),
        entries,
    )?;
    Ok(Dataset::assemble(
        manifest,
        chosen.iter().map(|s| s.bytes.clone()).collect(),
    )?)
}
