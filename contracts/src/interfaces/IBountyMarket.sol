// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry, Schema} from "./IDatasetRegistry.sol";
import {IKeyRegistry} from "./IKeyRegistry.sol";

/// @title Bounties for models with proven accuracy (PROTOCOL section 3)
/// @notice Phases follow from time and facts; there is no keeper. Every window is half-open,
/// [start, end), in seconds of block time. Every amount is in wei. `burnt` means locked for ever in
/// this contract's ledger.
interface IBountyMarket {
    // ---------------------------------------------------------------- types

    /// @notice Sealed: hunters commit before the hold-out is revealed. Open: the test set is public
    /// and attested from the start, so Commit and Prove overlap.
    enum Mode {
        Sealed,
        Open
    }

    /// @notice Where a bounty stands. `Defaulted` is reported from the missed deadline on, also
    /// before `timeout` settles it. A bounty that nobody entered goes from Commit to Claim, where
    /// `finalize` is all that is left.
    enum Phase {
        None,
        Commit,
        Reveal,
        Attest,
        Prove,
        Claim,
        Closed,
        Cancelled,
        Defaulted
    }

    /// @notice Where an entry stands.
    /// Committed: stake held. Proved: scored, off the board, stake back. Ranked: on the board, stake
    /// held. Claimed: prize and stake paid. Lapsed: missed its claim window, stake forfeited.
    /// Refunded: stake back when the bounty ended.
    enum EntryState {
        None,
        Committed,
        Proved,
        Ranked,
        Claimed,
        Lapsed,
        Refunded
    }

    /// @param commitEnd unix time at which Commit ends
    /// @param gap finality gap before Reveal and before Claim
    /// @param reveal length of Reveal, from commitEnd + gap; zero in an open bounty
    /// @param attest length of Attest, from the reveal; zero in an open bounty
    /// @param prove length of Prove, from complete attestation (open: from commitEnd, and proofs are
    /// accepted before it as well)
    /// @param claim length of each round of Claim, the first from proveEnd + gap
    struct Windows {
        uint40 commitEnd;
        uint32 gap;
        uint32 reveal;
        uint32 attest;
        uint32 prove;
        uint32 claim;
    }

    /// @param mode sealed or open
    /// @param token zero address: ether, the only one accepted
    /// @param prizes non-increasing, 1 to 16
    /// @param bond at least a tenth of the prizes' sum
    /// @param stake each entry's stake, at least a fiftieth of the top prize
    /// @param threshold least number of correct predictions, 1 to the number of samples
    /// @param windows see `Windows`
    /// @param schema layout of a record
    /// @param lengths bytes of each shard, 1 to 256 shards, in the manifest's order
    /// @param holdout sealed: keccak256(abi.encode(TAG_HOLDOUT, salt, keccak256(packed digests))); open: zero
    /// @param digests open: SHA-256 digests of the shards, all attested; sealed: empty
    /// @param datasetVkId key under which the shards are attested
    /// @param scoreVkIds keys that entries may prove with, 1 to 8
    /// @param pkX encryption key on BabyJubJub, affine
    /// @param pkY its second coordinate
    /// @param allowed addresses that may enter, at most 64; empty: anyone but the bounty's creator
    struct Params {
        Mode mode;
        address token;
        uint96[] prizes;
        uint96 bond;
        uint96 stake;
        uint32 threshold;
        Windows windows;
        Schema schema;
        uint32[] lengths;
        bytes32 holdout;
        bytes32[] digests;
        bytes32 datasetVkId;
        bytes32[] scoreVkIds;
        uint256 pkX;
        uint256 pkY;
        address[] allowed;
    }

    /// @notice A bounty as stored.
    /// @param owner who posted it
    /// @param settled Closed, Cancelled or Defaulted once settled, otherwise None
    /// @param prizeCount prizes offered
    /// @param paidCount prizes paid
    /// @param rankedCount entries on the board
    /// @param shardCount shards of the test set
    /// @param samples records of the test set
    /// @param entrants entries committed
    /// @param revealedAt time of the reveal, 0 before it
    /// @param attestedAt time of complete attestation, 0 before it
    /// @param claimStart start of the current round of Claim; 0 before the first lapse or claim
    /// @param held wei of this bounty still inside it
    /// @param pkX encryption key multiplied by the cofactor, as release statements use it
    /// @param dataset D, 0 before attestation
    struct Bounty {
        address owner;
        Mode mode;
        Phase settled;
        uint8 prizeCount;
        uint8 paidCount;
        uint8 rankedCount;
        uint16 shardCount;
        uint32 samples;
        uint32 threshold;
        uint32 entrants;
        uint32 recordBytes;
        uint40 revealedAt;
        uint40 attestedAt;
        uint40 claimStart;
        Windows windows;
        uint96 bond;
        uint96 stake;
        uint128 held;
        bytes32 schemaId;
        bytes32 holdout;
        bytes32 datasetVkId;
        bytes32 dataset;
        uint256 pkX;
        uint256 pkY;
    }

