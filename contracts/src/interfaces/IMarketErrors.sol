// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./IBountyMarket.sol";

/// @title Why a market refuses
/// @notice Part of IBountyMarket. Types are its own.
interface IMarketErrors {
    /// @notice Another call is in progress.
    error Reentered();
    /// @notice No bounty has this number.
    error BountyUnknown(uint256 id);
    /// @notice The call belongs to another phase.
    error PhaseWrong(IBountyMarket.Phase actual);
    /// @notice The finality gap has not passed.
    error TooEarly(uint256 start);
    /// @notice No part of the market answers to this selector.
    error FunctionUnknown(bytes4 selector);
    /// @notice A module has other code than when the market was created.
    error ModuleChanged(address module);
    /// @notice Modules hold no money and keep no books: call the market.
    error NotTheMarket();
    /// @notice The token's address has no code.
    error TokenNotSupported(address token);
    /// @notice The token refused the transfer, or moved another amount: it takes a fee, or lies.
    error TokenTransferFailed(address token, uint256 received, uint256 asked);
    /// @notice The ether sent is not the amount asked.
    error ValueWrong(uint256 sent, uint256 asked);
    /// @notice 1 to 16 prizes, none zero, none larger than the one before.
    error PrizesInvalid();
    /// @notice The bond is below a tenth of the prizes.
    error BondTooLow(uint256 bond, uint256 least);
    /// @notice The stake is below a fiftieth of the top prize.
    error StakeTooLow(uint256 stake, uint256 least);
    /// @notice The threshold is zero or above the number of samples.
    error ThresholdInvalid(uint256 threshold, uint256 samples);
    /// @notice Fewer samples than this chain asks for.
    error TooFewSamples(uint256 samples, uint256 least);
    /// @notice 1 to 256 shards.
    error ShardCountInvalid(uint256 count);
    /// @notice The published length is above 122,880 bytes, or not the schema's offset and at least one whole record.
    error ShardLengthInvalid(uint256 shard, uint256 length);
    /// @notice A window is shorter or longer than this chain allows.
    /// @param which 0 commit, 1 gap, 2 reveal, 3 attest, 4 prove, 5 claim, 6 challenge, 7 answer, 8 draw
    error WindowInvalid(uint8 which, uint256 length, uint256 least, uint256 most);
    /// @notice An open bounty names its digests and no hold-out, a sealed one the reverse.
    error ModeMismatch();
    /// @notice 1 to 8 score keys.
    error KeyCountInvalid(uint256 count);
    /// @notice The vkId has another role in the key registry, or none.
    error KeyRoleWrong(bytes32 vkId);
    /// @notice The encryption key is not on the curve, not canonical, or of small order.
    error EncryptionKeyInvalid();
    /// @notice At most 64 addresses, none zero or the owner.
    error AllowListInvalid();
    /// @notice The caller may not enter.
    error NotAllowed(address hunter);
    /// @notice Slots are 0 and 1.
    error SlotInvalid(uint8 slot);
    /// @notice The slot is taken.
    error SlotTaken(address hunter, uint8 slot);
    /// @notice The commitment or the payout address is zero.
    error EntryInvalid();
    /// @notice No such entry.
    error EntryUnknown(address hunter, uint8 slot);
    /// @notice The bounty does not accept this score key.
    error KeyNotAccepted(bytes32 vkId);
    /// @notice Salt and digests do not open the hold-out commitment.
    error HoldoutMismatch();
    /// @notice The reveal names another number of shards, or one twice.
    error DigestsInvalid();
    /// @notice An attested shard's length is not the published one.
    error LengthMismatch(uint256 shard, uint256 attested, uint256 published);
    /// @notice C does not open the entry's commitment.
    error CommitmentMismatch();
    /// @notice The value is not below the field's order.
    error NotAFieldElement(uint256 value);
    /// @notice No such shard.
    error ShardUnknown(uint256 shard);
    /// @notice The entry has proved this shard already.
    error ShardAlreadyProved(uint256 shard);
    /// @notice A score cannot exceed the shard's records.
    error ScoreTooHigh(uint256 score, uint256 samples);
    /// @notice The verifier refused the proof.
    error ProofInvalid();
    /// @notice The entry holds no unpaid rank in the current round.
    error NotClaimable(address hunter, uint8 slot);
    /// @notice The round of Claim has not started or is over.
    error RoundClosed(uint256 start, uint256 end);
    /// @notice The ciphertext has another length than the release key's class asks for.
    error CiphertextLength(uint256 length, uint256 asked);
    /// @notice A ciphertext word is not below the field's order.
    error CiphertextWord(uint256 index);
    /// @notice Nobody's round has run out.
    error NothingLapsed();
    /// @notice A ranked entry may still claim before this time.
    error ClaimsPending(uint256 end);
    /// @notice Only the owner may cancel.
    error NotOwner(address caller);
    /// @notice An entry is on the board: the bounty can no longer be cancelled.
    error CancelTooLate();
    /// @notice More entries are in than the owner is ready to pay for with the bond.
    error TooManyEntrants(uint256 entrants, uint256 most);
    /// @notice The entry holds no stake, or the bounty is not settled.
    error NothingToRefund();
    /// @notice The bounty accepts this key already.
    error KeyAlreadyAccepted(bytes32 vkId);
    /// @notice The bounty has no draw, or it is over.
    error NothingToDraw();
    /// @notice A draw needs a pool larger than the hold-out, of shards of one length.
    error DrawInvalid();
    /// @notice The beacon's block is not there yet, or out of reach.
    error BeaconUnknown(uint256 beaconBlock);
    /// @notice The leaf was not drawn, is open already, or its path does not lead to the root.
    error OpeningInvalid(uint256 index);
    /// @notice Shards are challenged from the reveal to this time.
    error ChallengesClosed(uint256 end);
    /// @notice A shard is challenged once, and not after an accepted proof read it; a chunk once.
    error NotChallengeable(uint256 target);
    /// @notice As many challenges as there may be: 4 open and 16 in all for shards, 3 open for chunks.
    error TooManyChallenges();
    /// @notice The bond is below twice the price of an answer at this block's base fee.
    error ChallengeBondTooLow(uint256 sent, uint256 least);
    /// @notice No such challenge is open.
    error NotChallenged(uint256 target);
    /// @notice The bytes are not those of the digest.
    error AnswerWrong(uint256 target);
    /// @notice Digests and sums are not as many as the release key's words make chunks.
    error ChunksInvalid(uint256 count, uint256 asked);
    /// @notice The chunks' sums do not add up to what the listing is about, or the listing is another one.
    error ListingMismatch();
    /// @notice The claim may still be inspected, or answered, until this time.
    error ClaimPending(uint256 until);
    /// @notice Nothing is owed to the caller.
    error NothingOwed();
    /// @notice The caller does not accept ether.
    error TransferFailed();
}
