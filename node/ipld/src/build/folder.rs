//! Folders: one node of named links, or a tree of them when the listing is long.

use super::{BuildError, Built, FileOptions, Sink, add_file};
use crate::dag_pb::{Link, Node};
use crate::name::dag_pb_cid;
use crate::unixfs::hamt::{self, BITS_PER_LEVEL, LEVELS};
use crate::unixfs::{Data, Kind, MURMUR3};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// From this many bytes of names and CIDs on, Kubo writes a folder as a sharded one.
pub const FOLDER_LIMIT: usize = 262_144;

/// Deepest folder that is added.
const MAX_DEPTH: usize = 128;

/// Collects the entries of one folder.
#[derive(Debug, Default)]
pub struct FolderBuilder {
    entries: BTreeMap<String, Built>,
}

impl FolderBuilder {
    /// Adds a finished file or folder under a name.
    ///
    /// # Errors
    /// For a name that is empty, `.`, `..`, holds `/` or NUL, or is there already.
    pub fn insert(&mut self, name: impl Into<String>, entry: Built) -> Result<(), BuildError> {
        let name = name.into();
        if !is_entry_name(&name) {
            return Err(BuildError::Name { name });
        }
        if self.entries.contains_key(&name) {
            return Err(BuildError::Twice { name });
        }
        self.entries.insert(name, entry);
        Ok(())
    }

    /// Writes the folder's node or nodes.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish(self, sink: &mut Sink<'_>) -> Result<Built, BuildError> {
        let listing: usize = self.entries.iter().map(|(n, e)| n.len() + e.cid.to_bytes().len()).sum();
        let size = self.entries.values().map(|e| e.size).sum();
        let below: u64 = self.entries.values().map(|e| e.blocks).sum();
        let entries: Vec<(String, Built)> = self.entries.into_iter().collect();
        let mut made = 0;
        let mut put = |node: Node, below: u64| -> Result<Link, BuildError> {
            let block = node.encode();
            let cid = dag_pb_cid(&block);
            sink(cid, &block).map_err(BuildError::Sink)?;
            made += 1;
            let tsize = block.len() as u64 + below;
            Ok(Link {
                cid,
                name: String::new(),
                tsize,
            })
        };
        let root = if listing < FOLDER_LIMIT {
            let links: Vec<Link> = entries.iter().map(|(name, e)| link(name.clone(), e)).collect();
            let below = links.iter().map(|l| l.tsize).sum();
            let data = Data::of(Kind::Folder).encode();
            put(Node { links, data }, below)?
        } else {
            let mut hashed: Vec<([u8; LEVELS], String, Built)> = entries
                .into_iter()
                .map(|(n, e)| (hamt::hash(n.as_bytes()), n, e))
                .collect();
            hashed.sort_by_key(|e| e.0);
            shard(&hashed, 0, &mut put)?
        };
        Ok(Built {
            cid: root.cid,
            size,
            tsize: root.tsize,
            blocks: below + made,
        })
    }
}

/// Says whether a link of a folder may have this name.
pub(crate) fn is_entry_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

fn link(name: String, e: &Built) -> Link {
    Link {
        cid: e.cid,
        name,
        tsize: e.tsize,
    }
}

/// Writes one level of a sharded folder: entries sorted by hash, equal in their first `level` bytes.
fn shard(
    entries: &[([u8; LEVELS], String, Built)],
    level: usize,
    put: &mut impl FnMut(Node, u64) -> Result<Link, BuildError>,
) -> Result<Link, BuildError> {
    let mut links = vec![];
    let mut bitmap = [0u8; (1 << BITS_PER_LEVEL) / 8];
    for bucket in entries.chunk_by(|a, b| a.0[level] == b.0[level]) {
        let slot = bucket[0].0[level];
        // Kubo writes the bitmap as one big-endian number.
        let at = bitmap.len() - 1 - usize::from(slot / 8);
        bitmap[at] |= 1 << (slot % 8);
        links.push(match bucket {
            [(_, name, e)] => link(format!("{slot:02X}{name}"), e),
            [(_, name, _), ..] if level + 1 == LEVELS => return Err(BuildError::Name { name: name.clone() }),
            _ => Link {
                name: format!("{slot:02X}"),
                ..shard(bucket, level + 1, put)?
            },
        });
    }
    let mut data = Data::of(Kind::Sharded);
    let zeros = bitmap.iter().take_while(|&&b| b == 0).count();
    data.bytes = Some(bitmap[zeros..].to_vec());
    (data.hash_type, data.fanout) = (Some(MURMUR3), Some(1 << BITS_PER_LEVEL));
    let below = links.iter().map(|l| l.tsize).sum();
    let data = data.encode();
    put(Node { links, data }, below)
}

/// Adds a file or a folder with everything in it, as `ipfs add -r` does: hidden entries are left out, symlinks are kept
/// as symlinks.
///
/// # Errors
/// Names the path that cannot be read or stored.
pub fn add_path(path: &Path, options: &FileOptions, sink: &mut Sink<'_>) -> Result<Built, BuildError> {
    add_at(path, options, sink, 0)
}

fn add_at(path: &Path, options: &FileOptions, sink: &mut Sink<'_>, depth: usize) -> Result<Built, BuildError> {
    let shown = || path.display().to_string();
    let at = |source: BuildError| match source {
        // The innermost path says it all.
        BuildError::At { .. } | BuildError::Deep { .. } | BuildError::Special { .. } => source,
        _ => BuildError::At {
            path: shown(),
            source: Box::new(source),
        },
    };
    let read = |e| at(BuildError::Read(e));
    // The path a user names is followed, entries below are taken as they are.
    let meta = if depth == 0 {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    }
    .map_err(read)?;
    if meta.is_file() {
        let file = fs::File::open(path).map_err(read)?;
        return add_file(file, options, sink).map_err(at);
    }
    if meta.is_symlink() {
        return symlink(path, sink).map_err(at);
    }
    if !meta.is_dir() {
        return Err(BuildError::Special { path: shown() });
    }
    if depth == MAX_DEPTH {
        return Err(BuildError::Deep {
            path: shown(),
            limit: MAX_DEPTH,
        });
    }
    let mut folder = FolderBuilder::default();
    for entry in fs::read_dir(path).map_err(read)? {
        let entry = entry.map_err(read)?;
        let name = entry.file_name().into_string().map_err(|n| {
            at(BuildError::Name {
                name: n.to_string_lossy().into_owned(),
            })
        })?;
        if !name.starts_with('.') {
            folder
                .insert(name, add_at(&entry.path(), options, sink, depth + 1)?)
                .map_err(at)?;
        }
    }
    folder.finish(sink).map_err(at)
}

fn symlink(path: &Path, sink: &mut Sink<'_>) -> Result<Built, BuildError> {
    use std::os::unix::ffi::OsStrExt;
    let target = fs::read_link(path).map_err(BuildError::Read)?;
    let mut data = Data::of(Kind::Symlink);
    data.bytes = Some(target.as_os_str().as_bytes().to_vec());
    let block = Node {
        links: vec![],
        data: data.encode(),
    }
    .encode();
    let cid = dag_pb_cid(&block);
    sink(cid, &block).map_err(BuildError::Sink)?;
    Ok(Built {
        cid,
        size: 0,
        tsize: block.len() as u64,
        blocks: 1,
    })
}
