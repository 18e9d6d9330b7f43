// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IScoreVerifier, ScoreStatement} from "../interfaces/IScoreVerifier.sol";
import {Halo2Verifier} from "./Halo2Verifier.sol";
import {Srs} from "./Srs.sol";

/// @title Accuracy statements, proved in halo2
contract ScoreVerifier is Halo2Verifier, IScoreVerifier {
    /// @param tau tau in G2 in the order of EIP-197
    constructor(uint256[4] memory tau) Halo2Verifier(tau) {}

    /// @inheritdoc IScoreVerifier
    function verify(address[] calldata key, ScoreStatement calldata statement, bytes calldata proof)
        external
        view
        returns (bool)
    {
        uint256[] memory inputs = new uint256[](6);
        inputs[0] = statement.ctx;
        inputs[1] = statement.C;
        inputs[2] = statement.s;
        inputs[3] = statement.n;
        inputs[4] = statement.score;
        inputs[5] = statement.R;
        return _verify(key, inputs, proof);
    }

    /// @inheritdoc IScoreVerifier
    function srsId() public view override(Srs, IScoreVerifier) returns (bytes32) {
        return super.srsId();
    }
}
