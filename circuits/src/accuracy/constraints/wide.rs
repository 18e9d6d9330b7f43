//! The nine-lane sponge of the model commitment, the salt and the results hash.
//!
//! ```text
//! rows   lanes 0..8                 on, out
//! 4      state, rotated by two      two elements a row
//! 8      four full rounds: state, then its squares
//! 63     partial rounds: state      out = square of lane 0
//! 8      four full rounds
//! 1      state: the output is lane 0
//! ```
//!
//! Elements enter through two columns because every column that may be copied from costs a
//! commitment. Each absorbing row rotates lanes 1 to 8 by two and adds to the two that come last:
//! after four rows every lane is back in place with its element added.
//!
//! A sponge starts on the last state of the one before it and ignores it.

use super::super::columns::{Cells, Columns, adv, fix, one};
use super::sum;
use crate::gadgets::poseidon::{Permutation, T_WIDE};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};

pub fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let p = Permutation::get(T_WIDE);

    meta.create_gate("wide absorb", |meta| {
        let mut c = Cells { meta, columns };
        let absorb = c.f(fix::ABSORB);
        let keep = one() - c.f(fix::FULL);
        let (on, out) = (c.a(adv::ON), c.a(adv::OUT));
        (0..T_WIDE)
            .map(|i| {
                let from = match i {
                    0 => 0,
                    7 => 1,
                    8 => 2,
                    _ => i + 2,
                };
                let kept = keep.clone() * c.a(adv::W[from]);
                let added = match i {
                    0 => c.f(fix::RC[2]),
                    7 => on.clone() + c.f(fix::RC[0]),
                    8 => out.clone() + c.f(fix::RC[1]),
                    _ => Expression::Constant(Fr::zero()),
                };
                let name = format!("wide absorb {i}");
                (name, absorb.clone() * (c.at(adv::W[i], 1) - kept - added))
            })
            .collect::<Vec<_>>()
    });

    meta.create_gate("wide full round", |meta| {
        let mut c = Cells { meta, columns };
        let full = c.f(fix::WIDE_FULL);
        let boxed: Vec<Expression<Fr>> = (0..T_WIDE)
            .map(|i| {
                let constant = match i {
                    0..=3 => c.f(fix::RC[i]),
                    4 => c.f(fix::SCALE),
                    _ => c.f_at(fix::RC[i - 5], 1),
                };
                c.a(adv::W[i]) + constant
            })
            .collect();
        let square: Vec<Expression<Fr>> = (0..T_WIDE).map(|i| c.at(adv::W[i], 1)).collect();
        let fifth: Vec<Expression<Fr>> = (0..T_WIDE)
            .map(|i| boxed[i].clone() * square[i].clone() * square[i].clone())
            .collect();
        let mut out = vec![];
        for i in 0..T_WIDE {
            let x2 = boxed[i].clone() * boxed[i].clone();
            out.push((format!("wide full square {i}"), full.clone() * (square[i].clone() - x2)));
        }
        for j in 0..T_WIDE {
            let mixed = sum(fifth.iter().zip(&p.mds[j]).map(|(y, m)| y.clone() * *m));
            out.push((
                format!("wide full round {j}"),
                full.clone() * (c.at(adv::W[j], 2) - mixed),
            ));
        }
        out
    });

    meta.create_gate("wide partial round", |meta| {
        let mut c = Cells { meta, columns };
        let partial = c.f(fix::WIDE_PARTIAL);
        let x = c.a(adv::W[0]) + c.f(fix::RC[0]);
        let square = c.a(adv::OUT);
        let mut lanes = vec![x.clone() * square.clone() * square.clone()];
        lanes.extend((1..T_WIDE).map(|i| c.a(adv::W[i])));
        let mut out = vec![(
            "wide partial square".to_owned(),
            partial.clone() * (square - x.clone() * x),
        )];
        for j in 0..T_WIDE {
            let mixed = sum(lanes.iter().zip(&p.mds[j]).map(|(y, m)| y.clone() * *m));
            out.push((
                format!("wide partial round {j}"),
                partial.clone() * (c.at(adv::W[j], 1) - mixed),
            ));
        }
        out
    });
}
