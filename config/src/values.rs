//! Values with a form of their own: roles, backends, addresses, endpoints.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How it is written, for messages.
            pub(crate) const WORDS: &'static str = concat!($("\"", $word, "\" "),+);

            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text { $($word => Ok(Self::$variant),)+ other => Err(format!("{other:?} is none of them")) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(
    /// What a node does by itself.
    Role {
        /// Verifies and serves, keeps no keys at risk.
        #[default]
        Observer = "observer",
        /// Posts bounties and pays for models.
        Provider = "provider",
        /// Enters bounties and claims prizes.
        Hunter = "hunter",
    }
);

words!(
    /// Who stores and serves blocks.
    Backend {
        /// The node's own blockstore, over its own swarm.
        #[default]
        Embedded = "embedded",
        /// A Kubo daemon, over its RPC.
        Kubo = "kubo",
    }
);

/// Where the universal setup comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Srs {
    /// Made here from a known secret: proofs under it can be forged by anybody.
    #[default]
    Development,
    /// A powers-of-tau file.
    File(PathBuf),
}

/// An Ethereum address: 20 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub [u8; 20]);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").ok_or("an address begins with 0x")?;
        if digits.len() != 40 || !digits.is_ascii() {
            return Err(format!(
                "an address has 40 hexadecimal digits after 0x, not {}",
                digits.chars().count()
            ));
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|e| e.to_string())?;
            let hexadecimal = pair.bytes().all(|b| b.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16)
                .ok()
                .filter(|_| hexadecimal)
                .ok_or_else(|| format!("{pair:?} is not hexadecimal"))?;
        }
        match bytes == [0; 20] {
            true => Err("the zero address is no contract".into()),
            false => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An HTTP endpoint whose path, query or user may be an API key: printed as scheme, host and port only.
#[derive(Clone, PartialEq, Eq)]
pub struct RpcUrl(String);

impl RpcUrl {
    /// The whole URL, for connecting.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Scheme and authority without the user.
    fn public(&self) -> (&str, &str, bool) {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", ""));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        (scheme, host, tail.len() > 1 || host != authority)
    }
}

impl FromStr for RpcUrl {
    type Err = String;

    /// Never repeats the text in an error: it may hold a key.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("a URL holds no spaces".into());
        }
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => {}
            Some("ws" | "wss") => return Err("WebSocket endpoints are not supported: give the http(s) one".into()),
            _ => return Err("a URL begins with http:// or https://".into()),
        }
        let url = Self(text.to_owned());
        let (_, host, _) = url.public();
        match host.is_empty() || host.starts_with(':') {
            true => Err("the URL names no host".into()),
            false => Ok(url),
        }
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, more) = self.public();
        write!(f, "{scheme}://{host}{}", if more { "/…" } else { "" })
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RpcUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_never_print_what_may_be_a_key() {
        let cases = [
            ("https://rpc.example.org/v3/KEY", "https://rpc.example.org/…"),
            (
                "https://user:KEY@rpc.example.org:8545",
                "https://rpc.example.org:8545/…",
            ),
            ("https://rpc.example.org?apikey=KEY", "https://rpc.example.org/…"),
            ("https://rpc.example.org#KEY", "https://rpc.example.org/…"),
            ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
            ("http://[::1]:8545", "http://[::1]:8545"),
        ];
        for (text, shown) in cases {
            let url: RpcUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}{url}").contains("KEY"));
            assert_eq!(url.expose(), text);
        }
        for text in [
            "",
            "KEY",
            "ws://KEY",
            "ftp://KEY",
            "http://",
            "https://KEY@",
            "http://:80",
            "http://a b/KEY",
        ] {
            let error = text.parse::<RpcUrl>().unwrap_err();
            assert!(!error.contains("KEY"), "{error}");
        }
    }

    #[test]
    fn addresses_are_twenty_bytes() {
        let text = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text.to_lowercase());
        let zero = format!("0x{}", "0".repeat(40));
        for bad in [
            "",
            "0x",
            &text[2..],
            &text[..41],
            &(text.to_owned() + "0"),
            &text.replace('f', "g"),
            &text.replace("f3", "+3"),
            "0xé",
            &zero,
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
