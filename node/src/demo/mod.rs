//! The whole story on one machine, with nothing pretended: real proofs, real contracts, real blocks
//! over libp2p, real data.
//!
//! | module | does |
//! |---|---|
//! | [`assets`] | the data and models that ship with the program |
//! | [`stage`] | chain, contracts, three funded nodes that know each other |
//! | [`story`] | lets the nodes act, moves the clock between phases, collects what is left behind |
//! | [`summary`] | `summary.json` |
//!
//! The story never acts for a node. It starts them, waits for what the chain shows, and moves a
//! development chain's clock when a window would otherwise be waited out.

pub mod assets;
pub mod stage;
pub mod story;
pub mod summary;

pub use story::{Options, run};
