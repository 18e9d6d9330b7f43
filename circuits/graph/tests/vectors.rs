//! Pinned encodings and commitments: what the chain, the circuits and old files rely on.
//!
//! `ZKAGGLE_BLESS=1 cargo test -p zkaggle-graph --test vectors` rewrites commitments.json; a change
//! there breaks every bounty that exists, so it is never blessed without a new format version.

use serde_json::{Value, json};
use std::path::PathBuf;
use zkaggle_graph::commit::{self, Blind};
use zkaggle_graph::dataset::{Dataset, Options};
use zkaggle_graph::eval::evaluate;
use zkaggle_graph::field::{Fr, from_be_bytes, to_be_bytes};
use zkaggle_graph::graph::{FeatureType, Graph, Layout, Schema};
use zkaggle_graph::ids::{Entry, JubPoint, Role, VkId, entry_commitment, holdout, release_point};
use zkaggle_graph::poseidon::Parameters;
use zkaggle_graph::tag::Tag;
use zkaggle_graph::weights::Weights;

fn vectors(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(name)
}

fn hex(b: &[u8]) -> String {
    format!("0x{}", hex::encode(b))
}

fn field(x: &Fr) -> String {
    hex(&to_be_bytes(x))
}

/// A field element whose bytes count up from `first`: below the modulus, no byte repeated.
fn element(first: u8) -> Fr {
    let mut b: [u8; 32] = std::array::from_fn(|i| first.wrapping_add(i as u8));
    b[0] = 0;
    from_be_bytes(&b).unwrap()
}

