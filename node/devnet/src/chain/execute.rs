//! Running transactions and calls in revm, and estimating gas.

use super::block::Mined;
use super::{Chain, ChainError, internal};
use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718, Typed2718};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::rpc::types::TransactionRequest;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction, Output};
use revm::context::{BlockEnv, Context, TxEnv};
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use revm::{DatabaseCommit, ExecuteEvm, MainBuilder, MainContext};

/// Most gas a transaction may ask for (EIP-7825).
pub const TX_GAS_CAP: u64 = 16_777_216;
/// What a call with value hands its callee on top (EIP-150's stipend); the estimate's first guess allows for it.
const CALL_STIPEND: u64 = 2_300;

/// How strictly an execution is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// A transaction to be mined: every rule holds.
    Transaction,
    /// An estimate: no fee is charged and contracts may be the sender, but the gas cap holds.
    Estimate,
    /// A call: as an estimate, without the gas cap.
    Call,
}

impl Chain {
    /// Runs a signed transaction and mines it, whether it succeeds or fails.
    ///
    /// # Errors
    /// When the transaction is invalid: then nothing has changed.
    pub fn send(&mut self, raw: &[u8]) -> Result<B256, ChainError> {
        let tx = TxEnvelope::decode_2718_exact(raw).map_err(|e| ChainError::Undecodable(e.to_string()))?;
        if matches!(tx, TxEnvelope::Eip4844(_) | TxEnvelope::Eip7702(_)) {
            return Err(ChainError::TransactionType(tx.ty()));
        }
        let from = tx.recover_signer().map_err(|_| ChainError::Signature)?;
        let env = TxEnv {
            tx_type: tx.ty(),
            caller: from,
            gas_limit: tx.gas_limit(),
            gas_price: tx.max_fee_per_gas(),
            gas_priority_fee: tx.max_priority_fee_per_gas(),
            kind: tx.kind(),
            value: tx.value(),
            data: tx.input().clone(),
            nonce: tx.nonce(),
            chain_id: tx.chain_id(),
            access_list: tx.access_list().cloned().unwrap_or_default(),
            ..Default::default()
        };
        let (result, state) = self.execute(env, Rules::Transaction)?;
        let hash = *tx.tx_hash();
        if let ExecutionResult::Halt { reason, .. } = &result {
            tracing::debug!(%hash, reason = %halt_name(reason), "mined a transaction that halted");
        }
        let created = match &result {
            ExecutionResult::Success {
                output: Output::Create(_, address),
                ..
            } => *address,
            _ => None,
        };
        let (success, gas_used) = (result.is_success(), result.tx_gas_used());
        // A failed transaction's logs are undone with everything else it did.
        let logs = if success { result.into_logs() } else { Vec::new() };
        // The block first: its header reads the clock and the parent, not the state.
        self.push(Some(Mined {
            tx,
            from,
            success,
            gas_used,
            created,
            logs,
        }));
        self.db.commit(state);
        Ok(hash)
    }

    /// Runs a call without keeping its effects.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] with the revert data, [`ChainError::Halted`] with the reason.
    pub fn call(&self, request: &TransactionRequest) -> Result<Bytes, ChainError> {
        let gas = request.gas.unwrap_or(self.call_gas).min(self.call_gas);
        match self.simulate(request, gas, Rules::Call)? {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(ChainError::reverted(output)),
            ExecutionResult::Halt { reason, .. } => Err(ChainError::Halted {
                reason: halt_name(&reason),
            }),
        }
    }

    /// The least gas limit, to a thousandth, with which a transaction succeeds.
    ///
    /// A call passes on at most 63/64 of what it has (EIP-150) and refunds come after the fact, so the gas used says
    /// only where to start looking.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`ChainError::GasCap`] when no limit is high enough.
    pub fn estimate(&self, request: &TransactionRequest) -> Result<u64, ChainError> {
        let cap = request
            .gas
            .unwrap_or(TX_GAS_CAP)
            .min(TX_GAS_CAP)
            .min(self.block_gas_limit);
        let (used, spent) = match self.simulate(request, cap, Rules::Estimate) {
            Ok(ExecutionResult::Success { gas, .. }) => (gas.tx_gas_used(), gas.total_gas_spent()),
            Ok(ExecutionResult::Revert { output, .. }) => return Err(ChainError::reverted(output)),
            Ok(ExecutionResult::Halt {
                reason: reason @ HaltReason::OutOfGas(_),
                ..
            }) => {
                return Err(ChainError::GasCap {
                    needs: halt_name(&reason),
                    limit: cap,
                });
            }
            Ok(ExecutionResult::Halt { reason, .. }) => {
                return Err(ChainError::Halted {
                    reason: halt_name(&reason),
                });
            }
            Err(ChainError::Refused(reason)) if too_little_gas(&reason) => {
                return Err(ChainError::GasCap {
                    needs: reason.to_string(),
                    limit: cap,
                });
            }
            Err(error) => return Err(error),
        };
        let (mut enough, mut too_little) = (cap, used.saturating_sub(1));
        let nested = (spent + CALL_STIPEND).saturating_mul(64) / 63;
        for guess in [spent, nested] {
            if guess >= enough || guess <= too_little {
                continue;
            }
            match self.succeeds(request, guess)? {
                true => enough = guess,
                false => too_little = guess,
            }
        }
        while enough - too_little > 1 + enough / 1_000 {
            let middle = too_little + (enough - too_little) / 2;
            match self.succeeds(request, middle)? {
                true => enough = middle,
                false => too_little = middle,
            }
        }
        Ok(enough)
    }

