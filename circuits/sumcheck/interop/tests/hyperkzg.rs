//! Commitments, values and openings of the same polynomials, ours and nova's.
//!
//! A column's cells are nova's evaluations in the same order, and the coefficients of the same
//! univariate polynomial. Points are written the other way round: our variable 0, the lowest bit of
//! an index, is nova's last.
//!
//! * Keys: the same powers of a secret, each library's own.
//! * Commitments to elements, bytes and bits.
//! * Values, and both verifiers' answers to the right and to wrong ones.
//! * Commitments to the folds, from our proof's bytes and from nova's argument.
//! * The rest of the opening. Under each library's own transcript it cannot be compared: the
//!   challenges differ, and nova proves the three values by three quotients where we prove them by
//!   two in a row. Under the same challenges ours follow from nova's: see [`assemble`].

use halo2curves::bn256::Fr as NovaFr;
use halo2curves_axiom::bn256::{Fr, G1, G1Affine, G2Affine};
use halo2curves_axiom::ff::Field;
use halo2curves_axiom::group::Curve;
use nova_snark::provider::Bn256EngineKZG;
use nova_snark::provider::hyperkzg::{
    Commitment, CommitmentEngine, CommitmentKey, EvaluationArgument, EvaluationEngine,
};
use nova_snark::provider::keccak::Keccak256Transcript;
use nova_snark::spartan::polys::multilinear::MultilinearPolynomial;
use nova_snark::traits::TranscriptEngineTrait;
use nova_snark::traits::commitment::CommitmentEngineTrait;
use nova_snark::traits::evaluation::EvaluationEngineTrait;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::iter::successors;
use std::sync::OnceLock;
use zkaggle_sumcheck::commit::{Column, CommitKey, OpeningError, VerifyKey};
use zkaggle_sumcheck::encoding::g2_to_words;
use zkaggle_sumcheck::mle::{bind, eq_table};
use zkaggle_sumcheck::transcript::{ProofReader, ProofWriter, Transcript};
use zkaggle_sumcheck_interop::convert::{g2_words, point, to_nova, to_ours};
use zkaggle_sumcheck_interop::replay::{Replay, Script};

/// Nova's engine as it is, transcript included.
type Nova = Bn256EngineKZG;

/// Variables of the largest polynomial.
const LARGEST: usize = 12;

/// Keys of one secret.
struct Keys {
    commit: CommitKey,
    verify: VerifyKey,
    powers: Vec<G1Affine>,
    nova: CommitmentKey<Nova>,
    replay: CommitmentKey<Replay>,
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        // Nova's secret is the first scalar that its generator gives.
        let tau = to_ours(&<NovaFr as Field>::random(rng(0)));
        let nova = CommitmentKey::<Nova>::setup_from_rng(b"interop", 1 << LARGEST, rng(0));
        let replay = CommitmentKey::<Replay>::new(nova.ck().to_vec(), *nova.h(), *nova.tau_H()).unwrap();
        let powers: Vec<G1Affine> = successors(Some(G1::generator()), |p| Some(*p * tau))
            .take(1 << LARGEST)
            .map(|p| p.to_affine())
            .collect();
        Keys {
            commit: CommitKey::new(powers.clone().into()),
            verify: VerifyKey::new((G2Affine::generator() * tau).to_affine()),
            powers,
            nova,
            replay,
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Any elements.
    Random,
    /// 0 to 255.
    Bytes,
    /// 0 and 1.
    Bits,
    /// The zero polynomial, whose commitments are all infinity.
    Zero,
    /// Zeros but for the last cell.
    Last,
    /// Any elements at a corner of the cube, where the value is a cell.
    Corner,
}

/// A polynomial and a point, with what both libraries say of them.
struct Case {
    kind: Kind,
    cells: Vec<Fr>,
    point: Vec<Fr>,
    commitment: G1Affine,
    value: Fr,
    nova_cells: Vec<NovaFr>,
    /// Nova's order.
    nova_point: Vec<NovaFr>,
}

impl Case {
    fn new(kind: Kind, n: usize, rng: &mut ChaCha20Rng) -> Self {
        let cells: Vec<Fr> = (1..=1 << n)
            .map(|i| match kind {
                Kind::Bytes => Fr::from(rng.next_u64() & 255),
                Kind::Bits => Fr::from(rng.next_u64() & 1),
                Kind::Zero => Fr::ZERO,
                Kind::Last if i < 1 << n => Fr::ZERO,
                _ => Fr::random(&mut *rng),
            })
            .collect();
        let point: Vec<Fr> = (0..n)
            .map(|_| match kind {
                Kind::Corner => Fr::from(rng.next_u64() & 1),
                _ => Fr::random(&mut *rng),
            })
            .collect();
        Self {
            kind,
            commitment: keys().commit.commit(&[Column::Scalars(&cells)]).unwrap()[0],
            value: cells.iter().zip(eq_table(&point)).map(|(c, e)| c * e).sum(),
            nova_cells: cells.iter().map(to_nova).collect(),
            nova_point: point.iter().rev().map(to_nova).collect(),
            cells,
            point,
        }
    }

