//! Trees and archives made to mislead, to loop, or to cost more than they hold.

use std::collections::BTreeMap;
use zkaggle_ipld::car::{CarError, CarLimits, CarReader, CarWriter};
use zkaggle_ipld::dag_pb::{Link, Node};
use zkaggle_ipld::unixfs::{Data, Kind};
use zkaggle_ipld::walk::{self, Leaf, Limits, Walk, WalkError};
use zkaggle_ipld::{Cid, MAX_BLOCK, dag_pb_cid, raw_cid};

type Blocks = BTreeMap<Cid, Vec<u8>>;

fn put(blocks: &mut Blocks, node: &Node) -> Cid {
    let bytes = node.encode();
    let cid = dag_pb_cid(&bytes);
    blocks.insert(cid, bytes);
    cid
}

fn link(cid: Cid, name: &str) -> Link {
    Link {
        cid,
        name: name.into(),
        tsize: 1,
    }
}

fn file(sizes: &[u64], children: &[Cid]) -> Node {
    let mut data = Data::of(Kind::File);
    data.filesize = Some(sizes.iter().fold(0, |a, &b| a.wrapping_add(b)));
    data.blocksizes = sizes.to_vec();
    Node {
        links: children.iter().map(|&c| link(c, "")).collect(),
        data: data.encode(),
    }
}

fn folder(entries: &[(&str, Cid)]) -> Node {
    Node {
        links: entries.iter().map(|&(n, c)| link(c, n)).collect(),
        data: Data::of(Kind::Folder).encode(),
    }
}

fn leaves(root: Cid, blocks: &Blocks, limits: Limits) -> Result<Vec<Leaf>, WalkError> {
    walk::leaves(root, limits, |c| Ok(blocks.get(c).cloned()))
}

fn refused(root: Cid, blocks: &Blocks, says: &str) {
    let e = leaves(root, blocks, Limits::default()).unwrap_err().to_string();
    assert!(e.contains(says), "{says:?}: {e}");
}

fn leaf(blocks: &mut Blocks, bytes: &[u8]) -> Cid {
    blocks.insert(raw_cid(bytes), bytes.to_vec());
    raw_cid(bytes)
}

#[test]
fn a_child_that_is_not_what_its_parent_says_is_refused() {
    let mut b = Blocks::new();
    let (ten, dir) = (leaf(&mut b, &[1; 10]), put(&mut b, &folder(&[])));
    let good = put(&mut b, &file(&[10, 10], &[ten, ten]));
    assert_eq!(leaves(good, &b, Limits::default()).unwrap().len(), 2);
    for (node, says) in [
        (file(&[10, 11], &[ten, ten]), "states 11 bytes, it holds 10"),
        (file(&[10], &[ten, ten]), "not one size for every link"),
        (file(&[20], &[good]), ""),
        (file(&[21], &[good]), "states 21 bytes, it holds 20"),
        (file(&[u64::MAX, 2], &[ten, ten]), "overflow"),
        (file(&[0], &[dir]), "neither bytes nor a file"),
        (folder(&[("a", ten), ("a", ten)]), "\"a\" is no name"),
        (folder(&[("../a", ten)]), "no name"),
        (folder(&[("..", ten)]), "no name"),
        (folder(&[("", ten)]), "no name"),
    ] {
        let root = put(&mut b, &node);
        if says.is_empty() {
            assert_eq!(leaves(root, &b, Limits::default()).unwrap().len(), 2);
        } else {
            refused(root, &b, says);
        }
    }
    let mut lying = Data::of(Kind::File);
    lying.filesize = Some(5);
    let data = lying.encode();
    let root = put(&mut b, &Node { links: vec![], data });
    refused(root, &b, "not the sum of its parts");
}

