//! The node's Ethereum account, from its seed.

use alloy::signers::local::PrivateKeySigner;
use anyhow::{Context, Result};
use zkaggle_vault::Seed;

/// The account's signer.
pub fn signer(seed: &Seed) -> Result<PrivateKeySigner> {
    PrivateKeySigner::from_slice(seed.ethereum_key().expose()).context("the seed derives no Ethereum key")
}
