// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {Base} from "./Base.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice What a node learns of a bounty it learns from events: each act tells who, of which bounty, and what, once.
/// @dev Events of draws, keys and large claims are tested beside their acts.
contract EventsTest is Base {
    uint256 private id;
    Vm.Log[] private logs;

    function setUp() public {
        setUpWorld();
        vm.fee(0);
        id = create(sealedParams());
    }

    function listen() private {
        delete logs;
        vm.recordLogs();
    }

    function heard() private {
        Vm.Log[] memory all = vm.getRecordedLogs();
        for (uint256 k; k < all.length; ++k) {
            logs.push(all[k]);
        }
    }

    /// @dev Among what was heard: exactly `times` of the kind, one of them with these topics and data.
    function says(bytes32 kind, uint256 times, address who, bytes memory data) private view {
        uint256 seen;
        bool found;
        for (uint256 k; k < logs.length; ++k) {
            if (logs[k].topics[0] != kind) continue;
            ++seen;
            check(logs[k].emitter == address(market), "the market's");
            bool topics = logs[k].topics[1] == bytes32(id);
            if (who != address(0)) topics = topics && logs[k].topics[2] == bytes32(uint256(uint160(who)));
            if (topics && keccak256(logs[k].data) == keccak256(data)) found = true;
        }
        eq(seen, times, "events of the kind");
        check(found, "with what happened");
    }

    function test_entering_revealing_attesting() public {
        listen();
        commit(id, 3, 1);
        heard();
        bytes memory data = abi.encode(1, 1, commitment(id, 3, 1), scoreVk, payout(3));
        says(IMarketEvents.EntryCommitted.selector, 1, hunter(3), data);
        listen();
        reveal(id);
        heard();
        data = abi.encode(salt, digests(2), vm.getBlockTimestamp() + 2000);
        says(IMarketEvents.HoldoutRevealed.selector, 1, address(0), data);
        attestShards(2);
        listen();
        market.attest(id);
        heard();
        data = abi.encode(market.bountyOf(id).dataset, vm.getBlockTimestamp() + 3000);
        says(IMarketEvents.DatasetAttested.selector, 1, address(0), data);
    }

    /// @dev One prize, so that the board has five rows: the sixth and best entry pushes the last one off.
    function oneOfSix() private {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](1);
        p.prizes[0] = 3 ether;
        id = inProve(p, 6);
        for (uint256 i; i < 5; ++i) {
            proveAll(id, i, 0, uint32(110 - i));
        }
    }

    function test_proving_ranking_displacing() public {
        oneOfSix();
        prove(id, 5, 0, 0, 64);
        listen();
        prove(id, 5, 0, 1, 63);
        heard();
        uint256 results = uint256(keccak256(abi.encode("R", uint256(5), uint8(0), uint256(1)))) >> 8;
        says(IMarketEvents.ShardProved.selector, 1, hunter(5), abi.encode(0, model(5, 0), 1, 63, results));
        says(IMarketEvents.EntryScored.selector, 1, hunter(5), abi.encode(0, 127, true));
        says(IMarketEvents.EntryDisplaced.selector, 1, hunter(4), abi.encode(0));
        says(IMarketEvents.Credited.selector, 1, payout(4), abi.encode(address(0), 0.06 ether));
    }

    function test_lapsing_promoting_closing_withdrawing() public {
        oneOfSix();
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
        listen();
        market.lapse(id);
        heard();
        says(IMarketEvents.EntryLapsed.selector, 1, hunter(0), abi.encode(0, 0));
        says(IMarketEvents.EntryPromoted.selector, 1, hunter(1), abi.encode(0, 0, end + 60));
        vm.warp(end + 60);
        claim(id, 1, 0);
        listen();
        market.finalize(id);
        heard();
        bytes memory data = abi.encode(IBountyMarket.Phase.Closed, 0.4 ether, 0, 0, 0);
        says(IMarketEvents.BountySettled.selector, 1, address(0), data);
        for (uint256 i = 2; i < 5; ++i) {
            says(IMarketEvents.EntryRefunded.selector, 3, hunter(i), abi.encode(0, 0.06 ether, 0));
        }
        says(IMarketEvents.Credited.selector, 5, payout(1), abi.encode(address(0), 0.06 ether));
        says(IMarketEvents.Credited.selector, 5, owner, abi.encode(address(0), 0.4 ether));
        listen();
        vm.prank(owner);
        market.withdraw(address(0));
        Vm.Log memory paid = told(IMarketEvents.Withdrawn.selector);
        check(paid.topics[1] == bytes32(uint256(uint160(owner))), "account");
        check(keccak256(paid.data) == keccak256(abi.encode(address(0), 0.4 ether)), "asset and amount");
    }

    function test_a_lost_bond_and_a_refund() public {
        commit(id, 0, 0);
        commit(id, 1, 1);
        vm.warp(commitEnd(id) + 1060);
        listen();
        market.timeout(id);
        heard();
        bytes memory data = abi.encode(IBountyMarket.Phase.Defaulted, 4 ether, 0.2 ether, 0, 0.1 ether);
        says(IMarketEvents.BountySettled.selector, 1, address(0), data);
        listen();
        market.refund(id, hunter(1), 1);
        heard();
        says(IMarketEvents.EntryRefunded.selector, 1, hunter(1), abi.encode(1, 0.06 ether, 0.1 ether));
        says(IMarketEvents.Credited.selector, 2, payout(1), abi.encode(address(0), 0.06 ether));
        says(IMarketEvents.Credited.selector, 2, payout(1), abi.encode(address(0), 0.1 ether));
    }

    /// @dev Who claimed has its stake already: of a broken bond it gets a share, and nothing else is told.
    function test_a_share_alone_names_no_stake() public {
        for (uint256 i; i < 3; ++i) {
            commit(id, i, 0);
        }
        reveal(id);
        attest(id);
        send(hunter(1), 7, abi.encodeCall(IBountyMarket.challengeShard, (id, 1)));
        proveAll(id, 0, 0, 120);
        vm.warp(vm.getBlockTimestamp() + 500);
        market.timeout(id);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        claim(id, 0, 0);
        vm.warp(start + 100_000);
        market.finalize(id);
        uint256 share = uint256(0.2 ether) / 3;
        listen();
        market.refund(id, hunter(0), 0);
        heard();
        says(IMarketEvents.EntryRefunded.selector, 1, hunter(0), abi.encode(0, 0, share));
        says(IMarketEvents.Credited.selector, 1, payout(0), abi.encode(address(0), share));
        listen();
        market.refund(id, hunter(2), 0);
        heard();
        says(IMarketEvents.EntryRefunded.selector, 1, hunter(2), abi.encode(0, 0.06 ether, share));
    }

    /// @dev No stake was lost, so the claimed ranks have no share of one: a credit of nothing is not told.
    function test_closing_tells_of_no_empty_credit() public {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](1);
        p.prizes[0] = 3 ether;
        uint32[] memory scores = new uint32[](1);
        scores[0] = 120;
        id = inClaim(p, scores);
        claim(id, 0, 0);
        listen();
        market.finalize(id);
        heard();
        says(IMarketEvents.Credited.selector, 1, owner, abi.encode(address(0), 0.4 ether));
    }

    function test_a_challenge_and_its_answer() public {
        commit(id, 0, 0);
        reveal(id);
        uint256 due = vm.getBlockTimestamp() + 500;
        for (uint256 j; j < 2; ++j) {
            listen();
            send(hunter(0), 7 + j, abi.encodeCall(IBountyMarket.challengeShard, (id, j)));
            heard();
            says(IMarketEvents.ShardChallenged.selector, 1, hunter(0), abi.encode(j, digest(j), 7 + j, due));
            address answerer = j == 0 ? hunter(7) : hunter(0);
            listen();
            send(answerer, 0, abi.encodeCall(IBountyMarket.answerShard, (id, j, abi.encode("shard", j))));
            heard();
            says(IMarketEvents.ShardAnswered.selector, 1, answerer, abi.encode(j, j == 0));
        }
        eq(market.burnt(), 8, "its own answer earns a challenger nothing");
    }
}
