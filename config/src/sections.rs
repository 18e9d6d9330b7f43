//! [`Config`] and its parts; `default.toml` says what each setting means.

use crate::error::{ConfigError, Place};
use crate::units::{ByteSize, Seconds, Wei};
use crate::values::{Backend, Dht, Role, RpcUrl, TokenLimit};
use std::path::{Path, PathBuf};

/// Everything a node is told by its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub node: Node,
    pub p2p: P2p,
    pub ipfs: Ipfs,
    pub chain: Chain,
    pub prover: Prover,
    pub store: Store,
}

/// `[node]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub role: Role,
}

/// `[p2p]`; addresses are checked for their first character here and parsed where libp2p is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct P2p {
    pub listen: Vec<String>,
    pub bootstrap: Vec<String>,
    pub dht: Dht,
    pub reprovide: Seconds,
}

/// `[ipfs]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipfs {
    pub backend: Backend,
    pub api_url: Option<RpcUrl>,
}

/// `[chain]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    pub id: u64,
    pub rpc_url: Vec<RpcUrl>,
    pub rpc_url_file: Option<PathBuf>,
    pub deployment: Option<PathBuf>,
    pub confirmations: u64,
    pub max_fee: Wei,
    pub max_spend: Wei,
    pub max_spend_tokens: Vec<TokenLimit>,
    pub poll: Seconds,
    pub production_opt_in: bool,
}

/// `[prover]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prover {
    pub keys_dir: PathBuf,
    pub max_memory: ByteSize,
}

/// `[store]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    pub dir: PathBuf,
}

impl Ipfs {
    /// Kubo's endpoint, when blocks go through Kubo.
    pub fn kubo_url(&self) -> Option<&str> {
        match self.backend {
            Backend::Kubo => self.api_url.as_ref().map(RpcUrl::expose),
            Backend::Embedded => None,
        }
    }
}

impl Chain {
    /// Chains where nothing has a price: development chains by custom, and public testnets.
    ///
    /// # Source
    /// 31337 hardhat and anvil, 1337 geth --dev; 11155111 Sepolia, 560048 Hoodi.
    pub const WORTHLESS: [u64; 4] = [31_337, 1_337, 11_155_111, 560_048];

    /// All endpoints in order, from the settings or from the file that they name.
    ///
    /// # Errors
    /// [`ConfigError`] naming file and line, never the endpoint.
    pub fn rpc_urls(&self) -> Result<Vec<RpcUrl>, ConfigError> {
        let Some(path) = &self.rpc_url_file else {
            return Ok(self.rpc_url.clone());
        };
        let text = crate::layers::read(path)?;
        let place = |line| Place::File {
            path: path.clone(),
            line,
        };
        let lines = text.lines().zip(1..).map(|(text, line)| (text.trim(), line));
        let urls = lines
            .filter(|(text, _)| !text.is_empty() && !text.starts_with('#'))
            .map(|(text, line)| {
                text.parse().map_err(|reason| ConfigError::Rule {
                    place: place(line),
                    reason,
                })
            });
        let urls = urls.collect::<Result<Vec<_>, _>>()?;
        match urls.is_empty() {
            true => Err(ConfigError::Rule {
                place: place(1),
                reason: "no endpoint in it; write one per line".into(),
            }),
            false => Ok(urls),
        }
    }
}

impl Prover {
    /// The keys' folder, a relative default being under the node's folder.
    pub fn keys_dir_in(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(&self.keys_dir)
    }
}

impl Store {
    /// The index's folder, a relative default being under the node's folder.
    pub fn dir_in(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(&self.dir)
    }
}
