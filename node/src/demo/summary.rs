//! `summary.json`: what the story cost and what came out.

use crate::progress::Step;
use serde::{Deserialize, Serialize};

/// Format and version of the file.
pub const FORMAT: &str = "zkaggle-summary/1";

/// A deployed contract and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractSize {
    pub name: String,
    pub bytes: usize,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub format: String,
    /// The winner's correct predictions, as proved.
    pub score: u32,
    /// Samples of the hold-out.
    pub n: u32,
    /// `score / n`, as verified on chain.
    pub accuracy_proved: f64,
    /// The same of the model that the provider decrypted and evaluated again.
    pub accuracy_reopened: f64,
    /// Whether the opened model gives the results hashes on chain.
    pub results_match: bool,
    /// Wall time of the whole story.
    pub seconds: f64,
    /// Largest resident size of the process, all nodes and the chain together.
    pub peak_rss_mib: u64,
    pub steps: Vec<Step>,
    pub contracts: Vec<ContractSize>,
}
