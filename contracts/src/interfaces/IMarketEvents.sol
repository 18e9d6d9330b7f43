// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "./IBountyMarket.sol";

/// @title What a market tells
/// @notice Part of IBountyMarket. Types are its own.
interface IMarketEvents {
    /// @notice A bounty is posted and its prizes and bond are held.
    /// @param pkX the key of `params` multiplied by the cofactor
    event BountyCreated(
        uint256 indexed id,
        address indexed owner,
        bytes32 schemaId,
        uint32 samples,
        uint256 pkX,
        uint256 pkY,
        IBountyMarket.Params params
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
        uint256 indexed id, IBountyMarket.Phase phase, uint256 residue, uint256 burntAmount, uint256 burntStakes, uint256 share
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
}
