//! A market where money is real and proofs are not: every adapter says yes, so that a story about who
//! gets what costs no proving. Nothing here runs outside development chains.
//!
//! What proofs are worth is tested where they are made; what the market does once a proof is accepted or
//! missing is tested with this.

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256, bytes};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use zkaggle_bindings::{IBountyMarket, IKeyRegistry};
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::statements::accuracy::AccuracyInstance;
use zkaggle_circuits::statements::cid::CidInstance;
use zkaggle_circuits::statements::release::ReleaseInstance;
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_graph::dataset::cid::{digest_of, raw_cid};
use zkaggle_graph::field::Fr;
use zkaggle_graph::ids::{self, JubPoint, VkId};
use zkaggle_graph::jub::ProviderKey;
use zkaggle_node::bounty::Book;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::time::advance_to;
use zkaggle_node::chain::view::View;
use zkaggle_node::chain::{Chain, deploy};

/// Code that puts a contract on a chain which answers every call with 1: `verify` with true, `srsId` with
/// some id.
const YES: Bytes = bytes!("6760015f5260205ff35f5260086018f3");
/// Records of the hold-out, two bytes each.
pub const SAMPLES: u32 = 64;
const SHARD_BYTES: u32 = SAMPLES * 2;
/// Opens every hold-out here.
pub const SALT: [u8; 32] = [7; 32];
/// Creation code of `Token.sol`, as text (tests/vectors/VECTORS.md).
const TOKEN: &str = include_str!("../vectors/token.hex");
/// A milliether: the stories' unit.
pub const MILLI: u64 = 1_000_000_000_000_000;

/// Whose clock a story runs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The chain's clock can be moved: windows are hours.
    Warp,
    /// It cannot: windows are seconds, and they are waited for.
    Wait,
}

/// What a bounty is posted with, in milliethers and correct predictions.
#[derive(Clone, Debug)]
pub struct Rules {
    pub prizes: Vec<u64>,
    pub bond: u64,
    pub stake: u64,
    pub threshold: u32,
    /// What prizes and bond are paid in; ether without it.
    pub token: Option<Address>,
    /// Seconds more to enter and to prove, where windows are waited for: each act is a block, and a second, of its own.
    pub crowd: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            prizes: vec![100],
            bond: 10,
            stake: 2,
            threshold: 32,
            token: None,
            crowd: 0,
        }
    }
}

/// A chain with a market on it, keys that prove nothing, and somebody who pays.
pub struct World {
    pub net: Option<DevNet>,
    url: Option<String>,
    clock: Clock,
    faucet: Chain,
    /// Seen by who pays.
    pub market: Market,
    dataset_vk: VkId,
    score_vk: VkId,
    digest: [u8; 32],
}

impl World {
    /// On a fresh embedded chain.
    pub async fn embedded() -> Result<Self> {
        let net = DevNet::new(DevNetConfig::default());
        let signer = net.accounts()[0].signer();
        let faucet = Chain::connect(net.client(), signer, None).await?;
        Self::set(Some(net), None, Clock::Warp, faucet).await
    }

    /// On a development chain at an endpoint, paid for by `signer`.
    pub async fn over(url: &str, signer: PrivateKeySigner, clock: Clock) -> Result<Self> {
        let faucet = Chain::connect_http(url, signer, None).await?;
        Self::set(None, Some(url.to_owned()), clock, faucet).await
    }

    async fn set(net: Option<DevNet>, url: Option<String>, clock: Clock, faucet: Chain) -> Result<Self> {
        let deployment = deploy::deploy(&faucet, &SrsPoints::development(), None)
            .await?
            .deployment;
        let registry = IKeyRegistry::new(deployment.address("KeyRegistry")?, faucet.rpc().clone());
        let (adapter, _) = faucet.create("an adapter that says yes", YES).await?;
        let chunk = registry.chunkAt(Bytes::from_static(&[1])).call().await?.chunk;
        faucet
            .send("a key's bytes", registry.storeChunk(Bytes::from_static(&[1])))
            .await?;
        let mut keys = vec![];
        let words = B256::with_last_byte(1);
        for role in [ids::Role::Dataset, ids::Role::Release, ids::Role::Score] {
            let link = match role {
                ids::Role::Release => words,
                ids::Role::Score => keys[1],
                _ => B256::ZERO,
            };
            let architecture = match role {
                ids::Role::Score => words,
                _ => B256::ZERO,
            };
            let call = registry.register(
                (role as u8).try_into()?,
                adapter,
                vec![chunk],
                link,
                architecture,
                String::new(),
            );
            let sent = faucet.send("register a key", call).await?;
            let found = sent
                .receipt
                .logs()
                .iter()
                .find_map(|l| l.log_decode::<IKeyRegistry::KeyRegistered>().ok());
            keys.push(found.context("no key was registered")?.inner.data.vkId);
        }
        let dataset_vk = VkId(keys[0].0);
        let digest = digest_of(&raw_cid(&Self::shard()))?;
        let market = Market::open(faucet.clone(), deployment).await?;
        let shard = CidInstance {
            digest,
            length: SHARD_BYTES,
            shard: Fr::from(5u64),
        };
        market.attest_shards(dataset_vk, &[shard], b"yes").await?;
        Ok(Self {
            net,
            url,
            clock,
            faucet,
            market,
            dataset_vk,
            score_vk: VkId(keys[2].0),
            digest,
        })
    }

