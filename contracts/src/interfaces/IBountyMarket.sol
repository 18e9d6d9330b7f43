// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry, Schema} from "./IDatasetRegistry.sol";
import {IKeyRegistry} from "./IKeyRegistry.sol";

/// @title Bounties for models with proven accuracy (PROTOCOL section 3)
/// @notice Phases follow from time and facts; there is no keeper. Every window is half-open,
/// [start, end), in seconds of block time. Prizes and bond are in the bounty's asset (wei, or a token's
/// smallest unit); stakes and the bonds of challenges are always in wei. `burnt` means locked for ever.
/// @dev The contract at the market's address answers to all of this. Part of its code lies in modules it
/// names by address and code hash and runs on its own storage; `tools/compile.cjs` checks that core and
/// modules together are this interface and share one storage layout.
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
    /// Refunded: stake back when the bounty ended. Claiming: a large claim waits for its chunks to be
    /// inspected, stake held.
    enum EntryState {
        None,
        Committed,
        Proved,
        Ranked,
        Claimed,
        Lapsed,
        Refunded,
        Claiming
    }

    /// @notice How shards' scores add up, and what the largest can be. Accuracy: correct predictions.
    enum Metric {
        Accuracy
    }

    /// @param commitEnd unix time at which Commit ends
    /// @param gap finality gap before Reveal and before Claim
    /// @param reveal length of Reveal, from commitEnd + gap; zero in an open bounty
    /// @param attest length of Attest, from the reveal; zero in an open bounty
    /// @param prove length of Prove, from complete attestation (open: from commitEnd, and proofs are
    /// accepted before it as well)
    /// @param claim length of each round of Claim, the first from proveEnd + gap
    /// @param challenge time to challenge a hold-out's shard, from the reveal (sealed: at most `prove`),
    /// and a large claim's chunk, from the claim
    /// @param answer time to answer a challenge; once in a bounty, it also extends Prove
    struct Windows {
        uint40 commitEnd;
        uint32 gap;
        uint32 reveal;
        uint32 attest;
        uint32 prove;
        uint32 claim;
        uint32 challenge;
        uint32 answer;
    }

    /// @notice Cut-and-choose: the owner commits to more shards than the hold-out has, and a beacon
    /// after funding decides which of them become public. Sealed bounties only.
    /// @param pool shards committed, more than `lengths` has, at most 256; zero: no draw
    /// @param window seconds from create in which the drawn shards must be opened; ends within Commit
    struct Draw {
        uint16 pool;
        uint32 window;
    }

    /// @param mode sealed or open
    /// @param token what prizes and bond are paid in: zero address for ether, or an ERC-20 token that
    /// takes no fee on transfer
    /// @param prizes non-increasing, 1 to 16
    /// @param bond at least a tenth of the prizes' sum
    /// @param stake each entry's stake in wei, at least a fiftieth of the top prize (ether), or 0.001 ether (a token)
    /// @param metric what scores count
    /// @param threshold least number of correct predictions, 1 to the number of samples
    /// @param windows see `Windows`
    /// @param schema layout of a record
    /// @param lengths bytes of each shard, 1 to 256 shards, in the manifest's order; with a draw, of each
    /// hold-out shard, all alike
    /// @param holdout sealed: keccak256(abi.encode(TAG_HOLDOUT, salt, keccak256(packed digests))); open:
    /// zero; with a draw: the Merkle root over the pool (see `Opening`)
    /// @param digests open: SHA-256 digests of the shards, all attested; sealed: empty
    /// @param datasetVkId key under which the shards are attested
    /// @param scoreVkIds keys that entries may prove with, 1 to 8
    /// @param pkX encryption key on BabyJubJub, affine
    /// @param pkY its second coordinate
    /// @param allowed addresses that may enter, at most 64; empty: anyone but the bounty's creator
    /// @param draw cut-and-choose, or zeros
    struct Params {
        Mode mode;
        address token;
        uint96[] prizes;
        uint96 bond;
        uint96 stake;
        Metric metric;
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
        Draw draw;
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
    /// @param held of prizes and bond, what is still inside the bounty
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

    /// @notice More of a bounty as stored.
    /// @param token what prizes and bond are paid in; zero address for ether
    /// @param pot contract that holds the token's prizes and bond, the asset to `withdraw`; zero for ether
    /// @param metric what scores count
    /// @param broken whether the bond is lost while ranked entries are still paid
    /// @param staked entries whose stake is still held
    /// @param claiming large claims under inspection
    /// @param challenges shard challenges so far
    struct Detail {
        address token;
        address pot;
        Metric metric;
        bool broken;
        uint32 staked;
        uint8 claiming;
        uint8 challenges;
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

    /// @notice Where a bounty's draw stands.
    /// @param pool shards committed
    /// @param left drawn shards not opened yet; 0 before the draw
    /// @param end when the openings are due
    /// @param beaconBlock block whose hash decides; the draw is possible in the 256 blocks after it
    /// @param picked bit j is set when shard j of the pool was drawn
    /// @param opened bit j is set when shard j of the pool is opened
    struct DrawState {
        uint16 pool;
        uint16 left;
        uint40 end;
        uint64 beaconBlock;
        uint256 picked;
        uint256 opened;
    }

    /// @notice A leaf of the pool's Merkle tree, opened.
    /// @dev leaf j = keccak256(abi.encode(TAG_LEAF, j, salt_j, digest_j)), where salt_j =
    /// keccak256(abi.encode(TAG_LEAF_SALT, salt, j)) and `salt` opens the hold-out at `reveal`. A node is
    /// keccak256(abi.encode(TAG_NODE, left, right)); a zero fills up every level of odd size.
    /// @param index j
    /// @param digest SHA-256 of the shard
    /// @param path siblings from the leaf up
    struct Opening {
        uint16 index;
        bytes32 salt;
        bytes32 digest;
        bytes32[] path;
    }

    /// @notice A challenge that waits for its answer.
    /// @param target shard of the hold-out, or chunk of the claim
    /// @param deadline end of the time to answer
    struct Challenge {
        uint16 target;
        uint40 deadline;
        uint96 bond;
        address challenger;
    }

    /// @notice A large claim under inspection.
    /// @param listing keccak256(abi.encode(z, digests, sums)) of `ClaimListed`
    /// @param until end of the time to challenge a chunk
    /// @param challenged bit j is set when chunk j was challenged
    /// @param failed whether a challenge went unanswered: the entry cannot claim again
    struct Listing {
        bytes32 listing;
        uint40 until;
        uint8 prize;
        bool failed;
        uint64 challenged;
        Challenge[] open;
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
    /// @param residue of prizes and bond, returned to the owner
    /// @param burntAmount of the bond, locked for ever
    /// @param burntStakes wei of forfeited stakes locked for ever
    /// @param share of the bond, what each entry gets on top of its stake when it is refunded
    event BountySettled(
        uint256 indexed id, Phase phase, uint256 residue, uint256 burntAmount, uint256 burntStakes, uint256 share
    );

    /// @notice An entry's stake, or its share of a lost bond, or both are back.
    /// @param stake wei
    /// @param share of the bond, in the bounty's asset
    event EntryRefunded(uint256 indexed id, address indexed hunter, uint8 slot, uint256 stake, uint256 share);

    /// @notice Half the bond is burnt and half promised to the entries, while ranked entries are still
    /// paid: Claim starts at `claimStart`.
    event BondLost(uint256 indexed id, uint256 burntAmount, uint256 share, uint256 claimStart);

    /// @notice Somebody asks the owner to accept a score key.
    /// @param architecture SHA-256 digest in the CID of the published architecture
    event KeyProposed(uint256 indexed id, address indexed proposer, bytes32 vkId, bytes32 architecture);

    /// @notice Entries may prove with one more score key.
    event KeyAccepted(uint256 indexed id, bytes32 vkId);

    /// @notice The beacon spoke: these shards of the pool must be opened before `end`.
    event DrawPicked(uint256 indexed id, bytes32 beacon, uint256 picked, uint256 end);

    /// @notice A drawn shard is public.
    event DrawOpened(uint256 indexed id, uint16 index, bytes32 digest);

    /// @notice An entrant cannot fetch a shard. Its bytes must be shown before `deadline`.
    event ShardChallenged(
        uint256 indexed id, address indexed challenger, uint256 shard, bytes32 digest, uint256 bond, uint256 deadline
    );

    /// @notice The shard's bytes are in this transaction's input.
    /// @param rewarded whether the answerer got the bond; otherwise it answered itself, and it is burnt
    event ShardAnswered(uint256 indexed id, address indexed answerer, uint256 shard, bool rewarded);

    /// @notice A ranked entry names the chunks of a large ciphertext; they are paid for after inspection.
    /// @param digests SHA-256 of each chunk: of at most 3,072 words, 96 KiB
    /// @param sums per chunk, the sum of its words times z to the word's place in the chunk
    /// @param until end of the time to challenge a chunk
    event ClaimListed(
        uint256 indexed id,
        address indexed hunter,
        uint8 slot,
        uint8 prize,
        uint256 epkX,
        uint256 epkY,
        uint256 z,
        bytes32[] digests,
        uint256[] sums,
        uint256 until
    );

    /// @notice The owner cannot fetch a chunk. Its bytes must be shown before `deadline`.
    event ChunkChallenged(
        uint256 indexed id, address indexed hunter, uint8 slot, uint256 chunk, uint256 bond, uint256 deadline
    );

    /// @notice The chunk's bytes are in this transaction's input.
    /// @param rewarded whether the answerer got the bond; otherwise it answered itself, and it is burnt
    event ChunkAnswered(uint256 indexed id, address indexed hunter, uint8 slot, uint256 chunk, bool rewarded);

    /// @notice A large claim is paid.
    event ClaimSettled(uint256 indexed id, address indexed hunter, uint8 slot, uint8 prize, uint256 amount);

    /// @notice A challenged chunk was not shown: the claim is void and cannot be repeated.
    event ClaimFailed(uint256 indexed id, address indexed hunter, uint8 slot, uint8 prize);

    /// @notice Somebody may withdraw `amount` more.
    /// @param asset zero address for ether, otherwise a bounty's pot
    event Credited(uint256 indexed id, address indexed account, address asset, uint256 amount);

    /// @notice Somebody withdrew.
    /// @param asset zero address for ether, otherwise a bounty's pot
    event Withdrawn(address indexed account, address asset, uint256 amount);

    // --------------------------------------------------------------- errors

    /// @notice Another call is in progress.
    error Reentered();
    /// @notice No bounty has this number.
    error BountyUnknown(uint256 id);
    /// @notice The call belongs to another phase.
    error PhaseWrong(Phase actual);
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
    /// @notice The published length is zero, above 122,880 bytes, or holds no whole records.
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

    // ------------------------------------------------------------ functions

    /// @notice Posts a bounty. Send the sum of the prizes plus the bond, or approve it in the token.
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
    /// @param asset zero address for ether, otherwise a bounty's pot
    function withdraw(address asset) external;

    /// @notice Asks the owner to accept a score key, during Commit. Anyone; an event and nothing else.
    function proposeKey(uint256 id, bytes32 vkId, bytes32 architecture) external;

    /// @notice Accepts one more score key, during Commit. The owner.
    function acceptKey(uint256 id, bytes32 vkId) external;

    /// @notice Picks the public shards once the beacon's block is there. Anyone.
    function draw(uint256 id) external;

    /// @notice Opens drawn shards. Anyone who knows the openings, before the draw's end.
    function openDrawn(uint256 id, Opening[] calldata openings) external;

    /// @notice Says that a revealed shard cannot be fetched. An entrant, within `windows.challenge` of the
    /// reveal. Send at least `answerBond` of the shard's length.
    function challengeShard(uint256 id, uint256 shard) external payable;

    /// @notice Shows a challenged shard. Anyone; the bond pays whoever is not its challenger.
    function answerShard(uint256 id, uint256 shard, bytes calldata data) external;

    /// @notice Claims with a ciphertext too large for calldata: named by its chunks' digests, paid by
    /// `settleClaim` after inspection.
    /// @param digests SHA-256 of each chunk: 3,072 words, the last one the rest
    /// @param sums per chunk, the sum of its words times z to the word's place in the chunk
    function claimChunks(
        uint256 id,
        address hunter,
        uint8 slot,
        uint256 epkX,
        uint256 epkY,
        bytes32[] calldata digests,
        uint256[] calldata sums,
        bytes calldata proof
    ) external;

    /// @notice Says that a chunk cannot be fetched or is not as listed. The owner, at most three at a time,
    /// each chunk once. Send at least `answerBond` of the chunk's length.
    function challengeChunk(uint256 id, address hunter, uint8 slot, uint256 chunk) external payable;

    /// @notice Shows a challenged chunk. Anyone; the bond pays whoever is not the owner. Gives the owner one
    /// more answer window to name the next chunk.
    /// @param z evaluation point of `ClaimListed`
    /// @param digests of `ClaimListed`
    /// @param sums of `ClaimListed`
    function answerChunk(
        uint256 id,
        address hunter,
        uint8 slot,
        uint256 chunk,
        uint256 z,
        bytes32[] calldata digests,
        uint256[] calldata sums,
        bytes calldata data
    ) external;

    /// @notice Pays a large claim whose inspection is over, or voids it when a challenge went unanswered. Anyone.
    function settleClaim(uint256 id, address hunter, uint8 slot) external;

    // ---------------------------------------------------------------- views

    function keyRegistry() external view returns (IKeyRegistry);

    function datasetRegistry() external view returns (IDatasetRegistry);

    /// @notice Number of bounties posted.
    function bountyCount() external view returns (uint256);

    function bountyOf(uint256 id) external view returns (Bounty memory);

    function detailOf(uint256 id) external view returns (Detail memory);

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
    /// @param asset zero address for ether, otherwise a bounty's pot
    function owedTo(address asset, address account) external view returns (uint256);

    /// @notice Wei locked for ever.
    function burnt() external view returns (uint256);

    /// @notice What is locked for ever in an asset.
    function burntOf(address asset) external view returns (uint256);

    /// @notice A bounty's draw; zeros without one.
    function drawOf(uint256 id) external view returns (DrawState memory);

    /// @notice Drawn shards opened so far: places in the pool and digests.
    function drawnOf(uint256 id) external view returns (uint16[] memory indices, bytes32[] memory digests);

    /// @notice Shard challenges that wait for an answer.
    function challengesOf(uint256 id) external view returns (Challenge[] memory);

    /// @notice An entry's large claim; zeros without one.
    function listingOf(uint256 id, address hunter, uint8 slot) external view returns (Listing memory);

    /// @notice Least bond of a challenge whose answer has so many bytes, at this block's base fee:
    /// twice (100,000 + 41 a byte) gas.
    function answerBond(uint256 length) external view returns (uint256);

    /// @notice The contracts that hold the rest of the market's code.
    function modules() external view returns (address posting, address claiming, address ending);
}
