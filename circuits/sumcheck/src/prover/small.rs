//! The first three block rounds over small integers.
//!
//! Eight neighbouring slots are a table over {0, 1}³; each multilinear cell takes small integer
//! values on {0, 1, −1, 2}³, and a constraint's value there is an integer too. So these rounds, which
//! bind three of the slot variables, need field arithmetic once a group and point only.
//!
//! Bounds. A bit lies in [−1, 2], [−4, 5], [−13, 14] after extension in one, two, three variables. Per
//! lane, with s = 1 − 2b in [−27, 27]: an exclusive or is (1 − sss)/2, at most 9,842 in magnitude;
//! Ch at most 14·27 + 14 = 392; Maj at most 14·420 + 196 = 6,076; a constraint adds at most two
//! exclusive ors and 76 besides, below 2^15, so i16 lanes hold every term. Packed, a value is below
//! 2^15·2^32 = 2^47; carries add below 2^40, K_t below 2^36: below 2^48 in all. Shifted by 2^48 it is
//! an unsigned number of 49 bits, and 64·3 products with 64-bit limbs stay below
//! 2^(64 + 49 + 8) = 2^121: the u128 accumulators of a group never overflow.
//!
//! # Source
//! Bagad, Domb, Thaler (eprint 2024/1046).

use crate::layout::{BIT_COLUMNS, BOUNDARY, CARRY, ROWS, SCHEDULE, alpha};
use crate::trace::{K, STATE_OFFSET, STATES, Slot};
use crate::verifier::{Challenges, row_weights};
use halo2curves::bn256::Fr;
use halo2curves::ff::{Field, PrimeField};
use rayon::prelude::*;

/// Slots of a group.
pub const GROUP: usize = 8;
/// Points of the grid; the digit of variable j has weight 4^j and means 0, 1, −1, 2.
pub const POINTS: usize = 64;

/// 32 bits of a word at a point.
type Lanes = [i16; 32];

/// What a value is shifted by to be unsigned.
const OFFSET: i64 = 1 << 48;

/// Whether a point lies on the cube, where satisfied constraints are 0.
fn on_cube(p: usize) -> bool {
    [p & 3, p >> 2 & 3, p >> 4].iter().all(|digit| *digit < 2)
}

/// Place of a slot of the group in the grid.
fn place(slot: usize) -> usize {
    (slot & 1) + 4 * (slot >> 1 & 1) + 16 * (slot >> 2)
}

/// Extends values on the cube to the grid.
fn extend<T: Copy>(grid: &mut [T], minus: impl Fn(T, T) -> T) {
    for step in [1, 4, 16] {
        for p in 0..POINTS {
            let digit = p / step % 4;
            let base = p - digit * step;
            if digit == 2 {
                // 2·low − high.
                grid[p] = minus(grid[base], grid[base + step]);
            } else if digit == 3 {
                grid[p] = minus(grid[base + step], grid[base]);
            }
        }
    }
}

fn extend_integers(values: [i64; GROUP]) -> [i64; POINTS] {
    let mut grid = [0; POINTS];
    for (j, v) in values.iter().enumerate() {
        grid[place(j)] = *v;
    }
    extend(&mut grid, |x, y| 2 * x - y);
    grid
}

fn extend_words(words: [u32; GROUP], grid: &mut [Lanes]) {
    for (j, w) in words.iter().enumerate() {
        grid[place(j)] = std::array::from_fn(|i| (w >> i & 1) as i16);
    }
    extend(grid, |x, y| std::array::from_fn(|i| 2 * x[i] - y[i]));
}

fn rotate(x: &Lanes, n: usize) -> Lanes {
    std::array::from_fn(|i| x[(i + n) % 32])
}

/// 1 − 2b.
fn signs(x: &Lanes) -> Lanes {
    std::array::from_fn(|i| 1 - 2 * x[i])
}

/// Shifted signs; a bit shifted in is 0, its sign 1.
fn shift(x: &Lanes, n: usize) -> Lanes {
    std::array::from_fn(|i| if i + n < 32 { x[i + n] } else { 1 })
}

