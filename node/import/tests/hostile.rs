//! Files that are damaged, or that lie about their size or content: each is refused with its place and a cure.

mod common;

use common::{Room, labels, npy, samples};
use zkaggle_import::{Options, pixels};

#[test]
fn every_cut_of_an_image_is_refused() {
    for name in [
        "classes/cat/0.png",
        "rgb/0.png",
        "palette/0.png",
        "jpeg/7.jpg",
        "jpeg_rgb/7.jpeg",
    ] {
        let bytes = std::fs::read(samples(name)).unwrap();
        pixels::decode(&bytes, name).unwrap();
        for end in 0..bytes.len() {
            assert!(
                pixels::decode(&bytes[..end], name).is_err(),
                "{name} cut to {end} bytes"
            );
        }
        // A changed byte gives an error or other pixels, never a panic.
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut bad = bytes.clone();
                bad[at] ^= bit;
                let _ = pixels::decode(&bad, name);
            }
        }
    }
}

#[test]
fn images_that_are_no_samples_are_refused_by_name() {
    let room = Room::new();
    let png = std::fs::read(samples("rgb/0.png")).unwrap();
    let mut huge = png.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    for (bytes, says) in [
        (
            &std::fs::read(samples("odd/sixteen.png")).unwrap(),
            "16 bits a channel; convert",
        ),
        (
            &std::fs::read(samples("odd/alpha.png")).unwrap(),
            "alpha channel; flatten",
        ),
        (&png[..60].to_vec(), "damaged PNG"),
        (&huge, "damaged PNG"),
        (&b"GIF89a".to_vec(), "no PNG, JPEG, PGM or PPM file; convert"),
    ] {
        let folder = room.file("a/0.png", bytes);
        room.refused(folder.parent().unwrap().parent().unwrap(), &Options::default(), says);
    }
    // With a right checksum the header is believed, and judged.
    let mut wide = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [
        &b"IHDR"[..],
        &[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 8, 0, 0, 0, 0],
    ]
    .concat();
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    wide.extend([0, 0, 0, 13]);
    wide.extend(&header);
    wide.extend(crc.sum().to_be_bytes());
    let e = pixels::decode(&wide, "x").unwrap_err().to_string();
    assert!(e.contains("2147483647 x 2147483647 pixels"), "{e}");

    let room = Room::new();
    room.file("cat/0.png", &std::fs::read(samples("classes/cat/0.png")).unwrap());
    room.file("cat/1.png", &png);
    room.refused(room.0.path(), &Options::default(), "cat/1.png: shape [3, 4, 4], but ");
    let room = Room::new();
    room.file("0.png", &png);
    room.refused(
        room.0.path(),
        &Options::default(),
        "0.png: the image has no label; put images into one folder a class",
    );
    let list = |text: &str| labels(room.file("labels.txt", text.as_bytes()));
    room.refused(room.0.path(), &list("1\n2\n"), "2 labels for 1 images");
    room.refused(
        room.0.path(),
        &list("1.png,2"),
        "\"1.png\" is labelled, but no such image",
    );
    room.refused(&samples("odd"), &Options::default(), "label");
    let empty = Room::new();
    empty.refused(empty.0.path(), &Options::default(), "no image is in this folder");
}

