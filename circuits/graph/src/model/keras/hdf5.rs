//! The part of HDF5 that Keras writes: groups, contiguous float32 arrays, one text attribute.
//!
//! Read: superblock 0 and 1, object headers 1, groups as symbol tables, contiguous and compact
//! storage. Everything else is refused by name. Addresses are checked against the file, the walk is
//! bounded, and all arrays together can be no larger than the file: nothing in it can make the
//! reader loop, panic or fill the memory.
//!
//! Source: "HDF5 File Format Specification", version 3.0, sections II.A, III.A to III.E, IV.A.

use crate::float::Tensor;
use std::cell::Cell;
use std::collections::BTreeMap;

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Structures that one reading may visit.
const MAX_VISITS: usize = 1 << 18;
/// Levels of a group's tree.
const MAX_LEVELS: usize = 16;

/// Object header messages.
mod message {
    pub const DATASPACE: u16 = 1;
    pub const DATATYPE: u16 = 3;
    pub const LAYOUT: u16 = 8;
    pub const FILTERS: u16 = 11;
    pub const ATTRIBUTE: u16 = 12;
    pub const CONTINUATION: u16 = 16;
    pub const SYMBOL_TABLE: u16 = 17;
}

/// An HDF5 file in memory.
pub struct File<'a> {
    bytes: &'a [u8],
    root: usize,
    visits: Cell<usize>,
    /// Elements that may still be read.
    elements: Cell<usize>,
}

/// Address of an object's header.
pub type Object = usize;

