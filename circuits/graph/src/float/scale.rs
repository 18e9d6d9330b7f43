//! The quantisation a QDQ model brings along.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// `real = scale · (integer − zero)`; to integers by dividing, rounding half to even, adding `zero`
/// and saturating to `low..=high`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    /// One, or one a channel along `axis`. Positive.
    pub scale: Vec<f32>,
    /// As many as scales.
    pub zero: Vec<i32>,
    pub axis: usize,
    /// −128 and 127 for int8, 0 and 255 for uint8.
    pub low: i32,
    pub high: i32,
}

impl Quantization {
    /// The integer that stands for `x` in channel `channel`.
    pub fn quantize(&self, x: f32, channel: usize) -> i32 {
        let (s, z) = self.at(channel);
        // Saturating: the cast of an out-of-range float is the nearest i32.
        ((x / s).round_ties_even() as i32)
            .saturating_add(z)
            .clamp(self.low, self.high)
    }

    /// The number that `q` stands for in channel `channel`.
    pub fn dequantize(&self, q: i32, channel: usize) -> f32 {
        let (s, z) = self.at(channel);
        (q - z) as f32 * s
    }

    fn at(&self, channel: usize) -> (f32, i32) {
        let i = if self.scale.len() == 1 { 0 } else { channel };
        (self.scale[i], self.zero[i])
    }

    pub(super) fn is_finite(&self) -> bool {
        self.scale.iter().all(|s| s.is_finite() && *s > 0.0)
    }
}

/// Weights that were integers in the file. The layer's float weights are these, dequantised.
#[derive(Clone, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct QuantizedWeights {
    /// In the order of the layer's weights.
    pub weights: Vec<i32>,
    /// One, or one an output channel.
    pub scale: Vec<f32>,
    pub zero: Vec<i32>,
    /// The bias as integers of scale `input scale · weight scale`, where the file had it so.
    pub bias: Option<Vec<i32>>,
}
