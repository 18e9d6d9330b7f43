//! What a market's events say, without the encoding they come in.

use crate::chain::states::{Mode, Phase};
use alloy::primitives::{Address, B256, U256};

/// Lengths of the phases, in seconds, and when Commit ends in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    pub commit_end: u64,
    pub gap: u64,
    pub reveal: u64,
    pub attest: u64,
    pub prove: u64,
    pub claim: u64,
    pub challenge: u64,
    pub answer: u64,
}

/// What a bounty was posted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub owner: Address,
    pub mode: Mode,
    pub prizes: Vec<U256>,
    pub stake: U256,
    pub threshold: u32,
    pub samples: u32,
    pub schema_id: B256,
    pub holdout: B256,
    /// Bytes of each shard.
    pub lengths: Vec<u32>,
    /// Digests of an open bounty's shards.
    pub digests: Vec<B256>,
    pub score_keys: Vec<B256>,
    /// Who may enter; empty: anyone but the owner.
    pub allowed: Vec<Address>,
    pub schedule: Schedule,
    /// What prizes and bond are paid in; zero address for ether.
    pub token: Address,
    /// Seconds from posting in which the drawn shards must be opened; none without a draw.
    pub draw: Option<u64>,
}

/// An entry's name inside its bounty.
pub type EntryId = (Address, u8);

/// A large claim as it was listed: what answering for a chunk needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub prize: u8,
    pub epk: [U256; 2],
    pub z: U256,
    pub digests: Vec<B256>,
    pub sums: Vec<U256>,
    /// End of the time to challenge a chunk.
    pub until: u64,
}

/// Something a market's event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Created {
        id: u64,
        terms: Box<Terms>,
    },
    Committed {
        id: u64,
        entry: EntryId,
        seq: u32,
        vk: B256,
        payout: Address,
    },
    Revealed {
        id: u64,
        digests: Vec<B256>,
    },
    Attested {
        id: u64,
        dataset: B256,
    },
    ShardProved {
        id: u64,
        entry: EntryId,
        shard: u64,
        score: u32,
        results: U256,
    },
    Scored {
        id: u64,
        entry: EntryId,
        score: u32,
        ranked: bool,
    },
    Displaced {
        id: u64,
        entry: EntryId,
    },
    Claimed {
        id: u64,
        entry: EntryId,
        prize: u8,
    },
    Lapsed {
        id: u64,
        entry: EntryId,
    },
    Promoted {
        id: u64,
        entry: EntryId,
        prize: u8,
        claim_start: u64,
    },
    Settled {
        id: u64,
        phase: Phase,
        /// Of a lost bond, what each entry gets when it is refunded.
        share: U256,
    },
    Refunded {
        id: u64,
        entry: EntryId,
        /// Wei of stake that came back with it.
        stake: U256,
    },
    Credited {
        account: Address,
        asset: Address,
        amount: U256,
    },
    Withdrawn {
        account: Address,
        asset: Address,
        amount: U256,
    },
    /// The bond is lost while ranked entries are still paid.
    BondLost {
        id: u64,
        claim_start: u64,
        /// Of the bond, what each entry gets when it is refunded.
        share: U256,
    },
    KeyProposed {
        id: u64,
        vk: B256,
        architecture: B256,
    },
    KeyAccepted {
        id: u64,
        vk: B256,
    },
    /// The beacon spoke.
    Picked {
        id: u64,
        picked: U256,
    },
    Opened {
        id: u64,
        index: u16,
    },
    ShardChallenged {
        id: u64,
        shard: u64,
        challenger: Address,
        deadline: u64,
    },
    ShardAnswered {
        id: u64,
        shard: u64,
    },
    /// A large claim under inspection.
    Listed {
        id: u64,
        entry: EntryId,
        listing: Box<Listing>,
    },
    ChunkChallenged {
        id: u64,
        entry: EntryId,
        chunk: u64,
        deadline: u64,
    },
    ChunkAnswered {
        id: u64,
        entry: EntryId,
        chunk: u64,
    },
    ClaimSettled {
        id: u64,
        entry: EntryId,
    },
    ClaimFailed {
        id: u64,
        entry: EntryId,
    },
}

impl Event {
    /// The bounty it belongs to, where it belongs to one.
    pub fn bounty(&self) -> Option<u64> {
        match self {
            Self::Created { id, .. }
            | Self::Committed { id, .. }
            | Self::Revealed { id, .. }
            | Self::Attested { id, .. }
            | Self::ShardProved { id, .. }
            | Self::Scored { id, .. }
            | Self::Displaced { id, .. }
            | Self::Claimed { id, .. }
            | Self::Lapsed { id, .. }
            | Self::Promoted { id, .. }
            | Self::Settled { id, .. }
            | Self::Refunded { id, .. }
            | Self::BondLost { id, .. }
            | Self::KeyProposed { id, .. }
            | Self::KeyAccepted { id, .. }
            | Self::Picked { id, .. }
            | Self::Opened { id, .. }
            | Self::ShardChallenged { id, .. }
            | Self::ShardAnswered { id, .. }
            | Self::Listed { id, .. }
            | Self::ChunkChallenged { id, .. }
            | Self::ChunkAnswered { id, .. }
            | Self::ClaimSettled { id, .. }
            | Self::ClaimFailed { id, .. } => Some(*id),
            Self::Credited { .. } | Self::Withdrawn { .. } => None,
        }
    }
}
