//! A node's view of a market against the market itself: under random play, re-orgs of every depth up to 64,
//! and endpoints that lag, lie, hang and refuse.

use alloy::primitives::U256;
use alloy::providers::{Provider, ProviderBuilder};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use zkaggle_node::chain::Chain;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::Phase;
use zkaggle_node::chain::view::View;
use zkaggle_tests::hostile::{Hostile, Reply};
use zkaggle_tests::world::{Rules, World};

/// Acts per run; `ZKAGGLE_LONG=1` plays ten times as many.
const ACTS: usize = 250;

fn acts() -> usize {
    match std::env::var_os("ZKAGGLE_LONG") {
        Some(_) => ACTS * 10,
        None => {
            println!(
                "SKIPPED: the long random play; ZKAGGLE_LONG=1 plays {} acts instead of {ACTS}",
                ACTS * 10
            );
            ACTS
        }
    }
}

/// The first player whose act the contract takes.
async fn first(players: &[Market], act: impl AsyncFn(&Market) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut done = Ok(());
    for p in players {
        done = act(p).await;
        if done.is_ok() {
            break;
        }
    }
    done
}

/// One random act on a random bounty; the contract refuses most of them, which is as it should be.
async fn act(w: &World, rng: &mut StdRng, players: &[Market]) -> &'static str {
    let count = w.market.count().await.unwrap();
    let who = &players[rng.gen_range(0..players.len())];
    let mut live = vec![];
    for id in 1..=count {
        if Phase::read(w.market.bounty(id).await.unwrap().settled).unwrap() == Phase::None {
            live.push(id);
        }
    }
    if live.len() < 2 || (live.len() < 4 && rng.gen_bool(0.05)) {
        let rules = Rules {
            prizes: vec![3; rng.gen_range(1..3)],
            bond: 1,
            stake: 1,
            threshold: 32,
            token: None,
            crowd: 0,
        };
        let posted = w.post(&players[0], &rules).await;
        return if posted.is_ok() { "post" } else { "" };
    }
    let id = match rng.gen_bool(0.1) {
        true => rng.gen_range(1..=count),
        false => live[rng.gen_range(0..live.len())],
    };
    let b = w.market.bounty(id).await.unwrap();
    let phase = w.market.phase(id).await.unwrap();
    let now = w.market.chain().now().await.unwrap();
    let round = w.market.round(id).await.unwrap();
    // Mostly what the phase allows, sometimes anything.
    let sensible: &[&str] = match phase {
        Phase::Commit => &[
            "commit", "commit", "commit", "commit", "commit", "commit", "time", "cancel",
        ],
        Phase::Reveal => &["reveal", "reveal", "reveal", "reveal", "reveal", "time"],
        Phase::Attest => &["attest", "attest", "attest", "attest", "attest", "time"],
        Phase::Prove => &["prove", "prove", "prove", "prove", "prove", "prove", "prove", "time"],
        Phase::Claim => &[
            "claim", "claim", "claim", "claim", "time", "lapse", "lapse", "finalize", "finalize",
        ],
        Phase::Defaulted => &["timeout", "refund"],
        _ => &["refund", "refund", "withdraw"],
    };
    const ANY: &[&str] = &[
        "commit", "reveal", "attest", "prove", "claim", "lapse", "finalize", "timeout", "refund", "withdraw",
    ];
    let from = if rng.gen_bool(0.1) { ANY } else { sensible };
    let name = from[rng.gen_range(0..from.len())];
    let done = match name {
        "commit" => first(players, async |p| w.enter(p, id).await).await,
        "reveal" => w.reveal(&players[0], id).await,
        "attest" => who.attest(id).await.map(|_| ()),
        "prove" => {
            let score = rng.gen_range(28..64);
            first(players, async |p| w.prove(p, id, score).await).await
        }
        "claim" => first(players, async |p| w.claim(p, id).await).await,
        "lapse" => who.lapse(id).await.map(|_| ()),
        "finalize" => who.finalize(id).await.map(|_| ()),
        "timeout" => who.timeout(id).await.map(|_| ()),
        "refund" => who.refund(id, 0).await.map(|_| ()),
        "withdraw" => who.withdraw().await.map(|_| ()),
        "cancel" => players[0].cancel(id, 99).await.map(|_| ()),
        _ => {
            let start = b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap);
            let to = match (phase, round) {
                (Phase::Commit, _) => start,
                (Phase::Prove, Some((start, _))) => start,
                (Phase::Claim, Some((start, _))) if now < start => start,
                (Phase::Claim, Some((_, end))) => end,
                _ => now + 3_600,
            };
            w.until(to).await
        }
    };
    if done.is_ok() { name } else { "" }
}

