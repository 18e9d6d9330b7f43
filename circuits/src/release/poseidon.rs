//! Poseidon of width 9 as constraints: the same permutation as `zkaggle_graph::poseidon`.
//!
//! Only S-boxes cost rows, three each (x², x⁴, x⁵). Mixing is linear. In the partial rounds, eight
//! lanes stay linear in what came before, so their coefficients are the same for every permutation:
//! they are worked out once ([`Partial`]) and read into each one.

use crate::release::r1cs::{Builder, Lc, ONE};
use ark_ff::{One, Zero};
use std::sync::OnceLock;
use zkaggle_graph::field::Fr;
use zkaggle_graph::poseidon::{Parameters, T_WIDE};
use zkaggle_graph::tag::Tag;

/// The lanes between permutations.
pub type State = [Lc; T_WIDE];

/// `x⁵`.
///
/// # Constrains
/// x² = x·x, x⁴ = x²·x², x⁵ = x⁴·x. A constant costs nothing.
/// # Cost
/// 3 rows.
fn sbox(b: &mut Builder, x: &Lc) -> Lc {
    if let Some(c) = x.as_constant() {
        let c2 = c * c;
        return Lc::constant(c2 * c2 * c);
    }
    let x2 = b.product("S-box x²", x, x);
    let x4 = b.product("S-box x⁴", &x2, &x2);
    b.product("S-box x⁵", &x4, x)
}

/// Coefficients of the partial rounds over the basis (1, the nine S-box outputs of the full round
/// before them, one S-box output per partial round so far).
struct Partial {
    /// Input of the S-box of each partial round.
    boxed: Vec<Vec<Fr>>,
    /// Lanes after the last partial round.
    lanes: Vec<Vec<Fr>>,
}

impl Partial {
    fn get() -> &'static Self {
        static CACHE: OnceLock<Partial> = OnceLock::new();
        CACHE.get_or_init(|| {
            let p = Parameters::get(T_WIDE);
            let width = 1 + T_WIDE + p.partial_rounds;
            let unit = |i: usize| {
                let mut v = vec![Fr::zero(); width];
                v[i] = Fr::one();
                v
            };
            let mix = |lanes: &[Vec<Fr>]| -> Vec<Vec<Fr>> {
                let column = |row: &[Fr], i: usize| row.iter().zip(lanes).map(|(m, lane)| *m * lane[i]).sum();
                p.mds
                    .iter()
                    .map(|row| (0..width).map(|i| column(row, i)).collect())
                    .collect()
            };
            let mut lanes = mix(&(0..T_WIDE).map(|i| unit(1 + i)).collect::<Vec<_>>());
            let mut boxed = vec![];
            for k in 0..p.partial_rounds {
                for (lane, c) in lanes.iter_mut().zip(&p.round_constants[p.full_rounds / 2 + k]) {
                    lane[0] += c;
                }
                boxed.push(std::mem::replace(&mut lanes[0], unit(1 + T_WIDE + k)));
                lanes = mix(&lanes);
            }
            Self { boxed, lanes }
        })
    }
}

/// The S-boxes of full round `r`; the mix that follows is left to the caller.
fn full_round(b: &mut Builder, r: usize, state: &State) -> State {
    let c = &Parameters::get(T_WIDE).round_constants[r];
    std::array::from_fn(|i| {
        let x = state[i].clone().plus(c[i], ONE);
        sbox(b, &x)
    })
}

fn mix(state: &State) -> State {
    let p = Parameters::get(T_WIDE);
    std::array::from_fn(|i| Lc::combine(&p.mds[i], state))
}

