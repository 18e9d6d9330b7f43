//! The constraints of a row, once, as data.
//!
//! A constraint is a signed sum of words that is 0. A word is a read, or a function of bits at every
//! position i with weight 2^i. The reference prover, the native verifier and the generator of the
//! Solidity verifier evaluate this list; the fast prover's hand-written forms are tested against it.
//!
//! Every term is multilinear in the cells, of degree 3 at most. `One` and `Round` are constants, so
//! they carry the public selector of slots in use.

use crate::layout::read;
use crate::mle::powers;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

/// A vector of 32 bits that a row reads: place 32·self of the reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Bits {
    /// a at t, t − 1, t − 2.
    A,
    B,
    C,
    /// e at t, t − 1, t − 2.
    E,
    F,
    G,
    /// W at t and t + 13.
    W,
    W13,
}

/// A packed word that a row reads: place 256 + self of the reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Word {
    /// a at t − 3, which is d.
    D,
    /// a at t + 1.
    NextA,
    /// e at t − 3, which is h.
    H,
    /// e at t + 1.
    NextE,
    /// W at t + 15, t − 1, t + 8.
    W15,
    WBefore,
    W8,
}

/// Where bit i of a moved word comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// From bit (i + n) mod 32: ROTR.
    Rotate(usize),
    /// From bit i + n, 0 beyond 31: SHR.
    Shift(usize),
}

/// A word of a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    Word(Word),
    /// Σ 2^i·bit.
    Packed(Bits),
    /// Exclusive or of three moved copies.
    Xor(Bits, [Move; 3]),
    /// `g + e(f − g)`.
    Choose(Bits, Bits, Bits),
    /// `xy + z(x + y − 2xy)`.
    Majority(Bits, Bits, Bits),
    /// Carry column 96 + n, as it is.
    Carry(usize),
    /// The round constant K_t.
    Round,
    /// 1.
    One,
}

/// Rows on which a constraint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// 0 to 63.
    All,
    /// 1 to 48: row t makes W_{t+15}.
    Schedule,
}

/// A constraint of every slot's rows; its power of α is its place in [`ROWS`].
#[derive(Clone, Copy, Debug)]
pub struct Constraint {
    pub name: &'static str,
    /// Section of FIPS 180-4.
    pub source: &'static str,
    pub rows: Rows,
    pub terms: &'static [(i64, Term)],
}

const WORD: i64 = 1 << 32;

/// The constraints of a row, bits apart.
pub const ROWS: [Constraint; 3] = [
    Constraint {
        name: "round e",
        source: "6.2.2 step 3, 4.1.2 (4.2, 4.5), 4.2.2",
        rows: Rows::All,
        terms: &[
            (1, Term::Word(Word::NextE)),
            (WORD, Term::Carry(0)),
            (2 * WORD, Term::Carry(1)),
            (4 * WORD, Term::Carry(2)),
            (-1, Term::Word(Word::D)),
            (-1, Term::Word(Word::H)),
            (
                -1,
                Term::Xor(Bits::E, [Move::Rotate(6), Move::Rotate(11), Move::Rotate(25)]),
            ),
            (-1, Term::Choose(Bits::E, Bits::F, Bits::G)),
            (-1, Term::Round),
            (-1, Term::Packed(Bits::W)),
        ],
    },
    Constraint {
        name: "round a",
        source: "6.2.2 step 3, 4.1.2 (4.3, 4.4)",
        rows: Rows::All,
        terms: &[
            (1, Term::Word(Word::NextA)),
            (WORD, Term::Carry(3)),
            (2 * WORD, Term::Carry(4)),
            (-WORD, Term::One),
            (-1, Term::Word(Word::NextE)),
            (1, Term::Word(Word::D)),
            (
                -1,
                Term::Xor(Bits::A, [Move::Rotate(2), Move::Rotate(13), Move::Rotate(22)]),
            ),
            (-1, Term::Majority(Bits::A, Bits::B, Bits::C)),
        ],
    },
    Constraint {
        name: "schedule",
        source: "6.2.2 step 1, 4.1.2 (4.6, 4.7)",
        rows: Rows::Schedule,
        terms: &[
            (1, Term::Word(Word::W15)),
            (WORD, Term::Carry(5)),
            (2 * WORD, Term::Carry(6)),
            (-1, Term::Word(Word::WBefore)),
            (
                -1,
                Term::Xor(Bits::W, [Move::Rotate(7), Move::Rotate(18), Move::Shift(3)]),
            ),
            (-1, Term::Word(Word::W8)),
            (
                -1,
                Term::Xor(Bits::W13, [Move::Rotate(17), Move::Rotate(19), Move::Shift(10)]),
            ),
        ],
    },
];

