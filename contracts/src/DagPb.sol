// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDagPb} from "./interfaces/IDagPb.sol";
import {IDatasetRegistry} from "./interfaces/IDatasetRegistry.sol";
import {UnixFs} from "./libraries/UnixFs.sol";

/// @title From a UnixFS root to its raw leaves
contract DagPb is IDagPb {
    /// @inheritdoc IDagPb
    IDatasetRegistry public immutable datasetRegistry;
    /// @inheritdoc IDagPb
    mapping(bytes32 root => bytes32) public digestsHashOf;

    constructor(IDatasetRegistry datasetRegistry_) {
        datasetRegistry = datasetRegistry_;
    }

    /// @inheritdoc IDagPb
    function leavesOf(bytes32 root, bytes[] calldata nodes)
        external
        pure
        returns (bytes32[] memory digests, uint64[] memory lengths)
    {
        return UnixFs.leaves(root, nodes);
    }

    /// @inheritdoc IDagPb
    function datasetOf(
        bytes32 root,
        bytes[] calldata nodes,
        bytes32 vkId,
        bytes32 schemaId,
        uint32 offset,
        uint32 stride
    ) external view returns (bytes32 D, uint32 n) {
        (bytes32[] memory digests, uint64[] memory stated) = UnixFs.leaves(root, nodes);
        uint32[] memory attested;
        (D, n, attested) = datasetRegistry.datasetOf(vkId, schemaId, offset, stride, digests);
        for (uint256 k; k < attested.length; ++k) {
            if (attested[k] != stated[k]) revert LeafLength(digests[k], stated[k], attested[k]);
        }
    }

    /// @inheritdoc IDagPb
    function record(bytes32 root, bytes[] calldata nodes) external {
        (bytes32[] memory digests, uint64[] memory lengths) = UnixFs.leaves(root, nodes);
        // A root has one tree: another would take a collision of SHA-256.
        if (digestsHashOf[root] != 0) return;
        uint256 size;
        for (uint256 k; k < lengths.length; ++k) {
            size += lengths[k];
        }
        bytes32 digestsHash = keccak256(abi.encodePacked(digests));
        digestsHashOf[root] = digestsHash;
        emit RootRecorded(root, digests.length, size, digestsHash);
    }
}
