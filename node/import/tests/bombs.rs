//! Small files that unpack to much, or say so: what is taken for them is measured.

mod common;

use common::{Room, labels, npy, samples};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use zkaggle_import::Options;

/// One test at a time, since the system counts a process's memory and not a test's.
static ALONE: Mutex<()> = Mutex::new(());

/// Largest resident size of this process so far, in MiB, where the system tells.
fn peak_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: 0");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Zeros, 64 MiB of them, in a few kilobytes behind headers that promise little or much.
#[test]
fn what_unpacks_to_more_than_its_header_promises_is_cut_off() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    let before = peak_mib();
    let zip = |entries: &[(&str, &[u8], usize)]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
        for (name, head, zeros) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(head).unwrap();
            let block = vec![0; 1 << 20];
            for _ in 0..zeros >> 20 {
                zip.write_all(&block).unwrap();
            }
        }
        zip.finish().unwrap().into_inner()
    };
    let (x, y) = (npy("|u1", "(2, 3)", &[]), npy("|u1", "(2,)", &[0, 1]));
    let bomb = zip(&[("x.npy", &x, 64 << 20), ("y.npy", &y, 0)]);
    assert!(bomb.len() < 200_000);
    room.refused(
        &room.file("x.npz", &bomb),
        &Options::default(),
        "it goes on after the values",
    );
    let bomb = zip(&[("x.npy", &x, 0), ("y.npy", &npy("|u1", "(2,)", &[0, 1, 2]), 64 << 20)]);
    room.refused(
        &room.file("x.npz", &bomb),
        &Options::default(),
        "it goes on after the values",
    );
    let many: Vec<String> = (0..1100).map(|i| format!("{i}.npy")).collect();
    let many: Vec<(&str, &[u8], usize)> = many.iter().map(|n| (n.as_str(), &b""[..], 0)).collect();
    room.refused(
        &room.file("x.npz", &zip(&many)),
        &Options::default(),
        "the number of arrays is 1100",
    );
    room.refused(&room.file("x.npz", b"PK\x05\x06"), &Options::default(), "x.npz");
    room.refused(
        &samples("mnist_like.npz"),
        &Options::default(),
        "which of x_test, x_train, y_test, y_train",
    );

    let gz = |head: &[u8], zeros: usize| {
        let mut gz = GzEncoder::new(vec![], Compression::best());
        gz.write_all(head).unwrap();
        for _ in 0..zeros >> 20 {
            gz.write_all(&[0; 1 << 20]).unwrap();
        }
        gz.finish().unwrap()
    };
    let y = labels(room.file("y-ubyte", b"\0\0\x08\x01\0\0\0\x02\0\x01"));
    for (head, zeros, says) in [
        (&b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03"[..], 64 << 20, "it goes on after"),
        (b"\0\0\x08\x02\xff\xff\xff\xff\0\0\xff\xff", 0, "the dataset's size"),
        (b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03ab", 0, "it ends before"),
        (b"\0\0\x08\x08\xff\xff\xff\xff", 0, "it ends before"),
        (b"\0\0\x0d\x02\0\0\0\x02\0\0\0\x03", 0, "no unsigned bytes"),
        (b"\x01\0\x08\x02", 0, "no IDX file"),
    ] {
        room.refused(&room.file("x-ubyte.gz", &gz(head, zeros)), &y, says);
    }
    let grown = peak_mib().saturating_sub(before);
    assert!(grown < 40, "{grown} MiB were taken for 64 MiB bombs");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_that_lies_is_refused_before_it_is_unpacked() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let room = Room::new();
    for (name, says) in [
        ("flat_brotli.parquet", "compressed with BROTLI"),
        (
            "nulls.parquet",
            "row 2, column \"p0\": the value is missing; fill in or drop",
        ),
    ] {
        room.refused(&samples(name), &Options::default(), says);
    }
    for bytes in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"0123456789abPAR2"] {
        room.refused(&room.file("x.parquet", bytes), &Options::default(), "Parquet");
    }
    room.refused(
        &room.file("x.parquet", b"PAR1\xff\xff\xff\x7fPAR1"),
        &Options::default(),
        "the length of the footer",
    );

    let before = peak_mib();
    for name in ["flat_gzip.parquet", "lists.parquet", "flat_snappy.parquet"] {
        let bytes = std::fs::read(samples(name)).unwrap();
        // The first page's unpacked size stands right after its type: a zigzag varint, made two gigabytes.
        let at = 4 + 3;
        let end = at + bytes[at..].iter().position(|b| b & 0x80 == 0).unwrap() + 1;
        let mut bomb = bytes.clone();
        bomb.splice(at..end, [0xfe, 0xff, 0xff, 0xff, 0x0f]);
        room.refused(&room.file("x.parquet", &bomb), &Options::default(), "");
        for cut in (0..bytes.len()).step_by(97) {
            room.refused(&room.file("x.parquet", &bytes[..cut]), &Options::default(), "");
        }
    }
    let bytes = std::fs::read(samples("flat_gzip.parquet")).unwrap();
    // The other lie: the first page says 16 bytes, in as many digits, and unpacks to more.
    let mut bomb = bytes.clone();
    let digits = bomb[4 + 3..].iter().position(|b| b & 0x80 == 0).unwrap() + 1;
    assert_eq!(digits, 2);
    bomb[4 + 3..][..2].copy_from_slice(&[0x80 | 32, 0]);
    room.refused(
        &room.file("x.parquet", &bomb),
        &Options::default(),
        "a page unpacks to more than its header says",
    );
    // Anything may come of a changed byte but a crash, a hang or a flood of memory.
    std::panic::set_hook(Box::new(|_| {}));
    for at in (4..bytes.len()).step_by(11) {
        let mut bad = bytes.clone();
        bad[at] ^= 0x55;
        let _ = zkaggle_import::read(&[room.file("x.parquet", &bad)], &Options::default(), room.0.path());
    }
    let _ = std::panic::take_hook();
    let grown = peak_mib().saturating_sub(before);
    assert!(grown < 200, "{grown} MiB were taken for files of {} bytes", bytes.len());
}
