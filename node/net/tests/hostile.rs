//! Peers that break the rules: the node survives, stays small, and drops them.

#[allow(dead_code, reason = "other test files use the rest")]
mod common;
#[path = "common/hostile.rs"]
mod fixture;

use std::time::Duration;

use common::{node, soon};
use fixture::{Attacker, block, presences, wants};
use futures::StreamExt;
use prost::Message as _;
use zkaggle_net::{
    Announcement, Cid, NetEvent, Visibility,
    announce::MAX_ANNOUNCEMENT,
    bitswap::message::{Message, PresenceType, WantType},
    cid_of,
};

fn cids(range: std::ops::Range<u32>) -> Vec<Cid> {
    range.map(|i| cid_of(&i.to_be_bytes())).collect()
}

#[tokio::test]
async fn a_wrong_block_is_not_kept_and_its_sender_goes() {
    let mut victim = node(1).await;
    let honest = node(2).await;
    let mut attacker = Attacker::connect(&victim).await;
    let cid = honest.store.put(b"the shard", Visibility::Public).unwrap();
    let id = attacker.id;
    let lies = tokio::spawn(async move {
        let mut streams = Vec::new();
        loop {
            let question = attacker.hear(&mut streams).await;
            if question
                .wantlist
                .is_some_and(|list| list.entries.iter().any(|entry| !entry.cancel))
            {
                attacker.send(&block(b"another shard")).await;
            }
        }
    });
    let fetch = tokio::spawn({
        let network = victim.network.clone();
        async move { network.fetch(cid, &[]).await }
    });
    victim.bans(id).await;
    assert!(!fetch.is_finished());
    assert!(!victim.store.has(&cid) && victim.store.list().is_empty());
    honest.dial(&victim).await;
    assert_eq!(soon(fetch).await.unwrap().unwrap(), b"the shard");
    lies.abort();
}

#[tokio::test]
async fn blocks_nobody_asked_for_are_not_kept() {
    let mut victim = node(1).await;
    let mut attacker = Attacker::connect(&victim).await;
    for i in 0..3u8 {
        attacker.send(&block(&[i; 1000])).await;
    }
    victim.bans(attacker.id).await;
    assert!(victim.store.list().is_empty());
    victim.still_works().await;
}

#[tokio::test]
async fn oversized_messages_are_refused_by_their_length() {
    let mut victim = node(1).await;
    // One byte over the limit, 100 MB, 4 GiB.
    for prefix in [
        &[0x81, 0x80, 0x80, 0x02][..],
        &[0x80, 0xc2, 0xd7, 0x2f],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
    ] {
        let mut attacker = Attacker::connect(&victim).await;
        attacker.send_raw(prefix).await;
        victim.bans(attacker.id).await;
    }
    victim.still_works().await;
}

#[tokio::test]
async fn garbage_is_refused() {
    let mut victim = node(1).await;
    for garbage in [&[0x04, 0xff, 0xff, 0xff, 0xff][..], &[0x02, 0x0a, 0x7f], &[0xff; 64]] {
        let mut attacker = Attacker::connect(&victim).await;
        for _ in 0..3 {
            attacker.send_raw(garbage).await;
        }
        victim.bans(attacker.id).await;
    }
    let mut attacker = Attacker::connect(&victim).await;
    let mut bad = wants(cids(0..1), WantType::Block);
    bad.wantlist
        .iter_mut()
        .for_each(|list| list.entries[0].block = vec![0xee; 10]);
    // One stream, many messages: a stream each would be cut off as a flood of streams.
    attacker
        .send_raw(&bad.encode_length_delimited_to_vec().repeat(20))
        .await;
    victim.bans(attacker.id).await;
    victim.still_works().await;
}

