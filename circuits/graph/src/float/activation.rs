//! Functions of one number.

/// A function applied to every element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` above zero, `alpha·x` below.
    LeakyRelu {
        alpha: f32,
    },
    /// `min(max(x, low), high)`; ReLU6 is `low = 0, high = 6`. A missing bound is `f32::MIN` or `MAX`.
    Clip {
        low: f32,
        high: f32,
    },
    Sigmoid,
    Tanh,
    /// `min(max(alpha·x + beta, 0), 1)`.
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    /// `x·min(max(x/6 + 1/2, 0), 1)`.
    HardSwish,
    /// `a·x² + b·x + c`; circomlib-ml's activation is `x² + n·x`.
    Polynomial {
        a: f32,
        b: f32,
        c: f32,
    },
}

impl Activation {
    /// The function at `x`.
    pub fn at(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Clip { low, high } => x.max(low).min(high),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Polynomial { a, b, c } => (a * x + b) * x + c,
        }
    }

    /// Name as in ONNX, for messages and pictures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Clip { .. } => "Clip",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::Polynomial { .. } => "Polynomial",
        }
    }

    pub(super) fn is_finite(self) -> bool {
        match self {
            Self::LeakyRelu { alpha } => alpha.is_finite(),
            Self::Clip { low, high } => low.is_finite() && high.is_finite() && low <= high,
            Self::HardSigmoid { alpha, beta } => alpha.is_finite() && beta.is_finite(),
            Self::Polynomial { a, b, c } => a.is_finite() && b.is_finite() && c.is_finite(),
            Self::Relu | Self::Sigmoid | Self::Tanh | Self::HardSwish => true,
        }
    }
}
