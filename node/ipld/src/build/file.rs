//! One file: chunks of a fixed size under a balanced tree.

use super::{BuildError, Built, Sink};
use crate::dag_pb::{Link, Node};
use crate::name::{dag_pb_cid, raw_cid};
use crate::unixfs::{Data, Kind};
use cid::Cid;
use rayon::prelude::*;
use std::io::{self, Read};

/// Kubo's default chunk, in bytes.
pub const CHUNK: usize = 262_144;
/// Kubo's default number of links to a node.
pub const FANOUT: usize = 174;

/// Chunks hashed at a time: enough for every core, and all the memory a file of any size takes.
const BATCH: usize = 16;

/// How a leaf holds its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Bare (`--raw-leaves`, the default with CID version 1).
    Raw,
    /// Wrapped in a node of their own (`--raw-leaves=false`).
    DagPb,
}

/// How a file is cut and wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOptions {
    pub chunk: usize,
    pub fanout: usize,
    pub leaves: Leaves,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            chunk: CHUNK,
            fanout: FANOUT,
            leaves: Leaves::Raw,
        }
    }
}

/// A finished subtree.
#[derive(Clone, Copy, Debug)]
struct Child {
    cid: Cid,
    size: u64,
    tsize: u64,
}

/// Adds a file.
///
/// # Errors
/// When reading or the sink fails, or an option is out of bounds.
pub fn add_file(mut from: impl Read, options: &FileOptions, sink: &mut Sink<'_>) -> Result<Built, BuildError> {
    if !(1..=1 << 20).contains(&options.chunk) {
        return Err(BuildError::Chunk(options.chunk));
    }
    if !(2..=1024).contains(&options.fanout) {
        return Err(BuildError::Fanout(options.fanout));
    }
    let mut tree = Tree {
        fanout: options.fanout,
        levels: vec![vec![]],
        blocks: 0,
    };
    let mut batch: Vec<Vec<u8>> = vec![vec![]; BATCH];
    loop {
        let mut filled = 0;
        for buffer in &mut batch {
            read_chunk(&mut from, options.chunk, buffer).map_err(BuildError::Read)?;
            filled += usize::from(!buffer.is_empty());
            if buffer.len() < options.chunk {
                break;
            }
        }
        let ended = filled < BATCH || batch[BATCH - 1].len() < options.chunk;
        // An empty file is one empty leaf.
        let count = if filled == 0 && tree.is_empty() { 1 } else { filled };
        let leaves: Vec<_> = batch[..count].par_iter().map(|b| leaf(b, options.leaves)).collect();
        for (bytes, (cid, block)) in batch.iter().zip(leaves) {
            let block = block.as_deref().unwrap_or(bytes);
            sink(cid, block).map_err(BuildError::Sink)?;
            let child = Child {
                cid,
                size: bytes.len() as u64,
                tsize: block.len() as u64,
            };
            tree.blocks += 1;
            tree.push(0, child, sink)?;
        }
        if ended {
            return tree.finish(sink);
        }
    }
}

/// Fills `buffer` with up to `chunk` bytes; fewer only at the end.
fn read_chunk(from: &mut impl Read, chunk: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(chunk, 0);
    let mut filled = 0;
    while filled < chunk {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    buffer.truncate(filled);
    Ok(())
}

/// A leaf's name, and its block where that is not the bytes themselves.
fn leaf(bytes: &[u8], leaves: Leaves) -> (Cid, Option<Vec<u8>>) {
    match leaves {
        Leaves::Raw => (raw_cid(bytes), None),
        Leaves::DagPb => {
            let mut data = Data::of(Kind::File);
            // go-unixfs leaves the field out of an empty leaf.
            data.bytes = (!bytes.is_empty()).then(|| bytes.to_vec());
            data.filesize = Some(bytes.len() as u64);
            let block = Node {
                links: vec![],
                data: data.encode(),
            }
            .encode();
            (dag_pb_cid(&block), Some(block))
        }
    }
}

/// The tree above the leaves, of which only the right edge is kept: one open node a level.
///
/// Kubo's balanced layout puts every leaf at one depth and fills from the left, so a level's nodes are its children in
/// groups of the fan-out, the last one as it comes, even of one child.
struct Tree {
    fanout: usize,
    levels: Vec<Vec<Child>>,
    blocks: u64,
}

impl Tree {
    fn is_empty(&self) -> bool {
        self.levels.iter().all(Vec::is_empty)
    }

    fn push(&mut self, mut level: usize, mut child: Child, sink: &mut Sink<'_>) -> Result<(), BuildError> {
        loop {
            if self.levels.len() == level {
                self.levels.push(vec![]);
            }
            // Closed only when the next child comes: a full node may be the root.
            let closed = (self.levels[level].len() == self.fanout).then(|| std::mem::take(&mut self.levels[level]));
            self.levels[level].push(child);
            match closed {
                Some(children) => child = self.close(&children, sink)?,
                None => return Ok(()),
            }
            level += 1;
        }
    }

    fn finish(mut self, sink: &mut Sink<'_>) -> Result<Built, BuildError> {
        let mut level = 0;
        loop {
            let children = std::mem::take(&mut self.levels[level]);
            let top = level + 1 == self.levels.len();
            if let (true, [root]) = (top, &children[..]) {
                return Ok(Built {
                    cid: root.cid,
                    size: root.size,
                    tsize: root.tsize,
                    blocks: self.blocks,
                });
            }
            let node = self.close(&children, sink)?;
            level += 1;
            // The level above may be full and close in its turn.
            self.push(level, node, sink)?;
        }
    }

    fn close(&mut self, children: &[Child], sink: &mut Sink<'_>) -> Result<Child, BuildError> {
        let mut data = Data::of(Kind::File);
        data.filesize = Some(children.iter().map(|c| c.size).sum());
        data.blocksizes = children.iter().map(|c| c.size).collect();
        let links = children.iter().map(|c| Link {
            cid: c.cid,
            name: String::new(),
            tsize: c.tsize,
        });
        let block = Node {
            links: links.collect(),
            data: data.encode(),
        }
        .encode();
        let cid = dag_pb_cid(&block);
        sink(cid, &block).map_err(BuildError::Sink)?;
        self.blocks += 1;
        Ok(Child {
            cid,
            size: children.iter().map(|c| c.size).sum(),
            tsize: block.len() as u64 + children.iter().map(|c| c.tsize).sum::<u64>(),
        })
    }
}
