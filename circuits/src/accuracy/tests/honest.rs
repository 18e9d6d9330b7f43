//! What must be accepted, and native check and circuit side by side.

use super::*;

#[test]
fn honest_small_instances_are_accepted() {
    for (widths, capacity, records) in [
        (&[4u32, 6, 3][..], 5, 5),
        (&[4, 6, 3], 5, 2),
        (&[64, 4, 3], 3, 3),
        (&[5, 2], 40, 33),
        (&[3, 4, 5, 2], 6, 4),
        (&[2, 40, 3], 10, 9),
    ] {
        let g = graph(widths, capacity);
        let case = Case::new(&g, &witness(&g, records, 20, 7));
        assert_eq!(case.failures(), Vec::<String>::new(), "{widths:?} {records}/{capacity}");
    }
}

/// Random statements of every kind, true and false: the native check and the circuit agree.
#[test]
fn native_check_and_circuit_agree() {
    let mut rng = ChaCha8Rng::seed_from_u64(2026);
    let (mut proved, mut out_of_range, mut saturated, mut negative, mut strange) = (0, 0, 0, 0, 0);
    for seed in 0..40 {
        let widths: &[u32] = [&[4u32, 6, 3][..], &[3, 4, 5, 2], &[7, 2], &[9, 3, 4]][rng.gen_range(0..4)];
        let (shift, bits) = (rng.gen_range(1..=6), rng.gen_range(9..=11));
        let capacity = rng.gen_range(1..=40);
        let records = rng.gen_range(1..=capacity) as usize;
        let g = graph_with(widths, capacity, shift, bits);
        let mut w = witness(&g, records, rng.gen_range(1..=127), seed);
        let record = g.schema().record_bytes();
        for i in 0..records {
            // Labels that are no class, and features beyond the schema's bound: bytes all the same.
            if rng.gen_bool(0.2) {
                w.shard[(i + 1) * record - 1] = rng.r#gen();
                strange += 1;
            }
            if rng.gen_bool(0.1) {
                w.shard[i * record] = 255;
            }
        }
        let e = match zkaggle_graph::mlp::evaluate(&g, &w.weights, &w.shard) {
            Ok(e) => e,
            Err(_) => {
                out_of_range += 1;
                continue;
            }
        };
        let hi = || e.traces.iter().flat_map(|t| t.split.iter().flatten()).map(|s| s.0);
        saturated += usize::from(hi().any(|h| h > 255));
        negative += usize::from(hi().any(|h| h < 0));
        let case = Case::new(&g, &w);
        assert_eq!(accuracy::check(&g, &case.instance, &w), Ok(()));
        assert_eq!(case.failures(), Vec::<String>::new(), "seed {seed}");
        proved += 1;

        // The same statement with another witness.
        let mut other = w.clone();
        match seed % 3 {
            0 => other.blind = Blind::new(field::Fr::from(1u64)),
            1 => other.weights = witness(&g, 1, 1, seed + 1000).weights,
            _ => other.shard[0] ^= 1,
        }
        let verdict = accuracy::check(&g, &case.instance, &other);
        assert!(verdict.is_err());
        let mut lie = Case::new(&g, &other);
        lie.instance = case.instance;
        assert_eq!(lie.failures(), ["copy"], "seed {seed}: {verdict:?}");
    }
    assert!(proved >= 15, "{proved} proved, {out_of_range} out of range");
    assert!(saturated > 0 && negative > 0 && strange > 0 && out_of_range > 0);
}

#[test]
fn one_constraint_system_serves_every_model() {
    use halo2_proofs::plonk::{Circuit, ConstraintSystem};
    let mut cs = ConstraintSystem::<Fr>::default();
    AccuracyCircuit::configure(&mut cs);
    assert_eq!(cs.degree(), 5);
    assert!(cs.gates().iter().flat_map(|g| g.polynomials()).all(|p| p.degree() <= 5));
    assert_eq!(cs.blinding_factors() + 1, super::super::plan::RESERVED_ROWS);
    assert_eq!(
        (
            cs.num_advice_columns(),
            cs.num_fixed_columns(),
            cs.num_instance_columns(),
            cs.num_selectors()
        ),
        (23, 29, 1, 0)
    );
    assert_eq!(cs.permutation().get_columns().len(), 10);
    assert!(cs.lookups().is_empty());
}

/// Gates, fixed columns and copies of one graph, as one number.
pub(super) fn fingerprint(plan: &Plan) -> String {
    use halo2_proofs::halo2curves::ff::PrimeField;
    use halo2_proofs::plonk::{Circuit, ConstraintSystem};
    use sha3::{Digest, Keccak256};
    let mut cs = ConstraintSystem::<Fr>::default();
    AccuracyCircuit::configure(&mut cs);
    let mut h = Keccak256::new();
    h.update(format!("{:?}", cs.pinned()));
    for x in plan.fixed().iter().flatten() {
        h.update(x.to_repr());
    }
    h.update(format!("{:?}{:?}", plan.copies(), plan.inputs()));
    hex::encode(h.finalize())
}

/// A change here changes every key and every vkId, so it is made on purpose and with this line.
#[test]
fn the_circuit_is_pinned() {
    let plan = Plan::new(&graph(&[4, 6, 3], 5)).unwrap();
    assert_eq!(
        fingerprint(&plan),
        "80bc57a7ec7f7646891b43f45ea55aa9920fab81dde58ffd68883d4338204e10"
    );
}
