//! Commitments and openings against the definition, with the secret known, and against arkworks.

use super::testing::{rng, srs, tau};
use super::*;
use crate::commit::opening::OpeningError;
use crate::encoding::{point_from_words, scalar_to_word};
use crate::transcript::{ProofReader, ProofWriter, ReadError, Transcript};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, Field as _, PrimeField, Zero};
use rand::RngCore;

fn cells(column: &Column<'_>) -> Vec<Fr> {
    match column {
        Column::Bits(c) => (0..64 * c.len()).map(|i| Fr::from(c[i / 64] >> (i % 64) & 1)).collect(),
        Column::Bytes(c) => c.iter().map(|b| Fr::from(u64::from(*b))).collect(),
        Column::Scalars(c) => c.to_vec(),
    }
}

/// The commitment by definition: the polynomial's value at the secret, times the generator.
fn naive(column: &Column<'_>) -> G1Affine {
    let value = cells(column).iter().rev().fold(Fr::ZERO, |s, c| s * tau() + c);
    (G1::generator() * value).to_affine()
}

fn random(n: usize, seed: u64) -> Vec<Fr> {
    let mut rng = rng(seed);
    (0..n).map(|_| Fr::random(&mut rng)).collect()
}

/// The multilinear polynomial's value by definition: Σ cell · eq(index, point).
fn multilinear(f: &[Fr], point: &[Fr]) -> Fr {
    f.iter()
        .enumerate()
        .map(|(i, c)| {
            point
                .iter()
                .enumerate()
                .fold(*c, |s, (j, x)| s * if i >> j & 1 == 1 { *x } else { Fr::ONE - x })
        })
        .sum()
}

#[test]
fn columns_of_every_kind_are_committed_as_defined() {
    let (key, _) = srs(11);
    let mut rng = rng(1);
    let words = |rng: &mut rand_chacha::ChaCha20Rng, n: usize| (0..n).map(|_| rng.next_u64()).collect::<Vec<_>>();
    // More than one group side by side, and columns of several lengths.
    let bits: Vec<Vec<u64>> = (0..29).map(|i| words(&mut rng, 1 + i % 32)).collect();
    // Distributions that put every row in one bucket, or in none.
    let same = vec![u64::MAX; 32];
    let none = vec![0; 32];
    let mut bytes = vec![0; 2048];
    rng.fill_bytes(&mut bytes);
    let flat = vec![200u8; 1999];
    let scalars = random(1500, 2);
    let mut columns: Vec<Column<'_>> = bits.iter().map(|b| Column::Bits(b)).collect();
    columns.insert(3, Column::Bytes(&bytes));
    columns.insert(9, Column::Scalars(&scalars));
    columns.extend([
        Column::Bits(&same),
        Column::Bits(&none),
        Column::Bytes(&flat),
        Column::Bits(&[]),
        Column::Scalars(&[]),
    ]);
    let got = key.commit(&columns).unwrap();
    for (i, (column, got)) in columns.iter().zip(&got).enumerate() {
        assert_eq!(*got, naive(column), "column {i}");
    }
    assert_eq!(got.len(), columns.len());

    let long = vec![0u64; 33];
    assert_eq!(
        key.commit(&[Column::Bits(&long)]),
        Err(KeyTooSmall {
            needed: 2112,
            have: 2048
        })
    );
}

#[test]
fn a_combination_is_the_sum_of_its_columns() {
    let mut rng = rng(3);
    let bits: Vec<Vec<u64>> = (0..11)
        .map(|i| (0..1 + i % 4).map(|_| rng.next_u64()).collect())
        .collect();
    let (bytes, scalars) = (vec![9u8; 200], random(100, 4));
    let mut columns: Vec<Column<'_>> = bits.iter().map(|b| Column::Bits(b)).collect();
    columns.push(Column::Bytes(&bytes));
    columns.push(Column::Scalars(&scalars));
    let weighted: Vec<_> = random(columns.len(), 5).into_iter().zip(columns).collect();
    let mut expected = vec![Fr::ZERO; 256];
    for (weight, column) in &weighted {
        for (x, c) in expected.iter_mut().zip(cells(column)) {
            *x += weight * c;
        }
    }
    assert_eq!(combine(&weighted, 256), expected);
}