impl<'a> File<'a> {
    /// Reads the superblock.
    ///
    /// # Errors
    /// For another file, and for a format version that Keras does not write.
    pub fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let mut file = Self {
            bytes,
            root: 0,
            visits: Cell::new(MAX_VISITS),
            elements: Cell::new(bytes.len() / 4),
        };
        if file.part(0, 8)? != SIGNATURE {
            return Err("no HDF5 file".into());
        }
        let version = file.u8(8)?;
        if version > 1 {
            return Err(format!(
                "HDF5 superblock {version}; save with Keras, which writes version 0 (h5py: no libver = \"latest\")"
            ));
        }
        if file.part(13, 2)? != [8, 8] {
            return Err("HDF5 addresses of another size than 8 bytes".into());
        }
        let base = if version == 0 { 24 } else { 28 };
        if file.u64(base)? != 0 {
            return Err("an HDF5 file inside another one".into());
        }
        file.root = file.address(base + 40)?;
        Ok(file)
    }

    pub fn root(&self) -> Object {
        self.root
    }

    /// Members of a group, by name; none when the object is no group.
    pub fn members(&self, object: Object) -> Result<Option<BTreeMap<String, Object>>, String> {
        let Some(table) = self.find(object, message::SYMBOL_TABLE)? else {
            return Ok(None);
        };
        let (tree, heap) = (self.in_part(table, 0)?, self.in_part(table, 8)?);
        if self.part(heap, 4)? != b"HEAP" {
            return Err("a group without names".into());
        }
        let size = to_usize(self.u64(heap + 8)?)?;
        let names = self.part(self.address(heap + 24)?, size)?;
        let mut out = BTreeMap::new();
        self.tree(tree, names, MAX_LEVELS, &mut out)?;
        Ok(Some(out))
    }

    /// The object at a path of group names.
    pub fn at(&self, path: &[&str]) -> Result<Object, String> {
        let mut object = self.root;
        for name in path {
            let members = self.members(object)?;
            object = members
                .and_then(|m| m.get(*name).copied())
                .ok_or_else(|| format!("{} is not in the file", path.join("/")))?;
        }
        Ok(object)
    }

    fn tree(&self, node: usize, names: &[u8], levels: usize, out: &mut BTreeMap<String, Object>) -> Result<(), String> {
        self.visit()?;
        match self.part(node, 4)? {
            b"TREE" => {}
            b"SNOD" => return self.symbols(node, names, out),
            _ => return Err("a damaged group".into()),
        }
        let levels = levels.checked_sub(1).ok_or("a group's tree is too deep, or a cycle")?;
        let entries = usize::from(self.u16(node + 6)?);
        for i in 0..entries {
            self.tree(self.address(node + 32 + 16 * i)?, names, levels, out)?;
        }
        Ok(())
    }

    fn symbols(&self, node: usize, names: &[u8], out: &mut BTreeMap<String, Object>) -> Result<(), String> {
        for i in 0..usize::from(self.u16(node + 6)?) {
            self.visit()?;
            let entry = node + 8 + 40 * i;
            let at = to_usize(self.u64(entry)?)?;
            let name: Vec<u8> = names
                .get(at..)
                .ok_or("a name outside its group")?
                .iter()
                .copied()
                .take_while(|&b| b != 0)
                .take(256)
                .collect();
            let name = String::from_utf8(name).map_err(|_| "a name that is no text")?;
            if out.insert(name.clone(), self.address(entry + 8)?).is_some() {
                return Err(format!("{name:?} is in a group twice"));
            }
        }
        Ok(())
    }

    /// A float32 array.
    ///
    /// # Errors
    /// For another element type, storage that Keras does not write, sizes beyond the file, NaN and
    /// infinity.
    pub fn tensor(&self, object: Object) -> Result<Tensor, String> {
        let missing = "it is no array";
        let kind = self.find(object, message::DATATYPE)?.ok_or(missing)?;
        float32(kind)?;
        if self.find(object, message::FILTERS)?.is_some() {
            return Err("it is compressed; save with Keras, which does not compress".into());
        }
        let shape = shape(self.find(object, message::DATASPACE)?.ok_or(missing)?)?;
        let count = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(|| format!("shape {shape:?} is absurd"))?;
        let left = self.elements.get().checked_sub(count);
        self.elements
            .set(left.ok_or_else(|| format!("shape {shape:?} holds more than the file"))?);
        let layout = self.find(object, message::LAYOUT)?.ok_or(missing)?;
        let bytes = match layout {
            [3, 0, a, b, rest @ ..] => rest
                .get(..usize::from(u16::from_le_bytes([*a, *b])))
                .ok_or("an array longer than its header")?,
            [3, 1, ..] => self.part(to_usize(le64(layout, 2)?)?, to_usize(le64(layout, 10)?)?)?,
            [3, 2, ..] => return Err("it is stored in chunks; save with Keras, which stores arrays whole".into()),
            other => return Err(format!("storage of version {:?}", other.first())),
        };
        let (numbers, rest) = bytes.as_chunks::<4>();
        if numbers.len() != count || !rest.is_empty() {
            return Err(format!(
                "shape {shape:?} asks for {count} numbers, the file holds {} bytes",
                bytes.len()
            ));
        }
        let data: Vec<f32> = numbers.iter().map(|&b| f32::from_le_bytes(b)).collect();
        if !data.iter().all(|v| v.is_finite()) {
            return Err("it holds NaN or infinity".into());
        }
        Ok(Tensor::new(shape, data))
    }

    /// A text attribute.
    pub fn attribute(&self, object: Object, name: &str) -> Result<Option<String>, String> {
        for (kind, data) in self.messages(object)? {
            if kind == message::ATTRIBUTE
                && let Some(value) = self.text(data, name)?
            {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The attribute's text, when it has this name.
    fn text(&self, m: &[u8], wanted: &str) -> Result<Option<String>, String> {
        let version = *m.first().ok_or("an empty attribute")?;
        let size = |at: usize| le16(m, at).map(usize::from);
        let (mut at, pad): (usize, usize) = match version {
            1 => (8, 8),
            2 => (8, 1),
            3 => (9, 1),
            v => return Err(format!("an attribute of version {v}")),
        };
        let mut next = |len: usize| {
            let part = m.get(at..at.saturating_add(len)).ok_or("a damaged attribute");
            at = at.saturating_add(len.next_multiple_of(pad));
            part
        };
        let name = next(size(2)?)?;
        let kind = next(size(4)?)?;
        next(size(6)?)?;
        let name = name.split(|&b| b == 0).next().unwrap_or(&[]);
        if name != wanted.as_bytes() {
            return Ok(None);
        }
        let data = m.get(at..).ok_or("a damaged attribute")?;
        let class = kind.first().ok_or("a damaged attribute")? & 15;
        let bytes = match class {
            3 => data
                .get(..to_usize(u64::from(le32(kind, 4)?))?)
                .ok_or("a damaged attribute")?,
            9 => self.heap(to_usize(le64(data, 4)?)?, le32(data, 12)?, le32(data, 0)?)?,
            _ => return Err(format!("attribute {wanted:?} is no text")),
        };
        let text = bytes.split(|&b| b == 0).next().unwrap_or(&[]);
        match String::from_utf8(text.to_vec()) {
            Ok(t) => Ok(Some(t)),
            Err(_) => Err(format!("attribute {wanted:?} is no text")),
        }
    }

    /// An object of a global heap.
    fn heap(&self, heap: usize, index: u32, len: u32) -> Result<&'a [u8], String> {
        if self.part(heap, 4)? != b"GCOL" {
            return Err("a damaged text".into());
        }
        let end = heap
            .saturating_add(to_usize(self.u64(heap + 8)?)?)
            .min(self.bytes.len());
        let mut at = heap + 16;
        while at.saturating_add(16) <= end {
            self.visit()?;
            let size = to_usize(self.u64(at + 8)?)?;
            let number = self.u16(at)?;
            if number == 0 {
                break;
            }
            if u32::from(number) == index {
                let part = self.part(at + 16, size)?;
                return part
                    .get(..to_usize(u64::from(len))?)
                    .ok_or_else(|| "a damaged text".into());
            }
            at = at
                .saturating_add(16)
                .saturating_add(size.checked_next_multiple_of(8).ok_or("a damaged text")?);
        }
        Err("a text that is not in the file".into())
    }

    /// The first message of a kind.
    fn find(&self, object: Object, kind: u16) -> Result<Option<&'a [u8]>, String> {
        let all = self.messages(object)?;
        Ok(all.into_iter().find(|(k, _)| *k == kind).map(|(_, data)| data))
    }

    /// All messages of an object's header, its continuations included.
    fn messages(&self, object: Object) -> Result<Vec<(u16, &'a [u8])>, String> {
        if self.u8(object)? != 1 {
            return Err("an object header of another version than Keras writes".into());
        }
        let mut left = usize::from(self.u16(object + 2)?);
        let mut blocks = vec![(object + 16, to_usize(u64::from(self.u32(object + 8)?))?)];
        let mut out = vec![];
        while let Some((mut at, len)) = blocks.pop() {
            let end = at.saturating_add(len);
            while left > 0 && at.saturating_add(8) <= end {
                self.visit()?;
                let (kind, size) = (self.u16(at)?, usize::from(self.u16(at + 2)?));
                let data = self.part(at + 8, size)?;
                if kind == message::CONTINUATION {
                    blocks.push((to_usize(le64(data, 0)?)?, to_usize(le64(data, 8)?)?));
                }
                out.push((kind, data));
                at = at.saturating_add(8 + size);
                left -= 1;
            }
        }
        Ok(out)
    }

    fn visit(&self) -> Result<(), String> {
        let left = self.visits.get().checked_sub(1);
        self.visits
            .set(left.ok_or("the HDF5 file has more parts than any network, or they form a cycle")?);
        Ok(())
    }

    fn part(&self, at: usize, len: usize) -> Result<&'a [u8], String> {
        at.checked_add(len)
            .and_then(|end| self.bytes.get(at..end))
            .ok_or_else(|| format!("the HDF5 file is truncated or damaged: {len} bytes at {at}"))
    }

    fn u8(&self, at: usize) -> Result<u8, String> {
        Ok(self.part(at, 1)?[0])
    }

    fn u16(&self, at: usize) -> Result<u16, String> {
        le16(self.part(at, 2)?, 0)
    }

    fn u32(&self, at: usize) -> Result<u32, String> {
        le32(self.part(at, 4)?, 0)
    }

    fn u64(&self, at: usize) -> Result<u64, String> {
        le64(self.part(at, 8)?, 0)
    }

    /// An address in the file. Kept below 2^62, so that small offsets cannot overflow.
    fn address(&self, at: usize) -> Result<usize, String> {
        self.checked(self.u64(at)?)
    }

    fn in_part(&self, part: &[u8], at: usize) -> Result<usize, String> {
        self.checked(le64(part, at)?)
    }

    fn checked(&self, address: u64) -> Result<usize, String> {
        to_usize(address)
            .ok()
            .filter(|&a| a < self.bytes.len())
            .ok_or_else(|| format!("the HDF5 file is truncated or damaged: address {address:#x}"))
    }
}

