//! Measures one accuracy proof: `accuracy_cost [samples]` for the 64-32-10 digits network.
//!
//! Prints rows, k, seconds and peak resident memory of set-up, proof and verification, and the
//! proof's size. Weights and images are random: time does not depend on them.

use rand::rngs::OsRng;
use rand::{Rng, SeedableRng};
use std::time::Instant;
use zkaggle_circuits::accuracy::{ScoreKey, cost};
use zkaggle_circuits::backend::{Srs, memory};
use zkaggle_circuits::statements::accuracy::{AccuracyWitness, instance};
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::{Graph, Schema};
use zkaggle_graph::weights::Weights;

fn main() -> anyhow::Result<()> {
    let samples: u32 = std::env::args().nth(1).map_or(Ok(360), |s| s.parse())?;
    let graph = digits(samples)?;
    let cost = cost(&graph)?;
    println!("{samples} samples: {cost:?}");

    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let bytes: Vec<u8> = (0..graph.weight_bytes())
        .map(|i| {
            // Small biases: their upper three bytes are zero.
            let bias = (2048..2048 + 128).contains(&i) || i >= 2048 + 128 + 320;
            if bias { 0 } else { rng.gen_range(-20i8..=20) as u8 }
        })
        .collect();
    let w = AccuracyWitness {
        weights: Weights::from_bytes(&graph, &bytes)?,
        blind: Blind::new(Fr::from(rng.r#gen::<u64>())),
        shard: (0..samples)
            .flat_map(|_| {
                let mut record: Vec<u8> = (0..64).map(|_| rng.gen_range(0..=16)).collect();
                record.push(rng.gen_range(0..10));
                record
            })
            .collect(),
    };
    let x = instance(&graph, &w, Fr::from(1u64))?;

    let srs = Srs::development(cost.k)?;
    let t = Instant::now();
    let key = ScoreKey::setup(&srs, &graph)?;
    println!(
        "keys {:.2} s, peak {} MiB",
        t.elapsed().as_secs_f64(),
        memory::peak()? >> 20
    );
    memory::reset_peak()?;
    let t = Instant::now();
    let proof = key.prove(&srs, &x, &w, OsRng)?;
    println!(
        "proof {:.2} s, peak {} MiB, {} bytes",
        t.elapsed().as_secs_f64(),
        memory::peak()? >> 20,
        proof.len()
    );
    let t = Instant::now();
    key.verify(srs.points(), &x, &proof)?;
    println!("verified in {:.1} ms", t.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn digits(samples: u32) -> anyhow::Result<Graph> {
    let schema = Schema::bytes([8, 8], 16, 10);
    Ok(Graph::mlp(schema, samples, &[64, 32, 10], &[(6, 14)])?)
}
