//! Bits are bits and words are their bits.

use super::{Cells, E, Named, all, int, pack, signs};
use crate::cid::layout::{col, fixed};
use halo2curves::bn256::Fr;

pub(super) fn constraints(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let mut out = vec![];
    for (letter, bits, word) in [
        ("w", col::W, col::WORD_W),
        ("a", col::A, col::WORD_A),
        ("e", col::E, col::WORD_E),
    ] {
        let cells = c.word(bits, 0);
        // (1 − 2b)² = 1 says b² = b with the signs that the exclusive ors need anyway.
        for (i, s) in signs(&cells).into_iter().enumerate() {
            out.push((format!("bit {letter}[{i}]"), s.clone() * s + E::Constant(-Fr::from(1))));
        }
        // By bytes, which the message gate packs too.
        let sum = cells
            .chunks(8)
            .rev()
            .map(pack)
            .reduce(|acc, byte| acc * Fr::from(256) + byte)
            .unwrap_or_else(|| int(0));
        out.push((format!("word {letter}"), c.at(word, 0) - sum));
    }
    all(&c.fixed(fixed::BITS), out)
}