    /// @notice An entry as stored.
    /// @param seq order of commitment inside the bounty, from 1
    /// @param score sum over the shards proved so far
    /// @param h hidden commitment
    /// @param model C, 0 before the first proof
    /// @param proved bit j is set when shard j is proved
    struct Entry {
        EntryState state;
        uint32 seq;
        uint32 score;
        address payout;
        bytes32 vkId;
        bytes32 h;
        uint256 model;
        uint256 proved;
    }

    /// @notice One row of the board, best first.
    /// @param prize index of the prize the row may claim, or claimed, or missed; 255 for a reserve
    struct Row {
        address hunter;
        uint8 slot;
        uint32 score;
        uint32 seq;
        EntryState state;
        uint8 prize;
    }

    // --------------------------------------------------------------- events

    /// @notice A bounty is posted and its prizes and bond are held.
    /// @param pkX the key of `params` multiplied by the cofactor
    event BountyCreated(
        uint256 indexed id,
        address indexed owner,
        bytes32 schemaId,
        uint32 samples,
        uint256 pkX,
        uint256 pkY,
        Params params
    );

    /// @notice An entry is committed and its stake is held.
    event EntryCommitted(
        uint256 indexed id,
        address indexed hunter,
        uint8 slot,
        uint32 seq,
        bytes32 h,
        bytes32 vkId,
        address payout
    );

    /// @notice The hold-out is named.
    event HoldoutRevealed(uint256 indexed id, bytes32 salt, bytes32[] digests, uint256 attestEnd);

    /// @notice Every shard is attested: D is fixed and Prove runs until `proveEnd`.
    event DatasetAttested(uint256 indexed id, bytes32 dataset, uint256 proveEnd);

    /// @notice A shard of an entry is proved.
    /// @param model C, which opens the entry's commitment
    /// @param results R_j
    event ShardProved(
        uint256 indexed id,
        address indexed hunter,
        uint8 slot,
        uint256 model,
        uint256 shard,
        uint32 score,
        uint256 results
    );

    /// @notice All shards of an entry are proved.
    /// @param score correct predictions in all
    /// @param ranked whether it is on the board
    event EntryScored(uint256 indexed id, address indexed hunter, uint8 slot, uint32 score, bool ranked);

    /// @notice A better entry pushed this one off the board; its stake is back.
    event EntryDisplaced(uint256 indexed id, address indexed hunter, uint8 slot);

    /// @notice A prize is paid for a ciphertext that holds the committed weights.
    /// @dev The ciphertext is in the event, not only in calldata, so that a claim relayed through
    /// another contract is found by replay as well.
    /// @param prize index of the prize
    /// @param amount the prize, without the stake that returns with it
    event PrizeClaimed(
        uint256 indexed id,
        address indexed hunter,
        uint8 slot,
        uint8 prize,
        uint256 amount,
        uint256 epkX,
        uint256 epkY,
        bytes ciphertext
    );

    /// @notice An entry missed its round: its stake is forfeited.
    event EntryLapsed(uint256 indexed id, address indexed hunter, uint8 slot, uint8 prize);

    /// @notice A reserve may claim a prize in the round that starts at `claimStart`.
    event EntryPromoted(uint256 indexed id, address indexed hunter, uint8 slot, uint8 prize, uint256 claimStart);

    /// @notice The bounty ended.
    /// @param phase Closed, Cancelled or Defaulted
    /// @param residue wei returned to the owner
    /// @param burntAmount wei locked for ever
    /// @param share wei each entry gets on top of its stake when it is refunded
    event BountySettled(uint256 indexed id, Phase phase, uint256 residue, uint256 burntAmount, uint256 share);

    /// @notice An entry's stake, and its share of a lost bond, are back.
    event EntryRefunded(uint256 indexed id, address indexed hunter, uint8 slot, uint256 amount);

    /// @notice Somebody may withdraw `amount` more.
    event Credited(uint256 indexed id, address indexed account, uint256 amount);

    /// @notice Somebody withdrew.
    event Withdrawn(address indexed account, address token, uint256 amount);

    // --------------------------------------------------------------- errors

    /// @notice Another call is in progress.
    error Reentered();
    /// @notice No bounty has this number.
    error BountyUnknown(uint256 id);
    /// @notice The call belongs to another phase.
    error PhaseWrong(Phase actual);
    /// @notice The finality gap has not passed.
    error TooEarly(uint256 start);
    /// @notice Only ether is accepted.
    error TokenNotSupported(address token);
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
    /// @notice The published length is zero, above 122,880 bytes, or holds no whole records.
    error ShardLengthInvalid(uint256 shard, uint256 length);
    /// @notice A window is shorter or longer than this chain allows.
    /// @param which 0 commit, 1 gap, 2 reveal, 3 attest, 4 prove, 5 claim
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
    /// @notice Nothing is owed to the caller.
    error NothingOwed();
    /// @notice The caller does not accept ether.
    error TransferFailed();

