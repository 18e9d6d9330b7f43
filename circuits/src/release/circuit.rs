//! The release statement as constraints (PROTOCOL section 5).
//!
//! | part | says | rows at 4 Ki |
//! |---|---|---|
//! | `commitment` | C opens to architecture, length, class, words and blind | 7,285 |
//! | `provider key` | pk is on the curve | 3 |
//! | `ephemeral scalar` | e is bits, below the subgroup order | 424 |
//! | `ephemeral key` | epk = e·B8 | 877 |
//! | `shared point` | S = e·pk, S ≠ O | 3,253 |
//! | `key derivation` | key = Poseidon(TAG_KDF, S, epk, pk, ctx, C) | 402 |
//! | `key stream` | stream blocks from key and index | 6,477 |
//! | `fingerprint` | y = Σ (mᵢ + streamᵢ)·zⁱ | 133 |
//!
//! # Why the fingerprint fixes the ciphertext
//! The chain computes z by hashing the ciphertext together with epk, C, pk and ctx. The circuit's own
//! words mᵢ + streamᵢ depend on nothing else: every mᵢ, **padding included**, is a preimage of C;
//! e is the one scalar below l that gives epk; S, key and stream follow from e, pk, epk, ctx and C.
//! So both polynomials are settled before z is, and they agree at z only if they are equal, save for
//! a chance of 134/r. Were one mᵢ free, a hunter could solve y for it and be paid for garbage.
//!
//! No row ties the padding to zero. It needs none here: the words are exactly those under C, and the
//! accuracy statement opens the same C to padded weights.

use crate::release::curve::{self, Point};
use crate::release::poseidon;
use crate::release::r1cs::{Assigned, Builder, Lc, ONE, System};
use crate::statements::release::{Ephemeral, INPUTS, ReleaseInstance, ReleaseWitness};
use ark_ff::Zero;
use zkaggle_graph::commit::Blind;
use zkaggle_graph::field::Fr;
use zkaggle_graph::graph::CapacityClass;
use zkaggle_graph::ids::JubPoint;
use zkaggle_graph::jub;
use zkaggle_graph::poseidon::T_WIDE;
use zkaggle_graph::tag::Tag;

/// Every name a row can carry. The tests break each of them.
pub const NAMES: [(&str, &str); 40] = [
    ("commitment", "S-box x²"),
    ("commitment", "S-box x⁴"),
    ("commitment", "S-box x⁵"),
    ("commitment", "the sponge gives C"),
    ("provider key", "x²"),
    ("provider key", "y²"),
    ("provider key", "curve equation"),
    ("ephemeral scalar", "bit is 0 or 1"),
    ("ephemeral scalar", "still equal to the bound"),
    ("ephemeral scalar", "not above the bound"),
    ("ephemeral key", "window product"),
    ("ephemeral key", "sum x₁y₂"),
    ("ephemeral key", "sum y₁x₂"),
    ("ephemeral key", "sum (y₁ − a·x₁)(x₂ + y₂)"),
    ("ephemeral key", "sum x₁x₂y₁y₂"),
    ("ephemeral key", "sum x"),
    ("ephemeral key", "sum y"),
    ("ephemeral key", "x is epk.x"),
    ("ephemeral key", "y is epk.y"),
    ("shared point", "select x"),
    ("shared point", "select y"),
    ("shared point", "double xy"),
    ("shared point", "double x²"),
    ("shared point", "double y²"),
    ("shared point", "double x"),
    ("shared point", "double y"),
    ("shared point", "sum x₁y₂"),
    ("shared point", "sum y₁x₂"),
    ("shared point", "sum (y₁ − a·x₁)(x₂ + y₂)"),
    ("shared point", "sum x₁x₂y₁y₂"),
    ("shared point", "sum x"),
    ("shared point", "sum y"),
    ("shared point", "x has an inverse"),
    ("key derivation", "S-box x²"),
    ("key derivation", "S-box x⁴"),
    ("key derivation", "S-box x⁵"),
    ("key stream", "S-box x²"),
    ("key stream", "S-box x⁴"),
    ("key stream", "S-box x⁵"),
    ("fingerprint", "Horner step"),
];