    /// The hold-out's one shard.
    pub fn shard() -> Vec<u8> {
        (0..SHARD_BYTES).map(|i| (i % 2) as u8).collect()
    }

    /// A score key that no bounty accepts from the start; what registers it is paid by the faucet.
    pub async fn another_key(&self) -> Result<VkId> {
        let deployment = self.market.deployment();
        let registry = IKeyRegistry::new(deployment.address("KeyRegistry")?, self.faucet.rpc().clone());
        let known = registry.key(self.score_vk.0.into()).call().await?;
        let (adapter, _) = self.faucet.create("another adapter that says yes", YES).await?;
        let bytes = Bytes::copy_from_slice(&rand::random::<[u8; 8]>());
        let chunk = registry.chunkAt(bytes.clone()).call().await?.chunk;
        self.faucet.send("a key's bytes", registry.storeChunk(bytes)).await?;
        let role = (ids::Role::Score as u8).try_into()?;
        let call = registry.register(
            role,
            adapter,
            vec![chunk],
            known.link,
            B256::with_last_byte(9),
            String::new(),
        );
        let sent = self.faucet.send("register a key", call).await?;
        let found = sent
            .receipt
            .logs()
            .iter()
            .find_map(|l| l.log_decode::<IKeyRegistry::KeyRegistered>().ok());
        Ok(VkId(found.context("no key was registered")?.inner.data.vkId.0))
    }

    /// A token whose whole supply `owner` holds.
    pub async fn token(&self, owner: &Market) -> Result<Address> {
        let code = alloy::hex::decode(TOKEN.trim())?;
        Ok(owner.chain().create("a token", code.into()).await?.0)
    }

    async fn connect(&self, signer: PrivateKeySigner) -> Result<Chain> {
        match (&self.net, &self.url) {
            (Some(net), _) => Chain::connect(net.client(), signer, None).await,
            (None, Some(url)) => Chain::connect_http(url, signer, None).await,
            (None, None) => anyhow::bail!("no chain"),
        }
    }

    /// A client of the chain, for methods of its own.
    pub fn client(&self) -> Result<RpcClient> {
        match (&self.net, &self.url) {
            (Some(net), _) => Ok(net.client()),
            (None, Some(url)) => Ok(RpcClient::new_http(url.parse()?)),
            (None, None) => anyhow::bail!("no chain"),
        }
    }

    /// Somebody new with an ether.
    pub async fn player(&self) -> Result<Market> {
        let chain = self.connect(PrivateKeySigner::random()).await?;
        let fund = TransactionRequest::default()
            .with_to(chain.account())
            .with_value(U256::from(1_000) * U256::from(MILLI));
        self.faucet.send_request("fund a player", fund).await?;
        Market::open(chain, self.market.deployment().clone()).await
    }

    /// Lengths of commit, gap, reveal, attest, prove, claim, challenge and answer.
    fn windows(&self) -> [u32; 8] {
        match self.clock {
            Clock::Warp => [3_600, 60, 3_600, 3_600, 3_600, 3_600, 1_800, 900],
            Clock::Wait => [12, 1, 12, 12, 12, 12, 6, 4],
        }
    }

    /// Posts a sealed bounty.
    pub async fn post(&self, owner: &Market, rules: &Rules) -> Result<u64> {
        Ok(owner.create(self.params(rules).await?).await?.0)
    }