#[test]
fn arrays_that_lie_about_their_size_cost_nothing() {
    let room = Room::new();
    let y = room.file("y.npy", &npy("|u1", "(2,)", &[0, 1]));
    let two = labels(y.clone());
    for (bytes, says) in [
        (npy("|u1", "(4000000000, 28, 28)", &[]), "the dataset's size in bytes"),
        (
            npy("|u1", "(18446744073709551615, 2)", &[]),
            "the dataset's size in bytes",
        ),
        (npy("|u1", "(2, 4294967295, 4294967295)", &[]), "does not fit a record"),
        (npy("|u1", "(2, 99999999999)", &[]), "a sample of shape"),
        (npy("|u1", "(2, 0)", &[]), "does not fit a record"),
        (npy("|u1", "(2,)", &[1, 2]), "the first dimension counts samples"),
        (npy("|u1", "(2, 3)", &[1; 5]), "it ends before"),
        (npy("|u1", "(2, 3)", &[1; 7]), "it goes on after"),
        (npy("|u1", "(3, 3)", &[1; 9]), "2 labels for 3 samples"),
        (
            npy("<f4", "(2, 1)", &[0, 0, 0xc0, 0x7f, 0, 0, 0, 0]),
            "sample 1, value 1: NaN is no whole number",
        ),
        (
            npy("<i2", "(2, 1)", &[1, 0, 0xff, 0xff]),
            "sample 2, value 1: -1 is no whole number from 0 to 255; `--scale",
        ),
        (npy("<i2", "(2, 1)", &[1, 0, 0, 1]), "256 is no whole number"),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
            "header has 4294967295 bytes",
        ),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
        (
            std::fs::read(samples("object.npy")).unwrap(),
            "its type \"|O\" holds no numbers",
        ),
    ] {
        room.refused(&room.file("x.npy", &bytes), &two, says);
    }
    let x = room.file("x.npy", &npy("|u1", "(2, 1)", &[1, 2]));
    for (bytes, says) in [
        (npy("|u1", "(4000000000,)", &[]), "the number of labels is 4000000000"),
        (
            npy("<f4", "(2,)", &[0, 0, 0xc0, 0x7f, 0, 0, 0, 0]),
            "label 1: NaN is no class",
        ),
        (npy("|u1", "(2, 10)", &[0; 20]), "turn one-hot rows into numbers"),
    ] {
        room.refused(&x, &labels(room.file("bad.npy", &bytes)), says);
    }
    let mut few = labels(y);
    few.classes = Some(1);
    room.refused(&x, &few, "label \"1\" is not one of the 1 classes");
    let mut pickled = labels(room.file("y2.npy", &npy("|u1", "(2,)", &[0, 1])));
    pickled.shape = Some(vec![3]);
    room.refused(&x, &pickled, "shape [1], but --shape has [3]");
}

#[test]
fn tables_are_refused_by_line_and_column() {
    let room = Room::new();
    let long = "1".repeat(9 << 20);
    for (text, says) in [
        ("", "no records"),
        ("1,2,0\n1,2\n", "line 2: 2 columns, the first row has 3"),
        ("1,2,0\n1,x,0\n", "line 2, column 2: \"x\" is no number"),
        ("1,2,0\n1,NaN,0\n", "line 2, column 2: \"NaN\" is no number"),
        (
            "1,2,0\n1,256,0\n",
            "line 2, value 2: 256 is no whole number from 0 to 255",
        ),
        ("1,2,0\n1,2.5,0\n", "line 2, value 2: 2.5"),
        ("1,2,0\n1,2,\n", "line 2, column 3: there is no label"),
        ("a,b,label\n", "no records"),
        ("1\n2\n", "1 column(s)"),
        (&format!("1,2,{long}"), "a row longer than"),
    ] {
        room.refused(&room.file("t.csv", text.as_bytes()), &Options::default(), says);
    }
    room.refused(
        &room.file("t.csv", b"1,2,0\n1,\xff,0\n"),
        &Options::default(),
        "line 2, column 2: no UTF-8 text",
    );
    let wanted = Options {
        label_column: Some("digit".into()),
        ..Options::default()
    };
    room.refused(
        &room.file("t.csv", b"a,b\n1,2\n"),
        &wanted,
        "there is no column \"digit\"",
    );
    let classes: String = (0..300).map(|i| format!("1,class{i}\n")).collect();
    room.refused(
        &room.file("t.csv", classes.as_bytes()),
        &Options::default(),
        "line 257: label \"class256\" is the 257th class",
    );
    let some = Options {
        classes: Some(4),
        ..Options::default()
    };
    room.refused(
        &room.file("t.csv", b"1,3\n1,4\n"),
        &some,
        "line 2: label \"4\" is not one of the 4 classes, 0 to 3",
    );
    room.refused(
        &room.file("t.xlsx", b"x"),
        &Options::default(),
        "the name tells no format",
    );
    room.refused(&room.0.path().join("nothing.csv"), &Options::default(), "nothing.csv");
}
