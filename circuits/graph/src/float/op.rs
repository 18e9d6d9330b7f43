//! The operators, their attributes and their shape rule.

use super::window::MAX_WINDOW;
use super::{Activation, Quantization, QuantizedWeights, Tensor, Trees, Window};

/// What a node computes. Weights are constants of the operator; inputs are other nodes' values.
#[derive(Clone, PartialEq)]
pub enum Op {
    /// `[inputs] -> [outputs]`: `w·x + b`, `w: [outputs, inputs]`, `b: [outputs]`.
    Dense {
        w: Tensor,
        b: Tensor,
        /// Present when the file had integers.
        quantized: Option<QuantizedWeights>,
    },
    /// `[c, h, w] -> [o, h', w']`: cross-correlation, `w: [o, c/groups, kh, kw]`, `b: [o]`. Padding
    /// is zero. Depthwise has `groups = c`, pointwise a 1×1 kernel.
    Conv {
        w: Tensor,
        b: Tensor,
        window: Window,
        groups: usize,
        quantized: Option<QuantizedWeights>,
    },
    /// `scale·x + offset`: `[1]` for one number, or one a channel (the first dimension), or one an
    /// element (the input's own shape). Only where it could not be folded into a neighbour.
    Affine {
        scale: Tensor,
        offset: Tensor,
    },
    /// Sum of two values of one shape.
    Add,
    /// Difference of two values of one shape.
    Sub,
    /// Product of two values: of one shape, or the second `[c, 1, 1]` for the first's `[c, h, w]`.
    Mul,
    /// Joins values along a dimension.
    Concat {
        axis: usize,
    },
    Activation(Activation),
    /// Largest of each window; padding never wins.
    MaxPool {
        window: Window,
    },
    /// Mean of each window; padding counts as zeros when `include_padding`, else not at all.
    /// Global pooling has the input's height and width as its kernel.
    AveragePool {
        window: Window,
        include_padding: bool,
    },
    /// The same elements in another shape.
    Reshape {
        shape: Vec<usize>,
    },
    /// `output dimension i` is `input dimension perm[i]`.
    Transpose {
        perm: Vec<usize>,
    },
    /// Per dimension: first index, step (may be negative), length.
    Slice {
        start: Vec<usize>,
        step: Vec<isize>,
        length: Vec<usize>,
    },
    /// Per dimension: how many elements of `value` come before and after.
    Pad {
        before: Vec<usize>,
        after: Vec<usize>,
        value: f32,
    },
    /// Repeats rows and columns of `[c, h, w]`: nearest-neighbour by whole factors.
    Upsample {
        factor: [usize; 2],
    },
    /// Puts zeros between the rows and columns of `[c, h, w]`: `h' = (h − 1)·stride + 1`. A
    /// transposed convolution is `Spread`, then `Pad`, then `Conv`.
    Spread {
        stride: [usize; 2],
    },
    /// To integers, kept as such until the next `Dequantize`.
    Quantize(Quantization),
    /// From integers.
    Dequantize(Quantization),
    /// `[features] -> [outputs]`, on the sample's raw features.
    Trees(Trees),
}

