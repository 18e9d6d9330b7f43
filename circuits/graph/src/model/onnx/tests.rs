//! Small graphs, built message by message: what is folded, and what is refused in which words.

use super::*;
use crate::float::eval;
use proto::{Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo};

pub(super) fn tensor(name: &str, dims: &[i64], data: &[f32]) -> Tensor {
    let mut t = Tensor::default();
    t.name.push_str(name);
    t.dims.extend(dims);
    t.data_type = 1;
    t.float_data.extend(data);
    t
}

fn ints(name: &str, data: &[i64]) -> Tensor {
    let mut t = tensor(name, &[data.len() as i64], &[]);
    t.data_type = 7;
    t.int64_data.extend(data);
    t
}

fn node(op: &str, input: &[&str], output: &str) -> Node {
    Node {
        input: input.iter().map(|&s| s.into()).collect(),
        output: vec![output.into()],
        name: format!("the_{output}"),
        op_type: op.into(),
        ..Default::default()
    }
}

fn with(mut n: Node, name: &str, i: i64, f: f32) -> Node {
    n.attribute.push(Attribute {
        name: name.into(),
        i,
        f,
        ..Default::default()
    });
    n
}

fn value(name: &str, dims: &[Option<i64>]) -> ValueInfo {
    let dim = dims
        .iter()
        .map(|&dim_value| Dimension {
            dim_value,
            dim_param: dim_value.is_none().then(|| "batch".into()),
        })
        .collect();
    let tensor_type = Some(TensorType {
        elem_type: 1,
        shape: Some(Shape { dim }),
    });
    ValueInfo {
        name: name.into(),
        r#type: Some(Type { tensor_type }),
    }
}

/// Two features in, two hidden units, two scores out.
fn model(nodes: Vec<Node>, extra: Vec<Tensor>) -> Model {
    let mut initializer = vec![
        tensor("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        tensor("b", &[2], &[10.0, 20.0]),
        tensor("v", &[2, 2], &[1.0, 0.0, 0.0, -1.0]),
    ];
    initializer.extend(extra);
    Model {
        ir_version: 8,
        graph: Some(Graph {
            name: "test".into(),
            node: nodes,
            initializer,
            input: vec![value("x", &[None, Some(2)])],
            output: vec![value("y", &[])],
        }),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: 17,
        }],
    }
}

fn imported(m: &Model) -> Result<Imported, OnnxError> {
    read(&m.encode_to_vec())
}

fn outputs(m: &Imported, sample: &[f32]) -> Vec<f32> {
    eval::outputs(&m.network, sample).unwrap()
}

/// Operators left after simplification.
fn names(m: &Imported) -> Vec<&str> {
    m.network.nodes().iter().map(|n| n.op.name()).collect()
}

/// Scores for the sample (1, 2).
fn scores(nodes: Vec<Node>, extra: Vec<Tensor>) -> Vec<f32> {
    outputs(&imported(&model(nodes, extra)).unwrap(), &[1.0, 2.0])
}

fn refused(nodes: Vec<Node>, extra: Vec<Tensor>) -> String {
    imported(&model(nodes, extra)).unwrap_err().to_string()
}

#[test]
fn gemm_reads_all_its_attributes() {
    let gemm = || node("Gemm", &["x", "w", "b"], "y");
    // x·W + b with W = [in][out].
    assert_eq!(scores(vec![gemm()], vec![]), [17.0, 30.0]);
    assert_eq!(scores(vec![with(gemm(), "transB", 1, 0.0)], vec![]), [15.0, 31.0]);
    let scaled = with(with(gemm(), "alpha", 0, 2.0), "beta", 0, 0.5);
    assert_eq!(scores(vec![scaled], vec![]), [19.0, 30.0]);
    assert_eq!(scores(vec![node("Gemm", &["x", "w"], "y")], vec![]), [7.0, 10.0]);
    assert!(refused(vec![with(gemm(), "transA", 1, 0.0)], vec![]).contains("transA"));
}

