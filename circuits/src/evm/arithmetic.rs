//! The verifier's arithmetic as a program: Lagrange evaluations, public inputs, gates and the
//! permutation argument, folded by powers of `y` in halo2's order.

use super::CompileError;
use super::layout::Layout;
use super::program::{Builder, Value};
use halo2_proofs::plonk::{Any, ConstraintSystem, Expression};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;
use halo2curves::ff::{Field, PrimeField};
use std::collections::BTreeMap;

/// Root of unity of order `2^k`.
pub fn omega(k: u32) -> Fr {
    (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |w, _| w.square())
}

/// `ω^i` for any integer `i`.
pub fn omega_pow(k: u32, i: i32) -> Fr {
    let n = 1i64 << k;
    omega(k).pow_vartime([i64::from(i).rem_euclid(n) as u64])
}

/// Collects what must be inverted, then hands out the inverses after one field inversion.
#[derive(Debug, Default)]
pub struct Inverses {
    values: Vec<Value>,
    prefix: Vec<Value>,
}

impl Inverses {
    /// Index of the inverse of `v`.
    pub fn push(&mut self, b: &mut Builder, v: Value) -> usize {
        if let Some(i) = self.values.iter().position(|w| *w == v) {
            return i;
        }
        let prefix = match self.prefix.last() {
            Some(p) => b.mul(*p, v),
            None => v,
        };
        self.values.push(v);
        self.prefix.push(prefix);
        self.values.len() - 1
    }

    /// The product of all.
    pub fn product(&self, b: &mut Builder) -> Value {
        self.prefix.last().copied().unwrap_or_else(|| b.one())
    }

    /// All inverses, from the inverse of the product.
    pub fn resolve(&self, b: &mut Builder, inverse: Value) -> Vec<Value> {
        let mut rest = inverse;
        let mut out = vec![inverse; self.values.len()];
        for i in (0..self.values.len()).rev() {
            out[i] = match i.checked_sub(1) {
                Some(j) => b.mul(rest, self.prefix[j]),
                None => rest,
            };
            rest = b.mul(rest, self.values[i]);
        }
        out
    }
}

/// What the inversion has to provide for [`expected_quotient`].
#[derive(Debug)]
pub struct Denominators {
    x: Value,
    xn: Value,
    vanishing: usize,
    /// `(i, index of 1 / (x − ω^i))`.
    lagrange: BTreeMap<i32, usize>,
}

impl Denominators {
    /// Declares `x^n − 1` and `x − ω^i` for every row that is evaluated at `x`.
    pub fn declare(b: &mut Builder, inverses: &mut Inverses, cs: &ConstraintSystem<Fr>, l: &Layout, k: u32) -> Self {
        let x = b.input(l.x);
        let xn = b.pow(x, 1 << k);
        let minus_one = b.constant(-Fr::ONE);
        let vanishing = b.add(xn, minus_one);
        let vanishing = inverses.push(b, vanishing);
        let first = -(cs.blinding_factors() as i32 + 1);
        let last = (l.inputs.len() as i32 - 1).max(0);
        let lagrange = (first..=last)
            .map(|i| {
                let root = b.constant(-omega_pow(k, i));
                let d = b.add(x, root);
                (i, inverses.push(b, d))
            })
            .collect();
        Self {
            x,
            xn,
            vanishing,
            lagrange,
        }
    }

    pub fn x(&self) -> Value {
        self.x
    }

    /// `x^n`.
    pub fn xn(&self) -> Value {
        self.xn
    }
}

/// Translates gate expressions.
struct Gates<'a> {
    b: &'a mut Builder,
    /// Evaluations by column and rotation.
    fixed: BTreeMap<(usize, i32), Value>,
    advice: BTreeMap<(usize, i32), Value>,
    instance: Value,
    challenges: Vec<Value>,
}

/// A product: a coefficient and factors that are no products themselves.
struct Term<'e> {
    coefficient: Fr,
    factors: Vec<&'e Expression<Fr>>,
}

