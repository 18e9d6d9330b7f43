//! Integer weights and their byte form. Weights are the hunter's secret until the claim.

use crate::graph::Graph;
use crate::ops::{Layout, Op};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Weights and biases of one operator.
#[derive(Clone, PartialEq, Eq, Default, Zeroize, ZeroizeOnDrop)]
pub struct Block {
    /// In the operator's order, row-major `[out][in]…`; within i8 where the graph says so.
    pub w: Vec<i16>,
    /// In units of the accumulator.
    pub b: Vec<i32>,
}

static EMPTY: Block = Block { w: vec![], b: vec![] };

impl Block {
    /// The block of an operator that has one: [`Weights::check`] saw to it.
    pub(crate) fn or_empty(block: Option<&Self>) -> &Self {
        block.unwrap_or(&EMPTY)
    }
}

/// All weights of a graph, one block per operator that has any, in node order.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Weights {
    blocks: Vec<Block>,
    /// Width of each block's weights, 8 or 16.
    bits: Vec<u8>,
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights")
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

/// Weights that do not fit their graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("the graph has {expected} bytes of weights, the input {got}")]
    Length { expected: usize, got: usize },
    #[error("node %{node}: {expected} weights and biases expected, got {got}")]
    Shape { node: usize, expected: usize, got: usize },
    #[error("the graph has {expected} operators with weights, the weights are for {got}")]
    Blocks { expected: usize, got: usize },
    #[error("node %{node}: {reason}")]
    Value { node: usize, reason: String },
}

/// `(node, layout)` of every operator with weights.
fn layouts(graph: &Graph) -> impl Iterator<Item = (usize, Layout)> + '_ {
    let of = |(i, n)| {
        let n: &crate::graph::Node = n;
        Some((i, n.op.rule()?.layout(&graph.kinds(n))?))
    };
    graph.nodes().iter().enumerate().filter_map(of)
}

impl Weights {
    /// Checks shapes and ranges against `graph`.
    pub fn new(graph: &Graph, blocks: Vec<Block>) -> Result<Self, WeightsError> {
        let bits = layouts(graph).map(|(_, l)| l.bits).collect();
        let out = Self { blocks, bits };
        out.check(graph)?;
        Ok(out)
    }

    /// Checks that these weights have the shapes of `graph`: they may have been made for another.
    ///
    /// # Errors
    /// The first shape or value that does not fit.
    pub fn check(&self, graph: &Graph) -> Result<(), WeightsError> {
        let expected = layouts(graph).count();
        if self.blocks.len() != expected {
            return Err(WeightsError::Blocks {
                expected,
                got: self.blocks.len(),
            });
        }
        for (i, ((node, l), block)) in layouts(graph).zip(&self.blocks).enumerate() {
            if block.w.len() != l.weights || block.b.len() != l.biases {
                return Err(WeightsError::Shape {
                    node,
                    expected: l.weights + l.biases,
                    got: block.w.len() + block.b.len(),
                });
            }
            let bad = |reason: String| WeightsError::Value { node, reason };
            if self.bits.get(i) != Some(&l.bits) {
                return Err(bad(format!("weights of {} bits are expected", l.bits)));
            }
            if l.bits == 8 && block.w.iter().any(|&w| i8::try_from(w).is_err()) {
                return Err(bad("a weight is beyond i8".into()));
            }
            let n = &graph.nodes()[node];
            if let Op::Trees(t) = &n.op {
                t.check(graph.kinds(n)[0].elements(), &block.w).map_err(bad)?;
            }
        }
        Ok(())
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Node order, weights row-major then i32 biases, all two's complement, big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Reserved whole, so that no half-filled copy of a secret is left behind by growth.
        let bytes = self.blocks.iter().map(|b| 2 * b.w.len() + 4 * b.b.len()).sum();
        let mut out = Vec::with_capacity(bytes);
        for (&bits, block) in self.bits.iter().zip(&self.blocks) {
            if bits == 8 {
                out.extend(block.w.iter().map(|&w| w as u8));
            } else {
                out.extend(block.w.iter().flat_map(|w| w.to_be_bytes()));
            }
            out.extend(block.b.iter().flat_map(|b| b.to_be_bytes()));
        }
        out
    }

    /// Inverse of [`Weights::to_bytes`] under `graph`.
    pub fn from_bytes(graph: &Graph, bytes: &[u8]) -> Result<Self, WeightsError> {
        let expected = graph.weight_bytes();
        if bytes.len() != expected {
            return Err(WeightsError::Length {
                expected,
                got: bytes.len(),
            });
        }
        let mut rest = bytes;
        let mut blocks = vec![];
        for (_, l) in layouts(graph) {
            // The layouts' bytes add up to `expected`.
            let (w, tail) = rest.split_at(l.weights * usize::from(l.bits / 8));
            let (b, tail) = tail.split_at(4 * l.biases);
            blocks.push(Block {
                w: if l.bits == 8 {
                    w.iter().map(|&x| i16::from(x as i8)).collect()
                } else {
                    w.chunks_exact(2).map(|c| i16::from_be_bytes([c[0], c[1]])).collect()
                },
                b: b.chunks_exact(4)
                    .map(|c| i32::from_be_bytes([c[0], c[1], c[2], c[3]]))
                    .collect(),
            });
            rest = tail;
        }
        Self::new(graph, blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::digits;

    #[test]
    fn bytes_round_trip_and_debug_shows_nothing() {
        let g = digits(360);
        let bytes: Vec<u8> = (0..g.weight_bytes()).map(|i| (i * 37) as u8).collect();
        let w = Weights::from_bytes(&g, &bytes).unwrap();
        assert_eq!(w.to_bytes(), bytes);
        assert_eq!(w.blocks()[0].w[7], i16::from((7 * 37u32) as u8 as i8));
        assert_eq!(format!("{w:?}"), "Weights { blocks: 2, .. }");
        assert!(Weights::from_bytes(&g, &bytes[1..]).is_err());
        let mut wide = w.blocks().to_vec();
        wide[1].w[3] = 128;
        assert!(matches!(
            Weights::new(&g, wide),
            Err(WeightsError::Value { node: 3, .. })
        ));
    }
}
