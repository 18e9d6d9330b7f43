// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Srs} from "./Srs.sol";

/// @title Verifier of halo2 proofs (KZG on BN254, SHPLONK, Keccak transcript) for every key
/// @notice A key is data. The contract loads it from data contracts, replays the transcript over
/// the proof, runs the key's program (one operation, `d = a·b + c`) over the proof's scalars, adds
/// up the commitments with the program's results as coefficients and ends in one pairing.
/// @dev What a key must be is fixed by whoever derives it: its bytes are hashed into the vkId, and
/// nodes compile the published circuit themselves before they accept one. A wrong key can accept
/// wrong statements about itself; it can touch nothing but this call's memory.
///
/// Format and transcript byte by byte: docs/circuits/evm.md. The same steps in Rust, from the same
/// bytes: circuits/src/evm/machine.rs.
///
/// What is checked of a proof:
///  - its length, exactly;
///  - every scalar below the field's order, here and for the public inputs;
///  - every point by the precompile it goes to: coordinates below the base field's order, on the
///    curve. Every point of a proof is a term of the final sum (the compiler refuses circuits
///    where one is not), so none goes unchecked. G1 has no other subgroup.
///  - 64 zero bytes are the point at infinity, a legal commitment to the zero polynomial.
///
/// Memory: everything from FIRST on belongs to the verifier. Addresses in a key are absolute; the
/// adapter's own memory has to end before FIRST, which is checked.
abstract contract Halo2Verifier is Srs {
    /// @notice The adapter uses memory that belongs to the verifier: a bug, not an input.
    error MemoryTaken();
    /// @notice The data contracts do not hold a key of this version, or not a whole one.
    error KeyMalformed();
    /// @dev First address the verifier uses; layout.rs has the same constant.
    uint256 private constant FIRST = 0x400;
    /// @dev keccak256("zkaggle/v1/TRANSCRIPT"), the first state of the transcript.
    uint256 private constant DOMAIN = 0x3c8cc2a056f5b919c3bf3b3b5b48f65f42cff0295b8daa45453fbd3d426185d9;

    /// @param tau tau in G2 in the order of EIP-197
    constructor(uint256[4] memory tau) Srs(tau) {}

    /// @notice Whether `proof` holds for `inputs` under the key in `key`.
    /// @param key data contracts: a STOP byte, then the key's bytes, in order
    /// @param inputs public inputs in the statement's order
    /// @dev False for any proof that does not hold, malformed or not; reverts for a key that is none.
    function _verify(address[] calldata key, uint256[] memory inputs, bytes calldata proof)
        internal
        view
        returns (bool)
    {
        (uint256 header, uint256 buffer) = _load(key);
        if (inputs.length != ((header >> 224) & 0xffff) || proof.length != ((header >> 160) & 0xffffffff)) {
            return false;
        }
        (bool ok, uint256 plan) = _transcript(header, inputs, proof);
        if (!ok) return false;

        // The plan goes on with the final sum's terms; the program's two parts follow.
        uint256 code = plan + 4 * ((header >> 32) & 0xffff);
        uint256 middle = code + 32 * ((header >> 64) & 0xffff);
        _run(code, middle);
        if (!_invert((header >> 96) & 0xffff, (header >> 80) & 0xffff, buffer)) return false;
        _run(middle, middle + 32 * ((header >> 48) & 0xffff));

        // The second opening point is the proof's last; challenges begin where it ends.
        return _sum(plan, code, buffer) && _pair(((header >> 128) & 0xffff) - 64, buffer);
    }

    /// @dev Copies the key to the address its header names.
    /// @return header the key's first word
    /// @return buffer free memory after the key, scratch for the precompiles
    function _load(address[] calldata key) private view returns (uint256 header, uint256 buffer) {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        if (free > FIRST) revert MemoryTaken();
        if (key.length == 0) revert KeyMalformed();
        bool whole = true;
        assembly ("memory-safe") {
            extcodecopy(calldataload(key.offset), 0, 1, 32)
            header := mload(0)
            let at := and(shr(144, header), 0xffff)
            let end := add(at, and(shr(192, header), 0xffffffff))
            for { let i := 0 } lt(i, key.length) { i := add(i, 1) } {
                let chunk := calldataload(add(key.offset, shl(5, i)))
                let size := extcodesize(chunk)
                // A chunk without code, or more bytes than the header announces.
                if or(iszero(size), gt(add(at, size), add(end, 1))) {
                    whole := 0
                    break
                }
                extcodecopy(chunk, at, 1, sub(size, 1))
                at := add(at, sub(size, 1))
            }
            // Version 1, and neither more nor less than a whole key, loaded where it belongs.
            whole := and(and(whole, eq(byte(0, header), 1)), eq(at, end))
            buffer := and(add(end, 31), not(31))
            whole := and(whole, gt(buffer, FIRST))
            // Only then: a revert writes its error at the free memory pointer.
            if whole { mstore(0x40, buffer) }
        }
        if (!whole) revert KeyMalformed();
    }

    /// @dev Copies the proof in, segment by segment, and squeezes the challenges. A segment lies
    /// right behind the 32-byte state it is hashed with, so hashing copies nothing.
    /// @return ok whether all scalars are canonical
    /// @return plan address after the plan's segments
    function _transcript(uint256 header, uint256[] memory inputs, bytes calldata proof)
        private
        pure
        returns (bool ok, uint256 plan)
    {
        uint256 order = _order;
        assembly ("memory-safe") {
            ok := 1
            let key := and(shr(144, header), 0xffff)
            plan := add(key, and(header, 0xffffffff))
            let at := FIRST
            let state := DOMAIN
            // The first segment starts with the key's digest and the public inputs.
            mstore(add(at, 32), mload(add(key, 32)))
            let prefix := 32
            for { let i := 0 } lt(i, mload(inputs)) { i := add(i, 1) } {
                let x := mload(add(inputs, shl(5, add(i, 1))))
                ok := and(ok, lt(x, order))
                prefix := add(prefix, 32)
                mstore(add(at, prefix), x)
            }
            let source := proof.offset
            let challenge := and(shr(128, header), 0xffff)
            let last := add(plan, shl(2, and(shr(112, header), 0xffff)))
            for {} lt(plan, last) { plan := add(plan, 4) } {
                let segment := mload(plan)
                let length := shl(5, shr(240, segment))
                let from := add(add(at, 32), prefix)
                let end := add(from, length)
                mstore(at, state)
                calldatacopy(from, source, length)
                source := add(source, length)
                if byte(3, segment) {
                    for {} lt(from, end) { from := add(from, 32) } { ok := and(ok, lt(mload(from), order)) }
                }
                let squeezes := byte(2, segment)
                if squeezes {
                    state := keccak256(at, sub(end, at))
                    mstore(challenge, mod(state, order))
                    challenge := add(challenge, 32)
                    for { let i := 1 } lt(i, squeezes) { i := add(i, 1) } {
                        mstore(0, state)
                        mstore8(32, 1)
                        state := keccak256(0, 33)
                        mstore(challenge, mod(state, order))
                        challenge := add(challenge, 32)
                    }
                }
                at := end
                prefix := 0
            }
            // The segments cover the proof exactly.
            ok := and(ok, eq(source, add(proof.offset, proof.length)))
        }
    }

    /// @dev Runs the operations in [next, end): four a word, each the 16-bit addresses of a, b, c, d
    /// in d = a·b + c. Operands are read before the result is written, so d may be a, b or c. A part
    /// is an even number of words: the loop is unrolled twice.
    function _run(uint256 next, uint256 end) private pure {
        uint256 order = _order;
        assembly ("memory-safe") {
            for {} lt(next, end) { next := add(next, 64) } {
                let w := mload(next)
                mstore(
                    and(shr(192, w), 0xffff),
                    addmod(
                        mulmod(mload(shr(240, w)), mload(and(shr(224, w), 0xffff)), order),
                        mload(and(shr(208, w), 0xffff)),
                        order
                    )
                )
                mstore(
                    and(shr(128, w), 0xffff),
                    addmod(
                        mulmod(mload(and(shr(176, w), 0xffff)), mload(and(shr(160, w), 0xffff)), order),
                        mload(and(shr(144, w), 0xffff)),
                        order
                    )
                )
                mstore(
                    and(shr(64, w), 0xffff),
                    addmod(
                        mulmod(mload(and(shr(112, w), 0xffff)), mload(and(shr(96, w), 0xffff)), order),
                        mload(and(shr(80, w), 0xffff)),
                        order
                    )
                )
                mstore(
                    and(w, 0xffff),
                    addmod(
                        mulmod(mload(and(shr(48, w), 0xffff)), mload(and(shr(32, w), 0xffff)), order),
                        mload(and(shr(16, w), 0xffff)),
                        order
                    )
                )
                w := mload(add(next, 32))
                mstore(
                    and(shr(192, w), 0xffff),
                    addmod(
                        mulmod(mload(shr(240, w)), mload(and(shr(224, w), 0xffff)), order),
                        mload(and(shr(208, w), 0xffff)),
                        order
                    )
                )
                mstore(
                    and(shr(128, w), 0xffff),
                    addmod(
                        mulmod(mload(and(shr(176, w), 0xffff)), mload(and(shr(160, w), 0xffff)), order),
                        mload(and(shr(144, w), 0xffff)),
                        order
                    )
                )
                mstore(
                    and(shr(64, w), 0xffff),
                    addmod(
                        mulmod(mload(and(shr(112, w), 0xffff)), mload(and(shr(96, w), 0xffff)), order),
                        mload(and(shr(80, w), 0xffff)),
                        order
                    )
                )
                mstore(
                    and(w, 0xffff),
                    addmod(
                        mulmod(mload(and(shr(48, w), 0xffff)), mload(and(shr(32, w), 0xffff)), order),
                        mload(and(shr(16, w), 0xffff)),
                        order
                    )
                )
            }
        }
    }

    /// @dev Writes the inverse of the word at `from` to `to`. The word is the product of all
    /// denominators: zero only if a challenge hits a root of unity, and then nothing is accepted.
    function _invert(uint256 from, uint256 to, uint256 buffer) private view returns (bool ok) {
        uint256 order = _order;
        assembly ("memory-safe") {
            mstore(buffer, 32)
            mstore(add(buffer, 32), 32)
            mstore(add(buffer, 64), 32)
            mstore(add(buffer, 96), mload(from))
            mstore(add(buffer, 128), sub(order, 2))
            mstore(add(buffer, 160), order)
            ok := and(staticcall(gas(), 5, buffer, 192, to, 32), iszero(iszero(mload(from))))
        }
    }

    /// @dev Adds up the terms in [next, end), each the 16-bit addresses of a point and a scalar, into
    /// `buffer`. ecMul leaves its product behind the sum, where ecAdd wants it.
    function _sum(uint256 next, uint256 end, uint256 buffer) private view returns (bool ok) {
        assembly ("memory-safe") {
            ok := 1
            mstore(buffer, 0)
            mstore(add(buffer, 32), 0)
            let term := add(buffer, 64)
            for {} and(lt(next, end), ok) { next := add(next, 4) } {
                let w := mload(next)
                mcopy(term, shr(240, w), 64)
                mstore(add(buffer, 128), mload(and(shr(224, w), 0xffff)))
                ok := staticcall(gas(), 7, term, 96, term, 64)
                ok := and(ok, staticcall(gas(), 6, buffer, 128, buffer, 64))
            }
        }
    }
}
