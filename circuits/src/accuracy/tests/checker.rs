//! The constraint system evaluated by hand, cell by cell: fast enough to try a lie in every cell.

use super::super::circuit::AccuracyCircuit;
use super::super::columns::{adv, fix};
use super::super::fold::{Challenges, second_phase};
use super::super::plan::{Cell, Plan};
use super::super::witness::Grid;
use super::Case;
use crate::gadgets::field::small;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Circuit, ConstraintSystem, Expression};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A polynomial with its name and the rows it looks at.
struct Rule {
    name: String,
    poly: Expression<Fr>,
    rotations: Vec<(usize, i32)>,
    second: bool,
}

/// Constraints, fixed columns and copies of one plan.
pub struct Checker {
    plan: Arc<Plan>,
    rules: Vec<Rule>,
    fixed: Vec<Vec<Fr>>,
    copies: BTreeMap<Cell, Vec<Cell>>,
    inputs: BTreeMap<Cell, Fr>,
    challenges: Challenges,
}

/// First-phase and second-phase columns as one.
struct Both<'a>(&'a Grid, Option<&'a Grid>);

impl Both<'_> {
    fn get(&self, column: usize, row: usize) -> Fr {
        if column < adv::FIRST_PHASE {
            return self.0.get(column, row);
        }
        self.1.expect("a first-phase rule").get(column - adv::FIRST_PHASE, row)
    }
}

impl Checker {
    pub fn new(case: &Case) -> Self {
        let mut cs = ConstraintSystem::default();
        AccuracyCircuit::configure(&mut cs);
        let mut rules = vec![];
        for gate in cs.gates() {
            for (i, poly) in gate.polynomials().iter().enumerate() {
                let mut rotations = vec![];
                advice(poly, &mut rotations);
                rotations.sort_unstable();
                rotations.dedup();
                rules.push(Rule {
                    name: gate.constraint_name(i).to_owned(),
                    poly: poly.clone(),
                    second: rotations.iter().any(|r| r.0 >= adv::FIRST_PHASE),
                    rotations,
                });
            }
        }
        let mut copies: BTreeMap<Cell, Vec<Cell>> = BTreeMap::new();
        for (a, b) in case.plan.copies() {
            copies.entry(a).or_default().push(b);
            copies.entry(b).or_default().push(a);
        }
        let inputs = case
            .plan
            .inputs()
            .into_iter()
            .zip(super::inputs(&case.instance))
            .collect();
        Self {
            plan: case.plan.clone(),
            rules,
            fixed: case.plan.fixed(),
            copies,
            inputs,
            challenges: Challenges {
                rho: Fr::from(0x1234_5678_9abc),
                sigma: Fr::from(0xdead_beef_0123),
                beta: Fr::from(0x7777_1111_5555),
                gamma: Fr::from(0x3141_5926_5358),
            },
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|r| r.name.as_str())
    }

    fn holds(&self, rule: &Rule, grid: &Both<'_>, row: usize) -> bool {
        let n = 1usize << self.plan.k();
        let usable = self.plan.usable();
        let at = |rotation: i32| (row as i64 + i64::from(rotation)).rem_euclid(n as i64) as usize;
        let c = &self.challenges;
        rule.poly
            .evaluate(
                &|x| x,
                &|_| panic!("no selectors"),
                &|q| {
                    self.fixed[q.column_index()]
                        .get(at(q.rotation().0))
                        .copied()
                        .unwrap_or(Fr::ZERO)
                },
                &|q| {
                    let r = at(q.rotation().0);
                    // Random rows hold anything; here a value no rule expects.
                    if r < usable {
                        grid.get(q.column_index(), r)
                    } else {
                        Fr::from(0xbad)
                    }
                },
                &|_| panic!("no instance queries"),
                &|ch| [c.rho, c.sigma, c.beta, c.gamma][ch.index()],
                &|a| -a,
                &|a, b| a + b,
                &|a, b| a * b,
                &|a, s| a * s,
            )
            .is_zero_vartime()
    }

    /// The first rule that a changed first-phase cell breaks, whatever the prover does in the second
    /// phase and with the multiplicities; `None` when the change goes unnoticed.
    pub fn catches(&self, g: &mut Grid, cell: Cell, x: Fr) -> Option<String> {
        let before = g.get(cell.column, cell.row);
        g.set(cell.column, cell.row, x);
        let verdict = self.local(g, cell).or_else(|| self.global(g));
        g.set(cell.column, cell.row, before);
        verdict
    }

    /// Names of the first-phase rules that fail in one row.
    ///
    /// The mock prover panics when it reports a failure next to random rows, and row 0 looks back
    /// at them.
    pub fn failures_at(&self, g: &Grid, row: usize) -> Vec<String> {
        let both = Both(g, None);
        let failing = self.rules.iter().filter(|r| !r.second && !self.holds(r, &both, row));
        failing.map(|r| r.name.clone()).collect()
    }

    fn local(&self, g: &Grid, cell: Cell) -> Option<String> {
        let value = g.get(cell.column, cell.row);
        if self.inputs.get(&cell).is_some_and(|x| *x != value) {
            return Some("instance".into());
        }
        let equal = |c: &Cell| c.column >= adv::FIRST_PHASE || g.get(c.column, c.row) == value;
        if !self.copies.get(&cell).is_none_or(|all| all.iter().all(equal)) {
            return Some("copy".into());
        }
        let both = Both(g, None);
        for rule in self.rules.iter().filter(|r| !r.second) {
            for (_, rotation) in rule.rotations.iter().filter(|r| r.0 == cell.column) {
                let row = cell.row as i64 - i64::from(*rotation);
                if row >= 0 && !self.holds(rule, &both, row as usize) {
                    return Some(rule.name.clone());
                }
            }
        }
        self.unread(g, cell.row).then(|| "read".into())
    }

    /// Whether a read of this row is no table entry: no multiplicity can make up for that.
    fn unread(&self, g: &Grid, row: usize) -> bool {
        if row + 1 >= self.plan.usable() {
            return false;
        }
        let tag = |c: usize| small(&self.fixed[c][row]).unwrap() as u64;
        let entry = |tag, a: usize, b: Option<usize>| {
            let a = small(&g.get(a, row))?;
            let b = b.map_or(Some(0), |b| small(&g.get(b, row)))?;
            self.plan.table().find(tag, a, b)
        };
        entry(tag(fix::G1), adv::HI, Some(adv::ACT)).is_none()
            || entry(tag(fix::G2), adv::REM, None).is_none()
            || entry(0, adv::BYTE, None).is_none()
    }

    /// Whether the folds cancel and their second-phase rules hold.
    fn global(&self, g: &Grid) -> Option<String> {
        let second = second_phase(&self.plan, g, &self.challenges);
        let both = Both(g, Some(&second));
        let end = self.plan.end();
        self.rules
            .iter()
            .filter(|r| r.second && r.name != "read sum starts and ends at zero")
            .find(|r| !self.holds(r, &both, end))
            .map(|r| r.name.clone())
    }
}

fn advice(e: &Expression<Fr>, out: &mut Vec<(usize, i32)>) {
    let none = |_: &mut Vec<(usize, i32)>| {};
    match e {
        Expression::Advice(q) => out.push((q.column_index(), q.rotation().0)),
        Expression::Negated(a) | Expression::Scaled(a, _) => advice(a, out),
        Expression::Sum(a, b) | Expression::Product(a, b) => {
            advice(a, out);
            advice(b, out);
        }
        _ => none(out),
    }
}
