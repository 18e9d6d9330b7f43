// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @dev Moves several bounties at once, each call where it can succeed: it looks for a bounty in the
/// right phase, and moves time only when nothing else would happen.
contract Handler is Base {
    uint256 internal constant HUNTERS = 6;
    uint256 private steps;
    mapping(bytes32 act => uint256 successes) public count;

    constructor() {
        setUpWorld();
        attestShards(2);
    }

    /// @dev The fuzzer repeats small and extreme arguments, whose remainders are all alike.
    function mix(uint256 seed) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++steps)));
    }

    function theMarket() external view returns (IBountyMarket) {
        return market;
    }

    function accounts() public view returns (address[] memory a) {
        a = new address[](HUNTERS + 1);
        for (uint256 i; i < HUNTERS; ++i) {
            a[i] = payout(i);
        }
        a[HUNTERS] = owner;
    }

    /// @dev A bounty in the phase, 0 for none; `seed` decides which.
    function pick(uint256 seed, IBountyMarket.Phase p) private view returns (uint256) {
        uint256 n = market.bountyCount();
        for (uint256 k; k < n; ++k) {
            uint256 id = (seed % n + k) % n + 1;
            if (market.phaseOf(id) == p) return id;
        }
        return 0;
    }

    function stateOf(uint256 id, uint256 i, uint8 slot) private view returns (IBountyMarket.EntryState) {
        try market.entryOf(id, hunter(i), slot) returns (IBountyMarket.Entry memory e) {
            return e.state;
        } catch {
            return IBountyMarket.EntryState.None;
        }
    }

    /// @dev An entry in the state, if the bounty has one.
    function find(uint256 seed, uint256 id, IBountyMarket.EntryState s)
        private
        view
        returns (bool found, uint256 i, uint8 slot)
    {
        for (uint256 k; k < 2 * HUNTERS; ++k) {
            uint256 x = (seed % (2 * HUNTERS) + k) % (2 * HUNTERS);
            (i, slot) = (x / 2, uint8(x % 2));
            if (stateOf(id, i, slot) == s) return (true, i, slot);
        }
        return (false, 0, 0);
    }

    function someCreate(uint256 seed) external {
        seed = mix(seed);
        uint256 n = market.bountyCount();
        uint256 live;
        for (uint256 id = 1; id <= n; ++id) {
            if (market.bountyOf(id).settled == IBountyMarket.Phase.None) ++live;
        }
        if (live >= 3) return;
        IBountyMarket.Params memory p = seed % 3 == 0 ? openParams() : sealedParams();
        uint96 prize = uint96(uint256(keccak256(abi.encode(seed))) % 1e18) + 1;
        p.prizes = new uint96[](seed % 4 + 1);
        uint256 sum;
        for (uint256 i; i < p.prizes.length; ++i) {
            p.prizes[i] = prize;
            sum += prize;
            prize = prize / 2 + 1;
        }
        p.bond = uint96(sum / 10 + 1 + seed % 7);
        p.stake = p.prizes[0] / 50 + 1;
        // Long waits for the owner, so that another bounty's jump in time rarely makes it default.
        if (p.mode == IBountyMarket.Mode.Sealed) (p.windows.reveal, p.windows.attest) = (30_000, 30_000);
        p.windows.claim = 10_000;
        uint256 id = create(p);
        ++count["create"];
        if (seed % 4 != 0) commitSome(id, seed);
    }

    /// @dev Up to three entries, into the bounty's free slots.
    function someCommit(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Commit);
        if (id != 0) commitSome(id, seed);
    }

    function commitSome(uint256 id, uint256 seed) private {
        for (uint256 k; k <= seed % 3; ++k) {
            (bool found, uint256 i, uint8 slot) = find(seed / 7 + 5 * k, id, IBountyMarket.EntryState.None);
            if (!found) return;
            commit(id, i, slot);
            ++count["commit"];
        }
    }

    /// @dev Three in four owners reveal as soon as they can.
    function endCommit(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Commit);
        if (id == 0 || market.bountyOf(id).entrants < 2 + seed % 5) return;
        vm.warp(commitEnd(id));
        if (seed % 4 != 0) revealNow(id, seed);
    }

    function someReveal(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Reveal);
        if (id != 0) revealNow(id, seed);
    }

    /// @dev One in four leaves the attestation to chance.
    function revealNow(uint256 id, uint256 seed) private {
        if (market.bountyOf(id).mode == IBountyMarket.Mode.Open) return;
        uint256 start = commitEnd(id) + 60;
        if (vm.getBlockTimestamp() < start) vm.warp(start);
        market.reveal(id, salt, digests(2));
        ++count["reveal"];
        if (seed % 16 < 4) return;
        market.attest(id);
        ++count["attest"];
    }

    function someAttest(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Attest);
        if (id == 0) return;
        market.attest(id);
        ++count["attest"];
    }

    /// @dev Up to three entries; one in eight stops after its first shard.
    function someProve(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Prove);
        if (id == 0) {
            id = pick(seed, IBountyMarket.Phase.Commit);
            if (id == 0 || market.bountyOf(id).mode == IBountyMarket.Mode.Sealed) return;
        }
        for (uint256 k; k <= seed % 3; ++k) {
            uint256 dice = uint256(keccak256(abi.encode(seed, k)));
            (bool found, uint256 i, uint8 slot) = find(dice, id, IBountyMarket.EntryState.Committed);
            if (!found) return;
            if (market.entryOf(id, hunter(i), slot).proved != 0) {
                prove(id, i, slot, 1, uint32(dice % 65));
            } else if (dice % 8 == 0) {
                prove(id, i, slot, 0, 64);
            } else {
                proveAll(id, i, slot, uint32(90 + dice % 39));
            }
            ++count["prove"];
        }
    }

    function endProve(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Prove);
        if (id == 0 || (market.bountyOf(id).rankedCount < 3 && seed % 8 != 0)) return;
        vm.warp(market.proveEndOf(id) + 60);
        if (seed % 3 != 0) claimSome(id, seed);
    }

    /// @dev Any claimable row, one or two of them.
    function someClaim(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Claim);
        if (id != 0) claimSome(id, seed);
    }

    function claimSome(uint256 id, uint256 seed) private {
        (uint256 start, uint256 end) = market.roundOf(id);
        if (vm.getBlockTimestamp() >= end) return;
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        uint256 left = seed % 2 + 1;
        for (uint256 k; k < rows.length && left != 0; ++k) {
            IBountyMarket.Row memory row = rows[(seed % rows.length + k) % rows.length];
            if (row.state != IBountyMarket.EntryState.Ranked || row.prize == 255) continue;
            if (vm.getBlockTimestamp() < start) vm.warp(start);
            claim(id, uint160(row.hunter) - 0xB000, row.slot);
            ++count["claim"];
            --left;
        }
    }

    function someLapse(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Claim);
        if (id == 0 || seed % 3 != 0) return;
        (, uint256 end) = market.roundOf(id);
        if (vm.getBlockTimestamp() < end) vm.warp(end);
        (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.lapse, (id)));
        if (ok) ++count["lapse"];
    }

    function someFinalize(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Claim);
        if (id == 0) return;
        (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.finalize, (id)));
        if (ok) ++count["finalize"];
    }

    function someTimeout(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Reveal);
        if (id == 0) id = pick(seed, IBountyMarket.Phase.Attest);
        if (id != 0 && seed % 8 == 0) vm.warp(vm.getBlockTimestamp() + 30_100);
        uint256 n = market.bountyCount();
        for (id = 1; id <= n; ++id) {
            bool settled = market.bountyOf(id).settled != IBountyMarket.Phase.None;
            if (settled || market.phaseOf(id) != IBountyMarket.Phase.Defaulted) continue;
            market.timeout(id);
            ++count["timeout"];
            return;
        }
    }

    function someCancel(uint256 seed) external {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Commit);
        if (id == 0 || seed % 4 != 0 || market.bountyOf(id).rankedCount != 0) return;
        vm.prank(owner);
        market.cancel(id, type(uint32).max);
        ++count["cancel"];
    }

    function someRefund(uint256 seed) external {
        seed = mix(seed);
        uint256 n = market.bountyCount();
        for (uint256 k; k < n; ++k) {
            uint256 id = (seed % n + k) % n + 1;
            if (market.bountyOf(id).settled == IBountyMarket.Phase.None) continue;
            (bool found, uint256 i, uint8 slot) = find(seed, id, IBountyMarket.EntryState.Committed);
            if (!found) continue;
            market.refund(id, hunter(i), slot);
            ++count["refund"];
            return;
        }
    }

    function someWithdraw(uint256 seed) external {
        seed = mix(seed);
        address[] memory a = accounts();
        address who = a[seed % a.length];
        if (owed(who) == 0) return;
        uint256 amount = owed(who);
        uint256 before = who.balance;
        vm.prank(who);
        market.withdraw(address(0));
        eq(who.balance - before, amount, "withdrawn");
        ++count["withdraw"];
    }

    /// @dev Lets every bounty end and everyone leave. Nobody is stuck in any reachable state.
    function drain() external {
        uint256 n = market.bountyCount();
        for (uint256 id = 1; id <= n; ++id) {
            for (uint256 guard; market.bountyOf(id).settled == IBountyMarket.Phase.None; ++guard) {
                check(guard < 20, "a bounty does not end");
                IBountyMarket.Phase p = market.phaseOf(id);
                if (p == IBountyMarket.Phase.Defaulted) {
                    market.timeout(id);
                } else if (p == IBountyMarket.Phase.Claim) {
                    (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.finalize, (id)));
                    if (ok) continue;
                    (, uint256 end) = market.roundOf(id);
                    vm.warp(end);
                    (ok,) = address(market).call(abi.encodeCall(IBountyMarket.lapse, (id)));
                } else {
                    vm.warp(vm.getBlockTimestamp() + 30_100);
                }
            }
            for (uint256 x; x < 2 * HUNTERS; ++x) {
                bytes memory data = abi.encodeCall(IBountyMarket.refund, (id, hunter(x / 2), uint8(x % 2)));
                (bool ok,) = address(market).call(data);
                check(!ok || stateOf(id, x / 2, uint8(x % 2)) == IBountyMarket.EntryState.Refunded, "refund");
            }
            eq(market.bountyOf(id).held, 0, "left in a bounty");
        }
        address[] memory a = accounts();
        for (uint256 k; k < a.length; ++k) {
            if (owed(a[k]) == 0) continue;
            vm.prank(a[k]);
            market.withdraw(address(0));
        }
    }
}

