// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {Base} from "./Base.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Cut-and-choose: seven shards, of which a beacon makes five public.
contract DrawTest is Base {
    uint256 private constant POOL = 7;
    uint256 private constant HELD = 2;
    uint256 private id;

    function setUp() public {
        setUpWorld();
        vm.roll(1000);
        id = create(params());
    }

    function params() private view returns (IBountyMarket.Params memory p) {
        p = sealedParams();
        p.draw = IBountyMarket.Draw(uint16(POOL), 600);
        p.holdout = rootOf(0, 3);
    }

    // ------------------------------------------ the tree, written out again

    function saltOf(uint256 j) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/LEAF_SALT"), salt, j));
    }

    function leaf(uint256 j) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/LEAF"), j, saltOf(j), digest(j)));
    }

    /// @dev The node over leaves [i * 2^level, (i + 1) * 2^level), by recursion; zero beyond the pool.
    function rootOf(uint256 i, uint256 level) private view returns (bytes32) {
        if (i << level >= POOL) return 0;
        if (level == 0) return leaf(i);
        return keccak256(
            abi.encode(keccak256("zkaggle/v1/NODE"), rootOf(2 * i, level - 1), rootOf(2 * i + 1, level - 1))
        );
    }

    function opening(uint256 j) private view returns (IBountyMarket.Opening memory o) {
        o.index = uint16(j);
        o.salt = saltOf(j);
        o.digest = digest(j);
        o.path = new bytes32[](3);
        for (uint256 level; level < 3; ++level) {
            o.path[level] = rootOf((j >> level) ^ 1, level);
        }
    }

    function openCall(IBountyMarket.Opening memory o) private view returns (bytes memory) {
        IBountyMarket.Opening[] memory all = new IBountyMarket.Opening[](1);
        all[0] = o;
        return abi.encodeCall(IBountyMarket.openDrawn, (id, all));
    }

    function drawCall() private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.draw, (id));
    }

    function speak(bytes32 beacon) private {
        vm.roll(1005);
        vm.setBlockhash(1004, beacon);
        market.draw(id);
    }

    function openAll() private {
        uint256 picked = market.drawOf(id).picked;
        for (uint256 j; j < POOL; ++j) {
            if ((picked >> j) & 1 == 1) send(owner, 0, openCall(opening(j)));
        }
    }

    function left() private view returns (bytes32[] memory d) {
        uint256 picked = market.drawOf(id).picked;
        d = new bytes32[](HELD);
        uint256 next;
        for (uint256 j; j < POOL; ++j) {
            if ((picked >> j) & 1 == 0) d[next++] = digest(j);
        }
    }

    function bits(uint256 x) private pure returns (uint256 count) {
        for (; x != 0; x &= x - 1) {
            ++count;
        }
    }

    function test_the_hold_out_is_what_the_beacon_left() public {
        commit(id, 0, 0);
        speak(keccak256("beacon"));
        IBountyMarket.DrawState memory d = market.drawOf(id);
        eq(bits(d.picked), 5, "five are drawn");
        check(d.picked >> POOL == 0 && d.left == 5 && d.beaconBlock == 1004, "state");
        openAll();
        d = market.drawOf(id);
        check(d.opened == d.picked && d.left == 0, "all open");
        (uint16[] memory indices, bytes32[] memory seen) = market.drawnOf(id);
        for (uint256 k; k < 5; ++k) {
            check(seen[k] == digest(indices[k]) && (d.picked >> indices[k]) & 1 == 1, "public");
        }
        commit(id, 1, 0);
        vm.warp(commitEnd(id) + 60);
        bytes32[] memory d2 = left();
        (d2[0], d2[1]) = (d2[1], d2[0]);
        bytes memory swapped = abi.encodeCall(IBountyMarket.reveal, (id, salt, d2));
        refuses(owner, 0, swapped, err(IMarketErrors.HoldoutMismatch.selector));
        bytes memory salted = abi.encodeCall(IBountyMarket.reveal, (id, bytes32(uint256(1)), left()));
        refuses(owner, 0, salted, err(IMarketErrors.HoldoutMismatch.selector));
        bytes memory one = abi.encodeCall(IBountyMarket.reveal, (id, salt, new bytes32[](1)));
        refuses(owner, 0, one, err(IMarketErrors.DigestsInvalid.selector));
        market.reveal(id, salt, left());
        phase(id, IBountyMarket.Phase.Attest);
    }

    function test_the_draw_and_every_opening_are_told() public {
        bytes32 beacon = keccak256("beacon");
        vm.recordLogs();
        speak(beacon);
        Vm.Log memory said = told(IMarketEvents.DrawPicked.selector);
        uint256 picked = market.drawOf(id).picked;
        check(said.topics[1] == bytes32(id), "bounty");
        check(keccak256(said.data) == keccak256(abi.encode(beacon, picked, START + 600)), "beacon, choice, end");
        for (uint256 j; j < POOL; ++j) {
            if ((picked >> j) & 1 == 0) continue;
            vm.recordLogs();
            send(owner, 0, openCall(opening(j)));
            said = told(IMarketEvents.DrawOpened.selector);
            check(said.topics[1] == bytes32(id), "bounty");
            check(keccak256(said.data) == keccak256(abi.encode(j, digest(j))), "place and shard");
        }
    }

    /// @dev A second before the end, the end, a second after: for the draw, for an opening, for the default.
    function test_a_draw_ends_to_the_second() public {
        uint256 undrawn = create(params());
        vm.roll(1005);
        vm.setBlockhash(1004, keccak256("beacon"));
        market.draw(id);
        uint256 j;
        while ((market.drawOf(id).picked >> j) & 1 == 0) ++j;
        bytes memory drawOther = abi.encodeCall(IBountyMarket.draw, (undrawn));
        bytes memory timeout = abi.encodeCall(IBountyMarket.timeout, (id));
        bytes memory over = err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Defaulted));
        bytes memory early = err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Commit));
        bytes memory open = openCall(opening(j));
        uint256 world = vm.snapshotState();
        vm.warp(START + 599);
        send(hunter(3), 0, drawOther);
        send(hunter(3), 0, open);
        refuses(hunter(3), 0, timeout, early);
        for (uint256 late = 600; late < 602; ++late) {
            vm.revertToState(world);
            vm.warp(START + late);
            refuses(hunter(3), 0, drawOther, over);
            refuses(hunter(3), 0, open, over);
            send(hunter(3), 0, timeout);
        }
    }

    /// @dev The beacon's hash is to be had in the 256 blocks after it: from the first to the last, not one more.
    function test_a_beacon_is_heard_for_256_blocks() public {
        uint256 world = vm.snapshotState();
        uint256[2] memory good = [uint256(1005), 1004 + 256];
        for (uint256 k; k < 2; ++k) {
            vm.roll(good[k]);
            vm.setBlockhash(1004, keccak256("beacon"));
            send(hunter(3), 0, drawCall());
            vm.revertToState(world);
        }
        vm.roll(1004 + 257);
        refuses(hunter(3), 0, drawCall(), err(IMarketErrors.BeaconUnknown.selector, 1004));
    }

    function test_fuzz_every_draw_has_its_size_and_hits_every_place(bytes32 beacon) public {
        vm.assume(beacon != 0);
        speak(beacon);
        uint256 picked = market.drawOf(id).picked;
        eq(bits(picked), POOL - HELD, "size");
        check(picked < 1 << POOL, "inside the pool");
    }

    /// @dev 10 seeds would miss a place of seven with probability (2/7)^10 each, were they fair.
    function test_draws_differ() public {
        uint256 ever;
        uint256 never = (1 << POOL) - 1;
        for (uint256 k; k < 20; ++k) {
            id = create(params());
            vm.roll(market.drawOf(id).beaconBlock + 1);
            vm.setBlockhash(market.drawOf(id).beaconBlock, keccak256(abi.encode(k)));
            market.draw(id);
            ever |= market.drawOf(id).picked;
            never &= market.drawOf(id).picked;
        }
        check(ever == (1 << POOL) - 1 && never == 0, "every shard is drawn sometimes, none always");
    }

    function test_the_beacon_speaks_once_and_not_before_its_block() public {
        bytes memory unknown = err(IMarketErrors.BeaconUnknown.selector, 1004);
        refuses(owner, 0, drawCall(), unknown);
        vm.roll(1004);
        refuses(owner, 0, drawCall(), unknown);
        vm.roll(1004 + 257);
        refuses(owner, 0, drawCall(), unknown);
        speak(keccak256("beacon"));
        refuses(owner, 0, drawCall(), err(IMarketErrors.NothingToDraw.selector));
        id = create(sealedParams());
        refuses(owner, 0, drawCall(), err(IMarketErrors.NothingToDraw.selector));
        eq(market.drawOf(id).pool, 0, "no draw");
    }

    function test_openings_are_checked() public {
        refuses(owner, 0, openCall(opening(0)), err(IMarketErrors.OpeningInvalid.selector, 0)); // nothing drawn yet
        speak(keccak256("beacon"));
        uint256 picked = market.drawOf(id).picked;
        uint256 drawn = picked & 1 == 1 ? 0 : 1;
        while ((picked >> drawn) & 1 == 0) ++drawn;
        uint256 other;
        while ((picked >> other) & 1 == 1) ++other;
        bytes memory e = err(IMarketErrors.OpeningInvalid.selector, drawn);
        refuses(owner, 0, openCall(opening(other)), err(IMarketErrors.OpeningInvalid.selector, other));
        IBountyMarket.Opening memory o = opening(drawn);
        o.digest = digest(9);
        refuses(owner, 0, openCall(o), e);
        o = opening(drawn);
        o.salt = 0;
        refuses(owner, 0, openCall(o), e);
        o = opening(drawn);
        o.path[1] = 0;
        refuses(owner, 0, openCall(o), e);
        o.path = new bytes32[](2);
        refuses(owner, 0, openCall(o), e);
        o = opening(drawn);
        o.index = 7;
        refuses(owner, 0, openCall(o), err(IMarketErrors.OpeningInvalid.selector, 7));
        send(hunter(3), 0, openCall(opening(drawn)));
        refuses(owner, 0, openCall(opening(drawn)), e);
    }

    function test_not_opened_is_a_default() public {
        commit(id, 0, 0);
        speak(keccak256("beacon"));
        vm.warp(START + 599);
        phase(id, IBountyMarket.Phase.Commit);
        vm.warp(START + 600);
        phase(id, IBountyMarket.Phase.Defaulted);
        bytes memory e = err(IMarketErrors.PhaseWrong.selector, uint256(IBountyMarket.Phase.Defaulted));
        refuses(owner, 0, openCall(opening(0)), e);
        market.timeout(id);
        eq(market.burnt(), 0.2 ether, "half the bond");
        market.refund(id, hunter(0), 0);
        eq(owed(payout(0)), 0.26 ether, "stake and the other half");
    }

    /// @dev A call without openings changes nothing, before the beacon speaks and after.
    function test_opening_nothing_opens_nothing() public {
        bytes memory none = abi.encodeCall(IBountyMarket.openDrawn, (id, new IBountyMarket.Opening[](0)));
        send(owner, 0, none);
        uint256 before = vm.snapshotState();
        vm.warp(START + 600);
        phase(id, IBountyMarket.Phase.Defaulted);
        vm.revertToState(before);
        speak(keccak256("beacon"));
        send(owner, 0, none);
        eq(market.drawOf(id).left, 5, "all are to open");
        vm.warp(START + 600);
        phase(id, IBountyMarket.Phase.Defaulted);
    }

    function test_opened_in_time_goes_on() public {
        speak(keccak256("beacon"));
        openAll();
        vm.warp(START + 600);
        phase(id, IBountyMarket.Phase.Commit);
    }

    /// @dev Who dislikes the draw could post again for another: not for nothing.
    function test_another_draw_costs_half_the_bond() public {
        speak(keccak256("beacon"));
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 0)));
        eq(market.burnt(), 0.2 ether, "cancelled after the beacon");
        vm.roll(2000);
        id = create(params());
        send(owner, 0, abi.encodeCall(IBountyMarket.cancel, (id, 0)));
        eq(market.burnt(), 0.2 ether, "cancelled before it: free");
        id = create(params());
        vm.roll(2005);
        vm.warp(vm.getBlockTimestamp() + 600);
        market.timeout(id);
        eq(market.burnt(), 0.4 ether, "not drawn at all");
    }

    function test_a_draw_is_of_a_sealed_pool_of_equal_shards() public {
        bytes memory e = err(IMarketErrors.DrawInvalid.selector);
        IBountyMarket.Params memory p = params();
        p.draw.pool = 2;
        refusesParams(p, e);
        p.draw.pool = 257;
        refusesParams(p, e);
        p.draw.pool = 0; // a window and no pool
        refusesParams(p, e);
        p = params();
        p.lengths[1] = 2 * SHARD_BYTES;
        refusesParams(p, e);
        p = params();
        bytes4 w = IMarketErrors.WindowInvalid.selector;
        p.draw.window = 1000; // must end within Commit
        refusesParams(p, abi.encodeWithSelector(w, 8, 1000, 1, 999));
        p.draw.window = 0;
        refusesParams(p, abi.encodeWithSelector(w, 8, 0, 1, 999));
        attestShards(2);
        p = openParams();
        p.draw = IBountyMarket.Draw(3, 100);
        refusesParams(p, e);
    }

    function refusesParams(IBountyMarket.Params memory p, bytes memory expected) private {
        refuses(owner, cost(p), abi.encodeCall(IBountyMarket.create, (p)), expected);
    }
}
