//! What hostile peers can make a node hold in memory.
//!
//! The system counts a process's peak, so everything is one test: beside another one it would measure both.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;
#[allow(dead_code, reason = "other test files use the rest")]
#[path = "common/hostile.rs"]
mod fixture;

use std::time::Duration;

use common::{Node, config, node_with};
use fixture::{Attacker, wants};
use zkaggle_net::{
    Cid, NetConfig,
    bitswap::{
        Limits,
        message::{MAX_ENTRIES, MAX_MESSAGE, WantType},
    },
    cid_of,
};

fn cids(range: std::ops::Range<u32>) -> Vec<Cid> {
    range.map(|i| cid_of(&i.to_be_bytes())).collect()
}

/// Peak memory of this process, in bytes; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Peak growth since `before`, in MiB.
fn grown(before: u64) -> u64 {
    (peak_memory() - before) >> 20
}

#[tokio::test]
async fn hostile_peers_take_little_memory() {
    let limits = Limits {
        message_patience: Duration::from_millis(500),
        ..Limits::default()
    };
    let mut victim = node_with(
        1,
        NetConfig {
            exchange: limits,
            ..config()
        },
    )
    .await;
    promised_bytes_take_none_until_they_come(&mut victim).await;
    an_endless_wantlist_is_cut_off(&mut victim).await;
    long_lists_are_counted_before_they_are_built(&mut victim).await;
    victim.still_works().await;
}

async fn promised_bytes_take_none_until_they_come(victim: &mut Node) {
    let mut attacker = Attacker::connect(victim).await;
    let before = peak_memory();
    for _ in 0..4 {
        attacker.send_raw(&[0x80, 0x80, 0x80, 0x02, 0x0a]).await;
    }
    victim.bans(attacker.id).await;
    assert!(
        grown(before) < 8,
        "grew by {} MiB for four promises of 4 MiB",
        grown(before)
    );
}

async fn an_endless_wantlist_is_cut_off(victim: &mut Node) {
    let mut attacker = Attacker::connect(victim).await;
    let before = peak_memory();
    let mut start = 0;
    while start < 200_000 && attacker.send(&wants(cids(start..start + 1000), WantType::Block)).await {
        start += 1000;
    }
    victim.bans(attacker.id).await;
    assert!(grown(before) < 64, "grew by {} MiB", grown(before));
}

async fn long_lists_are_counted_before_they_are_built(victim: &mut Node) {
    let mut attacker = Attacker::connect(victim).await;
    attacker
        .send(&wants(cids(0..MAX_ENTRIES as u32 + 1), WantType::Have))
        .await;
    victim.bans(attacker.id).await;

    // Two bytes a want, 2 Mi wants in the largest message: more than 100 MiB if decoded before counting.
    let mut attacker = Attacker::connect(victim).await;
    let wants = [0x0a, 0x00].repeat((MAX_MESSAGE - 8) / 2);
    let list = [&[0x0a], varint(wants.len()).as_slice(), &wants].concat();
    let message = [varint(list.len()).as_slice(), &list].concat();
    let before = peak_memory();
    attacker.send_raw(&message).await;
    victim.bans(attacker.id).await;
    assert!(grown(before) < 40, "grew by {} MiB", grown(before));
}

fn varint(value: usize) -> Vec<u8> {
    unsigned_varint::encode::usize(value, &mut unsigned_varint::encode::usize_buffer()).to_vec()
}
