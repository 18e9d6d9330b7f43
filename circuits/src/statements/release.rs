//! Release of committed weights to a provider: the claim (PROTOCOL section 5).
//!
//! The hunter draws `e`, publishes `epk = e·B8`, and encrypts under a key only `e` or the provider's
//! scalar can reach. The message is the model commitment's own words and blind, so what the provider
//! opens is what was scored.
//!
//! ```text
//! S = e·pk      key = Poseidon(TAG_KDF, S, epk, pk, ctx, C)
//! c_i = m_i + stream_i      m = packed weights ‖ blind
//! z = keccak256(TAG_Z, releaseVkId, sha256(c), epk, C, pk, ctx) mod r      y = Σ c_i·z^i
//! ```
//!
//! Nothing here says that the message is a model of some graph: C is all the chain knows, and the
//! accuracy statement says the rest about the same C.

use crate::statements::chunks;
use ark_ff::{BigInteger, BigInteger256, Zero};
use rand::{CryptoRng, RngCore};
use zeroize::{Zeroize, ZeroizeOnDrop};
use zkaggle_graph::commit::{self, Blind};
use zkaggle_graph::field::{Fr, NonCanonical, from_be_bytes, to_be_bytes};
use zkaggle_graph::graph::{CapacityClass, Graph, GraphError};
use zkaggle_graph::ids::{JubPoint, VkId, release_point};
use zkaggle_graph::jub::{self, JubError, ORDER, ORDER_BITS, ProviderKey, SecretScalar};
use zkaggle_graph::packing::{NotPacked, unpack31};
use zkaggle_graph::poseidon::{T_WIDE, hash, stream_block};
use zkaggle_graph::tag::Tag;
use zkaggle_graph::weights::{Weights, WeightsError};

/// Number of public inputs.
pub const INPUTS: usize = 8;

/// Public side, in the order of the public inputs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInstance {
    /// Chain, market, bounty, hunter, slot and accuracy vkId in one element.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub ctx: Fr,
    /// Model commitment `C`.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub model: Fr,
    /// The provider's key as the chain stores it, a multiple of 8.
    #[serde(with = "point_hex")]
    pub pk: JubPoint,
    /// The claim's ephemeral key.
    #[serde(with = "point_hex")]
    pub epk: JubPoint,
    /// Evaluation point, from the ciphertext and everything above.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub z: Fr,
    /// The ciphertext at `z`.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub y: Fr,
}

impl ReleaseInstance {
    /// Public inputs in their one order: `ctx, C, pk.x, pk.y, epk.x, epk.y, z, y`.
    pub fn public_inputs(&self) -> [Fr; INPUTS] {
        [
            self.ctx, self.model, self.pk.x, self.pk.y, self.epk.x, self.epk.y, self.z, self.y,
        ]
    }
}

/// The ephemeral scalar as an integer of [`ORDER_BITS`] bits, which a dishonest prover may choose at
/// or above the subgroup order. Secret.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Ephemeral(BigInteger256);

impl Ephemeral {
    /// `None` when `n` has more bits than the statement speaks of. [`check`] refuses those that are
    /// not below the subgroup order.
    pub fn from_integer(n: BigInteger256) -> Option<Self> {
        (n.num_bits() as usize <= ORDER_BITS).then_some(Self(n))
    }

    /// The scalar nobody may use, for layouts without a witness.
    pub fn zero() -> Self {
        Self(BigInteger256::zero())
    }

    /// Hands the secret out, for a circuit's bits.
    pub fn expose(&self) -> BigInteger256 {
        self.0
    }
}

impl From<&SecretScalar> for Ephemeral {
    fn from(e: &SecretScalar) -> Self {
        Self(e.expose())
    }
}

/// Private side: the elements under `C`, and the ephemeral scalar.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ReleaseWitness {
    arch_id: Fr,
    length: Fr,
    words: Vec<Fr>,
    blind: Blind,
    ephemeral: Ephemeral,
}

