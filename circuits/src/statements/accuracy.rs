//! Accuracy of a committed model on one committed shard (PROTOCOL section 4).

use zkaggle_graph::commit::{self, Blind};
use zkaggle_graph::eval::{EvalError, evaluate};
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::Graph;
use zkaggle_graph::weights::Weights;

/// Public side, in the order of the public inputs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyInstance {
    /// Chain, market, bounty, hunter, slot and vkId in one element.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub ctx: Fr,
    /// Model commitment `C`.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub model: Fr,
    /// Shard commitment `s_j`.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub shard: Fr,
    /// Records in the shard.
    pub n: u32,
    /// Predictions equal to the label.
    pub score: u32,
    /// Results hash `R_j`.
    #[serde(with = "zkaggle_graph::field::serde_hex")]
    pub results: Fr,
}

impl AccuracyInstance {
    /// Public inputs in their one order: `ctx, C, s, n, score, R`.
    pub fn public_inputs(&self) -> [Fr; 6] {
        [
            self.ctx,
            self.model,
            self.shard,
            Fr::from(self.n),
            Fr::from(self.score),
            self.results,
        ]
    }
}

/// Private side. The shard's bytes are public data, but the proof takes them as witness.
#[derive(Clone, Debug)]
pub struct AccuracyWitness {
    pub weights: Weights,
    pub blind: Blind,
    pub shard: Vec<u8>,
}

/// Why a witness does not satisfy an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccuracyError {
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("weights and blind do not open the model commitment")]
    Model,
    #[error("the bytes are not those of the shard commitment")]
    Shard,
    #[error("{got} records, the statement says {claimed}")]
    Count { claimed: u32, got: u32 },
    #[error("score {got}, the statement says {claimed}")]
    Score { claimed: u32, got: u32 },
    #[error("the predictions do not give the results hash")]
    Results,
}

/// The instance a witness proves, for a hunter who knows all of it.
pub fn instance(graph: &Graph, w: &AccuracyWitness, ctx: Fr) -> Result<AccuracyInstance, AccuracyError> {
    let e = evaluate(graph, &w.weights, &w.shard)?;
    let shard = commit::shard(&w.shard);
    Ok(AccuracyInstance {
        ctx,
        model: commit::model(graph, &w.weights, &w.blind),
        shard,
        n: e.accuracy.total,
        score: e.accuracy.correct,
        results: commit::results(graph, &w.blind, &shard, &e.predictions()),
    })
}

/// Accepts exactly the pairs that the circuit accepts.
pub fn check(graph: &Graph, x: &AccuracyInstance, w: &AccuracyWitness) -> Result<(), AccuracyError> {
    let y = instance(graph, w, x.ctx)?;
    if y.model != x.model {
        return Err(AccuracyError::Model);
    }
    if y.shard != x.shard {
        return Err(AccuracyError::Shard);
    }
    if y.n != x.n {
        return Err(AccuracyError::Count { claimed: x.n, got: y.n });
    }
    if y.score != x.score {
        return Err(AccuracyError::Score {
            claimed: x.score,
            got: y.score,
        });
    }
    if y.results != x.results {
        return Err(AccuracyError::Results);
    }
    Ok(())
}
