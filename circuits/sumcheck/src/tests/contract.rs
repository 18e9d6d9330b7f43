//! The verifier on chain beside the native one: one verdict, and one step that refuses.

use super::chain::{Chain, Reply};
use super::small_keys;
use crate::commit::VerifyKey;
use crate::encoding::{Word, g2_to_words, scalar_to_word};
use crate::solidity;
use crate::statement::Shard;
use crate::verifier::{VerifyError, verify};
use halo2curves::bn256::Fr;
use revm::primitives::Address;
use sha3::{Digest, Keccak256};
use std::sync::OnceLock;

const ARGUMENTS: &str = "(address[],(bytes32,uint256,uint256)[],bytes)";
const ARTIFACT: &str = include_str!("../../../../contracts/artifacts/DatasetVerifier.json");

/// Both verifiers under one SRS.
pub struct Contract {
    pub key: VerifyKey,
    pub chain: Chain,
    pub data: Vec<Address>,
    at: Address,
}

/// What a proof fails at on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Accepted,
    /// Statement, length or a scalar.
    Form,
    Block,
    Row,
    Opening,
}

/// A statement as the chain takes it: nothing of it need be canonical.
pub type Words = Vec<[Word; 3]>;

fn number(n: u64) -> Word {
    scalar_to_word(&Fr::from(n))
}

pub fn words(statement: &[Shard]) -> Words {
    statement
        .iter()
        .map(|s| [s.digest, number(s.length.into()), scalar_to_word(&s.commitment)])
        .collect()
}

fn calldata(function: &str, data: &[Address], statement: &Words, proof: &[u8]) -> Vec<u8> {
    let mut out = Keccak256::digest(format!("{function}{ARGUMENTS}"))[..4].to_vec();
    let list = 32 * (1 + data.len());
    let statements = 32 + 96 * statement.len();
    for offset in [96, 96 + list, 96 + list + statements] {
        out.extend(number(offset as u64));
    }
    out.extend(number(data.len() as u64));
    for a in data {
        out.extend([0u8; 12]);
        out.extend(a.as_slice());
    }
    out.extend(number(statement.len() as u64));
    out.extend(statement.iter().flatten().flatten());
    out.extend(number(proof.len() as u64));
    out.extend(proof);
    out.resize(out.len().next_multiple_of(32) + 4, 0);
    out
}

/// Under the keys for eight slots.
pub fn small_contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    CONTRACT.get_or_init(|| Contract::new(small_keys().1))
}

impl Contract {
    pub fn new(key: VerifyKey) -> Self {
        let artifact: serde_json::Value = serde_json::from_str(ARTIFACT).unwrap();
        let mut creation = hex::decode(artifact["bytecode"].as_str().unwrap().trim_start_matches("0x")).unwrap();
        creation.extend(g2_to_words(key.tau_g2()).iter().flatten());
        let mut chain = Chain::new();
        let (at, _) = chain.deploy(creation).unwrap();
        let data = chain.store([&solidity::key()[..]].into_iter());
        Self { key, chain, data, at }
    }

    /// The reply of `verify`.
    pub fn ask(&self, statement: &Words, proof: &[u8]) -> Reply {
        self.chain
            .call(self.at, calldata("verify", &self.data, statement, proof))
    }

    /// The verdict of both, which must be one.
    pub fn verdict(&self, statement: &[Shard], proof: &[u8], what: &str) -> bool {
        let native = verify(&self.key, statement, proof);
        let reply = self.ask(&words(statement), proof);
        assert!(
            matches!(reply, Reply::Returned { .. }),
            "{what}: the contract answers, {reply:?}"
        );
        assert_eq!(native.is_ok(), reply.is_true(), "{what}: natively {native:?}");
        native.is_ok()
    }

    /// The step that refuses a proof on chain.
    pub fn step(&self, statement: &[Shard], proof: &[u8]) -> Step {
        let call = calldata("step", &self.data, &words(statement), proof);
        let Reply::Returned { data, .. } = self.chain.call(self.at, call) else {
            panic!("the contract names a step");
        };
        assert!(data.len() == 32 && data[..31] == [0; 31], "{data:?}");
        [Step::Accepted, Step::Form, Step::Block, Step::Row, Step::Opening][usize::from(data[31])]
    }

    /// The native verdict on a proof whose words are canonical, once the contract gives the same, at the
    /// same step.
    pub fn agreed(&self, statement: &[Shard], proof: &[u8]) -> Result<(), VerifyError> {
        let native = verify(&self.key, statement, proof);
        let want = match &native {
            Ok(()) => Step::Accepted,
            Err(VerifyError::Statement(_) | VerifyError::Read(_)) => Step::Form,
            Err(VerifyError::Block) => Step::Block,
            Err(VerifyError::Row) => Step::Row,
            Err(VerifyError::Opening(_)) => Step::Opening,
        };
        assert_eq!(self.step(statement, proof), want, "natively {native:?}");
        native
    }
}
