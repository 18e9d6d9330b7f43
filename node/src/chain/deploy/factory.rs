//! The contract that makes every other contract at an address that follows from its code alone.
//!
//! It is the deterministic-deployment proxy at its canonical address, where it already is on most
//! chains. Its creation is a transaction that nobody holds the key of, so anyone may bring it to a chain
//! that lacks it. Some endpoints refuse such a transaction (it names no chain); a development chain
//! then gets the same code at an address of ours.
//!
//! # Source
//! Arachnid/deterministic-deployment-proxy; EIP-1014 for the address.

use super::super::client::{Chain, is_development};
use super::super::errors::redact;
use crate::failure::Failure;
use alloy::consensus::TxEnvelope;
use alloy::consensus::transaction::SignerRecoverable;
use alloy::eips::eip2718::Decodable2718;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256, address, bytes, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// Where the factory is on every chain that has it.
pub const CANONICAL: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// Ether that its creation takes: 100,000 gas at 100 gwei.
const MAKERS_WEI: u64 = 10_000_000_000_000_000;
/// The creating transaction, as everybody sends it.
const CREATION: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);
/// Its code as it stands on a chain.
pub const RUNTIME: Bytes = bytes!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);
/// How long the creating transaction may take to be mined.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where `init` ends up under `salt`.
pub fn address_of(factory: Address, salt: B256, init: &[u8]) -> Address {
    factory.create2(salt, keccak256(init))
}

/// The call that creates it there.
pub fn call(factory: Address, salt: B256, init: &[u8]) -> TransactionRequest {
    let data = [salt.as_slice(), init].concat();
    TransactionRequest::default().with_to(factory).with_input(data)
}

/// The factory on this chain, brought there if it is not.
///
/// # Errors
/// Refused when other code stands at the canonical address, or when the chain lacks the factory and its
/// endpoints do not take the creating transaction.
pub async fn ensure(chain: &Chain) -> Result<Address> {
    if present(chain).await? {
        return Ok(CANONICAL);
    }
    let maker = maker()?;
    let missing = U256::from(MAKERS_WEI).saturating_sub(
        chain
            .rpc()
            .get_balance(maker)
            .await
            .map_err(super::super::errors::unreachable_chain)?,
    );
    if !missing.is_zero() {
        let fund = TransactionRequest::default().with_to(maker).with_value(missing);
        chain.send_request("fund the factory's creation", fund).await?;
    }
    match chain.rpc().send_raw_transaction(&CREATION).await {
        Ok(_) => {
            let since = Instant::now();
            while !present(chain).await? {
                if since.elapsed() > PATIENCE {
                    return Err(anyhow::anyhow!(
                        "the factory's creation was sent but not seen mined; run the same command again later"
                    ));
                }
                tokio::time::sleep(chain.caution().patience.poll).await;
            }
            Ok(CANONICAL)
        }
        Err(e) if is_development(chain.chain_id()) => {
            tracing::warn!(
                "the endpoint refuses the factory's own creation ({}); its code is put at another address",
                redact(&e)
            );
            let init = [bytes!("604580600e600039806000f350fe").as_ref(), &RUNTIME].concat();
            let (at, _) = chain.create("deploy the factory", init.into()).await?;
            Ok(at)
        }
        Err(e) => Err(Failure::refused(format!(
            "chain {} has no deterministic-deployment factory at {CANONICAL} and the endpoint refuses its creation ({}); \
             try an endpoint that takes transactions without a chain id",
            chain.chain_id(),
            redact(&e)
        ))),
    }
}

/// Who creates it: the account that the signature happens to belong to.
fn maker() -> Result<Address> {
    let tx = TxEnvelope::decode_2718(&mut CREATION.as_ref()).context("read the factory's creation")?;
    tx.recover_signer().context("recover the factory's maker")
}

/// Whether the factory is at its canonical address.
async fn present(chain: &Chain) -> Result<bool> {
    let got = chain.code_hash(CANONICAL).await.context("look for the factory")?;
    if got == keccak256(&RUNTIME) {
        return Ok(true);
    }
    if got != keccak256([]) {
        return Err(Failure::refused(format!(
            "chain {} has other code than the deterministic-deployment factory at {CANONICAL}",
            chain.chain_id()
        )));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The creating transaction carries exactly this code, and the addresses are EIP-1014's.
    #[test]
    fn the_constants_belong_together() {
        let at = CREATION.windows(RUNTIME.len()).position(|w| w == RUNTIME.as_ref());
        assert!(at.is_some());
        assert_eq!(maker().unwrap().create(0), CANONICAL);
        // EIP-1014, example 1.
        assert_eq!(
            address_of(Address::ZERO, B256::ZERO, &[0]),
            address!("4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38")
        );
    }
}
