//! Links from a dag-pb root to raw leaves, recorded on chain by the contract `DagPb`.
//!
//! A node hashes a tree itself wherever it needs to know what a root names. What the chain recorded is a second witness: whoever
//! has none of the blocks can still see that a bounty's shards are the leaves of a root.

use super::client::{Chain, Sent};
use super::deployment::Deployment;
use super::errors::explain_call;
use crate::failure::Failure;
use alloy::primitives::{B256, Bytes, keccak256};
use alloy::providers::DynProvider;
use anyhow::Result;
use zkaggle_bindings::IDagPb::{self, IDagPbInstance};
use zkaggle_ipld::chain::Digest;
use zkaggle_ipld::{Cid, DAG_PB, is_supported};

/// The contract of a deployment.
pub struct Links {
    chain: Chain,
    contract: IDagPbInstance<DynProvider>,
}

/// What the chain says of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// Nobody has recorded it.
    Silent,
    /// It was recorded with these leaves.
    Agrees,
}

impl Links {
    /// # Errors
    /// Usage when the deployment was made before it held the contract.
    pub fn of(chain: &Chain, deployment: &Deployment) -> Result<Self> {
        let contract = IDagPb::new(deployment.address("DagPb")?, chain.rpc().clone());
        Ok(Self {
            chain: chain.clone(),
            contract,
        })
    }

    /// Compares the leaves of a root with what is recorded of it.
    ///
    /// # Errors
    /// Refused when others are recorded.
    pub async fn witness(&self, root: &Cid, leaves: &[Digest]) -> Result<Witness> {
        let recorded = self
            .contract
            .digestsHashOf(word(root)?)
            .call()
            .await
            .map_err(explain_call)?;
        let ours = leaves_hash(leaves);
        match recorded {
            B256::ZERO => Ok(Witness::Silent),
            r if r == ours => Ok(Witness::Agrees),
            r => Err(Failure::refused(format!(
                "the chain has recorded other leaves of {root} than these {}: their hash is {r} there, {ours} here; \
                 one of the two is not that root's tree",
                leaves.len()
            ))),
        }
    }

    /// Gas that recording a tree would take.
    ///
    /// # Errors
    /// The contract's, by name, when it refuses the tree.
    pub async fn gas(&self, root: &Cid, nodes: &[Vec<u8>]) -> Result<u64> {
        let call = self.contract.record(word(root)?, calldata(nodes));
        call.from(self.chain.account())
            .estimate_gas()
            .await
            .map_err(explain_call)
    }

    /// Records a tree, given by its nodes from the root down as [`zkaggle_ipld::chain::open`] gathers them.
    pub async fn record(&self, root: &Cid, nodes: &[Vec<u8>]) -> Result<Sent> {
        let call = self.contract.record(word(root)?, calldata(nodes));
        self.chain.send("record what a root names", call).await
    }
}

/// What the contract keeps of a root's leaves.
pub fn leaves_hash(leaves: &[Digest]) -> B256 {
    keccak256(leaves.concat())
}

/// A root's digest.
///
/// # Errors
/// Usage for a CID that is not dag-pb with a full SHA-256 digest.
pub fn digest(root: &Cid) -> Result<Digest> {
    let digest = root.hash().digest().try_into();
    match digest {
        Ok(digest) if root.codec() == DAG_PB && is_supported(root) => Ok(digest),
        _ => Err(Failure::usage(format!(
            "{root} is no dag-pb root with a SHA-256 digest; a manifest or a shard needs no link"
        ))),
    }
}

fn word(root: &Cid) -> Result<B256> {
    Ok(B256::from(digest(root)?))
}

fn calldata(nodes: &[Vec<u8>]) -> Vec<Bytes> {
    nodes.iter().map(|node| Bytes::copy_from_slice(node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::deploy;
    use crate::failure::{Code, code_of};
    use std::collections::BTreeMap;
    use zkaggle_circuits::backend::srs::SrsPoints;
    use zkaggle_devnet::{DevNet, DevNetConfig};
    use zkaggle_ipld::build::{FileOptions, add_file};
    use zkaggle_ipld::chain::open;

    #[tokio::test]
    async fn a_recorded_link_is_a_witness() {
        let net = DevNet::new(DevNetConfig::default());
        let chain = Chain::connect(net.client(), net.accounts()[0].signer(), None)
            .await
            .unwrap();
        let deployment = deploy::deploy(&chain, &SrsPoints::development(), None)
            .await
            .unwrap()
            .deployment;
        let links = Links::of(&chain, &deployment).unwrap();

        let mut blocks = BTreeMap::new();
        let bytes: Vec<u8> = (0..5_000u32).map(|i| (i * i % 251) as u8).collect();
        let options = FileOptions {
            chunk: 1_000,
            ..FileOptions::default()
        };
        let built = add_file(&bytes[..], &options, &mut |cid, block: &[u8]| {
            blocks.insert(digest_of(&cid), block.to_vec());
            Ok(())
        });
        let root = built.unwrap().cid;
        let tree = open(&digest(&root).unwrap(), |d| Ok(blocks.get(d).cloned())).unwrap();
        let leaves: Vec<Digest> = tree.leaves.iter().map(|leaf| leaf.digest).collect();
        assert_eq!(leaves.len(), 5);

        assert_eq!(links.witness(&root, &leaves).await.unwrap(), Witness::Silent);
        let expected = links.gas(&root, &tree.nodes).await.unwrap();
        let sent = links.record(&root, &tree.nodes).await.unwrap();
        assert!(sent.gas <= expected, "{} used, {expected} announced", sent.gas);
        assert_eq!(links.witness(&root, &leaves).await.unwrap(), Witness::Agrees);
        let mut swapped = leaves.clone();
        swapped.swap(0, 1);
        for others in [&leaves[..4], &swapped] {
            let e = links.witness(&root, others).await.unwrap_err();
            assert!(
                code_of(&e) == Code::Refused && e.to_string().contains("other leaves"),
                "{e:#}"
            );
        }

        // A tree that is not the root's is refused by the contract's own name for it, and nothing is sent.
        let mut broken = tree.nodes.clone();
        broken[0][20] ^= 1;
        let e = links.gas(&root, &broken).await.unwrap_err();
        assert!(format!("{e:#}").contains("NodeOther"), "{e:#}");

        let leaf = zkaggle_ipld::raw_cid(b"x");
        assert_eq!(code_of(&links.witness(&leaf, &leaves).await.unwrap_err()), Code::Usage);
        // A deployment of before.
        let mut old = deployment.clone();
        old.contracts.remove("DagPb");
        old.check(&chain).await.unwrap();
        let e = Links::of(&chain, &old).err().unwrap();
        assert!(e.to_string().contains("names no DagPb; deploy again"), "{e:#}");
    }

    fn digest_of(cid: &Cid) -> Digest {
        cid.hash().digest().try_into().unwrap()
    }
}
