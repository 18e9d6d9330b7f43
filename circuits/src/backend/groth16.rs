//! Groth16 over BN254 for the release statement: keys, proofs and their bytes.
//!
//! ```text
//! groth16        ReleaseKey (proves), ReleaseVerifyingKey (verifies), development set-up
//!   |-- points   curve points as the EVM reads them, checked
//!   '-- file     key files: header, checksum, atomic write
//! ```
//!
//! One key serves every bounty of a capacity class. The only set-up here is the **development** one:
//! its secrets follow from a public seed, so anyone could forge proofs. Such keys carry the mark of
//! [`Origin::Development`] in their file and in the bytes on chain, which their vkId hashes;
//! callers refuse them on any chain that is not for development ([`ReleaseKey::is_development`]).
//!
//! Groth16 proofs can be re-randomised by anyone: two different byte strings may prove one
//! statement, so a proof's bytes must never serve as a replay key.

pub mod file;
pub mod points;

use crate::release::circuit::{assign, shape};
use crate::release::r1cs::System;
use crate::statements::release::{INPUTS, ReleaseError, ReleaseInstance, ReleaseWitness, check};
use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{Field, UniformRand, Zero};
use ark_groth16::{Groth16, PreparedVerifyingKey, Proof, ProvingKey, VerifyingKey, prepare_verifying_key};
use file::KeyFileError;
use points::{PointError, Reader, Subgroup, put_g1, put_g2};
use rand::{CryptoRng, RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use zeroize::Zeroize;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::CapacityClass;
use zkaggle_graph::ids::{Role, VkId};

/// Bytes of a proof: A (64), B (128), C (64), uncompressed, big-endian, B in EIP-197's order.
pub const PROOF_BYTES: usize = 256;
/// Bytes of [`ReleaseVerifyingKey::evm_key`]: mark, α, β, γ, δ and one point per input and for one.
pub const EVM_KEY_BYTES: usize = 32 + 64 + 3 * 128 + 64 * (INPUTS + 1);

/// Where a key's secrets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A public seed: anyone can forge proofs.
    Development,
}

