//! From logs to the events of [`crate::bounty`].

use super::states::{Mode, Phase};
use crate::bounty::{Event, Listing, Schedule, Terms};
use alloy::primitives::U256;
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use anyhow::{Context, Result};
use zkaggle_bindings::IBountyMarket::{self, IBountyMarketEvents as Raw};

fn id(n: U256) -> u64 {
    n.saturating_to()
}

/// Reads a market's log.
///
/// # Errors
/// When it is no event of a market, or not well-formed.
pub fn event(log: &Log) -> Result<Event> {
    let raw = Raw::decode_log(&log.inner).context("a log is no event of this market")?;
    Ok(match raw.data {
        Raw::BountyCreated(e) => Event::Created {
            id: id(e.id),
            terms: Box::new(terms(&e)?),
        },
        Raw::EntryCommitted(e) => Event::Committed {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            seq: e.seq,
            vk: e.vkId,
            payout: e.payout,
        },
        Raw::HoldoutRevealed(e) => Event::Revealed {
            id: id(e.id),
            digests: e.digests,
        },
        Raw::DatasetAttested(e) => Event::Attested {
            id: id(e.id),
            dataset: e.dataset,
        },
        Raw::ShardProved(e) => Event::ShardProved {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            shard: id(e.shard),
            score: e.score,
            results: e.results,
        },
        Raw::EntryScored(e) => Event::Scored {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            score: e.score,
            ranked: e.ranked,
        },
        Raw::EntryDisplaced(e) => Event::Displaced {
            id: id(e.id),
            entry: (e.hunter, e.slot),
        },
        Raw::PrizeClaimed(e) => Event::Claimed {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            prize: e.prize,
        },
        Raw::EntryLapsed(e) => Event::Lapsed {
            id: id(e.id),
            entry: (e.hunter, e.slot),
        },
        Raw::EntryPromoted(e) => Event::Promoted {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            prize: e.prize,
            claim_start: id(e.claimStart),
        },
        Raw::BountySettled(e) => Event::Settled {
            id: id(e.id),
            phase: Phase::read(e.phase)?,
            share: e.share,
        },
        Raw::EntryRefunded(e) => Event::Refunded {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            stake: e.stake,
        },
        Raw::BondLost(e) => Event::BondLost {
            id: id(e.id),
            claim_start: id(e.claimStart),
            share: e.share,
        },
        Raw::KeyProposed(e) => Event::KeyProposed {
            id: id(e.id),
            vk: e.vkId,
            architecture: e.architecture,
        },
        Raw::KeyAccepted(e) => Event::KeyAccepted {
            id: id(e.id),
            vk: e.vkId,
        },
        Raw::DrawPicked(e) => Event::Picked {
            id: id(e.id),
            picked: e.picked,
        },
        Raw::DrawOpened(e) => Event::Opened {
            id: id(e.id),
            index: e.index,
        },
        Raw::ShardChallenged(e) => Event::ShardChallenged {
            id: id(e.id),
            shard: id(e.shard),
            challenger: e.challenger,
            deadline: id(e.deadline),
        },
        Raw::ShardAnswered(e) => Event::ShardAnswered {
            id: id(e.id),
            shard: id(e.shard),
        },
        Raw::ClaimListed(e) => Event::Listed {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            listing: Box::new(Listing {
                prize: e.prize,
                epk: [e.epkX, e.epkY],
                z: e.z,
                digests: e.digests,
                sums: e.sums,
                until: id(e.until),
            }),
        },
        Raw::ChunkChallenged(e) => Event::ChunkChallenged {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            chunk: id(e.chunk),
            deadline: id(e.deadline),
        },
        Raw::ChunkAnswered(e) => Event::ChunkAnswered {
            id: id(e.id),
            entry: (e.hunter, e.slot),
            chunk: id(e.chunk),
        },
        Raw::ClaimSettled(e) => Event::ClaimSettled {
            id: id(e.id),
            entry: (e.hunter, e.slot),
        },
        Raw::ClaimFailed(e) => Event::ClaimFailed {
            id: id(e.id),
            entry: (e.hunter, e.slot),
        },
        Raw::Credited(e) => Event::Credited {
            account: e.account,
            asset: e.asset,
            amount: e.amount,
        },
        Raw::Withdrawn(e) => Event::Withdrawn {
            account: e.account,
            asset: e.asset,
            amount: e.amount,
        },
    })
}

fn terms(e: &IBountyMarket::BountyCreated) -> Result<Terms> {
    let p = &e.params;
    let w = &p.windows;
    Ok(Terms {
        owner: e.owner,
        mode: Mode::read(p.mode)?,
        prizes: p.prizes.iter().map(|p| U256::from(*p)).collect(),
        stake: U256::from(p.stake),
        threshold: p.threshold,
        samples: e.samples,
        schema_id: e.schemaId,
        holdout: p.holdout,
        lengths: p.lengths.clone(),
        digests: p.digests.clone(),
        score_keys: p.scoreVkIds.clone(),
        allowed: p.allowed.clone(),
        schedule: Schedule {
            commit_end: w.commitEnd.to(),
            gap: w.gap.into(),
            reveal: w.reveal.into(),
            attest: w.attest.into(),
            prove: w.prove.into(),
            claim: w.claim.into(),
            challenge: w.challenge.into(),
            answer: w.answer.into(),
        },
        token: p.token,
        draw: (p.draw.pool != 0).then(|| p.draw.window.into()),
    })
}
