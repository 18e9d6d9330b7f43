//! Proofs on an EVM: the contracts as they are deployed, in revm.

mod accuracy;
mod adapters;
mod chain;
mod differential;
#[path = "../samples/mod.rs"]
mod samples;
mod short;
