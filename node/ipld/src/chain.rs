//! Trees as the contract `DagPb` reads them: one spelling, raw leaves, every size true.
//!
//! [`crate::walk`] reads what any IPFS program may have written. The chain pays for every byte it reads, so its reader takes
//! files and folders of files as `ipfs add --cid-version=1 --raw-leaves` writes them, and nothing else. This is the same
//! reader: it gathers the nodes for a transaction and refuses, with the contract's own error, what would be refused there.
//!
//! # Source
//! `contracts/src/libraries/UnixFs.sol`, which reads by the same rules in the same order.

use sha2::{Digest as _, Sha256};
use std::io;

/// Most nodes, leaves, and nodes from root to leaf of a tree the chain reads.
pub const MAX_NODES: usize = 1024;
pub const MAX_LEAVES: usize = 8192;
pub const MAX_DEPTH: usize = 16;
const MAX_NAME: usize = 255;
/// The entry of a folder that describes its data and is no part of them.
pub const MANIFEST: &str = "manifest.json";

const NODE_DATA: u8 = 0x0a;
const NODE_LINK: u8 = 0x12;
const LINK_HASH: u8 = 0x0a;
const LINK_NAME: u8 = 0x12;
const LINK_SIZE: u8 = 0x18;
const DATA_KIND: u8 = 0x08;
const DATA_BYTES: u8 = 0x12;
const DATA_SIZE: u8 = 0x18;
const DATA_BLOCK: u8 = 0x20;
const FOLDER: u64 = 1;
const FILE: u64 = 2;
/// Version 1, codec, SHA-256 and its length, in front of the digest.
const RAW_LEAF: [u8; 4] = [1, 0x55, 0x12, 0x20];
const DAG_NODE: [u8; 4] = [1, 0x70, 0x12, 0x20];

/// SHA-256 of a block, which its CID holds.
pub type Digest = [u8; 32];

/// A raw leaf, and what the tree says of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub digest: Digest,
    pub len: u64,
}

/// A tree the contract accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What a transaction carries: the dag-pb nodes, depth first.
    pub nodes: Vec<Vec<u8>>,
    /// What the contract answers.
    pub leaves: Vec<Leaf>,
}

/// Why the contract refuses a tree: its errors, by its names. `node` counts from the root, `pos` within the node.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("node {node} of the tree is missing")]
    NodeMissing { node: usize },
    #[error("the tree has {used} nodes, {given} were given")]
    NodesLeft { used: usize, given: usize },
    #[error("node {node} has another hash than its parent says")]
    NodeOther { node: usize },
    #[error("the tree has more than {MAX_NODES} nodes; a larger fan-out makes fewer")]
    TooManyNodes,
    #[error("the tree has more than {MAX_LEAVES} leaves")]
    TooManyLeaves,
    #[error("node {node} lies deeper than {MAX_DEPTH}")]
    TooDeep { node: usize },
    #[error("node {node} ends at byte {pos} in the middle of a field")]
    Truncated { node: usize, pos: usize },
    #[error("node {node}, byte {pos}: a number is longer than it needs to be, or than 64 bits")]
    VarintInvalid { node: usize, pos: usize },
    #[error("node {node}, byte {pos}: another field belongs here, or none")]
    FieldUnexpected { node: usize, pos: usize },
    #[error(
        "node {node}, byte {pos}: the chain reads raw and dag-pb CIDs of version 1 with sha2-256; add the data with `ipfs add --cid-version=1`"
    )]
    LinkInvalid { node: usize, pos: usize },
    #[error(
        "node {node}, byte {pos}: the chain reads names of 1 to 255 printable ASCII characters in a folder, none in a file"
    )]
    NameInvalid { node: usize, pos: usize },
    #[error("node {node}, byte {pos}: names of a folder stand in ascending order, each once")]
    NameOrder { node: usize, pos: usize },
    #[error("node {node} is of UnixFS type {kind}; the chain reads files and plain folders")]
    KindUnsupported { node: usize, kind: u64 },
    #[error("node {node} is a folder in a folder; the chain reads a folder of files")]
    FolderInside { node: usize },
    #[error("node {node} holds bytes of the file itself; add the data with `ipfs add --cid-version=1 --raw-leaves`")]
    InlineData { node: usize },
    #[error("node {node} is a file or folder of nothing")]
    NoLinks { node: usize },
    #[error("node {node} does not say one size for each link")]
    SizeCount { node: usize },
    #[error("node {node}, byte {pos}: an empty leaf")]
    LeafEmpty { node: usize, pos: usize },
    #[error("node {node} says its file has {stated} bytes, its parts have {sum}")]
    FileSize { node: usize, stated: u64, sum: u128 },
    #[error("node {node} holds {got} bytes of the file, its parent says {stated}")]
    ChildSize { node: usize, stated: u64, got: u128 },
    #[error("a link of node {node}, or to it, says {stated} bytes for all below it; there are {got}")]
    TreeSize { node: usize, stated: u64, got: u128 },
    #[error("a node of the tree cannot be read: {0}")]
    Get(#[from] io::Error),
}

