//! From settings and flags to an account, a market, or a whole node: endpoints, chain and contracts, each
//! checked before it is used.

use super::args::PasswordArgs;
use super::init::password;
use crate::chain::market::Market;
use crate::chain::outbox::Outbox;
use crate::chain::submit::Patience;
use crate::chain::tokens::TokenCeilings;
use crate::chain::{Caution, Chain, Deployment};
use crate::failure::Failure;
use crate::node_dir::{CONFIG_FILE, NodeDir};
use crate::progress::Reporter;
use crate::prover::Prover;
use crate::roles::services::{Peers, Services};
use alloy::primitives::U256;
use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use zkaggle_config::{Config, Loader};
use zkaggle_devnet::{DevNet, DevNetConfig};
use zkaggle_net::{Dht, Multiaddr, NetConfig};
use zkaggle_vault::password::Ask;
use zkaggle_vault::{Keystore, Seed};

/// Where a command's chain and account come from.
#[derive(Clone, Debug, Default, Args)]
pub struct ChainArgs {
    /// The node's folder: its account, and its settings.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Configuration file; `config.toml` in the folder by default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A JSON-RPC endpoint of the chain; repeatable, the next one stands in when one fails.
    #[arg(long, value_name = "URL")]
    pub rpc_url: Vec<String>,
    /// The chain's id, when it is not the setting's.
    #[arg(long, value_name = "ID")]
    pub chain_id: Option<u64>,
    /// Allow a chain where money may be real. The software is unaudited.
    #[arg(long)]
    pub production: bool,
    /// Act as this test account of a development chain, 0 to 9, instead of the node's account.
    #[arg(long, value_name = "N", conflicts_with = "dir", value_parser = clap::value_parser!(u8).range(0..10))]
    pub dev_account: Option<u8>,
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// As [`ChainArgs`], with a market on that chain.
#[derive(Clone, Debug, Default, Args)]
pub struct MarketArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Addresses of the contracts.
    #[arg(long, value_name = "FILE")]
    pub deployment: Option<PathBuf>,
}

/// As [`MarketArgs`], with peers to fetch blocks from.
#[derive(Clone, Debug, Default, Args)]
pub struct NodeArgs {
    #[command(flatten)]
    pub market: MarketArgs,
    /// Peer to connect to, as `/ip4/…/tcp/…/p2p/…`; repeatable.
    #[arg(long, value_name = "MULTIADDR")]
    pub peer: Vec<String>,
}

/// Settings with the flags on top.
fn config(args: &ChainArgs) -> Result<Config> {
    let mut loader = Loader::new()?;
    match (&args.config, &args.dir) {
        (Some(file), _) => loader.file(file)?,
        (None, Some(dir)) => loader.file(&dir.join(CONFIG_FILE))?,
        (None, None) => {}
    }
    loader.environment(std::env::vars_os())?;
    if let Some(id) = args.chain_id {
        loader.set("chain.id", &id.to_string(), "--chain-id")?;
    }
    if args.production {
        loader.set("chain.production_opt_in", "true", "--production")?;
    }
    Ok(loader.finish()?)
}

/// Who acts: a node with its seed, a well-known test account, or nobody, who can only read.
struct Actor {
    signer: PrivateKeySigner,
    node: Option<(NodeDir, Seed)>,
}

impl Actor {
    fn of(args: &ChainArgs, chain_id: u64) -> Result<Self> {
        if let Some(n) = args.dev_account {
            if !crate::chain::client::is_development(chain_id) {
                return Err(Failure::refused(format!(
                    "--dev-account is a key everybody knows; chain {chain_id} is no development chain"
                )));
            }
            let accounts = DevNet::new(DevNetConfig::default());
            let account = accounts.accounts().get(usize::from(n));
            let signer = account.context("there are ten test accounts, 0 to 9")?.signer();
            return Ok(Self { signer, node: None });
        }
        let dir = args
            .dir
            .as_ref()
            .ok_or_else(|| Failure::usage("whose account? give --dir, or --dev-account on a development chain"))?;
        let keystore = Keystore::open(dir, &password(&args.password, Ask::Known)?).context("open the node's seed")?;
        let seed = keystore.seed().clone();
        Ok(Self {
            signer: crate::identity::signer(&seed)?,
            // Only now: a mistyped folder must not become a node's.
            node: Some((NodeDir::open(dir)?, seed)),
        })
    }
}

/// An account that may send, after what it had under way is settled.
///
/// # Errors
/// Usage without an account, refused for the wrong chain, unreachable when no endpoint answers.
pub async fn account(args: &ChainArgs) -> Result<Chain> {
    let config = config(args)?;
    let actor = Actor::of(args, config.chain.id)?;
    let outbox = actor.node.as_ref().map(|(dir, _)| dir.outbox());
    let chain = connect(&config, &args.rpc_url, config.chain.id, actor.signer, outbox.as_deref()).await?;
    recover(&chain).await?;
    Ok(chain)
}

