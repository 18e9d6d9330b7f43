//! Parquet: flat columns of numbers, one column of lists, or one column of image files.

use super::{Options, Sources, columns, pages};
use crate::error::ImportError;
use crate::labels::Label;
use crate::pixels;
use crate::table::Collector;
use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Largest footer, in bytes: about a hundred thousand column chunks.
const MAX_FOOTER: u32 = 16 << 20;

/// Reads all rows.
///
/// # Errors
/// For a compression that is not built in, pages that would unpack to too much, and values that are no features.
pub fn read(path: &Path, options: &Options, out: &mut Collector<'_>, seen: &mut Sources) -> Result<(), ImportError> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(ImportError::io(path))?;
    let len = file.metadata().map_err(ImportError::io(path))?.len();
    check_footer(&file, len, &place)?;
    let copy = file.try_clone().map_err(ImportError::io(path))?;
    let reader = guarded(&place, || SerializedFileReader::new(file))?;
    check_columns(&reader, &copy, len, &place)?;

    let meta = reader.metadata().file_metadata();
    let rows = u64::try_from(meta.num_rows()).map_err(|_| ImportError::format(&place, "a negative number of rows"))?;
    let names: Vec<String> = meta.schema().get_fields().iter().map(|f| f.name().to_owned()).collect();
    let label = columns::label(Some(&names), names.len(), options.label_column.as_deref(), &place)?;

    let mut iter = guarded(&place, || reader.get_row_iter(None))?;
    let mut values = vec![];
    for i in 0..rows {
        let at = || format!("{place}, row {}", i + 1);
        let row = guarded(&place, || iter.next().transpose())?;
        let row = row.ok_or_else(|| ImportError::format(&place, "it ends before the rows its footer announces"))?;
        let sample = sample(&row, label, &at, &mut values)?;
        if i == 0 {
            seen.saw("Parquet", sample.dtype);
        }
        if i == 0 || sample.image.is_some() || sample.list {
            let shape = match &sample.image {
                Some(image) => image.shape(),
                None => vec![u32::try_from(values.len()).unwrap_or(u32::MAX)],
            };
            out.expect(&at(), &shape, (i == 0).then_some(rows))?;
        }
        match &sample.image {
            Some(image) => out.bytes(at, &image.bytes, &sample.label)?,
            None => out.numbers(at, values.iter().copied(), &sample.label)?,
        }
    }
    Ok(())
}

/// Runs the decoder; what it panics on is a damaged file, too.
fn guarded<T>(place: &str, work: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, ImportError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| ImportError::format(place, format!("damaged Parquet: {e}"))),
        Err(_) => Err(ImportError::format(place, "damaged Parquet: the decoder gave up on it")),
    }
}

/// Checks the length of the footer before the decoder reads it whole.
fn check_footer(file: &File, len: u64, place: &str) -> Result<(), ImportError> {
    let no = || ImportError::format(place, "no Parquet file: it does not end with PAR1");
    let mut tail = [0u8; 8];
    let at = len.checked_sub(12).ok_or_else(no)? + 4;
    file.read_exact_at(&mut tail, at)
        .map_err(|e| ImportError::format(place, e))?;
    let [a, b, c, d, magic @ ..] = tail;
    if &magic != b"PAR1" {
        return Err(no());
    }
    let footer = u32::from_le_bytes([a, b, c, d]);
    if footer > MAX_FOOTER {
        return Err(ImportError::Limit {
            place: place.to_owned(),
            what: "the length of the footer",
            got: footer.into(),
            limit: MAX_FOOTER.into(),
        });
    }
    Ok(())
}

