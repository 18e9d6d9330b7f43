//! Where every word of a proof lies in the verifier's memory, and when it is hashed.
//!
//! ```text
//! FIRST  state | vk digest | public inputs | phase-0 points     -> challenges
//!        state | phase-1 points                                 -> challenges, theta, beta, gamma
//!        state | permutation products, random polynomial        -> y
//!        state | quotient pieces                                -> x
//!        state | evaluations                                    -> y', v
//!        state | first opening point                            -> u
//!        state | second opening point
//! ```
//!
//! A segment is the transcript's preimage as it stands: the 32-byte state just before what was
//! absorbed since the last challenge, so that hashing needs no copying. Challenges follow the last
//! segment in the order they are squeezed.

use halo2_proofs::plonk::ConstraintSystem;
use halo2curves::bn256::Fr;

/// First address the verifier uses. Solidity's own memory and the adapter's inputs end before it.
pub const FIRST: u32 = 0x400;

/// Bytes copied from the proof behind one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// 32-byte words taken from the proof; in the first segment the digest and the public inputs
    /// stand before them.
    pub words: u16,
    /// Challenges squeezed afterwards; only the last segment has none.
    pub squeezes: u8,
    /// Scalars must be below the modulus; points are checked by the precompiles they go to.
    pub scalars: bool,
}

/// Addresses of a proof's parts and challenges.
#[derive(Debug, Default)]
pub struct Layout {
    pub segments: Vec<Segment>,
    pub inputs: Vec<u32>,
    /// By column index.
    pub advice: Vec<u32>,
    pub challenges: Vec<u32>,
    pub beta: u32,
    pub gamma: u32,
    pub products: Vec<u32>,
    pub random: u32,
    pub y: u32,
    pub quotients: Vec<u32>,
    pub x: u32,
    /// By query index.
    pub advice_evals: Vec<u32>,
    pub fixed_evals: Vec<u32>,
    pub random_eval: u32,
    pub sigma_evals: Vec<u32>,
    /// `z(x)`, `z(ωx)` and, for all but the last, `z(ω^last x)`.
    pub product_evals: Vec<(u32, u32, Option<u32>)>,
    pub fold: u32,
    pub set_fold: u32,
    pub first_opening: u32,
    pub u: u32,
    pub second_opening: u32,
    /// Where challenges begin.
    pub challenges_at: u32,
    /// First address after the challenges.
    pub end: u32,
    pub proof_bytes: u32,
}

/// Walks the proof as the verifier reads it.
struct Cursor {
    at: u32,
    pending: u16,
    scalars: bool,
    segments: Vec<Segment>,
    /// Challenges so far; their addresses are known only at the end.
    squeezed: u32,
    proof_words: u32,
}

impl Cursor {
    fn word(&mut self, words: u16, scalars: bool) -> u32 {
        let at = self.at;
        self.at += 32 * u32::from(words);
        self.pending += words;
        self.proof_words += u32::from(words);
        self.scalars = scalars;
        at
    }

    fn point(&mut self) -> u32 {
        self.word(2, false)
    }

    fn scalar(&mut self) -> u32 {
        self.word(1, true)
    }

    /// Index of the challenge. The first one closes the segment, even an empty first segment:
    /// digest and inputs are in it.
    fn squeeze(&mut self) -> u32 {
        if self.pending > 0 || self.segments.is_empty() {
            self.close();
        }
        if let Some(last) = self.segments.last_mut() {
            last.squeezes += 1;
        }
        self.squeezed += 1;
        self.squeezed - 1
    }

    fn close(&mut self) {
        self.segments.push(Segment {
            words: self.pending,
            squeezes: 0,
            scalars: self.scalars,
        });
        self.pending = 0;
        // The next state.
        self.at += 32;
    }
}

impl Layout {
    /// Lays out the proofs of a constraint system with `instances` public inputs.
    pub fn new(cs: &ConstraintSystem<Fr>, instances: usize) -> Self {
        let mut c = Cursor {
            at: FIRST + 32,
            pending: 0,
            scalars: false,
            segments: vec![],
            squeezed: 0,
            proof_words: 0,
        };
        let mut l = Self::default();
        c.at += 32;
        for _ in 0..instances {
            l.inputs.push(c.at);
            c.at += 32;
        }
        let column_phases = cs.advice_column_phase();
        let challenge_phases = cs.challenge_phase();
        let last_phase = column_phases.iter().copied().max().unwrap_or(0);
        l.advice = vec![0; column_phases.len()];
        l.challenges = vec![0; challenge_phases.len()];
        for phase in 0..=last_phase {
            for (at, p) in l.advice.iter_mut().zip(&column_phases) {
                if *p == phase {
                    *at = c.point();
                }
            }
            for (at, p) in l.challenges.iter_mut().zip(&challenge_phases) {
                if *p == phase {
                    *at = c.squeeze();
                }
            }
        }
        // theta folds lookups, of which there are none; it is squeezed all the same.
        c.squeeze();
        l.beta = c.squeeze();
        l.gamma = c.squeeze();
        let columns = cs.permutation().get_columns().len();
        let sets = columns.div_ceil(cs.degree() - 2);
        l.products = (0..sets).map(|_| c.point()).collect();
        l.random = c.point();
        l.y = c.squeeze();
        l.quotients = (0..cs.degree() - 1).map(|_| c.point()).collect();
        l.x = c.squeeze();
        l.advice_evals = cs.advice_queries().iter().map(|_| c.scalar()).collect();
        l.fixed_evals = cs.fixed_queries().iter().map(|_| c.scalar()).collect();
        l.random_eval = c.scalar();
        l.sigma_evals = (0..columns).map(|_| c.scalar()).collect();
        l.product_evals = (0..sets)
            .map(|i| (c.scalar(), c.scalar(), (i + 1 < sets).then(|| c.scalar())))
            .collect();
        l.fold = c.squeeze();
        l.set_fold = c.squeeze();
        l.first_opening = c.point();
        l.u = c.squeeze();
        l.second_opening = c.point();
        c.close();

        // `close` left room for one more state; challenges may use it.
        l.challenges_at = c.at - 32;
        l.end = l.challenges_at + 32 * c.squeezed;
        let base = l.challenges_at;
        let numbered = [
            &mut l.beta,
            &mut l.gamma,
            &mut l.y,
            &mut l.x,
            &mut l.fold,
            &mut l.set_fold,
            &mut l.u,
        ];
        for at in numbered.into_iter().chain(&mut l.challenges) {
            *at = base + 32 * *at;
        }
        l.proof_bytes = 32 * c.proof_words;
        l.segments = c.segments;
        l
    }
}
