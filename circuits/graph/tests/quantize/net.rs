//! Networks with random weights, records that fit them, and what must hold of every quantisation.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zkaggle_graph::eval::{evaluate, forward};
use zkaggle_graph::float::op::Op;
use zkaggle_graph::float::{Activation, Ending, Network, Tensor, ValueId, Window};
use zkaggle_graph::graph::{FeatureType, Schema};
use zkaggle_graph::quantize::{Method, Quantized, quantize};
use zkaggle_graph::reach;

pub fn schema(shape: &[usize], feature_max: u8, classes: u16) -> Schema {
    let shape: Vec<u32> = shape.iter().map(|&d| d as u32).collect();
    Schema::bytes(shape, feature_max, classes)
}

pub fn records(s: &Schema, n: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .flat_map(|_| {
            let (low, high) = s.feature_range();
            let mut r = vec![];
            (0..s.features()).for_each(|_| {
                // Drawn as bytes where they are bytes: the bounds of these tests go with their seeds.
                let v = match s.feature_type {
                    FeatureType::U8 => rng.gen_range(0..=high as u8).into(),
                    FeatureType::I16 => rng.gen_range(low..=high),
                };
                s.encode(v, &mut r);
            });
            r.push(rng.gen_range(0..s.classes) as u8);
            r
        })
        .collect()
}

/// Builds networks with random weights.
pub struct Net {
    pub net: Network,
    pub rng: ChaCha8Rng,
    pub last: ValueId,
}

impl Net {
    pub fn new(shape: &[usize], seed: u64) -> Self {
        Self {
            net: Network::new(shape.to_vec()).unwrap(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            last: ValueId::SAMPLE,
        }
    }

    pub fn tensor(&mut self, shape: &[usize], size: f32) -> Tensor {
        let data = (0..shape.iter().product())
            .map(|_| self.rng.gen_range(-size..size))
            .collect();
        Tensor::new(shape.to_vec(), data)
    }

    pub fn push(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let name = format!("n{}", self.net.nodes().len());
        self.last = self.net.push(&name, op.name(), op, inputs).unwrap();
        self.last
    }

    pub fn on(&mut self, op: Op) -> ValueId {
        self.push(op, &[self.last])
    }

    pub fn conv(&mut self, outputs: usize, kernel: usize, stride: usize, groups: usize, gain: f32) -> ValueId {
        let c = self.net.shape(self.last)[0];
        let taps = c / groups * kernel * kernel;
        let w = self.tensor(&[outputs, c / groups, kernel, kernel], gain / (taps as f32).sqrt());
        let b = self.tensor(&[outputs], 0.1 * gain);
        let pad = kernel / 2;
        let window = Window {
            stride: [stride; 2],
            before: [pad; 2],
            after: [pad; 2],
            ..Window::of([kernel; 2])
        };
        let quantized = None;
        self.on(Op::Conv {
            w,
            b,
            window,
            groups,
            quantized,
        })
    }

    pub fn dense(&mut self, outputs: usize, gain: f32) -> ValueId {
        let inputs: usize = self.net.shape(self.last).iter().product();
        if self.net.shape(self.last).len() > 1 {
            self.on(Op::Reshape { shape: vec![inputs] });
        }
        let w = self.tensor(&[outputs, inputs], gain / (inputs as f32).sqrt());
        let b = self.tensor(&[outputs], 0.1 * gain);
        let quantized = None;
        self.on(Op::Dense { w, b, quantized })
    }

    pub fn act(&mut self, a: Activation) -> ValueId {
        self.on(Op::Activation(a))
    }

    pub fn apply(&mut self, a: Activation) {
        self.act(a);
    }

    pub fn end(self, ending: Ending) -> Network {
        let last = self.last;
        self.net.finish(last, ending)
    }
}

/// Quantises, and checks what must always hold: every value of every trace is in its proven range
/// and reach, and the report's accuracy is the evaluator's.
pub fn checked(net: &Network, s: &Schema, seed: u64) -> Quantized {
    let data = records(s, 40, seed);
    let q = quantize(net, s, 40, &data, Method::Mse).unwrap();
    let reach = reach::prove(&q.graph, &q.weights).unwrap();
    let (low, high) = s.feature_range();
    let extremes = [low, high].map(|v| {
        let mut x = vec![];
        (0..s.features()).for_each(|_| s.encode(v, &mut x));
        x
    });
    let samples = data.chunks(s.record_bytes()).map(|r| &r[..s.feature_bytes()]);
    for x in samples.chain(extremes.iter().map(Vec::as_slice)) {
        let t = forward(&q.graph, &q.weights, x, 0).unwrap();
        for ((node, values), reach) in q.graph.nodes().iter().zip(&t.values).zip(&reach) {
            let inner = node.kind.elements() / node.kind.channels();
            assert_eq!(values.len(), node.kind.elements());
            for (i, v) in values.iter().enumerate() {
                assert!((node.kind.low..=node.kind.high).contains(&v), "{} {v}", node.op.name());
                let (low, high) = reach[i / inner];
                assert!((low..=high).contains(&v), "{} {v} not in {low}..{high}", node.op.name());
            }
        }
    }
    if q.graph.fraction().is_none() {
        assert_eq!(
            evaluate(&q.graph, &q.weights, &data).unwrap().accuracy,
            q.report.integer
        );
    }
    q
}
