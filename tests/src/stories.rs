//! Stories about who gets what, told once and played on any chain.

use crate::world::{MILLI, Rules, World};
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use anyhow::{Result, ensure};
use zkaggle_bindings::IBountyMarket;
use zkaggle_graph::ids::Role;
use zkaggle_node::chain::keys::{KeyData, ensure_registered};
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::view::View;

async fn players(w: &World, n: usize) -> Result<Vec<Market>> {
    let mut out = vec![];
    for _ in 0..n {
        out.push(w.player().await?);
    }
    Ok(out)
}

async fn owed(p: &Market) -> Result<u64> {
    Ok((p.owed().await? / U256::from(MILLI)).to())
}

async fn state(w: &World, id: u64, p: &Market) -> Result<EntryState> {
    let e = w.market.entry(id, p.chain().account(), 0).await?;
    EntryState::read(e.map_or(0, |e| e.state))
}

/// At the end, the replayed book and the contract agree on everything.
async fn agree(w: &World, all: &[&Market]) -> Result<()> {
    let mut view = View::new(&w.market);
    w.compare(&mut view, all).await
}

/// Two hunters with one score: who committed first wins; everybody's money comes home.
pub async fn tie(w: &World) -> Result<()> {
    let p = players(w, 3).await?;
    let (owner, first, second) = (&p[0], &p[1], &p[2]);
    let id = w.post(owner, &Rules::default()).await?;
    w.enter(first, id).await?;
    w.enter(second, id).await?;
    w.to_prove(owner, id).await?;
    w.prove(second, id, 50).await?;
    w.prove(first, id, 50).await?;
    w.to_round(id).await?;
    ensure!(w.claim(second, id).await.is_err(), "the second of a tie was paid");
    w.claim(first, id).await?;
    owner.finalize(id).await?;
    ensure!((owed(first).await?, owed(second).await?, owed(owner).await?) == (102, 2, 10));
    first.withdraw().await?;
    ensure!(first.withdraw().await.is_err(), "withdrawn twice");
    agree(w, &[owner, first, second]).await
}

/// The winner misses its round: its stake is lost, a reserve is promoted and paid.
pub async fn lapse(w: &World) -> Result<()> {
    let p = players(w, 4).await?;
    let (owner, absent, reserve, last) = (&p[0], &p[1], &p[2], &p[3]);
    let id = w.post(owner, &Rules::default()).await?;
    for h in [absent, reserve, last] {
        w.enter(h, id).await?;
    }
    w.to_prove(owner, id).await?;
    w.prove(absent, id, 60).await?;
    w.prove(reserve, id, 50).await?;
    w.prove(last, id, 40).await?;
    w.to_round(id).await?;
    ensure!(owner.lapse(id).await.is_err(), "a round lapsed before its end");
    w.to_rounds_end(id).await?;
    ensure!(w.claim(absent, id).await.is_err(), "claimed after the round");
    owner.lapse(id).await?;
    ensure!(
        w.market.board(id).await?.get(1).is_some_and(|r| r.prize == 0),
        "nobody was promoted"
    );
    w.to_round(id).await?;
    w.claim(reserve, id).await?;
    last.finalize(id).await?;
    ensure!(state(w, id, absent).await? == EntryState::Lapsed);
    // The lapsed stake goes to the claimed rank after it, never to the owner.
    ensure!(
        (
            owed(absent).await?,
            owed(reserve).await?,
            owed(last).await?,
            owed(owner).await?
        ) == (0, 104, 2, 10)
    );
    agree(w, &[owner, absent, reserve, last]).await
}

/// The provider goes silent: half its bond is burnt, half goes to the entries, stakes come back.
pub async fn default(w: &World) -> Result<()> {
    let p = players(w, 3).await?;
    let (owner, a, b) = (&p[0], &p[1], &p[2]);
    let id = w.post(owner, &Rules::default()).await?;
    w.enter(a, id).await?;
    w.enter(b, id).await?;
    w.to_reveal(id).await?;
    ensure!(a.timeout(id).await.is_err(), "it defaulted while it could still reveal");
    let reveal = u64::from(w.market.bounty(id).await?.windows.reveal);
    let now = w.market.chain().now().await?;
    w.until(now + reveal).await?;
    ensure!(w.reveal(owner, id).await.is_err(), "revealed too late");
    a.timeout(id).await?;
    a.refund(id, 0).await?;
    b.refund(id, 0).await?;
    ensure!(w.market.phase(id).await? == Phase::Defaulted);
    // Stake 2 and a quarter of the bond each: 4.5, cut to whole milliethers.
    ensure!((owed(a).await?, owed(b).await?, owed(owner).await?) == (4, 4, 100));
    agree(w, &[owner, a, b]).await
}

