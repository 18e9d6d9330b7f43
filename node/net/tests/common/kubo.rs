//! A real Kubo daemon.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use zkaggle_net::{Multiaddr, PeerId};

/// A daemon of its own folder on loopback, alone: no bootstrap peers, no discovery. Killed on drop.
pub struct Kubo {
    binary: PathBuf,
    folder: TempDir,
    daemon: Child,
}

impl Kubo {
    /// Starts `ZKAGGLE_KUBO`, or `ipfs` from the path; `None`, with a printed line, when there is neither.
    pub fn start() -> Option<Self> {
        let binary = std::env::var_os("ZKAGGLE_KUBO").map(PathBuf::from).or_else(on_path);
        let Some(binary) = binary else {
            println!("SKIPPED: no Kubo: neither ZKAGGLE_KUBO nor `ipfs` on the path (see docs/network.md)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        run(&binary, folder.path(), &["init", "--profile=test"]);
        let daemon = command(&binary, folder.path())
            .arg("daemon")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let kubo = Self { binary, folder, daemon };
        let started = Instant::now();
        while !kubo.folder.path().join("api").exists() {
            assert!(started.elapsed() < Duration::from_secs(120), "the daemon did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(kubo)
    }

    pub fn api(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("api"))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub fn run(&self, arguments: &[&str]) -> Vec<u8> {
        run(&self.binary, self.folder.path(), arguments)
    }

    /// Runs a command and returns its one line.
    pub fn line(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run(arguments)).unwrap().trim().to_owned()
    }

    /// Ends the daemon as a crash would.
    pub fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    pub fn id(&self) -> PeerId {
        String::from_utf8(self.run(&["id", "-f", "<id>"]))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    pub fn address(&self) -> Multiaddr {
        let text = String::from_utf8(self.run(&["id", "-f", "<addrs>"])).unwrap();
        let tcp = |line: &&str| line.starts_with("/ip4/127.0.0.1/tcp/") && !line.contains("/ws");
        text.lines()
            .find(tcp)
            .expect("a TCP address on loopback")
            .parse()
            .unwrap()
    }
}

impl Drop for Kubo {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("ipfs"))
        .find(|file| file.is_file())
}

fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env("IPFS_PATH", folder).env("IPFS_TELEMETRY", "off");
    command
}

fn run(binary: &Path, folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = command(binary, folder).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
