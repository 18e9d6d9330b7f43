// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {IMarketEvents} from "./interfaces/IMarketEvents.sol";
import {MarketModule} from "./MarketModule.sol";
import {TokenPot} from "./TokenPot.sol";
import {BabyJubJub} from "./libraries/BabyJubJub.sol";
import {Metrics} from "./libraries/Metrics.sol";
import {Pool} from "./libraries/Pool.sol";
import {Schemas} from "./libraries/Schemas.sol";
import {Tags, MAX_SHARD_BYTES} from "./libraries/Tags.sol";
import {Tokens} from "./libraries/Tokens.sol";

/// @title Posting: a bounty's terms, its keys and its draw
contract MarketPosting is MarketModule {
    /// @dev Least lengths on a chain where a window is somebody's time: commit, gap, reveal, attest,
    /// prove, claim, in seconds. The gap covers finality (two epochs are 12.8 minutes).
    uint256 private constant LEAST_WINDOW = 1 hours;
    uint256 private constant LEAST_GAP = 15 minutes;
    uint256 private constant LEAST_CLAIM = 24 hours;
    uint256 private constant MOST_COMMIT = 365 days;
    uint256 private constant MOST_WINDOW = 90 days;
    uint256 private constant MOST_GAP = 1 days;
    uint256 private constant MOST_ANSWER = 7 days;
    /// @dev Entries must cost something, or one address pays many to share a lost bond.
    uint256 private constant LEAST_TOKEN_STAKE = 0.001 ether;
    /// @dev Fewer samples decide nothing, and a hunter could guess them.
    uint256 private constant LEAST_SAMPLES = 64;
    uint256 private constant MAX_ALLOWED = 64;
    /// @dev Blocks from `create` to the beacon: nobody who posts knows its hash.
    uint256 private constant BEACON_DELAY = 4;

    constructor(IDatasetRegistry datasetRegistry_) MarketModule(datasetRegistry_) {}

    // ------------------------------------------------------------- creation

    function create(IBountyMarket.Params calldata p) external payable exclusive returns (uint256 id) {
        id = ++bountyCount;
        Stored storage b = bounties[id];
        b.owner = msg.sender;
        b.mode = p.mode;
        _storeMoney(b, p);
        _storeWindows(b, p);
        _storeTestSet(b, p);
        _storeDraw(id, b, p);
        _storeKeys(b, p);
        _storeAllowed(id, b, p.allowed);
        emit IMarketEvents.BountyCreated(id, msg.sender, b.schemaId, b.samples, b.pkX, b.pkY, p);
        if (p.token != address(0)) _fillPot(id, b, p.token);
    }

    function _storeMoney(Stored storage b, IBountyMarket.Params calldata p) private {
        uint256 count = p.prizes.length;
        if (count == 0 || count > MAX_PRIZES) revert IMarketErrors.PrizesInvalid();
        uint256 reward;
        for (uint256 i; i < count; ++i) {
            uint96 prize = p.prizes[i];
            if (prize == 0 || (i != 0 && prize > p.prizes[i - 1])) revert IMarketErrors.PrizesInvalid();
            b.prizes[i] = prize;
            reward += prize;
        }
        // Rounded up: a wei less than a tenth is less than a tenth.
        uint256 leastBond = (reward + 9) / 10;
        if (p.bond < leastBond) revert IMarketErrors.BondTooLow(p.bond, leastBond);
        // A stake is ether; nobody can say what a token's prize is in it.
        uint256 leastStake = p.token == address(0) ? (uint256(p.prizes[0]) + 49) / 50 : LEAST_TOKEN_STAKE;
        if (p.stake < leastStake) revert IMarketErrors.StakeTooLow(p.stake, leastStake);
        uint256 asked = reward + p.bond;
        uint256 value = p.token == address(0) ? asked : 0;
        if (msg.value != value) revert IMarketErrors.ValueWrong(msg.value, value);
        b.prizeCount = uint8(count);
        b.bond = p.bond;
        b.stake = p.stake;
        b.held = uint112(asked);
    }

    /// @dev Last, when the bounty is written. What arrived counts, not what the token says: a fee, a lie
    /// or a balance that moves by itself is refused here.
    function _fillPot(uint256 id, Stored storage b, address token) private {
        if (token.code.length == 0) revert IMarketErrors.TokenNotSupported(token);
        address pot = address(new TokenPot{salt: bytes32(id)}(token));
        b.pot = pot;
        uint256 asked = b.held;
        uint256 before = Tokens.balanceOf(token, pot);
        bool ok = Tokens.transferFrom(token, msg.sender, pot, asked);
        uint256 present = Tokens.balanceOf(token, pot);
        uint256 received = present < before ? 0 : present - before;
        if (!ok || received != asked) revert IMarketErrors.TokenTransferFailed(token, received, asked);
    }

    function _storeWindows(Stored storage b, IBountyMarket.Params calldata p) private {
        IBountyMarket.Windows calldata w = p.windows;
        bool development = block.chainid == 31337 || block.chainid == 1337;
        uint256 least = development ? 1 : LEAST_WINDOW;
        uint256 commitLength = w.commitEnd > block.timestamp ? w.commitEnd - block.timestamp : 0;
        _checkWindow(0, commitLength, least, MOST_COMMIT);
        _checkWindow(1, w.gap, development ? 0 : LEAST_GAP, MOST_GAP);
        bool open = p.mode == IBountyMarket.Mode.Open;
        _checkWindow(2, w.reveal, open ? 0 : least, open ? 0 : MOST_WINDOW);
        _checkWindow(3, w.attest, open ? 0 : least, open ? 0 : MOST_WINDOW);
        _checkWindow(4, w.prove, least, MOST_WINDOW);
        _checkWindow(5, w.claim, development ? 1 : LEAST_CLAIM, MOST_WINDOW);
        // Who challenges last must be answered before Prove can end.
        _checkWindow(6, w.challenge, least, open ? MOST_WINDOW : w.prove);
        _checkWindow(7, w.answer, least, MOST_ANSWER);
        b.windows = StoredWindows(
            w.commitEnd, uint24(w.gap), w.reveal, w.attest, w.prove, w.claim, w.challenge, w.answer
        );
    }

    function _checkWindow(uint8 which, uint256 length, uint256 least, uint256 most) private pure {
        if (length < least || length > most) revert IMarketErrors.WindowInvalid(which, length, least, most);
    }

    function _storeTestSet(Stored storage b, IBountyMarket.Params calldata p) private {
        uint256 count = p.lengths.length;
        if (count == 0 || count > MAX_SHARDS) revert IMarketErrors.ShardCountInvalid(count);
        bytes32 schemaId = Schemas.describe(p.schema);
        uint256 offset = p.schema.offset;
        uint256 stride = p.schema.stride;
        uint256 samples;
        for (uint256 i; i < count; ++i) {
            uint32 length = p.lengths[i];
            if (length <= offset || length > MAX_SHARD_BYTES || (length - offset) % stride != 0) {
                revert IMarketErrors.ShardLengthInvalid(i, length);
            }
            b.lengths[i] = length;
            samples += (length - offset) / stride;
        }
        uint256 least = block.chainid == 31337 || block.chainid == 1337 ? 1 : LEAST_SAMPLES;
        if (samples < least) revert IMarketErrors.TooFewSamples(samples, least);
        uint256 most = Metrics.most(p.metric, samples);
        if (p.threshold == 0 || p.threshold > most) revert IMarketErrors.ThresholdInvalid(p.threshold, most);
        b.schemaId = schemaId;
        b.offset = uint24(offset);
        b.stride = uint24(stride);
        b.shardCount = uint16(count);
        b.samples = uint32(samples);
        b.threshold = p.threshold;
        b.metric = p.metric;
        b.datasetVkId = p.datasetVkId;
        if (keyRegistry.roleOf(p.datasetVkId) != IKeyRegistry.Role.Dataset) revert IMarketErrors.KeyRoleWrong(p.datasetVkId);
        if (p.mode == IBountyMarket.Mode.Sealed) {
            if (p.holdout == 0 || p.digests.length != 0) revert IMarketErrors.ModeMismatch();
            b.holdout = p.holdout;
        } else {
            if (p.holdout != 0) revert IMarketErrors.ModeMismatch();
            _storeDigests(b, p.digests);
            b.revealedAt = uint40(block.timestamp);
            _fixDataset(b);
        }
    }

    function _storeDraw(uint256 id, Stored storage b, IBountyMarket.Params calldata p) private {
        if (p.draw.pool == 0 && p.draw.window == 0) return;
        uint256 count = p.lengths.length;
        if (p.mode != IBountyMarket.Mode.Sealed || p.draw.pool <= count || p.draw.pool > MAX_SHARDS) {
            revert IMarketErrors.DrawInvalid();
        }
        // Which shards stay is not known yet, so that all must count alike.
        for (uint256 i = 1; i < count; ++i) {
            if (p.lengths[i] != p.lengths[0]) revert IMarketErrors.DrawInvalid();
        }
        uint256 commitLength = p.windows.commitEnd - block.timestamp;
        _checkWindow(8, p.draw.window, 1, commitLength - 1);
        b.drawn = DrawPhase.Waiting;
        StoredDraw storage d = draws[id];
        d.pool = p.draw.pool;
        d.end = uint40(block.timestamp + p.draw.window);
        d.beaconBlock = uint64(block.number + BEACON_DELAY);
    }

    function _storeKeys(Stored storage b, IBountyMarket.Params calldata p) private {
        uint256 count = p.scoreVkIds.length;
        if (count == 0 || count > MAX_KEYS) revert IMarketErrors.KeyCountInvalid(count);
        for (uint256 i; i < count; ++i) {
            bytes32 vkId = p.scoreVkIds[i];
            if (keyRegistry.roleOf(vkId) != IKeyRegistry.Role.Score) revert IMarketErrors.KeyRoleWrong(vkId);
            b.scoreKeys[i] = vkId;
        }
        b.keyCount = uint8(count);
        if (!BabyJubJub.onCurve(p.pkX, p.pkY)) revert IMarketErrors.EncryptionKeyInvalid();
        (bool ok, uint256 x, uint256 y) = BabyJubJub.timesEight(p.pkX, p.pkY);
        if (!ok) revert IMarketErrors.EncryptionKeyInvalid();
        b.pkX = x;
        b.pkY = y;
    }

    function _storeAllowed(uint256 id, Stored storage b, address[] calldata list) private {
        if (list.length == 0) return;
        if (list.length > MAX_ALLOWED) revert IMarketErrors.AllowListInvalid();
        b.restricted = true;
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == address(0) || list[i] == msg.sender) revert IMarketErrors.AllowListInvalid();
            allowed[id][list[i]] = true;
        }
    }

    // ----------------------------------------------------------------- keys

    function proposeKey(uint256 id, bytes32 vkId, bytes32 architecture) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Commit);
        _checkNewKey(b, vkId);
        emit IMarketEvents.KeyProposed(id, msg.sender, vkId, architecture);
    }

    function acceptKey(uint256 id, bytes32 vkId) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Commit);
        if (msg.sender != b.owner) revert IMarketErrors.NotOwner(msg.sender);
        _checkNewKey(b, vkId);
        b.scoreKeys[b.keyCount++] = vkId;
        emit IMarketEvents.KeyAccepted(id, vkId);
    }

    function _checkNewKey(Stored storage b, bytes32 vkId) private view {
        uint256 count = b.keyCount;
        if (count == MAX_KEYS) revert IMarketErrors.KeyCountInvalid(count + 1);
        for (uint256 i; i < count; ++i) {
            if (b.scoreKeys[i] == vkId) revert IMarketErrors.KeyAlreadyAccepted(vkId);
        }
        if (keyRegistry.roleOf(vkId) != IKeyRegistry.Role.Score) revert IMarketErrors.KeyRoleWrong(vkId);
    }

    // ----------------------------------------------------------------- draw

    function draw(uint256 id) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Commit);
        StoredDraw storage d = draws[id];
        if (b.drawn != DrawPhase.Waiting || d.picked != 0) revert IMarketErrors.NothingToDraw();
        // One block, fixed at creation: who could choose when to draw could choose the draw.
        bytes32 beacon = blockhash(d.beaconBlock);
        if (beacon == 0) revert IMarketErrors.BeaconUnknown(d.beaconBlock);
        bytes32 seed = keccak256(abi.encode(Tags.DRAW, beacon, block.chainid, address(this), id, b.holdout));
        uint256 count = d.pool - b.shardCount;
        uint256 picked = Pool.pick(seed, d.pool, count);
        d.picked = picked;
        d.left = uint16(count);
        emit IMarketEvents.DrawPicked(id, beacon, picked, d.end);
    }

    function openDrawn(uint256 id, IBountyMarket.Opening[] calldata openings) external exclusive {
        Stored storage b = _in(id, IBountyMarket.Phase.Commit);
        StoredDraw storage d = draws[id];
        for (uint256 i; i < openings.length; ++i) {
            _open(id, b.holdout, d, openings[i]);
        }
        if (d.picked != 0 && d.left == 0) b.drawn = DrawPhase.Opened;
    }

    function _open(uint256 id, bytes32 root, StoredDraw storage d, IBountyMarket.Opening calldata o) private {
        uint256 j = o.index;
        bool wanted = j < d.pool && (d.picked >> j) & 1 == 1 && (d.opened >> j) & 1 == 0;
        if (!wanted || o.path.length != Pool.depth(d.pool)) revert IMarketErrors.OpeningInvalid(j);
        if (Pool.climb(j, Pool.leaf(j, o.salt, o.digest), o.path) != root) revert IMarketErrors.OpeningInvalid(j);
        d.opened |= 1 << j;
        --d.left;
        d.digests[j] = o.digest;
        emit IMarketEvents.DrawOpened(id, o.index, o.digest);
    }

    function drawOf(uint256 id) external view returns (IBountyMarket.DrawState memory) {
        _known(id);
        StoredDraw storage d = draws[id];
        return IBountyMarket.DrawState(d.pool, d.left, d.end, d.beaconBlock, d.picked, d.opened);
    }

    function drawnOf(uint256 id) external view returns (uint16[] memory indices, bytes32[] memory digests) {
        _known(id);
        StoredDraw storage d = draws[id];
        uint256 opened = d.opened;
        uint256 count;
        for (uint256 rest = opened; rest != 0; rest &= rest - 1) {
            ++count;
        }
        indices = new uint16[](count);
        digests = new bytes32[](count);
        for (uint256 j = MAX_SHARDS; count != 0;) {
            --j;
            if ((opened >> j) & 1 == 0) continue;
            indices[--count] = uint16(j);
            digests[count] = d.digests[j];
        }
    }
}
