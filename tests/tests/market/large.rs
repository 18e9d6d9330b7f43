//! Claims too large for calldata, with real proofs, real blocks between real nodes, and the chain's money.
//!
//! A release key may ask for more words than its class has, zeros behind the model; one that asks for more
//! than fit calldata sends a small model the way of a large one, which keeps this fast. The true size, a
//! model of 75,818 weights in the class of 1 MiB, is played with `ZKAGGLE_LONG=1`; it takes minutes and
//! gigabytes.

use alloy::primitives::{Address, U256};
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use zkaggle_circuits::statements::{chunks, release};
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::dataset::cid::{cid_of_digest, digest_of, raw_cid};
use zkaggle_graph::field::{Fr, from_be_bytes};
use zkaggle_graph::graph::{CapacityClass, Graph};
use zkaggle_graph::ids::JubPoint;
use zkaggle_graph::model::ModelFile;
use zkaggle_graph::weights::Weights;
use zkaggle_net::Visibility;
use zkaggle_node::bounty_file::BountyFile;
use zkaggle_node::chain::Caution;
use zkaggle_node::chain::market::{Market, word};
use zkaggle_node::chain::states::{EntryState, Phase};
use zkaggle_node::chain::view::View;
use zkaggle_node::demo::assets;
use zkaggle_node::failure::{Code, code_of};
use zkaggle_node::import::{self, ModelImport};
use zkaggle_node::roles::hunter::Hunter;
use zkaggle_node::roles::provider::{Opened, Provider};
use zkaggle_node::roles::{Services, Tick};
use zkaggle_tests::troupe::{Troupe, holdout, rest, works};
use zkaggle_tests::world::same;

const SAMPLES: u32 = 64;
/// More than fit calldata, in two chunks.
const PADDED: usize = 3_200;
/// Longer than any machine needs for two blocks: a fetch ends when the blocks are there.
const PATIENT: Duration = Duration::from_secs(300);
/// Private blocks never come, however long they are waited for.
const HASTY: Duration = Duration::from_millis(300);

fn milli(n: u64) -> U256 {
    U256::from(n) * U256::from(10).pow(U256::from(15))
}

fn bounty(dataset: &Dataset, threshold: u32, prizes: &str) -> String {
    format!(
        "format = \"zkaggle-bounty/1\"\nlabel = \"large\"\ndataset = \"{}\"\nthreshold = {threshold}\nprizes = [{prizes}]\n\
         bond = \"0.07 ether\"\nstake = \"0.006 ether\"\narchitectures = [\"model.graph\"]\n\
         [windows]\ncommit = \"1h\"\ngap = \"1m\"\nreveal = \"1h\"\nattest = \"2h\"\nprove = \"6h\"\nclaim = \"24h\"\n",
        dataset.manifest().cid()
    )
}

/// The digits model that ships with the program.
fn small() -> Result<ModelFile> {
    let imported = import::model(&ModelImport {
        onnx: assets::MODEL,
        schema: assets::schema(),
        calibration: assets::TRAIN,
        samples: SAMPLES,
        method: zkaggle_graph::quantize::Method::Mse,
    })?;
    Ok(imported.file)
}

/// Sees a bounty from posting to the start of Claim, with these hunters in it.
async fn to_claim(t: &Troupe, provider: &mut Provider, hunters: &mut [&mut Hunter], market: &Market) -> Result<()> {
    rest(provider).await?;
    for h in hunters.iter_mut() {
        works(h, "enter").await?;
    }
    let b = market.bounty(1).await?;
    t.until(b.windows.commitEnd.to::<u64>() + u64::from(b.windows.gap))
        .await?;
    rest(provider).await?;
    ensure!(market.phase(1).await? == Phase::Prove);
    for h in hunters.iter_mut() {
        works(h, "prove").await?;
    }
    let (start, _) = market.round(1).await?.context("Prove has no end")?;
    t.until(start).await
}

async fn state(s: &Services) -> Result<EntryState> {
    let me = s.market.chain().account();
    let entry = s.market.entry(1, me, 0).await?.context("no entry")?;
    EntryState::read(entry.state)
}

async fn owed(s: &Services) -> Result<U256> {
    s.market.owed().await
}

fn opened(provider: &Services, hunter: Address) -> Result<(Opened, ModelFile)> {
    let stem = provider.dir.opened().join(format!("bounty-1-{hunter}-0"));
    let report: Opened = serde_json::from_str(&std::fs::read_to_string(stem.with_extension("json"))?)?;
    Ok((report, ModelFile::read(&stem.with_extension("zkm"))?))
}

