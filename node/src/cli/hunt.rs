//! `zkaggle hunt`: the hunter's side of the market.

use super::args::{DaemonArgs, RoleArg, account};
use super::claims;
use super::connect::{self, MarketArgs, NodeArgs};
use super::hunt_samples::SamplesArgs;
use super::output::Output;
use super::show;
use crate::failure::Failure;
use crate::roles::hunter::{Hunter, SLOTS};
use alloy::primitives::Address;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct HuntArgs {
    #[command(subcommand)]
    pub command: HuntCommand,
}

#[derive(Debug, Subcommand)]
pub enum HuntCommand {
    /// Enter a bounty with a hidden commitment to a model, after a preflight.
    ///
    /// The preflight looks at phase, shape, key, memory, proving time, gas and stake; what speaks against
    /// the entry is printed and nothing is sent (exit code 3).
    ///
    /// An account has two slots in a bounty, each an entry of its own with its own stake. Two models are looked at
    /// together, and enter both or not at all.
    #[command(
        after_help = "Examples:\n  zkaggle hunt commit 1 --model digits.zkm --dir ~/.zkaggle --dry-run\n  zkaggle hunt commit 1 --model another.zkm --slot 1 --dir ~/.zkaggle"
    )]
    Commit(CommitArgs),
    /// Fetch what a bounty's draw made public, checked, into a file to train on.
    #[command(
        after_help = "Example:\n  zkaggle hunt samples 1 --out public.csv --dir ~/.zkaggle --peer /ip4/127.0.0.1/tcp/4101/p2p/12D3KooW…"
    )]
    Samples(SamplesArgs),
    /// Fetch the data, prove what the committed models score, and have them ranked.
    #[command(
        after_help = "Example:\n  zkaggle hunt prove 1 --dir ~/.zkaggle --peer /ip4/127.0.0.1/tcp/4101/p2p/12D3KooW…"
    )]
    Prove(EntryArgs),
    /// Claim the prize: encrypt the weights to the provider and prove the ciphertext.
    ///
    /// A ciphertext of more than 96 KiB stays on this node and is claimed by its chunks: the prize is paid
    /// after the provider's inspection, and until then a node of this folder must run to deliver them.
    #[command(after_help = "Example:\n  zkaggle hunt claim 1 --dir ~/.zkaggle")]
    Claim(EntryArgs),
    /// Say on chain that a revealed shard cannot be fetched: unanswered, the bounty defaults.
    ///
    /// The bond, twice the gas of an answer, is lost to whoever answers.
    #[command(after_help = "Example:\n  zkaggle hunt challenge 1 0 --dir ~/.zkaggle")]
    Challenge(ChallengeArgs),
    /// Let the chunks of a large claim out, and show those that are challenged; their bonds are ours.
    #[command(after_help = "Example:\n  zkaggle hunt answer 1 --dir ~/.zkaggle")]
    Answer(claims::ShowArgs),
    /// Have a large claim paid whose inspection is over.
    #[command(after_help = "Example:\n  zkaggle hunt settle 1 --dir ~/.zkaggle")]
    Settle(claims::SettleArgs),
    /// Ask the provider to accept the key of another architecture, and publish that architecture.
    #[command(after_help = "Example:\n  zkaggle hunt propose 1 --model other.zkm --dir ~/.zkaggle")]
    Propose(ProposeArgs),
    /// Show where an account's entries stand.
    #[command(
        after_help = "Example:\n  zkaggle hunt status --dir ~/.zkaggle\n  zkaggle hunt status 1 --hunter 0x7099… --rpc-url http://127.0.0.1:8545 --deployment deployment.json"
    )]
    Status(StatusArgs),
    /// Take stakes back from bounties that are over, and withdraw what is owed.
    #[command(after_help = "Example:\n  zkaggle hunt withdraw --dir ~/.zkaggle")]
    Withdraw(MarketArgs),
    /// Do all of it unattended: enter what fits, prove, claim, withdraw.
    #[command(
        after_help = "Examples:\n  zkaggle hunt run --model digits.zkm --dir ~/.zkaggle --until-done\n  zkaggle hunt run --model digits.zkm --model another.zkm --dir ~/.zkaggle"
    )]
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub struct CommitArgs {
    /// The bounty's number.
    pub id: u64,
    /// Model to enter with, in slot 0 unless --slot names the other; given twice, both slots are entered.
    #[arg(long, value_name = "FILE", required = true)]
    pub model: Vec<PathBuf>,
    /// Slot to enter with one model.
    #[arg(long, value_name = "N", value_parser = slot())]
    pub slot: Option<u8>,
    /// Have the prizes and stakes of entries made now owed to this account, which withdraws them itself.
    #[arg(long, value_name = "ADDRESS", value_parser = account)]
    pub payout: Option<Address>,
    /// Print the preflight and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub struct ChallengeArgs {
    /// The bounty's number.
    pub id: u64,
    /// Number of the shard.
    pub shard: u64,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// The bounty's number.
    pub id: u64,
    /// Model whose architecture is proposed.
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub struct EntryArgs {
    /// The bounty's number.
    pub id: u64,
    /// Only the entry in this slot; in both by default.
    #[arg(long, value_name = "N", value_parser = slot())]
    pub slot: Option<u8>,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The bounty's number; every bounty by default.
    pub id: Option<u64>,
    /// Whose entries; the node's account by default.
    #[arg(long, value_name = "ADDRESS")]
    pub hunter: Option<Address>,
    #[command(flatten)]
    pub market: MarketArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Enter with this model, in slot 0; given twice, with the second one in slot 1. Without one, earlier entries
    /// are proved and claimed.
    #[arg(long, value_name = "FILE")]
    pub model: Vec<PathBuf>,
    /// Have the prizes and stakes of entries made now owed to this account, which withdraws them itself.
    #[arg(long, value_name = "ADDRESS", value_parser = account)]
    pub payout: Option<Address>,
    /// End when every bounty is over and withdrawn.
    #[arg(long)]
    pub until_done: bool,
    #[command(flatten)]
    pub node: NodeArgs,
}

pub async fn run(args: HuntArgs, out: Output) -> Result<()> {
    match args.command {
        HuntCommand::Commit(a) => commit(a, out).await,
        HuntCommand::Samples(a) => super::hunt_samples::run(a, out).await,
        HuntCommand::Prove(a) => {
            let (hunter, end) = hunter(&a.node).await?;
            let done = hunter.prove_now(a.id, a.slot).await;
            end.await;
            let slots = done?;
            out.print(
                &json!({ "bounty": a.id, "done": "prove", "slots": slots }),
                &format!(
                    "bounty {}: the score is proved; `zkaggle hunt status {}` shows the rank",
                    a.id, a.id
                ),
            )
        }
        HuntCommand::Claim(a) => {
            let (hunter, end) = hunter(&a.node).await?;
            let done = hunter.claim_now(a.id, a.slot).await;
            end.await;
            let claimed = done?;
            let large = claimed.iter().any(|(_, large)| *large);
            let slots: Vec<u8> = claimed.iter().map(|(slot, _)| *slot).collect();
            out.print(
                &json!({ "bounty": a.id, "done": "claim", "large": large, "slots": slots }),
                &match large {
                    false => format!(
                        "bounty {}: the prize is claimed; `zkaggle hunt withdraw` brings it home",
                        a.id
                    ),
                    true => format!(
                        "bounty {}: the claim is listed by its chunks; keep `zkaggle hunt run` up: it delivers them, shows what is challenged, and settles",
                        a.id
                    ),
                },
            )
        }
        HuntCommand::Challenge(a) => challenge(a, out).await,
        HuntCommand::Answer(a) => claims::show(a, out).await,
        HuntCommand::Settle(a) => claims::settle(a, out).await,
        HuntCommand::Propose(a) => {
            let (hunter, end) = hunter(&a.node).await?;
            let done = hunter.with_model(0, a.model).propose_now(a.id).await;
            end.await;
            let vk = done?;
            out.print(
                &json!({ "bounty": a.id, "proposed": vk.to_string() }),
                &format!(
                    "bounty {}: the key {vk} is proposed; keep a node of this folder running, so that the provider can fetch the architecture",
                    a.id
                ),
            )
        }
        HuntCommand::Status(a) => status(a, out).await,
        HuntCommand::Withdraw(a) => withdraw(a, out).await,
        HuntCommand::Run(a) => unattended(a, out).await,
    }
}

/// A hunter for one command, and what must run before the command ends.
async fn hunter(node: &NodeArgs) -> Result<(Hunter, impl Future<Output = ()> + use<>)> {
    let (services, config) = connect::services(node, "hunter").await?;
    let network = services.peers.network.clone();
    let hunter = Hunter::new(services, None).with_max_memory(config.prover.max_memory);
    Ok((hunter, async move { network.shutdown().await }))
}

/// The numbers of an account's slots.
pub fn slot() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(0..SLOTS.len() as i64)
}

