//! Blocks, files and whole DAGs through a Kubo daemon's RPC endpoint.
//!
//! * this file: the client, its patience, and single blocks.
//! * `dag`: files, pins, archives.
//! * `endpoint`: what an endpoint may look like.
//! * `request`: calls that the client library has no method for.
//!
//! The endpoint belongs on loopback: it is an administrator's interface without a password. TLS is left out
//! on purpose (the client's is outdated), so `https` is refused rather than downgraded.

mod dag;
mod endpoint;
mod request;

pub use dag::PinKind;

use std::{future::Future, io::Cursor, path::PathBuf, str::FromStr, time::Duration};

use bytes::Bytes;
use cid::Cid;
use futures::{Stream, TryStreamExt};
use ipfs_api_backend_hyper::{Form, IpfsApi, IpfsClient, TryFromUri, response::BlockPutResponse};
use ipfs_api_prelude::Backend;
use tokio::time::{sleep, timeout};

use crate::block::{self, CheckedBlock, DAG_PB, MAX_BLOCK, RAW};
use endpoint::{checked_url, from_multiaddr, without_credentials};

/// Tries per call, for failures that may pass.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// A daemon answers its own questions at once; finding a block on the network takes longer.
const LOCAL_PATIENCE: Duration = Duration::from_secs(10);
const FETCH_PATIENCE: Duration = Duration::from_secs(60);

/// A client of one Kubo daemon.
#[derive(Clone)]
pub struct KuboClient {
    url: String,
    client: IpfsClient,
    fetch_patience: Duration,
}

/// Why Kubo did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum KuboError {
    #[error("{url:?} is not an IPFS API endpoint ({reason}): give one like http://127.0.0.1:5001")]
    BadUrl { url: String, reason: &'static str },
    #[error("IPFS API at {url} unreachable: start Kubo or drop --ipfs-api ({reason})")]
    Unreachable { url: String, reason: String },
    #[error("IPFS API at {url} did not answer {call} within {waited:?}")]
    TimedOut {
        url: String,
        call: &'static str,
        waited: Duration,
    },
    #[error("IPFS API at {url} refused {call}: {reason}")]
    Refused {
        url: String,
        call: &'static str,
        reason: String,
    },
    #[error("IPFS API at {url} gave {call} an answer that is wrong: {reason}")]
    Wrong {
        url: String,
        call: &'static str,
        reason: String,
    },
    #[error("{cid} is not a version 1 CID with a full SHA-256 digest: only those can be checked")]
    Unsupported { cid: Cid },
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("block of {size} bytes is larger than {MAX_BLOCK}: split it into smaller blocks")]
    TooLarge { size: usize },
}

impl KuboClient {
    /// Prepares a client; nothing is sent yet. Takes a URL or Kubo's own form, `/ip4/127.0.0.1/tcp/5001`.
    ///
    /// # Errors
    /// [`KuboError::BadUrl`].
    pub fn new(api_url: &str) -> Result<Self, KuboError> {
        let bad = |reason| KuboError::BadUrl {
            url: without_credentials(api_url),
            reason,
        };
        let url = if api_url.starts_with('/') {
            from_multiaddr(api_url).ok_or_else(|| bad("not an ip4, ip6 or dns address with a tcp port"))?
        } else {
            checked_url(api_url).map_err(bad)?
        };
        let client = IpfsClient::from_str(&url).map_err(|_| bad("not a URL"))?;
        Ok(Self {
            url,
            client,
            fetch_patience: FETCH_PATIENCE,
        })
    }

    /// Sets how long [`KuboClient::get_block`] may look for a block.
    #[must_use]
    pub fn with_fetch_patience(mut self, patience: Duration) -> Self {
        self.fetch_patience = patience;
        self
    }

    pub(crate) fn fetch_patience(&self) -> Duration {
        self.fetch_patience
    }

