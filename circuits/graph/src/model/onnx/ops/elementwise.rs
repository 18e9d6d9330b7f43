//! Arithmetic and activations.

use super::super::attributes::float;
use super::super::constant::Constant;
use super::super::{Computed, Reader, Refusal, Step, Value};
use super::Inputs;
use crate::float::{Activation, Op, Tensor};
use crate::model::proto::Node;
use std::rc::Rc;

impl Reader<'_> {
    /// `+ − × ÷` of two values, or of a value and a constant on either side where that is linear.
    pub(super) fn arithmetic(&mut self, op: &str, inputs: &Inputs) -> Result<Computed, Refusal> {
        let (x, c, swapped) = match (inputs.0.first(), inputs.0.get(1)) {
            (Some(Some(Value::Computed(x))), Some(Some(Value::Constant(c)))) => (x.clone(), c.clone(), false),
            (Some(Some(Value::Constant(c))), Some(Some(Value::Computed(x)))) => (x.clone(), c.clone(), true),
            (Some(Some(Value::Computed(x))), Some(Some(Value::Computed(y)))) => return self.both(op, x, y),
            _ => return Err("it needs two inputs".into()),
        };
        let dims = self.dims(&x);
        let constant = self.compact(&c, &dims)?;
        let map =
            |f: &dyn Fn(f32) -> f32| Tensor::new(constant.shape.clone(), constant.data.iter().map(|&v| f(v)).collect());
        let one = |v: f32| Tensor::new(vec![1], vec![v]);
        let step: fn(f32) -> Step;
        let (scale, offset) = match (op, swapped) {
            ("Add", _) => {
                step = Step::Add;
                (one(1.0), constant.clone())
            }
            ("Sub", false) => {
                step = |v| Step::Add(-v);
                (one(1.0), map(&|v| -v))
            }
            ("Sub", true) => {
                step = Step::From;
                (one(-1.0), constant.clone())
            }
            ("Mul", _) => {
                step = Step::Mul;
                (constant.clone(), one(0.0))
            }
            ("Div", false) if constant.data.iter().all(|&v| v != 0.0) => {
                step = Step::Div;
                (map(&|v| 1.0 / v), one(0.0))
            }
            ("Div", false) => return Err("it divides by zero".into()),
            _ => return Err("dividing by the samples is not linear; multiply by a constant instead".into()),
        };
        let mut y = self.affine(&x, scale, offset)?;
        y.steps = extended(&x, &c, &dims, step)?;
        Ok(y)
    }

    /// A constant as an affine step holds it: one number, one a channel, or one an element.
    fn compact(&mut self, c: &Constant, dims: &[usize]) -> Result<Tensor, Refusal> {
        if let Some(v) = c.single() {
            return Ok(Tensor::new(vec![1], vec![v]));
        }
        let extra = c.dims.len().saturating_sub(dims.len());
        let own = &c.dims[extra..];
        let per_channel = own.len() == dims.len() && own.iter().skip(1).all(|&d| d == 1) && own.first() == dims.first();
        if per_channel && c.dims[..extra].iter().all(|&d| d == 1) && self.batched() {
            return Ok(Tensor::new(vec![own[0]], c.reals()));
        }
        self.spend(dims.iter().product())?;
        Ok(Tensor::new(dims.to_vec(), c.broadcast(dims)?))
    }

    /// Two values that both depend on the sample.
    fn both(&mut self, op: &str, x: &Computed, y: &Computed) -> Result<Computed, Refusal> {
        let op = match op {
            "Add" => Op::Add,
            "Sub" => Op::Sub,
            "Mul" => Op::Mul,
            _ => return Err("a quotient of two values that both depend on the samples; multiply instead".into()),
        };
        let (a, b) = (self.dims(x), self.dims(y));
        let (mut left, mut right) = (x.id, y.id);
        if a != b {
            // A gate: one value a channel, spread over the image.
            let gate = |big: &[usize], small: &[usize]| {
                big.len() == 3 && small.len() == 3 && big[0] == small[0] && small[1..] == [1, 1]
            };
            let swap = matches!(op, Op::Mul) && gate(&b, &a);
            if swap {
                (left, right) = (right, left);
            } else if matches!(op, Op::Mul) && gate(&a, &b) {
            } else if gate(&a, &b) {
                right = self.push(Op::Upsample { factor: [a[1], a[2]] }, &[right])?;
            } else if gate(&b, &a) {
                left = self.push(Op::Upsample { factor: [b[1], b[2]] }, &[left])?;
            } else {
                return Err(format!(
                    "values of shapes {a:?} and {b:?}; only equal shapes and one value a channel combine"
                )
                .into());
            }
        }
        Ok(self.push(op, &[left, right])?.into())
    }

    pub(super) fn sum(&mut self, inputs: &Inputs) -> Result<Computed, Refusal> {
        let mut total = inputs.computed(0)?;
        for i in 1..inputs.0.len() {
            let y = inputs.0[i].clone();
            let pair = Inputs(vec![Some(Value::Computed(total)), y]);
            total = self.arithmetic("Add", &pair)?;
        }
        Ok(total)
    }

    pub(super) fn negated(&mut self, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let one = |v: f32| Tensor::new(vec![1], vec![v]);
        self.affine(&x, one(-1.0), one(0.0))
    }

    pub(super) fn power(&mut self, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        match inputs.constant(1)?.single() {
            Some(1.0) => Ok(x),
            Some(2.0) => {
                let square = Activation::Polynomial { a: 1.0, b: 0.0, c: 0.0 };
                Ok(self.push(Op::Activation(square), &[x.id])?.into())
            }
            _ => Err("only the constant exponents 1 and 2 are supported".into()),
        }
    }

    /// Min or Max with one constant.
    pub(super) fn bound(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let (x, c) = match inputs.0.as_slice() {
            [Some(Value::Computed(x)), Some(Value::Constant(c))]
            | [Some(Value::Constant(c)), Some(Value::Computed(x))] => (x, c),
            _ => return Err("only with one constant is it supported, as a Clip".into()),
        };
        let v = c
            .single()
            .ok_or("its constant is not a single number; a Clip takes one")?;
        let clip = if node.op_type == "Min" {
            Activation::Clip { low: f32::MIN, high: v }
        } else {
            Activation::Clip { low: v, high: f32::MAX }
        };
        Ok(self.push(Op::Activation(clip), &[x.id])?.into())
    }

    pub(super) fn activation(&mut self, node: &Node, inputs: &Inputs) -> Result<Computed, Refusal> {
        let x = inputs.computed(0)?;
        let bound = |i: usize, name: &str, default: f32| -> Result<f32, Refusal> {
            match inputs.constant_or_none(i)? {
                Some(c) => c.single().ok_or_else(|| "a bound is not a single number".into()),
                None if inputs.0.get(i).is_some_and(Option::is_some) => Err("a bound depends on the samples".into()),
                // Infinite bounds are the same as none.
                None => Ok(super::attribute(node, name).map_or(default, |a| a.f.clamp(f32::MIN, f32::MAX))),
            }
        };
        let a = match node.op_type.as_str() {
            "Relu" => Activation::Relu,
            "LeakyRelu" => Activation::LeakyRelu {
                alpha: float(node, "alpha", 0.01)?,
            },
            "Clip" => {
                let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
                // ONNX: the upper bound wins where they cross.
                Activation::Clip {
                    low: low.min(high),
                    high,
                }
            }
            "Sigmoid" => Activation::Sigmoid,
            "Tanh" => Activation::Tanh,
            "HardSigmoid" => Activation::HardSigmoid {
                alpha: float(node, "alpha", 0.2)?,
                beta: float(node, "beta", 0.5)?,
            },
            _ => Activation::HardSwish,
        };
        Ok(Computed {
            ended: x.ended.clone(),
            ending: x.ending,
            ..self.push(Op::Activation(a), &[x.id])?.into()
        })
    }
}

/// The sample's steps with one more, where the value is still the sample, feature by feature.
fn extended(
    x: &Computed,
    c: &Constant,
    dims: &[usize],
    step: fn(f32) -> Step,
) -> Result<Option<Rc<Vec<Vec<Step>>>>, Refusal> {
    let Some(steps) = &x.steps else {
        return Ok(None);
    };
    // Trees take one row of features; no classifier of images needs this.
    if dims.len() != 1 || steps.first().is_some_and(|s| s.len() >= 8) {
        return Ok(None);
    }
    let values = c.broadcast(dims)?;
    let mut out = (**steps).clone();
    out.iter_mut().zip(values).for_each(|(s, v)| s.push(step(v)));
    Ok(Some(Rc::new(out)))
}
