// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {Coin} from "./mocks/Coins.sol";
import {ReleaseDouble, ScoreDouble} from "./mocks/Verifiers.sol";
import {vm} from "./Vm.sol";

/// @dev Plays each outcome of docs/money.md and compares what everybody is owed, to the wei, with what
/// the table's words say. Prizes of 3 and 1, a bond of 0.4 and stakes of 0.06 ether; up to three entries.
abstract contract MoneyBase is Base {
    enum Prizes {
        Owner,
        Claimants,
        ClaimantsRestOwner
    }
    enum Bond {
        Owner,
        HalfEntries,
        HalfOwner
    }
    enum Stakes {
        None,
        Back,
        LapsedToLater,
        LapsedBurnt
    }
    enum Bonds {
        None,
        Challenger,
        Answerer,
        Burnt
    }

    address private constant HELPER = address(0xF00D);
    uint256 private constant NOBODY = type(uint256).max;

    /// @dev Set by a scenario: entries, who claimed which prize, who lapsed, and the challenge's parties.
    uint256 private id;
    uint256 private entries;
    uint256[2] private claimants;
    bool[3] private lapsed;
    uint256 private challengeBond;
    address private challenger;
    address private answerer;
    Coin private coin;

    mapping(address asset => mapping(address who => uint256)) private expected;

    function row(function() internal play, Prizes prizes, Bond bond, Stakes stakes, Bonds bonds) internal {
        inAsset(new Coin(18), play, prizes, bond, stakes, bonds);
        inAsset(Coin(address(0)), play, prizes, bond, stakes, bonds);
    }

    function inAsset(Coin coin_, function() internal play, Prizes prizes, Bond bond, Stakes stakes, Bonds bonds)
        private
    {
        setUpWorld();
        vm.fee(1 gwei);
        vm.roll(10_000);
        coin = coin_;
        (id, entries, challengeBond) = (0, 0, 0);
        (claimants[0], claimants[1]) = (NOBODY, NOBODY);
        delete lapsed;
        (challenger, answerer) = (address(0), address(0));
        play();
        IBountyMarket.Phase p = market.bountyOf(id).settled;
        check(p != IBountyMarket.Phase.None, "settled");
        for (uint256 i; i < entries; ++i) {
            // Who has nothing to come is refused; who has gets it here.
            (bool ok,) = address(market).call(abi.encodeCall(IBountyMarket.refund, (id, hunter(i), 0)));
            ok;
        }
        address asset = market.detailOf(id).pot;
        expectPrizes(asset, prizes);
        expectBond(asset, bond);
        expectStakes(stakes);
        expectBonds(bonds);
        compare(asset);
        if (asset != address(0)) compare(address(0));
    }

    // ------------------------------------------------------- what words mean

    function add(address asset, address who, uint256 amount) private {
        expected[asset][who] += amount;
    }

    function expectPrizes(address asset, Prizes word) private {
        uint96[2] memory prizes = [uint96(3 ether), 1 ether];
        for (uint256 k; k < 2; ++k) {
            bool claimed = claimants[k] != NOBODY;
            if (word == Prizes.Claimants) check(claimed, "all prizes are claimed");
            if (word == Prizes.Owner) check(!claimed, "no prize is claimed");
            add(asset, claimed ? payout(claimants[k]) : owner, prizes[k]);
        }
        if (word == Prizes.ClaimantsRestOwner) {
            check((claimants[0] == NOBODY) != (claimants[1] == NOBODY), "one prize is claimed");
        }
    }

    function expectBond(address asset, Bond word) private {
        uint256 share = word == Bond.HalfEntries ? 0.2 ether / entries : 0;
        for (uint256 i; i < entries; ++i) {
            add(asset, payout(i), share);
        }
        if (word == Bond.Owner) add(asset, owner, 0.4 ether);
        if (word == Bond.HalfOwner) add(asset, owner, 0.2 ether);
        uint256 kept = word == Bond.Owner ? 0.4 ether : word == Bond.HalfOwner ? 0.2 ether : share * entries;
        add(asset, address(0), 0.4 ether - kept);
    }

    function expectStakes(Stakes word) private {
        if (word == Stakes.None) eq(entries, 0, "no stakes");
        uint256 gone;
        for (uint256 i; i < entries; ++i) {
            if (!lapsed[i]) {
                add(address(0), payout(i), 0.06 ether);
                continue;
            }
            ++gone;
            if (word == Stakes.LapsedBurnt) add(address(0), address(0), 0.06 ether);
            if (word != Stakes.LapsedToLater) continue;
            // Ranks are in order of entries here; every entry after this one claimed.
            uint256 later = entries - 1 - i;
            for (uint256 k = i + 1; k < entries; ++k) {
                add(address(0), payout(k), 0.06 ether / later);
            }
        }
        bool some = word == Stakes.LapsedToLater || word == Stakes.LapsedBurnt;
        check(some == (gone != 0), "lapses");
    }

    function expectBonds(Bonds word) private {
        check((word == Bonds.None) == (challengeBond == 0), "a challenge");
        if (word == Bonds.Challenger) add(address(0), challenger, challengeBond);
        if (word == Bonds.Answerer) add(address(0), answerer, challengeBond);
        if (word == Bonds.Burnt) add(address(0), address(0), challengeBond);
    }

    /// @dev Address zero stands for what is burnt.
    function compare(address asset) private {
        eq(market.burntOf(asset), expected[asset][address(0)], "burnt");
        address[10] memory all = [
            owner,
            HELPER,
            hunter(0),
            hunter(1),
            hunter(2),
            payout(0),
            payout(1),
            payout(2),
            payout(3),
            address(this)
        ];
        uint256 sum = market.burntOf(asset);
        for (uint256 i; i < all.length; ++i) {
            eq(market.owedTo(asset, all[i]), expected[asset][all[i]], vm.toString(i));
            sum += market.owedTo(asset, all[i]);
            delete expected[asset][all[i]];
        }
        delete expected[asset][address(0)];
        uint256 present = asset == address(0) ? address(market).balance : coin.balanceOf(asset);
        eq(present, sum, "all of it is owed or burnt");
        eq(market.bountyOf(id).held, 0, "nothing is left in the bounty");
    }

    // ------------------------------------------------------------ building

    function post(IBountyMarket.Params memory p) private {
        if (address(coin) != address(0)) {
            p.token = address(coin);
            coin.mint(owner, 4.4 ether);
            vm.prank(owner);
            coin.approve(address(market), 4.4 ether);
        }
        id = create(p);
    }

    function enter(uint256 count) private {
        post(sealedParams());
        commits(count);
    }

    function commits(uint256 count) private {
        entries = count;
        for (uint256 i; i < count; ++i) {
            commit(id, i, 0);
        }
    }

    /// @dev Entries 0, 1, 2 with scores in that order, the round of Claim open.
    function ranked(uint256 count) private {
        enter(count);
        reveal(id);
        attest(id);
        proved(count);
    }

    function proved(uint256 count) private {
        for (uint256 i; i < count; ++i) {
            proveAll(id, i, 0, uint32(120 - i));
        }
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
    }

    function takes(uint256 i, uint256 prize) private {
        claim(id, i, 0);
        claimants[prize] = i;
    }

    function afterRound() private {
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
    }

    function finalize() private {
        market.finalize(id);
    }

    function byOwner(bytes memory data) private {
        send(owner, 0, data);
    }

    function challengeShard(uint256 i) private {
        challenger = hunter(i);
        challengeBond = market.answerBond(SHARD_BYTES);
        send(challenger, challengeBond, abi.encodeCall(IBountyMarket.challengeShard, (id, 1)));
    }

    function answerShard(address who) private {
        answerer = who;
        send(who, 0, abi.encodeCall(IBountyMarket.answerShard, (id, 1, abi.encode("shard", uint256(1)))));
    }

    // ------------------------------------------------------------ outcomes

    function closed_all_claimed() internal {
        ranked(3);
        takes(0, 0);
        takes(1, 1);
        finalize();
    }

    function closed_some_claimed() internal {
        ranked(1);
        takes(0, 0);
        finalize();
    }

    function closed_no_winner() internal {
        enter(2);
        reveal(id);
        attest(id);
        proveAll(id, 0, 0, 99);
        vm.warp(market.proveEndOf(id));
        finalize();
    }

    function closed_nobody_entered() internal {
        enter(0);
        vm.warp(commitEnd(id));
        finalize();
    }

    function closed_promoted() internal {
        ranked(3);
        takes(1, 1);
        lapsed[0] = true;
        afterRound();
        market.lapse(id);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        takes(2, 0);
        finalize();
    }

    function closed_lapsed() internal {
        ranked(2);
        takes(0, 0);
        lapsed[1] = true;
        afterRound();
        finalize();
    }

    function closed_nobody_claimed() internal {
        ranked(2);
        (lapsed[0], lapsed[1]) = (true, true);
        afterRound();
        finalize();
    }

    function cancelled_empty() internal {
        enter(0);
        byOwner(abi.encodeCall(IBountyMarket.cancel, (id, 0)));
    }

    function cancelled_entered() internal {
        enter(3);
        byOwner(abi.encodeCall(IBountyMarket.cancel, (id, 3)));
    }

    function default_no_reveal() internal {
        enter(3);
        vm.warp(commitEnd(id) + 60 + 1000);
        market.timeout(id);
    }

    function default_no_attest() internal {
        enter(2);
        reveal(id);
        vm.warp(vm.getBlockTimestamp() + 2000);
        market.timeout(id);
    }

    function default_challenged() internal {
        enter(3);
        reveal(id);
        challengeShard(1);
        vm.warp(vm.getBlockTimestamp() + 500);
        market.timeout(id);
    }

    function default_challenged_ranked() internal {
        enter(3);
        reveal(id);
        attest(id);
        challengeShard(1);
        proveAll(id, 0, 0, 120);
        vm.warp(vm.getBlockTimestamp() + 500);
        market.timeout(id);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        takes(0, 0);
        finalize();
    }

    function answered(address who) private {
        enter(2);
        reveal(id);
        challengeShard(0);
        answerShard(who);
        attest(id);
        proved(2);
        takes(0, 0);
        takes(1, 1);
        finalize();
    }

    function challenge_answered() internal {
        answered(HELPER);
    }

    function challenge_self_answered() internal {
        answered(hunter(0));
    }

    function drawing() private {
        IBountyMarket.Params memory p = sealedParams();
        p.draw = IBountyMarket.Draw(3, 500);
        post(p);
        vm.roll(10_005);
        vm.setBlockhash(10_004, keccak256("beacon"));
        market.draw(id);
    }

    function draw_not_opened_entered() internal {
        drawing();
        commits(2);
        vm.warp(vm.getBlockTimestamp() + 500);
        market.timeout(id);
    }

    function draw_not_opened_empty() internal {
        drawing();
        vm.warp(vm.getBlockTimestamp() + 500);
        market.timeout(id);
    }

    function draw_cancelled_empty() internal {
        drawing();
        byOwner(abi.encodeCall(IBountyMarket.cancel, (id, 0)));
    }

    // -------------------------------------------------------- large claims

    uint256 private constant LARGE = 3073;
    uint256 private z;
    bytes32[] private digests_;
    uint256[] private sums;

    /// @dev One entry claims with two chunks of zeros, the second of one word, and the owner challenges that.
    function listed() private {
        releaseVk = registerKey(IKeyRegistry.Role.Release, address(new ReleaseDouble()), "large", bytes32(LARGE));
        scoreVk = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "large", releaseVk);
        ranked(1);
        (digests_, sums) = (new bytes32[](2), new uint256[](2));
        (digests_[0], digests_[1]) = (sha256(new bytes(32 * 3072)), sha256(new bytes(32)));
        ReleaseStatement memory x;
        (x.ctx, x.C, x.pkX, x.pkY, x.epkX, x.epkY) = (context(id, hunter(0), 0), model(0, 0), PKX, PKY, 11, 12);
        z = x.z = pointOf(releaseVk, sha256(abi.encodePacked(digests_)), x);
        bytes memory proof = releaseProof(x);
        market.claimChunks(id, hunter(0), 0, 11, 12, digests_, sums, proof);
        challenger = owner;
        challengeBond = market.answerBond(32);
        send(owner, challengeBond, abi.encodeCall(IBountyMarket.challengeChunk, (id, hunter(0), 0, 1)));
    }

    function shown(address who) private {
        listed();
        answerer = who;
        bytes memory data =
            abi.encodeCall(IBountyMarket.answerChunk, (id, hunter(0), 0, 1, z, digests_, sums, new bytes(32)));
        send(who, 0, data);
        vm.warp(market.listingOf(id, hunter(0), 0).until);
        market.settleClaim(id, hunter(0), 0);
        claimants[0] = 0;
        finalize();
    }

    function large_claim_paid() internal {
        shown(HELPER);
    }

    function large_claim_self_answered() internal {
        shown(owner);
    }

    function large_claim_failed() internal {
        listed();
        vm.warp(vm.getBlockTimestamp() + 500);
        market.settleClaim(id, hunter(0), 0);
        lapsed[0] = true;
        afterRound();
        finalize();
    }
}
