//! What a market's events say, as a pure state machine: no I/O, no clock, no trust.
//!
//! * [`Event`]: one thing that happened, with the time of its block passed beside it.
//! * [`Bounty`]: one bounty as its events left it; phases follow from facts and the time asked for.
//! * [`Book`]: every bounty of a market, and what it owes to whom.
//! * [`pool`]: cut and choose, as the contract does it.
//!
//! The contract is the truth and this is its shadow: an event that the contract could not have emitted in
//! this state is [`Impossible`], which is how a lying or broken endpoint is noticed.

mod event;
pub mod pool;

pub use event::{EntryId, Event, Listing, Schedule, Terms};

use crate::chain::states::{EntryState, Mode, Phase};
use alloy::primitives::{Address, B256, U256};
use std::collections::{BTreeMap, BTreeSet};

/// Entries behind the prizes that stay on the board.
const RESERVES: usize = 4;
/// Most proposed keys that are remembered of one bounty.
const MOST_PROPOSED: usize = 256;

/// What cannot have happened, given what happened before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bounty {bounty}: {what}")]
pub struct Impossible {
    pub bounty: u64,
    pub what: &'static str,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: u32,
    pub state: EntryState,
    pub score: u32,
    pub vk: B256,
    pub payout: Address,
    /// Results hash of each shard proved so far.
    pub proved: BTreeMap<u64, U256>,
    /// Prize that a reserve was given.
    pub promoted: Option<u8>,
    /// The large claim under inspection, or that failed it.
    pub listing: Option<Listing>,
    /// Chunks of it that wait for an answer, and until when.
    pub asked: BTreeMap<u64, u64>,
    /// Its large claim failed: it cannot claim again.
    pub failed: bool,
    /// Its share of a lost bond was paid.
    shared: bool,
}

/// One row of the board, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub entry: EntryId,
    pub score: u32,
    pub seq: u32,
    pub state: EntryState,
    /// Index of the prize; none for a reserve.
    pub prize: Option<u8>,
}

/// One bounty as its events left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounty {
    pub terms: Terms,
    pub digests: Vec<B256>,
    pub revealed_at: Option<u64>,
    pub attested_at: Option<u64>,
    pub settled: Option<Phase>,
    pub entries: BTreeMap<EntryId, Entry>,
    /// Start of the present round of Claim, once an act of Claim fixed it.
    pub claim_start: Option<u64>,
    pub paid: u32,
    /// The bond is lost, and ranked entries are still paid.
    pub broken: bool,
    /// Of a lost bond, what each entry gets when it is refunded.
    pub share: U256,
    /// Keys that entries may prove with, those accepted later included.
    pub keys: BTreeSet<B256>,
    /// Keys that somebody asked to be accepted, with the architectures named for them.
    pub proposed: BTreeSet<(B256, B256)>,
    /// Shards that wait for an answer: challenger and deadline.
    pub challenged: BTreeMap<u64, (Address, u64)>,
    /// Shard challenges so far.
    pub challenges: u32,
    /// When the drawn shards are due; none without a draw, or once they are all open.
    pub draw_end: Option<u64>,
    /// The beacon's choice, and what was opened of it.
    drawn: Option<(U256, BTreeSet<u16>)>,
    board: Vec<EntryId>,
}

impl Bounty {
    fn new(terms: Terms, at: u64) -> Self {
        let open = terms.mode == Mode::Open;
        Self {
            digests: terms.digests.clone(),
            revealed_at: open.then_some(at),
            attested_at: open.then_some(at),
            settled: None,
            entries: BTreeMap::new(),
            claim_start: None,
            paid: 0,
            broken: false,
            share: U256::ZERO,
            keys: terms.score_keys.iter().copied().collect(),
            proposed: BTreeSet::new(),
            challenged: BTreeMap::new(),
            challenges: 0,
            draw_end: terms.draw.map(|window| at + window),
            drawn: None,
            board: vec![],
            terms,
        }
    }

