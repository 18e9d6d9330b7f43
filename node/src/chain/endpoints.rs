//! Several JSON-RPC endpoints of one chain behind one transport: bounded, timed, checked, and replaced by
//! the next one when one fails.
//!
//! No quorum: one endpoint is believed at a time, since what decides about money is either simulated
//! and signed here or checked again by the contracts. What an endpoint cannot get away with is being
//! another chain: before its first answer counts, and again whenever it comes back from a failure, its
//! chain id, its genesis block and the code of every pinned contract must be those of the others.

use alloy::primitives::{Address, B256, Bytes, U64, keccak256};
use alloy::rpc::json_rpc::{Id, Request, RequestPacket, ResponsePacket, ResponsePayload};
use alloy::transports::http::reqwest;
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use zkaggle_config::RpcUrl;

/// Largest answer that is read. A block of claims with their ciphertexts stays far below it.
pub const MAX_ANSWER: usize = 48 << 20;
/// Longest wait for an endpoint to take the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for a whole answer.
const ANSWER: Duration = Duration::from_secs(20);
/// How far an endpoint may be behind the newest block seen on any of them before another is tried.
const MOST_BEHIND: u64 = 16;
/// Longest rest of an endpoint that keeps failing.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// JSON-RPC's "limit exceeded", which another endpoint may not have reached.
const LIMIT_EXCEEDED: i64 = -32_005;

/// Why an endpoint was not used. Names the endpoint without what may be an API key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    #[error("endpoint {url} does not answer: {reason}")]
    Silent { url: String, reason: &'static str },
    #[error("endpoint {url} answers with HTTP status {status}")]
    Status { url: String, status: u16 },
    #[error("endpoint {url} sent more than {MAX_ANSWER} bytes")]
    TooLarge { url: String },
    #[error("endpoint {url} does not answer in JSON-RPC")]
    Garbage { url: String },
    #[error("endpoint {url} is at block {at}, {behind} behind the others")]
    Behind { url: String, at: u64, behind: u64 },
    #[error("endpoint {url} is not to be believed: {why}")]
    Distrusted { url: String, why: String },
    #[error("endpoint {url} limits us")]
    Limited { url: String },
    #[error("endpoint {url} serves chain {got}, expected is chain {want}; check chain.id and chain.rpc_url")]
    OtherChain { url: String, got: u64, want: u64 },
    #[error("endpoint {url} serves a chain with another first block than the one in use")]
    OtherGenesis { url: String },
    #[error("endpoint {url} serves other code at {address} than the deployment names")]
    OtherCode { url: String, address: Address },
    #[error("no endpoint is configured; set chain.rpc_url or give --rpc-url")]
    None,
}

impl EndpointError {
    /// Whether it is another chain than expected, which waiting does not cure.
    pub fn is_another_chain(&self) -> bool {
        matches!(
            self,
            Self::OtherChain { .. } | Self::OtherGenesis { .. } | Self::OtherCode { .. }
        )
    }

    fn raise(self) -> TransportError {
        TransportErrorKind::custom(self)
    }
}

/// Several endpoints of one chain; an alloy transport, cheap to clone.
#[derive(Clone)]
pub struct Endpoints {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    urls: Vec<RpcUrl>,
    state: Mutex<State>,
}

/// What every endpoint must agree on.
#[derive(Clone, Debug, Default)]
struct Identity {
    chain_id: Option<u64>,
    genesis: Option<B256>,
    code: BTreeMap<Address, B256>,
}

#[derive(Debug, Default)]
struct State {
    identity: Identity,
    /// The one that answered last.
    current: usize,
    /// Newest block that any of them named.
    head: u64,
    health: Vec<Health>,
}

#[derive(Clone, Debug, Default)]
struct Health {
    /// Its identity was checked since it last failed.
    checked: bool,
    failures: u32,
    rest_until: Option<Instant>,
    /// Another chain: never used again.
    banned: Option<EndpointError>,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints").field("urls", &self.inner.urls).finish()
    }
}

