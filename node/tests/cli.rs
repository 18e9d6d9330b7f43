//! The command line as a user meets it: help, exit codes, and that bad input leaves nothing behind.

mod common;

use common::{asset, finish, import_digits, import_model, init, password, run, zkaggle};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const NOT_FOUND: i32 = 4;
const UNREACHABLE: i32 = 5;
const RECORD: usize = 65;

/// Every file under `dir` with its content.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(&d).unwrap() {
            let path = e.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                out.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    out
}

/// Runs a command that must be refused, and demands that no file under `dir` changed or appeared.
fn leaves_nothing(dir: &Path, c: &mut Command, code: i32, words: &[&str]) {
    let before = contents(dir);
    finish(c).refused(code, words);
    assert!(contents(dir) == before, "{c:?} left something behind");
}

// ------------------------------------------------------------------ help, usage

#[test]
fn every_command_has_help() {
    let commands: [&[&str]; 45] = [
        &[],
        &["demo"],
        &["devnet"],
        &["init"],
        &["daemon"],
        &["dataset"],
        &["dataset", "import"],
        &["dataset", "fetch"],
        &["dataset", "prove"],
        &["dataset", "verify"],
        &["dataset", "show"],
        &["dataset", "export"],
        &["model"],
        &["model", "import"],
        &["model", "show"],
        &["model", "eval"],
        &["deploy"],
        &["bounty"],
        &["bounty", "post"],
        &["bounty", "list"],
        &["bounty", "show"],
        &["bounty", "reveal"],
        &["bounty", "attest"],
        &["bounty", "cancel"],
        &["bounty", "finalize"],
        &["bounty", "timeout"],
        &["bounty", "withdraw"],
        &["bounty", "open"],
        &["bounty", "accept-key"],
        &["bounty", "answer"],
        &["hunt"],
        &["hunt", "commit"],
        &["hunt", "prove"],
        &["hunt", "claim"],
        &["hunt", "challenge"],
        &["hunt", "propose"],
        &["hunt", "status"],
        &["hunt", "withdraw"],
        &["hunt", "run"],
        &["verify"],
        &["backup"],
        &["restore"],
        &["doctor"],
        &["bench"],
        &["help", "demo"],
    ];
    for c in commands {
        let mut args = c.to_vec();
        if c.first() != Some(&"help") {
            args.push("--help");
        }
        let done = run(&args).ok();
        assert!(done.stdout.contains("Usage: zkaggle"), "{done:?}");
        assert_eq!(done.stderr, "", "{args:?}");
    }
    assert!(run(["--version"]).ok().stdout.starts_with("zkaggle "));
}

#[test]
fn what_is_no_command_line_is_a_usage_error() {
    for args in [
        &[][..],
        &["frobnicate"],
        &["verify"],
        &["demo", "--samples", "63"],
        &["demo", "--samples", "361"],
        &["devnet", "--port", "65536"],
        &["init", "--dir", "x", "--role", "judge"],
        &["verify", "x", "--no-such-flag"],
        &["hunt", "commit", "1", "--dev-account", "1"],
        &[
            "hunt",
            "commit",
            "1",
            "--model",
            "x",
            "--slot",
            "2",
            "--dev-account",
            "1",
        ],
        &[
            "hunt",
            "commit",
            "1",
            "--model",
            "x",
            "--model",
            "y",
            "--slot",
            "1",
            "--dev-account",
            "1",
        ],
        &[
            "hunt",
            "commit",
            "1",
            "--model",
            "x",
            "--model",
            "y",
            "--model",
            "z",
            "--dev-account",
            "1",
        ],
        &["hunt", "prove", "1", "--slot", "2", "--dir", "x"],
        &[
            "hunt",
            "run",
            "--payout",
            "0x0000000000000000000000000000000000000000",
            "--dir",
            "x",
        ],
        &[
            "hunt",
            "run",
            "--model",
            "x",
            "--model",
            "y",
            "--model",
            "z",
            "--dir",
            "/no-such-folder",
        ],
    ] {
        let done = run(args);
        assert_eq!(done.code, USAGE, "{args:?}: {done:?}");
        assert!(!done.stderr.is_empty());
    }
}

// --------------------------------------------------------------------- datasets

