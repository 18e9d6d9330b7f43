//! An account on a chain: what it is, what it reads, and what it does not do whoever asks. What it
//! sends is in [`super::submit`].

use super::endpoints::Endpoints;
use super::errors::unreachable_chain;
use super::outbox::Outbox;
use super::submit::Patience;
use super::tokens::TokenCeilings;
use crate::failure::Failure;
use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{BlockNumberOrTag, Header, TransactionReceipt};
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Duration;
use zkaggle_config::RpcUrl;

/// EIP-7825: no transaction may ask for more gas.
pub const MAX_TX_GAS: u64 = 16_777_216;

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
    /// Most wei that leaves the account in a day, amounts and gas together.
    pub max_spend: Option<u128>,
    /// How deep a block must lie before what it holds is acted on where that cannot be taken back;
    /// the newest block is 1 deep, 0 is as 1.
    pub confirmations: u64,
    /// How long a transaction is waited for, and when it is offered again for more.
    pub patience: Patience,
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
    wallet: EthereumWallet,
    account: Address,
    chain_id: u64,
    caution: Caution,
    outbox: Arc<Outbox>,
    /// Without them, tokens are not limited.
    tokens: Option<Arc<TokenCeilings>>,
    endpoints: Option<Endpoints>,
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
        // No fillers: nonce, fees and signature are written down before anything is sent.
        let rpc = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(client)
            .erased();
        let chain_id = rpc.get_chain_id().await.map_err(unreachable_chain)?;
        if let Some(want) = expected.filter(|w| *w != chain_id) {
            return Err(Failure::refused(format!(
                "the endpoint serves chain {chain_id}, the configuration names chain {want}; check chain.id and chain.rpc_url"
            )));
        }
        Ok(Self {
            rpc,
            wallet: EthereumWallet::from(signer),
            account,
            chain_id,
            caution: Caution {
                patience: Patience::on(chain_id),
                ..Caution::default()
            },
            outbox: Arc::new(Outbox::memory()),
            tokens: None,
            endpoints: None,
        })
    }

    /// Connects over HTTP to one endpoint.
    pub async fn connect_http(url: &str, signer: PrivateKeySigner, expected: Option<u64>) -> Result<Self> {
        let url: RpcUrl = url
            .parse()
            .map_err(|e| Failure::usage(format!("the chain's RPC URL: {e}")))?;
        Self::connect_any(&[url], signer, expected).await
    }

    /// Connects over HTTP to the first of several endpoints that works; the others stand by.
    ///
    /// # Errors
    /// Usage without endpoints, refused when one that answers serves another chain than `expected` and
    /// none serves that, otherwise unreachable.
    pub async fn connect_any(urls: &[RpcUrl], signer: PrivateKeySigner, expected: Option<u64>) -> Result<Self> {
        if urls.is_empty() {
            return Err(Failure::usage("chain.rpc_url is not set; give --rpc-url or set it"));
        }
        let endpoints = Endpoints::new(urls, expected).map_err(unreachable_chain)?;
        let client = RpcClient::new(endpoints.clone(), true).with_poll_interval(Duration::from_millis(100));
        let mut me = Self::connect(client, signer, expected).await?;
        me.endpoints = Some(endpoints);
        Ok(me)
    }

    /// The same account, writing down what it sends in `outbox`.
    pub fn with_outbox(self, outbox: Outbox) -> Self {
        Self {
            outbox: Arc::new(outbox),
            ..self
        }
    }

    /// From now on an endpoint with other code at these addresses is not used.
    pub fn pin(&self, code: impl IntoIterator<Item = (Address, B256)>) {
        if let Some(e) = &self.endpoints {
            e.pin(code);
        }
    }

    /// The same account, holding back as `caution` says.
    pub fn with_caution(self, caution: Caution) -> Self {
        Self { caution, ..self }
    }

    /// The same account, letting out no more of each token in a day than this, and nothing of any other.
    pub fn with_token_ceilings(self, tokens: TokenCeilings) -> Self {
        Self {
            tokens: Some(Arc::new(tokens)),
            ..self
        }
    }

    pub(super) fn token_ceilings(&self) -> Option<&TokenCeilings> {
        self.tokens.as_deref()
    }

    /// What this account does not do.
    pub fn caution(&self) -> &Caution {
        &self.caution
    }

    pub(super) fn wallet(&self) -> &EthereumWallet {
        &self.wallet
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
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

    pub(super) async fn header(&self, at: BlockNumberOrTag) -> Result<Header> {
        let block = self.rpc.get_block_by_number(at).await.map_err(unreachable_chain)?;
        Ok(block.with_context(|| format!("the chain has no block {at}"))?.header)
    }

    /// A block's header; none where the chain is not that long.
    pub(super) async fn try_header(&self, number: u64) -> Result<Option<Header>> {
        let block = self.rpc.get_block_by_number(number.into()).await;
        Ok(block.map_err(unreachable_chain)?.map(|b| b.header))
    }

    /// The endpoint in use said what cannot be: another one is asked next, where there is one.
    pub(super) fn distrust(&self, why: &str) {
        if let Some(e) = &self.endpoints {
            e.distrust(why);
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;
    use alloy::network::TransactionBuilder;
    use alloy::rpc::types::TransactionRequest;
    use zkaggle_devnet::{DevNet, DevNetConfig};

    async fn account(caution: Caution) -> Chain {
        let net = DevNet::new(DevNetConfig::default());
        let signer = net.accounts().first().unwrap().signer();
        let chain = Chain::connect(net.client(), signer, Some(31_337)).await.unwrap();
        chain.with_caution(caution)
    }

    async fn pay(chain: &Chain) -> Result<Sent> {
        let to_itself = TransactionRequest::default()
            .with_to(chain.account())
            .with_value(U256::from(1));
        chain.send_request("pay", to_itself).await
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