    fn name(&self) -> String {
        format!("{:?}, {} variables", self.kind, self.point.len())
    }

    /// What a verifier of ours knows before the opening, with a value that may be wrong.
    fn statement(&self, value: &Fr) -> Transcript {
        let mut t = Transcript::new(&keys().verify.srs_id());
        t.point(&self.commitment);
        self.point.iter().for_each(|x| t.scalar(x));
        t.scalar(value);
        t
    }

    fn open(&self, value: &Fr) -> Vec<u8> {
        let mut out = ProofWriter::new(self.statement(value));
        keys().commit.open(&mut out, self.cells.clone(), &self.point).unwrap();
        out.finish()
    }

    fn verify(&self, value: &Fr, proof: &[u8]) -> Result<(), OpeningError> {
        let mut reader = ProofReader::new(self.statement(value), proof);
        let terms = [(Fr::ONE, self.commitment)];
        keys().verify.verify(&mut reader, &terms, &self.point, value)?;
        Ok(reader.finish()?)
    }

    fn nova_commitment(&self) -> Commitment<Nova> {
        CommitmentEngine::<Nova>::commit(&keys().nova, &self.nova_cells, &NovaFr::ZERO)
    }

    /// Nova's argument under nova's transcript that a polynomial has a value, and nova's verdict.
    fn nova(&self, at: &[NovaFr], value: &NovaFr) -> (EvaluationArgument<Nova>, bool) {
        let key = &keys().nova;
        let commitment = self.nova_commitment();
        let statement = || {
            let mut t = Keccak256Transcript::<Nova>::new(b"interop");
            t.absorb(b"C", &commitment);
            t.absorb(b"x", &at);
            t.absorb(b"v", value);
            t
        };
        let (pk, vk) = EvaluationEngine::<Nova>::setup(key).unwrap();
        let argument =
            EvaluationEngine::<Nova>::prove(key, &pk, &mut statement(), &commitment, &self.nova_cells, at, value)
                .unwrap();
        let verdict = EvaluationEngine::<Nova>::verify(&vk, &mut statement(), &commitment, at, value, &argument);
        (argument, verdict.is_ok())
    }

    /// Nova's argument under given challenges: the evaluation point, the batching, and the one that
    /// joins the verifier's three equations.
    fn replay(&self, challenges: [NovaFr; 3]) -> EvaluationArgument<Replay> {
        let key = &keys().replay;
        let (pk, _) = EvaluationEngine::<Replay>::setup(key).unwrap();
        let commitment = Commitment::<Replay>::new(self.nova_commitment().into_inner());
        let mut script = Script::of(&challenges);
        let (cells, at) = (&self.nova_cells, &self.nova_point);
        EvaluationEngine::<Replay>::prove(key, &pk, &mut script, &commitment, cells, at, &to_nova(&self.value)).unwrap()
    }

