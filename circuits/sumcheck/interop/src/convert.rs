//! Elements and points of nova's curve library as ours, by way of 32-byte words.
//!
//! Reading checks what is read: an element below the order, a point on the curve.
//!
//! # Panics
//! All of these, when the libraries disagree about what is canonical or on the curve.

use halo2curves::bn256 as theirs;
use halo2curves::ff::PrimeField;
use halo2curves::group::Curve;
use halo2curves_axiom::bn256 as ours;
use zkaggle_sumcheck::encoding::{Word, point_from_words, scalar_from_word, scalar_to_word};

/// A scalar of ours as one of nova's.
pub fn to_nova(x: &ours::Fr) -> theirs::Fr {
    let mut bytes = scalar_to_word(x);
    bytes.reverse();
    theirs::Fr::from_repr(bytes.into()).expect("a scalar of ours is one of nova's")
}

/// A scalar of nova's as one of ours.
pub fn to_ours(x: &theirs::Fr) -> ours::Fr {
    scalar_from_word(&word(x)).expect("a scalar of nova's is one of ours")
}

/// A point of nova's as one of ours.
pub fn point(p: &theirs::G1) -> ours::G1Affine {
    let p = p.to_affine();
    point_from_words(&[word(&p.x), word(&p.y)]).expect("a point of nova's is one of ours")
}

/// A point of nova's G2 as the words that `encoding::g2_to_words` makes of ours.
pub fn g2_words(p: &theirs::G2Affine) -> [Word; 4] {
    [p.x.c1(), p.x.c0(), p.y.c1(), p.y.c0()].map(word)
}

fn word<F: PrimeField>(x: &F) -> Word {
    let mut word = Word::default();
    word.copy_from_slice(x.to_repr().as_ref());
    word.reverse();
    word
}
