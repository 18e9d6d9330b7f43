//! The operators of the integer graph language, one file each: what it computes, its shape rule, its
//! range rule, its text and its cost stand together.
//!
//! Every tensor is a list of integers with a shape (one sample, no batch axis, channels first) and a
//! *range* that every value provably stays in, whatever the weights are. A tensor whose range fits
//! i16 is *narrow*; only narrow tensors enter products. No range may exceed ±2^[`WIDE_BITS`], so
//! nothing wraps: not in i64, and not in the field.
//!
//! Beside the range, which is architecture, the *reach* of a tensor is the interval that given
//! weights can make it take, per index of its first axis. [`crate::reach`] computes it to prove that
//! a model never leaves the tables of its graph.
//!
//! | file | operators | from → to |
//! |---|---|---|
//! | [`dense`] | `dense` | narrow → sums |
//! | [`conv`] | `conv` | narrow → sums |
//! | [`affine`] | `affine` | narrow → sums |
//! | [`constant`] | `constant` | weights → narrow |
//! | [`align`] | `add`, `sub` | two tensors → sums |
//! | [`mul`] | `mul` | two narrow tensors → products |
//! | [`poly`] | `poly` | narrow → `x² + c·x + d` |
//! | [`requant`] | `requant` | any → narrow: shift, round half up, clamp |
//! | [`rescale`] | `rescale` | any → narrow: a float32 factor, exactly as onnxruntime rounds |
//! | [`quantized`] | `qdq_add`, `qdq_average` | bytes → bytes: float32 in between, as onnxruntime has it |
//! | [`table`] | `table` | narrow → narrow: a function by table |
//! | [`pool`] | `max_pool`, `sum_pool` | windows |
//! | [`moves`] | `reshape`, `transpose`, `concat`, `slice`, `pad`, `upsample`, `spread` | elements move |
//! | [`trees`] | `trees` | narrow → sums of leaves |
//! | [`head`] | `argmax`, `value` | the answer |

pub mod affine;
pub mod align;
pub mod attributes;
pub mod constant;
pub mod conv;
pub mod dense;
pub mod head;
pub mod moves;
pub mod mul;
pub mod poly;
pub mod pool;
pub mod quantized;
pub mod requant;
pub mod rescale;
pub mod table;
pub mod trees;

pub use affine::Affine;
pub use align::{Add, Sub};
pub use attributes::Attributes;
pub use constant::Constant;
pub use conv::Conv;
pub use dense::Dense;
pub use head::{Argmax, Value};
pub use moves::{Concat, Pad, Reshape, Slice, Spread, Transpose, Upsample};
pub use mul::Mul;
pub use poly::Poly;
pub use pool::{MaxPool, SumPool};
pub use quantized::{QdqAdd, QdqAverage};
pub use requant::Requant;
pub use rescale::Rescale;
pub use table::Table;
pub use trees::Trees;

use crate::weights::Block;

/// Bound of every range: `|v| < 2^46`. The field and i64 hold far more.
pub const WIDE_BITS: u32 = 46;
/// Most elements one tensor may have.
pub const MAX_ELEMENTS: usize = 1 << 24;
/// Most axes a tensor may have.
pub const MAX_RANK: usize = 6;

/// Shape and range of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Row-major.
    pub shape: Vec<usize>,
    /// Smallest value it can take.
    pub low: i64,
    /// Largest value it can take.
    pub high: i64,
}

impl Type {
    /// Checks size and range.
    ///
    /// # Errors
    /// Says which bound is passed.
    pub fn new(shape: Vec<usize>, low: i64, high: i64) -> Result<Self, String> {
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if shape.len() > MAX_RANK || !elements.is_some_and(|n| (1..=MAX_ELEMENTS).contains(&n)) {
            return Err(format!(
                "shape {shape:?} has more than {MAX_RANK} axes, no elements, or more than {MAX_ELEMENTS}"
            ));
        }
        let bound = 1i64 << WIDE_BITS;
        if low > high || low <= -bound || high >= bound {
            return Err(format!(
                "values of {low} to {high} are possible; at most 2^{WIDE_BITS} are provable: put a requant in front"
            ));
        }
        Ok(Self { shape, low, high })
    }

    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether every value fits i16.
    pub fn is_narrow(&self) -> bool {
        self.low >= i64::from(i16::MIN) && self.high <= i64::from(i16::MAX)
    }

    /// Largest magnitude.
    pub fn largest(&self) -> i64 {
        self.high.max(-self.low)
    }

    /// Channels, height, width.
    pub(crate) fn image(&self) -> Result<[usize; 3], String> {
        <[usize; 3]>::try_from(self.shape.as_slice())
            .map_err(|_| format!("shape {:?} is no [channels, height, width]", self.shape))
    }

