// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetStatement} from "./IDatasetVerifier.sol";
import {IKeyRegistry} from "./IKeyRegistry.sol";

/// @notice What a record holds, `product(shape)` features and a one-byte label, and where. All places are in bytes.
/// @param shape one to four non-zero dimensions, row-major
/// @param featureType 8: unsigned bytes; 272 (16, and 256 for the sign): two's complement, little-endian
/// @param featureMax largest magnitude of a feature in the dataset: up to 255, or up to 32,767
/// @param classes number of classes, 2 to 256; a label at or above it matches no prediction
/// @param offset of a shard's first record: what is before it, in every shard, is nobody's
/// @param stride from one record to the next
/// @param featuresAt the first feature's place in a record
/// @param labelAt the label's place in a record, outside the features
struct Schema {
    uint32[] shape;
    uint16 featureType;
    uint16 featureMax;
    uint16 classes;
    uint32 offset;
    uint32 stride;
    uint32 featuresAt;
    uint32 labelAt;
}

/// @title What is proved about blocks
/// @notice Under each dataset key: which shard commitment belongs to which CID digest.
/// @dev Entries are kept per key, since anyone may register one: a bounty names the key it trusts.
interface IDatasetRegistry {
    /// @notice A CID proof was accepted.
    /// @param length bytes of the block
    /// @param s shard commitment
    event ShardAttested(bytes32 indexed vkId, bytes32 indexed digest, uint32 length, uint256 s);

    /// @notice The vkId has another role.
    error KeyNotForDatasets(bytes32 vkId);
    /// @notice The shard is attested already under this key, with another length or commitment.
    error ShardConflict(bytes32 vkId, bytes32 digest);
    /// @notice The shard is not attested under this key.
    error ShardUnknown(bytes32 vkId, bytes32 digest);
    /// @notice A shard has 1 to 122,880 bytes.
    error ShardLength(uint256 length);
    /// @notice The value is not below the field's order.
    error NotAFieldElement(uint256 value);
    /// @notice The adapter refused the proof.
    error ProofInvalid();
    /// @notice The shard is not `offset` bytes and at least one whole record.
    error RecordMismatch(bytes32 digest, uint32 length, uint32 offset, uint32 stride);
    /// @notice The schema has no or too many dimensions, a zero one, 0, 1 or more than 256 classes, or places that
    /// overlap or leave the stride or the block.
    error SchemaInvalid();
    /// @notice A dataset has at least one shard.
    error NoShards();

    /// @notice Where verifying keys are registered.
    function keyRegistry() external view returns (IKeyRegistry);

    /// @notice Records shards once the one CID proof of all of them verifies. Anyone may call.
    /// @dev A shard that is recorded already, or twice in the list, stays as it is; nothing is overwritten.
    function attest(bytes32 vkId, DatasetStatement[] calldata statements, bytes calldata proof) external;

    /// @notice A shard's length in bytes and commitment; zeros when it is not attested under the key.
    function shard(bytes32 vkId, bytes32 digest) external view returns (uint32 length, uint256 s);

    /// @notice Identity of a schema.
    /// @return schemaId keccak256 as in PROTOCOL section 1
    function schemaOf(Schema calldata schema) external pure returns (bytes32 schemaId);

    /// @notice Dataset commitment of attested shards, in order.
    /// @dev The caller answers for offset and stride being the schema's.
    /// @param offset bytes of every shard before its first record
    /// @param stride bytes from one record to the next; must divide what each shard has behind the offset
    /// @return D keccak256(abi.encode(TAG_DATA, schemaId, n, keccak256(s_0 || s_1 || ...)))
    /// @return n records in all
    /// @return lengths bytes of each shard
    function datasetOf(bytes32 vkId, bytes32 schemaId, uint32 offset, uint32 stride, bytes32[] calldata digests)
        external
        view
        returns (bytes32 D, uint32 n, uint32[] memory lengths);
}
