// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ALPHA_CHAIN,
    ALPHA_INPUT,
    ALPHA_PADDING,
    COLUMN,
    GAMMA,
    ROW_PI,
    ROW_RHO,
    SCRATCH,
    TAIL,
    WA,
    WN
} from "./Memory.sol";

/// @title The read sumcheck's ends: the claims it joins, and what each column counts in the opening
/// @dev docs/cid-argument.md: "The read sumcheck".
library Reads {
    /// @notice Powers 0 to 426 of gamma, and the sum of all claims under them.
    /// @param values S, u, Y_0 … Y_91
    /// @param reads the 274 reads
    function claim(uint256 gamma, uint256 values, uint256 reads, uint256 p) internal pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let power := 1
            let at := GAMMA
            for { let end := add(at, 13664) } lt(at, end) { at := add(at, 32) } {
                mstore(at, power)
                power := mulmod(power, gamma, p)
            }
            at := GAMMA
            for { let end := add(at, 8768) } lt(at, end) { at := add(at, 32) } {
                sum := addmod(sum, mulmod(mload(at), mload(reads), p), p)
                reads := add(reads, 32)
            }
            let cell := add(values, 64)
            for { let end := add(at, 2944) } lt(at, end) { at := add(at, 32) } {
                sum := addmod(sum, mulmod(mload(at), mload(cell), p), p)
                cell := add(cell, 32)
            }
            sum := addmod(sum, mulmod(mload(add(GAMMA, 12864)), mload(add(values, 32)), p), p)
        }
    }

    /// @notice G_c(pi) of the 109 columns, at COLUMN.
    function coefficients(uint256 p) internal pure {
        uint256[9] memory sh;
        _shifts(sh, p);
        _words(sh, p);
        _bytes(p);
        _carries(sh[0], p);
        _boundary(sh[0], p);
    }

    /// @notice Coefficients of pairs of columns that share a commitment: those of the columns, bound to the
    /// challenge at `sigma`.
    function stack(uint256 sigma, uint256 p) internal pure {
        assembly ("memory-safe") {
            let s := mload(sigma)
            // There is no column 109.
            mstore(add(COLUMN, 3488), 0)
            let from := COLUMN
            for { let to := COLUMN } lt(to, add(COLUMN, 1760)) { to := add(to, 32) } {
                let low := mload(from)
                mstore(to, addmod(low, mulmod(s, add(mload(add(from, 32)), sub(p, low)), p), p))
                from := add(from, 64)
            }
        }
    }

    /// @dev sh(d) for d = 0, −1, −2, −3, 1, 8, 13, 15: Σ eq(rho, t)·eq(pi, t + d).
    function _shifts(uint256[9] memory sh, uint256 p) private pure {
        assembly ("memory-safe") {
            function dot(a, b, rows, q) -> s {
                for { let end := add(a, shl(5, rows)) } lt(a, end) { a := add(a, 32) } {
                    s := addmod(s, mulmod(mload(a), mload(b), q), q)
                    b := add(b, 32)
                }
            }
            mstore(sh, dot(ROW_RHO, ROW_PI, 64, p))
            mstore(add(sh, 32), dot(add(ROW_RHO, 32), ROW_PI, 63, p))
            mstore(add(sh, 64), dot(add(ROW_RHO, 64), ROW_PI, 62, p))
            mstore(add(sh, 96), dot(add(ROW_RHO, 96), ROW_PI, 61, p))
            mstore(add(sh, 128), dot(ROW_RHO, add(ROW_PI, 32), 63, p))
            mstore(add(sh, 160), dot(ROW_RHO, add(ROW_PI, 256), 56, p))
            mstore(add(sh, 192), dot(ROW_RHO, add(ROW_PI, 416), 51, p))
            mstore(add(sh, 224), dot(ROW_RHO, add(ROW_PI, 480), 49, p))
        }
    }

    /// @dev Columns of w, a and e, known bytes left out.
    function _words(uint256[9] memory sh, uint256 p) private pure {
        assembly ("memory-safe") {
            // Bit i counts gamma^i·bit + 2^i·word.
            function fill(to, bit, word, q) {
                let power := GAMMA
                for { let end := add(to, 1024) } lt(to, end) { to := add(to, 32) } {
                    mstore(to, addmod(mulmod(mload(power), bit, q), word, q))
                    word := addmod(word, word, q)
                    power := add(power, 32)
                }
            }
            // Exponents of gamma and alpha: bits of a 0, words 256, chain 198; of e 96, 258, 202.
            function state(sums, to, bits, word, chain, q) {
                let bit := mulmod(mload(bits), mload(sums), q)
                bit := add(bit, mulmod(mload(add(bits, 1024)), mload(add(sums, 32)), q))
                bit := addmod(bit, mulmod(mload(add(bits, 2048)), mload(add(sums, 64)), q), q)
                // What u says: (wA − wN)·H_0 − wN·(last words)
                let wN := mload(WN)
                let late := mulmod(mload(add(chain, 32)), mload(add(ROW_PI, 2016)), q)
                late := add(late, mulmod(mload(add(chain, 64)), mload(add(ROW_PI, 1984)), q))
                late := add(late, mulmod(mload(add(chain, 96)), mload(add(ROW_PI, 1952)), q))
                let linear := mulmod(mload(chain), mload(ROW_PI), q)
                linear := mulmod(linear, addmod(mload(WA), sub(q, wN), q), q)
                linear := add(linear, sub(q, mulmod(late, wN, q)))
                let whole := mulmod(mload(add(GAMMA, 12864)), linear, q)
                whole := add(whole, mulmod(mload(word), mload(add(sums, 96)), q))
                whole := addmod(whole, mulmod(mload(add(word, 32)), mload(add(sums, 128)), q), q)
                fill(to, bit, whole, q)
            }
            {
                let bit := mulmod(mload(add(GAMMA, 6144)), mload(sh), p)
                bit := addmod(bit, mulmod(mload(add(GAMMA, 7168)), mload(add(sh, 192)), p), p)
                let word := mulmod(mload(add(GAMMA, 8320)), mload(add(sh, 224)), p)
                word := add(word, mulmod(mload(add(GAMMA, 8352)), mload(add(sh, 32)), p))
                word := addmod(word, mulmod(mload(add(GAMMA, 8384)), mload(add(sh, 160)), p), p)
                fill(COLUMN, bit, word, p)
            }
            state(sh, add(COLUMN, 1024), GAMMA, add(GAMMA, 8192), ALPHA_CHAIN, p)
            state(sh, add(COLUMN, 2048), add(GAMMA, 3072), add(GAMMA, 8256), add(ALPHA_CHAIN, 128), p)
        }
    }

    /// @dev What known and packed bytes add to the columns of w: byte k is byte k mod 4 of word ⌊k/4⌋.
    function _bytes(uint256 p) private pure {
        assembly ("memory-safe") {
            calldatacopy(SCRATCH, calldatasize(), 128)
            // Packs 2, 1 and 0 end with bytes 63, 42 and 21; k is the byte's number and one.
            let k := 64
            for { let pack := 3 } pack {} {
                let weight := mulmod(mload(WA), mload(add(ALPHA_INPUT, shl(5, pack))), p)
                pack := sub(pack, 1)
                let least := 0
                if pack { least := add(mul(21, pack), 1) }
                let place := 1
                for {} gt(k, least) {} {
                    k := sub(k, 1)
                    let v := mulmod(mload(add(ALPHA_PADDING, shl(5, k))), mload(add(TAIL, shl(5, k))), p)
                    v := add(v, sub(p, mulmod(weight, place, p)))
                    place := shl(8, place)
                    let to := add(SCRATCH, shl(5, and(k, 3)))
                    mstore(to, addmod(mload(to), mulmod(v, mload(add(ROW_PI, shl(5, shr(2, k)))), p), p))
                }
            }
            let linear := mload(add(GAMMA, 12864))
            let at := COLUMN
            for { let from := add(SCRATCH, 96) } gt(from, sub(SCRATCH, 1)) { from := sub(from, 32) } {
                let v := mulmod(mload(from), linear, p)
                for { let end := add(at, 256) } lt(at, end) { at := add(at, 32) } {
                    mstore(at, addmod(mload(at), v, p))
                    v := addmod(v, v, p)
                }
            }
        }
    }

    /// @dev Columns 96 to 102, and those of the sponge.
    function _carries(uint256 own, uint256 p) private pure {
        assembly ("memory-safe") {
            function dot(a, b, rows, q) -> s {
                for { let end := add(a, shl(5, rows)) } lt(a, end) { a := add(a, 32) } {
                    s := addmod(s, mulmod(mload(a), mload(b), q), q)
                    b := add(b, 32)
                }
            }
            let to := add(COLUMN, 3072)
            for { let at := add(GAMMA, 8416) } lt(at, add(GAMMA, 8640)) { at := add(at, 32) } {
                mstore(to, mulmod(mload(at), own, p))
                to := add(to, 32)
            }
            // Column 101: the chain's carries in rows 56 to 63; idle rows 0 and 49 to 55.
            let chain := mulmod(mulmod(mload(add(GAMMA, 12864)), mload(WN), p), 0x100000000, p)
            let v := mulmod(chain, dot(ALPHA_CHAIN, add(ROW_PI, 1792), 8, p), p)
            let first := mload(ROW_PI)
            v := add(v, mulmod(mload(add(GAMMA, 12896)), first, p))
            v := add(v, dot(add(GAMMA, 12928), add(ROW_PI, 1568), 7, p))
            mstore(add(COLUMN, 3232), addmod(mload(add(COLUMN, 3232)), v, p))
            // Column 102: idle rows 0 and 49 to 63.
            v := mulmod(mload(add(GAMMA, 13152)), first, p)
            v := add(v, dot(add(GAMMA, 13184), add(ROW_PI, 1568), 15, p))
            mstore(add(COLUMN, 3264), addmod(mload(add(COLUMN, 3264)), v, p))

            mstore(add(COLUMN, 3424), dot(add(GAMMA, 8768), ROW_PI, 64, p))
            mstore(add(COLUMN, 3456), dot(add(GAMMA, 10816), ROW_PI, 64, p))
        }
    }

    /// @dev Columns 103 to 106: a in rows 0 to 31, e in rows 32 to 63, at t = −3, −2, −1, 64.
    function _boundary(uint256 own, uint256 p) private pure {
        assembly ("memory-safe") {
            function put(column, v, q) {
                mstore(column, addmod(mload(column), v, q))
            }
            // Exponents as in _words.
            function half(rows, bits, word, chain, q) {
                let g := 0
                let d := 0
                let power := GAMMA
                for { let i := 0 } lt(i, 32) { i := add(i, 1) } {
                    let row := mload(add(rows, shl(5, i)))
                    g := addmod(g, mulmod(row, mload(power), q), q)
                    d := addmod(d, mulmod(row, shl(i, 1), q), q)
                    power := add(power, 32)
                }
                let linear := mload(add(GAMMA, 12864))
                let wN := mulmod(linear, mload(WN), q)
                linear := addmod(mulmod(linear, mload(WA), q), sub(q, wN), q)
                let before := mload(word)
                let r0 := mload(ROW_RHO)
                let r1 := mload(add(ROW_RHO, 32))
                let b1 := mload(add(bits, 1024))
                let b2 := mload(add(bits, 2048))

                let v := add(mulmod(before, r0, q), mulmod(linear, mload(add(chain, 96)), q))
                put(add(COLUMN, 3296), mulmod(d, v, q), q)
                v := add(mulmod(before, r1, q), mulmod(linear, mload(add(chain, 64)), q))
                put(add(COLUMN, 3328), add(mulmod(d, v, q), mulmod(g, mulmod(b2, r0, q), q)), q)
                v := add(mulmod(before, mload(add(ROW_RHO, 64)), q), mulmod(linear, mload(add(chain, 32)), q))
                put(
                    add(COLUMN, 3360),
                    add(mulmod(d, v, q), mulmod(g, add(mulmod(b1, r0, q), mulmod(b2, r1, q)), q)),
                    q
                )
                v := add(
                    mulmod(mload(add(word, 32)), mload(add(ROW_RHO, 2016)), q),
                    sub(q, mulmod(wN, mload(chain), q))
                )
                put(add(COLUMN, 3392), mulmod(d, v, q), q)
            }
            for { let i := 0 } lt(i, 128) { i := add(i, 32) } {
                mstore(add(add(COLUMN, 3296), i), mulmod(mload(add(add(GAMMA, 8640), i)), own, p))
            }
            half(ROW_PI, GAMMA, add(GAMMA, 8192), ALPHA_CHAIN, p)
            half(add(ROW_PI, 1024), add(GAMMA, 3072), add(GAMMA, 8256), add(ALPHA_CHAIN, 128), p)
        }
    }
}
