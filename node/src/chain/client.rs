//! An account on a chain: sends transactions under the per-transaction gas cap, waits for receipts,
//! and turns reverts into the words of the contract that reverted.

use crate::failure::{Code, Failure};
use alloy::contract::{CallBuilder, CallDecoder};
use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::utils::Eip1559Estimation;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{BlockNumberOrTag, Header, TransactionReceipt, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolInterface;
use alloy::transports::{RpcError, TransportErrorKind};
use anyhow::{Context, Result, bail};
use std::time::Duration;
use zkaggle_bindings::{IBountyMarket, IDatasetRegistry, IKeyRegistry};
use zkaggle_config::units::Wei;

/// EIP-7825: no transaction may ask for more gas.
pub const MAX_TX_GAS: u64 = 16_777_216;
/// How long a transaction may stay unmined before its sender gives up waiting.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(120);

/// Chain ids of development chains: time can be moved, development keys are accepted.
pub const DEVELOPMENT_CHAINS: [u64; 2] = [31_337, 1_337];

/// Whether `id` is a development chain's.
pub fn is_development(id: u64) -> bool {
    DEVELOPMENT_CHAINS.contains(&id)
}

/// A mined transaction.
#[derive(Clone, Debug)]
pub struct Sent {
    pub hash: B256,
    pub gas: u64,
    pub receipt: TransactionReceipt,
}

/// What an account does not do, whoever asks. By default it pays what the chain asks and acts on the
/// newest block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caution {
    /// Most wei paid per gas, tip included.
    pub max_fee: Option<u128>,
    /// How deep a block must lie before what it holds is acted on where that cannot be taken back;
    /// the newest block is 1 deep, 0 is as 1.
    pub confirmations: u64,
}

/// A block by what decides whether to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Height {
    pub number: u64,
    /// Unix seconds.
    pub timestamp: u64,
}

