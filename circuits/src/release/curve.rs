//! BabyJubJub as constraints.
//!
//! All additions are the complete law of a twisted Edwards curve with a square and d non-square
//! (see `zkaggle_graph::jub`): `1 ± d·x₁x₂y₁y₂` is never zero for points **on the curve**, so each
//! quotient is determined by its row and no case is special. Off the curve a denominator could
//! vanish and leave a quotient free; points from outside therefore pass [`on_curve`] first, and all
//! others are sums of points on the curve.

use crate::release::r1cs::{Builder, Lc, ONE};
use ark_ff::{Field, One, Zero};
use zkaggle_graph::field::Fr;
use zkaggle_graph::ids::JubPoint;
use zkaggle_graph::jub::{self, A, D, ORDER_BITS};

/// A point whose coordinates are linear in variables.
#[derive(Clone, Debug)]
pub struct Point {
    pub x: Lc,
    pub y: Lc,
}

fn one() -> Lc {
    ONE.into()
}

/// A new variable `q` with `q·denominator = numerator`.
///
/// # Assumes
/// The denominator is not zero; the callers' points are on the curve.
fn quotient(b: &mut Builder, step: &'static str, numerator: &Lc, denominator: &Lc) -> Lc {
    // Zero only in a pass over a dummy or dishonest witness, where any value will do.
    let inverse = b.eval(denominator).inverse().unwrap_or(Fr::zero());
    let q = b.witness(b.eval(numerator) * inverse);
    b.enforce(step, q.into(), denominator.clone(), numerator.clone());
    q.into()
}

/// Demands `a·x² + y² = 1 + d·x²y²`.
///
/// # Cost
/// 3 rows.
pub fn on_curve(b: &mut Builder, p: &Point) {
    let x2 = b.product("x²", &p.x, &p.x);
    let y2 = b.product("y²", &p.y, &p.y);
    // d·x²·y² = a·x² + y² − 1
    b.enforce(
        "curve equation",
        x2.scale(D),
        y2.clone(),
        x2.scale(A).add(&y2).sub(&one()),
    );
}

/// `p + q`, for any two points on the curve.
///
/// # Assumes
/// Both are on the curve.
/// # Cost
/// 6 rows.
pub fn add(b: &mut Builder, p: &Point, q: &Point) -> Point {
    let beta = b.product("sum x₁y₂", &p.x, &q.y);
    let gamma = b.product("sum y₁x₂", &p.y, &q.x);
    let delta = b.product("sum (y₁ − a·x₁)(x₂ + y₂)", &p.y.sub(&p.x.scale(A)), &q.x.add(&q.y));
    let tau = b.product("sum x₁x₂y₁y₂", &beta, &gamma).scale(D);
    let x = quotient(b, "sum x", &beta.add(&gamma), &one().add(&tau));
    let y = quotient(b, "sum y", &delta.add(&beta.scale(A)).sub(&gamma), &one().sub(&tau));
    Point { x, y }
}

/// `2·p`.
///
/// On the curve `a·x² + y² = 1 + d·x²y²`, so both denominators are those of [`add`].
///
/// # Assumes
/// `p` is on the curve.
/// # Cost
/// 5 rows.
pub fn double(b: &mut Builder, p: &Point) -> Point {
    let xy = b.product("double xy", &p.x, &p.y);
    let ax2 = b.product("double x²", &p.x, &p.x).scale(A);
    let y2 = b.product("double y²", &p.y, &p.y);
    let sum = ax2.add(&y2);
    let x = quotient(b, "double x", &xy.scale(Fr::from(2u64)), &sum);
    let y = quotient(b, "double y", &y2.sub(&ax2), &Lc::constant(Fr::from(2u64)).sub(&sum));
    Point { x, y }
}

/// New variables for the bits of a scalar, most significant first, each 0 or 1.
///
/// # Cost
/// One row a bit.
pub fn bits(b: &mut Builder, values: &[bool]) -> Vec<Lc> {
    values
        .iter()
        .map(|&v| {
            let bit: Lc = b.witness(Fr::from(u64::from(v))).into();
            // bit·(1 − bit) = 0
            b.enforce("bit is 0 or 1", bit.clone(), one().sub(&bit), Lc::zero());
            bit
        })
        .collect()
}

