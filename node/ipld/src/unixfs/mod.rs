//! UnixFS: what a dag-pb node's data says about its file or folder.
//!
//! # Source
//! UNIXFS specification, message `Data`; go-unixfs writes `blocksizes` one by one, not packed.

pub mod hamt;

use crate::wire::{Field, WireError, put_bytes, put_number, take_field, take_varint};

/// Multihash code of murmur3-x64-64, the only hash of sharded folders.
pub const MURMUR3: u64 = 0x22;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a file, as old writers call a leaf.
    Raw,
    Folder,
    File,
    Symlink,
    /// One level of a folder too large for one block.
    Sharded,
}

impl Kind {
    fn code(self) -> u64 {
        match self {
            Self::Raw => 0,
            Self::Folder => 1,
            Self::File => 2,
            Self::Symlink => 4,
            Self::Sharded => 5,
        }
    }
}

/// The data of a UnixFS node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    pub kind: Kind,
    /// A file's own bytes, a symlink's target, or a sharded level's bitmap.
    pub bytes: Option<Vec<u8>>,
    /// Bytes of the file below this node, its own included.
    pub filesize: Option<u64>,
    /// File bytes below each link.
    pub blocksizes: Vec<u64>,
    pub hash_type: Option<u64>,
    pub fanout: Option<u64>,
}

/// Why a node's data is no UnixFS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnixFsError {
    #[error("no UnixFS node: {0}")]
    Wire(#[from] WireError),
    #[error("no UnixFS node: {0}")]
    Form(&'static str),
    #[error("UnixFS type {0} is not read here; files, folders, sharded folders and symlinks are")]
    Kind(u64),
}

impl Data {
    /// Data of this kind and nothing else.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            bytes: None,
            filesize: None,
            blocksizes: vec![],
            hash_type: None,
            fanout: None,
        }
    }

    /// Writes the message in field order.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.as_ref().map_or(0, Vec::len) + 5 * self.blocksizes.len() + 32);
        put_number(&mut out, 1, self.kind.code());
        if let Some(bytes) = &self.bytes {
            put_bytes(&mut out, 2, bytes);
        }
        if let Some(n) = self.filesize {
            put_number(&mut out, 3, n);
        }
        for &n in &self.blocksizes {
            put_number(&mut out, 4, n);
        }
        for (field, value) in [(5, self.hash_type), (6, self.fanout)] {
            if let Some(n) = value {
                put_number(&mut out, field, n);
            }
        }
        out
    }

    /// Reads the message; mode and time of a file are read and forgotten.
    ///
    /// # Errors
    /// For fields that are unknown or repeated, and kinds that hold no file bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnixFsError> {
        let mut kind = None;
        let mut data = Self::of(Kind::Raw);
        let mut seen = [false; 9];
        let mut input = bytes;
        while let Some(field) = take_field(&mut input)? {
            let (Field::Number(n, _) | Field::Bytes(n, _)) = field;
            let slot = usize::try_from(n)
                .ok()
                .and_then(|n| seen.get_mut(n))
                .ok_or(WireError::Field(n))?;
            if *slot && n != 4 {
                return Err(UnixFsError::Form("a field is repeated"));
            }
            *slot = true;
            match field {
                Field::Number(1, n) => kind = Some(n),
                Field::Bytes(2, b) => data.bytes = Some(b.to_vec()),
                Field::Number(3, n) => data.filesize = Some(n),
                Field::Number(4, n) => data.blocksizes.push(n),
                // Packed, as the specification allows a writer to do.
                Field::Bytes(4, mut packed) => {
                    while !packed.is_empty() {
                        data.blocksizes.push(take_varint(&mut packed)?);
                    }
                }
                Field::Number(5, n) => data.hash_type = Some(n),
                Field::Number(6, n) => data.fanout = Some(n),
                Field::Number(7, _) | Field::Bytes(8, _) => {}
                Field::Number(n, _) | Field::Bytes(n, _) => return Err(WireError::Field(n).into()),
            }
        }
        data.kind = match kind.ok_or(UnixFsError::Form("it has no type"))? {
            0 => Kind::Raw,
            1 => Kind::Folder,
            2 => Kind::File,
            4 => Kind::Symlink,
            5 => Kind::Sharded,
            other => return Err(UnixFsError::Kind(other)),
        };
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_as_it_was_written() {
        let mut file = Data::of(Kind::File);
        file.filesize = Some(700);
        file.blocksizes = vec![300, 400];
        let mut shard = Data::of(Kind::Sharded);
        shard.bytes = Some(vec![1, 2]);
        (shard.hash_type, shard.fanout) = (Some(MURMUR3), Some(256));
        for data in [file, shard, Data::of(Kind::Folder), Data::of(Kind::Symlink)] {
            assert_eq!(Data::decode(&data.encode()), Ok(data));
        }
        assert_eq!(Data::of(Kind::Folder).encode(), [8, 1]);
    }

    #[test]
    fn packed_sizes_and_file_modes_are_read() {
        let d = Data::decode(b"\x08\x02\x18\xac\x02\x22\x03\x01\xab\x02\x38\xa4\x03\x42\x02\x08\x01").unwrap();
        assert_eq!((d.filesize, d.blocksizes), (Some(300), vec![1, 299]));
    }

    #[test]
    fn what_is_no_file_or_folder_is_refused() {
        for (bytes, says) in [
            (&b""[..], "no type"),
            (b"\x08\x03", "type 3"),
            (b"\x08\x09", "type 9"),
            (b"\x08\x02\x08\x02", "repeated"),
            (b"\x08\x02\x48\x02", "field 9"),
            (b"\x0a\x02\x08\x02", "field 1"),
            (b"\x08\x02\x12\x05ab", "ends in the middle"),
        ] {
            let e = Data::decode(bytes).unwrap_err().to_string();
            assert!(e.contains(says), "{bytes:?}: {e}");
        }
    }
}
