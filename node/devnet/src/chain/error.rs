//! Why the chain refused something.

use alloy::primitives::{Address, Bytes};
use revm::context::result::InvalidTransaction;

/// What the chain answers instead of a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    #[error("the raw transaction does not decode: {0}")]
    Undecodable(String),
    #[error("the transaction's signature does not recover to an account")]
    Signature,
    #[error("transactions of type {0} are not supported here; send type 0, 1 or 2")]
    TransactionType(u8),
    #[error(
        "nonce {sent} of {account} is too high: the next one is {next}, and this chain keeps no queue; send {next} first"
    )]
    NonceTooHigh { account: Address, sent: u64, next: u64 },
    #[error("nonce too low: {account} has used {sent}, the next one is {next}")]
    NonceTooLow { account: Address, sent: u64, next: u64 },
    #[error("the transaction was refused: {0}")]
    Refused(InvalidTransaction),
    #[error("execution reverted{reason}")]
    Reverted { reason: String, data: Bytes },
    #[error("execution halted: {reason}")]
    Halted { reason: String },
    #[error("{needs}: the transaction does not succeed within {limit} gas (EIP-7825 caps it at 16777216)")]
    GasCap { needs: String, limit: u64 },
    #[error("state is kept for the latest block only ({head}); block {asked} was asked for")]
    OldState { asked: String, head: u64 },
    #[error("no block {0}")]
    UnknownBlock(String),
    #[error("the block range {from} to {to} runs backwards")]
    Range { from: u64, to: u64 },
    #[error("timestamp {asked} is not after the latest block's {head}")]
    Backwards { asked: u64, head: u64 },
    #[error("{what}: {asked} asked for, at most {limit}")]
    Limit { what: &'static str, asked: u64, limit: u64 },
    #[error("the chain met an internal fault and stopped answering; start it again")]
    Stopped,
    #[error("the chain failed: {0}")]
    Internal(String),
}

impl ChainError {
    /// The JSON-RPC code: 3 for a revert as in geth, -32005 for a limit, -32603 for our own faults.
    pub fn code(&self) -> i64 {
        match self {
            Self::Reverted { .. } => 3,
            Self::Limit { .. } => -32_005,
            Self::Range { .. } | Self::Backwards { .. } => -32_602,
            Self::Stopped | Self::Internal(_) => -32_603,
            Self::Undecodable(_)
            | Self::Signature
            | Self::TransactionType(_)
            | Self::NonceTooHigh { .. }
            | Self::NonceTooLow { .. }
            | Self::Refused(_)
            | Self::Halted { .. }
            | Self::GasCap { .. }
            | Self::OldState { .. }
            | Self::UnknownBlock(_) => -32_000,
        }
    }

    /// A revert with its reason, where the data is Solidity's `Error(string)` or `Panic(uint256)`.
    pub(crate) fn reverted(data: Bytes) -> Self {
        let reason = alloy::sol_types::decode_revert_reason(&data)
            .map(|r| format!(": {r}"))
            .unwrap_or_default();
        Self::Reverted { reason, data }
    }
}
