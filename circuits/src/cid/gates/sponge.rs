//! The permutation between two absorptions (PROTOCOL section 8; constants in `sponge.rs`).

use super::{Cells, E, Named, all, int, one};
use crate::cid::layout::{col, fixed};
use crate::cid::sponge::{Rounds, T};

fn sum(terms: impl Iterator<Item = E>) -> E {
    terms.reduce(|a, b| a + b).unwrap_or_else(|| int(0))
}

pub(super) fn constraints(c: &mut Cells<'_, '_>) -> Vec<Named> {
    let rounds = Rounds::get();
    let kind = c.fixed(fixed::SPONGE);
    let full = kind.clone() * (int(2) - kind.clone());
    let partial = kind.clone() * (kind - one());
    let constants: Vec<E> = (0..T).map(|j| c.fixed(fixed::C + j)).collect();
    let s: Vec<E> = (0..T).map(|j| c.at(col::S + j, 0)).collect();
    let next: Vec<E> = (0..T).map(|j| c.at(col::S + j, 1)).collect();

    let mut rows = vec![];
    let inputs: Vec<E> = (0..T).map(|j| s[j].clone() + constants[j].clone()).collect();
    for j in 0..T {
        rows.push((
            format!("full square {j}"),
            next[j].clone() - inputs[j].clone() * inputs[j].clone(),
        ));
    }
    let fifths: Vec<E> = (0..T)
        .map(|j| next[j].clone() * next[j].clone() * inputs[j].clone())
        .collect();
    for k in 0..T {
        let mixed = sum((0..T).map(|j| fifths[j].clone() * rounds.mds[k][j]));
        rows.push((format!("full mix {k}"), c.at(col::S + k, 2) - mixed));
    }
    let mut out = all(&full, rows);

    let mut rows = vec![];
    let (x, u, y) = (c.at(col::X, 0), c.at(col::U, 0), c.at(col::Y, 0));
    let first = inputs[0].clone();
    let second = u.clone() + constants[1].clone();
    rows.push(("partial first square".into(), x.clone() - first.clone() * first.clone()));
    rows.push((
        "partial second square".into(),
        y.clone() - second.clone() * second.clone(),
    ));
    let z1 = x.clone() * x * first;
    let z2 = y.clone() * y * second;
    let lanes = |m: &[_; T]| sum((1..T).map(|j| s[j].clone() * m[j]));
    rows.push((
        "partial second input".into(),
        u - z1.clone() * rounds.mds[0][0] - lanes(&rounds.mds[0]),
    ));
    for (k, n) in next.iter().enumerate() {
        let mixed = z2.clone() * rounds.mds[k][0] + z1.clone() * rounds.pair[k][0] + lanes(&rounds.pair[k]);
        rows.push((format!("partial mix {k}"), n.clone() - mixed));
    }
    out.extend(all(&partial, rows));
    out
}
