//! Puts the contracts on a chain, at addresses that follow from their code: the same everywhere, whoever
//! deploys, however often.
//!
//! First everything is rehearsed on an embedded chain of the same id: that gives each address, each
//! code hash and the gas, without believing any endpoint. Then what is missing is created through the
//! [`factory`], and every code hash on the chain is compared with the rehearsal. Run again, it finds
//! everything in place and sends nothing; interrupted, it goes on where it stopped.

pub mod factory;

use super::client::{Chain, is_development};
use super::deployment::{Deployed, Deployment, FORMAT};
use super::keys::adapter;
use crate::failure::Failure;
use crate::prover::identity;
use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::providers::Provider;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use zkaggle_bindings::Artifact;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_graph::ids::Role;

/// Contracts with Solidity artifacts, and whose addresses their constructors take, in order.
const CONTRACTS: &[(&str, &[&str])] = &[
    ("KeyRegistry", &[]),
    ("DatasetRegistry", &["KeyRegistry"]),
    ("DagPb", &["DatasetRegistry"]),
    ("MarketPosting", &["DatasetRegistry"]),
    ("MarketClaiming", &["DatasetRegistry"]),
    ("MarketEnding", &["DatasetRegistry"]),
    (
        "BountyMarket",
        &["DatasetRegistry", "MarketPosting", "MarketClaiming", "MarketEnding"],
    ),
];
/// Adapters, each with the SRS in its code where its argument has one.
const ADAPTERS: [Role; 3] = [Role::Score, Role::Dataset, Role::Release];

/// Salt of every CREATE2 address.
fn salt() -> B256 {
    keccak256("zkaggle/deploy/1")
}

/// One contract as it will stand.
#[derive(Clone, Debug)]
pub struct Planned {
    pub name: String,
    pub address: Address,
    pub code_hash: B256,
    /// What creating it took in the rehearsal.
    pub gas: u64,
    init: Bytes,
}

/// Every contract as it will stand on one chain.
#[derive(Clone, Debug)]
pub struct Plan {
    pub chain_id: u64,
    pub factory: Address,
    pub contracts: Vec<Planned>,
}

impl Plan {
    /// Gas of everything together.
    pub fn gas(&self) -> u64 {
        self.contracts.iter().map(|c| c.gas).sum()
    }

    /// Rehearses the deployment on an embedded chain.
    ///
    /// # Errors
    /// When a contract cannot be created, with its name.
    pub async fn rehearse(chain_id: u64, factory: Address, srs: &SrsPoints) -> Result<Self> {
        let net = DevNet::new(DevNetConfig {
            chain_id,
            ..DevNetConfig::default()
        });
        let signer = net
            .accounts()
            .first()
            .context("the rehearsal's chain has no account")?
            .signer();
        let chain = Chain::connect(net.client(), signer, Some(chain_id)).await?;
        let _: serde_json::Value = chain
            .rpc()
            .raw_request("anvil_setCode".into(), (factory, factory::RUNTIME))
            .await
            .context("set the rehearsal's factory")?;
        let mut plan = Self {
            chain_id,
            factory,
            contracts: vec![],
        };
        for (name, arguments) in CONTRACTS {
            let words = arguments
                .iter()
                .map(|a| Ok(plan.address(a)?.into_word()))
                .collect::<Result<Vec<B256>>>()?;
            let init = Artifact::named(name)?.creation_code(&words)?;
            plan.add(&chain, name, init).await?;
        }
        for role in ADAPTERS {
            let init = identity::creation_code(role, srs)?;
            plan.add(&chain, adapter(role)?, init).await?;
        }
        Ok(plan)
    }

    fn address(&self, name: &str) -> Result<Address> {
        let found = self.contracts.iter().find(|c| c.name == name);
        Ok(found
            .with_context(|| format!("{name} is not deployed before it is needed"))?
            .address)
    }

    async fn add(&mut self, rehearsal: &Chain, name: &str, init: Bytes) -> Result<()> {
        let address = factory::address_of(self.factory, salt(), &init);
        let call = factory::call(self.factory, salt(), &init);
        let sent = rehearsal.send_request(&format!("rehearse {name}"), call).await?;
        let code_hash = rehearsal.code_hash(address).await?;
        if code_hash == keccak256([]) {
            return Err(anyhow::anyhow!("{name} was not created in the rehearsal"));
        }
        self.contracts.push(Planned {
            name: name.to_owned(),
            address,
            code_hash,
            gas: sent.gas,
            init,
        });
        Ok(())
    }

    /// The contracts that the chain lacks.
    ///
    /// # Errors
    /// Refused when other code stands at a contract's address.
    pub async fn missing(&self, chain: &Chain) -> Result<Vec<&Planned>> {
        let mut out = vec![];
        for c in &self.contracts {
            let got = chain.code_hash(c.address).await?;
            if got == keccak256([]) {
                out.push(c);
            } else if got != c.code_hash {
                return Err(Failure::refused(format!(
                    "{} at {} has code hash {got}, {} was expected; this chain runs contracts differently, do not use it",
                    c.name, c.address, c.code_hash
                )));
            }
        }
        Ok(out)
    }