/// Gathers a tree from its root's digest; `get` gives the dag-pb block of a digest, `None` where it is missing.
///
/// # Errors
/// What the contract would answer, or [`Refusal::Get`].
pub fn open(root: &Digest, mut get: impl FnMut(&Digest) -> io::Result<Option<Vec<u8>>>) -> Result<Opened, Refusal> {
    let mut tree = Tree::new(|_, digest: &Digest| get(digest));
    tree.node(root, 0)?;
    Ok(Opened {
        nodes: tree.nodes,
        leaves: tree.leaves,
    })
}

/// Reads nodes as the contract is given them.
///
/// # Errors
/// What the contract answers.
pub fn leaves_of(root: &Digest, nodes: &[Vec<u8>]) -> Result<Vec<Leaf>, Refusal> {
    let mut tree = Tree::new(|i: usize, _: &Digest| Ok(nodes.get(i).cloned()));
    tree.node(root, 0)?;
    let (used, given) = (tree.nodes.len(), nodes.len());
    if used != given {
        return Err(Refusal::NodesLeft { used, given });
    }
    Ok(tree.leaves)
}

/// What was read so far; `get` is asked by number and digest.
struct Tree<G> {
    get: G,
    nodes: Vec<Vec<u8>>,
    leaves: Vec<Leaf>,
    /// Below the manifest.
    hidden: bool,
}

struct Link {
    digest: Digest,
    leaf: bool,
    name: std::ops::Range<usize>,
    size: u64,
    end: usize,
}

/// How many links a node has, and where its data stand from the first block's size on.
struct Head {
    links: usize,
    pos: usize,
    end: usize,
    folder: bool,
    size: u64,
}

impl<G: FnMut(usize, &Digest) -> io::Result<Option<Vec<u8>>>> Tree<G> {
    fn new(get: G) -> Self {
        Self {
            get,
            nodes: vec![],
            leaves: vec![],
            hidden: false,
        }
    }

