//! The text form of a graph: what `archId` hashes, what a person reads, and what files hold.
//!
//! ```text
//! zkaggle-graph/2
//! record features=u8[8,8] max=16 label=u8 classes=10 offset=0 stride=65
//! samples 360
//! class 4096
//! %0 = input : [8,8] 0..16
//! %1 = dense %0 outputs=32 weights=i8 : [32] -2147614720..2147614720
//! ```
//!
//! A node a line: its name, operator, inputs, attributes, and behind the colon the shape and range
//! that follow. A graph has exactly one text: what is read is built again from its operators and must
//! print as the same bytes.

use crate::graph::{Builder, Graph, GraphError, Layout, MAX_NODES, Schema};
use crate::ops::attributes::join;
use crate::ops::{Attributes, Op};
use std::fmt::Write as _;

/// First line: format and version.
pub const FORMAT: &str = "zkaggle-graph/2";
/// Longest text that is read.
pub const MAX_TEXT: usize = 4 << 20;

impl Graph {
    /// The canonical text.
    pub fn text(&self) -> String {
        let s = self.schema();
        let mut t = format!("{FORMAT}\n");
        // Writing to a String cannot fail.
        let places = s.places();
        let _ = write!(
            t,
            "record features={}[{}] max={} label=u8 classes={} offset={} stride={}",
            s.feature_type,
            join(&s.shape, ","),
            s.feature_max,
            s.classes,
            places.offset,
            places.stride
        );
        // Features first and the label right behind them go without saying, as they did before.
        if s.layout.is_some() {
            let _ = write!(t, " features-at={} label-at={}", places.features_at, places.label_at);
        }
        t.push('\n');
        let _ = writeln!(t, "samples {}", self.samples());
        let _ = match self.class() {
            Ok(class) => writeln!(t, "class {}", class.bytes()),
            Err(_) => writeln!(t, "class none"),
        };
        for (i, node) in self.nodes().iter().enumerate() {
            let mut attributes = Attributes::default();
            if let Some(rule) = node.op.rule() {
                rule.write(&mut attributes);
            }
            let _ = write!(t, "%{i} = {}", node.op.name());
            for input in &node.inputs {
                let _ = write!(t, " %{input}");
            }
            let k = &node.kind;
            let _ = writeln!(
                t,
                "{} : [{}] {}..{}",
                attributes.text(),
                join(&k.shape, ","),
                k.low,
                k.high
            );
        }
        t
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Names the line: one that does not parse, does not fit, or is not spelt as [`Graph::text`] does.
    pub fn parse(text: &str) -> Result<Self, GraphError> {
        let at = |line: usize, reason: String| GraphError::Text { line, reason };
        if text.len() > MAX_TEXT {
            return Err(at(
                1,
                format!("{} bytes of text; at most {MAX_TEXT} are read", text.len()),
            ));
        }
        if text.split('\n').count() > MAX_NODES + 5 {
            return Err(at(1, format!("more than {MAX_NODES} nodes")));
        }
        let mut lines = text.split('\n').enumerate().map(|(i, l)| (i + 1, l));
        let mut next = || lines.next().unwrap_or((0, ""));
        let (_, format) = next();
        if format != FORMAT {
            let shown: String = format.chars().take(40).collect();
            return Err(at(1, format!("{shown:?} is no graph of this version, {FORMAT:?}")));
        }
        let (line, record) = next();
        let schema = schema(record).map_err(|r| at(line, r))?;
        let (line, samples) = next();
        let samples = samples
            .strip_prefix("samples ")
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| at(line, "`samples N` is expected".into()))?;
        let _class = next();
        let mut b = Builder::new(schema)?;
        for (line, text) in lines.by_ref() {
            if text.is_empty() {
                break;
            }
            let (op, inputs) = node(text).map_err(|r| at(line, r))?;
            if line > 5 {
                b.add(op, &inputs).map_err(|e| at(line, e.to_string()))?;
            } else if op != Op::Input {
                return Err(at(line, "the first node is the input".into()));
            }
        }
        let graph = b.finish(samples)?;
        let canonical = graph.text();
        if canonical == text {
            return Ok(graph);
        }
        let differs = canonical.split('\n').zip(text.split('\n')).position(|(a, b)| a != b);
        let line = differs.unwrap_or_else(|| canonical.split('\n').count());
        let want = canonical.split('\n').nth(line).unwrap_or_default();
        Err(at(
            line + 1,
            format!("spelt otherwise; it must read {want:?}, and nothing may follow"),
        ))
    }
}

fn schema(line: &str) -> Result<Schema, String> {
    let words = line.strip_prefix("record ").ok_or("`record …` is expected")?;
    let mut a = Attributes::parse(words.split(' '))?;
    let shape = a.take("features")?;
    let parts = shape.strip_suffix(']').and_then(|s| s.split_once('['));
    let (kind, shape) = parts.ok_or("features are type[shape]")?;
    let feature_type = kind.parse()?;
    let shape: Result<Vec<u32>, _> = shape.split(',').map(str::parse).collect();
    let shape = shape.map_err(|_| "features are type[shape]")?;
    let feature_max = a.number("max")?;
    a.take("label")?;
    let packed = Schema {
        shape,
        feature_type,
        feature_max,
        classes: a.number("classes")?,
        layout: None,
    };
    packed.check().map_err(|e| e.to_string())?;
    let (offset, stride) = (a.number("offset")?, a.number("stride")?);
    if a.finish().is_ok() {
        // Whether this offset and stride go with it shows when the text is written again.
        return Ok(packed);
    }
    let layout = Layout {
        offset,
        stride,
        features_at: a.number("features-at")?,
        label_at: a.number("label-at")?,
    };
    packed.with_layout(layout).map_err(|e| e.to_string())
}

