//! Moves a development chain's clock, through the methods that the embedded chain and anvil share.

use super::client::{Chain, is_development};
use crate::failure::Failure;
use alloy::providers::Provider;
use anyhow::{Context, Result};

/// Moves the clock to at least `timestamp` (Unix seconds) and mines a block there.
///
/// # Errors
/// Refused on any chain that is not a development chain.
pub async fn advance_to(chain: &Chain, timestamp: u64) -> Result<()> {
    if !is_development(chain.chain_id()) {
        return Err(Failure::refused(format!(
            "chain {} is no development chain; its clock cannot be moved",
            chain.chain_id()
        )));
    }
    let now = chain.now().await?;
    if timestamp > now {
        chain
            .rpc()
            .raw_request::<_, serde_json::Value>("evm_increaseTime".into(), (timestamp - now,))
            .await
            .context("move the chain's clock")?;
    }
    chain
        .rpc()
        .raw_request::<_, serde_json::Value>("evm_mine".into(), ())
        .await
        .context("mine a block")?;
    Ok(())
}