fn xor(x: &Lanes, y: &Lanes, z: &Lanes) -> Lanes {
    std::array::from_fn(|i| (1 - x[i] * y[i] * z[i]) >> 1)
}

fn pack(x: &Lanes) -> i64 {
    x.iter().enumerate().map(|(i, v)| i64::from(*v) << i).sum()
}

/// A group's words on the grid, and its integers.
struct Extended {
    /// Place t + 3, then point.
    a: Vec<Lanes>,
    e: Vec<Lanes>,
    w: Vec<Lanes>,
    /// Per row: carry of e; carry of a less act; carry of the schedule.
    carries: Vec<[[i64; POINTS]; 3]>,
    act: [i64; POINTS],
}

impl Extended {
    fn new() -> Self {
        Self {
            a: vec![[0; 32]; STATES * POINTS],
            e: vec![[0; 32]; STATES * POINTS],
            w: vec![[0; 32]; ROWS * POINTS],
            carries: vec![[[0; POINTS]; 3]; ROWS],
            act: [0; POINTS],
        }
    }

    fn fill(&mut self, group: &[&Slot; GROUP], in_use: usize) {
        let act: [i64; GROUP] = std::array::from_fn(|j| i64::from(j < in_use));
        self.act = extend_integers(act);
        for r in 0..STATES {
            let grid = r * POINTS..(r + 1) * POINTS;
            extend_words(group.map(|s| s.a[r]), &mut self.a[grid.clone()]);
            extend_words(group.map(|s| s.e[r]), &mut self.e[grid]);
        }
        for t in 0..ROWS {
            extend_words(group.map(|s| s.w[t]), &mut self.w[t * POINTS..(t + 1) * POINTS]);
            let c: [i64; GROUP] = group.map(|s| i64::from(s.carries[t]));
            self.carries[t] = [
                extend_integers(c.map(|c| c & 7)),
                extend_integers(std::array::from_fn(|j| (c[j] >> 3 & 3) - act[j])),
                extend_integers(c.map(|c| c >> 5 & 3)),
            ];
        }
    }

    /// The three constraints of row t at a point.
    fn constraints(&self, t: usize, p: usize) -> [i64; 3] {
        let a = |back: isize| &self.a[(t + STATE_OFFSET).wrapping_add_signed(-back) * POINTS + p];
        let e = |back: isize| &self.e[(t + STATE_OFFSET).wrapping_add_signed(-back) * POINTS + p];
        let (x, y, z, d, next_a) = (a(0), a(1), a(2), a(3), a(-1));
        let (f0, f1, f2, h, next_e) = (e(0), e(1), e(2), e(3), e(-1));
        let w = &self.w[t * POINTS + p];
        let (sa, se) = (signs(x), signs(f0));
        let s1 = xor(&rotate(&se, 6), &rotate(&se, 11), &rotate(&se, 25));
        let s0 = xor(&rotate(&sa, 2), &rotate(&sa, 13), &rotate(&sa, 22));
        let round_e: Lanes = std::array::from_fn(|i| {
            let ch = f0[i] * (f1[i] - f2[i]) + f2[i];
            next_e[i] - d[i] - h[i] - w[i] - s1[i] - ch
        });
        let round_a: Lanes = std::array::from_fn(|i| {
            let yz = y[i] * z[i];
            let maj = x[i] * (y[i] + z[i] - 2 * yz) + yz;
            next_a[i] - next_e[i] + d[i] - s0[i] - maj
        });
        let c = &self.carries[t];
        let mut out = [
            pack(&round_e) + (c[0][p] << 32) - self.act[p] * i64::from(K[t]),
            pack(&round_a) + (c[1][p] << 32),
            0,
        ];
        if SCHEDULE.contains(&t) {
            let word = |t: usize| &self.w[t * POINTS + p];
            let (sw, sv) = (signs(w), signs(word(t + 13)));
            let s0 = xor(&rotate(&sw, 7), &rotate(&sw, 18), &shift(&sw, 3));
            let s1 = xor(&rotate(&sv, 17), &rotate(&sv, 19), &shift(&sv, 10));
            let (w15, before, w8) = (word(t + 15), word(t - 1), word(t + 8));
            let schedule: Lanes = std::array::from_fn(|i| w15[i] - before[i] - w8[i] - s0[i] - s1[i]);
            out[2] = pack(&schedule) + (c[2][p] << 32);
        }
        out
    }
}