/// Bits that must be bits, by column: the read of each of the 107 columns at its own row.
pub fn bit_read(column: usize) -> usize {
    use crate::layout::{A, BOUNDARY, CARRY, E};
    match column {
        c if c < A => read::BITS + 32 * Bits::W as usize + c,
        c if c < E => read::BITS + 32 * Bits::A as usize + c - A,
        c if c < CARRY => read::BITS + 32 * Bits::E as usize + c - E,
        c if c < BOUNDARY => read::CARRIES + c - CARRY,
        c => read::BOUNDARY + c - BOUNDARY,
    }
}

/// An integer coefficient as a field element.
pub fn signed(v: i64) -> Fr {
    let magnitude = Fr::from(v.unsigned_abs());
    if v < 0 { -magnitude } else { magnitude }
}

fn xor(x: Fr, y: Fr, z: Fr) -> Fr {
    // Without a division: x + y + z − 2(xy + yz + zx) + 4xyz.
    let xy = x * y;
    x + y + z - (xy + z * (x + y)).double() + (xy * z).double().double()
}

impl Term {
    /// The term's value over the 274 reads of a row.
    pub fn evaluate(&self, reads: &[Fr], act: &Fr, k: &Fr) -> Fr {
        let bit = |v: Bits, i: usize| reads[read::BITS + 32 * v as usize + i];
        let moved = |v: Bits, m: Move, i: usize| match m {
            Move::Rotate(n) => bit(v, (i + n) % 32),
            Move::Shift(n) if i + n < 32 => bit(v, i + n),
            Move::Shift(_) => Fr::ZERO,
        };
        let sum = |f: &dyn Fn(usize) -> Fr| (0..32).rev().fold(Fr::ZERO, |s, i| s.double() + f(i));
        match *self {
            Self::Word(w) => reads[read::WORDS + w as usize],
            Self::Packed(v) => sum(&|i| bit(v, i)),
            Self::Xor(v, [x, y, z]) => sum(&|i| xor(moved(v, x, i), moved(v, y, i), moved(v, z, i))),
            Self::Choose(e, f, g) => sum(&|i| bit(g, i) + bit(e, i) * (bit(f, i) - bit(g, i))),
            Self::Majority(x, y, z) => sum(&|i| {
                let (x, y, z) = (bit(x, i), bit(y, i), bit(z, i));
                let xy = x * y;
                xy + z * (x + y - xy.double())
            }),
            Self::Carry(n) => reads[read::CARRIES + n],
            Self::Round => *act * k,
            Self::One => *act,
        }
    }
}

impl Constraint {
    /// The constraint's value over the 274 reads of a row.
    pub fn evaluate(&self, reads: &[Fr], act: &Fr, k: &Fr) -> Fr {
        self.terms
            .iter()
            .map(|(c, t)| signed(*c) * t.evaluate(reads, act, k))
            .sum()
    }
}

/// All constraints of a row under α, the row weights being `all` and, for the schedule, `schedule`.
pub fn evaluate_row(reads: &[Fr], act: &Fr, k: &Fr, all: &Fr, schedule: &Fr, alphas: &[Fr]) -> Fr {
    let rows: Fr = ROWS
        .iter()
        .zip(alphas)
        .map(|(c, alpha)| {
            let weight = match c.rows {
                Rows::All => all,
                Rows::Schedule => schedule,
            };
            *weight * alpha * c.evaluate(reads, act, k)
        })
        .sum();
    let bits: Fr = (0..crate::layout::BIT_COLUMNS)
        .map(|c| {
            let x = reads[bit_read(c)];
            alphas[crate::layout::alpha::BIT + c] * (x.square() - x)
        })
        .sum();
    rows + *all * bits
}

/// 2^0 … 2^31.
pub fn word_weights() -> Vec<Fr> {
    powers(&Fr::from(2), 32)
}
