// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {COLUMN, PI, SCRATCH, VALUE} from "./Memory.sol";

/// @title Step "opening": HyperKZG, up to the pairing
/// @dev docs/cid-argument.md: "The opening". The columns' commitments stand from one place of `commitments` to the
/// other, the opening's part of the proof at `head`: folds, evaluations, two quotients.
library Opening {
    /// @notice Folds the evaluations and adds up all points: the first argument of the pairing, at SCRATCH.
    /// @param n variables of the point, which stands at PI
    /// @return ok whether the folds end in VALUE and the precompiles take every point
    function combine(uint256[2] memory commitments, uint256 head, uint256 n, uint256 state, uint256 p)
        internal
        view
        returns (bool ok)
    {
        uint256[7] memory c;
        _challenges(c, head, n, state, p);
        (bool folded, uint256 r, uint256 z) = _fold(c, head + 64 * (n - 1), n, p);
        if (!folded) return false;
        return _sum(commitments, head, n, c, [r, z], p);
    }

    /// @dev c: u, gamma, zeta, then 1/(2u), 1/(u^4 − u^2), u^2; all zero inverses mean degenerate points.
    function _challenges(uint256[7] memory c, uint256 head, uint256 n, uint256 state, uint256 p) private view {
        assembly ("memory-safe") {
            function absorb(from, length, s) -> t {
                let before := sub(from, 32)
                let kept := mload(before)
                mstore(before, s)
                t := keccak256(before, add(length, 32))
                mstore(before, kept)
            }
            let length := shl(6, sub(n, 1))
            state := absorb(head, length, state)
            let u := mod(state, p)
            mstore(c, u)
            head := add(head, length)
            length := shl(5, add(shl(1, n), 1))
            state := absorb(head, length, state)
            mstore(add(c, 32), mod(state, p))
            state := absorb(add(head, length), 64, state)
            mstore(add(c, 64), mod(state, p))

            // One inversion for both: of 2u·(u^4 − u^2).
            let square := mulmod(u, u, p)
            let quartic := mulmod(square, add(square, sub(p, 1)), p)
            let double := addmod(u, u, p)
            mstore(SCRATCH, 32)
            mstore(add(SCRATCH, 32), 32)
            mstore(add(SCRATCH, 64), 32)
            mstore(add(SCRATCH, 96), mulmod(double, quartic, p))
            mstore(add(SCRATCH, 128), sub(p, 2))
            mstore(add(SCRATCH, 160), p)
            let inverse := 0
            if staticcall(gas(), 5, SCRATCH, 192, 0, 32) { inverse := mload(0) }
            mstore(add(c, 96), mulmod(inverse, quartic, p))
            mstore(add(c, 128), mulmod(inverse, double, p))
            mstore(add(c, 160), square)
        }
    }

    /// @return ok whether the last fold is the value, and u, −u, u² are distinct
    /// @return r R(zeta)
    /// @return z Z(zeta)
    function _fold(uint256[7] memory c, uint256 head, uint256 n, uint256 p)
        private
        pure
        returns (bool ok, uint256 r, uint256 z)
    {
        assembly ("memory-safe") {
            let half := shr(1, add(p, 1))
            let inverse := mload(add(c, 96))
            ok := iszero(iszero(inverse))
            let next := mload(add(head, shl(6, n)))
            let power := 1
            // The batched even and odd parts at u, and values at u².
            let even := 0
            let odd := 0
            let square := 0
            let point := PI
            for { let end := add(head, shl(6, n)) } lt(head, end) { head := add(head, 64) } {
                let plus := mload(head)
                let minus := mload(add(head, 32))
                square := addmod(square, mulmod(power, next, p), p)
                let e := mulmod(add(plus, minus), half, p)
                let o := mulmod(add(plus, sub(p, minus)), inverse, p)
                even := addmod(even, mulmod(power, e, p), p)
                odd := addmod(odd, mulmod(power, o, p), p)
                power := mulmod(power, mload(add(c, 32)), p)
                next := addmod(e, mulmod(mload(point), add(o, sub(p, e)), p), p)
                point := add(point, 32)
            }
            ok := and(ok, eq(next, mload(VALUE)))

            // In the basis 1, X, X² − u².
            let u2 := mload(add(c, 160))
            let zeta := mload(add(c, 64))
            let quadratic := add(square, sub(p, addmod(even, mulmod(odd, u2, p), p)))
            quadratic := mulmod(quadratic, mload(add(c, 128)), p)
            let high := addmod(mulmod(zeta, zeta, p), sub(p, u2), p)
            r := addmod(add(even, mulmod(odd, zeta, p)), mulmod(quadratic, high, p), p)
            z := mulmod(high, add(zeta, sub(p, u2)), p)
        }
    }

    /// @dev Σ coefficient·point into SCRATCH. ecMul leaves its product behind the sum, where ecAdd wants it.
    function _sum(
        uint256[2] memory commitments,
        uint256 head,
        uint256 n,
        uint256[7] memory c,
        uint256[2] memory rz,
        uint256 p
    ) private view returns (bool ok) {
        assembly ("memory-safe") {
            function term(point, scalar) -> good {
                mcopy(add(SCRATCH, 64), point, 64)
                mstore(add(SCRATCH, 128), scalar)
                good := staticcall(gas(), 7, add(SCRATCH, 64), 96, add(SCRATCH, 64), 64)
                good := and(good, staticcall(gas(), 6, SCRATCH, 128, SCRATCH, 64))
            }
            mstore(SCRATCH, 0)
            mstore(add(SCRATCH, 32), 0)
            ok := 1
            let end := mload(add(commitments, 32))
            // A refusing precompile keeps all gas it was given: stop at the first.
            let scalar := COLUMN
            for { let at := mload(commitments) } and(lt(at, end), ok) { at := add(at, 64) } {
                ok := term(at, mload(scalar))
                scalar := add(scalar, 32)
            }
            let gamma := mload(add(c, 32))
            let power := gamma
            end := add(head, shl(6, sub(n, 1)))
            for {} and(lt(head, end), ok) { head := add(head, 64) } {
                ok := term(head, power)
                power := mulmod(power, gamma, p)
            }
            // Then the quotients, behind 2n + 1 evaluations.
            end := add(end, shl(5, add(shl(1, n), 1)))
            if ok { ok := term(end, sub(p, mload(add(rz, 32)))) }
            if ok { ok := term(add(end, 64), mload(add(c, 64))) }
            mstore(0, 1)
            mstore(32, 2)
            if ok { ok := term(0, sub(p, mload(rz))) }
        }
    }
}
