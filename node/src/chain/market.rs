//! Bounties, entries, boards and claims: typed reads and writes of one deployment.

use super::client::{Chain, Sent};
use super::deployment::Deployment;
use super::errors::{explain, explain_call};
use super::states::{EntryState, Phase};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolError, SolEvent, SolInterface};
use anyhow::{Context, Result};
use zkaggle_bindings::IBountyMarket::{self, Bounty, Challenge, Detail, Entry, IBountyMarketInstance, Params, Row};
use zkaggle_bindings::IDatasetRegistry::{self, DatasetStatement, IDatasetRegistryInstance};
use zkaggle_circuits::statements::accuracy::AccuracyInstance;
use zkaggle_circuits::statements::cid::CidInstance;
use zkaggle_circuits::statements::release::ReleaseInstance;
use zkaggle_graph::field::{Fr, to_be_bytes};
use zkaggle_graph::ids::VkId;

/// A field element as the chain's word.
pub fn word(x: &Fr) -> U256 {
    U256::from_be_bytes(to_be_bytes(x))
}

/// Prizes and bond of a bounty.
fn escrow(params: &Params) -> U256 {
    params
        .prizes
        .iter()
        .fold(U256::from(params.bond), |sum, p| sum + U256::from(*p))
}

/// A claim found on chain.
#[derive(Clone, Debug)]
pub struct Claim {
    pub hunter: Address,
    pub slot: u8,
    pub epk: [U256; 2],
    pub ciphertext: Bytes,
    pub tx: B256,
    /// Number of its block.
    pub block: u64,
}

/// A results hash as an accepted proof recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardResult {
    pub shard: u64,
    pub score: u32,
    pub results: U256,
}

/// One deployment seen from one account.
#[derive(Clone, Debug)]
pub struct Market {
    chain: Chain,
    deployment: Deployment,
    pub(super) market: IBountyMarketInstance<DynProvider>,
    registry: IDatasetRegistryInstance<DynProvider>,
}

