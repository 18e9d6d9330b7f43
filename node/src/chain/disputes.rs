//! Data that must be there, and keys that are asked for: challenges, answers, proposals; withdrawing an asset.

use super::client::Sent;
use super::errors::{explain, explain_call};
use super::market::Market;
use alloy::consensus::Transaction;
use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::Result;
use zkaggle_bindings::IBountyMarket;
use zkaggle_graph::dataset::cid::{cid_of_digest, verify};
use zkaggle_graph::ids::VkId;

/// Gas of an answer besides its bytes, and for each byte, as the market prices it.
const ANSWER_GAS: u64 = 100_000;
const ANSWER_GAS_A_BYTE: u64 = 41;

/// What challenging a block of `length` bytes takes: twice an answer's gas at this base fee, and a
/// quarter more, since the base fee may rise by an eighth in each block until the challenge is mined.
fn bond(length: usize, base_fee: u64) -> U256 {
    let gas = U256::from(ANSWER_GAS) + U256::from(ANSWER_GAS_A_BYTE) * U256::from(length);
    gas * U256::from(base_fee) * U256::from(10) / U256::from(4)
}

impl Market {
    /// Wei that a challenge of a block of `length` bytes is sent with.
    pub async fn challenge_bond(&self, length: usize) -> Result<U256> {
        // From the header and not by a call: endpoints answer calls as if gas cost nothing.
        let header = self.chain().header(BlockNumberOrTag::Latest).await?;
        Ok(bond(length, header.base_fee_per_gas.unwrap_or(0)))
    }

    /// Says that a revealed shard of `length` bytes cannot be fetched.
    pub async fn challenge_shard(&self, id: u64, shard: u64, length: usize) -> Result<Sent> {
        let value = self.challenge_bond(length).await?;
        let call = self
            .market
            .challengeShard(U256::from(id), U256::from(shard))
            .value(value);
        self.chain().send("challenge a shard", call).await
    }

    /// Shows a challenged shard; the bond pays whoever is not its challenger.
    pub async fn answer_shard(&self, id: u64, shard: u64, bytes: &[u8]) -> Result<Sent> {
        let data = Bytes::copy_from_slice(bytes);
        let call = self.market.answerShard(U256::from(id), U256::from(shard), data);
        self.chain().send("answer a challenge", call).await
    }

    /// A shard's bytes as an answer on chain showed them; none where nobody did, or only through another
    /// contract.
    ///
    /// # Errors
    /// That the endpoint fails. Bytes of another digest are not returned, whoever sent them.
    pub async fn shown_shard(&self, id: u64, shard: u64, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        for (e, tx, _) in self.logs::<IBountyMarket::ShardAnswered>(id).await? {
            if e.shard != U256::from(shard) {
                continue;
            }
            let found = self.chain().rpc().get_transaction_by_hash(tx).await;
            let Some(sent) = found.map_err(|e| explain(&e))? else {
                continue;
            };
            let Ok(call) = IBountyMarket::answerShardCall::abi_decode(sent.input()) else {
                continue;
            };
            if verify(&cid_of_digest(digest), &call.data).is_ok() {
                return Ok(Some(call.data.to_vec()));
            }
        }
        Ok(None)
    }

    /// Asks the owner to accept a score key, naming the architecture it follows from.
    pub async fn propose_key(&self, id: u64, vk: VkId, architecture: [u8; 32]) -> Result<Sent> {
        let call = self.market.proposeKey(U256::from(id), vk.0.into(), architecture.into());
        self.chain().send("propose a key", call).await
    }

    /// Accepts one more score key.
    pub async fn accept_key(&self, id: u64, vk: VkId) -> Result<Sent> {
        let call = self.market.acceptKey(U256::from(id), vk.0.into());
        self.chain().send("accept a key", call).await
    }

    /// Where a bounty's tokens lie; none for a bounty in ether.
    pub async fn pot(&self, id: u64) -> Result<Option<Address>> {
        Ok(Some(self.detail(id).await?.pot).filter(|p| !p.is_zero()))
    }

    /// What an account may withdraw of an asset: ether for the zero address, otherwise a bounty's pot.
    pub async fn owed_in(&self, asset: Address, account: Address) -> Result<U256> {
        self.market.owedTo(asset, account).call().await.map_err(explain_call)
    }

    /// Withdraws an asset.
    pub async fn withdraw_asset(&self, asset: Address) -> Result<Sent> {
        self.chain().send("withdraw", self.market.withdraw(asset)).await
    }
}

/// The digest under which an architecture is published.
pub fn architecture_digest(text: &str) -> Result<B256> {
    let cid = zkaggle_graph::dataset::cid::raw_cid(text.as_bytes());
    Ok(zkaggle_graph::dataset::cid::digest_of(&cid)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_carries_a_quarter_more_than_the_least() {
        let least = U256::from(2 * (100_000 + 41 * 122_880u64)) * U256::from(1_000_000_000u64);
        let sent = bond(122_880, 1_000_000_000);
        assert_eq!(sent, least * U256::from(5) / U256::from(4));
        assert_eq!(bond(1, 0), U256::ZERO);
    }
}