    /// What [`Self::post`] posts.
    pub async fn params(&self, rules: &Rules) -> Result<IBountyMarket::Params> {
        let [mut commit, gap, reveal, attest, mut prove, claim, challenge, answer] = self.windows();
        if self.clock == Clock::Wait {
            commit += rules.crowd;
            prove += rules.crowd;
        }
        let wei = |milli: u64| (u128::from(milli) * u128::from(MILLI)).try_into();
        let key = ProviderKey::from_uniform(&[9; 64]).context("a key")?.public();
        let point = |x: &Fr| U256::from_be_bytes(zkaggle_graph::field::to_be_bytes(x));
        let now = self.market.chain().now().await?;
        Ok(IBountyMarket::Params {
            mode: 0,
            token: rules.token.unwrap_or_default(),
            prizes: rules.prizes.iter().map(|p| wei(*p)).collect::<Result<_, _>>()?,
            bond: wei(rules.bond)?,
            stake: wei(rules.stake)?,
            metric: 0,
            threshold: rules.threshold,
            windows: IBountyMarket::Windows {
                commitEnd: alloy::primitives::aliases::U40::from(now + u64::from(commit)),
                gap,
                reveal,
                attest,
                prove,
                claim,
                challenge,
                answer,
            },
            schema: IBountyMarket::Schema {
                shape: vec![1],
                featureType: 8,
                featureMax: 1,
                classes: 2,
                offset: 0,
                stride: 2,
                featuresAt: 0,
                labelAt: 1,
            },
            lengths: vec![SHARD_BYTES],
            holdout: ids::holdout(SALT, &[self.digest]).into(),
            digests: vec![],
            datasetVkId: self.dataset_vk.0.into(),
            scoreVkIds: vec![self.score_vk.0.into()],
            pkX: point(&key.x),
            pkY: point(&key.y),
            allowed: vec![],
            draw: IBountyMarket::Draw { pool: 0, window: 0 },
        })
    }

    /// Whose clock the stories run by.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Has a shard attested, by the adapter that says yes.
    pub async fn attest_shard(&self, digest: [u8; 32]) -> Result<()> {
        let shard = CidInstance {
            digest,
            length: SHARD_BYTES,
            shard: Fr::from(5u64),
        };
        self.market.attest_shards(self.dataset_vk, &[shard], b"yes").await?;
        Ok(())
    }

    /// Lets this many blocks pass, each with somebody's payment in it.
    pub async fn blocks(&self, n: usize) -> Result<()> {
        for _ in 0..n {
            let pay = TransactionRequest::default().with_to(self.faucet.account());
            self.faucet.send_request("a block", pay).await?;
        }
        Ok(())
    }

    fn model(player: &Market) -> Fr {
        Fr::from(u64::from_be_bytes(
            player.chain().account()[..8].try_into().unwrap_or_default(),
        ))
    }

    /// Enters with a model that is a number.
    pub async fn enter(&self, player: &Market, id: u64) -> Result<()> {
        let entry = ids::Entry {
            chain_id: player.chain().chain_id(),
            market: player.address().into_array(),
            bounty: id,
            hunter: player.chain().account().into_array(),
            slot: 0,
            vk: self.score_vk,
        };
        let h = ids::entry_commitment(&entry.ctx(), &Self::model(player));
        let stake = U256::from(player.bounty(id).await?.stake);
        let me = player.chain().account();
        player.commit(id, 0, h, self.score_vk, me, stake).await?;
        Ok(())
    }

    pub async fn reveal(&self, who: &Market, id: u64) -> Result<()> {
        who.reveal(id, SALT, &[self.digest]).await?;
        Ok(())
    }

    /// A proof of this score, which the adapter believes.
    pub async fn prove(&self, player: &Market, id: u64, score: u32) -> Result<()> {
        let x = AccuracyInstance {
            ctx: Fr::from(0u64),
            model: Self::model(player),
            shard: Fr::from(5u64),
            n: SAMPLES,
            score,
            results: Fr::from(3u64),
        };
        player.prove(id, 0, 0, &x, b"yes").await?;
        Ok(())
    }

    /// A claim with a ciphertext of one word.
    pub async fn claim(&self, player: &Market, id: u64) -> Result<()> {
        let zero = || Fr::from(0u64);
        let point = || JubPoint { x: zero(), y: zero() };
        let x = ReleaseInstance {
            ctx: zero(),
            model: zero(),
            pk: point(),
            epk: point(),
            z: zero(),
            y: zero(),
        };
        player.claim(id, 0, &x, &[0; 32], b"yes").await?;
        Ok(())
    }

    // ------------------------------------------------------------------ clock