/// A market seen by nobody: for reading.
pub async fn reader(args: &MarketArgs) -> Result<Market> {
    let config = config(&args.chain)?;
    let nobody = PrivateKeySigner::random();
    market(&config, &args.chain.rpc_url, args.deployment.as_deref(), nobody, None).await
}

/// A market seen by the account that acts, after what it had under way is settled.
pub async fn actor(args: &MarketArgs) -> Result<Market> {
    let config = config(&args.chain)?;
    let actor = Actor::of(&args.chain, config.chain.id)?;
    let outbox = actor.node.as_ref().map(|(dir, _)| dir.outbox());
    let market = market(
        &config,
        &args.chain.rpc_url,
        args.deployment.as_deref(),
        actor.signer,
        outbox.as_deref(),
    )
    .await?;
    recover(market.chain()).await?;
    Ok(market)
}

/// A market as [`actor`] where an account is named, otherwise as [`reader`].
pub async fn either(args: &MarketArgs) -> Result<(Market, bool)> {
    let acts = args.chain.dir.is_some() || args.chain.dev_account.is_some();
    Ok((if acts { actor(args).await? } else { reader(args).await? }, acts))
}

/// A whole node for one command: peers, prover and secrets as well.
pub async fn services(args: &NodeArgs, who: &str) -> Result<(Services, Config)> {
    let config = config(&args.market.chain)?;
    let actor = Actor::of(&args.market.chain, config.chain.id)?;
    let (dir, seed) = actor
        .node
        .ok_or_else(|| Failure::usage("this needs a node's folder; give --dir"))?;
    let market = market(
        &config,
        &args.market.chain.rpc_url,
        args.market.deployment.as_deref(),
        actor.signer,
        Some(&dir.outbox()),
    )
    .await?;
    recover(market.chain()).await?;
    let net = net_config(&config, &args.peer)?;
    let peers = Peers::start(&dir, &seed, net, config.ipfs.kubo_url()).await?;
    let prover = Prover::open(&config.prover.keys_dir_in(dir.root()))?;
    let report = Reporter::on_stderr(who, std::io::stderr().is_terminal());
    Ok((Services::new(dir, market, peers, prover, seed, report), config))
}

/// How a node takes part in the network, by its settings and the peers given besides.
///
/// # Errors
/// Usage, naming an address that is none.
pub fn net_config(config: &Config, peers: &[String]) -> Result<NetConfig> {
    let p2p = &config.p2p;
    let listen = p2p.listen.iter().map(|a| multiaddr(a)).collect::<Result<_>>()?;
    let bootstrap = p2p.bootstrap.iter().chain(peers).map(|a| multiaddr(a));
    Ok(NetConfig {
        listen,
        bootstrap: bootstrap.collect::<Result<_>>()?,
        dht: match p2p.dht {
            zkaggle_config::Dht::Zkaggle => Dht::Zkaggle,
            zkaggle_config::Dht::Ipfs => Dht::Ipfs,
            zkaggle_config::Dht::IpfsLan => Dht::IpfsLan,
        },
        reprovide: p2p.reprovide.into(),
        ..NetConfig::default()
    })
}

/// Reads an address of a peer.
pub fn multiaddr(text: &str) -> Result<Multiaddr> {
    text.parse()
        .map_err(|e| Failure::usage(format!("{text:?} is not a multiaddress: {e}")))
}

/// Before anything is decided: what an earlier run had under way changes what there is to decide.
async fn recover(chain: &Chain) -> Result<()> {
    let recovered = chain.recover().await?;
    if recovered > 0 {
        tracing::warn!("{recovered} transactions of an earlier run are settled now");
    }
    Ok(())
}

/// An account on chain `id` with the settings' ceilings.
async fn connect(
    config: &Config,
    rpc_url: &[String],
    id: u64,
    signer: PrivateKeySigner,
    outbox: Option<&Path>,
) -> Result<Chain> {
    let chain = &config.chain;
    let urls = match rpc_url {
        [] => chain.rpc_urls()?,
        given => given
            .iter()
            .map(|url| url.parse().map_err(|e| Failure::usage(format!("--rpc-url: {e}"))))
            .collect::<Result<_>>()?,
    };
    let caution = Caution {
        max_fee: Some(chain.max_fee.into()),
        max_spend: Some(chain.max_spend.into()),
        confirmations: chain.confirmations,
        patience: Patience::on(id),
    };
    let mut tokens = TokenCeilings::new();
    for limit in &chain.max_spend_tokens {
        if tokens.insert(limit.token.into(), U256::from(limit.amount)).is_some() {
            return Err(Failure::usage(format!(
                "chain.max_spend_tokens lists the token of {limit} twice"
            )));
        }
    }
    let account = Chain::connect_any(&urls, signer, Some(id))
        .await?
        .with_caution(caution)
        .with_token_ceilings(tokens);
    Ok(match outbox {
        Some(dir) => account.with_outbox(Outbox::open(dir)?),
        None => account,
    })
}

