//! What a user has, as records: record files and CSV. Every value is checked before anything is cut.

use crate::graph::{FeatureType, GraphError, Layout, Schema};

/// Why a file is no dataset of the schema. Lines and records count from 1, as editors do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    Schema(#[from] GraphError),
    #[error(
        "{bytes} bytes are not whole records: the schema's record has {record} bytes ({features} {kind} features and a label), {rest} bytes are left over"
    )]
    RecordSize {
        bytes: usize,
        record: usize,
        features: usize,
        kind: FeatureType,
        rest: usize,
    },
    #[error("{bytes} bytes are not {layout}: {rest} bytes are left over")]
    LayoutSize { bytes: usize, layout: Layout, rest: usize },
    #[error("{bytes} bytes end inside the header of {offset}")]
    Header { bytes: usize, offset: usize },
    #[error(
        "record {record}, feature {feature}: {value} exceeds the schema's largest value {max}{}",
        magnitude(*value)
    )]
    Feature {
        record: usize,
        feature: usize,
        value: i16,
        max: u16,
    },
    #[error("record {record}: label {label}, but the schema has {classes} classes, 0 to {}", classes - 1)]
    Label { record: usize, label: u8, classes: u16 },
    #[error("line {line} is no UTF-8 text; save the CSV as UTF-8")]
    Encoding { line: usize },
    #[error("line {line} has {got} columns; the schema asks for {expected}: the features, then the label")]
    Columns { line: usize, expected: usize, got: usize },
    #[error("line {line}, column {column}: {text:?} is no whole number from {min} to {max}")]
    Value {
        line: usize,
        column: usize,
        text: String,
        min: i32,
        max: i32,
    },
    #[error("the file holds no records")]
    Empty,
}

/// What a message about a bound says of a negative value.
pub(super) fn magnitude(value: i16) -> &'static str {
    if value < 0 { " in magnitude" } else { "" }
}

/// Checks a record file, which the schema lays out as a shard.
///
/// # Errors
/// Names the first record and feature that do not fit.
pub fn check_records(schema: &Schema, bytes: &[u8]) -> Result<(), ImportError> {
    schema.check()?;
    let (len, offset) = (bytes.len(), schema.offset());
    let Some(behind) = len.checked_sub(offset) else {
        return Err(ImportError::Header { bytes: len, offset });
    };
    match (schema.count(len), schema.layout) {
        (Some(0), _) => return Err(ImportError::Empty),
        (Some(_), _) => {}
        (None, Some(layout)) => {
            return Err(ImportError::LayoutSize {
                bytes: len,
                layout,
                rest: behind % schema.stride(),
            });
        }
        (None, None) => {
            return Err(ImportError::RecordSize {
                bytes: len,
                record: schema.record_bytes(),
                features: schema.features(),
                kind: schema.feature_type,
                rest: behind % schema.record_bytes(),
            });
        }
    }
    for (i, r) in super::shard::records(schema, bytes).enumerate() {
        if let Some((feature, value)) = schema.stray(r.features) {
            return Err(ImportError::Feature {
                record: i + 1,
                feature: feature + 1,
                value,
                max: schema.feature_max,
            });
        }
        if u16::from(r.label) >= schema.classes {
            return Err(ImportError::Label {
                record: i + 1,
                label: r.label,
                classes: schema.classes,
            });
        }
    }
    Ok(())
}

