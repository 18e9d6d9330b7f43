// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {IMarketEvents} from "./interfaces/IMarketEvents.sol";
import {IReleaseVerifier, ReleaseStatement} from "./interfaces/IReleaseVerifier.sol";
import {MarketModule} from "./MarketModule.sol";
import {Ciphertext} from "./libraries/Ciphertext.sol";
import {CHUNK_WORDS, FIELD_ORDER, Tags} from "./libraries/Tags.sol";

/// @title Claiming: prizes for encrypted weights
/// @dev A ciphertext that fits calldata is checked and paid at once. A larger one lies elsewhere: the
/// claim names its chunks, the owner may have any of them shown, and is paid for what it could see.
contract MarketClaiming is MarketModule {
    constructor(IDatasetRegistry datasetRegistry_) MarketModule(datasetRegistry_) {}

    // ---------------------------------------------------------- in calldata

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
        emit IMarketEvents.PrizeClaimed(id, hunter, slot, prize, amount, epkX, epkY, ciphertext);
    }

    /// @dev The prize an entry may claim now.
    function _claimable(uint256 id, address hunter, uint8 slot) private returns (uint8) {
        Stored storage b = _in(id, IBountyMarket.Phase.Claim);
        (uint256 start, uint256 end) = _round(b);
        _openClaims(b, start);
        if (block.timestamp < start || block.timestamp >= end) revert IMarketErrors.RoundClosed(start, end);
        bool may = entries[id][hunter][slot].state == IBountyMarket.EntryState.Ranked;
        if (may && !listings[id][hunter][slot].failed) {
            uint256 count = b.cursor;
            for (uint256 i; i < count; ++i) {
                StoredRow storage row = b.board[i];
                if (row.hunter == hunter && row.slot == slot) return _prizeOf(b, i);
            }
        }
        revert IMarketErrors.NotClaimable(hunter, slot);
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
        (bytes32 vkId, IKeyRegistry.Key memory k) = _fillRelease(id, hunter, slot, x);
        uint256 asked = uint256(k.link) * 32;
        if (ciphertext.length != asked) revert IMarketErrors.CiphertextLength(ciphertext.length, asked);
        x.z = _point(vkId, sha256(ciphertext), x);
        x.y = Ciphertext.evaluate(ciphertext, x.z);
        if (!IReleaseVerifier(k.adapter).verify(k.chunks, x, proof)) revert IMarketErrors.ProofInvalid();
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
        returns (bytes32 vkId, IKeyRegistry.Key memory k)
    {
        if (x.epkX >= FIELD_ORDER) revert IMarketErrors.NotAFieldElement(x.epkX);
        if (x.epkY >= FIELD_ORDER) revert IMarketErrors.NotAFieldElement(x.epkY);
        Stored storage b = bounties[id];
        StoredEntry storage e = entries[id][hunter][slot];
        bytes32 scoreVkId = b.scoreKeys[e.keyIndex];
        x.ctx = _context(id, hunter, slot, scoreVkId);
        x.C = e.model;
        x.pkX = b.pkX;
        x.pkY = b.pkY;
        vkId = keyRegistry.linkOf(scoreVkId);
        k = keyRegistry.key(vkId);
    }

    function _payPrize(uint256 id, address hunter, uint8 slot, uint8 prize) private returns (uint256 amount) {
        Stored storage b = bounties[id];
        StoredEntry storage e = entries[id][hunter][slot];
        e.state = IBountyMarket.EntryState.Claimed;
        ++b.paidCount;
        --b.pending;
        amount = b.prizes[prize];
        _pay(id, b, e.payout, amount);
        _returnStake(id, b, e.payout);
    }

    // ------------------------------------------------------------ in chunks

    function claimChunks(
        uint256 id,
        address hunter,
        uint8 slot,
        uint256 epkX,
        uint256 epkY,
        bytes32[] calldata digests,
        uint256[] calldata sums,
        bytes calldata proof
    ) external exclusive {
        uint8 prize = _claimable(id, hunter, slot);
        ReleaseStatement memory x;
        x.epkX = epkX;
        x.epkY = epkY;
        _verifyListing(id, hunter, slot, x, digests, sums, proof);
        uint256 until = _list(id, hunter, slot, prize, keccak256(abi.encode(x.z, digests, sums)));
        emit IMarketEvents.ClaimListed(id, hunter, slot, prize, epkX, epkY, x.z, digests, sums, until);
    }

    /// @dev As `_verifyRelease`, over a ciphertext that is not here: z follows from the digests of its
    /// chunks, y from the sums the claimant gives of them. Every chunk that has its digest and its sum
    /// makes y the ciphertext's own value at a point fixed after it; one that has not cannot be shown.
    function _verifyListing(
        uint256 id,
        address hunter,
        uint8 slot,
        ReleaseStatement memory x,
        bytes32[] calldata digests,
        uint256[] calldata sums,
        bytes calldata proof
    ) private view {
        (bytes32 vkId, IKeyRegistry.Key memory k) = _fillRelease(id, hunter, slot, x);
        uint256 asked = _chunks(uint256(k.link));
        if (digests.length != asked || sums.length != asked) {
            revert IMarketErrors.ChunksInvalid(digests.length, asked);
        }
        x.z = _point(vkId, sha256(abi.encodePacked(digests)), x);
        x.y = Ciphertext.join(sums, x.z);
        if (!IReleaseVerifier(k.adapter).verify(k.chunks, x, proof)) revert IMarketErrors.ProofInvalid();
    }

    /// @dev Chunks of a ciphertext that does not fit calldata; none of one that does.
    function _chunks(uint256 words) private pure returns (uint256) {
        return words <= CHUNK_WORDS ? 0 : (words + CHUNK_WORDS - 1) / CHUNK_WORDS;
    }

    function _list(uint256 id, address hunter, uint8 slot, uint8 prize, bytes32 listing) private returns (uint256 until) {
        Stored storage b = bounties[id];
        StoredListing storage l = listings[id][hunter][slot];
        entries[id][hunter][slot].state = IBountyMarket.EntryState.Claiming;
        ++b.claiming;
        until = block.timestamp + b.windows.challenge;
        l.listing = listing;
        l.until = uint40(until);
        l.prize = prize;
    }

    /// @dev The bounty and a large claim under inspection.
    function _listed(uint256 id, address hunter, uint8 slot)
        private
        view
        returns (Stored storage b, StoredListing storage l)
    {
        b = _known(id);
        if (entries[id][hunter][slot].state != IBountyMarket.EntryState.Claiming) {
            revert IMarketErrors.NotClaimable(hunter, slot);
        }
        l = listings[id][hunter][slot];
    }

    /// @dev Words of the ciphertext an entry must deliver.
    function _words(uint256 id, Stored storage b, address hunter, uint8 slot) private view returns (uint256) {
        bytes32 scoreVkId = b.scoreKeys[entries[id][hunter][slot].keyIndex];
        return uint256(keyRegistry.linkOf(keyRegistry.linkOf(scoreVkId)));
    }

    /// @dev All chunks are full but the last.
    function _chunkBytes(uint256 words, uint256 chunk) private pure returns (uint256) {
        uint256 rest = words - chunk * CHUNK_WORDS;
        return 32 * (rest < CHUNK_WORDS ? rest : CHUNK_WORDS);
    }

    function challengeChunk(uint256 id, address hunter, uint8 slot, uint256 chunk) external payable exclusive {
        (Stored storage b, StoredListing storage l) = _listed(id, hunter, slot);
        // A rival's challenges would use up the owner's, and cost the winner its round.
        if (msg.sender != b.owner) revert IMarketErrors.NotOwner(msg.sender);
        if (block.timestamp >= l.until) revert IMarketErrors.ChallengesClosed(l.until);
        uint256 words = _words(id, b, hunter, slot);
        if (chunk >= _chunks(words) || (l.challenged >> chunk) & 1 == 1) revert IMarketErrors.NotChallengeable(chunk);
        uint256 least = _answerBond(_chunkBytes(words, chunk));
        if (msg.value < least) revert IMarketErrors.ChallengeBondTooLow(msg.value, least);
        if (msg.value > type(uint96).max) revert IMarketErrors.ValueWrong(msg.value, type(uint96).max);
        uint256 deadline = block.timestamp + b.windows.answer;
        l.challenged |= uint64(1 << chunk);
        IBountyMarket.Challenge storage free = _place(l, type(uint256).max);
        (free.target, free.deadline) = (uint16(chunk), uint40(deadline));
        (free.bond, free.challenger) = (uint96(msg.value), msg.sender);
        emit IMarketEvents.ChunkChallenged(id, hunter, slot, chunk, msg.value, deadline);
    }

    /// @dev The place of a chunk's open challenge; a free one for the largest number.
    function _place(StoredListing storage l, uint256 chunk) private view returns (IBountyMarket.Challenge storage c) {
        bool wantFree = chunk == type(uint256).max;
        for (uint256 i; i < MAX_OPEN_CHUNKS; ++i) {
            c = l.open[i];
            bool free = c.challenger == address(0);
            if (free == wantFree && (free || c.target == chunk)) return c;
        }
        if (wantFree) revert IMarketErrors.TooManyChallenges();
        revert IMarketErrors.NotChallenged(chunk);
    }

    function answerChunk(
        uint256 id,
        address hunter,
        uint8 slot,
        uint256 chunk,
        uint256 z,
        bytes32[] calldata digests,
        uint256[] calldata sums,
        bytes calldata data
    ) external exclusive {
        (Stored storage b, StoredListing storage l) = _listed(id, hunter, slot);
        IBountyMarket.Challenge storage c = _place(l, chunk);
        if (block.timestamp >= c.deadline) revert IMarketErrors.NotChallenged(chunk);
        if (keccak256(abi.encode(z, digests, sums)) != l.listing) revert IMarketErrors.ListingMismatch();
        _checkChunk(_chunkBytes(_words(id, b, hunter, slot), chunk), chunk, z, digests[chunk], sums[chunk], data);
        uint256 bond = c.bond;
        delete c.bond;
        delete c.challenger;
        // The owner saw one chunk more; it may ask for the next, so that withholding many does not pay.
        uint256 until = block.timestamp + b.windows.answer;
        if (until > l.until) l.until = uint40(until);
        bool rewarded = msg.sender != b.owner;
        if (rewarded) _credit(id, msg.sender, address(0), bond);
        else _burn(address(0), bond);
        emit IMarketEvents.ChunkAnswered(id, hunter, slot, chunk, rewarded);
    }

    function _checkChunk(
        uint256 length,
        uint256 chunk,
        uint256 z,
        bytes32 digest,
        uint256 sum,
        bytes calldata data
    ) private pure {
        if (data.length != length) revert IMarketErrors.CiphertextLength(data.length, length);
        if (sha256(data) != digest || Ciphertext.evaluate(data, z) != sum) revert IMarketErrors.AnswerWrong(chunk);
    }

    function settleClaim(uint256 id, address hunter, uint8 slot) external exclusive {
        (Stored storage b, StoredListing storage l) = _listed(id, hunter, slot);
        uint256 pending = l.until;
        bool open = block.timestamp < pending;
        bool failed;
        for (uint256 i; i < MAX_OPEN_CHUNKS; ++i) {
            IBountyMarket.Challenge storage c = l.open[i];
            if (c.challenger == address(0)) continue;
            open = true;
            if (c.deadline > pending) pending = c.deadline;
            if (block.timestamp >= c.deadline) failed = true;
        }
        if (failed) {
            _fail(id, b, l, hunter, slot);
            return;
        }
        if (open) revert IMarketErrors.ClaimPending(pending);
        --b.claiming;
        uint256 amount = _payPrize(id, hunter, slot, l.prize);
        emit IMarketEvents.ClaimSettled(id, hunter, slot, l.prize, amount);
    }

    /// @dev Back to where it was, without another try: it lapses when its round is over.
    function _fail(uint256 id, Stored storage b, StoredListing storage l, address hunter, uint8 slot) private {
        --b.claiming;
        entries[id][hunter][slot].state = IBountyMarket.EntryState.Ranked;
        l.failed = true;
        for (uint256 i; i < MAX_OPEN_CHUNKS; ++i) {
            IBountyMarket.Challenge storage c = l.open[i];
            address challenger = c.challenger;
            if (challenger == address(0)) continue;
            uint256 bond = c.bond;
            delete c.bond;
            delete c.challenger;
            _credit(id, challenger, address(0), bond);
        }
        emit IMarketEvents.ClaimFailed(id, hunter, slot, l.prize);
    }

    function listingOf(uint256 id, address hunter, uint8 slot) external view returns (IBountyMarket.Listing memory v) {
        _known(id);
        StoredListing storage l = listings[id][hunter][slot];
        v.listing = l.listing;
        v.until = l.until;
        v.prize = l.prize;
        v.failed = l.failed;
        v.challenged = l.challenged;
        v.open = new IBountyMarket.Challenge[](MAX_OPEN_CHUNKS);
        uint256 count;
        for (uint256 i; i < MAX_OPEN_CHUNKS; ++i) {
            if (l.open[i].challenger != address(0)) v.open[count++] = l.open[i];
        }
        IBountyMarket.Challenge[] memory open = v.open;
        assembly ("memory-safe") {
            mstore(open, count)
        }
    }
}
