//! Soundness of the release circuit: every cell is pinned, every named row can fail, and dishonest
//! provers are caught by the row that is there for them.

use super::circuit::{NAMES, assign, lay_out, room, shape};
use super::r1cs::{Assigned, Builder, Name};
use crate::statements::release::{
    Ephemeral, ReleaseError, ReleaseInstance, ReleaseWitness, check, fingerprint, point, seal,
};
use ark_ff::{BigInteger, Field, One, Zero};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet};
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::{CapacityClass, Graph, Schema};
use zkaggle_graph::ids::{JubPoint, VkId};
use zkaggle_graph::jub::{self, JubError, ProviderKey};
use zkaggle_graph::weights::Weights;

const CLASS: CapacityClass = CapacityClass::K4;
const VK: VkId = VkId([5; 32]);

fn graph(features: u32, hidden: u32) -> Graph {
    let schema = Schema::bytes([features], 16, 10);
    Graph::mlp(schema, 10, &[features, hidden, 10], &[(6, 14)]).unwrap()
}

fn provider() -> ProviderKey {
    ProviderKey::from_uniform(&[7; 64]).unwrap()
}

fn sealed(graph: &Graph) -> (ReleaseInstance, ReleaseWitness, Vec<Fr>) {
    let bytes: Vec<u8> = (0..graph.weight_bytes()).map(|i| (i * 31 + 5) as u8).collect();
    let weights = Weights::from_bytes(graph, &bytes).unwrap();
    let blind = Blind::from_uniform(&[3; 64]);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    seal(
        graph,
        &weights,
        &blind,
        Fr::from(99u64),
        provider().stored(),
        VK,
        &mut rng,
    )
    .unwrap()
}

fn honest() -> (ReleaseInstance, ReleaseWitness, Vec<Fr>) {
    sealed(&graph(64, 32))
}

fn failing(a: &Assigned) -> BTreeSet<String> {
    a.system.unsatisfied(a.values()).map(|n| n.to_string()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|s| s.to_string()).collect()
}

#[test]
fn an_honest_claim_satisfies_every_row() {
    let (x, w, c) = honest();
    assert_eq!(check(CLASS, &x, &w), Ok(()));
    assert_eq!(assign(CLASS, &x, &w).first_unsatisfied(), None);
    assert_eq!(c.len(), CLASS.message_words());
}

#[test]
fn rows_depend_on_the_class_alone_and_their_names_are_listed() {
    let (x, w, _) = honest();
    let s = shape(CLASS);
    assert_eq!(assign(CLASS, &x, &w).system, s);
    let names: BTreeSet<(&str, &str)> = s.rows().iter().map(|r| (r.name.part, r.name.step)).collect();
    assert_eq!(names, NAMES.into_iter().collect());
    assert_eq!(NAMES.len(), names.len());
}

/// The table of `circuit`'s documentation.
#[test]
fn row_counts_are_pinned() {
    let s = shape(CLASS);
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for r in s.rows() {
        *parts.entry(r.name.part).or_default() += 1;
    }
    let expected = [
        ("commitment", 7285),
        ("ephemeral key", 877),
        ("ephemeral scalar", 424),
        ("fingerprint", 133),
        ("key derivation", 402),
        ("key stream", 6477),
        ("provider key", 3),
        ("shared point", 3253),
    ];
    assert_eq!(parts, expected.into_iter().collect());
    assert_eq!((s.rows().len(), s.variables(), s.inputs()), (18_854, 18_934, 8));
    assert!(
        (s.variables()..s.variables() + 2_000).contains(&room(CLASS)),
        "{}",
        room(CLASS)
    );
}

#[test]
fn the_next_class_is_satisfied_too() {
    let g = graph(128, 64);
    assert_eq!(g.class(), Ok(CapacityClass::K64));
    let (x, w, c) = sealed(&g);
    assert_eq!(check(CapacityClass::K64, &x, &w), Ok(()));
    let a = assign(CapacityClass::K64, &x, &w);
    assert_eq!(a.first_unsatisfied(), None);
    assert_eq!(c.len(), 2116);
    assert_eq!(a.system.rows().len(), 215_359);
    assert!(a.system.variables() <= room(CapacityClass::K64));
}