impl Gates<'_> {
    fn leaf(&mut self, e: &Expression<Fr>) -> Option<Value> {
        Some(match e {
            Expression::Constant(c) => self.b.constant(*c),
            Expression::Fixed(q) => self.fixed[&(q.column_index(), q.rotation().0)],
            Expression::Advice(q) => self.advice[&(q.column_index(), q.rotation().0)],
            Expression::Instance(_) => self.instance,
            Expression::Challenge(c) => self.challenges[c.index()],
            _ => return None,
        })
    }

    fn value(&mut self, e: &Expression<Fr>) -> Value {
        if let Some(v) = self.leaf(e) {
            return v;
        }
        let mut terms = vec![];
        sum_terms(e, Fr::ONE, &mut terms);
        // The first term that needs no multiplication starts the sum.
        let start = terms
            .iter()
            .position(|t| t.coefficient == Fr::ONE && t.factors.len() == 1);
        let mut acc = match start.map(|i| terms.remove(i)) {
            Some(t) => self.value(t.factors[0]),
            None => self.b.zero(),
        };
        for t in &terms {
            acc = self.add_term(acc, t);
        }
        acc
    }

    fn add_term(&mut self, acc: Value, t: &Term<'_>) -> Value {
        let mut factors: Vec<Value> = t.factors.iter().map(|f| self.value(f)).collect();
        if t.coefficient != Fr::ONE || factors.is_empty() {
            factors.push(self.b.constant(t.coefficient));
        }
        self.add_product(acc, &factors)
    }

    fn add_product(&mut self, acc: Value, factors: &[Value]) -> Value {
        let (last, head) = factors.split_last().expect("a product has a factor");
        let Some((first, rest)) = head.split_first() else {
            return self.b.add(acc, *last);
        };
        let p = rest.iter().fold(*first, |p, f| self.b.mul(p, *f));
        self.b.mul_add(p, *last, acc)
    }
}

/// Splits nested sums into terms. A scaled or negated sum stays one factor: distributing its
/// coefficient would cost an operation for every term instead of one for all.
fn sum_terms<'e>(e: &'e Expression<Fr>, coefficient: Fr, out: &mut Vec<Term<'e>>) {
    match e {
        Expression::Sum(a, b) if coefficient == Fr::ONE => {
            sum_terms(a, coefficient, out);
            sum_terms(b, coefficient, out);
        }
        _ => {
            let mut t = Term {
                coefficient,
                factors: vec![],
            };
            product_factors(e, &mut t);
            // `-(a + b)` and `c·(a + b)` reach here as a coefficient and one sum; `1·(a + b)`, from
            // a double negation, is split further.
            if let ([Expression::Sum(a, b)], true) = (&t.factors[..], t.coefficient == Fr::ONE) {
                sum_terms(a, Fr::ONE, out);
                sum_terms(b, Fr::ONE, out);
            } else {
                out.push(t);
            }
        }
    }
}

fn product_factors<'e>(e: &'e Expression<Fr>, t: &mut Term<'e>) {
    match e {
        Expression::Product(a, b) => {
            product_factors(a, t);
            product_factors(b, t);
        }
        Expression::Scaled(a, c) => {
            t.coefficient *= c;
            product_factors(a, t);
        }
        Expression::Negated(a) => {
            t.coefficient = -t.coefficient;
            product_factors(a, t);
        }
        Expression::Constant(c) => t.coefficient *= c,
        _ => t.factors.push(e),
    }
}

