//! Quantisation of every operator, against the float evaluator, and what calibration may not touch.

mod net;
mod wide;

use net::{Net, checked, records, schema};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zkaggle_graph::float::op::Op;
use zkaggle_graph::float::trees::{TreeNode, Trees};
use zkaggle_graph::float::{Activation, Ending, Network, Quantization, QuantizedWeights, Tensor, Window};
use zkaggle_graph::quantize::{LayerReport, Method, QuantizeError, plot, quantize};

const IMAGE: [usize; 3] = [2, 8, 8];

/// The same convolution around each operator under test.
fn around(seed: u64, middle: impl FnOnce(&mut Net)) -> Network {
    let mut n = Net::new(&IMAGE, seed);
    n.conv(4, 3, 1, 1, 1.0 / 64.0);
    middle(&mut n);
    n.dense(3, 1.0);
    n.end(Ending::Classes)
}

type Middle = fn(&mut Net);

#[test]
fn every_operator_follows_the_floats() {
    let cases: [(&str, f64, Middle); 19] = [
        ("relu", 0.02, |n| n.apply(Activation::Relu)),
        ("linear", 0.02, |_| ()),
        ("leaky", 0.02, |n| n.apply(Activation::LeakyRelu { alpha: 0.1 })),
        ("sigmoid", 0.02, |n| n.apply(Activation::Sigmoid)),
        ("tanh", 0.02, |n| n.apply(Activation::Tanh)),
        ("hard sigmoid", 0.02, |n| {
            let (alpha, beta) = (0.2, 0.5);
            n.act(Activation::HardSigmoid { alpha, beta });
        }),
        ("hard swish", 0.03, |n| n.apply(Activation::HardSwish)),
        ("relu6", 0.02, |n| n.apply(Activation::Clip { low: 0.0, high: 6.0 })),
        ("polynomial", 0.04, |n| {
            let (a, b, c) = (1.0, 2.0, 0.0);
            n.act(Activation::Polynomial { a, b, c });
        }),
        ("max pool", 0.02, |n| {
            n.act(Activation::Relu);
            let window = Window {
                stride: [2, 2],
                ..Window::of([2, 2])
            };
            n.on(Op::MaxPool { window });
        }),
        ("average pool", 0.02, |n| {
            n.act(Activation::Relu);
            let window = Window {
                stride: [2, 2],
                ..Window::of([3, 3])
            };
            let include_padding = false;
            n.on(Op::AveragePool {
                window,
                include_padding,
            });
        }),
        ("average pool at a padded border", 0.03, |n| {
            n.act(Activation::Relu);
            let window = Window {
                before: [1, 1],
                after: [1, 1],
                ..Window::of([3, 3])
            };
            let include_padding = false;
            n.on(Op::AveragePool {
                window,
                include_padding,
            });
        }),
        ("residual", 0.03, |n| {
            let skip = n.act(Activation::Relu);
            n.conv(4, 3, 1, 1, 1.0);
            n.act(Activation::Relu);
            let main = n.conv(4, 1, 1, 4, 1.0);
            n.push(Op::Add, &[main, skip]);
            n.act(Activation::Relu);
        }),
        ("difference", 0.03, |n| {
            let a = n.act(Activation::Relu);
            let b = n.conv(4, 3, 1, 2, 1.0);
            n.push(Op::Sub, &[a, b]);
        }),
        ("concat", 0.03, |n| {
            let a = n.act(Activation::Relu);
            let b = n.conv(3, 3, 1, 1, 3.0);
            n.push(Op::Concat { axis: 0 }, &[a, b]);
        }),
        ("concat along rows", 0.03, |n| {
            let a = n.act(Activation::Relu);
            let b = n.conv(4, 3, 1, 1, 3.0);
            n.push(Op::Concat { axis: 1 }, &[a, b]);
        }),
        ("gate", 0.05, |n| {
            let x = n.act(Activation::Relu);
            let window = Window::of([8, 8]);
            let include_padding = false;
            n.on(Op::AveragePool {
                window,
                include_padding,
            });
            n.conv(4, 1, 1, 1, 1.0);
            let gate = n.act(Activation::Sigmoid);
            n.push(Op::Mul, &[x, gate]);
        }),
        ("moves", 0.03, |n| {
            n.act(Activation::Relu);
            let (start, step, length) = (vec![0, 7, 0], vec![1, -1, 2], vec![4, 6, 4]);
            n.on(Op::Slice { start, step, length });
            let (before, after, value) = (vec![0, 1, 0], vec![0, 0, 1], 0.0);
            n.on(Op::Pad { before, after, value });
            n.on(Op::Upsample { factor: [2, 1] });
            n.on(Op::Spread { stride: [1, 2] });
            n.conv(3, 3, 1, 1, 1.0);
            n.on(Op::Transpose { perm: vec![2, 0, 1] });
        }),
        ("affine", 0.03, |n| {
            let (scale, offset) = (n.tensor(&[4], 2.0), n.tensor(&[4], 0.5));
            n.on(Op::Affine { scale, offset });
            n.act(Activation::Relu);
        }),
    ];
    let s = schema(&IMAGE, 255, 3);
    for (seed, (name, bound, middle)) in cases.into_iter().enumerate() {
        let q = checked(&around(seed as u64, middle), &s, 3);
        let last = q.report.layers.last().unwrap();
        assert!(
            last.rms_error < bound && last.max_error <= last.error_bound,
            "{name}: {:.4}\n{}",
            last.rms_error,
            q.report.text()
        );
    }
}