#[test]
fn linear_steps_fold_and_relu_separates_layers() {
    let chain = vec![
        node("Flatten", &["x"], "f"),
        node("Sub", &["f", "one"], "s"),
        node("Div", &["s", "two"], "d"),
        node("MatMul", &["d", "w"], "m"),
        node("Add", &["b", "m"], "a"),
        node("Relu", &["a"], "r"),
        node("Identity", &["r"], "i"),
        node("MatMul", &["i", "v"], "y"),
    ];
    let constants = || vec![tensor("one", &[], &[1.0]), tensor("two", &[1, 2], &[2.0, 4.0])];
    let m = imported(&model(chain, constants())).unwrap();
    assert_eq!(names(&m), ["Dense", "Relu", "Dense"]);
    // (1, 2) -> (0, 0.25) -> (0.75, 1) + b -> v
    assert_eq!(outputs(&m, &[1.0, 2.0]), [10.75, -21.0]);
    let after = vec![
        node("MatMul", &["x", "w"], "h"),
        node("Mul", &["h", "b"], "k"),
        node("Sub", &["b", "k"], "y"),
    ];
    assert_eq!(scores(after, vec![]), [10.0 - 70.0, 20.0 - 200.0]);
    // Branches join.
    let residual = vec![
        node("Gemm", &["x", "w", "b"], "h"),
        node("Relu", &["h"], "r"),
        node("Add", &["r", "x"], "y"),
    ];
    assert_eq!(scores(residual, vec![]), [18.0, 32.0]);
}

#[test]
fn shapes_casts_constants_and_endings_are_harmless() {
    let mut constant = node("Constant", &[], "c");
    constant.attribute.push(Attribute {
        name: "value".into(),
        t: Some(tensor("", &[2, 2], &[1.0, 3.0, 2.0, 4.0])),
        ..Default::default()
    });
    let chain = vec![
        constant,
        node("Transpose", &["c"], "t"),
        with(node("Cast", &["x"], "k"), "to", 1, 0.0),
        node("Reshape", &["k", "shape"], "s"),
        node("Dropout", &["s"], "d"),
        node("MatMul", &["d", "t"], "m"),
        with(node("Softmax", &["m"], "p"), "axis", 1, 0.0),
        with(node("ArgMax", &["p"], "y"), "axis", -1, 0.0),
    ];
    let i = imported(&model(chain.clone(), vec![ints("shape", &[-1, 2])])).unwrap();
    assert_eq!(outputs(&i, &[1.0, 2.0]), [7.0, 10.0]);
    assert_eq!(i.network.ending(), Ending::Classes);
    assert!(i.notes[0].contains("trailing Softmax is left out"));
    for shape in [&[0, 2][..], &[0, -1], &[1, 2], &[-1, 2], &[-1, 1, 2]] {
        let r = imported(&model(chain.clone(), vec![ints("shape", shape)]));
        assert!(r.is_ok() == (shape.len() == 2), "{shape:?}");
    }
    for shape in [
        &[2][..],
        &[-1, -1],
        &[0, 3],
        &[-1],
        &[],
        &[-2, 2],
        &[0, i64::MIN],
        &[0, i64::MAX, i64::MAX],
    ] {
        let e = imported(&model(chain.clone(), vec![ints("shape", shape)]))
            .unwrap_err()
            .to_string();
        assert!(e.contains("Reshape") || e.contains("MatMul"), "{shape:?}: {e}");
    }
}

#[test]
fn one_score_ends_in_its_sign() {
    let one = || tensor("u", &[2, 1], &[1.0, -1.0]);
    let m = vec![node("MatMul", &["x", "u"], "h"), node("Sigmoid", &["h"], "y")];
    let i = imported(&model(m, vec![one()])).unwrap();
    assert_eq!((i.network.ending(), names(&i)), (Ending::Sign, vec!["Dense"]));
    let i = imported(&model(vec![node("MatMul", &["x", "u"], "y")], vec![one()])).unwrap();
    assert_eq!(i.network.ending(), Ending::Values);
}

#[test]
fn unsupported_operators_are_named_with_node_and_cure() {
    for (op, says) in [
        ("Gelu", "activations that are: Relu"),
        ("LayerNormalization", "BatchNormalization"),
        ("QLinearConv", "QDQ form"),
        ("LSTM", "Conv along time"),
        ("LpPool", "MaxPool"),
        ("", "docs/operators.md"),
    ] {
        let e = refused(vec![node("Gemm", &["x", "w", "b"], "h"), node(op, &["h"], "y")], vec![]);
        assert!(
            e.contains(&format!("operator {op} (node \"the_y\")")) && e.contains(says),
            "{e}"
        );
    }
    let mut foreign = node("FusedGemm", &["x", "w"], "y");
    foreign.domain = "com.example".into();
    assert!(refused(vec![foreign], vec![]).contains("com.example"));
    let mut unnamed = node("Erf", &["x"], "y");
    unnamed.name.clear();
    assert!(refused(vec![unnamed], vec![]).contains("node \"y\""));
}

