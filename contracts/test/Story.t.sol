// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @notice Whole bounties, from the post to the last wei.
contract StoryTest is Base {
    function setUp() public {
        setUpWorld();
    }

    function test_sealed_bounty_pays_by_score_then_commit_order() public {
        uint256 id = create(sealedParams());
        phase(id, IBountyMarket.Phase.Commit);
        for (uint256 i; i < 4; ++i) {
            commit(id, i, 0);
        }
        vm.warp(commitEnd(id));
        phase(id, IBountyMarket.Phase.Reveal);
        reveal(id);
        phase(id, IBountyMarket.Phase.Attest);
        attest(id);
        phase(id, IBountyMarket.Phase.Prove);
        // Proving order gives no advantage: 3 proves first, 1 committed first.
        proveAll(id, 3, 0, 110);
        proveAll(id, 1, 0, 110);
        proveAll(id, 0, 0, 105);
        proveAll(id, 2, 0, 99);
        eq(owed(payout(2)), 0.06 ether, "below the threshold: stake back");
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        eq(rows.length, 3, "board");
        check(rows[0].hunter == hunter(1) && rows[1].hunter == hunter(3) && rows[2].hunter == hunter(0), "rank");
        eq(rows[2].prize, 255, "reserve");

        vm.warp(market.proveEndOf(id));
        phase(id, IBountyMarket.Phase.Claim);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        claim(id, 3, 0); // in parallel: the second rank does not wait for the first
        claim(id, 1, 0);
        market.finalize(id);
        phase(id, IBountyMarket.Phase.Closed);
        eq(owed(payout(1)), 3.06 ether, "first");
        eq(owed(payout(3)), 1.06 ether, "second");
        eq(owed(payout(0)), 0.06 ether, "reserve's stake");
        eq(owed(owner), 0.4 ether, "bond");
        for (uint256 i; i < 4; ++i) {
            vm.prank(payout(i));
            market.withdraw(address(0));
        }
        vm.prank(owner);
        market.withdraw(address(0));
        eq(address(market).balance, 0, "balance");
        eq(market.bountyOf(id).held, 0, "held");
    }

    function test_open_bounty_takes_proofs_while_commitments_come_in() public {
        attestShards(2);
        uint256 id = create(openParams());
        commit(id, 0, 0);
        proveAll(id, 0, 0, 101);
        commit(id, 1, 1);
        vm.warp(commitEnd(id));
        phase(id, IBountyMarket.Phase.Prove);
        eq(market.proveEndOf(id), commitEnd(id) + 3000, "who commits last has the whole window");
        proveAll(id, 1, 1, 102);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        claim(id, 0, 0);
        claim(id, 1, 1);
        market.finalize(id);
        eq(owed(payout(1)), 3.06 ether, "first");
        eq(owed(payout(0)), 1.06 ether, "second");
    }

    function test_no_winner_returns_the_reward() public {
        uint256 id = create(sealedParams());
        commit(id, 0, 0);
        commit(id, 1, 0);
        reveal(id);
        attest(id);
        proveAll(id, 0, 0, 99);
        vm.warp(market.proveEndOf(id));
        market.finalize(id);
        eq(owed(owner), 4.4 ether, "reward and bond");
        eq(owed(payout(0)), 0.06 ether, "stake of the scored");
        market.refund(id, hunter(1), 0);
        eq(owed(payout(1)), 0.06 ether, "stake of who did not prove");
        eq(market.bountyOf(id).held, 0, "held");
    }

    function test_a_bounty_nobody_entered_closes_without_a_reveal() public {
        uint256 id = create(sealedParams());
        vm.warp(commitEnd(id));
        phase(id, IBountyMarket.Phase.Claim);
        market.finalize(id);
        eq(owed(owner), 4.4 ether, "all of it");
    }
}
