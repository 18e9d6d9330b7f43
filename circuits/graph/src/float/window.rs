//! The geometry of convolution and pooling.

/// A window that moves over `[channels, height, width]`; arrays are `[rows, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Padding before the first row and column.
    pub before: [usize; 2],
    /// Padding after the last row and column.
    pub after: [usize; 2],
}

/// Largest kernel, stride, dilation or padding.
pub const MAX_WINDOW: usize = 1 << 12;

impl Window {
    /// A window of this size that moves by one, without padding.
    pub const fn of(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: [1, 1],
            dilation: [1, 1],
            before: [0, 0],
            after: [0, 0],
        }
    }

    /// Rows (0) or columns (1) the dilated kernel spans.
    pub fn span(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Height and width of the output.
    ///
    /// # Errors
    /// When a number is zero or absurd, or the window is larger than the padded input.
    pub fn output(&self, input: [usize; 2]) -> Result<[usize; 2], String> {
        let numbers = [self.kernel, self.stride, self.dilation].concat();
        let padding = [self.before, self.after].concat();
        if numbers.contains(&0) || numbers.iter().chain(&padding).any(|&v| v > MAX_WINDOW) {
            return Err(format!("kernel, stride, dilation or padding out of range: {self:?}"));
        }
        let mut out = [0; 2];
        for axis in 0..2 {
            let padded = input[axis] + self.before[axis] + self.after[axis];
            let room = padded
                .checked_sub(self.span(axis))
                .ok_or_else(|| format!("a window of {} does not fit {padded} padded elements", self.span(axis)))?;
            out[axis] = room / self.stride[axis] + 1;
        }
        Ok(out)
    }

    /// Input index that kernel element `k` reads at output `o`; none in the padding.
    pub fn source(&self, axis: usize, o: usize, k: usize, size: usize) -> Option<usize> {
        (o * self.stride[axis] + k * self.dilation[axis])
            .checked_sub(self.before[axis])
            .filter(|&i| i < size)
    }
}