/// Whatever is played, and however often the chain takes it back, the view says what the contract says.
#[tokio::test(flavor = "multi_thread")]
async fn the_book_is_the_contracts_shadow() {
    let seed = 0x5eed_0006;
    let mut rng = StdRng::seed_from_u64(seed);
    let w = World::embedded().await.unwrap();
    let mut players = vec![];
    for _ in 0..5 {
        players.push(w.player().await.unwrap());
    }
    let everybody: Vec<&Market> = players.iter().collect();
    let rpc = ProviderBuilder::new().connect_client(w.client().unwrap());
    let mut view = View::new(&w.market);
    let mut done = std::collections::BTreeMap::<&str, usize>::new();
    let mut snapshot: Option<U256> = None;
    for n in 0..acts() {
        let name = act(&w, &mut rng, &players).await;
        *done.entry(name).or_default() += 1;
        if n % 3 == 0 {
            w.compare(&mut view, &everybody)
                .await
                .unwrap_or_else(|e| panic!("seed {seed:#x}, act {n}, {name}: {e:#}"));
        }
        // Now and then the chain forgets what came after a point, and goes on otherwise.
        match snapshot.take() {
            None if rng.gen_bool(0.1) => {
                snapshot = Some(rpc.raw_request("evm_snapshot".into(), ()).await.unwrap());
            }
            Some(s) if rng.gen_bool(0.15) => {
                let wound: bool = rpc.raw_request("evm_revert".into(), (s,)).await.unwrap();
                assert!(wound);
                *done.entry("reorg").or_default() += 1;
                w.net.as_ref().unwrap().mine(rng.gen_range(0..4)).unwrap();
            }
            kept => snapshot = kept,
        }
    }
    println!("{done:?}");
    w.compare(&mut view, &everybody).await.unwrap();
    for name in [
        "post", "commit", "reveal", "attest", "prove", "claim", "finalize", "time", "reorg",
    ] {
        assert!(
            done.get(name).is_some_and(|n| *n > 0),
            "{name} never succeeded: {done:?}"
        );
    }
    // A view from nothing comes to the same book.
    let mut fresh = View::new(&w.market);
    fresh.catch_up().await.unwrap();
    assert_eq!(fresh.book(), view.book());
}

/// A re-org as deep as is remembered, one deeper, and one that ends at the same height.
#[tokio::test(flavor = "multi_thread")]
async fn reorgs_of_every_depth() {
    let w = World::embedded().await.unwrap();
    let owner = w.player().await.unwrap();
    let net = w.net.clone().unwrap();
    let rpc = ProviderBuilder::new().connect_client(w.client().unwrap());
    for depth in [1u64, 2, 63, 64, 65, 200] {
        let mut view = View::new(&w.market);
        w.post(
            &owner,
            &Rules {
                prizes: vec![1],
                bond: 1,
                stake: 1,
                threshold: 1,
                token: None,
                crowd: 0,
            },
        )
        .await
        .unwrap();
        view.catch_up().await.unwrap();
        let before = view.book().clone();
        let s: U256 = rpc.raw_request("evm_snapshot".into(), ()).await.unwrap();
        w.post(
            &owner,
            &Rules {
                prizes: vec![2],
                bond: 1,
                stake: 1,
                threshold: 2,
                token: None,
                crowd: 0,
            },
        )
        .await
        .unwrap();
        net.mine(depth - 1).unwrap();
        view.catch_up().await.unwrap();
        assert_eq!(view.book().bounties.len(), before.bounties.len() + 1);
        let _: bool = rpc.raw_request("evm_revert".into(), (s,)).await.unwrap();
        // Other blocks of the same number and height, with another bounty in the last.
        net.increase_time(5).unwrap();
        net.mine(depth - 1).unwrap();
        w.post(
            &owner,
            &Rules {
                prizes: vec![3],
                bond: 1,
                stake: 1,
                threshold: 3,
                token: None,
                crowd: 0,
            },
        )
        .await
        .unwrap();
        for _ in 0..3 {
            view.catch_up().await.unwrap();
        }
        w.compare(&mut view, &[&owner])
            .await
            .unwrap_or_else(|e| panic!("depth {depth}: {e:#}"));
        assert_eq!(
            view.book().bounties.values().last().unwrap().terms.threshold,
            3,
            "depth {depth}"
        );
    }
}

