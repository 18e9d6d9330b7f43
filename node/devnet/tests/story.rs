//! One story told three times: in process, over HTTP, and to anvil where it is installed.

use alloy::eips::BlockNumberOrTag;
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::utils::parse_ether;
use alloy::primitives::{Address, B256, Bytes, U256, address, b256, hex};
use alloy::providers::ext::AnvilApi;
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolEvent;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use zkaggle_devnet::{DevNet, DevNetConfig};

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    Probe,
    "tests/fixtures/Probe.json"
);

const HOUR: u64 = 3_600;

async fn story(rpc: impl Provider + Clone, me: Address, other: Address) {
    assert_eq!(rpc.get_chain_id().await.unwrap(), 31_337);
    let before = rpc.get_balance(me).await.unwrap();
    assert!(before > parse_ether("100").unwrap());

    // Deploy with money; the receipt, the transaction and the block tell the same story.
    let reward = parse_ether("5").unwrap();
    let receipt = Probe::deploy_builder(&rpc, U256::from(HOUR))
        .value(reward)
        .send()
        .await
        .unwrap();
    let receipt = receipt.get_receipt().await.unwrap();
    assert!(receipt.status());
    let probe = Probe::new(receipt.contract_address.unwrap(), &rpc);
    assert_eq!(rpc.get_balance(*probe.address()).await.unwrap(), reward);
    let spent = before - rpc.get_balance(me).await.unwrap();
    assert_eq!(
        spent,
        reward + U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price)
    );
    let tx = rpc
        .get_transaction_by_hash(receipt.transaction_hash)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (tx.block_hash, tx.block_number),
        (receipt.block_hash, receipt.block_number)
    );
    let block = rpc
        .get_block_by_hash(receipt.block_hash.unwrap())
        .full()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(block.header.gas_used, receipt.gas_used);
    assert_eq!(
        block.transactions.as_transactions().unwrap()[0].inner.tx_hash(),
        &receipt.transaction_hash
    );
    let code = rpc.get_code_at(*probe.address()).await.unwrap();
    assert!(!code.is_empty() && code.len() < 24_576);

    precompiles(&probe).await;

    // Too early: the custom error decodes from a call, and a transaction that is sent all the same is mined as failed.
    let refused = probe.pay().call().await.unwrap_err();
    let error = refused
        .as_decoded_error::<Probe::TooEarly>()
        .expect("the custom error comes with its data");
    assert!(error.time < error.deadline);
    let worded = probe.refuse().call().await.unwrap_err();
    assert!(worded.to_string().contains("never"), "{worded}");
    let failed = probe
        .pay()
        .gas(200_000)
        .send()
        .await
        .unwrap()
        .get_receipt()
        .await
        .unwrap();
    assert!(!failed.status() && failed.logs().is_empty());

    // Time passes: pay, read the event by address and topic, and by nothing at all.
    let snapshot = rpc.anvil_snapshot().await.unwrap();
    let here = rpc.get_block_number().await.unwrap();
    rpc.anvil_increase_time(2 * HOUR).await.unwrap();
    rpc.anvil_mine(Some(3), None).await.unwrap();
    let paid = probe.pay().send().await.unwrap().get_receipt().await.unwrap();
    assert!(paid.status());
    let filter = Filter::new()
        .address(*probe.address())
        .event_signature(Probe::Paid::SIGNATURE_HASH)
        .from_block(0);
    let logs = rpc.get_logs(&filter).await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].block_hash, logs[0].log_index), (paid.block_hash, Some(0)));
    let event = logs[0].log_decode::<Probe::Paid>().unwrap();
    assert_eq!((event.inner.to, event.inner.amount), (me, reward));
    let indexed = filter.clone().topic1(me);
    assert_eq!(rpc.get_logs(&indexed).await.unwrap().len(), 1);
    assert!(rpc.get_logs(&filter.clone().topic1(other)).await.unwrap().is_empty());
    assert!(
        rpc.get_logs(&Filter::new().address(other).from_block(0))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(rpc.get_logs(&filter.clone().to_block(here)).await.unwrap().is_empty());
    let by_hash = Filter::new().at_block_hash(paid.block_hash.unwrap());
    assert_eq!(rpc.get_logs(&by_hash).await.unwrap().len(), 1);

    // A chosen timestamp is the next block's.
    let head = rpc
        .get_block_by_number(BlockNumberOrTag::Latest)
        .await
        .unwrap()
        .unwrap();
    let chosen = head.header.timestamp + 10 * HOUR;
    rpc.anvil_set_next_block_timestamp(chosen).await.unwrap();
    rpc.evm_mine(None).await.unwrap();
    let head = rpc
        .get_block_by_number(BlockNumberOrTag::Latest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(head.header.timestamp, chosen);

    // Back: the money is in the contract again.
    assert!(rpc.anvil_revert(snapshot).await.unwrap());
    assert_eq!(rpc.get_block_number().await.unwrap(), here);
    assert_eq!(rpc.get_balance(*probe.address()).await.unwrap(), reward);
    assert!(
        rpc.get_transaction_receipt(paid.transaction_hash)
            .await
            .unwrap()
            .is_none()
    );

    // The estimate suffices where 63/64 bites, and is not wasteful.
    let estimate = probe.nested(U256::from(30)).estimate_gas().await.unwrap();
    let nonce = rpc.get_transaction_count(me).await.unwrap();
    let deep = probe
        .nested(U256::from(30))
        .nonce(nonce)
        .gas(estimate)
        .send()
        .await
        .unwrap();
    let deep = deep.get_receipt().await.unwrap();
    assert!(deep.status());
    assert!(
        estimate > deep.gas_used && estimate < deep.gas_used * 2,
        "{estimate} against {}",
        deep.gas_used
    );

    // Limits: what loops for ever, code above 24,576 bytes, gas above 16,777,216.
    assert!(probe.forever().gas(1_000_000).call().await.is_err());
    let create = |bytes: u16| {
        let [high, low] = bytes.to_be_bytes();
        // PUSH2 bytes, PUSH0, RETURN: that much zeroed memory becomes the code.
        TransactionRequest::default()
            .with_deploy_code(Bytes::from(vec![0x61, high, low, 0x5f, 0xf3]))
            .with_from(me)
    };
    let largest = rpc
        .send_transaction(create(24_576).with_gas_limit(6_000_000))
        .await
        .unwrap();
    assert!(largest.get_receipt().await.unwrap().status());
    let error = rpc.estimate_gas(create(24_577)).await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("contract"), "{error}");
    let over = rpc
        .send_transaction(create(24_577).with_gas_limit(6_000_000))
        .await
        .unwrap();
    assert!(!over.get_receipt().await.unwrap().status());

    rpc.anvil_set_balance(other, U256::from(7)).await.unwrap();
    assert_eq!(rpc.get_balance(other).await.unwrap(), U256::from(7));
}