    /// Moves or waits until the chain's clock is at `time`.
    pub async fn until(&self, time: u64) -> Result<()> {
        if self.clock == Clock::Warp {
            return advance_to(&self.faucet, time).await;
        }
        loop {
            // A chain without a clock of its own moves only when somebody pays for a block.
            let tick = TransactionRequest::default().with_to(self.faucet.account());
            self.faucet.send_request("let time pass", tick).await?;
            if self.faucet.now().await? >= time {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// To the start of Reveal.
    pub async fn to_reveal(&self, id: u64) -> Result<()> {
        let b = self.market.bounty(id).await?;
        self.until(b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap))
            .await
    }

    /// Through reveal and attestation into Prove.
    pub async fn to_prove(&self, owner: &Market, id: u64) -> Result<()> {
        self.to_reveal(id).await?;
        self.reveal(owner, id).await?;
        owner.attest(id).await?;
        ensure!(self.market.phase(id).await? == Phase::Prove, "Prove did not begin");
        Ok(())
    }

    /// To the start of the present round of Claim.
    pub async fn to_round(&self, id: u64) -> Result<()> {
        let (start, _) = self.market.round(id).await?.context("no round")?;
        self.until(start).await
    }

    /// To the end of the present round of Claim.
    pub async fn to_rounds_end(&self, id: u64) -> Result<()> {
        let (_, end) = self.market.round(id).await?.context("no round")?;
        self.until(end).await
    }

    // ------------------------------------------------------------------ views

    /// Replays the market's events from its deploy block and compares every bounty, entry, board and
    /// debt with what the contract says.
    pub async fn compare(&self, view: &mut View, players: &[&Market]) -> Result<()> {
        view.catch_up().await?;
        same(view.book(), &self.market, players).await
    }
}

/// Whether a book says what the contract says.
pub async fn same(book: &Book, market: &Market, players: &[&Market]) -> Result<()> {
    ensure!(
        market.count().await? == book.bounties.len() as u64,
        "another number of bounties"
    );
    for (id, ours) in &book.bounties {
        let b = market.bounty(*id).await?;
        let now = market.chain().now().await?;
        // A call sees the block that a transaction sent now would be in: the clock may have moved on.
        let phase = market.phase(*id).await?;
        let later = ours.phase(now + 1);
        ensure!(
            phase == ours.phase(now) || phase == later,
            "bounty {id} is in {phase:?}, the book says {:?}",
            ours.phase(now)
        );
        ensure!(b.owner == ours.terms.owner && b.entrants as usize == ours.entries.len());
        ensure!(
            Phase::read(b.settled)? == ours.settled.unwrap_or(Phase::None),
            "bounty {id}: settled"
        );
        ensure!(u32::from(b.paidCount) == ours.paid, "bounty {id}: paid");
        ensure!(
            b.revealedAt.to::<u64>() == ours.revealed_at.unwrap_or(0),
            "bounty {id}: revealed"
        );
        ensure!(
            b.attestedAt.to::<u64>() == ours.attested_at.unwrap_or(0),
            "bounty {id}: attested"
        );
        let detail = market.detail(*id).await?;
        ensure!(detail.broken == ours.broken, "bounty {id}: broken");
        ensure!(
            u32::from(detail.challenges) == ours.challenges,
            "bounty {id}: challenges"
        );
        let open: Vec<u64> = market
            .challenges(*id)
            .await?
            .iter()
            .map(|c| u64::from(c.target))
            .collect();
        ensure!(open.len() == ours.challenged.len() && open.iter().all(|s| ours.challenged.contains_key(s)));
        ensure!(market.round(*id).await? == ours.round(), "bounty {id}: round");
        for ((hunter, slot), e) in &ours.entries {
            let theirs = market.entry(*id, *hunter, *slot).await?.context("no such entry")?;
            ensure!(
                EntryState::read(theirs.state)? == e.state,
                "bounty {id}: {hunter} is {:?}",
                e.state
            );
            ensure!((theirs.score, theirs.seq, theirs.payout) == (e.score, e.seq, e.payout));
        }
        let board = market.board(*id).await?;
        let rows = ours.rows();
        ensure!(board.len() == rows.len(), "bounty {id}: board");
        for (theirs, row) in board.iter().zip(rows) {
            ensure!((theirs.hunter, theirs.slot) == row.entry && theirs.score == row.score && theirs.seq == row.seq);
            ensure!(
                theirs.prize == row.prize.unwrap_or(u8::MAX),
                "bounty {id}: prize {:?}, the contract says {}",
                row.prize,
                theirs.prize
            );
        }
    }
    for p in players {
        let account = p.chain().account();
        ensure!(
            market.owed_to(account).await? == book.owed_to(Address::ZERO, account),
            "owed to {account}"
        );
    }
    Ok(())
}