    /// Asks for the daemon's version, which also shows that it is there.
    ///
    /// # Errors
    /// [`KuboError::Unreachable`] and the like.
    pub async fn version(&self) -> Result<String, KuboError> {
        let call = || async { Ok(self.client.version().await?.version) };
        self.retry("version", LOCAL_PATIENCE, call).await
    }

    /// Stores and pins a raw block and returns its name, which is checked to be ours.
    ///
    /// # Errors
    /// As [`KuboClient::put_checked`].
    pub async fn put_block(&self, bytes: &[u8]) -> Result<Cid, KuboError> {
        let cid = block::cid_of(bytes);
        self.put_checked(&CheckedBlock::stored(cid, Bytes::copy_from_slice(bytes)))
            .await?;
        Ok(cid)
    }

    /// Stores and pins a raw or dag-pb block under its name.
    ///
    /// # Errors
    /// [`KuboError::TooLarge`]; [`KuboError::Wrong`] when the daemon names the block differently.
    pub async fn put_checked(&self, block: &CheckedBlock) -> Result<(), KuboError> {
        let bytes = block.bytes();
        if bytes.len() > MAX_BLOCK {
            return Err(KuboError::TooLarge { size: bytes.len() });
        }
        let codec = match block.cid().codec() {
            RAW => "raw",
            DAG_PB => "dag-pb",
            _ => return Err(KuboError::Unsupported { cid: *block.cid() }),
        };
        let call = || async {
            let mut form = Form::default();
            form.add_reader("data", Cursor::new(bytes.clone()));
            let answer: BlockPutResponse = self.client.request(request::BlockPut::new(codec), Some(form)).await?;
            Ok(answer.key)
        };
        let key = self.retry("block/put", LOCAL_PATIENCE, call).await?;
        self.same_name("block/put", &key, block.cid())
    }

    /// Asks for a block's size, which the daemon may have to find on its network.
    ///
    /// # Errors
    /// [`KuboError::TimedOut`] when it is not found; [`KuboError::Wrong`] when another block is described.
    pub async fn block_stat(&self, cid: &Cid) -> Result<u64, KuboError> {
        let name = cid.to_string();
        let call = || async {
            let answer = self.client.block_stat(&name).await?;
            Ok((answer.key, answer.size))
        };
        let (key, size) = self.retry("block/stat", self.fetch_patience, call).await?;
        self.same_name("block/stat", &key, cid)?;
        Ok(size)
    }

    /// Gets a block, which the daemon may have to find on its network, and checks it against its name.
    ///
    /// # Errors
    /// [`KuboError::Wrong`] when the bytes do not have this name; [`KuboError::TimedOut`] when it is not found.
    pub async fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, KuboError> {
        Ok(self.get_checked(cid).await?.into_bytes().into())
    }

    /// As [`KuboClient::get_block`], the bytes with their name.
    ///
    /// # Errors
    /// As [`KuboClient::get_block`].
    pub async fn get_checked(&self, cid: &Cid) -> Result<CheckedBlock, KuboError> {
        if !block::is_supported(cid) {
            return Err(KuboError::Unsupported { cid: *cid });
        }
        let name = cid.to_string();
        let call = || async { collect(self.client.block_get(&name), MAX_BLOCK).await };
        let bytes = self.retry("block/get", self.fetch_patience, call).await?;
        let bytes = bytes.ok_or_else(|| self.wrong("block/get", format!("more than {MAX_BLOCK} bytes for {cid}")))?;
        CheckedBlock::new(*cid, bytes.into())
            .ok_or_else(|| self.wrong("block/get", format!("the bytes are not those of {cid}")))
    }

    /// Compares as CIDs: other implementations write the same one in another base.
    fn same_name(&self, call: &'static str, got: &str, expected: &Cid) -> Result<(), KuboError> {
        if Cid::from_str(got).ok() == Some(*expected) {
            Ok(())
        } else {
            Err(self.wrong(call, format!("it named {got}, not {expected}")))
        }
    }

    fn wrong(&self, call: &'static str, reason: String) -> KuboError {
        KuboError::Wrong {
            url: self.url.clone(),
            call,
            reason,
        }
    }

