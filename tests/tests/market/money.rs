//! The market's money stories: on the embedded chain always, on anvil and geth where they are installed.
//!
//! `ZKAGGLE_ANVIL` and `ZKAGGLE_GETH` name the binaries. On geth the clock cannot be moved, so the stories wait
//! for their windows, which are seconds there.

use std::path::PathBuf;
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_tests::anvil::{Anvil, binary};
use zkaggle_tests::geth::{self, Geth};
use zkaggle_tests::world::{Clock, World};
use zkaggle_tests::{drawn, stories};

#[tokio::test(flavor = "multi_thread")]
async fn on_the_embedded_chain() {
    let w = World::embedded().await.unwrap();
    stories::tie(&w).await.unwrap();
    stories::lapse(&w).await.unwrap();
    stories::default(&w).await.unwrap();
    stories::cancel(&w).await.unwrap();
    stories::rehearsed(&w).await.unwrap();
    stories::no_winner(&w).await.unwrap();
    stories::challenged(&w).await.unwrap();
    stories::proposed(&w).await.unwrap();
    stories::erc20(&w).await.unwrap();
    drawn::story(&w).await.unwrap();
    stories::twenty(&w).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_anvil() {
    let Some(binary): Option<PathBuf> = binary() else {
        return;
    };
    let anvil = Anvil::start(binary).unwrap();
    let signer = DevNet::new(DevNetConfig::default()).accounts()[0].signer();
    let w = World::over(anvil.url(), signer, Clock::Warp).await.unwrap();
    stories::tie(&w).await.unwrap();
    stories::lapse(&w).await.unwrap();
    stories::default(&w).await.unwrap();
    stories::cancel(&w).await.unwrap();
    stories::rehearsed(&w).await.unwrap();
    stories::no_winner(&w).await.unwrap();
    stories::challenged(&w).await.unwrap();
    stories::proposed(&w).await.unwrap();
    stories::erc20(&w).await.unwrap();
    drawn::story(&w).await.unwrap();
    stories::twenty(&w).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_geth() {
    let Some(binary): Option<PathBuf> = geth::binary() else {
        return;
    };
    let geth = Geth::start(binary).await.unwrap();
    let w = World::over(geth.url(), geth.signer(), Clock::Wait).await.unwrap();
    stories::tie(&w).await.unwrap();
    stories::lapse(&w).await.unwrap();
    stories::default(&w).await.unwrap();
    stories::cancel(&w).await.unwrap();
    stories::rehearsed(&w).await.unwrap();
    stories::no_winner(&w).await.unwrap();
    stories::challenged(&w).await.unwrap();
    stories::proposed(&w).await.unwrap();
    stories::erc20(&w).await.unwrap();
    drawn::story(&w).await.unwrap();
    stories::twenty(&w).await.unwrap();
}
