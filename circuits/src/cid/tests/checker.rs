//! The constraints evaluated at single rows: thousands of broken witnesses in a second, where
//! `MockProver` needs a run for each.

use crate::cid::gates::Config;
use crate::cid::layout::Shape;
use crate::cid::tables::Tables;
use crate::cid::trace::Trace;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;

pub struct Rule {
    pub name: String,
    pub poly: Expression<Fr>,
    /// Advice cells it reads: column and rotation.
    pub reads: Vec<(usize, i32)>,
}

pub struct Checker {
    pub rules: Vec<Rule>,
    shape: Shape,
    tables: Tables,
    public: Vec<Fr>,
}

fn reads(e: &Expression<Fr>, out: &mut Vec<(usize, i32)>) {
    match e {
        Expression::Advice(q) => out.push((q.column_index(), q.rotation().0)),
        Expression::Negated(a) | Expression::Scaled(a, _) => reads(a, out),
        Expression::Sum(a, b) | Expression::Product(a, b) => {
            reads(a, out);
            reads(b, out);
        }
        _ => {}
    }
}

impl Checker {
    pub fn new(shape: Shape, public: Vec<Fr>) -> Self {
        let mut cs = ConstraintSystem::default();
        Config::configure(&mut cs);
        let rules = cs
            .gates()
            .iter()
            .flat_map(|g| {
                g.polynomials().iter().enumerate().map(|(i, p)| {
                    let mut cells = vec![];
                    reads(p, &mut cells);
                    cells.sort_unstable();
                    cells.dedup();
                    Rule {
                        name: g.constraint_name(i).to_string(),
                        poly: p.clone(),
                        reads: cells,
                    }
                })
            })
            .collect();
        Self {
            rules,
            shape,
            tables: Tables::new(&shape),
            public,
        }
    }

    fn row(&self, row: usize, rotation: i32) -> usize {
        (row as i64 + i64::from(rotation)).rem_euclid(self.shape.rows() as i64) as usize
    }

    fn value(&self, trace: &Trace, e: &Expression<Fr>, row: usize) -> Fr {
        match e {
            Expression::Constant(v) => *v,
            Expression::Fixed(q) => self.tables.columns[q.column_index()][self.row(row, q.rotation().0)],
            Expression::Advice(q) => trace.get(q.column_index(), self.row(row, q.rotation().0)),
            Expression::Instance(q) => {
                let at = self.row(row, q.rotation().0);
                self.public.get(at).copied().unwrap_or(Fr::ZERO)
            }
            Expression::Negated(a) => -self.value(trace, a, row),
            Expression::Sum(a, b) => self.value(trace, a, row) + self.value(trace, b, row),
            Expression::Product(a, b) => {
                let a = self.value(trace, a, row);
                if bool::from(a.is_zero()) {
                    return a;
                }
                a * self.value(trace, b, row)
            }
            Expression::Scaled(a, v) => self.value(trace, a, row) * v,
            Expression::Selector(_) | Expression::Challenge(_) => unreachable!("the circuit has none"),
        }
    }

    pub fn fails(&self, trace: &Trace, rule: usize, row: usize) -> bool {
        !bool::from(self.value(trace, &self.rules[rule].poly, row).is_zero())
    }

    /// Rules that fail at any of `rows`.
    pub fn failures(&self, trace: &Trace, rows: impl IntoIterator<Item = usize>) -> Vec<String> {
        let mut out = vec![];
        for row in rows {
            for i in 0..self.rules.len() {
                if self.fails(trace, i, row) && !out.contains(&self.rules[i].name) {
                    out.push(self.rules[i].name.clone());
                }
            }
        }
        out
    }

    /// Rules and rows that a change of one cell breaks.
    pub fn broken_by(&self, trace: &Trace, column: usize, row: usize) -> Vec<(usize, usize)> {
        let mut out = vec![];
        for (i, rule) in self.rules.iter().enumerate() {
            for (c, rotation) in &rule.reads {
                let at = self.row(row, -rotation);
                if *c == column && self.fails(trace, i, at) {
                    out.push((i, at));
                }
            }
        }
        out
    }
}