/// Changes each variable alone, inputs included. Each change must break a row, and together they
/// must break a row of every name.
#[test]
fn no_variable_is_free_and_every_name_can_fail() {
    let (x, w, _) = honest();
    let a = assign(CLASS, &x, &w);
    let mut readers: Vec<Vec<usize>> = vec![vec![]; a.system.variables()];
    for (i, r) in a.system.rows().iter().enumerate() {
        let vars: BTreeSet<usize> = [&r.a, &r.b, &r.c]
            .iter()
            .flat_map(|lc| lc.terms().iter().map(|t| t.1.index()))
            .collect();
        vars.into_iter().for_each(|v| readers[v].push(i));
    }
    let mut values = a.values().to_vec();
    let mut broken: BTreeSet<Name> = BTreeSet::new();
    for v in 1..a.system.variables() {
        let before = values[v];
        values[v] += Fr::from(12345u64);
        let hit: Vec<Name> = readers[v]
            .iter()
            .filter(|&&i| !a.system.rows()[i].holds(&values))
            .map(|&i| a.system.rows()[i].name)
            .collect();
        assert!(!hit.is_empty(), "variable {v} is free");
        broken.extend(hit);
        values[v] = before;
    }
    let broken: BTreeSet<(&str, &str)> = broken.into_iter().map(|n| (n.part, n.step)).collect();
    assert_eq!(broken, NAMES.into_iter().collect());
}

/// A dishonest prover replaces one intermediate value and computes everything after it consistently.
/// The row that defines the value fails, for one variable of every name that defines any.
#[test]
fn each_defining_row_catches_a_forged_value() {
    let (x, w, _) = honest();
    let s = shape(CLASS);
    // The first variable that only ever appears as the result of rows of one name.
    let mut defined: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for r in s.rows() {
        for (_, v) in r.a.terms().iter().chain(r.b.terms()).chain(r.c.terms()) {
            if v.index() > s.inputs() && seen.insert(v.index()) {
                let result = r.c.terms().iter().any(|t| t.1 == *v)
                    || r.name.step.contains("sum")
                    || r.name.step.contains("double");
                if result {
                    defined.entry((r.name.part, r.name.step)).or_insert(v.index());
                }
            }
        }
    }
    assert!(defined.len() >= 28, "{}", defined.len());
    for ((part, step), v) in defined {
        let b = Builder::new(&x.public_inputs()).forge(v, Fr::from(777u64));
        let failed = failing(&lay_out(b, CLASS, &w));
        assert!(
            failed.contains(&format!("{part}: {step}")),
            "{part}: {step} gave {failed:?}"
        );
    }
}

/// Names that fail when the bit at `position` is replaced by `value`.
fn forge_bit(x: &ReleaseInstance, w: &ReleaseWitness, position: usize, value: Fr) -> BTreeSet<String> {
    let s = shape(CLASS);
    let row = s
        .rows()
        .iter()
        .filter(|r| r.name.step == "bit is 0 or 1")
        .nth(position)
        .unwrap();
    let v = row.a.terms()[0].1.index();
    let b = Builder::new(&x.public_inputs()).forge(v, value);
    failing(&lay_out(b, CLASS, w))
}

#[test]
fn a_bit_that_is_two_is_caught() {
    let (x, w, _) = honest();
    assert!(forge_bit(&x, &w, 100, Fr::from(2u64)).contains("ephemeral scalar: bit is 0 or 1"));
}

/// e and e + l give the same keys; only the range tells them apart, so only the range row fails.
#[test]
fn a_scalar_at_or_above_the_order_is_refused() {
    let (mut x, w, _) = honest();
    for small in [1u64, 5] {
        let mut big = jub::ORDER;
        assert!(!big.add_with_carry(&ark_ff::BigInt::from(small)));
        let with = |n| {
            ReleaseWitness::from_parts(
                w.arch_id(),
                w.length(),
                w.words().to_vec(),
                w.blind().clone(),
                Ephemeral::from_integer(n).unwrap(),
            )
        };
        x.epk = jub::mul_integer(&jub::base8(), &ark_ff::BigInt::from(small));
        let reduced = with(ark_ff::BigInt::from(small));
        x.y = y_of(&x, &reduced);
        assert_eq!(check(CLASS, &x, &reduced), Ok(()));
        let aliased = with(big);
        assert_eq!(check(CLASS, &x, &aliased), Err(ReleaseError::Scalar));
        assert_eq!(
            failing(&assign(CLASS, &x, &aliased)),
            set(&["ephemeral scalar: not above the bound"])
        );
    }
    assert!(Ephemeral::from_integer(ark_ff::BigInt::new([0, 0, 0, 1 << 59])).is_none());
}

