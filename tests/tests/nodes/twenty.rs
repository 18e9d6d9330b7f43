//! Twenty hunters with twenty nodes for three prizes: every score is proved, the three best claim, everybody else has its
//! stake back.

use alloy::primitives::{Address, U256};
use alloy::providers::Provider as _;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use zkaggle_graph::eval::evaluate;
use zkaggle_graph::model::ModelFile;
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::view::View;
use zkaggle_node::node::Role;
use zkaggle_node::roles::hunter::Hunter;
use zkaggle_node::roles::provider::Opened;
use zkaggle_tests::forks::{Forks, Terms, confused, model, sealed};
use zkaggle_tests::world::same;

const HUNTERS: usize = 20;
const PRIZES: usize = 3;
/// Places on the board: the prizes and the reserves behind them.
const BOARD: usize = PRIZES + 4;

pub async fn story(t: &Forks) -> Result<()> {
    let provider = t.node("provider").await?;
    let market = &provider.market;
    let data = sealed(&provider, 1).await?;
    let shard = &data.shards().first().context("a shard")?.bytes;
    let (path, graph) = model(&provider, 64)?;
    std::fs::write(t.dir().join("digits.graph"), graph.text())?;
    let best = ModelFile::read(&path)?;

    // Models of one architecture that confuse one pair of classes each; some pairs give one score, which is a tie.
    let mut pairs = (0..10).flat_map(|a| (0..a).map(move |b| (a, b)));
    let home = provider.peers.address().await?;
    let (mut nodes, mut players, mut scores) = (vec![], vec![], vec![]);
    for i in 0..HUNTERS {
        let node = t.node(&format!("hunter-{i}")).await?;
        node.peers.network.dial(home.clone()).await?;
        let file = match i {
            7 => best.clone(),
            _ => {
                let (a, b) = pairs.next().context("a pair of classes")?;
                confused(&best, a, b)?
            }
        };
        scores.push(evaluate(&file.graph, &file.weights, shard)?.accuracy.correct);
        let path = node.dir.root().join("entered.zkm");
        file.write(&path)?;
        players.push(Role::Hunter(Box::new(Hunter::new(node.clone(), Some(path)))));
        nodes.push(node);
    }
    // The best first, and of one score whoever committed first.
    let mut expected: Vec<usize> = (0..HUNTERS).collect();
    expected.sort_by_key(|i| (std::cmp::Reverse(scores[*i]), *i));
    let distinct: BTreeSet<u32> = scores.iter().copied().collect();
    println!("{} scores among {HUNTERS} hunters: {scores:?}", distinct.len());
    let account = |i: usize| nodes[i].market.chain().account();

    let manifest = data.manifest().cid().to_string();
    let terms = Terms {
        label: "twenty",
        dataset: &manifest,
        threshold: "50 %",
        prizes: "[\"1 ether\", \"0.5 ether\", \"0.2 ether\"]",
        bond: "0.17 ether",
        ..Terms::default()
    };
    let mut owner = t.posted(&provider, &terms)?;
    t.play(&mut [&mut owner], "it is posted", async || {
        Ok(market.count().await? == 1)
    })
    .await?;
    for (i, player) in players.iter_mut().enumerate() {
        t.play(&mut [player], "one more has entered", async || {
            Ok(market.bounty(1).await?.entrants as usize == i + 1)
        })
        .await?;
    }
    let b = market.bounty(1).await?;
    t.to(b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap)).await?;
    t.play(&mut [&mut owner], "Prove has begun", async || {
        Ok(market.phase(1).await? == Phase::Prove)
    })
    .await?;
    let state = async |i: usize| {
        let entry = market.entry(1, account(i), 0).await?;
        EntryState::read(entry.map_or(0, |e| e.state))
    };
    // In an order that inserts everywhere on the board.
    for i in (0..HUNTERS).map(|i| (i * 7) % HUNTERS) {
        t.play(&mut [&mut players[i]], "one more is proved", async || {
            Ok(state(i).await? != EntryState::Committed)
        })
        .await?;
    }
    let board = market.board(1).await?;
    let ranked: Vec<(Address, u32)> = board.iter().map(|r| (r.hunter, r.score)).collect();
    let foreseen: Vec<(Address, u32)> = expected.iter().take(BOARD).map(|i| (account(*i), scores[*i])).collect();
    ensure!(ranked == foreseen, "{ranked:?}, and not {foreseen:?}");

    let (start, _) = market.round(1).await?.context("no round")?;
    t.to(start).await?;
    let mut all: Vec<&mut Role> = players.iter_mut().chain([&mut owner]).collect();
    t.play(&mut all, "it is closed", async || {
        Ok(market.bounty(1).await?.settled == Phase::Closed as u8)
    })
    .await?;
    t.play(&mut all, "everything is withdrawn", async || {
        let mut owed = market.owed_to(market.chain().account()).await?;
        for i in 0..HUNTERS {
            owed += market.owed_to(account(i)).await?;
        }
        Ok(owed.is_zero())
    })
    .await?;
    let opened = |i: usize| provider.dir.opened().join(format!("bounty-1-{}-0.json", account(i)));
    t.play(&mut all, "every claim is opened", async || {
        Ok(expected.iter().take(PRIZES).all(|i| opened(*i).exists()))
    })
    .await?;
    for (place, i) in expected.iter().enumerate() {
        let claimed = state(*i).await? == EntryState::Claimed;
        ensure!(claimed == (place < PRIZES), "hunter {i} on place {place}");
        if claimed {
            let report: Opened = serde_json::from_str(&std::fs::read_to_string(opened(*i))?)?;
            ensure!(
                report.results_match && report.score_reopened == scores[*i],
                "{report:?}"
            );
        }
    }
    let left = market.chain().rpc().get_balance(market.address()).await?;
    ensure!(left == U256::ZERO, "{left} wei are left in the market");
    let mut view = View::new(market);
    view.catch_up().await?;
    let everybody: Vec<_> = nodes.iter().chain([&provider]).map(|n| &n.market).collect();
    same(view.book(), market, &everybody).await?;
    for node in nodes.iter().chain([&provider]) {
        node.peers.network.shutdown().await;
    }
    Ok(())
}
