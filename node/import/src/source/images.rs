//! A folder of images: class folders, or a labels file.

use super::Sources;
use crate::error::ImportError;
use crate::labels::{self, Label, Labels, natural};
use crate::pixels;
use crate::table::Collector;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use zkaggle_ipld::build::{FileOptions, add_file};

/// Largest image file, in bytes: far above what an image that fits a record takes.
const MAX_IMAGE: u64 = 16 << 20;
/// Most files of a folder.
const MAX_FILES: usize = 1 << 22;
/// Deepest folder below the one that is imported.
const MAX_DEPTH: usize = 16;

/// Reads every image in the order people count (`2.png` before `10.png`).
///
/// # Errors
/// Names the image that is damaged, of another shape, or without a label.
pub fn read(
    folder: &Path,
    labels: Option<&Path>,
    out: &mut Collector<'_>,
    seen: &mut Sources,
) -> Result<(), ImportError> {
    let mut names = vec![];
    list(folder, "", 0, &mut names, seen)?;
    names.sort_by(|a, b| natural(a, b));
    if names.is_empty() {
        return Err(ImportError::refused(
            folder.display(),
            "no image is in this folder",
            "PNG, JPEG, PGM and PPM files are read",
        ));
    }
    let labels = labelled(folder, labels, &names)?;
    for (i, (name, label)) in names.iter().zip(&labels).enumerate() {
        let path = folder.join(name);
        let place = path.display().to_string();
        let len = fs::metadata(&path).map_err(ImportError::io(&path))?.len();
        if len > MAX_IMAGE {
            return Err(ImportError::Limit {
                place,
                what: "the size of the file",
                got: len,
                limit: MAX_IMAGE,
            });
        }
        let bytes = fs::read(&path).map_err(ImportError::io(&path))?;
        let image = pixels::decode(&bytes, &place)?;
        // Every file is looked at for its shape, so the count is only a first guess at the total.
        out.expect(&place, &image.shape(), (i == 0).then_some(names.len() as u64))?;
        out.bytes(|| place.clone(), &image.bytes, label)?;
        let own = add_file(&bytes[..], &FileOptions::default(), &mut |_, _| Ok(()));
        seen.images
            .push((name.clone(), own.map_err(|e| ImportError::format(&place, e))?.cid));
        seen.saw("folder of images", "u8");
    }
    Ok(())
}

/// The label of each image.
fn labelled(folder: &Path, labels: Option<&Path>, names: &[String]) -> Result<Vec<Label>, ImportError> {
    let Some(path) = labels else {
        return names
            .iter()
            .map(|n| match n.split_once('/') {
                Some((class, _)) => Ok(Label::of_text(class)),
                None => Err(ImportError::refused(
                    folder.join(n).display(),
                    "the image has no label",
                    "put images into one folder a class, or give --labels FILE",
                )),
            })
            .collect();
    };
    match labels::read(path)? {
        Labels::InOrder(list) if list.len() == names.len() => Ok(list),
        Labels::InOrder(list) => Err(ImportError::refused(
            path.display(),
            format!("{} labels for {} images", list.len(), names.len()),
            "give one label an image, in the order of the images' names",
        )),
        Labels::ByName(map) => by_name(map, path, folder, names),
    }
}

fn by_name(
    map: BTreeMap<String, Label>,
    path: &Path,
    folder: &Path,
    names: &[String],
) -> Result<Vec<Label>, ImportError> {
    if let Some(stray) = map.keys().find(|k| names.binary_search_by(|n| natural(n, k)).is_err()) {
        return Err(ImportError::refused(
            path.display(),
            format!("{stray:?} is labelled, but no such image is in {}", folder.display()),
            "name images relative to the folder",
        ));
    }
    let missing = |n: &String| {
        ImportError::refused(
            folder.join(n).display(),
            format!("{} has no label for it", path.display()),
            "add one",
        )
    };
    names
        .iter()
        .map(|n| map.get(n).cloned().ok_or_else(|| missing(n)))
        .collect()
}

/// Lists images relative to the folder, and what is passed over.
fn list(root: &Path, below: &str, depth: usize, out: &mut Vec<String>, seen: &mut Sources) -> Result<(), ImportError> {
    let folder = root.join(below);
    if depth > MAX_DEPTH {
        return Err(ImportError::Limit {
            place: folder.display().to_string(),
            what: "the depth of folders",
            got: depth as u64,
            limit: MAX_DEPTH as u64,
        });
    }
    for entry in fs::read_dir(&folder).map_err(ImportError::io(&folder))? {
        let entry = entry.map_err(ImportError::io(&folder))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(ImportError::refused(
                entry.path().display(),
                "its name is no UTF-8",
                "rename it",
            ));
        };
        if name.starts_with('.') {
            continue;
        }
        let path = if below.is_empty() {
            name
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type().map_err(ImportError::io(&folder))?;
        if kind.is_dir() {
            list(root, &path, depth + 1, out, seen)?;
        } else if kind.is_file() && pixels::is_image_name(&path) {
            out.push(path);
        } else {
            // Symlinks too: one that points outside would import what nobody named.
            seen.ignored.push(path);
        }
        if out.len() + seen.ignored.len() > MAX_FILES {
            return Err(ImportError::Limit {
                place: folder.display().to_string(),
                what: "the number of files",
                got: MAX_FILES as u64 + 1,
                limit: MAX_FILES as u64,
            });
        }
    }
    seen.ignored.sort();
    Ok(())
}
