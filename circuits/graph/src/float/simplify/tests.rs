//! Every rule on a small network: fewer nodes, the same function.

use super::super::{Activation, Ending, Window, eval};
use super::*;

fn tensor(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let data = (0..n).map(|i| ((i * 7 + 3) % 11) as f32 / 4.0 - 1.0).collect();
    Tensor::new(shape.to_vec(), data)
}

fn dense(outputs: usize, inputs: usize) -> Op {
    Op::Dense {
        w: tensor(&[outputs, inputs]),
        b: tensor(&[outputs]),
        quantized: None,
    }
}

fn conv(outputs: usize, inputs: usize, pad: usize) -> Op {
    Op::Conv {
        w: tensor(&[outputs, inputs, 3, 3]),
        b: tensor(&[outputs]),
        window: Window {
            before: [pad; 2],
            after: [pad; 2],
            ..Window::of([3, 3])
        },
        groups: 1,
        quantized: None,
    }
}

fn affine(shape: &[usize]) -> Op {
    Op::Affine {
        scale: tensor(shape),
        offset: tensor(shape),
    }
}

fn relu() -> Op {
    Op::Activation(Activation::Relu)
}

/// A chain of operators; its simplified form must compute the same and have these operators.
fn check(input: &[usize], ops: Vec<Op>, expected: &[&str]) {
    let mut n = Network::new(input.to_vec()).unwrap();
    let mut v = ValueId::SAMPLE;
    for (i, op) in ops.into_iter().enumerate() {
        v = n.push(&format!("n{i}"), "T", op, &[v]).unwrap();
    }
    compare(n.finish(v, Ending::Values), expected);
}

fn compare(n: Network, expected: &[&str]) {
    let sample: Vec<f32> = (0..n.input().iter().product())
        .map(|i| ((i * 5) % 13) as f32 - 4.0)
        .collect();
    let simple = simplify(n.clone());
    let names: Vec<&str> = simple.nodes().iter().map(|n| n.op.name()).collect();
    assert_eq!(names, expected);
    let (a, b) = (
        eval::outputs(&n, &sample).unwrap(),
        eval::outputs(&simple, &sample).unwrap(),
    );
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() <= 1e-4 * x.abs().max(1.0), "{x} {y} in {names:?}");
    }
}

#[test]
fn normalisation_folds_into_its_neighbours() {
    check(&[2, 5, 5], vec![conv(3, 2, 1), affine(&[3]), relu()], &["Conv", "Relu"]);
    check(&[2, 5, 5], vec![affine(&[2]), conv(3, 2, 0)], &["Conv"]);
    check(&[2, 5, 5], vec![affine(&[2]), conv(3, 2, 1)], &["Affine", "Conv"]);
    check(&[4], vec![affine(&[4]), dense(3, 4), affine(&[3])], &["Dense"]);
    check(&[4], vec![dense(3, 4), dense(2, 3)], &["Dense"]);
    check(&[4], vec![dense(1, 4), dense(9, 1)], &["Dense", "Dense"]);
    check(
        &[2, 5, 5],
        vec![conv(3, 2, 1), affine(&[3]), affine(&[1]), affine(&[3]), affine(&[3])],
        &["Conv"],
    );
    let pool = || Op::AveragePool {
        window: Window::of([2, 2]),
        include_padding: false,
    };
    check(
        &[2, 6, 6],
        vec![relu(), affine(&[2]), pool(), conv(3, 2, 0)],
        &["Relu", "AveragePool", "Conv"],
    );
    let flat = Op::Reshape { shape: vec![18] };
    check(
        &[2, 3, 3],
        vec![relu(), affine(&[2]), flat, dense(3, 18)],
        &["Relu", "Reshape", "Dense"],
    );
}

