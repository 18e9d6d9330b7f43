//! numpy's `.npy` and `.npz`.
//!
//! # Source
//! NEP 1, "A simple file format for NumPy arrays", versions 1.0 to 3.0.

use super::{Options, Sources, extension, in_order};
use crate::error::ImportError;
use crate::labels::Label;
use crate::table::Collector;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// Largest header: numpy writes a hundred bytes.
const MAX_HEADER: usize = 64 << 10;
/// Most labels of one array.
const MAX_LABELS: u64 = 1 << 28;
/// Most entries of an archive.
const MAX_ENTRIES: usize = 1024;
/// Bytes of an array in column order that is turned around in memory.
const MAX_TURNED: u64 = 1 << 30;

/// Says whether a file is read as an array.
pub fn is(path: &Path) -> bool {
    extension(path).as_deref() == Some("npy")
}

/// The number types that hold features and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Bool,
    Unsigned(usize),
    Signed(usize),
    Float(usize),
}

/// An array's header.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    number: Number,
    big_endian: bool,
    fortran: bool,
    shape: Vec<u64>,
}

impl Header {
    fn width(&self) -> usize {
        match self.number {
            Number::Bool => 1,
            Number::Unsigned(n) | Number::Signed(n) | Number::Float(n) => n,
        }
    }

    fn dtype(&self) -> String {
        match self.number {
            Number::Bool => "bool".into(),
            Number::Unsigned(n) => format!("u{}", 8 * n),
            Number::Signed(n) => format!("i{}", 8 * n),
            Number::Float(n) => format!("f{}", 8 * n),
        }
    }

    fn value(&self, bytes: &[u8]) -> f64 {
        let mut b = [0u8; 8];
        let n = bytes.len();
        b[..n].copy_from_slice(bytes);
        if self.big_endian {
            b[..n].reverse();
        }
        let word = u64::from_le_bytes(b);
        match self.number {
            Number::Bool | Number::Unsigned(_) => word as f64,
            // Shifted up and down again, which spreads the sign.
            Number::Signed(n) => (((word << (64 - 8 * n)) as i64) >> (64 - 8 * n)) as f64,
            Number::Float(4) => f32::from_bits(word as u32).into(),
            Number::Float(_) => f64::from_bits(word),
        }
    }
}

/// Reads an array of samples, the first dimension counting them.
///
/// # Errors
/// For a type that holds no numbers, a file longer or shorter than its header says, or labels that do not match.
pub fn read(path: &Path, labels: &Path, out: &mut Collector<'_>, seen: &mut Sources) -> Result<(), ImportError> {
    let file = File::open(path).map_err(ImportError::io(path))?;
    let labels = |count| in_order(labels, count);
    samples(
        BufReader::new(file),
        &path.display().to_string(),
        labels,
        out,
        seen,
        "numpy array",
    )
}

/// Reads a one-dimensional array of labels.
///
/// # Errors
/// As [`read`].
pub fn labels(path: &Path) -> Result<Vec<Label>, ImportError> {
    let file = File::open(path).map_err(ImportError::io(path))?;
    label_array(BufReader::new(file), &path.display().to_string())
}

