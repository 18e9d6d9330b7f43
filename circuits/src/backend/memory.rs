//! Peak resident memory of a measured stretch, for benchmarks.

use std::fs;
use std::io;

/// Forgets the peak so far: the next [`peak`] counts from the present use.
///
/// # Errors
/// Where the kernel has no such counter (anything but Linux), or forbids it.
pub fn reset_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// Highest resident memory in bytes since the process began or [`reset_peak`] was called.
///
/// # Errors
/// Where the kernel has no such counter.
pub fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.trim().strip_suffix("kB"))
        .and_then(|n| n.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "no VmHWM line in /proc/self/status"))
}