    fn replay_verdict(&self, challenges: [NovaFr; 3], value: &Fr, argument: &EvaluationArgument<Replay>) -> bool {
        let (_, vk) = EvaluationEngine::<Replay>::setup(&keys().replay).unwrap();
        let commitment = Commitment::<Replay>::new(self.nova_commitment().into_inner());
        let (mut script, value) = (Script::of(&challenges), to_nova(value));
        EvaluationEngine::<Replay>::verify(&vk, &mut script, &commitment, &self.nova_point, &value, argument).is_ok()
    }
}

/// Every kind in every size: 108 cases.
fn cases() -> impl Iterator<Item = Case> {
    use Kind::{Bits, Bytes, Corner, Last, Random, Zero};
    let kinds = [Random, Random, Random, Random, Bytes, Bits, Zero, Last, Corner];
    let mut rng = rng(1);
    (1..=LARGEST)
        .flat_map(move |n| kinds.map(|kind| (kind, n)))
        .map(move |(kind, n)| Case::new(kind, n, &mut rng))
}

/// An opening in our format whose every point and evaluation comes from nova's prover.
///
/// Nova sends `w_j`, commitments to `(B − B(u_j))/(X − u_j)`, for u, −u and u². With the Lagrange
/// basis ℓ over these three points, and `c_j` the leading coefficient of `ℓ_j`, partial fractions
/// give `(B − R)/Z = Σ c_j·(B − B(u_j))/(X − u_j)`, our first quotient. In the second,
/// `(B − R(ζ) − Z(ζ)·(B − R)/Z)/(X − ζ)`, the part that has no denominator in common with these
/// cancels, and `Σ ℓ_j(ζ)·(B − B(u_j))/(X − u_j)` is left.
fn assemble(case: &Case, folds: &[Commitment<Nova>]) -> Vec<u8> {
    let zero = NovaFr::ZERO;
    let mut out = ProofWriter::new(case.statement(&case.value));
    folds.iter().for_each(|c| out.point(&point(&c.into_inner())));
    let u = to_nova(&out.challenge());

    let evaluated = case.replay([u, zero, zero]);
    for v in evaluated.v() {
        out.scalars(&[to_ours(&v[0]), to_ours(&v[1])]);
    }
    out.scalar(&to_ours(&evaluated.v()[0][2]));
    let gamma = to_nova(&out.challenge());

    let quotients = case.replay([u, gamma, zero]);
    let points = [u, -u, u * u];
    let others = |j: usize| (0..3).filter(move |k| *k != j);
    let leading = |j: usize| {
        let product: NovaFr = others(j).map(|k| points[j] - points[k]).product();
        product.invert().unwrap()
    };
    let sum = |weight: &dyn Fn(usize) -> NovaFr| {
        let terms = quotients.w().iter().enumerate().map(|(j, w)| *w * weight(j));
        point(&terms.reduce(|a, b| a + b).unwrap().into_inner())
    };
    out.point(&sum(&leading));
    let zeta = to_nova(&out.challenge());
    let lagrange = |j: usize| others(j).map(|k| zeta - points[k]).product::<NovaFr>() * leading(j);
    out.point(&sum(&lagrange));

    // Nova's verifier holds of the same argument under the same challenges what ours does.
    let challenges = [u, gamma, zeta];
    assert!(
        case.replay_verdict(challenges, &case.value, &quotients),
        "{}",
        case.name()
    );
    let wrong = case.value + Fr::ONE;
    assert!(!case.replay_verdict(challenges, &wrong, &quotients), "{}", case.name());
    out.finish()
}

#[test]
fn the_keys_are_the_same() {
    let k = keys();
    assert_eq!(k.powers.len(), k.nova.ck().len());
    for (i, (ours, theirs)) in k.powers.iter().zip(k.nova.ck()).enumerate() {
        assert_eq!(*ours, point(&(*theirs).into()), "power {i}");
    }
    assert_eq!(g2_to_words(k.verify.tau_g2()), g2_words(k.nova.tau_H()));
}

#[test]
fn commitments_are_the_same() {
    let k = keys();
    let mut rng = rng(2);
    for length in [1, 2, 3, 5, 31, 64, 100, 192, 1000, 2048, 4032, 4096] {
        let scalars: Vec<Fr> = (0..length).map(|_| Fr::random(&mut rng)).collect();
        let bytes: Vec<u8> = (0..length).map(|_| rng.next_u32() as u8).collect();
        let words: Vec<u64> = (0..usize::div_ceil(length, 64)).map(|_| rng.next_u64()).collect();
        let set: Vec<usize> = (0..64 * words.len())
            .filter(|i| words[i / 64] >> (i % 64) & 1 == 1)
            .collect();
        let columns = [Column::Scalars(&scalars), Column::Bytes(&bytes), Column::Bits(&words)];
        let ours = k.commit.commit(&columns).unwrap();
        let scalars: Vec<NovaFr> = scalars.iter().map(to_nova).collect();
        let theirs = [
            CommitmentEngine::<Nova>::commit(&k.nova, &scalars, &NovaFr::ZERO),
            CommitmentEngine::<Nova>::commit_small(&k.nova, &bytes, &NovaFr::ZERO),
            CommitmentEngine::<Nova>::commit_sparse_binary(&k.nova, &set, &NovaFr::ZERO),
        ];
        assert_eq!(ours, theirs.map(|c| point(&c.into_inner())), "{length} cells");
    }
    for case in cases() {
        assert_eq!(
            case.commitment,
            point(&case.nova_commitment().into_inner()),
            "{}",
            case.name()
        );
    }
}

#[test]
fn values_are_the_same_and_no_other_is_accepted() {
    for case in cases() {
        let name = case.name();
        let value = to_nova(&case.value);
        assert_eq!(
            value,
            MultilinearPolynomial::evaluate_with(&case.nova_cells, &case.nova_point),
            "{name}"
        );
        let mut bound = case.cells.clone();
        case.point.iter().for_each(|x| bind(&mut bound, x));
        assert_eq!(bound, [case.value], "{name}");
        if case.kind == Kind::Corner {
            let bits = case.point.iter().enumerate();
            let index: usize = bits.map(|(j, x)| usize::from(*x == Fr::ONE) << j).sum();
            assert_eq!(case.value, case.cells[index], "{name}");
        }

        assert!(case.nova(&case.nova_point, &value).1, "{name}");
        assert_eq!(case.verify(&case.value, &case.open(&case.value)), Ok(()), "{name}");
        // The wrong value is in the transcripts: nothing but its being wrong is left to refuse.
        let wrong = case.value + Fr::ONE;
        assert!(!case.nova(&case.nova_point, &to_nova(&wrong)).1, "{name}");
        assert_eq!(
            case.verify(&wrong, &case.open(&wrong)),
            Err(OpeningError::Fold),
            "{name}"
        );
        // Nor is it the value at the point in our order.
        if case.kind == Kind::Random && case.point.len() > 1 {
            let at: Vec<NovaFr> = case.point.iter().map(to_nova).collect();
            assert!(!case.nova(&at, &value).1, "{name}");
        }
    }
}

#[test]
fn folds_and_the_whole_opening_are_what_nova_makes_of_them() {
    let mut count = 0;
    for case in cases() {
        let name = case.name();
        let (argument, _) = case.nova(&case.nova_point, &to_nova(&case.value));
        let proof = case.open(&case.value);
        let mut reader = ProofReader::new(case.statement(&case.value), &proof);
        let folds = reader.points(case.point.len() - 1, "a fold's commitment").unwrap();
        let theirs: Vec<G1Affine> = argument.com().iter().map(|c| point(&c.into_inner())).collect();
        assert_eq!(folds, theirs, "{name}");

        let assembled = assemble(&case, argument.com());
        assert_eq!(proof, assembled, "{name}");
        assert_eq!(case.verify(&case.value, &assembled), Ok(()), "{name}");
        count += 1;
    }
    assert_eq!(count, 108);
}
