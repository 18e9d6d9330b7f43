//! Positional parameters, read with the method and the position in every complaint.

use super::RpcError;
use alloy::primitives::U256;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// The parameters of one request.
pub(super) struct Params<'a> {
    method: &'a str,
    values: Vec<Value>,
}

impl<'a> Params<'a> {
    /// Reads an array; absent or null parameters are none at all.
    pub fn read(method: &'a str, raw: Option<&RawValue>) -> Result<Self, RpcError> {
        let values = match raw {
            None => Vec::new(),
            Some(raw) => serde_json::from_str::<Option<Vec<Value>>>(raw.get())
                .map_err(|e| RpcError::Request(format!("params of {} must be an array: {e}", shorten(method))))?
                .unwrap_or_default(),
        };
        Ok(Self { method, values })
    }

    /// A parameter that must be there.
    pub fn get<T: DeserializeOwned>(&self, index: usize, name: &'static str) -> Result<T, RpcError> {
        self.opt(index, name)?
            .ok_or_else(|| self.wrong(index, name, "missing".into()))
    }

    /// A parameter that may be absent or null.
    pub fn opt<T: DeserializeOwned>(&self, index: usize, name: &'static str) -> Result<Option<T>, RpcError> {
        match self.values.get(index) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|e: serde_json::Error| self.wrong(index, name, e.to_string())),
        }
    }

    /// A number as a 0x-quantity or as plain JSON: wallets and tools send both for the time methods.
    pub fn number(&self, index: usize, name: &'static str) -> Result<Option<u64>, RpcError> {
        let Some(value) = self.opt::<Value>(index, name)? else {
            return Ok(None);
        };
        self.to_number(&value, index, name).map(Some)
    }

    pub fn to_number(&self, value: &Value, index: usize, name: &'static str) -> Result<u64, RpcError> {
        let number = match value {
            Value::Number(number) => number.as_u64(),
            other => serde_json::from_value::<U256>(other.clone())
                .ok()
                .and_then(|n| u64::try_from(n).ok()),
        };
        number.ok_or_else(|| self.wrong(index, name, "not a whole number below 2^64".into()))
    }

    pub fn wrong(&self, index: usize, name: &'static str, cause: String) -> RpcError {
        RpcError::Parameter {
            method: shorten(self.method),
            index,
            name,
            cause,
        }
    }
}

/// A caller's text, cut before it goes into an answer.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
