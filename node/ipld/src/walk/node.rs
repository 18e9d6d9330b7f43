//! One block of a walk, whose hash was checked: its form, and whether it is what its parent said.

use super::{Given, Item, Place, WalkError};
use crate::build::is_entry_name;
use crate::dag_pb::{Link, Node};
use crate::name::RAW;
use crate::unixfs::hamt::{self, BITS_PER_LEVEL, LEVELS};
use crate::unixfs::{Data, Kind, MURMUR3};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Longest path of an entry, in bytes, as file systems have it.
const MAX_PATH: usize = 4096;

/// A block that was read, and the items it links to.
pub(super) struct Read<'a> {
    pub given: Given<'a>,
    pub children: Vec<Item>,
}

/// Reads a block that has its name.
pub(super) fn read<'a>(item: &Item, block: &'a [u8]) -> Result<Read<'a>, WalkError> {
    let cid = item.cid;
    if cid.codec() == RAW {
        return leaf(item, block);
    }
    let node = Node::decode(block).map_err(|source| WalkError::Node {
        cid: Box::new(cid),
        source,
    })?;
    let data = Data::decode(&node.data).map_err(|source| WalkError::UnixFs {
        cid: Box::new(cid),
        source,
    })?;
    let form = |reason| Err(WalkError::Form { cid, reason });
    match (data.kind, item.place) {
        (Kind::File | Kind::Raw, Place::Entry | Place::Part { .. }) => file(item, &node.links, data),
        (Kind::Folder, Place::Entry) => folder(item, &node.links),
        (Kind::Sharded, Place::Entry) => shard(item, &node.links, &data, 0, 0),
        (Kind::Sharded, Place::Shard { level, prefix }) => shard(item, &node.links, &data, level, prefix),
        (Kind::Symlink, Place::Entry) => symlink(item, &node.links, data),
        (_, Place::Part { .. }) => form("a file's part is neither bytes nor a file node"),
        (_, Place::Shard { .. }) => form("a sharded folder's part is no sharded folder"),
    }
}

fn leaf<'a>(item: &Item, bytes: &'a [u8]) -> Result<Read<'a>, WalkError> {
    let got = bytes.len() as u64;
    let path = item.path.clone();
    let given = match item.place {
        Place::Entry => Given::File {
            path,
            size: got,
            bytes: Cow::Borrowed(bytes),
        },
        Place::Part { offset, len } => {
            same_size(item, len, got)?;
            Given::Part {
                path,
                offset,
                bytes: Cow::Borrowed(bytes),
            }
        }
        Place::Shard { .. } => {
            return Err(WalkError::Form {
                cid: item.cid,
                reason: "a sharded folder's part is a raw block",
            });
        }
    };
    Ok(Read {
        given,
        children: vec![],
    })
}

fn same_size(item: &Item, stated: u64, got: u64) -> Result<(), WalkError> {
    if stated == got {
        return Ok(());
    }
    Err(WalkError::Size {
        cid: item.cid,
        stated,
        got,
    })
}

fn file(item: &Item, links: &[Link], data: Data) -> Result<Read<'static>, WalkError> {
    let form = |reason| WalkError::Form { cid: item.cid, reason };
    if links.len() != data.blocksizes.len() {
        return Err(form("a file node has not one size for every link"));
    }
    let inline = data.bytes.as_ref().map_or(0, Vec::len) as u64;
    let total = data.blocksizes.iter().try_fold(inline, |n, &s| n.checked_add(s));
    let size = total.ok_or_else(|| form("the sizes of a file node's links overflow"))?;
    if data.filesize.unwrap_or(size) != size {
        return Err(form("a file node's size is not the sum of its parts"));
    }
    if let Place::Part { len, .. } = item.place {
        same_size(item, len, size)?;
    }
    let begin = match item.place {
        Place::Part { offset, .. } => offset,
        _ => 0,
    };
    let mut offset = begin
        .checked_add(inline)
        .filter(|_| begin.checked_add(size).is_some())
        .ok_or_else(|| form("a file's offsets overflow"))?;
    let mut children = Vec::with_capacity(links.len());
    for (link, &len) in links.iter().zip(&data.blocksizes) {
        children.push(Item {
            cid: link.cid,
            path: item.path.clone(),
            place: Place::Part { offset, len },
            depth: item.depth + 1,
        });
        offset += len;
    }
    let bytes: Cow<[u8]> = Cow::Owned(data.bytes.unwrap_or_default());
    let path = item.path.clone();
    let given = match item.place {
        Place::Part { .. } if bytes.is_empty() => Given::Inner,
        Place::Part { .. } => Given::Part {
            path,
            offset: begin,
            bytes,
        },
        _ => Given::File { path, size, bytes },
    };
    Ok(Read { given, children })
}

