// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {MarketStorage} from "./MarketStorage.sol";
import {TokenPot} from "./TokenPot.sol";

/// @title What a market shows of itself
/// @dev Documented in IBountyMarket, as is every function of the market.
abstract contract MarketViews is MarketStorage {
    function bountyOf(uint256 id) external view returns (IBountyMarket.Bounty memory v) {
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
        v.stride = b.stride;
        v.revealedAt = b.revealedAt;
        v.attestedAt = b.attestedAt;
        v.claimStart = b.claimStart;
        v.windows = IBountyMarket.Windows(
            b.windows.commitEnd,
            b.windows.gap,
            b.windows.reveal,
            b.windows.attest,
            b.windows.prove,
            b.windows.claim,
            b.windows.challenge,
            b.windows.answer
        );
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

    function detailOf(uint256 id) external view returns (IBountyMarket.Detail memory v) {
        Stored storage b = _known(id);
        v.pot = b.pot;
        if (b.pot != address(0)) v.token = TokenPot(b.pot).token();
        v.metric = b.metric;
        v.broken = b.broken;
        v.staked = b.staked;
        v.claiming = b.claiming;
        v.challenges = b.challenges;
    }

    function phaseOf(uint256 id) external view returns (IBountyMarket.Phase) {
        return _phase(id, _known(id));
    }

    function prizesOf(uint256 id) external view returns (uint96[] memory prizes) {
        Stored storage b = _known(id);
        prizes = new uint96[](b.prizeCount);
        for (uint256 i; i < prizes.length; ++i) {
            prizes[i] = b.prizes[i];
        }
    }

    function scoreKeysOf(uint256 id) external view returns (bytes32[] memory keys) {
        Stored storage b = _known(id);
        keys = new bytes32[](b.keyCount);
        for (uint256 i; i < keys.length; ++i) {
            keys[i] = b.scoreKeys[i];
        }
    }

    function shardsOf(uint256 id) external view returns (uint32[] memory lengths, bytes32[] memory digests) {
        Stored storage b = _known(id);
        lengths = new uint32[](b.shardCount);
        for (uint256 i; i < lengths.length; ++i) {
            lengths[i] = _length(b, i);
        }
        digests = new bytes32[](b.shardCount);
        for (uint256 i; i < digests.length; ++i) {
            digests[i] = b.digests[i];
        }
    }

    function entryOf(uint256 id, address hunter, uint8 slot) external view returns (IBountyMarket.Entry memory) {
        Stored storage b = _known(id);
        StoredEntry storage e = entries[id][hunter][slot];
        if (e.state == IBountyMarket.EntryState.None) revert IMarketErrors.EntryUnknown(hunter, slot);
        return IBountyMarket.Entry(e.state, e.seq, e.score, e.payout, b.scoreKeys[e.keyIndex], e.h, e.model, e.proved);
    }

    function boardOf(uint256 id) external view returns (IBountyMarket.Row[] memory rows) {
        Stored storage b = _known(id);
        rows = new IBountyMarket.Row[](b.rankedCount);
        for (uint256 i; i < rows.length; ++i) {
            StoredRow storage r = b.board[i];
            IBountyMarket.EntryState state = entries[id][r.hunter][r.slot].state;
            rows[i] = IBountyMarket.Row(r.hunter, r.slot, r.score, r.seq, state, _prizeOf(b, i));
        }
    }

    function roundOf(uint256 id) external view returns (uint256 start, uint256 end) {
        return _round(_known(id));
    }

    function proveEndOf(uint256 id) external view returns (uint256) {
        return _proveEnd(_known(id));
    }

    function contextOf(uint256 id, address hunter, uint8 slot, bytes32 vkId) external view returns (uint256 ctx) {
        return _context(id, hunter, slot, vkId);
    }

    function answerBond(uint256 length) external view returns (uint256) {
        return _answerBond(length);
    }

    function owedTo(address asset, address account) external view returns (uint256) {
        return owed[asset][account];
    }

    function burnt() external view returns (uint256) {
        return locked[address(0)];
    }

    function burntOf(address asset) external view returns (uint256) {
        return locked[asset];
    }
}
