//! A provider's data proved: CID proofs made before anything is escrowed, verified on chain when they are due.

use super::Provider;
use crate::chain::links::{Links, Witness};
use crate::dataset;
use crate::progress::Cost;
use crate::proof_file::{ProofFile, ShardFile, Statement};
use crate::prover::cid;
use crate::roles::Tick;
use anyhow::Result;
use std::ops::Range;
use std::time::Duration;
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_graph::dataset::Dataset;
use zkaggle_graph::ids;

impl Provider {
    /// The CID proof of a run of shards: from disk if it was made before, otherwise made and kept,
    /// private to this node until the reveal.
    pub(super) async fn cid_proof(&self, dataset: &Dataset, run: Range<usize>) -> Result<ProofFile> {
        let s = &self.services;
        let key = cid::key(&SrsPoints::development())?;
        let path = s.proof_path(&self.file.label, &format!("cid-{}.proof", run.start));
        let shards = &dataset.shards()[run];
        let names: Vec<String> = shards.iter().map(|s| s.cid.to_string()).collect();
        if let Ok(file) = ProofFile::read(&path)
            && file.vk_id == key.vk_id.0
            && let Statement::Cid { shards: proved } = &file.statement
            && proved.iter().map(|p| &p.cid).eq(&names)
            && cid::verify(&key.key, proved.iter().map(|p| &p.instance), &file.proof).is_ok()
        {
            return Ok(file);
        }
        let blocks: Vec<Vec<u8>> = shards.iter().map(|s| s.bytes.clone()).collect();
        let bytes: usize = blocks.iter().map(Vec::len).sum();
        let turn = s.prover.turn().await?;
        let (instances, proof) = s
            .report
            .step(
                format!("prove the CIDs of {} shard(s) ({bytes} bytes)", shards.len()),
                Some(Duration::from_secs(5)),
                async {
                    let p = s.prover.prove_cid(turn, blocks, |_| {}).await?;
                    let cost = Cost::bytes(p.1.len());
                    Ok((p, cost))
                },
            )
            .await?;
        let shards = shards
            .iter()
            .zip(instances)
            .map(|(s, instance)| ShardFile {
                cid: s.cid.to_string(),
                instance,
            })
            .collect();
        let file = ProofFile::new(key.development, key.vk_id, Statement::Cid { shards }, proof);
        s.write_proof(&path, &file)?;
        Ok(file)
    }

    /// Where the bounty file names its data by a dag-pb root, compares what the chain recorded of it with the shards that
    /// were hashed here. To be asked once the data are public: the question alone names them.
    ///
    /// # Errors
    /// Refused when other leaves are recorded.
    pub(super) async fn ask_witness(&self, dataset: &Dataset) -> Result<()> {
        let market = &self.services.market;
        let root = dataset::parse(&self.file.dataset)?;
        if root.codec() != zkaggle_ipld::DAG_PB {
            return Ok(());
        }
        // A deployment of before the contract has no witness to ask.
        let Ok(links) = Links::of(market.chain(), market.deployment()) else {
            return Ok(());
        };
        if links.witness(&root, &dataset.manifest().digests()).await? == Witness::Agrees {
            let note = format!(
                "the chain has recorded {root} with these {} shard(s)",
                dataset.shards().len()
            );
            self.services.report.note(note).await;
        }
        Ok(())
    }

    /// Which shards share a CID proof.
    pub(super) fn proof_runs(&self, dataset: &Dataset) -> Result<Vec<Range<usize>>> {
        cid::runs(&lengths(dataset), self.max_memory)
    }

    /// Has the CID proofs verified that cover these shards of the dataset.
    pub(super) async fn attest_shards(&self, dataset: &Dataset, digests: &[[u8; 32]]) -> Result<()> {
        let s = &self.services;
        for run in self.proof_runs(dataset)? {
            let ours = dataset.manifest().digests();
            if !run.clone().any(|j| ours.get(j).is_some_and(|d| digests.contains(d))) {
                continue;
            }
            let file = self.cid_proof(dataset, run).await?;
            let Statement::Cid { shards } = &file.statement else {
                continue;
            };
            let vk = ids::VkId(file.vk_id);
            let mut missing = false;
            for shard in shards {
                missing |= s.market.attested(vk, shard.instance.digest).await?.is_none();
            }
            if !missing {
                continue;
            }
            let instances: Vec<_> = shards.iter().map(|s| s.instance.clone()).collect();
            s.report
                .step(
                    format!("verify the CID proof of {} shard(s) on chain", shards.len()),
                    None,
                    async {
                        let sent = s.market.attest_shards(vk, &instances, &file.proof).await?;
                        Ok(((), Cost::gas(sent.gas).and_bytes(file.proof.len())))
                    },
                )
                .await?;
        }
        Ok(())
    }

    /// The proofs were made of the pool, before anything was drawn from it.
    pub(super) async fn attest(&self, id: u64, pool: &Dataset, dataset: &Dataset) -> Result<Tick> {
        let s = &self.services;
        // A crash between reveal and release left the blocks sealed; releasing again changes nothing.
        self.keep_part(dataset).await?;
        s.release(dataset).await?;
        self.ask_witness(pool).await?;
        self.attest_shards(pool, &dataset.manifest().digests()).await?;
        s.report
            .step("fix the dataset commitment", None, async {
                let sent = s.market.attest(id).await?;
                Ok(((), Cost::gas(sent.gas)))
            })
            .await?;
        Ok(Tick::Worked)
    }
}

/// Bytes of each shard, in the manifest's order.
pub(super) fn lengths(dataset: &Dataset) -> Vec<usize> {
    dataset.shards().iter().map(|s| s.bytes.len()).collect()
}
