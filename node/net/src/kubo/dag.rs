//! Files, pins and archives through a Kubo daemon.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use cid::Cid;
use futures::TryStreamExt;
use ipfs_api_backend_hyper::{Form, IpfsApi, request::Add};
use ipfs_api_prelude::Backend;
use tokio::time::timeout;
use zkaggle_ipld::car::{CarLimits, CarReader};

use super::{KuboClient, KuboError, LOCAL_PATIENCE, collect, request};

/// What an upload is given besides the usual patience: a disk that takes a megabyte a second is slow, not gone.
const BYTES_A_SECOND: u64 = 1 << 20;

/// How a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinKind {
    /// With everything it links to.
    Recursive,
    /// Alone.
    Direct,
    /// As part of something that is pinned.
    Indirect,
}

impl KuboClient {
    /// Adds a file as UnixFS with raw leaves and version 1 CIDs, pinned, and returns its root.
    ///
    /// # Errors
    /// [`KuboError::File`] for a file that cannot be read; [`KuboError::Unreachable`] and the like.
    pub async fn add(&self, path: &Path) -> Result<Cid, KuboError> {
        let call = || async {
            let options = Add::builder().cid_version(1).raw_leaves(true).pin(true).build();
            Ok(self.client.add_with_options(open(path)?, options).await?.hash)
        };
        let hash = self.upload("add", path, call).await?;
        self.cid("add", &hash)
    }

    /// Reads a file by its root or by a path below one, such as `CID/name`; at most `limit` bytes.
    ///
    /// The bytes are the daemon's word: a path is not checked against a name.
    ///
    /// # Errors
    /// [`KuboError::Wrong`] when there is more; [`KuboError::TimedOut`] when it is not found.
    pub async fn cat(&self, path: &str, limit: usize) -> Result<Vec<u8>, KuboError> {
        let call = || async { collect(self.client.cat(path), limit).await };
        let bytes = self.retry("cat", self.fetch_patience, call).await?;
        bytes.ok_or_else(|| self.wrong("cat", format!("more than {limit} bytes for {path}")))
    }

    /// Pins a root and everything below it, which the daemon may have to fetch first.
    ///
    /// # Errors
    /// [`KuboError::TimedOut`] when a part is not found.
    pub async fn pin(&self, cid: &Cid) -> Result<(), KuboError> {
        let name = cid.to_string();
        let call = || async { Ok(self.client.pin_add(&name, true).await?.pins) };
        let pins = self.retry("pin/add", self.fetch_patience, call).await?;
        match pins.as_slice() {
            [pin] => self.same_name("pin/add", pin, cid),
            _ => Err(self.wrong("pin/add", format!("it pinned {} roots", pins.len()))),
        }
    }

    /// Unpins a root.
    ///
    /// # Errors
    /// [`KuboError::Refused`] when it is not pinned.
    pub async fn unpin(&self, cid: &Cid) -> Result<(), KuboError> {
        let name = cid.to_string();
        let call = || async { Ok(self.client.pin_rm(&name, true).await?.pins) };
        self.retry("pin/rm", LOCAL_PATIENCE, call).await.map(|_| ())
    }

    /// Says how a block is pinned; `None` when it is not.
    ///
    /// # Errors
    /// [`KuboError::Unreachable`] and the like.
    pub async fn pinned(&self, cid: &Cid) -> Result<Option<PinKind>, KuboError> {
        let name = cid.to_string();
        let call = || async {
            match self.client.pin_ls(Some(&name), None).await {
                // Sorted here: the library's answer has no order.
                Ok(answer) => Ok(answer.keys.into_iter().map(|(key, pin)| (key, pin.typ)).collect()),
                Err(ipfs_api_backend_hyper::Error::Api(error)) if error.message.contains("not pinned") => {
                    Ok(BTreeMap::new())
                }
                Err(error) => Err(error),
            }
        };
        let pins: BTreeMap<String, String> = self.retry("pin/ls", LOCAL_PATIENCE, call).await?;
        let Some(kind) = pins.into_values().next() else {
            return Ok(None);
        };
        match kind.as_str() {
            "recursive" => Ok(Some(PinKind::Recursive)),
            "direct" => Ok(Some(PinKind::Direct)),
            indirect if indirect.starts_with("indirect") => Ok(Some(PinKind::Indirect)),
            other => Err(self.wrong("pin/ls", format!("{other:?} is no kind of pin"))),
        }
    }

