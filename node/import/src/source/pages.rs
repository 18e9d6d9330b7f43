//! A look at a Parquet file's page headers before anything is decoded.
//!
//! The decoder makes room for what a page header states, up to two gigabytes a page, whatever the footer says. So every
//! header of every column is read first, and a page that would unpack to too much, or that claims more dictionary entries
//! than it has bytes, ends the import for the price of its header. The snappy and ZSTD decoders write no further than the
//! header says; gzip's unpacks whatever there is, so its pages are unpacked here first, to nowhere and with a limit.
//!
//! # Source
//! parquet.thrift, struct `PageHeader`; Thrift compact protocol.

use crate::error::ImportError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Largest page, packed or unpacked, in bytes; writers aim at one megabyte.
const MAX_PAGE: u64 = 32 << 20;
/// Largest sum of all pages, unpacked, in bytes.
pub const MAX_TOTAL: u64 = 8 << 30;
/// Largest page header, statistics included, in bytes.
const MAX_HEADER: usize = 64 << 10;
/// Structs within structs in a page header.
const MAX_NESTING: u32 = 8;

/// What a page header states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Page {
    unpacked: u64,
    packed: u64,
    /// Bytes before the compressed ones: the levels of a page of version 2.
    levels: u64,
    /// Version 2 alone may say that a page is not compressed.
    plain: bool,
    dictionary_entries: Option<u64>,
    header: usize,
}

/// Where the pages of one column chunk lie.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    pub start: u64,
    pub len: u64,
    /// Compressed with gzip.
    pub gzip: bool,
}

/// Checks the pages of one column chunk and gives their unpacked size.
pub fn check(file: &File, place: &str, chunk: Chunk, len_of_file: u64) -> Result<u64, ImportError> {
    let Chunk { start, len, gzip } = chunk;
    let bad = |reason: &str| ImportError::format(place, format!("damaged Parquet: {reason}"));
    let end = start.checked_add(len).filter(|&e| e <= len_of_file);
    let end = end.ok_or_else(|| bad("a column lies outside the file"))?;
    let (mut at, mut total) = (start, 0u64);
    let mut buffer = vec![0; MAX_HEADER];
    while at < end {
        let take = (end - at).min(512) as usize;
        let mut page = None;
        // Most headers are short; one with long statistics gets a second look.
        for take in [take, (end - at).min(MAX_HEADER as u64) as usize] {
            file.read_exact_at(&mut buffer[..take], at)
                .map_err(|e| ImportError::format(place, e))?;
            page = parse(&buffer[..take]);
            if page.is_some() {
                break;
            }
        }
        let page = page.ok_or_else(|| bad("a page header cannot be read"))?;
        let entries = page.dictionary_entries.unwrap_or(0);
        let limit = |what, got| ImportError::Limit {
            place: place.to_owned(),
            what,
            got,
            limit: MAX_PAGE,
        };
        if page.unpacked > MAX_PAGE {
            return Err(limit("the unpacked size of a page", page.unpacked));
        }
        if page.packed > MAX_PAGE {
            return Err(limit("the size of a page", page.packed));
        }
        if entries > page.unpacked {
            return Err(bad("a dictionary claims more entries than it has bytes"));
        }
        if gzip && !page.plain {
            let packed = page.packed.checked_sub(page.levels);
            let unpacked = page.unpacked.checked_sub(page.levels);
            let (Some(packed), Some(unpacked)) = (packed, unpacked) else {
                return Err(bad("a page is shorter than its levels"));
            };
            let body = FileAt {
                file,
                at: at + page.header as u64 + page.levels,
            };
            // A page of no values has no compressed bytes, and the decoder does not look for any.
            if unpacked > 0 {
                let mut bytes = MultiGzDecoder::new(body.take(packed)).take(unpacked + 1);
                let got = io::copy(&mut bytes, &mut io::sink()).map_err(|e| bad(&e.to_string()))?;
                if got > unpacked {
                    return Err(bad("a page unpacks to more than its header says"));
                }
            }
        }
        total += page.unpacked;
        at += page.header as u64 + page.packed;
    }
    if at > end {
        return Err(bad("a page goes on after its column"));
    }
    Ok(total)
}

/// Reads a file from a place on, whatever others do with its cursor.
struct FileAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FileAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads a page header; `None` when it is malformed or longer than the bytes.
fn parse(bytes: &[u8]) -> Option<Page> {
    let mut input = bytes;
    let mut page = Page::default();
    let (mut id, mut seen) = (0i64, 0);
    while let Some(kind) = field(&mut input, &mut id)? {
        match (id, kind) {
            (2, 5) => page.unpacked = u64::try_from(integer(&mut input)?).ok()?,
            (3, 5) => page.packed = u64::try_from(integer(&mut input)?).ok()?,
            (7, 12) => page.dictionary_entries = Some(dictionary(&mut input)?),
            (8, 12) => (page.levels, page.plain) = version_2(&mut input)?,
            _ => skip(&mut input, kind, MAX_NESTING)?,
        }
        seen += i32::from(id == 2 || id == 3);
    }
    page.header = bytes.len() - input.len();
    (seen == 2).then_some(page)
}

/// Number of entries, field 1 of the dictionary page's header.
fn dictionary(input: &mut &[u8]) -> Option<u64> {
    let (mut id, mut entries) = (0, None);
    while let Some(kind) = field(input, &mut id)? {
        match (id, kind) {
            (1, 5) => entries = Some(u64::try_from(integer(input)?).ok()?),
            _ => skip(input, kind, MAX_NESTING)?,
        }
    }
    entries
}