fn pinned() -> Value {
    let schema = Schema::bytes([2, 3], 200, 3);
    let wide = Schema {
        shape: vec![30],
        feature_type: FeatureType::I16,
        feature_max: 32767,
        classes: 2,
        layout: None,
    };
    let layout = Layout {
        offset: 5,
        stride: 12,
        features_at: 2,
        label_at: 1,
    };
    let placed = schema.clone().with_layout(layout).unwrap();
    let graph = Graph::mlp(schema.clone(), 70, &[6, 5, 3], &[(7, 12)]).unwrap();
    let weights: Vec<u8> = (0..graph.weight_bytes()).map(|i| (i * 83 + 5) as u8).collect();
    // Biases small, so that every accumulator stays within its table.
    let mut bytes = weights;
    for at in [30, 30 + 20 + 15] {
        let end = if at == 30 { 50 } else { bytes.len() };
        for (i, b) in bytes[at..end].iter_mut().enumerate() {
            *b = if i % 4 == 3 { 100 + i as u8 } else { 0 };
        }
    }
    let weights = Weights::from_bytes(&graph, &bytes).unwrap();
    // Two shards, of 70 and 69 records.
    let records: Vec<u8> = (0..139u32)
        .flat_map(|r| {
            (0..6)
                .map(move |f| ((r * 31 + f * 57) % 201) as u8)
                .chain([(r % 3) as u8])
        })
        .collect();
    let options = Options {
        name: "vectors".into(),
        licence: "CC0-1.0".into(),
        per_shard: Some(70),
    };
    let data = Dataset::from_records(schema.clone(), &records, options).unwrap();
    let blind = Blind::new(element(0x11));
    let c = commit::model(&graph, &weights, &blind);
    let shards: Vec<Value> = data
        .shards()
        .iter()
        .map(|shard| {
            let s = shard.commitment();
            let e = evaluate(&graph, &weights, &shard.bytes).unwrap();
            json!({
                "bytes": hex(&shard.bytes),
                "cid": shard.cid.to_string(),
                "sha256": hex(&shard.digest().unwrap()),
                "s": field(&s),
                "predictions": hex(&e.predictions()),
                "score": e.accuracy.correct,
                "salt": field(&commit::results_salt(&blind, &s)),
                "R": field(&commit::results(&graph, &blind, &s, &e.predictions())),
            })
        })
        .collect();
    let link = [0x44; 32];
    let score = VkId::new(Role::Score, [0x41; 32], [0x42; 32], b"key bytes", link);
    let release = VkId::new(Role::Release, [0x51; 32], [0x52; 32], b"other key", [0; 32]);
    let entry = Entry {
        chain_id: 31337,
        market: [0x61; 20],
        bounty: 7,
        hunter: [0x62; 20],
        slot: 1,
        vk: score,
    };
    let ctx = entry.ctx();
    let point = |first| JubPoint {
        x: element(first),
        y: element(first + 1),
    };
    let (epk, pk) = (point(0x71), point(0x81));
    json!({
        "format": "zkaggle-vectors/1",
        "tags": Tag::ALL.iter().map(|t| (t.name().to_owned(), hex(&t.bytes()).into())).collect::<serde_json::Map<_, _>>(),
        "schema": { "value": schema, "schemaId": hex(&schema.id()) },
        "wideSchema": { "value": wide, "schemaId": hex(&wide.id()) },
        "layoutSchema": { "value": placed, "schemaId": hex(&placed.id()) },
        "graph": { "samples": graph.samples(), "text": graph.text(), "archId": field(&graph.arch_id()) },
        "model": {
            "weights": hex(&weights.to_bytes()),
            "blind": field(&blind.expose()),
            "class_bytes": graph.class_bytes(),
            "class_words": graph.class_words(),
            "C": field(&c),
        },
        "dataset": {
            "manifest": String::from_utf8(data.manifest().to_bytes()).unwrap(),
            "manifest_cid": data.manifest().cid().to_string(),
            "n": data.n(),
            "D": hex(&data.commitment()),
        },
        "shards": shards,
        "vk": {
            "score": { "role": 2, "cs": hex(&[0x41; 32]), "srs": hex(&[0x42; 32]), "key": hex(b"key bytes"), "link": hex(&link), "vkId": hex(&score.0) },
            "release": { "role": 3, "cs": hex(&[0x51; 32]), "srs": hex(&[0x52; 32]), "key": hex(b"other key"), "link": hex(&[0; 32]), "vkId": hex(&release.0) },
        },
        "entry": {
            "chainId": entry.chain_id, "market": hex(&entry.market), "bounty": entry.bounty,
            "hunter": hex(&entry.hunter), "slot": entry.slot,
            "ctx": field(&ctx),
            "h": hex(&entry_commitment(&ctx, &c)),
        },
        "holdout": {
            "salt": hex(&[0x77; 32]),
            "commitment": hex(&holdout([0x77; 32], &data.manifest().digests())),
        },
        "release": {
            "ciphertext_sha256": hex(&[0x99; 32]),
            "epk": [field(&epk.x), field(&epk.y)],
            "pk": [field(&pk.x), field(&pk.y)],
            "z": field(&release_point(release, [0x99; 32], epk, &c, pk, &ctx)),
        },
    })
}

#[test]
fn encodings_and_commitments_are_what_they_were() {
    let path = vectors("commitments.json");
    let now = pinned();
    if std::env::var_os("ZKAGGLE_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    let pinned: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (section, want) in pinned.as_object().unwrap() {
        assert_eq!(&now[section], want, "{section}");
    }
    assert_eq!(now, pinned);
}

/// Whole states of both widths in use, from circomlib's own JavaScript.
#[test]
fn permutations_match_circomlib() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(vectors("poseidon.json")).unwrap()).unwrap();
    let mut widths = vec![];
    for case in file["cases"].as_array().unwrap() {
        let state = |key: &str| -> Vec<Fr> {
            let words = case[key].as_array().unwrap().iter();
            words
                .map(|w| {
                    let mut b = [0; 32];
                    hex::decode_to_slice(&w.as_str().unwrap()[2..], &mut b).unwrap();
                    from_be_bytes(&b).unwrap()
                })
                .collect()
        };
        let mut s = state("before");
        Parameters::get(s.len()).permute(&mut s);
        assert_eq!(s, state("after"));
        widths.push(s.len());
    }
    assert_eq!(widths, [4, 4, 4, 9, 9, 9]);
}
