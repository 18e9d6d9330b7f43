//! Polynomials, clips and padding, recognised from their parts.

use super::super::{Activation, Op, ValueId};
use super::Simplifier;

/// `a·v² + b·v + c` of a value `v`.
#[derive(Clone, Copy)]
struct Quadratic {
    of: ValueId,
    a: f32,
    b: f32,
    c: f32,
}

impl Simplifier {
    pub(super) fn recognise(&mut self, i: usize) -> bool {
        self.polynomial(i) || self.clip(i) || self.padding(i)
    }

    /// What a value is of the value before it.
    fn quadratic(&self, v: ValueId) -> Quadratic {
        let own = Quadratic {
            of: v,
            a: 0.0,
            b: 1.0,
            c: 0.0,
        };
        let Some(node) = v.producer().map(|p| self.node(p)) else {
            return own;
        };
        match &node.op {
            Op::Affine { scale, offset } if scale.data.len() == 1 && offset.data.len() == 1 => {
                let inner = self.quadratic(node.inputs[0]);
                let (s, o) = (scale.data[0], offset.data[0]);
                Quadratic {
                    of: inner.of,
                    a: s * inner.a,
                    b: s * inner.b,
                    c: s * inner.c + o,
                }
            }
            &Op::Activation(Activation::Polynomial { a, b, c }) => Quadratic {
                of: node.inputs[0],
                a,
                b,
                c,
            },
            Op::Mul if node.inputs[0] == node.inputs[1] => Quadratic {
                of: node.inputs[0],
                a: 1.0,
                b: 0.0,
                c: 0.0,
            },
            _ => own,
        }
    }

    /// Sums, differences and products of such values of one value.
    fn polynomial(&mut self, i: usize) -> bool {
        let node = self.node(i);
        let joined = match (&node.op, node.inputs.as_slice()) {
            (Op::Affine { scale, offset }, _) if scale.data.len() == 1 && offset.data.len() == 1 => {
                let q = self.quadratic(ValueId::node(i));
                if q.a == 0.0 {
                    return false;
                }
                q
            }
            (op @ (Op::Add | Op::Sub | Op::Mul), &[x, y]) => {
                let (p, q) = (self.common(x, y), self.common(y, x));
                let (Some(p), Some(q)) = (p, q) else { return false };
                match op {
                    Op::Mul if p.a == 0.0 && q.a == 0.0 => Quadratic {
                        of: p.of,
                        a: p.b * q.b,
                        b: p.b * q.c + p.c * q.b,
                        c: p.c * q.c,
                    },
                    Op::Mul => return false,
                    _ => {
                        let sign = if matches!(op, Op::Add) { 1.0 } else { -1.0 };
                        Quadratic {
                            of: p.of,
                            a: p.a + sign * q.a,
                            b: p.b + sign * q.b,
                            c: p.c + sign * q.c,
                        }
                    }
                }
            }
            _ => return false,
        };
        let Quadratic { of, a, b, c } = joined;
        self.set(i, Op::Activation(Activation::Polynomial { a, b, c }), vec![of])
    }

    /// `x` as a quadratic of the value that `y` is one of as well.
    fn common(&self, x: ValueId, y: ValueId) -> Option<Quadratic> {
        let (p, q) = (self.quadratic(x), self.quadratic(y));
        let plain = |v: ValueId| Quadratic {
            of: v,
            a: 0.0,
            b: 1.0,
            c: 0.0,
        };
        if p.of == q.of {
            Some(p)
        } else if x == q.of {
            Some(plain(x))
        } else if p.of == y {
            Some(p)
        } else {
            None
        }
    }

    /// A clip from zero is a ReLU; a clip after a ReLU starts at zero.
    fn clip(&mut self, i: usize) -> bool {
        let Op::Activation(Activation::Clip { low, high }) = self.node(i).op else {
            return false;
        };
        let inputs = self.node(i).inputs.clone();
        if low == 0.0 && high == f32::MAX {
            return self.set(i, Op::Activation(Activation::Relu), inputs);
        }
        let Some(p) = self.own(i) else { return false };
        let inputs = self.node(p).inputs.clone();
        let (low, high) = match self.node(p).op {
            Op::Activation(Activation::Relu) if high >= 0.0 => (low.max(0.0), high),
            Op::Activation(Activation::Clip { low: l, high: h }) if l <= high && h >= low => (low.max(l), high.min(h)),
            _ => return false,
        };
        self.set(i, Op::Activation(Activation::Clip { low, high }), inputs)
    }

    /// Zeros around an image before a convolution are its padding.
    fn padding(&mut self, i: usize) -> bool {
        let Some(p) = self.own(i) else { return false };
        let (Op::Pad { before, after, value }, Op::Conv { window, .. }) = (&self.node(p).op, &self.node(i).op) else {
            return false;
        };
        if *value != 0.0 || before[0] != 0 || after[0] != 0 {
            return false;
        }
        let mut wider = *window;
        for a in 0..2 {
            wider.before[a] += before[a + 1];
            wider.after[a] += after[a + 1];
        }
        let inputs = self.node(p).inputs.clone();
        let mut op = self.node(i).op.clone();
        if let Op::Conv { window, .. } = &mut op {
            *window = wider;
        }
        self.set(i, op, inputs)
    }
}
