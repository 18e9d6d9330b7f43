//! Pooling and means.

use super::super::attributes::{int, ints};
use super::super::{Computed, Reader, Refusal};
use super::Inputs;
use crate::float::{Op, Tensor, Window};
use crate::model::proto::Node;

impl Reader<'_> {
    pub(super) fn pool(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let image = self.image(&x)?;
        if node.output.get(1).is_some_and(|o| !o.is_empty()) {
            return Err("its second output (indices) is not supported; use the first alone".into());
        }
        let kernel = ints(node, "kernel_shape").ok_or("it has no kernel_shape")?;
        let plain = Window {
            stride: image.pair(ints(node, "strides"), "strides", 1)?,
            dilation: image.pair(ints(node, "dilations"), "dilations", 1)?,
            ..Window::of(image.pair(Some(kernel), "kernel_shape", 1)?)
        };
        let mut window = image.padding(node, plain)?;
        let include_padding = int(node, "count_include_pad", 0) != 0;
        if int(node, "ceil_mode", 0) != 0 {
            let wider = rounded_up(window, image.size)?;
            if wider != window && node.op_type == "AveragePool" && include_padding {
                return Err(
                    "ceil_mode with count_include_pad divides windows at the edge by other numbers; use one of them alone"
                        .into(),
                );
            }
            window = wider;
        }
        let y = self.push(
            if node.op_type == "MaxPool" {
                Op::MaxPool { window }
            } else {
                Op::AveragePool {
                    window,
                    include_padding,
                }
            },
            &[image.id],
        )?;
        self.unimage(&image, y)
    }

    pub(super) fn global_pool(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let image = self.image(&x)?;
        let window = Window::of(image.size);
        let op = if node.op_type == "GlobalMaxPool" {
            Op::MaxPool { window }
        } else {
            Op::AveragePool {
                window,
                include_padding: false,
            }
        };
        let y = self.push(op, &[image.id])?;
        self.unimage(&image, y)
    }

    /// Mean, sum or maximum over some dimensions.
    pub(super) fn reduce(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let dims = self.dims(&x);
        let axes = match inputs.constant_or_none(1)? {
            Some(c) => c.ints()?.to_vec(),
            None => ints(node, "axes").unwrap_or(&[]).to_vec(),
        };
        let mut axes = axes
            .iter()
            .map(|&a| self.axis(a, dims.len()))
            .collect::<Result<Vec<_>, _>>()?;
        if axes.is_empty() {
            if int(node, "noop_with_empty_axes", 0) != 0 {
                return Ok(x);
            }
            if self.batched() {
                return Err("over all axes, it would mix samples; name the axes after the first".into());
            }
            axes = (0..dims.len()).collect();
        }
        axes.sort_unstable();
        axes.dedup();
        // The reduced dimensions go last and become one window; the others are channels.
        let kept: Vec<usize> = (0..dims.len()).filter(|a| !axes.contains(a)).collect();
        let perm = [&kept[..], &axes[..]].concat();
        let x: Computed = self.push(Op::Transpose { perm }, &[x.id])?.into();
        let lead: usize = kept.iter().map(|&a| dims[a]).product();
        let count: usize = axes.iter().map(|&a| dims[a]).product();
        let id = self.push(
            Op::Reshape {
                shape: vec![lead, 1, count],
            },
            &[x.id],
        )?;
        let window = Window::of([1, count]);
        let mut id = self.push(
            if node.op_type == "ReduceMax" {
                Op::MaxPool { window }
            } else {
                Op::AveragePool {
                    window,
                    include_padding: false,
                }
            },
            &[id],
        )?;
        if node.op_type == "ReduceSum" {
            let one = |v: f32| Tensor::new(vec![1], vec![v]);
            id = self.affine(&id.into(), one(count as f32), one(0.0))?.id;
        }
        let keep = int(node, "keepdims", 1) != 0;
        let shape = (0..dims.len())
            .filter(|a| keep || kept.contains(a))
            .map(|a| if axes.contains(&a) { 1 } else { dims[a] })
            .collect();
        Ok(self.push(Op::Reshape { shape }, &[id])?.into())
    }
}

/// The window with more padding at the end, so that a last partial window counts. One that would
/// start in the padding does not.
fn rounded_up(mut window: Window, size: [usize; 2]) -> Result<Window, String> {
    window.output(size)?;
    for a in 0..2 {
        let padded = size[a] + window.before[a] + window.after[a];
        let mut outputs = (padded - window.span(a)).div_ceil(window.stride[a]) + 1;
        if (outputs - 1) * window.stride[a] >= size[a] + window.before[a] {
            outputs -= 1;
        }
        let needed = (outputs.saturating_sub(1)) * window.stride[a] + window.span(a);
        window.after[a] = window.after[a].max(needed.saturating_sub(size[a] + window.before[a]));
        // Fewer windows than the declared padding would give.
        let most = outputs.saturating_sub(1) * window.stride[a] + window.span(a) + window.stride[a] - 1;
        window.after[a] = window.after[a].min(most.saturating_sub(size[a] + window.before[a]));
    }
    Ok(window)
}
