//! geth in developer mode as a process of its own, ended with the test.

use alloy::primitives::{Address, U256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The variable that names geth's binary.
pub const VARIABLE: &str = "ZKAGGLE_GETH";
/// How long geth may take to answer.
const PATIENCE: Duration = Duration::from_secs(180);

/// The binary to use; `None`, said aloud, when the variable is not set.
pub fn binary() -> Option<PathBuf> {
    let found = std::env::var_os(VARIABLE).map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED: {VARIABLE} names no geth, this story is not played in its developer mode");
    }
    found
}

/// A running geth with a funded account of ours.
#[derive(Debug)]
pub struct Geth {
    child: Child,
    url: String,
    signer: PrivateKeySigner,
}

impl Geth {
    /// Starts a developer chain on a free loopback port and funds an account on it.
    ///
    /// # Errors
    /// When it does not start or does not answer.
    pub async fn start(binary: PathBuf) -> Result<Self> {
        // Free a moment ago: geth takes no port 0 for HTTP that it would tell us.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(&binary)
            .args([
                "--dev",
                "--http",
                "--http.addr",
                "127.0.0.1",
                "--http.api",
                "eth,net,web3",
            ])
            .args(["--http.port", &port.to_string(), "--authrpc.port", "0", "--port", "0"])
            .args(["--nodiscover", "--maxpeers", "0", "--ipcdisable", "--verbosity", "1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let me = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            signer: PrivateKeySigner::random(),
        };
        me.fund(me.signer.address()).await?;
        Ok(me)
    }

    /// Pays an account a thousand ether: geth's developer account is unlocked inside it.
    ///
    /// # Errors
    /// When geth does not answer or does not pay.
    pub async fn fund(&self, to: Address) -> Result<()> {
        let rpc = ProviderBuilder::new().connect_http(self.url.parse()?);
        let since = Instant::now();
        let rich: Vec<Address> = loop {
            match rpc.get_accounts().await {
                Ok(a) => break a,
                Err(_) if since.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(e) => bail!("geth does not answer: {e}"),
            }
        };
        let from = *rich.first().context("geth has no developer account")?;
        let pay = TransactionRequest::default()
            .from(from)
            .to(to)
            .value(U256::from(1_000) * U256::from(10).pow(U256::from(18)));
        let _: alloy::primitives::B256 = rpc.raw_request("eth_sendTransaction".into(), (pay,)).await?;
        while rpc.get_balance(to).await?.is_zero() {
            if since.elapsed() > PATIENCE {
                bail!("geth did not pay {to}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Its JSON-RPC endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The funded account.
    pub fn signer(&self) -> PrivateKeySigner {
        self.signer.clone()
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
