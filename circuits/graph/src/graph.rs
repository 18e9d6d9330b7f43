//! The integer network: what is architecture, and therefore public and part of every key.
//!
//! A graph holds shapes, shift widths and ranges, never a scale or a weight: two hunters who train
//! the same network share one graph, one `archId` and one `vkId`, and nothing that calibration
//! measured can leak through a key.

use crate::field::{Fr, from_digest_shr8};
use crate::ids::Words;
use crate::packing::CHUNK;
use crate::tag::Tag;
use sha3::{Digest, Keccak256};
use std::fmt::Write as _;

/// Largest number of classes a one-byte prediction can name.
pub const MAX_CLASSES: u16 = 256;
/// Bytes of one raw block that one CID proof of the largest class covers (1,921 SHA-256 blocks).
pub const MAX_SHARD_BYTES: usize = 122_880;

/// How one record is laid out: `features` bytes, then the label.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Shape of one sample, row-major; every feature is one unsigned byte.
    pub shape: Vec<u32>,
    /// Largest feature value the dataset uses (16 for the UCI digits). Checked on import; ranges
    /// are propagated from it.
    pub feature_max: u8,
    /// Number of classes; a label at or above it matches no prediction.
    pub classes: u16,
}

impl Schema {
    /// Checks what a schema from a file or peer may get wrong; the other methods assume it.
    ///
    /// # Errors
    /// [`GraphError::Schema`] for a shape without one to four non-zero dimensions, a record above
    /// [`MAX_SHARD_BYTES`], a zero feature bound, or a class count outside `2..=`[`MAX_CLASSES`].
    pub fn check(&self) -> Result<(), GraphError> {
        let features = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d as usize));
        let bad = |reason: String| Err(GraphError::Schema(reason));
        match features {
            _ if self.shape.is_empty() || self.shape.len() > 4 => {
                bad("the shape needs one to four non-zero dimensions".into())
            }
            Some(0) => bad("the shape needs one to four non-zero dimensions".into()),
            Some(n) if n < MAX_SHARD_BYTES => {
                if self.feature_max == 0 {
                    bad("the largest feature value is 0, so every sample looks the same".into())
                } else if !(2..=MAX_CLASSES).contains(&self.classes) {
                    bad(format!("{} classes; 2 to {MAX_CLASSES} are supported", self.classes))
                } else {
                    Ok(())
                }
            }
            _ => bad(format!(
                "a sample of shape {:?} is larger than a block of {MAX_SHARD_BYTES} bytes",
                self.shape
            )),
        }
    }

    /// Features of one sample.
    pub fn features(&self) -> usize {
        self.shape.iter().map(|&d| d as usize).product()
    }

    /// Bytes of one record: the features and a one-byte label.
    pub fn record_bytes(&self) -> usize {
        self.features() + 1
    }

    /// `schemaId`: keccak256 over record size, offset, stride, feature type and shape, feature
    /// bound, label position and width, class count.
    pub fn id(&self) -> [u8; 32] {
        let mut shape = Words::new();
        for &d in &self.shape {
            shape = shape.u64(u64::from(d));
        }
        Words::new()
            .bytes32(Tag::Schema.bytes())
            .u64(self.record_bytes() as u64)
            .u64(0) // offset of the first record
            .u64(self.record_bytes() as u64) // stride
            .u64(8) // feature type: unsigned, 8 bits
            .bytes32(shape.keccak())
            .u64(u64::from(self.feature_max))
            .u64(self.features() as u64) // label position
            .u64(1) // label width
            .u64(u64::from(self.classes))
            .keccak()
    }
}

/// Capacity class of a model's packed weights: one release circuit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum CapacityClass {
    #[serde(rename = "4Ki")]
    K4,
    #[serde(rename = "64Ki")]
    K64,
    #[serde(rename = "1Mi")]
    M1,
}

impl CapacityClass {
    pub const ALL: [Self; 3] = [Self::K4, Self::K64, Self::M1];

    /// Weight bytes the class holds.
    pub const fn bytes(self) -> usize {
        match self {
            Self::K4 => 4 << 10,
            Self::K64 => 64 << 10,
            Self::M1 => 1 << 20,
        }
    }

    /// Packed elements the class holds.
    pub const fn words(self) -> usize {
        self.bytes().div_ceil(CHUNK)
    }

    /// Elements of the released message: the packed weights and the blind.
    pub const fn message_words(self) -> usize {
        self.words() + 1
    }

    /// Smallest class that holds `bytes` of weights.
    pub fn for_bytes(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|c| bytes <= c.bytes())
    }
}

/// One step of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Layer {
    /// `acc[o] = Σ w[o][i]·x[i] + b[o]`, weights i8, bias i32.
    Dense { inputs: u32, outputs: u32 },
    /// `hi = (acc + 2^(shift−1)) >> shift` (round half up, towards +∞), `hi ∈ [−2^(bits−1), 2^(bits−1))`,
    /// `out = clamp(hi, 0, 255)`: ReLU and requantisation in one table read.
    Relu { width: u32, shift: u8, bits: u8 },
}

