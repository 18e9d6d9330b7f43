//! The corpora of the fuzz targets, and changed copies of every file in them: a reader answers with
//! a network, a graph or an error, never with a panic, whatever the bytes.
//!
//! `circuits/graph/fuzz` holds targets for longer campaigns; `ZKAGGLE_CORPUS_ROUNDS` (default 150)
//! sets how many changed copies of each file are tried here.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use zkaggle_graph::float::eval;
use zkaggle_graph::graph::Graph;
use zkaggle_graph::model::{Imported, keras, onnx};

/// Changes a few bytes, words or the length; copies parts of the file over others.
fn changed(good: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bad = good.to_vec();
    for _ in 0..rng.gen_range(1..5) {
        let len = bad.len().max(1);
        let at = rng.gen_range(0..len);
        match rng.gen_range(0..6) {
            0 => bad.truncate(at),
            1 => bad.iter_mut().skip(at).take(8).for_each(|b| *b = 0xff),
            2 => bad.iter_mut().skip(at).take(4).for_each(|b| *b = 0),
            3 => {
                let from = rng.gen_range(0..len);
                let part: Vec<u8> = bad.iter().copied().skip(from).take(rng.gen_range(1..40)).collect();
                bad.splice(at.min(bad.len())..at.min(bad.len()), part);
            }
            _ => bad
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|b| *b ^= 1 << rng.gen_range(0..8)),
        }
    }
    bad
}

/// Runs `read` on every file of a corpus and on changed copies; gives how many were accepted.
fn run(name: &str, read: impl Fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let rounds = std::env::var("ZKAGGLE_CORPUS_ROUNDS").map_or(150, |v| v.parse().unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut accepted = 0;
    for file in &files {
        let good = std::fs::read(file).unwrap();
        assert!(read(&good), "{} is read", file.display());
        accepted += (0..rounds).filter(|_| read(&changed(&good, &mut rng))).count();
    }
    println!(
        "{name}: {} files, {accepted} of {} changed copies were read",
        files.len(),
        rounds * files.len()
    );
}

fn evaluates<E>(read: Result<Imported, E>) -> bool {
    let Ok(m) = read else { return false };
    let width = m.network.input().iter().product();
    if width <= 4096 {
        assert_eq!(
            eval::outputs(&m.network, &vec![1.0; width]).unwrap().len(),
            m.network.outputs()
        );
    }
    true
}

#[test]
fn onnx_files() {
    run("onnx", |bytes| evaluates(onnx::read(bytes)));
}

#[test]
fn keras_files() {
    run("keras", |bytes| evaluates(keras::read(bytes)));
}

#[test]
fn graph_texts() {
    run("graph", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let graph = Graph::parse(&text);
        if let Ok(g) = &graph {
            assert_eq!(g.text(), text);
        }
        graph.is_ok()
    });
}
