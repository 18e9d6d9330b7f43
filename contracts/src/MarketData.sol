// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IMarketErrors} from "./interfaces/IMarketErrors.sol";
import {MarketStorage} from "./MarketStorage.sol";

/// @title How a test set becomes known
abstract contract MarketData is MarketStorage {
    /// @dev One block twice would be one test counted twice.
    function _storeDigests(Stored storage b, bytes32[] calldata digests) internal {
        uint256 count = digests.length;
        if (count != b.shardCount) revert IMarketErrors.DigestsInvalid();
        for (uint256 i; i < count; ++i) {
            bytes32 digest = digests[i];
            for (uint256 j; j < i; ++j) {
                if (digests[j] == digest) revert IMarketErrors.DigestsInvalid();
            }
            b.digests[i] = digest;
        }
    }

    function _fixDataset(Stored storage b) internal {
        (bytes32 D,, uint32[] memory lengths) =
            datasetRegistry.datasetOf(b.datasetVkId, b.schemaId, b.offset, b.stride, _digests(b));
        for (uint256 i; i < lengths.length; ++i) {
            uint32 published = b.lengths[i];
            if (lengths[i] != published) revert IMarketErrors.LengthMismatch(i, lengths[i], published);
        }
        b.dataset = D;
        b.attestedAt = uint40(block.timestamp);
    }

    function _digests(Stored storage b) internal view returns (bytes32[] memory digests) {
        digests = new bytes32[](b.shardCount);
        for (uint256 i; i < digests.length; ++i) {
            digests[i] = b.digests[i];
        }
    }
}
