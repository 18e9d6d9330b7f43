//! What is known before a stake is spent: whether the model fits, whether it can be proved in time on
//! this machine, and what it will cost.

use super::services::Services;
use crate::chain::draws::Public;
use crate::chain::outbox::show;
use crate::chain::states::Phase;
use crate::failure::{Code, Failure, code_of};
use alloy::primitives::U256;
use alloy::providers::Provider;
use anyhow::{Context, Result};
use serde::Serialize;
use zkaggle_bindings::IBountyMarket::Bounty;
use zkaggle_circuits::statements::chunks;
use zkaggle_config::units::{ByteSize, Seconds};
use zkaggle_graph::graph::{CapacityClass, Graph};

/// CPU seconds of an accuracy proof of 2^15 rows: 9.9 as measured (docs/benchmarks.md), and as much
/// again for a slower machine.
const CPU_SECONDS_AT_15: u64 = 20;
/// Gas of the calls an entry makes, with room: commit, prove a shard, claim.
const COMMIT_GAS: u64 = 150_000;
const PROVE_GAS: u64 = 1_200_000;
const CLAIM_GAS: u64 = 900_000;
/// Gas of each byte that a claim or an answer carries (EIP-7623).
const BYTE_GAS: u64 = 41;
/// Chunks that a provider may ask for at a time; each is paid for before its bond is won.
const ANSWERS: u64 = 3;
/// Peak memory of a release proof: for any class, and for each word of it, a sixth more than measured for 4 Ki
/// and 64 Ki (docs/benchmarks.md).
const RELEASE_BYTES: u64 = 64 << 20;
const RELEASE_BYTES_A_WORD: u64 = 430 << 10;

/// What entries take that this account has, or will have, beside the one that is looked at in the same bounty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// How many they are.
    pub entries: u32,
    /// Stakes that are not paid yet, in wei.
    pub stake: U256,
    /// Gas still to be spent for them.
    pub gas: u64,
    /// Seconds of proving on this machine, one after another.
    pub seconds: u64,
}

impl Beside {
    /// An entry with a model of this graph and this many shards to prove, whose `stake` is to be paid.
    ///
    /// # Errors
    /// When the model has no class.
    pub fn entry(graph: &Graph, shards: u64, stake: U256) -> Result<Self> {
        let commit = if stake.is_zero() { 0 } else { COMMIT_GAS };
        Ok(Self {
            entries: 1,
            stake,
            gas: commit + PROVE_GAS * shards + claim_gas(graph.class()?),
            seconds: proving(zkaggle_circuits::accuracy::cost(graph)?.k, shards),
        })
    }

    pub fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.stake = self.stake.saturating_add(other.stake);
        self.gas = self.gas.saturating_add(other.gas);
        self.seconds = self.seconds.saturating_add(other.seconds);
    }

    /// In words, that they are counted as well.
    fn words(&self) -> &'static str {
        match self.entries {
            0 => "",
            _ => ", with our entry in the other slot",
        }
    }
}

/// An entry that is thought of.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub slot: u8,
    pub graph: &'a Graph,
    /// What this account's other entries in the bounty take.
    pub beside: Beside,
}

/// Seconds that proving takes on this machine: 2^k rows, so many times.
fn proving(k: u32, shards: u64) -> u64 {
    let each = (CPU_SECONDS_AT_15 << k.saturating_sub(15)).div_ceil(cores());
    each.saturating_mul(shards)
}

fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub question: &'static str,
    pub good: bool,
    pub answer: String,
}

/// Everything that was looked at before an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preflight {
    pub rows: Vec<Row>,
}

impl Preflight {
    fn add(&mut self, question: &'static str, good: bool, answer: impl Into<String>) {
        self.rows.push(Row {
            question,
            good,
            answer: answer.into(),
        });
    }

    /// Whether nothing speaks against the entry.
    ///
    /// # Errors
    /// [`crate::failure::Code::Refused`] with everything that does.
    pub fn verdict(&self) -> Result<()> {
        let bad: Vec<&str> = self
            .rows
            .iter()
            .filter(|r| !r.good)
            .map(|r| r.answer.as_str())
            .collect();
        match bad.is_empty() {
            true => Ok(()),
            false => Err(Failure::refused(bad.join("; "))),
        }
    }

    /// Whether nothing but money, which may come, speaks against the entry.
    pub fn only_money(&self) -> bool {
        let mut bad = self.rows.iter().filter(|r| !r.good).peekable();
        bad.peek().is_some() && bad.all(|r| matches!(r.question, "money" | "ceiling"))
    }

