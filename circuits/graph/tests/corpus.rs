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

/// Puts numbers at the edges of their types, or of other attributes, in place of some in a text; swaps
/// and repeats lines. Flipped bits hardly ever leave a text that is read beyond its first attribute.
fn changed_text(good: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    const EDGES: [&str; 14] = [
        "0",
        "1",
        "2",
        "-1",
        "255",
        "4095",
        "65535",
        "16777216",
        "2147483647",
        "-2147483648",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "1p127",
    ];
    let mut text = String::from_utf8_lossy(good).into_owned();
    for _ in 0..rng.gen_range(1..4) {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = rng.gen_range(0..lines.len().max(1)).min(lines.len().saturating_sub(1));
        match rng.gen_range(0..8) {
            0 => lines.swap(0, at),
            1 => lines.insert(at, lines[at].clone()),
            _ => {
                // One run of digits of the line.
                let line = &lines[at];
                let starts: Vec<usize> = (0..line.len())
                    .filter(|&i| {
                        line.as_bytes()[i].is_ascii_digit() && (i == 0 || !line.as_bytes()[i - 1].is_ascii_digit())
                    })
                    .collect();
                if let Some(&from) = starts.get(rng.gen_range(0..starts.len().max(1))) {
                    let digits = line.as_bytes()[from..]
                        .iter()
                        .take_while(|b| b.is_ascii_digit())
                        .count();
                    let edge = EDGES[rng.gen_range(0..EDGES.len())];
                    lines[at] = format!("{}{edge}{}", &line[..from], &line[from + digits..]);
                }
            }
        }
        text = lines.join("\n") + "\n";
    }
    text.into_bytes()
}

/// Runs `read` on every file of a corpus and on changed copies; gives how many were accepted.
fn run(name: &str, changed: fn(&[u8], &mut ChaCha8Rng) -> Vec<u8>, read: impl Fn(&[u8]) -> bool) {
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
    run("onnx", changed, |bytes| evaluates(onnx::read(bytes)));
}

#[test]
fn keras_files() {
    run("keras", changed, |bytes| evaluates(keras::read(bytes)));
}

#[test]
fn graph_texts() {
    let read = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let graph = Graph::parse(&text);
        if let Ok(g) = &graph {
            assert_eq!(g.text(), text);
        }
        graph.is_ok()
    };
    run("graph", changed, read);
    run("graph", changed_text, read);
}
