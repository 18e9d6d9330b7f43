// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice Every state, every function that changes one, every role: what is allowed succeeds, all else
/// is refused with the error that the cell names.
/// @dev Each cell starts from the same world. The same calls, with arguments that are right wherever
/// the call is allowed at all.
contract RolesTest is Base {
    enum State {
        Nothing,
        Commit,
        Reveal,
        Attest,
        Challenged,
        Prove,
        Claim,
        ClaimLate,
        DefaultedOpen,
        Defaulted,
        Cancelled,
        Closed
    }
    enum Role {
        Owner,
        Entrant,
        Stranger
    }

    uint256 private constant FUNCTIONS = 20;
    uint256 private id;
    bytes32 private mine;

    /// @dev A bounty in the state: entrants 0 and 1 (slot 0), where there are any.
    function enter(State s) private {
        setUpWorld();
        vm.fee(0);
        mine = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "mine", releaseVk);
        if (s == State.Nothing) {
            id = 77;
            return;
        }
        id = create(sealedParams());
        if (s == State.Cancelled) {
            send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 0)));
            return;
        }
        commit(id, 0, 0);
        commit(id, 1, 0);
        if (s == State.Commit) return;
        vm.warp(commitEnd(id) + 60);
        if (s == State.Reveal) return;
        if (s == State.DefaultedOpen || s == State.Defaulted) {
            vm.warp(commitEnd(id) + 60 + 1000);
            if (s == State.Defaulted) market.timeout(id);
            return;
        }
        market.reveal(id, salt, digests(2));
        attestShards(2);
        if (s == State.Attest) return;
        if (s == State.Challenged) {
            send(hunter(0), 0, abi.encodeCall(IBountyMarket.challengeShard, (id, 1)));
            return;
        }
        market.attest(id);
        if (s == State.Prove) return;
        proveAll(id, 0, 0, 120);
        (uint256 start, uint256 end) = market.roundOf(id);
        vm.warp(start);
        if (s == State.Claim) return;
        vm.warp(end);
        if (s == State.ClaimLate) return;
        market.finalize(id);
    }

    function caller(Role r) private pure returns (address) {
        return r == Role.Owner ? address(0xA11CE) : r == Role.Entrant ? hunter(0) : hunter(5);
    }

    /// @dev Call f with arguments that are right for the caller.
    function callOf(uint256 f, Role r) private view returns (bytes memory data, uint256 value) {
        address who = caller(r);
        if (f == 0) {
            bytes32 h = entryHash(context(id, who, 1), model(9, 1));
            return (abi.encodeCall(IBountyMarket.commit, (id, 1, h, scoreVk, who)), 0.06 ether);
        }
        if (f == 1) return (abi.encodeCall(IBountyMarket.cancel, (id, 2)), 0);
        if (f == 2) return (abi.encodeCall(IBountyMarket.proposeKey, (id, mine, bytes32(0))), 0);
        if (f == 3) return (abi.encodeCall(IBountyMarket.acceptKey, (id, mine)), 0);
        if (f == 4) return (abi.encodeCall(IBountyMarket.draw, (id)), 0);
        if (f == 5) {
            IBountyMarket.Opening[] memory o = new IBountyMarket.Opening[](1);
            return (abi.encodeCall(IBountyMarket.openDrawn, (id, o)), 0);
        }
        if (f == 6) return (abi.encodeCall(IBountyMarket.reveal, (id, salt, digests(2))), 0);
        if (f == 7) return (abi.encodeCall(IBountyMarket.attest, (id)), 0);
        if (f == 8) return (abi.encodeCall(IBountyMarket.challengeShard, (id, 0)), 0);
        if (f == 9) {
            return (abi.encodeCall(IBountyMarket.answerShard, (id, 1, abi.encode("shard", uint256(1)))), 0);
        }
        if (f == 10) {
            return (proveCall(id, 0, 0, scoreStatement(id, r == Role.Entrant ? 0 : 5, 0, 0, 60)), 0);
        }
        if (f == 11) {
            bytes memory c = ciphertext(0, WORDS);
            return (claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c)), 0);
        }
        if (f == 12) return (abi.encodeCall(IBountyMarket.lapse, (id)), 0);
        if (f == 13) return (abi.encodeCall(IBountyMarket.timeout, (id)), 0);
        if (f == 14) return (abi.encodeCall(IBountyMarket.finalize, (id)), 0);
        if (f == 15) return (abi.encodeCall(IBountyMarket.refund, (id, hunter(1), 0)), 0);
        if (f == 16) {
            return (
                abi.encodeCall(
                    IBountyMarket.claimChunks,
                    (id, hunter(0), 0, 11, 12, new bytes32[](2), new uint256[](2), "")
                ),
                0
            );
        }
        if (f == 17) return (abi.encodeCall(IBountyMarket.challengeChunk, (id, hunter(0), 0, 0)), 0);
        if (f == 18) {
            return (
                abi.encodeCall(
                    IBountyMarket.answerChunk, (id, hunter(0), 0, 0, 1, new bytes32[](1), new uint256[](1), "")
                ),
                0
            );
        }
        return (abi.encodeCall(IBountyMarket.settleClaim, (id, hunter(0), 0)), 0);
    }

    function inPhase(State s) private pure returns (IBountyMarket.Phase) {
        if (s == State.Commit) return IBountyMarket.Phase.Commit;
        if (s == State.Reveal) return IBountyMarket.Phase.Reveal;
        if (s == State.Attest || s == State.Challenged) return IBountyMarket.Phase.Attest;
        if (s == State.Prove) return IBountyMarket.Phase.Prove;
        if (s == State.Claim || s == State.ClaimLate) return IBountyMarket.Phase.Claim;
        if (s == State.Closed) return IBountyMarket.Phase.Closed;
        if (s == State.Cancelled) return IBountyMarket.Phase.Cancelled;
        return IBountyMarket.Phase.Defaulted;
    }

    function wrong(State s) private pure returns (bytes memory) {
        return err(IMarketErrors.PhaseWrong.selector, uint256(inPhase(s)));
    }

    /// @dev The cell: empty where the call succeeds, otherwise its error.
    function cell(State s, uint256 f, Role r) private view returns (bytes memory) {
        if (s == State.Nothing) return err(IMarketErrors.BountyUnknown.selector, 77);
        bytes memory notOwner = abi.encodeWithSelector(IMarketErrors.NotOwner.selector, caller(r));
        bytes memory notClaimable = abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 0);
        if (f <= 5) {
            if (s != State.Commit) return wrong(s);
            if (f == 0 && r == Role.Owner) return abi.encodeWithSelector(IMarketErrors.NotAllowed.selector, caller(r));
            if ((f == 1 || f == 3) && r != Role.Owner) return notOwner;
            if (f == 4) return err(IMarketErrors.NothingToDraw.selector);
            if (f == 5) return err(IMarketErrors.OpeningInvalid.selector, 0);
            return "";
        }
        if (f == 6) return s == State.Reveal ? bytes("") : wrong(s);
        if (f == 7) return inPhase(s) == IBountyMarket.Phase.Attest ? bytes("") : wrong(s);
        if (f == 8 || f == 9) {
            if (s != State.Attest && s != State.Challenged && s != State.Prove) return wrong(s);
            if (f == 9) return s == State.Challenged ? bytes("") : err(IMarketErrors.NotChallenged.selector, 1);
            if (r == Role.Entrant) return "";
            return abi.encodeWithSelector(IMarketErrors.EntryUnknown.selector, caller(r), 0);
        }
        if (f == 10) {
            if (s != State.Prove) return wrong(s);
            return r == Role.Entrant ? bytes("") : abi.encodeWithSelector(IMarketErrors.EntryUnknown.selector, caller(r), 0);
        }
        if (f == 11 || f == 16) {
            if (inPhase(s) != IBountyMarket.Phase.Claim) return wrong(s);
            if (s == State.ClaimLate) {
                (uint256 start, uint256 end) = market.roundOf(id);
                return err(IMarketErrors.RoundClosed.selector, start, end);
            }
            return f == 11 ? bytes("") : err(IMarketErrors.ChunksInvalid.selector, 2, 0);
        }
        if (f == 12 || f == 14) {
            if (inPhase(s) != IBountyMarket.Phase.Claim) return wrong(s);
            if (s == State.ClaimLate) return "";
            if (f == 12) return err(IMarketErrors.NothingLapsed.selector);
            (, uint256 stop) = market.roundOf(id);
            return err(IMarketErrors.ClaimsPending.selector, stop);
        }
        if (f == 13) return s == State.DefaultedOpen ? bytes("") : wrong(s);
        if (f == 15) {
            return s == State.Defaulted || s == State.Closed ? bytes("") : err(IMarketErrors.NothingToRefund.selector);
        }
        return notClaimable;
    }

    /// @dev One cell, in a call of its own: memory is not given back within one.
    function play(State s, uint256 f, Role r) external {
        (bytes memory data, uint256 value) = callOf(f, r);
        bytes memory expected = cell(s, f, r);
        vm.prank(caller(r));
        (bool ok, bytes memory got) = address(market).call{value: value}(data);
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

    function test_nothing() public {
        row(State.Nothing);
    }

    function test_commit() public {
        row(State.Commit);
    }

    function test_reveal() public {
        row(State.Reveal);
    }

    function test_attest() public {
        row(State.Attest);
    }

    function test_challenged() public {
        row(State.Challenged);
    }

    function test_prove() public {
        row(State.Prove);
    }

    function test_claim() public {
        row(State.Claim);
    }

    function test_claim_after_its_round() public {
        row(State.ClaimLate);
    }

    function test_defaulted_before_timeout() public {
        row(State.DefaultedOpen);
    }

    function test_defaulted() public {
        row(State.Defaulted);
    }

    function test_cancelled() public {
        row(State.Cancelled);
    }

    function test_closed() public {
        row(State.Closed);
    }
}
