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
    function attest(bytes32 vkId, DatasetStatement[] calldata statements, bytes calldata proof) external {
        if (statements.length == 0) revert NoShards();
        for (uint256 i; i < statements.length; ++i) {
            uint256 length = statements[i].length;
            if (length == 0 || length > MAX_SHARD_BYTES) revert ShardLength(length);
            if (statements[i].s >= FIELD_ORDER) revert NotAFieldElement(statements[i].s);
        }
        IKeyRegistry.Key memory k = keyRegistry.key(vkId);
        if (k.role != IKeyRegistry.Role.Dataset) revert KeyNotForDatasets(vkId);
        if (!IDatasetVerifier(k.adapter).verify(k.chunks, statements, proof)) revert ProofInvalid();
        for (uint256 i; i < statements.length; ++i) {
            _record(vkId, statements[i]);
        }
    }

    /// @dev What is recorded stays: a second proof of the same changes nothing, and one of other values, which
    /// would take a collision of SHA-256 or of the commitment, is refused.
    function _record(bytes32 vkId, DatasetStatement calldata x) private {
        Shard storage known = shards[vkId][x.digest];
        uint32 length = uint32(x.length);
        if (known.length == 0) {
            shards[vkId][x.digest] = Shard(length, x.s);
            emit ShardAttested(vkId, x.digest, length, x.s);
        } else if (known.length != length || known.s != x.s) {
            revert ShardConflict(vkId, x.digest);
        }
    }

    /// @inheritdoc IDatasetRegistry
    function shard(bytes32 vkId, bytes32 digest) external view returns (uint32 length, uint256 s) {
        Shard storage x = shards[vkId][digest];
        return (x.length, x.s);
    }

    /// @inheritdoc IDatasetRegistry
    function schemaOf(Schema calldata schema) external pure returns (bytes32 schemaId) {
        return Schemas.describe(schema);
    }

    /// @inheritdoc IDatasetRegistry
    function datasetOf(bytes32 vkId, bytes32 schemaId, uint32 offset, uint32 stride, bytes32[] calldata digests)
        external
        view
        returns (bytes32 D, uint32 n, uint32[] memory lengths)
    {
        if (digests.length == 0) revert NoShards();
        if (stride == 0) revert SchemaInvalid();
        lengths = new uint32[](digests.length);
        bytes32[] memory all = new bytes32[](digests.length);
        for (uint256 i; i < digests.length; ++i) {
            Shard storage x = shards[vkId][digests[i]];
            uint32 length = x.length;
            if (length == 0) revert ShardUnknown(vkId, digests[i]);
            if (length <= offset || (length - offset) % stride != 0) {
                revert RecordMismatch(digests[i], length, offset, stride);
            }
            lengths[i] = length;
            all[i] = bytes32(x.s);
            n += (length - offset) / stride;
        }
        D = keccak256(abi.encode(Tags.DATA, schemaId, uint256(n), keccak256(abi.encodePacked(all))));
    }
}
