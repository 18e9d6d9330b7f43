//! `zkaggle deploy`.

use super::connect::{self, ChainArgs};
use super::output::Output;
use crate::chain::deploy::{self, Plan, factory};
use crate::chain::deployment::Deployment;
use crate::chain::outbox::show;
use crate::failure::Failure;
use alloy::primitives::U256;
use alloy::providers::Provider;
use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use zkaggle_circuits::backend::srs::SrsPoints;

#[derive(Debug, Args)]
pub struct DeployArgs {
    /// Deployment file to write; one that is there is completed or confirmed, never contradicted.
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    pub out: PathBuf,
    /// Block at which events begin; by default the block before the first contract of this deployment.
    #[arg(long, value_name = "N")]
    pub deploy_block: Option<u64>,
    /// Say what would be created and what it would cost, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// What an interrupted run leaves beside the deployment file: where events begin.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    chain_id: u64,
    deploy_block: u64,
}

pub async fn run(args: DeployArgs, out: Output) -> Result<()> {
    let chain = connect::account(&args.chain).await?;
    let srs = SrsPoints::development();
    deploy::check(&chain, &srs)?;
    let earlier = match args.out.try_exists()? {
        true => Some(Deployment::read(&args.out)?),
        false => None,
    };
    if let Some(d) = earlier.as_ref().filter(|d| d.chain_id != chain.chain_id()) {
        return Err(Failure::refused(format!(
            "{} is for chain {}, the endpoint serves chain {}; give another --out",
            args.out.display(),
            d.chain_id,
            chain.chain_id()
        )));
    }
    if args.dry_run {
        return announce(&chain, &srs, &earlier, out).await;
    }

    let partial = beside(&args.out);
    let begun = begun(&partial, chain.chain_id())?;
    let block = args
        .deploy_block
        .or(earlier.as_ref().map(|d| d.deploy_block))
        .or(begun.as_ref().map(|b| b.deploy_block));
    let from = match block {
        Some(b) => b,
        None => chain.head().await?,
    };
    if begun.is_none() && earlier.is_none() {
        let text = serde_json::to_string(&Begun {
            chain_id: chain.chain_id(),
            deploy_block: from,
        })?;
        crate::files::write_atomic(&partial, text.as_bytes())?;
    }
    let mut done = deploy::deploy(&chain, &srs, Some(from)).await?;
    if done.created.is_empty() && block.is_none() {
        // Others deployed it at a time we do not know: events are read from the chain's first block on.
        done.deployment.deploy_block = 0;
    }
    if let Some(name) = earlier.as_ref().and_then(|d| contradicted(d, &done.deployment)) {
        return Err(Failure::refused(format!(
            "{} names another deployment (it differs in {name}); give another --out to keep both",
            args.out.display(),
        )));
    }
    done.deployment.check(&chain).await?;
    crate::files::write_atomic(&args.out, (done.deployment.to_json()? + "\n").as_bytes())?;
    if partial.exists() {
        std::fs::remove_file(&partial).with_context(|| format!("remove {}", partial.display()))?;
    }
    let mut text = match done.created.len() {
        0 => format!(
            "everything is in place on chain {}; nothing was sent\n",
            chain.chain_id()
        ),
        n => format!(
            "created {n} contracts on chain {} with {} gas\n",
            chain.chain_id(),
            done.gas
        ),
    };
    for (name, d) in &done.deployment.contracts {
        text += &format!("{name:<18} {}\n", d.address);
    }
    text += &format!("written to {}", args.out.display());
    let value = json!({ "created": done.created, "gas": done.gas, "deployment": done.deployment });
    out.print(&value, &text)
}

/// A contract of an earlier deployment that stands elsewhere now. What was added since contradicts nothing.
fn contradicted<'a>(earlier: &'a Deployment, now: &Deployment) -> Option<&'a str> {
    let differs = earlier
        .contracts
        .iter()
        .find(|(name, d)| now.contracts.get(*name) != Some(d));
    differs.map(|(name, _)| name.as_str())
}

/// The rehearsal alone.
async fn announce(
    chain: &crate::chain::Chain,
    srs: &SrsPoints,
    earlier: &Option<Deployment>,
    out: Output,
) -> Result<()> {
    let factory = earlier.as_ref().and_then(|d| d.factory).unwrap_or(factory::CANONICAL);
    let plan = Plan::rehearse(chain.chain_id(), factory, srs).await?;
    let missing: Vec<&str> = plan.missing(chain).await?.iter().map(|c| c.name.as_str()).collect();
    let gas: u64 = plan
        .contracts
        .iter()
        .filter(|c| missing.contains(&c.name.as_str()))
        .map(|c| c.gas)
        .sum();
    let price = chain
        .rpc()
        .get_gas_price()
        .await
        .map_err(crate::chain::errors::unreachable_chain)?;
    let cost = U256::from(gas) * U256::from(price);
    let mut text = format!("chain {}, through the factory at {factory}:\n", chain.chain_id());
    for c in &plan.contracts {
        let state = if missing.contains(&c.name.as_str()) {
            "to create"
        } else {
            "in place"
        };
        text += &format!("{:<18} {} {:>9} gas  {state}\n", c.name, c.address, c.gas);
    }
    text += &format!("{gas} gas in all, {} at the present price", show(cost));
    out.print(
        &json!({ "factory": factory, "missing": missing, "gas": gas, "wei": cost.to_string() }),
        &text,
    )
}

fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".begun");
    name.into()
}

fn begun(path: &Path, chain_id: u64) -> Result<Option<Begun>> {
    if !path.try_exists()? {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let b: Begun = serde_json::from_str(&text)
        .map_err(|e| Failure::usage(format!("{}: {e}; remove it to begin anew", path.display())))?;
    Ok((b.chain_id == chain_id).then_some(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::deployment::{Deployed, FORMAT};
    use alloy::primitives::{Address, B256};

    /// A file of before a contract was added is completed; one that names other code is not touched.
    #[test]
    fn an_earlier_deployment_is_completed_and_never_contradicted() {
        let deployed = |byte: u8| Deployed {
            address: Address::repeat_byte(byte),
            code_hash: B256::repeat_byte(byte),
        };
        let of = |contracts: &[(&str, u8)]| Deployment {
            format: FORMAT.into(),
            chain_id: 1337,
            deploy_block: 0,
            srs_id: B256::ZERO,
            development: true,
            factory: None,
            contracts: contracts
                .iter()
                .map(|(name, byte)| ((*name).to_owned(), deployed(*byte)))
                .collect(),
        };
        let now = of(&[("BountyMarket", 1), ("DagPb", 2)]);
        assert_eq!(contradicted(&now, &now), None);
        assert_eq!(contradicted(&of(&[("BountyMarket", 1)]), &now), None);
        assert_eq!(contradicted(&of(&[("BountyMarket", 3)]), &now), Some("BountyMarket"));
        assert_eq!(contradicted(&of(&[("Gone", 1)]), &now), Some("Gone"));
    }
}
