//! Blocks through a Kubo daemon's RPC endpoint.
//!
//! The endpoint belongs on loopback: it is an administrator's interface without a password. TLS is left out
//! on purpose (the client's is outdated), so `https` is refused rather than downgraded.

use std::{future::Future, io::Cursor, str::FromStr, time::Duration};

use cid::Cid;
use futures::TryStreamExt;
use ipfs_api_backend_hyper::{IpfsApi, IpfsClient, TryFromUri, request::BlockPut};
use libp2p::{Multiaddr, multiaddr::Protocol};
use tokio::time::{sleep, timeout};

use crate::block::{self, MAX_BLOCK, cid_of};

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
    /// [`KuboError::TooLarge`]; [`KuboError::Wrong`] when the daemon names the block differently.
    pub async fn put_block(&self, bytes: &[u8]) -> Result<Cid, KuboError> {
        if bytes.len() > MAX_BLOCK {
            return Err(KuboError::TooLarge { size: bytes.len() });
        }
        let call = || async {
            // No format: raw is what Kubo makes of a block unless told otherwise, and the option is deprecated.
            let options = BlockPut {
                format: Some("raw"),
                mhtype: Some("sha2-256"),
                mhlen: Some(32),
                pin: Some(true),
            };
            Ok(self
                .client
                .block_put_with_options(Cursor::new(bytes.to_vec()), options)
                .await?
                .key)
        };
        let key = self.retry("block/put", LOCAL_PATIENCE, call).await?;
        let expected = cid_of(bytes);
        // Compared as CIDs: other implementations write the same one in another base.
        if Cid::from_str(&key).ok() != Some(expected) {
            return Err(self.wrong("block/put", format!("it named the block {key}, not {expected}")));
        }
        Ok(expected)
    }

    /// Gets a block, which the daemon may have to find on its network, and checks it against its name.
    ///
    /// # Errors
    /// [`KuboError::Wrong`] when the bytes do not have this name; [`KuboError::TimedOut`] when it is not found.
    pub async fn get_block(&self, cid: &Cid) -> Result<Vec<u8>, KuboError> {
        if !block::is_supported(cid) {
            return Err(KuboError::Unsupported { cid: *cid });
        }
        let name = cid.to_string();
        let call = || async {
            let mut stream = self.client.block_get(&name);
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.try_next().await? {
                if bytes.len() + chunk.len() > MAX_BLOCK {
                    return Ok(None);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(bytes))
        };
        let bytes = self.retry("block/get", self.fetch_patience, call).await?;
        match bytes {
            Some(bytes) if block::matches(cid, &bytes) => Ok(bytes),
            Some(_) => Err(self.wrong("block/get", format!("the bytes are not those of {cid}"))),
            None => Err(self.wrong("block/get", format!("more than {MAX_BLOCK} bytes for {cid}"))),
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
        let late = |_| KuboError::TimedOut {
            url: self.url.clone(),
            call: name,
            waited: patience,
        };
        timeout(patience, tries).await.map_err(late)?
    }
}

fn is_transport(error: &ipfs_api_backend_hyper::Error) -> bool {
    matches!(error, ipfs_api_backend_hyper::Error::Client(_))
}

fn from_multiaddr(text: &str) -> Option<String> {
    let address = Multiaddr::from_str(text).ok()?;
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    match parts.as_slice() {
        [Protocol::Ip4(host), Protocol::Tcp(port)] => Some(format!("http://{host}:{port}")),
        [Protocol::Ip6(host), Protocol::Tcp(port)] => Some(format!("http://[{host}]:{port}")),
        [
            Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host),
            Protocol::Tcp(port),
        ] => checked_url(&format!("http://{host}:{port}")).ok(),
        _ => None,
    }
}

/// Accepts `http://host[:port]` and nothing after it.
///
/// The client's own constructor panics on some strings that parse as a URI, such as `localhost:5001`.
fn checked_url(url: &str) -> Result<String, &'static str> {
    if url.starts_with("https://") {
        return Err("TLS is not supported: reach a remote daemon through a tunnel to loopback");
    }
    let rest = url.strip_prefix("http://").ok_or("it must begin with http://")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return Err("user names and passwords do not belong in a URL");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    // What follows the last colon is a port, unless it is inside an IPv6 address.
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let host = port.map_or(authority, |(host, _)| host);
    if host.is_empty() || !host.chars().all(plain) || port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Err("after http:// comes a host, a colon and a port");
    }
    Ok(format!("http://{authority}"))
}

/// Leaves out what may be a password before a URL is shown.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &url[..scheme], &url[at + 1..]),
        (None, Some(at)) => url[at + 1..].to_owned(),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_checked() {
        for good in [
            "http://127.0.0.1:5001",
            "http://localhost:5001/",
            "/ip4/127.0.0.1/tcp/5001",
            "/ip6/::1/tcp/5001",
        ] {
            assert!(KuboClient::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "localhost:5001",
            "https://127.0.0.1:5001",
            "http://",
            "http:///",
            "http://a b",
            "http://h/api/v0",
            "/ip4/1.2.3.4",
            "/ip4/127.0.0.1/udp/5001",
            "ftp://h",
            "http://[::1",
            "http://h:99999999",
            "http://:5001",
            "http://h?x=1",
        ] {
            assert!(matches!(KuboClient::new(bad), Err(KuboError::BadUrl { .. })), "{bad}");
        }
    }

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
}