impl std::fmt::Debug for ReleaseWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReleaseWitness")
            .field("words", &self.words.len())
            .finish_non_exhaustive()
    }
}

impl ReleaseWitness {
    /// Any parts; [`check`] decides whether they prove an instance.
    pub fn from_parts(arch_id: Fr, length: Fr, words: Vec<Fr>, blind: Blind, ephemeral: Ephemeral) -> Self {
        Self {
            arch_id,
            length,
            words,
            blind,
            ephemeral,
        }
    }

    pub fn arch_id(&self) -> Fr {
        self.arch_id
    }

    pub fn length(&self) -> Fr {
        self.length
    }

    /// The packed weights, padded to the class.
    pub fn words(&self) -> &[Fr] {
        &self.words
    }

    pub fn blind(&self) -> &Blind {
        &self.blind
    }

    pub fn ephemeral(&self) -> &Ephemeral {
        &self.ephemeral
    }

    /// `m`: the words, then the blind.
    fn message(&self) -> Vec<Fr> {
        let mut m = self.words.clone();
        m.push(self.blind.expose());
        m
    }
}

/// Why a witness does not satisfy an instance, or a claim cannot be made or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("{got} words of weights, class {class:?} has {expected}", expected = class.words())]
    Words { class: CapacityClass, got: usize },
    #[error("words and blind do not open the model commitment")]
    Model,
    #[error("provider key: {0}")]
    ProviderKey(JubError),
    #[error("ephemeral key: {0}")]
    EphemeralKey(JubError),
    #[error("the ephemeral scalar is not below the subgroup order")]
    Scalar,
    #[error("the ephemeral scalar does not give the ephemeral key")]
    Ephemeral,
    #[error("the shared point is the identity or has order 2")]
    SharedPoint,
    #[error("the encrypted words do not give y at z")]
    Fingerprint,
    #[error("z is not the point this ciphertext, keys and model hash to")]
    Point,
    #[error("ciphertext of {got} words, class {class:?} has {expected}", expected = class.message_words())]
    CiphertextLength { class: CapacityClass, got: usize },
    #[error("ciphertext of {got} bytes is no sequence of 32-byte words")]
    CiphertextBytes { got: usize },
    #[error("ciphertext word {index}: {source}")]
    CiphertextWord { index: usize, source: NonCanonical },
    #[error("decrypted {0}; this key does not open this ciphertext")]
    NotPacked(#[from] NotPacked),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// The release key of `pk` and `e`, or of the provider: both know `S`.
fn derive_key(shared: &JubPoint, epk: &JubPoint, pk: &JubPoint, ctx: &Fr, model: &Fr) -> Fr {
    hash(
        T_WIDE,
        Tag::Kdf,
        &[shared.x, shared.y, epk.x, epk.y, pk.x, pk.y, *ctx, *model],
    )
}

/// Calls `f` on each word and its key-stream element.
fn with_stream(key: Fr, words: &mut [Fr], f: impl Fn(&mut Fr, Fr)) {
    for (index, block) in words.chunks_mut(T_WIDE - 1).enumerate() {
        for (w, s) in block.iter_mut().zip(stream_block(key, index as u64)) {
            f(w, s);
        }
    }
}

/// `Σ wordsᵢ·zⁱ`: word 0 meets z⁰.
pub fn fingerprint(words: &[Fr], z: Fr) -> Fr {
    words.iter().rev().fold(Fr::zero(), |acc, w| acc * z + w)
}

/// The ciphertext as the chain carries it: one 32-byte big-endian word per element.
pub fn ciphertext_bytes(ciphertext: &[Fr]) -> Vec<u8> {
    ciphertext.iter().flat_map(to_be_bytes).collect()
}

/// Inverse of [`ciphertext_bytes`].
///
/// # Errors
/// For a length that is no multiple of 32, and for a word at or above the modulus.
pub fn ciphertext_words(bytes: &[u8]) -> Result<Vec<Fr>, ReleaseError> {
    if !bytes.len().is_multiple_of(32) {
        return Err(ReleaseError::CiphertextBytes { got: bytes.len() });
    }
    bytes
        .chunks_exact(32)
        .enumerate()
        .map(|(index, c)| {
            let mut w = [0u8; 32];
            w.copy_from_slice(c);
            from_be_bytes(&w).map_err(|source| ReleaseError::CiphertextWord { index, source })
        })
        .collect()
}

/// `z` of a ciphertext, as the contract computes it: from its digest, or that of its chunks' digests.
pub fn point(release_vk: VkId, ciphertext: &[Fr], epk: JubPoint, model: &Fr, pk: JubPoint, ctx: &Fr) -> Fr {
    release_point(release_vk, chunks::digest(ciphertext), epk, model, pk, ctx)
}

/// Encrypts `weights` and `blind` for the holder of `pk`.
///
/// `pk` is the key as the chain stores it. `rng` must be the operating system's: a repeated `e`
/// repeats the key stream.
///
/// # Errors
/// [`ReleaseError::ProviderKey`] when `pk` is not a clean subgroup point, to which nothing may be
/// encrypted.
pub fn seal(
    graph: &Graph,
    weights: &Weights,
    blind: &Blind,
    ctx: Fr,
    pk: JubPoint,
    release_vk: VkId,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(ReleaseInstance, ReleaseWitness, Vec<Fr>), ReleaseError> {
    // A model beyond every class has no release circuit.
    graph.class()?;
    jub::check_subgroup(&pk).map_err(ReleaseError::ProviderKey)?;
    let e = loop {
        let mut b = [0u8; 64];
        rng.fill_bytes(&mut b);
        let e = SecretScalar::from_uniform(&b);
        b.zeroize();
        if let Some(e) = e {
            break e;
        }
    };
    let mut elements = commit::model_elements(graph, weights, blind);
    let witness = ReleaseWitness::from_parts(
        elements[0],
        elements[1],
        elements[3..elements.len() - 1].to_vec(),
        blind.clone(),
        Ephemeral::from(&e),
    );
    elements.zeroize();
    let model = commit::model(graph, weights, blind);
    let epk = e.mul(&jub::base8());
    let ciphertext = encrypt(&witness, &epk, &pk, &ctx, &model);
    let z = point(release_vk, &ciphertext, epk, &model, pk, &ctx);
    let y = fingerprint(&ciphertext, z);
    let instance = ReleaseInstance {
        ctx,
        model,
        pk,
        epk,
        z,
        y,
    };
    Ok((instance, witness, ciphertext))
}

fn encrypt(w: &ReleaseWitness, epk: &JubPoint, pk: &JubPoint, ctx: &Fr, model: &Fr) -> Vec<Fr> {
    let mut shared = jub::mul_integer(pk, &w.ephemeral.0);
    let mut key = derive_key(&shared, epk, pk, ctx, model);
    let mut c = w.message();
    with_stream(key, &mut c, |w, s| *w += s);
    key.zeroize();
    shared.x.zeroize();
    shared.y.zeroize();
    c
}

/// Accepts exactly the pairs that the circuit accepts.
///
/// Whether `z` is the right point for a ciphertext is the chain's question: see
/// [`check_ciphertext`].
pub fn check(class: CapacityClass, x: &ReleaseInstance, w: &ReleaseWitness) -> Result<(), ReleaseError> {
    if w.words.len() != class.words() {
        return Err(ReleaseError::Words {
            class,
            got: w.words.len(),
        });
    }
    let mut elements = vec![w.arch_id, w.length, Fr::from(class.bytes() as u64)];
    elements.extend(&w.words);
    elements.push(w.blind.expose());
    let model = hash(T_WIDE, Tag::Model, &elements);
    elements.zeroize();
    if model != x.model {
        return Err(ReleaseError::Model);
    }
    if !jub::is_on_curve(&x.pk) {
        return Err(ReleaseError::ProviderKey(JubError::OffCurve));
    }
    if w.ephemeral.0 >= ORDER {
        return Err(ReleaseError::Scalar);
    }
    if jub::mul_integer(&jub::base8(), &w.ephemeral.0) != x.epk {
        return Err(ReleaseError::Ephemeral);
    }
    if jub::mul_integer(&x.pk, &w.ephemeral.0).x.is_zero() {
        return Err(ReleaseError::SharedPoint);
    }
    let c = encrypt(w, &x.epk, &x.pk, &x.ctx, &x.model);
    if fingerprint(&c, x.z) != x.y {
        return Err(ReleaseError::Fingerprint);
    }
    Ok(())
}

/// The contract's half: `z` and `y` of the instance are those of this ciphertext.
///
/// # Errors
/// For a ciphertext of another length than the class's, another point, or another value there.
pub fn check_ciphertext(
    class: CapacityClass,
    x: &ReleaseInstance,
    release_vk: VkId,
    ciphertext: &[Fr],
) -> Result<(), ReleaseError> {
    if ciphertext.len() != class.message_words() {
        return Err(ReleaseError::CiphertextLength {
            class,
            got: ciphertext.len(),
        });
    }
    if point(release_vk, ciphertext, x.epk, &x.model, x.pk, &x.ctx) != x.z {
        return Err(ReleaseError::Point);
    }
    if fingerprint(ciphertext, x.z) != x.y {
        return Err(ReleaseError::Fingerprint);
    }
    Ok(())
}

/// Decrypts a claim with the provider's key and rebuilds the model under `graph`.
///
/// # Errors
/// [`ReleaseError::NotPacked`] or [`ReleaseError::Model`] when the ciphertext is not one for this
/// key, context and commitment; a proved claim never gives them to the right key.
pub fn open(
    graph: &Graph,
    provider: &ProviderKey,
    epk: &JubPoint,
    ctx: &Fr,
    model: &Fr,
    ciphertext: &[Fr],
) -> Result<(Weights, Blind), ReleaseError> {
    let class = graph.class()?;
    if ciphertext.len() != class.message_words() {
        return Err(ReleaseError::CiphertextLength {
            class,
            got: ciphertext.len(),
        });
    }
    let mut shared = provider.shared(epk).map_err(ReleaseError::EphemeralKey)?;
    let mut key = derive_key(&shared, epk, &provider.stored(), ctx, model);
    let mut m = ciphertext.to_vec();
    with_stream(key, &mut m, |w, s| *w -= s);
    key.zeroize();
    shared.x.zeroize();
    shared.y.zeroize();
    let rebuilt = rebuild(graph, model, &m);
    m.zeroize();
    rebuilt
}

/// Weights and blind of a decrypted message, checked against `C`.
fn rebuild(graph: &Graph, model: &Fr, message: &[Fr]) -> Result<(Weights, Blind), ReleaseError> {
    let Some((blind, words)) = message.split_last() else {
        return Err(ReleaseError::Model);
    };
    let blind = Blind::new(*blind);
    let mut bytes = unpack31(words, graph.weight_bytes())?;
    let weights = Weights::from_bytes(graph, &bytes);
    bytes.zeroize();
    let weights = weights?;
    if commit::model(graph, &weights, &blind) != *model {
        return Err(ReleaseError::Model);
    }
    Ok((weights, blind))
}

/// Serde form of a point: two canonical field elements in hexadecimal.
mod point_hex {
    use super::{Fr, JubPoint};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[serde(with = "zkaggle_graph::field::serde_hex")]
        x: Fr,
        #[serde(with = "zkaggle_graph::field::serde_hex")]
        y: Fr,
    }

    pub fn serialize<S: Serializer>(p: &JubPoint, s: S) -> Result<S::Ok, S::Error> {
        Form { x: p.x, y: p.y }.serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<JubPoint, D::Error> {
        Form::deserialize(d).map(|f| JubPoint { x: f.x, y: f.y })
    }
}
