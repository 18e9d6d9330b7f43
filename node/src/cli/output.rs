//! Text for people or one JSON document for machines, on stdout.

use anyhow::Result;
use serde::Serialize;

/// Chosen by `--json`.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `value` as JSON, or `text`.
    pub fn print(&self, value: &impl Serialize, text: &str) -> Result<()> {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        let written = if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(value)?)
        } else {
            writeln!(out, "{text}")
        };
        // A reader that closed the pipe has seen enough.
        match written {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }
}
