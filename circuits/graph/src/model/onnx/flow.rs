//! What the samples have gone through so far, folded into dense layers.

use super::constant::Constant;
use crate::model::{FloatDense, FloatModel, FloatModelError};

/// Bounds the work one import may cost: a file of a few bytes can name one matrix a million times.
pub(super) struct Budget(u64);

impl Budget {
    /// Enough to merge linear layers of every network that fits the largest capacity class.
    pub fn new() -> Self {
        Self(1 << 31)
    }

    pub fn spend(&mut self, work: usize) -> Result<(), String> {
        self.0 = self
            .0
            .checked_sub(work as u64)
            .ok_or("the file asks for more work than any supported network needs")?;
        Ok(())
    }
}

/// Cost of one element that is allocated, in multiplications.
const ELEMENT: usize = 32;

/// The part after the last ReLU.
enum Open {
    /// `scale·x + offset` per feature, on its way into the next dense layer.
    Elementwise {
        scale: Vec<f64>,
        offset: Vec<f64>,
    },
    Dense(FloatDense),
}

/// The batch on its way through the network.
pub(super) struct Flow {
    /// Shape of one sample.
    dims: Vec<usize>,
    layers: Vec<FloatDense>,
    open: Open,
    /// The operator that ended the network, after which only the like may follow.
    ended: Option<String>,
}

fn identity(width: usize) -> Open {
    Open::Elementwise {
        scale: vec![1.0; width],
        offset: vec![0.0; width],
    }
}

impl Flow {
    /// Samples as they come in.
    pub fn new(dims: Vec<usize>) -> Self {
        let width = dims.iter().product();
        Self {
            dims,
            layers: vec![],
            open: identity(width),
            ended: None,
        }
    }

    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    pub fn width(&self) -> usize {
        self.dims.iter().product()
    }

    /// Refuses everything after Softmax or ArgMax.
    pub fn running(&self) -> Result<(), String> {
        match &self.ended {
            None => Ok(()),
            Some(op) => Err(format!("it follows {op}, which must be the network's end")),
        }
    }

    /// Gives the sample another shape of the same width.
    pub fn reshape(&mut self, dims: Vec<usize>) {
        self.dims = dims;
    }

    /// `w·x + b`, folded with whatever linear steps came before.
    pub fn dense(&mut self, mut next: FloatDense, budget: &mut Budget) -> Result<(), String> {
        self.running()?;
        if self.dims.len() != 1 {
            return Err(format!(
                "samples have shape {:?}; put a Flatten before the dense layer",
                self.dims
            ));
        }
        if next.inputs != self.width() {
            return Err(format!("{} inputs after a width of {}", next.inputs, self.width()));
        }
        let outputs = next.outputs;
        self.open = match &self.open {
            Open::Elementwise { scale, offset } => {
                budget.spend(next.w.len())?;
                for (row, b) in next.w.chunks_exact_mut(next.inputs).zip(&mut next.b) {
                    *b += row.iter().zip(offset).map(|(w, o)| w * o).sum::<f64>();
                    row.iter_mut().zip(scale).for_each(|(w, s)| *w *= s);
                }
                Open::Dense(next)
            }
            Open::Dense(first) => Open::Dense(merge(first, &next, budget)?),
        };
        self.dims = vec![outputs];
        Ok(())
    }

    /// `a·x + c` with one pair per feature.
    pub fn elementwise(&mut self, a: &[f64], c: &[f64], budget: &mut Budget) -> Result<(), String> {
        self.running()?;
        match &mut self.open {
            Open::Elementwise { scale, offset } => {
                budget.spend(scale.len() * ELEMENT)?;
                for ((s, o), (a, c)) in scale.iter_mut().zip(offset).zip(a.iter().zip(c)) {
                    *s *= a;
                    *o = *o * a + c;
                }
            }
            Open::Dense(d) => {
                budget.spend(d.w.len() + d.outputs * ELEMENT)?;
                for ((row, b), (a, c)) in d.w.chunks_exact_mut(d.inputs).zip(&mut d.b).zip(a.iter().zip(c)) {
                    row.iter_mut().for_each(|w| *w *= a);
                    *b = *b * a + c;
                }
            }
        }
        Ok(())
    }

