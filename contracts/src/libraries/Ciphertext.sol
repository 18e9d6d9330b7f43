// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IMarketErrors} from "../interfaces/IMarketErrors.sol";
import {FIELD_ORDER} from "./Tags.sol";

/// @title What the chain reads of a ciphertext
library Ciphertext {
    /// @notice Sum of c_i * z^i over the ciphertext's 32-byte words; word 0 meets z^0.
    /// @dev Horner from the last word. Each word must be canonical: w and w + r would give the same
    /// sum for two ciphertexts, of which one opens to nothing.
    function evaluate(bytes calldata ciphertext, uint256 z) internal pure returns (uint256 y) {
        uint256 bad = type(uint256).max;
        assembly ("memory-safe") {
            for { let i := ciphertext.length } i {} {
                i := sub(i, 32)
                let word := calldataload(add(ciphertext.offset, i))
                if iszero(lt(word, FIELD_ORDER)) { bad := shr(5, i) }
                y := addmod(mulmod(y, z, FIELD_ORDER), word, FIELD_ORDER)
            }
        }
        if (bad != type(uint256).max) revert IMarketErrors.CiphertextWord(bad);
    }

    /// @notice Sum of Y_j * z^(3072 j) over the sums of chunks: what `evaluate` gives of all of them.
    function join(uint256[] calldata sums, uint256 z) internal pure returns (uint256 y) {
        // 3072 = 3 * 2^10.
        uint256 step = mulmod(mulmod(z, z, FIELD_ORDER), z, FIELD_ORDER);
        for (uint256 i; i < 10; ++i) {
            step = mulmod(step, step, FIELD_ORDER);
        }
        for (uint256 j = sums.length; j != 0;) {
            uint256 sum = sums[--j];
            if (sum >= FIELD_ORDER) revert IMarketErrors.NotAFieldElement(sum);
            y = addmod(mulmod(y, step, FIELD_ORDER), sum, FIELD_ORDER);
        }
    }
}