#[test]
fn records_are_imported_or_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let records = std::fs::read(asset("digits-holdout.bin")).unwrap();
    let good = &records[..70 * RECORD];

    std::fs::write(at("good.bin"), good).unwrap();
    let done = finish(&mut import_digits(&at("good.bin"), &at("node"))).ok().json();
    assert_eq!(done["n"], 70);
    let manifest = done["manifest"].as_str().unwrap().to_owned();
    let shown = finish(
        zkaggle()
            .args(["--json", "dataset", "show", &manifest, "--dir"])
            .arg(at("node")),
    );
    let shown = shown.ok().json();
    assert_eq!(shown["shards"][0]["state"], "here, sealed");
    assert_eq!(shown["shards"][0]["bytes"], 70 * RECORD);
    // The same records again are the same dataset.
    assert_eq!(
        finish(&mut import_digits(&at("good.bin"), &at("node"))).ok().json(),
        done
    );
    // A digit of a CID is a check digit of nothing: another CID is not found, no CID is refused.
    let other = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    finish(zkaggle().args(["dataset", "show", other, "--dir"]).arg(at("node"))).refused(NOT_FOUND, &[other]);
    let none = finish(zkaggle().args(["dataset", "show", "bafy!", "--dir"]).arg(at("node")));
    assert_ne!(none.code, 0, "{none:?}");

    let mut pixel = good.to_vec();
    pixel[2 * RECORD + 3] = 17;
    let mut label = good.to_vec();
    label[5 * RECORD + 64] = 10;
    let node = at("never");
    for (name, bytes, words) in [
        ("short.bin", &good[..good.len() - 1], &["65"][..]),
        ("empty.bin", &[], &["short"][..0]),
        ("pixel.bin", &pixel[..], &["17"]),
        ("label.bin", &label[..], &["10"]),
        ("text.csv", b"1,2,3\n", &["csv"]),
    ] {
        std::fs::write(at(name), bytes).unwrap();
        let before = contents(folder.path());
        let done = finish(&mut import_digits(&at(name), &node));
        assert_ne!(done.code, 0, "{name}: {done:?}");
        assert!(done.stderr.contains(name), "{done:?}");
        for w in words {
            assert!(done.stderr.contains(w), "no {w:?} in {done:?}");
        }
        assert!(contents(folder.path()) == before, "{name} left something behind");
    }
    leaves_nothing(
        folder.path(),
        &mut import_digits(&at("absent.bin"), &node),
        NOT_FOUND,
        &["absent.bin"],
    );
    assert!(!node.exists());
}

#[test]
fn a_dataset_is_proved_once_and_verified_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let records = std::fs::read(asset("digits-holdout.bin")).unwrap();
    std::fs::write(at("few.bin"), &records[..3 * RECORD]).unwrap();
    let done = finish(&mut import_digits(&at("few.bin"), &at("node"))).ok().json();
    let manifest = done["manifest"].as_str().unwrap().to_owned();
    let command = |verb: &str, folder: &str| {
        let mut c = zkaggle();
        c.args(["dataset", verb, &manifest, "--dir"]).arg(at("node"));
        c.arg("--keys").arg(at("keys")).arg(folder).arg(at("proofs"));
        c
    };
    finish(&mut command("verify", "--proofs")).refused(NOT_FOUND, &["proofs"]);
    finish(command("prove", "--out").args(["--max-memory", "40 MiB"])).refused(REFUSED, &["--max-memory"]);
    let first = finish(&mut command("prove", "--out")).ok();
    assert!(first.stderr.contains("opening"), "{first:?}");
    finish(&mut command("verify", "--proofs")).ok();
    // What is there is kept.
    let before = contents(&at("proofs"));
    let again = finish(&mut command("prove", "--out")).ok();
    assert!(again.stderr.contains("holds"), "{again:?}");
    assert!(contents(&at("proofs")) == before);
    // A damaged file is made again by the one and refused by the other.
    let proof = at("proofs").join("cid-0.proof");
    let text = std::fs::read_to_string(&proof).unwrap();
    std::fs::write(&proof, text.replacen("\"length\": 195", "\"length\": 194", 1)).unwrap();
    finish(&mut command("verify", "--proofs")).refused(REFUSED, &["cid-0.proof"]);
    finish(&mut command("prove", "--out")).ok();
    finish(&mut command("verify", "--proofs")).ok();
    std::fs::remove_file(&proof).unwrap();
    finish(&mut command("verify", "--proofs")).refused(REFUSED, &["1 of 1 shards"]);
}

