//! Constants of an ONNX file, read with their sizes checked against the file's own bytes.

use crate::model::proto::Tensor;
use zeroize::Zeroize;

/// Numbers of a constant: reals, or the integers that name shapes and axes.
pub(super) enum Data {
    Real(Vec<f64>),
    Int(Vec<i64>),
}

/// A constant with its dimensions, row-major.
pub(super) struct Constant {
    pub dims: Vec<usize>,
    pub data: Data,
}

impl Drop for Constant {
    fn drop(&mut self) {
        match &mut self.data {
            Data::Real(v) => v.zeroize(),
            Data::Int(v) => v.zeroize(),
        }
    }
}

/// ONNX element types (TensorProto.DataType).
mod kind {
    pub const FLOAT: i32 = 1;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const DOUBLE: i32 = 11;
}

impl Constant {
    /// Reads a tensor.
    ///
    /// # Errors
    /// Says what is wrong with it: external data, an element type that is not float32, float64,
    /// int32 or int64, another number of elements than its dimensions say, NaN or infinity.
    pub fn read(t: &Tensor) -> Result<Self, String> {
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
        let data = match t.data_type {
            kind::FLOAT if raw.is_empty() => Data::Real(t.float_data.iter().map(|&v| f64::from(v)).collect()),
            kind::FLOAT => Data::Real(fixed(raw, |b| f64::from(f32::from_le_bytes(b)))?),
            kind::DOUBLE if raw.is_empty() => Data::Real(t.double_data.clone()),
            kind::DOUBLE => Data::Real(fixed(raw, f64::from_le_bytes)?),
            kind::INT32 if raw.is_empty() => Data::Int(t.int32_data.iter().map(|&v| i64::from(v)).collect()),
            kind::INT32 => Data::Int(fixed(raw, |b| i64::from(i32::from_le_bytes(b)))?),
            kind::INT64 if raw.is_empty() => Data::Int(t.int64_data.clone()),
            kind::INT64 => Data::Int(fixed(raw, i64::from_le_bytes)?),
            other => {
                return Err(format!(
                    "element type {other}; export the model in float32 (float64, int32 and int64 are read too)"
                ));
            }
        };
        let out = Self { dims, data };
        if out.len() != count {
            return Err(format!(
                "dimensions {:?} ask for {count} elements, the file holds {}",
                out.dims,
                out.len()
            ));
        }
        match &out.data {
            Data::Real(v) if !v.iter().all(|x| x.is_finite()) => Err("it holds NaN or infinity".into()),
            _ => Ok(out),
        }
    }

    pub fn scalar(v: f64) -> Self {
        Self {
            dims: vec![],
            data: Data::Real(vec![v]),
        }
    }

    pub fn len(&self) -> usize {
        match &self.data {
            Data::Real(v) => v.len(),
            Data::Int(v) => v.len(),
        }
    }

    /// The numbers as reals.
    pub fn reals(&self) -> Vec<f64> {
        match &self.data {
            Data::Real(v) => v.clone(),
            Data::Int(v) => v.iter().map(|&v| v as f64).collect(),
        }
    }

    /// The numbers, when they are integers.
    pub fn ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(v) => Some(v),
            Data::Real(_) => None,
        }
    }

    /// Copies the numbers over a sample of shape `dims` by ONNX's broadcasting: right-aligned, each
    /// dimension equal or 1; a leading batch dimension of 1 is allowed.
    pub fn broadcast(&self, dims: &[usize]) -> Result<Vec<f64>, String> {
        let mut own = self.dims.as_slice();
        if own.len() == dims.len() + 1 && own[0] == 1 {
            own = &own[1..];
        }
        let skipped = dims.len().checked_sub(own.len());
        let fits = skipped.is_some_and(|k| own.iter().zip(&dims[k..]).all(|(&a, &b)| a == 1 || a == b));
        let Some(skipped) = skipped.filter(|_| fits) else {
            return Err(format!(
                "a constant of shape {:?} does not fit samples of shape {dims:?}",
                self.dims
            ));
        };
        let data = self.reals();
        let width: usize = dims.iter().product();
        Ok((0..width)
            .map(|index| {
                let (mut rest, mut at, mut stride) = (index, 0, 1);
                for k in (0..dims.len()).rev() {
                    let i = rest % dims[k];
                    rest /= dims[k];
                    if k >= skipped {
                        let d = own[k - skipped];
                        at += if d == 1 { 0 } else { i * stride };
                        stride *= d;
                    }
                }
                data[at]
            })
            .collect())
    }
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

    fn constant(dims: &[usize], v: &[f64]) -> Constant {
        Constant {
            dims: dims.to_vec(),
            data: Data::Real(v.to_vec()),
        }
    }

    #[test]
    fn broadcasting_is_onnx_s() {
        let c = constant(&[2, 1], &[1.0, 2.0]);
        assert_eq!(c.broadcast(&[2, 3]).unwrap(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(
            constant(&[3], &[1.0, 2.0, 3.0]).broadcast(&[2, 3]).unwrap(),
            [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]
        );
        assert_eq!(constant(&[], &[7.0]).broadcast(&[2]).unwrap(), [7.0, 7.0]);
        assert_eq!(constant(&[1, 2], &[7.0, 8.0]).broadcast(&[2]).unwrap(), [7.0, 8.0]);
        assert!(constant(&[2, 2], &[1.0; 4]).broadcast(&[2]).is_err());
        assert!(constant(&[3], &[1.0; 3]).broadcast(&[2]).is_err());
        assert!(constant(&[3], &[1.0; 3]).broadcast(&[1]).is_err());
    }

    #[test]
    fn bad_tensors_are_refused_before_anything_is_allocated() {
        let base = super::super::tests::tensor("w", &[2], &[1.0, 2.0]);
        assert_eq!(Constant::read(&base).unwrap().reals(), [1.0, 2.0]);
        let says = |change: &dyn Fn(&mut Tensor), text: &str| {
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
    }
}
