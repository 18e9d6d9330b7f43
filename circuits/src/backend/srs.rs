//! Structured reference string: powers of a secret τ in G1, and τ in G2.
//!
//! Whoever knows τ can prove anything. A *development* SRS takes τ from a public seed: fast, the
//! same everywhere, and worth nothing as evidence, so every key made under it is recognisable by
//! the identity of its points and refused outside development chains. A *ceremony* SRS comes from
//! a powers-of-tau file.

use super::convert::{g1_to_be, g2_to_be, scalar_from_digest};
use halo2_proofs::SerdeFormat;
use halo2_proofs::poly::commitment::{Params as _, ParamsProver as _};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2curves::bn256::{Bn256, Fr, G1, G1Affine, G2Affine};
use halo2curves::ff::{BatchInvert, Field, PrimeField};
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use sha3::Digest as _;
use sha3::Keccak256;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Largest supported size: the two-adicity of the scalar field.
pub const MAX_K: u32 = 28;

/// What the development secret hashes.
const DEVELOPMENT_SEED: &[u8] = b"zkaggle/v1/DEVELOPMENT-SRS: this secret is public";

/// Opens a cached SRS; the last byte is the version of the layout.
const MAGIC: [u8; 8] = *b"ZKSRS\0\0\x01";

/// Where τ comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SrsKind {
    /// τ is public.
    Development,
    /// τ was made by a ceremony.
    Ceremony,
}

/// The part of an SRS that a verifier needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsPoints {
    s_g2: G2Affine,
}

/// A whole SRS, ready to prove with, for every size up to its own.
pub struct Srs {
    params: Arc<ParamsKZG<Bn256>>,
    points: SrsPoints,
    /// Smaller sizes, made on demand: their Lagrange bases differ.
    smaller: Mutex<BTreeMap<u32, Arc<ParamsKZG<Bn256>>>>,
}

impl fmt::Debug for Srs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srs")
            .field("k", &self.k())
            .field("kind", &self.points.kind())
            .field("id", &hex::encode(self.id()))
            .finish_non_exhaustive()
    }
}

/// Why an SRS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SrsError {
    #[error("k = {0} is outside 1..={MAX_K}")]
    Size(u32),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {what}; delete the file, or fetch it again")]
    Damaged { path: PathBuf, what: String },
    #[error("{path}: it serves 2^{have} rows, 2^{needed} are needed: use a larger ceremony file")]
    Ceremony { path: PathBuf, needed: u32, have: u32 },
}

impl SrsPoints {
    /// The points of the development SRS.
    pub fn development() -> Self {
        static POINTS: OnceLock<SrsPoints> = OnceLock::new();
        *POINTS.get_or_init(|| Self {
            s_g2: (G2Affine::generator() * development_secret()).to_affine(),
        })
    }

    /// The points of an SRS whose τ·G2 is `s_g2`, already checked to lie in the subgroup.
    pub fn new(s_g2: G2Affine) -> Self {
        Self { s_g2 }
    }

    /// τ in G2; G1 and G2 generators are the standard ones.
    pub fn s_g2(&self) -> &G2Affine {
        &self.s_g2
    }

    /// `keccak256(g1 ‖ g2 ‖ τ·g2)`, uncompressed, big-endian, G2 in the order of EIP-197. Does not
    /// depend on the size.
    pub fn id(&self) -> [u8; 32] {
        Keccak256::new()
            .chain_update(g1_to_be(&G1Affine::generator()))
            .chain_update(g2_to_be(&G2Affine::generator()))
            .chain_update(g2_to_be(&self.s_g2))
            .finalize()
            .into()
    }

    /// Known by its points, not by a label in a file.
    pub fn kind(&self) -> SrsKind {
        if *self == Self::development() {
            SrsKind::Development
        } else {
            SrsKind::Ceremony
        }
    }

    pub fn is_development(&self) -> bool {
        self.kind() == SrsKind::Development
    }

    /// Parameters that can verify, and not prove, at size `k`.
    pub(crate) fn verifier_params(&self, k: u32) -> ParamsKZG<Bn256> {
        from_parts(k, vec![G1Affine::generator()], vec![G1Affine::generator()], self.s_g2)
    }
}

impl Srs {
    /// Makes the development SRS for up to `2^k` rows.
    ///
    /// # Errors
    /// [`SrsError::Size`].
    pub fn development(k: u32) -> Result<Self, SrsError> {
        check_size(k)?;
        let n = 1usize << k;
        let s = development_secret();
        let table = FixedBase::new(k);
        let mut powers = Vec::with_capacity(n);
        let mut p = Fr::ONE;
        for _ in 0..n {
            powers.push(p);
            p *= s;
        }
        let g = table.mul_all(&powers);
        Ok(Self::from_params(from_parts(
            k,
            g,
            table.mul_all(&lagrange_at(s, k)),
            SrsPoints::development().s_g2,
        )))
    }