impl Endpoints {
    /// Endpoints in order of preference. `chain_id`: the only chain that is accepted; otherwise that of
    /// the first endpoint that answers.
    ///
    /// # Errors
    /// [`EndpointError::None`] without endpoints, or that the TLS set-up of this machine fails.
    pub fn new(urls: &[RpcUrl], chain_id: Option<u64>) -> Result<Self, TransportError> {
        Self::with_timeouts(urls, chain_id, CONNECT, ANSWER)
    }

    fn with_timeouts(
        urls: &[RpcUrl],
        chain_id: Option<u64>,
        connect: Duration,
        answer: Duration,
    ) -> Result<Self, TransportError> {
        if urls.is_empty() {
            return Err(EndpointError::None.raise());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(connect)
            .timeout(answer)
            // An endpoint must not send our requests elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| TransportErrorKind::custom_str("this machine offers no TLS to connect with"))?;
        let state = State {
            identity: Identity {
                chain_id,
                ..Identity::default()
            },
            health: vec![Health::default(); urls.len()],
            ..State::default()
        };
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                urls: urls.to_vec(),
                state: Mutex::new(state),
            }),
        })
    }

    /// From now on an endpoint with other code at these addresses is not used.
    pub fn pin(&self, code: impl IntoIterator<Item = (Address, B256)>) {
        self.inner.held().identity.code.extend(code);
    }

    /// The endpoint in use said what cannot be: it rests, and is checked before it is used again.
    pub fn distrust(&self, why: &str) {
        let current = self.inner.held().current;
        let e = EndpointError::Distrusted {
            url: self.inner.url(current),
            why: why.chars().take(200).collect(),
        };
        tracing::warn!("{e}");
        self.inner.failed(current, &e);
    }
}

