//! What a node does on a market: policies over the chain's state.
//!
//! A role keeps no phase of its own. Each tick reads where the bounty stands on chain, does the one
//! thing that is due, and ends; a node that crashed at any point starts again by reading the chain.
//! What cannot be read there (which model an entry committed, which salt a label used) lies in
//! checksummed files or follows from the seed.
//!
//! | role | watches | does |
//! |---|---|---|
//! | [`provider`] | its own bounties | proves CIDs, posts, reveals, attests, opens claims, finalizes |
//! | [`hunter`] | every bounty its model fits | commits, fetches and checks the data, proves, claims |

pub mod hunter;
pub mod preflight;
pub mod proposals;
pub mod provider;
pub mod services;

pub use services::Services;

/// Whether a tick found something to do; an idle role may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Something was done; look again at once.
    Worked,
    /// Nothing is due until the chain or the clock moves.
    Idle,
    /// Every bounty this role cares for is over and paid out.
    Done,
}