/// The network: layers from u8 features to class scores, then argmax with ties to the smallest
/// index.
///
/// # Invariants (checked by [`Graph::new`])
/// The first layer is dense over the schema's features, the last dense with one output a class,
/// dense and ReLU alternate, widths match, `shift ∈ 1..=14`, `bits ∈ 9..=16`, one shard of `samples`
/// records fits [`MAX_SHARD_BYTES`], the weights fit `class`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Graph {
    schema: Schema,
    samples: u32,
    class: CapacityClass,
    layers: Vec<Layer>,
}

/// A graph as read, before [`Graph::new`] has checked it.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    schema: Schema,
    samples: u32,
    class: CapacityClass,
    layers: Vec<Layer>,
}

impl TryFrom<Unchecked> for Graph {
    type Error = GraphError;

    fn try_from(u: Unchecked) -> Result<Self, GraphError> {
        let graph = Self::new(u.schema, u.samples, u.layers)?;
        if graph.class == u.class {
            Ok(graph)
        } else {
            Err(GraphError::Class {
                stated: u.class,
                needed: graph.class,
            })
        }
    }
}

/// Bits of the argmax differences: `0 ≤ top − score < 2^24`.
pub const ARGMAX_BITS: u32 = 24;

/// Why a graph is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("layer {layer}: {reason}")]
    Layer { layer: usize, reason: String },
    #[error("schema: {0}")]
    Schema(String),
    #[error("{samples} records of {record} bytes do not fit one shard of {MAX_SHARD_BYTES} bytes; use at most {max}")]
    Samples { samples: u32, record: usize, max: usize },
    #[error("capacity class {stated:?} is stated, the weights need {needed:?}")]
    Class {
        stated: CapacityClass,
        needed: CapacityClass,
    },
    #[error("{bytes} bytes of weights exceed the largest capacity class, {} bytes", CapacityClass::M1.bytes())]
    TooLarge { bytes: usize },
}