fn to_usize(v: u64) -> Result<usize, String> {
    usize::try_from(v).map_err(|_| format!("{v} is no size"))
}

fn le16(b: &[u8], at: usize) -> Result<u16, String> {
    fixed(b, at).map(u16::from_le_bytes)
}

fn le32(b: &[u8], at: usize) -> Result<u32, String> {
    fixed(b, at).map(u32::from_le_bytes)
}

fn le64(b: &[u8], at: usize) -> Result<u64, String> {
    fixed(b, at).map(u64::from_le_bytes)
}

fn fixed<const N: usize>(b: &[u8], at: usize) -> Result<[u8; N], String> {
    b.get(at..)
        .and_then(|b| b.first_chunk())
        .copied()
        .ok_or_else(|| "a damaged header".into())
}

/// Accepts little-endian IEEE 754 single precision only.
fn float32(kind: &[u8]) -> Result<(), String> {
    let class = kind.first().copied().unwrap_or(0) & 15;
    let size = le32(kind, 4)?;
    let layout = kind.get(8..20);
    let single = [0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
    match (class, size) {
        (1, 4) if layout == Some(&single[..]) && kind[1] & 1 == 0 => Ok(()),
        (1, n) => Err(format!(
            "floats of {n} bytes; save the model in float32 (keras.config.set_floatx(\"float32\"))"
        )),
        _ => Err("it does not hold floats".into()),
    }
}

fn shape(space: &[u8]) -> Result<Vec<usize>, String> {
    let [version, rank, ..] = *space else {
        return Err("a damaged header".into());
    };
    let first = match version {
        1 => 8,
        2 => 4,
        v => return Err(format!("a dataspace of version {v}")),
    };
    if usize::from(rank) > crate::float::MAX_RANK {
        return Err(format!("{rank} dimensions"));
    }
    (0..usize::from(rank))
        .map(|i| to_usize(le64(space, first + 8 * i)?))
        .collect()
}
