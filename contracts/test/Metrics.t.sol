// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IScoreVerifier, ScoreStatement} from "../src/interfaces/IScoreVerifier.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @dev Another adapter with another metric and another argument: hits among the first k. Its key is k; its proof gives,
/// per record, the place that the record's class has among the predictions, and the adapter counts. Nothing is hidden
/// here: what is tested is that a market asks an adapter no more than its interface says.
contract TopKVerifier is IScoreVerifier {
    bytes32 public constant srsId = 0;

    function verify(address[] calldata key, ScoreStatement calldata x, bytes calldata proof)
        external
        view
        returns (bool)
    {
        (bytes32 about, bytes memory places) = abi.decode(proof, (bytes32, bytes));
        uint8 k = uint8(key[0].code[1]);
        uint256 hits;
        for (uint256 i; i < places.length; ++i) {
            if (uint8(places[i]) < k) ++hits;
        }
        return about == keccak256(abi.encode(x.ctx, x.C, x.s, x.R)) && places.length == x.n && hits == x.score;
    }
}

/// @dev Counts what nobody could have counted.
contract BoastingVerifier {
    bytes32 public constant srsId = 0;

    function verify(address[] calldata, ScoreStatement calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// @notice What a score counts is the score key's affair: an adapter that counts something else is registered by
/// anyone and listed by a bounty, on the market that is there. The market's own part (`libraries/Metrics.sol`) is that
/// a score is a count, at most the samples, and that shards add up.
contract MetricsTest is Base {
    address private topK;

    function setUp() public {
        setUpWorld();
        topK = address(new TopKVerifier());
    }

    function topKey(uint8 k) private returns (bytes32) {
        return registerKey(IKeyRegistry.Role.Score, topK, abi.encodePacked(k), releaseVk);
    }

    /// @dev 64 records: `first` have their class in the first place, `third` in the third, the rest in the last.
    function places(uint256 first, uint256 third) private pure returns (bytes memory p) {
        p = new bytes(64);
        for (uint256 i; i < 64; ++i) {
            p[i] = bytes1(uint8(i < first ? 0 : i < first + third ? 2 : 9));
        }
    }

    function proveTop(uint256 id, uint256 i, uint256 shard, uint32 score, bytes memory places_) private {
        send(hunter(i), 0, proveTopCall(id, i, shard, score, places_));
    }

    function proveTopCall(uint256 id, uint256 i, uint256 shard, uint32 score, bytes memory places_)
        private
        view
        returns (bytes memory)
    {
        ScoreStatement memory x = scoreStatement(id, i, 0, shard, score);
        bytes memory proof = abi.encode(keccak256(abi.encode(x.ctx, x.C, x.s, x.R)), places_);
        return abi.encodeCall(IBountyMarket.prove, (id, 0, x.C, shard, score, x.R, proof));
    }

    /// @dev From post to payment: the order is that of the new metric, where accuracy would say the opposite.
    function test_a_bounty_runs_with_another_metric() public {
        bytes32 codeBefore = address(market).codehash;
        scoreVk = topKey(5);
        IBountyMarket.Params memory p = sealedParams();
        p.threshold = 80;
        uint256 id = inProve(p, 3);
        for (uint256 j; j < 2; ++j) {
            proveTop(id, 0, j, 50, places(50, 0)); // best by accuracy: 100 of 128
            proveTop(id, 1, j, 60, places(20, 40)); // best among the first five: 120
            proveTop(id, 2, j, 39, places(39, 0)); // 78, below the threshold
        }
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        eq(rows.length, 2, "two reach the threshold");
        check(rows[0].hunter == hunter(1) && rows[0].score == 120, "by hits among the first five");
        check(rows[1].hunter == hunter(0) && rows[1].score == 100, "then the other");
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        claim(id, 1, 0);
        claim(id, 0, 0);
        market.finalize(id);
        eq(owed(payout(1)), 3.06 ether, "first prize and stake");
        eq(owed(payout(0)), 1.06 ether, "second prize and stake");
        check(address(market).codehash == codeBefore, "the market is the one that was there");
    }

    /// @dev The same predictions score differently under another key of the same adapter, and the adapter is asked.
    function test_the_key_says_what_counts() public {
        bytes32 one = topKey(1);
        bytes32 five = topKey(5);
        check(one != five, "k is in the key, and so in its id");
        scoreVk = one;
        uint256 id = inProve(sealedParams(), 1);
        bytes memory e = err(IMarketErrors.ProofInvalid.selector);
        refuses(hunter(0), 0, proveTopCall(id, 0, 0, 60, places(20, 40)), e);
        proveTop(id, 0, 0, 20, places(20, 40));
        eq(market.entryOf(id, hunter(0), 0).score, 20, "first place alone");
    }

    /// @dev Two keys in one bounty: each entry is bound to the one it committed to, and so is its proof.
    function test_an_entry_is_measured_by_its_own_key() public {
        bytes32 accuracy = scoreVk;
        bytes32 five = topKey(5);
        IBountyMarket.Params memory p = sealedParams();
        p.scoreVkIds = new bytes32[](2);
        (p.scoreVkIds[0], p.scoreVkIds[1]) = (accuracy, five);
        uint256 id = create(p);
        commit(id, 0, 0);
        scoreVk = five;
        commit(id, 1, 0);
        reveal(id);
        attest(id);
        scoreVk = accuracy;
        bytes memory e = err(IMarketErrors.ProofInvalid.selector);
        refuses(hunter(0), 0, proveTopCall(id, 0, 0, 60, places(20, 40)), e);
        proveAll(id, 0, 0, 120);
        scoreVk = five;
        proveTop(id, 1, 0, 60, places(20, 40));
    }

    /// @dev The market's part of any metric: more than every sample right is nobody's score, whatever an adapter says.
    function test_no_adapter_counts_more_than_the_samples() public {
        scoreVk = registerKey(IKeyRegistry.Role.Score, address(new BoastingVerifier()), "boast", releaseVk);
        uint256 id = inProve(sealedParams(), 1);
        ScoreStatement memory x = scoreStatement(id, 0, 0, 0, 65);
        bytes memory call_ = abi.encodeCall(IBountyMarket.prove, (id, 0, x.C, 0, 65, x.R, ""));
        refuses(hunter(0), 0, call_, err(IMarketErrors.ScoreTooHigh.selector, 65, 64));
        send(hunter(0), 0, abi.encodeCall(IBountyMarket.prove, (id, 0, x.C, 0, 64, x.R, "")));
    }

    /// @dev A number that names no metric of the market's makes no bounty: it would fold nothing.
    function test_a_metric_the_market_does_not_know_is_refused() public {
        bytes memory call_ = abi.encodeCall(IBountyMarket.create, (sealedParams()));
        // Selector, offset of the struct, then its sixth word: mode, token, prizes, bond, stake, metric.
        uint256 at_ = 4 + 32 + 5 * 32;
        send(owner, 4.4 ether, call_);
        call_[at_ + 31] = 0x01;
        refuses(owner, 4.4 ether, call_, "");
        eq(market.bountyCount(), 1, "only the known one");
    }
}