/// Cancelled with nobody in it, and with somebody.
pub async fn cancel(w: &World) -> Result<()> {
    let p = players(w, 2).await?;
    let (owner, hunter) = (&p[0], &p[1]);
    let empty = w.post(owner, &Rules::default()).await?;
    ensure!(hunter.cancel(empty, 0).await.is_err(), "a stranger cancelled");
    owner.cancel(empty, 0).await?;
    ensure!(owed(owner).await? == 110);
    let entered = w.post(owner, &Rules::default()).await?;
    w.enter(hunter, entered).await?;
    ensure!(
        owner.cancel(entered, 0).await.is_err(),
        "cancelled with more entries than allowed"
    );
    owner.cancel(entered, 1).await?;
    hunter.refund(entered, 0).await?;
    ensure!((owed(owner).await?, owed(hunter).await?) == (210, 7));
    agree(w, &[owner, hunter]).await
}

/// Terms that the market would refuse are known before anything is sent; keys and shards may come later.
pub async fn rehearsed(w: &World) -> Result<()> {
    let p = players(w, 1).await?;
    let owner = &p[0];
    let good = w.params(&Rules::default()).await?;
    let before = owner
        .chain()
        .rpc()
        .get_transaction_count(owner.chain().account())
        .await?;
    owner.would_create(good.clone()).await?;
    let unknown = B256::repeat_byte(9);
    let mut later = good.clone();
    later.scoreVkIds = vec![unknown];
    owner.would_create(later.clone()).await?;
    later.datasetVkId = unknown;
    owner.would_create(later.clone()).await?;

    let mut cases = vec![];
    let mut case = |error: &'static str, change: &dyn Fn(&mut IBountyMarket::Params)| {
        let mut params = later.clone();
        change(&mut params);
        cases.push((error, params));
    };
    case("BondTooLow", &|p| p.bond = Default::default());
    case("StakeTooLow", &|p| p.stake = Default::default());
    case("PrizesInvalid", &|p| p.prizes.clear());
    case("WindowInvalid", &|p| p.windows.prove = 0);
    case("ThresholdInvalid", &|p| p.threshold = 1 << 20);
    case("ShardLengthInvalid", &|p| p.lengths[0] += 1);
    for (error, params) in cases {
        let refusal = owner.would_create(params).await.map_err(|e| e.to_string());
        ensure!(
            refusal.as_ref().is_err_and(|e| e.contains(error)),
            "expected {error}, got {refusal:?}"
        );
    }
    let after = owner
        .chain()
        .rpc()
        .get_transaction_count(owner.chain().account())
        .await?;
    ensure!(before == after, "a rehearsal sent a transaction");
    Ok(())
}

/// Nobody reaches the threshold, and in another bounty nobody comes at all.
pub async fn no_winner(w: &World) -> Result<()> {
    let p = players(w, 2).await?;
    let (owner, hunter) = (&p[0], &p[1]);
    let id = w.post(owner, &Rules::default()).await?;
    let lonely = w.post(owner, &Rules::default()).await?;
    w.enter(hunter, id).await?;
    w.to_prove(owner, id).await?;
    w.prove(hunter, id, 31).await?;
    ensure!(state(w, id, hunter).await? == EntryState::Proved);
    w.to_round(id).await?;
    owner.finalize(id).await?;
    owner.finalize(lonely).await?;
    ensure!((owed(owner).await?, owed(hunter).await?) == (220, 2));
    agree(w, &[owner, hunter]).await
}

/// Twenty hunters for three prizes: the board keeps seven, the rest have their stakes back at once.
pub async fn twenty(w: &World) -> Result<()> {
    let owner = w.player().await?;
    let hunters = players(w, 20).await?;
    let rules = Rules {
        prizes: vec![100, 50, 20],
        bond: 17,
        crowd: 60,
        ..Rules::default()
    };
    let id = w.post(&owner, &rules).await?;
    for h in &hunters {
        w.enter(h, id).await?;
    }
    w.to_prove(&owner, id).await?;
    // Scores 32, 33, …, 51 in an order that inserts everywhere on the board.
    for i in 0..20usize {
        let i = (i * 7) % 20;
        w.prove(&hunters[i], id, 32 + i as u32).await?;
    }
    let board = w.market.board(id).await?;
    let scores: Vec<u32> = board.iter().map(|r| r.score).collect();
    ensure!(scores == [51, 50, 49, 48, 47, 46, 45], "{scores:?}");
    w.to_round(id).await?;
    for i in [17, 19, 18] {
        w.claim(&hunters[i], id).await?;
    }
    owner.finalize(id).await?;
    let mut all = 0;
    for (i, h) in hunters.iter().enumerate() {
        let prize = match i {
            19 => 100,
            18 => 50,
            17 => 20,
            _ => 0,
        };
        ensure!(owed(h).await? == prize + 2, "hunter {i} is owed {}", owed(h).await?);
        all += owed(h).await?;
    }
    ensure!((all, owed(&owner).await?) == (170 + 40, 17));
    let everybody: Vec<&Market> = hunters.iter().chain([&owner]).collect();
    agree(w, &everybody).await
}