/// Less memory makes more proofs; killed in the middle and started again, the finished ones are kept.
#[test]
fn a_dataset_of_several_proofs_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let records = std::fs::read(asset("digits-holdout.bin")).unwrap();
    std::fs::write(at("some.bin"), &records[..192 * RECORD]).unwrap();
    let done = finish(import_digits(&at("some.bin"), &at("node")).args(["--per-shard", "64"])).ok();
    let manifest = done.json()["manifest"].as_str().unwrap().to_owned();
    // A shard of 64 records takes 67 slots: one in a proof of 128.
    let limit = zkaggle_node::prover::cid::memory(128).to_string();
    let prove = || {
        let mut c = zkaggle();
        c.args(["dataset", "prove", &manifest, "--max-memory", &limit, "--dir"])
            .arg(at("node"));
        c.arg("--keys").arg(at("keys")).arg("--out").arg(at("proofs"));
        c
    };
    let mut child = prove().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut seen = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("proof 2 of 3") {
            break;
        }
        seen += &line;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for word in [
        "running SHA-256",
        "committing",
        "blocks",
        "rows",
        "opening",
        "MiB at the peak",
    ] {
        assert!(seen.contains(word), "no {word:?} in {seen:?}");
    }
    let first = || {
        let file = at("proofs").join("cid-0.proof");
        (
            std::fs::metadata(&file).unwrap().modified().unwrap(),
            std::fs::read(file).unwrap(),
        )
    };
    let kept = first();

    let again = finish(&mut prove()).ok();
    assert!(
        again.stderr.contains("proof 1 of 3") && again.stderr.contains("cid-0.proof holds"),
        "{again:?}"
    );
    assert!(again.stderr.contains("proof 3 of 3"), "{again:?}");
    assert!(first() == kept, "a finished proof was made again");
    let mut verify = zkaggle();
    verify
        .args(["--json", "dataset", "verify", &manifest, "--dir"])
        .arg(at("node"));
    verify.arg("--keys").arg(at("keys")).arg("--proofs").arg(at("proofs"));
    let verified = finish(&mut verify).ok().json();
    assert_eq!((&verified["shards"], &verified["proofs"]), (&json!(3), &json!(3)));
}

/// A split import keeps the test part to itself, an archive carries the other to another node, and a changed archive
/// leaves nothing there.
#[test]
fn a_split_is_imported_exported_and_imported_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut csv = String::from("a,b,c,label\n");
    for i in 0..300u32 {
        csv += &format!(
            "{},{},{},{}\n",
            i % 256,
            i * 7 % 256,
            i / 2,
            ["no", "yes"][i as usize % 2]
        );
    }
    std::fs::write(at("t.csv"), csv).unwrap();
    let import = || {
        let mut c = zkaggle();
        c.args(["--json", "dataset", "import"]).arg(at("t.csv"));
        c.args([
            "--name",
            "t",
            "--licence",
            "CC0-1.0",
            "--split",
            "2:1",
            "--seed",
            "7",
            "--sealed",
            "--dir",
        ]);
        c.arg(at("node")).arg("--report").arg(at("report.json"));
        finish(&mut c).ok().json()
    };
    let done = import();
    assert_eq!(done, import(), "the seed decides");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(at("report.json")).unwrap()).unwrap();
    assert_eq!(report, done["report"]);
    assert_eq!(
        report["split"],
        json!({ "train": 200, "test": 100, "ratio": [2, 1], "seed": 7 })
    );
    assert_eq!(
        report["classes"][1],
        json!({ "class": 1, "name": "yes", "records": 150 })
    );
    let [train, test] = [0, 1].map(|i| report["parts"][i]["manifest"].as_str().unwrap().to_owned());

    let show = |cid: &str, dir: &str| finish(zkaggle().args(["--json", "dataset", "show", cid, "--dir"]).arg(at(dir)));
    let shown = show(&test, "node").ok().json();
    assert_eq!(shown["shards"][0]["state"], "here, sealed");
    assert_eq!(shown["split"]["part"], "test");
    assert_eq!(shown["folder"], report["parts"][1]["folder"]);

    let export = |cid: &str| {
        let mut c = zkaggle();
        c.args(["--json", "dataset", "export", cid, "--dir"])
            .arg(at("node"))
            .arg("--car")
            .arg(at("t.car"));
        c
    };
    leaves_nothing(folder.path(), &mut export(&test), REFUSED, &["sealed"]);
    let car = finish(&mut export(&train)).ok().json();
    assert_eq!(car["folder"], report["parts"][0]["folder"]);
    let take = |dir: &str| {
        let mut c = zkaggle();
        c.args(["--json", "dataset", "import", "--car"])
            .arg(at("t.car"))
            .arg("--dir")
            .arg(at(dir));
        c
    };
    assert_eq!(finish(&mut take("other")).ok().json()["n"], 200);
    assert_eq!(show(&train, "other").ok().json()["shards"][0]["state"], "here");

    // By the folder above it: every node is hashed on the way down, beside whoever uses the store.
    let root = car["folder"].as_str().unwrap().to_owned();
    let used = zkaggle_net::DiskBlockstore::open(at("other/blocks")).unwrap();
    let shown = show(&root, "other").ok().json();
    assert_eq!(shown["manifest"], train.as_str());
    let mut checked = zkaggle();
    checked.args(["--json", "dataset", "show", &train, "--root", &root, "--dir"]);
    finish(checked.arg(at("other"))).ok();
    drop(used);
    let shard = shown["shards"][0]["cid"].as_str().unwrap();
    let damaged = at("other/blocks/blocks").join(shard);
    let whole = std::fs::read(&damaged).unwrap();
    std::fs::write(&damaged, &whole[1..]).unwrap();
    show(&root, "other").refused(1, &[shard]);
    std::fs::write(&damaged, whole).unwrap();
    show(&root, "nowhere").refused(NOT_FOUND, &["holds no blocks yet"]);

    let mut bytes = std::fs::read(at("t.car")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(at("t.car"), &bytes).unwrap();
    leaves_nothing(folder.path(), &mut take("never"), 1, &["t.car", "do not hash"]);
    bytes.truncate(last - 400);
    std::fs::write(at("t.car"), &bytes).unwrap();
    leaves_nothing(folder.path(), &mut take("never"), 1, &["ends in the middle"]);
}

