//! What the tests of hostile files share.

use std::path::{Path, PathBuf};
use zkaggle_import::{Options, read};

pub fn samples(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

pub struct Room(pub tempfile::TempDir);

impl Room {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn refused(&self, path: &Path, options: &Options, says: &str) {
        let e = read(&[path.to_owned()], options, self.0.path())
            .unwrap_err()
            .to_string();
        assert!(e.contains(says), "{}: {says:?} is expected of {e:?}", path.display());
    }
}

pub fn labels(path: PathBuf) -> Options {
    Options {
        labels: vec![path],
        ..Options::default()
    }
}

pub fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.bytes());
    out.extend(body);
    out
}
