//! A verifying key as the generic Solidity verifier reads it.
//!
//! ```text
//! compile   Halo2Vk -> EvmKey: the one entry point
//! layout    where a proof's words lie in memory, when they are hashed
//! arithmetic, opening   the verifier's equations as a program
//! program   multiply-add programs: hash-consing, register allocation
//! key       the bytes of a key, and the data contracts that hold them
//! machine   the same verifier in Rust, from the key's bytes alone
//! code      code of a verifier contract under a given SRS
//! ```
//!
//! A key is data: one audited contract (`contracts/src/verifiers/Halo2Verifier.sol`) answers for
//! every constraint system. It hashes the transcript, runs the key's program over the proof's
//! scalars, adds up the commitments with the program's results as coefficients, and ends in one
//! pairing. `docs/circuits/evm.md` gives the format byte by byte.

pub mod code;
pub mod key;
pub mod machine;

mod arithmetic;
mod layout;
mod opening;
mod program;

pub use key::{EvmKey, KeyError};

use crate::backend::halo2::{Halo2Vk, check_shape};
use layout::Layout;
use opening::Commitment;
use program::Builder;

/// Why a verifying key has no EVM form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    #[error("{0}")]
    Shape(String),
    #[error("advice column {0} is queried nowhere: nothing would check its commitment")]
    UnqueriedAdvice(usize),
    #[error("the instance column is queried at rotation {0}; only the current row is supported")]
    InstanceRotation(i32),
    #[error("rotation {0} is too large for the number of rows")]
    Rotation(i32),
    #[error(
        "the verifier would need {needed} bytes of addressable memory, {limit} can be addressed: use fewer columns, queries or constraints"
    )]
    Memory { needed: u64, limit: u64 },
}

/// Compiles a verifying key. Deterministic: anyone who derives the key derives the same bytes.
///
/// # Errors
/// When the constraint system uses what the verifier does not support.
pub fn compile(vk: &Halo2Vk) -> Result<EvmKey, CompileError> {
    let inner = vk.inner();
    let cs = inner.cs();
    let k = vk.k();
    check_shape(cs).map_err(|e| CompileError::Shape(e.to_string()))?;
    let layout = Layout::new(cs, vk.instances());
    let sets = opening::sets(cs, &layout, k)?;

    let mut b = Builder::default();
    let mut inverses = arithmetic::Inverses::default();
    let den = arithmetic::Denominators::declare(&mut b, &mut inverses, cs, &layout, k);
    let points = opening::Points::declare(&mut b, &mut inverses, &den, &sets, &layout, k);
    let product = inverses.product(&mut b);
    let inverse = b.input(layout.end);
    let inverses = inverses.resolve(&mut b, inverse);
    let quotient = arithmetic::expected_quotient(&mut b, &inverses, &den, cs, &layout, k)?;
    let c = opening::coefficients(&mut b, &inverses, &points, &sets, &layout, quotient, k);

    // Every term of the final sum: a point and the coefficient's place among the outputs.
    let mut terms = vec![];
    let mut outputs = vec![];
    for (commitment, value) in &c.commitments {
        match commitment {
            Commitment::Advice(i) => terms.push(key::Point::Proof(layout.advice[*i])),
            Commitment::Product(i) => terms.push(key::Point::Proof(layout.products[*i])),
            Commitment::Random => terms.push(key::Point::Proof(layout.random)),
            Commitment::Fixed(i) => terms.push(key::Point::Key(inner.fixed_commitments()[*i])),
            Commitment::Sigma(i) => terms.push(key::Point::Key(inner.permutation().commitments()[*i])),
            Commitment::Quotient => {
                let mut power = *value;
                for (i, at) in layout.quotients.iter().enumerate() {
                    if i > 0 {
                        power = b.mul(power, den.xn());
                    }
                    terms.push(key::Point::Proof(*at));
                    outputs.push(power);
                }
                continue;
            }
        }
        outputs.push(*value);
    }
    terms.push(key::Point::Key(halo2curves::bn256::G1Affine::generator()));
    outputs.push(c.generator);
    terms.push(key::Point::Proof(layout.first_opening));
    outputs.push(c.first_opening);
    terms.push(key::Point::Proof(layout.second_opening));
    outputs.push(c.second_opening);

    let program = b.finish(product, inverse, &outputs);
    key::assemble(k, inner.transcript_repr(), &layout, &program, &terms)
}
