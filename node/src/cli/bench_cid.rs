//! `zkaggle bench cid`: proofs of whole datasets, checked here and by the contracts on a chain in this process.

use super::args::BenchArgs;
use super::bench::{Figure, figure};
use crate::chain::keys::ensure_registered;
use crate::chain::market::Market;
use crate::chain::{Chain, deploy};
use crate::demo::assets;
use crate::prover::{Prover, cid};
use anyhow::{Context, Result};
use std::sync::Arc;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_devnet::{DevNet, DevNetConfig};

/// Bytes of a shard of MNIST images with their labels: 156 records of 785.
const SHARD: usize = 156 * 785;

/// Bytes that repeat nowhere near.
fn bytes(length: u32) -> Vec<u8> {
    (0..length)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn shards(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.chunks(SHARD).map(<[u8]>::to_vec).collect()
}

pub(super) async fn figures(prover: &Arc<Prover>, args: &BenchArgs) -> Result<Vec<Figure>> {
    let market = market().await?;
    let mut out = vec![];
    let digits = "CID proof, 23,400 bytes (366 blocks)";
    out.extend(dataset(prover, &market, digits, shards(assets::HOLDOUT)).await?);
    if args.large {
        let name = "CID proof, 785,000 bytes (12,270 blocks)";
        out.extend(dataset(prover, &market, name, shards(&bytes(785_000))).await?);
    }
    if args.huge {
        let name = "CID proofs, 7,850,000 bytes (122,693 blocks)";
        out.extend(dataset(prover, &market, name, shards(&bytes(7_850_000))).await?);
    }
    Ok(out)
}

/// The contracts on a fresh development chain, the dataset key registered.
async fn market() -> Result<Market> {
    let net = DevNet::new(DevNetConfig::default());
    let account = net
        .accounts()
        .first()
        .context("the development chain has no accounts")?;
    let chain = Chain::connect(net.client(), account.signer(), None).await?;
    let srs = SrsPoints::development();
    let deployment = deploy::deploy(&chain, &srs, None).await?.deployment;
    ensure_registered(&chain, &deployment, &cid::key(&srs)?.data).await?;
    Market::open(chain, deployment).await
}

/// Proves the CIDs of shards, verifies them, and attests them on chain. The SRS is made or read before the
/// clock starts.
async fn dataset(
    prover: &Arc<Prover>,
    market: &Market,
    name: &'static str,
    shards: Vec<Vec<u8>>,
) -> Result<[Figure; 3]> {
    let lengths: Vec<usize> = shards.iter().map(Vec::len).collect();
    let runs = cid::runs(&lengths, None)?;
    for run in &runs {
        prover.warm_cid(&shards[run.clone()]).await?;
    }
    let mut made = vec![];
    let proved = figure(name, async {
        for run in runs {
            let turn = prover.turn().await?;
            made.push(prover.prove_cid(turn, shards[run].to_vec(), |_| {}).await?);
        }
        Ok(made.iter().map(|(_, proof)| proof.len()).sum())
    })
    .await?;
    let key = cid::key(&SrsPoints::development())?;
    let verified = figure("  verified natively, 100 times", async {
        for _ in 0..100 {
            for (instances, proof) in &made {
                cid::verify(&key.key, instances, proof)?;
            }
        }
        Ok(proved.bytes)
    })
    .await?;
    let mut gas = 0;
    let attested = figure("  attested on chain", async {
        for (instances, proof) in &made {
            gas += market.attest_shards(key.vk_id, instances, proof).await?.gas;
        }
        Ok(proved.bytes)
    })
    .await?;
    let attested = Figure {
        gas: Some(gas),
        ..attested
    };
    Ok([proved, verified, attested])
}
