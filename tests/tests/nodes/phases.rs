//! Each phase by real nodes: taken back once by a re-org and played again, where the chain can do that.

use super::TOKEN;
use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, ensure};
use zkaggle_net::Visibility;
use zkaggle_node::chain::disputes::architecture_digest;
use zkaggle_node::chain::draws::Public;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::tokens::TokenCeilings;
use zkaggle_node::demo::stage::ChainChoice;
use zkaggle_node::failure::{Code, code_of};
use zkaggle_node::node::Role;
use zkaggle_node::roles::Services;
use zkaggle_node::roles::hunter::Hunter;
use zkaggle_node::roles::hunter::drawn::samples;
use zkaggle_node::roles::provider::Opened;
use zkaggle_tests::forks::{Forks, Terms, model, sealed};

/// Two bounties over the same data and keys, since keys and proofs are what costs time.
pub async fn story(choice: ChainChoice) -> Result<()> {
    let t = Forks::set(choice).await?;
    let mut provider = t.node("provider").await?;
    let hunter = t.node("hunter").await?;
    hunter.peers.network.dial(provider.peers.address().await?).await?;
    let code = alloy::hex::decode(TOKEN.trim())?;
    let token = provider.market.chain().create("a token", code.into()).await?.0;
    let chain = provider.market.chain().clone();
    let ceilings = TokenCeilings::from([(token, ether(3))]);
    provider.market = Market::open(
        chain.with_token_ceilings(ceilings),
        provider.market.deployment().clone(),
    )
    .await?;

    Box::pin(drawn(&t, &provider, &hunter, token)).await?;
    Box::pin(silent(&t, &provider, &hunter)).await?;
    for node in [&provider, &hunter] {
        node.peers.network.shutdown().await;
    }
    Ok(())
}

fn ether(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(18))
}

