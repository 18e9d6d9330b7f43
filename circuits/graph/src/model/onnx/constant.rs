//! Constants of an ONNX file, read with their sizes checked against the file's own bytes.

use crate::model::proto::Tensor as TensorProto;
use zeroize::Zeroize;

/// Numbers of a constant: floats, or integers (quantised weights, shapes, axes).
#[derive(Clone)]
pub(super) enum Data {
    Real(Vec<f32>),
    Int(Vec<i64>),
}

/// Integers behind a constant that was dequantised.
#[derive(Clone)]
pub(super) struct Integers {
    pub values: Vec<i64>,
    /// One, or one per index of `axis`.
    pub scale: Vec<f32>,
    pub zero: Vec<i64>,
    pub axis: usize,
}

/// A constant with its dimensions, row-major.
#[derive(Clone)]
pub(super) struct Constant {
    pub dims: Vec<usize>,
    pub data: Data,
    /// ONNX element type.
    pub kind: i64,
    pub integers: Option<Integers>,
}

impl Drop for Constant {
    fn drop(&mut self) {
        match &mut self.data {
            Data::Real(v) => v.zeroize(),
            Data::Int(v) => v.zeroize(),
        }
        if let Some(i) = &mut self.integers {
            i.values.zeroize();
        }
    }
}

/// ONNX element types (TensorProto.DataType).
pub(super) mod kind {
    pub const FLOAT: i64 = 1;
    pub const UINT8: i64 = 2;
    pub const INT8: i64 = 3;
    pub const UINT16: i64 = 4;
    pub const INT16: i64 = 5;
    pub const INT32: i64 = 6;
    pub const INT64: i64 = 7;
    pub const BOOL: i64 = 9;
    pub const DOUBLE: i64 = 11;

    /// Smallest and largest value of an integer type.
    pub fn range(kind: i64) -> Option<(i64, i64)> {
        Some(match kind {
            UINT8 => (0, 255),
            INT8 => (-128, 127),
            UINT16 => (0, 65_535),
            INT16 => (-32_768, 32_767),
            INT32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            INT64 => (i64::MIN, i64::MAX),
            BOOL => (0, 1),
            _ => return None,
        })
    }
}

impl Constant {
    pub fn real(dims: Vec<usize>, data: Vec<f32>) -> Self {
        Self {
            dims,
            data: Data::Real(data),
            kind: kind::FLOAT,
            integers: None,
        }
    }

    pub fn int(dims: Vec<usize>, data: Vec<i64>) -> Self {
        Self {
            dims,
            data: Data::Int(data),
            kind: kind::INT64,
            integers: None,
        }
    }

    /// Reads a tensor.
    ///
    /// # Errors
    /// Says what is wrong with it: external data, an element type that is not read, float64 that is
    /// no float32, another number of elements than its dimensions say, NaN or infinity.
    pub fn read(t: &TensorProto) -> Result<Self, String> {
        if t.data_location != 0 || !t.external_data.is_empty() {
            return Err("its data is in another file; save the model with the weights inside".into());
        }
        let dims = t
            .dims
            .iter()
            .map(|&d| usize::try_from(d).map_err(|_| format!("dimension {d}")))
            .collect::<Result<Vec<_>, _>>()?;
        let count = dims
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(|| format!("dimensions {dims:?} overflow"))?;
        let raw = &t.raw_data;
        let kind = i64::from(t.data_type);
        let small = || t.int32_data.iter().map(|&v| i64::from(v)).collect();
        let data = match kind {
            kind::FLOAT if raw.is_empty() => Data::Real(t.float_data.clone()),
            kind::FLOAT => Data::Real(fixed(raw, f32::from_le_bytes)?),
            kind::DOUBLE if raw.is_empty() => Data::Real(narrow(&t.double_data)?),
            kind::DOUBLE => Data::Real(narrow(&fixed(raw, f64::from_le_bytes)?)?),
            kind::INT64 if raw.is_empty() => Data::Int(t.int64_data.clone()),
            kind::INT64 => Data::Int(fixed(raw, i64::from_le_bytes)?),
            kind::UINT8 | kind::INT8 | kind::UINT16 | kind::INT16 | kind::INT32 | kind::BOOL if raw.is_empty() => {
                Data::Int(small())
            }
            kind::INT32 => Data::Int(fixed(raw, |b| i64::from(i32::from_le_bytes(b)))?),
            kind::UINT8 | kind::BOOL => Data::Int(raw.iter().map(|&b| i64::from(b)).collect()),
            kind::INT8 => Data::Int(raw.iter().map(|&b| i64::from(b as i8)).collect()),
            kind::UINT16 => Data::Int(fixed(raw, |b| i64::from(u16::from_le_bytes(b)))?),
            kind::INT16 => Data::Int(fixed(raw, |b| i64::from(i16::from_le_bytes(b)))?),
            other => {
                return Err(format!(
                    "element type {other}; export the model in float32 (quantised ones as int8 or uint8)"
                ));
            }
        };
        let out = Self {
            dims,
            data,
            kind: if kind == kind::DOUBLE { kind::FLOAT } else { kind },
            integers: None,
        };
        if out.len() != count {
            return Err(format!(
                "dimensions {:?} ask for {count} elements, the file holds {}",
                out.dims,
                out.len()
            ));
        }
        match (&out.data, kind::range(kind)) {
            (Data::Real(v), _) if !v.iter().all(|x| x.is_finite()) => Err("it holds NaN or infinity".into()),
            (Data::Int(v), Some((low, high))) if !v.iter().all(|x| (low..=high).contains(x)) => {
                Err(format!("it holds integers outside {low}..={high}"))
            }
            _ => Ok(out),
        }
    }