/// Rows and values for one instance and witness. Dishonest ones are laid out as they are: the rows
/// they violate can be asked for.
///
/// # Panics
/// When the witness does not hold the class's number of words; [`crate::statements::release::check`]
/// refuses such a witness by name.
pub fn assign(class: CapacityClass, x: &ReleaseInstance, w: &ReleaseWitness) -> Assigned {
    lay_out(Builder::with_room(&x.public_inputs(), room(class)), class, w)
}

/// A bound on the variables of a class: 5,000 for the curve, 101 a word for commitment and stream,
/// and one for the fingerprint; a test holds it against the circuit.
pub(super) fn room(class: CapacityClass) -> usize {
    6_000 + 102 * class.words()
}

pub(super) fn lay_out(mut b: Builder, class: CapacityClass, w: &ReleaseWitness) -> Assigned {
    assert_eq!(w.words().len(), class.words(), "words of the class");
    let [ctx, model, pk_x, pk_y, epk_x, epk_y, z, y]: [Lc; INPUTS] = std::array::from_fn(|i| b.input(i).into());

    b.part("commitment");
    let arch: Lc = b.witness(w.arch_id()).into();
    let length: Lc = b.witness(w.length()).into();
    let words: Vec<Lc> = w.words().iter().map(|m| b.witness(*m).into()).collect();
    let blind: Lc = b.witness(w.blind().expose()).into();
    let mut elements = vec![arch, length, Lc::constant(Fr::from(class.bytes() as u64))];
    elements.extend(words.iter().cloned());
    elements.push(blind.clone());
    let opened = poseidon::hash(&mut b, Tag::Model, &elements);
    b.enforce("the sponge gives C", opened, ONE.into(), model.clone());

    b.part("provider key");
    let pk = Point { x: pk_x, y: pk_y };
    curve::on_curve(&mut b, &pk);

    b.part("ephemeral scalar");
    let bits = curve::bits(&mut b, &curve::scalar_bits(&w.ephemeral().expose()));
    curve::at_most(&mut b, &bits, &jub::order_minus_one_bits());

    b.part("ephemeral key");
    let epk = curve::mul_constant(&mut b, &bits, &jub::base8());
    b.enforce("x is epk.x", epk.x, ONE.into(), epk_x.clone());
    b.enforce("y is epk.y", epk.y, ONE.into(), epk_y.clone());

    b.part("shared point");
    let shared = curve::mul(&mut b, &bits, &pk);
    curve::not_identity(&mut b, &shared);

    b.part("key derivation");
    let key = poseidon::hash(
        &mut b,
        Tag::Kdf,
        &[shared.x, shared.y, epk_x, epk_y, pk.x, pk.y, ctx, model],
    );

    b.part("key stream");
    let mut cipher = words;
    cipher.push(blind);
    for (index, block) in cipher.chunks_mut(T_WIDE - 1).enumerate() {
        let stream = poseidon::stream_block(&mut b, &key, index as u64);
        for (c, s) in block.iter_mut().zip(&stream) {
            *c = c.add(s);
        }
    }

    b.part("fingerprint");
    // Horner from the last word: acc·z + cᵢ, the final value is the input y.
    let mut acc = cipher.pop().unwrap_or_default();
    for (i, c) in cipher.iter().enumerate().rev() {
        let next: Lc = if i == 0 {
            y.clone()
        } else {
            let value = b.eval(&acc) * b.eval(&z) + b.eval(c);
            b.witness(value).into()
        };
        b.enforce("Horner step", acc, z.clone(), next.sub(c));
        acc = next;
    }
    b.finish()
}

/// The rows of a class, which depend on nothing else.
pub fn shape(class: CapacityClass) -> System {
    let zero = JubPoint {
        x: Fr::zero(),
        y: Fr::zero(),
    };
    let x = ReleaseInstance {
        ctx: Fr::zero(),
        model: Fr::zero(),
        pk: zero,
        epk: zero,
        z: Fr::zero(),
        y: Fr::zero(),
    };
    let words = vec![Fr::zero(); class.words()];
    let w = ReleaseWitness::from_parts(Fr::zero(), Fr::zero(), words, Blind::new(Fr::zero()), Ephemeral::zero());
    assign(class, &x, &w).into_system()
}
