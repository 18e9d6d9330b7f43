//! The demo's story at a small size on the embedded chain, and what its artefacts let a stranger check.
//!
//! One test, because keys and proofs are what costs time.

use std::path::Path;
use zkaggle_node::cli::verify::verify;
use zkaggle_node::demo::{Options, run};
use zkaggle_node::failure::{Code, code_of};
use zkaggle_node::proof_file::ProofFile;
use zkaggle_node::prover::keys;
use zkaggle_tests::{lies, outcome};

/// Enough for the better model to win: on fewer the two tie, and the first to commit does.
const SAMPLES: u32 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn a_bounty_from_import_to_withdrawal() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("story");
    let options = Options {
        dir: dir.clone(),
        rpc_url: None,
        ipfs_api: None,
        samples: Some(SAMPLES as usize),
    };
    let summary = run(options.clone()).await.unwrap();
    outcome::check(&dir, &summary, SAMPLES);

    // A second run would mix two stories: refused, and nothing of the first is touched.
    let before = std::fs::read(dir.join("summary.json")).unwrap();
    let e = run(options).await.unwrap_err();
    assert_eq!(code_of(&e), Code::Usage, "{e:#}");
    assert_eq!(std::fs::read(dir.join("summary.json")).unwrap(), before);

    let read = |name: &str| ProofFile::read(&dir.join("proofs").join(name)).unwrap();
    let cid = read("cid-0.proof");
    let first = read("accuracy-hunter-1.proof");
    let second = read("accuracy-hunter-2.proof");
    let release = read("release-hunter-1.proof");
    let keys = dir.join("keys");
    each_is_accepted_and_no_lie_is(&keys, &cid, None);
    each_is_accepted_and_no_lie_is(&keys, &first, Some(&second));
    each_is_accepted_and_no_lie_is(&keys, &second, Some(&first));
    each_is_accepted_and_no_lie_is(&keys, &release, None);
    a_file_is_read_strictly(&first);
    keys_are_not_believed(&keys, folder.path(), &[&first, &release]);
    // The dataset key follows from published constants: it has no file.
    verify(&cid, &folder.path().join("no-keys")).unwrap();
}

/// A file's own statement verifies; no changed one does, and each is refused as such: no panic, no
/// other failure.
fn each_is_accepted_and_no_lie_is(keys: &Path, honest: &ProofFile, other: Option<&ProofFile>) {
    let said = verify(honest, keys).unwrap();
    println!("{said}");
    for lie in lies::about(honest, other) {
        match verify(&lie.file, keys) {
            Ok(said) => panic!("{}: accepted: {said}", lie.what),
            Err(e) => assert!(
                matches!(code_of(&e), Code::Refused | Code::NotFound),
                "{}: {:?}: {e:#}",
                lie.what,
                code_of(&e)
            ),
        }
    }
}

/// What is wrong with the text itself is refused before any cryptography.
fn a_file_is_read_strictly(honest: &ProofFile) {
    let text = honest.to_json();
    assert_eq!(&ProofFile::parse(&text).unwrap(), honest);
    let written = &honest.public_inputs[4];
    let mut changed = honest.clone();
    changed.public_inputs[4] = format!("0x{:064x}", 1);
    assert_ne!(written, &changed.public_inputs[4]);
    for (what, bad) in [
        ("a public input that is not the statement's", changed.to_json()),
        ("a later version", text.replace("zkaggle-proof/2", "zkaggle-proof/3")),
        ("a field nobody knows", text.replacen('{', "{\"extra\":1,", 1)),
        ("half a file", text[..text.len() / 2].to_owned()),
        ("text behind the end", format!("{text}{{}}")),
        (
            "odd hexadecimal",
            text.replacen("\"proof\": \"0x", "\"proof\": \"0x0", 1),
        ),
        ("nothing", String::new()),
    ] {
        let e = ProofFile::parse(&bad).expect_err(what);
        assert_eq!(code_of(&e), Code::Refused, "{what}: {e:#}");
    }
}

/// No key, a key under another key's name, a damaged key: each is told apart and none is used.
fn keys_are_not_believed(keys: &Path, scratch: &Path, files: &[&ProofFile]) {
    let empty = scratch.join("no-keys");
    std::fs::create_dir(&empty).unwrap();
    for f in files {
        let e = verify(f, &empty).unwrap_err();
        assert_eq!(code_of(&e), Code::NotFound, "{e:#}");
    }

    let [score, _] = files else { panic!("two files") };
    let id = |f: &ProofFile| zkaggle_graph::ids::VkId(f.vk_id);
    let mixed = scratch.join("mixed-keys");
    std::fs::create_dir(&mixed).unwrap();
    for entry in std::fs::read_dir(keys).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|e| e == "vk") {
            std::fs::copy(entry.path(), mixed.join(entry.file_name())).unwrap();
        }
    }
    verify(score, &mixed).unwrap();
    let mut other = (*score).clone();
    other.vk_id = [9; 32];
    std::fs::copy(keys::file(keys, id(score)), keys::file(&mixed, id(&other))).unwrap();
    let e = verify(&other, &mixed).unwrap_err();
    assert_eq!(code_of(&e), Code::Refused, "{e:#}");

    let path = keys::file(&mixed, id(score));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    verify(score, &mixed).unwrap_err();
}
