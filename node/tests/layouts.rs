//! Records with the label in front, from the command line: a block used in place, and a model for it.

mod common;

use common::{Finished, finish, zkaggle};
use std::path::{Path, PathBuf};

fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// The digits with every label moved to the front.
fn label_first(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(asset(name)).unwrap();
    bytes
        .chunks_exact(65)
        .flat_map(|r| [&r[64..], &r[..64]].concat())
        .collect()
}

#[test]
fn a_block_with_labels_in_front_is_used_in_place_and_a_model_scored_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("train.bin"), label_first("digits-train.bin")).unwrap();
    std::fs::write(at("holdout.bin"), label_first("digits-holdout.bin")).unwrap();
    let places = ["--features-at", "1", "--label-at", "0"];
    let terms = ["--name", "digits", "--licence", "CC BY 4.0", "--dir"];

    // The block comes here under another schema, as it might from IPFS under none.
    let mut c = zkaggle();
    c.args(["--json", "dataset", "import"]).arg(at("holdout.bin"));
    c.args(["--shape", "64", "--max", "16", "--classes", "17"]);
    let raw = finish(c.args(terms).arg(at("node"))).ok().json();
    let [block] = &raw["shards"].as_array().unwrap()[..] else {
        panic!("one shard: {raw}");
    };
    let block = block.as_str().unwrap();

    let used = |more: &[&str]| -> Finished {
        let mut c = zkaggle();
        c.args(["--json", "dataset", "import", "--cid", block, "--shape", "8,8"]);
        c.args(["--max", "16", "--classes", "10"]).args(more);
        finish(c.args(terms).arg(at("node")))
    };
    used(&["--offset", "1", "--features-at", "1", "--label-at", "0"]).refused(
        1,
        &[
            "leaf 1",
            block,
            "64 bytes are left over",
            "correct --shape, --offset, --stride",
        ],
    );
    used(&["--features-at", "1", "--label-at", "1"]).refused(1, &["is one of its features"]);
    used(&[]).refused(1, &["label"]);
    let done = used(&places).ok().json();
    assert_eq!(done["shards"][0].as_str().unwrap(), block, "no byte is written again");
    assert_eq!(done["n"], 360);
    let mut show = zkaggle();
    show.args(["dataset", "show", done["manifest"].as_str().unwrap(), "--dir"]);
    let shown = finish(show.arg(at("node"))).ok();
    assert!(
        shown
            .stdout
            .contains("whole records of 65 bytes, features from byte 1 of a record, the label in byte 0"),
        "{shown:?}"
    );

    let mut c = zkaggle();
    c.args(["--json", "model", "import"]).arg(asset("digits-mlp.onnx"));
    c.arg("--calibrate").arg(at("train.bin"));
    c.args(["--shape", "8,8", "--max", "16", "--classes", "10", "--samples", "360"]);
    c.args(places)
        .arg("--out")
        .arg(at("d.zkm"))
        .arg("--arch")
        .arg(at("d.graph"));
    finish(&mut c).ok();
    let graph = std::fs::read_to_string(at("d.graph")).unwrap();
    assert!(
        graph.contains("offset=0 stride=65 features-at=1 label-at=0\n"),
        "{graph}"
    );

    let eval = |records: PathBuf| {
        let mut c = zkaggle();
        c.args(["--json", "model", "eval"]).arg(at("d.zkm"));
        finish(c.arg("--records").arg(records)).ok().json()
    };
    let score = eval(at("holdout.bin"));
    assert_eq!(score["total"], 360);
    assert!(score["correct"].as_u64().unwrap() > 340, "{score}");
}
