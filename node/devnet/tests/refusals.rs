//! What the chain refuses, and garbage: always an answer, never a panic.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, TxKind, U256, hex};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync;
use serde_json::{Value, json};
use zkaggle_devnet::{DevNet, DevNetConfig, ServeError, rpc};

fn net() -> DevNet {
    DevNet::new(DevNetConfig::default())
}

fn ask(net: &DevNet, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    rpc::reply(net, body.to_string().as_bytes()).expect("a request with an id gets a reply")
}

fn error(reply: &Value) -> (i64, &str) {
    (
        reply["error"]["code"].as_i64().unwrap(),
        reply["error"]["message"].as_str().unwrap(),
    )
}

fn transfer(net: &DevNet, change: impl FnOnce(&mut TxEip1559)) -> String {
    let mut tx = TxEip1559 {
        chain_id: 31_337,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(5)),
        value: U256::from(1),
        ..Default::default()
    };
    change(&mut tx);
    let signature = net.accounts()[0].signer().sign_hash_sync(&tx.signature_hash()).unwrap();
    hex::encode_prefixed(TxEnvelope::from(tx.into_signed(signature)).encoded_2718())
}

#[test]
fn a_transaction_that_breaks_a_rule_is_refused_by_name_and_changes_nothing() {
    let net = net();
    type Change = fn(&mut TxEip1559);
    let cases: [(Change, &str); 7] = [
        (|tx| tx.nonce = 3, "keeps no queue"),
        (|tx| tx.gas_limit = 16_777_217, "16777216"),
        (|tx| tx.gas_limit = 20_999, "gas"),
        (|tx| tx.chain_id = 1, "chain"),
        (|tx| tx.max_fee_per_gas = 999_999_999, "basefee"),
        (|tx| tx.max_priority_fee_per_gas = 3_000_000_000, "priority fee"),
        (|tx| tx.value = U256::MAX >> 1, "fund"),
    ];
    for (change, word) in cases {
        let reply = ask(&net, "eth_sendRawTransaction", json!([transfer(&net, change)]));
        let (code, message) = error(&reply);
        assert_eq!(code, -32_000, "{message}");
        assert!(
            message.to_lowercase().contains(word),
            "{message:?} does not say {word:?}"
        );
    }
    assert_eq!(ask(&net, "eth_blockNumber", json!([]))["result"], "0x0");

    let good = transfer(&net, |tx| tx.gas_limit = 16_777_216);
    let hash = ask(&net, "eth_sendRawTransaction", json!([good]))["result"].clone();
    assert!(hash.is_string());
    assert_eq!(
        ask(&net, "eth_getTransactionReceipt", json!([hash]))["result"]["status"],
        "0x1"
    );
    let again = ask(&net, "eth_sendRawTransaction", json!([good]));
    assert!(error(&again).1.contains("nonce too low"));
}

#[test]
fn raw_transactions_of_any_shape_are_answered() {
    let net = net();
    let good = hex::decode(transfer(&net, |_| ())).unwrap();
    for cut in 0..good.len() {
        let reply = ask(
            &net,
            "eth_sendRawTransaction",
            json!([hex::encode_prefixed(&good[..cut])]),
        );
        assert_eq!(error(&reply).0, -32_000);
    }
    let long = [good.clone(), vec![0]].concat();
    assert_eq!(
        error(&ask(
            &net,
            "eth_sendRawTransaction",
            json!([hex::encode_prefixed(long)])
        ))
        .0,
        -32_000
    );
    // A flipped bit recovers another, unfunded sender, or nothing.
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(ask(&net, "eth_sendRawTransaction", json!([hex::encode_prefixed(bad)]))["error"].is_object());
    }
    assert_eq!(ask(&net, "eth_blockNumber", json!([]))["result"], "0x0");
}

#[test]
fn only_the_latest_state_and_no_overrides() {
    let net = net();
    net.mine(2).unwrap();
    let who = Address::ZERO;
    assert!(
        error(&ask(&net, "eth_getBalance", json!([who, "0x1"])))
            .1
            .contains("latest block only")
    );
    assert!(
        error(&ask(&net, "eth_getBalance", json!([who, "0x9"])))
            .1
            .contains("no block")
    );
    let overridden = ask(
        &net,
        "eth_call",
        json!([{ "to": who }, "latest", { who.to_string(): { "balance": "0x1" } }]),
    );
    assert!(error(&overridden).1.contains("state overrides"));
    assert_eq!(
        error(&ask(
            &net,
            "eth_getLogs",
            json!([{ "fromBlock": "0x2", "toBlock": "0x1" }])
        ))
        .0,
        -32_602
    );
    assert_eq!(
        ask(
            &net,
            "eth_getLogs",
            json!([{ "fromBlock": "0x0", "toBlock": "0xffffffffffffffff" }])
        )["result"],
        json!([])
    );
    assert!(
        error(&ask(&net, "eth_subscribe", json!(["newHeads"])))
            .1
            .contains("poll")
    );
    assert!(
        error(&ask(&net, "eth_sendTransaction", json!([{}])))
            .1
            .contains("sign in the wallet")
    );
    assert_eq!(error(&ask(&net, "anvil_mine", json!(["0xffffffffffff"]))).0, -32_005);
}

