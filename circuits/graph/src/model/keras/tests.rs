//! Files that Keras wrote (docs/training/keras_fixtures.py), and damaged ones.

use super::*;
use crate::float::eval;
use crate::model::onnx;
use std::path::PathBuf;

const NAMES: [&str; 8] = [
    "cnn",
    "layers",
    "branches",
    "signal",
    "transposed_same",
    "transposed_valid",
    "transposed_wide",
    "transposed_even",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/keras")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn numbers(j: &Json) -> Vec<f32> {
    j.as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

/// Scores as the model's last function leaves them.
fn ended(scores: &[f32], last: &str) -> Vec<f32> {
    match last {
        "softmax" => {
            let e: Vec<f32> = scores.iter().map(|s| s.exp()).collect();
            let sum: f32 = e.iter().sum();
            e.iter().map(|v| v / sum).collect()
        }
        "sigmoid" => scores.iter().map(|s| 1.0 / (1.0 + (-s).exp())).collect(),
        _ => scores.to_vec(),
    }
}

#[test]
fn both_formats_give_keras_s_answers() {
    let vectors: Json = serde_json::from_slice(&file("vectors.json")).unwrap();
    for name in NAMES {
        let v = &vectors[name];
        for kind in ["keras", "h5"] {
            let m = read(&file(&format!("{name}.{kind}"))).unwrap_or_else(|e| panic!("{name}.{kind}: {e}"));
            for (x, y) in v["input"]
                .as_array()
                .unwrap()
                .iter()
                .zip(v["output"].as_array().unwrap())
            {
                let got = ended(
                    &eval::outputs(&m.network, &numbers(x)).unwrap(),
                    v["last"].as_str().unwrap(),
                );
                let want = numbers(y);
                assert_eq!(got.len(), want.len(), "{name}.{kind}");
                for (g, w) in got.iter().zip(&want) {
                    assert!(
                        (g - w).abs() <= 1e-4 * w.abs().max(1.0),
                        "{name}.{kind}: {got:?} {want:?}"
                    );
                }
            }
        }
    }
}

/// The same weights through both readers are the same network, number for number.
#[test]
fn keras_and_onnx_give_one_network() {
    let ops = |m: &Imported| {
        m.network
            .nodes()
            .iter()
            .map(|n| (n.op.clone(), n.inputs.clone()))
            .collect::<Vec<_>>()
    };
    let onnx = onnx::read(&file("cnn.onnx")).unwrap();
    for kind in ["cnn.keras", "cnn.h5"] {
        let keras = read(&file(kind)).unwrap();
        assert!(ops(&keras) == ops(&onnx), "{:?} {:?}", keras.network, onnx.network);
    }
}

#[test]
fn snake_case_is_keras_s() {
    for (class, name) in [
        ("Conv2D", "conv2d"),
        ("BatchNormalization", "batch_normalization"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("ReLU", "re_lu"),
        ("PReLU", "p_re_lu"),
        ("UpSampling2D", "up_sampling2d"),
        ("GlobalAveragePooling2D", "global_average_pooling2d"),
    ] {
        assert_eq!(snake_case(class), name);
    }
}

/// A model's description with one thing changed, beside the file's own weights.
fn changed(change: impl Fn(&mut Json)) -> String {
    let bytes = file("cnn.h5");
    let f = File::open(&bytes).unwrap();
    let mut model = json(f.attribute(f.root(), "model_config").unwrap().unwrap().as_bytes()).unwrap();
    change(&mut model);
    build(&model, &f, Naming::Layers).unwrap_err().to_string()
}

#[test]
fn what_is_not_supported_is_named_with_its_cure() {
    let layer =
        |i: usize, key: &'static str, value: Json| changed(move |m| m["config"]["layers"][i][key] = value.clone());
    let config = |i: usize, key: &'static str, value: Json| {
        changed(move |m| m["config"]["layers"][i]["config"][key] = value.clone())
    };
    for (e, says) in [
        (layer(2, "class_name", "Lambda".into()), "Python code; write x² + x"),
        (layer(2, "class_name", "LSTM".into()), "Conv1D along time"),
        (layer(1, "class_name", "Dense".into()), "kernel of shape"),
        (config(1, "activation", "gelu".into()), "\"gelu\" is not supported"),
        (config(1, "activation", "softmax".into()), "softmax over an image"),
        (config(1, "padding", "full".into()), "padding \"full\""),
        (config(1, "data_format", "channels_first".into()), "channels_first"),
        (config(1, "strides", Json::from(0)), "out of range"),
        (config(1, "strides", Json::from("two")), "not one or two whole numbers"),
        (config(1, "name", "other".into()), "is not in the file"),
        (
            config(0, "batch_shape", serde_json::json!([null, null, 6, 2])),
            "not fixed",
        ),
        (
            config(0, "batch_shape", serde_json::json!([null, 1u64 << 40, 6, 2])),
            "has no elements, or more",
        ),
        (config(3, "strides", serde_json::json!([1u64 << 40, 1])), "out of range"),
        (changed(|m| m["class_name"] = "Custom".into()), "subclassed"),
        (changed(|m| m["config"]["layers"] = Json::Null), "no layers"),
    ] {
        assert!(e.contains(says), "{says}: {e}");
    }
    for (bytes, says) in [
        (&b""[..], "no Keras file"),
        (b"PK\x03\x04", "no Keras file"),
        (b"\x89HDF\r\n\x1a\n\x03", "superblock 3"),
        (&vec![0; MAX_KERAS_BYTES + 1], "at most"),
    ] {
        let e = read(bytes).unwrap_err().to_string();
        assert!(e.contains(says), "{says}: {e}");
    }
}

/// Flips, cuts and overwritten words: a network or an error, never a panic, and never slow.
#[test]
fn damaged_files_never_panic() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let mut count = 0;
    for name in ["cnn.h5", "signal.keras", "branches.keras"] {
        let good = file(name);
        for round in 0..700 {
            let mut bad = good.clone();
            if round % 5 == 0 {
                bad.truncate(rng.gen_range(0..good.len()));
            }
            for _ in 0..rng.gen_range(1..6) {
                let at = rng.gen_range(0..bad.len().max(1));
                match rng.gen_range(0..3) {
                    0 => bad.iter_mut().skip(at).take(8).for_each(|b| *b = 0xff),
                    1 => bad.iter_mut().skip(at).take(8).for_each(|b| *b = 0),
                    _ => bad
                        .iter_mut()
                        .skip(at)
                        .take(1)
                        .for_each(|b| *b ^= 1 << rng.gen_range(0..8)),
                }
            }
            if let Ok(m) = read(&bad) {
                count += 1;
                let width = m.network.input().iter().product();
                assert_eq!(
                    eval::outputs(&m.network, &vec![1.0; width]).unwrap().len(),
                    m.network.outputs()
                );
            }
        }
    }
    assert!(count > 50, "{count}");
}