/// Opens the market that the settings name; a flag's value comes before the setting's. What the account
/// sends is written down in `outbox` first; without one, it is remembered only while this process runs.
///
/// # Errors
/// Usage when endpoint or deployment are not given, refused when one belongs to another chain than
/// `chain.id` or to one where money may be real, unreachable when no endpoint answers.
pub async fn market(
    config: &Config,
    rpc_url: &[String],
    deployment: Option<&Path>,
    signer: PrivateKeySigner,
    outbox: Option<&Path>,
) -> Result<Market> {
    let chain = &config.chain;
    let path = deployment
        .or(chain.deployment.as_deref())
        .ok_or_else(|| Failure::usage("chain.deployment is not set; give --deployment or set it"))?;
    let deployment = Deployment::read(path)?;
    let id = deployment.chain_id;
    if !zkaggle_config::sections::Chain::WORTHLESS.contains(&id) && !chain.production_opt_in {
        return Err(Failure::refused(format!(
            "chain {id} may hold real money and this software is unaudited; set chain.production_opt_in = true to go on"
        )));
    }
    if id != chain.id {
        return Err(Failure::refused(format!(
            "deployment file {} is for chain {id}, chain.id is {}",
            path.display(),
            chain.id
        )));
    }
    let account = connect(config, rpc_url, id, signer, outbox).await?;
    Market::open(account, deployment).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Code, code_of};
    use zkaggle_config::RpcUrl;

    /// A chain at a port, until the test ends.
    async fn serve(chain_id: u64) -> RpcUrl {
        let net = DevNet::new(DevNetConfig {
            chain_id,
            ..DevNetConfig::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(net.serve(listener, std::future::pending()));
        url.parse().unwrap()
    }

    fn signer() -> PrivateKeySigner {
        DevNet::new(DevNetConfig::default()).accounts()[0].signer()
    }

    #[tokio::test]
    async fn the_first_endpoint_of_the_right_chain_is_used() {
        let (right, wrong) = (serve(31_337).await, serve(1_337).await);
        let dead: RpcUrl = "http://127.0.0.1:1/secret".parse().unwrap();
        let try_all = async |urls: &[&RpcUrl]| {
            let urls: Vec<RpcUrl> = urls.iter().map(|u| (*u).clone()).collect();
            Chain::connect_any(&urls, signer(), Some(31_337)).await
        };
        let chain = try_all(&[&dead, &wrong, &right]).await.unwrap();
        assert_eq!(chain.chain_id(), 31_337);

        for (urls, code, word) in [
            (vec![], Code::Usage, "chain.rpc_url"),
            (vec![&dead], Code::Unreachable, "http://127.0.0.1:1/…"),
            (vec![&wrong, &dead], Code::Refused, "chain.id"),
            (vec![&dead, &wrong], Code::Refused, "1337"),
        ] {
            let e = try_all(&urls).await.unwrap_err();
            assert_eq!(code_of(&e), code, "{e:#}");
            assert!(
                format!("{e:#}").contains(word) && !format!("{e:#}").contains("secret"),
                "{e:#}"
            );
        }
    }

    #[tokio::test]
    async fn a_deployment_of_another_chain_is_refused_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.json");
        let config = zkaggle_config::Loader::new().unwrap().finish().unwrap();
        for (id, word) in [(1_337, "chain.id is 31337"), (1, "chain.production_opt_in")] {
            let deployment = Deployment {
                format: crate::chain::deployment::FORMAT.into(),
                chain_id: id,
                deploy_block: 0,
                srs_id: Default::default(),
                development: true,
                factory: None,
                contracts: Default::default(),
            };
            std::fs::write(&path, deployment.to_json().unwrap()).unwrap();
            let e = market(&config, &["http://127.0.0.1:1".to_owned()], Some(&path), signer(), None)
                .await
                .unwrap_err();
            assert_eq!(code_of(&e), Code::Refused);
            assert!(e.to_string().contains(word), "{e}");
        }
        let e = market(&config, &["http://127.0.0.1:1".to_owned()], None, signer(), None)
            .await
            .unwrap_err();
        assert!(
            code_of(&e) == Code::Usage && e.to_string().contains("chain.deployment"),
            "{e}"
        );
    }
}