#[test]
fn fees_are_told_as_they_are() {
    let net = net();
    ask(
        &net,
        "eth_sendRawTransaction",
        json!([transfer(&net, |tx| tx.max_priority_fee_per_gas = 9)]),
    );
    let got = ask(&net, "eth_feeHistory", json!(["0x5", "latest", [20.0, 80.0]]))["result"].clone();
    assert_eq!(got["oldestBlock"], "0x0");
    assert_eq!(got["baseFeePerGas"], json!(["0x3b9aca00", "0x3b9aca00", "0x3b9aca00"]));
    assert_eq!(got["reward"], json!([["0x0", "0x0"], ["0x9", "0x9"]]));
    assert_eq!(got["gasUsedRatio"][1], json!(21_000.0 / 60_000_000.0));
    assert_eq!(
        ask(&net, "eth_feeHistory", json!([u64::MAX, "latest", []]))["result"]["oldestBlock"],
        "0x0"
    );
}

/// Every method with every kind of wrong parameter, and bodies of noise: an answer each time, and a live chain after.
#[test]
fn garbage_is_answered() {
    let net = net();
    let methods = [
        "web3_sha3",
        "eth_feeHistory",
        "eth_getBalance",
        "eth_getTransactionCount",
        "eth_getCode",
        "eth_getStorageAt",
        "eth_call",
        "eth_estimateGas",
        "eth_sendRawTransaction",
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "eth_getBlockReceipts",
        "eth_getBlockByNumber",
        "eth_getBlockByHash",
        "eth_getLogs",
        "evm_increaseTime",
        "evm_setNextBlockTimestamp",
        "evm_mine",
        "evm_revert",
        "anvil_setBalance",
        "anvil_setNonce",
        "anvil_setCode",
        "anvil_setStorageAt",
        "nothing_at_all",
        "",
    ];
    let word = format!("0x{}", "ff".repeat(32));
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("0x"),
        json!("0xzz"),
        json!("latest"),
        json!(word),
        json!("0x".to_owned() + &"ff".repeat(20)),
        json!([]),
        json!([[[]]]),
        json!({}),
        json!({ "blockHash": word }),
        json!({ "fromBlock": "0xffffffffffffffffff" }),
        json!({ "gas": "0xffffffffffffffff", "data": "0xfe" }),
        json!({ "gas": "0x0", "value": word }),
        json!({ "timestamp": -1, "blocks": "x" }),
        json!({ "topics": [[[]]] }),
    ];
    for method in methods {
        for first in &values {
            for second in &values {
                let reply = ask(&net, method, json!([first, second, first]));
                assert!(
                    reply.get("result").is_some() != reply.get("error").is_some(),
                    "{method}: {reply}"
                );
            }
        }
    }
    // Noise from a fixed seed: xorshift64.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let call = br#"[{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}]"#;
    for round in 0..2_000 {
        let mut body: Vec<u8> = match round % 2 {
            0 => (0..byte()).map(|_| byte()).collect(),
            _ => call.to_vec(),
        };
        for _ in 0..3 {
            let at = usize::from(byte()) % body.len().max(1);
            if let Some(target) = body.get_mut(at) {
                *target = byte();
            }
        }
        let _ = rpc::reply(&net, &body);
    }
    assert!(
        ask(&net, "eth_blockNumber", json!([]))["result"].is_string(),
        "the chain still answers"
    );
}

#[tokio::test]
async fn an_estimate_fails_with_the_cause() {
    let rpc = ProviderBuilder::new().connect_client(net().client());
    // JUMPDEST PUSH0 JUMP: for ever.
    let endless = TransactionRequest::default().input(vec![0x5b, 0x5f, 0x56].into());
    let error = rpc
        .estimate_gas(TransactionRequest {
            to: Some(TxKind::Create),
            ..endless
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("16777216"), "{error}");
    let poor = TransactionRequest::default()
        .from(Address::repeat_byte(1))
        .to(Address::ZERO)
        .value(U256::from(1));
    let error = rpc.estimate_gas(poor).await.unwrap_err();
    assert!(error.to_string().contains("fund"), "{error}");
}

#[tokio::test]
async fn http_has_limits() {
    let config = DevNetConfig {
        max_body: 1_000,
        ..Default::default()
    };
    let listener = DevNet::bind(0).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(DevNet::new(config).serve(listener, async {
        let _ = stopped.await;
    }));
    let post = async |kind: &str, body: &str| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply).await;
        reply
    };
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    assert!(post("application/json", call).await.contains("0x7a69"));
    assert!(post("text/plain", call).await.starts_with("HTTP/1.1 415"));
    assert!(post("application/json", "{").await.contains("-32700"));
    assert!(
        post("application/json", r#"{"jsonrpc":"2.0","method":"evm_mine"}"#)
            .await
            .starts_with("HTTP/1.1 204")
    );
    assert!(
        post("application/json", &" ".repeat(1_001))
            .await
            .starts_with("HTTP/1.1 413")
    );
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();

    let open = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = net().serve(open, std::future::pending()).await;
    assert!(matches!(refused, Err(ServeError::Remote(_))));
}

#[tokio::test]
async fn an_idle_chain_keeps_time() {
    let net = net();
    let rpc = ProviderBuilder::new().connect_client(net.client());
    let ticking = tokio::spawn({
        let net = net.clone();
        async move { net.keep_time(std::time::Duration::from_millis(5)).await }
    });
    while rpc.get_block_number().await.unwrap() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    ticking.abort();
}
