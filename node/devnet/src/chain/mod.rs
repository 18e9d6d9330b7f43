//! The chain itself: blocks, the clock, snapshots.
//!
//! * [`block`]: a mined block and its views.
//! * [`execute`]: running transactions and calls, estimating gas.
//! * [`error`]: why something was refused.

pub mod block;
mod error;
mod execute;

pub use error::ChainError;
pub use execute::TX_GAS_CAP;

use crate::config::{DevAccount, DevNetConfig};
use alloy::consensus::Header;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::{Filter, FilterBlockOption, Log as RpcLog};
use block::{Block, Mined};
use revm::database::{CacheDB, EmptyDB};
use revm::state::{AccountInfo, Bytecode};
use revm::{Database, DatabaseRef};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Most blocks one request may mine; each stays in memory.
const MAX_MINE: u64 = 100_000;
/// Most snapshots at a time; each is a copy of the state.
const MAX_SNAPSHOTS: u64 = 64;

type Db = CacheDB<EmptyDB>;

/// Names a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId(pub u64);

/// The chain's whole state.
pub struct Chain {
    db: Db,
    chain_id: u64,
    base_fee: u64,
    block_gas_limit: u64,
    call_gas: u64,
    genesis: Block,
    /// Blocks 1, 2, … in order: block n is at n - 1.
    blocks: Vec<Block>,
    by_hash: BTreeMap<B256, u64>,
    by_transaction: BTreeMap<B256, u64>,
    clock: Clock,
    snapshots: BTreeMap<SnapshotId, Snapshot>,
    next_snapshot: u64,
}

/// How block time differs from the machine's.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    offset: i64,
    next: Option<u64>,
}

struct Snapshot {
    db: Db,
    head: u64,
    clock: Clock,
}

impl Chain {
    pub fn new(config: &DevNetConfig, accounts: &[DevAccount]) -> Self {
        let mut db = Db::default();
        for account in accounts {
            db.insert_account_info(
                account.address,
                AccountInfo {
                    balance: config.balance,
                    ..Default::default()
                },
            );
        }
        let timestamp = config.genesis_time.unwrap_or_else(wall_clock);
        let header = Header {
            timestamp,
            gas_limit: config.block_gas_limit,
            base_fee_per_gas: Some(config.base_fee),
            state_root: B256::ZERO,
            ..Default::default()
        };
        let genesis = Block::seal(header, None);
        db.cache.block_hashes.insert(U256::ZERO, genesis.hash);
        Self {
            db,
            chain_id: config.chain_id,
            base_fee: config.base_fee,
            block_gas_limit: config.block_gas_limit,
            call_gas: config.call_gas,
            by_hash: BTreeMap::from([(genesis.hash, 0)]),
            genesis,
            blocks: Vec::new(),
            by_transaction: BTreeMap::new(),
            clock: Clock {
                offset: signed_difference(timestamp, wall_clock()),
                next: None,
            },
            snapshots: BTreeMap::new(),
            next_snapshot: 1,
        }
    }

    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Base fee of every block, in wei per gas.
    pub fn base_fee(&self) -> u64 {
        self.base_fee
    }

    pub fn block_gas_limit(&self) -> u64 {
        self.block_gas_limit
    }

    pub fn head(&self) -> &Block {
        self.blocks.last().unwrap_or(&self.genesis)
    }

    pub fn block(&self, number: u64) -> Option<&Block> {
        match number.checked_sub(1) {
            None => Some(&self.genesis),
            Some(index) => self.blocks.get(usize::try_from(index).ok()?),
        }
    }

    /// Pending, safe and finalized all mean the latest block: what is mined here is final.
    pub fn block_at(&self, tag: BlockNumberOrTag) -> Option<&Block> {
        match tag {
            BlockNumberOrTag::Number(number) => self.block(number),
            BlockNumberOrTag::Earliest => Some(&self.genesis),
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Pending
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Finalized => Some(self.head()),
        }
    }

