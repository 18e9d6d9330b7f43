//! The accuracy proof behind one door: keys, proofs, verification, cost.

use super::circuit::AccuracyCircuit;
use super::columns::adv;
use super::plan::{Plan, PlanError};
use super::witness::first_phase;
use crate::backend::srs::{Srs, SrsKind, SrsPoints};
use crate::backend::{Halo2Error, Halo2Key, Halo2Vk, ProofError, VkFile, halo2};
use crate::evm::{self, CompileError, EvmKey};
use crate::statements::accuracy::{AccuracyError, AccuracyInstance, AccuracyWitness, check};
use rand::RngCore;
use std::sync::Arc;
use zkaggle_graph::graph::Graph;
use zkaggle_graph::ids::{Role, VkId};
use zkaggle_graph::mlp::Mlp;

/// Public inputs of the statement.
pub const INSTANCES: usize = 6;

/// Why a key or a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Statement(#[from] AccuracyError),
    #[error(transparent)]
    Backend(#[from] Halo2Error),
}

/// What a proof costs, known before a key is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Rows in use.
    pub rows: usize,
    /// log₂ of the rows of the circuit.
    pub k: u32,
    /// Points in a proof.
    pub commitments: usize,
    /// Estimated peak memory of proving, in bytes, keys and SRS included.
    pub memory: u64,
}

/// What proving on `graph` costs.
///
/// # Errors
/// [`PlanError`] when the graph does not fit the largest circuit.
pub fn cost(graph: &Graph) -> Result<Cost, PlanError> {
    let plan = Plan::new(&Mlp::try_from(graph)?)?;
    // Advice, four running products of the copy argument, blinding, quotient, opening.
    let commitments = adv::COUNT_ALL + 4 + 1 + 4 + 2;
    Ok(Cost {
        rows: plan.rows(),
        k: plan.k(),
        commitments,
        memory: BYTES_PER_ROW << plan.k(),
    })
}

/// Peak memory of a proof by its rows, as measured at k = 15 (docs/circuits/accuracy.md).
const BYTES_PER_ROW: u64 = 11 << 10;

/// Smallest k that `graph` fits.
///
/// # Errors
/// [`PlanError`] when there is none.
pub fn k_for(graph: &Graph) -> Result<u32, PlanError> {
    Plan::new(&Mlp::try_from(graph)?).map(|p| p.k())
}

/// Proving key of one graph.
#[derive(Debug)]
pub struct ScoreKey {
    plan: Arc<Plan>,
    key: Halo2Key,
}

impl ScoreKey {
    /// Makes the key. Anyone who does so from the same graph and SRS gets the same key.
    ///
    /// # Errors
    /// [`ScoreError`] when the graph does not fit, or the SRS is too small for it.
    pub fn setup(srs: &Srs, graph: &Graph) -> Result<Self, ScoreError> {
        let plan = Arc::new(Plan::new(&Mlp::try_from(graph).map_err(PlanError::from)?)?);
        let key = halo2::keygen(srs, plan.k(), &AccuracyCircuit::shape(plan.clone()), INSTANCES)?;
        Ok(Self { plan, key })
    }

    pub fn graph(&self) -> &Graph {
        self.plan.graph()
    }

    /// Proves `w` under `x`. The native check runs first.
    ///
    /// # Errors
    /// [`ScoreError::Statement`] says what of the witness is wrong.
    pub fn prove(
        &self,
        srs: &Srs,
        x: &AccuracyInstance,
        w: &AccuracyWitness,
        rng: impl RngCore,
    ) -> Result<Vec<u8>, ScoreError> {
        check(self.graph(), x, w)?;
        let first = first_phase(&self.plan, w, &x.ctx).map_err(AccuracyError::Eval)?;
        let circuit = AccuracyCircuit::proof(self.plan.clone(), Arc::new(first));
        Ok(halo2::prove(srs, &self.key, &circuit, &x.public_inputs(), rng)?)
    }

    /// Verifies a proof.
    ///
    /// # Errors
    /// [`ProofError`] says which check failed.
    pub fn verify(&self, srs: &SrsPoints, x: &AccuracyInstance, proof: &[u8]) -> Result<(), ProofError> {
        verify(srs, self.vk(), x, proof)
    }

    /// The verifying key.
    pub fn vk(&self) -> &Halo2Vk {
        self.key.vk()
    }

