//! Public inputs, in rows 0 to 3. Rotations are cyclic: they reach back around the end of the
//! domain to the last slot and the tail, whose place relative to row 0 does not depend on `k`.

use super::{Cells, Named, all, int, one};
use crate::cid::layout::{OUTPUT, SLOT, SUMMARY, TAIL, col, fixed};
use zkaggle_graph::graph::MAX_SHARD_BYTES;

/// Rotation from instance row `from` to row `row` of the tail; the last slot's rows are 68 less.
const fn reach(from: usize, row: i32) -> i32 {
    row - (TAIL + from) as i32
}

pub(super) fn constraints(c: &mut Cells<'_, '_>) -> Vec<Named> {
    // Rows with a constant where no round starts.
    let round = c.fixed(fixed::ROUND);
    let selector = c.fixed(fixed::K) * ((one() - round.clone()) * (int(2) - round));
    let public = c.instance();
    let length = c.at(col::U, reach(2, SUMMARY as i32 - SLOT as i32));
    let room = c.at(col::WORD_W, reach(2, OUTPUT as i32));
    let rows = [
        (0, "digest high", public.clone() - c.at(col::S, reach(0, 0))),
        (1, "digest low", public.clone() - c.at(col::S + 1, reach(1, 0))),
        (2, "length", public.clone() - length),
        // A 32-bit word, so the length is at most the largest shard's.
        (2, "length bound", room + public.clone() - int(MAX_SHARD_BYTES as u64)),
        (3, "shard", public - c.at(col::U, reach(3, OUTPUT as i32))),
    ];
    let mut out = vec![];
    for (row, name, e) in rows {
        let e = c.fixed(fixed::C + row) * e;
        out.push((name.to_string(), e));
    }
    all(&selector, out)
}