    pub fn block_by_hash(&self, hash: B256) -> Option<&Block> {
        self.by_hash.get(&hash).and_then(|n| self.block(*n))
    }

    pub fn block_of_transaction(&self, hash: B256) -> Option<&Block> {
        self.by_transaction.get(&hash).and_then(|n| self.block(*n))
    }

    /// The block an id names.
    pub fn resolve(&self, id: BlockId) -> Option<&Block> {
        match id {
            BlockId::Hash(hash) => self.block_by_hash(hash.block_hash),
            BlockId::Number(tag) => self.block_at(tag),
        }
    }

    /// Refuses a question about the state at any block but the latest.
    pub fn require_latest(&self, id: Option<BlockId>) -> Result<(), ChainError> {
        let Some(id) = id else { return Ok(()) };
        let asked = || id.to_string();
        let block = self.resolve(id).ok_or_else(|| ChainError::UnknownBlock(asked()))?;
        let head = self.head().header.number;
        match block.header.number == head {
            true => Ok(()),
            false => Err(ChainError::OldState { asked: asked(), head }),
        }
    }

    /// Logs that match a filter, oldest first. A range open at either end means the latest block there.
    pub fn logs(&self, filter: &Filter) -> Result<Vec<RpcLog>, ChainError> {
        let number = |tag: Option<BlockNumberOrTag>| match tag {
            Some(BlockNumberOrTag::Number(n)) => n,
            Some(tag) => self.block_at(tag).unwrap_or(self.head()).header.number,
            None => self.head().header.number,
        };
        let (from, to) = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block = self
                    .block_by_hash(hash)
                    .ok_or_else(|| ChainError::UnknownBlock(hash.to_string()))?;
                (block.header.number, block.header.number)
            }
            FilterBlockOption::Range { from_block, to_block } => (number(from_block), number(to_block)),
        };
        if from > to {
            return Err(ChainError::Range { from, to });
        }
        let to = to.min(self.head().header.number);
        let blocks = (from..=to).map_while(|n| self.block(n));
        Ok(blocks
            .flat_map(Block::logs)
            .filter(|log| filter.matches(&log.inner))
            .collect())
    }

    pub fn account(&self, address: Address) -> Result<AccountInfo, ChainError> {
        Ok(self.db.basic_ref(address).map_err(internal)?.unwrap_or_default())
    }

    pub fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        let account = self.account(address)?;
        let code = match account.code {
            Some(code) => code,
            None => self.db.code_by_hash_ref(account.code_hash).map_err(internal)?,
        };
        Ok(code.original_bytes())
    }

    pub fn storage(&self, address: Address, slot: U256) -> Result<B256, ChainError> {
        Ok(self.db.storage_ref(address, slot).map_err(internal)?.into())
    }

    pub fn set_balance(&mut self, address: Address, balance: U256) -> Result<(), ChainError> {
        self.edit(address, |account| account.balance = balance)
    }

    pub fn set_nonce(&mut self, address: Address, nonce: u64) -> Result<(), ChainError> {
        self.edit(address, |account| account.nonce = nonce)
    }

    pub fn set_code(&mut self, address: Address, code: Bytes) -> Result<(), ChainError> {
        let code = Bytecode::new_raw_checked(code).map_err(|e| ChainError::Undecodable(e.to_string()))?;
        self.edit(address, |account| {
            account.code_hash = code.hash_slow();
            account.code = Some(code);
        })
    }

    pub fn set_storage(&mut self, address: Address, slot: U256, value: B256) -> Result<(), ChainError> {
        self.db
            .insert_account_storage(address, slot, value.into())
            .map_err(internal)
    }

    fn edit(&mut self, address: Address, change: impl FnOnce(&mut AccountInfo)) -> Result<(), ChainError> {
        let mut account = self.db.basic(address).map_err(internal)?.unwrap_or_default();
        change(&mut account);
        self.db.insert_account_info(address, account);
        Ok(())
    }

    /// The timestamp that the next block gets.
    pub fn next_timestamp(&self) -> u64 {
        let now = self
            .clock
            .next
            .unwrap_or_else(|| wall_clock().saturating_add_signed(self.clock.offset));
        now.max(self.head().header.timestamp.saturating_add(1))
    }

    pub fn increase_time(&mut self, seconds: u64) -> Result<i64, ChainError> {
        // Half of i64 leaves room for the clock itself in every later sum.
        let limit = i64::MAX / 2;
        let added = i64::try_from(seconds)
            .ok()
            .and_then(|s| self.clock.offset.checked_add(s))
            .filter(|o| *o <= limit);
        self.clock.offset = added.ok_or(ChainError::Limit {
            what: "seconds",
            asked: seconds,
            limit: limit.unsigned_abs(),
        })?;
        Ok(self.clock.offset)
    }

    pub fn set_next_timestamp(&mut self, timestamp: u64) -> Result<(), ChainError> {
        let head = self.head().header.timestamp;
        if timestamp <= head {
            return Err(ChainError::Backwards { asked: timestamp, head });
        }
        let limit = i64::MAX.unsigned_abs() / 2;
        if timestamp > limit {
            return Err(ChainError::Limit {
                what: "timestamp",
                asked: timestamp,
                limit,
            });
        }
        self.clock.next = Some(timestamp);
        Ok(())
    }

    /// Mines empty blocks, `interval` seconds apart where it is given.
    pub fn mine_empty(&mut self, blocks: u64, interval: Option<u64>) -> Result<(), ChainError> {
        if blocks > MAX_MINE {
            return Err(ChainError::Limit {
                what: "blocks to mine",
                asked: blocks,
                limit: MAX_MINE,
            });
        }
        for mined in 0..blocks {
            if let (Some(seconds), true) = (interval, mined > 0) {
                self.set_next_timestamp(self.head().header.timestamp.saturating_add(seconds.max(1)))?;
            }
            self.push(None);
        }
        Ok(())
    }

    pub fn snapshot(&mut self) -> Result<SnapshotId, ChainError> {
        let held = self.snapshots.len() as u64;
        if held >= MAX_SNAPSHOTS {
            return Err(ChainError::Limit {
                what: "snapshots",
                asked: held + 1,
                limit: MAX_SNAPSHOTS,
            });
        }
        let id = SnapshotId(self.next_snapshot);
        self.next_snapshot += 1;
        let head = self.head().header.number;
        self.snapshots.insert(
            id,
            Snapshot {
                db: self.db.clone(),
                head,
                clock: self.clock,
            },
        );
        Ok(id)
    }

    pub fn revert(&mut self, id: SnapshotId) -> bool {
        let Some(snapshot) = self.snapshots.remove(&id) else {
            return false;
        };
        self.snapshots.retain(|other, _| *other < id);
        self.db = snapshot.db;
        self.clock = snapshot.clock;
        self.blocks.retain(|b| b.header.number <= snapshot.head);
        self.by_hash.retain(|_, number| *number <= snapshot.head);
        self.by_transaction.retain(|_, number| *number <= snapshot.head);
        true
    }

    /// The header of the block being built: everything but what its transaction decides.
    fn next_header(&self) -> Header {
        let parent = self.head();
        Header {
            number: parent.header.number + 1,
            timestamp: self.next_timestamp(),
            parent_hash: parent.hash,
            gas_limit: self.block_gas_limit,
            base_fee_per_gas: Some(self.base_fee),
            // PREVRANDAO: fixed by the parent, so that a call and the transaction after it agree. Not random.
            mix_hash: parent.hash,
            state_root: B256::ZERO,
            ..Default::default()
        }
    }

    fn push(&mut self, mined: Option<Mined>) {
        let block = Block::seal(self.next_header(), mined);
        // Blocks mined within one second run ahead of the clock: it follows them, so that time added later is felt.
        let lead = signed_difference(block.header.timestamp, wall_clock());
        self.clock.offset = match self.clock.next.take() {
            Some(_) => lead,
            None => self.clock.offset.max(lead),
        };
        let number = block.header.number;
        if let Some(mined) = &block.mined {
            self.by_transaction.insert(*mined.tx.tx_hash(), number);
        }
        self.by_hash.insert(block.hash, number);
        self.db.cache.block_hashes.insert(U256::from(number), block.hash);
        self.blocks.push(block);
    }
}

