//! What this account has under way: every transaction is written down here, signed, before it is sent.
//!
//! A crash therefore loses nothing (the next start sends the same bytes again) and doubles nothing (the
//! same bytes have the same nonce, and a chain mines a nonce once). A note stays until its transaction
//! lies as deep as the node was told to wait, so that a re-org brings it back as well.
//!
//! * [`Outbox`]: the notes of one account, on disk or in memory, one sender at a time.
//! * [`Note`]: one transaction and every offer made for its place.

use super::fees::Fees;
use crate::failure::{Code, Failure};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zkaggle_config::units::Wei;
use zkaggle_vault::records::Records;

/// How long a sender waits for another process that sends from the same account.
const WAIT_FOR_LOCK: Duration = Duration::from_secs(30);
/// What the spending limit covers, in seconds.
const DAY: u64 = 24 * 3_600;
/// Name under which ether's spending is kept.
const ETHER: &str = "lately";

/// One signed offer for a note's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pub hash: B256,
    pub fees: Fees,
    /// The signed transaction, as it is sent.
    pub raw: Bytes,
}

/// A transaction under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub chain_id: u64,
    pub account: Address,
    pub nonce: u64,
    /// What it is for, in words.
    pub what: String,
    pub to: TxKind,
    pub value: U256,
    pub input: Bytes,
    pub gas_limit: u64,
    /// Oldest first; only one of them can be mined.
    pub offers: Vec<Offer>,
    /// The offer that was seen mined, while it is not deep yet.
    pub mined: Option<B256>,
}

impl zkaggle_vault::Record for Note {
    const KIND: &'static str = "transaction";
    const VERSION: u32 = 1;
}

impl Note {
    fn name(&self) -> String {
        format!("tx-{}-{:x}-{:020}", self.chain_id, self.account, self.nonce)
    }
}

/// What left the account in the last day of an asset: of ether amounts sent and gas at its worst, of a token what
/// was sent or may be taken, by Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spending {
    /// Unix seconds, and smallest units.
    pub lately: Vec<(u64, U256)>,
}

impl zkaggle_vault::Record for Spending {
    const KIND: &'static str = "spending";
    const VERSION: u32 = 1;
}

impl Spending {
    /// Counts `amount` where the last day's sum stays within `limit`; otherwise, and without `count`, nothing.
    ///
    /// # Errors
    /// The last day's sum.
    fn take(&mut self, amount: U256, limit: U256, count: bool) -> Result<(), U256> {
        let now = unix_now();
        let before = self.since(now.saturating_sub(DAY));
        if before.saturating_add(amount) > limit {
            return Err(before);
        }
        if count {
            self.lately.push((now, amount));
        }
        Ok(())
    }

    fn since(&mut self, then: u64) -> U256 {
        self.lately.retain(|(at, _)| *at >= then);
        self.lately
            .iter()
            .fold(U256::ZERO, |sum, (_, wei)| sum.saturating_add(*wei))
    }
}

#[derive(Debug)]
enum Shelf {
    /// Notes by name, and spending by asset.
    Memory(Mutex<(BTreeMap<String, Note>, BTreeMap<String, Spending>)>),
    Disk {
        dir: PathBuf,
        notes: Records<Note>,
        spending: Records<Spending>,
    },
}

/// The notes of one account on one chain.
#[derive(Debug)]
pub struct Outbox {
    shelf: Shelf,
    /// One sender at a time in this process.
    turn: tokio::sync::Mutex<()>,
}

/// The right to send; ends when dropped.
#[derive(Debug)]
pub struct Sending<'a> {
    _turn: tokio::sync::MutexGuard<'a, ()>,
    _lock: Option<File>,
}

