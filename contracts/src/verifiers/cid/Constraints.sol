// SPDX-License-Identifier: MIT OR Apache-2.0
// Generated from circuits/sumcheck/src/constraints.rs; a test of that crate compares. To write it anew:
//   ZKAGGLE_WRITE=1 cargo test -p zkaggle-sumcheck solidity
pragma solidity 0.8.37;

import {ACT, ALPHA} from "./Memory.sol";

/// @title Step "row": the constraints of SHA-256's rounds over the 274 reads of a row
/// @dev An exclusive or of x, y, z is (1 − (1 − 2x)(1 − 2y)(1 − 2z))/2: sums over bits are kept doubled.
library Constraints {
    /// @notice What the last claim of the row sumcheck must be.
    /// @param reads where the reads are
    /// @param round the round constant, times the selector of slots in use
    /// @param all the rows' weight
    /// @param schedule the weight of rows 1 to 48
    function row(uint256 reads, uint256 round, uint256 all, uint256 schedule, uint256 p)
        internal
        pure
        returns (uint256 claim)
    {
        uint256[3] memory alpha;
        assembly ("memory-safe") {
            mcopy(alpha, ALPHA, 96)
        }
        claim = _bits(reads, p);
        claim = addmod(claim, mulmod(alpha[0], _roundE(reads, round, p), p), p);
        claim = addmod(claim, mulmod(alpha[1], _roundA(reads, p), p), p);
        claim = mulmod(claim, all, p);
        claim = addmod(claim, mulmod(mulmod(schedule, alpha[2], p), _schedule(reads, p), p), p);
    }

    /// @dev Constraint "round e", FIPS 180-4 section 6.2.2 step 3, 4.1.2 (4.2, 4.5), 4.2.2.
    function _roundE(uint256 reads, uint256 round, uint256 p) private pure returns (uint256 v) {
        assembly ("memory-safe") {
            // 2p + 1: less twice a value it is 1 − 2x, and no underflow.
            let one := add(shl(1, p), 1)
            for { let i := 992 } lt(i, 1024) { i := sub(i, 32) } {
                v := add(v, v)
                let x0 := sub(one, shl(1, mload(add(add(reads, 3072), and(add(i, 192), 992)))))
                let y0 := sub(one, shl(1, mload(add(add(reads, 3072), and(add(i, 352), 992)))))
                let z0 := sub(one, shl(1, mload(add(add(reads, 3072), and(add(i, 800), 992)))))
                v := addmod(v, add(1, sub(p, mulmod(mulmod(x0, y0, p), z0, p))), p)
                let g1 := mload(add(add(reads, 5120), i))
                v := addmod(v, shl(1, add(g1, mulmod(mload(add(add(reads, 3072), i)), add(mload(add(add(reads, 4096), i)), sub(p, g1)), p))), p)
                v := addmod(v, shl(1, mload(add(add(reads, 6144), i))), p)
            }
            // Half of it, and negative.
            v := sub(p, mulmod(v, shr(1, add(p, 1)), p))
            v := addmod(v, mload(add(reads, 8288)), p)
            v := addmod(v, mulmod(mload(add(reads, 8416)), 4294967296, p), p)
            v := addmod(v, mulmod(mload(add(reads, 8448)), 8589934592, p), p)
            v := addmod(v, mulmod(mload(add(reads, 8480)), 17179869184, p), p)
            v := addmod(v, sub(p, mload(add(reads, 8192))), p)
            v := addmod(v, sub(p, mload(add(reads, 8256))), p)
            v := addmod(v, sub(p, round), p)
        }
    }

    /// @dev Constraint "round a", FIPS 180-4 section 6.2.2 step 3, 4.1.2 (4.3, 4.4).
    function _roundA(uint256 reads, uint256 p) private pure returns (uint256 v) {
        assembly ("memory-safe") {
            // 2p + 1: less twice a value it is 1 − 2x, and no underflow.
            let one := add(shl(1, p), 1)
            for { let i := 992 } lt(i, 1024) { i := sub(i, 32) } {
                v := add(v, v)
                let x0 := sub(one, shl(1, mload(add(add(reads, 0), and(add(i, 64), 992)))))
                let y0 := sub(one, shl(1, mload(add(add(reads, 0), and(add(i, 416), 992)))))
                let z0 := sub(one, shl(1, mload(add(add(reads, 0), and(add(i, 704), 992)))))
                v := addmod(v, add(1, sub(p, mulmod(mulmod(x0, y0, p), z0, p))), p)
                let x1 := mload(add(add(reads, 0), i))
                let y1 := mload(add(add(reads, 1024), i))
                let b1 := mulmod(x1, y1, p)
                v := addmod(v, shl(1, add(b1, mulmod(mload(add(add(reads, 2048), i)), add(add(x1, y1), shl(1, sub(p, b1))), p))), p)
            }
            // Half of it, and negative.
            v := sub(p, mulmod(v, shr(1, add(p, 1)), p))
            v := addmod(v, mload(add(reads, 8224)), p)
            v := addmod(v, mulmod(mload(add(reads, 8512)), 4294967296, p), p)
            v := addmod(v, mulmod(mload(add(reads, 8544)), 8589934592, p), p)
            v := addmod(v, sub(p, mulmod(mload(ACT), 4294967296, p)), p)
            v := addmod(v, sub(p, mload(add(reads, 8288))), p)
            v := addmod(v, mload(add(reads, 8192)), p)
        }
    }

    /// @dev Constraint "schedule", FIPS 180-4 section 6.2.2 step 1, 4.1.2 (4.6, 4.7).
    function _schedule(uint256 reads, uint256 p) private pure returns (uint256 v) {
        assembly ("memory-safe") {
            // 2p + 1: less twice a value it is 1 − 2x, and no underflow.
            let one := add(shl(1, p), 1)
            for { let i := 992 } lt(i, 1024) { i := sub(i, 32) } {
                v := add(v, v)
                let x0 := sub(one, shl(1, mload(add(add(reads, 6144), and(add(i, 224), 992)))))
                let y0 := sub(one, shl(1, mload(add(add(reads, 6144), and(add(i, 576), 992)))))
                let z0 := 1
                if lt(i, 928) { z0 := sub(one, shl(1, mload(add(add(reads, 6240), i)))) }
                v := addmod(v, add(1, sub(p, mulmod(mulmod(x0, y0, p), z0, p))), p)
                let x1 := sub(one, shl(1, mload(add(add(reads, 7168), and(add(i, 544), 992)))))
                let y1 := sub(one, shl(1, mload(add(add(reads, 7168), and(add(i, 608), 992)))))
                let z1 := 1
                if lt(i, 704) { z1 := sub(one, shl(1, mload(add(add(reads, 7488), i)))) }
                v := addmod(v, add(1, sub(p, mulmod(mulmod(x1, y1, p), z1, p))), p)
            }
            // Half of it, and negative.
            v := sub(p, mulmod(v, shr(1, add(p, 1)), p))
            v := addmod(v, mload(add(reads, 8320)), p)
            v := addmod(v, mulmod(mload(add(reads, 8576)), 4294967296, p), p)
            v := addmod(v, mulmod(mload(add(reads, 8608)), 8589934592, p), p)
            v := addmod(v, sub(p, mload(add(reads, 8352))), p)
            v := addmod(v, sub(p, mload(add(reads, 8384))), p)
        }
    }

    /// @dev Constraints "bit c": Σ alpha^(3+c)·(x² − x).
    function _bits(uint256 reads, uint256 p) private pure returns (uint256 v) {
        assembly ("memory-safe") {
            function run(from, rows, power, q) -> s {
                for { let end := add(from, rows) } lt(from, end) { from := add(from, 32) } {
                    let x := mload(from)
                    s := addmod(s, mulmod(mload(power), mulmod(x, add(x, sub(q, 1)), q), q), q)
                    power := add(power, 32)
                }
            }
            v := addmod(v, run(add(reads, 6144), 1024, add(ALPHA, 96), p), p)
            v := addmod(v, run(add(reads, 0), 1024, add(ALPHA, 1120), p), p)
            v := addmod(v, run(add(reads, 3072), 1024, add(ALPHA, 2144), p), p)
            v := addmod(v, run(add(reads, 8416), 352, add(ALPHA, 3168), p), p)
        }
    }
}
