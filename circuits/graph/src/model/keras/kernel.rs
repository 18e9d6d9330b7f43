//! Kernels, from Keras' order of dimensions to the network's.

use crate::float::{Op, Tensor};

/// A layer's kernel and, where it has one, its bias.
pub(super) fn kernel_and_bias(arrays: Vec<Tensor>) -> Result<(Tensor, Option<Tensor>), String> {
    let count = arrays.len();
    let mut arrays = arrays.into_iter();
    match (arrays.next(), arrays.next(), arrays.next()) {
        (Some(w), b, None) if !w.data.is_empty() => Ok((w, b)),
        _ => Err(format!("{count} arrays where a kernel and a bias are expected")),
    }
}

pub(super) fn zeros(n: usize) -> Tensor {
    Tensor::new(vec![n], vec![0.0; n])
}

/// A kernel with two spatial dimensions first; a signal's has one row.
pub(super) fn image_kernel(w: Tensor) -> Result<Tensor, String> {
    let mut shape = w.shape.clone();
    if shape.len() == 3 {
        shape.insert(0, 1);
    }
    if shape.len() != 4 || shape.contains(&0) {
        return Err(format!("a kernel of shape {:?}", w.shape));
    }
    Ok(Tensor::new(shape, w.data.clone()))
}

/// `[kh, kw, c, m]` to one kernel for each of `c·m` outputs.
pub(super) fn depthwise_kernel(w: Tensor) -> Tensor {
    let [kh, kw, c, m] = [w.shape[0], w.shape[1], w.shape[2], w.shape[3]];
    let turned = moved(&w, &[2, 3, 0, 1]);
    Tensor::new(vec![c * m, 1, kh, kw], turned.data.clone())
}

/// Dimensions in another order.
pub(super) fn moved(t: &Tensor, perm: &[usize]) -> Tensor {
    let op = Op::Transpose { perm: perm.to_vec() };
    let shape: Vec<usize> = perm.iter().map(|&p| t.shape[p]).collect();
    let from = crate::float::moves::sources(&op, &t.shape, &shape);
    let data = from.into_iter().flatten().map(|i| t.data[i]).collect();
    Tensor::new(shape, data)
}
