//! Powers of tau from a ceremony: the `.ptau` files that snarkjs writes and everyone shares.
//!
//! Only what KZG needs is read: the first `2^k` powers in G1 and τ in G2. Nothing in the file is
//! believed: every point is checked to lie on its curve, τ·G2 in the prime-order subgroup, and one
//! pairing over a random combination says that the powers are powers of that τ. That the secret is
//! unknown is the ceremony's promise, which no check can replace; compare the file's published
//! digest.
//!
//! # Source
//! Layout: snarkjs, `src/powersoftau_utils.js` and `binfileutils`: "ptau", version, number of
//! sections; each section a type (u32), a length (u64) and its content, all little-endian. Section 1
//! has the field and the power, 2 the powers in G1, 3 the powers in G2. Coordinates are 32 bytes in
//! Montgomery form.

use super::srs::{MAX_K, Srs, SrsError};
use halo2_proofs::arithmetic::best_multiexp;
use halo2curves::bn256::{Fq, Fr, G1Affine, G2Affine, multi_miller_loop};
use halo2curves::ff::PrimeField;
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use halo2curves::pairing::MillerLoopResult;
use halo2curves::serde::SerdeObject;
use rand::RngCore;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// No ceremony file has more sections.
const MAX_SECTIONS: u32 = 64;

impl Srs {
    /// Reads the first `2^k` powers of a `.ptau` file and checks them.
    ///
    /// `rng` draws the random combination; it must not be known to whoever made the file. Takes a
    /// Fourier transform over the group (seconds to minutes): keep the result with [`Srs::store`].
    ///
    /// # Errors
    /// [`SrsError::Damaged`] says what is wrong with the file, [`SrsError::Ceremony`] that it is
    /// smaller than asked.
    pub fn from_ptau(path: &Path, k: u32, mut rng: impl RngCore) -> Result<Self, SrsError> {
        if !(1..=MAX_K).contains(&k) {
            return Err(SrsError::Size(k));
        }
        let io = |source| SrsError::Io {
            path: path.to_path_buf(),
            source,
        };
        let damaged = |what: &str| SrsError::Damaged {
            path: path.to_path_buf(),
            what: what.to_owned(),
        };
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        let sections = Sections::read(&mut file).map_err(|e| damaged(&e))?;

        let mut header = vec![0u8; 40];
        sections.read_into(&mut file, 1, &mut header).map_err(|e| damaged(&e))?;
        let prime: [u8; 32] = (-Fq::from(1)).to_repr();
        let mut expected = 32u32.to_le_bytes().to_vec();
        expected.extend_from_slice(&prime);
        // The modulus is odd: one less than it ends in an even byte.
        expected[4] += 1;
        if header[..36] != expected {
            return Err(damaged("it is for another curve than BN254"));
        }
        let power = u32::from_le_bytes([header[36], header[37], header[38], header[39]]);
        if power < k {
            return Err(SrsError::Ceremony {
                path: path.to_path_buf(),
                needed: k,
                have: power,
            });
        }

        let n = 1usize << k;
        let mut bytes = vec![0u8; 64 * n];
        sections.read_into(&mut file, 2, &mut bytes).map_err(|e| damaged(&e))?;
        let powers: Vec<G1Affine> = bytes
            .chunks_exact(64)
            .map(G1Affine::from_raw_bytes)
            .collect::<Option<_>>()
            .ok_or_else(|| damaged("a power is not on the curve"))?;
        let mut bytes = vec![0u8; 2 * 128];
        sections.read_into(&mut file, 3, &mut bytes).map_err(|e| damaged(&e))?;
        let in_g2 = |b: &[u8]| G2Affine::from_raw_bytes(b).ok_or_else(|| damaged("a power in G2 is not on the curve"));
        let (g2, tau) = (in_g2(&bytes[..128])?, in_g2(&bytes[128..])?);
        if powers[0] != G1Affine::generator() || g2 != G2Affine::generator() {
            return Err(damaged("its first powers are not the standard generators"));
        }
        // (r − 1)·P = −P exactly in the subgroup of order r.
        if bool::from(tau.is_identity()) || tau * -Fr::from(1) != -tau.to_curve() {
            return Err(damaged("its secret in G2 is zero or outside the subgroup"));
        }
        if !are_powers(&powers, &tau, &mut rng) {
            return Err(damaged("its powers are not powers of one secret"));
        }
        Ok(Self::from_powers(k, powers, tau))
    }
}