    /// The deployment as it stands on the chain once nothing is missing.
    pub fn deployment(&self, srs: &SrsPoints, deploy_block: u64) -> Deployment {
        let contracts: BTreeMap<String, Deployed> = self
            .contracts
            .iter()
            .map(|c| {
                let deployed = Deployed {
                    address: c.address,
                    code_hash: c.code_hash,
                };
                (c.name.clone(), deployed)
            })
            .collect();
        Deployment {
            format: FORMAT.into(),
            chain_id: self.chain_id,
            deploy_block,
            srs_id: B256::from(srs.id()),
            development: srs.is_development(),
            factory: Some(self.factory),
            contracts,
        }
    }
}

/// What a deployment did.
#[derive(Clone, Debug)]
pub struct Done {
    pub deployment: Deployment,
    /// Names of the contracts that were created now.
    pub created: Vec<String>,
    pub gas: u64,
}

/// Deploys what is missing and checks everything.
///
/// `deploy_block`: where events begin, when an earlier run has noted it; otherwise the present block.
///
/// # Errors
/// Refused for a development SRS on a chain that is not a development chain, and for code that is not
/// what it should be.
pub async fn deploy(chain: &Chain, srs: &SrsPoints, deploy_block: Option<u64>) -> Result<Done> {
    check(chain, srs)?;
    let head = chain.head().await?;
    let factory = factory::ensure(chain).await?;
    let plan = Plan::rehearse(chain.chain_id(), factory, srs).await?;
    finish(chain, srs, &plan, deploy_block.unwrap_or(head)).await
}

/// Refuses what must not be deployed here.
pub fn check(chain: &Chain, srs: &SrsPoints) -> Result<()> {
    if srs.is_development() && !is_development(chain.chain_id()) {
        return Err(Failure::refused(format!(
            "the SRS is a development one, whose trapdoor is public; chain {} is no development chain",
            chain.chain_id()
        )));
    }
    Ok(())
}

/// Creates what the plan still misses on the chain, and checks everything.
pub async fn finish(chain: &Chain, srs: &SrsPoints, plan: &Plan, deploy_block: u64) -> Result<Done> {
    let mut gas = 0;
    let mut created = vec![];
    for c in plan.missing(chain).await? {
        let call = factory::call(plan.factory, salt(), &c.init);
        gas += chain.send_request(&format!("deploy {}", c.name), call).await?.gas;
        created.push(c.name.clone());
    }
    if let Some(c) = plan.missing(chain).await?.first() {
        return Err(anyhow::anyhow!(
            "{} is not at {} after it was created",
            c.name,
            c.address
        ));
    }
    Ok(Done {
        deployment: plan.deployment(srs, deploy_block),
        created,
        gas,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Code, code_of};

    async fn account(net: &DevNet) -> Chain {
        let signer = net.accounts()[0].signer();
        Chain::connect(net.client(), signer, None).await.unwrap()
    }

    /// Two deployers on two chains come to the same addresses; a second run sends nothing; a run that
    /// was interrupted goes on; code that is not ours is noticed.
    #[tokio::test]
    async fn the_same_everywhere_resumed_and_repeated() {
        let srs = SrsPoints::development();
        let net = DevNet::new(DevNetConfig::default());
        let chain = account(&net).await;
        let factory = factory::ensure(&chain).await.unwrap();
        assert_eq!(factory, factory::CANONICAL);
        let plan = Plan::rehearse(chain.chain_id(), factory, &srs).await.unwrap();
        assert!(plan.gas() > 1_000_000);

        // Interrupted after the first two.
        for c in plan.contracts.iter().take(2) {
            let call = factory::call(factory, salt(), &c.init);
            chain.send_request("half a deployment", call).await.unwrap();
        }
        let done = deploy(&chain, &srs, Some(7)).await.unwrap();
        assert_eq!(done.created.len(), plan.contracts.len() - 2);
        assert_eq!(done.deployment.deploy_block, 7);
        done.deployment.check(&chain).await.unwrap();

        let head = chain.head().await.unwrap();
        let again = deploy(&chain, &srs, Some(7)).await.unwrap();
        assert!(again.created.is_empty());
        assert_eq!((again.gas, chain.head().await.unwrap()), (0, head));
        assert_eq!(again.deployment, done.deployment);

        // Another account on another machine's chain.
        let other = DevNet::new(DevNetConfig::default());
        let signer = other.accounts()[3].signer();
        let stranger = Chain::connect(other.client(), signer, None).await.unwrap();
        let theirs = deploy(&stranger, &srs, Some(7)).await.unwrap();
        assert_eq!(theirs.deployment, done.deployment);

        let market = done.deployment.address("BountyMarket").unwrap();
        let _: serde_json::Value = chain
            .rpc()
            .raw_request("anvil_setCode".into(), (market, Bytes::from_static(&[0])))
            .await
            .unwrap();
        let e = deploy(&chain, &srs, None).await.unwrap_err();
        assert!(
            code_of(&e) == Code::Refused && e.to_string().contains("BountyMarket"),
            "{e:#}"
        );
    }

    #[tokio::test]
    async fn a_development_srs_stays_on_development_chains() {
        let net = DevNet::new(DevNetConfig {
            chain_id: 1,
            ..DevNetConfig::default()
        });
        let chain = account(&net).await;
        let e = deploy(&chain, &SrsPoints::development(), None).await.unwrap_err();
        assert_eq!(code_of(&e), Code::Refused, "{e:#}");
        assert_eq!(chain.head().await.unwrap(), 0);
    }
}
