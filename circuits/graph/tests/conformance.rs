//! The ONNX reader and the float evaluator against cases this project did not write: those of the
//! `onnx` package, random graphs with onnxruntime's answers, and scikit-learn's models.
//!
//! `python tests/tools/onnx_cases.py FOLDER` makes the cases; `ZKAGGLE_ONNX_CASES=FOLDER` runs them.
//! Without it nothing is checked, and the test says so.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zkaggle_graph::float::{Ending, eval};
use zkaggle_graph::model::onnx::{Samples, read_as};

#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    file: String,
    /// `values`, or `argmax` where the network ends in an answer.
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

/// Runs a folder's cases and prints the counts; gives what was refused.
fn run_all(name: &str) -> BTreeMap<String, String> {
    let Some(folder) = folder(name) else {
        return BTreeMap::new();
    };
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
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
