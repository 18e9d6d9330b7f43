//! A running node: one role, ticking until it is told to stop.

use crate::progress::Reporter;
use crate::roles::Tick;
use crate::roles::hunter::Hunter;
use crate::roles::provider::Provider;
use anyhow::Result;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A role with its policy.
#[derive(Debug)]
pub enum Role {
    Provider(Box<Provider>),
    Hunter(Box<Hunter>),
}

impl Role {
    /// Does the next thing that is due.
    pub async fn tick(&mut self) -> Result<Tick> {
        match self {
            Self::Provider(p) => p.tick().await,
            Self::Hunter(h) => h.tick().await,
        }
    }
}

/// How a node behaves between ticks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Sleep after an idle tick.
    pub poll: Duration,
    /// Longest sleep after failures; it doubles from `poll` up to here.
    pub backoff: Duration,
    /// Give up after this many failures in a row; `None`: never, as a daemon must.
    pub give_up: Option<u32>,
    /// End when everything the role cares for is over.
    pub stop_when_done: bool,
}

impl Pace {
    /// A daemon: never ends by itself.
    pub fn daemon() -> Self {
        Self {
            poll: Duration::from_secs(1),
            backoff: Duration::from_secs(60),
            give_up: None,
            stop_when_done: false,
        }
    }

    /// A story: fails fast, ends when it is told out.
    pub fn story() -> Self {
        Self {
            poll: Duration::from_millis(100),
            backoff: Duration::from_secs(1),
            give_up: Some(4),
            stop_when_done: true,
        }
    }
}

/// Runs `role` until `stop`, or until the pace says it is over.
///
/// A failing tick is reported and tried again later: a peer or an endpoint that is away must not end
/// a node that holds an unclaimed prize. Stopping drops the tick under way: a transaction that was sent
/// is found on chain at the next start, and a proof that was not finished is made again.
///
/// # Errors
/// The last failure, when the pace gives up.
pub async fn run(mut role: Role, report: Reporter, pace: Pace, stop: CancellationToken) -> Result<()> {
    let mut failures = 0u32;
    loop {
        let tick = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            t = role.tick() => t,
        };
        let sleep = match tick {
            Ok(Tick::Worked) => {
                failures = 0;
                Duration::ZERO
            }
            Ok(Tick::Done) if pace.stop_when_done => return Ok(()),
            Ok(Tick::Idle | Tick::Done) => {
                failures = 0;
                pace.poll
            }
            Err(e) => {
                failures += 1;
                if pace.give_up.is_some_and(|n| failures >= n) {
                    return Err(e);
                }
                report.note(format!("will try again: {e:#}")).await;
                (pace.poll * 2u32.saturating_pow(failures.min(16))).min(pace.backoff)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
