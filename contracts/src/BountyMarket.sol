// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {IMarketEvents} from "./interfaces/IMarketEvents.sol";
import {IScoreVerifier, ScoreStatement} from "./interfaces/IScoreVerifier.sol";
import {MarketBooks} from "./MarketBooks.sol";
import {MarketModule} from "./MarketModule.sol";
import {MarketStorage} from "./MarketStorage.sol";
import {MarketViews} from "./MarketViews.sol";
import {Metrics} from "./libraries/Metrics.sol";
import {Pool} from "./libraries/Pool.sol";
import {FIELD_ORDER, Tags} from "./libraries/Tags.sol";

/// @title Bounties for models with proven accuracy
/// @dev The market's address, its storage and its money. Here: what a bounty's middle needs (commit,
/// reveal, attest, prove), withdrawals and views. Posting, claims and ends are in three modules, fixed by
/// address and code hash for ever, which run on this storage: EIP-170 leaves no room for all in one.
contract BountyMarket is MarketViews, MarketBooks {
    address private immutable posting;
    address private immutable claiming;
    address private immutable ending;
    bytes32 private immutable postingHash;
    bytes32 private immutable claimingHash;
    bytes32 private immutable endingHash;

    constructor(
        IDatasetRegistry datasetRegistry_,
        MarketModule posting_,
        MarketModule claiming_,
        MarketModule ending_
    ) MarketStorage(datasetRegistry_) {
        (posting, postingHash) = _checked(posting_, datasetRegistry_);
        (claiming, claimingHash) = _checked(claiming_, datasetRegistry_);
        (ending, endingHash) = _checked(ending_, datasetRegistry_);
    }

    function _checked(MarketModule module, IDatasetRegistry registry) private view returns (address, bytes32) {
        if (address(module.datasetRegistry()) != address(registry) || module.self() != address(module)) {
            revert IMarketErrors.ModuleChanged(address(module));
        }
        return (address(module), address(module).codehash);
    }

    // -------------------------------------------------------------- modules

    /// @dev Nobody would own it.
    receive() external payable {
        revert IMarketErrors.FunctionUnknown(0);
    }

    /// @dev Whatever is not here belongs to a module or to nobody.
    fallback() external payable {
        (address module, bytes32 hash) = _moduleOf(msg.sig);
        // A module created and destroyed in one transaction could come back with other code.
        if (module.codehash != hash) revert IMarketErrors.ModuleChanged(module);
        assembly ("memory-safe") {
            let m := mload(0x40)
            calldatacopy(m, 0, calldatasize())
            let ok := delegatecall(gas(), module, m, calldatasize(), 0, 0)
            returndatacopy(m, 0, returndatasize())
            if iszero(ok) { revert(m, returndatasize()) }
            return(m, returndatasize())
        }
    }

    function _moduleOf(bytes4 f) private view returns (address, bytes32) {
        if (
            f == IBountyMarket.create.selector || f == IBountyMarket.proposeKey.selector
                || f == IBountyMarket.acceptKey.selector || f == IBountyMarket.draw.selector
                || f == IBountyMarket.openDrawn.selector || f == IBountyMarket.drawOf.selector
                || f == IBountyMarket.drawnOf.selector
        ) return (posting, postingHash);
        if (
            f == IBountyMarket.claim.selector || f == IBountyMarket.claimChunks.selector
                || f == IBountyMarket.challengeChunk.selector || f == IBountyMarket.answerChunk.selector
                || f == IBountyMarket.settleClaim.selector || f == IBountyMarket.listingOf.selector
        ) return (claiming, claimingHash);
        if (
            f == IBountyMarket.challengeShard.selector || f == IBountyMarket.answerShard.selector
                || f == IBountyMarket.challengesOf.selector || f == IBountyMarket.lapse.selector
                || f == IBountyMarket.finalize.selector || f == IBountyMarket.timeout.selector
                || f == IBountyMarket.cancel.selector || f == IBountyMarket.refund.selector
        ) return (ending, endingHash);
        revert IMarketErrors.FunctionUnknown(f);
    }

    function modules() external view returns (address, address, address) {
        return (posting, claiming, ending);
    }

    // ---------------------------------------------------- the owner's side

    function reveal(uint256 id, bytes32 salt, bytes32[] calldata digests) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Reveal);
        uint256 start = uint256(b.windows.commitEnd) + b.windows.gap;
        if (block.timestamp < start) revert IMarketErrors.TooEarly(start);
        bytes32 opened = b.drawn == DrawPhase.None
            ? keccak256(abi.encode(Tags.HOLDOUT, salt, keccak256(abi.encodePacked(digests))))
            : _poolRoot(b, draws[id], salt, digests);
        if (opened != b.holdout) revert IMarketErrors.HoldoutMismatch();
        _storeDigests(b, digests);
        b.revealedAt = uint40(block.timestamp);
        emit IMarketEvents.HoldoutRevealed(id, salt, digests, block.timestamp + b.windows.attest);
    }

    /// @dev The root over the whole pool: what was drawn from the openings, the rest from the reveal, so
    /// that the hold-out is exactly what the beacon left. Every salt follows from one.
    function _poolRoot(Stored storage b, StoredDraw storage d, bytes32 salt, bytes32[] calldata digests)
        private
        view
        returns (bytes32)
    {
        if (digests.length != b.shardCount) revert IMarketErrors.DigestsInvalid();
        bytes32[] memory leaves = new bytes32[](d.pool);
        uint256 picked = d.picked;
        uint256 next;
        for (uint256 j; j < leaves.length; ++j) {
            bytes32 digest = (picked >> j) & 1 == 1 ? d.digests[j] : digests[next++];
            leaves[j] = Pool.leaf(j, Pool.saltOf(salt, j), digest);
        }
        return Pool.root(leaves);
    }

    function attest(uint256 id) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Attest);
        _fixDataset(b);
        emit IMarketEvents.DatasetAttested(id, b.dataset, _proveEnd(b));
    }

    // --------------------------------------------------- the hunter's side

    function commit(uint256 id, uint8 slot, bytes32 h, bytes32 vkId, address payout) external payable exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Commit);
        if (slot >= SLOTS) revert IMarketErrors.SlotInvalid(slot);
        if (h == 0 || payout == address(0)) revert IMarketErrors.EntryInvalid();
        if (msg.sender == b.owner || (b.restricted && !allowed[id][msg.sender])) revert IMarketErrors.NotAllowed(msg.sender);
        if (msg.value != b.stake) revert IMarketErrors.ValueWrong(msg.value, b.stake);
        StoredEntry storage e = entries[id][msg.sender][slot];
        if (e.state != IBountyMarket.EntryState.None) revert IMarketErrors.SlotTaken(msg.sender, slot);
        uint32 seq = ++b.entrants;
        ++b.staked;
        e.payout = payout;
        e.seq = seq;
        e.state = IBountyMarket.EntryState.Committed;
        e.keyIndex = _keyIndex(b, vkId);
        e.h = h;
        emit IMarketEvents.EntryCommitted(id, msg.sender, slot, seq, h, vkId, payout);
    }

    function _keyIndex(Stored storage b, bytes32 vkId) private view returns (uint8) {
        uint8 count = b.keyCount;
        for (uint8 i; i < count; ++i) {
            if (b.scoreKeys[i] == vkId) return i;
        }
        revert IMarketErrors.KeyNotAccepted(vkId);
    }

    function prove(uint256 id, uint8 slot, uint256 C, uint256 shard, uint32 score, uint256 R, bytes calldata proof)
        external
        exclusive
    {
        _proveShard(id, slot, shard, ScoreStatement({ctx: 0, C: C, s: 0, n: 0, score: score, R: R}), proof);
    }

    function _proveShard(uint256 id, uint8 slot, uint256 shard, ScoreStatement memory x, bytes calldata proof)
        private
    {
        Stored storage b = _known(id);
        IBountyMarket.Phase phase = _phase(id, b);
        bool early = phase == IBountyMarket.Phase.Commit && b.mode == IBountyMarket.Mode.Open;
        if (phase != IBountyMarket.Phase.Prove && !early) revert IMarketErrors.PhaseWrong(phase);
        StoredEntry storage e = entries[id][msg.sender][slot];
        if (e.state == IBountyMarket.EntryState.None) revert IMarketErrors.EntryUnknown(msg.sender, slot);
        if (shard >= b.shardCount) revert IMarketErrors.ShardUnknown(shard);
        if ((e.proved >> shard) & 1 == 1) revert IMarketErrors.ShardAlreadyProved(shard);
        if (x.C >= FIELD_ORDER) revert IMarketErrors.NotAFieldElement(x.C);
        if (x.R >= FIELD_ORDER) revert IMarketErrors.NotAFieldElement(x.R);
        bytes32 vkId = b.scoreKeys[e.keyIndex];
        x.ctx = _context(id, msg.sender, slot, vkId);
        if (keccak256(abi.encode(Tags.COMMIT, x.ctx, x.C)) != e.h) revert IMarketErrors.CommitmentMismatch();
        _verifyScore(b, vkId, shard, x, proof);
        e.proved |= 1 << shard;
        e.score = Metrics.fold(b.metric, e.score, uint32(x.score));
        // Who proved a shard had it: from then on nobody can say that it is not to be had.
        if (block.timestamp < uint256(b.revealedAt) + b.windows.challenge) b.lengths[shard] |= USED;
        if (e.model == 0) e.model = x.C;
        emit IMarketEvents.ShardProved(id, msg.sender, slot, x.C, shard, uint32(x.score), x.R);
        if (e.proved == type(uint256).max >> (MAX_SHARDS - b.shardCount)) _scored(id, b, e, slot);
    }

    /// @dev Shard commitment and count come from storage, never from the caller.
    function _verifyScore(
        Stored storage b,
        bytes32 vkId,
        uint256 shard,
        ScoreStatement memory x,
        bytes calldata proof
    ) private view {
        x.n = (_length(b, shard) - b.offset) / b.stride;
        uint256 most = Metrics.most(b.metric, x.n);
        if (x.score > most) revert IMarketErrors.ScoreTooHigh(x.score, most);
        (, x.s) = datasetRegistry.shard(b.datasetVkId, b.digests[shard]);
        IKeyRegistry.Key memory k = keyRegistry.key(vkId);
        if (!IScoreVerifier(k.adapter).verify(k.chunks, x, proof)) revert IMarketErrors.ProofInvalid();
    }

    function _scored(uint256 id, Stored storage b, StoredEntry storage e, uint8 slot) private {
        uint32 score = e.score;
        bool ranked = score >= b.threshold && _insert(id, b, e, slot);
        if (ranked) {
            e.state = IBountyMarket.EntryState.Ranked;
        } else {
            e.state = IBountyMarket.EntryState.Proved;
            _returnStake(id, b, e.payout);
        }
        emit IMarketEvents.EntryScored(id, msg.sender, slot, score, ranked);
    }

    /// @dev Puts the entry where score, then commit order say; whoever drops off the end gets its
    /// stake back. False when the board is full of better entries.
    function _insert(uint256 id, Stored storage b, StoredEntry storage e, uint8 slot) private returns (bool) {
        StoredRow memory row = StoredRow(msg.sender, slot, e.score, e.seq, NO_PRIZE);
        uint256 count = b.rankedCount;
        uint256 place = count;
        while (place != 0) {
            StoredRow storage above = b.board[place - 1];
            if (above.score > row.score || (above.score == row.score && above.seq < row.seq)) break;
            --place;
        }
        uint256 size = uint256(b.prizeCount) + RESERVES;
        if (place == size) return false;
        if (count == size) {
            StoredRow memory last = b.board[--count];
            StoredEntry storage out = entries[id][last.hunter][last.slot];
            out.state = IBountyMarket.EntryState.Proved;
            _returnStake(id, b, out.payout);
            emit IMarketEvents.EntryDisplaced(id, last.hunter, last.slot);
        }
        for (uint256 i = count; i > place; --i) {
            b.board[i] = b.board[i - 1];
        }
        b.board[place] = row;
        b.rankedCount = uint8(count + 1);
        return true;
    }

    // -------------------------------------------------------------- payment

    function withdraw(address asset) external exclusive {
        _withdraw(asset);
    }
}