/// Who may see the chunks of an entry's claim on its own node.
async fn visibility(s: &Services) -> Result<Vec<Option<Visibility>>> {
    let me = s.market.chain().account();
    let listed = s.market.listed(1).await?;
    let claim = listed.iter().find(|l| l.hunter == me).context("nothing is listed")?;
    let store = s.peers.content.store();
    let info = |d: &[u8; 32]| store.info(&cid_of_digest(d)).map(|i| i.visibility);
    Ok(claim.digests.iter().map(|d| info(&d.0)).collect())
}

/// Lists a claim whose chunks come, but are not what is listed of them: the sums are shifted from one to the
/// other, which leaves their total, and so the proof, as it was.
async fn lie(s: &Services, model: &ModelFile) -> Result<()> {
    let b = s.market.bounty(1).await?;
    let score = s.prover.score_key(&model.graph).await?;
    let key = s.prover.release_key(model.graph.class()?).await?;
    let ctx = s.entry(1, 0, score.vk_id).ctx();
    let element = |v: U256| from_be_bytes(&v.to_be_bytes());
    let pk = JubPoint {
        x: element(b.pkX)?,
        y: element(b.pkY)?,
    };
    let (graph, weights, blind) = (&model.graph, &model.weights, s.blind(1, 0));
    let mut rng = rand::rngs::OsRng;
    let (mut x, w, mut c) = release::seal(graph, weights, &blind, ctx, pk, key.vk_id, &mut rng)?;
    c.resize(PADDED, Fr::from(0u64));
    x.z = release::point(key.vk_id, &c, x.epk, &x.model, x.pk, &x.ctx);
    x.y = release::fingerprint(&c, x.z);
    let turn = s.prover.turn().await?;
    let proof = s.prover.prove_release(turn, key, x.clone(), w).await?;
    let mut sums = chunks::sums(&c, x.z);
    sums[1] += Fr::from(1u64);
    sums[0] -= (0..chunks::CHUNK_WORDS).fold(Fr::from(1u64), |power, _| power * x.z);
    ensure!(chunks::join(&sums, x.z) == x.y);
    let mut digests = vec![];
    for chunk in chunks::cut(&c) {
        digests.push(digest_of(&raw_cid(&chunk))?);
        s.peers.content.publish(chunk).await?;
    }
    let sums = sums.iter().map(word).collect();
    s.market.claim_chunks(1, 0, &x, &digests, sums, &proof).await?;
    Ok(())
}

/// Four large claims in one bounty: one is fetched, one is withheld and shown, one is withheld and void, one is not
/// as listed. Nodes crash between proof, listing and delivery, and every pot ends where docs/money.md says.
#[tokio::test(flavor = "multi_thread")]
async fn fetched_shown_and_void() {
    let folder = tempfile::tempdir().unwrap();
    // On a thread of the runtime: a story's future is larger than a test thread's stack.
    let dir = folder.path().to_owned();
    tokio::spawn(async move { story(&dir).await }).await.unwrap().unwrap();
}