// ----------------------------------------------------------------------- models

#[test]
fn models_are_imported_or_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let onnx = std::fs::read(asset("digits-mlp.onnx")).unwrap();
    let (out, arch) = (at("never.zkm"), at("never.json"));

    // The operator's name in the file, replaced by another of the same length.
    let mut sinh = onnx.clone();
    let relu: Vec<usize> = (0..sinh.len() - 4).filter(|i| &sinh[*i..*i + 4] == b"Relu").collect();
    assert!(!relu.is_empty());
    for i in relu {
        sinh[i..i + 4].copy_from_slice(b"Sinh");
    }
    for (name, bytes, words) in [
        ("sinh.onnx", &sinh[..], &["Sinh"][..]),
        ("half.onnx", &onnx[..onnx.len() / 2], &[]),
        ("text.onnx", b"this is not a network", &[]),
        ("empty.onnx", b"", &[]),
    ] {
        std::fs::write(at(name), bytes).unwrap();
        let before = contents(folder.path());
        let done = finish(&mut import_model(&at(name), 64, &out, &arch));
        assert_ne!(done.code, 0, "{name}: {done:?}");
        assert!(done.stderr.contains(name), "{done:?}");
        assert!(!done.stderr.contains("panicked"), "{done:?}");
        for w in words {
            assert!(done.stderr.contains(w), "no {w:?} in {done:?}");
        }
        assert!(contents(folder.path()) == before, "{name} left something behind");
    }
    leaves_nothing(
        folder.path(),
        &mut import_model(&at("absent.onnx"), 64, &out, &arch),
        NOT_FOUND,
        &["absent.onnx"],
    );

    let (good, arch) = (at("good.zkm"), at("arch.json"));
    finish(&mut import_model(&asset("digits-mlp.onnx"), 64, &good, &arch)).ok();
    let eval = |file: &Path, records: &str| {
        let records = asset(records);
        finish(
            zkaggle()
                .args(["--json", "model", "eval"])
                .arg(file)
                .arg("--records")
                .arg(records),
        )
    };
    assert_eq!(eval(&good, "digits-holdout.bin").ok().json()["total"], 360);
    finish(zkaggle().args(["model", "show"]).arg(&good)).ok();

    let bytes = std::fs::read(&good).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let mut version = bytes.clone();
    version[14] = b'9';
    let longer = [&bytes[..], b"\0"].concat();
    for (name, bytes) in [
        ("cut.zkm", &bytes[..bytes.len() - 1]),
        ("half.zkm", &bytes[..bytes.len() / 2]),
        ("empty.zkm", &[]),
        ("flipped.zkm", &flipped),
        ("version.zkm", &version),
        ("longer.zkm", &longer),
    ] {
        std::fs::write(at(name), bytes).unwrap();
        let done = eval(&at(name), "digits-holdout.bin");
        assert_ne!(done.code, 0, "{name}: {done:?}");
        assert!(
            done.stderr.contains(name) && !done.stderr.contains("panicked"),
            "{done:?}"
        );
    }
    eval(&at("absent.zkm"), "digits-holdout.bin").refused(NOT_FOUND, &["absent.zkm"]);
}

