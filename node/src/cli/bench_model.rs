//! `zkaggle bench model`: integer evaluation and quantisation, on networks with random weights.

use super::bench::{Figure, figure};
use anyhow::Result;
use zkaggle_graph::eval::answers;
use zkaggle_graph::graph::Schema;
use zkaggle_graph::model::onnx;
use zkaggle_graph::quantize::{Method, quantize};
use zkaggle_graph::reference::{cnn5m, lenet5, records};

const SEED: u64 = 1;
/// Records that calibrate.
const CALIBRATION: usize = 64;
/// Images that are evaluated.
const IMAGES: usize = 1000;

pub(super) async fn figures() -> Result<Vec<Figure>> {
    let schema = |shape: &[u32]| Schema::bytes(shape, 255, 10);
    let small = schema(&[1, 28, 28]);
    let data = records(small.features(), 10, IMAGES, SEED);
    let network = lenet5(SEED)?;
    let calibration = &data[..CALIBRATION * small.record_bytes()];
    let q = quantize(&network, &small, 100, calibration, Method::Mse)?;
    let mut out = vec![];
    out.push(
        figure("LeNet-5 in integers, 1,000 images", async {
            let (answers, _) = answers(&q.graph, &q.weights, &data)?;
            Ok(answers.len() * small.record_bytes())
        })
        .await?,
    );
    let large = schema(&[3, 32, 32]);
    let data = records(large.features(), 10, CALIBRATION, SEED);
    let file = onnx::write(&cnn5m(SEED)?).map_err(anyhow::Error::msg)?;
    out.push(
        figure("import and quantise a CNN of 5 M parameters", async {
            let network = onnx::read(&file)?.network;
            let q = quantize(&network, &large, 30, &data, Method::Mse)?;
            Ok(q.graph.weight_bytes())
        })
        .await?,
    );
    Ok(out)
}
