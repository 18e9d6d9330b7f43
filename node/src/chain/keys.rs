//! Verifying keys in the registry: what a key's identity must be, and putting it there.

use super::client::Chain;
use super::deployment::Deployment;
use super::errors::explain_call;
use crate::failure::Failure;
use alloy::primitives::{Address, B256, Bytes};
use alloy::providers::DynProvider;
use anyhow::Result;
use zkaggle_bindings::IKeyRegistry::{self, IKeyRegistryInstance};
use zkaggle_graph::ids::{Role, VkId};

/// Bytes of one data contract: EIP-170's limit less the leading STOP.
const CHUNK: usize = 24_575;

/// Name of the contract that answers for a role's keys.
pub fn adapter(role: Role) -> Result<&'static str> {
    match role {
        Role::Dataset => Ok("DatasetVerifier"),
        Role::Score => Ok("ScoreVerifier"),
        Role::Release => Ok("ReleaseVerifier"),
        Role::Mint => Err(Failure::refused("no mint verifier is deployed")),
    }
}

/// A key to register: everything its vkId is made of.
#[derive(Clone, Debug)]
pub struct KeyData {
    pub role: Role,
    pub bytes: Vec<u8>,
    pub link: [u8; 32],
    pub vk_id: VkId,
    /// SHA-256 of a score key's published graph, zero for any other key; not part of the identity.
    pub architecture: [u8; 32],
    /// Free text for humans; not part of the identity.
    pub info: String,
}

/// Registers `key` unless it is registered already, and names its architecture unless that is named; returns the gas
/// spent.
///
/// The identity says nothing of the architecture, so that whoever registered the key first may have named another.
///
/// # Errors
/// When the chain derives another vkId than we did: then verifier code or SRS differ.
pub async fn ensure_registered(chain: &Chain, deployment: &Deployment, key: &KeyData) -> Result<u64> {
    let registry: IKeyRegistryInstance<_> = IKeyRegistry::new(deployment.address("KeyRegistry")?, chain.rpc().clone());
    if is_registered(chain, deployment, key.vk_id).await? {
        return describe(chain, &registry, key).await;
    }
    let mut gas = 0;
    let mut chunks: Vec<Address> = vec![];
    for part in key.bytes.chunks(CHUNK) {
        let data = Bytes::copy_from_slice(part);
        let at = registry.chunkAt(data.clone()).call().await.map_err(explain_call)?;
        if !at.stored {
            gas += chain.send("store a key", registry.storeChunk(data)).await?.gas;
        }
        chunks.push(at.chunk);
    }
    let call = registry.register(
        (key.role as u8)
            .try_into()
            .map_err(|_| Failure::refused("the registry does not know this key role"))?,
        deployment.address(adapter(key.role)?)?,
        chunks,
        B256::from(key.link),
        B256::from(key.architecture),
        key.info.clone(),
    );
    gas += chain.send("register a key", call).await?.gas;
    if !is_registered(chain, deployment, key.vk_id).await? {
        return Err(Failure::refused(format!(
            "the registry derives another identity than {} for this key; its verifier or SRS is not the one we hold",
            key.vk_id
        )));
    }
    Ok(gas)
}

/// Names the graph that a registered score key belongs to.
async fn describe(chain: &Chain, registry: &IKeyRegistryInstance<DynProvider>, key: &KeyData) -> Result<u64> {
    let (vk, architecture) = (B256::from(key.vk_id.0), B256::from(key.architecture));
    if key.role != Role::Score
        || registry
            .describedAs(vk, architecture)
            .call()
            .await
            .map_err(explain_call)?
    {
        return Ok(0);
    }
    let call = registry.describe(vk, architecture);
    Ok(chain.send("name a key's architecture", call).await?.gas)
}

/// Whether the registry holds a key under this identity.
pub async fn is_registered(chain: &Chain, deployment: &Deployment, vk: VkId) -> Result<bool> {
    let registry: IKeyRegistryInstance<_> = IKeyRegistry::new(deployment.address("KeyRegistry")?, chain.rpc().clone());
    let role = registry.roleOf(vk.0.into()).call().await.map_err(explain_call)?;
    Ok(role as u8 != 0)
}
