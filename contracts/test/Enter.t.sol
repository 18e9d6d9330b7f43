// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IDatasetRegistry} from "../src/interfaces/IDatasetRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @notice Commit, reveal, attest.
contract EnterTest is Base {
    bytes4 private constant PHASE = IMarketErrors.PhaseWrong.selector;
    uint256 private id;

    function setUp() public {
        setUpWorld();
        id = create(sealedParams());
    }

    function commitCall(uint256 bounty, uint8 slot, bytes32 h, bytes32 vkId, address to)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeCall(IBountyMarket.commit, (bounty, slot, h, vkId, to));
    }

    function good() private view returns (bytes memory) {
        return commitCall(id, 0, commitment(id, 0, 0), scoreVk, payout(0));
    }

    // --------------------------------------------------------------- commit

    function test_commit_holds_the_stake() public {
        commit(id, 0, 0);
        commit(id, 1, 1);
        IBountyMarket.Entry memory e = market.entryOf(id, hunter(1), 1);
        check(e.state == IBountyMarket.EntryState.Committed && e.payout == payout(1), "entry");
        eq(e.seq, 2, "order");
        check(e.h == commitment(id, 1, 1) && e.vkId == scoreVk, "commitment and key");
        eq(market.bountyOf(id).held, 4.4 ether, "held");
        eq(address(market).balance, 4.52 ether, "with two stakes");
        eq(market.bountyOf(id).entrants, 2, "entrants");
    }

    function test_commit_takes_two_slots_an_address() public {
        commit(id, 0, 0);
        commit(id, 0, 1);
        bytes memory data = commitCall(id, 2, bytes32(uint256(1)), scoreVk, payout(0));
        refuses(hunter(0), 0.06 ether, data, err(IMarketErrors.SlotInvalid.selector, 2));
        bytes memory taken = abi.encodeWithSelector(IMarketErrors.SlotTaken.selector, hunter(0), 0);
        refuses(hunter(0), 0.06 ether, good(), taken);
    }

    function test_commit_refuses() public {
        refuses(hunter(0), 0.06 ether - 1, good(), err(IMarketErrors.ValueWrong.selector, 0.06 ether - 1, 0.06 ether));
        refuses(hunter(0), 0.06 ether + 1, good(), err(IMarketErrors.ValueWrong.selector, 0.06 ether + 1, 0.06 ether));
        refuses(owner, 0.06 ether, good(), abi.encodeWithSelector(IMarketErrors.NotAllowed.selector, owner));
        bytes memory invalid = err(IMarketErrors.EntryInvalid.selector);
        refuses(hunter(0), 0.06 ether, commitCall(id, 0, 0, scoreVk, payout(0)), invalid);
        refuses(hunter(0), 0.06 ether, commitCall(id, 0, bytes32(uint256(1)), scoreVk, address(0)), invalid);
        bytes memory otherKey = commitCall(id, 0, bytes32(uint256(1)), releaseVk, payout(0));
        refuses(hunter(0), 0.06 ether, otherKey, err(IMarketErrors.KeyNotAccepted.selector, uint256(releaseVk)));
        bytes memory nowhere = commitCall(99, 0, bytes32(uint256(1)), scoreVk, payout(0));
        refuses(hunter(0), 0.06 ether, nowhere, err(IMarketErrors.BountyUnknown.selector, 99));
    }

    function test_commit_ends_at_commit_end() public {
        commit(id, 1, 0);
        vm.warp(commitEnd(id) - 1);
        commit(id, 2, 0);
        vm.warp(commitEnd(id));
        refuses(hunter(0), 0.06 ether, good(), err(PHASE, uint256(IBountyMarket.Phase.Reveal)));
    }

    function test_commit_obeys_an_allow_list() public {
        IBountyMarket.Params memory p = sealedParams();
        p.allowed = new address[](1);
        p.allowed[0] = hunter(3);
        id = create(p);
        bytes memory e = abi.encodeWithSelector(IMarketErrors.NotAllowed.selector, hunter(0));
        refuses(hunter(0), 0.06 ether, good(), e);
        commit(id, 3, 0);
    }

    // --------------------------------------------------------------- reveal

    function revealCall(bytes32 salt_, bytes32[] memory d) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.reveal, (id, salt_, d));
    }

    function test_reveal_by_anyone_who_knows_the_opening() public {
        commit(id, 0, 0);
        vm.warp(commitEnd(id) + 60);
        send(hunter(7), 0, revealCall(salt, digests(2)));
        (, bytes32[] memory d) = market.shardsOf(id);
        check(d[0] == digest(0) && d[1] == digest(1), "digests");
        eq(market.bountyOf(id).revealedAt, commitEnd(id) + 60, "time");
        phase(id, IBountyMarket.Phase.Attest);
        refuses(owner, 0, revealCall(salt, digests(2)), err(PHASE, uint256(IBountyMarket.Phase.Attest)));
    }

    function test_reveal_refuses_other_openings() public {
        commit(id, 0, 0);
        vm.warp(commitEnd(id) + 60);
        bytes memory e = err(IMarketErrors.HoldoutMismatch.selector);
        refuses(owner, 0, revealCall(bytes32(uint256(1)), digests(2)), e);
        refuses(owner, 0, revealCall(salt, digests(1)), e);
        bytes32[] memory swapped = new bytes32[](2);
        (swapped[0], swapped[1]) = (digest(1), digest(0));
        refuses(owner, 0, revealCall(salt, swapped), e);
    }

    function test_reveal_refuses_a_shard_twice_or_another_number() public {
        bytes32[] memory d = new bytes32[](2);
        (d[0], d[1]) = (digest(0), digest(0));
        IBountyMarket.Params memory p = sealedParams();
        p.holdout = holdoutOf(salt, d);
        id = create(p);
        commit(id, 0, 0);
        p.holdout = holdoutOf(salt, digests(3));
        uint256 three = create(p);
        commit(three, 0, 0);
        vm.warp(commitEnd(id) + 60);
        bytes memory e = err(IMarketErrors.DigestsInvalid.selector);
        refuses(owner, 0, revealCall(salt, d), e);
        id = three;
        refuses(owner, 0, revealCall(salt, digests(3)), e);
    }

    function test_reveal_waits_for_the_gap_and_ends_with_its_window() public {
        commit(id, 0, 0);
        vm.warp(commitEnd(id) - 1);
        refuses(owner, 0, revealCall(salt, digests(2)), err(PHASE, uint256(IBountyMarket.Phase.Commit)));
        vm.warp(commitEnd(id) + 59);
        bytes memory early = err(IMarketErrors.TooEarly.selector, commitEnd(id) + 60);
        refuses(owner, 0, revealCall(salt, digests(2)), early);
        // late reveal
        vm.warp(commitEnd(id) + 60 + 1000);
        phase(id, IBountyMarket.Phase.Defaulted);
        refuses(owner, 0, revealCall(salt, digests(2)), err(PHASE, uint256(IBountyMarket.Phase.Defaulted)));
        vm.warp(commitEnd(id) + 60 + 999);
        market.reveal(id, salt, digests(2));
    }

    // --------------------------------------------------------------- attest

    function attestCall() private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.attest, (id));
    }

    function test_attest_fixes_the_dataset_and_starts_prove() public {
        commit(id, 0, 0);
        reveal(id);
        attestShards(2);
        vm.warp(vm.getBlockTimestamp() + 500);
        send(hunter(9), 0, attestCall());
        bytes32 all = keccak256(abi.encodePacked(shardCommitment(0), shardCommitment(1)));
        bytes32 schemaId = datasets.schemaOf(schema());
        bytes32 D = keccak256(abi.encode(keccak256("zkaggle/v1/DATA"), schemaId, uint256(128), all));
        check(market.bountyOf(id).dataset == D, "D");
        eq(market.proveEndOf(id), vm.getBlockTimestamp() + 3000, "the whole window is left");
        refuses(owner, 0, attestCall(), err(PHASE, uint256(IBountyMarket.Phase.Prove)));
    }

    function test_attest_refuses_shards_without_a_proof() public {
        commit(id, 0, 0);
        reveal(id);
        attestShards(1);
        bytes4 e = IDatasetRegistry.ShardUnknown.selector;
        refuses(owner, 0, attestCall(), err(e, uint256(datasetVk), uint256(digest(1))));
    }

    function test_an_unprovable_reveal_defaults() public {
        commit(id, 0, 0);
        reveal(id);
        attestShard(0, SHARD_BYTES);
        attestShard(1, SHARD_BYTES - 65); // the block is shorter than published
        bytes4 e = IMarketErrors.LengthMismatch.selector;
        refuses(owner, 0, attestCall(), abi.encodeWithSelector(e, 1, SHARD_BYTES - 65, SHARD_BYTES));
        vm.warp(vm.getBlockTimestamp() + 2000);
        phase(id, IBountyMarket.Phase.Defaulted);
        market.timeout(id);
        market.refund(id, hunter(0), 0);
        eq(owed(payout(0)), 0.06 ether + 0.2 ether, "stake and half the bond");
    }

    function test_attest_ends_with_its_window() public {
        commit(id, 0, 0);
        reveal(id);
        attestShards(2);
        uint256 end = vm.getBlockTimestamp() + 2000;
        vm.warp(end);
        refuses(owner, 0, attestCall(), err(PHASE, uint256(IBountyMarket.Phase.Defaulted)));
        vm.warp(end - 1);
        market.attest(id);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.attest, (99)), err(IMarketErrors.BountyUnknown.selector, 99));
    }
}
