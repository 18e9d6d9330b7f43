//! A chain in memory, as deployed contracts meet it. Shared with the tests of the CID argument.

use revm::context::result::{ExecutionResult, Output};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::{Address, TxKind, hardfork::SpecId};
use revm::state::{AccountInfo, Bytecode, EvmState};
use revm::{DatabaseCommit, ExecuteEvm, MainBuilder, MainContext};
use sha3::{Digest, Keccak256};

/// EIP-7825.
const GAS: u64 = 16_777_216;

pub struct Chain {
    db: CacheDB<EmptyDB>,
    nonce: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Returned { data: Vec<u8>, gas: u64 },
    Reverted(Vec<u8>),
    Halted(String),
}

impl Reply {
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Returned { data, .. } if data.len() == 32 && data[31] == 1)
    }

    pub fn gas(&self) -> u64 {
        match self {
            Self::Returned { gas, .. } => *gas,
            other => panic!("no gas: {other:?}"),
        }
    }
}

impl Chain {
    pub fn new() -> Self {
        Self {
            db: CacheDB::default(),
            nonce: 0,
        }
    }

    fn run(&self, kind: TxKind, data: Vec<u8>) -> (ExecutionResult, EvmState) {
        let tx = TxEnv {
            gas_limit: GAS,
            kind,
            data: data.into(),
            nonce: self.nonce,
            ..Default::default()
        };
        let mut evm = Context::mainnet()
            .with_ref_db(&self.db)
            .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
            .build_mainnet();
        let outcome = evm.transact(tx).expect("a transaction the chain takes");
        (outcome.result, outcome.state)
    }

    /// Runs a constructor; the address and the code it left.
    pub fn deploy(&mut self, creation: Vec<u8>) -> Result<(Address, Vec<u8>), Reply> {
        let (result, state) = self.run(TxKind::Create, creation);
        self.nonce += 1;
        self.db.commit(state);
        match result {
            ExecutionResult::Success {
                output: Output::Create(code, Some(at)),
                ..
            } => Ok((at, code.to_vec())),
            ExecutionResult::Revert { output, .. } => Err(Reply::Reverted(output.to_vec())),
            other => panic!("{other:?}"),
        }
    }

    /// Puts data contracts on the chain.
    pub fn store<'a>(&mut self, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Address> {
        chunks
            .map(|chunk| {
                // A STOP byte first, so that nobody can call it.
                let code = [&[0u8], chunk].concat();
                assert!(code.len() <= 24_576, "EIP-170");
                let digest = Keccak256::digest(&code);
                let at = Address::from_slice(&digest[12..]);
                let bytecode = Bytecode::new_raw(code.into());
                let info = AccountInfo {
                    code_hash: bytecode.hash_slow(),
                    code: Some(bytecode),
                    ..Default::default()
                };
                self.db.insert_account_info(at, info);
                at
            })
            .collect()
    }

    pub fn call(&self, to: Address, data: Vec<u8>) -> Reply {
        match self.run(TxKind::Call(to), data).0 {
            ExecutionResult::Success { output, gas, .. } => Reply::Returned {
                data: output.into_data().to_vec(),
                gas: gas.tx_gas_used(),
            },
            ExecutionResult::Revert { output, .. } => Reply::Reverted(output.to_vec()),
            ExecutionResult::Halt { reason, .. } => Reply::Halted(format!("{reason:?}")),
        }
    }
}