/// Reads two arrays of an archive: those the options name, or the only two there are.
///
/// # Errors
/// As [`read`], and for an entry that unpacks to more than its header promises.
pub fn read_archive(
    path: &Path,
    labels: Option<&Path>,
    options: &Options,
    out: &mut Collector<'_>,
    seen: &mut Sources,
) -> Result<(), ImportError> {
    let place = path.display().to_string();
    let bad = |e: zip::result::ZipError| ImportError::format(&place, e);
    let file = File::open(path).map_err(ImportError::io(path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(bad)?;
    if archive.len() > MAX_ENTRIES {
        return Err(ImportError::Limit {
            place,
            what: "the number of arrays",
            got: archive.len() as u64,
            limit: MAX_ENTRIES as u64,
        });
    }
    let names: Result<Vec<String>, _> = archive
        .file_names()
        .map(|n| n.map(|n| n.strip_suffix(".npy").unwrap_or(&n).to_owned()))
        .collect();
    let names = names.map_err(bad)?;
    let (x, y) = choose(&place, &names, options)?;
    let at = |name: &str| format!("{place}, array {name:?}");
    let y = match labels {
        Some(path) => Err(path),
        None => Ok(label_array(
            archive.by_name(&format!("{y}.npy")).map_err(bad)?,
            &at(&y),
        )?),
    };
    let labels = |count| match &y {
        Err(path) => in_order(path, count),
        Ok(list) if list.len() as u64 == count => Ok(list.clone()),
        Ok(list) => Err(ImportError::refused(
            &place,
            format!("{} labels for {count} samples", list.len()),
            "name the two arrays that belong together with --arrays",
        )),
    };
    let entry = archive.by_name(&format!("{x}.npy")).map_err(bad)?;
    samples(entry, &at(&x), labels, out, seen, "numpy archive")
}

fn choose(place: &str, names: &[String], options: &Options) -> Result<(String, String), ImportError> {
    if let Some((x, y)) = &options.arrays {
        return match [x, y].into_iter().find(|n| !names.contains(n)) {
            Some(missing) => Err(ImportError::refused(
                place,
                format!("no array is called {missing:?}; there are {}", names.join(", ")),
                "name features and labels with --arrays X,Y",
            )),
            None => Ok((x.clone(), y.clone())),
        };
    }
    let mut names = names.to_vec();
    names.sort();
    let pick = |options: [&str; 4]| names.iter().find(|n| options.contains(&n.as_str())).cloned();
    match (pick(["x", "X", "data", "images"]), pick(["y", "Y", "labels", "target"])) {
        (Some(x), Some(y)) => Ok((x, y)),
        _ => Err(ImportError::refused(
            place,
            format!("which of {} are features and labels?", names.join(", ")),
            "name them with --arrays X,Y",
        )),
    }
}

fn label_array(from: impl Read, place: &str) -> Result<Vec<Label>, ImportError> {
    let mut from = from;
    let header = header(&mut from, place)?;
    // Some write labels as a column.
    let count = match header.shape[..] {
        [n] | [n, 1] => n,
        _ => {
            return Err(ImportError::refused(
                place,
                format!("labels of shape {:?}", header.shape),
                "one number a sample is expected; turn one-hot rows into numbers first",
            ));
        }
    };
    if count > MAX_LABELS {
        return Err(ImportError::Limit {
            place: place.to_owned(),
            what: "the number of labels",
            got: count,
            limit: MAX_LABELS,
        });
    }
    let mut bytes = [0u8; 8];
    let bytes = &mut bytes[..header.width()];
    let mut out = vec![];
    for i in 0..count {
        fill(&mut from, bytes, place)?;
        let value = header.value(bytes);
        let label = Label::of_number(value).ok_or_else(|| {
            ImportError::refused(
                format!("{place}, label {}", i + 1),
                format!("{value} is no class"),
                "labels are whole numbers from 0",
            )
        })?;
        out.push(label);
    }
    at_end(&mut from, place)?;
    Ok(out)
}

fn samples(
    mut from: impl Read,
    place: &str,
    labels: impl FnOnce(u64) -> Result<Vec<Label>, ImportError>,
    out: &mut Collector<'_>,
    seen: &mut Sources,
    kind: &str,
) -> Result<(), ImportError> {
    let header = header(&mut from, place)?;
    let (count, shape) = match header.shape.split_first() {
        Some((&count, shape)) if !shape.is_empty() => (count, shape),
        _ => {
            return Err(ImportError::refused(
                place,
                format!("samples of shape {:?}", header.shape),
                "the first dimension counts samples, the others are a sample's",
            ));
        }
    };
    let dims: Option<Vec<u32>> = shape.iter().map(|&d| u32::try_from(d).ok()).collect();
    let dims = dims.ok_or_else(|| ImportError::format(place, format!("a sample of shape {shape:?}")))?;
    // Also bounds every product below.
    out.expect(place, &dims, Some(count))?;
    let labels = labels(count)?;
    let features: usize = dims.iter().map(|&d| d as usize).product();
    let width = header.width();
    seen.saw(kind, header.dtype());
    let mut record = vec![0; features * width];
    let whole = if header.fortran {
        Some(turned(&mut from, &header, place)?)
    } else {
        None
    };
    for (i, label) in labels.iter().enumerate() {
        let at = || format!("{place}, sample {}", i + 1);
        match &whole {
            None => fill(&mut from, &mut record, place)?,
            Some(all) => record.copy_from_slice(&all[i * features * width..(i + 1) * features * width]),
        }
        if header.number == Number::Unsigned(1) {
            out.bytes(at, &record, label)?;
        } else {
            out.numbers(at, record.chunks_exact(width).map(|v| header.value(v)), label)?;
        }
    }
    at_end(&mut from, place)
}

/// Reads an array in column order and puts it in row order.
fn turned(from: &mut impl Read, header: &Header, place: &str) -> Result<Vec<u8>, ImportError> {
    let width = header.width();
    // The collector bounded the number of values.
    let count: u64 = header.shape.iter().product();
    let got = count * width as u64;
    if got > MAX_TURNED {
        return Err(ImportError::Limit {
            place: place.to_owned(),
            what: "the size of an array in column order",
            got,
            limit: MAX_TURNED,
        });
    }
    let mut bytes = vec![];
    from.take(got)
        .read_to_end(&mut bytes)
        .map_err(|e| ImportError::format(place, e))?;
    if bytes.len() as u64 != got {
        return Err(short(place));
    }
    let mut out = vec![0; bytes.len()];
    let mut index = vec![0u64; header.shape.len()];
    for value in bytes.chunks_exact(width) {
        let at = index.iter().zip(&header.shape).fold(0, |at, (&i, &d)| at * d + i) as usize;
        out[at * width..(at + 1) * width].copy_from_slice(value);
        // The first index runs fastest.
        for (i, &d) in index.iter_mut().zip(&header.shape) {
            *i += 1;
            if *i < d {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}

fn fill(from: &mut impl Read, bytes: &mut [u8], place: &str) -> Result<(), ImportError> {
    from.read_exact(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => short(place),
        _ => ImportError::format(place, e),
    })
}

fn short(place: &str) -> ImportError {
    ImportError::format(place, "it ends before the values its header announces")
}

/// Refuses bytes after the last value; of an archive's entry this also checks its checksum.
fn at_end(from: &mut impl Read, place: &str) -> Result<(), ImportError> {
    match from.read(&mut [0]).map_err(|e| ImportError::format(place, e))? {
        0 => Ok(()),
        _ => Err(ImportError::format(
            place,
            "it goes on after the values its header announces",
        )),
    }
}

fn header(from: &mut impl Read, place: &str) -> Result<Header, ImportError> {
    let bad = |reason: &str| ImportError::format(place, format!("no numpy array: {reason}"));
    let mut head = [0u8; 8];
    fill(from, &mut head, place)?;
    if &head[..6] != b"\x93NUMPY" {
        return Err(bad("it does not begin with \\x93NUMPY"));
    }
    let mut len = [0u8; 4];
    match head[6] {
        1 => fill(from, &mut len[..2], place)?,
        2 | 3 => fill(from, &mut len, place)?,
        other => return Err(bad(&format!("version {other} is not known"))),
    }
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_HEADER {
        return Err(bad(&format!("its header has {len} bytes")));
    }
    let mut text = vec![0; len];
    fill(from, &mut text, place)?;
    let text = String::from_utf8(text).map_err(|_| bad("its header is no text"))?;
    parse(&text).map_err(|reason| {
        ImportError::refused(
            place,
            reason,
            "save the array again as numbers: `np.save(file, a.astype(np.uint8))`",
        )
    })
}

/// Reads the header's Python dictionary, of which numpy writes one spelling.
fn parse(text: &str) -> Result<Header, String> {
    let odd = || "its header is not what numpy writes".to_owned();
    let field = |key: &str| -> Option<&str> {
        let rest = text.split_once(&format!("'{key}':"))?.1.trim_start();
        Some(match rest.chars().next()? {
            '(' => rest.split_once(')')?.0.strip_prefix('(')?,
            '\'' => rest[1..].split_once('\'')?.0,
            _ => rest.split([',', '}']).next()?.trim(),
        })
    };
    let descr = field("descr").ok_or_else(odd)?;
    let fortran = match field("fortran_order").ok_or_else(odd)? {
        "True" => true,
        "False" => false,
        _ => return Err(odd()),
    };
    let shape = field("shape").ok_or_else(odd)?;
    let shape = shape
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .map(str::parse);
    let shape: Vec<u64> = shape.collect::<Result<_, _>>().map_err(|_| odd())?;
    if shape.len() > 8 {
        return Err(format!("{} dimensions", shape.len()));
    }
    let no = || format!("its type {descr:?} holds no numbers that can be read");
    let (order, kind) = descr.split_at_checked(1).ok_or_else(no)?;
    let number = match kind {
        "b1" => Number::Bool,
        "u1" => Number::Unsigned(1),
        "u2" => Number::Unsigned(2),
        "u4" => Number::Unsigned(4),
        "u8" => Number::Unsigned(8),
        "i1" => Number::Signed(1),
        "i2" => Number::Signed(2),
        "i4" => Number::Signed(4),
        "i8" => Number::Signed(8),
        "f4" => Number::Float(4),
        "f8" => Number::Float(8),
        _ => return Err(no()),
    };
    let big_endian = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return Err(no()),
    };
    Ok(Header {
        number,
        big_endian,
        fortran,
        shape,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_or_refused() {
        let h = parse("{'descr': '>i2', 'fortran_order': True, 'shape': (130, 4, 4), }   \n").unwrap();
        assert_eq!(
            (h.number, h.big_endian, h.fortran, &h.shape[..]),
            (Number::Signed(2), true, true, &[130, 4, 4][..])
        );
        assert_eq!(
            parse("{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}")
                .unwrap()
                .shape,
            [5]
        );
        for text in [
            "",
            "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<i4', 'fortran_order': 1, 'shape': (2,)}",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (2, -1)}",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
            "{'descr': '', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': 'é', 'fortran_order': False, 'shape': (1,)}",
        ] {
            parse(text).unwrap_err();
        }
    }

    #[test]
    fn every_type_is_read_by_value() {
        let h = |number, big_endian| Header {
            number,
            big_endian,
            fortran: false,
            shape: vec![],
        };
        assert_eq!(h(Number::Signed(2), false).value(&[0xff, 0xff]), -1.0);
        assert_eq!(h(Number::Signed(2), true).value(&[0x01, 0x02]), 258.0);
        assert_eq!(h(Number::Unsigned(8), false).value(&[0xff; 8]), u64::MAX as f64);
        assert_eq!(h(Number::Signed(8), false).value(&[0xff; 8]), -1.0);
        assert_eq!(h(Number::Float(4), true).value(&1.5f32.to_be_bytes()), 1.5);
        assert_eq!(h(Number::Float(8), false).value(&(-2.5f64).to_le_bytes()), -2.5);
    }
}
