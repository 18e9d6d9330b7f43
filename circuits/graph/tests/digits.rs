//! The shipped digits and models, from ONNX to integers, against what onnxruntime answered.

use std::path::PathBuf;
use zkaggle_graph::dataset::{Dataset, Manifest, Options};
use zkaggle_graph::eval::{Accuracy, evaluate};
use zkaggle_graph::float::{Network, eval};
use zkaggle_graph::graph::{FeatureType, Schema};
use zkaggle_graph::model::{ModelFile, onnx};
use zkaggle_graph::quantize::{Method, Quantized, quantize};

const MODELS: [&str; 2] = ["digits-mlp", "digits-mlp-weak"];

fn workspace(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn asset(name: &str) -> Vec<u8> {
    std::fs::read(workspace("node/assets").join(name)).unwrap()
}

fn schema() -> Schema {
    Schema::bytes([8, 8], 16, 10)
}

fn float(name: &str) -> Network {
    onnx::read(&asset(&format!("{name}.onnx"))).unwrap().network
}

fn quantized(name: &str) -> (Network, Quantized) {
    let model = float(name);
    let q = quantize(&model, &schema(), 360, &asset("digits-train.bin"), Method::Mse).unwrap();
    (model, q)
}

fn scores(model: &Network, features: &[u8]) -> Vec<f64> {
    let x: Vec<f32> = features.iter().map(|&v| f32::from(v)).collect();
    eval::outputs(model, &x).unwrap().into_iter().map(f64::from).collect()
}

fn vectors() -> serde_json::Value {
    let text = std::fs::read_to_string(workspace("tests/vectors/digits-float.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_split_is_stratified_and_its_blocks_are_pinned() {
    let cut = |file, per_shard| {
        let options = Options {
            name: "UCI optical digits".into(),
            licence: "CC BY 4.0".into(),
            per_shard,
        };
        Dataset::from_records(schema(), &asset(file), options).unwrap()
    };
    let (train, holdout) = (cut("digits-train.bin", None), cut("digits-holdout.bin", None));
    assert_eq!((train.n(), holdout.n()), (1437, 360));
    for d in [&train, &holdout] {
        for class in 0..10 {
            let count = d.records().filter(|r| r.label == class).count() as f64;
            let share = count / d.n() as f64;
            assert!((0.09..0.11).contains(&share), "class {class}: {share}");
        }
    }
    assert_eq!(
        holdout.shards()[0].cid.to_string(),
        "bafkreie2nmectyujgvdaix4vuffuevek724xpzdlpildooruvtxuty5vzi"
    );
    assert!(
        train
            .records()
            .all(|a| holdout.records().all(|b| a.features != b.features))
    );
    let cut = cut("digits-holdout.bin", Some(100));
    let again = Dataset::assemble(
        Manifest::from_bytes(&cut.manifest().to_bytes()).unwrap(),
        cut.shards().iter().map(|s| s.bytes.clone()).collect(),
    );
    assert_eq!(again.unwrap(), cut);
    assert_eq!(cut.bytes(), holdout.bytes());
}

#[test]
fn the_importer_computes_what_onnxruntime_computed() {
    let (records, vectors) = (asset("digits-holdout.bin"), vectors());
    for name in MODELS {
        let (model, want) = (float(name), &vectors["models"][name]);
        let mut correct = 0;
        let mut predictions = String::new();
        for (i, r) in records.chunks_exact(65).enumerate() {
            let scores = scores(&model, &r[..64]);
            if let Some(row) = want["first_scores"].get(i) {
                for (s, w) in scores.iter().zip(row.as_array().unwrap()) {
                    let w = w.as_f64().unwrap();
                    assert!((s - w).abs() < 1e-3, "{name}, record {i}: {s} against {w}");
                }
            }
            let top = scores.iter().copied().fold(f64::MIN, f64::max);
            let p = scores.iter().position(|&s| s == top).unwrap();
            correct += u64::from(p == usize::from(r[64]));
            predictions += &p.to_string();
        }
        assert_eq!(Some(predictions.as_str()), want["predictions"].as_str());
        assert_eq!(Some(correct), want["correct"].as_u64());
    }
}

/// What node/assets/README.md prints.
#[test]
fn integers_follow_floats_within_half_a_point_on_the_holdout() {
    let holdout = asset("digits-holdout.bin");
    let mut graphs = vec![];
    for name in MODELS {
        let (model, q) = quantized(name);
        let r = q.report_on(&model, &holdout).unwrap();
        assert_eq!(r.float.total, 360);
        let lost = (f64::from(r.float.correct) - f64::from(r.integer.correct)) / 3.6;
        assert!(lost <= 0.5, "{name}: {lost} points lost");
        assert!(r.agreement >= 357, "{name}: {} agree", r.agreement);
        let e = evaluate(&q.graph, &q.weights, &holdout).unwrap();
        assert_eq!(e.accuracy, r.integer);
        graphs.push((q.graph, r.integer));
    }
    let (good, weak) = (&graphs[0], &graphs[1]);
    assert_eq!(good.0, weak.0, "one architecture, one key");
    assert_eq!(good.0.arch_id(), weak.0.arch_id());
    assert_eq!(
        (good.1.correct, weak.1.correct),
        (355, 336),
        "what node/assets/README.md says"
    );
    assert!(
        good.0
            .text()
            .contains("requant %1 shift=5 bits=13 min=0 max=255 : [32] 0..255")
    );
}

#[test]
fn a_model_file_keeps_the_network() {
    let (_, q) = quantized(MODELS[0]);
    let file = ModelFile {
        graph: q.graph,
        weights: q.weights,
    };
    assert_eq!(ModelFile::from_bytes(&file.to_bytes()).unwrap(), file);
    let e = evaluate(&file.graph, &file.weights, &asset("digits-holdout.bin")).unwrap();
    assert!(matches!(e.accuracy, Accuracy { total: 360, .. }));
}

/// A file as a scikit-learn user has it, normalisation and label output included.
#[test]
fn a_real_pipeline_gives_onnxruntime_s_probabilities() {
    let onnx = std::fs::read(workspace("tests/vectors/pipeline.onnx")).unwrap();
    let imported = onnx::read(&onnx).unwrap();
    let model = imported.network;
    assert!(imported.notes.iter().any(|n| n.contains("Softmax")));
    assert!(imported.notes.iter().any(|n| n.contains("\"probabilities\" was read")));
    let text = std::fs::read_to_string(workspace("tests/vectors/pipeline-float.json")).unwrap();
    let want: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = want["probabilities"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    for (r, row) in asset("digits-holdout.bin").chunks_exact(65).zip(rows) {
        let e: Vec<f64> = scores(&model, &r[..64]).iter().map(|s| s.exp()).collect();
        for (p, w) in e.iter().zip(row.as_array().unwrap()) {
            let p = p / e.iter().sum::<f64>();
            assert!((p - w.as_f64().unwrap()).abs() < 1e-4, "{p} against {w}");
        }
    }
    let train = asset("digits-train.bin");
    let q = quantize(&model, &schema(), 360, &train, Method::Mse).unwrap();
    let apart = q.report.float.correct.abs_diff(q.report.integer.correct);
    assert!(apart * 200 <= q.report.float.total, "{:?}", q.report);
}

/// The same digits in pairs of bytes: the same floats, and integers that are closer to them.
#[test]
fn digits_of_sixteen_bits_are_scored_alike() {
    let wide = Schema {
        feature_type: FeatureType::I16,
        ..schema()
    };
    let widen = |records: &[u8]| {
        let mut out = vec![];
        for r in records.chunks_exact(65) {
            r[..64].iter().for_each(|&v| wide.encode(v.into(), &mut out));
            out.push(r[64]);
        }
        out
    };
    let (train, holdout) = (widen(&asset("digits-train.bin")), widen(&asset("digits-holdout.bin")));
    for name in MODELS {
        let (model, narrow) = quantized(name);
        let q = quantize(&model, &wide, 360, &train, Method::Mse).unwrap();
        let report = q.report_on(&model, &holdout).unwrap();
        let bytes = narrow.report_on(&model, &asset("digits-holdout.bin")).unwrap();
        assert_eq!(report.float, bytes.float, "{name}");
        // Half a point of 360.
        assert!(
            report.integer.correct.abs_diff(report.float.correct) <= 1,
            "{name}: {report:?}"
        );
        assert!(report.layers[0].rms_error <= bytes.layers[0].rms_error, "{name}");
        let e = evaluate(&q.graph, &q.weights, &holdout).unwrap();
        assert_eq!(
            e.accuracy, report.integer,
            "{name}: what is reported is what is evaluated"
        );
    }
}
