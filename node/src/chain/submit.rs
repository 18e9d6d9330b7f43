//! Sending transactions: simulated, under every ceiling, written down before they are sent, replaced
//! when they are stuck, and seen through to their block.

use super::client::{Chain, MAX_TX_GAS, Sent, is_development};
use super::errors::{explain, unreachable_chain};
use super::fees::{self, Fees};
use super::outbox::{Note, Offer, show};
use crate::failure::{Code, Failure};
use alloy::contract::{CallBuilder, CallDecoder};
use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip2718::Encodable2718;
use alloy::network::{NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::providers::utils::Eip1559Estimator;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::transports::RpcError;
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};

/// How a transaction is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Unmined for this long, it is offered again for more.
    pub bump: Duration,
    /// Unmined for this long, its sender stops waiting; the note stays.
    pub give_up: Duration,
    /// Between looks.
    pub poll: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            bump: Duration::from_secs(45),
            give_up: Duration::from_secs(300),
            poll: Duration::from_millis(500),
        }
    }
}

impl Patience {
    /// A development chain mines at once: looking often is what makes a story fast.
    pub fn on(chain_id: u64) -> Self {
        let poll = Duration::from_millis(if is_development(chain_id) { 20 } else { 500 });
        Self {
            poll,
            ..Self::default()
        }
    }
}

/// Looks that must agree that transactions before a note's are gone: an endpoint may lag for a moment.
const GAP_LOOKS: u32 = 10;

/// What became of a note when it was looked at.
enum Fate {
    Mined(Box<TransactionReceipt>),
    /// Another transaction of this account has its nonce.
    Superseded,
    Waiting,
}

impl Chain {
    /// Sends a contract call and waits until it is mined.
    ///
    /// It is simulated first, so that a call that would revert costs nothing and names its reason.
    ///
    /// # Errors
    /// The contract's own error by name, a ceiling that would be exceeded, or that the endpoints cannot
    /// be reached. When an older transaction of this account was still under way, it is settled first
    /// and the call is not sent: it was decided without knowing the outcome, so look again.
    pub async fn send<P: Provider, D: CallDecoder + Unpin>(&self, what: &str, call: CallBuilder<P, D>) -> Result<Sent> {
        self.send_request(what, call.into_transaction_request()).await
    }

    /// As [`Self::send`], for a raw request.
    pub async fn send_request(&self, what: &str, request: TransactionRequest) -> Result<Sent> {
        let _sending = self.outbox().turn().await?;
        let settled = self.settle().await?;
        ensure!(
            settled == 0,
            "{what} was not sent: an earlier transaction was still under way and is settled now; look again"
        );
        let mut note = self.prepare(what, request).await?;
        self.see_through(&mut note).await
    }

    /// Deploys `code` and returns its address.
    pub async fn create(&self, what: &str, code: Bytes) -> Result<(Address, Sent)> {
        let request = TransactionRequest::default().with_deploy_code(code);
        let sent = self.send_request(what, request).await?;
        let address = sent
            .receipt
            .contract_address
            .with_context(|| format!("{what}: the receipt names no contract"))?;
        Ok((address, sent))
    }

    /// Sees through whatever an earlier run of this account left under way, and what a re-org undid.
    /// Returns how many transactions that were; call it before reading what to do next.
    ///
    /// # Errors
    /// That one is still not mined, or that the endpoints cannot be reached.
    pub async fn recover(&self) -> Result<usize> {
        if self.outbox().notes(self.chain_id(), self.account())?.is_empty() {
            return Ok(0);
        }
        let _sending = self.outbox().turn().await?;
        self.settle().await
    }

