//! Bitswap 1.2.0: IPFS's block exchange, over `libp2p-stream`.
//!
//! * [`message`]: the protobuf messages, and the caps checked before they are decoded.
//! * [`wire`]: messages on a stream: length first, read with limits on size and time.
//! * `ledger`: what one peer wants from us and has been asked for.
//! * `engine`: the tasks that read; reading never waits for writing, so two nodes cannot block each other.
//! * `serve`: the tasks that write, one a peer.
//! * `fetch`: one question a block, put to peers until it is answered.
//!
//! Answers travel on streams we open ourselves, one kept open per peer: the protocol never answers on the
//! stream a question came by. `libp2p-stream` opens them; `inbound` accepts those of others.
//!
//! # Source
//! IPFS's Bitswap specification, "Bitswap 1.2.0".

mod engine;
mod fetch;
pub(crate) mod inbound;
mod ledger;
pub mod message;
mod serve;
pub mod wire;

pub(crate) use engine::Engine;
pub use engine::Limits;
pub use fetch::FetchError;

use libp2p::StreamProtocol;

/// The protocol's name, as IPFS peers negotiate it.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