    /// The verifying key as a file: with it and the SRS points, [`verify`] needs nothing else.
    ///
    /// # Errors
    /// [`CompileError`] when the key has no EVM form.
    pub fn file(&self) -> Result<VkFile, CompileError> {
        let srs_id = self.vk().srs_id();
        let development = srs_id == SrsPoints::development().id();
        Ok(VkFile {
            role: Role::Score,
            srs_kind: if development {
                SrsKind::Development
            } else {
                SrsKind::Ceremony
            },
            srs_id,
            shape: self.graph().text().into_bytes(),
            key: self.evm_key()?.into_bytes(),
            vk: self.vk().to_bytes(),
        })
    }

    /// The verifying key as the chain reads it.
    ///
    /// # Errors
    /// [`CompileError`] when the key has no EVM form.
    pub fn evm_key(&self) -> Result<EvmKey, CompileError> {
        evm::compile(self.vk())
    }

    /// The key's identity on chain, under the verifier contract with code hash `cs_id` and with
    /// `release` as the key that pays its claims.
    ///
    /// # Errors
    /// [`CompileError`] when the key has no EVM form.
    pub fn vk_id(&self, cs_id: [u8; 32], release: VkId) -> Result<VkId, CompileError> {
        let key = self.evm_key()?;
        Ok(VkId::new(
            Role::Score,
            cs_id,
            self.vk().srs_id(),
            key.bytes(),
            release.0,
        ))
    }
}

/// Verifies a proof with a verifying key alone.
///
/// # Errors
/// [`ProofError`] says which check failed.
pub fn verify(srs: &SrsPoints, vk: &Halo2Vk, x: &AccuracyInstance, proof: &[u8]) -> Result<(), ProofError> {
    halo2::verify(srs, vk, &x.public_inputs(), proof)
}

