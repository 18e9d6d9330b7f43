// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {ReleaseDouble, ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice The table of RolesTest, continued: every state of a large claim, every function that can meet it, every role.
/// @dev Two chunks of zeros; the second has one word.
contract RolesLargeTest is Base {
    enum State {
        ToClaim,
        Listed,
        Asked,
        AskedLate,
        Inspected,
        RoundOver,
        Failed,
        Paid
    }
    enum Role {
        Owner,
        Entrant,
        Stranger
    }

    uint256 private constant FUNCTIONS = 10;
    uint256 private id;
    uint256 private until;
    uint256 private from;
    uint256 private to;
    bytes32[] private chunks;
    uint256[] private sums;
    ReleaseStatement private x;

    function enter(State s) private {
        setUpWorld();
        vm.fee(0);
        releaseVk = registerKey(IKeyRegistry.Role.Release, address(new ReleaseDouble()), "large", bytes32(uint256(3073)));
        scoreVk = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "large", releaseVk);
        uint32[] memory scores = new uint32[](2);
        (scores[0], scores[1]) = (120, 110);
        id = inClaim(sealedParams(), scores);
        (from, to) = market.roundOf(id);
        (chunks, sums) = (new bytes32[](2), new uint256[](2));
        (chunks[0], chunks[1]) = (sha256(new bytes(3072 * 32)), sha256(new bytes(32)));
        ReleaseStatement memory y;
        (y.ctx, y.C, y.pkX, y.pkY, y.epkX, y.epkY) = (context(id, hunter(0), 0), model(0, 0), PKX, PKY, 11, 12);
        y.z = pointOf(releaseVk, sha256(abi.encodePacked(chunks)), y);
        x = y;
        if (s == State.ToClaim) return;
        if (s == State.RoundOver) vm.warp(to - 1);
        until = vm.getBlockTimestamp() + 1500;
        send(hunter(4), 0, claimCall());
        if (s == State.RoundOver) vm.warp(to);
        if (s == State.Inspected || s == State.Paid) vm.warp(until);
        if (s == State.Paid) market.settleClaim(id, hunter(0), 0);
        if (s != State.Asked && s != State.AskedLate && s != State.Failed) return;
        send(owner, 0, abi.encodeCall(IBountyMarket.challengeChunk, (id, hunter(0), 0, 1)));
        if (s != State.Asked) vm.warp(vm.getBlockTimestamp() + 500);
        if (s == State.Failed) market.settleClaim(id, hunter(0), 0);
    }

    function claimCall() private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.claimChunks, (id, hunter(0), 0, 11, 12, chunks, sums, releaseProof(x)));
    }

    function caller(Role r) private view returns (address) {
        return r == Role.Owner ? owner : r == Role.Entrant ? hunter(0) : hunter(5);
    }

    function callOf(uint256 f) private view returns (bytes memory) {
        if (f == 0) return claimCall();
        if (f == 1) return abi.encodeCall(IBountyMarket.challengeChunk, (id, hunter(0), 0, 1));
        if (f == 2) return abi.encodeCall(IBountyMarket.answerChunk, (id, hunter(0), 0, 1, x.z, chunks, sums, new bytes(32)));
        if (f == 3) return abi.encodeCall(IBountyMarket.settleClaim, (id, hunter(0), 0));
        if (f == 4) return abi.encodeCall(IBountyMarket.lapse, (id));
        if (f == 5) return abi.encodeCall(IBountyMarket.finalize, (id));
        if (f == 6) return abi.encodeCall(IBountyMarket.refund, (id, hunter(0), 0));
        if (f == 7) return abi.encodeCall(IBountyMarket.timeout, (id));
        if (f == 8) return abi.encodeCall(IBountyMarket.cancel, (id, 9));
        return abi.encodeCall(IBountyMarket.challengeShard, (id, 0));
    }

    /// @dev The cell: empty where the call succeeds, otherwise its error.
    function cell(State s, uint256 f, Role r) private view returns (bytes memory) {
        bool listed = s >= State.Listed && s <= State.RoundOver;
        bytes memory notClaimable = abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 0);
        bytes memory pending = err(IMarketErrors.ClaimPending.selector, until);
        if (f == 0) {
            if (s == State.ToClaim) return "";
            return s == State.RoundOver ? err(IMarketErrors.RoundClosed.selector, from, to) : notClaimable;
        }
        if (f <= 3 && !listed) return notClaimable;
        if (f == 1) {
            if (r != Role.Owner) return abi.encodeWithSelector(IMarketErrors.NotOwner.selector, caller(r));
            if (s == State.Inspected) return err(IMarketErrors.ChallengesClosed.selector, until);
            bool asked = s == State.Asked || s == State.AskedLate;
            return asked ? err(IMarketErrors.NotChallengeable.selector, 1) : bytes("");
        }
        if (f == 2) return s == State.Asked ? bytes("") : err(IMarketErrors.NotChallenged.selector, 1);
        if (f == 3) return s == State.AskedLate || s == State.Inspected ? bytes("") : pending;
        if (f == 4) return s == State.RoundOver ? pending : err(IMarketErrors.NothingLapsed.selector);
        if (f == 5) return s == State.RoundOver ? pending : err(IMarketErrors.ClaimsPending.selector, to);
        if (f == 6) return err(IMarketErrors.NothingToRefund.selector);
        return err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Claim));
    }

    /// @dev One cell, in a call of its own: memory is not given back within one.
    function play(State s, uint256 f, Role r) external {
        bytes memory data = callOf(f);
        bytes memory expected = cell(s, f, r);
        vm.prank(caller(r));
        (bool ok, bytes memory got) = address(market).call(data);
        string memory where =
            string.concat(vm.toString(uint256(s)), "/", vm.toString(f), "/", vm.toString(uint256(r)), ": ", vm.toString(got));
        check(ok == (expected.length == 0), where);
        if (!ok) check(keccak256(got) == keccak256(expected), where);
    }

    function row(State s) private {
        enter(s);
        uint256 world = vm.snapshotState();
        for (uint256 f; f < FUNCTIONS; ++f) {
            for (uint256 r; r < 3; ++r) {
                this.play(s, f, Role(r));
                vm.revertToState(world);
            }
        }
    }

    function test_to_claim() public {
        row(State.ToClaim);
    }

    function test_listed() public {
        row(State.Listed);
    }

    function test_a_chunk_is_asked_for() public {
        row(State.Asked);
    }

    function test_a_chunk_was_not_shown() public {
        row(State.AskedLate);
    }

    function test_inspected() public {
        row(State.Inspected);
    }

    function test_listed_when_the_round_ends() public {
        row(State.RoundOver);
    }

    function test_failed() public {
        row(State.Failed);
    }

    function test_paid() public {
        row(State.Paid);
    }
}
