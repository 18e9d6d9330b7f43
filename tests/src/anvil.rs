//! Anvil as a process of its own, ended with the test.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The variable that names anvil's binary.
pub const VARIABLE: &str = "ZKAGGLE_ANVIL";
/// How long anvil may take to listen.
const PATIENCE: Duration = Duration::from_secs(180);

/// The binary to use; `None`, said aloud, when the variable is not set.
pub fn binary() -> Option<PathBuf> {
    let found = std::env::var_os(VARIABLE).map(PathBuf::from);
    if found.is_none() {
        eprintln!("SKIPPED: {VARIABLE} names no anvil, this story is played on the embedded chain only");
    }
    found
}

/// A running anvil.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// When it does not start or does not say where it listens.
    pub fn start(binary: PathBuf) -> Result<Self> {
        let mut child = Command::new(&binary)
            .args(["--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let output = child.stdout.take().context("anvil's output")?;
        let (found, line) = mpsc::sync_channel(1);
        // Reads to the end, so that anvil never waits for a full pipe.
        std::thread::spawn(move || {
            for text in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = text.strip_prefix("Listening on ") {
                    let _ = found.try_send(address.trim().to_owned());
                }
            }
        });
        let mut me = Self {
            child,
            url: String::new(),
        };
        match line.recv_timeout(PATIENCE) {
            Ok(address) => me.url = format!("http://{address}"),
            Err(e) => bail!("{} does not say where it listens: {e}", binary.display()),
        }
        Ok(me)
    }

    /// Its JSON-RPC endpoint.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