    /// Calls until it succeeds, is refused, or `patience` is over; all our calls may be repeated safely.
    async fn retry<T, F>(&self, name: &'static str, patience: Duration, call: impl Fn() -> F) -> Result<T, KuboError>
    where
        F: Future<Output = Result<T, ipfs_api_backend_hyper::Error>>,
    {
        let tries = async {
            let mut tried = 1;
            loop {
                match call().await {
                    Ok(value) => return Ok(value),
                    Err(error) if is_transport(&error) => {
                        if tried == TRIES {
                            return Err(KuboError::Unreachable {
                                url: self.url.clone(),
                                reason: error.to_string(),
                            });
                        }
                        sleep(PAUSE * tried).await;
                        tried += 1;
                    }
                    Err(error) => {
                        return Err(KuboError::Refused {
                            url: self.url.clone(),
                            call: name,
                            reason: error.to_string(),
                        });
                    }
                }
            }
        };
        timeout(patience, tries).await.map_err(|_| self.late(name, patience))?
    }

    fn late(&self, call: &'static str, waited: Duration) -> KuboError {
        KuboError::TimedOut {
            url: self.url.clone(),
            call,
            waited,
        }
    }
}

/// Reads a stream of at most `limit` bytes; `None` when it is longer.
async fn collect(
    mut stream: impl Stream<Item = Result<Bytes, ipfs_api_backend_hyper::Error>> + Unpin,
    limit: usize,
) -> Result<Option<Vec<u8>>, ipfs_api_backend_hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        if bytes.len() + chunk.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn is_transport(error: &ipfs_api_backend_hyper::Error) -> bool {
    matches!(error, ipfs_api_backend_hyper::Error::Client(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        let error = KuboClient::new("http://user:secret@127.0.0.1:5001")
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains("do not belong") && !error.contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_daemon_is_named_with_its_cure() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let client = KuboClient::new(&format!("http://{free}")).unwrap();
        let error = client.version().await.unwrap_err().to_string();
        let expected = format!("IPFS API at http://{free} unreachable: start Kubo or drop --ipfs-api");
        assert!(error.starts_with(&expected), "{error}");
    }

    /// An endpoint that ends as many connections as are `None` and answers the others.
    fn endpoint(answers: Vec<Option<&'static str>>) -> String {
        use std::io::{BufRead as _, BufReader, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut socket, _) = listener.accept().unwrap();
                let Some(body) = answer else { continue };
                let lines = BufReader::new(socket.try_clone().unwrap()).lines();
                assert!(lines.map_while(Result::ok).any(|line| line.is_empty()), "a whole head");
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                socket
                    .write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())
                    .unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_tried_again_and_a_lie_is_not() {
        let version = r#"{"Version":"0.38.2","Commit":"","Repo":"16","System":"","Golang":""}"#;
        let mut answers = vec![None; TRIES as usize - 1];
        answers.push(Some(version));
        let client = KuboClient::new(&endpoint(answers)).unwrap();
        assert_eq!(client.version().await.unwrap(), "0.38.2");

        let cid = block::cid_of(b"shard");
        let client = KuboClient::new(&endpoint(vec![Some("shart"), Some("shard")])).unwrap();
        let error = client.get_block(&cid).await.unwrap_err();
        assert!(matches!(error, KuboError::Wrong { call: "block/get", .. }), "{error}");
        assert_eq!(client.get_block(&cid).await.unwrap(), b"shard");
    }

    #[tokio::test]
    async fn a_daemon_that_says_nothing_is_not_waited_for_longer_than_was_asked() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = KuboClient::new(&format!("http://{}", silent.local_addr().unwrap()))
            .unwrap()
            .with_fetch_patience(Duration::from_millis(200));
        let error = client.get_block(&block::cid_of(b"x")).await.unwrap_err();
        assert!(
            matches!(error, KuboError::TimedOut { call: "block/get", .. }),
            "{error}"
        );
    }
}