    // ------------------------------------------------------------ functions

    /// @notice Posts a bounty. Send the sum of the prizes plus the bond.
    /// @return id its number, from 1
    function create(Params calldata params) external payable returns (uint256 id);

    /// @notice Enters with a hidden commitment, during Commit. Send the stake.
    /// @param slot 0 or 1
    /// @param h keccak256(abi.encode(TAG_COMMIT, ctx, C)), ctx from `contextOf`
    /// @param vkId score key the entry will prove with
    /// @param payout who is paid; cannot change
    function commit(uint256 id, uint8 slot, bytes32 h, bytes32 vkId, address payout) external payable;

    /// @notice Names the hold-out of a sealed bounty, during Reveal. Anyone who knows the opening.
    function reveal(uint256 id, bytes32 salt, bytes32[] calldata digests) external;

    /// @notice Fixes D once the registry covers all shards, during Attest. Anyone.
    function attest(uint256 id) external;

    /// @notice Proves one shard of the caller's entry, during Prove (open: also during Commit).
    /// @param C model commitment, opened to the chain by the first proof
    /// @param shard index in the manifest's order
    /// @param score correct predictions on the shard
    /// @param R results hash of the shard
    function prove(uint256 id, uint8 slot, uint256 C, uint256 shard, uint32 score, uint256 R, bytes calldata proof)
        external;

    /// @notice Pays a ranked entry for its weights, encrypted to the owner. All paid ranks in
    /// parallel; anyone may relay, since the payout was fixed at commit.
    /// @param ciphertext exactly the release key's words, 32 bytes each, each below the field's order
    function claim(
        uint256 id,
        address hunter,
        uint8 slot,
        uint256 epkX,
        uint256 epkY,
        bytes calldata ciphertext,
        bytes calldata proof
    ) external;

    /// @notice Ends a round whose window ran out: who missed it forfeits its stake, reserves move up
    /// and get a round of their own. Anyone.
    function lapse(uint256 id) external;

    /// @notice Settles a bounty whose owner missed Reveal or Attest. Anyone.
    function timeout(uint256 id) external;

    /// @notice Closes a bounty whose prizes are paid or whose ranks are exhausted. Anyone.
    function finalize(uint256 id) external;

    /// @notice Withdraws a bounty during Commit. With entries, the bond is lost as in a default.
    /// @param mostEntrants refused with more entries than these, which may come in while the call waits
    function cancel(uint256 id, uint32 mostEntrants) external;

    /// @notice Returns the stake of an entry, and its share of a lost bond, after settlement. Anyone.
    function refund(uint256 id, address hunter, uint8 slot) external;

    /// @notice Pays the caller what it is owed.
    /// @param token zero address
    function withdraw(address token) external;

    // ---------------------------------------------------------------- views

    function keyRegistry() external view returns (IKeyRegistry);

    function datasetRegistry() external view returns (IDatasetRegistry);

    /// @notice Number of bounties posted.
    function bountyCount() external view returns (uint256);

    function bountyOf(uint256 id) external view returns (Bounty memory);

    /// @notice Current phase, by block time.
    function phaseOf(uint256 id) external view returns (Phase);

    /// @notice Prizes in wei.
    function prizesOf(uint256 id) external view returns (uint96[] memory);

    /// @notice Score keys entries may prove with.
    function scoreKeysOf(uint256 id) external view returns (bytes32[] memory);

    /// @notice Published shard lengths in bytes; digests are zero before the reveal.
    function shardsOf(uint256 id) external view returns (uint32[] memory lengths, bytes32[] memory digests);

    function entryOf(uint256 id, address hunter, uint8 slot) external view returns (Entry memory);

    /// @notice The board, best first: prizes and at most four reserves.
    function boardOf(uint256 id) external view returns (Row[] memory);

    /// @notice Window of the current round of Claim; zeros before Prove has an end.
    function roundOf(uint256 id) external view returns (uint256 start, uint256 end);

    /// @notice End of Prove; zero before attestation.
    function proveEndOf(uint256 id) external view returns (uint256);

    /// @notice Context of an entry: keccak256(abi.encode(TAG_ACC, chainId, market, id, hunter, slot, vkId)) >> 8.
    function contextOf(uint256 id, address hunter, uint8 slot, bytes32 vkId) external view returns (uint256 ctx);

    /// @notice What an account may withdraw.
    function owedTo(address token, address account) external view returns (uint256);

    /// @notice Wei locked for ever.
    function burnt() external view returns (uint256);
}
