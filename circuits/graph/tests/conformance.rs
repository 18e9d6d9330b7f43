//! The ONNX reader and the float evaluator against cases this project did not write: those of the
//! `onnx` package, random graphs with onnxruntime's answers, and scikit-learn's models.
//!
//! `python tests/tools/onnx_cases.py FOLDER` makes the cases; `ZKAGGLE_ONNX_CASES=FOLDER` runs them.
//! Without it nothing is checked, and the test says so.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zkaggle_graph::eval::answers;
use zkaggle_graph::float::{Ending, eval};
use zkaggle_graph::graph::Schema;
use zkaggle_graph::model::onnx::{Samples, read, read_as};
use zkaggle_graph::quantize::{Method, Quantized, quantize};

#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    file: String,
    /// `values`, `argmax` where the network ends in an answer, `integers`, or `refused`.
    how: String,
    rtol: f32,
    atol: f32,
    shape: Vec<usize>,
    input: Vec<f32>,
    expected: Vec<f32>,
}

enum Outcome {
    Passed,
    Refused(String),
    Failed(String),
}

fn folder(name: &str) -> Option<PathBuf> {
    match std::env::var_os("ZKAGGLE_ONNX_CASES") {
        Some(f) => Some(Path::new(&f).join(name)),
        None => {
            println!("SKIPPED: ZKAGGLE_ONNX_CASES is not set, no {name} cases (tests/tools/onnx_cases.py makes them)");
            None
        }
    }
}

/// Outputs for the whole input: sample by sample, or at once.
fn outputs(case: &Case, bytes: &[u8], samples: Samples) -> Result<Vec<f32>, String> {
    let network = read_as(bytes, samples).map_err(|e| e.to_string())?.network;
    let width: usize = network.input().iter().product();
    let mut out = vec![];
    for row in case.input.chunks_exact(width) {
        let scores = eval::outputs(&network, row).map_err(|e| e.to_string())?;
        match (case.how.as_str(), network.ending()) {
            ("argmax", Ending::Sign) => out.push(f32::from(u8::from(scores[0] > 0.0))),
            ("argmax", _) => {
                let mut top = 0;
                (0..scores.len()).for_each(|i| top = if scores[i] > scores[top] { i } else { top });
                out.push(top as f32);
            }
            _ => out.extend(scores),
        }
    }
    Ok(out)
}

fn run(folder: &Path, case: &Case) -> Outcome {
    let bytes = std::fs::read(folder.join(&case.file)).unwrap();
    let mut reasons = vec![];
    let both = [Samples::Batched, Samples::Whole];
    for samples in if case.shape.len() > 1 { &both[..] } else { &both[1..] } {
        match outputs(case, &bytes, *samples) {
            Err(e) => reasons.push(e),
            Ok(got) if got.len() != case.expected.len() => {
                reasons.push(format!(
                    "{} values where {} are expected",
                    got.len(),
                    case.expected.len()
                ));
            }
            Ok(got) => {
                let off = got
                    .iter()
                    .zip(&case.expected)
                    .position(|(g, e)| (g - e).abs() > case.atol + case.rtol * e.abs() || g.is_nan());
                return match off {
                    None => Outcome::Passed,
                    Some(i) => Outcome::Failed(format!("value {i}: {} where {} is expected", got[i], case.expected[i])),
                };
            }
        }
    }
    Outcome::Refused(reasons.swap_remove(0))
}

fn read_cases(folder: &Path) -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap()
}

/// Runs a folder's cases and prints the counts; gives what was refused.
fn run_all(name: &str) -> BTreeMap<String, String> {
    let Some(folder) = folder(name) else {
        return BTreeMap::new();
    };
    let cases = read_cases(&folder);
    let (mut passed, mut failed, mut refused) = (0, vec![], BTreeMap::new());
    for case in &cases {
        match run(&folder, case) {
            Outcome::Passed => passed += 1,
            Outcome::Refused(why) => {
                refused.insert(case.name.clone(), why);
            }
            Outcome::Failed(why) => failed.push(format!("{} ({}): {why}", case.name, case.op)),
        }
    }
    println!(
        "{name}: {passed} passed, {} refused, {} failed, of {}",
        refused.len(),
        failed.len(),
        cases.len()
    );
    refused.iter().for_each(|(n, why)| println!("  refused {n}: {why}"));
    assert!(failed.is_empty(), "{name}:\n{}", failed.join("\n"));
    refused
}

/// Every case of the `onnx` package passes, or docs/operators.md lists it with the reason.
#[test]
fn the_onnx_package_s_node_cases() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let unlisted: Vec<_> = run_all("node")
        .into_iter()
        .filter(|(name, _)| !docs.contains(&format!("`{name}`")))
        .collect();
    assert!(
        unlisted.is_empty(),
        "refused, but not in docs/operators.md: {unlisted:#?}"
    );
}