#[test]
fn transposes_cancel_or_become_an_order_of_weights() {
    let t = |perm: [usize; 3]| Op::Transpose { perm: perm.to_vec() };
    let (first, last) = (|| t([2, 0, 1]), || t([1, 2, 0]));
    let flat = |n| Op::Reshape { shape: vec![n] };
    // Channels last at the sample, and again before the flattening.
    check(
        &[5, 5, 2],
        vec![first(), conv(3, 2, 1), last(), relu(), flat(75), dense(4, 75)],
        &["Transpose", "Conv", "Relu", "Reshape", "Dense"],
    );
    check(
        &[2, 5, 5],
        vec![conv(3, 2, 1), last(), affine(&[5, 5, 3]), first()],
        &["Conv", "Transpose", "Affine", "Transpose"],
    );
    check(&[2, 3, 4], vec![first(), last()], &[]);
    check(&[1, 3, 4], vec![t([1, 0, 2])], &["Reshape"]);
    check(
        &[2, 3],
        vec![Op::Reshape { shape: vec![6] }, flat(6), dense(2, 6)],
        &["Reshape", "Dense"],
    );
    // Both branches of a sum.
    let mut n = Network::new(vec![2, 3, 3]).unwrap();
    let mut v = n.push("a", "T", conv(2, 2, 1), &[ValueId::SAMPLE]).unwrap();
    v = n.push("b", "T", last(), &[v]).unwrap();
    let w = n.push("c", "T", last(), &[ValueId::SAMPLE]).unwrap();
    let sum = n.push("d", "T", Op::Add, &[v, w]).unwrap();
    let out = n.push("e", "T", first(), &[sum]).unwrap();
    compare(n.finish(out, Ending::Values), &["Conv", "Add"]);
}

#[test]
fn channel_constants_survive_channels_last() {
    let mut per_element = tensor(&[4]);
    per_element.data[0] = 2.0;
    let mut full = vec![];
    for _ in 0..25 {
        full.extend_from_slice(&per_element.data[..3]);
    }
    let last = Tensor::new(vec![5, 5, 3], full);
    let affine = Op::Affine {
        scale: last.clone(),
        offset: last,
    };
    let t = |perm: [usize; 3]| Op::Transpose { perm: perm.to_vec() };
    check(
        &[2, 5, 5],
        vec![conv(3, 2, 1), t([1, 2, 0]), affine, relu(), t([2, 0, 1])],
        &["Conv", "Relu"],
    );
}

#[test]
fn the_polynomial_activation_is_recognised() {
    let build = |n: f32, order: bool| {
        let mut net = Network::new(vec![3]).unwrap();
        let x = net.push("x", "T", dense(3, 3), &[ValueId::SAMPLE]).unwrap();
        let square = net.push("s", "T", Op::Mul, &[x, x]).unwrap();
        let one = |v: f32| Tensor::new(vec![1], vec![v]);
        let line = Op::Affine {
            scale: one(n),
            offset: one(0.0),
        };
        let line = net.push("l", "T", line, &[x]).unwrap();
        let pair = if order { [square, line] } else { [line, square] };
        let out = net.push("o", "T", Op::Add, &pair).unwrap();
        net.finish(out, Ending::Values)
    };
    for net in [build(3.0, true), build(0.5, false)] {
        compare(net.clone(), &["Dense", "Polynomial"]);
    }
    let Op::Activation(a) = simplify(build(3.0, true)).nodes()[1].op else {
        panic!("no activation");
    };
    assert_eq!(a, Activation::Polynomial { a: 1.0, b: 3.0, c: 0.0 });
    // x·(x + 2)
    let mut net = Network::new(vec![3]).unwrap();
    let one = |v: f32| Tensor::new(vec![1], vec![v]);
    let shifted = Op::Affine {
        scale: one(1.0),
        offset: one(2.0),
    };
    let y = net.push("y", "T", shifted, &[ValueId::SAMPLE]).unwrap();
    let out = net.push("o", "T", Op::Mul, &[ValueId::SAMPLE, y]).unwrap();
    compare(net.finish(out, Ending::Values), &["Polynomial"]);
}

#[test]
fn padding_and_clips_join() {
    let pad = Op::Pad {
        before: vec![0, 1, 2],
        after: vec![0, 0, 1],
        value: 0.0,
    };
    check(&[2, 5, 5], vec![pad, conv(3, 2, 0)], &["Conv"]);
    let clip = |low, high| Op::Activation(Activation::Clip { low, high });
    check(&[3], vec![clip(0.0, f32::MAX), clip(f32::MIN, 6.0)], &["Clip"]);
    check(&[3], vec![relu(), relu()], &["Relu"]);
}