impl Op {
    /// Name for messages and pictures.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "Dense",
            Self::Conv { .. } => "Conv",
            Self::Affine { .. } => "Affine",
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Concat { .. } => "Concat",
            Self::Activation(a) => a.name(),
            Self::MaxPool { .. } => "MaxPool",
            Self::AveragePool { .. } => "AveragePool",
            Self::Reshape { .. } => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Slice { .. } => "Slice",
            Self::Pad { .. } => "Pad",
            Self::Upsample { .. } => "Upsample",
            Self::Spread { .. } => "Spread",
            Self::Quantize(_) => "Quantize",
            Self::Dequantize(_) => "Dequantize",
            Self::Trees(_) => "Trees",
        }
    }

    /// Shape of the result for inputs of these shapes.
    ///
    /// # Errors
    /// Says what does not fit. Attributes are checked here as well.
    pub fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
        let wanted = match self {
            Self::Add | Self::Sub | Self::Mul => 2,
            Self::Concat { .. } => inputs.len().max(1),
            _ => 1,
        };
        if inputs.len() != wanted {
            return Err(format!("{} inputs where {wanted} are expected", inputs.len()));
        }
        let x = inputs[0];
        match self {
            Self::Dense { w, b, quantized } => {
                let (&[outputs, n], &[bias]) = (w.shape.as_slice(), b.shape.as_slice()) else {
                    return Err(format!("weights {:?} and bias {:?}", w.shape, b.shape));
                };
                if x != [n] || bias != outputs {
                    return Err(format!(
                        "weights {:?} and bias {bias} for values of shape {x:?}",
                        w.shape
                    ));
                }
                integers(quantized.as_ref(), w.data.len(), outputs)?;
                Ok(vec![outputs])
            }
            Self::Conv {
                w,
                b,
                window,
                groups,
                quantized,
            } => {
                let ([c, h, wide], &[o, per, kh, kw], &[bias]) = (image(x)?, w.shape.as_slice(), b.shape.as_slice())
                else {
                    return Err(format!("weights {:?} and bias {:?}", w.shape, b.shape));
                };
                let fits = *groups > 0 && per.checked_mul(*groups) == Some(c) && o.is_multiple_of(*groups);
                if !fits || bias != o || window.kernel != [kh, kw] {
                    return Err(format!(
                        "weights {:?}, bias {bias} and {groups} groups for {c} channels",
                        w.shape
                    ));
                }
                integers(quantized.as_ref(), w.data.len(), o)?;
                let [h, wide] = window.output([h, wide])?;
                Ok(vec![o, h, wide])
            }
            Self::Affine { scale, offset } => {
                let fits =
                    |t: &Tensor| t.shape == [1] || (t.shape.len() == 1 && t.shape.first() == x.first()) || t.shape == x;
                if fits(scale) && fits(offset) {
                    Ok(x.to_vec())
                } else {
                    Err(format!(
                        "constants {:?} and {:?} for values of shape {x:?}",
                        scale.shape, offset.shape
                    ))
                }
            }
            Self::Add | Self::Sub | Self::Mul => {
                let y = inputs[1];
                let gate =
                    matches!(self, Self::Mul) && x.len() == 3 && y.len() == 3 && y[0] == x[0] && y[1..] == [1, 1];
                if x == y || gate {
                    Ok(x.to_vec())
                } else {
                    Err(format!("shapes {x:?} and {y:?} differ"))
                }
            }
            Self::Concat { axis } => {
                let mut out = x.to_vec();
                let bad = || format!("shapes {inputs:?} do not join along dimension {axis}");
                let total = inputs.iter().try_fold(0usize, |n, s| {
                    let same = s.len() == x.len() && (0..x.len()).all(|i| i == *axis || s[i] == x[i]);
                    s.get(*axis).filter(|_| same).and_then(|d| n.checked_add(*d))
                });
                *out.get_mut(*axis).ok_or_else(bad)? = total.ok_or_else(bad)?;
                Ok(out)
            }
            Self::Activation(_) => Ok(x.to_vec()),
            Self::MaxPool { window } | Self::AveragePool { window, .. } => {
                let [c, h, w] = image(x)?;
                let [h, w] = window.output([h, w])?;
                if (0..2).any(|a| window.before[a] >= window.span(a) || window.after[a] >= window.span(a)) {
                    return Err("a window may lie wholly in the padding".into());
                }
                Ok(vec![c, h, w])
            }
            Self::Reshape { shape } => {
                if super::elements(shape)? == super::elements(x)? {
                    Ok(shape.clone())
                } else {
                    Err(format!("shape {x:?} has other elements than {shape:?}"))
                }
            }
            Self::Transpose { perm } => {
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                if sorted.iter().copied().eq(0..x.len()) {
                    Ok(perm.iter().map(|&p| x[p]).collect())
                } else {
                    Err(format!("permutation {perm:?} of shape {x:?}"))
                }
            }
            Self::Slice { start, step, length } => {
                let rank = x.len();
                let ok = start.len() == rank
                    && step.len() == rank
                    && length.len() == rank
                    && (0..rank).all(|i| {
                        let last = isize::try_from(length[i])
                            .ok()
                            .and_then(|n| (n - 1).checked_mul(step[i]))
                            .and_then(|d| start[i].checked_add_signed(d));
                        length[i] > 0 && start[i] < x[i] && last.is_some_and(|l| l < x[i])
                    });
                if ok {
                    Ok(length.clone())
                } else {
                    Err(format!(
                        "start {start:?}, step {step:?}, length {length:?} of shape {x:?}"
                    ))
                }
            }
            Self::Pad { before, after, .. } => {
                let small = before.iter().chain(after).all(|&p| p <= MAX_WINDOW);
                if before.len() != x.len() || after.len() != x.len() || !small {
                    return Err(format!("padding {before:?} and {after:?} of shape {x:?}"));
                }
                Ok((0..x.len()).map(|i| before[i] + x[i] + after[i]).collect())
            }
            Self::Upsample { factor: [a, b] } => {
                let [c, h, w] = image(x)?;
                if [a, b].iter().any(|f| !(1..=MAX_WINDOW).contains(*f)) {
                    return Err(format!("factors {a} and {b}"));
                }
                Ok(vec![c, h.saturating_mul(*a), w.saturating_mul(*b)])
            }
            Self::Spread { stride: [a, b] } => {
                let [c, h, w] = image(x)?;
                if [a, b].iter().any(|s| !(1..=MAX_WINDOW).contains(*s)) {
                    return Err(format!("strides {a} and {b}"));
                }
                Ok(vec![c, (h - 1).saturating_mul(*a) + 1, (w - 1).saturating_mul(*b) + 1])
            }
            Self::Quantize(q) | Self::Dequantize(q) => {
                let channels = x.get(q.axis).copied().unwrap_or(0);
                if q.zero.len() != q.scale.len()
                    || q.scale.is_empty()
                    || (q.scale.len() > 1 && q.scale.len() != channels)
                {
                    return Err(format!(
                        "{} scales, {} zero points for shape {x:?}",
                        q.scale.len(),
                        q.zero.len()
                    ));
                }
                Ok(x.to_vec())
            }
            Self::Trees(t) => {
                t.check()?;
                if x != [t.features] {
                    return Err(format!("{} features for values of shape {x:?}", t.features));
                }
                Ok(vec![t.outputs])
            }
        }
    }

    /// Whether every constant is a finite number.
    pub(super) fn is_finite(&self) -> bool {
        let all = |t: &Tensor| t.data.iter().all(|v| v.is_finite());
        match self {
            Self::Dense { w, b, .. } | Self::Conv { w, b, .. } => all(w) && all(b),
            Self::Affine { scale, offset } => all(scale) && all(offset),
            Self::Activation(a) => a.is_finite(),
            Self::Pad { value, .. } => value.is_finite(),
            Self::Quantize(q) | Self::Dequantize(q) => q.is_finite(),
            Self::Trees(t) => t.is_finite(),
            _ => true,
        }
    }

    /// Whether it only moves elements: nothing is computed, padding aside.
    pub fn is_move(&self) -> bool {
        matches!(
            self,
            Self::Concat { .. }
                | Self::Reshape { .. }
                | Self::Transpose { .. }
                | Self::Slice { .. }
                | Self::Pad { .. }
                | Self::Upsample { .. }
                | Self::Spread { .. }
        )
    }
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Channels, height and width.
pub(crate) fn image(shape: &[usize]) -> Result<[usize; 3], String> {
    <[usize; 3]>::try_from(shape)
        .map_err(|_| format!("values of shape {shape:?} are no image [channels, height, width]"))
}

fn integers(q: Option<&QuantizedWeights>, weights: usize, outputs: usize) -> Result<(), String> {
    let fits = |q: &QuantizedWeights| {
        q.weights.len() == weights
            && (q.scale.len() == 1 || q.scale.len() == outputs)
            && q.zero.len() == q.scale.len()
            && q.bias.as_ref().is_none_or(|b| b.len() == outputs)
    };
    if q.is_none_or(fits) {
        Ok(())
    } else {
        Err("the integer weights have another shape than the float ones".into())
    }
}
