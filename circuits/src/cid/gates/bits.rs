//! Bits are bits and words are their bits.

use super::{Cells, Named, all, bit, pack};
use crate::cid::layout::{col, fixed};

pub(super) fn constraints(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let mut out = vec![];
    for (letter, bits, word) in [
        ("w", col::W, col::WORD_W),
        ("a", col::A, col::WORD_A),
        ("e", col::E, col::WORD_E),
    ] {
        let cells = c.word(bits, 0);
        for (i, b) in cells.iter().enumerate() {
            out.push((format!("bit {letter}[{i}]"), bit(b)));
        }
        out.push((format!("word {letter}"), c.at(word, 0) - pack(&cells)));
    }
    all(&c.fixed(fixed::BITS), out)
}
