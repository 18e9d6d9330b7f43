//! Circuits that mean nothing and use everything: several phases with challenges, rotations both
//! ways, copies across advice, fixed and instance columns, gates up to degree 5.

use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{
    Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed, Instance, SecondPhase,
    ThirdPhase,
};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;
use halo2curves::ff::Field;
use zkaggle_circuits::backend::convert::from_halo;

/// What the constraint system depends on.
#[derive(Clone, Debug)]
pub struct Shape {
    /// First-phase columns of the recurrence, at least 2.
    pub columns: usize,
    /// Highest degree, 3 to 5.
    pub degree: usize,
    /// 1 to 3.
    pub phases: usize,
    /// Rotations (at most 0) the recurrence looks back at.
    pub back: Vec<i32>,
    /// Steps of the recurrence.
    pub steps: usize,
    /// Public inputs, 3 to 6: all but the last two are small.
    pub inputs: usize,
    /// Whether there is an advice column no gate looks at.
    pub unused: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            columns: 3,
            degree: 5,
            phases: 2,
            back: vec![0, -1, -3],
            steps: 8,
            inputs: 3,
            unused: false,
        }
    }
}

/// Each column is a recurrence over the others; later phases accumulate under challenges.
#[derive(Clone, Debug)]
pub struct Sample {
    pub shape: Shape,
    pub seed: u64,
    /// Whether the last first-phase cell is off by one.
    pub broken: bool,
}

#[derive(Clone, Debug)]
pub struct Config {
    q: Column<Fixed>,
    f: Column<Fixed>,
    a: Vec<Column<Advice>>,
    ahead: [Column<Advice>; 2],
    acc: Vec<Column<Advice>>,
    r: Vec<Challenge>,
    public: Column<Instance>,
}

/// Rows before the recurrence starts.
const START: usize = 5;

impl Sample {
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            seed,
            broken: false,
        }
    }

    fn constant(&self, i: usize) -> Fr {
        // Fixed columns may depend on the shape only.
        Fr::from(i as u64 * 7 + self.shape.columns as u64)
    }

    /// First-phase columns, then the two that look ahead.
    fn trace(&self) -> (Vec<Vec<Fr>>, [Vec<Fr>; 2]) {
        let rows = START + self.shape.steps + 4;
        let c = self.shape.columns;
        let mut a = vec![vec![Fr::ZERO; rows]; c];
        for (j, col) in a.iter_mut().enumerate() {
            for (i, v) in col.iter_mut().enumerate().take(START + 1) {
                *v = Fr::from(self.seed + (j * 31 + i) as u64);
            }
        }
        for i in START..START + self.shape.steps {
            for j in 0..c {
                let mut v = (0..self.shape.degree - 1).fold(Fr::ONE, |p, t| p * a[(j + t) % c][i]);
                for r in &self.shape.back {
                    v += a[(j + 1) % c][(i as i32 + r) as usize] * Fr::from(3);
                }
                a[j][i + 1] = v + self.constant(i);
            }
        }
        let b: Vec<Fr> = (0..rows)
            .map(|i| {
                if i == 0 {
                    self.constant(0)
                } else {
                    Fr::from(self.seed + 99 * i as u64)
                }
            })
            .collect();
        let mut d = vec![Fr::ZERO; rows];
        for i in START..START + self.shape.steps {
            d[i] = b[i + 3] * b[i - 2];
        }
        (a, [b, d])
    }

    /// The public inputs this witness satisfies.
    pub fn public(&self) -> Vec<zkaggle_graph::field::Fr> {
        let (a, _) = self.trace();
        let mut public: Vec<_> = a[1][..self.shape.inputs - 2].iter().map(from_halo).collect();
        public.push(from_halo(&a[0][START]));
        public.push(from_halo(&a[self.shape.columns - 1][START + self.shape.steps]));
        public
    }
}

