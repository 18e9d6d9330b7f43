// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {Coin} from "./mocks/Coins.sol";
import {ReleaseDouble, ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @dev Moves several bounties at once, each call where it can succeed: it looks for a bounty in the
/// right phase, and moves time only when nothing else would happen.
contract Handler is Base {
    /// @dev Bonds are paid back to whoever answered, this contract among them.
    receive() external payable {}

    uint256 internal constant HUNTERS = 6;
    uint256 internal constant LARGE = 3073;
    uint256 public steps;
    mapping(bytes32 act => uint256 successes) public count;
    /// @dev Bounties whose ciphertext is claimed in chunks, and the keys of both kinds.
    mapping(uint256 id => bool) public large;
    bytes32[2] private scoreKeys;
    bytes32[2] private releaseKeys;
    Coin public immutable coin = new Coin(18);
    /// @dev What the books must agree with: prizes paid to an entry, and what was put in.
    mapping(uint256 id => mapping(address hunter => mapping(uint8 slot => uint256))) public paid;
    mapping(uint256 id => uint256) public posted;
    /// @dev What must never change, as first seen. It is kept here because forge forgets what an invariant writes.
    mapping(uint256 id => IBountyMarket.Phase) private settledAs;
    mapping(uint256 id => bytes32) private datasetWas;
    uint256 private burntWas;
    /// @dev Bounties that are over and empty.
    mapping(uint256 id => bool) private idle;
    /// @dev What each bounty keeps in the market's ether, as last read, and the sum.
    mapping(uint256 id => uint256) private dueWas;
    uint256 public dueOfAll;
    /// @dev Bounties the act at hand picked, made or drew from: it can have changed no other, as every call to the
    /// market names one bounty, and only a withdrawal of ether names none (`acted`).
    uint256[] private changed;
    mapping(uint256 id => uint256) private changedAt;
    bool private acted;
    bool private everything;

    /// @dev Every act ends with a look at what must stay.
    modifier looked() {
        _;
        burntOnlyGrows();
        uint256[] memory ids = toCheck();
        for (uint256 k; k < ids.length; ++k) {
            uint256 id = ids[k];
            IBountyMarket.Bounty memory b = market.bountyOf(id);
            IBountyMarket.Detail memory d = market.detailOf(id);
            nothingFixedChanges(id, b);
            uint256 due = dueOf(id, b, d);
            (dueOfAll, dueWas[id]) = (dueOfAll + due - dueWas[id], due);
            idle[id] = b.settled != IBountyMarket.Phase.None && b.held == 0 && isEmpty(d);
        }
    }

    function isEmpty(IBountyMarket.Detail memory d) private view returns (bool) {
        if (d.staked != 0 || d.claiming != 0) return false;
        return d.pot == address(0) || coin.balanceOf(d.pot) == market.burntOf(d.pot);
    }

    function mark(uint256 id) private {
        acted = true;
        if (id == 0 || changedAt[id] == steps) return;
        changedAt[id] = steps;
        changed.push(id);
    }

    /// @notice The bounties to check after this act: those it can have changed; after every sixteenth act also all
    /// others that still hold something; every bounty there is after every hundredth, and at a run's end.
    /// @dev A call that breaks an invariant of its own bounty is caught at once. One that reaches into another
    /// bounty's storage is caught within sixteen acts if that bounty is alive, otherwise within a hundred or at the end,
    /// where all is recomputed and everybody is paid: always within its run.
    function toCheck() public view returns (uint256[] memory ids) {
        bool all = everything || steps % 100 == 0;
        if (!all && steps % 16 != 0) return changed;
        uint256 n = market.bountyCount();
        ids = new uint256[](n);
        uint256 count_;
        for (uint256 id = 1; id <= n; ++id) {
            if (all || !idle[id] || changedAt[id] == steps) ids[count_++] = id;
        }
        assembly {
            mstore(ids, count_)
        }
    }

    /// @notice Whether the act can have changed anything at all; if not, what held before it holds now.
    function quiet() external view returns (bool) {
        return !acted && !everything && steps % 16 != 0 && steps % 100 != 0;
    }

    /// @notice Looks at all bounties, now and from here on.
    function checkEverything() external looked {
        everything = true;
    }

    /// @notice What a bounty keeps in the market's ether: prizes and bond of an ether bounty, stakes, challenge bonds.
    function dueOf(uint256 id, IBountyMarket.Bounty memory b, IBountyMarket.Detail memory d)
        public
        view
        returns (uint256 sum)
    {
        if (d.pot == address(0)) sum = b.held;
        sum += uint256(d.staked) * b.stake;
        if (d.challenges != 0) sum += sumOf(market.challengesOf(id));
        if (d.claiming == 0) return sum;
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        for (uint256 k; k < rows.length; ++k) {
            if (rows[k].state != IBountyMarket.EntryState.Claiming) continue;
            sum += sumOf(market.listingOf(id, rows[k].hunter, rows[k].slot).open);
        }
    }

    function sumOf(IBountyMarket.Challenge[] memory open) private pure returns (uint256 sum) {
        for (uint256 k; k < open.length; ++k) {
            sum += open[k].bond;
        }
    }

    /// @dev 13: how a bounty ended, and what its test set is, never changes.
    function nothingFixedChanges(uint256 id, IBountyMarket.Bounty memory b) private {
        require(settledAs[id] == IBountyMarket.Phase.None || settledAs[id] == b.settled, "the end");
        require(datasetWas[id] == 0 || datasetWas[id] == b.dataset, "D");
        (settledAs[id], datasetWas[id]) = (b.settled, b.dataset);
    }

    /// @dev 15: what is burnt stays burnt.
    function burntOnlyGrows() private {
        uint256 now_ = market.burnt();
        require(now_ >= burntWas, "burnt");
        burntWas = now_;
    }

    constructor() {
        setUpWorld();
        attestShards(3);
        (scoreKeys[0], releaseKeys[0]) = (scoreVk, releaseVk);
        releaseKeys[1] =
            registerKey(IKeyRegistry.Role.Release, address(new ReleaseDouble()), "large", bytes32(LARGE));
        scoreKeys[1] = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "large", releaseKeys[1]);
        vm.fee(1 gwei);
        vm.roll(1000);
    }

    /// @dev Base's helpers use one pair of keys: the bounty's.
    function with(uint256 id) private {
        uint256 k = large[id] ? 1 : 0;
        (scoreVk, releaseVk) = (scoreKeys[k], releaseKeys[k]);
    }

    /// @dev An act begins. The fuzzer repeats small and extreme arguments, whose remainders are all alike.
    function mix(uint256 seed) private returns (uint256) {
        delete changed;
        acted = false;
        return uint256(keccak256(abi.encode(seed, ++steps)));
    }

    function theMarket() external view returns (IBountyMarket) {
        return market;
    }

    /// @dev Whoever may be owed something: payouts, challengers, the owner, and who answers.
    function accounts() public view returns (address[] memory a) {
        a = new address[](2 * HUNTERS + 2);
        for (uint256 i; i < HUNTERS; ++i) {
            a[i] = payout(i);
            a[HUNTERS + i] = hunter(i);
        }
        a[2 * HUNTERS] = owner;
        a[2 * HUNTERS + 1] = address(this);
    }

    /// @dev A bounty in the phase, 0 for none; `seed` decides which.
    function pick(uint256 seed, IBountyMarket.Phase p) private returns (uint256) {
        uint256 n = market.bountyCount();
        for (uint256 k; k < n; ++k) {
            uint256 id = (seed % n + k) % n + 1;
            if (over(id) || market.phaseOf(id) != p) continue;
            mark(id);
            return id;
        }
        return 0;
    }

    function over(uint256 id) private view returns (bool) {
        return settledAs[id] != IBountyMarket.Phase.None;
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

    function someCreate(uint256 seed) external looked {
        seed = mix(seed);
        uint256 n = market.bountyCount();
        uint256 live;
        for (uint256 id = 1; id <= n; ++id) {
            if (!over(id)) ++live;
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
        bool drawn = p.mode == IBountyMarket.Mode.Sealed && seed % 5 == 1;
        bool big = (seed >> 8) % 2 == 1;
        p.scoreVkIds[0] = scoreKeys[big ? 1 : 0];
        if (drawn) (p.draw, p.holdout) = (IBountyMarket.Draw(3, 900), poolRoot());
        if (seed % 7 < 3) {
            p.token = address(coin);
            p.stake = 0.001 ether;
            coin.mint(owner, cost(p));
            vm.prank(owner);
            coin.approve(address(market), cost(p));
        }
        uint256 made = create(p);
        mark(made);
        large[made] = big;
        posted[made] = cost(p);
        ++count["create"];
        if (drawn) someDraw(made, seed);
        if (seed % 6 == 0) newKey(made, seed);
        if (seed % 4 != 0) commitSome(made, seed);
    }

    // ------------------------------------------------- draws, keys, challenges

    function leafSalt(uint256 j) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/LEAF_SALT"), salt, j));
    }

    function leaf(uint256 j) private view returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/LEAF"), j, leafSalt(j), digest(j)));
    }

    function node(bytes32 l, bytes32 r) private pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkaggle/v1/NODE"), l, r));
    }

    function poolRoot() private view returns (bytes32) {
        return node(node(leaf(0), leaf(1)), node(leaf(2), 0));
    }

    /// @dev The beacon is one that makes shard 2 public, so that shards 0 and 1 stay; one owner in five
    /// does not open it.
    function someDraw(uint256 id, uint256 seed) private {
        uint256 at_ = market.drawOf(id).beaconBlock;
        if (vm.getBlockNumber() <= at_) vm.roll(at_ + 1);
        bytes32 beacon;
        for (uint256 k = 1;; ++k) {
            beacon = keccak256(abi.encode(seed, k));
            bytes32 drawSeed = keccak256(
                abi.encode(keccak256("zkaggle/v1/DRAW"), beacon, block.chainid, market, id, poolRoot())
            );
            if (uint256(keccak256(abi.encode(drawSeed, uint256(0)))) % 3 == 2) break;
        }
        vm.setBlockhash(at_, beacon);
        market.draw(id);
        ++count["draw"];
        if (seed % 11 < 2) return;
        IBountyMarket.Opening[] memory o = new IBountyMarket.Opening[](1);
        bytes32[] memory path = new bytes32[](2);
        path[1] = node(leaf(0), leaf(1));
        o[0] = IBountyMarket.Opening(2, leafSalt(2), digest(2), path);
        market.openDrawn(id, o);
        ++count["openDrawn"];
    }

    function newKey(uint256 id, uint256 seed) private {
        address adapter = keys.key(scoreKeys[0]).adapter;
        bytes32 vkId = registerKey(IKeyRegistry.Role.Score, adapter, abi.encode(seed), releaseKeys[0]);
        market.proposeKey(id, vkId, keccak256("graph"));
        ++count["proposeKey"];
        vm.prank(owner);
        market.acceptKey(id, vkId);
        ++count["acceptKey"];
    }

    /// @dev An entrant challenges while it may; three in four are answered, one of those by itself.
    function someChallenge(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Attest);
        if (id == 0) id = pick(seed, IBountyMarket.Phase.Prove);
        if (id != 0) challengeOne(id, seed);
    }

    function challengeOne(uint256 id, uint256 seed) private {
        IBountyMarket.Bounty memory b = market.bountyOf(id);
        if (b.mode == IBountyMarket.Mode.Open) return;
        (bool found, uint256 i,) = find(seed, id, IBountyMarket.EntryState.Committed);
        uint256 shard = seed % 2;
        uint256 bond = market.answerBond(SHARD_BYTES);
        if (!found) return;
        vm.prank(hunter(i));
        (bool ok,) = address(market).call{value: bond}(abi.encodeCall(IBountyMarket.challengeShard, (id, shard)));
        if (!ok) return; // proved, challenged before, or too late
        ++count["challengeShard"];
        if (seed % 8 < 2) return;
        if (seed % 8 == 2) vm.prank(hunter(i));
        market.answerShard(id, shard, abi.encode("shard", shard));
        ++count["answerShard"];
    }

    function listing(uint256 id, uint256 i, uint8 slot)
        private
        view
        returns (bytes32[] memory d, uint256[] memory sums, ReleaseStatement memory x)
    {
        (d, sums) = (new bytes32[](2), new uint256[](2));
        // SHA-256 of 96 KiB of zeros, and of one zero word.
        (d[0], d[1]) = (FIRST, LAST);
        (x.ctx, x.C, x.pkX, x.pkY) = (context(id, hunter(i), slot), model(i, slot), PKX, PKY);
        (x.epkX, x.epkY) = (11, 12);
        x.z = pointOf(releaseVk, sha256(abi.encodePacked(d)), x);
    }

    bytes32 private immutable FIRST = sha256(new bytes(3072 * 32));
    bytes32 private immutable LAST = sha256(new bytes(32));

    /// @dev The owner challenges one claim in two; three in four of those are answered.
    function claimLarge(uint256 id, uint256 i, uint8 slot, uint256 seed) private {
        with(id);
        (bytes32[] memory d, uint256[] memory sums, ReleaseStatement memory x) = listing(id, i, slot);
        market.claimChunks(id, hunter(i), slot, 11, 12, d, sums, releaseProof(x));
        ++count["claimChunks"];
        if (seed % 4 == 0) return;
        uint256 bond = market.answerBond(32);
        vm.prank(owner);
        market.challengeChunk{value: bond}(id, hunter(i), slot, 1);
        ++count["challengeChunk"];
        if (seed % 8 == 1) return;
        if (seed % 8 == 3) vm.prank(owner);
        market.answerChunk(id, hunter(i), slot, 1, x.z, d, sums, new bytes(32));
        ++count["answerChunk"];
    }

    /// @dev A listed claim, when its time has come; paid or voided.
    function someSettle(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Claim);
        if (id != 0) settleOne(id, seed);
    }

    function settleOne(uint256 id, uint256 seed) private returns (bool) {
        (bool found, uint256 i, uint8 slot) = find(seed, id, IBountyMarket.EntryState.Claiming);
        if (!found) return false;
        uint256 until = market.listingOf(id, hunter(i), slot).until;
        if (vm.getBlockTimestamp() < until) vm.warp(until);
        market.settleClaim(id, hunter(i), slot);
        ++count["settleClaim"];
        if (stateOf(id, i, slot) == IBountyMarket.EntryState.Claimed) ++paid[id][hunter(i)][slot];
        return true;
    }

    /// @dev Up to three entries, into the bounty's free slots.
    function someCommit(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Commit);
        if (id != 0) commitSome(id, seed);
    }

    function commitSome(uint256 id, uint256 seed) private {
        for (uint256 k; k <= seed % 3; ++k) {
            (bool found, uint256 i, uint8 slot) = find(seed / 7 + 5 * k, id, IBountyMarket.EntryState.None);
            if (!found) return;
            with(id);
            commit(id, i, slot);
            ++count["commit"];
        }
    }

    /// @dev Three in four owners reveal as soon as they can.
    function endCommit(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Commit);
        if (id == 0 || market.bountyOf(id).entrants < 2 + seed % 5) return;
        vm.warp(commitEnd(id));
        // What was drawn and not opened has made it a default meanwhile.
        if (market.phaseOf(id) == IBountyMarket.Phase.Reveal && seed % 4 != 0) revealNow(id, seed);
    }

    function someReveal(uint256 seed) external looked {
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
        if (seed % 5 == 0) challengeOne(id, seed);
        if (seed % 16 < 4) return;
        market.attest(id);
        ++count["attest"];
    }

    function someAttest(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Attest);
        if (id == 0) return;
        market.attest(id);
        ++count["attest"];
    }

    /// @dev Up to three entries; one in eight stops after its first shard.
    function someProve(uint256 seed) external looked {
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
            with(id);
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

    function endProve(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Prove);
        if (id == 0 || (market.bountyOf(id).rankedCount < 3 && seed % 8 != 0)) return;
        vm.warp(market.proveEndOf(id) + 60);
        // A challenge without an answer has made it a default meanwhile.
        if (market.phaseOf(id) == IBountyMarket.Phase.Claim && seed % 3 != 0) claimSome(id, seed);
    }

    /// @dev Any claimable row, one or two of them.
    function someClaim(uint256 seed) external looked {
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
            if (market.listingOf(id, row.hunter, row.slot).failed) continue;
            --left;
            if (large[id]) {
                claimLarge(id, uint160(row.hunter) - 0xB000, row.slot, seed);
                continue;
            }
            with(id);
            claim(id, uint160(row.hunter) - 0xB000, row.slot);
            ++paid[id][row.hunter][row.slot];
            ++count["claim"];
        }
    }

    function someLapse(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Claim);
        if (id == 0 || seed % 3 != 0) return;
        (, uint256 end) = market.roundOf(id);
        if (vm.getBlockTimestamp() < end) vm.warp(end);
        (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.lapse, (id)));
        if (ok) ++count["lapse"];
    }

    function someFinalize(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Claim);
        if (id == 0) return;
        (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.finalize, (id)));
        if (ok) ++count["finalize"];
    }

    function someTimeout(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Reveal);
        if (id == 0) id = pick(seed, IBountyMarket.Phase.Attest);
        if (id != 0 && seed % 8 == 0) vm.warp(vm.getBlockTimestamp() + 30_100);
        uint256 n = market.bountyCount();
        for (id = 1; id <= n; ++id) {
            if (over(id) || market.phaseOf(id) != IBountyMarket.Phase.Defaulted) continue;
            mark(id);
            market.timeout(id);
            ++count["timeout"];
            return;
        }
    }

    function someCancel(uint256 seed) external looked {
        seed = mix(seed);
        uint256 id = pick(seed, IBountyMarket.Phase.Commit);
        if (id == 0 || seed % 4 != 0 || market.bountyOf(id).rankedCount != 0) return;
        vm.prank(owner);
        market.cancel(id, type(uint32).max);
        ++count["cancel"];
    }

    function someRefund(uint256 seed) external looked {
        seed = mix(seed);
        uint256 n = market.bountyCount();
        for (uint256 k; k < n; ++k) {
            uint256 id = (seed % n + k) % n + 1;
            if (!over(id) || idle[id]) continue;
            (bool found, uint256 i, uint8 slot) = find(seed, id, IBountyMarket.EntryState.Committed);
            if (!found) continue;
            mark(id);
            market.refund(id, hunter(i), slot);
            ++count["refund"];
            return;
        }
    }

    function someWithdraw(uint256 seed) external looked {
        seed = mix(seed);
        if (market.bountyCount() == 0) return;
        address[] memory a = accounts();
        address who = a[seed % a.length];
        uint256 n = market.bountyCount();
        for (uint256 k; k < n; ++k) {
            uint256 id = (seed % n + k) % n + 1;
            if (idle[id]) continue;
            address pot = market.detailOf(id).pot;
            if (pot == address(0) || market.owedTo(pot, who) == 0) continue;
            mark(id);
            vm.prank(who);
            market.withdraw(pot);
            ++count["withdrawToken"];
            break;
        }
        if (owed(who) == 0) return;
        uint256 amount = owed(who);
        uint256 before = who.balance;
        acted = true;
        vm.prank(who);
        market.withdraw(address(0));
        eq(who.balance - before, amount, "withdrawn");
        ++count["withdraw"];
    }

    /// @dev Lets every bounty end and everyone leave. Nobody is stuck in any reachable state.
    function drain() external looked {
        everything = true;
        uint256 n = market.bountyCount();
        for (uint256 id = 1; id <= n; ++id) {
            for (uint256 guard; market.bountyOf(id).settled == IBountyMarket.Phase.None; ++guard) {
                check(guard < 60, "a bounty does not end");
                IBountyMarket.Phase p = market.phaseOf(id);
                if (p == IBountyMarket.Phase.Defaulted) {
                    market.timeout(id);
                } else if (p == IBountyMarket.Phase.Claim) {
                    (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.finalize, (id)));
                    if (ok || settleOne(id, guard)) continue;
                    (, uint256 end) = market.roundOf(id);
                    vm.warp(end);
                    (ok,) = address(market).call(abi.encodeCall(IBountyMarket.lapse, (id)));
                } else {
                    vm.warp(vm.getBlockTimestamp() + 30_100);
                }
            }
            address[] memory all = accounts();
            address pot = market.detailOf(id).pot;
            for (uint256 x; x < 2 * HUNTERS; ++x) {
                bytes memory data = abi.encodeCall(IBountyMarket.refund, (id, hunter(x / 2), uint8(x % 2)));
                (bool ok,) = address(market).call(data);
                check(ok || stateOf(id, x / 2, uint8(x % 2)) != IBountyMarket.EntryState.Committed, "refund");
            }
            for (uint256 x; x < all.length; ++x) {
                if (pot == address(0) || market.owedTo(pot, all[x]) == 0) continue;
                vm.prank(all[x]);
                market.withdraw(pot);
            }
            if (pot != address(0)) eq(coin.balanceOf(pot), market.burntOf(pot), "left in a pot");
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