    pub fn len(&self) -> usize {
        match &self.data {
            Data::Real(v) => v.len(),
            Data::Int(v) => v.len(),
        }
    }

    /// The numbers as floats.
    pub fn reals(&self) -> Vec<f32> {
        match &self.data {
            Data::Real(v) => v.clone(),
            Data::Int(v) => v.iter().map(|&v| v as f32).collect(),
        }
    }

    /// The only number of a constant with one element.
    pub fn single(&self) -> Option<f32> {
        match &self.data {
            Data::Real(v) if v.len() == 1 => v.first().copied(),
            Data::Int(v) if v.len() == 1 => v.first().map(|&v| v as f32),
            _ => None,
        }
    }

    /// The numbers, when they are integers.
    pub fn ints(&self) -> Result<&[i64], String> {
        match &self.data {
            Data::Int(v) => Ok(v),
            Data::Real(_) => Err("floats where integers (a shape, axes) are expected".into()),
        }
    }

    /// Elements in another order or number, with another shape: `from[i]` is where element `i` was.
    pub fn moved(&self, dims: Vec<usize>, from: &[usize]) -> Self {
        let data = match &self.data {
            Data::Real(v) => Data::Real(from.iter().map(|&i| v[i]).collect()),
            Data::Int(v) => Data::Int(from.iter().map(|&i| v[i]).collect()),
        };
        Self {
            dims,
            data,
            kind: self.kind,
            integers: None,
        }
    }

    /// The same elements in another shape.
    pub fn reshaped(&self, dims: Vec<usize>) -> Self {
        let integers = self.integers.clone().filter(|i| i.scale.len() == 1);
        Self {
            dims,
            data: self.data.clone(),
            kind: self.kind,
            integers,
        }
    }

    /// Dimensions in another order.
    pub fn transposed(&self, perm: &[usize]) -> Self {
        let dims: Vec<usize> = perm.iter().map(|&p| self.dims[p]).collect();
        let strides = crate::float::moves::strides(&self.dims);
        let strides: Vec<usize> = perm.iter().map(|&p| strides[p]).collect();
        let from = walk(&dims, &strides);
        let mut out = self.moved(dims, &from);
        out.integers = self.integers.as_ref().map(|i| Integers {
            values: from.iter().map(|&at| i.values[at]).collect(),
            scale: i.scale.clone(),
            zero: i.zero.clone(),
            axis: perm.iter().position(|&p| p == i.axis).unwrap_or(0),
        });
        out
    }

    /// Copies the numbers over a shape by ONNX's broadcasting: right-aligned, each dimension equal
    /// or 1. Leading dimensions of 1 beyond the shape are allowed.
    pub fn broadcast(&self, dims: &[usize]) -> Result<Vec<f32>, String> {
        let from = broadcast(&self.dims, dims)?;
        let data = self.reals();
        Ok(from.into_iter().map(|i| data[i]).collect())
    }
}

