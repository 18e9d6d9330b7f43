// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ACT, ALPHA_COMMITMENT, ALPHA_INPUT, ALPHA_SBOX, EQ, MDS, SBOX, WC, WV, WX
} from "./Memory.sol";

/// @title Step "block": the permutations of the shard commitments, at one point of the slots
/// @dev docs/cid-argument.md: "Sponge" and the end of "The block sumcheck".
library Sponge {
    /// @notice What the last claim of the block sumcheck must be, for the values that the prover sent.
    /// @param values S, u, Y_0 … Y_91
    function expected(uint256 values, uint256 p) internal pure returns (uint256 claim) {
        uint256 sum;
        uint256 output;
        (sum, claim, output) = _permutation(values + 64, p);
        assembly ("memory-safe") {
            // e·(S + S-boxes) + u + inputs less outputs + the commitment
            claim := addmod(claim, mulmod(mload(EQ), add(mload(values), sum), p), p)
            claim := addmod(claim, mload(add(values, 32)), p)
            claim := addmod(claim, mulmod(mulmod(mload(ALPHA_COMMITMENT), mload(WV), p), output, p), p)
        }
    }

    /// @dev A lane stays below 5p between rounds: four products are added without reduction, and a
    /// word holds five of them.
    /// @param y the cells Y
    /// @return sum Σ alpha^(110+i)·(Y_i − Z_i^5)
    /// @return sides Σ alpha^(206+j)·(wC·U_j − wX·O_j)
    /// @return output O_0
    function _permutation(uint256 y, uint256 p) private pure returns (uint256 sum, uint256 sides, uint256 output) {
        assembly ("memory-safe") {
            // alpha^(110+i)·(Y_i − (lane + constant_i·act)^5)
            function box(lane, cell, at, q) -> v {
                let z := add(lane, mulmod(mload(add(SBOX, at)), mload(ACT), q))
                let square := mulmod(z, z, q)
                z := mulmod(mulmod(square, square, q), z, q)
                v := mulmod(mload(add(ALPHA_SBOX, at)), add(mload(cell), sub(q, z)), q)
            }
            function mixed(row, s0, s1, s2, s3, q) -> lane {
                lane := add(
                    add(mulmod(mload(row), s0, q), mulmod(mload(add(row, 32)), s1, q)),
                    add(mulmod(mload(add(row, 64)), s2, q), mulmod(mload(add(row, 96)), s3, q))
                )
            }
            let s0 := mload(add(y, 2816))
            let s1 := mload(add(y, 2848))
            let s2 := mload(add(y, 2880))
            let s3 := mload(add(y, 2912))
            {
                let v := mulmod(mload(ALPHA_INPUT), s0, p)
                v := add(v, mulmod(mload(add(ALPHA_INPUT, 32)), s1, p))
                v := add(v, mulmod(mload(add(ALPHA_INPUT, 64)), s2, p))
                v := add(v, mulmod(mload(add(ALPHA_INPUT, 96)), s3, p))
                sides := mulmod(v, mload(WC), p)
            }
            let at := 0
            for { let half := 0 } lt(half, 2) { half := add(half, 1) } {
                for { let end := add(at, 512) } lt(at, end) { at := add(at, 128) } {
                    let cell := add(y, at)
                    let v := add(
                        add(box(s0, cell, at, p), box(s1, add(cell, 32), add(at, 32), p)),
                        add(box(s2, add(cell, 64), add(at, 64), p), box(s3, add(cell, 96), add(at, 96), p))
                    )
                    sum := addmod(sum, v, p)
                    let y0 := mload(cell)
                    let y1 := mload(add(cell, 32))
                    let y2 := mload(add(cell, 64))
                    let y3 := mload(add(cell, 96))
                    s0 := mixed(MDS, y0, y1, y2, y3, p)
                    s1 := mixed(add(MDS, 128), y0, y1, y2, y3, p)
                    s2 := mixed(add(MDS, 256), y0, y1, y2, y3, p)
                    s3 := mixed(add(MDS, 384), y0, y1, y2, y3, p)
                }
                if iszero(half) {
                    for { let end := add(at, 1792) } lt(at, end) { at := add(at, 32) } {
                        let cell := add(y, at)
                        sum := addmod(sum, box(s0, cell, at, p), p)
                        let y0 := mload(cell)
                        s0 := mixed(MDS, y0, s1, s2, s3, p)
                        let t1 := mixed(add(MDS, 128), y0, s1, s2, s3, p)
                        let t2 := mixed(add(MDS, 256), y0, s1, s2, s3, p)
                        s3 := mixed(add(MDS, 384), y0, s1, s2, s3, p)
                        s1 := t1
                        s2 := t2
                    }
                }
            }
            {
                let v := mulmod(mload(ALPHA_INPUT), s0, p)
                v := add(v, mulmod(mload(add(ALPHA_INPUT, 32)), s1, p))
                v := add(v, mulmod(mload(add(ALPHA_INPUT, 64)), s2, p))
                v := add(v, mulmod(mload(add(ALPHA_INPUT, 96)), s3, p))
                sides := addmod(sides, sub(p, mulmod(v, mload(WX), p)), p)
            }
            output := s0
        }
    }
}
