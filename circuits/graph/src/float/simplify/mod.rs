//! Rewrites a network to fewer and simpler nodes that compute the same function.
//!
//! Each rule looks at one node and what it reads. Nodes are changed in place, so their order stays
//! valid; what nothing reads any more is dropped at the end.
//!
//! | module | holds |
//! |---|---|
//! | [`layout`] | reshapes and transposes: joined, cancelled, pushed towards the output, absorbed |
//! | [`affine`] | scales and offsets: joined, folded into dense layers and convolutions |
//! | [`function`] | polynomials, clips and padding recognised from their parts |

mod affine;
mod function;
mod layout;
#[cfg(test)]
mod tests;

use super::{Network, Node, Op, Tensor, ValueId};

/// Multiplications that folding may cost; beyond it the rest stays as it is.
const MAX_WORK: usize = 1 << 31;

/// Simplifies a network. Floats may differ in their last bits.
pub fn simplify(network: Network) -> Network {
    let changes = 8 * network.nodes.len() + 64;
    let mut s = Simplifier {
        readers: network.readers(),
        network,
        work: MAX_WORK,
    };
    let mut left = changes;
    let mut changed = true;
    while changed {
        changed = false;
        for i in 0..s.network.nodes.len() {
            while left > 0 && s.readers[i + 1] > 0 && s.rules(i) {
                left -= 1;
                changed = true;
                s.readers = live_readers(&s.network);
            }
        }
        s.network.sweep();
        s.readers = s.network.readers();
    }
    s.network
}

/// Readers of each value among the nodes that the output depends on.
fn live_readers(network: &Network) -> Vec<usize> {
    let mut count = vec![0; network.nodes.len() + 1];
    count[network.output.index()] += 1;
    for (i, node) in network.nodes.iter().enumerate().rev() {
        if count[i + 1] > 0 {
            node.inputs.iter().for_each(|v| count[v.index()] += 1);
        }
    }
    count
}

struct Simplifier {
    network: Network,
    readers: Vec<usize>,
    work: usize,
}

impl Simplifier {
    fn rules(&mut self, i: usize) -> bool {
        self.does_nothing(i)
            || self.join_moves(i)
            || self.recognise(i)
            || self.join_affine(i)
            || self.affine_into_weights(i)
            || self.weights_after_affine(i)
            || self.join_dense(i)
            || self.absorb_order(i)
            || self.push_affine(i)
            || self.push_transpose(i)
    }

    fn node(&self, i: usize) -> &Node {
        &self.network.nodes[i]
    }

    /// Index of the node that computes input `k` of node `i`.
    fn producer(&self, i: usize, k: usize) -> Option<usize> {
        self.node(i).inputs.get(k).and_then(|v| v.producer())
    }

    /// The same, when node `i` is its only reader.
    fn own(&self, i: usize) -> Option<usize> {
        self.producer(i, 0).filter(|&p| self.readers[p + 1] == 1)
    }

    fn input_shape(&self, i: usize) -> Vec<usize> {
        self.network.shape(self.node(i).inputs[0]).to_vec()
    }

    /// Gives node `i` another operator and inputs; nothing happens when they do not fit.
    fn set(&mut self, i: usize, op: Op, inputs: Vec<ValueId>) -> bool {
        let shapes: Vec<&[usize]> = inputs.iter().map(|&v| self.network.shape(v)).collect();
        let Ok(shape) = op.output_shape(&shapes) else {
            return false;
        };
        if !op.is_finite() {
            return false;
        }
        let node = &mut self.network.nodes[i];
        (node.op, node.inputs, node.shape) = (op, inputs, shape);
        true
    }

    /// Exchanges node `i` and its producer `p`: `first` reads what `p` read, `second` follows.
    fn swap(&mut self, p: usize, i: usize, first: Op, second: Op) -> bool {
        let before = (self.network.nodes[p].clone(), self.network.nodes[i].clone());
        let inputs = before.0.inputs.clone();
        let done = self.set(p, first, inputs) && self.set(i, second, vec![ValueId::node(p)]);
        if done && self.network.nodes[i].shape == before.1.shape {
            let names = [
                (before.1.name.clone(), before.1.source.clone()),
                (before.0.name.clone(), before.0.source.clone()),
            ];
            for (at, (name, source)) in [p, i].into_iter().zip(names) {
                (self.network.nodes[at].name, self.network.nodes[at].source) = (name, source);
            }
            return true;
        }
        self.network.nodes[p] = before.0;
        self.network.nodes[i] = before.1;
        false
    }

    /// Lets everything that reads node `i` read `v`.
    fn alias(&mut self, i: usize, v: ValueId) -> bool {
        let own = ValueId::node(i);
        for node in &mut self.network.nodes[i + 1..] {
            node.inputs.iter_mut().filter(|x| **x == own).for_each(|x| *x = v);
        }
        if self.network.output == own {
            self.network.output = v;
        }
        true
    }

    /// Whether so many multiplications may still be spent.
    fn spend(&mut self, work: usize) -> bool {
        match self.work.checked_sub(work) {
            Some(left) => {
                self.work = left;
                true
            }
            None => false,
        }
    }
}

/// Reads a constant of an affine step element by element.
fn at(t: &Tensor, i: usize, total: usize) -> f32 {
    t.data[i / (total / t.data.len())]
}
