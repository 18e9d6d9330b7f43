//! A look at a Parquet file's page headers before anything is decoded.
//!
//! The decoder makes room for what a page header states, up to two gigabytes a page, whatever the footer says. So every
//! header of every column is read first, and a page that would unpack to too much, or that claims more dictionary entries
//! than it has bytes, ends the import for the price of its header.
//!
//! # Source
//! parquet.thrift, struct `PageHeader`; Thrift compact protocol.

use crate::error::ImportError;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Largest page, unpacked, in bytes; writers aim at one megabyte.
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
    dictionary_entries: Option<u64>,
    header: usize,
}

/// Checks the pages of one column chunk and gives their unpacked size.
pub fn check(file: &File, place: &str, start: u64, len: u64, len_of_file: u64) -> Result<u64, ImportError> {
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
        if page.unpacked > MAX_PAGE {
            return Err(ImportError::Limit {
                place: place.to_owned(),
                what: "the unpacked size of a page",
                got: page.unpacked,
                limit: MAX_PAGE,
            });
        }
        if entries > page.unpacked {
            return Err(bad("a dictionary claims more entries than it has bytes"));
        }
        total += page.unpacked;
        at += page.header as u64 + page.packed;
    }
    if at > end {
        return Err(bad("a page goes on after its column"));
    }
    Ok(total)
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
        for end in 0..data.len() {
            assert_eq!(parse(&data[..end]), None);
        }
        // A negative size, no size, structs within structs without end.
        assert_eq!(parse(&[0x15, 0x00, 0x15, 0x01, 0x15, 0x02, 0x00]), None);
        assert_eq!(parse(&[0x15, 0x00, 0x00]), None);
        assert_eq!(parse(&[0x5c; 4000]), None);
    }
}