fn internal(error: impl std::fmt::Display) -> ChainError {
    ChainError::Internal(error.to_string())
}

/// Unix seconds; a machine whose clock is before 1970 counts as 1970.
fn wall_clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|d| d.as_secs())
        .unwrap_or(0)
}

fn signed_difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        let config = DevNetConfig {
            genesis_time: Some(1_000),
            ..Default::default()
        };
        Chain::new(&config, &config.accounts())
    }

    #[test]
    fn time_only_moves_forward() {
        let mut chain = chain();
        chain.set_next_timestamp(5_000).unwrap();
        assert_eq!(chain.next_timestamp(), 5_000);
        chain.mine_empty(2, None).unwrap();
        assert!(chain.head().header.timestamp > 5_000);
        let head = chain.head().header.timestamp;
        assert!(matches!(
            chain.set_next_timestamp(head),
            Err(ChainError::Backwards { .. })
        ));
        assert!(matches!(
            chain.set_next_timestamp(u64::MAX),
            Err(ChainError::Limit { .. })
        ));
        assert!(matches!(chain.increase_time(u64::MAX), Err(ChainError::Limit { .. })));
        chain.increase_time(1_000_000).unwrap();
        assert!(chain.next_timestamp() >= head + 1_000_000);
    }

    #[test]
    fn mining_with_an_interval_spaces_the_blocks() {
        let mut chain = chain();
        chain.mine_empty(3, Some(12)).unwrap();
        let times: Vec<_> = (1..=3).map(|n| chain.block(n).unwrap().header.timestamp).collect();
        assert_eq!((times[1] - times[0], times[2] - times[1]), (12, 12));
        assert!(matches!(
            chain.mine_empty(MAX_MINE + 1, None),
            Err(ChainError::Limit { .. })
        ));
    }

    #[test]
    fn a_snapshot_brings_back_state_blocks_and_clock() {
        let mut chain = chain();
        let who = Address::repeat_byte(7);
        chain.mine_empty(1, None).unwrap();
        let first = chain.snapshot().unwrap();
        let before = (chain.head().hash, chain.clock.offset);
        chain.set_balance(who, U256::from(5)).unwrap();
        chain.increase_time(99).unwrap();
        chain.mine_empty(3, None).unwrap();
        let second = chain.snapshot().unwrap();
        let gone = chain.head().hash;
        assert!(chain.revert(first));
        assert_eq!((chain.head().hash, chain.clock.offset), before);
        assert_eq!(chain.account(who).unwrap().balance, U256::ZERO);
        assert!(chain.block_by_hash(gone).is_none());
        assert!(!chain.revert(second), "later snapshots go with the one reverted to");
        assert!(!chain.revert(first), "a snapshot serves once");
    }

    #[test]
    fn snapshots_are_bounded() {
        let mut chain = chain();
        for _ in 0..MAX_SNAPSHOTS {
            chain.snapshot().unwrap();
        }
        assert!(matches!(chain.snapshot(), Err(ChainError::Limit { .. })));
    }

    #[test]
    fn only_the_latest_state_is_answered_for() {
        let mut chain = chain();
        chain.mine_empty(2, None).unwrap();
        chain.require_latest(None).unwrap();
        chain.require_latest(Some(BlockId::latest())).unwrap();
        chain.require_latest(Some(BlockId::number(2))).unwrap();
        chain.require_latest(Some(BlockId::hash(chain.head().hash))).unwrap();
        assert!(matches!(
            chain.require_latest(Some(BlockId::number(1))),
            Err(ChainError::OldState { .. })
        ));
        assert!(matches!(
            chain.require_latest(Some(BlockId::number(3))),
            Err(ChainError::UnknownBlock(_))
        ));
    }
}
