//! Record files: every sample at a fixed place, as many published binaries have it.

use super::{Options, Sources};
use crate::error::ImportError;
use crate::labels::Label;
use crate::table::Collector;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zkaggle_graph::graph::{self, FeatureType, GraphError, Schema};

/// Where features and label of each record stand, in bytes, as far as it was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Bytes before the first record.
    pub offset: u64,
    /// From one record to the next; features and label by default.
    pub stride: Option<u64>,
    /// Where the features begin in a record.
    pub features_at: u64,
    /// Where the label's byte stands in a record; right after the features by default.
    pub label_at: Option<u64>,
}

impl Layout {
    /// Stride and the label's place, as said or by default, for so many bytes of features.
    fn filled(&self, features: u64) -> (u64, u64) {
        let behind = self.features_at.saturating_add(features);
        let label_at = self.label_at.unwrap_or(behind);
        (self.stride.unwrap_or(behind.max(label_at.saturating_add(1))), label_at)
    }

    /// The schema of shards in which the records of `schema` stand at these places.
    ///
    /// # Errors
    /// When parts overlap, or leave the record or a block.
    pub fn apply(&self, schema: Schema) -> Result<Schema, GraphError> {
        schema.check()?;
        let (stride, label_at) = self.filled(schema.feature_bytes() as u64);
        // What does not fit four bytes fits no block either.
        let place = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        schema.with_layout(graph::Layout {
            offset: place(self.offset),
            stride: place(stride),
            features_at: place(self.features_at),
            label_at: place(label_at),
        })
    }
}

/// Largest stride.
const MAX_STRIDE: u64 = 1 << 20;

/// Reads a record file; its shape comes from the options.
///
/// # Errors
/// When the layout does not fit itself or the file's length.
pub fn read(path: &Path, options: &Options, out: &mut Collector<'_>, seen: &mut Sources) -> Result<(), ImportError> {
    let place = path.display().to_string();
    let Some(shape) = &options.shape else {
        return Err(ImportError::refused(
            place,
            "a record file tells no shape",
            "give --shape, such as 28,28",
        ));
    };
    let file = File::open(path).map_err(ImportError::io(path))?;
    let len = file.metadata().map_err(ImportError::io(path))?.len();
    let layout = options.layout;
    // Checks the shape, so the product below cannot overflow.
    out.expect(&place, shape, None)?;
    let width = options.feature_type.bytes() as u64;
    let features: u64 = shape.iter().map(|&d| u64::from(d)).product::<u64>() * width;
    let (stride, label_at) = layout.filled(features);
    let needed = layout
        .features_at
        .saturating_add(features)
        .max(label_at.saturating_add(1));
    let inside = (layout.features_at..layout.features_at + features).contains(&label_at);
    if stride < needed || stride > MAX_STRIDE || inside {
        return Err(ImportError::refused(
            place,
            format!(
                "a record of {stride} bytes cannot hold {} features{} from {} and a label at {label_at}",
                features / width,
                if width > 1 { " of two bytes" } else { "" },
                layout.features_at
            ),
            "correct --stride, --features-at or --label-at",
        ));
    }
    let body = len.checked_sub(layout.offset).filter(|b| b % stride == 0);
    let Some(body) = body else {
        return Err(ImportError::refused(
            place,
            format!(
                "{len} bytes are not {} and then whole records of {stride}",
                layout.offset
            ),
            "correct --shape, --offset or --stride",
        ));
    };
    out.expect(&place, shape, Some(body / stride))?;
    let mut from = BufReader::with_capacity(1 << 20, file);
    skip(&mut from, layout.offset).map_err(ImportError::io(path))?;
    let mut record = vec![0; stride as usize];
    let begin = layout.features_at as usize;
    for i in 0..body / stride {
        from.read_exact(&mut record).map_err(ImportError::io(path))?;
        let label = Label::Number(record[label_at as usize].into());
        let place = || format!("{place}, record {}", i + 1);
        let bytes = &record[begin..begin + features as usize];
        match options.feature_type {
            FeatureType::U8 => out.bytes(place, bytes, &label)?,
            FeatureType::I16 => {
                let values = bytes.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b).into());
                out.numbers(place, values, &label)?;
            }
        }
    }
    seen.saw("record file", options.feature_type.name());
    Ok(())
}

fn skip(from: &mut impl Read, count: u64) -> std::io::Result<()> {
    std::io::copy(&mut from.take(count), &mut std::io::sink()).map(drop)
}