#[tokio::test]
async fn a_flood_of_streams_is_cut_off() {
    let mut victim = node(1).await;
    let mut attacker = Attacker::connect(&victim).await;
    // Streams past the limit are dropped under the writer's hands, which must not stop this one.
    for _ in 0..200 {
        attacker.send_raw(&[0x00]).await;
    }
    victim.bans(attacker.id).await;
    victim.still_works().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_up_nobody_else() {
    let victim = node(1).await;
    let mut attacker = Attacker::connect(&victim).await;
    let large: Vec<Cid> = (0..8u8)
        .map(|i| {
            victim
                .store
                .put(&vec![i; zkaggle_net::MAX_BLOCK], Visibility::Public)
                .unwrap()
        })
        .collect();
    attacker.send(&wants(large, WantType::Block)).await;
    // Accepted, so that the stream exists, and never read.
    let unread = soon(attacker.incoming.next()).await;
    assert!(unread.is_some());
    victim.still_works().await;
    assert!(
        victim.network.traffic().blocks_sent < 8,
        "blocks are loaded as they are taken, not all at once"
    );
}

#[tokio::test]
async fn announcements_that_are_malformed_or_too_many_cost_the_sender() {
    let mut victim = node(1).await;
    let mut attacker = Attacker::connect(&victim).await;
    attacker.publish(b"{}".to_vec()).await;
    attacker.publish(vec![0xff; 100]).await;
    victim.bans(attacker.id).await;

    let mut attacker = Attacker::connect(&victim).await;
    attacker.publish(vec![b' '; MAX_ANNOUNCEMENT + 1]).await;
    attacker.publish(br#"{"version":2,"body":{}}"#.to_vec()).await;
    victim.bans(attacker.id).await;

    let mut attacker = Attacker::connect(&victim).await;
    for bounty in 0..400 {
        let announcement = Announcement::BountyPosted {
            chain_id: 1,
            market: [0; 20],
            bounty,
        };
        attacker.publish(announcement.encode().unwrap()).await;
        // The author's queue towards one peer is short; a flood that is dropped at its source proves nothing.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut heard = 0;
    victim
        .event(|event| {
            heard += usize::from(matches!(event, NetEvent::Announced { .. }));
            (event == NetEvent::PeerBanned(attacker.id)).then_some(())
        })
        .await;
    assert!(
        (1..=64).contains(&heard),
        "{heard} announcements of one author came through"
    );
    victim.still_works().await;
}

#[tokio::test]
async fn probing_cannot_tell_a_sealed_block_from_an_absent_one() {
    let victim = node(1).await;
    let sealed = victim.store.put(b"hold-out", Visibility::Private).unwrap();
    let absent = cid_of(b"absent");
    let public = victim.store.put(b"training set", Visibility::Public).unwrap();
    let mut attacker = Attacker::connect(&victim).await;
    let mut streams = Vec::new();
    for kind in [WantType::Have, WantType::Block] {
        attacker.send(&wants([sealed, absent], kind)).await;
        let answer = soon(attacker.hear(&mut streams)).await;
        let dont_have = PresenceType::DontHave as i32;
        let expected = [sealed, absent].map(|cid| (cid.to_bytes(), dont_have)).into();
        assert_eq!(presences(&answer), expected);
        assert!(answer.payload.is_empty());
    }
    // Without a wish to hear of absence both are met with silence: the next answer is about something else.
    let mut silent = wants([sealed, absent], WantType::Block);
    silent
        .wantlist
        .iter_mut()
        .for_each(|list| list.entries.iter_mut().for_each(|entry| entry.send_dont_have = false));
    attacker.send(&silent).await;
    attacker.send(&wants([public], WantType::Have)).await;
    let answer = soon(attacker.hear(&mut streams)).await;
    assert_eq!(
        presences(&answer),
        [(public.to_bytes(), PresenceType::Have as i32)].into()
    );
    assert_eq!(victim.network.traffic().blocks_sent, 0);

    victim.store.release(&sealed).unwrap();
    victim.network.offer(&sealed);
    let answer = soon(attacker.hear(&mut streams)).await;
    assert_eq!(
        answer,
        Message {
            presences: answer.presences.clone(),
            ..block(b"hold-out")
        }
    );
}
