//! Files and folders get the CIDs that Kubo gives them, and read back as they were.
//!
//! `kubo.tsv` was written by `kubo.sh` with a real daemon. With `ZKAGGLE_KUBO` naming an `ipfs` program, the table is
//! written anew and compared.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use zkaggle_ipld::build::{Built, FileOptions, Leaves, Sink, add_file, add_path};
use zkaggle_ipld::walk::{self, Given, Limits, WalkError};
use zkaggle_ipld::{Cid, verify};

const TABLE: &str = include_str!("kubo.tsv");

/// The content that `kubo.sh` writes.
fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size)
        .map(|i| ((i * 31 + (i >> 8) * 17 + seed) % 251) as u8)
        .collect()
}

fn rows(kind: &str) -> Vec<Vec<&'static str>> {
    let rows: Vec<Vec<_>> = TABLE.lines().map(|l| l.split('\t').collect()).collect();
    rows.into_iter().filter(|r: &Vec<&str>| r[0] == kind).collect()
}

/// Blocks by name, each checked as it comes.
#[derive(Default)]
struct Blocks(RefCell<BTreeMap<Cid, Vec<u8>>>);

impl Blocks {
    fn build<T>(&self, make: impl FnOnce(&mut Sink<'_>) -> T) -> T {
        make(&mut |cid, bytes| {
            verify(&cid, bytes).map_err(io::Error::other)?;
            self.0.borrow_mut().insert(cid, bytes.to_vec());
            Ok(())
        })
    }

    fn get(&self, cid: &Cid) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(cid).cloned())
    }

    /// Every path below a root with its file's bytes, a folder's `None`, or a symlink's target.
    fn read(&self, root: &Built) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut out: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        walk::each(
            root.cid,
            Limits::default(),
            |c| self.get(c),
            |_, given| {
                match given {
                    Given::File { path, bytes, .. } => drop(out.insert(path, Some(bytes.into_owned()))),
                    Given::Part { path, offset, bytes } => {
                        let file = out.get_mut(&path).and_then(Option::as_mut).expect("the file began");
                        assert_eq!(file.len() as u64, offset, "one by one, parts come in order");
                        file.extend_from_slice(&bytes);
                    }
                    Given::Folder { path } => drop(out.insert(path, None)),
                    Given::Symlink { path, target } => drop(out.insert(path, Some(target.into_bytes()))),
                    Given::Inner => {}
                }
                Ok::<_, WalkError>(())
            },
        )
        .unwrap();
        out
    }
}

#[test]
fn files_get_kubos_cids_and_read_back() {
    let rows = rows("file");
    assert!(rows.len() > 60);
    for row in rows {
        let [size, chunk] = [row[1], row[2]].map(|n| n.parse::<usize>().unwrap());
        let leaves = if row[3] == "true" { Leaves::Raw } else { Leaves::DagPb };
        let options = FileOptions {
            chunk,
            leaves,
            ..FileOptions::default()
        };
        let bytes = content(size, 0);
        let blocks = Blocks::default();
        let built = blocks.build(|sink| add_file(&bytes[..], &options, sink)).unwrap();
        assert_eq!(built.cid.to_string(), row[4], "{row:?}");
        assert_eq!(built.size, size as u64);
        let read = blocks.read(&built);
        assert!(read[""].as_ref() == Some(&bytes), "{row:?}");
    }
}

/// Makes the folders of `kubo.sh`.
fn folders(dir: &Path) {
    let file = |name: &str, size, seed| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content(size, seed)).unwrap();
    };
    for empty in ["empty", "nested/empty", "listing", "sharded", "deep"] {
        std::fs::create_dir_all(dir.join(empty)).unwrap();
    }
    for (name, size, seed) in [
        ("b", 10, 1),
        ("a", 0, 2),
        ("B", 300_000, 3),
        ("a.b", 5, 4),
        (".hidden", 5, 5),
    ] {
        file(&format!("flat/{name}"), size, seed);
    }
    file("nested/x/y/z/deep", 10, 1);
    file("nested/x/one", 20, 2);
    for name in ["ä", "zebra", "日本", "🙂", "a b", "quote'\"", "Z", "0", "00", "é"] {
        file(&format!("names/{name}"), 7, 7);
    }
    file("links/file", 7, 7);
    std::os::unix::fs::symlink("file", dir.join("links/symlink")).unwrap();
    std::os::unix::fs::symlink("../nowhere", dir.join("links/broken")).unwrap();
    for (name, n, width) in [("listing", 4095, 28), ("sharded", 4096, 28), ("deep", 9000, 12)] {
        for i in 0..n {
            file(&format!("{name}/{i:0width$}"), 0, 0);
        }
    }
}

#[test]
fn folders_get_kubos_cids_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    folders(dir.path());
    let rows = rows("folder");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let blocks = Blocks::default();
        let path = dir.path().join(row[1]);
        let built = blocks
            .build(|sink| add_path(&path, &FileOptions::default(), sink))
            .unwrap();
        assert_eq!(built.cid.to_string(), row[2], "{row:?}");
        for (name, bytes) in blocks.read(&built) {
            let at = path.join(&name);
            match bytes {
                None => assert!(at.is_dir(), "{name}"),
                Some(target) if at.is_symlink() => {
                    assert_eq!(std::fs::read_link(&at).unwrap().to_str().unwrap().as_bytes(), target);
                }
                Some(bytes) => assert_eq!(std::fs::read(&at).unwrap(), bytes, "{name}"),
            }
        }
        let expected = if row[1] == "flat" {
            4 + 1
        } else {
            blocks.read(&built).len()
        };
        assert_eq!(blocks.read(&built).len(), expected, "hidden files stay out");
    }
}

#[test]
fn the_table_is_what_this_kubo_says() {
    let Some(ipfs) = std::env::var_os("ZKAGGLE_KUBO") else {
        println!("SKIPPED: ZKAGGLE_KUBO names no ipfs program, the committed table was not compared with a live one");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubo.sh");
    let out = std::process::Command::new("bash")
        .arg(script)
        .arg(ipfs)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let lines = |t: &str| {
        t.lines()
            .filter(|l| !l.starts_with('#'))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&String::from_utf8(out.stdout).unwrap()), lines(TABLE));
}
