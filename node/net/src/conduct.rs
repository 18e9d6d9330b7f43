//! What misbehaviour costs a peer.
//!
//! Each offence adds points; points fade by one a second; at [`LIMIT`] the peer is disconnected and kept
//! out for [`BAN`]. An honest peer with a bug or a slow line stays far below; a hostile one is gone after a
//! few messages. Identities are free, so a ban only costs an attacker a reconnection: what protects memory
//! are the caps on streams, messages and queues, which hold for a peer's first message too.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

/// Points at which a peer is dropped.
pub const LIMIT: u32 = 100;
/// How long a dropped peer is kept out.
pub const BAN: Duration = Duration::from_secs(600);
/// Peers remembered; beyond it the one that was least recently at fault is forgotten.
const REMEMBERED: usize = 1024;

/// Something a correct peer does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// A bitswap message that does not decode.
    Garbage,
    /// A message, or a count inside it, above the protocol's caps.
    Oversized,
    /// A block that was not asked for, which includes a wrong block for a CID that was.
    UnwantedBlock,
    /// A want for a name that is not a CID.
    BadCid,
    /// More wants than may be queued.
    WantFlood,
    /// More parallel streams than allowed.
    StreamFlood,
    /// A message begun and not finished in time.
    Stalled,
    /// An announcement that is not canonical, of an unknown kind or out of bounds.
    BadAnnouncement,
    /// Announcements faster than allowed.
    AnnouncementFlood,
    /// Provider records faster than allowed.
    RecordFlood,
}

impl Offence {
    /// Points added.
    pub fn points(self) -> u32 {
        match self {
            Self::Oversized => 100,
            Self::Garbage | Self::BadAnnouncement => 60,
            Self::UnwantedBlock | Self::Stalled | Self::WantFlood => 40,
            Self::BadCid => 10,
            Self::StreamFlood | Self::AnnouncementFlood | Self::RecordFlood => 2,
        }
    }
}

struct Record {
    points: f64,
    at: Instant,
    banned_until: Option<Instant>,
}

impl Record {
    fn faded(&self, now: Instant) -> f64 {
        (self.points - now.saturating_duration_since(self.at).as_secs_f64()).max(0.0)
    }
}

/// Keeps each peer's points and bans.
#[derive(Default)]
pub struct Conduct {
    records: BTreeMap<PeerId, Record>,
}

impl Conduct {
    /// Books an offence; `true` when the peer has to go now.
    pub fn offend(&mut self, peer: PeerId, offence: Offence, now: Instant) -> bool {
        let record = self.records.entry(peer).or_insert(Record {
            points: 0.0,
            at: now,
            banned_until: None,
        });
        record.points = record.faded(now) + f64::from(offence.points());
        record.at = now;
        let gone = record.points >= f64::from(LIMIT) && record.banned_until.is_none();
        if gone {
            record.banned_until = Some(now + BAN);
        }
        if self.records.len() > REMEMBERED {
            let forgotten = self
                .records
                .iter()
                .filter(|(_, r)| r.banned_until.is_none())
                .min_by_key(|(_, r)| r.at);
            let forgotten = forgotten
                .or_else(|| self.records.iter().min_by_key(|(_, r)| r.at))
                .map(|(peer, _)| *peer);
            forgotten.map(|peer| self.records.remove(&peer));
        }
        gone
    }

    /// Says whether a peer is kept out.
    pub fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        self.records
            .get(peer)
            .is_some_and(|record| record.banned_until.is_some_and(|until| now < until))
    }

    /// Forgets bans that are over and returns their peers; forgets faded records too.
    pub fn expire(&mut self, now: Instant) -> Vec<PeerId> {
        let over = |record: &Record| record.banned_until.is_some_and(|until| until <= now);
        let freed = self
            .records
            .iter()
            .filter(|(_, record)| over(record))
            .map(|(peer, _)| *peer)
            .collect();
        self.records.retain(|_, record| match record.banned_until {
            Some(until) => now < until,
            None => record.faded(now) > 0.0,
        });
        freed
    }
}

/// A token bucket: `burst` at once, `per_second` sustained.
#[derive(Clone, Debug)]
pub struct Bucket {
    tokens: f64,
    at: Instant,
    burst: f64,
    per_second: f64,
}

impl Bucket {
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        Self {
            tokens: f64::from(burst),
            at: now,
            burst: f64::from(burst),
            per_second: f64::from(per_second),
        }
    }

    /// Takes a token; `false` when none is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let refill = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + refill).min(self.burst);
        self.at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }

    /// When it was last asked.
    pub fn last_used(&self) -> Instant {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fade_and_add_up_to_a_ban() {
        let (mut conduct, peer, start) = (Conduct::default(), PeerId::random(), Instant::now());
        assert!(!conduct.offend(peer, Offence::Garbage, start));
        let later = start + Duration::from_secs(60);
        assert!(!conduct.offend(peer, Offence::Garbage, later), "the first has faded");
        assert!(conduct.offend(peer, Offence::Garbage, later));
        assert!(!conduct.offend(peer, Offence::Garbage, later), "told once");
        assert!(conduct.is_banned(&peer, later + BAN - Duration::from_secs(1)));
        assert_eq!(conduct.expire(later + BAN), vec![peer]);
        assert!(!conduct.is_banned(&peer, later + BAN));
    }

    #[test]
    fn memory_of_offenders_is_bounded_and_keeps_bans() {
        let (mut conduct, now) = (Conduct::default(), Instant::now());
        let banned = PeerId::random();
        assert!(conduct.offend(banned, Offence::Oversized, now));
        for _ in 0..2 * REMEMBERED {
            conduct.offend(PeerId::random(), Offence::BadCid, now);
        }
        assert!(conduct.records.len() <= REMEMBERED);
        assert!(conduct.is_banned(&banned, now));
    }

    #[test]
    fn bucket_grants_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(3, 2, start);
        assert_eq!((0..5).filter(|_| bucket.take(start)).count(), 3);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..5).filter(|_| bucket.take(later)).count(), 2);
    }
}
