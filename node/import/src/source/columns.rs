//! What CSV and Parquet share: which column is the label, and what shape the others make.

use crate::error::ImportError;

/// Names that mean the label when the options name none, before the last column does.
pub const USUAL: [&str; 4] = ["label", "target", "class", "y"];

/// Index of the label's column.
///
/// # Errors
/// When the named column is not there.
pub fn label(names: Option<&[String]>, count: usize, wanted: Option<&str>, place: &str) -> Result<usize, ImportError> {
    let position = |name: &str| names.and_then(|n| n.iter().position(|c| c == name));
    if count < 2 {
        return Err(ImportError::refused(
            place,
            format!("{count} column(s)"),
            "features and a label are expected",
        ));
    }
    match wanted {
        None => Ok(USUAL.iter().find_map(|n| position(n)).unwrap_or(count - 1)),
        Some(w) => match (position(w), w.parse::<usize>()) {
            (Some(i), _) => Ok(i),
            (None, Ok(i)) if (1..=count).contains(&i) => Ok(i - 1),
            _ => Err(ImportError::refused(
                place,
                format!("there is no column {w:?}"),
                "give --label-column a name of the header, or a number from 1",
            )),
        },
    }
}
