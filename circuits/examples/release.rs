//! Times one release proof: `cargo run --release -p zkaggle-circuits --example release [HIDDEN]`.
//!
//! `HIDDEN` units between 64 features and 10 classes choose the capacity class: 32 (the default) gives 4 Ki,
//! 800 gives 64 Ki, 1024 gives 1 Mi.

use anyhow::Result;
use rand::rngs::OsRng;
use std::time::Instant;
use zkaggle_circuits::backend::groth16::ReleaseKey;
use zkaggle_circuits::backend::memory;
use zkaggle_circuits::release::circuit::shape;
use zkaggle_circuits::statements::release::{open, seal};
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::jub::ProviderKey;
use zkaggle_graph::weights::Weights;

fn main() -> Result<()> {
    let schema = Schema::bytes([8, 8], 16, 10);
    let hidden: u32 = std::env::args().nth(1).map_or(Ok(32), |s| s.parse())?;
    let graph = Graph::mlp(schema, 64, &[64, hidden, 10], &[(6, 14)])?;
    let weights = Weights::from_bytes(&graph, &vec![1; graph.weight_bytes()])?;
    let Some(provider) = ProviderKey::from_uniform(&[7; 64]) else {
        anyhow::bail!("the fixed key is not zero");
    };
    let class = graph.class()?;
    let system = shape(class);
    println!(
        "class {class:?}: {} constraints, {} variables",
        system.rows().len(),
        system.variables()
    );
    let t = Instant::now();
    let key = ReleaseKey::setup_development(class)?;
    println!("setup  {:>8.3} s", t.elapsed().as_secs_f64());
    if let Ok(bytes) = memory::peak() {
        println!("peak   {:>8} MiB", bytes >> 20);
    }
    memory::reset_peak()?;
    let blind = Blind::from_uniform(&[3; 64]);
    let t = Instant::now();
    let (x, w, ciphertext) = seal(
        &graph,
        &weights,
        &blind,
        Fr::from(1u64),
        provider.stored(),
        key.vk_id([0; 32]),
        &mut OsRng,
    )?;
    println!("seal   {:>8.3} s", t.elapsed().as_secs_f64());
    let t = Instant::now();
    let proof = key.prove(&x, &w, &mut OsRng)?;
    println!("prove  {:>8.3} s, {} bytes", t.elapsed().as_secs_f64(), proof.len());
    let t = Instant::now();
    key.verify(&x, &proof)?;
    println!("verify {:>8.3} s", t.elapsed().as_secs_f64());
    let t = Instant::now();
    open(&graph, &provider, &x.epk, &x.ctx, &x.model, &ciphertext)?;
    println!("open   {:>8.3} s", t.elapsed().as_secs_f64());
    if let Ok(bytes) = memory::peak() {
        println!("peak   {:>8} MiB", bytes >> 20);
    }
    Ok(())
}
