// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetStatement} from "../../src/interfaces/IDatasetVerifier.sol";
import {ReleaseStatement} from "../../src/interfaces/IReleaseVerifier.sol";
import {ScoreStatement} from "../../src/interfaces/IScoreVerifier.sol";

/// @dev Doubles for the market's logic alone: a "proof" is the hash of key and statement, so it is
/// accepted for exactly one statement, as a real one is. Real verifiers are tested end to end.
library Double {
    function proofOf(address[] memory key, bytes memory statement) internal view returns (bytes memory) {
        bytes memory all;
        for (uint256 i; i < key.length; ++i) {
            all = bytes.concat(all, key[i].code);
        }
        return abi.encode(keccak256(all), keccak256(statement));
    }

    function accepts(address[] memory key, bytes memory statement, bytes memory proof) internal view returns (bool) {
        return keccak256(proof) == keccak256(proofOf(key, statement));
    }
}

contract ScoreDouble {
    bytes32 public constant srsId = keccak256("double");

    function verify(address[] calldata key, ScoreStatement calldata x, bytes calldata proof)
        external
        view
        returns (bool)
    {
        return Double.accepts(key, abi.encode(x), proof);
    }
}

contract DatasetDouble {
    bytes32 public constant srsId = keccak256("double");

    function verify(address[] calldata key, DatasetStatement[] calldata x, bytes calldata proof)
        external
        view
        returns (bool)
    {
        return Double.accepts(key, abi.encode(x), proof);
    }
}

contract ReleaseDouble {
    bytes32 public constant srsId = 0;

    function verify(address[] calldata key, ReleaseStatement calldata x, bytes calldata proof)
        external
        view
        returns (bool)
    {
        return Double.accepts(key, abi.encode(x), proof);
    }
}
