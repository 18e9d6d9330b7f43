//! The data lane: one byte of the shard and one round of its sponge in each row.
//!
//! ```text
//! row          lanes 0..3          squares   byte   pack        on     out   FA
//! 64b          state of block b    x²        byte   = byte      o_i    s     Σ
//! …            one round a row     …         byte   256·↑+byte  o_i    s     Σ
//! 64b+21       …                             byte   element 1
//! 64b+42       …                             byte   element 2
//! 64b+63       last round          …         byte   element 3
//! 64(b+1)      round + elements    …
//! ```
//!
//! Block `b` of the bytes lies beside the permutation before the one that absorbs it, so that its
//! three elements are complete when the state they are added to appears.
//!
//! A shard shorter than the capacity: `on` is 1 up to the last record and 0 behind it. Bytes behind
//! it are constrained to zero, because the commitment pads its last block with zeros. Blocks behind
//! it are hashed and ignored: `out` takes the state behind the last block that begins inside the
//! shard, and nothing else reads the later states.
//!
//! A record's last row closes its sum, so that flags change where records meet, whatever the layout:
//! the plan says what its coefficient is, and that of every other byte.

use super::super::columns::{Cells, Columns, adv, fix, one};
use super::sum;
use crate::backend::convert::to_halo;
use crate::gadgets::poseidon::{Permutation, T_DATA};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use zkaggle_graph::packing::{DATA_CHUNKS, SHA_BLOCK};
use zkaggle_graph::tag::Tag;

const ROUNDS: [&str; 4] = ["data round 0", "data round 1", "data round 2", "data round 3"];
const SQUARES: [&str; 4] = ["data square 0", "data square 1", "data square 2", "data square 3"];

pub fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let p = Permutation::get(T_DATA);
    let block = SHA_BLOCK as i32;

    meta.create_gate("data sponge", |meta| {
        let mut c = Cells { meta, columns };
        let (data, full) = (c.f(fix::DATA), c.f(fix::FULL));
        let boxed: Vec<Expression<Fr>> = (0..T_DATA).map(|i| c.a(adv::W[i]) + c.f(fix::RC[i])).collect();
        let square: Vec<Expression<Fr>> = adv::SQUARE.iter().map(|&s| c.a(s)).collect();
        let mut out = vec![];
        for (i, name) in SQUARES.into_iter().enumerate() {
            // Lanes 1 to 3 skip the S-box in partial rounds; their squares are then zero.
            let x2 = boxed[i].clone() * boxed[i].clone();
            let x2 = if i == 0 { x2 } else { full.clone() * x2 };
            out.push((name, data.clone() * (square[i].clone() - x2)));
        }
        let fifth: Vec<Expression<Fr>> = (0..T_DATA)
            .map(|i| {
                let x4 = square[i].clone() * square[i].clone();
                // With a zero square the factor is 1 in a partial round.
                let power = if i == 0 { x4 } else { x4 + one() - full.clone() };
                boxed[i].clone() * power
            })
            .collect();
        // The last byte of each chunk, as seen from the last round before the block is absorbed.
        let element = [
            c.at(adv::PACK, DATA_CHUNKS[0] as i32 - block),
            c.at(adv::PACK, (DATA_CHUNKS[0] + DATA_CHUNKS[1]) as i32 - block),
            c.a(adv::PACK),
        ];
        let absorbs = c.f_at(fix::EDGE, 1);
        for (j, name) in ROUNDS.into_iter().enumerate() {
            let mixed = sum(fifth.iter().zip(&p.mds[j]).map(|(y, m)| y.clone() * *m));
            let step = data.clone() * (c.at(adv::W[j], 1) - mixed);
            out.push((
                name,
                if j == 0 {
                    step
                } else {
                    step - absorbs.clone() * element[j - 1].clone()
                },
            ));
        }
        out
    });

    meta.create_gate("data bytes", |meta| {
        let mut c = Cells { meta, columns };
        let (data, feature, last, edge) = (c.f(fix::DATA), c.f(fix::FEATURE), c.f(fix::LAST), c.f(fix::EDGE));
        let (byte, on, on_next) = (c.a(adv::BYTE), c.a(adv::ON), c.at(adv::ON, 1));
        let (pack, before, carry) = (c.a(adv::PACK), c.at(adv::PACK, -1), c.f(fix::CARRY));
        let (out, out_next) = (c.a(adv::OUT), c.at(adv::OUT, 1));
        // The flag of the block that would be absorbed next.
        let more = c.at(adv::ON, -block);
        let state = c.a(adv::W[0]);
        let (va, fa, fa_next) = (c.a(adv::VA), c.a(adv::FA), c.at(adv::FA, 1));
        let rho = c.challenge(columns.rho);
        vec![
            ("data packing", data.clone() * (pack - carry * before - byte.clone())),
            ("record flag is a bit", data.clone() * on.clone() * (one() - on.clone())),
            (
                "record flag holds within a record",
                (data.clone() - last.clone()) * (on_next.clone() - on.clone()),
            ),
            ("record flag never rises", last.clone() * on_next * (one() - on.clone())),
            (
                "no record beyond the capacity",
                (data.clone() - feature.clone() - last.clone()) * on.clone(),
            ),
            (
                "bytes behind the shard are zero",
                data.clone() * (one() - on.clone()) * byte.clone(),
            ),
            (
                "shard commitment is carried",
                data.clone() * (one() - edge.clone()) * (out.clone() - out_next.clone()),
            ),
            (
                "shard commitment is taken behind the last block",
                edge * (out - more.clone() * out_next - (one() - more) * state),
            ),
            (
                "input fold",
                data.clone() * fa_next
                    - (data - last.clone()) * fa.clone()
                    - feature * va.clone() * byte
                    - last * rho * (fa + va * on),
            ),
        ]
    });

    meta.create_gate("data start", |meta| {
        let mut c = Cells { meta, columns };
        let first = c.f(fix::FIRST);
        let tag = Expression::Constant(to_halo(&Tag::Shard.field()));
        vec![
            ("data tag", first.clone() * (c.a(adv::W[0]) - tag)),
            ("data lane 2 starts at zero", first.clone() * c.a(adv::W[2])),
            ("data lane 3 starts at zero", first.clone() * c.a(adv::W[3])),
            ("there is a first record", first.clone() * (one() - c.a(adv::ON))),
            ("input fold starts at zero", first * c.a(adv::FA)),
        ]
    });
}