    /// Reads the development SRS from `dir`, or makes it and leaves it there.
    ///
    /// A larger file serves a smaller `k`. Every file carries a SHA-256 digest of its content; one
    /// that is damaged, truncated or not the development SRS is made again, and the fact logged.
    ///
    /// # Errors
    /// When `dir` cannot be read or written.
    pub fn load_or_create(dir: &Path, k: u32) -> Result<Self, SrsError> {
        check_size(k)?;
        let at = |e| SrsError::Io {
            path: dir.to_path_buf(),
            source: e,
        };
        fs::create_dir_all(dir).map_err(at)?;
        // Reading a much larger one costs more than making the right one.
        for size in k..=(k + 3).min(MAX_K) {
            let path = cache_path(dir, size);
            if !path.exists() {
                continue;
            }
            match Self::load(&path) {
                Ok(srs) if srs.points.is_development() && srs.k() == size => return Ok(srs),
                Ok(_) => tracing::warn!(path = %path.display(), "not the development SRS of its name: making it again"),
                Err(e) => tracing::warn!("{e}"),
            }
        }
        let srs = Self::development(k)?;
        srs.store(&cache_path(dir, k))?;
        Ok(srs)
    }

    /// Reads a file written by [`Srs::store`].
    ///
    /// # Errors
    /// [`SrsError::Damaged`] when its content is not what its digest says, or not an SRS.
    pub fn load(path: &Path) -> Result<Self, SrsError> {
        let damaged = |what: &str| SrsError::Damaged {
            path: path.to_path_buf(),
            what: what.to_string(),
        };
        let bytes = fs::read(path).map_err(|e| SrsError::Io {
            path: path.to_path_buf(),
            source: e,
        })?;
        let content = bytes
            .strip_prefix(&MAGIC)
            .ok_or_else(|| damaged("not an SRS file of this version"))?;
        let (content, digest) = content
            .split_last_chunk::<32>()
            .ok_or_else(|| damaged("the file ends early"))?;
        if <[u8; 32]>::from(Sha256::digest(content)) != *digest {
            return Err(damaged("its content does not match its digest"));
        }
        let k = content
            .first_chunk::<4>()
            .map(|b| u32::from_le_bytes(*b))
            .filter(|k| (1..=MAX_K).contains(k))
            .ok_or_else(|| damaged("its size is out of range"))?;
        // Two bases of 2^k points, τ·G2 and G2, after the size: known before anything is allocated.
        if content.len() != 4 + 2 * (64 << k) + 2 * 128 {
            return Err(damaged("its length does not match its size"));
        }
        let params = ParamsKZG::<Bn256>::read_custom(&mut &content[..], SerdeFormat::RawBytes)
            .map_err(|e| damaged(&e.to_string()))?;
        check_consistency(&params).map_err(damaged)?;
        Ok(Self::from_params(params))
    }

    /// Writes the SRS with its digest: whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self, path: &Path) -> Result<(), SrsError> {
        let io = |e| SrsError::Io {
            path: path.to_path_buf(),
            source: e,
        };
        let mut bytes = MAGIC.to_vec();
        self.params
            .write_custom(&mut bytes, SerdeFormat::RawBytes)
            .map_err(io)?;
        let digest = Sha256::digest(&bytes[MAGIC.len()..]);
        bytes.extend_from_slice(&digest);
        super::keys::write_atomically(path, &bytes).map_err(io)
    }

    /// Wraps checked powers; computes their Lagrange basis.
    pub(super) fn from_powers(k: u32, g: Vec<G1Affine>, s_g2: G2Affine) -> Self {
        let projective = g.iter().map(PrimeCurveAffine::to_curve).collect();
        let lagrange = halo2_proofs::arithmetic::g_to_lagrange(projective, k);
        Self::from_params(from_parts(k, g, lagrange, s_g2))
    }

    fn from_params(params: ParamsKZG<Bn256>) -> Self {
        Self {
            points: SrsPoints { s_g2: params.s_g2() },
            params: Arc::new(params),
            smaller: Mutex::new(BTreeMap::new()),
        }
    }

    /// Serves up to `2^k` rows.
    pub fn k(&self) -> u32 {
        self.params.k()
    }

    /// 1, τ, τ², … times the generator of G1, for arguments that commit without this proof system.
    pub fn powers(&self) -> &[G1Affine] {
        self.params.get_g()
    }

    /// What a verifier needs of it.
    pub fn points(&self) -> &SrsPoints {
        &self.points
    }

    /// See [`SrsPoints::id`].
    pub fn id(&self) -> [u8; 32] {
        self.points.id()
    }

    pub fn is_development(&self) -> bool {
        self.points.is_development()
    }

    /// The proof system's parameters for exactly `2^k` rows; `None` when `k` is larger than this
    /// SRS. Smaller sizes are made once and kept.
    pub(crate) fn at(&self, k: u32) -> Option<Arc<ParamsKZG<Bn256>>> {
        if k == self.k() {
            return Some(Arc::clone(&self.params));
        }
        if k == 0 || k > self.k() {
            return None;
        }
        let mut smaller = self.smaller.lock().unwrap_or_else(PoisonError::into_inner);
        let params = smaller.entry(k).or_insert_with(|| Arc::new(self.downsized(k)));
        Some(Arc::clone(params))
    }

    fn downsized(&self, k: u32) -> ParamsKZG<Bn256> {
        if self.is_development() {
            // With τ known, the Lagrange basis is a fixed-base multiplication away; without it, it
            // takes a Fourier transform over the group.
            let g = self.params.get_g()[..1 << k].to_vec();
            let lagrange = FixedBase::new(k).mul_all(&lagrange_at(development_secret(), k));
            from_parts(k, g, lagrange, self.points.s_g2)
        } else {
            let mut params = ParamsKZG::clone(&self.params);
            params.downsize(k);
            params
        }
    }
}

