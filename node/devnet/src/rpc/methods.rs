//! What each method does.

use super::RpcError;
use super::params::{Params, shorten};
use crate::chain::block::Block;
use crate::chain::{Chain, SnapshotId};
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy::rpc::types::{FeeHistory, Filter, TransactionRequest};
use serde::Serialize;
use serde_json::{Value, json};

/// Most blocks that one fee history covers, as in geth.
const MAX_FEE_HISTORY: u64 = 1_024;
/// What `eth_maxPriorityFeePerGas` proposes, in wei: nobody competes for a place here.
const PRIORITY_FEE: u64 = 1;

pub(super) fn run(chain: &mut Chain, method: &str, params: &Params<'_>) -> Result<Value, RpcError> {
    match method {
        "web3_clientVersion" => Ok(json!(concat!("zkaggle-devnet/", env!("CARGO_PKG_VERSION")))),
        "web3_sha3" => to_json(keccak256(params.get::<Bytes>(0, "data")?)),
        "net_version" => Ok(json!(chain.chain_id().to_string())),
        "net_listening" => Ok(json!(true)),
        "net_peerCount" => quantity(0),
        "eth_chainId" => quantity(chain.chain_id()),
        "eth_syncing" => Ok(json!(false)),
        // The accounts that this node signs for: none, wallets hold the test keys.
        "eth_accounts" => Ok(json!([])),
        "eth_blockNumber" => quantity(chain.head().header.number),
        "eth_gasPrice" => quantity(chain.base_fee().saturating_add(PRIORITY_FEE)),
        "eth_maxPriorityFeePerGas" => quantity(PRIORITY_FEE),
        "eth_feeHistory" => to_json(fee_history(chain, params)?),

        "eth_getBalance" => to_json(account(chain, params)?.balance),
        "eth_getTransactionCount" => quantity(account(chain, params)?.nonce),
        "eth_getCode" => {
            chain.require_latest(params.opt::<BlockId>(1, "block")?)?;
            to_json(chain.code(params.get(0, "address")?)?)
        }
        "eth_getStorageAt" => {
            chain.require_latest(params.opt::<BlockId>(2, "block")?)?;
            to_json(chain.storage(params.get(0, "address")?, params.get(1, "slot")?)?)
        }
        "eth_call" => {
            let request = simulation(chain, params)?;
            to_json(chain.call(&request)?)
        }
        "eth_estimateGas" => {
            let request = simulation(chain, params)?;
            quantity(chain.estimate(&request)?)
        }

        "eth_sendRawTransaction" => to_json(chain.send(&params.get::<Bytes>(0, "transaction")?)?),
        "eth_sendTransaction" | "eth_sign" | "eth_signTransaction" => Err(RpcError::Unsupported(
            "this chain holds no keys: sign in the wallet and use eth_sendRawTransaction",
        )),
        "eth_getTransactionByHash" => {
            let hash = params.get(0, "hash")?;
            to_json(chain.block_of_transaction(hash).and_then(Block::transaction))
        }
        "eth_getTransactionReceipt" => {
            let hash = params.get(0, "hash")?;
            to_json(chain.block_of_transaction(hash).and_then(Block::receipt))
        }
        "eth_getBlockReceipts" => {
            let block = chain.resolve(params.get(0, "block")?);
            to_json(block.map(|b| b.receipt().into_iter().collect::<Vec<_>>()))
        }
        "eth_getBlockByNumber" => {
            let full = params.opt(1, "full")?.unwrap_or(false);
            to_json(
                chain
                    .block_at(params.get::<BlockNumberOrTag>(0, "block")?)
                    .map(|b| b.rpc(full)),
            )
        }
        "eth_getBlockByHash" => {
            let full = params.opt(1, "full")?.unwrap_or(false);
            to_json(chain.block_by_hash(params.get::<B256>(0, "hash")?).map(|b| b.rpc(full)))
        }
        "eth_getLogs" => to_json(chain.logs(&params.get::<Filter>(0, "filter")?)?),

        "evm_increaseTime" | "anvil_increaseTime" => {
            let seconds = params
                .number(0, "seconds")?
                .ok_or_else(|| params.wrong(0, "seconds", "missing".into()))?;
            Ok(json!(chain.increase_time(seconds)?))
        }
        "evm_setNextBlockTimestamp" | "anvil_setNextBlockTimestamp" => {
            let time = params
                .number(0, "timestamp")?
                .ok_or_else(|| params.wrong(0, "timestamp", "missing".into()))?;
            chain.set_next_timestamp(time)?;
            Ok(Value::Null)
        }
        "evm_mine" => {
            let (blocks, timestamp) = mine_options(params)?;
            if let Some(timestamp) = timestamp {
                chain.set_next_timestamp(timestamp)?;
            }
            chain.mine_empty(blocks, None)?;
            Ok(json!("0x0"))
        }
        "anvil_mine" | "hardhat_mine" => {
            chain.mine_empty(params.number(0, "blocks")?.unwrap_or(1), params.number(1, "interval")?)?;
            Ok(Value::Null)
        }
        "evm_snapshot" | "anvil_snapshot" => quantity(chain.snapshot()?.0),
        "evm_revert" | "anvil_revert" => {
            let id = params
                .number(0, "snapshot")?
                .ok_or_else(|| params.wrong(0, "snapshot", "missing".into()))?;
            Ok(json!(chain.revert(SnapshotId(id))))
        }
        "anvil_setBalance" | "hardhat_setBalance" => {
            chain.set_balance(params.get(0, "address")?, params.get(1, "balance")?)?;
            Ok(Value::Null)
        }
        "anvil_setNonce" | "hardhat_setNonce" => {
            chain.set_nonce(params.get(0, "address")?, params.get::<U64>(1, "nonce")?.to())?;
            Ok(Value::Null)
        }
        "anvil_setCode" | "hardhat_setCode" => {
            chain.set_code(params.get(0, "address")?, params.get(1, "code")?)?;
            Ok(Value::Null)
        }
        "anvil_setStorageAt" | "hardhat_setStorageAt" => {
            chain.set_storage(
                params.get(0, "address")?,
                params.get(1, "slot")?,
                params.get(2, "value")?,
            )?;
            Ok(json!(true))
        }
        "eth_subscribe" | "eth_unsubscribe" => Err(RpcError::Unsupported(
            "this chain has no subscriptions: poll eth_blockNumber and eth_getLogs",
        )),
        unknown => Err(RpcError::Method(shorten(unknown))),
    }
}

