//! The market without proofs: who gets what, and whether a node's view of it is right. One binary, because
//! linking is what costs time.

mod large;
mod money;
mod tokens;
mod views;