/// An account on one chain.
#[derive(Clone)]
pub struct Chain {
    rpc: DynProvider,
    account: Address,
    chain_id: u64,
    caution: Caution,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("chain_id", &self.chain_id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// Connects through any alloy client and asks the endpoint for its chain id.
    ///
    /// # Errors
    /// [`Code::Unreachable`] when the endpoint does not answer, [`Code::Refused`] when it is another
    /// chain than `expected`.
    pub async fn connect(client: RpcClient, signer: PrivateKeySigner, expected: Option<u64>) -> Result<Self> {
        let account = signer.address();
        // A simple nonce manager asks the chain before every transaction: a restarted node cannot
        // start from a stale count.
        let rpc = ProviderBuilder::new()
            .disable_recommended_fillers()
            .with_gas_estimation()
            .with_simple_nonce_management()
            .fetch_chain_id()
            .wallet(EthereumWallet::from(signer))
            .connect_client(client)
            .erased();
        let chain_id = rpc.get_chain_id().await.map_err(|e| {
            Failure::new(
                Code::Unreachable,
                format!("the chain endpoint does not answer: {}", redact(&e)),
            )
        })?;
        if let Some(want) = expected.filter(|w| *w != chain_id) {
            return Err(Failure::refused(format!(
                "the endpoint serves chain {chain_id}, the configuration names chain {want}; check chain.id and chain.rpc_url"
            )));
        }
        Ok(Self {
            rpc,
            account,
            chain_id,
            caution: Caution::default(),
        })
    }

    /// Connects over HTTP.
    pub async fn connect_http(url: &str, signer: PrivateKeySigner, expected: Option<u64>) -> Result<Self> {
        let url = url
            .parse()
            .map_err(|_| Failure::usage("the chain's RPC URL is not a URL"))?;
        let client = RpcClient::new_http(url).with_poll_interval(Duration::from_millis(100));
        Self::connect(client, signer, expected).await
    }

    /// The same account, holding back as `caution` says.
    pub fn with_caution(self, caution: Caution) -> Self {
        Self { caution, ..self }
    }

    pub fn rpc(&self) -> &DynProvider {
        &self.rpc
    }

    pub fn account(&self) -> Address {
        self.account
    }

    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Timestamp of the pending block: what a transaction sent now would see, in Unix seconds.
    pub async fn now(&self) -> Result<u64> {
        Ok(self.header(BlockNumberOrTag::Latest).await?.timestamp)
    }

    /// The newest block that lies deep enough to act on; the first one while the chain is shorter.
    pub async fn deep(&self) -> Result<Height> {
        let mut header = self.header(BlockNumberOrTag::Latest).await?;
        let above = self.caution.confirmations.saturating_sub(1);
        if above > 0 {
            header = self.header(header.number.saturating_sub(above).into()).await?;
        }
        Ok(Height {
            number: header.number,
            timestamp: header.timestamp,
        })
    }

    /// Number of the newest block.
    pub async fn head(&self) -> Result<u64> {
        self.rpc.get_block_number().await.map_err(unreachable_chain)
    }

    /// Hash of a block that must be there.
    pub async fn block_hash(&self, number: u64) -> Result<B256> {
        Ok(self.header(number.into()).await?.hash)
    }

    async fn header(&self, at: BlockNumberOrTag) -> Result<Header> {
        let block = self.rpc.get_block_by_number(at).await.map_err(unreachable_chain)?;
        Ok(block.with_context(|| format!("the chain has no block {at}"))?.header)
    }

    pub async fn balance(&self) -> Result<U256> {
        self.rpc.get_balance(self.account).await.map_err(unreachable_chain)
    }

    /// keccak256 of the code at `address`; the hash of no code where there is none.
    pub async fn code_hash(&self, address: Address) -> Result<B256> {
        Ok(keccak256(
            self.rpc.get_code_at(address).await.map_err(unreachable_chain)?,
        ))
    }

    /// Sends a contract call and waits until it is mined.
    ///
    /// It is simulated first, so that a call that would revert costs nothing and names its reason.
    ///
    /// # Errors
    /// The contract's own error by name, or that the gas cap would be exceeded, or that the endpoint
    /// cannot be reached.
    pub async fn send<P: Provider, D: CallDecoder + Unpin>(&self, what: &str, call: CallBuilder<P, D>) -> Result<Sent> {
        self.send_request(what, call.into_transaction_request()).await
    }

    /// As [`Self::send`], for a raw request.
    pub async fn send_request(&self, what: &str, request: TransactionRequest) -> Result<Sent> {
        let request = request.from(self.account);
        let gas = self
            .rpc
            .estimate_gas(request.clone())
            .await
            .map_err(|e| explain(&e))
            .with_context(|| format!("{what} would fail"))?;
        if gas > MAX_TX_GAS {
            return Err(Failure::refused(format!(
                "{what} needs {gas} gas; a transaction may use {MAX_TX_GAS} (EIP-7825)"
            )));
        }
        // The state may move between estimate and inclusion: a tenth more, never over the cap.
        let limit = (gas + gas / 10 + 10_000).min(MAX_TX_GAS);
        let mut request = request.gas_limit(limit);
        if let Some(ceiling) = self.caution.max_fee {
            let fees = self.fees(ceiling).await.with_context(|| format!("{what} waits"))?;
            request.max_fee_per_gas = Some(fees.max_fee_per_gas);
            request.max_priority_fee_per_gas = Some(fees.max_priority_fee_per_gas);
        }
        let pending = self
            .rpc
            .send_transaction(request)
            .await
            .map_err(|e| explain(&e))
            .with_context(|| format!("{what}: the transaction was not accepted"))?;
        let hash = *pending.tx_hash();
        let receipt = pending
            .with_timeout(Some(RECEIPT_TIMEOUT))
            .get_receipt()
            .await
            .with_context(|| format!("{what}: transaction {hash} was sent but not seen mined; it may still be"))?;
        if !receipt.status() {
            bail!("{what}: transaction {hash} reverted in its block");
        }
        Ok(Sent {
            hash,
            gas: receipt.gas_used,
            receipt,
        })
    }

    /// What the chain asks per gas now, under `ceiling`.
    async fn fees(&self, ceiling: u128) -> Result<Eip1559Estimation> {
        let asked = self.rpc.estimate_eip1559_fees().await.map_err(unreachable_chain)?;
        let base = self.header(BlockNumberOrTag::Latest).await?.base_fee_per_gas;
        under(asked, base.unwrap_or(0).into(), ceiling)
    }

    /// Deploys `code` and returns its address.
    pub async fn create(&self, what: &str, code: Bytes) -> Result<(Address, Sent)> {
        let sent = self
            .send_request(what, TransactionRequest::default().into_create_with(code))
            .await?;
        let address = sent
            .receipt
            .contract_address
            .with_context(|| format!("{what}: the receipt names no contract"))?;
        Ok((address, sent))
    }
}

/// Lowers what a transaction offers per gas to `ceiling`.
///
/// The estimate leaves room for the base fee to double; that room is given up first, and the
/// transaction is refused only when base fee and tip as they are now do not fit.
///
/// # Errors
/// [`Code::Refused`], naming the setting.
fn under(asked: Eip1559Estimation, base: u128, ceiling: u128) -> Result<Eip1559Estimation> {
    let tip = asked.max_priority_fee_per_gas;
    let now = base.saturating_add(tip);
    if now > ceiling {
        return Err(Failure::refused(format!(
            "gas costs {} now and chain.max_fee is {}; it is tried again later, raise chain.max_fee to pay more",
            Wei(now),
            Wei(ceiling)
        )));
    }
    Ok(Eip1559Estimation {
        max_fee_per_gas: asked.max_fee_per_gas.min(ceiling),
        max_priority_fee_per_gas: tip,
    })
}

trait IntoCreate {
    fn into_create_with(self, code: Bytes) -> Self;
}

impl IntoCreate for TransactionRequest {
    fn into_create_with(self, code: Bytes) -> Self {
        let mut r = self.input(code.into());
        r.to = Some(alloy::primitives::TxKind::Create);
        r
    }
}

/// An endpoint's failure without its URL, which may hold an API key.
pub fn redact(e: &RpcError<TransportErrorKind>) -> String {
    match e {
        RpcError::ErrorResp(p) => p.message.to_string(),
        RpcError::Transport(TransportErrorKind::HttpError(h)) => format!("HTTP status {}", h.status),
        RpcError::Transport(TransportErrorKind::Custom(_)) => "the connection failed".into(),
        RpcError::DeserError { .. } => "the answer is not JSON-RPC".into(),
        RpcError::NullResp => "the answer is empty".into(),
        _ => "the request failed".into(),
    }
}

fn unreachable_chain(e: RpcError<TransportErrorKind>) -> anyhow::Error {
    Failure::new(Code::Unreachable, format!("the chain endpoint failed: {}", redact(&e)))
}

/// Puts an RPC error into words: a contract's custom error where there is one.
pub fn explain(e: &RpcError<TransportErrorKind>) -> anyhow::Error {
    let RpcError::ErrorResp(payload) = e else {
        return Failure::new(Code::Unreachable, format!("the chain endpoint failed: {}", redact(e)));
    };
    match payload.as_revert_data() {
        Some(data) => Failure::refused(revert_reason(&data)),
        None => anyhow::anyhow!("{}", payload.message),
    }
}

/// Names the error behind revert data.
pub fn revert_reason(data: &[u8]) -> String {
    if let Ok(e) = IBountyMarket::IBountyMarketErrors::abi_decode(data) {
        return format!("the market refused: {e:?}");
    }
    if let Ok(e) = IKeyRegistry::IKeyRegistryErrors::abi_decode(data) {
        return format!("the key registry refused: {e:?}");
    }
    if let Ok(e) = IDatasetRegistry::IDatasetRegistryErrors::abi_decode(data) {
        return format!("the dataset registry refused: {e:?}");
    }
    format!(
        "reverted with 0x{}",
        hex::encode(data.get(..data.len().min(68)).unwrap_or(data))
    )
}

/// Puts a contract call's error into words.
pub fn explain_call(e: alloy::contract::Error) -> anyhow::Error {
    match e {
        alloy::contract::Error::TransportError(e) => explain(&e),
        other => anyhow::anyhow!("{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_devnet::{DevNet, DevNetConfig};

    async fn account(caution: Caution) -> Chain {
        let net = DevNet::new(DevNetConfig::default());
        let signer = net.accounts().first().unwrap().signer();
        let chain = Chain::connect(net.client(), signer, Some(31_337)).await.unwrap();
        chain.with_caution(caution)
    }

    async fn pay(chain: &Chain) -> Result<Sent> {
        let to_itself = TransactionRequest::default().to(chain.account()).value(U256::from(1));
        chain.send_request("pay", to_itself).await
    }

    #[test]
    fn the_ceiling_gives_up_room_first_and_then_refuses() {
        let asked = Eip1559Estimation {
            max_fee_per_gas: 21,
            max_priority_fee_per_gas: 1,
        };
        for (ceiling, offered) in [
            (22, Some(21)),
            (21, Some(21)),
            (20, Some(20)),
            (11, Some(11)),
            (10, None),
        ] {
            let got = under(asked, 10, ceiling);
            assert_eq!(got.as_ref().ok().map(|f| f.max_fee_per_gas), offered, "{ceiling}");
            assert!(got.is_err() || got.is_ok_and(|f| f.max_priority_fee_per_gas == 1));
        }
        let e = under(asked, u128::MAX, u128::MAX - 1).unwrap_err();
        assert!(e.to_string().contains("chain.max_fee"), "{e}");
    }

    #[tokio::test]
    async fn nothing_is_sent_above_the_ceiling() {
        let ceiling = 50_000_000_000;
        let caution = |max_fee| Caution {
            max_fee: Some(max_fee),
            ..Caution::default()
        };
        let chain = account(caution(ceiling)).await;
        let sent = pay(&chain).await.unwrap();
        assert!(sent.receipt.effective_gas_price <= ceiling);

        let (head, balance) = (chain.head().await.unwrap(), chain.balance().await.unwrap());
        let poor = chain.with_caution(caution(1));
        let e = pay(&poor).await.unwrap_err();
        assert_eq!(crate::failure::code_of(&e), Code::Refused);
        assert!(format!("{e:#}").contains("pay waits: gas costs"), "{e:#}");
        assert_eq!(
            (poor.head().await.unwrap(), poor.balance().await.unwrap()),
            (head, balance)
        );
    }

    #[tokio::test]
    async fn depth_counts_the_newest_block_as_one() {
        let chain = account(Caution::default()).await;
        for _ in 0..4 {
            pay(&chain).await.unwrap();
        }
        let head = chain.head().await.unwrap();
        for (confirmations, above) in [(0, 0), (1, 0), (2, 1), (4, 3), (1_000, head)] {
            let caution = Caution {
                confirmations,
                ..Caution::default()
            };
            let deep = chain.clone().with_caution(caution).deep().await.unwrap();
            assert_eq!(deep.number, head - above, "{confirmations}");
        }
    }
}
