//! The accuracy proof: a committed model scores so much on a committed shard.
//!
//! The statement is [`crate::statements::accuracy`]; docs/circuits/accuracy.md draws the rows and
//! says of every witness value why it is pinned.
//!
//! ```text
//! Graph -> plan    rows, fixed columns, copies           (the only thing a model's shape changes)
//! witness          integers -> first-phase columns       committed, then the challenges are drawn
//! fold             first phase + challenges -> second-phase columns
//! constraints      what must hold between them, by name  (the same for every model)
//! circuit          hands all of it to halo2
//! ```

mod circuit;
mod columns;
mod constraints;
mod fold;
mod key;
mod plan;
mod table;
#[cfg(test)]
mod tests;
mod witness;

pub use circuit::AccuracyCircuit;
pub use columns::Columns;
pub use key::{Cost, INSTANCES, ScoreError, ScoreKey, cost, k_for, verify, vk_from_file};
pub use plan::{Plan, PlanError};
pub use witness::{Grid, first_phase};
