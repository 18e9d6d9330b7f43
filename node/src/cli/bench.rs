//! `zkaggle bench`: the figures of docs/benchmarks.md, on this machine.
//!
//! Every figure comes with its CPU time (all threads) beside wall time, and peak memory: wall time on
//! a shared machine says little.

use super::args::{BenchArgs, BenchTarget};
use super::bench_cid;
use super::output::Output;
use crate::demo::assets;
use crate::import::{self, ModelImport};
use crate::measure::Measure;
use crate::prover::Prover;
use anyhow::{Context, Result};
use serde::Serialize;
use zkaggle_circuits::statements::accuracy::{self, AccuracyWitness};
use zkaggle_circuits::statements::release;
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::jub::ProviderKey;
use zkaggle_tui::timeline::grouped;

/// One measured step.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub what: &'static str,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub peak_rss_mib: u64,
    pub bytes: usize,
    /// Where the bytes are moved rather than made: megabytes (10⁶) a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mb_per_second: Option<f64>,
    /// Where a chain does it: gas of the transactions, calldata and storage included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
}

/// User and system time of this process, all threads, in seconds.
pub(super) fn cpu_seconds() -> f64 {
    cpu_seconds_of("self")
}

/// As [`cpu_seconds`], of the process with this id.
pub(super) fn cpu_seconds_of(process: &str) -> f64 {
    // Linux: fields 14 and 15 of /proc/self/stat, in ticks of 10 ms; the name in field 2 may hold
    // spaces, so count from its closing parenthesis.
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let ticks: u64 = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

pub(super) async fn figure(what: &'static str, work: impl Future<Output = Result<usize>>) -> Result<Figure> {
    let (measure, cpu) = (Measure::start(), cpu_seconds());
    let bytes = work.await.context(what)?;
    Ok(Figure {
        what,
        seconds: measure.seconds(),
        cpu_seconds: cpu_seconds() - cpu,
        peak_rss_mib: measure.peak_mib(),
        bytes,
        mb_per_second: None,
        gas: None,
    })
}

pub async fn run(args: BenchArgs, out: Output) -> Result<()> {
    let wants = |t| args.what.is_empty() || args.what.contains(&t);
    let proofs = [BenchTarget::Accuracy, BenchTarget::Cid, BenchTarget::Release];
    let mut figures = match proofs.into_iter().any(wants) {
        true => proof_figures(&args, wants).await?,
        false => vec![],
    };
    if wants(BenchTarget::Import) {
        figures.extend(super::bench_import::figures(args.size)?);
    }
    if wants(BenchTarget::Model) {
        figures.extend(super::bench_model::figures().await?);
    }
    if wants(BenchTarget::Bitswap) {
        figures.extend(super::bench_bitswap::figures().await?);
    }
    let mut text = format!(
        "{:<48} {:>9} {:>9} {:>9} {:>11} {:>8} {:>10}",
        "what", "seconds", "CPU-s", "peak MiB", "bytes", "MB/s", "gas"
    );
    for f in &figures {
        text += &format!(
            "\n{:<48} {:>9.2} {:>9.2} {:>9} {:>11} {:>8} {:>10}",
            f.what,
            f.seconds,
            f.cpu_seconds,
            grouped(f.peak_rss_mib),
            grouped(f.bytes as u64),
            f.mb_per_second.map(|rate| format!("{rate:.0}")).unwrap_or_default(),
            f.gas.map(grouped).unwrap_or_default()
        );
    }
    out.print(&figures, &text)
}

async fn proof_figures(args: &BenchArgs, wants: impl Fn(BenchTarget) -> bool) -> Result<Vec<Figure>> {
    let prover = Prover::open(&args.keys)?;
    let mut figures = vec![];
    let schema = assets::schema();
    let samples = u32::try_from(assets::HOLDOUT.len() / schema.record_bytes()).context("samples")?;
    let model = import::model(&ModelImport {
        onnx: assets::MODEL,
        schema,
        calibration: assets::TRAIN,
        samples,
        method: zkaggle_graph::quantize::Method::Mse,
    })?;
    let (graph, weights) = (&model.file.graph, &model.file.weights);
    let blind = Blind::new(Fr::from(7u64));
    let ctx = Fr::from(1u64);

    if wants(BenchTarget::Cid) {
        figures.extend(bench_cid::figures(&prover, args).await?);
    }
    if wants(BenchTarget::Accuracy) {
        let mut key = None;
        figures.push(
            figure("score key, 64-32-10, 360 images", async {
                let k = prover.score_key(graph).await?;
                let n = k.data.bytes.len();
                key = Some(k);
                Ok(n)
            })
            .await?,
        );
        let key = key.context("no key")?;
        let w = AccuracyWitness {
            weights: weights.clone(),
            blind: blind.clone(),
            shard: assets::HOLDOUT.to_vec(),
        };
        let x = accuracy::instance(graph, &w, ctx)?;
        figures.push(
            figure("accuracy proof, 64-32-10, 360 images", async {
                Ok(prover.prove_accuracy(prover.turn().await?, key, x, w).await?.len())
            })
            .await?,
        );
    }
    if wants(BenchTarget::Release) {
        let key = prover.release_key(graph.class()?).await?;
        let pk = ProviderKey::from_uniform(&[5; 64])
            .context("a key from constant bytes")?
            .stored();
        let (x, w, _) = release::seal(graph, weights, &blind, ctx, pk, key.vk_id, &mut rand::rngs::OsRng)?;
        figures.push(
            figure("release proof, 4 Ki class", async {
                Ok(prover.prove_release(prover.turn().await?, key, x, w).await?.len())
            })
            .await?,
        );
    }
    Ok(figures)
}