impl Origin {
    /// The 32 bytes that stand for the origin in files and at the start of the on-chain key: ASCII,
    /// padded with zeros.
    pub const fn mark(self) -> [u8; 32] {
        match self {
            Self::Development => *b"zkaggle-dev\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        }
    }

    /// Inverse of [`Origin::mark`]; this build knows development keys only.
    pub fn from_mark(mark: &[u8]) -> Option<Self> {
        (mark == Self::Development.mark()).then_some(Self::Development)
    }
}

/// Why a proof is not made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error("the statement does not hold: {0}")]
    Statement(#[from] ReleaseError),
    #[error("row `{0}` does not hold although the native check passed; this is a defect, please report it")]
    Row(String),
    #[error("proving failed: {0}")]
    Synthesis(#[from] ark_relations::gr1cs::SynthesisError),
    #[error("the fresh proof does not verify under its own key; set the key up again")]
    Key,
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("a release proof has {PROOF_BYTES} bytes, this has {got}")]
    Length { got: usize },
    #[error("proof point {0}")]
    Point(#[from] PointError),
    #[error("the pairing equation does not hold: wrong statement, wrong key or altered proof")]
    Rejected,
}

/// Why key material is no usable verifying key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyingKeyError {
    #[error("{EVM_KEY_BYTES} bytes expected, got {got}")]
    Length { got: usize },
    #[error("point {0}")]
    Point(#[from] PointError),
    #[error("unknown origin mark 0x{0}; this build reads development keys only")]
    Origin(String),
    #[error("gamma and delta must differ from each other and from the generator, up to sign, or proofs can be forged")]
    Degenerate,
}

/// Verifies release proofs of one capacity class.
#[derive(Clone)]
pub struct ReleaseVerifyingKey {
    class: CapacityClass,
    origin: Origin,
    prepared: PreparedVerifyingKey<Bn254>,
}

impl std::fmt::Debug for ReleaseVerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReleaseVerifyingKey")
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl ReleaseVerifyingKey {
    fn new(class: CapacityClass, origin: Origin, vk: &VerifyingKey<Bn254>) -> Result<Self, VerifyingKeyError> {
        // Up to sign, as the contract: with gamma = ±delta, or a generator left in their place, C absorbs
        // any change of the inputs. Equal x-coordinates mean equal up to sign.
        let (c, d, g) = (vk.gamma_g2.x, vk.delta_g2.x, G2Affine::generator().x);
        if c == d || c == g || d == g || vk.gamma_abc_g1.len() != INPUTS + 1 {
            return Err(VerifyingKeyError::Degenerate);
        }
        Ok(Self {
            class,
            origin,
            prepared: prepare_verifying_key(vk),
        })
    }

    /// Reads [`Self::evm_key`] back.
    ///
    /// # Errors
    /// For a wrong length, an unknown mark, a point that is not a canonical element of its group or
    /// is the identity, and γ = δ or either equal to the generator.
    pub fn from_evm_key(class: CapacityClass, bytes: &[u8]) -> Result<Self, VerifyingKeyError> {
        if bytes.len() != EVM_KEY_BYTES {
            return Err(VerifyingKeyError::Length { got: bytes.len() });
        }
        let (mark, rest) = bytes.split_at(32);
        let origin = Origin::from_mark(mark).ok_or_else(|| VerifyingKeyError::Origin(hex::encode(mark)))?;
        let mut r = Reader::new(rest);
        let vk = VerifyingKey {
            alpha_g1: r.g1_nonzero("alpha")?,
            beta_g2: r.g2_nonzero("beta")?,
            gamma_g2: r.g2_nonzero("gamma")?,
            delta_g2: r.g2_nonzero("delta")?,
            gamma_abc_g1: (0..=INPUTS).map(|_| r.g1_nonzero("IC")).collect::<Result<_, _>>()?,
        };
        Self::new(class, origin, &vk)
    }

    pub fn class(&self) -> CapacityClass {
        self.class
    }

    /// Whether the set-up's secrets are public, so that anyone can forge proofs.
    pub fn is_development(&self) -> bool {
        self.origin == Origin::Development
    }

    /// The bytes of the on-chain data contract, after its leading STOP byte.
    pub fn evm_key(&self) -> Vec<u8> {
        let vk = &self.prepared.vk;
        let mut out = Vec::with_capacity(EVM_KEY_BYTES);
        out.extend_from_slice(&self.origin.mark());
        put_g1(&mut out, &vk.alpha_g1);
        for p in [&vk.beta_g2, &vk.gamma_g2, &vk.delta_g2] {
            put_g2(&mut out, p);
        }
        for p in &vk.gamma_abc_g1 {
            put_g1(&mut out, p);
        }
        out
    }

    /// Identity of the key under the verifier contract whose code hash is `cs`: the link is the
    /// number of ciphertext words; the SRS identity is zero, for the key holds its whole set-up.
    pub fn vk_id(&self, cs: [u8; 32]) -> VkId {
        let mut link = [0u8; 32];
        link[24..].copy_from_slice(&(self.class.message_words() as u64).to_be_bytes());
        VkId::new(Role::Release, cs, [0; 32], &self.evm_key(), link)
    }

    /// Accepts a proof of `x`.
    ///
    /// Says nothing of the ciphertext: the caller computes z and y from it
    /// ([`crate::statements::release::check_ciphertext`]).
    ///
    /// # Errors
    /// [`VerifyError`] names what is wrong with the bytes, or that the equation fails.
    pub fn verify(&self, x: &ReleaseInstance, proof: &[u8]) -> Result<(), VerifyError> {
        let proof = decode_proof(proof)?;
        match Groth16::<Bn254>::verify_proof(&self.prepared, &proof, &x.public_inputs()) {
            Ok(true) => Ok(()),
            _ => Err(VerifyError::Rejected),
        }
    }

    /// Writes the key file `path` (whole or not at all).
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        file::write(
            path,
            file::Kind::Verifying,
            self.class,
            self.origin,
            &shape(self.class).digest(),
            &self.evm_key(),
        )
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError`] names the file, what is wrong and the cure.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let f = file::read(path, file::Kind::Verifying)?;
        f.expect_circuit(path, &shape(f.class).digest())?;
        Self::from_evm_key(f.class, &f.body).map_err(|e| KeyFileError::content(path, e))
    }
}

/// Proves and verifies the release statement of one capacity class.
pub struct ReleaseKey {
    verifying: ReleaseVerifyingKey,
    key: ProvingKey<Bn254>,
}

impl std::fmt::Debug for ReleaseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReleaseKey")
            .field("class", &self.verifying.class)
            .finish_non_exhaustive()
    }
}

/// A scalar other than 0 and 1.
fn secret(rng: &mut ChaCha20Rng) -> Fr {
    loop {
        let x = Fr::rand(rng);
        if !x.is_zero() && x != Fr::ONE {
            return x;
        }
    }
}

impl ReleaseKey {
    /// The development key of a class: the same on every machine, and safe nowhere.
    ///
    /// The seed is public and covers the constraints, so a changed circuit has a changed key.
    ///
    /// # Errors
    /// [`ProveError::Synthesis`] when a class exceeds the field's evaluation domains.
    pub fn setup_development(class: CapacityClass) -> Result<Self, ProveError> {
        let system = shape(class);
        let mut seed = Sha256::new();
        seed.update(Origin::Development.mark());
        seed.update(b"groth16 release 1");
        seed.update(system.digest());
        let mut rng = ChaCha20Rng::from_seed(seed.finalize().into());
        let (alpha, beta, gamma) = (secret(&mut rng), secret(&mut rng), secret(&mut rng));
        let delta = loop {
            let d = secret(&mut rng);
            if d != gamma {
                break d;
            }
        };
        let key = Groth16::<Bn254>::generate_parameters_with_qap(
            &system,
            alpha,
            beta,
            gamma,
            delta,
            G1Affine::generator().into_group(),
            G2Affine::generator().into_group(),
            &mut rng,
        )?;
        let verifying = ReleaseVerifyingKey::new(class, Origin::Development, &key.vk).map_err(|_| ProveError::Key)?;
        Ok(Self { verifying, key })
    }

    pub fn class(&self) -> CapacityClass {
        self.verifying.class
    }

    pub fn verifying_key(&self) -> &ReleaseVerifyingKey {
        &self.verifying
    }

    /// See [`ReleaseVerifyingKey::is_development`].
    pub fn is_development(&self) -> bool {
        self.verifying.is_development()
    }

    /// See [`ReleaseVerifyingKey::evm_key`].
    pub fn evm_key(&self) -> Vec<u8> {
        self.verifying.evm_key()
    }

    /// See [`ReleaseVerifyingKey::vk_id`].
    pub fn vk_id(&self, cs: [u8; 32]) -> VkId {
        self.verifying.vk_id(cs)
    }

    /// See [`ReleaseVerifyingKey::verify`].
    pub fn verify(&self, x: &ReleaseInstance, proof: &[u8]) -> Result<(), VerifyError> {
        self.verifying.verify(x, proof)
    }

    /// Proves `x`, after the native check, in zero knowledge: two proofs of one statement differ.
    ///
    /// The prover's library copies the witness while it works and does not zero those copies.
    ///
    /// # Errors
    /// [`ProveError::Statement`] when the witness does not satisfy the instance.
    pub fn prove(
        &self,
        x: &ReleaseInstance,
        w: &ReleaseWitness,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<u8>, ProveError> {
        check(self.class(), x, w)?;
        let assigned = assign(self.class(), x, w);
        if let Some(row) = assigned.first_unsatisfied() {
            return Err(ProveError::Row(row.to_string()));
        }
        let (mut r, mut s) = (Fr::rand(rng), Fr::rand(rng));
        let proof = Groth16::<Bn254>::create_proof_with_reduction_and_matrices(
            &self.key,
            r,
            s,
            &assigned.system.matrices(),
            INPUTS + 1,
            assigned.system.rows().len(),
            assigned.values(),
        );
        r.zeroize();
        s.zeroize();
        let bytes = encode_proof(&proof?);
        self.verify(x, &bytes).map_err(|_| ProveError::Key)?;
        Ok(bytes)
    }

    /// Writes the key file `path` (whole or not at all).
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        file::write(
            path,
            file::Kind::Proving,
            self.class(),
            self.verifying.origin,
            &shape(self.class()).digest(),
            &self.body(),
        )
    }

    /// Reads a key file; every point is checked to be a canonical element of its group.
    ///
    /// # Errors
    /// [`KeyFileError`] names the file, what is wrong and the cure.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        Self::read_with(path, Subgroup::Check)
    }

    fn read_with(path: &Path, subgroup: Subgroup) -> Result<Self, KeyFileError> {
        let f = file::read(path, file::Kind::Proving)?;
        let system = shape(f.class);
        f.expect_circuit(path, &system.digest())?;
        let (head, rest) = f
            .body
            .split_at_checked(EVM_KEY_BYTES)
            .ok_or_else(|| KeyFileError::content(path, "no room for the verifying key"))?;
        let verifying = ReleaseVerifyingKey::from_evm_key(f.class, head).map_err(|e| KeyFileError::content(path, e))?;
        let key = read_queries(verifying.prepared.vk.clone(), &system, rest, subgroup)
            .map_err(|e| KeyFileError::content(path, e))?;
        Ok(Self { verifying, key })
    }

    /// Path of a class's proving key in a keys folder.
    pub fn path(dir: &Path, class: CapacityClass) -> PathBuf {
        dir.join(format!("release-{}.key", class.bytes()))
    }

    /// Reads the key of `class` in `dir`, or makes the development key and writes it there.
    ///
    /// A file found there skips the subgroup checks of the B query, which take longer than making
    /// the key. They protect nothing here: the verifying key in it is checked in full, a fresh proof
    /// is verified under that key before it leaves, and a file that someone else could have chosen
    /// belongs through [`ReleaseKey::read`].
    ///
    /// # Errors
    /// A file that exists but cannot be used is an error, never overwritten.
    pub fn load_or_setup(dir: &Path, class: CapacityClass) -> Result<Self, KeyFileError> {
        let path = Self::path(dir, class);
        if path.exists() {
            return Self::read_with(&path, Subgroup::Trust);
        }
        let key = Self::setup_development(class).map_err(|e| KeyFileError::content(&path, e))?;
        key.write(&path)?;
        key.verifying.write(&path.with_extension("vk"))?;
        Ok(key)
    }

    fn body(&self) -> Vec<u8> {
        let k = &self.key;
        let mut out = self.evm_key();
        put_g1(&mut out, &k.beta_g1);
        put_g1(&mut out, &k.delta_g1);
        for query in [&k.a_query, &k.b_g1_query, &k.h_query, &k.l_query] {
            query.iter().for_each(|p| put_g1(&mut out, p));
        }
        k.b_g2_query.iter().for_each(|p| put_g2(&mut out, p));
        out
    }
}

/// Reads what follows the verifying key. The circuit settles how many points each query has.
fn read_queries(
    vk: VerifyingKey<Bn254>,
    system: &System,
    bytes: &[u8],
    subgroup: Subgroup,
) -> Result<ProvingKey<Bn254>, PointError> {
    let all = system.variables();
    let private = all - 1 - system.inputs();
    let domain = (system.rows().len() + 1 + system.inputs()).next_power_of_two();
    let mut r = Reader::new(bytes);
    let key = ProvingKey {
        vk,
        beta_g1: r.g1_nonzero("beta in G1")?,
        delta_g1: r.g1_nonzero("delta in G1")?,
        a_query: r.g1_many("A", all)?,
        b_g1_query: r.g1_many("B in G1", all)?,
        h_query: r.g1_many("H", domain - 1)?,
        l_query: r.g1_many("L", private)?,
        b_g2_query: r.g2_many("B in G2", all, subgroup)?,
    };
    r.finish()?;
    Ok(key)
}

fn encode_proof(p: &Proof<Bn254>) -> Vec<u8> {
    let mut out = Vec::with_capacity(PROOF_BYTES);
    put_g1(&mut out, &p.a);
    put_g2(&mut out, &p.b);
    put_g1(&mut out, &p.c);
    out
}

/// Reads a proof.
///
/// # Errors
/// For any other length than [`PROOF_BYTES`], coordinates at or above the field's modulus, points
/// off the curve or outside the subgroup, and the identity.
fn decode_proof(bytes: &[u8]) -> Result<Proof<Bn254>, VerifyError> {
    if bytes.len() != PROOF_BYTES {
        return Err(VerifyError::Length { got: bytes.len() });
    }
    let mut r = Reader::new(bytes);
    Ok(Proof {
        a: r.g1_nonzero("A")?,
        b: r.g2_nonzero("B")?,
        c: r.g1_nonzero("C")?,
    })
}
