//! JSON-RPC 2.0 bodies: one request or a batch in, one body or none out.

use super::params::shorten;
use super::{RpcError, answer};
use crate::DevNet;
use alloy::rpc::json_rpc::Id;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Answers a body. `None` when it holds notifications only: those get no reply.
pub fn reply(net: &DevNet, body: &[u8]) -> Option<Value> {
    // RawValue first: a body may hold large calldata, which only its own request should parse.
    let body: &RawValue = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) => return Some(failure(None, &RpcError::Parse(error.to_string()))),
    };
    if !body.get().trim_start().starts_with('[') {
        return one(net, body);
    }
    let requests: Vec<&RawValue> = match serde_json::from_str(body.get()) {
        Ok(requests) => requests,
        Err(error) => return Some(failure(None, &RpcError::Parse(error.to_string()))),
    };
    let limit = net.config().max_batch;
    if requests.is_empty() || requests.len() > limit {
        let text = format!("a batch holds 1 to {limit} requests, this one {}", requests.len());
        return Some(failure(None, &RpcError::Request(text)));
    }
    let replies: Vec<Value> = requests.into_iter().filter_map(|request| one(net, request)).collect();
    (!replies.is_empty()).then_some(Value::Array(replies))
}

#[derive(Deserialize)]
struct Request<'a> {
    jsonrpc: Option<String>,
    method: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// An id that is there, even as null: only an absent one makes a notification.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn one(net: &DevNet, raw: &RawValue) -> Option<Value> {
    let request: Request = match serde_json::from_str(raw.get()) {
        Ok(request) => request,
        Err(error) => return Some(failure(None, &RpcError::Request(error.to_string()))),
    };
    let id = match request.id.map(|id| serde_json::from_str::<Id>(id.get())).transpose() {
        Ok(id) => id,
        Err(_) => {
            let text = "the id must be a string, a whole number or null".to_owned();
            return Some(failure(None, &RpcError::Request(text)));
        }
    };
    let result = match (request.jsonrpc.as_deref(), request.method) {
        (Some("2.0"), Some(method)) => answer(net, &method, request.params),
        (Some("2.0"), None) => Err(RpcError::Request("it names no method".into())),
        (Some(other), _) => Err(RpcError::Request(format!(
            "version {:?} is not \"2.0\"",
            shorten(other)
        ))),
        (None, _) => Err(RpcError::Request("\"jsonrpc\": \"2.0\" is missing".into())),
    };
    match (id, result) {
        // A well-formed request without an id is a notification.
        (None, Ok(_)) => None,
        (None, Err(error)) if !matches!(error, RpcError::Request(_)) => None,
        (id, Ok(result)) => Some(json!({ "jsonrpc": "2.0", "id": id, "result": result })),
        (id, Err(error)) => Some(failure(id, &error)),
    }
}

pub(crate) fn failure(id: Option<Id>, error: &RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.unwrap_or(Id::None), "error": error.payload() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DevNetConfig;

    fn ask(body: &str) -> Value {
        reply(
            &DevNet::new(DevNetConfig {
                max_batch: 3,
                ..Default::default()
            }),
            body.as_bytes(),
        )
        .unwrap()
    }

    fn code(body: &str) -> i64 {
        ask(body)["error"]["code"].as_i64().unwrap()
    }

    #[test]
    fn ids_come_back_as_they_were_sent() {
        for id in ["7", "\"seven\"", "null"] {
            let got = ask(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_chainId"}}"#));
            assert_eq!(got["result"], "0x7a69");
            assert_eq!(got["id"].to_string(), id);
        }
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said_by_code() {
        assert_eq!(code("{"), -32_700);
        assert_eq!(code("\u{0}"), -32_700);
        assert_eq!(code("7"), -32_600);
        assert_eq!(code("{}"), -32_600);
        assert_eq!(code("[]"), -32_600);
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#), -32_600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#), -32_600);
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}"#),
            -32_600
        );
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_mine"}"#), -32_601);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance"}"#), -32_602);
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x12"]}"#),
            -32_602
        );
        assert_eq!(code(&"[".repeat(100_000)), -32_700);
    }

    #[test]
    fn batches_are_answered_in_order_and_bounded() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
        let got = ask(&format!("[{call},7,{call}]"));
        assert_eq!(got.as_array().unwrap().len(), 3);
        assert_eq!(got[1]["error"]["code"], -32_600);
        assert_eq!(code(&format!("[{call},{call},{call},{call}]")), -32_600);
    }

    #[test]
    fn notifications_get_no_reply() {
        let net = DevNet::new(DevNetConfig::default());
        assert!(reply(&net, br#"{"jsonrpc":"2.0","method":"evm_mine"}"#).is_none());
        assert!(reply(&net, br#"[{"jsonrpc":"2.0","method":"nothing"}]"#).is_none());
        assert_eq!(net.lock().unwrap().head().header.number, 1);
    }
}