    /// The file's bytes below a node (of a folder none), and those of all blocks.
    fn node(&mut self, expected: &Digest, depth: usize) -> Result<(u128, u128), Refusal> {
        let i = self.nodes.len();
        if i == MAX_NODES {
            return Err(Refusal::TooManyNodes);
        }
        let Some(bytes) = (self.get)(i, expected)? else {
            return Err(Refusal::NodeMissing { node: i });
        };
        self.nodes.push(bytes.clone());
        if depth == MAX_DEPTH {
            return Err(Refusal::TooDeep { node: i });
        }
        if Sha256::digest(&bytes)[..] != expected[..] {
            return Err(Refusal::NodeOther { node: i });
        }
        let reader = Reader { bytes: &bytes, node: i };
        let mut head = reader.head()?;
        if head.folder && depth != 0 {
            return Err(Refusal::FolderInside { node: i });
        }
        let (mut pos, mut size, mut tsize) = (0, 0u128, bytes.len() as u128);
        let mut before: &[u8] = &[];
        for _ in 0..head.links {
            let link = reader.link(pos)?;
            let name = &bytes[link.name.clone()];
            tsize += u128::from(link.size);
            if head.folder {
                reader.check_name(before, name, link.name.start)?;
                before = name;
                self.hidden = name == MANIFEST.as_bytes();
                if link.leaf {
                    self.leaf(&link, link.size, i)?;
                } else {
                    self.child(&link, depth)?;
                }
            } else {
                if !name.is_empty() {
                    return Err(Refusal::NameInvalid {
                        node: i,
                        pos: link.name.start,
                    });
                }
                size += u128::from(self.part(&reader, &mut head, &link, depth)?);
            }
            pos = link.end;
        }
        if head.pos != head.end {
            return Err(match bytes[head.pos] {
                DATA_BLOCK => Refusal::SizeCount { node: i },
                _ => reader.unexpected(head.pos),
            });
        }
        if u128::from(head.size) != size {
            return Err(Refusal::FileSize {
                node: i,
                stated: head.size,
                sum: size,
            });
        }
        Ok((size, tsize))
    }

    /// One link of a file, with the size that the node says of it.
    fn part(&mut self, reader: &Reader<'_>, head: &mut Head, link: &Link, depth: usize) -> Result<u64, Refusal> {
        if head.pos == head.end {
            return Err(Refusal::SizeCount { node: reader.node });
        }
        if reader.bytes[head.pos] != DATA_BLOCK {
            return Err(reader.unexpected(head.pos));
        }
        let stated;
        (stated, head.pos) = reader.varint(head.pos + 1, head.end)?;
        if link.leaf {
            self.leaf(link, stated, reader.node)?;
            return Ok(stated);
        }
        let node = self.nodes.len();
        let got = self.child(link, depth)?;
        if got != u128::from(stated) {
            return Err(Refusal::ChildSize { node, stated, got });
        }
        Ok(stated)
    }

    fn child(&mut self, link: &Link, depth: usize) -> Result<u128, Refusal> {
        let node = self.nodes.len();
        let (size, got) = self.node(&link.digest, depth + 1)?;
        if got != u128::from(link.size) {
            let stated = link.size;
            return Err(Refusal::TreeSize { node, stated, got });
        }
        Ok(size)
    }

    fn leaf(&mut self, link: &Link, len: u64, node: usize) -> Result<(), Refusal> {
        if len == 0 {
            let pos = link.name.start;
            return Err(Refusal::LeafEmpty { node, pos });
        }
        if link.size != len {
            return Err(Refusal::TreeSize {
                node,
                stated: link.size,
                got: len.into(),
            });
        }
        if self.hidden {
            return Ok(());
        }
        if self.leaves.len() == MAX_LEAVES {
            return Err(Refusal::TooManyLeaves);
        }
        let digest = link.digest;
        self.leaves.push(Leaf { digest, len });
        Ok(())
    }
}

/// One node's bytes.
struct Reader<'a> {
    bytes: &'a [u8],
    node: usize,
}

