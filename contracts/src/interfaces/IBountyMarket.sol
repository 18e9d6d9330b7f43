// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry, Schema} from "./IDatasetRegistry.sol";
import {IKeyRegistry} from "./IKeyRegistry.sol";
import {IMarketErrors} from "./IMarketErrors.sol";
import {IMarketEvents} from "./IMarketEvents.sol";

/// @title Bounties for models with proven accuracy (PROTOCOL section 3)
/// @notice Phases follow from time and facts; there is no keeper. Every window is half-open,
/// [start, end), in seconds of block time. Prizes and bond are in the bounty's asset (wei, or a token's
/// smallest unit); stakes and the bonds of challenges are always in wei. `burnt` means locked for ever.
/// @dev The contract at the market's address answers to all of this. Part of its code lies in modules it
/// names by address and code hash and runs on its own storage; `tools/compile.cjs` checks that core and
/// modules together are this interface and share one storage layout.
interface IBountyMarket is IMarketEvents, IMarketErrors {
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
    /// @param stride bytes from one record to the next; the other places are in `BountyCreated`
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
        uint32 stride;
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
