//! Networks of known shape with random weights from a seed: what benchmarks run.

use crate::float::op::Op;
use crate::float::{Activation, Ending, Network, NetworkError, Tensor, ValueId, Window};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A network under construction, each layer on the one before.
struct Chain {
    net: Network,
    rng: ChaCha8Rng,
    last: ValueId,
}

impl Chain {
    fn new(shape: &[usize], seed: u64) -> Result<Self, NetworkError> {
        Ok(Self {
            net: Network::new(shape.to_vec())?,
            rng: ChaCha8Rng::seed_from_u64(seed),
            last: ValueId::SAMPLE,
        })
    }

    fn push(&mut self, op: Op) -> Result<(), NetworkError> {
        let name = format!("{}{}", op.name().to_lowercase(), self.net.nodes().len());
        self.last = self.net.push(&name, op.name(), op, &[self.last])?;
        Ok(())
    }

    /// Weights that keep the size of values, as initialisation before training does.
    fn weights(&mut self, shape: &[usize], taps: usize) -> Tensor {
        let size = (6.0 / taps as f32).sqrt();
        let data = (0..shape.iter().product())
            .map(|_| self.rng.gen_range(-size..size))
            .collect();
        Tensor::new(shape.to_vec(), data)
    }

    fn conv(&mut self, outputs: usize, kernel: usize, pad: usize) -> Result<(), NetworkError> {
        let c = self.net.shape(self.last)[0];
        let w = self.weights(&[outputs, c, kernel, kernel], c * kernel * kernel);
        let b = Tensor::new(vec![outputs], vec![0.01; outputs]);
        let window = Window {
            before: [pad; 2],
            after: [pad; 2],
            ..Window::of([kernel; 2])
        };
        let (groups, quantized) = (1, None);
        self.push(Op::Conv {
            w,
            b,
            window,
            groups,
            quantized,
        })?;
        self.push(Op::Activation(Activation::Relu))
    }

    fn pool(&mut self) -> Result<(), NetworkError> {
        let window = Window {
            stride: [2, 2],
            ..Window::of([2, 2])
        };
        self.push(Op::MaxPool { window })
    }

    fn dense(&mut self, outputs: usize, relu: bool) -> Result<(), NetworkError> {
        let inputs: usize = self.net.shape(self.last).iter().product();
        if self.net.shape(self.last).len() > 1 {
            self.push(Op::Reshape { shape: vec![inputs] })?;
        }
        let w = self.weights(&[outputs, inputs], inputs);
        let b = Tensor::new(vec![outputs], vec![0.01; outputs]);
        let quantized = None;
        self.push(Op::Dense { w, b, quantized })?;
        if relu {
            self.push(Op::Activation(Activation::Relu))?;
        }
        Ok(())
    }

    fn end(self) -> Network {
        self.net.finish(self.last, Ending::Classes)
    }
}

/// LeNet-5 at 28×28 with ReLU and max pooling: 61,706 parameters, 10 classes.
///
/// # Errors
/// None for this shape; the builder's are passed on.
pub fn lenet5(seed: u64) -> Result<Network, NetworkError> {
    let mut n = Chain::new(&[1, 28, 28], seed)?;
    n.conv(6, 5, 2)?;
    n.pool()?;
    n.conv(16, 5, 0)?;
    n.pool()?;
    n.dense(120, true)?;
    n.dense(84, true)?;
    n.dense(10, false)?;
    Ok(n.end())
}

/// A convolutional network of 5.0 million parameters on 3×32×32, 10 classes.
///
/// # Errors
/// As [`lenet5`].
pub fn cnn5m(seed: u64) -> Result<Network, NetworkError> {
    let mut n = Chain::new(&[3, 32, 32], seed)?;
    for outputs in [64, 128, 256, 512] {
        n.conv(outputs, 3, 1)?;
        n.conv(outputs, 3, 1)?;
        n.pool()?;
    }
    n.dense(160, true)?;
    n.dense(10, false)?;
    Ok(n.end())
}

/// Random records of a schema.
pub fn records(features: usize, classes: u8, n: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = Vec::with_capacity(n * (features + 1));
    for _ in 0..n {
        out.extend((0..features).map(|_| rng.r#gen::<u8>()));
        out.push(rng.gen_range(0..classes));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(n: &Network) -> usize {
        let of = |op: &Op| match op {
            Op::Dense { w, b, .. } | Op::Conv { w, b, .. } => w.data.len() + b.data.len(),
            _ => 0,
        };
        n.nodes().iter().map(|n| of(&n.op)).sum()
    }

    #[test]
    fn the_shapes_have_the_parameters_they_are_named_for() {
        assert_eq!(parameters(&lenet5(1).unwrap()), 61_706);
        let n = parameters(&cnn5m(1).unwrap());
        assert!((4_950_000..5_100_000).contains(&n), "{n}");
    }
}