fn check_size(k: u32) -> Result<(), SrsError> {
    if (1..=MAX_K).contains(&k) {
        Ok(())
    } else {
        Err(SrsError::Size(k))
    }
}

fn cache_path(dir: &Path, k: u32) -> PathBuf {
    dir.join(format!("srs-development-{k}.bin"))
}

fn development_secret() -> Fr {
    scalar_from_digest(&Keccak256::digest(DEVELOPMENT_SEED).into())
}

/// The fields of `ParamsKZG` are private and its constructor is a method: a throw-away instance
/// lends it.
fn from_parts(k: u32, g: Vec<G1Affine>, g_lagrange: Vec<G1Affine>, s_g2: G2Affine) -> ParamsKZG<Bn256> {
    static LENDER: OnceLock<ParamsKZG<Bn256>> = OnceLock::new();
    LENDER
        .get_or_init(|| ParamsKZG::setup(1, rand::rngs::mock::StepRng::new(7, 7)))
        .from_parts(k, g, Some(g_lagrange), G2Affine::generator(), s_g2)
}

/// Catches a file that is intact and wrong: standard generators, the powers begin with the
/// generator, the Lagrange basis sums to it (its polynomials sum to one).
fn check_consistency(params: &ParamsKZG<Bn256>) -> Result<(), &'static str> {
    let g = params.get_g();
    if params.g2() != G2Affine::generator() || g.first() != Some(&G1Affine::generator()) {
        return Err("its generators are not the standard ones");
    }
    if bool::from(params.s_g2().is_identity()) {
        return Err("its secret is zero");
    }
    let left = halo2curves::bn256::multi_miller_loop(&[(&g[1], &params.g2().into()), (&-g[0], &params.s_g2().into())]);
    use halo2curves::pairing::MillerLoopResult as _;
    if !bool::from(left.final_exponentiation().is_identity()) {
        return Err("its second power does not match its point in G2");
    }
    Ok(())
}

/// `L_i(s)` for the Lagrange basis of the `2^k`-th roots of unity:
/// `(s^n − 1)/n · ω^i / (s − ω^i)`.
fn lagrange_at(s: Fr, k: u32) -> Vec<Fr> {
    let n = 1usize << k;
    let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |w, _| w.square());
    let mut roots = Vec::with_capacity(n);
    let mut w = Fr::ONE;
    for _ in 0..n {
        roots.push(w);
        w *= omega;
    }
    let mut inverses: Vec<Fr> = roots.iter().map(|w| s - w).collect();
    inverses.iter_mut().batch_invert();
    let factor = (s.pow_vartime([n as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(k)]);
    roots.iter().zip(&inverses).map(|(w, i)| factor * w * i).collect()
}

/// Multiples of the generator for every digit of every window.
struct FixedBase {
    bits: usize,
    windows: Vec<Vec<G1Affine>>,
}