fn entry(item: &Item, link: &Link, name: &str) -> Result<Item, WalkError> {
    let path = if item.path.is_empty() {
        name.to_owned()
    } else {
        format!("{}/{name}", item.path)
    };
    if !is_entry_name(name) || path.len() > MAX_PATH {
        return Err(WalkError::EntryName {
            cid: Box::new(item.cid),
            name: name.chars().take(80).collect(),
        });
    }
    Ok(Item {
        cid: link.cid,
        path,
        place: Place::Entry,
        depth: item.depth + 1,
    })
}

fn folder<'a>(item: &Item, links: &[Link]) -> Result<Read<'a>, WalkError> {
    let mut names = BTreeSet::new();
    let mut children = Vec::with_capacity(links.len());
    for link in links {
        if !names.insert(&link.name) {
            return Err(WalkError::EntryName {
                cid: Box::new(item.cid),
                name: link.name.chars().take(80).collect(),
            });
        }
        children.push(entry(item, link, &link.name)?);
    }
    Ok(Read {
        given: Given::Folder {
            path: item.path.clone(),
        },
        children,
    })
}

fn shard<'a>(item: &Item, links: &[Link], data: &Data, level: usize, prefix: u64) -> Result<Read<'a>, WalkError> {
    let form = |reason| WalkError::Form { cid: item.cid, reason };
    if data.hash_type != Some(MURMUR3) || data.fanout != Some(1 << BITS_PER_LEVEL) {
        return Err(form("a sharded folder of another hash or width than Kubo's"));
    }
    if level >= LEVELS {
        return Err(form("a sharded folder deeper than its hash"));
    }
    let mut children = Vec::with_capacity(links.len());
    let mut last = None;
    for link in links {
        let bad = || WalkError::EntryName {
            cid: Box::new(item.cid),
            name: link.name.chars().take(80).collect(),
        };
        let (slot, name) = link.name.split_at_checked(2).ok_or_else(bad)?;
        let upper = slot.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
        let number = u8::from_str_radix(slot, 16).ok().filter(|_| upper).ok_or_else(bad)?;
        // One entry a slot, in order: with the hash check below no name can stand twice.
        if last.is_some_and(|l| l >= number) {
            return Err(bad());
        }
        last = Some(number);
        let here = prefix << BITS_PER_LEVEL | u64::from(number);
        if name.is_empty() {
            children.push(Item {
                cid: link.cid,
                path: item.path.clone(),
                place: Place::Shard {
                    level: level + 1,
                    prefix: here,
                },
                depth: item.depth + 1,
            });
            continue;
        }
        let hash = u64::from_be_bytes(hamt::hash(name.as_bytes()));
        if hash >> (64 - BITS_PER_LEVEL * (level + 1)) != here {
            return Err(form("an entry of a sharded folder stands in the wrong slot"));
        }
        children.push(entry(item, link, name)?);
    }
    let given = match item.place {
        Place::Shard { .. } => Given::Inner,
        _ => Given::Folder {
            path: item.path.clone(),
        },
    };
    Ok(Read { given, children })
}

fn symlink<'a>(item: &Item, links: &[Link], data: Data) -> Result<Read<'a>, WalkError> {
    let form = |reason| WalkError::Form { cid: item.cid, reason };
    if !links.is_empty() {
        return Err(form("a symlink has links"));
    }
    let target =
        String::from_utf8(data.bytes.unwrap_or_default()).map_err(|_| form("a symlink's target is no UTF-8"))?;
    if target.is_empty() || target.len() > MAX_PATH {
        return Err(form("a symlink's target is empty or too long"));
    }
    Ok(Read {
        given: Given::Symlink {
            path: item.path.clone(),
            target,
        },
        children: vec![],
    })
}