/// Reads comma-separated rows of features and a label into record bytes.
///
/// A first line whose last column holds a letter and is no number is a header and is skipped. Whole numbers may be
/// written as decimals (`5.0`), as numpy does. Empty lines are allowed at the end only.
///
/// # Errors
/// Names the line, and the column of a value out of range.
pub fn csv(schema: &Schema, bytes: &[u8]) -> Result<Vec<u8>, ImportError> {
    schema.check()?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| ImportError::Encoding {
        line: 1 + bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count(),
    })?;
    let expected = schema.features() + 1;
    let (low, high) = schema.feature_range();
    let mut out = vec![];
    for (i, row) in text.trim_end().lines().enumerate() {
        let line = i + 1;
        let last = row.rsplit(',').next().unwrap_or("");
        // `1e1` and `NaN` hold letters too, and are values.
        if line == 1 && last.chars().any(char::is_alphabetic) && last.trim().parse::<f64>().is_err() {
            continue;
        }
        let got = row.split(',').count();
        if got != expected {
            return Err(ImportError::Columns { line, expected, got });
        }
        for (c, field) in row.split(',').enumerate() {
            let label = c + 1 == expected;
            let (min, max) = if label {
                (0, i32::from(schema.classes) - 1)
            } else {
                (low.into(), high.into())
            };
            match number(field).filter(|v| (f64::from(min)..=f64::from(max)).contains(v)) {
                // Whole, and classes are at most 256.
                Some(v) if label => out.push(v as u8),
                Some(v) => schema.encode(v as i16, &mut out),
                None => {
                    return Err(ImportError::Value {
                        line,
                        column: c + 1,
                        text: field.trim().chars().take(40).collect(),
                        min,
                        max,
                    });
                }
            }
        }
    }
    if out.is_empty() {
        return Err(ImportError::Empty);
    }
    Ok(out)
}

/// A whole number, written as an integer or a decimal.
fn number(field: &str) -> Option<f64> {
    let v: f64 = field.trim().parse().ok()?;
    (v.is_finite() && v.fract() == 0.0).then_some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::bytes([3], 16, 4)
    }

    #[test]
    fn csv_becomes_records_with_or_without_header() {
        let want = vec![1, 2, 3, 0, 16, 0, 5, 3];
        for text in [
            "1,2,3,0\n16,0,5,3\n",
            "1,2,3,0\r\n16,0,5,3",
            "a,b,c,label\n1,2,3,0\n16,0,5,3\n\n",
            "0,1,2,target\n1, 2,3.0,0\n1.6e1,0,5,3\n",
            "\u{feff}1,2,3,0\n16,0,5,3\n",
        ] {
            assert_eq!(csv(&schema(), text.as_bytes()).unwrap(), want, "{text:?}");
        }
        check_records(&schema(), &want).unwrap();
    }

    #[test]
    fn bad_rows_are_refused_by_line_and_column() {
        for (text, says) in [
            ("1,2,3,0\n1,2,3\n", "line 2 has 3 columns"),
            ("1,2,3,0\n1,2,3,0,0\n", "line 2 has 5 columns"),
            ("1,2,3,0\n\n1,2,3,0\n", "line 2 has 1 columns"),
            ("1,2,17,0\n", "line 1, column 3: \"17\" is no whole number from 0 to 16"),
            ("h,h,h,h\n1,-1,3,0\n", "line 2, column 2"),
            ("1,2.5,3,0\n", "line 1, column 2"),
            ("1,NaN,3,0\n", "line 1, column 2"),
            ("1,x,3,0\n", "line 1, column 2"),
            ("1,2,3,4\n", "line 1, column 4: \"4\" is no whole number from 0 to 3"),
            ("1,2,3,0\n1,2,3,inf\n", "line 2, column 4"),
            ("1,2,3,NaN\n", "line 1, column 4"),
            ("", "no records"),
            ("a,b,c,label\n", "no records"),
        ] {
            let e = csv(&schema(), text.as_bytes()).unwrap_err().to_string();
            assert!(e.contains(says), "{text:?}: {e}");
        }
        let e = csv(&schema(), b"1,2,3,0\n1,\xff,3,0\n").unwrap_err();
        assert_eq!(e, ImportError::Encoding { line: 2 });
    }

    #[test]
    fn bad_record_files_are_refused_by_record() {
        for (bytes, says) in [
            (&[1, 2, 3, 0, 1][..], "1 bytes are left over"),
            (&[1, 2, 3, 0, 1, 17, 3, 0], "record 2, feature 2: 17 exceeds"),
            (&[1, 2, 3, 4], "record 1: label 4, but the schema has 4 classes, 0 to 3"),
            (&[], "no records"),
        ] {
            let e = check_records(&schema(), bytes).unwrap_err().to_string();
            assert!(e.contains(says), "{bytes:?}: {e}");
        }
        let mut wide = schema();
        wide.shape = vec![u32::MAX; 4];
        assert!(matches!(csv(&wide, b"1"), Err(ImportError::Schema(_))));
    }
}