impl Outbox {
    /// Notes that end with the process: for stories and for accounts that only read.
    pub fn memory() -> Self {
        Self {
            shelf: Shelf::Memory(Mutex::default()),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Notes in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// That the folder cannot be used.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            shelf: Shelf::Disk {
                dir: dir.to_owned(),
                notes: Records::open(&dir.join("notes"))?,
                spending: Records::open(&dir.join("spending"))?,
            },
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// Waits until nobody else sends from here: no other task and no other process.
    ///
    /// # Errors
    /// [`Code::Refused`] when another process keeps sending.
    pub async fn turn(&self) -> Result<Sending<'_>> {
        let turn = self.turn.lock().await;
        let Shelf::Disk { dir, .. } = &self.shelf else {
            return Ok(Sending {
                _turn: turn,
                _lock: None,
            });
        };
        let path = dir.join("lock");
        let lock = File::create(&path).with_context(|| format!("open {}", path.display()))?;
        let since = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Sending {
                        _turn: turn,
                        _lock: Some(lock),
                    });
                }
                Err(TryLockError::WouldBlock) if since.elapsed() < WAIT_FOR_LOCK => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::new(
                        Code::Refused,
                        "another process is sending from this account; wait for it or stop it",
                    ));
                }
                Err(TryLockError::Error(e)) => return Err(e).with_context(|| format!("lock {}", path.display())),
            }
        }
    }

    /// Writes a note down, replacing its older version; on disk when this returns.
    pub fn put(&self, note: &Note) -> Result<()> {
        match &self.shelf {
            Shelf::Memory(m) => {
                let mut held = m.lock().unwrap_or_else(PoisonError::into_inner);
                held.0.insert(note.name(), note.clone());
            }
            Shelf::Disk { notes, .. } => notes
                .put(&note.name(), note)
                .context("write the transaction down before it is sent")?,
        }
        Ok(())
    }

    /// Strikes a note out.
    pub fn remove(&self, note: &Note) -> Result<()> {
        match &self.shelf {
            Shelf::Memory(m) => {
                m.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&note.name());
            }
            Shelf::Disk { notes, .. } => {
                notes.remove(&note.name())?;
            }
        }
        Ok(())
    }

    /// Everything under way for an account, by nonce.
    pub fn notes(&self, chain_id: u64, account: Address) -> Result<Vec<Note>> {
        let all: Vec<Note> = match &self.shelf {
            Shelf::Memory(m) => {
                let held = m.lock().unwrap_or_else(PoisonError::into_inner);
                held.0.values().cloned().collect()
            }
            Shelf::Disk { notes, .. } => notes
                .all()
                .context("read the transactions under way")?
                .into_iter()
                .map(|(_, n)| n)
                .collect(),
        };
        let mut mine: Vec<Note> = all
            .into_iter()
            .filter(|n| n.chain_id == chain_id && n.account == account)
            .collect();
        mine.sort_by_key(|n| n.nonce);
        Ok(mine)
    }

    /// Counts `wei` against `limit` per day before it is spent.
    ///
    /// # Errors
    /// [`Code::Refused`], naming the setting, when it would exceed the limit; nothing is counted then.
    pub fn spend(&self, what: &str, wei: U256, limit: Option<u128>) -> Result<()> {
        self.ether(what, wei, limit, true)
    }

    /// As [`Self::spend`], counting nothing.
    pub fn room(&self, what: &str, wei: U256, limit: Option<u128>) -> Result<()> {
        self.ether(what, wei, limit, false)
    }

    fn ether(&self, what: &str, wei: U256, limit: Option<u128>, count: bool) -> Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        self.spending(ETHER, |s| match s.take(wei, U256::from(limit), count) {
            Ok(()) => Ok(count),
            Err(before) => Err(Failure::refused(format!(
                "{what} may cost {}; with {} sent in the last day that is above chain.max_spend = {}",
                show(wei),
                show(before),
                Wei(limit)
            ))),
        })
    }

    /// Counts what leaves, or may be taken, of a token; none of a token that has no ceiling may.
    ///
    /// # Errors
    /// [`Code::Refused`], naming the setting; nothing is counted then.
    pub fn spend_token(
        &self,
        what: &str,
        token: Address,
        amount: U256,
        ceilings: Option<&BTreeMap<Address, U256>>,
    ) -> Result<()> {
        self.token(what, token, amount, ceilings, true)
    }

    /// As [`Self::spend_token`], counting nothing.
    pub fn room_token(
        &self,
        what: &str,
        token: Address,
        amount: U256,
        ceilings: Option<&BTreeMap<Address, U256>>,
    ) -> Result<()> {
        self.token(what, token, amount, ceilings, false)
    }

    fn token(
        &self,
        what: &str,
        token: Address,
        amount: U256,
        ceilings: Option<&BTreeMap<Address, U256>>,
        count: bool,
    ) -> Result<()> {
        let Some(ceilings) = ceilings else { return Ok(()) };
        let Some(limit) = ceilings.get(&token) else {
            return Err(Failure::refused(format!(
                "{what} lets {amount} of the token {token} go, and chain.max_spend_tokens does not list it; add \"{token}={amount}\" there to allow that"
            )));
        };
        self.spending(&format!("token-{token:x}"), |s| match s.take(amount, *limit, count) {
            Ok(()) => Ok(count),
            Err(before) => Err(Failure::refused(format!(
                "{what} lets {amount} of the token {token} go; with {before} in the last day that is above its chain.max_spend_tokens of {limit}"
            ))),
        })
    }

    /// Gives back what a transaction did not cost after all.
    pub fn unspend(&self, wei: U256, limit: Option<u128>) -> Result<()> {
        if limit.is_none() || wei.is_zero() {
            return Ok(());
        }
        self.spending(ETHER, |s| {
            if let Some(last) = s.lately.last_mut() {
                last.1 = last.1.saturating_sub(wei);
            }
            Ok(true)
        })
    }

    /// Looks at the spending of an asset; what `look` changed is kept when it says so.
    fn spending(&self, asset: &str, look: impl FnOnce(&mut Spending) -> Result<bool>) -> Result<()> {
        match &self.shelf {
            Shelf::Memory(m) => {
                let mut held = m.lock().unwrap_or_else(PoisonError::into_inner);
                look(held.1.entry(asset.to_owned()).or_default())?;
            }
            Shelf::Disk { spending, .. } => {
                let mut s = spending.get(asset)?.unwrap_or_default();
                if look(&mut s)? {
                    spending.put(asset, &s)?;
                }
            }
        }
        Ok(())
    }
}

