//! A hunter before a bounty with a draw: it waits until what the beacon chose is open, checks that, and can
//! fetch it to train on.

use super::Hunter;
use crate::chain::draws::Public;
use crate::failure::Failure;
use crate::progress::Cost;
use crate::roles::services::Services;
use anyhow::{Context, Result};
use zkaggle_graph::dataset::cid::cid_of_digest;
use zkaggle_graph::dataset::{Dataset, Manifest, ShardEntry};

impl Hunter {
    /// Whether a bounty's draw is still to come or not open; entering is then too early: the public part is what
    /// says what the hold-out is like.
    ///
    /// # Errors
    /// When what is open is not what the beacon and the pool's root say.
    pub(super) async fn waits_for_draw(&mut self, id: u64) -> Result<bool> {
        let Some(b) = self.view.as_ref().and_then(|v| v.book().bounties.get(&id)) else {
            return Ok(false);
        };
        if b.terms.draw.is_none() || self.drawn.contains(&id) {
            return Ok(false);
        }
        if b.draw_pending() {
            return Ok(true);
        }
        let Public::Open(open) = self.services.market.public_part(id, b.terms.holdout).await? else {
            return Ok(true);
        };
        self.drawn.insert(id);
        let note = format!(
            "bounty {id}: the beacon chose {} shard(s), all open; `zkaggle hunt samples {id}` fetches them",
            open.len()
        );
        self.services.report.note(note).await;
        Ok(false)
    }
}

/// Fetches what a bounty's draw made public: shards checked against their openings, in the pool's order.
///
/// # Errors
/// Not found for a bounty without a draw, refused while it is not open, unreachable when no peer has a block.
pub async fn samples(s: &Services, id: u64) -> Result<Dataset> {
    let posted = s.market.posted(id).await?;
    let digests = match s.market.public_part(id, posted.holdout).await? {
        Public::Open(open) => open,
        Public::None => {
            return Err(Failure::not_found(format!(
                "bounty {id} has no draw: nothing of its data is public before the reveal"
            )));
        }
        Public::Waiting { until } => {
            return Err(Failure::refused(format!(
                "the draw of bounty {id} is not open yet; the provider has until {until} (unix seconds)"
            )));
        }
    };
    let mut blocks = vec![];
    for (j, digest) in &digests {
        let bytes = s
            .report
            .step(format!("fetch shard {j} of the pool by its CID"), None, async {
                let bytes = s.fetch(&cid_of_digest(&digest.0)).await?;
                let cost = Cost::bytes(bytes.len());
                Ok((bytes, cost))
            })
            .await?;
        blocks.push(bytes);
    }
    let entries = digests.values().zip(&blocks).map(|(digest, bytes)| ShardEntry {
        cid: cid_of_digest(&digest.0),
        bytes: bytes.len() as u64,
    });
    let name = format!("public part of bounty {id}");
    let manifest = Manifest::new(name, "as the provider says", posted.schema, entries.collect())
        .context("the public shards make no dataset")?;
    Ok(Dataset::assemble(manifest, blocks)?)
}
