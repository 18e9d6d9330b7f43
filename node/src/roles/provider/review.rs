//! What others ask of a provider while its bounty runs: bytes they cannot fetch, keys they would prove with.

use super::super::proposals;
use super::Provider;
use crate::chain::states::Phase;
use crate::chain::view::View;
use crate::failure::Failure;
use crate::progress::Cost;
use alloy::primitives::{Address, B256};
use anyhow::{Context, Result};
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::graph::Graph;
use zkaggle_graph::ids;

/// Most score keys of a bounty, as the market allows.
const MOST_KEYS: usize = 8;
/// Most proposed keys that are derived for one bounty: each costs minutes of computing.
const MOST_CONSIDERED: usize = 32;

impl Provider {
    /// Shows the shards that entrants say they cannot fetch; whether there was one.
    pub(super) async fn answer(&self, id: u64, dataset: &Dataset) -> Result<bool> {
        let s = &self.services;
        let mut any = false;
        for c in s.market.challenges(id).await? {
            let Some(shard) = dataset.shards().get(usize::from(c.target)) else {
                continue;
            };
            s.report
                .step(
                    format!("show shard {} on chain, somebody cannot fetch it", c.target),
                    None,
                    async {
                        let sent = s.market.answer_shard(id, c.target.into(), &shard.bytes).await?;
                        Ok(((), Cost::gas(sent.gas).and_bytes(shard.bytes.len())))
                    },
                )
                .await?;
            any = true;
        }
        Ok(any)
    }

    /// Looks at one key that a hunter asked for, and accepts it when it is what it is said to be; whether
    /// one was accepted.
    pub(super) async fn consider(&mut self, id: u64, dataset: &Dataset) -> Result<bool> {
        let view = self.view.get_or_insert_with(|| View::new(&self.services.market));
        view.catch_up().await.context("read the market's history")?;
        let Some(b) = view.book().bounties.get(&id) else {
            return Ok(false);
        };
        if b.keys.len() >= MOST_KEYS || self.considered.len() >= MOST_CONSIDERED {
            return Ok(false);
        }
        let next = b
            .proposed
            .iter()
            .find(|p| !b.keys.contains(&p.0) && !self.considered.contains(*p));
        let Some((vk, digest)) = next.copied() else {
            return Ok(false);
        };
        self.considered.insert((vk, digest));
        match self.accept(id, dataset, vk, digest).await {
            Ok(()) => Ok(true),
            Err(e) => {
                let note = format!("the proposed key {vk} is not accepted: {e:#}");
                self.services.report.note(note).await;
                Ok(false)
            }
        }
    }

    async fn accept(&mut self, id: u64, dataset: &Dataset, vk: B256, digest: B256) -> Result<()> {
        let s = self.services.clone();
        let graph = s
            .report
            .step("derive a proposed key from its architecture", None, async {
                let graph = proposals::check(&s, dataset, vk, digest, self.max_memory).await?;
                Ok((graph, Cost::default()))
            })
            .await?;
        s.report
            .step("accept a proposed key", None, async {
                s.market
                    .accept_key(id, ids::VkId(vk.0))
                    .await
                    .map(|t| ((), Cost::gas(t.gas)))
            })
            .await?;
        self.graphs.push(graph);
        Ok(())
    }

    /// Accepts a key that was proposed, by hand.
    ///
    /// # Errors
    /// Refused when nobody proposed it, or it is not what it is said to be.
    pub async fn accept_now(&mut self, vk: B256) -> Result<u64> {
        let (id, _, dataset) = self.posted(Phase::Commit).await?;
        let view = self.view.get_or_insert_with(|| View::new(&self.services.market));
        let proposed: Vec<B256> = match view.book().bounties.get(&id) {
            Some(b) => b.proposed.iter().filter(|p| p.0 == vk).map(|p| p.1).collect(),
            None => vec![],
        };
        let mut failure = Failure::not_found(format!("nobody proposed the key {vk} for bounty {id}"));
        for digest in proposed {
            match self.accept(id, &dataset, vk, digest).await {
                Ok(()) => return Ok(id),
                Err(e) => failure = e,
            }
        }
        Err(failure)
    }

    /// Where this bounty's tokens lie.
    pub(super) async fn pots(&self, id: u64) -> Result<Vec<Address>> {
        Ok(self.services.market.pot(id).await?.into_iter().collect())
    }

    /// The architecture behind a key: one of the bounty file's, or one that was proposed and accepted.
    pub(super) async fn graph_of(&self, id: u64, vk: B256) -> Result<Graph> {
        let s = &self.services;
        for g in &self.graphs {
            if s.prover.score_key(g).await?.vk_id.0 == vk.0 {
                return Ok(g.clone());
            }
        }
        let proposed: Vec<B256> = match self.view.as_ref().and_then(|v| v.book().bounties.get(&id)) {
            Some(b) => b.proposed.iter().filter(|p| p.0 == vk).map(|p| p.1).collect(),
            None => vec![],
        };
        for digest in proposed {
            let graph = proposals::architecture(s, digest).await?;
            if s.prover.score_key(&graph).await?.vk_id.0 == vk.0 {
                return Ok(graph);
            }
        }
        Err(Failure::not_found(format!(
            "none of our architectures has the key {vk}"
        )))
    }
}