fn check_columns(reader: &SerializedFileReader<File>, file: &File, len: u64, place: &str) -> Result<(), ImportError> {
    let mut total = 0;
    for group in reader.metadata().row_groups() {
        for column in group.columns() {
            let known = matches!(
                column.compression(),
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
            );
            if !known {
                return Err(ImportError::refused(
                    place,
                    format!(
                        "column {} is compressed with {}",
                        column.column_path(),
                        column.compression()
                    ),
                    "write the file with snappy, gzip, zstd or no compression",
                ));
            }
            let start = column
                .dictionary_page_offset()
                .unwrap_or(i64::MAX)
                .min(column.data_page_offset());
            let (start, size) = (u64::try_from(start), u64::try_from(column.compressed_size()));
            let (Ok(start), Ok(len_of_chunk)) = (start, size) else {
                return Err(ImportError::format(
                    place,
                    "damaged Parquet: a column at a negative place",
                ));
            };
            let chunk = pages::Chunk {
                start,
                len: len_of_chunk,
                gzip: matches!(column.compression(), Compression::GZIP(_)),
            };
            total += pages::check(file, place, chunk, len)?;
            if total > pages::MAX_TOTAL {
                return Err(ImportError::Limit {
                    place: place.to_owned(),
                    what: "the unpacked size",
                    got: total,
                    limit: pages::MAX_TOTAL,
                });
            }
        }
    }
    Ok(())
}

/// One row: numbers in the caller's buffer, or an image.
struct Sample {
    label: Label,
    image: Option<pixels::Image>,
    list: bool,
    dtype: &'static str,
}

fn sample(row: &Row, label: usize, at: &impl Fn() -> String, values: &mut Vec<f64>) -> Result<Sample, ImportError> {
    values.clear();
    let mut out = Sample {
        label: Label::Number(0),
        image: None,
        list: false,
        dtype: "",
    };
    let single = row.len() == 2;
    for (i, (name, field)) in row.get_column_iter().enumerate() {
        let place = || format!("{}, column {name:?}", at());
        if i == label {
            out.label = label_of(field).ok_or_else(|| {
                ImportError::refused(place(), "it is no label", "a label is a whole number from 0, or a text")
            })?;
            continue;
        }
        if let Some((value, dtype)) = number(field) {
            values.push(value);
            out.dtype = dtype;
            continue;
        }
        match field {
            Field::Null => {
                return Err(ImportError::refused(
                    place(),
                    "the value is missing",
                    "fill in or drop rows with missing values",
                ));
            }
            Field::ListInternal(list) if single => {
                for (k, item) in list.elements().iter().enumerate() {
                    let (value, dtype) = number(item).ok_or_else(|| {
                        ImportError::format(format!("{}, item {}", place(), k + 1), "it is no number")
                    })?;
                    values.push(value);
                    out.dtype = dtype;
                }
                out.list = true;
            }
            Field::Bytes(b) if single => out.image = Some(pixels::decode(b.data(), &place())?),
            Field::Group(inner) if single => {
                let bytes = inner.get_column_iter().find_map(|(n, f)| match f {
                    Field::Bytes(b) if n == "bytes" => Some(b.data()),
                    _ => None,
                });
                let bytes = bytes.ok_or_else(|| ImportError::format(place(), "it holds no image bytes"))?;
                out.image = Some(pixels::decode(bytes, &place())?);
            }
            _ => {
                return Err(ImportError::refused(
                    place(),
                    "it is no number",
                    "features are columns of numbers, or one column of lists or image files beside the label",
                ));
            }
        }
    }
    if out.image.is_some() {
        out.dtype = "u8";
    }
    Ok(out)
}

fn number(field: &Field) -> Option<(f64, &'static str)> {
    Some(match *field {
        Field::Bool(v) => (u8::from(v).into(), "bool"),
        Field::Byte(v) => (v.into(), "i8"),
        Field::Short(v) => (v.into(), "i16"),
        Field::Int(v) => (v.into(), "i32"),
        Field::Long(v) => (v as f64, "i64"),
        Field::UByte(v) => (v.into(), "u8"),
        Field::UShort(v) => (v.into(), "u16"),
        Field::UInt(v) => (v.into(), "u32"),
        Field::ULong(v) => (v as f64, "u64"),
        Field::Float(v) => (v.into(), "f32"),
        Field::Double(v) => (v, "f64"),
        _ => return None,
    })
}

fn label_of(field: &Field) -> Option<Label> {
    match field {
        Field::Str(text) => Some(Label::of_text(text)),
        other => number(other).and_then(|(v, _)| Label::of_number(v)),
    }
}
