//! The CID proof behind one door: classes, keys, proofs, verification.

use super::circuit::CidCircuit;
use super::layout::{INSTANCES, Shape, blocks};
use super::trace::Trace;
use crate::backend::srs::{Srs, SrsKind, SrsPoints};
use crate::backend::{Halo2Error, Halo2Key, Halo2Vk, ProofError, VkFile, halo2};
use crate::evm::{self, CompileError, EvmKey};
use crate::statements::cid::{CidError, CidInstance, CidWitness, check};
use rand::RngCore;
use zkaggle_graph::graph::MAX_SHARD_BYTES;
use zkaggle_graph::ids::{Role, VkId};

/// Classes in use, smallest first. The largest shard fits the last one.
pub const CLASSES: std::ops::RangeInclusive<u32> = 14..=17;

/// Why a key or a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DatasetKeyError {
    #[error("2^{k} rows hold no block; the classes are k = 14 to 17")]
    Class { k: u32 },
    #[error("{len} bytes are {needed} blocks, class k = {k} has room for {room}: use the key of a larger class")]
    Room {
        len: usize,
        needed: usize,
        k: u32,
        room: usize,
    },
    #[error(transparent)]
    Statement(#[from] CidError),
    #[error(transparent)]
    Backend(#[from] Halo2Error),
}

/// The smallest class that holds a shard of `len` bytes.
///
/// # Errors
/// [`CidError::Size`] when no shard has that length.
pub fn class_for(len: usize) -> Result<u32, CidError> {
    let fits = |k: &u32| Shape::new(*k).is_some_and(|s| blocks(len) <= s.capacity());
    if len == 0 || len > MAX_SHARD_BYTES {
        return Err(CidError::Size { got: len });
    }
    CLASSES.into_iter().find(fits).ok_or(CidError::Size { got: len })
}

/// Proving key of one class.
#[derive(Debug)]
pub struct DatasetKey {
    shape: Shape,
    key: Halo2Key,
}

impl DatasetKey {
    /// Makes the key of class `k`. Anyone who does so under the same SRS gets the same key.
    ///
    /// # Errors
    /// [`DatasetKeyError`] when `k` has no room for a block or the SRS is too small.
    pub fn setup(srs: &Srs, k: u32) -> Result<Self, DatasetKeyError> {
        let shape = Shape::new(k).ok_or(DatasetKeyError::Class { k })?;
        let key = halo2::keygen(srs, k, &CidCircuit::without_witness(shape), INSTANCES)?;
        Ok(Self { shape, key })
    }

    /// Makes the key of the smallest class that holds `len` bytes.
    ///
    /// # Errors
    /// As [`DatasetKey::setup`], and for a length no shard has.
    pub fn for_length(srs: &Srs, len: usize) -> Result<Self, DatasetKeyError> {
        Self::setup(srs, class_for(len)?)
    }

    pub fn k(&self) -> u32 {
        self.shape.k()
    }

    /// Proves `w` under `x`. The native check runs first.
    ///
    /// # Errors
    /// [`DatasetKeyError::Statement`] says what of the witness is wrong,
    /// [`DatasetKeyError::Room`] that it belongs to a larger class.
    pub fn prove(
        &self,
        srs: &Srs,
        x: &CidInstance,
        w: &CidWitness,
        rng: impl RngCore,
    ) -> Result<Vec<u8>, DatasetKeyError> {
        check(x, w)?;
        let len = w.bytes.len();
        let trace = Trace::new(&self.shape, &w.bytes).ok_or(DatasetKeyError::Room {
            len,
            needed: blocks(len),
            k: self.k(),
            room: self.shape.capacity(),
        })?;
        let circuit = CidCircuit::new(self.shape, trace);
        Ok(halo2::prove(srs, &self.key, &circuit, &x.public_inputs(), rng)?)
    }

    /// Verifies a proof.
    ///
    /// # Errors
    /// [`ProofError`] says which check failed.
    pub fn verify(&self, srs: &SrsPoints, x: &CidInstance, proof: &[u8]) -> Result<(), ProofError> {
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
            role: Role::Dataset,
            srs_kind: if development {
                SrsKind::Development
            } else {
                SrsKind::Ceremony
            },
            srs_id,
            shape: vec![],
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

    /// The key's identity on chain, under the verifier contract with code hash `cs_id`.
    ///
    /// # Errors
    /// [`CompileError`] when the key has no EVM form.
    pub fn vk_id(&self, cs_id: [u8; 32]) -> Result<VkId, CompileError> {
        let key = self.evm_key()?;
        Ok(VkId::new(
            Role::Dataset,
            cs_id,
            self.vk().srs_id(),
            key.bytes(),
            [0; 32],
        ))
    }
}

/// Verifies a proof with a verifying key alone.
///
/// # Errors
/// [`ProofError`] says which check failed.
pub fn verify(srs: &SrsPoints, vk: &Halo2Vk, x: &CidInstance, proof: &[u8]) -> Result<(), ProofError> {
    halo2::verify(srs, vk, &x.public_inputs(), proof)
}

/// Reads the verifying key out of a key file. The constraint system is the same for every class.
///
/// # Errors
/// A sentence on what is wrong with the file.
pub fn vk_from_file(file: &VkFile) -> Result<Halo2Vk, String> {
    if file.role != Role::Dataset {
        return Err("the key file is not for datasets".into());
    }
    let vk = Halo2Vk::from_bytes::<CidCircuit>(&file.vk, ())?;
    if vk.instances() != INSTANCES || vk.srs_id() != file.srs_id {
        return Err("the key file's parts do not belong together".into());
    }
    Ok(vk)
}

#[cfg(test)]
mod tests {
    use super::super::gates::Config;
    use super::super::layout::TAIL;
    use super::*;
    use crate::statements::cid::instance;
    use halo2_proofs::plonk::ConstraintSystem;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use zkaggle_graph::field::Fr;

    #[test]
    fn the_smallest_class_is_chosen() {
        for (len, k) in [
            (1, 14),
            (239 * 64 - 9, 14),
            (239 * 64 - 8, 15),
            (23_400, 15),
            (60_000, 16),
            (MAX_SHARD_BYTES, 17),
        ] {
            assert_eq!(class_for(len), Ok(k), "{len}");
        }
        for got in [0, MAX_SHARD_BYTES + 1] {
            assert_eq!(class_for(got), Err(CidError::Size { got }));
        }
    }

    #[test]
    fn a_proof_verifies_under_its_own_statement_alone() {
        let srs = Srs::development(9).unwrap();
        let key = DatasetKey::setup(&srs, 9).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let bytes: Vec<u8> = (0..130).collect();
        let w = CidWitness { bytes };
        let x = instance(&w.bytes).unwrap();
        let proof = key.prove(&srs, &x, &w, &mut rng).unwrap();
        assert_eq!(proof.len(), key.vk().proof_len());
        assert_eq!(key.verify(srs.points(), &x, &proof), Ok(()));

        let mut other = [x.clone(), x.clone(), x.clone(), x.clone()];
        other[0].digest[0] ^= 1;
        other[1].digest[31] ^= 1;
        other[2].length += 1;
        other[3].shard += Fr::from(1u64);
        for x in &other {
            assert_eq!(key.verify(srs.points(), x, &proof), Err(ProofError::Rejected));
            assert!(matches!(
                key.prove(&srs, x, &w, &mut rng),
                Err(DatasetKeyError::Statement(_))
            ));
        }
        for at in [0, proof.len() / 2, proof.len() - 1] {
            let mut bad = proof.clone();
            bad[at] ^= 1;
            assert!(key.verify(srs.points(), &x, &bad).is_err(), "byte {at}");
        }
        let mut long = proof.clone();
        long.push(0);
        assert_eq!(key.verify(srs.points(), &x, &long), Err(ProofError::Trailing(1)));
        assert!(key.verify(srs.points(), &x, &proof[..proof.len() - 1]).is_err());
    }

    #[test]
    fn a_key_from_its_file_and_the_key_as_data_verify_the_same_proof() {
        let srs = Srs::development(8).unwrap();
        let key = DatasetKey::setup(&srs, 8).unwrap();
        let w = CidWitness { bytes: vec![0x5a; 64] };
        let x = instance(&w.bytes).unwrap();
        let proof = key.prove(&srs, &x, &w, ChaCha20Rng::seed_from_u64(4)).unwrap();

        let file = VkFile::from_bytes(&key.file().unwrap().to_bytes()).unwrap();
        let vk = vk_from_file(&file).unwrap();
        assert_eq!(verify(srs.points(), &vk, &x, &proof), Ok(()));
        let evm = key.evm_key().unwrap();
        assert_eq!(file.key, evm.bytes());
        for (x, good) in [(x.clone(), true), (CidInstance { length: 63, ..x }, false)] {
            assert_eq!(verify(srs.points(), &vk, &x, &proof).is_ok(), good);
            let on_chain = evm::machine::verify(srs.points(), evm.bytes(), &x.public_inputs(), &proof);
            assert_eq!(on_chain.is_ok(), good);
        }
        assert_ne!(key.vk_id([1; 32]).unwrap(), key.vk_id([2; 32]).unwrap());

        let mut wrong = file.clone();
        wrong.role = Role::Score;
        assert!(vk_from_file(&wrong).is_err());
        let mut wrong = file.clone();
        wrong.srs_id[0] ^= 1;
        assert!(vk_from_file(&wrong).is_err());
        let mut wrong = file;
        wrong.vk.truncate(40);
        assert!(vk_from_file(&wrong).is_err());
    }

    /// A change here changes every dataset vkId, and its gas.
    #[test]
    fn the_constraint_system_does_not_change_unnoticed() {
        let mut cs = ConstraintSystem::default();
        Config::configure(&mut cs);
        let constraints: usize = cs.gates().iter().map(|g| g.polynomials().len()).sum();
        assert_eq!(
            (
                cs.num_advice_columns(),
                cs.num_fixed_columns(),
                cs.degree(),
                constraints
            ),
            (112, 9, 5, 164)
        );
        assert_eq!((cs.advice_queries().len(), cs.fixed_queries().len()), (282, 9));
        assert!(cs.permutation().get_columns().is_empty());
        // The tail must end before the rows that halo2 blinds.
        assert!(cs.blinding_factors() + 1 < TAIL - 4);
    }

    #[test]
    fn a_witness_of_a_larger_class_or_of_no_class_is_named() {
        let srs = Srs::development(8).unwrap();
        let key = DatasetKey::setup(&srs, 8).unwrap();
        let w = CidWitness { bytes: vec![3; 120] };
        let x = instance(&w.bytes).unwrap();
        let e = key.prove(&srs, &x, &w, ChaCha20Rng::seed_from_u64(1)).unwrap_err();
        assert_eq!(
            e.to_string(),
            "120 bytes are 3 blocks, class k = 8 has room for 2: use the key of a larger class"
        );
        assert!(matches!(
            DatasetKey::setup(&srs, 7),
            Err(DatasetKeyError::Class { k: 7 })
        ));
        assert!(matches!(
            DatasetKey::for_length(&srs, 0),
            Err(DatasetKeyError::Statement(CidError::Size { got: 0 }))
        ));
        assert!(matches!(DatasetKey::setup(&srs, 9), Err(DatasetKeyError::Backend(_))));
    }
}
