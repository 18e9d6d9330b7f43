//! halo2-axiom over KZG on BN254, opened with SHPLONK, challenged by Keccak-256.
//!
//! SHPLONK and not GWC: it opens every commitment once whatever the number of rotations, and its
//! proof ends in two points, where GWC needs one more point, one more multi-scalar multiplication
//! for the prover and two more scalar multiplications in the EVM for every distinct rotation. Our
//! circuits use many rotations.
//!
//! Every circuit here has exactly one instance column, one or two phases, and no built-in lookup
//! argument (three commitments each; ours are LogUp in ordinary gates).

use super::convert::to_halo;
use super::srs::{Srs, SrsPoints};
use super::transcript::{Challenge, ProofReader, ProofWriter};
use halo2_proofs::SerdeFormat;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Error, ProvingKey, VerifyingKey};
use halo2_proofs::plonk::{create_proof, keygen_pk2, verify_proof};
use halo2_proofs::poly::kzg::commitment::KZGCommitmentScheme;
use halo2_proofs::poly::kzg::multiopen::{ProverSHPLONK, VerifierSHPLONK};
use halo2_proofs::poly::kzg::strategy::SingleStrategy;
use halo2curves::bn256::{Bn256, Fr as HaloFr, G1Affine};
use rand::RngCore;
use std::fmt;
use zkaggle_graph::field::Fr;

/// Largest k of a key that is read. Above 26 the quotient's domain does not exist, and the proof
/// system would stop the program instead of saying so.
const MAX_KEY_K: u32 = 26;
/// Most public inputs of a key that is read: far above any circuit's here, and few enough to work
/// through.
const MAX_KEY_INSTANCES: usize = 64;

/// Proving key, with its verifying key inside.
pub struct Halo2Key {
    pk: ProvingKey<G1Affine>,
    vk: Halo2Vk,
}

/// Verifying key, and what the proof system itself does not record about it.
#[derive(Clone)]
pub struct Halo2Vk {
    vk: VerifyingKey<G1Affine>,
    k: u32,
    instances: usize,
    srs: [u8; 32],
}

impl fmt::Debug for Halo2Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Halo2Key").field("vk", &self.vk).finish_non_exhaustive()
    }
}

impl fmt::Debug for Halo2Vk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Halo2Vk")
            .field("k", &self.k())
            .field("instances", &self.instances)
            .field("srs", &hex::encode(self.srs))
            .finish_non_exhaustive()
    }
}

/// Why a key or a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Halo2Error {
    #[error("the circuit needs k = {needed}, the SRS has k = {have}: load a larger one")]
    Srs { needed: u32, have: u32 },
    #[error("{got} instance columns; every circuit here has exactly one")]
    InstanceColumns { got: usize },
    #[error("{got} built-in lookups; none is supported: use LogUp gates")]
    Lookups { got: usize },
    #[error("{got} phases; this version of halo2-axiom proves at most two")]
    Phases { got: usize },
    #[error("gates reach degree {gates}, the constraint system is limited to {limit}: unset MAX_DEGREE")]
    Degree { gates: usize, limit: usize },
    #[error("{got} public inputs, the key says {expected}")]
    Instances { expected: usize, got: usize },
    #[error("the key was made under SRS 0x{key}, this is 0x{srs}")]
    OtherSrs { key: String, srs: String },
    #[error("{0}")]
    Synthesis(String),
}

impl From<Error> for Halo2Error {
    fn from(e: Error) -> Self {
        Self::Synthesis(format!("halo2: {e}"))
    }
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("{got} public inputs, the key says {expected}")]
    Instances { expected: usize, got: usize },
    #[error("the key was made under SRS 0x{key}, this is 0x{srs}")]
    OtherSrs { key: String, srs: String },
    #[error("{0} bytes follow the proof")]
    Trailing(usize),
    #[error("malformed proof: {0}")]
    Malformed(String),
    #[error("the proof does not hold for these public inputs")]
    Rejected,
}

