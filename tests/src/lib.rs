//! What the stories under `tests/tests` share.
//!
//! * [`anvil`]: a foreign development chain, where one is installed.
//! * [`lies`]: a valid proof file, changed in every way a reader must refuse.
//! * [`outcome`]: what must hold after the demo's story, wherever it was played.

pub mod anvil;
pub mod lies;
pub mod outcome;
