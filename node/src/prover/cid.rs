//! The CID argument for a node: one key for every dataset, and proofs of runs of shards.
//!
//! The key needs no set-up: it follows from the published constants and the SRS, so a verifier derives
//! it and compares. A dataset that is too large for one proof, or for the memory at hand, becomes several.

use super::{Keyed, Prover, Turn, identity};
use crate::chain::keys::KeyData;
use crate::failure::Failure;
use anyhow::{Context, Result};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use zkaggle_circuits::backend::convert::{from_halo, to_halo};
use zkaggle_circuits::backend::srs::SrsPoints;
use zkaggle_circuits::statements::cid::CidInstance;
use zkaggle_config::units::ByteSize;
use zkaggle_graph::ids::{Role, VkId};
use zkaggle_sumcheck::commit::{CommitKey, VerifyKey};
use zkaggle_sumcheck::layout::{MAX_SLOT_VARIABLES, MIN_SLOT_VARIABLES};
use zkaggle_sumcheck::prover::{self, Phase};
use zkaggle_sumcheck::statement::{Plan, Shard, slots};
use zkaggle_sumcheck::{solidity, verifier};

/// Most memory that the whole process took while it proved 2^3, 2^4 … 2^14 slots, in MiB.
///
/// Measured, and a third added, for memory that earlier proofs of the process left scattered: `dataset prove` of
/// random records that fill so many slots, a process for each size; docs/benchmarks.md, Memory of a CID proof.
const PEAK_MIB: [u64; MAX_SLOT_VARIABLES - MIN_SLOT_VARIABLES + 1] =
    [57, 62, 66, 68, 77, 110, 132, 180, 400, 580, 900, 1300];

/// Memory that a process needs to prove so many slots.
pub fn memory(slots: usize) -> ByteSize {
    let variables = slots.next_power_of_two().trailing_zeros() as usize;
    let place = variables.saturating_sub(MIN_SLOT_VARIABLES).min(PEAK_MIB.len() - 1);
    ByteSize(PEAK_MIB[place] << 20)
}

/// The dataset key under an SRS, with its identity.
pub fn key(points: &SrsPoints) -> Result<Keyed<VerifyKey>> {
    let bytes = solidity::key();
    let vk_id = VkId::new(
        Role::Dataset,
        identity::code_hash(Role::Dataset, points)?,
        points.id(),
        &bytes,
        [0; 32],
    );
    let data = KeyData {
        role: Role::Dataset,
        bytes,
        link: [0; 32],
        vk_id,
        architecture: [0; 32],
        info: "CID proofs of lists of shards".into(),
    };
    Ok(Keyed {
        key: VerifyKey::new(*points.s_g2()),
        vk_id,
        data,
        development: points.is_development(),
    })
}

/// Cuts shards into runs, one proof each, that stay below the limits of the argument and of memory.
///
/// # Errors
/// When one shard alone needs more memory.
pub fn runs(lengths: &[usize], max_memory: Option<ByteSize>) -> Result<Vec<Range<usize>>> {
    // The table of a proof has a power of two of slots.
    let sizes = (MIN_SLOT_VARIABLES..=MAX_SLOT_VARIABLES).map(|v| 1 << v);
    let fits = |slots: &usize| max_memory.is_none_or(|limit| memory(*slots) <= limit);
    let most = sizes.filter(fits).max().unwrap_or(0);
    let mut runs: Vec<Range<usize>> = vec![];
    let mut used = 0;
    for (i, length) in lengths.iter().enumerate() {
        let needed = slots(*length);
        if needed > most {
            return Err(Failure::refused(format!(
                "shard {i} has {length} bytes: its proof needs {}, --max-memory (prover.max_memory) allows less",
                memory(needed)
            )));
        }
        match runs.last_mut() {
            Some(run) if used + needed <= most => run.end = i + 1,
            _ => {
                used = 0;
                runs.push(i..i + 1);
            }
        }
        used += needed;
    }
    Ok(runs)
}

/// Checks the proof of a list of shards.
///
/// # Errors
/// A proof that does not hold, or a list that is no statement.
pub fn verify<'a>(key: &VerifyKey, shards: impl IntoIterator<Item = &'a CidInstance>, proof: &[u8]) -> Result<()> {
    let statement: Vec<Shard> = shards
        .into_iter()
        .map(|x| Shard {
            digest: x.digest,
            length: x.length,
            commitment: to_halo(&x.shard),
        })
        .collect();
    verifier::verify(key, &statement, proof).map_err(|e| Failure::refused(e.to_string()))
}

impl Prover {
    /// Makes or reads the SRS that a proof of these shards needs.
    pub async fn warm_cid(self: &Arc<Self>, shards: &[Vec<u8>]) -> Result<()> {
        let plan = Plan::new(shards.iter().map(Vec::len))?;
        let n = plan.polynomial_variables();
        self.alone(self.turn().await?, move |p| p.srs(n as u32).map(drop)).await
    }

    /// Proves the CIDs of shards; `watch` hears of every phase before it starts.
    pub async fn prove_cid(
        self: &Arc<Self>,
        turn: Turn,
        shards: Vec<Vec<u8>>,
        mut watch: impl FnMut(Phase) + Send + 'static,
    ) -> Result<(Vec<CidInstance>, Vec<u8>)> {
        self.alone(turn, move |p| {
            let plan = Plan::new(shards.iter().map(Vec::len))?;
            let n = plan.polynomial_variables();
            let srs = p.srs(n as u32)?;
            let powers = srs.powers().get(..1 << n).context("the SRS is smaller than it says")?;
            let key = CommitKey::new(powers.into());
            let shards: Vec<&[u8]> = shards.iter().map(Vec::as_slice).collect();
            let proved = prover::prove(&key, &srs.id(), &shards, |phase| {
                watch(phase);
                ControlFlow::Continue(())
            })?;
            verifier::verify(&VerifyKey::new(*srs.points().s_g2()), &proved.statement, &proved.proof)
                .context("our own CID proof does not verify")?;
            let instances = proved
                .statement
                .iter()
                .map(|s| CidInstance {
                    digest: s.digest,
                    length: s.length,
                    shard: from_halo(&s.commitment),
                })
                .collect();
            Ok((instances, proved.proof))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_slots_take_more_memory() {
        assert!(PEAK_MIB.is_sorted_by(|less, more| less < more));
        assert_eq!(memory(1), memory(8));
        assert_eq!(memory(9), memory(16));
        assert_eq!(memory(16_384).0 >> 20, PEAK_MIB[11]);
    }

    #[test]
    fn runs_fit_the_argument_and_the_memory() {
        let all = [122_880; 9];
        assert_eq!(runs(&all, None).unwrap(), [0..8, 8..9]);
        // Room for 4,096 slots: two shards of 1,922.
        let some = ByteSize(memory(8192).0 - 1);
        assert_eq!(runs(&all[..3], Some(some)).unwrap(), [0..2, 2..3]);
        assert_eq!(runs(&all, Some(memory(1 << 14))).unwrap(), runs(&all, None).unwrap());
        let least = memory(8);
        assert_eq!(runs(&[3, 64, 64, 0], Some(least)).unwrap(), [0..3, 3..4]);
        for (lengths, limit) in [(&all[..], memory(1024)), (&[0], ByteSize(least.0 - 1))] {
            let refusal = runs(lengths, Some(limit)).unwrap_err().to_string();
            assert!(
                refusal.contains("shard 0") && refusal.contains("--max-memory"),
                "{refusal}"
            );
        }
        assert!(runs(&[], None).unwrap().is_empty());
    }
}
