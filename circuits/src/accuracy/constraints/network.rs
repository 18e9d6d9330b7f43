//! The network: what each weight, unit and class contributes, who is predicted, and what counts.
//!
//! For samples `i` and outputs `o` (all layers numbered through) the claim is
//! `z_io = Σ_j w_oj·x_ij + b_o`, and the circuit checks the one equation
//!
//! ```text
//! Σ_i ρ^(N−i) Σ_o σ^o ( Σ_j w_oj·x_ij + on_i·b_o − z_io ) = 0
//! ```
//!
//! at ρ, σ drawn after all of w, b, x, z are committed. Regrouped by input it needs one product a
//! byte or unit: `v_j = Σ_o σ^o·w_oj` comes from the weight rows, `Σ_j v_j·x_ij` from the data lane
//! and the unit rows, `σ^o·z_io` from the unit and class rows.
//!
//! ```text
//! unit row     HI ACT REM                   z = SCALE·HI + REM − SCALE/2, ACT = clamp(HI)
//! weight row   HI ACT        OUT            HI = byte, ACT = its value, OUT = 31-byte packing
//! class row    HI REM BYTE   Z TOP PAST INV INDEX   SCORE COUNT
//! match row    BYTE = label  MATCH . PAST INV INDEX SCORE COUNT ON OUT
//! end row      FA + VB + FB = 0; the row below it holds n, its bytes, ctx and its square
//! ```
//!
//! The biases enter with the record's flag: a record behind the shard is all zeros, and so are its
//! accumulators, whatever the weights.

use super::super::columns::{Cells, Columns, adv, constant, fix, one};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

