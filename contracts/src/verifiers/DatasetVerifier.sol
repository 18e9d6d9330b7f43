// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DatasetStatement, IDatasetVerifier} from "../interfaces/IDatasetVerifier.sol";
import {Srs} from "./Srs.sol";
import {Constraints} from "./cid/Constraints.sol";
import {
    ACT,
    ALPHA,
    KEY,
    PI,
    READS,
    RHO,
    ROUND,
    ROW_PI,
    ROW_RHO,
    SCRATCH,
    STATEMENT,
    TAU,
    TAU_HIGH,
    TAU_LOW,
    THETA,
    VALUE,
    VALUES,
    X,
    X_HIGH,
    X_LOW
} from "./cid/Memory.sol";
import {Opening} from "./cid/Opening.sol";
import {Reads} from "./cid/Reads.sol";
import {Shards} from "./cid/Shards.sol";
import {Sponge} from "./cid/Sponge.sol";

/// @title CID statements of a list of shards, proved by sumcheck
/// @notice The argument, byte by byte: docs/cid-argument.md. The same steps in Rust: circuits/sumcheck.
/// @dev A key is constants of SHA-256 and of the sponge, in one data contract: what they are is fixed by
/// its bytes, which a vkId hashes.
///
/// What is checked of a proof: its length, exactly; every scalar below the field's order; every point by
/// the precompile it goes to, and every point of a proof is a term of the final sum. 64 zero bytes are the
/// point at infinity, a legal commitment to the zero polynomial.
contract DatasetVerifier is Srs, IDatasetVerifier {
    /// @notice The adapter uses memory that belongs to the verifier: a bug, not an input.
    error MemoryTaken();
    /// @notice The data contract does not hold a key of this version.
    error KeyMalformed();

    /// @notice What a proof fails at, in the order of checking; the names are those of docs/cid-argument.md.
    /// Form: statement, length of the proof, scalars. A point that is none fails the opening.
    enum Step {
        Accepted,
        Form,
        Block,
        Row,
        Opening
    }

    /// @dev First word of a key: its format, version and number of columns.
    bytes32 private constant HEADER = "zkaggle/v1/CID-KEY";
    uint256 private constant KEY_BYTES = 32 * 169;
    /// @dev keccak256("zkaggle/v1/CID-ARGUMENT"), the first state of the transcript.
    bytes32 private constant DOMAIN = keccak256("zkaggle/v1/CID-ARGUMENT");

    /// @dev What the steps hand on.
    struct Run {
        uint256 p;
        uint256 shards;
        uint256 slots;
        // Variables of a slot.
        uint256 m;
        // 1 where two columns share a commitment, else 0: that many variables tell them apart.
        uint256 stack;
        // Bytes of the commitments.
        uint256 commitments;
        // Where the proof starts.
        uint256 proof;
        uint256 state;
    }

    /// @param tau tau in G2 in the order of EIP-197
    constructor(uint256[4] memory tau) Srs(tau) {}

    /// @inheritdoc IDatasetVerifier
    function verify(address[] calldata key, DatasetStatement[] calldata statements, bytes calldata proof)
        external
        view
        returns (bool)
    {
        return _step(key, statements, proof) == Step.Accepted;
    }

    /// @notice The step that refuses a proof, for whoever wonders why `verify` says no.
    /// @dev Reverts for a key that is none.
    function step(address[] calldata key, DatasetStatement[] calldata statements, bytes calldata proof)
        external
        view
        returns (Step)
    {
        return _step(key, statements, proof);
    }

    function _step(address[] calldata key, DatasetStatement[] calldata statements, bytes calldata proof)
        private
        view
        returns (Step)
    {
        Run memory run;
        _load(key);
        run.p = _order;
        if (!_read(run, statements, proof)) return Step.Form;
        uint256 claim = _blocks(run);
        // After the commitments and m messages of six words.
        uint256 values = run.proof + run.commitments + 192 * run.m;
        if (claim != Sponge.expected(values, run.p)) return Step.Block;
        if (!_rows(run, values)) return Step.Row;
        _reads(run, values);
        uint256 head = values + VALUES + 768 + READS + 384 + 64 * run.stack;
        uint256 n = run.m + 6 + run.stack;
        if (!Opening.combine([run.proof, run.proof + run.commitments], head, n, run.state, run.p)) return Step.Opening;
        // The last quotient ends the proof.
        return _pair(run.proof + proof.length - 64, SCRATCH) ? Step.Accepted : Step.Opening;
    }

    /// @inheritdoc IDatasetVerifier
    function srsId() public view override(Srs, IDatasetVerifier) returns (bytes32) {
        return super.srsId();
    }

    /// @dev A key is one data contract: a STOP byte, then the key's bytes.
    function _load(address[] calldata key) private view {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        if (free > SCRATCH) revert MemoryTaken();
        if (key.length != 1 || key[0].code.length != KEY_BYTES + 1) revert KeyMalformed();
        address chunk = key[0];
        bytes32 header;
        assembly ("memory-safe") {
            // No memory is allocated before `_read` moves the pointer behind the proof.
            extcodecopy(chunk, KEY, 1, KEY_BYTES)
            header := mload(KEY)
        }
        if (header != HEADER) revert KeyMalformed();
    }

    /// @dev Lays out the statement with the proof behind it; checks lengths and scalars.
    function _read(Run memory run, DatasetStatement[] calldata statements, bytes calldata proof)
        private
        view
        returns (bool ok)
    {
        uint256 p = run.p;
        bytes32 srs = srsId();
        run.shards = statements.length;
        uint256 head = STATEMENT + 96 + 96 * statements.length;
        run.proof = head;
        assembly ("memory-safe") {
            mstore(0x40, and(add(add(head, proof.length), 63), not(31)))
            mstore(add(STATEMENT, 32), srs)
            mstore(add(STATEMENT, 64), statements.length)
            calldatacopy(add(STATEMENT, 96), statements.offset, mul(96, statements.length))
            calldatacopy(head, proof.offset, proof.length)
        }
        uint256 m;
        (ok, run.slots, m) = Shards.measure(statements.length, p);
        run.m = m;
        // Up to the slots of the longest shard, for the fewest points; larger proofs are cheaper to make unstacked.
        uint256 stack = m < 12 ? 1 : 0;
        run.stack = stack;
        // Of 109 columns, 55 polynomials.
        uint256 commitments = stack == 0 ? 6976 : 3520;
        run.commitments = commitments;
        // Commitments, 425 words and 10 a slot variable, and 6 words for the stack.
        if (!ok || proof.length != commitments + 13_792 + 320 * m + 192 * stack) return false;
        assembly ("memory-safe") {
            head := add(head, commitments)
            let end := add(add(head, mul(192, m)), add(12928, shl(6, stack)))
            for {} lt(head, end) { head := add(head, 64) } {
                ok := and(ok, and(lt(mload(head), p), lt(mload(add(head, 32)), p)))
            }
            // Behind n − 1 folds, 2n + 1 evaluations of a point of n coordinates.
            let n := add(add(m, 6), stack)
            head := add(head, shl(6, sub(n, 1)))
            end := add(head, shl(5, add(shl(1, n), 1)))
            for {} lt(head, end) { head := add(head, 32) } { ok := and(ok, lt(mload(head), p)) }
        }
    }

    /// @dev Draws tau, theta and alpha, and runs the block rounds.
    function _blocks(Run memory run) private pure returns (uint256 claim) {
        uint256 p = run.p;
        uint256 m = run.m;
        uint256 state = uint256(DOMAIN);
        uint256 length = 64 + 96 * run.shards + run.commitments;
        assembly ("memory-safe") {
            function squeeze(s) -> t {
                mstore(0, s)
                mstore8(32, 1)
                t := keccak256(0, 33)
            }
            mstore(STATEMENT, state)
            state := keccak256(STATEMENT, add(length, 32))
            let head := TAU
            for { let end := add(head, shl(5, m)) } lt(head, end) { head := add(head, 32) } {
                mstore(head, mod(state, p))
                state := squeeze(state)
            }
            head := THETA
            for { let end := add(head, 192) } lt(head, end) { head := add(head, 32) } {
                mstore(head, mod(state, p))
                state := squeeze(state)
            }
            let alpha := mod(state, p)
            let power := 1
            head := ALPHA
            for { let end := add(head, 8800) } lt(head, end) { head := add(head, 32) } {
                mstore(head, power)
                power := mulmod(power, alpha, p)
            }
        }
        Shards.tables(TAU, TAU_LOW, TAU_HIGH, m, p);
        claim = Shards.publicSum(run.shards, m, p);
        (claim, run.state) = _rounds(run.proof + run.commitments, [m, 192, 0, X], claim, state, p);
        Shards.tables(X, X_LOW, X_HIGH, m, p);
        Shards.weights(run.shards, run.slots, m, p);
    }

    /// @dev Runs the row rounds; whether step "row" holds.
    function _rows(Run memory run, uint256 values) private pure returns (bool) {
        uint256 p = run.p;
        uint256 claim;
        assembly ("memory-safe") {
            claim := mload(values)
        }
        // The values have no challenge of their own: they are hashed with the first message.
        (claim, run.state) = _rounds(values + VALUES, [6, 128, VALUES, RHO], claim, run.state, p);
        Shards.table(ROW_RHO, RHO, 6, p);
        // Over a table that is done with.
        Shards.table(TAU_LOW, THETA, 6, p);
        uint256 all;
        uint256 schedule;
        uint256 round;
        assembly ("memory-safe") {
            for { let head := 0 } lt(head, 2048) { head := add(head, 32) } {
                let r := mload(add(ROW_RHO, head))
                let v := mulmod(mload(add(TAU_LOW, head)), r, p)
                all := addmod(all, v, p)
                if and(gt(head, 0), lt(head, 1568)) { schedule := addmod(schedule, v, p) }
                round := addmod(round, mulmod(r, mload(add(ROUND, head)), p), p)
            }
            round := mulmod(round, mload(ACT), p)
        }
        return claim == Constraints.row(values + VALUES + 768, round, all, schedule, p);
    }

    /// @dev Runs the read rounds; leaves the opening's value and coefficients.
    function _reads(Run memory run, uint256 values) private pure {
        uint256 p = run.p;
        uint256 reads = values + VALUES + 768;
        uint256 gamma = _absorb(reads, READS, run.state);
        uint256 claim = Reads.claim(gamma % p, values, reads, p);
        (claim, run.state) = _rounds(reads + READS, [6, 64, 0, PI], claim, gamma, p);
        Shards.table(ROW_PI, PI, 6, p);
        Reads.coefficients(p);
        if (run.stack == 1) {
            // The last coordinate of the opening's point.
            uint256 sigma = X + 32 * run.m;
            (claim, run.state) = _rounds(reads + READS + 384, [1, 64, 0, sigma], claim, run.state, p);
            Reads.stack(sigma, p);
        }
        assembly ("memory-safe") {
            mstore(VALUE, claim)
        }
    }

    /// @dev Absorbs what stands at `head`, and squeezes. The word before lends its place to the state.
    function _absorb(uint256 head, uint256 length, uint256 state) private pure returns (uint256 next) {
        assembly ("memory-safe") {
            let before := sub(head, 32)
            let kept := mload(before)
            mstore(before, state)
            next := keccak256(before, add(length, 32))
            mstore(before, kept)
        }
    }

    /// @dev Rounds of a sumcheck: a message is the coefficients 0, 2, 3, … of a polynomial whose values at
    /// 0 and 1 add up to the claim.
    /// @param shape rounds, bytes of a message, bytes to absorb before the first, where challenges go
    function _rounds(uint256 head, uint256[4] memory shape, uint256 claim, uint256 state, uint256 p)
        private
        pure
        returns (uint256, uint256)
    {
        assembly ("memory-safe") {
            let size := mload(add(shape, 32))
            let prefix := mload(add(shape, 64))
            let to := mload(add(shape, 96))
            for { let end := add(head, mul(size, mload(shape))) } lt(head, end) { head := add(head, size) } {
                let before := sub(sub(head, prefix), 32)
                let kept := mload(before)
                mstore(before, state)
                state := keccak256(before, add(add(size, prefix), 32))
                mstore(before, kept)
                prefix := 0
                let x := mod(state, p)
                mstore(to, x)
                to := add(to, 32)

                let upper := 0
                let c := mload(head)
                let sum := add(c, c)
                for { let i := sub(size, 32) } i { i := sub(i, 32) } {
                    let v := mload(add(head, i))
                    upper := add(mulmod(upper, x, p), v)
                    sum := addmod(sum, v, p)
                }
                // The linear coefficient follows from the claim.
                let linear := add(claim, sub(p, mod(sum, p)))
                claim := addmod(mulmod(add(mulmod(upper, x, p), linear), x, p), c, p)
            }
        }
        return (claim, state);
    }
}