impl Graph {
    /// Checks every invariant and picks the capacity class.
    pub fn new(schema: Schema, samples: u32, layers: Vec<Layer>) -> Result<Self, GraphError> {
        let bad = |layer, reason: String| GraphError::Layer { layer, reason };
        schema.check()?;
        let record = schema.record_bytes();
        let max = MAX_SHARD_BYTES / record;
        if samples == 0 || samples as usize > max {
            return Err(GraphError::Samples { samples, record, max });
        }
        let mut width = schema.features() as u32;
        let mut bytes = 0usize;
        for (i, layer) in layers.iter().enumerate() {
            match *layer {
                Layer::Dense { inputs, outputs } => {
                    if i % 2 != 0 {
                        return Err(bad(i, "dense and ReLU layers alternate, dense first".into()));
                    }
                    if inputs != width || outputs == 0 {
                        return Err(bad(i, format!("dense {inputs} -> {outputs} after a width of {width}")));
                    }
                    bytes = bytes.saturating_add((inputs as usize).saturating_mul(outputs as usize));
                    bytes = bytes.saturating_add(4 * outputs as usize);
                    width = outputs;
                }
                Layer::Relu { width: w, shift, bits } => {
                    if i % 2 != 1 || w != width {
                        return Err(bad(i, format!("ReLU of width {w} after a width of {width}")));
                    }
                    if !(1..=14).contains(&shift) || !(9..=16).contains(&bits) {
                        return Err(bad(
                            i,
                            format!("shift {shift} or bits {bits} out of range (1..=14, 9..=16)"),
                        ));
                    }
                }
            }
        }
        match layers.last() {
            Some(Layer::Dense { outputs, .. }) if *outputs == u32::from(schema.classes) => {}
            _ => {
                return Err(bad(
                    layers.len(),
                    format!("the last layer must be dense with {} outputs", schema.classes),
                ));
            }
        }
        let class = CapacityClass::for_bytes(bytes).ok_or(GraphError::TooLarge { bytes })?;
        Ok(Self {
            schema,
            samples,
            class,
            layers,
        })
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Largest number of records in a shard this graph is proved on.
    pub fn samples(&self) -> usize {
        self.samples as usize
    }

    pub fn class(&self) -> CapacityClass {
        self.class
    }

    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// `(inputs, outputs)` of every dense layer, in order.
    pub fn dense(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.layers.iter().filter_map(|l| match *l {
            Layer::Dense { inputs, outputs } => Some((inputs as usize, outputs as usize)),
            Layer::Relu { .. } => None,
        })
    }

    /// `(shift, bits)` of every ReLU, in order: one fewer than dense layers.
    pub fn relu(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.layers.iter().filter_map(|l| match *l {
            Layer::Relu { shift, bits, .. } => Some((shift, bits)),
            Layer::Dense { .. } => None,
        })
    }

    /// Bytes of the weights: i8 weights and i32 biases of every dense layer.
    pub fn weight_bytes(&self) -> usize {
        self.dense().map(|(i, o)| i * o + 4 * o).sum()
    }

    /// Packed elements of the predictions of a full shard, one byte each.
    pub fn prediction_words(&self) -> usize {
        self.samples().div_ceil(CHUNK)
    }

    /// The canonical text: what `archId` hashes, and what a person reads.
    pub fn text(&self) -> String {
        let s = &self.schema;
        let shape: Vec<String> = s.shape.iter().map(u32::to_string).collect();
        let mut t = String::from("zkaggle-graph/1\n");
        // Writing to a String cannot fail.
        let _ = writeln!(
            t,
            "record features=u8[{}] max={} label=u8 classes={} offset=0 stride={}",
            shape.join(","),
            s.feature_max,
            s.classes,
            s.record_bytes()
        );
        let _ = writeln!(t, "samples {}", self.samples);
        let _ = writeln!(t, "class {}", self.class.bytes());
        for l in &self.layers {
            let _ = match *l {
                Layer::Dense { inputs, outputs } => {
                    writeln!(t, "dense {inputs} -> {outputs} weights=i8 bias=i32")
                }
                Layer::Relu { width, shift, bits } => {
                    writeln!(t, "relu {width} shift={shift} bits={bits} -> u8")
                }
            };
        }
        let _ = writeln!(t, "argmax {} bits={ARGMAX_BITS} ties=first", s.classes);
        t
    }

    /// `archId = keccak256(text) >> 8`.
    pub fn arch_id(&self) -> Fr {
        from_digest_shr8(&Keccak256::digest(self.text()).into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn digits(samples: u32) -> Graph {
        Graph::new(
            Schema {
                shape: vec![8, 8],
                feature_max: 16,
                classes: 10,
            },
            samples,
            vec![
                Layer::Dense {
                    inputs: 64,
                    outputs: 32,
                },
                Layer::Relu {
                    width: 32,
                    shift: 6,
                    bits: 14,
                },
                Layer::Dense {
                    inputs: 32,
                    outputs: 10,
                },
            ],
        )
        .unwrap()
    }

    #[test]
    fn the_digits_network_fits_the_smallest_class() {
        let g = digits(360);
        assert_eq!(g.weight_bytes(), 64 * 32 + 128 + 320 + 40);
        assert_eq!(g.class(), CapacityClass::K4);
        assert_eq!(g.class().words(), 133);
    }

    #[test]
    fn the_text_is_pinned() {
        assert_eq!(
            digits(360).text(),
            "zkaggle-graph/1\n\
             record features=u8[8,8] max=16 label=u8 classes=10 offset=0 stride=65\n\
             samples 360\n\
             class 4096\n\
             dense 64 -> 32 weights=i8 bias=i32\n\
             relu 32 shift=6 bits=14 -> u8\n\
             dense 32 -> 10 weights=i8 bias=i32\n\
             argmax 10 bits=24 ties=first\n"
        );
    }

    #[test]
    fn mismatched_shapes_are_refused_by_layer() {
        let s = Schema {
            shape: vec![64],
            feature_max: 16,
            classes: 10,
        };
        let e = Graph::new(
            s.clone(),
            10,
            vec![Layer::Dense {
                inputs: 63,
                outputs: 10,
            }],
        )
        .unwrap_err();
        assert!(matches!(e, GraphError::Layer { layer: 0, .. }));
        let e = Graph::new(s.clone(), 10, vec![Layer::Dense { inputs: 64, outputs: 9 }]).unwrap_err();
        assert!(matches!(e, GraphError::Layer { layer: 1, .. }));
        let e = Graph::new(
            s,
            1 << 20,
            vec![Layer::Dense {
                inputs: 64,
                outputs: 10,
            }],
        )
        .unwrap_err();
        assert!(matches!(e, GraphError::Samples { .. }));
    }

    #[test]
    fn a_graph_from_a_file_meets_the_same_checks() {
        let text = serde_json::to_string(&digits(360)).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&text).unwrap(), digits(360));
        for (from, to, says) in [
            ("\"inputs\":64", "\"inputs\":63", "layer 0"),
            ("\"4Ki\"", "\"64Ki\"", "capacity class"),
            ("\"shift\":6", "\"shift\":0", "shift 0"),
            (
                "\"shape\":[8,8]",
                "\"shape\":[4294967295,4294967295,4294967295]",
                "larger than a block",
            ),
            ("\"feature_max\":16", "\"feature_max\":0", "largest feature value"),
            ("\"samples\":360", "\"samples\":360,\"more\":1", "unknown field"),
        ] {
            let e = serde_json::from_str::<Graph>(&text.replace(from, to)).unwrap_err();
            assert!(e.to_string().contains(says), "{to}: {e}");
        }
    }
}
