//! Values with a form of their own: roles, backends, endpoints.

use std::fmt;
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
        /// Posts bounties and pays for models.
        Provider = "provider",
        /// Enters bounties and claims prizes.
        #[default]
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

words!(
    /// Which distributed hash table a node finds providers in.
    Dht {
        /// ZKaggle's own.
        #[default]
        Zkaggle = "zkaggle",
        /// IPFS's public one.
        Ipfs = "ipfs",
        /// IPFS's for the private addresses of one site.
        IpfsLan = "ipfs-lan",
    }
);

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

/// How much of an ERC-20 token may leave the account in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLimit {
    /// The token's contract.
    pub token: [u8; 20],
    /// In the token's smallest unit.
    pub amount: u128,
}

impl FromStr for TokenLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, amount) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} has no \"=\" between the token's address and the amount"))?;
        let digits = address.trim().strip_prefix("0x").unwrap_or_default();
        if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!(
                "{:?} is no address: 0x and 40 hexadecimal digits",
                address.trim()
            ));
        }
        let mut token = [0; 20];
        for (byte, at) in token.iter_mut().zip((0..40).step_by(2)) {
            // PANIC: none; every digit was checked above.
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|e| e.to_string())?;
        }
        let amount = amount.trim().replace('_', "");
        let amount = amount
            .parse()
            .map_err(|_| format!("{amount:?} is no whole number of the token's smallest unit"))?;
        Ok(Self { token, amount })
    }
}

impl fmt::Display for TokenLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        for byte in self.token {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "={}", self.amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_limit_reads_as_it_prints() {
        let text = format!("0x{}=1000000", "ab".repeat(20));
        let limit: TokenLimit = text.parse().unwrap();
        assert_eq!((limit.token, limit.amount), ([0xab; 20], 1_000_000));
        assert_eq!(limit.to_string(), text);
        let bare = "ab".repeat(20);
        for bad in [
            bare.clone(),
            format!("{bare}=1"),
            format!("0x{bare}=-1"),
            format!("0x{bare}=1.5"),
            format!("0x{bare}a=1"),
            format!("0x{}é=1", &bare[..38]),
            "=".into(),
        ] {
            assert!(bad.parse::<TokenLimit>().is_err(), "{bad}");
        }
    }

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
}
