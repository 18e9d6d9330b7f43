// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IReleaseVerifier, ReleaseStatement} from "./interfaces/IReleaseVerifier.sol";
import {IScoreVerifier, ScoreStatement} from "./interfaces/IScoreVerifier.sol";
import {MarketStorage} from "./MarketStorage.sol";
import {BabyJubJub} from "./libraries/BabyJubJub.sol";
import {Ciphertext} from "./libraries/Ciphertext.sol";
import {Schemas} from "./libraries/Schemas.sol";
import {FIELD_ORDER, MAX_SHARD_BYTES, Tags} from "./libraries/Tags.sol";

/// @title Bounties for models with proven accuracy
/// @dev Order of this file: the owner's side, the hunter's side, the ends. State, clock and views
/// are in MarketStorage, payments in Ledger; units, events and errors in IBountyMarket.
contract BountyMarket is MarketStorage {
    /// @dev Least lengths on a chain where a window is somebody's time: commit, gap, reveal, attest,
    /// prove, claim, in seconds. The gap covers finality (two epochs are 12.8 minutes).
    uint256 private constant LEAST_WINDOW = 1 hours;
    uint256 private constant LEAST_GAP = 15 minutes;
    uint256 private constant LEAST_CLAIM = 24 hours;
    uint256 private constant MOST_COMMIT = 365 days;
    uint256 private constant MOST_WINDOW = 90 days;
    uint256 private constant MOST_GAP = 1 days;
    /// @dev Fewer samples decide nothing, and a hunter could guess them.
    uint256 private constant LEAST_SAMPLES = 64;
    uint256 private constant MAX_ALLOWED = 64;

    constructor(IDatasetRegistry datasetRegistry_) MarketStorage(datasetRegistry_) {}

    // ---------------------------------------------------- the owner's side

    /// @inheritdoc IBountyMarket
    function create(Params calldata p) external payable exclusive returns (uint256 id) {
        if (p.token != address(0)) revert TokenNotSupported(p.token);
        id = ++bountyCount;
        Stored storage b = bounties[id];
        b.owner = msg.sender;
        b.mode = p.mode;
        _storeMoney(b, p);
        _storeWindows(b, p);
        _storeTestSet(b, p);
        _storeKeys(b, p);
        _storeAllowed(id, b, p.allowed);
        emit BountyCreated(id, msg.sender, b.schemaId, b.samples, b.pkX, b.pkY, p);
    }

    function _storeMoney(Stored storage b, Params calldata p) private {
        uint256 count = p.prizes.length;
        if (count == 0 || count > MAX_PRIZES) revert PrizesInvalid();
        uint256 reward;
        for (uint256 i; i < count; ++i) {
            uint96 prize = p.prizes[i];
            if (prize == 0 || (i != 0 && prize > p.prizes[i - 1])) revert PrizesInvalid();
            b.prizes[i] = prize;
            reward += prize;
        }
        // Rounded up: a wei less than a tenth is less than a tenth.
        uint256 leastBond = (reward + 9) / 10;
        if (p.bond < leastBond) revert BondTooLow(p.bond, leastBond);
        uint256 leastStake = (uint256(p.prizes[0]) + 49) / 50;
        if (p.stake < leastStake) revert StakeTooLow(p.stake, leastStake);
        uint256 asked = reward + p.bond;
        if (msg.value != asked) revert ValueWrong(msg.value, asked);
        b.prizeCount = uint8(count);
        b.bond = p.bond;
        b.stake = p.stake;
        b.held = uint128(asked);
    }

    function _storeWindows(Stored storage b, Params calldata p) private {
        Windows calldata w = p.windows;
        bool development = block.chainid == 31337 || block.chainid == 1337;
        uint256 least = development ? 1 : LEAST_WINDOW;
        uint256 commitLength = w.commitEnd > block.timestamp ? w.commitEnd - block.timestamp : 0;
        _checkWindow(0, commitLength, least, MOST_COMMIT);
        _checkWindow(1, w.gap, development ? 0 : LEAST_GAP, MOST_GAP);
        bool open = p.mode == Mode.Open;
        _checkWindow(2, w.reveal, open ? 0 : least, open ? 0 : MOST_WINDOW);
        _checkWindow(3, w.attest, open ? 0 : least, open ? 0 : MOST_WINDOW);
        _checkWindow(4, w.prove, least, MOST_WINDOW);
        _checkWindow(5, w.claim, development ? 1 : LEAST_CLAIM, MOST_WINDOW);
        b.windows = w;
    }

    function _checkWindow(uint8 which, uint256 length, uint256 least, uint256 most) private pure {
        if (length < least || length > most) revert WindowInvalid(which, length, least, most);
    }

    function _storeTestSet(Stored storage b, Params calldata p) private {
        uint256 count = p.lengths.length;
        if (count == 0 || count > MAX_SHARDS) revert ShardCountInvalid(count);
        (bytes32 schemaId, uint32 record) = Schemas.describe(p.schema);
        uint256 samples;
        for (uint256 i; i < count; ++i) {
            uint32 length = p.lengths[i];
            if (length == 0 || length > MAX_SHARD_BYTES || length % record != 0) {
                revert ShardLengthInvalid(i, length);
            }
            b.lengths[i] = length;
            samples += length / record;
        }
        uint256 least = block.chainid == 31337 || block.chainid == 1337 ? 1 : LEAST_SAMPLES;
        if (samples < least) revert TooFewSamples(samples, least);
        if (p.threshold == 0 || p.threshold > samples) revert ThresholdInvalid(p.threshold, samples);
        b.schemaId = schemaId;
        b.recordBytes = record;
        b.shardCount = uint16(count);
        b.samples = uint32(samples);
        b.threshold = p.threshold;
        b.datasetVkId = p.datasetVkId;
        if (keyRegistry.roleOf(p.datasetVkId) != IKeyRegistry.Role.Dataset) revert KeyRoleWrong(p.datasetVkId);
        if (p.mode == Mode.Sealed) {
            if (p.holdout == 0 || p.digests.length != 0) revert ModeMismatch();
            b.holdout = p.holdout;
        } else {
            if (p.holdout != 0) revert ModeMismatch();
            _storeDigests(b, p.digests);
            b.revealedAt = uint40(block.timestamp);
            _fixDataset(b);
        }
    }

    function _storeKeys(Stored storage b, Params calldata p) private {
        uint256 count = p.scoreVkIds.length;
        if (count == 0 || count > MAX_KEYS) revert KeyCountInvalid(count);
        for (uint256 i; i < count; ++i) {
            bytes32 vkId = p.scoreVkIds[i];
            if (keyRegistry.roleOf(vkId) != IKeyRegistry.Role.Score) revert KeyRoleWrong(vkId);
            b.scoreKeys[i] = vkId;
        }
        b.keyCount = uint8(count);
        if (!BabyJubJub.onCurve(p.pkX, p.pkY)) revert EncryptionKeyInvalid();
        (bool ok, uint256 x, uint256 y) = BabyJubJub.timesEight(p.pkX, p.pkY);
        if (!ok) revert EncryptionKeyInvalid();
        b.pkX = x;
        b.pkY = y;
    }

    function _storeAllowed(uint256 id, Stored storage b, address[] calldata list) private {
        if (list.length == 0) return;
        if (list.length > MAX_ALLOWED) revert AllowListInvalid();
        b.restricted = true;
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == address(0) || list[i] == msg.sender) revert AllowListInvalid();
            allowed[id][list[i]] = true;
        }
    }

    /// @inheritdoc IBountyMarket
    function reveal(uint256 id, bytes32 salt, bytes32[] calldata digests) external exclusive {
        Stored storage b = _in(id, Phase.Reveal);
        uint256 start = uint256(b.windows.commitEnd) + b.windows.gap;
        if (block.timestamp < start) revert TooEarly(start);
        bytes32 all = keccak256(abi.encodePacked(digests));
        if (keccak256(abi.encode(Tags.HOLDOUT, salt, all)) != b.holdout) revert HoldoutMismatch();
        _storeDigests(b, digests);
        b.revealedAt = uint40(block.timestamp);
        emit HoldoutRevealed(id, salt, digests, block.timestamp + b.windows.attest);
    }

    /// @dev One block twice would be one test counted twice.
    function _storeDigests(Stored storage b, bytes32[] calldata digests) private {
        uint256 count = digests.length;
        if (count != b.shardCount) revert DigestsInvalid();
        for (uint256 i; i < count; ++i) {
            bytes32 digest = digests[i];
            for (uint256 j; j < i; ++j) {
                if (digests[j] == digest) revert DigestsInvalid();
            }
            b.digests[i] = digest;
        }
    }

    /// @inheritdoc IBountyMarket
    function attest(uint256 id) external exclusive {
        Stored storage b = _in(id, Phase.Attest);
        _fixDataset(b);
        emit DatasetAttested(id, b.dataset, _proveEnd(b));
    }

    function _fixDataset(Stored storage b) private {
        (bytes32 D,, uint32[] memory lengths) =
            datasetRegistry.datasetOf(b.datasetVkId, b.schemaId, b.recordBytes, _digests(b));
        for (uint256 i; i < lengths.length; ++i) {
            uint32 published = b.lengths[i];
            if (lengths[i] != published) revert LengthMismatch(i, lengths[i], published);
        }
        b.dataset = D;
        b.attestedAt = uint40(block.timestamp);
    }

    // --------------------------------------------------- the hunter's side

    /// @inheritdoc IBountyMarket
    function commit(uint256 id, uint8 slot, bytes32 h, bytes32 vkId, address payout) external payable exclusive {
        Stored storage b = _in(id, Phase.Commit);
        if (slot >= SLOTS) revert SlotInvalid(slot);
        if (h == 0 || payout == address(0)) revert EntryInvalid();
        if (msg.sender == b.owner || (b.restricted && !allowed[id][msg.sender])) revert NotAllowed(msg.sender);
        if (msg.value != b.stake) revert ValueWrong(msg.value, b.stake);
        StoredEntry storage e = entries[id][msg.sender][slot];
        if (e.state != EntryState.None) revert SlotTaken(msg.sender, slot);
        uint32 seq = ++b.entrants;
        ++b.staked;
        b.held += uint128(msg.value);
        e.payout = payout;
        e.seq = seq;
        e.state = EntryState.Committed;
        e.keyIndex = _keyIndex(b, vkId);
        e.h = h;
        emit EntryCommitted(id, msg.sender, slot, seq, h, vkId, payout);
    }

    function _keyIndex(Stored storage b, bytes32 vkId) private view returns (uint8) {
        uint8 count = b.keyCount;
        for (uint8 i; i < count; ++i) {
            if (b.scoreKeys[i] == vkId) return i;
        }
        revert KeyNotAccepted(vkId);
    }

    /// @inheritdoc IBountyMarket
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
        Phase phase = _phase(b);
        bool early = phase == Phase.Commit && b.mode == Mode.Open;
        if (phase != Phase.Prove && !early) revert PhaseWrong(phase);
        StoredEntry storage e = entries[id][msg.sender][slot];
        if (e.state == EntryState.None) revert EntryUnknown(msg.sender, slot);
        if (shard >= b.shardCount) revert ShardUnknown(shard);
        if ((e.proved >> shard) & 1 == 1) revert ShardAlreadyProved(shard);
        if (x.C >= FIELD_ORDER) revert NotAFieldElement(x.C);
        if (x.R >= FIELD_ORDER) revert NotAFieldElement(x.R);
        bytes32 vkId = b.scoreKeys[e.keyIndex];
        x.ctx = _context(id, msg.sender, slot, vkId);
        if (keccak256(abi.encode(Tags.COMMIT, x.ctx, x.C)) != e.h) revert CommitmentMismatch();
        _verifyScore(b, vkId, shard, x, proof);
        e.proved |= 1 << shard;
        e.score += uint32(x.score);
        if (e.model == 0) e.model = x.C;
        emit ShardProved(id, msg.sender, slot, x.C, shard, uint32(x.score), x.R);
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
        x.n = b.lengths[shard] / b.recordBytes;
        if (x.score > x.n) revert ScoreTooHigh(x.score, x.n);
        (, x.s) = datasetRegistry.shard(b.datasetVkId, b.digests[shard]);
        IKeyRegistry.Key memory k = keyRegistry.key(vkId);
        if (!IScoreVerifier(k.adapter).verify(k.chunks, x, proof)) revert ProofInvalid();
    }

    function _scored(uint256 id, Stored storage b, StoredEntry storage e, uint8 slot) private {
        uint32 score = e.score;
        bool ranked = score >= b.threshold && _insert(id, b, e, slot);
        if (ranked) {
            e.state = EntryState.Ranked;
        } else {
            e.state = EntryState.Proved;
            _returnStake(id, b, e.payout);
        }
        emit EntryScored(id, msg.sender, slot, score, ranked);
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
            out.state = EntryState.Proved;
            _returnStake(id, b, out.payout);
            emit EntryDisplaced(id, last.hunter, last.slot);
        }
        for (uint256 i = count; i > place; --i) {
            b.board[i] = b.board[i - 1];
        }
        b.board[place] = row;
        b.rankedCount = uint8(count + 1);
        return true;
    }

    /// @inheritdoc IBountyMarket
    function claim(
        uint256 id,
        address hunter,
        uint8 slot,
        uint256 epkX,
        uint256 epkY,
        bytes calldata ciphertext,
        bytes calldata proof
    ) external exclusive {
        uint8 prize = _claimable(id, hunter, slot);
        ReleaseStatement memory x;
        x.epkX = epkX;
        x.epkY = epkY;
        _verifyRelease(id, hunter, slot, x, ciphertext, proof);
        uint256 amount = _payPrize(id, hunter, slot, prize);
        emit PrizeClaimed(id, hunter, slot, prize, amount, epkX, epkY, ciphertext);
    }

    /// @dev The prize an entry may claim now.
    function _claimable(uint256 id, address hunter, uint8 slot) private returns (uint8) {
        Stored storage b = _in(id, Phase.Claim);
        _openClaims(b);
        (uint256 start, uint256 end) = _round(b);
        if (block.timestamp < start || block.timestamp >= end) revert RoundClosed(start, end);
        if (entries[id][hunter][slot].state == EntryState.Ranked) {
            uint256 count = b.cursor;
            for (uint256 i; i < count; ++i) {
                StoredRow storage row = b.board[i];
                if (row.hunter == hunter && row.slot == slot) return _prizeOf(b, i);
            }
        }
        revert NotClaimable(hunter, slot);
    }

    /// @dev z and y are the contract's: the statement says that the ciphertext whose words sum to y
    /// at z holds the weights under C, and z is known only once the ciphertext is.
    function _verifyRelease(
        uint256 id,
        address hunter,
        uint8 slot,
        ReleaseStatement memory x,
        bytes calldata ciphertext,
        bytes calldata proof
    ) private view {
        if (x.epkX >= FIELD_ORDER) revert NotAFieldElement(x.epkX);
        if (x.epkY >= FIELD_ORDER) revert NotAFieldElement(x.epkY);
        bytes32 vkId = _fillRelease(id, hunter, slot, x);
        IKeyRegistry.Key memory k = keyRegistry.key(vkId);
        uint256 asked = uint256(k.link) * 32;
        if (ciphertext.length != asked) revert CiphertextLength(ciphertext.length, asked);
        x.z = _point(vkId, sha256(ciphertext), x);
        x.y = Ciphertext.evaluate(ciphertext, x.z);
        if (!IReleaseVerifier(k.adapter).verify(k.chunks, x, proof)) revert ProofInvalid();
    }

    /// @dev The evaluation point: known only after everything a claimant chooses.
    function _point(bytes32 vkId, bytes32 digest, ReleaseStatement memory x) private pure returns (uint256) {
        bytes32 seed = keccak256(abi.encode(Tags.Z, vkId, digest, x.epkX, x.epkY, x.C, x.pkX, x.pkY, x.ctx));
        return uint256(seed) % FIELD_ORDER;
    }

    /// @dev What storage knows of a claim, and the release key that goes with the entry's score key.
    function _fillRelease(uint256 id, address hunter, uint8 slot, ReleaseStatement memory x)
        private
        view
        returns (bytes32)
    {
        Stored storage b = bounties[id];
        StoredEntry storage e = entries[id][hunter][slot];
        bytes32 vkId = b.scoreKeys[e.keyIndex];
        x.ctx = _context(id, hunter, slot, vkId);
        x.C = e.model;
        x.pkX = b.pkX;
        x.pkY = b.pkY;
        return keyRegistry.linkOf(vkId);
    }

    function _payPrize(uint256 id, address hunter, uint8 slot, uint8 prize) private returns (uint256 amount) {
        Stored storage b = bounties[id];
        StoredEntry storage e = entries[id][hunter][slot];
        e.state = EntryState.Claimed;
        ++b.paidCount;
        --b.pending;
        amount = b.prizes[prize];
        _pay(id, b, e.payout, amount);
        _returnStake(id, b, e.payout);
    }

    /// @dev The first act of Claim writes down who may claim: the paid ranks, as far as there are any.
    function _openClaims(Stored storage b) private {
        if (b.claimStart != 0 || b.rankedCount == 0) return;
        (uint256 start,) = _round(b);
        b.claimStart = uint40(start);
        uint8 first = b.rankedCount < b.prizeCount ? b.rankedCount : b.prizeCount;
        b.cursor = first;
        b.pending = first;
    }

    /// @inheritdoc IBountyMarket
    function lapse(uint256 id) external exclusive {
        Stored storage b = _in(id, Phase.Claim);
        _openClaims(b);
        (, uint256 end) = _round(b);
        if (b.pending == 0 || block.timestamp < end) revert NothingLapsed();
        _lapse(id, b);
    }

    /// @dev The best open prize goes to the best reserve. Nobody's window shrinks because this call
    /// came late: the next round starts now.
    function _lapse(uint256 id, Stored storage b) private {
        uint256 given = b.cursor;
        uint256 next = given;
        uint256 count = b.rankedCount;
        uint256 start = block.timestamp + b.windows.gap;
        for (uint256 i; i < given; ++i) {
            StoredRow storage row = b.board[i];
            StoredEntry storage e = entries[id][row.hunter][row.slot];
            if (e.state != EntryState.Ranked) continue;
            e.state = EntryState.Lapsed;
            uint8 prize = _prizeOf(b, i);
            emit EntryLapsed(id, row.hunter, row.slot, prize);
            if (next < count) {
                StoredRow storage reserve = b.board[next++];
                reserve.prize = prize;
                emit EntryPromoted(id, reserve.hunter, reserve.slot, prize, start);
            }
        }
        b.cursor = uint8(next);
        b.pending = uint8(next - given);
        b.claimStart = uint40(start);
    }

    // ------------------------------------------------------------ the ends

    /// @inheritdoc IBountyMarket
    function finalize(uint256 id) external exclusive {
        Stored storage b = _in(id, Phase.Claim);
        _openClaims(b);
        if (b.pending != 0) {
            (, uint256 end) = _round(b);
            if (block.timestamp >= end) {
                _lapse(id, b);
                (, end) = _round(b);
            }
            if (b.pending != 0) revert ClaimsPending(end);
        }
        uint256 lost = _settleBoard(id, b);
        _settle(id, b, Phase.Closed, lost, 0);
    }

    /// @dev Reserves get their stakes back. A lapsed stake is shared by the claimed ranks after it;
    /// without any it is lost, as are the divisions' remainders. Never does the owner get it: a
    /// lapse must not pay whoever could provoke it.
    function _settleBoard(uint256 id, Stored storage b) private returns (uint256 lost) {
        uint256 stake = b.stake;
        uint256 after_ = b.paidCount;
        uint256 portion;
        uint256 count = b.rankedCount;
        for (uint256 i; i < count; ++i) {
            StoredRow storage row = b.board[i];
            StoredEntry storage e = entries[id][row.hunter][row.slot];
            if (e.state == EntryState.Claimed) {
                --after_;
                if (portion != 0) _pay(id, b, e.payout, portion);
            } else if (e.state == EntryState.Lapsed) {
                --b.staked;
                uint256 each = after_ == 0 ? 0 : stake / after_;
                portion += each;
                lost += stake - each * after_;
            } else {
                e.state = EntryState.Refunded;
                _returnStake(id, b, e.payout);
                emit EntryRefunded(id, row.hunter, row.slot, stake);
            }
        }
    }

    /// @inheritdoc IBountyMarket
    function timeout(uint256 id) external exclusive {
        Stored storage b = _in(id, Phase.Defaulted);
        if (b.settled != Phase.None) revert PhaseWrong(Phase.Defaulted);
        _loseBond(id, b, Phase.Defaulted);
    }

    /// @inheritdoc IBountyMarket
    function cancel(uint256 id, uint32 mostEntrants) external exclusive {
        Stored storage b = _in(id, Phase.Commit);
        if (msg.sender != b.owner) revert NotOwner(msg.sender);
        // Else whoever sees the cancellation enters first, for half the bond.
        if (b.entrants > mostEntrants) revert TooManyEntrants(b.entrants, mostEntrants);
        if (b.rankedCount != 0) revert CancelTooLate();
        _loseBond(id, b, Phase.Cancelled);
    }

    /// @dev Half the bond to the entries, half burnt: an owner who enters its own bounty under other
    /// names still loses half. Without entries nothing is lost.
    function _loseBond(uint256 id, Stored storage b, Phase phase) private {
        uint256 entrants = b.entrants;
        if (entrants == 0) {
            _settle(id, b, phase, 0, 0);
            return;
        }
        uint256 bond = b.bond;
        uint256 share = bond / 2 / entrants;
        b.share = uint128(share);
        _settle(id, b, phase, bond - share * entrants, share * entrants);
    }

    /// @dev Everything not burnt, promised to entries or staked returns to the owner.
    function _settle(uint256 id, Stored storage b, Phase phase, uint256 lost, uint256 promised) private {
        b.settled = phase;
        b.held -= uint128(lost);
        _burn(lost);
        uint256 residue = b.held - promised - uint256(b.staked) * b.stake;
        _pay(id, b, b.owner, residue);
        emit BountySettled(id, phase, residue, lost, b.share);
    }

    /// @inheritdoc IBountyMarket
    function refund(uint256 id, address hunter, uint8 slot) external exclusive {
        Stored storage b = _known(id);
        StoredEntry storage e = entries[id][hunter][slot];
        if (b.settled == Phase.None) revert NothingToRefund();
        uint256 amount = b.share;
        if (e.state == EntryState.Committed) {
            amount += b.stake;
            --b.staked;
        } else if (e.state != EntryState.Proved || amount == 0) {
            // Scored entries have their stake back; only a lost bond owes them more.
            revert NothingToRefund();
        }
        e.state = EntryState.Refunded;
        _pay(id, b, e.payout, amount);
        emit EntryRefunded(id, hunter, slot, amount);
    }

    function _returnStake(uint256 id, Stored storage b, address payout) private {
        --b.staked;
        _pay(id, b, payout, b.stake);
    }

    /// @dev Out of the bounty, into the ledger. What a bounty does not hold, it cannot pay.
    function _pay(uint256 id, Stored storage b, address account, uint256 amount) private {
        b.held -= uint128(amount);
        _credit(id, account, amount);
    }
}