#[test]
fn graphs_that_are_no_network_are_refused() {
    let gemm = || node("Gemm", &["x", "w", "b"], "h");
    for (nodes, says) in [
        (vec![], "nothing in the file defines"),
        (vec![node("Add", &["w", "b"], "y")], "does not depend on the input"),
        (vec![node("Identity", &["w"], "y")], "does not depend on the input"),
        (vec![node("Relu", &["y"], "h"), node("Relu", &["h"], "y")], "cycle"),
        (vec![node("Relu", &["y"], "y")], "cycle"),
        (vec![node("Relu", &["h"], "y"), gemm()], "out of order"),
        (
            vec![node("Relu", &["ghost"], "y")],
            "nothing in the file defines its input \"ghost\"",
        ),
        (vec![gemm(), node("Relu", &["h"], "h")], "\"h\" is defined twice"),
        (vec![node("Relu", &["x"], "w")], "\"w\" is defined twice"),
        (
            vec![gemm(), node("Softmax", &["h"], "p"), node("Relu", &["p"], "y")],
            "must be the network's end",
        ),
        (vec![gemm(), node("ArgMax", &["h"], "y")], "keeps samples apart"),
        (vec![node("Gemm", &["w", "x"], "y")], "constant where the samples"),
        (vec![node("Gemm", &["x"], "y")], "input 1 is missing"),
        (vec![node("MatMul", &["x", "x"], "y")], "no attention"),
        (vec![node("Div", &["w", "x"], "y")], "does not fit values"),
        (vec![node("Div", &["b", "x"], "y")], "not linear"),
        (vec![gemm(), node("Div", &["h", "x"], "y")], "quotient"),
        (vec![gemm(), node("Dropout", &["h", "", "w"], "y")], "training mode"),
        (vec![with(node("Cast", &["x"], "y"), "to", 3, 0.0)], "element type 3"),
        (vec![with(node("Flatten", &["x"], "y"), "axis", 0, 0.0)], "axis 1"),
        (vec![node("Transpose", &["x"], "y")], "keeps samples apart"),
        (vec![node("Conv", &["x", "w"], "y")], "spatial dimensions"),
    ] {
        let e = refused(nodes.clone(), vec![]);
        assert!(e.contains(says), "{says}: {e}");
    }
}

#[test]
fn constants_are_checked_where_they_are_used() {
    let gemm = || vec![node("Gemm", &["x", "m", "b"], "y")];
    let says = |t: Tensor, text: &str| {
        let e = refused(gemm(), vec![t]);
        assert!(e.contains(text), "{text}: {e}");
    };
    says(tensor("m", &[3, 2], &[0.0; 6]), "3 inputs after values of shape [2]");
    says(tensor("m", &[2, 3], &[0.0; 6]), "does not fit values of shape [3]");
    says(tensor("m", &[2], &[0.0; 2]), "not two dimensions");
    says(tensor("m", &[2, 0], &[]), "shape [0, 2]");
    says(tensor("m", &[2, 2], &[0.0; 3]), "constant \"m\"");
    says(tensor("m", &[2, 2], &[f32::NAN; 4]), "NaN");
    says(tensor("m", &[i64::MAX, i64::MAX], &[]), "overflow");
    let zero = refused(vec![node("Div", &["x", "z"], "y")], vec![tensor("z", &[], &[0.0])]);
    assert!(zero.contains("divides by zero"), "{zero}");
}

