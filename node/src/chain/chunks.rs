//! Claims too large for calldata: listed by their chunks, inspected, challenged, answered, settled.

use super::client::Sent;
use super::errors::{explain, explain_call};
use super::market::{Market, word};
use super::states::EntryState;
use alloy::consensus::Transaction;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::Result;
use zkaggle_bindings::IBountyMarket;
use zkaggle_circuits::statements::release::ReleaseInstance;
use zkaggle_graph::dataset::cid::{cid_of_digest, verify};

/// A large claim as its event lists it: what fetching, checking and showing its chunks takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub hunter: Address,
    pub slot: u8,
    pub epk: [U256; 2],
    pub z: U256,
    pub digests: Vec<B256>,
    pub sums: Vec<U256>,
    pub tx: B256,
    /// Number of its block.
    pub block: u64,
}

impl Market {
    /// Large claims listed so far, in order.
    pub async fn listed(&self, id: u64) -> Result<Vec<Listed>> {
        let logs = self.logs::<IBountyMarket::ClaimListed>(id).await?;
        let listed = logs.into_iter().map(|(e, tx, block)| Listed {
            hunter: e.hunter,
            slot: e.slot,
            epk: [e.epkX, e.epkY],
            z: e.z,
            digests: e.digests,
            sums: e.sums,
            tx,
            block,
        });
        Ok(listed.collect())
    }

    /// How the inspection of an entry's large claim stands; zeros without one.
    pub async fn listing(&self, id: u64, hunter: Address, slot: u8) -> Result<IBountyMarket::Listing> {
        self.market
            .listingOf(U256::from(id), hunter, slot)
            .call()
            .await
            .map_err(explain_call)
    }

    /// Whether a large claim is neither paid nor void: nothing lapses and nothing closes before it is.
    pub async fn undecided(&self, id: u64) -> Result<bool> {
        let board = self.board(id).await?;
        Ok(board.iter().any(|r| r.state == EntryState::Claiming as u8))
    }

    /// Claims a prize with a ciphertext named by its chunks. Simulated first, as every transaction.
    pub async fn claim_chunks(
        &self,
        id: u64,
        slot: u8,
        x: &ReleaseInstance,
        digests: &[[u8; 32]],
        sums: Vec<U256>,
        proof: &[u8],
    ) -> Result<Sent> {
        let call = self.market.claimChunks(
            U256::from(id),
            self.chain().account(),
            slot,
            word(&x.epk.x),
            word(&x.epk.y),
            digests.iter().map(|d| B256::from(*d)).collect(),
            sums,
            Bytes::copy_from_slice(proof),
        );
        self.chain().send("claim by chunks", call).await
    }

    /// Says that a chunk of `length` bytes cannot be fetched, or is not as listed.
    pub async fn challenge_chunk(&self, id: u64, hunter: Address, slot: u8, chunk: u64, length: usize) -> Result<Sent> {
        let value = self.challenge_bond(length).await?;
        let call = self
            .market
            .challengeChunk(U256::from(id), hunter, slot, U256::from(chunk))
            .value(value);
        self.chain().send("challenge a chunk", call).await
    }

    /// Shows a challenged chunk; the bond pays whoever is not the bounty's owner.
    pub async fn answer_chunk(&self, id: u64, claim: &Listed, chunk: u64, bytes: &[u8]) -> Result<Sent> {
        let call = self.market.answerChunk(
            U256::from(id),
            claim.hunter,
            claim.slot,
            U256::from(chunk),
            claim.z,
            claim.digests.clone(),
            claim.sums.clone(),
            Bytes::copy_from_slice(bytes),
        );
        self.chain().send("show a chunk", call).await
    }

    /// Pays a large claim whose inspection is over, or voids it when a chunk was not shown in time.
    pub async fn settle_claim(&self, id: u64, hunter: Address, slot: u8) -> Result<Sent> {
        let call = self.market.settleClaim(U256::from(id), hunter, slot);
        self.chain().send("settle a large claim", call).await
    }

    /// A chunk's bytes as an answer on chain showed them; none where nobody did, or only through another
    /// contract.
    ///
    /// # Errors
    /// That the endpoint fails. Bytes of another digest are not returned, whoever sent them.
    pub async fn shown_chunk(&self, id: u64, claim: &Listed, chunk: usize) -> Result<Option<Vec<u8>>> {
        let Some(digest) = claim.digests.get(chunk) else {
            return Ok(None);
        };
        for (e, tx, _) in self.logs::<IBountyMarket::ChunkAnswered>(id).await? {
            if (e.hunter, e.slot, e.chunk) != (claim.hunter, claim.slot, U256::from(chunk)) {
                continue;
            }
            let found = self.chain().rpc().get_transaction_by_hash(tx).await;
            let Some(sent) = found.map_err(|e| explain(&e))? else {
                continue;
            };
            let Ok(call) = IBountyMarket::answerChunkCall::abi_decode(sent.input()) else {
                continue;
            };
            if verify(&cid_of_digest(&digest.0), &call.data).is_ok() {
                return Ok(Some(call.data.to_vec()));
            }
        }
        Ok(None)
    }
}
