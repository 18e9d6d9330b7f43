// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FIELD_ORDER} from "./Tags.sol";

/// @title Encryption keys: points of BabyJubJub in circomlib's form
/// @notice a x^2 + y^2 = 1 + d x^2 y^2 over BN254's scalar field, cofactor 8.
/// @dev a is a square and d is not, so the addition law has no exceptions.
library BabyJubJub {
    uint256 internal constant A = 168700;
    uint256 internal constant D = 168696;

    /// @notice Whether the coordinates are canonical and on the curve.
    function onCurve(uint256 x, uint256 y) internal pure returns (bool) {
        if (x >= FIELD_ORDER || y >= FIELD_ORDER) return false;
        uint256 xx = mulmod(x, x, FIELD_ORDER);
        uint256 yy = mulmod(y, y, FIELD_ORDER);
        uint256 left = addmod(mulmod(A, xx, FIELD_ORDER), yy, FIELD_ORDER);
        return left == addmod(1, mulmod(D, mulmod(xx, yy, FIELD_ORDER), FIELD_ORDER), FIELD_ORDER);
    }

    /// @notice 8 times a point on the curve: its part of small order is gone.
    /// @return ok false when the result is the identity, which is no key
    /// @dev Three projective doublings (Bernstein et al. 2008, "Twisted Edwards curves", section 6)
    /// and one inversion.
    function timesEight(uint256 x, uint256 y) internal view returns (bool ok, uint256 x8, uint256 y8) {
        uint256 z = 1;
        for (uint256 i; i < 3; ++i) {
            (x, y, z) = _double(x, y, z);
        }
        // In the subgroup of odd order only the identity has x = 0; z is never 0 on this curve.
        if (x == 0) return (false, 0, 0);
        uint256 inverse = _inverse(z);
        return (true, mulmod(x, inverse, FIELD_ORDER), mulmod(y, inverse, FIELD_ORDER));
    }

    function _double(uint256 x, uint256 y, uint256 z) private pure returns (uint256, uint256, uint256) {
        uint256 sum = addmod(x, y, FIELD_ORDER);
        uint256 b = mulmod(sum, sum, FIELD_ORDER);
        uint256 c = mulmod(x, x, FIELD_ORDER);
        uint256 d = mulmod(y, y, FIELD_ORDER);
        uint256 e = mulmod(A, c, FIELD_ORDER);
        uint256 f = addmod(e, d, FIELD_ORDER);
        uint256 h = mulmod(z, z, FIELD_ORDER);
        uint256 j = addmod(f, FIELD_ORDER - addmod(h, h, FIELD_ORDER), FIELD_ORDER);
        uint256 cross = addmod(b, FIELD_ORDER - addmod(c, d, FIELD_ORDER), FIELD_ORDER);
        uint256 difference = addmod(e, FIELD_ORDER - d, FIELD_ORDER);
        return (mulmod(cross, j, FIELD_ORDER), mulmod(f, difference, FIELD_ORDER), mulmod(f, j, FIELD_ORDER));
    }

    /// @dev Fermat, by the modular exponentiation precompile (EIP-198). Its failure leaves 0, and
    /// with it the point (0, 0), which is on no curve: so it must not pass.
    function _inverse(uint256 v) private view returns (uint256 result) {
        bool success;
        assembly ("memory-safe") {
            let m := mload(0x40)
            mstore(m, 32)
            mstore(add(m, 32), 32)
            mstore(add(m, 64), 32)
            mstore(add(m, 96), v)
            mstore(add(m, 128), sub(FIELD_ORDER, 2))
            mstore(add(m, 160), FIELD_ORDER)
            success := staticcall(gas(), 5, m, 192, m, 32)
            result := mload(m)
        }
        assert(success && mulmod(result, v, FIELD_ORDER) == 1);
    }
}