/// The same network, other weights and other calibration data: the same graph, to the byte.
#[test]
fn calibration_does_not_leak_into_the_architecture() {
    let build = |seed, scale: f32| {
        let mut n = Net::new(&IMAGE, seed);
        n.conv(4, 3, 2, 1, scale);
        let skip = n.act(Activation::Relu);
        n.conv(4, 3, 1, 1, scale);
        let a = n.act(Activation::Sigmoid);
        n.push(Op::Add, &[skip, a]);
        n.act(Activation::Clip { low: 0.0, high: 6.0 });
        n.dense(3, scale);
        n.end(Ending::Classes)
    };
    let s = schema(&IMAGE, 255, 3);
    let mut texts = vec![];
    for (net, data) in [(1, 1), (1, 2), (2, 1)] {
        for method in [Method::Mse, Method::MinMax, Method::Percentile(0.99)] {
            let mut r = records(&s, 20 + data as usize, data);
            if data == 2 {
                r.iter_mut().for_each(|v| *v /= 7);
            }
            let q = quantize(&build(net, 0.02), &s, 40, &r, method).unwrap();
            texts.push(q.graph.text());
        }
    }
    assert!(texts.iter().all(|t| t == &texts[0]));
}

#[test]
fn trees_decide_exactly_as_their_file_does() {
    let split = |feature, threshold, low, high| TreeNode::Split {
        feature,
        threshold,
        low,
        high,
    };
    let leaf = |v: [f32; 3]| TreeNode::Leaf { values: v.to_vec() };
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let trees: Vec<Vec<TreeNode>> = (0..9)
        .map(|_| {
            let mut v = || leaf([rng.r#gen(), rng.r#gen(), rng.r#gen()]);
            let (a, b, c) = (v(), v(), v());
            vec![
                split(rng.gen_range(0..4), rng.gen_range(0..20), 1, 2),
                a,
                split(rng.gen_range(0..4), 9, 3, 4),
                b,
                c,
            ]
        })
        .collect();
    let op = |outputs| Trees {
        features: 4,
        outputs,
        base: vec![0.25; 3],
        trees: trees.clone(),
    };
    let mut n = Net::new(&[4], 0);
    n.on(Op::Trees(op(3)));
    let s = schema(&[4], 20, 3);
    let q = checked(&n.end(Ending::Classes), &s, 4);
    assert_eq!(q.report.agreement, 40);
    assert!(q.report.layers[0].max_error < 1e-3, "{}", q.report.text());
    assert!(q.graph.text().contains("trees %0 trees=9 nodes=8 depth=2 outputs=3"));
}

#[test]
fn regressions_and_single_scores_have_their_answer() {
    let s = schema(&[6], 255, 2);
    let mut n = Net::new(&[6], 3);
    n.dense(8, 0.5);
    n.act(Activation::Relu);
    n.dense(1, 1.0);
    let q = checked(&n.end(Ending::Values), &s, 1);
    assert_eq!(q.graph.fraction(), Some(16));
    assert!(q.report.layers.last().unwrap().rms_error < 0.02, "{}", q.report.text());

    let mut n = Net::new(&[6], 3);
    n.dense(1, 0.5);
    let q = checked(&n.end(Ending::Sign), &s, 1);
    assert!(q.report.agreement >= 39, "{}", q.report.text());
}

/// A graph with scales of its own keeps its integers: the float evaluator, which rounds as the file
/// says, must give the very same ones.
#[test]
fn a_quantised_graph_keeps_its_integers() {
    for signed in [false, true] {
        let (low, high, zero) = if signed { (-128, 127, -11) } else { (0, 255, 7) };
        let act = |scale: f32, zero: i32| Quantization {
            scale: vec![scale],
            zero: vec![zero],
            axis: 0,
            low,
            high,
        };
        let mut n = Net::new(&IMAGE, 9);
        let layer = |n: &mut Net, count: usize, outputs: usize, s_in: f32| {
            let scale: Vec<f32> = (0..outputs).map(|o| 0.003 + 0.001 * o as f32).collect();
            let weights: Vec<i32> = (0..count).map(|_| n.rng.gen_range(-127..=127)).collect();
            let bias: Vec<i32> = (0..outputs).map(|_| n.rng.gen_range(-900..900)).collect();
            let row = count / outputs;
            let w = weights
                .iter()
                .enumerate()
                .map(|(i, &w)| w as f32 * scale[i / row])
                .collect::<Vec<_>>();
            let b = bias
                .iter()
                .zip(&scale)
                .map(|(&b, s)| b as f32 * s_in * s)
                .collect::<Vec<_>>();
            let zero = vec![0; outputs];
            let bias = Some(bias);
            let q = QuantizedWeights {
                weights,
                scale,
                zero,
                bias,
            };
            (w, b, Some(q))
        };
        let first = if signed { -128 } else { 0 };
        n.on(Op::Quantize(act(1.0, first)));
        n.on(Op::Dequantize(act(1.0, first)));
        let (w, b, quantized) = layer(&mut n, 4 * 2 * 9, 4, 1.0);
        n.on(Op::Conv {
            w: Tensor::new(vec![4, 2, 3, 3], w),
            b: Tensor::new(vec![4], b),
            window: Window {
                before: [1, 1],
                after: [1, 1],
                ..Window::of([3, 3])
            },
            groups: 1,
            quantized,
        });
        // A ReLU whose zero is the smallest integer: the clamp alone.
        n.act(Activation::Relu);
        n.on(Op::Quantize(act(3.7, low)));
        n.on(Op::Dequantize(act(3.7, low)));
        let window = Window {
            stride: [2, 2],
            ..Window::of([2, 2])
        };
        n.on(Op::MaxPool { window });
        n.on(Op::Reshape { shape: vec![64] });
        let (w, b, quantized) = layer(&mut n, 64 * 3, 3, 3.7);
        n.on(Op::Dense {
            w: Tensor::new(vec![3, 64], w),
            b: Tensor::new(vec![3], b),
            quantized,
        });
        n.on(Op::Quantize(act(2.5, zero)));
        n.on(Op::Dequantize(act(2.5, zero)));
        let net = n.end(Ending::Classes);
        let s = schema(&IMAGE, if signed { 127 } else { 255 }, 3);
        let q = checked(&net, &s, 6);
        let dequantized = |l: &&LayerReport| l.op == "rescale";
        for l in q.report.layers.iter().filter(dequantized) {
            // The evaluator sums floats where the file sums integers: a tie may round apart.
            assert!(l.max_error < 0.02 && l.rms_error < 0.004, "{}", q.report.text());
        }
        assert!(q.report.agreement >= 39, "{}", q.report.text());
    }
    let mut n = Net::new(&[4], 1);
    let q = Quantization {
        scale: vec![0.5],
        zero: vec![3],
        axis: 0,
        low: 0,
        high: 255,
    };
    let a = n.on(Op::Quantize(q.clone()));
    let a = n.push(Op::Dequantize(q), &[a]);
    n.push(Op::Add, &[a, a]);
    n.dense(2, 1.0);
    let s = schema(&[4], 9, 2);
    let e = quantize(&n.end(Ending::Classes), &s, 1, &records(&s, 3, 1), Method::Mse).unwrap_err();
    assert!(e.to_string().contains("no exact integer form"), "{e}");
}

#[test]
fn what_does_not_fit_is_refused_by_node() {
    let s = schema(&[4], 9, 2);
    let data = records(&s, 8, 1);
    let refused = |n: Net, text: &str| {
        let e = quantize(&n.end(Ending::Classes), &s, 4, &data, Method::Mse).unwrap_err();
        assert!(e.to_string().contains(text), "{e}");
    };
    let mut n = Net::new(&[4], 1);
    let (w, b) = (
        Tensor::new(vec![2, 4], vec![0.0; 8]),
        Tensor::new(vec![2], vec![1.0; 2]),
    );
    let quantized = None;
    n.on(Op::Dense { w, b, quantized });
    refused(n, "layer \"n0\": all weights are zero");
    let mut n = Net::new(&[4], 1);
    n.dense(2, 1e38);
    n.act(Activation::Relu);
    n.dense(2, 1e38);
    refused(n, "overflows");
    let mut n = Net::new(&[4], 1);
    let b = Tensor::new(vec![2], vec![1e9, 0.0]);
    let w = n.tensor(&[2, 4], 1e-3);
    let quantized = None;
    n.on(Op::Dense { w, b, quantized });
    refused(n, "a bias dwarfs the weights");
    let mut n = Net::new(&[4], 1);
    n.dense(2, 1.0);
    let (before, after, value) = (vec![1], vec![0], 0.5);
    n.on(Op::Pad { before, after, value });
    n.dense(2, 1.0);
    refused(n, "no canonical integer");
    let mut n = Net::new(&[5], 1);
    n.dense(2, 1.0);
    assert!(matches!(
        quantize(&n.end(Ending::Classes), &s, 4, &data, Method::Mse),
        Err(QuantizeError::Inputs { model: 5, schema: 4 })
    ));
    let mut n = Net::new(&[4], 1);
    n.dense(3, 1.0);
    assert!(matches!(
        quantize(&n.end(Ending::Classes), &s, 4, &data, Method::Mse),
        Err(QuantizeError::Classes { model: 3, schema: 2 })
    ));
    let mut n = Net::new(&[4], 1);
    n.dense(2, 1.0);
    let e = quantize(&n.end(Ending::Classes), &s, 4, &data[1..], Method::Mse).unwrap_err();
    assert!(matches!(e, QuantizeError::Records { .. }));
}

#[test]
fn a_report_reads_and_draws() {
    let s = schema(&IMAGE, 255, 3);
    let q = checked(&around(1, |n| n.apply(Activation::Relu)), &s, 3);
    let text = q.report.text();
    assert!(text.contains("worst records") && text.contains("confusion"), "{text}");
    assert_eq!(q.report.confusion.iter().flatten().sum::<u32>(), 40);
    assert_eq!(q.report.worst.len(), 10);
    for svg in [plot::layers(&q.report), plot::confusion(&q.report)] {
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("script"));
    }
    let json = serde_json::to_value(&q.report).unwrap();
    assert_eq!(json["integer"]["total"], 40);
}