/// What an endpoint says is checked: no lie gets into the book, none hangs or panics the reader, and an
/// honest endpoint afterwards gives the right book.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_lies_is_not_believed() {
    let w = World::embedded().await.unwrap();
    let net = w.net.clone().unwrap();
    let owner = w.player().await.unwrap();
    let hunter = w.player().await.unwrap();
    let id = w.post(&owner, &Rules::default()).await.unwrap();
    w.enter(&hunter, id).await.unwrap();
    // Two events in one block, whose order can be lied about.
    let other = w.post(&owner, &Rules::default()).await.unwrap();
    owner.cancel(other, 0).await.unwrap();
    let mut honest = View::new(&w.market);
    honest.catch_up().await.unwrap();

    type Lie = fn(&mut Vec<Value>);
    let lies: [(&str, Lie); 8] = [
        ("an event twice", |l| {
            let again = l[l.len() - 1].clone();
            l.push(again);
        }),
        ("the last first", |l| l.reverse()),
        ("another contract's", |l| {
            l[0]["address"] = json!("0x0000000000000000000000000000000000000001")
        }),
        ("another block's", |l| l[0]["blockNumber"] = json!("0x1")),
        ("another fork's", |l| {
            l[0]["blockHash"] = json!("0x0101010101010101010101010101010101010101010101010101010101010101");
        }),
        ("removed", |l| l[0]["removed"] = json!(true)),
        ("cut off data", |l| l[0]["data"] = json!("0x01")),
        ("an unknown event", |l| {
            l[0]["topics"][0] = json!("0x0101010101010101010101010101010101010101010101010101010101010101");
        }),
    ];
    for (what, lie) in lies {
        let chain = net.clone();
        let server = Hostile::serve(net.clone(), move |method, params| {
            if method != "eth_getLogs" {
                return Reply::Honest;
            }
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
            let mut answer = zkaggle_devnet::rpc::reply(&chain, body.to_string().as_bytes()).unwrap();
            let logs = answer["result"].as_array_mut().unwrap();
            if !logs.is_empty() {
                lie(logs);
            }
            Reply::Result(answer["result"].take())
        })
        .await;
        let signer = net.accounts()[5].signer();
        let chain = Chain::connect_http(server.url.expose(), signer, None).await.unwrap();
        let market = Market::open(chain, w.market.deployment().clone()).await.unwrap();
        let mut view = View::new(&market);
        let told = view.catch_up().await;
        assert!(told.is_err(), "{what}: believed: {:?}", view.book().bounties.len());
        server.set(|_, _| Reply::Honest);
        view.catch_up().await.unwrap();
        assert_eq!(view.book(), honest.book(), "{what}");
    }
}

/// Ranges that an endpoint finds too wide are halved until it answers.
#[tokio::test(flavor = "multi_thread")]
async fn wide_ranges_are_split() {
    let w = World::embedded().await.unwrap();
    let net = w.net.clone().unwrap();
    let owner = w.player().await.unwrap();
    for _ in 0..4 {
        w.post(
            &owner,
            &Rules {
                prizes: vec![1],
                bond: 1,
                stake: 1,
                threshold: 1,
                token: None,
                crowd: 0,
            },
        )
        .await
        .unwrap();
        net.mine(60).unwrap();
    }
    let strict = Hostile::serve(net.clone(), |method, params| {
        let number = |v: &Value| u64::from_str_radix(v.as_str()?.trim_start_matches("0x"), 16).ok();
        let (from, to) = (number(&params[0]["fromBlock"]), number(&params[0]["toBlock"]));
        match (method, from.zip(to)) {
            ("eth_getLogs", Some((from, to))) if to - from > 6 => Reply::Error(-32_000, "range too wide"),
            _ => Reply::Honest,
        }
    })
    .await;
    let signer = net.accounts()[5].signer();
    let chain = Chain::connect_http(strict.url.expose(), signer, None).await.unwrap();
    let market = Market::open(chain, w.market.deployment().clone()).await.unwrap();
    let mut view = View::new(&market);
    view.catch_up().await.unwrap();
    w.compare(&mut view, &[&owner]).await.unwrap();
}