async fn story(dir: &std::path::Path) -> Result<()> {
    let t = Troupe::gather(dir, PADDED).await?;
    let model = small()?;
    let path = dir.join("model.zkm");
    model.write(&path)?;
    let owner = t.actor("provider").await?.start(&t, Caution::default(), None).await?;
    let market = &owner.market;
    let home = owner.peers.address().await?;
    let dataset = holdout(&owner, SAMPLES as usize).await?;
    let file = BountyFile::parse(&bounty(
        &dataset,
        32,
        "\"0.3 ether\", \"0.2 ether\", \"0.1 ether\", \"0.05 ether\"",
    ))?;
    let mut provider = Provider::new(owner.clone(), file, vec![model.graph.clone()]).with_patience(PATIENT, 3);

    // The first waits until blocks are three deep; it must not let anything out before.
    let careful = Caution {
        confirmations: 3,
        ..Caution::default()
    };
    let (first, shown, void) = (t.actor("first").await?, t.actor("shown").await?, t.actor("void").await?);
    let s1 = first.start(&t, careful, Some(&home)).await?;
    let s2 = shown.start(&t, Caution::default(), Some(&home)).await?;
    let s3 = void.start(&t, Caution::default(), Some(&home)).await?;
    let s4 = t
        .actor("liar")
        .await?
        .start(&t, Caution::default(), Some(&home))
        .await?;
    let mut h1 = Hunter::new(s1.clone(), Some(path.clone()));
    let mut h2 = Hunter::new(s2.clone(), Some(path.clone()));
    let mut h3 = Hunter::new(s3.clone(), Some(path.clone()));
    let mut h4 = Hunter::new(s4.clone(), Some(path));
    to_claim(&t, &mut provider, &mut [&mut h1, &mut h2, &mut h3, &mut h4], market).await?;
    let a1 = s1.market.chain().account();
    let a2 = s2.market.chain().account();
    let a3 = s3.market.chain().account();
    let a4 = s4.market.chain().account();

    // Fetched. Listed, but not deep: sealed. Then the node crashes, and the next run lets the chunks out.
    t.mine(3).await?;
    works(&mut h1, "list the first claim").await?;
    ensure!(state(&s1).await? == EntryState::Claiming);
    ensure!(
        Box::pin(h1.tick()).await? == Tick::Idle,
        "the chunks left before the listing was final"
    );
    ensure!(visibility(&s1).await? == [Some(Visibility::Private); 2]);
    s1.peers.network.shutdown().await;
    drop((h1, s1));
    t.mine(3).await?;
    let s1 = first.start(&t, careful, Some(&home)).await?;
    let mut h1 = Hunter::new(s1.clone(), None);
    ensure!(Box::pin(h1.tick()).await? == Tick::Idle, "nothing is challenged");
    ensure!(visibility(&s1).await? == [Some(Visibility::Public); 2]);
    rest(&mut provider).await?;
    let (report, weights) = opened(&owner, a1)?;
    ensure!(report.results_match && report.score_reopened == report.score_proved);
    ensure!(weights == model, "another model came out than went in");
    let none = market.listing(1, a1, 0).await?;
    ensure!(none.open.is_empty() && none.challenged == 0, "what came was challenged");
    // The zeros behind the model have come with it; only first chunks can be withheld below.

    // Not as listed: challenged at once, chunk by chunk, and nobody can show what the listing says.
    lie(&s4, &model).await?;
    rest(&mut provider).await?;
    let l4 = market.listing(1, a4, 0).await?;
    ensure!(l4.open.len() == 2 && l4.challenged == 3, "{l4:?}");
    let listed = market.listed(1).await?;
    let false_claim = listed.iter().find(|l| l.hunter == a4).context("the false claim")?;
    let bytes = s4.local(&cid_of_digest(&false_claim.digests[0].0)).await?;
    let e = s4
        .market
        .answer_chunk(1, false_claim, 0, &bytes)
        .await
        .err()
        .context("shown")?;
    ensure!(format!("{e:#}").contains("AnswerWrong"), "{e:#}");
    let bonds4: U256 = l4.open.iter().map(|c| U256::from(c.bond)).sum();

    // Withheld. The node crashes between its proof and the claim, and sends what it had proved.
    s2.peers.network.shutdown().await;
    drop((h2, s2));
    let broke = Caution {
        max_spend: Some(1),
        ..Caution::default()
    };
    let s2 = shown.start(&t, broke, Some(&home)).await?;
    let e = Hunter::new(s2.clone(), None)
        .tick()
        .await
        .err()
        .context("it was sent")?;
    ensure!(
        code_of(&e) == Code::Refused && format!("{e:#}").contains("max_spend"),
        "{e:#}"
    );
    ensure!(state(&s2).await? == EntryState::Ranked);
    let record = s2.dir.claims().join("claim-1-0.zkr");
    let proved = std::fs::read(&record)?;
    s2.peers.network.shutdown().await;
    drop(s2);
    let s2 = shown.start(&t, Caution::default(), Some(&home)).await?;
    let mut h2 = Hunter::new(s2.clone(), None);
    works(&mut h2, "list the second claim").await?;
    ensure!(std::fs::read(&record)? == proved, "the proof was made again");
    works(&mut h3, "list the third claim").await?;

    // Neither is let out: the provider challenges both, once each.
    let mut provider = provider.with_patience(HASTY, 1);
    rest(&mut provider).await?;
    let (l2, l3) = (market.listing(1, a2, 0).await?, market.listing(1, a3, 0).await?);
    for l in [&l2, &l3] {
        ensure!(l.open.len() == 1 && l.open[0].target == 0 && l.challenged == 1, "{l:?}");
    }
    let (bond2, bond3) = (U256::from(l2.open[0].bond), U256::from(l3.open[0].bond));
    works(&mut h2, "show the chunk").await?;
    ensure!(
        owed(&s2).await? == bond2,
        "the challenge's bond pays who shows the chunk"
    );
    // What was shown is read from the chain.
    rest(&mut provider).await?;
    let (report, weights) = opened(&owner, a2)?;
    ensure!(report.results_match && weights == model);
    ensure!(opened(&owner, a3).is_err(), "nothing of the third claim was to be had");

    // The first hunter is gone; after its inspection, and some time for it, the provider has it paid.
    s1.peers.network.shutdown().await;
    drop(h1);
    ensure!(
        provider.tick().await? == Tick::Idle,
        "settled before the inspection was over"
    );
    t.until(market.listing(1, a1, 0).await?.until.to::<u64>() + 600).await?;
    rest(&mut provider).await?;
    ensure!(state(&s1).await? == EntryState::Claimed);
    ensure!(owed(&s1).await? == milli(306), "prize and stake");

    // The third and the fourth are void at their deadlines and may not try again; the second has itself paid.
    t.until(
        l3.open[0]
            .deadline
            .to::<u64>()
            .max(market.listing(1, a2, 0).await?.until.to()),
    )
    .await?;
    rest(&mut provider).await?;
    ensure!(market.listing(1, a3, 0).await?.failed && state(&s3).await? == EntryState::Ranked);
    ensure!(market.listing(1, a4, 0).await?.failed && state(&s4).await? == EntryState::Ranked);
    ensure!(
        owed(&owner).await? == bond3 + bonds4,
        "the challenger's bonds come back"
    );
    works(&mut h2, "settle").await?;
    ensure!(state(&s2).await? == EntryState::Claimed);
    ensure!(owed(&s2).await? == bond2 + milli(206), "bond, prize and stake");
    ensure!(!s2.dir.claims().join("claim-1-0.zkr").exists());
    let (_, end) = market.round(1).await?.context("a round")?;
    t.until(end).await?;

    // The round is over: both lapse, and the bounty closes.
    let spent = market.chain().balance().await?;
    rest(&mut provider).await?;
    let (start, _) = market.round(1).await?.context("no round after the lapse")?;
    t.until(start).await?;
    ensure!(rest(&mut provider).await? == Tick::Done);
    ensure!(state(&s3).await? == EntryState::Lapsed && owed(&s3).await?.is_zero());
    ensure!(state(&s4).await? == EntryState::Lapsed && owed(&s4).await?.is_zero());
    let home_again = market.chain().balance().await?;
    // Bond of the bounty, the prizes nobody got, the challenges' bonds; less the gas of a few calls.
    let due = milli(220) + bond3 + bonds4;
    ensure!(home_again > spent + due - milli(10) && home_again <= spent + due);
    let mut view = View::new(market);
    view.catch_up().await?;
    same(
        view.book(),
        market,
        &[&s1.market, &s2.market, &s3.market, &s4.market, market],
    )
    .await?;
    for s in [&owner, &s2, &s3, &s4] {
        s.peers.network.shutdown().await;
    }
    Ok(())
}

