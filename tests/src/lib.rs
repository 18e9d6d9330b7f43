//! What the stories under `tests/tests` share.
//!
//! * [`anvil`], [`geth`]: a foreign development chain, where one is installed.
//! * [`lies`]: a valid proof file, changed in every way a reader must refuse.
//! * [`world`], [`stories`]: a market where every proof is believed, and who gets what on it.
//! * [`drawn`]: cut and choose on that market.
//! * [`forks`]: real nodes on a chain that takes back what they did.
//! * [`hostile`]: an endpoint that answers as a test tells it to.
//! * [`troupe`]: real nodes that can be stopped and started again.
//! * [`outcome`]: what must hold after the demo's story, wherever it was played.

pub mod anvil;
pub mod drawn;
pub mod forks;
pub mod geth;
/// The node's own hostile endpoint: one for its unit tests and these stories.
#[path = "../../node/src/chain/hostile.rs"]
pub mod hostile;
pub mod lies;
pub mod outcome;
pub mod stories;
pub mod troupe;
pub mod world;