    /// Where it stands at a block time.
    pub fn phase(&self, now: u64) -> Phase {
        let s = &self.terms.schedule;
        if let Some(p) = self.settled {
            return p;
        }
        if self.draw_end.is_some_and(|end| now >= end) {
            return Phase::Defaulted;
        }
        if now < s.commit_end {
            return Phase::Commit;
        }
        if self.entries.is_empty() || self.broken {
            return Phase::Claim;
        }
        let Some(revealed) = self.revealed_at else {
            return match now < s.commit_end + s.gap + s.reveal {
                true => Phase::Reveal,
                false => Phase::Defaulted,
            };
        };
        if self.overdue_at().is_some_and(|at| now >= at) {
            return Phase::Defaulted;
        }
        if self.attested_at.is_none() {
            return match now < revealed + s.attest {
                true => Phase::Attest,
                false => Phase::Defaulted,
            };
        }
        match self.prove_end() {
            Some(end) if now < end => Phase::Prove,
            _ => Phase::Claim,
        }
    }

    /// End of Prove; none before attestation.
    pub fn prove_end(&self) -> Option<u64> {
        let s = &self.terms.schedule;
        let from = match self.terms.mode {
            Mode::Open => s.commit_end,
            Mode::Sealed => self.attested_at?,
        };
        // A challenge adds one answer window, once.
        Some(from + s.prove + if self.challenges == 0 { 0 } else { s.answer })
    }

    /// Earliest deadline among the shards that wait for an answer.
    pub fn overdue_at(&self) -> Option<u64> {
        self.challenged.values().map(|(_, deadline)| *deadline).min()
    }

    /// Whether a beacon decides, or decided, what becomes public, and not all of that is open yet.
    pub fn draw_pending(&self) -> bool {
        self.draw_end.is_some()
    }

    /// The present round of Claim, [start, end); none before Prove has an end.
    pub fn round(&self) -> Option<(u64, u64)> {
        let s = &self.terms.schedule;
        let start = match self.claim_start {
            Some(start) => start,
            None => self.prove_end()? + s.gap,
        };
        Some((start, start + s.claim))
    }

    /// Whether an entry has a stake or a share of a lost bond to take back now.
    pub fn refundable(&self, entry: &EntryId) -> bool {
        let Some(e) = self.entries.get(entry).filter(|_| self.settled.is_some()) else {
            return false;
        };
        e.state == EntryState::Committed || (!self.share.is_zero() && !e.shared)
    }

    /// The board, best first.
    pub fn rows(&self) -> Vec<Row> {
        let prizes = self.terms.prizes.len();
        let rows = self.board.iter().enumerate().filter_map(|(i, id)| {
            let e = self.entries.get(id)?;
            let paid_rank = (i < prizes).then_some(i as u8);
            Some(Row {
                entry: *id,
                score: e.score,
                seq: e.seq,
                state: e.state,
                prize: paid_rank.or(e.promoted),
            })
        });
        rows.collect()
    }

    /// When the present phase ends by itself, and what that is called.
    pub fn next(&self, now: u64) -> Option<(&'static str, u64)> {
        let s = &self.terms.schedule;
        match self.phase(now) {
            Phase::Commit => Some(("Commit ends", s.commit_end)),
            Phase::Reveal if now < s.commit_end + s.gap => Some(("Reveal opens", s.commit_end + s.gap)),
            Phase::Reveal => Some(("Reveal ends", s.commit_end + s.gap + s.reveal)),
            Phase::Attest => self.revealed_at.map(|r| ("Attest ends", r + s.attest)),
            Phase::Prove => self.prove_end().map(|end| ("Prove ends", end)),
            Phase::Claim => match self.round()? {
                (start, _) if now < start => Some(("claims open", start)),
                (_, end) => Some(("claims end", end)),
            },
            _ => None,
        }
    }