async fn commit(a: CommitArgs, out: Output) -> Result<()> {
    super::daemon::slots(&a.model)?;
    let first = match (a.slot, a.model.len()) {
        (Some(_), 2..) => return Err(Failure::usage("--slot goes with one --model; two take both slots")),
        (slot, _) => slot.unwrap_or(0),
    };
    let (mut hunter, end) = hunter(&a.node).await?;
    hunter = hunter.with_payout(a.payout);
    for (slot, model) in (first..).zip(a.model) {
        hunter = hunter.with_model(slot, model);
    }
    let looked = match a.dry_run {
        true => hunter.look(a.id).await,
        false => match hunter.look(a.id).await {
            Ok(p) if p.iter().all(|(_, p)| p.verdict().is_ok()) => hunter.commit_now(a.id).await,
            other => other,
        },
    };
    end.await;
    let looked = looked?;
    let verdict: Result<()> = looked.iter().try_for_each(|(_, p)| p.verdict());
    let last = match (&verdict, a.dry_run) {
        (Ok(()), true) => format!("nothing speaks against entering bounty {}; nothing was sent", a.id),
        (Ok(()), false) => format!(
            "bounty {}: entered; back up the node now (`zkaggle backup`): the claim needs the model that was committed",
            a.id
        ),
        (Err(_), _) => format!("bounty {} was not entered", a.id),
    };
    let entered = verdict.is_ok() && !a.dry_run;
    let slots: Vec<_> = looked
        .iter()
        .map(|(slot, p)| json!({ "slot": slot, "preflight": p }))
        .collect();
    let text: Vec<String> = looked
        .iter()
        .map(|(slot, p)| format!("slot {slot}\n{}", p.text()))
        .collect();
    out.print(
        &json!({ "bounty": a.id, "entered": entered, "slots": slots }),
        &format!("{}\n{last}", text.join("\n")),
    )?;
    verdict
}

