//! `zkaggle dataset link`: records on chain which shards a dag-pb root names.

use super::connect::{self, MarketArgs};
use super::output::Output;
use crate::chain::client::MAX_TX_GAS;
use crate::chain::links::{Links, Witness, digest};
use crate::chain::market::Market;
use crate::chain::outbox::show;
use crate::dataset;
use crate::failure::{Code, Failure, code_of};
use alloy::primitives::U256;
use alloy::providers::Provider;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use zkaggle_graph::dataset::cid::cid_of_digest;
use zkaggle_ipld::Cid;
use zkaggle_ipld::chain::{Digest, Opened, open};
use zkaggle_net::{Blockstore, Visibility};

/// Flags of `zkaggle dataset link`.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// CID of the dataset's folder, or of a file whose leaves are its shards; its blocks are in the node's folder.
    pub root: String,
    /// CID of the manifest that a file's leaves belong to; a folder holds its own.
    #[arg(long, value_name = "CID")]
    pub manifest: Option<String>,
    /// Say what recording would cost, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub market: MarketArgs,
}

/// A tree whose every block was hashed here, and whose leaves are a dataset's shards.
struct Tree {
    root: Cid,
    opened: Opened,
    leaves: Vec<Digest>,
}

pub async fn run(args: LinkArgs, out: Output) -> Result<()> {
    let tree = read(&args)?;
    let market = connect::actor(&args.market).await?;
    let links = Links::of(market.chain(), market.deployment())?;
    let (root, count) = (tree.root, tree.leaves.len());
    let report = |state: &str, gas: u64, wei: Option<U256>, transaction: Option<String>| {
        json!({
            "root": root.to_string(), "shards": count, "nodes": tree.opened.nodes.len(), "state": state,
            "gas": gas, "wei": wei.map(|wei| wei.to_string()), "transaction": transaction,
        })
    };
    if links.witness(&root, &tree.leaves).await? == Witness::Agrees {
        return out.print(
            &report("recorded", 0, None, None),
            &format!("{root} is recorded already, with these {count} shard(s); nothing was sent"),
        );
    }
    let gas = links.gas(&root, &tree.opened.nodes).await?;
    if gas > MAX_TX_GAS {
        return Err(Failure::refused(format!(
            "recording {root} takes {gas} gas for {} node(s) of {count} shard(s); a transaction may use {MAX_TX_GAS} (EIP-7825)",
            tree.opened.nodes.len()
        )));
    }
    let wei = price(&market, gas).await?;
    let cost = format!("{gas} gas, {} at the present price", show(wei));
    if args.dry_run {
        return out.print(
            &report("not recorded", gas, Some(wei), None),
            &format!("{root} is not recorded; recording its {count} shard(s) takes {cost}"),
        );
    }
    eprintln!("recording {root} with {count} shard(s): {cost}");
    let sent = links.record(&root, &tree.opened.nodes).await?;
    if links.witness(&root, &tree.leaves).await? != Witness::Agrees {
        return Err(Failure::refused(format!(
            "transaction {} is mined and the chain does not say that {root} is recorded; the contract is not the one expected",
            sent.hash
        )));
    }
    out.print(
        &report("recorded", sent.gas, None, Some(sent.hash.to_string())),
        &format!(
            "{root} is recorded with {count} shard(s): {} gas (transaction {})",
            sent.gas, sent.hash
        ),
    )
}

/// Hashes everything below the root and gathers what the contract reads of it.
fn read(args: &LinkArgs) -> Result<Tree> {
    let dir = args
        .market
        .chain
        .dir
        .as_ref()
        .ok_or_else(|| Failure::usage("whose blocks and account? give --dir"))?;
    let root = dataset::parse(&args.root)?;
    let name = digest(&root)?;
    let store = dataset::open(dir)?;
    let manifest = match &args.manifest {
        Some(cid) => {
            let manifest = dataset::manifest(&store, dataset::parse(cid)?)?;
            dataset::check_root(&store, root, &manifest)?;
            manifest
        }
        None => dataset::manifest(&store, root).map_err(|e| match code_of(&e) {
            Code::Failed => e.context("for a file's root, give --manifest"),
            _ => e,
        })?,
    };
    let opened = open(&name, |digest| {
        let cid = Cid::new_v1(zkaggle_ipld::DAG_PB, *cid_of_digest(digest).hash());
        store.get(&cid).map_err(std::io::Error::other)
    })
    .with_context(|| format!("the chain cannot read {root}"))?;
    // A transaction shows every digest to everybody, before it is mined already.
    let sealed = manifest.shards().iter().filter(|shard| {
        let info = store.info(&shard.cid);
        info.is_none_or(|info| info.visibility == Visibility::Private)
    });
    if sealed.count() > 0 {
        return Err(Failure::refused(format!(
            "{root} is sealed: a link would publish its shards' digests; record it after the reveal"
        )));
    }
    let leaves: Vec<Digest> = opened.leaves.iter().map(|leaf| leaf.digest).collect();
    if leaves != manifest.digests() {
        return Err(Failure::refused(format!(
            "the chain would read other leaves of {root} than the manifest's shards, or in another order"
        )));
    }
    Ok(Tree { root, opened, leaves })
}

async fn price(market: &Market, gas: u64) -> Result<U256> {
    let price = market.chain().rpc().get_gas_price().await;
    let price = price.map_err(crate::chain::errors::unreachable_chain)?;
    Ok(U256::from(gas) * U256::from(price))
}