    fn apply(&mut self, id: u64, at: u64, event: &Event) -> Result<(), Impossible> {
        let no = |what| Err(Impossible { bounty: id, what });
        if self.settled.is_some() && !matches!(event, Event::Refunded { .. }) {
            return no("it is settled, and something but a refund happens");
        }
        match event {
            Event::Committed {
                entry, seq, vk, payout, ..
            } => {
                if *seq as usize != self.entries.len() + 1 {
                    return no("entries are not numbered one after another");
                }
                let fresh = Entry {
                    seq: *seq,
                    state: EntryState::Committed,
                    score: 0,
                    vk: *vk,
                    payout: *payout,
                    proved: BTreeMap::new(),
                    promoted: None,
                    listing: None,
                    asked: BTreeMap::new(),
                    failed: false,
                    shared: false,
                };
                if self.entries.insert(*entry, fresh).is_some() {
                    return no("a slot is taken twice");
                }
            }
            Event::Revealed { digests, .. } => {
                if self.revealed_at.is_some() || digests.len() != self.terms.lengths.len() {
                    return no("the hold-out is revealed twice, or not all of it");
                }
                self.revealed_at = Some(at);
                self.digests.clone_from(digests);
            }
            Event::Attested { .. } => {
                if self.revealed_at.is_none() || self.attested_at.is_some() {
                    return no("it is attested before its reveal, or twice");
                }
                self.attested_at = Some(at);
            }
            Event::ShardProved {
                entry,
                shard,
                score,
                results,
                ..
            } => {
                let shards = self.terms.lengths.len() as u64;
                let Some(e) = self.entries.get_mut(entry).filter(|e| e.state == EntryState::Committed) else {
                    return no("a shard is proved for no open entry");
                };
                if *shard >= shards || e.proved.insert(*shard, *results).is_some() {
                    return no("a shard is proved twice, or there is none of that number");
                }
                e.score = e.score.saturating_add(*score);
            }
            Event::Scored {
                entry, score, ranked, ..
            } => self.scored(id, *entry, *score, *ranked)?,
            Event::Displaced { entry, .. } => {
                if self.board.last() != Some(entry) {
                    return no("another entry than the last leaves the board");
                }
                self.board.pop();
                self.turn(id, *entry, EntryState::Ranked, EntryState::Proved)?;
            }
            Event::Claimed { entry, prize, .. } => {
                self.holds(id, *entry, *prize)?;
                self.turn(id, *entry, EntryState::Ranked, EntryState::Claimed)?;
                self.paid += 1;
            }
            Event::Listed { entry, listing, .. } => {
                self.holds(id, *entry, listing.prize)?;
                self.turn(id, *entry, EntryState::Ranked, EntryState::Claiming)?;
                if let Some(e) = self.entries.get_mut(entry) {
                    e.listing = Some((**listing).clone());
                }
            }
            Event::ChunkChallenged {
                entry, chunk, deadline, ..
            } => {
                let Some(e) = self.entries.get_mut(entry).filter(|e| e.state == EntryState::Claiming) else {
                    return no("a chunk is challenged of a claim that is not listed");
                };
                if e.asked.insert(*chunk, *deadline).is_some() {
                    return no("a chunk is challenged twice");
                }
            }
            Event::ChunkAnswered { entry, chunk, .. } => {
                let until = at + self.terms.schedule.answer;
                let Some(e) = self.entries.get_mut(entry) else {
                    return no("a chunk is answered of a claim that is not there");
                };
                if e.asked.remove(chunk).is_none() {
                    return no("a chunk is answered that nobody challenged");
                }
                if let Some(l) = &mut e.listing {
                    l.until = l.until.max(until);
                }
            }
            Event::ClaimSettled { entry, .. } => {
                self.turn(id, *entry, EntryState::Claiming, EntryState::Claimed)?;
                self.paid += 1;
            }
            Event::ClaimFailed { entry, .. } => {
                self.turn(id, *entry, EntryState::Claiming, EntryState::Ranked)?;
                if let Some(e) = self.entries.get_mut(entry) {
                    e.failed = true;
                    e.asked.clear();
                }
            }
            Event::BondLost { claim_start, share, .. } => {
                if self.broken || self.board.is_empty() {
                    return no("a bond is lost twice, or before anybody is ranked");
                }
                self.broken = true;
                self.share = *share;
                self.challenged.clear();
                self.claim_start.get_or_insert(*claim_start);
            }
            Event::KeyProposed { vk, architecture, .. } => {
                // Anyone may propose for a few cents: what is over the limit is not looked at.
                if self.proposed.len() < MOST_PROPOSED {
                    self.proposed.insert((*vk, *architecture));
                }
            }
            Event::KeyAccepted { vk, .. } => {
                if !self.keys.insert(*vk) {
                    return no("a key is accepted twice");
                }
            }
            Event::Picked { picked, .. } => {
                if self.draw_end.is_none() || self.drawn.is_some() {
                    return no("it is drawn twice, or has no draw");
                }
                self.drawn = Some((*picked, BTreeSet::new()));
            }
            Event::Opened { index, .. } => {
                let Some((picked, opened)) = &mut self.drawn else {
                    return no("a drawn shard is opened before the draw");
                };
                if !picked.bit(usize::from(*index)) || !opened.insert(*index) {
                    return no("a shard is opened that was not drawn, or twice");
                }
                if opened.len() == picked.count_ones() {
                    self.draw_end = None;
                }
            }
            Event::ShardChallenged {
                shard,
                challenger,
                deadline,
                ..
            } => {
                if self.revealed_at.is_none() || *shard >= self.terms.lengths.len() as u64 {
                    return no("a shard is challenged that is not revealed");
                }
                if self.challenged.insert(*shard, (*challenger, *deadline)).is_some() {
                    return no("a shard is challenged twice");
                }
                self.challenges += 1;
            }
            Event::ShardAnswered { shard, .. } => {
                if self.challenged.remove(shard).is_none() {
                    return no("a shard is answered that nobody challenged");
                }
            }
            Event::Lapsed { entry, .. } => {
                self.turn(id, *entry, EntryState::Ranked, EntryState::Lapsed)?;
                self.claim_start = Some(at + self.terms.schedule.gap);
            }
            Event::Promoted {
                entry,
                prize,
                claim_start,
                ..
            } => {
                let Some(e) = self.entries.get_mut(entry).filter(|e| e.state == EntryState::Ranked) else {
                    return no("an entry is promoted that is not on the board");
                };
                e.promoted = Some(*prize);
                self.claim_start = Some(*claim_start);
            }
            Event::Settled { phase, share, .. } => {
                if !matches!(phase, Phase::Closed | Phase::Cancelled | Phase::Defaulted) {
                    return no("it ends in a phase that is no end");
                }
                self.settled = Some(*phase);
                self.share = *share;
                self.challenged.clear();
            }
            Event::Refunded { entry, stake, .. } => self.refunded(id, *entry, *stake)?,
            Event::Created { .. } | Event::Credited { .. } | Event::Withdrawn { .. } => {}
        }
        Ok(())
    }