/// Prizes in a token, a public part by draw, a proposed key; every phase is taken back once and comes again.
async fn drawn(t: &Forks, provider: &Services, hunter: &Services, token: Address) -> Result<()> {
    let pool = sealed(provider, 3).await?;
    let (path, graph) = model(hunter, 64)?;
    std::fs::write(t.dir().join("digits.graph"), graph.text())?;
    let manifest = pool.manifest().cid().to_string();
    let top = format!("token = \"{token}\"");
    let terms = Terms {
        label: "drawn",
        dataset: &manifest,
        top: &top,
        end: "[draw]\npublic = 2\nwindow = \"5h\"",
        ..Terms::default()
    };
    let mut owner = t.posted(provider, &terms)?;
    let mut player = Role::Hunter(Box::new(Hunter::new(hunter.clone(), Some(path))));
    let (market, me) = (&hunter.market, hunter.market.chain().account());
    let id = 1;

    t.twice(&mut [&mut owner], "the bounty is posted", async || {
        Ok(market.count().await? == 1)
    })
    .await?;
    ensure!(
        provider.market.allowance(token).await?.is_zero(),
        "more was allowed than the escrow"
    );
    Box::pin(keys(provider, hunter, &mut owner, id, &graph)).await?;

    // The hunter's node waits for the public part, and nobody hands it out early.
    ensure!(matches!(
        market.public_part(id, B256::ZERO).await?,
        Public::Waiting { .. }
    ));
    let e = samples(hunter, id)
        .await
        .err()
        .context("samples before they are open")?;
    ensure!(code_of(&e) == Code::Refused, "{e:#}");
    for _ in 0..3 {
        Box::pin(player.tick()).await?;
    }
    ensure!(
        market.bounty(id).await?.entrants == 0,
        "entered before the public part was open"
    );
    let open = async || {
        let d = market.draw_of(id).await?;
        Ok(!d.picked.is_zero() && d.left == 0)
    };
    t.twice(&mut [&mut owner], "the beacon chose", async || {
        Ok(!market.draw_of(id).await?.picked.is_zero())
    })
    .await?;
    t.twice(&mut [&mut owner], "the public part is open", open).await?;
    let picked = market.draw_of(id).await?.picked;
    let expected: Vec<u8> = (0..3)
        .filter(|j| picked.bit(*j))
        .flat_map(|j| pool.shards()[j].bytes.clone())
        .collect();
    let served = async || {
        let store = provider.peers.content.store();
        let mut cids = (0..3).filter(|j| picked.bit(*j)).map(|j| pool.shards()[j].cid);
        Ok(cids.all(|cid| store.info(&cid).is_some_and(|i| i.visibility == Visibility::Public)))
    };
    t.play(&mut [&mut owner], "the public part is served", served).await?;
    let kept = (0..3).filter(|j| !picked.bit(*j)).map(|j| pool.shards()[j].cid);
    for cid in kept {
        let info = provider.peers.content.store().info(&cid);
        ensure!(
            info.is_some_and(|i| i.visibility == Visibility::Private),
            "the hold-out is served"
        );
    }
    ensure!(
        samples(hunter, id).await?.bytes() == expected,
        "other samples than the pool's"
    );

    t.twice(&mut [&mut owner, &mut player], "the hunter has entered", async || {
        Ok(market.bounty(id).await?.entrants == 1)
    })
    .await?;
    let b = market.bounty(id).await?;
    t.to(b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap)).await?;
    t.twice(&mut [&mut owner], "the hold-out is revealed", async || {
        Ok(!market.bounty(id).await?.revealedAt.is_zero())
    })
    .await?;
    t.twice(&mut [&mut owner], "Prove has begun", async || {
        Ok(market.phase(id).await? == Phase::Prove)
    })
    .await?;
    let state = async || {
        let entry = market.entry(id, me, 0).await?;
        EntryState::read(entry.map_or(0, |e| e.state))
    };
    t.twice(&mut [&mut owner, &mut player], "the score is ranked", async || {
        Ok(state().await? == EntryState::Ranked)
    })
    .await?;

    // A crash: what the new hunter knows comes from the folder, the seed and the chain.
    player = Role::Hunter(Box::new(Hunter::new(hunter.clone(), None)));
    let (start, _) = market.round(id).await?.context("no round")?;
    t.to(start).await?;
    t.twice(&mut [&mut player], "the prize is claimed", async || {
        Ok(state().await? == EntryState::Claimed)
    })
    .await?;
    t.twice(&mut [&mut owner, &mut player], "the bounty is closed", async || {
        Ok(market.bounty(id).await?.settled == Phase::Closed as u8)
    })
    .await?;
    let pot = market.pot(id).await?.context("no pot")?;
    let (us, them) = (market.chain().account(), provider.market.chain().account());
    t.twice(&mut [&mut owner, &mut player], "everything is withdrawn", async || {
        let owed = market.owed_in(pot, us).await? + market.owed_in(pot, them).await? + market.owed_to(us).await?;
        Ok(owed.is_zero())
    })
    .await?;
    let opened = provider.dir.opened().join(format!("bounty-{id}-{me}-0.json"));
    t.play(&mut [&mut owner, &mut player], "the claim is opened", async || {
        Ok(opened.exists())
    })
    .await?;
    let report: Opened = serde_json::from_str(&std::fs::read_to_string(opened)?)?;
    ensure!(
        report.results_match && report.n == 64 && report.score_reopened == report.score_proved,
        "{report:?}"
    );
    Ok(())
}