/// A model of 75,818 weights in the class of 1 MiB, 12 chunks, nothing padded.
///
/// `ZKAGGLE_LONG=1 cargo test --release -p zkaggle-tests --test market -- --nocapture a_mebibyte`
#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte() {
    if std::env::var_os("ZKAGGLE_LONG").is_none() {
        println!(
            "SKIPPED: the class of 1 MiB; ZKAGGLE_LONG=1 plays it, with a release build, in minutes and gigabytes"
        );
        return;
    }
    tokio::spawn(true_size()).await.unwrap();
}

async fn true_size() {
    let folder = tempfile::tempdir().unwrap();
    let t = Troupe::gather(folder.path(), 0).await.unwrap();
    let graph = Graph::mlp(assets::schema(), SAMPLES, &[64, 1_024, 10], &[(6, 14)]).unwrap();
    assert_eq!(graph.class(), Ok(CapacityClass::M1));
    let bytes: Vec<u8> = (0..graph.weight_bytes()).map(|i| (i % 3) as u8).collect();
    let weights = Weights::from_bytes(&graph, &bytes).unwrap();
    let model = ModelFile { graph, weights };
    let path = folder.path().join("model.zkm");
    model.write(&path).unwrap();
    let owner = t.actor("provider").await.unwrap();
    let owner = owner.start(&t, Caution::default(), None).await.unwrap();
    let home = owner.peers.address().await.unwrap();
    let dataset = holdout(&owner, SAMPLES as usize).await.unwrap();
    let file = BountyFile::parse(&bounty(&dataset, 1, "\"0.3 ether\"")).unwrap();
    let mut provider = Provider::new(owner.clone(), file, vec![model.graph.clone()]).with_patience(PATIENT, 3);
    let hunter = t.actor("hunter").await.unwrap();
    let s = hunter.start(&t, Caution::default(), Some(&home)).await.unwrap();
    let mut h = Hunter::new(s.clone(), Some(path));
    to_claim(&t, &mut provider, &mut [&mut h], &owner.market).await.unwrap();
    works(&mut h, "list the claim").await.unwrap();
    Box::pin(h.tick()).await.unwrap();
    rest(&mut provider).await.unwrap();
    let me = s.market.chain().account();
    let (report, came) = opened(&owner, me).unwrap();
    assert!(report.results_match && came == model);
    let until = owner.market.listing(1, me, 0).await.unwrap().until.to();
    t.until(until).await.unwrap();
    works(&mut h, "settle").await.unwrap();
    assert_eq!(rest(&mut provider).await.unwrap(), Tick::Done);
    println!(
        "peak memory {} MiB",
        zkaggle_circuits::backend::memory::peak().unwrap() >> 20
    );
}