    /// Goes through the notes: strikes out what lies deep, sends again what does not.
    ///
    /// A re-org deeper than the node waits takes transactions away whose notes are gone. The notes behind them cannot be
    /// mined before somebody takes the places in front: they stay, and what comes next is sent in those places.
    async fn settle(&self) -> Result<usize> {
        let mut settled = 0;
        for mut note in self.outbox().notes(self.chain_id(), self.account())? {
            if note.mined.is_some()
                && let Fate::Mined(receipt) = self.fate(&note).await?
            {
                self.deep_enough(&note, &receipt).await?;
                continue;
            }
            if self.stranded(&note).await? {
                tracing::warn!(
                    "{:?} (nonce {}) waits: what was sent before it is gone, and is decided anew",
                    note.what,
                    note.nonce
                );
                break;
            }
            tracing::warn!(
                "{:?} (nonce {}) is still under way; sending it again",
                note.what,
                note.nonce
            );
            settled += 1;
            let what = note.what.clone();
            if let Err(e) = self.see_through(&mut note).await {
                // Reverted or superseded is settled as well: its note is gone. Only what still waits stops us.
                let left = self.outbox().notes(self.chain_id(), self.account())?;
                if left.iter().any(|n| n.nonce == note.nonce && n.mined.is_none()) {
                    return Err(e.context(format!("{what} (nonce {}) is still under way", note.nonce)));
                }
                tracing::warn!("{e:#}");
            }
        }
        Ok(settled)
    }

    /// Whether places before the note's are empty, with nothing noted for them: those before it in the outbox are seen
    /// through by now.
    async fn stranded(&self, note: &Note) -> Result<bool> {
        for _ in 0..GAP_LOOKS {
            let count = self.rpc().get_transaction_count(note.account).await;
            if count.map_err(unreachable_chain)? >= note.nonce {
                return Ok(false);
            }
            tokio::time::sleep(self.caution().patience.poll).await;
        }
        Ok(true)
    }

    /// The place of the next transaction: behind everything of this account that the endpoint knows or, where notes
    /// are stranded, the first empty one before them.
    async fn next_nonce(&self) -> Result<u64> {
        let account = self.account();
        let mined = self.rpc().get_transaction_count(account).await;
        let mined = mined.map_err(unreachable_chain)?;
        let notes = self.outbox().notes(self.chain_id(), account)?;
        let taken: Vec<u64> = notes.iter().map(|n| n.nonce).filter(|n| *n >= mined).collect();
        if taken.is_empty() {
            let pending = self.rpc().get_transaction_count(account).pending().await;
            return pending.map_err(unreachable_chain);
        }
        (mined..=u64::MAX)
            .find(|n| !taken.contains(n))
            .context("the account has sent all it can")
    }

    /// Simulates, checks every ceiling, signs and writes the note.
    async fn prepare(&self, what: &str, request: TransactionRequest) -> Result<Note> {
        let request = request.with_from(self.account());
        let value = request.value.unwrap_or_default();
        let balance = self.balance().await?;
        let affordable = |worst: U256| match balance < worst {
            true => Err(Failure::refused(format!(
                "{what} takes {} and up to {} for gas; account {} holds {}",
                show(value),
                show(worst - value),
                self.account(),
                show(balance)
            ))),
            false => Ok(()),
        };
        affordable(value)?;
        let gas = self
            .rpc()
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
        let gas_limit = (gas + gas / 10 + 10_000).min(MAX_TX_GAS);
        let fees = self.fees().await.with_context(|| format!("{what} waits"))?;
        let worst = value.saturating_add(U256::from(gas_limit).saturating_mul(U256::from(fees.max)));
        affordable(worst)?;
        let nonce = self.next_nonce().await?;
        let mut note = Note {
            chain_id: self.chain_id(),
            account: self.account(),
            nonce,
            what: what.to_owned(),
            to: request.to.unwrap_or_default(),
            value,
            input: request.input.into_input().unwrap_or_default(),
            gas_limit,
            offers: vec![],
            mined: None,
        };
        self.offer(&mut note, fees).await?;
        self.outbox().spend(what, worst, self.caution().max_spend)?;
        if let Err(e) = self.spend_token(what, note.to, &note.input) {
            self.outbox().unspend(worst, self.caution().max_spend)?;
            return Err(e);
        }
        self.outbox().put(&note)?;
        Ok(note)
    }

