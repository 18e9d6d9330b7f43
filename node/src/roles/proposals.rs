//! Keys that hunters ask for: the provider's node derives each from the architecture named for it before
//! it accepts one, and believes nothing else.

use super::services::Services;
use crate::failure::Failure;
use crate::prover::Prover;
use alloy::primitives::B256;
use anyhow::{Context, Result, ensure};
use zkaggle_config::units::ByteSize;
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::dataset::cid::cid_of_digest;
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::ids::VkId;

/// Largest architecture that is read, in bytes.
const MOST_TEXT: usize = 1 << 20;

/// Fetches an architecture by its digest.
///
/// # Errors
/// When no peer has it, or it is none.
pub async fn architecture(s: &Services, digest: B256) -> Result<Graph> {
    let bytes = s
        .fetch(&cid_of_digest(&digest.0))
        .await
        .context("fetch the architecture")?;
    ensure!(bytes.len() <= MOST_TEXT, "the architecture has {} bytes", bytes.len());
    let text = std::str::from_utf8(&bytes).context("the architecture is no text")?;
    Graph::parse(text).map_err(|e| anyhow::anyhow!("the architecture does not read: {e}"))
}

/// Whether entries with this key could be proved on this dataset and opened here: derives the key again.
///
/// # Errors
/// Refused, with what speaks against it.
pub async fn check(
    s: &Services,
    dataset: &Dataset,
    vk: B256,
    digest: B256,
    max_memory: Option<ByteSize>,
) -> Result<Graph> {
    let graph = architecture(s, digest).await?;
    suits(&graph, dataset.schema(), &lengths(dataset))?;
    let needed = ByteSize(zkaggle_circuits::accuracy::cost(&graph)?.memory);
    if let Some(limit) = max_memory.filter(|limit| needed > *limit) {
        return Err(Failure::refused(format!(
            "deriving its key takes about {needed}, prover.max_memory is {limit}"
        )));
    }
    let key = s.prover.score_key(&graph).await?;
    Prover::check_development(key.development, s.market.chain().chain_id())?;
    if key.vk_id.0 != vk.0 {
        return Err(Failure::refused(format!(
            "the architecture named for it has the key {}, not {vk}",
            key.vk_id
        )));
    }
    let registered = crate::chain::keys::is_registered(s.market.chain(), s.market.deployment(), VkId(vk.0)).await?;
    ensure!(registered, "the key {vk} is not registered");
    Ok(graph)
}

fn lengths(dataset: &Dataset) -> Vec<usize> {
    dataset.shards().iter().map(|s| s.bytes.len()).collect()
}

/// Whether a graph takes these records, this many a shard.
fn suits(graph: &Graph, schema: &Schema, lengths: &[usize]) -> Result<()> {
    if graph.schema() != schema {
        return Err(Failure::refused("it takes other records than the dataset holds"));
    }
    let most = lengths.iter().filter_map(|l| schema.count(*l)).max().unwrap_or(0);
    if most > graph.samples() {
        return Err(Failure::refused(format!(
            "it proves at most {} records a shard, the dataset has {most}",
            graph.samples()
        )));
    }
    Ok(())
}