/// The permutation.
///
/// # Constrains
/// The result is Poseidon of `state`, by the rows of its 135 S-boxes.
/// # Cost
/// 405 rows, 3 fewer for each lane that is constant on entry.
pub fn permute(b: &mut Builder, state: &State) -> State {
    let p = Parameters::get(T_WIDE);
    let half = p.full_rounds / 2;
    let mut state = full_round(b, 0, state);
    for r in 1..half {
        state = full_round(b, r, &mix(&state));
    }
    let template = Partial::get();
    let mut basis = vec![Lc::from(ONE)];
    basis.extend(state);
    for coefficients in &template.boxed {
        let x = Lc::combine(coefficients, &basis);
        let y = sbox(b, &x);
        basis.push(y);
    }
    let mut state: State = std::array::from_fn(|i| Lc::combine(&template.lanes[i], &basis));
    for r in half + p.partial_rounds..p.rounds() {
        state = mix(&full_round(b, r, &state));
    }
    state
}

/// The sponge of `zkaggle_graph::poseidon::hash` at width 9.
///
/// # Cost
/// One permutation per eight elements.
pub fn hash(b: &mut Builder, tag: Tag, elements: &[Lc]) -> Lc {
    let mut state: State = std::array::from_fn(|_| Lc::zero());
    state[0] = Lc::constant(tag.field());
    for block in elements.chunks(T_WIDE - 1) {
        for (lane, e) in state[1..].iter_mut().zip(block) {
            *lane = lane.add(e);
        }
        state = permute(b, &state);
    }
    let [out, ..] = state;
    out
}

/// Block `index` of the key stream, as `zkaggle_graph::poseidon::stream_block`.
///
/// # Cost
/// 381 rows: eight lanes are constant on entry.
pub fn stream_block(b: &mut Builder, key: &Lc, index: u64) -> [Lc; T_WIDE - 1] {
    let mut state: State = std::array::from_fn(|_| Lc::zero());
    state[0] = Lc::constant(Tag::Stream.field());
    state[1] = key.clone();
    state[2] = Lc::constant(Fr::from(index));
    let [_, words @ ..] = permute(b, &state);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkaggle_graph::poseidon;

    fn witnesses(b: &mut Builder, n: u64) -> (Vec<Fr>, Vec<Lc>) {
        let values: Vec<Fr> = (0..n).map(|i| Fr::from(i * i + 3)).collect();
        let lcs = values.iter().map(|v| b.witness(*v).into()).collect();
        (values, lcs)
    }

    #[test]
    fn the_gadget_is_the_native_sponge() {
        for n in [1, 8, 9, 17] {
            let mut b = Builder::new(&[]);
            let (values, lcs) = witnesses(&mut b, n);
            let out = hash(&mut b, Tag::Model, &lcs);
            assert_eq!(
                b.eval(&out),
                poseidon::hash(T_WIDE, Tag::Model, &values),
                "{n} elements"
            );
            assert_eq!(b.finish().first_unsatisfied(), None);
        }
    }

    #[test]
    fn the_gadget_is_the_native_stream() {
        let mut b = Builder::new(&[]);
        let key = b.witness(Fr::from(77u64));
        let words = stream_block(&mut b, &key.into(), 5);
        let native = poseidon::stream_block(Fr::from(77u64), 5);
        assert_eq!(words.map(|w| b.eval(&w)), native);
        let a = b.finish();
        assert_eq!(a.system.rows().len(), 381);
        assert_eq!(a.first_unsatisfied(), None);
    }

    /// Every S-box cell is pinned: any other value breaks a row.
    #[test]
    fn no_cell_of_a_permutation_is_free() {
        let mut b = Builder::new(&[]);
        let (_, lcs) = witnesses(&mut b, 8);
        let out = hash(&mut b, Tag::Kdf, &lcs);
        let value = b.eval(&out);
        b.enforce("output", out, Lc::from(ONE), Lc::constant(value));
        let a = b.finish();
        for v in 1..a.system.variables() {
            let mut bad = a.values().to_vec();
            bad[v] += Fr::one();
            assert!(a.system.unsatisfied(&bad).next().is_some(), "variable {v}");
        }
    }
}
