//! Every range and activation by one LogUp argument (Haböck 2022, "Multivariate lookups based on
//! logarithmic derivatives") over one tagged table.
//!
//! Each live row reads three entries: `(HI, ACT)` under tag G1, `REM` under G2 and `BYTE` as a byte.
//! Rows that need no read hold zeros, which is an entry as well: a selector on the values would cost
//! a degree. With `key = β + t0 + γ·t1 + γ²·tag` the sum over rows of
//! `1/key(read 1) + 1/key(read 2) + 1/key(read 3) − multiplicity/key(entry)` is zero; as rational
//! functions of β this says that the reads are entries, because fewer than 2^34 reads cannot wrap a
//! multiplicity modulo the field's order.

use super::super::columns::{Cells, Columns, adv, fix};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

pub fn configure(meta: &mut ConstraintSystem<Fr>, columns: &Columns) {
    meta.create_gate("reads", |meta| {
        let mut c = Cells { meta, columns };
        let (beta, gamma) = (c.challenge(columns.beta), c.challenge(columns.gamma));
        let gamma2 = gamma.clone() * gamma.clone();
        let live = c.f(fix::LIVE);
        let pair = beta.clone() + c.a(adv::HI) + gamma.clone() * c.a(adv::ACT) + gamma2.clone() * c.f(fix::G1);
        let rem = beta.clone() + c.a(adv::REM) + gamma2.clone() * c.f(fix::G2);
        let byte = beta.clone() + c.a(adv::BYTE);
        let entry = beta + c.f(fix::T0) + gamma * c.f(fix::T1) + gamma2 * c.f(fix::TT);
        let (helper, mult) = (c.a(adv::HELPER), c.a(adv::MULT));
        let (sum, next) = (c.a(adv::SUM), c.at(adv::SUM, 1));
        vec![
            (
                "inverses of the reads",
                live.clone()
                    * (helper.clone() * pair.clone() * rem.clone() * byte.clone()
                        - pair.clone() * (rem.clone() + byte.clone())
                        - rem * byte),
            ),
            (
                "reads less multiplicities",
                live * ((next - sum.clone() - helper) * entry + mult),
            ),
            ("read sum starts and ends at zero", c.f(fix::ENDS) * sum),
        ]
    });
}
