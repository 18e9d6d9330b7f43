// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatasetRegistry, Schema} from "../interfaces/IDatasetRegistry.sol";
import {MAX_SHARD_BYTES, Tags} from "./Tags.sol";

uint16 constant FEATURES_U8 = 8;
/// @dev 16 bits, and 256 for the sign.
uint16 constant FEATURES_I16 = 256 + 16;

/// @title Identity of a record layout
library Schemas {
    /// @notice schemaId and bytes of one record: `product(shape)` features of one or two bytes, then the label.
    /// @dev schemaId hashes record size, offset, stride, feature type and shape, feature bound, label
    /// position and width, class count, so that a layout this version cannot express still has an id.
    function describe(Schema calldata s) internal pure returns (bytes32 schemaId, uint32 recordBytes) {
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
        uint256 record = features + 1;
        schemaId = keccak256(
            abi.encode(
                Tags.SCHEMA,
                record,
                uint256(0), // offset of the first record
                record, // stride
                uint256(s.featureType),
                keccak256(abi.encodePacked(s.shape)),
                uint256(s.featureMax),
                features, // label position, in bytes
                uint256(1), // label width
                uint256(s.classes)
            )
        );
        recordBytes = uint32(record);
    }
}