impl Reader<'_> {
    fn unexpected(&self, pos: usize) -> Refusal {
        let node = self.node;
        Refusal::FieldUnexpected { node, pos }
    }

    fn expect(&self, key: u8, pos: usize, end: usize) -> Result<usize, Refusal> {
        match self.byte(pos, end)? {
            b if b == key => Ok(pos + 1),
            _ => Err(self.unexpected(pos)),
        }
    }

    fn head(&self) -> Result<Head, Refusal> {
        let (mut pos, mut links) = (0, 0);
        let mut len;
        let all = self.bytes.len();
        while self.byte(pos, all)? == NODE_LINK {
            (len, pos) = self.length(pos + 1, all)?;
            pos += len;
            links += 1;
        }
        pos = self.expect(NODE_DATA, pos, all)?;
        (len, pos) = self.length(pos, all)?;
        let end = pos + len;
        if end != all {
            return Err(self.unexpected(end));
        }
        pos = self.expect(DATA_KIND, pos, end)?;
        let kind;
        (kind, pos) = self.varint(pos, end)?;
        let node = self.node;
        if !matches!(kind, FOLDER | FILE) {
            return Err(Refusal::KindUnsupported { node, kind });
        }
        let folder = kind == FOLDER;
        let mut size = 0;
        if !folder {
            if self.byte(pos, end)? == DATA_BYTES {
                return Err(Refusal::InlineData { node });
            }
            pos = self.expect(DATA_SIZE, pos, end)?;
            (size, pos) = self.varint(pos, end)?;
        }
        if links == 0 {
            return Err(Refusal::NoLinks { node });
        }
        Ok(Head {
            links,
            pos,
            end,
            folder,
            size,
        })
    }

    fn link(&self, pos: usize) -> Result<Link, Refusal> {
        let (len, pos) = self.length(pos + 1, self.bytes.len())?;
        let end = pos + len;
        let pos = self.expect(LINK_HASH, pos, end)?;
        let (len, pos) = self.length(pos, end)?;
        let invalid = || Refusal::LinkInvalid { node: self.node, pos };
        let (prefix, digest) = self.bytes[pos..pos + len]
            .split_first_chunk::<4>()
            .ok_or_else(invalid)?;
        let digest = digest.try_into().map_err(|_| invalid())?;
        let leaf = *prefix == RAW_LEAF;
        if !leaf && *prefix != DAG_NODE {
            return Err(invalid());
        }
        let pos = self.expect(LINK_NAME, pos + len, end)?;
        let (len, pos) = self.length(pos, end)?;
        let name = pos..pos + len;
        let pos = self.expect(LINK_SIZE, name.end, end)?;
        let (size, pos) = self.varint(pos, end)?;
        if pos != end {
            return Err(self.unexpected(pos));
        }
        Ok(Link {
            digest,
            leaf,
            name,
            size,
            end,
        })
    }

    fn check_name(&self, before: &[u8], name: &[u8], pos: usize) -> Result<(), Refusal> {
        let node = self.node;
        let invalid = || Refusal::NameInvalid { node, pos };
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(invalid());
        }
        // As in the contract, the first character that is wrong in either way decides.
        let mut equal = true;
        for (k, &c) in name.iter().enumerate() {
            if !matches!(c, 0x20..=0x7e) || c == b'/' {
                return Err(invalid());
            }
            if let (true, Some(&b)) = (equal, before.get(k)) {
                if b > c {
                    return Err(Refusal::NameOrder { node, pos });
                }
                equal = b == c;
            }
        }
        if matches!(name, b"." | b"..") {
            return Err(invalid());
        }
        if equal && name.len() <= before.len() {
            return Err(Refusal::NameOrder { node, pos });
        }
        Ok(())
    }

    fn byte(&self, pos: usize, end: usize) -> Result<u8, Refusal> {
        let node = self.node;
        match self.bytes.get(pos) {
            Some(&b) if pos < end => Ok(b),
            _ => Err(Refusal::Truncated { node, pos }),
        }
    }

    /// A length, of which so much is there.
    fn length(&self, pos: usize, end: usize) -> Result<(usize, usize), Refusal> {
        let (len, pos) = self.varint(pos, end)?;
        let node = self.node;
        match usize::try_from(len) {
            Ok(len) if len <= end - pos => Ok((len, pos)),
            _ => Err(Refusal::Truncated { node, pos }),
        }
    }

    /// A number of at most 64 bits in its shortest form.
    fn varint(&self, at: usize, end: usize) -> Result<(u64, usize), Refusal> {
        let mut value = 0u64;
        let (node, pos) = (self.node, at);
        for k in 0..10 {
            let b = self.byte(at + k, end)?;
            if k == 9 && b > 1 {
                break;
            }
            value |= u64::from(b & 0x7f) << (7 * k);
            if b < 0x80 {
                if b == 0 && k != 0 {
                    break;
                }
                return Ok((value, at + k + 1));
            }
        }
        Err(Refusal::VarintInvalid { node, pos })
    }
}