/// Of the keys that a hunter asks for, the provider's node accepts one that follows from the architecture named for
/// it, and no other.
async fn keys(
    provider: &Services,
    hunter: &Services,
    owner: &mut Role,
    id: u64,
    accepted: &zkaggle_graph::graph::Graph,
) -> Result<()> {
    let (path, other) = model(hunter, 65)?;
    let proposer = Hunter::new(hunter.clone(), Some(path));
    let vk = hunter.prover.score_key(&other).await?.vk_id;
    let before = hunter.market.score_keys(id).await?;
    // First the right key for a wrong architecture, one that can be fetched and suits the data.
    let release = hunter.prover.release_key(other.class()?).await?;
    let score = hunter.prover.score_key(&other).await?;
    for data in [&release.data, &score.data] {
        zkaggle_node::chain::keys::ensure_registered(hunter.market.chain(), hunter.market.deployment(), data).await?;
    }
    hunter.peers.content.publish(accepted.text().into_bytes()).await?;
    let wrong = architecture_digest(&accepted.text())?;
    hunter.market.propose_key(id, vk, wrong.0).await?;
    for _ in 0..4 {
        Box::pin(owner.tick()).await?;
    }
    ensure!(
        hunter.market.score_keys(id).await? == before,
        "a key was accepted on another's architecture"
    );
    let proposed = B256::from(vk.0);
    let Role::Provider(p) = owner else {
        anyhow::bail!("no provider")
    };
    let e = p.accept_now(proposed).await.err().context("accepted by hand")?;
    ensure!(code_of(&e) == Code::Refused, "{e:#}");

    // Then with the architecture it follows from.
    ensure!(proposer.propose_now(id).await? == vk);
    for _ in 0..4 {
        Box::pin(owner.tick()).await?;
    }
    let after = provider.market.score_keys(id).await?;
    ensure!(
        after.len() == before.len() + 1 && after.contains(&vk),
        "the good key was not accepted"
    );
    let e = proposer.propose_now(id).await.err().context("proposed again")?;
    ensure!(code_of(&e) == Code::Refused, "{e:#}");
    Ok(())
}

/// The provider goes silent before the reveal: the hunter's node settles that and brings stake and share home.
async fn silent(t: &Forks, provider: &Services, hunter: &Services) -> Result<()> {
    let market = &hunter.market;
    let me = market.chain().account();
    let id = 2;
    // Other records: the first ones are public by now.
    let data = zkaggle_node::import::dataset(
        zkaggle_node::demo::assets::schema(),
        zkaggle_node::demo::assets::HOLDOUT
            .get(192 * 65..256 * 65)
            .context("records")?,
        "another hold-out",
        "CC BY 4.0",
    )?;
    provider.store(&data, Visibility::Private).await?;
    let cid = data.manifest().cid().to_string();
    let terms = Terms {
        label: "silent",
        dataset: &cid,
        ..Terms::default()
    };
    let mut owner = t.posted(provider, &terms)?;
    let mut player = Role::Hunter(Box::new(Hunter::new(
        hunter.clone(),
        Some(hunter.dir.root().join("model-64.zkm")),
    )));
    t.play(
        &mut [&mut owner, &mut player],
        "the hunter has entered the second",
        async || Ok(market.count().await? == id && market.bounty(id).await?.entrants == 1),
    )
    .await?;
    let b = market.bounty(id).await?;
    let end = b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap) + u64::from(b.windows.reveal);
    t.to(end).await?;
    let before = market.chain().balance().await?;
    t.twice(&mut [&mut player], "the default is settled", async || {
        Ok(market.bounty(id).await?.settled == Phase::Defaulted as u8)
    })
    .await?;
    t.twice(&mut [&mut player], "stake and share are home", async || {
        let state = EntryState::read(market.entry(id, me, 0).await?.map_or(0, |e| e.state))?;
        Ok(state == EntryState::Refunded && market.owed_to(me).await?.is_zero())
    })
    .await?;
    let gained = market.chain().balance().await? - before;
    // The stake of 0.02, half the bond of 0.1, less gas.
    ensure!(gained > ether(1) / U256::from(20), "{gained} came home");
    t.play(&mut [&mut owner], "the provider has its prize back", async || {
        Ok(market.owed_to(provider.market.chain().account()).await?.is_zero())
    })
    .await
}
