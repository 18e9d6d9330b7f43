//! Tree ensembles: decisions are exact, leaves are rounded to one unit.

use crate::float::trees::{TreeNode, Trees as Float};
use crate::ops::Trees;
use crate::ops::trees::RECORD;
use crate::weights::Block;

/// Fraction bits of a regression's leaves.
pub(super) const FRACTION: u8 = 6;
/// Largest leaf.
const LEAF_MAX: f64 = 32767.0;
/// Largest sum of a class: differences stay below the argmax's 24 bits.
const SUM_MAX: f64 = 8_000_000.0;

/// Records, bias and the unit of leaves; `fixed` is the unit a regression asks for.
///
/// How many trees there are, of how many nodes and how deep, is rounded up to the next power of two
/// (nodes) and kept (trees, depth): ensembles of one training recipe share a graph.
pub(super) fn lower(t: &Float, fixed: Option<f64>) -> Result<(Trees, Block, f64), String> {
    let nodes = t
        .trees
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or(1)
        .next_power_of_two()
        .max(2);
    let op = Trees {
        trees: t.trees.len(),
        nodes: nodes.min(i16::MAX as usize),
        depth: t.depth(),
        outputs: t.outputs,
    };
    if t.trees.iter().any(|tree| tree.len() > op.nodes) {
        return Err(format!("a tree has more than {} nodes; limit the depth", op.nodes));
    }
    let leaves = || {
        t.trees.iter().flatten().flat_map(|n| match n {
            TreeNode::Leaf { values } => values.as_slice(),
            TreeNode::Split { .. } => &[],
        })
    };
    let largest = leaves().fold(0.0, |m: f64, v| m.max(f64::from(v.abs())));
    let most = |tree: &Vec<TreeNode>| {
        let values = tree.iter().flat_map(|n| match n {
            TreeNode::Leaf { values } => values.as_slice(),
            TreeNode::Split { .. } => &[],
        });
        values.fold(0.0, |m: f64, v| m.max(f64::from(v.abs())))
    };
    let base = t.base.iter().fold(0.0, |m: f64, v| m.max(f64::from(v.abs())));
    let sum = t.trees.iter().map(most).sum::<f64>() + base;
    let unit = match fixed {
        Some(unit) if largest / unit <= LEAF_MAX => unit,
        Some(unit) => {
            return Err(format!(
                "a leaf of {largest} exceeds {}; scale the target down",
                LEAF_MAX * unit
            ));
        }
        None => (largest / LEAF_MAX).max(sum / SUM_MAX).max(1e-30),
    };
    let mut w = Vec::with_capacity(op.trees * op.nodes * (RECORD + op.outputs));
    for tree in &t.trees {
        for i in 0..op.nodes {
            // Indices are below 2^15: checked above.
            let place = i as i16;
            match tree.get(i) {
                Some(TreeNode::Split {
                    feature,
                    threshold,
                    low,
                    high,
                }) => {
                    let feature = i16::try_from(*feature).map_err(|_| format!("feature {feature} is beyond 32,767"))?;
                    let threshold = (*threshold).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
                    w.extend([feature, threshold, *low as i16, *high as i16]);
                    w.extend(std::iter::repeat_n(0, op.outputs));
                }
                Some(TreeNode::Leaf { values }) => {
                    w.extend([0, 0, place, place]);
                    w.extend(values.iter().map(|&v| (f64::from(v) / unit).round() as i16));
                }
                None => {
                    w.extend([0, 0, place, place]);
                    w.extend(std::iter::repeat_n(0, op.outputs));
                }
            }
        }
    }
    let limit = f64::from(i32::MAX);
    let b = t
        .base
        .iter()
        .map(|&v| (f64::from(v) / unit).round().clamp(-limit, limit) as i32);
    Ok((op, Block { w, b: b.collect() }, unit))
}
