//! A graph as an SVG picture: layers from top to bottom, no scripts, no fonts to load.
//!
//! Nodes stand in layers by their longest path from the input; an edge over several layers gets a
//! place in each, so that it passes between nodes. Within a layer, places are ordered by the mean
//! place of their neighbours, swept down and up a few times.

use crate::graph::{Graph, Node};
use crate::ops::{Attributes, Op};
use std::fmt::Write as _;

const WIDTH: f64 = 208.0;
const HEIGHT: f64 = 66.0;
const GAP_X: f64 = 36.0;
const GAP_Y: f64 = 42.0;
const MARGIN: f64 = 28.0;
/// Width that an edge takes where it passes a layer.
const LANE: f64 = 24.0;
const SWEEPS: usize = 6;

/// A place in a layer: a node, or an edge that passes.
struct Place {
    node: Option<usize>,
    /// Places in the layer above.
    up: Vec<usize>,
    x: f64,
}

impl Place {
    fn width(&self) -> f64 {
        if self.node.is_some() { WIDTH } else { LANE }
    }
}

/// The picture.
pub fn svg(graph: &Graph) -> String {
    let mut layers = layers(graph);
    order(&mut layers);
    spread(&mut layers);
    let width = layers.iter().flatten().fold(0f64, |m, p| m.max(p.x + p.width() / 2.0)) + MARGIN;
    let height = MARGIN * 2.0 + layers.len() as f64 * (HEIGHT + GAP_Y) - GAP_Y;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"ui-sans-serif,system-ui,Helvetica,Arial,sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fbfaf7\"/>\n"
    );
    let top = |layer: usize| MARGIN + layer as f64 * (HEIGHT + GAP_Y);
    for (l, layer) in layers.iter().enumerate().skip(1) {
        for p in layer {
            for &u in &p.up {
                let from = &layers[l - 1][u];
                // A passing edge crosses its whole layer.
                let y0 = top(l - 1) + HEIGHT;
                let (y1, mid) = (top(l), (y0 + top(l)) / 2.0);
                let _ = write!(
                    out,
                    "<path d=\"M{:.1} {y0:.1}C{:.1} {mid:.1} {:.1} {mid:.1} {:.1} {y1:.1}\" fill=\"none\" stroke=\"#8a8f98\" stroke-width=\"1.6\"/>",
                    from.x, from.x, p.x, p.x
                );
                if p.node.is_none() {
                    let _ = write!(
                        out,
                        "<path d=\"M{:.1} {y1:.1}V{:.1}\" fill=\"none\" stroke=\"#8a8f98\" stroke-width=\"1.6\"/>",
                        p.x,
                        y1 + HEIGHT
                    );
                } else {
                    let _ = write!(out, "<path d=\"M{:.1} {:.1}l-4 -7h8z\" fill=\"#8a8f98\"/>", p.x, y1);
                }
                out.push('\n');
            }
        }
    }
    for (l, layer) in layers.iter().enumerate() {
        for p in layer {
            if let Some(i) = p.node {
                draw(&mut out, graph, i, p.x - WIDTH / 2.0, top(l));
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Nodes by their longest path from a source, with places for passing edges.
fn layers(graph: &Graph) -> Vec<Vec<Place>> {
    let nodes = graph.nodes();
    let mut depth = vec![0usize; nodes.len()];
    for (i, n) in nodes.iter().enumerate() {
        depth[i] = n.inputs.iter().map(|&x| depth[x] + 1).max().unwrap_or(0);
    }
    let count = depth.iter().max().map_or(1, |d| d + 1);
    let mut out: Vec<Vec<Place>> = (0..count).map(|_| vec![]).collect();
    let mut place = vec![0; nodes.len()];
    for (i, n) in nodes.iter().enumerate() {
        let mut up = vec![];
        for &x in &n.inputs {
            let mut at = place[x];
            for layer in &mut out[depth[x] + 1..depth[i]] {
                // One lane per reader: lanes of one source may run side by side.
                layer.push(Place {
                    node: None,
                    up: vec![at],
                    x: 0.0,
                });
                at = layer.len() - 1;
            }
            up.push(at);
        }
        let layer = &mut out[depth[i]];
        layer.push(Place {
            node: Some(i),
            up,
            x: 0.0,
        });
        place[i] = layer.len() - 1;
    }
    out
}

/// Sorts every layer by the mean place of its neighbours.
fn order(layers: &mut [Vec<Place>]) {
    for sweep in 0..SWEEPS {
        if sweep % 2 == 0 {
            for l in 1..layers.len() {
                let key: Vec<f64> = layers[l].iter().map(|p| mean(p.up.iter().map(|&u| u as f64))).collect();
                permute(layers, l, &key);
            }
        } else {
            for l in (0..layers.len().saturating_sub(1)).rev() {
                let mut below: Vec<Vec<f64>> = layers[l].iter().map(|_| vec![]).collect();
                for (at, p) in layers[l + 1].iter().enumerate() {
                    p.up.iter().for_each(|&u| below[u].push(at as f64));
                }
                let key: Vec<f64> = below.iter().map(|b| mean(b.iter().copied())).collect();
                permute(layers, l, &key);
            }
        }
    }
}

fn mean(v: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = v.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// Sorts one layer by `key`, and follows in the layer below.
fn permute(layers: &mut [Vec<Place>], l: usize, key: &[f64]) {
    let mut at: Vec<usize> = (0..key.len()).collect();
    at.sort_by(|&a, &b| key[a].total_cmp(&key[b]).then(a.cmp(&b)));
    let mut new = vec![0; at.len()];
    at.iter().enumerate().for_each(|(i, &old)| new[old] = i);
    let mut old: Vec<Option<Place>> = std::mem::take(&mut layers[l]).into_iter().map(Some).collect();
    layers[l] = at.iter().filter_map(|&i| old[i].take()).collect();
    if let Some(below) = layers.get_mut(l + 1) {
        below
            .iter_mut()
            .for_each(|p| p.up.iter_mut().for_each(|u| *u = new[*u]));
    }
}

/// Centres every layer, then pulls single columns straight.
fn spread(layers: &mut [Vec<Place>]) {
    let row = |layer: &[Place]| {
        let gaps = GAP_X * layer.len().saturating_sub(1) as f64;
        layer.iter().map(Place::width).sum::<f64>() + gaps
    };
    let widest = layers.iter().map(|l| row(l)).fold(0.0, f64::max);
    for layer in layers {
        let mut x = MARGIN + (widest - row(layer)) / 2.0;
        for p in layer {
            p.x = x + p.width() / 2.0;
            x += p.width() + GAP_X;
        }
    }
}

/// Fill and border by what an operator does.
fn colours(op: &Op) -> (&'static str, &'static str) {
    match op {
        Op::Input | Op::Constant(_) => ("#e6eefc", "#4a78c8"),
        Op::Dense(_) | Op::Conv(_) | Op::Trees(_) => ("#fdebd3", "#c8832a"),
        Op::Affine(_) | Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Poly(_) => ("#fdf6d3", "#b39a1e"),
        Op::Requant(_) | Op::Rescale(_) | Op::Table(_) => ("#e3f4e5", "#3f9450"),
        Op::MaxPool(_) | Op::SumPool(_) => ("#e2f3f6", "#3a8fa0"),
        Op::Argmax(_) | Op::Value(_) => ("#f9e1ea", "#b8487a"),
        _ => ("#efeff1", "#83868d"),
    }
}

fn draw(out: &mut String, graph: &Graph, i: usize, x: f64, y: f64) {
    let n: &Node = &graph.nodes()[i];
    let (fill, border) = colours(&n.op);
    let mut attributes = Attributes::default();
    if let Some(rule) = n.op.rule() {
        rule.write(&mut attributes);
    }
    let all = attributes.text();
    let shape: Vec<String> = n.kind.shape.iter().map(usize::to_string).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<g><title>%{i} = {}{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"9\" fill=\"{fill}\" stroke=\"{border}\" stroke-width=\"1.4\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"14\" font-weight=\"600\" fill=\"#24272c\">{}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"end\" fill=\"{border}\">%{i}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10.5\" fill=\"#4c5058\">{}</text>\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10.5\" fill=\"#4c5058\">{} in {}..{}</text></g>",
        escape(n.op.name()),
        escape(&all),
        x + 12.0,
        y + 22.0,
        escape(n.op.name()),
        x + WIDTH - 12.0,
        y + 22.0,
        x + 12.0,
        y + 40.0,
        escape(&short(&all)),
        x + 12.0,
        y + 56.0,
        shape.join("×"),
        human(n.kind.low),
        human(n.kind.high)
    );
}

/// What fits a node: attributes at their usual value are left out.
fn short(attributes: &str) -> String {
    const USUAL: [&str; 8] = [
        "stride=1x1",
        "dilation=1x1",
        "before=0x0",
        "after=0x0",
        "groups=1",
        "weights=i8",
        "ties=first",
        "left=0",
    ];
    let words: Vec<&str> = attributes.split(' ').filter(|w| !USUAL.contains(w)).collect();
    let text = words.join(" ").trim().to_owned();
    if text.chars().count() <= 36 {
        return text;
    }
    text.chars().take(35).chain(['…']).collect()
}

fn human(v: i64) -> String {
    match v.unsigned_abs() {
        a if a >= 10_000_000_000 => format!("{}G", v / 1_000_000_000),
        a if a >= 10_000_000 => format!("{}M", v / 1_000_000),
        a if a >= 100_000 => format!("{}k", v / 1000),
        _ => v.to_string(),
    }
}

/// Text for XML.
pub(crate) fn escape(s: &str) -> String {
    s.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            c if c.is_control() => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Schema};
    use crate::ops::{Add, Argmax, Dense, Requant};

    #[test]
    fn every_node_and_edge_is_drawn_and_none_overlap() {
        let schema = Schema::bytes([4], 9, 4);
        let mut b = Builder::new(schema).unwrap();
        let (shift, bits, min, max) = (2, 12, 0, 255);
        let d = b.add(Dense { outputs: 4, bits: 8 }, &[0]).unwrap();
        let r = b.add(Requant { shift, bits, min, max }, &[d]).unwrap();
        let e = b.add(Dense { outputs: 4, bits: 8 }, &[r]).unwrap();
        // An edge over three layers.
        let s = b.add(Add { left: 0, right: 1 }, &[e, 0]).unwrap();
        b.add(Argmax { bits: 24 }, &[s]).unwrap();
        let g = b.finish(1).unwrap();
        let picture = svg(&g);
        assert_eq!(picture.matches("<g>").count(), 6);
        assert!(!picture.contains("script") && picture.ends_with("</svg>\n"));
        let mut l = layers(&g);
        order(&mut l);
        spread(&mut l);
        for layer in &l {
            for pair in layer.windows(2) {
                assert!(pair[0].x + pair[0].width() / 2.0 < pair[1].x - pair[1].width() / 2.0);
            }
        }
        assert_eq!(escape("a<b>&\"\n"), "a&lt;b&gt;&amp;&quot; ");
    }
}
