//! From settings and flags to a market: endpoint, chain and contracts, each checked before it is used.

use crate::chain::market::Market;
use crate::chain::outbox::Outbox;
use crate::chain::submit::Patience;
use crate::chain::{Caution, Chain, Deployment};
use crate::failure::Failure;
use alloy::signers::local::PrivateKeySigner;
use anyhow::Result;
use std::path::Path;
use zkaggle_config::Config;

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
    let urls = match rpc_url {
        [] => chain.rpc_urls()?,
        given => given
            .iter()
            .map(|url| url.parse().map_err(|e| Failure::usage(format!("--rpc-url: {e}"))))
            .collect::<Result<_>>()?,
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
        max_spend: Some(chain.max_spend.into()),
        confirmations: chain.confirmations,
        patience: Patience::on(id),
    };
    let account = Chain::connect_any(&urls, signer, Some(id)).await?.with_caution(caution);
    let account = match outbox {
        Some(dir) => account.with_outbox(Outbox::open(dir)?),
        None => account,
    };
    Market::open(account, deployment).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Code, code_of};
    use zkaggle_config::RpcUrl;
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
