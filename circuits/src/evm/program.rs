//! Straight-line programs over the scalar field with one operation, `d = a·b + c`.
//!
//! Addition is `a·1 + c`, negation `a·(−1) + 0`: one operation keeps the Solidity interpreter's
//! loop free of dispatch. Values are hash-consed, constants folded, dead values dropped; a linear
//! scan over lifetimes maps what is left onto few memory words.

use halo2curves::bn256::Fr;
use halo2curves::ff::{Field, PrimeField};
use std::collections::BTreeMap;

/// A value of the program under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    /// Index into `constants`.
    Constant(u32),
    /// A memory word that the verifier fills before the program runs.
    Input(u32),
    /// `a·b + c`, with `a ≤ b`.
    MulAdd(Value, Value, Value),
}

/// Builds a program.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
    index: BTreeMap<Node, Value>,
    constants: Vec<Fr>,
    constant_index: BTreeMap<[u8; 32], u32>,
}

impl Builder {
    fn intern(&mut self, node: Node) -> Value {
        if let Some(v) = self.index.get(&node) {
            return *v;
        }
        let v = Value(self.nodes.len() as u32);
        self.nodes.push(node);
        self.index.insert(node, v);
        v
    }

    pub fn constant(&mut self, x: Fr) -> Value {
        let next = self.constants.len() as u32;
        let i = *self.constant_index.entry(x.to_repr()).or_insert(next);
        if i == next {
            self.constants.push(x);
        }
        self.intern(Node::Constant(i))
    }

    pub fn zero(&mut self) -> Value {
        self.constant(Fr::ZERO)
    }

    pub fn one(&mut self) -> Value {
        self.constant(Fr::ONE)
    }

    /// The memory word at byte address `at`.
    pub fn input(&mut self, at: u32) -> Value {
        self.intern(Node::Input(at))
    }

    fn known(&self, v: Value) -> Option<Fr> {
        match self.nodes[v.0 as usize] {
            Node::Constant(i) => Some(self.constants[i as usize]),
            _ => None,
        }
    }

    /// `a·b + c`.
    pub fn mul_add(&mut self, a: Value, b: Value, c: Value) -> Value {
        let (ka, kb, kc) = (self.known(a), self.known(b), self.known(c));
        if let (Some(x), Some(y)) = (ka, kb) {
            return match kc {
                Some(z) => self.constant(x * y + z),
                None if x * y == Fr::ZERO => c,
                None => {
                    let p = self.constant(x * y);
                    let one = self.one();
                    // The constant rides as addend: `c·1 + p`.
                    self.intern(Node::MulAdd(one.min(c), one.max(c), p))
                }
            };
        }
        if ka == Some(Fr::ZERO) || kb == Some(Fr::ZERO) {
            return c;
        }
        if kc == Some(Fr::ZERO) {
            if ka == Some(Fr::ONE) {
                return b;
            }
            if kb == Some(Fr::ONE) {
                return a;
            }
        }
        // A plain sum has two spellings, a·1 + c and c·1 + a: keep one.
        if ka == Some(Fr::ONE) || kb == Some(Fr::ONE) {
            let one = self.one();
            let other = if a == one { b } else { a };
            if kc.is_none() {
                let (lo, hi) = (other.min(c), other.max(c));
                return self.intern(Node::MulAdd(one.min(lo), one.max(lo), hi));
            }
        }
        self.intern(Node::MulAdd(a.min(b), a.max(b), c))
    }

    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        let zero = self.zero();
        self.mul_add(a, b, zero)
    }

    pub fn add(&mut self, a: Value, b: Value) -> Value {
        let one = self.one();
        self.mul_add(a, one, b)
    }

    pub fn neg(&mut self, a: Value) -> Value {
        let minus_one = self.constant(-Fr::ONE);
        self.mul(a, minus_one)
    }

    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        let minus_one = self.constant(-Fr::ONE);
        self.mul_add(b, minus_one, a)
    }

    /// `x^e` by squaring.
    pub fn pow(&mut self, x: Value, e: u64) -> Value {
        let mut acc = self.one();
        for bit in (0..64).rev() {
            acc = self.mul(acc, acc);
            if e >> bit & 1 == 1 {
                acc = self.mul(acc, x);
            }
        }
        acc
    }

    /// Lays the program out so that it computes `first` before `inverse` (a word the verifier
    /// fills with the inverse of the sole member of `first`) is read, and `outputs` at the end.
    pub fn finish(self, first: Value, inverse: Value, outputs: &[Value]) -> Program {
        let n = self.nodes.len();
        let operands = |v: usize| match self.nodes[v] {
            Node::MulAdd(a, b, c) => vec![a, b, c],
            _ => vec![],
        };
        let mark = |roots: &[Value]| {
            let mut live = vec![false; n];
            for r in roots {
                live[r.0 as usize] = true;
            }
            for v in (0..n).rev() {
                if live[v] {
                    for o in operands(v) {
                        live[o.0 as usize] = true;
                    }
                }
            }
            live
        };
        let in_a = mark(&[first]);
        debug_assert!(!in_a[inverse.0 as usize], "the first part cannot need the inverse");
        let used = mark(&[outputs, &[first]].concat());
        let is_op = |v: &usize| matches!(self.nodes[*v], Node::MulAdd(..));
        // A value's operands precede it, so each part in order of creation is topological.
        let part_a: Vec<usize> = (0..n).filter(|v| in_a[*v]).filter(is_op).collect();
        let part_b: Vec<usize> = (0..n).filter(|v| used[*v] && !in_a[*v]).filter(is_op).collect();

        let mut last_use = BTreeMap::new();
        let order: Vec<usize> = part_a.iter().chain(&part_b).copied().collect();
        for (t, v) in order.iter().enumerate() {
            for o in operands(*v) {
                last_use.insert(o, t);
            }
        }
        for o in outputs.iter().chain([&first]) {
            last_use.insert(*o, usize::MAX);
        }
        let mut registers = BTreeMap::new();
        let mut free = Vec::new();
        let mut count = 0u32;
        for (t, v) in order.iter().enumerate() {
            let mut dying = operands(*v);
            dying.sort_unstable();
            dying.dedup();
            for o in dying {
                if last_use.get(&o) == Some(&t)
                    && let Some(r) = registers.get(&o)
                {
                    free.push(*r);
                }
            }
            let r = free.pop().unwrap_or_else(|| {
                count += 1;
                count - 1
            });
            registers.insert(Value(*v as u32), r);
        }

        let constants_used: Vec<bool> = {
            let mut used_constants = vec![false; self.constants.len()];
            for v in 0..n {
                if let Node::Constant(i) = self.nodes[v]
                    && used[v]
                {
                    used_constants[i as usize] = true;
                }
            }
            used_constants
        };
        let mut constants = Vec::new();
        let mut constant_slot = BTreeMap::new();
        for (i, c) in self.constants.iter().enumerate() {
            if constants_used[i] {
                constant_slot.insert(i as u32, constants.len() as u32);
                constants.push(*c);
            }
        }
        let place = |v: Value| match self.nodes[v.0 as usize] {
            Node::Constant(i) => Place::Constant(constant_slot[&i]),
            Node::Input(at) => Place::Input(at),
            Node::MulAdd(..) => Place::Register(registers[&v]),
        };
        let emit = |part: &[usize]| {
            part.iter()
                .map(|v| {
                    let o = operands(*v);
                    Op {
                        a: place(o[0]),
                        b: place(o[1]),
                        c: place(o[2]),
                        d: place(Value(*v as u32)),
                    }
                })
                .collect::<Vec<_>>()
        };
        Program {
            before: emit(&part_a),
            after: emit(&part_b),
            first: place(first),
            outputs: outputs.iter().map(|v| place(*v)).collect(),
            constants,
            registers: count,
        }
    }
}