/// Reads the verifying key out of a key file. The constraint system is the same for every graph.
///
/// # Errors
/// A sentence on what is wrong with the file.
pub fn vk_from_file(file: &VkFile) -> Result<Halo2Vk, String> {
    if file.role != Role::Score {
        return Err("the key file is not for scores".into());
    }
    let vk = Halo2Vk::from_bytes::<AccuracyCircuit>(&file.vk, ())?;
    if vk.instances() != INSTANCES || vk.srs_id() != file.srs_id {
        return Err("the key file's parts do not belong together".into());
    }
    Ok(vk)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{graph, witness};
    use super::*;
    use crate::statements::accuracy::instance;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use zkaggle_graph::field::Fr;

    #[test]
    fn a_proof_verifies_under_its_own_statement_alone() {
        let g = graph(&[4, 6, 3], 5);
        let srs = Srs::development(k_for(&g).unwrap()).unwrap();
        let key = ScoreKey::setup(&srs, &g).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let w = witness(&g, 3, 20, 1);
        let x = instance(&g, &w, Fr::from(77u64)).unwrap();
        let proof = key.prove(&srs, &x, &w, &mut rng).unwrap();
        assert_eq!(key.verify(srs.points(), &x, &proof), Ok(()));
        assert_eq!(proof.len(), key.vk().proof_len());

        // Another hunter, bounty or chain is another ctx.
        for other in [
            AccuracyInstance {
                ctx: Fr::from(78u64),
                ..x.clone()
            },
            AccuracyInstance {
                model: x.shard,
                ..x.clone()
            },
            AccuracyInstance {
                shard: x.model,
                ..x.clone()
            },
            AccuracyInstance { n: 4, ..x.clone() },
            AccuracyInstance {
                score: x.score + 1,
                ..x.clone()
            },
            AccuracyInstance {
                results: x.model,
                ..x.clone()
            },
        ] {
            assert_eq!(key.verify(srs.points(), &other, &proof), Err(ProofError::Rejected));
        }
        let mut longer = proof.clone();
        longer.push(0);
        assert_eq!(key.verify(srs.points(), &x, &longer), Err(ProofError::Trailing(1)));
        for at in (0..proof.len()).step_by(proof.len() / 9) {
            let mut flipped = proof.clone();
            flipped[at] ^= 1;
            assert!(key.verify(srs.points(), &x, &flipped).is_err(), "byte {at}");
        }

        // Zero knowledge: the same statement twice gives unrelated proofs.
        let again = key.prove(&srs, &x, &w, &mut rng).unwrap();
        assert!(proof.chunks(32).zip(again.chunks(32)).all(|(a, b)| a != b));
    }

    #[test]
    fn a_wrong_witness_is_named_before_anything_is_proved() {
        let g = graph(&[4, 6, 3], 5);
        let srs = Srs::development(k_for(&g).unwrap()).unwrap();
        let key = ScoreKey::setup(&srs, &g).unwrap();
        let w = witness(&g, 3, 20, 1);
        let x = instance(&g, &w, Fr::from(77u64)).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let mut try_prove = |x: &AccuracyInstance, w: &AccuracyWitness| match key.prove(&srs, x, w, &mut rng) {
            Err(ScoreError::Statement(e)) => e,
            other => panic!("{other:?}"),
        };
        let wrong = AccuracyInstance {
            score: x.score + 1,
            ..x.clone()
        };
        assert!(matches!(try_prove(&wrong, &w), AccuracyError::Score { .. }));
        let wrong = AccuracyWitness {
            shard: vec![0; 7],
            ..w.clone()
        };
        assert!(matches!(try_prove(&x, &wrong), AccuracyError::Eval(_)));
        let wrong = witness(&g, 3, 20, 2);
        assert_eq!(
            try_prove(
                &x,
                &AccuracyWitness {
                    shard: w.shard.clone(),
                    ..wrong
                }
            ),
            AccuracyError::Model
        );
    }

    #[test]
    fn the_key_file_is_enough_to_verify() {
        let g = graph(&[5, 2], 2);
        let srs = Srs::development(k_for(&g).unwrap()).unwrap();
        let key = ScoreKey::setup(&srs, &g).unwrap();
        let w = witness(&g, 2, 20, 1);
        let x = instance(&g, &w, Fr::from(77u64)).unwrap();
        let proof = key.prove(&srs, &x, &w, ChaCha20Rng::seed_from_u64(5)).unwrap();

        let file = VkFile::from_bytes(&key.file().unwrap().to_bytes()).unwrap();
        let vk = vk_from_file(&file).unwrap();
        assert_eq!(verify(srs.points(), &vk, &x, &proof), Ok(()));
        // What the chain checks: the same key as data, and the same proof.
        let evm = key.evm_key().unwrap();
        assert_eq!(file.key, evm.bytes());
        assert_eq!(
            evm::machine::verify(srs.points(), evm.bytes(), &x.public_inputs(), &proof),
            Ok(())
        );
        let other = AccuracyInstance {
            score: x.score + 1,
            ..x
        };
        assert!(evm::machine::verify(srs.points(), evm.bytes(), &other.public_inputs(), &proof).is_err());

        let release = VkId([7; 32]);
        let id = key.vk_id([1; 32], release).unwrap();
        assert_ne!(id, key.vk_id([2; 32], release).unwrap());
        assert_ne!(id, key.vk_id([1; 32], VkId([8; 32])).unwrap());

        let mut wrong = file.clone();
        wrong.role = Role::Release;
        assert!(vk_from_file(&wrong).is_err());
        let mut wrong = file.clone();
        wrong.srs_id[0] ^= 1;
        assert!(vk_from_file(&wrong).is_err());

        // SRS identity 32, instances 4, version 1, k 4, compression 1, columns 4, then points.
        let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut vk = file.vk.clone();
            edit(&mut vk);
            vk_from_file(&VkFile { vk, ..file.clone() }).unwrap_err()
        };
        let columns = u32::from_le_bytes(file.vk[42..46].try_into().unwrap());
        let fewer = edited(&|vk| {
            vk[42..46].copy_from_slice(&(columns - 1).to_le_bytes());
            vk.drain(46..78);
        });
        assert!(fewer.contains("fixed columns"), "{fewer}");
        let more = edited(&|vk| {
            vk[42..46].copy_from_slice(&(columns + 1).to_le_bytes());
            let point = vk[46..78].to_vec();
            vk.splice(46..46, point);
        });
        assert!(more.contains("fixed columns"), "{more}");
        for k in [27, 28, 29, u32::MAX] {
            let large = edited(&|vk| vk[37..41].copy_from_slice(&k.to_le_bytes()));
            assert!(large.contains("above 26"), "{large}");
        }
        let inputs = edited(&|vk| vk[32..36].fill(0xff));
        assert!(inputs.contains("public inputs"), "{inputs}");
        assert!(edited(&|vk| vk[41] = 1).contains("canonical"));
        assert!(edited(&|vk| vk.truncate(45)).len() > 3);
    }

    #[test]
    fn a_small_srs_is_refused_with_the_size_it_needs() {
        let g = graph(&[4, 6, 3], 5);
        let srs = Srs::development(4).unwrap();
        let e = ScoreKey::setup(&srs, &g).unwrap_err();
        assert!(e.to_string().contains(&format!("k = {}", k_for(&g).unwrap())), "{e}");
    }
}