impl Market {
    /// Checks chain id and code hashes, then binds the contracts.
    pub async fn open(chain: Chain, deployment: Deployment) -> Result<Self> {
        deployment.check(&chain).await?;
        let market = IBountyMarket::new(deployment.address("BountyMarket")?, chain.rpc().clone());
        let registry =
            zkaggle_bindings::IDatasetRegistry::new(deployment.address("DatasetRegistry")?, chain.rpc().clone());
        Ok(Self {
            chain,
            deployment,
            market,
            registry,
        })
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    pub fn address(&self) -> Address {
        *self.market.address()
    }

    // ------------------------------------------------------------------ reads

    pub async fn count(&self) -> Result<u64> {
        Ok(self
            .market
            .bountyCount()
            .call()
            .await
            .map_err(explain_call)?
            .saturating_to())
    }

    pub async fn bounty(&self, id: u64) -> Result<Bounty> {
        self.market.bountyOf(U256::from(id)).call().await.map_err(explain_call)
    }

    /// More of a bounty.
    pub async fn detail(&self, id: u64) -> Result<Detail> {
        self.market.detailOf(U256::from(id)).call().await.map_err(explain_call)
    }

    /// Shard challenges that wait for an answer.
    pub async fn challenges(&self, id: u64) -> Result<Vec<Challenge>> {
        self.market
            .challengesOf(U256::from(id))
            .call()
            .await
            .map_err(explain_call)
    }

    pub async fn phase(&self, id: u64) -> Result<Phase> {
        Phase::read(self.market.phaseOf(U256::from(id)).call().await.map_err(explain_call)?)
    }

    /// An entry as stored; `None` when the slot is empty.
    pub async fn entry(&self, id: u64, hunter: Address, slot: u8) -> Result<Option<Entry>> {
        match self.market.entryOf(U256::from(id), hunter, slot).call().await {
            Ok(e) => Ok(Some(e)),
            Err(e) if e.as_decoded_error::<IBountyMarket::EntryUnknown>().is_some() => Ok(None),
            Err(e) => Err(explain_call(e)),
        }
    }

    pub async fn board(&self, id: u64) -> Result<Vec<Row>> {
        self.market.boardOf(U256::from(id)).call().await.map_err(explain_call)
    }

    pub async fn score_keys(&self, id: u64) -> Result<Vec<VkId>> {
        let keys = self
            .market
            .scoreKeysOf(U256::from(id))
            .call()
            .await
            .map_err(explain_call)?;
        Ok(keys.into_iter().map(|k| VkId(k.0)).collect())
    }

    /// Published lengths, and digests (zero before the reveal), in the manifest's order.
    pub async fn shards(&self, id: u64) -> Result<Vec<(u32, [u8; 32])>> {
        let s = self
            .market
            .shardsOf(U256::from(id))
            .call()
            .await
            .map_err(explain_call)?;
        Ok(s.lengths.into_iter().zip(s.digests).map(|(l, d)| (l, d.0)).collect())
    }

    /// End of Prove in Unix seconds; `None` before attestation.
    pub async fn prove_end(&self, id: u64) -> Result<Option<u64>> {
        let end: u64 = self
            .market
            .proveEndOf(U256::from(id))
            .call()
            .await
            .map_err(explain_call)?
            .saturating_to();
        Ok((end != 0).then_some(end))
    }

    /// Window of the current round of Claim; `None` before Prove has an end.
    pub async fn round(&self, id: u64) -> Result<Option<(u64, u64)>> {
        let r = self.market.roundOf(U256::from(id)).call().await.map_err(explain_call)?;
        let (start, end): (u64, u64) = (r.start.saturating_to(), r.end.saturating_to());
        Ok((end != 0).then_some((start, end)))
    }

    /// Prizes, largest first.
    pub async fn prizes(&self, id: u64) -> Result<Vec<U256>> {
        let prizes = self
            .market
            .prizesOf(U256::from(id))
            .call()
            .await
            .map_err(explain_call)?;
        Ok(prizes.into_iter().map(U256::from).collect())
    }

    /// Whether a round of Claim ran out with a prize unclaimed: `lapse` comes before anything else.
    pub async fn missed(&self, id: u64) -> Result<bool> {
        let Some((_, end)) = self.round(id).await? else {
            return Ok(false);
        };
        let board = self.board(id).await?;
        let pending = board
            .iter()
            .any(|r| r.prize != u8::MAX && r.state == EntryState::Ranked as u8);
        Ok(pending && self.chain.now().await? >= end)
    }

    /// Wei that this account may withdraw.
    pub async fn owed(&self) -> Result<U256> {
        self.owed_to(self.chain.account()).await
    }

    /// Wei that an account may withdraw.
    pub async fn owed_to(&self, account: Address) -> Result<U256> {
        self.owed_in(Address::ZERO, account).await
    }

    /// Length and commitment of an attested shard.
    pub async fn attested(&self, vk: VkId, digest: [u8; 32]) -> Result<Option<(u32, U256)>> {
        let s = self
            .registry
            .shard(vk.0.into(), digest.into())
            .call()
            .await
            .map_err(explain_call)?;
        Ok((s.length != 0).then_some((s.length, s.s)))
    }

    /// Events of a bounty, each with its transaction and block; those in no block yet are left out.
    pub(super) async fn logs<E: SolEvent>(&self, id: u64) -> Result<Vec<(E, B256, u64)>> {
        let filter = Filter::new()
            .address(self.address())
            .event_signature(E::SIGNATURE_HASH)
            .topic1(U256::from(id))
            .from_block(self.deployment.deploy_block);
        let logs = self.chain.rpc().get_logs(&filter).await.map_err(|e| explain(&e))?;
        logs.into_iter()
            .filter_map(|l| Some((l.transaction_hash?, l.block_number?, l)))
            .map(|(tx, block, l)| {
                let decoded = l
                    .log_decode::<E>()
                    .with_context(|| format!("an event of bounty {id} is malformed"))?;
                Ok((decoded.inner.data, tx, block))
            })
            .collect()
    }

    /// Claims paid so far, in order.
    pub async fn claims(&self, id: u64) -> Result<Vec<Claim>> {
        let logs = self.logs::<IBountyMarket::PrizeClaimed>(id).await?;
        Ok(logs
            .into_iter()
            .map(|(e, tx, block)| Claim {
                hunter: e.hunter,
                slot: e.slot,
                epk: [e.epkX, e.epkY],
                ciphertext: e.ciphertext,
                tx,
                block,
            })
            .collect())
    }

    /// What accepted proofs of an entry recorded, by shard.
    pub async fn results(&self, id: u64, hunter: Address, slot: u8) -> Result<Vec<ShardResult>> {
        let logs = self.logs::<IBountyMarket::ShardProved>(id).await?;
        let mut out: Vec<ShardResult> = logs
            .into_iter()
            .filter(|(e, ..)| e.hunter == hunter && e.slot == slot)
            .map(|(e, ..)| ShardResult {
                shard: e.shard.saturating_to(),
                score: e.score,
                results: e.results,
            })
            .collect();
        out.sort_by_key(|r| r.shard);
        Ok(out)
    }

    // ----------------------------------------------------------------- writes

    /// Posts a bounty; sends the prizes and the bond with it, or lets the market take them in the token.
    pub async fn create(&self, params: Params) -> Result<(u64, Sent)> {
        let escrow = escrow(&params);
        let value = match params.token.is_zero() {
            true => escrow,
            false => {
                self.approve(params.token, escrow).await?;
                U256::ZERO
            }
        };
        let sent = self
            .chain
            .send("post the bounty", self.market.create(params).value(value))
            .await?;
        let id = sent
            .receipt
            .logs()
            .iter()
            .find_map(|l| l.log_decode::<IBountyMarket::BountyCreated>().ok())
            .map(|l| l.inner.data.id.saturating_to())
            .context("the receipt of create holds no BountyCreated event")?;
        Ok((id, sent))
    }

    /// Whether the market would take a bounty of these terms, its keys and shards aside: those may not be
    /// registered or attested yet. Nothing is sent.
    ///
    /// # Errors
    /// Refused, with the market's reason.
    pub async fn would_create(&self, params: Params) -> Result<()> {
        let value = match params.token.is_zero() {
            true => escrow(&params),
            false => U256::ZERO,
        };
        let call = self.market.create(params).from(self.chain.account()).value(value);
        let Err(e) = call.call().await else { return Ok(()) };
        // Money, windows, schema, lengths and threshold are looked at before keys and shards.
        let reason = e.as_revert_data().unwrap_or_default();
        let later = IBountyMarket::KeyRoleWrong::abi_decode(&reason).is_ok()
            || IDatasetRegistry::IDatasetRegistryErrors::abi_decode(&reason).is_ok();
        if later { Ok(()) } else { Err(explain_call(e)) }
    }

    /// Enters with a hidden commitment.
    pub async fn commit(&self, id: u64, slot: u8, h: [u8; 32], vk: VkId, payout: Address, stake: U256) -> Result<Sent> {
        let call = self
            .market
            .commit(U256::from(id), slot, h.into(), vk.0.into(), payout)
            .value(stake);
        self.chain.send("commit", call).await
    }

    /// Whether the market would take an entry of this account now; nothing is sent.
    ///
    /// # Errors
    /// Refused, with the market's reason.
    pub async fn would_enter(&self, id: u64, slot: u8, vk: VkId, stake: U256) -> Result<()> {
        let me = self.chain.account();
        // Any commitment will do: the market cannot look into one.
        let any = B256::repeat_byte(1);
        let call = self.market.commit(U256::from(id), slot, any, vk.0.into(), me);
        call.from(me).value(stake).call().await.map_err(explain_call)?;
        Ok(())
    }

    pub async fn reveal(&self, id: u64, salt: [u8; 32], digests: &[[u8; 32]]) -> Result<Sent> {
        let digests = digests.iter().map(|d| (*d).into()).collect();
        self.chain
            .send("reveal", self.market.reveal(U256::from(id), salt.into(), digests))
            .await
    }

    /// Records a shard's CID proof in the dataset registry.
    pub async fn attest_shards(&self, vk: VkId, shards: &[CidInstance], proof: &[u8]) -> Result<Sent> {
        let statements = shards
            .iter()
            .map(|x| DatasetStatement {
                digest: x.digest.into(),
                length: U256::from(x.length),
                s: word(&x.shard),
            })
            .collect();
        let call = self
            .registry
            .attest(vk.0.into(), statements, Bytes::copy_from_slice(proof));
        self.chain.send("attest shards", call).await
    }

    pub async fn attest(&self, id: u64) -> Result<Sent> {
        self.chain
            .send("attest the dataset", self.market.attest(U256::from(id)))
            .await
    }

    /// Proves one shard of this account's entry.
    pub async fn prove(&self, id: u64, slot: u8, shard: u64, x: &AccuracyInstance, proof: &[u8]) -> Result<Sent> {
        let call = self.market.prove(
            U256::from(id),
            slot,
            word(&x.model),
            U256::from(shard),
            x.score,
            word(&x.results),
            Bytes::copy_from_slice(proof),
        );
        self.chain.send("prove", call).await
    }

    /// Claims a prize. The transaction is simulated before anything leaves this machine, and only a
    /// claim that would succeed is sent: no decryptable ciphertext goes out for nothing.
    pub async fn claim(&self, id: u64, slot: u8, x: &ReleaseInstance, ciphertext: &[u8], proof: &[u8]) -> Result<Sent> {
        let call = self.market.claim(
            U256::from(id),
            self.chain.account(),
            slot,
            word(&x.epk.x),
            word(&x.epk.y),
            Bytes::copy_from_slice(ciphertext),
            Bytes::copy_from_slice(proof),
        );
        self.chain.send("claim", call).await
    }

    pub async fn lapse(&self, id: u64) -> Result<Sent> {
        self.chain.send("lapse", self.market.lapse(U256::from(id))).await
    }

    pub async fn timeout(&self, id: u64) -> Result<Sent> {
        self.chain.send("timeout", self.market.timeout(U256::from(id))).await
    }

    pub async fn finalize(&self, id: u64) -> Result<Sent> {
        self.chain.send("finalize", self.market.finalize(U256::from(id))).await
    }

    /// Cancels; refused with more than `most_entrants` entries, since entries cost the bond and may
    /// come in while the transaction waits.
    pub async fn cancel(&self, id: u64, most_entrants: u32) -> Result<Sent> {
        self.chain
            .send("cancel", self.market.cancel(U256::from(id), most_entrants))
            .await
    }

    pub async fn refund(&self, id: u64, slot: u8) -> Result<Sent> {
        self.chain
            .send("refund", self.market.refund(U256::from(id), self.chain.account(), slot))
            .await
    }

    pub async fn withdraw(&self) -> Result<Sent> {
        self.chain.send("withdraw", self.market.withdraw(Address::ZERO)).await
    }
}
