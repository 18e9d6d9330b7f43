//! From settings and flags to a market: endpoint, chain and contracts, each checked before it is used.

use crate::chain::market::Market;
use crate::chain::{Caution, Chain, Deployment};
use crate::failure::{Code, Failure, code_of};
use alloy::signers::local::PrivateKeySigner;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;
use zkaggle_config::{Config, RpcUrl};

/// An endpoint that takes longer to say which chain it serves is not there.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Opens the market that the settings name; a flag's value comes before the setting's.
///
/// # Errors
/// Usage when endpoint or deployment are not given, refused when one belongs to another chain than
/// `chain.id` or to one where money may be real, unreachable when no endpoint answers.
pub async fn market(
    config: &Config,
    rpc_url: Option<&str>,
    deployment: Option<&Path>,
    signer: PrivateKeySigner,
) -> Result<Market> {
    let chain = &config.chain;
    let urls = match rpc_url {
        Some(url) => vec![url.parse().map_err(|e| Failure::usage(format!("--rpc-url: {e}")))?],
        None => chain.rpc_urls()?,
    };
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
    let caution = Caution {
        max_fee: Some(chain.max_fee.into()),
        confirmations: chain.confirmations,
    };
    let account = first_that_serves(id, &urls, &signer).await?.with_caution(caution);
    Market::open(account, deployment).await
}

/// Connects to the first endpoint that serves chain `id`.
///
/// # Errors
/// That of the first endpoint that serves another chain, which must be corrected; otherwise that of
/// the last one.
async fn first_that_serves(id: u64, urls: &[RpcUrl], signer: &PrivateKeySigner) -> Result<Chain> {
    let mut failure = Failure::usage("chain.rpc_url is not set; give --rpc-url or set it");
    for url in urls {
        let connect = Chain::connect_http(url.expose(), signer.clone(), Some(id));
        let e = match tokio::time::timeout(ANSWER_WITHIN, connect).await {
            Ok(Ok(chain)) => return Ok(chain),
            Ok(Err(e)) => e,
            Err(_) => Failure::new(
                Code::Unreachable,
                format!(
                    "the chain endpoint does not answer within {} s",
                    ANSWER_WITHIN.as_secs()
                ),
            ),
        };
        let e = e.context(format!("endpoint {url}"));
        if urls.len() > 1 {
            tracing::warn!("not used: {e:#}");
        }
        if code_of(&failure) != Code::Refused {
            failure = e;
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_devnet::{DevNet, DevNetConfig};

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
            first_that_serves(31_337, &urls, &signer()).await
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
                contracts: Default::default(),
            };
            std::fs::write(&path, deployment.to_json().unwrap()).unwrap();
            let e = market(&config, Some("http://127.0.0.1:1"), Some(&path), signer())
                .await
                .unwrap_err();
            assert_eq!(code_of(&e), Code::Refused);
            assert!(e.to_string().contains(word), "{e}");
        }
        let e = market(&config, Some("http://127.0.0.1:1"), None, signer())
            .await
            .unwrap_err();
        assert!(
            code_of(&e) == Code::Usage && e.to_string().contains("chain.deployment"),
            "{e}"
        );
    }
}