#[test]
fn inputs_need_fixed_sizes() {
    let chain = || vec![node("Gemm", &["x", "w", "b"], "y")];
    let says = |dims: &[Option<i64>], text: &str| {
        let mut m = model(chain(), vec![]);
        if let Some(g) = &mut m.graph {
            g.input = vec![value("x", dims)];
        }
        let e = imported(&m).unwrap_err().to_string();
        assert!(e.contains(text), "{dims:?}: {e}");
    };
    says(&[None, None], "only the batch dimension");
    says(&[None, Some(0)], "only the batch dimension");
    says(&[None, Some(-3)], "only the batch dimension");
    says(&[], "is no row");
    says(&[None, Some(i64::MAX), Some(i64::MAX)], "larger than a block");
    let mut m = model(chain(), vec![]);
    if let Some(g) = &mut m.graph {
        g.input[0].r#type = None;
    }
    assert!(
        imported(&m)
            .unwrap_err()
            .to_string()
            .contains("shape is not in the file")
    );
}
#[test]
fn files_that_are_no_models_are_told_apart() {
    let says = |bytes: &[u8], text: &str| {
        let e = read(bytes).unwrap_err().to_string();
        assert!(e.contains(text), "{e}");
    };
    says(b"", "no operator set");
    says(b"\x89PNG\r\n\x1a\n", "no ONNX file, or it is truncated");
    says(&vec![0; MAX_ONNX_BYTES + 1], "at most");
    let good = model(vec![node("Gemm", &["x", "w", "b"], "y")], vec![]);
    let mut old = good.clone();
    old.opset_import[0].version = 6;
    says(&old.encode_to_vec(), "operator set 6");
    let mut empty = good.clone();
    empty.graph = None;
    says(&empty.encode_to_vec(), "no graph");
    // Two bytes a node in the file, hundreds in memory.
    let nodes = [0x0a, 0].repeat(2 << 20);
    let mut bomb = vec![0x3a];
    prost::encoding::encode_varint(nodes.len() as u64, &mut bomb);
    bomb.extend(nodes);
    says(&bomb, "more parts");
    let mut silent = good;
    if let Some(g) = &mut silent.graph {
        g.output.clear();
    }
    says(&silent.encode_to_vec(), "no output");
}

#[test]
fn a_small_file_cannot_ask_for_endless_work() {
    // Each pair of products keeps the file a few bytes and costs 2·20,000·1,000 multiplications.
    let side = 1000;
    let thin = vec![1e-3f32; 20 * side];
    let mut nodes = vec![node("MatMul", &["x", "first"], "n0")];
    for i in 0..4000 {
        let (a, b) = (format!("n{i}"), format!("n{}", i + 1));
        nodes.push(node("MatMul", &[&a, if i % 2 == 0 { "up" } else { "down" }], &b));
    }
    nodes.push(node("MatMul", &["n4000", "last"], "y"));
    let e = refused(
        nodes,
        vec![
            tensor("first", &[2, 20], &[1.0; 40]),
            tensor("up", &[20, side as i64], &thin),
            tensor("down", &[side as i64, 20], &thin),
            tensor("last", &[20, 2], &[1.0; 40]),
        ],
    );
    assert!(e.contains("more constants"), "{e}");
}

/// Flips and cuts the shipped file and a real exporter's in some 2,000 places: every answer is a
/// network of finite numbers or an error.
#[test]
fn damaged_files_never_panic() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for file in ["node/assets/digits-mlp.onnx", "tests/vectors/pipeline.onnx"] {
        let good = std::fs::read(root.join(file)).unwrap();
        read(&good).unwrap();
        for round in 0..1100 {
            let mut bad = good.clone();
            if round % 4 == 0 {
                bad.truncate(rng.gen_range(0..good.len()));
            }
            if round % 4 != 0 || round % 8 == 0 {
                // Half of the flips go to the first and last 500 bytes, where structure lives.
                for _ in 0..rng.gen_range(1..4) {
                    let len = bad.len().max(1);
                    let at = match rng.gen_range(0..4) {
                        0 => rng.gen_range(0..len.min(500)),
                        1 => len - 1 - rng.gen_range(0..len.min(500)),
                        _ => rng.gen_range(0..len),
                    };
                    if let Some(b) = bad.get_mut(at) {
                        *b ^= 1 << rng.gen_range(0..8);
                    }
                }
            }
            if let Ok(i) = read(&bad) {
                count += 1;
                let width = i.network.input().iter().product();
                assert_eq!(outputs(&i, &vec![1.0; width]).len(), i.network.outputs());
            }
        }
    }
    // Most flips hit a weight, which is another weight then.
    assert!(count > 500, "{count}");
}
