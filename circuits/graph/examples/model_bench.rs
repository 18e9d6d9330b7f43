//! What `zkaggle bench model` measures, without the node: `cargo run --release -p zkaggle-graph --example model_bench`.

use std::time::Instant;
use zkaggle_graph::eval::answers;
use zkaggle_graph::graph::Schema;
use zkaggle_graph::quantize::{Method, quantize};
use zkaggle_graph::reference::{cnn5m, lenet5, records};

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM"));
    line.unwrap_or("VmHWM unknown").to_owned()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = |shape: &[u32]| Schema::bytes(shape, 255, 10);
    let small = schema(&[1, 28, 28]);
    let data = records(small.features(), 10, 1000, 1);
    let network = lenet5(1)?;
    let start = Instant::now();
    let q = quantize(&network, &small, 100, &data[..64 * small.record_bytes()], Method::Mse)?;
    println!("LeNet-5 quantised: {:.2} s", start.elapsed().as_secs_f64());
    println!("{}", q.report.text());
    let start = Instant::now();
    let (answers, _) = answers(&q.graph, &q.weights, &data)?;
    println!(
        "{} images: {:.2} s, {}",
        answers.len(),
        start.elapsed().as_secs_f64(),
        peak()
    );
    let large = schema(&[3, 32, 32]);
    let data = records(large.features(), 10, 64, 1);
    let network = cnn5m(1)?;
    let start = Instant::now();
    let q = quantize(&network, &large, 30, &data, Method::Mse)?;
    println!(
        "5 M parameters quantised: {:.2} s, {}",
        start.elapsed().as_secs_f64(),
        peak()
    );
    println!("{}", q.report.text());
    Ok(())
}