#[test]
fn stacked_columns_are_one_polynomial_behind_each_other() {
    let (key, _) = srs(10);
    let mut rng = rng(6);
    let bits: Vec<Vec<u64>> = (0..9)
        .map(|i| (0..1 + i % 4).map(|_| rng.next_u64()).collect())
        .collect();
    let (bytes, scalars) = (vec![9u8; 200], random(100, 7));
    let mut columns: Vec<Column<'_>> = bits.iter().map(|b| Column::Bits(b)).collect();
    columns.insert(2, Column::Bytes(&bytes));
    columns.push(Column::Scalars(&scalars));
    for stack in 0..=2 {
        // Eleven columns: the last polynomial lacks some.
        let polynomials: Vec<Vec<Fr>> = columns
            .chunks(1 << stack)
            .map(|parts| {
                let mut out = vec![Fr::ZERO; 256 << stack];
                for (i, part) in parts.iter().enumerate() {
                    let cells = cells(part);
                    out[256 * i..][..cells.len()].copy_from_slice(&cells);
                }
                out
            })
            .collect();
        let got = key.commit_stacked(&columns, 256, stack).unwrap();
        let want: Vec<G1Affine> = polynomials.iter().map(|f| naive(&Column::Scalars(f))).collect();
        assert_eq!(got, want, "{stack}");
        let weights = random(polynomials.len(), 8);
        let mut sum = vec![Fr::ZERO; 256 << stack];
        for (w, f) in weights.iter().zip(&polynomials) {
            sum.iter_mut().zip(f).for_each(|(s, f)| *s += w * f);
        }
        assert_eq!(combine_stacked(&weights, &columns, 256, stack), sum, "{stack}");
    }
    let refused = |size, stack| key.commit_stacked(&columns, size, stack).unwrap_err();
    let short = |needed, have| KeyTooSmall { needed, have };
    assert_eq!(refused(256, 3), short(2048, 1024));
    // A column of 256 cells would reach into its neighbour's place.
    assert_eq!(refused(128, 1), short(256, 128));
}

/// A polynomial, its commitment, a point, the value and an opening.
struct Case {
    commitment: G1Affine,
    point: Vec<Fr>,
    value: Fr,
    proof: Vec<u8>,
}

/// What both sides agree on before an opening starts.
fn statement(key: &VerifyKey, c: &G1Affine, point: &[Fr]) -> Transcript {
    let mut t = Transcript::new(&key.srs_id());
    t.point(c);
    point.iter().for_each(|x| t.scalar(x));
    t
}

fn open(key: &CommitKey, vk: &VerifyKey, f: Vec<Fr>, n: usize, seed: u64) -> Case {
    let point = random(n, seed);
    let commitment = key.commit(&[Column::Scalars(&f)]).unwrap()[0];
    let value = multilinear(&f, &point);
    let mut out = ProofWriter::new(statement(vk, &commitment, &point));
    key.open(&mut out, f, &point).unwrap();
    Case {
        commitment,
        point,
        value,
        proof: out.finish(),
    }
}

fn verify(vk: &VerifyKey, c: &Case) -> Result<(), OpeningError> {
    let mut reader = ProofReader::new(statement(vk, &c.commitment, &c.point), &c.proof);
    vk.verify(&mut reader, &[(Fr::ONE, c.commitment)], &c.point, &c.value)?;
    Ok(reader.finish()?)
}

#[test]
fn openings_of_random_polynomials_verify_here_and_with_arkworks() {
    let (key, vk) = srs(9);
    for n in 1..=9 {
        let case = open(&key, &vk, random(1 << n, 10 + n as u64), n, 20 + n as u64);
        assert_eq!(case.proof.len(), 32 * (2 * (n - 1) + 2 * n + 1 + 4));
        verify(&vk, &case).unwrap();
        assert!(independent(&vk, &case), "{n} variables");
    }
    // The zero polynomial: every commitment is infinity.
    let zero = open(&key, &vk, vec![Fr::ZERO; 8], 3, 1);
    assert!(zero.value.is_zero_vartime());
    verify(&vk, &zero).unwrap();
    assert!(independent(&vk, &zero));
}

#[test]
fn a_sum_of_commitments_opens_as_the_combination() {
    let (key, vk) = srs(6);
    let bits: Vec<u64> = vec![0x0123_4567_89ab_cdef];
    let scalars = random(64, 6);
    let columns = [Column::Bits(&bits), Column::Scalars(&scalars)];
    let weights = random(2, 7);
    let points = key.commit(&columns).unwrap();
    let f = combine(&[(weights[0], columns[0]), (weights[1], columns[1])], 64);
    let point = random(6, 8);
    let value = multilinear(&f, &point);
    let mut out = ProofWriter::new(Transcript::new(&vk.srs_id()));
    key.open(&mut out, f, &point).unwrap();
    let proof = out.finish();
    let terms: Vec<_> = weights.into_iter().zip(points).collect();
    let reader = || ProofReader::new(Transcript::new(&vk.srs_id()), &proof);
    vk.verify(&mut reader(), &terms, &point, &value).unwrap();
    assert_eq!(
        vk.verify(&mut reader(), &terms[..1], &point, &value),
        Err(OpeningError::Pairing)
    );
}

