//! Readers of trained networks, and the file an integer network is kept in.
//!
//! ```text
//! .onnx, .keras, .h5 -> read -> float::Network -> quantize -> Graph + Weights -> file::ModelFile (.zkm)
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`keras`] | the reader of `.keras` and `.h5` |
//! | [`onnx`] | the ONNX reader: which operators are read, and what becomes of them |
//! | [`proto`] | the part of ONNX's protobuf schema it reads |
//! | [`file`] | the versioned file with graph and weights, a hunter's secret |

pub mod file;
pub mod keras;
pub mod onnx;
mod proto;

pub use file::ModelFile;

use crate::float::{Activation, Network, Op};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A network from a file, and what its reader left out on purpose.
#[derive(Clone, Debug)]
pub struct Imported {
    pub network: Network,
    /// One sentence each, for the user.
    pub notes: Vec<String>,
}

/// Why a model's file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("{0}")]
    Onnx(#[from] onnx::OnnxError),
    #[error("{0}")]
    Keras(#[from] keras::KerasError),
}

/// Reads a trained network; the first bytes tell the format.
///
/// # Errors
/// Names the operator or layer that is not supported, or what is wrong with the file.
pub fn read(bytes: &[u8]) -> Result<Imported, ReadError> {
    if bytes.starts_with(b"PK") || bytes.starts_with(b"\x89HDF") {
        return Ok(keras::read(bytes)?);
    }
    Ok(onnx::read(bytes)?)
}

/// One dense layer with real weights: `y[o] = Σ w[o][i]·x[i] + b[o]`.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct FloatDense {
    pub inputs: usize,
    pub outputs: usize,
    /// Row-major `[out][in]`.
    pub w: Vec<f64>,
    pub b: Vec<f64>,
}

impl FloatDense {
    /// Runs the layer on `x`.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.w
            .chunks_exact(self.inputs)
            .zip(&self.b)
            .map(|(row, b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + b)
            .collect()
    }
}

/// A trained network: dense layers with ReLU between them, on raw feature values. Its weights are
/// the hunter's secret.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct FloatModel {
    layers: Vec<FloatDense>,
}

impl std::fmt::Debug for FloatModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FloatModel")
            .field("widths", &self.widths())
            .finish_non_exhaustive()
    }
}

/// Layers that are no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FloatModelError {
    #[error("the network has no dense layer")]
    Empty,
    #[error("dense layer {layer}: {reason}")]
    Shape { layer: usize, reason: String },
    #[error("dense layer {layer}: a weight or bias is not a finite number")]
    NotFinite { layer: usize },
    #[error("{op} (node {node:?}) is read, but only dense layers with ReLU between them become integers")]
    Operator { node: String, op: String },
}

impl TryFrom<&Network> for FloatModel {
    type Error = FloatModelError;

    /// A chain of dense layers with ReLU between them.
    fn try_from(network: &Network) -> Result<Self, FloatModelError> {
        let mut layers: Vec<FloatDense> = vec![];
        let mut open = false;
        for (i, node) in network.nodes().iter().enumerate() {
            let chained = node.inputs.len() == 1 && node.inputs[0].index() == i;
            let wide = |t: &crate::float::Tensor| t.data.iter().map(|&v| f64::from(v)).collect();
            match &node.op {
                Op::Dense { w, b, quantized: None } if chained && !open => {
                    layers.push(FloatDense {
                        inputs: w.shape[1],
                        outputs: w.shape[0],
                        w: wide(w),
                        b: wide(b),
                    });
                    open = true;
                }
                Op::Activation(Activation::Relu) if chained && open => open = false,
                Op::Reshape { .. } if chained => {}
                op => {
                    return Err(FloatModelError::Operator {
                        node: node.name.clone(),
                        op: op.name().to_owned(),
                    });
                }
            }
        }
        if !open && !layers.is_empty() {
            return Err(FloatModelError::Shape {
                layer: layers.len() - 1,
                reason: "the network ends in ReLU; its scores need a dense layer after it".into(),
            });
        }
        Self::new(layers)
    }
}

impl FloatModel {
    /// Checks that widths match and every number is finite.
    pub fn new(layers: Vec<FloatDense>) -> Result<Self, FloatModelError> {
        let out = Self { layers };
        let mut width = out.layers.first().ok_or(FloatModelError::Empty)?.inputs;
        for (layer, l) in out.layers.iter().enumerate() {
            let fits = l.inputs > 0 && l.outputs > 0 && Some(l.w.len()) == l.inputs.checked_mul(l.outputs);
            if l.inputs != width || !fits || l.b.len() != l.outputs {
                return Err(FloatModelError::Shape {
                    layer,
                    reason: format!(
                        "{} -> {} with {} weights and {} biases after a width of {width}",
                        l.inputs,
                        l.outputs,
                        l.w.len(),
                        l.b.len()
                    ),
                });
            }
            if !l.w.iter().chain(&l.b).all(|v| v.is_finite()) {
                return Err(FloatModelError::NotFinite { layer });
            }
            width = l.outputs;
        }
        Ok(out)
    }

    pub fn layers(&self) -> &[FloatDense] {
        &self.layers
    }

    /// Input width, then the output width of every layer.
    pub fn widths(&self) -> Vec<usize> {
        let first = self.layers.first().map(|l| l.inputs);
        first.into_iter().chain(self.layers.iter().map(|l| l.outputs)).collect()
    }

    /// The output of every layer for one sample, after ReLU except for the last.
    pub fn forward(&self, features: &[u8]) -> Vec<Vec<f64>> {
        let mut x: Vec<f64> = features.iter().map(|&v| f64::from(v)).collect();
        let last = self.layers.len().saturating_sub(1);
        let mut out = Vec::with_capacity(self.layers.len());
        for (i, l) in self.layers.iter().enumerate() {
            x = l.apply(&x);
            if i < last {
                x.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            out.push(x.clone());
        }
        out
    }

    /// Index of the largest score, ties to the smallest index.
    pub fn predict(&self, features: &[u8]) -> usize {
        self.forward(features).last().map_or(0, |scores| argmax(scores))
    }
}

/// Index of the largest value, ties to the smallest index.
pub fn argmax(scores: &[f64]) -> usize {
    let mut top = 0;
    for (i, s) in scores.iter().enumerate() {
        if *s > scores[top] {
            top = i;
        }
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_checked_and_hides_its_weights() {
        let layer = |inputs, outputs, w: Vec<f64>| FloatDense {
            inputs,
            outputs,
            w,
            b: vec![0.5; outputs],
        };
        let m = FloatModel::new(vec![layer(2, 1, vec![1.0, -2.0]), layer(1, 2, vec![1.0, 2.0])]).unwrap();
        assert_eq!(m.forward(&[3, 1]), [vec![1.5], vec![2.0, 3.5]]);
        assert_eq!(m.forward(&[0, 9])[0], [0.0]);
        assert_eq!(m.predict(&[3, 1]), 1);
        assert_eq!(format!("{m:?}"), "FloatModel { widths: [2, 1, 2], .. }");
        assert_eq!(FloatModel::new(vec![]), Err(FloatModelError::Empty));
        let bad = FloatModel::new(vec![layer(2, 1, vec![1.0, f64::NAN])]);
        assert_eq!(bad, Err(FloatModelError::NotFinite { layer: 0 }));
        let bad = FloatModel::new(vec![layer(2, 1, vec![1.0; 2]), layer(2, 1, vec![1.0; 2])]);
        assert!(matches!(bad, Err(FloatModelError::Shape { layer: 1, .. })));
    }
}
