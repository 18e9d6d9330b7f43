//! A bounty as a provider writes it down: TOML, format `zkaggle-bounty/1`.

use crate::bounty::pool;
use crate::failure::Failure;
use alloy::primitives::Address;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use zkaggle_config::units::{Seconds, Wei};
use zkaggle_graph::graph::Graph;

/// Format and version of the file.
pub const FORMAT: &str = "zkaggle-bounty/1";

/// Sealed bounties reveal their hold-out after hunters have committed; open ones start with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Sealed,
    Open,
}

/// Lengths of the phases.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// From posting.
    pub commit: Seconds,
    /// Finality gap before Reveal and before Claim.
    pub gap: Seconds,
    #[serde(default)]
    pub reveal: Seconds,
    #[serde(default)]
    pub attest: Seconds,
    pub prove: Seconds,
    pub claim: Seconds,
}

/// Cut and choose: the dataset is a pool, of which a beacon makes some shards public after the bounty is funded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// Shards that become public; the others are the hold-out.
    pub public: u16,
    /// From posting: the time by which they must be opened. Ends within Commit, so that hunters can train on them.
    pub window: Seconds,
}

/// The least accuracy that wins: a count of correct predictions, or a percentage rounded up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Threshold {
    Correct(u32),
    Percent(String),
}

impl Threshold {
    /// Correct predictions out of `n`.
    ///
    /// # Errors
    /// For zero, for more than `n`, and for text that is no percentage.
    pub fn correct(&self, n: u32) -> Result<u32> {
        let count = match self {
            Self::Correct(c) => u64::from(*c),
            Self::Percent(text) => {
                let number = text
                    .strip_suffix('%')
                    .map(str::trim)
                    .and_then(|t| t.parse::<f64>().ok())
                    .filter(|p| p.is_finite() && *p > 0.0 && *p <= 100.0)
                    .ok_or_else(|| {
                        Failure::usage(format!(
                            "threshold {text:?}: give a count, or a percentage such as \"90 %\" up to 100 %"
                        ))
                    })?;
                // Hundredths of a percent are exact enough for a rounding that is then an integer.
                ((number * 100.0).round() as u64 * u64::from(n)).div_ceil(10_000)
            }
        };
        if count == 0 || count > u64::from(n) {
            return Err(Failure::usage(format!(
                "threshold: {count} correct of {n} samples cannot decide anything"
            )));
        }
        Ok(count as u32)
    }
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BountyFile {
    pub format: String,
    /// Names the bounty on this node; the same label is never posted twice.
    pub label: String,
    #[serde(default)]
    pub mode: Mode,
    /// CID of the test set's manifest or of its folder, as `zkaggle dataset import` printed them.
    pub dataset: String,
    pub threshold: Threshold,
    /// ERC-20 token of prizes and bond; ether without it. Amounts then count its smallest unit as wei.
    #[serde(default)]
    pub token: Option<Address>,
    /// Largest first.
    pub prizes: Vec<Wei>,
    pub bond: Wei,
    pub stake: Wei,
    /// Architecture files that entries may use, relative to this file.
    pub architectures: Vec<PathBuf>,
    #[serde(default)]
    pub allowed: Vec<Address>,
    pub windows: Windows,
    /// Without it nothing of the data is public before the reveal.
    #[serde(default)]
    pub draw: Option<Draw>,
}

impl BountyFile {
    /// Reads the file and the architectures it names.
    pub fn read(path: &Path) -> Result<(Self, Vec<Graph>)> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::not_found(format!("bounty file {}: {e}", path.display())))?;
        let file = Self::parse(&text).with_context(|| format!("bounty file {}", path.display()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        let graphs = file
            .architectures
            .iter()
            .map(|a| read_architecture(&base.join(a)))
            .collect::<Result<Vec<_>>>()?;
        Ok((file, graphs))
    }

    /// Parses the TOML text.
    pub fn parse(text: &str) -> Result<Self> {
        let file: Self = toml::from_str(text).map_err(|e| Failure::usage(e.to_string()))?;
        if file.format != FORMAT {
            return Err(Failure::usage(format!(
                "format {:?}, this version reads {FORMAT:?}",
                file.format
            )));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if file.label.is_empty() || file.label.len() > 64 || !file.label.chars().all(plain) {
            return Err(Failure::usage("label: 1 to 64 letters, digits, '-' and '_'"));
        }
        if file.architectures.is_empty() {
            return Err(Failure::usage(
                "architectures: name at least one; without it nobody can enter",
            ));
        }
        if let Some(draw) = &file.draw {
            if file.mode == Mode::Open {
                return Err(Failure::usage(
                    "draw: all data of an open bounty is public; a draw needs mode = \"sealed\"",
                ));
            }
            if draw.public == 0 || u64::from(draw.window) == 0 {
                return Err(Failure::usage("draw: public and window are at least 1"));
            }
            if draw.window >= file.windows.commit {
                return Err(Failure::usage(
                    "draw: window must end before Commit does, so that hunters can train on what became public",
                ));
            }
        }
        Ok(file)
    }

    /// How many of a pool's shards are the hold-out: all of them without a draw.
    ///
    /// # Errors
    /// Usage for a pool that cannot be drawn from.
    pub fn held(&self, lengths: &[usize]) -> Result<usize> {
        let Some(draw) = &self.draw else {
            return Ok(lengths.len());
        };
        if lengths.len() > pool::MOST {
            return Err(Failure::usage(format!(
                "draw: the dataset has {} shards, a pool at most {}; import it with a larger --per-shard",
                lengths.len(),
                pool::MOST
            )));
        }
        if lengths.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Failure::usage(
                "draw: the dataset's shards differ in length, and any of them may stay; import it with a --per-shard that divides its records",
            ));
        }
        match lengths.len().checked_sub(draw.public.into()) {
            None | Some(0) => Err(Failure::usage(format!(
                "draw: {} shards shall become public, the dataset has {}; at least one stays as the hold-out",
                draw.public,
                lengths.len()
            ))),
            Some(held) => Ok(held),
        }
    }
}