/// A block cannot hold its own hash, so a cycle can only be served under a false name.
#[test]
fn a_cycle_shows_as_a_block_that_is_not_its_name() {
    let mut b = Blocks::new();
    let inner = put(&mut b, &folder(&[("x", raw_cid(b"x"))]));
    let outer = folder(&[("inner", inner)]);
    let root = put(&mut b, &outer);
    b.insert(inner, outer.encode());
    refused(root, &b, "do not hash to this CID");
    let e = walk::leaves(root, Limits::default(), |_| Ok(None)).unwrap_err();
    assert!(matches!(e, WalkError::Missing { .. }));
}

#[test]
fn depth_number_and_size_are_limited_before_anything_is_fetched() {
    let mut b = Blocks::new();
    let mut deep = put(&mut b, &folder(&[]));
    for _ in 0..1000 {
        deep = put(&mut b, &folder(&[("d", deep)]));
    }
    refused(deep, &b, "the depth of the tree exceeds the limit of 64");

    // Forty nodes that stand for 174^10 empty leaves.
    let mut bomb = leaf(&mut b, &[]);
    for _ in 0..10 {
        bomb = put(&mut b, &file(&[0; 174], &[bomb; 174]));
    }
    let limits = Limits {
        blocks: 10_000,
        ..Limits::default()
    };
    let e = leaves(bomb, &b, limits).unwrap_err().to_string();
    assert!(e.contains("the number of blocks exceeds the limit of 10000"), "{e}");

    let mut large = leaf(&mut b, &[1; 1000]);
    let mut size = 1000u64;
    for _ in 0..6 {
        large = put(&mut b, &file(&[size; 174], &[large; 174]));
        size *= 174;
    }
    let mut walk = Walk::new(large, Limits::default()).unwrap();
    let item = walk.next().unwrap();
    let e = walk.give(&item, &b[&large]).unwrap_err().to_string();
    assert!(e.contains("the size of all files"), "{e}");
    assert_eq!(walk.next(), None, "no child was asked for");

    let entries: Vec<String> = (0..2000).map(|i| format!("{i}")).collect();
    let x = leaf(&mut b, b"x");
    let wide = put(
        &mut b,
        &folder(&entries.iter().map(|n| (n.as_str(), x)).collect::<Vec<_>>()),
    );
    let limits = Limits {
        pending: 1999,
        ..Limits::default()
    };
    let e = leaves(wide, &b, limits).unwrap_err().to_string();
    assert!(e.contains("links waiting"), "{e}");
}

#[test]
fn a_sharded_folder_with_an_entry_out_of_place_is_refused() {
    let mut b = Blocks::new();
    let x = leaf(&mut b, b"x");
    let mut data = Data::of(Kind::Sharded);
    (data.hash_type, data.fanout) = (Some(0x22), Some(256));
    let mut node = |names: &[&str], data: &Data| {
        let node = Node {
            links: names.iter().map(|n| link(x, n)).collect(),
            data: data.encode(),
        };
        put(&mut b, &node)
    };
    // The hash of "hello" begins with CB.
    let (good, wrong) = (node(&["CBhello"], &data), node(&["CChello"], &data));
    let twice = node(&["CBhello", "CBhello"], &data);
    let lower = node(&["cbhello"], &data);
    let short = node(&["C"], &data);
    let loops = node(&["CB"], &data);
    data.fanout = Some(16);
    let narrow = node(&["CBhello"], &data);
    assert_eq!(leaves(good, &b, Limits::default()).unwrap()[0].path, "hello");
    for (root, says) in [
        (wrong, "wrong slot"),
        (twice, "no name"),
        (lower, "no name"),
        (short, "no name"),
        (loops, "a sharded folder's part is a raw block"),
        (narrow, "another hash or width"),
    ] {
        refused(root, &b, says);
    }
}