/// The value the circuit itself computes for y.
fn y_of(x: &ReleaseInstance, w: &ReleaseWitness) -> Fr {
    let a = assign(CLASS, x, w);
    // The last Horner row: acc·z + c₀.
    let row = a.system.rows().last().unwrap();
    let left = row.a.value(a.values()) * row.b.value(a.values());
    left + x.y - row.c.value(a.values())
}

/// The predecessor's attack: a doubling step that starts from another base than the one before it.
#[test]
fn another_base_in_the_middle_of_a_multiplication_is_caught() {
    let (x, w, _) = honest();
    let s = shape(CLASS);
    let other = jub::add(&x.pk, &x.pk);
    // The 50th selection, forged to the multiple of another base.
    let selects: Vec<_> = s.rows().iter().filter(|r| r.name.step == "select x").collect();
    let v = selects[50].c.terms()[0].1.index();
    let b = Builder::new(&x.public_inputs()).forge(v, other.x);
    assert!(failing(&lay_out(b, CLASS, &w)).contains("shared point: select x"));
    // Every selection and every curve row reads the very same input variables.
    for r in &selects {
        assert_eq!(r.b, selects[0].b);
    }
}

#[test]
fn bad_keys_fail_by_name_natively_and_in_the_circuit() {
    let (x, w, _) = honest();
    let off = ReleaseInstance {
        pk: JubPoint {
            x: x.pk.x + Fr::one(),
            y: x.pk.y,
        },
        ..x.clone()
    };
    assert_eq!(
        check(CLASS, &off, &w),
        Err(ReleaseError::ProviderKey(JubError::OffCurve))
    );
    assert!(failing(&assign(CLASS, &off, &w)).contains("provider key: curve equation"));

    let two = JubPoint {
        x: Fr::zero(),
        y: -Fr::one(),
    };
    for small in [jub::identity(), two] {
        let mut bad = ReleaseInstance { pk: small, ..x.clone() };
        bad.y = y_of(&bad, &w);
        assert_eq!(check(CLASS, &bad, &w), Err(ReleaseError::SharedPoint));
        assert_eq!(
            failing(&assign(CLASS, &bad, &w)),
            set(&["shared point: x has an inverse"])
        );
    }

    let zero = ReleaseWitness::from_parts(
        w.arch_id(),
        w.length(),
        w.words().to_vec(),
        w.blind().clone(),
        Ephemeral::zero(),
    );
    let mut bad = ReleaseInstance {
        epk: jub::identity(),
        ..x.clone()
    };
    bad.y = y_of(&bad, &zero);
    assert_eq!(check(CLASS, &bad, &zero), Err(ReleaseError::SharedPoint));
    assert_eq!(
        failing(&assign(CLASS, &bad, &zero)),
        set(&["shared point: x has an inverse"])
    );
}

/// A hunter keeps the weights and sends garbage: z changes with it, and the one value that would
/// satisfy the circuit at that z is not the garbage's.
#[test]
fn a_changed_ciphertext_word_has_no_valid_fingerprint() {
    let (x, w, c) = honest();
    let used = graph(64, 32).weight_bytes().div_ceil(31);
    for i in [0, 40, used, CLASS.words() - 1, CLASS.words()] {
        let mut garbage = c.clone();
        garbage[i] += Fr::one();
        let z = point(VK, &garbage, x.epk, &x.model, x.pk, &x.ctx);
        let bad = ReleaseInstance {
            z,
            y: fingerprint(&garbage, z),
            ..x.clone()
        };
        assert_eq!(check(CLASS, &bad, &w), Err(ReleaseError::Fingerprint), "word {i}");
        assert_eq!(failing(&assign(CLASS, &bad, &w)), set(&["fingerprint: Horner step"]));
    }
}