    /// A line a question.
    pub fn text(&self) -> String {
        let lines = self.rows.iter().map(|r| {
            let mark = if r.good { "ok" } else { "NO" };
            format!("{mark}  {:<9} {}", r.question, r.answer)
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Looks at everything that decides whether to enter bounty `id` as `candidate` says. Making the graph's key, which the vkId follows from, is most of the work; nothing is sent.
///
/// # Errors
/// Only when something cannot be looked at; what speaks against the entry is in the result.
pub async fn preflight(
    s: &Services,
    id: u64,
    b: &Bounty,
    candidate: &Candidate<'_>,
    max_memory: Option<ByteSize>,
) -> Result<Preflight> {
    let mut p = Preflight::default();
    let market = &s.market;
    let (slot, graph, beside) = (candidate.slot, candidate.graph, &candidate.beside);
    let me = market.chain().account();
    let phase = market.phase(id).await?;
    p.add(
        "phase",
        phase == Phase::Commit,
        match phase {
            Phase::Commit => "entries are open".to_owned(),
            other => format!("the bounty is in {other:?}, entries are made in Commit"),
        },
    );
    if !b.holdout.is_zero() && market.draw_of(id).await?.pool != 0 {
        let public = Box::pin(market.public_part(id, b.holdout)).await?;
        let (good, answer) = match public {
            Public::Open(open) => (true, format!("{} shard(s) were drawn and are open", open.len())),
            _ => (
                false,
                "what the beacon makes public is not open yet; wait for it".to_owned(),
            ),
        };
        p.add("draw", good, answer);
    }
    if b.owner == me {
        p.add("owner", false, "the bounty is this account's own");
    }
    if market.entry(id, me, slot).await?.is_some() {
        p.add(
            "slot",
            false,
            format!("this account has entered bounty {id} with slot {slot} already"),
        );
        return Ok(p);
    }
    let fits = b.schemaId.0 == graph.schema().id();
    p.add(
        "records",
        fits,
        if fits {
            "its records have the model's schema"
        } else {
            "its records have another schema than the model's"
        },
    );
    let shards = market.shards(id).await?;
    let most = shards
        .iter()
        .filter_map(|(l, _)| graph.schema().count(*l as usize))
        .max();
    let most = most.unwrap_or(0);
    p.add(
        "shape",
        most <= graph.samples(),
        format!(
            "the largest shard has {most} records, the model proves at most {}",
            graph.samples()
        ),
    );
    if !fits || most > graph.samples() {
        // A key for a model that cannot be proved here would be made for nothing.
        return Ok(p);
    }
    let cost = zkaggle_circuits::accuracy::cost(graph)?;
    let needed = ByteSize(cost.memory);
    let limit = max_memory.unwrap_or(ByteSize(u64::MAX));
    p.add("memory", needed <= limit, memory(needed, max_memory));
    let class = match graph.class() {
        Ok(class) => class,
        Err(e) => {
            p.add("claim", false, e.to_string());
            return Ok(p);
        }
    };
    let release = release_memory(class);
    p.add("claim", release <= limit, claim(class, max_memory));
    let all = proving(cost.k, shards.len() as u64).saturating_add(beside.seconds);
    let window = u64::from(b.windows.prove);
    p.add(
        "time",
        all <= window,
        format!(
            "proving {} shard(s){} takes about {} on {} cores, Prove lasts {}",
            shards.len(),
            beside.words(),
            Seconds(all),
            cores(),
            Seconds(window)
        ),
    );
    if needed > limit || release > limit {
        return Ok(p);
    }
    let key = s.prover.score_key(graph).await?;
    let accepted = market.score_keys(id).await?.contains(&key.vk_id);
    p.add(
        "key",
        accepted,
        match accepted {
            true => format!(
                "it accepts the key {} that follows from the model's architecture",
                key.vk_id
            ),
            false => format!("it does not accept the model's key {}", key.vk_id),
        },
    );
    let development = crate::prover::Prover::check_development(key.development, market.chain().chain_id());
    if let Err(e) = development {
        p.add("set-up", false, e.to_string());
    }
    let price = market
        .chain()
        .rpc()
        .get_gas_price()
        .await
        .map_err(crate::chain::errors::unreachable_chain)
        .context("ask for the price of gas")?;
    let gas = (COMMIT_GAS + PROVE_GAS * shards.len() as u64 + claim_gas(class)).saturating_add(beside.gas);
    let gas_wei = U256::from(gas).saturating_mul(U256::from(price));
    let stake = U256::from(b.stake).saturating_add(beside.stake);
    let needed = stake.saturating_add(gas_wei);
    let balance = market.chain().balance().await?;
    p.add(
        "money",
        balance >= needed,
        format!(
            "the stake is {}{}, gas about {} ({gas}); the account holds {}",
            show(stake),
            beside.words(),
            show(gas_wei),
            show(balance)
        ),
    );
    let room = market
        .chain()
        .outbox()
        .room("entering", needed, market.chain().caution().max_spend);
    if let Err(e) = room {
        p.add("ceiling", false, e.to_string());
    }
    // What is left is the contract's to say, an allow-list for instance.
    if p.verdict().is_ok()
        && let Err(e) = market.would_enter(id, slot, key.vk_id, U256::from(b.stake)).await
    {
        if code_of(&e) != Code::Refused {
            return Err(e.context("ask whether the market takes the entry"));
        }
        p.add("market", false, e.to_string());
    }
    let token = market.detail(id).await?.token;
    if !token.is_zero() {
        p.add(
            "prize",
            true,
            format!("prizes are paid in the token {token}; the stake is ether, and no token leaves this account"),
        );
    }
    Ok(p)
}

/// What proving a claim of this class takes.
fn release_memory(class: CapacityClass) -> ByteSize {
    ByteSize(RELEASE_BYTES + RELEASE_BYTES_A_WORD * class.message_words() as u64)
}

/// In words, how a model of this class is claimed, what proving that takes and what it may take.
fn claim(class: CapacityClass, limit: Option<ByteSize>) -> String {
    let size = ByteSize(32 * class.message_words() as u64);
    let way = match chunks::count(class.message_words()) {
        0 => format!("its ciphertext of {size} goes into the claim"),
        n => format!("its ciphertext of {size} is claimed in {n} chunks, which this node must serve until it is paid"),
    };
    format!("{way}; {}", memory(release_memory(class), limit))
}

/// Gas of a claim, and of what may have to be shown of it.
fn claim_gas(class: CapacityClass) -> u64 {
    let bytes = 32 * class.message_words() as u64;
    match chunks::count(class.message_words()) {
        0 => CLAIM_GAS + BYTE_GAS * bytes,
        _ => CLAIM_GAS + ANSWERS * (100_000 + BYTE_GAS * 32 * chunks::CHUNK_WORDS as u64),
    }
}

/// In words, what proving takes and what it may take.
fn memory(needed: ByteSize, limit: Option<ByteSize>) -> String {
    match limit {
        Some(limit) => format!("proving it takes about {needed} of memory, prover.max_memory is {limit}"),
        None => format!("proving it takes about {needed} of memory"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::assets;
    use crate::import::{self, ModelImport};

    fn shipped() -> import::ImportedModel {
        let import = ModelImport {
            onnx: assets::MODEL,
            schema: assets::schema(),
            calibration: assets::TRAIN,
            samples: 360,
            method: zkaggle_graph::quantize::Method::Mse,
        };
        import::model(&import).unwrap()
    }

    #[test]
    fn everything_that_speaks_against_it_is_told() {
        let mut p = Preflight::default();
        p.add("a", true, "fine");
        p.verdict().unwrap();
        p.add("b", false, "too small");
        p.add("c", false, "too late");
        let e = p.verdict().unwrap_err();
        assert_eq!(code_of(&e), Code::Refused);
        assert_eq!(e.to_string(), "too small; too late");
        assert_eq!(p.text().lines().filter(|l| l.starts_with("NO")).count(), 2);
    }

    #[test]
    fn a_claim_says_which_way_it_goes_and_what_it_takes() {
        let said = CapacityClass::ALL.map(|c| claim(c, None));
        assert!(said[0].contains("goes into the claim") && said[1].contains("goes into the claim"));
        assert!(said[2].contains("in 12 chunks"), "{}", said[2]);
        let gas = CapacityClass::ALL.map(claim_gas);
        assert!(gas[0] < gas[1] && gas[1] < gas[2] && gas[2] < 20_000_000, "{gas:?}");
        let taken = CapacityClass::ALL.map(release_memory);
        assert!(taken[0] < taken[1] && taken[1] < taken[2]);
    }

    #[test]
    fn what_the_other_slot_takes_is_counted_once_each() {
        let graph = shipped().file.graph;
        let (stake, shards) = (U256::from(7), 3);
        let new = Beside::entry(&graph, shards, stake).unwrap();
        let entered = Beside::entry(&graph, shards, U256::ZERO).unwrap();
        assert_eq!((new.stake, entered.stake), (stake, U256::ZERO));
        assert_eq!(
            new.gas,
            entered.gas + COMMIT_GAS,
            "who has entered pays for no entry again"
        );
        let proved = Beside::entry(&graph, 0, U256::ZERO).unwrap();
        assert_eq!(entered.gas, proved.gas + shards * PROVE_GAS);
        assert_eq!((proved.seconds, proved.gas), (0, claim_gas(graph.class().unwrap())));
        assert!(entered.seconds >= shards);
        let mut both = new;
        both.add(proved);
        assert_eq!((both.entries, both.stake, both.gas), (2, stake, new.gas + proved.gas));
        assert!(Beside::default().words().is_empty() && !both.words().is_empty());
    }

    #[test]
    fn only_what_may_pass_is_looked_at_again() {
        let looked = |bad: &[&'static str]| {
            let mut p = Preflight::default();
            p.add("phase", true, "fine");
            for question in bad {
                p.add(question, false, "not now");
            }
            p.only_money()
        };
        assert!(looked(&["money"]) && looked(&["ceiling", "money"]));
        assert!(!looked(&[]) && !looked(&["key"]) && !looked(&["money", "key"]));
    }

    /// The defaults must let the model that ships with the program in.
    #[test]
    fn the_defaults_fit_the_model_that_ships() {
        let needed = zkaggle_circuits::accuracy::cost(&shipped().file.graph).unwrap().memory;
        let config = zkaggle_config::Loader::new().unwrap().finish().unwrap();
        assert!(ByteSize(needed) <= config.prover.max_memory);
        assert!(memory(ByteSize(needed), Some(ByteSize(1))).contains("prover.max_memory"));
    }
}
