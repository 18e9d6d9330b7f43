//! What a node tells whoever watches it: steps started, steps finished with their cost, notes.

use crate::measure::Measure;
use anyhow::Result;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
pub use zkaggle_tui::timeline::Step;

/// Something a node wants known. Names no secret.
#[derive(Clone, Debug)]
pub enum Event {
    Started {
        who: String,
        name: String,
        expected: Option<Duration>,
    },
    Finished(Step),
    Failed {
        who: String,
        name: String,
        reason: String,
    },
    Note {
        who: String,
        text: String,
    },
}

/// What a step cost besides time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub gas: Option<u64>,
    pub bytes: Option<u64>,
}

impl Cost {
    pub fn gas(gas: u64) -> Self {
        Self {
            gas: Some(gas),
            bytes: None,
        }
    }

    pub fn bytes(bytes: usize) -> Self {
        Self {
            gas: None,
            bytes: Some(bytes as u64),
        }
    }

    pub fn and_bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes as u64);
        self
    }
}

/// One node's line to its watcher.
#[derive(Clone, Debug)]
pub struct Reporter {
    who: String,
    events: Option<mpsc::Sender<Event>>,
}

impl Reporter {
    /// Reports as `who`; a full channel makes the node wait, which is what a slow watcher should do.
    pub fn new(who: impl Into<String>, events: mpsc::Sender<Event>) -> Self {
        Self {
            who: who.into(),
            events: Some(events),
        }
    }

    /// Reports to the log alone.
    pub fn log_only(who: impl Into<String>) -> Self {
        Self {
            who: who.into(),
            events: None,
        }
    }

    /// Reports to the log, and every step that takes a second or more to stderr, for a command that
    /// somebody waits for. `live`: stderr is a terminal, so what runs is shown as well.
    pub fn on_stderr(who: impl Into<String>, live: bool) -> Self {
        let (events, mut rx) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Some(e) = rx.recv().await {
                match e {
                    Event::Started { name, .. } if live => eprint!("\r\x1b[K{:>8}  {name} …", ""),
                    Event::Finished(s) if live || s.seconds >= 1.0 => {
                        let clear = if live { "\r\x1b[K" } else { "" };
                        eprintln!("{clear}{:>6.1} s  {}", s.seconds, s.name);
                    }
                    Event::Failed { .. } if live => eprint!("\r\x1b[K"),
                    Event::Note { text, .. } => eprintln!("{:>8}  {text}", ""),
                    _ => {}
                }
            }
        });
        Self::new(who, events)
    }

    pub fn who(&self) -> &str {
        &self.who
    }

    async fn tell(&self, e: Event) {
        match &e {
            Event::Started { who, name, .. } => tracing::debug!(who, "started: {name}"),
            Event::Finished(s) => tracing::info!(
                who = s.who,
                seconds = format!("{:.2}", s.seconds),
                gas = s.gas,
                bytes = s.bytes,
                "{}",
                s.name
            ),
            Event::Failed { who, name, reason } => tracing::warn!(who, "{name}: {reason}"),
            Event::Note { who, text } => tracing::info!(who, "{text}"),
        }
        if let Some(tx) = &self.events {
            // The watcher may have left; the node's work does not depend on it.
            let _ = tx.send(e).await;
        }
    }

    pub async fn note(&self, text: impl Into<String>) {
        self.tell(Event::Note {
            who: self.who.clone(),
            text: text.into(),
        })
        .await;
    }

    /// Runs a step and reports its time, peak memory and cost.
    ///
    /// `expected` is how long it took when last measured, for a progress bar.
    pub async fn step<T>(
        &self,
        name: impl Into<String>,
        expected: Option<Duration>,
        work: impl Future<Output = Result<(T, Cost)>>,
    ) -> Result<T> {
        let name = name.into();
        self.tell(Event::Started {
            who: self.who.clone(),
            name: name.clone(),
            expected,
        })
        .await;
        let measure = Measure::start();
        match work.await {
            Ok((out, cost)) => {
                let step = Step {
                    name,
                    who: self.who.clone(),
                    seconds: measure.seconds(),
                    gas: cost.gas,
                    bytes: cost.bytes,
                    peak_rss_mib: measure.peak_mib(),
                };
                self.tell(Event::Finished(step)).await;
                Ok(out)
            }
            Err(e) => {
                let reason = format!("{e:#}");
                self.tell(Event::Failed {
                    who: self.who.clone(),
                    name: name.clone(),
                    reason,
                })
                .await;
                Err(e.context(name))
            }
        }
    }
}
