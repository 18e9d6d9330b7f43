//! Commitments: the native definition, and the only one (PROTOCOL sections 1 and 8).

use crate::field::Fr;
use crate::graph::Graph;
use crate::ids::Words;
use crate::packing::{pack_data, pack31_into};
use crate::poseidon::{T_DATA, T_WIDE, hash};
use crate::tag::Tag;
use crate::weights::Weights;
use ark_ff::Zero;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The blind of a model commitment: uniform in the field, fresh per entry. A secret.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Blind(Fr);

impl Blind {
    pub fn new(x: Fr) -> Self {
        Self(x)
    }

    /// Reduces 64 uniform bytes: the bias is below 2⁻²⁵⁶.
    pub fn from_uniform(b: &[u8; 64]) -> Self {
        use ark_ff::PrimeField;
        Self(Fr::from_be_bytes_mod_order(b))
    }

    /// Hands the secret out, for a witness or the released message.
    pub fn expose(&self) -> Fr {
        self.0
    }
}

impl std::fmt::Debug for Blind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blind(..)")
    }
}

/// The elements under `C`, in order: archId, byte length, class bytes, packed weights padded to the
/// class, blind.
pub fn model_elements(graph: &Graph, weights: &Weights, blind: &Blind) -> Vec<Fr> {
    let bytes = weights.to_bytes();
    let mut e = vec![
        graph.arch_id(),
        Fr::from(bytes.len() as u64),
        Fr::from(graph.class_bytes() as u64),
    ];
    e.extend(pack31_into(&bytes, graph.class_words()));
    e.push(blind.expose());
    e
}

/// Model commitment `C`.
pub fn model(graph: &Graph, weights: &Weights, blind: &Blind) -> Fr {
    hash(T_WIDE, Tag::Model, &model_elements(graph, weights, blind))
}

/// Shard commitment `s`: the first permutation absorbs `(length, 0, 0)`, each further one the three
/// elements of one 64-byte block.
///
/// Giving the length a permutation of its own keeps one permutation per SHA-256 block, which lets
/// the CID circuit run both over the same rows.
pub fn shard(bytes: &[u8]) -> Fr {
    let mut e = vec![Fr::from(bytes.len() as u64), Fr::zero(), Fr::zero()];
    e.extend(pack_data(bytes).into_iter().flatten());
    hash(T_DATA, Tag::Shard, &e)
}

/// Dataset commitment `D = keccak256(abi.encode(TAG_DATA, schemaId, n, keccak256(s_0 ‖ s_1 ‖ …)))`.
///
/// No circuit opens D (each proof names its own shard), and the chain computes it, so it is a
/// keccak digest: a Poseidon one would cost the registry about 60 k gas a permutation.
pub fn dataset(schema_id: [u8; 32], n: u64, shards: &[Fr]) -> [u8; 32] {
    let mut all = Words::new();
    for s in shards {
        all = all.field(s);
    }
    Words::new()
        .bytes32(Tag::Data.bytes())
        .bytes32(schema_id)
        .u64(n)
        .bytes32(all.keccak())
        .keccak()
}

/// Salt of a shard's results hash: derived, never chosen.
pub fn results_salt(blind: &Blind, shard: &Fr) -> Fr {
    hash(T_WIDE, Tag::Salt, &[blind.expose(), *shard])
}

/// Results hash `R` over `n`, the salt and the predictions, one byte each, padded with zeros to the
/// graph's samples.
pub fn results(graph: &Graph, blind: &Blind, shard: &Fr, predictions: &[u8]) -> Fr {
    let mut e = vec![Fr::from(predictions.len() as u64), results_salt(blind, shard)];
    e.extend(pack31_into(predictions, graph.prediction_words()));
    hash(T_WIDE, Tag::Results, &e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::digits;

    #[test]
    fn length_is_part_of_a_shard_commitment() {
        assert_ne!(shard(&[0; 63]), shard(&[0; 64]));
        assert_ne!(shard(&[0x80]), shard(&[0x01]));
        assert_ne!(shard(&[1, 0]), shard(&[1]));
    }

    #[test]
    fn blind_hides_equal_models_and_its_debug_is_redacted() {
        let g = digits(360);
        let w = Weights::from_bytes(&g, &vec![1; g.weight_bytes()]).unwrap();
        let (a, b) = (Blind::new(Fr::from(1u64)), Blind::new(Fr::from(2u64)));
        assert_ne!(model(&g, &w, &a), model(&g, &w, &b));
        assert_eq!(format!("{a:?}"), "Blind(..)");
    }

    #[test]
    fn results_depend_on_blind_shard_and_count() {
        let g = digits(360);
        let (a, b) = (Blind::new(Fr::from(1u64)), Blind::new(Fr::from(2u64)));
        let (s, t) = (Fr::from(3u64), Fr::from(4u64));
        let r = results(&g, &a, &s, &[1, 2, 3]);
        assert_ne!(r, results(&g, &b, &s, &[1, 2, 3]));
        assert_ne!(r, results(&g, &a, &t, &[1, 2, 3]));
        assert_ne!(r, results(&g, &a, &s, &[1, 2, 3, 0]));
    }
}