#[test]
fn a_change_anywhere_is_refused() {
    let (key, vk) = srs(4);
    let case = || open(&key, &vk, random(16, 30), 4, 31);
    let good = case();
    for word in 0..good.proof.len() / 32 {
        for change in [1u8, 0x80] {
            let mut bad = case();
            bad.proof[32 * word + 31] ^= change;
            verify(&vk, &bad).expect_err("a changed word");
            assert!(!independent(&vk, &bad), "word {word}");
        }
        let mut bad = case();
        bad.proof[32 * word..][..32].fill(0);
        verify(&vk, &bad).expect_err("a zeroed word");
    }
    let mut other = case();
    other.value += Fr::ONE;
    assert_eq!(verify(&vk, &other), Err(OpeningError::Fold));
    let mut other = case();
    other.point[2] += Fr::ONE;
    verify(&vk, &other).unwrap_err();
    let mut other = case();
    other.commitment = G1Affine::generator();
    verify(&vk, &other).unwrap_err();
    let mut short = case();
    short.proof.pop();
    assert!(matches!(
        verify(&vk, &short),
        Err(OpeningError::Read(ReadError::Short { .. }))
    ));
    let mut long = case();
    long.proof.extend([0; 32]);
    assert_eq!(verify(&vk, &long), Err(OpeningError::Read(ReadError::Trailing(32))));
    let (_, elsewhere) = (0, VerifyKey::new((G2Affine::generator() * Fr::from(9)).to_affine()));
    let mut reader = ProofReader::new(statement(&vk, &good.commitment, &good.point), &good.proof);
    assert_eq!(
        elsewhere.verify(&mut reader, &[(Fr::ONE, good.commitment)], &good.point, &good.value),
        Err(OpeningError::Pairing)
    );
}

#[test]
fn shapes_that_cannot_be_opened_are_refused() {
    let (key, vk) = srs(3);
    let mut out = ProofWriter::new(Transcript::new(&vk.srs_id()));
    let shape = |cells, variables| Err(OpeningError::Shape { cells, variables });
    assert_eq!(key.open(&mut out, random(8, 1), &random(2, 1)), shape(8, 2));
    assert_eq!(key.open(&mut out, random(1, 1), &[]), shape(1, 0));
    assert_eq!(
        key.open(&mut out, random(16, 1), &random(4, 1)),
        Err(OpeningError::Key(KeyTooSmall { needed: 16, have: 8 }))
    );
    let mut reader = ProofReader::new(Transcript::new(&vk.srs_id()), &[]);
    assert_eq!(vk.verify(&mut reader, &[], &[], &Fr::ZERO), shape(1, 0));
}

// -------------------------------------------------------------------------------------------------
// A second verifier, by the text of docs/cid-argument.md and with arkworks' arithmetic: nothing of
// it is shared with the one above but the Keccak crate. Its equations are the scheme's before any
// rearrangement: three Lagrange terms, one KZG check of L at zeta.

type ArkFr = ark_bn254::Fr;
type ArkG1 = ark_bn254::G1Affine;

struct Second<'a> {
    state: [u8; 32],
    pending: Vec<u8>,
    proof: &'a [u8],
}

impl Second<'_> {
    fn word(&mut self) -> Option<[u8; 32]> {
        let (word, rest) = self.proof.split_first_chunk::<32>()?;
        self.proof = rest;
        self.pending.extend(word);
        Some(*word)
    }

    fn scalar(&mut self) -> Option<ArkFr> {
        let word = self.word()?;
        let x = ArkFr::from_be_bytes_mod_order(&word);
        (x.into_bigint().to_bytes_be() == word).then_some(x)
    }

    fn point(&mut self) -> Option<ArkG1> {
        let coordinate = |word: [u8; 32]| {
            let x = ark_bn254::Fq::from_be_bytes_mod_order(&word);
            (x.into_bigint().to_bytes_be() == word).then_some(x)
        };
        let (x, y) = (coordinate(self.word()?)?, coordinate(self.word()?)?);
        if x.is_zero() && y.is_zero() {
            return Some(ArkG1::zero());
        }
        let p = ArkG1::new_unchecked(x, y);
        p.is_on_curve().then_some(p)
    }

    fn challenge(&mut self) -> ArkFr {
        let mut input = self.state.to_vec();
        if self.pending.is_empty() {
            input.push(1);
        }
        input.append(&mut self.pending);
        self.state = Keccak256::digest(input).into();
        ArkFr::from_be_bytes_mod_order(&self.state)
    }
}

