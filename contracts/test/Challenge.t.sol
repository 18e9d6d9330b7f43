// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {Base} from "./Base.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice A revealed hold-out that nobody can fetch is a default.
contract ChallengeTest is Base {
    uint256 private constant FEE = 10 gwei;
    uint256 private id;
    uint256 private bond;
    uint256 private revealed;

    /// @dev Revealed, three entries; two shards, unless a test makes more.
    function setUp() public {
        setUpWorld();
        vm.fee(FEE);
        bond = 2 * (100_000 + 41 * uint256(SHARD_BYTES)) * FEE;
        start(2);
    }

    function start(uint256 shards) private {
        IBountyMarket.Params memory p = sealedParams();
        p.lengths = new uint32[](shards);
        for (uint256 j; j < shards; ++j) {
            p.lengths[j] = SHARD_BYTES;
        }
        p.holdout = holdoutOf(salt, blocks(shards));
        id = create(p);
        commit(id, 0, 0);
        commit(id, 1, 1);
        commit(id, 2, 0);
        vm.warp(commitEnd(id) + 60);
        revealed = vm.getBlockTimestamp();
        market.reveal(id, salt, blocks(shards));
    }

    /// @dev Shards whose bytes are known here.
    function bytesOf(uint256 j) private pure returns (bytes memory) {
        return abi.encode("shard", j);
    }

    function blocks(uint256 count) private pure returns (bytes32[] memory d) {
        d = new bytes32[](count);
        for (uint256 j; j < count; ++j) {
            d[j] = sha256(bytesOf(j));
        }
    }

    function challengeCall(uint256 j) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.challengeShard, (id, j));
    }

    function challenge(uint256 i, uint256 j) private {
        send(hunter(i), bond, challengeCall(j));
    }

    function answerCall(uint256 j) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.answerShard, (id, j, bytesOf(j)));
    }

    function wrong(IBountyMarket.Phase p) private pure returns (bytes memory) {
        return err(IMarketErrors.PhaseWrong.selector, uint256(p));
    }

    function test_an_answer_earns_the_bond() public {
        eq(market.answerBond(SHARD_BYTES), bond, "bond");
        challenge(0, 1);
        IBountyMarket.Challenge[] memory open = market.challengesOf(id);
        check(open.length == 1 && open[0].challenger == hunter(0) && open[0].target == 1, "open");
        check(open[0].bond == bond && open[0].deadline == revealed + 500, "bond and deadline");
        send(address(0xF00D), 0, answerCall(1));
        eq(owed(address(0xF00D)), bond, "paid");
        eq(market.challengesOf(id).length, 0, "closed");
        refuses(address(0xF00D), 0, answerCall(1), err(IMarketErrors.NotChallenged.selector, 1));
        // Shown once is shown for good.
        refuses(hunter(1), bond, challengeCall(1), err(IMarketErrors.NotChallengeable.selector, 1));
        phase(id, IBountyMarket.Phase.Attest);
        eq(market.detailOf(id).challenges, 1, "count");
    }

    function test_who_answers_itself_forfeits() public {
        challenge(0, 0);
        send(hunter(0), 0, answerCall(0));
        eq(owed(hunter(0)), 0, "nothing back");
        eq(market.burnt(), bond, "burnt");
    }

    function test_the_owner_may_answer_for_the_bond() public {
        challenge(2, 0);
        send(owner, 0, answerCall(0));
        eq(owed(owner), bond, "its gas, twice");
    }

    function test_no_answer_is_a_default() public {
        challenge(0, 1);
        challenge(1, 0);
        vm.warp(revealed + 499);
        phase(id, IBountyMarket.Phase.Attest);
        bytes memory timeout = abi.encodeCall(IBountyMarket.timeout, (id));
        refuses(hunter(5), 0, timeout, wrong(IBountyMarket.Phase.Attest));
        vm.warp(revealed + 500);
        phase(id, IBountyMarket.Phase.Defaulted);
        refuses(owner, 0, answerCall(1), wrong(IBountyMarket.Phase.Defaulted));
        send(hunter(5), 0, timeout);
        eq(owed(hunter(0)), bond, "bond back");
        eq(owed(hunter(1)), bond, "the other's too");
        eq(owed(owner), 4 ether, "prizes");
        uint256 share = uint256(0.2 ether) / 3;
        eq(market.burnt(), 0.4 ether - 3 * share, "half the bond and what does not divide");
        market.refund(id, hunter(0), 0);
        eq(owed(payout(0)), 0.06 ether + share, "stake and share");
        eq(market.challengesOf(id).length, 0, "none is left");
    }

    function test_one_answer_of_two_does_not_save_the_other() public {
        challenge(0, 0);
        vm.warp(revealed + 100);
        challenge(1, 1);
        vm.warp(revealed + 200);
        send(owner, 0, answerCall(0));
        vm.warp(revealed + 599);
        phase(id, IBountyMarket.Phase.Attest);
        vm.warp(revealed + 600);
        phase(id, IBountyMarket.Phase.Defaulted);
    }

    function test_answers_out_of_order_keep_the_earliest_deadline() public {
        challenge(0, 0);
        vm.warp(revealed + 100);
        challenge(1, 1);
        send(owner, 0, answerCall(1));
        vm.warp(revealed + 500);
        phase(id, IBountyMarket.Phase.Defaulted);
    }

    function test_prove_grows_by_one_answer_window_however_many_challenges() public {
        for (uint256 j; j < 2; ++j) {
            attestBlock(j);
        }
        market.attest(id);
        uint256 end = market.proveEndOf(id);
        challenge(0, 0);
        eq(market.proveEndOf(id), end + 500, "one window");
        challenge(0, 1);
        eq(market.proveEndOf(id), end + 500, "no more");
        vm.warp(revealed + 500);
        phase(id, IBountyMarket.Phase.Defaulted);
    }

    /// @dev The last challenge is due before Prove ends: a round of Claim never starts over it.
    function test_the_last_challenge_is_due_before_prove_ends() public {
        IBountyMarket.Params memory p = sealedParams();
        p.windows.challenge = p.windows.prove = 3000;
        p.holdout = holdoutOf(salt, blocks(2));
        id = create(p);
        commit(id, 0, 0);
        vm.warp(commitEnd(id) + 60);
        market.reveal(id, salt, blocks(2));
        attestBlock(0);
        attestBlock(1);
        market.attest(id);
        uint256 end = market.proveEndOf(id);
        vm.warp(end - 1);
        challenge(0, 0);
        eq(market.proveEndOf(id), end + 500, "longer");
        vm.warp(end + 498);
        phase(id, IBountyMarket.Phase.Prove);
        vm.warp(end + 499);
        phase(id, IBountyMarket.Phase.Defaulted);
        vm.warp(end + 5000);
        phase(id, IBountyMarket.Phase.Defaulted);
    }

    function attestBlock(uint256 j) private {
        // Base's digests are these blocks' digests.
        check(digest(j) == sha256(bytesOf(j)), "blocks");
        (uint32 length,) = datasets.shard(datasetVk, digest(j));
        if (length == 0) attestShard(j, SHARD_BYTES);
    }

    function test_a_proved_shard_cannot_be_challenged() public {
        attestBlock(0);
        attestBlock(1);
        market.attest(id);
        prove(id, 0, 0, 0, 60);
        refuses(hunter(1), bond, challengeCall(0), err(IMarketErrors.NotChallengeable.selector, 0));
        (uint32[] memory lengths,) = market.shardsOf(id);
        eq(lengths[0], SHARD_BYTES, "the mark is not in the length");
        challenge(1, 1);
        // A second proof of a marked shard still counts its samples.
        prove(id, 2, 0, 0, 64);
    }

    /// @dev Prizes that were won before the default are paid as usual.
    function test_a_default_pays_who_is_ranked() public {
        attestBlock(0);
        attestBlock(1);
        market.attest(id);
        challenge(1, 1);
        proveAll(id, 0, 0, 120);
        vm.warp(revealed + 500);
        phase(id, IBountyMarket.Phase.Defaulted);
        market.timeout(id);
        phase(id, IBountyMarket.Phase.Claim);
        check(market.detailOf(id).broken, "broken");
        uint256 share = uint256(0.2 ether) / 3;
        eq(market.burnt(), 0.4 ether - 3 * share, "half the bond");
        eq(owed(hunter(1)), bond, "the challenger's");
        (uint256 from, uint256 to) = market.roundOf(id);
        check(from == revealed + 500 + 60 && to == from + 4000, "a whole round");
        bytes memory finalize = abi.encodeCall(IBountyMarket.finalize, (id));
        refuses(owner, 0, finalize, err(IMarketErrors.ClaimsPending.selector, to));
        refuses(owner, 0, abi.encodeCall(IBountyMarket.timeout, (id)), wrong(IBountyMarket.Phase.Claim));
        vm.warp(from);
        claim(id, 0, 0);
        market.finalize(id);
        phase(id, IBountyMarket.Phase.Defaulted);
        eq(owed(payout(0)), 3 ether + 0.06 ether, "prize and stake");
        eq(owed(owner), 1 ether, "the unclaimed prize, none of the bond");
        market.refund(id, hunter(0), 0);
        market.refund(id, hunter(1), 1);
        market.refund(id, hunter(2), 0);
        eq(owed(payout(0)), 3.06 ether + share, "its share as well");
        eq(owed(payout(1)), 0.06 ether + share, "stake and share");
        bytes memory again = abi.encodeCall(IBountyMarket.refund, (id, hunter(0), 0));
        refuses(hunter(0), 0, again, err(IMarketErrors.NothingToRefund.selector));
        eq(market.bountyOf(id).held, 0, "held");
    }

    function test_a_default_says_what_is_burnt_and_what_each_entry_gets() public {
        attestBlock(0);
        attestBlock(1);
        market.attest(id);
        challenge(1, 1);
        proveAll(id, 0, 0, 120);
        vm.warp(revealed + 500);
        vm.recordLogs();
        market.timeout(id);
        Vm.Log memory lost = told(IMarketEvents.BondLost.selector);
        check(lost.topics[1] == bytes32(id), "bounty");
        uint256 share = uint256(0.2 ether) / 3;
        bytes memory says = abi.encode(0.4 ether - 3 * share, share, revealed + 500 + 60);
        check(keccak256(lost.data) == keccak256(says), "burnt, share and the round's start");
    }

    function test_four_are_open_and_sixteen_in_all() public {
        start(20);
        for (uint256 j; j < 4; ++j) {
            challenge(j % 3, j);
        }
        refuses(hunter(0), bond, challengeCall(4), err(IMarketErrors.TooManyChallenges.selector));
        for (uint256 j = 4; j < 16; ++j) {
            send(owner, 0, answerCall(j - 4));
            challenge(0, j);
        }
        for (uint256 j = 12; j < 16; ++j) {
            send(owner, 0, answerCall(j));
        }
        eq(market.challengesOf(id).length, 0, "none open");
        refuses(hunter(0), bond, challengeCall(16), err(IMarketErrors.TooManyChallenges.selector));
        eq(owed(owner), 16 * bond, "all answered");
    }

    function test_challenge_refuses() public {
        refuses(hunter(0), bond - 1, challengeCall(0), err(IMarketErrors.ChallengeBondTooLow.selector, bond - 1, bond));
        uint256 most = type(uint96).max;
        refuses(hunter(0), most + 1, challengeCall(0), err(IMarketErrors.ValueWrong.selector, most + 1, most));
        refuses(hunter(0), bond, challengeCall(2), err(IMarketErrors.ShardUnknown.selector, 2));
        bytes memory stranger = abi.encodeWithSelector(IMarketErrors.EntryUnknown.selector, hunter(7), 0);
        vm.deal(hunter(7), 1e20);
        refuses(hunter(7), bond, challengeCall(0), stranger);
        challenge(0, 0);
        refuses(hunter(1), bond, challengeCall(0), err(IMarketErrors.NotChallengeable.selector, 0));
        bytes memory other = abi.encodeCall(IBountyMarket.answerShard, (id, 0, bytesOf(1)));
        refuses(owner, 0, other, err(IMarketErrors.AnswerWrong.selector, 0));
        refuses(owner, 0, answerCall(1), err(IMarketErrors.NotChallenged.selector, 1));
        send(owner, 0, answerCall(0));
        vm.warp(revealed + 1500);
        refuses(hunter(0), bond, challengeCall(1), err(IMarketErrors.ChallengesClosed.selector, revealed + 1500));
        vm.warp(revealed + 1499);
        challenge(0, 1);
    }

    function test_challenges_belong_to_a_revealed_hold_out() public {
        uint256 before = create(sealedParams());
        commit(before, 0, 0);
        (uint256 keep) = id;
        id = before;
        refuses(hunter(0), bond, challengeCall(0), wrong(IBountyMarket.Phase.Commit));
        refuses(owner, 0, answerCall(0), wrong(IBountyMarket.Phase.Commit));
        vm.warp(commitEnd(before));
        refuses(hunter(0), bond, challengeCall(0), wrong(IBountyMarket.Phase.Reveal));
        id = keep;
        attestShards(2);
        id = create(openParams());
        commit(id, 0, 0);
        vm.warp(commitEnd(id));
        refuses(hunter(0), bond, challengeCall(0), err(IMarketErrors.ModeMismatch.selector));
    }
}
