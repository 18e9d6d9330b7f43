// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {IMarketEvents} from "../src/interfaces/IMarketEvents.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {Base} from "./Base.sol";
import {ReleaseDouble, ScoreDouble} from "./mocks/Verifiers.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Claims whose ciphertext does not fit calldata: five chunks, the last of one word.
contract ChunksTest is Base {
    uint256 private constant CHUNK = 3072;
    uint256 private constant LARGE = 4 * CHUNK + 1;
    uint256 private constant FEE = 3 gwei;
    uint256 private constant BOND = 2 * (100_000 + 41 * CHUNK * 32) * FEE;

    uint256 private id;
    uint256 private listed;
    bytes private c;
    uint256 private z;
    bytes32[] private digests_;
    uint256[] private sums;
    ReleaseStatement private x;

    function setUp() public {
        setUpWorld();
        vm.fee(FEE);
        releaseVk = registerKey(IKeyRegistry.Role.Release, address(new ReleaseDouble()), "large", bytes32(LARGE));
        scoreVk = registerKey(IKeyRegistry.Role.Score, address(new ScoreDouble()), "large", releaseVk);
        uint32[] memory scores = new uint32[](3);
        (scores[0], scores[1], scores[2]) = (120, 110, 105);
        id = inClaim(sealedParams(), scores);
        write(LARGE);
    }

    /// @dev A ciphertext, its chunks and its value, each computed from the words alone.
    function write(uint256 words) private {
        bytes memory all = new bytes(words * 32);
        for (uint256 k; k < words; ++k) {
            uint256 w = uint256(keccak256(abi.encode(k))) >> 3;
            assembly {
                mstore(add(add(all, 32), mul(k, 32)), w)
            }
        }
        c = all;
        uint256 count = (words + CHUNK - 1) / CHUNK;
        delete digests_;
        delete sums;
        for (uint256 j; j < count; ++j) {
            digests_.push(sha256(cut(all, j)));
        }
        (x.ctx, x.C, x.pkX, x.pkY, x.epkX, x.epkY) = (context(id, hunter(0), 0), model(0, 0), PKX, PKY, 11, 12);
        ReleaseStatement memory s = x;
        z = s.z = pointOf(releaseVk, sha256(abi.encodePacked(digests_)), s);
        uint256 power = 1;
        for (uint256 j; j < count; ++j) {
            sums.push(valueOf(cut(all, j), z));
        }
        for (uint256 k; k < words; ++k) {
            uint256 w;
            assembly {
                w := mload(add(add(all, 32), mul(k, 32)))
            }
            s.y = addmod(s.y, mulmod(w, power, R), R);
            power = mulmod(power, z, R);
        }
        x = s;
    }

    function valueOf(bytes memory part, uint256 point) private pure returns (uint256 y) {
        for (uint256 k = part.length; k != 0; k -= 32) {
            uint256 w;
            assembly {
                w := mload(add(part, k))
            }
            y = addmod(mulmod(y, point, R), w, R);
        }
    }

    function cut(bytes memory all, uint256 j) private pure returns (bytes memory part) {
        uint256 from = j * CHUNK * 32;
        uint256 size = all.length - from < CHUNK * 32 ? all.length - from : CHUNK * 32;
        part = new bytes(size);
        for (uint256 k; k < size; k += 32) {
            assembly {
                mstore(add(add(part, 32), k), mload(add(add(add(all, 32), from), k)))
            }
        }
    }

    function claimCall() private view returns (bytes memory) {
        bytes memory proof = releaseProof(x);
        return abi.encodeCall(
            IBountyMarket.claimChunks, (id, hunter(0), 0, x.epkX, x.epkY, digests_, sums, proof)
        );
    }

    function list() private {
        listed = vm.getBlockTimestamp();
        send(address(this), 0, claimCall());
    }

    function challengeCall(uint256 j) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.challengeChunk, (id, hunter(0), 0, j));
    }

    function answerCall(uint256 j, bytes memory data) private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.answerChunk, (id, hunter(0), 0, j, z, digests_, sums, data));
    }

    function answer(uint256 j) private {
        send(hunter(0), 0, answerCall(j, cut(c, j)));
    }

    function settleCall() private view returns (bytes memory) {
        return abi.encodeCall(IBountyMarket.settleClaim, (id, hunter(0), 0));
    }

    function stateIs(IBountyMarket.EntryState s) private view {
        check(market.entryOf(id, hunter(0), 0).state == s, "state");
    }

    function test_a_large_claim_is_paid_after_inspection() public {
        list();
        stateIs(IBountyMarket.EntryState.Claiming);
        eq(market.detailOf(id).claiming, 1, "claiming");
        bytes memory pending = err(IMarketErrors.ClaimPending.selector, listed + 1500);
        refuses(hunter(0), 0, settleCall(), pending);
        vm.warp(listed + 1499);
        refuses(hunter(0), 0, settleCall(), pending);
        vm.warp(listed + 1500);
        refuses(owner, BOND, challengeCall(0), err(IMarketErrors.ChallengesClosed.selector, listed + 1500));
        send(hunter(5), 0, settleCall());
        stateIs(IBountyMarket.EntryState.Claimed);
        eq(owed(payout(0)), 3.06 ether, "prize and stake");
        bytes memory again = abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 0);
        refuses(hunter(5), 0, settleCall(), again);
    }

    function test_every_chunk_can_be_asked_for_and_every_answer_earns() public {
        list();
        for (uint256 j; j < 3; ++j) {
            send(owner, BOND, challengeCall(j));
        }
        refuses(owner, BOND, challengeCall(3), err(IMarketErrors.TooManyChallenges.selector));
        eq(market.listingOf(id, hunter(0), 0).open.length, 3, "three at a time");
        vm.warp(listed + 400);
        for (uint256 j; j < 3; ++j) {
            answer(j);
        }
        eq(owed(hunter(0)), 3 * BOND, "the hunter's gas, twice");
        send(owner, BOND, challengeCall(3));
        send(owner, BOND, challengeCall(4)); // the last has one word, a lower bond would do
        answer(3);
        answer(4);
        refuses(owner, BOND, challengeCall(0), err(IMarketErrors.NotChallengeable.selector, 0));
        refuses(owner, BOND, challengeCall(5), err(IMarketErrors.NotChallengeable.selector, 5));
        vm.warp(listed + 1500);
        send(hunter(0), 0, settleCall());
        stateIs(IBountyMarket.EntryState.Claimed);
    }

    function test_a_question_names_its_chunk_and_bond() public {
        list();
        vm.recordLogs();
        send(owner, BOND, challengeCall(2));
        Vm.Log memory asked = told(IMarketEvents.ChunkChallenged.selector);
        check(asked.topics[1] == bytes32(id), "bounty");
        check(asked.topics[2] == bytes32(uint256(uint160(hunter(0)))), "hunter");
        bytes memory says = abi.encode(uint8(0), uint256(2), BOND, listed + 500);
        check(keccak256(asked.data) == keccak256(says), "slot, chunk, bond and deadline");
    }

    function isTold(bytes32 kind, bytes memory data) private {
        Vm.Log memory said = told(kind);
        check(said.topics[1] == bytes32(id), "bounty");
        check(said.topics[2] == bytes32(uint256(uint160(hunter(0)))), "hunter");
        check(keccak256(said.data) == keccak256(data), "what happened");
    }

    function test_a_large_claim_is_told_from_its_listing_to_its_payment() public {
        vm.recordLogs();
        list();
        isTold(
            IMarketEvents.ClaimListed.selector,
            abi.encode(uint8(0), uint8(0), x.epkX, x.epkY, z, digests_, sums, listed + 1500)
        );
        send(owner, BOND, challengeCall(3));
        vm.recordLogs();
        answer(3);
        isTold(IMarketEvents.ChunkAnswered.selector, abi.encode(uint8(0), uint256(3), true));
        send(owner, BOND, challengeCall(4));
        vm.recordLogs();
        send(owner, 0, answerCall(4, cut(c, 4)));
        isTold(IMarketEvents.ChunkAnswered.selector, abi.encode(uint8(0), uint256(4), false));
        vm.warp(listed + 1500);
        vm.recordLogs();
        send(hunter(5), 0, settleCall());
        isTold(IMarketEvents.ClaimSettled.selector, abi.encode(uint8(0), uint8(0), uint256(3 ether)));
    }

    function test_a_failed_claim_is_told() public {
        list();
        send(owner, BOND, challengeCall(2));
        vm.warp(listed + 500);
        vm.recordLogs();
        send(hunter(5), 0, settleCall());
        isTold(IMarketEvents.ClaimFailed.selector, abi.encode(uint8(0), uint8(0)));
    }

    /// @dev A second before each deadline of an inspection, the deadline, a second after.
    function test_an_inspection_ends_to_the_second() public {
        list();
        bytes memory closed = err(IMarketErrors.ChallengesClosed.selector, listed + 1500);
        uint256 world = vm.snapshotState();
        vm.warp(listed + 1499);
        send(owner, BOND, challengeCall(0));
        vm.revertToState(world);
        for (uint256 late = 1500; late < 1502; ++late) {
            vm.warp(listed + late);
            refuses(owner, BOND, challengeCall(0), closed);
            send(hunter(5), 0, settleCall());
            vm.revertToState(world);
        }
        send(owner, BOND, challengeCall(0));
        world = vm.snapshotState();
        vm.warp(listed + 499);
        answer(0);
        vm.revertToState(world);
        for (uint256 late = 500; late < 502; ++late) {
            vm.warp(listed + late);
            refuses(hunter(0), 0, answerCall(0, cut(c, 0)), err(IMarketErrors.NotChallenged.selector, 0));
            send(hunter(5), 0, settleCall());
            stateIs(IBountyMarket.EntryState.Ranked);
            vm.revertToState(world);
        }
    }

    /// @dev A late answer leaves the owner time to ask for the next chunk: who withholds many gains nothing.
    function test_an_answer_leaves_time_for_the_next_question() public {
        list();
        vm.warp(listed + 1400);
        send(owner, BOND, challengeCall(0));
        vm.warp(listed + 1899);
        answer(0);
        eq(market.listingOf(id, hunter(0), 0).until, listed + 1899 + 500, "one more answer window");
        refuses(hunter(0), 0, settleCall(), err(IMarketErrors.ClaimPending.selector, listed + 2399));
        vm.warp(listed + 2398);
        send(owner, BOND, challengeCall(1));
    }

    function test_no_answer_voids_the_claim_and_the_prize_moves_on() public {
        list();
        eq(market.detailOf(id).claiming, 1, "under inspection");
        send(owner, BOND, challengeCall(2));
        vm.warp(listed + 499);
        refuses(hunter(1), 0, settleCall(), err(IMarketErrors.ClaimPending.selector, listed + 1500));
        vm.warp(listed + 500);
        refuses(hunter(0), 0, answerCall(2, cut(c, 2)), err(IMarketErrors.NotChallenged.selector, 2));
        send(hunter(1), 0, settleCall());
        stateIs(IBountyMarket.EntryState.Ranked);
        check(market.listingOf(id, hunter(0), 0).failed, "failed");
        eq(market.detailOf(id).claiming, 0, "no longer under inspection");
        eq(owed(owner), BOND, "bond back");
        bytes memory barred = abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 0);
        refuses(address(this), 0, claimCall(), barred);
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
        market.lapse(id);
        stateIs(IBountyMarket.EntryState.Lapsed);
        IBountyMarket.Row[] memory rows = market.boardOf(id);
        eq(rows[2].prize, 0, "the reserve may claim the first prize");
    }

    function test_a_round_waits_for_an_inspection() public {
        (, uint256 end) = market.roundOf(id);
        vm.warp(end - 1);
        list();
        vm.warp(end);
        bytes memory pending = err(IMarketErrors.ClaimPending.selector, listed + 1500);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.lapse, (id)), pending);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.finalize, (id)), pending);
        vm.warp(listed + 1500);
        send(owner, 0, settleCall());
        market.lapse(id); // the second rank
        stateIs(IBountyMarket.EntryState.Claimed);
    }

    function test_answers_are_checked_against_digest_and_sum() public {
        list();
        send(owner, BOND, challengeCall(1));
        bytes memory part = cut(c, 1);
        part[40] ^= 0x01;
        refuses(hunter(0), 0, answerCall(1, part), err(IMarketErrors.AnswerWrong.selector, 1));
        bytes memory short = cut(c, 4);
        bytes memory e = err(IMarketErrors.CiphertextLength.selector, 32, CHUNK * 32);
        refuses(hunter(0), 0, answerCall(1, short), e);
        refuses(hunter(0), 0, answerCall(0, cut(c, 0)), err(IMarketErrors.NotChallenged.selector, 0));
        sums[1] ^= 1;
        refuses(hunter(0), 0, answerCall(1, cut(c, 1)), err(IMarketErrors.ListingMismatch.selector));
        sums[1] ^= 1;
        z ^= 1;
        refuses(hunter(0), 0, answerCall(1, cut(c, 1)), err(IMarketErrors.ListingMismatch.selector));
        z ^= 1;
        answer(1);
    }

    /// @dev Sums that add up to y although two chunks have others: what the proof says is met, what the
    /// chunks hold is not, and whoever asks for either of them finds out.
    function test_sums_that_cancel_out_cannot_be_shown() public {
        uint256 step = 1;
        for (uint256 k; k < CHUNK; ++k) {
            step = mulmod(step, z, R);
        }
        sums[0] = addmod(sums[0], step, R);
        sums[1] = addmod(sums[1], R - 1, R);
        list();
        send(owner, BOND, challengeCall(0));
        refuses(hunter(0), 0, answerCall(0, cut(c, 0)), err(IMarketErrors.AnswerWrong.selector, 0));
    }

    function test_listing_refuses() public {
        sums[3] = addmod(sums[3], 1, R);
        refuses(address(this), 0, claimCall(), err(IMarketErrors.ProofInvalid.selector));
        sums[3] = R;
        refuses(address(this), 0, claimCall(), err(IMarketErrors.NotAFieldElement.selector, R));
        sums[3] = 0;
        sums.pop();
        refuses(address(this), 0, claimCall(), err(IMarketErrors.ChunksInvalid.selector, 5, 5));
        digests_.pop();
        refuses(address(this), 0, claimCall(), err(IMarketErrors.ChunksInvalid.selector, 4, 5));
    }

    function test_a_small_ciphertext_is_claimed_in_calldata() public {
        setUp2();
        bytes memory call_ = abi.encodeCall(
            IBountyMarket.claimChunks, (id, hunter(0), 0, 1, 2, new bytes32[](1), new uint256[](1), "")
        );
        refuses(address(this), 0, call_, err(IMarketErrors.ChunksInvalid.selector, 1, 0));
    }

    /// @dev A bounty of the smallest class.
    function setUp2() private {
        setUpWorld();
        uint32[] memory scores = new uint32[](1);
        scores[0] = 120;
        id = inClaim(sealedParams(), scores);
    }

    function test_challenges_are_the_owners() public {
        list();
        bytes memory e = abi.encodeWithSelector(IMarketErrors.NotOwner.selector, hunter(1));
        refuses(hunter(1), BOND, challengeCall(0), e);
        refuses(owner, BOND - 1, challengeCall(0), err(IMarketErrors.ChallengeBondTooLow.selector, BOND - 1, BOND));
        uint256 most = type(uint96).max;
        refuses(owner, most + 1, challengeCall(0), err(IMarketErrors.ValueWrong.selector, most + 1, most));
        send(owner, BOND, challengeCall(0));
        send(owner, 0, answerCall(0, cut(c, 0)));
        eq(market.burnt(), BOND, "who answers itself forfeits");
        id = create(sealedParams());
        bytes memory none = abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 0);
        refuses(owner, BOND, challengeCall(0), none);
        refuses(owner, 0, settleCall(), none);
    }
}
