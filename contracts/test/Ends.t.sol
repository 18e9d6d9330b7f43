// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @dev Calls back into the market while it is being paid.
contract Reentrant {
    IBountyMarket private immutable market;
    bytes private again;
    bytes public got;

    constructor(IBountyMarket market_) {
        market = market_;
    }

    function withdraw(bytes memory call_) external {
        again = call_;
        market.withdraw(address(0));
    }

    receive() external payable {
        if (msg.sender != address(market)) return;
        (, got) = address(market).call(again);
    }
}

/// @dev Takes no ether.
contract Closed {
    function withdraw(IBountyMarket market) external {
        market.withdraw(address(0));
    }
}

/// @notice Cancel, timeout, refund, withdraw.
contract EndsTest is Base {
    uint256 private id;

    function setUp() public {
        setUpWorld();
        id = create(sealedParams());
    }

    function cancelCall() private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.cancel, (id, type(uint32).max));
    }

    function refundCall(uint256 i) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.refund, (id, hunter(i), 0));
    }

    function wrong(IBountyMarket.Phase p) private pure returns (bytes memory) {
        return err(IMarketErrors.PhaseWrong.selector, uint256(p));
    }

    // --------------------------------------------------------------- cancel

    function test_cancel_without_entries_returns_everything() public {
        send(owner, 0, cancelCall());
        phase(id, IBountyMarket.Phase.Cancelled);
        eq(owed(owner), 4.4 ether, "all of it");
        eq(market.burnt(), 0, "burnt");
        refuses(owner, 0, cancelCall(), wrong(IBountyMarket.Phase.Cancelled));
    }

    function test_cancel_with_entries_loses_the_bond() public {
        commit(id, 0, 0);
        commit(id, 1, 0);
        commit(id, 1, 1);
        send(owner, 0, cancelCall());
        eq(owed(owner), 4 ether, "the reward");
        // Half of 0.4 ether by three does not divide: the remainder is burnt as well.
        uint256 share = uint256(0.2 ether) / 3;
        eq(market.burnt(), 0.4 ether - 3 * share, "burnt");
        market.refund(id, hunter(0), 0);
        market.refund(id, hunter(1), 0);
        market.refund(id, hunter(1), 1);
        eq(owed(payout(0)), 0.06 ether + share, "one entry");
        eq(owed(payout(1)), 2 * (0.06 ether + share), "two entries");
        eq(market.bountyOf(id).held, 0, "held");
        refuses(hunter(0), 0, refundCall(0), err(IMarketErrors.NothingToRefund.selector));
    }

    function test_cancel_is_the_owners_and_ends_with_commit() public {
        refuses(hunter(0), 0, cancelCall(), abi.encodeWithSelector(IMarketErrors.NotOwner.selector, hunter(0)));
        commit(id, 0, 0);
        vm.warp(commitEnd(id));
        refuses(owner, 0, cancelCall(), wrong(IBountyMarket.Phase.Reveal));
        id = 44;
        refuses(owner, 0, cancelCall(), err(IMarketErrors.BountyUnknown.selector, 44));
    }

    function test_cancel_of_an_open_bounty_ends_with_the_first_ranked_entry() public {
        attestShards(2);
        id = create(openParams());
        commit(id, 0, 0);
        commit(id, 1, 0);
        proveAll(id, 1, 0, 99); // below the threshold
        uint256 snapshot = id;
        proveAll(id, 0, 0, 100);
        refuses(owner, 0, cancelCall(), err(IMarketErrors.CancelTooLate.selector));
        // Without a ranked entry: who scored has its stake back, and still gets its share.
        id = create(openParams());
        check(id != snapshot, "another");
        commit(id, 2, 0);
        commit(id, 3, 0);
        proveAll(id, 3, 0, 99);
        eq(owed(payout(3)), 0.06 ether, "stake");
        send(owner, 0, cancelCall());
        market.refund(id, hunter(3), 0);
        market.refund(id, hunter(2), 0);
        eq(owed(payout(3)), 0.06 ether + 0.1 ether, "share only once more");
        eq(owed(payout(2)), 0.06 ether + 0.1 ether, "stake and share");
        eq(market.bountyOf(id).held, 0, "held");
    }

    // -------------------------------------------------------------- timeout

    function test_timeout_after_a_missed_reveal() public {
        commit(id, 0, 0);
        commit(id, 1, 0);
        uint256 end = commitEnd(id) + 60 + 1000;
        bytes memory timeout = abi.encodeCall(IBountyMarket.timeout, (id));
        vm.warp(end - 1);
        refuses(hunter(5), 0, timeout, wrong(IBountyMarket.Phase.Reveal));
        vm.warp(end);
        refuses(hunter(0), 0, refundCall(0), err(IMarketErrors.NothingToRefund.selector));
        send(hunter(5), 0, timeout);
        phase(id, IBountyMarket.Phase.Defaulted);
        eq(owed(owner), 4 ether, "the reward");
        eq(market.burnt(), 0.2 ether, "half the bond");
        market.refund(id, hunter(0), 0);
        market.refund(id, hunter(1), 0);
        eq(owed(payout(0)), 0.16 ether, "stake and share");
        eq(market.bountyOf(id).held, 0, "held");
        refuses(hunter(5), 0, timeout, wrong(IBountyMarket.Phase.Defaulted));
        refuses(owner, 0, abi.encodeCall(IBountyMarket.finalize, (id)), wrong(IBountyMarket.Phase.Defaulted));
    }

    function test_timeout_after_a_missed_attestation() public {
        commit(id, 0, 0);
        reveal(id);
        vm.warp(vm.getBlockTimestamp() + 2000);
        market.timeout(id);
        eq(market.burnt(), 0.2 ether, "half the bond");
        market.refund(id, hunter(0), 0);
        eq(owed(payout(0)), 0.26 ether, "stake and the other half");
    }

    function test_refund_refuses() public {
        commit(id, 0, 0);
        bytes memory e = err(IMarketErrors.NothingToRefund.selector);
        refuses(hunter(0), 0, refundCall(0), e); // not settled
        refuses(hunter(0), 0, refundCall(5), e); // no entry
        reveal(id);
        attest(id);
        proveAll(id, 0, 0, 99);
        vm.warp(market.proveEndOf(id));
        market.finalize(id);
        refuses(hunter(0), 0, refundCall(0), e); // stake came back with the score
    }

    function test_finalize_belongs_to_claim() public {
        commit(id, 0, 0);
        bytes memory finalize = abi.encodeCall(IBountyMarket.finalize, (id));
        refuses(owner, 0, finalize, wrong(IBountyMarket.Phase.Commit));
        reveal(id);
        refuses(owner, 0, finalize, wrong(IBountyMarket.Phase.Attest));
        attest(id);
        refuses(owner, 0, finalize, wrong(IBountyMarket.Phase.Prove));
        refuses(owner, 0, abi.encodeCall(IBountyMarket.lapse, (id)), wrong(IBountyMarket.Phase.Prove));
    }

    // ------------------------------------------------------------- withdraw

    function test_withdraw_pays_once() public {
        send(owner, 0, cancelCall());
        uint256 before = owner.balance;
        bytes memory withdraw = abi.encodeCall(IBountyMarket.withdraw, (address(0)));
        send(owner, 0, withdraw);
        eq(owner.balance - before, 4.4 ether, "paid");
        refuses(owner, 0, withdraw, err(IMarketErrors.NothingOwed.selector));
        bytes memory token = abi.encodeCall(IBountyMarket.withdraw, (address(9)));
        refuses(owner, 0, token, err(IMarketErrors.NothingOwed.selector));
    }

    /// @dev An entry of `to`'s, refunded after a cancel.
    function owedToContract(address to) private {
        bytes32 h = bytes32(uint256(1));
        send(hunter(0), 0.06 ether, abi.encodeCall(IBountyMarket.commit, (id, 0, h, scoreVk, to)));
        send(owner, 0, cancelCall());
        market.refund(id, hunter(0), 0);
        eq(owed(to), 0.26 ether, "owed");
    }

    function test_a_payee_cannot_call_back() public {
        Reentrant r = new Reentrant(market);
        owedToContract(address(r));
        r.withdraw(abi.encodeCall(IBountyMarket.withdraw, (address(0))));
        eq(address(r).balance, 0.26 ether, "paid once");
        check(keccak256(r.got()) == keccak256(err(IMarketErrors.Reentered.selector)), "the second call is refused");
    }

    function test_no_entrance_stays_open_during_a_payment() public {
        bytes[] memory calls = new bytes[](10);
        calls[0] = abi.encodeCall(IBountyMarket.create, (sealedParams()));
        calls[1] = abi.encodeCall(IBountyMarket.commit, (id, 0, bytes32(0), scoreVk, owner));
        calls[2] = abi.encodeCall(IBountyMarket.reveal, (id, salt, digests(2)));
        calls[3] = abi.encodeCall(IBountyMarket.attest, (id));
        calls[4] = abi.encodeCall(IBountyMarket.prove, (id, 0, 0, 0, 0, 0, ""));
        calls[5] = abi.encodeCall(IBountyMarket.claim, (id, owner, 0, 0, 0, "", ""));
        calls[6] = abi.encodeCall(IBountyMarket.lapse, (id));
        calls[7] = abi.encodeCall(IBountyMarket.timeout, (id));
        calls[8] = abi.encodeCall(IBountyMarket.finalize, (id));
        calls[9] = abi.encodeCall(IBountyMarket.refund, (id, owner, 0));
        for (uint256 k; k < calls.length; ++k) {
            Reentrant r = new Reentrant(market);
            owedToContract(address(r));
            r.withdraw(calls[k]);
            check(keccak256(r.got()) == keccak256(err(IMarketErrors.Reentered.selector)), vm.toString(k));
            id = create(sealedParams());
        }
    }

    function test_a_payee_that_takes_no_ether_blocks_only_itself() public {
        Closed c = new Closed();
        owedToContract(address(c));
        bytes memory e = err(IMarketErrors.TransferFailed.selector);
        refusesAt(address(c), address(this), 0, abi.encodeCall(Closed.withdraw, (market)), e);
        eq(owed(address(c)), 0.26 ether, "still owed");
        vm.prank(owner);
        market.withdraw(address(0));
    }

    function test_ether_cannot_be_sent_without_a_purpose() public {
        refuses(owner, 1 ether, "", abi.encodeWithSelector(IMarketErrors.FunctionUnknown.selector, bytes4(0)));
        refuses(owner, 1 ether, hex"01020304", abi.encodeWithSelector(IMarketErrors.FunctionUnknown.selector, bytes4(0x01020304)));
        refuses(owner, 1 ether, abi.encodeCall(IBountyMarket.finalize, (id)), "");
    }

    function test_views_of_what_does_not_exist() public {
        bytes memory e = err(IMarketErrors.BountyUnknown.selector, 7);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.phaseOf, (7)), e);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.bountyOf, (7)), e);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.boardOf, (7)), e);
        bytes memory none = abi.encodeWithSelector(IMarketErrors.EntryUnknown.selector, hunter(0), 0);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.entryOf, (id, hunter(0), 0)), none);
        (uint256 start, uint256 end) = market.roundOf(id);
        eq(start + end + market.proveEndOf(id), 0, "no times yet");
        eq(market.owedTo(address(5), owner), 0, "no tokens");
    }
}
