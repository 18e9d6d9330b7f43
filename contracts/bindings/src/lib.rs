//! What Rust knows of the contracts: types generated from the committed artifacts, and the
//! artifacts themselves. No logic, no network.
//!
//! * [`IBountyMarket`], [`IKeyRegistry`], [`IDatasetRegistry`], and the three verifier adapters:
//!   calls, events, errors and structs to talk to a deployed contract.
//! * [`ARTIFACTS`]: every contract that can be deployed, with creation code, size and code hash.
//!
//! ```
//! use zkaggle_bindings::Artifact;
//! let registry = Artifact::named("DatasetRegistry")?;
//! assert!(registry.deployed_bytes()? < zkaggle_bindings::MAX_DEPLOYED_BYTES);
//! # Ok::<(), zkaggle_bindings::ArtifactError>(())
//! ```
//!
//! Artifacts come from `contracts/tools/compile.cjs`; a test here fails when they are stale.

mod artifact;
mod contracts;

pub use artifact::{ARTIFACTS, Artifact, ArtifactError, MAX_DEPLOYED_BYTES};
pub use contracts::*;
