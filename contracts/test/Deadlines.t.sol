// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {Base} from "./Base.sol";
import {ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @notice A second before, the second itself, a second after every deadline: windows are half-open.
contract DeadlinesTest is Base {
    uint256 private id;

    function setUp() public {
        setUpWorld();
        vm.fee(0);
        attestShards(2);
        id = create(sealedParams());
    }

    function wrong(IBountyMarket.Phase p) private pure returns (bytes memory) {
        return err(IMarketErrors.PhaseWrong.selector, uint256(p));
    }

    /// @dev Allowed at `last`, refused one second and two seconds later, from the same state.
    function lastChance(uint256 last, address who, uint256 value, bytes memory data, bytes memory late) private {
        uint256 world = vm.snapshotState();
        vm.warp(last);
        send(who, value, data);
        for (uint256 k = 1; k < 3; ++k) {
            vm.revertToState(world);
            vm.warp(last + k);
            refuses(who, value, data, late);
        }
        vm.revertToState(world);
    }

    /// @dev Refused until one second before `first`, allowed at it and after it.
    function firstChance(uint256 first, address who, bytes memory data, bytes memory early) private {
        uint256 world = vm.snapshotState();
        for (uint256 k = 1; k < 3; ++k) {
            vm.warp(first - k);
            refuses(who, 0, data, early);
            vm.revertToState(world);
        }
        for (uint256 k; k < 2; ++k) {
            vm.warp(first + k);
            send(who, 0, data);
            vm.revertToState(world);
        }
    }

    function test_commit_and_cancel_end_with_commit() public {
        commit(id, 1, 0);
        uint256 end = commitEnd(id);
        bytes memory data = abi.encodeCall(IBountyMarket.commit, (id, 0, bytes32(uint256(1)), scoreVk, payout(0)));
        lastChance(end - 1, hunter(0), 0.06 ether, data, wrong(IBountyMarket.Phase.Reveal));
        data = abi.encodeCall(IBountyMarket.cancel, (id, 1));
        lastChance(end - 1, owner, 0, data, wrong(IBountyMarket.Phase.Reveal));
    }

    function test_an_empty_bounty_closes_with_commit() public {
        bytes memory data = abi.encodeCall(IBountyMarket.finalize, (id));
        firstChance(commitEnd(id), owner, data, wrong(IBountyMarket.Phase.Commit));
    }

    function test_reveal_starts_after_the_gap_and_ends() public {
        commit(id, 0, 0);
        uint256 start = commitEnd(id) + 60;
        bytes memory data = abi.encodeCall(IBountyMarket.reveal, (id, salt, digests(2)));
        firstChance(start, owner, data, err(IMarketErrors.TooEarly.selector, start));
        lastChance(start + 999, owner, 0, data, wrong(IBountyMarket.Phase.Defaulted));
        data = abi.encodeCall(IBountyMarket.timeout, (id));
        firstChance(start + 1000, hunter(3), data, wrong(IBountyMarket.Phase.Reveal));
    }

    function test_attest_ends() public {
        commit(id, 0, 0);
        reveal(id);
        uint256 end = vm.getBlockTimestamp() + 2000;
        lastChance(end - 1, owner, 0, abi.encodeCall(IBountyMarket.attest, (id)), wrong(IBountyMarket.Phase.Defaulted));
        bytes memory data = abi.encodeCall(IBountyMarket.timeout, (id));
        firstChance(end, hunter(3), data, wrong(IBountyMarket.Phase.Attest));
    }

    function test_prove_ends_and_the_gap_precedes_claims() public {
        commit(id, 0, 0);
        reveal(id);
        attest(id);
        uint256 end = market.proveEndOf(id);
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 60));
        lastChance(end - 1, hunter(0), 0, data, wrong(IBountyMarket.Phase.Claim));
        proveAll(id, 0, 0, 120);
        (uint256 from, uint256 to) = market.roundOf(id);
        check(from == end + 60 && to == from + 4000, "round");
        bytes memory c = ciphertext(0, WORDS);
        data = claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c));
        bytes memory closed = err(IMarketErrors.RoundClosed.selector, from, to);
        uint256 world = vm.snapshotState();
        vm.warp(from - 1);
        refuses(owner, 0, data, closed);
        vm.revertToState(world);
        vm.warp(from);
        send(owner, 0, data);
        vm.revertToState(world);
        lastChance(to - 1, owner, 0, data, closed);
        vm.warp(to - 1);
        bytes memory lapse = abi.encodeCall(IBountyMarket.lapse, (id));
        refuses(owner, 0, lapse, err(IMarketErrors.NothingLapsed.selector));
        vm.warp(to);
        send(owner, 0, lapse);
    }

    function test_challenges_end_and_answers_are_due() public {
        commit(id, 0, 0);
        reveal(id);
        uint256 at_ = vm.getBlockTimestamp();
        bytes memory data = abi.encodeCall(IBountyMarket.challengeShard, (id, 1));
        lastChance(at_ + 1499, hunter(0), 0, data, err(IMarketErrors.ChallengesClosed.selector, at_ + 1500));
        send(hunter(0), 0, data);
        data = abi.encodeCall(IBountyMarket.answerShard, (id, 1, abi.encode("shard", uint256(1))));
        lastChance(at_ + 499, owner, 0, data, wrong(IBountyMarket.Phase.Defaulted));
        data = abi.encodeCall(IBountyMarket.timeout, (id));
        firstChance(at_ + 500, hunter(3), data, wrong(IBountyMarket.Phase.Attest));
    }

    function test_keys_are_proposed_and_accepted_until_commit_ends() public {
        bytes32 vkId = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "mine", releaseVk);
        uint256 end = commitEnd(id);
        commit(id, 0, 0);
        bytes memory data = abi.encodeCall(IBountyMarket.proposeKey, (id, vkId, bytes32(0)));
        lastChance(end - 1, hunter(3), 0, data, wrong(IBountyMarket.Phase.Reveal));
        data = abi.encodeCall(IBountyMarket.acceptKey, (id, vkId));
        lastChance(end - 1, owner, 0, data, wrong(IBountyMarket.Phase.Reveal));
    }

    /// @dev A challenge, answered, moves the end of Prove by one answer window, and the first round with it.
    function test_a_challenge_moves_the_end_of_prove() public {
        commit(id, 0, 0);
        reveal(id);
        send(hunter(0), 0, abi.encodeCall(IBountyMarket.challengeShard, (id, 1)));
        send(owner, 0, abi.encodeCall(IBountyMarket.answerShard, (id, 1, abi.encode("shard", uint256(1)))));
        market.attest(id);
        uint256 end = vm.getBlockTimestamp() + 3000 + 500;
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 60));
        lastChance(end - 1, hunter(0), 0, data, wrong(IBountyMarket.Phase.Claim));
        (uint256 from,) = market.roundOf(id);
        eq(from, end + 60, "the first round");
    }

    /// @dev An open bounty takes proofs from its first second to one window after Commit.
    function test_an_open_bounty_proves_from_the_start() public {
        id = create(openParams());
        commit(id, 0, 0);
        bytes memory data = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 60));
        uint256 world = vm.snapshotState();
        send(hunter(0), 0, data);
        vm.revertToState(world);
        lastChance(commitEnd(id) + 2999, hunter(0), 0, data, wrong(IBountyMarket.Phase.Claim));
    }

    /// @dev A promoted reserve has a whole round of its own, from a gap after the lapse.
    function test_a_second_round_has_its_own_seconds() public {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](1);
        p.prizes[0] = 3 ether;
        uint32[] memory scores = new uint32[](2);
        (scores[0], scores[1]) = (120, 110);
        id = inClaim(p, scores);
        (, uint256 end) = market.roundOf(id);
        uint256 at_ = end + 77;
        vm.warp(at_);
        market.lapse(id);
        (uint256 from, uint256 to) = (at_ + 60, at_ + 60 + 4000);
        bytes memory c = ciphertext(1, WORDS);
        bytes memory data = claimCall(id, 1, 0, c, releaseStatement(id, 1, 0, c));
        bytes memory closed = err(IMarketErrors.RoundClosed.selector, from, to);
        firstChance(from, hunter(1), data, closed);
        lastChance(to - 1, hunter(1), 0, data, closed);
        firstChance(to, hunter(3), abi.encodeCall(IBountyMarket.lapse, (id)), err(IMarketErrors.NothingLapsed.selector));
        data = abi.encodeCall(IBountyMarket.finalize, (id));
        firstChance(to, hunter(3), data, err(IMarketErrors.ClaimsPending.selector, to));
    }
}
