//! One list of tests for every store, then what only a disk can get wrong.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use super::*;
use crate::block::cid_of;

/// Runs a rule on both stores.
fn on_both(rule: impl Fn(&dyn Blockstore)) {
    rule(&MemoryBlockstore::new());
    let folder = tempfile::tempdir().unwrap();
    rule(&DiskBlockstore::open(folder.path()).unwrap());
}

#[test]
fn what_is_put_is_got_under_its_name() {
    on_both(|store| {
        let cid = store.put(b"shard", Visibility::Public).unwrap();
        assert_eq!(cid, cid_of(b"shard"));
        assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"shard"[..]));
        assert!(store.has(&cid));
        store.put(b"shard", Visibility::Public).unwrap();
        let info = BlockInfo {
            cid,
            size: 5,
            visibility: Visibility::Public,
            pinned: false,
        };
        assert_eq!(store.list(), vec![info]);
        let absent = cid_of(b"other");
        assert_eq!(store.get(&absent).unwrap(), None);
        assert!(!store.has(&absent));
    });
}

#[test]
fn a_block_must_have_its_name_and_a_size() {
    on_both(|store| {
        let cid = cid_of(b"shard");
        let error = store.put_block(&cid, b"shart", Visibility::Public).unwrap_err();
        assert!(
            matches!(error, StoreError::Mismatch { expected, got } if *expected == cid && *got == cid_of(b"shart"))
        );
        let largest = vec![1; MAX_BLOCK];
        store.put(&largest, Visibility::Public).unwrap();
        let error = store.put(&vec![1; MAX_BLOCK + 1], Visibility::Public).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { size } if size == MAX_BLOCK + 1));
        let v0 = Cid::new_v0(*cid.hash()).unwrap();
        assert!(matches!(
            store.put_block(&v0, b"shard", Visibility::Public),
            Err(StoreError::Unsupported { .. })
        ));
        assert_eq!(store.list().len(), 1);
    });
}

#[test]
fn private_blocks_are_hidden_until_released_and_not_after() {
    on_both(|store| {
        let cid = store.put(b"hold-out", Visibility::Private).unwrap();
        assert_eq!(store.info(&cid).unwrap().visibility, Visibility::Private);
        assert!(matches!(
            store.put(b"hold-out", Visibility::Public),
            Err(StoreError::Sealed { .. })
        ));
        assert_eq!(
            store.info(&cid).unwrap().visibility,
            Visibility::Private,
            "a refused put changes nothing"
        );
        store.release(&cid).unwrap();
        store.release(&cid).unwrap();
        assert_eq!(store.info(&cid).unwrap().visibility, Visibility::Public);
        assert!(matches!(
            store.put(b"hold-out", Visibility::Private),
            Err(StoreError::AlreadyPublic { .. })
        ));
        assert!(matches!(
            store.release(&cid_of(b"none")),
            Err(StoreError::Missing { .. })
        ));
    });
}

#[test]
fn pins_keep_blocks() {
    on_both(|store| {
        let kept = store.put(b"kept", Visibility::Private).unwrap();
        let loose = store.put(b"loose", Visibility::Public).unwrap();
        store.set_pinned(&kept, true).unwrap();
        assert_eq!(store.delete_unpinned().unwrap(), 1);
        assert!(store.has(&kept) && !store.has(&loose));
        assert_eq!(store.get(&loose).unwrap(), None);
        store.set_pinned(&kept, false).unwrap();
        assert_eq!(store.delete_unpinned().unwrap(), 1);
        assert!(store.list().is_empty());
        assert!(matches!(store.set_pinned(&kept, true), Err(StoreError::Missing { .. })));
    });
}

#[test]
fn the_public_view_has_no_private_block() {
    let root = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Blockstore>; 2] = [
        Arc::new(MemoryBlockstore::new()),
        Arc::new(DiskBlockstore::open(root.path()).unwrap()),
    ];
    for store in stores {
        let view = PublicBlocks::new(store.clone());
        let cid = store.put(b"hold-out", Visibility::Private).unwrap();
        assert!(!view.has(&cid) && view.get(&cid).is_none());
        store.release(&cid).unwrap();
        assert!(view.has(&cid));
        assert_eq!(view.get(&cid).unwrap(), &b"hold-out"[..]);
    }
}

/// A store with one private, pinned block, closed again; gives its name.
fn closed_store(root: &Path) -> Cid {
    let store = DiskBlockstore::open(root).unwrap();
    let cid = store.put(b"hold-out", Visibility::Private).unwrap();
    store.set_pinned(&cid, true).unwrap();
    cid
}

