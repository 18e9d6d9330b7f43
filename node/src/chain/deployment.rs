//! Which contracts, where, with which code.

use super::client::Chain;
use crate::failure::{Code, Failure};
use alloy::primitives::{Address, B256};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Format and version of the file.
pub const FORMAT: &str = "zkaggle-deployment/1";

/// One deployed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    pub address: Address,
    /// keccak256 of the deployed code.
    pub code_hash: B256,
}

/// A deployment of all contracts on one chain, as a JSON file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    pub format: String,
    pub chain_id: u64,
    /// Block from which events can be replayed.
    pub deploy_block: u64,
    /// Identity of the SRS whose points the verifiers hold.
    pub srs_id: B256,
    /// Whether that SRS is a development one.
    pub development: bool,
    /// The factory that made them, when their addresses follow from their code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory: Option<Address>,
    /// By contract name.
    pub contracts: BTreeMap<String, Deployed>,
}

impl Deployment {
    /// Address of a contract.
    pub fn address(&self, name: &str) -> Result<Address> {
        Ok(self.deployed(name)?.address)
    }

    /// Address and code hash of a contract.
    pub fn deployed(&self, name: &str) -> Result<Deployed> {
        self.contracts
            .get(name)
            .copied()
            .ok_or_else(|| Failure::usage(format!("the deployment names no {name}; deploy again or fix the file")))
    }

    /// Compares chain id and every code hash with what the endpoint serves, and pins them for the
    /// endpoints that may take its place.
    ///
    /// # Errors
    /// [`Code::Refused`], naming the contract whose code differs.
    pub async fn check(&self, chain: &Chain) -> Result<()> {
        if self.chain_id != chain.chain_id() {
            return Err(Failure::refused(format!(
                "the deployment is for chain {}, the endpoint serves chain {}",
                self.chain_id,
                chain.chain_id()
            )));
        }
        if self.development && !super::client::is_development(self.chain_id) {
            return Err(Failure::refused(format!(
                "the deployment uses a development SRS, whose trapdoor is public, on chain {}; only development chains may",
                self.chain_id
            )));
        }
        for (name, d) in &self.contracts {
            let got = chain.code_hash(d.address).await?;
            if got != d.code_hash {
                return Err(Failure::refused(format!(
                    "{name} at {} has code hash {got}, the deployment says {}; this is not the contract you expect",
                    d.address, d.code_hash
                )));
            }
        }
        chain.pin(self.contracts.values().map(|d| (d.address, d.code_hash)));
        Ok(())
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::not_found(format!("deployment file {}: {e}", path.display())))?;
        let d: Self = serde_json::from_str(&text)
            .map_err(|e| Failure::new(Code::Usage, format!("deployment file {}: {e}", path.display())))?;
        if d.format != FORMAT {
            return Err(Failure::usage(format!(
                "deployment file {}: format {:?}, this version reads {FORMAT:?}",
                path.display(),
                d.format
            )));
        }
        Ok(d)
    }

    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).context("write deployment")
    }
}
