//! `zkaggle bounty`: the provider's side of the market, and what anyone may look at.

use super::claims;
use super::connect::{self, MarketArgs, NodeArgs};
use super::output::Output;
use super::show;
use crate::bounty_file::BountyFile;
use crate::chain::Sent;
use crate::chain::states::Phase;
use crate::failure::Failure;
use crate::roles::provider::Provider;
use alloy::primitives::{Address, B256};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct BountyArgs {
    #[command(subcommand)]
    pub command: BountyCommand,
}

#[derive(Debug, Subcommand)]
pub enum BountyCommand {
    /// Prove the data's CIDs, register the keys, and post the bounty of a file.
    ///
    /// Prizes and bond are escrowed. Posting the same file again finds the bounty and sends nothing.
    #[command(after_help = "Example:\n  zkaggle bounty post bounty.toml --dir ~/.zkaggle --deployment deployment.json")]
    Post(FileArgs),
    /// List the bounties of a market.
    #[command(
        after_help = "Example:\n  zkaggle bounty list --rpc-url http://127.0.0.1:8545 --deployment deployment.json --phase commit"
    )]
    List(ListArgs),
    /// Show one bounty: phase, deadlines, board, claims.
    #[command(
        after_help = "Example:\n  zkaggle bounty show 1 --rpc-url http://127.0.0.1:8545 --deployment deployment.json"
    )]
    Show(ShowArgs),
    /// Let the beacon choose the public part of a bounty with a draw, open it on chain, and release its blocks.
    #[command(after_help = "Example:\n  zkaggle bounty draw bounty.toml --dir ~/.zkaggle")]
    Draw(FileArgs),
    /// Reveal the hold-out: its digests on chain, its blocks to every peer. Revealed data is public for ever.
    #[command(after_help = "Example:\n  zkaggle bounty reveal bounty.toml --dir ~/.zkaggle")]
    Reveal(FileArgs),
    /// Have the CID proofs verified on chain, which fixes the dataset and starts Prove.
    #[command(after_help = "Example:\n  zkaggle bounty attest bounty.toml --dir ~/.zkaggle")]
    Attest(FileArgs),
    /// Accept a score key that a hunter proposed, after deriving it from the architecture named for it.
    #[command(
        after_help = "Example:\n  zkaggle bounty accept-key bounty.toml 0x40c1…c529 --dir ~/.zkaggle --peer /ip4/127.0.0.1/tcp/4101/p2p/12D3KooW…"
    )]
    AcceptKey(AcceptArgs),
    /// Show a challenged shard on chain; its bond pays whoever is not its challenger.
    #[command(after_help = "Example:\n  zkaggle bounty answer 1 0 shard-0.bin --dir ~/.zkaggle")]
    Answer(AnswerArgs),
    /// Have a chunk of a large claim shown on chain, because it cannot be fetched or is not as listed.
    ///
    /// The bond, twice the gas of an answer, is lost to whoever shows the chunk. Not shown in time, the claim
    /// is void and the bond comes back.
    #[command(after_help = "Example:\n  zkaggle bounty challenge 1 0x7099…79C8 2 --dir ~/.zkaggle")]
    Challenge(claims::ChallengeArgs),
    /// Pay a large claim whose inspection is over, or void it when a chunk was not shown in time. Anyone may.
    #[command(after_help = "Example:\n  zkaggle bounty settle 1 --hunter 0x7099…79C8 --dir ~/.zkaggle")]
    Settle(claims::SettleArgs),
    /// Withdraw a bounty during Commit. With entries, the bond is lost.
    #[command(after_help = "Example:\n  zkaggle bounty cancel 1 --dir ~/.zkaggle --most-entrants 0")]
    Cancel(CancelArgs),
    /// Close a bounty whose prizes are paid or whose ranks are exhausted; ends a missed round first.
    #[command(after_help = "Example:\n  zkaggle bounty finalize 1 --dir ~/.zkaggle")]
    Finalize(IdArgs),
    /// Settle a bounty whose owner missed a deadline.
    #[command(after_help = "Example:\n  zkaggle bounty timeout 1 --dir ~/.zkaggle")]
    Timeout(IdArgs),
    /// Withdraw what the market owes the account.
    #[command(after_help = "Example:\n  zkaggle bounty withdraw --dir ~/.zkaggle")]
    Withdraw(MarketArgs),
    /// Decrypt the claims of a bounty and evaluate the models again; fetches a large one's chunks by CID.
    #[command(after_help = "Example:\n  zkaggle bounty open bounty.toml --dir ~/.zkaggle")]
    Open(FileArgs),
}