#[test]
fn everything_survives_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let cid = closed_store(root.path());
    let store = DiskBlockstore::open(root.path()).unwrap();
    let expected = BlockInfo {
        cid,
        size: 8,
        visibility: Visibility::Private,
        pinned: true,
    };
    assert_eq!(store.list(), vec![expected]);
    store.release(&cid).unwrap();
    drop(store);
    let store = DiskBlockstore::open(root.path()).unwrap();
    assert_eq!(store.info(&cid).unwrap().visibility, Visibility::Public);
    assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"hold-out"[..]));
}

#[test]
fn a_damaged_block_is_refused_by_name_and_repaired_by_putting_it_again() {
    for damage in [&b"hold-ou"[..], b"hold-oux", b"", &vec![0; MAX_BLOCK + 1]] {
        let root = tempfile::tempdir().unwrap();
        let cid = closed_store(root.path());
        let path = root.path().join("blocks").join(cid.to_string());
        fs::write(&path, damage).unwrap();
        let store = DiskBlockstore::open(root.path()).unwrap();
        let error = store.get(&cid).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { path: named, .. } if *named == path));
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        store.put(b"hold-out", Visibility::Private).unwrap();
        assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"hold-out"[..]));
        assert!(store.info(&cid).unwrap().pinned, "repair keeps the pin");
    }
}

/// Also when the store has hashed the block itself, in writing or in reading it: any change to the file is noticed.
#[test]
fn a_damaged_public_block_is_not_served() {
    let root = tempfile::tempdir().unwrap();
    let store = Arc::new(DiskBlockstore::open(root.path()).unwrap());
    let view = PublicBlocks::new(store.clone());
    let cid = store.put(b"shard", Visibility::Public).unwrap();
    let copied = checked(b"copy!");
    store.put_copy(&copied).unwrap();
    let copy = *copied.cid();
    let block_path = root.path().join("blocks").join(cid.to_string());
    let pack_path = root.path().join("packs").join("0");
    for (path, cid, bytes) in [(block_path, cid, b"shard"), (pack_path, copy, b"copy!")] {
        let whole = fs::read(&path).unwrap();
        let damages: [fn(&Path); 4] = [
            |path| fs::write(path, b"shart").unwrap(),
            // Another file in its place, of the same age.
            |path| {
                let other = path.with_extension("other");
                fs::write(&other, b"shart").unwrap();
                let times = fs::FileTimes::new().set_modified(fs::metadata(path).unwrap().modified().unwrap());
                File::options()
                    .write(true)
                    .open(&other)
                    .unwrap()
                    .set_times(times)
                    .unwrap();
                fs::rename(&other, path).unwrap();
            },
            |path| fs::write(path, b"").unwrap(),
            |path| fs::remove_file(path).unwrap(),
        ];
        for damage in damages {
            assert_eq!(view.get(&cid).unwrap(), &bytes[..]);
            // Some systems tell changes apart only when milliseconds lie between them.
            std::thread::sleep(Duration::from_millis(20));
            damage(&path);
            assert_eq!(view.get(&cid), None);
            assert!(store.get(&cid).is_err());
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn damaged_state_makes_a_block_private() {
    type Damage = fn(&str) -> Option<String>;
    let damages: [Damage; 7] = [
        |_| None,
        |_| Some(String::new()),
        |state| Some(state[..state.len() - 1].to_owned()),
        |state| Some(state.replace("private", "public")),
        |state| Some(state.replace("zkaggle-block 1", "zkaggle-block 2")),
        |state| Some(format!("{state}x")),
        |_| Some("x".repeat(5000)),
    ];
    for damage in damages {
        let root = tempfile::tempdir().unwrap();
        let cid = closed_store(root.path());
        let path = root.path().join("state").join(cid.to_string());
        match damage(&fs::read_to_string(&path).unwrap()) {
            Some(damaged) => fs::write(&path, damaged).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let store = Arc::new(DiskBlockstore::open(root.path()).unwrap());
        assert!(matches!(store.get(&cid), Err(StoreError::State { path: named, .. }) if named == path));
        assert_eq!(store.damaged().len(), 1);
        assert!(PublicBlocks::new(store.clone()).get(&cid).is_none());
        assert_eq!(store.delete_unpinned().unwrap(), 0, "kept for repair");
        assert!(matches!(
            store.put(b"hold-out", Visibility::Public),
            Err(StoreError::Sealed { .. })
        ));
        store.put(b"hold-out", Visibility::Private).unwrap();
        assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"hold-out"[..]));
    }
}

#[test]
fn a_crash_between_write_and_rename_leaves_no_half_block() {
    let root = tempfile::tempdir().unwrap();
    let cid = cid_of(b"half");
    drop(DiskBlockstore::open(root.path()).unwrap());
    // What `put_block` has written when the power goes just before the block's rename.
    fs::write(root.path().join("tmp").join(format!("{cid}.block")), b"ha").unwrap();
    fs::write(root.path().join("state").join(cid.to_string()), b"anything").unwrap();
    let store = DiskBlockstore::open(root.path()).unwrap();
    assert!(!store.has(&cid) && store.list().is_empty());
    assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(root.path().join("state")).unwrap().count(), 0);
    store.put(b"half", Visibility::Public).unwrap();
    assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"half"[..]));
}

