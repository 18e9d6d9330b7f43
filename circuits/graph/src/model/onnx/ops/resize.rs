//! Resize and Upsample by nearest neighbour, to whole factors.

use super::super::attributes::{attribute, int, ints, text};
use super::super::{Computed, Reader, Refusal};
use super::Inputs;
use crate::float::{MAX_ELEMENTS, Op};
use crate::model::proto::Node;

impl Reader<'_> {
    pub(super) fn resize(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let mode = text(node, "mode", "nearest")?;
        if mode != "nearest" {
            return Err(format!("mode {mode:?}; nearest is supported, or a ConvTranspose").into());
        }
        if int(node, "antialias", 0) != 0 {
            return Err("antialias is not supported".into());
        }
        let image = self.image(&x)?;
        let old = node.op_type == "Upsample";
        let factors = match (old, self.opset < 11) {
            (true, _) | (_, true) => match inputs.constant_or_none(1)? {
                Some(c) => Some(c.reals()),
                None => attribute(node, "scales").map(|a| a.floats.clone()),
            },
            _ => inputs.constant_or_none(2)?.filter(|c| c.len() > 0).map(|c| c.reals()),
        };
        let sizes = match old {
            true => None,
            false => inputs
                .constant_or_none(3)?
                .filter(|c| c.len() > 0)
                .map(|c| c.ints().map(<[i64]>::to_vec))
                .transpose()?,
        };
        // In the file's dimensions: batch, channels, then space.
        let mut dims = vec![1, image.channels];
        dims.extend(if image.flat { &image.size[1..] } else { &image.size[..] });
        let rank = dims.len();
        let axes: Vec<usize> = match ints(node, "axes").filter(|a| !a.is_empty()) {
            None => (0..rank).collect(),
            Some(a) => a
                .iter()
                .map(|&a| super::super::fold::axis(a, rank))
                .collect::<Result<_, _>>()?,
        };
        let given = factors.as_ref().map(Vec::len).or(sizes.as_ref().map(Vec::len));
        if given != Some(axes.len()) {
            return Err(format!("scales or sizes for {given:?} of {} dimensions", axes.len()).into());
        }
        let policy = text(node, "keep_aspect_ratio_policy", "stretch")?;
        if policy != "stretch" && sizes.is_some() {
            return Err(format!("keep_aspect_ratio_policy {policy:?}; give scales").into());
        }
        let rule = if old {
            ("asymmetric".into(), "floor".into())
        } else {
            (
                text(
                    node,
                    "coordinate_transformation_mode",
                    if self.opset < 11 { "asymmetric" } else { "half_pixel" },
                )?,
                text(
                    node,
                    "nearest_mode",
                    if self.opset < 11 { "floor" } else { "round_prefer_floor" },
                )?,
            )
        };
        let mut id = image.id;
        for (i, &axis) in axes.iter().enumerate() {
            let size = dims[axis];
            let (outputs, scale) = match (&sizes, &factors) {
                (Some(s), _) => {
                    let n = usize::try_from(s[i]).unwrap_or(0);
                    (n, n as f64 / size as f64)
                }
                (None, Some(f)) => {
                    let f = f64::from(f[i]);
                    (((size as f64) * f).floor() as usize, f)
                }
                (None, None) => (size, 1.0),
            };
            if outputs == 0 || outputs > MAX_ELEMENTS {
                return Err(format!("{outputs} elements along dimension {axis}").into());
            }
            let from = sources(size, outputs, scale, &rule)?;
            if axis < 2 {
                if from.iter().copied().eq(0..size) {
                    continue;
                }
                return Err("it resizes the batch or the channels; only height and width are supported".into());
            }
            // Dimension 2 is height, or the width of a one-dimensional signal.
            let spatial = if image.flat { 1 } else { axis - 2 };
            id = self.nearest(id, spatial, size, &from)?;
        }
        self.unimage(&image, id)
    }

    /// One dimension by whole factors up, or whole steps down.
    fn nearest(
        &mut self,
        id: crate::float::ValueId,
        spatial: usize,
        size: usize,
        from: &[usize],
    ) -> Result<crate::float::ValueId, Refusal> {
        let factor = from.len() / size;
        if factor >= 1 && from.len() == factor * size && from.iter().enumerate().all(|(o, &i)| i == o / factor) {
            let mut factors = [1, 1];
            factors[spatial] = factor;
            return self.push(Op::Upsample { factor: factors }, &[id]);
        }
        let by = from.get(1).map_or(1, |second| second.saturating_sub(from[0])).max(1);
        if from.iter().enumerate().all(|(o, &i)| i == from[0] + o * by) {
            let shape = self.net()?.shape(id).to_vec();
            let (mut start, mut step, mut length) = (vec![0; 3], vec![1isize; 3], shape);
            start[spatial + 1] = from[0];
            step[spatial + 1] = by as isize;
            length[spatial + 1] = from.len();
            return self.push(Op::Slice { start, step, length }, &[id]);
        }
        Err(format!(
            "from {size} to {} elements; whole factors up and whole steps down are supported",
            from.len()
        )
        .into())
    }
}

/// Input index of every output, as ONNX's coordinate transformation and rounding say.
fn sources(size: usize, outputs: usize, scale: f64, (mode, rounding): &(String, String)) -> Result<Vec<usize>, String> {
    (0..outputs)
        .map(|o| {
            let o = o as f64;
            let x = match mode.as_str() {
                "half_pixel" => (o + 0.5) / scale - 0.5,
                "pytorch_half_pixel" if outputs == 1 => 0.0,
                "pytorch_half_pixel" => (o + 0.5) / scale - 0.5,
                "half_pixel_symmetric" => {
                    let adjustment = outputs as f64 / (scale * size as f64);
                    let centre = size as f64 / 2.0;
                    centre * (1.0 - adjustment) + (o + 0.5) / scale - 0.5
                }
                "align_corners" if outputs == 1 => 0.0,
                "align_corners" => o * (size as f64 - 1.0) / (outputs as f64 - 1.0),
                "asymmetric" => o / scale,
                "tf_half_pixel_for_nn" => (o + 0.5) / scale,
                other => {
                    return Err(format!(
                        "coordinate_transformation_mode {other:?}; asymmetric and half_pixel are supported"
                    ));
                }
            };
            let i = match rounding.as_str() {
                "round_prefer_floor" => (x - 0.5).ceil(),
                "round_prefer_ceil" => (x + 0.5).floor(),
                "floor" => x.floor(),
                "ceil" => x.ceil(),
                other => return Err(format!("nearest_mode {other:?}")),
            };
            Ok((i.max(0.0) as usize).min(size - 1))
        })
        .collect()
}
