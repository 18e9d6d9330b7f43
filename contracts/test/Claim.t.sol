// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Claims, lapses and promotions.
contract ClaimTest is Base {
    uint256 private id;

    function setUp() public {
        setUpWorld();
    }

    /// @dev Two prizes; entry i scores 120 - i.
    function ranked(uint256 count) private {
        uint32[] memory scores = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            scores[i] = uint32(120 - i);
        }
        id = inClaim(sealedParams(), scores);
    }

    function goodClaim(uint256 i) private view returns (bytes memory) {
        bytes memory c = ciphertext(i, WORDS);
        return claimCall(id, i, 0, c, releaseStatement(id, i, 0, c));
    }

    function notClaimable(uint256 i) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(i), 0);
    }

    function roundClosed() private view returns (bytes memory) {
        (uint256 start, uint256 end) = market.roundOf(id);
        return err(IMarketErrors.RoundClosed.selector, start, end);
    }

    function state(uint256 i, IBountyMarket.EntryState s) private view {
        eq(uint256(market.entryOf(id, hunter(i), 0).state), uint256(s), "entry state");
    }

    function test_claim_pays_and_publishes_the_ciphertext() public {
        ranked(3);
        vm.recordLogs();
        claim(id, 1, 0);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory last = logs[logs.length - 1];
        check(last.topics[0] == IMarketEvents.PrizeClaimed.selector, "event");
        (, uint8 prize, uint256 amount, uint256 epkX,, bytes memory c) =
            abi.decode(last.data, (uint8, uint8, uint256, uint256, uint256, bytes));
        eq(prize, 1, "prize");
        eq(amount, 1 ether, "amount");
        eq(epkX, 12, "epk");
        check(keccak256(c) == keccak256(ciphertext(1, WORDS)), "ciphertext");
        eq(owed(payout(1)), 1.06 ether, "paid");
        eq(owed(address(this)), 0, "the relay gets nothing");
        state(1, IBountyMarket.EntryState.Claimed);
        refuses(hunter(1), 0, goodClaim(1), notClaimable(1));
    }

    function test_claim_keeps_its_window() public {
        ranked(1);
        (uint256 start, uint256 end) = market.roundOf(id);
        eq(start, market.proveEndOf(id) + 60, "gap");
        eq(end - start, 4000, "length");
        vm.warp(market.proveEndOf(id) - 1);
        bytes memory inProve = err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Prove));
        refuses(hunter(0), 0, goodClaim(0), inProve);
        vm.warp(start - 1);
        refuses(hunter(0), 0, goodClaim(0), roundClosed());
        vm.warp(end);
        refuses(hunter(0), 0, goodClaim(0), roundClosed());
        vm.warp(end - 1);
        claim(id, 0, 0);
    }

    function test_claim_belongs_to_the_paid_ranks() public {
        ranked(3);
        refuses(hunter(2), 0, goodClaim(2), notClaimable(2));
        bytes memory c = ciphertext(0, WORDS);
        ReleaseStatement memory x = releaseStatement(id, 0, 0, c);
        bytes memory data = abi.encodeCall(
            IBountyMarket.claim, (id, hunter(9), 0, x.epkX, x.epkY, c, releaseProof(x))
        );
        refuses(hunter(9), 0, data, notClaimable(9));
        data = abi.encodeCall(IBountyMarket.claim, (id, hunter(0), 1, x.epkX, x.epkY, c, releaseProof(x)));
        refuses(hunter(0), 0, data, abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 1));
        data = abi.encodeCall(IBountyMarket.claim, (9, hunter(0), 0, x.epkX, x.epkY, c, releaseProof(x)));
        refuses(hunter(0), 0, data, err(IMarketErrors.BountyUnknown.selector, 9));
    }

    function test_a_claim_proof_serves_one_entry_and_one_ciphertext() public {
        ranked(2);
        bytes memory refusal = err(IMarketErrors.ProofInvalid.selector);
        bytes memory c = ciphertext(0, WORDS);
        ReleaseStatement memory x = releaseStatement(id, 0, 0, c);
        bytes memory proof = releaseProof(x);
        // for the other rank
        bytes memory data = abi.encodeCall(IBountyMarket.claim, (id, hunter(1), 0, x.epkX, x.epkY, c, proof));
        refuses(hunter(1), 0, data, refusal);
        // with one bit of the ciphertext changed
        c[77] ^= 0x01;
        data = abi.encodeCall(IBountyMarket.claim, (id, hunter(0), 0, x.epkX, x.epkY, c, proof));
        refuses(hunter(0), 0, data, refusal);
        c[77] ^= 0x01;
        // with another ephemeral key
        data = abi.encodeCall(IBountyMarket.claim, (id, hunter(0), 0, x.epkX, x.epkY + 1, c, proof));
        refuses(hunter(0), 0, data, refusal);
        // for another bounty of the same owner
        uint256 first = id;
        uint32[] memory scores = new uint32[](1);
        scores[0] = 120;
        id = inClaim(sealedParams(), scores);
        data = abi.encodeCall(IBountyMarket.claim, (id, hunter(0), 0, x.epkX, x.epkY, c, proof));
        refuses(hunter(0), 0, data, refusal);
        check(first != id, "another bounty");
    }

    function test_the_statement_a_claim_must_prove() public {
        ranked(1);
        bytes memory c = ciphertext(0, WORDS);
        bytes memory refusal = err(IMarketErrors.ProofInvalid.selector);
        for (uint256 field; field < 8; ++field) {
            ReleaseStatement memory x = releaseStatement(id, 0, 0, c);
            assembly {
                let place := add(x, mul(field, 32))
                mstore(place, add(mload(place), 1))
            }
            bytes memory proof = releaseProof(x);
            x = releaseStatement(id, 0, 0, c);
            bytes memory data = abi.encodeCall(
                IBountyMarket.claim, (id, hunter(0), 0, x.epkX, x.epkY, c, proof)
            );
            refuses(hunter(0), 0, data, refusal);
        }
        claim(id, 0, 0);
    }

    function test_claim_refuses_ciphertexts_of_another_length() public {
        ranked(1);
        bytes4 e = IMarketErrors.CiphertextLength.selector;
        uint256[4] memory words = [uint256(0), 1, WORDS - 1, WORDS + 1];
        for (uint256 k; k < words.length; ++k) {
            bytes memory c = ciphertext(0, words[k]);
            bytes memory data = claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c));
            refuses(hunter(0), 0, data, err(e, words[k] * 32, WORDS * 32));
        }
        bytes memory odd = bytes.concat(ciphertext(0, WORDS), hex"00");
        bytes memory last = claimCall(id, 0, 0, odd, releaseStatement(id, 0, 0, odd));
        refuses(hunter(0), 0, last, err(e, WORDS * 32 + 1, WORDS * 32));
    }

    function test_claim_refuses_words_that_alias() public {
        ranked(1);
        uint256[3] memory places = [uint256(0), 77, WORDS - 1];
        for (uint256 k; k < places.length; ++k) {
            // w + r has the same value in the sum; the owner could not decrypt it.
            uint256[2] memory words = [R, R + 5];
            for (uint256 v; v < 2; ++v) {
                bytes memory c = ciphertext(0, WORDS);
                uint256 place = places[k];
                uint256 word = words[v];
                assembly {
                    mstore(add(add(c, 32), mul(place, 32)), word)
                }
                bytes memory data = claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c));
                refuses(hunter(0), 0, data, err(IMarketErrors.CiphertextWord.selector, place));
            }
        }
        bytes memory most = ciphertext(0, WORDS);
        uint256 top = R - 1;
        assembly {
            mstore(add(most, 32), top)
        }
        send(hunter(0), 0, claimCall(id, 0, 0, most, releaseStatement(id, 0, 0, most)));
    }

    function test_claim_refuses_an_ephemeral_key_out_of_range() public {
        ranked(1);
        bytes memory c = ciphertext(0, WORDS);
        ReleaseStatement memory x = releaseStatement(id, 0, 0, c);
        x.epkX += R;
        refuses(hunter(0), 0, claimCall(id, 0, 0, c, x), err(IMarketErrors.NotAFieldElement.selector, x.epkX));
        x.epkX -= R;
        x.epkY = R;
        refuses(hunter(0), 0, claimCall(id, 0, 0, c, x), err(IMarketErrors.NotAFieldElement.selector, R));
    }

    function test_fuzz_the_sum_is_horners(uint256 seed) public {
        ranked(1);
        // Base sums forward with powers; the contract runs Horner backward. The double sees both.
        bytes memory c = ciphertext(seed, WORDS);
        send(address(this), 0, claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c)));
        state(0, IBountyMarket.EntryState.Claimed);
    }

    // ---------------------------------------------------------------- lapse

    function test_a_lapse_promotes_the_reserve_for_a_round_of_its_own() public {
        ranked(4);
        claim(id, 1, 0);
        (, uint256 end) = market.roundOf(id);
        bytes memory lapse = abi.encodeCall(IBountyMarket.lapse, (id));
        vm.warp(end - 1);
        refuses(address(this), 0, lapse, err(IMarketErrors.NothingLapsed.selector));
        vm.warp(end + 12345); // nobody called for a while: the reserve's window is whole all the same
        market.lapse(id);
        state(0, IBountyMarket.EntryState.Lapsed);
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        eq(rows[2].prize, 0, "the best open prize");
        eq(rows[3].prize, 255, "still a reserve");
        (uint256 start, uint256 next) = market.roundOf(id);
        eq(start, end + 12345 + 60, "gap again");
        eq(next, start + 4000, "length");
        refuses(hunter(2), 0, goodClaim(2), roundClosed());
        vm.warp(start);
        refuses(hunter(0), 0, goodClaim(0), notClaimable(0)); // no second chance
        refuses(hunter(3), 0, goodClaim(3), notClaimable(3));
        claim(id, 2, 0);
        market.finalize(id);
        // The lapsed stake is shared by the claimed ranks after it: 1 and 2.
        eq(owed(payout(0)), 0, "lapsed");
        eq(owed(payout(1)), 1.06 ether + 0.03 ether, "second rank");
        eq(owed(payout(2)), 3.06 ether + 0.03 ether, "promoted");
        eq(owed(payout(3)), 0.06 ether, "reserve's stake");
        eq(owed(owner), 0.4 ether, "bond, and no stake");
        eq(market.burnt(), 0, "burnt");
        eq(market.bountyOf(id).held, 0, "held");
    }

    function test_lapses_until_nobody_is_left() public {
        ranked(3);
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
        market.lapse(id); // 0 and 1 lapse; 2 is promoted to the first prize, the second stays open
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        eq(rows[2].prize, 0, "first prize");
        bytes memory finalize = abi.encodeCall(IBountyMarket.finalize, (id));
        (, end) = market.roundOf(id);
        refuses(owner, 0, finalize, err(IMarketErrors.ClaimsPending.selector, end));
        vm.warp(end);
        market.finalize(id); // the last lapse and the end in one call
        state(2, IBountyMarket.EntryState.Lapsed);
        eq(market.burnt(), 0.18 ether, "three stakes");
        eq(owed(owner), 4.4 ether, "reward and bond");
        eq(market.bountyOf(id).held, 0, "held");
    }

    function test_a_lapse_after_the_last_claim_is_burnt() public {
        ranked(2);
        claim(id, 0, 0); // rank 1 lapses: nobody after it claimed
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
        market.finalize(id);
        eq(market.burnt(), 0.06 ether, "burnt");
        eq(owed(payout(0)), 3.06 ether, "not to an earlier rank");
        eq(owed(owner), 1.4 ether, "unclaimed prize and bond");
    }

    function test_finalize_waits_while_a_reserve_may_move_up() public {
        ranked(3);
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
        bytes memory finalize = abi.encodeCall(IBountyMarket.finalize, (id));
        refuses(owner, 0, finalize, err(IMarketErrors.ClaimsPending.selector, end + 60 + 4000));
        state(0, IBountyMarket.EntryState.Ranked); // the refusal undid the lapse inside it
        market.lapse(id);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.lapse, (id)), err(IMarketErrors.NothingLapsed.selector));
    }

    function test_finalize_does_not_wait_once_all_prizes_are_paid() public {
        ranked(4);
        claim(id, 0, 0);
        bytes memory finalize = abi.encodeCall(IBountyMarket.finalize, (id));
        (, uint256 end) = market.roundOf(id);
        refuses(owner, 0, finalize, err(IMarketErrors.ClaimsPending.selector, end));
        claim(id, 1, 0);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.lapse, (id)), err(IMarketErrors.NothingLapsed.selector));
        market.finalize(id);
        eq(owed(payout(2)), 0.06 ether, "reserve");
        bytes memory closed = err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Closed));
        refuses(owner, 0, finalize, closed);
        refuses(hunter(0), 0, goodClaim(0), closed);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.lapse, (id)), closed);
    }

    function test_finalize_after_the_round_starts_no_other() public {
        ranked(2);
        claim(id, 0, 0);
        claim(id, 1, 0);
        (uint256 start, uint256 end) = market.roundOf(id);
        vm.warp(end);
        market.finalize(id);
        (uint256 from, uint256 to) = market.roundOf(id);
        eq(from, start, "the round's start");
        eq(to, end, "the round's end");
    }

    /// @dev Three lapsed stakes shared by two later ranks, remainders burnt: to the wei.
    function test_lapsed_stakes_are_shared_to_the_wei() public {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](3);
        (p.prizes[0], p.prizes[1], p.prizes[2]) = (1 ether, 1 ether, 1 ether);
        p.stake = 0.02 ether + 1;
        uint32[] memory scores = new uint32[](5);
        for (uint256 i; i < 5; ++i) {
            scores[i] = uint32(120 - i);
        }
        id = inClaim(p, scores);
        claim(id, 1, 0);
        (uint256 start, uint256 end) = market.roundOf(id);
        vm.warp(end);
        market.lapse(id); // 0 and 2 lapse; 3 and 4 move up
        (start, end) = market.roundOf(id);
        vm.warp(start);
        claim(id, 4, 0);
        vm.warp(end);
        market.finalize(id); // 3 lapses too
        uint256 half = 0.01 ether; // of 0.02 ether + 1, shared by 1 and 4
        eq(owed(payout(1)), 1 ether + p.stake + half, "rank 1 of the claimed");
        eq(owed(payout(4)), 1 ether + p.stake + half + 2 * p.stake, "rank 2 of the claimed");
        eq(market.burnt(), 1, "the odd wei");
        eq(owed(owner), 1 ether + p.bond, "unpaid prize and bond");
        eq(market.bountyOf(id).held, 0, "held");
    }
}