fn to_json(value: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|e| RpcError::Encode(e.to_string()))
}

fn quantity(number: u64) -> Result<Value, RpcError> {
    to_json(U64::from(number))
}

struct Account {
    balance: U256,
    nonce: u64,
}

fn account(chain: &Chain, params: &Params<'_>) -> Result<Account, RpcError> {
    chain.require_latest(params.opt::<BlockId>(1, "block")?)?;
    let info = chain.account(params.get::<Address>(0, "address")?)?;
    Ok(Account {
        balance: info.balance,
        nonce: info.nonce,
    })
}

/// The request of a call or an estimate, at the latest block and over the state as it is.
fn simulation(chain: &Chain, params: &Params<'_>) -> Result<TransactionRequest, RpcError> {
    let request = params.get::<TransactionRequest>(0, "transaction")?;
    chain.require_latest(params.opt::<BlockId>(1, "block")?)?;
    for (index, name) in [(2, "state overrides"), (3, "block overrides")] {
        match params.opt::<Value>(index, name)? {
            None => {}
            Some(Value::Object(map)) if map.is_empty() => {}
            Some(_) => return Err(params.wrong(index, name, "not supported by this chain".into())),
        }
    }
    Ok(request)
}

/// `evm_mine` takes nothing, a timestamp, or `{ "timestamp": t, "blocks": n }`.
fn mine_options(params: &Params<'_>) -> Result<(u64, Option<u64>), RpcError> {
    match params.opt::<Value>(0, "options")? {
        Some(Value::Object(map)) => {
            let read = |key, name| match map.get(key) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => params.to_number(value, 0, name).map(Some),
            };
            Ok((read("blocks", "blocks")?.unwrap_or(1), read("timestamp", "timestamp")?))
        }
        Some(value) => Ok((1, Some(params.to_number(&value, 0, "timestamp")?))),
        None => Ok((1, None)),
    }
}

fn fee_history(chain: &Chain, params: &Params<'_>) -> Result<FeeHistory, RpcError> {
    let count = params.number(0, "blocks")?.unwrap_or(0).min(MAX_FEE_HISTORY);
    let newest = params.get::<BlockNumberOrTag>(1, "newest")?;
    let percentiles = params.opt::<Vec<f64>>(2, "percentiles")?;
    if percentiles.as_ref().is_some_and(|p| p.len() > 100) {
        return Err(params.wrong(2, "percentiles", "at most 100".into()));
    }
    let newest = chain
        .block_at(newest)
        .map(|b| b.header.number)
        .ok_or_else(|| params.wrong(1, "newest", format!("there is no block {newest}")))?;
    let oldest = (newest + 1).saturating_sub(count);
    let blocks: Vec<&Block> = (oldest..=newest)
        .take(count as usize)
        .filter_map(|n| chain.block(n))
        .collect();
    Ok(FeeHistory {
        // One more than the blocks: the base fee of the block after them.
        base_fee_per_gas: vec![u128::from(chain.base_fee()); blocks.len() + 1],
        gas_used_ratio: blocks
            .iter()
            .map(|b| b.header.gas_used as f64 / b.header.gas_limit.max(1) as f64)
            .collect(),
        oldest_block: oldest,
        // One transaction a block: every percentile of its fees is that transaction's.
        reward: percentiles.map(|p| blocks.iter().map(|b| vec![b.priority_fee(); p.len()]).collect()),
        ..Default::default()
    })
}
