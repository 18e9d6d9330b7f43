//! An embedded Ethereum development chain: revm behind an alloy transport and HTTP JSON-RPC.
//!
//! One process, one machine, no keys worth stealing. It follows mainnet's rules where a contract or a node can feel
//! them (Osaka, EIP-1559 fees, 24,576 bytes of code, 16,777,216 gas a transaction) and leaves out what they cannot:
//! no peers, no pool, no state trie.
//!
//! ```
//! use alloy::providers::{Provider, ProviderBuilder};
//! use zkaggle_devnet::{DevNet, DevNetConfig};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let net = DevNet::new(DevNetConfig::default());
//! let rpc = ProviderBuilder::new().connect_client(net.client());
//! assert_eq!(rpc.get_chain_id().await?, 31_337);
//! # Ok(()) }
//! ```
//!
//! * [`config`]: chain id, fees, limits, and the well-known test accounts.
//! * [`chain`]: blocks, time, execution; everything that is a rule of the chain.
//! * [`rpc`]: `eth_*`, `evm_*` and `anvil_*` methods over that chain.
//! * [`transport`] and [`server`]: the two ways in, memory and HTTP.
//!
//! **Blocks.** Every accepted transaction is mined at once, alone in its block. Nothing waits: a nonce ahead of the
//! account's is refused by name rather than queued. The base fee never moves, so that gas figures can be compared.
//!
//! **Time.** A block's timestamp is the clock plus what [`DevNet::increase_time`] added, and always above its parent's.
//! Calls see the block that a transaction sent now would be mined in; an idle chain's view functions therefore follow
//! the clock. [`DevNet::keep_time`] also mines empty blocks for readers of block timestamps.
//!
//! **State** is kept at the latest block only; older blocks answer for their transactions, receipts and logs.

pub mod chain;
pub mod config;
pub mod rpc;
pub mod server;
pub mod transport;

pub use chain::{ChainError, SnapshotId};
pub use config::{DevAccount, DevNetConfig, TEST_MNEMONIC};
pub use rpc::RpcError;
pub use server::ServeError;

use alloy::primitives::{Address, U256};
use alloy::rpc::client::RpcClient;
use chain::Chain;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A handle to one development chain: cheap to clone, usable from any thread, also an alloy transport.
#[derive(Clone)]
pub struct DevNet {
    chain: Arc<Mutex<Chain>>,
    config: Arc<DevNetConfig>,
    accounts: Arc<[DevAccount]>,
}

impl DevNet {
    /// Starts a chain at its genesis block with the configured accounts funded.
    pub fn new(config: DevNetConfig) -> Self {
        let accounts: Arc<[DevAccount]> = config.accounts().into();
        let chain = Chain::new(&config, &accounts);
        Self {
            chain: Arc::new(Mutex::new(chain)),
            config: Arc::new(config),
            accounts,
        }
    }

    /// What the chain was started with.
    pub fn config(&self) -> &DevNetConfig {
        &self.config
    }

    /// The funded test accounts; their keys are public knowledge.
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// The in-process transport.
    pub fn transport(&self) -> Self {
        self.clone()
    }

    /// An alloy client over the in-process transport, marked local so that it polls often.
    pub fn client(&self) -> RpcClient {
        RpcClient::new(self.clone(), true).with_poll_interval(Duration::from_millis(50))
    }

    /// Moves the clock of all later blocks forward; returns the total shift in seconds.
    pub fn increase_time(&self, seconds: u64) -> Result<i64, ChainError> {
        self.lock()?.increase_time(seconds)
    }

    /// Fixes the next block's timestamp (Unix seconds); the clock continues from there.
    pub fn set_next_block_timestamp(&self, timestamp: u64) -> Result<(), ChainError> {
        self.lock()?.set_next_timestamp(timestamp)
    }

    /// Mines empty blocks.
    pub fn mine(&self, blocks: u64) -> Result<(), ChainError> {
        self.lock()?.mine_empty(blocks, None)
    }

    /// The timestamp that the next block would get, in Unix seconds.
    pub fn now(&self) -> Result<u64, ChainError> {
        Ok(self.lock()?.next_timestamp())
    }

    /// Remembers the present state, blocks and clock.
    pub fn snapshot(&self) -> Result<SnapshotId, ChainError> {
        self.lock()?.snapshot()
    }

    /// Goes back to a snapshot and forgets it and all later ones; false when it is unknown.
    pub fn revert(&self, id: SnapshotId) -> Result<bool, ChainError> {
        Ok(self.lock()?.revert(id))
    }

    /// Sets an account's balance in wei.
    pub fn set_balance(&self, account: Address, balance: U256) -> Result<(), ChainError> {
        self.lock()?.set_balance(account, balance)
    }

    /// Mines an empty block every `period` until the future is dropped or the chain fails.
    ///
    /// # Errors
    /// [`ChainError::Stopped`] after an internal fault.
    pub async fn keep_time(&self, period: Duration) -> Result<std::convert::Infallible, ChainError> {
        let mut tick = tokio::time::interval(period.max(Duration::from_millis(1)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            tick.tick().await;
            self.mine(1)?;
        }
    }

    /// Takes the chain, or says that a panic left it half-changed: a chain that may lie must not answer.
    fn lock(&self) -> Result<MutexGuard<'_, Chain>, ChainError> {
        self.chain.lock().map_err(|_| ChainError::Stopped)
    }
}

impl std::fmt::Debug for DevNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DevNet")
            .field("chain_id", &self.config.chain_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poisoned_chain_says_so_instead_of_answering() {
        let net = DevNet::new(DevNetConfig::default());
        let inner = net.clone();
        let panicked = std::thread::spawn(move || {
            let _held = inner.lock();
            panic!("fault on purpose");
        })
        .join();
        assert!(panicked.is_err());
        assert!(matches!(net.mine(1), Err(ChainError::Stopped)));
        let reply = rpc::answer(&net, "eth_blockNumber", None).unwrap_err();
        assert_eq!(reply.code(), -32_603);
    }
}
