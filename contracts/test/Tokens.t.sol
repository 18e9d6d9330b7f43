// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {TokenPot} from "../src/TokenPot.sol";
import {Base} from "./Base.sol";
import {
    Coin,
    FalseCoin,
    FeeCoin,
    GenerousCoin,
    GuardedCoin,
    HookCoin,
    LoudCoin,
    LyingCoin,
    SilentCoin
} from "./mocks/Coins.sol";
import {Vm, vm} from "./Vm.sol";

/// @dev Spends all the gas it is given when it is paid.
contract Burner {
    function withdraw(IBountyMarket market) external {
        market.withdraw(address(0));
    }

    receive() external payable {
        while (true) {}
    }
}

/// @dev Answers a payment with a megabyte.
contract Shouter {
    function withdraw(IBountyMarket market) external {
        market.withdraw(address(0));
    }

    receive() external payable {
        assembly {
            return(0, 1048576)
        }
    }
}

/// @notice Bounties in tokens, decent and hostile. Stakes are ether all the same.
contract TokensTest is Base {
    function setUp() public {
        setUpWorld();
    }

    function pot(uint256 id) private view returns (address) {
        return market.detailOf(id).pot;
    }

    function withdrawFrom(address asset, address who) private {
        vm.prank(who);
        market.withdraw(asset);
    }

    function scores(uint32 a, uint32 b) private pure returns (uint32[] memory s) {
        s = new uint32[](2);
        (s[0], s[1]) = (a, b);
    }

    /// @dev A whole bounty in `coin`: two claims, everybody paid, nothing left.
    function story(Coin coin) private {
        uint256 id = inClaim(tokenParams(coin), scores(120, 110));
        address p = pot(id);
        eq(coin.balanceOf(p), 4.4 ether, "in the pot");
        eq(address(market).balance, 0.12 ether, "stakes");
        check(market.detailOf(id).token == address(coin), "token");
        claim(id, 0, 0);
        claim(id, 1, 0);
        market.finalize(id);
        eq(owedIn(p, payout(0)), 3 ether, "first prize");
        eq(owedIn(p, payout(1)), 1 ether, "second prize");
        eq(owedIn(p, owner), 0.4 ether, "bond");
        eq(owed(payout(0)), 0.06 ether, "stake");
        withdrawFrom(p, payout(0));
        withdrawFrom(p, payout(1));
        withdrawFrom(p, owner);
        withdrawFrom(address(0), payout(0));
        withdrawFrom(address(0), payout(1));
        eq(coin.balanceOf(payout(0)), 3 ether, "paid");
        eq(coin.balanceOf(owner), 0.4 ether, "returned");
        eq(coin.balanceOf(p) + address(market).balance, 0, "left");
    }

    function test_a_bounty_in_a_token() public {
        story(new Coin(18));
    }

    function test_a_credit_names_the_account_and_the_pot() public {
        uint256 id = create(tokenParams(new Coin(18)));
        vm.recordLogs();
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 0)));
        Vm.Log memory credit = told(IMarketEvents.Credited.selector);
        check(credit.topics[1] == bytes32(id), "bounty");
        check(credit.topics[2] == bytes32(uint256(uint160(owner))), "account");
        check(keccak256(credit.data) == keccak256(abi.encode(pot(id), uint256(4.4 ether))), "asset and amount");
    }

    // ------------------------------------------------------- hostile tokens

    function test_hostile_1_a_token_that_returns_nothing_is_taken() public {
        story(new SilentCoin());
    }

    function test_hostile_2_a_token_that_says_false_is_refused_and_owed_again() public {
        FalseCoin coin = new FalseCoin();
        IBountyMarket.Params memory p = tokenParams(coin);
        coin.refuse(true);
        refusesToken(p, 0);
        coin.refuse(false);
        uint256 id = create(p);
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 0)));
        coin.refuse(true);
        address asset = pot(id);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.withdraw, (asset)), err(IMarketErrors.TransferFailed.selector));
        eq(owedIn(asset, owner), 4.4 ether, "still owed");
        coin.refuse(false);
        withdrawFrom(asset, owner);
        eq(coin.balanceOf(owner), 4.4 ether, "paid in the end");
    }

    function refusesToken(IBountyMarket.Params memory p, uint256 received) private {
        bytes memory e = abi.encodeWithSelector(
            IMarketErrors.TokenTransferFailed.selector, p.token, received, cost(p)
        );
        refuses(owner, 0, abi.encodeCall(IBountyMarket.create, (p)), e);
        eq(market.bountyCount(), 0, "nothing was posted");
    }

    function test_hostile_3_a_fee_on_transfer_is_refused() public {
        refusesToken(tokenParams(new FeeCoin()), 4.4 ether - 0.044 ether);
    }

    function test_hostile_4_a_token_that_lies_or_gives_more_is_refused() public {
        refusesToken(tokenParams(new LyingCoin()), 0);
        refusesToken(tokenParams(new GenerousCoin()), 4.4 ether + 1);
        Coin coin = new Coin(18);
        IBountyMarket.Params memory p = tokenParams(coin);
        vm.prank(owner);
        coin.approve(address(market), 4.4 ether - 1);
        refusesToken(p, 0);
    }

    function test_hostile_5_a_token_that_calls_back_finds_every_door_shut() public {
        HookCoin coin = new HookCoin();
        IBountyMarket.Params memory p = tokenParams(coin);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(IBountyMarket.create, (sealedParams()));
        calls[1] = abi.encodeCall(IBountyMarket.withdraw, (address(0)));
        calls[2] = abi.encodeCall(IBountyMarket.cancel, (1, 0));
        for (uint256 k; k < 3; ++k) {
            p = tokenParams(coin);
            coin.hook(address(market), calls[k]);
            uint256 id = create(p);
            check(keccak256(coin.got()) == keccak256(err(IMarketErrors.Reentered.selector)), "at create");
            send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 0)));
            address asset = pot(id);
            coin.hook(address(market), abi.encodeCall(IBountyMarket.withdraw, (asset)));
            withdrawFrom(asset, owner);
            check(keccak256(coin.got()) == keccak256(err(IMarketErrors.Reentered.selector)), "at withdraw");
            coin.hook(address(0), "");
        }
    }

    /// @dev One bounty's blocked payee stops neither its other payees nor another bounty.
    function test_hostile_6_a_blacklist_stops_only_whom_it_names() public {
        GuardedCoin coin = new GuardedCoin();
        uint256 id = inClaim(tokenParams(coin), scores(120, 110));
        coin.blacklist(payout(0), true);
        claim(id, 0, 0);
        claim(id, 1, 0);
        market.finalize(id);
        address p = pot(id);
        refuses(payout(0), 0, abi.encodeCall(IBountyMarket.withdraw, (p)), err(IMarketErrors.TransferFailed.selector));
        withdrawFrom(p, payout(1));
        withdrawFrom(p, owner);
        withdrawFrom(address(0), payout(0)); // its stake is ether
        coin.blacklist(payout(0), false);
        withdrawFrom(p, payout(0));
        eq(coin.balanceOf(payout(0)), 3 ether, "later");
    }

    function test_hostile_7_a_paused_token_stops_no_deadline() public {
        GuardedCoin coin = new GuardedCoin();
        uint256 id = inClaim(tokenParams(coin), scores(120, 110));
        coin.pause(true);
        claim(id, 0, 0);
        claim(id, 1, 0);
        market.finalize(id);
        phase(id, IBountyMarket.Phase.Closed);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.withdraw, (pot(id))), err(IMarketErrors.TransferFailed.selector));
        coin.pause(false);
        withdrawFrom(pot(id), owner);
    }

    function test_hostile_8_decimals_mean_nothing() public {
        story(new Coin(0));
        story(new Coin(6));
        story(new Coin(36));
    }

    function test_hostile_9_a_megabyte_of_answer_is_not_copied() public {
        uint256 before = gasleft();
        story(new LoudCoin());
        // The token's own memory costs 2.2 M a call, ours would cost as much again.
        check(before - gasleft() < 20_000_000, "gas");
    }

    function test_hostile_10_a_payee_that_burns_gas_or_shouts_hurts_itself() public {
        uint256 id = create(sealedParams());
        Burner burner = new Burner();
        Shouter shouter = new Shouter();
        bytes memory to = abi.encodeCall(IBountyMarket.commit, (id, 0, bytes32(uint256(1)), scoreVk, address(burner)));
        send(hunter(0), 0.06 ether, to);
        to = abi.encodeCall(IBountyMarket.commit, (id, 1, bytes32(uint256(1)), scoreVk, address(shouter)));
        send(hunter(0), 0.06 ether, to);
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 2)));
        market.refund(id, hunter(0), 0);
        market.refund(id, hunter(0), 1);
        (bool ok,) = address(burner).call{gas: 1_000_000}(abi.encodeCall(Burner.withdraw, (market)));
        check(!ok, "burns what it is given");
        eq(owed(address(burner)), 0.16 ether, "still owed");
        shouter.withdraw(market);
        eq(address(shouter).balance, 0.16 ether, "paid");
        withdrawFrom(address(0), owner);
    }

    /// @dev What a token takes from one bounty's pot is missing there alone.
    function test_hostile_11_a_shortfall_stays_inside_its_bounty() public {
        Coin coin = new Coin(18);
        uint256 poor = create(tokenParams(coin));
        uint256 rich = create(tokenParams(coin));
        coin.seize(pot(poor), 1);
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (poor, 0)));
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (rich, 0)));
        address asset = pot(poor);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.withdraw, (asset)), err(IMarketErrors.TransferFailed.selector));
        withdrawFrom(pot(rich), owner);
        eq(coin.balanceOf(owner), 4.4 ether, "the other bounty is whole");
    }

    /// @dev Whoever knows the next pot's address cannot fill it in advance to be credited for it.
    function test_hostile_12_tokens_sent_ahead_count_for_nothing() public {
        Coin coin = new Coin(18);
        IBountyMarket.Params memory p = tokenParams(coin);
        uint256 first = create(p);
        p = tokenParams(coin);
        (address posting,,) = market.modules();
        check(posting != address(0), "modules");
        bytes memory init = abi.encodePacked(vm.parseJsonBytes(vm.readFile("artifacts/TokenPot.json"), ".bytecode"), abi.encode(coin));
        address next = address(
            uint160(uint256(keccak256(abi.encodePacked(hex"ff", market, bytes32(first + 1), keccak256(init)))))
        );
        coin.mint(next, 1 ether);
        uint256 id = create(p);
        check(pot(id) == next, "its address follows from the bounty's number");
        eq(coin.balanceOf(next), 5.4 ether, "the gift lies there");
        eq(market.bountyOf(id).held, 4.4 ether, "and is nobody's");
    }

    function test_only_the_market_pays_from_a_pot() public {
        Coin coin = new Coin(18);
        address p = pot(create(tokenParams(coin)));
        refusesAt(p, owner, 0, abi.encodeCall(TokenPot.pay, (owner, 1)), err(TokenPot.NotTheMarket.selector));
    }

    function test_a_default_burns_and_shares_tokens_and_returns_stakes() public {
        Coin coin = new Coin(18);
        uint256 id = create(tokenParams(coin));
        commit(id, 0, 0);
        commit(id, 1, 0);
        vm.warp(commitEnd(id) + 60 + 1000);
        market.timeout(id);
        market.refund(id, hunter(0), 0);
        market.refund(id, hunter(1), 0);
        address p = pot(id);
        eq(owedIn(p, owner), 4 ether, "prizes");
        eq(market.burntOf(p), 0.2 ether, "half the bond");
        eq(market.burnt(), 0, "no ether");
        eq(owedIn(p, payout(0)), 0.1 ether, "share");
        eq(owed(payout(0)), 0.06 ether, "stake");
    }

    function test_a_stake_beside_a_token_has_its_own_least() public {
        IBountyMarket.Params memory p = tokenParams(new Coin(18));
        p.stake = 0.001 ether - 1;
        bytes memory e = err(IMarketErrors.StakeTooLow.selector, 0.001 ether - 1, 0.001 ether);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.create, (p)), e);
        p.stake = 0.001 ether;
        create(p);
    }
}