#[test]
fn a_block_file_is_the_block_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let cid = closed_store(root.path());
    assert_eq!(
        fs::read(root.path().join("blocks").join(cid.to_string())).unwrap(),
        b"hold-out"
    );
}

#[test]
fn two_openings_and_foreign_folders_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = DiskBlockstore::open(root.path()).unwrap();
    assert!(matches!(
        DiskBlockstore::open(root.path()),
        Err(StoreError::Locked { .. })
    ));
    drop(store);
    fs::write(root.path().join("format"), "zkaggle-blockstore 9\n").unwrap();
    assert!(matches!(
        DiskBlockstore::open(root.path()),
        Err(StoreError::Format { .. })
    ));

    let foreign = tempfile::tempdir().unwrap();
    fs::create_dir(foreign.path().join("tmp")).unwrap();
    fs::write(foreign.path().join("tmp/thesis"), "precious").unwrap();
    assert!(matches!(
        DiskBlockstore::open(foreign.path()),
        Err(StoreError::Format { .. })
    ));
    assert!(foreign.path().join("tmp/thesis").exists());
}

#[test]
fn a_store_in_use_can_be_looked_at_and_not_changed() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(
        DiskBlockstore::open_read_only(root.path()),
        Err(StoreError::Io { .. })
    ));
    let cid = closed_store(root.path());
    let used = DiskBlockstore::open(root.path()).unwrap();
    let copy = checked(b"shard");
    used.put_copy(&copy).unwrap();
    let aside = root.path().join("tmp/half");
    fs::write(&aside, b"ha").unwrap();

    let seen = DiskBlockstore::open_read_only(root.path()).unwrap();
    assert_eq!(seen.list(), used.list());
    assert_eq!(seen.get(&cid).unwrap().as_deref(), Some(&b"hold-out"[..]));
    assert_eq!(seen.get(copy.cid()).unwrap().as_deref(), Some(&b"shard"[..]));
    let refused = [
        seen.put(b"more", Visibility::Public).map(drop),
        seen.put_copy(&checked(b"more")),
        seen.set_pinned(copy.cid(), true),
        seen.release(&cid),
        seen.delete_unpinned().map(drop),
    ];
    assert!(refused.iter().all(|r| matches!(r, Err(StoreError::ReadOnly { .. }))));
    assert!(aside.exists(), "what the other process writes is its own");
    assert_eq!(used.info(&cid).unwrap().visibility, Visibility::Private);
}

fn checked(bytes: &'static [u8]) -> CheckedBlock {
    CheckedBlock::new(cid_of(bytes), bytes.into()).unwrap()
}

#[test]
fn a_copy_is_public_and_unpinned_until_someone_wants_more_of_it() {
    on_both(|store| {
        let copy = checked(b"shard");
        let cid = *copy.cid();
        store.put_copy(&copy).unwrap();
        store.put_copy(&copy).unwrap();
        let info = store.info(&cid).unwrap();
        assert_eq!(
            (info.size, info.visibility, info.pinned),
            (5, Visibility::Public, false)
        );
        assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"shard"[..]));
        assert!(matches!(
            store.put(b"shard", Visibility::Private),
            Err(StoreError::AlreadyPublic { .. })
        ));
        store.set_pinned(&cid, true).unwrap();
        assert_eq!(store.delete_unpinned().unwrap(), 0);
        store.set_pinned(&cid, false).unwrap();
        assert_eq!(store.delete_unpinned().unwrap(), 1);
        store.put_copy(&copy).unwrap();
        assert_eq!(store.delete_unpinned().unwrap(), 1);
        assert!(!store.has(&cid));
    });
}

#[test]
fn a_copy_does_not_publish_what_is_sealed() {
    on_both(|store| {
        let cid = store.put(b"hold-out", Visibility::Private).unwrap();
        let error = store.put_copy(&checked(b"hold-out")).unwrap_err();
        assert!(matches!(error, StoreError::Sealed { .. }));
        assert_eq!(store.info(&cid).unwrap().visibility, Visibility::Private);
    });
}

