//! Proves random shards and says what each phase took.
//!
//! `cargo run --release -p zkaggle-sumcheck --example measure -- BYTES...` with one length a shard. The
//! powers of tau are made from a fixed tau and kept in the system's temporary folder: they are worth
//! nothing but time.

use halo2curves::bn256::{Fr, G1, G1Affine, G2Affine};
use halo2curves::ff::{Field, PrimeField};
use halo2curves::group::prime::PrimeCurveAffine;
use halo2curves::group::{Curve, Group};
use halo2curves::serde::SerdeObject;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::time::Instant;
use zkaggle_sumcheck::commit::{CommitKey, VerifyKey};
use zkaggle_sumcheck::prover::prove;
use zkaggle_sumcheck::statement::Plan;
use zkaggle_sumcheck::verifier::verify;

fn powers(n: usize, tau: Fr) -> Vec<G1Affine> {
    let path = std::env::temp_dir().join(format!("zkaggle-measure-powers-{n}"));
    if let Ok(bytes) = std::fs::read(&path)
        && bytes.len() == 64 * n
    {
        return bytes.chunks_exact(64).filter_map(G1Affine::from_raw_bytes).collect();
    }
    let mut windows = vec![];
    let mut base = G1::generator();
    for _ in 0..32 {
        let mut row = vec![G1::identity()];
        for i in 0..255 {
            row.push(row[i] + base);
        }
        base += row[255];
        let mut affine = vec![G1Affine::identity(); 256];
        G1::batch_normalize(&row, &mut affine);
        windows.push(affine);
    }
    let out: Vec<G1Affine> = (0..n.div_ceil(1024))
        .into_par_iter()
        .flat_map_iter(|chunk| {
            let mut x = tau.pow_vartime([1024 * chunk as u64]);
            let points: Vec<G1> = (0..1024.min(n - 1024 * chunk))
                .map(|_| {
                    let repr = x.to_repr();
                    x *= tau;
                    windows
                        .iter()
                        .zip(repr)
                        .map(|(w, b)| w[usize::from(b)])
                        .fold(G1::identity(), |s, p| s + p)
                })
                .collect();
            let mut affine = vec![G1Affine::identity(); points.len()];
            G1::batch_normalize(&points, &mut affine);
            affine
        })
        .collect();
    let bytes: Vec<u8> = out.iter().flat_map(SerdeObject::to_raw_bytes).collect();
    if let Err(e) = std::fs::write(&path, bytes) {
        eprintln!("{}: {e}", path.display());
    }
    out
}

/// CPU seconds of this process, and its peak memory in MiB.
fn usage() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    let cpu = fields.get(11..13).map_or(0.0, |f| f.iter().sum::<f64>() / 100.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    (cpu, peak.unwrap_or(0) / 1024)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lengths = std::env::args()
        .skip(1)
        .map(|a| a.parse())
        .collect::<Result<Vec<usize>, _>>()?;
    let plan = Plan::new(lengths.iter().copied())?;
    let tau = Fr::from_raw([11, 22, 33, 44]);
    let key = CommitKey::new(powers(1 << plan.polynomial_variables(), tau).into());
    let vk = VerifyKey::new((G2Affine::generator() * tau).to_affine());
    let shards: Vec<Vec<u8>> = lengths
        .iter()
        .map(|n| (0..*n).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect())
        .collect();
    let shards: Vec<&[u8]> = shards.iter().map(|s| &s[..]).collect();

    let start = (Instant::now(), usage().0);
    let mut last = start;
    let mut name = String::new();
    let mut report = |next: String| {
        let (cpu, peak) = usage();
        if !name.is_empty() {
            let wall = last.0.elapsed().as_secs_f64();
            println!(
                "{name:>8}: {wall:6.2} s wall, {:6.2} CPU-s, peak {peak} MiB",
                cpu - last.1
            );
        }
        last = (Instant::now(), cpu);
        name = next;
    };
    let proved = prove(&key, &vk.srs_id(), &shards, |phase| {
        report(format!("{phase:?}"));
        ControlFlow::Continue(())
    })?;
    report(String::new());
    println!(
        "{} slots, 2^{} cells a polynomial: {:.2} s wall, {:.2} CPU-s, {} bytes",
        plan.slots,
        plan.polynomial_variables(),
        start.0.elapsed().as_secs_f64(),
        usage().0 - start.1,
        proved.proof.len()
    );
    let t = Instant::now();
    verify(&vk, &proved.statement, &proved.proof)?;
    println!("verified in {:.1} ms", t.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