    /// Hands a CAR archive to the daemon, which stores its blocks and pins its roots, and returns the roots.
    ///
    /// # Errors
    /// [`KuboError::Wrong`] when a root could not be pinned: blocks below it are missing.
    pub async fn import_car(&self, path: &Path) -> Result<Vec<Cid>, KuboError> {
        let call = || async {
            let mut form = Form::default();
            form.add_reader("path", open(path)?);
            let import = request::DagImport { pin_roots: true };
            let (status, answer) = self.client.request_raw(import, Some(form)).await?;
            Ok((status.as_u16(), answer))
        };
        let (status, answer) = self.upload("dag/import", path, call).await?;
        let text = String::from_utf8_lossy(&answer);
        if status != 200 {
            return Err(KuboError::Refused {
                url: self.url.clone(),
                call: "dag/import",
                reason: text.chars().take(300).collect(),
            });
        }
        let mut roots = vec![];
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: request::Imported =
                serde_json::from_str(line).map_err(|error| self.wrong("dag/import", error.to_string()))?;
            let Some(root) = line.root else { continue };
            if !root.pin_error_msg.is_empty() {
                return Err(self.wrong("dag/import", root.pin_error_msg));
            }
            roots.push(self.cid("dag/import", &root.cid.cid)?);
        }
        Ok(roots)
    }

    /// Writes a root and everything below it as a CAR archive, each block checked against its name.
    ///
    /// The file appears whole or not at all.
    ///
    /// # Errors
    /// [`KuboError::TimedOut`] when no byte comes for as long as a block may take; [`KuboError::Wrong`] for an
    /// archive with a block that is not what its name says; [`KuboError::File`].
    pub async fn export_car(&self, cid: &Cid, path: &Path) -> Result<u64, KuboError> {
        let aside = aside(path);
        let exported = self.export_aside(cid, &aside).await;
        let exported = exported.and_then(|blocks| {
            fs::rename(&aside, path)
                .and_then(|()| {
                    File::open(
                        path.parent()
                            .filter(|p| !p.as_os_str().is_empty())
                            .unwrap_or(Path::new(".")),
                    )?
                    .sync_all()
                })
                .map_err(|error| file_error(path, &error))?;
            Ok(blocks)
        });
        if exported.is_err() {
            // Nothing half-written stays; what cannot be deleted has no name that anyone reads.
            let _ = fs::remove_file(&aside);
        }
        exported
    }

    async fn export_aside(&self, cid: &Cid, aside: &Path) -> Result<u64, KuboError> {
        let failed = |error: &io::Error| file_error(aside, error);
        let name = cid.to_string();
        let call = || async {
            let export = request::DagExport {
                arg: &name,
                progress: false,
            };
            let request = self.client.build_base_request(export, None)?;
            let mut stream = self.client.request_stream_bytes(request);
            // The first bytes show that the daemon is there and has the root; from here on nothing is repeated.
            let first = stream.try_next().await?;
            Ok((first, stream))
        };
        let (mut chunk, mut stream) = self.retry("dag/export", self.fetch_patience, call).await?;
        let mut file = File::create(aside).map_err(|error| failed(&error))?;
        while let Some(bytes) = chunk {
            file.write_all(&bytes).map_err(|error| failed(&error))?;
            let next = timeout(self.fetch_patience, stream.try_next()).await;
            let next = next.map_err(|_| self.late("dag/export", self.fetch_patience))?;
            chunk = next.map_err(|error| self.wrong("dag/export", format!("it broke off: {error}")))?;
        }
        file.sync_all().map_err(|error| failed(&error))?;
        let (aside, root) = (aside.to_owned(), *cid);
        let read = tokio::task::spawn_blocking(move || check_car(&aside, &root));
        let checked = read
            .await
            .map_err(|error| self.wrong("dag/export", error.to_string()))?;
        checked.map_err(|reason| self.wrong("dag/export", reason))
    }

    /// As [`KuboClient::retry`] for a call that sends a file.
    async fn upload<T, F>(&self, name: &'static str, path: &Path, call: impl Fn() -> F) -> Result<T, KuboError>
    where
        F: Future<Output = Result<T, ipfs_api_backend_hyper::Error>>,
    {
        let size = File::open(path).and_then(|file| file.metadata());
        let size = size.map_err(|error| file_error(path, &error))?.len();
        let patience = self.fetch_patience + Duration::from_secs(size / BYTES_A_SECOND);
        self.retry(name, patience, call).await
    }

    fn cid(&self, call: &'static str, text: &str) -> Result<Cid, KuboError> {
        Cid::from_str(text).map_err(|error| self.wrong(call, format!("{text:?} is no CID: {error}")))
    }
}

/// Checks an archive's blocks and its one root; returns how many blocks there are.
fn check_car(path: &Path, root: &Cid) -> Result<u64, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut car = CarReader::new(io::BufReader::new(file), CarLimits::default()).map_err(|error| error.to_string())?;
    if car.roots() != [*root] {
        return Err(format!("the archive's roots are {:?}", car.roots()));
    }
    let mut blocks = 0;
    while car.next_block().map_err(|error| error.to_string())?.is_some() {
        blocks += 1;
    }
    Ok(blocks)
}

fn open(path: &Path) -> Result<File, ipfs_api_backend_hyper::Error> {
    File::open(path).map_err(|error| ipfs_api_prelude::Error::from(error).into())
}

fn file_error(path: &Path, error: &io::Error) -> KuboError {
    KuboError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// The name under which a file is written before it is whole.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}
