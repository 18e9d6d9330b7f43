//! What `zkaggle doctor` says of the SRS, and of the IPFS programs that are installed.
//!
//! A program that is missing breaks nothing: Kubo and Helia are what the tests and `zkaggle bench bitswap` talk to.

use super::doctor::{Report, State};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zkaggle_circuits::backend::srs::{Srs, SrsError};

/// How long a program has to say its version.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const MAX_ANSWER: u64 = 256;

/// Reads every SRS in the keys folder whole: its digest, its generators, and its second power against its point in G2.
pub(super) fn srs(report: &mut Report, folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |name: &str| name.starts_with("srs-") && name.ends_with(".bin");
    let files = entries.filter(|entry| entry.file_name().to_str().is_some_and(named));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    files.sort();
    if files.is_empty() {
        let found = format!("none in {} yet: the first proof makes one", folder.display());
        return report.add("srs", State::Absent, found);
    }
    for path in files {
        match Srs::load(&path) {
            Ok(srs) => {
                let worth = match srs.is_development() {
                    true => "for development chains only: its secret is public",
                    false => "of a ceremony",
                };
                let id = hex::encode(&srs.id()[..4]);
                let found = format!("{}: 2^{} points, {worth}, id {id}…", path.display(), srs.k());
                report.add("srs", State::Ok, found);
            }
            // A damaged file is made again by whoever needs it.
            Err(e @ SrsError::Damaged { .. }) => report.add("srs", State::Warning, e.to_string()),
            Err(e) => report.broken("srs", &e.into()),
        }
    }
}

/// The Kubo program and the Helia folder.
pub(super) fn programs(report: &mut Report) {
    let missing = |report: &mut Report, name, whose: &str, cure: &str| {
        report.add(
            name,
            State::Absent,
            format!("none found, needed by {whose} alone: {cure}"),
        );
    };
    match program("ZKAGGLE_KUBO", "ipfs") {
        Some(kubo) => answered(report, "ipfs", &kubo, &["version", "--number"]),
        None => missing(
            report,
            "ipfs",
            "tests and `bench bitswap`",
            "put it on the path or name it in ZKAGGLE_KUBO",
        ),
    }
    let helia = std::env::var_os("ZKAGGLE_HELIA").map(PathBuf::from);
    match helia.map(|folder| folder.join("node_modules/.bin/node")) {
        Some(node) if node.exists() => answered(report, "helia", &node, &["--version"]),
        _ => missing(
            report,
            "helia",
            "tests",
            "name a copy of tests/helia with its packages in ZKAGGLE_HELIA",
        ),
    }
}

/// A program that a variable names, or that is on the path.
pub(super) fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    named.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    })
}

fn answered(report: &mut Report, name: &'static str, program: &Path, arguments: &[&str]) {
    match version(program, arguments) {
        Ok(version) => report.add(name, State::Ok, format!("{version} at {}", program.display())),
        Err(reason) => {
            let found = format!("{} does not say its version: {reason}", program.display());
            report.add(name, State::Warning, found);
        }
    }
}

/// The first line a program prints; it is ended when it takes too long.
fn version(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if started.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => break Err(format!("no answer within {} s", PATIENCE.as_secs())),
            Err(error) => break Err(error.to_string()),
        }
    };
    // Nothing to do for a process that cannot be ended, or has ended.
    let _ = child.kill();
    let _ = child.wait();
    let status = ended?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    let mut text = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(MAX_ANSWER)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
    }
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() {
        true => Err("it printed nothing".into()),
        false => Ok(line.chars().filter(|c| !c.is_control()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_or_fails_is_a_reason_and_not_a_version() {
        let sh = Path::new("/bin/sh");
        assert_eq!(version(sh, &["-c", "echo 1.2.3; echo more"]), Ok("1.2.3".into()));
        assert!(version(sh, &["-c", "exit 3"]).is_err_and(|e| e.contains('3')));
        assert!(version(sh, &["-c", ":"]).is_err_and(|e| e.contains("nothing")));
        assert!(version(Path::new("/nowhere/ipfs"), &[]).is_err());
    }

    #[test]
    fn an_srs_is_read_and_a_damaged_one_named() {
        let folder = tempfile::tempdir().unwrap();
        let states = |folder: &Path| {
            let mut report = Report::default();
            srs(&mut report, folder);
            report.0.iter().map(|check| check.state).collect::<Vec<_>>()
        };
        assert_eq!(states(folder.path()), [State::Absent]);
        Srs::load_or_create(folder.path(), 4).unwrap();
        assert_eq!(states(folder.path()), [State::Ok]);
        let path = folder.path().join("srs-development-4.bin");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(states(folder.path()), [State::Warning]);
    }
}