/// Refuses a constraint system that [`verify`] or the EVM verifier would not handle in full.
pub(crate) fn check_shape(cs: &ConstraintSystem<HaloFr>) -> Result<(), Halo2Error> {
    if cs.num_instance_columns() != 1 {
        return Err(Halo2Error::InstanceColumns {
            got: cs.num_instance_columns(),
        });
    }
    if !cs.lookups().is_empty() {
        return Err(Halo2Error::Lookups {
            got: cs.lookups().len(),
        });
    }
    // Its prover steps past the last phase by an increment that asserts below the third.
    let phases = 1 + usize::from(cs.advice_column_phase().into_iter().max().unwrap_or(0));
    if phases > 2 {
        return Err(Halo2Error::Phases { got: phases });
    }
    // halo2-axiom caps the degree by an environment variable (5 by default); a gate above the cap
    // would give a quotient that does not fit, silently.
    let gates = cs
        .gates()
        .iter()
        .flat_map(|g| g.polynomials())
        .map(|p| p.degree())
        .max()
        .unwrap_or(0);
    if gates > cs.degree() {
        return Err(Halo2Error::Degree {
            gates,
            limit: cs.degree(),
        });
    }
    Ok(())
}

/// Makes the keys of a circuit with `instances` public inputs at `2^k` rows.
///
/// `circuit` may lack its witness; only its shape matters.
///
/// # Errors
/// When the SRS is smaller than `k`, or the circuit has a shape that is not supported.
pub fn keygen<C: Circuit<HaloFr>>(srs: &Srs, k: u32, circuit: &C, instances: usize) -> Result<Halo2Key, Halo2Error> {
    let mut cs = ConstraintSystem::default();
    C::configure_with_params(&mut cs, circuit.params());
    check_shape(&cs)?;
    let params = srs.at(k).ok_or(Halo2Error::Srs {
        needed: k,
        have: srs.k(),
    })?;
    let pk = keygen_pk2(&*params, circuit, false)?;
    let vk = Halo2Vk {
        vk: pk.get_vk().clone(),
        k,
        instances,
        srs: srs.id(),
    };
    Ok(Halo2Key { pk, vk })
}

/// Proves that `circuit`'s witness satisfies it under `public`.
///
/// # Errors
/// When SRS or public inputs do not belong to the key, or the circuit cannot be synthesised. A
/// witness that satisfies nothing may still give bytes: they do not verify.
pub fn prove<C: Circuit<HaloFr>>(
    srs: &Srs,
    key: &Halo2Key,
    circuit: &C,
    public: &[Fr],
    rng: impl RngCore,
) -> Result<Vec<u8>, Halo2Error> {
    if public.len() != key.vk.instances {
        return Err(Halo2Error::Instances {
            expected: key.vk.instances,
            got: public.len(),
        });
    }
    if srs.id() != key.vk.srs {
        return Err(Halo2Error::OtherSrs {
            key: hex::encode(key.vk.srs),
            srs: hex::encode(srs.id()),
        });
    }
    let k = key.vk.k();
    let params = srs.at(k).ok_or(Halo2Error::Srs {
        needed: k,
        have: srs.k(),
    })?;
    let public: Vec<HaloFr> = public.iter().map(to_halo).collect();
    let mut transcript = ProofWriter::new();
    create_proof::<KZGCommitmentScheme<Bn256>, ProverSHPLONK<'_, Bn256>, Challenge, _, _, _>(
        &params,
        &key.pk,
        std::slice::from_ref(circuit),
        &[&[&public]],
        rng,
        &mut transcript,
    )?;
    Ok(transcript.finish())
}

