// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Tags} from "./Tags.sol";

/// @title Cut-and-choose: a Merkle tree over salted shards, and the choice among them
library Pool {
    /// @notice Salt of leaf j: hides a shard whose digest could be guessed, and says nothing of the others.
    function saltOf(bytes32 salt, uint256 j) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.LEAF_SALT, salt, j));
    }

    function leaf(uint256 j, bytes32 salt, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.LEAF, j, salt, digest));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(abi.encode(Tags.NODE, left, right));
    }

    /// @notice Levels above the leaves of a tree of `size` leaves.
    function depth(uint256 size) internal pure returns (uint256 levels) {
        while (1 << levels < size) ++levels;
    }

    /// @notice Root of the leaves; a zero fills up every level of odd size. Writes over `leaves`.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 size = leaves.length;
        for (uint256 level = depth(size); level != 0; --level) {
            uint256 half = (size + 1) / 2;
            for (uint256 i; i < half; ++i) {
                bytes32 right = 2 * i + 1 < size ? leaves[2 * i + 1] : bytes32(0);
                leaves[i] = node(leaves[2 * i], right);
            }
            size = half;
        }
        return leaves[0];
    }

    /// @notice Root that a leaf and its siblings, from the leaf up, lead to.
    function climb(uint256 j, bytes32 hash, bytes32[] calldata path) internal pure returns (bytes32) {
        for (uint256 i; i < path.length; ++i) {
            hash = (j >> i) & 1 == 0 ? node(hash, path[i]) : node(path[i], hash);
        }
        return hash;
    }

    /// @notice `count` different numbers below `size`, as bits: the first places of a Fisher-Yates shuffle.
    /// @dev The remainder's bias is below 2^-240.
    function pick(bytes32 seed, uint256 size, uint256 count) internal pure returns (uint256 picked) {
        uint256[] memory order = new uint256[](size);
        for (uint256 i; i < size; ++i) {
            order[i] = i;
        }
        for (uint256 i; i < count; ++i) {
            uint256 j = i + uint256(keccak256(abi.encode(seed, i))) % (size - i);
            (order[i], order[j]) = (order[j], order[i]);
            picked |= 1 << order[i];
        }
    }
}