#[test]
fn random_graphs_give_onnxruntime_s_outputs() {
    let refused = run_all("random");
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Exact decisions on integer features.
#[test]
fn scikit_learn_s_models_give_the_same_answers() {
    let refused = run_all("trees");
    assert!(refused.is_empty(), "{refused:#?}");
}

/// A case's samples as records; the label is 0.
fn records(case: &Case, classes: usize) -> (Schema, Vec<u8>) {
    let features = case.shape[1..].iter().product();
    let bytes = case.input.iter().map(|&v| {
        assert!((0.0..=255.0).contains(&v) && v.fract() == 0.0, "{}", case.name);
        v as u8
    });
    let bytes: Vec<u8> = bytes.collect();
    let shape: Vec<u32> = case.shape[1..].iter().map(|&d| d as u32).collect();
    let schema = Schema::bytes(shape, 255, classes as u16);
    let records = bytes.chunks_exact(features).flat_map(|r| [r, &[0]].concat());
    (schema, records.collect())
}

fn quantized(folder: &Path, case: &Case) -> Result<Quantized, String> {
    let network = read(&std::fs::read(folder.join(&case.file)).unwrap()).map_err(|e| e.to_string())?;
    let classes = match network.network.ending() {
        Ending::Classes => network.network.outputs(),
        Ending::Sign | Ending::Values => 2,
    };
    let (schema, records) = records(case, classes);
    quantize(
        &network.network,
        &schema,
        case.shape[0] as u32,
        &records,
        Method::MinMax,
    )
    .map_err(|e| e.to_string())
}

/// Every integer of graphs that were quantised before is onnxruntime's; what it leaves in floats is
/// refused by name.
#[test]
fn quantised_graphs_give_onnxruntime_s_integers() {
    let Some(folder) = folder("qdq") else { return };
    let cases = read_cases(&folder);
    if cases.is_empty() {
        println!("SKIPPED: no quantised graphs were drawn; onnxruntime computes otherwise on this processor");
        return;
    }
    let (mut equal, mut integers, mut refused, mut wrong) = (0, 0, 0, vec![]);
    for case in cases {
        let (_, records) = records(&case, 2);
        match (quantized(&folder, &case), case.how.as_str()) {
            (Ok(q), "integers") => {
                let (got, _) = answers(&q.graph, &q.weights, &records).unwrap();
                let got: Vec<i64> = got.into_iter().flat_map(|a| a.scores).collect();
                let want: Vec<i64> = case.expected.iter().map(|&v| v as i64).collect();
                if got == want {
                    equal += 1;
                    integers += want.len();
                } else {
                    let off = got.iter().zip(&want).filter(|(g, w)| g != w).count();
                    wrong.push(format!(
                        "{} ({}): {off} of {} integers differ",
                        case.name,
                        case.op,
                        want.len()
                    ));
                }
            }
            (Err(e), "refused") if e.contains("onnxruntime") => refused += 1,
            (Err(e), _) => wrong.push(format!("{} ({}): {e}", case.name, case.op)),
            (Ok(_), how) => wrong.push(format!(
                "{} ({}): quantised, where {how} is expected",
                case.name, case.op
            )),
        }
    }
    println!(
        "qdq: {equal} graphs equal in {integers} integers, {refused} refused as they must be, {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal >= 100, "{equal} graphs are too few; draw more with --qdq");
}

/// Integers stay as close to the floats as the quantiser claims, in every layer of every random graph.
#[test]
fn random_graphs_keep_their_error_bounds() {
    let Some(folder) = folder("random") else { return };
    let (mut graphs, mut layers, mut agree, mut records) = (0, 0, 0, 0);
    let (mut bounded, mut refused, mut wrong) = (0, vec![], vec![]);
    let mut shares = vec![];
    for case in read_cases(&folder) {
        let q = match quantized(&folder, &case) {
            Ok(q) => q,
            Err(e) => {
                refused.push(format!("{} ({}): {e}", case.name, case.op));
                continue;
            }
        };
        graphs += 1;
        agree += q.report.agreement;
        records += q.report.float.total;
        for l in &q.report.layers {
            layers += 1;
            bounded += u32::from(l.error_bound.is_finite());
            // The float network is float32, its answer is no closer to the reals.
            if l.max_error > l.error_bound + 1e-4 {
                wrong.push(format!(
                    "{} {}: {} above {}",
                    case.name, l.name, l.max_error, l.error_bound
                ));
            }
        }
        shares.extend(q.report.layers.last().map(|l| l.max_error / l.error_bound.max(1e-9)));
    }
    shares.sort_by(f64::total_cmp);
    println!(
        "random: {graphs} graphs quantised, {layers} layers, {bounded} with a finite bound; argmax agrees on {agree} of {records}"
    );
    println!(
        "random: the error of the answer is {:.3} of its bound in the median",
        shares[shares.len() / 2]
    );
    refused.iter().for_each(|r| println!("  refused {r}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(graphs >= 400, "{graphs} graphs are too few");
}

/// Ensembles of scikit-learn and LightGBM give the same class in integers, on every sample.
#[test]
fn ensembles_decide_in_integers_as_they_did() {
    let Some(folder) = folder("trees") else { return };
    let (mut models, mut samples, mut wrong) = (0, 0, vec![]);
    for case in read_cases(&folder) {
        let ensemble = ["tree", "forest", "extra", "boosted", "lightgbm"];
        if case.how != "argmax" || !ensemble.iter().any(|e| case.name.contains(e)) {
            continue;
        }
        let q = quantized(&folder, &case).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let (got, _) = answers(&q.graph, &q.weights, &records(&case, 2).1).unwrap();
        let off = got
            .iter()
            .zip(&case.expected)
            .filter(|(g, e)| f32::from(g.prediction) != **e)
            .count();
        if off > 0 {
            wrong.push(format!("{}: {off} of {}", case.name, got.len()));
        }
        models += 1;
        samples += got.len();
    }
    println!(
        "trees: {models} ensembles on {samples} samples in integers, {} wrong",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}