#[derive(Debug, Args)]
pub struct FileArgs {
    /// The bounty file, as it was posted.
    pub file: PathBuf,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub struct AcceptArgs {
    #[command(flatten)]
    pub bounty: FileArgs,
    /// The key's identity.
    pub vk_id: B256,
}

#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// The bounty's number.
    pub id: u64,
    /// Number of the shard.
    pub shard: u64,
    /// Its bytes.
    pub file: PathBuf,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct IdArgs {
    /// The bounty's number.
    pub id: u64,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bounty's number.
    pub id: u64,
    /// Compare the bounty's shards with what the chain has recorded of this dag-pb root; no block is needed.
    #[arg(long, value_name = "CID")]
    pub root: Option<String>,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only bounties in this phase.
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    pub phase: Option<Phase>,
    /// Only bounties of this account.
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<Address>,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The bounty's number.
    pub id: u64,
    /// Refuse when more entries than these are in: each costs a share of the bond, and more may come in
    /// while the transaction waits.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub most_entrants: u32,
    #[command(flatten)]
    pub market: MarketArgs,
}

fn phase(text: &str) -> Result<Phase, String> {
    let known: Vec<String> = Phase::ALL.iter().map(|p| format!("{p:?}").to_lowercase()).collect();
    match known.iter().position(|k| *k == text.to_lowercase()) {
        Some(i) => Phase::ALL.get(i).copied().ok_or_else(String::new),
        None => Err(format!("one of {}", known.get(1..).unwrap_or_default().join(", "))),
    }
}

pub async fn run(args: BountyArgs, out: Output) -> Result<()> {
    match args.command {
        BountyCommand::Post(a) => post(a, out).await,
        BountyCommand::List(a) => list(a, out).await,
        BountyCommand::Show(a) => {
            let market = connect::reader(&a.market).await?;
            let history = show::History::read(&market).await?;
            let seen = show::Bounty::read(&market, &history, a.id).await?;
            let Some(root) = &a.root else {
                return out.print(&seen, &seen.text());
            };
            let link = show::Link::read(&market, &history, a.id, root).await?;
            let text = format!("{}\n{}", seen.text(), link.text());
            let mut document = serde_json::to_value(&seen)?;
            document["link"] = serde_json::to_value(&link)?;
            out.print(&document, &text)
        }
        BountyCommand::Draw(a) => {
            let (mut p, end) = provider(&a).await?;
            let done = p.draw_now().await;
            end.await;
            let id = done?;
            out.print(
                &json!({ "bounty": id, "done": "draw" }),
                &format!("bounty {id}: what the beacon chose is open and released; keep a node up to serve it"),
            )
        }
        BountyCommand::Reveal(a) => {
            let (mut p, end) = provider(&a).await?;
            let done = p.reveal_now().await;
            end.await;
            let id = done?;
            out.print(
                &json!({ "bounty": id, "done": "reveal" }),
                &format!(
                    "bounty {id}: the hold-out is revealed and its blocks are released; they are public for ever\n\
                     next: `zkaggle bounty attest`, and a node that stays up to serve the blocks"
                ),
            )
        }
        BountyCommand::Attest(a) => {
            let (mut p, end) = provider(&a).await?;
            let done = p.attest_now().await;
            end.await;
            let id = done?;
            out.print(
                &json!({ "bounty": id, "done": "attest" }),
                &format!("bounty {id}: the dataset is fixed and Prove has begun"),
            )
        }
        BountyCommand::Open(a) => open(a, out).await,
        BountyCommand::AcceptKey(a) => {
            let (mut p, end) = provider(&a.bounty).await?;
            let done = p.accept_now(a.vk_id).await;
            end.await;
            let id = done?;
            out.print(
                &json!({ "bounty": id, "accepted": a.vk_id }),
                &format!("bounty {id}: entries may prove with the key {}", a.vk_id),
            )
        }
        BountyCommand::Answer(a) => answer(a, out).await,
        BountyCommand::Challenge(a) => claims::challenge(a, out).await,
        BountyCommand::Settle(a) => claims::settle(a, out).await,
        BountyCommand::Cancel(a) => {
            let market = connect::actor(&a.market).await?;
            let sent = market.cancel(a.id, a.most_entrants).await?;
            report(out, a.id, "cancel", &sent)
        }
        BountyCommand::Finalize(a) => finalize(a, out).await,
        BountyCommand::Timeout(a) => {
            let market = connect::actor(&a.market).await?;
            let sent = market.timeout(a.id).await?;
            report(out, a.id, "timeout", &sent)
        }
        BountyCommand::Withdraw(a) => withdraw(a, out).await,
    }
}

/// A transaction's outcome.
fn report(out: Output, id: u64, done: &str, sent: &Sent) -> Result<()> {
    out.print(
        &json!({ "bounty": id, "done": done, "transaction": sent.hash, "gas": sent.gas }),
        &format!(
            "bounty {id}: {done} done in transaction {} with {} gas",
            sent.hash, sent.gas
        ),
    )
}

/// The provider of a file, and what must run before the command ends.
async fn provider(a: &FileArgs) -> Result<(Provider, impl Future<Output = ()> + use<>)> {
    let (file, graphs) = BountyFile::read(&a.file)?;
    let (services, config) = connect::services(&a.node, "provider").await?;
    let network = services.peers.network.clone();
    let provider = Provider::new(services, file, graphs).with_max_memory(config.prover.max_memory);
    Ok((provider, async move { network.shutdown().await }))
}

async fn post(a: FileArgs, out: Output) -> Result<()> {
    let (mut p, end) = provider(&a).await?;
    let done = p.post_now().await;
    end.await;
    let id = done?;
    out.print(
        &json!({ "bounty": id }),
        &format!(
            "bounty {id} is posted\n\
             next: `zkaggle daemon --role provider --bounty {}` sees it through by itself; by hand it is `bounty reveal`, `attest`, `open`, `finalize`",
            a.file.display()
        ),
    )
}

async fn list(a: ListArgs, out: Output) -> Result<()> {
    let market = connect::reader(&a.market).await?;
    let seen = show::History::read(&market).await?;
    let rows: Vec<show::Line> = seen
        .bounties()
        .filter(|(_, b)| a.phase.is_none_or(|p| b.phase(seen.now) == p) && a.owner.is_none_or(|o| b.terms.owner == o))
        .map(|(id, b)| show::Line::of(id, b, seen.now))
        .collect();
    let text = match rows.is_empty() {
        true => "no bounty".to_owned(),
        false => {
            let mut lines = vec![show::Line::head()];
            lines.extend(rows.iter().map(show::Line::text));
            lines.join("\n")
        }
    };
    out.print(&rows, &text)
}

async fn open(a: FileArgs, out: Output) -> Result<()> {
    let (mut p, end) = provider(&a).await?;
    let done = p.open_now().await;
    end.await;
    let (id, opened) = done?;
    let lines: Vec<String> = opened
        .iter()
        .map(|o| {
            format!(
                "{} slot {}: scores {} of {}, proved were {}; results {}; model {}",
                o.hunter,
                o.slot,
                o.score_reopened,
                o.n,
                o.score_proved,
                if o.results_match { "match" } else { "DO NOT MATCH" },
                o.model
            )
        })
        .collect();
    let text = match lines.is_empty() {
        true => format!("bounty {id}: no claim to open yet"),
        false => lines.join("\n"),
    };
    out.print(&opened, &text)?;
    match opened.iter().any(|o| !o.results_match) {
        true => Err(Failure::refused(
            "an opened model does not give the results that were proved",
        )),
        false => Ok(()),
    }
}

async fn answer(a: AnswerArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a.market).await?;
    let asked = market.challenges(a.id).await?;
    if !asked.iter().any(|c| u64::from(c.target) == a.shard) {
        return Err(Failure::not_found(format!(
            "shard {} of bounty {} is not challenged",
            a.shard, a.id
        )));
    }
    let bytes = std::fs::read(&a.file).with_context(|| format!("read {}", a.file.display()))?;
    let sent = market.answer_shard(a.id, a.shard, &bytes).await?;
    report(out, a.id, "answer", &sent)
}

/// Ends every round that was missed, then closes.
async fn finalize(a: IdArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a.market).await?;
    let id = a.id;
    if market.missed(id).await? {
        let sent = market.lapse(id).await?;
        return out.print(
            &json!({ "bounty": id, "done": "lapse", "transaction": sent.hash, "gas": sent.gas }),
            &format!(
                "bounty {id}: a round was missed and is ended (transaction {}); a reserve may claim now, or finalize again",
                sent.hash
            ),
        );
    }
    let sent = market.finalize(id).await?;
    report(out, id, "finalize", &sent)
}

async fn withdraw(a: MarketArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a).await?;
    let seen = show::History::read(&market).await?;
    let (json, lines) = show::bring_home(&market, &seen).await?;
    let text = match lines.is_empty() {
        true => "nothing is owed to this account".to_owned(),
        false => lines.join("\n"),
    };
    out.print(&json!({ "withdrawn": json }), &text)
}
