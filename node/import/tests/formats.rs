//! Every format gives the records that went into it. The samples were written by numpy, Pillow and pyarrow
//! (`samples/make.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zkaggle_graph::dataset::manifest::Split;
use zkaggle_graph::dataset::{Dataset, Manifest, parse_cid, raw_cid};
use zkaggle_import::parts::{Naming, parts};
use zkaggle_import::report::{About, Report};
use zkaggle_import::source::Sources;
use zkaggle_import::{ImportError, Layout, Options, Ratio, Scale, Table, read, split, write};
use zkaggle_ipld::walk::{Limits, leaves};

const N: usize = 130;

fn samples(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// Value j of sample i, as `make.py` has it.
fn value(i: usize, j: usize) -> u8 {
    ((7 * i + 13 * j + 5 * (i % 3)) % 17 * 15) as u8
}

fn records(n: std::ops::Range<usize>) -> Vec<u8> {
    n.flat_map(|i| (0..16).map(move |j| value(i, j)).chain([(i % 3) as u8]))
        .collect()
}

fn import(names: &[&str], options: &Options) -> Result<(Table, Sources), ImportError> {
    let paths: Vec<PathBuf> = names.iter().map(|n| samples(n)).collect();
    read(&paths, options, &std::env::temp_dir())
}

fn whole(table: &Table) -> Vec<u8> {
    table
        .records(&(0..table.labels().len() as u64).collect::<Vec<_>>())
        .unwrap()
}

fn with_labels(name: &str) -> Options {
    Options {
        labels: vec![samples(name)],
        ..Options::default()
    }
}

#[test]
fn arrays_and_tables_become_the_same_records() {
    let labelled = with_labels("y_i64.npy");
    let scaled = Options {
        scale: Some(Scale::Each(vec![255.0])),
        ..labelled.clone()
    };
    let flat = Options {
        shape: Some(vec![4, 4]),
        ..Options::default()
    };
    for (name, options, dtype) in [
        ("x_u8.npy", &labelled, "u8"),
        ("x_f32.npy", &scaled, "f32"),
        ("x_f64_fortran.npy", &labelled, "f64"),
        ("x_i16_be.npy", &labelled, "i16"),
        ("plain.npz", &Options::default(), "u8"),
        ("images-idx3-ubyte", &with_labels("labels-idx1-ubyte.gz"), "u8"),
        ("images-idx3-ubyte.gz", &with_labels("labels-idx1-ubyte.gz"), "u8"),
        ("flat_snappy.parquet", &flat, "u8"),
        ("flat_gzip.parquet", &flat, "u8"),
        ("flat_v2.parquet", &flat, "u8"),
        ("flat_v2_gzip.parquet", &flat, "u8"),
        ("flat_zstd.parquet", &flat, "u8"),
        ("named.parquet", &flat, "f32"),
        ("lists.parquet", &flat, "u8"),
        ("images.parquet", &Options::default(), "u8"),
    ] {
        if name.ends_with("parquet") && !cfg!(feature = "parquet") {
            println!("SKIPPED: {name}, built without the feature `parquet`");
            continue;
        }
        let (table, seen) = import(&[name], options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(table.schema().shape, [4, 4], "{name}");
        assert_eq!(table.schema().classes, 3, "{name}");
        assert!(whole(&table) == records(0..N), "{name}");
        assert_eq!(seen.dtypes.into_iter().collect::<Vec<_>>(), [dtype], "{name}");
        let names = table.class_names().map(<[_]>::to_vec);
        assert_eq!(
            names,
            (name == "named.parquet").then(|| vec!["cat".into(), "dog".into(), "emu".into()])
        );
    }
}

#[test]
fn several_sources_follow_one_another() {
    let options = Options {
        labels: vec![samples("y_i64.npy"), samples("labels-idx1-ubyte.gz")],
        ..Options::default()
    };
    let (table, seen) = import(&["x_u8.npy", "images-idx3-ubyte.gz"], &options).unwrap();
    assert!(whole(&table) == [records(0..N), records(0..N)].concat());
    assert_eq!(seen.files, 2);
    let mnist = |x: &str, y: &str| Options {
        arrays: Some((x.into(), y.into())),
        ..Options::default()
    };
    let (train, _) = import(&["mnist_like.npz"], &mnist("x_train", "y_train")).unwrap();
    let (test, _) = import(&["mnist_like.npz"], &mnist("x_test", "y_test")).unwrap();
    assert!([whole(&train), whole(&test)].concat() == records(0..N));
}

#[test]
fn csv_is_read_with_and_without_a_header() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    let rows: Vec<String> = (0..6).map(|i| format!("{},{}.0,{}", i, i + 1, i % 2)).collect();
    let plain = rows.join("\n");
    let first: Vec<String> = (0..6).map(|i| format!("{},{},{}", i % 2, i, i + 1)).collect();
    let text = |label: &str| {
        rows.iter()
            .map(|r| r.replace(",0\n", label))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let column = |c: &str| Options {
        label_column: Some(c.into()),
        ..Options::default()
    };
    let want: Vec<u8> = (0..6).flat_map(|i| [i, i + 1, i % 2]).collect();
    for (body, options) in [
        (plain.clone(), Options::default()),
        (text(""), Options::default()),
        (
            format!("\u{feff}a,b,c\r\n{}\r\n", rows.join("\r\n")),
            Options::default(),
        ),
        (format!("0,1,target\n{plain}\n"), Options::default()),
        (format!("label,b,c\n{}", first.join("\n")), Options::default()),
        (first.join("\n"), column("1")),
        (format!("digit,b,c\n{}", first.join("\n")), column("digit")),
    ] {
        std::fs::write(&path, &body).unwrap();
        let (table, _) =
            read(std::slice::from_ref(&path), &options, dir.path()).unwrap_or_else(|e| panic!("{body:?}: {e}"));
        assert_eq!(whole(&table), want, "{body:?}");
    }
    std::fs::write(&path, "1,2,cat\n3,4,\"a \"\"dog\"\"\"\n").unwrap();
    let (table, _) = read(std::slice::from_ref(&path), &Options::default(), dir.path()).unwrap();
    assert_eq!(table.class_names().unwrap(), ["a \"dog\"", "cat"]);
    let tsv = dir.path().join("t.tsv");
    std::fs::write(&tsv, plain.replace(',', "\t")).unwrap();
    assert_eq!(whole(&read(&[tsv], &Options::default(), dir.path()).unwrap().0), want);
}

#[test]
fn folders_of_images_are_read_in_every_format() {
    let (classes, seen) = import(&["classes"], &Options::default()).unwrap();
    assert_eq!(classes.class_names().unwrap(), ["cat", "dog", "emu"]);
    // Sorted by class folder, then by number.
    let order = [0, 3, 6, 1, 4, 7, 2, 5];
    let want: Vec<u8> = order.iter().flat_map(|&i| records(i..i + 1)).collect();
    assert_eq!(whole(&classes), want);
    assert_eq!(seen.images[1].0, "cat/3.png");
    assert_eq!(
        seen.images[1].1,
        raw_cid(&std::fs::read(samples("classes/cat/3.png")).unwrap())
    );

    let (rgb, seen) = import(&["rgb"], &with_labels("rgb/labels.csv")).unwrap();
    assert_eq!(rgb.schema().shape, [3, 4, 4]);
    assert_eq!(seen.ignored, ["labels.csv"]);
    let record = rgb.records(&[5]).unwrap();
    let grey = &records(5..6)[..16];
    assert!(record[..16] == *grey && record[16..32] == *grey && record[48] == 2);
    assert!(record[32..48].iter().zip(grey).all(|(a, b)| *a == 255 - b));

    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("labels.txt");
    std::fs::write(&list, "0\n1\n0\n1\n0\n1\n0\n1\n").unwrap();
    let options = Options {
        labels: vec![list],
        ..Options::default()
    };
    for (folder, shape) in [
        ("palette", vec![3, 4, 4]),
        ("jpeg", vec![8, 8]),
        ("jpeg_rgb", vec![3, 8, 8]),
    ] {
        let (table, _) = import(&[folder], &options).unwrap();
        assert_eq!(table.schema().shape, shape, "{folder}");
        if folder != "palette" {
            let record = table.records(&[7]).unwrap();
            assert!(record[..64].iter().all(|v| v.abs_diff(210) < 4), "{folder}: {record:?}");
        }
    }
}

/// CIFAR-10's layout: the label first. And a file with a header, padding, and the label in the middle.
#[test]
fn record_files_are_read_by_offset_and_stride() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.bin");
    let go = |bytes: Vec<u8>, layout| {
        std::fs::write(&path, bytes).unwrap();
        let options = Options {
            shape: Some(vec![4, 4]),
            layout,
            ..Options::default()
        };
        read(std::slice::from_ref(&path), &options, dir.path())
            .map(|(t, _)| whole(&t))
            .map_err(|e| e.to_string())
    };
    let all = records(0..N);
    assert_eq!(go(all.clone(), Layout::default()).unwrap(), all);
    let first: Vec<u8> = all.chunks(17).flat_map(|r| [&r[16..], &r[..16]].concat()).collect();
    let cifar = Layout {
        features_at: 1,
        label_at: Some(0),
        ..Layout::default()
    };
    assert_eq!(go(first, cifar).unwrap(), all);
    let padded: Vec<u8> = [
        vec![9; 100],
        all.chunks(17).flat_map(|r| [&[1, 2], r, &[3, 3, 3]].concat()).collect(),
    ]
    .concat();
    let layout = Layout {
        offset: 100,
        stride: Some(22),
        features_at: 2,
        label_at: None,
    };
    assert_eq!(go(padded.clone(), layout).unwrap(), all);
    for (bytes, layout, says) in [
        (
            padded.clone(),
            Layout { offset: 99, ..layout },
            "are not 99 and then whole records of 22",
        ),
        (
            padded.clone(),
            Layout {
                stride: Some(18),
                ..layout
            },
            "cannot hold 16 features",
        ),
        (
            padded.clone(),
            Layout {
                label_at: Some(5),
                ..layout
            },
            "cannot hold 16 features",
        ),
        (vec![], Layout { offset: 1, ..layout }, "are not 1 and"),
        (
            padded,
            Layout {
                label_at: Some(u64::MAX),
                ..layout
            },
            "cannot hold 16 features",
        ),
    ] {
        let e = go(bytes, layout).unwrap_err();
        assert!(e.contains(says), "{says}: {e}");
    }
}

/// Shards, manifest and folder belong together: the folder's leaves are the manifest and the shards.
#[test]
fn a_split_is_written_recorded_and_can_be_made_again() {
    let (table, seen) = import(&["x_u8.npy"], &with_labels("y_i64.npy")).unwrap();
    let ratio = Ratio { train: 1, test: 1 };
    let indices = split::stratified(table.labels(), ratio, 7).unwrap();
    let about = About {
        name: "dots",
        licence: "CC0",
        split: Some((&indices, ratio, 7)),
    };
    let mut report = Report::of(&table, &seen, &about);
    let mut blocks = BTreeMap::new();
    let mut both = vec![];
    for (part, indices) in parts(&table, Some(&indices)) {
        let naming = Naming {
            name: "dots",
            licence: "CC0",
            per_shard: None,
            split: part.map(|p| Split {
                part: p.into(),
                train: 1,
                test: 1,
                seed: 7,
                of: N as u64,
            }),
        };
        let mut keep = |cid, bytes: &[u8]| {
            blocks.insert(cid, bytes.to_vec());
            Ok(())
        };
        let written = write(&table, &indices, &naming, &mut keep).unwrap();
        report.add(part, &written);
        let m = Manifest::from_bytes(&blocks[&written.manifest.cid()]).unwrap();
        assert_eq!(m.split().unwrap().part, part.unwrap());
        let shards = m.shards().iter().map(|s| blocks[&s.cid].clone()).collect();
        let dataset = Dataset::assemble(m.clone(), shards).unwrap();
        assert_eq!(dataset.bytes(), table.records(&indices).unwrap());
        let files = leaves(written.folder, Limits::default(), |c| Ok(blocks.get(c).cloned())).unwrap();
        let names: Vec<_> = files.iter().map(|l| (l.path.as_str(), l.cid)).collect();
        let shards = m.shards().iter().map(|s| ("shard-00000.bin", s.cid));
        assert_eq!(
            names,
            [("manifest.json", m.cid())]
                .into_iter()
                .chain(shards)
                .collect::<Vec<_>>()
        );
        both.extend(dataset.records().map(|r| r.features.to_vec()));
    }
    both.sort();
    let mut all: Vec<_> = records(0..N).chunks(17).map(|r| r[..16].to_vec()).collect();
    all.sort();
    assert!(both == all, "every record is in one part");
    assert_eq!(report.parts.len(), 2);
    assert_eq!(report.parts[1].records, 65);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["split"],
        serde_json::json!({ "train": 65, "test": 65, "ratio": [1, 1], "seed": 7 })
    );
    let text = report.to_string();
    assert!(text.contains("split      65 train, 65 test (1:1, seed 7)"), "{text}");
    assert!(text.contains(&report.parts[0].manifest), "{text}");
}