pub fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    meta.create_gate("units and weights", |meta| {
        let mut c = Cells { meta, columns };
        let (unit, last, weight) = (c.f(fix::UNIT), c.f(fix::LAST_UNIT), c.f(fix::WEIGHT));
        let scale = c.f(fix::SCALE);
        let (hi, act, rem) = (c.a(adv::HI), c.a(adv::ACT), c.a(adv::REM));
        let (vb, tb, fb, fb_next) = (c.a(adv::VB), c.a(adv::TB), c.a(adv::FB), c.at(adv::FB, 1));
        let rho = c.challenge(columns.rho);
        // PANIC: 2 is invertible modulo an odd prime.
        let half = Fr::from(2).invert().expect("odd characteristic");
        let z = scale.clone() * (hi - constant(half)) + rem;
        vec![
            (
                "unit fold",
                unit.clone() * fb_next
                    - (unit + (rho - one()) * last) * (fb.clone() + vb.clone() * act.clone() - tb.clone() * z),
            ),
            ("weight fold", weight * (fb - vb - tb * scale * act)),
        ]
    });

    meta.create_gate("packing", |meta| {
        let mut c = Cells { meta, columns };
        let (weight, class, matched) = (c.f(fix::WEIGHT), c.f(fix::CLASS), c.f(fix::MATCH));
        let (out, before) = (c.a(adv::OUT), c.at(adv::OUT, -1));
        let (carry, place) = (c.f(fix::CARRY), c.f(fix::RC[0]));
        let added = weight.clone() * c.a(adv::HI) + matched.clone() * c.a(adv::ON) * c.a(adv::INDEX);
        vec![(
            "weights and predictions are packed",
            (weight + class + matched) * (out - carry * before) - place * added,
        )]
    });

    meta.create_gate("classes", |meta| {
        let mut c = Cells { meta, columns };
        let (class, start) = (c.f(fix::CLASS), c.f(fix::SCALE));
        let (z, top, top_next) = (c.a(adv::Z), c.a(adv::TOP), c.at(adv::TOP, 1));
        let (past, past_next) = (c.a(adv::PAST), c.at(adv::PAST, 1));
        let (index, index_next) = (c.a(adv::INDEX), c.at(adv::INDEX, 1));
        let inv = c.a(adv::INV);
        let limbs = c.a(adv::HI) * Fr::from(1 << 16) + c.a(adv::REM) * Fr::from(1 << 8) + c.a(adv::BYTE);
        let gap = top.clone() - z.clone();
        let (fb, fb_next, tb) = (c.a(adv::FB), c.at(adv::FB, 1), c.a(adv::TB));
        let (score, score_next) = (c.a(adv::SCORE), c.at(adv::SCORE, 1));
        let (count, count_next) = (c.a(adv::COUNT), c.at(adv::COUNT, 1));
        let q = |e| class.clone() * e;
        vec![
            ("no class exceeds the top", q(gap.clone() - limbs)),
            ("past is a bit", q(past.clone() * (one() - past.clone()))),
            ("past never falls", q(past.clone() * (one() - past_next.clone()))),
            ("past starts at zero", q(start.clone() * past.clone())),
            ("index starts at zero", q(start * index.clone())),
            (
                "index counts the classes before the prediction",
                q(index_next - index - one() + past_next.clone()),
            ),
            (
                "the prediction reaches the top",
                q((past_next.clone() - past) * gap.clone()),
            ),
            (
                "earlier classes stay below the top",
                q((one() - past_next.clone()) * (gap * inv.clone() - one())),
            ),
            ("no inverse from the prediction on", q(past_next * inv)),
            ("one top for all classes", q(top_next - top)),
            ("score is carried", q(score_next - score)),
            ("count is carried", q(count_next - count)),
            ("class fold", q(fb_next - fb + tb * z)),
        ]
    });

    meta.create_gate("match", |meta| {
        let mut c = Cells { meta, columns };
        let matched = c.f(fix::MATCH);
        let (agree, inv, on) = (c.a(adv::MATCH), c.a(adv::INV), c.a(adv::ON));
        let past = c.a(adv::PAST);
        let off = c.a(adv::INDEX) - c.a(adv::BYTE);
        let (score, score_next) = (c.a(adv::SCORE), c.at(adv::SCORE, 1));
        let (count, count_next) = (c.a(adv::COUNT), c.at(adv::COUNT, 1));
        let (fb, fb_next) = (c.a(adv::FB), c.at(adv::FB, 1));
        let rho = c.challenge(columns.rho);
        let q = |e| matched.clone() * e;
        vec![
            ("one class is predicted", q(one() - past)),
            ("a match has no difference", q(off.clone() * agree.clone())),
            (
                "no match has a difference",
                q(off * inv.clone() + agree.clone() - one()),
            ),
            ("no inverse at a match", q(agree.clone() * inv)),
            ("score counts matches", q(score_next - score - on.clone() * agree)),
            ("count counts records", q(count_next - count - on)),
            ("sample fold", q(fb_next - rho * fb)),
        ]
    });

    meta.create_gate("end", |meta| {
        let mut c = Cells { meta, columns };
        let (end, record) = (c.f(fix::END), c.f(fix::SCALE));
        let (ctx, square) = (c.at(adv::ON, 1), c.at(adv::OUT, 1));
        let (n, bytes) = (c.at(adv::W[0], 1), c.at(adv::W[1], 1));
        let (va, vb, tb) = (c.a(adv::VA), c.a(adv::VB), c.a(adv::TB));
        let (fa, fb) = (c.a(adv::FA), c.a(adv::FB));
        let q = |e| end.clone() * e;
        vec![
            ("zero of the first phase", q(c.a(adv::BYTE))),
            ("zero of the second phase", q(va)),
            ("powers of sigma start at one", q(tb - one())),
            ("the folds cancel", q(fa + vb + fb)),
            ("shard bytes are whole records", q(bytes - record * n)),
            // Nothing else reads ctx. The product keeps it in the equations that a proof satisfies.
            ("context is squared", q(square - ctx.clone() * ctx)),
        ]
    });

    meta.create_gate("powers of sigma", |meta| {
        let mut c = Cells { meta, columns };
        let power = c.f(fix::POWER);
        let (tb, next) = (c.a(adv::TB), c.at(adv::TB, 1));
        let sigma = c.challenge(columns.sigma);
        vec![("next power of sigma", power * (next - sigma * tb))]
    });
}