/// Byte i: bit i of each of eight words.
pub fn transpose(words: [u32; GROUP]) -> [u8; 32] {
    std::array::from_fn(|i| {
        words
            .iter()
            .enumerate()
            .fold(0, |b, (j, w)| b | ((w >> i & 1) as u8) << j)
    })
}

/// The slots of group g, empty ones behind those in use; and how many are in use.
pub fn group(slots: &[Slot], g: usize) -> ([&Slot; GROUP], usize) {
    let rest = slots.get(GROUP * g..).unwrap_or_default();
    (
        std::array::from_fn(|j| rest.get(j).unwrap_or(&Slot::EMPTY)),
        rest.len().min(GROUP),
    )
}

fn limbs(x: &Fr) -> [u64; 4] {
    let repr = x.to_repr();
    std::array::from_fn(|i| {
        repr[8 * i..8 * i + 8]
            .iter()
            .rev()
            .fold(0, |v, b| v << 8 | u64::from(*b))
    })
}

/// Row weights of the three constraints, α included.
struct RowWeights {
    limbs: Vec<[[u64; 4]; 3]>,
    /// What all shifts of a group add up to.
    offset: Fr,
}

impl RowWeights {
    fn new(challenges: &Challenges) -> Self {
        let [all, schedule] = row_weights(&challenges.theta);
        let a = &challenges.alphas;
        let weights: Vec<[Fr; 3]> = all
            .iter()
            .zip(&schedule)
            .map(|(e, s)| [a[alpha::ROUND_E] * e, a[alpha::ROUND_A] * e, a[alpha::SCHEDULE] * s])
            .collect();
        let sum: Fr = weights.iter().flatten().sum();
        Self {
            limbs: weights.iter().map(|w| w.each_ref().map(limbs)).collect(),
            offset: sum * Fr::from(OFFSET as u64),
        }
    }

    /// Σ over rows and constraints at a point of a group.
    fn sum(&self, x: &Extended, p: usize, radix: &Fr) -> Fr {
        let mut sums = [0u128; 4];
        for (t, weights) in self.limbs.iter().enumerate() {
            for (value, weight) in x.constraints(t, p).iter().zip(weights) {
                let shifted = u128::from((value + OFFSET) as u64);
                for (s, w) in sums.iter_mut().zip(weight) {
                    *s += u128::from(*w) * shifted;
                }
            }
        }
        let value = sums.iter().rev().fold(Fr::ZERO, |v, s| v * radix + Fr::from_u128(*s));
        value - self.offset
    }
}

/// What threads add up.
struct Sums {
    grid: Vec<Fr>,
    /// Per bit column and pattern of a group's bits: the weights of the cells with it.
    buckets: Vec<Fr>,
}

impl Sums {
    fn new() -> Self {
        Self {
            grid: vec![Fr::ZERO; POINTS],
            buckets: vec![Fr::ZERO; BIT_COLUMNS << GROUP],
        }
    }

    fn add(mut self, other: &Self) -> Self {
        let pairs = self.grid.iter_mut().zip(&other.grid);
        for (x, y) in pairs.chain(self.buckets.iter_mut().zip(&other.buckets)) {
            *x += y;
        }
        self
    }