/// Precompiles that the verifiers stand on, each against a known answer.
async fn precompiles<P: Provider>(probe: &Probe::ProbeInstance<P>) {
    let at = |n: u8| Address::with_last_byte(n);
    let run = async |n: u8, input: Vec<u8>| {
        let got = probe.precompile(at(n), input.into()).call().await.unwrap();
        got.ok.then_some(got.output)
    };
    let word = |n: u64| B256::from(U256::from(n));
    let words = |ns: &[u64]| ns.iter().flat_map(|n| word(*n).0).collect::<Vec<u8>>();

    // FIPS 180-4's "abc".
    let abc = run(2, b"abc".to_vec()).await.unwrap();
    assert_eq!(
        abc[..],
        hex!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    // 3^5 mod 7 = 5.
    let modexp = run(5, [words(&[1, 1, 1]), vec![3, 5, 7]].concat()).await.unwrap();
    assert_eq!(modexp[..], [5]);
    // On BN254: G + G = 2·G; a point off the curve fails.
    let sum = run(6, words(&[1, 2, 1, 2])).await.unwrap();
    let double = run(7, words(&[1, 2, 2])).await.unwrap();
    assert_eq!(sum, double);
    assert!(run(6, words(&[1, 1, 1, 2])).await.is_none());
    // e(G, H)·e(−G, H) = 1, and e(G, H) alone is not 1. EIP-197's generator of G2, imaginary part first.
    let g2 = [
        b256!("198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"),
        b256!("1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"),
        b256!("090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"),
        b256!("12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"),
    ]
    .concat();
    // q − 2: the y of −G.
    let minus = b256!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd45");
    let pair = [words(&[1, 2]), g2.clone(), words(&[1]), minus.to_vec(), g2.clone()].concat();
    assert_eq!(run(8, pair).await.unwrap()[..], word(1)[..]);
    assert_eq!(run(8, [words(&[1, 2]), g2].concat()).await.unwrap()[..], word(0)[..]);
}

fn wallet(net: &DevNet) -> (EthereumWallet, Address, Address) {
    let signer = net.accounts()[0].signer();
    let me = signer.address();
    (EthereumWallet::from(signer), me, net.accounts()[9].address)
}

#[tokio::test]
async fn in_process() {
    let net = DevNet::new(DevNetConfig::default());
    let (wallet, me, other) = wallet(&net);
    story(
        ProviderBuilder::new().wallet(wallet).connect_client(net.client()),
        me,
        other,
    )
    .await;
}

#[tokio::test]
async fn over_http() {
    let net = DevNet::new(DevNetConfig::default());
    let (wallet, me, other) = wallet(&net);
    let listener = DevNet::bind(0).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(net.serve(listener, async {
        let _ = stopped.await;
    }));
    let rpc = ProviderBuilder::new().wallet(wallet).connect_http(url.parse().unwrap());
    rpc.client().set_poll_interval(Duration::from_millis(20));
    story(&rpc, me, other).await;
    drop(rpc);
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), server)
        .await
        .expect("an orderly stop")
        .unwrap()
        .unwrap();
}

/// Set `ZKAGGLE_ANVIL` to an anvil binary to run it.
#[tokio::test]
async fn on_anvil() {
    let Some(binary) = std::env::var_os("ZKAGGLE_ANVIL") else {
        println!("skipped: ZKAGGLE_ANVIL names no anvil binary");
        return;
    };
    let mut anvil = tokio::process::Command::new(&binary)
        .args(["--port", "0", "--hardfork", "osaka"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("anvil starts");
    let mut lines = BufReader::new(anvil.stdout.take().unwrap()).lines();
    let address = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(address) = line.strip_prefix("Listening on ") {
                return address.trim().to_owned();
            }
        }
        panic!("anvil ended before it listened");
    };
    let address = tokio::time::timeout(Duration::from_secs(30), address)
        .await
        .expect("anvil listens");
    // Anvil blocks once its output pipe is full.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let signer: PrivateKeySigner = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
        .parse()
        .unwrap();
    let me = signer.address();
    let rpc = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer))
        .connect_http(format!("http://{address}").parse().unwrap());
    rpc.client().set_poll_interval(Duration::from_millis(20));
    story(&rpc, me, address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720")).await;
}
