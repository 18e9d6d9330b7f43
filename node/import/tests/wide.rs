//! Tables of measurements: features of sixteen bits, and factors that bring columns to whole numbers.

mod common;

use common::{Room, labels, npy, samples};
use std::path::PathBuf;
use zkaggle_graph::dataset::import::check_records;
use zkaggle_graph::dataset::{Dataset, Manifest, manifest};
use zkaggle_graph::graph::FeatureType;
use zkaggle_import::parts::Naming;
use zkaggle_import::report::{About, Report};
use zkaggle_import::source::Sources;
use zkaggle_import::{Layout, Options, Scale, Table, read, write};

/// Three columns of very different units, and a label.
fn measurements(n: usize) -> String {
    let mut text = "temperature,pressure,share,label\n".to_owned();
    for i in 0..n {
        let t = i as f64 / 4.0 - 12.5;
        let p = 90_000.0 + 150.0 * i as f64;
        let s = 1e-5 * i as f64;
        text += &format!("{t},{p},{s},{}\n", i % 2);
    }
    text
}

fn load(room: &Room, path: &PathBuf, options: &Options) -> Result<(Table, Sources), String> {
    read(std::slice::from_ref(path), options, room.0.path()).map_err(|e| e.to_string())
}

fn wide() -> Options {
    Options {
        feature_type: FeatureType::I16,
        max: 32767,
        ..Options::default()
    }
}

fn scaled(text: &str) -> Options {
    Options {
        scale: Some(text.parse::<Scale>().unwrap()),
        ..wide()
    }
}

/// Features of record `i`.
fn record(table: &Table, i: u64) -> Vec<i16> {
    let bytes = table.records(&[i]).unwrap();
    table.schema().decode(&bytes[..bytes.len() - 1]).collect()
}

#[test]
fn a_table_of_measurements_becomes_a_dataset() {
    let room = Room::new();
    let csv = room.file("m.csv", measurements(100).as_bytes());
    let (table, sources) = load(&room, &csv, &scaled("4,0.2,1e6")).unwrap();
    assert_eq!(record(&table, 0), [-50, 18_000, 0]);
    assert_eq!(record(&table, 99), [49, 20_970, 990]);
    assert_eq!(table.values(), (-50, 20_970));
    let about = About {
        name: "weather",
        licence: "CC0-1.0",
        split: None,
    };
    let report = Report::of(&table, &sources, &about);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["feature_type"], "i16");
    assert_eq!(json["scale"], serde_json::json!([4.0, 0.2, 1e6]));
    assert_eq!(json["record_bytes"], 7);
    let text = report.to_string();
    assert!(text.contains("values -50 to 20970 as i16"), "{text}");
    assert!(text.contains("features times 4, 0.2, 1000000"), "{text}");
    assert!(text.contains("`--max 20970`"), "{text}");

    let naming = Naming {
        name: "weather",
        licence: "CC0-1.0",
        per_shard: None,
        split: None,
    };
    let mut blocks = vec![];
    let part = write(&table, &(0..100).collect::<Vec<_>>(), &naming, &mut |_, bytes| {
        blocks.push(bytes.to_vec());
        Ok(())
    })
    .unwrap();
    let bytes = part.manifest.to_bytes();
    assert!(bytes.starts_with(format!("{{\"format\":\"{}\"", manifest::FORMAT_I16).as_bytes()));
    assert_eq!(Manifest::from_bytes(&bytes).unwrap(), part.manifest);
    let shards: Vec<Vec<u8>> = blocks.into_iter().filter(|b| b.len() == 700).collect();
    let dataset = Dataset::assemble(part.manifest, shards).unwrap();
    check_records(dataset.schema(), &dataset.bytes()).unwrap();
}

