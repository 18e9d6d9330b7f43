// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {Ledger} from "./Ledger.sol";
import {Tags} from "./libraries/Tags.sol";

/// @title A market's state and its clock
/// @dev The one storage layout of core and modules: nothing that inherits from here adds a variable.
abstract contract MarketStorage is Ledger {
    uint256 internal constant RESERVES = 4;
    uint256 internal constant MAX_PRIZES = 16;
    uint256 internal constant MAX_SHARDS = 256;
    uint256 internal constant MAX_KEYS = 8;
    uint256 internal constant MAX_OPEN_SHARDS = 4;
    uint256 internal constant MAX_OPEN_CHUNKS = 3;
    uint8 internal constant SLOTS = 2;
    uint8 internal constant NO_PRIZE = 255;
    /// @dev Set in a shard's stored length once an accepted proof read it while it could be challenged: in a
    /// word the proof reads anyway, at a tenth of the price of a new one.
    uint32 internal constant USED = 1 << 31;

    /// @dev Where a bounty's draw stands.
    enum DrawPhase {
        None,
        Waiting,
        Opened
    }

    /// @dev `IBountyMarket.Windows` in one word.
    struct StoredWindows {
        uint40 commitEnd;
        uint24 gap;
        uint32 reveal;
        uint32 attest;
        uint32 prove;
        uint32 claim;
        uint32 challenge;
        uint32 answer;
    }

    /// @dev What `IBountyMarket.Bounty` shows, packed.
    /// @param cursor board rows that were given a prize to claim so far
    /// @param pending of those, rows of the current round that have neither claimed nor lapsed
    /// @param restricted whether an allow-list applies
    /// @param staked entries whose stake is still held
    /// @param held at most 16 prizes and a bond of 2^96 each, below 2^101
    /// @param offset of a shard's first record, and `stride` from one record to the next: below 122,880
    /// @param share of the bond, what each entry gets when it is lost
    /// @param overdueAt earliest deadline among the open shard challenges, 0 without any
    struct Stored {
        address owner;
        IBountyMarket.Mode mode;
        IBountyMarket.Phase settled;
        uint8 prizeCount;
        uint8 paidCount;
        uint8 rankedCount;
        uint8 cursor;
        uint8 pending;
        uint8 claiming;
        uint8 keyCount;
        bool restricted;
        uint16 shardCount;
        // next word
        uint96 bond;
        uint96 stake;
        uint32 samples;
        uint32 threshold;
        // next word
        uint112 held;
        uint24 offset;
        uint24 stride;
        uint32 entrants;
        uint32 staked;
        DrawPhase drawn;
        bool broken;
        IBountyMarket.Metric metric;
        uint8 challenges;
        // next word
        uint40 revealedAt;
        uint40 attestedAt;
        uint40 claimStart;
        uint40 overdueAt;
        uint96 share;
        StoredWindows windows;
        bytes32 schemaId;
        bytes32 holdout;
        bytes32 datasetVkId;
        bytes32 dataset;
        uint256 pkX;
        uint256 pkY;
        address pot;
        uint96[MAX_PRIZES] prizes;
        bytes32[MAX_KEYS] scoreKeys;
        uint32[MAX_SHARDS] lengths;
        bytes32[MAX_SHARDS] digests;
        StoredRow[MAX_PRIZES + RESERVES] board;
    }

    /// @dev One word. The entry keeps the state; `prize` is written when a reserve is promoted.
    struct StoredRow {
        address hunter;
        uint8 slot;
        uint32 score;
        uint32 seq;
        uint8 prize;
    }

    /// @param keyIndex place of the entry's vkId in the bounty's score keys
    /// @param shared whether the entry took its share of a lost bond
    struct StoredEntry {
        address payout;
        uint32 seq;
        uint32 score;
        IBountyMarket.EntryState state;
        uint8 keyIndex;
        bool shared;
        bytes32 h;
        uint256 model;
        uint256 proved;
    }

    /// @param left drawn shards not opened yet
    struct StoredDraw {
        uint16 pool;
        uint16 left;
        uint40 end;
        uint64 beaconBlock;
        uint256 picked;
        uint256 opened;
        mapping(uint256 index => bytes32) digests;
    }

    /// @param made shards challenged so far
    struct ShardChallenges {
        uint256 made;
        IBountyMarket.Challenge[MAX_OPEN_SHARDS] open;
    }

    /// @dev `IBountyMarket.Listing`; a slot of `open` is free when it has no challenger.
    struct StoredListing {
        bytes32 listing;
        uint40 until;
        uint8 prize;
        bool failed;
        uint64 challenged;
        IBountyMarket.Challenge[MAX_OPEN_CHUNKS] open;
    }

    /// @notice Where verifying keys are registered.
    IKeyRegistry public immutable keyRegistry;
    /// @notice Where CID proofs are recorded.
    IDatasetRegistry public immutable datasetRegistry;
    /// @notice Number of bounties posted.
    uint256 public bountyCount;

    mapping(uint256 id => Stored) internal bounties;
    mapping(uint256 id => mapping(address hunter => mapping(uint8 slot => StoredEntry))) internal entries;
    mapping(uint256 id => mapping(address hunter => bool)) internal allowed;
    mapping(uint256 id => StoredDraw) internal draws;
    mapping(uint256 id => ShardChallenges) internal shardChallenges;
    mapping(uint256 id => mapping(address hunter => mapping(uint8 slot => StoredListing))) internal listings;

    constructor(IDatasetRegistry datasetRegistry_) {
        datasetRegistry = datasetRegistry_;
        keyRegistry = datasetRegistry_.keyRegistry();
    }

    // ---------------------------------------------------------------- clock

    function _known(uint256 id) internal view returns (Stored storage b) {
        b = bounties[id];
        if (b.owner == address(0)) revert IMarketErrors.BountyUnknown(id);
    }

    function _in(uint256 id, IBountyMarket.Phase phase) internal view returns (Stored storage b) {
        b = _known(id);
        IBountyMarket.Phase actual = _phase(id, b);
        if (actual != phase) revert IMarketErrors.PhaseWrong(actual);
    }

    function _phase(uint256 id, Stored storage b) internal view returns (IBountyMarket.Phase) {
        if (b.settled != IBountyMarket.Phase.None) return b.settled;
        if (b.drawn == DrawPhase.Waiting && block.timestamp >= draws[id].end) return IBountyMarket.Phase.Defaulted;
        uint256 commitEnd = b.windows.commitEnd;
        if (block.timestamp < commitEnd) return IBountyMarket.Phase.Commit;
        // The bond is lost already; who is ranked still claims.
        if (b.entrants == 0 || b.broken) return IBountyMarket.Phase.Claim;
        if (b.revealedAt == 0) {
            uint256 end = commitEnd + b.windows.gap + b.windows.reveal;
            return block.timestamp < end ? IBountyMarket.Phase.Reveal : IBountyMarket.Phase.Defaulted;
        }
        if (b.overdueAt != 0 && block.timestamp >= b.overdueAt) return IBountyMarket.Phase.Defaulted;
        if (b.attestedAt == 0) {
            uint256 end = uint256(b.revealedAt) + b.windows.attest;
            return block.timestamp < end ? IBountyMarket.Phase.Attest : IBountyMarket.Phase.Defaulted;
        }
        return block.timestamp < _proveEnd(b) ? IBountyMarket.Phase.Prove : IBountyMarket.Phase.Claim;
    }

    /// @dev A challenge adds one answer window, once, however many follow. Every deadline lies before the
    /// end: a shard is challenged within `challenge` <= `prove` of a reveal that precedes attestation.
    function _proveEnd(Stored storage b) internal view returns (uint256) {
        if (b.attestedAt == 0) return 0;
        uint256 from = b.mode == IBountyMarket.Mode.Open ? b.windows.commitEnd : b.attestedAt;
        return from + b.windows.prove + (b.challenges == 0 ? 0 : b.windows.answer);
    }

    function _round(Stored storage b) internal view returns (uint256 start, uint256 end) {
        start = b.claimStart;
        if (start == 0) {
            start = _proveEnd(b);
            if (start == 0) return (0, 0);
            start += b.windows.gap;
        }
        end = start + b.windows.claim;
    }

    /// @dev Bytes of a shard as published.
    function _length(Stored storage b, uint256 shard) internal view returns (uint32) {
        return b.lengths[shard] & ~USED;
    }

    function _context(uint256 id, address hunter, uint8 slot, bytes32 vkId) internal view returns (uint256) {
        return uint256(
            keccak256(abi.encode(Tags.ACC, block.chainid, address(this), id, hunter, uint256(slot), vkId))
        ) >> 8;
    }

    /// @dev A row's prize: paid ranks by place, reserves by promotion.
    function _prizeOf(Stored storage b, uint256 row) internal view returns (uint8) {
        return row < b.prizeCount ? uint8(row) : b.board[row].prize;
    }

    /// @dev Twice the price of showing so many bytes: calldata at EIP-7623's floor, a SHA-256 and storage.
    function _answerBond(uint256 length) internal view returns (uint256) {
        return 2 * (100_000 + 41 * length) * block.basefee;
    }
}
