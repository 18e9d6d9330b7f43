//! Phases, boards, and events that cannot have happened.

use super::*;

const A: EntryId = (Address::repeat_byte(1), 0);
const B: EntryId = (Address::repeat_byte(2), 0);

fn terms(mode: Mode) -> Terms {
    Terms {
        owner: Address::repeat_byte(9),
        mode,
        prizes: vec![U256::from(10)],
        stake: U256::from(1),
        threshold: 5,
        samples: 10,
        schema_id: B256::ZERO,
        holdout: B256::ZERO,
        lengths: vec![10],
        digests: vec![],
        score_keys: vec![B256::ZERO],
        allowed: vec![],
        schedule: Schedule {
            commit_end: 100,
            gap: 10,
            reveal: 20,
            attest: 30,
            prove: 40,
            claim: 50,
            challenge: 20,
            answer: 15,
        },
        token: Address::ZERO,
        draw: None,
    }
}

fn committed(entry: EntryId, seq: u32) -> Event {
    Event::Committed {
        id: 1,
        entry,
        seq,
        vk: B256::ZERO,
        payout: entry.0,
    }
}

fn proved(entry: EntryId, score: u32) -> [Event; 2] {
    let shard = Event::ShardProved {
        id: 1,
        entry,
        shard: 0,
        score,
        results: U256::from(7),
    };
    let scored = Event::Scored {
        id: 1,
        entry,
        score,
        ranked: score >= 5,
    };
    [shard, scored]
}

fn created(mode: Mode) -> Event {
    Event::Created {
        id: 1,
        terms: Box::new(terms(mode)),
    }
}

fn story(events: &[(u64, Event)]) -> Book {
    let mut book = Book::default();
    for (at, e) in events {
        book.apply(*at, e).unwrap_or_else(|i| panic!("{i}: {e:?}"));
    }
    book
}

#[test]
fn phases_follow_from_facts_and_time() {
    let empty = story(&[(50, created(Mode::Sealed))]);
    let b = &empty.bounties[&1];
    assert_eq!((b.phase(99), b.phase(100)), (Phase::Commit, Phase::Claim));

    let entered = story(&[(50, created(Mode::Sealed)), (60, committed(A, 1))]);
    let b = &entered.bounties[&1];
    assert_eq!(
        (b.phase(100), b.phase(129), b.phase(130)),
        (Phase::Reveal, Phase::Reveal, Phase::Defaulted)
    );
    assert_eq!(b.next(105), Some(("Reveal opens", 110)));

    let revealed = Event::Revealed {
        id: 1,
        digests: vec![B256::ZERO],
    };
    let attested = Event::Attested {
        id: 1,
        dataset: B256::ZERO,
    };
    let full = story(&[
        (50, created(Mode::Sealed)),
        (60, committed(A, 1)),
        (115, revealed),
        (120, attested),
    ]);
    let b = &full.bounties[&1];
    assert_eq!((b.phase(159), b.phase(160)), (Phase::Prove, Phase::Claim));
    assert_eq!(b.round(), Some((170, 220)));
    assert_eq!(story(&[(50, created(Mode::Open))]).bounties[&1].prove_end(), Some(140));
}

#[test]
fn the_board_is_by_score_then_by_order() {
    let mut events = vec![(50, created(Mode::Open)), (60, committed(A, 1)), (61, committed(B, 2))];
    events.extend(proved(B, 6).map(|e| (70, e)));
    events.extend(proved(A, 6).map(|e| (71, e)));
    let book = story(&events);
    let rows: Vec<EntryId> = book.bounties[&1].rows().iter().map(|r| r.entry).collect();
    assert_eq!(rows, [A, B], "a tie goes to who committed first");
    assert_eq!(book.bounties[&1].rows()[1].prize, None);
}

/// Each of these the contract cannot emit: whoever says so is not believed.
#[test]
fn what_cannot_have_happened_is_refused() {
    let base = [(50, created(Mode::Open)), (60, committed(A, 1))];
    let lies: [Event; 9] = [
        created(Mode::Open),
        committed(A, 2),
        committed(B, 3),
        Event::Claimed {
            id: 1,
            entry: A,
            prize: 0,
        },
        Event::Lapsed { id: 1, entry: A },
        Event::Displaced { id: 1, entry: A },
        Event::Scored {
            id: 1,
            entry: A,
            score: 9,
            ranked: true,
        },
        Event::Settled {
            id: 1,
            phase: Phase::Prove,
            share: U256::ZERO,
        },
        Event::Withdrawn {
            account: A.0,
            asset: Address::ZERO,
            amount: U256::from(1),
        },
    ];
    for lie in lies {
        let mut book = story(&base);
        assert!(book.apply(70, &lie).is_err(), "{lie:?}");
    }
    let mut settled = story(&base);
    settled
        .apply(
            70,
            &Event::Settled {
                id: 1,
                phase: Phase::Closed,
                share: U256::ZERO,
            },
        )
        .unwrap();
    settled
        .apply(
            71,
            &Event::Refunded {
                id: 1,
                entry: A,
                stake: U256::from(1),
            },
        )
        .unwrap();
    assert!(
        settled
            .apply(
                72,
                &Event::Refunded {
                    id: 1,
                    entry: A,
                    stake: U256::from(1)
                }
            )
            .is_err(),
        "refunded twice"
    );
    assert!(settled.apply(72, &committed(B, 2)).is_err(), "entered after the end");
}

