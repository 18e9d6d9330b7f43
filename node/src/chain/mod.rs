//! The chain as a node sees it: the only room that speaks to an Ethereum endpoint.
//!
//! | module | does |
//! |---|---|
//! | [`client`] | an account on a chain: calls, transactions, receipts, errors in words |
//! | [`deployment`] | which contracts, where, with which code; checked before they are used |
//! | [`deploy`] | puts the contracts on a development chain |
//! | [`keys`] | verifying keys in the registry: derive, compare, register |
//! | [`market`] | bounties, entries, boards and claims, read and written |
//! | [`states`] | the market's enumerations |
//! | [`time`] | moves a development chain's clock |

pub mod client;
pub mod deploy;
pub mod deployment;
pub mod keys;
pub mod market;
pub mod states;
pub mod time;

pub use client::{Caution, Chain, Sent};
pub use deployment::Deployment;
