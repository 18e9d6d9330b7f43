//! Features of sixteen bits: columns of a table whose units have nothing to do with each other.

use crate::net::{Net, checked, records};
use rand::Rng;
use zkaggle_graph::eval::evaluate;
use zkaggle_graph::float::op::Op;
use zkaggle_graph::float::trees::{TreeNode, Trees};
use zkaggle_graph::float::{Activation, Ending, Network, Tensor, ValueId, Window};
use zkaggle_graph::graph::{FeatureType, Graph, Schema};
use zkaggle_graph::mlp::Mlp;
use zkaggle_graph::ops::Op as Integer;
use zkaggle_graph::quantize::{Method, quantize};

fn table(shape: &[u32], feature_max: u16, classes: u16) -> Schema {
    Schema {
        shape: shape.to_vec(),
        feature_type: FeatureType::I16,
        feature_max,
        classes,
        layout: None,
    }
}

/// What a scaler and a layer behind it are once folded: weights that differ by a factor of 300 from column to column.
fn folded(n: &mut Net, outputs: usize, inputs: usize) {
    let columns: Vec<f32> = (0..inputs).map(|i| 300f32.powf(-(i as f32) / inputs as f32)).collect();
    let data = (0..outputs * inputs).map(|i| n.rng.gen_range(-1f32..1.0) * columns[i % inputs] / 3000.0);
    let w = Tensor::new(vec![outputs, inputs], data.collect());
    let b = n.tensor(&[outputs], 0.1);
    let quantized = None;
    n.on(Op::Dense { w, b, quantized });
}

fn mlp(seed: u64, classes: usize, ending: Ending) -> Network {
    let mut n = Net::new(&[30], seed);
    folded(&mut n, 16, 30);
    n.act(Activation::Relu);
    n.dense(classes, 1.0);
    n.end(ending)
}

fn weights_of(graph: &Graph) -> Vec<u8> {
    let of = |op: &Integer| match op {
        Integer::Dense(d) => Some(d.bits),
        Integer::Conv(c) => Some(c.bits),
        _ => None,
    };
    graph.nodes().iter().filter_map(|n| of(&n.op)).collect()
}

#[test]
fn a_network_on_signed_columns_follows_the_floats() {
    for max in [100, 1000, 32767] {
        let s = table(&[30], max, 3);
        let q = checked(&mlp(1, 3, Ending::Classes), &s, 2);
        let text = q.report.text();
        assert_eq!(weights_of(&q.graph), [16, 8], "only the columns' own layer is wide");
        assert!(q.report.agreement >= 39, "{max}: {text}");
        for layer in &q.report.layers {
            assert!(
                layer.rms_error < 0.02 && layer.max_error <= layer.error_bound,
                "{max}: {text}"
            );
        }
    }
}

#[test]
fn linear_models_keep_their_small_columns() {
    let s = table(&[30], 32767, 3);
    for ending in [Ending::Classes, Ending::Sign, Ending::Values] {
        let mut n = Net::new(&[30], 4);
        folded(&mut n, if ending == Ending::Classes { 3 } else { 1 }, 30);
        let s = Schema {
            classes: if ending == Ending::Sign { 2 } else { s.classes },
            ..s.clone()
        };
        let q = checked(&n.end(ending), &s, 5);
        let last = q.report.layers.last().unwrap();
        assert!(last.rms_error < 2e-3, "{}", q.report.text());
        assert!(last.max_error <= last.error_bound, "{}", q.report.text());
        // The column that counts least has a weight still.
        assert!(q.weights.blocks()[0].w.chunks(30).any(|row| row[29] != 0));
    }
}

/// A scaler in front of a layer that it cannot be folded into.
#[test]
fn signals_are_convolved_and_scaled_by_element() {
    let s = table(&[2, 1, 40], 8191, 3);
    let mut n = Net::new(&[2, 1, 40], 6);
    let window = Window {
        before: [0, 2],
        after: [0, 2],
        ..Window::of([1, 5])
    };
    let w = n.tensor(&[4, 2, 1, 5], 1e-4);
    let b = n.tensor(&[4], 0.1);
    let (groups, quantized) = (1, None);
    let conv = Op::Conv {
        w,
        b,
        window,
        groups,
        quantized,
    };
    n.push(conv, &[ValueId::SAMPLE]);
    n.act(Activation::Relu);
    n.dense(3, 1.0);
    let q = checked(&n.end(Ending::Classes), &s, 7);
    assert_eq!(weights_of(&q.graph), [16, 8]);
    assert!(q.report.layers.last().unwrap().rms_error < 0.04, "{}", q.report.text());

    let mut n = Net::new(&[6], 8);
    let scale = Tensor::new(vec![6], vec![1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 0.01]);
    let offset = n.tensor(&[6], 0.5);
    n.on(Op::Affine { scale, offset });
    n.act(Activation::Tanh);
    n.dense(3, 1.0);
    let q = checked(&n.end(Ending::Classes), &table(&[6], 20_000, 3), 9);
    assert!(q.report.layers.last().unwrap().rms_error < 0.05, "{}", q.report.text());
}

