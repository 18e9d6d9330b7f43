//! The data and models that ship with the program; see `node/assets/README.md` for their origin.

use zkaggle_graph::graph::Schema;

/// UCI optical digits, training part: 1,437 records.
pub const TRAIN: &[u8] = include_bytes!("../../assets/digits-train.bin");
/// UCI optical digits, hold-out part: 360 records.
pub const HOLDOUT: &[u8] = include_bytes!("../../assets/digits-holdout.bin");
/// A multilayer perceptron 64-32-10.
pub const MODEL: &[u8] = include_bytes!("../../assets/digits-mlp.onnx");
/// The same network, trained less: it ranks second.
pub const MODEL_WEAK: &[u8] = include_bytes!("../../assets/digits-mlp-weak.onnx");

/// Name and licence of the data, as they stand in a manifest.
pub const NAME: &str = "UCI optical digits, hold-out";
pub const LICENCE: &str = "CC BY 4.0, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository";

/// Records of 64 pixels, 0 to 16, and a label of ten classes.
pub fn schema() -> Schema {
    Schema::bytes([8, 8], 16, 10)
}
