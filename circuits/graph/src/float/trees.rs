//! Tree ensembles on integer features.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A split or a leaf of a tree.
#[derive(Clone, Debug, PartialEq, Zeroize)]
pub enum TreeNode {
    /// Goes to `low` when `feature ≤ threshold`, otherwise to `high`: indices into the tree, both
    /// larger than the split's own. Readers round every comparison of the file so that it decides
    /// the same on every integer feature.
    Split {
        feature: usize,
        threshold: i32,
        low: usize,
        high: usize,
    },
    /// Adds its values to the outputs: as many as the ensemble has.
    Leaf { values: Vec<f32> },
}

/// Trees whose leaves add up: `output[k] = base[k] + Σ_tree leaf[k]`. Averages are scaled into the
/// leaves.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Trees {
    pub features: usize,
    pub outputs: usize,
    pub base: Vec<f32>,
    /// Node 0 is a tree's root.
    pub trees: Vec<Vec<TreeNode>>,
}

impl Trees {
    /// Outputs for one sample's integer features.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.base.clone();
        for tree in &self.trees {
            let mut at = 0;
            loop {
                match &tree[at] {
                    TreeNode::Split {
                        feature,
                        threshold,
                        low,
                        high,
                    } => at = if x[*feature] <= *threshold as f32 { *low } else { *high },
                    TreeNode::Leaf { values } => {
                        out.iter_mut().zip(values).for_each(|(o, v)| *o += v);
                        break;
                    }
                }
            }
        }
        out
    }

    /// Largest number of splits on a path, over all trees.
    pub fn depth(&self) -> usize {
        self.trees.iter().map(|t| depth(t)).max().unwrap_or(0)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.base.len() != self.outputs || self.outputs == 0 || self.trees.is_empty() {
            return Err(format!("{} base values for {} outputs", self.base.len(), self.outputs));
        }
        for (t, tree) in self.trees.iter().enumerate() {
            if tree.is_empty() {
                return Err(format!("tree {t} is empty"));
            }
            for (i, node) in tree.iter().enumerate() {
                let fits = match node {
                    TreeNode::Split { feature, low, high, .. } => {
                        *feature < self.features
                            && (i + 1..tree.len()).contains(low)
                            && (i + 1..tree.len()).contains(high)
                    }
                    TreeNode::Leaf { values } => values.len() == self.outputs,
                };
                if !fits {
                    return Err(format!(
                        "node {i} of tree {t} names a feature, child or output that is not there"
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_finite(&self) -> bool {
        let leaves = self.trees.iter().flatten().flat_map(|n| match n {
            TreeNode::Leaf { values } => values.as_slice(),
            TreeNode::Split { .. } => &[],
        });
        leaves.chain(&self.base).all(|v| v.is_finite())
    }
}

/// Children come after their parents, so one pass from the end suffices.
fn depth(tree: &[TreeNode]) -> usize {
    let mut below = vec![0; tree.len()];
    for (i, node) in tree.iter().enumerate().rev() {
        if let TreeNode::Split { low, high, .. } = node {
            below[i] = 1 + below[*low].max(below[*high]);
        }
    }
    below.first().copied().unwrap_or(0)
}