/// Verifies a proof.
///
/// # Errors
/// [`ProofError`] says which check failed. Accepts exactly the proofs that the Solidity verifier
/// accepts under the same key.
pub fn verify(srs: &SrsPoints, vk: &Halo2Vk, public: &[Fr], proof: &[u8]) -> Result<(), ProofError> {
    if public.len() != vk.instances {
        return Err(ProofError::Instances {
            expected: vk.instances,
            got: public.len(),
        });
    }
    if srs.id() != vk.srs {
        return Err(ProofError::OtherSrs {
            key: hex::encode(vk.srs),
            srs: hex::encode(srs.id()),
        });
    }
    let public: Vec<HaloFr> = public.iter().map(to_halo).collect();
    let params = srs.verifier_params(vk.k());
    let mut transcript = ProofReader::new(proof);
    let verdict = verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, Challenge, _, _>(
        &params,
        &vk.vk,
        SingleStrategy::new(&params),
        &[&[&public]],
        &mut transcript,
    );
    match verdict {
        Ok(()) if transcript.remaining() > 0 => Err(ProofError::Trailing(transcript.remaining())),
        Ok(()) => Ok(()),
        Err(Error::Transcript(e)) => Err(ProofError::Malformed(e.to_string())),
        Err(_) => Err(ProofError::Rejected),
    }
}

impl Halo2Key {
    pub fn vk(&self) -> &Halo2Vk {
        &self.vk
    }
}

impl Halo2Vk {
    /// The circuit has `2^k` rows.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Number of public inputs.
    pub fn instances(&self) -> usize {
        self.instances
    }

    /// Identity of the SRS the key was made under.
    pub fn srs_id(&self) -> [u8; 32] {
        self.srs
    }

    /// The proof system's own key.
    pub fn inner(&self) -> &VerifyingKey<G1Affine> {
        &self.vk
    }

    /// Length of every proof under this key, in bytes.
    pub fn proof_len(&self) -> usize {
        let cs = self.vk.cs();
        let columns = cs.permutation().get_columns().len();
        let sets = columns.div_ceil(cs.degree() - 2);
        let points = cs.num_advice_columns() + sets + 1 + (cs.degree() - 1) + 2;
        let scalars = cs.advice_queries().len() + cs.fixed_queries().len() + 1 + columns + (3 * sets).saturating_sub(1);
        64 * points + 32 * scalars
    }

    /// Canonical bytes; [`Halo2Vk::from_bytes`] also needs the circuit's parameters.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.srs);
        out.extend_from_slice(&(self.instances as u32).to_be_bytes());
        out.extend_from_slice(&self.vk.to_bytes(SerdeFormat::Processed));
        out
    }

    /// Reads what [`Halo2Vk::to_bytes`] writes, for the circuit `C` with parameters `params`.
    ///
    /// # Errors
    /// A sentence on what is wrong with the bytes.
    pub fn from_bytes<C: Circuit<HaloFr>>(bytes: &[u8], params: C::Params) -> Result<Self, String> {
        let (srs, rest) = bytes
            .split_first_chunk::<32>()
            .ok_or("the key ends in its SRS identity")?;
        let (instances, mut rest) = rest
            .split_first_chunk::<4>()
            .ok_or("the key ends in its instance count")?;
        let instances = u32::from_be_bytes(*instances) as usize;
        if instances > MAX_KEY_INSTANCES {
            return Err(format!(
                "the key says {instances} public inputs, above {MAX_KEY_INSTANCES}"
            ));
        }
        // k is read before the proof system allocates by it.
        let k = match rest.get(1..5).map(|k| u32::from_le_bytes([k[0], k[1], k[2], k[3]])) {
            Some(k) if k <= MAX_KEY_K => k,
            _ => return Err(format!("the key's k is missing or above {MAX_KEY_K}")),
        };
        let written = rest;
        let vk = VerifyingKey::read::<_, C>(&mut rest, SerdeFormat::Processed, params).map_err(|e| e.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow the key", rest.len()));
        }
        // The proof system takes the number of columns from the bytes and indexes by the circuit's.
        let (got, expected) = (vk.fixed_commitments().len(), vk.cs().num_fixed_columns());
        if got != expected {
            return Err(format!("the key has {got} fixed columns, the circuit has {expected}"));
        }
        // Selectors are never compressed here, and one key has one spelling.
        if vk.to_bytes(SerdeFormat::Processed) != written || written[5] != 0 {
            return Err("the key is not in canonical form".into());
        }
        Ok(Self {
            vk,
            k,
            instances,
            srs: *srs,
        })
    }
}
