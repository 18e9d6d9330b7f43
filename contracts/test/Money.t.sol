// SPDX-License-Identifier: MIT OR Apache-2.0
// Written by tools/money.cjs from the table in docs/money.md.
pragma solidity 0.8.37;

import {MoneyBase} from "./MoneyBase.sol";

contract MoneyTest is MoneyBase {
    function setUp() public {
        setUpWorld();
    }

    function test_closed_all_claimed() public {
        row(closed_all_claimed, Prizes.Claimants, Bond.Owner, Stakes.Back, Bonds.None);
    }

    function test_closed_some_claimed() public {
        row(closed_some_claimed, Prizes.ClaimantsRestOwner, Bond.Owner, Stakes.Back, Bonds.None);
    }

    function test_closed_no_winner() public {
        row(closed_no_winner, Prizes.Owner, Bond.Owner, Stakes.Back, Bonds.None);
    }

    function test_closed_nobody_entered() public {
        row(closed_nobody_entered, Prizes.Owner, Bond.Owner, Stakes.None, Bonds.None);
    }

    function test_closed_promoted() public {
        row(closed_promoted, Prizes.Claimants, Bond.Owner, Stakes.LapsedToLater, Bonds.None);
    }

    function test_closed_lapsed() public {
        row(closed_lapsed, Prizes.ClaimantsRestOwner, Bond.Owner, Stakes.LapsedBurnt, Bonds.None);
    }

    function test_closed_nobody_claimed() public {
        row(closed_nobody_claimed, Prizes.Owner, Bond.Owner, Stakes.LapsedBurnt, Bonds.None);
    }

    function test_cancelled_empty() public {
        row(cancelled_empty, Prizes.Owner, Bond.Owner, Stakes.None, Bonds.None);
    }

    function test_cancelled_entered() public {
        row(cancelled_entered, Prizes.Owner, Bond.HalfEntries, Stakes.Back, Bonds.None);
    }

    function test_default_no_reveal() public {
        row(default_no_reveal, Prizes.Owner, Bond.HalfEntries, Stakes.Back, Bonds.None);
    }

    function test_default_no_attest() public {
        row(default_no_attest, Prizes.Owner, Bond.HalfEntries, Stakes.Back, Bonds.None);
    }

    function test_default_challenged() public {
        row(default_challenged, Prizes.Owner, Bond.HalfEntries, Stakes.Back, Bonds.Challenger);
    }

    function test_default_challenged_ranked() public {
        row(default_challenged_ranked, Prizes.ClaimantsRestOwner, Bond.HalfEntries, Stakes.Back, Bonds.Challenger);
    }

    function test_challenge_answered() public {
        row(challenge_answered, Prizes.Claimants, Bond.Owner, Stakes.Back, Bonds.Answerer);
    }

    function test_challenge_self_answered() public {
        row(challenge_self_answered, Prizes.Claimants, Bond.Owner, Stakes.Back, Bonds.Burnt);
    }

    function test_draw_not_opened_entered() public {
        row(draw_not_opened_entered, Prizes.Owner, Bond.HalfEntries, Stakes.Back, Bonds.None);
    }

    function test_draw_not_opened_empty() public {
        row(draw_not_opened_empty, Prizes.Owner, Bond.HalfOwner, Stakes.None, Bonds.None);
    }

    function test_draw_cancelled_empty() public {
        row(draw_cancelled_empty, Prizes.Owner, Bond.HalfOwner, Stakes.None, Bonds.None);
    }

    function test_large_claim_paid() public {
        row(large_claim_paid, Prizes.ClaimantsRestOwner, Bond.Owner, Stakes.Back, Bonds.Answerer);
    }

    function test_large_claim_self_answered() public {
        row(large_claim_self_answered, Prizes.ClaimantsRestOwner, Bond.Owner, Stakes.Back, Bonds.Burnt);
    }

    function test_large_claim_failed() public {
        row(large_claim_failed, Prizes.Owner, Bond.Owner, Stakes.LapsedBurnt, Bonds.Challenger);
    }
}