fn ark_scalar(x: &Fr) -> ArkFr {
    ArkFr::from_be_bytes_mod_order(&scalar_to_word(x))
}

fn ark_point(p: &G1Affine) -> ArkG1 {
    let [x, y] = point_to_words(p).map(|w| ark_bn254::Fq::from_be_bytes_mod_order(&w));
    if x.is_zero() { ArkG1::zero() } else { ArkG1::new(x, y) }
}

fn independent(vk: &VerifyKey, case: &Case) -> bool {
    independently(vk, case).unwrap_or(false)
}

fn independently(vk: &VerifyKey, case: &Case) -> Option<bool> {
    assert_eq!(
        point_from_words(&point_to_words(&case.commitment)),
        Some(case.commitment)
    );
    let mut t = Second {
        state: Keccak256::digest(b"zkaggle/v1/CID-ARGUMENT").into(),
        pending: vk.srs_id().to_vec(),
        proof: &case.proof,
    };
    point_to_words(&case.commitment)
        .iter()
        .for_each(|w| t.pending.extend(w));
    case.point.iter().for_each(|x| t.pending.extend(scalar_to_word(x)));
    let r: Vec<ArkFr> = case.point.iter().map(ark_scalar).collect();
    let n = r.len();

    let mut commitments = vec![ark_point(&case.commitment)];
    for _ in 1..n {
        commitments.push(t.point()?);
    }
    let u = t.challenge();
    let mut plus_minus = vec![];
    for _ in 0..n {
        plus_minus.push((t.scalar()?, t.scalar()?));
    }
    let mut squares = vec![t.scalar()?];
    let gamma = t.challenge();
    let w = t.point()?;
    let zeta = t.challenge();
    let w2 = t.point()?;
    if !t.proof.is_empty() {
        return Some(false);
    }

    let two = ArkFr::from(2u64);
    for (i, (plus, minus)) in plus_minus.iter().enumerate() {
        let even = (*plus + minus) / two;
        let odd = (*plus - minus) / (two * u);
        squares.push((ArkFr::from(1u64) - r[i]) * even + r[i] * odd);
    }
    if squares[n] != ark_scalar(&case.value) {
        return Some(false);
    }
    // L = Σ γ^i (f_i − values) − …: its commitment, then e(L − L(ζ), G2) = e(W', (τ − ζ) G2).
    let points = [u, -u, u.square()];
    let lagrange = |j: usize| {
        (0..3)
            .filter(|k| *k != j)
            .map(|k| (zeta - points[k]) / (points[j] - points[k]))
            .product::<ArkFr>()
    };
    let mut left = ark_bn254::G1Projective::zero();
    let mut at_zeta = ArkFr::zero();
    for i in (0..n).rev() {
        left = left * gamma + commitments[i];
        let values = [plus_minus[i].0, plus_minus[i].1, squares[i]];
        let here: ArkFr = (0..3).map(|j| lagrange(j) * values[j]).sum();
        at_zeta = at_zeta * gamma + here;
    }
    let z: ArkFr = points.iter().map(|p| zeta - p).product();
    left -= w * z + ArkG1::generator() * at_zeta;
    let coordinate = |b: &Word| ark_bn254::Fq::from_be_bytes_mod_order(b);
    let [xi, xr, yi, yr] = g2_to_words(&vk.tau_g2);
    let tau_g2 = ark_bn254::G2Affine::new(
        ark_bn254::Fq2::new(coordinate(&xr), coordinate(&xi)),
        ark_bn254::Fq2::new(coordinate(&yr), coordinate(&yi)),
    );
    let g2 = ark_bn254::G2Affine::generator();
    let divisor = (tau_g2.into_group() - g2 * zeta).into_affine();
    let product =
        ark_bn254::Bn254::multi_pairing([left.into_affine(), (-w2.into_group()).into_affine()], [g2, divisor]);
    Some(product.is_zero())
}