/// Whether `p[i + 1] = τ·p[i]` for all `i`, but for a chance of 2^-128: `e(Σ ρᵢ·p[i + 1], G2)` is
/// `e(Σ ρᵢ·p[i], τ·G2)` for random ρ.
fn are_powers(powers: &[G1Affine], tau: &G2Affine, rng: &mut impl RngCore) -> bool {
    let random: Vec<Fr> = (1..powers.len())
        .map(|_| Fr::from_raw([rng.next_u64(), rng.next_u64(), 0, 0]))
        .collect();
    let next = best_multiexp(&random, &powers[1..]).to_affine();
    let this = best_multiexp(&random, &powers[..powers.len() - 1]).to_affine();
    let product = multi_miller_loop(&[(&next, &G2Affine::generator().into()), (&-this, &(*tau).into())]);
    bool::from(product.final_exponentiation().is_identity())
}

/// Where each section lies.
struct Sections(Vec<(u32, u64, u64)>);

impl Sections {
    fn read(file: &mut (impl Read + Seek)) -> Result<Self, String> {
        let short = |_| "the file ends early".to_owned();
        let length = file.seek(SeekFrom::End(0)).map_err(short)?;
        file.rewind().map_err(short)?;
        let mut head = [0u8; 12];
        file.read_exact(&mut head).map_err(short)?;
        if head[..4] != *b"ptau" || head[4..8] != 1u32.to_le_bytes() {
            return Err("it is no powers-of-tau file of version 1".into());
        }
        let count = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if count > MAX_SECTIONS {
            return Err("it announces too many sections".into());
        }
        let mut sections = vec![];
        let mut at = 12u64;
        for _ in 0..count {
            let mut head = [0u8; 12];
            file.seek(SeekFrom::Start(at)).map_err(short)?;
            file.read_exact(&mut head).map_err(short)?;
            let (kind, size) = head.split_at(4);
            let kind = kind.iter().rev().fold(0, |acc, b| acc << 8 | u32::from(*b));
            let size = size.iter().rev().fold(0, |acc, b| acc << 8 | u64::from(*b));
            at += 12;
            sections.push((kind, at, size));
            at = at
                .checked_add(size)
                .filter(|end| *end <= length)
                .ok_or("the file ends early")?;
        }
        Ok(Self(sections))
    }

    /// Fills `out` from the start of the section of this type.
    fn read_into(&self, file: &mut (impl Read + Seek), kind: u32, out: &mut [u8]) -> Result<(), String> {
        let mut of_kind = self.0.iter().filter(|(k, ..)| *k == kind);
        let (Some((_, at, size)), None) = (of_kind.next(), of_kind.next()) else {
            return Err(format!("it has not exactly one section {kind}"));
        };
        if *size < out.len() as u64 {
            return Err(format!("section {kind} is shorter than its power asks"));
        }
        file.seek(SeekFrom::Start(*at))
            .and_then(|_| file.read_exact(out))
            .map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::srs::SrsKind;
    use super::*;
    use halo2curves::ff::Field;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use std::path::PathBuf;

    const POWER: u32 = 4;

    /// A ceremony's file with a secret of our own.
    fn ptau(change: impl Fn(&mut Vec<G1Affine>, &mut Vec<G2Affine>)) -> Vec<u8> {
        let tau = Fr::from(0x5eed);
        let powers: Vec<Fr> = (0..2u64 << POWER).map(|i| tau.pow_vartime([i])).collect();
        let mut g1: Vec<G1Affine> = powers.iter().map(|p| (G1Affine::generator() * p).to_affine()).collect();
        let mut g2: Vec<G2Affine> = powers[..3]
            .iter()
            .map(|p| (G2Affine::generator() * p).to_affine())
            .collect();
        change(&mut g1, &mut g2);
        let mut header = 32u32.to_le_bytes().to_vec();
        let mut prime = (-Fq::from(1)).to_repr();
        prime[0] += 1;
        header.extend_from_slice(&prime);
        header.extend_from_slice(&POWER.to_le_bytes());
        header.extend_from_slice(&28u32.to_le_bytes());
        let g1: Vec<u8> = g1.iter().flat_map(|p| p.to_raw_bytes()).collect();
        let g2: Vec<u8> = g2.iter().flat_map(|p| p.to_raw_bytes()).collect();
        let mut out = b"ptau".to_vec();
        out.extend_from_slice(&1u32.to_le_bytes());
        out.extend_from_slice(&3u32.to_le_bytes());
        for (kind, body) in [(1u32, header), (2, g1), (3, g2)] {
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&(body.len() as u64).to_le_bytes());
            out.extend_from_slice(&body);
        }
        out
    }