    /// Signs the note's transaction at these fees.
    async fn offer(&self, note: &mut Note, fees: Fees) -> Result<()> {
        let mut request = TransactionRequest::default()
            .with_from(note.account)
            .with_chain_id(note.chain_id)
            .with_nonce(note.nonce)
            .with_value(note.value)
            .with_input(note.input.clone())
            .with_gas_limit(note.gas_limit)
            .with_max_fee_per_gas(fees.max)
            .with_max_priority_fee_per_gas(fees.tip);
        request.to = Some(note.to);
        let signed = request.build(self.wallet()).await.context("sign the transaction")?;
        note.offers.push(Offer {
            hash: *signed.tx_hash(),
            fees,
            raw: signed.encoded_2718().into(),
        });
        Ok(())
    }

    /// What the chain asks per gas now, under the ceiling.
    async fn fees(&self) -> Result<Fees> {
        let asked = self
            .rpc()
            .estimate_eip1559_fees_with(Eip1559Estimator::new(fees::asked))
            .await
            .map_err(unreachable_chain)?;
        let base = self.header(BlockNumberOrTag::Latest).await?.base_fee_per_gas;
        let ceiling = self.caution().max_fee.unwrap_or(u128::MAX);
        Fees::under(asked, base.unwrap_or(0).into(), ceiling)
    }

    /// Sends the newest offer. Whether it arrived is the chain's to say: only an outright refusal of
    /// something the endpoint has never seen is an error, and then the note is struck out.
    async fn broadcast(&self, note: &Note) -> Result<()> {
        let Some(offer) = note.offers.last() else { return Ok(()) };
        let refused = match self.rpc().send_raw_transaction(&offer.raw).await {
            Ok(_) => return Ok(()),
            Err(RpcError::ErrorResp(e)) => e,
            // It may have arrived: the note stays, and the same bytes are sent again.
            Err(e) => {
                tracing::warn!("{}: {}; sending again later", note.what, super::errors::redact(&e));
                return Ok(());
            }
        };
        let text = refused.message.to_lowercase();
        let settled_elsewhere = [
            "already known",
            "already imported",
            "known transaction",
            "nonce too low",
            "underpriced",
        ];
        if settled_elsewhere.iter().any(|s| text.contains(s)) || note.offers.len() > 1 {
            return Ok(());
        }
        if self.seen(offer.hash).await? {
            return Ok(());
        }
        self.outbox().remove(note)?;
        Err(explain(&RpcError::ErrorResp(refused)).context(format!("{}: the transaction was not accepted", note.what)))
    }

    /// Whether the endpoint knows a transaction, mined or not.
    async fn seen(&self, hash: B256) -> Result<bool> {
        let found = self.rpc().get_transaction_by_hash(hash).await;
        Ok(found.map_err(unreachable_chain)?.is_some())
    }

    /// Looks for any of the note's offers in a block, and for its nonce.
    async fn fate(&self, note: &Note) -> Result<Fate> {
        // The count first: a receipt that appears in between is then found below.
        let count = self
            .rpc()
            .get_transaction_count(note.account)
            .await
            .map_err(unreachable_chain)?;
        for offer in &note.offers {
            let receipt = self.rpc().get_transaction_receipt(offer.hash).await;
            if let Some(r) = receipt.map_err(unreachable_chain)? {
                ensure!(
                    r.transaction_hash == offer.hash && r.block_number.is_some(),
                    "the endpoint's receipt belongs to another transaction"
                );
                return Ok(Fate::Mined(Box::new(r)));
            }
        }
        Ok(if count > note.nonce {
            Fate::Superseded
        } else {
            Fate::Waiting
        })
    }