impl Circuit<Fr> for Sample {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn params(&self) -> Shape {
        self.shape.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Config {
        unreachable!("the shape is always given")
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, shape: Shape) -> Config {
        let q = meta.fixed_column();
        let f = meta.fixed_column();
        let a: Vec<_> = (0..shape.columns).map(|_| meta.advice_column_in(FirstPhase)).collect();
        let ahead = [meta.advice_column(), meta.advice_column()];
        let (mut r, mut acc) = (vec![], vec![]);
        if shape.phases >= 2 {
            r.push(meta.challenge_usable_after(FirstPhase));
            acc.push(meta.advice_column_in(SecondPhase));
        }
        if shape.phases >= 3 {
            r.push(meta.challenge_usable_after(SecondPhase));
            acc.push(meta.advice_column_in(ThirdPhase));
        }
        if shape.unused {
            meta.advice_column();
        }
        let public = meta.instance_column();
        meta.enable_equality(public);
        meta.enable_equality(f);
        meta.enable_equality(ahead[0]);
        for c in &a {
            meta.enable_equality(*c);
        }

        meta.create_gate("recurrence", |m| {
            let sel = m.query_fixed(q, Rotation::cur());
            let k = m.query_fixed(f, Rotation::cur());
            (0..shape.columns)
                .map(|j| {
                    let next = m.query_advice(a[j], Rotation::next());
                    let mut v = (0..shape.degree - 1).fold(Expression::Constant(Fr::ONE), |p, t| {
                        p * m.query_advice(a[(j + t) % shape.columns], Rotation::cur())
                    });
                    for r in &shape.back {
                        v = v + m.query_advice(a[(j + 1) % shape.columns], Rotation(*r)) * Fr::from(3);
                    }
                    sel.clone() * (next - (v + k.clone()))
                })
                .collect::<Vec<_>>()
        });
        meta.create_gate("ahead", |m| {
            let sel = m.query_fixed(q, Rotation::cur());
            let b3 = m.query_advice(ahead[0], Rotation(3));
            let b2 = m.query_advice(ahead[0], Rotation(-2));
            vec![sel * (b3 * b2 - m.query_advice(ahead[1], Rotation::cur()))]
        });
        for (p, z) in acc.iter().enumerate() {
            meta.create_gate("accumulate", |m| {
                let sel = m.query_fixed(q, Rotation::cur());
                let input = if p == 0 { a[0] } else { acc[p - 1] };
                let r = m.query_challenge(r[p]);
                let prev = m.query_advice(*z, Rotation::prev());
                vec![sel * (m.query_advice(*z, Rotation::cur()) - prev * r - m.query_advice(input, Rotation::cur()))]
            });
        }
        Config {
            q,
            f,
            a,
            ahead,
            acc,
            r,
            public,
        }
    }

    fn synthesize(&self, c: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let (trace, ahead) = self.trace();
        let rows = trace[0].len();
        let cells = layouter.assign_region(
            || "sample",
            |mut region| {
                let mut cells = vec![];
                for i in START..START + self.shape.steps {
                    region.assign_fixed(c.q, i, Fr::ONE);
                }
                let mut fixed = vec![];
                for i in 0..rows {
                    fixed.push(region.assign_fixed(c.f, i, self.constant(i)));
                }
                for (j, col) in trace.iter().enumerate() {
                    let mut column_cells = vec![];
                    for (i, v) in col.iter().enumerate() {
                        let off = self.broken && j == 0 && i + 4 == rows - 1;
                        let v = if off { *v + Fr::ONE } else { *v };
                        column_cells.push(region.assign_advice(c.a[j], i, Value::known(v)).cell());
                    }
                    cells.push(column_cells);
                }
                for (col, values) in c.ahead.iter().zip(&ahead) {
                    for (i, v) in values.iter().enumerate() {
                        let cell = region.assign_advice(*col, i, Value::known(*v)).cell();
                        if *col == c.ahead[0] && i == 0 {
                            region.constrain_equal(cell, fixed[0]);
                        }
                    }
                }
                let mut input = trace[0].clone();
                for (z, r) in c.acc.iter().zip(&c.r) {
                    region.next_phase();
                    let r = region.get_challenge(*r);
                    let mut acc = Fr::ZERO;
                    let mut values = vec![Fr::ZERO; rows];
                    for i in START..START + self.shape.steps {
                        r.map(|r| acc = acc * r + input[i]);
                        values[i] = acc;
                        region.assign_advice(*z, i, Value::known(acc));
                    }
                    input = values;
                }
                Ok(cells)
            },
        )?;
        let last = self.shape.inputs - 1;
        for (i, cell) in cells[1][..last - 1].iter().enumerate() {
            layouter.constrain_instance(*cell, c.public, i);
        }
        layouter.constrain_instance(cells[0][START], c.public, last - 1);
        layouter.constrain_instance(cells[self.shape.columns - 1][START + self.shape.steps], c.public, last);
        Ok(())
    }
}
