//! Cut and choose on chain: what the beacon chose, what was opened of it, and whether both are right.

use super::client::Sent;
use super::errors::{explain, explain_call};
use super::market::Market;
use crate::bounty::pool::{Opening, Place, pick};
use crate::failure::{Code, Failure};
use alloy::consensus::Transaction;
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use zkaggle_bindings::IBountyMarket::{self, DrawState};
use zkaggle_graph::graph::{FeatureType, Layout, Schema};

/// Blocks after the beacon's in which the market can still read its hash.
pub const REACH: u64 = 256;

/// The public part of a bounty, as far as it can be known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Public {
    /// The bounty has no draw: nothing of its data is public before the reveal.
    None,
    /// It has one, and not everything is open yet; the last moment for it, in Unix seconds.
    Waiting { until: u64 },
    /// Everything that was drawn, by place in the pool; choice and openings are what they must be.
    Open(BTreeMap<u16, B256>),
}

/// What a bounty was posted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// What its records look like.
    pub schema: Schema,
    /// Commitment to the hold-out; of a bounty with a draw, the pool's root.
    pub holdout: B256,
}

impl Market {
    /// Where a bounty's draw stands; zeros without one.
    pub async fn draw_of(&self, id: u64) -> Result<DrawState> {
        self.market.drawOf(U256::from(id)).call().await.map_err(explain_call)
    }

    /// Lets the beacon choose.
    pub async fn draw(&self, id: u64) -> Result<Sent> {
        self.chain()
            .send("draw the public part", self.market.draw(U256::from(id)))
            .await
    }

    /// Opens drawn shards.
    pub async fn open_drawn(&self, id: u64, openings: &[Opening]) -> Result<Sent> {
        let openings = openings
            .iter()
            .map(|o| IBountyMarket::Opening {
                index: o.index,
                salt: o.salt,
                digest: o.digest,
                path: o.path.clone(),
            })
            .collect();
        self.chain()
            .send("open the drawn shards", self.market.openDrawn(U256::from(id), openings))
            .await
    }

    /// Whether the choice on chain is the one that the beacon's block makes.
    ///
    /// # Errors
    /// Unreachable when it is not: the contract makes no other, so that the endpoint lies.
    pub async fn check_choice(&self, id: u64, root: B256, d: &DrawState) -> Result<()> {
        let beacon = self
            .chain()
            .block_hash(d.beaconBlock)
            .await
            .context("the beacon's block")?;
        let place = Place {
            chain_id: self.chain().chain_id(),
            market: self.address(),
            bounty: id,
            root,
        };
        let count = d.picked.count_ones();
        if count == 0 || pick(&place, beacon, usize::from(d.pool), count) != d.picked {
            self.chain().distrust("its draw is not the beacon's");
            return Err(Failure::new(
                Code::Unreachable,
                format!(
                    "bounty {id}: the draw is not the one that the hash of block {} makes",
                    d.beaconBlock
                ),
            ));
        }
        Ok(())
    }

    /// The public part of a bounty: the beacon's choice computed again, and every opening that was sent to the
    /// market climbed to the root again. One that came through another contract's call is the market's word alone.
    ///
    /// # Errors
    /// Unreachable when choice or openings are not what the contract can have taken.
    pub async fn public_part(&self, id: u64, root: B256) -> Result<Public> {
        let d = self.draw_of(id).await?;
        if d.pool == 0 {
            return Ok(Public::None);
        }
        if d.picked.is_zero() || d.left != 0 {
            return Ok(Public::Waiting { until: d.end.to() });
        }
        self.check_choice(id, root, &d).await?;
        let lie = |what: String| {
            self.chain().distrust("its openings do not lead to the root");
            Failure::new(
                Code::Unreachable,
                format!("bounty {id}: {what}; the endpoint is not to be believed"),
            )
        };
        let mut open = BTreeMap::new();
        let mut sent: BTreeMap<B256, Vec<Opening>> = BTreeMap::new();
        for (e, tx, _) in self.logs::<IBountyMarket::DrawOpened>(id).await? {
            if !sent.contains_key(&tx) {
                sent.insert(tx, self.openings_in(tx).await?);
            }
            let shown = sent.get(&tx).into_iter().flatten().find(|o| o.index == e.index);
            if shown.is_some_and(|o| o.digest != e.digest || !o.opens(root, usize::from(d.pool))) {
                return Err(lie(format!(
                    "the opening of shard {} does not lead to the pool's root",
                    e.index
                )));
            }
            if !d.picked.bit(usize::from(e.index)) || open.insert(e.index, e.digest).is_some() {
                return Err(lie(format!("shard {} is opened twice, or was not drawn", e.index)));
            }
        }
        if open.len() != d.picked.count_ones() {
            return Err(lie(format!(
                "{} shards are open, {} were drawn",
                open.len(),
                d.picked.count_ones()
            )));
        }
        Ok(Public::Open(open))
    }

    /// Openings that a transaction carries, where it calls the market itself.
    async fn openings_in(&self, tx: B256) -> Result<Vec<Opening>> {
        let found = self.chain().rpc().get_transaction_by_hash(tx).await;
        let Some(sent) = found.map_err(|e| explain(&e))? else {
            return Ok(vec![]);
        };
        if sent.to() != Some(self.address()) {
            return Ok(vec![]);
        }
        let Ok(call) = IBountyMarket::openDrawnCall::abi_decode(sent.input()) else {
            return Ok(vec![]);
        };
        let openings = call.openings.into_iter().map(|o| Opening {
            index: o.index,
            salt: o.salt,
            digest: o.digest,
            path: o.path,
        });
        Ok(openings.collect())
    }

    /// What a bounty was posted with, as far as its public part needs it.
    pub async fn posted(&self, id: u64) -> Result<Posted> {
        let created = self.logs::<IBountyMarket::BountyCreated>(id).await?;
        let (e, ..) = created
            .into_iter()
            .next()
            .ok_or_else(|| Failure::not_found(format!("nobody posted bounty {id}")))?;
        let s = e.params.schema;
        let feature_type = FeatureType::of_word(s.featureType).ok_or_else(|| {
            Failure::refused(format!(
                "bounty {id}: features of type {}, which this version does not know",
                s.featureType
            ))
        })?;
        let packed = Schema {
            shape: s.shape,
            feature_type,
            feature_max: s.featureMax,
            classes: s.classes,
            layout: None,
        };
        let schema = packed.with_layout(Layout {
            offset: s.offset,
            stride: s.stride,
            features_at: s.featuresAt,
            label_at: s.labelAt,
        })?;
        if schema.id() != e.schemaId.0 {
            return Err(Failure::new(
                Code::Unreachable,
                format!("bounty {id}: its schema is not the one of its schema id; the endpoint is not to be believed"),
            ));
        }
        Ok(Posted {
            schema,
            holdout: e.params.holdout,
        })
    }
}
