//! The chain as a node sees it: the only room that speaks to an Ethereum endpoint.
//!
//! | module | does |
//! |---|---|
//! | [`endpoints`] | several JSON-RPC endpoints of one chain: bounded, timed, checked, replaced when one fails |
//! | [`client`] | an account on a chain: what it is, what it reads, what it never does |
//! | [`submit`] | transactions: simulated, under ceilings, replaced when stuck, seen through |
//! | [`outbox`] | what is under way, written down before it is sent |
//! | [`fees`] | what a transaction offers per gas |
//! | [`errors`] | what a chain refuses, in words |
//! | [`watcher`] | follows the market's logs through re-orgs |
//! | [`convert`], [`view`] | from logs to the book of [`crate::bounty`], kept up with the chain |
//! | [`deployment`] | which contracts, where, with which code; checked before they are used |
//! | [`deploy`] | puts the contracts on a chain, at the same addresses everywhere |
//! | [`links`] | which leaves a dag-pb root has, as the chain recorded it |
//! | [`keys`] | verifying keys in the registry: derive, compare, register |
//! | [`market`] | bounties, entries, boards and claims, read and written |
//! | [`chunks`] | claims too large for calldata: listed, challenged, answered, settled |
//! | [`disputes`] | challenges and their answers, proposed keys |
//! | [`tokens`] | exact allowances, what may leave the account |
//! | [`draws`] | cut and choose: the beacon's choice, openings, both checked |
//! | [`states`] | the market's enumerations |
//! | [`time`] | moves a development chain's clock |

pub mod chunks;
pub mod client;
pub mod convert;
pub mod deploy;
pub mod deployment;
pub mod disputes;
pub mod draws;
pub mod endpoints;
pub mod errors;
pub mod fees;
#[cfg(test)]
pub(crate) mod hostile;
pub mod keys;
pub mod links;
pub mod market;
pub mod outbox;
pub mod states;
pub mod submit;
pub mod time;
pub mod tokens;
pub mod view;
pub mod watcher;

pub use client::{Caution, Chain, Sent};
pub use deployment::Deployment;
