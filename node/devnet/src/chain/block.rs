//! A mined block, its one transaction, and how clients see them.

use alloy::consensus::transaction::Recovered;
use alloy::consensus::{Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction as _, TxEnvelope, proofs};
use alloy::primitives::{Address, B256, Bloom, Log, U256, logs_bloom};
use alloy::rpc::types::{
    Block as RpcBlock, BlockTransactions, Header as RpcHeader, Log as RpcLog, Transaction as RpcTransaction,
    TransactionReceipt,
};

/// A block: header, hash, at most one transaction.
#[derive(Clone, Debug)]
pub struct Block {
    pub header: Header,
    pub hash: B256,
    pub mined: Option<Mined>,
}

/// A transaction with what became of it.
#[derive(Clone, Debug)]
pub struct Mined {
    pub tx: TxEnvelope,
    pub from: Address,
    pub success: bool,
    pub gas_used: u64,
    pub created: Option<Address>,
    pub logs: Vec<Log>,
}

impl Block {
    /// Closes a block. The state root stays zero: no trie is kept.
    pub fn seal(mut header: Header, mined: Option<Mined>) -> Self {
        if let Some(mined) = &mined {
            header.gas_used = mined.gas_used;
            header.logs_bloom = mined.bloom();
            header.transactions_root = proofs::calculate_transaction_root(std::slice::from_ref(&mined.tx));
            header.receipts_root = proofs::calculate_receipt_root(&[mined.receipt(mined.logs.clone())]);
        }
        let hash = header.hash_slow();
        Self { header, hash, mined }
    }

    pub fn base_fee(&self) -> u64 {
        self.header.base_fee_per_gas.unwrap_or_default()
    }

    /// The block's logs as clients get them; a block has one transaction, so the log index is the position in it.
    pub fn logs(&self) -> impl Iterator<Item = RpcLog> + '_ {
        self.mined.iter().flat_map(|m| {
            m.logs.iter().zip(0u64..).map(|(log, index)| RpcLog {
                inner: log.clone(),
                block_hash: Some(self.hash),
                block_number: Some(self.header.number),
                block_timestamp: Some(self.header.timestamp),
                transaction_hash: Some(*m.tx.tx_hash()),
                transaction_index: Some(0),
                log_index: Some(index),
                removed: false,
            })
        })
    }

    pub fn rpc(&self, full: bool) -> RpcBlock {
        let transactions = match full {
            true => BlockTransactions::Full(self.mined.iter().map(|m| self.rpc_transaction(m)).collect()),
            false => BlockTransactions::Hashes(self.mined.iter().map(|m| *m.tx.tx_hash()).collect()),
        };
        let header = RpcHeader {
            hash: self.hash,
            inner: self.header.clone(),
            total_difficulty: Some(U256::ZERO),
            size: Some(U256::from(self.header.size())),
        };
        RpcBlock::new(header, transactions)
    }

    pub fn transaction(&self) -> Option<RpcTransaction> {
        self.mined.as_ref().map(|m| self.rpc_transaction(m))
    }

    pub fn receipt(&self) -> Option<TransactionReceipt> {
        let mined = self.mined.as_ref()?;
        Some(TransactionReceipt {
            inner: mined.receipt(self.logs().collect()),
            transaction_hash: *mined.tx.tx_hash(),
            transaction_index: Some(0),
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            gas_used: mined.gas_used,
            effective_gas_price: self.gas_price(mined),
            blob_gas_used: None,
            blob_gas_price: None,
            from: mined.from,
            to: mined.tx.to(),
            contract_address: mined.created,
        })
    }

    /// What the sender paid above the base fee, in wei per gas; 0 in an empty block.
    pub fn priority_fee(&self) -> u128 {
        self.mined
            .as_ref()
            .map_or(0, |m| self.gas_price(m).saturating_sub(u128::from(self.base_fee())))
    }

    fn gas_price(&self, mined: &Mined) -> u128 {
        mined.tx.effective_gas_price(Some(self.base_fee()))
    }

    fn rpc_transaction(&self, mined: &Mined) -> RpcTransaction {
        RpcTransaction {
            inner: Recovered::new_unchecked(mined.tx.clone(), mined.from),
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            transaction_index: Some(0),
            effective_gas_price: Some(self.gas_price(mined)),
            block_timestamp: Some(self.header.timestamp),
        }
    }
}

impl Mined {
    fn bloom(&self) -> Bloom {
        logs_bloom(self.logs.iter())
    }

    fn receipt<L>(&self, logs: Vec<L>) -> ReceiptEnvelope<L> {
        let receipt = ReceiptWithBloom {
            receipt: Receipt {
                status: self.success.into(),
                cumulative_gas_used: self.gas_used,
                logs,
            },
            logs_bloom: self.bloom(),
        };
        match self.tx {
            TxEnvelope::Legacy(_) => ReceiptEnvelope::Legacy(receipt),
            TxEnvelope::Eip2930(_) => ReceiptEnvelope::Eip2930(receipt),
            TxEnvelope::Eip1559(_) => ReceiptEnvelope::Eip1559(receipt),
            TxEnvelope::Eip4844(_) => ReceiptEnvelope::Eip4844(receipt),
            TxEnvelope::Eip7702(_) => ReceiptEnvelope::Eip7702(receipt),
        }
    }
}