    /// Whether an entry holds this prize in the present round, whose start is fixed now.
    fn holds(&mut self, id: u64, entry: EntryId, prize: u8) -> Result<(), Impossible> {
        let row = self.rows().into_iter().find(|r| r.entry == entry);
        if row.is_none_or(|r| r.prize != Some(prize)) {
            return Err(Impossible {
                bounty: id,
                what: "a prize goes to an entry that does not hold it",
            });
        }
        self.claim_start = self.round().map(|(start, _)| start);
        Ok(())
    }

    /// A stake comes back, or a share of a lost bond, or both; the share once.
    fn refunded(&mut self, id: u64, entry: EntryId, stake: U256) -> Result<(), Impossible> {
        let no = |what| Err(Impossible { bounty: id, what });
        let settled = self.settled.is_some();
        let Some(e) = self.entries.get_mut(&entry) else {
            return no("an entry is refunded that is not there");
        };
        match (e.state, stake.is_zero()) {
            // The board is settled before the bounty is: reserves' stakes come back.
            (EntryState::Ranked, false) if !settled => e.state = EntryState::Refunded,
            (EntryState::Committed, false) | (EntryState::Proved, true) if settled && !e.shared => {
                e.state = EntryState::Refunded;
                e.shared = true;
            }
            (EntryState::Claimed | EntryState::Lapsed | EntryState::Refunded, true) if settled && !e.shared => {
                e.shared = true;
            }
            _ => return no("an entry is refunded that holds nothing"),
        }
        Ok(())
    }