// ----------------------------------------------------------------------- proofs

#[test]
fn what_is_no_proof_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let verify = |name: &str| {
        let mut c = zkaggle();
        c.arg("verify").arg(at(name)).arg("--keys").arg(at("keys"));
        c
    };
    leaves_nothing(folder.path(), &mut verify("absent.proof"), NOT_FOUND, &["absent.proof"]);
    let zero = format!("0x{:064x}", 0);
    let cid = json!({
        "format": "zkaggle-proof/2", "development": true, "vk_id": zero,
        "statement": {
            "kind": "cid", "shards": [{
                "cid": "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
                "instance": { "digest": "00".repeat(32), "length": 65, "shard": zero },
            }],
        },
        "public_inputs": [zero, zero, format!("0x{:064x}", 65), zero], "proof": "0x00",
    });
    let with = |key: &str, value: serde_json::Value| {
        let mut v = cid.clone();
        v[key] = value;
        v.to_string()
    };
    for (name, text) in [
        ("empty.proof", String::new()),
        ("text.proof", "proof: yes".into()),
        ("cut.proof", cid.to_string()[..200].into()),
        ("other.proof", "{\"format\":\"zkaggle-summary/1\"}".into()),
        ("version.proof", with("format", json!("zkaggle-proof/1"))),
        ("inputs.proof", with("public_inputs", json!([zero, zero, zero, zero]))),
        ("field.proof", with("extra", json!(1))),
        ("bytes.proof", with("proof", json!("00"))),
        ("digest.proof", cid.to_string()),
    ] {
        std::fs::write(at(name), text).unwrap();
        leaves_nothing(folder.path(), &mut verify(name), REFUSED, &[name]);
    }
}

// ------------------------------------------------------------------------ nodes

#[test]
fn a_folder_is_made_once_backed_up_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pw = password(folder.path());
    let account = init(&at("node"), "hunter", &pw);
    assert!(account.starts_with("0x") && account.len() == 42, "{account}");

    let again = |dir: &Path| {
        let mut c = zkaggle();
        c.arg("init").arg("--dir").arg(dir).arg("--password-file").arg(&pw);
        c
    };
    leaves_nothing(folder.path(), &mut again(&at("node")), REFUSED, &["node"]);
    // Without a terminal there is nobody to ask.
    let asked = finish(zkaggle().arg("init").arg("--dir").arg(at("asked")));
    assert_ne!(asked.code, 0);
    assert!(asked.stderr.contains("password"), "{asked:?}");
    assert!(!at("asked").exists());

    let backup = |password: &Path, out: &Path| {
        let mut c = zkaggle();
        c.arg("backup").arg("--dir").arg(at("node")).arg("--out").arg(out);
        c.arg("--password-file").arg(password);
        c
    };
    let restore = |password: &Path, file: &Path, dir: &Path| {
        let mut c = zkaggle();
        c.arg("restore").arg("--file").arg(file).arg("--dir").arg(dir);
        c.arg("--password-file").arg(password);
        c
    };
    std::fs::write(at("wrong"), "not the password\n").unwrap();
    let refused = |c: &mut Command, words: &[&str]| {
        let before = contents(folder.path());
        let done = finish(c);
        assert_ne!(done.code, 0, "{done:?}");
        for w in words {
            assert!(done.stderr.contains(w), "no {w:?} in {done:?}");
        }
        assert!(!done.stderr.contains("panicked"), "{done:?}");
        assert!(contents(folder.path()) == before, "{c:?} left something behind");
    };
    let file = at("node.backup");
    refused(&mut backup(&at("wrong"), &file), &["password"]);
    finish(&mut backup(&pw, &file)).ok();
    refused(&mut backup(&pw, &file), &["node.backup"]);

    refused(&mut restore(&at("wrong"), &file, &at("again")), &["password"]);
    refused(&mut restore(&pw, &file, &at("node")), &["node"]);
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len() - 40;
    bytes[end] ^= 1;
    std::fs::write(at("damaged.backup"), &bytes).unwrap();
    refused(&mut restore(&pw, &at("damaged.backup"), &at("again")), &["damaged"]);
    refused(
        &mut restore(&pw, &at("absent.backup"), &at("again")),
        &["absent.backup"],
    );
    assert!(!at("again").exists());

    finish(&mut restore(&pw, &file, &at("again"))).ok();
    // The same seed: what it derives is the same account, and it starts without further preparation
    // as far as the chain, which is not there.
    let (dir, d) = (at("again"), deployment(folder.path(), 31_337));
    let mut c = daemon(&dir, &pw, &d, "http://127.0.0.1:1");
    finish(&mut c).refused(UNREACHABLE, &["chain"]);
}