/// A challenged shard defaults the bounty at its deadline, an answer lifts that, and Prove grows once.
#[test]
fn challenges_move_deadlines() {
    let revealed = Event::Revealed {
        id: 1,
        digests: vec![B256::ZERO],
    };
    let attested = Event::Attested {
        id: 1,
        dataset: B256::ZERO,
    };
    let challenged = Event::ShardChallenged {
        id: 1,
        shard: 0,
        challenger: A.0,
        deadline: 136,
    };
    let mut book = story(&[
        (50, created(Mode::Sealed)),
        (60, committed(A, 1)),
        (115, revealed),
        (120, attested),
        (121, challenged.clone()),
    ]);
    let b = &book.bounties[&1];
    assert_eq!((b.phase(135), b.phase(136)), (Phase::Prove, Phase::Defaulted));
    assert_eq!(b.prove_end(), Some(175));
    assert!(book.clone().apply(122, &challenged).is_err(), "challenged twice");
    book.apply(130, &Event::ShardAnswered { id: 1, shard: 0 }).unwrap();
    assert_eq!(book.bounties[&1].phase(174), Phase::Prove);
    assert!(book.apply(131, &Event::ShardAnswered { id: 1, shard: 0 }).is_err());
}

/// A large claim is inspected: an answered chunk gives more time, an unanswered one voids it.
#[test]
fn a_large_claim_is_paid_after_inspection() {
    let mut events = vec![(50, created(Mode::Open)), (60, committed(A, 1))];
    events.extend(proved(A, 6).map(|e| (70, e)));
    let listing = Listing {
        prize: 0,
        epk: [U256::ZERO; 2],
        z: U256::ZERO,
        digests: vec![B256::ZERO; 2],
        sums: vec![U256::ZERO; 2],
        until: 180,
    };
    let listed = Event::Listed {
        id: 1,
        entry: A,
        listing: Box::new(listing),
    };
    events.push((160, listed.clone()));
    let ask = Event::ChunkChallenged {
        id: 1,
        entry: A,
        chunk: 1,
        deadline: 190,
    };
    events.push((175, ask));
    let mut book = story(&events);
    assert!(book.clone().apply(176, &listed).is_err(), "listed twice");
    let mut failed = book.clone();
    failed.apply(191, &Event::ClaimFailed { id: 1, entry: A }).unwrap();
    assert!(failed.bounties[&1].entries[&A].failed);
    let answered = Event::ChunkAnswered {
        id: 1,
        entry: A,
        chunk: 1,
    };
    book.apply(176, &answered).unwrap();
    assert_eq!(book.bounties[&1].entries[&A].listing.as_ref().unwrap().until, 191);
    book.apply(195, &Event::ClaimSettled { id: 1, entry: A }).unwrap();
    assert_eq!(book.bounties[&1].paid, 1);
    assert!(
        book.apply(196, &Event::ClaimSettled { id: 1, entry: A }).is_err(),
        "paid twice"
    );
}

/// Of a lost bond every entry gets its share once, with its stake or without.
#[test]
fn a_lost_bond_is_shared_once() {
    let settled = Event::Settled {
        id: 1,
        phase: Phase::Defaulted,
        share: U256::from(3),
    };
    let mut book = story(&[
        (50, created(Mode::Sealed)),
        (60, committed(A, 1)),
        (61, committed(B, 2)),
    ]);
    assert!(!book.bounties[&1].refundable(&A), "before it is settled");
    book.apply(140, &settled).unwrap();
    assert!(book.bounties[&1].refundable(&A));
    let refunded = Event::Refunded {
        id: 1,
        entry: A,
        stake: U256::from(1),
    };
    book.apply(141, &refunded).unwrap();
    assert!(!book.bounties[&1].refundable(&A) && book.bounties[&1].refundable(&B));
    assert!(
        book.apply(
            142,
            &Event::Refunded {
                id: 1,
                entry: A,
                stake: U256::ZERO
            }
        )
        .is_err(),
        "twice"
    );
}
