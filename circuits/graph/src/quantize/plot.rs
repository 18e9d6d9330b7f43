//! A report as SVG: error and saturation per layer, and the confusion matrix.

use super::report::Report;
use crate::picture::escape;
use std::fmt::Write as _;

const BAR: f64 = 22.0;
const LABEL: f64 = 190.0;
const CHART: f64 = 460.0;
const MARGIN: f64 = 24.0;

fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"ui-sans-serif,system-ui,Helvetica,Arial,sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fbfaf7\"/>\n\
         <text x=\"{MARGIN}\" y=\"34\" font-size=\"16\" font-weight=\"600\" fill=\"#24272c\">{}</text>\n",
        escape(title)
    )
}

/// Bars of the root-mean-square error of every layer, with the share that saturates beside them.
pub fn layers(report: &Report) -> String {
    let height = 2.0 * MARGIN + 54.0 + BAR * report.layers.len() as f64;
    let mut out = open(
        LABEL + CHART + 150.0,
        height,
        "Error per layer, integers against floats",
    );
    let top = report.layers.iter().fold(1e-9f64, |m, l| m.max(l.rms_error));
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"54\" font-size=\"11\" fill=\"#4c5058\">root mean square, as a share of the layer's own; bars end at {:.2} %</text>",
        100.0 * top
    );
    for (i, l) in report.layers.iter().enumerate() {
        let y = 68.0 + i as f64 * BAR;
        let name: String = l.name.chars().take(22).collect();
        let saturated = 100.0 * l.saturated as f64 / l.outputs.max(1) as f64;
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"{:.1}\" font-size=\"11\" fill=\"#24272c\">%{} {}</text>\
             <rect x=\"{LABEL}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#4c5058\">{:.2} %{}</text>",
            y + 13.0,
            l.node,
            escape(&name),
            (CHART * l.rms_error / top).max(1.0),
            BAR - 6.0,
            if saturated > 0.1 { "#c8532a" } else { "#3f9450" },
            LABEL + CHART * l.rms_error / top + 8.0,
            y + 13.0,
            100.0 * l.rms_error,
            if saturated > 0.0 {
                format!(", {saturated:.3} % cut off")
            } else {
                String::new()
            }
        );
    }
    out.push_str("</svg>\n");
    out
}

/// The confusion matrix: rows are labels, columns the integer network's predictions.
pub fn confusion(report: &Report) -> String {
    let n = report.confusion.len().max(1) as f64;
    let cell = (640.0 / n).clamp(4.0, 44.0);
    let (left, top) = (70.0, 84.0);
    let mut out = open(left + cell * n + MARGIN, top + cell * n + MARGIN, "Confusion matrix");
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"54\" font-size=\"11\" fill=\"#4c5058\">rows: label, columns: prediction of the integer network</text>"
    );
    for (label, row) in report.confusion.iter().enumerate() {
        let all: u32 = row.iter().sum();
        let y = top + label as f64 * cell;
        if cell >= 12.0 {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"end\" fill=\"#4c5058\">{label}</text>\
                 <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"middle\" fill=\"#4c5058\">{label}</text>",
                left - 8.0,
                y + cell / 2.0 + 4.0,
                left + label as f64 * cell + cell / 2.0,
                top - 8.0
            );
        }
        for (predicted, &count) in row.iter().enumerate() {
            let share = f64::from(count) / f64::from(all.max(1));
            let x = left + predicted as f64 * cell;
            let colour = if label == predicted { "63,148,80" } else { "200,83,42" };
            let strength = if count == 0 { 0.0 } else { 0.15 + 0.85 * share };
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell:.1}\" height=\"{cell:.1}\" fill=\"rgb({colour})\" fill-opacity=\"{strength:.3}\" stroke=\"#e4e2dc\"><title>label {label}, predicted {predicted}: {count}</title></rect>"
            );
            if cell >= 26.0 && count > 0 {
                let _ = writeln!(
                    out,
                    "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"middle\" fill=\"{}\">{count}</text>",
                    x + cell / 2.0,
                    y + cell / 2.0 + 4.0,
                    if share > 0.5 { "#ffffff" } else { "#24272c" }
                );
            }
        }
    }
    out.push_str("</svg>\n");
    out
}
