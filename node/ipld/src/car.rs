//! CAR version 1: blocks one after another in a file, with the roots they belong to.
//!
//! # Source
//! IPLD specification "CARv1": a varint length, a DAG-CBOR header `{"roots": […], "version": 1}`, then for each block a
//! varint length, the CID, the bytes.

use crate::name::{MAX_BLOCK, NameError, normal, verify};
use cid::Cid;
use std::io::{self, Read, Write};

/// Most roots of an archive that is read.
pub const MAX_ROOTS: usize = 16_384;

/// Bytes of a CID of version 1 over SHA-256, of version 0, and room for longer codec numbers.
const CID_BYTES: usize = 48;

/// Why an archive is refused. `at` counts bytes from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum CarError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no CAR file: {0}")]
    Header(&'static str),
    #[error("a CAR file of version {0}: only version 1 is read; convert it with `car` or export it again")]
    Version(u64),
    #[error("the archive ends in the middle of a block, at byte {at}")]
    Truncated { at: u64 },
    #[error("the block at byte {at} is stated to have {len} bytes; at most {MAX_BLOCK} are read")]
    TooLong { at: u64, len: u64 },
    #[error("the block at byte {at}: {reason}")]
    Form { at: u64, reason: &'static str },
    #[error("the block at byte {at}: {source}")]
    Block {
        at: u64,
        #[source]
        source: NameError,
    },
    #[error("the archive holds more than {limit} {what}; raise the limit if you trust the source")]
    Limit { what: &'static str, limit: u64 },
}

/// What reading an archive may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarLimits {
    pub blocks: u64,
    pub bytes: u64,
}

impl Default for CarLimits {
    fn default() -> Self {
        Self {
            blocks: 1 << 21,
            bytes: 1 << 36,
        }
    }
}

/// Reads an archive block by block, each checked against its CID.
#[derive(Debug)]
pub struct CarReader<R> {
    from: R,
    limits: CarLimits,
    roots: Vec<Cid>,
    at: u64,
    blocks: u64,
    buffer: Vec<u8>,
}

impl<R: Read> CarReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// For another version, another spelling of the header, or more than [`MAX_ROOTS`] roots.
    pub fn new(from: R, limits: CarLimits) -> Result<Self, CarError> {
        let mut car = Self {
            from,
            limits,
            roots: vec![],
            at: 0,
            blocks: 0,
            buffer: vec![],
        };
        let len = car.varint()?.ok_or(CarError::Header("the file is empty"))?;
        if len > (MAX_ROOTS * (CID_BYTES + 5) + 64) as u64 {
            return Err(CarError::Header("its header is too long"));
        }
        // At most about a megabyte.
        car.fill(len as usize)?;
        car.roots = header(&car.buffer)?;
        Ok(car)
    }

    /// The roots, as the header lists them, in version 1.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The next block and its name in version 1; `None` at the end of the file.
    ///
    /// # Errors
    /// Names the byte where the archive is malformed, or a limit.
    pub fn next_block(&mut self) -> Result<Option<(Cid, &[u8])>, CarError> {
        let at = self.at;
        let Some(len) = self.varint()? else { return Ok(None) };
        if len > (MAX_BLOCK + CID_BYTES) as u64 {
            return Err(CarError::TooLong { at, len });
        }
        self.blocks += 1;
        if self.blocks > self.limits.blocks {
            return Err(CarError::Limit {
                what: "blocks",
                limit: self.limits.blocks,
            });
        }
        if self.at.saturating_add(len) > self.limits.bytes {
            return Err(CarError::Limit {
                what: "bytes",
                limit: self.limits.bytes,
            });
        }
        self.fill(len as usize)?;
        let mut rest = &self.buffer[..];
        let cid = Cid::read_bytes(&mut rest).map_err(|_| CarError::Form {
            at,
            reason: "it does not begin with a CID",
        })?;
        verify(&cid, rest).map_err(|source| CarError::Block { at, source })?;
        Ok(Some((normal(&cid), rest)))
    }

    /// Reads a varint; `None` when the file ends before it.
    fn varint(&mut self) -> Result<Option<u64>, CarError> {
        let at = self.at;
        let mut value = 0u64;
        for i in 0..5 {
            let mut byte = [0];
            if self.take(&mut byte)? == 0 {
                return if i == 0 {
                    Ok(None)
                } else {
                    Err(CarError::Truncated { at })
                };
            }
            value |= u64::from(byte[0] & 0x7f) << (7 * i);
            if byte[0] & 0x80 == 0 {
                if byte[0] == 0 && i > 0 {
                    break;
                }
                return Ok(Some(value));
            }
        }
        Err(CarError::Form {
            at,
            reason: "its length is no number in shortest form, or far too large",
        })
    }

    /// Reads exactly `len` bytes into the buffer.
    fn fill(&mut self, len: usize) -> Result<(), CarError> {
        let at = self.at;
        self.buffer.resize(len, 0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let got = self.take(&mut buffer);
        self.buffer = buffer;
        if got? < len {
            return Err(CarError::Truncated { at });
        }
        Ok(())
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, CarError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.from.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }
}

/// Reads the one canonical DAG-CBOR spelling of the header.
fn header(bytes: &[u8]) -> Result<Vec<Cid>, CarError> {
    let no = CarError::Header;
    if let Some(&[version]) = bytes.strip_prefix(b"\xa1\x67version") {
        return Err(CarError::Version(version.into()));
    }
    let mut rest = bytes
        .strip_prefix(b"\xa2\x65roots")
        .ok_or(no("its header is not the map of roots and version"))?;
    let count = cbor_head(&mut rest, 4)?;
    if count > MAX_ROOTS as u64 {
        return Err(no("it lists too many roots"));
    }
    let mut roots = Vec::with_capacity(count as usize);
    for _ in 0..count {
        // Tag 42, then a byte string: a zero byte and the CID.
        rest = rest.strip_prefix(b"\xd8\x2a").ok_or(no("a root is no CID"))?;
        let len = cbor_head(&mut rest, 2)? as usize;
        let (bytes, after) = rest.split_at_checked(len).ok_or(no("its header ends early"))?;
        let bytes = bytes.strip_prefix(b"\0").ok_or(no("a root is no CID"))?;
        roots.push(normal(&Cid::try_from(bytes).map_err(|_| no("a root is no CID"))?));
        rest = after;
    }
    rest = rest
        .strip_prefix(b"\x67version")
        .ok_or(no("its header has no version"))?;
    match cbor_head(&mut rest, 0)? {
        1 if rest.is_empty() => Ok(roots),
        1 => Err(no("its header has more than roots and version")),
        other => Err(CarError::Version(other)),
    }
}

/// Takes the head of a CBOR item of this major type, in its shortest form, below 2^16.
fn cbor_head(input: &mut &[u8], major: u8) -> Result<u64, CarError> {
    let no = CarError::Header("its header is not canonical DAG-CBOR");
    let (value, rest) = match input {
        [b, rest @ ..] if *b >> 5 == major && b & 31 < 24 => (u64::from(b & 31), rest),
        [b, n, rest @ ..] if *b >> 5 == major && b & 31 == 24 && *n >= 24 => (u64::from(*n), rest),
        [b, h, l, rest @ ..] if *b >> 5 == major && b & 31 == 25 && *h > 0 => {
            (u64::from(*h) << 8 | u64::from(*l), rest)
        }
        _ => return Err(no),
    };
    *input = rest;
    Ok(value)
}

fn put_cbor_head(out: &mut Vec<u8>, major: u8, value: u16) {
    let [high, low] = value.to_be_bytes();
    match value {
        0..24 => out.push(major << 5 | low),
        24..256 => out.extend([major << 5 | 24, low]),
        _ => out.extend([major << 5 | 25, high, low]),
    }
}

/// Writes an archive.
#[derive(Debug)]
pub struct CarWriter<W> {
    to: W,
}

impl<W: Write> CarWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// For more than [`MAX_ROOTS`] roots, or when writing fails.
    pub fn new(mut to: W, roots: &[Cid]) -> Result<Self, CarError> {
        let count = u16::try_from(roots.len()).ok().filter(|&n| usize::from(n) <= MAX_ROOTS);
        let count = count.ok_or(CarError::Header("it would list too many roots"))?;
        let mut head = b"\xa2\x65roots".to_vec();
        put_cbor_head(&mut head, 4, count);
        for root in roots {
            let bytes = root.to_bytes();
            let len = u16::try_from(bytes.len() + 1).map_err(|_| CarError::Header("a root is too long"))?;
            head.extend(b"\xd8\x2a");
            put_cbor_head(&mut head, 2, len);
            head.push(0);
            head.extend(bytes);
        }
        head.extend(b"\x67version\x01");
        let mut out = vec![];
        crate::wire::put_varint(&mut out, head.len() as u64);
        to.write_all(&out)?;
        to.write_all(&head)?;
        Ok(Self { to })
    }

    /// Writes one block.
    ///
    /// # Errors
    /// When the bytes are not the CID's, or writing fails.
    pub fn put(&mut self, cid: &Cid, bytes: &[u8]) -> Result<(), CarError> {
        verify(cid, bytes).map_err(|source| CarError::Block { at: 0, source })?;
        let name = cid.to_bytes();
        let mut head = vec![];
        crate::wire::put_varint(&mut head, (name.len() + bytes.len()) as u64);
        head.extend(name);
        self.to.write_all(&head)?;
        Ok(self.to.write_all(bytes)?)
    }

    /// Hands the writer back, flushed.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> Result<W, CarError> {
        self.to.flush()?;
        Ok(self.to)
    }
}
