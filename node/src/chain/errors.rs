//! What a chain answers when it refuses, in words: contract errors by name, endpoints without API keys.

use super::endpoints::EndpointError;
use crate::failure::{Code, Failure};
use alloy::sol_types::SolInterface;
use alloy::transports::{RpcError, TransportErrorKind};
use zkaggle_bindings::{IBountyMarket, IDagPb, IDatasetRegistry, IKeyRegistry};

/// Most characters repeated of what an endpoint says.
const MOST_SAID: usize = 300;

/// What an endpoint said, short and on one line: it may be anyone's.
fn said(text: &str) -> String {
    text.chars()
        .take(MOST_SAID)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// An endpoint's failure without its URL, which may hold an API key.
pub fn redact(e: &RpcError<TransportErrorKind>) -> String {
    match e {
        RpcError::ErrorResp(p) => said(&p.message),
        RpcError::Transport(TransportErrorKind::HttpError(h)) => format!("HTTP status {}", h.status),
        RpcError::Transport(TransportErrorKind::Custom(inner)) => match inner.downcast_ref::<EndpointError>() {
            Some(e) => e.to_string(),
            None => "the connection failed".into(),
        },
        RpcError::DeserError { .. } => "the answer is not what was asked for".into(),
        RpcError::NullResp => "the answer is empty".into(),
        _ => "the request failed".into(),
    }
}

/// An endpoint that failed: refused when it is another chain, otherwise unreachable.
pub fn unreachable_chain(e: RpcError<TransportErrorKind>) -> anyhow::Error {
    let another = match &e {
        RpcError::Transport(TransportErrorKind::Custom(inner)) => inner
            .downcast_ref::<EndpointError>()
            .is_some_and(EndpointError::is_another_chain),
        _ => false,
    };
    let code = if another { Code::Refused } else { Code::Unreachable };
    Failure::new(code, format!("the chain endpoint failed: {}", redact(&e)))
}

/// Puts an RPC error into words: a contract's custom error where there is one.
pub fn explain(e: &RpcError<TransportErrorKind>) -> anyhow::Error {
    let RpcError::ErrorResp(payload) = e else {
        return Failure::new(Code::Unreachable, format!("the chain endpoint failed: {}", redact(e)));
    };
    match payload.as_revert_data() {
        Some(data) => Failure::refused(revert_reason(&data)),
        None => anyhow::anyhow!("{}", said(&payload.message)),
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
    if let Ok(e) = IDagPb::IDagPbErrors::abi_decode(data) {
        return format!("the reader of roots refused: {e:?}");
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