    pub(crate) fn narrow(&self) -> Result<&Self, String> {
        if self.is_narrow() {
            Ok(self)
        } else {
            Err(format!(
                "its input reaches {}..{}, beyond 16 bits: put a requant in front",
                self.low, self.high
            ))
        }
    }

    /// Entries of its reach: one per index of the first axis.
    pub fn channels(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Elements behind one index of the first axis.
    pub(crate) fn inner(&self) -> usize {
        self.elements() / self.channels().max(1)
    }
}

/// A tensor's values, held as narrow as its range allows.
#[derive(Clone, PartialEq, Eq)]
pub enum Values {
    Narrow(Vec<i16>),
    Wide(Vec<i64>),
}

impl Values {
    /// Holds `values` as the type asks. The caller has proved the range.
    pub(crate) fn of(kind: &Type, values: impl Iterator<Item = i64>) -> Self {
        if kind.is_narrow() {
            Self::Narrow(values.map(|v| v as i16).collect())
        } else {
            Self::Wide(values.collect())
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Narrow(v) => v.len(),
            Self::Wide(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, i: usize) -> i64 {
        match self {
            Self::Narrow(v) => i64::from(v[i]),
            Self::Wide(v) => v[i],
        }
    }

    pub fn iter(&self) -> Box<dyn Iterator<Item = i64> + '_> {
        match self {
            Self::Narrow(v) => Box::new(v.iter().map(|&x| i64::from(x))),
            Self::Wide(v) => Box::new(v.iter().copied()),
        }
    }

    /// The 16-bit values of a narrow tensor.
    pub(crate) fn narrow(&self) -> &[i16] {
        match self {
            Self::Narrow(v) => v,
            // Unreachable: the graph checked the type. An empty slice would show as a wrong length.
            Self::Wide(_) => &[],
        }
    }

    /// The elements at `places`.
    pub(crate) fn gather(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Self::Narrow(v) => Self::Narrow(places.map(|i| v[i]).collect()),
            Self::Wide(v) => Self::Wide(places.map(|i| v[i]).collect()),
        }
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if matches!(self, Self::Narrow(_)) {
            "narrow"
        } else {
            "wide"
        };
        write!(f, "Values({} {kind})", self.len())
    }
}

/// Interval that a channel of a tensor can take under given weights.
pub type Interval = (i64, i64);

/// A value left the range its table covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escape {
    /// Element of the input, row-major.
    pub unit: usize,
    pub value: i64,
    pub bits: u8,
}

/// How many weights an operator has, and how wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub weights: usize,
    /// 8 or 16.
    pub bits: u8,
    /// i32 each.
    pub biases: usize,
}

impl Layout {
    /// Bytes in the weights' canonical form.
    pub fn bytes(&self) -> usize {
        self.weights
            .saturating_mul(usize::from(self.bits / 8))
            .saturating_add(self.biases.saturating_mul(4))
    }
}

/// What a node costs an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cost {
    /// Committed cells per sample: outputs, and remainders where there are any.
    pub cells: u64,
    /// Lookups per sample.
    pub lookups: u64,
    /// Multiplications of two witness values per sample, were each done by itself.
    pub multiplications: u64,
    /// Cells per proof, however many samples: weights and biases, one a byte.
    pub fixed_cells: u64,
}

impl Cost {
    /// What `n` samples in one proof cost.
    pub fn batch(&self, n: u64) -> Self {
        Self {
            cells: self.cells.saturating_mul(n).saturating_add(self.fixed_cells),
            lookups: self.lookups.saturating_mul(n).saturating_add(self.fixed_cells),
            multiplications: self.multiplications.saturating_mul(n),
            fixed_cells: self.fixed_cells,
        }
    }
}

/// An operator's rules.
pub(crate) trait Rule: Sync {
    /// Name in the text form.
    fn name(&self) -> &'static str;

    /// Attributes in the text form, in order.
    fn write(&self, _: &mut Attributes) {}

    /// Shape and range of the result, for inputs of these types and any weights.
    fn infer(&self, x: &[&Type]) -> Result<Type, String>;

    /// Weights it has.
    fn layout(&self, _: &[&Type]) -> Option<Layout> {
        None
    }

    /// What it computes. `kinds` are the inputs' types, `out` the result's.
    fn eval(&self, x: &[&Values], kinds: &[&Type], w: Option<&Block>, out: &Type) -> Result<Values, Escape>;

    /// Interval of the result per index of its first axis, under these weights.
    fn reach(&self, x: &[&[Interval]], kinds: &[&Type], w: Option<&Block>, out: &Type)
    -> Result<Vec<Interval>, Escape>;

    /// Cost for one sample.
    fn cost(&self, x: &[&Type], out: &Type) -> Cost;
}