impl tower::Service<RequestPacket> for Endpoints {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let inner = self.inner.clone();
        Box::pin(async move { inner.answer(packet).await.map_err(EndpointError::raise) })
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self, i: usize) -> String {
        self.urls.get(i).map(ToString::to_string).unwrap_or_default()
    }

    /// Endpoints worth asking, the one in use first; all that are not banned when every one rests.
    fn order(&self) -> Vec<usize> {
        let state = self.held();
        let n = self.urls.len();
        let now = Instant::now();
        let all: Vec<usize> = (0..n)
            .map(|i| (state.current + i) % n)
            .filter(|i| state.health.get(*i).is_some_and(|h| h.banned.is_none()))
            .collect();
        let awake: Vec<usize> = all
            .iter()
            .copied()
            .filter(|i| {
                state
                    .health
                    .get(*i)
                    .is_some_and(|h| h.rest_until.is_none_or(|t| t <= now))
            })
            .collect();
        if awake.is_empty() { all } else { awake }
    }

    async fn answer(&self, packet: RequestPacket) -> Result<ResponsePacket, EndpointError> {
        let mut last = None;
        let order = self.order();
        for (place, i) in order.iter().copied().enumerate() {
            let only = place + 1 == order.len();
            match self.ask(i, &packet, only).await {
                Ok(answer) => {
                    self.succeeded(i);
                    return Ok(answer);
                }
                Err(e) => {
                    self.failed(i, &e);
                    if order.len() > 1 {
                        tracing::warn!("{e}; trying the next one");
                    }
                    // Another chain is a mistake to correct, silence may pass: the former is told first.
                    if !last.as_ref().is_some_and(EndpointError::is_another_chain) {
                        last = Some(e);
                    }
                }
            }
        }
        let banned = self.held().health.iter().find_map(|h| h.banned.clone());
        Err(last.or(banned).unwrap_or(EndpointError::None))
    }

    fn succeeded(&self, i: usize) {
        let mut state = self.held();
        state.current = i;
        if let Some(h) = state.health.get_mut(i) {
            h.failures = 0;
            h.rest_until = None;
        }
    }

    fn failed(&self, i: usize, e: &EndpointError) {
        if let Some(h) = self.held().health.get_mut(i) {
            h.checked = false;
            h.failures = h.failures.saturating_add(1);
            let rest = Duration::from_millis(500).saturating_mul(2u32.saturating_pow(h.failures.min(10)));
            h.rest_until = Some(Instant::now() + rest.min(LONGEST_REST));
            if e.is_another_chain() {
                h.banned = Some(e.clone());
            }
        }
    }

    async fn ask(&self, i: usize, packet: &RequestPacket, only: bool) -> Result<ResponsePacket, EndpointError> {
        let checked = self.held().health.get(i).is_some_and(|h| h.checked);
        if !checked {
            self.identify(i).await?;
        }
        let answer = self.post(i, packet).await?;
        let ResponsePacket::Single(r) = &answer else {
            return Ok(answer);
        };
        match &r.payload {
            ResponsePayload::Failure(e) if e.code == LIMIT_EXCEEDED => {
                return Err(EndpointError::Limited { url: self.url(i) });
            }
            ResponsePayload::Success(v) if packet.as_single().is_some_and(|r| r.method() == "eth_blockNumber") => {
                let at: U64 = serde_json::from_str(v.get()).map_err(|_| EndpointError::Garbage { url: self.url(i) })?;
                self.height(i, at.to(), only)?;
            }
            _ => {}
        }
        Ok(answer)
    }

    /// Notes the newest block; refuses an endpoint that is far behind while another may not be.
    fn height(&self, i: usize, at: u64, only: bool) -> Result<(), EndpointError> {
        let mut state = self.held();
        let behind = state.head.saturating_sub(at);
        if behind > MOST_BEHIND && !only {
            return Err(EndpointError::Behind {
                url: self.url(i),
                at,
                behind,
            });
        }
        // The only one left decides: a chain may have been wound back.
        state.head = if behind > MOST_BEHIND { at } else { state.head.max(at) };
        Ok(())
    }

    /// Compares an endpoint with what is known of the chain; what is not known yet is taken from it.
    async fn identify(&self, i: usize) -> Result<(), EndpointError> {
        let known = self.held().identity.clone();
        let got: U64 = self.read(i, "eth_chainId", json!([])).await?;
        let got = got.to::<u64>();
        if let Some(want) = known.chain_id.filter(|w| *w != got) {
            return Err(EndpointError::OtherChain {
                url: self.url(i),
                got,
                want,
            });
        }
        let block: Value = self.read(i, "eth_getBlockByNumber", json!(["0x0", false])).await?;
        let genesis: B256 = block
            .get("hash")
            .and_then(Value::as_str)
            .and_then(|h| h.parse().ok())
            .ok_or_else(|| EndpointError::Garbage { url: self.url(i) })?;
        if known.genesis.is_some_and(|g| g != genesis) {
            return Err(EndpointError::OtherGenesis { url: self.url(i) });
        }
        for (address, want) in &known.code {
            let code: Bytes = self.read(i, "eth_getCode", json!([address, "latest"])).await?;
            if keccak256(code) != *want {
                return Err(EndpointError::OtherCode {
                    url: self.url(i),
                    address: *address,
                });
            }
        }
        let mut state = self.held();
        // Two first endpoints cannot both set the identity: whoever comes second is compared again.
        let same =
            state.identity.chain_id.is_none_or(|c| c == got) && state.identity.genesis.is_none_or(|g| g == genesis);
        if !same {
            return Err(EndpointError::OtherGenesis { url: self.url(i) });
        }
        state.identity.chain_id = Some(got);
        state.identity.genesis = Some(genesis);
        if let Some(h) = state.health.get_mut(i) {
            h.checked = true;
        }
        Ok(())
    }

    async fn read<T: DeserializeOwned>(
        &self,
        i: usize,
        method: &'static str,
        params: Value,
    ) -> Result<T, EndpointError> {
        let garbage = || EndpointError::Garbage { url: self.url(i) };
        let request = Request::new(method, Id::Number(0), params)
            .serialize()
            .map_err(|_| garbage())?;
        match self.post(i, &RequestPacket::Single(request)).await? {
            ResponsePacket::Single(r) => match r.payload {
                ResponsePayload::Success(v) => serde_json::from_str(v.get()).map_err(|_| garbage()),
                ResponsePayload::Failure(_) => Err(garbage()),
            },
            ResponsePacket::Batch(_) => Err(garbage()),
        }
    }

    /// One HTTP exchange, read up to [`MAX_ANSWER`].
    async fn post(&self, i: usize, packet: &RequestPacket) -> Result<ResponsePacket, EndpointError> {
        let url = || self.url(i);
        let silent = |e: reqwest::Error| EndpointError::Silent {
            url: url(),
            reason: match (e.is_timeout(), e.is_connect()) {
                (true, _) => "it takes too long",
                (_, true) => "the connection is refused",
                _ => "the connection breaks off",
            },
        };
        let target = self.urls.get(i).map(RpcUrl::expose).unwrap_or_default();
        let mut answer = self.http.post(target).json(packet).send().await.map_err(silent)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(silent)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(EndpointError::TooLarge { url: url() });
            }
            body.extend_from_slice(&chunk);
        }
        match serde_json::from_slice::<ResponsePacket>(&body) {
            // Some endpoints send JSON-RPC errors under an HTTP error status.
            Ok(answer) if status.is_success() || (answer.is_error() && status.as_u16() == 400) => Ok(answer),
            _ if !status.is_success() => Err(EndpointError::Status {
                url: url(),
                status: status.as_u16(),
            }),
            _ => Err(EndpointError::Garbage { url: url() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hostile::{Hostile, Reply};
    use super::*;
    use alloy::providers::{DynProvider, Provider, ProviderBuilder};
    use alloy::rpc::client::RpcClient;
    use zkaggle_devnet::{DevNet, DevNetConfig};

    const SOON: Duration = Duration::from_millis(300);

    fn chain(chain_id: u64) -> DevNet {
        DevNet::new(DevNetConfig {
            chain_id,
            genesis_time: Some(1_700_000_000),
            ..DevNetConfig::default()
        })
    }

    fn over(urls: &[&Hostile]) -> (DynProvider, Endpoints) {
        let urls: Vec<RpcUrl> = urls.iter().map(|h| h.url.clone()).collect();
        let endpoints = Endpoints::with_timeouts(&urls, Some(31_337), SOON, SOON).unwrap();
        let client = RpcClient::new(endpoints.clone(), true);
        (ProviderBuilder::new().connect_client(client).erased(), endpoints)
    }

    async fn honest(net: &DevNet) -> Hostile {
        Hostile::serve(net.clone(), |_, _| Reply::Honest).await
    }

    /// Whatever the first endpoint does, the second answers; alone, it is a named error without the key.
    #[tokio::test]
    async fn another_endpoint_takes_the_place_of_one_that_fails() {
        let net = chain(31_337);
        let good = honest(&net).await;
        type Make = fn() -> Reply;
        let bad: [(&str, Make, &str); 10] = [
            ("hangs", || Reply::Hang, "takes too long"),
            ("closes", || Reply::Close, "breaks off"),
            (
                "says garbage",
                || Reply::Http(200, "x: y", b"<html>".to_vec()),
                "JSON-RPC",
            ),
            ("says nothing", || Reply::Http(200, "x: y", vec![]), "JSON-RPC"),
            ("is overloaded", || Reply::Http(503, "x: y", b"busy".to_vec()), "503"),
            ("limits by status", || Reply::Http(429, "retry-after: 1", vec![]), "429"),
            ("limits by code", || Reply::Error(-32_005, "slow down"), "JSON-RPC"),
            (
                "sends us away",
                || Reply::Http(307, "location: http://127.0.0.1:1/", vec![]),
                "307",
            ),
            (
                "gives a wrong type",
                || Reply::Result(json!({ "no": "number" })),
                "JSON-RPC",
            ),
            ("is another chain", || Reply::Result(json!("0x1")), "serves chain 1"),
        ];
        for (what, make, words) in bad {
            let first = Hostile::serve(net.clone(), move |_, _| make()).await;
            let (rpc, _) = over(&[&first, &good]);
            assert_eq!(rpc.get_chain_id().await.unwrap(), 31_337, "{what}");
            let (rpc, _) = over(&[&first]);
            let e = super::super::errors::redact(&rpc.get_chain_id().await.unwrap_err());
            assert!(e.contains(words) && !e.contains("KEY"), "{what}: {e}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let net = chain(31_337);
        let endless = Hostile::serve(net.clone(), |_, _| Reply::Endless).await;
        let urls = [endless.url.clone()];
        let e = Endpoints::with_timeouts(&urls, None, SOON, Duration::from_secs(60)).unwrap();
        let rpc = ProviderBuilder::new().connect_client(RpcClient::new(e, true));
        let e = super::super::errors::redact(&rpc.get_chain_id().await.unwrap_err());
        assert!(e.contains("bytes"), "{e}");
    }

    /// Another first block or other code under the same chain id is another chain, also after a failure.
    #[tokio::test]
    async fn an_endpoint_that_comes_back_is_checked_again() {
        let net = chain(31_337);
        let contract = Address::repeat_byte(9);
        let rpc = ProviderBuilder::new().connect_client(net.client());
        let code = Bytes::from_static(&[1, 2, 3]);
        let set: Value = rpc
            .raw_request("anvil_setCode".into(), (contract, code.clone()))
            .await
            .unwrap();
        assert!(set.is_null());

        let (first, second) = (honest(&net).await, honest(&net).await);
        let (rpc, endpoints) = over(&[&first, &second]);
        endpoints.pin([(contract, keccak256(&code))]);
        rpc.get_block_number().await.unwrap();
        assert!(second.asked().is_empty(), "the first answers: the second is left alone");

        // The first fails; the second has other code there.
        first.set(|_, _| Reply::Close);
        second.set(|method, _| match method {
            "eth_getCode" => Reply::Result(json!("0x01")),
            _ => Reply::Honest,
        });
        let e = rpc.get_block_number().await.unwrap_err();
        assert!(super::super::errors::redact(&e).contains("other code"), "{e}");
        // Honest again, but it is banned for good; only the first may come back.
        second.set(|_, _| Reply::Honest);
        assert!(rpc.get_block_number().await.is_err());
        first.set(|_, _| Reply::Honest);
        assert_eq!(rpc.get_block_number().await.unwrap(), 0);
        assert!(
            first.asked().contains(&"eth_getCode".to_owned()),
            "it was not checked again"
        );

        // A chain begun anew has the id and the code, not the first block.
        let anew = DevNet::new(DevNetConfig {
            genesis_time: Some(1_800_000_000),
            ..DevNetConfig::default()
        });
        let third = honest(&anew).await;
        let (rpc, _) = over(&[&first, &third]);
        rpc.get_block_number().await.unwrap();
        first.set(|_, _| Reply::Close);
        let e = rpc.get_block_number().await.unwrap_err();
        assert!(super::super::errors::redact(&e).contains("first block"), "{e}");
    }

    #[tokio::test]
    async fn an_endpoint_far_behind_gives_way_unless_it_is_the_only_one() {
        let net = chain(31_337);
        net.mine(100).unwrap();
        let (first, second) = (honest(&net).await, honest(&net).await);
        let (rpc, _) = over(&[&first, &second]);
        assert_eq!(rpc.get_block_number().await.unwrap(), 100);
        first.set(|method, _| match method {
            "eth_blockNumber" => Reply::Result(json!("0x10")),
            _ => Reply::Honest,
        });
        assert_eq!(rpc.get_block_number().await.unwrap(), 100);
        // All of them behind: the chain was wound back, and that is what it is.
        second.set(|method, _| match method {
            "eth_blockNumber" => Reply::Result(json!("0x10")),
            _ => Reply::Honest,
        });
        let got = rpc.get_block_number().await;
        assert_eq!(got.unwrap(), 0x10);
    }
}
