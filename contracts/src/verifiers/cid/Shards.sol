// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ACT, ALPHA_CHAIN, ALPHA_COMMITMENT, ALPHA_INPUT, ALPHA_PADDING, EQ, STATEMENT, TAIL, TAU, TAU_HIGH, TAU_LOW, WA, WC, WN, WV, WX, X, X_HIGH, X_LOW
} from "./Memory.sol";

/// @title What a list of shards fixes: slots, the public sum, and the weights of a slot
/// @dev docs/cid-argument.md: "Statement" and "The block sumcheck". Shards stand at STATEMENT + 96 as
/// digest, length, commitment.
library Shards {
    /// @dev Bytes of the largest shard.
    uint256 private constant MAX_BYTES = 122_880;
    /// @dev Most slots of a proof.
    uint256 private constant MAX_SLOTS = 16_384;
    /// @dev TAG_SHARD as a field element: keccak256("zkaggle/v1/SHARD") >> 8.
    uint256 private constant TAG = 0x58965f68cd7b62254dcb84942096f7805f0d907714bfc5b227665febef51f3;
    /// @dev The initial hash value of SHA-256, FIPS 180-4 section 5.3.3.
    uint256 private constant IV = 0x6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19;

    /// @notice Slots in use and the number of slot variables.
    /// @return ok whether lengths, commitments and the number of slots are in range
    function measure(uint256 shards, uint256 p) internal pure returns (bool ok, uint256 slots, uint256 m) {
        assembly ("memory-safe") {
            ok := iszero(iszero(shards))
            let end := add(add(STATEMENT, 96), mul(shards, 96))
            for { let at := add(STATEMENT, 96) } lt(at, end) { at := add(at, 96) } {
                let size := mload(add(at, 32))
                ok := and(ok, and(iszero(gt(size, MAX_BYTES)), lt(mload(add(at, 64)), p)))
                // A lead-in, then the blocks. What a bad length adds is not looked at.
                slots := add(slots, add(2, shr(6, and(add(size, 8), 0xffffffff))))
            }
            ok := and(ok, iszero(gt(slots, MAX_SLOTS)))
            m := 3
            for {} and(ok, gt(slots, shl(m, 1))) { m := add(m, 1) } {}
        }
    }

    /// @notice eq(challenges, ·) over the low floor(m/2) bits, and over the others.
    function tables(uint256 challenges, uint256 low, uint256 high, uint256 m, uint256 p) internal pure {
        table(low, challenges, m >> 1, p);
        table(high, challenges + ((m >> 1) << 5), m - (m >> 1), p);
    }

    /// @notice eq(challenges, i) for every i below 2^count.
    function table(uint256 to, uint256 challenges, uint256 count, uint256 p) internal pure {
        assembly ("memory-safe") {
            mstore(to, 1)
            let size := 32
            for { let j := 0 } lt(j, count) { j := add(j, 1) } {
                let x := mload(add(challenges, shl(5, j)))
                let end := add(to, size)
                for { let at := to } lt(at, end) { at := add(at, 32) } {
                    let v := mload(at)
                    let w := mulmod(v, x, p)
                    mstore(add(at, size), w)
                    mstore(at, addmod(v, sub(p, w), p))
                }
                size := shl(1, size)
            }
        }
    }

    /// @notice PUB: what the constraints say about known values.
    function publicSum(uint256 shards, uint256 m, uint256 p) internal pure returns (uint256 sum) {
        assembly ("memory-safe") {
            // Σ_j alpha^(198+j)·(word j)
            function words(w, q) -> s {
                for { let j := 0 } lt(j, 8) { j := add(j, 1) } {
                    s := add(
                        s,
                        mulmod(and(shr(sub(224, shl(5, j)), w), 0xffffffff), mload(add(ALPHA_CHAIN, shl(5, j))), q)
                    )
                    s := mod(s, q)
                }
            }
            function eqTau(b, half, q) -> v {
                v := mulmod(
                    mload(add(TAU_LOW, shl(5, and(b, sub(shl(half, 1), 1))))), mload(add(TAU_HIGH, shl(5, shr(half, b)))), q
                )
            }
            let half := shr(1, m)
            let start := words(IV, p)
            let lead := 0
            let at := add(STATEMENT, 96)
            for { let left := shards } left { left := sub(left, 1) } {
                let size := mload(add(at, 32))
                let end := add(lead, add(1, shr(6, add(size, 8))))
                let q := and(size, 63)
                let atEnd := eqTau(end, half, p)
                // The slot of the last data.
                let data := atEnd
                if or(iszero(q), gt(q, 55)) { data := eqTau(sub(end, 1), half, p) }
                // The successor of the last shard is slot 0.
                let next := add(end, 1)
                if eq(left, 1) { next := 0 }

                sum := addmod(sum, mulmod(eqTau(add(lead, 1), half, p), start, p), p)
                sum := addmod(sum, sub(p, mulmod(eqTau(next, half, p), words(mload(at), p), p)), p)
                {
                                        let v := mulmod(mload(ALPHA_INPUT), TAG, p)
                    v := add(v, mulmod(mload(add(ALPHA_INPUT, 32)), size, p))
                    v := add(v, mulmod(mload(ALPHA_COMMITMENT), mload(add(at, 64)), p))
                    sum := addmod(sum, mulmod(eqTau(lead, half, p), v, p), p)
                }
                let bits := shl(3, size)
                let first := atEnd
                if q {
                    first := data
                    // Byte q is in pack g, at 256^place.
                    let g := 0
                    let place := sub(21, q)
                    if gt(q, 21) {
                        g := 32
                        place := sub(42, q)
                        if gt(q, 42) {
                            g := 64
                            place := sub(63, q)
                        }
                    }
                    let v := mulmod(mload(add(add(ALPHA_INPUT, 32), g)), shl(add(7, shl(3, place)), 1), p)
                    if lt(q, 56) { v := add(v, mulmod(mload(add(ALPHA_INPUT, 96)), bits, p)) }
                    sum := addmod(sum, sub(p, mulmod(data, v, p)), p)
                }
                // The known bytes that are not zero: byte q, and 61 to 63.
                sum := addmod(sum, mulmod(first, mulmod(mload(add(ALPHA_PADDING, shl(5, q))), 0x80, p), p), p)
                {
                    let v := mulmod(mload(add(ALPHA_PADDING, 1952)), shr(16, bits), p)
                    v := add(v, mulmod(mload(add(ALPHA_PADDING, 1984)), and(shr(8, bits), 0xff), p))
                    v := add(v, mulmod(mload(add(ALPHA_PADDING, 2016)), and(bits, 0xff), p))
                    sum := addmod(sum, mulmod(atEnd, v, p), p)
                }
                lead := add(end, 1)
                at := add(at, 96)
            }
        }
    }

    /// @notice The weights of a slot and the selector of slots in use, as polynomials at x.
    function weights(uint256 shards, uint256 slots, uint256 m, uint256 p) internal pure {
        _prefixes(slots, m, p);
        _ofShards(shards, slots, m, p);
        assembly ("memory-safe") {
            // wM_k gathers every tail that starts at k or before.
            for { let at := TAIL } lt(at, add(TAIL, 2016)) { at := add(at, 32) } {
                mstore(add(at, 32), addmod(mload(add(at, 32)), mload(at), p))
            }
        }
    }

    /// @dev wC, act and the part of wN and wX that does not name a shard: sums over slots up to the last.
    function _prefixes(uint256 slots, uint256 m, uint256 p) private pure {
        assembly ("memory-safe") {
            let last := sub(slots, 1)
            let full := 1
            let le := 1
            let lt_ := 1
            let carry := 1
            let next := 0
            let nx := 0
            for { let i := 0 } lt(i, m) { i := add(i, 1) } {
                let t := mload(add(TAU, shl(5, i)))
                let x := mload(add(X, shl(5, i)))
                let d := mulmod(t, x, p)
                // Below 2p each.
                let u := add(t, sub(p, d))
                let v := add(x, sub(p, d))
                let a := addmod(add(1, d), sub(shl(1, p), add(t, x)), p)
                let b := addmod(a, d, p)
                switch and(shr(i, last), 1)
                case 1 {
                    le := addmod(mulmod(a, full, p), mulmod(d, le, p), p)
                    lt_ := addmod(add(1, sub(p, x)), mulmod(x, lt_, p), p)
                    nx := addmod(add(mulmod(a, next, p), mulmod(u, carry, p)), mulmod(d, nx, p), p)
                }
                default {
                    le := mulmod(a, le, p)
                    lt_ := mulmod(add(1, sub(p, x)), lt_, p)
                    nx := mulmod(a, nx, p)
                }
                next := addmod(mulmod(b, next, p), mulmod(u, carry, p), p)
                full := mulmod(b, full, p)
                carry := mulmod(v, carry, p)
            }
            mstore(ACT, lt_)
            mstore(WC, le)
            mstore(WA, le)
            mstore(WN, nx)
            mstore(WX, nx)
            mstore(EQ, full)
        }
    }

    /// @dev What lead-ins, data's ends and tails add to and take from the weights.
    function _ofShards(uint256 shards, uint256 slots, uint256 m, uint256 p) private pure {
        assembly ("memory-safe") {
            function entry(low, high, b, half, q) -> v {
                v := mulmod(mload(add(low, shl(5, and(b, sub(shl(half, 1), 1))))), mload(add(high, shl(5, shr(half, b)))), q)
            }
            calldatacopy(TAIL, calldatasize(), 2048)
            let half := shr(1, m)
            let wA := mload(WA)
            let wN := mload(WN)
            let wX := mload(WX)
            let wV := 0
            wN := addmod(
                wN,
                mulmod(
                    mulmod(mload(TAU_LOW), mload(TAU_HIGH), p), entry(X_LOW, X_HIGH, sub(slots, 1), half, p), p
                ),
                p
            )
            let lead := 0
            let at := add(STATEMENT, 128)
            for {} shards { shards := sub(shards, 1) } {
                let size := mload(at)
                let end := add(lead, add(1, shr(6, add(size, 8))))
                let tau := entry(TAU_LOW, TAU_HIGH, lead, half, p)
                let x := entry(X_LOW, X_HIGH, lead, half, p)
                wA := addmod(wA, sub(p, mulmod(tau, x, p)), p)
                wN := addmod(wN, sub(p, mulmod(entry(TAU_LOW, TAU_HIGH, add(lead, 1), half, p), x, p)), p)
                if lead {
                    wX := addmod(wX, sub(p, mulmod(tau, entry(X_LOW, X_HIGH, sub(lead, 1), half, p), p)), p)
                }
                let q := and(size, 63)
                let data := entry(X_LOW, X_HIGH, end, half, p)
                let tail := mulmod(entry(TAU_LOW, TAU_HIGH, end, half, p), data, p)
                let from := add(TAIL, shl(5, q))
                if or(iszero(q), gt(q, 55)) {
                    // The tail, or its second slot, begins with its slot.
                    mstore(TAIL, addmod(mload(TAIL), tail, p))
                    data := entry(X_LOW, X_HIGH, sub(end, 1), half, p)
                    tail := mulmod(entry(TAU_LOW, TAU_HIGH, sub(end, 1), half, p), data, p)
                }
                if q { mstore(from, addmod(mload(from), tail, p)) }
                wV := addmod(wV, mulmod(tau, data, p), p)
                lead := add(end, 1)
                at := add(at, 96)
            }
            mstore(WA, wA)
            mstore(WN, wN)
            mstore(WX, wX)
            mstore(WV, wV)
        }
    }
}
