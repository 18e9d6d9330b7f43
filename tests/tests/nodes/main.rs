//! Whole bounties played by real nodes with real proofs: on the embedded chain always, on anvil and on geth in developer
//! mode where `ZKAGGLE_ANVIL` and `ZKAGGLE_GETH` name them. One binary, because linking is what costs time.
//!
//! * [`phases`]: each phase taken back once by a re-org and played again.
//! * [`outcomes`]: every way a bounty ends, and what the nodes do about it by themselves.
//! * [`twenty`]: twenty hunters, with `ZKAGGLE_LONG=1`.

mod outcomes;
mod phases;
mod twenty;

use anyhow::Result;
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_node::demo::stage::ChainChoice;
use zkaggle_tests::anvil::{self, Anvil};
use zkaggle_tests::forks::Forks;
use zkaggle_tests::geth::{self, Geth};
use zkaggle_tests::world::Clock;

/// Creation code of `Token.sol`, as text (tests/vectors/VECTORS.md).
const TOKEN: &str = include_str!("../../vectors/token.hex");

/// Whether the long stories are asked for.
fn long() -> bool {
    let long = std::env::var_os("ZKAGGLE_LONG").is_some_and(|v| v == "1");
    if !long {
        eprintln!("SKIPPED: twenty hunters prove for minutes; ZKAGGLE_LONG=1 plays them");
    }
    long
}

fn http(anvil: &Anvil) -> ChainChoice {
    ChainChoice::new(Some(anvil.url().to_owned()))
}

/// A stage on geth, whose clock cannot be moved.
async fn on(geth: &Geth) -> Result<Forks> {
    let accounts = DevNet::new(DevNetConfig::default());
    geth.fund(accounts.accounts()[0].signer().address()).await?;
    Forks::by(ChainChoice::new(Some(geth.url().to_owned())), Clock::Wait).await
}

#[tokio::test(flavor = "multi_thread")]
async fn phases_on_the_embedded_chain() {
    Box::pin(phases::story(ChainChoice::new(None))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn phases_on_anvil() {
    let Some(binary) = anvil::binary() else { return };
    let anvil = Anvil::start(binary).unwrap();
    Box::pin(phases::story(http(&anvil))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_on_the_embedded_chain() {
    let t = Forks::set(ChainChoice::new(None)).await.unwrap();
    Box::pin(outcomes::story(&t)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_on_anvil() {
    let Some(binary) = anvil::binary() else { return };
    let anvil = Anvil::start(binary).unwrap();
    let t = Forks::set(http(&anvil)).await.unwrap();
    Box::pin(outcomes::story(&t)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_on_geth() {
    let Some(binary) = geth::binary() else { return };
    let geth = Geth::start(binary).await.unwrap();
    let t = on(&geth).await.unwrap();
    Box::pin(outcomes::story(&t)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_hunters_on_the_embedded_chain() {
    if !long() {
        return;
    }
    let t = Forks::set(ChainChoice::new(None)).await.unwrap();
    Box::pin(twenty::story(&t)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_hunters_on_geth() {
    if !long() {
        return;
    }
    let Some(binary) = geth::binary() else { return };
    let geth = Geth::start(binary).await.unwrap();
    let t = on(&geth).await.unwrap();
    Box::pin(twenty::story(&t)).await.unwrap();
}
