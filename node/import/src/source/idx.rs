//! IDX, the format MNIST is published in, also gzipped.
//!
//! # Source
//! LeCun, Cortes, Burges, "The MNIST database", section "File formats": two zero bytes, a type, the number of dimensions,
//! the dimensions as big-endian words, the values.

use super::{Sources, in_order};
use crate::error::ImportError;
use crate::labels::Label;
use crate::table::Collector;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Most labels of one file.
const MAX_LABELS: u64 = 1 << 28;

/// Says whether a file is read as IDX: `…-idx3-ubyte`, `…-ubyte`, `.idx`, each also with `.gz`.
pub fn is(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.ends_with("ubyte") || name.ends_with(".idx")
}

/// Reads samples of bytes.
///
/// # Errors
/// For another type, a file longer or shorter than its header says, or labels that do not match.
pub fn read(path: &Path, labels: &Path, out: &mut Collector<'_>, seen: &mut Sources) -> Result<(), ImportError> {
    let place = path.display().to_string();
    let (mut from, dims) = open(path)?;
    let Some((&count, shape)) = dims.split_first().filter(|(_, s)| !s.is_empty()) else {
        return Err(ImportError::refused(
            place,
            "it has one dimension",
            "it looks like labels: name it with --labels",
        ));
    };
    out.expect(&place, shape, Some(count.into()))?;
    let labels = in_order(labels, count.into())?;
    seen.saw("IDX", "u8");
    let mut record = vec![0; shape.iter().map(|&d| d as usize).product()];
    for (i, label) in labels.iter().enumerate() {
        fill(&mut from, &mut record, &place)?;
        out.bytes(|| format!("{place}, sample {}", i + 1), &record, label)?;
    }
    at_end(&mut from, &place)
}

/// Reads one-dimensional labels.
///
/// # Errors
/// As [`read`].
pub fn labels(path: &Path) -> Result<Vec<Label>, ImportError> {
    let place = path.display().to_string();
    let (mut from, dims) = open(path)?;
    let [count] = dims[..] else {
        return Err(ImportError::refused(
            place,
            format!("labels of {} dimensions", dims.len()),
            "name the file of labels with --labels, the samples without it",
        ));
    };
    if u64::from(count) > MAX_LABELS {
        return Err(ImportError::Limit {
            place,
            what: "the number of labels",
            got: count.into(),
            limit: MAX_LABELS,
        });
    }
    // Grows with what is there, not with what the header says.
    let mut bytes = vec![];
    (&mut from)
        .take(count.into())
        .read_to_end(&mut bytes)
        .map_err(|e| ImportError::format(&place, e))?;
    if bytes.len() != count as usize {
        return Err(short(&place));
    }
    at_end(&mut from, &place)?;
    Ok(bytes.into_iter().map(|b| Label::Number(b.into())).collect())
}

fn open(path: &Path) -> Result<(Box<dyn Read>, Vec<u32>), ImportError> {
    let place = path.display().to_string();
    let file = BufReader::new(File::open(path).map_err(ImportError::io(path))?);
    let zipped = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let mut from: Box<dyn Read> = if zipped {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    };
    let mut head = [0u8; 4];
    fill(&mut from, &mut head, &place)?;
    match head {
        [0, 0, 8, 1..=8] => {}
        [0, 0, 9..=14, 1..=8] => {
            return Err(ImportError::refused(
                place,
                "its values are no unsigned bytes",
                "convert it to bytes, or to .npy",
            ));
        }
        _ => {
            return Err(ImportError::format(
                place,
                "no IDX file: it does not begin with 0, 0, a type and a number of dimensions",
            ));
        }
    }
    let mut dims = vec![];
    for _ in 0..head[3] {
        let mut word = [0u8; 4];
        fill(&mut from, &mut word, &place)?;
        dims.push(u32::from_be_bytes(word));
    }
    Ok((from, dims))
}

fn short(place: &str) -> ImportError {
    ImportError::format(place, "it ends before the values its header announces")
}

fn fill(from: &mut impl Read, bytes: &mut [u8], place: &str) -> Result<(), ImportError> {
    from.read_exact(bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => short(place),
        _ => ImportError::format(place, e),
    })
}

fn at_end(from: &mut impl Read, place: &str) -> Result<(), ImportError> {
    match from.read(&mut [0]).map_err(|e| ImportError::format(place, e))? {
        0 => Ok(()),
        _ => Err(ImportError::format(
            place,
            "it goes on after the values its header announces",
        )),
    }
}
