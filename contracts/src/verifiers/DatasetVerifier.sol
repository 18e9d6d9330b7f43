// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetStatement, IDatasetVerifier} from "../interfaces/IDatasetVerifier.sol";
import {Halo2Verifier} from "./Halo2Verifier.sol";

/// @title CID statements, proved in halo2
contract DatasetVerifier is Halo2Verifier, IDatasetVerifier {
    /// @param tau tau in G2 in the order of EIP-197
    constructor(uint256[4] memory tau) Halo2Verifier(tau) {}

    /// @inheritdoc IDatasetVerifier
    function verify(address[] calldata key, DatasetStatement calldata statement, bytes calldata proof)
        external
        view
        returns (bool)
    {
        uint256[] memory inputs = new uint256[](4);
        inputs[0] = uint256(statement.digest) >> 128;
        inputs[1] = uint128(uint256(statement.digest));
        inputs[2] = statement.length;
        inputs[3] = statement.s;
        return _verify(key, inputs, proof);
    }

    /// @inheritdoc IDatasetVerifier
    function srsId() public view override(Halo2Verifier, IDatasetVerifier) returns (bytes32) {
        return super.srsId();
    }
}