/// Operator and inputs of a line; the name and what follows the colon are compared afterwards.
fn node(line: &str) -> Result<(Op, Vec<usize>), String> {
    let (_, rest) = line.split_once(" = ").ok_or("`%N = operator …` is expected")?;
    let (rest, _) = rest
        .split_once(" : ")
        .ok_or("` : [shape] low..high` is expected at the end")?;
    let mut words = rest.split(' ').peekable();
    let name = words.next().unwrap_or_default();
    let mut inputs = vec![];
    while let Some(word) = words.peek().and_then(|w| w.strip_prefix('%')) {
        inputs.push(word.parse().map_err(|_| format!("%{word} is no node"))?);
        words.next();
    }
    let mut attributes = Attributes::parse(words)?;
    let op = Op::read(name, &mut attributes).map_err(|e| format!("{name}: {e}"))?;
    attributes.finish().map_err(|e| format!("{name}: {e}"))?;
    Ok((op, inputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::digits;

    /// Another layout is another architecture, spelt in one way; today's is spelt as ever.
    #[test]
    fn a_layout_is_part_of_the_text() {
        let graph = |l: Layout| {
            let schema = Schema::bytes([8, 8], 16, 10).with_layout(l).unwrap();
            Graph::mlp(schema, 100, &[64, 10], &[]).unwrap()
        };
        let layout = Layout {
            offset: 5,
            stride: 70,
            features_at: 1,
            label_at: 0,
        };
        let good = graph(layout).text();
        assert!(good.contains("classes=10 offset=5 stride=70 features-at=1 label-at=0\n"));
        assert_eq!(Graph::parse(&good), Ok(graph(layout)));
        let moved = graph(Layout { label_at: 66, ..layout });
        assert_ne!(moved.arch_id(), graph(layout).arch_id());
        let json = serde_json::to_string(&graph(layout)).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph(layout));
        for (from, to, says) in [
            (" features-at=1 label-at=0", "", "line 2: spelt otherwise"),
            (" label-at=0", "", "label-at is expected"),
            ("stride=70", "stride=64", "do not fit a stride of 64"),
            ("label-at=0", "label-at=1", "is one of its features"),
            ("offset=5", "offset=05", "line 2: spelt otherwise"),
            ("offset=5", "offset=122880", "exceed a block"),
            ("offset=5", "offset=4294967296", "no number that fits"),
            ("label-at=0", "label-at=0 more=1", "line 2: spelt otherwise"),
            ("samples 100", "samples 1756", "use at most 1755"),
        ] {
            let e = Graph::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(e.contains(says), "{to}: {e}");
        }
        let packed = "offset=0 stride=65 features-at=0 label-at=64";
        let e = Graph::parse(&good.replacen("offset=5 stride=70 features-at=1 label-at=0", packed, 1));
        assert!(e.unwrap_err().to_string().contains("spelt otherwise"));
    }

    #[test]
    fn a_text_reads_back_and_has_one_spelling() {
        let good = digits(360).text();
        assert_eq!(Graph::parse(&good), Ok(digits(360)));
        let json = serde_json::to_string(&digits(360)).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), digits(360));
        for (from, to, says) in [
            ("graph/2", "graph/1", "line 1"),
            ("outputs=32", "outputs=032", "line 6: spelt otherwise"),
            ("outputs=32", "outputs=33", "line 6: spelt otherwise"),
            ("class 4096", "class 65536", "line 4: spelt otherwise"),
            ("shift=6", "shift=60", "line 7: node %2 (requant): shift 60"),
            ("shift=6 bits=14", "bits=14 shift=6", "line 7: requant: attribute shift"),
            ("ties=first", "ties=last", "line 9"),
            ("dense %2", "dense %7", "line 8"),
            ("dense %2", "dens %2", "no operator \"dens\""),
            ("u8[8,8]", "u8[4294967295,4294967295]", "larger than a block"),
            ("max=16 ", "max=0 ", "largest feature value"),
            ("max=16 ", "max=17 ", "line 5: spelt otherwise"),
            ("samples 360", "samples 99999", "do not fit one shard"),
            ("0..9\n", "0..9", "spelt otherwise"),
            ("0..9\n", "0..9\n\n", "spelt otherwise"),
            ("%4 = argmax %3", "%4 = argmax %3 %3", "2 inputs"),
        ] {
            let e = Graph::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(e.contains(says), "{to}: {e}");
        }
        for cut in 0..good.len() {
            assert!(Graph::parse(&good[..cut]).is_err(), "{cut} bytes");
        }
    }
}
