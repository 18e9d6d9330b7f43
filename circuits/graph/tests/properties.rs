//! Properties over random networks, bytes and datasets.

use proptest::prelude::*;
use zkaggle_graph::dataset::{Dataset, Manifest, Options};
use zkaggle_graph::eval::RangeError;
use zkaggle_graph::field::to_be_bytes;
use zkaggle_graph::graph::{FeatureType, Graph, Schema};
use zkaggle_graph::mlp::{Mlp, forward};
use zkaggle_graph::model::ModelFile;
use zkaggle_graph::packing::{DATA_CHUNKS, pack_data, pack31, pack31_into, unpack31};
use zkaggle_graph::weights::Weights;

fn arb_schema() -> impl Strategy<Value = Schema> {
    (prop::collection::vec(1u32..5, 1..4), 1u8..=255, 2u16..12)
        .prop_map(|(shape, feature_max, classes)| Schema::bytes(shape, feature_max, classes))
}

/// Of any feature type.
fn arb_layout() -> impl Strategy<Value = Schema> {
    (arb_schema(), prop::option::of(1u16..=32767)).prop_map(|(schema, wide)| match wide {
        None => schema,
        Some(feature_max) => Schema {
            feature_type: FeatureType::I16,
            feature_max,
            ..schema
        },
    })
}

/// Any valid graph of one to three dense layers, with weights and one sample.
fn arb_network() -> impl Strategy<Value = (Mlp, Weights, Vec<u8>)> {
    let hidden = prop::collection::vec((1u32..12, 1u8..=14, 9u8..=16), 0..3);
    (arb_schema(), hidden)
        .prop_map(|(schema, hidden)| {
            let mut widths = vec![schema.features() as u32];
            widths.extend(hidden.iter().map(|h| h.0));
            widths.push(u32::from(schema.classes));
            let relu: Vec<(u8, u8)> = hidden.iter().map(|h| (h.1, h.2)).collect();
            Mlp::try_from(&Graph::mlp(schema, 8, &widths, &relu).unwrap()).unwrap()
        })
        .prop_flat_map(|graph| {
            let bytes = prop::collection::vec(any::<u8>(), graph.weight_bytes());
            let sample = prop::collection::vec(0..=graph.schema().feature_max as u8, graph.schema().features());
            (Just(graph), bytes, sample, any::<bool>())
        })
        .prop_map(|(graph, mut bytes, sample, small)| {
            // Half the time with biases that leave room in the tables.
            if small {
                let mut at = 0;
                for (i, o) in graph.dense() {
                    for b in bytes[at + i * o..at + i * o + 4 * o].chunks_exact_mut(4) {
                        let sign = if b[0] & 1 == 1 { 0xff } else { 0 };
                        b[..3].fill(sign);
                    }
                    at += i * o + 4 * o;
                }
            }
            let weights = Weights::from_bytes(&graph, &bytes).unwrap();
            (graph, weights, sample)
        })
}

