//! FIPS 180-4, section 5.1.1 (padding) and the packing of message bytes for the sponge.

use super::{Cells, E, Named, all, int, not, one, pack};
use crate::backend::convert::to_halo;
use crate::cid::layout::{col, fixed};
use crate::cid::sponge::T;
use halo2curves::bn256::Fr;
use zkaggle_graph::tag::Tag;

/// From a first message row to the summary row before it.
const TO_SUMMARY: i32 = -52;
/// From a summary row to the one before, and to the sponge state before it.
const LAST_SUMMARY: i32 = -68;
const LAST_STATE: i32 = -23;

/// `active` rises once, where a slot's message rows begin.
pub(super) fn active(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let kind = c.fixed(fixed::BITS);
    let (now, next) = (c.at(col::ACTIVE, 0), c.at(col::ACTIVE, 1));
    let chain = kind.clone() * (kind.clone() - one());
    vec![
        (
            "active holds".into(),
            kind.clone() * (int(3) - kind.clone()) * (next.clone() - now.clone()),
        ),
        (
            "active rises once".into(),
            chain * (kind - int(2)) * ((next.clone() - one()) * (next - now)),
        ),
    ]
}

/// Message rows. `flag[i]` says that the byte before byte `i` is a message byte, so that byte `i`
/// is one when `flag[i + 1]` is set, and is the terminator when only `flag[i]` is.
pub(super) fn message(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let kind = c.fixed(fixed::MESSAGE);
    let selector = kind.clone() * (int(2) - kind);
    let bits = c.word(col::W, 0);
    let mut flags: Vec<E> = (0..4).map(|i| c.at(col::S + i, 0)).collect();
    flags.push(c.at(col::S, 1));
    let [scale, split_high, split, weight]: [E; 4] = std::array::from_fn(|i| c.fixed(fixed::C + i));

    let mut out = vec![];
    let mut masked = vec![];
    for i in 0..4 {
        let (before, this) = (flags[i].clone(), flags[i + 1].clone());
        // Byte 0 is the most significant: bits 31 to 24.
        let byte = pack(&bits[24 - 8 * i..32 - 8 * i]);
        let rest = byte - (before.clone() - this.clone()) * Fr::from(0x80);
        out.push((format!("flag falls once {i}"), this.clone() * (this.clone() - before)));
        out.push((
            format!("byte after the message {i}"),
            weight.clone() * (not(&this) * rest.clone()),
        ));
        masked.push(rest);
    }
    let word = masked
        .iter()
        .cloned()
        .reduce(|acc, b| acc * Fr::from(256) + b)
        .unwrap_or_else(|| int(0));
    let low = split_high * masked[2].clone() * Fr::from(256) + split.clone() * masked[3].clone();
    let chunk = c.at(col::U, 0);
    out.push((
        "chunk".into(),
        chunk.clone() - scale * c.at(col::X, 0) - weight * (word - low.clone()),
    ));
    out.push(("accumulator".into(), c.at(col::X, 1) - low - not(&split) * chunk));
    let count = c.at(col::Y, 0);
    let bytes = flags[1..].iter().cloned().fold(count.clone(), |acc, f| acc + f);
    out.push(("count".into(), c.at(col::Y, 1) - bytes));

    // Only the first message row has no schedule step anchored on it.
    let first = int(2) - c.fixed(fixed::ROUND);
    let (active, before) = (c.at(col::ACTIVE, 0), c.at(col::ACTIVE, -1));
    let begins = active - before;
    out.extend(all(
        &first,
        vec![
            (
                "flag continues".into(),
                flags[0].clone() - begins.clone() - c.at(col::S, TO_SUMMARY),
            ),
            ("count continues".into(), count - c.at(col::Y, TO_SUMMARY)),
            ("message is not empty".into(), begins * not(&flags[1])),
        ],
    ));
    all(&selector, out)
}

/// Summary rows: absorption, and where the message may end.
pub(super) fn block(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let kind = c.fixed(fixed::MESSAGE);
    let selector = kind.clone() * (kind - one());
    let (start, last) = (c.fixed(fixed::C), c.fixed(fixed::C + 1));
    let active = c.at(col::ACTIVE, 0);
    let (full, length, count) = (c.at(col::S, 0), c.at(col::U, 0), c.at(col::Y, 0));
    // Chunks stand where words 5, 10 and 15 completed them.
    let chunks = [c.at(col::U, -11), c.at(col::U, -6), c.at(col::X, 0)];
    let mut out = vec![];
    for j in 0..T {
        let before = c.at(col::S + j, LAST_STATE);
        let (absorbed, initial) = match j {
            0 => (before, Some(E::Constant(to_halo(&Tag::Shard.field())))),
            1 => (before + chunks[0].clone(), Some(length.clone())),
            _ => (before + chunks[j - 1].clone(), None),
        };
        let mut e = c.at(col::S + j, 1) - active.clone() * absorbed;
        if let Some(initial) = initial {
            e = e - not(&active) * initial;
        }
        out.push((format!("absorb {j}"), e));
    }
    out.push((
        "length carried".into(),
        not(&start) * (length.clone() - c.at(col::U, LAST_SUMMARY)),
    ));
    // Byte 55 of a block is a message byte exactly in blocks with another one after them.
    out.push((
        "room for the length".into(),
        c.at(col::S, -2) - not(&last) * active.clone(),
    ));
    out.push(("no message in an idle slot".into(), not(&active) * full));
    out.push(("no count in an idle slot".into(), not(&active) * count.clone()));
    out.push(("slot 0 is idle".into(), start * active.clone()));
    out.extend(all(
        &last,
        vec![
            ("last block is active".into(), not(&active)),
            ("length is the count".into(), count - length.clone()),
            ("length word".into(), c.at(col::WORD_W, -1) - length * Fr::from(8)),
        ],
    ));
    all(&selector, out)
}