    fn read(name: &str, bytes: &[u8], k: u32) -> Result<Srs, SrsError> {
        let path: PathBuf = std::env::temp_dir().join(format!("zkaggle-{name}-{}.ptau", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let srs = Srs::from_ptau(&path, k, ChaCha20Rng::seed_from_u64(1));
        std::fs::remove_file(&path).unwrap();
        srs
    }

    #[test]
    fn a_ceremony_is_read_at_any_size_up_to_its_own() {
        let bytes = ptau(|_, _| ());
        let whole = read("good", &bytes, POWER).unwrap();
        let part = read("part", &bytes, POWER - 1).unwrap();
        assert_eq!(whole.points().kind(), SrsKind::Ceremony);
        assert_eq!(whole.id(), part.id());
        assert_ne!(whole.id(), Srs::development(POWER).unwrap().id());
        // The Lagrange basis fits: committing to evaluations or to coefficients is the same.
        use halo2_proofs::poly::commitment::{Blind, Params, ParamsProver};
        let domain = halo2_proofs::poly::EvaluationDomain::<Fr>::new(1, POWER);
        let mut values = domain.empty_lagrange();
        values[3] = Fr::from(7);
        let params = whole.at(POWER).unwrap();
        let lagrange = params.commit_lagrange(&values, Blind::default());
        assert_eq!(
            lagrange,
            params.commit(&domain.lagrange_to_coeff(values), Blind::default())
        );
        assert!(matches!(
            read("small", &bytes, POWER + 1),
            Err(SrsError::Ceremony { needed: 5, have: 4, .. })
        ));
    }

    #[test]
    fn wrong_powers_are_refused() {
        type Change = fn(&mut Vec<G1Affine>, &mut Vec<G2Affine>);
        let changes: [(&str, Change); 5] = [
            ("powers of one secret", |g1, _| g1.swap(3, 4)),
            ("powers of one secret", |g1, _| g1[15] = g1[14]),
            ("powers of one secret", |_, g2| g2[1] = g2[2]),
            ("standard generators", |g1, _| {
                g1.remove(0);
            }),
            ("zero or outside", |_, g2| g2[1] = G2Affine::identity()),
        ];
        for (what, change) in changes {
            let e = read("wrong", &ptau(change), POWER).unwrap_err().to_string();
            assert!(e.contains(what), "{e}");
        }
    }

    #[test]
    fn damage_is_named() {
        let good = ptau(|_, _| ());
        let g1 = 12 + 12 + 44 + 12;
        for (at, what) in [
            (0, "no powers-of-tau file"),
            (11, "too many sections"),
            (12, "section 1"),
            (28, "another curve"),
            (g1 + 64, "not on the curve"),
        ] {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            let e = read("damaged", &bad, POWER).unwrap_err().to_string();
            assert!(e.contains(what), "byte {at}: {e}");
        }
        for cut in [0, 5, 20, 100, good.len() - 1] {
            assert!(read("cut", &good[..cut], POWER).is_err(), "{cut} bytes");
        }
    }
}