/// The value the quotient must have at `x`: all constraints folded by `y`, over `x^n − 1`.
pub fn expected_quotient(
    b: &mut Builder,
    inverses: &[Value],
    den: &Denominators,
    cs: &ConstraintSystem<Fr>,
    l: &Layout,
    k: u32,
) -> Result<Value, CompileError> {
    let x = den.x;
    let minus_one = b.constant(-Fr::ONE);
    let vanishing = b.add(den.xn, minus_one);
    let n_inv = Fr::TWO_INV.pow_vartime([u64::from(k)]);
    // l_i(x) = (x^n − 1)/n · ω^i/(x − ω^i)
    let mut lagrange = BTreeMap::new();
    for (i, d) in &den.lagrange {
        let c = b.constant(n_inv * omega_pow(k, *i));
        let t = b.mul(vanishing, c);
        lagrange.insert(*i, b.mul(t, inverses[*d]));
    }
    let blinding = cs.blinding_factors() as i32;
    let (l_0, l_last) = (lagrange[&0], lagrange[&-(blinding + 1)]);
    let inactive = (-blinding..0).fold(l_last, |acc, i| b.add(acc, lagrange[&i]));
    let one = b.one();
    let active = b.sub(one, inactive);

    let mut instance = b.zero();
    for (i, at) in l.inputs.iter().enumerate() {
        let v = b.input(*at);
        instance = b.mul_add(v, lagrange[&(i as i32)], instance);
    }

    let y = b.input(l.y);
    let inputs = |b: &mut Builder, at: &[u32]| at.iter().map(|a| b.input(*a)).collect::<Vec<_>>();
    let advice_evals = inputs(b, &l.advice_evals);
    let fixed_evals = inputs(b, &l.fixed_evals);
    let challenges = inputs(b, &l.challenges);
    if let Some((_, r)) = cs.instance_queries().iter().find(|(_, r)| *r != Rotation::cur()) {
        return Err(CompileError::InstanceRotation(r.0));
    }
    let mut gates = Gates {
        fixed: key_by(cs.fixed_queries().iter().map(|(c, r)| (c.index(), r.0)), &fixed_evals),
        advice: key_by(cs.advice_queries().iter().map(|(c, r)| (c.index(), r.0)), &advice_evals),
        instance,
        challenges,
        b,
    };
    let mut acc = gates.b.zero();
    acc = fold_gates(&mut gates, cs, y, acc);
    let Gates { fixed, advice, .. } = gates;

    // Permutation argument.
    let columns = cs.permutation().get_columns();
    let chunk = cs.degree() - 2;
    let (beta, gamma) = (b.input(l.beta), b.input(l.gamma));
    let products: Vec<(Value, Value, Option<Value>)> = l
        .product_evals
        .iter()
        .map(|(z, next, last)| (b.input(*z), b.input(*next), last.map(|at| b.input(at))))
        .collect();
    let mut fold = |b: &mut Builder, v: Value| acc = b.mul_add(acc, y, v);
    // l_0·(1 − z_0)
    if let Some((z, ..)) = products.first() {
        let t = b.sub(one, *z);
        let t = b.mul(l_0, t);
        fold(b, t);
    }
    // l_last·(z² − z)
    if let Some((z, ..)) = products.last() {
        let minus = b.neg(*z);
        let t = b.mul_add(*z, *z, minus);
        let t = b.mul(t, l_last);
        fold(b, t);
    }
    // l_0·(z_i − z_{i−1}(ω^last x))
    for pair in products.windows(2) {
        if let (Some(last), (z, ..)) = (pair[0].2, pair[1]) {
            let t = b.sub(z, last);
            let t = b.mul(t, l_0);
            fold(b, t);
        }
    }
    // active·(z(ωx)·Π(p + β·σ + γ) − z(x)·Π(p + β·δ^i·x + γ))
    let beta_x = b.mul(beta, x);
    let mut delta = Fr::ONE;
    for (set, (columns, sigmas)) in columns.chunks(chunk).zip(l.sigma_evals.chunks(chunk)).enumerate() {
        let (mut right, mut left, _) = products[set];
        for (column, sigma) in columns.iter().zip(sigmas) {
            let eval = match column.column_type() {
                Any::Advice(_) => advice[&(column.index(), 0)],
                Any::Fixed => fixed[&(column.index(), 0)],
                Any::Instance => instance,
            };
            let base = b.add(eval, gamma);
            let sigma = b.input(*sigma);
            let f = b.mul_add(beta, sigma, base);
            left = b.mul(left, f);
            let d = b.constant(delta);
            let f = b.mul_add(beta_x, d, base);
            right = b.mul(right, f);
            delta *= Fr::DELTA;
        }
        let t = b.sub(left, right);
        let t = b.mul(t, active);
        fold(b, t);
    }
    Ok(b.mul(acc, inverses[den.vanishing]))
}

/// Folds all gate constraints. Neighbours under the same fixed factor share its multiplication:
/// `q·c₁·y + q·c₂ = q·(c₁·y + c₂)`.
fn fold_gates(gates: &mut Gates<'_>, cs: &ConstraintSystem<Fr>, y: Value, start: Value) -> Value {
    let constraints: Vec<_> = cs.gates().iter().flat_map(|g| g.polynomials()).map(factored).collect();
    let mut acc = start;
    let mut rest = &constraints[..];
    while let Some((selector, _)) = rest.first() {
        let selector = *selector;
        let same = rest
            .iter()
            .take_while(|(s, _)| *s == selector && selector.is_some())
            .count()
            .max(1);
        let (group, tail) = rest.split_at(same);
        rest = tail;
        let mut folded = gates.b.zero();
        for (_, term) in group {
            folded = if let [single] = &term.factors[..]
                && term.coefficient == Fr::ONE
            {
                let v = gates.value(single);
                gates.b.mul_add(folded, y, v)
            } else {
                let shifted = gates.b.mul(folded, y);
                gates.add_term(shifted, term)
            };
        }
        if let Some(key) = selector {
            let q = gates.fixed[&key];
            folded = gates.b.mul(q, folded);
        }
        let shift = gates.b.pow(y, same as u64);
        acc = gates.b.mul_add(acc, shift, folded);
    }
    acc
}

/// A constraint as its first fixed factor and what remains.
fn factored(e: &Expression<Fr>) -> (Option<(usize, i32)>, Term<'_>) {
    let mut t = Term {
        coefficient: Fr::ONE,
        factors: vec![],
    };
    product_factors(e, &mut t);
    let at = t.factors.iter().position(|f| matches!(f, Expression::Fixed(_)));
    match at.map(|i| t.factors.remove(i)) {
        Some(Expression::Fixed(q)) => (Some((q.column_index(), q.rotation().0)), t),
        _ => (None, t),
    }
}

fn key_by(keys: impl Iterator<Item = (usize, i32)>, values: &[Value]) -> BTreeMap<(usize, i32), Value> {
    keys.zip(values.iter().copied()).collect()
}