#[test]
fn factors_are_found_for_each_column() {
    let room = Room::new();
    let csv = room.file("m.csv", measurements(100).as_bytes());
    let (table, _) = load(&room, &csv, &scaled("auto")).unwrap();
    // 12.5, 104,850 and 0.00099 at most.
    assert_eq!(table.factors(), [2000.0, 0.2, 2e7]);
    assert_eq!(record(&table, 0), [-25_000, 18_000, 0]);
    assert_eq!(record(&table, 99), [24_500, 20_970, 19_800]);
    // Bytes have factors too.
    let bytes = Options {
        feature_type: FeatureType::U8,
        max: 255,
        ..scaled("auto")
    };
    let csv = room.file("b.csv", b"a,b,y\n0.5,1000,0\n1,3,1\n");
    let (table, _) = load(&room, &csv, &bytes).unwrap();
    assert_eq!(table.factors(), [200.0, 0.2]);
    assert_eq!(record(&table, 0), [100, 200]);
}

/// numpy wrote these as big-endian pairs of bytes.
#[test]
fn arrays_of_sixteen_bits_are_read_as_they_are() {
    let room = Room::new();
    let x = samples("x_i16_be.npy");
    let options = Options {
        labels: labels(samples("y_i64.npy")).labels,
        ..wide()
    };
    let (table, sources) = load(&room, &x, &options).unwrap();
    assert!(sources.dtypes.contains("i16"));
    let wanted: Vec<i16> = (0..16).map(|j| ((7 * 5 + 13 * j + 5 * 2) % 17) * 15).collect();
    assert_eq!(record(&table, 5), wanted);
}

#[test]
fn record_files_hold_pairs_of_bytes() {
    let room = Room::new();
    // A header of three bytes, the label in front, a byte of padding behind.
    let mut bytes = vec![9, 9, 9];
    for i in 0..70i16 {
        bytes.push((i % 3) as u8);
        for v in [i - 35, 256 * i, -1] {
            bytes.extend(v.to_le_bytes());
        }
        bytes.push(0xee);
    }
    let path = room.file("r.bin", &bytes);
    let options = Options {
        shape: Some(vec![3]),
        layout: Layout {
            offset: 3,
            stride: Some(8),
            features_at: 1,
            label_at: Some(0),
        },
        ..wide()
    };
    let (table, _) = load(&room, &path, &options).unwrap();
    assert_eq!(record(&table, 69), [34, 17_664, -1]);
    assert_eq!(table.labels()[..4], [0, 1, 2, 0]);
    let e = load(&room, &path, &Options { max: 100, ..options }).unwrap_err();
    assert!(e.contains("256 is no whole number from -100 to 100"), "{e}");
}

#[test]
fn what_does_not_fit_is_named() {
    let room = Room::new();
    let csv = room.file("m.csv", measurements(100).as_bytes());
    let says = |options: &Options, text: &str| {
        let e = load(&room, &csv, options).unwrap_err();
        assert!(e.contains(text), "{text}: {e}");
    };
    says(
        &scaled("2,1,1"),
        "line 2, value 2: 90000 is no whole number from -32767 to 32767",
    );
    says(&scaled("1,1"), "--scale: 2 factors for samples of 3 features");
    says(&scaled("1,1,1,1"), "--scale: 4 factors");
    says(&scaled("1e5,0.1,1"), "value 1: -12.5 is no whole number");
    says(&Options { max: 32768, ..wide() }, "i16 features hold at most 32767");
    says(
        &Options {
            max: 256,
            ..Options::default()
        },
        "u8 features hold at most 255",
    );
    says(&Options::default(), "`--type i16` takes signed and larger ones");
    let y = room.file("y.txt", b"0\n1\n");
    // 1 and infinity.
    let x = room.file("x.npy", &npy("<f4", "(2, 1)", &[0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x7f]));
    let options = Options {
        labels: labels(y).labels,
        ..scaled("auto")
    };
    room.refused(&x, &options, "sample 2, value 1: inf is no finite number");
    // A column too few is found in the first reading already.
    let short = room.file("s.csv", b"a,b,y\n1,2,0\n1,1\n");
    room.refused(&short, &scaled("auto"), "line 3");
}
