//! `zkaggle bench import`: a file cut and hashed as UnixFS, and records made into a dataset.
//!
//! Both read a file from disk and drop the blocks they make: what is measured is reading, checking, cutting, hashing and
//! naming, not the store's syncs. Memory must not depend on the size.

use super::bench::{Figure, cpu_seconds};
use crate::measure::Measure;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use zkaggle_import::parts::{Naming, parts};
use zkaggle_import::report::{About, Report};
use zkaggle_import::{Options, read, write};
use zkaggle_ipld::build::{FileOptions, add_file};

/// A record: 28 x 28 pixels and a label.
const RECORD: usize = 785;
const CLASSES: u8 = 10;

/// Measures both on a file of about `mib` MiB.
pub fn figures(mib: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir().context("a folder for the file")?;
    let path = folder.path().join("records.bin");
    make(&path, mib).context("write the file")?;
    Ok(vec![
        figure("UnixFS file, chunked and hashed", || unixfs(&path))?,
        figure("records to shards and manifest", || dataset(&path, folder.path()))?,
    ])
}

fn figure(what: &'static str, work: impl FnOnce() -> Result<usize>) -> Result<Figure> {
    let (measure, cpu) = (Measure::start(), cpu_seconds());
    let bytes = work().context(what)?;
    let seconds = measure.seconds();
    Ok(Figure {
        what,
        seconds,
        cpu_seconds: cpu_seconds() - cpu,
        peak_rss_mib: measure.peak_mib(),
        bytes,
        mb_per_second: Some(bytes as f64 / 1e6 / seconds),
        gas: None,
    })
}

/// Records of pixels that do not repeat, so that nothing is found to be a duplicate.
fn make(path: &Path, mib: u32) -> Result<()> {
    let count = (u64::from(mib) << 20) / RECORD as u64;
    let mut file = std::io::BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = 1u64;
    let mut record = [0u8; RECORD];
    for i in 0..count {
        for word in record.chunks_mut(8) {
            // Xorshift64: Marsaglia 2003, triple (13, 7, 17).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let len = word.len();
            word.copy_from_slice(&state.to_le_bytes()[..len]);
        }
        record[RECORD - 1] = (i % u64::from(CLASSES)) as u8;
        file.write_all(&record)?;
    }
    Ok(file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .sync_all()?)
}

fn unixfs(path: &Path) -> Result<usize> {
    let built = add_file(File::open(path)?, &FileOptions::default(), &mut |_, _| Ok(()))?;
    Ok(usize::try_from(built.size)?)
}

/// All of `dataset import` but the store: checks, duplicates, report, shards, CIDs, manifest, folder.
fn dataset(path: &Path, temporary: &Path) -> Result<usize> {
    let options = Options {
        shape: Some(vec![28, 28]),
        ..Options::default()
    };
    let (table, sources) = read(&[path.to_owned()], &options, temporary)?;
    let about = About {
        name: "bench",
        licence: "none",
        split: None,
    };
    let mut report = Report::of(&table, &sources, &about);
    let naming = Naming {
        name: about.name,
        licence: about.licence,
        per_shard: None,
        split: None,
    };
    for (part, records) in parts(&table, None) {
        report.add(part, &write(&table, &records, &naming, &mut |_, _| Ok(()))?);
    }
    Ok(usize::try_from(report.records)? * RECORD)
}