/// Nobody can fetch a shard: challenged, it is shown on chain, Prove grows, and the bond pays who showed it;
/// in another bounty it is not shown, and that one defaults.
pub async fn challenged(w: &World) -> Result<()> {
    let p = players(w, 3).await?;
    let (owner, hunter, silent) = (&p[0], &p[1], &p[2]);
    let shown = w.post(owner, &Rules::default()).await?;
    w.enter(hunter, shown).await?;
    let hidden = w.post(silent, &Rules::default()).await?;
    w.enter(hunter, hidden).await?;
    w.to_prove(owner, shown).await?;
    // Posted later, it opens later: by seconds on a busy machine.
    w.to_reveal(hidden).await?;
    w.reveal(silent, hidden).await?;
    let bytes = World::shard();
    let before = w.market.prove_end(shown).await?;
    ensure!(
        owner.challenge_shard(shown, 0, bytes.len()).await.is_err(),
        "no entrant, and challenged"
    );
    hunter.challenge_shard(shown, 0, bytes.len()).await?;
    hunter.challenge_shard(hidden, 0, bytes.len()).await?;
    ensure!(
        hunter.challenge_shard(shown, 0, bytes.len()).await.is_err(),
        "challenged twice"
    );
    ensure!(
        owner.answer_shard(shown, 0, b"other bytes").await.is_err(),
        "other bytes were taken"
    );
    owner.answer_shard(shown, 0, &bytes).await?;
    let digest = w.market.shards(shown).await?[0].1;
    ensure!(
        w.market.shown_shard(shown, 0, &digest).await? == Some(bytes),
        "the shown bytes are not found"
    );
    ensure!(w.market.shown_shard(hidden, 0, &digest).await?.is_none());
    ensure!(w.market.prove_end(shown).await? > before, "Prove did not grow");
    ensure!(!owner.owed().await?.is_zero(), "showing was not paid");

    w.prove(hunter, shown, 40).await?;
    let late = w
        .market
        .challenges(hidden)
        .await?
        .first()
        .map(|c| c.deadline.to::<u64>());
    w.until(late.unwrap_or(0)).await?;
    ensure!(w.market.phase(hidden).await? == Phase::Defaulted);
    hunter.timeout(hidden).await?;
    hunter.refund(hidden, 0).await?;
    agree(w, &[owner, hunter, silent]).await
}

/// A hunter asks for a key of its own, and the provider accepts it.
pub async fn proposed(w: &World) -> Result<()> {
    let p = players(w, 2).await?;
    let (owner, hunter) = (&p[0], &p[1]);
    let id = w.post(owner, &Rules::default()).await?;
    let vk = w.another_key().await?;
    hunter.propose_key(id, vk, [9; 32]).await?;
    ensure!(hunter.accept_key(id, vk).await.is_err(), "a stranger accepted a key");
    owner.accept_key(id, vk).await?;
    // Whoever registered it named another graph: ours is named beside it, once.
    let key = KeyData {
        role: Role::Score,
        bytes: vec![],
        link: [0; 32],
        vk_id: vk,
        architecture: [3; 32],
        info: String::new(),
    };
    let name = async || ensure_registered(hunter.chain(), w.market.deployment(), &key).await;
    ensure!(name().await? > 0 && name().await? == 0, "an architecture is named once");
    ensure!(w.market.score_keys(id).await?.contains(&vk));
    let mut view = View::new(&w.market);
    w.compare(&mut view, &[owner, hunter]).await?;
    let b = view.book().bounties.get(&id);
    ensure!(b.is_some_and(|b| b.keys.contains(&alloy::primitives::B256::from(vk.0)) && b.proposed.len() == 1));
    owner.cancel(id, 0).await?;
    Ok(())
}

/// Prizes and bond in a token, stakes in ether: both come home, each from where it lies.
pub async fn erc20(w: &World) -> Result<()> {
    let p = players(w, 2).await?;
    let (owner, hunter) = (&p[0], &p[1]);
    let token = w.token(owner).await?;
    let rules = Rules {
        token: Some(token),
        ..Rules::default()
    };
    let rich = w.token(hunter).await?;
    let poor = Rules {
        token: Some(rich),
        ..Rules::default()
    };
    ensure!(
        w.post(owner, &poor).await.is_err(),
        "posted in a token it does not hold"
    );
    let id = w.post(owner, &rules).await?;
    w.enter(hunter, id).await?;
    w.to_prove(owner, id).await?;
    w.prove(hunter, id, 50).await?;
    w.to_round(id).await?;
    w.claim(hunter, id).await?;
    owner.finalize(id).await?;
    let pot = w.market.pot(id).await?.ok_or_else(|| anyhow::anyhow!("no pot"))?;
    let milli = |n: u64| U256::from(n) * U256::from(MILLI);
    let me = |m: &Market| m.chain().account();
    ensure!(hunter.owed_in(pot, me(hunter)).await? == milli(100));
    ensure!(owed(hunter).await? == 2, "the stake is ether");
    ensure!(hunter.owed_in(pot, me(owner)).await? == milli(10));
    agree(w, &[owner, hunter]).await?;
    hunter.withdraw_asset(pot).await?;
    owner.withdraw_asset(pot).await?;
    hunter.withdraw().await?;
    ensure!(hunter.owed_in(pot, me(hunter)).await?.is_zero());
    agree(w, &[owner, hunter]).await
}