#[test]
fn trees_compare_signed_columns_exactly() {
    let split = |feature, threshold| TreeNode::Split {
        feature,
        threshold,
        low: 1,
        high: 2,
    };
    let leaf = |a, b| TreeNode::Leaf { values: vec![a, b] };
    let trees = [(0, -1), (1, -32_000), (2, 31_999), (0, 0)]
        .map(|(feature, threshold)| vec![split(feature, threshold), leaf(1.0, 0.0), leaf(0.0, 0.7)]);
    let mut n = Net::new(&[3], 0);
    n.on(Op::Trees(Trees {
        features: 3,
        outputs: 2,
        base: vec![0.0; 2],
        trees: trees.to_vec(),
    }));
    let s = table(&[3], 32767, 2);
    let network = n.end(Ending::Classes);
    let q = checked(&network, &s, 1);
    assert_eq!(q.report.agreement, 40);
    // Both sides of each threshold, and the ends.
    let values = [
        -32767, -32001, -32000, -31999, -2, -1, 0, 1, 31_998, 31_999, 32_000, 32_767,
    ];
    let mut bytes = vec![];
    for a in values {
        for b in values {
            for c in values {
                for v in [a, b, c] {
                    s.encode(v, &mut bytes);
                }
                bytes.push(0);
            }
        }
    }
    let report = q.report_on(&network, &bytes).unwrap();
    assert_eq!(report.agreement as usize, values.len().pow(3));
}

#[test]
fn the_graph_follows_from_shapes_and_bounds_alone() {
    let s = table(&[30], 5000, 3);
    let small = Schema {
        feature_max: 40,
        ..s.clone()
    };
    let mut texts = vec![];
    for seed in [1, 2] {
        for method in [Method::Mse, Method::MinMax, Method::Percentile(0.99)] {
            for data in [records(&s, 30, 3), records(&small, 50, 4)] {
                let q = quantize(&mlp(seed, 3, Ending::Classes), &s, 40, &data, method).unwrap();
                texts.push(q.graph.text());
            }
        }
    }
    assert!(texts.iter().all(|t| t == &texts[0]));
    let line = "record features=i16[30] max=5000 label=u8 classes=3 offset=0 stride=61\n";
    assert!(texts[0].contains(line), "{}", texts[0]);
    assert!(texts[0].contains("%0 = input : [30] -5000..5000\n"), "{}", texts[0]);
    assert_eq!(Graph::parse(&texts[0]).unwrap().text(), texts[0]);
    for (from, to, says) in [
        ("i16[30]", "i32[30]", "no type of features"),
        ("max=5000", "max=32768", "at most 32767"),
        ("-5000..5000", "0..5000", "line 5: spelt otherwise"),
        ("i16[30]", "u8[30]", "at most 255"),
        ("stride=61", "stride=31", "line 2: spelt otherwise"),
    ] {
        let e = Graph::parse(&texts[0].replacen(from, to, 1)).unwrap_err().to_string();
        assert!(e.contains(says), "{to}: {e}");
    }
}

/// Until an engine reads pairs of bytes, nobody pays for a key of such a network.
#[test]
fn the_accuracy_circuit_refuses_wide_features_by_name() {
    let s = table(&[4], 100, 3);
    let graph = Graph::mlp(s, 10, &[4, 3], &[]).unwrap();
    let e = Mlp::try_from(&graph).unwrap_err().to_string();
    assert_eq!(e, "node %0: the accuracy circuit does not prove i16 features yet");
}

#[test]
fn records_are_pairs_of_bytes() {
    let s = table(&[2], 1000, 2);
    let graph = Graph::mlp(s.clone(), 4, &[2, 2], &[]).unwrap();
    // Scores x0 and x1.
    let mut bytes = vec![1u8, 0, 0, 1];
    bytes.extend([0; 8]);
    let weights = zkaggle_graph::weights::Weights::from_bytes(&graph, &bytes).unwrap();
    let mut shard = vec![];
    for (a, b, label) in [(1, -1, 0), (-300, -299, 1), (256, 255, 0), (5, 5, 0)] {
        s.encode(a, &mut shard);
        s.encode(b, &mut shard);
        shard.push(label);
    }
    let e = evaluate(&graph, &weights, &shard).unwrap();
    assert_eq!(e.predictions(), [0, 1, 0, 0]);
    assert_eq!((e.accuracy.correct, e.accuracy.total), (4, 4));
    assert!(evaluate(&graph, &weights, &shard[1..]).is_err());
}