/// The draft's break: were one word outside C (the padding, or a free salt), a hunter would publish
/// garbage and solve that word for y. Here the solution exists and satisfies all rows but the one
/// that opens C.
#[test]
fn solving_one_word_for_the_fingerprint_breaks_the_commitment() {
    let (x, w, c) = honest();
    let mut garbage = c;
    garbage[3] += Fr::from(41u64);
    let z = point(VK, &garbage, x.epk, &x.model, x.pk, &x.ctx);
    let bad = ReleaseInstance {
        z,
        y: fingerprint(&garbage, z),
        ..x.clone()
    };
    let missing = bad.y - y_of(&bad, &w);
    for free in [0, CLASS.words() - 1, CLASS.words()] {
        let delta = missing * z.pow([free as u64]).inverse().unwrap();
        let mut words = w.words().to_vec();
        let mut blind = w.blind().expose();
        match words.get_mut(free) {
            Some(m) => *m += delta,
            None => blind += delta,
        }
        let solved =
            ReleaseWitness::from_parts(w.arch_id(), w.length(), words, Blind::new(blind), w.ephemeral().clone());
        assert_eq!(check(CLASS, &bad, &solved), Err(ReleaseError::Model), "word {free}");
        assert_eq!(
            failing(&assign(CLASS, &bad, &solved)),
            set(&["commitment: the sponge gives C"])
        );
    }
}

/// Native check and rows agree when any one field of either side is changed.
#[test]
fn native_check_and_circuit_agree() {
    let (x, w, _) = honest();
    let k = Fr::from(2u64);
    type Change = fn(&mut ReleaseInstance, Fr);
    let changes: [Change; 8] = [
        |x, k| x.ctx += k,
        |x, k| x.model += k,
        |x, k| x.pk.x += k,
        |x, k| x.pk.y += k,
        |x, k| x.epk.x += k,
        |x, k| x.epk.y += k,
        |x, k| x.z += k,
        |x, k| x.y += k,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut bad = x.clone();
        change(&mut bad, k);
        assert!(check(CLASS, &bad, &w).is_err(), "input {i}");
        assert!(assign(CLASS, &bad, &w).first_unsatisfied().is_some(), "input {i}");
    }
    let rebuilt = |arch: Fr, length: Fr, at: Option<usize>, blind: Fr| {
        let mut words = w.words().to_vec();
        if let Some(i) = at {
            words[i] += k;
        }
        ReleaseWitness::from_parts(
            w.arch_id() + arch,
            w.length() + length,
            words,
            Blind::new(w.blind().expose() + blind),
            w.ephemeral().clone(),
        )
    };
    let o = Fr::zero();
    for (i, bad) in [
        rebuilt(k, o, None, o),
        rebuilt(o, k, None, o),
        rebuilt(o, o, Some(0), o),
        rebuilt(o, o, Some(132), o),
        rebuilt(o, o, None, k),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(check(CLASS, &x, bad), Err(ReleaseError::Model), "part {i}");
        assert!(failing(&assign(CLASS, &x, bad)).contains("commitment: the sponge gives C"));
    }
    // Other valid pairs are accepted by both: another key, a point of order 4 added to it.
    let four = JubPoint {
        x: jub::A.sqrt().unwrap().inverse().unwrap(),
        y: Fr::zero(),
    };
    for pk in [jub::base8(), jub::add(&x.pk, &four)] {
        let mut good = ReleaseInstance { pk, ..x.clone() };
        good.y = y_of(&good, &w);
        assert_eq!(check(CLASS, &good, &w), Ok(()));
        assert_eq!(assign(CLASS, &good, &w).first_unsatisfied(), None);
    }
    let short = ReleaseWitness::from_parts(o, o, vec![], w.blind().clone(), w.ephemeral().clone());
    assert!(matches!(
        check(CLASS, &x, &short),
        Err(ReleaseError::Words { got: 0, .. })
    ));
}

#[test]
fn secrets_print_nothing() {
    let (_, w, _) = honest();
    assert_eq!(format!("{w:?}"), "ReleaseWitness { words: 133, .. }");
}
