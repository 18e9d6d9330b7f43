//! Key files: whole or not at all, and each kind of damage refused by name.

use std::fs;
use std::path::{Path, PathBuf};
use zkaggle_circuits::backend::groth16::file::KeyFileError;
use zkaggle_circuits::backend::groth16::{ReleaseKey, ReleaseVerifyingKey};
use zkaggle_graph::graph::CapacityClass;

const CLASS: CapacityClass = CapacityClass::K4;

/// A folder of this test's own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zkaggle-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refusal(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).unwrap();
    let e = ReleaseKey::read(path).unwrap_err();
    assert!(matches!(e, KeyFileError::Content { .. }), "{e}");
    let e = e.to_string();
    assert!(e.contains(&path.display().to_string()), "{e}");
    e
}

#[test]
fn keys_are_made_once_read_back_and_damage_is_named() {
    let dir = Folder::new("release-keys");
    let made = ReleaseKey::load_or_setup(&dir.0, CLASS).unwrap();
    let path = ReleaseKey::path(&dir.0, CLASS);
    let good = fs::read(&path).unwrap();
    let cached = ReleaseKey::load_or_setup(&dir.0, CLASS).unwrap();
    let read = ReleaseKey::read(&path).unwrap();
    let verifying = ReleaseVerifyingKey::read(&path.with_extension("vk")).unwrap();
    for k in [cached.evm_key(), read.evm_key(), verifying.evm_key()] {
        assert_eq!(k, made.evm_key());
    }
    assert!(good.windows(11).any(|w| w == b"zkaggle-dev"));
    // Nothing but the two keys is left behind.
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 2);

    let scratch = dir.0.join("scratch.key");
    let change = |at: usize, value: u8| {
        let mut b = good.clone();
        b[at] = value;
        b
    };
    assert!(refusal(&scratch, &good[..40]).contains("truncated, 40 bytes"));
    assert!(refusal(&scratch, &good[..good.len() - 1]).contains("truncated"));
    let mut longer = good.clone();
    longer.push(0);
    assert!(refusal(&scratch, &longer).contains("1 trailing bytes"));
    assert!(refusal(&scratch, &change(0, b'Z')).contains("not a release key"));
    assert!(refusal(&scratch, &change(19, 2)).contains("format version 2"));
    assert!(refusal(&scratch, &change(23, 2)).contains("key kind 2"));
    assert!(refusal(&scratch, &change(27, 1)).contains("no capacity class of 4097 bytes"));
    assert!(refusal(&scratch, &change(28, b'Z')).contains("origin mark"));
    assert!(refusal(&scratch, &change(good.len() / 2, good[good.len() / 2] ^ 1)).contains("checksum"));
    assert!(refusal(&scratch, &fs::read(path.with_extension("vk")).unwrap()).contains("key kind 2"));

    // A forged file with a right checksum still has to hold points and the right circuit.
    let resum = |mut b: Vec<u8>| {
        use sha2::{Digest, Sha256};
        let body = b.len() - 32;
        let sum = Sha256::digest(&b[..body]);
        b[body..].copy_from_slice(&sum);
        b
    };
    let header = 100;
    // 64 Ki instead of 4 Ki.
    let mut larger = change(26, 0);
    larger[25] = 1;
    assert!(refusal(&scratch, &resum(change(61, good[61] ^ 1))).contains("another version of the release circuit"));
    assert!(refusal(&scratch, &resum(larger)).contains("another version"));
    let in_query = header + 1056 + 128 + 64 * 50 + 5;
    let e = refusal(&scratch, &resum(change(in_query, good[in_query] ^ 1)));
    assert!(e.contains("A[50]"), "{e}");
    let last = good.len() - 32 - 128 * 7 + 5;
    let e = refusal(&scratch, &resum(change(last, good[last] ^ 1)));
    assert!(e.contains("B in G2["), "{e}");
    assert!(ReleaseKey::read(&dir.0.join("absent.key")).is_err());

    // A damaged file is reported, not overwritten.
    fs::write(&path, &good[..1000]).unwrap();
    assert!(ReleaseKey::load_or_setup(&dir.0, CLASS).is_err());
    assert_eq!(fs::read(&path).unwrap().len(), 1000);
}
