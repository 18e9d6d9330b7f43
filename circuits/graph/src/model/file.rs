//! The `.zkm` file: an integer network with its weights. It is the hunter's secret until the claim.
//!
//! | bytes | content |
//! |---|---|
//! | 16 | `zkaggle-model/2` and a line feed |
//! | 4, then that many | length, big-endian; the graph's text |
//! | 4, then that many | length, big-endian; the weights ([`Weights::to_bytes`]) |
//! | 32 | SHA-256 of everything before |
//!
//! The checksum finds damage, not tampering: what a model is worth is decided by its commitment.

use crate::graph::{Graph, GraphError, MAX_WEIGHT_BYTES};
use crate::text::MAX_TEXT;
use crate::weights::{Weights, WeightsError};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// First bytes of the file: format and version.
pub const MAGIC: &[u8; 16] = b"zkaggle-model/2\n";
/// Longest graph text that is read.
const MAX_GRAPH: usize = MAX_TEXT;
/// Largest file that is read.
const MAX_FILE: usize = MAX_WEIGHT_BYTES + MAX_GRAPH + MAGIC.len() + 8 + CHECKSUM;
const CHECKSUM: usize = 32;

/// Why a model file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    At { path: PathBuf, source: Box<ModelFileError> },
    #[error("this is no model file; import one from ONNX with `zkaggle model import`")]
    Magic,
    #[error("model format {0:?} is not known here; this version reads \"zkaggle-model/2\"")]
    Version(String),
    #[error("the model file is truncated or has bytes after its end")]
    Length,
    #[error("the model file is damaged: its checksum does not match; restore it from a backup or import it again")]
    Checksum,
    #[error("the model file's graph is refused: {0}")]
    Graph(#[from] GraphError),
    #[error("the model file's weights are refused: {0}")]
    Weights(#[from] WeightsError),
}

/// A network and its weights.
#[derive(Clone, PartialEq, Eq)]
pub struct ModelFile {
    pub graph: Graph,
    pub weights: Weights,
}

impl std::fmt::Debug for ModelFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelFile")
            .field("graph", &self.graph)
            .finish_non_exhaustive()
    }
}

impl ModelFile {
    /// The file's bytes. A secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let graph = self.graph.text().into_bytes();
        let weights = Zeroizing::new(self.weights.to_bytes());
        // Reserved whole, so that no half-filled copy of the weights is left behind by growth.
        let mut out = Zeroizing::new(Vec::with_capacity(
            MAGIC.len() + 8 + graph.len() + weights.len() + CHECKSUM,
        ));
        out.extend_from_slice(MAGIC);
        for part in [&graph, &*weights] {
            // Both are far below 4 GiB: MAX_WEIGHT_BYTES and MAX_TEXT.
            out.extend_from_slice(&(part.len() as u32).to_be_bytes());
            out.extend_from_slice(part);
        }
        let sum = Sha256::digest(&*out);
        out.extend_from_slice(&sum);
        out
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// Tells another file from a newer version, a truncated file from a damaged one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFileError> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            let line: Vec<u8> = bytes.iter().take(40).take_while(|&&b| b != b'\n').copied().collect();
            return Err(match String::from_utf8(line) {
                Ok(v) if v.starts_with("zkaggle-model/") && v != "zkaggle-model/2" => ModelFileError::Version(v),
                _ => ModelFileError::Magic,
            });
        };
        let (graph, rest) = part(rest)?;
        let (weights, rest) = part(rest)?;
        if rest.len() != CHECKSUM {
            return Err(ModelFileError::Length);
        }
        if Sha256::digest(&bytes[..bytes.len() - CHECKSUM])[..] != *rest {
            return Err(ModelFileError::Checksum);
        }
        let text = std::str::from_utf8(graph).map_err(|e| GraphError::Text {
            line: 1,
            reason: e.to_string(),
        })?;
        let graph = Graph::parse(text)?;
        let weights = Weights::from_bytes(&graph, weights)?;
        Ok(Self { graph, weights })
    }

    /// Writes the file so that it is either the old one or the new one, readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<(), ModelFileError> {
        let io = |source| ModelFileError::Io {
            path: path.to_owned(),
            source,
        };
        let name = path
            .file_name()
            .ok_or_else(|| io(std::io::Error::new(std::io::ErrorKind::InvalidInput, "no file name")))?;
        let folder = match path.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{:016x}.part", rand::random::<u64>()));
        let temporary = folder.join(temporary);
        let written = write_new(&temporary, &self.to_bytes()).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // The first error is the one to report; a file that was never made cannot be removed.
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| sync_folder(folder)).map_err(io)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ModelFileError> {
        let io = |source| ModelFileError::Io {
            path: path.to_owned(),
            source,
        };
        let at = |source| ModelFileError::At {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let file = File::open(path).map_err(io)?;
        // One byte beyond what the folder says: a file that grows meanwhile is read to the limit.
        let size = file.metadata().map_err(io)?.len().min(MAX_FILE as u64);
        let mut bytes = Zeroizing::new(Vec::with_capacity(size as usize + 1));
        file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() > MAX_FILE {
            let known = bytes.starts_with(MAGIC);
            return Err(at(if known {
                ModelFileError::Length
            } else {
                ModelFileError::Magic
            }));
        }
        Self::from_bytes(&bytes).map_err(at)
    }
}