/// @notice What holds after every call: not a wei more or less than is owed, boards in order.
contract SolvencyTest {
    Handler private handler;
    IBountyMarket private market;

    function setUp() public {
        handler = new Handler();
        market = handler.theMarket();
    }

    function targetContracts() public view returns (address[] memory a) {
        a = new address[](1);
        a[0] = address(handler);
    }

    struct Selectors {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (Selectors[] memory s) {
        s = new Selectors[](1);
        s[0] = Selectors(address(handler), acts());
    }

    function acts() private pure returns (bytes4[] memory a) {
        a = new bytes4[](14);
        (a[0], a[1], a[2]) = (Handler.someCreate.selector, Handler.someCommit.selector, Handler.endCommit.selector);
        (a[3], a[4], a[5]) = (Handler.someReveal.selector, Handler.someAttest.selector, Handler.someProve.selector);
        (a[6], a[7], a[8]) = (Handler.endProve.selector, Handler.someClaim.selector, Handler.someLapse.selector);
        (a[9], a[10]) = (Handler.someFinalize.selector, Handler.someTimeout.selector);
        (a[11], a[12], a[13]) =
            (Handler.someCancel.selector, Handler.someRefund.selector, Handler.someWithdraw.selector);
    }

    function liabilities() private view returns (uint256 sum) {
        sum = market.burnt();
        uint256 n = market.bountyCount();
        for (uint256 id = 1; id <= n; ++id) {
            IBountyMarket.Bounty memory b = market.bountyOf(id);
            sum += b.held + uint256(market.detailOf(id).staked) * b.stake;
        }
        address[] memory a = handler.accounts();
        for (uint256 k; k < a.length; ++k) {
            sum += market.owedTo(address(0), a[k]);
        }
    }

    /// @dev One campaign for both: each costs thousands of calls.
    function invariant_books_balance_and_boards_are_in_order() public view {
        require(address(market).balance == liabilities(), "solvency");
        boardsAreInOrder();
    }

    function boardsAreInOrder() private view {
        uint256 n = market.bountyCount();
        for (uint256 id = 1; id <= n; ++id) {
            IBountyMarket.Bounty memory b = market.bountyOf(id);
            IBountyMarket.Row[] memory rows = market.boardOf(id);
            require(rows.length <= uint256(b.prizeCount) + 4 && b.paidCount <= b.prizeCount, "sizes");
            uint256 claimed;
            for (uint256 k; k < rows.length; ++k) {
                require(rows[k].score >= b.threshold, "threshold");
                if (rows[k].state == IBountyMarket.EntryState.Claimed) ++claimed;
                if (k == 0) continue;
                bool worse = rows[k].score < rows[k - 1].score;
                require(worse || (rows[k].score == rows[k - 1].score && rows[k].seq > rows[k - 1].seq), "order");
            }
            require(claimed == b.paidCount, "paid");
        }
    }

    /// @dev A run that reaches nothing proves nothing. The rarer acts are counted over the fixed
    /// walks below, where chance cannot leave one out.
    function afterInvariant() public {
        atLeast("create", 3);
        atLeast("commit", 8);
        everybodyLeaves();
    }

    function test_fixed_walks_reach_every_act() public {
        bytes4[] memory all = acts();
        for (uint256 walk; walk < 4; ++walk) {
            Handler h = new Handler();
            (handler, market) = (h, h.theMarket());
            for (uint256 k; k < 400; ++k) {
                uint256 dice = uint256(keccak256(abi.encode(walk, k)));
                (bool ok,) = address(h).call(abi.encodeWithSelector(all[dice % all.length], dice));
                require(ok, "an act failed");
                if (k % 8 == 0) invariant_books_balance_and_boards_are_in_order();
            }
            for (uint256 i; i < names.length; ++i) {
                total[names[i]] += h.count(names[i]);
            }
            everybodyLeaves();
        }
        uint8[12] memory least = [20, 80, 8, 8, 30, 6, 3, 12, 2, 6, 30, 20];
        for (uint256 i; i < names.length; ++i) {
            require(total[names[i]] >= least[i], tooFew(names[i], total[names[i]]));
        }
    }

    bytes32[12] private names = [
        bytes32("create"),
        "commit",
        "reveal",
        "attest",
        "prove",
        "claim",
        "lapse",
        "finalize",
        "timeout",
        "cancel",
        "refund",
        "withdraw"
    ];
    mapping(bytes32 act => uint256) private total;

    function everybodyLeaves() private {
        handler.drain();
        require(address(market).balance == market.burnt(), "all but the burnt has left");
    }

    function atLeast(bytes32 act, uint256 least) private view {
        require(handler.count(act) >= least, tooFew(act, handler.count(act)));
    }

    function tooFew(bytes32 act, uint256 got) private pure returns (string memory) {
        return string.concat("too few: ", string(abi.encodePacked(act)), " ", vm.toString(got));
    }
}
