//! Data and models as integers.
//!
//! This crate decides every integer that is later proved: which bytes a dataset is made of, how a
//! trained network becomes int8 weights, what the network predicts, and how each of these is
//! committed to. It knows no proof system, no network and no clock.
//!
//! ```text
//! files -> dataset (records, shards, CIDs, manifest)
//! ONNX  -> float::Network -> quantize -> Graph + Weights -> eval -> Predictions, Score
//!                                        \-> commit: C, s, R, D, ctx, vkId
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`dataset`] | records, shards, CIDs, the manifest, imports from files |
//! | [`field`] | the one canonical field type and its byte form |
//! | [`tag`] | domain-separation tags |
//! | [`poseidon`] | circomlib's permutation and the sponge over it |
//! | [`float`] | the float network that readers give and the quantiser takes |
//! | [`model`] | float networks, the ONNX importer, the model file |
//! | [`quantize`] | a float network becomes a graph and int8 weights |
//! | [`packing`] | bytes to field elements, in the two packings of PROTOCOL section 8 |
//! | [`ops`] | the operators of the integer graph language: semantics, shape, range, cost |
//! | [`layout`] | where records stand in a shard, and features and label in a record |
//! | [`graph`] | the integer graph and its `archId` |
//! | [`text`] | its canonical text |
//! | [`eval`] | the integer evaluator |
//! | [`metrics`] | accuracy, top-k, macro-F1, MAE, MSE in integers |
//! | [`picture`] | a graph as SVG |
//! | [`reference`] | networks with random weights, for benchmarks |
//! | [`reach`] | proof that a model stays in its tables on every sample |
//! | [`mlp`] | the subset of graphs that the accuracy circuit proves |
//! | [`weights`] | int8 weights and their byte form |
//! | [`commit`] | model, shard, dataset and results commitments |
//! | [`jub`] | BabyJubJub and the provider's decryption key |
//! | [`ids`] | keccak identifiers shared with the chain: `ctx`, `vkId`, holdout |

pub mod commit;
pub mod dataset;
pub mod eval;
pub mod field;
pub mod float;
pub mod graph;
pub mod ids;
pub mod jub;
pub mod layout;
pub mod metrics;
pub mod mlp;
pub mod model;
pub mod ops;
pub mod packing;
pub mod picture;
pub mod poseidon;
pub mod quantize;
pub mod reach;
pub mod reference;
pub mod schema;
pub mod tag;
pub mod text;
pub mod weights;
