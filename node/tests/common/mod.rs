//! The real binary as a process: run to its end, or started, watched and stopped.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zkaggle_ipld::build::{Built, FolderBuilder};
use zkaggle_net::{Blockstore, Cid, DiskBlockstore, Visibility};

/// Longest a command may take that does not run until it is told to stop.
const COMMAND: Duration = Duration::from_secs(120);

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Demands success.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Demands an exit code and words of the one error line on stderr, with nothing on stdout.
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        for w in words {
            assert!(self.stderr.contains(w), "no {w:?} in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }

    /// The one JSON document on stdout.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// The binary, without any setting of the caller's environment.
pub fn zkaggle() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_zkaggle"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ZKAGGLE_") {
            c.env_remove(name);
        }
    }
    c.stdin(Stdio::null());
    c
}

/// Runs a command to its end.
pub fn finish(c: &mut Command) -> Finished {
    let scratch = tempfile::tempdir().unwrap();
    let (out, err) = (scratch.path().join("out"), scratch.path().join("err"));
    c.stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap());
    let mut child = Guard(c.spawn().unwrap());
    let status = child
        .wait(COMMAND)
        .unwrap_or_else(|| panic!("{c:?} still runs after {COMMAND:?}"));
    Finished {
        code: status.code().unwrap_or(-1),
        stdout: std::fs::read_to_string(out).unwrap(),
        stderr: std::fs::read_to_string(err).unwrap(),
    }
}

/// Runs `zkaggle` with these arguments.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    finish(zkaggle().args(args))
}

/// A child that does not outlive its test.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            if since.elapsed() > within {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended already; a failure here has no remedy.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `zkaggle daemon` or `zkaggle devnet`.
#[derive(Debug)]
pub struct Service {
    name: String,
    child: Guard,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Service {
    /// Starts it with its output in files of `logs`, and waits until it says that it is ready.
    pub fn start(name: &str, logs: &Path, c: &mut Command) -> Self {
        let (stdout, stderr) = (logs.join(format!("{name}.out")), logs.join(format!("{name}.err")));
        c.stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        let mut me = Self {
            name: name.into(),
            child: Guard(c.spawn().unwrap()),
            stdout,
            stderr,
        };
        let since = Instant::now();
        while !me.stdout().lines().any(|l| l == "ready") {
            assert!(me.child.0.try_wait().unwrap().is_none(), "{}", me.told());
            assert!(since.elapsed() < COMMAND, "{}", me.told());
            std::thread::sleep(Duration::from_millis(50));
        }
        me
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap()
    }

    /// Everything it wrote, for a failure's message.
    pub fn told(&self) -> String {
        format!(
            "{}:\n{}\n{}",
            self.name,
            self.stdout(),
            std::fs::read_to_string(&self.stderr).unwrap()
        )
    }

    /// What follows `key` on its line of stdout.
    pub fn value(&self, key: &str) -> String {
        let out = self.stdout();
        let found = out.lines().find_map(|l| l.strip_prefix(key).map(str::trim));
        found
            .unwrap_or_else(|| panic!("no {key:?} in {}", self.told()))
            .to_owned()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM and demands an orderly end within `within`.
    pub fn stop(mut self, within: Duration) {
        let pid = self.child.0.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status()
            .unwrap();
        assert!(sent.success());
        self.ended(within);
    }

    /// Demands that it ends by itself, in order, within `within`.
    pub fn ended(&mut self, within: Duration) {
        let status = self.child.wait(within);
        let status = status.unwrap_or_else(|| panic!("still runs after {within:?}: {}", self.told()));
        assert!(status.success(), "{status}: {}", self.told());
    }
}

/// A data or model file that ships with the program.
pub fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// A password file in `dir`.
pub fn password(dir: &Path) -> PathBuf {
    let path = dir.join("password");
    std::fs::write(&path, "correct horse battery staple\n").unwrap();
    path
}

/// Makes a node's folder; returns its account.
pub fn init(dir: &Path, role: &str, password: &Path) -> String {
    let done = finish(
        zkaggle()
            .args(["--json", "init", "--role", role, "--dir"])
            .arg(dir)
            .arg("--password-file")
            .arg(password),
    )
    .ok();
    done.json()["account"].as_str().unwrap().to_owned()
}

/// `dataset import` of digits' records.
pub fn import_digits(file: &Path, dir: &Path) -> Command {
    let mut c = zkaggle();
    c.args(["--json", "dataset", "import"])
        .arg(file)
        .args(["--shape", "8,8", "--max", "16", "--classes", "10", "--sealed"])
        .args(["--name", "UCI digits", "--licence", "CC BY 4.0", "--dir"])
        .arg(dir);
    c
}

/// Stores the folder with these entries, which the store holds, and says its CID.
pub fn folder(store: &DiskBlockstore, entries: &[(String, Cid)]) -> String {
    let mut out = FolderBuilder::default();
    for (name, cid) in entries {
        let size = store.info(cid).unwrap().size;
        let built = Built {
            cid: *cid,
            size,
            tsize: size,
            blocks: 1,
        };
        out.insert(name.clone(), built).unwrap();
    }
    let mut keep = |cid: Cid, block: &[u8]| {
        store
            .put_block(&cid, block, Visibility::Public)
            .map_err(std::io::Error::other)
    };
    out.finish(&mut keep).unwrap().cid.to_string()
}

/// The entries of a dataset's folder: its manifest, and shards by the names that importers give them.
pub fn dataset_entries(manifest: Cid, shards: &[Cid]) -> Vec<(String, Cid)> {
    let names = (0..).map(|i| format!("shard-{i:05}.bin"));
    let named = names.zip(shards.iter().copied());
    [("manifest.json".to_owned(), manifest)]
        .into_iter()
        .chain(named)
        .collect()
}

/// `model import` of a digits network.
pub fn import_model(onnx: &Path, samples: u32, out: &Path, arch: &Path) -> Command {
    let mut c = zkaggle();
    c.args(["model", "import"])
        .arg(onnx)
        .arg("--calibrate")
        .arg(asset("digits-train.bin"))
        .args(["--shape", "8,8", "--max", "16", "--classes", "10", "--samples"])
        .arg(samples.to_string())
        .arg("--out")
        .arg(out)
        .arg("--arch")
        .arg(arch);
    c
}
