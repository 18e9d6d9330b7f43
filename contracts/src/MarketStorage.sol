// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {Ledger} from "./Ledger.sol";
import {Tags} from "./libraries/Tags.sol";

/// @title A market's state, its clock and its views
abstract contract MarketStorage is Ledger {
    uint256 internal constant RESERVES = 4;
    uint256 internal constant MAX_PRIZES = 16;
    uint256 internal constant MAX_SHARDS = 256;
    uint256 internal constant MAX_KEYS = 8;
    uint8 internal constant SLOTS = 2;
    uint8 internal constant NO_PRIZE = 255;

    /// @dev What `IBountyMarket.Bounty` shows, packed.
    /// @param cursor board rows that were given a prize to claim so far
    /// @param pending of those, rows of the current round that have neither claimed nor lapsed
    /// @param restricted whether an allow-list applies
    /// @param staked entries whose stake is still held
    /// @param share wei each entry gets when a bond is lost
    struct Stored {
        address owner;
        Mode mode;
        Phase settled;
        uint8 prizeCount;
        uint8 paidCount;
        uint8 rankedCount;
        uint8 cursor;
        uint8 pending;
        uint8 keyCount;
        bool restricted;
        uint16 shardCount;
        // next word
        uint96 bond;
        uint96 stake;
        uint32 samples;
        uint32 threshold;
        // next word
        uint128 held;
        uint32 entrants;
        uint32 staked;
        uint32 recordBytes;
        // next word
        uint40 revealedAt;
        uint40 attestedAt;
        uint40 claimStart;
        uint128 share;
        Windows windows;
        bytes32 schemaId;
        bytes32 holdout;
        bytes32 datasetVkId;
        bytes32 dataset;
        uint256 pkX;
        uint256 pkY;
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
    struct StoredEntry {
        address payout;
        uint32 seq;
        uint32 score;
        EntryState state;
        uint8 keyIndex;
        bytes32 h;
        uint256 model;
        uint256 proved;
    }

    /// @inheritdoc IBountyMarket
    IKeyRegistry public immutable keyRegistry;
    /// @inheritdoc IBountyMarket
    IDatasetRegistry public immutable datasetRegistry;
    /// @inheritdoc IBountyMarket
    uint256 public bountyCount;

    mapping(uint256 id => Stored) internal bounties;
    mapping(uint256 id => mapping(address hunter => mapping(uint8 slot => StoredEntry))) internal entries;
    mapping(uint256 id => mapping(address hunter => bool)) internal allowed;

    constructor(IDatasetRegistry datasetRegistry_) {
        datasetRegistry = datasetRegistry_;
        keyRegistry = datasetRegistry_.keyRegistry();
    }

    // ---------------------------------------------------------------- clock

    function _known(uint256 id) internal view returns (Stored storage b) {
        b = bounties[id];
        if (b.owner == address(0)) revert BountyUnknown(id);
    }

    function _in(uint256 id, Phase phase) internal view returns (Stored storage b) {
        b = _known(id);
        Phase actual = _phase(b);
        if (actual != phase) revert PhaseWrong(actual);
    }

    function _phase(Stored storage b) internal view returns (Phase) {
        if (b.settled != Phase.None) return b.settled;
        uint256 commitEnd = b.windows.commitEnd;
        if (block.timestamp < commitEnd) return Phase.Commit;
        if (b.entrants == 0) return Phase.Claim;
        if (b.revealedAt == 0) {
            uint256 end = commitEnd + b.windows.gap + b.windows.reveal;
            return block.timestamp < end ? Phase.Reveal : Phase.Defaulted;
        }
        if (b.attestedAt == 0) {
            uint256 end = uint256(b.revealedAt) + b.windows.attest;
            return block.timestamp < end ? Phase.Attest : Phase.Defaulted;
        }
        return block.timestamp < _proveEnd(b) ? Phase.Prove : Phase.Claim;
    }

    function _proveEnd(Stored storage b) internal view returns (uint256) {
        if (b.attestedAt == 0) return 0;
        uint256 from = b.mode == Mode.Open ? b.windows.commitEnd : b.attestedAt;
        return from + b.windows.prove;
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

    function _context(uint256 id, address hunter, uint8 slot, bytes32 vkId) internal view returns (uint256) {
        return uint256(
            keccak256(abi.encode(Tags.ACC, block.chainid, address(this), id, hunter, uint256(slot), vkId))
        ) >> 8;
    }

    /// @dev A row's prize: paid ranks by place, reserves by promotion.
    function _prizeOf(Stored storage b, uint256 row) internal view returns (uint8) {
        return row < b.prizeCount ? uint8(row) : b.board[row].prize;
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IBountyMarket
    function bountyOf(uint256 id) external view returns (Bounty memory v) {
        Stored storage b = _known(id);
        v.owner = b.owner;
        v.mode = b.mode;
        v.settled = b.settled;
        v.prizeCount = b.prizeCount;
        v.paidCount = b.paidCount;
        v.rankedCount = b.rankedCount;
        v.shardCount = b.shardCount;
        v.samples = b.samples;
        v.threshold = b.threshold;
        v.entrants = b.entrants;
        v.recordBytes = b.recordBytes;
        v.revealedAt = b.revealedAt;
        v.attestedAt = b.attestedAt;
        v.claimStart = b.claimStart;
        v.windows = b.windows;
        v.bond = b.bond;
        v.stake = b.stake;
        v.held = b.held;
        v.schemaId = b.schemaId;
        v.holdout = b.holdout;
        v.datasetVkId = b.datasetVkId;
        v.dataset = b.dataset;
        v.pkX = b.pkX;
        v.pkY = b.pkY;
    }

    /// @inheritdoc IBountyMarket
    function phaseOf(uint256 id) external view returns (Phase) {
        return _phase(_known(id));
    }

    /// @inheritdoc IBountyMarket
    function prizesOf(uint256 id) external view returns (uint96[] memory prizes) {
        Stored storage b = _known(id);
        prizes = new uint96[](b.prizeCount);
        for (uint256 i; i < prizes.length; ++i) {
            prizes[i] = b.prizes[i];
        }
    }

    /// @inheritdoc IBountyMarket
    function scoreKeysOf(uint256 id) external view returns (bytes32[] memory keys) {
        Stored storage b = _known(id);
        keys = new bytes32[](b.keyCount);
        for (uint256 i; i < keys.length; ++i) {
            keys[i] = b.scoreKeys[i];
        }
    }

    /// @inheritdoc IBountyMarket
    function shardsOf(uint256 id) external view returns (uint32[] memory lengths, bytes32[] memory digests) {
        Stored storage b = _known(id);
        lengths = new uint32[](b.shardCount);
        for (uint256 i; i < lengths.length; ++i) {
            lengths[i] = b.lengths[i];
        }
        digests = _digests(b);
    }

    function _digests(Stored storage b) internal view returns (bytes32[] memory digests) {
        digests = new bytes32[](b.shardCount);
        for (uint256 i; i < digests.length; ++i) {
            digests[i] = b.digests[i];
        }
    }

    /// @inheritdoc IBountyMarket
    function entryOf(uint256 id, address hunter, uint8 slot) external view returns (Entry memory) {
        Stored storage b = _known(id);
        StoredEntry storage e = entries[id][hunter][slot];
        if (e.state == EntryState.None) revert EntryUnknown(hunter, slot);
        return Entry(e.state, e.seq, e.score, e.payout, b.scoreKeys[e.keyIndex], e.h, e.model, e.proved);
    }

    /// @inheritdoc IBountyMarket
    function boardOf(uint256 id) external view returns (Row[] memory rows) {
        Stored storage b = _known(id);
        rows = new Row[](b.rankedCount);
        for (uint256 i; i < rows.length; ++i) {
            StoredRow storage r = b.board[i];
            EntryState state = entries[id][r.hunter][r.slot].state;
            rows[i] = Row(r.hunter, r.slot, r.score, r.seq, state, _prizeOf(b, i));
        }
    }

    /// @inheritdoc IBountyMarket
    function roundOf(uint256 id) external view returns (uint256 start, uint256 end) {
        return _round(_known(id));
    }

    /// @inheritdoc IBountyMarket
    function proveEndOf(uint256 id) external view returns (uint256) {
        return _proveEnd(_known(id));
    }

    /// @inheritdoc IBountyMarket
    function contextOf(uint256 id, address hunter, uint8 slot, bytes32 vkId) external view returns (uint256 ctx) {
        return _context(id, hunter, slot, vkId);
    }
}
