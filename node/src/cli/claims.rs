//! Large claims by hand: challenge a chunk, show one, settle.

use super::connect::{self, MarketArgs, NodeArgs};
use super::output::Output;
use crate::chain::chunks::Listed;
use crate::chain::market::Market;
use crate::failure::Failure;
use crate::roles::hunter::Hunter;
use alloy::primitives::Address;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use zkaggle_circuits::statements::chunks::CHUNK_WORDS;

#[derive(Debug, Args)]
pub struct ChallengeArgs {
    /// The bounty's number.
    pub id: u64,
    /// Whose claim.
    pub hunter: Address,
    /// Number of the chunk, from 0.
    pub chunk: u64,
    /// The hunter's slot.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::hunt::slot())]
    pub slot: u8,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bounty's number.
    pub id: u64,
    /// Only the claim in this slot; in both by default.
    #[arg(long, value_name = "N", value_parser = super::hunt::slot())]
    pub slot: Option<u8>,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub struct SettleArgs {
    /// The bounty's number.
    pub id: u64,
    /// Whose claim; the node's account by default.
    #[arg(long, value_name = "ADDRESS")]
    pub hunter: Option<Address>,
    /// The hunter's slot.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::hunt::slot())]
    pub slot: u8,
    #[command(flatten)]
    pub market: MarketArgs,
}

async fn listed(market: &Market, id: u64, hunter: Address, slot: u8) -> Result<Listed> {
    let found = market.listed(id).await?;
    found
        .into_iter()
        .rfind(|l| (l.hunter, l.slot) == (hunter, slot))
        .ok_or_else(|| Failure::not_found(format!("{hunter} has no large claim in slot {slot} of bounty {id}")))
}

/// `zkaggle bounty challenge`.
pub async fn challenge(a: ChallengeArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a.market).await?;
    let claim = listed(&market, a.id, a.hunter, a.slot).await?;
    let chunks = claim.digests.len() as u64;
    if a.chunk >= chunks {
        return Err(Failure::not_found(format!(
            "the claim has {chunks} chunks, counted from 0"
        )));
    }
    // The last chunk is shorter; a full one's bond is enough for it, and what is over comes back or is won.
    let sent = market
        .challenge_chunk(a.id, a.hunter, a.slot, a.chunk, 32 * CHUNK_WORDS)
        .await?;
    out.print(
        &json!({ "bounty": a.id, "chunk": a.chunk, "transaction": sent.hash, "gas": sent.gas }),
        &format!(
            "bounty {}: chunk {} is challenged in transaction {}; not shown in time, the claim is void (`zkaggle bounty settle`)",
            a.id, a.chunk, sent.hash
        ),
    )
}

/// `zkaggle hunt answer`.
pub async fn show(a: ShowArgs, out: Output) -> Result<()> {
    let (services, _) = connect::services(&a.node, "hunter").await?;
    let network = services.peers.network.clone();
    let shown = Hunter::new(services, None).answer_now(a.id, a.slot).await;
    network.shutdown().await;
    let shown = shown?;
    out.print(
        &json!({ "bounty": a.id, "shown": shown }),
        &match shown {
            0 => format!("bounty {}: no chunk of our claim is challenged", a.id),
            n => format!("bounty {}: {n} chunk(s) shown; their bonds are ours", a.id),
        },
    )
}

/// `zkaggle bounty settle` and `zkaggle hunt settle`.
pub async fn settle(a: SettleArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a.market).await?;
    let hunter = a.hunter.unwrap_or(market.chain().account());
    listed(&market, a.id, hunter, a.slot).await?;
    let sent = market.settle_claim(a.id, hunter, a.slot).await?;
    let failed = market.listing(a.id, hunter, a.slot).await?.failed;
    let (done, text) = match failed {
        true => (
            "void",
            "the claim is void, a chunk was not shown in time; bonds come back",
        ),
        false => ("paid", "the claim is paid; `zkaggle hunt withdraw` brings it home"),
    };
    out.print(
        &json!({ "bounty": a.id, "hunter": hunter, "slot": a.slot, "claim": done, "transaction": sent.hash, "gas": sent.gas }),
        &format!("bounty {}: {text}", a.id),
    )
}
