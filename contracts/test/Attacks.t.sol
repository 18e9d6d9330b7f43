// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBountyMarket} from "../src/interfaces/IBountyMarket.sol";
import {IKeyRegistry} from "../src/interfaces/IKeyRegistry.sol";
import {IMarketErrors} from "../src/interfaces/IMarketErrors.sol";
import {ReleaseStatement} from "../src/interfaces/IReleaseVerifier.sol";
import {ScoreStatement} from "../src/interfaces/IScoreVerifier.sol";
import {Base} from "./Base.sol";
import {vm} from "./Vm.sol";

/// @dev A verifier that says yes to everything.
contract EvilVerifier {
    bytes32 public constant srsId = keccak256("evil");

    function verify(address[] calldata, ScoreStatement calldata, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// @notice What broke the predecessors, as stories against this market.
contract AttacksTest is Base {
    uint256 private id;
    address private constant THIEF = address(0x7413F);

    function setUp() public {
        setUpWorld();
        vm.deal(THIEF, 1e24);
        id = create(sealedParams());
    }

    /// @dev Copied from the mempool: a commitment, a score proof, a claim. Each carries its sender or its entry.
    function test_copied_calldata_is_worth_nothing() public {
        commit(id, 0, 0);
        // The same h under the thief's name: C, once known, does not open it there.
        bytes32 h = commitment(id, 0, 0);
        vm.prank(THIEF);
        market.commit{value: 0.06 ether}(id, 0, h, scoreVk, THIEF);
        reveal(id);
        attest(id);
        bytes memory proof = proveCall(id, 0, 0, scoreStatement(id, 0, 0, 0, 60));
        refuses(THIEF, 0, proof, err(IMarketErrors.CommitmentMismatch.selector));
        proveAll(id, 0, 0, 120);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        bytes memory c = ciphertext(0, WORDS);
        send(THIEF, 0, claimCall(id, 0, 0, c, releaseStatement(id, 0, 0, c)));
        eq(owed(THIEF), 0, "who relays a claim");
        eq(owed(payout(0)), 3.06 ether, "pays its hunter");
    }

    /// @dev The hunter brings its verifier: registered, as anyone's is, and in no bounty.
    function test_an_evil_verifier_is_not_asked() public {
        EvilVerifier evil = new EvilVerifier();
        bytes32 vkId = registerKey(IKeyRegistry.Role.Score, address(evil), "evil", releaseVk);
        bytes memory enter = abi.encodeCall(IBountyMarket.commit, (id, 0, bytes32(uint256(1)), vkId, THIEF));
        refuses(THIEF, 0.06 ether, enter, err(IMarketErrors.KeyNotAccepted.selector, uint256(vkId)));
        refuses(
            THIEF,
            0,
            abi.encodeCall(IBountyMarket.acceptKey, (id, vkId)),
            abi.encodeWithSelector(IMarketErrors.NotOwner.selector, THIEF)
        );
    }

    /// @dev The owner posts twice with one key; a claim of the first bounty is no claim of the second.
    function test_a_claim_proof_is_not_replayed_under_a_reused_key() public {
        uint256 second = create(sealedParams());
        uint256[2] memory ids = [id, second];
        for (uint256 k; k < 2; ++k) {
            commit(ids[k], 0, 0);
        }
        vm.warp(commitEnd(id) + 60);
        for (uint256 k; k < 2; ++k) {
            market.reveal(ids[k], salt, digests(2));
            attest(ids[k]);
            proveAll(ids[k], 0, 0, 120);
        }
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        bytes memory c = ciphertext(0, WORDS);
        ReleaseStatement memory x = releaseStatement(id, 0, 0, c);
        send(THIEF, 0, claimCall(id, 0, 0, c, x));
        refuses(THIEF, 0, claimCall(second, 0, 0, c, x), err(IMarketErrors.ProofInvalid.selector));
        bytes memory twice = abi.encodeWithSelector(IMarketErrors.NotClaimable.selector, hunter(0), 0);
        refuses(THIEF, 0, claimCall(id, 0, 0, c, x), twice);
    }

    /// @dev A first submission of garbage locked a bounty for ever; here it is one refused call.
    function test_first_garbage_locks_nothing() public {
        vm.prank(THIEF);
        market.commit{value: 0.06 ether}(id, 0, bytes32(uint256(1)), scoreVk, THIEF);
        commit(id, 0, 0);
        reveal(id);
        attest(id);
        bytes memory garbage = abi.encodeCall(IBountyMarket.prove, (id, 0, 5, 0, 60, 6, hex"00"));
        refuses(THIEF, 0, garbage, err(IMarketErrors.CommitmentMismatch.selector));
        proveAll(id, 0, 0, 120);
        check(market.boardOf(id)[0].hunter == hunter(0), "the honest entry leads");
    }

    function test_a_vanished_hunter_blocks_nobody() public {
        IBountyMarket.Params memory p = sealedParams();
        p.prizes = new uint96[](1);
        p.prizes[0] = 3 ether;
        p.bond = 0.3 ether;
        uint32[] memory scores = new uint32[](2);
        (scores[0], scores[1]) = (120, 110);
        id = inClaim(p, scores);
        (, uint256 end) = market.roundOf(id);
        vm.warp(end);
        market.lapse(id);
        (uint256 start,) = market.roundOf(id);
        vm.warp(start);
        claim(id, 1, 0);
        market.finalize(id);
        eq(owed(payout(1)), 3 ether + 0.12 ether, "the prize, its stake, and the vanished one's");
    }

    function test_a_silent_provider_pays() public {
        commit(id, 0, 0);
        vm.warp(commitEnd(id) + 1060);
        market.timeout(id);
        market.refund(id, hunter(0), 0);
        eq(owed(payout(0)), 0.06 ether + 0.2 ether, "stake and half the bond");
        eq(market.burnt(), 0.2 ether, "the rest is nobody's");
    }

    /// @dev An owner in ten masks gets the entries' half back, never the burnt one.
    function test_sybils_recapture_half_a_slashed_bond_at_most() public {
        uint256 got;
        for (uint256 i; i < 10; ++i) {
            commit(id, i, 0);
        }
        vm.warp(commitEnd(id) + 1060);
        market.timeout(id);
        for (uint256 i; i < 10; ++i) {
            market.refund(id, hunter(i), 0);
            got += owed(payout(i)) - 0.06 ether;
        }
        check(got <= 0.2 ether && market.burnt() >= 0.2 ether, "half is burnt");
    }

    /// @dev The masks also challenge: bonds come back, and nothing else.
    function test_an_owner_that_challenges_itself_gains_nothing() public {
        commit(id, 0, 0);
        reveal(id);
        vm.fee(1 gwei);
        uint256 bond = market.answerBond(SHARD_BYTES);
        send(hunter(0), bond, abi.encodeCall(IBountyMarket.challengeShard, (id, 0)));
        vm.warp(vm.getBlockTimestamp() + 500);
        market.timeout(id);
        eq(owed(hunter(0)), bond, "its own money");
        eq(market.burnt(), 0.2 ether, "half the bond, as ever");
    }

    // -------------------------------------------------------------- modules

    function test_modules_keep_no_books() public {
        (address posting, address claiming, address ending) = market.modules();
        address[3] memory all = [posting, claiming, ending];
        for (uint256 k; k < 3; ++k) {
            bytes memory call_ = k == 0
                ? abi.encodeCall(IBountyMarket.create, (sealedParams()))
                : k == 1
                    ? abi.encodeCall(IBountyMarket.settleClaim, (id, owner, 0))
                    : abi.encodeCall(IBountyMarket.finalize, (id));
            uint256 value = k == 0 ? 4.4 ether : 0;
            refusesAt(all[k], owner, value, call_, err(IMarketErrors.NotTheMarket.selector));
        }
    }

    /// @dev A module whose code is another one is not run, whatever stands at its address now.
    function test_a_changed_module_is_not_run() public {
        (,, address ending) = market.modules();
        vm.etch(ending, hex"00");
        bytes memory e = abi.encodeWithSelector(IMarketErrors.ModuleChanged.selector, ending);
        refuses(owner, 0, abi.encodeCall(IBountyMarket.finalize, (id)), e);
    }

    function test_a_market_is_made_of_modules_of_its_own_registry() public {
        address other = deploy("DatasetRegistry", abi.encode(deploy("KeyRegistry", "")));
        address foreign = deploy("MarketEnding", abi.encode(other));
        (address posting, address claiming,) = market.modules();
        string memory json = vm.readFile("artifacts/BountyMarket.json");
        bytes memory arguments = abi.encode(datasets, posting, claiming, foreign);
        bytes memory code = bytes.concat(vm.parseJsonBytes(json, ".bytecode"), arguments);
        address made;
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        check(made == address(0), "refused");
        check(address(IBountyMarket(foreign).datasetRegistry()) == other, "a module of another registry");
    }
}