/// A deployment file that names no contract.
fn deployment(dir: &Path, chain_id: u64) -> std::path::PathBuf {
    let path = dir.join(format!("deployment-{chain_id}.json"));
    let d = json!({
        "format": "zkaggle-deployment/1", "chain_id": chain_id, "deploy_block": 0,
        "srs_id": format!("0x{:064x}", 0), "development": true, "contracts": {},
    });
    std::fs::write(&path, d.to_string()).unwrap();
    path
}

fn daemon(dir: &Path, password: &Path, deployment: &Path, url: &str) -> Command {
    let mut c = zkaggle();
    c.args(["daemon", "--rpc-url", url]).arg("--dir").arg(dir);
    c.arg("--password-file")
        .arg(password)
        .arg("--deployment")
        .arg(deployment);
    c.env("ZKAGGLE_P2P__LISTEN", "/ip4/127.0.0.1/tcp/0");
    c
}

#[test]
fn a_daemon_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pw = password(folder.path());
    init(&at("node"), "hunter", &pw);
    let dev = deployment(folder.path(), 31_337);
    let url = "http://127.0.0.1:1/secret-api-key";
    let start = |d: &Path| daemon(&at("node"), &pw, d, url);

    let e = finish(&mut start(&dev)).refused(UNREACHABLE, &["chain"]);
    assert!(!e.stderr.contains("secret"), "an endpoint may hold an API key: {e:?}");
    finish(&mut start(&at("absent.json"))).refused(NOT_FOUND, &["absent.json"]);
    std::fs::write(at("bad.json"), "{").unwrap();
    finish(&mut start(&at("bad.json"))).refused(USAGE, &["bad.json"]);
    finish(&mut start(&deployment(folder.path(), 1))).refused(REFUSED, &["production_opt_in", "unaudited"]);
    finish(&mut daemon(&at("node"), &pw, &dev, "not a url")).refused(USAGE, &["--rpc-url"]);
    finish(start(&dev).env("ZKAGGLE_CHAIN__RPC", "x")).refused(USAGE, &["chain.rpc"]);
    finish(start(&dev).args(["--config"]).arg(at("absent.toml"))).refused(NOT_FOUND, &["absent.toml"]);
    let mut wrong = daemon(&at("node"), &at("bad.json"), &dev, url);
    finish(&mut wrong).refused(REFUSED, &["password"]);
    let mut none = daemon(&at("nobody"), &pw, &dev, url);
    finish(&mut none).refused(NOT_FOUND, &["nobody"]);
    assert!(!at("nobody").exists(), "a folder was made for a node that is not there");
}