/// Reads an architecture file: a graph's text, without weights.
pub fn read_architecture(path: &Path) -> Result<Graph> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::not_found(format!("architecture file {}: {e}", path.display())))?;
    Graph::parse(&text).map_err(|e| Failure::usage(format!("architecture file {}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        format = "zkaggle-bounty/1"
        label = "digits"
        dataset = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
        threshold = "90 %"
        prizes = ["1 ether"]
        bond = "0.1 ether"
        stake = "0.02 ether"
        architectures = ["digits.graph"]
        [windows]
        commit = "10m"
        gap = "12s"
        reveal = "10m"
        attest = "10m"
        prove = "1h"
        claim = "24h"
    "#;

    #[test]
    fn a_good_file_is_read() {
        let f = BountyFile::parse(GOOD).unwrap();
        assert_eq!(f.mode, Mode::Sealed);
        assert_eq!(f.threshold.correct(360).unwrap(), 324);
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_spent() {
        for (from, to, word) in [
            ("zkaggle-bounty/1", "zkaggle-bounty/9", "format"),
            ("\"digits\"", "\"../x\"", "label"),
            ("[\"digits.graph\"]", "[]", "architectures"),
            ("threshold", "treshold", "treshold"),
        ] {
            let e = BountyFile::parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(format!("{e:#}").contains(word), "{e:#}");
        }
        let with = |draw: &str| BountyFile::parse(&format!("{GOOD}\n{draw}"));
        let good = with("[draw]\npublic = 2\nwindow = \"5m\"").unwrap();
        assert_eq!(good.held(&[64, 64, 64]).unwrap(), 1);
        for bad in [&[64, 64][..], &[64, 64, 65], &[64; 257]] {
            assert!(good.held(bad).unwrap_err().to_string().contains("draw"), "{bad:?}");
        }
        for bad in [
            "public = 0\nwindow = \"5m\"",
            "public = 2\nwindow = \"10m\"",
            "public = 2",
        ] {
            let e = with(&format!("[draw]\n{bad}")).unwrap_err();
            assert_eq!(crate::failure::code_of(&e), crate::failure::Code::Usage, "{bad}");
        }
        for bad in ["200 %", "0 %", "ninety", "-1 %", "nan %"] {
            assert!(Threshold::Percent(bad.into()).correct(360).is_err(), "{bad}");
        }
        assert!(Threshold::Correct(0).correct(360).is_err());
        assert!(Threshold::Correct(361).correct(360).is_err());
    }

    #[test]
    fn a_percentage_rounds_up_to_whole_samples() {
        assert_eq!(Threshold::Percent("90%".into()).correct(359).unwrap(), 324);
        assert_eq!(Threshold::Percent("100%".into()).correct(7).unwrap(), 7);
        assert_eq!(Threshold::Percent("0.01%".into()).correct(7).unwrap(), 1);
    }
}
