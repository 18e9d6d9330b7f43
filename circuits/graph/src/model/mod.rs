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

use crate::float::Network;

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