/// Demands that the integer spelled by `bits` is at most `max`, both most significant first.
///
/// Walking down, `run` says that every position where `max` has a one is set so far. While it
/// holds, the prefix equals that of `max`, so the positions where `max` has a zero must be clear;
/// once it fails, the prefix is smaller and the rest is free. The zeros between two ones share a
/// row: a sum of at most 251 bits is zero only if each is.
///
/// # Assumes
/// Each is 0 or 1, and there are as many as `max` has.
/// # Cost
/// One row for each one of `max` after the first, one for each run of zeros.
pub fn at_most(b: &mut Builder, bits: &[Lc], max: &[bool]) {
    assert_eq!(bits.len(), max.len(), "one bit per bit of the bound");
    let mut run = one();
    let mut zeros = Lc::zero();
    for (bit, &m) in bits.iter().zip(max) {
        if !m {
            zeros = zeros.add(bit);
            continue;
        }
        if !zeros.terms().is_empty() {
            b.enforce(
                "not above the bound",
                run.clone(),
                std::mem::take(&mut zeros),
                Lc::zero(),
            );
        }
        run = b.product("still equal to the bound", &run, bit);
    }
    if !zeros.terms().is_empty() {
        b.enforce("not above the bound", run, zeros, Lc::zero());
    }
}

/// `n·base` for the bits of `n`, most significant first.
///
/// Every addition reads the same two variables of `base`; there is no copy that could differ.
///
/// # Assumes
/// Each bit is 0 or 1; `base` is on the curve.
/// # Cost
/// 13 rows a bit.
pub fn mul(b: &mut Builder, bits: &[Lc], base: &Point) -> Point {
    let mut acc: Option<Point> = None;
    for bit in bits {
        // (bit·x, 1 + bit·(y − 1)): the base, or the identity.
        let term = Point {
            x: b.product("select x", bit, &base.x),
            y: one().add(&b.product("select y", bit, &base.y.sub(&one()))),
        };
        acc = Some(match acc {
            None => term,
            Some(p) => {
                let twice = double(b, &p);
                add(b, &twice, &term)
            }
        });
    }
    acc.unwrap_or(Point {
        x: Lc::zero(),
        y: one(),
    })
}

/// `n·base` for a constant base: two bits choose one of four constants, and the choice is linear in
/// the bits and their product.
///
/// # Assumes
/// Each bit is 0 or 1.
/// # Cost
/// 3.5 rows a bit.
pub fn mul_constant(b: &mut Builder, bits: &[Lc], base: &JubPoint) -> Point {
    let mut acc: Option<Point> = None;
    let mut power = *base;
    let mut low_first: Vec<&Lc> = bits.iter().rev().collect();
    let none = Lc::zero();
    if low_first.len() % 2 == 1 {
        low_first.push(&none);
    }
    for pair in low_first.chunks_exact(2) {
        let two = jub::add(&power, &power);
        let three = jub::add(&two, &power);
        let both = b.product("window product", pair[0], pair[1]);
        let choose = |zero: Fr, p1: Fr, p2: Fr, p3: Fr| {
            Lc::constant(zero)
                .add(&pair[0].scale(p1 - zero))
                .add(&pair[1].scale(p2 - zero))
                .add(&both.scale(p3 - p2 - p1 + zero))
        };
        let term = Point {
            x: choose(Fr::zero(), power.x, two.x, three.x),
            y: choose(Fr::one(), power.y, two.y, three.y),
        };
        acc = Some(match acc {
            None => term,
            Some(p) => add(b, &p, &term),
        });
        power = jub::add(&two, &two);
    }
    acc.unwrap_or(Point {
        x: Lc::zero(),
        y: one(),
    })
}

/// Demands `x ≠ 0`, by an inverse: only the identity and the point of order 2 have x = 0.
///
/// # Cost
/// 1 row.
pub fn not_identity(b: &mut Builder, p: &Point) {
    let inverse = b.eval(&p.x).inverse().unwrap_or(Fr::zero());
    let inverse = b.witness(inverse);
    b.enforce("x has an inverse", p.x.clone(), inverse.into(), one());
}

