// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IReleaseVerifier, ReleaseStatement} from "../interfaces/IReleaseVerifier.sol";
import {Groth16Verifier} from "./Groth16Verifier.sol";

/// @title Adapter of the release statement over Groth16
contract ReleaseVerifier is IReleaseVerifier, Groth16Verifier {
    /// @inheritdoc IReleaseVerifier
    function verify(address[] calldata key, ReleaseStatement calldata statement, bytes calldata proof)
        external
        view
        returns (bool)
    {
        // The one order of the public inputs: ctx, C, pk, epk, z, y.
        return _verify(
            key,
            [
                statement.ctx,
                statement.C,
                statement.pkX,
                statement.pkY,
                statement.epkX,
                statement.epkY,
                statement.z,
                statement.y
            ],
            proof
        );
    }

    /// @inheritdoc IReleaseVerifier
    /// @dev A Groth16 key holds its whole set-up, and its bytes begin with a mark of their origin.
    function srsId() external pure returns (bytes32) {
        return 0;
    }
}
