// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry, Schema} from "./interfaces/IDatasetRegistry.sol";
import {DatasetStatement, IDatasetVerifier} from "./interfaces/IDatasetVerifier.sol";
import {IKeyRegistry} from "./interfaces/IKeyRegistry.sol";
import {Schemas} from "./libraries/Schemas.sol";
import {FIELD_ORDER, MAX_SHARD_BYTES, Tags} from "./libraries/Tags.sol";

/// @title What is proved about blocks
contract DatasetRegistry is IDatasetRegistry {
    /// @inheritdoc IDatasetRegistry
    IKeyRegistry public immutable keyRegistry;

    struct Shard {
        uint32 length;
        uint256 s;
    }

    mapping(bytes32 vkId => mapping(bytes32 digest => Shard)) private shards;

    constructor(IKeyRegistry keyRegistry_) {
        keyRegistry = keyRegistry_;
    }

    /// @inheritdoc IDatasetRegistry
    function attestShard(bytes32 vkId, bytes32 digest, uint32 length, uint256 s, bytes calldata proof) external {
        if (length == 0 || length > MAX_SHARD_BYTES) revert ShardLength(length);
        if (s >= FIELD_ORDER) revert NotAFieldElement(s);
        if (shards[vkId][digest].length != 0) revert ShardExists(vkId, digest);
        IKeyRegistry.Key memory k = keyRegistry.key(vkId);
        if (k.role != IKeyRegistry.Role.Dataset) revert KeyNotForDatasets(vkId);
        bool valid = IDatasetVerifier(k.adapter).verify(k.chunks, DatasetStatement(digest, length, s), proof);
        if (!valid) revert ProofInvalid();
        shards[vkId][digest] = Shard(length, s);
        emit ShardAttested(vkId, digest, length, s);
    }

    /// @inheritdoc IDatasetRegistry
    function shard(bytes32 vkId, bytes32 digest) external view returns (uint32 length, uint256 s) {
        Shard storage x = shards[vkId][digest];
        return (x.length, x.s);
    }

    /// @inheritdoc IDatasetRegistry
    function schemaOf(Schema calldata schema) external pure returns (bytes32 schemaId, uint32 recordBytes) {
        return Schemas.describe(schema);
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOf(bytes32 vkId, bytes32 schemaId, uint32 recordBytes, bytes32[] calldata digests)
        external
        view
        returns (bytes32 D, uint32 n, uint32[] memory lengths)
    {
        if (digests.length == 0) revert NoShards();
        if (recordBytes == 0) revert SchemaInvalid();
        lengths = new uint32[](digests.length);
        bytes32[] memory all = new bytes32[](digests.length);
        for (uint256 i; i < digests.length; ++i) {
            Shard storage x = shards[vkId][digests[i]];
            uint32 length = x.length;
            if (length == 0) revert ShardUnknown(vkId, digests[i]);
            if (length % recordBytes != 0) revert RecordMismatch(digests[i], length, recordBytes);
            lengths[i] = length;
            all[i] = bytes32(x.s);
            n += length / recordBytes;
        }
        D = keccak256(abi.encode(Tags.DATA, schemaId, uint256(n), keccak256(abi.encodePacked(all))));
    }
}