/// An amount for people.
pub fn show(wei: U256) -> Wei {
    Wei(u128::try_from(wei).unwrap_or(u128::MAX))
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(nonce: u64) -> Note {
        Note {
            chain_id: 1,
            account: Address::repeat_byte(7),
            nonce,
            what: "test".into(),
            to: TxKind::Create,
            value: U256::from(5),
            input: Bytes::from_static(b"abc"),
            gas_limit: 21_000,
            offers: vec![],
            mined: None,
        }
    }

    fn behaves(o: &Outbox) {
        for n in [12, 3, 100] {
            o.put(&note(n)).unwrap();
        }
        let nonces = |o: &Outbox| -> Vec<u64> {
            let all = o.notes(1, Address::repeat_byte(7)).unwrap();
            all.iter().map(|n| n.nonce).collect()
        };
        assert_eq!(nonces(o), [3, 12, 100]);
        assert!(o.notes(2, Address::repeat_byte(7)).unwrap().is_empty());
        assert!(o.notes(1, Address::ZERO).unwrap().is_empty());
        o.remove(&note(12)).unwrap();
        o.remove(&note(12)).unwrap();
        assert_eq!(nonces(o), [3, 100]);

        let wei = |n: u64| U256::from(n);
        o.spend("a", wei(60), Some(100)).unwrap();
        let e = o.spend("b", wei(41), Some(100)).unwrap_err();
        assert_eq!(crate::failure::code_of(&e), Code::Refused);
        assert!(e.to_string().contains("chain.max_spend"), "{e}");
        o.unspend(wei(20), Some(100)).unwrap();
        o.spend("b", wei(60), Some(100)).unwrap();
        assert!(o.spend("c", wei(1), Some(100)).is_err());
        o.spend("no limit", U256::MAX, None).unwrap();
        o.room("d", U256::ZERO, Some(100)).unwrap();
        assert!(o.room("d", wei(1), Some(100)).is_err());

        let (listed, other) = (Address::repeat_byte(8), Address::repeat_byte(9));
        let ceilings = Some(BTreeMap::from([(listed, wei(50))]));
        o.room_token("a", listed, wei(50), ceilings.as_ref()).unwrap();
        o.spend_token("a", listed, wei(30), ceilings.as_ref()).unwrap();
        o.spend_token("b", listed, wei(20), ceilings.as_ref()).unwrap();
        for (token, amount) in [(listed, 1), (other, 1)] {
            let e = o.spend_token("c", token, wei(amount), ceilings.as_ref()).unwrap_err();
            assert_eq!(crate::failure::code_of(&e), Code::Refused);
            assert!(e.to_string().contains("chain.max_spend_tokens"), "{e}");
        }
        o.spend_token("no limit", other, U256::MAX, None).unwrap();
    }

    #[test]
    fn notes_and_limits_behave_in_memory_and_on_disk() {
        behaves(&Outbox::memory());
        let folder = tempfile::tempdir().unwrap();
        behaves(&Outbox::open(folder.path()).unwrap());
        let again = Outbox::open(folder.path()).unwrap();
        assert_eq!(again.notes(1, Address::repeat_byte(7)).unwrap().len(), 2);
        assert!(
            again.spend("c", U256::from(1), Some(100)).is_err(),
            "forgot what was spent"
        );
    }

    #[test]
    fn a_day_later_the_limit_starts_again() {
        let mut s = Spending {
            lately: vec![(10, U256::from(5)), (20, U256::from(6))],
        };
        assert_eq!(s.since(11), U256::from(6));
        assert_eq!(s.since(21), U256::ZERO);
    }
}