/// Where an operand lives, before addresses are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Constant(u32),
    /// A byte address.
    Input(u32),
    Register(u32),
}

/// `d = a·b + c`.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub a: Place,
    pub b: Place,
    pub c: Place,
    pub d: Place,
}

/// A laid-out program in two parts, with one field inversion between them.
#[derive(Debug)]
pub struct Program {
    pub before: Vec<Op>,
    pub after: Vec<Op>,
    /// What the verifier inverts after the first part.
    pub first: Place,
    pub outputs: Vec<Place>,
    pub constants: Vec<Fr>,
    pub registers: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(p: &Program, inputs: &BTreeMap<u32, Fr>, inverse_at: u32) -> Vec<Fr> {
        let mut registers = vec![Fr::ZERO; p.registers as usize];
        let mut inputs = inputs.clone();
        for (i, part) in [&p.before, &p.after].into_iter().enumerate() {
            if i == 1 {
                let x = get(p, &registers, &inputs, p.first);
                inputs.insert(inverse_at, x.invert().unwrap());
            }
            for op in part {
                let v = get(p, &registers, &inputs, op.a) * get(p, &registers, &inputs, op.b)
                    + get(p, &registers, &inputs, op.c);
                let Place::Register(r) = op.d else {
                    panic!("a result goes to a register")
                };
                registers[r as usize] = v;
            }
        }
        p.outputs.iter().map(|o| get(p, &registers, &inputs, *o)).collect()
    }

    fn get(p: &Program, registers: &[Fr], inputs: &BTreeMap<u32, Fr>, at: Place) -> Fr {
        match at {
            Place::Constant(i) => p.constants[i as usize],
            Place::Input(a) => inputs[&a],
            Place::Register(r) => registers[r as usize],
        }
    }

    #[test]
    fn registers_are_reused_and_results_are_right() {
        let mut b = Builder::default();
        let (x, y, inv) = (b.input(0), b.input(32), b.input(64));
        let d = b.sub(x, y);
        let mut acc = b.one();
        for i in 1..50 {
            let k = b.constant(Fr::from(i));
            let t = b.mul_add(x, k, y);
            acc = b.mul(acc, t);
        }
        let q = b.mul(acc, inv);
        let p = b.finish(d, inv, &[q, acc]);
        let (xv, yv) = (Fr::from(1000), Fr::from(3));
        let want: Fr = (1..50).map(|i| xv * Fr::from(i) + yv).product();
        let inputs = BTreeMap::from([(0, xv), (32, yv)]);
        let got = run(&p, &inputs, 64);
        assert_eq!(got, vec![want * (xv - yv).invert().unwrap(), want]);
        assert!(p.registers <= 4, "{} registers", p.registers);
    }

    #[test]
    fn equal_values_are_built_once_and_constants_fold() {
        let mut b = Builder::default();
        let (x, y) = (b.input(0), b.input(32));
        assert_eq!(b.mul(x, y), b.mul(y, x));
        assert_eq!(b.add(x, y), b.add(y, x));
        let (two, three) = (b.constant(Fr::from(2)), b.constant(Fr::from(3)));
        assert_eq!(b.mul(two, three), b.constant(Fr::from(6)));
        let (zero, one) = (b.zero(), b.one());
        assert_eq!(b.mul_add(x, zero, y), y);
        assert_eq!(b.mul_add(x, one, zero), x);
        assert_eq!(b.mul_add(zero, y, x), x);
        let n = b.nodes.len();
        assert_eq!(b.add(x, zero), x);
        let s = b.add(x, two);
        let t = b.add(two, x);
        assert_eq!(s, t);
        assert_eq!(b.nodes.len(), n + 1);
    }
}
