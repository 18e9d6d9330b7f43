//! The names of all settings, and the nearest one to a name that is not.

use crate::sections::Config;
use crate::setting::{Raw, Setting};
use std::path::Path;

macro_rules! settings {
    ($($key:literal => $section:ident.$field:ident;)+) => {
        /// Every setting's name, in the order of `default.toml`.
        pub const KEYS: &[&str] = &[$($key),+];

        /// Reads a value into its setting; on failure, what was expected and why this is not it.
        pub(crate) fn assign(
            config: &mut Config,
            key: &str,
            raw: &Raw,
            base: Option<&Path>,
        ) -> Result<(), (String, String)> {
            fn read<T: Setting>(slot: &mut T, raw: &Raw, base: Option<&Path>) -> Result<(), (String, String)> {
                *slot = T::read(raw, base).map_err(|reason| (T::expects(), reason))?;
                Ok(())
            }
            match key {
                $($key => read(&mut config.$section.$field, raw, base),)+
                other => Err(("a setting".into(), format!("there is no {other}"))),
            }
        }

        impl Config {
            /// Every setting with its value as it would be written; endpoints without what may be a key.
            pub fn entries(&self) -> Vec<(&'static str, String)> {
                vec![$(($key, self.$section.$field.show())),+]
            }
        }
    };
}

settings! {
    "node.role" => node.role;
    "p2p.listen" => p2p.listen;
    "p2p.bootstrap" => p2p.bootstrap;
    "p2p.dht" => p2p.dht;
    "p2p.reprovide" => p2p.reprovide;
    "ipfs.backend" => ipfs.backend;
    "ipfs.api_url" => ipfs.api_url;
    "chain.id" => chain.id;
    "chain.rpc_url" => chain.rpc_url;
    "chain.rpc_url_file" => chain.rpc_url_file;
    "chain.deployment" => chain.deployment;
    "chain.confirmations" => chain.confirmations;
    "chain.max_fee" => chain.max_fee;
    "chain.max_spend" => chain.max_spend;
    "chain.max_spend_tokens" => chain.max_spend_tokens;
    "chain.poll" => chain.poll;
    "chain.production_opt_in" => chain.production_opt_in;
    "prover.keys_dir" => prover.keys_dir;
    "prover.max_memory" => prover.max_memory;
    "store.dir" => store.dir;
}

/// The setting's name as it is kept here, if there is one.
pub(crate) fn known(key: &str) -> Option<&'static str> {
    KEYS.iter().copied().find(|k| *k == key)
}

/// The name that takes the fewest edits, if that is few enough to be meant: in full, or with the section forgotten or
/// wrong.
pub(crate) fn nearest(key: &str) -> Option<&'static str> {
    if key.len() > 64 {
        return None;
    }
    let last = |k: &'static str| k.rsplit('.').next().unwrap_or(k);
    let field = key.rsplit('.').next().unwrap_or(key);
    let distance = |k: &'static str| edits(key, k).min(edits(field, last(k)) + 1);
    let best = KEYS.iter().copied().min_by_key(|k| (distance(k), edits(key, k)))?;
    (distance(best) <= 1 + field.chars().count() / 3).then_some(best)
}

/// Levenshtein distance: insertions, deletions and substitutions.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(x != *y)).min(left + 1).min(above + 1);
            diagonal = *above;
            left = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let cases = [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("ab", "ab", 0),
        ];
        for (a, b, want) in cases {
            assert_eq!(edits(a, b), want, "{a} {b}");
            assert_eq!(edits(b, a), want, "{b} {a}");
        }
    }

    #[test]
    fn what_was_meant() {
        let cases = [
            ("chain.rpc_urls", Some("chain.rpc_url")),
            ("chain.rpcurl", Some("chain.rpc_url")),
            ("rpc_url", Some("chain.rpc_url")),
            ("node.deployment", Some("chain.deployment")),
            ("prover.max_memery", Some("prover.max_memory")),
            ("chain.confirmation", Some("chain.confirmations")),
            ("chain.entirely_different", None),
            ("x", None),
        ];
        for (key, want) in cases {
            assert_eq!(nearest(key), want, "{key}");
        }
        assert_eq!(nearest(&"chain.".repeat(1_000)), None);
    }
}
