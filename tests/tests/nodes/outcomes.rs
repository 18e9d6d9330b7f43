//! Every way a bounty can end, with nodes that do by themselves what is due: of four bounties by one provider, one ends
//! in a tie whose winner never claims, one below its threshold, one cancelled, one by a provider that goes silent.
//!
//! | bounty | what happens | what the nodes do about it |
//! |---|---|---|
//! | 1 | two hunters score the same; the first to commit ranks first and is gone; the second lost one of its two models | end the round, promote and pay the second, in a token; take back the stake of what was lost |
//! | 2 | nobody reaches the threshold | close it; prize, bond and stake come home |
//! | 3 | cancelled with an entry in it | take stake and share back |
//! | 4 | the hold-out is never revealed | settle the default, take stake and share back |

use super::TOKEN;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use alloy::sol;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::view::View;
use zkaggle_node::node::Role;
use zkaggle_node::roles::Services;
use zkaggle_node::roles::hunter::Hunter;
use zkaggle_node::roles::provider::Opened;
use zkaggle_tests::forks::{Forks, Terms, model, sealed};
use zkaggle_tests::world::same;

sol! {
    #[sol(rpc)]
    interface IToken {
        function balanceOf(address account) external view returns (uint256);
    }
}

const TIE: u64 = 1;
const BELOW: u64 = 2;
const CANCELLED: u64 = 3;
const SILENT: u64 = 4;

fn account(node: &Services) -> Address {
    node.market.chain().account()
}

/// A hundredth of an ether.
fn cents(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(16))
}

async fn state(market: &Market, id: u64, node: &Services) -> Result<EntryState> {
    entry_state(market, id, node, 0).await
}

async fn entry_state(market: &Market, id: u64, node: &Services, slot: u8) -> Result<EntryState> {
    let entry = market.entry(id, account(node), slot).await?;
    EntryState::read(entry.map_or(0, |e| e.state))
}

async fn settled(market: &Market, id: u64) -> Result<Phase> {
    Phase::read(market.bounty(id).await?.settled)
}

fn hunter(node: &Services, models: impl IntoIterator<Item = PathBuf>) -> Role {
    Role::Hunter(Box::new(Hunter::new(node.clone(), models)))
}