impl FixedBase {
    /// Windows are wide enough that the table is cheap beside the `2^k` products it serves.
    fn new(k: u32) -> Self {
        let bits = if k >= 14 { 12 } else { 7 };
        let count = (Fr::NUM_BITS as usize).div_ceil(bits);
        let mut bases = Vec::with_capacity(count);
        let mut base = G1::generator();
        for _ in 0..count {
            bases.push(base);
            for _ in 0..bits {
                base = base.double();
            }
        }
        let windows = bases
            .into_par_iter()
            .map(|base| {
                let mut multiples = Vec::with_capacity(1 << bits);
                let mut p = G1::identity();
                for _ in 0..1usize << bits {
                    multiples.push(p);
                    p += base;
                }
                normalize(&multiples)
            })
            .collect();
        Self { bits, windows }
    }

    fn mul_all(&self, scalars: &[Fr]) -> Vec<G1Affine> {
        scalars
            .par_chunks(1024)
            .flat_map_iter(|chunk| {
                let products: Vec<G1> = chunk.iter().map(|s| self.mul(s)).collect();
                normalize(&products)
            })
            .collect()
    }

    fn mul(&self, scalar: &Fr) -> G1 {
        let repr = scalar.to_repr();
        let mut acc = G1::identity();
        for (i, window) in self.windows.iter().enumerate() {
            acc += window[digit(&repr, i * self.bits, self.bits)];
        }
        acc
    }
}

/// `bits` bits of a little-endian integer from bit `at` on; at most 16.
fn digit(repr: &[u8; 32], at: usize, bits: usize) -> usize {
    let byte = |i: usize| usize::from(repr.get(i).copied().unwrap_or(0));
    let i = at / 8;
    let word = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16;
    (word >> (at % 8)) & ((1 << bits) - 1)
}

fn normalize(points: &[G1]) -> Vec<G1Affine> {
    let mut out = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(points, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proof system's own setup, fed the same secret, gives the same points.
    #[test]
    fn fixed_base_tables_agree_with_double_and_add() {
        let table = FixedBase::new(3);
        let scalars = [Fr::ZERO, Fr::ONE, -Fr::ONE, development_secret()];
        for (s, p) in scalars.iter().zip(table.mul_all(&scalars)) {
            assert_eq!((G1Affine::generator() * s).to_affine(), p);
        }
        let wide = FixedBase::new(14);
        assert_eq!(wide.mul_all(&scalars), table.mul_all(&scalars));
    }

    #[test]
    fn the_lagrange_basis_commits_to_evaluations() {
        let srs = Srs::development(5).unwrap();
        let domain = halo2_proofs::poly::EvaluationDomain::<Fr>::new(1, 5);
        let mut values = domain.empty_lagrange();
        for (i, v) in values.iter_mut().enumerate() {
            *v = Fr::from(i as u64 * i as u64 + 1);
        }
        let blind = halo2_proofs::poly::commitment::Blind::default();
        let lagrange = srs.params.commit_lagrange(&values, blind);
        let coeff = srs.params.commit(&domain.lagrange_to_coeff(values), blind);
        assert_eq!(lagrange, coeff);
    }

    #[test]
    fn a_smaller_size_is_the_same_srs() {
        let big = Srs::development(6).unwrap();
        let small = Srs::development(4).unwrap();
        assert_eq!(big.id(), small.id());
        let cut = big.at(4).unwrap();
        assert_eq!(cut.get_g(), small.params.get_g());
        let mut bytes = [Vec::new(), Vec::new()];
        cut.write_custom(&mut bytes[0], SerdeFormat::RawBytes).unwrap();
        small.params.write_custom(&mut bytes[1], SerdeFormat::RawBytes).unwrap();
        assert_eq!(bytes[0], bytes[1]);
        assert!(big.at(7).is_none());
        assert!(big.is_development());
    }

    #[test]
    fn a_damaged_cache_is_refused_by_name_and_made_again() {
        let dir = std::env::temp_dir().join(format!("zkaggle-srs-{}", std::process::id()));
        let made = Srs::load_or_create(&dir, 4).unwrap();
        let path = cache_path(&dir, 4);
        let good = fs::read(&path).unwrap();
        for at in [0, 9, 40, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            let e = Srs::load(&path).unwrap_err().to_string();
            assert!(e.contains("srs-development-4.bin"), "{e}");
        }
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(Srs::load(&path).is_err());
        let again = Srs::load_or_create(&dir, 4).unwrap();
        assert_eq!(again.params.get_g(), made.params.get_g());
        assert_eq!(fs::read(&path).unwrap(), good);
        // The larger file serves the smaller size.
        let smaller = Srs::load_or_create(&dir, 3).unwrap();
        assert_eq!(smaller.k(), 4);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_identity_of_the_development_srs_is_pinned() {
        assert_eq!(
            hex::encode(SrsPoints::development().id()),
            "7135ffbcf1f28c1ea9948b99ff0f83bc60ed7f31fa00c0d1cfd8c653d86a37a5"
        );
    }
}
