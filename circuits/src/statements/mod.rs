//! What is proved, independent of how: each statement is an instance that anyone can build from
//! public data, a witness, and a native check that accepts exactly what the circuit accepts.

pub mod accuracy;
pub mod chunks;
pub mod cid;
pub mod release;