    fn bits(&mut self, group: &[&Slot; GROUP], weights: &[Fr]) {
        let mut put = |column: usize, words: [u32; GROUP], n: usize, weight: &dyn Fn(usize) -> Fr| {
            for (i, pattern) in transpose(words)[..n].iter().enumerate() {
                self.buckets[(column + i) << GROUP | usize::from(*pattern)] += weight(i);
            }
        };
        for (t, weight) in weights.iter().enumerate() {
            let r = t + STATE_OFFSET;
            let same = |_: usize| *weight;
            put(0, group.map(|s| s.w[t]), 32, &same);
            put(32, group.map(|s| s.a[r]), 32, &same);
            put(64, group.map(|s| s.e[r]), 32, &same);
            put(CARRY, group.map(|s| u32::from(s.carries[t])), 7, &same);
        }
        for q in 0..4 {
            for (half, shift) in [(0, 0), (32, 32)] {
                let patterns = transpose(group.map(|s| (s.boundary(q) >> shift) as u32));
                for (i, pattern) in patterns.iter().enumerate() {
                    self.buckets[(BOUNDARY + q) << GROUP | usize::from(*pattern)] += weights[half + i];
                }
            }
        }
    }
}

/// Σ over groups of eq times the group's constraints, at every point of the grid; 0 on the cube,
/// where the cells satisfy them.
///
/// `eq` has the weight of each group.
pub fn grid(slots: &[Slot], eq: &[Fr], challenges: &Challenges) -> Vec<Fr> {
    let groups = slots.len().div_ceil(GROUP);
    let weights = RowWeights::new(challenges);
    let [rows, _] = row_weights(&challenges.theta);
    let radix = Fr::from_u128(1 << 64);
    let chunk = groups.div_ceil(4 * rayon::current_num_threads()).max(1);
    let sums = (0..groups.div_ceil(chunk))
        .into_par_iter()
        .map(|part| {
            let mut sums = Sums::new();
            let mut extended = Extended::new();
            for g in part * chunk..((part + 1) * chunk).min(groups) {
                let (group, in_use) = group(slots, g);
                extended.fill(&group, in_use);
                for p in (0..POINTS).filter(|p| !on_cube(*p)) {
                    sums.grid[p] += eq[g] * weights.sum(&extended, p, &radix);
                }
                let row: Vec<Fr> = rows.iter().map(|r| eq[g] * r).collect();
                sums.bits(&group, &row);
            }
            sums
        })
        .reduce(Sums::new, |x, y| x.add(&y));

    let mut grid = sums.grid;
    let alphas = &challenges.alphas[alpha::BIT..];
    for pattern in 0..1usize << GROUP {
        let bits = extend_integers(std::array::from_fn(|j| (pattern >> j & 1) as i64));
        let weight: Fr = (0..BIT_COLUMNS)
            .map(|c| alphas[c] * sums.buckets[c << GROUP | pattern])
            .sum();
        for (x, b) in grid.iter_mut().zip(bits) {
            *x += weight * Fr::from((b * b - b) as u64);
        }
    }
    grid
}

/// Coefficients of the polynomial of degree 3 with these values at 0, 1, −1, 2.
pub fn interpolate(values: &[Fr; 4]) -> [Fr; 4] {
    let [zero, one, minus, two] = *values;
    let third = (Fr::from(3)).invert().unwrap_or(Fr::ZERO);
    let c2 = (one + minus) * Fr::TWO_INV - zero;
    let odd = (one - minus) * Fr::TWO_INV;
    let c3 = ((two - zero - c2.double().double()) * Fr::TWO_INV - odd) * third;
    [zero, odd - c3, c2, c3]
}

/// The three rounds over a grid.
pub struct Rounds {
    grid: Vec<Fr>,
}

impl Rounds {
    pub fn new(grid: Vec<Fr>) -> Self {
        Self { grid }
    }

    /// The inner polynomial of the next round; `eq` weighs the later variables of the grid.
    pub fn inner(&self, eq: &[Fr]) -> [Fr; 4] {
        let mut values = [Fr::ZERO; 4];
        for (rest, weight) in eq.iter().enumerate() {
            let at = 4 * place(rest);
            for (v, x) in values.iter_mut().zip(&self.grid[at..]) {
                *v += weight * x;
            }
        }
        interpolate(&values)
    }

    /// Binds the round's variable.
    pub fn bind(&mut self, x: &Fr) {
        self.grid = self
            .grid
            .chunks_exact(4)
            .map(|v| {
                let c = interpolate(&[v[0], v[1], v[2], v[3]]);
                c.iter().rev().fold(Fr::ZERO, |s, c| s * x + c)
            })
            .collect();
    }
}