/// A length and that many bytes, then the rest.
fn part(bytes: &[u8]) -> Result<(&[u8], &[u8]), ModelFileError> {
    let (len, rest) = bytes.split_first_chunk::<4>().ok_or(ModelFileError::Length)?;
    rest.split_at_checked(u32::from_be_bytes(*len) as usize)
        .ok_or(ModelFileError::Length)
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename durable. Elsewhere than on Unix folders cannot be opened, and need not be.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::digits;

    fn sample() -> ModelFile {
        let graph = digits(360);
        let bytes: Vec<u8> = (0..graph.weight_bytes()).map(|i| (i * 7) as u8).collect();
        let weights = Weights::from_bytes(&graph, &bytes).unwrap();
        ModelFile { graph, weights }
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("zkaggle-{name}-{:016x}", rand::random::<u64>()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_model_survives_the_disk_and_is_private() {
        let (folder, m) = (folder("model"), sample());
        let path = folder.join("digits.zkm");
        m.write(&path).unwrap();
        m.write(&path).unwrap();
        assert_eq!(ModelFile::read(&path).unwrap(), m);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!format!("{m:?}").contains("weights"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_flipped_byte_and_every_other_length_is_refused() {
        let good = sample().to_bytes();
        for i in 0..good.len() {
            let mut bad = good.to_vec();
            bad[i] ^= 1 << (i % 8);
            assert!(ModelFile::from_bytes(&bad).is_err(), "byte {i}");
        }
        for len in 0..good.len() {
            assert!(ModelFile::from_bytes(&good[..len]).is_err(), "{len} bytes");
        }
        let mut long = good.to_vec();
        long.push(0);
        assert!(matches!(ModelFile::from_bytes(&long), Err(ModelFileError::Length)));
    }

    #[test]
    fn messages_tell_what_kind_of_file_it_is() {
        let says = |bytes: &[u8], text: &str| {
            let e = ModelFile::from_bytes(bytes).unwrap_err().to_string();
            assert!(e.contains(text), "{e}");
        };
        says(b"", "no model file");
        says(b"\x08\x09onnx", "no model file");
        says(b"zkaggle-model/3\nwhatever", "\"zkaggle-model/3\" is not known here");
        says(&sample().to_bytes()[..100], "truncated");
        let mut bad = sample().to_bytes();
        let at = bad.len() - 40;
        bad[at] ^= 1;
        says(&bad, "checksum");
    }

    #[test]
    fn a_checksummed_graph_is_still_checked() {
        let m = sample();
        let text = m.graph.text();
        let forge = |graph: &str, weights: &[u8]| {
            let mut out = MAGIC.to_vec();
            for part in [graph.as_bytes(), weights] {
                out.extend_from_slice(&(part.len() as u32).to_be_bytes());
                out.extend_from_slice(part);
            }
            let sum = Sha256::digest(&out);
            out.extend_from_slice(&sum);
            ModelFile::from_bytes(&out)
        };
        let weights = m.weights.to_bytes();
        assert_eq!(forge(&text, &weights).unwrap(), m);
        assert!(matches!(forge(&text, &weights[1..]), Err(ModelFileError::Weights(_))));
        let bad = text.replace("outputs=32", "outputs=33");
        assert!(matches!(forge(&bad, &weights), Err(ModelFileError::Graph(_))));
        let long = " ".repeat(MAX_GRAPH) + &text;
        assert!(matches!(forge(&long, &weights), Err(ModelFileError::Graph(_))));
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let folder = folder("refused");
        // A folder stands where the file should go, so the rename fails after the data is written.
        let path = folder.join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("x"), b"x").unwrap();
        assert!(matches!(sample().write(&path), Err(ModelFileError::Io { .. })));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let e = ModelFile::read(&folder.join("missing")).unwrap_err().to_string();
        assert!(e.contains("missing"), "{e}");
        fs::remove_dir_all(folder).unwrap();
    }
}
