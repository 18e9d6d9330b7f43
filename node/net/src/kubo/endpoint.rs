//! What an endpoint may look like.

use std::str::FromStr;

use libp2p::{Multiaddr, multiaddr::Protocol};

/// Reads Kubo's own form of an endpoint, such as `/ip4/127.0.0.1/tcp/5001`.
pub(super) fn from_multiaddr(text: &str) -> Option<String> {
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
pub(super) fn checked_url(url: &str) -> Result<String, &'static str> {
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
pub(super) fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &url[..scheme], &url[at + 1..]),
        (None, Some(at)) => url[at + 1..].to_owned(),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::kubo::{KuboClient, KuboError};

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
}
