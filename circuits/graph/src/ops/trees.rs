//! `trees`: decision trees whose leaves add up.
//!
//! Each tree is a list of `nodes` records of `4 + outputs` i16 weights: feature, threshold, low,
//! high, leaf values. From record 0, `depth` times: go to `low` when `x[feature] ≤ threshold`, else to
//! `high`. A leaf points to itself; its values are added. `y[o] = Σ leaf[o] + b[o]`, bias i32. So
//! which feature a tree asks, and where it branches, is witness; how many trees of how many nodes and
//! how deep they are is architecture.
//!
//! # Range
//! `|y| ≤ trees·2^15 + 2^31`.

use super::{Attributes, Cost, Escape, Interval, Layout, Rule, Type, Values};
use crate::weights::Block;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trees {
    pub trees: usize,
    /// Records per tree, at most 32,767.
    pub nodes: usize,
    /// Decisions on the longest path.
    pub depth: usize,
    pub outputs: usize,
}

/// Weights of a record in front of its leaf values.
pub const RECORD: usize = 4;

impl Trees {
    pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
        Ok(Self {
            trees: a.number("trees")?,
            nodes: a.number("nodes")?,
            depth: a.number("depth")?,
            outputs: a.number("outputs")?,
        })
    }

    fn record(&self) -> usize {
        RECORD + self.outputs
    }

    /// Checks that every record names a feature and children that exist, and that every path ends in
    /// a leaf within `depth` steps.
    ///
    /// # Errors
    /// Names tree and record.
    pub(crate) fn check(&self, features: usize, w: &[i16]) -> Result<(), String> {
        for (t, tree) in w.chunks_exact(self.record() * self.nodes).enumerate() {
            let mut left = vec![0usize; self.nodes];
            for (i, r) in tree.chunks_exact(self.record()).enumerate().rev() {
                let index = |v: i16, end: usize| usize::try_from(v).ok().filter(|&v| v < end);
                let bad = |what: &str| Err(format!("tree {t}, node {i}: {what}"));
                let (Some(low), Some(high)) = (index(r[2], self.nodes), index(r[3], self.nodes)) else {
                    return bad("a child is not there");
                };
                if index(r[0], features).is_none() {
                    return bad("its feature is not there");
                }
                if low == i && high == i {
                    continue;
                }
                if low <= i || high <= i {
                    return bad("a child stands before its parent");
                }
                left[i] = 1 + left[low].max(left[high]);
            }
            if left.first().is_some_and(|&d| d > self.depth) {
                return Err(format!("tree {t} is {} deep, the graph says {}", left[0], self.depth));
            }
        }
        Ok(())
    }
}

impl Rule for Trees {
    fn name(&self) -> &'static str {
        "trees"
    }

    fn write(&self, a: &mut Attributes) {
        a.put("trees", self.trees);
        a.put("nodes", self.nodes);
        a.put("depth", self.depth);
        a.put("outputs", self.outputs);
    }

    fn infer(&self, x: &[&Type]) -> Result<Type, String> {
        let x = x[0].narrow()?;
        let i16s = 1..=i16::MAX as usize;
        if x.elements() > i16::MAX as usize || !i16s.contains(&self.nodes) || !(1..=1 << 16).contains(&self.trees) {
            return Err(format!(
                "{} trees of {} nodes over {} features; at most 65,536, 32,767 and 32,767",
                self.trees,
                self.nodes,
                x.elements()
            ));
        }
        if self.depth >= self.nodes.max(2) {
            return Err(format!("{} nodes are never {} deep", self.nodes, self.depth));
        }
        let reach = ((self.trees as i64) << 15) + (1 << 31);
        Type::new(vec![self.outputs], -reach, reach)
    }

    fn layout(&self, _: &[&Type]) -> Option<Layout> {
        Some(Layout {
            weights: self.trees.saturating_mul(self.nodes).saturating_mul(self.record()),
            bits: 16,
            biases: self.outputs,
        })
    }

    fn eval(&self, x: &[&Values], _: &[&Type], w: Option<&Block>, out: &Type) -> Result<Values, Escape> {
        let (x, block, record) = (x[0].narrow(), Block::or_empty(w), self.record());
        let mut sums: Vec<i64> = block.b.iter().map(|&b| i64::from(b)).collect();
        for tree in block.w.chunks_exact(record * self.nodes) {
            let mut at = 0;
            for _ in 0..self.depth {
                let r = &tree[at * record..];
                // Checked with the weights: both are indices.
                at = if x[r[0] as usize] <= r[1] { r[2] } else { r[3] } as usize;
            }
            let leaf = &tree[at * record + RECORD..(at + 1) * record];
            sums.iter_mut().zip(leaf).for_each(|(s, &v)| *s += i64::from(v));
        }
        Ok(Values::of(out, sums.into_iter()))
    }

    fn reach(&self, _: &[&[Interval]], _: &[&Type], w: Option<&Block>, _: &Type) -> Result<Vec<Interval>, Escape> {
        let (block, record) = (Block::or_empty(w), self.record());
        let mut out: Vec<Interval> = block.b.iter().map(|&b| (i64::from(b), i64::from(b))).collect();
        for tree in block.w.chunks_exact(record * self.nodes) {
            for (o, sum) in out.iter_mut().enumerate() {
                let leaves = tree.chunks_exact(record).enumerate().filter_map(|(i, r)| {
                    let leaf = r[2] as usize == i && r[3] as usize == i;
                    leaf.then(|| i64::from(r[RECORD + o]))
                });
                let (low, high) = leaves.fold((i64::MAX, i64::MIN), |(l, h), v| (l.min(v), h.max(v)));
                if low <= high {
                    *sum = (sum.0 + low, sum.1 + high);
                }
            }
        }
        Ok(out)
    }

    fn cost(&self, x: &[&Type], out: &Type) -> Cost {
        // Per step: record index, feature, its value, threshold, difference in two limbs, next index.
        let steps = (self.trees * self.depth) as u64;
        Cost {
            cells: 7 * steps + (self.trees * self.outputs) as u64 + out.elements() as u64,
            lookups: 4 * steps,
            multiplications: steps,
            fixed_cells: self.layout(x).map_or(0, |l| l.bytes() as u64),
        }
    }
}
