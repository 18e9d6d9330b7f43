//! The shipped models: what onnxruntime answered, and what the integers lose.

use std::path::{Path, PathBuf};
use zkaggle_graph::float::{Ending, eval};
use zkaggle_graph::graph::Schema;
use zkaggle_graph::model;
use zkaggle_graph::quantize::{Method, quantize};

const NAMES: [&str; 5] = [
    "digits-cnn",
    "mnist-circomlib",
    "mnist-lenet5",
    "cancer-forest",
    "cancer-boosted",
];

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn asset(name: &str) -> Vec<u8> {
    std::fs::read(workspace("node/assets").join(name)).unwrap()
}

#[test]
fn every_model_is_small_and_has_a_card() {
    for name in NAMES {
        assert!(asset(&format!("{name}.onnx")).len() <= 300_000, "{name}");
        let card = String::from_utf8(asset(&format!("{name}.md"))).unwrap();
        for part in ["Data", "Licence", "Accuracy"] {
            assert!(card.contains(part), "{name}.md says nothing on {part}");
        }
    }
}

#[test]
fn float_outputs_are_onnxruntime_s() {
    let text = std::fs::read_to_string(workspace("tests/vectors/models-float.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let row = |v: &serde_json::Value| -> Vec<f32> {
        v.as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap() as f32)
            .collect()
    };
    for name in NAMES {
        let network = model::read(&asset(&format!("{name}.onnx"))).unwrap().network;
        let v = &vectors[name];
        for (x, y) in v["input"]
            .as_array()
            .unwrap()
            .iter()
            .zip(v["output"].as_array().unwrap())
        {
            let (got, want) = (eval::outputs(&network, &row(x)).unwrap(), row(y));
            if name.starts_with("cancer") {
                // The file's first output is the label.
                let label = match network.ending() {
                    Ending::Sign => u8::from(got[0] > 0.0),
                    _ => u8::from(got[1] > got[0]),
                };
                assert_eq!(f32::from(label), want[0], "{name}");
                continue;
            }
            assert_eq!(got.len(), want.len(), "{name}");
            for (g, w) in got.iter().zip(&want) {
                assert!((g - w).abs() <= 1e-3 * w.abs().max(1.0), "{name}: {got:?} {want:?}");
            }
        }
    }
}

/// Quantises on the training records and compares both networks on the others.
fn loses_little(name: &str, schema: Schema, train: &[u8], test: &[u8]) {
    let network = model::read(&asset(&format!("{name}.onnx"))).unwrap().network;
    let q = quantize(&network, &schema, 100, train, Method::Mse).unwrap_or_else(|e| panic!("{name}: {e}"));
    let report = q.report_on(&network, test).unwrap();
    println!(
        "{name}: float {:?}, integer {:?}, same answer on {}",
        report.float, report.integer, report.agreement
    );
    // Half a point, or one record where half a point is less than one.
    let most = (report.float.total / 200).max(1);
    assert!(
        report.float.correct.saturating_sub(report.integer.correct) <= most,
        "{name}"
    );
}

#[test]
fn digits_and_tables_lose_at_most_half_a_point() {
    let digits = Schema::bytes([1, 8, 8], 16, 10);
    loses_little(
        "digits-cnn",
        digits,
        &asset("digits-train.bin"),
        &asset("digits-holdout.bin"),
    );
    for name in ["cancer-forest", "cancer-boosted"] {
        let table = Schema::bytes([30], 255, 2);
        loses_little(name, table, &asset("cancer-train.bin"), &asset("cancer-holdout.bin"));
    }
}

#[test]
fn mnist_loses_at_most_half_a_point() {
    let Some(folder) = std::env::var_os("ZKAGGLE_TEST_DATA") else {
        println!("SKIPPED: ZKAGGLE_TEST_DATA is not set, no MNIST images to measure on");
        return;
    };
    let folder = Path::new(&folder).join("mnist_pgm");
    let labels: Vec<u8> = serde_json::from_slice(&std::fs::read(folder.join("labels.json")).unwrap()).unwrap();
    let mut records = vec![];
    for (i, label) in labels.iter().enumerate() {
        // A header of 13 bytes, then the pixels.
        records.extend(&std::fs::read(folder.join(format!("{i}.pgm"))).unwrap()[13..]);
        records.push(*label);
    }
    let (train, test) = records.split_at(800 * 785);
    for name in ["mnist-circomlib", "mnist-lenet5"] {
        let image = Schema::bytes([1, 28, 28], 255, 10);
        loses_little(name, image, train, test);
    }
}
