//! The JSON-RPC methods over a [`Chain`], and the errors they answer with.
//!
//! * [`methods`]: what each method does.
//! * [`params`]: reading positional parameters.
//! * [`envelope`]: JSON-RPC 2.0 bodies, single and batch.

mod envelope;
mod methods;
mod params;

pub use envelope::reply;

use crate::DevNet;
use crate::chain::ChainError;
use alloy::rpc::json_rpc::ErrorPayload;
use params::Params;
use serde_json::Value;
use serde_json::value::RawValue;

/// Why a request got no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    #[error("the body is not JSON: {0}")]
    Parse(String),
    #[error("not a JSON-RPC 2.0 request: {0}")]
    Request(String),
    #[error("this development chain has no method {0}")]
    Method(String),
    #[error("parameter {index} ({name}) of {method}: {cause}")]
    Parameter {
        method: String,
        index: usize,
        name: &'static str,
        cause: String,
    },
    #[error("{0}")]
    Unsupported(&'static str),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("the answer cannot be written as JSON: {0}")]
    Encode(String),
}

impl RpcError {
    /// The JSON-RPC error code.
    pub fn code(&self) -> i64 {
        match self {
            Self::Parse(_) => -32_700,
            Self::Request(_) => -32_600,
            Self::Method(_) => -32_601,
            Self::Parameter { .. } | Self::Unsupported(_) => -32_602,
            Self::Chain(error) => error.code(),
            Self::Encode(_) => -32_603,
        }
    }

    /// The error as a JSON-RPC object; a revert carries its data, so that custom errors can be decoded.
    pub fn payload(&self) -> ErrorPayload {
        let data = match self {
            Self::Chain(ChainError::Reverted { data, .. }) => serde_json::value::to_raw_value(data).ok(),
            _ => None,
        };
        ErrorPayload {
            code: self.code(),
            message: self.to_string().into(),
            data,
        }
    }
}

/// Answers one request: the only way from either transport to the chain.
///
/// # Errors
/// [`RpcError`], for anything a caller can send.
pub fn answer(net: &DevNet, method: &str, params: Option<&RawValue>) -> Result<Value, RpcError> {
    let params = Params::read(method, params)?;
    methods::run(&mut *net.lock()?, method, &params)
}