/// The network by its definition: i128, floor division, no shared code.
fn oracle(graph: &Mlp, weights: &Weights, sample: &[u8]) -> Option<usize> {
    let mut x: Vec<i128> = sample.iter().map(|&v| i128::from(v)).collect();
    let relu: Vec<(u8, u8)> = graph.relu().collect();
    for (i, layer) in weights.blocks().iter().enumerate() {
        let inputs = x.len();
        let acc: Vec<i128> = (0..layer.b.len())
            .map(|o| {
                let products = (0..inputs).map(|k| i128::from(layer.w[o * inputs + k]) * x[k]);
                products.sum::<i128>() + i128::from(layer.b[o])
            })
            .collect();
        match relu.get(i) {
            Some(&(shift, bits)) => {
                let (unit, half) = (1i128 << shift, 1i128 << (bits - 1));
                let hi: Vec<i128> = acc.iter().map(|a| (a + unit / 2).div_euclid(unit)).collect();
                if hi.iter().any(|h| !(-half..half).contains(h)) {
                    return None;
                }
                x = hi.iter().map(|&h| h.clamp(0, 255)).collect();
            }
            None => x = acc,
        }
    }
    let top = *x.iter().max()?;
    if top - x.iter().min()? >= 1 << 24 {
        return None;
    }
    x.iter().position(|&v| v == top)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_evaluator_is_the_definition((graph, weights, sample) in arb_network()) {
        match forward(&graph, &weights, &sample, 0) {
            Ok(t) => prop_assert_eq!(Some(usize::from(t.prediction)), oracle(&graph, &weights, &sample)),
            Err(RangeError::Requantize { .. } | RangeError::Argmax { .. }) => {
                prop_assert_eq!(None, oracle(&graph, &weights, &sample));
            }
        }
    }

    #[test]
    fn weights_and_model_files_round_trip((graph, weights, _) in arb_network()) {
        let bytes = weights.to_bytes();
        prop_assert_eq!(bytes.len(), graph.weight_bytes());
        prop_assert!(Weights::from_bytes(&graph, &bytes).unwrap() == weights);
        let file = ModelFile {
            graph: graph.graph().clone(),
            weights,
        };
        prop_assert!(ModelFile::from_bytes(&file.to_bytes()).unwrap() == file);
    }

    #[test]
    fn packing_loses_nothing(bytes in prop::collection::vec(any::<u8>(), 0..400), spare in 0usize..3) {
        let words = pack31_into(&bytes, bytes.len().div_ceil(31) + spare);
        prop_assert_eq!(unpack31(&words, bytes.len()).unwrap(), bytes.clone());
        let mut back = vec![];
        for block in pack_data(&bytes) {
            for (x, len) in block.iter().zip(DATA_CHUNKS) {
                let b = to_be_bytes(x);
                prop_assert!(b[..32 - len].iter().all(|&v| v == 0));
                back.extend_from_slice(&b[32 - len..]);
            }
        }
        prop_assert_eq!(&back[..bytes.len()], &bytes[..]);
        prop_assert!(back[bytes.len()..].iter().all(|&v| v == 0));
    }

    #[test]
    fn packing_tells_messages_of_one_length_apart(
        a in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let mut b = a.clone();
        b[at.index(a.len())] ^= flip;
        prop_assert_ne!(pack31(&a), pack31(&b));
        prop_assert_ne!(pack_data(&a), pack_data(&b));
    }

    #[test]
    fn datasets_round_trip_through_blocks(
        schema in arb_layout(), n in 1usize..400, per in prop::option::of(64usize..150), seed in any::<u64>(),
    ) {
        use rand::{Rng, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let bytes: Vec<u8> = (0..n)
            .flat_map(|_| {
                let (low, high) = schema.feature_range();
                let mut r = vec![];
                (0..schema.features()).for_each(|_| schema.encode(rng.gen_range(low..=high), &mut r));
                r.push(rng.gen_range(0..schema.classes) as u8);
                r
            })
            .collect();
        let options = Options { name: "random".into(), licence: "none".into(), per_shard: per };
        let d = Dataset::from_records(schema, &bytes, options).unwrap();
        prop_assert_eq!(d.bytes(), bytes);
        prop_assert_eq!(d.n(), n as u64);
        let manifest = Manifest::from_bytes(&d.manifest().to_bytes()).unwrap();
        prop_assert_eq!(manifest.cid(), d.blocks().pop().unwrap().0);
        let blocks = d.shards().iter().map(|s| s.bytes.clone()).collect();
        prop_assert_eq!(Dataset::assemble(manifest, blocks).unwrap(), d);
    }

    #[test]
    fn a_manifest_reader_never_panics(
        at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>(), truncate in any::<bool>(),
    ) {
        let schema = Schema::bytes([4], 9, 3);
        let options = Options { name: "m".into(), licence: "l".into(), per_shard: Some(64) };
        let d = Dataset::from_records(schema, &[1; 5 * 200], options).unwrap();
        let good = d.manifest().to_bytes();
        let mut bad = good.clone();
        bad[at.index(good.len())] ^= flip;
        if truncate {
            bad.truncate(cut.index(good.len()));
        }
        // Whatever is still read is another manifest, spelt canonically.
        if let Ok(m) = Manifest::from_bytes(&bad) {
            prop_assert_eq!(m.to_bytes(), bad);
            prop_assert_ne!(&m, d.manifest());
        }
    }
}
