// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry, Schema} from "../interfaces/IDatasetRegistry.sol";
import {MAX_SHARD_BYTES, Tags} from "./Tags.sol";

uint16 constant FEATURES_U8 = 8;
/// @dev 16 bits, and 256 for the sign.
uint16 constant FEATURES_I16 = 256 + 16;

/// @title Identity of a record layout
library Schemas {
    /// @notice schemaId of a schema whose parts fit: `product(shape)` features of one or two bytes and the label's
    /// byte, apart from each other inside the stride, and one record behind the offset inside a block.
    /// @dev schemaId hashes record size, offset, stride, feature type and shape, feature bound, positions of
    /// features and label, label width, class count.
    function describe(Schema calldata s) internal pure returns (bytes32 schemaId) {
        uint256 dims = s.shape.length;
        if (dims == 0 || dims > 4 || s.classes < 2 || s.classes > 256) revert IDatasetRegistry.SchemaInvalid();
        uint256 features = 1;
        for (uint256 i; i < dims; ++i) {
            // Four factors below 2^32 stay below 2^128: no wrap before the bound.
            features *= s.shape[i];
        }
        uint256 most = 255;
        if (s.featureType == FEATURES_I16) {
            features *= 2;
            most = 32767;
        } else if (s.featureType != FEATURES_U8) {
            revert IDatasetRegistry.SchemaInvalid();
        }
        if (features == 0 || features >= MAX_SHARD_BYTES) revert IDatasetRegistry.SchemaInvalid();
        if (s.featureMax == 0 || s.featureMax > most) revert IDatasetRegistry.SchemaInvalid();
        uint256 end = uint256(s.featuresAt) + features;
        if (end > s.stride || s.labelAt >= s.stride) revert IDatasetRegistry.SchemaInvalid();
        if (s.labelAt >= s.featuresAt && s.labelAt < end) revert IDatasetRegistry.SchemaInvalid();
        if (uint256(s.offset) + s.stride > MAX_SHARD_BYTES) revert IDatasetRegistry.SchemaInvalid();
        schemaId = keccak256(
            abi.encode(
                Tags.SCHEMA,
                features + 1,
                uint256(s.offset),
                uint256(s.stride),
                uint256(s.featureType),
                keccak256(abi.encodePacked(s.shape)),
                uint256(s.featureMax),
                // Both positions in one word: a label behind features at 0 has the id it always had.
                (uint256(s.featuresAt) << 32) | s.labelAt,
                uint256(1), // label width
                uint256(s.classes)
            )
        );
    }
}