/// The samples repeat every 51, since 17 values and 3 labels do.
#[test]
fn the_report_counts_classes_and_duplicates() {
    let (table, seen) = import(&["x_u8.npy"], &with_labels("y_i64.npy")).unwrap();
    let about = About {
        name: "dots",
        licence: "CC0",
        split: None,
    };
    let report = Report::of(&table, &seen, &about);
    let distinct: std::collections::BTreeSet<_> = records(0..N).chunks(17).map(|r| r[..16].to_vec()).collect();
    assert_eq!(report.duplicates.records, (N - distinct.len()) as u64);
    let mut first = BTreeMap::new();
    let conflicts = records(0..N)
        .chunks(17)
        .filter(|r| *first.entry(r[..16].to_vec()).or_insert(r[16]) != r[16])
        .count();
    assert_eq!(report.duplicates.conflicting, conflicts as u64);
    assert_eq!(
        report.classes.iter().map(|c| c.records).collect::<Vec<_>>(),
        [44, 43, 43]
    );
    assert_eq!(
        (report.values, report.records, report.record_bytes),
        ((0, 240), 130, 17)
    );
    assert!(
        report.warnings.iter().any(|w| w.contains("`--max 240`")),
        "{:?}",
        report.warnings
    );
}

/// ZKaggle's own test images, where the folder of test data is there: every CID its authors published is recomputed, and
/// the shards hold pixels and labels.
#[test]
fn zkaggles_thousand_images_import_under_their_published_cids() {
    let Some(root) = std::env::var_os("ZKAGGLE_TEST_DATA") else {
        println!("SKIPPED: ZKAGGLE_TEST_DATA names no folder with mnist_pgm/");
        return;
    };
    let folder = Path::new(&root).join("mnist_pgm");
    let options = Options {
        labels: vec![folder.join("labels.json")],
        ..Options::default()
    };
    let (table, seen) = read(std::slice::from_ref(&folder), &options, &std::env::temp_dir()).unwrap();
    let published = std::fs::read_to_string(folder.join("cid.txt")).unwrap();
    let published: Vec<_> = published.split_whitespace().map(|t| parse_cid(t).unwrap()).collect();
    assert_eq!(published.len(), 1000);
    assert_eq!(seen.images.iter().map(|(_, cid)| *cid).collect::<Vec<_>>(), published);
    assert_eq!(seen.images[10].0, "10.pgm");
    assert_eq!(
        (table.schema().shape.as_slice(), table.schema().classes),
        (&[28, 28][..], 10)
    );
    let naming = Naming {
        name: "MNIST, first 1,000",
        licence: "CC BY-SA 3.0",
        per_shard: None,
        split: None,
    };
    let mut shards = vec![];
    let all: Vec<u64> = (0..1000).collect();
    let part = write(&table, &all, &naming, &mut |cid, bytes| {
        shards.push((cid, bytes.to_vec()));
        Ok(())
    })
    .unwrap();
    assert_eq!(part.manifest.n(), 1000);
    let list: Vec<u8> = serde_json::from_slice(&std::fs::read(folder.join("labels.json")).unwrap()).unwrap();
    let records: Vec<u8> = shards[..part.manifest.shards().len()]
        .iter()
        .flat_map(|(_, b)| b.clone())
        .collect();
    for (i, record) in records.chunks(785).enumerate() {
        let file = std::fs::read(folder.join(format!("{i}.pgm"))).unwrap();
        assert!(record[..784] == file[13..] && record[784] == list[i], "{i}.pgm");
    }
}