macro_rules! operators {
    ($($name:ident),*) => {
        /// One operator of the language.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Op {
            /// The sample's features. Node 0, and only there.
            Input,
            $($name($name)),*
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Self {
                Self::$name(op)
            }
        })*

        impl Op {
            /// None for the input, whose type is the schema's.
            pub(crate) fn rule(&self) -> Option<&dyn Rule> {
                match self {
                    Self::Input => None,
                    $(Self::$name(op) => Some(op)),*
                }
            }
        }
    };
}

operators!(
    Constant, Dense, Conv, Affine, Add, Sub, Mul, Poly, Requant, Rescale, Table, MaxPool, SumPool, Reshape, Transpose,
    Concat, Slice, Pad, Upsample, Spread, Trees, QdqAdd, QdqAverage, Argmax, Value
);

impl Op {
    /// Name in the text form.
    pub fn name(&self) -> &'static str {
        self.rule().map_or("input", |r| r.name())
    }

    /// How many tensors it takes.
    pub(crate) fn arity(&self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Input | Self::Constant(_) => 0..=0,
            Self::Add(_) | Self::Sub(_) | Self::Mul(_) | Self::QdqAdd(_) => 2..=2,
            Self::Concat(_) => 1..=1024,
            _ => 1..=1,
        }
    }

    /// Reads an operator from its name and attributes.
    pub(crate) fn read(name: &str, a: &mut Attributes) -> Result<Self, String> {
        Ok(match name {
            "input" => Self::Input,
            "constant" => Constant::read(a)?.into(),
            "dense" => Dense::read(a)?.into(),
            "conv" => Conv::read(a)?.into(),
            "affine" => Affine::read(a)?.into(),
            "add" => Add::read(a)?.into(),
            "sub" => Sub::read(a)?.into(),
            "mul" => Mul.into(),
            "poly" => Poly::read(a)?.into(),
            "requant" => Requant::read(a)?.into(),
            "rescale" => Rescale::read(a)?.into(),
            "table" => Table::read(a)?.into(),
            "max_pool" => MaxPool::read(a)?.into(),
            "sum_pool" => SumPool::read(a)?.into(),
            "reshape" => Reshape::read(a)?.into(),
            "transpose" => Transpose::read(a)?.into(),
            "concat" => Concat::read(a)?.into(),
            "slice" => Slice::read(a)?.into(),
            "pad" => Pad::read(a)?.into(),
            "upsample" => Upsample::read(a)?.into(),
            "spread" => Spread::read(a)?.into(),
            "trees" => Trees::read(a)?.into(),
            "qdq_add" => QdqAdd::read(a)?.into(),
            "qdq_average" => QdqAverage::read(a)?.into(),
            "argmax" => Argmax::read(a)?.into(),
            "value" => Value::read(a)?.into(),
            other => return Err(format!("there is no operator {other:?} in this language")),
        })
    }
}

/// Joins two intervals.
pub(crate) fn join(a: Interval, b: Interval) -> Interval {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Joins all intervals; the whole range when there are none.
pub(crate) fn join_all(all: &[Interval], kind: &Type) -> Interval {
    all.iter().copied().reduce(join).unwrap_or((kind.low, kind.high))
}

/// `w·x` for any x of the interval.
pub(crate) fn times(w: i64, (low, high): Interval) -> Interval {
    if w >= 0 {
        (w * low, w * high)
    } else {
        (w * high, w * low)
    }
}

/// Dot product of 16-bit values. `step` terms at most fit a 32-bit sum.
pub(crate) fn dot(a: &[i16], b: &[i16], step: usize) -> i64 {
    let chunk = |a: &[i16], b: &[i16]| -> i32 { a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum() };
    if a.len() <= step {
        return i64::from(chunk(a, b));
    }
    a.chunks(step)
        .zip(b.chunks(step))
        .map(|(a, b)| i64::from(chunk(a, b)))
        .sum()
}

/// Terms whose sum fits i32 when weights and values are at most so large.
pub(crate) fn step(weight: i64, value: i64) -> usize {
    usize::try_from((i64::from(i32::MAX) / (weight * value).max(1)).max(1)).unwrap_or(1)
}

/// Range of `Σ w·x + b` over `terms` products, with weights of `bits` and a 32-bit bias.
pub(crate) fn sums(terms: usize, bits: u8, x: &Type) -> Result<Interval, String> {
    let weight = 1i64 << (bits - 1);
    let reach = weight
        .checked_mul(x.largest())
        .and_then(|v| v.checked_mul(i64::try_from(terms).ok()?))
        .and_then(|v| v.checked_add(1 << 31))
        .ok_or_else(|| format!("{terms} products overflow"))?;
    Ok((-reach, reach))
}
