//! Integer weights and their byte form. Weights are the hunter's secret until the claim.

use crate::graph::Graph;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Weights and biases of one dense layer.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DenseWeights {
    /// Row-major `[out][in]`.
    pub w: Vec<i8>,
    /// One per output, in units of the accumulator.
    pub b: Vec<i32>,
}

/// All weights of a graph, in layer order.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Weights {
    layers: Vec<DenseWeights>,
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights")
            .field("layers", &self.layers.len())
            .finish_non_exhaustive()
    }
}

/// Weights that do not fit their graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("the graph has {expected} bytes of weights, the input {got}")]
    Length { expected: usize, got: usize },
    #[error("dense layer {layer}: {expected} weights and biases expected, got {got}")]
    Shape { layer: usize, expected: usize, got: usize },
    #[error("the graph has {expected} dense layers, the weights {got}")]
    Layers { expected: usize, got: usize },
}

impl Weights {
    /// Checks shapes against `graph`.
    pub fn new(graph: &Graph, layers: Vec<DenseWeights>) -> Result<Self, WeightsError> {
        let out = Self { layers };
        out.check(graph)?;
        Ok(out)
    }

    /// Checks that these weights have the shapes of `graph`: they may have been made for another.
    ///
    /// # Errors
    /// The first shape that differs.
    pub fn check(&self, graph: &Graph) -> Result<(), WeightsError> {
        let expected = graph.dense().count();
        if self.layers.len() != expected {
            return Err(WeightsError::Layers {
                expected,
                got: self.layers.len(),
            });
        }
        for (layer, ((i, o), l)) in graph.dense().zip(&self.layers).enumerate() {
            if l.w.len() != i * o || l.b.len() != o {
                return Err(WeightsError::Shape {
                    layer,
                    expected: i * o + o,
                    got: l.w.len() + l.b.len(),
                });
            }
        }
        Ok(())
    }

    pub fn layers(&self) -> &[DenseWeights] {
        &self.layers
    }

    /// Layer order, i8 weights row-major then i32 biases, both two's complement, biases big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![];
        for l in &self.layers {
            out.extend(l.w.iter().map(|&w| w as u8));
            out.extend(l.b.iter().flat_map(|b| b.to_be_bytes()));
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
        let mut layers = vec![];
        for (i, o) in graph.dense() {
            let (w, tail) = rest.split_at(i * o);
            let (b, tail) = tail.split_at(4 * o);
            layers.push(DenseWeights {
                w: w.iter().map(|&x| x as i8).collect(),
                b: b.chunks_exact(4)
                    .map(|c| i32::from_be_bytes([c[0], c[1], c[2], c[3]]))
                    .collect(),
            });
            rest = tail;
        }
        Self::new(graph, layers)
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
        assert_eq!(w.layers()[0].w[7], (7 * 37u32) as u8 as i8);
        assert_eq!(format!("{w:?}"), "Weights { layers: 2, .. }");
        assert!(Weights::from_bytes(&g, &bytes[1..]).is_err());
    }
}