#[test]
fn an_endpoint_of_another_chain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pw = password(folder.path());
    init(&at("node"), "hunter", &pw);
    let chain = common::Service::start(
        "devnet",
        folder.path(),
        zkaggle()
            .args(["devnet", "--port", "0", "--deployment"])
            .arg(at("deployment.json")),
    );
    let line = chain.value("development chain 31337 at");
    let port = line.rsplit(':').next().unwrap().to_owned();
    let start = |d: &Path| finish(&mut daemon(&at("node"), &pw, d, &line));
    let other = deployment(folder.path(), 1_337);
    start(&other).refused(REFUSED, &["chain 1337", "31337"]);
    let mut c = daemon(&at("node"), &pw, &other, &line);
    finish(c.env("ZKAGGLE_CHAIN__ID", "1337")).refused(REFUSED, &["serves chain 31337"]);

    // A contract that is not the one expected.
    let text = std::fs::read_to_string(at("deployment.json")).unwrap();
    let mut d: serde_json::Value = serde_json::from_str(&text).unwrap();
    d["contracts"]["BountyMarket"]["address"] = d["contracts"]["KeyRegistry"]["address"].clone();
    std::fs::write(at("swapped.json"), d.to_string()).unwrap();
    start(&at("swapped.json")).refused(REFUSED, &["BountyMarket", "code hash"]);

    // A provider without a bounty, and a port that is taken.
    let mut c = daemon(&at("node"), &pw, &at("deployment.json"), &line);
    finish(c.args(["--role", "provider"])).refused(USAGE, &["--bounty"]);
    run(["devnet", "--port", &port]).refused(UNREACHABLE, &[&port]);
    chain.stop(std::time::Duration::from_secs(30));
}

/// What one looks at, deploys and settles by hand, and what each mistake costs: an exit code and no transaction.
#[test]
fn a_market_is_looked_at_and_deployed_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let chain = common::Service::start(
        "devnet",
        folder.path(),
        zkaggle()
            .args(["devnet", "--port", "0", "--deployment"])
            .arg(at("deployment.json")),
    );
    let url = chain.value("development chain 31337 at");
    let on = |args: &[&str]| {
        let mut c = zkaggle();
        c.args(args).args(["--rpc-url", &url]);
        c
    };
    let market = |args: &[&str]| {
        let mut c = on(args);
        c.arg("--deployment").arg(at("deployment.json"));
        finish(&mut c)
    };

    let listed = market(&["--json", "bounty", "list"]).ok();
    assert_eq!(listed.json(), json!([]));
    market(&["bounty", "show", "1"]).refused(NOT_FOUND, &["no bounty 1"]);
    market(&["bounty", "list", "--phase", "nonsense"]).refused(USAGE, &["commit, reveal"]);
    market(&["bounty", "cancel", "1"]).refused(USAGE, &["--dir", "--dev-account"]);
    market(&["bounty", "cancel", "1", "--dev-account", "0"]).refused(REFUSED, &["BountyUnknown"]);
    market(&["hunt", "status"]).refused(USAGE, &["--hunter"]);
    let status = market(&["--json", "hunt", "status", "--dev-account", "1"]).ok().json();
    assert_eq!(status["entries"], json!([]));
    let home = market(&["--json", "bounty", "withdraw", "--dev-account", "1"])
        .ok()
        .json();
    assert_eq!(home["withdrawn"], json!([]));
    market(&["hunt", "challenge", "1", "0", "--dev-account", "1"]).refused(REFUSED, &["BountyUnknown"]);

    // Another deployer finds the same contracts in place; a lost endpoint is no reason to fail.
    let mut again = on(&["--json", "deploy", "--dev-account", "4"]);
    let done = finish(again.arg("--out").arg(at("again.json"))).ok().json();
    assert_eq!((done["created"].clone(), done["gas"].clone()), (json!([]), json!(0)));
    let mut both = zkaggle();
    both.args([
        "bounty",
        "list",
        "--rpc-url",
        "http://127.0.0.1:1",
        "--rpc-url",
        &url,
        "--deployment",
    ])
    .arg(at("again.json"));
    finish(&mut both).ok();
    let mut dry = on(&["--json", "deploy", "--dev-account", "4", "--dry-run"]);
    assert_eq!(finish(&mut dry).ok().json()["missing"], json!([]));

    // A known key off development chains, another chain than the endpoint's, a real chain without consent.
    finish(&mut on(&["deploy", "--dev-account", "0", "--chain-id", "11155111"])).refused(REFUSED, &["development"]);
    finish(&mut on(&["deploy", "--dev-account", "0", "--chain-id", "1337"])).refused(REFUSED, &["31337"]);
    finish(&mut on(&["deploy", "--dev-account", "0", "--chain-id", "1"])).refused(USAGE, &["production_opt_in"]);
    run([
        "bounty",
        "list",
        "--rpc-url",
        "http://127.0.0.1:1/KEY",
        "--deployment",
        at("again.json").to_str().unwrap(),
    ])
    .refused(UNREACHABLE, &["http://127.0.0.1:1/…"]);
    chain.stop(std::time::Duration::from_secs(30));
}
