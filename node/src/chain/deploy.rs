//! Puts the contracts on a development chain.

use super::client::{Chain, is_development};
use super::deployment::{Deployed, Deployment, FORMAT};
use super::keys::adapter;
use crate::failure::Failure;
use crate::prover::identity;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::Provider;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use zkaggle_bindings::Artifact;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_graph::ids::Role;

/// Deploys every contract; returns where they are and the gas it took.
///
/// # Errors
/// Refused for a development SRS on a chain that is not a development chain.
pub async fn deploy(chain: &Chain, srs: &SrsPoints) -> Result<(Deployment, u64)> {
    if srs.is_development() && !is_development(chain.chain_id()) {
        return Err(Failure::refused(format!(
            "the SRS is a development one, whose trapdoor is public; chain {} is no development chain",
            chain.chain_id()
        )));
    }
    let deploy_block = chain.rpc().get_block_number().await.context("read the block number")?;
    let mut out = Deploying {
        chain,
        contracts: BTreeMap::new(),
        gas: 0,
    };
    let keys = out.put("KeyRegistry", &[]).await?;
    let datasets = out.put("DatasetRegistry", &[keys]).await?;
    out.put("BountyMarket", &[datasets]).await?;
    for role in [Role::Score, Role::Dataset, Role::Release] {
        out.create(adapter(role)?, identity::creation_code(role, srs)?).await?;
    }
    let deployment = Deployment {
        format: FORMAT.into(),
        chain_id: chain.chain_id(),
        deploy_block,
        srs_id: B256::from(srs.id()),
        development: srs.is_development(),
        contracts: out.contracts,
    };
    Ok((deployment, out.gas))
}

struct Deploying<'a> {
    chain: &'a Chain,
    contracts: BTreeMap<String, Deployed>,
    gas: u64,
}

impl Deploying<'_> {
    /// Deploys a contract whose constructor takes addresses.
    async fn put(&mut self, name: &str, arguments: &[Address]) -> Result<Address> {
        let words: Vec<B256> = arguments.iter().map(|a| a.into_word()).collect();
        self.create(name, Artifact::named(name)?.creation_code(&words)?).await
    }

    async fn create(&mut self, name: &str, code: Bytes) -> Result<Address> {
        let (address, sent) = self.chain.create(&format!("deploy {name}"), code).await?;
        self.gas += sent.gas;
        let code_hash = self.chain.code_hash(address).await?;
        self.contracts.insert(name.to_owned(), Deployed { address, code_hash });
        Ok(address)
    }
}
