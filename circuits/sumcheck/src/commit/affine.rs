//! Sums of many affine points, with one field inversion for thousands of additions.
//!
//! An addition of affine points is one division and three multiplications; divided together, a
//! division costs three multiplications more. That is half of what a mixed addition costs.

use halo2curves::bn256::{Fq, G1Affine};
use halo2curves::ff::Field;
use halo2curves::group::Curve;
use halo2curves::group::prime::PrimeCurveAffine;

/// Additions that share an inversion: their points stay in the nearest cache.
const BATCH: usize = 1024;

/// `points[out] = points[a] + points[b]`, or `points[a]` when there is no b.
#[derive(Clone, Copy, Debug)]
struct Step {
    a: u32,
    b: Option<u32>,
    out: u32,
}

/// Room that additions reuse.
#[derive(Debug, Default)]
pub(super) struct Adder {
    steps: Vec<Step>,
    /// Products of the denominators that come after a step in its batch.
    suffix: Vec<Fq>,
}

/// The denominator of `a + b`; `None` where the rule of the chord does not apply.
fn chord(a: &G1Affine, b: &G1Affine) -> Option<Fq> {
    let d = b.x - a.x;
    // Infinity is (0, 0), and no point of the curve has x = 0: x³ + 3 = 3 is no square.
    let usual = !bool::from(d.is_zero() | a.x.is_zero() | b.x.is_zero());
    usual.then_some(d)
}

impl Adder {
    /// Adds up runs of neighbours: `runs` holds the length of each. Afterwards `points` holds one
    /// sum for every run that is not empty, in order, and `runs` says 0 or 1.
    pub(super) fn sum_runs(&mut self, points: &mut Vec<G1Affine>, runs: &mut [u32]) {
        while runs.iter().any(|n| *n > 1) {
            self.steps.clear();
            let (mut from, mut to) = (0, 0);
            for n in runs.iter_mut() {
                for k in (0..*n).step_by(2) {
                    let b = (k + 1 < *n).then_some(from + k + 1);
                    self.steps.push(Step {
                        a: from + k,
                        b,
                        out: to,
                    });
                    to += 1;
                }
                from += *n;
                *n = n.div_ceil(2);
            }
            self.run(points);
            points.truncate(to as usize);
        }
    }

    /// Adds the upper half of `points` to the lower half, and drops it.
    pub(super) fn fold(&mut self, points: &mut Vec<G1Affine>) {
        let half = (points.len() / 2) as u32;
        self.steps.clear();
        self.steps.extend((0..half).map(|a| Step {
            a,
            b: Some(a + half),
            out: a,
        }));
        self.run(points);
        points.truncate(half as usize);
    }

    /// Does the steps, in order. None may write where a later one reads.
    fn run(&mut self, points: &mut [G1Affine]) {
        for batch in self.steps.chunks(BATCH) {
            self.suffix.clear();
            let mut product = Fq::ONE;
            for s in batch.iter().rev() {
                self.suffix.push(product);
                if let Some(d) = s.b.and_then(|b| chord(&points[s.a as usize], &points[b as usize])) {
                    product *= d;
                }
            }
            // A product of denominators that are not zero.
            let mut inverse = Option::<Fq>::from(product.invert()).unwrap_or(Fq::ONE);
            for (s, rest) in batch.iter().zip(self.suffix.iter().rev()) {
                let a = points[s.a as usize];
                points[s.out as usize] = match s.b.map(|b| points[b as usize]) {
                    None => a,
                    Some(b) => match chord(&a, &b) {
                        // Equal, opposite, or one of them infinity.
                        None => (a.to_curve() + b).to_affine(),
                        Some(d) => {
                            let slope = (b.y - a.y) * inverse * rest;
                            inverse *= d;
                            let x = slope.square() - a.x - b.x;
                            G1Affine {
                                x,
                                y: slope * (a.x - x) - a.y,
                            }
                        }
                    },
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2curves::bn256::{Fr, G1};
    use halo2curves::group::Group;

    fn times(k: u64) -> G1Affine {
        (G1::generator() * Fr::from(k)).to_affine()
    }

    fn sum(points: &[G1Affine]) -> G1Affine {
        points.iter().fold(G1::identity(), |s, p| s + p).to_affine()
    }

    #[test]
    fn runs_of_any_length_add_up() {
        let mut adder = Adder::default();
        let lengths = [0, 1, 2, 3, 0, 7, 8, 9, 1, 0, 2500, 0];
        let points: Vec<_> = (1..=lengths.iter().sum::<u32>()).map(|k| times(u64::from(k))).collect();
        let mut at = 0;
        let mut expected = vec![];
        for n in lengths {
            if n > 0 {
                expected.push(sum(&points[at..at + n as usize]));
            }
            at += n as usize;
        }
        let (mut runs, mut got) = (lengths, points);
        adder.sum_runs(&mut got, &mut runs);
        assert_eq!(got, expected);
        assert_eq!(runs, lengths.map(|n| n.min(1)));
    }

    #[test]
    fn equal_and_opposite_points_and_infinity_add_up() {
        let (g, o) = (times(1), G1Affine::identity());
        let cases = [
            vec![g, g],
            vec![g, -g],
            vec![o, g],
            vec![g, o],
            vec![o, o],
            vec![g, -g, g, -g, g],
            vec![g; 9],
            vec![times(2), g, g, o, -times(4)],
        ];
        let mut adder = Adder::default();
        let mut runs: Vec<u32> = cases.iter().map(|c| c.len() as u32).collect();
        let mut points = cases.concat();
        adder.sum_runs(&mut points, &mut runs);
        assert_eq!(points, cases.iter().map(|c| sum(c)).collect::<Vec<_>>());
    }

    #[test]
    fn halves_fold() {
        let mut points: Vec<_> = [1, 2, 3, 4, 9, 2, 5, 6].map(times).to_vec();
        Adder::default().fold(&mut points);
        assert_eq!(points, [10, 4, 8, 10].map(times).to_vec());
    }
}
