//! Commitments to columns of small cells: points are added up by what their rows hold.
//!
//! Up to twelve 1-bit columns are read side by side, as one number a row: each point goes into one
//! bucket of 2¹², and a column's commitment is the sum of the buckets whose number has its bit. An
//! 8-bit column has 256 buckets, weighted by their number. Either way a row costs one addition.
//!
//! A stretch of rows is sorted by bucket first, so that any distribution costs the same: idle blocks
//! repeat one pattern thousands of times.

use super::affine::Adder;
use halo2curves::bn256::{G1, G1Affine};
use halo2curves::group::Group;
use halo2curves::group::prime::PrimeCurveAffine;
use rayon::prelude::*;

/// Rows sorted at once: their points fit the second cache.
const STRETCH: usize = 1 << 14;
/// Most 1-bit columns read side by side.
const MAX_WIDTH: usize = 12;

/// Sums of the points of each bucket, bucket 0 left out: its rows count for nothing.
struct Buckets {
    sums: Vec<G1Affine>,
    adder: Adder,
    runs: Vec<u32>,
    starts: Vec<u32>,
    sorted: Vec<G1Affine>,
}

impl Buckets {
    fn new(count: usize) -> Self {
        Self {
            sums: vec![G1Affine::identity(); count],
            adder: Adder::default(),
            runs: vec![],
            starts: vec![],
            sorted: vec![],
        }
    }

    /// Adds `points[i]` to bucket `keys[i]`.
    fn add(&mut self, points: &[G1Affine], keys: &[u16]) {
        // A run starts with what the bucket holds already.
        self.runs.clear();
        self.runs
            .extend(self.sums.iter().map(|s| u32::from(!bool::from(s.is_identity()))));
        for k in keys {
            self.runs[usize::from(*k)] += 1;
        }
        self.runs[0] = 0;
        self.starts.clear();
        let mut total = 0;
        for n in &self.runs {
            self.starts.push(total);
            total += n;
        }
        self.sorted.clear();
        self.sorted.resize(total as usize, G1Affine::identity());
        for (sum, at) in self.sums.iter().zip(&mut self.starts) {
            if !bool::from(sum.is_identity()) {
                self.sorted[*at as usize] = *sum;
                *at += 1;
            }
        }
        for (p, k) in points.iter().zip(keys) {
            if *k != 0 {
                let at = &mut self.starts[usize::from(*k)];
                self.sorted[*at as usize] = *p;
                *at += 1;
            }
        }
        self.adder.sum_runs(&mut self.sorted, &mut self.runs);
        let mut done = self.sorted.iter();
        for (sum, run) in self.sums.iter_mut().zip(&self.runs) {
            if *run != 0
                && let Some(s) = done.next()
            {
                *sum = *s;
            }
        }
    }

    /// For each bit of the bucket number, the sum of the buckets that have it.
    fn by_bit(mut self) -> Vec<G1> {
        let width = self.sums.len().ilog2() as usize;
        let mut out = vec![G1::identity(); width];
        for bit in out.iter_mut().rev() {
            let mut upper = self.sums[self.sums.len() / 2..].to_vec();
            let mut run = [upper.len() as u32];
            self.adder.sum_runs(&mut upper, &mut run);
            *bit = upper.first().map_or_else(G1::identity, PrimeCurveAffine::to_curve);
            self.adder.fold(&mut self.sums);
        }
        out
    }

    /// The sum of all buckets, each times its number.
    fn by_number(self) -> G1 {
        let mut running = G1::identity();
        let mut total = G1::identity();
        for s in self.sums[1..].iter().rev() {
            running += s;
            total += running;
        }
        total
    }
}

/// How many 1-bit columns to read side by side: additions of rows against those of buckets.
fn width(rows: usize, columns: usize) -> usize {
    (1..=MAX_WIDTH)
        .min_by_key(|w| columns.div_ceil(*w) * (rows + 4 * (1 << w)))
        .unwrap_or(1)
}

/// Rows that one task takes: enough tasks to keep every core busy, each large beside its buckets.
fn share(rows: usize, tasks: usize) -> usize {
    let wanted = (3 * rayon::current_num_threads()).div_ceil(tasks.max(1));
    rows.div_ceil(wanted).next_multiple_of(STRETCH)
}

fn add_points(mut a: Vec<G1>, b: Vec<G1>) -> Vec<G1> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// Commits to 1-bit columns: bit i % 64 of word i / 64 is row i.
pub(super) fn commit_bits(powers: &[G1Affine], columns: &[&[u64]]) -> Vec<G1> {
    let rows = columns.iter().map(|c| 64 * c.len()).max().unwrap_or(0);
    let width = width(rows, columns.len());
    let groups: Vec<&[&[u64]]> = columns.chunks(width).collect();
    let share = share(rows, groups.len());
    groups
        .par_iter()
        .map(|group| {
            (0..rows)
                .step_by(share)
                .collect::<Vec<_>>()
                .into_par_iter()
                .map(|from| {
                    let mut buckets = Buckets::new(1 << group.len());
                    let mut keys = vec![];
                    let end = rows.min(from + share);
                    for at in (from..end).step_by(STRETCH) {
                        read_side_by_side(group, at / 64..end.min(at + STRETCH) / 64, &mut keys);
                        buckets.add(&powers[at..at + keys.len()], &keys);
                    }
                    buckets.by_bit()
                })
                .reduce(|| vec![G1::identity(); group.len()], add_points)
        })
        .flatten_iter()
        .collect()
}

/// One number a row: bit c is that of column c.
fn read_side_by_side(columns: &[&[u64]], words: std::ops::Range<usize>, keys: &mut Vec<u16>) {
    keys.clear();
    keys.resize(64 * words.len(), 0);
    for (c, column) in columns.iter().enumerate() {
        let present = column.get(words.start..words.end.min(column.len())).unwrap_or_default();
        for (word, keys) in present.iter().zip(keys.chunks_exact_mut(64)) {
            for (i, key) in keys.iter_mut().enumerate() {
                *key |= ((word >> i & 1) as u16) << c;
            }
        }
    }
}

/// Commits to an 8-bit column.
pub(super) fn commit_bytes(powers: &[G1Affine], column: &[u8]) -> G1 {
    column
        .par_chunks(share(column.len(), 1))
        .zip(powers.par_chunks(share(column.len(), 1)))
        .map(|(cells, points)| {
            let mut buckets = Buckets::new(256);
            for (cells, points) in cells.chunks(STRETCH).zip(points.chunks(STRETCH)) {
                let keys: Vec<u16> = cells.iter().copied().map(u16::from).collect();
                buckets.add(points, &keys);
            }
            buckets.by_number()
        })
        .reduce(G1::identity, |a, b| a + b)
}