#[test]
fn blocks_may_be_given_in_any_order() {
    let mut b = Blocks::new();
    let parts: Vec<Cid> = (0..5u8).map(|i| leaf(&mut b, &[i; 10])).collect();
    let root = put(&mut b, &file(&[10; 5], &parts));
    let mut walk = Walk::new(root, Limits::default()).unwrap();
    let first = walk.next().unwrap();
    walk.give(&first, &b[&root]).unwrap();
    let mut items: Vec<_> = std::iter::from_fn(|| walk.next()).collect();
    assert_eq!(items.iter().map(|i| i.cid).collect::<Vec<_>>(), parts);
    items.rotate_left(2);
    let mut whole = [9u8; 50];
    for item in items {
        match walk.give(&item, &b[&item.cid]).unwrap() {
            walk::Given::Part { offset, bytes, .. } => whole[offset as usize..][..10].copy_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(whole.to_vec(), (0..5u8).flat_map(|i| [i; 10]).collect::<Vec<_>>());
}

fn archive() -> (Vec<u8>, Vec<Cid>) {
    let roots = vec![raw_cid(b"one"), raw_cid(b"two")];
    let mut car = CarWriter::new(vec![], &roots).unwrap();
    car.put(&roots[0], b"one").unwrap();
    car.put(&roots[1], b"two").unwrap();
    (car.finish().unwrap(), roots)
}

fn read(bytes: &[u8], limits: CarLimits) -> Result<(Vec<Cid>, Vec<Vec<u8>>), CarError> {
    let mut car = CarReader::new(bytes, limits)?;
    let mut blocks = vec![];
    while let Some((_, bytes)) = car.next_block()? {
        blocks.push(bytes.to_vec());
    }
    Ok((car.roots().to_vec(), blocks))
}

#[test]
fn an_archive_is_read_as_it_was_written_and_every_cut_or_changed_byte_is_seen() {
    let (bytes, roots) = archive();
    let whole = (roots, vec![b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(read(&bytes, CarLimits::default()).unwrap(), whole);
    let header = bytes.len() - 2 * (1 + 36 + 3);
    for end in 0..bytes.len() {
        match read(&bytes[..end], CarLimits::default()) {
            // Whole blocks are an archive; nothing else is.
            Ok(_) => assert!(end == header || end == header + 40, "{end}"),
            Err(e) => assert!(
                e.to_string().contains("CAR file") || e.to_string().contains("ends"),
                "{end}: {e}"
            ),
        }
    }
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x21;
        if let Ok(other) = read(&bad, CarLimits::default()) {
            // Only a root's digest is not covered by a hash of its own.
            assert!(at < header && other.0 != whole.0 && other.1 == whole.1, "{at}");
        }
    }
    for roots in [0, 1, 23, 24, 255, 256, 300] {
        let cids: Vec<Cid> = (0..roots as u32).map(|i| raw_cid(&i.to_be_bytes())).collect();
        let bytes = CarWriter::new(vec![], &cids).unwrap().finish().unwrap();
        assert_eq!(read(&bytes, CarLimits::default()).unwrap().0, cids);
    }
}

#[test]
fn archives_that_would_cost_too_much_are_refused() {
    let (bytes, _) = archive();
    let limits = |blocks, bytes| CarLimits { blocks, bytes };
    for (input, limits, says) in [
        (&bytes[..], limits(1, 1 << 20), "more than 1 blocks"),
        (&bytes, limits(9, 150), "more than 150 bytes"),
        (b"\xff\xff\xff\xff\x0f", CarLimits::default(), "header is too long"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            CarLimits::default(),
            "far too large",
        ),
        (b"\x0a\xa1\x67version\x02", CarLimits::default(), "version 2"),
        (b"", CarLimits::default(), "empty"),
    ] {
        let e = read(input, limits).unwrap_err().to_string();
        assert!(e.contains(says), "{says:?}: {e}");
    }
    let mut long = CarWriter::new(vec![], &[]).unwrap().finish().unwrap();
    long.extend([0x80, 0x80, 0x80, 0x32]); // 100 MB
    let e = read(&long, CarLimits::default()).unwrap_err();
    assert!(matches!(e, CarError::TooLong { len: 104_857_600, .. }), "{e}");
    let big = vec![0; MAX_BLOCK + 1];
    assert!(CarWriter::new(vec![], &[]).unwrap().put(&raw_cid(&big), &big).is_err());
}
