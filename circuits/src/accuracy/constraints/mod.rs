//! Every constraint of the accuracy circuit, by name.
//!
//! | module | says |
//! |---|---|
//! | [`data`] | shard bytes, their sponge, which records count, the fold of the first layer's inputs |
//! | [`wide`] | the nine-lane sponge of `C`, salt and `R` |
//! | [`network`] | units, weights, classes, predictions, score, and the equation that joins the folds |
//! | [`reads`] | every range and activation, by one lookup argument |
//!
//! Degree 5 at most: the quotient then lives on four times the rows.

mod data;
mod network;
mod reads;
mod wide;

use super::columns::Columns;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

pub fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    data::configure(meta, columns);
    wide::configure(meta, columns);
    network::configure(meta, columns);
    reads::configure(meta, columns);
}

/// Sum of expressions; there is always at least one.
fn sum(terms: impl IntoIterator<Item = halo2_proofs::plonk::Expression<Fr>>) -> halo2_proofs::plonk::Expression<Fr> {
    terms
        .into_iter()
        .reduce(|a, b| a + b)
        .unwrap_or(halo2_proofs::plonk::Expression::Constant(Fr::zero()))
}