    fn turn(&mut self, id: u64, entry: EntryId, from: EntryState, to: EntryState) -> Result<(), Impossible> {
        match self.entries.get_mut(&entry).filter(|e| e.state == from) {
            Some(e) => {
                e.state = to;
                Ok(())
            }
            None => Err(Impossible {
                bounty: id,
                what: "an entry changes from a state it is not in",
            }),
        }
    }

    /// Puts a scored entry where score, then commit order say.
    fn scored(&mut self, id: u64, entry: EntryId, score: u32, ranked: bool) -> Result<(), Impossible> {
        let no = |what| Err(Impossible { bounty: id, what });
        let shards = self.terms.lengths.len();
        let Some(e) = self.entries.get(&entry) else {
            return no("an entry is scored that is not there");
        };
        if e.proved.len() != shards || e.score != score {
            return no("a score is not the sum of all shards");
        }
        let to = if ranked { EntryState::Ranked } else { EntryState::Proved };
        let seq = e.seq;
        self.turn(id, entry, EntryState::Committed, to)?;
        if !ranked {
            return Ok(());
        }
        if score < self.terms.threshold || self.board.len() >= self.terms.prizes.len() + RESERVES {
            return no("an entry is ranked below the threshold, or on a full board");
        }
        let place = self.board.iter().position(|other| {
            let o = self.entries.get(other);
            o.is_some_and(|o| (o.score, u32::MAX - o.seq) < (score, u32::MAX - seq))
        });
        self.board.insert(place.unwrap_or(self.board.len()), entry);
        Ok(())
    }
}

/// Every bounty of a market, and what the market owes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    pub bounties: BTreeMap<u64, Bounty>,
    /// By asset (zero address: ether) and account.
    pub owed: BTreeMap<(Address, Address), U256>,
}

impl Book {
    /// Applies what happened in a block of time `at` (Unix seconds).
    ///
    /// # Errors
    /// [`Impossible`]; what was applied before it stays.
    pub fn apply(&mut self, at: u64, event: &Event) -> Result<(), Impossible> {
        match event {
            Event::Created { id, terms } => {
                if *id != self.bounties.len() as u64 + 1 {
                    return Err(Impossible {
                        bounty: *id,
                        what: "bounties are not numbered one after another",
                    });
                }
                self.bounties.insert(*id, Bounty::new((**terms).clone(), at));
                Ok(())
            }
            Event::Credited { account, asset, amount } => {
                let owed = self.owed.entry((*asset, *account)).or_default();
                *owed = owed.saturating_add(*amount);
                Ok(())
            }
            Event::Withdrawn { account, asset, amount } => match self.owed.remove(&(*asset, *account)) {
                Some(owed) if owed == *amount => Ok(()),
                _ => Err(Impossible {
                    bounty: 0,
                    what: "somebody withdraws another amount than is owed",
                }),
            },
            other => {
                let id = other.bounty().unwrap_or(0);
                let Some(b) = self.bounties.get_mut(&id) else {
                    return Err(Impossible {
                        bounty: id,
                        what: "something happens to a bounty nobody posted",
                    });
                };
                b.apply(id, at, other)
            }
        }
    }

    /// What the market owes an account, in an asset.
    pub fn owed_to(&self, asset: Address, account: Address) -> U256 {
        self.owed.get(&(asset, account)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