    /// ReLU after a dense layer; a second one changes nothing.
    pub fn relu(&mut self) -> Result<(), String> {
        self.running()?;
        let after = identity(self.width());
        match std::mem::replace(&mut self.open, after) {
            Open::Dense(d) => {
                self.layers.push(d);
                Ok(())
            }
            Open::Elementwise { scale, offset }
                if !self.layers.is_empty() && scale.iter().all(|&s| s == 1.0) && offset.iter().all(|&o| o == 0.0) =>
            {
                Ok(())
            }
            Open::Elementwise { .. } => Err("ReLU is read after a dense layer only; put a Gemm before it".into()),
        }
    }

    /// Softmax, LogSoftmax or ArgMax over the scores: the integer network ends in an argmax of its
    /// own, and neither softmax changes which score is largest.
    pub fn end(&mut self, op: &str) -> Result<(), String> {
        if self.dims.len() != 1 || matches!(self.open, Open::Elementwise { .. }) {
            return Err("it is read after the last dense layer only; remove it".into());
        }
        self.ended = Some(op.to_owned());
        Ok(())
    }

    /// The network.
    pub fn finish(mut self) -> Result<FloatModel, String> {
        match self.open {
            Open::Dense(d) => self.layers.push(d),
            Open::Elementwise { .. } if self.layers.is_empty() => {
                return Err("the network has no dense layer; add a Gemm".into());
            }
            Open::Elementwise { .. } => {
                return Err("the network ends in ReLU; its last layer must give one plain score a class".into());
            }
        }
        FloatModel::new(self.layers).map_err(|e: FloatModelError| format!("after folding constants, {e}"))
    }
}

/// `second ∘ first`: two linear layers without ReLU between them are one.
fn merge(first: &FloatDense, second: &FloatDense, budget: &mut Budget) -> Result<FloatDense, String> {
    let elements = first.inputs.saturating_mul(second.outputs);
    budget.spend(elements.saturating_mul(first.outputs.saturating_add(ELEMENT)))?;
    let mut w = vec![0.0; elements];
    for (row, out) in second
        .w
        .chunks_exact(second.inputs)
        .zip(w.chunks_exact_mut(first.inputs))
    {
        for (&k, inner) in row.iter().zip(first.w.chunks_exact(first.inputs)) {
            out.iter_mut().zip(inner).for_each(|(o, v)| *o += k * v);
        }
    }
    Ok(FloatDense {
        inputs: first.inputs,
        outputs: second.outputs,
        w,
        b: second.apply(&first.b),
    })
}

/// A dense layer from a constant matrix: `[in][out]`, or `[out][in]` when `transposed`.
pub(super) fn matrix(
    c: &Constant,
    transposed: bool,
    alpha: f64,
    bias: Option<Vec<f64>>,
    budget: &mut Budget,
) -> Result<FloatDense, String> {
    let &[rows, columns] = c.dims.as_slice() else {
        return Err(format!("its matrix has shape {:?}, not two dimensions", c.dims));
    };
    if rows == 0 || columns == 0 {
        return Err(format!("its matrix has shape {:?}", c.dims));
    }
    budget.spend(c.len().saturating_mul(ELEMENT))?;
    let v = c.reals();
    let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
    let mut w = Vec::with_capacity(v.len());
    for o in 0..outputs {
        for i in 0..inputs {
            w.push(alpha * v[if transposed { o * columns + i } else { i * columns + o }]);
        }
    }
    Ok(FloatDense {
        inputs,
        outputs,
        w,
        b: bias.unwrap_or_else(|| vec![0.0; outputs]),
    })
}