/// Bytes of both levels, fields 5 and 6 of a version 2 data page's header, and whether field 7 denies compression.
fn version_2(input: &mut &[u8]) -> Option<(u64, bool)> {
    let (mut id, mut levels, mut plain) = (0, 0u64, false);
    while let Some(kind) = field(input, &mut id)? {
        match (id, kind) {
            (5 | 6, 5) => levels = levels.checked_add(u64::try_from(integer(input)?).ok()?)?,
            // A boolean's value stands in its type.
            (7, 1 | 2) => plain = kind == 2,
            _ => skip(input, kind, MAX_NESTING)?,
        }
    }
    Some((levels, plain))
}

/// Takes a field's head: its type, `None` at the end of the struct; `id` moves on.
fn field(input: &mut &[u8], id: &mut i64) -> Option<Option<u8>> {
    let head = byte(input)?;
    if head == 0 {
        return Some(None);
    }
    *id = match head >> 4 {
        0 => integer(input)?,
        delta => id.checked_add(delta.into())?,
    };
    Some(Some(head & 15))
}

fn byte(input: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = input.split_first()?;
    *input = rest;
    Some(first)
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let b = byte(input)?;
        value |= u64::from(b & 0x7f).checked_shl(shift)?;
        if b & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A zigzag number.
fn integer(input: &mut &[u8]) -> Option<i64> {
    let n = varint(input)?;
    Some((n >> 1) as i64 ^ -((n & 1) as i64))
}

fn drop_bytes(input: &mut &[u8], count: u64) -> Option<()> {
    *input = input.get(usize::try_from(count).ok()?..)?;
    Some(())
}

fn skip(input: &mut &[u8], kind: u8, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match kind {
        // Booleans stand in the type.
        1 | 2 => Some(()),
        3 => drop_bytes(input, 1),
        4..=6 => varint(input).map(drop),
        7 => drop_bytes(input, 8),
        8 => varint(input).and_then(|n| drop_bytes(input, n)),
        9 | 10 => {
            let head = byte(input)?;
            let count = match head >> 4 {
                15 => varint(input)?,
                n => n.into(),
            };
            // Every element of a list takes at least a byte; booleans too, outside of structs.
            for _ in 0..count {
                match head & 15 {
                    1 | 2 => drop_bytes(input, 1)?,
                    kind => skip(input, kind, depth)?,
                }
            }
            Some(())
        }
        12 => {
            let mut id = 0;
            while let Some(kind) = field(input, &mut id)? {
                skip(input, kind, depth)?;
            }
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data page of 1,000 bytes in 20, then a dictionary page of 7 entries.
    #[test]
    fn headers_are_read_and_cut_ones_refused() {
        let data = [0x15, 0x00, 0x15, 0xd0, 0x0f, 0x15, 0x28, 0x2c, 0x15, 0x02, 0x00, 0x00];
        let page = parse(&data).unwrap();
        assert_eq!((page.unpacked, page.packed, page.header), (1000, 20, data.len()));
        let dictionary = [
            0x15, 0x04, 0x15, 0x38, 0x15, 0x38, 0x4c, 0x15, 0x0e, 0x15, 0x00, 0x00, 0x00,
        ];
        assert_eq!(parse(&dictionary).unwrap().dictionary_entries, Some(7));
        // Version 2: levels of 3 and 4 bytes, not compressed.
        let second = [
            0x15, 0x06, 0x15, 0x38, 0x15, 0x38, 0x5c, 0x55, 0x06, 0x15, 0x08, 0x12, 0x00, 0x00,
        ];
        let page = parse(&second).unwrap();
        assert_eq!((page.levels, page.plain), (7, true));
        for end in 0..data.len() {
            assert_eq!(parse(&data[..end]), None);
        }
        // A negative size, no size, structs within structs without end.
        assert_eq!(parse(&[0x15, 0x00, 0x15, 0x01, 0x15, 0x02, 0x00]), None);
        assert_eq!(parse(&[0x15, 0x00, 0x00]), None);
        assert_eq!(parse(&[0x5c; 4000]), None);
    }

    /// 64 MiB of zeros behind a header that says 1,000 bytes, and behind one that tells the truth of 1,000.
    #[test]
    fn gzip_pages_are_cut_off_at_what_their_header_says() {
        use std::io::Write;
        let page = |unpacked: usize| {
            let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
            for part in vec![0; unpacked].chunks(1 << 20) {
                gz.write_all(part).unwrap();
            }
            let body = gz.finish().unwrap();
            let mut packed = body.len() << 1;
            let mut bytes = vec![0x15, 0x00, 0x15, 0xd0, 0x0f, 0x15];
            while packed > 0x7f {
                bytes.push(packed as u8 | 0x80);
                packed >>= 7;
            }
            bytes.extend([packed as u8, 0x00]);
            bytes.extend(body);
            bytes
        };
        for (unpacked, fits) in [(64 << 20, false), (1001, false), (1000, true)] {
            let bytes = page(unpacked);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let len = bytes.len() as u64;
            let chunk = Chunk {
                start: 0,
                len,
                gzip: true,
            };
            let checked = check(&file, "x", chunk, len).map_err(|e| e.to_string());
            match fits {
                true => assert_eq!(checked, Ok(1000)),
                false => assert!(checked.unwrap_err().contains("unpacks to more than its header says")),
            }
        }
    }
}