    /// Sends until one of the note's offers is mined, raising the offer while it is stuck.
    async fn see_through(&self, note: &mut Note) -> Result<Sent> {
        let patience = self.caution().patience;
        let start = Instant::now();
        note.mined = None;
        self.broadcast(note).await?;
        let mut offered = Instant::now();
        let mut superseded = 0u32;
        loop {
            match self.fate(note).await {
                Ok(Fate::Mined(receipt)) => return self.mined(note, *receipt).await,
                Ok(Fate::Superseded) => {
                    // Right after its block, an endpoint may know the count before the receipt.
                    superseded += 1;
                    if superseded > 10 {
                        self.outbox().remove(note)?;
                        bail!(
                            "{}: another transaction of {} took nonce {}; is the same key used elsewhere?",
                            note.what,
                            note.account,
                            note.nonce
                        );
                    }
                }
                Ok(Fate::Waiting) => superseded = 0,
                // Endpoints may come back within our patience.
                Err(e) if start.elapsed() < patience.give_up => tracing::warn!("{}: {e:#}", note.what),
                Err(e) => return Err(e.context(format!("{}: was sent but not seen mined; it may still be", note.what))),
            }
            if start.elapsed() >= patience.give_up {
                let hash = note.offers.last().map(|o| o.hash).unwrap_or_default();
                return Err(Failure::new(
                    Code::Failed,
                    format!(
                        "{}: transaction {hash} was sent but not seen mined; it may still be, and is looked for at the next start",
                        note.what
                    ),
                ));
            }
            if offered.elapsed() >= patience.bump {
                self.raise(note).await?;
                self.broadcast(note).await?;
                offered = Instant::now();
            }
            tokio::time::sleep(patience.poll).await;
        }
    }

    /// Adds a higher offer where the ceilings allow one; otherwise the last one is sent again as it is.
    async fn raise(&self, note: &mut Note) -> Result<()> {
        let Some(last) = note.offers.last().map(|o| o.fees) else {
            return Ok(());
        };
        let ceiling = self.caution().max_fee.unwrap_or(u128::MAX);
        let asked = self.fees().await.ok();
        let Some(fees) = last.bumped(asked, ceiling) else {
            tracing::warn!(
                "{}: not mined, and chain.max_fee leaves no room for a higher offer",
                note.what
            );
            return Ok(());
        };
        let more = U256::from(note.gas_limit).saturating_mul(U256::from(fees.max.saturating_sub(last.max)));
        if let Err(e) = self.outbox().spend(&note.what, more, self.caution().max_spend) {
            tracing::warn!("not offered again for more: {e}");
            return Ok(());
        }
        self.offer(note, fees).await?;
        tracing::info!(
            "{}: not mined, offering {} per gas",
            note.what,
            zkaggle_config::units::Wei(fees.max)
        );
        self.outbox().put(note)
    }

    async fn mined(&self, note: &mut Note, receipt: TransactionReceipt) -> Result<Sent> {
        let hash = receipt.transaction_hash;
        note.mined = Some(hash);
        self.deep_enough(note, &receipt).await?;
        let offered = note.offers.last().map_or(0, |o| o.fees.max);
        let worst = U256::from(note.gas_limit).saturating_mul(U256::from(offered));
        let cost = U256::from(receipt.gas_used).saturating_mul(U256::from(receipt.effective_gas_price));
        let mut back = worst.saturating_sub(cost);
        if !receipt.status() {
            back = back.saturating_add(note.value);
        }
        self.outbox().unspend(back, self.caution().max_spend)?;
        if !receipt.status() {
            bail!("{}: transaction {hash} reverted in its block", note.what);
        }
        Ok(Sent {
            hash,
            gas: receipt.gas_used,
            receipt,
        })
    }