async fn challenge(a: ChallengeArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a.market).await?;
    let shards = market.shards(a.id).await?;
    let place = usize::try_from(a.shard).unwrap_or(usize::MAX);
    let Some((length, _)) = shards.get(place) else {
        return Err(Failure::not_found(format!(
            "bounty {} has {} shard(s), counted from 0",
            a.id,
            shards.len()
        )));
    };
    let sent = market.challenge_shard(a.id, a.shard, *length as usize).await?;
    out.print(
        &json!({ "bounty": a.id, "shard": a.shard, "transaction": sent.hash, "gas": sent.gas }),
        &format!(
            "bounty {}: shard {} is challenged in transaction {}; unanswered, the bounty defaults",
            a.id, a.shard, sent.hash
        ),
    )
}

async fn status(a: StatusArgs, out: Output) -> Result<()> {
    let (market, acts) = connect::either(&a.market).await?;
    let hunter = match a.hunter {
        Some(h) => h,
        None if acts => market.chain().account(),
        None => return Err(Failure::usage("whose entries? give --hunter or --dir")),
    };
    let seen = show::History::read(&market).await?;
    let ids: Vec<u64> = match a.id {
        Some(id) => vec![id],
        None => seen.bounties().map(|(id, _)| id).collect(),
    };
    let mut rows = vec![];
    for id in ids {
        rows.extend(show::EntryLine::of(&seen, id, hunter)?);
    }
    let owed = market.owed_to(hunter).await?;
    let mut lines: Vec<String> = rows.iter().map(show::EntryLine::text).collect();
    if lines.is_empty() {
        lines.push(format!("{hunter} has entered nothing here"));
    }
    lines.push(format!("owed: {}", crate::chain::outbox::show(owed)));
    out.print(
        &json!({ "hunter": hunter, "entries": rows, "owed": owed.to_string() }),
        &lines.join("\n"),
    )
}

async fn withdraw(a: MarketArgs, out: Output) -> Result<()> {
    let market = connect::actor(&a).await?;
    let me = market.chain().account();
    let mut refunded = vec![];
    let seen = show::History::read(&market).await?;
    for (id, _) in seen.bounties() {
        for entry in show::EntryLine::of(&seen, id, me)? {
            if entry.refundable {
                market.refund(id, entry.slot).await?;
                refunded.push(id);
            }
        }
    }
    let seen = show::History::read(&market).await?;
    let (withdrawn, mut lines) = show::bring_home(&market, &seen).await?;
    if !refunded.is_empty() {
        lines.insert(0, format!("{} stake(s) taken back", refunded.len()));
    }
    let text = match lines.is_empty() {
        true => "nothing is owed to this account".to_owned(),
        false => lines.join("\n"),
    };
    out.print(&json!({ "refunded": refunded, "withdrawn": withdrawn }), &text)
}

async fn unattended(a: RunArgs, out: Output) -> Result<()> {
    let chain = a.node.market.chain;
    let dir = chain
        .dir
        .ok_or_else(|| Failure::usage("this needs a node's folder; give --dir"))?;
    let args = DaemonArgs {
        dir,
        config: chain.config,
        role: Some(RoleArg::Hunter),
        bounty: None,
        model: a.model,
        payout: a.payout,
        rpc_url: chain.rpc_url,
        deployment: a.node.market.deployment,
        peer: a.node.peer,
        until_done: a.until_done,
        password: chain.password,
    };
    super::daemon::run(args, out).await
}