/// Where each element of `to` comes from in a constant of shape `own`.
pub(super) fn broadcast(own: &[usize], to: &[usize]) -> Result<Vec<usize>, String> {
    let extra = own.len().saturating_sub(to.len());
    let (lead, tail) = own.split_at(extra);
    let skipped = to.len() - tail.len();
    let fits = lead.iter().all(|&d| d == 1) && tail.iter().zip(&to[skipped..]).all(|(&a, &b)| a == 1 || a == b);
    if !fits {
        return Err(format!(
            "a constant of shape {own:?} does not fit values of shape {to:?}"
        ));
    }
    let plain = crate::float::moves::strides(tail);
    let mut strides = vec![0; skipped];
    strides.extend(tail.iter().zip(&plain).map(|(&d, &s)| if d == 1 { 0 } else { s }));
    Ok(walk(to, &strides))
}

/// Offsets of all elements of `dims`, in order, under `strides`.
pub(super) fn walk(dims: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut out = vec![0];
    for (&d, &s) in dims.iter().zip(strides) {
        out = out.iter().flat_map(|&at| (0..d).map(move |i| at + i * s)).collect();
    }
    out
}

/// float64 to float32, when nothing is lost.
fn narrow(v: &[f64]) -> Result<Vec<f32>, String> {
    v.iter()
        .map(|&x| match x as f32 {
            y if f64::from(y) == x || x.is_nan() => Ok(y),
            _ => Err(format!(
                "float64 value {x:e} is no float32; convert the model to float32 before exporting, so that its accuracy is measured as it is read"
            )),
        })
        .collect()
}

/// Little-endian numbers of `N` bytes.
fn fixed<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>, String> {
    let (numbers, rest) = raw.as_chunks::<N>();
    if rest.is_empty() {
        Ok(numbers.iter().map(|&b| read(b)).collect())
    } else {
        Err(format!("{} bytes are not whole numbers of {N} bytes", raw.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_is_onnx_s() {
        let c = Constant::real(vec![2, 1], vec![1.0, 2.0]);
        assert_eq!(c.broadcast(&[2, 3]).unwrap(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        let row = Constant::real(vec![3], vec![1.0, 2.0, 3.0]);
        assert_eq!(row.broadcast(&[2, 3]).unwrap(), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_eq!(Constant::real(vec![], vec![7.0]).broadcast(&[2]).unwrap(), [7.0, 7.0]);
        assert_eq!(
            Constant::real(vec![1, 2], vec![7.0, 8.0]).broadcast(&[2]).unwrap(),
            [7.0, 8.0]
        );
        assert!(Constant::real(vec![2, 2], vec![1.0; 4]).broadcast(&[2]).is_err());
        assert!(row.broadcast(&[2]).is_err());
        assert!(row.broadcast(&[1]).is_err());
    }

    #[test]
    fn bad_tensors_are_refused_before_anything_is_allocated() {
        let base = super::super::tests::tensor("w", &[2], &[1.0, 2.0]);
        assert_eq!(Constant::read(&base).unwrap().reals(), [1.0, 2.0]);
        let says = |change: &dyn Fn(&mut TensorProto), text: &str| {
            let mut t = base.clone();
            change(&mut t);
            let e = Constant::read(&t).err().unwrap();
            assert!(e.contains(text), "{e}");
        };
        says(&|t| t.dims = vec![i64::MAX, i64::MAX], "overflow");
        says(&|t| t.dims = vec![1 << 40], "the file holds 2");
        says(&|t| t.dims = vec![-1], "dimension -1");
        says(&|t| t.float_data[1] = f32::NAN, "NaN");
        says(&|t| t.float_data[0] = f32::INFINITY, "infinity");
        says(&|t| t.data_type = 10, "float32");
        says(&|t| t.raw_data = vec![0; 7], "7 bytes");
        says(&|t| t.data_location = 1, "another file");
        says(
            &|t| {
                t.data_type = 11;
                t.double_data = vec![0.5, 0.1];
            },
            "float64 value 1e-1 is no float32",
        );
        says(
            &|t| {
                t.data_type = 3;
                t.int32_data = vec![1, 128];
            },
            "outside -128..=127",
        );
        let mut exact = base.clone();
        exact.data_type = 11;
        exact.double_data = vec![0.5, -3.0];
        assert_eq!(Constant::read(&exact).unwrap().reals(), [0.5, -3.0]);
    }
}