    /// Strikes the note out when its block lies deep, otherwise keeps it as mined.
    async fn deep_enough(&self, note: &Note, receipt: &TransactionReceipt) -> Result<()> {
        if self.caution().confirmations <= 1 {
            return self.outbox().remove(note);
        }
        let deep = self.deep().await?.number;
        match receipt.block_number {
            Some(n) if n <= deep => self.outbox().remove(note),
            _ => self.outbox().put(note),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::Caution;
    use super::super::hostile::{Hostile, Reply};
    use super::super::outbox::Outbox;
    use super::*;
    use crate::failure::code_of;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use zkaggle_devnet::{DevNet, DevNetConfig};

    /// Who is paid in these tests: whatever arrives twice shows in the balance.
    const PAYEE: Address = Address::repeat_byte(0x77);

    fn quick() -> Caution {
        Caution {
            patience: Patience {
                bump: Duration::from_millis(150),
                give_up: Duration::from_secs(4),
                poll: Duration::from_millis(20),
            },
            ..Caution::default()
        }
    }

    fn chain_net() -> DevNet {
        DevNet::new(DevNetConfig::default())
    }

    async fn account(net: &DevNet, over: &Hostile, caution: Caution, outbox: Outbox) -> Chain {
        let signer = net.accounts()[0].signer();
        let chain = Chain::connect_http(over.url.expose(), signer, Some(31_337))
            .await
            .unwrap();
        chain.with_caution(caution).with_outbox(outbox)
    }

    async fn pay(chain: &Chain) -> Result<Sent> {
        let request = TransactionRequest::default().with_to(PAYEE).with_value(U256::from(1));
        chain.send_request("pay", request).await
    }

    async fn paid(net: &DevNet) -> U256 {
        let rpc = alloy::providers::ProviderBuilder::new().connect_client(net.client());
        rpc.get_balance(PAYEE).await.unwrap()
    }

    fn is_send(method: &str) -> bool {
        method == "eth_sendRawTransaction"
    }

    /// The endpoint takes a transaction and never mines it: each offer is at least an eighth higher, and
    /// the one that is mined at last pays once.
    #[tokio::test]
    async fn a_stuck_transaction_is_offered_again_for_more() {
        let net = chain_net();
        let seen = Arc::new(AtomicUsize::new(0));
        let count = seen.clone();
        let stuck = Hostile::serve(net.clone(), move |method, _| {
            // The first two offers vanish from its pool.
            if is_send(method) && count.fetch_add(1, Ordering::SeqCst) < 2 {
                return Reply::Result(serde_json::json!(B256::ZERO));
            }
            Reply::Honest
        })
        .await;
        let chain = account(&net, &stuck, quick(), Outbox::memory()).await;
        let sent = pay(&chain).await.unwrap();
        assert_eq!(seen.load(Ordering::SeqCst), 3);
        assert_eq!(paid(&net).await, U256::from(1));
        // Base fee 1 gwei, tip 1 wei: two raises by an eighth show in what was paid as tip.
        assert!(
            sent.receipt.effective_gas_price > 1_000_000_001,
            "{}",
            sent.receipt.effective_gas_price
        );
        assert!(chain.outbox().notes(31_337, chain.account()).unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_ceiling_holds_for_replacements_as_well() {
        let net = chain_net();
        let deaf = Hostile::serve(net.clone(), |method, _| match is_send(method) {
            true => Reply::Result(serde_json::json!(B256::ZERO)),
            false => Reply::Honest,
        })
        .await;
        let ceiling = 2_100_000_000;
        let caution = Caution {
            max_fee: Some(ceiling),
            patience: Patience {
                give_up: Duration::from_secs(1),
                ..quick().patience
            },
            ..quick()
        };
        let chain = account(&net, &deaf, caution, Outbox::memory()).await;
        let e = pay(&chain).await.unwrap_err();
        assert!(format!("{e:#}").contains("looked for at the next start"), "{e:#}");
        let notes = chain.outbox().notes(31_337, chain.account()).unwrap();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].offers.iter().all(|o| o.fees.max <= ceiling));
        assert_eq!(paid(&net).await, U256::ZERO);
    }

    /// A crash at every point between note and receipt: the next start finds the transaction, sends it if
    /// need be, and it is paid exactly once.
    #[tokio::test]
    async fn a_crash_neither_loses_nor_doubles_a_transaction() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum Lost {
            /// Dies before the endpoint has it.
            Request,
            /// The endpoint mines it, the sender never hears.
            Answer,
            /// The sender dies while it waits for the receipt.
            Receipt,
        }
        for lost in [Lost::Request, Lost::Answer, Lost::Receipt] {
            let net = chain_net();
            let folder = tempfile::tempdir().unwrap();
            let away = Hostile::serve(net.clone(), |_, _| Reply::Honest).await;
            let chain = account(&net, &away, quick(), Outbox::open(folder.path()).unwrap()).await;
            let behind = net.clone();
            away.set(move |method, params| match (lost, method) {
                (Lost::Request, m) if is_send(m) => Reply::Hang,
                (Lost::Answer, m) if is_send(m) => {
                    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": m, "params": params });
                    zkaggle_devnet::rpc::reply(&behind, body.to_string().as_bytes()).unwrap();
                    Reply::Hang
                }
                (Lost::Receipt, "eth_getTransactionReceipt") => Reply::Hang,
                _ => Reply::Honest,
            });
            let died = tokio::time::timeout(Duration::from_millis(700), pay(&chain)).await;
            assert!(died.is_err(), "{lost:?}: {died:?}");
            drop(chain);
            assert_eq!(
                paid(&net).await,
                U256::from(u8::from(lost != Lost::Request)),
                "{lost:?}"
            );

            away.set(|_, _| Reply::Honest);
            let again = account(&net, &away, quick(), Outbox::open(folder.path()).unwrap()).await;
            // Whoever sends without recovering first is told to look again, and nothing doubles.
            if lost == Lost::Receipt {
                let e = pay(&again).await.unwrap_err();
                assert!(format!("{e:#}").contains("look again"), "{e:#}");
            } else {
                assert_eq!(again.recover().await.unwrap(), 1, "{lost:?}");
            }
            assert_eq!(paid(&net).await, U256::from(1), "{lost:?}");
            assert_eq!(again.recover().await.unwrap(), 0, "{lost:?}");
            pay(&again).await.unwrap();
            assert_eq!(paid(&net).await, U256::from(2), "{lost:?}");
        }
    }

    /// A re-org takes the block away: the note is still there and the transaction is sent again.
    #[tokio::test]
    async fn a_reorg_brings_a_shallow_transaction_back() {
        let net = chain_net();
        let honest = Hostile::serve(net.clone(), |_, _| Reply::Honest).await;
        let caution = Caution {
            confirmations: 3,
            ..quick()
        };
        let chain = account(&net, &honest, caution, Outbox::memory()).await;
        let rpc = alloy::providers::ProviderBuilder::new().connect_client(net.client());
        let before: U256 = rpc.raw_request("evm_snapshot".into(), ()).await.unwrap();
        pay(&chain).await.unwrap();
        assert_eq!(paid(&net).await, U256::from(1));
        let wound: bool = rpc.raw_request("evm_revert".into(), (before,)).await.unwrap();
        assert!(wound);
        assert_eq!(paid(&net).await, U256::ZERO);
        assert_eq!(chain.recover().await.unwrap(), 1);
        assert_eq!(paid(&net).await, U256::from(1));
        net.mine(3).unwrap();
        assert_eq!(chain.recover().await.unwrap(), 0);
        assert!(chain.outbox().notes(31_337, chain.account()).unwrap().is_empty());
    }

    /// A re-org deeper than the node waits: the first transaction is gone with its note, the second has a place that
    /// cannot be mined yet. The first is decided anew and sent in the empty place, and both are paid once.
    #[tokio::test]
    async fn a_reorg_below_the_notes_strands_nothing_for_good() {
        let net = chain_net();
        let seen = net.clone();
        let held = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (pool, looks) = (held.clone(), Arc::new(AtomicUsize::new(0)));
        let asked = looks.clone();
        let queueing = Hostile::serve(net.clone(), move |method, params| {
            // Like geth and anvil, and unlike the embedded chain: what is ahead of its nonce is kept until its turn.
            if method == "eth_getTransactionCount" {
                asked.fetch_add(1, Ordering::SeqCst);
            }
            if !is_send(method) {
                return Reply::Honest;
            }
            let send = |raw: &serde_json::Value| {
                let body =
                    serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": raw });
                let reply = zkaggle_devnet::rpc::reply(&seen, body.to_string().as_bytes()).unwrap();
                serde_json::from_str::<serde_json::Value>(&reply.to_string()).unwrap()
            };
            let answer = send(params);
            let mut waiting = pool.lock().unwrap();
            if answer.get("error").is_some() {
                waiting.push(params.clone());
                return Reply::Result(serde_json::json!(B256::ZERO));
            }
            waiting.retain(|raw| send(raw).get("error").is_some());
            Reply::Result(answer["result"].clone())
        })
        .await;
        let caution = Caution {
            confirmations: 2,
            ..quick()
        };
        let chain = account(&net, &queueing, caution, Outbox::memory()).await;
        let rpc = alloy::providers::ProviderBuilder::new().connect_client(net.client());
        let before: U256 = rpc.raw_request("evm_snapshot".into(), ()).await.unwrap();
        pay(&chain).await.unwrap();
        pay(&chain).await.unwrap();
        assert_eq!(chain.recover().await.unwrap(), 0, "both are mined");
        let notes = |chain: &Chain| chain.outbox().notes(31_337, chain.account()).unwrap();
        let left: Vec<u64> = notes(&chain).iter().map(|n| n.nonce).collect();
        assert_eq!(left, [1], "only the last one lies shallow");
        let wound: bool = rpc.raw_request("evm_revert".into(), (before,)).await.unwrap();
        assert!(wound);
        looks.store(0, Ordering::SeqCst);
        assert_eq!(chain.recover().await.unwrap(), 0, "it is not waited for");
        assert!(
            looks.load(Ordering::SeqCst) >= GAP_LOOKS as usize,
            "believed at the first look"
        );
        assert_eq!((notes(&chain).len(), paid(&net).await), (1, U256::ZERO));
        // What the role decides anew takes the empty place, and the one behind it has its turn.
        pay(&chain).await.unwrap();
        assert_eq!(chain.recover().await.unwrap(), 1);
        assert_eq!(paid(&net).await, U256::from(2));
        assert!(held.lock().unwrap().is_empty());
        net.mine(2).unwrap();
        assert_eq!(chain.recover().await.unwrap(), 0);
        assert!(notes(&chain).is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_paid_is_refused_before_it_is_sent() {
        let net = chain_net();
        let honest = Hostile::serve(net.clone(), |_, _| Reply::Honest).await;
        let caution = Caution {
            max_spend: Some(1_000_000_000_000_000_000),
            ..quick()
        };
        let chain = account(&net, &honest, caution, Outbox::memory()).await;
        let send = async |ether: u64| {
            let value = U256::from(ether) * U256::from(10).pow(U256::from(17));
            let request = TransactionRequest::default().with_to(PAYEE).with_value(value);
            chain.send_request("pay", request).await
        };
        send(6).await.unwrap();
        let e = send(5).await.unwrap_err();
        assert!(
            code_of(&e) == Code::Refused && format!("{e:#}").contains("chain.max_spend"),
            "{e:#}"
        );
        send(3).await.unwrap();
        let e = send(1_000_000).await.unwrap_err();
        assert!(code_of(&e) == Code::Refused, "{e:#}");
        assert!(!honest.asked().iter().rev().take(3).any(|m| is_send(m)));
    }
}
