//! Any text: a graph that prints as the same text, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use zkaggle_graph::graph::Graph;

fuzz_target!(|text: &str| {
    if let Ok(graph) = Graph::parse(text) {
        assert_eq!(graph.text(), text);
    }
});