#[test]
fn copies_survive_a_restart_and_damaged_ones_are_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, torn, pinned) = (checked(b"kept"), checked(b"torn"), checked(b"pinned"));
    let store = DiskBlockstore::open(folder.path()).unwrap();
    for block in [&kept, &torn, &pinned] {
        store.put_copy(block).unwrap();
    }
    store.set_pinned(pinned.cid(), true).unwrap();
    drop(store);
    let pack = folder.path().join("packs").join("0");
    let mut bytes = fs::read(&pack).unwrap();
    let whole = bytes.len();
    let at = bytes.windows(4).position(|window| window == b"torn").unwrap();
    bytes[at] ^= 1;
    // A crash in the middle of a record, and one whose bytes never came.
    for rest in [&b"zkcopy1\n"[..], &bytes.clone()[..64]] {
        bytes.truncate(whole);
        bytes.extend_from_slice(rest);
        fs::write(&pack, &bytes).unwrap();
        let seen = DiskBlockstore::open_read_only(folder.path()).unwrap();
        assert!(seen.has(kept.cid()));
        assert!(fs::read(&pack).unwrap().len() > whole, "looking changes nothing");
        drop(DiskBlockstore::open(folder.path()).unwrap());
        assert_eq!(fs::read(&pack).unwrap().len(), whole);
    }

    let store = DiskBlockstore::open(folder.path()).unwrap();
    assert_eq!(store.get(kept.cid()).unwrap().as_deref(), Some(&b"kept"[..]));
    assert_eq!(store.get(pinned.cid()).unwrap().as_deref(), Some(&b"pinned"[..]));
    assert!(store.info(pinned.cid()).unwrap().pinned);
    assert!(matches!(store.get(torn.cid()), Err(StoreError::Corrupt { .. })));
    store.put_copy(&torn).unwrap();
    assert_eq!(store.get(torn.cid()).unwrap().as_deref(), Some(&b"torn"[..]));
    drop(store);
    let store = DiskBlockstore::open(folder.path()).unwrap();
    assert_eq!(store.get(torn.cid()).unwrap().as_deref(), Some(&b"torn"[..]));
}

#[test]
fn a_record_whose_head_is_damaged_hides_what_comes_after_it_and_nothing_before() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = [checked(b"first"), checked(b"second"), checked(b"third")];
    let store = DiskBlockstore::open(folder.path()).unwrap();
    blocks.iter().for_each(|block| store.put_copy(block).unwrap());
    drop(store);
    let pack = folder.path().join("packs").join("0");
    let whole = fs::read(&pack).unwrap();
    let second = 64 + b"first".len();
    for at in second..second + 64 {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&pack, bytes).unwrap();
        let store = DiskBlockstore::open_read_only(folder.path()).unwrap();
        let here = blocks.each_ref().map(|block| store.has(block.cid()));
        assert_eq!(here, [true, false, false], "byte {at}");
    }
}

#[test]
fn a_pack_goes_with_the_last_of_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let packs = || fs::read_dir(folder.path().join("packs")).unwrap().count();
    let (one, two) = (checked(b"one"), checked(b"two"));
    let store = DiskBlockstore::open(folder.path()).unwrap();
    store.put_copy(&one).unwrap();
    store.put_copy(&two).unwrap();
    store.set_pinned(one.cid(), true).unwrap();
    assert_eq!(packs(), 1, "the other is still wanted");
    assert_eq!(store.delete_unpinned().unwrap(), 1);
    assert_eq!(packs(), 0);
    store.put_copy(&two).unwrap();
    drop(store);
    let store = DiskBlockstore::open(folder.path()).unwrap();
    store.set_pinned(two.cid(), true).unwrap();
    assert_eq!(packs(), 0);
    for block in [&one, &two] {
        assert_eq!(store.get_checked(block.cid()).unwrap().as_ref(), Some(block));
    }
}

/// Earlier versions gave each copy a file.
#[test]
fn copies_of_an_earlier_version_are_read_pinned_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, loose, doubled) = (checked(b"kept"), checked(b"loose"), checked(b"doubled"));
    let path = |block: &CheckedBlock| folder.path().join("copies").join(block.cid().to_string());
    let store = DiskBlockstore::open(folder.path()).unwrap();
    store.put(b"doubled", Visibility::Public).unwrap();
    drop(store);
    for block in [&kept, &loose, &doubled] {
        fs::write(path(block), block.bytes()).unwrap();
    }
    fs::remove_dir(folder.path().join("packs")).unwrap();
    assert!(DiskBlockstore::open_read_only(folder.path()).unwrap().has(kept.cid()));

    let store = DiskBlockstore::open(folder.path()).unwrap();
    assert!(!path(&doubled).exists(), "a crash between pinning and clearing up");
    store.set_pinned(kept.cid(), true).unwrap();
    assert_eq!(store.get_checked(kept.cid()).unwrap().as_ref(), Some(&kept));
    assert_eq!(store.get_checked(loose.cid()).unwrap().as_ref(), Some(&loose));
    assert_eq!(store.delete_unpinned().unwrap(), 2);
    assert!([&kept, &loose].iter().all(|block| !path(block).exists()));
}
