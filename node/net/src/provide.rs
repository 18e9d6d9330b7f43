//! What a node tells the DHT that it serves, and what others told this node.
//!
//! A record fades: whoever still serves a block says so again every [`NetConfig::reprovide`]. In a small
//! network a newcomer may have become responsible for any record, so there it makes all of them due.
//!
//! [`NetConfig::reprovide`]: crate::NetConfig::reprovide

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use cid::Cid;
use libp2p::{
    PeerId,
    kad::{self, QueryId},
};

/// Own records at most; more are refused with a warning, since a manifest's record leads to all its shards.
pub(crate) const MAX_OWN: usize = 32 * 1024;
/// Records kept for others at most.
pub(crate) const MAX_FOREIGN: usize = 16 * 1024;
/// Addresses kept with one record.
pub(crate) const MAX_ADDRESSES: usize = 8;
/// How long a record lasts, at this node and at others: the DHT's custom.
pub(crate) const RECORD_TTL: Duration = Duration::from_secs(48 * 3600);
/// Records being published at once.
const IN_FLIGHT: usize = 16;
/// After a failed publication.
const RETRY: Duration = Duration::from_secs(60);

/// The DHT's key for a block: its multihash, so that every codec and CID version finds the same providers.
///
/// # Source
/// IPFS's Kademlia DHT specification, "Content provider records".
pub(crate) fn key_of(cid: &Cid) -> kad::RecordKey {
    kad::RecordKey::new(&cid.hash().to_bytes())
}

/// The schedule of a node's own records.
pub(crate) struct Provided {
    interval: Duration,
    due: BTreeMap<Cid, Instant>,
    /// A handful: query ids have no order to index by.
    flying: Vec<(QueryId, Cid)>,
}

impl Provided {
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: BTreeMap::new(),
            flying: Vec::new(),
        }
    }

    /// Puts a block on the schedule, due now; `false` when the schedule is full.
    pub fn add(&mut self, cid: Cid, now: Instant) -> bool {
        let room = self.due.len() < MAX_OWN || self.due.contains_key(&cid);
        if room {
            self.due.entry(cid).or_insert(now);
        }
        room
    }

    /// Takes a block off the schedule.
    pub fn remove(&mut self, cid: &Cid) {
        self.due.remove(cid);
    }

    /// Makes everything due.
    pub fn renew(&mut self, now: Instant) {
        self.due.values_mut().for_each(|due| *due = now);
    }

    /// Names the blocks to publish now, as many as may be under way.
    pub fn ready(&self, now: Instant) -> Vec<Cid> {
        let flying: BTreeSet<&Cid> = self.flying.iter().map(|(_, cid)| cid).collect();
        let due = self
            .due
            .iter()
            .filter(|(cid, due)| **due <= now && !flying.contains(cid))
            .map(|(cid, _)| *cid);
        due.take(IN_FLIGHT.saturating_sub(self.flying.len())).collect()
    }

    /// Notes that a block's publication is under way.
    pub fn started(&mut self, query: QueryId, cid: Cid, now: Instant) {
        self.flying.push((query, cid));
        self.again(cid, now + self.interval);
    }

    /// Notes the outcome; `false` when the query is none of the schedule's.
    pub fn finished(&mut self, query: &QueryId, published: bool, now: Instant) -> bool {
        let Some(at) = self.flying.iter().position(|(flying, _)| flying == query) else {
            return false;
        };
        let (_, cid) = self.flying.swap_remove(at);
        if !published {
            self.again(cid, now + RETRY);
        }
        true
    }

    fn again(&mut self, cid: Cid, at: Instant) {
        // A block taken off meanwhile stays off.
        if let Some(due) = self.due.get_mut(&cid) {
            *due = at;
        }
    }
}

/// The records kept for others: counted, so that strangers cannot fill the store that holds our own.
#[derive(Default)]
pub(crate) struct Foreign(BTreeMap<(Vec<u8>, PeerId), Instant>);

impl Foreign {
    /// Notes a record; `false` when there is no room for it.
    pub fn admit(&mut self, key: &kad::RecordKey, provider: PeerId, now: Instant) -> bool {
        let name = (key.to_vec(), provider);
        let room = self.0.len() < MAX_FOREIGN || self.0.contains_key(&name);
        if room {
            self.0.insert(name, now);
        }
        room
    }

    /// Forgets records that were not renewed, and names them.
    pub fn expire(&mut self, now: Instant) -> Vec<(kad::RecordKey, PeerId)> {
        let old = |at: &Instant| now.saturating_duration_since(*at) >= RECORD_TTL;
        let faded = self.0.iter().filter(|(_, at)| old(at));
        let faded = faded
            .map(|((key, peer), _)| (kad::RecordKey::new(key), *peer))
            .collect();
        self.0.retain(|_, at| !old(at));
        faded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::cid_of;

    #[test]
    fn a_record_is_due_at_once_and_again_after_the_interval() {
        let (hour, start) = (Duration::from_secs(3600), Instant::now());
        let mut provided = Provided::new(hour);
        let cid = cid_of(b"shard");
        assert!(provided.add(cid, start));
        assert_eq!(provided.ready(start), vec![cid]);
        provided.again(cid, start + hour);
        assert!(provided.add(cid, start), "adding it again changes nothing");
        assert!(provided.ready(start + hour / 2).is_empty());
        assert_eq!(provided.ready(start + hour), vec![cid]);
        provided.renew(start);
        assert_eq!(provided.ready(start), vec![cid]);
        provided.remove(&cid);
        provided.again(cid, start);
        assert!(provided.ready(start + hour).is_empty(), "off the schedule for good");
    }

    #[test]
    fn few_records_fly_at_once_and_the_schedule_has_a_cap() {
        let (mut provided, now) = (Provided::new(RECORD_TTL), Instant::now());
        let cids: Vec<Cid> = (0..=MAX_OWN as u32).map(|i| cid_of(&i.to_be_bytes())).collect();
        assert!(cids[..MAX_OWN].iter().all(|cid| provided.add(*cid, now)));
        assert!(!provided.add(cids[MAX_OWN], now));
        assert_eq!(provided.ready(now).len(), IN_FLIGHT);
    }

    #[test]
    fn records_of_others_have_a_cap_and_fade() {
        let (mut foreign, now, peer) = (Foreign::default(), Instant::now(), PeerId::random());
        let key = |i: usize| key_of(&cid_of(&i.to_be_bytes()));
        assert!((0..MAX_FOREIGN).all(|i| foreign.admit(&key(i), peer, now)));
        assert!(!foreign.admit(&key(MAX_FOREIGN), peer, now));
        assert!(
            foreign.admit(&key(0), peer, now + RECORD_TTL / 2),
            "a renewal takes no room"
        );
        assert_eq!(foreign.expire(now + RECORD_TTL).len(), MAX_FOREIGN - 1);
        assert!(foreign.admit(&key(MAX_FOREIGN), peer, now));
    }

    /// One key for a block, whatever codec or version names it.
    #[test]
    fn the_key_is_the_multihash() {
        let cid = cid_of(b"shard");
        assert_eq!(key_of(&cid), key_of(&Cid::new_v0(*cid.hash()).unwrap()));
        assert_eq!(key_of(&cid).to_vec().len(), 34);
    }
}
