//! `add` and `sub`: two tensors of one shape, each shifted left so that their scales meet.
//!
//! `y = a·2^left ± b·2^right`, shifts 0 to 24.
//!
//! # Range
//! The sum of the ranges, after the shifts.

use super::{Attributes, Cost, Escape, Interval, Rule, Type, Values};
use crate::weights::Block;

/// Largest alignment shift.
const MAX_SHIFT: u8 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    pub left: u8,
    pub right: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sub {
    pub left: u8,
    pub right: u8,
}

macro_rules! aligned {
    ($op:ident, $name:literal, $sign:literal) => {
        impl $op {
            pub(crate) fn read(a: &mut Attributes) -> Result<Self, String> {
                Ok(Self {
                    left: a.number("left")?,
                    right: a.number("right")?,
                })
            }

            fn of(&self, a: i64, b: i64) -> i64 {
                (a << self.left) + $sign * (b << self.right)
            }

            fn interval(&self, a: Interval, b: Interval) -> Interval {
                let (low, high) = if $sign > 0 { b } else { (b.1, b.0) };
                (self.of(a.0, low), self.of(a.1, high))
            }
        }

        impl Rule for $op {
            fn name(&self) -> &'static str {
                $name
            }

            fn write(&self, a: &mut Attributes) {
                a.put("left", self.left);
                a.put("right", self.right);
            }

            fn infer(&self, x: &[&Type]) -> Result<Type, String> {
                let (a, b) = (x[0], x[1]);
                if a.shape != b.shape {
                    return Err(format!("shapes {:?} and {:?} differ", a.shape, b.shape));
                }
                if self.left > MAX_SHIFT || self.right > MAX_SHIFT {
                    return Err(format!("a shift above {MAX_SHIFT}"));
                }
                // At most 46 bits and a shift of 24: no overflow in i128, and refused above 46 bits.
                let wide = |t: &Type, s: u8| {
                    Type::new(
                        t.shape.clone(),
                        i64::try_from(i128::from(t.low) << s).unwrap_or(i64::MIN),
                        i64::try_from(i128::from(t.high) << s).unwrap_or(i64::MAX),
                    )
                };
                wide(a, self.left)?;
                wide(b, self.right)?;
                let (low, high) = self.interval((a.low, a.high), (b.low, b.high));
                Type::new(a.shape.clone(), low, high)
            }

            fn eval(&self, x: &[&Values], _: &[&Type], _: Option<&Block>, out: &Type) -> Result<Values, Escape> {
                Ok(Values::of(
                    out,
                    x[0].iter().zip(x[1].iter()).map(|(a, b)| self.of(a, b)),
                ))
            }

            fn reach(
                &self,
                x: &[&[Interval]],
                _: &[&Type],
                _: Option<&Block>,
                _: &Type,
            ) -> Result<Vec<Interval>, Escape> {
                Ok(x[0]
                    .iter()
                    .zip(x[1])
                    .map(|(&a, &b)| self.interval(a, b))
                    .collect())
            }

            fn cost(&self, _: &[&Type], out: &Type) -> Cost {
                Cost {
                    cells: out.elements() as u64,
                    ..Cost::default()
                }
            }
        }
    };
}

aligned!(Add, "add", 1);
aligned!(Sub, "sub", -1);
