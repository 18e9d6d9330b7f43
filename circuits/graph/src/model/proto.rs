//! The part of ONNX's protobuf schema (onnx.proto3, IR version 13 and older) that the importer reads.
//!
//! Field numbers are those of the published schema; fields left out are skipped by the decoder.

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use zeroize::Zeroize;

#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Which of the fields counts; the reader goes by the operator.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

/// A constant: weights, as a rule, so it neither prints itself nor stays in memory.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringEntry>,
    /// 1 when the data is in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tensor")
            .field("name", &self.name)
            .field("dims", &self.dims)
            .finish_non_exhaustive()
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        self.float_data.zeroize();
        self.raw_data.zeroize();
        self.double_data.zeroize();
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct StringEntry {
    #[prost(string, tag = "1")]
    pub key: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}

/// Messages whose fields are counted before anything is allocated for them.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Text,
}

/// Memory one message takes once decoded, generously; a string takes a tenth.
const MESSAGE: usize = 400;
/// Memory a decoded file may take beside its bulk data.
const MAX_STRUCTURE: usize = 256 << 20;

/// Walks the file without allocating and refuses one whose structure would fill the memory: an
/// empty node is two bytes in the file and hundreds once decoded.
///
/// # Errors
/// For what is no protobuf, or too much of it.
pub fn check_structure(bytes: &[u8]) -> Result<(), String> {
    walk(bytes, Kind::Model, &mut MAX_STRUCTURE.clone())
}

fn walk(mut bytes: &[u8], kind: Kind, left: &mut usize) -> Result<(), String> {
    let text = |e: prost::DecodeError| e.to_string();
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).map_err(text)?;
        if wire != WireType::LengthDelimited {
            skip_field(wire, tag, &mut bytes, DecodeContext::default()).map_err(text)?;
            continue;
        }
        let len = decode_varint(&mut bytes).map_err(text)?;
        let (part, rest) = usize::try_from(len)
            .ok()
            .and_then(|n| bytes.split_at_checked(n))
            .ok_or("a field is longer than the file")?;
        bytes = rest;
        let child = match (kind, tag) {
            (Kind::Model, 7) => Kind::Graph,
            (Kind::Graph, 1) => Kind::Node,
            (Kind::Graph, 5) | (Kind::Attribute, 5) => Kind::Tensor,
            (Kind::Graph, 11 | 12) => Kind::Value,
            (Kind::Node, 5) => Kind::Attribute,
            (Kind::Tensor, 4 | 5 | 7 | 9 | 10) => continue,
            _ => Kind::Text,
        };
        let cost = if matches!(child, Kind::Text) {
            MESSAGE / 10
        } else {
            MESSAGE
        };
        *left = left
            .checked_sub(cost)
            .ok_or("it has more parts than any supported network")?;
        match child {
            Kind::Text => {}
            // Below a value there are names and messages; only their number matters, and an upper
            // bound of it is the number of bytes.
            Kind::Value => {
                *left = left
                    .checked_sub(part.len().saturating_mul(MESSAGE / 10))
                    .ok_or("it has more parts than any supported network")?;
            }
            _ => walk(part, child, left)?,
        }
    }
    Ok(())
}