    fn succeeds(&self, request: &TransactionRequest, gas: u64) -> Result<bool, ChainError> {
        match self.simulate(request, gas, Rules::Estimate) {
            Ok(result) => Ok(result.is_success()),
            Err(ChainError::Refused(reason)) if too_little_gas(&reason) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn simulate(
        &self,
        request: &TransactionRequest,
        gas_limit: u64,
        rules: Rules,
    ) -> Result<ExecutionResult, ChainError> {
        let caller = request.from.unwrap_or(Address::ZERO);
        let env = TxEnv {
            caller,
            gas_limit,
            kind: request.to.unwrap_or(TxKind::Create),
            value: request.value.unwrap_or_default(),
            data: request.input.input().cloned().unwrap_or_default(),
            nonce: self.account(caller)?.nonce,
            chain_id: Some(self.chain_id),
            access_list: request.access_list.clone().unwrap_or_default(),
            ..Default::default()
        };
        Ok(self.execute(env, rules)?.0)
    }

    fn execute(&self, tx: TxEnv, rules: Rules) -> Result<(ExecutionResult, EvmState), ChainError> {
        let (account, sent) = (tx.caller, tx.nonce);
        let header = self.next_header();
        let block = BlockEnv {
            number: U256::from(header.number),
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: self.base_fee,
            beneficiary: header.beneficiary,
            prevrandao: Some(header.mix_hash),
            ..Default::default()
        };
        let mut evm = Context::mainnet()
            .with_ref_db(&self.db)
            .with_block(block)
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = self.chain_id;
                cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
                if rules != Rules::Transaction {
                    cfg.disable_base_fee = true;
                    cfg.disable_eip3607 = true;
                }
                if rules == Rules::Call {
                    cfg.disable_block_gas_limit = true;
                    cfg.tx_gas_limit_cap = Some(u64::MAX);
                }
            })
            .build_mainnet();
        let outcome = evm.transact(tx).map_err(|error| match error {
            EVMError::Transaction(InvalidTransaction::NonceTooHigh { state, .. }) => ChainError::NonceTooHigh {
                account,
                sent,
                next: state,
            },
            EVMError::Transaction(InvalidTransaction::NonceTooLow { state, .. }) => ChainError::NonceTooLow {
                account,
                sent,
                next: state,
            },
            EVMError::Transaction(reason) => ChainError::Refused(reason),
            other => internal(other),
        })?;
        Ok((outcome.result, outcome.state))
    }
}

fn too_little_gas(reason: &InvalidTransaction) -> bool {
    matches!(
        reason,
        InvalidTransaction::CallGasCostMoreThanGasLimit { .. } | InvalidTransaction::GasFloorMoreThanGasLimit { .. }
    )
}

/// A halt in words, with the limit that it met where there is one.
fn halt_name(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(kind) => format!("out of gas ({kind:?})"),
        HaltReason::CreateContractSizeLimit => "contract code above 24576 bytes (EIP-170)".into(),
        HaltReason::CreateInitCodeSizeLimit => "init code above 49152 bytes (EIP-3860)".into(),
        HaltReason::InvalidFEOpcode => "invalid opcode 0xfe".into(),
        HaltReason::OpcodeNotFound => "unknown opcode".into(),
        HaltReason::InvalidJump => "jump to a place that is no destination".into(),
        HaltReason::CreateCollision => "an account already lives at the new contract's address".into(),
        HaltReason::CreateContractStartingWithEF => "contract code must not start with 0xef (EIP-3541)".into(),
        other => format!("{other:?}"),
    }
}
