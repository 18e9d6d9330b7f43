//! A ZKaggle node: library behind the `zkaggle` binary.
//!
//! ```text
//! cli ── demo ──▶ node ──▶ roles (provider, hunter) ──▶ services
//!                                                        ├── chain    market, keys, deployment (alloy)
//!                                                        ├── prover   keys and proofs (zkaggle-circuits)
//!                                                        ├── peers    libp2p, bitswap, Kubo (zkaggle-net)
//!                                                        └── seed     keys, blinds, salts (zkaggle-vault)
//! ```
//!
//! The chain is the source of truth: a role reads where a bounty stands, does what is due, and keeps
//! nothing that a crash could contradict.

pub mod bounty;
pub mod bounty_file;
pub mod chain;
pub mod cli;
pub mod dataset;
pub mod demo;
pub mod failure;
pub mod files;
pub mod identity;
pub mod import;
pub mod measure;
pub mod node;
pub mod node_dir;
pub mod progress;
pub mod proof_file;
pub mod prover;
pub mod roles;
pub mod store;
