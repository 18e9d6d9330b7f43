//! Any bytes: a network that evaluates, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zkaggle_graph::float::eval;
use zkaggle_graph::model::keras::read;

fuzz_target!(|data: &[u8]| {
    if let Ok(m) = read(data) {
        let width = m.network.input().iter().product();
        // Larger samples only make the fuzzer slow.
        if width <= 4096 {
            let outputs = eval::outputs(&m.network, &vec![1.0; width]).expect("the sample has the network's width");
            assert_eq!(outputs.len(), m.network.outputs());
        }
    }
});
