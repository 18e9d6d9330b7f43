//! Tables of 16-bit features, from the command line: import, model, evaluation, and what is refused.

mod common;

use common::{finish, zkaggle};
use std::path::{Path, PathBuf};
use std::process::Command;

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// The digits as a table, with every pixel divided by 8 so that a factor is needed.
fn table(name: &str) -> String {
    let bytes = std::fs::read(asset(name)).unwrap();
    let mut text: String = (0..64).map(|i| format!("p{i},")).collect();
    text += "label\n";
    for r in bytes.chunks_exact(65) {
        r[..64]
            .iter()
            .for_each(|&v| text += &format!("{},", f64::from(v) / 8.0));
        text += &format!("{}\n", r[64]);
    }
    text
}

fn import(csv: &Path, more: &[&str], dir: &Path) -> Command {
    let mut c = zkaggle();
    c.args(["--json", "dataset", "import"]).arg(csv).args(more);
    c.args(["--name", "digits", "--licence", "CC BY 4.0", "--dir"]).arg(dir);
    c
}

#[test]
fn a_table_of_measurements_is_imported_and_a_model_scored_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("t.csv"), table("digits-holdout.bin")).unwrap();

    let e = finish(&mut import(&at("t.csv"), &["--type", "i16"], &at("node")));
    e.refused(
        1,
        &[
            "t.csv, line 2, value",
            "no whole number from -32767 to 32767",
            "--scale",
        ],
    );
    let e = finish(&mut import(
        &at("t.csv"),
        &["--type", "i16", "--scale", "8,8"],
        &at("node"),
    ));
    e.refused(2, &["2 factors for samples of 64 features"]);
    let e = finish(&mut import(&at("t.csv"), &["--type", "i32"], &at("node")));
    e.refused(2, &["u8 and i16"]);
    assert!(!at("node").join("blocks").exists(), "a refused import leaves nothing");

    let auto = finish(&mut import(
        &at("t.csv"),
        &["--type", "i16", "--scale", "auto"],
        &at("other"),
    ))
    .ok()
    .json();
    assert_eq!(auto["report"]["scale"].as_array().unwrap().len(), 64);
    let done = finish(&mut import(
        &at("t.csv"),
        &["--type", "i16", "--max", "16", "--scale", "8"],
        &at("node"),
    ))
    .ok()
    .json();
    let report = &done["report"];
    assert_eq!(
        (&report["feature_type"], &report["record_bytes"]),
        (&"i16".into(), &129.into())
    );
    let mut show = zkaggle();
    show.args(["dataset", "show", done["manifest"].as_str().unwrap(), "--dir"])
        .arg(at("node"));
    let shown = finish(&mut show).ok();
    assert!(
        shown.stdout.contains("of i16, values -16 to 16, 10 classes"),
        "{shown:?}"
    );

    // The same records as a file: what the model is calibrated and scored on.
    let mut records = vec![];
    for r in std::fs::read(asset("digits-train.bin")).unwrap().chunks_exact(65) {
        r[..64].iter().for_each(|&v| records.extend([v, 0]));
        records.push(r[64]);
    }
    std::fs::write(at("train.bin"), records).unwrap();
    let model = |max: &str| {
        let mut c = zkaggle();
        c.args(["--json", "model", "import"]).arg(asset("digits-mlp.onnx"));
        c.arg("--calibrate")
            .arg(at("train.bin"))
            .args(["--shape", "8,8", "--type", "i16", "--max", max]);
        c.args(["--classes", "10", "--samples", "360", "--out"])
            .arg(at("d.zkm"))
            .arg("--arch")
            .arg(at("d.graph"));
        finish(&mut c)
    };
    model("15").refused(1, &["train.bin", "16 exceeds the schema's largest value 15"]);
    model("16").ok();
    let graph = std::fs::read_to_string(at("d.graph")).unwrap();
    assert!(graph.contains("features=i16[8,8] max=16"), "{graph}");
    assert!(graph.contains("outputs=32 weights=i16"), "{graph}");
}
