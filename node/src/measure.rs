//! Seconds and peak memory of a step.
//!
//! Peak memory is the largest resident size seen while the step ran, sampled, because the kernel's
//! own high-water mark cannot be told apart for steps that overlap.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(25);

/// Resident memory of this process in bytes; 0 where the system does not tell.
pub fn resident_bytes() -> u64 {
    // Linux: the second field of /proc/self/statm counts resident pages.
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    text.split_whitespace()
        .nth(1)
        .and_then(|f| f.parse::<u64>().ok())
        .map_or(0, |pages| pages * 4096)
}

type Watchers = Mutex<Vec<Weak<AtomicU64>>>;

fn watchers() -> &'static Watchers {
    static WATCHERS: OnceLock<Watchers> = OnceLock::new();
    WATCHERS.get_or_init(|| {
        // One sampling thread for the process; it idles cheaply when nothing is measured.
        let spawned = std::thread::Builder::new().name("memory-sampler".into()).spawn(|| {
            loop {
                std::thread::sleep(PERIOD);
                let mut list = watchers().lock().unwrap_or_else(PoisonError::into_inner);
                list.retain(|w| w.strong_count() > 0);
                if !list.is_empty() {
                    let now = resident_bytes();
                    for w in list.iter().filter_map(Weak::upgrade) {
                        w.fetch_max(now, Ordering::Relaxed);
                    }
                }
            }
        });
        if let Err(e) = spawned {
            tracing::warn!("memory is not sampled: {e}");
        }
        Mutex::new(vec![])
    })
}

/// A running measurement.
#[derive(Debug)]
pub struct Measure {
    since: Instant,
    peak: Arc<AtomicU64>,
}

impl Measure {
    pub fn start() -> Self {
        let peak = Arc::new(AtomicU64::new(resident_bytes()));
        watchers()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(&peak));
        Self {
            since: Instant::now(),
            peak,
        }
    }

    pub fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Largest resident size so far, in MiB, rounded up.
    pub fn peak_mib(&self) -> u64 {
        self.peak.fetch_max(resident_bytes(), Ordering::Relaxed);
        self.peak.load(Ordering::Relaxed).div_ceil(1 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_remembered_after_the_memory_is_gone() {
        let m = Measure::start();
        let before = m.peak_mib();
        let block = vec![1u8; 200 << 20];
        std::thread::sleep(PERIOD * 8);
        assert!(block.iter().step_by(4096).all(|&b| b == 1));
        drop(block);
        assert!(m.peak_mib() >= before + 150, "{} after {before}", m.peak_mib());
    }
}