/// The low [`ORDER_BITS`] bits of an integer, most significant first.
pub fn scalar_bits(n: &ark_ff::BigInteger256) -> [bool; ORDER_BITS] {
    use ark_ff::BigInteger;
    std::array::from_fn(|i| n.get_bit(ORDER_BITS - 1 - i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::BigInt;
    use zkaggle_graph::jub::{ORDER, base8, identity, order_minus_one_bits};

    fn witness(b: &mut Builder, p: &JubPoint) -> Point {
        Point {
            x: b.witness(p.x).into(),
            y: b.witness(p.y).into(),
        }
    }

    fn value(b: &Builder, p: &Point) -> JubPoint {
        JubPoint {
            x: b.eval(&p.x),
            y: b.eval(&p.y),
        }
    }

    /// All pairs of a list that holds the identity, a point, its negative, its double and the points
    /// of small order: every special case of an incomplete law.
    #[test]
    fn addition_and_doubling_match_in_every_case() {
        let four = JubPoint {
            x: A.sqrt().unwrap().inverse().unwrap(),
            y: Fr::zero(),
        };
        let two = jub::add(&four, &four);
        let p = base8();
        let list = [
            identity(),
            p,
            JubPoint { x: -p.x, y: p.y },
            jub::add(&p, &p),
            two,
            four,
            jub::add(&p, &four),
        ];
        for u in &list {
            for v in &list {
                let mut b = Builder::new(&[]);
                let (lu, lv) = (witness(&mut b, u), witness(&mut b, v));
                on_curve(&mut b, &lu);
                let sum = add(&mut b, &lu, &lv);
                let twice = double(&mut b, &lu);
                assert_eq!(value(&b, &sum), jub::add(u, v));
                assert_eq!(value(&b, &twice), jub::add(u, u));
                assert_eq!(b.finish().first_unsatisfied(), None);
            }
        }
    }

    #[test]
    fn both_multiplications_match_native() {
        for n in [BigInt::from(1u64), BigInt::from(2u64), BigInt::from(0xdead_beef_u64), {
            let mut n = ORDER;
            ark_ff::BigInteger::sub_with_borrow(&mut n, &BigInt::from(1u64));
            n
        }] {
            let mut b = Builder::new(&[]);
            let base = jub::mul_integer(&base8(), &BigInt::from(12345u64));
            let base_lc = witness(&mut b, &base);
            let bits = bits(&mut b, &scalar_bits(&n));
            at_most(&mut b, &bits, &order_minus_one_bits());
            let fixed = mul_constant(&mut b, &bits, &base8());
            let variable = mul(&mut b, &bits, &base_lc);
            assert_eq!(value(&b, &fixed), jub::mul_integer(&base8(), &n));
            assert_eq!(value(&b, &variable), jub::mul_integer(&base, &n));
            assert_eq!(b.finish().first_unsatisfied(), None);
        }
    }

    /// Exhaustive over five bits and every bound.
    #[test]
    fn the_bound_is_exact() {
        let spell = |n: u32| -> Vec<bool> { (0..5).rev().map(|i| n >> i & 1 == 1).collect() };
        for max in 0..32 {
            for n in 0..32 {
                let mut b = Builder::new(&[]);
                let bits = bits(&mut b, &spell(n));
                at_most(&mut b, &bits, &spell(max));
                assert_eq!(b.finish().first_unsatisfied().is_none(), n <= max, "{n} <= {max}");
            }
        }
    }

    #[test]
    fn identity_and_off_curve_points_fail_by_name() {
        let mut b = Builder::new(&[]);
        b.part("p");
        let p = witness(&mut b, &identity());
        not_identity(&mut b, &p);
        assert_eq!(
            b.finish().first_unsatisfied().unwrap().to_string(),
            "p: x has an inverse"
        );
        let mut b = Builder::new(&[]);
        b.part("p");
        let p = witness(
            &mut b,
            &JubPoint {
                x: Fr::from(1u64),
                y: Fr::from(1u64),
            },
        );
        on_curve(&mut b, &p);
        assert_eq!(b.finish().first_unsatisfied().unwrap().to_string(), "p: curve equation");
    }
}
