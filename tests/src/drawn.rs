//! Cut and choose: a pool of three shards, of which the beacon leaves one as the hold-out.

use crate::world::{Clock, Rules, SALT, World};
use alloy::primitives::{B256, U256};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use zkaggle_node::bounty::pool::Pool;
use zkaggle_node::chain::draws::Public;
use zkaggle_node::chain::market::Market;
use zkaggle_node::chain::states::Phase;
use zkaggle_node::chain::view::View;

const POOL: u16 = 3;

fn digests() -> Vec<[u8; 32]> {
    (0..POOL).map(|j| [0xd0 + j as u8; 32]).collect()
}

/// Posts a bounty over the pool; its number and the pool.
async fn post(w: &World, owner: &Market) -> Result<(u64, Pool)> {
    let pool = Pool::new(SALT, &digests());
    let mut params = w.params(&Rules::default()).await?;
    params.holdout = pool.root();
    params.draw.pool = POOL;
    params.draw.window = match w.clock() {
        Clock::Warp => 600,
        // Blocks come one by one where the clock cannot be moved.
        Clock::Wait => {
            params.windows.commitEnd += alloy::primitives::aliases::U40::from(60);
            50
        }
    };
    Ok((owner.create(params).await?.0, pool))
}

/// Drawn, opened and revealed; every wrong step on the way is refused, and the book follows. In another bounty
/// nothing is opened, and that one defaults.
pub async fn story(w: &World) -> Result<()> {
    let owner = w.player().await?;
    let hunter = w.player().await?;
    let (id, pool) = post(w, &owner).await?;
    ensure!(owner.draw(id).await.is_err(), "drawn before the beacon's block");
    w.blocks(5).await?;
    let waiting = w.market.public_part(id, pool.root()).await?;
    ensure!(matches!(waiting, Public::Waiting { .. }), "{waiting:?}");

    // Anybody may ask the beacon: its answer is the same.
    hunter.draw(id).await?;
    ensure!(owner.draw(id).await.is_err(), "drawn twice");
    let d = w.market.draw_of(id).await?;
    ensure!(d.left == POOL - 1 && d.picked.count_ones() == 2, "{d:?}");
    w.market.check_choice(id, pool.root(), &d).await?;
    // Another two of the three: the bits go round by one.
    let mut other = d.clone();
    other.picked = ((d.picked << 1) | (d.picked >> 2)) & U256::from(7);
    ensure!(
        w.market.check_choice(id, pool.root(), &other).await.is_err(),
        "another choice was believed"
    );
    let (drawn, held): (Vec<u16>, Vec<u16>) = (0..POOL).partition(|j| d.picked.bit(usize::from(*j)));
    let open = |j: u16| pool.open(j).unwrap_or_else(|| panic!("place {j}"));
    ensure!(
        owner.open_drawn(id, &[open(held[0])]).await.is_err(),
        "the hold-out was opened"
    );
    let mut wrong = open(drawn[0]);
    wrong.digest = B256::ZERO;
    ensure!(
        owner.open_drawn(id, &[wrong]).await.is_err(),
        "another shard was opened"
    );
    owner.open_drawn(id, &[open(drawn[0])]).await?;
    let half = w.market.public_part(id, pool.root()).await?;
    ensure!(matches!(half, Public::Waiting { .. }), "{half:?}");
    owner.open_drawn(id, &[open(drawn[1])]).await?;
    let all = digests();
    let expected: BTreeMap<u16, B256> = drawn.iter().map(|j| (*j, all[usize::from(*j)].into())).collect();
    ensure!(w.market.public_part(id, pool.root()).await? == Public::Open(expected));
    let mut view = View::new(&w.market);
    w.compare(&mut view, &[&owner, &hunter]).await?;
    ensure!(view.book().bounties.get(&id).is_some_and(|b| !b.draw_pending()));

    w.enter(&hunter, id).await?;
    w.to_reveal(id).await?;
    let left = all[usize::from(held[0])];
    ensure!(
        owner.reveal(id, SALT, &[all[usize::from(drawn[0])]]).await.is_err(),
        "a public shard was revealed as the hold-out"
    );
    owner.reveal(id, SALT, &[left]).await?;
    w.attest_shard(left).await?;
    owner.attest(id).await?;
    ensure!(w.market.phase(id).await? == Phase::Prove);

    let (silent, _) = post(w, &owner).await?;
    let end = w.market.draw_of(silent).await?.end.to();
    w.enter(&hunter, silent).await?;
    w.until(end).await?;
    ensure!(w.market.phase(silent).await? == Phase::Defaulted);
    hunter.timeout(silent).await?;
    hunter.refund(silent, 0).await?;
    ensure!(!hunter.owed().await?.is_zero());
    w.compare(&mut view, &[&owner, &hunter]).await
}
