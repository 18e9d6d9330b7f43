// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Domain-separation tags and the field (PROTOCOL section 8)
/// @dev `keccak256("zkaggle/v1/NAME")`, all 32 bytes on chain.
library Tags {
    bytes32 internal constant VK = keccak256("zkaggle/v1/VK");
    bytes32 internal constant DATA = keccak256("zkaggle/v1/DATA");
    bytes32 internal constant SCHEMA = keccak256("zkaggle/v1/SCHEMA");
    bytes32 internal constant ACC = keccak256("zkaggle/v1/ACC");
    bytes32 internal constant COMMIT = keccak256("zkaggle/v1/COMMIT");
    bytes32 internal constant HOLDOUT = keccak256("zkaggle/v1/HOLDOUT");
    bytes32 internal constant Z = keccak256("zkaggle/v1/Z");
    bytes32 internal constant DRAW = keccak256("zkaggle/v1/DRAW");
    bytes32 internal constant LEAF = keccak256("zkaggle/v1/LEAF");
    bytes32 internal constant LEAF_SALT = keccak256("zkaggle/v1/LEAF_SALT");
    bytes32 internal constant NODE = keccak256("zkaggle/v1/NODE");
}

/// @dev Order r of the field that circuits compute in (BN254's scalar field).
uint256 constant FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
/// @dev Bytes of one shard: what one CID proof of the largest class covers (1,921 SHA-256 blocks).
uint256 constant MAX_SHARD_BYTES = 122_880;
/// @dev Words of a ciphertext that fits calldata mode, and of a chunk of a larger one: 96 KiB.
uint256 constant CHUNK_WORDS = 3072;
/// @dev Chunks of the largest ciphertext: 6 MiB.
uint256 constant MAX_CIPHERTEXT_CHUNKS = 64;
