//! CSV and TSV: one sample a row, its label in one of the columns.

use super::{Options, Sources, columns, extension};
use crate::error::ImportError;
use crate::labels::Label;
use crate::table::Collector;
use csv::{ByteRecord, ReaderBuilder};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest row, in bytes: a value of a record takes a handful.
const MAX_ROW: u64 = 8 << 20;

/// Reads rows; a first row that holds a feature that is no number is a header.
///
/// # Errors
/// Names the line and column that do not fit.
pub fn read(path: &Path, options: &Options, out: &mut Collector<'_>, seen: &mut Sources) -> Result<(), ImportError> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(ImportError::io(path))?;
    let delimiter = if extension(path).as_deref() == Some("tsv") {
        b'\t'
    } else {
        b','
    };
    let rows = RowLimit {
        from: file,
        row: 0,
        mark: true,
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(rows);
    let (mut row, mut count, mut label, mut first) = (ByteRecord::new(), 0, 0, true);
    let mut values: Vec<f64> = vec![];
    loop {
        let more = reader
            .read_byte_record(&mut row)
            .map_err(|e| ImportError::format(&place, e))?;
        if !more {
            break;
        }
        let line = row.position().map_or(0, csv::Position::line);
        let at = |column: usize| format!("{place}, line {line}, column {}", column + 1);
        let fields: Vec<String> = {
            let text = |(c, f): (usize, &[u8])| {
                let text = std::str::from_utf8(f)
                    .map_err(|_| ImportError::refused(at(c), "no UTF-8 text", "save the table as UTF-8"))?;
                Ok(text.trim().to_owned())
            };
            row.iter().enumerate().map(text).collect::<Result<_, ImportError>>()?
        };
        if first {
            first = false;
            count = fields.len();
            let wanted = options.label_column.as_deref();
            let header = is_header(&fields, wanted);
            label = columns::label(header.then_some(&fields[..]), count, wanted, &place)?;
            // A table's features are a list unless `--shape` says more.
            out.expect(&place, &[u32::try_from(count - 1).unwrap_or(u32::MAX)], None)?;
            if header {
                continue;
            }
        }
        if fields.len() != count {
            return Err(ImportError::format(
                format!("{place}, line {line}"),
                format!("{} columns, the first row has {count}", fields.len()),
            ));
        }
        values.clear();
        for (c, field) in fields.iter().enumerate().filter(|(c, _)| *c != label) {
            let value = field.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(|| {
                let text: String = field.chars().take(40).collect();
                ImportError::format(at(c), format!("{text:?} is no number"))
            })?;
            values.push(value);
        }
        if fields[label].is_empty() {
            return Err(ImportError::format(at(label), "there is no label"));
        }
        out.numbers(
            || format!("{place}, line {line}"),
            values.iter().copied(),
            &Label::of_text(&fields[label]),
        )?;
    }
    if first {
        return Err(ImportError::Empty);
    }
    seen.saw("CSV", "text");
    Ok(())
}

/// Says whether the first row names the columns: by the label's name, or by a feature that is no number.
///
/// The last column may hold texts in every row, so a text there alone means nothing.
fn is_header(fields: &[String], wanted: Option<&str>) -> bool {
    let named = |f: &String| {
        columns::USUAL.contains(&f.as_str()) || wanted.is_some_and(|w| w == f && f.parse::<usize>().is_err())
    };
    let label = wanted.and_then(|w| w.parse::<usize>().ok()).map_or(fields.len(), |n| n);
    let text = |(c, f): (usize, &String)| c + 1 != label && f.parse::<f64>().is_err();
    fields.iter().any(named) || fields.iter().enumerate().any(text)
}

/// Ends a file in which no line ends: the reader would collect it all as one field. Also passes over a byte order mark.
struct RowLimit<R> {
    from: R,
    row: u64,
    mark: bool,
}

impl<R: Read> Read for RowLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(buffer)?;
        match buffer[..n].iter().rposition(|&b| b == b'\n') {
            Some(at) => self.row = (n - at) as u64,
            None => self.row += n as u64,
        }
        if self.row > MAX_ROW {
            return Err(std::io::Error::other(format!("a row longer than {MAX_ROW} bytes")));
        }
        if std::mem::take(&mut self.mark) && buffer[..n].starts_with(b"\xef\xbb\xbf") {
            buffer.copy_within(3..n, 0);
            return Ok(n - 3);
        }
        Ok(n)
    }
}
