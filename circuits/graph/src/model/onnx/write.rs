//! Plain networks as ONNX files: what benchmarks and tests hand to the reader.
//!
//! Layers, ReLU, max pooling and flattening are written, in operator set 17; a network with anything else is refused. A
//! trained model comes from a training framework, so no more is needed.

use super::proto::{Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo};
use crate::float::{self, Activation, Network, Op, ValueId, Window};
use prost::Message;

/// Types of attributes, in onnx.proto3.
const INT: i32 = 2;
const INTS: i32 = 7;
/// Types of elements.
const FLOAT: i32 = 1;
const OPSET: i64 = 17;
/// The format's version that operator set 17 came with.
const IR_VERSION: i64 = 8;

fn int(name: &str, i: usize) -> Attribute {
    Attribute {
        name: name.into(),
        i: i as i64,
        r#type: INT,
        ..Attribute::default()
    }
}

fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.into_iter().map(|v| v as i64).collect(),
        r#type: INTS,
        ..Attribute::default()
    }
}

fn windowed(w: &Window) -> Vec<Attribute> {
    vec![
        ints("kernel_shape", w.kernel),
        ints("strides", w.stride),
        ints("dilations", w.dilation),
        ints("pads", w.before.into_iter().chain(w.after)),
    ]
}

fn tensor(name: String, t: &float::Tensor) -> Tensor {
    // A tensor wipes itself when dropped, so that its parts cannot be moved into another.
    let mut out = Tensor::default();
    out.name = name;
    out.dims = t.shape.iter().map(|&d| d as i64).collect();
    out.data_type = FLOAT;
    out.raw_data = t.data.iter().flat_map(|v| v.to_le_bytes()).collect();
    out
}

fn value(name: String, shape: &[usize]) -> ValueInfo {
    let dimension = |d: usize| Dimension {
        dim_value: Some(d as i64),
        dim_param: None,
    };
    let dim = std::iter::once(1).chain(shape.iter().copied()).map(dimension).collect();
    let tensor_type = TensorType {
        elem_type: FLOAT,
        shape: Some(Shape { dim }),
    };
    ValueInfo {
        name,
        r#type: Some(Type {
            tensor_type: Some(tensor_type),
        }),
    }
}

/// The file of a network, for one sample at a time.
///
/// # Errors
/// Names the first operator that is not written.
pub fn write(network: &Network) -> Result<Vec<u8>, String> {
    let name = |v: ValueId| format!("v{}", v.index());
    let mut initializer = vec![];
    let mut node = vec![];
    for (i, n) in network.nodes().iter().enumerate() {
        let mut input: Vec<String> = n.inputs.iter().map(|&v| name(v)).collect();
        let mut constants = |tensors: [&float::Tensor; 2]| {
            for (t, part) in tensors.into_iter().zip(["weight", "bias"]) {
                let constant = format!("{}.{part}", n.name);
                initializer.push(tensor(constant.clone(), t));
                input.push(constant);
            }
        };
        let (op_type, attribute) = match &n.op {
            Op::Dense {
                w, b, quantized: None, ..
            } => {
                constants([w, b]);
                ("Gemm", vec![int("transB", 1)])
            }
            Op::Conv {
                w,
                b,
                window,
                groups,
                quantized: None,
            } => {
                constants([w, b]);
                let mut attributes = windowed(window);
                attributes.push(int("group", *groups));
                ("Conv", attributes)
            }
            Op::Activation(Activation::Relu) => ("Relu", vec![]),
            Op::MaxPool { window } => ("MaxPool", windowed(window)),
            Op::Reshape { shape } if shape.len() == 1 => ("Flatten", vec![int("axis", 1)]),
            op => return Err(format!("{} (node {:?}) is not written as ONNX", op.name(), n.name)),
        };
        node.push(Node {
            input,
            output: vec![name(ValueId::node(i))],
            name: n.name.clone(),
            op_type: op_type.into(),
            attribute,
            domain: String::new(),
        });
    }
    let last = network.output();
    let model = Model {
        ir_version: IR_VERSION,
        graph: Some(Graph {
            node,
            name: "network".into(),
            initializer,
            input: vec![value(name(ValueId::SAMPLE), network.input())],
            output: vec![value(name(last), network.shape(last))],
        }),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
    };
    Ok(model.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::eval;
    use crate::model::onnx::read;
    use crate::reference::{lenet5, records};

    #[test]
    fn what_is_written_reads_as_the_same_network() {
        let network = lenet5(3).unwrap();
        let again = read(&write(&network).unwrap()).unwrap().network;
        assert_eq!(again.input(), network.input());
        for r in records(784, 10, 4, 5).chunks_exact(785) {
            let x: Vec<f32> = r[..784].iter().map(|&v| f32::from(v)).collect();
            assert_eq!(eval::outputs(&again, &x), eval::outputs(&network, &x));
        }
    }

    #[test]
    fn other_operators_are_refused_by_name() {
        let mut n = Network::new(vec![4]).unwrap();
        let y = n
            .push("odd", "Tanh", Op::Activation(Activation::Tanh), &[ValueId::SAMPLE])
            .unwrap();
        let e = write(&n.finish(y, float::Ending::Values)).unwrap_err();
        assert!(e.contains("\"odd\""), "{e}");
    }
}
