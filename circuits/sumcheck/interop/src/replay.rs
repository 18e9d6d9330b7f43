//! Nova's argument under challenges that are given.
//!
//! The two transcripts absorb other bytes in another order, so proofs made under them have nothing
//! in common. Nova leaves the transcript to whoever uses it; this one hands out our challenges, and
//! what nova's prover then sends can be compared with what ours sends.

use nova_snark::errors::NovaError;
use nova_snark::provider::Bn256EngineKZG;
use nova_snark::provider::hyperkzg::CommitmentEngine;
use nova_snark::traits::{Engine, TranscriptEngineTrait, TranscriptReprTrait};
use std::collections::VecDeque;

/// Nova's engine over BN254 in everything but the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay;

impl Engine for Replay {
    type Base = <Bn256EngineKZG as Engine>::Base;
    type Scalar = <Bn256EngineKZG as Engine>::Scalar;
    type GE = <Bn256EngineKZG as Engine>::GE;
    type RO = <Bn256EngineKZG as Engine>::RO;
    type ROCircuit = <Bn256EngineKZG as Engine>::ROCircuit;
    type RO2 = <Bn256EngineKZG as Engine>::RO2;
    type RO2Circuit = <Bn256EngineKZG as Engine>::RO2Circuit;
    type TE = Script;
    type CE = CommitmentEngine<Self>;
}

/// The challenges still to be drawn, and nothing of what is absorbed.
#[derive(Clone, Debug, Default)]
pub struct Script(VecDeque<<Replay as Engine>::Scalar>);

impl Script {
    /// Takes the challenges in the order in which they are drawn.
    pub fn of(challenges: &[<Replay as Engine>::Scalar]) -> Self {
        Self(challenges.iter().copied().collect())
    }
}

impl TranscriptEngineTrait<Replay> for Script {
    fn new(_: &'static [u8]) -> Self {
        Self::default()
    }

    fn squeeze(&mut self, _: &'static [u8]) -> Result<<Replay as Engine>::Scalar, NovaError> {
        self.0.pop_front().ok_or(NovaError::InternalTranscriptError)
    }

    /// The evaluation argument draws whole scalars only.
    fn squeeze_bits(&mut self, _: &'static [u8], _: usize, _: bool) -> Result<<Replay as Engine>::Scalar, NovaError> {
        Err(NovaError::InternalTranscriptError)
    }

    fn absorb<T: TranscriptReprTrait<<Replay as Engine>::GE>>(&mut self, _: &'static [u8], _: &T) {}

    fn dom_sep(&mut self, _: &'static [u8]) {}
}
