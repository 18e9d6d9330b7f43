//! Public inputs, in rows 0 to 3. Rotations are cyclic: they reach back around the end of the
//! domain to the last slot, whose place relative to row 0 does not depend on `k`.

use super::{Cells, Named, all, int, not};
use crate::cid::layout::{MESSAGE, SLOT, SPONGE_END, SUMMARY, TAIL, col, fixed};
use zkaggle_graph::graph::MAX_SHARD_BYTES;

/// Rotation from instance row `from` to row `row` of the slot `back` slots before the tail.
const fn reach(from: usize, back: usize, row: usize) -> i32 {
    row as i32 - (TAIL + SLOT * back + from) as i32
}

pub(super) fn constraints(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let selector = c.fixed(fixed::OUTPUT);
    let public = c.instance();
    // The last block may be padding alone; then the sponge ended one block earlier.
    let data = c.at(col::S + 1, reach(3, 1, MESSAGE));
    let (here, before) = (
        c.at(col::S, reach(3, 1, SPONGE_END)),
        c.at(col::S, reach(3, 2, SPONGE_END)),
    );
    let commitment = not(&data) * before + data * here;
    let rows = [
        (0, "digest high", public.clone() - c.at(col::S, reach(0, 0, 0))),
        (1, "digest low", public.clone() - c.at(col::S + 1, reach(1, 0, 0))),
        (2, "length", public.clone() - c.at(col::U, reach(2, 1, SUMMARY))),
        // A 32-bit word, so the length is at most the largest shard's.
        (
            2,
            "length bound",
            c.at(col::WORD_W, reach(2, 0, 2)) + public.clone() - int(MAX_SHARD_BYTES as u64),
        ),
        (3, "commitment", public - commitment),
    ];
    let mut out = vec![];
    for (row, name, e) in rows {
        let e = c.fixed(fixed::C + row) * e;
        out.push((name.to_string(), e));
    }
    all(&selector, out)
}
