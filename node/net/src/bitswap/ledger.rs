//! What one peer wants from us, and what we asked it for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cid::Cid;

use super::message::{Entry, WantType};

/// A want that waits for an answer, or for the block to appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub kind: WantType,
    /// Answer even when the block is not here.
    pub answer_absence: bool,
}

/// One peer's side of the exchange.
///
/// Wants are remembered until they are cancelled or served, so that a block that appears later is sent to
/// whoever asked. Both lists are capped: past the cap, wants are ignored and the peer is at fault.
#[derive(Default)]
pub struct Ledger {
    wants: BTreeMap<Cid, Want>,
    /// Wants to look at now, by arrival; each also stands in `wants`.
    queue: BTreeMap<u64, Cid>,
    queued: BTreeMap<Cid, u64>,
    arrivals: u64,
    asked: BTreeSet<Cid>,
    asked_order: VecDeque<Cid>,
}

impl Ledger {
    /// Takes over one entry of a wantlist; `false` when the list is full.
    pub fn apply(&mut self, cid: Cid, entry: &Entry, cap: usize) -> bool {
        if entry.cancel {
            self.forget(&cid);
            return true;
        }
        if self.wants.len() >= cap && !self.wants.contains_key(&cid) {
            return false;
        }
        let kind = WantType::try_from(entry.want_type).unwrap_or(WantType::Block);
        self.wants.insert(
            cid,
            Want {
                kind,
                answer_absence: entry.send_dont_have,
            },
        );
        self.enqueue(cid);
        true
    }

    /// Forgets every want: a full wantlist follows.
    pub fn clear_wants(&mut self) {
        self.wants.clear();
        self.queue.clear();
        self.queued.clear();
    }

    /// Looks at a remembered want again, because its block has become available; `false` when there is none.
    pub fn requeue(&mut self, cid: &Cid) -> bool {
        let wanted = self.wants.contains_key(cid);
        if wanted {
            self.enqueue(*cid);
        }
        wanted
    }

    fn enqueue(&mut self, cid: Cid) {
        self.queued.entry(cid).or_insert_with(|| {
            self.arrivals += 1;
            self.queue.insert(self.arrivals, cid);
            self.arrivals
        });
    }

    fn forget(&mut self, cid: &Cid) {
        self.wants.remove(cid);
        if let Some(arrival) = self.queued.remove(cid) {
            self.queue.remove(&arrival);
        }
    }

    /// Takes the next want to answer; it stays remembered until [`Ledger::served`].
    pub fn next(&mut self) -> Option<(Cid, Want)> {
        let (_, cid) = self.queue.pop_first()?;
        self.queued.remove(&cid);
        self.wants.get(&cid).map(|want| (cid, *want))
    }

    /// Says whether [`Ledger::next`] has something to give.
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Marks a want as answered by its block.
    pub fn served(&mut self, cid: &Cid) {
        self.forget(cid);
    }

    /// Remembers that this peer was asked for a block, forgetting the oldest past the cap.
    ///
    /// It stays remembered after the block arrived: an answer may cross our cancel on its way.
    pub fn ask(&mut self, cid: Cid, cap: usize) {
        if self.asked.insert(cid) {
            self.asked_order.push_back(cid);
        }
        if self.asked.len() > cap
            && let Some(oldest) = self.asked_order.pop_front()
        {
            self.asked.remove(&oldest);
        }
    }

    /// Says whether a block from this peer answers a question of ours.
    pub fn was_asked(&self, cid: &Cid) -> bool {
        self.asked.contains(cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::cid_of;

    fn entry(cancel: bool) -> Entry {
        Entry {
            block: vec![],
            priority: 1,
            cancel,
            want_type: WantType::Block as i32,
            send_dont_have: true,
        }
    }

    #[test]
    fn wants_wait_until_served_or_cancelled() {
        let (mut ledger, cid, other) = (Ledger::default(), cid_of(b"a"), cid_of(b"b"));
        assert!(ledger.apply(cid, &entry(false), 10));
        assert_eq!(ledger.next().map(|(cid, _)| cid), Some(cid));
        assert!(ledger.next().is_none());
        assert!(ledger.requeue(&cid), "still wanted");
        assert_eq!(ledger.next().map(|(cid, _)| cid), Some(cid));
        ledger.served(&cid);
        assert!(!ledger.requeue(&cid));
        ledger.apply(other, &entry(false), 10);
        ledger.apply(other, &entry(true), 10);
        assert!(ledger.next().is_none(), "cancelled");
    }

    #[test]
    fn the_list_has_a_cap() {
        let mut ledger = Ledger::default();
        let cids: Vec<Cid> = (0..4u8).map(|i| cid_of(&[i])).collect();
        assert!(cids[..3].iter().all(|cid| ledger.apply(*cid, &entry(false), 3)));
        assert!(!ledger.apply(cids[3], &entry(false), 3));
        assert!(ledger.apply(cids[0], &entry(false), 3), "a repeated want takes no room");
        assert!(ledger.apply(cids[3], &entry(true), 3), "a cancel always goes through");
        assert_eq!(std::iter::from_fn(|| ledger.next()).count(), 3);
        ledger.clear_wants();
        assert!(!ledger.requeue(&cids[0]));
    }

    #[test]
    fn cancelling_and_wanting_in_turns_does_not_grow_the_queue() {
        let (mut ledger, cid) = (Ledger::default(), cid_of(b"a"));
        for _ in 0..100 {
            ledger.apply(cid, &entry(false), 3);
            ledger.apply(cid, &entry(true), 3);
        }
        assert!(ledger.queue.is_empty());
        let many = (0..100u8).map(|i| cid_of(&[i]));
        for cid in many {
            ledger.apply(cid, &entry(false), 3);
            ledger.apply(cid, &entry(true), 3);
        }
        assert!(ledger.queue.is_empty() && ledger.queued.is_empty());
    }

    #[test]
    fn questions_are_remembered_up_to_a_cap() {
        let mut ledger = Ledger::default();
        for i in 0..5u8 {
            ledger.ask(cid_of(&[i]), 3);
        }
        assert!(!ledger.was_asked(&cid_of(&[1])));
        assert!(ledger.was_asked(&cid_of(&[2])) && ledger.was_asked(&cid_of(&[4])));
    }
}