pub async fn story(t: &Forks) -> Result<()> {
    let provider = t.node("provider").await?;
    let first = t.node("first").await?;
    let second = t.node("second").await?;
    let other = t.node("other").await?;
    let home = provider.peers.address().await?;
    for node in [&first, &second, &other] {
        node.peers.network.dial(home.clone()).await?;
    }
    let market = &provider.market;
    let code = alloy::hex::decode(TOKEN.trim())?;
    let token = market.chain().create("a token", code.into()).await?.0;
    let purse = IToken::new(token, market.chain().rpc().clone());
    let held = async |who: Address| anyhow::Ok(purse.balanceOf(who).call().await?);
    let supply = held(account(&provider)).await?;
    let data = sealed(&provider, 1).await?;
    let manifest = data.manifest().cid().to_string();
    let (path, graph) = model(&first, 64)?;
    std::fs::write(t.dir().join("digits.graph"), graph.text())?;

    // ------------------------------------------------------------------- post
    let (pair, alone) = ([account(&first), account(&second)], [account(&other)]);
    let in_token = format!("token = \"{token}\"");
    let terms = |label, threshold, allowed, top| Terms {
        label,
        dataset: &manifest,
        threshold,
        allowed,
        top,
        ..Terms::default()
    };
    let mut tie = t.posted(&provider, &terms("tie", "80 %", &pair, &in_token))?;
    let mut below = t.posted(&provider, &terms("below", "100 %", &alone, ""))?;
    let mut cancelled = t.posted(&provider, &terms("cancelled", "80 %", &alone, ""))?;
    let mut silent = t.posted(&provider, &terms("silent", "80 %", &alone, ""))?;
    for (id, owner) in [
        (TIE, &mut tie),
        (BELOW, &mut below),
        (CANCELLED, &mut cancelled),
        (SILENT, &mut silent),
    ] {
        t.play(&mut [owner], "it is posted", async || Ok(market.count().await? == id))
            .await?;
    }

    // ------------------------------------------------------------------ enter
    let mut winner = hunter(&first, Some(path.clone()));
    let mut reserve = hunter(&second, [path.clone(), path.clone()]);
    let mut third = hunter(&other, Some(path));
    let entrants = async |id| anyhow::Ok(market.bounty(id).await?.entrants);
    t.play(&mut [&mut winner], "the first has entered", async || {
        Ok(entrants(TIE).await? == 1)
    })
    .await?;
    t.play(&mut [&mut reserve], "the second has entered", async || {
        Ok(entrants(TIE).await? == 3)
    })
    .await?;
    t.play(&mut [&mut third], "the third has entered", async || {
        Ok(entrants(BELOW).await? + entrants(CANCELLED).await? + entrants(SILENT).await? == 3)
    })
    .await?;
    // A bounty for others only is passed over: nothing is sent, and nothing fails.
    for node in [&mut winner, &mut reserve, &mut third] {
        Box::pin(node.tick()).await?;
    }
    for (id, n) in [(TIE, 3), (BELOW, 1), (CANCELLED, 1), (SILENT, 1)] {
        ensure!(entrants(id).await? == n, "bounty {id} has other entries");
    }

    // ----------------------------------------------------------------- cancel
    ensure!(
        market.cancel(CANCELLED, 0).await.is_err(),
        "cancelled though somebody is in"
    );
    market.cancel(CANCELLED, 1).await?;
    let before = other.market.chain().balance().await?;
    t.play(
        &mut [&mut third],
        "stake and share of a cancelled bounty are home",
        async || {
            Ok(state(market, CANCELLED, &other).await? == EntryState::Refunded
                && market.owed_to(account(&other)).await?.is_zero())
        },
    )
    .await?;
    // The stake of 0.02 and half the bond of 0.1, less gas.
    let gained = other.market.chain().balance().await?.saturating_sub(before);
    ensure!(gained > cents(6) && gained < cents(7), "{gained} came home");
    t.play(&mut [&mut cancelled], "the provider has its prize back", async || {
        Ok(market.owed_to(account(&provider)).await?.is_zero())
    })
    .await?;

    // ---------------------------------------------------------- reveal, prove
    let mut latest = 0;
    for id in [TIE, BELOW] {
        let b = market.bounty(id).await?;
        latest = latest.max(b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap));
    }
    t.to(latest).await?;
    t.play(&mut [&mut tie, &mut below], "both are in Prove", async || {
        Ok(market.phase(TIE).await? == Phase::Prove && market.phase(BELOW).await? == Phase::Prove)
    })
    .await?;
    // What the second committed with one slot is lost: the other slot goes on.
    std::fs::remove_file(second.dir.models().join(format!("bounty-{TIE}-slot-0.zkm")))?;
    // The second proves first: that gives it nothing.
    for (node, who, slot, id, to) in [
        (&mut reserve, &second, 1, TIE, EntryState::Ranked),
        (&mut winner, &first, 0, TIE, EntryState::Ranked),
        (&mut third, &other, 0, BELOW, EntryState::Proved),
    ] {
        t.play(&mut [node], "its score is on chain", async || {
            Ok(entry_state(market, id, who, slot).await? == to)
        })
        .await?;
    }
    let board = market.board(TIE).await?;
    ensure!(
        board.len() == 2 && board[0].score == board[1].score,
        "no tie: {board:?}"
    );
    ensure!(
        (board[0].hunter, board[0].prize) == (account(&first), 0) && board[1].prize == u8::MAX,
        "a tie goes to who committed first: {board:?}"
    );

    // ------------------------------------------------- the winner never claims
    drop(winner);
    let (start, _) = market.round(BELOW).await?.context("no round")?;
    let (begin, end) = market.round(TIE).await?.context("no round")?;
    t.to(start.max(begin)).await?;
    t.play(
        &mut [&mut below, &mut third, &mut reserve, &mut tie],
        "the bounty without a winner is closed",
        async || Ok(settled(market, BELOW).await? == Phase::Closed),
    )
    .await?;
    ensure!(
        entry_state(market, TIE, &second, 1).await? == EntryState::Ranked && settled(market, TIE).await? == Phase::None,
        "a reserve claimed in another's round"
    );
    t.to(end).await?;
    t.play(
        &mut [&mut reserve, &mut tie],
        "the second is promoted and paid",
        async || Ok(entry_state(market, TIE, &second, 1).await? == EntryState::Claimed),
    )
    .await?;
    ensure!(state(market, TIE, &first).await? == EntryState::Lapsed);
    t.play(&mut [&mut reserve, &mut tie], "the bounty is closed", async || {
        Ok(settled(market, TIE).await? == Phase::Closed)
    })
    .await?;
    let opened = provider
        .dir
        .opened()
        .join(format!("bounty-{TIE}-{}-1.json", account(&second)));
    t.play(&mut [&mut tie], "the claim is opened", async || Ok(opened.exists()))
        .await?;
    let report: Opened = serde_json::from_str(&std::fs::read_to_string(opened)?)?;
    ensure!(
        report.results_match && report.score_proved == board[1].score,
        "{report:?}"
    );

    // -------------------------------------------- the provider that went silent
    let b = market.bounty(SILENT).await?;
    let due = b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap) + u64::from(b.windows.reveal);
    t.to(due).await?;
    t.play(
        &mut [&mut third],
        "the default is settled and the stake home",
        async || {
            Ok(settled(market, SILENT).await? == Phase::Defaulted
                && state(market, SILENT, &other).await? == EntryState::Refunded)
        },
    )
    .await?;

    // ------------------------------------------------------- everybody's money
    // Who never claimed comes back, without a model: nothing is left for it to do.
    let mut back = hunter(&first, None);
    let pot = market.pot(TIE).await?.context("no pot")?;
    t.play(
        &mut [&mut tie, &mut below, &mut silent, &mut back, &mut reserve, &mut third],
        "everything is withdrawn",
        async || {
            let mut owed = U256::ZERO;
            for node in [&provider, &first, &second, &other] {
                for asset in [Address::ZERO, pot] {
                    owed += market.owed_in(asset, account(node)).await?;
                }
            }
            let lost = entry_state(market, TIE, &second, 0).await?;
            Ok(owed.is_zero() && lost == EntryState::Refunded)
        },
    )
    .await?;
    ensure!(
        held(account(&second)).await? == cents(100),
        "the second was not paid the prize"
    );
    ensure!(
        held(account(&provider)).await? == supply - cents(100),
        "the bond stayed away"
    );
    ensure!(held(pot).await?.is_zero(), "something is left in the pot");
    // What is left in the market is what two lost bonds had to burn: half of each.
    let left = market.chain().rpc().get_balance(market.address()).await?;
    ensure!(left == cents(10), "{left} wei are left in the market");
    let mut view = View::new(market);
    view.catch_up().await?;
    let all = [&provider, &first, &second, &other].map(|node| &node.market);
    same(view.book(), market, &all).await?;
    for node in [&provider, &first, &second, &other] {
        node.peers.network.shutdown().await;
    }
    Ok(())
}
